/* tests/unit/test_cpython.c — the CPython layers: facts of odd files, and what files, workers and interpreters may do
 * to a run.
 *
 * The interpreter is `python3` of PATH, any version from 3.9 on: what differs between versions is not asserted here
 * (the oracles of tests/oracle hold every node and symbol against the interpreter itself).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <nanoarrow/nanoarrow_ipc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "extract/cpython/cpython.h"
#include "extract/cpython/decode.h"
#include "rows/gen/ast_files_v1.h"

#define MIB ((uint64_t)1024 * 1024)

/* ---- files and pools ----------------------------------------------------------------------------------------------
 */

struct loaded {
    struct repo_entry entry;
    struct repo_file file;
};

static struct loaded *load(const char *path, const void *bytes, size_t n_bytes)
{
    struct loaded *l = g_new0(struct loaded, 1);
    l->entry.path = g_strdup(path);
    l->entry.file_id = position_file_id("repo", 4, path, strlen(path));
    l->file.entry = &l->entry;
    l->file.raw = g_malloc0(n_bytes + 1);
    memcpy(l->file.raw, bytes, n_bytes);
    l->file.n_raw = n_bytes;
    l->file.content_id = position_content_id(bytes, n_bytes);
    return l;
}

static void unload(struct loaded *l)
{
    g_free(l->entry.path);
    g_free(l->file.raw);
    g_free(l);
}

static struct loaded *load_string(const char *path, GString *text)
{
    struct loaded *l = load(path, text->str, text->len);
    g_string_free(text, TRUE);
    return l;
}

/* before, then part n times, then after */
static GString *repeat(const char *before, const char *part, int n, const char *after)
{
    GString *text = g_string_new(before);
    for (int i = 0; i < n; i++)
        g_string_append(text, part);
    return g_string_append(text, after);
}

static char *worker_path(void)
{
    const char *folder = g_getenv("CA_WORKER_DIR");
    assert_non_null(folder);
    return g_build_filename(folder, "codeanatomy_worker.abi3.so", NULL);
}

static int open_pool(struct cpython_options options, struct cpython_pool **ret, struct ca_error *err)
{
    g_autofree char *path = worker_path();
    if (options.worker_module_path == NULL)
        options.worker_module_path = path;
    return cpython_pool_open(&options, ret, err);
}

static struct cpython_pool *pool_of(struct cpython_options options)
{
    struct cpython_pool *pool = NULL;
    struct ca_error err = {.code = CA_OK};
    if (open_pool(options, &pool, &err) != CA_OK)
        fail_msg("%s", err.message);
    return pool;
}

static struct cpython_result run(struct cpython_pool *pool, const struct loaded *l)
{
    struct cpython_result result = {0};
    struct ca_error err = {.code = CA_OK};
    if (cpython_pool_run_file(pool, 0, &l->file, CPYTHON_ALL_LAYERS, &result, &err) != CA_OK)
        fail_msg("%s: %s", l->entry.path, err.message);
    return result;
}

/* The worker, or its successor, still does its work. */
static void assert_works(struct cpython_pool *pool)
{
    struct loaded *l = load("good.py", "y = 1\n", 6);
    struct cpython_result result = run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_OK);
        assert_null(result.layers[i].reason);
        assert_non_null(result.layers[i].batch.release);
    }
    assert_int_equal(result.layers[CPYTHON_SYMTABLE].n_facts, 1);
    cpython_result_done(&result);
    unload(l);
}

static int open_shared(void **state)
{
    *state = pool_of((struct cpython_options){.n_workers = 1});
    if (cpython_pool_skip_reason(*state) != NULL)
        fail_msg("these tests need an interpreter: %s", cpython_pool_skip_reason(*state));
    return 0;
}

static int close_shared(void **state)
{
    cpython_pool_close(*state);
    return 0;
}

/* ---- facts of odd files -------------------------------------------------------------------------------------------
 */

static bool is_text_at(const struct ArrowArrayView *view, int64_t i, const char *text)
{
    struct ArrowStringView found = ArrowArrayViewGetStringUnsafe(view, i);
    return (size_t)found.size_bytes == strlen(text) && memcmp(found.data, text, (size_t)found.size_bytes) == 0;
}

/* The raw text of the last Name among the nodes, its span_quality in *ret_quality (exact or not); NULL: it has no span.
 */
static char *last_name(const struct loaded *l, const struct ArrowArray *batch, bool *ret_is_exact)
{
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ca_error err;
    assert_int_equal(cpython_layer_schema(CPYTHON_AST, &schema, &err), CA_OK);
    assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
    assert_int_equal(ArrowArrayViewSetArray(&view, batch, NULL), 0);
    const struct ArrowArrayView *nodes = view.children[4]->children[0];
    char *text = NULL;
    for (int64_t i = 0; i < nodes->length; i++) {
        if (!is_text_at(nodes->children[2], i, "Name"))
            continue;
        g_free(text);
        text = NULL;
        *ret_is_exact = is_text_at(nodes->children[11], i, "exact");
        if (ArrowArrayViewIsNull(nodes->children[5], i))
            continue;
        int64_t start = ArrowArrayViewGetIntUnsafe(nodes->children[5], i);
        int64_t end = ArrowArrayViewGetIntUnsafe(nodes->children[6], i);
        assert_true(start >= 0 && start <= end && end <= (int64_t)l->file.n_raw);
        text = g_strndup((const char *)l->file.raw + start, (gsize)(end - start));
    }
    ArrowArrayViewReset(&view);
    ArrowSchemaRelease(&schema);
    return text;
}

