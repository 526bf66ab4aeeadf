/* position/map.c — offset maps as runs of characters of equal width, and line starts.
 *
 * A run says: from here on, every character takes so many bytes of the file, of UTF-8, and so many UTF-16 units. Runs
 * start where a width changes, so ASCII text is one run, which is not even stored (`runs == NULL`): raw = bom + utf8,
 * and a byte is a code point is a UTF-16 unit. A conversion finds its run by binary search and is arithmetic from
 * there.
 *
 * Offsets are 32 bits, as tree-sitter's and SCIP's are: text of 4 GiB and more gets no map.
 */
#include "position/position.h"

#include <stdlib.h>
#include <string.h>

/* Offsets of the run's first character; widths of each of its characters. raw_width is 0 for the second and later
 * characters that one sequence of the file decodes to (some Big5 sequences do). */
struct run {
    uint32_t raw;
    uint32_t utf8;
    uint32_t code_point;
    uint32_t utf16;
    uint32_t raw_width;
    uint8_t utf8_width;
    uint8_t utf16_width;
};

/* Raw offsets at which lines start. */
struct line_starts {
    uint32_t *starts;
    uint32_t n;
    uint32_t n_allocated;
};

/* raw, utf8, code_point, utf16   offsets at the end of what was appended so far
 * runs       NULL while the text is ASCII, byte for byte; never for text that is not
 * cpython    line starts by LF, CRLF and CR; the first line's start is left out
 * lf         the same by LF alone; kept only when it differs, i.e. when the text has a lone CR
 * ends_in_break  the last character is a line break (so no line without one follows)
 */
struct position_map {
    uint32_t n_bom;
    uint32_t raw;
    uint32_t utf8;
    uint32_t code_point;
    uint32_t utf16;
    struct run *runs;
    uint32_t n_runs;
    uint32_t n_runs_allocated;
    struct line_starts cpython;
    struct line_starts lf;
    bool has_lone_cr;
    bool is_after_cr;
    bool is_finished;
    bool ends_in_break;
    bool ends_in_lf;
};

static bool line_starts_add(struct line_starts *l, uint32_t start)
{
    if (l->n == l->n_allocated) {
        uint32_t n = l->n_allocated + l->n_allocated / 2 + 64;
        uint32_t *starts = realloc(l->starts, (size_t)n * sizeof(*starts));
        if (starts == NULL)
            return false;
        l->starts = starts;
        l->n_allocated = n;
    }
    l->starts[l->n++] = start;
    return true;
}

static bool map_add_run(struct position_map *m, struct run run)
{
    if (m->n_runs == m->n_runs_allocated) {
        uint32_t n = m->n_runs_allocated + m->n_runs_allocated / 2 + 8;
        struct run *runs = realloc(m->runs, (size_t)n * sizeof(*runs));
        if (runs == NULL)
            return false;
        m->runs = runs;
        m->n_runs_allocated = n;
    }
    m->runs[m->n_runs++] = run;
    return true;
}

/* A line starts at `raw`, after a CR that no LF followed. */
static bool map_break_at_lone_cr(struct position_map *m, uint32_t raw)
{
    if (!m->has_lone_cr) {
        if (m->cpython.n > 0) {
            m->lf.starts = malloc((size_t)m->cpython.n * sizeof(*m->lf.starts));
            if (m->lf.starts == NULL)
                return false;
            memcpy(m->lf.starts, m->cpython.starts, (size_t)m->cpython.n * sizeof(*m->lf.starts));
        }
        m->lf.n = m->lf.n_allocated = m->cpython.n;
        m->has_lone_cr = true;
    }
    return line_starts_add(&m->cpython, raw);
}

struct position_map *position_map_new_empty(size_t n_bom_bytes)
{
    if (n_bom_bytes >= UINT32_MAX)
        return NULL;
    struct position_map *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    m->n_bom = (uint32_t)n_bom_bytes;
    m->raw = m->n_bom;
    return m;
}

