/* store.h — which store a question goes to, and the session on it.
 *
 * --store (or CODEANATOMY_STORE), else the store of the REPO argument, else that of the nearest directory, from the
 * current one upwards, that has a store or a project file. Where there is none at all the session opens on the built-in
 * contracts alone: every dataset is there, with no rows.
 */
#ifndef CLI_STORE_H
#define CLI_STORE_H

#include <glib.h>

#include "cli.h"
#include "codeanatomy/codeanatomy.h"

struct option_group;

struct store_flags {
    const char *store;
    const char *run;
    const char *as_of;
    GPtrArray *pins;
    GPtrArray *locations;
    const char *datasets;
    const char *profile;
    const char *preset;
    GPtrArray *settings;
};

struct option_group store_group(struct store_flags *flags);

/* --store alone, for what names its runs itself. */
struct option_group store_place_group(struct store_flags *flags);
void store_flags_done(struct store_flags *flags);

/* The repository that a command without REPO is about: the nearest directory with a store or a project file. NULL when
 * there is none. The caller frees. */
char *store_find_repository(void);

/* The store that the flags, else the nearest directory with one say; *ret NULL: there is none. The caller frees. */
int store_find(const struct store_flags *flags, char **ret, struct ca_error *err);

/* Open a session; `repository` is the REPO argument or NULL. Notes on stderr when there is no store. On success *ret is
 * the caller's. */
int store_open_session(struct cli *cli, const struct store_flags *flags, const char *repository, bool is_writable,
                       ca_session **ret, struct ca_error *err);

#endif
