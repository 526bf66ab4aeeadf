/* worker/source.c — encoding as the tokenizer finds it, and the way back to raw offsets.
 *
 * The rules are CPython's (Parser/tokenizer.c): a mark, then a cookie in a comment that is alone on line 1 or 2, where
 * line 2 counts only after a blank or comment line. Names of UTF-8 mean "do not decode"; all others go through the
 * codec.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "worker/source.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t utf8_bom[3] = {0xEF, 0xBB, 0xBF};

/* Enough for any codec's name; a longer one is unknown to every interpreter. */
enum { ENCODING_MAX = 100 };

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
}

static bool is_blank_byte(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

/* The cookie in line `number`, if there is such a line: its name into name (ENCODING_MAX + 1 bytes, empty: none), where
 * that begins into *ret_at. Returns whether the next line may have one. */
static bool line_cookie(const struct source *s, size_t number, char *name, int64_t *ret_at)
{
    name[0] = '\0';
    if (number >= s->n_lines)
        return false;
    const uint8_t *line = s->raw + s->line_start[number];
    const size_t n = (size_t)(s->line_end[number] - s->line_start[number]);
    size_t i = 0;
    while (i < n && is_blank_byte(line[i]))
        i++;
    if (i == n)
        return true;
    if (line[i] != '#')
        return false;
    for (; i + 6 < n; i++) {
        if (memcmp(line + i, "coding", 6) != 0 || (line[i + 6] != ':' && line[i + 6] != '='))
            continue;
        size_t from = i + 7;
        while (from < n && (line[from] == ' ' || line[from] == '\t'))
            from++;
        size_t to = from;
        while (to < n && is_name_byte(line[to]))
            to++;
        if (to == from)
            continue;
        size_t length = to - from < ENCODING_MAX ? to - from : ENCODING_MAX;
        memcpy(name, line + from, length);
        name[length] = '\0';
        *ret_at = s->line_start[number] + (int64_t)from;
        return false;
    }
    return true;
}

/* tokenizer.c's get_normal_name(), as far as it decides that nothing is decoded: "utf-8" and "utf-8-anything". */
static bool is_utf8_name(const char *name)
{
    char head[13] = {0};
    for (size_t i = 0; i < sizeof head - 1 && name[i] != '\0'; i++) {
        char c = name[i];
        head[i] = c == '_' ? '-' : (c >= 'A' && c <= 'Z') ? (char)(c + ('a' - 'A')) : c;
    }
    return strcmp(head, "utf-8") == 0 || strncmp(head, "utf-8-", 6) == 0;
}

static bool find_lines(struct source *s)
{
    size_t n = 1;
    for (size_t i = s->n_bom; i < s->n_raw; i++)
        n += s->raw[i] == '\n' || (s->raw[i] == '\r' && (i + 1 == s->n_raw || s->raw[i + 1] != '\n'));
    s->line_start = malloc(n * sizeof *s->line_start);
    s->line_end = malloc(n * sizeof *s->line_end);
    if (s->line_start == NULL || s->line_end == NULL)
        return false;
    size_t line = 0;
    s->line_start[0] = (int64_t)s->n_bom;
    for (size_t i = s->n_bom; i < s->n_raw; i++) {
        uint8_t c = s->raw[i];
        if (c != '\n' && c != '\r')
            continue;
        s->line_end[line++] = (int64_t)i;
        if (c == '\r' && i + 1 < s->n_raw && s->raw[i + 1] == '\n')
            i++;
        s->line_start[line] = (int64_t)i + 1;
    }
    s->line_end[line] = (int64_t)s->n_raw;
    s->n_lines = line + 1;
    return true;
}

static bool is_all_ascii(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] >= 0x80)
            return false;
    }
    return true;
}

