/* publish/manifest.h — what a run was made from and what it made, as one JSON document (docs/manifest.schema.json).
 *
 * A `struct manifest` is a JSON object under construction, or one that was read back. Nothing in it depends on the
 * clock but run_id, started_at and elapsed_ns.
 */
#ifndef CA_PUBLISH_MANIFEST_H
#define CA_PUBLISH_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "catalog/catalog.h"

struct manifest {
    json_t *root;
};

/* One stored dataset of the run.
 *   location          relative to the store
 *   made_by           "build" or "sql" (publish/run.h)
 *   data_version      Delta version to read
 *   files_digest      of the list of the version's files; NULL: not known
 *   proofs            by what method the facts of each kind were proved; NULL: they were not
 */
struct manifest_dataset {
    const char *schema;
    const char *name;
    int contract_version;
    const char *contract_fingerprint;
    const char *schema_fingerprint;
    const char *ddl_fingerprint;
    const char *plan_fingerprint; /* NULL: rows came from C, or SQL statements changed them */
    const char *reads;            /* what its plan read, sorted, joined by ", "; NULL where there is no plan */
    const char *location;
    const char *made_by;
    int64_t data_version;
    int64_t n_rows;
    int64_t n_files;
    int64_t n_bytes;
    const char *files_digest;
    const char *proofs[CATALOG_N_FACT_KINDS];
};

int manifest_init(struct manifest *m, const char *run_id, const char *started_at, struct ca_error *err) CA_MUST_CHECK;
int manifest_parse(struct manifest *m, const char *json, struct ca_error *err) CA_MUST_CHECK;
void manifest_done(struct manifest *m);

/* Put a value under a top-level key; takes `value`. */
int manifest_set(struct manifest *m, const char *key, json_t *value, struct ca_error *err) CA_MUST_CHECK;
/* The same from JSON text. */
int manifest_set_text(struct manifest *m, const char *key, const char *json, struct ca_error *err) CA_MUST_CHECK;

/* Add a dataset, in the place of the one that has its name. */
int manifest_put_dataset(struct manifest *m, const struct manifest_dataset *d, struct ca_error *err) CA_MUST_CHECK;

/* Find a dataset; false when the run has none of that name, or does not say where its rows are and who made them.
 * Strings are borrowed from the manifest. */
bool manifest_dataset(const struct manifest *m, const char *schema, const char *name, struct manifest_dataset *ret);

/* The same of one entry of "datasets". */
bool manifest_dataset_of(const json_t *entry, struct manifest_dataset *ret);

/* What is proved of its rows: nothing where the digest of its files is not known. */
struct catalog_proof manifest_proof(const struct manifest_dataset *d);

const char *manifest_run_id(const struct manifest *m);

/* Deterministic text: sorted keys, two-space indentation. g_free. */
char *manifest_render(const struct manifest *m);

#endif
