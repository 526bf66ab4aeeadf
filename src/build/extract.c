/* build/extract.c — lanes, results and writers of the extract stage.
 *
 *   lane 0 ─┐ take file i ─▶ load ─▶ syntax layers here, CPython's in the lane's worker, at the same time ─▶ deliver
 *   lane 1 ─┘                                                                   sequencer ─▶ queue a dataset ─▶ writer
 * a dataset
 *
 * A lane is two threads: one parses, the other talks to the lane's interpreter. Results leave by file number, so what
 * is written does not depend on how many lanes there are. Queues are bounded in bytes: a slow writer slows the lanes.
 */
#include "build/extract.h"

#include <malloc.h>
#include <string.h>

#include "base/log.h"
#include "build/sequencer.h"
#include "extract/cpython/cpython.h"
#include "extract/treesitter/treesitter.h"
#include "rows/gen/file_layers_v1.h"
#include "rows/gen/libcst_files_v1.h"
#include "rows/gen/repo_files_v1.h"
#include "rows/gen/tree_sitter_files_v1.h"
#include "rows/rows.h"

enum {
    FILE_MAX_BYTES = 256 << 20, /* a larger file is the fact "larger than ..." */
    WINDOW_FILES = 64,          /* how far a lane may run ahead of the slowest file */
    QUEUE_MAX_BYTES = 32 << 20, /* in flight for each dataset */
    SMALL_ROWS = 1024,          /* rows of the flat tables that go out together */
    GATHER_BYTES = 1 << 20,     /* files that go out together: a batch costs for each of a bundle's 100 columns */
    MAX_LANES = 1024,
};

enum output { REPO_FILES, FILE_LAYERS, TREE_SITTER, LIBCST, AST, SYMTABLE, N_OUTPUTS };

static const char *const output_names[N_OUTPUTS] = {
    [REPO_FILES] = "repo_files_v1", [FILE_LAYERS] = "file_layers_v1", [TREE_SITTER] = "tree_sitter_files_v1",
    [LIBCST] = "libcst_files_v1",   [AST] = "ast_files_v1",           [SYMTABLE] = "symtable_files_v1",
};

enum layer { LAYER_REPO, LAYER_TREE_SITTER, LAYER_LIBCST, LAYER_AST, LAYER_SYMTABLE, N_LAYERS };

static const char *const layer_names[N_LAYERS] = {
    [LAYER_REPO] = "repo", [LAYER_TREE_SITTER] = "tree_sitter", [LAYER_LIBCST] = "libcst",
    [LAYER_AST] = "ast",   [LAYER_SYMTABLE] = "symtable",
};

/* What became of one layer of one file. `reason` is owned. */
struct layer_status {
    const char *status;
    char *reason;
    int64_t start_byte;
    int64_t n_facts;
    bool is_python;
    bool is_budget;
};

/* Everything one file gave; arrays hold one row each, release NULL: none. */
struct file_result {
    struct repo_file file;
    struct layer_status layers[N_LAYERS];
    struct ArrowArray arrays[N_OUTPUTS];
};

/* is_echo   it failed because the build had stopped already */
struct writer {
    struct extract *extract;
    enum output output;
    struct rows_queue *queue;
    struct stage_options stage;
    GThread *thread;
    int status;
    bool is_echo;
    struct ca_error error;
};

struct lane {
    struct extract *extract;
    unsigned number;
    struct treesitter *parser;
    struct tree_sitter_files_v1 *tree_sitter;
    struct libcst_files_v1 *libcst;
    GThread *thread;
    GThread *python_thread;
    GAsyncQueue *to_python; /* struct file_result *, or the lane itself: stop */
    GAsyncQueue *from_python;
    int python_status;
    struct ca_error python_error;
};

/* wanted   which layers the project asks for
 * pool     NULL: no interpreter, python_missing says why */
struct extract {
    const struct build_options *options;
    const struct repo_scan *scan;
    bool wanted[N_LAYERS];
    struct cpython_pool *pool;
    char *python_missing;
    struct sequencer *sequencer;
    struct lane *lanes;
    unsigned n_lanes;
    struct writer writers[N_OUTPUTS];
    struct repo_files_v1 *repo_rows;
    struct file_layers_v1 *layer_rows;
    void (*advance)(void *data, int64_t n_done, int64_t n_total);
    void *advance_data;
    struct extract_result result;
};

