/* build/build.c — the run from scan to publish. The extract stage is in build/extract.c. */
#include "build/build.h"

#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "build/extract.h"
#include "catalog/catalog.h"
#include "compile/compile.h"
#include "diag/diag.h"
#include "publish/manifest.h"
#include "publish/store.h"
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
    const char *stage;
};

static void build_done(struct build *b)
{
    compile_plan_done(&b->plan);
    for (guint i = 0; b->outputs && i < b->outputs->len; i++)
        stage_output_done(&g_array_index(b->outputs, struct stage_output, i));
    g_clear_pointer(&b->outputs, g_array_unref);
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

/* "20261121T042749Z-1a2b3c4d": sorts by time, unique by chance. */
static void build_name_run(struct build *b)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *when = g_date_time_format(now, "%Y%m%dT%H%M%SZ");
    b->started_at = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    b->run_id = g_strdup_printf("%s-%08x", when, g_random_int());
}

static char *locate(void *data, const char *schema, const char *name, struct ca_error *err)
{
    struct build *b = data;
    const struct contract *contract = NULL;
    if (catalog_contract(b->catalog, schema, name, &contract, err) != CA_OK)
        return NULL;
    char fingerprint[FINGERPRINT_HEX_SIZE];
    if (contract_schema_fingerprint(contract, fingerprint, err) != CA_OK)
        return NULL;
    return store_table_location(b->store, schema, name, fingerprint);
}

static int build_open(struct build *b, struct ca_error *err)
{
    build_name_run(b);
    b->outputs = g_array_new(FALSE, TRUE, sizeof(struct stage_output));
    CA_TRY(store_open_write(b->options->store, &b->store, err));
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
    b->stage = "scan";
    build_report(b, 0, 0);
    CA_TRY(repo_scan_open(b->options->project, &b->scan, err));
    int64_t n_entries = (int64_t)repo_scan_n_entries(b->scan);
    build_report(b, n_entries, n_entries);
    CA_TRY(set_source_roots(b, err));
    CA_TRY(set_run(b, err));
    for (size_t i = 0; i < b->options->n_params; i++)
        CA_TRY(catalog_set_params(b->catalog, b->options->params[i].name, b->options->params[i].rows, err));
    CA_TRY_CTX(catalog_check(b->catalog, err), err, "apply the contracts");
    CA_TRY(compile_plan_init(&b->plan, b->catalog, err));
    CA_TRY(record_plans(b, err));
    b->stage = "extract";
    CA_TRY(extract_run(b->options, b->scan, &stage, on_file, b, &b->extract, err));
    CA_TRY(stage_run(&stage, &b->plan, err));
    return CA_OK;
}

/* ---- publishing ------------------------------------------------------------------------------------------------- */

static int add_output(struct build *b, struct manifest *m, const struct stage_output *out, struct ca_error *err)
{
    const struct contract *contract = NULL;
    CA_TRY(catalog_contract(b->catalog, out->schema, out->name, &contract, err));
    g_autofree char *ddl_fingerprint = NULL;
    CA_TRY(catalog_ddl_fingerprint(b->catalog, out->schema, out->name, &ddl_fingerprint, err));
    g_autofree char *reads = NULL;
    for (guint i = 0; i < b->plan.models->len && !reads; i++) {
        const struct compile_model *model = b->plan.models->pdata[i];
        if (strcmp(model->schema, out->schema) == 0 && strcmp(model->name, out->name) == 0)
            reads = model_reads(model);
    }
    char schema_fingerprint[FINGERPRINT_HEX_SIZE];
    char contract_hex[FINGERPRINT_HEX_SIZE];
    CA_TRY(contract_schema_fingerprint(contract, schema_fingerprint, err));
    contract_fingerprint(contract, contract_hex);
    struct manifest_dataset d = {
        .schema = out->schema,
        .name = out->name,
        .contract_version = (int)contract->version,
        .contract_fingerprint = contract_hex,
        .schema_fingerprint = schema_fingerprint,
        .ddl_fingerprint = ddl_fingerprint,
        .plan_fingerprint = out->plan_fingerprint,
        .reads = reads,
        .location = out->location + strlen(store_path(b->store)) + 1,
        .data_version = out->written.commit.version,
        .n_rows = out->written.commit.n_rows,
        .n_files = out->written.commit.n_files,
        .n_bytes = out->written.commit.n_bytes,
    };
    return manifest_add_dataset(m, &d, err);
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

/* Every view with the fingerprint of its SQL. */
static int view_list(const struct build *b, json_t **ret, struct ca_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < catalog_n_entries(b->catalog); i++) {
        struct catalog_entry entry = catalog_entry_at(b->catalog, i);
        if (!entry.nested_in && strcmp(entry.kind, "view") != 0)
            continue;
        const char *sql = NULL;
        int rc = catalog_sql(b->catalog, entry.schema, entry.name, &sql, err);
        if (rc != CA_OK) {
            json_decref(list);
            return rc;
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "schema", entry.schema, "name", entry.name,
                                              "sql_fingerprint", fingerprint_json(sql)));
    }
    *ret = list;
    return CA_OK;
}

