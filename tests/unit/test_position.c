/* tests/unit/test_position.c — the three ids and the law of places (C8; ids: design decision 11). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>

#include "position/position.h"

#define FILE_ID INT64_C(7903461058310712883)

static size_t length(const char *text)
{
    return text == NULL ? 0 : strlen(text);
}

/* ---- ids ------------------------------------------------------------------------------------------------------ */

/* Computed with the Python package xxhash by the encoding of docs/ids.md. */
static void test_content_id(void **state)
{
    (void)state;
    static uint8_t counted[1024];
    for (size_t i = 0; i < sizeof(counted); i++)
        counted[i] = (uint8_t)i;
    const struct {
        const void *bytes;
        size_t n_bytes;
        const char *expected;
    } cases[] = {
        {"", 0, "99aa06d3014798d86001c324468d497f"},
        {NULL, 0, "99aa06d3014798d86001c324468d497f"},
        {"x = 1\n", 6, "7298ca6b1c4f816bcca6297538b6249e"},
        {"\xEF\xBB\xBF", 3, "a5f5d3f6314be83352c8fd80c60ca743"},
        {counted, sizeof(counted), "83885e853bb6640ca870f92984398d22"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct position_content_id id = position_content_id(cases[i].bytes, cases[i].n_bytes);
        char hex[33];
        for (size_t k = 0; k < 16; k++)
            (void)snprintf(hex + 2 * k, 3, "%02x", id.bytes[k]);
        assert_string_equal(hex, cases[i].expected);
    }
}

static void test_file_id(void **state)
{
    (void)state;
    char many_r[301];
    char many_p[301];
    memset(many_r, 'r', 300);
    memset(many_p, 'p', 300);
    many_r[300] = many_p[300] = '\0';
    const struct {
        const char *repository;
        const char *path;
        int64_t expected;
    } cases[] = {
        {"repo", "a.py", FILE_ID},
        {"repoa", ".py", INT64_C(543000406175587755)},
        {"", "a.py", INT64_C(7027313388690560821)},
        {NULL, "a.py", INT64_C(2367893077233238394)},
        {"repo", "dir/\xC3\xA9.py", INT64_C(1523504843988873403)},
        {many_r, many_p, INT64_C(6019840759720458568)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            position_file_id(cases[i].repository, length(cases[i].repository), cases[i].path, length(cases[i].path)),
            cases[i].expected);
}

static void test_entity_id(void **state)
{
    (void)state;
    char many_x[601];
    memset(many_x, 'x', 600);
    many_x[600] = '\0';
    const struct {
        int64_t file_id;
        const char *path;
        const char *kind;
        int32_t ordinal;
        int64_t expected;
    } cases[] = {
        {FILE_ID, "C.f", "function", 0, INT64_C(6588817613619322057)},
        {FILE_ID, "C.f", "function", 1, INT64_C(1644695932118804017)},
        {FILE_ID, "C.", "ffunction", 0, INT64_C(-8116150861948440634)},
        {FILE_ID, NULL, "module", 0, INT64_C(6702615309889589928)},
        {FILE_ID, "", "module", 0, INT64_C(9129008771343356827)},
        {-1, many_x, "variable", INT32_MAX, INT64_C(2032436341552205354)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(position_entity_id(cases[i].file_id, cases[i].path, length(cases[i].path), cases[i].kind,
                                            length(cases[i].kind), cases[i].ordinal),
                         cases[i].expected);
}

static void test_occurrence_id(void **state)
{
    (void)state;
    const struct {
        int64_t file_id;
        int64_t start_byte;
        int64_t end_byte;
        const char *kind;
        int32_t ordinal;
        int64_t expected;
    } cases[] = {
        {FILE_ID, 0, 5, "callsite", 0, INT64_C(-4001497928732162489)},
        {FILE_ID, 5, 0, "callsite", 0, INT64_C(3541822638999069218)},
        {FILE_ID, 0, 5, "import", 0, INT64_C(-9127798275150259020)},
        {FILE_ID, 0, 5, NULL, 0, INT64_C(763557123768232740)},
        {0, 0, 0, "", -1, INT64_C(-4294776675023081071)},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(position_occurrence_id(cases[i].file_id, cases[i].start_byte, cases[i].end_byte, cases[i].kind,
                                                length(cases[i].kind), cases[i].ordinal),
                         cases[i].expected);
}

/* ---- maps: places by hand ------------------------------------------------------------------------------------- */

static struct position_map *map_of(const char *text)
{
    int64_t error_byte = 0;
    struct position_map *m = position_map_new_utf8((const uint8_t *)text, strlen(text), &error_byte);
    assert_non_null(m);
    assert_int_equal(error_byte, -1);
    return m;
}

/* Columns counted by hand; -1: no such place. A BOM counts in raw offsets alone. */
static void test_line_column_to_raw(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum position_line_rule rule;
        int64_t line;
        enum position_unit unit;
        int64_t column;
        int64_t expected;
    } cases[] = {
        {"ab\ncd", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 1, 4},
        {"ab\ncd", POSITION_LINES_CPYTHON, 0, POSITION_UTF8, 2, 2},
        {"ab\ncd", POSITION_LINES_CPYTHON, 0, POSITION_UTF8, 3, -1}, /* behind the break */
        {"ab\ncd", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 2, 5},  /* the end */
        {"ab\ncd", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 3, -1},
        {"ab\ncd", POSITION_LINES_CPYTHON, 2, POSITION_UTF8, 0, -1},
        {"ab\ncd", POSITION_LINES_CPYTHON, -1, POSITION_UTF8, 0, -1},
        {"ab\ncd", POSITION_LINES_CPYTHON, 0, POSITION_UTF8, -1, -1},
        {"ab\n", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 0, 3},
        {"", POSITION_LINES_CPYTHON, 0, POSITION_UTF8, 0, 0},
        {"a\rb\r\nc", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 0, 2},
        {"a\rb\r\nc", POSITION_LINES_CPYTHON, 2, POSITION_UTF8, 0, 5},
        {"a\rb\r\nc", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 2, 4}, /* between CR and LF */
        {"a\rb\r\nc", POSITION_LINES_LF, 0, POSITION_UTF8, 2, 2},
        {"a\rb\r\nc", POSITION_LINES_LF, 1, POSITION_UTF8, 0, 5},
        {"a\rb\r\nc", POSITION_LINES_LSP, 1, POSITION_UTF8, 0, 2},
        {"\r", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 0, 1},
        {"\r", POSITION_LINES_LF, 1, POSITION_UTF8, 0, -1},
        {"\xEF\xBB\xBFx", POSITION_LINES_CPYTHON, 0, POSITION_UTF8, 0, 3},
        {"\xEF\xBB\xBFx\ny", POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 0, 5},
        /* e acute (2 bytes), euro (3), grinning face (4 bytes, 2 UTF-16 units) */
        {"\xC3\xA9x", POSITION_LINES_CPYTHON, 0, POSITION_UTF8, 2, 2},
        {"\xC3\xA9x", POSITION_LINES_CPYTHON, 0, POSITION_UTF8, 1, -1},
        {"\xC3\xA9x", POSITION_LINES_CPYTHON, 0, POSITION_CODE_POINT, 1, 2},
        {"\xE2\x82\xACx", POSITION_LINES_CPYTHON, 0, POSITION_UTF16, 1, 3},
        {"\xF0\x9F\x98\x80x", POSITION_LINES_CPYTHON, 0, POSITION_UTF16, 2, 4},
        {"\xF0\x9F\x98\x80x", POSITION_LINES_CPYTHON, 0, POSITION_UTF16, 1, -1},
        {"\xF0\x9F\x98\x80x", POSITION_LINES_CPYTHON, 0, POSITION_CODE_POINT, 1, 4},
        {"a\n\xF0\x9F\x98\x80x", POSITION_LINES_CPYTHON, 1, POSITION_UTF16, 3, 7},
        /* a form feed and U+2028 end no line */
        {"a\fb\xE2\x80\xA8"
         "c\nd",
         POSITION_LINES_CPYTHON, 1, POSITION_UTF8, 0, 8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct position_map *m = map_of(cases[i].text);
        int64_t raw = position_raw_of_line_column(m, cases[i].rule, cases[i].line, cases[i].unit, cases[i].column);
        if (raw != cases[i].expected)
            print_error("case %zu\n", i);
        assert_int_equal(raw, cases[i].expected);
        int64_t line = -2;
        int64_t column = -2;
        if (raw >= 0) {
            assert_true(position_line_column_of_raw(m, cases[i].rule, raw, cases[i].unit, &line, &column));
            assert_int_equal(line, cases[i].line);
            assert_int_equal(column, cases[i].column);
        }
        position_map_free(m);
    }
}

static void test_raw_outside(void **state)
{
    (void)state;
    struct position_map *m = map_of("\xEF\xBB\xBF\xC3\xA9\n");
    int64_t line;
    int64_t column;
    static const int64_t no_places[] = {-1, 0, 2, 4, 7, INT64_MAX};
    for (size_t i = 0; i < sizeof(no_places) / sizeof(no_places[0]); i++) {
        assert_int_equal(position_utf8_of_raw(m, no_places[i]), -1);
        assert_false(
            position_line_column_of_raw(m, POSITION_LINES_CPYTHON, no_places[i], POSITION_UTF8, &line, &column));
    }
    assert_int_equal(position_utf8_of_raw(m, 3), 0);
    assert_int_equal(position_utf8_of_raw(m, 5), 2);
    assert_int_equal(position_raw_of_utf8(m, 3), 6);
    assert_int_equal(position_raw_of_utf8(m, 4), -1);
    assert_int_equal(position_map_n_bom(m), 3);
    assert_int_equal(position_map_n_raw(m), 6);
    assert_int_equal(position_map_n_utf8(m), 3);
    position_map_free(m);
}

static void test_n_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t cpython;
        int64_t lf;
    } cases[] = {
        {"", 0, 0},    {"a", 1, 1},      {"a\n", 1, 1},    {"a\nb", 2, 2},   {"\n\n", 2, 2}, {"a\rb", 2, 1},
        {"a\r", 1, 1}, {"a\r\nb", 2, 2}, {"\r\r\n", 2, 1}, {"a\rb\n", 2, 1}, {"\n\r", 2, 2}, {"\xEF\xBB\xBF", 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct position_map *m = map_of(cases[i].text);
        assert_int_equal(position_map_n_lines(m, POSITION_LINES_CPYTHON), cases[i].cpython);
        assert_int_equal(position_map_n_lines(m, POSITION_LINES_LSP), cases[i].cpython);
        assert_int_equal(position_map_n_lines(m, POSITION_LINES_LF), cases[i].lf);
        position_map_free(m);
    }
}

/* As strict as Python's utf-8 codec; the byte is the one that its UnicodeDecodeError names as `start`. */
static void test_invalid_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t error_byte;
    } cases[] = {
        {"ab\xFF", 2},
        {"\x80", 0},
        {"\xC0\x80", 0},
        {"a\xC1\xBF", 1},
        {"\xE0\x9F\xBF", 0},
        {"\xED\xA0\x80", 0},
        {"\xF4\x90\x80\x80", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xE2\x82", 0},
        {"aaaaaaaaa\xC3", 9},
        {"\xC3\xA9\xE2\x28\xA1", 2},
        {"\xF5\x80\x80\x80", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t error_byte = -2;
        assert_null(position_map_new_utf8((const uint8_t *)cases[i].text, strlen(cases[i].text), &error_byte));
        assert_int_equal(error_byte, cases[i].error_byte);
        assert_null(position_map_new_utf8((const uint8_t *)cases[i].text, strlen(cases[i].text), NULL));
    }
}

/* Big5 0x8862 decodes to two characters at once: the place between them is no place in the file. */
static void test_one_sequence_two_characters(void **state)
{
    (void)state;
    struct position_map *m = position_map_new_empty(0);
    assert_non_null(m);
    assert_true(position_map_append(m, 'a', 1));
    assert_true(position_map_append(m, 0x00CA, 2));
    assert_true(position_map_append(m, 0x0304, 0));
    assert_true(position_map_append(m, 'b', 1));
    assert_true(position_map_finish(m));
    assert_int_equal(position_raw_of_utf8(m, 1), 1);
    assert_int_equal(position_raw_of_utf8(m, 3), -1);
    assert_int_equal(position_raw_of_utf8(m, 5), 3);
    assert_int_equal(position_utf8_of_raw(m, 2), -1);
    assert_int_equal(position_utf8_of_raw(m, 3), 5);
    assert_int_equal(position_map_n_raw(m), 4);
    position_map_free(m);
}

/* ---- maps: against a table of every character ----------------------------------------------------------------- */

#define MAX_CHARACTERS 200

/* Offsets in front of each character, and at the end. */
struct table {
    size_t n;
    uint32_t code_points[MAX_CHARACTERS];
    int64_t raw[MAX_CHARACTERS + 1];
    int64_t utf8[MAX_CHARACTERS + 1];
    int64_t utf16[MAX_CHARACTERS + 1];
};

static int64_t column_in(const struct table *t, size_t start, size_t i, enum position_unit unit)
{
    switch (unit) {
    case POSITION_UTF8:
        return t->utf8[i] - t->utf8[start];
    case POSITION_UTF16:
        return t->utf16[i] - t->utf16[start];
    case POSITION_CODE_POINT:
        break;
    }
    return (int64_t)(i - start);
}

static bool breaks_before(const struct table *t, size_t i, enum position_line_rule rule)
{
    if (i == 0)
        return false;
    bool is_crlf = i < t->n && t->code_points[i - 1] == '\r' && t->code_points[i] == '\n';
    return t->code_points[i - 1] == '\n' || (rule != POSITION_LINES_LF && t->code_points[i - 1] == '\r' && !is_crlf);
}

static void check_against_table(const struct position_map *m, const struct table *t)
{
    static const enum position_line_rule rules[] = {POSITION_LINES_CPYTHON, POSITION_LINES_LF, POSITION_LINES_LSP};
    static const enum position_unit units[] = {POSITION_UTF8, POSITION_CODE_POINT, POSITION_UTF16};
    size_t next = 0;
    for (int64_t raw = -1; raw <= t->raw[t->n] + 1; raw++) {
        while (next < t->n && t->raw[next] < raw)
            next++;
        bool is_place = t->raw[next] == raw;
        assert_int_equal(position_utf8_of_raw(m, raw), is_place ? t->utf8[next] : -1);
        if (is_place)
            assert_int_equal(position_raw_of_utf8(m, t->utf8[next]), raw);
    }
    for (size_t r = 0; r < 3; r++) {
        int64_t line = 0;
        size_t start = 0;
        for (size_t i = 0; i <= t->n; i++) {
            if (breaks_before(t, i, rules[r])) {
                line++;
                start = i;
            }
            for (size_t u = 0; u < 3; u++) {
                int64_t got_line = -1;
                int64_t got_column = -1;
                int64_t column = column_in(t, start, i, units[u]);
                assert_true(position_line_column_of_raw(m, rules[r], t->raw[i], units[u], &got_line, &got_column));
                assert_int_equal(got_line, line);
                assert_int_equal(got_column, column);
                assert_int_equal(position_raw_of_line_column(m, rules[r], line, units[u], column), t->raw[i]);
            }
        }
    }
}

/* C8: lines and columns in every unit convert without loss in both directions, for text in widths of any encoding. */
static void test_random_text(void **state)
{
    (void)state;
    static const uint32_t alphabet[] = {'a', 'b', ' ', '\n', '\r', 0xE9, 0x20AC, 0x1F600, 0x7F, 0x80, 0xFFFF, 0x10000};
    const guint32 seed = 20261121;
    print_message("seed %u\n", (unsigned)seed);
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    for (int round = 0; round < 2000; round++) {
        struct table t = {.n = (size_t)g_rand_int_range(random, 0, MAX_CHARACTERS)};
        uint8_t utf8[4 * MAX_CHARACTERS + 3];
        size_t n_bytes = 0;
        bool is_utf8 = round % 2 == 0;
        bool is_ascii = round % 5 == 0;
        size_t n_bom = round % 3 == 0 ? 3 : 0;
        if (n_bom > 0) {
            memcpy(utf8, "\xEF\xBB\xBF", 3);
            n_bytes = 3;
        }
        struct position_map *m = is_utf8 ? NULL : position_map_new_empty(n_bom);
        int64_t raw = (int64_t)n_bom;
        int64_t at8 = 0;
        int64_t at16 = 0;
        for (size_t i = 0; i < t.n; i++) {
            uint32_t c = alphabet[g_rand_int_range(random, 0, is_ascii ? 5 : (gint32)G_N_ELEMENTS(alphabet))];
            uint32_t width8 = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
            uint32_t width = is_utf8 ? width8 : (uint32_t)g_rand_int_range(random, 1, 5);
            t.code_points[i] = c;
            t.raw[i] = raw;
            t.utf8[i] = at8;
            t.utf16[i] = at16;
            raw += width;
            at8 += width8;
            at16 += c < 0x10000 ? 1 : 2;
            for (uint32_t k = 0; k < width8; k++) {
                uint32_t bits = c >> (6 * (width8 - 1 - k));
                static const uint8_t leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
                utf8[n_bytes++] = (uint8_t)(k == 0 ? leads[width8] | bits : 0x80 | (bits & 0x3F));
            }
            if (!is_utf8)
                assert_true(position_map_append(m, c, width));
        }
        t.raw[t.n] = raw;
        t.utf8[t.n] = at8;
        t.utf16[t.n] = at16;
        if (is_utf8)
            m = position_map_new_utf8(utf8, n_bytes, NULL);
        assert_non_null(m);
        assert_true(position_map_finish(m));
        check_against_table(m, &t);
        position_map_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_id),
        cmocka_unit_test(test_file_id),
        cmocka_unit_test(test_entity_id),
        cmocka_unit_test(test_occurrence_id),
        cmocka_unit_test(test_line_column_to_raw),
        cmocka_unit_test(test_raw_outside),
        cmocka_unit_test(test_n_lines),
        cmocka_unit_test(test_invalid_utf8),
        cmocka_unit_test(test_one_sequence_two_characters),
        cmocka_unit_test(test_random_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
