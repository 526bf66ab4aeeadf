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

static void read_int32(struct loader *l, const struct yaml_node *node, void *target)
{
    int64_t value = 0;
    if (!parse_int(node, &value) || value < 0 || value > 38)
        bad(l, node, "key '%s': expected an integer from 0 to 38", l->key);
    else
        *(int32_t *)target = (int32_t)value;
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

static const struct yaml_node *value_of(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map->kind == YAML_MAP && i < map->n_items; i++) {
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    }
    return NULL;
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
    const char *names[CONTRACT_MAP + 1];
    for (int i = 0; i <= CONTRACT_MAP; i++)
        names[i] = contract_type_name((enum contract_type)i);
    size_t found = 0;
    if (read_word(l, node, names, G_N_ELEMENTS(names), &found))
        *(enum contract_type *)target = (enum contract_type)found;
}

/* Where a field stands decides which keys it must have. */
enum place {
    IN_COLUMNS,
    IN_STRUCT,
    IN_LIST,
    IN_MAP_KEY,
    IN_MAP_VALUE,
};

static const char *const place_names[] = {"a column", "a field", "an item", "a map's key", "a map's value"};

static void read_field(struct loader *l, const struct yaml_node *node, struct contract_field *ret, enum place place,
                       int depth);

/* The child that `key` of a list or map declares. */
static void read_child(struct loader *l, const struct yaml_node *node, const char *key, struct contract_field *ret,
                       enum place place, int depth)
{
    const struct yaml_node *child = value_of(node, key);
    if (child == NULL)
        bad(l, node, "missing key '%s' of a %s", key, place == IN_LIST ? "list" : "map");
    else
        read_field(l, child, ret, place, depth + 1);
    g_free(ret->name);
    ret->name = g_strdup(key);
}

/* The keys that only some types have: refused where they mean nothing. */
static void refuse_foreign_keys(struct loader *l, const struct yaml_node *node, enum contract_type type)
{
    static const struct {
        const char *key;
        enum contract_type type;
    } rules[] = {
        {"item", CONTRACT_LIST}, {"fields", CONTRACT_STRUCT},    {"key", CONTRACT_MAP},
        {"value", CONTRACT_MAP}, {"scale", CONTRACT_DECIMAL128}, {"precision", CONTRACT_DECIMAL128},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        const struct yaml_node *value = value_of(node, rules[i].key);
        if (value != NULL && rules[i].type != type)
            bad(l, value, "key '%s' belongs to type %s, this is %s", rules[i].key, contract_type_name(rules[i].type),
                contract_type_name(type));
    }
}

