/* tests/unit/test_rowgen.c — the row builders that tools/rowgen makes of contracts, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "base/file.h"
#include "contract/contract.h"
#include "rows/gen/ast_files_v1.h"
#include "rows/gen/repo_files_v1.h"
#include "rows/gen/tree_sitter_files_v1.h"
#include "rows/rows.h"

/* ---- what the builders build ------------------------------------------------------------------------------------ */

typedef int (*schema_fn)(struct ArrowSchema *ret);

/* Design decision 1: the builder's schema is the contract's, nested nullability included. */
static void test_builder_schemas_are_the_contracts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        schema_fn schema;
    } cases[] = {
        {"ast_files_v1", ast_files_v1_schema},
        {"repo_files_v1", repo_files_v1_schema},
        {"tree_sitter_files_v1", tree_sitter_files_v1_schema},
    };
    const char *source = g_getenv("CA_SOURCE_DIR");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("%s/datasets/extract/%s.yaml", source == NULL ? "." : source, cases[i].name);
        struct ca_error err = {0};
        CA_AUTOPTR(contract) c = NULL;
        if (contract_load(path, &c, &err) != CA_OK)
            fail_msg("%s", err.message);
        struct ArrowSchema declared;
        struct ArrowSchema built;
        assert_int_equal(contract_schema(c, &declared, &err), CA_OK);
        assert_int_equal(cases[i].schema(&built), 0);
        if (rows_schema_check(&declared, &built, NULL, &err) != CA_OK)
            fail_msg("%s", err.message);
        ArrowSchemaRelease(&declared);
        ArrowSchemaRelease(&built);
    }
}

/* A view over a batch that was checked in full; the caller resets it. */
static void look_at(schema_fn schema_of, const struct ArrowArray *array, struct ArrowArrayView *ret)
{
    struct ArrowSchema schema;
    struct ArrowError why = {.message = ""};
    assert_int_equal(schema_of(&schema), 0);
    if (ArrowArrayViewInitFromSchema(ret, &schema, &why) != 0 || ArrowArrayViewSetArray(ret, array, &why) != 0 ||
        ArrowArrayViewValidate(ret, NANOARROW_VALIDATION_LEVEL_FULL, &why) != 0)
        fail_msg("%s", why.message);
    ArrowSchemaRelease(&schema);
}

static char *text_at(const struct ArrowArrayView *view, int64_t i)
{
    if (ArrowArrayViewIsNull(view, i))
        return g_strdup("null");
    struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(view, i);
    return g_strndup(text.data, (gsize)text.size_bytes);
}

static struct repo_files_v1_row repo_row(const char *path, bool is_readable)
{
    return (struct repo_files_v1_row){
        .file_id = 7,
        .path = rows_str_of(path),
        .content_id = is_readable ? (struct rows_str){"\0\1\2", 3} : (struct rows_str){NULL, 0},
        .has_size_bytes = is_readable,
        .size_bytes = 12,
        .kind = rows_str_of("source"),
        .encoding = rows_str_of(is_readable ? "" : NULL),
        .has_bom = is_readable,
        .is_ascii = !is_readable,
        .newline = rows_str_of("lf"),
        .n_lines = 3,
        .has_is_tracked = is_readable,
        .is_tracked = true,
    };
}

