/* publish/store.c — the directory behind publish/store.h. */
#include "publish/store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "publish/manifest.h"

static const char format_prefix[] = "codeanatomy store ";

enum {
    SMALL_FILE_MAX_BYTES = 4096,
    MANIFEST_MAX_BYTES = 64 << 20,
    RUN_ID_MAX_BYTES = 63,
    INFERRED_FILE_MAX_BYTES = 200, /* what file systems take, with room for the name of a temporary file */
};

struct store {
    char *path;
    int lock_fd;
};

static char *store_file(const struct store *s, const char *name)
{
    return g_build_filename(s->path, name, NULL);
}

static int store_new(const char *path, struct store **ret, struct ca_error *err)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    if (!g_utf8_validate(absolute, -1, NULL))
        return ca_fail(err, CA_ERR_INVALID,
                       "store '%s': the path is not UTF-8, which Delta needs: choose another with --store", path);
    struct store *s = g_new0(struct store, 1);
    s->path = g_steal_pointer(&absolute);
    s->lock_fd = -1;
    *ret = s;
    return CA_OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    g_free(s->path);
    g_free(s);
}

const char *store_path(const struct store *s)
{
    return s->path;
}

char *store_table_location(const struct store *s, const char *schema, const char *dataset, const char *folder)
{
    return g_build_filename(s->path, "tables", schema, dataset, folder, NULL);
}

char *store_tmp_path(const struct store *s)
{
    return store_file(s, "tmp");
}

char *store_snapshot_path(const struct store *s, const char *fingerprint)
{
    g_autofree char *name = g_strconcat(fingerprint, ".bundle", NULL);
    return g_build_filename(s->path, "catalog", name, NULL);
}

/* The number in FORMAT; 0 when the file is not there. */
static int store_format(const struct store *s, int *ret, struct ca_error *err)
{
    g_autofree char *file = store_file(s, "FORMAT");
    g_autofree char *text = NULL;
    size_t n_bytes = 0;
    bool is_there = false;
    *ret = 0;
    CA_TRY(file_exists(file, &is_there, err));
    if (!is_there)
        return CA_OK;
    CA_TRY(file_read_bounded(file, SMALL_FILE_MAX_BYTES, &text, &n_bytes, err));
    guint64 format = 0;
    g_strchomp(text);
    if (!g_str_has_prefix(text, format_prefix) ||
        !g_ascii_string_to_unsigned(text + strlen(format_prefix), 10, 1, 1 << 20, &format, NULL))
        return ca_fail(err, CA_ERR_DRIFT, "'%s' is not the format file of a codeanatomy store", file);
    *ret = (int)format;
    return CA_OK;
}

static int store_refuse_newer(const struct store *s, int format, struct ca_error *err)
{
    if (format > STORE_FORMAT)
        return ca_fail(
            err, CA_ERR_DRIFT,
            "store '%s' has format %d, this program reads %d: use the program that wrote it, or another --store",
            s->path, format, STORE_FORMAT);
    return CA_OK;
}

int store_open_read(const char *path, struct store **ret, struct ca_error *err)
{
    struct store *s = NULL;
    CA_TRY(store_new(path, &s, err));
    int format = 0;
    int rc = store_format(s, &format, err);
    if (rc == CA_OK && format == 0)
        rc = ca_fail(err, CA_ERR_NOT_FOUND, "no store at '%s': run 'codeanatomy build' first", s->path);
    if (rc == CA_OK)
        rc = store_refuse_newer(s, format, err);
    if (rc == CA_OK && format < STORE_FORMAT)
        rc = ca_fail(err, CA_ERR_DRIFT, "store '%s' has the older format %d: run 'codeanatomy build' to rebuild it",
                     s->path, format);
    if (rc != CA_OK) {
        store_close(s);
        return rc;
    }
    *ret = s;
    return CA_OK;
}