void extract_result_done(struct extract_result *r)
{
    g_clear_pointer(&r->python_version, g_free);
    g_clear_pointer(&r->python_full_version, g_free);
}

static int rows_failed(int rc, struct ca_error *err)
{
    return rc == 0 ? CA_OK : ca_fail_errno(err, CA_ERR_RESOURCES, rc, "build rows");
}

/* ---- results ---------------------------------------------------------------------------------------------------- */

static void file_result_free(void *data)
{
    struct file_result *r = data;
    for (size_t i = 0; i < N_OUTPUTS; i++)
        if (r->arrays[i].release)
            r->arrays[i].release(&r->arrays[i]);
    for (size_t i = 0; i < N_LAYERS; i++)
        g_free(r->layers[i].reason);
    repo_file_done(&r->file);
    g_free(r);
}

static void layer_set(struct file_result *r, enum layer layer, const char *status, const char *reason)
{
    g_free(r->layers[layer].reason);
    r->layers[layer] = (struct layer_status){.status = status, .reason = g_strdup(reason), .start_byte = -1};
}

/* ---- the lane's interpreter -------------------------------------------------------------------------------------- */

static void take_python_layer(struct file_result *r, enum layer layer, enum output output,
                              struct cpython_layer_result *from)
{
    layer_set(r, layer, cpython_status_name(from->status), from->reason);
    r->layers[layer].start_byte = from->start_byte;
    r->layers[layer].n_facts = from->n_facts;
    r->layers[layer].is_budget = from->is_budget;
    r->layers[layer].is_python = from->status != CPYTHON_SKIPPED;
    r->arrays[output] = from->batch;
    from->batch.release = NULL;
}

static int run_python(struct lane *lane, struct file_result *r, struct ca_error *err)
{
    const struct extract *x = lane->extract;
    struct cpython_result from = {0};
    unsigned layers = 0;
    if (x->wanted[LAYER_AST])
        layers |= 1u << CPYTHON_AST;
    if (x->wanted[LAYER_SYMTABLE])
        layers |= 1u << CPYTHON_SYMTABLE;
    CA_TRY(cpython_pool_run_file(x->pool, lane->number, &r->file, layers, &from, err));
    if (x->wanted[LAYER_AST])
        take_python_layer(r, LAYER_AST, AST, &from.layers[CPYTHON_AST]);
    if (x->wanted[LAYER_SYMTABLE])
        take_python_layer(r, LAYER_SYMTABLE, SYMTABLE, &from.layers[CPYTHON_SYMTABLE]);
    cpython_result_done(&from);
    return CA_OK;
}

static void *python_main(void *data)
{
    struct lane *lane = data;
    for (;;) {
        void *job = g_async_queue_pop(lane->to_python);
        if (job == lane)
            return NULL;
        lane->python_status = run_python(lane, job, &lane->python_error);
        g_async_queue_push(lane->from_python, job);
    }
}

/* ---- the lane's parser ------------------------------------------------------------------------------------------- */

static const char *const syntax_statuses[] = {
    [TREESITTER_OK] = "ok",
    [TREESITTER_RECOVERED] = "recovered",
    [TREESITTER_FAILED] = "failed",
};

