/* tests/unit/test_dataset.c — handles of datasets in the public C ABI (B7): what they say, rows out and in, what
 * careless callers pass. The other ways in which rows may break a contract are in tests/product/test_handles.py. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codeanatomy/codeanatomy.h"
#include "support/answer.h"
#include "support/scratch.h"

static const char contract[] = "dataset: sales_v1\n"
                               "version: 1\n"
                               "kind: table\n"
                               "doc: What was sold.\n"
                               "columns:\n"
                               "  - {name: id, type: int64, nullable: false, doc: d}\n"
                               "  - {name: name, type: utf8, nullable: true, default: \"'?'\", doc: d}\n"
                               "keys: {primary: [id]}\n"
                               "evolution: {default: refuse}\n";

/* A store with one run, and the contract above in it. */
static ca_session *writing(const char *root)
{
    g_autofree char *repository = scratch_path(root, "repo");
    g_autofree char *store = scratch_path(root, "store");
    g_autofree char *datasets = scratch_path(root, "datasets");
    static const char *const layers[] = {"libcst"};
    scratch_write(root, "repo/a.py", "x = 1\n");
    scratch_write(root, "datasets/normalize/sales_v1.yaml", contract);
    const struct ca_build_options options = {.size = sizeof options,
                                             .repository = repository,
                                             .store = store,
                                             .datasets = datasets,
                                             .layers = layers,
                                             .n_layers = 1,
                                             .profile = "small"};
    struct ca_build_result result = {.size = sizeof result};
    const struct ca_session_options o = {.size = sizeof o, .store = store, .profile = "small"};
    struct ca_error err = {0};
    ca_session *s = NULL;
    if (ca_build(&options, &result, &err) != CA_OK || ca_session_open(&o, &s, &err) != CA_OK)
        fail_msg("%s", err.message);
    return s;
}

static ca_dataset *dataset(ca_session *s, const char *name)
{
    struct ca_error err = {0};
    ca_dataset *d = NULL;
    if (ca_dataset_open(s, name, &d, &err) != CA_OK)
        fail_msg("%s", err.message);
    return d;
}

/* Rows of a query of the same session are written by a handle of it. */
static int write_query(ca_session *s, ca_dataset *d, const char *sql, enum ca_write_mode mode, int64_t *ret_n_rows,
                       struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    if (ca_query(s, sql, NULL, NULL, &rows, err) != CA_OK)
        fail_msg("%s", err->message);
    int rc = ca_dataset_write(d, &rows, mode, NULL, ret_n_rows, err);
    assert_null(rows.release);
    return rc;
}

static char *scan(ca_dataset *d, const struct ca_scan_options *options)
{
    struct ca_error err = {0};
    struct ArrowArrayStream rows = {0};
    if (ca_dataset_scan(d, options, NULL, &rows, &err) != CA_OK)
        fail_msg("%s", err.message);
    return answer_stream(&rows);
}

/* B7, B11: rows are aligned, written, published, read with columns, filter and limit, and listed in the history. */
static void test_rows(void **state)
{
    ca_session *s = writing(*state);
    ca_dataset *d = dataset(s, "dataset://sales_v1@1");
    struct ca_error err = {0};
    int64_t n_rows = 0;
    assert_int_equal(write_query(s, d, "SELECT arrow_cast(v, 'Int32') AS id FROM (VALUES (1), (2), (3)) AS t(v)",
                                 CA_WRITE_APPEND, &n_rows, &err),
                     CA_OK);
    assert_int_equal(n_rows, 3);
    static const char *const columns[] = {"name", "id"};
    const struct ca_scan_options two = {.size = sizeof two, .columns = columns, .n_columns = 2, .filter = "id = 2"};
    g_autofree char *found = scan(d, &two);
    assert_string_equal(found, "name,id\n?,2\n");
    const struct ca_scan_options one = {.size = sizeof one, .columns = columns + 1, .n_columns = 1, .limit = 1};
    g_autofree char *limited = scan(d, &one);
    assert_int_equal(strlen(limited), strlen("id\n1\n"));

    assert_int_equal(write_query(s, d, "SELECT CAST(9 AS BIGINT) AS id", CA_WRITE_OVERWRITE, NULL, &err), CA_OK);
    g_autofree char *whole = scan(d, NULL);
    assert_string_equal(whole, "id,name\n9,?\n");
    struct ArrowArrayStream commits = {0};
    assert_int_equal(ca_dataset_history(d, 0, &commits, &err), CA_OK);
    assert_int_equal(ca_session_refresh(s, &err), CA_OK);
    g_autofree char *history = answer_stream(&commits);
    assert_non_null(g_str_has_prefix(history, "version,committed_at,operation,parameters,n_rows\n1,") ? history : NULL);
    ca_dataset_close(d);
    ca_session_close(s);
}

