/* contract/bundle_render.c — many contracts become one document (contract/bundle_layout.h). */
#include <glib.h>
#include <string.h>

#include "base/file.h"
#include "contract/bundle.h"
#include "contract/bundle_layout.h"
#include "contract/location.h"

static const char *schema_of(const struct contract_bundle_source *s)
{
    return s->at != NULL ? s->at->schema : contract_schema_name(s->contract);
}

static const char *name_of(const struct contract_bundle_source *s)
{
    return s->at != NULL ? s->at->name : s->contract->dataset;
}

static int compare_sources(const void *a, const void *b)
{
    const struct contract_bundle_source *x = a;
    const struct contract_bundle_source *y = b;
    int order = strcmp(schema_of(x), schema_of(y));
    return order != 0 ? order : strcmp(name_of(x), name_of(y));
}

/* Names of tables and views share one space a schema. */
static int claim(GHashTable *taken, const struct contract_bundle_source *source, const char *name, struct ca_error *err)
{
    char *key = g_strdup_printf("%s.%s", schema_of(source), name);
    const char *file = source->at != NULL ? source->at->file : source->contract->source;
    const char *other = g_hash_table_lookup(taken, key);
    if (other != NULL) {
        int rc = ca_fail(err, CA_ERR_CONTRACT, "'%s' is declared by '%s' and by '%s'", key, other, file);
        g_free(key);
        return rc;
    }
    g_hash_table_insert(taken, key, (gpointer)file);
    return CA_OK;
}

/* The document in parts. `places` are where strings stand in `strings`, so that each is written once. */
struct rendering {
    GArray *records; /* struct bundle_record */
    GArray *names;   /* struct bundle_name */
    GArray *views;   /* uint32_t */
    GByteArray *strings;
    GByteArray *texts;
    GHashTable *places;
};

static void rendering_init(struct rendering *r)
{
    r->records = g_array_new(FALSE, TRUE, sizeof(struct bundle_record));
    r->names = g_array_new(FALSE, TRUE, sizeof(struct bundle_name));
    r->views = g_array_new(FALSE, TRUE, sizeof(uint32_t));
    r->strings = g_byte_array_new();
    r->texts = g_byte_array_new();
    r->places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_byte_array_append(r->strings, (const guint8 *)"", 1); /* so that no string has place 0 */
}

static void rendering_done(struct rendering *r)
{
    g_array_unref(r->records);
    g_array_unref(r->names);
    g_array_unref(r->views);
    g_byte_array_unref(r->strings);
    g_byte_array_unref(r->texts);
    g_hash_table_unref(r->places);
}

/* Where `text` stands among the strings; what stands before them is added at the end. */
static uint32_t put_string(struct rendering *r, const char *text)
{
    gpointer place = g_hash_table_lookup(r->places, text);
    if (place == NULL) {
        place = GSIZE_TO_POINTER(r->strings->len);
        g_hash_table_insert(r->places, g_strdup(text), place);
        g_byte_array_append(r->strings, (const guint8 *)text, (guint)strlen(text) + 1);
    }
    return (uint32_t)GPOINTER_TO_SIZE(place);
}

static void put_name(struct rendering *r, const struct contract *c, const char *text, bool is_view)
{
    g_autofree char *key = g_strdup_printf("%s.%s", contract_schema_name(c), text);
    struct bundle_name name = {.key = put_string(r, key), .dataset = r->records->len, .is_view = is_view};
    g_array_append_val(r->names, name);
}

static void put_location(struct rendering *r, const struct contract_bundle_source *source)
{
    const struct contract_bundle_entry *e = source->at;
    size_t n_yaml_bytes = strlen(source->yaml);
    char digest[FINGERPRINT_HEX_SIZE];
    fingerprint_of(source->yaml, n_yaml_bytes, digest);
    struct bundle_record record = {
        .yaml = r->texts->len,
        .n_yaml_bytes = n_yaml_bytes,
        .version = e->version,
        .name = put_string(r, e->name),
        .schema = put_string(r, e->schema),
        .fingerprint = put_string(r, digest),
        .digest = put_string(r, digest),
        .storage = put_string(r, e->storage),
        .location = put_string(r, e->location),
        .file = put_string(r, e->file),
    };
    g_array_append_val(r->records, record);
    g_byte_array_append(r->texts, (const guint8 *)source->yaml, (guint)n_yaml_bytes + 1);
}