static void read_field(struct loader *l, const struct yaml_node *node, struct contract_field *ret, enum place place,
                       int depth)
{
    const bool is_named = place == IN_COLUMNS || place == IN_STRUCT;
    const struct key_spec specs[] = {
        {"name", read_name, offsetof(struct contract_field, name), true},
        {"type", read_type, offsetof(struct contract_field, type), true},
        {"nullable", read_bool, offsetof(struct contract_field, is_nullable), place != IN_MAP_KEY},
        {"default", read_sql_literal, offsetof(struct contract_field, default_sql), false},
        {"doc", read_text, offsetof(struct contract_field, doc), is_named},
        {"metadata", read_metadata, offsetof(struct contract_field, metadata), false},
        {"precision", read_int32, offsetof(struct contract_field, precision), false},
        {"scale", read_int32, offsetof(struct contract_field, scale), false},
        {"item", NULL, 0, false},
        {"fields", NULL, 0, false},
        {"key", NULL, 0, false},
        {"value", NULL, 0, false},
    };
    ret->line = node->line;
    ret->column = node->column;
    const size_t n_before = l->n_problems;
    size_t first = is_named ? 0 : 1;
    read_keys(l, node, place_names[place], specs + first, G_N_ELEMENTS(specs) - first, ret);
    if (node->kind != YAML_MAP)
        return;
    if (place == IN_MAP_KEY && ret->is_nullable)
        contradiction(l, value_of(node, "nullable"), "a map's key cannot be null");
    /* Without a type that was read there is nothing to say about what hangs on it. */
    const struct yaml_node *type = value_of(node, "type");
    if (type == NULL || type->kind != YAML_SCALAR || strcmp(contract_type_name(ret->type), type->text) != 0)
        return;
    refuse_foreign_keys(l, node, ret->type);
    if (depth >= CONTRACT_MAX_DEPTH && ret->type >= CONTRACT_LIST) {
        problem(l, CA_ERR_RESOURCES, type->line, type->column, "types nest deeper than %d levels", CONTRACT_MAX_DEPTH);
        return;
    }
    switch (ret->type) {
    case CONTRACT_LIST:
        ret->children = g_new0(struct contract_field, 1);
        ret->n_children = 1;
        read_child(l, node, "item", &ret->children[0], IN_LIST, depth);
        break;
    case CONTRACT_MAP:
        ret->children = g_new0(struct contract_field, 2);
        ret->n_children = 2;
        read_child(l, node, "key", &ret->children[0], IN_MAP_KEY, depth);
        read_child(l, node, "value", &ret->children[1], IN_MAP_VALUE, depth);
        break;
    case CONTRACT_STRUCT: {
        const struct yaml_node *fields = value_of(node, "fields");
        if (fields == NULL)
            bad(l, node, "missing key 'fields' of a struct");
        else
            read_fields(l, fields, &ret->children, &ret->n_children, depth + 1, true);
        break;
    }
    case CONTRACT_DECIMAL128:
        if (value_of(node, "precision") == NULL || value_of(node, "scale") == NULL)
            bad(l, node, "decimal128 needs precision and scale");
        else if (l->n_problems == n_before && (ret->precision < 1 || ret->scale > ret->precision))
            contradiction(l, value_of(node, "precision"),
                          "decimal128(%d, %d): precision is 1 to 38, scale 0 to precision", ret->precision, ret->scale);
        break;
    default:
        break;
    }
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
            const struct yaml_node *at = value_of(node->items[i], "name");
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

static void read_key_lists(struct loader *l, const struct yaml_node *node, void *target)
{
    static const struct key_spec specs[] = {
        {"primary", read_names, offsetof(struct contract, primary), false},
        {"join", read_names, offsetof(struct contract, join), false},
    };
    read_keys(l, node, "keys", specs, G_N_ELEMENTS(specs), target);
}

static void read_format(struct loader *l, const struct yaml_node *node, void *target)
{
    static const char *const words[] = {"delta", "parquet", "csv", "ndjson", "arrow", "avro", "memory", "stream"};
    size_t found = 0;
    if (read_word(l, node, words, G_N_ELEMENTS(words), &found))
        *(char **)target = g_strdup(words[found]);
}

static void read_storage(struct loader *l, const struct yaml_node *node, void *target)
{
    static const struct key_spec specs[] = {
        {"format", read_format, offsetof(struct contract_storage, format), false},
        {"location", read_text, offsetof(struct contract_storage, location), false},
        {"row_group_bytes", read_positive, offsetof(struct contract_storage, row_group_bytes), false},
        {"target_file_bytes", read_positive, offsetof(struct contract_storage, target_file_bytes), false},
        {"compression", read_text, offsetof(struct contract_storage, compression), false},
        {"statistics_columns", read_names, offsetof(struct contract_storage, statistics_columns), false},
        {"properties", read_settings, offsetof(struct contract_storage, properties), false},
    };
    struct contract *c = target;
    c->has_storage = true;
    read_keys(l, node, "storage", specs, G_N_ELEMENTS(specs), &c->storage);
}

static void read_scan(struct loader *l, const struct yaml_node *node, void *target)
{
    static const char *const known[] = {
        "binary_as_string",
        "cache",
        "collect_statistics",
        "file_extension",
        "ignore_subdirectories",
        "infer_partitions",
        "list_cache_bytes",
        "list_cache_ttl_seconds",
        "metadata_concurrency",
        "mutable_listing",
        "parquet_pruning",
        "pushdown_filters",
        "skip_arrow_metadata",
        "skip_metadata",
        "unbounded",
        "view_types",
    };
    struct contract_pairs *ret = target;
    read_pairs_of(l, node, ret, read_setting, true);
    for (size_t i = 0; node->kind == YAML_MAP && i < node->n_items; i++) {
        bool is_known = false;
        for (size_t j = 0; j < G_N_ELEMENTS(known) && !is_known; j++)
            is_known = strcmp(known[j], node->keys[i]->text) == 0;
        if (!is_known)
            bad(l, node->keys[i], "unknown scan option '%s'", node->keys[i]->text);
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

static void read_extract(struct loader *l, const struct yaml_node *node, void *target)
{
    static const struct key_spec specs[] = {
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
    struct contract *c = target;
    c->extract = g_new0(struct contract_extract, 1);
    read_keys(l, node, "extract", specs, G_N_ELEMENTS(specs), c->extract);
}

static void read_evolution(struct loader *l, const struct yaml_node *node, void *target)
{
    static const char *const words[] = {"refuse", "allow"};
    struct contract *c = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "expected evolution, a map");
        return;
    }
    const struct yaml_node *fallback = value_of(node, "default");
    size_t word = 0;
    if (fallback == NULL)
        bad(l, node, "missing key 'default' in evolution");
    else
        (void)read_word(l, fallback, words, G_N_ELEMENTS(words), &word);
    c->evolution_default = word == 1;
    for (int change = 0; change < CONTRACT_N_CHANGES; change++)
        c->evolution_allows[change] = c->evolution_default;
    for (size_t i = 0; i < node->n_items; i++) {
        if (node->items[i] == fallback)
            continue;
        int change = 0;
        while (change < CONTRACT_N_CHANGES &&
               strcmp(node->keys[i]->text, contract_change_name((enum contract_change)change)) != 0)
            change++;
        if (change == CONTRACT_N_CHANGES)
            bad(l, node->keys[i],
                "unknown key '%s' in evolution; known are default, add_nullable, add_required, widen, rename, drop, "
                "reorder, relax_null, nested",
                node->keys[i]->text);
        else if (read_word(l, node->items[i], words, G_N_ELEMENTS(words), &word))
            c->evolution_allows[change] = word == 1;
    }
}

static void read_views(struct loader *l, const struct yaml_node *node, void *target)
{
    static const struct key_spec specs[] = {
        {"unnest", read_name, offsetof(struct contract_view, unnest), true},
        {"with", read_names, offsetof(struct contract_view, with), false},
        {"doc", read_text, offsetof(struct contract_view, doc), true},
        {"checks", read_checks, offsetof(struct contract_view, checks), false},
    };
    struct contract *c = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "expected views, a map");
        return;
    }
    c->views = g_new0(struct contract_view, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        struct contract_view *view = &c->views[c->n_views++];
        view->name = g_strdup(node->keys[i]->text);
        if (!contract_name_is_valid(view->name))
            bad(l, node->keys[i], "'%s' is not a name: lower-case letters, digits and '_', a letter first", view->name);
        read_keys(l, node->items[i], "a view", specs, G_N_ELEMENTS(specs), view);
    }
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
    {"metadata", read_metadata, offsetof(struct contract, metadata), false},
};

