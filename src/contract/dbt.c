/* contract/dbt.c — the schema YAML of dbt: models, their columns, constraints and contract.
 *
 * data_type is the type as our DDL writes it. SQL has no words for nullability inside a type, for docs there, and for
 * some types at all: where `data_type` read again would be another type, the exact one stands in the column's meta, and
 * must then agree with data_type. What dbt has no word for is in meta. dbt reads descriptions and expressions as Jinja
 * templates, so a text with its braces is written as raw.
 */
#include "contract/exchange_room.h"

#include <string.h>

#define RAW_BEGIN "{% raw %}"
#define RAW_END "{% endraw %}"
#define NO_PLACE "a contract has no place for it"

/* ---- export ----------------------------------------------------------------------------------------------------- */

static struct yaml_node *template_text(const struct yaml_node *text)
{
    if (!exchange_is_template(text->text))
        return yaml_text(text->text, text);
    g_autofree char *raw = g_strconcat(RAW_BEGIN, text->text, RAW_END, NULL);
    return yaml_text(raw, text);
}

/* Puts `config: {.., meta: {codeanatomy: own}}`; takes config and own. */
static void put_config(struct yaml_node *out, struct yaml_node *config, struct yaml_node *own)
{
    if (own != NULL) {
        struct yaml_node *meta = yaml_map(own);
        yaml_put(meta, EXCHANGE_OWN, own);
        yaml_put(config, "meta", meta);
    }
    if (config->n_items > 0)
        yaml_put(out, "config", config);
    else
        yaml_node_free(config);
}

static struct yaml_node *constraint(const char *type, const struct yaml_node *at)
{
    struct yaml_node *out = yaml_map(at);
    yaml_put(out, "type", yaml_text(type, at));
    return out;
}

static bool trees_equal(const struct yaml_node *a, const struct yaml_node *b)
{
    if (a == NULL || b == NULL || a->kind != b->kind || a->n_items != b->n_items)
        return a == b;
    if (a->kind == YAML_SCALAR)
        return strcmp(a->text, b->text) == 0;
    for (size_t i = 0; i < a->n_items; i++) {
        const struct yaml_node *other = a->kind == YAML_MAP ? yaml_get(b, a->keys[i]->text) : b->items[i];
        if (!trees_equal(a->items[i], other))
            return false;
    }
    return true;
}

static const char *const said_of_column[] = {"name",      "nullable", "doc",        "default", "metadata",
                                             "evolution", "values",   "lossy_from", NULL};

/* Whether the SQL text, read again, is the type of the column. */
static bool says_all(const char *sql, const struct yaml_node *column)
{
    struct exchange x = {.problems = g_string_new(NULL)};
    CA_AUTOPTR(yaml_node) read = yaml_map(column);
    CA_AUTOPTR(yaml_node) type = exchange_rest(column, said_of_column);
    g_autofree char *why = NULL;
    const bool is_equal = sql_type_put(&x, read, sql, column, "", &why) && trees_equal(read, type);
    g_string_free(x.problems, TRUE);
    return is_equal;
}

static struct yaml_node *column_of(const struct yaml_node *column, const struct contract_field *field)
{
    static const char *const said[] = {"name", "nullable", "doc", NULL};
    g_autofree char *sql = contract_sql_type(field);
    struct yaml_node *out = yaml_map(column);
    yaml_put(out, "name", yaml_copy(yaml_get(column, "name")));
    yaml_put(out, "data_type", yaml_text(sql, column));
    yaml_put(out, "description", template_text(yaml_get(column, "doc")));
    if (!field->is_nullable) {
        struct yaml_node *constraints = yaml_list(column);
        yaml_add(constraints, constraint("not_null", column));
        yaml_put(out, "constraints", constraints);
    }
    struct yaml_node *own = exchange_rest(column, said);
    if (own != NULL && says_all(sql, column)) {
        CA_AUTOPTR(yaml_node) type = exchange_rest(column, said_of_column);
        g_autofree const char **words = g_new0(const char *, type->n_items + 1);
        for (size_t i = 0; i < type->n_items; i++)
            words[i] = type->keys[i]->text;
        CA_AUTOPTR(yaml_node) whole = own;
        own = exchange_rest(whole, words);
    }
    put_config(out, yaml_map(column), own);
    return out;
}

