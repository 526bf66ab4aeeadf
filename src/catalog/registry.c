/* catalog/registry.c — the rows of registry.*: the contracts themselves, and where their data is. Made when they are
 * read. */
#include <string.h>

#include "catalog/state.h"
#include "rows/gen/checks.h"
#include "rows/gen/columns.h"
#include "rows/gen/datasets.h"
#include "rows/gen/evolution.h"
#include "rows/gen/keys.h"
#include "rows/gen/options.h"
#include "rows/gen/views.h"

static int rows_failed(int rc, struct ca_error *err)
{
    return rc == 0 ? CA_OK : ca_fail_errno(err, CA_ERR_RESOURCES, rc, "build registry rows");
}

/* Called for each name in order of schema and name. */
typedef int (*each_fn)(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                       struct ca_error *err);

static int for_each(struct catalog *c, each_fn each, void *rows, struct ca_error *err)
{
    for (guint i = 0; i < c->names->len; i++) {
        struct catalog_name *n = c->names->pdata[i];
        const struct contract *contract = NULL;
        CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
        CA_TRY(each(c, n, contract, rows, err));
    }
    return CA_OK;
}

/* ---- datasets --------------------------------------------------------------------------------------------------- */

/* Why the rows cannot be read, NULL: nothing speaks against it. Only here is the disk looked at; the catalog's other
 * answers come without I/O, and reading such a table is an error of its own. Called with the lock held. */
static char *dataset_failure(const struct catalog_dataset *d)
{
    if (d->failure)
        return g_strdup(d->failure);
    if (!d->location)
        return NULL;
    g_autofree char *log = g_build_filename(d->location, "_delta_log", NULL);
    if (g_file_test(log, G_FILE_TEST_IS_DIR))
        return NULL;
    return g_strdup_printf("no Delta table at '%s': run 'codeanatomy build' again", d->location);
}

static int each_dataset(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                        struct ca_error *err)
{
    const struct catalog_dataset *d = n->dataset;
    const struct contract_view *view = n->is_nested ? contract_view_named(contract, n->name) : NULL;
    g_mutex_lock(&c->lock);
    bool is_written = !n->is_nested && (d->location != NULL || d->rows != NULL);
    bool can_be_empty = !n->is_nested && catalog_is_stored(contract);
    g_autofree char *failure = dataset_failure(d);
    struct datasets_row row = {
        .schema_name = rows_str_of(n->schema),
        .dataset_name = rows_str_of(n->name),
        .version = (int32_t)contract->version,
        .kind = rows_str_of(n->is_nested ? "nested" : contract_kind_name(contract->kind)),
        .stage = rows_str_of(contract_stage_name(contract->stage)),
        .contract = rows_str_of(contract->dataset),
        .doc = rows_str_of(view ? (view->doc ? view->doc : "") : contract->doc),
        .contract_fingerprint = rows_str_of(d->entry->fingerprint),
        .location = rows_str_of(n->is_nested ? NULL : d->location),
        .has_data_version = is_written && d->location,
        .data_version = d->version,
        .has_n_rows = is_written && d->n_rows >= 0,
        .n_rows = d->n_rows,
        .health = rows_str_of(failure                       ? "broken"
                              : can_be_empty && !is_written ? "empty"
                                                            : "ok"),
        .failure = rows_str_of(failure),
    };
    int rc = datasets_finish_row(rows, &row);
    g_mutex_unlock(&c->lock);
    return rows_failed(rc, err);
}

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

/* Rows that passed our gate are proved, and so is every statement about no rows; what a pure view yields is not. */
static int each_columns(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                        struct ca_error *err)
{
    (void)c;
    struct column_walk w = {.rows = rows, .name = n, .is_proved = contract->kind != CONTRACT_VIEW && !n->is_nested};
    int rc = 0;
    if (n->is_nested)
        rc = walk_view(&w, contract, contract_view_named(contract, n->name));
    for (size_t i = 0; !n->is_nested && i < contract->n_columns && rc == 0; i++)
        rc = walk_column(&w, &contract->columns[i], contract->columns[i].name, 0);
    return rows_failed(rc, err);
}

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
        CA_TRY(rows_failed(keys_finish_row(rows, &row), err));
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

