/* tools/rowgen.c — contracts become C: row builders, and the set that is embedded in the library.
 *
 *     rowgen OUTDIR FILE.yaml...       OUTDIR/D.h and OUTDIR/D.c a contract
 *     rowgen --bundle OUT.c DIR        the contracts of DIR/<stage>/ as one JSON document in a C array
 *
 * A builder takes rows whose columns are scalars, lists of scalars and lists of structs of scalars; anything deeper is
 * refused here. A file is written only when its content changes, so that a build does no more than it must.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "contract/bundle.h"
#include "contract/contract.h"

/* The scalars that a builder takes. */
static const char *const c_types[] = {
    [CONTRACT_BOOL] = "bool",
    [CONTRACT_INT8] = "int8_t",
    [CONTRACT_INT16] = "int16_t",
    [CONTRACT_INT32] = "int32_t",
    [CONTRACT_INT64] = "int64_t",
    [CONTRACT_UINT8] = "uint8_t",
    [CONTRACT_UINT16] = "uint16_t",
    [CONTRACT_UINT32] = "uint32_t",
    [CONTRACT_UINT64] = "uint64_t",
    [CONTRACT_FLOAT32] = "float",
    [CONTRACT_FLOAT64] = "double",
    [CONTRACT_UTF8] = "struct rows_str",
    [CONTRACT_BINARY] = "struct rows_str",
    [CONTRACT_DATE32] = "int32_t",
    [CONTRACT_TIMESTAMP_US] = "int64_t",
    [CONTRACT_N_TYPES] = NULL,
};

static const int widths[] = {
    [CONTRACT_BOOL] = 0,    [CONTRACT_INT8] = 1,    [CONTRACT_INT16] = 2,        [CONTRACT_INT32] = 4,
    [CONTRACT_INT64] = 8,   [CONTRACT_UINT8] = 1,   [CONTRACT_UINT16] = 2,       [CONTRACT_UINT32] = 4,
    [CONTRACT_UINT64] = 8,  [CONTRACT_FLOAT32] = 4, [CONTRACT_FLOAT64] = 8,      [CONTRACT_UTF8] = -1,
    [CONTRACT_BINARY] = -1, [CONTRACT_DATE32] = 4,  [CONTRACT_TIMESTAMP_US] = 8,
};

static bool is_scalar(const struct contract_field *f)
{
    return c_types[f->type] != NULL;
}

static bool is_text(const struct contract_field *f)
{
    return f->type == CONTRACT_UTF8 || f->type == CONTRACT_BINARY;
}

/* A name as a C identifier; static storage of GLib's quarks. */
static const char *c_name(const char *name)
{
    static const char *const keywords[] = {
        "alignas",      "alignof",  "asm",     "auto",   "bool",   "break",    "case",          "char",     "const",
        "constexpr",    "continue", "default", "do",     "double", "else",     "enum",          "extern",   "false",
        "float",        "for",      "goto",    "if",     "inline", "int",      "long",          "nullptr",  "register",
        "restrict",     "return",   "short",   "signed", "sizeof", "static",   "static_assert", "struct",   "switch",
        "thread_local", "true",     "typedef", "typeof", "union",  "unsigned", "void",          "volatile", "while",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(keywords); i++) {
        if (strcmp(name, keywords[i]) == 0) {
            g_autofree char *safe = g_strconcat(name, "_", NULL);
            return g_intern_string(safe);
        }
    }
    return name;
}

/* ---- what is refused -------------------------------------------------------------------------------------------- */

static int refuse(const struct contract *c, const struct contract_field *f, const char *what, struct ca_error *err)
{
    return ca_fail(err, CA_ERR_CONTRACT, "%s:%d:%d: no row builder for '%s': %s", c->source, f->line, f->column,
                   f->name, what);
}

static int check_members(const struct contract *c, const struct contract_field *fields, size_t n, struct ca_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_scalar(&fields[i]) || is_text(&fields[i]) || !fields[i].is_nullable)
            continue;
        g_autofree char *flag = g_strconcat("has_", fields[i].name, NULL);
        for (size_t j = 0; j < n; j++) {
            if (strcmp(fields[j].name, flag) == 0)
                return refuse(c, &fields[j], "the name is taken by the flag of a nullable column", err);
        }
    }
    return CA_OK;
}

