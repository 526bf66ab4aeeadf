/* extract/cpython/cpython.h — what the target interpreter says about a file: the layers `ast` and `symtable`.
 *
 * The interpreter is resolved once (a shim such as pyenv's depends on the folder it is called in), then runs as a pool
 * of worker processes, each loading worker/'s extension and answering one file at a time with one Arrow row a layer.
 * User code is compiled there, never executed or imported. A host thread owns a worker by its index and blocks in
 * cpython_pool_run_file.
 *
 *     struct cpython_options o = {.python = "python3", .n_workers = 2, .worker_module_path = path};
 *     CA_TRY(cpython_pool_open(&o, &pool, err));
 *     struct cpython_result result = {0};
 *     CA_TRY(cpython_pool_run_file(pool, worker_index, &file, CPYTHON_ALL_LAYERS, &result, err));
 *     ... result.layers[CPYTHON_AST].batch ...
 *     cpython_result_done(&result);
 *     cpython_pool_close(pool);
 *
 * Invariants
 *   1. Whatever a file does to a worker is a fact about that file: a crash, a hang or a memory limit is its status, the
 * worker is started anew, and the next file sees nothing of it. A file that kills a worker twice is not tried a third
 * time. Where three workers in a row are killed or hang before they are ready, no more are started, and what is left is
 * skipped with the reason.
 *   2. What a worker answers is not believed: framing, sizes, Arrow structure, nullability, UTF-8 and identity are
 * checked.
 *   3. No usable interpreter is no error: every layer is skipped, with the reason.
 *   4. The process's signal dispositions are untouched; workers are in process groups of their own and end with the
 * host. Threads: open and close in one thread; run_file from several at once, each with its own index.
 */
#ifndef CA_EXTRACT_CPYTHON_CPYTHON_H
#define CA_EXTRACT_CPYTHON_CPYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codeanatomy/arrow.h"

#include "base/error.h"
#include "repo/repo.h"

enum cpython_layer { CPYTHON_AST, CPYTHON_SYMTABLE, CPYTHON_N_LAYERS };

/* Sets of layers are bits 1 << enum cpython_layer. */
#define CPYTHON_ALL_LAYERS ((1u << CPYTHON_N_LAYERS) - 1)

/* As in file_layers_v1.layer. */
const char *cpython_layer_name(enum cpython_layer layer);

enum cpython_status { CPYTHON_OK, CPYTHON_RECOVERED, CPYTHON_FAILED, CPYTHON_SKIPPED };

/* As in file_layers_v1.status. */
const char *cpython_status_name(enum cpython_status status);

/* python              command or path; NULL: "python3"
 * start_dir           folder in which the command is resolved; NULL: the working directory
 * worker_module_path  codeanatomy_worker.abi3.so
 * n_workers           at least 1
 * memory_limit_bytes  for each worker, beyond what the interpreter itself takes; 0: 2 GiB
 * watchdog_ms         longest time for one file; 0: 120,000
 * start_ms            longest time until a worker is ready; 0: 30,000
 * All are borrowed by cpython_pool_open only.
 */
struct cpython_options {
    const char *python;
    const char *start_dir;
    const char *worker_module_path;
    unsigned n_workers;
    uint64_t memory_limit_bytes;
    int64_t watchdog_ms;
    int64_t start_ms;
};

/* status      reason is set unless CPYTHON_OK
 * is_budget   a limit, or something outside of the file and us (a worker that was killed), is the reason, so the run is
 *             not reproducible
 * reason      owned
 * start_byte  raw offset of the first error, -1: unknown
 * n_facts     rows of the layer's largest list
 * batch       one row of the layer's dataset; release is NULL where there is none. A file that CPython refuses has a
 * row in ast_files_v1 (with `errors` alone) and none in symtable_files_v1
 */
struct cpython_layer_result {
    enum cpython_status status;
    bool is_budget;
    char *reason;
    int64_t start_byte;
    int64_t n_facts;
    struct ArrowArray batch;
};

struct cpython_result {
    struct cpython_layer_result layers[CPYTHON_N_LAYERS];
};

/* Safe on zeroed memory and where batches were moved out. */
void cpython_result_done(struct cpython_result *r);

struct cpython_pool;

/* Resolve the interpreter and start the workers. Where there is no usable interpreter the pool opens all the same, see
 * cpython_pool_skip_reason; so it does where workers are killed before they are ready. CA_ERR_INVALID: n_workers is 0;
 * CA_ERR_WORKER: the interpreter is fine but cannot load our worker, or no process can be started. */
int cpython_pool_open(const struct cpython_options *options, struct cpython_pool **ret,
                      struct ca_error *err) CA_MUST_CHECK;

/* Ends the workers, at once. NULL is fine. */
void cpython_pool_close(struct cpython_pool *pool);

/* Why every layer is skipped; NULL: it is not. */
const char *cpython_pool_skip_reason(const struct cpython_pool *pool);

/* Why no worker is started any more, so that the rest is skipped; NULL: they are. Any thread. */
const char *cpython_pool_given_up(struct cpython_pool *pool);

/* major.minor as in the datasets; path of the executable; sys.version. NULL when skipped. */
const char *cpython_pool_python_version(const struct cpython_pool *pool);
const char *cpython_pool_executable(const struct cpython_pool *pool);
const char *cpython_pool_full_version(const struct cpython_pool *pool);

/* Names that the interpreter's module builtins has, and those of its class object as `object.NAME`; NULL-terminated.
 * NULL when skipped. */
const char *const *cpython_pool_builtins(const struct cpython_pool *pool);

/* Process id of worker i, -1 while it is not ready; largest resident set any worker had so far, in bytes. For reports.
 */
int64_t cpython_pool_worker_pid(const struct cpython_pool *pool, unsigned i);
uint64_t cpython_pool_peak_bytes(const struct cpython_pool *pool);

/* Run `layers` of one loaded file (borrowed) in worker `worker_index`; layers that were not asked for stay zeroed. *ret
 * must be zeroed, the caller frees it with cpython_result_done. Fails only where memory of the host is short
 * (CA_ERR_RESOURCES) or the index is wrong (CA_ERR_BUG). */
int cpython_pool_run_file(struct cpython_pool *pool, unsigned worker_index, const struct repo_file *file,
                          unsigned layers, struct cpython_result *ret, struct ca_error *err) CA_MUST_CHECK;

/* Schema of a layer's batches. *ret is the caller's to release. */
int cpython_layer_schema(enum cpython_layer layer, struct ArrowSchema *ret, struct ca_error *err) CA_MUST_CHECK;

#endif
