/* rows/share.h — one batch, many readers: counted buffers under any number of arrays, and projections of them.
 *
 * A struct rows_shared is immutable; its arrays may be read and released on any thread, in any order, after it was
 * unref'ed too.
 */
#ifndef CA_ROWS_SHARE_H
#define CA_ROWS_SHARE_H

#include <stddef.h>

#include "base/error.h"
#include "codeanatomy/arrow.h"

struct rows_shared;

/* Takes a struct array, also on failure. */
int rows_shared_new(struct ArrowArray *rows, struct rows_shared **ret, struct ca_error *err) CA_MUST_CHECK;
struct rows_shared *rows_shared_ref(struct rows_shared *s);
void rows_shared_unref(struct rows_shared *s);

/* A struct array of the columns `projection` (indices into the columns, in that order; none: rows without columns). */
int rows_shared_project(struct rows_shared *s, const size_t *projection, size_t n_projection, struct ArrowArray *ret,
                        struct ca_error *err) CA_MUST_CHECK;

/* The schema of such an array. */
int rows_schema_project(const struct ArrowSchema *schema, const size_t *projection, size_t n_projection,
                        struct ArrowSchema *ret, struct ca_error *err) CA_MUST_CHECK;

#endif
