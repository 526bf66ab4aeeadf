/* test_cadf_delta.c — doors of cadf.h to storage: Delta through the gate, listed files, and the traps closed there.
 *
 * A catalog in C (struct fake) answers from an array; results are read as CSV through cadf_stream_write, so that most
 * expectations are one line of text. Numbers in comments are sections of reference/engine.md and requirements.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "support/doors.h"

/* ---- Delta through the gate
 * ------------------------------------------------------------------------------------------- */

static const char good_bundle[] =
    "select x, nodes from (select cast(1 as bigint) as x, "
    "[named_struct('kind', 'Name', 'pos', cast(3 as bigint)), named_struct('kind', 'Call', 'pos', cast(null as "
    "bigint))] as nodes "
    "union all select cast(2 as bigint), arrow_cast([], 'List(Struct(\"kind\": Utf8, \"pos\": Int64))'))";

static void test_gate(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct ArrowSchema schema;
    bundle_schema(&schema);
    const char *at = place("gate");
    struct cadf_write w = {.location = at, .schema = &schema};
    struct cadf_written written = {0};

    char *have = write_query(s, &w, good_bundle, &written);
    assert_string_equal(have, "");
    free(have);
    assert_int_equal(written.version, 0);
    assert_int_equal(written.n_rows, 2);
    assert_int_equal(written.n_files, 1);
    assert_true(written.n_bytes > 0);

    static const struct {
        const char *sql, *want; /* %s: the location */
    } cases[] = {
        {"select cast(null as bigint) as x, [named_struct('kind', 'a', 'pos', cast(1 as bigint))] as nodes",
         "!11 gate '%s': column 'x' is null in row 0"},
        {"select cast(1 as bigint) as x, [named_struct('kind', cast(null as varchar), 'pos', cast(1 as bigint))] as "
         "nodes",
         "!11 gate '%s': column 'nodes[].kind' is null in row 0"},
        {"select cast(value as bigint) as x, [named_struct('kind', 'a', 'pos', cast(1 as bigint)), "
         "named_struct('kind', case when value = 7 then null else 'b' end, 'pos', cast(1 as bigint))] as nodes "
         "from generate_series(0, 20)",
         "!11 gate '%s': column 'nodes[].kind' is null in row 7"},
        {"select cast(1 as bigint) as x, [named_struct('kind', 'a', 'pos', cast(1 as bigint)), null] as nodes",
         "!11 gate '%s': column 'nodes[]' is null in row 0"},
        {"select 'a' as x, [named_struct('kind', 'a', 'pos', cast(1 as bigint))] as nodes",
         "!11 gate '%s': column 'x' has type Utf8, declared Int64"},
        {"select cast(1 as int) as x, [named_struct('kind', 'a', 'pos', cast(1 as bigint))] as nodes",
         "!11 gate '%s': column 'x' has type Int32, declared Int64"},
        {"select cast(1 as bigint) as y, [named_struct('kind', 'a', 'pos', cast(1 as bigint))] as nodes",
         "!11 gate '%s': column 1 is named 'y', declared 'x'"},
        {"select cast(1 as bigint) as x", "!11 gate '%s': column 'nodes' is missing"},
        {"insert into x values (1)", "!3 "},
        {"select cast(1 as bigint) as x, [named_struct('kind', 'a', 'pos', cast(1 as bigint))] as nodes, 1 as z",
         "!11 gate '%s': column 'z' is not declared"},
        {"select cast(10 / (value - 3) as bigint) as x, [named_struct('kind', 'a', 'pos', cast(1 as bigint))] as nodes "
         "from generate_series(0, 5)",
         "!4 Arrow error: Divide by zero error"},
    };
    for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
        char want[1024];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(want, sizeof want, cases[i].want, at);
#pragma GCC diagnostic pop
        have = write_query(s, &w, cases[i].sql, NULL);
        if (strncmp(have, want, strlen(want)) != 0)
            print_error("%s\n--- have %s\n--- want %s\n", cases[i].sql, have, want);
        assert_memory_equal(have, want, strlen(want));
        free(have);
    }
    /* nothing of all that was written */
    int64_t version = -1;
    assert_int_equal(cadf_delta_version(s, at, &version, NULL), CADF_OK);
    assert_int_equal(version, 0);

    /* a null child under a null parent is no value: nullable list of struct with NOT NULL child */
    schema.children[1]->flags |= ARROW_FLAG_NULLABLE;
    w.location = place("gate2");
    expect_write(
        s, &w,
        "select cast(1 as bigint) as x, arrow_cast(null, 'List(Struct(\"kind\": Utf8, \"pos\": Int64))') as nodes", "");
    schema.children[1]->children[0]->flags |= ARROW_FLAG_NULLABLE;
    expect_write(s, &w,
                 "select cast(2 as bigint) as x, [null, named_struct('kind', 'k', 'pos', cast(1 as bigint))] as nodes",
                 "");
    schema.release(&schema);
    cadf_session_close(s);
}

