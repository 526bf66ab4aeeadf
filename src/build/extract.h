/* build/extract.h — the extract stage: every file once through every layer, into the bundles of the store. Private to
 * the room. */
#ifndef CA_BUILD_EXTRACT_H
#define CA_BUILD_EXTRACT_H

#include <stdbool.h>

#include "build/build.h"
#include "repo/repo.h"
#include "stage/stage.h"

/* n_failed_layers   status rows that say failed
 * is_reproducible   false when a watchdog or memory limit decided something
 * python_version    "3.11", and sys.version; NULL when no interpreter ran. Owned */
struct extract_result {
    int64_t n_files;
    int64_t n_failed_layers;
    bool is_reproducible;
    char *python_version;
    char *python_full_version;
};
void extract_result_done(struct extract_result *r);

struct extract;

/* Start interpreters and parsers for the files of a scan, which outlives it. Knows nothing of the catalog. */
int extract_open(const struct build_options *options, const struct repo_scan *scan, struct extract **ret,
                 struct ca_error *err) CA_MUST_CHECK;

/* Names that the target interpreter's builtins have, as cpython_pool_builtins; NULL when none runs. Lives as long as x.
 */
const char *const *extract_builtins(const struct extract *x);

/* Every file through every layer, once.
 * advance  n_done, n_total of files; never twice at once; may be NULL */
int extract_run(struct extract *x, const struct stage_options *stage,
                void (*advance)(void *data, int64_t n_done, int64_t n_total), void *advance_data,
                struct extract_result *ret, struct ca_error *err) CA_MUST_CHECK;

/* Interpreters end, memory goes back. NULL is fine. */
void extract_close(struct extract *x);

#endif
