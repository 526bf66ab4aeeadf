/* tests/unit/test_catalog.c — the room `catalog`: one resolver (A1), introspection (A5), completeness (B2), views (B5),
 * nested storage (B6), names and handles (B7, B8), snapshots (decision 5) and the words of its errors (G2).
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
#include "catalog/agree.h"
#include "catalog/catalog.h"
#include "support/answer.h"
#include "support/box.h"
#include "support/contracts.h"
#include "support/scratch.h"

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* G2: what is wrong with a folder of contracts is said when it is opened, and nothing is leaked. */
static void test_open_failures(void **state)
{
    static const struct {
        const char *path;
        const char *text;
        int status;
        const char *message; /* %s: the scratch folder */
    } cases[] = {
        {NULL, NULL, CA_ERR_NOT_FOUND, "load the datasets of '%s/datasets': there is no folder '%s/datasets'"},
        {"datasets/normalize/x.yaml", "dataset: [", CA_ERR_CONTRACT, NULL},
        {"datasets/normalize/x.txt", "", CA_ERR_CONTRACT,
         "load the datasets of '%s/datasets': '%s/datasets/normalize/x.txt' is neither a contract (.yaml) nor a model "
         "(.sql)"},
        {"datasets/normalize/x.sql", "SELECT 1", CA_ERR_CONTRACT,
         "load the datasets of '%s/datasets': '%s/datasets/normalize/x.sql' has no contract "
         "'%s/datasets/normalize/x.yaml'"},
        {"datasets/normalize/imports.yaml",
         "dataset: imports\nversion: 1\nkind: table\ndoc: d\ncolumns: [{name: a, type: int8, nullable: true, doc: "
         "d}]\nevolution: {default: refuse}\n",
         CA_ERR_CONTRACT, "load the datasets of '%s/datasets': 'public.imports' is built in: give yours another name"},
    };
    const char *root = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct catalog *c = NULL;
        struct ca_error err = {0};
        if (cases[i].path)
            scratch_write(root, cases[i].path, cases[i].text);
        assert_int_equal(contracts_open(root, &c, &err), cases[i].status);
        assert_null(c);
        if (cases[i].message) {
            g_auto(GStrv) parts = g_strsplit(cases[i].message, "%s", 0);
            g_autofree char *expected = g_strjoinv(root, parts);
            assert_string_equal(err.message, expected);
        }
        assert_int_equal(contracts_open(root, &c, /* err= */ NULL), cases[i].status);
        g_autofree char *datasets = scratch_path(root, "datasets");
        assert_int_equal(file_remove_tree(datasets, &err), CA_OK);
    }
}