static void test_delta_in_catalog(void **state)
{
    (void)state;
    struct fake f = {0};
    const char *at = place("cat");
    struct fake_table *t = fake_add(&f, "public", "files", CADF_TABLE_DELTA);
    bundle_schema(&t->columns);
    t->location = strdup(at);
    struct fake_table *view = fake_add(&f, "public", "nodes", CADF_TABLE_VIEW);
    view->sql = "select x, n['kind'] as kind, n['pos'] as pos from (select x, unnest(nodes) as n from files)";
    schema_of(&view->columns,
              (struct column[]){
                  {"x", NANOARROW_TYPE_INT64, 1}, {"kind", NANOARROW_TYPE_STRING, 1}, {"pos", NANOARROW_TYPE_INT64, 0}},
              3);
    struct fake_table *loose = fake_add(&f, "public", "loose", CADF_TABLE_DELTA);
    bundle_schema(&loose->columns);
    loose->location = t->location;
    loose->proved = 0;
    struct fake_table *missing = fake_add(&f, "public", "missing", CADF_TABLE_DELTA);
    bundle_schema(&missing->columns);
    missing->location = "/nonexistent/place";
    struct fake_table *part = fake_add(&f, "public", "part", CADF_TABLE_DELTA);
    bundle_schema(&part->columns);
    part->location = t->location;
    part->predicate = "x > 1";

    cadf_session *s = open_with(&f, 0);
    struct cadf_write w = {.location = at, .schema = &t->columns};
    expect_write(s, &w, good_bundle, "");
    expect(s, "select x, kind, pos from nodes order by pos nulls last", "x,kind,pos\n1,Name,3\n1,Call,\n");
    expect(s, "select count(*) as n from files", "n\n2\n");
    expect(s, "select x from part", "x\n2\n");
    expect(s, "select count(*) as n from part where cardinality(nodes) = 0", "n\n1\n");
    expect_part(s, "select * from missing", "!8 table 'public.missing': ");

    /* the provider presents the contract, to the letter: item, NOT NULL, order */
    struct ArrowSchema schema = {0};
    schema_of_query(s, "select * from files", &schema);
    struct ArrowError e;
    assert_string_equal(schema.children[1]->children[0]->name, "item");
    assert_false(schema.children[0]->flags & ARROW_FLAG_NULLABLE);
    assert_false(schema.children[1]->children[0]->flags & ARROW_FLAG_NULLABLE);
    (void)e;
    schema.release(&schema);
    /* 0.1: without proof nothing is NOT NULL */
    schema_of_query(s, "select * from loose", &schema);
    assert_true(schema.children[0]->flags & ARROW_FLAG_NULLABLE);
    assert_true(schema.children[1]->children[0]->flags & ARROW_FLAG_NULLABLE);
    assert_true(schema.children[1]->children[0]->children[0]->flags & ARROW_FLAG_NULLABLE);
    schema.release(&schema);
    /* in storage items are named element */
    assert_int_equal(cadf_delta_schema(s, at, -1, &schema, NULL), CADF_OK);
    assert_string_equal(schema.children[1]->children[0]->name, "element");
    schema.release(&schema);

    /* 0.6: SQL INSERT reaches the gate, and the host hears of it; the provider of this epoch stays at its version */
    atomic_store(&f.committed, -1);
    expect(s, "insert into files values (3, [named_struct('kind', 'If', 'pos', 5)])", "count\n1\n");
    assert_int_equal(atomic_load(&f.committed), 1);
    expect(s, "select count(*) as n from files", "n\n2\n");
    atomic_fetch_add(&f.epoch, 1);
    expect(s, "select count(*) as n from files", "n\n3\n");
    expect(s, "insert into files (x) values (4)", "!11 gate 'public.files': column 'nodes' is null in row 0");
    expect(s, "insert into files values (5, [named_struct('kind', null, 'pos', 5)])",
           "!11 gate 'public.files': column 'nodes[].kind' is null in row 0");
    expect(s, "insert overwrite files values (9, [])", "count\n1\n");
    atomic_fetch_add(&f.epoch, 1);
    expect(s, "select x from files", "x\n9\n");

    /* a pinned version still answers */
    t->version = 0;
    atomic_fetch_add(&f.epoch, 1);
    expect(s, "select count(*) as n from files", "n\n2\n");
    t->version = 77;
    atomic_fetch_add(&f.epoch, 1);
    expect_part(s, "select count(*) as n from files", "!8 table 'public.files': ");
    t->version = -1;
    atomic_fetch_add(&f.epoch, 1);

    /* 0.12: the hooks that lose their predicate always refuse; predicates are taken from the plan as it was written */
    static const char *const refused[] = {"delete from files where x in (select x from files)",
                                          "delete from files limit 1", "update files set x = (select 1)",
                                          "explain analyze delete from files", "truncate table files"};
    for (size_t i = 0; i < N_ELEMENTS(refused); i++)
        expect_part(s, refused[i], "!7 ");
    expect(s, "delete from files where 1 = 0", "count\n0\n");
    expect(s, "update files set x = 1 where x = 2", "count\n0\n");
    expect(s, "select x from files", "x\n9\n");
    expect(s, "update files set x = x + 1 where x = 9", "count\n1\n");
    atomic_fetch_add(&f.epoch, 1);
    expect(s, "select x from files", "x\n10\n");
    expect(s, "delete from files", "count\n1\n");
    atomic_fetch_add(&f.epoch, 1);
    expect(s, "select count(*) as n from files", "n\n0\n");
    cadf_session_close(s);
    free((char *)t->location);
    fake_done(&f);
}

