/* contract/bundle.h — many contracts as one JSON document: the set that is embedded, and the applied snapshot of a
 * store.
 *
 *   {"format": 1, "datasets": [{"name", "version", "stage", "schema", "kind", "fingerprint", "yaml", "sql" | null,
 *                               "views": [names]}, ...]}          sorted by catalog schema and name
 *
 * Reading parses only this index; a contract's YAML is parsed when it is asked for, once, and kept. Views of a dataset
 * live in the schema of the dataset; no two names of one schema are equal. Threads: a bundle may be read by any thread;
 * contract_bundle_contract() locks for the first parse.
 */
#ifndef CA_CONTRACT_BUNDLE_H
#define CA_CONTRACT_BUNDLE_H

#include "contract/contract.h"

#define CONTRACT_BUNDLE_FORMAT 1
#define CONTRACT_BUNDLE_MAX_BYTES ((size_t)256 << 20)

struct contract_bundle;

/* Borrowed from the bundle. sql is NULL for datasets without one. */
struct contract_bundle_entry {
    const char *name;
    int64_t version;
    enum contract_stage stage;
    enum contract_kind kind;
    const char *schema;
    const char *fingerprint;
    const char *yaml;
    const char *sql;
    const char *const *views;
    size_t n_views;
};

/* One dataset for contract_bundle_render(): borrowed. */
struct contract_bundle_source {
    const struct contract *contract;
    const char *yaml;
    const char *sql;
};

/* The JSON document of these datasets, malloc'ed, with a NUL after its n_bytes. Two datasets or views of one catalog
 * schema with one name are CA_ERR_CONTRACT. Same datasets in any order, same bytes. */
CA_MUST_CHECK int contract_bundle_render(const struct contract_bundle_source *sources, size_t n_sources, char **ret,
                                         size_t *ret_n_bytes, struct ca_error *err);

/* The same for all files DIR/<stage>/NAME.yaml, with NAME.sql beside them. A file that is neither, and a NAME.sql
 * without contract, is CA_ERR_CONTRACT; a missing stage folder is fine. */
CA_MUST_CHECK int contract_bundle_render_dir(const char *dir, char **ret, size_t *ret_n_bytes, struct ca_error *err);

/* Read a document. CA_ERR_SYNTAX (no such JSON), CA_ERR_DRIFT (another format number). The text is not needed
 * afterwards. */
CA_MUST_CHECK int contract_bundle_parse(const char *json, size_t n_bytes, struct contract_bundle **ret,
                                        struct ca_error *err);
void contract_bundle_free(struct contract_bundle *b);
CA_DEFINE_AUTOPTR(contract_bundle, contract_bundle_free)

size_t contract_bundle_n(const struct contract_bundle *b);
const struct contract_bundle_entry *contract_bundle_entry(const struct contract_bundle *b, size_t i);

/* The dataset `name` of a catalog schema: its index, or -1. */
int64_t contract_bundle_find(const struct contract_bundle *b, const char *schema, const char *name);

/* The dataset that declares view `name` in a catalog schema: its index, or -1. */
int64_t contract_bundle_find_view(const struct contract_bundle *b, const char *schema, const char *name);

/* The contract of dataset i, parsed at first use; borrowed from the bundle. */
CA_MUST_CHECK int contract_bundle_contract(struct contract_bundle *b, size_t i, const struct contract **ret,
                                           struct ca_error *err);

#endif
