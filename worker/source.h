/* worker/source.h — a file's bytes and CPython's coordinates in it.
 *
 * CPython tokenizes UTF-8: the file itself when it declares UTF-8 or nothing, else what the declared codec makes of it.
 * In the first case a line and a UTF-8 column are a raw offset by addition, whether or not the bytes decode; in the
 * second a position_map is built with the interpreter's own codec, character by character.
 */
#ifndef CA_WORKER_SOURCE_H
#define CA_WORKER_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "position/position.h"

/* raw, n_raw    the file; borrowed
 * n_bom         3 after a UTF-8 byte order mark, else 0
 * n_lines       lines of CPython's rule (LF, CRLF, CR), at least 1
 * line_start    raw offset of each line; line_end: of its break (or the end of the file)
 * is_ascii      all bytes are below 0x80 (and the text may still be another: utf-7)
 * is_identity   the text CPython reads is the raw bytes after the mark
 * map           only where !is_identity; NULL there: the bytes do not decode or cannot be mapped back, nothing has a
 *               place
 * bad_byte      first byte that does not decode, -1: all do, or unknown
 * bad_cookie_byte  where the name in a cookie begins that stands after a mark or names no codec of text, so that
 *               CPython refuses the file; -1: there is none
 */
struct source {
    const uint8_t *raw;
    size_t n_raw;
    size_t n_bom;
    size_t n_lines;
    int64_t *line_start;
    int64_t *line_end;
    bool is_ascii;
    bool is_identity;
    struct position_map *map;
    int64_t bad_byte;
    int64_t bad_cookie_byte;
};

/* Borrows raw until source_done. false: memory is short (and nothing is raised); *ret is then safe for source_done.
 * Needs the GIL; a codec that fails is no error here. */
bool source_init(struct source *ret, const uint8_t *raw, size_t n_raw);
void source_done(struct source *s);

/* Raw offset of line (from 1) and UTF-8 column (from 0); -1: there is no such place, or it is inside a character. */
int64_t source_raw_of_utf8(const struct source *s, long line, long column);

/* Raw offset of line (from 1) and character (from 1), as exceptions give them; -1: there is no such place. */
int64_t source_raw_of_character(const struct source *s, long line, long character);

#endif
