/* tests/unit/test_stage.c — the room `stage`: models run in order, each written, pinned and proved, or the run fails
 * (D1, E1, G2). */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stage/stage.h"
#include "support/answer.h"
#include "support/contracts.h"
#include "support/scratch.h"

struct run {
    const char *root;
    GString *progress; /* "name done/total rows; " */
    struct catalog *catalog;
    struct compile_plan all;
    struct compile_plan own;
    struct diag *diag;
    struct stage_options options;
};

static char *locate(void *data, const char *schema, const char *name)
{
    const struct run *r = data;
    return g_build_filename(r->root, "store", schema, name, NULL);
}

static void advance(void *data, const char *stage, guint n_done, guint n_total)
{
    struct run *r = data;
    g_string_append_printf(r->progress, "%s %u/%u; ", stage, n_done, n_total);
}

/* A plan with the test's own models alone; they are borrowed from `all`. */
static void run_init(struct run *r, const char *root)
{
    struct ca_error err = {0};
    *r = (struct run){
        .root = root, .catalog = contracts_catalog(root), .progress = g_string_new(NULL), .diag = diag_new("run")};
    if (compile_plan_init(&r->all, r->catalog, &err) != CA_OK)
        fail_msg("%s", err.message);
    r->own.models = g_ptr_array_new();
    for (guint i = 0; i < r->all.models->len; i++)
        if (g_str_has_prefix(((const struct compile_model *)r->all.models->pdata[i])->name, "t_"))
            g_ptr_array_add(r->own.models, r->all.models->pdata[i]);
    r->options = (struct stage_options){
        .catalog = r->catalog,
        .location = locate,
        .location_data = r,
        .advance = advance,
        .advance_data = r,
        .outputs = g_array_new(FALSE, TRUE, sizeof(struct stage_output)),
        .app_id = "run",
        .diag = r->diag,
    };
}

static void run_done(struct run *r)
{
    for (guint i = 0; i < r->options.outputs->len; i++)
        stage_output_done(&g_array_index(r->options.outputs, struct stage_output, i));
    g_array_unref(r->options.outputs);
    compile_plan_done(&r->own);
    compile_plan_done(&r->all);
    catalog_close(r->catalog);
    diag_free(r->diag);
    g_string_free(r->progress, TRUE);
}

static int64_t n_diagnostics(struct run *r, const char *table)
{
    struct ArrowArray rows = {0};
    struct ca_error err = {0};
    assert_int_equal(diag_take(r->diag, table, &rows, &err), CA_OK);
    int64_t n = rows.length;
    rows.release(&rows);
    return n;
}

/* D1: a model reads what the one before it wrote. */
static void test_run(void **state)
{
    const char *root = *state;
    contracts_write(root, "normalize", "t_second", "table", "a int64", NULL, "SELECT a + 1 AS a FROM t_first");
    contracts_write(root, "normalize", "t_first", "table", "a int64", NULL,
                    "SELECT v AS a FROM generate_series(1, 3) AS s(v)");
    struct run r;
    struct ca_error err = {0};
    run_init(&r, root);
    if (stage_run(&r.options, &r.own, &err) != CA_OK)
        fail_msg("%s", err.message);
    assert_answer(catalog_engine(r.catalog), "SELECT a FROM t_second ORDER BY a", "a\n2\n3\n4\n");
    assert_string_equal(r.progress->str, "normalize 0/2; normalize 1/2; normalize 2/2; ");
    assert_int_equal(r.options.outputs->len, 2);
    const struct stage_output *first = &g_array_index(r.options.outputs, struct stage_output, 0);
    assert_string_equal(first->name, "t_first");
    assert_int_equal(first->written.commit.n_rows, 3);
    assert_string_equal(first->plan_fingerprint,
                        ((const struct compile_model *)r.own.models->pdata[0])->plan_fingerprint);
    g_autofree char *location = g_build_filename(root, "store/public/t_first", NULL);
    assert_string_equal(first->location, location);
    assert_int_equal(n_diagnostics(&r, "model_runs"), 2);
    assert_int_equal(n_diagnostics(&r, "writes"), 2);
    assert_int_equal(n_diagnostics(&r, "handshakes"), 2);
    run_done(&r);
}

/* E1, G2: a model that fails ends the run, with its name; what reads it is not run. */
static void test_failures(void **state)
{
    static const struct {
        const char *sql;
        int status;
        const char *message; /* how it ends behind the model's name; NULL: in the engine's words */
    } cases[] = {
        {"SELECT 2 - v AS a FROM generate_series(1, 3) AS s(v)", CA_ERR_CONTRACT,
         ": check 'positive' fails in row 0: a > 0"},
        {"SELECT CAST(1 AS BIGINT) AS a FROM generate_series(1, 3) AS s(v)", CA_ERR_CONTRACT,
         "'public.t_a': the primary key (\"a\") is not unique: 1 values repeat"},
        {"SELECT CASE WHEN v < 3 THEN v END AS a FROM generate_series(1, 3) AS s(v)", CA_ERR_CONTRACT, NULL},
        {"SELECT CAST(1 AS INT) AS a", CA_ERR_DRIFT, "write 'public.t_a': 'a' is int32, expected int64"},
        {"SELECT v / 0 AS a FROM generate_series(1, 3) AS s(v)", CA_ERR_ENGINE, NULL},
    };
    const char *root = *state;
    contracts_write(root, "normalize", "t_b", "table", "a int64", NULL, "SELECT a FROM t_a");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        contracts_write(root, "normalize", "t_a", "table", "a int64",
                        "keys: {primary: [a]}\norder: [a]\nchecks: {positive: \"a > 0\"}\n", cases[i].sql);
        struct run r;
        struct ca_error err = {0};
        run_init(&r, root);
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        r.options.app_id = app_id;
        int rc = stage_run(&r.options, &r.own, &err);
        if (rc != cases[i].status)
            fail_msg("case %zu: %s: %s", i, ca_status_name(rc), err.message);
        if (cases[i].message && !g_str_has_suffix(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, err.message);
        assert_true(g_str_has_prefix(err.message, "model 'public.t_a': "));
        assert_string_equal(r.progress->str, "normalize 0/2; normalize 0/2; ");
        assert_int_equal(r.options.outputs->len, 0);
        assert_int_equal(n_diagnostics(&r, "model_runs"), 0);
        run_done(&r);
    }
}

