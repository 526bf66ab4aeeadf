/* base/error.h — how the rooms report failure.
 *
 * A function that can fail returns int and takes `struct ca_error *err` last (NULL allowed). The first error wins;
 * callers add context on the way up with CA_TRY_CTX: "build 'repo': load contract 'x.yaml': ...".
 */
#ifndef CA_BASE_ERROR_H
#define CA_BASE_ERROR_H

#include <stdarg.h>

#include "codeanatomy/error.h"

#define CA_MUST_CHECK __attribute__((warn_unused_result))
#define CA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Fill `err` (may be NULL) and return `code`, so that `return ca_fail(...)` is one line. */
int ca_fail(struct ca_error *err, int code, const char *format, ...) CA_PRINTF(3, 4);

/* The same, with ": " and the system's text for errnum appended. */
int ca_fail_errno(struct ca_error *err, int code, int errnum, const char *format, ...) CA_PRINTF(4, 5);

/* Put "context: " in front of the message; returns err->code, or `code` when err is NULL. */
int ca_fail_context(struct ca_error *err, int code, const char *format, ...) CA_PRINTF(3, 4);

/* A broken promise of ours (never input): fills `err` with file and line, returns CA_ERR_BUG. */
#define ca_bug(err, what) ca_fail((err), CA_ERR_BUG, "bug at %s:%d: %s", __FILE__, __LINE__, (what))

#define CA_TRY(call)             \
    do {                         \
        int ca_try_rc_ = (call); \
        if (ca_try_rc_ != CA_OK) \
            return ca_try_rc_;   \
    } while (0)

#define CA_TRY_CTX(call, err, ...)                                  \
    do {                                                            \
        int ca_try_rc_ = (call);                                    \
        if (ca_try_rc_ != CA_OK)                                    \
            return ca_fail_context((err), ca_try_rc_, __VA_ARGS__); \
    } while (0)

#endif
