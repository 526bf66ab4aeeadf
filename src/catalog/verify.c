/* catalog/verify.c — the stored rows of a dataset against its contract, and what was found kept for later sessions. */
#include <jansson.h>
#include <string.h>

#include "catalog/facts.h"
#include "catalog/state.h"
#include "contract/scan.h"

static int find(struct catalog *c, const char *schema, const char *name, struct catalog_name **ret,
                const struct contract **ret_contract, struct ca_error *err)
{
    *ret = catalog_name_find(c, schema, name);
    if (!*ret)
        return ca_fail(err, CA_ERR_NOT_FOUND, "no dataset '%s.%s'", schema, name);
    return catalog_dataset_contract(c, (*ret)->dataset, ret_contract, err);
}

/* A stream is read once, and may never end. */
static bool lies_in_files(const struct catalog_name *n, const struct contract *contract)
{
    if (g_strcmp0(contract->storage.format, "stream") == 0 || contract_scan_is_true(contract, "unbounded"))
        return false;
    return !n->is_nested && (catalog_is_stored(contract) || catalog_is_listing(contract));
}

bool catalog_can_verify(struct catalog *c, const char *schema, const char *name)
{
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    return find(c, schema, name, &n, &contract, NULL) == CA_OK && lies_in_files(n, contract);
}

/* ---- findings as the engine says them --------------------------------------------------------------------------- */

/* What one call of engine_verify says: the digest of its files, and findings. */
struct answer {
    char files_digest[FINGERPRINT_HEX_SIZE];
    GPtrArray *findings;
};

static const char *kind_of(const char *text)
{
    for (int k = 0; k < CATALOG_N_FACT_KINDS; k++)
        if (g_strcmp0(catalog_fact_kind_name((enum catalog_fact_kind)k), text) == 0)
            return catalog_fact_kind_name((enum catalog_fact_kind)k);
    return "file";
}

static const char *status_of(const char *text)
{
    static const char *const statuses[] = {"proved", "unproved", "violated"};
    for (size_t i = 0; i < G_N_ELEMENTS(statuses); i++)
        if (g_strcmp0(statuses[i], text) == 0)
            return statuses[i];
    return "unproved";
}

static void append_key(GString *text, const json_t *key)
{
    size_t i;
    const json_t *value;
    g_string_append_c(text, '(');
    json_array_foreach(key, i, value) g_string_append_printf(text, "%s%s", i ? ", " : "", json_string_value(value));
    g_string_append_c(text, ')');
}

/* "part-0.parquet: row 3; (a, 1) in 2 rows" */
static char *rows_text(const json_t *rows)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *last_file = NULL;
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row)
    {
        const json_t *key = json_object_get(row, "key");
        const json_t *item = json_object_get(row, "item");
        const char *file = json_string_value(json_object_get(row, "file"));
        g_string_append(text, i ? (key || g_strcmp0(file, last_file) != 0 ? "; " : ", ") : "");
        if (key) {
            append_key(text, key);
            g_string_append_printf(text, " in %" JSON_INTEGER_FORMAT " rows",
                                   json_integer_value(json_object_get(row, "n_rows")));
            continue;
        }
        if (file && g_strcmp0(file, last_file) != 0)
            g_string_append_printf(text, "%s: ", file);
        g_string_append_printf(text, "row %" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(row, "row")));
        if (item)
            g_string_append_printf(text, " item %" JSON_INTEGER_FORMAT, json_integer_value(item));
        last_file = file;
    }
    return text->len ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}

static void take_finding(void *data, const char *text, size_t n_bytes)
{
    struct answer *a = data;
    json_t *said = json_loadb(text, n_bytes, 0, NULL);
    const char *kind = json_string_value(json_object_get(said, "kind"));
    if (g_strcmp0(kind, "files") == 0) {
        const json_t *list = json_object_get(said, "list");
        fingerprint_of(json_string_value(list), json_string_length(list), a->files_digest);
    } else if (g_strcmp0(kind, "file") == 0) {
        struct catalog_finding *f =
            catalog_finding_add(a->findings, "file", json_string_value(json_object_get(said, "path")));
        f->status = "violated";
        f->detail = g_strdup(json_string_value(json_object_get(said, "failure")));
    } else {
        struct catalog_finding *f =
            catalog_finding_add(a->findings, kind_of(kind), json_string_value(json_object_get(said, "fact")));
        f->status = status_of(json_string_value(json_object_get(said, "status")));
        f->method = strcmp(f->status, "unproved") == 0
                        ? NULL
                        : catalog_method(json_string_value(json_object_get(said, "method")));
        f->detail = strcmp(f->status, "unproved") == 0 ? g_strdup("not every file can be read")
                                                       : rows_text(json_object_get(said, "rows"));
    }
    json_decref(said);
}

