/* tests/unit/test_build.c — the room `build`: the sequencer (any number of workers, one order), and a whole small run:
 * publish is the only moment at which a reader sees anything (decision 19), rows do not depend on the number of workers
 * (decision 14).
 */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "build/build.h"
#include "build/sequencer.h"
#include "catalog/catalog.h"
#include "kernel/kernel.h"
#include "publish/manifest.h"
#include "publish/store.h"
#include "support/answer.h"
#include "support/contracts.h"
#include "support/scratch.h"

/* ---- the sequencer ------------------------------------------------------------------------------------------------
 */

/* fail_at   emit number that fails, SIZE_MAX: none
 * n_live    results that nobody emitted or dropped yet */
struct sink {
    struct sequencer *sequencer;
    size_t n_emitted;
    size_t fail_at;
    gint n_emitting;
    gint n_live;
};

struct result {
    struct sink *sink;
    size_t number;
};

static void drop(void *data)
{
    struct result *r = data;
    g_atomic_int_add(&r->sink->n_live, -1);
    g_free(r);
}

static int emit(void *data, size_t number, void *result, struct ca_error *err)
{
    struct sink *s = data;
    struct result *r = result;
    assert_int_equal(g_atomic_int_add(&s->n_emitting, 1), 0); /* one at a time */
    assert_int_equal(number, s->n_emitted);
    assert_int_equal(r->number, number);
    s->n_emitted++;
    drop(r);
    g_atomic_int_add(&s->n_emitting, -1);
    return number == s->fail_at ? ca_fail(err, CA_ERR_CONTRACT, "no place for file %zu", number) : CA_OK;
}

static void *work(void *data)
{
    struct sink *s = data;
    size_t number = 0;
    g_autoptr(GRand) random = g_rand_new_with_seed(42);
    while (sequencer_take(s->sequencer, &number)) {
        struct result *r = g_new0(struct result, 1);
        *r = (struct result){s, number};
        g_atomic_int_add(&s->n_live, 1);
        for (gint i = g_rand_int_range(random, 0, 50); i > 0; i--)
            g_thread_yield();
        sequencer_deliver(s->sequencer, number, r);
    }
    return NULL;
}

static void run_sink(struct sink *s, size_t n_items, size_t window, unsigned n_workers, size_t fail_at)
{
    *s = (struct sink){.fail_at = fail_at};
    s->sequencer = sequencer_new(n_items, window, emit, drop, s);
    g_autofree GThread **threads = g_new0(GThread *, n_workers);
    for (unsigned i = 0; i < n_workers; i++)
        threads[i] = g_thread_new("worker", work, s);
    for (unsigned i = 0; i < n_workers; i++)
        g_thread_join(threads[i]);
}

static void test_sequencer_order(void **state)
{
    static const struct {
        size_t n_items;
        size_t window;
        unsigned n_workers;
    } cases[] = {{0, 4, 3}, {1, 1, 1}, {1, 64, 8}, {500, 1, 4}, {500, 2, 7}, {500, 64, 4}, {63, 64, 8}, {65, 64, 2}};
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct sink s;
        struct ca_error err = {0};
        run_sink(&s, cases[i].n_items, cases[i].window, cases[i].n_workers, SIZE_MAX);
        assert_int_equal(sequencer_finish(s.sequencer, &err), CA_OK);
        assert_false(sequencer_is_stopped(s.sequencer));
        assert_int_equal(s.n_emitted, cases[i].n_items);
        sequencer_free(s.sequencer);
        assert_int_equal(s.n_live, 0);
    }
}

/* The first error stops everybody; what was on its way is dropped, not leaked and not emitted. */
static void test_sequencer_failure(void **state)
{
    static const size_t fail_at[] = {0, 1, 99, 199};
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(fail_at); i++) {
        struct sink s;
        struct ca_error err = {0};
        run_sink(&s, 200, 8, 4, fail_at[i]);
        assert_int_equal(sequencer_finish(s.sequencer, &err), CA_ERR_CONTRACT);
        g_autofree char *expected = g_strdup_printf("no place for file %zu", fail_at[i]);
        assert_string_equal(err.message, expected);
        assert_int_equal(s.n_emitted, fail_at[i] + 1);
        struct ca_error later = {.code = CA_ERR_IO, .message = "too late"};
        sequencer_stop(s.sequencer, &later);
        assert_int_equal(sequencer_finish(s.sequencer, &err), CA_ERR_CONTRACT);
        sequencer_free(s.sequencer);
        assert_int_equal(s.n_live, 0);
    }
    sequencer_free(NULL);
}

