/* contract/bundle.h — many contracts as one document: the set that is embedded, and the applied snapshot of a store.
 *
 *     header · records of datasets · names · views · strings          the index: small, read and checked at once
 *     text of each contract                                           read and checked when that contract is wanted
 *
 * The index has the digest of each text, so the fingerprint of the index is that of the whole. Names stand sorted by
 * catalog schema and name, tables and views in one list, and are found by halving. Reading costs what the index costs
 * and copies no text: the document's bytes must live as long as the bundle (a store's are mapped). Numbers are
 * little-endian. Views of a dataset live in the schema of the dataset; no two names of one schema are equal. Locations
 * are records like datasets, and no names.
 *
 * Threads: a bundle may be read by any thread; contract_bundle_contract() locks for the first parse.
 */
#ifndef CA_CONTRACT_BUNDLE_H
#define CA_CONTRACT_BUNDLE_H

#include "base/fingerprint.h"
#include "contract/contract.h"

#define CONTRACT_BUNDLE_FORMAT 4
#define CONTRACT_BUNDLE_MAX_BYTES ((size_t)1 << 30)

struct contract_bundle;

/* Borrowed from the bundle.
 *   storage  how rows are kept: storage.format of the contract, with its default; "" for a view
 *   sql      NULL for datasets without one
 *   location NULL, or storage.location; relative ones are made absolute by the folder that the contract was read from
 *   file     NULL, or the entry is a location, read from a file of this name: `name` is "DATASET#LOCATION", kind, stage
 *            and views mean nothing, `version` is the contract's that it asks for (0: any), `fingerprint` that of its
 *            text
 */
struct contract_bundle_entry {
    const char *name;
    int64_t version;
    enum contract_stage stage;
    enum contract_kind kind;
    const char *schema;
    const char *fingerprint;
    const char *storage;
    const char *sql;
    const char *location;
    const char *file;
    const char *const *views;
    size_t n_views;
};

/* One name of the catalog. `key` is "schema.name" and `name` its second part; `dataset` is the index of the entry. */
struct contract_bundle_name {
    const char *key;
    const char *name;
    size_t dataset;
    bool is_view;
};

/* One dataset for contract_bundle_render(): borrowed. location NULL: the contract's, as it stands there. A location has
 * no contract (NULL) but `at`: what its entry will say. */
struct contract_bundle_source {
    const struct contract *contract;
    const char *yaml;
    const char *sql;
    const char *location;
    const struct contract_bundle_entry *at;
};

/* The document of these datasets, malloc'ed. Two datasets or views of one catalog schema with one name are
 * CA_ERR_CONTRACT. Same datasets in any order, same bytes. */
CA_MUST_CHECK int contract_bundle_render(const struct contract_bundle_source *sources, size_t n_sources, char **ret,
                                         size_t *ret_n_bytes, struct ca_error *err);

/* The same for files: <stage>/NAME.yaml, with NAME.sql beside it, and locations/NAME.yaml, whose dataset may be in
 * another bundle; a path is one of them, or a folder of such folders, all of whose files are meant. A file that is
 * neither, a NAME.sql without contract, and a location for a model are CA_ERR_CONTRACT, a path where nothing is
 * CA_ERR_NOT_FOUND; a missing stage folder is fine. */
CA_MUST_CHECK int contract_bundle_render_paths(const char *const *paths, size_t n_paths, char **ret,
                                               size_t *ret_n_bytes, struct ca_error *err);

/* Read a document, whose bytes are borrowed until the bundle is freed. `fingerprint` is what it must have, NULL: nobody
 * knows. CA_ERR_SYNTAX (no bundle, or one that is cut), CA_ERR_DRIFT (another format number, another fingerprint),
 * CA_ERR_RESOURCES (larger than CONTRACT_BUNDLE_MAX_BYTES). */
CA_MUST_CHECK int contract_bundle_open(const void *bytes, size_t n_bytes, const char *fingerprint,
                                       struct contract_bundle **ret, struct ca_error *err);
void contract_bundle_free(struct contract_bundle *b);
CA_DEFINE_AUTOPTR(contract_bundle, contract_bundle_free)

/* The fingerprint of the document. */
const char *contract_bundle_fingerprint(const struct contract_bundle *b);

size_t contract_bundle_n(const struct contract_bundle *b);
const struct contract_bundle_entry *contract_bundle_entry(const struct contract_bundle *b, size_t i);

/* All names, in order of schema and name. */
size_t contract_bundle_n_names(const struct contract_bundle *b);
struct contract_bundle_name contract_bundle_name(const struct contract_bundle *b, size_t i);

/* The index of the name "schema.name" among them, or -1. */
int64_t contract_bundle_find_name(const struct contract_bundle *b, const char *schema, const char *name);

/* The dataset `name` of a catalog schema: its index, or -1. */
int64_t contract_bundle_find(const struct contract_bundle *b, const char *schema, const char *name);

/* The dataset that declares view `name` in a catalog schema: its index, or -1. */
int64_t contract_bundle_find_view(const struct contract_bundle *b, const char *schema, const char *name);

/* The location `name` ("DATASET#LOCATION") of a catalog schema: its index, or -1. */
int64_t contract_bundle_find_location(const struct contract_bundle *b, const char *schema, const char *name);

/* The text of contract i. CA_ERR_DRIFT: it is not the one that was written. Borrowed from the bundle. */
CA_MUST_CHECK int contract_bundle_yaml(const struct contract_bundle *b, size_t i, const char **ret,
                                       struct ca_error *err);

/* The contract of dataset i, parsed at first use; borrowed from the bundle. Of a location, the contract as it is there;
 * CA_ERR_NOT_FOUND: the bundle has no such dataset. */
CA_MUST_CHECK int contract_bundle_contract(struct contract_bundle *b, size_t i, const struct contract **ret,
                                           struct ca_error *err);

#endif