static int run_syntax(struct lane *lane, struct file_result *r, struct ca_error *err)
{
    const struct extract *x = lane->extract;
    struct treesitter_result from = {0};
    CA_TRY(treesitter_extract(lane->parser, &r->file, lane->tree_sitter, lane->libcst, &from, err));
    const struct treesitter_layer *results[] = {&from.tree_sitter, &from.libcst};
    static const enum layer layers[] = {LAYER_TREE_SITTER, LAYER_LIBCST};
    for (size_t i = 0; i < G_N_ELEMENTS(layers); i++) {
        if (!x->wanted[layers[i]])
            continue;
        layer_set(r, layers[i], syntax_statuses[results[i]->status],
                  results[i]->status == TREESITTER_OK ? NULL : results[i]->reason);
        r->layers[layers[i]].start_byte = results[i]->start_byte;
        r->layers[layers[i]].n_facts = results[i]->n_facts;
    }
    int rc = tree_sitter_files_v1_take(lane->tree_sitter, &r->arrays[TREE_SITTER]);
    if (rc == 0)
        rc = libcst_files_v1_take(lane->libcst, &r->arrays[LIBCST]);
    CA_TRY(rows_failed(rc, err));
    for (enum output o = TREE_SITTER; o <= LIBCST; o++)
        if (r->arrays[o].length == 0 || !x->wanted[layers[o - TREE_SITTER]]) {
            r->arrays[o].release(&r->arrays[o]);
            r->arrays[o].release = NULL;
        }
    return CA_OK;
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

static void mark_all(const struct extract *x, struct file_result *r, const char *status, const char *reason)
{
    for (enum layer l = LAYER_TREE_SITTER; l < N_LAYERS; l++)
        if (x->wanted[l])
            layer_set(r, l, status, reason);
}

static int run_layers(struct lane *lane, struct file_result *r, struct ca_error *err)
{
    const struct extract *x = lane->extract;
    bool wants_python = x->wanted[LAYER_AST] || x->wanted[LAYER_SYMTABLE];
    if (wants_python && !x->pool) {
        for (enum layer l = LAYER_AST; l <= LAYER_SYMTABLE; l++)
            if (x->wanted[l])
                layer_set(r, l, "skipped", x->python_missing);
        wants_python = false;
    }
    if (wants_python)
        g_async_queue_push(lane->to_python, r);
    int rc = CA_OK;
    if (x->wanted[LAYER_TREE_SITTER] || x->wanted[LAYER_LIBCST])
        rc = run_syntax(lane, r, err);
    if (wants_python) {
        (void)g_async_queue_pop(lane->from_python);
        if (rc == CA_OK && lane->python_status != CA_OK)
            rc = ca_fail(err, lane->python_status, "%s", lane->python_error.message);
    }
    return rc;
}

/* Why a layer that read the file is not content with it: the encoding comes first, since the others follow from it. */
static void set_repo_status(struct file_result *r)
{
    const struct repo_file *f = &r->file;
    if (f->failure)
        layer_set(r, LAYER_REPO, "failed", f->failure);
    else if (f->encoding_error)
        layer_set(r, LAYER_REPO, "recovered", f->encoding_error);
    else if (f->decode_error)
        layer_set(r, LAYER_REPO, "recovered", f->decode_error);
    else
        layer_set(r, LAYER_REPO, "ok", NULL);
    r->layers[LAYER_REPO].start_byte = f->error_byte;
    r->layers[LAYER_REPO].n_facts = f->failure ? 0 : 1;
}

static int run_file(struct lane *lane, size_t number, struct file_result *r, struct ca_error *err)
{
    const struct extract *x = lane->extract;
    CA_TRY(repo_file_load(x->scan, number, FILE_MAX_BYTES, &r->file, err));
    set_repo_status(r);
    if (r->file.failure) {
        mark_all(x, r, "skipped", "the file could not be read");
        return CA_OK;
    }
    CA_TRY_CTX(run_layers(lane, r, err), err, "file '%s'", r->file.entry->path);
    return CA_OK;
}

static void *lane_main(void *data)
{
    struct lane *lane = data;
    struct extract *x = lane->extract;
    size_t number = 0;
    while (sequencer_take(x->sequencer, &number)) {
        struct file_result *r = g_new0(struct file_result, 1);
        struct ca_error err = {0};
        if (run_file(lane, number, r, &err) != CA_OK) {
            sequencer_stop(x->sequencer, &err);
            file_result_free(r);
            break;
        }
        repo_file_drop_content(&r->file); /* only what the flat rows need is kept while the file waits for its turn */
        sequencer_deliver(x->sequencer, number, r);
    }
    if (lane->python_thread)
        g_async_queue_push(lane->to_python, lane);
    return NULL;
}

/* ---- in order: rows out ------------------------------------------------------------------------------------------ */

static int flush_flat(struct extract *x, int64_t at_least, struct ca_error *err)
{
    struct ArrowArray rows = {0};
    if (repo_files_v1_n_rows(x->repo_rows) >= at_least) {
        CA_TRY(rows_failed(repo_files_v1_take(x->repo_rows, &rows), err));
        CA_TRY(rows_queue_push(x->writers[REPO_FILES].queue, &rows, err));
    }
    if (file_layers_v1_n_rows(x->layer_rows) >= at_least) {
        CA_TRY(rows_failed(file_layers_v1_take(x->layer_rows, &rows), err));
        CA_TRY(rows_queue_push(x->writers[FILE_LAYERS].queue, &rows, err));
    }
    return CA_OK;
}

static int emit_repo_row(struct extract *x, const struct file_result *r, struct ca_error *err)
{
    const struct repo_file *f = &r->file;
    const struct repo_entry *e = f->entry;
    struct rows_str content = {0};
    if (!f->failure)
        content = (struct rows_str){.data = (const char *)f->content_id.bytes, .n_bytes = sizeof f->content_id.bytes};
    struct repo_files_v1_row row = {
        .file_id = e->file_id,
        .path = rows_str_of(e->path),
        .content_id = content,
        .has_size_bytes = !f->failure,
        .size_bytes = (int64_t)f->n_raw,
        .kind = rows_str_of(e->is_stub ? "stub" : "source"),
        .encoding = rows_str_of(f->encoding),
        .has_bom = f->has_bom,
        .is_ascii = f->is_ascii,
        .newline = rows_str_of(repo_newline_name(f->newline)),
        .n_lines = f->n_lines,
        .git_blob = rows_str_of(f->git_blob[0] ? f->git_blob : NULL),
        .has_is_tracked = e->has_git,
        .is_tracked = e->is_tracked,
    };
    return rows_failed(repo_files_v1_finish_row(x->repo_rows, &row), err);
}

static int emit_layer_rows(struct extract *x, const struct file_result *r, struct ca_error *err)
{
    /* ast, libcst, repo, symtable, tree_sitter: the table's order is path, layer */
    static const enum layer by_name[] = {LAYER_AST, LAYER_LIBCST, LAYER_REPO, LAYER_SYMTABLE, LAYER_TREE_SITTER};
    for (size_t i = 0; i < G_N_ELEMENTS(by_name); i++) {
        const struct layer_status *l = &r->layers[by_name[i]];
        if (!l->status)
            continue;
        struct file_layers_v1_row row = {
            .file_id = r->file.entry->file_id,
            .path = rows_str_of(r->file.entry->path),
            .layer = rows_str_of(layer_names[by_name[i]]),
            .python_version = rows_str_of(l->is_python ? x->result.python_version : NULL),
            .status = rows_str_of(l->status),
            .reason = rows_str_of(l->reason),
            .has_start_byte = l->start_byte >= 0,
            .start_byte = l->start_byte,
            .n_facts = l->n_facts,
        };
        CA_TRY(rows_failed(file_layers_v1_finish_row(x->layer_rows, &row), err));
        if (strcmp(l->status, "failed") == 0)
            x->result.n_failed_layers++;
        if (l->is_budget)
            x->result.is_reproducible = false;
    }
    return CA_OK;
}

static int emit_rows(struct extract *x, struct file_result *r, struct ca_error *err)
{
    CA_TRY(emit_repo_row(x, r, err));
    CA_TRY(emit_layer_rows(x, r, err));
    CA_TRY(flush_flat(x, SMALL_ROWS, err));
    for (size_t i = 0; i < N_OUTPUTS; i++)
        if (r->arrays[i].release)
            CA_TRY(rows_queue_push(x->writers[i].queue, &r->arrays[i], err));
    return CA_OK;
}

static int emit_file(void *data, size_t number, void *result, struct ca_error *err)
{
    struct extract *x = data;
    int rc = emit_rows(x, result, err);
    file_result_free(result);
    x->result.n_files = (int64_t)number + 1;
    if (rc == CA_OK && x->advance)
        x->advance(x->advance_data, x->result.n_files, (int64_t)repo_scan_n_entries(x->scan));
    return rc;
}

/* ---- writers ----------------------------------------------------------------------------------------------------- */

static void *writer_main(void *data)
{
    struct writer *w = data;
    struct ArrowArrayStream rows = {0};
    w->status = rows_queue_stream(w->queue, &rows, &w->error);
    if (w->status == CA_OK)
        w->status = stage_write(&w->stage, "public", output_names[w->output], NULL, &rows, NULL, &w->error);
    if (w->status != CA_OK) {
        w->is_echo = sequencer_is_stopped(w->extract->sequencer);
        sequencer_stop(w->extract->sequencer, &w->error);
    }
    return NULL;
}

static int writer_start(struct extract *x, enum output output, const struct stage_options *stage, struct ca_error *err)
{
    struct writer *w = &x->writers[output];
    struct ArrowSchema schema = {0};
    w->extract = x;
    w->output = output;
    w->stage = *stage;
    w->stage.outputs = g_array_new(FALSE, TRUE, sizeof(struct stage_output));
    w->stage.diag = NULL; /* writers finish in any order, and the rows of a run come in one */
    CA_TRY(catalog_declared_schema(stage->catalog, "public", output_names[output], &schema, err));
    CA_TRY(rows_queue_new(&schema, QUEUE_MAX_BYTES, &w->queue, err));
    rows_queue_gather(w->queue, GATHER_BYTES);
    w->thread = g_thread_new("writer", writer_main, w);
    return CA_OK;
}

/* `failure` NULL: the rows are complete, commit them. */
static void writers_close(struct extract *x, const char *failure)
{
    for (size_t i = 0; i < N_OUTPUTS; i++)
        if (x->writers[i].queue)
            rows_queue_close(x->writers[i].queue, failure);
    for (size_t i = 0; i < N_OUTPUTS; i++)
        if (x->writers[i].thread)
            g_thread_join(g_steal_pointer(&x->writers[i].thread));
}

/* The first failure that is not the echo of another one. */
static int writers_status(const struct extract *x, struct ca_error *err)
{
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        const struct writer *w = &x->writers[i];
        if (w->status != CA_OK && !w->is_echo)
            return ca_fail(err, w->status, "%s", w->error.message);
    }
    return CA_OK;
}

