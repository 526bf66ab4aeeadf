/* rows/rows_append.h — columns that grow, for the generated row builders alone (they include it; nobody else needs it).
 *
 * A builder keeps its columns as nanoarrow buffers and makes an ArrowArray only when rows are taken: an append is then
 * a bounds check and a store, and an open row can be cut off again. Results are 0 or an errno value. A column whose
 * append failed for want of memory may be longer than its siblings: abandon the row (rows_column_cut) or free the
 * builder.
 */
#ifndef CA_ROWS_ROWS_APPEND_H
#define CA_ROWS_ROWS_APPEND_H

#include <nanoarrow/nanoarrow.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "rows/rows_value.h"

/* values    fixed-width values, bits of a bool, or the bytes of texts
 * offsets   int32, of texts and lists: one more than there are rows, the first 0; empty while there are no rows
 * validity  bits, kept only once there was a null: until then empty
 */
struct rows_column {
    struct ArrowBuffer values;
    struct ArrowBuffer offsets;
    struct ArrowBuffer validity;
    int64_t n_rows;
    int64_t n_nulls;
};

enum rows_width {
    ROWS_BITS = 0,
    ROWS_TEXT = -1,
    ROWS_LIST = -2,
    ROWS_STRUCT = -3,
};

static inline void rows_column_init(struct rows_column *c)
{
    ArrowBufferInit(&c->values);
    ArrowBufferInit(&c->offsets);
    ArrowBufferInit(&c->validity);
    c->n_rows = 0;
    c->n_nulls = 0;
}

static inline void rows_column_done(struct rows_column *c)
{
    ArrowBufferReset(&c->values);
    ArrowBufferReset(&c->offsets);
    ArrowBufferReset(&c->validity);
}

static inline int64_t rows_column_n_bytes(const struct rows_column *c)
{
    return c->values.size_bytes + c->offsets.size_bytes + c->validity.size_bytes;
}

/* Room for bit number `bit`; a byte that is new is zeroed. */
static inline int rows_bits_grow(struct ArrowBuffer *bits, int64_t bit)
{
    if (bit < 8 * bits->size_bytes)
        return 0;
    NANOARROW_RETURN_NOT_OK(ArrowBufferReserve(bits, 1));
    bits->data[bits->size_bytes++] = 0;
    return 0;
}

/* The first null: every row before it was valid. */
static inline int rows_column_start_validity(struct rows_column *c)
{
    const int64_t n_bytes = c->n_rows / 8 + 1;
    NANOARROW_RETURN_NOT_OK(ArrowBufferReserve(&c->validity, n_bytes));
    memset(c->validity.data, 0xFF, (size_t)n_bytes);
    c->validity.data[n_bytes - 1] = (uint8_t)((1u << (c->n_rows % 8)) - 1u);
    c->validity.size_bytes = n_bytes;
    return 0;
}

static inline int rows_column_mark(struct rows_column *c, bool is_valid)
{
    if (is_valid && c->validity.size_bytes == 0)
        return 0;
    if (c->validity.size_bytes == 0)
        NANOARROW_RETURN_NOT_OK(rows_column_start_validity(c));
    else
        NANOARROW_RETURN_NOT_OK(rows_bits_grow(&c->validity, c->n_rows));
    if (is_valid)
        c->validity.data[c->n_rows / 8] |= (uint8_t)(1u << (c->n_rows % 8));
    else
        c->n_nulls++;
    return 0;
}

/* `width` bytes; a constant at every call, so the copy is one store. A null keeps zeros in its place. */
static inline int rows_column_append(struct rows_column *c, bool is_valid, const void *value, int64_t width)
{
    if (c->values.size_bytes + width > c->values.capacity_bytes)
        NANOARROW_RETURN_NOT_OK(ArrowBufferReserve(&c->values, width));
    NANOARROW_RETURN_NOT_OK(rows_column_mark(c, is_valid));
    if (is_valid)
        memcpy(c->values.data + c->values.size_bytes, value, (size_t)width);
    else
        memset(c->values.data + c->values.size_bytes, 0, (size_t)width);
    c->values.size_bytes += width;
    c->n_rows++;
    return 0;
}

static inline int rows_column_append_bool(struct rows_column *c, bool is_valid, bool value)
{
    NANOARROW_RETURN_NOT_OK(rows_bits_grow(&c->values, c->n_rows));
    NANOARROW_RETURN_NOT_OK(rows_column_mark(c, is_valid));
    if (is_valid && value)
        c->values.data[c->n_rows / 8] |= (uint8_t)(1u << (c->n_rows % 8));
    c->n_rows++;
    return 0;
}

