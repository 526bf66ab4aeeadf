/* contract/ddl.c — the contract as the engine's DDL: an output, not how datasets are registered.
 *
 * What the engine reads of it is the same table again, but for what its DDL has no words for: that is listed in
 * comments behind the statement (contract/ddl_type.h).
 */
#include "contract/contract.h"

#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "contract/ddl_type.h"
#include "contract/scan.h"

static void put_names(GString *out, const char *before, const struct contract_names *names, const char *after)
{
    if (names->n == 0)
        return;
    g_string_append(out, before);
    for (size_t i = 0; i < names->n; i++) {
        g_autofree char *name = contract_quote(names->items[i]);
        g_string_append_printf(out, "%s%s", i == 0 ? "(" : ", ", name);
    }
    g_string_append_printf(out, ")%s", after);
}

/* 'it''s' */
static void put_text(GString *out, const char *text)
{
    g_string_append_c(out, '\'');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\'')
            g_string_append_c(out, '\'');
        g_string_append_c(out, *p);
    }
    g_string_append_c(out, '\'');
}

static void put_columns(GString *out, const struct contract *c)
{
    g_string_append(out, " (\n");
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct contract_field *column = &c->columns[i];
        g_autofree char *name = contract_quote(column->name);
        g_string_append_printf(out, "    %s ", name);
        ddl_put_type(out, column);
        if (!column->is_nullable)
            g_string_append(out, " NOT NULL");
        if (column->default_sql != NULL)
            g_string_append_printf(out, " DEFAULT %s", column->default_sql);
        g_string_append(out, ",\n");
    }
    put_names(out, "    PRIMARY KEY ", &c->primary, ",\n");
    for (size_t i = 0; i < c->n_unique; i++)
        put_names(out, "    UNIQUE ", &c->unique[i], ",\n");
    /* The last one has no comma behind it. */
    g_string_truncate(out, out->len - 2);
    g_string_append(out, "\n)");
}

static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct contract_pair *)a)->key, ((const struct contract_pair *)b)->key);
}

static void put_options(GString *out, GArray *options)
{
    if (options->len == 0)
        return;
    g_array_sort(options, compare_pairs);
    g_string_append(out, "\nOPTIONS (");
    for (guint i = 0; i < options->len; i++) {
        const struct contract_pair *option = &g_array_index(options, struct contract_pair, i);
        g_string_append(out, i == 0 ? "" : ", ");
        put_text(out, option->key);
        g_string_append_c(out, ' ');
        put_text(out, option->value);
    }
    g_string_append_c(out, ')');
}

static void add_option(GArray *options, const char *key, char *value)
{
    struct contract_pair option = {.key = (char *)key, .value = value};
    if (value != NULL)
        g_array_append_val(options, option);
}

/* What a format of the engine's own understands: its properties, and of text files that they are compressed as a whole
 * (DataFusion 55.2 refuses the word for Parquet, Avro and Arrow). */
static void put_format_options(GString *out, const struct contract *c)
{
    const struct contract_storage *s = &c->storage;
    g_autoptr(GArray) options = g_array_new(FALSE, FALSE, sizeof(struct contract_pair));
    if (s->properties.n > 0)
        g_array_append_vals(options, s->properties.items, (guint)s->properties.n);
    if (contract_storage_is_text(s))
        add_option(options, "format.compression", s->compression);
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < c->scan.n; i++) {
        const struct contract_scan_option *option = contract_scan_option(c->scan.items[i].key);
        if (option == NULL || strcmp(option->key, "unbounded") == 0)
            continue;
        char *key =
            g_str_has_prefix(option->key, "format.") ? g_strdup(option->key) : g_strconcat("scan.", option->key, NULL);
        g_ptr_array_add(keys, key);
        add_option(options, key, c->scan.items[i].value);
    }
    put_options(out, options);
}

/* The engine writes keys in lower case, and Delta's properties are not: they are one value. */
static char *properties_json(const struct contract_pairs *properties)
{
    if (properties->n == 0)
        return NULL;
    json_t *object = json_object();
    for (size_t i = 0; i < properties->n; i++)
        json_object_set_new(object, properties->items[i].key, json_string(properties->items[i].value));
    char *text = json_dumps(object, JSON_SORT_KEYS);
    json_decref(object);
    return text;
}

static char *size_text(int64_t n_bytes)
{
    return n_bytes > 0 ? g_strdup_printf("%" G_GINT64_FORMAT, n_bytes) : NULL;
}

