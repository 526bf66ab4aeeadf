/* stage/stage.c — datasets written, pinned, proved and recorded, one by one or as the models allow. */
#include "stage/stage.h"

#include <string.h>

#include "base/log.h"

void stage_output_done(struct stage_output *o)
{
    g_clear_pointer(&o->location, g_free);
}

void stage_record(struct diag *diag, const struct stage_output *o)
{
    const struct catalog_written *w = &o->written;
    diag_handshake(diag, o->schema, o->name, w->source, w->expected, w->found, w->verdict, /* detail= */ NULL);
    diag_write(diag, o->schema, o->name, w->commit.version, w->commit.n_rows, w->commit.n_files, w->commit.n_bytes);
}

/* Write, pin, prove. On success *out is the caller's. */
static int stage_output_new(const struct stage_options *options, const char *schema, const char *name, const char *sql,
                            const struct engine_buckets *buckets, struct ArrowArrayStream *stream,
                            const char *plan_fingerprint, struct stage_output *out, struct ca_error *err)
{
    *out = (struct stage_output){.schema = schema, .name = name, .plan_fingerprint = plan_fingerprint};
    out->location = options->location(options->location_data, schema, name);
    struct catalog_write write = {
        .schema = schema,
        .name = name,
        .location = out->location,
        .mode = ENGINE_OVERWRITE,
        .sql = sql,
        .stream = stream,
        .buckets = buckets,
        .app_id = options->app_id,
        .app_version = 1,
        .cancel = options->cancel,
    };
    const struct engine_written *commit = &out->written.commit;
    int rc = catalog_write(options->catalog, &write, &out->written, err);
    if (rc == CA_OK) {
        struct catalog_pin pin = {.location = out->location,
                                  .version = commit->version,
                                  .n_rows = commit->n_rows,
                                  .proof = out->written.proof};
        rc = catalog_pin(options->catalog, schema, name, &pin, err);
    }
    const char **methods = out->written.proof.methods;
    for (int kind = CATALOG_PRIMARY_KEY; kind <= CATALOG_UNIQUE && rc == CA_OK; kind++) {
        if (methods[kind])
            continue;
        rc = catalog_prove_keys(options->catalog, schema, name, err);
        methods[kind] = catalog_method("scan");
    }
    if (rc != CA_OK)
        stage_output_done(out);
    return rc;
}

int stage_write(const struct stage_options *options, const char *schema, const char *name, const char *sql,
                struct ArrowArrayStream *stream, const char *plan_fingerprint, struct ca_error *err)
{
    struct stage_output out;
    CA_TRY(stage_output_new(options, schema, name, sql, NULL, stream, plan_fingerprint, &out, err));
    if (options->diag)
        stage_record(options->diag, &out);
    g_array_append_val(options->outputs, out);
    return CA_OK;
}

/* ---- models ----------------------------------------------------------------------------------------------------- */

/* Two at a time: what one does on one core only (the last merge, Parquet) runs beside the next one's scan and joins.
 * More would hold more memory for nothing. */
enum { N_RUNNERS = 2 };

enum task_state { TASK_WAITING, TASK_RUNNING, TASK_DONE, TASK_FAILED };

/* height   models of the longest chain that waits for this one, itself included */
struct task {
    const struct compile_model *model;
    guint height;
    enum task_state state;
    struct stage_output out;
    gint64 elapsed_us;
    struct ca_error error;
};

/* `lock` guards states, `n_settled` and what is told outside. Results are settled in the plan's order, whoever comes
 * first: n_settled tasks at the front are. */
struct run {
    const struct stage_options *options;
    struct task *tasks;
    guint n_tasks;
    guint n_settled;
    bool is_stopped;
    GHashTable *unfinished; /* "schema.name" of every model that is not done */
    GMutex lock;
    GCond changed;
};

static char *task_key(const struct task *t)
{
    return g_strconcat(t->model->schema, ".", t->model->name, NULL);
}

/* The stage of the first model that is not settled, and how far it is. */
static void run_report(const struct run *r)
{
    if (!r->options->advance || r->n_tasks == 0)
        return;
    const char *stage = r->tasks[MIN(r->n_settled, r->n_tasks - 1)].model->stage;
    guint n_done = 0;
    guint n_total = 0;
    for (guint i = 0; i < r->n_tasks; i++) {
        if (strcmp(r->tasks[i].model->stage, stage) != 0)
            continue;
        n_total++;
        n_done += r->tasks[i].state == TASK_DONE;
    }
    r->options->advance(r->options->advance_data, stage, n_done, n_total);
}

static void run_settle(struct run *r)
{
    for (; r->n_settled < r->n_tasks && r->tasks[r->n_settled].state == TASK_DONE; r->n_settled++) {
        struct task *t = &r->tasks[r->n_settled];
        if (r->options->diag) {
            stage_record(r->options->diag, &t->out);
            diag_model_run(r->options->diag, t->model->schema, t->model->name, t->model->plan_fingerprint,
                           t->out.written.commit.n_rows, t->elapsed_us * 1000);
        }
        g_array_append_val(r->options->outputs, t->out);
    }
}

