/* session/project.h — the caller's options over the project file over the defaults, in one place. */
#ifndef CA_SESSION_PROJECT_H
#define CA_SESSION_PROJECT_H

#include "codeanatomy/codeanatomy.h"
#include "repo/repo.h"

/* repo    what the scan and the interpreter need; its store is `store`, so that the scan skips it
 * store   absolute path; owned */
struct session_project {
    struct repo_project repo;
    char *store;
};

/* `options` (NULL: none) are copied to *ret_options completed with zeroes. `repository` NULL: the options'. */
int session_project_init(struct session_project *p, const char *repository, const struct ca_build_options *options,
                         struct ca_build_options *ret_options, struct ca_error *err);
void session_project_done(struct session_project *p);

#endif
