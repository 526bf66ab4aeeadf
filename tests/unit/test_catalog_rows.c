/* tests/unit/test_catalog_rows.c — the rows behind the catalog's names: the gate (E1), pins, parameters (B15), proofs,
 * health (G2), and readers beside writers.
 */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "base/file.h"
#include "catalog/catalog.h"
#include "diag/diag.h"
#include "rows/gen/p_source_roots.h"
#include "rows/rows.h"
#include "support/answer.h"
#include "support/box.h"
#include "support/contracts.h"
#include "support/scratch.h"

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

/* ---- writing through the gate (E1) --------------------------------------------------------------------------------
 */

static void test_write(void **state)
{
    static const struct {
        const char *sql;
        int status;
        const char *message; /* behind "write 'public.box': " */
    } cases[] = {
        {BOX_ROW, CA_OK, NULL},
        {"SELECT CAST(1 AS BIGINT) AS id", CA_ERR_DRIFT,
         "'name' (utf8) is missing; 'items' (list<struct<n: int32 not null, tag: utf8> not null>) is missing"},
        {"SELECT CAST(NULL AS BIGINT) AS id, name, items FROM (" BOX_ROW ")", CA_ERR_CONTRACT,
         "column 'id' is null in row 0"},
        {"SELECT id, name, CASE WHEN id > 1 THEN items END AS items FROM (" BOX_ROW ")", CA_ERR_CONTRACT,
         "column 'items' is null in row 0"},
        {"SELECT id, name, make_array(named_struct('n', CAST(NULL AS INT), 'tag', 'x')) AS items FROM (" BOX_ROW ")",
         CA_ERR_CONTRACT, "column 'items[].n' is null in row 0"},
        {"SELECT id, name, make_array(named_struct('n', CAST(1 AS INT), 'tag', CAST(NULL AS VARCHAR))) AS items FROM "
         "(" BOX_ROW ")",
         CA_OK, NULL},
        {"SELECT id, name, make_array(named_struct('n', CAST(1 AS BIGINT), 'tag', 'x')) AS items FROM (" BOX_ROW ")",
         CA_ERR_DRIFT, "'items[].n' is int64, expected int32"},
        {"SELECT id, name, items FROM (" BOX_ROW ") WHERE CAST(name AS INT) = 1", CA_ERR_ENGINE, NULL},
        {"SELEC", CA_ERR_SYNTAX, NULL},
    };
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    g_autofree char *location = scratch_path(root, "store/box");
    int64_t n_commits = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        const struct catalog_write write = {.schema = "public",
                                            .name = "box",
                                            .location = location,
                                            .mode = ENGINE_OVERWRITE,
                                            .sql = cases[i].sql,
                                            .app_id = app_id,
                                            .app_version = 1};
        struct catalog_written written = {0};
        struct ca_error err = {0};
        int rc = catalog_write(c, &write, &written, &err);
        if (rc != cases[i].status)
            fail_msg("'%s': %s: %s", cases[i].sql, ca_status_name(rc), err.message);
        if (rc == CA_OK) {
            assert_int_equal(written.commit.version, n_commits++);
            assert_int_equal(written.commit.n_rows, 1);
            assert_string_equal(written.source, "sql");
        } else {
            assert_true(g_str_has_prefix(err.message, "write 'public.box': "));
            if (cases[i].message)
                assert_non_null(strstr(err.message, cases[i].message));
        }
    }
    /* Nothing that was refused left a version behind. */
    int64_t newest = -1;
    struct ca_error err = {0};
    assert_int_equal(engine_delta_version(catalog_engine(c), location, &newest, &err), CA_OK);
    assert_int_equal(newest, n_commits - 1);
    const struct catalog_write unknown = {.schema = "public", .name = "nope", .location = location, .sql = BOX_ROW};
    struct catalog_written unused;
    assert_int_equal(catalog_write(c, &unknown, &unused, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, "write 'public.nope': no dataset 'public.nope'");
    catalog_close(c);
}

/* Decision 7: a run that is repeated doubles nothing. */
static void test_write_twice(void **state)
{
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    box_put(c, root, BOX_ROW, "run");
    g_autofree char *location = scratch_path(root, "store/box");
    const struct catalog_write again = {.schema = "public",
                                        .name = "box",
                                        .location = location,
                                        .mode = ENGINE_APPEND,
                                        .sql = BOX_ROW,
                                        .app_id = "run",
                                        .app_version = 1};
    struct catalog_written written;
    struct ca_error err = {0};
    assert_int_equal(catalog_write(c, &again, &written, &err), CA_ERR_CONFLICT);
    g_autofree char *expected = g_strdup_printf(
        "write 'public.box': write '%s': transaction (run, 1) is committed already (newest is 1)", location);
    assert_string_equal(err.message, expected);
    assert_answer(catalog_engine(c), "SELECT count(*) AS n FROM box", "n\n1\n");
    catalog_close(c);
}