/* 0.1: facts that are declared and false change no answer. */
static void test_false_facts_are_not_believed(void **state)
{
    (void)state;
    struct fake f = {0};
    cadf_session *plain = open_with(NULL, 0);
    struct ArrowSchema open_schema;
    schema_of(&open_schema, (struct column[]){{"a", NANOARROW_TYPE_INT64, 0}, {"b", NANOARROW_TYPE_INT64, 0}}, 2);
    const char *at = place("facts");
    struct cadf_write w = {.location = at, .schema = &open_schema};
    expect_write(plain, &w,
                 "select cast(column1 as bigint) as a, cast(column2 as bigint) as b from (values (3, 1), (1, 1), "
                 "(null, 2), (2, 2))",
                 "");
    open_schema.release(&open_schema);

    struct fake_table *t = fake_add(&f, "public", "t", CADF_TABLE_DELTA);
    schema_of(&t->columns, (struct column[]){{"a", NANOARROW_TYPE_INT64, 1}, {"b", NANOARROW_TYPE_INT64, 1}}, 2);
    t->location = strdup(at);
    t->proved = 0;
    cadf_session *s = open_with(&f, 0);
    expect(s, "select count(*) as n, count(a) as m from t where a is null", "n,m\n1,0\n");
    expect(s, "select count(a) as n from t", "n\n3\n");
    expect(s, "select a from t order by a", "a\n1\n2\n3\n\"\"\n");
    expect(s, "select distinct b from t order by b", "b\n1\n2\n");

    /* the same through DDL: NOT NULL, PRIMARY KEY and WITH ORDER over a file that breaks all three */
    char sql[1024];
    snprintf(sql, sizeof sql,
             "copy (select * from (values (3, 1), (1, 1), (null, 2)) as t(a, b)) to '%s' stored as parquet",
             place("facts.parquet"));
    expect(plain, sql, "count\n3\n");
    snprintf(sql, sizeof sql,
             "create external table x (a bigint not null, b bigint, primary key (b)) stored as parquet with order (a) "
             "location '%s'",
             place("facts.parquet"));
    expect(plain, sql, "");
    expect(plain, "select count(*) as n from x where a is null", "n\n1\n");
    expect(plain, "select a from x order by a", "a\n1\n3\n\"\"\n");
    expect(plain, "select distinct b from x order by b", "b\n1\n2\n");
    expect(plain, "create table k (b bigint primary key) as values (1), (1)", "");
    expect(plain, "select distinct b from k", "b\n1\n");

    /* 0.10: a failing replacement leaves the old table */
    expect_part(plain, "create or replace external table x stored as parquet location '/nonexistent/no.parquet'", "!");
    expect(plain, "select count(*) as n from x", "n\n3\n");
    cadf_session_close(plain);
    cadf_session_close(s);
    free((char *)t->location);
    fake_done(&f);
}

