/* build/build.c — the run from scan to publish. The extract stage is in build/extract.c. */
#include "build/build.h"

#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "build/carry.h"
#include "build/extract.h"
#include "catalog/catalog.h"
#include "compile/compile.h"
#include "diag/diag.h"
#include "publish/manifest.h"
#include "publish/run.h"
#include "publish/store.h"
#include "rows/gen/p_builtins.h"
#include "rows/gen/p_run.h"
#include "rows/gen/p_source_roots.h"
#include "rows/rows.h"
#include "stage/stage.h"

/* Everything one run owns. `stage` is what progress speaks of. */
struct build {
    const struct build_options *options;
    gint64 started_us;
    char *run_id;
    char *started_at;
    char *tmp;
    struct store *store;
    struct diag *diag;
    struct catalog *catalog;
    struct repo_scan *scan;
    struct compile_plan plan;
    struct extract_result extract;
    GArray *outputs;
    struct carry *carried;
    GPtrArray *bounds;
    const char *stage;
};

static void build_done(struct build *b)
{
    compile_plan_done(&b->plan);
    for (guint i = 0; b->outputs && i < b->outputs->len; i++)
        stage_output_done(&g_array_index(b->outputs, struct stage_output, i));
    g_clear_pointer(&b->outputs, g_array_unref);
    carry_free(b->carried);
    g_clear_pointer(&b->bounds, g_ptr_array_unref);
    extract_result_done(&b->extract);
    repo_scan_close(b->scan);
    catalog_close(b->catalog);
    diag_free(b->diag);
    store_close(b->store);
    g_free(b->tmp);
    g_free(b->run_id);
    g_free(b->started_at);
}

void build_result_done(struct build_result *r)
{
    g_clear_pointer(&r->run_id, g_free);
    g_clear_pointer(&r->store, g_free);
}

static int64_t build_n_rows(const struct build *b)
{
    int64_t n_rows = 0;
    for (guint i = 0; i < b->outputs->len; i++)
        n_rows += g_array_index(b->outputs, struct stage_output, i).written.commit.n_rows;
    return n_rows;
}

static void build_report(struct build *b, int64_t n_done, int64_t n_total)
{
    if (!b->options->progress)
        return;
    struct build_progress p = {
        .stage = b->stage,
        .n_done = n_done,
        .n_total = n_total,
        .n_rows = build_n_rows(b),
        .elapsed_ns = (g_get_monotonic_time() - b->started_us) * 1000,
    };
    b->options->progress(b->options->progress_data, &p);
}

static void on_file(void *data, int64_t n_done, int64_t n_total)
{
    build_report(data, n_done, n_total);
}

/* Models run stage by stage, or nearly; progress counts within one. */
static void on_model(void *data, const char *stage, guint n_done, guint n_total)
{
    struct build *b = data;
    b->stage = stage;
    build_report(b, n_done, n_total);
}

/* A build makes every table anew, in a folder of its run: no log grows from build to build, and what is left of a build
 * that was killed is named by no manifest and goes with the next prune. */
static char *locate(void *data, const char *schema, const char *name)
{
    const struct build *b = data;
    return store_table_location(b->store, schema, name, b->run_id);
}

/* What writers left that were killed: no manifest names it. */
static void clear_leavings(const struct build *b)
{
    g_auto(GStrv) runs = store_runs(b->store);
    struct ca_error why = {0};
    if (store_prune(b->store, (const char *const *)runs, &why) != CA_OK)
        log_emit(LOG_WARN, "build", "what no run names stays in the store", "reason", why.message, NULL);
}

static int build_open(struct build *b, struct ca_error *err)
{
    run_name(&b->run_id, &b->started_at);
    b->outputs = g_array_new(FALSE, TRUE, sizeof(struct stage_output));
    CA_TRY(store_open_write(b->options->store, &b->store, err));
    clear_leavings(b);
    b->tmp = store_tmp_path(b->store);
    b->diag = diag_new(b->run_id);
    struct catalog_options c = {
        .datasets_dir = b->options->datasets_dir,
        .engine = b->options->engine,
        .functions = b->options->functions,
        .n_functions = b->options->n_functions,
        .diag = b->diag,
    };
    c.engine.spill_dir = b->tmp;
    c.engine.is_frugal = true;
    CA_TRY(catalog_open(&c, &b->catalog, err));
    return CA_OK;
}

