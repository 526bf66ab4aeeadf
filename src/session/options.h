/* session/options.h — structs of the caller that start with their size. */
#ifndef CA_SESSION_OPTIONS_H
#define CA_SESSION_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Copy a caller's struct of `given` bytes into ours of `own` bytes: a shorter (older) one is completed with zeroes, a
 * longer (newer) one is refused unless what we do not know is zero. `from` NULL: all defaults. */
int session_options_take(void *to, size_t own, const void *from, size_t given, struct ca_error *err) CA_MUST_CHECK;

/* The ABI's callers are in other languages: an argument that is missing is CA_ERR_INVALID there, not a crash. */
int session_need(bool is_given, const char *what, struct ca_error *err) CA_MUST_CHECK;

#endif