static uint8_t utf8_width_of(uint32_t code_point)
{
    return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

bool position_map_append(struct position_map *m, uint32_t code_point, uint32_t raw_width)
{
    uint8_t utf8_width = utf8_width_of(code_point);
    uint8_t utf16_width = code_point < 0x10000 ? 1 : 2;
    if (m->raw > UINT32_MAX - 8 - raw_width || m->utf8 > UINT32_MAX - 8)
        return false;

    bool is_plain = raw_width == 1 && utf8_width == 1;
    if (m->n_runs == 0 && !is_plain && m->code_point > 0) {
        struct run ascii = {.raw = m->n_bom, .raw_width = 1, .utf8_width = 1, .utf16_width = 1};
        if (!map_add_run(m, ascii))
            return false;
    }
    if (m->n_runs > 0 || !is_plain) {
        const struct run *last = m->n_runs == 0 ? NULL : &m->runs[m->n_runs - 1];
        if (last == NULL || last->raw_width != raw_width || last->utf8_width != utf8_width ||
            last->utf16_width != utf16_width) {
            struct run run = {m->raw, m->utf8, m->code_point, m->utf16, raw_width, utf8_width, utf16_width};
            if (!map_add_run(m, run))
                return false;
        }
    }

    if (m->is_after_cr && code_point != '\n' && !map_break_at_lone_cr(m, m->raw))
        return false;
    m->raw += raw_width;
    m->utf8 += utf8_width;
    m->code_point += 1;
    m->utf16 += utf16_width;
    if (code_point == '\n') {
        if (!line_starts_add(&m->cpython, m->raw) || (m->has_lone_cr && !line_starts_add(&m->lf, m->raw)))
            return false;
    }
    m->is_after_cr = code_point == '\r';
    m->ends_in_lf = code_point == '\n';
    m->ends_in_break = m->ends_in_lf || m->is_after_cr;
    return true;
}

bool position_map_finish(struct position_map *m)
{
    if (m->is_finished)
        return true;
    if (m->is_after_cr && !map_break_at_lone_cr(m, m->raw))
        return false;
    m->is_finished = true;
    return true;
}

void position_map_free(struct position_map *m)
{
    if (m == NULL)
        return;
    free(m->runs);
    free(m->cpython.starts);
    free(m->lf.starts);
    free(m);
}

/* Decode one character as strictly as CPython: no overlong form, no surrogate, nothing above U+10FFFF. 0: invalid. */
static uint32_t decode_utf8(const uint8_t *bytes, size_t n_bytes, uint32_t *ret_code_point)
{
    uint8_t lead = bytes[0];
    uint32_t width = lead < 0x80 ? 1 : lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : 4;
    if (lead >= 0x80 && (lead < 0xC2 || lead > 0xF4))
        return 0;
    if (width > n_bytes)
        return 0;
    uint32_t code_point = width == 1 ? lead : lead & (0x7Fu >> width);
    for (uint32_t i = 1; i < width; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        code_point = code_point << 6 | (bytes[i] & 0x3F);
    }
    if (width != utf8_width_of(code_point) || code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000))
        return 0;
    *ret_code_point = code_point;
    return width;
}

/* Append a stretch of ASCII as position_map_append would, character by character, but look at line breaks only. */
static bool map_append_ascii(struct position_map *m, const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes > UINT32_MAX - 8 - m->raw)
        return false;
    if (n_bytes == 0 || !position_map_append(m, bytes[0], 1)) /* opens the run, where one is needed */
        return n_bytes == 0;
    const uint8_t *end = bytes + n_bytes;
    const uint8_t *done = bytes + 1;
    const uint8_t *lf = bytes; /* the next ones; looked up again when they fall behind `done` */
    const uint8_t *cr = bytes;
    while (done < end) {
        if (lf < done)
            lf = memchr(done, '\n', (size_t)(end - done));
        if (cr < done)
            cr = memchr(done, '\r', (size_t)(end - done));
        lf = lf == NULL ? end : lf;
        cr = cr == NULL ? end : cr;
        const uint8_t *next = m->is_after_cr ? done : lf < cr ? lf : cr;
        uint32_t n = (uint32_t)(next - done);
        m->raw += n;
        m->utf8 += n;
        m->code_point += n;
        m->utf16 += n;
        if (n > 0)
            m->ends_in_lf = m->ends_in_break = false;
        if (next < end && !position_map_append(m, *next, 1))
            return false;
        done = next + 1;
    }
    return true;
}