static size_t count_violated(const GPtrArray *findings)
{
    size_t n = 0;
    for (guint i = 0; i < findings->len; i++)
        n += strcmp(((struct catalog_finding *)findings->pdata[i])->status, "violated") == 0;
    return n;
}

/* The facts that nobody looked at. */
static void add_others(GPtrArray *findings, const struct contract *contract, const char *why)
{
    g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < findings->len; i++) {
        const struct catalog_finding *f = findings->pdata[i];
        g_hash_table_add(known, g_strconcat(f->kind, ":", f->fact, NULL));
    }
    g_autoptr(GPtrArray) facts = catalog_facts(contract);
    for (guint i = 0; i < facts->len; i++) {
        const struct catalog_finding *fact = facts->pdata[i];
        g_autofree char *key = g_strconcat(fact->kind, ":", fact->fact, NULL);
        if (g_hash_table_contains(known, key))
            continue;
        struct catalog_finding *f = catalog_finding_add(findings, fact->kind, fact->fact);
        f->status = "unproved";
        f->detail = g_strdup(why);
    }
}

/* A table that cannot be opened: its location is the file that cannot be read. */
static void add_unopened(GPtrArray *findings, const char *location, const char *why)
{
    struct catalog_finding *f = catalog_finding_add(findings, "file", location);
    f->status = "violated";
    f->detail = g_strdup(why);
}

/* ---- one dataset ------------------------------------------------------------------------------------------------ */

static void add_checks(GArray *checks, GPtrArray *names, const struct contract_pairs *pairs, const char *view,
                       const char *unnest)
{
    for (size_t i = 0; i < pairs->n; i++) {
        char *name = view ? g_strconcat(view, ".", pairs->items[i].key, NULL) : g_strdup(pairs->items[i].key);
        g_ptr_array_add(names, name);
        struct engine_check check = {.name = name, .unnest = unnest, .sql = pairs->items[i].value};
        g_array_append_val(checks, check);
    }
}

static int ask(struct catalog *c, const struct catalog_name *n, const struct contract *contract,
               struct engine_cancel *cancel, struct answer *ret, struct ca_error *err)
{
    g_autoptr(GArray) checks = g_array_new(FALSE, FALSE, sizeof(struct engine_check));
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    add_checks(checks, names, &contract->checks, NULL, NULL);
    for (size_t i = 0; i < contract->n_views; i++)
        add_checks(checks, names, &contract->views[i].checks, contract->views[i].name, contract->views[i].unnest);
    g_autoptr(GArray) unique = g_array_new(FALSE, FALSE, sizeof(struct engine_names));
    catalog_unique_keys(contract, unique);
    struct engine_facts facts = {
        .checks = (const struct engine_check *)checks->data,
        .n_checks = checks->len,
        .key = (const char *const *)contract->primary.items,
        .n_key = contract->primary.n,
        .unique = (const struct engine_names *)unique->data,
        .n_unique = unique->len,
        .order = (const char *const *)contract->order.items,
        .n_order = contract->order.n,
    };
    return engine_verify(c->engine, n->schema, n->table, &facts, cancel, take_finding, ret, err);
}

/* The weakest way in which every fact of the kind is proved; NULL: one is not. A kind without facts holds. */
static const char *kind_method(const GPtrArray *findings, const char *kind)
{
    const char *method = "statistics";
    for (guint i = 0; i < findings->len; i++) {
        const struct catalog_finding *f = findings->pdata[i];
        if (strcmp(f->kind, kind) != 0)
            continue;
        if (strcmp(f->status, "proved") != 0)
            return NULL;
        if (f->method && strcmp(f->method, "statistics") != 0)
            method = f->method;
    }
    return catalog_method(method);
}

static bool is_same_proof(const struct catalog_proof *a, const struct catalog_proof *b)
{
    for (int k = 0; k < CATALOG_N_FACT_KINDS; k++)
        if ((a->methods[k] == NULL) != (b->methods[k] == NULL))
            return false;
    return strcmp(a->files_digest, b->files_digest) == 0;
}

/* What was found is what is believed from now on. Takes the findings. */
static void settle(struct catalog *c, struct catalog_dataset *d, struct answer *a)
{
    struct catalog_proof found = {0};
    memcpy(found.files_digest, a->files_digest, sizeof found.files_digest);
    bool is_whole = kind_method(a->findings, "file") != NULL;
    for (int k = 0; k < CATALOG_N_FACT_KINDS && is_whole; k++)
        found.methods[k] = kind_method(a->findings, catalog_fact_kind_name((enum catalog_fact_kind)k));
    g_mutex_lock(&c->lock);
    bool is_news = d->is_news || !is_same_proof(&found, &d->proof);
    catalog_proof_set(d, &found);
    d->findings = g_steal_pointer(&a->findings);
    d->is_news = is_news;
    g_mutex_unlock(&c->lock);
    catalog_next_epoch(c);
}

