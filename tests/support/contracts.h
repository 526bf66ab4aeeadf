/* tests/support/contracts.h — contracts and models that a test writes for itself. */
#ifndef CA_TESTS_SUPPORT_CONTRACTS_H
#define CA_TESTS_SUPPORT_CONTRACTS_H

#include "base/error.h"

struct catalog;

/* ROOT/datasets/STAGE/NAME.yaml: a contract of `kind` whose columns are "NAME TYPE" pairs between commas, all NOT NULL
 * ("a int64, b utf8?": b may be null); `rest` are further keys, NULL: the first column is the primary key and the
 * order. sql NULL: no NAME.sql. */
void contracts_write(const char *root, const char *stage, const char *name, const char *kind, const char *columns,
                     const char *rest, const char *sql);

/* A catalog over the built-in contracts and ROOT/datasets, with the kernel's functions and a small engine. */
int contracts_open(const char *root, struct catalog **ret, struct ca_error *err) CA_MUST_CHECK;

/* The same; a failure ends the test. */
struct catalog *contracts_catalog(const char *root);

#endif