/* Decision 5: a snapshot alone makes the same catalog; the folder it came from may be gone. */
static void test_snapshot(void **state)
{
    const char *root = *state;
    struct catalog *first = box_catalog(root);
    g_autoptr(GBytes) snapshot = g_bytes_ref(catalog_snapshot(first));
    g_autofree char *fingerprint = g_strdup(catalog_fingerprint(first));
    size_t n_entries = catalog_n_entries(first);
    catalog_close(first);
    g_autofree char *datasets = scratch_path(root, "datasets");
    struct ca_error err = {0};
    assert_int_equal(file_remove_tree(datasets, &err), CA_OK);

    struct catalog_options options = {.snapshot = snapshot, .snapshot_path = "applied", .engine = {.profile = "small"}};
    struct catalog *again = NULL;
    assert_int_equal(catalog_open(&options, &again, &err), CA_OK);
    assert_int_equal(catalog_n_entries(again), n_entries);
    assert_string_equal(catalog_fingerprint(again), fingerprint);
    assert_true(g_bytes_equal(catalog_snapshot(again), snapshot));
    struct ArrowSchema schema = {0};
    assert_int_equal(catalog_resolve_schema(again, "box", &schema, &err), CA_OK);
    g_autofree char *text = answer_schema(&schema);
    assert_string_equal(text, BOX_SCHEMA);
    catalog_close(again);

    g_autoptr(GBytes) cut = g_bytes_new_from_bytes(snapshot, 0, 7);
    options.snapshot = cut;
    assert_int_equal(catalog_open(&options, &again, &err), CA_ERR_SYNTAX);
    assert_string_equal(err.message, "read 'applied': contract bundle: 7 bytes are none");
    options.snapshot = snapshot;
    options.snapshot_fingerprint = "another";
    assert_int_equal(catalog_open(&options, &again, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "read 'applied': it was changed after it was written: build again");
}

/* Decision 5: reading with the folder that the run was built with is fine, with a changed one it is drift. */
static void test_snapshot_and_folder(void **state)
{
    const char *root = *state;
    struct catalog *first = box_catalog(root);
    g_autoptr(GBytes) snapshot = g_bytes_ref(catalog_snapshot(first));
    catalog_close(first);
    g_autofree char *datasets = scratch_path(root, "datasets");
    struct catalog_options options = {
        .snapshot = snapshot, .snapshot_path = "applied", .datasets_dir = datasets, .engine = {.profile = "small"}};
    struct catalog *c = NULL;
    struct ca_error err = {0};
    contracts_write(root, "graph", "later", "view", "x int64?", "order: [x]\n", "SELECT CAST(1 AS BIGINT) AS x");
    assert_int_equal(catalog_open(&options, &c, &err), CA_OK);
    assert_answer(catalog_engine(c), "SELECT x FROM later", "x\n1\n");
    catalog_close(c);
    contracts_write(root, "normalize", "sized_v1", "table", "a int32", NULL, NULL);
    assert_int_equal(catalog_open(&options, &c, &err), CA_ERR_DRIFT);
    g_autofree char *expected =
        g_strdup_printf("load the datasets of '%s': 'public.sized_v1' is not what the run was built "
                        "with: build again, or read without --datasets",
                        datasets);
    assert_string_equal(err.message, expected);
}

/* ---- names (B8) and the resolver (A1) -----------------------------------------------------------------------------
 */

static void test_lookup(void **state)
{
    static const struct {
        const char *name;
        const char *found; /* schema.name kind nested_in version */
        const char *message;
    } cases[] = {
        {"box", "public.box bundle - 1", NULL},
        {"public.box", "public.box bundle - 1", NULL},
        {"codeintel.public.box", "public.box bundle - 1", NULL},
        {"box_items", "public.box_items nested box 1", NULL},
        {"registry.datasets", "registry.datasets registry - 1", NULL},
        {"datasets", NULL, "no dataset 'datasets'; close to it: registry.datasets"},
        {"other.public.box", NULL, "no dataset 'other.public.box'; close to it: public.box, public.box_items"},
        {"a.b.c.d", NULL, "no dataset 'a.b.c.d'; 'codeanatomy tables' lists them"},
        {"", NULL, "no dataset ''; 'codeanatomy tables' lists them"},
        {"public.", NULL, "no dataset 'public.'; 'codeanatomy tables' lists them"},
        {".", NULL, "no dataset '.'; 'codeanatomy tables' lists them"},
        {"boxes", NULL, "no dataset 'boxes'; close to it: public.box"},
    };
    struct catalog *c = box_catalog(*state);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct catalog_entry entry;
        struct ca_error err = {0};
        int rc = catalog_lookup(c, cases[i].name, &entry, &err);
        if (cases[i].found) {
            assert_int_equal(rc, CA_OK);
            g_autofree char *found = g_strdup_printf("%s.%s %s %s %d", entry.schema, entry.name, entry.kind,
                                                     entry.nested_in ? entry.nested_in : "-", entry.version);
            assert_string_equal(found, cases[i].found);
        } else {
            assert_int_equal(rc, CA_ERR_NOT_FOUND);
            assert_string_equal(err.message, cases[i].message);
        }
    }
    catalog_close(c);
}

