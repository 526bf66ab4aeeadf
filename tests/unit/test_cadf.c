/* test_cadf.c — doors of cadf.h to sessions, queries and output: errors, parameters, cancel, threads, panics.
 *
 * A catalog in C (struct fake) answers from an array; results are read as CSV through cadf_stream_write, so that most
 * expectations are one line of text. Numbers in comments are sections of reference/engine.md and requirements.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "support/doors.h"

/* ---- versions, log, session ---------------------------------------------------------------------------------------
 */

static _Atomic int n_logged;

static void log_sink(void *data, int32_t level, const char *target, const char *text, size_t n_bytes)
{
    (void)data;
    assert_true(level >= 1 && level <= 5);
    assert_non_null(target);
    (void)text;
    (void)n_bytes;
    atomic_fetch_add(&n_logged, 1);
}

static void test_versions_and_log(void **state)
{
    (void)state;
    struct text t = {0};
    cadf_versions(text_add, &t);
    assert_string_equal(
        t.data, "{\"arrow\":\"59.3.2\",\"cadf\":\"0.1.0\",\"datafusion\":\"55.2.0\",\"deltalake\":\"1.1.3\"}\n");
    free(t.data);

    cadf_log_set(log_sink, NULL, 5);
    cadf_session *s = open_with(NULL, 0);
    expect(s, "select 1 as a", "a\n1\n");
    cadf_session_close(s);
    assert_true(atomic_load(&n_logged) > 0);
    cadf_log_set(NULL, NULL, 0);
}

static void test_session_options(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *want;
    } cases[] = {
        {"datafusion.execution.batch_size", "77", NULL},
        {"datafusion.runtime.memory_limit", "64M", NULL},
        {"datafusion.no.such", "1", "setting 'datafusion.no.such': "},
        {"datafusion.runtime.no_such", "1", "setting 'datafusion.runtime.no_such': "},
        {"datafusion.execution.batch_size", "many", "setting 'datafusion.execution.batch_size': "},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct cadf_options o = {.setting_keys = &cases[i].key, .setting_values = &cases[i].value, .n_settings = 1};
        struct cadf_error err = {0};
        cadf_session *s = NULL;
        int rc = cadf_session_open(&o, &s, &err);
        if (cases[i].want) {
            assert_int_equal(rc, CADF_ERR_INVALID);
            assert_null(s);
            assert_ptr_equal(strstr(err.text, cases[i].want), err.text);
        } else {
            assert_int_equal(rc, CADF_OK);
            char sql[256];
            snprintf(sql, sizeof sql,
                     "select count(*) from information_schema.df_settings where name = '%s' and value = '%s'",
                     cases[i].key, cases[i].value);
            expect(s, sql, "count(*)\n1\n");
            cadf_session_close(s);
        }
    }
    assert_int_equal(cadf_session_open(NULL, NULL, NULL), CADF_ERR_INVALID);
    cadf_session_close(NULL);
    cadf_cancel_free(NULL);
    cadf_cancel_fire(NULL);
}

/* ---- queries ------------------------------------------------------------------------------------------------------
 */

static void test_query_errors(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    static const struct {
        const char *sql;
        const char *want;
    } cases[] = {
        {"selec 1", "!2 SQL error: ParserError(\"Expected: an SQL statement, found: selec at Line: 1, Column: 1\")"},
        {"", "!2 the statement is empty"},
        {"  -- nothing\n", "!2 "},
        {"select 1; select 2", "!2 "},
        {"select * from nope", "!3 Error during planning: table 'session.memory.nope' not found"},
        {"select a from (select 1 as b)", "!3 Schema error: No field named a."},
        {"select 1 / 0", "!4 "},
        {"select cast('x' as int)", "!4 "},
        {"set datafusion.nope = 1", "!1 "},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char *have = query_params(s, cases[i].sql, NULL);
        if (strncmp(have, cases[i].want, strlen(cases[i].want)) != 0)
            print_error("%s\n--- have %s\n--- want %s\n", cases[i].sql, have, cases[i].want);
        assert_memory_equal(have, cases[i].want, strlen(cases[i].want));
        free(have);
    }
    struct cadf_error err = {0};
    struct ArrowArrayStream stream = {0};
    assert_int_equal(cadf_query(NULL, "select 1", 8, NULL, NULL, &stream, &err), CADF_ERR_INVALID);
    assert_string_equal(err.text, "the session is missing");
    assert_int_equal(cadf_query(s, "select 1", 8, NULL, NULL, NULL, NULL), CADF_ERR_INVALID);
    memset(&err, 0, sizeof err);
    assert_int_equal(cadf_query(s, "select '\xff'", 10, NULL, NULL, &stream, &err), CADF_ERR_INVALID);
    assert_string_equal(err.text, "sql is not UTF-8 at byte 8");
    cadf_session_close(s);
}

