/* contract/inferred.c — Arrow columns become a contract's text. */
#include <nanoarrow/nanoarrow.h>

#include "contract/inferred.h"

#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "contract/scan.h"
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

/* ---- options ---------------------------------------------------------------------------------------------------- */

/* Where the parts of a contract go that options say; each is put into it when it has something. */
struct parts {
    struct yaml_node *scan;
    struct yaml_node *storage;
    struct yaml_node *properties;
    struct yaml_node *partition_by;
    struct yaml_node *primary;
    struct yaml_node *unique;
    char *unique_key; /* of the list that is the last of `unique` */
};

static void put_list(struct yaml_node *list, const char *names)
{
    g_auto(GStrv) parts = g_strsplit(names, ",", -1);
    for (size_t i = 0; parts[i] != NULL; i++)
        yaml_add(list, yaml_text(g_strstrip(parts[i]), NULL));
}

static void put_properties(struct yaml_node *properties, const char *text)
{
    json_t *said = json_loads(text, 0, NULL);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(said, key, value) yaml_put(properties, key, yaml_text(json_string_value(value), NULL));
    json_decref(said);
}

/* How a Delta table is written: "storage.KEY". */
static void put_storage(struct parts *p, const char *key, const char *value)
{
    if (strcmp(key, "properties") == 0) {
        put_properties(p->properties, value);
    } else if (strcmp(key, "statistics_columns") == 0) {
        struct yaml_node *columns = yaml_list(NULL);
        put_list(columns, value);
        yaml_put(p->storage, key, columns);
    } else {
        yaml_put(p->storage, key, strcmp(key, "compression") == 0 ? yaml_text(value, NULL) : yaml_plain(value, NULL));
    }
}

static void put_unique(struct parts *p, const char *key, const char *column)
{
    if (g_strcmp0(p->unique_key, key) != 0) {
        g_free(p->unique_key);
        p->unique_key = g_strdup(key);
        yaml_add(p->unique, yaml_list(NULL));
    }
    yaml_add(p->unique->items[p->unique->n_items - 1], yaml_text(column, NULL));
}

static const struct contract_scan_option *scan_option(const char *key)
{
    for (size_t i = 0; i < contract_scan_n_options(); i++) {
        const struct contract_scan_option *option = contract_scan_option_at(i);
        if (strcmp(option->key, key) == 0)
            return option;
    }
    return NULL;
}

static void put_option(struct parts *p, const char *key, const char *value)
{
    const struct contract_scan_option *scan = scan_option(key);
    if (strcmp(key, "partition_columns") == 0)
        put_list(p->partition_by, value);
    else if (strcmp(key, "primary_key") == 0)
        yaml_add(p->primary, yaml_text(value, NULL));
    else if (g_str_has_prefix(key, "unique."))
        put_unique(p, key, value);
    else if (g_str_has_prefix(key, "storage."))
        put_storage(p, key + strlen("storage."), value);
    else if (strcmp(key, "format.compression") == 0)
        yaml_put(p->storage, "compression", yaml_text(value, NULL));
    else if (scan != NULL && yaml_get(p->scan, scan->name) == NULL)
        yaml_put(p->scan, scan->name,
                 scan->kind == CONTRACT_SCAN_TEXT ? yaml_text(value, NULL) : yaml_plain(value, NULL));
    else if (scan == NULL && !g_str_has_prefix(key, "default."))
        yaml_put(p->properties, key, yaml_text(value, NULL));
}

static void put_part(struct yaml_node *map, const char *key, struct yaml_node *part)
{
    if (part->n_items > 0)
        yaml_put(map, key, part);
    else
        yaml_node_free(part);
}

/* In order of key, so that the same statement gives the same text. */
static int compare_pairs(const void *a, const void *b)
{
    return strcmp(((const struct contract_pair *)a)->key, ((const struct contract_pair *)b)->key);
}

static void put_options(struct yaml_node *root, const struct contract_inferred *table, struct yaml_node *storage)
{
    struct yaml_node *keys = yaml_map(NULL);
    struct parts p = {yaml_map(NULL), storage, yaml_map(NULL), yaml_list(NULL), yaml_list(NULL), yaml_list(NULL), NULL};
    g_autoptr(GArray) sorted = g_array_new(FALSE, FALSE, sizeof(struct contract_pair));
    for (size_t i = 0; i < table->n_options; i++) {
        const struct contract_pair pair = {.key = (char *)table->option_keys[i],
                                           .value = (char *)table->option_values[i]};
        g_array_append_val(sorted, pair);
    }
    g_array_sort(sorted, compare_pairs); /* stable: the columns of a key keep their order */
    for (guint i = 0; i < sorted->len; i++)
        put_option(&p, g_array_index(sorted, struct contract_pair, i).key,
                   g_array_index(sorted, struct contract_pair, i).value);
    put_part(keys, "primary", p.primary);
    put_part(keys, "unique", p.unique);
    put_part(root, "keys", keys);
    put_part(root, "partition_by", p.partition_by);
    put_part(root, "scan", p.scan);
    put_part(storage, "properties", p.properties);
    g_free(p.unique_key);
}

/* What a column is when INSERT says nothing of it: "default.COLUMN". */
static void put_defaults(struct yaml_node *columns, const struct contract_inferred *table)
{
    for (size_t i = 0; i < table->n_options; i++) {
        if (!g_str_has_prefix(table->option_keys[i], "default."))
            continue;
        const char *name = table->option_keys[i] + strlen("default.");
        for (size_t k = 0; k < columns->n_items; k++)
            if (strcmp(yaml_get(columns->items[k], "name")->text, name) == 0)
                yaml_put(columns->items[k], "default", yaml_text(table->option_values[i], NULL));
    }
}

int contract_inferred_render(const struct contract_inferred *table, char **ret, struct ca_error *err)
{
    CA_AUTOPTR(yaml_node) root = yaml_map(NULL);
    yaml_put(root, "dataset", yaml_text(table->name, NULL));
    put_number(root, "version", table->version);
    yaml_put(root, "kind", yaml_text(contract_kind_name(CONTRACT_TABLE), NULL));
    yaml_put(root, "doc", yaml_text("Its columns were inferred from what lies at its location.", NULL));
    CA_TRY(put_fields(root, "columns", table->schema, "", 0, err));
    put_defaults(root->items[root->n_items - 1], table);
    struct yaml_node *storage = yaml_map(NULL);
    yaml_put(storage, "format", yaml_text(table->format, NULL));
    if (table->location != NULL)
        yaml_put(storage, "location", yaml_text(table->location, NULL));
    put_options(root, table, storage);
    yaml_put(root, "storage", storage);
    struct yaml_node *evolution = yaml_map(NULL);
    yaml_put(root, "evolution", evolution);
    yaml_put(evolution, "default", yaml_text("refuse", NULL));
    *ret = yaml_render(root);
    return CA_OK;
}
