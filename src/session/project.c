/* session/project.c — see the header. */
#include "session/project.h"

#include <glib.h>
#include <string.h>

#include "session/options.h"

const char *session_source_name(enum session_source source)
{
    static const char *const names[] = {
        [SESSION_DEFAULT] = ENGINE_SOURCE_BUILT_IN,
        [SESSION_USER] = SESSION_USER_FILE,
        [SESSION_PROJECT] = SESSION_PROJECT_FILE,
        [SESSION_OPTION] = ENGINE_SOURCE_OPTION,
    };
    return names[source];
}

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
    CA_TRY(check_texts("variable", o->environment, o->n_environment, err));
    return check_texts("setting", o->settings, o->n_settings, err);
}

/* The user's word where the project has none. */
static void complete(struct session_project *p, struct repo_project *user)
{
    if (!p->repo.python && user->python) {
        p->repo.python = g_steal_pointer(&user->python);
        p->python_source = SESSION_USER;
    }
    if (!p->repo.layers && user->layers) {
        p->repo.layers = g_steal_pointer(&user->layers);
        p->layers_source = SESSION_USER;
    }
}

/* Project file first, then what the caller says. */
static int project_take(struct session_project *sp, const char *repository, const struct ca_build_options *o,
                        struct repo_project *user, struct ca_error *err)
{
    struct repo_project *p = &sp->repo;
    CA_TRY(repo_project_load(repository, p, err));
    sp->name_source = strcmp(p->repository, "repo") != 0 ? SESSION_PROJECT : SESSION_DEFAULT;
    sp->python_source = p->python ? SESSION_PROJECT : SESSION_DEFAULT;
    sp->layers_source = p->layers ? SESSION_PROJECT : SESSION_DEFAULT;
    sp->store_source = p->store ? SESSION_PROJECT : SESSION_DEFAULT;
    complete(sp, user);
    const struct session_said said = {
        .profile = o->profile,
        .preset = o->preset,
        .settings = o->settings,
        .n_settings = o->n_settings,
        .environment = o->environment,
        .n_environment = o->n_environment,
    };
    CA_TRY(session_settings_init(&sp->settings, &said, p, user, err));
    session_settings_for_models(&sp->settings);
    replace_text(&p->repository, o->name);
    replace_text(&p->python, o->python);
    replace_text(&p->store, o->store);
    replace_list(&p->source_roots, o->source_roots, o->n_source_roots);
    replace_list(&p->include, o->include, o->n_include);
    replace_list(&p->exclude, o->exclude, o->n_exclude);
    replace_list(&p->layers, o->layers, o->n_layers);
    sp->name_source = o->name ? SESSION_OPTION : sp->name_source;
    sp->python_source = o->python ? SESSION_OPTION : sp->python_source;
    sp->layers_source = o->n_layers ? SESSION_OPTION : sp->layers_source;
    sp->store_source = o->store ? SESSION_OPTION : sp->store_source;
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
    struct repo_project user = {0};
    int rc = ret_options->user_file ? repo_user_file_load(ret_options->user_file, &user, err) : CA_OK;
    if (rc == CA_OK)
        rc = project_take(p, repository, ret_options, &user, err);
    repo_project_done(&user);
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
    session_settings_done(&p->settings);
    g_clear_pointer(&p->store, g_free);
}