static void test_delta_ddl(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    char sql[1024];
    const char *at = place("ddl");
    snprintf(sql, sizeof sql,
             "create external table d (a bigint not null, b varchar default 'none', l bigint[]) stored as delta "
             "location '%s'",
             at);
    expect(s, sql, "");
    /* B3: what was declared is what is there, before a row is */
    expect(s, "select * from d", "a,b,l\n");
    expect(s, "insert into d (a) values (1)", "count\n1\n");
    expect(s, "select * from d", "a,b,l\n1,none,\n");
    expect(s, "insert into d values (null, 'x', null)", "!11 gate 'd': column 'a' is null in row 0");
    /* declared columns are compared with the table */
    snprintf(sql, sizeof sql,
             "create external table e (a bigint, b bigint, l bigint[]) stored as deltatable location '%s'", at);
    expect_part(s, sql, "the Delta table at");
    expect_part(s, sql, "is another: column 'b' has type Utf8, declared Int64");
    snprintf(sql, sizeof sql, "create external table e stored as delta location '%s'", at);
    expect(s, sql, "");
    expect(s, "select a from e", "a\n1\n");
    /* names with capitals and spaces, values with slashes and without */
    snprintf(sql, sizeof sql,
             "create external table q (\"Kind\" bigint not null, \"P q\" varchar) stored as delta partitioned by (\"P "
             "q\") location '%s'",
             place("quoted"));
    expect(s, sql, "");
    expect(s, "insert into q values (1, 'a/b'), (2, null)", "count\n2\n");
    expect(s, "select \"Kind\", \"P q\" from q order by 1", "Kind,P q\n1,a/b\n2,\n");
    expect(s, "select \"Kind\" from q where \"P q\" = 'a/b'", "Kind\n1\n");
    snprintf(sql, sizeof sql, "create external table r (a bigint) stored as delta partitioned by (b) location '%s'",
             place("none"));
    expect_part(s, sql, "partition column 'b' is not declared");
    snprintf(sql, sizeof sql, "create external table g stored as delta location '%s'", place("nothing"));
    expect_part(s, sql, "!8 table 'g': no Delta table at");
    cadf_session_close(s);
}

