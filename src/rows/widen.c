/* rows/widen.c — see the header. */
#include "rows/widen.h"

#include "rows/gather.h"

/* Bytes of a value of `to`, where all values of `from` are values of `to`, else 0. */
static int64_t wide_bytes(enum ArrowType from, enum ArrowType to)
{
    static const struct {
        enum ArrowType type;
        int64_t n_bytes;
        int bits; /* of magnitude that are exact */
        bool has_sign;
        bool is_float;
    } numbers[] = {
        {NANOARROW_TYPE_INT8, 1, 7, true, false},     {NANOARROW_TYPE_INT16, 2, 15, true, false},
        {NANOARROW_TYPE_INT32, 4, 31, true, false},   {NANOARROW_TYPE_INT64, 8, 63, true, false},
        {NANOARROW_TYPE_UINT8, 1, 8, false, false},   {NANOARROW_TYPE_UINT16, 2, 16, false, false},
        {NANOARROW_TYPE_UINT32, 4, 32, false, false}, {NANOARROW_TYPE_FLOAT, 4, 24, true, true},
        {NANOARROW_TYPE_DOUBLE, 8, 53, true, true},
    };
    const size_t n = sizeof numbers / sizeof numbers[0];
    size_t f = 0;
    size_t t = 0;
    while (f < n && numbers[f].type != from)
        f++;
    while (t < n && numbers[t].type != to)
        t++;
    if (f == n || t == n || f == t || numbers[f].bits > numbers[t].bits)
        return 0;
    if ((numbers[f].has_sign && !numbers[t].has_sign) || (numbers[f].is_float && !numbers[t].is_float))
        return 0;
    return numbers[t].n_bytes;
}

/* A loop a pair of types, which the compiler makes steps of many values of. */
#define COPY(FROM, TO)                                \
    do {                                              \
        const FROM *values = (const FROM *)from_data; \
        TO *wide = (TO *)to_data;                     \
        for (int64_t i = 0; i < n; i++)               \
            wide[i] = (TO)values[first + i];          \
    } while (0)

#define COPY_TO(FROM)               \
    do {                            \
        switch (to) {               \
        case NANOARROW_TYPE_INT16:  \
            COPY(FROM, int16_t);    \
            break;                  \
        case NANOARROW_TYPE_UINT16: \
            COPY(FROM, uint16_t);   \
            break;                  \
        case NANOARROW_TYPE_INT32:  \
            COPY(FROM, int32_t);    \
            break;                  \
        case NANOARROW_TYPE_UINT32: \
            COPY(FROM, uint32_t);   \
            break;                  \
        case NANOARROW_TYPE_INT64:  \
            COPY(FROM, int64_t);    \
            break;                  \
        case NANOARROW_TYPE_FLOAT:  \
            COPY(FROM, float);      \
            break;                  \
        default:                    \
            COPY(FROM, double);     \
            break;                  \
        }                           \
    } while (0)

static void copy_values(enum ArrowType from, const void *from_data, int64_t first, int64_t n, enum ArrowType to,
                        void *to_data)
{
    switch (from) {
    case NANOARROW_TYPE_INT8:
        COPY_TO(int8_t);
        break;
    case NANOARROW_TYPE_INT16:
        COPY_TO(int16_t);
        break;
    case NANOARROW_TYPE_INT32:
        COPY_TO(int32_t);
        break;
    case NANOARROW_TYPE_UINT8:
        COPY_TO(uint8_t);
        break;
    case NANOARROW_TYPE_UINT16:
        COPY_TO(uint16_t);
        break;
    case NANOARROW_TYPE_UINT32:
        COPY_TO(uint32_t);
        break;
    default:
        COPY(float, double);
        break;
    }
}

static int copy_nulls(const struct ArrowArrayView *in, int64_t first, int64_t n_rows, struct ArrowArray *out)
{
    const uint8_t *bits = in->buffer_views[0].data.as_uint8;
    if (bits == NULL)
        return NANOARROW_OK;
    out->null_count = n_rows - ArrowBitCountSet(bits, first, n_rows);
    return rows_append_bits(bits, first, n_rows, ArrowArrayValidityBitmap(out));
}

int rows_widen(const struct ArrowArrayView *in, int64_t first, int64_t n_rows, enum ArrowType to,
               struct ArrowArray *out, bool *ret_done)
{
    const int64_t n_bytes = in->dictionary == NULL ? wide_bytes(in->storage_type, to) : 0;
    *ret_done = n_bytes > 0;
    if (n_bytes == 0)
        return NANOARROW_OK;
    struct ArrowBuffer *values = ArrowArrayBuffer(out, 1);
    NANOARROW_RETURN_NOT_OK(ArrowBufferResize(values, n_rows * n_bytes, /* shrink_to_fit= */ 0));
    copy_values(in->storage_type, in->buffer_views[1].data.data, in->offset + first, n_rows, to, values->data);
    out->length = n_rows;
    return copy_nulls(in, in->offset + first, n_rows, out);
}