/* An error of any length is cut where the buffer ends, at a character, and says so. */
static void test_long_error_is_cut(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    size_t n = 40000;
    char *sql = malloc(n + 32);
    memcpy(sql, "select \"", 8);
    for (size_t i = 0; i < n / 2; i++)
        memcpy(sql + 8 + 2 * i, "\xc3\xa9", 2);
    memcpy(sql + 8 + n, "\"", 2);
    struct cadf_error err = {0};
    struct ArrowArrayStream stream = {0};
    assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &stream, &err), CADF_ERR_PLAN);
    assert_true(strlen(err.text) < sizeof err.text);
    assert_true(strlen(err.text) > sizeof err.text - 8);
    assert_non_null(strstr(err.text, " bytes in all]"));
    /* what is before the note ends with a whole character */
    char *note = strstr(err.text, " \xe2\x80\xa6 [cut, ");
    assert_non_null(note);
    assert_int_equal((unsigned char)note[-1], 0xa9);
    free(sql);
    cadf_session_close(s);
}

static void test_params(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    static const struct column columns[] = {{"who", NANOARROW_TYPE_STRING, 0}, {"1", NANOARROW_TYPE_INT64, 0}};
    struct ArrowSchema schema;
    schema_of(&schema, columns, 2);
    struct ArrowArray array;
    assert_int_equal(ArrowArrayInitFromSchema(&array, &schema, NULL), NANOARROW_OK);
    assert_int_equal(ArrowArrayStartAppending(&array), NANOARROW_OK);
    assert_int_equal(ArrowArrayAppendString(array.children[0], ArrowCharView("ann")), NANOARROW_OK);
    assert_int_equal(ArrowArrayAppendInt(array.children[1], 41), NANOARROW_OK);
    assert_int_equal(ArrowArrayFinishElement(&array), NANOARROW_OK);
    assert_int_equal(ArrowArrayFinishBuildingDefault(&array, NULL), NANOARROW_OK);
    struct cadf_params params = {.schema = &schema, .array = &array};

    char *have = query_params(s, "select $who as who, $1 + 1 as n where $who = 'ann'", &params);
    assert_string_equal(have, "who,n\nann,42\n");
    free(have);
    have = query_params(s, "select $nope as x", &params);
    assert_string_equal(have, "!3 Error during planning: No value found for placeholder with name $nope");
    free(have);
    /* borrowed: still the caller's, untouched */
    assert_non_null(array.release);
    assert_int_equal(array.length, 1);
    array.length = 0;
    have = query_params(s, "select $who as who", &params);
    assert_string_equal(have, "!1 parameters must be one row, not 0");
    free(have);
    array.length = 1;
    array.release(&array);
    schema.release(&schema);
    cadf_session_close(s);
}

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *want;
    } cases[] = {
        {"select 1", "select 1\n"},
        {" -- first\nselect ';' ; /* x; */ select \"a;b\" -- end\n;;", "select ';'\nselect \"a;b\"\n"},
        {"", NULL},
        {"-- only\n", NULL},
        {"select '\xc3\xa9\xe4\xb8\xad;'\r\n;select\n2", "select '\xc3\xa9\xe4\xb8\xad;'\nselect\n2\n"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct text t = {0};
        struct cadf_error err = {0};
        assert_int_equal(cadf_split(cases[i].sql, strlen(cases[i].sql), text_add, &t, &err), CADF_OK);
        if (cases[i].want)
            assert_string_equal(t.data, cases[i].want);
        else
            assert_null(t.data);
        free(t.data);
    }
    struct cadf_error err = {0};
    assert_int_equal(cadf_split("select 'open", 12, NULL, NULL, &err), CADF_ERR_SYNTAX);
}

