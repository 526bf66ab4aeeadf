/* tests/unit/test_rows_align.c — batches made into those of another schema (B11): order, casts, fills, dictionaries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "rows/rows.h"
#include "support/batch_text.h"

/* The batch as one of `to`; takes `array`. */
static int align(const struct ArrowSchema *from, struct ArrowArray *array, const struct ArrowSchema *to,
                 const struct rows_align_options *options, struct ArrowArray *ret, struct ca_error *err)
{
    struct ArrowSchema own_from;
    struct ArrowSchema own_to;
    struct rows_aligner *aligner = NULL;
    assert_int_equal(ArrowSchemaDeepCopy(from, &own_from), 0);
    assert_int_equal(ArrowSchemaDeepCopy(to, &own_to), 0);
    int rc = rows_aligner_new(&own_from, &own_to, options, &aligner, err);
    assert_null(own_from.release);
    assert_null(own_to.release);
    if (rc == CA_OK)
        rc = rows_aligner_run(aligner, array, ret, err);
    else if (array->release != NULL)
        ArrowArrayRelease(array);
    rows_aligner_free(aligner);
    return rc;
}

static void count_cast(void *data, const char *path, const char *from, const char *to)
{
    assert_string_not_equal(from, to);
    assert_true(strlen(path) > 0);
    ++*(int64_t *)data;
}

