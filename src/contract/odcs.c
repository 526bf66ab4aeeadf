/* contract/odcs.c — Open Data Contract Standard 3.1 (JSON schema of v3.1.0, 2025-12-08).
 *
 * A dataset is a schema object, a column a property, nested types nest as items and properties. physicalType is our own
 * name of the type, logicalType the nearest of theirs. A map is an object whose properties are key and value. Checks
 * are quality rules of the engine `codeanatomy`. What ODCS has no word for is in one custom property of the object or
 * property it belongs to.
 */
#include "contract/exchange_room.h"

#include <string.h>

#define API_VERSION "v3.1.0"

static const char *const known_versions[] = {API_VERSION, "v3.0.2", "v3.0.1", "v3.0.0"};

/* ---- export ----------------------------------------------------------------------------------------------------- */

/* By the start of the type's name; format is an option of the logical type. Types without a like are left to
 * physicalType alone. */
static const struct {
    const char *start;
    const char *logical;
    const char *format;
} logical_types[] = {
    {"bool", "boolean", NULL},
    {"int8", "integer", "i8"},
    {"int16", "integer", "i16"},
    {"int32", "integer", "i32"},
    {"int64", "integer", "i64"},
    {"uint8", "integer", "u8"},
    {"uint16", "integer", "u16"},
    {"uint32", "integer", "u32"},
    {"uint64", "integer", "u64"},
    {"float16", "number", NULL},
    {"float32", "number", "f32"},
    {"float64", "number", "f64"},
    {"decimal", "number", NULL},
    {"utf8", "string", NULL},
    {"large_utf8", "string", NULL},
    {"binary", "string", "binary"},
    {"large_binary", "string", "binary"},
    {"fixed_size_binary", "string", "binary"},
    {"date", "date", NULL},
    {"time32", "time", NULL},
    {"time64", "time", NULL},
    {"timestamp", "timestamp", NULL},
    {"list", "array", NULL},
    {"large_list", "array", NULL},
    {"fixed_size_list", "array", NULL},
    {"struct", "object", NULL},
    {"map", "object", NULL},
};

static void put_logical_type(struct yaml_node *out, const struct yaml_node *field)
{
    const char *type = yaml_get(field, "type")->text;
    const struct yaml_node *zone = yaml_get(field, "zone");
    for (size_t i = 0; i < G_N_ELEMENTS(logical_types); i++) {
        if (!g_str_has_prefix(type, logical_types[i].start))
            continue;
        yaml_put(out, "logicalType", yaml_text(logical_types[i].logical, field));
        yaml_put(out, "physicalType", yaml_text(type, field));
        struct yaml_node *options = yaml_map(field);
        if (logical_types[i].format != NULL)
            yaml_put(options, "format", yaml_text(logical_types[i].format, field));
        if (zone != NULL) {
            yaml_put(options, "timezone", yaml_plain("true", field));
            yaml_put(options, "defaultTimezone", yaml_text(zone->text, zone));
        }
        if (options->n_items > 0)
            yaml_put(out, "logicalTypeOptions", options);
        else
            yaml_node_free(options);
        return;
    }
    yaml_put(out, "physicalType", yaml_text(type, field));
}

/* Takes `own`; NULL: nothing is put. */
static void put_own(struct yaml_node *out, struct yaml_node *own)
{
    if (own == NULL)
        return;
    struct yaml_node *property = yaml_map(own);
    struct yaml_node *list = yaml_list(own);
    yaml_put(property, "property", yaml_text(EXCHANGE_OWN, own));
    yaml_put(property, "value", own);
    yaml_add(list, property);
    yaml_put(out, "customProperties", list);
}

static struct yaml_node *property_of(const struct yaml_node *field, const char *name);

