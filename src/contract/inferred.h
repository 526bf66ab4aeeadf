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

/* A contract of columns `schema` as YAML, malloc'ed. location NULL: several. CA_ERR_CONTRACT: a column of a type that
 * the contract language has no word for. */
CA_MUST_CHECK int contract_inferred_render(const char *name, int64_t version, const char *format, const char *location,
                                           const struct ArrowSchema *schema, char **ret, struct ca_error *err);

/* As contract_parse() (load.c). */
CA_MUST_CHECK int contract_inferred_parse(const char *text, size_t n_bytes, const char *source, struct contract **ret,
                                          struct ca_error *err);

#endif