/* B11: reorder, safe casts, fill; values that do not fit are named with their row. */
static void test_align(void **state)
{
    (void)state;
    static const struct rows_default defaults[] = {
        {"d", "7"}, {"e", "'it''s'"}, {"n[].x", "true"}, {"f", "1.5"}, {"h", "X'4142'"}, {"k", "[]"}, {"bad", "'x'"},
    };
    /* Columns whose names begin with "lossy" may lose something. */
    static const struct rows_lossy lossy[] = {
        {"lossy", "float64"},    {"lossy", "timestamp_ns"}, {"lossy", "int64"},   {"lossy", "uint64"},
        {"lossy", "decimal128"}, {"lossy", "date64"},       {"n[].x", "float64"},
    };
    static const struct {
        const char *from;
        const char *rows;
        const char *to;
        const char *expected; /* rows, or the message of a refusal */
        int status;
        int64_t n_casts;
    } cases[] = {
        /* B11: what a contract lets go by name, and no more: precision, never range. */
        {"lossy:g", "0.1;-1e30;null", "lossy:f", "0.100000001;-1.00000002e+30;null", CA_OK, 1},
        {"lossy:g", "1e300", "lossy:f", "'lossy' row 0: 1.0000000000000001e+300 does not fit type float", CA_ERR_DRIFT,
         0},
        {"lossy:g", "2.9;-2.9;null", "lossy:i", "2;-2;null", CA_OK, 1},
        {"lossy:g", "1e19", "lossy:L", "10000000000000000000", CA_OK, 1},
        {"lossy:g", "-1", "lossy:L", "'lossy' row 0: -1 does not fit type uint64", CA_ERR_DRIFT, 0},
        {"lossy:g", "3e9", "lossy:i", "'lossy' row 0: 3000000000 does not fit type int32", CA_ERR_DRIFT, 0},
        {"lossy:g", "nan", "lossy:i", "'lossy' row 0: nan does not fit type int32", CA_ERR_DRIFT, 0},
        {"lossy:f", "1.5", "lossy:i", "'lossy' is float32, which cannot become int32 without loss", CA_ERR_DRIFT, 0},
        {"lossy:l", "9007199254740993", "lossy:g", "9.00719925e+15", CA_OK, 1},
        {"lossy:L", "18446744073709551615", "lossy:g", "1.84467441e+19", CA_OK, 1},
        {"lossy:tsn:", "1999;-1999", "lossy:tsu:", "1;-1", CA_OK, 1},
        {"lossy:tdm", "172800001;-1", "lossy:tdD", "2;0", CA_OK, 1},
        {"lossy:d:10;2", "125;-125;124;995;null", "lossy:d:10;1", "13;-13;12;100;null", CA_OK, 1},
        {"lossy:d:10;2", "99995", "lossy:d:4;1", "'lossy' row 0: 99995e-2 does not fit type decimal128", CA_ERR_DRIFT,
         0},
        {"lossy:d:10;2", "4", "lossy:d:10;0", "0", CA_OK, 1},
        {"n:+l(e:+s(x:g))", "[{0.1}]", "n:+l(item:+s(x:f))", "[{0.100000001}]", CA_OK, 1},
        /* B11: decimals of another scale or width, as long as no digit is cut off. */
        {"a:d:10;2", "125;-125;0", "a:d:10;4", "12500;-12500;0", CA_OK, 1},
        {"a:d:10;2", "120", "a:d:10;1", "12", CA_OK, 1},
        {"a:d:10;2", "125", "a:d:10;1", "'a' row 0: 125e-2 does not fit type decimal128", CA_ERR_DRIFT, 0},
        {"a:d:10;2", "12345", "a:d:4;2", "'a' row 0: 12345e-2 does not fit type decimal128", CA_ERR_DRIFT, 0},
        {"a:d:38;0", "-99999999999999999999999999999999999999;1", "a:d:76;9;256",
         "-99999999999999999999999999999999999999000000000;1000000000", CA_OK, 1},
        {"a:d:9;1", "-12", "a:d:9;1;32", "-12", CA_OK, 1},
        {"a:d:18;1;64", "-12", "a:d:20;0", "'a' row 0: -12e-1 does not fit type decimal128", CA_ERR_DRIFT, 0},
        {"a:l", "-7;null", "a:d:10;2", "-700;null", CA_OK, 1},
        {"a:L", "18446744073709551615", "a:d:20;0", "18446744073709551615", CA_OK, 1},
        {"a:l", "100", "a:d:4;2", "'a' row 0: 100 does not fit type decimal128", CA_ERR_DRIFT, 0},
        /* B11: view types, of lists too, and half floats. */
        {"a:u", "a-text-that-is-longer-than-twelve;y;null", "a:vu", "a-text-that-is-longer-than-twelve;y;null", CA_OK,
         1},
        {"a:g", "1.5;null", "a:e", "1.5;null", CA_OK, 1},
        {"a:g", "0.1", "a:e", "'a' row 0: 0.10000000000000001 does not fit type half_float", CA_ERR_DRIFT, 0},
        {"a:g", "70000", "a:e", "'a' row 0: 70000 does not fit type half_float", CA_ERR_DRIFT, 0},
        {"a:i,b:u", "1|x;null|y", "a:i,b:u", "1|x;null|y", CA_OK, 0},
        {"b:u,a:i", "x|1;y|2", "a:i,b:u", "1|x;2|y", CA_OK, 0},
        {"a:i", "1;2", "a:l", "1;2", CA_OK, 1},
        {"a:c,b:C,d:S", "-128|255|65535;null|null|null;127|0|1", "a:l,b:s,d:g", "-128|255|65535;null|null|null;127|0|1",
         CA_OK, 3},
        {"a:f,b:I", "0.5|4294967295;null|null", "a:g,b:l", "0.5|4294967295;null|null", CA_OK, 2},
        {"a:c", "1;null", "a:i!", "'a' row 1: null where the contract says not null", CA_ERR_DRIFT, 0},
        {"a:l", "1;-2;null", "a:i", "1;-2;null", CA_OK, 1},
        {"a:l", "1;3000000000", "a:i", "'a' row 1: 3000000000 does not fit type int32", CA_ERR_DRIFT, 0},
        {"a:i", "-1", "a:I", "'a' row 0: -1 does not fit type uint32", CA_ERR_DRIFT, 0},
        {"a:L", "18446744073709551615", "a:L!", "18446744073709551615", CA_OK, 0},
        {"a:L", "18446744073709551615", "a:l", "'a' row 0: 18446744073709551615 does not fit type int64", CA_ERR_DRIFT,
         0},
        {"a:l", "9007199254740993", "a:g", "'a' row 0: 9007199254740993 does not fit type double", CA_ERR_DRIFT, 0},
        {"a:l", "9007199254740992", "a:g", "9.00719925e+15", CA_OK, 1},
        {"a:g", "0.5;1e300", "a:f", "'a' row 1: 1.0000000000000001e+300 does not fit type float", CA_ERR_DRIFT, 0},
        {"a:g", "0.5", "a:f", "0.5", CA_OK, 1},
        {"a:g", "1", "a:i", "'a' is float64, which cannot become int32 without loss", CA_ERR_DRIFT, 0},
        {"a:u", "1", "a:i", "'a' is utf8, which cannot become int32 without loss", CA_ERR_DRIFT, 0},
        {"a:i", "1", "a:u", "'a' is int32, which cannot become utf8 without loss", CA_ERR_DRIFT, 0},
        {"a:z", "x", "a:u", "'a' is binary, which cannot become utf8 without loss", CA_ERR_DRIFT, 0},
        /* B11: times, dates and durations of another unit, as long as nothing is cut off. */
        {"a:tts", "61;null", "a:ttu", "61000000;null", CA_OK, 1},
        {"a:ttu", "61000000", "a:tts", "61", CA_OK, 1},
        {"a:ttu", "61000001", "a:tts", "'a' row 0: 61000001 does not fit type time32", CA_ERR_DRIFT, 0},
        {"a:tdD", "2", "a:tdm", "172800000", CA_OK, 1},
        {"a:tdm", "172800000;172800001", "a:tdD", "'a' row 1: 172800001 does not fit type date32", CA_ERR_DRIFT, 0},
        {"a:tDs,b:ttn", "3|5", "b:ttn,a:tDm", "5|3000", CA_OK, 1},
        {"a:tDm", "3001", "a:tDs", "'a' row 0: 3001 does not fit type duration", CA_ERR_DRIFT, 0},
        {"a:tDs", "1", "a:l", "'a' is duration_s, which cannot become int64 without loss", CA_ERR_DRIFT, 0},
        {"a:u", "x;'';null", "a:z", "x;'';null", CA_OK, 1},
        {"a:U", "x;'';null", "a:u", "x;'';null", CA_OK, 1},
        {"a:vu", "a-text-that-is-longer-than-twelve;y;null", "a:u", "a-text-that-is-longer-than-twelve;y;null", CA_OK,
         1},
        {"a:b", "t;0;null", "a:b", "t;f;null", CA_OK, 0},
        {"a:tsn:", "1000;-2000", "a:tsu:", "1;-2", CA_OK, 1},
        {"a:tsn:", "1001", "a:tsu:", "'a' row 0: 1001 does not fit type timestamp", CA_ERR_DRIFT, 0},
        {"a:tss:UTC", "3", "a:tsu:UTC", "3000000", CA_OK, 1},
        {"a:tsu:+00:00", "3", "a:tsu:UTC", "3", CA_OK, 1},
        {"a:tsu:", "3", "a:tsu:UTC", "'a' is timestamp_us, which cannot become timestamp_us(UTC) without loss",
         CA_ERR_DRIFT, 0},
        {"a:tss:", "9223372036854775807", "a:tsu:", "'a' row 0: 9223372036854775807 does not fit type timestamp",
         CA_ERR_DRIFT, 0},
        {"a:tdD", "19000", "a:tdD!", "19000", CA_OK, 0},
        {"a:d:10;2", "-125;null", "a:d:20;2", "-125;null", CA_OK, 1},
        {"a:n", "null;null", "a:u", "null;null", CA_OK, 1},
        {"a:n", "null", "a:u!", "'a' row 0: null where the contract says not null", CA_ERR_DRIFT, 0},
        {"a:i", "1;null", "a:i!", "'a' row 1: null where the contract says not null", CA_ERR_DRIFT, 0},
        {"a:i", "1;2", "a:i!", "1;2", CA_OK, 0},
        {"a:i", "1;2", "a:i,b:u", "1|null;2|null", CA_OK, 0},
        {"a:i", "1", "a:i,b:u!", "'b' (utf8 not null) is missing and has no default", CA_ERR_DRIFT, 0},
        {"a:i", "1;2", "a:i,d:s!,e:u!,f:g!,h:z!", "1|7|it's|1.5|AB;2|7|it's|1.5|AB", CA_OK, 0},
        {"a:i", "1", "a:i,k:+l!(item:i)", "1|[]", CA_OK, 0},
        {"a:i", "1", "bad:i!,a:i", "default 'x' of 'bad' is no literal of type int32", CA_ERR_CONTRACT, 0},
        {"a:i,x:u", "1|y", "a:i", "'x' (utf8) is not declared", CA_ERR_DRIFT, 0},
        {"n:+l(e:+s(p:i,kind:u))", "[{1 a} {null b}];[];null", "n:+l(item:+s(kind:u!,p:l,x:b!))",
         "[{a 1 t} {b null t}];[];null", CA_OK, 1},
        {"n:+l(e:+s(p:i))", "[{1}];[{null}]", "n:+l(item:+s(p:i!))",
         "'n[].p' row 1: null where the contract says not null", CA_ERR_DRIFT, 0},
        {"n:+l(e:+s(p:i))", "[{1}];null", "n:+l(item:+s!(p:i!))", "[{1}];null", CA_OK, 0},
        {"n:+l(e:+s(p:i,z:u))", "[{1 a}]", "n:+l(item:+s(p:i))", "'n[].z' (utf8) is not declared", CA_ERR_DRIFT, 0},
        {"n:+L(e:i)", "[1 2];[];null", "n:+l(item:l)", "[1 2];[];null", CA_OK, 2},
        {"m:+m(entries:+s!(key:u!,value:i))", "<a 1 b null>;null", "m:+m(entries:+s!(key:u!,value:l))",
         "<a 1 b null>;null", CA_OK, 1},
        {"s:+s(a:i,b:+l(i:u))", "{1 [x y]};null", "s:+s(b:+l(i:u),a:i)", "{[x y] 1};null", CA_OK, 0},
        {"a:i", "1", "a:+l(item:i)", "'a' is int32, which cannot become list<int32> without loss", CA_ERR_DRIFT, 0},
        {"a:i,b:u", "", "b:u,a:l,c:g", "", CA_OK, 1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ca_error err = {0};
        struct ArrowSchema from = batch_text_schema(cases[i].from);
        struct ArrowSchema to = batch_text_schema(cases[i].to);
        struct ArrowArray array = batch_text_parse(&from, cases[i].rows);
        struct ArrowArray out = {.release = NULL};
        int64_t n_casts = 0;
        const struct rows_align_options options = {.defaults = defaults,
                                                   .n_defaults = G_N_ELEMENTS(defaults),
                                                   .lossy = lossy,
                                                   .n_lossy = G_N_ELEMENTS(lossy),
                                                   .cast = count_cast,
                                                   .cast_data = &n_casts};
        int rc = align(&from, &array, &to, &options, &out, &err);
        assert_null(array.release); /* taken, also on failure */
        if (rc == CA_OK) {
            g_autofree char *text = batch_text_render(&to, &out);
            assert_string_equal(text, cases[i].expected);
            assert_int_equal(n_casts, cases[i].n_casts);
            ArrowArrayRelease(&out);
        } else {
            assert_string_equal(err.message, cases[i].expected);
            assert_null(out.release);
        }
        assert_int_equal(rc, cases[i].status);
        ArrowSchemaRelease(&from);
        ArrowSchemaRelease(&to);
    }
}

/* What has the right layout is not copied: the buffers are the same memory. */
static void test_align_moves_what_fits(void **state)
{
    (void)state;
    struct ArrowSchema from = batch_text_schema("b:u,n:+l(e:+s(p:i))");
    struct ArrowSchema to = batch_text_schema("n:+l!(item:+s!(p:i!)),b:u");
    struct ArrowArray array = batch_text_parse(&from, "x|[{1} {2}]");
    struct ArrowArray out;
    struct ca_error err = {0};
    const void *bytes = array.children[0]->buffers[2];
    const void *values = array.children[1]->children[0]->children[0]->buffers[1];
    assert_int_equal(align(&from, &array, &to, NULL, &out, &err), CA_OK);
    assert_ptr_equal(out.children[1]->buffers[2], bytes);
    assert_ptr_equal(out.children[0]->children[0]->children[0]->buffers[1], values);
    ArrowArrayRelease(&out);
    ArrowSchemaRelease(&from);
    ArrowSchemaRelease(&to);
}

/* A batch that is a slice of a larger one, by its own offset and length. */
static void test_align_of_a_slice(void **state)
{
    (void)state;
    struct ArrowSchema from = batch_text_schema("a:i,n:+l(e:i),b:u");
    struct ArrowSchema to = batch_text_schema("b:u,n:+l(item:l),a:i");
    struct ArrowArray array = batch_text_parse(&from, "1|[1]|a;2|[2 3]|b;null|[]|c;4|[4 5]|d");
    struct ArrowArray out;
    struct ca_error err = {0};
    array.offset = 1;
    array.length = 2;
    assert_int_equal(align(&from, &array, &to, NULL, &out, &err), CA_OK);
    g_autofree char *text = batch_text_render(&to, &out);
    assert_string_equal(text, "b|[2 3]|2;c|[]|null");
    ArrowArrayRelease(&out);
    ArrowSchemaRelease(&from);
    ArrowSchemaRelease(&to);
}

/* B11: dictionaries are decoded; an index that points nowhere is an error. */
static void test_align_decodes_dictionaries(void **state)
{
    (void)state;
    for (int is_broken = 0; is_broken < 2; is_broken++) {
        struct ArrowSchema from = batch_text_schema("a:i");
        struct ArrowSchema to = batch_text_schema("a:u");
        assert_int_equal(ArrowSchemaAllocateDictionary(from.children[0]), 0);
        assert_int_equal(ArrowSchemaInitFromType(from.children[0]->dictionary, NANOARROW_TYPE_STRING), 0);
        struct ArrowSchema plain = batch_text_schema("a:i");
        struct ArrowArray array = batch_text_parse(&plain, is_broken ? "1;5" : "1;0;null;1");
        struct ArrowSchema values_schema = batch_text_schema("v:u");
        struct ArrowArray values = batch_text_parse(&values_schema, "zero;one");
        assert_int_equal(ArrowArrayAllocateDictionary(array.children[0]), 0);
        ArrowArrayMove(values.children[0], array.children[0]->dictionary);
        ArrowArrayRelease(&values);
        struct ArrowArray out = {.release = NULL};
        struct ca_error err = {0};
        int64_t n_casts = 0;
        const struct rows_align_options options = {.cast = count_cast, .cast_data = &n_casts};
        int rc = align(&from, &array, &to, &options, &out, &err);
        if (is_broken) {
            assert_int_equal(rc, CA_ERR_ENGINE);
            assert_string_equal(err.message, "'a' row 1: dictionary index out of range");
        } else {
            assert_int_equal(rc, CA_OK);
            g_autofree char *text = batch_text_render(&to, &out);
            assert_string_equal(text, "one;zero;null;one");
            assert_int_equal(n_casts, 1);
            ArrowArrayRelease(&out);
        }
        ArrowSchemaRelease(&from);
        ArrowSchemaRelease(&to);
        ArrowSchemaRelease(&plain);
        ArrowSchemaRelease(&values_schema);
    }
}

static struct ArrowSchema dictionary_of(const char *text, enum ArrowType values)
{
    struct ArrowSchema schema = batch_text_schema(text);
    struct ArrowSchema *column = schema.children[0];
    if (strcmp(column->format, "+l") == 0)
        column = column->children[0];
    assert_int_equal(ArrowSchemaAllocateDictionary(column), 0);
    assert_int_equal(ArrowSchemaInitFromType(column->dictionary, values), 0);
    return schema;
}

/* The codes of the first column, or of its items. */
static char *render_codes(const struct ArrowSchema *plain, struct ArrowArray *array)
{
    struct ArrowArray *column =
        array->children[0]->n_children > 0 ? array->children[0]->children[0] : array->children[0];
    struct ArrowArray *dictionary = column->dictionary;
    assert_non_null(dictionary);
    column->dictionary = NULL;
    char *text = batch_text_render(plain, array);
    column->dictionary = dictionary;
    return text;
}

/* B11: dictionaries are encoded, each value once, and what is encoded decodes to what it was. */
static void test_align_encodes_dictionaries(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *rows;
        const char *to;
        enum ArrowType values;
        const char *codes;
        const char *expected; /* what it decodes to in the column `from`; a message when codes is NULL */
    } cases[] = {
        {"a:u", "x;y;null;x;''", "a:i", NANOARROW_TYPE_STRING, "0;1;null;0;2", "x;y;null;x;''"},
        {"a:U", "x;y;x", "a:C!", NANOARROW_TYPE_STRING_VIEW, "0;1;0", "x;y;x"},
        {"a:z", "x;y;x", "a:s", NANOARROW_TYPE_BINARY, "0;1;0", "x;y;x"},
        {"a:l", "7;-1;null;7", "a:c", NANOARROW_TYPE_INT64, "0;1;null;0", "7;-1;null;7"},
        {"a:g", "0.5;1.5;0.5", "a:c", NANOARROW_TYPE_DOUBLE, "0;1;0", "0.5;1.5;0.5"},
        {"a:+l(i:u)", "[x y x];null;[];[y null]", "a:+l(i:c)", NANOARROW_TYPE_STRING, "[0 1 0];null;[];[1 null]",
         "[x y x];null;[];[y null]"},
        {"b:i", "1;2", "a:c,b:i", NANOARROW_TYPE_STRING, "0|1;0|2", NULL},
        {"a:u", "x;null", "a:c!", NANOARROW_TYPE_STRING, NULL, "'a' row 1: null where the contract says not null"},
        {"a:l", "3000000000", "a:c", NANOARROW_TYPE_INT32, NULL, "'a' row 0: 3000000000 does not fit type int32"},
        {"a:u", "x", "a:c", NANOARROW_TYPE_INT32, NULL,
         "'a' is utf8, which cannot become dictionary(int8, int32) without loss"},
    };
    static const struct rows_default defaults[] = {{"a", "'it''s'"}};
    static const struct rows_align_options options = {.defaults = defaults, .n_defaults = 1};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowSchema from = batch_text_schema(cases[i].from);
        struct ArrowSchema plain = batch_text_schema(cases[i].to);
        struct ArrowSchema to = dictionary_of(cases[i].to, cases[i].values);
        struct ArrowArray array = batch_text_parse(&from, cases[i].rows);
        struct ArrowArray out = {.release = NULL};
        struct ArrowArray back = {.release = NULL};
        struct ca_error err = {0};
        int rc = align(&from, &array, &to, &options, &out, &err);
        if (cases[i].codes == NULL) {
            assert_int_equal(rc, CA_ERR_DRIFT);
            assert_string_equal(err.message, cases[i].expected);
        } else {
            assert_int_equal(rc, CA_OK);
            g_autofree char *codes = render_codes(&plain, &out);
            assert_string_equal(codes, cases[i].codes);
            if (cases[i].expected == NULL) {
                ArrowArrayRelease(&out);
            } else {
                assert_int_equal(align(&to, &out, &from, NULL, &back, &err), CA_OK);
                g_autofree char *text = batch_text_render(&from, &back);
                assert_string_equal(text, cases[i].expected);
                ArrowArrayRelease(&back);
            }
        }
        ArrowSchemaRelease(&from);
        ArrowSchemaRelease(&plain);
        ArrowSchemaRelease(&to);
    }
}

