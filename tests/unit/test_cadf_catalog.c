/* test_cadf_catalog.c — doors of cadf.h that a host answers: its catalog, its streams, its functions.
 *
 * A catalog in C (struct fake) answers from an array; results are read as CSV through cadf_stream_write, so that most
 * expectations are one line of text. Numbers in comments are sections of reference/engine.md and requirements.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "support/doors.h"

/* ---- catalog --------------------------------------------------------------------------------------------------------
 */

static void test_catalog_lists_without_planning(void **state)
{
    (void)state;
    struct fake f = {0};
    struct fake_table *e = fake_add(&f, "public", "empty", CADF_TABLE_EMPTY);
    schema_of(&e->columns, (struct column[]){{"a", NANOARROW_TYPE_INT64, 1}, {"b", NANOARROW_TYPE_STRING, 0}}, 2);
    struct fake_table *v = fake_add(&f, "public", "bad_view", CADF_TABLE_VIEW);
    v->sql = "select * from no_such_table";
    schema_of(&v->columns, (struct column[]){{"x", NANOARROW_TYPE_INT64, 0}}, 1);
    struct fake_table *broken = fake_add(&f, "public", "broken", CADF_TABLE_DELTA);
    broken->failure = "its log is gone";
    schema_of(&broken->columns, (struct column[]){{"y", NANOARROW_TYPE_INT64, 0}}, 1);
    struct fake_table *angry = fake_add(&f, "other", "angry", CADF_TABLE_EMPTY);
    angry->status = CADF_ERR_IO;
    struct fake_table *loop = fake_add(&f, "other", "loop", CADF_TABLE_VIEW);
    loop->sql = "select * from other.loop";
    schema_of(&loop->columns, (struct column[]){{"z", NANOARROW_TYPE_INT64, 0}}, 1);

    cadf_session *s = open_with(&f, 0);
    /* 0.3: one broken table does not break the others; views are listed as views and nothing is planned */
    expect(s,
           "select table_schema, table_name, table_type from information_schema.tables "
           "where table_catalog = 'codeintel' and table_schema <> 'information_schema' order by 1, 2",
           "table_schema,table_name,table_type\nother,angry,BASE TABLE\nother,loop,VIEW\npublic,bad_view,VIEW\n"
           "public,broken,BASE TABLE\npublic,empty,BASE TABLE\n");
    assert_int_equal(atomic_load(&f.n_asked), 0);
    expect(s,
           "select table_name, column_name, is_nullable from information_schema.columns "
           "where table_catalog = 'codeintel' and table_schema <> 'information_schema' order by 1, 2",
           "table_name,column_name,is_nullable\nbad_view,x,YES\nbroken,y,YES\nempty,a,NO\nempty,b,YES\nloop,z,YES\n");
    assert_int_equal(atomic_load(&f.n_asked), 5);
    /* kept for the epoch, and every answer given back */
    expect_part(s, "select count(*) from information_schema.columns", "count(*)");
    assert_int_equal(atomic_load(&f.n_asked), 5);
    assert_int_equal(atomic_load(&f.n_released), 4);
    /* what the callback says of each, and nothing is planned for it */
    expect(s,
           "select table_name, definition from information_schema.views where table_catalog = 'codeintel' "
           "and table_name <> 'loop' order by 1",
           "table_name,definition\nangry,\nbad_view,CREATE VIEW bad_view AS select * from no_such_table\nbroken,\n"
           "empty,\n");

    expect(s, "select * from empty", "a,b\n");
    expect(s, "select * from broken", "!3 table 'public.broken': its log is gone");
    expect(s, "select nonsense from broken", "!3 table 'public.broken': its log is gone");
    expect(s, "describe broken", "column_name,data_type,is_nullable\ny,Int64,YES\n");
    expect(s, "select * from other.angry", "!3 table 'other.angry': the callback says no");
    expect(s, "select * from bad_view",
           "!3 view 'public.bad_view': Error during planning: table 'codeintel.public.no_such_table' not found (line "
           "1, column 15)");
    expect_part(s, "select * from other.loop", "the view reads itself");
    expect(s, "select * from codeintel.public.empty", "a,b\n");
    expect_part(s, "select * from missing", "!3 Error during planning: table 'codeintel.public.missing' not found");

    /* what the catalog owns stays its own */
    expect(s, "drop table empty", "!7 table 'public.empty' belongs to the catalog");
    expect_part(s, "create table other.mine (a int)", "!7 schema 'other' belongs to the catalog");
    /* bare names of the session live in session.memory */
    expect(s, "create table mine as select 1 as a", "");
    expect(s, "select a from mine", "a\n1\n");
    expect(s, "select a from session.memory.mine", "a\n1\n");
    expect(
        s,
        "select count(*) as n from information_schema.tables where table_name = 'mine' and table_catalog = 'session'",
        "n\n1\n");
    expect(
        s,
        "select count(*) as n from information_schema.tables where table_name = 'mine' and table_catalog = 'codeintel'",
        "n\n0\n");
    expect(s, "drop table mine", "");

    struct ArrowSchema schema = {0};
    struct cadf_error err = {0};
    assert_int_equal(cadf_table_schema(s, "public", "empty", &schema, &err), CADF_OK);
    assert_int_equal(schema.n_children, 2);
    assert_string_equal(schema.children[0]->name, "a");
    assert_false(schema.children[0]->flags & ARROW_FLAG_NULLABLE);
    schema.release(&schema);
    assert_int_equal(cadf_table_schema(s, "public", "nope", &schema, &err), CADF_ERR_NOT_FOUND);
    assert_string_equal(err.text, "table 'public.nope' is not there");
    cadf_session_close(s);
    fake_done(&f);
}

