/* repo/declaration.h — which encoding a source file declares (PEP 263).
 *
 * The rule is that of CPython's compiler (Parser/tokenizer.c, equal in 3.9 to 3.13), which reads bytes.
 * tokenize.detect_encoding is a second implementation and differs in three corners, where the compiler is followed: it
 * refuses a first or second line that is not UTF-8 even if the cookie says latin-1, it does not end a line at a lone
 * CR, and it lets non-ASCII letters into a cookie's name.
 */
#ifndef CA_REPO_DECLARATION_H
#define CA_REPO_DECLARATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repo/codec.h"

/* encoding     utf-8, iso-8859-1, or the cookie's name as written; NULL when error is set. g_free both.
 * cookie_byte  where in `text` the cookie's name begins, -1: there is no cookie */
struct repo_declaration {
    char *encoding;
    char *error;
    int64_t cookie_byte;
    const struct repo_codec *codec;
};

/* `text` is what follows the BOM. */
void repo_declaration_read(const uint8_t *text, size_t n_bytes, bool has_bom, struct repo_declaration *ret);

#endif