/* Outputs in the order of `enum output`, whoever finished first. */
static void writers_collect(struct extract *x, const struct stage_options *stage)
{
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        GArray *own = x->writers[i].stage.outputs;
        for (guint j = 0; stage->diag && j < own->len; j++)
            stage_record(stage->diag, &g_array_index(own, struct stage_output, j));
        g_array_append_vals(stage->outputs, own->data, own->len);
        g_array_set_size(own, 0);
    }
}

/* ---- the stage --------------------------------------------------------------------------------------------------- */

static int choose_layers(struct extract *x, struct ca_error *err)
{
    char *const *wanted = x->options->project->layers;
    bool is_all = !wanted || !wanted[0];
    for (enum layer l = 0; l < N_LAYERS; l++)
        x->wanted[l] = is_all || l == LAYER_REPO;
    for (size_t i = 0; !is_all && wanted[i]; i++) {
        enum layer l = 0;
        while (l < N_LAYERS && strcmp(layer_names[l], wanted[i]) != 0)
            l++;
        if (l == N_LAYERS)
            return ca_fail(err, CA_ERR_INVALID, "unknown layer '%s': one of tree_sitter, libcst, ast, symtable",
                           wanted[i]);
        x->wanted[l] = true;
    }
    return CA_OK;
}

/* No interpreter is a fact of every file, not an error of the build. */
static int open_interpreter(struct extract *x, struct ca_error *err)
{
    if (!x->wanted[LAYER_AST] && !x->wanted[LAYER_SYMTABLE])
        return CA_OK;
    if (!x->options->worker_path) {
        x->python_missing = g_strdup(x->options->worker_missing);
        return CA_OK;
    }
    struct cpython_options o = {
        .python = x->options->project->python,
        .start_dir = x->options->project->root,
        .worker_module_path = x->options->worker_path,
        .n_workers = x->n_lanes,
    };
    CA_TRY(cpython_pool_open(&o, &x->pool, err));
    const char *skip_reason = cpython_pool_skip_reason(x->pool);
    if (skip_reason) {
        x->python_missing = g_strdup(skip_reason);
        log_emit(LOG_WARN, "build", "no interpreter", "reason", skip_reason, NULL);
        cpython_pool_close(g_steal_pointer(&x->pool));
        return CA_OK;
    }
    x->result.python_version = g_strdup(cpython_pool_python_version(x->pool));
    x->result.python_full_version = g_strdup(cpython_pool_full_version(x->pool));
    return CA_OK;
}

