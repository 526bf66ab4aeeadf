/* catalog/health.c — registry.health: can each dataset be read? The one registry table that opens what it speaks of.
 *
 * Each name is planned as a query over it would be, down to the files, and not run. A failure is that row's reason and
 * nothing else's: whoever reads the dataset ends with the same words.
 */
#include "rows/gen/health.h"
#include "catalog/tables.h"

/* What a query over the name ends with before it reads a row. */
static int probe(struct catalog *c, const struct catalog_name *n, struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    g_autofree char *sql = g_strdup_printf("SELECT * FROM \"" CATALOG_NAME "\".\"%s\".\"%s\"", n->schema, n->name);
    CA_TRY(engine_query(c->engine, sql, NULL, NULL, &rows, err));
    rows.release(&rows);
    return CA_OK;
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

static int each_health(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                       struct ca_error *err)
{
    const struct catalog_dataset *d = n->dataset;
    const char *health = NULL;
    g_mutex_lock(&c->lock);
    g_autofree char *failure = catalog_dataset_failure(d, &health);
    g_autofree char *location = n->is_nested ? NULL : g_strdup(d->location ? d->location : d->entry->location);
    g_mutex_unlock(&c->lock);
    struct ca_error found = {0};
    if (!failure && contract && contract->kind != CONTRACT_REGISTRY) {
        bool is_view = n->is_nested || contract->kind == CONTRACT_VIEW;
        health = health_of_status(probe(c, n, &found), is_view);
        failure = found.code == CA_OK ? NULL : g_strdup(found.message);
    }
    bool is_empty = !failure && !n->is_nested && !location && catalog_is_stored(contract);
    struct health_row row = {
        .schema_name = rows_str_of(n->schema),
        .dataset_name = rows_str_of(n->name),
        .health = rows_str_of(is_empty  ? "empty"
                              : failure ? health
                                        : "ok"),
        .reason = rows_str_of(failure),
        .location = rows_str_of(location),
    };
    return catalog_rows_failed(health_finish_row(rows, &row), err);
}

struct health_work {
    struct catalog *catalog;
    struct health *rows;
    struct ca_error *err;
    int rc;
};

static void *health_main(void *data)
{
    struct health_work *w = data;
    struct catalog *c = w->catalog;
    g_rw_lock_reader_lock(&c->engine_use);
    w->rc = c->engine ? catalog_for_each_name(c, each_health, w->rows, w->err)
                      : ca_fail(w->err, CA_ERR_CANCELED, "the session is closed");
    g_rw_lock_reader_unlock(&c->engine_use);
    return NULL;
}

/* Rows are asked for on a thread of the engine, which refuses to be asked there (cadf.h): asking is another thread's.
 */
static int health_fill(struct catalog *c, struct health *rows, struct ca_error *err)
{
    struct health_work w = {.catalog = c, .rows = rows, .err = err};
    g_thread_join(g_thread_new("health", health_main, &w));
    return w.rc;
}

CATALOG_TABLE(health, health_fill)
