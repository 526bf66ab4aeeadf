/* tests/support/pool.h — pools of workers, and the files that they are given. Failures end the test. */
#ifndef CA_TESTS_SUPPORT_POOL_H
#define CA_TESTS_SUPPORT_POOL_H

#include <glib.h>

#include "extract/cpython/cpython.h"

#define MIB ((uint64_t)1024 * 1024)

struct pool_file {
    struct repo_entry entry;
    struct repo_file file;
};

/* A file of these bytes; pool_file_free. */
struct pool_file *pool_file_new(const char *path, const void *bytes, size_t n_bytes);
struct pool_file *pool_file_of(const char *path, GString *text); /* takes the text */
void pool_file_free(struct pool_file *f);

/* `before`, `part` n times, `after`; a module of plain calls, of n_bytes or a little more. */
GString *pool_text_repeat(const char *before, const char *part, int n, const char *after);
GString *pool_text_module(size_t n_bytes);

/* A pool with the worker of this build, where the options name no other; cpython_pool_close. */
char *pool_worker_path(void);
int pool_open(struct cpython_options options, struct cpython_pool **ret, struct ca_error *err);
struct cpython_pool *pool_new(struct cpython_options options); /* which must open */

/* All layers of a file from worker 0; cpython_result_done. */
struct cpython_result pool_run(struct cpython_pool *pool, const struct pool_file *f);

/* The worker, or its successor, still does its work. */
void pool_assert_works(struct cpython_pool *pool);

/* cmocka setup and teardown of a group: *state is a pool of one worker. */
int pool_set_up(void **state);
int pool_tear_down(void **state);

#endif
