/* contract/load_field.c — columns and what is inside them, to any depth that a contract may have. */
#include "contract/load.h"

#include <glib.h>
#include <string.h>

#include "contract/keys.h"

/* ---- columns ---------------------------------------------------------------------------------------------------- */

static void load_fields(struct loader *l, const struct yaml_node *node, struct contract_field **ret, size_t *ret_n,
                        int depth, bool in_struct);

static void load_type(struct loader *l, const struct yaml_node *node, void *target)
{
    const char *names[CONTRACT_N_TYPES];
    for (int i = 0; i < CONTRACT_N_TYPES; i++)
        names[i] = contract_type_name((enum contract_type)i);
    size_t found = 0;
    if (load_is_null(node))
        bad(l, node, "key '%s': expected a type; the one without values is written \"null\", in quotes", l->key);
    else if (load_word(l, node, names, G_N_ELEMENTS(names), &found))
        *(enum contract_type *)target = (enum contract_type)found;
}

static void load_index(struct loader *l, const struct yaml_node *node, void *target)
{
    const char *names[CONTRACT_UINT64 - CONTRACT_INT8 + 1];
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        names[i] = contract_type_name((enum contract_type)(CONTRACT_INT8 + i));
    size_t found = 0;
    if (load_word(l, node, names, G_N_ELEMENTS(names), &found))
        *(enum contract_type *)target = (enum contract_type)(CONTRACT_INT8 + found);
}

static void load_zone(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    load_text(l, node, ret);
    if (*ret == NULL)
        return;
    const size_t n = strlen(*ret);
    if (n > CONTRACT_MAX_ZONE ||
        strspn(*ret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-:/") != n)
        bad(l, node, "key '%s': '%s' is no time zone; write UTC, Europe/Paris or +01:00", l->key, *ret);
}

/* Names of types, with what the types take left out. */
static void load_type_name(struct loader *l, const struct yaml_node *node, void *target)
{
    enum contract_type type = CONTRACT_NULL;
    load_type(l, node, &type);
    if (node->kind == YAML_SCALAR && strcmp(contract_type_name(type), node->text) == 0)
        *(char **)target = g_strdup(node->text);
}

static void load_types(struct loader *l, const struct yaml_node *node, void *target)
{
    load_list_of(l, node, target, load_type_name);
}

bool load_change(struct loader *l, const struct yaml_node *key, const char *what, const char *others, int *ret)
{
    g_autoptr(GString) known = g_string_new(others);
    for (*ret = 0; *ret < CONTRACT_N_CHANGES; (*ret)++) {
        const char *name = contract_change_name((enum contract_change) * ret);
        if (strcmp(key->text, name) == 0)
            return true;
        g_string_append_printf(known, "%s%s", known->len == 0 ? "" : ", ", name);
    }
    bad(l, key, "unknown key '%s' in %s; known are %s", key->text, what, known->str);
    return false;
}

bool load_rule(struct loader *l, const struct yaml_node *node, bool *ret)
{
    static const char *const words[] = {"refuse", "allow"};
    size_t word = 0;
    if (!load_word(l, node, words, G_N_ELEMENTS(words), &word))
        return false;
    *ret = word == 1;
    return true;
}

/* The rules of one field. */
static void load_rules(struct loader *l, const struct yaml_node *node, void *target)
{
    enum contract_rule *ret = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "key '%s': expected a map", l->key);
        return;
    }
    for (size_t i = 0; i < node->n_items; i++) {
        int change = 0;
        bool is_allowed = false;
        if (load_change(l, node->keys[i], "the evolution of a field", "", &change) &&
            load_rule(l, node->items[i], &is_allowed))
            ret[change] = is_allowed ? CONTRACT_ALLOW : CONTRACT_REFUSE;
    }
}

/* Where a field stands decides which keys it must have. */
enum place {
    IN_COLUMNS,
    IN_STRUCT,
    IN_LIST,
    IN_MAP_KEY,
    IN_MAP_VALUE,
    IN_DICTIONARY,
};