static int check_shape(const struct contract *c, struct ca_error *err)
{
    size_t n_scalars = 0;
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct contract_field *f = &c->columns[i];
        if (is_scalar(f)) {
            n_scalars++;
            continue;
        }
        if (f->type != CONTRACT_LIST)
            return refuse(c, f, "only scalars and lists can be columns", err);
        if (f->is_nullable)
            return refuse(c, f, "a list column must not be nullable", err);
        if (strcmp(f->name, "row") == 0)
            return refuse(c, f, "a list cannot be named 'row'", err);
        const struct contract_field *item = &f->children[0];
        if (is_scalar(item)) {
            if (item->is_nullable && !is_text(item))
                return refuse(c, f, "items that are not text must not be nullable", err);
            continue;
        }
        if (item->type != CONTRACT_STRUCT)
            return refuse(c, f, "items must be scalars or structs", err);
        if (item->is_nullable)
            return refuse(c, f, "items must not be nullable", err);
        for (size_t j = 0; j < item->n_children; j++) {
            if (!is_scalar(&item->children[j]))
                return refuse(c, &item->children[j], "fields of a list's struct must be scalars", err);
        }
        CA_TRY(check_members(c, item->children, item->n_children, err));
    }
    if (n_scalars == 0)
        return refuse(c, &c->columns[0], "a row needs a scalar column", err);
    return check_members(c, c->columns, c->n_columns, err);
}

/* ---- the header ------------------------------------------------------------------------------------------------- */

/* Text that can stand in a C comment. */
static char *in_comment(const char *text)
{
    GString *s = g_string_new(text);
    g_string_replace(s, "*/", "* /", 0);
    g_string_replace(s, "/*", "/ *", 0);
    g_string_replace(s, "\n", " ", 0);
    return g_string_free(s, FALSE);
}

static void put_members(GString *out, const struct contract_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_scalar(&fields[i]))
            continue;
        g_autofree char *doc = in_comment(fields[i].doc);
        if (fields[i].is_nullable && !is_text(&fields[i]))
            g_string_append_printf(out, "    bool has_%s;\n", fields[i].name);
        g_string_append_printf(out, "    %s %s; /* %s%s */\n", c_types[fields[i].type], c_name(fields[i].name), doc,
                               fields[i].is_nullable ? "" : "; not null");
    }
}

static char *render_header(const struct contract *c)
{
    const char *D = c->dataset;
    GString *out = g_string_new(NULL);
    g_autofree char *guard = g_ascii_strup(D, -1);
    g_autofree char *doc = in_comment(c->doc);
    g_string_append_printf(
        out,
        "/* rows/gen/%s.h — generated by rowgen from %s.yaml: change that.\n *\n * %s\n *\n"
        " * Results are 0 or an errno value (ENOMEM, EINVAL, EOVERFLOW). One thread at a time. Texts are\n"
        " * borrowed for the call. A call that fails leaves the builder as it was, D_take excepted: free it.\n"
        " */\n#ifndef CA_ROWS_GEN_%s_H\n#define CA_ROWS_GEN_%s_H\n\n#include <stdbool.h>\n#include "
        "<stdint.h>\n\n#include \"rows/rows_value.h\"\n\nstruct ArrowArray;\nstruct ArrowSchema;\nstruct %s;\n\n",
        D, D, doc, guard, guard, D);
    g_string_append_printf(out, "struct %s_row {\n", D);
    put_members(out, c->columns, c->n_columns);
    g_string_append(out, "};\n\n");
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct contract_field *f = &c->columns[i];
        if (f->type != CONTRACT_LIST || f->children[0].type != CONTRACT_STRUCT)
            continue;
        g_autofree char *list_doc = in_comment(f->doc);
        g_string_append_printf(out, "/* %s */\nstruct %s_%s {\n", list_doc, D, f->name);
        put_members(out, f->children[0].children, f->children[0].n_children);
        g_string_append(out, "};\n\n");
    }
    g_string_append_printf(out,
                           "int %s_new(struct %s **ret);\nvoid %s_free(struct %s *b);\n"
                           "int %s_schema(struct ArrowSchema *ret);\n\n",
                           D, D, D, D, D);
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct contract_field *f = &c->columns[i];
        if (f->type != CONTRACT_LIST)
            continue;
        if (f->children[0].type == CONTRACT_STRUCT)
            g_string_append_printf(out, "int %s_%s_append(struct %s *b, const struct %s_%s *item);\n", D, f->name, D, D,
                                   f->name);
        else
            g_string_append_printf(out, "int %s_%s_item(struct %s *b, %s value);\n", D, f->name, D,
                                   c_types[f->children[0].type]);
        g_string_append_printf(out, "int64_t %s_%s_count(const struct %s *b); /* items in the open row */\n", D,
                               f->name, D);
    }
    g_string_append_printf(
        out,
        "\n/* Close the open row with its scalars; the lists hold what was appended since the last row. */\n"
        "int %s_finish_row(struct %s *b, const struct %s_row *row);\n\n"
        "/* Forget what was appended for the open row. */\nint %s_abandon_row(struct %s *b);\n\n"
        "int64_t %s_n_rows(const struct %s *b);  /* finished */\n"
        "int64_t %s_n_bytes(const struct %s *b); /* in the buffers, the open row included */\n\n"
        "/* Move all finished rows out as a struct array; an open row is forgotten, the builder is empty again. */\n"
        "int %s_take(struct %s *b, struct ArrowArray *ret);\n\n#endif\n",
        D, D, D, D, D, D, D, D, D, D, D);
    return g_string_free(out, FALSE);
}

