/* contract/load.c — a contract file becomes a `struct contract`.
 *
 * Tables map keys to readers; unknown keys are refused, so a typo is an error here and not a missing column three
 * stages later. Problems are collected, each with its line and column, so that one run shows them all.
 */
#include "contract/contract.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "contract/exchange_room.h"
#include "contract/keys.h"
#include "contract/scan.h"
#include "contract/yaml.h"

#define MAX_PROBLEMS 20

/* key     whose value is being read, for messages
 * status  of the first problem; a file with any syntax problem is not checked further */
struct loader {
    const char *source;
    const char *key;
    GString *problems;
    size_t n_problems;
    int status;
};

typedef void (*read_fn)(struct loader *l, const struct yaml_node *node, void *target);

/* One key of a map: where its value goes is `offset` into the target. */
struct key_spec {
    const char *name;
    read_fn read;
    size_t offset;
    bool is_required;
};

static void problem(struct loader *l, int status, int line, int column, const char *format, ...) CA_PRINTF(5, 6);

static void problem(struct loader *l, int status, int line, int column, const char *format, ...)
{
    if (l->status == CA_OK)
        l->status = status;
    if (l->n_problems++ >= MAX_PROBLEMS)
        return;
    if (l->problems->len > 0)
        g_string_append_c(l->problems, '\n');
    g_string_append_printf(l->problems, "%s:%d:%d: ", l->source, line, column);
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(l->problems, format, args);
    va_end(args);
}

#define bad(l, node, ...) problem((l), CA_ERR_SYNTAX, (node)->line, (node)->column, __VA_ARGS__)
#define contradiction(l, node, ...) problem((l), CA_ERR_CONTRACT, (node)->line, (node)->column, __VA_ARGS__)

/* ---- scalars ---------------------------------------------------------------------------------------------------- */

static bool is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != YAML_SCALAR || !node->is_plain)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(node->text, words[i]) == 0)
            return true;
    }
    return false;
}

/* Whether YAML reads a plain scalar as something that is not text. */
static bool is_other_than_text(const struct yaml_node *node)
{
    if (!node->is_plain)
        return false;
    if (is_null(node) || strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)
        return true;
    char *end = NULL;
    (void)g_ascii_strtod(node->text, &end);
    return end != node->text && *end == '\0' && strchr("+-.0123456789", node->text[0]) != NULL;
}

static void read_text(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || is_other_than_text(node))
        bad(l, node, "key '%s': expected text", l->key);
    else if (node->text[0] == '\0')
        bad(l, node, "key '%s': the text is empty", l->key);
    else
        *ret = g_strdup(node->text);
}

static void read_name(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || is_other_than_text(node))
        bad(l, node, "key '%s': expected a name", l->key);
    else if (!contract_name_is_valid(node->text))
        bad(l, node, "'%s' is not a name: lower-case letters, digits and '_', a letter first", node->text);
    else
        *ret = g_strdup(node->text);
}

static void read_bool(struct loader *l, const struct yaml_node *node, void *target)
{
    bool *ret = target;
    if (node->kind == YAML_SCALAR && node->is_plain && strcmp(node->text, "true") == 0)
        *ret = true;
    else if (node->kind == YAML_SCALAR && node->is_plain && strcmp(node->text, "false") == 0)
        *ret = false;
    else
        bad(l, node, "key '%s': expected true or false", l->key);
}

static bool parse_int(const struct yaml_node *node, int64_t *ret)
{
    if (node->kind != YAML_SCALAR || !node->is_plain || node->text[0] == '\0')
        return false;
    size_t digits = strspn(node->text + (node->text[0] == '-'), "0123456789");
    if (digits == 0 || node->text[digits + (node->text[0] == '-')] != '\0')
        return false;
    errno = 0;
    *ret = g_ascii_strtoll(node->text, NULL, 10);
    return errno == 0;
}

static void read_positive(struct loader *l, const struct yaml_node *node, void *target)
{
    int64_t value = 0;
    if (!parse_int(node, &value) || value < 1)
        bad(l, node, "key '%s': expected an integer from 1", l->key);
    else
        *(int64_t *)target = value;
}

static void read_int32(struct loader *l, const struct yaml_node *node, int32_t from, int32_t to, int32_t *ret)
{
    int64_t value = 0;
    if (!parse_int(node, &value) || value < from || value > to)
        bad(l, node, "key '%s': expected an integer from %d to %d", l->key, from, to);
    else
        *ret = (int32_t)value;
}

static void read_precision(struct loader *l, const struct yaml_node *node, void *target)
{
    read_int32(l, node, 1, contract_type_max_precision(CONTRACT_DECIMAL256), target);
}

static void read_scale(struct loader *l, const struct yaml_node *node, void *target)
{
    const int32_t most = contract_type_max_precision(CONTRACT_DECIMAL256);
    read_int32(l, node, -most, most, target);
}

static void read_size(struct loader *l, const struct yaml_node *node, void *target)
{
    read_int32(l, node, 1, INT32_MAX, target);
}

/* An SQL literal: `0`, `true` and `''` are all fine, so any scalar but null. */
static void read_sql_literal(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || node->text[0] == '\0')
        bad(l, node, "key '%s': expected an SQL literal", l->key);
    else
        *ret = g_strdup(node->text);
}

/* ---- lists and maps of scalars ---------------------------------------------------------------------------------- */

static void read_list_of(struct loader *l, const struct yaml_node *node, struct contract_names *ret, read_fn read)
{
    if (node->kind != YAML_LIST) {
        bad(l, node, "key '%s': expected a list", l->key);
        return;
    }
    ret->items = g_new0(char *, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        char *text = NULL;
        read(l, node->items[i], &text);
        if (text == NULL)
            continue;
        for (size_t j = 0; j < ret->n; j++) {
            if (strcmp(ret->items[j], text) == 0)
                contradiction(l, node->items[i], "'%s' is in the list twice", text);
        }
        ret->items[ret->n++] = text;
    }
}

static void read_names(struct loader *l, const struct yaml_node *node, void *target)
{
    read_list_of(l, node, target, read_name);
}

static void read_texts(struct loader *l, const struct yaml_node *node, void *target)
{
    read_list_of(l, node, target, read_text);
}