/* reason      the end of it: the class of an error differs between versions; NULL: status is ok
 * start_byte  raw offset of the error
 * name        raw text of the last Name node
 */
struct odd_file {
    const char *title;
    const char *bytes;
    size_t n_bytes;
    enum cpython_status status;
    const char *reason;
    int64_t start_byte;
    const char *name;
};

#define BYTES(text) text, sizeof(text) - 1

static const struct odd_file odd_files[] = {
    {"empty", BYTES(""), CPYTHON_OK, NULL, -1, NULL},
    {"plain", BYTES("x = 1\ny\n"), CPYTHON_OK, NULL, -1, "y"},
    {"no newline at the end", BYTES("y"), CPYTHON_OK, NULL, -1, "y"},
    {"lone CR", BYTES("x = 1\rlast\r"), CPYTHON_OK, NULL, -1, "last"},
    {"CRLF in a string", BYTES("x = '''a\r\nb'''; last\r\n"), CPYTHON_OK, NULL, -1, "last"},
    {"form feed", BYTES("\fx = 1\n  \flast\n"), CPYTHON_OK, NULL, -1, "last"},
    {"byte order mark", BYTES("\xEF\xBB\xBF\xC3\xA9 = 1; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"latin-1", BYTES("# coding: latin-1\nx = '\xE9\xE9'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"latin-1, second line", BYTES("#!x\n# coding: latin-1\nx = '\xE9'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"shift_jis, backslash as second byte", BYTES("# coding: shift_jis\nx = '\x95\x5C\x8E\xA6'; last\n"), CPYTHON_OK,
     NULL, -1, "last"},
    {"iso-2022-jp, shift states", BYTES("# coding: iso-2022-jp\nx = '\x1B$BF|K\\\x1B(B'; last\n"), CPYTHON_OK, NULL, -1,
     "last"},
    {"utf-7", BYTES("# coding: utf-7\nx = '+AOk-'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"undecodable in a comment", BYTES("# \xFF\nlast\n"), CPYTHON_OK, NULL, -1, "last"},
    {"lone surrogate", BYTES("x = '\\ud800'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"integer of 12,042 digits", NULL, 0, CPYTHON_OK, NULL, -1, "last"}, /* made below */
    {"type comment in an odd place", BYTES("x = [ # type: int\n1]; last\n"), CPYTHON_RECOVERED,
     "type comments are left out: SyntaxError: invalid syntax", 14, "last"},
    {"broken syntax", BYTES("x = 1\ny = = 2\n"), CPYTHON_FAILED, "SyntaxError: invalid syntax", 10, NULL},
    {"broken behind two-byte characters", BYTES("\xC3\xA9\xC3\xA9 = = 2\n"), CPYTHON_FAILED,
     "SyntaxError: invalid syntax", 7, NULL},
    {"undecodable", BYTES("x = 1\ny = '\xFF'\n"), CPYTHON_FAILED,
     "SyntaxError: (unicode error) 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte", 11, NULL},
    {"unknown cookie", BYTES("# coding: nosuchcodec\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: unknown encoding: nosuchcodec", 10, NULL},
    {"unknown cookie on the second line", BYTES("\n#coding:nosuchcodec\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: unknown encoding: nosuchcodec", 9, NULL},
    {"mark and another cookie", BYTES("\xEF\xBB\xBF# coding: latin-1\n"), CPYTHON_FAILED,
     "SyntaxError: encoding problem: iso-8859-1 with BOM", 13, NULL},
    {"mark, another cookie and bytes that are neither", BYTES("\xEF\xBB\xBF# coding: ascii\nx = '\xFF'\n"),
     CPYTHON_FAILED, "SyntaxError: encoding problem: ascii with BOM", 13, NULL},
    {"cookie of a codec that is not for text", BYTES("# coding: rot13\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: 'rot13' is not a text encoding; use codecs.decode() to handle arbitrary codecs", 10, NULL},
    {"NUL before an unknown cookie", BYTES("#\0\n# coding: nosuchcodec\n"), CPYTHON_FAILED,
     "source code string cannot contain null bytes", 1, NULL},
    {"mark, NUL and a cookie that is right", BYTES("\xEF\xBB\xBF# coding: utf-8\n\0\n"), CPYTHON_FAILED,
     "source code string cannot contain null bytes", 19, NULL},
    {"utf-16 cookie", BYTES("# coding: utf-16\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: 'utf-16-le' codec can't decode byte 0x0a in position 22: truncated data", 22, NULL},
    {"NUL", BYTES("x = 1\n\0y\n"), CPYTHON_FAILED, "source code string cannot contain null bytes", 6, NULL},
};

/* C2 C4 C8: bad input of every kind is a row and a status; places are raw bytes whatever the encoding. */
static void odd_files_are_facts(void **state)
{
    struct cpython_pool *pool = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(odd_files); i++) {
        const struct odd_file *o = &odd_files[i];
        struct loaded *l = o->bytes != NULL ? load(o->title, o->bytes, o->n_bytes)
                                            : load_string(o->title, repeat("x = 0x", "f", 10000, "\nlast\n"));
        struct cpython_result result = run(pool, l);
        const struct cpython_layer_result *ast = &result.layers[CPYTHON_AST];
        const struct cpython_layer_result *symtable = &result.layers[CPYTHON_SYMTABLE];
        print_message("%s: %s %s\n", o->title, cpython_status_name(ast->status),
                      ast->reason != NULL ? ast->reason : "");
        assert_int_equal(ast->status, o->status);
        assert_int_equal(symtable->status, o->status == CPYTHON_FAILED ? CPYTHON_FAILED : CPYTHON_OK);
        assert_int_equal(ast->start_byte, o->start_byte);
        assert_false(ast->is_budget);
        if (o->reason == NULL)
            assert_null(ast->reason);
        else
            assert_true(ast->reason != NULL && g_str_has_suffix(ast->reason, o->reason));
        assert_non_null(ast->batch.release); /* a file that does not parse has its error in a row */
        assert_int_equal(symtable->batch.release != NULL, o->status != CPYTHON_FAILED);
        assert_int_equal(ast->n_facts > 0, o->status != CPYTHON_FAILED);
        bool is_exact = false;
        g_autofree char *name = last_name(l, &ast->batch, &is_exact);
        if (o->name != NULL) {
            assert_string_equal(name, o->name);
            assert_true(is_exact);
        } else {
            assert_null(name);
        }
        cpython_result_done(&result);
        unload(l);
    }
    assert_works(pool);
}

/* n_errors  of the `errors` list and its only item's text */
static void assert_error_row(const struct ArrowArray *batch, const char *type, const char *message, int line,
                             int column, int64_t start_byte)
{
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ca_error err;
    assert_int_equal(cpython_layer_schema(CPYTHON_AST, &schema, &err), CA_OK);
    assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
    assert_int_equal(ArrowArrayViewSetArray(&view, batch, NULL), 0);
    for (int list = 4; list < 11; list++)
        assert_int_equal(view.children[list]->children[0]->length, 0);
    const struct ArrowArrayView *errors = view.children[11]->children[0];
    assert_int_equal(errors->length, 1);
    assert_true(is_text_at(errors->children[0], 0, type));
    assert_true(is_text_at(errors->children[1], 0, message));
    assert_int_equal(ArrowArrayViewGetIntUnsafe(errors->children[2], 0), line);
    assert_int_equal(ArrowArrayViewGetIntUnsafe(errors->children[3], 0), column);
    assert_int_equal(ArrowArrayViewGetIntUnsafe(errors->children[4], 0), start_byte);
    ArrowArrayViewReset(&view);
    ArrowSchemaRelease(&schema);
}

/* C2: a SyntaxError keeps CPython's own numbers, beside the raw byte. */
static void an_error_is_a_row(void **state)
{
    static const char bytes[] = "# coding: latin-1\n\xE9\xE9 = = 2\n";
    struct loaded *l = load("broken.py", bytes, sizeof bytes - 1);
    struct cpython_result result = run(*state, l);
    assert_error_row(&result.layers[CPYTHON_AST].batch, "SyntaxError", "invalid syntax", 2, 6, 23);
    cpython_result_done(&result);
    unload(l);
}

/* C8: CPython counts characters or UTF-8 bytes, as the error and the version would have it; the raw byte is the same
 * one. */
static void errors_have_raw_places(void **state)
{
    static const struct {
        const char *bytes;
        int64_t ast, symtable;
    } cases[] = {
        {"\xC3\xA9\xC3\xA9 = = 2\n", 7, 7},
        {"\xEF\xBB\xBF\xC3\xA9\xC3\xA9 = = 2\n", 10, 10},
        {"'\xC3\xA9\xC3\xA9' x\n", 7, 7},
        {"# coding: latin-1\n'\xE9\xE9' x\n", 23, 23},
        {"def f(x):\n  '\xC3\xA9\xC3\xA9'; global x\n", -1, 20},
        {"# coding: latin-1\ndef f(x):\n  '\xE9\xE9'; global x\n", -1, 36},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct loaded *l = load("broken.py", cases[i].bytes, strlen(cases[i].bytes));
        struct cpython_result result = run(*state, l);
        assert_int_equal(result.layers[CPYTHON_AST].start_byte, cases[i].ast);
        assert_int_equal(result.layers[CPYTHON_SYMTABLE].start_byte, cases[i].symtable);
        cpython_result_done(&result);
        unload(l);
    }
}

/* Only what is asked for is answered. */
static void layers_are_chosen(void **state)
{
    struct loaded *l = load("one.py", "y = 1\n", 6);
    struct cpython_result result = {0};
    struct ca_error err;
    assert_int_equal(cpython_pool_run_file(*state, 0, &l->file, 1u << CPYTHON_SYMTABLE, &result, &err), CA_OK);
    assert_null(result.layers[CPYTHON_AST].batch.release);
    assert_non_null(result.layers[CPYTHON_SYMTABLE].batch.release);
    cpython_result_done(&result);
    assert_int_equal(cpython_pool_run_file(*state, 1, &l->file, CPYTHON_ALL_LAYERS, &result, &err), CA_ERR_BUG);
    l->file.failure = g_strdup("permission denied");
    g_free(l->file.raw);
    l->file.raw = NULL;
    assert_int_equal(cpython_pool_run_file(*state, 0, &l->file, CPYTHON_ALL_LAYERS, &result, &err), CA_OK);
    assert_int_equal(result.layers[CPYTHON_AST].status, CPYTHON_FAILED);
    assert_string_equal(result.layers[CPYTHON_AST].reason, "permission denied");
    cpython_result_done(&result);
    g_free(l->file.failure);
    unload(l);
}

/* ---- depth and size -----------------------------------------------------------------------------------------------
 */

/* CPython 3.9 and 3.10 build trees of any depth, later ones refuse; both is an answer, a dead worker is not. */
static void deep_code_does_not_kill(void **state)
{
    enum { DEPTH = 100000 };
    static const struct {
        const char *before, *part, *after;
        const char *reason;    /* NULL: the depth may be fine */
        const char *or_reason; /* where it is not */
    } cases[] = {
        {"x = ", "(", "1", "SyntaxError: too many nested parentheses", NULL},
        {"x = ", "[", "]", "SyntaxError: too many nested parentheses", NULL},
        {"x", ".a", "\n", NULL, "RecursionError: maximum recursion depth exceeded during ast construction"},
        {"x", "()", "\n", NULL, "RecursionError: maximum recursion depth exceeded during ast construction"},
        {"x = 1", " + 1", "\n", NULL, "RecursionError: maximum recursion depth exceeded during ast construction"},
        {"x = ", "not ", "1\n", "MemoryError", NULL},
        {"if 1: pass\n", "elif 1: pass\n", "", "MemoryError", NULL},
    };
    struct cpython_pool *pool = *state;
    const int64_t pid = cpython_pool_worker_pid(pool, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct loaded *l = load_string("deep.py", repeat(cases[i].before, cases[i].part, DEPTH, cases[i].after));
        struct cpython_result result = run(pool, l);
        const struct cpython_layer_result *ast = &result.layers[CPYTHON_AST];
        print_message("%s: %s %s\n", cases[i].part, cpython_status_name(ast->status),
                      ast->reason != NULL ? ast->reason : "");
        assert_false(ast->is_budget);
        if (cases[i].reason != NULL)
            assert_true(ast->reason != NULL && g_str_has_prefix(ast->reason, cases[i].reason));
        else if (ast->status != CPYTHON_OK)
            assert_string_equal(ast->reason, cases[i].or_reason);
        else
            assert_true(ast->n_facts > DEPTH);
        cpython_result_done(&result);
        unload(l);
    }
    assert_int_equal(cpython_pool_worker_pid(pool, 0), pid);
    assert_works(pool);
}

static GString *module_of(size_t n_bytes)
{
    GString *text = g_string_new(NULL);
    for (int i = 0; text->len < n_bytes; i++)
        g_string_append_printf(
            text, "value_%06d = call(argument, 'some text of no importance that fills the line', %d)\n", i, i);
    return text;
}

/* A module of 6 MB is read like any other. */
static void a_large_module_is_read(void **state)
{
    (void)state;
    struct cpython_pool *pool = pool_of((struct cpython_options){.n_workers = 1});
    struct loaded *l = load_string("large.py", module_of(6 * MIB));
    struct cpython_result result = run(pool, l);
    assert_int_equal(result.layers[CPYTHON_AST].status, CPYTHON_OK);
    assert_true(result.layers[CPYTHON_AST].n_facts > 500000);
    assert_int_equal(result.layers[CPYTHON_SYMTABLE].status, CPYTHON_OK);
    assert_true(cpython_pool_peak_bytes(pool) > 6 * MIB);
    cpython_result_done(&result);
    unload(l);
    assert_works(pool);
    cpython_pool_close(pool);
}

/* Decision 14: a file that wants more memory than a worker may have costs that file, and the run is marked. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct cpython_pool *pool = pool_of((struct cpython_options){.n_workers = 1, .memory_limit_bytes = 48 * MIB});
    struct loaded *l = load_string("large.py", module_of(2 * MIB));
    struct cpython_result result = run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_FAILED);
        assert_true(result.layers[i].is_budget);
        assert_string_equal(result.layers[i].reason, "budget: more than 48 MiB of memory");
        assert_null(result.layers[i].batch.release);
    }
    cpython_result_done(&result);
    unload(l);
    assert_works(pool);
    /* One allocation that does not fit leaves the peak low: four bytes a character, of a file of a seventh of the
     * limit. */
    GString *wide = g_string_new("x = '\xF0\x9F\x98\x80");
    g_string_set_size(wide, 7 * MIB);
    memset(wide->str + 9, 'a', wide->len - 9);
    g_string_append(wide, "'\n");
    l = load_string("wide.py", wide);
    result = run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_FAILED);
        assert_true(result.layers[i].is_budget);
        assert_string_equal(result.layers[i].reason, "budget: more than 48 MiB of memory");
    }
    cpython_result_done(&result);
    unload(l);
    assert_works(pool);
    /* The parser's own MemoryError is no budget, also when memory is short. */
    l = load_string("deep.py", repeat("x = ", "not ", 100000, "1\n"));
    result = run(pool, l);
    assert_false(result.layers[CPYTHON_AST].is_budget);
    cpython_result_done(&result);
    unload(l);
    cpython_pool_close(pool);
}

/* ---- workers that die and hang ------------------------------------------------------------------------------------
 */

/* signal     sent to each worker that shows up, n_times at most
 * is_done    the file has its result
 */
struct killer {
    struct cpython_pool *pool;
    int signal;
    int n_times;
    atomic_bool is_done;
};

static void *kill_workers(void *data)
{
    struct killer *k = data;
    int64_t last = -1;
    while (k->n_times > 0 && !atomic_load(&k->is_done)) {
        int64_t pid = cpython_pool_worker_pid(k->pool, 0);
        if (pid > 0 && pid != last) {
            kill((pid_t)pid, k->signal);
            last = pid;
            k->n_times--;
        }
        sched_yield();
    }
    return NULL;
}

static struct cpython_result run_while_killing(struct cpython_pool *pool, const struct loaded *l, int signal,
                                               int n_times)
{
    struct killer k = {.pool = pool, .signal = signal, .n_times = n_times};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, kill_workers, &k), 0);
    struct cpython_result result = run(pool, l);
    atomic_store(&k.is_done, true);
    pthread_join(thread, NULL);
    return result;
}

/* Killed once: tried again, as if nothing had been. Killed twice: the file has failed, and is not tried a third time.
 * Decision 14: what kills from outside, as the system does when memory is short, makes the run not reproducible; a
 * crash is the file's own. */
static void a_killed_worker_costs_one_file(void **state)
{
    (void)state;
    struct cpython_pool *pool = pool_of((struct cpython_options){.n_workers = 1});
    struct loaded *l = load_string("large.py", module_of(2 * MIB));
    struct cpython_result result = run_while_killing(pool, l, SIGKILL, 1);
    assert_int_equal(result.layers[CPYTHON_AST].status, CPYTHON_OK);
    assert_int_equal(result.layers[CPYTHON_SYMTABLE].status, CPYTHON_OK);
    cpython_result_done(&result);
    assert_works(pool);

    static const struct {
        int signal;
        const char *reason;
        bool is_budget;
    } cases[] = {{SIGSEGV, "worker killed by signal 11", false},
                 {SIGKILL, "budget: worker killed by signal 9", true},
                 {SIGTERM, "budget: worker killed by signal 15", true}};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        result = run_while_killing(pool, l, cases[i].signal, 2);
        for (int layer = 0; layer < CPYTHON_N_LAYERS; layer++) {
            assert_int_equal(result.layers[layer].status, CPYTHON_FAILED);
            assert_string_equal(result.layers[layer].reason, cases[i].reason);
            assert_int_equal(result.layers[layer].is_budget, cases[i].is_budget);
            assert_null(result.layers[layer].batch.release);
            assert_int_equal(result.layers[layer].start_byte, -1);
        }
        cpython_result_done(&result);
        assert_works(pool);
    }
    unload(l);
    cpython_pool_close(pool);
}

/* A worker that hangs is ended by the watchdog. */
static void a_hung_worker_costs_one_file(void **state)
{
    (void)state;
    struct cpython_pool *pool = pool_of((struct cpython_options){.n_workers = 1, .watchdog_ms = 300});
    assert_int_equal(kill((pid_t)cpython_pool_worker_pid(pool, 0), SIGSTOP), 0);
    struct loaded *l = load_string("large.py", module_of(4 * MIB)); /* more than a socket holds */
    struct cpython_result result = run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_FAILED);
        assert_true(result.layers[i].is_budget);
        assert_string_equal(result.layers[i].reason, "budget: no answer within 300 ms");
    }
    cpython_result_done(&result);
    unload(l);
    cpython_pool_close(pool);
    pool = pool_of((struct cpython_options){.n_workers = 1});
    assert_works(pool);
    cpython_pool_close(pool);
}

