/* rows/schema.c — what two schemas differ in, and the fingerprint of one.
 *
 * All walks are recursive with a depth that is counted: a schema from outside may be deeper than any that we read.
 */
#include <nanoarrow/nanoarrow.h>

#include "rows/rows.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

/* ---- shapes ----------------------------------------------------------------------------------------------------- */

static bool is_list(const char *format)
{
    return strcmp(format, "+l") == 0 || strcmp(format, "+L") == 0 || strncmp(format, "+w:", 3) == 0 ||
           strcmp(format, "+vl") == 0 || strcmp(format, "+vL") == 0;
}

static bool is_map(const char *format)
{
    return strcmp(format, "+m") == 0;
}

static bool is_struct(const char *format)
{
    return strcmp(format, "+s") == 0;
}

static bool is_nullable(const struct ArrowSchema *schema)
{
    return (schema->flags & ARROW_FLAG_NULLABLE) != 0;
}

/* ---- types as text ---------------------------------------------------------------------------------------------- */

static void put_type(GString *out, const struct ArrowSchema *schema, int depth);

static void put_field(GString *out, const struct ArrowSchema *schema, bool with_name, int depth)
{
    if (with_name)
        g_string_append_printf(out, "%s: ", schema->name == NULL ? "" : schema->name);
    put_type(out, schema, depth);
    if (!is_nullable(schema))
        g_string_append(out, " not null");
}

static void put_scalar_type(GString *out, const char *format)
{
    static const struct {
        const char *format;
        const char *name;
    } names[] = {
        {"n", "null"},
        {"b", "bool"},
        {"c", "int8"},
        {"C", "uint8"},
        {"s", "int16"},
        {"S", "uint16"},
        {"i", "int32"},
        {"I", "uint32"},
        {"l", "int64"},
        {"L", "uint64"},
        {"e", "float16"},
        {"f", "float32"},
        {"g", "float64"},
        {"u", "utf8"},
        {"U", "large_utf8"},
        {"vu", "utf8_view"},
        {"z", "binary"},
        {"Z", "large_binary"},
        {"vz", "binary_view"},
        {"tdD", "date32"},
        {"tdm", "date64"},
        {"tts", "time32_s"},
        {"ttm", "time32_ms"},
        {"ttu", "time64_us"},
        {"ttn", "time64_ns"},
        {"tDs", "duration_s"},
        {"tDm", "duration_ms"},
        {"tDu", "duration_us"},
        {"tDn", "duration_ns"},
        {"tiM", "interval_year_month"},
        {"tiD", "interval_day_time"},
        {"tin", "interval_month_day_nano"},
    };
    static const struct {
        const char *prefix;
        const char *name;
    } timestamps[] = {
        {"tss:", "timestamp_s"}, {"tsm:", "timestamp_ms"}, {"tsu:", "timestamp_us"}, {"tsn:", "timestamp_ns"}};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(format, names[i].format) == 0) {
            g_string_append(out, names[i].name);
            return;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(timestamps); i++) {
        if (strncmp(format, timestamps[i].prefix, 4) == 0) {
            g_string_append(out, timestamps[i].name);
            if (format[4] != '\0')
                g_string_append_printf(out, "(%s)", format + 4);
            return;
        }
    }
    g_auto(GStrv) decimal = g_strsplit(strncmp(format, "d:", 2) == 0 ? format + 2 : "", ",", 3);
    guint n_decimal = g_strv_length(decimal);
    if (n_decimal >= 2)
        g_string_append_printf(out, "decimal%s(%s, %s)", n_decimal > 2 ? decimal[2] : "128", decimal[0], decimal[1]);
    else if (strncmp(format, "w:", 2) == 0)
        g_string_append_printf(out, "fixed_size_binary(%s)", format + 2);
    else
        g_string_append_printf(out, "'%s'", format);
}

static void put_list_type(GString *out, const char *format)
{
    if (strncmp(format, "+w:", 3) == 0)
        g_string_append_printf(out, "fixed_size_list(%s)", format + 3);
    else
        g_string_append(out, strcmp(format, "+l") == 0    ? "list"
                             : strcmp(format, "+L") == 0  ? "large_list"
                             : strcmp(format, "+vl") == 0 ? "list_view"
                                                          : "large_list_view");
}

