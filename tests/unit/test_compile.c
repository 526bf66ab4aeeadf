/* tests/unit/test_compile.c — the room `compile`: order from plans, circles, the stage law (D1), and errors that name
 * the model (D2). */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "compile/compile.h"
#include "support/answer.h"
#include "support/contracts.h"
#include "support/scratch.h"

struct model {
    const char *stage;
    const char *name;
    const char *sql;  /* NULL: rows from elsewhere */
    const char *kind; /* NULL: table */
};

static void write_models(const char *root, const struct model *models, size_t n)
{
    for (size_t i = 0; i < n && models[i].name; i++)
        contracts_write(root, models[i].stage, models[i].name, models[i].kind ? models[i].kind : "table", "a int64",
                        models[i].kind ? "order: [a]\n" : NULL, models[i].sql);
}

static void clear(const char *root)
{
    g_autofree char *datasets = scratch_path(root, "datasets");
    struct ca_error err = {0};
    assert_int_equal(file_remove_tree(datasets, &err), CA_OK);
}

static int plan_of(const char *root, struct catalog **ret_catalog, struct compile_plan *ret, struct ca_error *err)
{
    *ret_catalog = contracts_catalog(root);
    return compile_plan_init(ret, *ret_catalog, err);
}

/* "t_a < reads, reads; t_b < ..." of the test's models, in the order in which they run. */
static char *plan_text(const struct compile_plan *p)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < p->models->len; i++) {
        const struct compile_model *m = p->models->pdata[i];
        if (!g_str_has_prefix(m->name, "t_"))
            continue;
        g_string_append_printf(text, "%s%s <", text->len ? "; " : "", m->name);
        for (guint j = 0; j < m->reads->len; j++)
            g_string_append_printf(text, "%s %s", j ? "," : "", (const char *)m->reads->pdata[j]);
    }
    return g_string_free(text, FALSE);
}

/* D1: nobody wrote these dependencies down. */
static void test_order(void **state)
{
    static const struct {
        struct model models[5];
        const char *plan;
    } cases[] = {
        /* by dependency before name */
        {{{"normalize", "t_a", "SELECT a FROM t_b", NULL}, {"normalize", "t_b", "SELECT CAST(1 AS BIGINT) AS a", NULL}},
         "t_b <; t_a < public.t_b"},
        /* by stage before name */
        {{{"graph", "t_a", "SELECT CAST(1 AS BIGINT) AS a", NULL},
          {"normalize", "t_b", "SELECT CAST(1 AS BIGINT) AS a", NULL}},
         "t_b <; t_a <"},
        /* views are looked through; a name that is only a CTE is no dependency; each input once */
        {{{"normalize", "t_c", "WITH t_d AS (SELECT a FROM v) SELECT x.a FROM t_d AS x JOIN v AS y ON x.a = y.a", NULL},
          {"normalize", "v", "SELECT a FROM t_e", "view"},
          {"normalize", "t_e", "SELECT CAST(count(*) AS BIGINT) AS a FROM repo_files_v1", NULL}},
         "t_e < public.repo_files_v1; t_c < public.t_e"},
        /* subqueries and unions count; comments do not; a semicolon at the end is no harm */
        {{{"relate", "t_a",
           "-- reads t_z\nSELECT a FROM t_b WHERE a IN (SELECT a FROM t_c) UNION ALL SELECT a FROM t_d;\n", NULL},
          {"relate", "t_b", "SELECT CAST(1 AS BIGINT) AS a", NULL},
          {"relate", "t_c", "SELECT CAST(1 AS BIGINT) AS a", NULL},
          {"relate", "t_d", "SELECT CAST(1 AS BIGINT) AS a -- end", NULL}},
         "t_b <; t_c <; t_d <; t_a < public.t_b, public.t_c, public.t_d"},
        /* parameters and nested views are inputs of any stage */
        {{{"normalize", "t_p", "SELECT CAST(count(*) AS BIGINT) AS a FROM params.p_run, ast_nodes", NULL}},
         "t_p < params.p_run, public.ast_files_v1"},
    };
    const char *root = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_models(root, cases[i].models, G_N_ELEMENTS(cases[i].models));
        struct catalog *c = NULL;
        struct compile_plan p = {0};
        struct ca_error err = {0};
        if (plan_of(root, &c, &p, &err) != CA_OK)
            fail_msg("case %zu: %s", i, err.message);
        g_autofree char *text = plan_text(&p);
        assert_string_equal(text, cases[i].plan);
        compile_plan_done(&p);
        compile_plan_done(&p); /* safe twice */
        catalog_close(c);
        clear(root);
    }
}