/* A map whose values are scalars, read by `read`. */
static void read_pairs_of(struct loader *l, const struct yaml_node *node, struct contract_pairs *ret, read_fn read,
                          bool keys_are_names)
{
    if (node->kind != YAML_MAP) {
        bad(l, node, "key '%s': expected a map", l->key);
        return;
    }
    ret->items = g_new0(struct contract_pair, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        const struct yaml_node *key = node->keys[i];
        if (keys_are_names && !contract_name_is_valid(key->text)) {
            bad(l, key, "'%s' is not a name: lower-case letters, digits and '_', a letter first", key->text);
            continue;
        }
        if (key->text[0] == '\0') {
            bad(l, key, "the key is empty");
            continue;
        }
        char *value = NULL;
        read(l, node->items[i], &value);
        if (value != NULL)
            ret->items[ret->n++] = (struct contract_pair){.key = g_strdup(key->text),
                                                          .value = value,
                                                          .line = node->items[i]->line,
                                                          .column = node->items[i]->column};
    }
}

/* Settings: any scalar but null. */
static void read_setting(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || is_null(node))
        bad(l, node, "key '%s': expected a text, a number, true or false", l->key);
    else
        *ret = g_strdup(node->text);
}

static void read_settings(struct loader *l, const struct yaml_node *node, void *target)
{
    read_pairs_of(l, node, target, read_setting, false);
}

static void read_metadata(struct loader *l, const struct yaml_node *node, void *target)
{
    read_pairs_of(l, node, target, read_text, false);
}

static void read_checks(struct loader *l, const struct yaml_node *node, void *target)
{
    read_pairs_of(l, node, target, read_text, true);
}

/* What a column may hold: texts alone, or each with what it says. */
static void read_values(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract_pairs *ret = target;
    if (node->kind == YAML_MAP) {
        read_pairs_of(l, node, ret, read_text, false);
    } else if (node->kind == YAML_LIST) {
        struct contract_names texts = {0};
        read_list_of(l, node, &texts, read_text);
        ret->items = g_new0(struct contract_pair, texts.n + 1);
        for (size_t i = 0; i < texts.n; i++)
            ret->items[ret->n++] =
                (struct contract_pair){.key = texts.items[i], .line = node->line, .column = node->column};
        g_free(texts.items);
    } else {
        bad(l, node, "key '%s': expected a list of texts, or a map of each to what it says", l->key);
        return;
    }
    if (node->n_items == 0)
        bad(l, node, "key '%s': no value is listed", l->key);
}

/* ---- maps with known keys --------------------------------------------------------------------------------------- */

static void read_keys(struct loader *l, const struct yaml_node *node, const char *what, const struct key_spec *specs,
                      size_t n_specs, void *target)
{
    if (node->kind != YAML_MAP) {
        bad(l, node, "expected %s, a map", what);
        return;
    }
    for (size_t i = 0; i < node->n_items; i++) {
        const struct key_spec *spec = NULL;
        for (size_t j = 0; j < n_specs && spec == NULL; j++) {
            if (strcmp(specs[j].name, node->keys[i]->text) == 0)
                spec = &specs[j];
        }
        if (spec == NULL) {
            GString *known = g_string_new(NULL);
            for (size_t j = 0; j < n_specs; j++)
                g_string_append_printf(known, "%s%s", j == 0 ? "" : ", ", specs[j].name);
            bad(l, node->keys[i], "unknown key '%s' in %s; known are %s", node->keys[i]->text, what, known->str);
            g_string_free(known, TRUE);
        } else if (spec->read != NULL) {
            const char *outer = l->key;
            l->key = spec->name;
            spec->read(l, node->items[i], (char *)target + spec->offset);
            l->key = outer;
        }
    }
    for (size_t j = 0; j < n_specs; j++) {
        if (!specs[j].is_required)
            continue;
        bool is_there = false;
        for (size_t i = 0; i < node->n_items && !is_there; i++)
            is_there = strcmp(specs[j].name, node->keys[i]->text) == 0;
        if (!is_there)
            bad(l, node, "missing key '%s' in %s", specs[j].name, what);
    }
}