/* ---- views ------------------------------------------------------------------------------------------------------ */

static int each_view(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                     struct ca_error *err)
{
    const char *sql = NULL;
    CA_TRY(catalog_name_sql(c, n, &sql, err));
    if (!sql)
        return CA_OK;
    char fingerprint[FINGERPRINT_HEX_SIZE];
    fingerprint_of(sql, strlen(sql), fingerprint);
    struct views_row row = {
        .schema_name = rows_str_of(n->schema),
        .dataset_name = rows_str_of(n->name),
        .kind = rows_str_of(n->is_nested                      ? "nested"
                            : contract->kind == CONTRACT_VIEW ? "view"
                                                              : "model"),
        .sql = rows_str_of(sql),
        .fingerprint = rows_str_of(fingerprint),
    };
    return rows_failed(views_finish_row(rows, &row), err);
}

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
    g_autofree char *text = names->n > 0 ? g_strjoinv(", ", names->items) : NULL;
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
    g_array_sort(options, by_section_and_name);
    return options;
}

static int each_options(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                        struct ca_error *err)
{
    (void)c;
    if (n->is_nested)
        return CA_OK;
    g_autoptr(GArray) options = options_of(contract);
    for (guint i = 0; i < options->len; i++) {
        const struct option *o = &g_array_index(options, struct option, i);
        struct options_row row = {
            .schema_name = rows_str_of(n->schema),
            .dataset_name = rows_str_of(n->name),
            .section = rows_str_of(o->section),
            .name = rows_str_of(o->name),
            .value = rows_str_of(o->value),
        };
        CA_TRY(rows_failed(options_finish_row(rows, &row), err));
    }
    return CA_OK;
}

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
    return rows_failed(rc, err);
}

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
        CA_TRY(rows_failed(checks_finish_row(rows, &row), err));
    }
    return CA_OK;
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

/* One function a table: the generated builders differ in type alone, so a macro has to write them. */
#define REGISTRY_TABLE(table, each)                                                          \
    static int table##_rows(struct catalog *c, struct ArrowArray *ret, struct ca_error *err) \
    {                                                                                        \
        struct table *rows = NULL;                                                           \
        CA_TRY(rows_failed(table##_new(&rows), err));                                        \
        int rc = for_each(c, each, rows, err);                                               \
        if (rc == CA_OK)                                                                     \
            rc = rows_failed(table##_take(rows, ret), err);                                  \
        table##_free(rows);                                                                  \
        return rc;                                                                           \
    }

REGISTRY_TABLE(checks, each_check)
REGISTRY_TABLE(columns, each_columns)
REGISTRY_TABLE(datasets, each_dataset)
REGISTRY_TABLE(evolution, each_evolution)
REGISTRY_TABLE(keys, each_keys)
REGISTRY_TABLE(options, each_options)
REGISTRY_TABLE(views, each_view)

int catalog_registry_rows(struct catalog *c, const char *name, struct ArrowArray *ret, struct ca_error *err)
{
    static const struct {
        const char *name;
        int (*rows)(struct catalog *c, struct ArrowArray *ret, struct ca_error *err);
    } tables[] = {
        {"checks", checks_rows}, {"columns", columns_rows}, {"datasets", datasets_rows}, {"evolution", evolution_rows},
        {"keys", keys_rows},     {"options", options_rows}, {"views", views_rows},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        if (strcmp(tables[i].name, name) == 0)
            return tables[i].rows(c, ret, err);
    return ca_fail(err, CA_ERR_CONTRACT, "nothing fills the registry table '%s'", name);
}
