/* catalog/introspect.c — the one place with SQL over information_schema, and the one resolver of schemas. */
#include <stdlib.h>
#include <string.h>

#include "catalog/state.h"

static const char tables_sql[] =
    "SELECT t.table_schema, t.table_name, t.table_type, d.kind, d.version, d.n_rows, d.health, d.doc "
    "FROM information_schema.tables AS t "
    "JOIN registry.datasets AS d ON d.schema_name = t.table_schema AND d.dataset_name = t.table_name "
    "WHERE t.table_catalog = '" CATALOG_NAME "' ORDER BY t.table_schema, t.table_name";

static const char columns_sql[] =
    "SELECT r.schema_name AS table_schema, r.dataset_name AS table_name, r.path, r.depth, r.type, c.data_type, "
    "r.is_nullable, coalesce(c.is_nullable = 'NO', r.is_proved) AS is_proved, r.default_value, r.doc "
    "FROM registry.columns AS r LEFT JOIN information_schema.columns AS c "
    "ON c.table_catalog = '" CATALOG_NAME "' AND c.table_schema = r.schema_name AND c.table_name = r.dataset_name "
    "AND c.column_name = r.path ";

static const char views_sql[] =
    "SELECT v.table_schema, v.table_name, r.kind, r.sql FROM information_schema.tables AS v "
    "JOIN registry.views AS r ON r.schema_name = v.table_schema AND r.dataset_name = v.table_name "
    "WHERE v.table_catalog = '" CATALOG_NAME "' ORDER BY v.table_schema, v.table_name";

static const char routines_sql[] =
    "SELECT routine_name, function_type, data_type AS return_type, description, syntax_example "
    "FROM information_schema.routines ORDER BY routine_name, data_type, syntax_example";

static const char settings_sql[] = "SELECT name, value, description FROM information_schema.df_settings ORDER BY name";

/* `text` as an SQL string. */
static char *sql_string(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "'", 0);
    g_autofree char *inner = g_strjoinv("''", parts);
    return g_strdup_printf("'%s'", inner);
}

/* codeintel.schema.name, each part quoted. */
static char *sql_name(const struct catalog_entry *e)
{
    return g_strdup_printf("\"" CATALOG_NAME "\".\"%s\".\"%s\"", e->schema, e->name);
}

int catalog_tables(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err)
{
    return engine_query(c->engine, tables_sql, NULL, NULL, ret, err);
}

int catalog_columns(struct catalog *c, const char *dataset, struct ArrowArrayStream *ret, struct ca_error *err)
{
    g_autoptr(GString) sql = g_string_new(columns_sql);
    if (dataset) {
        struct catalog_entry entry;
        CA_TRY(catalog_lookup(c, dataset, &entry, err));
        g_autofree char *schema = sql_string(entry.schema);
        g_autofree char *name = sql_string(entry.name);
        g_string_append_printf(sql, "WHERE r.schema_name = %s AND r.dataset_name = %s ", schema, name);
    }
    g_string_append(sql, "ORDER BY r.schema_name, r.dataset_name, r.position");
    return engine_query(c->engine, sql->str, NULL, NULL, ret, err);
}

int catalog_views(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err)
{
    return engine_query(c->engine, views_sql, NULL, NULL, ret, err);
}

int catalog_routines(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err)
{
    return engine_query(c->engine, routines_sql, NULL, NULL, ret, err);
}

int catalog_settings(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err)
{
    return engine_query(c->engine, settings_sql, NULL, NULL, ret, err);
}

/* ---- names, handles and queries --------------------------------------------------------------------------------- */

static const char handle_prefix[] = "dataset://";

/* dataset://NAME[@VERSION]: VERSION is the contract's. */
static int lookup_handle(const struct catalog *c, const char *handle, struct catalog_entry *ret, struct ca_error *err)
{
    g_auto(GStrv) parts = g_strsplit(handle + strlen(handle_prefix), "@", 2);
    if (!parts[0] || !parts[0][0])
        return ca_fail(err, CA_ERR_INVALID, "handle '%s' names no dataset", handle);
    CA_TRY_CTX(catalog_lookup(c, parts[0], ret, err), err, "handle '%s'", handle);
    guint64 version = 0;
    if (parts[1] && !g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXINT, &version, NULL))
        return ca_fail(err, CA_ERR_INVALID, "handle '%s': '%s' is not a contract version", handle, parts[1]);
    if (parts[1] && (int)version != ret->version)
        return ca_fail(err, CA_ERR_NOT_FOUND, "handle '%s': the catalog has version %d of '%s'", handle, ret->version,
                       ret->name);
    return CA_OK;
}

/* A name has no white space and no parenthesis; a query has. */
static bool is_query(const char *text)
{
    return strpbrk(text, " \t\r\n(;") != NULL;
}

static int lookup_name(const struct catalog *c, const char *name, struct catalog_entry *ret, struct ca_error *err)
{
    if (g_str_has_prefix(name, handle_prefix))
        return lookup_handle(c, name, ret, err);
    return catalog_lookup(c, name, ret, err);
}