static int lane_init(struct lane *lane, struct extract *x, unsigned number, struct ca_error *err)
{
    lane->extract = x;
    lane->number = number;
    lane->to_python = g_async_queue_new();
    lane->from_python = g_async_queue_new();
    CA_TRY(treesitter_new(&lane->parser, err));
    CA_TRY(rows_failed(tree_sitter_files_v1_new(&lane->tree_sitter), err));
    return rows_failed(libcst_files_v1_new(&lane->libcst), err);
}

static void lane_done(struct lane *lane)
{
    treesitter_free(lane->parser);
    tree_sitter_files_v1_free(lane->tree_sitter);
    libcst_files_v1_free(lane->libcst);
    g_clear_pointer(&lane->to_python, g_async_queue_unref);
    g_clear_pointer(&lane->from_python, g_async_queue_unref);
}

static int extract_init(struct extract *x, struct ca_error *err)
{
    if (x->options->n_workers > MAX_LANES)
        return ca_fail(err, CA_ERR_INVALID, "%u workers are more than %d", x->options->n_workers, MAX_LANES);
    size_t n_entries = repo_scan_n_entries(x->scan);
    x->n_lanes = x->options->n_workers ? x->options->n_workers : g_get_num_processors();
    x->n_lanes =
        (unsigned)MIN(x->n_lanes, MAX(n_entries, 1)); /* a lane without a file would start an interpreter for nothing */
    x->lanes = g_new0(struct lane, x->n_lanes);
    x->sequencer = sequencer_new(n_entries, WINDOW_FILES, emit_file, file_result_free, x);
    x->result.is_reproducible = true;
    CA_TRY(choose_layers(x, err));
    CA_TRY(open_interpreter(x, err));
    CA_TRY(rows_failed(repo_files_v1_new(&x->repo_rows), err));
    CA_TRY(rows_failed(file_layers_v1_new(&x->layer_rows), err));
    for (unsigned i = 0; i < x->n_lanes; i++)
        CA_TRY(lane_init(&x->lanes[i], x, i, err));
    return CA_OK;
}

