/* contract/exchange.c — what reading and writing other languages have in common: losses, names, docs, the end. */
#include "contract/exchange.h"

#include <stdarg.h>
#include <string.h>

#include "contract/exchange_room.h"

#define NO_DOC "not described"

bool contract_language_from_name(const char *name, enum contract_language *ret)
{
    static const char *const names[] = {[CONTRACT_ODCS] = "odcs", [CONTRACT_DBT] = "dbt"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum contract_language)i;
            return true;
        }
    }
    return false;
}

/* ---- losses and problems ---------------------------------------------------------------------------------------- */

void exchange_lost(struct exchange *x, const struct yaml_node *at, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *reason = g_strdup_vprintf(format, args);
    va_end(args);
    const struct contract_loss loss = {x->source, at->line, at->column, path, reason};
    if (x->on_loss != NULL)
        x->on_loss(x->data, &loss);
}

void exchange_bad(struct exchange *x, const struct yaml_node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    x->status = CA_ERR_CONTRACT;
    g_string_append_printf(x->problems, "%s%s:%d:%d: %s", x->problems->len > 0 ? "\n" : "", x->source, at->line,
                           at->column, what);
}

char *path_key(const char *path, const char *key)
{
    return path[0] == '\0' ? g_strdup(key) : g_strconcat(path, ".", key, NULL);
}

char *path_item(const char *path, const char *key, size_t i)
{
    return g_strdup_printf("%s%s%s[%zu]", path, path[0] == '\0' ? "" : ".", key, i);
}

/* ---- maps of the source ----------------------------------------------------------------------------------------- */

void taking_init(struct taking *t, struct exchange *x, const struct yaml_node *map, const char *path)
{
    *t = (struct taking){.x = x, .map = map, .path = path, .is_taken = g_new0(bool, map->n_items + 1)};
    if (map->kind != YAML_MAP)
        exchange_bad(x, map, "'%s': expected a map", path);
}

static bool is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->is_plain &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || g_ascii_strcasecmp(node->text, "null") == 0);
}

const struct yaml_node *take(struct taking *t, const char *key)
{
    for (size_t i = 0; t->map->kind == YAML_MAP && i < t->map->n_items; i++) {
        if (strcmp(t->map->keys[i]->text, key) == 0) {
            t->is_taken[i] = true;
            return is_null(t->map->items[i]) ? NULL : t->map->items[i];
        }
    }
    return NULL;
}

const struct yaml_node *take_kind(struct taking *t, const char *key, enum yaml_kind kind)
{
    static const char *const words[] = {"a single value", "a list", "a map"};
    const struct yaml_node *node = take(t, key);
    if (node == NULL || node->kind == kind)
        return node;
    g_autofree char *path = path_key(t->path, key);
    exchange_bad(t->x, node, "'%s': expected %s", path, words[kind]);
    return NULL;
}

const char *take_text(struct taking *t, const char *key)
{
    const struct yaml_node *node = take_kind(t, key, YAML_SCALAR);
    return node == NULL ? NULL : node->text;
}

bool take_flag(struct taking *t, const char *key)
{
    static const char *const words[] = {"false", "no", "off", "true", "yes", "on"};
    const struct yaml_node *node = take_kind(t, key, YAML_SCALAR);
    if (node == NULL)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(node->text, words[i]) == 0)
            return i >= 3;
    }
    g_autofree char *path = path_key(t->path, key);
    exchange_bad(t->x, node, "'%s': expected true or false, not '%s'", path, node->text);
    return false;
}

bool take_integer(struct taking *t, const char *key, int64_t *ret)
{
    const struct yaml_node *node = take_kind(t, key, YAML_SCALAR);
    if (node == NULL)
        return false;
    const char *digits = node->text + (node->text[0] == '-' ? 1 : 0);
    if (digits[0] == '\0' || strlen(digits) > 15 || strspn(digits, "0123456789") != strlen(digits)) {
        g_autofree char *path = path_key(t->path, key);
        exchange_bad(t->x, node, "'%s': expected an integer, not '%s'", path, node->text);
        return false;
    }
    *ret = g_ascii_strtoll(node->text, NULL, 10);
    return true;
}

