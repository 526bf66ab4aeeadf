/* rows/align.c — a batch becomes one of the declared schema, losing nothing but what its contract lets go.
 *
 * Per column of the plan (align.h) either the buffers change owner, and nothing is copied, or values are copied one by
 * one, with a cast, a default, a code in a dictionary, or a walk into children. What depends on values is refused at
 * the value, with its row.
 */
#include "rows/align.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "rows/types.h"
#include "rows/widen.h"

/* from      the schema of batches
 * to        of what they become; both are ours
 * row       that is looked at, counted from the first batch on
 * n_rows    of the batches before */
struct rows_aligner {
    struct ArrowSchema from;
    struct ArrowSchema to;
    struct rows_plan plan;
    int64_t row;
    int64_t n_rows;
    struct ca_error *err;
};

/* ---- values ----------------------------------------------------------------------------------------------------- */

static int no_memory(struct rows_aligner *a, const struct rows_plan *p, int rc)
{
    return ca_fail_errno(a->err, CA_ERR_RESOURCES, rc, "cannot align '%s'", p->path);
}

#define APPEND(a, p, call)                          \
    do {                                            \
        int append_rc_ = (call);                    \
        if (append_rc_ != NANOARROW_OK)             \
            return no_memory((a), (p), append_rc_); \
    } while (0)

static int refuse_value(struct rows_aligner *a, const struct rows_plan *p, const char *value)
{
    return ca_fail(a->err, CA_ERR_DRIFT, "'%s' row %" G_GINT64_FORMAT ": %s does not fit type %s", p->path, a->row,
                   value, ArrowTypeString(p->to.type));
}

static int append_null(struct rows_aligner *a, const struct rows_plan *p, struct ArrowArray *out)
{
    if (!p->is_nullable)
        return ca_fail(a->err, CA_ERR_DRIFT, "'%s' row %" G_GINT64_FORMAT ": null where the contract says not null",
                       p->path, a->row);
    APPEND(a, p, ArrowArrayAppendNull(out, 1));
    return CA_OK;
}

static bool int_fits(int64_t v, enum ArrowType t)
{
    switch (t) {
    case NANOARROW_TYPE_INT8:
        return v >= INT8_MIN && v <= INT8_MAX;
    case NANOARROW_TYPE_INT16:
        return v >= INT16_MIN && v <= INT16_MAX;
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_DATE32:
    case NANOARROW_TYPE_TIME32:
        return v >= INT32_MIN && v <= INT32_MAX;
    case NANOARROW_TYPE_UINT8:
        return v >= 0 && v <= UINT8_MAX;
    case NANOARROW_TYPE_UINT16:
        return v >= 0 && v <= UINT16_MAX;
    case NANOARROW_TYPE_UINT32:
        return v >= 0 && v <= UINT32_MAX;
    case NANOARROW_TYPE_UINT64:
        return v >= 0;
    default:
        return true;
    }
}

/* The nearest value that a float type has. */
static double nearest(double v, enum ArrowType t)
{
    if (t == NANOARROW_TYPE_HALF_FLOAT)
        return (double)ArrowHalfFloatToFloat(ArrowFloatToHalfFloat((float)v));
    return t == NANOARROW_TYPE_FLOAT ? (double)(float)v : v;
}

static int append_float(struct rows_aligner *a, const struct rows_plan *p, double v, struct ArrowArray *out)
{
    const double to = isfinite(v) ? nearest(v, p->to.type) : v;
    if (isfinite(v) && (isinf(to) || (to != v && !p->can_lose))) {
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        return refuse_value(a, p, g_ascii_dtostr(text, sizeof text, v));
    }
    APPEND(a, p, ArrowArrayAppendDouble(out, to));
    return CA_OK;
}

/* A float as a whole number, what is behind the point cut off. */
static int append_whole(struct rows_aligner *a, const struct rows_plan *p, double v, struct ArrowArray *out)
{
    const double whole = trunc(v);
    const bool is_wide = p->to.type == NANOARROW_TYPE_UINT64 && whole >= 0 && whole < 0x1p64;
    if (is_wide) {
        APPEND(a, p, ArrowArrayAppendUInt(out, (uint64_t)whole));
        return CA_OK;
    }
    if (!(whole >= -0x1p63 && whole < 0x1p63) || !int_fits((int64_t)whole, p->to.type)) {
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        return refuse_value(a, p, g_ascii_dtostr(text, sizeof text, v));
    }
    APPEND(a, p, ArrowArrayAppendInt(out, (int64_t)whole));
    return CA_OK;
}

