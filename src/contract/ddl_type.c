/* contract/ddl_type.c — how far DataFusion's DDL (55.2) can say a contract's columns.
 *
 * It has no NOT NULL inside a type, no map, no dictionary, no field metadata, one kind of list besides the sized one,
 * one of text and one of bytes, and takes the zone of a timestamp from the session (ours is UTC). The nearest type
 * stands in the text and the truth in a comment behind it.
 */
#include <nanoarrow/nanoarrow.h>

#include "contract/ddl_type.h"

#include <jansson.h>
#include <string.h>

#include "rows/rows.h"

/* is_exact   the engine makes this very type of the words */
static const struct {
    const char *words;
    bool is_exact;
} plain[CONTRACT_N_TYPES] = {
    [CONTRACT_NULL] = {"BOOLEAN", false},
    [CONTRACT_BOOL] = {"BOOLEAN", true},
    [CONTRACT_INT8] = {"TINYINT", true},
    [CONTRACT_INT16] = {"SMALLINT", true},
    [CONTRACT_INT32] = {"INT", true},
    [CONTRACT_INT64] = {"BIGINT", true},
    [CONTRACT_UINT8] = {"TINYINT UNSIGNED", true},
    [CONTRACT_UINT16] = {"SMALLINT UNSIGNED", true},
    [CONTRACT_UINT32] = {"INT UNSIGNED", true},
    [CONTRACT_UINT64] = {"BIGINT UNSIGNED", true},
    [CONTRACT_FLOAT16] = {"FLOAT", false},
    [CONTRACT_FLOAT32] = {"FLOAT", true},
    [CONTRACT_FLOAT64] = {"DOUBLE", true},
    [CONTRACT_UTF8] = {"VARCHAR", true},
    [CONTRACT_LARGE_UTF8] = {"VARCHAR", false},
    [CONTRACT_UTF8_VIEW] = {"VARCHAR", false},
    [CONTRACT_BINARY] = {"BYTEA", true},
    [CONTRACT_LARGE_BINARY] = {"BYTEA", false},
    [CONTRACT_BINARY_VIEW] = {"BYTEA", false},
    [CONTRACT_FIXED_SIZE_BINARY] = {"BYTEA", false},
    [CONTRACT_DATE32] = {"DATE", true},
    [CONTRACT_DATE64] = {"TIMESTAMP(3)", false},
    [CONTRACT_TIME32_S] = {"TIME", false},
    [CONTRACT_TIME32_MS] = {"TIME", false},
    [CONTRACT_TIME64_US] = {"TIME", false},
    [CONTRACT_TIME64_NS] = {"TIME", true},
    [CONTRACT_TIMESTAMP_S] = {"TIMESTAMP(0)", true},
    [CONTRACT_TIMESTAMP_MS] = {"TIMESTAMP(3)", true},
    [CONTRACT_TIMESTAMP_US] = {"TIMESTAMP(6)", true},
    [CONTRACT_TIMESTAMP_NS] = {"TIMESTAMP(9)", true},
    [CONTRACT_DURATION_S] = {"BIGINT", false},
    [CONTRACT_DURATION_MS] = {"BIGINT", false},
    [CONTRACT_DURATION_US] = {"BIGINT", false},
    [CONTRACT_DURATION_NS] = {"BIGINT", false},
    [CONTRACT_INTERVAL_YEAR_MONTH] = {"INTERVAL", false},
    [CONTRACT_INTERVAL_DAY_TIME] = {"INTERVAL", false},
    [CONTRACT_INTERVAL_MONTH_DAY_NANO] = {"INTERVAL", true},
};

/* More digits than this make a Decimal256 of DECIMAL(p, s). */
#define DECIMAL128_DIGITS 38

/* The parser takes `>>` for one word and what follows for the inner type's: ARRAY<STRUCT<a INT>>[4] is a list of sized
 * lists (sqlparser of 55.2). Apart they mean what they say. */
static void put_size_of_list(GString *out, int32_t size)
{
    for (gsize at = out->len; at > 1 && out->str[at - 1] == '>' && out->str[at - 2] == '>'; at--)
        g_string_insert_c(out, (gssize)at - 1, ' ');
    g_string_append_printf(out, "[%d]", size);
}

/* Recursion is bounded by CONTRACT_MAX_DEPTH. */
void ddl_put_type(GString *out, const struct contract_field *field)
{
    const enum contract_shape shape = contract_type_shape(field->type);
    switch (shape) {
    case CONTRACT_SHAPE_DECIMAL:
        g_string_append_printf(out, "DECIMAL(%d, %d)", field->precision, field->scale);
        break;
    case CONTRACT_SHAPE_LIST:
        g_string_append(out, "ARRAY<");
        ddl_put_type(out, &field->children[0]);
        g_string_append_c(out, '>');
        break;
    case CONTRACT_SHAPE_SIZED_LIST:
        ddl_put_type(out, &field->children[0]);
        put_size_of_list(out, field->size);
        break;
    case CONTRACT_SHAPE_MAP:
    case CONTRACT_SHAPE_STRUCT:
        /* A map is written as the list of structs that it is. */
        g_string_append(out, shape == CONTRACT_SHAPE_MAP ? "ARRAY<STRUCT<" : "STRUCT<");
        for (size_t i = 0; i < field->n_children; i++) {
            g_autofree char *name = contract_quote(field->children[i].name);
            g_string_append_printf(out, "%s%s ", i == 0 ? "" : ", ", name);
            ddl_put_type(out, &field->children[i]);
        }
        g_string_append(out, shape == CONTRACT_SHAPE_MAP ? ">>" : ">");
        break;
    case CONTRACT_SHAPE_DICTIONARY:
        ddl_put_type(out, &field->children[0]);
        break;
    case CONTRACT_SHAPE_TIMESTAMP:
        g_string_append(out, plain[field->type].words);
        if (field->zone != NULL)
            g_string_append(out, " WITH TIME ZONE");
        break;
    case CONTRACT_SHAPE_PLAIN:
    case CONTRACT_SHAPE_BYTES:
        g_string_append(out, plain[field->type].words);
        break;
    }
}