struct runner {
    struct cpython_pool *pool;
    unsigned index;
    int64_t n_facts;
};

static void *run_many(void *data)
{
    struct runner *r = data;
    for (int i = 0; i < 40; i++) {
        GString *text = module_of((size_t)(i + 1) * 2000);
        struct loaded *l = load_string("some.py", text);
        struct cpython_result result = {0};
        struct ca_error err;
        if (cpython_pool_run_file(r->pool, r->index, &l->file, CPYTHON_ALL_LAYERS, &result, &err) == CA_OK)
            r->n_facts += result.layers[CPYTHON_AST].n_facts;
        cpython_result_done(&result);
        unload(l);
    }
    return NULL;
}

/* Decision 14: as many workers as there are threads, and the same facts from each. */
static void workers_run_side_by_side(void **state)
{
    (void)state;
    enum { N = 3 };
    struct cpython_pool *pool = pool_of((struct cpython_options){.n_workers = N});
    pthread_t threads[N];
    struct runner runners[N];
    for (unsigned i = 0; i < N; i++) {
        runners[i] = (struct runner){.pool = pool, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, &runners[i]), 0);
    }
    for (unsigned i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(runners[i].n_facts, runners[0].n_facts);
    assert_true(runners[0].n_facts > 10000);
    cpython_pool_close(pool);
}

