/* contract/scan.h — scan options: declared in a contract's `scan`, one table of what they are.
 *
 * An option that a contract does not set is inherited from the session (`setting`), or off. Threads: constants only.
 */
#ifndef CA_CONTRACT_SCAN_H
#define CA_CONTRACT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "contract/contract.h"

enum contract_scan_kind {
    CONTRACT_SCAN_BOOL,
    CONTRACT_SCAN_COUNT, /* an integer from 1 */
    CONTRACT_SCAN_TEXT,
};

/* formats   those it means something for, blank between
 * key       how the engine is told (struct cadf_table_def)
 * setting   the session's setting of the same meaning; NULL: there is none */
struct contract_scan_option {
    const char *name;
    enum contract_scan_kind kind;
    const char *formats;
    const char *key;
    const char *setting;
};

/* In order of name. */
size_t contract_scan_n_options(void);
const struct contract_scan_option *contract_scan_option_at(size_t i);

/* NULL: there is none of that name. */
const struct contract_scan_option *contract_scan_option(const char *name);
bool contract_scan_applies(const struct contract_scan_option *option, const char *format);

/* What the contract says of an option, NULL: nothing. Borrowed. */
const char *contract_scan_value(const struct contract *c, const char *name);
bool contract_scan_is_true(const struct contract *c, const char *name);

#endif
