/* session/session.c — a session over one published run. Building is in session/build.c. */
#include "codeanatomy/codeanatomy.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "catalog/catalog.h"
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "publish/manifest.h"
#include "publish/run.h"
#include "publish/store.h"
#include "session/inferred.h"
#include "session/options.h"
#include "session/pins.h"
#include "session/session.h"

/* Pin every dataset of the manifest. The snapshot and the manifest were written by one build, so a difference is drift.
 */
static int session_pin(ca_session *s, struct ca_error *err)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(s->manifest.root, "datasets"), i, entry)
    {
        struct manifest_dataset d;
        struct catalog_entry known;
        if (!manifest_dataset_of(entry, &d))
            return ca_fail(err, CA_ERR_DRIFT, "entry %zu of the manifest of run '%s' is incomplete", i,
                           manifest_run_id(&s->manifest));
        if (!catalog_find(s->catalog, d.schema, d.name, &known) ||
            g_strcmp0(known.fingerprint, d.contract_fingerprint) != 0)
            return ca_fail(err, CA_ERR_DRIFT,
                           "run '%s' holds '%s.%s' under another contract than its snapshot: build again",
                           manifest_run_id(&s->manifest), d.schema, d.name);
        g_autofree char *location = g_build_filename(store_path(s->store), d.location, NULL);
        struct catalog_pin pin = {.location = location, .version = d.data_version, .n_rows = d.n_rows};
        pin.proof = manifest_proof(&d);
        CA_TRY(catalog_pin(s->catalog, d.schema, d.name, &pin, err));
        CA_TRY(catalog_set_plan(s->catalog, d.schema, d.name, d.plan_fingerprint, d.reads, err));
    }
    return CA_OK;
}

/* What verify found of the run's rows since it was published. */
static int session_take_findings(ca_session *s, struct ca_error *err)
{
    json_t *findings = NULL;
    CA_TRY(store_findings_read(s->store, manifest_run_id(&s->manifest), &findings, err));
    size_t i;
    const json_t *of_dataset;
    int rc = CA_OK;
    json_array_foreach(findings, i, of_dataset)
    {
        rc = catalog_findings_put(s->catalog, of_dataset, err);
        if (rc != CA_OK)
            break;
    }
    json_decref(findings);
    return rc;
}

/* The manifest of the run to read (NULL: the published one); root stays NULL when nothing is published. */
static int session_read_manifest(ca_session *s, const char *run, struct ca_error *err)
{
    g_autofree char *published = NULL;
    if (!run)
        CA_TRY(store_published(s->store, &published, err));
    if (!run && !published)
        return CA_OK;
    return run_read(s->store, run ? run : published, &s->manifest, err);
}

/* The contracts that the run was built from, mapped: each is read, and its digest compared, when it is wanted. */
static int session_map_snapshot(const char *file, GBytes **ret, struct ca_error *err)
{
    /* O_NONBLOCK: opening a FIFO must not hang; it means nothing for regular files. */
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ca_fail_errno(err, errno == ENOENT ? CA_ERR_NOT_FOUND : CA_ERR_IO, errno, "cannot open '%s'", file);
    g_autoptr(GError) why = NULL;
    struct stat st;
    bool is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    GMappedFile *mapped = is_file ? g_mapped_file_new_from_fd(fd, /* writable= */ FALSE, &why) : NULL;
    close(fd);
    if (!mapped)
        return ca_fail(err, CA_ERR_IO, "cannot map '%s': %s", file, why ? why->message : "not a regular file");
    *ret = g_mapped_file_get_bytes(mapped);
    g_mapped_file_unref(mapped);
    return CA_OK;
}

enum { PLACE_N_DIGITS = 16 };

/* Where the first rows of a statement go; a build's tables have folders of its run. */
static int session_place(void *data, const struct contract *contract, char **ret, struct ca_error *err)
{
    char fingerprint[FINGERPRINT_HEX_SIZE];
    CA_TRY(contract_schema_fingerprint(contract, fingerprint, err));
    fingerprint[PLACE_N_DIGITS] = '\0';
    *ret = store_table_location(data, contract_schema_name(contract), contract->dataset, fingerprint);
    return CA_OK;
}