/* A1: the same object has one schema, whatever it is called by; DESCRIBE agrees on what there is. */
static void test_resolve(void **state)
{
    static const char sql_of_tables[] =
        "table_catalog: utf8 not null, table_schema: utf8 not null, table_name: utf8 not null, "
        "table_type: utf8 not null";
    static const char close_to_box[] = "no dataset 'public.boxes'; close to it: public.box";
    static const struct {
        const char *text;
        const char *schema;
        int status;
        const char *message;
    } cases[] = {
        {"box", BOX_SCHEMA, CA_OK, NULL},
        {"public.box", BOX_SCHEMA, CA_OK, NULL},
        {"codeintel.public.box", BOX_SCHEMA, CA_OK, NULL},
        {"dataset://box", BOX_SCHEMA, CA_OK, NULL},
        {"dataset://box@1", BOX_SCHEMA, CA_OK, NULL},
        {"dataset://public.box@1", BOX_SCHEMA, CA_OK, NULL},
        {"SELECT * FROM box", BOX_SCHEMA, CA_OK, NULL},
        {"box_items", "id: int64 not null, n: int32, tag: utf8", CA_OK, NULL},
        {"tags", "id: int64 not null, tag: utf8", CA_OK, NULL},
        {"(SELECT 1 AS x)", "x: int64 not null", CA_OK, NULL},
        {"WITH w AS (SELECT 1 AS x) SELECT x + 1 AS y FROM w", "y: int64 not null", CA_OK, NULL},
        {"information_schema.tables", sql_of_tables, CA_OK, NULL},
        {"codeintel.information_schema.tables", sql_of_tables, CA_OK, NULL},
        {"mine", "a: int64 not null", CA_OK, NULL},
        {"public.mine", "a: int64 not null", CA_OK, NULL},
        {"", NULL, CA_ERR_NOT_FOUND, "no dataset ''; 'codeanatomy tables' lists them"},
        {"boxes", NULL, CA_ERR_NOT_FOUND, "no dataset 'boxes'; close to it: public.box"},
        {"public.boxes", NULL, CA_ERR_NOT_FOUND, close_to_box},
        {"codeintel.public.boxes", NULL, CA_ERR_NOT_FOUND,
         "no dataset 'codeintel.public.boxes'; close to it: public.box"},
        {"x'y", NULL, CA_ERR_NOT_FOUND, "no dataset 'x'y'; 'codeanatomy tables' lists them"},
        {"nosuch.box", NULL, CA_ERR_ENGINE,
         "Error during planning: table 'codeintel.nosuch.box' not found (line 1, column 15)"},
        {"other.public.box", NULL, CA_ERR_ENGINE,
         "Error during planning: table 'other.public.box' not found (line 1, column 15)"},
        {"a.b.c.d", NULL, CA_ERR_ENGINE,
         "Error during planning: Unsupported compound identifier 'a.b.c.d'. Expected 1, 2 or 3 parts, got 4"},
        {"SELECT * FROM boxes", NULL, CA_ERR_ENGINE,
         "Error during planning: table 'codeintel.public.boxes' not found (line 1, column 15)"},
        {"dataset://", NULL, CA_ERR_INVALID, "handle 'dataset://' names no dataset"},
        {"dataset://@1", NULL, CA_ERR_INVALID, "handle 'dataset://@1' names no dataset"},
        {"dataset://boxes", NULL, CA_ERR_NOT_FOUND,
         "handle 'dataset://boxes': no dataset 'boxes'; close to it: public.box"},
        {"dataset://box@2", NULL, CA_ERR_NOT_FOUND, "handle 'dataset://box@2': the catalog has version 1 of 'box'"},
        {"dataset://box@", NULL, CA_ERR_INVALID, "handle 'dataset://box@': '' is not a contract version"},
        {"dataset://box@0", NULL, CA_ERR_INVALID, "handle 'dataset://box@0': '0' is not a contract version"},
        {"dataset://box@-1", NULL, CA_ERR_INVALID, "handle 'dataset://box@-1': '-1' is not a contract version"},
        {"dataset://box@99999999999999999999", NULL, CA_ERR_INVALID,
         "handle 'dataset://box@99999999999999999999': '99999999999999999999' is not a contract version"},
        {"dataset://box@1@1", NULL, CA_ERR_INVALID, "handle 'dataset://box@1@1': '1@1' is not a contract version"},
    };
    struct catalog *c = box_catalog(*state);
    assert_answer(catalog_engine(c), "CREATE TABLE mine AS SELECT 1 AS a", "");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowSchema schema = {0};
        struct ArrowArrayStream rows = {0};
        struct ca_error err = {0};
        struct ca_error describe_err = {0};
        assert_int_equal(catalog_resolve_schema(c, cases[i].text, &schema, &err), cases[i].status);
        assert_int_equal(catalog_describe(c, cases[i].text, &rows, &describe_err), cases[i].status);
        if (cases[i].status == CA_OK) {
            g_autofree char *text = answer_schema(&schema);
            assert_string_equal(text, cases[i].schema);
            g_autofree char *described = answer_stream(&rows);
            assert_true(g_str_has_prefix(described, "column_name,data_type,is_nullable\n"));
        } else {
            assert_string_equal(err.message, cases[i].message);
            assert_string_equal(describe_err.message, cases[i].message);
            assert_null(schema.release);
            assert_null(rows.release);
        }
    }
    catalog_close(c);
}

