/* extract/treesitter/definitions.h — the rules of the scan for what opens a scope with parameters: functions, classes,
 * lambdas, type aliases. Private to the room.
 */
#ifndef CA_EXTRACT_TREESITTER_DEFINITIONS_H
#define CA_EXTRACT_TREESITTER_DEFINITIONS_H

#include "extract/treesitter/facts.h"

void definitions_visit(struct facts *f, int32_t node);
void definitions_visit_decorated(struct facts *f, int32_t node);
void definitions_visit_lambda(struct facts *f, int32_t node);

/* Also `type(x).y = 1`, which the grammar takes for an alias: the arguments are marked SYNTAX_IS_TYPE_CALL then, and
 * f->moved_from, moved_to and type_keyword say where the call is. */
void definitions_visit_type_alias(struct facts *f, int32_t node);

/* The scan has come to `node`: definitions that end before it are no longer around anything. */
void definitions_close(struct facts *f, int32_t node);

#endif
