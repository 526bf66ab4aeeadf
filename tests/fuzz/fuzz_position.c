/* tests/fuzz/fuzz_position.c — offset maps against a plain count of characters (C8).
 *
 * The first byte chooses how the map is built: from UTF-8 at once, or character by character with widths that the input
 * says. Every offset of the text then has to convert there and back, and impossible ones have to be refused.
 */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "position/position.h"

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static const enum position_line_rule rules[] = {POSITION_LINES_CPYTHON, POSITION_LINES_LF, POSITION_LINES_LSP};
static const enum position_unit units[] = {POSITION_UTF8, POSITION_CODE_POINT, POSITION_UTF16};

static void try_line_column(const struct position_map *m, int64_t raw)
{
    for (size_t r = 0; r < G_N_ELEMENTS(rules); r++) {
        for (size_t u = 0; u < G_N_ELEMENTS(units); u++) {
            int64_t line = -2;
            int64_t column = -2;
            if (!position_line_column_of_raw(m, rules[r], raw, units[u], &line, &column))
                continue;
            expect(line >= 0 && line <= position_map_n_lines(m, rules[r]) && column >= 0, "a place outside the text");
            int64_t back = position_raw_of_line_column(m, rules[r], line, units[u], column);
            expect(position_utf8_of_raw(m, back) == position_utf8_of_raw(m, raw),
                   "line and column lead to another place");
        }
    }
}

static void try_map(const struct position_map *m)
{
    int64_t n_raw = position_map_n_raw(m);
    int64_t n_utf8 = position_map_n_utf8(m);
    int64_t before = -1;
    for (int64_t raw = -2; raw <= n_raw + 2; raw++) {
        int64_t utf8 = position_utf8_of_raw(m, raw);
        if (raw < position_map_n_bom(m) || raw > n_raw)
            expect(utf8 == -1, "an offset outside the text was converted");
        if (utf8 < 0)
            continue;
        expect(utf8 >= before && utf8 <= n_utf8, "offsets run backwards");
        before = utf8;
        int64_t back = position_raw_of_utf8(m, utf8);
        expect(position_utf8_of_raw(m, back) == utf8, "an offset does not come back");
        try_line_column(m, raw);
    }
    expect(position_utf8_of_raw(m, n_raw) == n_utf8, "the ends do not meet");
    expect(position_raw_of_utf8(m, -1) == -1 && position_raw_of_utf8(m, n_utf8 + 1) == -1,
           "an offset outside was converted");
    static const int64_t wild[] = {INT64_MIN, -1, INT32_MAX, INT64_MAX};
    for (size_t i = 0; i < G_N_ELEMENTS(wild); i++)
        for (size_t u = 0; u < G_N_ELEMENTS(units); u++) {
            expect(position_raw_of_line_column(m, POSITION_LINES_LF, wild[i], units[u], 0) == -1,
                   "a line that is not there");
            expect(position_raw_of_line_column(m, POSITION_LINES_LF, 0, units[u], wild[i]) == -1,
                   "a column that is not there");
        }
}

static void try_utf8(const uint8_t *data, size_t n_bytes)
{
    int64_t error_byte = -2;
    struct position_map *m = position_map_new_utf8(data, n_bytes, &error_byte);
    bool has_bom = n_bytes >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0;
    size_t n_bom = has_bom ? 3 : 0;
    /* g_utf8_validate_len refuses NUL, which is a character here */
    const char *bad = (const char *)data + n_bom;
    size_t n_left = n_bytes - n_bom;
    while (!g_utf8_validate_len(bad, n_left, &bad) && (const uint8_t *)bad < data + n_bytes && *bad == '\0') {
        bad++;
        n_left = (size_t)(data + n_bytes - (const uint8_t *)bad);
    }
    bool is_valid = (const uint8_t *)bad == data + n_bytes;
    expect((m != NULL) == is_valid, "GLib has another idea of UTF-8");
    if (!m) {
        expect(error_byte == (const uint8_t *)bad - data, "GLib sees the first bad byte elsewhere");
        return;
    }
    expect(position_map_n_raw(m) == (int64_t)n_bytes && position_map_n_bom(m) == (int64_t)n_bom, "lengths are wrong");
    expect(position_map_n_utf8(m) == (int64_t)(n_bytes - n_bom), "the length of the text is wrong");
    try_map(m);
    position_map_free(m);
}

/* Four bytes a character: 21 bits of code point, the rest its width in the file. */
static void try_characters(const uint8_t *data, size_t n_bytes, size_t n_bom)
{
    struct position_map *m = position_map_new_empty(n_bom);
    bool is_ok = m != NULL;
    int64_t n_raw = (int64_t)n_bom;
    int64_t n_utf8 = 0;
    for (size_t i = 0; is_ok && i + 4 <= n_bytes; i += 4) {
        uint32_t code_point = (data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)(data[i + 2] & 0x1F) << 16) % 0x110000;
        if (code_point >= 0xD800 && code_point < 0xE000)
            code_point = '\n';
        uint32_t raw_width = (data[i + 3] & 7) + (i == 0);
        is_ok = position_map_append(m, code_point, raw_width);
        n_raw += raw_width;
        n_utf8 += g_unichar_to_utf8(code_point, NULL);
    }
    if (is_ok && position_map_finish(m)) {
        expect(position_map_n_raw(m) == n_raw && position_map_n_utf8(m) == n_utf8, "lengths are wrong");
        try_map(m);
    }
    position_map_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return 0;
    if (data[0] & 1)
        try_characters(data + 1, n_bytes - 1, (data[0] >> 1) % 4);
    else
        try_utf8(data + 1, n_bytes - 1);
    return 0;
}