static void put_type(GString *out, const struct ArrowSchema *schema, int depth)
{
    if (depth > ROWS_MAX_DEPTH) {
        g_string_append(out, "...");
        return;
    }
    if (schema->dictionary != NULL) {
        g_string_append(out, "dictionary(");
        put_scalar_type(out, schema->format);
        g_string_append(out, ", ");
        put_type(out, schema->dictionary, depth + 1);
        g_string_append_c(out, ')');
        return;
    }
    const char *format = schema->format;
    if (is_struct(format)) {
        g_string_append(out, "struct<");
        for (int64_t i = 0; i < schema->n_children; i++) {
            if (i > 0)
                g_string_append(out, ", ");
            put_field(out, schema->children[i], true, depth + 1);
        }
        g_string_append_c(out, '>');
    } else if (is_list(format) && schema->n_children == 1) {
        put_list_type(out, format);
        g_string_append_c(out, '<');
        put_field(out, schema->children[0], false, depth + 1);
        g_string_append_c(out, '>');
    } else if (is_map(format) && schema->n_children == 1 && schema->children[0]->n_children == 2) {
        g_string_append(out, "map<");
        put_type(out, schema->children[0]->children[0], depth + 1);
        g_string_append(out, ", ");
        put_field(out, schema->children[0]->children[1], false, depth + 1);
        g_string_append_c(out, '>');
    } else {
        put_scalar_type(out, format);
    }
}

char *rows_type_text(const struct ArrowSchema *schema)
{
    GString *out = g_string_new(NULL);
    put_type(out, schema, 0);
    return g_string_free(out, FALSE);
}

/* ---- fingerprint ------------------------------------------------------------------------------------------------ */

/* A name means something of columns and fields, not of list items and map entries; nullability not of what a
 * dictionary's index stands for: some writers set it there, some do not. */
enum role {
    AS_FIELD,
    AS_PART,
    AS_DICTIONARY,
};

static bool add_schema(struct fingerprint *f, const struct ArrowSchema *schema, enum role role, int depth)
{
    if (depth > ROWS_MAX_DEPTH)
        return false;
    fingerprint_add_text(f, role == AS_FIELD ? (schema->name == NULL ? "" : schema->name) : NULL);
    fingerprint_add_text(f, schema->format);
    const unsigned char nullable = role == AS_DICTIONARY || is_nullable(schema);
    fingerprint_add(f, &nullable, 1);
    fingerprint_add(f, schema->dictionary == NULL ? "-" : "d", 1);
    if (schema->dictionary != NULL && !add_schema(f, schema->dictionary, AS_DICTIONARY, depth + 1))
        return false;
    const unsigned char n_children[4] = {(unsigned char)schema->n_children, (unsigned char)(schema->n_children >> 8),
                                         (unsigned char)(schema->n_children >> 16),
                                         (unsigned char)(schema->n_children >> 24)};
    fingerprint_add(f, n_children, sizeof n_children);
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (is_map(schema->format)) {
            const struct ArrowSchema *entries = schema->children[0];
            for (int64_t j = 0; j < entries->n_children; j++) {
                if (!add_schema(f, entries->children[j], AS_PART, depth + 1))
                    return false;
            }
        } else if (!add_schema(f, schema->children[i], is_struct(schema->format) ? AS_FIELD : AS_PART, depth + 1)) {
            return false;
        }
    }
    return true;
}

int rows_schema_fingerprint(const struct ArrowSchema *schema, char ret[FINGERPRINT_HEX_SIZE], struct ca_error *err)
{
    CA_AUTOPTR(fingerprint) f = fingerprint_new();
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (!add_schema(f, schema->children[i], AS_FIELD, 1))
            return ca_fail(err, CA_ERR_RESOURCES, "column '%s' nests deeper than ROWS_MAX_DEPTH, %d levels",
                           schema->children[i]->name, ROWS_MAX_DEPTH);
    }
    fingerprint_hex(f, ret);
    return CA_OK;
}

/* ---- compare ---------------------------------------------------------------------------------------------------- */

struct comparison {
    const struct rows_compare_options *options;
    GArray *findings; /* struct rows_finding */
    bool is_too_deep;
};

/* Takes path, expected and found. */
static void add(struct comparison *k, const char *code, char *path, char *expected, char *found)
{
    struct rows_finding finding = {.code = code, .path = path, .expected = expected, .found = found};
    g_array_append_val(k->findings, finding);
}

static const char *name_of(const struct ArrowSchema *schema)
{
    return schema->name == NULL ? "" : schema->name;
}

