/* tests/support/contract_text.h — contracts as text and back. Failures end the test. */
#ifndef CA_TESTS_SUPPORT_CONTRACT_TEXT_H
#define CA_TESTS_SUPPORT_CONTRACT_TEXT_H

#include "codeanatomy/arrow.h"
#include "contract/contract.h"

/* A table `t` with one column, and a bundle `full_v2` with everything that the language has. */
extern const char contract_text_small[];
extern const char contract_text_full[];

/* The contract of a text, as if "t.yaml" stood in the folder of `stage`; contract_free. */
struct contract *contract_text_parse_in(const char *text, enum contract_stage stage);
struct contract *contract_text_parse(const char *text); /* stage extract */

/* "name type" or "name type not null" a column, a line each; g_free. */
char *contract_text_schema(const struct ArrowSchema *schema);

#endif