static int append_double(struct rows_aligner *a, const struct rows_plan *p, double v, struct ArrowArray *out)
{
    return rows_is_float(p->to.type) ? append_float(a, p, v, out) : append_whole(a, p, v, out);
}

/* Whole numbers up to here are floats too, each of them. */
static int64_t whole_limit(enum ArrowType t)
{
    return t == NANOARROW_TYPE_DOUBLE  ? (int64_t)1 << 53
           : t == NANOARROW_TYPE_FLOAT ? (int64_t)1 << 24
                                       : (int64_t)1 << 11;
}

static int append_int(struct rows_aligner *a, const struct rows_plan *p, int64_t v, struct ArrowArray *out)
{
    g_autofree char *text = NULL;
    if (rows_is_float(p->to.type)) {
        const int64_t limit = whole_limit(p->to.type);
        if (p->can_lose || (v >= -limit && v <= limit))
            return append_float(a, p, p->to.type == NANOARROW_TYPE_FLOAT ? (double)(float)v : (double)v, out);
        text = g_strdup_printf("%" G_GINT64_FORMAT, v);
        return refuse_value(a, p, text);
    }
    int64_t scaled = v;
    bool fits = p->multiplier >= 0 ? !__builtin_mul_overflow(v, p->multiplier, &scaled)
                                   : p->can_lose || v % -p->multiplier == 0;
    if (fits && p->multiplier < 0)
        scaled = v / -p->multiplier;
    if (!fits || !int_fits(scaled, p->to.type)) {
        text = g_strdup_printf("%" G_GINT64_FORMAT, v);
        return refuse_value(a, p, text);
    }
    if (p->to.type == NANOARROW_TYPE_UINT64)
        APPEND(a, p, ArrowArrayAppendUInt(out, (uint64_t)scaled));
    else
        APPEND(a, p, ArrowArrayAppendInt(out, scaled));
    return CA_OK;
}

static int append_uint(struct rows_aligner *a, const struct rows_plan *p, uint64_t v, struct ArrowArray *out)
{
    if (v <= INT64_MAX)
        return append_int(a, p, (int64_t)v, out);
    if (p->to.type == NANOARROW_TYPE_UINT64) {
        APPEND(a, p, ArrowArrayAppendUInt(out, v));
        return CA_OK;
    }
    if (rows_is_float(p->to.type) && p->can_lose)
        return append_float(a, p, p->to.type == NANOARROW_TYPE_FLOAT ? (double)(float)v : (double)v, out);
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, v);
    return refuse_value(a, p, text);
}

/* ---- decimals --------------------------------------------------------------------------------------------------- */

static int32_t decimal_bits(enum ArrowType t)
{
    return t == NANOARROW_TYPE_DECIMAL32    ? 32
           : t == NANOARROW_TYPE_DECIMAL64  ? 64
           : t == NANOARROW_TYPE_DECIMAL128 ? 128
                                            : 256;
}

/* "-1995" → "-1996" */
static void add_one(GString *digits)
{
    for (gsize i = digits->len; i > 0 && digits->str[i - 1] != '-'; i--) {
        if (digits->str[i - 1] != '9') {
            digits->str[i - 1]++;
            return;
        }
        digits->str[i - 1] = '0';
    }
    g_string_insert_c(digits, digits->str[0] == '-', '1');
}

/* The digits of a number with `shift` more of them behind the point; fewer, when it is negative, rounded half away from
 * zero. False when that loses something. */
static bool shift_digits(GString *digits, int32_t shift)
{
    const gsize sign = digits->str[0] == '-';
    for (; shift > 0; shift--)
        g_string_append_c(digits, '0');
    if (shift == 0)
        return true;
    const gsize n_lost = (gsize)-shift;
    while (digits->len - sign < n_lost + 1)
        g_string_insert_c(digits, (gssize)sign, '0');
    const gsize cut = digits->len - n_lost;
    const bool is_up = digits->str[cut] >= '5';
    const bool is_exact = strspn(digits->str + cut, "0") == n_lost;
    g_string_truncate(digits, cut);
    if (is_up)
        add_one(digits);
    return is_exact;
}

static gsize count_digits(const GString *digits)
{
    const char *first = digits->str + (digits->str[0] == '-');
    return strlen(first + strspn(first, "0"));
}