/* Recursion is bounded by CONTRACT_MAX_DEPTH. */
static void put_inside(struct yaml_node *out, const struct yaml_node *field)
{
    const struct yaml_node *item = yaml_get(field, "item");
    const struct yaml_node *fields = yaml_get(field, "fields");
    const struct yaml_node *key = yaml_get(field, "key");
    if (item != NULL)
        yaml_put(out, "items", property_of(item, NULL));
    if (fields == NULL && key == NULL)
        return;
    struct yaml_node *properties = yaml_list(field);
    yaml_put(out, "properties", properties);
    for (size_t i = 0; fields != NULL && i < fields->n_items; i++)
        yaml_add(properties, property_of(fields->items[i], yaml_get(fields->items[i], "name")->text));
    if (key == NULL)
        return;
    yaml_add(properties, property_of(key, "key"));
    yaml_add(properties, property_of(yaml_get(field, "value"), "value"));
}

static struct yaml_node *property_of(const struct yaml_node *field, const char *name)
{
    static const char *const said[] = {"name", "type", "zone", "nullable", "doc", "item", "fields", NULL};
    static const char *const said_of_map[] = {"name", "type", "nullable", "doc", "key", "value", NULL};
    struct yaml_node *out = yaml_map(field);
    if (name != NULL)
        yaml_put(out, "name", yaml_text(name, field));
    put_logical_type(out, field);
    if (yaml_get(field, "doc") != NULL)
        yaml_put(out, "description", yaml_copy(yaml_get(field, "doc")));
    const struct yaml_node *nullable = yaml_get(field, "nullable");
    if (nullable == NULL || strcmp(nullable->text, "false") == 0)
        yaml_put(out, "required", yaml_plain("true", field));
    put_inside(out, field);
    put_own(out, exchange_rest(field, yaml_get(field, "key") != NULL ? said_of_map : said));
    return out;
}

/* The place of a column in a list of names, from 1; 0: not there. */
static size_t place_in(const struct yaml_node *names, const char *name)
{
    for (size_t i = 0; names != NULL && i < names->n_items; i++) {
        if (strcmp(names->items[i]->text, name) == 0)
            return i + 1;
    }
    return 0;
}

static void put_place(struct yaml_node *property, size_t place, const char *flag, const char *position)
{
    if (place == 0)
        return;
    g_autofree char *number = g_strdup_printf("%zu", place);
    yaml_put(property, flag, yaml_plain("true", property));
    yaml_put(property, position, yaml_plain(number, property));
}

/* Whether ODCS can say the unique keys: each of one column, in the order of the columns. */
static bool is_unique_said(const struct contract *c)
{
    const struct contract_field *before = NULL;
    for (size_t i = 0; i < c->n_unique; i++) {
        const struct contract_field *column = contract_column(c, c->unique[i].items[0]);
        if (c->unique[i].n != 1 || (before != NULL && column <= before))
            return false;
        before = column;
    }
    return true;
}

static bool is_unique(const struct contract *c, const char *name)
{
    for (size_t i = 0; i < c->n_unique; i++) {
        if (c->unique[i].n == 1 && strcmp(c->unique[i].items[0], name) == 0)
            return true;
    }
    return false;
}

static void put_quality(struct yaml_node *out, const struct yaml_node *checks)
{
    if (checks == NULL || checks->n_items == 0)
        return;
    struct yaml_node *quality = yaml_list(checks);
    yaml_put(out, "quality", quality);
    for (size_t i = 0; i < checks->n_items; i++) {
        struct yaml_node *rule = yaml_map(checks->items[i]);
        yaml_put(rule, "name", yaml_copy(checks->keys[i]));
        yaml_put(rule, "type", yaml_text("custom", rule));
        yaml_put(rule, "engine", yaml_text(EXCHANGE_OWN, rule));
        yaml_put(rule, "implementation", yaml_copy(checks->items[i]));
        yaml_add(quality, rule);
    }
}

