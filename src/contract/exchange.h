/* contract/exchange.h — contracts in the languages of others: Open Data Contract Standard 3.1 and dbt's schema YAML.
 *
 *   contract ──tree──▶ odcs.c, dbt.c ──tree──▶ text          export
 *   text ──tree──▶ odcs.c, dbt.c ──tree──▶ contract ──▶ NAME.yaml     import
 *
 * Both ways go from tree to tree (contract/yaml.h): what a language has a word for is said in that word, the rest
 * stands verbatim under the name `codeanatomy` where the language lets anybody add (ODCS customProperties, dbt meta).
 * So a key that the contract language gains is carried without a line here. What an export wrote comes back equal.
 *
 * Every key of the source that does not arrive is a loss, with its path, its place and a reason; nothing is dropped
 * silently. What has no meaning here, such as a type without mapping, is an error with line and column.
 * Owner: the caller. Threads: any.
 */
#ifndef CA_CONTRACT_EXCHANGE_H
#define CA_CONTRACT_EXCHANGE_H

#include "contract/contract.h"

enum contract_language {
    CONTRACT_ODCS,
    CONTRACT_DBT,
};

/* "odcs" and "dbt"; false when there is no such language. */
bool contract_language_from_name(const char *name, enum contract_language *ret);

/* What does not arrive, or arrives completed: borrowed for the call.
 *
 * source, line, column   where it stands, line and column from 1
 * path                   "schema[0].properties[2].logicalTypeOptions.maxLength"
 */
struct contract_loss {
    const char *source;
    int line;
    int column;
    const char *path;
    const char *reason;
};
typedef void (*contract_loss_fn)(void *data, const struct contract_loss *loss);

/* One dataset that was imported: the contract, and the text of its file STAGE/NAME.yaml. */
struct contract_import {
    struct contract *contract;
    char *yaml;
};

struct contract_imports {
    struct contract_import *items;
    size_t n;
};

/* Read one document and append its datasets to *ret, which may hold those of other documents. CA_ERR_SYNTAX,
 * CA_ERR_CONTRACT: "SOURCE:LINE:COL: what", one line a problem; two datasets of one name are one. On failure *ret is as
 * it was. Release with contract_imports_done(). */
CA_MUST_CHECK int contract_import(enum contract_language language, const char *text, size_t n_bytes, const char *source,
                                  contract_loss_fn on_loss, void *data, struct contract_imports *ret,
                                  struct ca_error *err);
void contract_imports_done(struct contract_imports *imports);

/* A contract's text, as loaded; `sql` is the SELECT beside it or NULL. */
struct contract_export {
    const char *yaml;
    size_t n_bytes;
    const char *source;
    enum contract_stage stage;
    const char *sql;
};

/* One document with all of them, malloc'ed; the same contracts, the same bytes. Fails as contract_parse() does. */
CA_MUST_CHECK int contract_export(enum contract_language language, const struct contract_export *exports, size_t n,
                                  contract_loss_fn on_loss, void *data, char **ret, struct ca_error *err);

#endif