/* Scalars of every kind, with nulls that begin late, and texts that are empty rather than null. */
static void test_scalars(void **state)
{
    (void)state;
    struct repo_files_v1 *b = NULL;
    assert_int_equal(repo_files_v1_new(&b), 0);
    assert_int_equal(repo_files_v1_n_bytes(b), 0);
    for (int i = 0; i < 20; i++) {
        g_autofree char *path = g_strdup_printf("p%d", i);
        struct repo_files_v1_row row = repo_row(path, i != 13 && i != 19);
        assert_int_equal(repo_files_v1_finish_row(b, &row), 0);
    }
    assert_int_equal(repo_files_v1_n_rows(b), 20);
    assert_true(repo_files_v1_n_bytes(b) > 20 * (8 + 4 + 8));
    struct ArrowArray array;
    struct ArrowArrayView view;
    assert_int_equal(repo_files_v1_take(b, &array), 0);
    assert_int_equal(repo_files_v1_n_rows(b), 0);
    assert_int_equal(array.length, 20);
    look_at(repo_files_v1_schema, &array, &view);
    for (int64_t i = 0; i < 20; i++) {
        const bool is_readable = i != 13 && i != 19;
        g_autofree char *path = g_strdup_printf("p%d", (int)i);
        g_autofree char *found = text_at(view.children[1], i);
        g_autofree char *encoding = text_at(view.children[5], i);
        assert_string_equal(found, path);
        assert_string_equal(encoding, is_readable ? "" : "null");
        assert_int_equal(ArrowArrayViewIsNull(view.children[2], i), !is_readable);
        assert_int_equal(ArrowArrayViewGetBytesUnsafe(view.children[2], i).size_bytes, is_readable ? 3 : 0);
        assert_int_equal(ArrowArrayViewIsNull(view.children[3], i), !is_readable);
        assert_int_equal(ArrowArrayViewGetIntUnsafe(view.children[3], i), is_readable ? 12 : 0);
        assert_int_equal(ArrowArrayViewGetIntUnsafe(view.children[6], i), is_readable);
        assert_int_equal(ArrowArrayViewGetIntUnsafe(view.children[7], i), !is_readable);
        assert_int_equal(ArrowArrayViewIsNull(view.children[11], i), !is_readable);
    }
    assert_int_equal(array.children[3]->null_count, 2);
    assert_int_equal(array.children[0]->null_count, 0);
    assert_null(array.children[0]->buffers[0]);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(&array);

    /* Empty again, and usable: a batch without rows is a batch. */
    assert_int_equal(repo_files_v1_take(b, &array), 0);
    assert_int_equal(array.length, 0);
    look_at(repo_files_v1_schema, &array, &view);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(&array);
    struct repo_files_v1_row row = repo_row("again", true);
    assert_int_equal(repo_files_v1_finish_row(b, &row), 0);
    repo_files_v1_free(b); /* with rows inside: nothing leaks */
    repo_files_v1_free(NULL);
}

static struct tree_sitter_files_v1_nodes node(int32_t ordinal, const char *kind)
{
    return (struct tree_sitter_files_v1_nodes){
        .ordinal = ordinal,
        .has_parent = ordinal > 0,
        .parent = ordinal - 1,
        .kind = rows_str_of(kind),
        .field = rows_str_of(ordinal % 3 == 0 ? NULL : "body"),
        .start_byte = ordinal,
        .end_byte = ordinal + 1,
        .is_named = ordinal % 2 == 0,
    };
}

static struct tree_sitter_files_v1_row file_row(const char *path)
{
    return (struct tree_sitter_files_v1_row){.file_id = 1, .path = rows_str_of(path), .content_id = rows_str_of("id")};
}

