/* catalog/tables.h — how the rows of a registry table are made; private to the room.
 *
 * registry.c has the tables that say what contracts declare, inventory.c those that say what the catalog holds,
 * profiles.c what a session can be opened with, settings.c what it is open with, health.c and places.c those that
 * look, events.c what the session did.
 */
#ifndef CA_CATALOG_TABLES_H
#define CA_CATALOG_TABLES_H

#include "catalog/state.h"

/* An errno value of a generated builder as a status. */
int catalog_rows_failed(int errnum, struct ca_error *err) CA_MUST_CHECK;

/* Called for each name in order of schema and name. */
typedef int (*catalog_each_fn)(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                               struct ca_error *err);
int catalog_for_each(struct catalog *c, catalog_each_fn each, void *rows, struct ca_error *err) CA_MUST_CHECK;

/* The same with those whose contract cannot be read: it is NULL then, and the dataset has a failure. The other function
 * leaves them out, so that one damaged contract disturbs no table about the rest. */
int catalog_for_each_name(struct catalog *c, catalog_each_fn each, void *rows, struct ca_error *err) CA_MUST_CHECK;

/* `names` joined by ", "; NULL: there are none. g_free. */
char *catalog_joined(const struct contract_names *names);

/* One function a table: the generated builders differ in type alone, so a macro has to write them. `fill(c, rows, err)`
 * makes all rows. */
#define CATALOG_TABLE(table, fill)                                                              \
    int catalog_##table##_rows(struct catalog *c, struct ArrowArray *ret, struct ca_error *err) \
    {                                                                                           \
        struct table *rows = NULL;                                                              \
        CA_TRY(catalog_rows_failed(table##_new(&rows), err));                                   \
        int rc = fill(c, rows, err);                                                            \
        if (rc == CA_OK)                                                                        \
            rc = catalog_rows_failed(table##_take(rows, ret), err);                             \
        table##_free(rows);                                                                     \
        return rc;                                                                              \
    }

/* The same where `each` makes the rows of one name. */
#define CATALOG_TABLE_OF_NAMES(table, each)                                              \
    static int table##_fill(struct catalog *c, struct table *rows, struct ca_error *err) \
    {                                                                                    \
        return catalog_for_each(c, each, rows, err);                                     \
    }                                                                                    \
    CATALOG_TABLE(table, table##_fill)

/* Every table, in order of name. */
/* clang-format off */
#define CATALOG_TABLES(X)                                                                               \
    X(bundles) X(checks) X(column_values) X(columns) X(datasets) X(defaults) X(events) X(evolution) X(extracts) \
    X(fingerprints) X(functions) X(handles) X(health) X(keys) X(locations) X(models) X(options)         \
    X(orderings) X(partitions) X(profiles) X(proofs) X(settings) X(views)
/* clang-format on */

#define CATALOG_TABLE_DECLARE(table) \
    int catalog_##table##_rows(struct catalog *c, struct ArrowArray *ret, struct ca_error *err) CA_MUST_CHECK;
CATALOG_TABLES(CATALOG_TABLE_DECLARE)
#undef CATALOG_TABLE_DECLARE

/* Why the rows of a dataset cannot be there, by a look at the disk alone; NULL: nothing speaks against it. g_free.
 * *ret_health is then missing or broken. Called with the catalog's lock held. */
char *catalog_dataset_failure(const struct catalog_dataset *d, const char **ret_health);

/* What a query over the name would end with before it reads a row: *ret_failure is g_free'd, NULL: it can be read, and
 * *ret_health says nothing. `contract` NULL: it cannot be read itself. Only inside of catalog_ask_engine. */
void catalog_probe(struct catalog *c, const struct catalog_name *n, const struct contract *contract,
                   const char **ret_health, char **ret_failure);

/* catalog_for_each_name with an `each` that asks the engine. */
int catalog_ask_engine(struct catalog *c, catalog_each_fn each, void *rows, struct ca_error *err) CA_MUST_CHECK;

#endif