/* D1, D2, G2: what is refused, with the model's name. */
static void test_refused(void **state)
{
    static const struct {
        struct model models[3];
        int status;
        const char *message;
    } cases[] = {
        {{{"normalize", "t_a", "SELECT a FROM t_a", NULL}}, CA_ERR_CONTRACT, "models read each other in a circle: t_a"},
        {{{"normalize", "t_a", "SELECT a FROM t_b", NULL},
          {"normalize", "t_b", "SELECT a FROM t_c", NULL},
          {"normalize", "t_c", "SELECT a FROM t_a", NULL}},
         CA_ERR_CONTRACT,
         "models read each other in a circle: t_a, t_b, t_c"},
        {{{"normalize", "t_a", "SELECT a FROM t_b", NULL}, {"graph", "t_b", "SELECT CAST(1 AS BIGINT) AS a", NULL}},
         CA_ERR_CONTRACT,
         "model 'public.t_a': model 't_a' of stage 'normalize' reads 't_b' of the later stage 'graph'"},
        {{{"normalize", "t_a", "SELECT CAST(count(*) AS BIGINT) AS a FROM registry.datasets", NULL}},
         CA_ERR_CONTRACT,
         "model 'public.t_a': model 't_a' of stage 'normalize' reads 'datasets' of the later stage 'registry'"},
        {{{"normalize", "t_a", "SELECT nope AS a FROM repo_files_v1", NULL}}, CA_ERR_ENGINE, NULL},
        {{{"normalize", "t_a", "SELECT file_id AS a FROM repo_files_v1 AS x, repo_files_v1 AS y", NULL}},
         CA_ERR_ENGINE,
         NULL},
        {{{"normalize", "t_a", "SELECT a FROM nowhere", NULL}},
         CA_ERR_ENGINE,
         "model 'public.t_a': Error during planning: table 'codeintel.public.nowhere' not found (line 1, column 15)"},
        {{{"normalize", "t_a", "SELECT 1 AS b", NULL}}, CA_ERR_ENGINE, NULL},
        {{{"normalize", "t_a", "", NULL}},
         CA_ERR_CONTRACT,
         "model 'public.t_a': the SQL is 0 statements: a model is one SELECT"},
        {{{"normalize", "t_a", "SELECT 1 AS a; SELECT 2 AS a", NULL}},
         CA_ERR_CONTRACT,
         "model 'public.t_a': the SQL is 2 statements: a model is one SELECT"},
        {{{"normalize", "t_a", "DELETE FROM repo_files_v1", NULL}}, CA_ERR_ENGINE, NULL},
        {{{"normalize", "t_a", "SELECT 1 AS a) AS x; DROP TABLE t; SELECT (1", NULL}}, CA_ERR_CONTRACT, NULL},
        {{{"normalize", "t_a", "SELECT 'open", NULL}}, CA_ERR_SYNTAX, NULL},
    };
    const char *root = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_models(root, cases[i].models, G_N_ELEMENTS(cases[i].models));
        struct catalog *c = NULL;
        struct compile_plan p = {0};
        struct ca_error err = {0};
        int rc = plan_of(root, &c, &p, &err);
        if (rc != cases[i].status)
            fail_msg("case %zu: %s: %s", i, ca_status_name(rc), err.message);
        if (cases[i].message)
            assert_string_equal(err.message, cases[i].message);
        else
            assert_true(g_str_has_prefix(err.message, "model 'public.t_a': "));
        assert_null(p.models);
        catalog_close(c);
        clear(root);
    }
}

/* Decision 18: what is read for some files at a time is read at all, and says of which file its rows are. */
static void test_bucket_inputs(void **state)
{
    static const struct {
        const char *inputs;
        const char *message;
    } cases[] = {
        {"t_b", "model 'public.t_a': bucket_inputs names 'public.t_b', which has no column 'path'"},
        {"modules", "model 'public.t_a': bucket_inputs names 'public.modules', which the model does not read"},
    };
    const char *root = *state;
    contracts_write(root, "normalize", "t_b", "table", "a int64", NULL, "SELECT CAST(1 AS BIGINT) AS a");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *rest = g_strdup_printf("order: [a]\nbucket_inputs: [%s]\n", cases[i].inputs);
        contracts_write(root, "relate", "t_a", "table", "a int64", rest, "SELECT a FROM t_b");
        struct catalog *c = NULL;
        struct compile_plan p = {0};
        struct ca_error err = {0};
        assert_int_equal(plan_of(root, &c, &p, &err), CA_ERR_CONTRACT);
        assert_string_equal(err.message, cases[i].message);
        catalog_close(c);
    }
}

