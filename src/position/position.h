/* position/position.h — the three ids and the law of places.
 *
 * A place in a file is (file_id, start_byte, end_byte): half-open byte offsets into the raw file. Everything else
 * (lines, columns in bytes, code points, UTF-16 units) converts to and from it through a `struct position_map`.
 *
 * Invariants
 *   1. Ids depend on their arguments alone: no seed, no platform, no order of calls. docs/ids.md has vectors.
 *   2. For pure-ASCII text every map is the identity and costs no memory.
 *   3. A conversion that is impossible (inside a character, past the end) says so; nothing is clamped silently.
 * No library is linked (xxHash is compiled in from its header). Any thread; a map is immutable once built.
 */
#ifndef CA_POSITION_POSITION_H
#define CA_POSITION_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* content_id: XXH3-128 of the raw bytes, canonical (big-endian), 16 bytes. `bytes` may be NULL when there are none. */
struct position_content_id {
    uint8_t bytes[16];
};
struct position_content_id position_content_id(const void *bytes, size_t n_bytes);

/* file_id: repository name and path (as in repo_files_v1.path). A NULL string, here and below, is not the empty one. */
int64_t position_file_id(const char *repository, size_t n_repository, const char *path, size_t n_path);

/* entity ids. A definition, module, parameter or variable: (file_id, qualified path, kind, ordinal) where ordinal
 * counts earlier ones with the same path and kind. An occurrence (import, call site, reference): (file_id, raw span,
 * kind, ordinal). */
int64_t position_entity_id(int64_t file_id, const char *qualified_path, size_t n_qualified_path, const char *kind,
                           size_t n_kind, int64_t ordinal);
int64_t position_occurrence_id(int64_t file_id, int64_t start_byte, int64_t end_byte, const char *kind, size_t n_kind,
                               int64_t ordinal);

/* ---- offset maps ---------------------------------------------------------------------------------------------- */

/* raw file bytes <-> bytes of the decoded text in UTF-8 <-> code points <-> UTF-16 units, and line starts under the
 * three break rules. Text begins after a BOM. Built by appending decoded characters, or at once from UTF-8. */
struct position_map;

enum position_line_rule {
    POSITION_LINES_CPYTHON, /* LF, CRLF, CR */
    POSITION_LINES_LF,      /* LF alone: tree-sitter */
    POSITION_LINES_LSP,     /* LF, CRLF, CR; the same breaks as CPython, kept apart because SCIP speaks it */
};

enum position_unit {
    POSITION_UTF8, /* bytes of the decoded text */
    POSITION_CODE_POINT,
    POSITION_UTF16,
};

/* Whole text at once: `raw` is UTF-8 with or without BOM. Returns NULL when memory is short or the text is not valid
 * UTF-8; *ret_error_byte (may be NULL) is then the offset of the first bad byte, or -1 for memory or 4 GiB of text.
 * Free with position_map_free. */
struct position_map *position_map_new_utf8(const uint8_t *raw, size_t n_bytes, int64_t *ret_error_byte);

/* Text in another encoding, character by character: raw_width bytes of the file decode to code_point. n_bom_bytes are
 * skipped in front. raw_width is 0 for the second and later characters of one sequence. finish() must be called before
 * any conversion. false: memory is short. */
struct position_map *position_map_new_empty(size_t n_bom_bytes);
bool position_map_append(struct position_map *m, uint32_t code_point, uint32_t raw_width);
bool position_map_finish(struct position_map *m);
void position_map_free(struct position_map *m);

int64_t position_map_n_raw(const struct position_map *m);
int64_t position_map_n_utf8(const struct position_map *m);
int64_t position_map_n_bom(const struct position_map *m);
/* Lines that end in a break, and a last one without; 0 for the empty text. */
int64_t position_map_n_lines(const struct position_map *m, enum position_line_rule rule);

/* Offsets; -1 when the offset is outside the text or inside a character. Raw offsets count the BOM. */
int64_t position_raw_of_utf8(const struct position_map *m, int64_t utf8);
int64_t position_utf8_of_raw(const struct position_map *m, int64_t raw);

/* Line (from 0) and column (from the line's start, in `unit`) <-> raw offset. -1 / false when there is no such place.
 * The places of a line reach up to its break (also between CR and LF); the end of a text that ends in a break is column
 * 0 of line n_lines. */
int64_t position_raw_of_line_column(const struct position_map *m, enum position_line_rule rule, int64_t line,
                                    enum position_unit unit, int64_t column);
bool position_line_column_of_raw(const struct position_map *m, enum position_line_rule rule, int64_t raw,
                                 enum position_unit unit, int64_t *ret_line, int64_t *ret_column);

#endif