static void put_source(struct rendering *r, const struct contract_bundle_source *source)
{
    const struct contract *c = source->contract;
    const char *location = source->location != NULL ? source->location : c->storage.location;
    size_t n_yaml_bytes = strlen(source->yaml);
    char fingerprint[FINGERPRINT_HEX_SIZE];
    char digest[FINGERPRINT_HEX_SIZE];
    contract_fingerprint(c, fingerprint);
    fingerprint_of(source->yaml, n_yaml_bytes, digest);
    struct bundle_record record = {
        .yaml = r->texts->len,
        .n_yaml_bytes = n_yaml_bytes,
        .version = c->version,
        .name = put_string(r, c->dataset),
        .schema = put_string(r, contract_schema_name(c)),
        .fingerprint = put_string(r, fingerprint),
        .digest = put_string(r, digest),
        .storage = put_string(r, c->storage.format != NULL ? c->storage.format : ""),
        .sql = source->sql != NULL ? put_string(r, source->sql) : 0,
        .location = location != NULL ? put_string(r, location) : 0,
        .first_view = r->views->len,
        .n_views = (uint32_t)c->n_views,
        .stage = (uint32_t)c->stage,
        .kind = (uint32_t)c->kind,
    };
    put_name(r, c, c->dataset, /* is_view= */ false);
    for (size_t i = 0; i < c->n_views; i++) {
        uint32_t view = put_string(r, c->views[i].name);
        g_array_append_val(r->views, view);
        put_name(r, c, c->views[i].name, /* is_view= */ true);
    }
    g_array_append_val(r->records, record);
    g_byte_array_append(r->texts, (const guint8 *)source->yaml, (guint)n_yaml_bytes + 1);
}

static gint compare_keys(gconstpointer a, gconstpointer b, gpointer strings)
{
    const char *base = strings;
    return strcmp(base + ((const struct bundle_name *)a)->key, base + ((const struct bundle_name *)b)->key);
}

/* Places from the start of the document, now that it is known how much stands before strings and texts. */
static void move_places(struct rendering *r, uint32_t strings_at, uint64_t texts_at)
{
    for (guint i = 0; i < r->records->len; i++) {
        struct bundle_record *record = &g_array_index(r->records, struct bundle_record, i);
        uint32_t *const places[] = {&record->name,    &record->schema, &record->fingerprint, &record->digest,
                                    &record->storage, &record->sql,    &record->location,    &record->file};
        for (size_t j = 0; j < G_N_ELEMENTS(places); j++)
            *places[j] += *places[j] != 0 ? strings_at : 0;
        record->yaml += texts_at;
    }
    for (guint i = 0; i < r->names->len; i++)
        g_array_index(r->names, struct bundle_name, i).key += strings_at;
    for (guint i = 0; i < r->views->len; i++)
        g_array_index(r->views, uint32_t, i) += strings_at;
}

static void put_array(GByteArray *out, const GArray *array)
{
    g_byte_array_append(out, (const guint8 *)array->data, array->len * g_array_get_element_size((GArray *)array));
}

static int rendering_take(struct rendering *r, char **ret, size_t *ret_n_bytes, struct ca_error *err)
{
    g_array_sort_with_data(r->names, compare_keys, r->strings->data);
    size_t strings_at = sizeof(struct bundle_header) + r->records->len * sizeof(struct bundle_record) +
                        r->names->len * sizeof(struct bundle_name) + r->views->len * sizeof(uint32_t);
    size_t n_index_bytes = strings_at + r->strings->len;
    size_t n_bytes = n_index_bytes + r->texts->len;
    if (n_bytes > CONTRACT_BUNDLE_MAX_BYTES)
        return ca_fail(err, CA_ERR_RESOURCES, "the contracts need %zu bytes, CONTRACT_BUNDLE_MAX_BYTES is %zu", n_bytes,
                       CONTRACT_BUNDLE_MAX_BYTES);
    move_places(r, (uint32_t)strings_at, n_index_bytes);
    struct bundle_header header = {
        .format = CONTRACT_BUNDLE_FORMAT,
        .n_datasets = r->records->len,
        .n_names = r->names->len,
        .n_views = r->views->len,
        .n_bytes = n_bytes,
        .n_index_bytes = n_index_bytes,
    };
    memcpy(header.magic, BUNDLE_MAGIC, sizeof header.magic);
    GByteArray *out = g_byte_array_sized_new((guint)n_bytes);
    g_byte_array_append(out, (const guint8 *)&header, sizeof header);
    put_array(out, r->records);
    put_array(out, r->names);
    put_array(out, r->views);
    g_byte_array_append(out, r->strings->data, r->strings->len);
    g_byte_array_append(out, r->texts->data, r->texts->len);
    *ret_n_bytes = n_bytes;
    *ret = (char *)g_byte_array_free(out, FALSE);
    return CA_OK;
}