static struct yaml_node *object_of(const struct yaml_node *contract, const struct contract *loaded)
{
    static const char *const said[] = {"dataset", "doc", "columns", "keys", "partition_by", "checks", NULL};
    const bool says_unique = is_unique_said(loaded);
    const char *const said_of_keys[] = {"primary", says_unique ? "unique" : NULL, NULL};
    const struct yaml_node *columns = yaml_get(contract, "columns");
    const struct yaml_node *keys = yaml_get(contract, "keys");
    const bool is_view = loaded->kind == CONTRACT_VIEW;
    struct yaml_node *out = yaml_map(contract);
    yaml_put(out, "name", yaml_copy(yaml_get(contract, "dataset")));
    yaml_put(out, "logicalType", yaml_text("object", contract));
    yaml_put(out, "physicalType", yaml_text(is_view ? "view" : "table", contract));
    yaml_put(out, "description", yaml_copy(yaml_get(contract, "doc")));
    struct yaml_node *properties = yaml_list(columns);
    yaml_put(out, "properties", properties);
    for (size_t i = 0; i < columns->n_items; i++) {
        const char *name = yaml_get(columns->items[i], "name")->text;
        struct yaml_node *property = property_of(columns->items[i], name);
        put_place(property, place_in(yaml_get(keys, "primary"), name), "primaryKey", "primaryKeyPosition");
        if (says_unique && is_unique(loaded, name))
            yaml_put(property, "unique", yaml_plain("true", property));
        put_place(property, place_in(yaml_get(contract, "partition_by"), name), "partitioned", "partitionKeyPosition");
        yaml_add(properties, property);
    }
    put_quality(out, yaml_get(contract, "checks"));
    struct yaml_node *own = yaml_map(contract);
    yaml_put(own, "stage", yaml_text(contract_stage_name(loaded->stage), contract));
    CA_AUTOPTR(yaml_node) rest = exchange_rest(contract, said);
    for (size_t i = 0; i < rest->n_items; i++)
        yaml_put(own, rest->keys[i]->text, yaml_copy(rest->items[i]));
    struct yaml_node *rest_of_keys = keys == NULL ? NULL : exchange_rest(keys, said_of_keys);
    if (rest_of_keys != NULL)
        yaml_put(own, "keys", rest_of_keys);
    put_own(out, own);
    return out;
}

struct yaml_node *odcs_document(const struct yaml_node *const *trees, struct contract *const *contracts, size_t n)
{
    int64_t version = 1;
    struct yaml_node *objects = yaml_list(NULL);
    for (size_t i = 0; i < n; i++) {
        version = MAX(version, contracts[i]->version);
        yaml_add(objects, object_of(trees[i], contracts[i]));
    }
    const char *name = n == 1 ? contracts[0]->dataset : CONTRACT_CATALOG;
    g_autofree char *id = g_strdup_printf(EXCHANGE_OWN ".%s", name);
    g_autofree char *whole_version = g_strdup_printf("%" G_GINT64_FORMAT ".0.0", version);
    struct yaml_node *root = yaml_map(NULL);
    yaml_put(root, "apiVersion", yaml_text(API_VERSION, NULL));
    yaml_put(root, "kind", yaml_text("DataContract", NULL));
    yaml_put(root, "id", yaml_text(id, NULL));
    yaml_put(root, "name", yaml_text(name, NULL));
    yaml_put(root, "version", yaml_text(whole_version, NULL));
    yaml_put(root, "status", yaml_text("active", NULL));
    yaml_put(root, "schema", objects);
    return root;
}

/* ---- import ----------------------------------------------------------------------------------------------------- */

#define NO_PLACE "a contract has no place for it"

/* is_ours: an export of ours, whose physicalType is a type of the contract language. */
struct object {
    struct exchange *x;
    bool is_ours;
};

/* What a property says of the dataset's keys; positions as they stand, -1: none. */
struct marks {
    const char *name;
    bool is_key;
    bool is_unique;
    bool is_partition;
    int64_t key_position;
    int64_t partition_position;
};

