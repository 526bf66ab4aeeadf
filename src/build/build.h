/* build/build.h — the pipeline: repo → extract → catalog → stage → publish.
 *
 *   scan     files of the repository, sorted; meanwhile contracts are checked, models planned and interpreters started
 *   extract  each file once: syntax layers here, CPython's in workers, ordered by sequencer; a Delta table a bundle
 *   models   stage_run over the compiled plan
 *   publish  manifest and pointer; pruning of what no kept run needs
 *
 * Invariants
 *   1. Until publish, a reader sees the run before; after it, this one. There is no state between.
 *   2. Rows depend on files, contracts and the interpreter's version: not on workers, directory, time or locale.
 *   3. A file that fails in a layer is a row of file_layers_v1; only the store, the engine or a contract can fail the
 *      build.
 * Threads: one build a call; options.progress is never called twice at once.
 */
#ifndef CA_BUILD_BUILD_H
#define CA_BUILD_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/engine.h"
#include "repo/repo.h"
#include "rows/function.h"

/* done, total  files or models of the stage; total 0: not known. n_rows: rows written so far in the whole build */
struct build_progress {
    const char *stage;
    int64_t n_done;
    int64_t n_total;
    int64_t n_rows;
    int64_t elapsed_ns;
};

/* Rows of a parameter table of the run. The stream is taken. */
struct build_params {
    const char *name;
    struct ArrowArrayStream *rows;
};

/* project       scan settings, python, layers; store already resolved in `store`
 * worker_path   the extension module that workers load; NULL: CPython layers are skipped, `worker_missing` says why
 * n_workers     0: one a core */
struct build_options {
    const struct repo_project *project;
    const char *store;
    const char *datasets_dir;
    const char *worker_path;
    const char *worker_missing;
    unsigned n_workers;
    struct engine_options engine;
    const struct rows_function *functions;
    size_t n_functions;
    const struct build_params *params;
    size_t n_params;
    struct engine_cancel *cancel;
    void (*progress)(void *data, const struct build_progress *progress);
    void *progress_data;
};

/* store, run_id: owned by the struct, build_result_done frees. */
struct build_result {
    char *run_id;
    char *store;
    int64_t n_files;
    int64_t n_failed_layers;
    int64_t n_rows;
    int64_t n_bytes;
    int64_t elapsed_ns;
    bool is_reproducible;
};

int build_run(const struct build_options *options, struct build_result *ret, struct ca_error *err) CA_MUST_CHECK;
void build_result_done(struct build_result *r);

#endif
