/* contract/load.c — a contract file becomes a `struct contract`.
 *
 * Tables map keys to readers; unknown keys are refused, so a typo is an error here and not a missing column three
 * stages later. Problems are collected, each with its line and column, so that one run shows them all.
 */
#include "contract/load.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "contract/exchange_room.h"
#include "contract/inferred.h"
#include "contract/keys.h"
#include "contract/scan.h"

/* ---- sections --------------------------------------------------------------------------------------------------- */

static void load_kind(struct loader *l, const struct yaml_node *node, void *target)
{
    const char *names[CONTRACT_REGISTRY + 1];
    for (int i = 0; i <= CONTRACT_REGISTRY; i++)
        names[i] = contract_kind_name((enum contract_kind)i);
    size_t found = 0;
    if (load_word(l, node, names, G_N_ELEMENTS(names), &found))
        *(enum contract_kind *)target = (enum contract_kind)found;
}

/* A list of keys, each a list of names. */
static void load_unique(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    if (node->kind != YAML_LIST) {
        bad(l, node, "key '%s': expected a list of lists of names", l->key);
        return;
    }
    c->unique = g_new0(struct contract_names, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        struct contract_names *key = &c->unique[c->n_unique++];
        load_names(l, node->items[i], key);
        if (node->items[i]->kind == YAML_LIST && node->items[i]->n_items == 0)
            bad(l, node->items[i], "a unique key has a column");
    }
}

static const struct load_key key_list_specs[] = {
    {"primary", READS(names), offsetof(struct contract, primary), false},
    {"unique", READS(unique), 0, false},
    {"join", READS(names), offsetof(struct contract, join), false},
};

static void load_keys(struct loader *l, const struct yaml_node *node, void *target)
{
    load_map(l, node, "keys", key_list_specs, G_N_ELEMENTS(key_list_specs), target);
}

static const char *const formats[] = {"delta", "parquet", "csv", "ndjson", "arrow", "avro", "memory", "stream"};

void load_format(struct loader *l, const struct yaml_node *node, void *target)
{
    size_t found = 0;
    if (load_word(l, node, formats, G_N_ELEMENTS(formats), &found))
        *(char **)target = g_strdup(formats[found]);
}

/* Where rows are comes first: a location says that with keys of its own. */
enum { N_PLACE_KEYS = 2 };

static const struct load_key storage_specs[] = {
    {"format", READS(format), offsetof(struct contract_storage, format), false},
    {"location", READS(text), offsetof(struct contract_storage, location), false},
    {"row_group_bytes", READS(positive), offsetof(struct contract_storage, row_group_bytes), false},
    {"target_file_bytes", READS(positive), offsetof(struct contract_storage, target_file_bytes), false},
    {"compression", READS(text), offsetof(struct contract_storage, compression), false},
    {"statistics_columns", READS(names), offsetof(struct contract_storage, statistics_columns), false},
    {"properties", READS(settings), offsetof(struct contract_storage, properties), false},
};

static void load_storage(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    c->has_storage = true;
    c->storage.line = node->line;
    c->storage.column = node->column;
    load_map(l, node, "storage", storage_specs, G_N_ELEMENTS(storage_specs), &c->storage);
}

void load_tuning(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract_storage *storage = target;
    storage->line = node->line;
    storage->column = node->column;
    load_map(l, node, "storage", storage_specs + N_PLACE_KEYS, G_N_ELEMENTS(storage_specs) - N_PLACE_KEYS, storage);
}

/* The value that a scan option takes. */
static void check_scan_value(struct loader *l, const struct yaml_node *node, const struct contract_scan_option *option)
{
    int64_t count = 0;
    bool flag = false;
    const char *outer = l->key;
    l->key = option->name;
    if (option->kind == CONTRACT_SCAN_BOOL)
        load_bool(l, node, &flag);
    else if (option->kind == CONTRACT_SCAN_COUNT)
        load_positive(l, node, &count);
    else if (node->kind == YAML_SCALAR && load_is_other_than_text(node))
        bad(l, node, "key '%s': expected text", l->key);
    l->key = outer;
}

