/* catalog/catalog.c — opening, names, contracts, pins. What the engine asks is answered in catalog/provide.c. */
#include "catalog/catalog.h"

#include <string.h>

#include "catalog/provide.h"
#include "catalog/state.h"
#include "contract/location.h"
#include "rows/rows.h"

const struct catalog_index *catalog_index(const struct catalog *c)
{
    return g_atomic_pointer_get(&c->index);
}

const GPtrArray *catalog_names(const struct catalog *c)
{
    return catalog_index(c)->names;
}

const GPtrArray *catalog_places(const struct catalog *c)
{
    return catalog_index(c)->places;
}

struct catalog_name *catalog_name_find(const struct catalog *c, const char *schema, const char *name)
{
    const struct catalog_index *x = catalog_index(c);
    return strchr(name, CONTRACT_LOCATION_MARK) ? catalog_index_place(x, schema, name)
                                                : catalog_index_find(x, schema, name);
}

/* Of these kinds, in this storage, rows are in a Delta table: the store's, or one at a location of its own. */
static bool is_delta(enum contract_kind kind, const char *storage)
{
    return kind != CONTRACT_VIEW && kind != CONTRACT_REGISTRY && g_strcmp0(storage, "delta") == 0;
}

bool catalog_is_own(const struct contract *contract)
{
    const char *format = contract->storage.format;
    bool is_there = contract->storage.location != NULL; /* somebody else's Delta table, or a pipe */
    return g_strcmp0(format, "memory") == 0 ||
           ((g_strcmp0(format, "delta") == 0 || g_strcmp0(format, "stream") == 0) && !is_there);
}