static const char *const place_names[] = {"a column",    "a field",       "an item",
                                          "a map's key", "a map's value", "a dictionary's value"};

#define AT(place) (1 << (place))
#define NAMED (AT(IN_COLUMNS) | AT(IN_STRUCT))
#define ANYWHERE (NAMED | AT(IN_LIST) | AT(IN_MAP_KEY) | AT(IN_MAP_VALUE) | AT(IN_DICTIONARY))

/* The keys of a field: where they may stand and where they must, and the types that they belong to (0: all). read
 * NULL: what hangs on the type is read when that is known. */
static const struct {
    const char *name;
    const char *value;
    load_fn read;
    size_t offset;
    int places;
    int required_in;
    int shapes;
    const char *belongs_to;
} field_keys[] = {
    {"name", READS(name), offsetof(struct contract_field, name), NAMED, NAMED, 0, NULL},
    {"type", READS(type), offsetof(struct contract_field, type), ANYWHERE, ANYWHERE, 0, NULL},
    {"nullable", READS(bool), offsetof(struct contract_field, is_nullable), ANYWHERE & ~AT(IN_DICTIONARY),
     ANYWHERE & ~AT(IN_MAP_KEY) & ~AT(IN_DICTIONARY), 0, NULL},
    {"default", READS(literal), offsetof(struct contract_field, default_sql), NAMED, 0, 0, NULL},
    {"doc", READS(text), offsetof(struct contract_field, doc), ANYWHERE, NAMED, 0, NULL},
    {"metadata", READS(metadata), offsetof(struct contract_field, metadata), ANYWHERE & ~AT(IN_DICTIONARY), 0, 0, NULL},
    {"values", READS(values), offsetof(struct contract_field, values), AT(IN_COLUMNS), 0, 0, NULL},
    {"evolution", READS(rules), offsetof(struct contract_field, rules), ANYWHERE & ~AT(IN_DICTIONARY), 0, 0, NULL},
    {"lossy_from", READS(types), offsetof(struct contract_field, lossy_from), ANYWHERE & ~AT(IN_DICTIONARY), 0, 0,
     NULL},
    {"precision", READS(precision), offsetof(struct contract_field, precision), ANYWHERE, 0, CONTRACT_SHAPE_DECIMAL,
     "decimals"},
    {"scale", READS(scale), offsetof(struct contract_field, scale), ANYWHERE, 0, CONTRACT_SHAPE_DECIMAL, "decimals"},
    {"size", READS(size), offsetof(struct contract_field, size), ANYWHERE, 0,
     CONTRACT_SHAPE_BYTES | CONTRACT_SHAPE_SIZED_LIST, "fixed_size_binary and fixed_size_list"},
    {"zone", READS(zone), offsetof(struct contract_field, zone), ANYWHERE, 0, CONTRACT_SHAPE_TIMESTAMP, "timestamps"},
    {"item", NULL, NULL, 0, ANYWHERE, 0, CONTRACT_SHAPES_LIST, "lists"},
    {"fields", NULL, NULL, 0, ANYWHERE, 0, CONTRACT_SHAPE_STRUCT, "type struct"},
    {"key", NULL, NULL, 0, ANYWHERE, 0, CONTRACT_SHAPE_MAP, "type map"},
    {"value", NULL, NULL, 0, ANYWHERE, 0, CONTRACT_SHAPE_MAP | CONTRACT_SHAPE_DICTIONARY, "map and dictionary"},
    {"index", READS(index), offsetof(struct contract_field, index), ANYWHERE, 0, CONTRACT_SHAPE_DICTIONARY,
     "type dictionary"},
};

static void load_field(struct loader *l, const struct yaml_node *node, struct contract_field *ret, enum place place,
                       int depth);

