/* session/settings.h — what a session's engine is told, and by whom: an option over a variable over the project file
 * over the user's file over what is built in (A2, A3). One place decides it for sessions, builds and reports.
 */
#ifndef CA_SESSION_SETTINGS_H
#define CA_SESSION_SETTINGS_H

#include <glib.h>

#include "engine/engine.h"
#include "repo/repo.h"

#define SESSION_PROJECT_FILE "project file"
#define SESSION_USER_FILE "user file"

/* profile, preset   NULL: built in; their sources as in engine_options
 * settings          "key=value", the weakest source first; setting_sources beside them */
struct session_settings {
    char *profile;
    const char *profile_source;
    char *preset;
    const char *preset_source;
    GPtrArray *settings;
    GPtrArray *setting_sources;
};

/* What the caller says; borrowed. environment: "NAME=value" texts, of which DATAFUSION_* are looked at. */
struct session_said {
    const char *profile;
    const char *preset;
    const char *const *settings;
    size_t n_settings;
    const char *const *environment;
    size_t n_environment;
};

/* project, user: NULL, or what the files say. */
int session_settings_init(struct session_settings *s, const struct session_said *said,
                          const struct repo_project *project, const struct repo_project *user,
                          struct ca_error *err) CA_MUST_CHECK;
void session_settings_done(struct session_settings *s);

/* For a build, above whatever anybody says: a model's VARCHAR is the contract's utf8, as it was written, whatever the
 * preset makes of a user's. */
void session_settings_for_models(struct session_settings *s);

/* As the engine takes it; borrowed from `s`. */
struct engine_options session_settings_engine(const struct session_settings *s);

#endif
