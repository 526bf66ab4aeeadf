/* catalog/handle.c — what a handle of one dataset can be asked and told: rows out, rows in, what it is, what became of
 * it (B7). Each is a statement of the session, so whatever holds for SQL holds here. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/state.h"
#include "contract/location.h"
#include "rows/rows.h"

char *catalog_sql_text(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "'", 0);
    g_autofree char *inner = g_strjoinv("''", parts);
    return g_strdup_printf("'%s'", inner);
}

static void append_column(GString *sql, const char *name, bool is_first)
{
    g_auto(GStrv) parts = g_strsplit(name, "\"", 0);
    g_autofree char *inner = g_strjoinv("\"\"", parts);
    g_string_append_printf(sql, "%s\"%s\"", is_first ? "" : ", ", inner);
}

char *catalog_sql_name(const struct catalog_entry *e)
{
    GString *sql = g_string_new(NULL);
    g_string_append_printf(sql, "\"" CATALOG_NAME "\".\"%s\".", e->schema);
    append_column(sql, e->table, /* is_first= */ true);
    return g_string_free(sql, FALSE);
}

/* ---- rows out --------------------------------------------------------------------------------------------------- */

/* A condition stands on a line of its own, so that a comment in it ends there. */
int catalog_scan(struct catalog *c, const struct catalog_entry *entry, const struct catalog_scan *scan,
                 struct engine_cancel *cancel, struct ArrowArrayStream *ret, struct ca_error *err)
{
    g_autofree char *table = catalog_sql_name(entry);
    g_autoptr(GString) sql = g_string_new("SELECT ");
    for (size_t i = 0; i < scan->n_columns; i++)
        append_column(sql, scan->columns[i], i == 0);
    g_string_append_printf(sql, "%s FROM %s", scan->columns ? "" : "*", table);
    if (scan->filter)
        g_string_append_printf(sql, " WHERE (\n%s\n)", scan->filter);
    if (scan->limit >= 0)
        g_string_append_printf(sql, " LIMIT %" G_GINT64_FORMAT, scan->limit);
    return engine_query(c->engine, sql->str, NULL, cancel, ret, err);
}

/* ---- rows in ---------------------------------------------------------------------------------------------------- */

/* The caller's stream is read on a thread of its own: it may be one of this very session, whose engine refuses to be
 * asked on its own threads.
 *   rows    aligned already
 *   rc, err what ended the reading; CA_ERR_CANCELED: nobody wanted more */
struct pump {
    struct ArrowArrayStream rows;
    struct rows_queue *queue;
    int rc;
    struct ca_error err;
};

static void *pump_main(void *data)
{
    struct pump *p = data;
    for (bool is_end = false; p->rc == CA_OK && !is_end;) {
        struct ArrowArray batch = {0};
        p->rc = rows_stream_next(&p->rows, &batch, &is_end, &p->err);
        if (p->rc == CA_OK && !is_end)
            p->rc = rows_queue_push(p->queue, &batch, &p->err);
    }
    rows_queue_close(p->queue, p->rc == CA_OK ? NULL : p->err.message);
    return NULL;
}

/* The consumer's end, for the one statement that it is registered for. */
struct once {
    GMutex lock;
    struct ArrowArrayStream stream;
    size_t n_columns;
};

static int once_open(void *data, size_t partition, const size_t *projection, size_t n_projection,
                     struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct once *o = data;
    bool is_whole = partition == 0 && n_projection == o->n_columns;
    for (size_t i = 0; is_whole && i < n_projection; i++)
        is_whole = projection[i] == i;
    g_mutex_lock(&o->lock);
    bool is_there = is_whole && o->stream.release;
    if (is_there) {
        *ret = o->stream;
        o->stream.release = NULL;
    }
    g_mutex_unlock(&o->lock);
    return is_there ? CA_OK : ca_bug(err, "a stream that is written is read twice, or in part");
}

static void once_drop(void *data)
{
    struct once *o = data;
    if (o->stream.release)
        o->stream.release(&o->stream);
    g_mutex_clear(&o->lock);
    g_free(o);
}

