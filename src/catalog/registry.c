/* catalog/registry.c — the tables of registry.*: those that say what contracts declare. Made when they are read. */
#include <string.h>

#include "catalog/tables.h"
#include "contract/scan.h"
#include "rows/gen/checks.h"
#include "rows/gen/column_values.h"
#include "rows/gen/columns.h"
#include "rows/gen/defaults.h"
#include "rows/gen/evolution.h"
#include "rows/gen/extracts.h"
#include "rows/gen/keys.h"
#include "rows/gen/options.h"
#include "rows/gen/orderings.h"
#include "rows/gen/partitions.h"

int catalog_rows_failed(int errnum, struct ca_error *err)
{
    return errnum == 0 ? CA_OK : ca_fail_errno(err, CA_ERR_RESOURCES, errnum, "build registry rows");
}

/* The contract, or NULL where it cannot be read, which is that dataset's failure alone from now on. */
static const struct contract *readable_contract(struct catalog *c, struct catalog_dataset *d)
{
    const struct contract *contract = NULL;
    struct ca_error why = {0};
    if (catalog_dataset_contract(c, d, &contract, &why) == CA_OK)
        return contract;
    g_mutex_lock(&c->lock);
    if (!d->failure)
        d->failure = g_strdup(why.message);
    g_mutex_unlock(&c->lock);
    return NULL;
}

int catalog_for_each_name(struct catalog *c, catalog_each_fn each, void *rows, struct ca_error *err)
{
    const GPtrArray *names = catalog_names(c);
    for (guint i = 0; i < names->len; i++) {
        struct catalog_name *n = names->pdata[i];
        CA_TRY(each(c, n, readable_contract(c, n->dataset), rows, err));
    }
    return CA_OK;
}

int catalog_for_each(struct catalog *c, catalog_each_fn each, void *rows, struct ca_error *err)
{
    const GPtrArray *names = catalog_names(c);
    for (guint i = 0; i < names->len; i++) {
        struct catalog_name *n = names->pdata[i];
        const struct contract *contract = readable_contract(c, n->dataset);
        if (contract)
            CA_TRY(each(c, n, contract, rows, err));
    }
    return CA_OK;
}

char *catalog_joined(const struct contract_names *names)
{
    return names->n > 0 ? g_strjoinv(", ", names->items) : NULL;
}

#define DATASET_OF(n) .schema_name = rows_str_of((n)->schema), .dataset_name = rows_str_of((n)->name)

/* ---- columns ---------------------------------------------------------------------------------------------------- */

/* Where the walk over one dataset's columns is. Types are at most CONTRACT_MAX_DEPTH deep, so this recursion is
 * bounded. */
struct column_walk {
    struct columns *rows;
    struct catalog_name *name;
    int32_t position;
    bool is_proved;
};

static int walk_column(struct column_walk *w, const struct contract_field *f, const char *path, int32_t depth)
{
    g_autofree char *type = contract_type_text(f);
    const enum contract_shape shape = contract_type_shape(f->type);
    struct columns_row row = {
        .schema_name = rows_str_of(w->name->schema),
        .dataset_name = rows_str_of(w->name->name),
        .path = rows_str_of(path),
        .position = w->position++,
        .depth = depth,
        .type = rows_str_of(type),
        .is_nullable = f->is_nullable,
        .is_proved = w->is_proved && !f->is_nullable,
        .default_value = rows_str_of(f->default_sql),
        .doc = rows_str_of(f->doc ? f->doc : ""),
    };
    int rc = columns_finish_row(w->rows, &row);
    for (size_t i = 0; (shape & CONTRACT_SHAPES_NESTED) != 0 && i < f->n_children && rc == 0; i++) {
        g_autofree char *child = contract_child_path(path, f, i);
        rc = walk_column(w, &f->children[i], child, depth + 1);
    }
    return rc;
}

static int walk_view(struct column_walk *w, const struct contract *contract, const struct contract_view *view)
{
    int rc = 0;
    for (size_t i = 0; i < view->with.n && rc == 0; i++)
        rc = walk_column(w, contract_column(contract, view->with.items[i]), view->with.items[i], 0);
    const struct contract_field *item = &contract_column(contract, view->unnest)->children[0];
    for (size_t i = 0; i < item->n_children && rc == 0; i++)
        rc = walk_column(w, &item->children[i], item->children[i].name, 0);
    return rc;
}