static int rows_failed(int rc, struct ca_error *err)
{
    return rc == 0 ? CA_OK : ca_fail_errno(err, CA_ERR_RESOURCES, rc, "build parameter rows");
}

/* params.p_source_roots: what the project file or a flag says; no row: they are found. */
static int set_source_roots(struct build *b, struct ca_error *err)
{
    const struct repo_project *project = b->options->project;
    struct ArrowArray array = {0};
    struct p_source_roots *rows = NULL;
    int rc = p_source_roots_new(&rows);
    for (size_t i = 0; rc == 0 && project->source_roots && project->source_roots[i]; i++) {
        struct p_source_roots_row row = {.source_root = rows_str_of(project->source_roots[i])};
        rc = p_source_roots_finish_row(rows, &row);
    }
    if (rc == 0)
        rc = p_source_roots_take(rows, &array);
    p_source_roots_free(rows);
    CA_TRY(rows_failed(rc, err));
    return catalog_set_rows(b->catalog, "params", "p_source_roots", &array, err);
}

/* params.p_builtins: what the target interpreter says. */
static int set_builtins(struct build *b, const char *const *builtins, struct ca_error *err)
{
    struct ArrowArray array = {0};
    struct p_builtins *rows = NULL;
    int rc = p_builtins_new(&rows);
    for (size_t i = 0; rc == 0 && builtins && builtins[i]; i++) {
        struct p_builtins_row row = {.name = rows_str_of(builtins[i])};
        rc = p_builtins_finish_row(rows, &row);
    }
    if (rc == 0)
        rc = p_builtins_take(rows, &array);
    p_builtins_free(rows);
    CA_TRY(rows_failed(rc, err));
    return catalog_set_rows(b->catalog, "params", "p_builtins", &array, err);
}

static int set_run(struct build *b, struct ca_error *err)
{
    struct ArrowArray array = {0};
    struct p_run *rows = NULL;
    struct p_run_row row = {.run_id = rows_str_of(b->run_id)};
    int rc = p_run_new(&rows);
    if (rc == 0)
        rc = p_run_finish_row(rows, &row);
    if (rc == 0)
        rc = p_run_take(rows, &array);
    p_run_free(rows);
    CA_TRY(rows_failed(rc, err));
    return catalog_set_rows(b->catalog, "params", "p_run", &array, err);
}

static char *model_reads(const struct compile_model *m)
{
    GString *reads = g_string_new(NULL);
    for (guint i = 0; i < m->reads->len; i++)
        g_string_append_printf(reads, "%s%s", i ? ", " : "", (const char *)m->reads->pdata[i]);
    return g_string_free(reads, FALSE);
}

/* Paths that cut the files into pieces of some bytes each. */
static void find_bounds(struct build *b)
{
    uint64_t piece_bytes = engine_bucket_bytes(catalog_engine(b->catalog));
    uint64_t n_bytes = 0;
    b->bounds = g_ptr_array_new();
    for (size_t i = 0; i < repo_scan_n_entries(b->scan); i++) {
        const struct repo_entry *entry = repo_scan_entry(b->scan, i);
        if (n_bytes >= piece_bytes) {
            g_ptr_array_add(b->bounds, entry->path);
            n_bytes = 0;
        }
        n_bytes += (uint64_t)MAX(entry->size_bytes, 0);
    }
}

/* What the plan read and ran, before it runs. */
static int record_plans(struct build *b, struct ca_error *err)
{
    for (guint i = 0; i < b->plan.models->len; i++) {
        const struct compile_model *m = b->plan.models->pdata[i];
        g_autofree char *reads = model_reads(m);
        diag_plan_artifact(b->diag, m->schema, m->name, m->plan_fingerprint, m->run_sql, reads);
        CA_TRY(catalog_set_plan(b->catalog, m->schema, m->name, m->plan_fingerprint, reads, err));
    }
    return CA_OK;
}