/* The child that `key` of a list, map or dictionary declares. */
static void load_child(struct loader *l, const struct yaml_node *node, const char *key, const char *what,
                       struct contract_field *ret, enum place place, int depth)
{
    const struct yaml_node *child = yaml_get(node, key);
    if (child == NULL)
        bad(l, node, "missing key '%s' of a %s", key, what);
    else
        load_field(l, child, ret, place, depth + 1);
    g_free(ret->name);
    ret->name = g_strdup(key);
}

/* The keys that only some types have: refused where they mean nothing, missed where they mean all. */
static void check_type_keys(struct loader *l, const struct yaml_node *node, enum contract_type type)
{
    const int shape = (int)contract_type_shape(type);
    for (size_t i = 0; i < G_N_ELEMENTS(field_keys); i++) {
        const struct yaml_node *value = yaml_get(node, field_keys[i].name);
        if (field_keys[i].shapes == 0)
            continue;
        if (value != NULL && (field_keys[i].shapes & shape) == 0)
            bad(l, value, "key '%s' belongs to %s, this is %s", field_keys[i].name, field_keys[i].belongs_to,
                contract_type_name(type));
        /* A zone may be left out, and what is inside says for itself that it is missing. */
        else if (value == NULL && (field_keys[i].shapes & shape) != 0 && field_keys[i].read != NULL &&
                 field_keys[i].read != load_zone)
            bad(l, node, "missing key '%s' of a %s", field_keys[i].name, contract_type_name(type));
    }
}

static void check_decimal(struct loader *l, const struct yaml_node *node, const struct contract_field *field)
{
    const int32_t most = contract_type_max_precision(field->type);
    if (field->precision > most || field->scale > field->precision || field->scale < -field->precision)
        contradiction(l, yaml_get(node, "precision"),
                      "%s(%d, %d): precision is 1 to %d, scale at most the precision, below zero too",
                      contract_type_name(field->type), field->precision, field->scale, most);
}

/* What is inside the type. */
static void load_inside(struct loader *l, const struct yaml_node *node, struct contract_field *ret, int depth)
{
    const char *type = contract_type_name(ret->type);
    const struct yaml_node *fields = NULL;
    switch (contract_type_shape(ret->type)) {
    case CONTRACT_SHAPE_LIST:
    case CONTRACT_SHAPE_SIZED_LIST:
        ret->children = g_new0(struct contract_field, 1);
        ret->n_children = 1;
        load_child(l, node, "item", type, &ret->children[0], IN_LIST, depth);
        break;
    case CONTRACT_SHAPE_MAP:
        ret->children = g_new0(struct contract_field, 2);
        ret->n_children = 2;
        load_child(l, node, "key", type, &ret->children[0], IN_MAP_KEY, depth);
        load_child(l, node, "value", type, &ret->children[1], IN_MAP_VALUE, depth);
        break;
    case CONTRACT_SHAPE_DICTIONARY:
        ret->children = g_new0(struct contract_field, 1);
        ret->n_children = 1;
        load_child(l, node, "value", type, &ret->children[0], IN_DICTIONARY, depth);
        break;
    case CONTRACT_SHAPE_STRUCT:
        fields = yaml_get(node, "fields");
        if (fields == NULL)
            bad(l, node, "missing key 'fields' of a struct");
        else
            load_fields(l, fields, &ret->children, &ret->n_children, depth + 1, true);
        break;
    case CONTRACT_SHAPE_PLAIN:
    case CONTRACT_SHAPE_BYTES:
    case CONTRACT_SHAPE_TIMESTAMP:
    case CONTRACT_SHAPE_DECIMAL:
        break;
    }
}

