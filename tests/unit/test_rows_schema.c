/* tests/unit/test_rows_schema.c — schemas compared (B10), told apart by fingerprint, and bounded in depth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <string.h>

#include "rows/rows.h"
#include "support/batch_text.h"

/* B10: a diff that names each column and both types. */
static void test_compare(void **state)
{
    (void)state;
    static const struct rows_compare_options loose_order = {.ignore_order = true};
    static const struct rows_compare_options stricter = {.allow_stricter = true};
    static const struct rows_compare_options no_nulls = {.ignore_nullability = true};
    static const struct {
        const char *expected;
        const char *found;
        const struct rows_compare_options *options;
        const char *codes;
        const char *text;
    } cases[] = {
        {"a:i!,b:u", "a:i!,b:u", NULL, "", ""},
        {"a:i,b:u", "a:i", NULL, "column_missing ", "'b' (utf8) is missing"},
        {"a:i", "a:i,b:u!", NULL, "column_unexpected ", "'b' (utf8) is not declared"},
        {"a:i,b:u", "b:u,a:i", NULL, "column_moved ", "'b' is at place 1, expected 2"},
        {"a:i,b:u", "b:u,a:i", &loose_order, "", ""},
        {"a:i,b:u,c:l", "b:u,c:l", NULL, "column_missing ", "'a' (int32) is missing"},
        {"a:i", "a:l", NULL, "type_differs ", "'a' is int64, expected int32"},
        {"a:i!", "a:i", NULL, "nullability_differs ", "'a' is null, expected not null"},
        {"a:i", "a:i!", NULL, "nullability_differs ", "'a' is not null, expected null"},
        {"a:i", "a:i!", &stricter, "", ""},
        {"a:i!", "a:i", &stricter, "nullability_differs ", "'a' is null, expected not null"},
        {"a:i!", "a:i", &no_nulls, "", ""},
        {"n:+l!(item:+s!(kind:u!,p:i))", "n:+l!(element:+s!(kind:u!,p:i))", NULL, "", ""},
        {"n:+l!(item:+s!(kind:u!,p:i))", "n:+l!(item:+s!(kind:l,q:i))", NULL,
         "type_differs field_missing field_unexpected ",
         "'n[].kind' is int64, expected utf8; 'n[].p' (int32) is missing; 'n[].q' (int32) is not declared"},
        {"m:+m(entries:+s!(key:u!,value:i))", "m:+m(x:+s!(k:u!,v:l))", NULL, "type_differs ",
         "'m{value}' is int64, expected int32"},
        {"a:d:9;2;32", "a:d:9;2", NULL, "type_differs ", "'a' is decimal128(9, 2), expected decimal32(9, 2)"},
        {"a:I", "a:i", NULL, "type_differs ", "'a' is int32, expected uint32"},
        {"a:u", "a:vu", NULL, "type_differs ", "'a' is utf8_view, expected utf8"},
        {"a:d:10;2", "a:d:11;2", NULL, "type_differs ", "'a' is decimal128(11, 2), expected decimal128(10, 2)"},
        /* Two columns of one name were one to the comparison, and what is inside a union nothing (fuzz_schema). */
        {"a:i", "a:i,a:u", NULL, "column_unexpected ", "'a' (utf8) is not declared"},
        {"a:i,a:u", "a:i", NULL, "column_missing ", "'a' (utf8) is missing"},
        {"a:i,a:u", "a:i,a:l", NULL, "type_differs ", "'a' is int64, expected utf8"},
        {"a:+us:0;1(x:i,y:u)", "a:+us:0;1(x:i,y:l)", NULL, "type_differs ", "'a.y' is int64, expected utf8"},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowSchema expected = batch_text_schema(cases[i].expected);
        struct ArrowSchema found = batch_text_schema(cases[i].found);
        struct rows_findings f = {0};
        assert_int_equal(rows_schema_compare(&expected, &found, cases[i].options, &f, &err), CA_OK);
        GString *codes = g_string_new(NULL);
        for (size_t k = 0; k < f.n; k++)
            g_string_append_printf(codes, "%s ", f.items[k].code);
        g_autofree char *text = rows_findings_text(&f);
        assert_string_equal(codes->str, cases[i].codes);
        assert_string_equal(text, cases[i].text);
        const int rc = rows_schema_check(&expected, &found, cases[i].options, &err);
        assert_int_equal(rc, cases[i].text[0] == '\0' ? CA_OK : CA_ERR_DRIFT);
        if (rc != CA_OK)
            assert_string_equal(err.message, cases[i].text);
        g_string_free(codes, TRUE);
        rows_findings_done(&f);
        ArrowSchemaRelease(&expected);
        ArrowSchemaRelease(&found);
    }
}

