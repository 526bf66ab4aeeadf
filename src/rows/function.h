/* rows/function.h — a pure function from Arrow arrays to one Arrow array: what a kernel offers and an engine registers.
 */
#ifndef CA_ROWS_FUNCTION_H
#define CA_ROWS_FUNCTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "codeanatomy/arrow.h"

enum { ROWS_FUNCTION_MAX_ARGS = 5 };

/* arg_formats, return_format   Arrow format strings ("l" int64, "i" int32, "u" utf8, "z" binary)
 * call   borrows args, each n_rows long; *ret is the caller's on success. Pure; called from any thread
 * Instances are constants: whoever registers one may keep the pointer for the life of the process. */
struct rows_function {
    const char *name;
    const char *arg_names[ROWS_FUNCTION_MAX_ARGS];
    const char *arg_formats[ROWS_FUNCTION_MAX_ARGS];
    size_t n_args;
    const char *return_format;
    const char *syntax;
    const char *doc;
    int (*call)(const struct ArrowArray *const *args, size_t n_args, int64_t n_rows, struct ArrowArray *ret,
                struct ca_error *err);
};

#endif