/* ---- interpreters -------------------------------------------------------------------------------------------------
 */

/* A program of the given shell text in a folder of its own. */
static char *make_program(const char *text)
{
    g_autofree char *folder = g_dir_make_tmp("codeanatomy-test-XXXXXX", NULL);
    assert_non_null(folder);
    char *path = g_build_filename(folder, "python", NULL);
    assert_true(g_file_set_contents(path, text, -1, NULL));
    assert_int_equal(g_chmod(path, 0755), 0);
    return path;
}

static void remove_program(char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_unlink(path);
    g_rmdir(folder);
    g_free(path);
}

static void assert_skipped(struct cpython_pool *pool, const char *reason)
{
    assert_string_equal(cpython_pool_skip_reason(pool), reason);
    assert_null(cpython_pool_python_version(pool));
    struct loaded *l = load("good.py", "y = 1\n", 6);
    struct cpython_result result = run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_SKIPPED);
        assert_string_equal(result.layers[i].reason, reason);
        assert_false(result.layers[i].is_budget);
    }
    cpython_result_done(&result);
    unload(l);
}

#define ANSWER(major, minor, name, threads)                                                                          \
    "#!/bin/sh\nprintf 'codeanatomy-interpreter\\000/x/python\\000" major "\\000" minor "\\000" name "\\000" threads \
    "\\000full\\000end\\000'\n"

