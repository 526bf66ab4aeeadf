/* tests/unit/test_kernel.c — the room `kernel`: ids as SQL functions, equal from C and SQL (B14).
 *
 * The content ids are XXH3-128 (seed 0, canonical form) of xxHash's own command, `xxhsum -H2`; that the other functions
 * hash the right bytes is position's business, here they have to be position's answers.
 */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nanoarrow/nanoarrow.h>

#include "kernel/kernel.h"
#include "position/position.h"
#include "support/answer.h"

static const struct rows_function *find(const char *name)
{
    size_t n = 0;
    const struct rows_function *functions = kernel_functions(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(functions[i].name, name) == 0)
            return &functions[i];
    fail_msg("no function '%s'", name);
    return NULL;
}

static struct ArrowArray start(enum ArrowType type)
{
    struct ArrowArray array;
    assert_int_equal(ArrowArrayInitFromType(&array, type), NANOARROW_OK);
    assert_int_equal(ArrowArrayStartAppending(&array), NANOARROW_OK);
    return array;
}

/* NULL: a null. */
static struct ArrowArray texts(enum ArrowType type, const char *const *values, size_t n)
{
    struct ArrowArray array = start(type);
    for (size_t i = 0; i < n; i++) {
        struct ArrowBufferView bytes = {.data.data = values[i],
                                        .size_bytes = values[i] ? (int64_t)strlen(values[i]) : 0};
        int rc = values[i] ? ArrowArrayAppendBytes(&array, bytes) : ArrowArrayAppendNull(&array, 1);
        assert_int_equal(rc, NANOARROW_OK);
    }
    assert_int_equal(ArrowArrayFinishBuildingDefault(&array, NULL), NANOARROW_OK);
    return array;
}

static struct ArrowArray ints(enum ArrowType type, const int64_t *values, size_t n)
{
    struct ArrowArray array = start(type);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ArrowArrayAppendInt(&array, values[i]), NANOARROW_OK);
    assert_int_equal(ArrowArrayFinishBuildingDefault(&array, NULL), NANOARROW_OK);
    return array;
}

static int64_t int_at(const struct ArrowArray *array, int64_t row)
{
    struct ArrowArrayView view;
    ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_INT64);
    assert_int_equal(ArrowArrayViewSetArray(&view, array, NULL), NANOARROW_OK);
    assert_false(ArrowArrayViewIsNull(&view, row));
    int64_t value = ArrowArrayViewGetIntUnsafe(&view, row);
    ArrowArrayViewReset(&view);
    return value;
}

static bool is_null_at(const struct ArrowArray *array, int64_t row)
{
    struct ArrowArrayView view;
    ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_INT64);
    assert_int_equal(ArrowArrayViewSetArray(&view, array, NULL), NANOARROW_OK);
    bool is_null = ArrowArrayViewIsNull(&view, row);
    ArrowArrayViewReset(&view);
    return is_null;
}

/* B14: names, arguments and documentation are the interface that information_schema shows. */
static void test_list(void **state)
{
    static const struct {
        const char *name;
        const char *formats;
        const char *return_format;
    } expected[] = {
        {"content_id", "z", "z"},
        {"file_id", "uu", "l"},
        {"entity_id", "luul", "l"},
        {"occurrence_id", "lllul", "l"},
    };
    (void)state;
    size_t n = 0;
    const struct rows_function *functions = kernel_functions(&n);
    assert_int_equal(n, G_N_ELEMENTS(expected));
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(functions[i].name, expected[i].name);
        assert_int_equal(functions[i].n_args, strlen(expected[i].formats));
        for (size_t j = 0; j < functions[i].n_args; j++) {
            char format[2] = {expected[i].formats[j], '\0'};
            assert_string_equal(functions[i].arg_formats[j], format);
            assert_non_null(strstr(functions[i].syntax, functions[i].arg_names[j]));
        }
        assert_string_equal(functions[i].return_format, expected[i].return_format);
        assert_true(strlen(functions[i].doc) > 20);
    }
}

/* B14: a null in any argument is a null; an empty text is none; arrays that begin in the middle of their buffers. */
static void test_file_id(void **state)
{
    static const char *const repositories[] = {"x", "repo", NULL, "repo", ""};
    static const char *const paths[] = {"x", "a.py", "a.py", NULL, ""};
    (void)state;
    struct ArrowArray repository = texts(NANOARROW_TYPE_STRING, repositories, 5);
    struct ArrowArray path = texts(NANOARROW_TYPE_STRING, paths, 5);
    repository.offset = path.offset = 1;
    repository.length = path.length = 4;
    repository.null_count = path.null_count = -1;
    const struct ArrowArray *args[] = {&repository, &path};
    struct ArrowArray ids = {0};
    struct ca_error err = {0};
    assert_int_equal(find("file_id")->call(args, 2, 4, &ids, &err), CA_OK);
    assert_int_equal(ids.length, 4);
    assert_int_equal(int_at(&ids, 0), position_file_id("repo", 4, "a.py", 4));
    assert_true(is_null_at(&ids, 1));
    assert_true(is_null_at(&ids, 2));
    assert_int_equal(int_at(&ids, 3), position_file_id("", 0, "", 0));
    ids.release(&ids);
    repository.release(&repository);
    path.release(&path);
}