static int check_source(GHashTable *taken, const struct contract_bundle_source *source, struct ca_error *err)
{
    const struct contract *c = source->contract;
    CA_TRY(claim(taken, source, name_of(source), err));
    for (size_t i = 0; c != NULL && i < c->n_views; i++)
        CA_TRY(claim(taken, source, c->views[i].name, err));
    if (source->sql != NULL && !g_utf8_validate(source->sql, -1, NULL))
        return ca_fail(err, CA_ERR_SYNTAX, "the SQL of dataset '%s' is not UTF-8", c->dataset);
    return CA_OK;
}

int contract_bundle_render(const struct contract_bundle_source *sources, size_t n_sources, char **ret,
                           size_t *ret_n_bytes, struct ca_error *err)
{
    g_autofree struct contract_bundle_source *sorted = g_new(struct contract_bundle_source, n_sources + 1);
    if (n_sources > 0)
        memcpy(sorted, sources, n_sources * sizeof *sources);
    qsort(sorted, n_sources, sizeof *sorted, compare_sources);

    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    struct rendering r;
    rendering_init(&r);
    int rc = CA_OK;
    for (size_t i = 0; rc == CA_OK && i < n_sources; i++) {
        rc = check_source(taken, &sorted[i], err);
        if (rc == CA_OK && sorted[i].at != NULL)
            put_location(&r, &sorted[i]);
        else if (rc == CA_OK)
            put_source(&r, &sorted[i]);
    }
    if (rc == CA_OK)
        rc = rendering_take(&r, ret, ret_n_bytes, err);
    rendering_done(&r);
    return rc;
}

