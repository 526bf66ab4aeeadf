/* tests/support/pool.c — see the header. */
#include "support/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

struct pool_file *pool_file_new(const char *path, const void *bytes, size_t n_bytes)
{
    struct pool_file *f = g_new0(struct pool_file, 1);
    f->entry.path = g_strdup(path);
    f->entry.file_id = position_file_id("repo", 4, path, strlen(path));
    f->file.entry = &f->entry;
    f->file.raw = g_malloc0(n_bytes + 1);
    memcpy(f->file.raw, bytes, n_bytes);
    f->file.n_raw = n_bytes;
    f->file.content_id = position_content_id(bytes, n_bytes);
    return f;
}

void pool_file_free(struct pool_file *f)
{
    g_free(f->entry.path);
    g_free(f->file.raw);
    g_free(f);
}

struct pool_file *pool_file_of(const char *path, GString *text)
{
    struct pool_file *f = pool_file_new(path, text->str, text->len);
    g_string_free(text, TRUE);
    return f;
}

GString *pool_text_repeat(const char *before, const char *part, int n, const char *after)
{
    GString *text = g_string_new(before);
    for (int i = 0; i < n; i++)
        g_string_append(text, part);
    return g_string_append(text, after);
}

char *pool_worker_path(void)
{
    const char *folder = g_getenv("CA_WORKER_DIR");
    assert_non_null(folder);
    return g_build_filename(folder, "codeanatomy_worker.abi3.so", NULL);
}

int pool_open(struct cpython_options options, struct cpython_pool **ret, struct ca_error *err)
{
    g_autofree char *path = pool_worker_path();
    if (options.worker_module_path == NULL)
        options.worker_module_path = path;
    return cpython_pool_open(&options, ret, err);
}

struct cpython_pool *pool_new(struct cpython_options options)
{
    struct cpython_pool *pool = NULL;
    struct ca_error err = {.code = CA_OK};
    if (pool_open(options, &pool, &err) != CA_OK)
        fail_msg("%s", err.message);
    return pool;
}

struct cpython_result pool_run(struct cpython_pool *pool, const struct pool_file *f)
{
    struct cpython_result result = {0};
    struct ca_error err = {.code = CA_OK};
    if (cpython_pool_run_file(pool, 0, &f->file, CPYTHON_ALL_LAYERS, &result, &err) != CA_OK)
        fail_msg("%s: %s", f->entry.path, err.message);
    return result;
}

void pool_assert_works(struct cpython_pool *pool)
{
    struct pool_file *f = pool_file_new("good.py", "y = 1\n", 6);
    struct cpython_result result = pool_run(pool, f);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_OK);
        assert_null(result.layers[i].reason);
        assert_non_null(result.layers[i].batch.release);
    }
    assert_int_equal(result.layers[CPYTHON_SYMTABLE].n_facts, 1);
    cpython_result_done(&result);
    pool_file_free(f);
}

GString *pool_text_module(size_t n_bytes)
{
    GString *text = g_string_new(NULL);
    for (int i = 0; text->len < n_bytes; i++)
        g_string_append_printf(
            text, "value_%06d = call(argument, 'some text of no importance that fills the line', %d)\n", i, i);
    return text;
}

int pool_set_up(void **state)
{
    *state = pool_new((struct cpython_options){.n_workers = 1});
    if (cpython_pool_skip_reason(*state) != NULL)
        fail_msg("these tests need an interpreter: %s", cpython_pool_skip_reason(*state));
    return 0;
}

int pool_tear_down(void **state)
{
    cpython_pool_close(*state);
    return 0;
}
