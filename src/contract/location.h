/* contract/location.h — a place for the rows of a contract, declared apart from it: one contract, many locations (B7).
 *
 *     locations/NAME.yaml ──load──▶ struct contract_location ─┐
 *     STAGE/DATASET.yaml  ──────▶ struct contract ────────────┴─▶ the contract as it is at that place
 *
 * A location says where the rows are, in what format, how files are scanned and how they are written: what `storage`
 * and `scan` say in a contract, by the same readers. Everything else is the contract's. The place that the contract
 * itself names, or the store's, is the location `default`. Threads: as a contract.
 */
#ifndef CA_CONTRACT_LOCATION_H
#define CA_CONTRACT_LOCATION_H

#include "contract/contract.h"

#define CONTRACT_DEFAULT_LOCATION "default"
/* Between the name of a dataset and that of a location: "sales_v1#archive". */
#define CONTRACT_LOCATION_MARK '#'
/* The folder beside those of the stages. */
#define CONTRACT_LOCATIONS_FOLDER "locations"

/* source, line, column   where it was read, as in struct contract
 * schema, dataset   of the contract
 * contract_version  which it must have, 0: any
 * storage, scan     in the place of the contract's
 * data_version      of a Delta table, all that is read; -1: none is said
 * as_of_us          likewise, what was newest then, in microseconds since 1970; 0: no time is said */
struct contract_location {
    char *source;
    int line;
    int column;
    char *name;
    char *schema;
    char *dataset;
    int64_t contract_version;
    char *doc;
    struct contract_storage storage;
    struct contract_pairs scan;
    int64_t data_version;
    int64_t as_of_us;
};

/* Parse the text of a location; messages and limits are those of contract_parse(). */
CA_MUST_CHECK int contract_location_parse(const char *text, size_t n_bytes, const char *source,
                                          struct contract_location **ret, struct ca_error *err);
CA_MUST_CHECK int contract_location_load(const char *path, struct contract_location **ret, struct ca_error *err);
void contract_location_free(struct contract_location *l);
CA_DEFINE_AUTOPTR(contract_location, contract_location_free)

/* Make `c`, which nobody else has seen yet, the contract as it is at the location: c->at is `l` then, and its storage
 * and scan are c's. Takes `l`, also on failure. CA_ERR_CONTRACT: the dataset has another version, keeps no rows of its
 * own, or has a type or scan option that the format knows nothing of. */
CA_MUST_CHECK int contract_locate(struct contract *c, struct contract_location *l, struct ca_error *err);

/* The keys of a location for editors, as contract_json_schema(); malloc'ed. */
char *contract_location_json_schema(void);

#endif