/* Decision 8: no usable interpreter, and the layers are skipped with the reason. '%s' is the program. */
static void what_is_no_interpreter_is_skipped(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        const char *reason;
    } cases[] = {
        {"#!/bin/sh\nwhile :; do echo garbage; done\n",
         "no interpreter: '%s' does not answer like Python: its answer is not understood"},
        {"#!/bin/sh\necho garbage\n", "no interpreter: '%s' does not answer like Python: its answer is not understood"},
        {"#!/bin/sh\nexit 0\n", "no interpreter: '%s' does not answer like Python: its answer is not understood"},
        {"#!/bin/sh\necho 'Unknown option: -I' >&2\nexit 2\n",
         "no interpreter: '%s' does not answer like Python: exit status 2: Unknown option: -I"},
        {"#!/bin/sh\nkill -9 $$\n", "no interpreter: '%s' does not answer like Python: killed by signal 9"},
        {"#!/no/such/shell\n", "no interpreter: cannot start '%s': No such file or directory"},
        {ANSWER("3", "8", "cpython", "gil"), "interpreter '%s' is CPython 3.8, 3.9 or newer is needed"},
        {ANSWER("2", "7", "cpython", "gil"), "interpreter '%s' is CPython 2.7, 3.9 or newer is needed"},
        {ANSWER("3", "11", "pypy", "gil"), "interpreter '%s' is pypy, not CPython"},
        {ANSWER("3", "13", "cpython", "free-threaded"),
         "interpreter '%s' is a free-threaded build, which cannot load the worker"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *path = make_program(cases[i].program);
        struct cpython_pool *pool = pool_of((struct cpython_options){.python = path, .n_workers = 1});
        g_auto(GStrv) parts = g_strsplit(cases[i].reason, "%s", 2);
        g_autofree char *reason = g_strconcat(parts[0], path, parts[1], NULL);
        assert_skipped(pool, reason);
        cpython_pool_close(pool);
        remove_program(path);
    }
    struct cpython_pool *pool = pool_of((struct cpython_options){.python = "/no/such/python", .n_workers = 1});
    assert_skipped(pool, "no interpreter: cannot start '/no/such/python': No such file or directory");
    cpython_pool_close(pool);
    pool = pool_of((struct cpython_options){.python = "no-such-python", .n_workers = 1});
    assert_skipped(pool, "no interpreter: cannot start 'no-such-python': No such file or directory");
    cpython_pool_close(pool);
}