/* ---- the source ------------------------------------------------------------------------------------------------- */

static void put_slot(GString *out, const struct contract_field *f, const char *format, size_t n_children, int list,
                     const char *width)
{
    g_string_append_printf(out, "    {\"%s\", \"%s\", %zu, %d, %s, %s},\n", format, f->name, n_children, list, width,
                           f->is_nullable ? "true" : "false");
}

static void put_scalar_slot(GString *out, const struct contract_field *f, int list)
{
    char format[CONTRACT_FORMAT_SIZE];
    contract_arrow_format(f, format);
    g_autofree char *number = g_strdup_printf("%d", widths[f->type]);
    put_slot(out, f, format, 0, list, widths[f->type] == 0 ? "ROWS_BITS" : widths[f->type] < 0 ? "ROWS_TEXT" : number);
}

/* One statement that appends member `f` of `from` to the column of slot `slot`. */
static void put_append(GString *out, const struct contract_field *f, const char *from, int slot)
{
    const char *member = c_name(f->name);
    g_autofree char *is_valid = f->is_nullable ? g_strdup_printf("%s->has_%s", from, f->name) : g_strdup("true");
    g_string_append(out, "    if (rc == 0)\n");
    if (is_text(f))
        g_string_append_printf(out, "        rc = rows_column_append_str(&b->columns[%d], %s, %s->%s);\n", slot,
                               f->is_nullable ? "true" : "false", from, member);
    else if (f->type == CONTRACT_BOOL)
        g_string_append_printf(out, "        rc = rows_column_append_bool(&b->columns[%d], %s, %s->%s);\n", slot,
                               is_valid, from, member);
    else
        g_string_append_printf(out, "        rc = rows_column_append(&b->columns[%d], %s, &%s->%s, %d);\n", slot,
                               is_valid, from, member, widths[f->type]);
}

static void put_list_functions(GString *out, const struct contract *c, const struct contract_field *f, int slot,
                               int list)
{
    const char *D = c->dataset;
    const struct contract_field *item = &f->children[0];
    int first = slot + 1;
    int end = slot + 2 + (int)item->n_children;
    if (item->type == CONTRACT_STRUCT) {
        g_string_append_printf(out,
                               "int %s_%s_append(struct %s *b, const struct %s_%s *item)\n{\n    int rc = "
                               "b->n_items[%d] == INT32_MAX ? EOVERFLOW : 0;\n",
                               D, f->name, D, D, f->name, list);
        for (size_t i = 0; i < item->n_children; i++)
            put_append(out, &item->children[i], "item", slot + 2 + (int)i);
    } else {
        g_string_append_printf(out,
                               "int %s_%s_item(struct %s *b, %s value)\n{\n    int rc = b->n_items[%d] == INT32_MAX ? "
                               "EOVERFLOW : 0;\n    if (rc == 0)\n",
                               D, f->name, D, c_types[item->type], list);
        if (is_text(item))
            g_string_append_printf(out, "        rc = rows_column_append_str(&b->columns[%d], %s, value);\n", first,
                                   item->is_nullable ? "true" : "false");
        else if (item->type == CONTRACT_BOOL)
            g_string_append_printf(out, "        rc = rows_column_append_bool(&b->columns[%d], true, value);\n", first);
        else
            g_string_append_printf(out, "        rc = rows_column_append(&b->columns[%d], true, &value, %d);\n", first,
                                   widths[item->type]);
        end = first + 1;
    }
    g_string_append_printf(out,
                           "    if (rc == 0)\n        b->n_items[%d]++;\n    else\n        rows_slots_cut(slots, "
                           "b->columns, %d, %d, b->n_items[%d]);\n    return rc;\n}\n\n",
                           list, first, end, list);
    g_string_append_printf(out,
                           "int64_t %s_%s_count(const struct %s *b)\n{\n    return b->n_items[%d] - "
                           "b->n_closed[%d];\n}\n\n",
                           D, f->name, D, list, list);
}

