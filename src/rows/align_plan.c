/* rows/align_plan.c — see align.h. */
#include "rows/align.h"

#include <string.h>

#include "rows/types.h"

struct planner {
    const struct rows_align_options *options;
    struct ca_error *err;
};

void rows_plan_done(struct rows_plan *p)
{
    for (int64_t i = 0; i < p->n_children; i++)
        rows_plan_done(&p->children[i]);
    g_free(p->children);
    g_free(p->path);
    g_free(p->fill.bytes);
    g_clear_pointer(&p->codes, g_hash_table_unref);
}

/* ---- type rules ------------------------------------------------------------------------------------------------- */

/* The factor between two units of time, negative to divide. */
static int64_t unit_factor(enum ArrowTimeUnit from, enum ArrowTimeUnit to)
{
    static const int64_t per_second[] = {1, 1000, 1000000, 1000000000};
    int64_t a = per_second[from];
    int64_t b = per_second[to];
    return b >= a ? b / a : -(a / b);
}

static bool choose_number(enum ArrowType f, enum ArrowType t, struct rows_plan *p)
{
    if (rows_is_int(f) && (rows_is_int(t) || rows_is_float(t) || rows_is_decimal(t)))
        p->step = rows_is_decimal(t) ? ROWS_STEP_DECIMAL : rows_is_unsigned(f) ? ROWS_STEP_UINT : ROWS_STEP_INT;
    else if (rows_is_float(f) && (rows_is_float(t) || (rows_is_int(t) && p->can_lose)))
        p->step = ROWS_STEP_DOUBLE;
    else if (rows_is_decimal(f) && rows_is_decimal(t))
        p->step = ROWS_STEP_DECIMAL;
    else
        return false;
    return true;
}

static bool choose_time(const struct ArrowSchemaView *from, const struct ArrowSchemaView *to, struct rows_plan *p)
{
    static const int64_t ms_a_day = 86400000;
    const enum ArrowType f = from->type;
    const enum ArrowType t = to->type;
    p->step = ROWS_STEP_INT;
    if (rows_is_date(f) && rows_is_date(t)) {
        p->multiplier = f == t ? 1 : t == NANOARROW_TYPE_DATE64 ? ms_a_day : -ms_a_day;
        return true;
    }
    const bool is_timestamp =
        f == NANOARROW_TYPE_TIMESTAMP && t == f && rows_is_same_zone(from->timezone, to->timezone);
    if (!is_timestamp && !(f == NANOARROW_TYPE_DURATION && t == f) && !(rows_is_time(f) && rows_is_time(t)))
        return false;
    p->multiplier = unit_factor(from->time_unit, to->time_unit);
    return true;
}

/* The step that turns values of one type into another; false when something could be lost or it makes no sense. Nested
 * types are told by ROWS_STEP_STRUCT, _LIST, _MAP; what is inside is the caller's business. */
static bool choose_step(struct rows_plan *p)
{
    const struct ArrowSchemaView *from = &p->from;
    const struct ArrowSchemaView *to = &p->to;
    const enum ArrowType f = from->type;
    const enum ArrowType t = to->type;
    p->multiplier = 1;
    if (f == NANOARROW_TYPE_NA) {
        p->step = ROWS_STEP_NULL;
        return true;
    }
    if (choose_number(f, t, p) || choose_time(from, to, p))
        return true;
    if ((rows_is_text(f) && (rows_is_text(t) || rows_is_bytes(t))) || (rows_is_bytes(f) && rows_is_bytes(t))) {
        p->step = ROWS_STEP_BYTES;
        return t != NANOARROW_TYPE_FIXED_SIZE_BINARY || (f == t && from->fixed_size == to->fixed_size);
    }
    if (rows_is_list(f) && rows_is_list(t)) {
        p->step = ROWS_STEP_LIST;
        return t != NANOARROW_TYPE_FIXED_SIZE_LIST || (f == t && from->fixed_size == to->fixed_size);
    }
    p->step = f == NANOARROW_TYPE_BOOL     ? ROWS_STEP_BOOL
              : rows_is_interval(f)        ? ROWS_STEP_INTERVAL
              : f == NANOARROW_TYPE_STRUCT ? ROWS_STEP_STRUCT
                                           : ROWS_STEP_MAP;
    return f == t && (p->step != ROWS_STEP_MAP || f == NANOARROW_TYPE_MAP);
}

/* ---- planning --------------------------------------------------------------------------------------------------- */

