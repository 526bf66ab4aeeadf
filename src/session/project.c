/* session/project.c — see the header. */
#include "session/project.h"

#include <glib.h>
#include <string.h>

#include "session/options.h"

static void replace_text(char **field, const char *given)
{
    if (given) {
        g_free(*field);
        *field = g_strdup(given);
    }
}

static void replace_list(char ***field, const char *const *given, size_t n)
{
    if (n == 0)
        return;
    g_strfreev(*field);
    *field = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++)
        (*field)[i] = g_strdup(given[i]);
}

/* The project file's texts are UTF-8 already; an argument of a command is any bytes, and these end up in rows and
 * manifest. */
static int check_texts(const char *what, const char *const *texts, size_t n, struct ca_error *err)
{
    CA_TRY(session_need(n == 0 || texts != NULL, what, err));
    for (size_t i = 0; i < n; i++) {
        CA_TRY(session_need(texts[i] != NULL, what, err));
        if (g_utf8_validate(texts[i], -1, NULL))
            continue;
        g_autofree char *shown = g_utf8_make_valid(texts[i], -1);
        return ca_fail(err, CA_ERR_INVALID, "%s '%s' is not UTF-8", what, shown);
    }
    return CA_OK;
}

static int check_options(const struct ca_build_options *o, struct ca_error *err)
{
    CA_TRY(check_texts("repository name", &o->name, o->name != NULL, err));
    CA_TRY(check_texts("source root", o->source_roots, o->n_source_roots, err));
    CA_TRY(check_texts("include", o->include, o->n_include, err));
    CA_TRY(check_texts("exclude", o->exclude, o->n_exclude, err));
    CA_TRY(check_texts("layer", o->layers, o->n_layers, err));
    return check_texts("setting", o->settings, o->n_settings, err);
}

/* Project file first, then what the caller says. */
static int project_take(struct repo_project *p, const char *repository, const struct ca_build_options *o,
                        struct ca_error *err)
{
    CA_TRY(repo_project_load(repository, p, err));
    replace_text(&p->repository, o->name);
    replace_text(&p->python, o->python);
    replace_text(&p->store, o->store);
    replace_list(&p->source_roots, o->source_roots, o->n_source_roots);
    replace_list(&p->include, o->include, o->n_include);
    replace_list(&p->exclude, o->exclude, o->n_exclude);
    replace_list(&p->layers, o->layers, o->n_layers);
    return CA_OK;
}

/* Absolute, or relative to the repository when the project file says it; flags are relative to where the caller stands.
 */
static char *project_store(const struct repo_project *p, const struct ca_build_options *o)
{
    if (o->store)
        return g_canonicalize_filename(o->store, NULL);
    g_autofree char *root = g_canonicalize_filename(p->root, NULL);
    return g_canonicalize_filename(p->store ? p->store : ".codeanatomy", root);
}

int session_project_init(struct session_project *p, const char *repository, const struct ca_build_options *options,
                         struct ca_build_options *ret_options, struct ca_error *err)
{
    memset(p, 0, sizeof *p);
    CA_TRY(session_options_take(ret_options, sizeof *ret_options, options, options ? options->size : 0, err));
    if (!repository)
        repository = ret_options->repository;
    if (!repository)
        return ca_fail(err, CA_ERR_INVALID, "no repository is named");
    CA_TRY(check_options(ret_options, err));
    int rc = project_take(&p->repo, repository, ret_options, err);
    if (rc != CA_OK) {
        session_project_done(p);
        return rc;
    }
    p->store = project_store(&p->repo, ret_options);
    replace_text(&p->repo.store, p->store);
    return CA_OK;
}

void session_project_done(struct session_project *p)
{
    repo_project_done(&p->repo);
    g_clear_pointer(&p->store, g_free);
}