/* ---- completeness (B2) and introspection (A5) ---------------------------------------------------------------------
 */

static void test_complete(void **state)
{
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    struct ca_error err = {0};
    if (catalog_check(c, &err) != CA_OK)
        fail_msg("%s", err.message);
    int64_t n_tables = 0;
    assert_int_equal(
        engine_query_int(catalog_engine(c),
                         "SELECT count(*) FROM information_schema.tables WHERE table_catalog = 'codeintel' AND "
                         "table_schema <> 'information_schema'",
                         &n_tables, &err),
        CA_OK);
    assert_int_equal(n_tables, catalog_n_entries(c));
    /* B2: every one of them answers before there is data. */
    for (size_t i = 0; i < catalog_n_entries(c); i++) {
        struct catalog_entry entry = catalog_entry_at(c, i);
        g_autofree char *sql = g_strdup_printf("SELECT count(*) FROM \"%s\".\"%s\"", entry.schema, entry.name);
        int64_t n_rows = -1;
        if (engine_query_int(catalog_engine(c), sql, &n_rows, &err) != CA_OK)
            fail_msg("%s: %s", sql, err.message);
        if (strcmp(entry.kind, "bundle") == 0 || strcmp(entry.kind, "table") == 0)
            assert_int_equal(n_rows, 0);
    }
    catalog_close(c);
}

static void test_introspection(void **state)
{
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    box_put(c, root, BOX_ROW, "one");
    struct engine *e = catalog_engine(c);
    assert_answer(e,
                  "SELECT dataset_name, kind, contract, stage, data_version, n_rows, health FROM registry.datasets "
                  "WHERE dataset_name IN ('box', 'box_items', 'sized_v1', 'tags') ORDER BY 1",
                  "dataset_name,kind,contract,stage,data_version,n_rows,health\n"
                  "box,bundle,box,extract,0,1,ok\n"
                  "box_items,nested,box,extract,,,ok\n"
                  "sized_v1,table,sized_v1,normalize,,,empty\n"
                  "tags,view,tags,graph,,,ok\n");
    assert_answer(e,
                  "SELECT path, depth, type, is_nullable, is_proved FROM registry.columns WHERE dataset_name = 'box' "
                  "ORDER BY position",
                  "path,depth,type,is_nullable,is_proved\n"
                  "id,0,int64,false,true\n"
                  "name,0,utf8,true,false\n"
                  "items,0,list,false,true\n"
                  "items[],1,struct,false,true\n"
                  "items[].n,2,int32,false,true\n"
                  "items[].tag,2,utf8,true,false\n");
    assert_answer(e, "SELECT check_name, sql FROM registry.checks WHERE dataset_name LIKE 'box%' ORDER BY 1",
                  "check_name,sql\nid_is_positive,id > 0\nn_is_small,n < 100\n");
    assert_answer(e, "SELECT kind, position, column_name FROM registry.keys WHERE dataset_name = 'box' ORDER BY 1",
                  "kind,position,column_name\norder,0,id\nprimary,0,id\n");

    int (*const helpers[])(struct catalog *, struct ArrowArrayStream *,
                           struct ca_error *) = {catalog_tables, catalog_views, catalog_routines, catalog_settings};
    static const char *const heads[] = {
        "table_schema,table_name,table_type,kind,version,n_rows,health,doc\n",
        "table_schema,table_name,kind,sql\n",
        "routine_name,function_type,return_type,description,syntax_example\n",
        "name,value,default_value,source,description\n",
    };
    struct ca_error err = {0};
    struct ArrowArrayStream rows = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(helpers); i++) {
        assert_int_equal(helpers[i](c, &rows, &err), CA_OK);
        g_autofree char *text = answer_stream(&rows);
        assert_true(g_str_has_prefix(text, heads[i]));
        assert_true(strlen(text) > strlen(heads[i]));
    }
    assert_int_equal(catalog_columns(c, "box_items", &rows, &err), CA_OK);
    g_autofree char *columns = answer_stream(&rows);
    assert_string_equal(columns,
                        "table_schema,table_name,path,depth,type,data_type,is_nullable,is_proved,default_value,doc\n"
                        "public,box_items,id,0,int64,Int64,false,true,,d\n"
                        "public,box_items,n,0,int32,Int32,false,false,,d\n"
                        "public,box_items,tag,0,utf8,Utf8,true,false,,d\n");
    assert_int_equal(catalog_columns(c, "nope", &rows, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, "no dataset 'nope'; 'codeanatomy tables' lists them");
    catalog_close(c);
}

