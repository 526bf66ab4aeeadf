/* catalog/load.c — contracts become the index of names that the catalog answers from: when it opens, and when more are
 * registered while it runs.
 *
 *   built in, or a run's snapshot ─┐
 *   a directory's, registered ones ┴─▶ one document ──▶ catalog_index
 */
#include <string.h>

#include "catalog/builtin.h"
#include "catalog/state.h"

/* What an entry of the second bundle is to the first. */
enum meeting {
    MEETS_BUILTIN,  /* its name is free there */
    MEETS_SNAPSHOT, /* what a run was built with stays as it is */
    MEETS_SESSION,  /* what a session has stays as it is */
};

/* ---- two bundles as one ----------------------------------------------------------------------------------------- */

static bool is_same(const struct contract_bundle_entry *a, const struct contract_bundle_entry *b)
{
    return strcmp(a->fingerprint, b->fingerprint) == 0 && g_strcmp0(a->sql, b->sql) == 0;
}

static const struct contract_bundle_entry *find_entry(const struct contract_bundle *b,
                                                      const struct contract_bundle_entry *like)
{
    int64_t at = like->file ? contract_bundle_find_location(b, like->schema, like->name)
                            : contract_bundle_find(b, like->schema, like->name);
    return at < 0 ? NULL : contract_bundle_entry(b, (size_t)at);
}

/* Whether the first bundle holds the very entry `e` already. Another one of its name is an error. */
static int meet(const struct contract_bundle *first, enum meeting how, const struct contract_bundle_entry *e,
                bool *ret_is_there, struct ca_error *err)
{
    const struct contract_bundle_entry *known = find_entry(first, e);
    bool is_view = !known && contract_bundle_find_view(first, e->schema, e->name) >= 0;
    *ret_is_there = known && how != MEETS_BUILTIN && is_same(known, e);
    if (*ret_is_there || (!known && !is_view))
        return CA_OK;
    if (how == MEETS_SESSION)
        return ca_fail(err, CA_ERR_CONTRACT,
                       "'%s.%s' is declared already and by another contract: give yours another name, a session keeps "
                       "what it has",
                       e->schema, e->name);
    if (how == MEETS_SNAPSHOT && known)
        return ca_fail(err, CA_ERR_DRIFT,
                       "'%s.%s' is not what the run was built with: build again, or read without --datasets", e->schema,
                       e->name);
    return ca_fail(err, CA_ERR_CONTRACT, "'%s.%s' is built in: give yours another name", e->schema, e->name);
}

/* Where rows are is not what a run was built with, so a directory's location stands in the place of the snapshot's. */
static bool is_replaced(const struct contract_bundle *second, enum meeting how, const struct contract_bundle_entry *e)
{
    return how != MEETS_SESSION && e->file && find_entry(second, e);
}

/* Every dataset of two bundles as one document. */
static int merge_bundles(struct contract_bundle *const bundles[2], enum meeting how, char **ret, size_t *ret_n_bytes,
                         struct ca_error *err)
{
    size_t n = contract_bundle_n(bundles[0]) + contract_bundle_n(bundles[1]);
    g_autofree struct contract_bundle_source *sources = g_new0(struct contract_bundle_source, n);
    size_t n_sources = 0;
    for (size_t b = 0; b < 2; b++) {
        for (size_t i = 0; i < contract_bundle_n(bundles[b]); i++) {
            const struct contract_bundle_entry *e = contract_bundle_entry(bundles[b], i);
            bool is_left_out = b == 0 && is_replaced(bundles[1], how, e);
            if (b > 0 && (!e->file || how == MEETS_SESSION))
                CA_TRY(meet(bundles[0], how, e, &is_left_out, err));
            if (is_left_out)
                continue;
            struct contract_bundle_source *source = &sources[n_sources++];
            source->sql = e->sql;
            source->location = e->location;
            source->at = e->file ? e : NULL;
            CA_TRY(contract_bundle_yaml(bundles[b], i, &source->yaml, err));
            if (!e->file)
                CA_TRY(contract_bundle_contract(bundles[b], i, &source->contract, err));
        }
    }
    return contract_bundle_render(sources, n_sources, ret, ret_n_bytes, err);
}

/* Text that is no contract is a finding about contracts, as any other in these files. */
static int read_files(const char *const *paths, size_t n_paths, char **ret, size_t *ret_n_bytes, struct ca_error *err)
{
    struct ca_error found = {0};
    int rc = contract_bundle_render_paths(paths, n_paths, ret, ret_n_bytes, &found);
    return rc == CA_OK ? CA_OK : ca_fail(err, rc == CA_ERR_SYNTAX ? CA_ERR_CONTRACT : rc, "%s", found.message);
}

