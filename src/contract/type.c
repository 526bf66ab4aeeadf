/* contract/type.c — the types of the contract language, a line each: name, Arrow format, what a type takes. */
#include "contract/contract.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* format   of decimals and sized types what stands before their numbers
 * bits     of a decimal, for the format; 0: Arrow leaves 128 out
 * not_in_delta   what to use where a Delta table has to hold the values; NULL: it can */
struct type {
    const char *name;
    const char *format;
    enum contract_shape shape;
    int32_t max_precision;
    int bits;
    const char *not_in_delta;
};

#define PLAIN CONTRACT_SHAPE_PLAIN

static const struct type types[] = {
    [CONTRACT_NULL] = {"null", "n", PLAIN, 0, 0, "a nullable column of the type that its values will have"},
    [CONTRACT_BOOL] = {"bool", "b", PLAIN, 0, 0, NULL},
    [CONTRACT_INT8] = {"int8", "c", PLAIN, 0, 0, NULL},
    [CONTRACT_INT16] = {"int16", "s", PLAIN, 0, 0, NULL},
    [CONTRACT_INT32] = {"int32", "i", PLAIN, 0, 0, NULL},
    [CONTRACT_INT64] = {"int64", "l", PLAIN, 0, 0, NULL},
    [CONTRACT_UINT8] = {"uint8", "C", PLAIN, 0, 0, NULL},
    [CONTRACT_UINT16] = {"uint16", "S", PLAIN, 0, 0, NULL},
    [CONTRACT_UINT32] = {"uint32", "I", PLAIN, 0, 0, NULL},
    [CONTRACT_UINT64] = {"uint64", "L", PLAIN, 0, 0, NULL},
    [CONTRACT_FLOAT16] = {"float16", "e", PLAIN, 0, 0, "float32"},
    [CONTRACT_FLOAT32] = {"float32", "f", PLAIN, 0, 0, NULL},
    [CONTRACT_FLOAT64] = {"float64", "g", PLAIN, 0, 0, NULL},
    [CONTRACT_UTF8] = {"utf8", "u", PLAIN, 0, 0, NULL},
    [CONTRACT_LARGE_UTF8] = {"large_utf8", "U", PLAIN, 0, 0, NULL},
    [CONTRACT_UTF8_VIEW] = {"utf8_view", "vu", PLAIN, 0, 0, NULL},
    [CONTRACT_BINARY] = {"binary", "z", PLAIN, 0, 0, NULL},
    [CONTRACT_LARGE_BINARY] = {"large_binary", "Z", PLAIN, 0, 0, NULL},
    [CONTRACT_BINARY_VIEW] = {"binary_view", "vz", PLAIN, 0, 0, NULL},
    [CONTRACT_FIXED_SIZE_BINARY] = {"fixed_size_binary", "w:", CONTRACT_SHAPE_BYTES, 0, 0, NULL},
    [CONTRACT_DATE32] = {"date32", "tdD", PLAIN, 0, 0, NULL},
    [CONTRACT_DATE64] = {"date64", "tdm", PLAIN, 0, 0, "date32, or timestamp_ms where the time of day counts"},
    [CONTRACT_TIME32_S] = {"time32_s", "tts", PLAIN, 0, 0, "int32, in seconds since midnight"},
    [CONTRACT_TIME32_MS] = {"time32_ms", "ttm", PLAIN, 0, 0, "int32, in milliseconds since midnight"},
    [CONTRACT_TIME64_US] = {"time64_us", "ttu", PLAIN, 0, 0, "int64, in microseconds since midnight"},
    [CONTRACT_TIME64_NS] = {"time64_ns", "ttn", PLAIN, 0, 0, "int64, in nanoseconds since midnight"},
    [CONTRACT_TIMESTAMP_S] = {"timestamp_s", "tss:", CONTRACT_SHAPE_TIMESTAMP, 0, 0, NULL},
    [CONTRACT_TIMESTAMP_MS] = {"timestamp_ms", "tsm:", CONTRACT_SHAPE_TIMESTAMP, 0, 0, NULL},
    [CONTRACT_TIMESTAMP_US] = {"timestamp_us", "tsu:", CONTRACT_SHAPE_TIMESTAMP, 0, 0, NULL},
    [CONTRACT_TIMESTAMP_NS] = {"timestamp_ns", "tsn:", CONTRACT_SHAPE_TIMESTAMP, 0, 0,
                               "timestamp_us, or int64 where nanoseconds count"},
    [CONTRACT_DURATION_S] = {"duration_s", "tDs", PLAIN, 0, 0, "int64, in seconds"},
    [CONTRACT_DURATION_MS] = {"duration_ms", "tDm", PLAIN, 0, 0, "int64, in milliseconds"},
    [CONTRACT_DURATION_US] = {"duration_us", "tDu", PLAIN, 0, 0, "int64, in microseconds"},
    [CONTRACT_DURATION_NS] = {"duration_ns", "tDn", PLAIN, 0, 0, "int64, in nanoseconds"},
    [CONTRACT_INTERVAL_YEAR_MONTH] = {"interval_year_month", "tiM", PLAIN, 0, 0, "int32, in months"},
    [CONTRACT_INTERVAL_DAY_TIME] = {"interval_day_time", "tiD", PLAIN, 0, 0,
                                    "a struct of days (int32) and milliseconds (int32)"},
    [CONTRACT_INTERVAL_MONTH_DAY_NANO] = {"interval_month_day_nano", "tin", PLAIN, 0, 0,
                                          "a struct of months (int32), days (int32) and nanoseconds (int64)"},
    [CONTRACT_DECIMAL32] = {"decimal32", "d:", CONTRACT_SHAPE_DECIMAL, 9, 32, "decimal128"},
    [CONTRACT_DECIMAL64] = {"decimal64", "d:", CONTRACT_SHAPE_DECIMAL, 18, 64, "decimal128"},
    [CONTRACT_DECIMAL128] = {"decimal128", "d:", CONTRACT_SHAPE_DECIMAL, 38, 0, NULL},
    [CONTRACT_DECIMAL256] = {"decimal256", "d:", CONTRACT_SHAPE_DECIMAL, 76, 256,
                             "decimal128 of at most 38 digits, or utf8"},
    [CONTRACT_LIST] = {"list", "+l", CONTRACT_SHAPE_LIST, 0, 0, NULL},
    [CONTRACT_LARGE_LIST] = {"large_list", "+L", CONTRACT_SHAPE_LIST, 0, 0, NULL},
    [CONTRACT_LIST_VIEW] = {"list_view", "+vl", CONTRACT_SHAPE_LIST, 0, 0, NULL},
    [CONTRACT_LARGE_LIST_VIEW] = {"large_list_view", "+vL", CONTRACT_SHAPE_LIST, 0, 0, NULL},
    [CONTRACT_FIXED_SIZE_LIST] = {"fixed_size_list", "+w:", CONTRACT_SHAPE_SIZED_LIST, 0, 0, NULL},
    [CONTRACT_STRUCT] = {"struct", "+s", CONTRACT_SHAPE_STRUCT, 0, 0, NULL},
    [CONTRACT_MAP] = {"map", "+m", CONTRACT_SHAPE_MAP, 0, 0, NULL},
    [CONTRACT_DICTIONARY] = {"dictionary", NULL, CONTRACT_SHAPE_DICTIONARY, 0, 0, NULL},
};