static struct yaml_node *constraints_of(const struct yaml_node *contract)
{
    struct yaml_node *out = yaml_list(contract);
    const struct yaml_node *primary = yaml_get(yaml_get(contract, "keys"), "primary");
    const struct yaml_node *checks = yaml_get(contract, "checks");
    if (primary != NULL && primary->n_items > 0) {
        struct yaml_node *key = constraint("primary_key", primary);
        yaml_put(key, "columns", yaml_copy(primary));
        yaml_add(out, key);
    }
    const struct yaml_node *unique = yaml_get(yaml_get(contract, "keys"), "unique");
    for (size_t i = 0; unique != NULL && i < unique->n_items; i++) {
        struct yaml_node *key = constraint("unique", unique->items[i]);
        yaml_put(key, "columns", yaml_copy(unique->items[i]));
        yaml_add(out, key);
    }
    for (size_t i = 0; checks != NULL && i < checks->n_items; i++) {
        struct yaml_node *check = constraint("check", checks->items[i]);
        yaml_put(check, "name", yaml_copy(checks->keys[i]));
        yaml_put(check, "expression", template_text(checks->items[i]));
        yaml_add(out, check);
    }
    return out;
}

static struct yaml_node *model_of(const struct yaml_node *tree, const struct contract *c)
{
    static const char *const said[] = {"dataset", "doc", "columns", "keys", "partition_by", "checks", NULL};
    static const char *const said_of_keys[] = {"primary", "unique", NULL};
    struct yaml_node *out = yaml_map(tree);
    yaml_put(out, "name", yaml_copy(yaml_get(tree, "dataset")));
    yaml_put(out, "description", template_text(yaml_get(tree, "doc")));
    struct yaml_node *config = yaml_map(tree);
    yaml_put(config, "materialized", yaml_text(c->kind == CONTRACT_VIEW ? "view" : "table", tree));
    struct yaml_node *enforced = yaml_map(tree);
    yaml_put(enforced, "enforced", yaml_plain("true", tree));
    yaml_put(config, "contract", enforced);
    if (yaml_get(tree, "partition_by") != NULL)
        yaml_put(config, "partition_by", yaml_copy(yaml_get(tree, "partition_by")));
    struct yaml_node *own = yaml_map(tree);
    yaml_put(own, "stage", yaml_text(contract_stage_name(c->stage), tree));
    CA_AUTOPTR(yaml_node) rest = exchange_rest(tree, said);
    for (size_t i = 0; i < rest->n_items; i++)
        yaml_put(own, rest->keys[i]->text, yaml_copy(rest->items[i]));
    struct yaml_node *keys =
        yaml_get(tree, "keys") == NULL ? NULL : exchange_rest(yaml_get(tree, "keys"), said_of_keys);
    if (keys != NULL)
        yaml_put(own, "keys", keys);
    put_config(out, config, own);
    struct yaml_node *constraints = constraints_of(tree);
    if (constraints->n_items > 0)
        yaml_put(out, "constraints", constraints);
    else
        yaml_node_free(constraints);
    struct yaml_node *columns = yaml_list(tree);
    for (size_t i = 0; i < c->n_columns; i++)
        yaml_add(columns, column_of(yaml_get(tree, "columns")->items[i], &c->columns[i]));
    yaml_put(out, "columns", columns);
    return out;
}

struct yaml_node *dbt_document(const struct yaml_node *const *trees, struct contract *const *contracts, size_t n)
{
    struct yaml_node *models = yaml_list(NULL);
    for (size_t i = 0; i < n; i++)
        yaml_add(models, model_of(trees[i], contracts[i]));
    struct yaml_node *root = yaml_map(NULL);
    yaml_put(root, "version", yaml_plain("2", NULL));
    yaml_put(root, "models", models);
    return root;
}

/* ---- import ----------------------------------------------------------------------------------------------------- */