static void test_delta_doors(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct ArrowSchema schema;
    schema_of(&schema,
              (struct column[]){
                  {"id", NANOARROW_TYPE_INT64, 1}, {"p", NANOARROW_TYPE_STRING, 0}, {"v", NANOARROW_TYPE_DOUBLE, 0}},
              3);
    const char *at = place("doors");
    const char *partition[] = {"p"};
    const char *mk[] = {"run"}, *mv[] = {"r1"};
    const char *pk[] = {"delta.enableChangeDataFeed"}, *pv[] = {"true"};
    struct cadf_write w = {.location = at,
                           .schema = &schema,
                           .partition_by = partition,
                           .n_partition_by = 1,
                           .metadata_keys = mk,
                           .metadata_values = mv,
                           .n_metadata = 1,
                           .property_keys = pk,
                           .property_values = pv,
                           .n_properties = 1,
                           .compression = "snappy"};
    struct cadf_error err = {0};
    struct cadf_written written = {.version = -1};
    int64_t version = -1;

    assert_int_equal(cadf_delta_version(s, at, &version, &err), CADF_ERR_NOT_FOUND);
    memset(&err, 0, sizeof err);
    int rc = cadf_delta_create(s, &w, &written, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, CADF_OK);
    assert_int_equal(written.version, 0);
    assert_int_equal(cadf_delta_create(s, &w, &written, &err), CADF_ERR_CONFLICT);

    /* retried writes: the second of a transaction is refused and nothing doubles */
    w.app_id = "run-1/files";
    w.app_version = 1;
    expect_write(s, &w,
                 "select cast(value as bigint) as id, case when value % 2 = 0 then 'a' else 'b' end as p, "
                 "cast(value as double) as v from generate_series(1, 10)",
                 "");
    char want[512];
    snprintf(want, sizeof want, "!9 write '%s': transaction (run-1/files, 1) is committed already (newest is 1)", at);
    expect_write(s, &w, "select cast(1 as bigint) as id, 'a' as p, cast(1 as double) as v", want);
    w.app_version = 2;
    expect_write(s, &w, "select cast(11 as bigint) as id, 'a' as p, cast(null as double) as v", "");
    w.app_id = NULL;
    assert_int_equal(cadf_delta_version(s, at, &version, &err), CADF_OK);
    assert_int_equal(version, 2);

    char sql[512];
    snprintf(sql, sizeof sql, "create external table t stored as delta location '%s'", at);
    expect(s, sql, "");
    expect(s, "select count(*) as n, sum(v) as v from t", "n,v\n11,55.0\n");
    expect(s, "select column_name from information_schema.columns where table_name = 't'", "column_name\nid\np\nv\n");
    expect(s, "select count(*) as n from t where p = 'b'", "n\n5\n");

    memset(&err, 0, sizeof err);
    struct cadf_extent all = {0}, added = {0};
    assert_int_equal(cadf_delta_version(s, at, &version, &err), CADF_OK);
    assert_int_equal(version, 2);
    assert_int_equal(cadf_delta_extent(s, at, 2, 1, &all, &added, &err), CADF_OK);
    assert_int_equal(all.n_rows, 11);
    assert_int_equal(added.n_rows, 1);
    assert_int_equal(added.n_files, 1);
    expect(s, "delete from t where id in (1, 2)", "count\n2\n");
    expect(s, "update t set v = v * 2 where p = 'b'", "count\n4\n");
    expect(s, "select count(*) as n, sum(v) as v from t", "n,v\n9,76.0\n");
    assert_int_equal(cadf_delta_extent(s, at, 4, -1, &all, NULL, &err), CADF_OK);
    assert_int_equal(all.n_rows, 9);
    assert_int_equal(cadf_delta_extent(s, at, 5, 4, &all, &added, &err), CADF_ERR_NOT_FOUND);
    assert_int_equal(cadf_delta_extent(s, at, -1, -1, &all, &added, &err), CADF_ERR_INVALID);

    struct text t = {0};
    assert_int_equal(cadf_delta_history(s, at, 0, text_add, &t, &err), CADF_OK);
    assert_non_null(strstr(t.data, "\"operation\":\"CREATE TABLE\""));
    assert_non_null(strstr(t.data, "\"run\":\"r1\""));
    assert_non_null(strstr(t.data, "\"version\":4"));
    assert_true(strstr(t.data, "\"version\":4") < strstr(t.data, "\"version\":0"));
    free(t.data);
    t = (struct text){0};
    assert_int_equal(cadf_delta_history(s, at, 1, text_add, &t, &err), CADF_OK);
    assert_null(strstr(t.data, "CREATE TABLE"));
    free(t.data);

    /* a version keeps its files while it is asked for, and loses them after */
    struct ArrowSchema old = {0};
    int64_t files = -1;
    assert_int_equal(cadf_delta_vacuum(s, at, 1, &files, &err), CADF_OK);
    assert_int_equal(files, 0);
    assert_int_equal(cadf_delta_vacuum(s, at, 4, &files, &err), CADF_OK);
    assert_true(files > 0);
    expect(s, "select count(*) as n from t", "n\n9\n");
    assert_int_equal(cadf_delta_schema(s, at, 1, &old, &err), CADF_OK);
    old.release(&old);
    memset(&err, 0, sizeof err);
    assert_int_equal(cadf_delta_schema(s, at, 99, &old, &err), CADF_ERR_NOT_FOUND);

    /* overwrite */
    w.mode = CADF_WRITE_OVERWRITE;
    expect_write(s, &w, "select cast(1 as bigint) as id, 'z' as p, cast(1 as double) as v", "");
    expect(s, "select * from t", "id,p,v\n1,z,1.0\n");
    w.compression = "nonsense";
    expect_part(s, "select 1", "1");
    char *have = write_query(s, &w, "select cast(1 as bigint) as id, 'z' as p, cast(1 as double) as v", NULL);
    assert_memory_equal(have, "!1 compression 'nonsense'", 25);
    free(have);
    schema.release(&schema);
    cadf_session_close(s);
}

/* 0.6: the storage library's own rules hold for SQL INSERT too: its own sink would commit the bad row. The library
 * cannot make a table with a CHECK through its create builder, so the log is written by hand. */
