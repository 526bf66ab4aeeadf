/* rows/align.c — a batch becomes one of the declared schema, losing nothing.
 *
 * A plan is made from the two schemas: per column either MOVE (same layout: buffers change owner, nothing is copied) or
 * copy value by value, with a cast, a default, or a walk into children. Whatever the types already forbid is refused
 * when the plan is made; what depends on values is refused at the value, with its row.
 */
#include <nanoarrow/nanoarrow.h>

#include "rows/rows.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

enum step {
    STEP_FILL, /* the batch lacks it: default or null */
    STEP_INT,
    STEP_UINT,
    STEP_DOUBLE,
    STEP_BYTES,
    STEP_DECIMAL,
    STEP_NULL, /* the batch has the null type */
    STEP_STRUCT,
    STEP_LIST,
    STEP_MAP,
};

/* literal parsed for STEP_FILL; kind NA: null. */
struct literal {
    enum ArrowType kind; /* NA, BOOL, INT64, DOUBLE, STRING (bytes too), LIST (empty) */
    int64_t i;
    double d;
    char *bytes;
    size_t n_bytes;
};

/* One column, field, item, key or value of the target.
 *
 * from, child    the source's schema, and which child of its parent it is; NULL, -1 when lacking
 * same_layout    the buffers are already right, all the way down; NULLs apart
 * multiplier     of timestamps: source units become target units; negative: divided by, without rest
 */
struct plan {
    char *path;
    const struct ArrowSchema *from;
    int64_t child;
    enum ArrowType to_type;
    int32_t precision;
    int32_t scale;
    bool is_nullable;
    bool same_layout;
    bool same_type;
    enum step step;
    int64_t multiplier;
    struct literal fill;
    struct plan *children;
    int64_t n_children;
};

struct aligner {
    const struct rows_default *defaults;
    size_t n_defaults;
    int64_t n_casts;
    int64_t row;
    struct ca_error *err;
};

static void plan_done(struct plan *p)
{
    for (int64_t i = 0; i < p->n_children; i++)
        plan_done(&p->children[i]);
    g_free(p->children);
    g_free(p->path);
    g_free(p->fill.bytes);
}

/* ---- literals --------------------------------------------------------------------------------------------------- */

/* 'a''b' → a'b */
static bool parse_text(const char *text, struct literal *ret)
{
    size_t n = strlen(text);
    if (n < 2 || text[0] != '\'' || text[n - 1] != '\'')
        return false;
    GString *out = g_string_new(NULL);
    for (size_t i = 1; i < n - 1; i++) {
        if (text[i] == '\'') {
            if (i + 1 >= n - 1 || text[i + 1] != '\'') {
                g_string_free(out, TRUE);
                return false;
            }
            i++;
        }
        g_string_append_c(out, text[i]);
    }
    ret->n_bytes = out->len;
    ret->bytes = g_string_free(out, FALSE);
    ret->kind = NANOARROW_TYPE_STRING;
    return true;
}

