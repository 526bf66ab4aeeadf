/* contract/inferred.c — Arrow columns become a contract's text. */
#include <nanoarrow/nanoarrow.h>

#include "contract/inferred.h"

#include <glib.h>
#include <string.h>

#include "contract/yaml.h"
#include "rows/rows.h"

/* The numbers behind the ':' of a format, as many as there are. */
static void read_numbers(const char *text, int32_t ret[2])
{
    for (size_t i = 0; i < 2 && text != NULL && *text != '\0'; i++) {
        char *end = NULL;
        ret[i] = (int32_t)g_ascii_strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : NULL;
    }
}

/* The type that Arrow writes so; false: there is none. `ret->zone` is borrowed. */
static bool find_type(const char *format, struct contract_field *ret)
{
    const char *colon = strchr(format, ':');
    const char *rest = colon == NULL || colon[1] == '\0' ? NULL : colon + 1;
    int32_t numbers[2] = {0};
    read_numbers(rest, numbers);
    for (int i = 0; i < CONTRACT_N_TYPES; i++) {
        struct contract_field field = {.type = (enum contract_type)i, .zone = (char *)rest};
        char known[CONTRACT_FORMAT_SIZE];
        field.size = field.precision = numbers[0];
        field.scale = numbers[1];
        if (field.type == CONTRACT_DICTIONARY)
            continue;
        contract_arrow_format(&field, known);
        if (strcmp(known, format) == 0) {
            *ret = field;
            return true;
        }
    }
    return false;
}

static void put_number(struct yaml_node *map, const char *key, int64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    yaml_put(map, key, yaml_plain(text, NULL));
}

/* What a type takes beside its name and what is inside. */
static void put_parts(struct yaml_node *map, const struct contract_field *field)
{
    const enum contract_shape shape = contract_type_shape(field->type);
    if (shape == CONTRACT_SHAPE_DECIMAL) {
        put_number(map, "precision", field->precision);
        put_number(map, "scale", field->scale);
    } else if (shape == CONTRACT_SHAPE_TIMESTAMP && field->zone != NULL) {
        yaml_put(map, "zone", yaml_text(field->zone, NULL));
    } else if (shape == CONTRACT_SHAPE_BYTES || shape == CONTRACT_SHAPE_SIZED_LIST) {
        put_number(map, "size", field->size);
    }
}

static int put_type(struct yaml_node *map, const struct ArrowSchema *schema, const char *path, int depth,
                    struct ca_error *err);

static void put_nullable(struct yaml_node *map, const struct ArrowSchema *schema)
{
    yaml_put(map, "nullable", yaml_plain((schema->flags & ARROW_FLAG_NULLABLE) != 0 ? "true" : "false", NULL));
}

/* The type of an item, key or value under its own key. */
static int put_child(struct yaml_node *map, const char *key, const struct ArrowSchema *child, bool has_nullable,
                     const char *path, int depth, struct ca_error *err)
{
    struct yaml_node *inner = yaml_map(NULL);
    yaml_put(map, key, inner);
    CA_TRY(put_type(inner, child, path, depth + 1, err));
    if (has_nullable)
        put_nullable(inner, child);
    return CA_OK;
}

static int put_fields(struct yaml_node *map, const char *key, const struct ArrowSchema *schema, const char *path,
                      int depth, struct ca_error *err)
{
    struct yaml_node *fields = yaml_list(NULL);
    yaml_put(map, key, fields);
    for (int64_t i = 0; i < schema->n_children; i++) {
        const struct ArrowSchema *child = schema->children[i];
        g_autofree char *inner = g_strconcat(path, path[0] == '\0' ? "" : ".", child->name, NULL);
        struct yaml_node *field = yaml_map(NULL);
        yaml_add(fields, field);
        yaml_put(field, "name", yaml_text(child->name, NULL));
        CA_TRY(put_type(field, child, inner, depth + 1, err));
        put_nullable(field, child);
        yaml_put(field, "doc", yaml_text("inferred", NULL));
    }
    return CA_OK;
}

static int put_inside(struct yaml_node *map, enum contract_shape shape, const struct ArrowSchema *schema,
                      const char *path, int depth, struct ca_error *err)
{
    if ((shape & CONTRACT_SHAPES_LIST) != 0) {
        g_autofree char *item = g_strconcat(path, "[]", NULL);
        return put_child(map, "item", schema->children[0], true, item, depth, err);
    }
    if (shape == CONTRACT_SHAPE_STRUCT)
        return put_fields(map, "fields", schema, path, depth, err);
    if (shape != CONTRACT_SHAPE_MAP)
        return CA_OK;
    const struct ArrowSchema *entries = schema->children[0];
    CA_TRY(put_child(map, "key", entries->children[0], false, path, depth, err));
    return put_child(map, "value", entries->children[1], true, path, depth, err);
}

static int put_type(struct yaml_node *map, const struct ArrowSchema *schema, const char *path, int depth,
                    struct ca_error *err)
{
    struct contract_field field = {0};
    if (depth > CONTRACT_MAX_DEPTH + 1)
        return ca_fail(err, CA_ERR_RESOURCES, "the type of '%s' nests deeper than %d levels", path, CONTRACT_MAX_DEPTH);
    if (!find_type(schema->format, &field)) {
        CA_AUTOFREE char *type = rows_type_text(schema);
        return ca_fail(err, CA_ERR_CONTRACT,
                       "column '%s' is %s, which no contract can say, so it cannot be kept: declare columns that leave "
                       "it out",
                       path, type);
    }
    if (schema->dictionary != NULL) {
        yaml_put(map, "type", yaml_text(contract_type_name(CONTRACT_DICTIONARY), NULL));
        yaml_put(map, "index", yaml_text(contract_type_name(field.type), NULL));
        return put_child(map, "value", schema->dictionary, false, path, depth, err);
    }
    yaml_put(map, "type", yaml_text(contract_type_name(field.type), NULL));
    put_parts(map, &field);
    return put_inside(map, contract_type_shape(field.type), schema, path, depth, err);
}

int contract_inferred_render(const char *name, int64_t version, const char *format, const char *location,
                             const struct ArrowSchema *schema, char **ret, struct ca_error *err)
{
    CA_AUTOPTR(yaml_node) root = yaml_map(NULL);
    yaml_put(root, "dataset", yaml_text(name, NULL));
    put_number(root, "version", version);
    yaml_put(root, "kind", yaml_text(contract_kind_name(CONTRACT_TABLE), NULL));
    yaml_put(root, "doc", yaml_text("Its columns were inferred from what lies at its location.", NULL));
    CA_TRY(put_fields(root, "columns", schema, "", 0, err));
    struct yaml_node *storage = yaml_map(NULL);
    yaml_put(root, "storage", storage);
    yaml_put(storage, "format", yaml_text(format, NULL));
    if (location != NULL)
        yaml_put(storage, "location", yaml_text(location, NULL));
    struct yaml_node *evolution = yaml_map(NULL);
    yaml_put(root, "evolution", evolution);
    yaml_put(evolution, "default", yaml_text("refuse", NULL));
    *ret = yaml_render(root);
    return CA_OK;
}
