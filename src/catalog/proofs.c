/* catalog/proofs.c — what is proved of the rows of each version, and the rows of registry.proofs.
 *
 *   gate of a write ──▶ catalog_pin ─┐
 *   catalog_verify ──▶ findings ─────┼──▶ struct catalog_proof of a dataset ──▶ the engine's NOT NULL
 *   other files were opened ──▶ none ┘                                     └──▶ registry.proofs
 */
#include <string.h>

#include "catalog/facts.h"
#include "catalog/state.h"
#include "catalog/tables.h"
#include "rows/gen/proofs.h"

static const char *const methods[] = {"empty", "gate", "scan", "statistics"};

const char *catalog_method(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
        if (g_strcmp0(methods[i], name) == 0)
            return methods[i];
    return NULL;
}

const char *catalog_fact_kind_name(enum catalog_fact_kind kind)
{
    static const char *const names[CATALOG_N_FACT_KINDS] = {
        [CATALOG_CHECK] = "check",   [CATALOG_NOT_NULL] = "not_null",
        [CATALOG_ORDER] = "order",   [CATALOG_PRIMARY_KEY] = "primary_key",
        [CATALOG_UNIQUE] = "unique",
    };
    return names[kind];
}

/* ---- what is believed ------------------------------------------------------------------------------------------- */

bool catalog_is_listing(const struct contract *contract)
{
    return contract->kind != CONTRACT_VIEW && !catalog_is_own(contract) && contract->storage.location;
}

/* Rows in memory come from builders that take no null, or through the gate; else there is no row without a location.
 */
bool catalog_is_not_null(const struct catalog_dataset *d)
{
    return !d->location || d->proof.methods[CATALOG_NOT_NULL] != NULL;
}

void catalog_proof_set(struct catalog_dataset *d, const struct catalog_proof *proof)
{
    d->proof = *proof;
    d->is_news = false;
    g_clear_pointer(&d->findings, g_ptr_array_unref);
    g_clear_pointer(&d->unproved, g_free);
}

void catalog_proof_committed(struct catalog_proof *proof, bool was_empty)
{
    proof->files_digest[0] = '\0';
    for (int k = 0; k < CATALOG_N_FACT_KINDS; k++)
        if (proof->methods[k] || was_empty)
            proof->methods[k] = catalog_method("gate");
    proof->methods[CATALOG_ORDER] = NULL;
}

bool catalog_proof_is_of(struct catalog *c, struct catalog_dataset *d, int64_t version, const char *files,
                         size_t n_bytes)
{
    char found[FINGERPRINT_HEX_SIZE];
    fingerprint_of(files, n_bytes, found);
    g_mutex_lock(&c->lock);
    /* A plan of an older epoch may still be read; what it believes was proved of its own version. */
    bool is_other_version = d->version != version;
    if (!is_other_version && d->proof.files_digest[0] == '\0')
        memcpy(d->proof.files_digest, found, sizeof found); /* what SQL of this session committed */
    bool is_same = is_other_version || strcmp(d->proof.files_digest, found) == 0;
    if (!is_same && catalog_is_not_null(d)) {
        struct catalog_proof none = {0};
        memcpy(none.files_digest, found, sizeof found);
        catalog_proof_set(d, &none);
        d->unproved = g_strdup_printf("the files of version %" G_GINT64_FORMAT
                                      " are not those that were proved: 'codeanatomy verify' looks at them",
                                      version);
        catalog_next_epoch(c);
    }
    g_mutex_unlock(&c->lock);
    return is_same;
}

/* ---- the facts of a contract ------------------------------------------------------------------------------------ */

void catalog_finding_free(struct catalog_finding *f)
{
    g_free(f->fact);
    g_free(f->detail);
    g_free(f);
}

struct catalog_finding *catalog_finding_add(GPtrArray *facts, const char *kind, const char *fact)
{
    struct catalog_finding *f = g_new0(struct catalog_finding, 1);
    f->kind = kind;
    f->fact = g_strdup(fact);
    g_ptr_array_add(facts, f);
    return f;
}

/* Entries and keys of maps are never null. Types are at most CONTRACT_MAX_DEPTH deep, so this recursion is bounded. */
static void add_not_null(GPtrArray *facts, const struct contract_field *f, const char *path)
{
    if (!f->is_nullable)
        catalog_finding_add(facts, "not_null", path);
    const enum contract_shape shape = contract_type_shape(f->type);
    if ((shape & CONTRACT_SHAPES_NESTED) == 0)
        return;
    for (size_t i = shape == CONTRACT_SHAPE_MAP ? 1 : 0; i < f->n_children; i++) {
        g_autofree char *child = contract_child_path(path, f, i);
        add_not_null(facts, &f->children[i], child);
    }
}

static void add_names(GPtrArray *facts, enum catalog_fact_kind kind, const struct contract_names *names)
{
    g_autofree char *text = names->n > 0 ? g_strjoinv(", ", names->items) : NULL;
    if (text)
        catalog_finding_add(facts, catalog_fact_kind_name(kind), text);
}

static gint by_kind_and_fact(gconstpointer a, gconstpointer b)
{
    const struct catalog_finding *x = *(struct catalog_finding *const *)a;
    const struct catalog_finding *y = *(struct catalog_finding *const *)b;
    int by_kind = strcmp(x->kind, y->kind);
    return by_kind ? by_kind : strcmp(x->fact, y->fact);
}

void catalog_findings_sort(GPtrArray *findings)
{
    g_ptr_array_sort(findings, by_kind_and_fact);
}