/* An exported stream lives on after its session, and is released half-read without harm. */
static void test_stream_outlives_session(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct ArrowArrayStream stream = {0};
    const char *sql = "select value from generate_series(1, 1000000)";
    assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &stream, NULL), CADF_OK);
    struct ArrowArrayStream other = {0};
    assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &other, NULL), CADF_OK);
    cadf_session_close(s);
    int64_t n = 0;
    for (;;) {
        struct ArrowArray a;
        assert_int_equal(stream.get_next(&stream, &a), 0);
        if (!a.release)
            break;
        n += a.length;
        a.release(&a);
    }
    assert_int_equal(n, 1000000);
    /* after the end: the end again */
    struct ArrowArray a;
    assert_int_equal(stream.get_next(&stream, &a), 0);
    assert_null(a.release);
    stream.release(&stream);
    assert_int_equal(other.get_next(&other, &a), 0);
    a.release(&a);
    other.release(&other);
    assert_null(other.release);
}

/* What fails while running fails through the stream, with the engine's own text. */
static void test_running_failure(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct ArrowArrayStream stream = {0};
    const char *sql = "select 10 / (value - 5) from generate_series(1, 10)";
    assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &stream, NULL), CADF_OK);
    struct ArrowArray a = {0};
    assert_int_not_equal(stream.get_next(&stream, &a), 0);
    assert_string_equal(stream.get_last_error(&stream), "Arrow error: Divide by zero error");
    stream.release(&stream);

    /* 0.16: a hash aggregate over the pool's limit says so, with a status of its own */
    cadf_session_close(s);
    const char *keys[] = {"datafusion.execution.target_partitions"};
    const char *values[] = {"1"};
    struct cadf_options o = {.setting_keys = keys,
                             .setting_values = values,
                             .n_settings = 1,
                             .memory_limit_bytes = 1 << 20,
                             .spill_dir = place(""),
                             .spill_limit_bytes = 1};
    assert_int_equal(cadf_session_open(&o, &s, NULL), CADF_OK);
    expect_part(s, "select count(*) from (select distinct value * 7919 % 1000003 from generate_series(1, 2000000))",
                "!5 ");
    cadf_session_close(s);
}

/* ---- cancel ---------------------------------------------------------------------------------------------------------
 */

static const char endless[] =
    "select count(*) from generate_series(1, 100000000) a, generate_series(1, 100000000) b where a.value <> b.value";

static void test_cancel_from_another_thread(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    cadf_cancel *c = cadf_cancel_new();
    struct ArrowArrayStream stream = {0};
    struct cadf_error err = {0};
    assert_int_equal(cadf_query(s, endless, strlen(endless), NULL, c, &stream, &err), CADF_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fire_soon, c), 0);
    struct ArrowArray a = {0};
    assert_int_equal(stream.get_next(&stream, &a), 125 /* ECANCELED */);
    assert_string_equal(stream.get_last_error(&stream), "canceled");
    pthread_join(thread, NULL);
    stream.release(&stream);

    /* a fired token stops before the start, and may be fired again */
    cadf_cancel_fire(c);
    assert_int_equal(cadf_query(s, "select 1", 8, NULL, c, &stream, &err), CADF_ERR_CANCELED);
    cadf_cancel_free(c);

    /* DML is stopped inside the door */
    c = cadf_cancel_new();
    expect_part(s, "create table t (n bigint)", "");
    assert_int_equal(pthread_create(&thread, NULL, fire_soon, c), 0);
    char sql[512];
    snprintf(sql, sizeof sql, "insert into t %s", endless);
    memset(&err, 0, sizeof err);
    assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, c, &stream, &err), CADF_ERR_CANCELED);
    assert_string_equal(err.text, "canceled");
    pthread_join(thread, NULL);
    cadf_cancel_free(c);
    expect(s, "select count(*) as n from t", "n\n0\n");
    cadf_session_close(s);
}

/* ---- read-only ------------------------------------------------------------------------------------------------------
 */