/* Takes the digits, of a number with `scale` of them behind the point. */
static int append_digits(struct rows_aligner *a, const struct rows_plan *p, char *text, int32_t scale,
                         struct ArrowArray *out)
{
    g_autofree char *said = text;
    g_autoptr(GString) digits = g_string_new(said);
    struct ArrowDecimal value;
    ArrowDecimalInit(&value, decimal_bits(p->to.type), p->to.decimal_precision, p->to.decimal_scale);
    const bool is_exact = shift_digits(digits, p->to.decimal_scale - scale);
    struct ArrowStringView view = {digits->str, (int64_t)digits->len};
    if ((!is_exact && !p->can_lose) || count_digits(digits) > (gsize)p->to.decimal_precision ||
        ArrowDecimalSetDigits(&value, view) != NANOARROW_OK) {
        if (scale != 0) {
            g_autofree char *scaled = g_strdup_printf("%se%d", said, -scale);
            return refuse_value(a, p, scaled);
        }
        return refuse_value(a, p, said);
    }
    APPEND(a, p, ArrowArrayAppendDecimal(out, &value));
    return CA_OK;
}

static int append_decimal(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                          struct ArrowArray *out)
{
    if (rows_is_unsigned(p->from.type))
        return append_digits(a, p, g_strdup_printf("%" G_GUINT64_FORMAT, ArrowArrayViewGetUIntUnsafe(in, i)), 0, out);
    if (rows_is_int(p->from.type))
        return append_digits(a, p, g_strdup_printf("%" G_GINT64_FORMAT, ArrowArrayViewGetIntUnsafe(in, i)), 0, out);
    struct ArrowDecimal value;
    ArrowDecimalInit(&value, decimal_bits(p->from.type), p->from.decimal_precision, p->from.decimal_scale);
    ArrowArrayViewGetDecimalUnsafe(in, i, &value);
    if (p->from.type == p->to.type && p->from.decimal_scale == p->to.decimal_scale &&
        p->from.decimal_precision <= p->to.decimal_precision) {
        APPEND(a, p, ArrowArrayAppendDecimal(out, &value));
        return CA_OK;
    }
    struct ArrowBuffer buffer;
    ArrowBufferInit(&buffer);
    int rc = ArrowDecimalAppendDigitsToBuffer(&value, &buffer);
    char *text = rc == NANOARROW_OK ? g_strndup((const char *)buffer.data, (gsize)buffer.size_bytes) : NULL;
    ArrowBufferReset(&buffer);
    if (rc != NANOARROW_OK)
        return no_memory(a, p, rc);
    return append_digits(a, p, text, p->from.decimal_scale, out);
}

/* ---- dictionaries ----------------------------------------------------------------------------------------------- */

/* The bytes of a value of the source, the same for equal values. */
static GBytes *value_key(const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i)
{
    if (p->step == ROWS_STEP_FILL)
        return g_bytes_new(NULL, 0);
    if (p->step == ROWS_STEP_BYTES) {
        struct ArrowBufferView bytes = ArrowArrayViewGetBytesUnsafe(in, i);
        return g_bytes_new(bytes.data.data, (gsize)bytes.size_bytes);
    }
    if (p->step == ROWS_STEP_DECIMAL && rows_is_decimal(p->from.type)) {
        struct ArrowDecimal value;
        ArrowDecimalInit(&value, decimal_bits(p->from.type), p->from.decimal_precision, p->from.decimal_scale);
        memset(value.words, 0, sizeof value.words);
        ArrowArrayViewGetDecimalUnsafe(in, i, &value);
        return g_bytes_new(value.words, sizeof value.words);
    }
    if (p->step == ROWS_STEP_INTERVAL) {
        struct ArrowInterval value;
        ArrowIntervalInit(&value, p->from.type);
        ArrowArrayViewGetIntervalUnsafe(in, i, &value);
        const int64_t parts[] = {value.months, value.days, value.ms, value.ns};
        return g_bytes_new(parts, sizeof parts);
    }
    if (p->step == ROWS_STEP_DOUBLE) {
        const double value = ArrowArrayViewGetDoubleUnsafe(in, i);
        return g_bytes_new(&value, sizeof value);
    }
    const int64_t value = ArrowArrayViewGetIntUnsafe(in, i);
    return g_bytes_new(&value, sizeof value);
}

static int append_plain(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                        struct ArrowArray *out);