static int build_manifest(struct build *b, struct manifest *m, struct ca_error *err)
{
    const struct repo_project *p = b->options->project;
    CA_TRY(manifest_init(m, b->run_id, b->started_at, err));
    g_autoptr(GString) versions = g_string_new(NULL);
    engine_versions(append_text, versions);
    CA_TRY(manifest_set_text(m, "engine", versions->str, err));
    CA_TRY(manifest_set_text(m, "runtime", engine_profile_json(catalog_engine(b->catalog)), err));
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
    CA_TRY(manifest_set(m, "settings_hash", fingerprint_json(engine_profile_json(catalog_engine(b->catalog))), err));
    CA_TRY(manifest_set(m, "catalog_fingerprint", json_string(catalog_fingerprint(b->catalog)), err));
    CA_TRY(manifest_set(m, "n_files", json_integer(b->extract.n_files), err));
    CA_TRY(manifest_set(m, "n_failed_layers", json_integer(b->extract.n_failed_layers), err));
    CA_TRY(manifest_set(m, "is_reproducible", json_boolean(b->extract.is_reproducible), err));
    for (guint i = 0; i < b->outputs->len; i++)
        CA_TRY(add_output(b, m, &g_array_index(b->outputs, struct stage_output, i), err));
    json_t *params = NULL;
    CA_TRY(param_list(b, &params, err));
    CA_TRY(manifest_set(m, "param_tables", params, err));
    CA_TRY(manifest_set(m, "handshakes", handshake_list(b), err));
    json_t *views = NULL;
    CA_TRY(view_list(b, &views, err));
    CA_TRY(manifest_set(m, "views", views, err));
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

/* Old versions and runs are swept after the new run is visible; a sweep that fails leaves files, not a broken store. */
static int build_sweep(struct build *b, const char *previous, struct ca_error *err)
{
    const char *keep[] = {b->run_id, previous, NULL};
    CA_TRY(store_prune(b->store, keep, err));
    g_autofree char *json = NULL;
    if (!previous)
        return CA_OK;
    CA_TRY(store_manifest_read(b->store, previous, &json, err));
    struct manifest m = {0};
    CA_TRY(manifest_parse(&m, json, err));
    int rc = CA_OK;
    for (guint i = 0; i < b->outputs->len && rc == CA_OK; i++) {
        const struct stage_output *out = &g_array_index(b->outputs, struct stage_output, i);
        struct manifest_dataset before;
        int64_t n_files = 0;
        bool is_same_table = manifest_dataset(&m, out->schema, out->name, &before) &&
                             strcmp(before.location, out->location + strlen(store_path(b->store)) + 1) == 0;
        if (is_same_table && before.data_version > 0)
            rc = engine_delta_vacuum(catalog_engine(b->catalog), out->location, before.data_version, &n_files, err);
    }
    manifest_done(&m);
    return rc;
}

static int build_publish(struct build *b, struct ca_error *err)
{
    b->stage = "publish";
    build_report(b, 0, 0);
    CA_TRY(build_diagnostics(b, err));
    size_t n_snapshot_bytes = 0;
    const void *snapshot = g_bytes_get_data(catalog_snapshot(b->catalog), &n_snapshot_bytes);
    g_autofree char *snapshot_path = store_snapshot_path(b->store, catalog_fingerprint(b->catalog));
    struct manifest m = {0};
    int rc = build_manifest(b, &m, err);
    if (rc == CA_OK) {
        g_autofree char *json = manifest_render(&m);
        g_autofree char *previous = NULL;
        rc = store_published(b->store, &previous, err);
        if (rc == CA_OK)
            rc = file_write_atomic(snapshot_path, snapshot, n_snapshot_bytes, err);
        if (rc == CA_OK)
            rc = store_publish(b->store, b->run_id, json, err);
        if (rc == CA_OK) {
            struct ca_error sweep_error = {0};
            if (build_sweep(b, previous, &sweep_error) != CA_OK)
                log_emit(LOG_WARN, "build", "old versions stay in the store", "reason", sweep_error.message, NULL);
        }
    }
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