static bool reads(const struct compile_model *model, const char *key)
{
    return g_ptr_array_find_with_equal_func(model->reads, key, g_str_equal, NULL);
}

/* The plan's order puts every model behind those it reads. */
static void run_measure(struct run *r)
{
    for (guint i = r->n_tasks; i-- > 0;) {
        g_autofree char *key = task_key(&r->tasks[i]);
        r->tasks[i].height = 1;
        for (guint j = i + 1; j < r->n_tasks; j++)
            if (reads(r->tasks[j].model, key))
                r->tasks[i].height = MAX(r->tasks[i].height, r->tasks[j].height + 1);
    }
}

static bool is_ready(const struct run *r, const struct task *t)
{
    if (t->state != TASK_WAITING)
        return false;
    for (guint i = 0; i < t->model->reads->len; i++)
        if (g_hash_table_contains(r->unfinished, t->model->reads->pdata[i]))
            return false;
    return true;
}

/* The next model whose inputs are there, the highest first: what many wait for is done early, and what nobody reads
 * fills the gaps. Waits for one. NULL: all are taken, or one failed. */
static struct task *run_take(struct run *r)
{
    for (;;) {
        bool is_waiting = false;
        struct task *best = NULL;
        for (guint i = 0; i < r->n_tasks && !r->is_stopped; i++) {
            struct task *t = &r->tasks[i];
            is_waiting |= t->state == TASK_WAITING;
            if (is_ready(r, t) && (!best || t->height > best->height))
                best = t;
        }
        if (best || !is_waiting)
            return best;
        g_cond_wait(&r->changed, &r->lock);
    }
}

static int run_task(const struct run *r, struct task *t)
{
    gint64 started_us = g_get_monotonic_time();
    const struct compile_model *m = t->model;
    struct engine_buckets buckets = {
        .column = CONTRACT_FILE_COLUMN,
        .bounds = r->options->bounds,
        .n_bounds = r->options->n_bounds,
        .tables = (const char *const *)m->bucket_inputs->pdata,
        .n_tables = m->bucket_inputs->len,
    };
    bool is_cut = m->is_bucketed && buckets.n_bounds > 0;
    log_emit(LOG_DEBUG, "stage", "model starts", "dataset", m->name, NULL);
    int rc = stage_output_new(r->options, m->schema, m->name, m->run_sql, is_cut ? &buckets : NULL, NULL,
                              m->plan_fingerprint, &t->out, &t->error);
    t->elapsed_us = g_get_monotonic_time() - started_us;
    log_emit(LOG_DEBUG, "stage", "model ends", "dataset", m->name, NULL);
    return rc == CA_OK ? CA_OK : ca_fail_context(&t->error, rc, "model '%s.%s'", m->schema, m->name);
}

static void *runner_main(void *data)
{
    struct run *r = data;
    g_mutex_lock(&r->lock);
    for (struct task *t = run_take(r); t; t = run_take(r)) {
        t->state = TASK_RUNNING;
        run_report(r);
        g_mutex_unlock(&r->lock);
        int rc = run_task(r, t);
        g_mutex_lock(&r->lock);
        t->state = rc == CA_OK ? TASK_DONE : TASK_FAILED;
        r->is_stopped |= rc != CA_OK;
        g_autofree char *key = task_key(t);
        if (rc == CA_OK)
            g_hash_table_remove(r->unfinished, key);
        run_settle(r);
        g_cond_broadcast(&r->changed);
    }
    g_mutex_unlock(&r->lock);
    return NULL;
}

/* The failure of the first model in the plan's order; what was written behind it is not settled. */
static int run_finish(struct run *r, struct ca_error *err)
{
    int rc = CA_OK;
    for (guint i = r->n_settled; i < r->n_tasks; i++) {
        struct task *t = &r->tasks[i];
        if (t->state == TASK_DONE)
            stage_output_done(&t->out);
        if (t->state == TASK_FAILED && rc == CA_OK)
            rc = ca_fail(err, t->error.code, "%s", t->error.message);
    }
    return rc;
}

int stage_run(const struct stage_options *options, const struct compile_plan *plan, struct ca_error *err)
{
    struct run r = {.options = options, .n_tasks = plan->models->len};
    r.tasks = g_new0(struct task, r.n_tasks);
    r.unfinished = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&r.lock);
    g_cond_init(&r.changed);
    for (guint i = 0; i < r.n_tasks; i++) {
        r.tasks[i].model = plan->models->pdata[i];
        g_hash_table_add(r.unfinished, task_key(&r.tasks[i]));
    }
    run_measure(&r);
    GThread *runners[N_RUNNERS];
    for (size_t i = 0; i < G_N_ELEMENTS(runners); i++)
        runners[i] = g_thread_new("runner", runner_main, &r);
    for (size_t i = 0; i < G_N_ELEMENTS(runners); i++)
        g_thread_join(runners[i]);
    run_report(&r);
    int rc = run_finish(&r, err);
    g_mutex_clear(&r.lock);
    g_cond_clear(&r.changed);
    g_hash_table_unref(r.unfinished);
    g_free(r.tasks);
    return rc;
}