static void test_check_constraint_holds(void **state)
{
    (void)state;
    struct fake f = {0};
    char path[600];
    const char *at = place("check");
    assert_int_equal(mkdir(at, 0700), 0);
    snprintf(path, sizeof path, "%s/_delta_log", at);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/_delta_log/00000000000000000000.json", at);
    FILE *log = fopen(path, "w");
    assert_non_null(log);
    fputs("{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":3}}\n"
          "{\"metaData\":{\"id\":\"5e6c7f4e-0000-4000-8000-000000000000\",\"format\":{\"provider\":\"parquet\","
          "\"options\":{}},"
          "\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":["
          "{\\\"name\\\":\\\"k\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}},"
          "{\\\"name\\\":\\\"v\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}]}\","
          "\"partitionColumns\":[],\"configuration\":{\"delta.constraints.positive\":\"v > "
          "0\"},\"createdTime\":1700000000000}}\n",
          log);
    fclose(log);
    struct fake_table *t = fake_add(&f, "public", "t", CADF_TABLE_DELTA);
    schema_of(&t->columns, (struct column[]){{"k", NANOARROW_TYPE_INT64, 0}, {"v", NANOARROW_TYPE_INT64, 0}}, 2);
    t->location = strdup(at);
    cadf_session *s = open_with(&f, 0);
    expect(s, "insert into t values (1, 5)", "count\n1\n");
    char *have = query_params(s, "insert into t values (4, -5)", NULL);
    if (have[0] != '!')
        print_error("%s\n", have);
    assert_memory_equal(have, "!11 ", 4);
    assert_non_null(strstr(have, "1 rows failed validation check"));
    free(have);
    atomic_fetch_add(&f.epoch, 1);
    expect(s, "select k, v from t", "k,v\n1,5\n");
    cadf_session_close(s);
    free((char *)t->location);
    fake_done(&f);
}

static void test_write_stream(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct ArrowSchema schema;
    schema_of(&schema, counting_columns, 3);
    const char *at = place("stream");
    struct cadf_write w = {.location = at, .schema = &schema, .row_group_bytes = 64 << 10};
    struct counting c = {.batches_a_partition = 50};
    struct ArrowArrayStream stream;
    size_t all[] = {0, 1, 2};
    assert_int_equal(counting_open(&c, 0, all, 3, &stream, NULL), CADF_OK);
    struct cadf_written written = {0};
    struct cadf_error err = {0};
    int rc = cadf_delta_write_stream(s, &w, &stream, NULL, &written, &err);
    if (rc)
        print_error("%s\n", err.text);
    assert_int_equal(rc, CADF_OK);
    assert_null(stream.release);
    assert_int_equal(written.n_rows, 50 * BATCH_ROWS);
    assert_int_equal(written.n_files, 1);

    /* a stream that breaks half-way commits nothing */
    c.fail_next = 1;
    assert_int_equal(counting_open(&c, 0, all, 3, &stream, NULL), CADF_OK);
    assert_int_equal(cadf_delta_write_stream(s, &w, &stream, NULL, &written, &err), CADF_ERR_IO);
    assert_string_equal(err.text, "the stream: the disk is on fire");
    assert_null(stream.release);
    c.fail_next = 0;
    /* another schema */
    size_t two[] = {0, 1};
    memset(&err, 0, sizeof err);
    assert_int_equal(counting_open(&c, 0, two, 2, &stream, NULL), CADF_OK);
    assert_int_equal(cadf_delta_write_stream(s, &w, &stream, NULL, &written, &err), CADF_ERR_GATE);
    assert_null(stream.release);
    /* canceled before and while */
    cadf_cancel *cancel = cadf_cancel_new();
    struct counting endless_rows = {.batches_a_partition = INT64_MAX};
    assert_int_equal(counting_open(&endless_rows, 0, all, 3, &stream, NULL), CADF_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fire_soon, cancel), 0);
    assert_int_equal(cadf_delta_write_stream(s, &w, &stream, cancel, &written, NULL), CADF_ERR_CANCELED);
    assert_null(stream.release);
    pthread_join(thread, NULL);
    cadf_cancel_free(cancel);

    int64_t version = -1;
    assert_int_equal(cadf_delta_version(s, at, &version, NULL), CADF_OK);
    assert_int_equal(version, 0);
    assert_int_equal(cadf_delta_write_stream(s, &w, &(struct ArrowArrayStream){0}, NULL, NULL, NULL), CADF_ERR_INVALID);
    schema.release(&schema);
    cadf_session_close(s);
}

