/* session/project.h — the caller's options over the project file over the defaults, in one place. */
#ifndef CA_SESSION_PROJECT_H
#define CA_SESSION_PROJECT_H

#include "codeanatomy/codeanatomy.h"
#include "repo/repo.h"
#include "session/settings.h"

/* Who says a value of the project. */
enum session_source { SESSION_DEFAULT, SESSION_USER, SESSION_PROJECT, SESSION_OPTION };

/* repo       what the scan and the interpreter need; its store is `store`, so that the scan skips it
 * store      absolute path; owned
 * settings   of the engine
 * *_source   of the values that a file or an option can say */
struct session_project {
    struct repo_project repo;
    char *store;
    struct session_settings settings;
    enum session_source name_source;
    enum session_source python_source;
    enum session_source layers_source;
    enum session_source store_source;
};

/* "option", "project file", "user file" or "built in". */
const char *session_source_name(enum session_source source);

/* `options` (NULL: none) are copied to *ret_options completed with zeroes. `repository` NULL: the options'. */
int session_project_init(struct session_project *p, const char *repository, const struct ca_build_options *options,
                         struct ca_build_options *ret_options, struct ca_error *err);
void session_project_done(struct session_project *p);

#endif