bool catalog_is_stored(const struct contract *contract)
{
    return is_delta(contract->kind, contract->storage.format) && !contract->storage.location;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static int catalog_open_engine(struct catalog *c, const struct catalog_options *o, struct ca_error *err)
{
    struct engine_catalog answers = catalog_provide(c);
    struct engine_options e = o->engine;
    e.catalog = &answers;
    CA_TRY(engine_open(&e, &c->engine, err));
    for (size_t i = 0; i < o->n_functions; i++)
        CA_TRY_CTX(engine_register_function(c->engine, &o->functions[i], err), err, "register function '%s'",
                   o->functions[i].name);
    return CA_OK;
}

int catalog_make(const struct catalog_options *options, struct catalog **ret, struct ca_error *err)
{
    struct catalog *c = g_new0(struct catalog, 1);
    g_atomic_ref_count_init(&c->n_refs);
    g_mutex_init(&c->lock);
    g_rw_lock_init(&c->engine_use);
    c->loaded = g_ptr_array_new_with_free_func(catalog_loaded_free);
    c->handshakes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    c->inferred = catalog_inferred_new();
    c->changed = g_ptr_array_new();
    c->events = g_queue_new();
    c->diag = options->diag;
    c->functions = options->functions;
    c->n_functions = options->n_functions;
    c->place = options->place;
    c->place_data = options->place_data;
    c->keeper = options->keeper;
    c->keeper_data = options->keeper_data;
    c->epoch = 1;
    *ret = c;
    CA_TRY(catalog_load(c, options, err));
    return catalog_open_engine(c, options, err);
}

int catalog_open(const struct catalog_options *options, struct catalog **ret, struct ca_error *err)
{
    struct catalog *c = NULL;
    int rc = catalog_make(options, &c, err);
    if (rc == CA_OK)
        rc = catalog_autoload(c, options->loads_folder, err);
    if (rc == CA_OK)
        rc = catalog_keep(c, err);
    if (rc != CA_OK) {
        catalog_close(c);
        return rc;
    }
    *ret = c;
    return CA_OK;
}

struct catalog *catalog_ref(struct catalog *c)
{
    g_atomic_ref_count_inc(&c->n_refs);
    return c;
}

void catalog_unref(struct catalog *c)
{
    if (!g_atomic_ref_count_dec(&c->n_refs))
        return;
    g_hash_table_unref(c->handshakes);
    g_hash_table_unref(c->inferred);
    g_ptr_array_unref(c->changed);
    catalog_events_free(c);
    g_ptr_array_unref(c->loaded);
    catalog_index_free(c->index);
    g_mutex_clear(&c->lock);
    g_rw_lock_clear(&c->engine_use);
    g_free(c);
}

/* Streams that are still read hold the rest. */
void catalog_close(struct catalog *c)
{
    if (!c)
        return;
    g_rw_lock_writer_lock(&c->engine_use);
    struct engine *engine = g_steal_pointer(&c->engine);
    g_rw_lock_writer_unlock(&c->engine_use);
    engine_close(engine);
    catalog_unref(c);
}

struct engine *catalog_engine(const struct catalog *c)
{
    return c->engine;
}

GBytes *catalog_snapshot(const struct catalog *c)
{
    return catalog_index(c)->snapshot;
}

const char *catalog_fingerprint(const struct catalog *c)
{
    return contract_bundle_fingerprint(catalog_index(c)->bundle);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

struct catalog_entry catalog_entry_of(const struct catalog_name *n)
{
    const struct contract_bundle_entry *e = n->dataset->entry;
    bool is_kept = !n->dataset->bundle;
    return (struct catalog_entry){
        .schema = n->schema,
        .name = n->name,
        .table = n->table,
        .place = n->place,
        .kind = n->is_nested ? "nested"
                : is_kept    ? "inferred"
                             : contract_kind_name(e->kind),
        .stage = is_kept ? "inferred" : contract_stage_name(e->stage),
        .nested_in = n->is_nested ? e->name : NULL,
        .sql = n->is_nested ? NULL : e->sql,
        .fingerprint = e->fingerprint,
        .version = (int)e->version,
    };
}

size_t catalog_n_entries(const struct catalog *c)
{
    return catalog_names(c)->len;
}

struct catalog_entry catalog_entry_at(const struct catalog *c, size_t i)
{
    return catalog_entry_of(catalog_names(c)->pdata[i]);
}

bool catalog_find(const struct catalog *c, const char *schema, const char *name, struct catalog_entry *ret)
{
    const struct catalog_name *n = catalog_name_find(c, schema, name);
    if (n)
        *ret = catalog_entry_of(n);
    return n != NULL;
}

/* Names that contain the wanted one, or that it contains: at most five, for the message. */
static char *close_names(const struct catalog *c, const char *wanted)
{
    enum { MAX_NAMES = 5, MIN_PART = 3 };
    g_autoptr(GString) names = g_string_new(NULL);
    guint n = 0;
    const GPtrArray *all = catalog_names(c);
    for (guint i = 0; i < all->len && n < MAX_NAMES; i++) {
        const struct catalog_name *known = all->pdata[i];
        if ((strlen(wanted) >= MIN_PART && strstr(known->name, wanted)) || strstr(wanted, known->name))
            g_string_append_printf(names, "%s%s", n++ ? ", " : "", known->key);
    }
    return n ? g_strdup_printf("; close to it: %s", names->str) : g_strdup("; 'codeanatomy tables' lists them");
}

int catalog_lookup(const struct catalog *c, const char *qualified, struct catalog_entry *ret, struct ca_error *err)
{
    g_auto(GStrv) parts = g_strsplit(qualified, ".", 0);
    guint n = g_strv_length(parts);
    const struct catalog_name *found = NULL;
    if (n == 1)
        found = catalog_name_find(c, "public", parts[0]);
    else if (n == 2)
        found = catalog_name_find(c, parts[0], parts[1]);
    else if (n == 3 && strcmp(parts[0], CATALOG_NAME) == 0)
        found = catalog_name_find(c, parts[1], parts[2]);
    if (!found) {
        g_autofree char *hint = close_names(c, n ? parts[n - 1] : "");
        return ca_fail(err, CA_ERR_NOT_FOUND, "no dataset '%s'%s", qualified, hint);
    }
    *ret = catalog_entry_of(found);
    return CA_OK;
}

/* ---- contracts -------------------------------------------------------------------------------------------------- */

int catalog_dataset_contract(struct catalog *c, struct catalog_dataset *d, const struct contract **ret,
                             struct ca_error *err)
{
    (void)c;
    if (d->bundle)
        return contract_bundle_contract(d->bundle, d->index, ret, err);
    if (!d->kept)
        return ca_fail(err, CA_ERR_DRIFT, "%s", d->failure);
    *ret = d->kept;
    return CA_OK;
}

int catalog_name_sql(struct catalog *c, struct catalog_name *n, const char **ret, struct ca_error *err)
{
    if (!n->is_nested) {
        *ret = n->dataset->entry->sql;
        return CA_OK;
    }
    const struct contract *contract = NULL;
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    g_mutex_lock(&c->lock);
    if (!n->sql)
        n->sql = contract_view_sql(contract, contract_view_named(contract, n->name));
    *ret = n->sql;
    g_mutex_unlock(&c->lock);
    return CA_OK;
}

int catalog_name_required(const struct catalog *c, const char *schema, const char *name, struct catalog_name **ret,
                          struct ca_error *err)
{
    *ret = catalog_name_find(c, schema, name);
    if (!*ret)
        return ca_fail(err, CA_ERR_NOT_FOUND, "no dataset '%s.%s'", schema, name);
    return CA_OK;
}

bool catalog_is_of_statements(struct catalog *c, const char *schema, const char *name)
{
    const struct catalog_name *n = catalog_name_find(c, schema, name);
    const struct contract *contract = NULL;
    return n && !n->is_nested && !n->dataset->entry->sql && n->dataset->entry->kind != CONTRACT_DIAGNOSTICS &&
           catalog_dataset_contract(c, n->dataset, &contract, NULL) == CA_OK && catalog_is_stored(contract) &&
           !contract->extract;
}

int catalog_contract(struct catalog *c, const char *schema, const char *name, const struct contract **ret,
                     struct ca_error *err)
{
    struct catalog_name *n = NULL;
    CA_TRY(catalog_name_required(c, schema, name, &n, err));
    return catalog_dataset_contract(c, n->dataset, ret, err);
}

int catalog_sql(struct catalog *c, const char *schema, const char *name, const char **ret, struct ca_error *err)
{
    struct catalog_name *n = NULL;
    CA_TRY(catalog_name_required(c, schema, name, &n, err));
    return catalog_name_sql(c, n, ret, err);
}

int catalog_declared_schema(struct catalog *c, const char *schema, const char *name, struct ArrowSchema *ret,
                            struct ca_error *err)
{
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    CA_TRY(catalog_name_required(c, schema, name, &n, err));
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    return n->is_nested ? contract_view_schema(contract, contract_view_named(contract, name), ret, err)
                        : contract_schema(contract, ret, err);
}

/* ---- data ------------------------------------------------------------------------------------------------------- */

void catalog_next_epoch(struct catalog *c)
{
    g_atomic_int_inc(&c->epoch);
}

/* The index alone says what is stored: a session pins every dataset of its run when it opens. */
int catalog_pin(struct catalog *c, const char *schema, const char *name, const struct catalog_pin *pin,
                struct ca_error *err)
{
    struct catalog_name *n = NULL;
    CA_TRY(catalog_name_required(c, schema, name, &n, err));
    if (n->is_nested || !is_delta(n->dataset->entry->kind, n->dataset->entry->storage))
        return ca_fail(err, CA_ERR_CONTRACT, "'%s' is not a stored dataset", n->key);
    g_mutex_lock(&c->lock);
    struct catalog_dataset *d = n->dataset;
    g_autofree char *unused = g_steal_pointer(&d->location); /* the pin may come from a change of this dataset */
    d->location = g_strdup(pin->location);
    d->version = d->pinned.version = pin->version;
    d->n_rows = d->pinned.n_rows = pin->n_rows;
    catalog_proof_set(d, &pin->proof);
    d->is_changed = false;
    g_ptr_array_remove(c->changed, n);
    g_clear_pointer(&d->failure, g_free);
    g_mutex_unlock(&c->lock);
    catalog_next_epoch(c);
    return CA_OK;
}

int catalog_delta_location(struct catalog *c, const char *schema, const char *name, char **ret, bool *ret_is_in_store,
                           struct ca_error *err)
{
    struct catalog_name *n = NULL;
    CA_TRY(catalog_name_required(c, schema, name, &n, err));
    if (n->is_nested || !is_delta(n->dataset->entry->kind, n->dataset->entry->storage))
        return ca_fail(err, CA_ERR_INVALID, "'%s' has no versions: its rows are in no Delta table of its own", n->key);
    *ret_is_in_store = !n->dataset->entry->location;
    g_mutex_lock(&c->lock);
    *ret = g_strdup(*ret_is_in_store ? n->dataset->location : n->dataset->entry->location);
    g_mutex_unlock(&c->lock);
    if (!*ret)
        return ca_fail(err, CA_ERR_NOT_FOUND, "'%s' has no rows in this run", n->key);
    return CA_OK;
}

bool catalog_change_at(struct catalog *c, size_t i, struct catalog_change *ret)
{
    g_mutex_lock(&c->lock);
    bool is_there = i < c->changed->len;
    if (is_there) {
        const struct catalog_name *n = c->changed->pdata[i];
        const struct catalog_dataset *d = n->dataset;
        *ret = (struct catalog_change){
            .schema = n->schema,
            .name = n->name,
            .location = d->location,
            .version = d->version,
            .before = d->pinned.version,
            .proof = d->proof,
        };
        memcpy(ret->digest_before, d->pinned.proof.files_digest, sizeof ret->digest_before);
    }
    g_mutex_unlock(&c->lock);
    return is_there;
}

void catalog_forget_changes(struct catalog *c)
{
    g_mutex_lock(&c->lock);
    bool has_changes = c->changed->len > 0;
    for (guint i = 0; i < c->changed->len; i++) {
        struct catalog_dataset *d = ((struct catalog_name *)c->changed->pdata[i])->dataset;
        d->is_changed = false;
        d->version = d->pinned.version;
        d->n_rows = d->pinned.n_rows;
        catalog_proof_set(d, &d->pinned.proof);
        if (d->pinned.version < 0)
            g_clear_pointer(&d->location, g_free);
    }
    g_ptr_array_set_size(c->changed, 0);
    g_mutex_unlock(&c->lock);
    if (has_changes)
        catalog_next_epoch(c);
}

int catalog_mark_broken(struct catalog *c, const char *schema, const char *name, const char *reason,
                        struct ca_error *err)
{
    struct catalog_name *n = NULL;
    CA_TRY(catalog_name_required(c, schema, name, &n, err));
    g_mutex_lock(&c->lock);
    g_free(n->dataset->failure);
    n->dataset->failure = g_strdup(reason);
    g_mutex_unlock(&c->lock);
    catalog_next_epoch(c);
    return CA_OK;
}

int catalog_set_plan(struct catalog *c, const char *schema, const char *name, const char *fingerprint,
                     const char *reads, struct ca_error *err)
{
    struct catalog_name *n = NULL;
    CA_TRY(catalog_name_required(c, schema, name, &n, err));
    g_mutex_lock(&c->lock);
    g_free(n->dataset->plan_fingerprint);
    g_free(n->dataset->reads);
    n->dataset->plan_fingerprint = g_strdup(fingerprint);
    n->dataset->reads = g_strdup(reads);
    g_mutex_unlock(&c->lock);
    return CA_OK;
}