static int plan_field(struct planner *a, const struct ArrowSchema *from, const struct ArrowSchema *to, char *path,
                      int depth, struct rows_plan *ret);

static const char *name_of(const struct ArrowSchema *schema)
{
    return schema->name == NULL ? "" : schema->name;
}

static bool literal_fits(const struct rows_literal *x, enum ArrowType t)
{
    switch (x->kind) {
    case NANOARROW_TYPE_NA:
        return true;
    case NANOARROW_TYPE_BOOL:
        return t == NANOARROW_TYPE_BOOL;
    case NANOARROW_TYPE_INT64:
        return rows_is_int(t) || rows_is_float(t);
    case NANOARROW_TYPE_DOUBLE:
        return rows_is_float(t);
    case NANOARROW_TYPE_STRING:
        return rows_is_text(t) || rows_is_bytes(t);
    default:
        return rows_is_list(t);
    }
}

/* What completes a column that the batch lacks. */
static int plan_fill(struct planner *a, const struct ArrowSchema *to, struct rows_plan *ret)
{
    ret->step = ROWS_STEP_FILL;
    ret->multiplier = 1;
    ret->fill.kind = NANOARROW_TYPE_NA;
    const char *literal = NULL;
    for (size_t i = 0; i < a->options->n_defaults && literal == NULL; i++) {
        if (strcmp(a->options->defaults[i].path, ret->path) == 0)
            literal = a->options->defaults[i].literal;
    }
    g_autofree char *type = rows_type_text(to);
    if (literal != NULL && (!rows_literal_parse(literal, &ret->fill) || !literal_fits(&ret->fill, ret->to.type)))
        return ca_fail(a->err, CA_ERR_CONTRACT, "default %s of '%s' is no literal of type %s", literal, ret->path,
                       type);
    if (ret->fill.kind == NANOARROW_TYPE_NA && !ret->is_nullable)
        return ca_fail(a->err, CA_ERR_DRIFT, "'%s' (%s not null) is missing and has no default", ret->path, type);
    return CA_OK;
}

static int refuse_types(struct planner *a, const char *path, const struct ArrowSchema *from,
                        const struct ArrowSchema *to)
{
    g_autofree char *found = rows_type_text(from);
    g_autofree char *expected = rows_type_text(to);
    return ca_fail(a->err, CA_ERR_DRIFT, "'%s' is %s, which cannot become %s without loss", path, found, expected);
}

