/* build/carry.h — rows that SQL statements wrote outlive a build.
 *
 * A dataset that neither an extractor nor a model makes has rows from statements alone (made_by "sql" in the manifest).
 * A build takes over their version from the run before. Where the contract changed and the columns did not, the rows go
 * through the gate again. A build that cannot take them over stops before it makes anything.
 */
#ifndef CA_BUILD_CARRY_H
#define CA_BUILD_CARRY_H

#include <stdbool.h>

#include "base/error.h"
#include "publish/manifest.h"
#include "publish/store.h"
#include "stage/stage.h"

struct carry;

/* Pin what the published run holds of such datasets, or write it anew. Rows under other columns are CA_ERR_DRIFT, rows
 * of a dataset that is not declared any more, or that a model makes now, CA_ERR_REFUSED; no rows are no obstacle. */
int carry_new(const struct store *s, const struct stage_options *stage, struct carry **ret,
              struct ca_error *err) CA_MUST_CHECK;
void carry_free(struct carry *c);

/* Whether the rows of a dataset come from statements. NULL: none do. */
bool carry_has(const struct carry *c, const char *schema, const char *name);

/* Add what was taken over as it is. */
int carry_add(const struct carry *c, struct manifest *m, struct ca_error *err) CA_MUST_CHECK;

#endif