static int insert(struct catalog *c, const struct catalog_entry *entry, enum engine_write_mode mode, const char *source,
                  const struct contract *contract, struct engine_cancel *cancel, int64_t *ret_n_rows,
                  struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    g_autofree char *table = catalog_sql_name(entry);
    g_autoptr(GString) columns = g_string_new(NULL);
    for (size_t i = 0; i < contract->n_columns; i++)
        append_column(columns, contract->columns[i].name, i == 0);
    g_autofree char *sql =
        g_strdup_printf("INSERT %s %s (%s) SELECT %s FROM session.memory.\"%s\"",
                        mode == ENGINE_OVERWRITE ? "OVERWRITE" : "INTO", table, columns->str, columns->str, source);
    CA_TRY(engine_query(c->engine, sql, NULL, cancel, &rows, err));
    return engine_stream_int(&rows, ret_n_rows, err); /* INSERT answers how many there were */
}

static const char source_name[] = "rows_to_write";

/* Make the queue a table of the session. */
static int register_rows(struct catalog *c, const struct catalog_entry *entry, struct rows_queue *queue,
                         size_t n_columns, struct ca_error *err)
{
    struct ArrowSchema schema = {0};
    struct once *once = g_new0(struct once, 1);
    g_mutex_init(&once->lock);
    once->n_columns = n_columns;
    int rc = rows_queue_stream(queue, &once->stream, err);
    if (rc == CA_OK)
        rc = catalog_declared_schema(c, entry->schema, entry->name, &schema, err);
    if (rc != CA_OK) {
        once_drop(once);
        return rc;
    }
    const struct engine_stream rows = {.data = once, .n_partitions = 1, .open = once_open, .drop = once_drop};
    return engine_register_stream(c->engine, source_name, &schema, &rows, err);
}

/* Run the statement while the pump feeds it. What is wrong with the rows is said by who saw them. */
static int feed(struct catalog *c, const struct catalog_entry *entry, enum engine_write_mode mode,
                const struct contract *contract, struct pump *pump, struct engine_cancel *cancel, int64_t *ret_n_rows,
                struct ca_error *err)
{
    struct ca_error of_statement = {0};
    GThread *thread = g_thread_new("rows to write", pump_main, pump);
    int rc = insert(c, entry, mode, source_name, contract, cancel, ret_n_rows, &of_statement);
    rows_queue_cancel(pump->queue);
    g_thread_join(thread);
    if (rc != CA_OK && pump->rc != CA_OK && pump->rc != CA_ERR_CANCELED)
        return ca_fail(err, pump->rc, "%s", pump->err.message);
    return rc == CA_OK ? CA_OK : ca_fail(err, rc, "%s", of_statement.message);
}

int catalog_insert(struct catalog *c, const struct catalog_entry *entry, enum engine_write_mode mode,
                   struct ArrowArrayStream *stream, struct engine_cancel *cancel, int64_t *ret_n_rows,
                   struct ca_error *err)
{
    static const int64_t max_waiting_bytes = 64 << 20;
    const struct contract *contract = NULL;
    struct ArrowSchema schema = {0};
    struct pump pump = {0};
    int rc = catalog_align(c, entry->schema, entry->name, stream, &pump.rows, err);
    if (rc == CA_OK)
        rc = catalog_contract(c, entry->schema, entry->name, &contract, err);
    if (rc == CA_OK)
        rc = catalog_declared_schema(c, entry->schema, entry->name, &schema, err);
    if (rc == CA_OK)
        rc = rows_queue_new(&schema, max_waiting_bytes, &pump.queue, err);
    if (rc == CA_OK)
        rc = register_rows(c, entry, pump.queue, (size_t)contract->n_columns, err);
    if (rc == CA_OK) {
        rc = feed(c, entry, mode, contract, &pump, cancel, ret_n_rows, err);
        int rc_gone = engine_deregister(c->engine, source_name, rc == CA_OK ? err : NULL);
        rc = rc == CA_OK ? rc_gone : rc;
    }
    if (pump.rows.release)
        pump.rows.release(&pump.rows);
    rows_queue_unref(pump.queue);
    return rc == CA_OK ? CA_OK : ca_fail_context(err, rc, "write '%s.%s'", entry->schema, entry->name);
}

/* ---- what it is ------------------------------------------------------------------------------------------------- */

