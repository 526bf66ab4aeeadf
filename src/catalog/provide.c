/* catalog/provide.c — contract in, engine table out, without I/O. */
#include "catalog/provide.h"

#include <string.h>

#include "contract/location.h"
#include "rows/rows.h"

static uint64_t answer_epoch(void *data)
{
    struct catalog *c = data;
    return (uint64_t)g_atomic_int_get(&c->epoch);
}

static void answer_schema_names(void *data, engine_name_fn emit, void *sink)
{
    static const char *const schemas[] = {"diagnostics", "params", "public", "registry"};
    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(schemas); i++)
        emit(sink, schemas[i], ENGINE_NAME_TABLE);
}

static bool is_view(const struct catalog_name *n)
{
    return n->is_nested || n->dataset->entry->kind == CONTRACT_VIEW;
}

static void answer_table_names(void *data, const char *schema, engine_name_fn emit, void *sink)
{
    struct catalog *c = data;
    const GPtrArray *names = catalog_names(c);
    for (guint i = 0; i < names->len; i++) {
        const struct catalog_name *n = names->pdata[i];
        if (strcmp(n->schema, schema) == 0)
            emit(sink, n->name,
                 is_view(n)            ? ENGINE_NAME_VIEW
                 : !n->dataset->bundle ? ENGINE_NAME_KEPT
                                       : ENGINE_NAME_TABLE);
    }
}

/* ---- rows that the catalog itself holds ------------------------------------------------------------------------- */

/* catalog   a reference: the engine may read after catalog_close */
struct own_rows {
    struct catalog *catalog;
    struct catalog_name *name;
};

/* Registry rows are made when they are read; parameter rows are shared as they are. */
static int own_rows_of(struct own_rows *o, GPtrArray **ret, struct ca_error *err)
{
    struct catalog_dataset *d = o->name->dataset;
    if (d->entry->kind != CONTRACT_REGISTRY) {
        g_mutex_lock(&o->catalog->lock);
        *ret = d->rows ? g_ptr_array_ref(d->rows) : g_ptr_array_new();
        g_mutex_unlock(&o->catalog->lock);
        return CA_OK;
    }
    struct ArrowArray rows = {0};
    struct rows_shared *shared = NULL;
    CA_TRY(catalog_registry_rows(o->catalog, o->name->name, &rows, err));
    CA_TRY(rows_shared_new(&rows, &shared, err));
    *ret = g_ptr_array_new_with_free_func((GDestroyNotify)rows_shared_unref);
    g_ptr_array_add(*ret, shared);
    return CA_OK;
}

/* The asked columns of each batch; takes `schema`, which is theirs. */
static int own_rows_project(GPtrArray *batches, const size_t *projection, size_t n_projection,
                            struct ArrowSchema *schema, struct ArrowArrayStream *ret, struct ca_error *err)
{
    g_autofree struct ArrowArray *arrays = g_new0(struct ArrowArray, MAX(batches->len, 1));
    int rc = CA_OK;
    guint n = 0;
    for (; n < batches->len && rc == CA_OK; n++)
        rc = rows_shared_project(batches->pdata[n], projection, n_projection, &arrays[n], err);
    if (rc == CA_OK)
        return rows_stream_of(schema, arrays, batches->len, ret, err);
    for (guint i = 0; i < n; i++)
        if (arrays[i].release)
            arrays[i].release(&arrays[i]);
    schema->release(schema);
    return rc;
}

static int own_rows_open(void *data, size_t partition, const size_t *projection, size_t n_projection,
                         struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct own_rows *o = data;
    g_autoptr(GPtrArray) batches = NULL;
    struct ArrowSchema declared = {0};
    struct ArrowSchema schema = {0};
    (void)partition;
    CA_TRY(own_rows_of(o, &batches, err));
    CA_TRY(catalog_declared_schema(o->catalog, o->name->schema, o->name->name, &declared, err));
    int rc = rows_schema_project(&declared, projection, n_projection, &schema, err);
    declared.release(&declared);
    CA_TRY(rc);
    return own_rows_project(batches, projection, n_projection, &schema, ret, err);
}

static void own_rows_drop(void *data)
{
    struct own_rows *o = data;
    catalog_unref(o->catalog);
    g_free(o);
}