/* All that can be done before there is a file: parameters, contracts, what statements wrote, plans. */
static int prepare(struct build *b, const struct stage_options *stage, struct ca_error *err)
{
    CA_TRY(set_source_roots(b, err));
    CA_TRY(set_run(b, err));
    for (size_t i = 0; i < b->options->n_params; i++)
        CA_TRY(catalog_set_params(b->catalog, b->options->params[i].name, b->options->params[i].rows, err));
    CA_TRY_CTX(catalog_check(b->catalog, err), err, "apply the contracts");
    CA_TRY(carry_new(b->store, stage, &b->carried, err));
    CA_TRY(compile_plan_init(&b->plan, b->catalog, err));
    return record_plans(b, err);
}

struct preparation {
    struct build *build;
    const struct stage_options *stage;
    int status;
    struct ca_error error;
};

static void *preparation_main(void *data)
{
    struct preparation *p = data;
    p->status = prepare(p->build, p->stage, &p->error);
    return NULL;
}

/* The engine plans while files are listed and interpreters start. Neither knows of the other; a contract that is wrong
 * is said first, because it is wrong whatever the repository holds. */
static int build_begin(struct build *b, const struct stage_options *stage, struct extract **ret, struct ca_error *err)
{
    b->stage = "scan";
    build_report(b, 0, 0);
    struct preparation p = {.build = b, .stage = stage};
    GThread *thread = g_thread_new("prepare", preparation_main, &p);
    struct ca_error failure = {0};
    int rc = repo_scan_open(b->options->project, &b->scan, &failure);
    if (rc == CA_OK)
        rc = extract_open(b->options, b->scan, ret, &failure);
    g_thread_join(thread);
    if (p.status != CA_OK)
        return ca_fail(err, p.status, "%s", p.error.message);
    if (rc != CA_OK)
        return ca_fail(err, rc, "%s", failure.message);
    int64_t n_entries = (int64_t)repo_scan_n_entries(b->scan);
    build_report(b, n_entries, n_entries);
    return CA_OK;
}

static int build_tables(struct build *b, struct ca_error *err)
{
    struct stage_options stage = {
        .catalog = b->catalog,
        .location = locate,
        .location_data = b,
        .advance = on_model,
        .advance_data = b,
        .outputs = b->outputs,
        .app_id = b->run_id,
        .diag = b->diag,
        .cancel = b->options->cancel,
    };
    struct extract *extract = NULL;
    int rc = build_begin(b, &stage, &extract, err);
    if (rc == CA_OK)
        rc = set_builtins(b, extract_builtins(extract), err);
    if (rc == CA_OK) {
        find_bounds(b);
        stage.bounds = (const char *const *)b->bounds->pdata;
        stage.n_bounds = b->bounds->len;
        b->stage = "extract";
        rc = extract_run(extract, &stage, on_file, b, &b->extract, err);
    }
    extract_close(extract);
    CA_TRY(rc);
    return stage_run(&stage, &b->plan, err);
}

/* ---- publishing ------------------------------------------------------------------------------------------------- */

static int add_output(struct build *b, struct manifest *m, const struct stage_output *out, struct ca_error *err)
{
    g_autofree char *reads = NULL;
    for (guint i = 0; i < b->plan.models->len && !reads; i++) {
        const struct compile_model *model = b->plan.models->pdata[i];
        if (strcmp(model->schema, out->schema) == 0 && strcmp(model->name, out->name) == 0)
            reads = model_reads(model);
    }
    const struct engine_written *commit = &out->written.commit;
    struct run_dataset d = {
        .schema = out->schema,
        .name = out->name,
        .plan_fingerprint = out->plan_fingerprint,
        .reads = reads,
        .location = out->location,
        .made_by = carry_has(b->carried, out->schema, out->name) ? "sql" : "build",
        .data_version = commit->version,
        .extent = {commit->n_rows, commit->n_files, commit->n_bytes},
        .proof = out->written.proof,
    };
    return run_add_dataset(m, b->store, b->catalog, &d, err);
}

static void append_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(data, text, (gssize)n_bytes);
}

static json_t *string_list(char *const *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; texts && texts[i]; i++)
        json_array_append_new(list, json_string(texts[i]));
    return list;
}

static json_t *string_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *fingerprint_json(const char *text)
{
    char hex[FINGERPRINT_HEX_SIZE];
    fingerprint_of(text, strlen(text), hex);
    return json_string(hex);
}