/* Text that may be a template: what we wrote as raw comes back, any other is kept as it stands. */
static char *plain_text(struct exchange *x, const struct yaml_node *node, const char *path)
{
    if (g_str_has_prefix(node->text, RAW_BEGIN) && g_str_has_suffix(node->text, RAW_END) &&
        strlen(node->text) >= strlen(RAW_BEGIN RAW_END))
        return g_strndup(node->text + strlen(RAW_BEGIN), strlen(node->text) - strlen(RAW_BEGIN RAW_END));
    if (exchange_is_template(node->text))
        exchange_lost(x, node, path, "a template is not run: its text is kept as it stands");
    return g_strdup(node->text);
}

static void put_description(struct exchange *x, struct yaml_node *map, struct taking *t)
{
    const struct yaml_node *node = take_kind(t, "description", YAML_SCALAR);
    g_autofree char *path = path_key(t->path, "description");
    g_autofree char *text = node == NULL ? NULL : plain_text(x, node, path);
    exchange_put_doc(x, map, text, node == NULL ? t->map : node, t->path);
}

/* Our part of a meta map; the rest of it is a loss. Borrowed. */
static const struct yaml_node *own_of(struct exchange *x, const struct yaml_node *meta, const char *path)
{
    if (meta == NULL)
        return NULL;
    struct taking t;
    taking_init(&t, x, meta, path);
    const struct yaml_node *own = take(&t, EXCHANGE_OWN);
    taking_done(&t, NULL, 0, NO_PLACE);
    return own;
}

/* meta stands beside config or, since dbt 1.10, in it. `config` may be NULL. */
static const struct yaml_node *take_own(struct taking *t, struct taking *config)
{
    g_autofree char *path = path_key(t->path, "meta");
    const struct yaml_node *own = own_of(t->x, take_kind(t, "meta", YAML_MAP), path);
    if (config == NULL)
        return own;
    g_autofree char *config_path = path_key(config->path, "meta");
    const struct yaml_node *inner = own_of(t->x, take_kind(config, "meta", YAML_MAP), config_path);
    if (own != NULL && inner != NULL)
        exchange_bad(t->x, own, "'%s': '" EXCHANGE_OWN "' stands in meta and in config.meta", t->path);
    return inner == NULL ? own : inner;
}

/* What the constraints of a model or column say. */
struct constraints {
    struct yaml_node *primary;
    struct yaml_node *unique;
    struct yaml_node *not_null;
    struct yaml_node *checks;
};

static void add_names(struct yaml_node *list, const struct yaml_node *columns, const char *column,
                      const struct yaml_node *at)
{
    if (column != NULL)
        yaml_add(list, yaml_text(column, at));
    for (size_t i = 0; column == NULL && columns != NULL && i < columns->n_items; i++) {
        g_autofree char *lower =
            columns->items[i]->kind == YAML_SCALAR ? g_ascii_strdown(columns->items[i]->text, -1) : g_strdup("");
        yaml_add(list, yaml_text(lower, columns->items[i]));
    }
}

static void add_unique(struct constraints *c, const struct yaml_node *columns, const char *column,
                       const struct yaml_node *at)
{
    struct yaml_node *key = yaml_list(at);
    add_names(key, columns, column, at);
    yaml_add(c->unique, key);
}

static void add_check(struct exchange *x, struct constraints *c, struct taking *t, const char *column)
{
    const struct yaml_node *name = take_kind(t, "name", YAML_SCALAR);
    const struct yaml_node *expression = take_kind(t, "expression", YAML_SCALAR);
    if (expression == NULL) {
        exchange_bad(x, t->map, "'%s': a check has an expression", t->path);
        return;
    }
    g_autofree char *made = column == NULL ? g_strdup_printf("check_%zu", c->checks->n_items + 1)
                                           : g_strdup_printf("%s_check_%zu", column, c->checks->n_items + 1);
    const char *key = name == NULL ? made : name->text;
    g_autofree char *text = plain_text(x, expression, t->path);
    if (yaml_get(c->checks, key) != NULL)
        exchange_bad(x, t->map, "'%s': check '%s' is there already", t->path, key);
    else
        yaml_put(c->checks, key, yaml_text(text, expression));
}