/* The custom property that is ours; the others are losses. Borrowed. */
static const struct yaml_node *take_own(struct taking *t)
{
    const struct yaml_node *list = take_kind(t, "customProperties", YAML_LIST);
    const struct yaml_node *own = NULL;
    for (size_t i = 0; list != NULL && i < list->n_items; i++) {
        const struct yaml_node *name = yaml_get(list->items[i], "property");
        if (own == NULL && name != NULL && name->kind == YAML_SCALAR && strcmp(name->text, EXCHANGE_OWN) == 0) {
            own = yaml_get(list->items[i], "value");
            continue;
        }
        g_autofree char *path = path_item(t->path, "customProperties", i);
        exchange_lost(t->x, list->items[i], path, "%s", NO_PLACE);
    }
    return own;
}

static struct yaml_node *field_of(const struct object *o, const struct yaml_node *property, const char *path,
                                  const char *part, struct marks *marks);

static const char *integer_type(const char *format)
{
    static const char *const formats[][2] = {{"i8", "int8"},  {"i16", "int16"},  {"i32", "int32"},  {"i64", "int64"},
                                             {"u8", "uint8"}, {"u16", "uint16"}, {"u32", "uint32"}, {"u64", "uint64"}};
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (strcmp(format, formats[i][0]) == 0)
            return formats[i][1];
    }
    return NULL;
}

/* The scalar that a logical type with its options is; NULL: there is none. */
static const char *scalar_type(const char *logical, struct taking *options)
{
    const char *format = options->map == NULL ? NULL : take_text(options, "format");
    if (strcmp(logical, "string") == 0) {
        const bool is_binary = format != NULL && (strcmp(format, "binary") == 0 || strcmp(format, "byte") == 0);
        if (format != NULL && !is_binary)
            exchange_lost(options->x, yaml_get(options->map, "format"), options->path,
                          "format '%s' of a text is not kept: write it as a check", format);
        return is_binary ? "binary" : "utf8";
    }
    /* The standard's own default is i32. */
    if (strcmp(logical, "integer") == 0)
        return integer_type(format == NULL ? "i32" : format);
    if (strcmp(logical, "number") == 0)
        return format != NULL && strcmp(format, "f32") == 0 ? "float32" : "float64";
    return strcmp(logical, "boolean") == 0     ? "bool"
           : strcmp(logical, "date") == 0      ? "date32"
           : strcmp(logical, "time") == 0      ? "time64_us"
           : strcmp(logical, "timestamp") == 0 ? "timestamp_us"
                                               : NULL;
}

static void put_zone(struct yaml_node *field, struct taking *options)
{
    if (options->map == NULL || !take_flag(options, "timezone"))
        return;
    const char *zone = take_text(options, "defaultTimezone");
    const bool is_utc = zone == NULL || strcmp(zone, "Etc/UTC") == 0;
    yaml_put(field, "zone", yaml_text(is_utc ? "UTC" : zone, options->map));
}

/* The type, in order of how much is said: what is inside, the physical type, the logical type. */
static void put_type(const struct object *o, struct yaml_node *field, struct taking *t, struct taking *options,
                     bool has_inside)
{
    g_autofree char *path = path_key(t->path, "physicalType");
    const char *physical = take_text(t, "physicalType");
    const char *logical = take_text(t, "logicalType");
    const struct yaml_node *at = yaml_get(t->map, physical != NULL ? "physicalType" : "logicalType");
    if (o->is_ours && physical != NULL) {
        yaml_put(field, "type", yaml_text(physical, at));
        if (options->map != NULL) {
            (void)take(options, "format");
            if (g_str_has_prefix(physical, "timestamp"))
                put_zone(field, options);
        }
        return;
    }
    if (has_inside) {
        const bool is_list = yaml_get(t->map, "items") != NULL;
        yaml_put(field, "type", yaml_text(is_list ? "list" : "struct", at == NULL ? t->map : at));
        if (physical != NULL && logical != NULL && g_ascii_strcasecmp(physical, logical) != 0)
            exchange_lost(o->x, at, path, "physicalType '%s' is not kept: what is inside says the type", physical);
        return;
    }
    g_autofree char *why = NULL;
    if (physical != NULL && sql_type_put(o->x, field, physical, at, path, &why))
        return;
    const char *type = logical == NULL ? NULL : scalar_type(logical, options);
    if (type == NULL) {
        exchange_bad(o->x, at == NULL ? t->map : at,
                     "type '%s' of '%s' has no mapping%s%s: say a logicalType with its "
                     "format, items or properties",
                     physical != NULL  ? physical
                     : logical != NULL ? logical
                                       : "",
                     t->path, why == NULL ? "" : ", ", why == NULL ? "" : why);
        return;
    }
    if (physical != NULL)
        exchange_lost(o->x, at, path, "physicalType '%s' is not kept, %s: it is read as '%s' by its logicalType",
                      physical, why, type);
    yaml_put(field, "type", yaml_text(type, yaml_get(t->map, "logicalType")));
    if (strcmp(logical, "timestamp") == 0)
        put_zone(field, options);
}