static void test_read_only_refuses(void **state)
{
    (void)state;
    struct fake f = {0};
    struct fake_table *t = fake_add(&f, "public", "e", CADF_TABLE_EMPTY);
    schema_of(&t->columns, (struct column[]){{"a", NANOARROW_TYPE_INT64, 1}}, 1);
    cadf_session *s = open_with(&f, 1);
    static const char *const refused[] = {
        "create table x (a int)",
        "create view v as select 1",
        "drop table e",
        "insert into e values (1)",
        "copy (select 1) to '/nonexistent/x.parquet' stored as parquet",
        "set datafusion.execution.batch_size = 1",
        "reset datafusion.execution.batch_size",
        "prepare p as insert into e values (1)",
        "explain analyze insert into e values (1)",
        "create external table x stored as parquet location '/nonexistent'",
    };
    for (size_t i = 0; i < N_ELEMENTS(refused); i++)
        expect_part(s, refused[i], "!7 ");
    expect(s, "select count(*) as n from e", "n\n0\n");
    expect_part(s, "explain select * from e", "logical_plan");
    expect_part(s, "show tables", "codeintel,public,e,BASE TABLE");
    expect(s, "prepare p as select 7 as n", "");
    expect(s, "execute p", "n\n7\n");

    struct cadf_error err = {0};
    struct cadf_write w = {.location = place("ro"), .schema = &t->columns};
    assert_int_equal(cadf_delta_create(s, &w, NULL, &err), CADF_ERR_REFUSED);
    assert_string_equal(err.text, "creating a table is refused: the session is read-only");
    assert_int_equal(cadf_delta_write_query(s, &w, "select 1", 8, NULL, NULL, NULL, NULL), CADF_ERR_REFUSED);
    assert_int_equal(cadf_delta_vacuum(s, w.location, 0, NULL, NULL), CADF_ERR_REFUSED);
    cadf_session_close(s);
    fake_done(&f);
}

/* ---- output ---------------------------------------------------------------------------------------------------------
 */

static void test_output(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    const char *sql = "select * from (values (1, 'a', X'00ff', [1, 2], named_struct('k', 'v')), "
                      "(-20, null, null, null, null)) as t(n, s, b, l, o)";
    static const struct {
        const char *format;
        uint32_t width;
        const char *want;
    } cases[] = {
        {"table", 0,
         "+-----+------+------+--------+--------+\n"
         "|   n | s    | b    | l      | o      |\n"
         "+-----+------+------+--------+--------+\n"
         "|   1 | a    | 00ff | [1, 2] | {k: v} |\n"
         "| -20 | NULL | NULL | NULL   | NULL   |\n"
         "+-----+------+------+--------+--------+\n"},
        {"json", 0,
         "[{\"n\":1,\"s\":\"a\",\"b\":\"00ff\",\"l\":[1,2],\"o\":{\"k\":\"v\"}},{\"n\":-20,\"s\":null,\"b\":null,\"l\":"
         "null,\"o\":null}]\n"},
        {"ndjson", 0,
         "{\"n\":1,\"s\":\"a\",\"b\":\"00ff\",\"l\":[1,2],\"o\":{\"k\":\"v\"}}\n{\"n\":-20,\"s\":null,\"b\":null,\"l\":"
         "null,\"o\":null}\n"},
        {"csv", 0, "n,s,b,l,o\n1,a,00ff,\"[1,2]\",\"{\"\"k\"\":\"\"v\"\"}\"\n-20,,,,\n"},
        {"tsv", 0, "n\ts\tb\tl\to\n1\ta\t00ff\t[1,2]\t\"{\"\"k\"\":\"\"v\"\"}\"\n-20\t\t\t\t\n"},
        {"excel", 0, "!1 output format 'excel' is unknown: table, json, ndjson, csv, tsv, arrow, parquet"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct ArrowArrayStream stream = {0};
        assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &stream, NULL), CADF_OK);
        char *have = stream_text(&stream, cases[i].format, cases[i].width);
        assert_string_equal(have, cases[i].want);
        free(have);
    }
    /* a table keeps to its width; control characters cannot move the cursor; wide characters count twice */
    struct ArrowArrayStream stream = {0};
    sql = "select repeat('x', 200) as long, chr(27) || '[31m' as color, '\xe4\xb8\xad' as wide";
    assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &stream, NULL), CADF_OK);
    char *have = stream_text(&stream, "table", 40);
    assert_string_equal(have, "+------------------+------------+------+\n"
                              "| long             | color      | wide |\n"
                              "+------------------+------------+------+\n"
                              "| xxxxxxxxxxxxxxx\xe2\x80\xa6 | \\u{1b}[31m | \xe4\xb8\xad   |\n"
                              "+------------------+------------+------+\n");
    free(have);

    /* arrow and parquet are read back */
    static const char *const files[][2] = {{"arrow", "out.arrow"}, {"parquet", "out.parquet"}};
    for (size_t i = 0; i < 2; i++) {
        sql = "select value as n, cast(value as varchar) as s from generate_series(1, 5000)";
        assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &stream, NULL), CADF_OK);
        int fd = open(place(files[i][1]), O_CREAT | O_RDWR | O_TRUNC, 0600);
        int64_t rows = 0;
        assert_int_equal(cadf_stream_write(&stream, files[i][0], fd, 0, &rows, NULL), CADF_OK);
        assert_int_equal(rows, 5000);
        close(fd);
        char q[700];
        snprintf(q, sizeof q, "create external table f%zu stored as %s location '%s'", i, files[i][0],
                 place(files[i][1]));
        expect(s, q, "");
        snprintf(q, sizeof q, "select count(*) as n, sum(n) as t, max(s) as s from f%zu", i);
        expect(s, q, "n,t,s\n5000,12502500,999\n");
    }
    /* a full disk is an error of the store */
    sql = "select repeat('x', 1000) as x from generate_series(1, 10000)";
    assert_int_equal(cadf_query(s, sql, strlen(sql), NULL, NULL, &stream, NULL), CADF_OK);
    int full = open("/dev/full", O_WRONLY);
    struct cadf_error err = {0};
    assert_int_equal(cadf_stream_write(&stream, "csv", full, 0, NULL, &err), CADF_ERR_IO);
    close(full);
    assert_null(stream.release);
    assert_int_equal(cadf_stream_write(&stream, "csv", 1, 0, NULL, &err), CADF_ERR_INVALID);
    cadf_session_close(s);
}

