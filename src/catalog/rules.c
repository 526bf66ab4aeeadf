/* catalog/rules.c — what a contract demands of rows that are written, in the engine's words. Made once a dataset. */
#include <string.h>

#include "catalog/state.h"
#include "contract/scan.h"

/* Pointers into the contract, which lives as long as the catalog; the arrays of them are ours. */
struct catalog_rules {
    struct engine_rules rules;
    struct engine_write write;
    GArray *checks;
    GArray *unique;
    GPtrArray *property_keys;
    GPtrArray *property_values;
    GPtrArray *default_columns; /* owned: paths are made here */
    GPtrArray *default_sql;
    GPtrArray *statistics_columns;
    GPtrArray *option_keys;
    GPtrArray *option_values;
    char *partition_columns;
    char *row_group_bytes;
    char *place;
};

void catalog_rules_free(struct catalog_rules *r)
{
    if (!r)
        return;
    g_array_unref(r->checks);
    g_array_unref(r->unique);
    g_ptr_array_unref(r->property_keys);
    g_ptr_array_unref(r->property_values);
    g_ptr_array_unref(r->default_columns);
    g_ptr_array_unref(r->default_sql);
    g_ptr_array_unref(r->statistics_columns);
    g_ptr_array_unref(r->option_keys);
    g_ptr_array_unref(r->option_values);
    g_free(r->partition_columns);
    g_free(r->row_group_bytes);
    g_free(r->place);
    g_free(r);
}

static void add_checks(GArray *checks, const struct contract_pairs *pairs, const char *unnest)
{
    for (size_t i = 0; i < pairs->n; i++) {
        struct engine_check check = {.name = pairs->items[i].key, .unnest = unnest, .sql = pairs->items[i].value};
        g_array_append_val(checks, check);
    }
}

/* Nothing orders bytes, so their smallest and largest value skip no file, and the storage library complains of each
 * such column. Where a contract has one and does not say which columns are worth it, the others are: like the library,
 * the first 32. */
static void add_statistics(GPtrArray *columns, const struct contract *contract)
{
    enum { MAX_COLUMNS = 32 };
    const struct contract_names *said = &contract->storage.statistics_columns;
    for (size_t i = 0; i < said->n; i++)
        g_ptr_array_add(columns, said->items[i]);
    bool has_bytes = false;
    for (size_t i = 0; i < contract->n_columns; i++)
        has_bytes = has_bytes || contract->columns[i].type == CONTRACT_BINARY;
    if (said->n > 0 || !has_bytes)
        return;
    for (size_t i = 0; i < contract->n_columns && columns->len < MAX_COLUMNS; i++) {
        const struct contract_field *f = &contract->columns[i];
        if (f->type != CONTRACT_BINARY && f->n_children == 0)
            g_ptr_array_add(columns, f->name);
    }
}

void catalog_unique_keys(const struct contract *contract, GArray *keys)
{
    for (size_t i = 0; i < contract->n_unique; i++) {
        struct engine_names key = {(const char *const *)contract->unique[i].items, contract->unique[i].n};
        g_array_append_val(keys, key);
    }
}

static void add_option(struct catalog_rules *r, const char *key, const char *value)
{
    g_ptr_array_add(r->option_keys, (void *)key);
    g_ptr_array_add(r->option_values, (void *)value);
}

/* How plain files are read: what the contract says of scans, and what their format understands. */
static void add_options(struct catalog_rules *r, const struct contract *contract)
{
    const struct contract_storage *s = &contract->storage;
    for (size_t i = 0; i < contract->scan.n; i++) {
        const struct contract_scan_option *option = contract_scan_option(contract->scan.items[i].key);
        if (option)
            add_option(r, option->key, contract->scan.items[i].value);
    }
    if (g_strcmp0(s->format, "stream") == 0 && !contract_scan_is_true(contract, "unbounded"))
        add_option(r, "unbounded", "true");
    for (size_t i = 0; i < s->properties.n; i++)
        add_option(r, s->properties.items[i].key, s->properties.items[i].value);
    if (s->compression)
        add_option(r, "format.compression", s->compression);
    if (s->row_group_bytes > 0 && g_strcmp0(s->format, "parquet") == 0) {
        r->row_group_bytes = g_strdup_printf("%" G_GINT64_FORMAT, (gint64)s->row_group_bytes);
        add_option(r, "format.max_row_group_bytes", r->row_group_bytes);
        /* The engine's parallel writer counts rows alone (DataFusion 55.2, config.rs). */
        add_option(r, "format.allow_single_file_parallelism", "false");
    }
    if (contract->partition_by.n > 0) {
        r->partition_columns = g_strjoinv(",", contract->partition_by.items);
        add_option(r, "partition_columns", r->partition_columns);
    }
}