/* One of several words. */
static bool read_word(struct loader *l, const struct yaml_node *node, const char *const *words, size_t n_words,
                      size_t *ret)
{
    for (size_t i = 0; node->kind == YAML_SCALAR && i < n_words; i++) {
        if (strcmp(node->text, words[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    GString *known = g_string_new(NULL);
    for (size_t i = 0; i < n_words; i++)
        g_string_append_printf(known, "%s%s", i == 0 ? "" : ", ", words[i]);
    if (node->kind == YAML_SCALAR)
        bad(l, node, "key '%s': '%s' is none of %s", l->key, node->text, known->str);
    else
        bad(l, node, "key '%s': expected one of %s", l->key, known->str);
    g_string_free(known, TRUE);
    return false;
}

/* ---- columns ---------------------------------------------------------------------------------------------------- */

static void read_fields(struct loader *l, const struct yaml_node *node, struct contract_field **ret, size_t *ret_n,
                        int depth, bool in_struct);

static void read_type(struct loader *l, const struct yaml_node *node, void *target)
{
    const char *names[CONTRACT_N_TYPES];
    for (int i = 0; i < CONTRACT_N_TYPES; i++)
        names[i] = contract_type_name((enum contract_type)i);
    size_t found = 0;
    if (is_null(node))
        bad(l, node, "key '%s': expected a type; the one without values is written \"null\", in quotes", l->key);
    else if (read_word(l, node, names, G_N_ELEMENTS(names), &found))
        *(enum contract_type *)target = (enum contract_type)found;
}

#define CHANGES "add_nullable, add_required, widen, rename, drop, reorder, relax_null, nested"

static void read_index(struct loader *l, const struct yaml_node *node, void *target)
{
    const char *names[CONTRACT_UINT64 - CONTRACT_INT8 + 1];
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        names[i] = contract_type_name((enum contract_type)(CONTRACT_INT8 + i));
    size_t found = 0;
    if (read_word(l, node, names, G_N_ELEMENTS(names), &found))
        *(enum contract_type *)target = (enum contract_type)(CONTRACT_INT8 + found);
}

static void read_zone(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    read_text(l, node, ret);
    if (*ret == NULL)
        return;
    const size_t n = strlen(*ret);
    if (n > CONTRACT_MAX_ZONE ||
        strspn(*ret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-:/") != n)
        bad(l, node, "key '%s': '%s' is no time zone; write UTC, Europe/Paris or +01:00", l->key, *ret);
}

/* Names of types, with what the types take left out. */
static void read_type_name(struct loader *l, const struct yaml_node *node, void *target)
{
    enum contract_type type = CONTRACT_NULL;
    read_type(l, node, &type);
    if (node->kind == YAML_SCALAR && strcmp(contract_type_name(type), node->text) == 0)
        *(char **)target = g_strdup(node->text);
}

static void read_lossy_from(struct loader *l, const struct yaml_node *node, void *target)
{
    read_list_of(l, node, target, read_type_name);
}

static const char *const rule_words[] = {"refuse", "allow"};

static bool change_from_name(const char *name, int *ret)
{
    for (*ret = 0; *ret < CONTRACT_N_CHANGES; (*ret)++) {
        if (strcmp(name, contract_change_name((enum contract_change) * ret)) == 0)
            return true;
    }
    return false;
}

/* The rules of one field. */
static void read_rules(struct loader *l, const struct yaml_node *node, void *target)
{
    enum contract_rule *ret = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "key '%s': expected a map", l->key);
        return;
    }
    for (size_t i = 0; i < node->n_items; i++) {
        int change = 0;
        size_t word = 0;
        if (!change_from_name(node->keys[i]->text, &change))
            bad(l, node->keys[i], "unknown key '%s' in the evolution of a field; known are " CHANGES,
                node->keys[i]->text);
        else if (read_word(l, node->items[i], rule_words, G_N_ELEMENTS(rule_words), &word))
            ret[change] = word == 1 ? CONTRACT_ALLOW : CONTRACT_REFUSE;
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
    read_fn read;
    size_t offset;
    int places;
    int required_in;
    int shapes;
    const char *belongs_to;
} field_keys[] = {
    {"name", read_name, offsetof(struct contract_field, name), NAMED, NAMED, 0, NULL},
    {"type", read_type, offsetof(struct contract_field, type), ANYWHERE, ANYWHERE, 0, NULL},
    {"nullable", read_bool, offsetof(struct contract_field, is_nullable), ANYWHERE & ~AT(IN_DICTIONARY),
     ANYWHERE & ~AT(IN_MAP_KEY) & ~AT(IN_DICTIONARY), 0, NULL},
    {"default", read_sql_literal, offsetof(struct contract_field, default_sql), ANYWHERE & ~AT(IN_DICTIONARY), 0, 0,
     NULL},
    {"doc", read_text, offsetof(struct contract_field, doc), ANYWHERE, NAMED, 0, NULL},
    {"metadata", read_metadata, offsetof(struct contract_field, metadata), ANYWHERE & ~AT(IN_DICTIONARY), 0, 0, NULL},
    {"values", read_values, offsetof(struct contract_field, values), AT(IN_COLUMNS), 0, 0, NULL},
    {"evolution", read_rules, offsetof(struct contract_field, rules), ANYWHERE & ~AT(IN_DICTIONARY), 0, 0, NULL},
    {"lossy_from", read_lossy_from, offsetof(struct contract_field, lossy_from), ANYWHERE & ~AT(IN_DICTIONARY), 0, 0,
     NULL},
    {"precision", read_precision, offsetof(struct contract_field, precision), ANYWHERE, 0, CONTRACT_SHAPE_DECIMAL,
     "decimals"},
    {"scale", read_scale, offsetof(struct contract_field, scale), ANYWHERE, 0, CONTRACT_SHAPE_DECIMAL, "decimals"},
    {"size", read_size, offsetof(struct contract_field, size), ANYWHERE, 0,
     CONTRACT_SHAPE_BYTES | CONTRACT_SHAPE_SIZED_LIST, "fixed_size_binary and fixed_size_list"},
    {"zone", read_zone, offsetof(struct contract_field, zone), ANYWHERE, 0, CONTRACT_SHAPE_TIMESTAMP, "timestamps"},
    {"item", NULL, 0, ANYWHERE, 0, CONTRACT_SHAPES_LIST, "lists"},
    {"fields", NULL, 0, ANYWHERE, 0, CONTRACT_SHAPE_STRUCT, "type struct"},
    {"key", NULL, 0, ANYWHERE, 0, CONTRACT_SHAPE_MAP, "type map"},
    {"value", NULL, 0, ANYWHERE, 0, CONTRACT_SHAPE_MAP | CONTRACT_SHAPE_DICTIONARY, "map and dictionary"},
    {"index", read_index, offsetof(struct contract_field, index), ANYWHERE, 0, CONTRACT_SHAPE_DICTIONARY,
     "type dictionary"},
};

static void read_field(struct loader *l, const struct yaml_node *node, struct contract_field *ret, enum place place,
                       int depth);

/* The child that `key` of a list, map or dictionary declares. */
static void read_child(struct loader *l, const struct yaml_node *node, const char *key, const char *what,
                       struct contract_field *ret, enum place place, int depth)
{
    const struct yaml_node *child = yaml_get(node, key);
    if (child == NULL)
        bad(l, node, "missing key '%s' of a %s", key, what);
    else
        read_field(l, child, ret, place, depth + 1);
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
                 field_keys[i].read != read_zone)
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
static void read_inside(struct loader *l, const struct yaml_node *node, struct contract_field *ret, int depth)
{
    const char *type = contract_type_name(ret->type);
    const struct yaml_node *fields = NULL;
    switch (contract_type_shape(ret->type)) {
    case CONTRACT_SHAPE_LIST:
    case CONTRACT_SHAPE_SIZED_LIST:
        ret->children = g_new0(struct contract_field, 1);
        ret->n_children = 1;
        read_child(l, node, "item", type, &ret->children[0], IN_LIST, depth);
        break;
    case CONTRACT_SHAPE_MAP:
        ret->children = g_new0(struct contract_field, 2);
        ret->n_children = 2;
        read_child(l, node, "key", type, &ret->children[0], IN_MAP_KEY, depth);
        read_child(l, node, "value", type, &ret->children[1], IN_MAP_VALUE, depth);
        break;
    case CONTRACT_SHAPE_DICTIONARY:
        ret->children = g_new0(struct contract_field, 1);
        ret->n_children = 1;
        read_child(l, node, "value", type, &ret->children[0], IN_DICTIONARY, depth);
        break;
    case CONTRACT_SHAPE_STRUCT:
        fields = yaml_get(node, "fields");
        if (fields == NULL)
            bad(l, node, "missing key 'fields' of a struct");
        else
            read_fields(l, fields, &ret->children, &ret->n_children, depth + 1, true);
        break;
    case CONTRACT_SHAPE_PLAIN:
    case CONTRACT_SHAPE_BYTES:
    case CONTRACT_SHAPE_TIMESTAMP:
    case CONTRACT_SHAPE_DECIMAL:
        break;
    }
}

static void read_field(struct loader *l, const struct yaml_node *node, struct contract_field *ret, enum place place,
                       int depth)
{
    struct key_spec specs[G_N_ELEMENTS(field_keys)];
    size_t n_specs = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(field_keys); i++) {
        if ((field_keys[i].places & AT(place)) != 0)
            specs[n_specs++] = (struct key_spec){field_keys[i].name, field_keys[i].read, field_keys[i].offset,
                                                 (field_keys[i].required_in & AT(place)) != 0};
    }
    ret->line = node->line;
    ret->column = node->column;
    const size_t n_before = l->n_problems;
    read_keys(l, node, place_names[place], specs, n_specs, ret);
    if (node->kind != YAML_MAP)
        return;
    if (place == IN_MAP_KEY && ret->is_nullable)
        contradiction(l, yaml_get(node, "nullable"), "a map's key cannot be null");
    /* Without a type that was read there is nothing to say about what hangs on it. */
    const struct yaml_node *type = yaml_get(node, "type");
    if (type == NULL || type->kind != YAML_SCALAR || is_null(type) ||
        strcmp(contract_type_name(ret->type), type->text) != 0)
        return;
    const enum contract_shape shape = contract_type_shape(ret->type);
    check_type_keys(l, node, ret->type);
    if (depth >= CONTRACT_MAX_DEPTH && (shape & CONTRACT_SHAPES_NESTED) != 0) {
        problem(l, CA_ERR_RESOURCES, type->line, type->column, "types nest deeper than %d levels", CONTRACT_MAX_DEPTH);
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
    read_inside(l, node, ret, depth);
}

static void read_fields(struct loader *l, const struct yaml_node *node, struct contract_field **ret, size_t *ret_n,
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
        read_field(l, node->items[i], field, in_struct ? IN_STRUCT : IN_COLUMNS, depth);
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

static void read_columns(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    read_fields(l, node, &c->columns, &c->n_columns, 0, false);
}

/* ---- sections --------------------------------------------------------------------------------------------------- */

static void read_kind(struct loader *l, const struct yaml_node *node, void *target)
{
    const char *names[CONTRACT_REGISTRY + 1];
    for (int i = 0; i <= CONTRACT_REGISTRY; i++)
        names[i] = contract_kind_name((enum contract_kind)i);
    size_t found = 0;
    if (read_word(l, node, names, G_N_ELEMENTS(names), &found))
        *(enum contract_kind *)target = (enum contract_kind)found;
}

/* A list of keys, each a list of names. */
static void read_unique(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    if (node->kind != YAML_LIST) {
        bad(l, node, "key '%s': expected a list of lists of names", l->key);
        return;
    }
    c->unique = g_new0(struct contract_names, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        struct contract_names *key = &c->unique[c->n_unique++];
        read_names(l, node->items[i], key);
        if (node->items[i]->kind == YAML_LIST && node->items[i]->n_items == 0)
            bad(l, node->items[i], "a unique key has a column");
    }
}

static const struct key_spec key_list_specs[] = {
    {"primary", read_names, offsetof(struct contract, primary), false},
    {"unique", read_unique, 0, false},
    {"join", read_names, offsetof(struct contract, join), false},
};

static void read_key_lists(struct loader *l, const struct yaml_node *node, void *target)
{
    read_keys(l, node, "keys", key_list_specs, G_N_ELEMENTS(key_list_specs), target);
}

static const char *const formats[] = {"delta", "parquet", "csv", "ndjson", "arrow", "avro", "memory", "stream"};

static void read_format(struct loader *l, const struct yaml_node *node, void *target)
{
    size_t found = 0;
    if (read_word(l, node, formats, G_N_ELEMENTS(formats), &found))
        *(char **)target = g_strdup(formats[found]);
}

static const struct key_spec storage_specs[] = {
    {"format", read_format, offsetof(struct contract_storage, format), false},
    {"location", read_text, offsetof(struct contract_storage, location), false},
    {"row_group_bytes", read_positive, offsetof(struct contract_storage, row_group_bytes), false},
    {"target_file_bytes", read_positive, offsetof(struct contract_storage, target_file_bytes), false},
    {"compression", read_text, offsetof(struct contract_storage, compression), false},
    {"statistics_columns", read_names, offsetof(struct contract_storage, statistics_columns), false},
    {"properties", read_settings, offsetof(struct contract_storage, properties), false},
};

static void read_storage(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    c->has_storage = true;
    c->storage.line = node->line;
    c->storage.column = node->column;
    read_keys(l, node, "storage", storage_specs, G_N_ELEMENTS(storage_specs), &c->storage);
}

/* The value that a scan option takes. */
static void check_scan_value(struct loader *l, const struct yaml_node *node, const struct contract_scan_option *option)
{
    int64_t count = 0;
    bool flag = false;
    const char *outer = l->key;
    l->key = option->name;
    if (option->kind == CONTRACT_SCAN_BOOL)
        read_bool(l, node, &flag);
    else if (option->kind == CONTRACT_SCAN_COUNT)
        read_positive(l, node, &count);
    else if (node->kind == YAML_SCALAR && is_other_than_text(node))
        bad(l, node, "key '%s': expected text", l->key);
    l->key = outer;
}

static void read_scan(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract_pairs *ret = target;
    read_pairs_of(l, node, ret, read_setting, true);
    for (size_t i = 0; node->kind == YAML_MAP && i < node->n_items; i++) {
        const struct contract_scan_option *option = contract_scan_option(node->keys[i]->text);
        if (option == NULL)
            bad(l, node->keys[i], "unknown scan option '%s'", node->keys[i]->text);
        else
            check_scan_value(l, node->items[i], option);
    }
}

static void read_derived_ids(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract_extract *x = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "key '%s': expected a map", l->key);
        return;
    }
    x->derived_ids = g_new0(struct contract_derived_id, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        struct contract_derived_id *id = &x->derived_ids[x->n_derived_ids++];
        id->column = g_strdup(node->keys[i]->text);
        read_names(l, node->items[i], &id->inputs);
    }
}

static const struct key_spec extract_specs[] = {
    {"extractor", read_name, offsetof(struct contract_extract, extractor), true},
    {"layer", read_name, offsetof(struct contract_extract, layer), true},
    {"template", read_name, offsetof(struct contract_extract, template_name), true},
    {"bundles", read_names, offsetof(struct contract_extract, bundles), false},
    {"defaults", read_settings, offsetof(struct contract_extract, defaults), false},
    {"evidence", read_settings, offsetof(struct contract_extract, evidence), false},
    {"postprocess", read_texts, offsetof(struct contract_extract, postprocess), false},
    {"derived_ids", read_derived_ids, 0, false},
    {"join_keys", read_names, offsetof(struct contract_extract, join_keys), false},
};

static void read_extract(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    c->extract = g_new0(struct contract_extract, 1);
    read_keys(l, node, "extract", extract_specs, G_N_ELEMENTS(extract_specs), c->extract);
}

static void read_evolution(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "expected evolution, a map");
        return;
    }
    const struct yaml_node *fallback = yaml_get(node, "default");
    size_t word = 0;
    if (fallback == NULL)
        bad(l, node, "missing key 'default' in evolution");
    else
        (void)read_word(l, fallback, rule_words, G_N_ELEMENTS(rule_words), &word);
    c->evolution_default = word == 1;
    for (int change = 0; change < CONTRACT_N_CHANGES; change++)
        c->evolution_allows[change] = c->evolution_default;
    for (size_t i = 0; i < node->n_items; i++) {
        if (node->items[i] == fallback)
            continue;
        int change = 0;
        if (!change_from_name(node->keys[i]->text, &change))
            bad(l, node->keys[i], "unknown key '%s' in evolution; known are default, " CHANGES, node->keys[i]->text);
        else if (read_word(l, node->items[i], rule_words, G_N_ELEMENTS(rule_words), &word))
            c->evolution_allows[change] = word == 1;
    }
}

static const struct key_spec view_specs[] = {
    {"unnest", read_name, offsetof(struct contract_view, unnest), true},
    {"with", read_names, offsetof(struct contract_view, with), false},
    {"doc", read_text, offsetof(struct contract_view, doc), true},
    {"checks", read_checks, offsetof(struct contract_view, checks), false},
};

static void read_views(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "expected views, a map");
        return;
    }
    c->views = g_new0(struct contract_view, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        struct contract_view *view = &c->views[c->n_views++];
        view->name = g_strdup(node->keys[i]->text);
        view->line = node->keys[i]->line;
        view->column = node->keys[i]->column;
        if (!contract_name_is_valid(view->name))
            bad(l, node->keys[i], "'%s' is not a name: lower-case letters, digits and '_', a letter first", view->name);
        read_keys(l, node->items[i], "a view", view_specs, G_N_ELEMENTS(view_specs), view);
    }
}

