/* contract/bundle.c — the index is read at once, the contracts when they are wanted. */
#include "contract/bundle.h"

#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "base/file.h"

/* names  "schema.name" of datasets → index + 1;  views  the same of views → index of their dataset + 1 */
struct contract_bundle {
    json_t *root;
    struct contract_bundle_entry *entries;
    size_t n_entries;
    struct contract **contracts;
    GHashTable *names;
    GHashTable *views;
    GMutex lock;
};

/* ---- write ------------------------------------------------------------------------------------------------------ */

static int compare_sources(const void *a, const void *b)
{
    const struct contract *x = ((const struct contract_bundle_source *)a)->contract;
    const struct contract *y = ((const struct contract_bundle_source *)b)->contract;
    int order = strcmp(contract_schema_name(x), contract_schema_name(y));
    return order != 0 ? order : strcmp(x->dataset, y->dataset);
}

/* Names of tables and views share one space a schema. */
static int claim(GHashTable *taken, const struct contract *c, const char *name, struct ca_error *err)
{
    char *key = g_strdup_printf("%s.%s", contract_schema_name(c), name);
    const struct contract *other = g_hash_table_lookup(taken, key);
    if (other != NULL) {
        int rc = ca_fail(err, CA_ERR_CONTRACT, "'%s' is declared by '%s' and by '%s'", key, other->source, c->source);
        g_free(key);
        return rc;
    }
    g_hash_table_insert(taken, key, (gpointer)c);
    return CA_OK;
}

static json_t *render_entry(const struct contract_bundle_source *source)
{
    const struct contract *c = source->contract;
    char fingerprint[FINGERPRINT_HEX_SIZE];
    contract_fingerprint(c, fingerprint);
    json_t *views = json_array();
    for (size_t i = 0; i < c->n_views; i++)
        json_array_append_new(views, json_string(c->views[i].name));
    json_t *entry = json_object();
    json_object_set_new(entry, "name", json_string(c->dataset));
    json_object_set_new(entry, "version", json_integer(c->version));
    json_object_set_new(entry, "stage", json_string(contract_stage_name(c->stage)));
    json_object_set_new(entry, "schema", json_string(contract_schema_name(c)));
    json_object_set_new(entry, "kind", json_string(contract_kind_name(c->kind)));
    json_object_set_new(entry, "fingerprint", json_string(fingerprint));
    json_object_set_new(entry, "yaml", json_string(source->yaml));
    json_object_set_new(entry, "sql", source->sql == NULL ? json_null() : json_string(source->sql));
    json_object_set_new(entry, "views", views);
    return entry;
}

int contract_bundle_render(const struct contract_bundle_source *sources, size_t n_sources, char **ret,
                           size_t *ret_n_bytes, struct ca_error *err)
{
    g_autofree struct contract_bundle_source *sorted = g_new(struct contract_bundle_source, n_sources + 1);
    if (n_sources > 0)
        memcpy(sorted, sources, n_sources * sizeof *sources);
    qsort(sorted, n_sources, sizeof *sorted, compare_sources);

    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    json_t *datasets = json_array();
    int rc = CA_OK;
    for (size_t i = 0; rc == CA_OK && i < n_sources; i++) {
        const struct contract *c = sorted[i].contract;
        rc = claim(taken, c, c->dataset, err);
        for (size_t j = 0; rc == CA_OK && j < c->n_views; j++)
            rc = claim(taken, c, c->views[j].name, err);
        if (rc != CA_OK)
            break;
        if (sorted[i].sql != NULL && !g_utf8_validate(sorted[i].sql, -1, NULL))
            rc = ca_fail(err, CA_ERR_SYNTAX, "the SQL of dataset '%s' is not UTF-8", c->dataset);
        else
            json_array_append_new(datasets, render_entry(&sorted[i]));
    }
    if (rc != CA_OK) {
        json_decref(datasets);
        return rc;
    }
    json_t *root = json_object();
    json_object_set_new(root, "format", json_integer(CONTRACT_BUNDLE_FORMAT));
    json_object_set_new(root, "datasets", datasets);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for the bundle of %zu contracts", n_sources);
    *ret_n_bytes = strlen(text);
    *ret = text;
    return CA_OK;
}

/* What one folder holds, with the texts that the sources point into. */
struct collection {
    GArray *sources; /* struct contract_bundle_source */
    GPtrArray *contracts;
    GPtrArray *texts;
};

static int read_text(struct collection *into, const char *path, const char **ret, struct ca_error *err)
{
    char *text = NULL;
    size_t n_bytes = 0;
    CA_TRY(file_read_bounded(path, CONTRACT_MAX_BYTES, &text, &n_bytes, err));
    g_ptr_array_add(into->texts, text);
    if (strlen(text) != n_bytes)
        return ca_fail(err, CA_ERR_SYNTAX, "%s: NUL byte in the text", path);
    *ret = text;
    return CA_OK;
}