_Static_assert(G_N_ELEMENTS(types) == CONTRACT_N_TYPES, "a line for each type");

const char *contract_type_name(enum contract_type type)
{
    return (size_t)type < G_N_ELEMENTS(types) ? types[type].name : "?";
}

enum contract_shape contract_type_shape(enum contract_type type)
{
    return types[type].shape;
}

bool contract_type_from_name(const char *name, enum contract_type *ret)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(name, types[i].name) == 0) {
            *ret = (enum contract_type)i;
            return true;
        }
    }
    return false;
}

int32_t contract_type_max_precision(enum contract_type type)
{
    return types[type].max_precision;
}

void contract_arrow_format(const struct contract_field *field, char ret[CONTRACT_FORMAT_SIZE])
{
    const struct type *t = &types[field->type];
    switch (t->shape) {
    case CONTRACT_SHAPE_DECIMAL:
        if (t->bits == 0)
            snprintf(ret, CONTRACT_FORMAT_SIZE, "d:%d,%d", field->precision, field->scale);
        else
            snprintf(ret, CONTRACT_FORMAT_SIZE, "d:%d,%d,%d", field->precision, field->scale, t->bits);
        return;
    case CONTRACT_SHAPE_TIMESTAMP:
        snprintf(ret, CONTRACT_FORMAT_SIZE, "%s%s", t->format, field->zone == NULL ? "" : field->zone);
        return;
    case CONTRACT_SHAPE_BYTES:
    case CONTRACT_SHAPE_SIZED_LIST:
        snprintf(ret, CONTRACT_FORMAT_SIZE, "%s%d", t->format, field->size);
        return;
    case CONTRACT_SHAPE_DICTIONARY:
        snprintf(ret, CONTRACT_FORMAT_SIZE, "%s", types[field->index].format);
        return;
    case CONTRACT_SHAPE_PLAIN:
    case CONTRACT_SHAPE_LIST:
    case CONTRACT_SHAPE_STRUCT:
    case CONTRACT_SHAPE_MAP:
        break;
    }
    snprintf(ret, CONTRACT_FORMAT_SIZE, "%s", t->format);
}

