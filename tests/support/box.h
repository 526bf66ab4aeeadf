/* tests/support/box.h — a catalog of three datasets: a bundle `box` with a list of structs, a table `sized_v1`, a view
 * `tags` over the bundle's list. Failures end the test.
 */
#ifndef CA_TESTS_SUPPORT_BOX_H
#define CA_TESTS_SUPPORT_BOX_H

#include "catalog/catalog.h"

#define BOX_SCHEMA "id: int64 not null, name: utf8, items: list<struct<n: int32 not null, tag: utf8> not null> not null"
#define BOX_ROW \
    "SELECT CAST(1 AS BIGINT) AS id, 'a' AS name, make_array(named_struct('n', CAST(7 AS INT), 'tag', 'x')) AS items"

/* Write the contracts below the scratch folder `root`; open a catalog of them. */
void box_contracts(const char *root);
struct catalog *box_catalog(const char *root);

/* Write the rows of `sql` to box through the gate, in the store below `root`, and pin them. */
int box_write(struct catalog *c, const char *root, const char *sql, const char *app_id, struct catalog_written *written,
              struct ca_error *err);

/* The same, where it must succeed. */
void box_put(struct catalog *c, const char *root, const char *sql, const char *app_id);

#endif