/* Rows that passed our gate or verify are proved, and so is every statement about no rows. What a pure view yields is
 * not, nor what lies in files of somebody else, who may change them while they are read. */
bool catalog_is_proved(struct catalog *c, const struct catalog_name *n, const struct contract *contract)
{
    if (n->is_nested || contract->kind == CONTRACT_VIEW)
        return false;
    if (!catalog_is_own(contract))
        return !contract->storage.location;
    g_mutex_lock(&c->lock);
    bool is_proved = catalog_is_not_null(n->dataset);
    g_mutex_unlock(&c->lock);
    return is_proved;
}

static int each_columns(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                        struct ca_error *err)
{
    struct column_walk w = {.rows = rows, .name = n, .is_proved = catalog_is_proved(c, n, contract)};
    int rc = 0;
    if (n->is_nested)
        rc = walk_view(&w, contract, contract_view_named(contract, n->name));
    for (size_t i = 0; !n->is_nested && i < contract->n_columns && rc == 0; i++)
        rc = walk_column(&w, &contract->columns[i], contract->columns[i].name, 0);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE_OF_NAMES(columns, each_columns)

/* ---- defaults --------------------------------------------------------------------------------------------------- */

static int add_defaults(struct defaults *rows, const struct catalog_name *n, const struct contract_field *f,
                        const char *path)
{
    int rc = 0;
    if (f->default_sql) {
        struct defaults_row row = {DATASET_OF(n), .path = rows_str_of(path), .sql = rows_str_of(f->default_sql)};
        rc = defaults_finish_row(rows, &row);
    }
    for (size_t i = 0; i < f->n_children && rc == 0; i++) {
        g_autofree char *child = contract_child_path(path, f, i);
        rc = add_defaults(rows, n, &f->children[i], child);
    }
    return rc;
}

/* Of a generated view the bundle's own columns complete nothing: its rows come from the list. */
static int each_defaults(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                         struct ca_error *err)
{
    (void)c;
    int rc = 0;
    for (size_t i = 0; !n->is_nested && i < contract->n_columns && rc == 0; i++)
        rc = add_defaults(rows, n, &contract->columns[i], contract->columns[i].name);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE_OF_NAMES(defaults, each_defaults)

/* ---- values ----------------------------------------------------------------------------------------------------- */

static int each_column_values(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                              struct ca_error *err)
{
    (void)c;
    for (size_t i = 0; !n->is_nested && i < contract->n_columns; i++) {
        const struct contract_field *f = &contract->columns[i];
        for (size_t k = 0; k < f->values.n; k++) {
            struct column_values_row row = {
                DATASET_OF(n),
                .path = rows_str_of(f->name),
                .position = (int32_t)k,
                .value = rows_str_of(f->values.items[k].key),
                .doc = rows_str_of(f->values.items[k].value),
            };
            CA_TRY(catalog_rows_failed(column_values_finish_row(rows, &row), err));
        }
    }
    return CA_OK;
}

CATALOG_TABLE_OF_NAMES(column_values, each_column_values)

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static int add_key(struct keys *rows, const struct catalog_name *n, const char *kind, int32_t number,
                   const struct contract_names *names, struct ca_error *err)
{
    for (size_t i = 0; i < names->n; i++) {
        struct keys_row row = {
            .schema_name = rows_str_of(n->schema),
            .dataset_name = rows_str_of(n->name),
            .kind = rows_str_of(kind),
            .number = number,
            .position = (int32_t)i,
            .column_name = rows_str_of(names->items[i]),
        };
        CA_TRY(catalog_rows_failed(keys_finish_row(rows, &row), err));
    }
    return CA_OK;
}

static int each_keys(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                     struct ca_error *err)
{
    (void)c;
    if (n->is_nested)
        return CA_OK;
    CA_TRY(add_key(rows, n, "join", 0, &contract->join, err));
    CA_TRY(add_key(rows, n, "order", 0, &contract->order, err));
    CA_TRY(add_key(rows, n, "partition", 0, &contract->partition_by, err));
    CA_TRY(add_key(rows, n, "primary", 0, &contract->primary, err));
    for (size_t i = 0; i < contract->n_unique; i++)
        CA_TRY(add_key(rows, n, "unique", (int32_t)i, &contract->unique[i], err));
    return CA_OK;
}

CATALOG_TABLE_OF_NAMES(keys, each_keys)

static int each_ordering(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                         struct ca_error *err)
{
    (void)c;
    for (size_t i = 0; !n->is_nested && i < contract->order.n; i++) {
        struct orderings_row row = {DATASET_OF(n), .position = (int32_t)i,
                                    .column_name = rows_str_of(contract->order.items[i])};
        CA_TRY(catalog_rows_failed(orderings_finish_row(rows, &row), err));
    }
    return CA_OK;
}

CATALOG_TABLE_OF_NAMES(orderings, each_ordering)

static int each_partition(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                          struct ca_error *err)
{
    (void)c;
    for (size_t i = 0; !n->is_nested && i < contract->partition_by.n; i++) {
        const char *name = contract->partition_by.items[i];
        g_autofree char *type = contract_type_text(contract_column(contract, name));
        struct partitions_row row = {
            DATASET_OF(n),
            .position = (int32_t)i,
            .column_name = rows_str_of(name),
            .type = rows_str_of(type),
        };
        CA_TRY(catalog_rows_failed(partitions_finish_row(rows, &row), err));
    }
    return CA_OK;
}

CATALOG_TABLE_OF_NAMES(partitions, each_partition)

/* ---- options ---------------------------------------------------------------------------------------------------- */

/* One (section, name, value), gathered first so that rows come sorted. */
struct option {
    const char *section;
    const char *name;
    char *value;
};

static void option_clear(void *data)
{
    g_free(((struct option *)data)->value);
}

static void add_option(GArray *options, const char *section, const char *name, const char *value)
{
    if (!value)
        return;
    struct option o = {section, name, g_strdup(value)};
    g_array_append_val(options, o);
}

static void add_number(GArray *options, const char *section, const char *name, int64_t value)
{
    if (value == 0)
        return;
    struct option o = {section, name, g_strdup_printf("%" G_GINT64_FORMAT, value)};
    g_array_append_val(options, o);
}

static void add_names(GArray *options, const char *section, const char *name, const struct contract_names *names)
{
    g_autofree char *text = catalog_joined(names);
    add_option(options, section, name, text);
}

static void add_pairs(GArray *options, const char *section, const struct contract_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++)
        add_option(options, section, pairs->items[i].key, pairs->items[i].value);
}

static int by_section_and_name(gconstpointer a, gconstpointer b)
{
    const struct option *x = a;
    const struct option *y = b;
    int by_section = strcmp(x->section, y->section);
    return by_section ? by_section : strcmp(x->name, y->name);
}

/* What holds where a contract is silent, of options that mean something for its format: what the session says, or else
 * the engine's own. */
static int add_inherited(struct catalog *c, GArray *options, const struct contract *contract, struct ca_error *err)
{
    const struct contract_storage *s = &contract->storage;
    int rc = CA_OK;
    g_rw_lock_reader_lock(&c->engine_use);
    for (size_t i = 0; rc == CA_OK && c->engine && s->format && i < contract_scan_n_options(); i++) {
        const struct contract_scan_option *o = contract_scan_option_at(i);
        if (!contract_scan_applies(o, s->format) || contract_scan_value(contract, o->name))
            continue;
        g_autofree char *value = NULL;
        if (o->setting)
            rc = engine_setting(c->engine, o->setting, &value, err);
        else if (strcmp(o->name, "file_extension") == 0 && !contract_scan_is_true(contract, "unbounded") &&
                 engine_listing_extension(s->format, s->compression, &value, NULL) != CA_OK)
            continue; /* a compression that there is not: the table says so when it is read */
        if (rc == CA_OK)
            add_option(options, "scan", o->name, value);
    }
    g_rw_lock_reader_unlock(&c->engine_use);
    return rc;
}

static GArray *options_of(const struct contract *contract)
{
    GArray *options = g_array_new(FALSE, FALSE, sizeof(struct option));
    g_array_set_clear_func(options, option_clear);
    const struct contract_storage *s = &contract->storage;
    add_option(options, "storage", "format", s->format);
    add_option(options, "storage", "location", s->location);
    add_option(options, "storage", "compression", s->compression);
    add_number(options, "storage", "row_group_bytes", s->row_group_bytes);
    add_number(options, "storage", "target_file_bytes", s->target_file_bytes);
    add_names(options, "storage", "statistics_columns", &s->statistics_columns);
    add_pairs(options, "storage", &s->properties);
    add_pairs(options, "scan", &contract->scan);
    if (contract->extract) {
        add_option(options, "extract", "extractor", contract->extract->extractor);
        add_option(options, "extract", "layer", contract->extract->layer);
        add_option(options, "extract", "template", contract->extract->template_name);
        add_pairs(options, "extract", &contract->extract->defaults);
    }
    return options;
}

static int each_options(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                        struct ca_error *err)
{
    if (n->is_nested)
        return CA_OK;
    g_autoptr(GArray) options = options_of(contract);
    CA_TRY(add_inherited(c, options, contract, err));
    g_array_sort(options, by_section_and_name);
    for (guint i = 0; i < options->len; i++) {
        const struct option *o = &g_array_index(options, struct option, i);
        struct options_row row = {
            .schema_name = rows_str_of(n->schema),
            .dataset_name = rows_str_of(n->name),
            .section = rows_str_of(o->section),
            .name = rows_str_of(o->name),
            .value = rows_str_of(o->value),
        };
        CA_TRY(catalog_rows_failed(options_finish_row(rows, &row), err));
    }
    return CA_OK;
}

CATALOG_TABLE_OF_NAMES(options, each_options)

/* ---- extracts --------------------------------------------------------------------------------------------------- */

/* The rows of one contract: position counts the statements of a key. */
struct extract_rows {
    struct extracts *rows;
    const struct catalog_name *name;
    const char *key;
    int32_t position;
};

static int add_extract(struct extract_rows *x, const char *key, const char *name, const char *value)
{
    if (!value)
        return 0;
    x->position = g_strcmp0(x->key, key) == 0 ? x->position + 1 : 0;
    x->key = key;
    struct extracts_row row = {
        DATASET_OF(x->name),       .key = rows_str_of(key),     .position = x->position,
        .name = rows_str_of(name), .value = rows_str_of(value),
    };
    return extracts_finish_row(x->rows, &row);
}

static int add_extract_pairs(struct extract_rows *x, const char *key, const struct contract_pairs *pairs)
{
    int rc = 0;
    for (size_t i = 0; i < pairs->n && rc == 0; i++)
        rc = add_extract(x, key, pairs->items[i].key, pairs->items[i].value);
    return rc;
}

static int add_extract_names(struct extract_rows *x, const char *key, const struct contract_names *names)
{
    int rc = 0;
    for (size_t i = 0; i < names->n && rc == 0; i++)
        rc = add_extract(x, key, NULL, names->items[i]);
    return rc;
}

static int add_derived_ids(struct extract_rows *x, const struct contract_extract *e)
{
    int rc = 0;
    for (size_t i = 0; i < e->n_derived_ids && rc == 0; i++) {
        g_autofree char *inputs = catalog_joined(&e->derived_ids[i].inputs);
        rc = add_extract(x, "derived_id", e->derived_ids[i].column, inputs ? inputs : "");
    }
    return rc;
}

/* By name of key, so that rows come sorted. */
static int each_extract(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                        struct ca_error *err)
{
    (void)c;
    const struct contract_extract *e = contract->extract;
    if (n->is_nested || !e)
        return CA_OK;
    struct extract_rows x = {.rows = rows, .name = n};
    int rc = add_extract_names(&x, "bundle", &e->bundles);
    if (rc == 0)
        rc = add_extract_pairs(&x, "default", &e->defaults);
    if (rc == 0)
        rc = add_derived_ids(&x, e);
    if (rc == 0)
        rc = add_extract_pairs(&x, "evidence", &e->evidence);
    if (rc == 0)
        rc = add_extract(&x, "extractor", NULL, e->extractor);
    if (rc == 0)
        rc = add_extract_names(&x, "join_key", &e->join_keys);
    if (rc == 0)
        rc = add_extract(&x, "layer", NULL, e->layer);
    if (rc == 0)
        rc = add_extract_names(&x, "postprocess", &e->postprocess);
    if (rc == 0)
        rc = add_extract(&x, "template", NULL, e->template_name);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE_OF_NAMES(extracts, each_extract)

/* ---- evolution -------------------------------------------------------------------------------------------------- */

static int add_rule(struct evolution *rows, const struct catalog_name *n, const char *path, const char *change,
                    bool is_allowed)
{
    struct evolution_row row = {
        .schema_name = rows_str_of(n->schema),
        .dataset_name = rows_str_of(n->name),
        .path = rows_str_of(path),
        .change = rows_str_of(change),
        .verdict = rows_str_of(is_allowed ? "allow" : "refuse"),
    };
    return evolution_finish_row(rows, &row);
}

/* What fields say for themselves; recursion is bounded by CONTRACT_MAX_DEPTH. */
static int add_field_rules(struct evolution *rows, const struct catalog_name *n, const char *path,
                           const struct contract_field *f)
{
    int rc = 0;
    for (int change = 0; change < CONTRACT_N_CHANGES && rc == 0; change++) {
        if (f->rules[change] != CONTRACT_INHERIT)
            rc = add_rule(rows, n, path, contract_change_name((enum contract_change)change),
                          f->rules[change] == CONTRACT_ALLOW);
    }
    for (size_t i = 0; i < f->n_children && rc == 0; i++) {
        g_autofree char *child = contract_child_path(path, f, i);
        rc = add_field_rules(rows, n, child, &f->children[i]);
    }
    return rc;
}

static int each_evolution(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                          struct ca_error *err)
{
    (void)c;
    if (n->is_nested)
        return CA_OK;
    int rc = add_rule(rows, n, "", "default", contract->evolution_default);
    for (int change = 0; change < CONTRACT_N_CHANGES && rc == 0; change++)
        rc = add_rule(rows, n, "", contract_change_name((enum contract_change)change),
                      contract->evolution_allows[change]);
    for (size_t i = 0; i < contract->n_columns && rc == 0; i++)
        rc = add_field_rules(rows, n, contract->columns[i].name, &contract->columns[i]);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE_OF_NAMES(evolution, each_evolution)

/* ---- checks ----------------------------------------------------------------------------------------------------- */

static int each_check(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                      struct ca_error *err)
{
    (void)c;
    const struct contract_pairs *checks =
        n->is_nested ? &contract_view_named(contract, n->name)->checks : &contract->checks;
    for (size_t i = 0; i < checks->n; i++) {
        struct checks_row row = {
            .schema_name = rows_str_of(n->schema),
            .dataset_name = rows_str_of(n->name),
            .check_name = rows_str_of(checks->items[i].key),
            .sql = rows_str_of(checks->items[i].value),
        };
        CA_TRY(catalog_rows_failed(checks_finish_row(rows, &row), err));
    }
    return CA_OK;
}

CATALOG_TABLE_OF_NAMES(checks, each_check)

/* ---- tables ----------------------------------------------------------------------------------------------------- */

int catalog_registry_rows(struct catalog *c, const char *name, struct ArrowArray *ret, struct ca_error *err)
{
    static const struct {
        const char *name;
        int (*rows)(struct catalog *c, struct ArrowArray *ret, struct ca_error *err);
    } tables[] = {
#define TABLE_ENTRY(table) {#table, catalog_##table##_rows},
        CATALOG_TABLES(TABLE_ENTRY)
#undef TABLE_ENTRY
    };
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        if (strcmp(tables[i].name, name) == 0)
            return tables[i].rows(c, ret, err);
    return ca_fail(err, CA_ERR_CONTRACT, "nothing fills the registry table '%s'", name);
}