char *contract_sql_type(const struct contract_field *field)
{
    GString *out = g_string_new(NULL);
    ddl_put_type(out, field);
    return g_string_free(out, FALSE);
}

/* Whether the words above come back as this type, what is inside apart. */
static bool is_said(const struct contract_field *field)
{
    switch (contract_type_shape(field->type)) {
    case CONTRACT_SHAPE_DECIMAL:
        return field->type == CONTRACT_DECIMAL128 ||
               (field->type == CONTRACT_DECIMAL256 && field->precision > DECIMAL128_DIGITS);
    case CONTRACT_SHAPE_TIMESTAMP:
        return field->zone == NULL || strcmp(field->zone, "UTC") == 0;
    case CONTRACT_SHAPE_LIST:
        return field->type == CONTRACT_LIST;
    case CONTRACT_SHAPE_SIZED_LIST:
    case CONTRACT_SHAPE_STRUCT:
        return true;
    case CONTRACT_SHAPE_MAP:
    case CONTRACT_SHAPE_DICTIONARY:
        return false;
    case CONTRACT_SHAPE_PLAIN:
    case CONTRACT_SHAPE_BYTES:
        break;
    }
    return plain[field->type].is_exact;
}

/* ---- what is left unsaid ---------------------------------------------------------------------------------------- */

/* Takes both values; detail NULL: there is none. */
static void put_line(GString *out, const char *key, json_t *what, const char *detail, json_t *value)
{
    json_t *object = json_object();
    json_object_set_new(object, key, what);
    if (detail != NULL)
        json_object_set_new(object, detail, value);
    char *text = json_dumps(object, JSON_COMPACT);
    g_string_append_printf(out, "-- unsaid %s\n", text);
    free(text);
    json_decref(object);
}

static void put_metadata(GString *out, const char *path, const struct contract_pairs *metadata)
{
    if (metadata->n == 0)
        return;
    json_t *pairs = json_object();
    for (size_t i = 0; i < metadata->n; i++)
        json_object_set_new(pairs, metadata->items[i].key, json_string(metadata->items[i].value));
    put_line(out, "path", json_string(path), "metadata", pairs);
}

/* is_inside   below a type that has its line: only defaults and metadata are left to say
 * Recursion is bounded by CONTRACT_MAX_DEPTH. */
static void put_field(GString *out, const struct contract_field *field, const struct ArrowSchema *schema,
                      const char *path, bool is_top, bool is_inside)
{
    if (!is_inside && !is_said(field)) {
        CA_AUTOFREE char *type = rows_type_text(schema);
        put_line(out, "path", json_string(path), "type", json_string(type));
    }
    if (!is_top && !is_inside && !field->is_nullable)
        put_line(out, "path", json_string(path), "not_null", json_true());
    if (!is_top && field->default_sql != NULL)
        put_line(out, "path", json_string(path), "default", json_string(field->default_sql));
    put_metadata(out, path, &field->metadata);
    const enum contract_shape shape = contract_type_shape(field->type);
    if ((shape & CONTRACT_SHAPES_NESTED) == 0)
        return;
    if (shape == CONTRACT_SHAPE_MAP)
        schema = schema->children[0];
    for (size_t i = 0; i < field->n_children; i++) {
        g_autofree char *name = contract_child_path(path, field, i);
        put_field(out, &field->children[i], schema->children[i], name, false, is_inside || !is_said(field));
    }
}

static void put_size(GString *out, const char *name, int64_t n_bytes)
{
    if (n_bytes > 0)
        put_line(out, "storage", json_string(name), "value", json_integer(n_bytes));
}

static json_t *names_json(const struct contract_names *names)
{
    json_t *array = json_array();
    for (size_t i = 0; i < names->n; i++)
        json_array_append_new(array, json_string(names->items[i]));
    return array;
}

/* The options of Delta tables are ours and say all; other formats know what the engine knows. */
static void put_storage(GString *out, const struct contract *c)
{
    const struct contract_storage *s = &c->storage;
    if (strcmp(s->format, "delta") == 0)
        return;
    if (strcmp(s->format, "memory") == 0 && c->order.n > 0)
        put_line(out, "order", names_json(&c->order), NULL, NULL);
    if (s->compression != NULL && !contract_storage_is_text(s))
        put_line(out, "storage", json_string("compression"), "value", json_string(s->compression));
    put_size(out, "row_group_bytes", s->row_group_bytes);
    if (s->statistics_columns.n > 0)
        put_line(out, "storage", json_string("statistics_columns"), "value", names_json(&s->statistics_columns));
    put_size(out, "target_file_bytes", s->target_file_bytes);
}

int ddl_put_unsaid(GString *out, const struct contract *c, struct ca_error *err)
{
    struct ArrowSchema schema;
    CA_TRY(contract_schema(c, &schema, err));
    for (size_t i = 0; i < c->n_columns; i++)
        put_field(out, &c->columns[i], schema.children[i], c->columns[i].name, true, false);
    ArrowSchemaRelease(&schema);
    put_metadata(out, "", &c->metadata);
    put_storage(out, c);
    for (size_t i = 0; i < c->checks.n; i++)
        put_line(out, "check", json_string(c->checks.items[i].key), "sql", json_string(c->checks.items[i].value));
    return CA_OK;
}
