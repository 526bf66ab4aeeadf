/* rows/gather.c — see the header. */
#include "rows/gather.h"

#include <errno.h>

/* Bytes of a value, for types whose second buffer holds the values themselves; else 0. */
static int64_t value_bytes(const struct ArrowArrayView *view)
{
    const enum ArrowType t = view->storage_type;
    const bool is_value = view->layout.buffer_type[1] == NANOARROW_BUFFER_TYPE_DATA &&
                          t != NANOARROW_TYPE_STRING_VIEW && t != NANOARROW_TYPE_BINARY_VIEW;
    return is_value ? view->layout.element_size_bits[1] / 8 : 0; /* booleans: 0 */
}

static bool is_short_list(enum ArrowType t)
{
    return t == NANOARROW_TYPE_LIST || t == NANOARROW_TYPE_MAP;
}

static bool is_short_bytes(enum ArrowType t)
{
    return t == NANOARROW_TYPE_STRING || t == NANOARROW_TYPE_BINARY;
}

/* Recursion follows the schema, which ROWS_MAX_DEPTH bounds. */
bool rows_can_gather(const struct ArrowArrayView *view)
{
    const enum ArrowType t = view->storage_type;
    if (view->dictionary != NULL)
        return false;
    if (t != NANOARROW_TYPE_STRUCT && t != NANOARROW_TYPE_BOOL && !is_short_list(t) && !is_short_bytes(t) &&
        value_bytes(view) == 0)
        return false;
    for (int64_t i = 0; i < view->n_children; i++)
        if (!rows_can_gather(view->children[i]))
            return false;
    return true;
}

int rows_append_bits(const uint8_t *bits, int64_t first, int64_t n, struct ArrowBitmap *to)
{
    NANOARROW_RETURN_NOT_OK(ArrowBitmapReserve(to, n));
    while (n > 0) {
        const int64_t shift = first % 8;
        const bool is_byte = to->size_bits % 8 == 0 && n >= 8;
        if (is_byte) {
            const uint8_t *from = bits + first / 8;
            to->buffer.data[to->size_bits / 8] = (uint8_t)(from[0] >> shift | (shift > 0 ? from[1] << (8 - shift) : 0));
        } else {
            ArrowBitSetTo(to->buffer.data, to->size_bits, ArrowBitGet(bits, first));
        }
        to->size_bits += is_byte ? 8 : 1;
        first += is_byte ? 8 : 1;
        n -= is_byte ? 8 : 1;
    }
    to->buffer.size_bytes = (to->size_bits + 7) / 8;
    return 0;
}

/* A validity bitmap is there from the first batch on that has one; what came before it was valid. */
static int append_validity(const struct ArrowArrayView *in, int64_t first, int64_t n, struct ArrowArray *out)
{
    struct ArrowBitmap *valid = ArrowArrayValidityBitmap(out);
    const uint8_t *bits = in->buffer_views[0].data.as_uint8;
    if (bits == NULL && valid->buffer.data == NULL)
        return 0;
    if (valid->size_bits < out->length)
        NANOARROW_RETURN_NOT_OK(ArrowBitmapAppend(valid, 1, out->length - valid->size_bits));
    if (bits == NULL)
        return ArrowBitmapAppend(valid, 1, n);
    out->null_count += n - ArrowBitCountSet(bits, first, n);
    return rows_append_bits(bits, first, n, valid);
}

static int append_booleans(const struct ArrowArrayView *in, int64_t first, int64_t n, struct ArrowArray *out)
{
    struct ArrowBitmap values = {.buffer = *ArrowArrayBuffer(out, 1), .size_bits = out->length};
    const int rc = rows_append_bits(in->buffer_views[1].data.as_uint8, first, n, &values);
    *ArrowArrayBuffer(out, 1) = values.buffer;
    return rc;
}

/* n offsets behind those of `out`, which start at `base` there. */
static int append_offsets(const int32_t *offsets, int64_t n, int64_t base, struct ArrowArray *out)
{
    struct ArrowBuffer *to = ArrowArrayBuffer(out, 1);
    if (base + offsets[n] - offsets[0] > INT32_MAX)
        return EOVERFLOW;
    NANOARROW_RETURN_NOT_OK(ArrowBufferReserve(to, n * (int64_t)sizeof(int32_t)));
    int32_t *next = (int32_t *)(to->data + to->size_bytes);
    for (int64_t i = 0; i < n; i++)
        next[i] = (int32_t)(base + offsets[i + 1] - offsets[0]);
    to->size_bytes += n * (int64_t)sizeof(int32_t);
    return 0;
}

static int append_range(const struct ArrowArrayView *in, int64_t first, int64_t n, struct ArrowArray *out)
{
    if (n == 0)
        return 0;
    const int64_t at = in->offset + first;
    NANOARROW_RETURN_NOT_OK(append_validity(in, at, n, out));
    const int64_t n_bytes = value_bytes(in);
    if (in->storage_type == NANOARROW_TYPE_BOOL) {
        NANOARROW_RETURN_NOT_OK(append_booleans(in, at, n, out));
    } else if (is_short_bytes(in->storage_type)) {
        const int32_t *offsets = in->buffer_views[1].data.as_int32 + at;
        struct ArrowBuffer *to = ArrowArrayBuffer(out, 2);
        NANOARROW_RETURN_NOT_OK(append_offsets(offsets, n, to->size_bytes, out));
        NANOARROW_RETURN_NOT_OK(
            ArrowBufferAppend(to, in->buffer_views[2].data.as_uint8 + offsets[0], offsets[n] - offsets[0]));
    } else if (is_short_list(in->storage_type)) {
        const int32_t *offsets = in->buffer_views[1].data.as_int32 + at;
        NANOARROW_RETURN_NOT_OK(append_offsets(offsets, n, out->children[0]->length, out));
        NANOARROW_RETURN_NOT_OK(append_range(in->children[0], offsets[0], offsets[n] - offsets[0], out->children[0]));
    } else if (n_bytes > 0) {
        NANOARROW_RETURN_NOT_OK(
            ArrowBufferAppend(ArrowArrayBuffer(out, 1), in->buffer_views[1].data.as_uint8 + at * n_bytes, n * n_bytes));
    }
    for (int64_t i = 0; in->storage_type == NANOARROW_TYPE_STRUCT && i < in->n_children; i++)
        NANOARROW_RETURN_NOT_OK(append_range(in->children[i], at, n, out->children[i]));
    out->length += n;
    return 0;
}

int rows_gather_start(const struct ArrowSchema *schema, struct ArrowArray *out)
{
    NANOARROW_RETURN_NOT_OK(ArrowArrayInitFromSchema(out, schema, NULL));
    return ArrowArrayStartAppending(out);
}

int rows_gather_add(const struct ArrowArrayView *batch, struct ArrowArray *out)
{
    return append_range(batch, 0, batch->length, out);
}

int rows_gather_end(struct ArrowArray *out)
{
    return ArrowArrayFinishBuilding(out, NANOARROW_VALIDATION_LEVEL_MINIMAL, NULL);
}