static json_t *handshake_list(const struct build *b)
{
    json_t *list = json_array();
    for (guint i = 0; i < b->outputs->len; i++) {
        const struct stage_output *out = &g_array_index(b->outputs, struct stage_output, i);
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "schema", out->schema, "name", out->name,
                                        "source", out->written.source, "expected", out->written.expected, "found",
                                        out->written.found, "verdict", out->written.verdict));
    }
    return list;
}

/* Every parameter table that the caller set, with the fingerprint of its rows. */
static int param_list(const struct build *b, json_t **ret, struct ca_error *err)
{
    json_t *list = json_array();
    int rc = CA_OK;
    for (size_t i = 0; i < b->options->n_params && rc == CA_OK; i++) {
        char hex[FINGERPRINT_HEX_SIZE];
        int64_t n_rows = 0;
        rc = catalog_params_fingerprint(b->catalog, b->options->params[i].name, hex, &n_rows, err);
        if (rc == CA_OK)
            json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "name", b->options->params[i].name, "n_rows",
                                                  (json_int_t)n_rows, "fingerprint", hex));
    }
    if (rc == CA_OK)
        *ret = list;
    else
        json_decref(list);
    return rc;
}

static int build_manifest(struct build *b, struct manifest *m, struct ca_error *err)
{
    const struct repo_project *p = b->options->project;
    CA_TRY(manifest_init(m, b->run_id, b->started_at, err));
    g_autoptr(GString) versions = g_string_new(NULL);
    engine_versions(append_text, versions);
    CA_TRY(manifest_set_text(m, "engine", versions->str, err));
    g_autofree char *runtime = NULL;
    CA_TRY(engine_profile_json(catalog_engine(b->catalog), &runtime, err));
    CA_TRY(manifest_set_text(m, "runtime", runtime, err));
    CA_TRY(manifest_set(m, "codeanatomy", json_string(CA_VERSION), err));
    CA_TRY(manifest_set(m, "interpreter",
                        json_pack("{s:o, s:o}", "version", string_or_null(b->extract.python_version), "full_version",
                                  string_or_null(b->extract.python_full_version)),
                        err));
    CA_TRY(manifest_set(m, "grammar", json_string(CA_GRAMMAR_VERSION), err));
    CA_TRY(manifest_set(m, "repository", json_string(p->repository), err));
    json_t *parameters =
        json_pack("{s:o, s:o, s:o, s:o}", "source_roots", string_list(p->source_roots), "include",
                  string_list(p->include), "exclude", string_list(p->exclude), "layers", string_list(p->layers));
    CA_AUTOFREE char *parameters_text = json_dumps(parameters, JSON_COMPACT | JSON_SORT_KEYS);
    CA_TRY(manifest_set(m, "parameters", parameters, err));
    CA_TRY(manifest_set(m, "parameters_hash", fingerprint_json(parameters_text ? parameters_text : ""), err));
    CA_TRY(manifest_set(m, "settings_hash", fingerprint_json(runtime), err));
    CA_TRY(manifest_set(m, "made_by", json_string("build"), err));
    CA_TRY(manifest_set(m, "n_files", json_integer(b->extract.n_files), err));
    CA_TRY(manifest_set(m, "n_failed_layers", json_integer(b->extract.n_failed_layers), err));
    CA_TRY(manifest_set(m, "is_reproducible", json_boolean(b->extract.is_reproducible), err));
    for (guint i = 0; i < b->outputs->len; i++)
        CA_TRY(add_output(b, m, &g_array_index(b->outputs, struct stage_output, i), err));
    CA_TRY(carry_add(b->carried, m, err));
    json_t *params = NULL;
    CA_TRY(param_list(b, &params, err));
    CA_TRY(manifest_set(m, "param_tables", params, err));
    CA_TRY(manifest_set(m, "handshakes", handshake_list(b), err));
    CA_TRY(manifest_set(m, "policy", compile_policy_json(), err));
    CA_TRY(manifest_set(m, "elapsed_ns", json_integer((g_get_monotonic_time() - b->started_us) * 1000), err));
    return CA_OK;
}

/* The diagnostics that were collected describe this run alone: they are written last, like every other dataset. Those
 * with SQL of their own ran as models. */