static void test_views(void **state)
{
    (void)state;
    struct fake f = {0};
    struct fake_table *base = fake_add(&f, "public", "base", CADF_TABLE_VIEW);
    base->sql = "select * from (values (1, 'a'), (2, 'b')) as t(n, s)";
    schema_of(&base->columns, (struct column[]){{"n", NANOARROW_TYPE_INT64, 0}, {"s", NANOARROW_TYPE_STRING, 0}}, 2);
    struct fake_table *top = fake_add(&f, "public", "top", CADF_TABLE_VIEW);
    top->sql = "select n * 10 as m from base where s <> 'a'";
    schema_of(&top->columns, (struct column[]){{"m", NANOARROW_TYPE_INT64, 0}}, 1);
    struct fake_table *wrong = fake_add(&f, "public", "wrong", CADF_TABLE_VIEW);
    wrong->sql = "select s from base";
    schema_of(&wrong->columns, (struct column[]){{"s", NANOARROW_TYPE_INT64, 0}}, 1);
    struct fake_table *fewer = fake_add(&f, "public", "fewer", CADF_TABLE_VIEW);
    fewer->sql = "select n from base";
    schema_of(&fewer->columns, (struct column[]){{"n", NANOARROW_TYPE_INT64, 0}, {"s", NANOARROW_TYPE_STRING, 0}}, 2);
    struct fake_table *open = fake_add(&f, "public", "open", CADF_TABLE_VIEW);
    open->sql = "select n, n + 1 as o from base";
    struct fake_table *star = fake_add(&f, "public", "star", CADF_TABLE_VIEW);
    star->sql = "select * from base";

    cadf_session *s = open_with(&f, 0);
    expect(s, "select * from top", "m\n20\n");
    expect(s, "select o from open order by o", "o\n2\n3\n");
    expect(s, "select * from wrong", "!3 view 'public.wrong': column 's' has type Utf8, declared Int64");
    expect(s, "select * from fewer", "!3 view 'public.fewer': column 's' is missing");

    /* inlined: the filter and the projection reach the base */
    struct text t = {0};
    const char *sql = "select m from top where m > 5";
    struct cadf_error err = {0};
    struct cadf_plan ask = {.text = text_add, .text_data = &t, .optimized = 1};
    assert_int_equal(cadf_query_plan(s, sql, strlen(sql), &ask, &err), CADF_OK);
    assert_null(strstr(t.data, "TableScan"));
    assert_non_null(strstr(t.data, "Values"));
    free(t.data);
    t = (struct text){0};
    ask.optimized = 0;
    assert_int_equal(cadf_query_plan(s, sql, strlen(sql), &ask, &err), CADF_OK);
    assert_non_null(strstr(t.data, "SubqueryAlias: top"));
    free(t.data);

    /* 0.4: when the epoch moves, views are planned anew, also those over views and those with a star */
    base->sql = "select * from (values (7, 'z', true)) as t(n, s, extra)";
    base->columns.release(&base->columns);
    schema_of(&base->columns,
              (struct column[]){
                  {"n", NANOARROW_TYPE_INT64, 0}, {"s", NANOARROW_TYPE_STRING, 0}, {"extra", NANOARROW_TYPE_BOOL, 0}},
              3);
    expect(s, "select * from top", "m\n20\n");
    atomic_fetch_add(&f.epoch, 1);
    expect(s, "select * from top", "m\n70\n");
    expect(s, "select * from star", "n,s,extra\n7,z,true\n");

    /* a view of the session follows what it reads, too */
    expect(s, "create table loose as select 1 as a", "");
    expect(s, "create view over_loose as select a + 1 as b from loose", "");
    expect(s, "select * from over_loose", "b\n2\n");
    expect(s, "create or replace table loose as select 5 as a", "");
    expect(s, "select * from over_loose", "b\n6\n");
    expect(s, "drop table loose", "");
    expect_part(s, "select * from over_loose", "!3 view 'memory.over_loose'");
    cadf_session_close(s);
    fake_done(&f);
}

