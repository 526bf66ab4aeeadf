/* contract/inferred.h — columns that were inferred, kept as a contract (B10).
 *
 * The text is that of any contract, kind table, evolution refuse, but that names are taken as they were found: columns
 * of files are called as their writers like. Threads: any.
 */
#ifndef CA_CONTRACT_INFERRED_H
#define CA_CONTRACT_INFERRED_H

#include "base/error.h"
#include "contract/contract.h"

struct ArrowSchema;

/* What was found, and said, of a table; borrowed.
 *   location   NULL: several, or in memory
 *   options    how it is read and written, or declared, in the words of struct cadf_found */
struct contract_inferred {
    const char *name;
    int64_t version;
    const char *format;
    const char *location;
    const struct ArrowSchema *schema;
    const char *const *option_keys;
    const char *const *option_values;
    size_t n_options;
};

/* Its contract as YAML, malloc'ed. CA_ERR_CONTRACT: a column of a type that the contract language has no word for. */
CA_MUST_CHECK int contract_inferred_render(const struct contract_inferred *table, char **ret, struct ca_error *err);

/* As contract_parse() (load.c). */
CA_MUST_CHECK int contract_inferred_parse(const char *text, size_t n_bytes, const char *source, struct contract **ret,
                                          struct ca_error *err);

#endif
