/* publish/run.h — the runs of a store: how one is called, which one was visible when, and how one becomes visible.
 *
 *     run-1 (build) ◀── run-2 (sql) ◀── run-3 (sql) ◀── run-4 (build) ◀── published
 *
 * A run is a manifest, and names the run that was published before it. A build makes every dataset; an SQL statement
 * that wrote makes a run as well: the run that its session read, but for the versions of what it wrote and a row in
 * diagnostics.writes for each. What SQL alone makes, a build takes over from the run before.
 *
 * Invariants
 *   1. A manifest is complete, and its snapshot is there, before the pointer moves to it.
 *   2. Runs behind the pointer were visible; a manifest that the chain does not reach never was.
 * Threads: one at a time for each store.
 */
#ifndef CA_PUBLISH_RUN_H
#define CA_PUBLISH_RUN_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "publish/manifest.h"
#include "publish/store.h"

/* "20261121T042749Z-1a2b3c4d": sorts by time, unique by chance; and the time itself. g_free both. */
void run_name(char **ret_id, char **ret_started_at);

/* The manifest of a run. CA_ERR_NOT_FOUND: no such run; CA_ERR_DRIFT, CA_ERR_SYNTAX: it is not its manifest. */
int run_read(const struct store *s, const char *run_id, struct manifest *ret, struct ca_error *err) CA_MUST_CHECK;

/* The newest run that was published at or before a time; g_free. CA_ERR_NOT_FOUND names the oldest that can be read. */
int run_at(const struct store *s, const char *time, char **ret_run_id, struct ca_error *err) CA_MUST_CHECK;

/* A dataset of the run: `location` is absolute, plan_fingerprint and reads NULL where rows are not those of a plan.
 *   made_by   "build": every build writes it anew; "sql": its rows come from statements alone */
struct run_dataset {
    const char *schema;
    const char *name;
    const char *plan_fingerprint;
    const char *reads;
    const char *location;
    const char *made_by;
    int64_t data_version;
    struct engine_extent extent;
    struct catalog_proof proof;
};
int run_add_dataset(struct manifest *m, const struct store *s, struct catalog *c, const struct run_dataset *d,
                    struct ca_error *err) CA_MUST_CHECK;

/* Complete the manifest with what the catalog says and make its run the visible one. *ret_previous is the run that was
 * visible before, NULL: none; g_free. */
int run_publish(struct store *s, struct catalog *c, struct manifest *m, char **ret_previous,
                struct ca_error *err) CA_MUST_CHECK;

/* Publish what SQL wrote since `m` was read, if anything: *m is then the new run's manifest, and every written dataset
 * is pinned. On failure the catalog reads what `m` says again, and nothing is published. `started_us`: when the
 * statement began, by g_get_monotonic_time(). */
int run_publish_changes(struct store *s, struct catalog *c, struct manifest *m, int64_t started_us,
                        struct ca_error *err) CA_MUST_CHECK;

#endif