/* 55 or 55.2: the parts that are said are compared. */
static bool is_newer(const char *version, const char *than)
{
    while (*version != '\0') {
        char *version_end = NULL;
        char *than_end = NULL;
        const guint64 x = g_ascii_strtoull(version, &version_end, 10);
        const guint64 y = g_ascii_strtoull(than, &than_end, 10);
        if (x != y)
            return x > y;
        version = version_end + (*version_end == '.');
        than = than_end + (*than_end == '.');
    }
    return false;
}

static void read_engine(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    g_auto(GStrv) parts = node->kind == YAML_SCALAR ? g_strsplit(node->text, ".", 0) : g_new0(char *, 1);
    bool is_version = parts[0] != NULL && g_strv_length(parts) <= 3 && !node->is_plain;
    for (size_t i = 0; is_version && parts[i] != NULL; i++)
        is_version = parts[i][0] != '\0' && strlen(parts[i]) <= 9 && strspn(parts[i], "0123456789") == strlen(parts[i]);
    if (!is_version) {
        bad(l, node, "key '%s': expected a version of DataFusion as text, like \"55\" or \"55.2\"", l->key);
        return;
    }
    *ret = g_strdup(node->text);
    if (is_newer(node->text, contract_engine_version()))
        contradiction(l, node, "the contract needs DataFusion %s, this program has %s: use a newer codeanatomy",
                      node->text, contract_engine_version());
}