char *contract_type_text(const struct contract_field *field)
{
    const struct type *t = &types[field->type];
    switch (t->shape) {
    case CONTRACT_SHAPE_DECIMAL:
        return g_strdup_printf("%s(%d, %d)", t->name, field->precision, field->scale);
    case CONTRACT_SHAPE_TIMESTAMP:
        return field->zone == NULL ? g_strdup(t->name) : g_strdup_printf("%s(%s)", t->name, field->zone);
    case CONTRACT_SHAPE_BYTES:
    case CONTRACT_SHAPE_SIZED_LIST:
        return g_strdup_printf("%s(%d)", t->name, field->size);
    case CONTRACT_SHAPE_DICTIONARY: {
        g_autofree char *value = contract_type_text(&field->children[0]);
        return g_strdup_printf("%s(%s, %s)", t->name, types[field->index].name, value);
    }
    case CONTRACT_SHAPE_PLAIN:
    case CONTRACT_SHAPE_LIST:
    case CONTRACT_SHAPE_STRUCT:
    case CONTRACT_SHAPE_MAP:
        break;
    }
    return g_strdup(t->name);
}

bool contract_type_equal(const struct contract_field *a, const struct contract_field *b)
{
    g_autofree char *x = contract_type_text(a);
    g_autofree char *y = contract_type_text(b);
    return strcmp(x, y) == 0;
}

char *contract_child_path(const char *path, const struct contract_field *field, size_t i)
{
    const char *name = field->children[i].name;
    const enum contract_shape shape = contract_type_shape(field->type);
    if ((shape & CONTRACT_SHAPES_LIST) != 0)
        return g_strconcat(path, "[]", NULL);
    return shape == CONTRACT_SHAPE_MAP ? g_strconcat(path, "{", name, "}", NULL) : g_strconcat(path, ".", name, NULL);
}

/* ---- width ------------------------------------------------------------------------------------------------------ */

static bool is_between(enum contract_type t, enum contract_type first, enum contract_type last)
{
    return t >= first && t <= last;
}

static bool is_signed(enum contract_type t)
{
    return is_between(t, CONTRACT_INT8, CONTRACT_INT64);
}

static bool is_unsigned(enum contract_type t)
{
    return is_between(t, CONTRACT_UINT8, CONTRACT_UINT64);
}

/* 0 for 8 bits, 3 for 64. */
static int width(enum contract_type t)
{
    return is_signed(t) ? (int)(t - CONTRACT_INT8) : (int)(t - CONTRACT_UINT8);
}