/* B11: codes that do not suffice are an error, and those of one batch are none of the next. */
static void test_dictionary_codes_end(void **state)
{
    (void)state;
    struct ArrowSchema from = batch_text_schema("a:i");
    struct ArrowSchema to = dictionary_of("a:c", NANOARROW_TYPE_INT32);
    struct ArrowArrayStream stream;
    struct ArrowArrayStream aligned;
    struct ArrowArray arrays[3];
    struct ca_error err = {0};
    for (int batch = 0; batch < 3; batch++) {
        g_autoptr(GString) rows = g_string_new("0");
        for (int i = 1; i < 128 + (batch == 2); i++)
            g_string_append_printf(rows, ";%d", batch * 1000 + i);
        arrays[batch] = batch_text_parse(&from, rows->str);
    }
    assert_int_equal(rows_stream_of(&from, arrays, 3, &stream, &err), CA_OK);
    assert_int_equal(rows_stream_align(&stream, &to, NULL, &aligned, &err), CA_OK);
    for (int batch = 0; batch < 3; batch++) {
        struct ArrowArray array = {.release = NULL};
        bool is_end = false;
        int rc = rows_stream_next(&aligned, &array, &is_end, &err);
        assert_int_equal(rc, batch == 2 ? CA_ERR_ENGINE : CA_OK);
        if (rc == CA_OK) {
            assert_int_equal(array.children[0]->dictionary->length, 128);
            ArrowArrayRelease(&array);
        }
    }
    assert_string_equal(err.message,
                        "'a' row 384: more than 128 different values, which is what a dictionary by int8 can hold");
    ArrowArrayStreamRelease(&aligned);
}