/* Types that Delta has no name for come back as they went in, or are refused by name. */
static void test_storage_mapping(void **state)
{
    (void)state;
    struct fake f = {0};
    cadf_session *plain = open_with(NULL, 0);
    struct fake_table *t = fake_add(&f, "public", "t", CADF_TABLE_DELTA);
    static const struct column columns[] = {{"u8", NANOARROW_TYPE_UINT8, 0},     {"u32", NANOARROW_TYPE_UINT32, 1},
                                            {"i8", NANOARROW_TYPE_INT8, 0},      {"s", NANOARROW_TYPE_STRING, 0},
                                            {"b", NANOARROW_TYPE_BINARY, 0},     {"d", NANOARROW_TYPE_DATE32, 0},
                                            {"ts", NANOARROW_TYPE_TIMESTAMP, 0}, {"o", NANOARROW_TYPE_BOOL, 0}};
    schema_of(&t->columns, columns, N_ELEMENTS(columns));
    t->location = strdup(place("types"));
    struct cadf_write w = {.location = t->location, .schema = &t->columns};
    const char *sql =
        "select arrow_cast(200, 'UInt8') as u8, arrow_cast(4000000000, 'UInt32') as u32, arrow_cast(-1, 'Int8') as i8, "
        "'x' as s, X'00ff' as b, arrow_cast('2024-02-03', 'Date32') as d, "
        "arrow_cast('2024-02-03T04:05:06.000007Z', 'Timestamp(Microsecond, Some(\"UTC\"))') as ts, true as o";
    expect_write(plain, &w, sql, "");
    cadf_session *s = open_with(&f, 0);
    expect(s, "select * from t",
           "u8,u32,i8,s,b,d,ts,o\n200,4000000000,-1,x,00ff,2024-02-03,2024-02-03T04:05:06.000007Z,true\n");
    expect(s, "select count(*) as n from t where u32 = 4000000000 and u8 > 100 and b = X'00ff'", "n\n1\n");
    expect(s, "select arrow_typeof(u8) as a, arrow_typeof(u32) as b from t", "a,b\nUInt8,UInt32\n");

    struct ArrowSchema half;
    schema_of(&half, (struct column[]){{"h", NANOARROW_TYPE_HALF_FLOAT, 0}}, 1);
    w = (struct cadf_write){.location = place("half"), .schema = &half};
    struct cadf_error err = {0};
    assert_int_equal(cadf_delta_create(plain, &w, NULL, &err), CADF_ERR_GATE);
    assert_string_equal(err.text, "column 'h': float16 cannot be stored in a Delta table");
    half.release(&half);
    cadf_session_close(s);
    cadf_session_close(plain);
    free((char *)t->location);
    fake_done(&f);
}

/* Plain files as a dataset; a stray file in the folder is no data, and new files are seen (0.9). */
static void test_listing(void **state)
{
    (void)state;
    struct fake f = {0};
    cadf_session *plain = open_with(NULL, 0);
    char folder[512], sql[1024];
    snprintf(folder, sizeof folder, "%s/", place("files"));
    snprintf(sql, sizeof sql, "copy (select 1 as a, 'x' as b) to '%sone.parquet' stored as parquet", folder);
    expect(plain, sql, "count\n1\n");
    char stray[600];
    snprintf(stray, sizeof stray, "%smanifest.json", folder);
    FILE *file = fopen(stray, "w");
    assert_non_null(file);
    fputs("{}", file);
    fclose(file);

    struct fake_table *t = fake_add(&f, "public", "t", CADF_TABLE_LISTING);
    t->location = folder;
    t->format = "parquet";
    t->proved = 0;
    schema_of(&t->columns,
              (struct column[]){
                  {"b", NANOARROW_TYPE_STRING, 0}, {"a", NANOARROW_TYPE_INT64, 1}, {"c", NANOARROW_TYPE_INT64, 0}},
              3);
    struct fake_table *odd = fake_add(&f, "public", "odd", CADF_TABLE_LISTING);
    odd->location = folder;
    odd->format = "excel";
    schema_of(&odd->columns, (struct column[]){{"b", NANOARROW_TYPE_STRING, 0}}, 1);
    cadf_session *s = open_with(&f, 0);
    expect(s, "select * from t", "b,a,c\nx,1,\n");
    snprintf(sql, sizeof sql, "copy (select 2 as a, 'y' as b) to '%stwo.parquet' stored as parquet", folder);
    expect(plain, sql, "count\n1\n");
    expect(s, "select a, b from t where b <> 'x'", "a,b\n2,y\n");
    expect_part(s, "select * from odd", "file format 'excel' is unknown");
    cadf_session_close(s);
    cadf_session_close(plain);
    fake_done(&f);
}

struct writer {
    cadf_session *s;
    struct cadf_write w;
    int rc;
    char text[256];
};

static void *write_once(void *data)
{
    struct writer *w = data;
    struct cadf_error err = {0};
    const char *sql = "select value as n from generate_series(1, 10)";
    w->rc = cadf_delta_write_query(w->s, &w->w, sql, strlen(sql), NULL, NULL, NULL, &err);
    snprintf(w->text, sizeof w->text, "%.200s", err.text);
    return NULL;
}