static void answer_own_rows(struct catalog *c, struct catalog_name *n, struct engine_table *ret)
{
    struct own_rows *o = g_new0(struct own_rows, 1);
    o->catalog = catalog_ref(c);
    o->name = n;
    ret->kind = ENGINE_TABLE_STREAM;
    ret->is_proved = true;
    ret->stream = (struct engine_stream){.data = o, .n_partitions = 1, .open = own_rows_open, .drop = own_rows_drop};
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

/* Rows are where the pin says; nothing was written yet: an empty table, of which everything is proved. */
static void answer_stored(struct catalog *c, struct catalog_dataset *d, struct engine_table *ret)
{
    g_mutex_lock(&c->lock);
    ret->kind = d->location ? ENGINE_TABLE_DELTA : ENGINE_TABLE_EMPTY;
    ret->location = d->location ? g_intern_string(d->location) : NULL;
    ret->version = d->version;
    ret->is_proved = catalog_is_not_null(d);
    ret->are_checks_proved = d->location && d->proof.methods[CATALOG_CHECK] != NULL;
    ret->failure = d->failure ? g_intern_string(d->failure) : NULL;
    g_mutex_unlock(&c->lock);
}

/* Rows that SQL inserted, through the gate: in a parameter table they are the caller's. */
static bool is_filled_by_sql(const struct contract *contract)
{
    return contract->kind != CONTRACT_PARAMS && strcmp(contract->storage.format, "memory") == 0;
}

/* A Delta table of somebody else, at its newest version unless another one is pinned: nothing is proved of it. What its
 * location says is read is read until somebody edits it, so nothing is written there. */
static void answer_located(struct catalog *c, struct catalog_dataset *d, const struct contract *contract,
                           struct engine_table *ret)
{
    const struct contract_location *at = contract->at;
    g_mutex_lock(&c->lock);
    ret->kind = ENGINE_TABLE_DELTA;
    ret->location = d->entry->location;
    ret->version = d->location ? d->version : at ? at->data_version : -1;
    ret->as_of_us = d->location || !at ? 0 : at->as_of_us;
    ret->is_fixed = at && (at->data_version >= 0 || at->as_of_us != 0);
    ret->failure = d->failure ? g_intern_string(d->failure) : NULL;
    g_mutex_unlock(&c->lock);
}

/* Files of somebody else: what the contract says about them is not proved. A stream is read as lines of JSON. */
static int answer_listing(struct catalog *c, struct catalog_dataset *d, const struct contract *contract,
                          struct engine_table *ret, struct ca_error *err)
{
    CA_TRY(catalog_rules(c, d, &ret->rules, err));
    const char *location = d->entry->location;
    ret->kind = location ? ENGINE_TABLE_LISTING : ENGINE_TABLE_EMPTY;
    ret->location = location;
    ret->format = strcmp(contract->storage.format, "stream") == 0 ? "ndjson" : contract->storage.format;
    ret->is_proved = location == NULL;
    g_mutex_lock(&c->lock);
    ret->failure = d->failure ? g_intern_string(d->failure) : NULL;
    g_mutex_unlock(&c->lock);
    catalog_rules_options(d->rules, ret);
    return CA_OK;
}

static int answer_table(void *data, const char *schema, const char *table, struct engine_table *ret,
                        struct ca_error *err)
{
    struct catalog *c = data;
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    CA_TRY(catalog_name_named(c, schema, table, &n, err));
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    CA_TRY(catalog_declared_schema(c, n->schema, n->name, &ret->schema, err));
    if (is_view(n)) {
        ret->kind = ENGINE_TABLE_VIEW;
        int rc = catalog_name_sql(c, n, &ret->sql, err);
        if (rc != CA_OK)
            ret->schema.release(&ret->schema);
        return rc;
    }
    g_mutex_lock(&c->lock);
    bool has_rows = contract->kind == CONTRACT_REGISTRY || n->dataset->rows != NULL;
    g_mutex_unlock(&c->lock);
    int rc = CA_OK;
    if (has_rows)
        answer_own_rows(c, n, ret);
    else if (strcmp(contract->storage.format, "delta") == 0) {
        rc = catalog_rules(c, n->dataset, &ret->rules, err);
        if (catalog_is_stored(contract))
            answer_stored(c, n->dataset, ret);
        else
            answer_located(c, n->dataset, contract, ret);
    } else if (is_filled_by_sql(contract)) {
        rc = catalog_rules(c, n->dataset, &ret->rules, err);
        ret->kind = ENGINE_TABLE_MEMORY;
        ret->is_proved = true;
    } else if (catalog_is_own(contract))
        answer_stored(c, n->dataset, ret);
    else
        rc = answer_listing(c, n->dataset, contract, ret, err);
    if (rc != CA_OK)
        ret->schema.release(&ret->schema);
    return rc;
}

/* A stored dataset is read at the version that SQL made from now on. */
static void note_change(struct catalog *c, struct catalog_name *n, const struct engine_rules *rules, int64_t version)
{
    struct catalog_dataset *d = n->dataset;
    g_mutex_lock(&c->lock);
    struct catalog_proof proof = d->proof;
    catalog_proof_committed(&proof, /* was_empty= */ !d->location);
    if (!d->is_changed) {
        g_ptr_array_add(c->changed, n);
        d->pinned.proof = d->proof;
    }
    d->is_changed = true;
    if (!d->location)
        d->location = g_strdup(rules->write->location);
    d->version = version;
    d->n_rows = -1;
    catalog_proof_set(d, &proof);
    g_mutex_unlock(&c->lock);
}

/* Rows that no run names: the gate saw those in memory, and beside those of somebody else it saw the new ones only. */
static void note_rows(struct catalog *c, struct catalog_dataset *d, bool is_in_memory)
{
    struct catalog_proof proof = {0};
    if (is_in_memory)
        catalog_proof_committed(&proof, /* was_empty= */ true);
    g_mutex_lock(&c->lock);
    bool had_findings = d->findings != NULL;
    d->is_in_memory = is_in_memory;
    catalog_proof_set(d, &proof);
    if (had_findings)
        d->unproved = g_strdup("SQL wrote to it since: 'codeanatomy verify' looks at the rows");
    g_mutex_unlock(&c->lock);
}

/* SQL went through the gate and made a version. */
static void answer_committed(void *data, const char *schema, const char *table, int64_t version)
{
    struct catalog *c = data;
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    const struct engine_rules *rules = NULL;
    if (catalog_name_named(c, schema, table, &n, NULL) != CA_OK ||
        catalog_rules(c, n->dataset, &rules, NULL) != CA_OK ||
        catalog_dataset_contract(c, n->dataset, &contract, NULL) != CA_OK)
        return;
    if (catalog_is_stored(contract))
        note_change(c, n, rules, version);
    else
        note_rows(c, n->dataset, is_filled_by_sql(contract));
    g_autofree char *detail =
        catalog_is_stored(contract) ? g_strdup_printf("version %" G_GINT64_FORMAT, version) : NULL;
    catalog_event(c, "write", n->schema, n->name, detail);
    catalog_next_epoch(c);
}

static bool answer_are_proved(void *data, const char *schema, const char *table, int64_t version, const char *files,
                              size_t n_bytes)
{
    struct catalog *c = data;
    struct catalog_name *n = NULL;
    return catalog_name_named(c, schema, table, &n, NULL) == CA_OK &&
           catalog_proof_is_of(c, n->dataset, version, files, n_bytes);
}

static void answer_definition(void *data, const char *schema, const char *table, engine_text_fn sink, void *sink_data)
{
    struct catalog *c = data;
    struct catalog_name *n = NULL;
    if (catalog_name_named(c, schema, table, &n, NULL) == CA_OK)
        catalog_name_definition(c, n, sink, sink_data);
}

struct engine_catalog catalog_provide(struct catalog *c)
{
    return (struct engine_catalog){
        .data = c,
        .name = CATALOG_NAME,
        .default_schema = "public",
        .epoch = answer_epoch,
        .schema_names = answer_schema_names,
        .table_names = answer_table_names,
        .table = answer_table,
        .committed = answer_committed,
        .handshake = catalog_handshake,
        .are_proved = answer_are_proved,
        .definition = answer_definition,
        .inferred = catalog_inferred,
        .dropped = catalog_dropped,
        .made = catalog_made,
        .registered = catalog_registered,
    };
}