static int collect_file(struct collection *into, const char *dir, const char *name, struct ca_error *err)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    if (g_str_has_suffix(name, ".sql")) {
        g_autofree char *stem = g_strndup(path, strlen(path) - 4);
        g_autofree char *yaml = g_strconcat(stem, ".yaml", NULL);
        if (!g_file_test(yaml, G_FILE_TEST_IS_REGULAR))
            return ca_fail(err, CA_ERR_CONTRACT, "'%s' has no contract '%s'", path, yaml);
        return CA_OK;
    }
    if (!g_str_has_suffix(name, ".yaml"))
        return ca_fail(err, CA_ERR_CONTRACT, "'%s' is neither a contract (.yaml) nor a model (.sql)", path);

    struct contract *c = NULL;
    CA_TRY(contract_load(path, &c, err));
    g_ptr_array_add(into->contracts, c);
    struct contract_bundle_source source = {.contract = c};
    CA_TRY(read_text(into, path, &source.yaml, err));
    g_autofree char *stem = g_strndup(path, strlen(path) - 5);
    g_autofree char *sql = g_strconcat(stem, ".sql", NULL);
    if (g_file_test(sql, G_FILE_TEST_EXISTS))
        CA_TRY(read_text(into, sql, &source.sql, err));
    if (c->kind == CONTRACT_VIEW && source.sql == NULL)
        return ca_fail(err, CA_ERR_CONTRACT, "view '%s' has no '%s'", c->dataset, sql);
    g_array_append_val(into->sources, source);
    return CA_OK;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_stage(struct collection *into, const char *dir, enum contract_stage stage, struct ca_error *err)
{
    g_autofree char *path = g_build_filename(dir, contract_stage_name(stage), NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return CA_OK;
    g_autoptr(GError) why = NULL;
    GDir *folder = g_dir_open(path, 0, &why);
    if (folder == NULL)
        return ca_fail(err, CA_ERR_IO, "cannot list '%s': %s", path, why->message);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name = NULL;
    while ((name = g_dir_read_name(folder)) != NULL) {
        if (name[0] != '.')
            g_ptr_array_add(names, g_strdup(name));
    }
    g_dir_close(folder);
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++)
        CA_TRY(collect_file(into, path, names->pdata[i], err));
    return CA_OK;
}

static void free_contract(gpointer c)
{
    contract_free(c);
}

int contract_bundle_render_dir(const char *dir, char **ret, size_t *ret_n_bytes, struct ca_error *err)
{
    if (!g_file_test(dir, G_FILE_TEST_IS_DIR))
        return ca_fail(err, CA_ERR_NOT_FOUND, "there is no folder '%s'", dir);
    struct collection all = {
        .sources = g_array_new(FALSE, FALSE, sizeof(struct contract_bundle_source)),
        .contracts = g_ptr_array_new_with_free_func(free_contract),
        .texts = g_ptr_array_new_with_free_func(free),
    };
    int rc = CA_OK;
    for (int stage = CONTRACT_EXTRACT; rc == CA_OK && stage <= CONTRACT_STAGE_PARAMS; stage++)
        rc = collect_stage(&all, dir, (enum contract_stage)stage, err);
    if (rc == CA_OK)
        rc = contract_bundle_render((const struct contract_bundle_source *)(void *)all.sources->data, all.sources->len,
                                    ret, ret_n_bytes, err);
    g_array_free(all.sources, TRUE);
    g_ptr_array_free(all.contracts, TRUE);
    g_ptr_array_free(all.texts, TRUE);
    return rc;
}

/* ---- read ------------------------------------------------------------------------------------------------------- */

static int bad_entry(size_t i, const char *what, struct ca_error *err)
{
    return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: dataset %zu: %s", i, what);
}

static int read_entry(const json_t *json, size_t i, struct contract_bundle_entry *ret, struct ca_error *err)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    const char *stage = json_string_value(json_object_get(json, "stage"));
    const json_t *version = json_object_get(json, "version");
    const json_t *views = json_object_get(json, "views");
    const json_t *sql = json_object_get(json, "sql");
    ret->name = json_string_value(json_object_get(json, "name"));
    ret->schema = json_string_value(json_object_get(json, "schema"));
    ret->fingerprint = json_string_value(json_object_get(json, "fingerprint"));
    ret->yaml = json_string_value(json_object_get(json, "yaml"));
    ret->sql = json_string_value(sql);
    if (ret->name == NULL || ret->schema == NULL || ret->fingerprint == NULL || ret->yaml == NULL || kind == NULL ||
        stage == NULL || !json_is_integer(version) || !json_is_array(views) || (ret->sql == NULL && !json_is_null(sql)))
        return bad_entry(i, "a key is missing or ill-typed", err);
    ret->version = json_integer_value(version);
    if (!contract_stage_from_name(stage, &ret->stage))
        return bad_entry(i, "unknown stage", err);
    int k = 0;
    while (k <= CONTRACT_REGISTRY && strcmp(kind, contract_kind_name((enum contract_kind)k)) != 0)
        k++;
    if (k > CONTRACT_REGISTRY)
        return bad_entry(i, "unknown kind", err);
    ret->kind = (enum contract_kind)k;
    ret->n_views = json_array_size(views);
    const char **names = g_new0(const char *, ret->n_views + 1);
    ret->views = names;
    for (size_t j = 0; j < ret->n_views; j++) {
        names[j] = json_string_value(json_array_get(views, j));
        if (names[j] == NULL)
            return bad_entry(i, "a view's name is ill-typed", err);
    }
    return CA_OK;
}

