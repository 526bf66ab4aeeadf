/* session/pins.h — one dataset read elsewhere than the session's run says: at another Delta version, at a location. */
#ifndef CA_SESSION_PINS_H
#define CA_SESSION_PINS_H

#include "base/error.h"
#include "catalog/catalog.h"
#include "publish/store.h"

/* Pin a dataset as "NAME=VERSION" or "NAME=TIME" says. At a time a dataset of the store is what the newest run had that
 * was published by then, a Delta table elsewhere what its newest commit by then made. `store` may be NULL.
 * CA_ERR_INVALID: not such a text, or rows that are in no Delta table; CA_ERR_NOT_FOUND: no such dataset, version,
 * time.
 */
int session_pin_dataset(struct catalog *c, const struct store *store, const char *text,
                        struct ca_error *err) CA_MUST_CHECK;

/* "NAME=LOCATION": the dataset is read there from now on (catalog_use_location). CA_ERR_INVALID: not such a text. */
int session_use_location(struct catalog *c, const char *text, struct ca_error *err) CA_MUST_CHECK;

#endif