static char *render_source(const struct contract *c)
{
    const char *D = c->dataset;
    GString *out = g_string_new(NULL);
    g_string_append_printf(out,
                           "/* rows/gen/%s.c — generated by rowgen from %s.yaml: change that. */\n"
                           "#include \"rows/gen/%s.h\"\n\n#include <stdlib.h>\n\n#include \"rows/rows_append.h\"\n\n"
                           "static const struct rows_slot slots[] = {\n",
                           D, D, D);
    int n_slots = 0;
    int n_lists = 0;
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct contract_field *f = &c->columns[i];
        n_slots++;
        if (is_scalar(f)) {
            put_scalar_slot(out, f, -1);
            continue;
        }
        put_slot(out, f, "+l", 1, -1, "ROWS_LIST");
        const struct contract_field *item = &f->children[0];
        n_slots++;
        if (is_scalar(item)) {
            put_scalar_slot(out, item, n_lists++);
            continue;
        }
        put_slot(out, item, "+s", item->n_children, n_lists, "ROWS_STRUCT");
        for (size_t j = 0; j < item->n_children; j++, n_slots++)
            put_scalar_slot(out, &item->children[j], n_lists);
        n_lists++;
    }
    g_string_append_printf(out,
                           "};\n\nenum {\n    N_SLOTS = %d,\n    N_TOP = %zu,\n    N_LISTS = %d,\n};\n\n"
                           "/* n_items, n_closed   items of each list: in all rows, and in the finished ones */\n"
                           "struct %s {\n    int64_t n_rows;\n    int64_t n_items[%d];\n    int64_t n_closed[%d];\n"
                           "    struct rows_column columns[N_SLOTS];\n};\n\n",
                           n_slots, c->n_columns, n_lists, D, MAX(n_lists, 1), MAX(n_lists, 1));
    g_string_append_printf(
        out,
        "int %s_new(struct %s **ret)\n{\n    struct %s *b = calloc(1, sizeof *b);\n    if (b == NULL)\n"
        "        return ENOMEM;\n    for (int i = 0; i < N_SLOTS; i++)\n        "
        "rows_column_init(&b->columns[i]);\n    *ret = b;\n    return 0;\n}\n\n",
        D, D, D);
    g_string_append_printf(
        out,
        "void %s_free(struct %s *b)\n{\n    if (b == NULL)\n        return;\n    for (int i = 0; i < "
        "N_SLOTS; i++)\n        rows_column_done(&b->columns[i]);\n    free(b);\n}\n\n",
        D, D);
    g_string_append_printf(
        out, "int %s_schema(struct ArrowSchema *ret)\n{\n    return rows_slots_schema(slots, N_TOP, ret);\n}\n\n", D);

    int slot = 0;
    int list = 0;
    GString *scalars = g_string_new(NULL);
    GString *lists = g_string_new(NULL);
    GString *cuts = g_string_new(NULL);
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct contract_field *f = &c->columns[i];
        g_string_append_printf(cuts, "    rows_slots_cut(slots, b->columns, %d, %d, b->n_rows);\n", slot, slot + 1);
        if (is_scalar(f)) {
            put_append(scalars, f, "row", slot++);
            continue;
        }
        put_list_functions(out, c, f, slot, list);
        g_string_append_printf(lists,
                               "    if (rc == 0)\n        rc = rows_column_append_list(&b->columns[%d], "
                               "b->n_items[%d]);\n",
                               slot, list);
        slot += 2 + (int)f->children[0].n_children;
        list++;
    }
    g_string_append_printf(out,
                           "/* Drop what a row that is not finished left in the columns at top level. */\n"
                           "static void cut_top(struct %s *b)\n{\n%s}\n\n",
                           D, cuts->str);
    g_string_append_printf(
        out,
        "int %s_finish_row(struct %s *b, const struct %s_row *row)\n{\n    int rc = 0;\n%s%s"
        "    if (rc != 0) {\n        cut_top(b);\n        return rc;\n    }\n    b->n_rows++;\n"
        "    for (int i = 0; i < N_LISTS; i++)\n        b->n_closed[i] = b->n_items[i];\n    return 0;\n}\n\n",
        D, D, D, scalars->str, lists->str);
    g_string_append_printf(
        out,
        "int %s_abandon_row(struct %s *b)\n{\n    for (int i = 0; i < N_SLOTS; i++) {\n        if "
        "(slots[i].list >= 0)\n            rows_slots_cut(slots, b->columns, i, i + 1, "
        "b->n_closed[slots[i].list]);\n    }\n    for (int i = 0; i < N_LISTS; i++)\n        b->n_items[i] "
        "= b->n_closed[i];\n    return 0;\n}\n\n",
        D, D);
    g_string_append_printf(
        out,
        "int64_t %s_n_rows(const struct %s *b)\n{\n    return b->n_rows;\n}\n\n"
        "int64_t %s_n_bytes(const struct %s *b)\n{\n    int64_t n_bytes = 0;\n    for (int i = 0; i < "
        "N_SLOTS; i++)\n        n_bytes += rows_column_n_bytes(&b->columns[i]);\n    return n_bytes;\n}\n\n",
        D, D, D, D);
    g_string_append_printf(out,
                           "int %s_take(struct %s *b, struct ArrowArray *ret)\n{\n    (void)%s_abandon_row(b);\n"
                           "    int rc = rows_slots_take(slots, N_SLOTS, N_TOP, b->columns, b->n_rows, ret);\n"
                           "    b->n_rows = 0;\n    for (int i = 0; i < N_LISTS; i++) {\n        b->n_items[i] = 0;\n"
                           "        b->n_closed[i] = 0;\n    }\n    return rc;\n}\n",
                           D, D, D);
    g_string_free(scalars, TRUE);
    g_string_free(lists, TRUE);
    g_string_free(cuts, TRUE);
    return g_string_free(out, FALSE);
}