/* items, properties: what is inside. A map's properties are its key and value. */
static void put_contents(const struct object *o, struct yaml_node *field, const struct yaml_node *items,
                         const struct yaml_node *properties, const char *path)
{
    const struct yaml_node *type = yaml_get(field, "type");
    const bool is_map = o->is_ours && type != NULL && strcmp(type->text, "map") == 0;
    if (items != NULL) {
        g_autofree char *inner = path_key(path, "items");
        yaml_put(field, "item", field_of(o, items, inner, "item", NULL));
    }
    struct yaml_node *fields = is_map || properties == NULL ? NULL : yaml_list(properties);
    for (size_t i = 0; properties != NULL && i < properties->n_items; i++) {
        g_autofree char *inner = path_item(path, "properties", i);
        const struct yaml_node *name = yaml_get(properties->items[i], "name");
        const bool is_part = is_map && name != NULL && name->kind == YAML_SCALAR &&
                             (strcmp(name->text, "key") == 0 || strcmp(name->text, "value") == 0) &&
                             yaml_get(field, name->text) == NULL;
        if (is_part)
            yaml_put(field, name->text, field_of(o, properties->items[i], inner, name->text, NULL));
        else if (is_map)
            exchange_bad(o->x, properties->items[i], "'%s': a map has one key and one value", path);
        else
            yaml_add(fields, field_of(o, properties->items[i], inner, NULL, NULL));
    }
    if (fields != NULL)
        yaml_put(field, "fields", fields);
}

static const struct exchange_reason property_reasons[] = {
    {"unique", "a key is made of columns of the dataset"},
    {"primaryKey", "a key is made of columns of the dataset"},
    {"primaryKeyPosition", "a key is made of columns of the dataset"},
    {"partitioned", "a partition is a column of the dataset"},
    {"partitionKeyPosition", "a partition is a column of the dataset"},
    {"quality", "a check is an expression over the columns of the dataset: write it there"},
    {"relationships", "foreign keys are not declared here"},
};

/* The columns of a key are NOT NULL, whether the source says so or not. */
static bool take_marks(struct taking *t, struct marks *marks, bool is_required)
{
    marks->key_position = -1;
    marks->partition_position = -1;
    marks->is_key = take_flag(t, "primaryKey");
    marks->is_unique = take_flag(t, "unique");
    marks->is_partition = take_flag(t, "partitioned");
    (void)take_integer(t, "primaryKeyPosition", &marks->key_position);
    (void)take_integer(t, "partitionKeyPosition", &marks->partition_position);
    g_autofree char *path = path_key(t->path, "required");
    if (marks->is_key && !is_required)
        exchange_lost(t->x, t->map, path, "a column of the primary key is never null: it is read as required");
    return marks->is_key || is_required;
}

/* `part`: item, key or value; NULL: a column or a field, which has a name and must be described. `marks`: of a column,
 * else NULL. */