void load_scan(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract_pairs *ret = target;
    load_pairs_of(l, node, ret, load_setting, true);
    for (size_t i = 0; node->kind == YAML_MAP && i < node->n_items; i++) {
        const struct contract_scan_option *option = contract_scan_option(node->keys[i]->text);
        if (option == NULL)
            bad(l, node->keys[i], "unknown scan option '%s'", node->keys[i]->text);
        else
            check_scan_value(l, node->items[i], option);
    }
}

static void load_derived_ids(struct loader *l, const struct yaml_node *node, void *target)
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
        load_names(l, node->items[i], &id->inputs);
    }
}

static const struct load_key extract_specs[] = {
    {"extractor", READS(name), offsetof(struct contract_extract, extractor), true},
    {"layer", READS(name), offsetof(struct contract_extract, layer), true},
    {"template", READS(name), offsetof(struct contract_extract, template_name), true},
    {"bundles", READS(names), offsetof(struct contract_extract, bundles), false},
    {"defaults", READS(settings), offsetof(struct contract_extract, defaults), false},
    {"evidence", READS(settings), offsetof(struct contract_extract, evidence), false},
    {"postprocess", READS(texts), offsetof(struct contract_extract, postprocess), false},
    {"derived_ids", READS(derived_ids), 0, false},
    {"join_keys", READS(names), offsetof(struct contract_extract, join_keys), false},
};

static void load_extract(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    c->extract = g_new0(struct contract_extract, 1);
    load_map(l, node, "extract", extract_specs, G_N_ELEMENTS(extract_specs), c->extract);
}

static void load_evolution(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract *c = target;
    if (node->kind != YAML_MAP) {
        bad(l, node, "expected evolution, a map");
        return;
    }
    const struct yaml_node *fallback = yaml_get(node, "default");
    if (fallback == NULL)
        bad(l, node, "missing key 'default' in evolution");
    else
        (void)load_rule(l, fallback, &c->evolution_default);
    for (int change = 0; change < CONTRACT_N_CHANGES; change++)
        c->evolution_allows[change] = c->evolution_default;
    for (size_t i = 0; i < node->n_items; i++) {
        if (node->items[i] == fallback)
            continue;
        int change = 0;
        if (load_change(l, node->keys[i], "evolution", "default", &change))
            (void)load_rule(l, node->items[i], &c->evolution_allows[change]);
    }
}

static const struct load_key view_specs[] = {
    {"unnest", READS(name), offsetof(struct contract_view, unnest), true},
    {"with", READS(names), offsetof(struct contract_view, with), false},
    {"doc", READS(text), offsetof(struct contract_view, doc), true},
    {"checks", READS(checks), offsetof(struct contract_view, checks), false},
};

static void load_views(struct loader *l, const struct yaml_node *node, void *target)
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
        load_map(l, node->items[i], "a view", view_specs, G_N_ELEMENTS(view_specs), view);
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

static void load_engine(struct loader *l, const struct yaml_node *node, void *target)
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

static const struct load_key top_specs[] = {
    {"dataset", READS(name), offsetof(struct contract, dataset), true},
    {"version", READS(positive), offsetof(struct contract, version), true},
    {"kind", READS(kind), offsetof(struct contract, kind), true},
    {"doc", READS(text), offsetof(struct contract, doc), true},
    {"columns", READS(columns), 0, true},
    {"keys", READS(keys), 0, false},
    {"order", READS(names), offsetof(struct contract, order), false},
    {"partition_by", READS(names), offsetof(struct contract, partition_by), false},
    {"checks", READS(checks), offsetof(struct contract, checks), false},
    {"storage", READS(storage), 0, false},
    {"scan", READS(scan), offsetof(struct contract, scan), false},
    {"extract", READS(extract), 0, false},
    {"evolution", READS(evolution), 0, true},
    {"views", READS(views), 0, false},
    {"file_local", READS(bool), offsetof(struct contract, is_file_local), false},
    {"bucket_inputs", READS(names), offsetof(struct contract, bucket_inputs), false},
    {"engine", READS(engine), offsetof(struct contract, engine), false},
    {"metadata", READS(metadata), offsetof(struct contract, metadata), false},
};