/* ---- consistency ------------------------------------------------------------------------------------------------ */

/* Every name of the list at root.section.key must be a column. */
static void check_names(struct loader *l, const struct contract *c, const struct yaml_node *list, const char *what,
                        bool scalars_only)
{
    for (size_t i = 0; list != NULL && i < list->n_items; i++) {
        const struct contract_field *column = contract_column(c, list->items[i]->text);
        if (column == NULL)
            contradiction(l, list->items[i], "%s names '%s', which is no column", what, list->items[i]->text);
        else if (scalars_only && column->type >= CONTRACT_LIST)
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
        contradiction(l, value_of(root, "dataset"), "dataset '%s' does not end in '_v%s', its version", c->dataset,
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
        if ((c->kind == pairs[i].kind) != (c->stage == pairs[i].stage)) {
            contradiction(l, value_of(root, "kind"), "kind %s does not belong into stage %s",
                          contract_kind_name(c->kind), contract_stage_name(c->stage));
            return;
        }
    }
    if (c->extract != NULL && c->stage != CONTRACT_EXTRACT)
        contradiction(l, value_of(root, "extract"), "only datasets of stage extract come from an extractor");
    if (c->kind == CONTRACT_VIEW && c->n_views > 0)
        contradiction(l, value_of(root, "views"), "a view has no views of its own");
}

static void check_views(struct loader *l, const struct contract *c, const struct yaml_node *views)
{
    for (size_t i = 0; i < c->n_views; i++) {
        const struct contract_view *view = &c->views[i];
        const struct yaml_node *map = views->items[i];
        if (strcmp(view->name, c->dataset) == 0)
            contradiction(l, views->keys[i], "view '%s' has the name of the dataset", view->name);
        check_names(l, c, value_of(map, "with"), "with", false);
        const struct contract_field *list = contract_column(c, view->unnest);
        const struct yaml_node *at = value_of(map, "unnest");
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

static void check_consistency(struct loader *l, const struct contract *c, const struct yaml_node *root)
{
    check_version_suffix(l, c, root);
    check_stage(l, c, root);
    const struct yaml_node *keys = value_of(root, "keys");
    const struct yaml_node *primary = keys == NULL ? NULL : value_of(keys, "primary");
    check_names(l, c, primary, "keys.primary", true);
    for (size_t i = 0; i < c->primary.n; i++) {
        const struct contract_field *column = contract_column(c, c->primary.items[i]);
        if (column != NULL && column->is_nullable)
            contradiction(l, primary->items[i], "keys.primary names '%s', which may be null", column->name);
    }
    check_names(l, c, keys == NULL ? NULL : value_of(keys, "join"), "keys.join", true);
    check_names(l, c, value_of(root, "order"), "order", true);
    check_names(l, c, value_of(root, "partition_by"), "partition_by", true);
    const struct yaml_node *storage = value_of(root, "storage");
    check_names(l, c, storage == NULL ? NULL : value_of(storage, "statistics_columns"), "storage.statistics_columns",
                false);
    if (c->extract != NULL) {
        const struct yaml_node *extract = value_of(root, "extract");
        check_names(l, c, value_of(extract, "join_keys"), "extract.join_keys", true);
        const struct yaml_node *ids = value_of(extract, "derived_ids");
        for (size_t i = 0; i < c->extract->n_derived_ids; i++) {
            if (contract_column(c, c->extract->derived_ids[i].column) == NULL)
                contradiction(l, ids->keys[i], "extract.derived_ids names '%s', which is no column",
                              c->extract->derived_ids[i].column);
        }
    }
    if (c->kind == CONTRACT_VIEW && c->storage.format != NULL)
        contradiction(l, storage, "a view has no storage format");
    if (c->n_views > 0)
        check_views(l, c, value_of(root, "views"));
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

    CA_AUTOPTR(contract) c = g_new0(struct contract, 1);
    c->source = g_strdup(source);
    c->stage = stage;
    struct loader l = {.source = source, .problems = g_string_new(NULL)};
    read_keys(&l, root, "a contract", top_specs, G_N_ELEMENTS(top_specs), c);
    if (l.status == CA_OK)
        check_consistency(&l, c, root);
    if (c->storage.format == NULL)
        c->storage.format = g_strdup(default_format(c->kind));
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