/* B7: a key that is there already is refused, and neither the table nor the run moves. */
static void test_refused(void **state)
{
    ca_session *s = writing(*state);
    ca_dataset *d = dataset(s, "sales_v1");
    struct ca_error err = {0};
    assert_int_equal(write_query(s, d, "SELECT CAST(1 AS BIGINT) AS id", CA_WRITE_APPEND, NULL, &err), CA_OK);
    assert_int_not_equal(write_query(s, d, "SELECT CAST(1 AS BIGINT) AS id", CA_WRITE_APPEND, NULL, &err), CA_OK);
    assert_non_null(strstr(err.message, "write 'public.sales_v1'"));
    memset(&err, 0, sizeof err);
    assert_int_equal(write_query(s, d, "SELECT CAST(1 AS BIGINT) AS idea", CA_WRITE_APPEND, NULL, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "write 'public.sales_v1': 'id' (int64 not null) is missing and has no default");
    memset(&err, 0, sizeof err);
    assert_int_equal(write_query(s, d, "SELECT CAST(5 AS BIGINT) AS id", (enum ca_write_mode)7, NULL, &err),
                     CA_ERR_INVALID);
    assert_string_equal(err.message, "7 is no way of writing");
    g_autofree char *rows = scan(d, NULL);
    assert_string_equal(rows, "id,name\n1,?\n");
    ca_dataset_close(d);
    ca_session_close(s);
}

/* A session reads only unless it says otherwise; the stream is taken all the same. */
static void test_careless_callers(void **state)
{
    (void)state;
    const struct ca_session_options o = {.size = sizeof o, .read_only = 1, .profile = "small"};
    struct ca_error err = {0};
    ca_session *s = NULL;
    ca_dataset *d = NULL;
    struct ArrowArrayStream rows = {0};
    assert_int_equal(ca_session_open(&o, &s, &err), CA_OK);
    assert_int_equal(ca_dataset_open(NULL, "x", &d, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_open(s, NULL, &d, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_open(s, "x", NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_open(s, "dataset://classes@7", &d, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message,
                        "open dataset 'dataset://classes@7': handle 'dataset://classes@7': the catalog has "
                        "version 1 of 'classes'");
    assert_null(d);
    d = dataset(s, "classes");
    assert_int_equal(write_query(s, d, "SELECT 1 AS x", CA_WRITE_APPEND, NULL, &err), CA_ERR_REFUSED);
    assert_int_equal(ca_dataset_write(d, &rows, CA_WRITE_APPEND, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_write(d, NULL, CA_WRITE_APPEND, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_scan(d, NULL, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_scan(NULL, NULL, NULL, &rows, &err), CA_ERR_INVALID);
    const struct ca_scan_options below = {.size = sizeof below, .limit = -1};
    assert_int_equal(ca_dataset_scan(d, &below, NULL, &rows, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_history(d, 0, &rows, &err), CA_ERR_NOT_FOUND);
    assert_int_equal(ca_dataset_history(d, -1, &rows, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_schema(NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_schema(d, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_ddl(d, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_metadata(d, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_views(d, NULL, &err), CA_ERR_INVALID);
    struct ca_dataset_fingerprints small = {.size = 4};
    assert_int_equal(ca_dataset_fingerprint(d, &small, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_fingerprint(d, NULL, &err), CA_ERR_INVALID);
    ca_dataset_close(d);
    ca_dataset_close(NULL);
    static const char *const none[] = {NULL};
    assert_int_equal(ca_dataset_register(NULL, none, 1, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_register(s, NULL, 1, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_register(s, none, 0, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_dataset_register(s, none, 1, NULL, NULL, &err), CA_ERR_INVALID);
    static const char *const nowhere[] = {"/nowhere/x.yaml", "/nowhere"};
    assert_int_equal(ca_dataset_register(s, nowhere, 2, NULL, NULL, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message,
                        "register '/nowhere/x.yaml' and more: there is no file or folder '/nowhere/x.yaml'");
    ca_session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, scratch_set_up, scratch_tear_down),
        cmocka_unit_test_setup_teardown(test_refused, scratch_set_up, scratch_tear_down),
        cmocka_unit_test(test_careless_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