/* The value's code; a value that is met for the first time gets the next one. */
static int append_code(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                       struct ArrowArray *out)
{
    g_autoptr(GBytes) key = value_key(p, in, i);
    gpointer code = NULL;
    if (!g_hash_table_lookup_extended(p->codes, key, NULL, &code)) {
        const int64_t next = out->dictionary->length;
        if (!int_fits(next, p->index_type))
            return ca_fail(a->err, CA_ERR_DRIFT,
                           "'%s' row %" G_GINT64_FORMAT ": more than %" G_GINT64_FORMAT
                           " different values, which is what a dictionary by %s can hold",
                           p->path, a->row, next, ArrowTypeString(p->index_type));
        CA_TRY(append_plain(a, p, in, i, out->dictionary));
        code = GSIZE_TO_POINTER((gsize)next);
        g_hash_table_insert(p->codes, g_bytes_ref(key), code);
    }
    APPEND(a, p, ArrowArrayAppendInt(out, (int64_t)GPOINTER_TO_SIZE(code)));
    return CA_OK;
}

/* ---- values of every type --------------------------------------------------------------------------------------- */

static int append_fill(struct rows_aligner *a, const struct rows_plan *p, struct ArrowArray *out)
{
    struct ArrowBufferView bytes = {.data.data = p->fill.bytes, .size_bytes = (int64_t)p->fill.n_bytes};
    switch (p->fill.kind) {
    case NANOARROW_TYPE_BOOL:
        APPEND(a, p, ArrowArrayAppendInt(out, p->fill.i));
        return CA_OK;
    case NANOARROW_TYPE_INT64:
        return append_int(a, p, p->fill.i, out);
    case NANOARROW_TYPE_DOUBLE:
        return append_double(a, p, p->fill.d, out);
    case NANOARROW_TYPE_STRING:
        APPEND(a, p, ArrowArrayAppendBytes(out, bytes));
        return CA_OK;
    default:
        APPEND(a, p, ArrowArrayFinishElement(out));
        return CA_OK;
    }
}

static int append_value(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                        struct ArrowArray *out);

/* Where the items of list row i are in its child. */
static void list_range(const struct ArrowArrayView *in, int64_t i, int64_t *ret_first, int64_t *ret_end)
{
    const int64_t at = in->offset + i;
    switch (in->storage_type) {
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
        *ret_first = at * in->layout.child_size_elements;
        *ret_end = *ret_first + in->layout.child_size_elements;
        return;
    case NANOARROW_TYPE_LIST_VIEW:
        *ret_first = in->buffer_views[1].data.as_int32[at];
        *ret_end = *ret_first + in->buffer_views[2].data.as_int32[at];
        return;
    case NANOARROW_TYPE_LARGE_LIST_VIEW:
        *ret_first = in->buffer_views[1].data.as_int64[at];
        *ret_end = *ret_first + in->buffer_views[2].data.as_int64[at];
        return;
    default:
        *ret_first = ArrowArrayViewListChildOffset(in, at);
        *ret_end = ArrowArrayViewListChildOffset(in, at + 1);
    }
}

static int append_list(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                       struct ArrowArray *out)
{
    int64_t first = 0;
    int64_t end = 0;
    list_range(in, i, &first, &end);
    for (int64_t k = first; k < end; k++) {
        if (p->step == ROWS_STEP_LIST) {
            CA_TRY(append_value(a, &p->children[0], in->children[0], k, out->children[0]));
            continue;
        }
        const struct ArrowArrayView *entries = in->children[0];
        struct ArrowArray *out_entries = out->children[0];
        for (int64_t part = 0; part < 2; part++)
            CA_TRY(append_value(a, &p->children[part], entries->children[part], entries->offset + k,
                                out_entries->children[part]));
        APPEND(a, p, ArrowArrayFinishElement(out_entries));
    }
    APPEND(a, p, ArrowArrayFinishElement(out));
    return CA_OK;
}

static int append_struct(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                         struct ArrowArray *out)
{
    for (int64_t k = 0; k < p->n_children; k++) {
        const struct rows_plan *child = &p->children[k];
        CA_TRY(append_value(a, child, child->child < 0 ? NULL : in->children[child->child], in->offset + i,
                            out->children[k]));
    }
    APPEND(a, p, ArrowArrayFinishElement(out));
    return CA_OK;
}

static int append_interval(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in,
                           int64_t i, struct ArrowArray *out)
{
    struct ArrowInterval value;
    ArrowIntervalInit(&value, p->from.type);
    ArrowArrayViewGetIntervalUnsafe(in, i, &value);
    APPEND(a, p, ArrowArrayAppendInterval(out, &value));
    return CA_OK;
}

