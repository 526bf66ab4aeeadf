/* compile/compile.c — planning, dependencies and order of models. */
#include "compile/compile.h"

#include <string.h>

#include "base/fingerprint.h"

/* A model of a stage reads its own stage and those before it. Parameters are inputs of every stage; registry and
 * diagnostics describe a run, so nothing that a run builds reads them. */
static const char *const stages[] = {"params", "extract", "normalize", "relate", "graph", "registry", "diagnostics"};

int compile_stage_rank(const char *stage)
{
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++)
        if (strcmp(stages[i], stage) == 0)
            return (int)i;
    return -1;
}

json_t *compile_policy_json(void)
{
    json_t *names = json_array();
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++)
        json_array_append_new(names, json_string(stages[i]));
    return json_pack("{s:s, s:s, s:s, s:o}", "dialect", "datafusion", "default_catalog", CATALOG_NAME, "default_schema",
                     "public", "stages", names);
}

static void compile_model_free(struct compile_model *m)
{
    if (!m)
        return;
    g_clear_pointer(&m->reads, g_ptr_array_unref);
    g_clear_pointer(&m->bucket_inputs, g_ptr_array_unref);
    g_free(m->run_sql);
    g_free(m->plan_fingerprint);
    g_free(m);
}

void compile_plan_done(struct compile_plan *p)
{
    g_clear_pointer(&p->models, g_ptr_array_unref);
}

/* ---- one model -------------------------------------------------------------------------------------------------- */

static void add_read(void *data, const char *text, size_t n_bytes)
{
    GPtrArray *reads = data;
    g_autofree char *full = g_strndup(text, n_bytes);
    const char *relative = g_str_has_prefix(full, CATALOG_NAME ".") ? full + strlen(CATALOG_NAME ".") : full;
    g_ptr_array_add(reads, g_strdup(relative));
}

static void append_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(data, text, (gssize)n_bytes);
}

static void append_quoted(GString *sql, const char *name)
{
    g_string_append_c(sql, '"');
    for (const char *p = name; *p; p++) {
        if (*p == '"')
            g_string_append_c(sql, '"');
        g_string_append_c(sql, *p);
    }
    g_string_append_c(sql, '"');
}

/* The contract's columns by name, its order made total by the primary key: the same rows always come in the same order.
 */
static char *compile_run_sql(const struct contract *contract, const char *sql)
{
    GString *s = g_string_new("SELECT ");
    for (size_t i = 0; i < contract->n_columns; i++) {
        g_string_append(s, i ? ", " : "");
        append_quoted(s, contract->columns[i].name);
    }
    g_string_append_printf(s, " FROM (\n%s\n) AS model", sql);
    const char *separator = " ORDER BY ";
    for (size_t i = 0; i < contract->order.n; i++) {
        g_string_append(s, separator);
        append_quoted(s, contract->order.items[i]);
        separator = ", ";
    }
    for (size_t i = 0; i < contract->primary.n; i++) {
        bool is_in_order = false;
        for (size_t j = 0; j < contract->order.n; j++)
            is_in_order |= strcmp(contract->order.items[j], contract->primary.items[i]) == 0;
        if (is_in_order)
            continue;
        g_string_append(s, separator);
        append_quoted(s, contract->primary.items[i]);
        separator = ", ";
    }
    return g_string_free(s, FALSE);
}

/* Why what is made of the model's SQL has no plan: in the words, and with the places, that the SQL gets by itself if it
 * can. */
static int compile_refuse_sql(struct engine *e, const struct compile_model *m, const struct ca_error *words,
                              struct ca_error *err)
{
    CA_TRY(engine_query_plan(e, m->sql, &(struct engine_plan){0}, err));
    return ca_fail(err, words->code, "%s", words->message);
}

