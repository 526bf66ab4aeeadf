/* contract/load_check.c — what the keys of a contract say of each other: names that are columns, types that the storage
 * can hold, options that mean something. */
#include "contract/load.h"

#include <glib.h>
#include <string.h>

#include "contract/scan.h"

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

/* An id is a column, made of columns and of the repository's name, which is one for all rows of a run. */
static void check_derived_ids(struct loader *l, const struct contract *c, const struct yaml_node *ids)
{
    static const char of_run[] = "repository";
    for (size_t i = 0; i < c->extract->n_derived_ids; i++) {
        const struct contract_derived_id *id = &c->extract->derived_ids[i];
        if (contract_column(c, id->column) == NULL)
            contradiction(l, ids->keys[i], "extract.derived_ids names '%s', which is no column", id->column);
        for (size_t k = 0; k < id->inputs.n; k++)
            if (strcmp(id->inputs.items[k], of_run) != 0 && contract_column(c, id->inputs.items[k]) == NULL)
                contradiction(l, ids->items[i]->items[k],
                              "extract.derived_ids: '%s' is made of '%s', which is no column and not '%s', the name of "
                              "the run's repository: declare the column, or name another",
                              id->column, id->inputs.items[k], of_run);
    }
}

static void check_version_suffix(struct loader *l, const struct contract *c, const struct yaml_node *root)
{
    const char *suffix = strrchr(c->dataset, '_');
    if (l->is_inferred || suffix == NULL || suffix[1] != 'v' || suffix[2] == '\0' ||
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

/* Every list of a bundle has a view, so that nothing that was extracted is stored where no name leads to it. */
static void check_lists(struct loader *l, const struct contract *c)
{
    for (size_t i = 0; c->kind == CONTRACT_BUNDLE && i < c->n_columns; i++) {
        const struct contract_field *column = &c->columns[i];
        bool has_view = column->type != CONTRACT_LIST || column->children[0].type != CONTRACT_STRUCT;
        for (size_t j = 0; j < c->n_views && !has_view; j++)
            has_view = strcmp(c->views[j].unnest, column->name) == 0;
        if (!has_view)
            load_problem(l, CA_ERR_CONTRACT, column->line, column->column,
                         "list '%s' of a bundle has no view: declare one under 'views'", column->name);
    }
}

/* What a Delta table cannot hold; recursion is bounded by CONTRACT_MAX_DEPTH. */
static void check_delta_field(struct loader *l, const struct contract_field *field, const char *path)
{
    const char *instead = contract_type_not_in_delta(field);
    if (instead != NULL) {
        g_autofree char *type = contract_type_text(field);
        load_problem(
            l, CA_ERR_CONTRACT, field->line, field->column,
            "'%s' is %s, which a Delta table cannot hold: use %s, or storage of format memory, parquet or arrow", path,
            type, instead);
    }
    const enum contract_shape shape = contract_type_shape(field->type);
    for (size_t i = 0; (shape & CONTRACT_SHAPES_NESTED) != 0 && i < field->n_children; i++) {
        g_autofree char *child = contract_child_path(path, field, i);
        check_delta_field(l, &field->children[i], child);
    }
}

static bool is_bytes(const struct contract_field *field)
{
    switch (field->type) {
    case CONTRACT_BINARY:
    case CONTRACT_LARGE_BINARY:
    case CONTRACT_BINARY_VIEW:
    case CONTRACT_FIXED_SIZE_BINARY:
        return true;
    case CONTRACT_DICTIONARY:
        return is_bytes(&field->children[0]);
    default:
        return false;
    }
}

static void check_delta(struct loader *l, const struct contract *c)
{
    for (size_t i = 0; i < c->n_columns; i++)
        check_delta_field(l, &c->columns[i], c->columns[i].name);
    for (size_t i = 0; i < c->partition_by.n; i++) {
        const struct contract_field *column = contract_column(c, c->partition_by.items[i]);
        if (column != NULL && is_bytes(column))
            load_problem(l, CA_ERR_CONTRACT, column->line, column->column,
                         "partition_by names '%s', whose bytes do not come back from a Delta table's log: use utf8",
                         column->name);
    }
}

/* Recursion is bounded by CONTRACT_MAX_DEPTH. */
static void check_lossy(struct loader *l, const struct contract_field *field)
{
    const bool is_dictionary = field->type == CONTRACT_DICTIONARY;
    const enum contract_type to = is_dictionary ? field->children[0].type : field->type;
    for (size_t i = 0; i < field->lossy_from.n; i++) {
        enum contract_type from = CONTRACT_NULL;
        if (contract_type_from_name(field->lossy_from.items[i], &from) && !contract_type_can_lose(from, to))
            load_problem(l, CA_ERR_CONTRACT, field->line, field->column,
                         "lossy_from names %s: nothing is lost on the way to %s, or nothing is left",
                         contract_type_name(from), contract_type_name(to));
    }
    for (size_t i = 0; i < field->n_children; i++)
        check_lossy(l, &field->children[i]);
}

/* Listed values are a check like another, so that whatever proves checks proves them. It stands where the list does. */
void load_value_checks(struct loader *l, struct contract *c, const struct yaml_node *root)
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
static void check_scan(struct loader *l, const struct contract *c)
{
    const bool is_mutable = contract_scan_value(c, "mutable_listing") != NULL;
    for (size_t i = 0; i < c->scan.n; i++) {
        const struct contract_pair *said = &c->scan.items[i];
        const struct contract_scan_option *option = contract_scan_option(said->key);
        if (c->storage.format == NULL)
            load_problem(l, CA_ERR_CONTRACT, said->line, said->column, "scan option %s means nothing for a view",
                         said->key);
        else if (option != NULL && !contract_scan_applies(option, c->storage.format))
            load_problem(l, CA_ERR_CONTRACT, said->line, said->column,
                         "scan option %s means nothing for format %s, only for %s", said->key, c->storage.format,
                         option->formats);
        else if (is_mutable && g_str_has_prefix(said->key, "list_cache_"))
            load_problem(l, CA_ERR_CONTRACT, said->line, said->column,
                         "scan option %s means nothing beside mutable_listing", said->key);
        if (strcmp(said->key, "unbounded") == 0 && strcmp(said->value, "true") == 0 && c->partition_by.n > 0)
            load_problem(l, CA_ERR_CONTRACT, said->line, said->column, "a stream has no partitions");
    }
}

void load_check_place(struct loader *l, struct loader *types, const struct contract *c)
{
    if (g_strcmp0(c->storage.format, "delta") == 0)
        check_delta(types, c);
    check_scan(l, c);
    for (size_t i = 0; i < c->storage.statistics_columns.n; i++) {
        const char *name = c->storage.statistics_columns.items[i];
        if (contract_column(c, name) == NULL)
            load_problem(l, CA_ERR_CONTRACT, c->storage.line, c->storage.column,
                         "storage.statistics_columns names '%s', which is no column", name);
    }
}

void load_check(struct loader *l, const struct contract *c, const struct yaml_node *root)
{
    check_version_suffix(l, c, root);
    check_stage(l, c, root);
    load_check_place(l, l, c);
    const struct yaml_node *keys = yaml_get(root, "keys");
    const struct yaml_node *primary = keys == NULL ? NULL : yaml_get(keys, "primary");
    check_names(l, c, primary, "keys.primary", true);
    for (size_t i = 0; i < c->primary.n; i++) {
        const struct contract_field *column = contract_column(c, c->primary.items[i]);
        if (column != NULL && column->is_nullable && !l->is_inferred)
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
    if (c->extract != NULL) {
        const struct yaml_node *extract = yaml_get(root, "extract");
        check_names(l, c, yaml_get(extract, "join_keys"), "extract.join_keys", true);
        check_derived_ids(l, c, yaml_get(extract, "derived_ids"));
    }
    if (c->kind == CONTRACT_VIEW && c->storage.format != NULL)
        contradiction(l, storage, "a view has no storage format");
    if (c->n_views > 0)
        check_views(l, c, yaml_get(root, "views"));
    check_lists(l, c);
}