static const struct key_spec top_specs[] = {
    {"dataset", read_name, offsetof(struct contract, dataset), true},
    {"version", read_positive, offsetof(struct contract, version), true},
    {"kind", read_kind, offsetof(struct contract, kind), true},
    {"doc", read_text, offsetof(struct contract, doc), true},
    {"columns", read_columns, 0, true},
    {"keys", read_key_lists, 0, false},
    {"order", read_names, offsetof(struct contract, order), false},
    {"partition_by", read_names, offsetof(struct contract, partition_by), false},
    {"checks", read_checks, offsetof(struct contract, checks), false},
    {"storage", read_storage, 0, false},
    {"scan", read_scan, offsetof(struct contract, scan), false},
    {"extract", read_extract, 0, false},
    {"evolution", read_evolution, 0, true},
    {"views", read_views, 0, false},
    {"file_local", read_bool, offsetof(struct contract, is_file_local), false},
    {"bucket_inputs", read_names, offsetof(struct contract, bucket_inputs), false},
    {"engine", read_engine, offsetof(struct contract, engine), false},
    {"metadata", read_metadata, offsetof(struct contract, metadata), false},
};

/* ---- the tables described --------------------------------------------------------------------------------------- */

/* What a reader takes, in the words of contract/keys.h. */
static const char *value_word(read_fn read)
{
    static const struct {
        read_fn read;
        const char *value;
    } values[] = {
        {read_text, "text"},           {read_name, "name"},           {read_bool, "bool"},
        {read_positive, "positive"},   {read_precision, "precision"}, {read_scale, "scale"},
        {read_size, "size"},           {read_zone, "zone"},           {read_sql_literal, "literal"},
        {read_names, "names"},         {read_texts, "texts"},         {read_settings, "settings"},
        {read_metadata, "metadata"},   {read_checks, "checks"},       {read_type, "type"},
        {read_index, "index"},         {read_lossy_from, "types"},    {read_rules, "rules"},
        {read_kind, "kind"},           {read_columns, "columns"},     {read_key_lists, "keys"},
        {read_unique, "unique"},       {read_format, "format"},       {read_storage, "storage"},
        {read_scan, "scan"},           {read_extract, "extract"},     {read_derived_ids, "derived_ids"},
        {read_evolution, "evolution"}, {read_views, "views"},         {read_values, "values"},
        {read_engine, "engine"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        if (values[i].read == read)
            return values[i].value;
    }
    return NULL;
}

static void visit_specs(const struct key_spec *specs, size_t n, contract_key_fn fn, void *data)
{
    for (size_t i = 0; i < n; i++) {
        const struct contract_key key = {
            .name = specs[i].name, .value = value_word(specs[i].read), .is_required = specs[i].is_required};
        fn(data, &key);
    }
}

static void visit_words(const char *const *words, size_t n, const char *value, contract_key_fn fn, void *data)
{
    for (size_t i = 0; i < n; i++) {
        const struct contract_key key = {.name = words[i], .value = value};
        fn(data, &key);
    }
}

static void visit_scan_options(contract_key_fn fn, void *data)
{
    for (size_t i = 0; i < contract_scan_n_options(); i++) {
        const char *name = contract_scan_option_at(i)->name;
        visit_words(&name, 1, "setting", fn, data);
    }
}

/* A key whose reader waits for the type is read as what it is called. */
static void visit_fields(enum place place, contract_key_fn fn, void *data)
{
    for (size_t i = 0; i < G_N_ELEMENTS(field_keys); i++) {
        const struct contract_key key = {
            .name = field_keys[i].name,
            .value = field_keys[i].read == NULL ? field_keys[i].name : value_word(field_keys[i].read),
            .is_required = (field_keys[i].required_in & AT(place)) != 0,
            .shapes = field_keys[i].shapes,
            .is_optional_in_shape = field_keys[i].read == read_zone,
        };
        if ((field_keys[i].places & AT(place)) != 0)
            fn(data, &key);
    }
}

static void visit_changes(contract_key_fn fn, void *data)
{
    for (int i = 0; i < CONTRACT_N_CHANGES; i++) {
        const struct contract_key key = {.name = contract_change_name((enum contract_change)i), .value = "rule"};
        fn(data, &key);
    }
}

void contract_visit_keys(const char *section, contract_key_fn fn, void *data)
{
    static const struct {
        const char *section;
        const struct key_spec *specs;
        size_t n;
    } tables[] = {
        {"contract", top_specs, G_N_ELEMENTS(top_specs)},
        {"keys", key_list_specs, G_N_ELEMENTS(key_list_specs)},
        {"storage", storage_specs, G_N_ELEMENTS(storage_specs)},
        {"extract", extract_specs, G_N_ELEMENTS(extract_specs)},
        {"view", view_specs, G_N_ELEMENTS(view_specs)},
    };
    static const char *const places[] = {"column",  "field",     "item",
                                         "map_key", "map_value", "dictionary_value"}; /* enum place */
    static const struct contract_key fallback = {.name = "default", .value = "rule", .is_required = true};
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        if (strcmp(section, tables[i].section) == 0)
            visit_specs(tables[i].specs, tables[i].n, fn, data);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (strcmp(section, places[i]) == 0)
            visit_fields((enum place)i, fn, data);
    }
    if (strcmp(section, "format") == 0)
        visit_words(formats, G_N_ELEMENTS(formats), NULL, fn, data);
    if (strcmp(section, "scan") == 0)
        visit_scan_options(fn, data);
    if (strcmp(section, "evolution") == 0)
        fn(data, &fallback);
    if (strcmp(section, "evolution") == 0 || strcmp(section, "rules") == 0)
        visit_changes(fn, data);
}