/* A stream is taken on every way out; so is the error of a place that is not to be had. */
static void test_write(void **state)
{
    const char *root = *state;
    contracts_write(root, "normalize", "t_a", "table", "a int64", NULL, NULL);
    struct run r;
    run_init(&r, root);
    static const struct {
        const char *name;
        int status;
        const char *message;
    } cases[] = {
        {"nope", CA_ERR_NOT_FOUND, "write 'public.nope': no dataset 'public.nope'"},
        {"callers", CA_ERR_DRIFT, NULL}, /* a view of other columns */
        {"t_a", CA_OK, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowArrayStream rows = {0};
        struct ca_error err = {0};
        assert_int_equal(
            engine_query(catalog_engine(r.catalog), "SELECT CAST(1 AS BIGINT) AS a", NULL, NULL, &rows, &err), CA_OK);
        int rc = stage_write(&r.options, "public", cases[i].name, NULL, &rows, NULL, &err);
        if (rc != cases[i].status)
            fail_msg("case %zu: %s: %s", i, ca_status_name(rc), err.message);
        if (cases[i].message)
            assert_string_equal(err.message, cases[i].message);
        assert_null(rows.release);
    }
    assert_int_not_equal(stage_write(&r.options, "public", "nope", "SELECT 1", NULL, NULL, /* err= */ NULL), CA_OK);
    assert_int_equal(r.options.outputs->len, 1);
    assert_answer(catalog_engine(r.catalog), "SELECT a FROM t_a", "a\n1\n");
    run_done(&r);
}

/* Decision 18: what depends on single files runs for some of them at a time; the rows come in the contract's order,
 * whether it begins with the path or not. `n_seen` lies: it tells over which rows the query ran. */
static void test_buckets(void **state)
{
    static const struct {
        const char *order;
        const char *buckets;
        const char *answer;
    } cases[] = {
        {"path", "", "path,n_seen,n_all\na,4,4\nb,4,4\nc,4,4\nd,4,4\n"},
        {"path", "file_local: true\n", "path,n_seen,n_all\na,1,1\nb,2,2\nc,2,2\nd,1,1\n"},
        {"path", "bucket_inputs: [t_files]\n", "path,n_seen,n_all\na,1,4\nb,2,4\nc,2,4\nd,1,4\n"},
        {"n_seen, path", "bucket_inputs: [t_files]\n", "path,n_seen,n_all\na,1,4\nd,1,4\nb,2,4\nc,2,4\n"},
    };
    static const char *const bounds[] = {"b", "d"};
    const char *root = *state;
    contracts_write(root, "normalize", "t_files", "table", "path utf8", NULL,
                    "SELECT path FROM (VALUES ('c'), ('a'), ('d'), ('b')) AS v(path)");
    contracts_write(root, "normalize", "t_others", "table", "path utf8", NULL, "SELECT path FROM t_files");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *rest =
            g_strdup_printf("keys: {primary: [path]}\norder: [%s]\n%s", cases[i].order, cases[i].buckets);
        contracts_write(root, "relate", "t_seen", "table", "path utf8, n_seen int64, n_all int64", rest,
                        "SELECT f.path, count(*) OVER () AS n_seen, o.n AS n_all FROM t_files f "
                        "CROSS JOIN (SELECT count(*) AS n FROM t_others) o");
        struct run r;
        struct ca_error err = {0};
        run_init(&r, root);
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        r.options.app_id = app_id;
        r.options.bounds = bounds;
        r.options.n_bounds = G_N_ELEMENTS(bounds);
        if (stage_run(&r.options, &r.own, &err) != CA_OK)
            fail_msg("case %zu: %s", i, err.message);
        assert_answer(catalog_engine(r.catalog), "SELECT path, n_seen, n_all FROM t_seen", cases[i].answer);
        run_done(&r);
    }
}

/* A canceled run says so. */
static void test_cancel(void **state)
{
    const char *root = *state;
    contracts_write(root, "normalize", "t_a", "table", "a int64", NULL,
                    "SELECT max(x.v) AS a FROM generate_series(1, 100000) AS x(v), generate_series(1, 100000) AS y(w) "
                    "WHERE x.v + y.w < 0 OR true");
    struct run r;
    struct ca_error err = {0};
    run_init(&r, root);
    r.options.cancel = engine_cancel_new();
    engine_cancel_fire(r.options.cancel);
    assert_int_equal(stage_run(&r.options, &r.own, &err), CA_ERR_CANCELED);
    assert_int_equal(r.options.outputs->len, 0);
    engine_cancel_free(r.options.cancel);
    run_done(&r);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_run),     SCRATCH_TEST(test_failures), SCRATCH_TEST(test_write),
        SCRATCH_TEST(test_buckets), SCRATCH_TEST(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