/* Names, plans and schemas of queries. */
static void test_query_tables_and_schema(void **state)
{
    (void)state;
    struct fake f = {0};
    struct fake_table *a = fake_add(&f, "public", "a", CADF_TABLE_EMPTY);
    schema_of(&a->columns, (struct column[]){{"n", NANOARROW_TYPE_INT64, 1}}, 1);
    struct fake_table *b = fake_add(&f, "other", "b", CADF_TABLE_EMPTY);
    schema_of(&b->columns, (struct column[]){{"n", NANOARROW_TYPE_INT64, 0}}, 1);
    struct fake_table *v = fake_add(&f, "public", "v", CADF_TABLE_VIEW);
    v->sql = "select a.n from a join other.b as x on a.n = x.n";
    schema_of(&v->columns, (struct column[]){{"n", NANOARROW_TYPE_INT64, 0}}, 1);
    cadf_session *s = open_with(&f, 0);
    expect(s, "create table loose as select 1 as n", "");

    static const struct {
        const char *sql;
        const char *want;
    } cases[] = {
        {"select * from v", "codeintel.other.b\ncodeintel.public.a\n"},
        {"with c as (select n from a) select * from c where n in (select n from v) or n in (select n from loose)",
         "codeintel.other.b\ncodeintel.public.a\nsession.memory.loose\n"},
        {"with a as (select 1 as n) select * from a", NULL},
        {"with recursive r as (select 1 as n union all select n + 1 from r where n < 3) select * from r", NULL},
        {"select value from generate_series(1, 3)", NULL},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct text t = {0};
        struct cadf_error err = {0};
        const struct cadf_plan ask = {.table = text_add, .table_data = &t};
        int rc = cadf_query_plan(s, cases[i].sql, strlen(cases[i].sql), &ask, &err);
        if (rc)
            print_error("%s: %s\n", cases[i].sql, err.text);
        assert_int_equal(rc, CADF_OK);
        if (cases[i].want)
            assert_string_equal(t.data, cases[i].want);
        else
            assert_null(t.data);
        free(t.data);
    }
    struct cadf_error err = {0};
    const struct cadf_plan nothing = {0};
    assert_int_equal(cadf_query_plan(s, "select * from zz", 16, &nothing, &err), CADF_ERR_PLAN);

    struct ArrowSchema schema = {0};
    schema_of_query(s, "select n, cast(n as varchar) as t, [n] as l from a", &schema);
    assert_int_equal(schema.n_children, 3);
    assert_string_equal(schema.children[0]->format, "l");
    assert_false(schema.children[0]->flags & ARROW_FLAG_NULLABLE);
    assert_string_equal(schema.children[1]->format, "u");
    assert_string_equal(schema.children[2]->format, "+l");
    schema.release(&schema);
    cadf_session_close(s);
    fake_done(&f);
}

/* ---- streams from C -------------------------------------------------------------------------------------------------
 */

