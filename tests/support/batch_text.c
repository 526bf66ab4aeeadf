/* tests/support/batch_text.c — see the header. */
#include "support/batch_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <stdbool.h>
#include <string.h>

static void read_field(const char **text, struct ArrowSchema *ret);

static void read_children(const char **text, struct ArrowSchema *ret)
{
    struct ArrowSchema children[8];
    int64_t n = 0;
    while (**text != '\0' && **text != ')') {
        read_field(text, &children[n++]);
        if (**text == ',')
            (*text)++;
    }
    assert_int_equal(ArrowSchemaAllocateChildren(ret, n), 0);
    for (int64_t i = 0; i < n; i++)
        ArrowSchemaMove(&children[i], ret->children[i]);
}

static void read_field(const char **text, struct ArrowSchema *ret)
{
    const char *colon = strchr(*text, ':');
    g_autofree char *name = g_strndup(*text, (gsize)(colon - *text));
    /* A comma inside a decimal's format is written ';'. */
    size_t n = strcspn(colon + 1, "!(),");
    g_autofree char *format = g_strdelimit(g_strndup(colon + 1, n), ";", ',');
    *text = colon + 1 + n;
    ArrowSchemaInit(ret);
    assert_int_equal(ArrowSchemaSetFormat(ret, format), 0);
    assert_int_equal(ArrowSchemaSetName(ret, name), 0);
    ret->flags = ARROW_FLAG_NULLABLE;
    if (**text == '!') {
        ret->flags = 0;
        (*text)++;
    }
    if (**text == '(') {
        (*text)++;
        read_children(text, ret);
        (*text)++;
    }
}

struct ArrowSchema batch_text_schema(const char *text)
{
    struct ArrowSchema schema;
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetFormat(&schema, "+s"), 0);
    schema.flags = 0;
    read_children(&text, &schema);
    return schema;
}

static void put_cell(const char **text, const struct ArrowSchema *schema, struct ArrowArray *array)
{
    while (**text == ' ')
        (*text)++;
    if (g_str_has_prefix(*text, "null")) {
        *text += 4;
        assert_int_equal(ArrowArrayAppendNull(array, 1), 0);
        return;
    }
    const char first = **text;
    if (first == '[' || first == '<') {
        (*text)++;
        while (**text != ']' && **text != '>') {
            if (first == '<') {
                struct ArrowArray *entries = array->children[0];
                put_cell(text, schema->children[0]->children[0], entries->children[0]);
                put_cell(text, schema->children[0]->children[1], entries->children[1]);
                assert_int_equal(ArrowArrayFinishElement(entries), 0);
            } else {
                put_cell(text, schema->children[0], array->children[0]);
            }
            while (**text == ' ')
                (*text)++;
        }
        (*text)++;
        assert_int_equal(ArrowArrayFinishElement(array), 0);
        return;
    }
    if (first == '{') {
        (*text)++;
        for (int64_t i = 0; i < schema->n_children; i++)
            put_cell(text, schema->children[i], array->children[i]);
        assert_true(**text == '}');
        (*text)++;
        assert_int_equal(ArrowArrayFinishElement(array), 0);
        return;
    }
    size_t n = strcspn(*text, " ;|]}>");
    g_autofree char *cell = g_strndup(*text, n);
    *text += n;
    const char f = schema->format[0];
    if (schema->format[1] == '\0' && strchr("uUzZ", f) != NULL)
        assert_int_equal(ArrowArrayAppendString(array, ArrowCharView(strcmp(cell, "''") == 0 ? "" : cell)), 0);
    else if (f == 'v')
        assert_int_equal(ArrowArrayAppendString(array, ArrowCharView(cell)), 0);
    else if (f == 'f' || f == 'g')
        assert_int_equal(ArrowArrayAppendDouble(array, g_ascii_strtod(cell, NULL)), 0);
    else if (f == 'L')
        assert_int_equal(ArrowArrayAppendUInt(array, g_ascii_strtoull(cell, NULL, 10)), 0);
    else if (f == 'd') {
        struct ArrowDecimal d;
        struct ArrowSchemaView view;
        assert_int_equal(ArrowSchemaViewInit(&view, schema, NULL), 0);
        ArrowDecimalInit(&d, view.decimal_bitwidth, view.decimal_precision, view.decimal_scale);
        assert_int_equal(ArrowDecimalSetDigits(&d, ArrowCharView(cell)), 0);
        assert_int_equal(ArrowArrayAppendDecimal(array, &d), 0);
    } else
        assert_int_equal(ArrowArrayAppendInt(array, strcmp(cell, "t") == 0 ? 1 : g_ascii_strtoll(cell, NULL, 10)), 0);
}