/* `column`: of whose constraints they are, NULL: the model's. */
static void take_constraints(struct exchange *x, struct taking *of, struct constraints *c, const char *column)
{
    static const struct exchange_reason reasons[] = {
        {"warn_unsupported", "every constraint is proved"},
        {"warn_unenforced", "every constraint is proved"},
    };
    const struct yaml_node *list = take_kind(of, "constraints", YAML_LIST);
    for (size_t i = 0; list != NULL && i < list->n_items; i++) {
        const struct yaml_node *node = list->items[i];
        g_autofree char *path = path_item(of->path, "constraints", i);
        const struct yaml_node *type = yaml_get(node, "type");
        const char *word = type == NULL || type->kind != YAML_SCALAR ? "" : type->text;
        if (strcmp(word, "foreign_key") == 0 || strcmp(word, "custom") == 0) {
            exchange_lost(x, node, path, "%s", word[0] == 'f' ? "foreign keys are not declared here" : NO_PLACE);
            continue;
        }
        struct taking t;
        taking_init(&t, x, node, path);
        (void)take(&t, "type");
        const struct yaml_node *columns =
            column == NULL && strcmp(word, "check") != 0 ? take_kind(&t, "columns", YAML_LIST) : NULL;
        if (strcmp(word, "primary_key") == 0)
            add_names(c->primary, columns, column, node);
        else if (strcmp(word, "unique") == 0)
            add_unique(c, columns, column, node);
        else if (strcmp(word, "not_null") == 0)
            add_names(c->not_null, columns, column, node);
        else if (strcmp(word, "check") == 0)
            add_check(x, c, &t, column);
        else
            exchange_bad(x, node, "'%s': there is no constraint '%s'", path, word);
        taking_done(&t, reasons, G_N_ELEMENTS(reasons), NO_PLACE);
    }
}

/* data_type, or the exact type in meta, which must be the one that data_type means. */
static void put_type(struct exchange *x, struct yaml_node *column, const struct yaml_node *type,
                     const struct yaml_node *own, struct taking *t)
{
    if (yaml_get(own, "type") != NULL)
        return;
    if (type == NULL) {
        exchange_bad(x, t->map, "'%s' has no data_type", t->path);
        return;
    }
    g_autofree char *path = path_key(t->path, "data_type");
    g_autofree char *why = NULL;
    if (!sql_type_put(x, column, type->text, type, path, &why))
        exchange_bad(x, type, "type '%s' of '%s' has no mapping: %s", type->text, t->path, why);
}

/* A model or a column: what it says itself, and in its `config`.
 *   config      NULL: it has none; else &in_config
 *   own, name   ours in its meta, and its name; NULL: it has none */
struct entry {
    struct taking t;
    struct taking in_config;
    struct taking *config;
    char *config_path;
    const struct yaml_node *own;
    const struct yaml_node *name;
};

/* Stays where it is until entry_done(). */
static void entry_init(struct entry *e, struct exchange *x, const struct yaml_node *node, const char *path)
{
    *e = (struct entry){.config_path = path_key(path, "config")};
    taking_init(&e->t, x, node, path);
    const struct yaml_node *config = take_kind(&e->t, "config", YAML_MAP);
    if (config != NULL) {
        taking_init(&e->in_config, x, config, e->config_path);
        e->config = &e->in_config;
    }
    e->own = take_own(&e->t, e->config);
    e->name = take_kind(&e->t, "name", YAML_SCALAR);
}

/* What is left of its `config` is a loss. */
static void entry_config_done(struct entry *e)
{
    if (e->config != NULL)
        taking_done(e->config, NULL, 0, NO_PLACE);
    e->config = NULL;
}

static void entry_done(struct entry *e, const struct exchange_reason *reasons, size_t n_reasons)
{
    entry_config_done(e);
    taking_done(&e->t, reasons, n_reasons, NO_PLACE);
    g_free(e->config_path);
}

static const struct exchange_reason column_reasons[] = {
    {"tests", "tests are run by dbt: a constraint or check says it for good"},
    {"data_tests", "tests are run by dbt: a constraint or check says it for good"},
    {"quote", "names are in lower case and need no quotes"},
    {"policy_tags", "access is not declared here"},
};