int extract_open(const struct build_options *options, const struct repo_scan *scan, struct extract **ret,
                 struct ca_error *err)
{
    struct extract *x = g_new0(struct extract, 1);
    x->options = options;
    x->scan = scan;
    int rc = extract_init(x, err);
    if (rc != CA_OK) {
        extract_close(x);
        return rc;
    }
    *ret = x;
    return CA_OK;
}

static int extract_files(struct extract *x, struct ca_error *err)
{
    for (unsigned i = 0; i < x->n_lanes; i++) {
        struct lane *lane = &x->lanes[i];
        if (x->pool)
            lane->python_thread = g_thread_new("python", python_main, lane);
        lane->thread = g_thread_new("parser", lane_main, lane);
    }
    for (unsigned i = 0; i < x->n_lanes; i++) {
        g_thread_join(x->lanes[i].thread);
        if (x->lanes[i].python_thread)
            g_thread_join(x->lanes[i].python_thread);
    }
    CA_TRY(sequencer_finish(x->sequencer, err));
    return flush_flat(x, 1, err);
}

const char *const *extract_builtins(const struct extract *x)
{
    return x->pool ? cpython_pool_builtins(x->pool) : NULL;
}

void extract_close(struct extract *x)
{
    if (!x)
        return;
    for (unsigned i = 0; i < x->n_lanes; i++)
        lane_done(&x->lanes[i]);
    g_free(x->lanes);
    for (size_t i = 0; i < N_OUTPUTS; i++) {
        GArray *own = x->writers[i].stage.outputs;
        for (guint j = 0; own && j < own->len; j++)
            stage_output_done(&g_array_index(own, struct stage_output, j));
        g_clear_pointer(&own, g_array_unref);
        rows_queue_unref(x->writers[i].queue);
    }
    repo_files_v1_free(x->repo_rows);
    file_layers_v1_free(x->layer_rows);
    sequencer_free(x->sequencer);
    cpython_pool_close(x->pool);
    g_free(x->python_missing);
    extract_result_done(&x->result);
    g_free(x);
    /* Parsers leave tens of megabytes of small pieces; the models that follow take their memory elsewhere. */
    (void)malloc_trim(0);
}

static int extract_rows(struct extract *x, const struct stage_options *stage, struct ca_error *err)
{
    for (enum output o = 0; o < N_OUTPUTS; o++)
        CA_TRY(writer_start(x, o, stage, err));
    return extract_files(x, err);
}

int extract_run(struct extract *x, const struct stage_options *stage,
                void (*advance)(void *data, int64_t n_done, int64_t n_total), void *advance_data,
                struct extract_result *ret, struct ca_error *err)
{
    x->advance = advance;
    x->advance_data = advance_data;
    int rc = extract_rows(x, stage, err);
    writers_close(x, rc == CA_OK ? NULL : err && err->message[0] ? err->message : "the build stopped");
    /* A writer that failed is the cause; that its queue then took no more rows is only what followed. */
    int writers_rc = writers_status(x, err);
    if (rc == CA_OK || (writers_rc != CA_OK && rc == CA_ERR_CANCELED))
        rc = writers_rc;
    if (rc != CA_OK)
        return rc;
    writers_collect(x, stage);
    *ret = x->result;
    x->result = (struct extract_result){0};
    return CA_OK;
}