/* ---- panics ---------------------------------------------------------------------------------------------------------
 */

/* 0.11: a scan or callback that calls back into its session would block a runtime thread for ever; it gets an error. */
static cadf_session *reentered;

static int32_t reenter_call(void *data, const struct ArrowArray *const *args, size_t n_args, int64_t n_rows,
                            struct ArrowArray *ret, struct cadf_error *err)
{
    (void)data;
    (void)args;
    (void)n_args;
    (void)n_rows;
    (void)ret;
    struct ArrowArrayStream stream = {0};
    return cadf_query(reentered, "select 1", 8, NULL, NULL, &stream, err);
}

static void test_reentry_is_an_error(void **state)
{
    (void)state;
    cadf_session *s = reentered = open_with(NULL, 0);
    struct ArrowSchema int64;
    ArrowSchemaInit(&int64);
    assert_int_equal(ArrowSchemaSetType(&int64, NANOARROW_TYPE_INT64), NANOARROW_OK);
    const struct ArrowSchema *args[] = {&int64};
    const char *names[] = {"n"};
    struct cadf_scalar_function fn = {.name = "reenter",
                                      .arg_types = args,
                                      .arg_names = names,
                                      .n_args = 1,
                                      .return_type = &int64,
                                      .volatility = 2,
                                      .call = reenter_call};
    assert_int_equal(cadf_register_function(s, &fn, NULL), CADF_OK);
    expect_part(s, "select reenter(value) from generate_series(1, 3)",
                "function 'reenter': a callback must not call back into its session");
    int64.release(&int64);
    cadf_session_close(s);
}

/* ---- several threads
 * ------------------------------------------------------------------------------------------------- */

static void *query_many(void *data)
{
    for (int i = 0; i < 50; i++) {
        struct ArrowArrayStream stream = {0};
        const char *sql = "select count(*) from (select value % 7 from generate_series(1, 1000) group by 1)";
        assert_int_equal(cadf_query(data, sql, strlen(sql), NULL, NULL, &stream, NULL), CADF_OK);
        struct ArrowArray a;
        assert_int_equal(stream.get_next(&stream, &a), 0);
        assert_int_equal(a.length, 1);
        a.release(&a);
        stream.release(&stream);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    pthread_t threads[4];
    for (size_t i = 0; i < N_ELEMENTS(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, query_many, s), 0);
    for (size_t i = 0; i < N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
    cadf_session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_and_log),
        cmocka_unit_test(test_session_options),
        cmocka_unit_test(test_query_errors),
        cmocka_unit_test(test_long_error_is_cut),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_stream_outlives_session),
        cmocka_unit_test(test_running_failure),
        cmocka_unit_test(test_cancel_from_another_thread),
        cmocka_unit_test(test_read_only_refuses),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_reentry_is_an_error),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, doors_set_up, doors_tear_down);
}
