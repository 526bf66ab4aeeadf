/* catalog/builtin.h — the contracts and models under datasets/, embedded at build time by tools/rowgen --bundle. */
#ifndef CA_CATALOG_BUILTIN_H
#define CA_CATALOG_BUILTIN_H

#include <stddef.h>

/* A contract bundle (contract/bundle.h), not NUL-terminated. */
extern const unsigned char contract_builtin_bundle[];
extern const size_t contract_builtin_bundle_size;

#endif