/* ---- consistency ------------------------------------------------------------------------------------------------ */

/* Every name of the list at root.section.key must be a column. */
static void check_names(struct loader *l, const struct contract *c, const struct yaml_node *list, const char *what,
                        bool scalars_only)
{
    for (size_t i = 0; list != NULL && i < list->n_items; i++) {
        const struct contract_field *column = contract_column(c, list->items[i]->text);
        if (column == NULL)
            contradiction(l, list->items[i], "%s names '%s', which is no column", what, list->items[i]->text);
        else if (scalars_only && (contract_type_shape(column->type) & CONTRACT_SHAPES_NESTED) != 0)
            contradiction(l, list->items[i], "%s names '%s', a %s; it must be a scalar", what, column->name,
                          contract_type_name(column->type));
    }
}

static void check_version_suffix(struct loader *l, const struct contract *c, const struct yaml_node *root)
{
    const char *suffix = strrchr(c->dataset, '_');
    if (suffix == NULL || suffix[1] != 'v' || suffix[2] == '\0' ||
        strspn(suffix + 2, "0123456789") != strlen(suffix + 2))
        return;
    g_autofree char *expected = g_strdup_printf("%" G_GINT64_FORMAT, c->version);
    if (strcmp(expected, suffix + 2) != 0)
        contradiction(l, yaml_get(root, "dataset"), "dataset '%s' does not end in '_v%s', its version", c->dataset,
                      expected);
}

static void check_stage(struct loader *l, const struct contract *c, const struct yaml_node *root)
{
    static const struct {
        enum contract_kind kind;
        enum contract_stage stage;
    } pairs[] = {
        {CONTRACT_REGISTRY, CONTRACT_STAGE_REGISTRY},
        {CONTRACT_DIAGNOSTICS, CONTRACT_STAGE_DIAGNOSTICS},
        {CONTRACT_PARAMS, CONTRACT_STAGE_PARAMS},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        bool is_registry_view = c->kind == CONTRACT_VIEW && pairs[i].stage == CONTRACT_STAGE_REGISTRY;
        if ((c->kind == pairs[i].kind) != (c->stage == pairs[i].stage) && !is_registry_view) {
            contradiction(l, yaml_get(root, "kind"), "kind %s does not belong into stage %s",
                          contract_kind_name(c->kind), contract_stage_name(c->stage));
            return;
        }
    }
    if (c->extract != NULL && c->stage != CONTRACT_EXTRACT)
        contradiction(l, yaml_get(root, "extract"), "only datasets of stage extract come from an extractor");
    if (c->kind == CONTRACT_VIEW && c->n_views > 0)
        contradiction(l, yaml_get(root, "views"), "a view has no views of its own");
}