static void load_field(struct loader *l, const struct yaml_node *node, struct contract_field *ret, enum place place,
                       int depth)
{
    struct load_key specs[G_N_ELEMENTS(field_keys)];
    size_t n_specs = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(field_keys); i++) {
        if ((field_keys[i].places & AT(place)) != 0)
            specs[n_specs++] = (struct load_key){field_keys[i].name, field_keys[i].value, field_keys[i].read,
                                                 field_keys[i].offset, (field_keys[i].required_in & AT(place)) != 0};
    }
    ret->line = node->line;
    ret->column = node->column;
    const size_t n_before = l->n_problems;
    load_map(l, node, place_names[place], specs, n_specs, ret);
    if (node->kind != YAML_MAP)
        return;
    if (place == IN_MAP_KEY && ret->is_nullable)
        contradiction(l, yaml_get(node, "nullable"), "a map's key cannot be null");
    /* Without a type that was read there is nothing to say about what hangs on it. */
    const struct yaml_node *type = yaml_get(node, "type");
    if (type == NULL || type->kind != YAML_SCALAR || load_is_null(type) ||
        strcmp(contract_type_name(ret->type), type->text) != 0)
        return;
    const enum contract_shape shape = contract_type_shape(ret->type);
    check_type_keys(l, node, ret->type);
    if (depth >= CONTRACT_MAX_DEPTH && (shape & CONTRACT_SHAPES_NESTED) != 0) {
        load_problem(l, CA_ERR_RESOURCES, type->line, type->column, "types nest deeper than %d levels",
                     CONTRACT_MAX_DEPTH);
        return;
    }
    if (place == IN_DICTIONARY &&
        ((shape & (CONTRACT_SHAPES_NESTED | CONTRACT_SHAPE_DICTIONARY)) != 0 || ret->type == CONTRACT_NULL)) {
        contradiction(l, type, "a dictionary holds scalars, not %s", contract_type_name(ret->type));
        return;
    }
    if (ret->type == CONTRACT_NULL && !ret->is_nullable)
        contradiction(l, type, "all values of type null are null: it must be nullable");
    if (shape == CONTRACT_SHAPE_DECIMAL && l->n_problems == n_before)
        check_decimal(l, node, ret);
    load_inside(l, node, ret, depth);
}

static void load_fields(struct loader *l, const struct yaml_node *node, struct contract_field **ret, size_t *ret_n,
                        int depth, bool in_struct)
{
    if (node->kind != YAML_LIST || node->n_items == 0) {
        bad(l, node, "expected a list of %s", in_struct ? "fields" : "columns");
        return;
    }
    *ret = g_new0(struct contract_field, node->n_items);
    *ret_n = node->n_items;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < node->n_items; i++) {
        struct contract_field *field = &(*ret)[i];
        load_field(l, node->items[i], field, in_struct ? IN_STRUCT : IN_COLUMNS, depth);
        if (field->name == NULL) {
            field->name = g_strdup("");
            continue;
        }
        if (!g_hash_table_add(seen, field->name)) {
            const struct yaml_node *at = yaml_get(node->items[i], "name");
            contradiction(l, at, "%s '%s' is declared twice", in_struct ? "field" : "column", field->name);
        }
    }
}

void load_columns(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    load_fields(l, node, &c->columns, &c->n_columns, 0, false);
}

void load_visit_fields(const char *section, contract_key_fn fn, void *data)
{
    static const char *const sections[] = {"column",  "field",     "item",
                                           "map_key", "map_value", "dictionary_value"}; /* enum place */
    for (size_t place = 0; place < G_N_ELEMENTS(sections); place++) {
        for (size_t i = 0; strcmp(section, sections[place]) == 0 && i < G_N_ELEMENTS(field_keys); i++) {
            /* A key whose reader waits for the type is read as what it is called. */
            const struct contract_key key = {
                .name = field_keys[i].name,
                .value = field_keys[i].read == NULL ? field_keys[i].name : field_keys[i].value,
                .is_required = (field_keys[i].required_in & AT(place)) != 0,
                .shapes = field_keys[i].shapes,
                .is_optional_in_shape = field_keys[i].read == load_zone,
            };
            if ((field_keys[i].places & AT(place)) != 0)
                fn(data, &key);
        }
    }
}
