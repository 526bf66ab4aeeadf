/* extract/treesitter/scan.h — what the rules of the scan do with a node: look at it, give its children scope and use,
 * record a binding. Private to scan.c and definitions.c.
 */
#ifndef CA_EXTRACT_TREESITTER_SCAN_H
#define CA_EXTRACT_TREESITTER_SCAN_H

#include <string.h>

#include "extract/treesitter/facts.h"

static inline struct syntax_node *scan_node(const struct facts *f, int32_t node)
{
    return &f->syntax->nodes[node];
}

static inline bool scan_is_extra(const struct facts *f, int32_t node)
{
    return (scan_node(f, node)->flags & SYNTAX_IS_EXTRA) != 0;
}

static inline bool scan_is_named(const struct facts *f, int32_t node)
{
    return (scan_node(f, node)->flags & (SYNTAX_IS_NAMED | SYNTAX_IS_EXTRA)) == SYNTAX_IS_NAMED;
}

/* An identifier that is there: error recovery puts in empty ones. */
static inline bool scan_is_name(const struct facts *f, int32_t node)
{
    return syntax_is(f->syntax, node, SYNTAX_IDENTIFIER) && scan_node(f, node)->end > scan_node(f, node)->start;
}

static inline const char *scan_text(const struct facts *f, int32_t node)
{
    return (const char *)f->syntax->text + scan_node(f, node)->start;
}

static inline bool scan_text_is(const struct facts *f, int32_t node, const char *text)
{
    size_t n_bytes = scan_node(f, node)->end - scan_node(f, node)->start;
    return strlen(text) == n_bytes && memcmp(scan_text(f, node), text, n_bytes) == 0;
}

static inline void scan_give(struct facts *f, int32_t node, int32_t scope, enum use use)
{
    if (node < 0)
        return;
    scan_node(f, node)->scope = scope;
    scan_node(f, node)->use = (uint8_t)use;
}

/* The node's children have got their scope and use already. */
static inline void scan_settle(struct facts *f, int32_t node)
{
    if (node >= 0)
        scan_node(f, node)->flags |= SYNTAX_IS_SETTLED;
}

static inline void scan_give_children(struct facts *f, int32_t node, int32_t scope, enum use use)
{
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    scan_give(f, c, scope, use);
}

static inline int32_t scan_innermost_def(const struct facts *f)
{
    return f->open_defs->len == 0 ? -1 : g_array_index(f->open_defs, int32_t, f->open_defs->len - 1);
}

/* The identifier at `node` is bound where it stands. */
static inline void scan_add_site(struct facts *f, int32_t scope, int32_t node, enum site_kind kind, int32_t target)
{
    const struct syntax_node *n = scan_node(f, node);
    struct site site = {.kind = kind, .target = target, .start = n->start, .end = n->end, .bound_at = n->end};
    names_bind(&f->names, scope, names_of_node(&f->names, node), site);
}

#endif