static void check_views(struct loader *l, const struct contract *c, const struct yaml_node *views)
{
    for (size_t i = 0; i < c->n_views; i++) {
        const struct contract_view *view = &c->views[i];
        const struct yaml_node *map = views->items[i];
        if (strcmp(view->name, c->dataset) == 0)
            contradiction(l, views->keys[i], "view '%s' has the name of the dataset", view->name);
        check_names(l, c, yaml_get(map, "with"), "with", false);
        const struct contract_field *list = contract_column(c, view->unnest);
        const struct yaml_node *at = yaml_get(map, "unnest");
        if (list == NULL) {
            contradiction(l, at, "unnest names '%s', which is no column", view->unnest);
            continue;
        }
        if (list->type != CONTRACT_LIST || list->children[0].type != CONTRACT_STRUCT) {
            contradiction(l, at, "unnest names '%s', which is no list of structs", view->unnest);
            continue;
        }
        for (size_t j = 0; j < list->children[0].n_children; j++) {
            for (size_t k = 0; k < view->with.n; k++) {
                if (strcmp(view->with.items[k], list->children[0].children[j].name) == 0)
                    contradiction(l, views->keys[i], "view '%s' would have two columns '%s'", view->name,
                                  view->with.items[k]);
            }
        }
    }
}

/* What a Delta table cannot hold; recursion is bounded by CONTRACT_MAX_DEPTH. */
static void check_delta_field(struct loader *l, const struct contract_field *field, const char *path)
{
    const char *instead = contract_type_not_in_delta(field);
    if (instead != NULL) {
        g_autofree char *type = contract_type_text(field);
        problem(l, CA_ERR_CONTRACT, field->line, field->column,
                "'%s' is %s, which a Delta table cannot hold: use %s, or storage of format memory, parquet or arrow",
                path, type, instead);
    }
    const enum contract_shape shape = contract_type_shape(field->type);
    for (size_t i = 0; (shape & CONTRACT_SHAPES_NESTED) != 0 && i < field->n_children; i++) {
        g_autofree char *child = contract_child_path(path, field, i);
        check_delta_field(l, &field->children[i], child);
    }
}

static void check_delta(struct loader *l, const struct contract *c)
{
    for (size_t i = 0; i < c->n_columns; i++)
        check_delta_field(l, &c->columns[i], c->columns[i].name);
}

/* Recursion is bounded by CONTRACT_MAX_DEPTH. */
static void check_lossy(struct loader *l, const struct contract_field *field)
{
    const bool is_dictionary = field->type == CONTRACT_DICTIONARY;
    const enum contract_type to = is_dictionary ? field->children[0].type : field->type;
    for (size_t i = 0; i < field->lossy_from.n; i++) {
        enum contract_type from = CONTRACT_NULL;
        if (contract_type_from_name(field->lossy_from.items[i], &from) && !contract_type_can_lose(from, to))
            problem(l, CA_ERR_CONTRACT, field->line, field->column,
                    "lossy_from names %s: nothing is lost on the way to %s, or nothing is left",
                    contract_type_name(from), contract_type_name(to));
    }
    for (size_t i = 0; i < field->n_children; i++)
        check_lossy(l, &field->children[i]);
}

/* Listed values are a check like another, so that whatever proves checks proves them. It stands where the list does. */
static void add_value_checks(struct loader *l, struct contract *c, const struct yaml_node *root)
{
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct contract_field *f = &c->columns[i];
        if (f->values.n == 0)
            continue;
        const struct yaml_node *at = yaml_get(yaml_get(root, "columns")->items[i], "values");
        if (f->type != CONTRACT_UTF8)
            contradiction(l, at, "column '%s' is of type %s: values are listed for utf8", f->name,
                          contract_type_name(f->type));
        for (size_t k = 0; k < c->checks.n; k++)
            if (strcmp(c->checks.items[k].key, f->name) == 0)
                contradiction(l, at, "column '%s' lists its values, and check '%s' has its name: one of the two",
                              f->name, f->name);
        g_autoptr(GString) sql = g_string_new(NULL);
        CA_AUTOFREE char *column = contract_quote(f->name);
        g_string_append_printf(sql, "%s IN (", column);
        for (size_t k = 0; k < f->values.n; k++) {
            g_auto(GStrv) parts = g_strsplit(f->values.items[k].key, "'", 0);
            g_autofree char *quoted = g_strjoinv("''", parts);
            g_string_append_printf(sql, "%s'%s'", k == 0 ? "" : ", ", quoted);
        }
        g_string_append_c(sql, ')');
        c->checks.items = g_renew(struct contract_pair, c->checks.items, c->checks.n + 1);
        c->checks.items[c->checks.n++] = (struct contract_pair){.key = g_strdup(f->name),
                                                                .value = g_string_free(g_steal_pointer(&sql), FALSE),
                                                                .line = at->line,
                                                                .column = at->column};
    }
}

/* An option without meaning for where the rows are would be a wish that nobody hears. */
static void check_scan(struct loader *l, const struct contract *c, const struct yaml_node *scan)
{
    const bool is_mutable = contract_scan_value(c, "mutable_listing") != NULL;
    for (size_t i = 0; i < c->scan.n; i++) {
        const struct contract_pair *said = &c->scan.items[i];
        const struct contract_scan_option *option = contract_scan_option(said->key);
        if (c->storage.format == NULL)
            problem(l, CA_ERR_CONTRACT, said->line, said->column, "scan option %s means nothing for a view", said->key);
        else if (option != NULL && !contract_scan_applies(option, c->storage.format))
            problem(l, CA_ERR_CONTRACT, said->line, said->column,
                    "scan option %s means nothing for format %s, only for %s", said->key, c->storage.format,
                    option->formats);
        else if (is_mutable && g_str_has_prefix(said->key, "list_cache_"))
            problem(l, CA_ERR_CONTRACT, said->line, said->column, "scan option %s means nothing beside mutable_listing",
                    said->key);
    }
    if (contract_scan_is_true(c, "unbounded") && c->partition_by.n > 0)
        contradiction(l, scan, "a stream has no partitions");
}