struct catalog_options session_catalog_options(const ca_session *s)
{
    size_t n_functions = 0;
    struct catalog_options c = {
        .datasets_dir = s->datasets_dir,
        .engine = session_settings_engine(&s->settings),
        .loads_folder = true,
        .functions = kernel_functions(&n_functions),
        .place = s->manifest.root && !s->is_read_only ? session_place : NULL,
        .place_data = s->store,
        .keeper = s->store ? session_keeper : NULL,
        .keeper_data = s->store,
    };
    c.n_functions = n_functions;
    c.engine.is_read_only = s->is_read_only;
    return c;
}

/* Those that the session had registered before it looked for a newer run. */
static int session_register_again(ca_session *s, const struct catalog_options *c, struct ca_error *err)
{
    for (guint i = 0; i < s->registered->len; i++) {
        char **paths = s->registered->pdata[i];
        CA_TRY_CTX(catalog_register(s->catalog, c, (const char *const *)paths, g_strv_length(paths), /* added= */ NULL,
                                    NULL, err),
                   err, "register '%s' again", paths[0]);
    }
    return CA_OK;
}

static int session_open_run(ca_session *s, const char *run, struct ca_error *err)
{
    g_autoptr(GBytes) snapshot = NULL;
    g_autofree char *snapshot_path = NULL;
    if (s->store)
        CA_TRY(session_read_manifest(s, run, err));
    const char *fingerprint = json_string_value(json_object_get(s->manifest.root, "catalog_fingerprint"));
    if (s->manifest.root && !fingerprint)
        return ca_fail(err, CA_ERR_DRIFT,
                       "the manifest of run '%s' does not say what contracts it was built from: build again",
                       manifest_run_id(&s->manifest));
    if (fingerprint) {
        snapshot_path = store_snapshot_path(s->store, fingerprint);
        CA_TRY_CTX(session_map_snapshot(snapshot_path, &snapshot, err), err, "read the contracts of run '%s'",
                   manifest_run_id(&s->manifest));
    }
    struct catalog_options c = session_catalog_options(s);
    c.snapshot = snapshot;
    c.snapshot_path = snapshot_path;
    c.snapshot_fingerprint = fingerprint;
    CA_TRY(catalog_open(&c, &s->catalog, err));
    CA_TRY(session_register_again(s, &c, err));
    if (s->manifest.root) {
        CA_TRY(session_pin(s, err));
        CA_TRY(session_take_findings(s, err));
    }
    for (size_t i = 0; s->locations[i]; i++)
        CA_TRY_CTX(session_use_location(s->catalog, s->locations[i], err), err, "location '%s'", s->locations[i]);
    for (size_t i = 0; s->pins[i]; i++)
        CA_TRY_CTX(session_pin_dataset(s->catalog, s->store, s->pins[i], err), err, "pin '%s'", s->pins[i]);
    return session_keep_inferred(s, err); /* of the tables of a folder */
}

/* What the options, the project file and the user's file say about the engine. */
static int session_take_settings(ca_session *s, const struct ca_session_options *o, struct ca_error *err)
{
    const struct session_said said = {
        .profile = o->profile,
        .preset = o->preset,
        .settings = o->settings,
        .n_settings = o->n_settings,
        .environment = o->environment,
        .n_environment = o->n_environment,
    };
    struct repo_project project = {0};
    struct repo_project user = {0};
    int rc = o->repository ? repo_project_load(o->repository, &project, err) : CA_OK;
    if (rc == CA_OK && o->user_file)
        rc = repo_user_file_load(o->user_file, &user, err);
    if (rc == CA_OK)
        rc = session_settings_init(&s->settings, &said, &project, &user, err);
    repo_project_done(&project);
    repo_project_done(&user);
    return rc;
}

static int check_list(const char *const *texts, size_t n, const char *list, const char *one, struct ca_error *err)
{
    CA_TRY(session_need(n == 0 || texts != NULL, list, err));
    for (size_t i = 0; i < n; i++)
        CA_TRY(session_need(texts[i] != NULL, one, err));
    return CA_OK;
}