/* Lists of structs: items belong to the row that closes them; the other list stays empty. */
static void test_lists(void **state)
{
    (void)state;
    static const int n_items[] = {3, 0, 70, 1};
    struct tree_sitter_files_v1 *b = NULL;
    assert_int_equal(tree_sitter_files_v1_new(&b), 0);
    for (size_t r = 0; r < G_N_ELEMENTS(n_items); r++) {
        for (int i = 0; i < n_items[r]; i++) {
            struct tree_sitter_files_v1_nodes item = node(i, "call");
            assert_int_equal(tree_sitter_files_v1_nodes_append(b, &item), 0);
            assert_int_equal(tree_sitter_files_v1_nodes_count(b), i + 1);
        }
        assert_int_equal(tree_sitter_files_v1_errors_count(b), 0);
        struct tree_sitter_files_v1_row row = file_row("a.py");
        assert_int_equal(tree_sitter_files_v1_finish_row(b, &row), 0);
        assert_int_equal(tree_sitter_files_v1_nodes_count(b), 0);
    }
    struct ArrowArray array;
    struct ArrowArrayView view;
    assert_int_equal(tree_sitter_files_v1_take(b, &array), 0);
    look_at(tree_sitter_files_v1_schema, &array, &view);
    const struct ArrowArrayView *nodes = view.children[3];
    const struct ArrowArrayView *item = nodes->children[0];
    int64_t at = 0;
    for (int64_t r = 0; r < (int64_t)G_N_ELEMENTS(n_items); r++) {
        assert_int_equal(ArrowArrayViewListChildOffset(nodes, r), at);
        for (int i = 0; i < n_items[r]; i++, at++) {
            assert_int_equal(ArrowArrayViewGetIntUnsafe(item->children[0], at), i);
            assert_int_equal(ArrowArrayViewIsNull(item->children[1], at), i == 0);
            assert_int_equal(ArrowArrayViewIsNull(item->children[3], at), i % 3 == 0);
            assert_int_equal(ArrowArrayViewGetIntUnsafe(item->children[8], at), i % 2 == 0);
        }
    }
    assert_int_equal(item->length, 74);
    assert_int_equal(view.children[4]->children[0]->length, 0);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(&array);
    tree_sitter_files_v1_free(b);
}

/* What was refused or abandoned leaves no trace, whatever it had appended: random rows against a plain list of what was
 * kept. */
static void test_abandoned_rows_leave_no_trace(void **state)
{
    (void)state;
    const guint32 seed = 5;
    print_message("seed %u\n", seed);
    GRand *rand = g_rand_new_with_seed(seed);
    struct tree_sitter_files_v1 *b = NULL;
    assert_int_equal(tree_sitter_files_v1_new(&b), 0);
    g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, sizeof(int32_t)); /* ordinals of all items, -1 ends a row */
    for (int r = 0; r < 400; r++) {
        g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(int32_t));
        for (int i = 0, n = g_rand_int_range(rand, 0, 12); i < n; i++) {
            int32_t ordinal = g_rand_int_range(rand, 0, 1000);
            const bool is_bad = g_rand_int_range(rand, 0, 5) == 0;
            struct tree_sitter_files_v1_nodes item = node(ordinal, is_bad ? NULL : "call");
            assert_int_equal(tree_sitter_files_v1_nodes_append(b, &item), is_bad ? EINVAL : 0);
            if (!is_bad)
                g_array_append_val(open, ordinal);
        }
        struct tree_sitter_files_v1_row bad = file_row(NULL);
        if (g_rand_int_range(rand, 0, 4) == 0)
            assert_int_equal(tree_sitter_files_v1_finish_row(b, &bad), EINVAL); /* the row stays open */
        if (g_rand_int_range(rand, 0, 3) == 0) {
            assert_int_equal(tree_sitter_files_v1_abandon_row(b), 0);
            assert_int_equal(tree_sitter_files_v1_nodes_count(b), 0);
            continue;
        }
        struct tree_sitter_files_v1_row row = file_row("a.py");
        assert_int_equal(tree_sitter_files_v1_finish_row(b, &row), 0);
        g_array_append_vals(kept, open->data, open->len);
        const int32_t end = -1;
        g_array_append_val(kept, end);
    }
    struct tree_sitter_files_v1_nodes item = node(5, "of a row that is never finished");
    assert_int_equal(tree_sitter_files_v1_nodes_append(b, &item), 0);

    struct ArrowArray array;
    struct ArrowArrayView view;
    assert_int_equal(tree_sitter_files_v1_take(b, &array), 0);
    look_at(tree_sitter_files_v1_schema, &array, &view);
    const struct ArrowArrayView *nodes = view.children[3];
    const struct ArrowArrayView *fields = nodes->children[0];
    guint at = 0;
    for (int64_t r = 0; r < view.length; r++) {
        for (int64_t i = ArrowArrayViewListChildOffset(nodes, r); i < ArrowArrayViewListChildOffset(nodes, r + 1);
             i++) {
            const int32_t ordinal = g_array_index(kept, int32_t, at++);
            assert_int_equal(ArrowArrayViewGetIntUnsafe(fields->children[0], i), ordinal);
            assert_int_equal(ArrowArrayViewIsNull(fields->children[1], i), ordinal == 0);
            assert_int_equal(ArrowArrayViewIsNull(fields->children[3], i), ordinal % 3 == 0);
            assert_int_equal(ArrowArrayViewGetIntUnsafe(fields->children[8], i), ordinal % 2 == 0);
            g_autofree char *kind = text_at(fields->children[2], i);
            assert_string_equal(kind, "call");
        }
        assert_int_equal(g_array_index(kept, int32_t, at++), -1);
    }
    assert_int_equal(at, kept->len);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(&array);
    tree_sitter_files_v1_free(b);
    g_rand_free(rand);
}

