/* kernel/kernel.h — the SQL scalar functions that are ours.
 *
 * A kernel function maps Arrow arrays to one Arrow array of the same length. It is pure: no state, no I/O, the same
 * answer from C, SQL and Python. The list is the whole interface; the session registers every entry with its engine, so
 * that the functions show up with their documentation in information_schema.routines and SHOW FUNCTIONS.
 *
 *   content_id(bytes)                                          BINARY  XXH3-128 of the bytes
 *   file_id(repository, path)                                  BIGINT
 *   entity_id(file_id, qualified_path, kind, ordinal)          BIGINT
 *   occurrence_id(file_id, start_byte, end_byte, kind, ordinal) BIGINT
 *
 * NULL in any argument gives NULL. Any thread.
 */
#ifndef CA_KERNEL_KERNEL_H
#define CA_KERNEL_KERNEL_H

#include <stddef.h>

#include "rows/function.h"

/* The whole list. Static. */
const struct rows_function *kernel_functions(size_t *ret_n);

#endif