/* The contract's own canonical form says the rest: nothing is spelled out twice. */
int catalog_metadata(struct catalog *c, const struct catalog_entry *entry, char **ret, struct ca_error *err)
{
    const struct contract *contract = NULL;
    CA_TRY(catalog_contract(c, entry->schema, entry->name, &contract, err));
    const struct contract_view *view = entry->nested_in ? contract_view_named(contract, entry->name) : NULL;
    CA_AUTOFREE char *canonical = contract_canonical_json(contract);
    json_t *whole = json_loads(canonical, 0, NULL);
    json_t *object = json_object();
    static const char *const keys[] = {"version", "stage", "metadata", "extract"};
    json_object_set_new(object, "dataset", json_string(entry->name));
    json_object_set_new(object, "contract", json_string(contract->dataset));
    json_object_set_new(object, "kind", json_string(entry->kind));
    json_object_set_new(object, "doc", json_string(view ? view->doc : contract->doc));
    json_object_set_new(object, "location", entry->place ? json_string(entry->place) : json_null());
    const char *format = view ? NULL : contract->storage.format;
    json_object_set_new(object, "format", format ? json_string(format) : json_null());
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        json_object_set(object, keys[i], json_object_get(whole, keys[i]));
    *ret = json_dumps(object, JSON_SORT_KEYS);
    json_decref(object);
    json_decref(whole);
    return *ret ? CA_OK : ca_fail(err, CA_ERR_RESOURCES, "no memory for the metadata of '%s'", entry->name);
}

/* ---- what became of it ------------------------------------------------------------------------------------------ */

static void append_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(data, text, (gssize)n_bytes);
}

static void append_json_text(GString *sql, const json_t *value)
{
    CA_AUTOFREE char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    g_autofree char *quoted = catalog_sql_text(json_is_string(value) ? json_string_value(value) : text);
    g_string_append_printf(sql, ", %s", value ? quoted : "NULL");
}

/* (version, milliseconds, operation, parameters, rows) */
static void append_commit(GString *sql, const json_t *commit)
{
    const json_t *metrics = json_object_get(commit, "operationMetrics");
    const json_t *n_rows = json_object_get(metrics, "num_added_rows");
    g_string_append_printf(sql, "%s(%" G_GINT64_FORMAT ", ", sql->len > 0 ? ", " : "",
                           (gint64)json_integer_value(json_object_get(commit, "version")));
    const json_t *timestamp_ms = json_object_get(commit, "timestamp");
    if (json_is_integer(timestamp_ms))
        g_string_append_printf(sql, "%" G_GINT64_FORMAT, (gint64)json_integer_value(timestamp_ms));
    else
        g_string_append(sql, "NULL");
    append_json_text(sql, json_object_get(commit, "operation"));
    append_json_text(sql, json_object_get(commit, "operationParameters"));
    if (json_is_integer(n_rows))
        g_string_append_printf(sql, ", %" G_GINT64_FORMAT ")", (gint64)json_integer_value(n_rows));
    else
        g_string_append(sql, ", NULL)");
}

static const char history_sql[] =
    "SELECT CAST(column1 AS BIGINT) AS version, arrow_cast(CAST(column2 AS BIGINT), 'Timestamp(Millisecond, "
    "Some(\"UTC\"))') AS committed_at, CAST(column3 AS VARCHAR) AS operation, CAST(column4 AS VARCHAR) AS parameters, "
    "CAST(column5 AS BIGINT) AS n_rows FROM (VALUES %s) ORDER BY version DESC";

int catalog_history(struct catalog *c, const struct catalog_entry *entry, int64_t limit, struct ArrowArrayStream *ret,
                    struct ca_error *err)
{
    g_autofree char *location = NULL;
    bool is_in_store = false;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) commits = g_string_new(NULL);
    CA_TRY(catalog_delta_location(c, entry->schema, entry->name, &location, &is_in_store, err));
    CA_TRY(engine_delta_history(c->engine, location, limit, append_text, text, err));
    json_t *list = json_loadb(text->str, text->len, 0, NULL);
    size_t i;
    const json_t *commit;
    json_array_foreach(list, i, commit) append_commit(commits, commit);
    json_decref(list);
    g_autofree char *sql = g_strdup_printf(history_sql, commits->str);
    return engine_query(c->engine, sql, NULL, NULL, ret, err);
}