/* The child of `schema` that answers to child `i` of `other`: of the same name and, where several have that name, as
 * many of them before it. -1: none. */
static int64_t child_like(const struct ArrowSchema *schema, const struct ArrowSchema *other, int64_t i)
{
    const char *name = name_of(other->children[i]);
    int64_t n_before = 0;
    for (int64_t j = 0; j < i; j++)
        n_before += strcmp(name_of(other->children[j]), name) == 0 ? 1 : 0;
    for (int64_t j = 0; j < schema->n_children; j++) {
        if (strcmp(name_of(schema->children[j]), name) == 0 && n_before-- == 0)
            return j;
    }
    return -1;
}

static char *join(const char *path, const char *name)
{
    return path[0] == '\0' ? g_strdup(name) : g_strconcat(path, ".", name, NULL);
}

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Field metadata as "key=value" in order of key; of the keys that `like` has, NULL: all. */
static char *metadata_text(const struct ArrowSchema *schema, const struct ArrowSchema *like)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    struct ArrowMetadataReader reader;
    struct ArrowStringView key;
    struct ArrowStringView value;
    if (ArrowMetadataReaderInit(&reader, schema->metadata) == NANOARROW_OK) {
        while (reader.remaining_keys > 0 && ArrowMetadataReaderRead(&reader, &key, &value) == NANOARROW_OK) {
            if (like != NULL && !ArrowMetadataHasKey(like->metadata, key))
                continue;
            g_ptr_array_add(
                lines, g_strdup_printf("%.*s=%.*s", (int)key.size_bytes, key.data, (int)value.size_bytes, value.data));
        }
    }
    g_ptr_array_sort(lines, by_text);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv(", ", (char **)lines->pdata);
}

static void compare_field(struct comparison *k, const struct ArrowSchema *expected, const struct ArrowSchema *found,
                          const char *path, int depth);

/* The child whose name is another in case alone; NULL: none. */
static const struct ArrowSchema *child_cased(const struct ArrowSchema *schema, const char *name)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        const char *other = name_of(schema->children[i]);
        if (g_ascii_strcasecmp(other, name) == 0 && strcmp(other, name) != 0)
            return schema->children[i];
    }
    return NULL;
}

/* `child` is expected, and `found` has none of its name. */
static void add_absent(struct comparison *k, const struct ArrowSchema *found, const struct ArrowSchema *child,
                       const char *path, bool is_top)
{
    const struct ArrowSchema *cased = k->options->tell_case ? child_cased(found, name_of(child)) : NULL;
    if (cased != NULL) {
        add(k, is_top ? "column_case" : "field_case", g_strdup(path), g_strdup(name_of(child)),
            g_strdup(name_of(cased)));
        return;
    }
    add(k, is_top ? "column_missing" : "field_missing", g_strdup(path), rows_type_text(child), g_strdup(""));
    g_array_index(k->findings, struct rows_finding, k->findings->len - 1).is_nullable = is_nullable(child);
}

/* The children of two structs, or the columns of two schemas when depth is 0. */
static void compare_children(struct comparison *k, const struct ArrowSchema *expected, const struct ArrowSchema *found,
                             const char *path, int depth)
{
    const bool is_top = depth == 0;
    int64_t place = 0;
    for (int64_t i = 0; i < expected->n_children; i++) {
        const struct ArrowSchema *child = expected->children[i];
        g_autofree char *child_path = join(path, name_of(child));
        int64_t at = child_like(found, expected, i);
        if (at < 0) {
            add_absent(k, found, child, child_path, is_top);
            continue;
        }
        /* Out of order only when the order of those that both have differs: one lacking column moves no other. */
        if (!k->options->ignore_order && at < place)
            add(k, is_top ? "column_moved" : "field_moved", g_strdup(child_path),
                g_strdup_printf("%" G_GINT64_FORMAT, i + 1), g_strdup_printf("%" G_GINT64_FORMAT, at + 1));
        else
            place = at + 1;
        compare_field(k, child, found->children[at], child_path, depth + 1);
    }
    for (int64_t i = 0; i < found->n_children; i++) {
        const struct ArrowSchema *child = found->children[i];
        if (child_like(expected, found, i) < 0 && !(k->options->tell_case && child_cased(expected, name_of(child))))
            add(k, is_top ? "column_unexpected" : "field_unexpected", join(path, name_of(child)), g_strdup(""),
                rows_type_text(child));
    }
}

