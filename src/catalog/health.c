/* catalog/health.c — registry.health: can each dataset be read? The one registry table that opens what it speaks of.
 *
 * Each name is planned as a query over it would be, down to the files, which have to be there, and not run. A failure
 * is that row's reason and nothing else's: whoever reads the dataset ends with the same words.
 */
#include "rows/gen/health.h"

#include <string.h>

#include "catalog/tables.h"

/* What a query over the name, as SQL writes it, ends with before it reads a row. */
static int probe(struct catalog *c, const char *name, struct ca_error *err)
{
    g_autofree char *sql = g_strdup_printf("SELECT * FROM %s", name);
    return engine_probe(c->engine, sql, err);
}

/* Drift and absence are a table's; a view over such a table is broken. */
static const char *health_of_status(int status, bool is_view)
{
    if (is_view)
        return "broken";
    switch (status) {
    case CA_ERR_DRIFT:
        return "drift";
    case CA_ERR_NOT_FOUND:
        return "missing";
    default:
        return "broken";
    }
}

void catalog_probe(struct catalog *c, const struct catalog_name *n, const struct contract *contract,
                   const char **ret_health, char **ret_failure)
{
    struct ca_error found = {0};
    g_mutex_lock(&c->lock);
    *ret_failure = catalog_dataset_failure(n->dataset, ret_health);
    g_mutex_unlock(&c->lock);
    if (*ret_failure || !contract || contract->kind == CONTRACT_REGISTRY)
        return;
    bool is_view = n->is_nested || contract->kind == CONTRACT_VIEW;
    const struct catalog_entry e = catalog_entry_of(n);
    g_autofree char *name = catalog_sql_name(&e);
    *ret_health = health_of_status(probe(c, name, &found), is_view);
    *ret_failure = found.code == CA_OK ? NULL : g_strdup(found.message);
}

/* The table of a folder that the session has in the place of what is kept under the name; NULL: none. */
static const struct catalog_loaded *loaded_as(const struct catalog *c, const struct catalog_name *n)
{
    for (guint i = 0; !n->dataset->bundle && i < c->loaded->len; i++) {
        const struct catalog_loaded *l = c->loaded->pdata[i];
        if (strcmp(l->name, n->name) == 0)
            return l;
    }
    return NULL;
}

/* Rows so far, and how many of them are tables of a folder. */
struct health_rows {
    struct health *rows;
    guint n_loaded;
};

/* A table of a folder; a name that was dropped has no row. */
static int loaded_health(struct catalog *c, const struct catalog_loaded *l, struct health *rows, struct ca_error *err)
{
    struct ArrowSchema columns = {0};
    if (!l->failure && engine_table_schema(c->engine, CATALOG_LOADED_SCHEMA, l->name, &columns, NULL) != CA_OK)
        return CA_OK;
    if (columns.release)
        columns.release(&columns);
    g_autofree char *name = catalog_loaded_sql_name(l);
    struct ca_error found = {0};
    int status = l->failure ? l->status : probe(c, name, &found);
    struct health_row row = {
        .schema_name = rows_str_of(CATALOG_LOADED_SCHEMA),
        .dataset_name = rows_str_of(l->name),
        .health = rows_str_of(status == CA_OK ? "ok" : health_of_status(status, /* is_view= */ false)),
        .reason = rows_str_of(status == CA_OK ? NULL
                              : l->failure    ? l->failure
                                              : found.message),
        .location = rows_str_of(l->location),
    };
    return catalog_rows_failed(health_finish_row(rows, &row), err);
}

/* Those that come before a name, so that rows are in order. Names of `registry` come after all of them. */
static int loaded_before(struct catalog *c, const struct catalog_name *n, struct health_rows *rows,
                         struct ca_error *err)
{
    int order = strcmp(CATALOG_LOADED_SCHEMA, n->schema);
    while (order <= 0 && rows->n_loaded < c->loaded->len) {
        const struct catalog_loaded *l = c->loaded->pdata[rows->n_loaded];
        if (order == 0 && strcmp(l->name, n->name) > 0)
            break;
        if (!catalog_name_find(c, CATALOG_LOADED_SCHEMA, l->name)) /* else it is the row of what is kept */
            CA_TRY(loaded_health(c, l, rows->rows, err));
        rows->n_loaded++;
    }
    return CA_OK;
}

static int each_health(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *data,
                       struct ca_error *err)
{
    struct health_rows *rows = data;
    CA_TRY(loaded_before(c, n, rows, err));
    const struct catalog_dataset *d = n->dataset;
    const char *health = NULL;
    g_autofree char *failure = NULL;
    g_mutex_lock(&c->lock);
    g_autofree char *location = n->is_nested ? NULL : g_strdup(d->location ? d->location : d->entry->location);
    /* Rows that were never written lie nowhere: there is nothing to open. */
    bool is_empty = !d->failure && !n->is_nested && !location && contract && catalog_is_stored(contract);
    g_mutex_unlock(&c->lock);
    const struct catalog_loaded *l = loaded_as(c, n);
    if (l && l->failure) {
        health = health_of_status(l->status, /* is_view= */ false);
        failure = g_strdup(l->failure);
    } else if (!is_empty) {
        catalog_probe(c, n, contract, &health, &failure);
    }
    struct health_row row = {
        .schema_name = rows_str_of(n->schema),
        .dataset_name = rows_str_of(n->name),
        .health = rows_str_of(is_empty  ? "empty"
                              : failure ? health
                                        : "ok"),
        .reason = rows_str_of(failure),
        .location = rows_str_of(l ? l->location : location),
    };
    return catalog_rows_failed(health_finish_row(rows->rows, &row), err);
}

struct asking {
    struct catalog *catalog;
    catalog_each_fn each;
    void *rows;
    struct ca_error *err;
    int rc;
};

static void *ask_main(void *data)
{
    struct asking *a = data;
    struct catalog *c = a->catalog;
    g_rw_lock_reader_lock(&c->engine_use);
    a->rc = c->engine ? catalog_for_each_name(c, a->each, a->rows, a->err)
                      : ca_fail(a->err, CA_ERR_CANCELED, "the session is closed");
    g_rw_lock_reader_unlock(&c->engine_use);
    return NULL;
}

/* Rows are asked for on a thread of the engine, which refuses to be asked there (cadf.h): asking is another thread's.
 */
int catalog_ask_engine(struct catalog *c, catalog_each_fn each, void *rows, struct ca_error *err)
{
    struct asking a = {.catalog = c, .each = each, .rows = rows, .err = err};
    g_thread_join(g_thread_new("health", ask_main, &a));
    return a.rc;
}

static int health_fill(struct catalog *c, struct health *rows, struct ca_error *err)
{
    struct health_rows all = {.rows = rows};
    return catalog_ask_engine(c, each_health, &all, err);
}

CATALOG_TABLE(health, health_fill)
