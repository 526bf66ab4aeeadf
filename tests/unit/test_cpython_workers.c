/* tests/unit/test_cpython_workers.c — what workers and interpreters may do to a run: die, hang, not be there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "extract/cpython/cpython.h"
#include "support/pool.h"

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

static struct cpython_result run_while_killing(struct cpython_pool *pool, const struct pool_file *l, int signal,
                                               int n_times)
{
    struct killer k = {.pool = pool, .signal = signal, .n_times = n_times};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, kill_workers, &k), 0);
    struct cpython_result result = pool_run(pool, l);
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
    struct cpython_pool *pool = pool_new((struct cpython_options){.n_workers = 1});
    struct pool_file *l = pool_file_of("large.py", pool_text_module(2 * MIB));
    struct cpython_result result = run_while_killing(pool, l, SIGKILL, 1);
    assert_int_equal(result.layers[CPYTHON_AST].status, CPYTHON_OK);
    assert_int_equal(result.layers[CPYTHON_SYMTABLE].status, CPYTHON_OK);
    cpython_result_done(&result);
    pool_assert_works(pool);

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
        pool_assert_works(pool);
    }
    pool_file_free(l);
    cpython_pool_close(pool);
}

/* A worker that hangs is ended by the watchdog. */
static void a_hung_worker_costs_one_file(void **state)
{
    (void)state;
    struct cpython_pool *pool = pool_new((struct cpython_options){.n_workers = 1, .watchdog_ms = 300});
    assert_int_equal(kill((pid_t)cpython_pool_worker_pid(pool, 0), SIGSTOP), 0);
    struct pool_file *l = pool_file_of("large.py", pool_text_module(4 * MIB)); /* more than a socket holds */
    struct cpython_result result = pool_run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_FAILED);
        assert_true(result.layers[i].is_budget);
        assert_string_equal(result.layers[i].reason, "budget: no answer within 300 ms");
    }
    cpython_result_done(&result);
    pool_file_free(l);
    cpython_pool_close(pool);
    pool = pool_new((struct cpython_options){.n_workers = 1});
    pool_assert_works(pool);
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
        GString *text = pool_text_module((size_t)(i + 1) * 2000);
        struct pool_file *l = pool_file_of("some.py", text);
        struct cpython_result result = {0};
        struct ca_error err;
        if (cpython_pool_run_file(r->pool, r->index, &l->file, CPYTHON_ALL_LAYERS, &result, &err) == CA_OK)
            r->n_facts += result.layers[CPYTHON_AST].n_facts;
        cpython_result_done(&result);
        pool_file_free(l);
    }
    return NULL;
}

/* Decision 14: as many workers as there are threads, and the same facts from each. */
static void workers_run_side_by_side(void **state)
{
    (void)state;
    enum { N = 3 };
    struct cpython_pool *pool = pool_new((struct cpython_options){.n_workers = N});
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
    struct pool_file *l = pool_file_new("good.py", "y = 1\n", 6);
    struct cpython_result result = pool_run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_SKIPPED);
        assert_string_equal(result.layers[i].reason, reason);
        assert_false(result.layers[i].is_budget);
    }
    cpython_result_done(&result);
    pool_file_free(l);
}

#define ANSWER(major, minor, name, threads)                                                                          \
    "#!/bin/sh\nprintf 'codeanatomy-interpreter\\000/x/python\\000" major "\\000" minor "\\000" name "\\000" threads \
    "\\000full\\000print\\000end\\000'\n"

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
        struct cpython_pool *pool = pool_new((struct cpython_options){.python = path, .n_workers = 1});
        g_auto(GStrv) parts = g_strsplit(cases[i].reason, "%s", 2);
        g_autofree char *reason = g_strconcat(parts[0], path, parts[1], NULL);
        assert_skipped(pool, reason);
        cpython_pool_close(pool);
        remove_program(path);
    }
    struct cpython_pool *pool = pool_new((struct cpython_options){.python = "/no/such/python", .n_workers = 1});
    assert_skipped(pool, "no interpreter: cannot start '/no/such/python': No such file or directory");
    cpython_pool_close(pool);
    pool = pool_new((struct cpython_options){.python = "no-such-python", .n_workers = 1});
    assert_skipped(pool, "no interpreter: cannot start 'no-such-python': No such file or directory");
    cpython_pool_close(pool);
}