/* An interpreter that is one but whose worker does not come up is an installation that is broken: an error, at once. */
static void a_worker_that_does_not_start_is_an_error(void **state)
{
    (void)state;
    struct cpython_pool *pool = NULL;
    struct ca_error err = {.code = CA_OK};
    assert_int_equal(open_pool((struct cpython_options){.n_workers = 0}, &pool, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "a pool needs at least one worker");

    err.code = CA_OK;
    struct cpython_options options = {.n_workers = 2, .worker_module_path = "/no/such/worker.so"};
    assert_int_equal(open_pool(options, &pool, &err), CA_ERR_WORKER);
    assert_true(g_str_has_prefix(err.message, "start worker: '"));
    assert_non_null(strstr(err.message, "' with '/no/such/worker.so': worker ended with status 1: "));
    assert_non_null(strstr(err.message, "ImportError: /no/such/worker.so: cannot open shared object file"));

    /* It answers the question like Python, and then talks nonsense. */
    char *path = make_program(
        "#!/bin/sh\nif [ $# -gt 5 ]; then while :; do echo garbage; done; fi\n"
        "printf 'codeanatomy-interpreter\\000%s\\0003\\00011\\000cpython\\000gil\\000full\\000end\\000' \"$0\"\n");
    err.code = CA_OK;
    assert_int_equal(open_pool((struct cpython_options){.python = path, .n_workers = 1}, &pool, &err), CA_ERR_WORKER);
    g_autofree char *worker = worker_path();
    g_autofree char *message = g_strdup_printf("start worker: '%s' is the worker of another version", worker);
    assert_string_equal(err.message, message);
    assert_null(pool);
    remove_program(path);
}

/* A program that answers for the interpreter of `pool`, and as a worker runs the shell text `start`, in which $n counts
 * from 1; then it is that interpreter. */
static char *make_starter(struct cpython_pool *pool, const char *start)
{
    g_auto(GStrv) version = g_strsplit(cpython_pool_python_version(pool), ".", 2);
    g_autofree char *text = g_strdup_printf(
        "#!/bin/sh\nif [ $# -gt 5 ]; then\n  echo >>\"$0.n\"\n  n=$(wc -l <\"$0.n\")\n  %s\n  exec '%s' \"$@\"\nfi\n"
        "printf 'codeanatomy-interpreter\\000%%s\\000%s\\000%s\\000cpython\\000gil\\000full\\000end\\000' \"$0\"\n",
        start, cpython_pool_executable(pool), version[0], version[1]);
    return make_program(text);
}

static void remove_starter(char *path)
{
    g_autofree char *count = g_strconcat(path, ".n", NULL);
    g_unlink(count);
    remove_program(path);
}

/* Decisions 8, 13 and 14: workers that are killed or hang before they are ready are started again, three times in a
 * row; then the layers are skipped with the reason, the run is not reproducible, and nothing is an error. */
static void workers_that_do_not_start_cost_their_layers(void **state)
{
    static const struct {
        const char *start;
        const char *end; /* of the reason; NULL: it works */
    } cases[] = {
        {"kill -9 $$", ": worker killed by signal 9"},
        {"exec sleep 1000", " is not ready after 50 ms"},
        {"[ $n -gt 1 ] || kill -9 $$", NULL},
        {"[ $n -gt 2 ] || kill -9 $$", NULL},
    };
    struct loaded *l = load("good.py", "y = 1\n", 6);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *path = make_starter(*state, cases[i].start);
        const bool is_slow = strstr(cases[i].start, "sleep") != NULL;
        struct cpython_pool *pool =
            pool_of((struct cpython_options){.python = path, .n_workers = 1, .start_ms = is_slow ? 50 : 0});
        assert_null(cpython_pool_skip_reason(pool));
        for (int n = 0; cases[i].end != NULL && n < 2; n++) {
            struct cpython_result result = run(pool, l);
            for (int layer = 0; layer < CPYTHON_N_LAYERS; layer++) {
                const char *reason = result.layers[layer].reason;
                assert_int_equal(result.layers[layer].status, CPYTHON_SKIPPED);
                assert_true(result.layers[layer].is_budget);
                assert_true(g_str_has_prefix(reason, "no worker: 3 in a row did not start: start worker: '"));
                assert_true(g_str_has_suffix(reason, cases[i].end));
            }
            cpython_result_done(&result);
        }
        if (cases[i].end == NULL)
            assert_works(pool);
        cpython_pool_close(pool);
        remove_starter(path);
    }
    unload(l);
}