/* B3, A5: one statement a name; a name that is not there is an error; the fingerprint knows no location. */
static void test_ddl(void **state)
{
    const char *root = *state;
    struct catalog *c = box_catalog(root);
    struct ca_error err = {0};
    char *before = NULL;
    char *after = NULL;
    assert_int_equal(catalog_ddl_fingerprint(c, "public", "box", &before, &err), CA_OK);
    box_put(c, root, BOX_ROW, "one");
    assert_int_equal(catalog_ddl_fingerprint(c, "public", "box", &after, &err), CA_OK);
    assert_string_equal(before, after);
    g_free(before);
    g_free(after);
    g_autoptr(GString) view = g_string_new(NULL);
    assert_int_equal(catalog_ddl(c, "dataset://tags", answer_add, view, &err), CA_OK);
    assert_non_null(strstr(view->str, "SELECT id, tag FROM box_items WHERE tag IS NOT NULL"));
    g_autoptr(GString) table = g_string_new(NULL);
    assert_int_equal(catalog_ddl(c, "public.box", answer_add, table, &err), CA_OK);
    g_autofree char *location = scratch_path(root, "store/box");
    assert_non_null(strstr(table->str, location));
    g_autoptr(GString) none = g_string_new(NULL);
    assert_int_equal(catalog_ddl(c, "nope", answer_add, none, &err), CA_ERR_NOT_FOUND);
    assert_int_equal(none->len, 0);
    assert_int_equal(catalog_ddl_fingerprint(c, "public", "nope", &before, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, "no dataset 'public.nope'");
    g_autoptr(GString) all = g_string_new(NULL);
    assert_int_equal(catalog_ddl(c, NULL, answer_add, all, &err), CA_OK);
    guint n_statements = 0;
    for (const char *at = all->str; (at = strstr(at, "CREATE ")) != NULL; at++)
        n_statements += at == all->str || at[-1] == '\n';
    assert_int_equal(n_statements, catalog_n_entries(c));
    catalog_close(c);
}

/* B5: SQL that does not yield what its contract says is refused by the apply; names, types, order. */
static void test_view_schemas(void **state)
{
    static const struct {
        const char *sql;
        int status;
        const char *message;
    } cases[] = {
        {"SELECT id, tag FROM box_items", CA_OK, NULL},
        {"-- a question\nSELECT id, tag FROM box_items -- end\n", CA_OK, NULL},
        {"SELECT id, tag FROM box_items;", CA_OK, NULL},
        {"SELECT tag, id FROM box_items", CA_ERR_DRIFT, NULL},
        {"SELECT id FROM box_items", CA_ERR_DRIFT,
         "check the SQL of 'public.v': 'public.v' does not yield what its contract declares: 'tag' (utf8) is missing"},
        {"SELECT id, tag, 1 AS more FROM box_items", CA_ERR_DRIFT,
         "check the SQL of 'public.v': 'public.v' does not yield what its contract declares: 'more' (int64) is not "
         "declared"},
        {"SELECT CAST(id AS INT) AS id, tag FROM box_items", CA_ERR_DRIFT,
         "check the SQL of 'public.v': 'public.v' does not yield what its contract declares: 'id' is int32, expected "
         "int64"},
        {"SELECT id, nope AS tag FROM box_items", CA_ERR_ENGINE, NULL},
        {"SELECT id, tag FROM nowhere", CA_ERR_ENGINE,
         "check the SQL of 'public.v': Error during planning: table 'codeintel.public.nowhere' not found (line 1, "
         "column 21)"},
        {"SELECT id, tag FROM v", CA_ERR_ENGINE, NULL}, /* reads itself */
        {"", CA_ERR_SYNTAX, NULL},
        {"SELECT 1; SELECT 2", CA_ERR_SYNTAX, NULL},
    };
    const char *root = *state;
    box_contracts(root);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        contracts_write(root, "graph", "v", "view", "id int64?, tag utf8?", "order: [id]\n", cases[i].sql);
        struct catalog *c = contracts_catalog(root);
        struct ca_error err = {0};
        int rc = catalog_check(c, &err);
        if (rc != cases[i].status)
            fail_msg("'%s': %s: %s", cases[i].sql, ca_status_name(rc), err.message);
        if (rc != CA_OK)
            assert_true(g_str_has_prefix(err.message, "check the SQL of 'public.v': "));
        if (cases[i].message)
            assert_string_equal(err.message, cases[i].message);
        catalog_close(c);
    }
}