/* A worker waits when it is a window ahead of the oldest file that is not done; stopping wakes it. */
static void *take_one(void *data)
{
    size_t number = 0;
    return sequencer_take(data, &number) ? GSIZE_TO_POINTER(number + 1) : NULL;
}

static void test_sequencer_window(void **state)
{
    (void)state;
    struct sink s = {.fail_at = SIZE_MAX};
    struct ca_error err = {0};
    struct ca_error stop = {.code = CA_ERR_CANCELED, .message = "enough"};
    size_t a = 0;
    size_t b = 0;
    s.sequencer = sequencer_new(10, 2, emit, drop, &s);
    assert_true(sequencer_take(s.sequencer, &a) && sequencer_take(s.sequencer, &b));
    GThread *waiting = g_thread_new("waiting", take_one, s.sequencer);
    struct result *second = g_new0(struct result, 1);
    *second = (struct result){&s, b};
    s.n_live = 1;
    sequencer_deliver(s.sequencer, b, second); /* not the oldest: the window stays where it is */
    assert_int_equal(s.n_emitted, 0);
    struct result *first = g_new0(struct result, 1);
    *first = (struct result){&s, a};
    s.n_live = 2;
    sequencer_deliver(s.sequencer, a, first);
    assert_int_equal(s.n_emitted, 2);
    assert_int_equal(GPOINTER_TO_SIZE(g_thread_join(waiting)), 3);
    assert_true(sequencer_take(s.sequencer, &a));
    waiting = g_thread_new("waiting", take_one, s.sequencer);
    sequencer_stop(s.sequencer, &stop);
    assert_null(g_thread_join(waiting));
    assert_int_equal(sequencer_finish(s.sequencer, &err), CA_ERR_CANCELED);
    assert_string_equal(err.message, "enough");
    sequencer_free(s.sequencer);
    assert_int_equal(s.n_live, 0);
}

static void test_sequencer_incomplete(void **state)
{
    (void)state;
    struct sink s = {.fail_at = SIZE_MAX};
    struct ca_error err = {0};
    s.sequencer = sequencer_new(2, 2, emit, drop, &s);
    assert_int_equal(sequencer_finish(s.sequencer, &err), CA_ERR_BUG);
    sequencer_free(s.sequencer);
}

/* ---- a whole run ----------------------------------------------------------------------------------------------------
 */

struct request {
    const char *root;
    const char *store;
    unsigned n_workers;
    bool has_python;
    struct engine_cancel *cancel;
    GString *stages;
    const char *last_stage;
};

static void on_progress(void *data, const struct build_progress *p)
{
    struct request *r = data;
    if (r->stages && g_strcmp0(r->last_stage, p->stage) != 0)
        g_string_append_printf(r->stages, "%s ", p->stage);
    r->last_stage = p->stage;
    assert_true(p->n_done >= 0 && p->n_done <= MAX(p->n_total, 0) && p->n_rows >= 0 && p->elapsed_ns >= 0);
}

static int build(struct request *r, struct build_result *ret, struct ca_error *err)
{
    g_autofree char *repository = scratch_path(r->root, "repo");
    g_autofree char *datasets = scratch_path(r->root, "datasets");
    g_autofree char *store = scratch_path(r->root, r->store);
    g_autofree char *worker = g_build_filename(g_getenv("CA_WORKER_DIR"), "codeanatomy_worker.abi3.so", NULL);
    struct repo_project project = {0};
    assert_int_equal(repo_project_load(repository, &project, err), CA_OK);
    size_t n_functions = 0;
    struct build_options options = {
        .project = &project,
        .store = store,
        .datasets_dir = g_file_test(datasets, G_FILE_TEST_IS_DIR) ? datasets : NULL,
        .worker_path = r->has_python ? worker : NULL,
        .worker_missing = "this test has none",
        .n_workers = r->n_workers,
        .engine = {.profile = "small"},
        .functions = kernel_functions(&n_functions),
        .cancel = r->cancel,
        .progress = on_progress,
        .progress_data = r,
    };
    options.n_functions = n_functions;
    int rc = build_run(&options, ret, err);
    repo_project_done(&project);
    return rc;
}

