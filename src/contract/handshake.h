/* contract/handshake.h — may rows of the columns that were found be read as a dataset? (B10)
 *
 * The two schemas are compared field by field, nested included (rows_schema_compare); each difference gets an answer
 * from the contract: taken as it is, cast without loss, or refused. One refusal refuses all. Threads: any.
 */
#ifndef CA_CONTRACT_HANDSHAKE_H
#define CA_CONTRACT_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "contract/contract.h"
#include "rows/rows.h"

enum contract_answer {
    CONTRACT_READ,      /* read as it is: matched by name, completed, or not believed */
    CONTRACT_READ_CAST, /* another type, read as the contract's */
    CONTRACT_NOT_READ,
};

/* findings  what differs; answers[i] and advice[i] belong to findings.items[i]. advice is constant: what to do, "" when
 * accepted
 * is_equal  the fingerprints are */
struct contract_handshake {
    struct rows_findings findings;
    enum contract_answer *answers;
    const char **advice;
    bool is_refused;
    bool is_equal;
    char expected[FINGERPRINT_HEX_SIZE];
    char found[FINGERPRINT_HEX_SIZE];
};

/* c        NULL: a table that SQL made; it takes any order, and nulls for what may be null and is not there
 * format   of the file: ndjson is compared by what its text can be read as, csv by name
 * On success release with contract_handshake_done(), whatever the answer. CA_ERR_RESOURCES: schemas too deep. */
CA_MUST_CHECK int contract_handshake(const struct contract *c, const struct ArrowSchema *expected,
                                     const struct ArrowSchema *found, const char *format,
                                     struct contract_handshake *ret, struct ca_error *err);
void contract_handshake_done(struct contract_handshake *h);

/* The differences as a sentence, refused ones alone with what to do; "" when there are none. malloc'ed. */
char *contract_handshake_text(const struct contract_handshake *h);

#endif