/* B6, B8: views that read each other in a circle are an error, in any length. */
static void test_view_circle(void **state)
{
    const char *root = *state;
    contracts_write(root, "graph", "v", "view", "x int64?", "order: [x]\n", "SELECT x FROM w");
    contracts_write(root, "graph", "w", "view", "x int64?", "order: [x]\n", "SELECT x FROM v");
    struct catalog *c = contracts_catalog(root);
    struct ca_error err = {0};
    assert_int_equal(catalog_check(c, &err), CA_ERR_ENGINE);
    assert_true(g_str_has_prefix(err.message, "check the SQL of 'public.v': "));
    catalog_close(c);
}

/* A5: what two sources say of an object is compared by name, order, type and NOT NULL; the message names object, column
 * and both. */
static void test_agree(void **state)
{
    static const struct {
        const char *b; /* "name type null", columns parted by ','; the other source says "a Int64 NO,b Utf8 YES" */
        const char *message;
    } cases[] = {
        {"a Int64 NO,b Utf8 YES", ""},
        {"a - NO,b - YES", ""},
        {"a Int32 NO,b Utf8 YES", "'s.t': of column 1 X says 'a' Int64 NOT NULL, but Y says 'a' Int32 NOT NULL"},
        {"a Int64 NO,b Utf8 NO", "'s.t': of column 2 X says 'b' Utf8, but Y says 'b' Utf8 NOT NULL"},
        {"b Utf8 YES,a Int64 NO", "'s.t': of column 1 X says 'a' Int64 NOT NULL, but Y says 'b' Utf8"},
        {"a Int64 NO", "'s.t': of column 2 X says 'b' a column, but Y says no such column"},
        {"a - NO,b - YES,c - YES", "'s.t': of column 3 X says no such column, but Y says 'c' a column"},
        {"a - YES,b - YES", "'s.t': of column 1 X says 'a' a column NOT NULL, but Y says 'a' a column"},
    };
    (void)state;
    g_autoptr(GArray) a = agree_columns_new();
    agree_add(a, "a", "Int64", false);
    agree_add(a, "b", "Utf8", true);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ca_error err = {0};
        g_autoptr(GArray) b = agree_columns_new();
        g_auto(GStrv) columns = g_strsplit(cases[i].b, ",", 0);
        for (size_t k = 0; columns[k]; k++) {
            g_auto(GStrv) parts = g_strsplit(columns[k], " ", 3);
            agree_add(b, parts[0], strcmp(parts[1], "-") == 0 ? NULL : parts[1], strcmp(parts[2], "YES") == 0);
        }
        assert_int_equal(agree_check("s.t", "X", a, "Y", b, &err), cases[i].message[0] ? CA_ERR_CONTRACT : CA_OK);
        assert_string_equal(err.message, cases[i].message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_open_failures), SCRATCH_TEST(test_snapshot),  SCRATCH_TEST(test_snapshot_and_folder),
        SCRATCH_TEST(test_lookup),        SCRATCH_TEST(test_resolve),   SCRATCH_TEST(test_complete),
        SCRATCH_TEST(test_introspection), SCRATCH_TEST(test_ddl),       SCRATCH_TEST(test_view_schemas),
        SCRATCH_TEST(test_view_circle),   cmocka_unit_test(test_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