static void register_counting(cadf_session *s, struct counting *c, const char *name, size_t n_partitions)
{
    struct ArrowSchema schema;
    schema_of(&schema, counting_columns, 3);
    struct cadf_stream_source source = {
        .data = c, .n_partitions = n_partitions, .open = counting_open, .drop = counting_drop};
    struct cadf_error err = {0};
    int rc = cadf_register_stream(s, name, &schema, &source, &err);
    assert_null(schema.release);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, CADF_OK);
}

/* B8: what a probe says of a query is what the query would say before its first row, and nothing is read for it. */
static void test_probe(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct counting c = {.batches_a_partition = 3};
    register_counting(s, &c, "rows", 2);
    static const struct {
        const char *sql;
        int want;
        const char *want_error;
    } cases[] = {
        {"select * from rows", CADF_OK, ""},
        {"select label, count(*) from rows group by label order by 2", CADF_OK, ""},
        {"select * from nowhere", CADF_ERR_PLAN,
         "Error during planning: table 'session.memory.nowhere' not found (line 1, column 15)"},
        {"selec * from rows", CADF_ERR_SYNTAX,
         "SQL error: ParserError(\"Expected: an SQL statement, found: selec at Line: 1, Column: 1\")"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        struct cadf_error err = {0};
        assert_int_equal(cadf_probe(s, cases[i].sql, strlen(cases[i].sql), &err), cases[i].want);
        assert_string_equal(err.text, cases[i].want_error);
    }
    assert_int_equal(atomic_load(&c.n_batches), 0);
    expect(s, "select count(*) as n from rows", "n\n600\n");
    assert_true(atomic_load(&c.n_batches) > 0);
    cadf_session_close(s);
}

static void test_register_stream(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct counting c = {.batches_a_partition = 3};
    register_counting(s, &c, "rows", 2);
    expect(s, "select count(*) as n from rows", "n\n600\n");
    assert_int_equal(c.last_projection, 0);
    expect(s, "select part, min(id) as lo, max(id) as hi from rows group by part order by part",
           "part,lo,hi\n0,0,299\n1,0,299\n");
    assert_int_equal(c.last_projection, 2);
    expect(s, "select label, id from rows where id = 7 and part = 1", "label,id\nodd,7\n");
    expect(s, "select id from rows order by id limit 1", "id\n0\n");
    /* a limit stops the producer soon: 1,000,000 batches would take minutes */
    struct counting big = {.batches_a_partition = 1000000};
    register_counting(s, &big, "big", 1);
    char *have = query_params(s, "select id from big limit 5", NULL);
    assert_string_equal(have, "id\n0\n1\n2\n3\n4\n");
    free(have);
    assert_true(atomic_load(&big.n_batches) < 10000);

    struct counting bad = {.batches_a_partition = 3, .fail_open = 1};
    register_counting(s, &bad, "bad", 1);
    expect(s, "select id from bad", "!10 open stream 'bad': cannot open partition 0");
    bad.fail_open = 0;
    bad.fail_next = 1;
    expect(s, "select sum(id) from bad", "!10 stream 'bad': the disk is on fire");
    bad.fail_next = 0;
    bad.lie = 1;
    expect(s, "select id from bad", "!4 stream 'bad': column 'id' has type Utf8, declared Int64");

    /* facts that nobody proved are not believed: id is declared NOT NULL */
    expect(s, "select is_nullable from information_schema.columns where table_name = 'rows' and column_name = 'id'",
           "is_nullable\nYES\n");

    struct cadf_error err = {0};
    assert_int_equal(cadf_deregister(s, "rows", &err), CADF_OK);
    assert_int_equal(cadf_deregister(s, "rows", &err), CADF_ERR_NOT_FOUND);
    assert_string_equal(err.text, "table 'rows' is not registered");
    assert_int_equal(atomic_load(&c.n_dropped), 1);
    assert_int_equal(atomic_load(&big.n_dropped), 0);

    /* taken also on failure */
    struct ArrowSchema schema;
    schema_of(&schema, counting_columns, 3);
    struct cadf_stream_source source = {.data = &bad, .n_partitions = 1, .open = NULL, .drop = counting_drop};
    int before = atomic_load(&bad.n_dropped);
    assert_int_equal(cadf_register_stream(s, "x", &schema, &source, NULL), CADF_ERR_INVALID);
    assert_null(schema.release);
    assert_int_equal(atomic_load(&bad.n_dropped), before + 1);

    cadf_session_close(s);
    assert_int_equal(atomic_load(&big.n_dropped), 1);
}

/* A stream as a dataset of the catalog. */
static void test_catalog_stream(void **state)
{
    (void)state;
    struct fake f = {0};
    struct counting c = {.batches_a_partition = 2};
    struct fake_table *t = fake_add(&f, "public", "live", CADF_TABLE_STREAM);
    schema_of(&t->columns, counting_columns, 3);
    t->stream =
        (struct cadf_stream_source){.data = &c, .n_partitions = 3, .open = counting_open, .drop = counting_drop};
    t->predicate = "label = 'odd' and id < 10";
    cadf_session *s = open_with(&f, 0);
    expect(s, "select count(*) as n from live", "n\n15\n");
    expect(s, "select id, part from live where part = 2 order by id limit 2", "id,part\n1,2\n3,2\n");
    expect(s, "insert into live values (1, 1, 'x')",
           "!7 INSERT is refused on table 'public.live': its rows are made when they are read");
    cadf_session_close(s);
    assert_true(atomic_load(&c.n_dropped) >= 1);
    fake_done(&f);
}

/* ---- functions in C
 * --------------------------------------------------------------------------------------------------- */

static int32_t twice_call(void *data, const struct ArrowArray *const *args, size_t n_args, int64_t n_rows,
                          struct ArrowArray *ret, struct cadf_error *err)
{
    _Atomic int *n_calls = data;
    atomic_fetch_add(n_calls, 1);
    assert_int_equal(n_args, 1);
    assert_int_equal(args[0]->length, n_rows);
    struct ArrowArrayView view;
    ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_INT64);
    assert_int_equal(ArrowArrayViewSetArray(&view, args[0], NULL), NANOARROW_OK);
    assert_int_equal(ArrowArrayInitFromType(ret, NANOARROW_TYPE_INT64), NANOARROW_OK);
    assert_int_equal(ArrowArrayStartAppending(ret), NANOARROW_OK);
    for (int64_t i = 0; i < n_rows; i++) {
        if (ArrowArrayViewIsNull(&view, i)) {
            assert_int_equal(ArrowArrayAppendNull(ret, 1), NANOARROW_OK);
            continue;
        }
        int64_t value = ArrowArrayViewGetIntUnsafe(&view, i);
        if (value == 13) {
            ArrowArrayViewReset(&view);
            ret->release(ret);
            snprintf(err->text, sizeof err->text, "13 is not welcome");
            return CADF_ERR_EXECUTION;
        }
        /* 99: a row too few */
        if (value != 99)
            assert_int_equal(ArrowArrayAppendInt(ret, 2 * value), NANOARROW_OK);
    }
    ArrowArrayViewReset(&view);
    assert_int_equal(ArrowArrayFinishBuildingDefault(ret, NULL), NANOARROW_OK);
    return CADF_OK;
}