/* A value that is no null, in the type of the target's values. */
static int append_plain(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                        struct ArrowArray *out)
{
    switch (p->step) {
    case ROWS_STEP_FILL:
        return append_fill(a, p, out);
    case ROWS_STEP_BOOL:
        APPEND(a, p, ArrowArrayAppendInt(out, ArrowArrayViewGetIntUnsafe(in, i)));
        return CA_OK;
    case ROWS_STEP_INT:
        return append_int(a, p, ArrowArrayViewGetIntUnsafe(in, i), out);
    case ROWS_STEP_UINT:
        return append_uint(a, p, ArrowArrayViewGetUIntUnsafe(in, i), out);
    case ROWS_STEP_DOUBLE:
        return append_double(a, p, ArrowArrayViewGetDoubleUnsafe(in, i), out);
    case ROWS_STEP_BYTES:
        APPEND(a, p, ArrowArrayAppendBytes(out, ArrowArrayViewGetBytesUnsafe(in, i)));
        return CA_OK;
    case ROWS_STEP_DECIMAL:
        return append_decimal(a, p, in, i, out);
    case ROWS_STEP_INTERVAL:
        return append_interval(a, p, in, i, out);
    case ROWS_STEP_STRUCT:
        return append_struct(a, p, in, i, out);
    case ROWS_STEP_LIST:
    case ROWS_STEP_MAP:
        return append_list(a, p, in, i, out);
    case ROWS_STEP_NULL:
        break;
    }
    return ca_bug(a->err, "an alignment step without a rule");
}

static int append_value(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *in, int64_t i,
                        struct ArrowArray *out)
{
    const bool is_fill = p->step == ROWS_STEP_FILL;
    if (p->step == ROWS_STEP_NULL || (is_fill && p->fill.kind == NANOARROW_TYPE_NA) ||
        (!is_fill && ArrowArrayViewIsNull(in, i)))
        return append_null(a, p, out);
    if (!is_fill && in->dictionary != NULL) {
        const int64_t at = ArrowArrayViewGetIntUnsafe(in, i);
        if (at < 0 || at >= in->dictionary->length)
            return ca_fail(a->err, CA_ERR_ENGINE, "'%s' row %" G_GINT64_FORMAT ": dictionary index out of range",
                           p->path, a->row);
        in = in->dictionary;
        i = at;
        if (ArrowArrayViewIsNull(in, i))
            return append_null(a, p, out);
    }
    return p->codes ? append_code(a, p, in, i, out) : append_plain(a, p, in, i, out);
}

/* Whether a column whose layout is right may hold a null where the target says NOT NULL. Counts nulls of whole
 * children, so it may say yes where a copy will find that all is well. */
static bool may_break_not_null(const struct rows_plan *p, const struct ArrowArrayView *in)
{
    if (!p->is_nullable && (ArrowArrayViewComputeNullCount(in) > 0 ||
                            (in->dictionary != NULL && ArrowArrayViewComputeNullCount(in->dictionary) > 0)))
        return true;
    for (int64_t i = 0; i < p->n_children; i++) {
        const struct ArrowArrayView *parent = p->step == ROWS_STEP_MAP ? in->children[0] : in;
        if (may_break_not_null(&p->children[i], parent->children[p->children[i].child]))
            return true;
    }
    return false;
}

/* ---- batches ---------------------------------------------------------------------------------------------------- */

/* Take column `at` out of a batch: a child may be moved out of its parent (Arrow C data interface). A sliced batch
 * slices it. */
static void move_column(struct ArrowArray *array, int64_t at, struct ArrowArray *out)
{
    ArrowArrayMove(array->children[at], out);
    if (array->offset != 0 || out->length != array->length) {
        out->offset += array->offset;
        out->length = array->length;
        /* Without a validity buffer the count must be 0; with one, a slice does not know it. */
        if (out->null_count != 0)
            out->null_count = out->n_buffers > 0 && out->buffers[0] == NULL ? 0 : -1;
    }
}

/* Codes are those of one batch. */
static void plan_forget(const struct rows_plan *p)
{
    if (p->codes)
        g_hash_table_remove_all(p->codes);
    for (int64_t i = 0; i < p->n_children; i++)
        plan_forget(&p->children[i]);
}

/* A number whose values are the same ones, as far as no null is in the way. */
static bool is_widened(const struct rows_plan *p, const struct ArrowArrayView *batch)
{
    bool is_number = p->step == ROWS_STEP_INT || p->step == ROWS_STEP_UINT || p->step == ROWS_STEP_DOUBLE;
    return p->child >= 0 && is_number && p->multiplier == 1 && p->index_type == NANOARROW_TYPE_NA &&
           (p->is_nullable || ArrowArrayViewComputeNullCount(batch->children[p->child]) == 0);
}

