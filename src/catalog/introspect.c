/* catalog/introspect.c — the one place with SQL over information_schema, and the one resolver of schemas. */
#include <stdlib.h>
#include <string.h>

#include "catalog/agree.h"
#include "catalog/state.h"
#include "contract/location.h"
#include "rows/rows.h"

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

static const char views_of_sql[] =
    "SELECT d.schema_name AS table_schema, d.dataset_name AS table_name, d.doc, r.sql, r.fingerprint "
    "FROM registry.datasets AS d "
    "JOIN registry.views AS r ON r.schema_name = d.schema_name AND r.dataset_name = d.dataset_name";

static const char routines_sql[] =
    "SELECT routine_name, function_type, data_type AS return_type, description, syntax_example "
    "FROM information_schema.routines ORDER BY routine_name, data_type, syntax_example";

static const char settings_sql[] =
    "SELECT s.name, r.value, r.default_value, r.source, s.description FROM information_schema.df_settings AS s "
    "JOIN registry.settings AS r ON r.key = s.name ORDER BY s.name";

static const char profiles_sql[] = "SELECT kind, name, key, value FROM registry.profiles ORDER BY kind, name, key";

static const char proofs_sql[] =
    "SELECT schema_name AS table_schema, dataset_name AS table_name, kind, fact, status, method, data_version, detail "
    "FROM registry.proofs ";

int catalog_tables(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err)
{
    return engine_query(c->engine, tables_sql, NULL, NULL, ret, err);
}

int catalog_columns(struct catalog *c, const char *dataset, struct ArrowArrayStream *ret, struct ca_error *err)
{
    g_autoptr(GString) sql = g_string_new(columns_sql);
    if (dataset) {
        struct catalog_entry entry = {0};
        CA_TRY(catalog_lookup(c, dataset, &entry, err));
        g_autofree char *schema = catalog_sql_text(entry.schema);
        g_autofree char *name = catalog_sql_text(entry.name);
        g_string_append_printf(sql, "WHERE r.schema_name = %s AND r.dataset_name = %s ", schema, name);
    }
    g_string_append(sql, "ORDER BY r.schema_name, r.dataset_name, r.position");
    return engine_query(c->engine, sql->str, NULL, NULL, ret, err);
}

int catalog_views_of(struct catalog *c, const struct catalog_entry *entry, struct ArrowArrayStream *ret,
                     struct ca_error *err)
{
    const struct contract *contract = NULL;
    CA_TRY(catalog_contract(c, entry->schema, entry->name, &contract, err));
    g_autofree char *schema = catalog_sql_text(entry->schema);
    g_autofree char *name = catalog_sql_text(entry->nested_in ? "" : contract->dataset);
    g_autofree char *sql = g_strdup_printf("%s WHERE d.kind = 'nested' AND d.schema_name = %s AND d.contract = %s "
                                           "ORDER BY d.dataset_name",
                                           views_of_sql, schema, name);
    return engine_query(c->engine, sql, NULL, NULL, ret, err);
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

int catalog_setting_names(struct engine *e, char **ret, struct ca_error *err)
{
    static const char sql[] = "SELECT string_agg(name, ' ') FROM information_schema.df_settings";
    CA_TRY(engine_query_text(e, sql, ret, err));
    return *ret ? CA_OK : ca_bug(err, "the engine has no settings");
}

int catalog_profiles(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err)
{
    return engine_query(c->engine, profiles_sql, NULL, NULL, ret, err);
}

int catalog_proofs(struct catalog *c, const char *const *names, size_t n_names, struct ArrowArrayStream *ret,
                   struct ca_error *err)
{
    g_autoptr(GString) sql = g_string_new(proofs_sql);
    g_string_append(sql, "WHERE false");
    for (size_t i = 0; i < n_names; i++) {
        g_autofree char *name = catalog_sql_text(names[i]);
        g_string_append_printf(sql, " OR schema_name || '.' || dataset_name = %s", name);
    }
    g_string_append(sql, " ORDER BY schema_name, dataset_name, kind, fact");
    return engine_query(c->engine, sql->str, NULL, NULL, ret, err);
}

/* ---- names, handles and queries --------------------------------------------------------------------------------- */

static const char handle_prefix[] = "dataset://";

/* dataset://NAME[@VERSION][#LOCATION]: VERSION is the contract's. */
static int lookup_handle(const struct catalog *c, const char *handle, struct catalog_entry *ret, struct ca_error *err)
{
    static const char mark[] = {CONTRACT_LOCATION_MARK, '\0'};
    g_auto(GStrv) halves = g_strsplit(handle + strlen(handle_prefix), mark, 2);
    g_auto(GStrv) parts = g_strsplit(halves[0] ? halves[0] : "", "@", 2);
    if (!parts[0] || !parts[0][0])
        return ca_fail(err, CA_ERR_INVALID, "handle '%s' names no dataset", handle);
    CA_TRY_CTX(catalog_lookup(c, parts[0], ret, err), err, "handle '%s'", handle);
    guint64 version = 0;
    if (parts[1] && !g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXINT, &version, NULL))
        return ca_fail(err, CA_ERR_INVALID, "handle '%s': '%s' is not a contract version", handle, parts[1]);
    if (parts[1] && (int)version != ret->version)
        return ca_fail(err, CA_ERR_NOT_FOUND, "handle '%s': the catalog has version %d of '%s'", handle, ret->version,
                       ret->name);
    if (!halves[0] || !halves[1])
        return CA_OK;
    struct catalog_name *place = NULL;
    CA_TRY_CTX(catalog_place_required(c, ret, halves[1], &place, err), err, "handle '%s'", handle);
    *ret = catalog_entry_of(place);
    return CA_OK;
}