static size_t ascii_prefix(const uint8_t *bytes, size_t n_bytes)
{
    size_t i = 0;
    for (uint64_t word; i + sizeof(word) <= n_bytes; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (i < n_bytes && bytes[i] < 0x80)
        i++;
    return i;
}

struct position_map *position_map_new_utf8(const uint8_t *raw, size_t n_bytes, int64_t *ret_error_byte)
{
    int64_t unused;
    int64_t *error_byte = ret_error_byte == NULL ? &unused : ret_error_byte;
    *error_byte = -1;
    size_t i = n_bytes >= 3 && memcmp(raw, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    struct position_map *m = position_map_new_empty(i);
    if (m == NULL)
        return NULL;
    while (i < n_bytes) {
        size_t n_ascii = ascii_prefix(raw + i, n_bytes - i);
        bool is_appended = map_append_ascii(m, raw + i, n_ascii);
        i += n_ascii;
        uint32_t code_point = 0;
        uint32_t width = i == n_bytes ? 0 : decode_utf8(raw + i, n_bytes - i, &code_point);
        if (width == 0 && i < n_bytes && is_appended)
            *error_byte = (int64_t)i;
        if (!is_appended || (i < n_bytes && (width == 0 || !position_map_append(m, code_point, width)))) {
            position_map_free(m);
            return NULL;
        }
        i += width;
    }
    if (!position_map_finish(m)) {
        position_map_free(m);
        return NULL;
    }
    return m;
}

int64_t position_map_n_raw(const struct position_map *m)
{
    return m->raw;
}

int64_t position_map_n_utf8(const struct position_map *m)
{
    return m->utf8;
}

int64_t position_map_n_bom(const struct position_map *m)
{
    return m->n_bom;
}

static const struct line_starts *map_lines(const struct position_map *m, enum position_line_rule rule)
{
    return rule == POSITION_LINES_LF && m->has_lone_cr ? &m->lf : &m->cpython;
}

int64_t position_map_n_lines(const struct position_map *m, enum position_line_rule rule)
{
    bool ends_in_break = rule == POSITION_LINES_LF ? m->ends_in_lf : m->ends_in_break;
    bool is_empty = m->code_point == 0;
    return (int64_t)map_lines(m, rule)->n + (ends_in_break || is_empty ? 0 : 1);
}

/* ---- conversions ---------------------------------------------------------------------------------------------- */

/* All offsets of one place; every unit counts from the start of the text but raw, which counts from the start of the
 * file. */
struct place {
    uint32_t raw;
    uint32_t utf8;
    uint32_t code_point;
    uint32_t utf16;
};

enum axis { AXIS_RAW, AXIS_UTF8, AXIS_CODE_POINT, AXIS_UTF16 };

static enum axis axis_of(enum position_unit unit)
{
    return unit == POSITION_UTF8 ? AXIS_UTF8 : unit == POSITION_CODE_POINT ? AXIS_CODE_POINT : AXIS_UTF16;
}

static uint32_t run_start(const struct run *r, enum axis axis)
{
    switch (axis) {
    case AXIS_RAW:
        return r->raw;
    case AXIS_UTF8:
        return r->utf8;
    case AXIS_CODE_POINT:
        return r->code_point;
    case AXIS_UTF16:
        break;
    }
    return r->utf16;
}

static uint32_t run_width(const struct run *r, enum axis axis)
{
    switch (axis) {
    case AXIS_RAW:
        return r->raw_width;
    case AXIS_UTF8:
        return r->utf8_width;
    case AXIS_CODE_POINT:
        return 1;
    case AXIS_UTF16:
        break;
    }
    return r->utf16_width;
}

static int64_t place_offset(const struct place *p, enum axis axis)
{
    switch (axis) {
    case AXIS_RAW:
        return p->raw;
    case AXIS_UTF8:
        return p->utf8;
    case AXIS_CODE_POINT:
        return p->code_point;
    case AXIS_UTF16:
        break;
    }
    return p->utf16;
}

/* The last run that starts at or before `offset`; the first one when none does. */
static const struct run *map_find_run(const struct position_map *m, enum axis axis, uint32_t offset)
{
    uint32_t low = 0;
    uint32_t high = m->n_runs;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (run_start(&m->runs[middle], axis) <= offset)
            low = middle;
        else
            high = middle;
    }
    return &m->runs[low];
}

/* false: outside the text, or inside a character (of the file or of the decoded text). */
static bool map_find(const struct position_map *m, enum axis axis, int64_t offset, struct place *ret)
{
    const struct place end = {m->raw, m->utf8, m->code_point, m->utf16};
    int64_t first = axis == AXIS_RAW ? m->n_bom : 0;
    if (offset < first || offset > place_offset(&end, axis))
        return false;
    if (m->runs == NULL) {
        uint32_t n = (uint32_t)(offset - first);
        *ret = (struct place){m->n_bom + n, n, n, n};
        return true;
    }
    if (offset == place_offset(&end, axis)) {
        *ret = end;
        return true;
    }
    const struct run *r = map_find_run(m, axis, (uint32_t)offset);
    uint32_t width = run_width(r, axis);
    if (width == 0 || r->raw_width == 0)
        return false;
    uint32_t distance = (uint32_t)offset - run_start(r, axis);
    if (distance % width != 0)
        return false;
    uint32_t n = distance / width;
    *ret = (struct place){r->raw + n * r->raw_width, r->utf8 + n * r->utf8_width, r->code_point + n,
                          r->utf16 + n * r->utf16_width};
    return true;
}

int64_t position_raw_of_utf8(const struct position_map *m, int64_t utf8)
{
    struct place p;
    return map_find(m, AXIS_UTF8, utf8, &p) ? (int64_t)p.raw : -1;
}

int64_t position_utf8_of_raw(const struct position_map *m, int64_t raw)
{
    struct place p;
    return map_find(m, AXIS_RAW, raw, &p) ? (int64_t)p.utf8 : -1;
}

static uint32_t line_start(const struct position_map *m, const struct line_starts *l, uint32_t line)
{
    return line == 0 ? m->n_bom : l->starts[line - 1];
}

int64_t position_raw_of_line_column(const struct position_map *m, enum position_line_rule rule, int64_t line,
                                    enum position_unit unit, int64_t column)
{
    const struct line_starts *l = map_lines(m, rule);
    if (line < 0 || line > l->n || column < 0 || column > UINT32_MAX)
        return -1;
    struct place start;
    struct place p;
    if (!map_find(m, AXIS_RAW, line_start(m, l, (uint32_t)line), &start) ||
        !map_find(m, axis_of(unit), place_offset(&start, axis_of(unit)) + column, &p))
        return -1;
    /* A column may stand at the break that ends the line, not behind it. */
    if (line < l->n && p.raw >= l->starts[line])
        return -1;
    return p.raw;
}

bool position_line_column_of_raw(const struct position_map *m, enum position_line_rule rule, int64_t raw,
                                 enum position_unit unit, int64_t *ret_line, int64_t *ret_column)
{
    struct place p;
    if (!map_find(m, AXIS_RAW, raw, &p))
        return false;
    const struct line_starts *l = map_lines(m, rule);
    uint32_t low = 0; /* lines that start at or before raw, the first one not counted */
    uint32_t high = l->n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->starts[middle] <= p.raw)
            low = middle + 1;
        else
            high = middle;
    }
    struct place start;
    if (!map_find(m, AXIS_RAW, line_start(m, l, low), &start))
        return false;
    *ret_line = low;
    *ret_column = place_offset(&p, axis_of(unit)) - place_offset(&start, axis_of(unit));
    return true;
}