/* The document of `first` and of what is in files. */
static int add_files(struct contract_bundle *first, enum meeting how, const char *const *paths, size_t n_paths,
                     GBytes **ret, struct ca_error *err)
{
    CA_AUTOFREE char *document = NULL;
    size_t n_document_bytes = 0;
    CA_TRY(read_files(paths, n_paths, &document, &n_document_bytes, err));
    CA_AUTOPTR(contract_bundle) second = NULL;
    CA_TRY(contract_bundle_open(document, n_document_bytes, NULL, &second, err));
    char *merged = NULL;
    size_t n_bytes = 0;
    struct contract_bundle *const both[2] = {first, second};
    CA_TRY(merge_bundles(both, how, &merged, &n_bytes, err));
    *ret = g_bytes_new_with_free_func(merged, n_bytes, free, merged);
    return CA_OK;
}

/* ---- the index -------------------------------------------------------------------------------------------------- */

void catalog_dataset_done(struct catalog_dataset *d)
{
    g_free(d->location);
    g_free(d->failure);
    g_clear_pointer(&d->rows, g_ptr_array_unref);
    g_free(d->unproved);
    g_clear_pointer(&d->findings, g_ptr_array_unref);
    catalog_rules_free(d->rules);
    g_free(d->plan_fingerprint);
    g_free(d->reads);
}

struct catalog_index *catalog_index_drop(struct catalog_index *x)
{
    struct catalog_index *before = x->before;
    for (size_t i = 0; i < x->n_own_names; i++)
        free(x->own_names[i].sql);
    for (size_t i = 0; i < x->n_own_datasets; i++)
        catalog_dataset_done(&x->own_datasets[i]);
    g_ptr_array_unref(x->declared);
    g_ptr_array_unref(x->kept);
    g_ptr_array_unref(x->names);
    g_ptr_array_unref(x->places);
    g_ptr_array_unref(x->own_places);
    g_clear_pointer(&x->own_kept, g_ptr_array_unref);
    g_free(x->own_names);
    g_free(x->own_datasets);
    if (x->owns_bundle)
        contract_bundle_free(x->bundle);
    g_bytes_unref(x->snapshot);
    g_free(x);
    return before;
}

void catalog_index_free(struct catalog_index *x)
{
    while (x)
        x = catalog_index_drop(x);
}

/* The datasets and locations that `before` has not. They are made in one piece, like the names: there may be ten
 * thousand of them, of which one is wanted. *ret: the new dataset of an entry, NULL where there is none. */
static void add_datasets(struct catalog_index *x, struct catalog_dataset ***ret)
{
    size_t n = contract_bundle_n(x->bundle);
    struct catalog_dataset **of_entry = g_new0(struct catalog_dataset *, n);
    x->own_datasets = g_new0(struct catalog_dataset, n);
    for (size_t i = 0; i < n; i++) {
        const struct contract_bundle_entry *e = contract_bundle_entry(x->bundle, i);
        const struct catalog_index *before = x->before;
        if (before && (e->file ? catalog_index_place(before, e->schema, e->name)
                               : catalog_index_declared(before, e->schema, e->name)))
            continue;
        struct catalog_dataset *d = of_entry[i] = &x->own_datasets[x->n_own_datasets++];
        d->bundle = x->bundle;
        d->index = i;
        d->entry = e;
        d->n_rows = -1;
        d->pinned.version = d->pinned.n_rows = -1;
    }
    *ret = of_entry;
}

static void add_names(struct catalog_index *x, struct catalog_dataset *const *of_entry)
{
    size_t n = contract_bundle_n_names(x->bundle);
    x->own_names = g_new0(struct catalog_name, n);
    for (size_t i = 0; i < n; i++) {
        const struct contract_bundle_name known = contract_bundle_name(x->bundle, i);
        struct catalog_dataset *d = of_entry[known.dataset];
        const char *schema = contract_bundle_entry(x->bundle, known.dataset)->schema;
        struct catalog_name *name = d ? NULL : catalog_index_declared(x->before, schema, known.name);
        if (!name) {
            name = &x->own_names[x->n_own_names++];
            *name = (struct catalog_name){
                .key = known.key,
                .schema = schema,
                .name = known.name,
                .table = known.name,
                .dataset = d,
                .is_nested = known.is_view,
            };
        }
        g_ptr_array_add(x->declared, name);
    }
}

static GPtrArray *copy(const GPtrArray *names)
{
    GPtrArray *all = g_ptr_array_new();
    for (guint i = 0; names && i < names->len; i++)
        g_ptr_array_add(all, names->pdata[i]);
    return all;
}

/* Both lists are in order, and so is what becomes of them. */
static void merge_names(struct catalog_index *x)
{
    guint k = 0;
    x->names = g_ptr_array_new();
    for (guint i = 0; i < x->declared->len; i++) {
        const struct catalog_name *n = x->declared->pdata[i];
        int order = -1;
        while (k < x->kept->len && (order = strcmp(((struct catalog_name *)x->kept->pdata[k])->key, n->key)) <= 0) {
            if (order < 0)
                g_ptr_array_add(x->names, x->kept->pdata[k]);
            k++;
        }
        g_ptr_array_add(x->names, x->declared->pdata[i]);
    }
    for (; k < x->kept->len; k++)
        g_ptr_array_add(x->names, x->kept->pdata[k]);
}