/* What the plan reads, and its fingerprint. */
static int compile_plan_model(struct engine *e, struct compile_model *m, struct ca_error *err)
{
    g_autoptr(GString) text = g_string_new(NULL);
    engine_versions(append_text, text);
    g_string_append_c(text, '\n');
    const struct engine_plan ask = {.table = add_read, .table_data = m->reads, .text = append_text, .text_data = text};
    struct ca_error words = {0};
    if (engine_query_plan(e, m->run_sql, &ask, &words) != CA_OK)
        return compile_refuse_sql(e, m, &words, err);
    char hex[FINGERPRINT_HEX_SIZE];
    fingerprint_of(text->str, text->len, hex);
    m->plan_fingerprint = g_strdup(hex);
    return CA_OK;
}

static int compile_check_stage_law(const struct catalog *c, const struct compile_model *m, struct ca_error *err)
{
    int own = compile_stage_rank(m->stage);
    if (own < 0)
        return ca_fail(err, CA_ERR_CONTRACT, "model '%s' is in the unknown stage '%s'", m->name, m->stage);
    for (guint i = 0; i < m->reads->len; i++) {
        struct catalog_entry input;
        if (catalog_is_introspection(m->reads->pdata[i]))
            continue; /* the engine's own, not a dataset */
        CA_TRY(catalog_lookup(c, m->reads->pdata[i], &input, err));
        if (compile_stage_rank(input.stage) > own)
            return ca_fail(err, CA_ERR_CONTRACT, "model '%s' of stage '%s' reads '%s' of the later stage '%s'", m->name,
                           m->stage, input.name, input.stage);
    }
    return CA_OK;
}

static void add_statement(void *data, const char *text, size_t n_bytes)
{
    g_ptr_array_add(data, g_strndup(text, n_bytes));
}

/* The one statement of a model's file, without the semicolon behind it. */
static int compile_statement(const char *sql, char **ret, struct ca_error *err)
{
    g_autoptr(GPtrArray) statements = g_ptr_array_new_with_free_func(g_free);
    CA_TRY(engine_split(sql, add_statement, statements, err));
    if (statements->len != 1)
        return ca_fail(err, CA_ERR_CONTRACT, "the SQL is %u statements: a model is one SELECT", statements->len);
    *ret = g_strdup(statements->pdata[0]);
    return CA_OK;
}

static int compile_check_storage(const struct contract *contract, struct ca_error *err)
{
    if (g_strcmp0(contract->storage.format, "delta") == 0)
        return CA_OK;
    return ca_fail(err, CA_ERR_CONTRACT,
                   "what a model yields is stored as delta, not '%s': change storage.format, or make it a view",
                   contract->storage.format ? contract->storage.format : "");
}

/* Whether the model may run for some files at a time, as its contract says. */
static int compile_buckets(struct catalog *c, const struct contract *contract, struct compile_model *m,
                           struct ca_error *err)
{
    m->is_bucketed = contract->is_file_local || contract->bucket_inputs.n > 0;
    for (size_t i = 0; i < contract->bucket_inputs.n; i++) {
        struct catalog_entry input;
        CA_TRY(catalog_lookup(c, contract->bucket_inputs.items[i], &input, err));
        g_autofree char *key = g_strconcat(input.schema, ".", input.name, NULL);
        guint at = 0;
        if (!g_ptr_array_find_with_equal_func(m->reads, key, g_str_equal, &at))
            return ca_fail(err, CA_ERR_CONTRACT, "bucket_inputs names '%s', which the model does not read", key);
        const struct contract *read = NULL;
        CA_TRY(catalog_contract(c, input.schema, input.name, &read, err));
        if (!contract_column(read, CONTRACT_FILE_COLUMN))
            return ca_fail(err, CA_ERR_CONTRACT, "bucket_inputs names '%s', which has no column '%s'", key,
                           CONTRACT_FILE_COLUMN);
        g_ptr_array_add(m->bucket_inputs, g_steal_pointer(&key));
    }
    return CA_OK;
}