/* Whether a name's schema is one of the catalog's: "x", "public.x", "codeintel.public.x". */
static bool is_in_catalog(const struct catalog *c, const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, ".", 0);
    guint n = g_strv_length(parts);
    if (n < 2)
        return true;
    if (n > 3 || (n == 3 && strcmp(parts[0], CATALOG_NAME) != 0))
        return false;
    for (guint i = 0; i < c->names->len; i++)
        if (strcmp(((const struct catalog_name *)c->names->pdata[i])->schema, parts[n - 2]) == 0)
            return true;
    return false;
}

/* The schema of a name that no contract declares: of information_schema, or registered in the session. What the engine
 * does not know either is its error where the name is none of ours, and ours, which lists close names, where it could
 * be. */
static int foreign_schema(struct catalog *c, const char *name, struct ArrowSchema *ret, struct ca_error *err)
{
    struct ca_error words = {0};
    g_autofree char *sql = g_strdup_printf("SELECT * FROM %s", name);
    int rc = engine_query_schema(c->engine, sql, ret, &words);
    if (rc == CA_OK)
        return CA_OK;
    struct catalog_entry unused;
    return is_in_catalog(c, name) ? catalog_lookup(c, name, &unused, err) : ca_fail(err, rc, "%s", words.message);
}

/* What the text means: one of our names (entry filled), or something for the engine. */
static int is_ours(struct catalog *c, const char *text, struct catalog_entry *ret, bool *ret_is_ours,
                   struct ca_error *err)
{
    struct ca_error unknown = {0};
    *ret_is_ours = false;
    if (is_query(text))
        return CA_OK;
    int rc = lookup_name(c, text, ret, &unknown);
    if (rc != CA_OK && g_str_has_prefix(text, handle_prefix))
        return ca_fail(err, rc, "%s", unknown.message);
    *ret_is_ours = rc == CA_OK;
    return CA_OK;
}

int catalog_resolve_schema(struct catalog *c, const char *name_or_query, struct ArrowSchema *ret, struct ca_error *err)
{
    struct catalog_entry entry;
    bool is_known = false;
    CA_TRY(is_ours(c, name_or_query, &entry, &is_known, err));
    if (is_known)
        return engine_table_schema(c->engine, entry.schema, entry.name, ret, err);
    return is_query(name_or_query) ? engine_query_schema(c->engine, name_or_query, ret, err)
                                   : foreign_schema(c, name_or_query, ret, err);
}

int catalog_describe(struct catalog *c, const char *name_or_query, struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct catalog_entry entry;
    bool is_known = false;
    CA_TRY(is_ours(c, name_or_query, &entry, &is_known, err));
    if (!is_known && !is_query(name_or_query)) {
        struct ArrowSchema schema = {0};
        CA_TRY(foreign_schema(c, name_or_query, &schema, err));
        schema.release(&schema);
    }
    g_autofree char *object = is_known ? sql_name(&entry) : g_strdup(name_or_query);
    g_autofree char *sql = g_strconcat("DESCRIBE ", object, NULL);
    return engine_query(c->engine, sql, NULL, NULL, ret, err);
}

/* ---- DDL -------------------------------------------------------------------------------------------------------- */

static int name_ddl(struct catalog *c, struct catalog_name *n, char **ret, struct ca_error *err)
{
    const struct contract *contract = NULL;
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    if (n->is_nested) {
        *ret = contract_view_ddl(contract, contract_view_named(contract, n->name));
        return CA_OK;
    }
    g_mutex_lock(&c->lock);
    g_autofree char *location = g_strdup(n->dataset->location);
    g_mutex_unlock(&c->lock);
    return contract_ddl(contract, n->dataset->entry->sql, location, ret, err);
}

int catalog_ddl(struct catalog *c, const char *name, engine_text_fn sink, void *data, struct ca_error *err)
{
    struct catalog_entry entry;
    if (name)
        CA_TRY(lookup_name(c, name, &entry, err));
    for (guint i = 0; i < c->names->len; i++) {
        struct catalog_name *n = c->names->pdata[i];
        if (name && (strcmp(n->schema, entry.schema) != 0 || strcmp(n->name, entry.name) != 0))
            continue;
        char *ddl = NULL;
        CA_TRY(name_ddl(c, n, &ddl, err));
        sink(data, ddl, strlen(ddl));
        free(ddl);
    }
    return CA_OK;
}

/* Where a table lies is not part of what it is: the fingerprint is of the DDL without a location. */
int catalog_ddl_fingerprint(struct catalog *c, const char *schema, const char *name, char **ret, struct ca_error *err)
{
    struct catalog_name *n = catalog_name_find(c, schema, name);
    if (!n)
        return ca_fail(err, CA_ERR_NOT_FOUND, "no dataset '%s.%s'", schema, name);
    const struct contract *contract = NULL;
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    char *ddl = NULL;
    if (n->is_nested)
        ddl = contract_view_ddl(contract, contract_view_named(contract, n->name));
    else
        CA_TRY(contract_ddl(contract, n->dataset->entry->sql, NULL, &ddl, err));
    char hex[FINGERPRINT_HEX_SIZE];
    fingerprint_of(ddl, strlen(ddl), hex);
    free(ddl);
    *ret = g_strdup(hex);
    return CA_OK;
}
