/* contract/json_schema.c — the contract language as JSON Schema (draft 2020-12), for editors.
 *
 * Keys come from the loader's own tables (contract/keys.h); here is only what each kind of value looks like. A schema
 * sees one file: that a name is a column, and what else the loader holds against itself, stays the loader's.
 */
#include "contract/contract.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "contract/keys.h"
#include "contract/location.h"

static json_t *reference(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/$defs/", name);
}

static json_t *integer(json_int_t from, json_int_t to)
{
    return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", from, "maximum", to);
}

static json_t *list_of(const char *item)
{
    return json_pack("{s:s, s:o, s:b}", "type", "array", "items", reference(item), "uniqueItems", 1);
}

/* A map whose values are `value`; `names`: its keys are names. */
static json_t *map_of(const char *value, bool names)
{
    json_t *map = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", reference(value));
    if (names)
        json_object_set_new(map, "propertyNames", reference("name"));
    return map;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static json_t *words_of(json_t *words)
{
    return json_pack("{s:o}", "enum", words);
}

static void add_word(void *data, const struct contract_key *key)
{
    json_array_append_new(data, json_string(key->name));
}

static json_t *types_from(enum contract_type first, enum contract_type last)
{
    json_t *words = json_array();
    for (int i = (int)first; i <= (int)last; i++)
        json_array_append_new(words, json_string(contract_type_name((enum contract_type)i)));
    return words_of(words);
}

static json_t *kinds(void)
{
    json_t *words = json_array();
    for (int i = 0; i <= CONTRACT_REGISTRY; i++)
        json_array_append_new(words, json_string(contract_kind_name((enum contract_kind)i)));
    return words_of(words);
}

/* ---- maps with known keys --------------------------------------------------------------------------------------- */

/* What is being described; a key of a field that only some types have adds a rule. */
struct section {
    json_t *properties;
    json_t *required;
    json_t *rules;
};

static json_t *types_of_shapes(int shapes)
{
    json_t *words = json_array();
    for (int i = 0; i < CONTRACT_N_TYPES; i++) {
        if (((int)contract_type_shape((enum contract_type)i) & shapes) != 0)
            json_array_append_new(words, json_string(contract_type_name((enum contract_type)i)));
    }
    return words;
}

/* The value of a dictionary is a type, that of a map a field. */
static void add_value_rule(struct section *s, const char *name)
{
    const char *dictionary = contract_type_name(CONTRACT_DICTIONARY);
    json_object_set_new(s->properties, name, json_true());
    json_array_append_new(s->rules,
                          json_pack("{s:{s:{s:{s:s}}}, s:{s:{s:o}}, s:{s:{s:o}}}", "if", "properties", "type", "const",
                                    dictionary, "then", "properties", name, reference("dictionary_value"), "else",
                                    "properties", name, reference("map_value")));
}

static void add_key(void *data, const struct contract_key *key)
{
    struct section *s = data;
    if (strcmp(key->value, "value") == 0)
        add_value_rule(s, key->name);
    else
        json_object_set_new(s->properties, key->name, reference(key->value));
    if (key->is_required)
        json_array_append_new(s->required, json_string(key->name));
    if (key->shapes == 0)
        return;
    json_t *rule = json_pack("{s:{s:{s:{s:o}}, s:[s]}, s:{s:{s:[s]}}}", "if", "properties", "type", "enum",
                             types_of_shapes(key->shapes), "required", "type", "else", "not", "required", key->name);
    if (!key->is_optional_in_shape)
        json_object_set_new(rule, "then", json_pack("{s:[s]}", "required", key->name));
    json_array_append_new(s->rules, rule);
}

static json_t *section(const char *name)
{
    struct section s = {json_object(), json_array(), json_array()};
    contract_visit_keys(name, add_key, &s);
    json_t *map = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", s.properties, "additionalProperties", 0);
    if (json_array_size(s.required) > 0)
        json_object_set(map, "required", s.required);
    if (json_array_size(s.rules) > 0)
        json_object_set(map, "allOf", s.rules);
    json_decref(s.required);
    json_decref(s.rules);
    return map;
}

/* ---- the schema ------------------------------------------------------------------------------------------------- */

/* One definition a kind of value that contract_visit_keys() names. */
static void add_values(json_t *defs)
{
    const json_int_t most = contract_type_max_precision(CONTRACT_DECIMAL256);
    json_t *formats = json_array();
    contract_visit_keys("format", add_word, formats);
    json_object_set_new(
        defs, "name", json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", "^[a-z][a-z0-9_]*$", "maxLength", 128));
    json_object_set_new(defs, "text", json_pack("{s:s, s:i}", "type", "string", "minLength", 1));
    json_object_set_new(defs, "bool", json_pack("{s:s}", "type", "boolean"));
    json_object_set_new(defs, "positive", json_pack("{s:s, s:i}", "type", "integer", "minimum", 1));
    json_object_set_new(defs, "precision", integer(1, most));
    json_object_set_new(defs, "scale", integer(-most, most));
    json_object_set_new(defs, "size", integer(1, INT32_MAX));
    json_object_set_new(defs, "zone",
                        json_pack("{s:s, s:s, s:i}", "type", "string", "pattern", "^[A-Za-z0-9_+:/-]+$", "maxLength",
                                  CONTRACT_MAX_ZONE));
    json_object_set_new(defs, "literal",
                        json_pack("{s:[s, s, s], s:i}", "type", "string", "number", "boolean", "minLength", 1));
    json_object_set_new(defs, "setting", json_pack("{s:[s, s, s]}", "type", "string", "number", "boolean"));
    json_object_set_new(defs, "string", json_pack("{s:s}", "type", "string"));
    json_object_set_new(defs, "engine",
                        json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]{1,9}(\\.[0-9]{1,9}){0,2}$"));
    json_object_set_new(defs, "rule", json_pack("{s:[s, s]}", "enum", "allow", "refuse"));
    json_object_set_new(defs, "names", list_of("name"));
    json_object_set_new(defs, "texts", list_of("text"));
    json_object_set_new(defs, "types", list_of("type"));
    json_object_set_new(
        defs, "unique",
        json_pack("{s:s, s:{s:s, s:i}}", "type", "array", "items", "$ref", "#/$defs/names", "minItems", 1));
    json_object_set_new(defs, "settings", map_of("setting", false));
    json_object_set_new(defs, "metadata", map_of("text", false));
    json_object_set_new(defs, "checks", map_of("text", true));
    json_object_set_new(defs, "values",
                        json_pack("{s:[{s:s, s:o, s:i, s:b}, {s:s, s:o, s:i}]}", "anyOf", "type", "array", "items",
                                  reference("text"), "minItems", 1, "uniqueItems", 1, "type", "object",
                                  "additionalProperties", reference("text"), "minProperties", 1));
    json_object_set_new(defs, "derived_ids", map_of("names", false));
    json_object_set_new(defs, "views", map_of("view", true));
    json_object_set_new(defs, "kind", kinds());
    json_object_set_new(defs, "format", words_of(formats));
    json_object_set_new(defs, "type", types_from((enum contract_type)0, (enum contract_type)(CONTRACT_N_TYPES - 1)));
    json_object_set_new(defs, "index", types_from(CONTRACT_INT8, CONTRACT_UINT64));
    json_object_set_new(defs, "columns",
                        json_pack("{s:s, s:o, s:i}", "type", "array", "items", reference("column"), "minItems", 1));
    json_object_set_new(defs, "fields",
                        json_pack("{s:s, s:o, s:i}", "type", "array", "items", reference("field"), "minItems", 1));
    json_object_set_new(defs, "key", reference("map_key"));
}

/* What a location alone says. */
static void add_location_values(json_t *defs)
{
    json_object_set_new(
        defs, "dataset",
        json_pack("{s:s, s:s}", "type", "string", "pattern", "^([a-z][a-z0-9_]*[.])?[a-z][a-z0-9_]*(@[1-9][0-9]*)?$"));
    json_object_set_new(defs, "data_version", json_pack("{s:s, s:i}", "type", "integer", "minimum", 0));
    json_object_set_new(defs, "time", json_pack("{s:s, s:i}", "type", "string", "minLength", 1));
    json_object_set_new(defs, "tuning", section("tuning"));
}

/* Note the definitions that `node` refers to, and those that they refer to: the tree of a definition is as deep as it
 * is written in this file. */
static void note_used(const json_t *defs, json_t *node, json_t *used)
{
    const char *key = NULL;
    json_t *value = NULL;
    size_t i = 0;
    json_array_foreach(node, i, value) note_used(defs, value, used);
    json_object_foreach(node, key, value)
    {
        const char *name = strcmp(key, "$ref") == 0 ? strrchr(json_string_value(value), '/') + 1 : NULL;
        if (name == NULL) {
            note_used(defs, value, used);
        } else if (json_object_get(used, name) == NULL) {
            json_object_set_new(used, name, json_true());
            note_used(defs, json_object_get(defs, name), used);
        }
    }
}

static char *json_schema(const char *of, const char *title, json_t *defs)
{
    json_t *root = json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title", title);
    json_t *keys = section(of);
    json_t *used = json_object();
    const char *name = NULL;
    json_t *value = NULL;
    void *next = NULL;
    note_used(defs, keys, used);
    json_object_foreach_safe(defs, next, name, value)
    {
        if (json_object_get(used, name) == NULL)
            json_object_del(defs, name);
    }
    json_object_update(root, keys);
    json_decref(keys);
    json_decref(used);
    json_object_set_new(root, "$defs", defs);
    char *text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (text == NULL)
        abort();
    return text;
}

static json_t *definitions(void)
{
    static const char *const sections[] = {"column",   "field",   "item", "map_key", "map_value", "dictionary_value",
                                           "keys",     "storage", "scan", "extract", "view",      "rules",
                                           "evolution"};
    json_t *defs = json_object();
    add_values(defs);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        json_object_set_new(defs, sections[i], section(sections[i]));
    return defs;
}

char *contract_json_schema(void)
{
    return json_schema("contract", "codeanatomy contract", definitions());
}

char *contract_location_json_schema(void)
{
    json_t *defs = definitions();
    add_location_values(defs);
    return json_schema("location", "codeanatomy location", defs);
}
