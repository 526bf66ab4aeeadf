/* base/time.h — times that people write. */
#ifndef CA_BASE_TIME_H
#define CA_BASE_TIME_H

#include <stdint.h>

#include "base/error.h"

/* Microseconds since 1970 of a time such as 2026-11-21T04:27:49Z; a fraction of seconds is taken, no zone is UTC.
 * CA_ERR_INVALID says how it is written. */
int time_parse_us(const char *text, int64_t *ret_us, struct ca_error *err) CA_MUST_CHECK;

#endif