/* How a Delta table is written. */
static void put_delta_options(GString *out, const struct contract_storage *s)
{
    g_autoptr(GArray) options = g_array_new(FALSE, FALSE, sizeof(struct contract_pair));
    CA_AUTOFREE char *properties = properties_json(&s->properties);
    g_autofree char *row_group = size_text(s->row_group_bytes);
    g_autofree char *target_file = size_text(s->target_file_bytes);
    g_autofree char *statistics = s->statistics_columns.n > 0 ? g_strjoinv(", ", s->statistics_columns.items) : NULL;
    add_option(options, "storage.compression", s->compression);
    add_option(options, "storage.properties", properties);
    add_option(options, "storage.row_group_bytes", row_group);
    add_option(options, "storage.statistics_columns", statistics);
    add_option(options, "storage.target_file_bytes", target_file);
    put_options(out, options);
}

static bool is_unbounded(const struct contract *c)
{
    return strcmp(c->storage.format, "stream") == 0 || contract_scan_is_true(c, "unbounded");
}

/* The engine's word for a format; a stream is read as lines of JSON when nothing else is said. */
static const char *stored_as(const char *format)
{
    static const struct {
        const char *format;
        const char *word;
    } words[] = {{"delta", "DELTATABLE"}, {"parquet", "PARQUET"}, {"csv", "CSV"},    {"ndjson", "JSON"},
                 {"arrow", "ARROW"},      {"avro", "AVRO"},       {"stream", "JSON"}};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(format, words[i].format) == 0)
            return words[i].word;
    }
    return "DELTATABLE";
}

static void put_name(GString *out, const struct contract *c, const char *name)
{
    g_autofree char *quoted = contract_quote(name);
    g_string_append_printf(out, "%s.%s.%s", CONTRACT_CATALOG, contract_schema_name(c), quoted);
}

/* The text of a SELECT without the semicolon and blanks at its end. */
static void put_select(GString *out, const char *sql)
{
    size_t n = strlen(sql);
    while (n > 0 && (g_ascii_isspace(sql[n - 1]) || sql[n - 1] == ';'))
        n--;
    g_string_append_len(out, sql, (gssize)n);
    g_string_append(out, ";\n");
}

/* Where the table lies. The engine takes files for one file unless their place ends in a slash: a table that has no
 * place yet, or has partitions, is a folder. */
static char *place_of(const struct contract *c, const char *location)
{
    g_autofree char *own = g_strdup_printf("%s/%s", contract_schema_name(c), c->dataset);
    const bool is_folder = c->storage.location == NULL || c->partition_by.n > 0;
    const char *place = c->storage.location != NULL ? c->storage.location : location != NULL ? location : own;
    const bool ends = strcmp(c->storage.format, "delta") == 0 || !is_folder || g_str_has_suffix(place, "/");
    return g_strconcat(place, ends ? "" : "/", NULL);
}

int contract_ddl(const struct contract *c, const char *sql, const char *location, char **ret, struct ca_error *err)
{
    if (c->kind == CONTRACT_VIEW && sql == NULL)
        return ca_fail(err, CA_ERR_CONTRACT, "view '%s' has no SQL", c->dataset);
    GString *out = g_string_new(NULL);
    if (c->kind == CONTRACT_VIEW) {
        g_string_append(out, "CREATE VIEW ");
        put_name(out, c, c->dataset);
        g_string_append(out, " AS\n");
        put_select(out, sql);
    } else if (strcmp(c->storage.format, "memory") == 0) {
        g_string_append(out, "CREATE TABLE ");
        put_name(out, c, c->dataset);
        put_columns(out, c);
        g_string_append(out, ";\n");
    } else {
        g_autofree char *place = place_of(c, location);
        g_string_append(out, is_unbounded(c) ? "CREATE UNBOUNDED EXTERNAL TABLE " : "CREATE EXTERNAL TABLE ");
        put_name(out, c, c->dataset);
        put_columns(out, c);
        g_string_append_printf(out, "\nSTORED AS %s", stored_as(c->storage.format));
        put_names(out, "\nPARTITIONED BY ", &c->partition_by, "");
        put_names(out, "\nWITH ORDER ", &c->order, "");
        g_string_append(out, "\nLOCATION ");
        put_text(out, place);
        if (strcmp(c->storage.format, "delta") == 0)
            put_delta_options(out, &c->storage);
        else
            put_format_options(out, c);
        g_string_append(out, ";\n");
    }
    int rc = c->kind == CONTRACT_VIEW ? CA_OK : ddl_put_unsaid(out, c, err);
    char *text = g_string_free(out, rc != CA_OK);
    if (rc == CA_OK)
        *ret = text;
    return rc;
}

char *contract_view_ddl(const struct contract *c, const struct contract_view *view)
{
    g_autofree char *sql = contract_view_sql(c, view);
    GString *out = g_string_new("CREATE VIEW ");
    put_name(out, c, view->name);
    g_string_append(out, " AS\n");
    put_select(out, sql);
    return g_string_free(out, FALSE);
}