/* The same in the middle of a run: also a worker that ends by itself, or another one than the first was, is no error
 * then. What was answered before stays. */
static void workers_that_do_not_start_again_cost_the_rest(void **state)
{
    static const struct {
        const char *start;
        const char *end;
    } cases[] = {
        {"[ $n -eq 1 ] || kill -9 $$", ": worker killed by signal 9"},
        {"[ $n -eq 1 ] || { echo gone >&2; exit 7; }", ": worker ended with status 7: gone"},
        {"[ $n -eq 1 ] || { while :; do echo garbage; done; }", "' is the worker of another version"},
    };
    struct loaded *l = load_string("large.py", module_of(2 * MIB));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *path = make_starter(*state, cases[i].start);
        struct cpython_pool *pool = pool_of((struct cpython_options){.python = path, .n_workers = 1});
        assert_works(pool);
        struct cpython_result result = run_while_killing(pool, l, SIGKILL, 1);
        for (int layer = 0; layer < CPYTHON_N_LAYERS; layer++) {
            assert_int_equal(result.layers[layer].status, CPYTHON_SKIPPED);
            assert_true(result.layers[layer].is_budget);
            assert_true(g_str_has_suffix(result.layers[layer].reason, cases[i].end));
            assert_null(result.layers[layer].batch.release);
        }
        cpython_result_done(&result);
        cpython_pool_close(pool);
        remove_starter(path);
    }
    unload(l);
}

/* A shim that answers for another interpreter is called once; the workers run what it named. */
static void a_shim_is_resolved_once(void **state)
{
    (void)state;
    char *path = make_program("#!/bin/sh\necho x >> \"$0.calls\"\nexec python3 \"$@\"\n");
    struct cpython_pool *pool = pool_of((struct cpython_options){.python = path, .n_workers = 2});
    assert_null(cpython_pool_skip_reason(pool));
    assert_string_not_equal(cpython_pool_executable(pool), path);
    assert_true(g_str_has_prefix(cpython_pool_full_version(pool), cpython_pool_python_version(pool)));
    assert_works(pool);
    cpython_pool_close(pool);
    g_autofree char *calls = g_strconcat(path, ".calls", NULL);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(calls, &text, NULL, NULL));
    assert_string_equal(text, "x\n");
    g_unlink(calls);
    remove_program(path);
}

/* ---- batches that lie ---------------------------------------------------------------------------------------------
 */