static char **copy_texts(const char *const *texts, size_t n)
{
    char **copy = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = g_strdup(texts[i]);
    return copy;
}

static int check_options(const struct ca_session_options *o, struct ca_error *err)
{
    CA_TRY(check_list(o->settings, o->n_settings, "the list of settings", "a setting", err));
    CA_TRY(check_list(o->environment, o->n_environment, "the environment", "a variable", err));
    CA_TRY(check_list(o->pins, o->n_pins, "the list of pins", "a pin", err));
    CA_TRY(check_list(o->locations, o->n_locations, "the list of locations", "a location", err));
    if (o->run && !o->store)
        return ca_fail(err, CA_ERR_INVALID, "run '%s' needs a store", o->run);
    if (o->as_of && !o->store)
        return ca_fail(err, CA_ERR_INVALID, "'%s', the time to read, needs a store", o->as_of);
    if (o->run && o->as_of)
        return ca_fail(err, CA_ERR_INVALID, "run '%s' and the time '%s' are two answers to what is read: leave one out",
                       o->run, o->as_of);
    if (!o->read_only && (o->run || o->as_of || o->n_pins > 0))
        return ca_fail(err, CA_ERR_REFUSED,
                       "a session that writes reads the newest run: leave out the %s, or open it read-only",
                       o->run     ? "run"
                       : o->as_of ? "time"
                                  : "pin");
    return CA_OK;
}

/* A session that may write is the store's one writer. */
static int session_open_store(ca_session *s, const struct ca_session_options *o, struct ca_error *err)
{
    if (!o->store)
        return session_open_run(s, NULL, err);
    CA_TRY(s->is_read_only ? store_open_read(o->store, &s->store, err) : store_open_update(o->store, &s->store, err));
    g_autofree char *run = g_strdup(o->run);
    if (o->as_of)
        CA_TRY(run_at(s->store, o->as_of, &run, err));
    return session_open_run(s, run, err);
}

int ca_session_open(const struct ca_session_options *options, ca_session **ret, struct ca_error *err)
{
    CA_TRY(session_need(ret != NULL, "the result", err));
    struct ca_session_options o;
    CA_TRY(session_options_take(&o, sizeof o, options, options ? options->size : 0, err));
    CA_TRY(check_options(&o, err));
    ca_session *s = g_new0(ca_session, 1);
    s->is_pinned_run = o.run != NULL || o.as_of != NULL;
    s->is_read_only = o.read_only != 0;
    s->datasets_dir = g_strdup(o.datasets);
    s->pins = copy_texts(o.pins, o.n_pins);
    s->locations = copy_texts(o.locations, o.n_locations);
    s->registered = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    int rc = session_take_settings(s, &o, err);
    if (rc == CA_OK)
        rc = session_open_store(s, &o, err);
    if (rc != CA_OK) {
        ca_session_close(s);
        return rc;
    }
    *ret = s;
    return CA_OK;
}

void ca_session_close(ca_session *s)
{
    if (!s)
        return;
    catalog_close(s->catalog);
    manifest_done(&s->manifest);
    store_close(s->store);
    g_free(s->datasets_dir);
    session_settings_done(&s->settings);
    g_strfreev(s->pins);
    g_strfreev(s->locations);
    g_ptr_array_unref(s->registered);
    g_free(s);
}

/* A newer run may come with other contracts, so the catalog is opened anew; the old one answers until that worked.
 * While a session may write nobody else publishes. */
int ca_session_refresh(ca_session *s, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    if (!s->store || s->is_pinned_run || !s->is_read_only)
        return CA_OK;
    ca_session fresh = *s;
    fresh.catalog = NULL;
    fresh.manifest.root = NULL;
    int rc = session_open_run(&fresh, NULL, err);
    struct catalog *unused_catalog = rc == CA_OK ? s->catalog : fresh.catalog;
    struct manifest unused_manifest = rc == CA_OK ? s->manifest : fresh.manifest;
    if (rc == CA_OK) {
        s->catalog = fresh.catalog;
        s->manifest = fresh.manifest;
    }
    catalog_close(unused_catalog);
    manifest_done(&unused_manifest);
    return rc;
}

