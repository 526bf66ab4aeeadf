/* rows/gather.h — small batches become one, buffer by buffer; private to the room.
 *
 *     if (rows_can_gather(&view))                        a view of the batches' schema
 *         rows_gather_start(&schema, &out);
 *     rows_gather_add(&view, &out);                      the rows that the view is set to, after those that are there
 *     rows_gather_end(&out);                             a batch like any other
 *
 * Each returns 0 or an errno; `out` is released by the caller, whatever happened.
 */
#ifndef CA_ROWS_GATHER_H
#define CA_ROWS_GATHER_H

#include <stdbool.h>

#include <nanoarrow/nanoarrow.h>

/* Whether all types below are numbers, booleans, texts, bytes, lists, maps or structs; others are not taken apart here.
 */
bool rows_can_gather(const struct ArrowArrayView *view);

int rows_gather_start(const struct ArrowSchema *schema, struct ArrowArray *out);

/* Copies. Offsets have 32 bits, as in the batch itself: the caller ends before more than 2 GiB are there. */
int rows_gather_add(const struct ArrowArrayView *batch, struct ArrowArray *out);

int rows_gather_end(struct ArrowArray *out);

/* Bits first .. first + n - 1 of `bits` behind those of `to`. */
int rows_append_bits(const uint8_t *bits, int64_t first, int64_t n, struct ArrowBitmap *to);

#endif