/* A dictionary that is right already is moved; one whose values hold a null is not, where none may be. */
static void test_align_moves_dictionaries(void **state)
{
    (void)state;
    for (int has_null = 0; has_null < 2; has_null++) {
        struct ArrowSchema plain = batch_text_schema("a:u");
        struct ArrowSchema to = dictionary_of("a:c!", NANOARROW_TYPE_STRING);
        struct ArrowSchema nullable = dictionary_of("a:c", NANOARROW_TYPE_STRING);
        struct ArrowArray array = batch_text_parse(&plain, "x;y");
        struct ArrowArray coded;
        struct ArrowArray out = {.release = NULL};
        struct ca_error err = {0};
        assert_int_equal(align(&plain, &array, &nullable, NULL, &coded, &err), CA_OK);
        if (has_null) {
            struct ArrowArray values = batch_text_parse(&plain, "x;null");
            ArrowArrayRelease(coded.children[0]->dictionary);
            ArrowArrayMove(values.children[0], coded.children[0]->dictionary);
            ArrowArrayRelease(&values);
        }
        const void *bytes = coded.children[0]->dictionary->buffers[2];
        int rc = align(&nullable, &coded, &to, NULL, &out, &err);
        if (has_null) {
            assert_int_equal(rc, CA_ERR_DRIFT);
            assert_string_equal(err.message, "'a' row 1: null where the contract says not null");
        } else {
            assert_int_equal(rc, CA_OK);
            assert_ptr_equal(out.children[0]->dictionary->buffers[2], bytes);
            ArrowArrayRelease(&out);
        }
        ArrowSchemaRelease(&plain);
        ArrowSchemaRelease(&to);
        ArrowSchemaRelease(&nullable);
    }
}