/* What files hold, with the texts that the sources point into. */
struct collection {
    GArray *sources; /* struct contract_bundle_source */
    GPtrArray *contracts;
    GPtrArray *locations; /* struct contract_location * */
    GPtrArray *entries;   /* struct contract_bundle_entry *, of the locations */
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

static bool is_absolute(const char *location)
{
    return g_path_is_absolute(location) || strstr(location, "://") != NULL;
}

/* Absolute, by the folder of the file that says it; *ret is kept with the texts. */
static int absolute(struct collection *into, const char *dir, const char *said, const char *source, const char **ret,
                    struct ca_error *err)
{
    g_autofree char *folder = g_canonicalize_filename(dir, NULL);
    char *location = g_build_filename(folder, said, NULL);
    g_ptr_array_add(into->texts, location);
    if (!g_utf8_validate(location, -1, NULL))
        return ca_fail(err, CA_ERR_CONTRACT, "%s: the location '%s' is relative to a folder whose name is not UTF-8",
                       source, said);
    *ret = location;
    return CA_OK;
}

/* Where the rows are of a contract that says it: relative to the folder of its file, which the text does not know. */
static int take_location(struct collection *into, const char *dir, struct contract_bundle_source *source,
                         struct ca_error *err)
{
    const struct contract *c = source->contract;
    const char *said = c->storage.location;
    if (said == NULL)
        return CA_OK;
    if (source->sql != NULL)
        return ca_fail(
            err, CA_ERR_CONTRACT,
            "%s: '%s' has SQL and storage.location '%s': a build writes its models into the store, leave the "
            "location out",
            c->source, c->dataset, said);
    if (is_absolute(said))
        return CA_OK;
    return absolute(into, dir, said, c->source, &source->location, err);
}

/* A location of a contract that may be anywhere. */
static int collect_location(struct collection *into, const char *dir, const char *name, struct ca_error *err)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    if (!g_str_has_suffix(name, ".yaml"))
        return ca_fail(err, CA_ERR_CONTRACT, "'%s' is no location (.yaml)", path);
    struct contract_location *l = NULL;
    CA_TRY(contract_location_load(path, &l, err));
    g_ptr_array_add(into->locations, l);
    struct contract_bundle_entry *e = g_new0(struct contract_bundle_entry, 1);
    g_ptr_array_add(into->entries, e);
    struct contract_bundle_source source = {.at = e};
    CA_TRY(read_text(into, path, &source.yaml, err));
    char *key = g_strdup_printf("%s%c%s", l->dataset, CONTRACT_LOCATION_MARK, l->name);
    char *file = g_strdup(name);
    g_ptr_array_add(into->texts, key);
    g_ptr_array_add(into->texts, file);
    e->name = key;
    e->file = file;
    e->schema = l->schema;
    e->version = l->contract_version;
    e->storage = l->storage.format;
    e->location = l->storage.location;
    if (!is_absolute(l->storage.location))
        CA_TRY(absolute(into, dir, l->storage.location, path, &e->location, err));
    g_array_append_val(into->sources, source);
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
    CA_TRY(take_location(into, dir, &source, err));
    g_array_append_val(into->sources, source);
    return CA_OK;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef int (*collect_fn)(struct collection *into, const char *dir, const char *name, struct ca_error *err);

/* Every file of a folder, in order of name. */
static int collect_folder(struct collection *into, const char *dir, const char *folder_name, collect_fn collect,
                          struct ca_error *err)
{
    g_autofree char *path = g_build_filename(dir, folder_name, NULL);
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
        CA_TRY(collect(into, path, names->pdata[i], err));
    return CA_OK;
}

static void free_contract(gpointer c)
{
    contract_free(c);
}

static void free_location(gpointer l)
{
    contract_location_free(l);
}

static bool is_ours(const char *name)
{
    return name[0] != '.' && (g_str_has_suffix(name, ".yaml") || g_str_has_suffix(name, ".sql"));
}

static bool has_ours(const char *folder)
{
    GDir *open = g_dir_open(folder, 0, NULL);
    const char *name = NULL;
    while (open != NULL && (name = g_dir_read_name(open)) != NULL && !is_ours(name))
        continue;
    if (open != NULL)
        g_dir_close(open);
    return name != NULL;
}

/* A contract that lies beside the stages, or in a folder whose name is misspelled, would be left out without a word. */
static int refuse_unread(struct collection *into, const char *dir, const char *name, struct ca_error *err)
{
    (void)into;
    g_autofree char *path = g_build_filename(dir, name, NULL);
    enum contract_stage stage = CONTRACT_EXTRACT;
    bool is_folder = g_file_test(path, G_FILE_TEST_IS_DIR);
    bool is_known = contract_stage_from_name(name, &stage) || strcmp(name, CONTRACT_LOCATIONS_FOLDER) == 0;
    if (is_folder ? is_known || !has_ours(path) : !is_ours(name))
        return CA_OK;
    return ca_fail(err, CA_ERR_CONTRACT,
                   "'%s' is in no folder of a stage: contracts and models lie in extract, normalize, relate, graph, "
                   "registry, diagnostics or params, and locations in " CONTRACT_LOCATIONS_FOLDER,
                   path);
}

static int collect_dir(struct collection *into, const char *dir, struct ca_error *err)
{
    CA_TRY(collect_folder(into, dir, "", refuse_unread, err));
    for (int stage = CONTRACT_EXTRACT; stage <= CONTRACT_STAGE_PARAMS; stage++)
        CA_TRY(collect_folder(into, dir, contract_stage_name((enum contract_stage)stage), collect_file, err));
    return collect_folder(into, dir, CONTRACT_LOCATIONS_FOLDER, collect_location, err);
}

/* One file says by its folder what it is. */
static int collect_path(struct collection *into, const char *path, struct ca_error *err)
{
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        return collect_dir(into, path, err);
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return ca_fail(err, CA_ERR_NOT_FOUND, "there is no file or folder '%s'", path);
    if (!g_str_has_suffix(path, ".yaml"))
        return ca_fail(err, CA_ERR_CONTRACT, "'%s' is no contract: name STAGE/NAME.yaml or a folder of stages", path);
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *whole = g_canonicalize_filename(dir, NULL);
    g_autofree char *folder = g_path_get_basename(whole);
    g_autofree char *name = g_path_get_basename(path);
    return strcmp(folder, CONTRACT_LOCATIONS_FOLDER) == 0 ? collect_location(into, dir, name, err)
                                                          : collect_file(into, dir, name, err);
}

int contract_bundle_render_paths(const char *const *paths, size_t n_paths, char **ret, size_t *ret_n_bytes,
                                 struct ca_error *err)
{
    struct collection all = {
        .sources = g_array_new(FALSE, FALSE, sizeof(struct contract_bundle_source)),
        .contracts = g_ptr_array_new_with_free_func(free_contract),
        .locations = g_ptr_array_new_with_free_func(free_location),
        .entries = g_ptr_array_new_with_free_func(g_free),
        .texts = g_ptr_array_new_with_free_func(free),
    };
    int rc = CA_OK;
    for (size_t i = 0; i < n_paths && rc == CA_OK; i++)
        rc = collect_path(&all, paths[i], err);
    if (rc == CA_OK)
        rc = contract_bundle_render((const struct contract_bundle_source *)(void *)all.sources->data, all.sources->len,
                                    ret, ret_n_bytes, err);
    g_array_free(all.sources, TRUE);
    g_ptr_array_free(all.contracts, TRUE);
    g_ptr_array_free(all.locations, TRUE);
    g_ptr_array_free(all.entries, TRUE);
    g_ptr_array_free(all.texts, TRUE);
    return rc;
}