/* Not null means so, and a length below zero is no length. */
static void test_bad_values_are_refused(void **state)
{
    (void)state;
    struct repo_files_v1 *b = NULL;
    assert_int_equal(repo_files_v1_new(&b), 0);
    struct repo_files_v1_row row = repo_row("p", true);
    row.newline = rows_str_of(NULL);
    assert_int_equal(repo_files_v1_finish_row(b, &row), EINVAL);
    row = repo_row("p", true);
    row.content_id.n_bytes = -1;
    assert_int_equal(repo_files_v1_finish_row(b, &row), EINVAL);
    assert_int_equal(repo_files_v1_n_rows(b), 0);
    row = repo_row("p", true);
    assert_int_equal(repo_files_v1_finish_row(b, &row), 0);
    struct ArrowArray array;
    struct ArrowArrayView view;
    assert_int_equal(repo_files_v1_take(b, &array), 0);
    look_at(repo_files_v1_schema, &array, &view);
    assert_int_equal(view.length, 1);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(&array);
    repo_files_v1_free(b);
}

/* ---- the program ------------------------------------------------------------------------------------------------ */

static int run_rowgen(const char *dir, const char *path, char **ret_words)
{
    const char *build = g_getenv("CA_BUILD_DIR");
    g_autofree char *program = g_build_filename(build == NULL ? "build/dev" : build, "tools", "rowgen", NULL);
    const char *argv[] = {program, dir, path, NULL};
    g_autoptr(GError) why = NULL;
    int status = 0;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, ret_words, &status, &why))
        fail_msg("%s", why->message);
    return status;
}