/* Offset in the bytes of the error that is raised now when it is a UnicodeDecodeError, else -1. Clears it. */
static int64_t take_decode_error(void)
{
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    int64_t at = -1;
    Py_ssize_t start = 0;
    if (value != NULL && PyErr_GivenExceptionMatches(value, PyExc_UnicodeDecodeError) &&
        PyUnicodeDecodeError_GetStart(value, &start) == 0)
        at = (int64_t)start;
    PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return at;
}

/* Append what `decoder` makes of n bytes, one at a time: the bytes since the last character belong to the next one. */
static bool append_bytewise(struct position_map *map, PyObject *decoder, const uint8_t *bytes, size_t n,
                            uint32_t *pending)
{
    for (size_t i = 0; i < n; i++) {
        PyObject *text = PyObject_CallMethod(decoder, "decode", "y#", (const char *)bytes + i, (Py_ssize_t)1);
        if (text == NULL)
            return false;
        Py_ssize_t length = PyUnicode_Check(text) ? PyUnicode_GetLength(text) : -1;
        bool ok = length >= 0;
        (*pending)++;
        for (Py_ssize_t k = 0; ok && k < length; k++) {
            ok = position_map_append(map, PyUnicode_ReadChar(text, k), *pending);
            *pending = 0;
        }
        Py_DECREF(text);
        if (!ok)
            return false;
    }
    return true;
}

/* One line: at once where it decodes to itself and is ASCII, so that a mostly plain file is quick; else byte by byte.
 */
static bool append_line(struct position_map *map, PyObject *decoder, const uint8_t *bytes, size_t n, uint32_t *pending)
{
    if (*pending == 0 && is_all_ascii(bytes, n)) {
        PyObject *state = PyObject_CallMethod(decoder, "getstate", NULL);
        if (state == NULL)
            return false;
        PyObject *text = PyObject_CallMethod(decoder, "decode", "y#", (const char *)bytes, (Py_ssize_t)n);
        PyObject *utf8 = text != NULL ? PyUnicode_AsUTF8String(text) : NULL;
        bool is_same =
            utf8 != NULL && PyBytes_Size(utf8) == (Py_ssize_t)n && memcmp(PyBytes_AsString(utf8), bytes, n) == 0;
        Py_XDECREF(utf8);
        Py_XDECREF(text);
        if (is_same) {
            Py_DECREF(state);
            for (size_t i = 0; i < n; i++) {
                if (!position_map_append(map, bytes[i], 1))
                    return false;
            }
            return true;
        }
        PyErr_Clear();
        PyObject *none = PyObject_CallMethod(decoder, "setstate", "(O)", state);
        Py_DECREF(state);
        if (none == NULL)
            return false;
        Py_DECREF(none);
    }
    return append_bytewise(map, decoder, bytes, n, pending);
}

/* The map of raw as the codec `name` reads it, into s->map; it stays NULL where the codec cannot be run piece by piece.
 * false: memory is short. */
static bool map_by_codec(struct source *s, const char *name)
{
    PyObject *decoder = PyCodec_IncrementalDecoder(name, "strict");
    struct position_map *map = decoder != NULL ? position_map_new_empty(s->n_bom) : NULL;
    bool ok = map != NULL;
    uint32_t pending = 0;
    for (size_t at = s->n_bom; ok && at < s->n_raw;) {
        const uint8_t *newline = memchr(s->raw + at, '\n', s->n_raw - at);
        size_t n = newline != NULL ? (size_t)(newline - (s->raw + at)) + 1 : s->n_raw - at;
        ok = append_line(map, decoder, s->raw + at, n, &pending);
        at += n;
    }
    /* Bytes that end in a shift back to ASCII decode to nothing; they belong to no character. */
    ok = ok && position_map_finish(map);
    /* What the codec refuses it raises; the map itself fails for memory alone. */
    bool is_memory = !ok && (PyErr_Occurred() == NULL || PyErr_ExceptionMatches(PyExc_MemoryError));
    if (ok)
        s->map = map;
    else
        position_map_free(map);
    Py_XDECREF(decoder);
    PyErr_Clear();
    return !is_memory;
}

