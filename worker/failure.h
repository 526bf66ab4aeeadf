/* worker/failure.h — an exception of CPython becomes a fact about the file. */
#ifndef CA_WORKER_FAILURE_H
#define CA_WORKER_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rows/rows_value.h"
#include "worker/source.h"

/* type, message  class of the exception and CPython's words, in UTF-8 (what UTF-8 cannot say is escaped); owned
 * line, column   as the exception gives them; valid where has_ says so
 * start_byte     raw offset, -1: unknown
 * is_memory      a MemoryError: the file's fault or our limit's
 */
struct failure {
    char *type;
    char *message;
    size_t n_message;
    bool has_line;
    bool has_column;
    int32_t line;
    int32_t column;
    int64_t start_byte;
    bool is_memory;
};

/* Take the exception that is raised now; nothing is raised afterwards. Needs the GIL. */
void failure_take(struct failure *ret, const struct source *source);
void failure_done(struct failure *f);

static inline struct rows_str failure_message(const struct failure *f)
{
    return (struct rows_str){f->message != NULL ? f->message : "", (int64_t)f->n_message};
}

#endif