/* The order of field metadata means nothing; it was compared in the order of addresses (fuzz_schema). */
static void test_compare_metadata(void **state)
{
    (void)state;
    static const char *const keys[][3] = {{"b", "a", "c"}, {"c", "b", "a"}, {"a", "b", "d"}};
    struct ArrowSchema schemas[3];
    for (size_t i = 0; i < G_N_ELEMENTS(schemas); i++) {
        struct ArrowBuffer metadata;
        assert_int_equal(ArrowMetadataBuilderInit(&metadata, NULL), 0);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(ArrowMetadataBuilderAppend(&metadata, ArrowCharView(keys[i][k]), ArrowCharView("1")), 0);
        schemas[i] = batch_text_schema("x:i");
        assert_int_equal(ArrowSchemaSetMetadata(schemas[i].children[0], (const char *)metadata.data), 0);
        ArrowBufferReset(&metadata);
    }
    static const struct rows_compare_options with_metadata = {.with_metadata = true};
    struct ca_error err = {0};
    assert_int_equal(rows_schema_check(&schemas[0], &schemas[1], &with_metadata, &err), CA_OK);
    assert_int_equal(rows_schema_check(&schemas[0], &schemas[2], &with_metadata, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "'x' has metadata {a=1, b=1, d=1}, expected {a=1, b=1, c=1}");
    for (size_t i = 0; i < G_N_ELEMENTS(schemas); i++)
        ArrowSchemaRelease(&schemas[i]);
}

static void test_schema_fingerprint(void **state)
{
    (void)state;
    static const char *const equal[] = {"n:+l!(item:+s!(kind:u!)),m:+m(entries:+s!(key:u!,value:i))",
                                        "n:+l!(element:+s!(kind:u!)),m:+m(e:+s!(k:u!,v:i))"};
    static const char *const different[] = {"a:i,b:u", "b:u,a:i",   "a:i!,b:u", "a:l,b:u",
                                            "a:i",     "a:+s(b:u)", "a:+s,b:u", "ab:u"};
    char hex[8][FINGERPRINT_HEX_SIZE];
    struct ca_error err = {0};
    for (size_t i = 0; i < 2; i++) {
        struct ArrowSchema schema = batch_text_schema(equal[i]);
        assert_int_equal(rows_schema_fingerprint(&schema, hex[i], &err), CA_OK);
        ArrowSchemaRelease(&schema);
    }
    assert_string_equal(hex[0], hex[1]);
    for (size_t i = 0; i < G_N_ELEMENTS(different); i++) {
        struct ArrowSchema schema = batch_text_schema(different[i]);
        assert_int_equal(rows_schema_fingerprint(&schema, hex[i], &err), CA_OK);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(hex[i], hex[k]);
        ArrowSchemaRelease(&schema);
    }
}

/* A schema deeper than ours is an error, not a stack. */
static void test_deep_schema_is_refused(void **state)
{
    (void)state;
    struct ArrowSchema schema = batch_text_schema("a:+l(item:i)");
    for (int i = 0; i < 100; i++) {
        struct ArrowSchema inner;
        ArrowSchemaMove(schema.children[0], &inner);
        ArrowSchemaInit(schema.children[0]);
        assert_int_equal(ArrowSchemaSetFormat(schema.children[0], "+l"), 0);
        assert_int_equal(ArrowSchemaSetName(schema.children[0], "a"), 0);
        assert_int_equal(ArrowSchemaAllocateChildren(schema.children[0], 1), 0);
        ArrowSchemaMove(&inner, schema.children[0]->children[0]);
    }
    char hex[FINGERPRINT_HEX_SIZE];
    struct ca_error err = {0};
    struct rows_findings f = {0};
    assert_int_equal(rows_schema_fingerprint(&schema, hex, &err), CA_ERR_RESOURCES);
    assert_string_equal(err.message, "column 'a' nests deeper than ROWS_MAX_DEPTH, 64 levels");
    assert_int_equal(rows_schema_compare(&schema, &schema, NULL, &f, &err), CA_ERR_RESOURCES);
    struct ArrowSchema from;
    struct ArrowSchema to;
    struct rows_aligner *aligner = NULL;
    assert_int_equal(ArrowSchemaDeepCopy(&schema, &from), 0);
    assert_int_equal(ArrowSchemaDeepCopy(&schema, &to), 0);
    assert_int_equal(rows_aligner_new(&from, &to, NULL, &aligner, &err), CA_ERR_RESOURCES);
    char *type = rows_type_text(&schema);
    assert_non_null(strstr(type, "..."));
    free(type);
    ArrowSchemaRelease(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_compare_metadata),
        cmocka_unit_test(test_schema_fingerprint),
        cmocka_unit_test(test_deep_schema_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