/* The text is another than the bytes: find out whether it decodes, and map it. false: memory is short. */
static bool recode(struct source *s, const char *name, int64_t cookie_byte)
{
    const char *body = (const char *)s->raw + s->n_bom;
    Py_ssize_t n = (Py_ssize_t)(s->n_raw - s->n_bom);
    PyObject *text = PyUnicode_Decode(body, n, name, "strict");
    if (text == NULL) {
        int64_t at = take_decode_error();
        if (at < 0)
            s->bad_cookie_byte = cookie_byte;
        else
            s->bad_byte = at + (int64_t)s->n_bom;
        s->is_identity = false;
        return true;
    }
    PyObject *utf8 = PyUnicode_AsUTF8String(text);
    Py_DECREF(text);
    PyErr_Clear();
    s->is_identity = utf8 != NULL && PyBytes_Size(utf8) == n && memcmp(PyBytes_AsString(utf8), body, (size_t)n) == 0;
    Py_XDECREF(utf8);
    return s->is_identity || map_by_codec(s, name);
}

bool source_init(struct source *ret, const uint8_t *raw, size_t n_raw)
{
    *ret = (struct source){.raw = raw, .n_raw = n_raw, .is_identity = true, .bad_byte = -1, .bad_cookie_byte = -1};
    ret->is_ascii = is_all_ascii(raw, n_raw);
    if (n_raw >= sizeof utf8_bom && memcmp(raw, utf8_bom, sizeof utf8_bom) == 0)
        ret->n_bom = sizeof utf8_bom;
    if (!find_lines(ret))
        return false;

    char name[ENCODING_MAX + 1];
    int64_t cookie_byte = -1;
    if (line_cookie(ret, 0, name, &cookie_byte))
        line_cookie(ret, 1, name, &cookie_byte);
    if (name[0] != '\0' && !is_utf8_name(name)) {
        if (ret->n_bom > 0)
            ret->bad_cookie_byte = cookie_byte;
        return recode(ret, name, cookie_byte);
    } else if (!ret->is_ascii) {
        PyObject *text = PyUnicode_DecodeUTF8((const char *)raw, (Py_ssize_t)n_raw, "strict");
        if (text == NULL)
            ret->bad_byte = take_decode_error();
        Py_XDECREF(text);
    }
    return true;
}

void source_done(struct source *s)
{
    free(s->line_start);
    free(s->line_end);
    position_map_free(s->map);
    *s = (struct source){.raw = NULL};
}

int64_t source_raw_of_utf8(const struct source *s, long line, long column)
{
    if (line < 1 || column < 0)
        return -1;
    if (!s->is_identity)
        return s->map == NULL
                   ? -1
                   : position_raw_of_line_column(s->map, POSITION_LINES_CPYTHON, line - 1, POSITION_UTF8, column);
    if ((size_t)line > s->n_lines)
        return -1;
    int64_t at = s->line_start[line - 1] + column;
    if (at > s->line_end[line - 1])
        return -1;
    bool is_inside = at < (int64_t)s->n_raw && (s->raw[at] & 0xC0) == 0x80;
    return is_inside ? -1 : at;
}

int64_t source_raw_of_character(const struct source *s, long line, long character)
{
    if (line < 1 || character < 1)
        return -1;
    if (!s->is_identity)
        return s->map == NULL ? -1
                              : position_raw_of_line_column(s->map, POSITION_LINES_CPYTHON, line - 1,
                                                            POSITION_CODE_POINT, character - 1);
    if ((size_t)line > s->n_lines)
        return -1;
    int64_t at = s->line_start[line - 1];
    int64_t end = s->line_end[line - 1];
    for (long k = 1; k < character; k++) {
        if (at >= end)
            return -1;
        at++;
        while (at < end && (s->raw[at] & 0xC0) == 0x80)
            at++;
    }
    return at;
}