/* ---- the tables described --------------------------------------------------------------------------------------- */

void load_visit_keys(const struct load_key *keys, size_t n_keys, contract_key_fn fn, void *data)
{
    for (size_t i = 0; i < n_keys; i++) {
        const struct contract_key key = {
            .name = keys[i].name, .value = keys[i].value, .is_required = keys[i].is_required};
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
    static const char *const values[] = {
        [CONTRACT_SCAN_BOOL] = "bool", [CONTRACT_SCAN_COUNT] = "positive", [CONTRACT_SCAN_TEXT] = "string"};
    for (size_t i = 0; i < contract_scan_n_options(); i++) {
        const struct contract_scan_option *option = contract_scan_option_at(i);
        const struct contract_key key = {.name = option->name, .value = values[option->kind]};
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
        const struct load_key *specs;
        size_t n;
    } tables[] = {
        {"contract", top_specs, G_N_ELEMENTS(top_specs)},
        {"keys", key_list_specs, G_N_ELEMENTS(key_list_specs)},
        {"storage", storage_specs, G_N_ELEMENTS(storage_specs)},
        {"tuning", storage_specs + N_PLACE_KEYS, G_N_ELEMENTS(storage_specs) - N_PLACE_KEYS},
        {"extract", extract_specs, G_N_ELEMENTS(extract_specs)},
        {"view", view_specs, G_N_ELEMENTS(view_specs)},
    };
    static const struct contract_key fallback = {.name = "default", .value = "rule", .is_required = true};
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++) {
        if (strcmp(section, tables[i].section) == 0)
            load_visit_keys(tables[i].specs, tables[i].n, fn, data);
    }
    load_visit_fields(section, fn, data);
    if (strcmp(section, "location") == 0)
        load_visit_location(fn, data);
    if (strcmp(section, "format") == 0)
        visit_words(formats, G_N_ELEMENTS(formats), NULL, fn, data);
    if (strcmp(section, "scan") == 0)
        visit_scan_options(fn, data);
    if (strcmp(section, "evolution") == 0)
        fn(data, &fallback);
    if (strcmp(section, "evolution") == 0 || strcmp(section, "rules") == 0)
        visit_changes(fn, data);
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

static int load_contract(struct loader *l, const struct yaml_node *root, enum contract_stage stage,
                         struct contract **ret, struct ca_error *err)
{
    CA_AUTOPTR(contract) c = g_new0(struct contract, 1);
    const struct yaml_node *name = yaml_get(root, "dataset");
    c->source = g_strdup(l->source);
    c->line = name == NULL ? root->line : name->line;
    c->column = name == NULL ? root->column : name->column;
    c->stage = stage;
    load_map(l, root, "a contract", top_specs, G_N_ELEMENTS(top_specs), c);
    if (c->storage.format == NULL)
        c->storage.format = g_strdup(default_format(c->kind));
    if (l->status == CA_OK)
        load_check(l, c, root);
    if (l->status == CA_OK)
        load_value_checks(l, c, root);
    CA_TRY(load_done(l, err));
    *ret = CA_STEAL(c);
    return CA_OK;
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
    struct loader l = {.source = source, .problems = g_string_new(NULL)};
    return load_contract(&l, root, stage, ret, err);
}

int contract_inferred_parse(const char *text, size_t n_bytes, const char *source, struct contract **ret,
                            struct ca_error *err)
{
    CA_AUTOPTR(yaml_node) root = NULL;
    CA_TRY(yaml_parse(text, n_bytes, source, &root, err));
    struct loader l = {.source = source, .problems = g_string_new(NULL), .is_inferred = true};
    return load_contract(&l, root, CONTRACT_NORMALIZE, ret, err);
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