static const struct position_content_id some_content = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* One row with one node and one field, as IPC; `path` may be what it should not be. */
static void encode_row(const char *path, const char *name, struct ArrowBuffer *ret_head, struct ArrowBuffer *ret_body)
{
    struct ast_files_v1 *rows = NULL;
    assert_int_equal(ast_files_v1_new(&rows), 0);
    struct ast_files_v1_nodes node = {.kind = rows_str_of("Module"), .span_quality = rows_str_of("none")};
    assert_int_equal(ast_files_v1_nodes_append(rows, &node), 0);
    struct ast_files_v1_fields field = {
        .field = rows_str_of(name), .type = rows_str_of("str"), .value = rows_str_of("''")};
    assert_int_equal(ast_files_v1_fields_append(rows, &field), 0);
    struct ast_files_v1_row row = {
        .file_id = 7,
        .path = rows_str_of(path),
        .content_id = {(const char *)some_content.bytes, sizeof some_content.bytes},
        .python_version = rows_str_of("3.11"),
    };
    assert_int_equal(ast_files_v1_finish_row(rows, &row), 0);
    struct ArrowArray array;
    assert_int_equal(ast_files_v1_take(rows, &array), 0);
    ast_files_v1_free(rows);

    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ArrowIpcEncoder encoder;
    assert_int_equal(ast_files_v1_schema(&schema), 0);
    assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
    assert_int_equal(ArrowArrayViewSetArray(&view, &array, NULL), 0);
    assert_int_equal(ArrowIpcEncoderInit(&encoder), 0);
    ArrowBufferInit(ret_head);
    ArrowBufferInit(ret_body);
    assert_int_equal(ArrowIpcEncoderEncodeSimpleRecordBatch(&encoder, &view, ret_body, NULL), 0);
    assert_int_equal(ArrowIpcEncoderFinalizeBuffer(&encoder, 1, ret_head), 0);
    ArrowIpcEncoderReset(&encoder);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(&array);
    ArrowSchemaRelease(&schema);
}

static int decode_copy(struct decode_layer *l, const struct ArrowBuffer *head, const struct ArrowBuffer *body,
                       struct ca_error *err)
{
    const struct decode_identity identity = {
        .file_id = 7, .path = "a.py", .content_id = some_content.bytes, .python_version = "3.11"};
    struct ArrowBuffer copy;
    ArrowBufferInit(&copy);
    assert_int_equal(ArrowBufferAppend(&copy, body->data, body->size_bytes), 0);
    struct ArrowArray array = {.release = NULL};
    struct ArrowBufferView view = {.data = {.as_uint8 = head->data}, .size_bytes = head->size_bytes};
    int rc = decode_batch(l, view, &copy, &identity, &array, err);
    assert_int_equal(rc == CA_OK, array.release != NULL);
    if (array.release != NULL)
        ArrowArrayRelease(&array);
    return rc;
}

static void what_a_worker_says_is_checked(void **state)
{
    (void)state;
    struct ca_error err = {.code = CA_OK};
    struct ArrowSchema schema;
    struct decode_layer layer;
    struct ArrowBuffer head, body;
    assert_int_equal(cpython_layer_schema(CPYTHON_AST, &schema, &err), CA_OK);
    assert_int_equal(decode_layer_init(&layer, &schema, &err), CA_OK);

    static const struct {
        const char *path, *name, *message;
    } cases[] = {
        {"a.py", "x", NULL},
        {"b.py", "x", "it is about another file"},
        {"a.py", "\xC3", "column 'field' is not UTF-8"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        err = (struct ca_error){.code = CA_OK};
        encode_row(cases[i].path, cases[i].name, &head, &body);
        assert_int_equal(decode_copy(&layer, &head, &body, &err), cases[i].message != NULL ? CA_ERR_WORKER : CA_OK);
        assert_string_equal(err.message, cases[i].message != NULL ? cases[i].message : "");
        ArrowBufferReset(&head);
        ArrowBufferReset(&body);
    }

    /* Every byte of a good batch, damaged in a few ways: refused or harmless, never a crash. */
    encode_row("a.py", "x", &head, &body);
    static const uint8_t masks[] = {0x01, 0x80, 0xFF};
    int n_refused = 0;
    struct ArrowBuffer *const buffers[] = {&head, &body};
    for (size_t b = 0; b < G_N_ELEMENTS(buffers); b++) {
        for (int64_t i = 0; i < buffers[b]->size_bytes; i++) {
            for (size_t m = 0; m < sizeof masks; m++) {
                buffers[b]->data[i] ^= masks[m];
                err = (struct ca_error){.code = CA_OK};
                n_refused += decode_copy(&layer, &head, &body, &err) != CA_OK;
                buffers[b]->data[i] ^= masks[m];
            }
        }
    }
    assert_true(n_refused > 1000);
    ArrowBufferReset(&head);
    ArrowBufferReset(&body);
    decode_layer_done(&layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_files_are_facts),
        cmocka_unit_test(an_error_is_a_row),
        cmocka_unit_test(errors_have_raw_places),
        cmocka_unit_test(layers_are_chosen),
        cmocka_unit_test(deep_code_does_not_kill),
        cmocka_unit_test(a_large_module_is_read),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(a_killed_worker_costs_one_file),
        cmocka_unit_test(a_hung_worker_costs_one_file),
        cmocka_unit_test(workers_run_side_by_side),
        cmocka_unit_test(what_is_no_interpreter_is_skipped),
        cmocka_unit_test(a_worker_that_does_not_start_is_an_error),
        cmocka_unit_test(workers_that_do_not_start_cost_their_layers),
        cmocka_unit_test(workers_that_do_not_start_again_cost_the_rest),
        cmocka_unit_test(a_shim_is_resolved_once),
        cmocka_unit_test(what_a_worker_says_is_checked),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