void catalog_rules_options(const struct catalog_rules *r, struct engine_table *ret)
{
    ret->option_keys = (const char *const *)r->option_keys->pdata;
    ret->option_values = (const char *const *)r->option_values->pdata;
    ret->n_options = r->option_keys->len;
}

/* Of the field at `path` and of what lies inside. Recursion is bounded by CONTRACT_MAX_DEPTH. */
static void add_defaults(struct catalog_rules *r, const struct contract_field *field, const char *path)
{
    if (field->default_sql != NULL) {
        g_ptr_array_add(r->default_columns, g_strdup(path));
        g_ptr_array_add(r->default_sql, field->default_sql);
    }
    for (size_t i = 0; i < field->n_children; i++) {
        g_autofree char *child = contract_child_path(path, field, i);
        add_defaults(r, &field->children[i], child);
    }
}

static struct catalog_rules *rules_new(const struct contract *contract)
{
    struct catalog_rules *r = g_new0(struct catalog_rules, 1);
    r->checks = g_array_new(FALSE, FALSE, sizeof(struct engine_check));
    r->unique = g_array_new(FALSE, FALSE, sizeof(struct engine_names));
    r->property_keys = g_ptr_array_new();
    r->property_values = g_ptr_array_new();
    r->default_columns = g_ptr_array_new_with_free_func(g_free);
    r->default_sql = g_ptr_array_new();
    r->statistics_columns = g_ptr_array_new();
    r->option_keys = g_ptr_array_new();
    r->option_values = g_ptr_array_new();
    add_options(r, contract);
    const struct contract_storage *s = &contract->storage;
    for (size_t i = 0; i < s->properties.n; i++) {
        g_ptr_array_add(r->property_keys, s->properties.items[i].key);
        g_ptr_array_add(r->property_values, s->properties.items[i].value);
    }
    for (size_t i = 0; i < contract->n_columns; i++)
        add_defaults(r, &contract->columns[i], contract->columns[i].name);
    catalog_unique_keys(contract, r->unique);
    add_statistics(r->statistics_columns, contract);
    add_checks(r->checks, &contract->checks, NULL);
    for (size_t i = 0; i < contract->n_views; i++)
        add_checks(r->checks, &contract->views[i].checks, contract->views[i].unnest);
    r->write = (struct engine_write){
        .partition_by = (const char *const *)contract->partition_by.items,
        .n_partition_by = contract->partition_by.n,
        .property_keys = (const char *const *)r->property_keys->pdata,
        .property_values = (const char *const *)r->property_values->pdata,
        .n_properties = r->property_keys->len,
        .row_group_bytes = (uint64_t)s->row_group_bytes,
        .target_file_bytes = (uint64_t)s->target_file_bytes,
        .compression = s->compression,
        .statistics_columns = (const char *const *)r->statistics_columns->pdata,
        .n_statistics_columns = r->statistics_columns->len,
        .checks = (const struct engine_check *)r->checks->data,
        .n_checks = r->checks->len,
        .key = (const char *const *)contract->primary.items,
        .n_key = contract->primary.n,
        .order = (const char *const *)contract->order.items,
        .n_order = contract->order.n,
    };
    r->rules = (struct engine_rules){
        .write = &r->write,
        .unique = (const struct engine_names *)r->unique->data,
        .n_unique = r->unique->len,
        .default_columns = (const char *const *)r->default_columns->pdata,
        .default_sql = (const char *const *)r->default_sql->pdata,
        .n_defaults = r->default_columns->len,
    };
    return r;
}

int catalog_rules(struct catalog *c, struct catalog_dataset *d, const struct engine_rules **ret, struct ca_error *err)
{
    const struct contract *contract = NULL;
    CA_TRY(catalog_dataset_contract(c, d, &contract, err));
    g_mutex_lock(&c->lock);
    struct catalog_rules *rules = d->rules;
    g_mutex_unlock(&c->lock);
    if (!rules) {
        rules = rules_new(contract);
        if (c->place && catalog_is_stored(contract)) {
            int rc = c->place(c->place_data, contract, &rules->place, err);
            if (rc != CA_OK) {
                catalog_rules_free(rules);
                return rc;
            }
            rules->write.location = rules->place;
        }
        g_mutex_lock(&c->lock);
        if (d->rules) /* another thread was first */
            catalog_rules_free(rules);
        else
            d->rules = rules;
        rules = d->rules;
        g_mutex_unlock(&c->lock);
    }
    *ret = &rules->rules;
    return CA_OK;
}