/* The offset that ends a row; the first row brings the leading 0 with it. */
static inline int rows_column_end_at(struct rows_column *c, int64_t end)
{
    if (end > INT32_MAX)
        return EOVERFLOW;
    if (c->offsets.size_bytes == 0)
        NANOARROW_RETURN_NOT_OK(ArrowBufferAppendInt32(&c->offsets, 0));
    return ArrowBufferAppendInt32(&c->offsets, (int32_t)end);
}

static inline int rows_column_append_str(struct rows_column *c, bool is_nullable, struct rows_str value)
{
    if (value.data == NULL && !is_nullable)
        return EINVAL;
    if (value.n_bytes < 0)
        return EINVAL;
    const int64_t n_bytes = value.data == NULL ? 0 : value.n_bytes;
    NANOARROW_RETURN_NOT_OK(ArrowBufferReserve(&c->values, n_bytes));
    NANOARROW_RETURN_NOT_OK(rows_column_end_at(c, c->values.size_bytes + n_bytes));
    NANOARROW_RETURN_NOT_OK(rows_column_mark(c, value.data != NULL));
    if (n_bytes > 0)
        memcpy(c->values.data + c->values.size_bytes, value.data, (size_t)n_bytes);
    c->values.size_bytes += n_bytes;
    c->n_rows++;
    return 0;
}

/* A list's row ends after n_items items. */
static inline int rows_column_append_list(struct rows_column *c, int64_t n_items)
{
    NANOARROW_RETURN_NOT_OK(rows_column_end_at(c, n_items));
    c->n_rows++;
    return 0;
}

/* Clear the bits from `n_bits` on and forget the bytes behind them. */
static inline void rows_bits_cut(struct ArrowBuffer *bits, int64_t n_bits)
{
    const int64_t n_bytes = (n_bits + 7) / 8;
    if (bits->size_bytes < n_bytes)
        return;
    bits->size_bytes = n_bytes;
    if (n_bits % 8 != 0)
        bits->data[n_bytes - 1] &= (uint8_t)((1u << (n_bits % 8)) - 1u);
}

/* Keep the first n_rows rows. width: bytes of a value, or one of enum rows_width. */
static inline void rows_column_cut(struct rows_column *c, int64_t n_rows, int width)
{
    /* Offsets first: an append that failed half-way may have left one too many. */
    if (width < 0) {
        const int64_t size = n_rows == 0 ? 0 : 4 * (n_rows + 1);
        if (c->offsets.size_bytes > size)
            c->offsets.size_bytes = size;
        if (width == ROWS_TEXT && c->values.size_bytes > 0) {
            int32_t end = 0;
            if (n_rows > 0)
                memcpy(&end, c->offsets.data + 4 * n_rows, sizeof end);
            c->values.size_bytes = end;
        }
    } else if (width == ROWS_BITS) {
        rows_bits_cut(&c->values, n_rows);
    } else {
        c->values.size_bytes = width * n_rows;
    }
    c->n_rows = n_rows;
    if (c->validity.size_bytes > 0) {
        rows_bits_cut(&c->validity, n_rows);
        c->n_nulls = n_rows - ArrowBitCountSet(c->validity.data, 0, n_rows);
    }
}

/* Move the column into an array that was initialized for its type; width as in rows_column_cut(). */
static inline int rows_column_take(struct rows_column *c, int width, struct ArrowArray *array)
{
    const int64_t n_rows = c->n_rows;
    const int64_t n_nulls = c->n_nulls;
    if (n_nulls > 0) {
        struct ArrowBitmap validity = {.buffer = c->validity, .size_bits = n_rows};
        ArrowBufferInit(&c->validity);
        ArrowArraySetValidityBitmap(array, &validity);
    } else {
        ArrowBufferReset(&c->validity);
    }
    int64_t next = 1;
    if (width < 0) {
        if (c->offsets.size_bytes == 0)
            NANOARROW_RETURN_NOT_OK(ArrowBufferAppendInt32(&c->offsets, 0));
        NANOARROW_RETURN_NOT_OK(ArrowArraySetBuffer(array, next++, &c->offsets));
    }
    if (width != ROWS_LIST)
        NANOARROW_RETURN_NOT_OK(ArrowArraySetBuffer(array, next, &c->values));
    array->length = n_rows;
    array->null_count = n_nulls;
    rows_column_init(c);
    return 0;
}

/* ---- what a builder is made of ---------------------------------------------------------------------------------- */

