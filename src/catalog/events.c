/* catalog/events.c — what a session did, as rows of registry.events (G1). A build's rows are diagnostics (diag.h). */
#include "rows/gen/events.h"
#include "catalog/tables.h"

/* A session may live for months: the newest are kept. */
enum { MAX_EVENTS = 10000 };

struct event {
    int64_t sequence;
    const char *what; /* one of `values` in events.yaml, constant */
    char *schema;
    char *name;
    char *detail;
};

static void event_free(void *data)
{
    struct event *e = data;
    g_free(e->schema);
    g_free(e->name);
    g_free(e->detail);
    g_free(e);
}

void catalog_events_free(struct catalog *c)
{
    g_queue_free_full(c->events, event_free);
}

void catalog_event(struct catalog *c, const char *what, const char *schema, const char *name, const char *detail)
{
    struct event *e = g_new0(struct event, 1);
    e->what = what;
    e->schema = g_strdup(schema);
    e->name = g_strdup(name);
    e->detail = g_strdup(detail);
    g_mutex_lock(&c->lock);
    e->sequence = ++c->n_events;
    g_queue_push_tail(c->events, e);
    struct event *oldest = g_queue_get_length(c->events) > MAX_EVENTS ? g_queue_pop_head(c->events) : NULL;
    g_mutex_unlock(&c->lock);
    if (oldest)
        event_free(oldest);
}

void catalog_registered(void *data, const char *table, enum engine_registered what)
{
    static const char *const words[] = {
        [ENGINE_REGISTERED_TABLE] = "registration",
        [ENGINE_REGISTERED_VIEW] = "view_registration",
        [ENGINE_REGISTERED_NO_MORE] = "drop",
    };
    catalog_event(data, words[what], CATALOG_LOADED_SCHEMA, table, NULL);
}

void catalog_refused(struct catalog *c, const struct ca_error *err)
{
    if (err)
        catalog_event(c, "error", NULL, NULL, err->message);
}

static int fill(struct catalog *c, struct events *rows, struct ca_error *err)
{
    int rc = 0;
    g_mutex_lock(&c->lock);
    for (const GList *l = c->events->head; l && rc == 0; l = l->next) {
        const struct event *e = l->data;
        struct events_row row = {
            .sequence = e->sequence,
            .event = rows_str_of(e->what),
            .schema_name = rows_str_of(e->schema),
            .dataset_name = rows_str_of(e->name),
            .detail = rows_str_of(e->detail),
        };
        rc = events_finish_row(rows, &row);
    }
    g_mutex_unlock(&c->lock);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE(events, fill)