/* Writers that meet: whoever is refused is told CONFLICT, and rows are there once for each who was not. */
static void test_concurrent_writers(void **state)
{
    (void)state;
    cadf_session *s = open_with(NULL, 0);
    struct ArrowSchema schema;
    schema_of(&schema, (struct column[]){{"n", NANOARROW_TYPE_INT64, 0}}, 1);
    static const struct {
        const char *name, *app_id;
        int exactly; /* how many succeed; 0: at least one */
    } cases[] = {{"meet_new", NULL, 0}, {"meet_transaction", "run", 1}};
    for (size_t k = 0; k < N_ELEMENTS(cases); k++) {
        const char *at = place(cases[k].name);
        struct writer writers[4];
        pthread_t threads[4];
        for (size_t round = 0; round < 2; round++) {
            int n_ok = 0;
            for (size_t i = 0; i < N_ELEMENTS(writers); i++) {
                writers[i] = (struct writer){.s = s,
                                             .w = {.location = at,
                                                   .schema = &schema,
                                                   .app_id = cases[k].app_id,
                                                   .app_version = (int64_t)round + 1}};
                assert_int_equal(pthread_create(&threads[i], NULL, write_once, &writers[i]), 0);
            }
            for (size_t i = 0; i < N_ELEMENTS(writers); i++) {
                pthread_join(threads[i], NULL);
                n_ok += writers[i].rc == CADF_OK;
                if (writers[i].rc != CADF_OK && writers[i].rc != CADF_ERR_CONFLICT)
                    print_error("%d %s\n", writers[i].rc, writers[i].text);
                assert_true(writers[i].rc == CADF_OK || writers[i].rc == CADF_ERR_CONFLICT);
            }
            assert_true(n_ok >= 1);
            if (cases[k].exactly)
                assert_int_equal(n_ok, cases[k].exactly);
            char sql[512], want[64];
            snprintf(sql, sizeof sql, "create or replace external table m stored as delta location '%s'", at);
            expect(s, sql, "");
            static int64_t total;
            total = round ? total + n_ok : n_ok;
            snprintf(want, sizeof want, "n\n%lld\n", (long long)total * 10);
            expect(s, "select count(*) as n from m", want);
        }
    }
    schema.release(&schema);
    cadf_session_close(s);
}

/* 0.15: one row a file. 400 rows of 2,000 items go through unnest, also under a filter, without being gathered: the
 * scan reads few rows a batch and the filter runs inside it. */
static void test_bundles_stream(void **state)
{
    (void)state;
    struct fake f = {0};
    struct fake_table *t = fake_add(&f, "public", "files", CADF_TABLE_DELTA);
    bundle_schema(&t->columns);
    t->location = strdup(place("bundles"));
    cadf_session *s = open_with(&f, 0);
    struct cadf_write w = {.location = t->location, .schema = &t->columns};
    expect_write(s, &w,
                 "select cast(g as bigint) as x, array_agg(named_struct('kind', 'k' || cast(i as varchar), 'pos', "
                 "cast(i as bigint))) as nodes "
                 "from (select a.value as g, b.value as i from generate_series(1, 400) a, generate_series(1, 2000) b) "
                 "group by g",
                 "");
    expect(s, "select count(*) as n, sum(n['pos']) as t from (select x, unnest(nodes) as n from files)",
           "n,t\n800000,800400000\n");
    expect(s,
           "select count(*) as n from (select x, unnest(nodes) as n from files where x <= 10) where n['kind'] = 'k7'",
           "n\n10\n");
    char *plan = query_params(
        s, "explain select x, n['pos'] from (select x, unnest(nodes) as n from files where x % 2 = 0)", NULL);
    assert_null(strstr(plan, "FilterExec"));
    assert_non_null(strstr(plan, "batch_rows="));
    free(plan);
    cadf_session_close(s);
    free((char *)t->location);
    fake_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate),
        cmocka_unit_test(test_delta_in_catalog),
        cmocka_unit_test(test_false_facts_are_not_believed),
        cmocka_unit_test(test_delta_ddl),
        cmocka_unit_test(test_delta_doors),
        cmocka_unit_test(test_check_constraint_holds),
        cmocka_unit_test(test_write_stream),
        cmocka_unit_test(test_storage_mapping),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_concurrent_writers),
        cmocka_unit_test(test_bundles_stream),
    };
    return cmocka_run_group_tests(tests, doors_set_up, doors_tear_down);
}