static void check_consistency(struct loader *l, const struct contract *c, const struct yaml_node *root)
{
    check_version_suffix(l, c, root);
    check_stage(l, c, root);
    if (g_strcmp0(c->storage.format, "delta") == 0)
        check_delta(l, c);
    check_scan(l, c, yaml_get(root, "scan"));
    const struct yaml_node *keys = yaml_get(root, "keys");
    const struct yaml_node *primary = keys == NULL ? NULL : yaml_get(keys, "primary");
    check_names(l, c, primary, "keys.primary", true);
    for (size_t i = 0; i < c->primary.n; i++) {
        const struct contract_field *column = contract_column(c, c->primary.items[i]);
        if (column != NULL && column->is_nullable)
            contradiction(l, primary->items[i], "keys.primary names '%s', which may be null", column->name);
    }
    const struct yaml_node *unique = keys == NULL ? NULL : yaml_get(keys, "unique");
    for (size_t i = 0; i < c->n_unique; i++)
        check_names(l, c, unique->items[i], "keys.unique", true);
    check_names(l, c, keys == NULL ? NULL : yaml_get(keys, "join"), "keys.join", true);
    for (size_t i = 0; i < c->n_columns; i++)
        check_lossy(l, &c->columns[i]);
    check_names(l, c, yaml_get(root, "order"), "order", true);
    check_names(l, c, yaml_get(root, "partition_by"), "partition_by", true);
    const struct yaml_node *storage = yaml_get(root, "storage");
    check_names(l, c, storage == NULL ? NULL : yaml_get(storage, "statistics_columns"), "storage.statistics_columns",
                false);
    if (c->extract != NULL) {
        const struct yaml_node *extract = yaml_get(root, "extract");
        check_names(l, c, yaml_get(extract, "join_keys"), "extract.join_keys", true);
        const struct yaml_node *ids = yaml_get(extract, "derived_ids");
        for (size_t i = 0; i < c->extract->n_derived_ids; i++) {
            if (contract_column(c, c->extract->derived_ids[i].column) == NULL)
                contradiction(l, ids->keys[i], "extract.derived_ids names '%s', which is no column",
                              c->extract->derived_ids[i].column);
        }
    }
    if (c->kind == CONTRACT_VIEW && c->storage.format != NULL)
        contradiction(l, storage, "a view has no storage format");
    if (c->n_views > 0)
        check_views(l, c, yaml_get(root, "views"));
}

static const char *default_format(enum contract_kind kind)
{
    switch (kind) {
    case CONTRACT_BUNDLE:
    case CONTRACT_TABLE:
    case CONTRACT_DIAGNOSTICS:
        return "delta";
    case CONTRACT_PARAMS:
    case CONTRACT_REGISTRY:
        return "memory";
    case CONTRACT_VIEW:
        break;
    }
    return NULL;
}

int contract_parse(const char *text, size_t n_bytes, const char *source, enum contract_stage stage,
                   struct contract **ret, struct ca_error *err)
{
    if (n_bytes > CONTRACT_MAX_BYTES)
        return ca_fail(err, CA_ERR_RESOURCES, "%s has %zu bytes, CONTRACT_MAX_BYTES is %zu", source, n_bytes,
                       CONTRACT_MAX_BYTES);
    CA_AUTOPTR(yaml_node) root = NULL;
    CA_TRY(yaml_parse(text, n_bytes, source, &root, err));
    return contract_read(root, source, stage, ret, err);
}

int contract_read(const struct yaml_node *root, const char *source, enum contract_stage stage, struct contract **ret,
                  struct ca_error *err)
{
    CA_AUTOPTR(contract) c = g_new0(struct contract, 1);
    const struct yaml_node *name = yaml_get(root, "dataset");
    c->source = g_strdup(source);
    c->line = name == NULL ? root->line : name->line;
    c->column = name == NULL ? root->column : name->column;
    c->stage = stage;
    struct loader l = {.source = source, .problems = g_string_new(NULL)};
    read_keys(&l, root, "a contract", top_specs, G_N_ELEMENTS(top_specs), c);
    if (c->storage.format == NULL)
        c->storage.format = g_strdup(default_format(c->kind));
    if (l.status == CA_OK)
        check_consistency(&l, c, root);
    if (l.status == CA_OK)
        add_value_checks(&l, c, root);
    int status = l.status;
    if (status != CA_OK && l.n_problems > MAX_PROBLEMS)
        g_string_append_printf(l.problems, "\n%s: %zu more", source, l.n_problems - MAX_PROBLEMS);
    if (status != CA_OK)
        status = ca_fail(err, status, "%s", l.problems->str);
    g_string_free(l.problems, TRUE);
    if (status != CA_OK)
        return status;
    *ret = CA_STEAL(c);
    return CA_OK;
}

int contract_load(const char *path, struct contract **ret, struct ca_error *err)
{
    g_autofree char *folder_path = g_path_get_dirname(path);
    g_autofree char *folder = g_path_get_basename(folder_path);
    enum contract_stage stage = CONTRACT_EXTRACT;
    if (!contract_stage_from_name(folder, &stage))
        return ca_fail(
            err, CA_ERR_CONTRACT,
            "%s: folder '%s' is no stage; one of extract, normalize, relate, graph, registry, diagnostics, params",
            path, folder);
    CA_AUTOFREE char *text = NULL;
    size_t n_bytes = 0;
    CA_TRY(file_read_bounded(path, CONTRACT_MAX_BYTES, &text, &n_bytes, err));
    CA_AUTOPTR(contract) c = NULL;
    CA_TRY(contract_parse(text, n_bytes, path, stage, &c, err));
    g_autofree char *file = g_path_get_basename(path);
    g_autofree char *expected = g_strdup_printf("%s.yaml", c->dataset);
    if (strcmp(file, expected) != 0)
        return ca_fail(err, CA_ERR_CONTRACT, "%s:1:1: dataset '%s' must be in a file named '%s'", path, c->dataset,
                       expected);
    *ret = CA_STEAL(c);
    return CA_OK;
}