static int copy_column(struct rows_aligner *a, const struct rows_plan *p, const struct ArrowArrayView *batch,
                       const struct ArrowSchema *to, struct ArrowArray *out)
{
    APPEND(a, p, ArrowArrayInitFromSchema(out, to, NULL));
    APPEND(a, p, ArrowArrayStartAppending(out));
    plan_forget(p);
    bool is_done = false;
    if (is_widened(p, batch))
        APPEND(a, p, rows_widen(batch->children[p->child], batch->offset, batch->length, p->to.type, out, &is_done));
    for (int64_t i = 0; i < batch->length && !is_done; i++) {
        a->row = a->n_rows + i;
        CA_TRY(append_value(a, p, p->child < 0 ? NULL : batch->children[p->child], batch->offset + i, out));
    }
    APPEND(a, p, ArrowArrayFinishBuildingDefault(out, NULL));
    return CA_OK;
}

static int align_columns(struct rows_aligner *a, const struct rows_plan *p, struct ArrowArray *array,
                         const struct ArrowArrayView *batch, const struct ArrowSchema *to, struct ArrowArray *out)
{
    APPEND(a, p, ArrowArrayInitFromType(out, NANOARROW_TYPE_STRUCT));
    APPEND(a, p, ArrowArrayAllocateChildren(out, p->n_children));
    for (int64_t i = 0; i < p->n_children; i++) {
        const struct rows_plan *column = &p->children[i];
        if (column->child >= 0 && column->same_layout && !may_break_not_null(column, batch->children[column->child]))
            move_column(array, column->child, out->children[i]);
        else
            CA_TRY(copy_column(a, column, batch, to->children[i], out->children[i]));
    }
    out->length = batch->length;
    out->null_count = 0;
    return CA_OK;
}

int rows_aligner_new(struct ArrowSchema *from, struct ArrowSchema *to, const struct rows_align_options *options,
                     struct rows_aligner **ret, struct ca_error *err)
{
    struct rows_aligner *a = g_new0(struct rows_aligner, 1);
    ArrowSchemaMove(from, &a->from);
    ArrowSchemaMove(to, &a->to);
    int rc = rows_plan_make(&a->plan, &a->from, &a->to, options, err);
    if (rc != CA_OK) {
        rows_aligner_free(a);
        return rc;
    }
    *ret = a;
    return CA_OK;
}

void rows_aligner_free(struct rows_aligner *a)
{
    if (!a)
        return;
    rows_plan_done(&a->plan);
    if (a->from.release)
        ArrowSchemaRelease(&a->from);
    if (a->to.release)
        ArrowSchemaRelease(&a->to);
    g_free(a);
}

const struct ArrowSchema *rows_aligner_schema(const struct rows_aligner *a)
{
    return &a->to;
}

int rows_aligner_run(struct rows_aligner *a, struct ArrowArray *array, struct ArrowArray *ret, struct ca_error *err)
{
    struct ArrowArrayView batch;
    ArrowArrayViewInitFromType(&batch, NANOARROW_TYPE_UNINITIALIZED);
    struct ArrowArray out = {.release = NULL};
    struct ArrowError why = {.message = ""};
    const int64_t n_rows = array->length;
    a->err = err;

    int rc = CA_OK;
    if (ArrowArrayViewInitFromSchema(&batch, &a->from, &why) != NANOARROW_OK ||
        ArrowArrayViewSetArray(&batch, array, &why) != NANOARROW_OK)
        rc = ca_fail(err, CA_ERR_ENGINE, "a batch does not fit its own schema: %s", why.message);
    if (rc == CA_OK && ArrowArrayViewComputeNullCount(&batch) > 0)
        rc = ca_fail(err, CA_ERR_DRIFT, "a batch has rows that are null as a whole");
    if (rc == CA_OK)
        rc = align_columns(a, &a->plan, array, &batch, &a->to, &out);

    ArrowArrayViewReset(&batch);
    if (array->release != NULL)
        ArrowArrayRelease(array);
    if (rc != CA_OK) {
        if (out.release != NULL)
            ArrowArrayRelease(&out);
        return rc;
    }
    a->n_rows += n_rows;
    ArrowArrayMove(&out, ret);
    return CA_OK;
}