/* flock is the lock; the text in the file only tells a human who holds it. */
static int store_lock(struct store *s, struct ca_error *err)
{
    g_autofree char *file = store_file(s, "lock");
    s->lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock_fd < 0)
        return ca_fail_errno(err, CA_ERR_IO, errno, "open '%s'", file);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return ca_fail_errno(err, CA_ERR_IO, errno, "lock '%s'", file);
        char holder[32] = "";
        ssize_t n = pread(s->lock_fd, holder, sizeof holder - 1, 0);
        holder[n > 0 ? n : 0] = '\0';
        g_strchomp(holder);
        return ca_fail(err, CA_ERR_CONFLICT,
                       "another process writes to '%s' (process %s): wait for it, or use another --store", s->path,
                       holder[0] ? holder : "unknown");
    }
    g_autofree char *pid = g_strdup_printf("%ld\n", (long)getpid());
    size_t n_pid = strlen(pid);
    if (ftruncate(s->lock_fd, 0) != 0 || pwrite(s->lock_fd, pid, n_pid, 0) != (ssize_t)n_pid)
        return ca_fail_errno(err, CA_ERR_IO, errno, "write '%s'", file);
    return CA_OK;
}

static int store_empty(struct store *s, struct ca_error *err)
{
    static const char *const parts[] = {"published", "runs", "tables", "catalog"};
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *part = store_file(s, parts[i]);
        CA_TRY(file_remove_tree(part, err));
    }
    return CA_OK;
}

/* A build removes what it does not know in a store, so a directory with something else in it is never made one. What
 * may be there is what a build leaves that died before it wrote FORMAT. */
static int store_refuse_foreign(const struct store *s, struct ca_error *err)
{
    int format = 0;
    g_autofree char *found = NULL;
    CA_TRY(store_format(s, &format, err));
    g_autoptr(GDir) dir = format == 0 ? g_dir_open(s->path, 0, NULL) : NULL;
    const char *name = NULL;
    while (!found && dir && (name = g_dir_read_name(dir)))
        if (strcmp(name, "lock") != 0 && !g_str_has_prefix(name, "FORMAT.tmp."))
            found = g_strdup(name);
    if (!found)
        return CA_OK;
    CA_TRY(store_format(s, &format, err)); /* another build may have made the store in between */
    if (format != 0)
        return CA_OK;
    g_autofree char *shown = g_utf8_make_valid(found, -1);
    return ca_fail(err, CA_ERR_REFUSED,
                   "'%s' is not empty and no codeanatomy store (it holds '%s'): choose an empty or a new directory",
                   s->path, shown);
}

static int store_prepare(struct store *s, struct ca_error *err)
{
    CA_TRY(file_make_dirs(s->path, err));
    CA_TRY(store_refuse_foreign(s, err));
    CA_TRY(store_lock(s, err));
    int format = 0;
    CA_TRY(store_format(s, &format, err));
    CA_TRY(store_refuse_newer(s, format, err));
    if (format != 0 && format < STORE_FORMAT)
        CA_TRY_CTX(store_empty(s, err), err, "empty the store of the older format %d", format);
    if (format != STORE_FORMAT) {
        g_autofree char *file = store_file(s, "FORMAT");
        g_autofree char *text = g_strdup_printf("%s%d\n", format_prefix, STORE_FORMAT);
        CA_TRY(file_write_atomic(file, text, strlen(text), err));
        g_autofree char *ignore = store_file(s, ".gitignore");
        CA_TRY(file_write_atomic(ignore, "*\n", 2, err));
    }
    static const char *const folders[] = {"tables", "runs", "catalog", "tmp"};
    g_autofree char *tmp = store_tmp_path(s);
    CA_TRY(file_remove_tree(tmp, err));
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *folder = store_file(s, folders[i]);
        CA_TRY(file_make_dirs(folder, err));
    }
    return CA_OK;
}

int store_open_write(const char *path, struct store **ret, struct ca_error *err)
{
    struct store *s = NULL;
    CA_TRY(store_new(path, &s, err));
    int rc = store_prepare(s, err);
    if (rc != CA_OK) {
        store_close(s);
        return ca_fail_context(err, rc, "open store '%s' for writing", path);
    }
    *ret = s;
    return CA_OK;
}

int store_open_update(const char *path, struct store **ret, struct ca_error *err)
{
    struct store *s = NULL;
    CA_TRY(store_open_read(path, &s, err));
    int rc = store_lock(s, err);
    if (rc == CA_OK) {
        *ret = s;
        return CA_OK;
    }
    rc = ca_fail_context(err, rc, "open store '%s' for writing", store_path(s));
    store_close(s);
    return rc;
}