static struct yaml_node *import_column(struct exchange *x, const struct yaml_node *node, struct constraints *c,
                                       const char *path)
{
    struct yaml_node *column = yaml_map(node);
    struct entry e;
    entry_init(&e, x, node, path);
    const struct yaml_node *type = take_kind(&e.t, "data_type", YAML_SCALAR);
    if (e.name == NULL)
        exchange_bad(x, node, "'%s' has no name", path);
    else
        exchange_put_name(x, column, "name", e.name, path);
    const struct yaml_node *put_name = yaml_get(column, "name");
    put_type(x, column, type, e.own, &e.t);
    put_description(x, column, &e.t);
    take_constraints(x, &e.t, c, put_name == NULL ? "" : put_name->text);
    static const char *const nothing[] = {NULL};
    exchange_put_own(x, column, e.own, nothing);
    entry_done(&e, column_reasons, G_N_ELEMENTS(column_reasons));
    return column;
}

static bool has_name(const struct yaml_node *list, const char *name)
{
    for (size_t i = 0; i < list->n_items; i++) {
        if (strcmp(list->items[i]->text, name) == 0)
            return true;
    }
    return false;
}

/* What is put into each column once all constraints are known, and into the dataset. Takes what is in `c`. */
static void put_constraints(struct exchange *x, struct yaml_node *map, const struct yaml_node *columns,
                            struct constraints *c, const struct yaml_node *own)
{
    for (size_t i = 0; i < columns->n_items; i++) {
        const struct yaml_node *name = yaml_get(columns->items[i], "name");
        const bool is_required =
            name != NULL && (has_name(c->primary, name->text) || has_name(c->not_null, name->text));
        yaml_put(columns->items[i], "nullable", yaml_plain(is_required ? "false" : "true", columns->items[i]));
    }
    struct yaml_node *keys = yaml_map(map);
    if (c->primary->n_items > 0)
        yaml_put(keys, "primary", CA_STEAL(c->primary));
    if (c->unique->n_items > 0)
        yaml_put(keys, "unique", CA_STEAL(c->unique));
    static const char *const nothing[] = {NULL};
    exchange_put_own(x, keys, yaml_get(own, "keys"), nothing);
    if (keys->n_items > 0)
        yaml_put(map, "keys", keys);
    else
        yaml_node_free(keys);
    if (c->checks->n_items > 0)
        yaml_put(map, "checks", CA_STEAL(c->checks));
    yaml_node_free(c->primary);
    yaml_node_free(c->unique);
    yaml_node_free(c->not_null);
    yaml_node_free(c->checks);
}

static void put_kind(struct exchange *x, struct yaml_node *map, struct taking *config, const struct yaml_node *own)
{
    const char *materialized = config == NULL ? NULL : take_text(config, "materialized");
    if (yaml_get(own, "kind") != NULL)
        return;
    g_autofree char *path = config == NULL ? NULL : path_key(config->path, "materialized");
    const bool is_view = materialized != NULL && strcmp(materialized, "view") == 0;
    if (is_view)
        exchange_lost(x, yaml_get(config->map, "materialized"), path,
                      "the SELECT of the view is not in the document: put the compiled one into a file beside the "
                      "contract");
    else if (materialized != NULL && strcmp(materialized, "table") != 0)
        exchange_lost(x, yaml_get(config->map, "materialized"), path, "'%s' is read as a table", materialized);
    yaml_put(map, "kind", yaml_text(is_view ? "view" : "table", map));
}

static void put_partitions(struct yaml_node *map, struct taking *config)
{
    const struct yaml_node *node = yaml_get(config->map, "partition_by");
    if (node == NULL || node->kind == YAML_MAP)
        return;
    (void)take(config, "partition_by");
    struct yaml_node *names = yaml_list(node);
    add_names(names, node, node->kind == YAML_SCALAR ? node->text : NULL, node);
    yaml_put(map, "partition_by", names);
}

static void take_contract(struct exchange *x, struct taking *config)
{
    const struct yaml_node *contract = take_kind(config, "contract", YAML_MAP);
    if (contract == NULL)
        return;
    struct taking t;
    g_autofree char *path = path_key(config->path, "contract");
    taking_init(&t, x, contract, path);
    if (!take_flag(&t, "enforced"))
        exchange_lost(x, contract, path, "the source does not enforce it; here every contract is");
    taking_done(&t, NULL, 0, NO_PLACE);
}