static bool is_wider_number(enum contract_type x, enum contract_type y)
{
    const bool is_int = is_signed(x) || is_unsigned(x);
    if (is_int && (is_signed(y) || is_unsigned(y)))
        return (is_signed(y) || is_unsigned(x)) && width(y) > width(x);
    if (is_int && is_between(y, CONTRACT_FLOAT16, CONTRACT_FLOAT64))
        /* 11, 24 and 53 bits of mantissa hold integers of 8, 16 and 32 bits. */
        return width(x) <= (int)(y - CONTRACT_FLOAT16);
    return is_between(x, CONTRACT_FLOAT16, CONTRACT_FLOAT64) && is_between(y, CONTRACT_FLOAT16, CONTRACT_FLOAT64) &&
           y > x;
}

bool contract_type_can_lose(enum contract_type from, enum contract_type to)
{
    static const struct {
        enum contract_type first;
        enum contract_type last;
    } families[] = {
        {CONTRACT_DATE32, CONTRACT_DATE64},
        {CONTRACT_TIME32_S, CONTRACT_TIME64_NS},
        {CONTRACT_TIMESTAMP_S, CONTRACT_TIMESTAMP_NS},
        {CONTRACT_DURATION_S, CONTRACT_DURATION_NS},
        {CONTRACT_FLOAT16, CONTRACT_FLOAT64},
    };
    /* The finer ones stand behind the coarser ones. */
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        if (is_between(from, families[i].first, families[i].last) &&
            is_between(to, families[i].first, families[i].last))
            return from > to;
    }
    const bool from_int = is_signed(from) || is_unsigned(from);
    const bool to_int = is_signed(to) || is_unsigned(to);
    if ((from_int && is_between(to, CONTRACT_FLOAT16, CONTRACT_FLOAT64)))
        return !is_wider_number(from, to);
    if (is_between(from, CONTRACT_FLOAT16, CONTRACT_FLOAT64))
        return to_int;
    return types[from].shape == CONTRACT_SHAPE_DECIMAL && types[to].shape == CONTRACT_SHAPE_DECIMAL;
}

bool contract_type_is_wider(const struct contract_field *a, const struct contract_field *b)
{
    const enum contract_type x = a->type;
    const enum contract_type y = b->type;
    const enum contract_shape s = types[x].shape;
    const enum contract_shape t = types[y].shape;
    if (s == CONTRACT_SHAPE_DICTIONARY) {
        const bool same = t == CONTRACT_SHAPE_DICTIONARY && contract_type_equal(&a->children[0], &b->children[0]) &&
                          is_wider_number(a->index, b->index);
        return same || contract_type_equal(&a->children[0], b) || contract_type_is_wider(&a->children[0], b);
    }
    if (s == CONTRACT_SHAPE_DECIMAL && t == CONTRACT_SHAPE_DECIMAL)
        return b->scale >= a->scale && b->precision - b->scale >= a->precision - a->scale;
    if (x == CONTRACT_NULL)
        return y != CONTRACT_NULL;
    if (is_between(x, CONTRACT_UTF8, CONTRACT_UTF8_VIEW) && is_between(y, CONTRACT_UTF8, CONTRACT_UTF8_VIEW))
        return x != y;
    if (is_between(x, CONTRACT_BINARY, CONTRACT_FIXED_SIZE_BINARY) &&
        is_between(y, CONTRACT_BINARY, CONTRACT_BINARY_VIEW))
        return x != y;
    if (is_between(x, CONTRACT_TIME32_S, CONTRACT_TIME64_NS) && is_between(y, CONTRACT_TIME32_S, CONTRACT_TIME64_NS))
        return y > x;
    if (x == CONTRACT_DATE32)
        return y == CONTRACT_DATE64;
    if ((s & CONTRACT_SHAPES_LIST) != 0 && t == CONTRACT_SHAPE_LIST)
        return x != y;
    return is_wider_number(x, y);
}

const char *contract_type_not_in_delta(const struct contract_field *field)
{
    const struct type *t = &types[field->type];
    if (t->shape == CONTRACT_SHAPE_DICTIONARY)
        return contract_type_not_in_delta(&field->children[0]);
    if (t->not_in_delta == NULL && field->scale < 0)
        return "a scale from 0";
    if (t->not_in_delta == NULL && field->zone != NULL && strcmp(field->zone, "UTC") != 0)
        return "zone UTC";
    return t->not_in_delta;
}