/* A stream is taken whatever happens, and what it offers is compared first (B10). */
static void test_write_stream(void **state)
{
    const char *root = *state;
    box_contracts(root);
    struct diag *diag = diag_new("run");
    g_autofree char *datasets = scratch_path(root, "datasets");
    const struct catalog_options options = {.datasets_dir = datasets, .engine = {.profile = "small"}, .diag = diag};
    struct catalog *c = NULL;
    struct ca_error err = {0};
    assert_int_equal(catalog_open(&options, &c, &err), CA_OK);
    g_autofree char *location = scratch_path(root, "store/sized_v1");
    static const struct {
        const char *name;
        const char *sql;
        int status;
        const char *message;
    } cases[] = {
        {"sized_v1", "SELECT CAST(5 AS BIGINT) AS a", CA_OK, NULL},
        {"sized_v1", "SELECT 5 AS b", CA_ERR_DRIFT, NULL},
        {"nope", "SELECT 5 AS b", CA_ERR_NOT_FOUND, "write 'public.nope': no dataset 'public.nope'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowArrayStream rows = {0};
        assert_int_equal(engine_query(catalog_engine(c), cases[i].sql, NULL, NULL, &rows, &err), CA_OK);
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        const struct catalog_write write = {.schema = "public",
                                            .name = cases[i].name,
                                            .location = location,
                                            .stream = &rows,
                                            .app_id = app_id,
                                            .app_version = 1};
        struct catalog_written written = {0};
        int rc = catalog_write(c, &write, &written, &err);
        if (rc != cases[i].status)
            fail_msg("case %zu: %s: %s", i, ca_status_name(rc), err.message);
        assert_null(rows.release);
        if (cases[i].message)
            assert_string_equal(err.message, cases[i].message);
        if (rc == CA_OK) {
            assert_string_equal(written.source, "stream");
            assert_string_equal(written.verdict, "equal");
        }
    }
    /* The refused one is on record. */
    struct ArrowArray rows = {0};
    assert_int_equal(diag_take(diag, "handshakes", &rows, &err), CA_OK);
    assert_int_equal(rows.length, 1);
    rows.release(&rows);
    catalog_close(c);
    diag_free(diag);
}

/* ---- pins, rows, health ---------------------------------------------------------------------------------------------
 */

/* E1: a read stays at its version until the pin moves; what SQL writes is proved, and moves it. */
static void test_versions(void **state)
{
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    struct engine *e = catalog_engine(c);
    box_put(c, root, BOX_ROW, "one");
    box_put(c, root, "SELECT id + 10 AS id, name, items FROM (" BOX_ROW ")", "two");
    assert_answer(e, "SELECT id FROM box", "id\n11\n");
    g_autofree char *location = scratch_path(root, "store/box");
    struct catalog_pin pin = {.location = location, .version = 0, .n_rows = 1};
    struct ca_error err = {0};
    assert_int_equal(catalog_pin(c, "public", "box", &pin, &err), CA_OK);
    assert_answer(e, "SELECT id FROM box", "id\n1\n");
    assert_answer(e, "SELECT id, tag FROM tags", "id,tag\n1,x\n");
    pin.version = 1;
    assert_int_equal(catalog_pin(c, "public", "box", &pin, &err), CA_OK);
    assert_answer(e, "SELECT id, n FROM box_items", "id,n\n11,7\n");

    assert_answer(
        e,
        "INSERT INTO box SELECT CAST(12 AS BIGINT), NULL, make_array(named_struct('n', CAST(8 AS INT), 'tag', NULL))",
        "count\n1\n");
    assert_answer(e, "SELECT id FROM box ORDER BY id", "id\n11\n12\n");
    assert_answer(e, "SELECT data_version FROM registry.datasets WHERE dataset_name = 'box'", "data_version\n2\n");
    assert_answer(e, "INSERT INTO box VALUES (NULL, 'x', make_array(named_struct('n', CAST(8 AS INT), 'tag', 'y')))",
                  "CA_ERR_CONTRACT: gate 'public.box': column 'id' is null in row 0");
    assert_answer(e, "INSERT INTO box VALUES (13, 'x', make_array(named_struct('n', CAST(NULL AS INT), 'tag', 'y')))",
                  "CA_ERR_CONTRACT: gate 'public.box': column 'items[].n' is null in row 0");
    assert_answer(e, "INSERT INTO box SELECT * FROM box WHERE id = 11",
                  "CA_ERR_CONTRACT: gate 'public.box': the primary key (id) = (11) is there already");
    assert_answer(e, "UPDATE box SET id = -1 WHERE id = 12",
                  "CA_ERR_CONTRACT: gate 'public.box': check 'id_is_positive' fails in row 0: id > 0");
    assert_answer(e, "SELECT id FROM box ORDER BY id", "id\n11\n12\n");
    assert_answer(e, "DELETE FROM box WHERE id = 11", "count\n1\n");
    assert_answer(e, "UPDATE box SET id = id + 1", "count\n1\n");
    assert_answer(e, "SELECT id FROM box ORDER BY id", "id\n13\n");
    assert_answer(e, "SELECT data_version FROM registry.datasets WHERE dataset_name = 'box'", "data_version\n4\n");

    /* A version that is not there is an error of every way to ask, not an empty table. */
    pin.version = 99;
    assert_int_equal(catalog_pin(c, "public", "box", &pin, &err), CA_OK);
    char *text = NULL;
    assert_int_not_equal(engine_query_text(e, "SELECT name FROM box", &text, &err), CA_OK);
    assert_null(text);
    assert_int_not_equal(catalog_prove_keys(c, "public", "box", &err), CA_OK);
    catalog_close(c);
}

static void test_pin_and_rows_refused(void **state)
{
    const char *root = *state;
    contracts_write(root, "normalize", "csv_file", "table", "a int64",
                    "keys: {primary: [a]}\norder: [a]\nstorage: {format: csv, location: /nowhere/x.csv}\n", NULL);
    struct catalog *c = box_catalog(root);
    const struct catalog_pin pin = {.location = "/nowhere", .version = 0, .n_rows = 0};
    static const struct {
        const char *schema;
        const char *name;
        int status;
        const char *message;
    } cases[] = {
        {"public", "box_items", CA_ERR_CONTRACT, "'public.box_items' is not a stored dataset"},
        {"public", "tags", CA_ERR_CONTRACT, "'public.tags' is not a stored dataset"},
        {"public", "csv_file", CA_ERR_CONTRACT, "'public.csv_file' is not a stored dataset"},
        {"registry", "datasets", CA_ERR_CONTRACT, "'registry.datasets' is not a stored dataset"},
        {"params", "p_run", CA_ERR_CONTRACT, "'params.p_run' is not a stored dataset"},
        {"public", "nope", CA_ERR_NOT_FOUND, "no dataset 'public.nope'"},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_int_equal(catalog_pin(c, cases[i].schema, cases[i].name, &pin, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
    }
    static const char *const no_params[] = {"box", "nope"};
    for (size_t i = 0; i < G_N_ELEMENTS(no_params); i++) {
        struct p_source_roots *builder = NULL;
        struct ArrowArray rows = {0};
        assert_int_equal(p_source_roots_new(&builder), 0);
        assert_int_equal(p_source_roots_take(builder, &rows), 0);
        p_source_roots_free(builder);
        assert_int_not_equal(catalog_set_rows(c, "public", no_params[i], &rows, &err), CA_OK);
        assert_null(rows.release); /* taken */
    }
    assert_string_equal(err.message, "no dataset 'public.nope'");
    catalog_close(c);
}

/* B15: parameter rows can be set again and again, also while a query reads the old ones. */
static void set_roots(struct catalog *c, const char *const *roots, size_t n)
{
    struct p_source_roots *builder = NULL;
    struct ArrowArray rows = {0};
    struct ca_error err = {0};
    assert_int_equal(p_source_roots_new(&builder), 0);
    for (size_t i = 0; i < n; i++) {
        const struct p_source_roots_row row = {.source_root = rows_str_of(roots[i])};
        assert_int_equal(p_source_roots_finish_row(builder, &row), 0);
    }
    assert_int_equal(p_source_roots_take(builder, &rows), 0);
    p_source_roots_free(builder);
    assert_int_equal(catalog_set_rows(c, "params", "p_source_roots", &rows, &err), CA_OK);
}

static void test_params(void **state)
{
    static const char *const first[] = {"src", "lib"};
    static const char *const second[] = {"other"};
    struct catalog *c = box_catalog(*state);
    struct engine *e = catalog_engine(c);
    struct ca_error err = {0};
    assert_answer(e, "SELECT count(*) AS n FROM params.p_source_roots", "n\n0\n");
    set_roots(c, first, 2);
    struct ArrowArrayStream live = {0};
    assert_int_equal(
        engine_query(e, "SELECT source_root FROM params.p_source_roots ORDER BY 1", NULL, NULL, &live, &err), CA_OK);
    set_roots(c, second, 1);
    assert_answer(e, "SELECT source_root FROM params.p_source_roots", "source_root\nother\n");
    assert_answer(e, "SELECT count(*) AS n FROM params.p_source_roots", "n\n1\n");
    g_autofree char *text = answer_stream(&live);
    assert_true(strcmp(text, "source_root\nlib\nsrc\n") == 0 || strcmp(text, "source_root\nother\n") == 0);
    set_roots(c, NULL, 0);
    assert_answer(e, "SELECT count(*) AS n FROM params.p_source_roots", "n\n0\n");
    catalog_close(c);
}

/* G2: what is broken stays listed, says why, and takes nothing else with it. */
static void test_health(void **state)
{
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    struct engine *e = catalog_engine(c);
    struct ca_error err = {0};
    assert_int_equal(catalog_mark_broken(c, "public", "box", "the disk is gone", &err), CA_OK);
    assert_answer(e, "SELECT count(*) FROM box", "CA_ERR_ENGINE: table 'public.box': the disk is gone");
    assert_answer(e, "SELECT count(*) FROM tags",
                  "CA_ERR_ENGINE: view 'public.tags': view 'public.box_items': table 'public.box': the disk is gone");
    assert_answer(e, "SELECT health, failure FROM registry.datasets WHERE dataset_name = 'box'",
                  "health,failure\nbroken,the disk is gone\n");
    assert_answer(e, "SELECT count(*) AS n FROM sized_v1", "n\n0\n");
    box_put(c, root, BOX_ROW, "one"); /* a pin heals it */
    assert_answer(e, "SELECT count(*) AS n FROM box", "n\n1\n");
    g_autofree char *location = scratch_path(root, "store/box");
    assert_int_equal(file_remove_tree(location, &err), CA_OK);
    g_autofree char *expected =
        g_strdup_printf("health,failure\nmissing,no Delta table at '%s': run 'codeanatomy build' again\n", location);
    assert_answer(e, "SELECT health, failure FROM registry.datasets WHERE dataset_name = 'box'", expected);
    assert_int_equal(catalog_mark_broken(c, "public", "nope", "x", &err), CA_ERR_NOT_FOUND);
    catalog_close(c);
}

/* Decision 4: checks hold for every row that is written, those of a view over the nested list too (NULL counts as
 * true), or nothing is; the key is proved by the write, or a query says how many values repeat. */
static void test_prove(void **state)
{
    static const struct {
        const char *sql;
        const char *refused; /* how the write's error ends; NULL: committed */
        const char *repeats; /* what the key's proof says; NULL: proved */
    } cases[] = {
        {BOX_ROW, NULL, NULL},
        {BOX_ROW " UNION ALL " BOX_ROW, NULL, "'public.box': the primary key (\"id\") is not unique: 1 values repeat"},
        {"SELECT -id AS id, name, items FROM (" BOX_ROW ")", ": check 'id_is_positive' fails in row 0: id > 0", NULL},
        {"SELECT id, name, make_array(named_struct('n', CAST(1 AS INT), 'tag', 'x'), "
         "named_struct('n', CAST(100 AS INT), 'tag', 'x')) AS items FROM (" BOX_ROW ")",
         ": check 'n_is_small' fails in row 0, item 1 of 'items': n < 100", NULL},
        {BOX_ROW " WHERE false", NULL, NULL},
    };
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    struct ca_error err = {0};
    assert_int_equal(catalog_prove_keys(c, "public", "box", &err), CA_OK); /* no rows yet prove everything */
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        struct catalog_written written = {0};
        int rc = box_write(c, root, cases[i].sql, app_id, &written, &err);
        assert_int_equal(rc, cases[i].refused ? CA_ERR_CONTRACT : CA_OK);
        if (cases[i].refused && !g_str_has_suffix(err.message, cases[i].refused))
            fail_msg("case %zu: %s", i, err.message);
        if (rc != CA_OK)
            continue;
        assert_int_equal(written.commit.is_key_unique, cases[i].repeats == NULL);
        rc = catalog_prove_keys(c, "public", "box", &err);
        assert_int_equal(rc, cases[i].repeats ? CA_ERR_CONTRACT : CA_OK);
        if (rc != CA_OK)
            assert_string_equal(err.message, cases[i].repeats);
    }
    assert_int_equal(catalog_prove_keys(c, "public", "nope", &err), CA_ERR_NOT_FOUND);
    catalog_close(c);
}

/* ---- streams and threads --------------------------------------------------------------------------------------------
 */

/* Found here: registry rows are made when they are read, from a catalog that catalog_close had freed. */
static void test_stream_outlives_catalog(void **state)
{
    static const char *const queries[] = {
        "SELECT count(*) > 50 AS has_rows FROM registry.datasets",
        "SELECT count(*) > 50 AS has_rows FROM registry.columns",
        "SELECT count(*) = 1 AS has_rows FROM params.p_source_roots",
        "SELECT count(*) = 1 AS has_rows FROM tags",
    };
    static const char *const roots[] = {"src"};
    const char *root = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(queries); i++) {
        struct catalog *c = box_catalog(root);
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        box_put(c, root, BOX_ROW, app_id);
        set_roots(c, roots, 1);
        struct ArrowArrayStream read = {0};
        struct ArrowArrayStream dropped = {0};
        struct ca_error err = {0};
        assert_int_equal(engine_query(catalog_engine(c), queries[i], NULL, NULL, &read, &err), CA_OK);
        assert_int_equal(engine_query(catalog_engine(c), queries[i], NULL, NULL, &dropped, &err), CA_OK);
        catalog_close(c);
        dropped.release(&dropped);
        g_autofree char *text = answer_stream(&read);
        assert_string_equal(text, "has_rows\ntrue\n");
    }
}

struct reader {
    struct catalog *catalog;
    gint *is_over;
    size_t n_answers;
};

static void *read_on(void *data)
{
    static const char *const queries[] = {
        "SELECT count(*) FROM registry.datasets",
        "SELECT count(*) FROM tags",
        "SELECT count(*) FROM box",
        "SELECT count(*) FROM params.p_source_roots",
        "SELECT count(*) FROM information_schema.columns",
    };
    struct reader *r = data;
    while (!g_atomic_int_get(r->is_over)) {
        int64_t n = 0;
        struct ca_error err = {0};
        if (engine_query_int(catalog_engine(r->catalog), queries[r->n_answers++ % G_N_ELEMENTS(queries)], &n, &err) !=
            CA_OK)
            return g_strdup(err.message);
        g_autoptr(GString) ddl = g_string_new(NULL);
        if (catalog_ddl(r->catalog, "box", answer_add, ddl, &err) != CA_OK)
            return g_strdup(err.message);
    }
    return NULL;
}

/* catalog.h: any thread may read while pins and parameters change. */
static void test_threads(void **state)
{
    enum { N_READERS = 3, N_CHANGES = 40 };
    static const char *const roots[] = {"a", "b", "c"};
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    box_put(c, root, BOX_ROW, "one");
    box_put(c, root, BOX_ROW, "two");
    gint is_over = 0;
    struct reader readers[N_READERS];
    GThread *threads[N_READERS];
    for (size_t i = 0; i < N_READERS; i++) {
        readers[i] = (struct reader){.catalog = c, .is_over = &is_over, .n_answers = i};
        threads[i] = g_thread_new("reader", read_on, &readers[i]);
    }
    g_autofree char *location = scratch_path(root, "store/box");
    struct ca_error err = {0};
    for (int i = 0; i < N_CHANGES; i++) {
        const struct catalog_pin pin = {.location = location, .version = i % 2, .n_rows = 1};
        assert_int_equal(catalog_pin(c, "public", "box", &pin, &err), CA_OK);
        set_roots(c, roots, (size_t)(i % 3) + 1);
        g_usleep(2000);
    }
    g_atomic_int_set(&is_over, 1);
    for (size_t i = 0; i < N_READERS; i++) {
        g_autofree char *failure = g_thread_join(threads[i]);
        if (failure)
            fail_msg("%s", failure);
    }
    catalog_close(c);
    catalog_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_write),
        SCRATCH_TEST(test_write_twice),
        SCRATCH_TEST(test_write_stream),
        SCRATCH_TEST(test_versions),
        SCRATCH_TEST(test_pin_and_rows_refused),
        SCRATCH_TEST(test_params),
        SCRATCH_TEST(test_health),
        SCRATCH_TEST(test_prove),
        SCRATCH_TEST(test_stream_outlives_catalog),
        SCRATCH_TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
