/* rows/widen.h — whole columns of numbers in a wider type, buffer by buffer: what alignment does where every value of
 * the one type is a value of the other, so that none has to be looked at.
 */
#ifndef CA_ROWS_WIDEN_H
#define CA_ROWS_WIDEN_H

#include <stdbool.h>
#include <stdint.h>

#include <nanoarrow/nanoarrow.h>

/* Rows first .. first + n_rows - 1 of `in` into `out`, which is empty and of type `to`; nulls stay nulls. *ret_done
 * false: not such a pair of types, and nothing was done. An errno when there is no memory. */
int rows_widen(const struct ArrowArrayView *in, int64_t first, int64_t n_rows, enum ArrowType to,
               struct ArrowArray *out, bool *ret_done);

#endif
