/* tests/unit/test_catalog.c — the room `catalog`: one resolver (A1), introspection (A5), completeness (B2), views (B5),
 * nested storage (B6), names and handles (B7, B8), snapshots (decision 5), the write gate (E1) and the words of its
 * errors (G2).
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
#include "diag/diag.h"
#include "rows/gen/handshakes.h"
#include "rows/gen/p_source_roots.h"
#include "rows/rows.h"
#include "support/answer.h"
#include "support/contracts.h"
#include "support/scratch.h"

/* A bundle with a list<struct>, a table, a view over both. */
#define BUNDLE_COLUMNS "id int64, name utf8?"
#define BUNDLE_REST                                                                                                    \
    "  - {name: items, type: list, nullable: false, doc: d, item: {type: struct, nullable: false, fields: [{name: n, " \
    "type: int32, nullable: false, doc: d}, {name: tag, type: utf8, nullable: true, doc: d}]}}\n"                      \
    "keys: {primary: [id]}\norder: [id]\nchecks: {id_is_positive: \"id > 0\"}\n"                                       \
    "views: {box_items: {unnest: items, with: [id], doc: d, checks: {n_is_small: \"n < 100\"}}}\n"

#define BOX_SCHEMA "id: int64 not null, name: utf8, items: list<struct<n: int32 not null, tag: utf8> not null> not null"
#define BOX_ROW \
    "SELECT CAST(1 AS BIGINT) AS id, 'a' AS name, make_array(named_struct('n', CAST(7 AS INT), 'tag', 'x')) AS items"

static void write_contracts(const char *root)
{
    contracts_write(root, "extract", "box", "bundle", BUNDLE_COLUMNS, BUNDLE_REST, NULL);
    contracts_write(root, "normalize", "sized_v1", "table", "a int64", NULL, NULL);
    contracts_write(root, "graph", "tags", "view", "id int64?, tag utf8?", "order: [id]\n",
                    "SELECT id, tag FROM box_items WHERE tag IS NOT NULL");
}

static struct catalog *open_test_catalog(const char *root)
{
    write_contracts(root);
    return contracts_catalog(root);
}

/* Write box through the gate and pin it. */
static int write_and_pin_box(struct catalog *c, const char *root, const char *sql, const char *app_id,
                             struct catalog_written *written, struct ca_error *err)
{
    g_autofree char *location = scratch_path(root, "store/box");
    const struct catalog_write write = {.schema = "public",
                                        .name = "box",
                                        .location = location,
                                        .mode = ENGINE_OVERWRITE,
                                        .sql = sql,
                                        .app_id = app_id,
                                        .app_version = 1};
    CA_TRY(catalog_write(c, &write, written, err));
    const struct catalog_pin pin = {.location = location,
                                    .version = written->commit.version,
                                    .n_rows = written->commit.n_rows,
                                    .proof = written->proof};
    return catalog_pin(c, "public", "box", &pin, err);
}

