/* publish/store.h — where a repository's tables live, who may write them, and which run is visible.
 *
 *     STORE/FORMAT                              "codeanatomy store 5"
 *     STORE/lock                                held (flock) by the one writer; holds its process id
 *     STORE/catalog/<fp>.bundle                 applied snapshot: every contract and model that a run was built from
 *     STORE/tables/<schema>/<dataset>/<folder>/ a Delta table; folder: id of the run whose build made it, or, where
 *                                               SQL made it, 16 hex digits of the contract's schema fingerprint
 *     STORE/runs/<run_id>.json                  manifest of a run: docs/manifest.schema.json
 *     STORE/published                           id of the visible run, replaced by rename
 *     STORE/inferred/<name>.yaml                contract of a table whose columns were inferred; <name> as in a URI
 *     STORE/tmp/                                spill files of the writer
 *     STORE/.gitignore                          "*": a store inside a repository is never committed by accident
 *
 * Invariants
 *   1. Readers see `published` and what its manifest names, nothing else. A writer that dies changes neither.
 *   2. One writer at a time; a second gets CA_ERR_CONFLICT at once.
 *   3. Files that the published run or the one before it needs are never removed.
 * docs/store.md is the page for other readers. Threads: one at a time for each struct; any number of processes.
 */
#ifndef CA_PUBLISH_STORE_H
#define CA_PUBLISH_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>
#include <jansson.h>

#include "base/error.h"

enum { STORE_FORMAT = 5 };

struct store;

/* Open for reading. CA_ERR_NOT_FOUND: no store there; CA_ERR_DRIFT: another format, the message says what to do. */
int store_open_read(const char *path, struct store **ret, struct ca_error *err) CA_MUST_CHECK;

/* Open for writing: makes the directories, takes the lock, empties tmp/. A store of an older format is emptied first.
 * CA_ERR_REFUSED: the directory holds something and is no store; CA_ERR_CONFLICT: another process writes. */
int store_open_write(const char *path, struct store **ret, struct ca_error *err) CA_MUST_CHECK;

/* Open a store that is there for reading and for publishing: as store_open_read, with the lock. CA_ERR_CONFLICT:
 * another process writes; CA_ERR_IO: the store cannot be written. */
int store_open_update(const char *path, struct store **ret, struct ca_error *err) CA_MUST_CHECK;
void store_close(struct store *s);

/* Absolute path of the store. Borrowed. */
const char *store_path(const struct store *s);

/* Paths; the caller frees with g_free. */
char *store_table_location(const struct store *s, const char *schema, const char *dataset, const char *folder);
char *store_tmp_path(const struct store *s);
char *store_snapshot_path(const struct store *s, const char *fingerprint);

/* The visible run, NULL when nothing is published. g_free. */
int store_published(const struct store *s, char **ret_run_id, struct ca_error *err) CA_MUST_CHECK;

/* The ids of all runs that have a manifest, oldest first, ended by NULL; g_strfreev. */
char **store_runs(const struct store *s);

/* The text of a run's manifest. CA_ERR_NOT_FOUND names the runs there are. g_free. */
int store_manifest_read(const struct store *s, const char *run_id, char **ret_json, struct ca_error *err) CA_MUST_CHECK;

/* What was found by verify of the rows of a run (catalog_findings): a JSON array, *ret NULL when nobody looked or
 * nothing is left to say. Writing NULL removes it; it is replaced by rename and needs no lock. The caller json_decrefs.
 */
int store_findings_read(const struct store *s, const char *run_id, json_t **ret, struct ca_error *err) CA_MUST_CHECK;
int store_findings_write(const struct store *s, const char *run_id, const json_t *findings,
                         struct ca_error *err) CA_MUST_CHECK;

/* A contract that is kept of inferred columns (contract/inferred.h).
 *   file, text   g_free'd by store_inferred_free; text NULL: it cannot be read, and `failure` says why */
struct store_inferred {
    char *name;
    char *file;
    char *text;
    struct ca_error failure;
};
void store_inferred_free(void *data);

/* What is kept of the table `name`, or (NULL) of all in order of name: struct store_inferred * that are added to `ret`.
 * CA_ERR_INVALID: the name is too long for a file. */
int store_inferred_read(const struct store *s, const char *name, GPtrArray *ret, struct ca_error *err) CA_MUST_CHECK;

/* Keep `text` under the name, or (NULL) nothing any more; replaced by rename. Needs the write lock. CA_ERR_INVALID: the
 * name is too long for a file. */
int store_inferred_write(struct store *s, const char *name, const char *text, struct ca_error *err) CA_MUST_CHECK;

/* Make run_id the visible run: its manifest first, then the pointer, each by fsync and rename. Needs the write lock. */
int store_publish(struct store *s, const char *run_id, const char *manifest_json, struct ca_error *err) CA_MUST_CHECK;

/* Drop manifests other than those of the runs `keep` (NULL-terminated), and then what no manifest of theirs names:
 * tables, snapshots, findings. So a run that has a manifest can be read, also after a prune that was killed. What
 * killed writers left half written goes too. */
int store_prune(struct store *s, const char *const *keep, struct ca_error *err) CA_MUST_CHECK;

#endif