void taking_done(struct taking *t, const struct exchange_reason *reasons, size_t n_reasons, const char *otherwise)
{
    for (size_t i = 0; t->map->kind == YAML_MAP && i < t->map->n_items; i++) {
        if (t->is_taken[i])
            continue;
        const char *reason = otherwise;
        for (size_t j = 0; j < n_reasons; j++) {
            if (strcmp(reasons[j].key, t->map->keys[i]->text) == 0)
                reason = reasons[j].reason;
        }
        g_autofree char *path = path_key(t->path, t->map->keys[i]->text);
        exchange_lost(t->x, t->map->keys[i], path, "%s", reason);
    }
    g_free(t->is_taken);
}

/* ---- what every language says of a thing ------------------------------------------------------------------------ */

void exchange_put_name(struct exchange *x, struct yaml_node *map, const char *key, const struct yaml_node *name,
                       const char *path)
{
    g_autofree char *lower = g_ascii_strdown(name->text, -1);
    g_autofree char *full = path_key(path, "name");
    const bool is_other_case = strcmp(lower, name->text) != 0 && contract_name_is_valid(lower);
    if (is_other_case)
        exchange_lost(x, name, full, "'%s' is written '%s': names are in lower case", name->text, lower);
    yaml_put(map, key, yaml_text(is_other_case ? lower : name->text, name));
}

void exchange_put_doc(struct exchange *x, struct yaml_node *map, const char *doc, const struct yaml_node *at,
                      const char *path)
{
    if (doc != NULL && doc[0] != '\0') {
        yaml_put(map, "doc", yaml_text(doc, at));
        return;
    }
    g_autofree char *full = path_key(path, "description");
    exchange_lost(x, at, full, "there is none: the doc says '" NO_DOC "'");
    yaml_put(map, "doc", yaml_text(NO_DOC, at));
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

void exchange_put_own(struct exchange *x, struct yaml_node *map, const struct yaml_node *own, const char *const *except)
{
    if (own == NULL)
        return;
    if (own->kind != YAML_MAP) {
        exchange_bad(x, own, "'" EXCHANGE_OWN "': expected a map");
        return;
    }
    for (size_t i = 0; i < own->n_items; i++) {
        const char *key = own->keys[i]->text;
        if (is_one_of(key, except))
            continue;
        if (yaml_get(map, key) != NULL)
            exchange_bad(x, own->keys[i], "'" EXCHANGE_OWN ".%s' says again what the rest says already", key);
        else
            yaml_put(map, key, yaml_copy(own->items[i]));
    }
}

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct yaml_node *exchange_rest(const struct yaml_node *map, const char *const *words)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new();
    for (size_t i = 0; i < map->n_items; i++) {
        if (!is_one_of(map->keys[i]->text, words))
            g_ptr_array_add(keys, map->keys[i]->text);
    }
    if (keys->len == 0)
        return NULL;
    g_ptr_array_sort(keys, by_text);
    struct yaml_node *rest = yaml_map(map);
    for (guint i = 0; i < keys->len; i++)
        yaml_put(rest, keys->pdata[i], yaml_copy(yaml_get(map, keys->pdata[i])));
    return rest;
}

bool exchange_is_template(const char *text)
{
    return strstr(text, "{{") != NULL || strstr(text, "{%") != NULL || strstr(text, "{#") != NULL;
}

/* ---- datasets --------------------------------------------------------------------------------------------------- */

/* `map` with the keys of `first` in front and those of `last` behind, each in that order; the others between as they
 * came. Takes `map`. */
static struct yaml_node *ordered(struct yaml_node *map, const char *const *first, const char *const *last)
{
    CA_AUTOPTR(yaml_node) whole = map;
    struct yaml_node *ret = yaml_map(map);
    for (size_t i = 0; first[i] != NULL; i++) {
        if (yaml_get(map, first[i]) != NULL)
            yaml_put(ret, first[i], yaml_copy(yaml_get(map, first[i])));
    }
    for (size_t i = 0; i < map->n_items; i++) {
        if (!is_one_of(map->keys[i]->text, first) && !is_one_of(map->keys[i]->text, last))
            yaml_put(ret, map->keys[i]->text, yaml_copy(map->items[i]));
    }
    for (size_t i = 0; last[i] != NULL; i++) {
        if (yaml_get(map, last[i]) != NULL)
            yaml_put(ret, last[i], yaml_copy(yaml_get(map, last[i])));
    }
    return ret;
}