/* ---- queries ---------------------------------------------------------------------------------------------------- */

ca_cancel *ca_cancel_new(void)
{
    return (ca_cancel *)engine_cancel_new();
}

void ca_cancel_fire(ca_cancel *c)
{
    engine_cancel_fire((struct engine_cancel *)c);
}

void ca_cancel_free(ca_cancel *c)
{
    engine_cancel_free((struct engine_cancel *)c);
}

static void session_forget_statement(ca_session *s)
{
    catalog_forget_changes(s->catalog);
    GHashTable *unused = catalog_take_inferred(s->catalog);
    g_clear_pointer(&unused, g_hash_table_unref);
}

int session_publish(ca_session *s, int64_t started_us, int rc, struct ca_error *err)
{
    if (rc != CA_OK)
        session_forget_statement(s);
    else
        rc = session_keep_inferred(s, err);
    if (rc == CA_OK && s->manifest.root)
        rc = run_publish_changes(s->store, s->catalog, &s->manifest, started_us, err);
    if (rc != CA_OK)
        catalog_refused(s->catalog, err);
    return rc;
}

int ca_query(ca_session *s, const char *sql, const struct ca_params *params, ca_cancel *cancel,
             struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(sql != NULL, "the sql", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    struct engine_params p = {0};
    if (params) {
        CA_TRY(session_need(params->schema != NULL, "the parameters' schema", err));
        CA_TRY(session_need(params->array != NULL, "the parameters' array", err));
        p = (struct engine_params){params->schema, params->array};
    }
    /* What a canceled statement committed all the same is nobody's. */
    catalog_forget_changes(s->catalog);
    gint64 started_us = g_get_monotonic_time();
    int rc =
        engine_query(catalog_engine(s->catalog), sql, params ? &p : NULL, (struct engine_cancel *)cancel, ret, err);
    int rc_published = session_publish(s, started_us, rc, err);
    if (rc == CA_OK && rc_published != CA_OK && ret->release)
        ret->release(ret);
    return rc_published;
}

int ca_set_params(ca_session *s, const char *name, struct ArrowArrayStream *rows, struct ca_error *err)
{
    if (!rows || !rows->release)
        return session_need(false, "the stream", err);
    int rc = session_need(s != NULL, "the session", err);
    if (rc == CA_OK)
        rc = session_need(name != NULL, "the name", err);
    if (rc == CA_OK)
        return catalog_set_params(s->catalog, name, rows, err);
    rows->release(rows);
    return rc;
}

int ca_stream_write(struct ArrowArrayStream *rows, const char *format, int fd, unsigned width, int64_t *ret_rows,
                    struct ca_error *err)
{
    if (!rows || !rows->release)
        return session_need(false, "the stream", err);
    if (!format) {
        rows->release(rows);
        return session_need(false, "the format", err);
    }
    return engine_stream_write(rows, format, fd, width, ret_rows, err);
}

int ca_query_write(ca_session *s, const char *sql, const struct ca_params *params, ca_cancel *cancel,
                   const char *format, int fd, unsigned width, int64_t *ret_rows, struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    CA_TRY(ca_query(s, sql, params, cancel, &rows, err));
    return ca_stream_write(&rows, format, fd, width, ret_rows, err);
}

int ca_sql_split(const char *sql, ca_text_fn sink, void *data, struct ca_error *err)
{
    CA_TRY(session_need(sql != NULL, "the sql", err));
    CA_TRY(session_need(sink != NULL, "the sink", err));
    return engine_split(sql, sink, data, err);
}

/* ---- the catalog ------------------------------------------------------------------------------------------------ */

int ca_resolve_schema(ca_session *s, const char *name_or_query, struct ArrowSchema *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(name_or_query != NULL, "the name or query", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_resolve_schema(s->catalog, name_or_query, ret, err);
}

int ca_tables(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_tables(s->catalog, ret, err);
}

int ca_columns(ca_session *s, const char *dataset, struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_columns(s->catalog, dataset, ret, err);
}

int ca_views(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_views(s->catalog, ret, err);
}

int ca_routines(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_routines(s->catalog, ret, err);
}

int ca_settings(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_settings(s->catalog, ret, err);
}

int ca_profiles(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_profiles(s->catalog, ret, err);
}

int ca_describe(ca_session *s, const char *name_or_query, struct ArrowArrayStream *ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(name_or_query != NULL, "the name or query", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    return catalog_describe(s->catalog, name_or_query, ret, err);
}

/* ---- verifying -------------------------------------------------------------------------------------------------- */

/* "schema.name" of what was asked for, or of everything that lies in files. */
static int verify_names(const ca_session *s, const char *const *names, size_t n_names, GPtrArray *ret,
                        struct ca_error *err)
{
    for (size_t i = 0; i < n_names; i++) {
        struct catalog_entry e;
        CA_TRY(session_need(names[i] != NULL, "a name", err));
        CA_TRY(catalog_lookup(s->catalog, names[i], &e, err));
        g_ptr_array_add(ret, g_strconcat(e.schema, ".", e.name, NULL));
    }
    for (size_t i = 0; !names && i < catalog_n_entries(s->catalog); i++) {
        struct catalog_entry e = catalog_entry_at(s->catalog, i);
        if (catalog_can_verify(s->catalog, e.schema, e.name))
            g_ptr_array_add(ret, g_strconcat(e.schema, ".", e.name, NULL));
    }
    return CA_OK;
}

/* Keep what is known now for later sessions. */
static int session_keep_findings(const ca_session *s, struct ca_error *err)
{
    json_t *all = json_array();
    int rc = CA_OK;
    for (size_t i = 0; i < catalog_n_entries(s->catalog) && rc == CA_OK; i++) {
        struct catalog_entry e = catalog_entry_at(s->catalog, i);
        json_t *found = NULL;
        rc = catalog_findings(s->catalog, e.schema, e.name, &found, err);
        if (found)
            json_array_append_new(all, found);
    }
    if (rc == CA_OK)
        rc = store_findings_write(s->store, manifest_run_id(&s->manifest), json_array_size(all) > 0 ? all : NULL, err);
    json_decref(all);
    return rc;
}

int ca_verify(ca_session *s, const char *const *names, size_t n_names, ca_cancel *cancel, struct ArrowArrayStream *ret,
              size_t *ret_n_violated, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    CA_TRY(session_need(names != NULL || n_names == 0, "the list of names", err));
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    CA_TRY(verify_names(s, names, n_names, all, err));
    size_t n_violated = 0;
    for (guint i = 0; i < all->len; i++) {
        g_auto(GStrv) parts = g_strsplit(all->pdata[i], ".", 2);
        size_t n = 0;
        CA_TRY(catalog_verify(s->catalog, parts[0], parts[1], (struct engine_cancel *)cancel, &n, err));
        n_violated += n;
    }
    if (s->store && s->manifest.root && !s->is_read_only)
        CA_TRY(session_keep_findings(s, err));
    CA_TRY(catalog_proofs(s->catalog, (const char *const *)all->pdata, all->len, ret, err));
    if (ret_n_violated)
        *ret_n_violated = n_violated;
    return CA_OK;
}

int ca_ddl(ca_session *s, const char *name, ca_text_fn sink, void *data, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(sink != NULL, "the sink", err));
    return catalog_ddl(s->catalog, name, sink, data, err);
}

int ca_manifest(ca_session *s, ca_text_fn sink, void *data, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(sink != NULL, "the sink", err));
    if (!s->manifest.root)
        return ca_fail(err, CA_ERR_NOT_FOUND, "nothing is published%s%s", s->store ? " in " : "",
                       s->store ? store_path(s->store) : "");
    g_autofree char *text = manifest_render(&s->manifest);
    sink(data, text, strlen(text));
    return CA_OK;
}
