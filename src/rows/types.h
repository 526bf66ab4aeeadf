/* rows/types.h — what kinds of types there are; private to the room. */
#ifndef CA_ROWS_TYPES_H
#define CA_ROWS_TYPES_H

#include <nanoarrow/nanoarrow.h>
#include <stdbool.h>
#include <string.h>

static inline bool rows_is_int(enum ArrowType t)
{
    return t >= NANOARROW_TYPE_UINT8 && t <= NANOARROW_TYPE_INT64;
}

static inline bool rows_is_unsigned(enum ArrowType t)
{
    return t == NANOARROW_TYPE_UINT8 || t == NANOARROW_TYPE_UINT16 || t == NANOARROW_TYPE_UINT32 ||
           t == NANOARROW_TYPE_UINT64;
}

static inline bool rows_is_float(enum ArrowType t)
{
    return t == NANOARROW_TYPE_HALF_FLOAT || t == NANOARROW_TYPE_FLOAT || t == NANOARROW_TYPE_DOUBLE;
}

static inline bool rows_is_decimal(enum ArrowType t)
{
    return t == NANOARROW_TYPE_DECIMAL32 || t == NANOARROW_TYPE_DECIMAL64 || t == NANOARROW_TYPE_DECIMAL128 ||
           t == NANOARROW_TYPE_DECIMAL256;
}

static inline bool rows_is_text(enum ArrowType t)
{
    return t == NANOARROW_TYPE_STRING || t == NANOARROW_TYPE_LARGE_STRING || t == NANOARROW_TYPE_STRING_VIEW;
}

static inline bool rows_is_bytes(enum ArrowType t)
{
    return t == NANOARROW_TYPE_BINARY || t == NANOARROW_TYPE_LARGE_BINARY || t == NANOARROW_TYPE_BINARY_VIEW ||
           t == NANOARROW_TYPE_FIXED_SIZE_BINARY;
}

static inline bool rows_is_list(enum ArrowType t)
{
    return t == NANOARROW_TYPE_LIST || t == NANOARROW_TYPE_LARGE_LIST || t == NANOARROW_TYPE_FIXED_SIZE_LIST ||
           t == NANOARROW_TYPE_LIST_VIEW || t == NANOARROW_TYPE_LARGE_LIST_VIEW;
}

static inline bool rows_is_time(enum ArrowType t)
{
    return t == NANOARROW_TYPE_TIME32 || t == NANOARROW_TYPE_TIME64;
}

static inline bool rows_is_date(enum ArrowType t)
{
    return t == NANOARROW_TYPE_DATE32 || t == NANOARROW_TYPE_DATE64;
}

static inline bool rows_is_interval(enum ArrowType t)
{
    return t == NANOARROW_TYPE_INTERVAL_MONTHS || t == NANOARROW_TYPE_INTERVAL_DAY_TIME ||
           t == NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO;
}

/* Whether two zones are one: UTC has several names. */
static inline bool rows_is_same_zone(const char *a, const char *b)
{
    static const char *const utc[] = {"UTC", "+00:00", "Etc/UTC"};
    bool a_is_utc = false;
    bool b_is_utc = false;
    for (size_t i = 0; i < sizeof utc / sizeof utc[0]; i++) {
        a_is_utc = a_is_utc || strcmp(a, utc[i]) == 0;
        b_is_utc = b_is_utc || strcmp(b, utc[i]) == 0;
    }
    return strcmp(a, b) == 0 || (a_is_utc && b_is_utc);
}

#endif