static int index_entry(struct contract_bundle *b, size_t i, struct ca_error *err)
{
    const struct contract_bundle_entry *entry = &b->entries[i];
    if (!g_hash_table_insert(b->names, g_strdup_printf("%s.%s", entry->schema, entry->name), GSIZE_TO_POINTER(i + 1)))
        return bad_entry(i, "its name occurs twice", err);
    for (size_t j = 0; j < entry->n_views; j++) {
        if (!g_hash_table_insert(b->views, g_strdup_printf("%s.%s", entry->schema, entry->views[j]),
                                 GSIZE_TO_POINTER(i + 1)))
            return bad_entry(i, "the name of a view occurs twice", err);
    }
    return CA_OK;
}

int contract_bundle_parse(const char *json, size_t n_bytes, struct contract_bundle **ret, struct ca_error *err)
{
    if (n_bytes > CONTRACT_BUNDLE_MAX_BYTES)
        return ca_fail(err, CA_ERR_RESOURCES, "contract bundle: %zu bytes, CONTRACT_BUNDLE_MAX_BYTES is %zu", n_bytes,
                       CONTRACT_BUNDLE_MAX_BYTES);
    json_error_t why;
    json_t *root = json_loadb(json, n_bytes, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL)
        return ca_fail(err, CA_ERR_SYNTAX, "contract bundle:%d:%d: %s", why.line, why.column, why.text);

    CA_AUTOPTR(contract_bundle) b = g_new0(struct contract_bundle, 1);
    g_mutex_init(&b->lock);
    b->root = root;
    b->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    b->views = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const json_t *format = json_object_get(root, "format");
    const json_t *datasets = json_object_get(root, "datasets");
    if (!json_is_integer(format) || !json_is_array(datasets))
        return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: no format or no datasets");
    if (json_integer_value(format) != CONTRACT_BUNDLE_FORMAT)
        return ca_fail(err, CA_ERR_DRIFT, "contract bundle: format %lld, this program reads %d",
                       (long long)json_integer_value(format), CONTRACT_BUNDLE_FORMAT);
    size_t n = json_array_size(datasets);
    b->entries = g_new0(struct contract_bundle_entry, n + 1);
    b->contracts = g_new0(struct contract *, n + 1);
    for (size_t i = 0; i < n; i++) {
        b->n_entries = i + 1;
        CA_TRY(read_entry(json_array_get(datasets, i), i, &b->entries[i], err));
        CA_TRY(index_entry(b, i, err));
    }
    *ret = CA_STEAL(b);
    return CA_OK;
}

void contract_bundle_free(struct contract_bundle *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->n_entries; i++) {
        contract_free(b->contracts[i]);
        g_free((gpointer)b->entries[i].views);
    }
    g_free(b->contracts);
    g_free(b->entries);
    g_clear_pointer(&b->names, g_hash_table_destroy);
    g_clear_pointer(&b->views, g_hash_table_destroy);
    json_decref(b->root);
    g_mutex_clear(&b->lock);
    g_free(b);
}

size_t contract_bundle_n(const struct contract_bundle *b)
{
    return b->n_entries;
}

const struct contract_bundle_entry *contract_bundle_entry(const struct contract_bundle *b, size_t i)
{
    return i < b->n_entries ? &b->entries[i] : NULL;
}

static int64_t look_up(GHashTable *table, const char *schema, const char *name)
{
    g_autofree char *key = g_strdup_printf("%s.%s", schema, name);
    return (int64_t)GPOINTER_TO_SIZE(g_hash_table_lookup(table, key)) - 1;
}

int64_t contract_bundle_find(const struct contract_bundle *b, const char *schema, const char *name)
{
    return look_up(b->names, schema, name);
}

int64_t contract_bundle_find_view(const struct contract_bundle *b, const char *schema, const char *name)
{
    return look_up(b->views, schema, name);
}

int contract_bundle_contract(struct contract_bundle *b, size_t i, const struct contract **ret, struct ca_error *err)
{
    if (i >= b->n_entries)
        return ca_fail(err, CA_ERR_INVALID, "contract bundle: dataset %zu of %zu", i, b->n_entries);
    const struct contract_bundle_entry *entry = &b->entries[i];
    g_mutex_lock(&b->lock);
    int rc = CA_OK;
    if (b->contracts[i] == NULL) {
        g_autofree char *source = g_strdup_printf("%s/%s.yaml", contract_stage_name(entry->stage), entry->name);
        rc = contract_parse(entry->yaml, strlen(entry->yaml), source, entry->stage, &b->contracts[i], err);
    }
    g_mutex_unlock(&b->lock);
    if (rc != CA_OK)
        return rc;
    *ret = b->contracts[i];
    return CA_OK;
}