static int32_t bad_text_call(void *data, const struct ArrowArray *const *args, size_t n_args, int64_t n_rows,
                             struct ArrowArray *ret, struct cadf_error *err)
{
    (void)data;
    (void)args;
    (void)n_args;
    (void)err;
    assert_int_equal(ArrowArrayInitFromType(ret, NANOARROW_TYPE_STRING), NANOARROW_OK);
    assert_int_equal(ArrowArrayStartAppending(ret), NANOARROW_OK);
    for (int64_t i = 0; i < n_rows; i++)
        assert_int_equal(ArrowArrayAppendString(ret, ArrowCharView("\xff\xfe")), NANOARROW_OK);
    assert_int_equal(ArrowArrayFinishBuildingDefault(ret, NULL), NANOARROW_OK);
    return CADF_OK;
}

static void test_register_function(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct ArrowSchema int64, utf8;
    ArrowSchemaInit(&int64);
    assert_int_equal(ArrowSchemaSetType(&int64, NANOARROW_TYPE_INT64), NANOARROW_OK);
    ArrowSchemaInit(&utf8);
    assert_int_equal(ArrowSchemaSetType(&utf8, NANOARROW_TYPE_STRING), NANOARROW_OK);
    const struct ArrowSchema *args[] = {&int64};
    const char *names[] = {"number"};
    _Atomic int n_calls = 0;
    struct cadf_scalar_function fn = {.name = "twice",
                                      .arg_types = args,
                                      .arg_names = names,
                                      .n_args = 1,
                                      .return_type = &int64,
                                      .doc = "Two times a number.",
                                      .syntax = "twice(number)",
                                      .data = &n_calls,
                                      .call = twice_call};
    struct cadf_error err = {0};
    assert_int_equal(cadf_register_function(s, &fn, &err), CADF_OK);
    expect(s, "select twice(value) as n from generate_series(1, 3)", "n\n2\n4\n6\n");
    /* coerced, folded, null */
    expect(s, "select twice(cast(4 as smallint)) as a, twice(null) as b", "a,b\n8,\n");
    expect_part(s, "select twice(value) as n from generate_series(12, 14)", "function 'twice': 13 is not welcome");
    expect_part(s, "select twice(value) as n from generate_series(98, 99)",
                "result of function 'twice' has 1 rows, not 2");
    expect_part(s, "select twice('x', 1)", "!3 ");
    expect(s,
           "select distinct description, syntax_example, is_deterministic from information_schema.routines where "
           "routine_name = 'twice'",
           "description,syntax_example,is_deterministic\nTwo times a number.,twice(number),true\n");
    expect(s,
           "select parameter_name, data_type from information_schema.parameters where specific_name = 'twice' and "
           "parameter_mode = 'IN'",
           "parameter_name,data_type\nnumber,Int64\n");

    fn.name = "bad_text";
    fn.return_type = &utf8;
    fn.call = bad_text_call;
    assert_int_equal(cadf_register_function(s, &fn, &err), CADF_OK);
    expect_part(s, "select bad_text(1)", "result of function 'bad_text': Invalid argument error: Invalid UTF8");
    fn.call = NULL;
    assert_int_equal(cadf_register_function(s, &fn, &err), CADF_ERR_INVALID);
    assert_string_equal(err.text, "function 'bad_text' has no call");
    int64.release(&int64);
    utf8.release(&utf8);
    cadf_session_close(s);
}