/* Random rows, columns shuffled and widened, and back: the rows are what they were. */
static void test_align_there_and_back(void **state)
{
    (void)state;
    const guint32 seed = 11;
    print_message("seed %u\n", seed);
    GRand *rand = g_rand_new_with_seed(seed);
    static const char *const narrow[] = {"a:i", "b:u", "c:s", "d:+l(item:+s(x:i,y:u))", "e:b", "f:C"};
    static const char *const wide[] = {"a:l", "b:U", "c:i", "d:+L(item:+s(y:U,x:l))", "e:b", "f:I"};
    for (int round = 0; round < 200; round++) {
        int order[6] = {0, 1, 2, 3, 4, 5};
        for (int i = 5; i > 0; i--) {
            int j = g_rand_int_range(rand, 0, i + 1);
            int swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        GString *from_text = g_string_new(NULL);
        GString *to_text = g_string_new(NULL);
        for (int i = 0; i < 6; i++) {
            g_string_append_printf(from_text, "%s%s", i ? "," : "", narrow[i]);
            g_string_append_printf(to_text, "%s%s", i ? "," : "", wide[order[i]]);
        }
        GString *rows = g_string_new(NULL);
        for (int r = 0, n = g_rand_int_range(rand, 0, 20); r < n; r++) {
            g_string_append(rows, r ? ";" : "");
            for (int i = 0; i < 6; i++) {
                g_string_append(rows, i ? "|" : "");
                if (g_rand_int_range(rand, 0, 4) == 0) {
                    g_string_append(rows, "null");
                } else if (i == 1) {
                    g_string_append_printf(rows, "s%d", g_rand_int_range(rand, 0, 1000));
                } else if (i == 3) {
                    g_string_append_c(rows, '[');
                    for (int k = 0, m = g_rand_int_range(rand, 0, 4); k < m; k++)
                        g_string_append_printf(rows, "%s{%d y%d}", k ? " " : "", g_rand_int_range(rand, -9, 9), k);
                    g_string_append_c(rows, ']');
                } else {
                    g_string_append_printf(rows, "%s", i == 4 ? "t" : "12");
                }
            }
        }
        struct ArrowSchema from = batch_text_schema(from_text->str);
        struct ArrowSchema to = batch_text_schema(to_text->str);
        struct ArrowArray array = batch_text_parse(&from, rows->str);
        struct ArrowArray there;
        struct ArrowArray back;
        struct ca_error err = {0};
        g_autofree char *before = batch_text_render(&from, &array);
        assert_string_equal(before, rows->str);
        assert_int_equal(align(&from, &array, &to, NULL, &there, &err), CA_OK);
        assert_int_equal(align(&to, &there, &from, NULL, &back, &err), CA_OK);
        g_autofree char *after = batch_text_render(&from, &back);
        assert_string_equal(before, after);
        ArrowArrayRelease(&back);
        ArrowSchemaRelease(&from);
        ArrowSchemaRelease(&to);
        g_string_free(rows, TRUE);
        g_string_free(from_text, TRUE);
        g_string_free(to_text, TRUE);
    }
    g_rand_free(rand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_align),
        cmocka_unit_test(test_align_moves_what_fits),
        cmocka_unit_test(test_align_of_a_slice),
        cmocka_unit_test(test_align_decodes_dictionaries),
        cmocka_unit_test(test_align_encodes_dictionaries),
        cmocka_unit_test(test_dictionary_codes_end),
        cmocka_unit_test(test_align_moves_dictionaries),
        cmocka_unit_test(test_align_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