GPtrArray *catalog_facts(const struct contract *contract)
{
    GPtrArray *facts = g_ptr_array_new_with_free_func((GDestroyNotify)catalog_finding_free);
    for (size_t i = 0; i < contract->n_columns; i++)
        add_not_null(facts, &contract->columns[i], contract->columns[i].name);
    add_names(facts, CATALOG_ORDER, &contract->order);
    add_names(facts, CATALOG_PRIMARY_KEY, &contract->primary);
    for (size_t i = 0; i < contract->n_unique; i++)
        add_names(facts, CATALOG_UNIQUE, &contract->unique[i]);
    for (size_t i = 0; i < contract->checks.n; i++)
        catalog_finding_add(facts, "check", contract->checks.items[i].key);
    for (size_t v = 0; v < contract->n_views; v++) {
        const struct contract_view *view = &contract->views[v];
        for (size_t i = 0; i < view->checks.n; i++) {
            g_autofree char *name = g_strconcat(view->name, ".", view->checks.items[i].key, NULL);
            catalog_finding_add(facts, "check", name);
        }
    }
    catalog_findings_sort(facts);
    return facts;
}

/* What a generated view shows of its bundle's NOT NULL is proved of no view. */
static GPtrArray *view_facts(const struct contract *contract, const struct contract_view *view)
{
    GPtrArray *facts = g_ptr_array_new_with_free_func((GDestroyNotify)catalog_finding_free);
    for (size_t i = 0; i < view->with.n; i++)
        add_not_null(facts, contract_column(contract, view->with.items[i]), view->with.items[i]);
    const struct contract_field *item = &contract_column(contract, view->unnest)->children[0];
    for (size_t i = 0; i < item->n_children; i++)
        add_not_null(facts, &item->children[i], item->children[i].name);
    catalog_findings_sort(facts);
    return facts;
}

/* ---- registry.proofs -------------------------------------------------------------------------------------------- */

/* How the facts of this kind are proved where nobody looked at single ones; NULL: they are not. */
static const char *method_of(const struct contract *contract, const struct catalog_dataset *d, const char *kind)
{
    if (contract->kind == CONTRACT_VIEW || catalog_is_listing(contract))
        return NULL;
    if (contract->kind == CONTRACT_REGISTRY || d->rows)
        return strcmp(kind, "not_null") == 0 ? "gate" : NULL;
    if (!d->location && !d->is_in_memory)
        return "empty";
    for (int k = 0; k < CATALOG_N_FACT_KINDS; k++)
        if (strcmp(catalog_fact_kind_name((enum catalog_fact_kind)k), kind) == 0)
            return d->proof.methods[k];
    return NULL;
}

static int add_row(struct proofs *rows, const struct catalog_name *n, const struct catalog_finding *f,
                   const struct catalog_dataset *d, bool is_stored)
{
    struct proofs_row row = {
        .schema_name = rows_str_of(n->schema),
        .dataset_name = rows_str_of(n->name),
        .kind = rows_str_of(f->kind),
        .fact = rows_str_of(f->fact),
        .status = rows_str_of(f->status),
        .method = rows_str_of(f->method),
        .has_data_version = is_stored,
        .data_version = d->version,
        .files_digest = rows_str_of(d->proof.files_digest[0] ? d->proof.files_digest : NULL),
        .detail = rows_str_of(f->detail),
    };
    if (n->is_nested)
        row.files_digest = rows_str_of(NULL);
    return proofs_finish_row(rows, &row);
}

static void take_digest(void *digest, const char *text, size_t n_bytes)
{
    fingerprint_of(text, n_bytes, digest);
}

/* Whether the files of a listing are not those that were looked at: others change them when they like. */
static bool is_stale(struct catalog *c, const struct catalog_name *n, const struct contract *contract)
{
    struct catalog_dataset *d = n->dataset;
    char proved[FINGERPRINT_HEX_SIZE];
    char found[FINGERPRINT_HEX_SIZE] = "";
    g_mutex_lock(&c->lock);
    bool has_findings = d->findings && !n->is_nested && catalog_is_listing(contract);
    memcpy(proved, d->proof.files_digest, sizeof proved);
    g_mutex_unlock(&c->lock);
    if (!has_findings)
        return false;
    if (engine_table_files(c->engine, n->schema, n->table, take_digest, found, NULL) != CA_OK)
        found[0] = '\0'; /* as where the look at them ended so */
    return strcmp(found, proved) != 0;
}

static int each_proof(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                      struct ca_error *err)
{
    if (!contract)
        return CA_OK;
    const struct catalog_dataset *d = n->dataset;
    bool is_of_others = is_stale(c, n, contract);
    static const char others[] = "the files are not those that were looked at: 'codeanatomy verify' looks at them";
    g_mutex_lock(&c->lock);
    bool has_findings = d->findings && !n->is_nested && !is_of_others;
    g_autoptr(GPtrArray) facts = has_findings   ? g_ptr_array_ref(d->findings)
                                 : n->is_nested ? view_facts(contract, contract_view_named(contract, n->name))
                                                : catalog_facts(contract);
    int rc = 0;
    for (guint i = 0; i < facts->len && rc == 0; i++) {
        struct catalog_finding *f = facts->pdata[i];
        if (!has_findings) {
            f->method = n->is_nested ? NULL : method_of(contract, d, f->kind);
            f->status = f->method ? "proved" : "unproved";
            f->detail = !f->method && !n->is_nested ? g_strdup(is_of_others ? others : d->unproved) : NULL;
        }
        rc = add_row(rows, n, f, d, !n->is_nested && d->location);
    }
    g_mutex_unlock(&c->lock);
    return catalog_rows_failed(rc, err);
}

static int proofs_fill(struct catalog *c, struct proofs *rows, struct ca_error *err)
{
    return catalog_ask_engine(c, each_proof, rows, err);
}

CATALOG_TABLE(proofs, proofs_fill)