/* Every exact type of ours against the data_type beside it: who edits one and not the other is told so. */
static void check_types(struct exchange *x, const struct yaml_node *columns, size_t n_before)
{
    if (x->status != CA_OK || x->imports->n == n_before)
        return;
    const struct contract *c = x->imports->items[x->imports->n - 1].contract;
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct yaml_node *node = columns->items[i];
        const struct yaml_node *type = yaml_get(node, "data_type");
        g_autofree char *sql = contract_sql_type(&c->columns[i]);
        const struct yaml_node *meta = yaml_get(yaml_get(node, "config"), "meta");
        const struct yaml_node *own = yaml_get(meta == NULL ? yaml_get(node, "meta") : meta, EXCHANGE_OWN);
        if (yaml_get(own, "type") != NULL && type != NULL && type->kind == YAML_SCALAR &&
            g_ascii_strcasecmp(type->text, sql) != 0)
            exchange_bad(x, type, "data_type '%s' of '%s' is not the type in its meta, which is '%s': change both",
                         type->text, c->columns[i].name, sql);
    }
}

static const struct exchange_reason model_reasons[] = {
    {"tests", "tests are run by dbt: a constraint or check says it for good"},
    {"data_tests", "tests are run by dbt: a constraint or check says it for good"},
    {"versions", "a version of a contract is a file of its own"},
    {"latest_version", "a version of a contract is a file of its own"},
    {"access", "access is not declared here"},
};

static void import_model(struct exchange *x, const struct yaml_node *model, const char *path)
{
    struct entry e;
    entry_init(&e, x, model, path);
    const struct yaml_node *columns = take_kind(&e.t, "columns", YAML_LIST);
    struct constraints c = {yaml_list(model), yaml_list(model), yaml_list(model), yaml_map(model)};
    struct yaml_node *map = yaml_map(model);
    if (e.name == NULL || columns == NULL || columns->n_items == 0)
        exchange_bad(x, model, "'%s': a dataset has a name and columns", path);
    else
        exchange_put_name(x, map, "dataset", e.name, path);
    if (yaml_get(e.own, "version") == NULL)
        yaml_put(map, "version", yaml_plain("1", model));
    put_kind(x, map, e.config, e.own);
    put_description(x, map, &e.t);
    if (e.config != NULL) {
        take_contract(x, e.config);
        put_partitions(map, e.config);
        entry_config_done(&e);
    }
    take_constraints(x, &e.t, &c, NULL);
    struct yaml_node *made = yaml_list(columns == NULL ? model : columns);
    for (size_t i = 0; columns != NULL && i < columns->n_items; i++) {
        g_autofree char *column_path = path_item(path, "columns", i);
        yaml_add(made, import_column(x, columns->items[i], &c, column_path));
    }
    put_constraints(x, map, made, &c, e.own);
    yaml_put(map, "columns", made);
    static const char *const done[] = {"stage", "keys", NULL};
    exchange_put_own(x, map, e.own, done);
    entry_done(&e, model_reasons, G_N_ELEMENTS(model_reasons));
    const size_t n_before = x->imports->n;
    if (x->status != CA_OK) {
        yaml_node_free(map);
        return;
    }
    exchange_finish(x, map, e.own);
    check_types(x, columns, n_before);
}

void dbt_import(struct exchange *x, const struct yaml_node *root)
{
    struct taking t;
    taking_init(&t, x, root, "");
    const struct yaml_node *version = take_kind(&t, "version", YAML_SCALAR);
    const struct yaml_node *models = take_kind(&t, "models", YAML_LIST);
    if (version != NULL && strcmp(version->text, "2") != 0)
        exchange_bad(x, version, "version '%s' of dbt's schema YAML is not known; known is 2", version->text);
    else if (models == NULL || models->n_items == 0)
        exchange_bad(x, root, "the document has no models: there is no dataset in it");
    for (size_t i = 0; x->status == CA_OK && i < models->n_items; i++) {
        g_autofree char *path = path_item("", "models", i);
        import_model(x, models->items[i], path);
    }
    taking_done(&t, NULL, 0, "models alone are read");
}