/* Found here: an array of empty texts alone has no buffer of characters, and its ids were those of no text at all, so
 * that an id depended on the other rows of its batch. */
static void test_empty_texts(void **state)
{
    static const char *const empty[] = {"", ""};
    static const int64_t zeros[] = {0, 0};
    (void)state;
    struct ArrowArray text = texts(NANOARROW_TYPE_STRING, empty, 2);
    struct ArrowArray number = ints(NANOARROW_TYPE_INT64, zeros, 2);
    struct ArrowArray ordinal = ints(NANOARROW_TYPE_INT64, zeros, 2);
    const struct ArrowArray *file_args[] = {&text, &text};
    const struct ArrowArray *entity_args[] = {&number, &text, &text, &ordinal};
    const struct ArrowArray *occurrence_args[] = {&number, &number, &number, &text, &ordinal};
    const struct {
        const char *name;
        const struct ArrowArray *const *args;
        size_t n_args;
        int64_t expected;
    } cases[] = {
        {"file_id", file_args, 2, position_file_id("", 0, "", 0)},
        {"entity_id", entity_args, 4, position_entity_id(0, "", 0, "", 0, 0)},
        {"occurrence_id", occurrence_args, 5, position_occurrence_id(0, 0, 0, "", 0, 0)},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowArray ids = {0};
        struct ca_error err = {0};
        assert_int_equal(find(cases[i].name)->call(cases[i].args, cases[i].n_args, 2, &ids, &err), CA_OK);
        assert_int_equal(int_at(&ids, 1), cases[i].expected);
        ids.release(&ids);
    }
    text.release(&text);
    number.release(&number);
    ordinal.release(&ordinal);
}

static void test_entity_and_occurrence_id(void **state)
{
    static const int64_t files[] = {7, INT64_MIN};
    static const int64_t starts[] = {0, INT64_MAX};
    static const int64_t ends[] = {3, INT64_MIN};
    static const int64_t ordinals[] = {0, INT32_MAX};
    static const char *const names[] = {"C.f", "\xC3\xA9"};
    static const char *const kinds[] = {"function", "class"};
    (void)state;
    struct ArrowArray file = ints(NANOARROW_TYPE_INT64, files, 2);
    struct ArrowArray start_byte = ints(NANOARROW_TYPE_INT64, starts, 2);
    struct ArrowArray end_byte = ints(NANOARROW_TYPE_INT64, ends, 2);
    struct ArrowArray ordinal = ints(NANOARROW_TYPE_INT64, ordinals, 2);
    struct ArrowArray name = texts(NANOARROW_TYPE_STRING, names, 2);
    struct ArrowArray kind = texts(NANOARROW_TYPE_STRING, kinds, 2);
    const struct ArrowArray *entity_args[] = {&file, &name, &kind, &ordinal};
    const struct ArrowArray *occurrence_args[] = {&file, &start_byte, &end_byte, &kind, &ordinal};
    struct ArrowArray entities = {0};
    struct ArrowArray occurrences = {0};
    struct ca_error err = {0};
    assert_int_equal(find("entity_id")->call(entity_args, 4, 2, &entities, &err), CA_OK);
    assert_int_equal(find("occurrence_id")->call(occurrence_args, 5, 2, &occurrences, &err), CA_OK);
    for (int64_t i = 0; i < 2; i++) {
        assert_int_equal(int_at(&entities, i), position_entity_id(files[i], names[i], strlen(names[i]), kinds[i],
                                                                  strlen(kinds[i]), ordinals[i]));
        assert_int_equal(int_at(&occurrences, i),
                         position_occurrence_id(files[i], starts[i], ends[i], kinds[i], strlen(kinds[i]), ordinals[i]));
    }
    struct ArrowArray *all[] = {&file, &start_byte, &end_byte, &ordinal, &name, &kind, &entities, &occurrences};
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++)
        all[i]->release(all[i]);
}

/* B14: xxhsum -H2 of nothing and of "abc". */
static void test_content_id(void **state)
{
    static const char *const values[] = {"", NULL, "abc"};
    static const char *const expected[] = {"99aa06d3014798d86001c324468d497f", NULL,
                                           "06b05ab6733a618578af5f94892f3950"};
    (void)state;
    struct ArrowArray bytes = texts(NANOARROW_TYPE_BINARY, values, 3);
    const struct ArrowArray *args[] = {&bytes};
    struct ArrowArray ids = {0};
    struct ca_error err = {0};
    assert_int_equal(find("content_id")->call(args, 1, 3, &ids, &err), CA_OK);
    struct ArrowArrayView view;
    ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_BINARY);
    assert_int_equal(ArrowArrayViewSetArray(&view, &ids, NULL), NANOARROW_OK);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(ArrowArrayViewIsNull(&view, i), expected[i] == NULL);
        if (!expected[i])
            continue;
        struct ArrowBufferView id = ArrowArrayViewGetBytesUnsafe(&view, i);
        g_autoptr(GString) hex = g_string_new(NULL);
        for (int64_t j = 0; j < id.size_bytes; j++)
            g_string_append_printf(hex, "%02x", id.data.as_uint8[j]);
        assert_string_equal(hex->str, expected[i]);
    }
    ArrowArrayViewReset(&view);
    ids.release(&ids);
    bytes.release(&bytes);
}

