/* extract/treesitter/names.h — scopes, and what a name means in each of them. Private to the room.
 *
 *   name    an identifier of the file, NFKC-normalized, interned
 *   symbol  a name in a scope, whether the scope binds it or only mentions it; a private name of a class and its
 * mangled form are one symbol, as for CPython site    one binding operation
 *
 * scan.c declares scopes, sites and uses in source order; names_resolve then finds for every symbol the symbol that it
 * means.
 */
#ifndef CA_EXTRACT_TREESITTER_NAMES_H
#define CA_EXTRACT_TREESITTER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "extract/treesitter/syntax.h"

enum scope_kind {
    SCOPE_MODULE,
    SCOPE_CLASS,
    SCOPE_FUNCTION,
    SCOPE_LAMBDA,
    SCOPE_COMPREHENSION,
    SCOPE_TYPE_PARAMETERS,
};

/* def        ordinal in defs, -1: none
 * qualname   owned by names->chunk
 * privacy    name of the class whose private names are mangled here, -1: none
 * node       the syntax node that the scope spans
 */
struct scope {
    enum scope_kind kind;
    int32_t parent;
    int32_t def;
    int32_t node;
    int32_t privacy;
    struct rows_str qualname;
};

enum symbol_flag {
    SYMBOL_IS_GLOBAL = 1 << 0,   /* declared by `global` */
    SYMBOL_IS_NONLOCAL = 1 << 1, /* declared by `nonlocal` */
};

#define SYMBOL_UNRESOLVED (-2)

/* name       as written where it was first met
 * key        the same, mangled
 * owner      symbol that a site of this one binds; itself unless declared global or nonlocal; set by names_resolve
 * meaning    symbol that a use of this one reads, -1: not bound in the file; set by names_meaning
 * first_site, n_sites, n_other_sites, n_type_only_sites   of the sites that bind it
 * binding    its ordinal in bindings, -1 without sites
 * bound_at   the smallest of its sites'
 */
struct symbol {
    int32_t scope;
    int32_t name;
    int32_t key;
    int32_t owner;
    int32_t meaning;
    int32_t first_site;
    int32_t n_sites;
    int32_t n_other_sites;
    int32_t n_type_only_sites;
    int32_t binding;
    uint32_t bound_at;
    uint8_t flags;
};

enum site_kind {
    SITE_DEFINITION,
    SITE_IMPORT,
    SITE_PARAMETER,
    SITE_ASSIGNMENT,
    SITE_FOR,
    SITE_WITH,
    SITE_EXCEPT,
    SITE_MATCH,
    SITE_WALRUS,
    SITE_DEL,
    SITE_TYPE_PARAMETER,
    SITE_AUGMENTED,
};
const char *site_kind_name(enum site_kind kind);

/* target     ordinal in defs, imports or params, -1: none
 * bound_at   where the name has its value: behind the statement of a definition or an assignment; SITE_NEVER_BOUND
 *            where the site declares without a value, as `x: int` does
 * is_type_only  under `if TYPE_CHECKING:`, which no interpreter runs; set by names_bind
 * Offsets are the text's. */
struct site {
    enum site_kind kind;
    int32_t symbol;
    int32_t target;
    uint32_t start;
    uint32_t end;
    uint32_t bound_at;
    bool is_type_only;
};

#define SITE_NEVER_BOUND UINT32_MAX

/* names       struct rows_str by id, owned by the text or by chunk
 * type_only_end   end of the `if TYPE_CHECKING:` that the scan is in or has left
 * text_left, lookups_left   budgets
 * exhausted   names the budget that is used up: results are incomplete and the layer gives them up; NULL: none is
 */
struct names {
    const struct syntax *syntax;
    GHashTable *name_ids;
    GArray *names;
    GHashTable *symbol_ids;
    GArray *symbols;
    GArray *scopes;
    GArray *sites;
    GArray *bindings;
    GStringChunk *chunk;
    GString *scratch;
    uint32_t type_only_end;
    int64_t text_left;
    int64_t lookups_left;
    const char *exhausted;
};

void names_init(struct names *n);
void names_done(struct names *n);
/* Forget the last file; `syntax` is borrowed until the next clear. */
void names_clear(struct names *n, const struct syntax *syntax);

/* Id of the identifier at a node, or of any text. */
int32_t names_of_node(struct names *n, int32_t node);
int32_t names_of_text(struct names *n, const char *text, size_t n_bytes);
struct rows_str names_text(const struct names *n, int32_t name);

/* Count derived text against the budget; false: it is used up, and the text must not be made. */
bool names_spend_text(struct names *n, int64_t n_bytes);

/* Open a scope; `private_class` is the name of the class it is the body of, -1: of none. */
int32_t names_add_scope(struct names *n, enum scope_kind kind, int32_t parent, int32_t node, int32_t def,
                        struct rows_str name, int32_t private_class);
struct scope *names_scope(const struct names *n, int32_t scope);

/* `name` behind the scope's qualified name, as CPython joins them; owned by n. A definition's own name leaves the scope
 * of its type parameters out: names_qualify. */
struct rows_str names_join(struct names *n, int32_t scope, struct rows_str name);
struct rows_str names_qualify(struct names *n, int32_t scope, struct rows_str name);

int32_t names_symbol(struct names *n, int32_t scope, int32_t name);
struct symbol *names_symbol_at(const struct names *n, int32_t symbol);

void names_declare(struct names *n, int32_t scope, int32_t name, enum symbol_flag flag);
/* `site`: its symbol, and whether it is for types only, are set here. */
void names_bind(struct names *n, int32_t scope, int32_t name, struct site site);

/* Sites sorted by place, each given to the symbol that owns it; bindings (of symbols) by scope and first site. */
void names_resolve(struct names *n);

/* After names_resolve. Symbol that a use of `symbol` means, -1: not bound in this file. */
int32_t names_meaning(struct names *n, int32_t symbol);

/* The same of a use at `start` that reads. The body of a class runs from top to bottom, and a name that it has not
 * bound yet is looked up outside of it. Where nothing of the file binds the name there, it may be a forward reference
 * (stubs, annotations), and stays the class's. */
int32_t names_read_meaning(struct names *n, int32_t symbol, uint32_t start);

/* Ordinal in bindings of a meaning, -1: none. */
int32_t names_binding(const struct names *n, int32_t meaning);

#endif