static int build_diagnostics(struct build *b, struct ca_error *err)
{
    struct stage_options stage = {
        .catalog = b->catalog,
        .location = locate,
        .location_data = b,
        .outputs = b->outputs,
        .app_id = b->run_id,
        .cancel = b->options->cancel,
    };
    for (size_t i = 0; i < catalog_n_entries(b->catalog); i++) {
        struct catalog_entry entry = catalog_entry_at(b->catalog, i);
        if (strcmp(entry.kind, "diagnostics") != 0 || entry.sql)
            continue;
        struct ArrowSchema schema = {0};
        struct ArrowArray rows = {0};
        struct ArrowArrayStream stream = {0};
        CA_TRY(catalog_declared_schema(b->catalog, entry.schema, entry.name, &schema, err));
        int rc = diag_take(b->diag, entry.name, &rows, err);
        if (rc != CA_OK) {
            schema.release(&schema);
            return rc;
        }
        CA_TRY(rows_stream_of(&schema, &rows, 1, &stream, err));
        CA_TRY_CTX(stage_write(&stage, entry.schema, entry.name, NULL, &stream, NULL, err), err, "diagnostics '%s'",
                   entry.name);
    }
    return CA_OK;
}

/* Remove the files that the run before did not need any more, where both have one table: rows that SQL wrote. */
static int build_vacuum(struct build *b, const struct manifest *m, const char *previous, struct ca_error *err)
{
    struct manifest before = {0};
    CA_TRY(run_read(b->store, previous, &before, err));
    int rc = CA_OK;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(m->root, "datasets"), i, entry)
    {
        struct manifest_dataset now;
        struct manifest_dataset then;
        int64_t n_files = 0;
        if (rc != CA_OK || !manifest_dataset_of(entry, &now) || !manifest_dataset(&before, now.schema, now.name, &then))
            continue;
        g_autofree char *location = g_build_filename(store_path(b->store), now.location, NULL);
        if (strcmp(now.location, then.location) == 0 && then.data_version > 0)
            rc = engine_delta_vacuum(catalog_engine(b->catalog), location, then.data_version, &n_files, err);
    }
    manifest_done(&before);
    return rc;
}

/* Old versions and runs are swept after the new run is visible; a sweep that fails leaves files, not a broken store. */
static int build_sweep(struct build *b, const struct manifest *m, const char *previous, struct ca_error *err)
{
    const char *keep[] = {b->run_id, previous, NULL};
    CA_TRY(store_prune(b->store, keep, err));
    return previous ? build_vacuum(b, m, previous, err) : CA_OK;
}

static int build_publish(struct build *b, struct ca_error *err)
{
    b->stage = "publish";
    build_report(b, 0, 0);
    CA_TRY(build_diagnostics(b, err));
    struct manifest m = {0};
    g_autofree char *previous = NULL;
    int rc = build_manifest(b, &m, err);
    if (rc == CA_OK)
        rc = run_publish(b->store, b->catalog, &m, &previous, err);
    struct ca_error sweep_error = {0};
    if (rc == CA_OK && build_sweep(b, &m, previous, &sweep_error) != CA_OK)
        log_emit(LOG_WARN, "build", "old versions stay in the store", "reason", sweep_error.message, NULL);
    manifest_done(&m);
    return rc;
}

int build_run(const struct build_options *options, struct build_result *ret, struct ca_error *err)
{
    struct build b = {.options = options, .started_us = g_get_monotonic_time()};
    int rc = build_open(&b, err);
    if (rc == CA_OK)
        rc = build_tables(&b, err);
    if (rc == CA_OK)
        rc = build_publish(&b, err);
    if (rc == CA_OK) {
        *ret = (struct build_result){
            .run_id = g_strdup(b.run_id),
            .store = g_strdup(store_path(b.store)),
            .n_files = b.extract.n_files,
            .n_failed_layers = b.extract.n_failed_layers,
            .n_rows = build_n_rows(&b),
            .is_reproducible = b.extract.is_reproducible,
            .elapsed_ns = (g_get_monotonic_time() - b.started_us) * 1000,
        };
        for (guint i = 0; i < b.outputs->len; i++)
            ret->n_bytes += g_array_index(b.outputs, struct stage_output, i).written.commit.n_bytes;
    }
    build_done(&b);
    return rc;
}