static struct yaml_node *field_of(const struct object *o, const struct yaml_node *property, const char *path,
                                  const char *part, struct marks *marks)
{
    struct yaml_node *field = yaml_map(property);
    struct taking t;
    struct taking options = {0};
    taking_init(&t, o->x, property, path);
    const struct yaml_node *name = take_kind(&t, "name", YAML_SCALAR);
    if (part == NULL && name == NULL)
        exchange_bad(o->x, property, "'%s' has no name", path);
    else if (part == NULL)
        exchange_put_name(o->x, field, "name", name, path);
    const struct yaml_node *items = take_kind(&t, "items", YAML_MAP);
    const struct yaml_node *properties = take_kind(&t, "properties", YAML_LIST);
    const struct yaml_node *option_map = take_kind(&t, "logicalTypeOptions", YAML_MAP);
    g_autofree char *options_path = path_key(path, "logicalTypeOptions");
    if (option_map != NULL)
        taking_init(&options, o->x, option_map, options_path);
    put_type(o, field, &t, &options, items != NULL || properties != NULL);
    bool is_required = take_flag(&t, "required");
    if (marks != NULL)
        is_required = take_marks(&t, marks, is_required);
    /* A map's key is never null, and says nothing of it. */
    if (g_strcmp0(part, "key") != 0)
        yaml_put(field, "nullable", yaml_plain(is_required ? "false" : "true", property));
    const struct yaml_node *description = take_kind(&t, "description", YAML_SCALAR);
    if (part == NULL)
        exchange_put_doc(o->x, field, description == NULL ? NULL : description->text,
                         description == NULL ? property : description, path);
    else if (description != NULL)
        yaml_put(field, "doc", yaml_text(description->text, description));
    put_contents(o, field, items, properties, path);
    static const char *const nothing[] = {NULL};
    exchange_put_own(o->x, field, take_own(&t), nothing);
    if (option_map != NULL)
        taking_done(&options, NULL, 0, "a limit on values: write it as a check");
    taking_done(&t, property_reasons, G_N_ELEMENTS(property_reasons), NO_PLACE);
    return field;
}

/* The names that are marked, by position; those without one behind the others, in the order of the columns. */
static struct yaml_node *marked(const struct marks *marks, size_t n, bool partitions, const struct yaml_node *at)
{
    struct yaml_node *names = yaml_list(at);
    g_autofree bool *is_done = g_new0(bool, n + 1);
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            const bool is_marked = partitions ? marks[i].is_partition : marks[i].is_key;
            const int64_t here = partitions ? marks[i].partition_position : marks[i].key_position;
            const int64_t least = best == n    ? 0
                                  : partitions ? marks[best].partition_position
                                               : marks[best].key_position;
            if (is_marked && !is_done[i] &&
                (best == n || (guint64)(here < 1 ? INT64_MAX : here) < (guint64)(least < 1 ? INT64_MAX : least)))
                best = i;
        }
        if (best == n)
            break;
        is_done[best] = true;
        yaml_add(names, yaml_text(marks[best].name, at));
    }
    if (names->n_items > 0)
        return names;
    yaml_node_free(names);
    return NULL;
}

/* Rules of our own engine are checks; the others are for another program. */
static struct yaml_node *checks_of(struct exchange *x, const struct yaml_node *quality, const char *path)
{
    struct yaml_node *checks = yaml_map(quality);
    for (size_t i = 0; i < quality->n_items; i++) {
        const struct yaml_node *rule = quality->items[i];
        const struct yaml_node *engine = yaml_get(rule, "engine");
        const bool is_ours = engine != NULL && engine->kind == YAML_SCALAR && strcmp(engine->text, EXCHANGE_OWN) == 0;
        g_autofree char *rule_path = path_item(path, "quality", i);
        if (!is_ours) {
            exchange_lost(
                x, rule, rule_path,
                "a check here is an SQL expression over the columns of one row, which holds: write it as one");
            continue;
        }
        struct taking t;
        taking_init(&t, x, rule, rule_path);
        (void)take(&t, "type");
        (void)take(&t, "engine");
        const struct yaml_node *name = take_kind(&t, "name", YAML_SCALAR);
        const struct yaml_node *expression = take_kind(&t, "implementation", YAML_SCALAR);
        if (name == NULL || expression == NULL)
            exchange_bad(x, rule, "'%s': a check has a name and an implementation, its expression", rule_path);
        else if (yaml_get(checks, name->text) != NULL)
            exchange_bad(x, name, "'%s': check '%s' is there already", rule_path, name->text);
        else
            yaml_put(checks, name->text, yaml_text(expression->text, expression));
        taking_done(&t, NULL, 0, NO_PLACE);
    }
    if (checks->n_items > 0)
        return checks;
    yaml_node_free(checks);
    return NULL;
}

