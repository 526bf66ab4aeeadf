/* params.h — `--param NAME=VALUE` becomes the one-row struct array that the library takes.
 *
 * Without a type the value says what it is: `true` and `false` are bool, whole numbers int, numbers with a point or an
 * exponent float, everything else text. `NAME:TYPE=VALUE` with int, float, bool or text says it outright.
 * The arrays are laid out here by the Arrow C data interface; the library borrows them.
 */
#ifndef CLI_PARAMS_H
#define CLI_PARAMS_H

#include <glib.h>

#include "codeanatomy/codeanatomy.h"

/* schema, array   of all parameters; release NULL: there are none */
struct params {
    struct ArrowSchema schema;
    struct ArrowArray array;
};

/* texts   "NAME=VALUE" strings, NULL: none
 * On failure *ret needs no params_done. Fails with CA_ERR_INVALID. */
int params_init(struct params *ret, const GPtrArray *texts, struct ca_error *err);
void params_done(struct params *p);

/* What ca_query takes: NULL when there are no parameters. `room` is the caller's and must outlive the query. */
const struct ca_params *params_borrow(const struct params *p, struct ca_params *room);

/* Set the parameter tables of a session: each text is NAME=QUERY, and the query's rows are the table's. */
int params_set_tables(ca_session *s, const GPtrArray *texts, struct ca_error *err);

/* The rows of NAME=QUERY, asked of `s`; *ret_name is the caller's to free, *ret_rows too. */
int params_table(ca_session *s, const char *text, char **ret_name, struct ArrowArrayStream *ret_rows,
                 struct ca_error *err);

#endif