/* Found here: a model stored as parquet was written as Delta into the store, and its table stayed empty. */
static void test_storage(void **state)
{
    const char *root = *state;
    contracts_write(root, "normalize", "t_a", "table", "a int64",
                    "keys: {primary: [a]}\norder: [a]\nstorage: {format: parquet}\n", "SELECT CAST(1 AS BIGINT) AS a");
    struct catalog *c = NULL;
    struct compile_plan p = {0};
    struct ca_error err = {0};
    assert_int_equal(plan_of(root, &c, &p, &err), CA_ERR_CONTRACT);
    assert_string_equal(err.message,
                        "model 'public.t_a': what a model yields is stored as delta, not 'parquet': change "
                        "storage.format, or make it a view");
    catalog_close(c);
}

/* What runs has the contract's columns in the contract's order, and a total order of rows. */
static void test_run_sql(void **state)
{
    const char *root = *state;
    contracts_write(root, "normalize", "t_a", "table", "b int64, a int64", "keys: {primary: [b, a]}\norder: [a]\n",
                    "-- question\nSELECT 1 AS x, b, a FROM (VALUES (1, 2)) AS v(a, b); -- end");
    struct catalog *c = NULL;
    struct compile_plan p = {0};
    struct ca_error err = {0};
    assert_int_equal(plan_of(root, &c, &p, &err), CA_OK);
    guint at = 0;
    while (at < p.models->len && strcmp(((const struct compile_model *)p.models->pdata[at])->name, "t_a") != 0)
        at++;
    assert_true(at < p.models->len);
    const struct compile_model *m = p.models->pdata[at];
    assert_string_equal(m->run_sql,
                        "SELECT \"b\", \"a\" FROM (\nSELECT 1 AS x, b, a FROM (VALUES (1, 2)) AS v(a, b)\n) AS model "
                        "ORDER BY \"a\", \"b\"");
    assert_int_equal(strlen(m->plan_fingerprint), 32);
    assert_answer(catalog_engine(c), m->run_sql, "b,a\n2,1\n");
    compile_plan_done(&p);
    catalog_close(c);
}

/* The fingerprint is of what is run: layout and comments do not matter, a value does. */
static void test_fingerprint(void **state)
{
    static const struct {
        const char *sql;
        bool is_equal;
    } cases[] = {
        {"SELECT CAST(1 AS BIGINT) AS a", true},
        {"-- other words\nSELECT\n  CAST(1 AS BIGINT)\n  AS a;", true},
        {"SELECT CAST(2 AS BIGINT) AS a", false},
        {"SELECT CAST(1 AS BIGINT) AS a WHERE true", false},
    };
    const char *root = *state;
    g_autofree char *first = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct model model = {"normalize", "t_a", cases[i].sql, NULL};
        write_models(root, &model, 1);
        struct catalog *c = NULL;
        struct compile_plan p = {0};
        struct ca_error err = {0};
        assert_int_equal(plan_of(root, &c, &p, &err), CA_OK);
        guint at = 0;
        while (strcmp(((const struct compile_model *)p.models->pdata[at])->name, "t_a") != 0)
            at++;
        const char *found = ((const struct compile_model *)p.models->pdata[at])->plan_fingerprint;
        if (!first)
            first = g_strdup(found);
        assert_int_equal(strcmp(first, found) == 0, cases[i].is_equal);
        compile_plan_done(&p);
        catalog_close(c);
    }
}

static void test_stages(void **state)
{
    static const char *const stages[] = {"params", "extract",  "normalize",  "relate",
                                         "graph",  "registry", "diagnostics"};
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++)
        assert_int_equal(compile_stage_rank(stages[i]), i);
    assert_int_equal(compile_stage_rank("Graph"), -1);
    assert_int_equal(compile_stage_rank(""), -1);
    json_t *policy = compile_policy_json();
    assert_string_equal(json_string_value(json_object_get(policy, "dialect")), "datafusion");
    assert_int_equal(json_array_size(json_object_get(policy, "stages")), G_N_ELEMENTS(stages));
    json_decref(policy);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_order),      SCRATCH_TEST(test_refused), SCRATCH_TEST(test_bucket_inputs),
        SCRATCH_TEST(test_storage),    SCRATCH_TEST(test_run_sql), SCRATCH_TEST(test_fingerprint),
        cmocka_unit_test(test_stages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