static void write_repository(const char *root)
{
    scratch_write(root, "repo/pkg/__init__.py", "");
    scratch_write(root, "repo/pkg/a.py", "from .b import g\n\n\ndef f(x):\n    return g(x)\n");
    scratch_write(root, "repo/pkg/b.py",
                  "class C:\n    def m(self):\n        return self\n\n\ndef g(y):\n    return C().m()\n");
    /* Found by fuzz_treesitter: the name that is missing here was looked for in front of the grammar's table. */
    scratch_write(root, "repo/broken.py", "def:\n from m import(as b)");
    scratch_write(root, "repo/latin.py", "# coding: utf-8\nx = '\xFF'\n");
}

/* The published run's manifest. */
static struct manifest published(const char *root, const char *store_name, char **ret_run)
{
    g_autofree char *path = scratch_path(root, store_name);
    struct store *s = NULL;
    struct manifest m = {0};
    struct ca_error err = {0};
    assert_int_equal(store_open_read(path, &s, &err), CA_OK);
    assert_int_equal(store_published(s, ret_run, &err), CA_OK);
    if (*ret_run) {
        g_autofree char *json = NULL;
        assert_int_equal(store_manifest_read(s, *ret_run, &json, &err), CA_OK);
        assert_int_equal(manifest_parse(&m, json, &err), CA_OK);
    }
    store_close(s);
    return m;
}

/* What does not depend on the run: "schema.name rows plan" of every dataset outside diagnostics. */
static char *contents(const struct manifest *m)
{
    GString *text = g_string_new(NULL);
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(m->root, "datasets"), i, entry)
    {
        const char *schema = json_string_value(json_object_get(entry, "schema"));
        const char *plan = json_string_value(json_object_get(entry, "plan_fingerprint"));
        if (strcmp(schema, "public") == 0)
            g_string_append_printf(text, "%s %d %s\n", json_string_value(json_object_get(entry, "name")),
                                   (int)json_integer_value(json_object_get(entry, "n_rows")), plan ? plan : "");
    }
    return g_string_free(text, FALSE);
}

/* Decisions 14 and 19, with and without an interpreter. */
static void test_run(void **state)
{
    const char *root = *state;
    write_repository(root);
    contracts_write(root, "graph", "t_mine", "table", "a int64", NULL,
                    "SELECT CAST(count(*) AS BIGINT) AS a FROM functions");
    g_autofree char *first_contents = NULL;
    static const unsigned n_workers[] = {1, 3};
    for (size_t i = 0; i < G_N_ELEMENTS(n_workers); i++) {
        g_autofree char *store = g_strdup_printf("store%zu", i);
        struct request r = {
            .root = root, .store = store, .n_workers = n_workers[i], .has_python = true, .stages = g_string_new(NULL)};
        struct build_result result = {0};
        struct ca_error err = {0};
        if (build(&r, &result, &err) != CA_OK)
            fail_msg("%s", err.message);
        assert_string_equal(r.stages->str, "scan extract normalize relate graph diagnostics publish ");
        g_string_free(r.stages, TRUE);
        assert_int_equal(result.n_files, 5);
        assert_true(result.is_reproducible);
        assert_true(result.n_rows > 0 && result.n_bytes > 0 && result.elapsed_ns > 0);
        g_autofree char *run = NULL;
        struct manifest m = published(root, store, &run);
        assert_string_equal(run, result.run_id);
        g_autofree char *text = contents(&m);
        assert_non_null(strstr(text, "t_mine 1 "));
        assert_non_null(strstr(text, "ast_files_v1 5 "));
        if (i > 0)
            assert_string_equal(text, first_contents);
        else
            first_contents = g_steal_pointer(&text);
        manifest_done(&m);
        build_result_done(&result);
        build_result_done(&result); /* safe twice */
    }
}