/* A node of the schema below its root, in depth-first order: a column each, except that a struct's is not used.
 * list: which of the builder's lists it is inside, -1 at top level. */
struct rows_slot {
    const char *format;
    const char *name;
    int16_t n_children;
    int16_t list;
    int8_t width;
    bool is_nullable;
};

/* Recursion is three levels deep at most: rowgen refuses deeper shapes. */
static inline int rows_slot_schema(const struct rows_slot *slots, int *next, struct ArrowSchema *schema)
{
    const struct rows_slot *slot = &slots[(*next)++];
    ArrowSchemaInit(schema);
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetFormat(schema, slot->format));
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(schema, slot->name));
    schema->flags = slot->is_nullable ? ARROW_FLAG_NULLABLE : 0;
    if (slot->n_children == 0)
        return 0;
    NANOARROW_RETURN_NOT_OK(ArrowSchemaAllocateChildren(schema, slot->n_children));
    for (int64_t i = 0; i < slot->n_children; i++)
        NANOARROW_RETURN_NOT_OK(rows_slot_schema(slots, next, schema->children[i]));
    return 0;
}

static inline int rows_slots_schema(const struct rows_slot *slots, int n_top, struct ArrowSchema *ret)
{
    struct ArrowSchema schema;
    ArrowSchemaInit(&schema);
    int rc = ArrowSchemaSetFormat(&schema, "+s");
    if (rc == 0)
        rc = ArrowSchemaSetName(&schema, "");
    schema.flags = 0;
    if (rc == 0)
        rc = ArrowSchemaAllocateChildren(&schema, n_top);
    int next = 0;
    for (int i = 0; rc == 0 && i < n_top; i++)
        rc = rows_slot_schema(slots, &next, schema.children[i]);
    if (rc == 0)
        ArrowSchemaMove(&schema, ret);
    else
        ArrowSchemaRelease(&schema);
    return rc;
}

static inline int rows_slot_take(const struct rows_slot *slots, int *next, struct rows_column *columns, int64_t n_items,
                                 struct ArrowArray *array)
{
    const int at = (*next)++;
    const struct rows_slot *slot = &slots[at];
    int64_t n_children_rows = n_items;
    if (slot->width == ROWS_STRUCT) {
        array->length = n_items;
        array->null_count = 0;
    } else {
        if (slot->width == ROWS_LIST) {
            int32_t end = 0;
            if (columns[at].offsets.size_bytes > 0)
                memcpy(&end, columns[at].offsets.data + columns[at].offsets.size_bytes - 4, sizeof end);
            n_children_rows = end;
        }
        NANOARROW_RETURN_NOT_OK(rows_column_take(&columns[at], slot->width, array));
    }
    for (int64_t i = 0; i < slot->n_children; i++)
        NANOARROW_RETURN_NOT_OK(rows_slot_take(slots, next, columns, n_children_rows, array->children[i]));
    return 0;
}

/* All rows as a struct array; the columns are empty afterwards, also on failure. */
static inline int rows_slots_take(const struct rows_slot *slots, int n_slots, int n_top, struct rows_column *columns,
                                  int64_t n_rows, struct ArrowArray *ret)
{
    struct ArrowSchema schema;
    struct ArrowArray array = {.release = NULL};
    NANOARROW_RETURN_NOT_OK(rows_slots_schema(slots, n_top, &schema));
    int rc = ArrowArrayInitFromSchema(&array, &schema, NULL);
    ArrowSchemaRelease(&schema);
    int next = 0;
    for (int i = 0; rc == 0 && i < n_top; i++)
        rc = rows_slot_take(slots, &next, columns, 0, array.children[i]);
    if (rc == 0) {
        array.length = n_rows;
        array.null_count = 0;
        rc = ArrowArrayFinishBuildingDefault(&array, NULL);
    }
    for (int i = 0; i < n_slots; i++) {
        rows_column_done(&columns[i]);
        rows_column_init(&columns[i]);
    }
    if (rc == 0)
        ArrowArrayMove(&array, ret);
    else if (array.release != NULL)
        ArrowArrayRelease(&array);
    return rc;
}

/* Cut the slots first..end-1 that hold columns to n_rows rows. */
static inline void rows_slots_cut(const struct rows_slot *slots, struct rows_column *columns, int first, int end,
                                  int64_t n_rows)
{
    for (int i = first; i < end; i++) {
        if (slots[i].width != ROWS_STRUCT)
            rows_column_cut(&columns[i], n_rows, slots[i].width);
    }
}

#endif