int catalog_verify(struct catalog *c, const char *schema, const char *name, struct engine_cancel *cancel,
                   size_t *ret_n_violated, struct ca_error *err)
{
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    CA_TRY(find(c, schema, name, &n, &contract, err));
    if (!lies_in_files(n, contract))
        return ca_fail(err, CA_ERR_INVALID,
                       "'%s' has no files of its own to verify: registry.datasets says what each name is", n->key);
    g_mutex_lock(&c->lock);
    g_autofree char *location =
        g_strdup(catalog_is_stored(contract) ? n->dataset->location : n->dataset->entry->location);
    g_mutex_unlock(&c->lock);
    *ret_n_violated = 0;
    if (!location) /* no row was ever written */
        return CA_OK;
    struct answer a = {.findings = g_ptr_array_new_with_free_func((GDestroyNotify)catalog_finding_free)};
    struct ca_error why = {0};
    int rc = ask(c, n, contract, cancel, &a, &why);
    if (rc == CA_ERR_CANCELED || rc == CA_ERR_RESOURCES || rc == CA_ERR_BUG) {
        g_ptr_array_unref(a.findings);
        return ca_fail(err, rc, "verify '%s': %s", n->key, why.message);
    }
    if (rc != CA_OK)
        add_unopened(a.findings, location, why.message);
    add_others(a.findings, contract,
               rc == CA_OK ? "nothing looks inside of a list view" : "the table cannot be opened");
    catalog_findings_sort(a.findings);
    *ret_n_violated = count_violated(a.findings);
    settle(c, n->dataset, &a);
    return CA_OK;
}

/* ---- kept for later sessions ------------------------------------------------------------------------------------ */

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *findings_json(const GPtrArray *findings)
{
    json_t *list = json_array();
    for (guint i = 0; findings && i < findings->len; i++) {
        const struct catalog_finding *f = findings->pdata[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:o}", "kind", f->kind, "fact", f->fact, "status",
                                              f->status, "method", text_or_null(f->method), "detail",
                                              text_or_null(f->detail)));
    }
    return list;
}

int catalog_findings(struct catalog *c, const char *schema, const char *name, json_t **ret, struct ca_error *err)
{
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    *ret = NULL;
    CA_TRY(find(c, schema, name, &n, &contract, err));
    const struct catalog_dataset *d = n->dataset;
    g_mutex_lock(&c->lock);
    bool is_kept = !n->is_nested && d->is_news;
    if (is_kept)
        *ret = json_pack("{s:s, s:s, s:I, s:s, s:o}", "schema", schema, "name", name, "data_version",
                         (json_int_t)d->version, "files_digest", d->proof.files_digest, "findings",
                         findings_json(d->findings));
    g_mutex_unlock(&c->lock);
    return is_kept && !*ret ? ca_fail(err, CA_ERR_RESOURCES, "no memory for the findings of '%s'", n->key) : CA_OK;
}

int catalog_findings_put(struct catalog *c, const json_t *findings, struct ca_error *err)
{
    const char *schema = json_string_value(json_object_get(findings, "schema"));
    const char *name = json_string_value(json_object_get(findings, "name"));
    const char *digest = json_string_value(json_object_get(findings, "files_digest"));
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    if (!schema || !name || !digest)
        return ca_fail(err, CA_ERR_DRIFT, "findings without schema, name or files_digest");
    CA_TRY(find(c, schema, name, &n, &contract, err));
    g_mutex_lock(&c->lock);
    bool is_same_version = n->dataset->version == json_integer_value(json_object_get(findings, "data_version"));
    g_mutex_unlock(&c->lock);
    if (!is_same_version)
        return CA_OK;
    struct answer a = {.findings = g_ptr_array_new_with_free_func((GDestroyNotify)catalog_finding_free)};
    g_strlcpy(a.files_digest, digest, sizeof a.files_digest);
    size_t i;
    const json_t *said;
    json_array_foreach(json_object_get(findings, "findings"), i, said)
    {
        struct catalog_finding *f =
            catalog_finding_add(a.findings, kind_of(json_string_value(json_object_get(said, "kind"))),
                                json_string_value(json_object_get(said, "fact")));
        f->status = status_of(json_string_value(json_object_get(said, "status")));
        f->method = catalog_method(json_string_value(json_object_get(said, "method")));
        f->detail = g_strdup(json_string_value(json_object_get(said, "detail")));
    }
    settle(c, n->dataset, &a);
    g_mutex_lock(&c->lock);
    n->dataset->is_news = true;
    g_mutex_unlock(&c->lock);
    return CA_OK;
}
