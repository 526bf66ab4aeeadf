/* contract/yaml.h — YAML text as a tree that knows where everything stands, and back. Private to the contract room.
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

/* The value of a map's key; NULL when there is none, or no map. Borrowed. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* ---- trees that are made (yaml_write.c) ------------------------------------------------------------------------- */

/* New nodes stand where `at` (NULL: nowhere) stands. A text is written in quotes where YAML would read it as something
 * else; a plain scalar is a number, true, false or null. */
struct yaml_node *yaml_map(const struct yaml_node *at);
struct yaml_node *yaml_list(const struct yaml_node *at);
struct yaml_node *yaml_text(const char *text, const struct yaml_node *at);
struct yaml_node *yaml_plain(const char *text, const struct yaml_node *at);
struct yaml_node *yaml_copy(const struct yaml_node *node);

/* Append to a map (the key is not there yet) or a list; takes the value. */
void yaml_put(struct yaml_node *map, const char *key, struct yaml_node *value);
void yaml_add(struct yaml_node *list, struct yaml_node *value);

/* The same of nodes: `key` is NULL for a list; takes both. */
void yaml_append(struct yaml_node *node, struct yaml_node *key, struct yaml_node *item);

/* A document in block style, what is small in flow style; the same tree, the same bytes. What it parses to is the same
 * tree but for places. malloc'ed. */
char *yaml_render(const struct yaml_node *root);

#endif