static void put_columns(const struct object *o, struct yaml_node *map, const struct yaml_node *properties,
                        const struct yaml_node *own, const char *path)
{
    struct yaml_node *columns = yaml_list(properties);
    yaml_put(map, "columns", columns);
    g_autofree struct marks *marks = g_new0(struct marks, properties->n_items + 1);
    for (size_t i = 0; i < properties->n_items; i++) {
        g_autofree char *inner = path_item(path, "properties", i);
        struct yaml_node *column = field_of(o, properties->items[i], inner, NULL, &marks[i]);
        const struct yaml_node *name = yaml_get(column, "name");
        marks[i].name = name == NULL ? "" : name->text;
        yaml_add(columns, column);
    }
    struct yaml_node *primary = marked(marks, properties->n_items, false, properties);
    struct yaml_node *partitions = marked(marks, properties->n_items, true, properties);
    struct yaml_node *keys = yaml_map(properties);
    struct yaml_node *unique = yaml_list(properties);
    if (primary != NULL)
        yaml_put(keys, "primary", primary);
    for (size_t i = 0; i < properties->n_items; i++) {
        if (!marks[i].is_unique)
            continue;
        struct yaml_node *key = yaml_list(properties->items[i]);
        yaml_add(key, yaml_text(marks[i].name, properties->items[i]));
        yaml_add(unique, key);
    }
    if (unique->n_items > 0)
        yaml_put(keys, "unique", unique);
    else
        yaml_node_free(unique);
    static const char *const nothing[] = {NULL};
    exchange_put_own(o->x, keys, yaml_get(own, "keys"), nothing);
    if (keys->n_items > 0)
        yaml_put(map, "keys", keys);
    else
        yaml_node_free(keys);
    if (partitions != NULL)
        yaml_put(map, "partition_by", partitions);
}

/* "3.1.4" is version 3; the rest is lost. An export of ours says the version of each dataset itself. */
static void put_version(struct exchange *x, struct yaml_node *map, const struct yaml_node *version)
{
    const char *text = version == NULL ? "" : version->text;
    const size_t n_digits = strspn(text, "0123456789");
    g_autofree char *major = g_strndup(text, n_digits);
    const bool is_number = n_digits > 0 && n_digits < 10 && strcmp(major, "0") != 0;
    const bool is_whole = is_number && (text[n_digits] == '\0' || strcmp(text + n_digits, ".0.0") == 0);
    if (version != NULL && !is_whole)
        exchange_lost(x, version, "version", "'%s' is read as version %s: versions are integers from 1", text,
                      is_number ? major : "1");
    yaml_put(map, "version", yaml_plain(is_number ? major : "1", version == NULL ? map : version));
}

