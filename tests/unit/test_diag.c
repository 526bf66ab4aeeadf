/* tests/unit/test_diag.c — diagnostics come out as rows of their contracts (G1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "contract/contract.h"
#include "diag/diag.h"

static struct contract *load(const char *table)
{
    const char *source = g_getenv("CA_SOURCE_DIR");
    g_autofree char *path = g_strdup_printf("%s/datasets/diagnostics/%s.yaml", source == NULL ? "." : source, table);
    struct ca_error err = {0};
    struct contract *c = NULL;
    if (contract_load(path, &c, &err) != CA_OK)
        fail_msg("%s", err.message);
    return c;
}

/* All rows of a table as "name=value name=value ...\n", nulls left out; the batch is checked in full against the
 * contract. */
static char *take(struct diag *d, const char *table)
{
    CA_AUTOPTR(contract) c = load(table);
    struct ca_error err = {0};
    struct ArrowError why = {.message = ""};
    struct ArrowArray rows;
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    if (diag_take(d, table, &rows, &err) != CA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(contract_schema(c, &schema, &err), CA_OK);
    if (ArrowArrayViewInitFromSchema(&view, &schema, &why) != 0 || ArrowArrayViewSetArray(&view, &rows, &why) != 0 ||
        ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, &why) != 0)
        fail_msg("%s: %s", table, why.message);
    GString *out = g_string_new(NULL);
    for (int64_t i = 0; i < view.length; i++) {
        for (int64_t k = 0; k < view.n_children; k++) {
            const struct ArrowArrayView *column = view.children[k];
            if (ArrowArrayViewIsNull(column, i))
                continue;
            g_string_append_printf(out, "%s%s=", k == 0 ? "" : " ", schema.children[k]->name);
            if (column->storage_type == NANOARROW_TYPE_STRING) {
                struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(column, i);
                g_string_append_len(out, text.data, (gssize)text.size_bytes);
            } else {
                g_string_append_printf(out, "%" G_GINT64_FORMAT, ArrowArrayViewGetIntUnsafe(column, i));
            }
        }
        g_string_append_c(out, '\n');
    }
    ArrowArrayViewReset(&view);
    ArrowSchemaRelease(&schema);
    ArrowArrayRelease(&rows);
    return g_string_free(out, FALSE);
}

/* G1: the eleven tables are declared, numbered alike, with a primary key. */
static void test_contracts(void **state)
{
    (void)state;
    static const char *const tables[] = {"casts",      "ddl_fingerprints",   "errors",        "handshakes",
                                         "model_runs", "plan_artifacts",     "registrations", "schema_snapshots",
                                         "settings",   "view_registrations", "writes"};
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        CA_AUTOPTR(contract) c = load(tables[i]);
        assert_int_equal(c->kind, CONTRACT_DIAGNOSTICS);
        assert_string_equal(c->columns[0].name, "run_id");
        assert_int_equal(c->columns[0].type, CONTRACT_UTF8);
        assert_string_equal(c->columns[1].name, "sequence");
        assert_int_equal(c->columns[1].type, CONTRACT_INT32);
        assert_int_equal(c->primary.n, 2);
        assert_string_equal(c->primary.items[0], "run_id");
        assert_string_equal(c->primary.items[1], "sequence");
        assert_int_equal(c->order.n, 2);
        for (size_t k = 0; k < c->n_columns; k++)
            assert_true(contract_type_shape(c->columns[k].type) != CONTRACT_SHAPE_TIMESTAMP);
    }
}

