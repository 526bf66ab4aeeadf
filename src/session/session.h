/* session/session.h — the inside of a session, for the files of this room.
 *
 * Threads: as the public header says, one call at a time.
 */
#ifndef CA_SESSION_SESSION_H
#define CA_SESSION_SESSION_H

#include <stdbool.h>

#include "catalog/catalog.h"
#include "codeanatomy/codeanatomy.h"
#include "publish/manifest.h"
#include "publish/store.h"
#include "session/settings.h"

/* catalog   the schema authority of the session
 * store     NULL: built-in contracts alone
 * manifest  of the run that is read; root NULL: nothing published
 * is_pinned_run   the caller named the run or a time, so refresh stays on it
 * registered      char **, the paths of each ca_dataset_register, for refresh
 * the rest        the caller's options, for refresh */
struct ca_session {
    struct catalog *catalog;
    struct store *store;
    struct manifest manifest;
    bool is_pinned_run;
    bool is_read_only;
    char *datasets_dir;
    struct session_settings settings;
    char **pins;
    char **locations;
    GPtrArray *registered;
};

/* How the catalog of a session is opened; borrowed from the session. */
struct catalog_options session_catalog_options(const ca_session *s);

/* Keep the columns that were inferred, and forget those of dropped tables, where the session may write a store. */
int session_keep_inferred(ca_session *s, struct ca_error *err) CA_MUST_CHECK;

/* After a statement that ended with `rc` and began at `started_us` (g_get_monotonic_time): publish what it wrote, or,
 * where it failed, forget it. Returns `rc`, or why it could not be published. */
int session_publish(ca_session *s, int64_t started_us, int rc, struct ca_error *err) CA_MUST_CHECK;

#endif