int catalog_name_named(const struct catalog *c, const char *schema, const char *table, struct catalog_name **ret,
                       struct ca_error *err)
{
    bool is_handle = g_str_has_prefix(table, handle_prefix);
    *ret = is_handle || strchr(table, CONTRACT_LOCATION_MARK) ? NULL : catalog_name_find(c, schema, table);
    if (*ret)
        return CA_OK;
    if (!is_handle)
        return ca_fail(err, CA_ERR_NOT_FOUND, "no dataset '%s.%s'", schema, table);
    struct catalog_entry entry = {0};
    struct ca_error words = {0};
    if (lookup_handle(c, table, &entry, &words) != CA_OK)
        return ca_fail(err, CA_ERR_INVALID, "%s", words.message);
    *ret = catalog_name_find(c, entry.schema, entry.name);
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

int catalog_resolve(struct catalog *c, const char *name_or_handle, struct catalog_entry *ret, struct ca_error *err)
{
    return lookup_name(c, name_or_handle, ret, err);
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
    const GPtrArray *names = catalog_names(c);
    for (guint i = 0; i < names->len; i++)
        if (strcmp(((const struct catalog_name *)names->pdata[i])->schema, parts[n - 2]) == 0)
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

/* Of a query, or of a name that no contract declares. */
static int undeclared_schema(struct catalog *c, const char *name_or_query, struct ArrowSchema *ret,
                             struct ca_error *err)
{
    return is_query(name_or_query) ? engine_query_schema(c->engine, name_or_query, ret, err)
                                   : foreign_schema(c, name_or_query, ret, err);
}

int catalog_resolve_schema(struct catalog *c, const char *name_or_query, struct ArrowSchema *ret, struct ca_error *err)
{
    struct catalog_entry entry = {0};
    bool is_known = false;
    CA_TRY(is_ours(c, name_or_query, &entry, &is_known, err));
    if (is_known)
        return engine_table_schema(c->engine, entry.schema, entry.table, ret, err);
    return undeclared_schema(c, name_or_query, ret, err);
}

int catalog_describe(struct catalog *c, const char *name_or_query, struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct catalog_entry entry = {0};
    bool is_known = false;
    CA_TRY(is_ours(c, name_or_query, &entry, &is_known, err));
    if (!is_known) {
        struct ArrowSchema schema = {0}; /* what is wrong is said of the text alone: DESCRIBE before it moves places */
        CA_TRY(undeclared_schema(c, name_or_query, &schema, err));
        schema.release(&schema);
    }
    g_autofree char *object = is_known ? catalog_sql_name(&entry) : g_strdup(name_or_query);
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

void catalog_name_definition(struct catalog *c, struct catalog_name *n, engine_text_fn sink, void *data)
{
    char *ddl = NULL;
    struct ca_error unreadable = {0}; /* is what its health says, and no DDL */
    if (name_ddl(c, n, &ddl, &unreadable) != CA_OK)
        return;
    sink(data, ddl, strlen(ddl));
    free(ddl);
}

static int give_ddl(struct catalog *c, struct catalog_name *n, engine_text_fn sink, void *data, struct ca_error *err)
{
    char *ddl = NULL;
    CA_TRY(name_ddl(c, n, &ddl, err));
    sink(data, ddl, strlen(ddl));
    free(ddl);
    return CA_OK;
}

int catalog_ddl(struct catalog *c, const char *name, engine_text_fn sink, void *data, struct ca_error *err)
{
    struct catalog_entry entry = {0};
    if (name) {
        CA_TRY(lookup_name(c, name, &entry, err));
        return give_ddl(c, catalog_name_find(c, entry.schema, entry.name), sink, data, err);
    }
    const GPtrArray *names = catalog_names(c);
    for (guint i = 0; i < names->len; i++)
        CA_TRY(give_ddl(c, names->pdata[i], sink, data, err));
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

/* ---- completeness (B2) ------------------------------------------------------------------------------------------- */

static const char missing_sql[] = "SELECT schema_name || '.' || dataset_name AS name FROM registry.datasets "
                                  "EXCEPT SELECT table_schema || '.' || table_name FROM information_schema.tables "
                                  "WHERE table_catalog = '" CATALOG_NAME "' ORDER BY name LIMIT 1";

static const char extra_sql[] =
    "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables WHERE table_catalog = "
    "'" CATALOG_NAME "' AND table_schema <> 'information_schema' EXCEPT SELECT schema_name || '.' || dataset_name FROM "
    "registry.datasets ORDER BY name LIMIT 1";

static int check_none(struct catalog *c, const char *sql, const char *what, struct ca_error *err)
{
    g_autofree char *name = NULL;
    CA_TRY(engine_query_text(c->engine, sql, &name, err));
    if (name)
        return ca_fail(err, CA_ERR_CONTRACT, "'%s' is %s", name, what);
    return CA_OK;
}

int catalog_check_complete(struct catalog *c, struct ca_error *err)
{
    CA_TRY(check_none(c, missing_sql, "declared, but not in information_schema.tables", err));
    return check_none(c, extra_sql, "in information_schema.tables, but no contract declares it", err);
}

bool catalog_is_introspection(const char *relative_name)
{
    return g_str_has_prefix(relative_name, "information_schema.");
}

/* ---- agreement (A5) -----------------------------------------------------------------------------------------------
 */

static const char all_columns_sql[] =
    "SELECT table_schema || '.' || table_name, column_name, data_type, is_nullable FROM information_schema.columns "
    "WHERE table_catalog = '" CATALOG_NAME "' AND table_schema <> 'information_schema' "
    "ORDER BY table_schema, table_name, ordinal_position";

/* SHOW COLUMNS opens every table, so one object is asked: the engine turns each such statement into one and the same
 * query over information_schema.columns. */
static const char show_name[] = "registry.columns";
static const char show_sql[] = "SHOW COLUMNS FROM " CATALOG_NAME ".registry.columns";

enum { SHOW_COLUMN_NAME = 3 };

static int add_listed(void *data, const char *const *texts, size_t n_texts, struct ca_error *err)
{
    GHashTable *listed = data;
    (void)n_texts;
    (void)err;
    GArray *columns = g_hash_table_lookup(listed, texts[0]);
    if (!columns) {
        columns = agree_columns_new();
        g_hash_table_insert(listed, g_strdup(texts[0]), columns);
    }
    agree_add(columns, texts[1], texts[2], strcmp(texts[3], "YES") == 0);
    return CA_OK;
}

static int add_described(void *data, const char *const *texts, size_t n_texts, struct ca_error *err)
{
    (void)n_texts;
    (void)err;
    agree_add(data, texts[0], texts[1], strcmp(texts[2], "YES") == 0);
    return CA_OK;
}

static int add_shown(void *data, const char *const *texts, size_t n_texts, struct ca_error *err)
{
    return add_described(data, texts + SHOW_COLUMN_NAME, n_texts - SHOW_COLUMN_NAME, err);
}

static int ask(struct catalog *c, const char *sql, rows_texts_fn fn, void *data, struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    CA_TRY(engine_query(c->engine, sql, NULL, NULL, &rows, err));
    return rows_each_text(&rows, fn, data, err);
}

static void add_fields(GArray *columns, const struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        agree_add(columns, schema->children[i]->name, NULL, (schema->children[i]->flags & ARROW_FLAG_NULLABLE) != 0);
}

/* What the registry says: the declared columns, NOT NULL where that is proved. */
static void add_declared(GArray *columns, const struct ArrowSchema *declared, bool is_proved)
{
    for (int64_t i = 0; i < declared->n_children; i++) {
        bool is_nullable = (declared->children[i]->flags & ARROW_FLAG_NULLABLE) != 0;
        agree_add(columns, declared->children[i]->name, NULL, is_nullable || !is_proved);
    }
}

static int check_described(struct catalog *c, const struct catalog_name *n, const GArray *listed, struct ca_error *err)
{
    struct catalog_entry entry = {.schema = n->schema, .table = n->table};
    g_autofree char *object = catalog_sql_name(&entry);
    g_autofree char *sql = g_strconcat("DESCRIBE ", object, NULL);
    g_autoptr(GArray) described = agree_columns_new();
    CA_TRY(ask(c, sql, add_described, described, err));
    return agree_check(n->key, "DESCRIBE", described, "information_schema.columns", listed, err);
}

/* The planned schema against the declared one, nested types included, and against what is listed. NOT NULL of a view is
 * what its plan proves, so the registry says nothing of it. */
static int check_planned(struct catalog *c, struct catalog_name *n, const struct contract *contract,
                         const struct ArrowSchema *declared, const GArray *listed, struct ca_error *err)
{
    struct ArrowSchema planned = {0};
    CA_TRY(engine_table_schema(c->engine, n->schema, n->name, &planned, err));
    static const struct rows_compare_options options = {.ignore_nullability = true};
    g_autoptr(GArray) of_plan = agree_columns_new();
    g_autoptr(GArray) of_registry = agree_columns_new();
    add_fields(of_plan, &planned);
    add_declared(of_registry, declared, catalog_is_proved(c, n, contract));
    int rc = rows_schema_check(declared, &planned, &options, err);
    if (rc != CA_OK)
        rc = ca_fail_context(err, rc, "'%s' is planned as another than the registry says", n->key);
    planned.release(&planned);
    CA_TRY(rc);
    CA_TRY(agree_check(n->key, "its plan", of_plan, "information_schema.columns", listed, err));
    if (n->is_nested || contract->kind == CONTRACT_VIEW)
        return CA_OK;
    return agree_check(n->key, "the registry", of_registry, "information_schema.columns", listed, err);
}

static int check_object(struct catalog *c, struct catalog_name *n, const GArray *listed, struct ca_error *err)
{
    const struct contract *contract = NULL;
    struct ArrowSchema declared = {0};
    if (!listed)
        return ca_fail(err, CA_ERR_CONTRACT, "'%s' has no column in information_schema.columns", n->key);
    CA_TRY(check_described(c, n, listed, err));
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    CA_TRY(catalog_declared_schema(c, n->schema, n->name, &declared, err));
    int rc = check_planned(c, n, contract, &declared, listed, err);
    declared.release(&declared);
    return rc;
}

int catalog_check_agreement(struct catalog *c, const struct catalog_index *known, struct ca_error *err)
{
    g_autoptr(GHashTable) listed =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);
    g_autoptr(GArray) shown = agree_columns_new();
    CA_TRY(ask(c, all_columns_sql, add_listed, listed, err));
    const GPtrArray *names = catalog_names(c);
    for (guint i = 0; i < names->len; i++) {
        struct catalog_name *n = names->pdata[i];
        if (!known || !catalog_index_declared(known, n->schema, n->name))
            CA_TRY(check_object(c, n, g_hash_table_lookup(listed, n->key), err));
    }
    const GArray *of_shown = g_hash_table_lookup(listed, show_name);
    if (!of_shown) /* a catalog without the built-in contracts */
        return CA_OK;
    CA_TRY(ask(c, show_sql, add_shown, shown, err));
    return agree_check(show_name, "SHOW COLUMNS", shown, "information_schema.columns", of_shown, err);
}