static void import_object(struct exchange *x, const struct yaml_node *object, const struct yaml_node *version,
                          const char *path)
{
    static const struct exchange_reason reasons[] = {
        {"physicalName", "a dataset has one name"},
        {"relationships", "foreign keys are not declared here"},
    };
    struct taking t;
    taking_init(&t, x, object, path);
    const struct yaml_node *own = take_own(&t);
    const struct object o = {x, own != NULL};
    const struct yaml_node *name = take_kind(&t, "name", YAML_SCALAR);
    const struct yaml_node *properties = take_kind(&t, "properties", YAML_LIST);
    const struct yaml_node *quality = take_kind(&t, "quality", YAML_LIST);
    const struct yaml_node *description = take_kind(&t, "description", YAML_SCALAR);
    const char *physical = take_text(&t, "physicalType");
    (void)take(&t, "logicalType");
    taking_done(&t, reasons, G_N_ELEMENTS(reasons), NO_PLACE);
    if (name == NULL || properties == NULL || properties->n_items == 0) {
        exchange_bad(x, object, "'%s': a dataset has a name and properties", path);
        return;
    }
    struct yaml_node *map = yaml_map(object);
    exchange_put_name(x, map, "dataset", name, path);
    if (yaml_get(own, "version") == NULL)
        put_version(x, map, version);
    if (yaml_get(own, "kind") == NULL) {
        g_autofree char *type_path = path_key(path, "physicalType");
        const bool is_view = physical != NULL && g_ascii_strcasecmp(physical, "view") == 0;
        if (is_view)
            exchange_lost(x, yaml_get(object, "physicalType"), type_path,
                          "the SELECT of the view is not in the document: put it into a file beside the contract");
        else if (physical != NULL && g_ascii_strcasecmp(physical, "table") != 0)
            exchange_lost(x, yaml_get(object, "physicalType"), type_path, "a %s is read as a table", physical);
        yaml_put(map, "kind", yaml_text(is_view ? "view" : "table", object));
    }
    exchange_put_doc(x, map, description == NULL ? NULL : description->text, description == NULL ? object : description,
                     path);
    put_columns(&o, map, properties, own, path);
    struct yaml_node *checks = quality == NULL ? NULL : checks_of(x, quality, path);
    if (checks != NULL)
        yaml_put(map, "checks", checks);
    static const char *const done[] = {"stage", "keys", NULL};
    exchange_put_own(x, map, own, done);
    if (x->status == CA_OK)
        exchange_finish(x, map, own);
    else
        yaml_node_free(map);
}

/* What every document must have and a contract has no use for: no loss where an export of ours would say the same. */
static void take_frame(struct taking *t)
{
    const struct yaml_node *id = yaml_get(t->map, "id");
    const struct yaml_node *status = yaml_get(t->map, "status");
    if (id != NULL && id->kind == YAML_SCALAR && g_str_has_prefix(id->text, EXCHANGE_OWN ".")) {
        (void)take(t, "id");
        (void)take(t, "name");
    }
    if (status != NULL && status->kind == YAML_SCALAR && strcmp(status->text, "active") == 0)
        (void)take(t, "status");
}

void odcs_import(struct exchange *x, const struct yaml_node *root)
{
    static const struct exchange_reason reasons[] = {
        {"servers", "where a dataset is stored is said under storage"},
        {"slaProperties", "promises of service are not declared here"},
        {"team", "people are not declared here"},
        {"roles", "people are not declared here"},
        {"support", "people are not declared here"},
    };
    struct taking t;
    taking_init(&t, x, root, "");
    const struct yaml_node *api = take_kind(&t, "apiVersion", YAML_SCALAR);
    const struct yaml_node *kind = take_kind(&t, "kind", YAML_SCALAR);
    const struct yaml_node *version = take_kind(&t, "version", YAML_SCALAR);
    const struct yaml_node *schema = take_kind(&t, "schema", YAML_LIST);
    take_frame(&t);
    bool is_known = false;
    for (size_t i = 0; api != NULL && i < G_N_ELEMENTS(known_versions); i++)
        is_known = is_known || strcmp(api->text, known_versions[i]) == 0;
    if (kind == NULL || strcmp(kind->text, "DataContract") != 0)
        exchange_bad(x, kind == NULL ? root : kind, "no data contract of ODCS: 'kind' must be DataContract");
    else if (!is_known)
        exchange_bad(x, api == NULL ? root : api,
                     "apiVersion '%s' is not known; known are v3.1.0, v3.0.2, v3.0.1, "
                     "v3.0.0",
                     api == NULL ? "" : api->text);
    else if (schema == NULL || schema->n_items == 0)
        exchange_bad(x, root, "the document has no schema: there is no dataset in it");
    for (size_t i = 0; x->status == CA_OK && i < schema->n_items; i++) {
        g_autofree char *path = path_item("", "schema", i);
        import_object(x, schema->items[i], version, path);
    }
    taking_done(&t, reasons, G_N_ELEMENTS(reasons), NO_PLACE);
}
