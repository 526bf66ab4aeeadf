/* catalog/agree.h — what two sources say of the columns of one object, and whether it is the same; private to the room.
 */
#ifndef CA_CATALOG_AGREE_H
#define CA_CATALOG_AGREE_H

#include <glib.h>
#include <stdbool.h>

#include "base/error.h"

/* One column as a source shows it. type   as the engine spells it; NULL: the source has none */
struct agree_column {
    char *name;
    char *type;
    bool is_nullable;
};

/* A list of them, in order. */
GArray *agree_columns_new(void);
void agree_add(GArray *columns, const char *name, const char *type, bool is_nullable);

/* CA_OK, or CA_ERR_CONTRACT with the object, the first column that differs and what both sources say. */
int agree_check(const char *object, const char *a_source, const GArray *a, const char *b_source, const GArray *b,
                struct ca_error *err) CA_MUST_CHECK;

#endif