/* Shapes that no builder can hold are refused with their place. */
static void test_rowgen_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *columns;
        const char *message;
    } cases[] = {
        {"{name: a, type: struct, nullable: false, doc: d, fields: [{name: x, type: int8, nullable: false, doc: d}]}",
         "5:11: no row builder for 'a': only scalars and lists can be columns"},
        {"{name: a, type: list, nullable: true, doc: d, item: {type: int8, nullable: false}}",
         "5:11: no row builder for 'a': a list column must not be nullable"},
        {"{name: a, type: list, nullable: false, doc: d, item: {type: int8, nullable: true}}",
         "5:11: no row builder for 'a': items that are not text must not be nullable"},
        {"{name: a, type: list, nullable: false, doc: d, item: {type: list, nullable: false, item: {type: int8, "
         "nullable: "
         "false}}}",
         "5:11: no row builder for 'a': items must be scalars or structs"},
        {"{name: row, type: list, nullable: false, doc: d, item: {type: int8, nullable: false}}",
         "5:11: no row builder for 'row': a list cannot be named 'row'"},
        {"{name: a, type: list, nullable: false, doc: d, item: {type: int8, nullable: false}}",
         "5:11: no row builder for 'a': a row needs a scalar column"},
        {"{name: x, type: int8, nullable: true, doc: d}, {name: has_x, type: bool, nullable: false, doc: d}",
         "5:58: no row builder for 'has_x': the name is taken by the flag of a nullable column"},
    };
    g_autofree char *dir = g_dir_make_tmp("ca-test-rowgen-XXXXXX", NULL);
    g_autofree char *stage = g_build_filename(dir, "graph", NULL);
    g_autofree char *path = g_build_filename(stage, "t.yaml", NULL);
    struct ca_error err = {0};
    assert_int_equal(file_make_dirs(stage, &err), CA_OK);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf(
            "dataset: t\nversion: 1\nkind: table\ndoc: d\ncolumns: [%s]\nevolution: {default: refuse}\n",
            cases[i].columns);
        g_autofree char *words = NULL;
        g_autofree char *expected = g_strdup_printf("rowgen: %s:%s\n", path, cases[i].message);
        assert_int_equal(file_write_atomic(path, text, strlen(text), &err), CA_OK);
        assert_int_not_equal(run_rowgen(dir, path, &words), 0);
        assert_string_equal(words, expected);
    }
    assert_int_equal(file_remove_tree(dir, &err), CA_OK);
}

/* Keywords of C become names with '_'; comments in a doc end nothing; the same contract gives the same bytes. */
static void test_rowgen_writes_valid_names(void **state)
{
    (void)state;
    static const char text[] =
        "dataset: t\nversion: 1\nkind: table\ndoc: \"a */ b\"\n"
        "columns:\n"
        "  - {name: class, type: utf8, nullable: false, doc: \"not a C keyword\"}\n"
        "  - {name: int, type: int8, nullable: true, doc: \"x */ y\"}\n"
        "  - {name: names, type: list, nullable: false, doc: d, item: {type: utf8, nullable: true}}\n"
        "evolution: {default: refuse}\n";
    g_autofree char *dir = g_dir_make_tmp("ca-test-rowgen-XXXXXX", NULL);
    g_autofree char *stage = g_build_filename(dir, "graph", NULL);
    g_autofree char *path = g_build_filename(stage, "t.yaml", NULL);
    g_autofree char *header_path = g_build_filename(dir, "t.h", NULL);
    struct ca_error err = {0};
    assert_int_equal(file_make_dirs(stage, &err), CA_OK);
    assert_int_equal(file_write_atomic(path, text, strlen(text), &err), CA_OK);
    CA_AUTOFREE char *first = NULL;
    CA_AUTOFREE char *second = NULL;
    size_t n = 0;
    g_autofree char *words = NULL;
    assert_int_equal(run_rowgen(dir, path, &words), 0);
    assert_string_equal(words, "");
    assert_int_equal(file_read_bounded(header_path, 1 << 20, &first, &n, &err), CA_OK);
    assert_non_null(strstr(first, "struct rows_str class; /* not a C keyword; not null */"));
    assert_non_null(strstr(first, "    bool has_int;\n    int8_t int_; /* x * / y */"));
    assert_non_null(strstr(first, "int t_names_item(struct t *b, struct rows_str value);"));
    assert_non_null(strstr(first, " * a * / b\n"));
    g_free(words);
    words = NULL;
    assert_int_equal(run_rowgen(dir, path, &words), 0);
    assert_int_equal(file_read_bounded(header_path, 1 << 20, &second, &n, &err), CA_OK);
    assert_string_equal(first, second);
    assert_int_equal(file_remove_tree(dir, &err), CA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builder_schemas_are_the_contracts),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_abandoned_rows_leave_no_trace),
        cmocka_unit_test(test_bad_values_are_refused),
        cmocka_unit_test(test_rowgen_refuses),
        cmocka_unit_test(test_rowgen_writes_valid_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
