/* rows/literal.h — a default as SQL writes it, and the value that it is; private to the room. */
#ifndef CA_ROWS_LITERAL_H
#define CA_ROWS_LITERAL_H

#include <nanoarrow/nanoarrow.h>
#include <stdbool.h>

/* kind   NA (null), BOOL, INT64, DOUBLE, STRING (bytes too) or LIST (empty)
 * bytes  of a STRING; g_free */
struct rows_literal {
    enum ArrowType kind;
    int64_t i;
    double d;
    char *bytes;
    size_t n_bytes;
};

/* Whether `text` is a literal: 42, 1.5, 'a''b', X'00ff', true, NULL, []. */
bool rows_literal_parse(const char *text, struct rows_literal *ret);

#endif