static void write_box(struct catalog *c, const char *root, const char *sql, const char *app_id)
{
    struct catalog_written written = {0};
    struct ca_error err = {0};
    if (write_and_pin_box(c, root, sql, app_id, &written, &err) != CA_OK)
        fail_msg("%s", err.message);
}

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
    struct catalog *first = open_test_catalog(root);
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
    struct catalog *first = open_test_catalog(root);
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
    struct catalog *c = open_test_catalog(*state);
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
        {"nosuch.box", NULL, CA_ERR_ENGINE, "Error during planning: table 'codeintel.nosuch.box' not found"},
        {"other.public.box", NULL, CA_ERR_ENGINE, "Error during planning: table 'other.public.box' not found"},
        {"a.b.c.d", NULL, CA_ERR_ENGINE,
         "Error during planning: Unsupported compound identifier 'a.b.c.d'. Expected 1, 2 or 3 parts, got 4"},
        {"SELECT * FROM boxes", NULL, CA_ERR_ENGINE, "Error during planning: table 'codeintel.public.boxes' not found"},
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
    struct catalog *c = open_test_catalog(*state);
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
    struct catalog *c = open_test_catalog(root);
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
    struct catalog *c = open_test_catalog(root);
    write_box(c, root, BOX_ROW, "one");
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
    struct catalog *c = open_test_catalog(root);
    struct ca_error err = {0};
    char *before = NULL;
    char *after = NULL;
    assert_int_equal(catalog_ddl_fingerprint(c, "public", "box", &before, &err), CA_OK);
    write_box(c, root, BOX_ROW, "one");
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
         "check the SQL of 'public.v': Error during planning: table 'codeintel.public.nowhere' not found"},
        {"SELECT id, tag FROM v", CA_ERR_ENGINE, NULL}, /* reads itself */
        {"", CA_ERR_SYNTAX, NULL},
        {"SELECT 1; SELECT 2", CA_ERR_SYNTAX, NULL},
    };
    const char *root = *state;
    write_contracts(root);
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
    struct catalog *c = open_test_catalog(root);
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
    struct catalog *c = open_test_catalog(root);
    write_box(c, root, BOX_ROW, "run");
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
    write_contracts(root);
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
    struct catalog *c = open_test_catalog(root);
    struct engine *e = catalog_engine(c);
    write_box(c, root, BOX_ROW, "one");
    write_box(c, root, "SELECT id + 10 AS id, name, items FROM (" BOX_ROW ")", "two");
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
    struct catalog *c = open_test_catalog(root);
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
    struct catalog *c = open_test_catalog(*state);
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
    struct catalog *c = open_test_catalog(root);
    struct engine *e = catalog_engine(c);
    struct ca_error err = {0};
    assert_int_equal(catalog_mark_broken(c, "public", "box", "the disk is gone", &err), CA_OK);
    assert_answer(e, "SELECT count(*) FROM box", "CA_ERR_ENGINE: table 'public.box': the disk is gone");
    assert_answer(e, "SELECT count(*) FROM tags",
                  "CA_ERR_ENGINE: view 'public.tags': view 'public.box_items': table 'public.box': the disk is gone");
    assert_answer(e, "SELECT health, failure FROM registry.datasets WHERE dataset_name = 'box'",
                  "health,failure\nbroken,the disk is gone\n");
    assert_answer(e, "SELECT count(*) AS n FROM sized_v1", "n\n0\n");
    write_box(c, root, BOX_ROW, "one"); /* a pin heals it */
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
    struct catalog *c = open_test_catalog(root);
    struct ca_error err = {0};
    assert_int_equal(catalog_prove_keys(c, "public", "box", &err), CA_OK); /* no rows yet prove everything */
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        struct catalog_written written = {0};
        int rc = write_and_pin_box(c, root, cases[i].sql, app_id, &written, &err);
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
        struct catalog *c = open_test_catalog(root);
        g_autofree char *app_id = g_strdup_printf("case %zu", i);
        write_box(c, root, BOX_ROW, app_id);
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
    struct catalog *c = open_test_catalog(root);
    write_box(c, root, BOX_ROW, "one");
    write_box(c, root, BOX_ROW, "two");
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

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

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
        SCRATCH_TEST(test_open_failures),
        SCRATCH_TEST(test_snapshot),
        SCRATCH_TEST(test_snapshot_and_folder),
        SCRATCH_TEST(test_lookup),
        SCRATCH_TEST(test_resolve),
        SCRATCH_TEST(test_complete),
        SCRATCH_TEST(test_introspection),
        SCRATCH_TEST(test_ddl),
        SCRATCH_TEST(test_view_schemas),
        SCRATCH_TEST(test_view_circle),
        SCRATCH_TEST(test_write),
        SCRATCH_TEST(test_write_twice),
        SCRATCH_TEST(test_write_stream),
        SCRATCH_TEST(test_versions),
        SCRATCH_TEST(test_pin_and_rows_refused),
        SCRATCH_TEST(test_params),
        cmocka_unit_test(test_agree),
        SCRATCH_TEST(test_health),
        SCRATCH_TEST(test_prove),
        SCRATCH_TEST(test_stream_outlives_catalog),
        SCRATCH_TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