/* Decision 19: a build that fails, wherever it fails, leaves what was published; the next one goes on from there. */
static void test_failures(void **state)
{
    static const struct {
        const char *sql; /* of a model of the last stage */
        int status;
        const char *message;
    } cases[] = {
        {"SELECT CAST(1 AS BIGINT) AS a", CA_OK, NULL},
        {"SELECT nope AS a FROM functions", CA_ERR_ENGINE, NULL},
        {"SELECT CAST(-1 AS BIGINT) AS a", CA_ERR_CONTRACT, "check 'positive' fails in row 0: a > 0"},
        {"SELECT CAST(NULL AS BIGINT) AS a", CA_ERR_CONTRACT, NULL},
        {"SELECT CAST(2 AS BIGINT) AS a", CA_OK, NULL},
    };
    const char *root = *state;
    write_repository(root);
    g_autofree char *visible = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        contracts_write(root, "graph", "t_mine", "table", "a int64",
                        "keys: {primary: [a]}\norder: [a]\nchecks: {positive: \"a > 0\"}\n", cases[i].sql);
        struct request r = {.root = root, .store = "store", .n_workers = 2};
        struct build_result result = {0};
        struct ca_error err = {0};
        int rc = build(&r, &result, &err);
        if (rc != cases[i].status)
            fail_msg("case %zu: %s: %s", i, ca_status_name(rc), err.message);
        if (cases[i].message && !g_str_has_suffix(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, err.message);
        if (rc == CA_OK) {
            g_free(visible);
            visible = g_strdup(result.run_id);
        } else {
            assert_null(result.run_id);
        }
        g_autofree char *run = NULL;
        struct manifest m = published(root, "store", &run);
        assert_string_equal(run, visible);
        struct manifest_dataset d;
        assert_true(manifest_dataset(&m, "public", "t_mine", &d));
        assert_int_equal(d.n_rows, 1);
        manifest_done(&m);
        build_result_done(&result);
    }
}

/* No interpreter is a fact of each file; too many workers, an unknown layer and a cancel are errors that publish
 * nothing. */
static void test_options(void **state)
{
    const char *root = *state;
    write_repository(root);
    struct build_result result = {0};
    struct ca_error err = {0};
    struct request r = {.root = root, .store = "store", .n_workers = 4000000000u};
    assert_int_equal(build(&r, &result, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "4000000000 workers are more than 1024");

    r.n_workers = 1024; /* for five files: no more lanes than files */
    r.cancel = engine_cancel_new();
    engine_cancel_fire(r.cancel);
    assert_int_equal(build(&r, &result, &err), CA_ERR_CANCELED);
    engine_cancel_free(g_steal_pointer(&r.cancel));
    g_autofree char *none = NULL;
    struct manifest m = published(root, "store", &none);
    assert_null(none);

    scratch_write(root, "repo/.codeanatomy.yaml", "layers: [tree_sitter, nonsense]\n");
    assert_int_equal(build(&r, &result, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "unknown layer 'nonsense': one of tree_sitter, libcst, ast, symtable");

    scratch_write(root, "repo/.codeanatomy.yaml", "layers: [libcst, ast]\n");
    assert_int_equal(build(&r, &result, &err), CA_OK);
    g_autofree char *run = NULL;
    m = published(root, "store", &run);
    struct manifest_dataset d;
    assert_true(manifest_dataset(&m, "public", "ast_files_v1", &d));
    assert_int_equal(d.n_rows, 0);
    assert_true(manifest_dataset(&m, "public", "tree_sitter_files_v1", &d));
    assert_int_equal(d.n_rows, 0);
    assert_true(manifest_dataset(&m, "public", "libcst_files_v1", &d));
    assert_int_equal(d.n_rows, 5);
    assert_true(json_is_null(json_object_get(json_object_get(m.root, "interpreter"), "version")));
    manifest_done(&m);
    build_result_done(&result);
}

/* A repository without a file is one. */
static void test_empty_repository(void **state)
{
    const char *root = *state;
    scratch_write(root, "repo/README", "");
    struct request r = {.root = root, .store = "store", .has_python = true};
    struct build_result result = {0};
    struct ca_error err = {0};
    if (build(&r, &result, &err) != CA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(result.n_files, 0);
    build_result_done(&result);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequencer_order),
        cmocka_unit_test(test_sequencer_failure),
        cmocka_unit_test(test_sequencer_window),
        cmocka_unit_test(test_sequencer_incomplete),
        SCRATCH_TEST(test_run),
        SCRATCH_TEST(test_failures),
        SCRATCH_TEST(test_options),
        SCRATCH_TEST(test_empty_repository),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
