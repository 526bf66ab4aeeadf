/* session/inferred.h — who keeps inferred columns for the catalog of a session with a store. */
#ifndef CA_SESSION_INFERRED_H
#define CA_SESSION_INFERRED_H

#include "catalog/catalog.h"

/* A catalog_keeper_fn over a struct store. */
int session_keeper(void *keeper, const char *name, catalog_kept_fn each, void *data,
                   struct ca_error *err) CA_MUST_CHECK;

#endif
