/* extract/treesitter/facts.h — what the scan finds and rows.c writes: a file's libcst layer. Private to the room. */
#ifndef CA_EXTRACT_TREESITTER_FACTS_H
#define CA_EXTRACT_TREESITTER_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "extract/treesitter/names.h"
#include "extract/treesitter/syntax.h"
#include "extract/treesitter/treesitter.h"

/* What a node's names are used for; handed down from parent to child. Up to USE_DEL they are expressions and targets.
 */
enum use {
    USE_LOAD,
    USE_ASSIGN,
    USE_AUGMENTED,
    USE_FOR,
    USE_WITH,
    USE_WALRUS,
    USE_DEL,
    USE_TARGET,    /* a target that binds nothing: `(x): int` */
    USE_EXCEPT,    /* binds, but is no expression in Python's ast */
    USE_PATTERN,   /* a pattern of `case` */
    USE_CAPTURE,   /* a name that a pattern binds */
    USE_ATTRIBUTE, /* the name behind a dot */
    USE_NONE,      /* a name that its statement has dealt with */
};

enum method_kind { METHOD_INSTANCE, METHOD_CLASS, METHOD_STATIC };

/* -1: none, for every ordinal. Offsets are the text's. full_start: with decorators. */
struct def {
    int32_t node;
    int32_t name_node;
    int32_t name;
    int32_t container;
    int32_t scope;
    int32_t body_scope;
    int32_t n_decorators;
    int32_t docstring;
    uint32_t full_start;
    uint32_t end;
    struct rows_str qualname;
    enum method_kind method;
    bool is_class;
    bool is_async;
};

/* annotation, value: nodes, -1: none */
struct param {
    int32_t scope;
    int32_t position;
    int32_t name_node;
    int32_t name;
    int32_t annotation;
    int32_t value;
    const char *kind;
};

struct base {
    int32_t def;
    int32_t position;
    int32_t node;
    int32_t scope;
};

/* statement, node   the statement; the alias in it: name with `as` part, or the star
 * module, name      dotted names, -1: no module, a star
 * alias             identifier after `as`, -1: none
 */
struct import {
    int32_t scope;
    int32_t statement;
    int32_t node;
    int32_t module;
    int32_t name;
    int32_t alias;
    int32_t level;
    bool is_from;
    bool is_future;
};

/* callee: stripped of parentheses. Starts may lie outside the nodes, see facts.moved_to. */
struct callsite {
    int32_t node;
    int32_t callee;
    int32_t container;
    int32_t n_args;
    int32_t n_keywords;
    uint32_t start;
    uint32_t callee_start;
};

enum ref_context { REF_LOAD, REF_STORE, REF_DEL };

/* node        the identifier's token
 * symbol      of a name; -1: an attribute
 * object      of an attribute on a chain of names: the node up to which the chain goes, in front of the dot; else -1
 */
struct ref {
    int32_t node;
    int32_t name;
    int32_t symbol;
    int32_t object;
    enum ref_context context;
};

/* is_valid_utf8          the text decodes, so every slice of it at tokens is UTF-8
 * open_defs              ordinals of the definitions around the node that the scan is at
 * assigned_at            `bound_at` of the targets of the assignment that the scan met last
 * moved_from, moved_to   where the grammar lets a chain of calls and attributes start, and where it does: it reads
 *                        `*f(x).y` as `(*f)(x).y` and `type(x).y = 1` as an alias of `(x).y`. One at a time
 * type_keyword           the `type` of the latter
 */
struct facts {
    struct syntax *syntax;
    struct names names;
    GArray *defs;
    GArray *params;
    GArray *bases;
    GArray *imports;
    GArray *callsites;
    GArray *refs;
    GArray *open_defs;
    GHashTable *duplicates;
    GString *scratch;
    bool is_valid_utf8;
    uint32_t assigned_at;
    uint32_t moved_from;
    uint32_t moved_to;
    int32_t type_keyword;
};

void facts_init(struct facts *f, struct syntax *syntax);
void facts_done(struct facts *f);

/* Find everything in the tree of f->syntax; f->names.exhausted says whether a budget stopped it. */
void facts_scan(struct facts *f);

/* Append the libcst row of `file`. `has_tree` false: its errors alone, with `layer->reason`. */
int facts_write(struct facts *f, const struct repo_file *file, bool has_tree, struct libcst_files_v1 *cst,
                struct treesitter_layer *layer, struct ca_error *err) CA_MUST_CHECK;

#endif
