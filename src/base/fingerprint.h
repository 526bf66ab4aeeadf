/* base/fingerprint.h — XXH3-128 as 32 hex digits, canonical (big-endian): equal on every machine.
 *
 * For identity of contents among honest parties, not for security.
 */
#ifndef CA_BASE_FINGERPRINT_H
#define CA_BASE_FINGERPRINT_H

#include <stddef.h>

#include "base/cleanup.h"

#define FINGERPRINT_HEX_SIZE 33 /* 32 digits and NUL */

/* The fingerprint of `n_bytes` at `bytes` (NULL when 0). */
void fingerprint_of(const void *bytes, size_t n_bytes, char ret[FINGERPRINT_HEX_SIZE]);

/* Streaming: the same result as fingerprint_of() over everything added. One thread at a time. */
struct fingerprint;

struct fingerprint *fingerprint_new(void);
void fingerprint_free(struct fingerprint *f);
void fingerprint_add(struct fingerprint *f, const void *bytes, size_t n_bytes);

/* A text with its length in front, so that ("ab", "c") and ("a", "bc") differ. NULL differs from "". */
void fingerprint_add_text(struct fingerprint *f, const char *text);

/* What was added so far; adding may go on. */
void fingerprint_hex(const struct fingerprint *f, char ret[FINGERPRINT_HEX_SIZE]);

CA_DEFINE_AUTOPTR(fingerprint, fingerprint_free)

#endif