static void test_each_event_is_a_row(void **state)
{
    (void)state;
    struct diag *d = diag_new("r1");
    diag_registration(d, "public", "t", "table", "f0");
    diag_registration(d, "public", "u", "bundle", "f1");
    diag_view_registration(d, "public", "v", "SELECT 1", "f2");
    diag_handshake(d, "public", "t", "delta", "f0", "f9", "refused", "'a' is int64, expected int32");
    diag_handshake(d, "public", "u", "delta", "f1", "f1", "equal", NULL);
    diag_cast(d, "public", "t", "n[].a", "int64", "int32");
    diag_ddl_fingerprint(d, "public", "t", "f3");
    diag_plan_artifact(d, "public", "m", "f4", "SELECT 2", "codeintel.public.t");
    diag_model_run(d, "public", "m", "f4", 12, 34);
    diag_write(d, "public", "m", 5, 12, 1, 999);
    diag_error(d, "a.py", CA_ERR_IO, "cannot read");
    static const char *const expected[][2] = {
        {"registrations",
         "run_id=r1 sequence=0 schema_name=public dataset_name=t kind=table contract_fingerprint=f0\n"
         "run_id=r1 sequence=1 schema_name=public dataset_name=u kind=bundle contract_fingerprint=f1\n"},
        {"view_registrations",
         "run_id=r1 sequence=0 schema_name=public dataset_name=v sql=SELECT 1 contract_fingerprint=f2\n"},
        {"handshakes", "run_id=r1 sequence=0 schema_name=public dataset_name=t source=delta expected_fingerprint=f0 "
                       "found_fingerprint=f9 "
                       "verdict=refused detail='a' is int64, expected int32\n"
                       "run_id=r1 sequence=1 schema_name=public dataset_name=u source=delta expected_fingerprint=f1 "
                       "found_fingerprint=f1 "
                       "verdict=equal\n"},
        {"casts", "run_id=r1 sequence=0 schema_name=public dataset_name=t path=n[].a from_type=int64 to_type=int32\n"},
        {"ddl_fingerprints", "run_id=r1 sequence=0 schema_name=public dataset_name=t fingerprint=f3\n"},
        {"model_runs",
         "run_id=r1 sequence=0 schema_name=public dataset_name=m plan_fingerprint=f4 n_rows=12 elapsed_ns=34\n"},
        {"writes",
         "run_id=r1 sequence=0 schema_name=public dataset_name=m data_version=5 n_rows=12 n_files=1 n_bytes=999\n"},
        {"errors", "run_id=r1 sequence=0 subject=a.py code=CA_ERR_IO message=cannot read\n"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_autofree char *text = take(d, expected[i][0]);
        assert_string_equal(text, expected[i][1]);
        g_autofree char *nothing = take(d, expected[i][0]); /* moved out */
        assert_string_equal(nothing, "");
    }
    g_autofree char *plan = take(d, "plan_artifacts");
    assert_non_null(strstr(plan, "run_id=r1 sequence=0 schema_name=public dataset_name=m"));
    assert_non_null(strstr(plan, "SELECT 2"));
    assert_non_null(strstr(plan, "codeintel.public.t"));
    diag_free(d);
    diag_free(NULL);
}

static void test_unknown_table(void **state)
{
    (void)state;
    struct ca_error err = {0};
    struct ArrowArray rows = {.release = NULL};
    struct diag *d = diag_new("r1");
    assert_int_equal(diag_take(d, "nothing", &rows, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, "no diagnostics table 'nothing' is collected");
    diag_free(d);
}

/* A row that its contract refuses is not lost in silence, and is not taken for a want of memory. */
static void test_refused_rows_are_told(void **state)
{
    (void)state;
    struct ca_error err = {0};
    struct ArrowArray rows = {.release = NULL};
    struct diag *d = diag_new("r1");
    diag_cast(d, "public", "t", NULL, "int64", "int32");
    assert_int_equal(diag_take(d, "casts", &rows, &err), CA_ERR_BUG);
    assert_non_null(strstr(err.message, "a row of diagnostics table 'casts' has nothing in a column that is NOT NULL "
                                        "(1 rows lost)"));
    assert_null(rows.release);
    diag_free(d);
}

/* Decision 14: whoever comes first, a table has the same rows under the same numbers. */
static void test_order_is_that_of_content(void **state)
{
    (void)state;
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
        struct diag *d = diag_new("r1");
        for (int k = 0; k < 4; k++) {
            switch (orders[i][k]) {
            case 0:
                diag_handshake(d, "public", "t", "delta", "f", "f", "equal", NULL);
                break;
            case 1:
                diag_handshake(d, "public", "t", "delta", "f", "f", "equal", "");
                break;
            case 2:
                diag_handshake(d, "public", "t10", "delta", "f", "f", "equal", NULL);
                break;
            default:
                diag_handshake(d, "public", "t\xC3\xA9", "delta", "f", "f", "equal", NULL);
            }
            diag_write(d, "public", "t", 10 - orders[i][k], 1, 1, 1);
        }
        g_autofree char *handshakes = take(d, "handshakes");
        assert_string_equal(handshakes, "run_id=r1 sequence=0 schema_name=public dataset_name=t source=delta "
                                        "expected_fingerprint=f found_fingerprint=f verdict=equal\n"
                                        "run_id=r1 sequence=1 schema_name=public dataset_name=t source=delta "
                                        "expected_fingerprint=f found_fingerprint=f verdict=equal detail=\n"
                                        "run_id=r1 sequence=2 schema_name=public dataset_name=t10 source=delta "
                                        "expected_fingerprint=f found_fingerprint=f verdict=equal\n"
                                        "run_id=r1 sequence=3 schema_name=public dataset_name=t\xC3\xA9 source=delta "
                                        "expected_fingerprint=f found_fingerprint=f verdict=equal\n");
        g_autofree char *writes = take(d, "writes");
        assert_true(g_str_has_prefix(writes, "run_id=r1 sequence=0 schema_name=public dataset_name=t data_version=7 "));
        diag_free(d);
    }
}

static gpointer emit_many(gpointer data)
{
    for (int i = 0; i < 500; i++)
        diag_write(data, "public", "t", i, 1, 1, 1);
    return NULL;
}

static int64_t int_at(const struct ArrowArray *column, int64_t row, size_t n_bytes)
{
    int64_t value = 0; /* little-endian */
    memcpy(&value, (const char *)column->buffers[1] + n_bytes * (size_t)row, n_bytes);
    return value;
}

/* Any thread: no row is lost, the numbers are 0 to n-1, and the rows are in order. */
static void test_threads(void **state)
{
    (void)state;
    struct diag *d = diag_new("r1");
    GThread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = g_thread_new("emit", emit_many, d);
    for (int i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    struct ca_error err = {0};
    struct ArrowArray rows;
    assert_int_equal(diag_take(d, "writes", &rows, &err), CA_OK);
    assert_int_equal(rows.length, 2000);
    for (int64_t i = 0; i < 2000; i++) {
        assert_int_equal(int_at(rows.children[1], i, sizeof(int32_t)), i);
        assert_int_equal(int_at(rows.children[4], i, sizeof(int64_t)), i / 4);
    }
    ArrowArrayRelease(&rows);
    diag_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contracts),
        cmocka_unit_test(test_each_event_is_a_row),
        cmocka_unit_test(test_unknown_table),
        cmocka_unit_test(test_refused_rows_are_told),
        cmocka_unit_test(test_order_is_that_of_content),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
