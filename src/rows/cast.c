/* rows/cast.c — which types hold every value of which others, by type alone. */
#include <nanoarrow/nanoarrow.h>

#include "rows/rows.h"
#include "rows/types.h"

#include <string.h>

/* Digits of the widest value of an integer type; 0: no integer. */
static int digits_of(enum ArrowType t)
{
    switch (t) {
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8:
        return 3;
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16:
        return 5;
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32:
        return 10;
    case NANOARROW_TYPE_INT64:
        return 19;
    case NANOARROW_TYPE_UINT64:
        return 20;
    default:
        return 0;
    }
}

/* Bits of a value without its sign, of integers and of the mantissa of floats; 0: neither. */
static int bits_of(enum ArrowType t)
{
    switch (t) {
    case NANOARROW_TYPE_INT8:
        return 7;
    case NANOARROW_TYPE_UINT8:
        return 8;
    case NANOARROW_TYPE_HALF_FLOAT:
        return 11;
    case NANOARROW_TYPE_INT16:
        return 15;
    case NANOARROW_TYPE_UINT16:
        return 16;
    case NANOARROW_TYPE_FLOAT:
        return 24;
    case NANOARROW_TYPE_INT32:
        return 31;
    case NANOARROW_TYPE_UINT32:
        return 32;
    case NANOARROW_TYPE_DOUBLE:
        return 53;
    case NANOARROW_TYPE_INT64:
        return 63;
    case NANOARROW_TYPE_UINT64:
        return 64;
    default:
        return 0;
    }
}

static bool numbers_fit(const struct ArrowSchemaView *f, const struct ArrowSchemaView *t)
{
    if (rows_is_decimal(f->type) && rows_is_decimal(t->type))
        return t->decimal_scale >= f->decimal_scale &&
               t->decimal_precision - t->decimal_scale >= f->decimal_precision - f->decimal_scale;
    if (rows_is_decimal(t->type))
        return digits_of(f->type) > 0 && t->decimal_precision - t->decimal_scale >= digits_of(f->type);
    if (bits_of(f->type) == 0 || bits_of(t->type) == 0)
        return false;
    if (rows_is_float(f->type) && !rows_is_float(t->type))
        return false;
    const bool loses_sign = !rows_is_unsigned(f->type) && rows_is_unsigned(t->type);
    return !loses_sign && bits_of(t->type) >= bits_of(f->type);
}

static bool init_views(const struct ArrowSchema *from, const struct ArrowSchema *to, struct ArrowSchemaView *f,
                       struct ArrowSchemaView *t)
{
    from = from->dictionary == NULL ? from : from->dictionary;
    to = to->dictionary == NULL ? to : to->dictionary;
    return ArrowSchemaViewInit(f, from, NULL) == NANOARROW_OK && ArrowSchemaViewInit(t, to, NULL) == NANOARROW_OK;
}

bool rows_cast_is_lossless(const struct ArrowSchema *from, const struct ArrowSchema *to)
{
    struct ArrowSchemaView f;
    struct ArrowSchemaView t;
    if (!init_views(from, to, &f, &t))
        return false;
    if (f.type == NANOARROW_TYPE_NA)
        return true;
    if (rows_is_bytes(f.type) && rows_is_bytes(t.type))
        return t.type != NANOARROW_TYPE_FIXED_SIZE_BINARY || (f.type == t.type && f.fixed_size == t.fixed_size);
    if (rows_is_text(f.type))
        return rows_is_text(t.type) || (rows_is_bytes(t.type) && t.type != NANOARROW_TYPE_FIXED_SIZE_BINARY);
    if (rows_is_list(f.type) && rows_is_list(t.type))
        return t.type != NANOARROW_TYPE_FIXED_SIZE_LIST || (f.type == t.type && f.fixed_size == t.fixed_size);
    if (f.type == NANOARROW_TYPE_TIMESTAMP && t.type == NANOARROW_TYPE_TIMESTAMP)
        return t.time_unit >= f.time_unit && rows_is_same_zone(f.timezone, t.timezone);
    if (rows_is_time(f.type) && rows_is_time(t.type))
        return t.time_unit >= f.time_unit;
    if (f.type == NANOARROW_TYPE_DATE32 && t.type == NANOARROW_TYPE_DATE64)
        return true;
    if (f.type == t.type && !rows_is_decimal(f.type))
        return strcmp(f.schema->format, t.schema->format) == 0;
    return numbers_fit(&f, &t);
}

bool rows_text_is_readable(const struct ArrowSchema *from, const struct ArrowSchema *to)
{
    struct ArrowSchemaView f;
    struct ArrowSchemaView t;
    if (!init_views(from, to, &f, &t))
        return false;
    if (f.type == NANOARROW_TYPE_NA)
        return true;
    if (f.type == NANOARROW_TYPE_INT64)
        return bits_of(t.type) > 0 || rows_is_decimal(t.type);
    if (f.type == NANOARROW_TYPE_DOUBLE)
        return rows_is_float(t.type) || rows_is_decimal(t.type);
    if (rows_is_text(f.type))
        return rows_is_text(t.type) || rows_is_bytes(t.type) || rows_is_decimal(t.type) || rows_is_date(t.type) ||
               rows_is_time(t.type) || t.type == NANOARROW_TYPE_TIMESTAMP;
    if (rows_is_list(f.type))
        return rows_is_list(t.type);
    if (f.type == NANOARROW_TYPE_STRUCT)
        return t.type == NANOARROW_TYPE_STRUCT || t.type == NANOARROW_TYPE_MAP;
    return f.type == t.type;
}