/* Children of structs by name, and of the schemas themselves. */
static int plan_children(struct planner *a, const struct ArrowSchema *from, const struct ArrowSchema *to, int depth,
                         struct rows_plan *ret)
{
    const char *path = ret->path;
    ret->children = g_new0(struct rows_plan, (gsize)to->n_children + 1);
    ret->same_layout = ret->same_layout && from->n_children == to->n_children;
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
static int plan_parts(struct planner *a, const struct ArrowSchema *from, const struct ArrowSchema *to,
                      const char *const *suffixes, int64_t n, int depth, struct rows_plan *ret)
{
    if (from->n_children != n || to->n_children != n)
        return refuse_types(a, ret->path, from, to);
    ret->children = g_new0(struct rows_plan, (gsize)n);
    for (int64_t i = 0; i < n; i++) {
        ret->n_children = i + 1;
        CA_TRY(plan_field(a, from->children[i], to->children[i], g_strconcat(ret->path, suffixes[i], NULL), depth + 1,
                          &ret->children[i]));
        ret->children[i].child = i;
        ret->same_layout = ret->same_layout && ret->children[i].same_layout;
    }
    return CA_OK;
}

static int plan_inside(struct planner *a, const struct ArrowSchema *from, const struct ArrowSchema *to, int depth,
                       struct rows_plan *ret)
{
    static const char *const item[] = {"[]"};
    static const char *const entry[] = {"{key}", "{value}"};
    if (ret->step == ROWS_STEP_STRUCT)
        return plan_children(a, from, to, depth, ret);
    if (ret->step == ROWS_STEP_LIST)
        return plan_parts(a, from, to, item, 1, depth, ret);
    if (ret->step != ROWS_STEP_MAP)
        return CA_OK;
    if (from->n_children != 1 || to->n_children != 1)
        return refuse_types(a, ret->path, from, to);
    return plan_parts(a, from->children[0], to->children[0], entry, 2, depth, ret);
}

/* Whether the caller names the type that is there among those that may lose something on the way. */
static bool may_lose(const struct planner *a, const char *path, const struct ArrowSchema *from)
{
    const struct rows_lossy *lossy = a->options->lossy;
    g_autofree char *found = a->options->n_lossy > 0 ? rows_type_text(from) : NULL;
    const size_t n = found ? strcspn(found, "(<") : 0;
    for (size_t i = 0; i < a->options->n_lossy; i++)
        if (strcmp(lossy[i].path, path) == 0 && strlen(lossy[i].type) == n && strncmp(lossy[i].type, found, n) == 0)
            return true;
    return false;
}

/* What a dictionary stands for, and what any other type is. */
static const struct ArrowSchema *values_of(const struct ArrowSchema *schema)
{
    return schema->dictionary == NULL ? schema : schema->dictionary;
}

static bool is_same_format(const struct ArrowSchema *from, const struct ArrowSchema *to)
{
    return (from->dictionary == NULL) == (to->dictionary == NULL) && strcmp(from->format, to->format) == 0 &&
           strcmp(values_of(from)->format, values_of(to)->format) == 0;
}

static int plan_target(struct planner *a, const struct ArrowSchema *to, int depth, struct rows_plan *ret)
{
    if (depth > ROWS_MAX_DEPTH)
        return ca_fail(a->err, CA_ERR_RESOURCES, "'%s' nests deeper than ROWS_MAX_DEPTH, %d levels", ret->path,
                       ROWS_MAX_DEPTH);
    const struct ArrowSchema *values = values_of(to);
    struct ArrowSchemaView index = {.type = NANOARROW_TYPE_NA};
    bool is_known = ArrowSchemaViewInit(&ret->to, values, NULL) == NANOARROW_OK && values->dictionary == NULL;
    if (is_known && to->dictionary != NULL)
        is_known = ArrowSchemaViewInit(&index, to, NULL) == NANOARROW_OK && values->n_children == 0;
    if (!is_known)
        return ca_fail(a->err, CA_ERR_INVALID, "'%s' has a target type that cannot be aligned to: %s", ret->path,
                       to->format);
    ret->index_type = to->dictionary == NULL ? NANOARROW_TYPE_NA : index.storage_type;
    ret->is_nullable = (to->flags & ARROW_FLAG_NULLABLE) != 0;
    if (to->dictionary != NULL)
        ret->codes =
            g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, /* value= */ NULL);
    return CA_OK;
}

/* Takes path. from NULL: the batch lacks it. */
static int plan_field(struct planner *a, const struct ArrowSchema *from, const struct ArrowSchema *to, char *path,
                      int depth, struct rows_plan *ret)
{
    *ret = (struct rows_plan){.path = path, .child = -1};
    CA_TRY(plan_target(a, to, depth, ret));
    if (from == NULL)
        return plan_fill(a, to, ret);
    const struct ArrowSchema *values = values_of(from);
    if (ArrowSchemaViewInit(&ret->from, values, NULL) != NANOARROW_OK || values->dictionary != NULL)
        return ca_fail(a->err, CA_ERR_DRIFT, "'%s' has a type that cannot be read: %s", path, from->format);
    ret->can_lose = may_lose(a, path, values);
    if (!choose_step(ret))
        return refuse_types(a, path, from, to);
    const bool is_same = is_same_format(from, to);
    /* Zones that are spelled differently change nothing in the buffers. */
    const bool is_zone_alone = ret->from.type == NANOARROW_TYPE_TIMESTAMP && ret->multiplier == 1 &&
                               from->dictionary == NULL && to->dictionary == NULL;
    ret->same_layout = is_same || is_zone_alone;
    if (!is_same && a->options->cast != NULL) {
        g_autofree char *found = rows_type_text(from);
        g_autofree char *expected = rows_type_text(to);
        a->options->cast(a->options->cast_data, path, found, expected);
    }
    return plan_inside(a, values, values_of(to), depth, ret);
}

int rows_plan_make(struct rows_plan *ret, const struct ArrowSchema *from, const struct ArrowSchema *to,
                   const struct rows_align_options *options, struct ca_error *err)
{
    static const struct rows_align_options none = {0};
    struct planner a = {.options = options ? options : &none, .err = err};
    *ret = (struct rows_plan){.path = g_strdup(""), .step = ROWS_STEP_STRUCT, .same_layout = true};
    return plan_children(&a, from, to, 0, ret);
}