struct ArrowArray batch_text_parse(const struct ArrowSchema *schema, const char *text)
{
    struct ArrowArray array;
    assert_int_equal(ArrowArrayInitFromSchema(&array, schema, NULL), 0);
    assert_int_equal(ArrowArrayStartAppending(&array), 0);
    while (*text != '\0') {
        for (int64_t i = 0; i < schema->n_children; i++) {
            put_cell(&text, schema->children[i], array.children[i]);
            if (*text == '|')
                text++;
        }
        assert_int_equal(ArrowArrayFinishElement(&array), 0);
        if (*text == ';')
            text++;
    }
    struct ArrowError why = {.message = ""};
    if (ArrowArrayFinishBuildingDefault(&array, &why) != 0)
        fail_msg("%s", why.message);
    return array;
}

static void render_cell(GString *out, const struct ArrowArrayView *v, int64_t i)
{
    if (ArrowArrayViewIsNull(v, i)) {
        g_string_append(out, "null");
        return;
    }
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    switch (v->storage_type) {
    case NANOARROW_TYPE_STRUCT:
        for (int64_t k = 0; k < v->n_children; k++) {
            g_string_append_c(out, k == 0 ? '{' : ' ');
            render_cell(out, v->children[k], v->offset + i);
        }
        g_string_append_c(out, '}');
        return;
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_LARGE_LIST: {
        g_string_append_c(out, '[');
        const int64_t first = ArrowArrayViewListChildOffset(v, v->offset + i);
        for (int64_t k = first; k < ArrowArrayViewListChildOffset(v, v->offset + i + 1); k++) {
            g_string_append(out, k == first ? "" : " ");
            render_cell(out, v->children[0], k);
        }
        g_string_append_c(out, ']');
        return;
    }
    case NANOARROW_TYPE_MAP: {
        g_string_append_c(out, '<');
        const int64_t first = ArrowArrayViewListChildOffset(v, v->offset + i);
        for (int64_t k = first; k < ArrowArrayViewListChildOffset(v, v->offset + i + 1); k++) {
            g_string_append(out, k == first ? "" : " ");
            render_cell(out, v->children[0]->children[0], k);
            g_string_append_c(out, ' ');
            render_cell(out, v->children[0]->children[1], k);
        }
        g_string_append_c(out, '>');
        return;
    }
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        g_string_append(out, g_ascii_formatd(number, sizeof number, "%.9g", ArrowArrayViewGetDoubleUnsafe(v, i)));
        return;
    case NANOARROW_TYPE_UINT64:
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, ArrowArrayViewGetUIntUnsafe(v, i));
        return;
    case NANOARROW_TYPE_BOOL:
        g_string_append(out, ArrowArrayViewGetIntUnsafe(v, i) ? "t" : "f");
        return;
    case NANOARROW_TYPE_DECIMAL32:
    case NANOARROW_TYPE_DECIMAL64:
    case NANOARROW_TYPE_DECIMAL128:
    case NANOARROW_TYPE_DECIMAL256: {
        struct ArrowDecimal d;
        struct ArrowBuffer digits;
        ArrowDecimalInit(&d, (int32_t)v->layout.element_size_bits[1], 38, 0);
        ArrowArrayViewGetDecimalUnsafe(v, i, &d);
        ArrowBufferInit(&digits);
        assert_int_equal(ArrowDecimalAppendDigitsToBuffer(&d, &digits), 0);
        g_string_append_len(out, (const char *)digits.data, (gssize)digits.size_bytes);
        ArrowBufferReset(&digits);
        return;
    }
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
    case NANOARROW_TYPE_BINARY: {
        struct ArrowBufferView bytes = ArrowArrayViewGetBytesUnsafe(v, i);
        if (bytes.size_bytes == 0)
            g_string_append(out, "''");
        else
            g_string_append_len(out, bytes.data.as_char, (gssize)bytes.size_bytes);
        return;
    }
    default:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, ArrowArrayViewGetIntUnsafe(v, i));
        return;
    }
}

char *batch_text_render(const struct ArrowSchema *schema, const struct ArrowArray *array)
{
    struct ArrowArrayView view;
    struct ArrowError why = {.message = ""};
    if (ArrowArrayViewInitFromSchema(&view, schema, &why) != 0 || ArrowArrayViewSetArray(&view, array, &why) != 0 ||
        ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, &why) != 0)
        fail_msg("%s", why.message);
    GString *out = g_string_new(NULL);
    for (int64_t i = 0; i < view.length; i++) {
        g_string_append(out, i == 0 ? "" : ";");
        for (int64_t k = 0; k < view.n_children; k++) {
            g_string_append(out, k == 0 ? "" : "|");
            render_cell(out, view.children[k], view.offset + i);
        }
    }
    ArrowArrayViewReset(&view);
    return g_string_free(out, FALSE);
}