static bool parse_hex(const char *text, struct literal *ret)
{
    size_t n = strlen(text);
    if (n < 3 || (text[0] != 'X' && text[0] != 'x') || text[1] != '\'' || text[n - 1] != '\'' || n % 2 == 0)
        return false;
    size_t n_bytes = (n - 3) / 2;
    g_autofree char *bytes = g_malloc(n_bytes + 1);
    for (size_t i = 0; i < n_bytes; i++) {
        int high = g_ascii_xdigit_value(text[2 + 2 * i]);
        int low = g_ascii_xdigit_value(text[3 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (char)(high * 16 + low);
    }
    ret->bytes = CA_STEAL(bytes);
    ret->n_bytes = n_bytes;
    ret->kind = NANOARROW_TYPE_STRING;
    return true;
}

static bool parse_number(const char *text, struct literal *ret)
{
    char *end = NULL;
    errno = 0;
    ret->i = g_ascii_strtoll(text, &end, 10);
    if (end != text && *end == '\0' && errno == 0) {
        ret->kind = NANOARROW_TYPE_INT64;
        return true;
    }
    ret->d = g_ascii_strtod(text, &end);
    ret->kind = NANOARROW_TYPE_DOUBLE;
    return end != text && *end == '\0' && isfinite(ret->d);
}

/* Whether `text` is a literal at all. */
static bool parse_literal(const char *text, struct literal *ret)
{
    if (g_ascii_strcasecmp(text, "null") == 0) {
        ret->kind = NANOARROW_TYPE_NA;
        return true;
    }
    if (g_ascii_strcasecmp(text, "true") == 0 || g_ascii_strcasecmp(text, "false") == 0) {
        ret->kind = NANOARROW_TYPE_BOOL;
        ret->i = g_ascii_strcasecmp(text, "true") == 0;
        return true;
    }
    if (strcmp(text, "[]") == 0 || g_ascii_strcasecmp(text, "make_array()") == 0) {
        ret->kind = NANOARROW_TYPE_LIST;
        return true;
    }
    return parse_text(text, ret) || parse_hex(text, ret) || parse_number(text, ret);
}

/* ---- type rules ------------------------------------------------------------------------------------------------- */

static bool is_int(enum ArrowType t)
{
    return t >= NANOARROW_TYPE_UINT8 && t <= NANOARROW_TYPE_INT64;
}

static bool is_unsigned(enum ArrowType t)
{
    return t == NANOARROW_TYPE_UINT8 || t == NANOARROW_TYPE_UINT16 || t == NANOARROW_TYPE_UINT32 ||
           t == NANOARROW_TYPE_UINT64;
}

static bool is_float(enum ArrowType t)
{
    return t == NANOARROW_TYPE_HALF_FLOAT || t == NANOARROW_TYPE_FLOAT || t == NANOARROW_TYPE_DOUBLE;
}

static bool is_text(enum ArrowType t)
{
    return t == NANOARROW_TYPE_STRING || t == NANOARROW_TYPE_LARGE_STRING || t == NANOARROW_TYPE_STRING_VIEW;
}

static bool is_bytes(enum ArrowType t)
{
    return t == NANOARROW_TYPE_BINARY || t == NANOARROW_TYPE_LARGE_BINARY || t == NANOARROW_TYPE_BINARY_VIEW ||
           t == NANOARROW_TYPE_FIXED_SIZE_BINARY;
}

static bool is_list(enum ArrowType t)
{
    return t == NANOARROW_TYPE_LIST || t == NANOARROW_TYPE_LARGE_LIST || t == NANOARROW_TYPE_FIXED_SIZE_LIST;
}

static bool is_time(enum ArrowType t)
{
    return t == NANOARROW_TYPE_TIME32 || t == NANOARROW_TYPE_TIME64;
}

static bool is_date(enum ArrowType t)
{
    return t == NANOARROW_TYPE_DATE32 || t == NANOARROW_TYPE_DATE64;
}

static bool is_utc(const char *zone)
{
    return strcmp(zone, "UTC") == 0 || strcmp(zone, "+00:00") == 0 || strcmp(zone, "Etc/UTC") == 0;
}

/* The factor between two units of time, negative to divide. */
static int64_t unit_factor(enum ArrowTimeUnit from, enum ArrowTimeUnit to)
{
    static const int64_t per_second[] = {1, 1000, 1000000, 1000000000};
    int64_t a = per_second[from];
    int64_t b = per_second[to];
    return b >= a ? b / a : -(a / b);
}

/* The step that turns values of one type into another; false when something could be lost or it makes no sense. Nested
 * types are told by STEP_STRUCT, STEP_LIST, STEP_MAP; what is inside is the caller's business. */
static bool choose_step(const struct ArrowSchemaView *from, const struct ArrowSchemaView *to, struct plan *p)
{
    const enum ArrowType f = from->type;
    const enum ArrowType t = to->type;
    p->multiplier = 1;
    if (f == NANOARROW_TYPE_NA) {
        p->step = STEP_NULL;
        return true;
    }
    if (is_int(f) && is_int(t)) {
        p->step = is_unsigned(f) ? STEP_UINT : STEP_INT;
        return true;
    }
    if ((is_int(f) || is_float(f)) && is_float(t)) {
        p->step = is_int(f) ? (is_unsigned(f) ? STEP_UINT : STEP_INT) : STEP_DOUBLE;
        return true;
    }
    if (f == NANOARROW_TYPE_BOOL && t == NANOARROW_TYPE_BOOL) {
        p->step = STEP_INT;
        return true;
    }
    if ((is_text(f) && (is_text(t) || is_bytes(t))) || (is_bytes(f) && is_bytes(t))) {
        p->step = STEP_BYTES;
        return t != NANOARROW_TYPE_FIXED_SIZE_BINARY || (f == t && from->fixed_size == to->fixed_size);
    }
    if (f == NANOARROW_TYPE_TIMESTAMP && t == NANOARROW_TYPE_TIMESTAMP) {
        p->step = STEP_INT;
        p->multiplier = unit_factor(from->time_unit, to->time_unit);
        return strcmp(from->timezone, to->timezone) == 0 || (is_utc(from->timezone) && is_utc(to->timezone));
    }
    if ((f == NANOARROW_TYPE_DURATION && t == f) || (is_time(f) && is_time(t))) {
        p->step = STEP_INT;
        p->multiplier = unit_factor(from->time_unit, to->time_unit);
        return true;
    }
    if (is_date(f) && is_date(t)) {
        static const int64_t ms_a_day = 86400000;
        p->step = STEP_INT;
        p->multiplier = f == t ? 1 : t == NANOARROW_TYPE_DATE64 ? ms_a_day : -ms_a_day;
        return true;
    }
    if (f == NANOARROW_TYPE_DECIMAL128 && t == NANOARROW_TYPE_DECIMAL128) {
        p->step = STEP_DECIMAL;
        return from->decimal_scale == to->decimal_scale && from->decimal_precision <= to->decimal_precision;
    }
    if (f == NANOARROW_TYPE_STRUCT && t == NANOARROW_TYPE_STRUCT) {
        p->step = STEP_STRUCT;
        return true;
    }
    if (is_list(f) && is_list(t)) {
        p->step = STEP_LIST;
        return t != NANOARROW_TYPE_FIXED_SIZE_LIST || (f == t && from->fixed_size == to->fixed_size);
    }
    if (f == NANOARROW_TYPE_MAP && t == NANOARROW_TYPE_MAP) {
        p->step = STEP_MAP;
        return true;
    }
    return false;
}

/* ---- planning --------------------------------------------------------------------------------------------------- */

static int plan_field(struct aligner *a, const struct ArrowSchema *from, const struct ArrowSchema *to, char *path,
                      int depth, struct plan *ret);

static const char *name_of(const struct ArrowSchema *schema)
{
    return schema->name == NULL ? "" : schema->name;
}

static bool literal_fits(const struct literal *x, enum ArrowType t)
{
    switch (x->kind) {
    case NANOARROW_TYPE_NA:
        return true;
    case NANOARROW_TYPE_BOOL:
        return t == NANOARROW_TYPE_BOOL;
    case NANOARROW_TYPE_INT64:
        return is_int(t) || is_float(t);
    case NANOARROW_TYPE_DOUBLE:
        return is_float(t);
    case NANOARROW_TYPE_STRING:
        return is_text(t) || is_bytes(t);
    default:
        return is_list(t);
    }
}

/* What completes a column that the batch lacks. */
static int plan_fill(struct aligner *a, const struct ArrowSchema *to, struct plan *ret)
{
    ret->step = STEP_FILL;
    ret->fill.kind = NANOARROW_TYPE_NA;
    const char *literal = NULL;
    for (size_t i = 0; i < a->n_defaults && literal == NULL; i++) {
        if (strcmp(a->defaults[i].path, ret->path) == 0)
            literal = a->defaults[i].literal;
    }
    g_autofree char *type = rows_type_text(to);
    if (literal != NULL && (!parse_literal(literal, &ret->fill) || !literal_fits(&ret->fill, ret->to_type)))
        return ca_fail(a->err, CA_ERR_CONTRACT, "default %s of '%s' is no literal of type %s", literal, ret->path,
                       type);
    if (ret->fill.kind == NANOARROW_TYPE_NA && !ret->is_nullable)
        return ca_fail(a->err, CA_ERR_DRIFT, "'%s' (%s not null) is missing and has no default", ret->path, type);
    return CA_OK;
}

static int refuse_types(struct aligner *a, const char *path, const struct ArrowSchema *from,
                        const struct ArrowSchema *to)
{
    g_autofree char *found = rows_type_text(from);
    g_autofree char *expected = rows_type_text(to);
    return ca_fail(a->err, CA_ERR_DRIFT, "'%s' is %s, which cannot become %s without loss", path, found, expected);
}

/* Children of structs by name, and of the schemas themselves. */
static int plan_children(struct aligner *a, const struct ArrowSchema *from, const struct ArrowSchema *to,
                         const char *path, int depth, struct plan *ret)
{
    ret->children = g_new0(struct plan, (gsize)to->n_children + 1);
    for (int64_t i = 0; i < to->n_children; i++) {
        const char *name = name_of(to->children[i]);
        int64_t at = 0;
        while (at < from->n_children && strcmp(name_of(from->children[at]), name) != 0)
            at++;
        const struct ArrowSchema *child = at < from->n_children ? from->children[at] : NULL;
        char *child_path = path[0] == '\0' ? g_strdup(name) : g_strconcat(path, ".", name, NULL);
        ret->n_children = i + 1;
        CA_TRY(plan_field(a, child, to->children[i], child_path, depth + 1, &ret->children[i]));
        ret->children[i].child = child == NULL ? -1 : at;
        ret->same_layout = ret->same_layout && ret->children[i].same_layout && at == i;
    }
    for (int64_t i = 0; i < from->n_children; i++) {
        const char *name = name_of(from->children[i]);
        int64_t at = 0;
        while (at < to->n_children && strcmp(name_of(to->children[at]), name) != 0)
            at++;
        if (at == to->n_children) {
            g_autofree char *type = rows_type_text(from->children[i]);
            return ca_fail(a->err, CA_ERR_DRIFT, "'%s%s%s' (%s) is not declared", path, path[0] == '\0' ? "" : ".",
                           name, type);
        }
    }
    return CA_OK;
}

/* Items of lists, keys and values of maps: by place. */
static int plan_parts(struct aligner *a, const struct ArrowSchema *from, const struct ArrowSchema *to,
                      const char *const *suffixes, int64_t n, int depth, struct plan *ret)
{
    if (from->n_children != n || to->n_children != n)
        return refuse_types(a, ret->path, from, to);
    ret->children = g_new0(struct plan, (gsize)n);
    for (int64_t i = 0; i < n; i++) {
        ret->n_children = i + 1;
        CA_TRY(plan_field(a, from->children[i], to->children[i], g_strconcat(ret->path, suffixes[i], NULL), depth + 1,
                          &ret->children[i]));
        ret->children[i].child = i;
        ret->same_layout = ret->same_layout && ret->children[i].same_layout;
    }
    return CA_OK;
}

/* Takes path. from NULL: the batch lacks it. */
static int plan_field(struct aligner *a, const struct ArrowSchema *from, const struct ArrowSchema *to, char *path,
                      int depth, struct plan *ret)
{
    static const char *const item[] = {"[]"};
    static const char *const entry[] = {"{key}", "{value}"};
    *ret = (struct plan){.path = path, .from = from, .child = -1};
    if (depth > ROWS_MAX_DEPTH)
        return ca_fail(a->err, CA_ERR_RESOURCES, "'%s' nests deeper than ROWS_MAX_DEPTH, %d levels", path,
                       ROWS_MAX_DEPTH);
    struct ArrowSchemaView t;
    if (ArrowSchemaViewInit(&t, to, NULL) != NANOARROW_OK || to->dictionary != NULL)
        return ca_fail(a->err, CA_ERR_INVALID, "'%s' has a target type that cannot be aligned to: %s", path,
                       to->format);
    ret->to_type = t.type;
    ret->precision = t.decimal_precision;
    ret->scale = t.decimal_scale;
    ret->is_nullable = (to->flags & ARROW_FLAG_NULLABLE) != 0;
    if (from == NULL)
        return plan_fill(a, to, ret);

    const struct ArrowSchema *values = from->dictionary == NULL ? from : from->dictionary;
    struct ArrowSchemaView f;
    if (ArrowSchemaViewInit(&f, values, NULL) != NANOARROW_OK || values->dictionary != NULL)
        return ca_fail(a->err, CA_ERR_DRIFT, "'%s' has a type that cannot be read: %s", path, from->format);
    if (!choose_step(&f, &t, ret))
        return refuse_types(a, path, from, to);
    ret->same_type = from->dictionary == NULL && strcmp(from->format, to->format) == 0;
    /* Zones that are spelled differently change nothing in the buffers. */
    if (from->dictionary == NULL && f.type == NANOARROW_TYPE_TIMESTAMP && ret->multiplier == 1)
        ret->same_layout = true;
    else
        ret->same_layout = ret->same_type;
    if (!ret->same_type)
        a->n_casts++;
    if (ret->step == STEP_STRUCT)
        return plan_children(a, values, to, path, depth, ret);
    if (ret->step == STEP_LIST)
        return plan_parts(a, values, to, item, 1, depth, ret);
    if (ret->step != STEP_MAP)
        return CA_OK;
    if (values->n_children != 1 || to->n_children != 1)
        return refuse_types(a, path, from, to);
    return plan_parts(a, values->children[0], to->children[0], entry, 2, depth, ret);
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static int no_memory(struct aligner *a, const struct plan *p, int rc)
{
    return ca_fail_errno(a->err, CA_ERR_RESOURCES, rc, "cannot align '%s'", p->path);
}

#define APPEND(a, p, call)                          \
    do {                                            \
        int append_rc_ = (call);                    \
        if (append_rc_ != NANOARROW_OK)             \
            return no_memory((a), (p), append_rc_); \
    } while (0)

static int refuse_value(struct aligner *a, const struct plan *p, const char *value)
{
    return ca_fail(a->err, CA_ERR_DRIFT, "'%s' row %" G_GINT64_FORMAT ": %s does not fit type %s", p->path, a->row,
                   value, ArrowTypeString(p->to_type));
}

static int append_null(struct aligner *a, const struct plan *p, struct ArrowArray *out)
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

static int append_double(struct aligner *a, const struct plan *p, double v, struct ArrowArray *out)
{
    if (p->to_type != NANOARROW_TYPE_DOUBLE && isfinite(v)) {
        /* Half floats are no type of a contract: narrower than float is never exact enough to be tried. */
        if (p->to_type != NANOARROW_TYPE_FLOAT || fabs(v) > (double)G_MAXFLOAT || (double)(float)v != v) {
            char text[G_ASCII_DTOSTR_BUF_SIZE];
            return refuse_value(a, p, g_ascii_dtostr(text, sizeof text, v));
        }
    }
    APPEND(a, p, ArrowArrayAppendDouble(out, v));
    return CA_OK;
}

static int append_int(struct aligner *a, const struct plan *p, int64_t v, struct ArrowArray *out)
{
    g_autofree char *text = NULL;
    if (is_float(p->to_type)) {
        const int64_t limit = p->to_type == NANOARROW_TYPE_DOUBLE ? (int64_t)1 << 53 : (int64_t)1 << 24;
        if (v >= -limit && v <= limit)
            return append_double(a, p, (double)v, out);
        text = g_strdup_printf("%" G_GINT64_FORMAT, v);
        return refuse_value(a, p, text);
    }
    int64_t scaled = v;
    bool fits = p->multiplier >= 0 ? !__builtin_mul_overflow(v, p->multiplier, &scaled) : v % -p->multiplier == 0;
    if (fits && p->multiplier < 0)
        scaled = v / -p->multiplier;
    if (!fits || !int_fits(scaled, p->to_type)) {
        text = g_strdup_printf("%" G_GINT64_FORMAT, v);
        return refuse_value(a, p, text);
    }
    if (p->to_type == NANOARROW_TYPE_UINT64)
        APPEND(a, p, ArrowArrayAppendUInt(out, (uint64_t)scaled));
    else
        APPEND(a, p, ArrowArrayAppendInt(out, scaled));
    return CA_OK;
}

static int append_uint(struct aligner *a, const struct plan *p, uint64_t v, struct ArrowArray *out)
{
    if (v <= INT64_MAX)
        return append_int(a, p, (int64_t)v, out);
    if (p->to_type == NANOARROW_TYPE_UINT64) {
        APPEND(a, p, ArrowArrayAppendUInt(out, v));
        return CA_OK;
    }
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, v);
    return refuse_value(a, p, text);
}

static int append_fill(struct aligner *a, const struct plan *p, struct ArrowArray *out)
{
    struct ArrowBufferView bytes = {.data.data = p->fill.bytes, .size_bytes = (int64_t)p->fill.n_bytes};
    switch (p->fill.kind) {
    case NANOARROW_TYPE_NA:
        return append_null(a, p, out);
    case NANOARROW_TYPE_BOOL:
        APPEND(a, p, ArrowArrayAppendInt(out, p->fill.i));
        return CA_OK;
    case NANOARROW_TYPE_INT64: {
        struct plan as_int = *p;
        as_int.multiplier = 1;
        return append_int(a, &as_int, p->fill.i, out);
    }
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

static int append_value(struct aligner *a, const struct plan *p, const struct ArrowArrayView *in, int64_t i,
                        struct ArrowArray *out);

/* Where the items of list row i are in its child. */
static void list_range(const struct ArrowArrayView *in, int64_t i, int64_t *ret_first, int64_t *ret_end)
{
    const int64_t at = in->offset + i;
    if (in->storage_type == NANOARROW_TYPE_FIXED_SIZE_LIST) {
        *ret_first = at * in->layout.child_size_elements;
        *ret_end = *ret_first + in->layout.child_size_elements;
    } else {
        *ret_first = ArrowArrayViewListChildOffset(in, at);
        *ret_end = ArrowArrayViewListChildOffset(in, at + 1);
    }
}

static int append_list(struct aligner *a, const struct plan *p, const struct ArrowArrayView *in, int64_t i,
                       struct ArrowArray *out)
{
    int64_t first = 0;
    int64_t end = 0;
    list_range(in, i, &first, &end);
    for (int64_t k = first; k < end; k++) {
        if (p->step == STEP_LIST) {
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

static int append_value(struct aligner *a, const struct plan *p, const struct ArrowArrayView *in, int64_t i,
                        struct ArrowArray *out)
{
    if (p->step == STEP_FILL)
        return append_fill(a, p, out);
    if (p->step == STEP_NULL || ArrowArrayViewIsNull(in, i))
        return append_null(a, p, out);
    if (in->dictionary != NULL) {
        const int64_t at = ArrowArrayViewGetIntUnsafe(in, i);
        if (at < 0 || at >= in->dictionary->length)
            return ca_fail(a->err, CA_ERR_ENGINE, "'%s' row %" G_GINT64_FORMAT ": dictionary index out of range",
                           p->path, a->row);
        in = in->dictionary;
        i = at;
        if (ArrowArrayViewIsNull(in, i))
            return append_null(a, p, out);
    }
    switch (p->step) {
    case STEP_INT:
        if (p->to_type == NANOARROW_TYPE_BOOL) {
            APPEND(a, p, ArrowArrayAppendInt(out, ArrowArrayViewGetIntUnsafe(in, i)));
            return CA_OK;
        }
        return append_int(a, p, ArrowArrayViewGetIntUnsafe(in, i), out);
    case STEP_UINT:
        return append_uint(a, p, ArrowArrayViewGetUIntUnsafe(in, i), out);
    case STEP_DOUBLE:
        return append_double(a, p, ArrowArrayViewGetDoubleUnsafe(in, i), out);
    case STEP_BYTES:
        APPEND(a, p, ArrowArrayAppendBytes(out, ArrowArrayViewGetBytesUnsafe(in, i)));
        return CA_OK;
    case STEP_DECIMAL: {
        struct ArrowDecimal value;
        ArrowDecimalInit(&value, 128, p->precision, p->scale);
        ArrowArrayViewGetDecimalUnsafe(in, i, &value);
        APPEND(a, p, ArrowArrayAppendDecimal(out, &value));
        return CA_OK;
    }
    case STEP_STRUCT:
        for (int64_t k = 0; k < p->n_children; k++) {
            const struct plan *child = &p->children[k];
            CA_TRY(append_value(a, child, child->child < 0 ? NULL : in->children[child->child], in->offset + i,
                                out->children[k]));
        }
        APPEND(a, p, ArrowArrayFinishElement(out));
        return CA_OK;
    case STEP_LIST:
    case STEP_MAP:
        return append_list(a, p, in, i, out);
    case STEP_FILL:
    case STEP_NULL:
        break;
    }
    return ca_bug(a->err, "an alignment step without a rule");
}

/* Whether a column whose layout is right may hold a null where the target says NOT NULL. Counts nulls of whole
 * children, so it may say yes where a copy will find that all is well. */
static bool may_break_not_null(const struct plan *p, const struct ArrowArrayView *in)
{
    if (!p->is_nullable && ArrowArrayViewComputeNullCount(in) > 0)
        return true;
    for (int64_t i = 0; i < p->n_children; i++) {
        const struct ArrowArrayView *parent = p->step == STEP_MAP ? in->children[0] : in;
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

static int copy_column(struct aligner *a, const struct plan *p, const struct ArrowArrayView *batch,
                       const struct ArrowSchema *to, struct ArrowArray *out)
{
    APPEND(a, p, ArrowArrayInitFromSchema(out, to, NULL));
    APPEND(a, p, ArrowArrayStartAppending(out));
    for (int64_t i = 0; i < batch->length; i++) {
        a->row = i;
        CA_TRY(append_value(a, p, p->child < 0 ? NULL : batch->children[p->child], batch->offset + i, out));
    }
    APPEND(a, p, ArrowArrayFinishBuildingDefault(out, NULL));
    return CA_OK;
}

static int align_columns(struct aligner *a, const struct plan *p, struct ArrowArray *array,
                         const struct ArrowArrayView *batch, const struct ArrowSchema *to, struct ArrowArray *out)
{
    APPEND(a, p, ArrowArrayInitFromType(out, NANOARROW_TYPE_STRUCT));
    APPEND(a, p, ArrowArrayAllocateChildren(out, p->n_children));
    for (int64_t i = 0; i < p->n_children; i++) {
        const struct plan *column = &p->children[i];
        if (column->child >= 0 && column->same_layout && !may_break_not_null(column, batch->children[column->child]))
            move_column(array, column->child, out->children[i]);
        else
            CA_TRY(copy_column(a, column, batch, to->children[i], out->children[i]));
    }
    out->length = batch->length;
    out->null_count = 0;
    return CA_OK;
}

int rows_align(const struct ArrowSchema *from, struct ArrowArray *array, const struct ArrowSchema *to,
               const struct rows_default *defaults, size_t n_defaults, struct ArrowArray *ret, int64_t *ret_n_casts,
               struct ca_error *err)
{
    struct aligner a = {.defaults = defaults, .n_defaults = n_defaults, .err = err};
    struct plan p = {.path = g_strdup(""), .step = STEP_STRUCT};
    struct ArrowArrayView batch;
    ArrowArrayViewInitFromType(&batch, NANOARROW_TYPE_UNINITIALIZED);
    struct ArrowArray out = {.release = NULL};
    struct ArrowError why = {.message = ""};

    int rc = plan_children(&a, from, to, "", 0, &p);
    if (rc == CA_OK && (ArrowArrayViewInitFromSchema(&batch, from, &why) != NANOARROW_OK ||
                        ArrowArrayViewSetArray(&batch, array, &why) != NANOARROW_OK))
        rc = ca_fail(err, CA_ERR_ENGINE, "a batch does not fit its own schema: %s", why.message);
    if (rc == CA_OK && ArrowArrayViewComputeNullCount(&batch) > 0)
        rc = ca_fail(err, CA_ERR_DRIFT, "a batch has rows that are null as a whole");
    if (rc == CA_OK)
        rc = align_columns(&a, &p, array, &batch, to, &out);

    ArrowArrayViewReset(&batch);
    plan_done(&p);
    if (array->release != NULL)
        ArrowArrayRelease(array);
    if (rc != CA_OK) {
        if (out.release != NULL)
            ArrowArrayRelease(&out);
        return rc;
    }
    ArrowArrayMove(&out, ret);
    if (ret_n_casts != NULL)
        *ret_n_casts = a.n_casts;
    return CA_OK;
}
