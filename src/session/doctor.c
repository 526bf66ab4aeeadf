/* session/doctor.c — whether each part works here, one line a finding. */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "catalog/catalog.h"
#include "codeanatomy/codeanatomy.h"
#include "extract/cpython/cpython.h"
#include "kernel/kernel.h"
#include "publish/store.h"
#include "repo/repo.h"
#include "session/options.h"
#include "session/project.h"
#include "session/worker_path.h"

struct report {
    ca_text_fn sink;
    void *data;
};

static void G_GNUC_PRINTF(4, 5)
    say(const struct report *r, const char *verdict, const char *subject, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_strdelimit(text, "\n\t", ' ');
    g_autofree char *line = g_strdup_printf("%s\t%s\t%s", verdict, subject, text);
    r->sink(r->data, line, strlen(line));
}

static void check_interpreter(const struct report *r, const struct repo_project *project)
{
    g_autofree char *missing = NULL;
    g_autofree char *worker = session_worker_path(&missing);
    if (!worker) {
        say(r, "fail", "worker", "%s", missing);
        return;
    }
    say(r, "ok", "worker", "%s", worker);
    struct cpython_options o = {
        .python = project->python, .start_dir = project->root, .worker_module_path = worker, .n_workers = 1};
    struct cpython_pool *pool = NULL;
    struct ca_error err = {0};
    if (cpython_pool_open(&o, &pool, &err) != CA_OK)
        say(r, "fail", "interpreter", "%s", err.message);
    else if (cpython_pool_skip_reason(pool))
        say(r, "fail", "interpreter", "%s", cpython_pool_skip_reason(pool));
    else if (cpython_pool_given_up(pool))
        say(r, "fail", "interpreter", "%s", cpython_pool_given_up(pool));
    else
        say(r, "ok", "interpreter", "%s, version %s", cpython_pool_executable(pool), cpython_pool_python_version(pool));
    cpython_pool_close(pool);
}

static void check_store(const struct report *r, const char *path)
{
    struct store *store = NULL;
    struct ca_error err = {0};
    int rc = store_open_read(path, &store, &err);
    if (rc == CA_OK) {
        g_autofree char *run = NULL;
        if (store_published(store, &run, &err) != CA_OK)
            say(r, "fail", "store", "%s", err.message);
        else
            say(r, run ? "ok" : "warn", "store", "%s, %s%s", path, run ? "published run " : "nothing is published",
                run ? run : "");
    } else {
        say(r, rc == CA_ERR_NOT_FOUND ? "warn" : "fail", "store", "%s", err.message);
    }
    store_close(store);
    g_autofree char *there = g_strdup(path); /* a build makes the folders that are missing */
    while (access(there, F_OK) != 0 && strcmp(there, "/") != 0) {
        g_autofree char *below = g_steal_pointer(&there);
        there = g_path_get_dirname(below);
    }
    if (access(there, W_OK) != 0)
        say(r, "fail", "store", "'%s' is not writable: %s", there, g_strerror(errno));
    struct statvfs fs;
    if (statvfs(there, &fs) == 0)
        say(r, (uint64_t)fs.f_bavail * fs.f_frsize < ((uint64_t)1 << 30) ? "warn" : "ok", "disk",
            "%" G_GUINT64_FORMAT " MiB free", (guint64)fs.f_bavail * fs.f_frsize >> 20);
}

static void say_choice(void *data, const char *key, const char *value, const char *source)
{
    say(data, "ok", g_str_has_prefix(key, "datafusion.") ? "setting" : key, "%s%s%s (%s)",
        g_str_has_prefix(key, "datafusion.") ? key : "", g_str_has_prefix(key, "datafusion.") ? " = " : "", value,
        source);
}

/* What the files and options of the project come to. */
static void say_project(const struct report *r, const struct session_project *p)
{
    say(r, "ok", "repository", "%s", p->repo.root);
    say(r, "ok", "name", "%s (%s)", p->repo.repository, session_source_name(p->name_source));
    say(r, "ok", "store", "%s (%s)", p->store, session_source_name(p->store_source));
    say(r, "ok", "python", "%s (%s)", p->repo.python ? p->repo.python : "python3",
        session_source_name(p->python_source));
    g_autofree char *layers = p->repo.layers ? g_strjoinv(", ", p->repo.layers) : g_strdup("all");
    say(r, "ok", "layers", "%s (%s)", layers, session_source_name(p->layers_source));
}

static void check_catalog(struct report *r, const struct ca_build_options *o, const struct session_settings *settings)
{
    size_t n_functions = 0;
    struct catalog_options c = {
        .datasets_dir = o->datasets,
        .engine = session_settings_engine(settings),
        .loads_folder = true,
        .functions = kernel_functions(&n_functions),
    };
    c.n_functions = n_functions;
    struct catalog *catalog = NULL;
    struct ca_error err = {0};
    if (catalog_open(&c, &catalog, &err) != CA_OK || catalog_check(catalog, &err) != CA_OK)
        say(r, "fail", "catalog", "%s", err.message);
    else
        say(r, "ok", "catalog", "%zu datasets and views, every view planned", catalog_n_entries(catalog));
    if (catalog && engine_choices(catalog_engine(catalog), say_choice, r, &err) != CA_OK)
        say(r, "fail", "settings", "%s", err.message);
    catalog_close(catalog);
}

int ca_doctor(const char *repository, const struct ca_build_options *options, ca_text_fn sink, void *data,
              struct ca_error *err)
{
    CA_TRY(session_need(sink != NULL, "the sink", err));
    struct ca_build_options o;
    struct session_project project;
    struct report r = {sink, data};
    CA_TRY(session_project_init(&project, repository, options, &o, err));
    say_project(&r, &project);
    check_interpreter(&r, &project.repo);
    check_store(&r, project.store);
    check_catalog(&r, &o, &project.settings);
    session_project_done(&project);
    return CA_OK;
}
