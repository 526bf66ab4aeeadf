/* worker/text_cache.h — the names of one file as UTF-8 and as ascii(), each converted once.
 *
 * A tree holds the same interned object for every use of a name, so the address is the key. Valid while the tree lives.
 */
#ifndef CA_WORKER_TEXT_CACHE_H
#define CA_WORKER_TEXT_CACHE_H

#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#include "rows/rows_value.h"

struct text_cache_entry {
    PyObject *key;
    size_t utf8_at;
    size_t n_utf8;
    size_t ascii_at;
    size_t n_ascii;
};

/* slots  capacity a power of two, at most half full
 * bytes  of all texts; moves when it grows
 */
struct text_cache {
    struct text_cache_entry *slots;
    size_t capacity;
    size_t n;
    char *bytes;
    size_t n_bytes;
    size_t bytes_capacity;
};

/* Both forms of `str`, valid until the next call. Returns 0, ENOMEM, or -1 with an exception raised. */
int text_cache_get(struct text_cache *c, PyObject *str, struct rows_str *ret_utf8, struct rows_str *ret_ascii);

/* Forget the names; memory that a large file took is given back. A zeroed struct is an empty cache. */
void text_cache_clear(struct text_cache *c);

#endif
