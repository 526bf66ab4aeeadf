/* stage/stage.c — one dataset at a time: write, pin, prove, record. */
#include "stage/stage.h"

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

int stage_write(const struct stage_options *options, const char *schema, const char *name, const char *sql,
                struct ArrowArrayStream *stream, const char *plan_fingerprint, struct ca_error *err)
{
    struct stage_output out = {.schema = schema, .name = name, .plan_fingerprint = plan_fingerprint};
    out.location = options->location(options->location_data, schema, name, err);
    if (!out.location) {
        if (stream && stream->release)
            stream->release(stream);
        return err ? err->code : CA_ERR_BUG;
    }
    struct catalog_write write = {
        .schema = schema,
        .name = name,
        .location = out.location,
        .mode = ENGINE_OVERWRITE,
        .sql = sql,
        .stream = stream,
        .app_id = options->app_id,
        .app_version = 1,
        .cancel = options->cancel,
    };
    int rc = catalog_write(options->catalog, &write, &out.written, err);
    if (rc == CA_OK) {
        struct catalog_pin pin = {
            .location = out.location, .version = out.written.commit.version, .n_rows = out.written.commit.n_rows};
        rc = catalog_pin(options->catalog, schema, name, &pin, err);
    }
    if (rc != CA_OK) {
        stage_output_done(&out);
        return rc;
    }
    if (options->diag)
        stage_record(options->diag, &out);
    g_array_append_val(options->outputs, out);
    return CA_OK;
}

static int64_t rows_so_far(const GArray *outputs)
{
    int64_t n_rows = 0;
    for (guint i = 0; i < outputs->len; i++)
        n_rows += g_array_index(outputs, struct stage_output, i).written.commit.n_rows;
    return n_rows;
}

static int stage_run_model(const struct stage_options *options, const struct compile_model *m, struct ca_error *err)
{
    gint64 started_us = g_get_monotonic_time();
    CA_TRY(stage_write(options, m->schema, m->name, m->run_sql, NULL, m->plan_fingerprint, err));
    CA_TRY(catalog_prove(options->catalog, m->schema, m->name, err));
    if (options->diag) {
        const struct stage_output *out =
            &g_array_index(options->outputs, struct stage_output, options->outputs->len - 1);
        diag_model_run(options->diag, m->schema, m->name, m->plan_fingerprint, out->written.commit.n_rows,
                       (g_get_monotonic_time() - started_us) * 1000);
    }
    return CA_OK;
}

int stage_run(const struct stage_options *options, const struct compile_plan *plan, struct ca_error *err)
{
    for (guint i = 0; i < plan->models->len; i++) {
        const struct compile_model *m = plan->models->pdata[i];
        if (options->advance)
            options->advance(options->advance_data, m, i, plan->models->len, rows_so_far(options->outputs));
        CA_TRY_CTX(stage_run_model(options, m, err), err, "model '%s.%s'", m->schema, m->name);
    }
    if (options->advance)
        options->advance(options->advance_data, NULL, plan->models->len, plan->models->len,
                         rows_so_far(options->outputs));
    return CA_OK;
}
