/* contract/yaml.h — YAML text as a tree that knows where everything stands. Private to the contract room.
 *
 * No anchors, aliases, tags or second documents: a contract says each thing once, where it stands. Depth is bounded, so
 * the tree may be walked by recursion. Lines and columns count from 1, columns in characters.
 */
#ifndef CA_CONTRACT_YAML_H
#define CA_CONTRACT_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

#define YAML_MAX_DEPTH 64

enum yaml_kind {
    YAML_SCALAR,
    YAML_LIST,
    YAML_MAP,
};

/* text, is_plain   of a scalar: NUL-terminated UTF-8 without NUL inside; plain means written without quotes
 * keys             of a map, beside items; keys are scalars, all different
 */
struct yaml_node {
    enum yaml_kind kind;
    int line;
    int column;
    char *text;
    bool is_plain;
    struct yaml_node **keys;
    struct yaml_node **items;
    size_t n_items;
    size_t n_reserved;
};

/* The one document in the text. CA_ERR_SYNTAX: "SOURCE:LINE:COL: what". */
CA_MUST_CHECK int yaml_parse(const char *text, size_t n_bytes, const char *source, struct yaml_node **ret,
                             struct ca_error *err);
void yaml_node_free(struct yaml_node *node);
CA_DEFINE_AUTOPTR(yaml_node, yaml_node_free)

#endif