static bool has_entries(const struct ArrowSchema *map)
{
    return map->n_children == 1 && map->children[0]->n_children == 2;
}

static const char *const list_parts[] = {"[]"};
static const char *const map_parts[] = {"{key}", "{value}"};

/* Children that their place tells apart; `suffixes` NULL: a union's and the like, which have names too. */
static void compare_parts(struct comparison *k, const struct ArrowSchema *expected, const struct ArrowSchema *found,
                          const char *path, const char *const *suffixes, int depth)
{
    for (int64_t i = 0; i < expected->n_children; i++) {
        g_autofree char *part =
            suffixes == NULL ? join(path, name_of(expected->children[i])) : g_strconcat(path, suffixes[i], NULL);
        compare_field(k, expected->children[i], found->children[i], part, depth + 1);
    }
}

static void compare_nullability(struct comparison *k, const struct ArrowSchema *expected,
                                const struct ArrowSchema *found, const char *path)
{
    const struct rows_compare_options *o = k->options;
    const bool is_looser = is_nullable(found) && !is_nullable(expected);
    const bool is_stricter = !is_nullable(found) && is_nullable(expected);
    if (!o->ignore_nullability && (is_looser || (is_stricter && !o->allow_stricter)))
        add(k, "nullability_differs", g_strdup(path), g_strdup(is_nullable(expected) ? "null" : "not null"),
            g_strdup(is_nullable(found) ? "null" : "not null"));
}

static void compare_metadata(struct comparison *k, const struct ArrowSchema *expected, const struct ArrowSchema *found,
                             const char *path)
{
    const struct rows_compare_options *o = k->options;
    if (!o->with_metadata)
        return;
    g_autofree char *before = metadata_text(expected, NULL);
    g_autofree char *after = metadata_text(found, o->declared_metadata ? expected : NULL);
    if (strcmp(before, after) != 0)
        add(k, "metadata_differs", g_strdup(path), CA_STEAL(before), CA_STEAL(after));
}

/* The type apart from how its values are laid out. */
static const char *plain_format(const struct ArrowSchema *schema)
{
    static const struct {
        const char *from;
        const char *to;
    } same[] = {{"U", "u"}, {"vu", "u"}, {"Z", "z"}, {"vz", "z"}, {"+L", "+l"}, {"+vl", "+l"}, {"+vL", "+l"}};
    const char *format = schema->dictionary != NULL ? schema->dictionary->format : schema->format;
    for (size_t i = 0; i < G_N_ELEMENTS(same); i++) {
        if (strcmp(format, same[i].from) == 0)
            return same[i].to;
    }
    return format;
}

static bool is_laid_out_otherwise(const struct ArrowSchema *a, const struct ArrowSchema *b)
{
    const bool same_form = (a->dictionary == NULL) == (b->dictionary == NULL) && strcmp(a->format, b->format) == 0;
    return !same_form && strcmp(plain_format(a), plain_format(b)) == 0;
}

/* What is to be said of two fields beside their type, and of what is inside two layouts of one type. */
static void compare_layouts(struct comparison *k, const struct ArrowSchema *expected, const struct ArrowSchema *found,
                            const char *path, int depth)
{
    compare_nullability(k, expected, found, path);
    compare_metadata(k, expected, found, path);
    const struct ArrowSchema *x = expected->dictionary != NULL ? expected->dictionary : expected;
    const struct ArrowSchema *y = found->dictionary != NULL ? found->dictionary : found;
    if (is_list(x->format) && x->n_children == 1 && y->n_children == 1)
        compare_parts(k, x, y, path, list_parts, depth);
    else if (is_struct(x->format))
        compare_children(k, x, y, path, depth);
}

