/* rows/rows_value.h — texts and bytes as the generated row builders take them. No library needed. */
#ifndef CA_ROWS_ROWS_VALUE_H
#define CA_ROWS_ROWS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* n_bytes at data, borrowed for the call; data == NULL is null. Used for utf8 and for binary. */
struct rows_str {
    const char *data;
    int64_t n_bytes;
};

/* A C string; NULL is null. */
static inline struct rows_str rows_str_of(const char *text)
{
    struct rows_str str = {text, text == NULL ? 0 : (int64_t)strlen(text)};
    return str;
}

#endif