/* ---- the program ------------------------------------------------------------------------------------------------ */

static int write_if_changed(const char *path, const char *text, size_t n_bytes, struct ca_error *err)
{
    CA_AUTOFREE char *before = NULL;
    size_t n_before = 0;
    if (file_read_bounded(path, (size_t)1 << 28, &before, &n_before, NULL) == CA_OK && n_before == n_bytes &&
        memcmp(before, text, n_bytes) == 0)
        return CA_OK;
    return file_write_atomic(path, text, n_bytes, err);
}

static int generate(const char *dir, const char *path, struct ca_error *err)
{
    CA_AUTOPTR(contract) c = NULL;
    CA_TRY(contract_load(path, &c, err));
    CA_TRY(check_shape(c, err));
    g_autofree char *header = render_header(c);
    g_autofree char *source = render_source(c);
    g_autofree char *header_path = g_strdup_printf("%s/%s.h", dir, c->dataset);
    g_autofree char *source_path = g_strdup_printf("%s/%s.c", dir, c->dataset);
    CA_TRY(write_if_changed(header_path, header, strlen(header), err));
    return write_if_changed(source_path, source, strlen(source), err);
}

static int generate_bundle(const char *path, const char *dir, struct ca_error *err)
{
    CA_AUTOFREE char *json = NULL;
    size_t n_bytes = 0;
    CA_TRY(contract_bundle_render_paths((const char *const[]){dir}, 1, &json, &n_bytes, err));
    GString *out = g_string_sized_new(5 * n_bytes + 512);
    g_string_append(out, "/* Generated by rowgen --bundle from the contracts of datasets/: change those. */\n"
                         "#include <stddef.h>\n\nextern const unsigned char contract_builtin_bundle[];\n"
                         "extern const size_t contract_builtin_bundle_size;\n\n"
                         "const unsigned char contract_builtin_bundle[] = {");
    for (size_t i = 0; i < n_bytes; i++)
        g_string_append_printf(out, "%s%u,", i % 24 == 0 ? "\n" : "", (unsigned char)json[i]);
    g_string_append_printf(out, "\n0};\nconst size_t contract_builtin_bundle_size = %zu;\n", n_bytes);
    int rc = write_if_changed(path, out->str, out->len, err);
    g_string_free(out, TRUE);
    return rc;
}

int main(int argc, char **argv)
{
    struct ca_error err = {0};
    int rc = CA_OK;
    if (argc == 4 && strcmp(argv[1], "--bundle") == 0) {
        rc = generate_bundle(argv[2], argv[3], &err);
    } else if (argc >= 3 && argv[1][0] != '-') {
        rc = file_make_dirs(argv[1], &err);
        for (int i = 2; rc == CA_OK && i < argc; i++)
            rc = generate(argv[1], argv[i], &err);
    } else {
        fprintf(stderr, "usage: rowgen OUTDIR FILE.yaml...\n       rowgen --bundle OUT.c DIR\n");
        return 2;
    }
    if (rc != CA_OK) {
        fprintf(stderr, "rowgen: %s\n", err.message);
        return 1;
    }
    return 0;
}