static void test_no_rows(void **state)
{
    (void)state;
    size_t n = 0;
    const struct rows_function *functions = kernel_functions(&n);
    for (size_t i = 0; i < n; i++) {
        struct ArrowArray arrays[ROWS_FUNCTION_MAX_ARGS];
        const struct ArrowArray *args[ROWS_FUNCTION_MAX_ARGS];
        for (size_t j = 0; j < functions[i].n_args; j++) {
            char format = functions[i].arg_formats[j][0];
            arrays[j] = format == 'l'   ? ints(NANOARROW_TYPE_INT64, NULL, 0)
                        : format == 'i' ? ints(NANOARROW_TYPE_INT32, NULL, 0)
                                        : texts(format == 'u' ? NANOARROW_TYPE_STRING : NANOARROW_TYPE_BINARY, NULL, 0);
            args[j] = &arrays[j];
        }
        struct ArrowArray ids = {0};
        struct ca_error err = {0};
        assert_int_equal(functions[i].call(args, functions[i].n_args, 0, &ids, &err), CA_OK);
        assert_int_equal(ids.length, 0);
        ids.release(&ids);
        for (size_t j = 0; j < functions[i].n_args; j++)
            arrays[j].release(&arrays[j]);
    }
}

/* Arrays that are not what was declared give an error and no array. */
static void test_wrong_arguments(void **state)
{
    static const char *const values[] = {"a", "b"};
    static const int64_t numbers[] = {1, 2};
    (void)state;
    struct ArrowArray two = texts(NANOARROW_TYPE_STRING, values, 2);
    struct ArrowArray one = texts(NANOARROW_TYPE_STRING, values, 1);
    struct ArrowArray number = ints(NANOARROW_TYPE_INT64, numbers, 2);
    const struct {
        const struct ArrowArray *args[2];
        const char *message;
    } cases[] = {
        {{&one, &two}, "argument 1 of a function has 1 rows, expected 2"},
        {{&two, &one}, "argument 2 of a function has 1 rows, expected 2"},
        {{&two, &number},
         "argument 2 of a function is not of its declared type: "
         "Expected array with 3 buffer(s) but found 2 buffer(s)"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowArray ids = {0};
        struct ca_error err = {0};
        assert_int_equal(find("file_id")->call(cases[i].args, 2, 2, &ids, &err), CA_ERR_INVALID);
        assert_string_equal(err.message, cases[i].message);
        assert_null(ids.release);
    }
    two.release(&two);
    one.release(&one);
    number.release(&number);
}

/* B14: SQL gives what C gives; constants, columns and nulls alike. */
static void test_in_sql(void **state)
{
    (void)state;
    struct engine_options options = {.profile = "small"};
    struct engine *e = NULL;
    struct ca_error err = {0};
    assert_int_equal(engine_open(&options, &e, &err), CA_OK);
    size_t n = 0;
    const struct rows_function *functions = kernel_functions(&n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(engine_register_function(e, &functions[i], &err), CA_OK);

    g_autofree char *file = g_strdup_printf("f\n%" G_GINT64_FORMAT "\n", position_file_id("repo", 4, "a.py", 4));
    assert_answer(e, "SELECT file_id('repo', 'a.py') AS f", file);
    g_autofree char *entity =
        g_strdup_printf("e\n%" G_GINT64_FORMAT "\n\"\"\n", position_entity_id(7, "C.f", 3, "function", 8, 0));
    assert_answer(e,
                  "SELECT entity_id(7, name, 'function', CAST(0 AS INT)) AS e FROM (VALUES ('C.f'), (NULL)) AS t(name)",
                  entity);
    g_autofree char *occurrence =
        g_strdup_printf("o\n%" G_GINT64_FORMAT "\n", position_occurrence_id(7, 1, 4, "call", 4, 2));
    assert_answer(e, "SELECT occurrence_id(7, 1, 4, 'call', CAST(2 AS INT)) AS o", occurrence);
    assert_answer(e, "SELECT encode(content_id(arrow_cast('abc', 'Binary')), 'hex') AS c",
                  "c\n06b05ab6733a618578af5f94892f3950\n");
    assert_answer(e,
                  "SELECT routine_name, data_type, function_type, syntax_example FROM information_schema.routines "
                  "WHERE routine_name IN ('content_id', 'file_id') ORDER BY 1",
                  "routine_name,data_type,function_type,syntax_example\n"
                  "content_id,Binary,SCALAR,content_id(bytes)\n"
                  "file_id,Int64,SCALAR,\"file_id(repository, path)\"\n");
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_file_id),
        cmocka_unit_test(test_entity_and_occurrence_id),
        cmocka_unit_test(test_content_id),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_in_sql),
        cmocka_unit_test(test_empty_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
