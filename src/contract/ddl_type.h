/* contract/ddl_type.h — types as the engine's DDL writes them, and what it cannot say of a table. */
#ifndef CA_CONTRACT_DDL_TYPE_H
#define CA_CONTRACT_DDL_TYPE_H

#include <glib.h>

#include "contract/contract.h"

/* The type of a column; where DDL has no word for it, the nearest that holds its values. */
void ddl_put_type(GString *out, const struct contract_field *field);

/* A line `-- unsaid {JSON}` for each thing that the DDL of this table leaves out, in the order of the contract:
 *   {"path", "type"}      the type, nested in full, that stands there in truth; what is inside has no further lines
 *   {"path", "not_null"}  true: no null below the top level
 *   {"path", "metadata"}  an object; path "" is the table itself
 *   {"storage", "value"}  how files are written, of formats that are not ours
 *   {"order"}             of a table in memory: a list of columns
 *   {"check", "sql"}, {"scan", "value"}
 */
CA_MUST_CHECK int ddl_put_unsaid(GString *out, const struct contract *c, struct ca_error *err);

#endif