static void compare_field(struct comparison *k, const struct ArrowSchema *expected, const struct ArrowSchema *found,
                          const char *path, int depth)
{
    if (depth > ROWS_MAX_DEPTH) {
        k->is_too_deep = true;
        return;
    }
    const struct rows_compare_options *o = k->options;
    if (o->tell_layout && is_laid_out_otherwise(expected, found)) {
        add(k, "layout_differs", g_strdup(path), rows_type_text(expected), rows_type_text(found));
        compare_layouts(k, expected, found, path, depth);
        return;
    }
    const char *x = expected->format;
    const bool same_dictionary = (expected->dictionary == NULL) == (found->dictionary == NULL);
    if (strcmp(x, found->format) != 0 || !same_dictionary) {
        add(k, "type_differs", g_strdup(path), rows_type_text(expected), rows_type_text(found));
        g_array_index(k->findings, struct rows_finding, k->findings->len - 1).is_lossless =
            o->from_text ? rows_text_is_readable(found, expected) : rows_cast_is_lossless(found, expected);
        return;
    }
    compare_nullability(k, expected, found, path);
    compare_metadata(k, expected, found, path);
    if (expected->dictionary != NULL && found->dictionary != NULL) {
        /* Shallow copies: of what the index stands for the type alone counts. */
        struct ArrowSchema of_expected = *expected->dictionary;
        struct ArrowSchema of_found = *found->dictionary;
        of_expected.flags |= ARROW_FLAG_NULLABLE;
        of_found.flags |= ARROW_FLAG_NULLABLE;
        of_expected.metadata = NULL;
        of_found.metadata = NULL;
        compare_field(k, &of_expected, &of_found, path, depth + 1);
    }
    if (is_struct(x))
        compare_children(k, expected, found, path, depth);
    else if (expected->n_children != found->n_children)
        add(k, "type_differs", g_strdup(path), rows_type_text(expected), rows_type_text(found));
    else if (is_map(x) && has_entries(expected) && has_entries(found))
        compare_parts(k, expected->children[0], found->children[0], path, map_parts, depth);
    else
        compare_parts(k, expected, found, path, is_list(x) && expected->n_children == 1 ? list_parts : NULL, depth);
}

void rows_findings_done(struct rows_findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        g_free(f->items[i].path);
        g_free(f->items[i].expected);
        g_free(f->items[i].found);
    }
    g_free(f->items);
    *f = (struct rows_findings){0};
}

int rows_schema_compare(const struct ArrowSchema *expected, const struct ArrowSchema *found,
                        const struct rows_compare_options *options, struct rows_findings *ret, struct ca_error *err)
{
    static const struct rows_compare_options exact = {0};
    struct comparison k = {
        .options = options == NULL ? &exact : options,
        .findings = g_array_new(FALSE, FALSE, sizeof(struct rows_finding)),
    };
    compare_children(&k, expected, found, "", 0);
    struct rows_findings findings = {.n = k.findings->len};
    findings.items = (struct rows_finding *)(void *)g_array_free(k.findings, FALSE);
    if (k.is_too_deep) {
        rows_findings_done(&findings);
        return ca_fail(err, CA_ERR_RESOURCES, "a schema nests deeper than ROWS_MAX_DEPTH, %d levels", ROWS_MAX_DEPTH);
    }
    *ret = findings;
    return CA_OK;
}

char *rows_findings_text(const struct rows_findings *f)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < f->n; i++) {
        const struct rows_finding *x = &f->items[i];
        if (i > 0)
            g_string_append(out, "; ");
        if (g_str_has_suffix(x->code, "_missing"))
            g_string_append_printf(out, "'%s' (%s) is missing", x->path, x->expected);
        else if (g_str_has_suffix(x->code, "_unexpected"))
            g_string_append_printf(out, "'%s' (%s) is not declared", x->path, x->found);
        else if (g_str_has_suffix(x->code, "_moved"))
            g_string_append_printf(out, "'%s' is at place %s, expected %s", x->path, x->found, x->expected);
        else if (g_str_has_suffix(x->code, "_case"))
            g_string_append_printf(out, "'%s' is named '%s'", x->path, x->found);
        else if (strcmp(x->code, "metadata_differs") == 0)
            g_string_append_printf(out, "'%s' has metadata {%s}, expected {%s}", x->path, x->found, x->expected);
        else
            g_string_append_printf(out, "'%s' is %s, expected %s", x->path, x->found, x->expected);
    }
    return g_string_free(out, FALSE);
}

int rows_schema_check(const struct ArrowSchema *expected, const struct ArrowSchema *found,
                      const struct rows_compare_options *options, struct ca_error *err)
{
    struct rows_findings findings = {0};
    CA_TRY(rows_schema_compare(expected, found, options, &findings, err));
    int rc = CA_OK;
    if (findings.n > 0) {
        g_autofree char *text = rows_findings_text(&findings);
        rc = ca_fail(err, CA_ERR_DRIFT, "%s", text);
    }
    rows_findings_done(&findings);
    return rc;
}