/* Run ids become file names, so they are letters, digits, '-' and '_' alone. */
static bool is_run_id(const char *text)
{
    size_t n = strlen(text);
    size_t n_good = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    return n > 0 && n <= RUN_ID_MAX_BYTES && n_good == n;
}

static int run_id_check(const char *run_id, struct ca_error *err)
{
    return is_run_id(run_id) ? CA_OK : ca_fail(err, CA_ERR_INVALID, "'%s' is not a run id", run_id);
}

/* The ids of the runs, as an error names them. */
static char *runs_text(const struct store *s)
{
    g_auto(GStrv) names = store_runs(s);
    return names[0] ? g_strjoinv(", ", names) : g_strdup("none");
}

int store_published(const struct store *s, char **ret_run_id, struct ca_error *err)
{
    g_autofree char *file = store_file(s, "published");
    bool is_there = false;
    *ret_run_id = NULL;
    CA_TRY(file_exists(file, &is_there, err));
    if (!is_there)
        return CA_OK;
    g_autofree char *text = NULL;
    size_t n_bytes = 0;
    CA_TRY(file_read_bounded(file, SMALL_FILE_MAX_BYTES, &text, &n_bytes, err));
    g_strchomp(text);
    if (!is_run_id(text)) {
        g_autofree char *shown = g_utf8_make_valid(text, -1);
        g_autofree char *runs = runs_text(s);
        return ca_fail(err, CA_ERR_IO, "'%s' holds '%s', which is not a run id: write one into it, there is: %s", file,
                       shown, runs);
    }
    *ret_run_id = g_steal_pointer(&text);
    return CA_OK;
}

static char *store_manifest_path(const struct store *s, const char *run_id)
{
    g_autofree char *name = g_strconcat(run_id, ".json", NULL);
    return g_build_filename(s->path, "runs", name, NULL);
}

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **store_runs(const struct store *s)
{
    g_autofree char *folder = store_file(s, "runs");
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    GPtrArray *names = g_ptr_array_new();
    const char *name = NULL;
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, ".json"))
            g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(".json")));
    g_ptr_array_sort(names, by_text);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

int store_manifest_read(const struct store *s, const char *run_id, char **ret_json, struct ca_error *err)
{
    CA_TRY(run_id_check(run_id, err));
    g_autofree char *file = store_manifest_path(s, run_id);
    bool is_there = false;
    CA_TRY(file_exists(file, &is_there, err));
    if (!is_there) {
        g_autofree char *runs = runs_text(s);
        return ca_fail(err, CA_ERR_NOT_FOUND, "no run '%s' in store '%s'; there is: %s", run_id, s->path, runs);
    }
    size_t n_bytes = 0;
    return file_read_bounded(file, MANIFEST_MAX_BYTES, ret_json, &n_bytes, err);
}

int store_publish(struct store *s, const char *run_id, const char *manifest_json, struct ca_error *err)
{
    if (s->lock_fd < 0)
        return ca_bug(err, "publishing to a store that is open for reading");
    CA_TRY(run_id_check(run_id, err));
    g_autofree char *manifest = store_manifest_path(s, run_id);
    CA_TRY_CTX(file_write_atomic(manifest, manifest_json, strlen(manifest_json), err), err,
               "write the manifest of run '%s'", run_id);
    g_autofree char *pointer = store_file(s, "published");
    g_autofree char *text = g_strconcat(run_id, "\n", NULL);
    CA_TRY_CTX(file_write_atomic(pointer, text, strlen(text), err), err, "publish run '%s'", run_id);
    return CA_OK;
}

/* ---- findings --------------------------------------------------------------------------------------------------- */

static char *store_findings_path(const struct store *s, const char *run_id)
{
    g_autofree char *name = g_strconcat(run_id, ".json", NULL);
    return g_build_filename(s->path, "proofs", name, NULL);
}