/* An interpreter that is one but whose worker does not come up is an installation that is broken: an error, at once. */
static void a_worker_that_does_not_start_is_an_error(void **state)
{
    (void)state;
    struct cpython_pool *pool = NULL;
    struct ca_error err = {.code = CA_OK};
    assert_int_equal(pool_open((struct cpython_options){.n_workers = 0}, &pool, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "a pool needs at least one worker");

    err.code = CA_OK;
    struct cpython_options options = {.n_workers = 2, .worker_module_path = "/no/such/worker.so"};
    assert_int_equal(pool_open(options, &pool, &err), CA_ERR_WORKER);
    assert_true(g_str_has_prefix(err.message, "start worker: '"));
    assert_non_null(strstr(err.message, "' with '/no/such/worker.so': worker ended with status 1: "));
    assert_non_null(strstr(err.message, "ImportError: /no/such/worker.so: cannot open shared object file"));

    /* It answers the question like Python, and then talks nonsense. */
    char *path = make_program(
        "#!/bin/sh\nif [ $# -gt 5 ]; then while :; do echo garbage; done; fi\n"
        "printf 'codeanatomy-interpreter\\000%s\\0003\\00011\\000cpython\\000gil\\000full\\000print\\000end\\000' "
        "\"$0\"\n");
    err.code = CA_OK;
    assert_int_equal(pool_open((struct cpython_options){.python = path, .n_workers = 1}, &pool, &err), CA_ERR_WORKER);
    g_autofree char *worker = pool_worker_path();
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
        "printf 'codeanatomy-interpreter\\000%%s\\000%s\\000%s\\000cpython\\000gil\\000full\\000print\\000end\\000' "
        "\"$0\"\n",
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
    struct pool_file *l = pool_file_new("good.py", "y = 1\n", 6);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *path = make_starter(*state, cases[i].start);
        const bool is_slow = strstr(cases[i].start, "sleep") != NULL;
        struct cpython_pool *pool =
            pool_new((struct cpython_options){.python = path, .n_workers = 1, .start_ms = is_slow ? 50 : 0});
        assert_null(cpython_pool_skip_reason(pool));
        for (int n = 0; cases[i].end != NULL && n < 2; n++) {
            struct cpython_result result = pool_run(pool, l);
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
            pool_assert_works(pool);
        cpython_pool_close(pool);
        remove_starter(path);
    }
    pool_file_free(l);
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
    struct pool_file *l = pool_file_of("large.py", pool_text_module(2 * MIB));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *path = make_starter(*state, cases[i].start);
        struct cpython_pool *pool = pool_new((struct cpython_options){.python = path, .n_workers = 1});
        pool_assert_works(pool);
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
    pool_file_free(l);
}

/* A shim that answers for another interpreter is called once; the workers run what it named. */
static void a_shim_is_resolved_once(void **state)
{
    (void)state;
    char *path = make_program("#!/bin/sh\necho x >> \"$0.calls\"\nexec python3 \"$@\"\n");
    struct cpython_pool *pool = pool_new((struct cpython_options){.python = path, .n_workers = 2});
    assert_null(cpython_pool_skip_reason(pool));
    assert_string_not_equal(cpython_pool_executable(pool), path);
    assert_true(g_str_has_prefix(cpython_pool_full_version(pool), cpython_pool_python_version(pool)));
    pool_assert_works(pool);
    cpython_pool_close(pool);
    g_autofree char *calls = g_strconcat(path, ".calls", NULL);
    g_autofree char *text = NULL;
    assert_true(g_file_get_contents(calls, &text, NULL, NULL));
    assert_string_equal(text, "x\n");
    g_unlink(calls);
    remove_program(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_worker_costs_one_file),
        cmocka_unit_test(a_hung_worker_costs_one_file),
        cmocka_unit_test(workers_run_side_by_side),
        cmocka_unit_test(what_is_no_interpreter_is_skipped),
        cmocka_unit_test(a_worker_that_does_not_start_is_an_error),
        cmocka_unit_test(workers_that_do_not_start_cost_their_layers),
        cmocka_unit_test(workers_that_do_not_start_again_cost_the_rest),
        cmocka_unit_test(a_shim_is_resolved_once),
    };
    return cmocka_run_group_tests(tests, pool_set_up, pool_tear_down);
}
