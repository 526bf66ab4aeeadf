/* catalog/provide.h — the catalog's answers to the engine; private to the room. */
#ifndef CA_CATALOG_PROVIDE_H
#define CA_CATALOG_PROVIDE_H

#include "catalog/state.h"

/* Callbacks over `c`, which must outlive the engine. */
struct engine_catalog catalog_provide(struct catalog *c);

#endif