int store_findings_read(const struct store *s, const char *run_id, json_t **ret, struct ca_error *err)
{
    bool is_there = false;
    *ret = NULL;
    g_autofree char *file = store_findings_path(s, run_id);
    CA_TRY(file_exists(file, &is_there, err));
    if (!is_there)
        return CA_OK;
    g_autofree char *text = NULL;
    size_t n_bytes = 0;
    CA_TRY(file_read_bounded(file, MANIFEST_MAX_BYTES, &text, &n_bytes, err));
    json_error_t where;
    json_t *findings = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_array(findings)) {
        json_decref(findings);
        return ca_fail(err, CA_ERR_DRIFT, "'%s' holds no findings: remove it, and run 'codeanatomy verify' again",
                       file);
    }
    *ret = findings;
    return CA_OK;
}

int store_findings_write(const struct store *s, const char *run_id, const json_t *findings, struct ca_error *err)
{
    CA_TRY(run_id_check(run_id, err));
    g_autofree char *file = store_findings_path(s, run_id);
    if (!findings)
        return file_remove_tree(file, err);
    g_autofree char *folder = store_file(s, "proofs");
    if (g_mkdir(folder, 0777) != 0 && errno != EEXIST)
        return ca_fail_errno(err, CA_ERR_IO, errno, "make '%s'", folder);
    char *text = json_dumps(findings, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    if (!text)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for the findings of run '%s'", run_id);
    int rc = file_write_atomic(file, text, strlen(text), err);
    free(text);
    return rc;
}

/* Names in a directory, in any order; empty when there is none. */
static GPtrArray *names_in(const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;
    while (dir && (name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    return names;
}

/* ---- inferred columns ------------------------------------------------------------------------------------------- */

static const char inferred_suffix[] = ".yaml";

void store_inferred_free(void *data)
{
    struct store_inferred *k = data;
    g_free(k->name);
    g_free(k->file);
    free(k->text);
    g_free(k);
}

static int store_inferred_path(const struct store *s, const char *name, char **ret, struct ca_error *err)
{
    g_autofree char *escaped = g_uri_escape_string(name, /* reserved_chars_allowed= */ NULL, /* allow_utf8= */ FALSE);
    g_autofree char *file = g_strconcat(escaped, inferred_suffix, NULL);
    if (strlen(file) > INFERRED_FILE_MAX_BYTES)
        return ca_fail(err, CA_ERR_INVALID, "table '%s': the name is too long to keep its columns under: shorten it",
                       name);
    *ret = g_build_filename(s->path, "inferred", file, NULL);
    return CA_OK;
}

static int add_inferred(const struct store *s, const char *name, GPtrArray *ret, struct ca_error *err)
{
    g_autofree char *file = NULL;
    size_t n_bytes = 0;
    CA_TRY(store_inferred_path(s, name, &file, err));
    struct store_inferred *k = g_new0(struct store_inferred, 1);
    k->name = g_strdup(name);
    k->file = g_steal_pointer(&file);
    int rc = file_read_bounded(k->file, MANIFEST_MAX_BYTES, &k->text, &n_bytes, &k->failure);
    if (rc == CA_ERR_NOT_FOUND)
        store_inferred_free(k);
    else
        g_ptr_array_add(ret, k);
    return CA_OK;
}

static gint by_inferred_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const struct store_inferred *const *)a)->name, (*(const struct store_inferred *const *)b)->name);
}

int store_inferred_read(const struct store *s, const char *name, GPtrArray *ret, struct ca_error *err)
{
    if (name)
        return add_inferred(s, name, ret, err);
    g_autofree char *folder = store_file(s, "inferred");
    g_autoptr(GPtrArray) files = names_in(folder);
    for (guint i = 0; i < files->len; i++) {
        g_autofree char *escaped = g_strdup(files->pdata[i]);
        if (!g_str_has_suffix(escaped, inferred_suffix))
            continue;
        escaped[strlen(escaped) - strlen(inferred_suffix)] = '\0';
        g_autofree char *known = g_uri_unescape_string(escaped, NULL);
        if (known)
            CA_TRY(add_inferred(s, known, ret, err));
    }
    g_ptr_array_sort(ret, by_inferred_name);
    return CA_OK;
}