static int compile_model_new(struct catalog *c, const struct catalog_entry *entry, struct compile_model **ret,
                             struct ca_error *err)
{
    struct engine *e = catalog_engine(c);
    struct compile_model *m = g_new0(struct compile_model, 1);
    m->schema = entry->schema;
    m->name = entry->name;
    m->stage = entry->stage;
    m->sql = entry->sql;
    m->reads = g_ptr_array_new_with_free_func(g_free);
    m->bucket_inputs = g_ptr_array_new_with_free_func(g_free);
    const struct contract *contract = NULL;
    int rc = catalog_contract(c, entry->schema, entry->name, &contract, err);
    if (rc == CA_OK)
        rc = compile_check_storage(contract, err);
    g_autofree char *statement = NULL;
    if (rc == CA_OK)
        rc = compile_statement(entry->sql, &statement, err);
    if (rc == CA_OK) {
        m->run_sql = compile_run_sql(contract, statement);
        rc = compile_plan_model(e, m, err);
    }
    if (rc == CA_OK)
        rc = compile_buckets(c, contract, m, err);
    if (rc == CA_OK)
        rc = compile_check_stage_law(c, m, err);
    if (rc != CA_OK) {
        compile_model_free(m);
        return ca_fail_context(err, rc, "model '%s.%s'", entry->schema, entry->name);
    }
    *ret = m;
    return CA_OK;
}

/* ---- order ------------------------------------------------------------------------------------------------------ */

static int by_stage_and_name(gconstpointer a, gconstpointer b)
{
    const struct compile_model *x = *(struct compile_model *const *)a;
    const struct compile_model *y = *(struct compile_model *const *)b;
    int by_stage = compile_stage_rank(x->stage) - compile_stage_rank(y->stage);
    if (by_stage != 0)
        return by_stage;
    int by_schema = strcmp(x->schema, y->schema);
    return by_schema ? by_schema : strcmp(x->name, y->name);
}

static char *model_key(const struct compile_model *m)
{
    return g_strconcat(m->schema, ".", m->name, NULL);
}

/* Whether everything that a model reads is either no model or already placed. */
static bool is_ready(const struct compile_model *m, GHashTable *waiting)
{
    for (guint i = 0; i < m->reads->len; i++)
        if (g_hash_table_contains(waiting, m->reads->pdata[i]))
            return false;
    return true;
}

/* Repeatedly take the first ready model of the sorted list; a round that takes none is a cycle. */
static int compile_sort(GPtrArray *models, struct ca_error *err)
{
    g_ptr_array_sort(models, by_stage_and_name);
    g_autoptr(GHashTable) waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < models->len; i++)
        g_hash_table_add(waiting, model_key(models->pdata[i]));
    for (guint n_placed = 0; n_placed < models->len; n_placed++) {
        guint next = n_placed;
        while (next < models->len && !is_ready(models->pdata[next], waiting))
            next++;
        if (next == models->len) {
            g_autoptr(GString) names = g_string_new(NULL);
            for (guint i = n_placed; i < models->len; i++)
                g_string_append_printf(names, "%s%s", i > n_placed ? ", " : "",
                                       ((struct compile_model *)models->pdata[i])->name);
            return ca_fail(err, CA_ERR_CONTRACT, "models read each other in a circle: %s", names->str);
        }
        struct compile_model *m = models->pdata[next];
        memmove(&models->pdata[n_placed + 1], &models->pdata[n_placed], (next - n_placed) * sizeof models->pdata[0]);
        models->pdata[n_placed] = m;
        g_autofree char *key = model_key(m);
        g_hash_table_remove(waiting, key);
    }
    return CA_OK;
}

int compile_plan_init(struct compile_plan *p, struct catalog *c, struct ca_error *err)
{
    p->models = g_ptr_array_new_with_free_func((GDestroyNotify)compile_model_free);
    int rc = CA_OK;
    for (size_t i = 0; i < catalog_n_entries(c) && rc == CA_OK; i++) {
        struct catalog_entry entry = catalog_entry_at(c, i);
        if (!entry.sql || entry.nested_in || strcmp(entry.kind, "view") == 0)
            continue;
        struct compile_model *m = NULL;
        rc = compile_model_new(c, &entry, &m, err);
        if (rc == CA_OK)
            g_ptr_array_add(p->models, m);
    }
    if (rc == CA_OK)
        rc = compile_sort(p->models, err);
    if (rc != CA_OK)
        compile_plan_done(p);
    return rc;
}
