/* session/settings.c — see the header. */
#include "session/settings.h"

#include "catalog/catalog.h"

/* The strongest of three that is said, and by whom; NULL: nobody. */
static char *choose(const char *option, const char *project, const char *user, const char **ret_source)
{
    *ret_source = option ? ENGINE_SOURCE_OPTION : project ? SESSION_PROJECT_FILE : SESSION_USER_FILE;
    return g_strdup(option ? option : project ? project : user);
}

static void add_settings(struct session_settings *s, const char *const *settings, size_t n, const char *source)
{
    for (size_t i = 0; i < n; i++) {
        g_ptr_array_add(s->settings, g_strdup(settings[i]));
        g_ptr_array_add(s->setting_sources, g_strdup(source));
    }
}

static void add_file(struct session_settings *s, const struct repo_project *file, const char *source)
{
    if (file && file->settings)
        add_settings(s, (const char *const *)file->settings, g_strv_length(file->settings), source);
}

int session_settings_init(struct session_settings *s, const struct session_said *said,
                          const struct repo_project *project, const struct repo_project *user, struct ca_error *err)
{
    *s = (struct session_settings){
        .settings = g_ptr_array_new_with_free_func(g_free),
        .setting_sources = g_ptr_array_new_with_free_func(g_free),
    };
    s->profile =
        choose(said->profile, project ? project->profile : NULL, user ? user->profile : NULL, &s->profile_source);
    s->preset = choose(said->preset, project ? project->preset : NULL, user ? user->preset : NULL, &s->preset_source);
    add_file(s, user, SESSION_USER_FILE);
    add_file(s, project, SESSION_PROJECT_FILE);
    int rc = catalog_environment(said->environment, said->n_environment, s->settings, s->setting_sources, err);
    if (rc != CA_OK) {
        session_settings_done(s);
        return rc;
    }
    add_settings(s, said->settings, said->n_settings, ENGINE_SOURCE_OPTION);
    return CA_OK;
}

void session_settings_for_models(struct session_settings *s)
{
    static const char *const words[] = {"datafusion.sql_parser.map_string_types_to_utf8view=false"};
    add_settings(s, words, G_N_ELEMENTS(words), "models of a build");
}

void session_settings_done(struct session_settings *s)
{
    g_clear_pointer(&s->profile, g_free);
    g_clear_pointer(&s->preset, g_free);
    g_clear_pointer(&s->settings, g_ptr_array_unref);
    g_clear_pointer(&s->setting_sources, g_ptr_array_unref);
}

struct engine_options session_settings_engine(const struct session_settings *s)
{
    return (struct engine_options){
        .profile = s->profile,
        .profile_source = s->profile_source,
        .preset = s->preset,
        .preset_source = s->preset_source,
        .settings = (const char *const *)s->settings->pdata,
        .setting_sources = (const char *const *)s->setting_sources->pdata,
        .n_settings = s->settings->len,
    };
}