int store_inferred_write(struct store *s, const char *name, const char *text, struct ca_error *err)
{
    if (s->lock_fd < 0)
        return ca_bug(err, "keeping columns in a store that is open for reading");
    g_autofree char *file = NULL;
    CA_TRY(store_inferred_path(s, name, &file, err));
    if (!text)
        return file_remove_tree(file, err);
    g_autofree char *folder = store_file(s, "inferred");
    CA_TRY(file_make_dirs(folder, err));
    return file_write_atomic(file, text, strlen(text), err);
}

/* ---- pruning ---------------------------------------------------------------------------------------------------- */

/* Tables and snapshot that a run's manifest names, as absolute paths added to `keep`. */
static int keep_paths(const struct store *s, const char *run_id, GHashTable *keep, struct ca_error *err)
{
    g_autofree char *json = NULL;
    CA_TRY(store_manifest_read(s, run_id, &json, err));
    struct manifest m = {0};
    CA_TRY_CTX(manifest_parse(&m, json, err), err, "read the manifest of run '%s'", run_id);
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(m.root, "datasets"), i, entry)
    {
        const char *location = json_string_value(json_object_get(entry, "location"));
        if (location)
            g_hash_table_add(keep, g_build_filename(s->path, location, NULL));
    }
    const char *fingerprint = json_string_value(json_object_get(m.root, "catalog_fingerprint"));
    if (fingerprint)
        g_hash_table_add(keep, store_snapshot_path(s, fingerprint));
    manifest_done(&m);
    return CA_OK;
}

/* What a writer that was killed had not named yet. */
static int prune_unfinished(const struct store *s, const char *folder, struct ca_error *err)
{
    g_autofree char *path = store_file(s, folder);
    g_autoptr(GPtrArray) names = names_in(path);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *file = g_build_filename(path, names->pdata[i], NULL);
        if (file_is_unfinished(file))
            CA_TRY(file_remove_tree(file, err));
    }
    return CA_OK;
}

static int prune_tables(const struct store *s, GHashTable *keep, struct ca_error *err)
{
    g_autofree char *tables = store_file(s, "tables");
    g_autoptr(GPtrArray) schemas = names_in(tables);
    for (guint i = 0; i < schemas->len; i++) {
        g_autofree char *schema = g_build_filename(tables, schemas->pdata[i], NULL);
        g_autoptr(GPtrArray) datasets = names_in(schema);
        for (guint j = 0; j < datasets->len; j++) {
            g_autofree char *dataset = g_build_filename(schema, datasets->pdata[j], NULL);
            g_autoptr(GPtrArray) locations = names_in(dataset);
            for (guint k = 0; k < locations->len; k++) {
                g_autofree char *location = g_build_filename(dataset, locations->pdata[k], NULL);
                if (!g_hash_table_contains(keep, location))
                    CA_TRY(file_remove_tree(location, err));
            }
            (void)rmdir(dataset); /* stays when not empty */
        }
    }
    return CA_OK;
}

/* Remove the entries of a folder of the store that `keep` does not hold. */
static int prune_folder(const struct store *s, const char *folder, GHashTable *keep, struct ca_error *err)
{
    g_autofree char *path = store_file(s, folder);
    g_autoptr(GPtrArray) names = names_in(path);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *file = g_build_filename(path, names->pdata[i], NULL);
        if (!g_hash_table_contains(keep, file))
            CA_TRY(file_remove_tree(file, err));
    }
    return CA_OK;
}

int store_prune(struct store *s, const char *const *keep, struct ca_error *err)
{
    if (s->lock_fd < 0)
        return ca_bug(err, "pruning a store that is open for reading");
    g_autoptr(GHashTable) paths = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (size_t i = 0; keep[i]; i++) {
        CA_TRY(keep_paths(s, keep[i], paths, err));
        g_hash_table_add(paths, store_manifest_path(s, keep[i]));
        g_hash_table_add(paths, store_findings_path(s, keep[i]));
    }
    CA_TRY(prune_folder(s, "runs", paths, err));
    CA_TRY(prune_tables(s, paths, err));
    CA_TRY(prune_folder(s, "catalog", paths, err));
    CA_TRY(prune_folder(s, "proofs", paths, err));
    CA_TRY(prune_unfinished(s, "inferred", err));
    return prune_unfinished(s, ".", err);
}