/* In the order in which people write fields, what is inside included. Takes `field`; recursion is bounded by
 * YAML_MAX_DEPTH. */
static struct yaml_node *ordered_field(struct yaml_node *field)
{
    static const char *const first[] = {"name", "type", NULL};
    static const char *const last[] = {"nullable", "default", "doc",   "metadata", "item",
                                       "fields",   "key",     "value", NULL};
    if (field->kind != YAML_MAP)
        return field;
    for (size_t i = 0; i < field->n_items; i++) {
        struct yaml_node **inside = &field->items[i];
        if (is_one_of(field->keys[i]->text, (const char *const[]){"item", "key", "value", NULL}))
            *inside = ordered_field(*inside);
        for (size_t j = 0; strcmp(field->keys[i]->text, "fields") == 0 && j < (*inside)->n_items; j++)
            (*inside)->items[j] = ordered_field((*inside)->items[j]);
    }
    return ordered(field, first, last);
}

/* Takes `map`. */
static struct yaml_node *ordered_contract(struct yaml_node *map)
{
    static const char *const first[] = {"dataset", "version", "kind", "doc", "extract", "columns", NULL};
    static const char *const last[] = {"keys",  "order",     "partition_by", "checks",        "storage", "scan",
                                       "views", "evolution", "file_local",   "bucket_inputs", "engine",  "metadata",
                                       NULL};
    for (size_t i = 0; i < map->n_items; i++) {
        for (size_t j = 0; strcmp(map->keys[i]->text, "columns") == 0 && j < map->items[i]->n_items; j++)
            map->items[i]->items[j] = ordered_field(map->items[i]->items[j]);
    }
    return ordered(map, first, last);
}

static void add_import(struct exchange *x, struct contract *contract, char *yaml)
{
    x->imports->items = g_renew(struct contract_import, x->imports->items, x->imports->n + 1);
    x->imports->items[x->imports->n++] = (struct contract_import){contract, yaml};
}

/* One name twice: in this document, or in one that was read before. */
static bool is_new(struct exchange *x, const struct contract *c, const struct yaml_node *name)
{
    for (size_t i = 0; i < x->imports->n; i++) {
        const struct contract *other = x->imports->items[i].contract;
        if (strcmp(other->dataset, c->dataset) != 0 ||
            strcmp(contract_schema_name(other), contract_schema_name(c)) != 0)
            continue;
        exchange_bad(x, name, "dataset '%s' is declared twice, first at %s:%d:%d", c->dataset, other->source,
                     other->line, other->column);
        return false;
    }
    return true;
}

void exchange_finish(struct exchange *x, struct yaml_node *map, const struct yaml_node *own)
{
    enum contract_stage stage = CONTRACT_EXTRACT;
    const struct yaml_node *stage_name = yaml_get(own, "stage");
    if (stage_name != NULL &&
        (stage_name->kind != YAML_SCALAR || !contract_stage_from_name(stage_name->text, &stage))) {
        exchange_bad(x, stage_name, "there is no such stage");
        yaml_node_free(map);
        return;
    }
    if (yaml_get(map, "evolution") == NULL) {
        struct yaml_node *evolution = yaml_map(map);
        yaml_put(evolution, "default", yaml_text("refuse", map));
        yaml_put(map, "evolution", evolution);
    }
    CA_AUTOPTR(yaml_node) whole = ordered_contract(map);
    struct ca_error err = {0};
    struct contract *c = NULL;
    if (contract_read(whole, x->source, stage, &c, &err) != CA_OK) {
        x->status = err.code;
        g_string_append_printf(x->problems, "%s%s", x->problems->len > 0 ? "\n" : "", err.message);
        return;
    }
    if (is_new(x, c, yaml_get(whole, "dataset")))
        add_import(x, c, yaml_render(whole));
    else
        contract_free(c);
}