/* A stream whose get_next is missing would be a null call; a sink that is missing is no output. Nothing crashes. */
static void test_broken_structs(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct counting c = {.batches_a_partition = 1};
    struct ArrowArrayStream stream;
    size_t all[] = {0, 1, 2};
    struct cadf_error err = {0};
    assert_int_equal(counting_open(&c, 0, all, 3, &stream, NULL), CADF_OK);
    stream.get_next = NULL;
    int sink = open("/dev/null", O_WRONLY);
    assert_int_equal(cadf_stream_write(&stream, "csv", sink, 0, NULL, &err), CADF_ERR_INVALID);
    close(sink);
    assert_null(stream.release);
    assert_int_equal(counting_open(&c, 0, all, 3, &stream, NULL), CADF_OK);
    stream.get_schema = NULL;
    assert_int_equal(cadf_stream_write(&stream, "csv", 1, 0, NULL, NULL), CADF_ERR_INVALID);
    assert_null(stream.release);
    assert_int_equal(cadf_query_plan(s, "select 1", 8, &(struct cadf_plan){0}, NULL), CADF_OK);
    assert_int_equal(cadf_query_plan(s, "select 1", 8, NULL, NULL), CADF_ERR_INVALID);
    /* first error wins: a second failure does not replace the text */
    struct cadf_write none = {0};
    memset(&err, 0, sizeof err);
    assert_int_equal(cadf_delta_create(s, &none, NULL, &err), CADF_ERR_INVALID);
    assert_string_equal(err.text, "location is missing");
    cadf_session_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalog_lists_without_planning),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_query_tables_and_schema),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_register_stream),
        cmocka_unit_test(test_catalog_stream),
        cmocka_unit_test(test_register_function),
        cmocka_unit_test(test_broken_structs),
    };
    return cmocka_run_group_tests(tests, doors_set_up, doors_tear_down);
}