/* Takes the bytes. `before` stays the caller's until the index is the catalog's. */
static int index_new(GBytes *bytes, const char *fingerprint, struct catalog_index *before, struct catalog_index **ret,
                     struct ca_error *err)
{
    size_t n_bytes = 0;
    const void *document = g_bytes_get_data(bytes, &n_bytes);
    struct contract_bundle *bundle = NULL;
    int rc = contract_bundle_open(document, n_bytes, fingerprint, &bundle, err);
    if (rc != CA_OK) {
        g_bytes_unref(bytes);
        return rc;
    }
    struct catalog_index *x = g_new0(struct catalog_index, 1);
    x->bundle = bundle;
    x->snapshot = bytes;
    x->owns_bundle = true;
    x->before = before;
    x->declared = g_ptr_array_new();
    x->kept = copy(before ? before->kept : NULL);
    x->places = g_ptr_array_new();
    x->own_places = g_ptr_array_new_with_free_func(catalog_place_free);
    g_autofree struct catalog_dataset **of_entry = NULL;
    add_datasets(x, &of_entry);
    add_names(x, of_entry);
    merge_names(x);
    catalog_places_add(x);
    *ret = x;
    return CA_OK;
}

struct catalog_index *catalog_index_keeping(struct catalog_index *before, GPtrArray *kept)
{
    struct catalog_index *x = g_new0(struct catalog_index, 1);
    x->bundle = before->bundle;
    x->snapshot = g_bytes_ref(before->snapshot);
    x->before = before;
    x->declared = copy(before->declared);
    x->own_kept = kept;
    x->kept = copy(kept);
    x->places = copy(before->places);
    x->own_places = g_ptr_array_new();
    merge_names(x);
    return x;
}

static int compare_key(const void *key, const void *name)
{
    return strcmp(key, (*(const struct catalog_name *const *)name)->key);
}

static struct catalog_name *find(const GPtrArray *names, const char *schema, const char *name)
{
    g_autofree char *key = g_strconcat(schema, ".", name, NULL);
    struct catalog_name **found =
        names->len == 0 ? NULL : bsearch(key, names->pdata, names->len, sizeof(gpointer), compare_key);
    return found ? *found : NULL;
}

struct catalog_name *catalog_index_find(const struct catalog_index *x, const char *schema, const char *name)
{
    return find(x->names, schema, name);
}

struct catalog_name *catalog_index_declared(const struct catalog_index *x, const char *schema, const char *name)
{
    return find(x->declared, schema, name);
}

struct catalog_name *catalog_index_place(const struct catalog_index *x, const char *schema, const char *name)
{
    for (guint i = 0; i < x->places->len; i++) {
        struct catalog_name *n = x->places->pdata[i];
        if (strcmp(n->schema, schema) == 0 && strcmp(n->name, name) == 0)
            return n;
    }
    return NULL;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

int catalog_load(struct catalog *c, const struct catalog_options *o, struct ca_error *err)
{
    GBytes *bytes = o->snapshot ? g_bytes_ref(o->snapshot)
                                : g_bytes_new_static(contract_builtin_bundle, contract_builtin_bundle_size);
    CA_TRY_CTX(index_new(bytes, o->snapshot_fingerprint, /* before= */ NULL, &c->index, err), err, "read '%s'",
               o->snapshot ? o->snapshot_path : "the built-in contracts");
    if (!o->datasets_dir) /* what was applied was checked then */
        return CA_OK;
    struct catalog_index *first = g_steal_pointer(&c->index);
    int rc = g_file_test(o->datasets_dir, G_FILE_TEST_IS_DIR)
                 ? CA_OK
                 : ca_fail(err, CA_ERR_NOT_FOUND, "there is no folder '%s'", o->datasets_dir);
    if (rc == CA_OK)
        rc = add_files(first->bundle, o->snapshot ? MEETS_SNAPSHOT : MEETS_BUILTIN, &o->datasets_dir, 1, &bytes, err);
    catalog_index_free(first);
    if (rc == CA_OK)
        rc = index_new(bytes, /* fingerprint= */ NULL, /* before= */ NULL, &c->index, err);
    if (rc == CA_OK)
        rc = catalog_places_check(c->index, err);
    return rc == CA_OK ? CA_OK : ca_fail_context(err, rc, "load the datasets of '%s'", o->datasets_dir);
}

/* ---- while it runs ---------------------------------------------------------------------------------------------- */

int catalog_index_with(struct catalog_index *before, const char *const *paths, size_t n_paths,
                       struct catalog_index **ret, struct ca_error *err)
{
    GBytes *bytes = NULL;
    struct catalog_index *x = NULL;
    CA_TRY(add_files(before->bundle, MEETS_SESSION, paths, n_paths, &bytes, err));
    CA_TRY(index_new(bytes, /* fingerprint= */ NULL, before, &x, err));
    int rc = catalog_places_check(x, err);
    if (rc == CA_OK)
        *ret = x;
    else
        catalog_index_drop(x);
    return rc;
}
