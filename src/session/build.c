/* session/build.c — building through the public ABI. */
#include <glib.h>
#include <string.h>

#include "build/build.h"
#include "codeanatomy/codeanatomy.h"
#include "kernel/kernel.h"
#include "session/options.h"
#include "session/project.h"
#include "session/worker_path.h"

struct progress_door {
    ca_progress_fn fn;
    void *data;
};

static void on_progress(void *data, const struct build_progress *p)
{
    struct progress_door *d = data;
    struct ca_progress out = {.stage = p->stage,
                              .n_done = p->n_done,
                              .n_total = p->n_total,
                              .n_rows = p->n_rows,
                              .elapsed_ns = p->elapsed_ns};
    d->fn(d->data, &out);
}

static int result_give(struct ca_build_result *ret, const struct build_result *r, struct ca_error *err)
{
    if (!ret)
        return CA_OK;
    struct ca_build_result out = {
        .size = ret->size,
        .n_files = r->n_files,
        .n_failed_layers = r->n_failed_layers,
        .n_rows = r->n_rows,
        .n_bytes = r->n_bytes,
        .elapsed_ns = r->elapsed_ns,
        .is_reproducible = r->is_reproducible,
    };
    if (g_strlcpy(out.run_id, r->run_id, sizeof out.run_id) >= sizeof out.run_id ||
        g_strlcpy(out.store, r->store, sizeof out.store) >= sizeof out.store)
        return ca_fail(err, CA_ERR_RESOURCES, "the store's path is longer than %zu bytes", sizeof out.store - 1);
    memcpy(ret, &out, MIN(ret->size, sizeof out));
    return CA_OK;
}

static int build_project(const struct session_project *project, const struct ca_build_options *o,
                         struct ca_build_result *ret, struct ca_error *err)
{
    g_autofree char *missing = NULL;
    g_autofree char *worker = session_worker_path(&missing);
    struct progress_door door = {o->progress, o->progress_data};
    g_autofree struct build_params *params = g_new0(struct build_params, o->n_param_tables + 1);
    for (size_t i = 0; i < o->n_param_tables; i++)
        params[i] = (struct build_params){o->param_tables[i].name, o->param_tables[i].rows};
    size_t n_functions = 0;
    const struct rows_function *functions = kernel_functions(&n_functions);
    struct build_options b = {
        .project = &project->repo,
        .store = project->store,
        .datasets_dir = o->datasets,
        .worker_path = worker,
        .worker_missing = missing,
        .n_workers = o->n_workers,
        .engine = session_settings_engine(&project->settings),
        .functions = functions,
        .n_functions = n_functions,
        .params = params,
        .n_params = o->n_param_tables,
        .cancel = (struct engine_cancel *)o->cancel,
        .progress = o->progress ? on_progress : NULL,
        .progress_data = &door,
    };
    struct build_result r = {0};
    CA_TRY_CTX(build_run(&b, &r, err), err, "build '%s'", project->repo.root);
    int rc = result_give(ret, &r, err);
    build_result_done(&r);
    return rc;
}

static int check_params(const struct ca_build_options *o, struct ca_error *err)
{
    CA_TRY(session_need(o->n_param_tables == 0 || o->param_tables != NULL, "the list of parameter tables", err));
    for (size_t i = 0; i < o->n_param_tables; i++) {
        const struct ca_param_table *t = &o->param_tables[i];
        CA_TRY(session_need(t->name != NULL, "the name of a parameter table", err));
        CA_TRY(session_need(t->rows != NULL && t->rows->release != NULL, "the rows of a parameter table", err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(o->param_tables[k].name, t->name) == 0)
                return ca_fail(err, CA_ERR_INVALID, "parameter table '%s' is given twice", t->name);
    }
    return CA_OK;
}

/* Those that the build did not come to. */
static void release_params(const struct ca_build_options *o)
{
    for (size_t i = 0; o->param_tables && i < o->n_param_tables; i++) {
        struct ArrowArrayStream *rows = o->param_tables[i].rows;
        if (rows && rows->release)
            rows->release(rows);
    }
}

int ca_build(const struct ca_build_options *options, struct ca_build_result *ret, struct ca_error *err)
{
    struct ca_build_options o;
    struct session_project project;
    CA_TRY(session_options_take(&o, sizeof o, options, options ? options->size : 0, err));
    int rc = check_params(&o, err);
    if (rc == CA_OK && ret && ret->size < sizeof(size_t))
        rc = ca_fail(err, CA_ERR_INVALID, "the result's size is not set");
    if (rc == CA_OK)
        rc = session_project_init(&project, NULL, options, &o, err);
    if (rc == CA_OK) {
        rc = build_project(&project, &o, ret, err);
        session_project_done(&project);
    }
    release_params(&o);
    return rc;
}

int ca_store_path(const char *repository, ca_text_fn sink, void *data, struct ca_error *err)
{
    CA_TRY(session_need(sink != NULL, "the sink", err));
    struct ca_build_options o;
    struct session_project project;
    CA_TRY(session_project_init(&project, repository, NULL, &o, err));
    sink(data, project.store, strlen(project.store));
    session_project_done(&project);
    return CA_OK;
}