/* ---- the two ways ----------------------------------------------------------------------------------------------- */

static void imports_cut(struct contract_imports *imports, size_t n)
{
    for (size_t i = n; i < imports->n; i++) {
        contract_free(imports->items[i].contract);
        g_free(imports->items[i].yaml);
    }
    imports->n = n;
}

void contract_imports_done(struct contract_imports *imports)
{
    imports_cut(imports, 0);
    g_free(imports->items);
    *imports = (struct contract_imports){0};
}

int contract_import(enum contract_language language, const char *text, size_t n_bytes, const char *source,
                    contract_loss_fn on_loss, void *data, struct contract_imports *ret, struct ca_error *err)
{
    if (n_bytes > CONTRACT_MAX_BYTES)
        return ca_fail(err, CA_ERR_RESOURCES, "%s has %zu bytes, CONTRACT_MAX_BYTES is %zu", source, n_bytes,
                       CONTRACT_MAX_BYTES);
    CA_AUTOPTR(yaml_node) root = NULL;
    CA_TRY(yaml_parse(text, n_bytes, source, &root, err));
    const size_t n_before = ret->n;
    struct exchange x = {
        .source = source, .on_loss = on_loss, .data = data, .problems = g_string_new(NULL), .imports = ret};
    if (root->kind != YAML_MAP)
        exchange_bad(&x, root, "expected a map");
    else if (language == CONTRACT_ODCS)
        odcs_import(&x, root);
    else
        dbt_import(&x, root);
    int rc = x.status;
    if (rc != CA_OK) {
        imports_cut(ret, n_before);
        rc = ca_fail(err, rc, "%s", x.problems->str);
    }
    g_string_free(x.problems, TRUE);
    return rc;
}

/* The trees of the contracts and what the loader makes of them: nothing broken is passed on. */
static int read_contracts(const struct contract_export *exports, size_t n, struct yaml_node **trees,
                          struct contract **contracts, struct ca_error *err)
{
    for (size_t i = 0; i < n; i++) {
        CA_TRY(yaml_parse(exports[i].yaml, exports[i].n_bytes, exports[i].source, &trees[i], err));
        CA_TRY(contract_read(trees[i], exports[i].source, exports[i].stage, &contracts[i], err));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(contracts[j]->dataset, contracts[i]->dataset) == 0)
                return ca_fail(err, CA_ERR_CONTRACT, "%s: dataset '%s' is in '%s' already: export one of them alone",
                               exports[i].source, contracts[i]->dataset, exports[j].source);
        }
    }
    return CA_OK;
}

int contract_export(enum contract_language language, const struct contract_export *exports, size_t n,
                    contract_loss_fn on_loss, void *data, char **ret, struct ca_error *err)
{
    struct yaml_node **trees = g_new0(struct yaml_node *, n + 1);
    struct contract **contracts = g_new0(struct contract *, n + 1);
    const struct yaml_node *const *borrowed = (const struct yaml_node *const *)(void *)trees;
    int rc = read_contracts(exports, n, trees, contracts, err);
    if (rc == CA_OK) {
        CA_AUTOPTR(yaml_node)
        document =
            language == CONTRACT_ODCS ? odcs_document(borrowed, contracts, n) : dbt_document(borrowed, contracts, n);
        *ret = yaml_render(document);
    }
    for (size_t i = 0; rc == CA_OK && i < n; i++) {
        struct exchange x = {.source = exports[i].source, .on_loss = on_loss, .data = data};
        if (exports[i].sql != NULL)
            exchange_lost(&x, trees[i], "(SELECT)",
                          "the SQL beside the contract is a file of its own: take '%s.sql' along",
                          contracts[i]->dataset);
    }
    for (size_t i = 0; i < n; i++) {
        yaml_node_free(trees[i]);
        contract_free(contracts[i]);
    }
    g_free(trees);
    g_free(contracts);
    return rc;
}
