/* extract/treesitter/names.c — Python's scoping rules over symbols.
 *
 * The rules are those of the language reference ("Naming and binding") as CPython's symtable.c applies them; its oracle
 * test is tests/oracle/compare_cst.py. Two differences are wanted: comprehensions are scopes in every version, and a
 * `nonlocal` without anything to mean binds in its own scope, where CPython refuses the file.
 */
#include "extract/treesitter/names.h"

#include <string.h>

_Static_assert(sizeof(gpointer) >= sizeof(uint64_t), "symbol keys are packed into pointers");

const char *site_kind_name(enum site_kind kind)
{
    static const char *const names[] = {
        [SITE_DEFINITION] = "definition",
        [SITE_IMPORT] = "import",
        [SITE_PARAMETER] = "parameter",
        [SITE_ASSIGNMENT] = "assignment",
        [SITE_FOR] = "for",
        [SITE_WITH] = "with",
        [SITE_EXCEPT] = "except",
        [SITE_MATCH] = "match",
        [SITE_WALRUS] = "walrus",
        [SITE_DEL] = "del",
        [SITE_TYPE_PARAMETER] = "type_parameter",
        [SITE_AUGMENTED] = "augmented",
    };
    return names[kind];
}

/* (scope, key) + 1, so that no key is NULL. */
static gpointer symbol_key(int32_t scope, int32_t key)
{
    return (gpointer)(uintptr_t)((((uint64_t)(uint32_t)scope << 32) | (uint32_t)key) + 1);
}

/* g_direct_hash looks at the lower half alone, where one name has the same value in all scopes. */
static guint symbol_key_hash(gconstpointer key)
{
    uint64_t mixed = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
    return (guint)(mixed >> 32);
}

void names_init(struct names *n)
{
    *n = (struct names){0};
    n->name_ids = g_hash_table_new(g_str_hash, g_str_equal);
    n->symbol_ids = g_hash_table_new(symbol_key_hash, NULL);
    n->names = g_array_new(FALSE, FALSE, sizeof(struct rows_str));
    n->symbols = g_array_new(FALSE, FALSE, sizeof(struct symbol));
    n->scopes = g_array_new(FALSE, FALSE, sizeof(struct scope));
    n->sites = g_array_new(FALSE, FALSE, sizeof(struct site));
    n->bindings = g_array_new(FALSE, FALSE, sizeof(int32_t));
    n->chunk = g_string_chunk_new(16384);
    n->scratch = g_string_new(NULL);
}

void names_done(struct names *n)
{
    if (n->name_ids == NULL)
        return;
    g_hash_table_unref(n->name_ids);
    g_hash_table_unref(n->symbol_ids);
    g_array_unref(n->names);
    g_array_unref(n->symbols);
    g_array_unref(n->scopes);
    g_array_unref(n->sites);
    g_array_unref(n->bindings);
    g_string_chunk_free(n->chunk);
    g_string_free(n->scratch, TRUE);
    *n = (struct names){0};
}

void names_clear(struct names *n, const struct syntax *syntax)
{
    g_hash_table_remove_all(n->name_ids);
    g_hash_table_remove_all(n->symbol_ids);
    g_array_set_size(n->names, 0);
    g_array_set_size(n->symbols, 0);
    g_array_set_size(n->scopes, 0);
    g_array_set_size(n->sites, 0);
    g_array_set_size(n->bindings, 0);
    g_string_chunk_clear(n->chunk);
    n->syntax = syntax;
    n->text_left = TREESITTER_TEXT_BASE + TREESITTER_TEXT_PER_BYTE * (int64_t)syntax->n_text;
    n->lookups_left = TREESITTER_LOOKUPS_BASE + TREESITTER_LOOKUPS_PER_NODE * (int64_t)syntax->n_nodes;
    n->type_only_end = 0;
    n->exhausted = NULL;
}

bool names_spend_text(struct names *n, int64_t n_bytes)
{
    n->text_left -= n_bytes;
    if (n->text_left < 0)
        n->exhausted = "derived text (qualified names, dotted names, annotations, defaults)";
    return n->text_left >= 0;
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

int32_t names_of_text(struct names *n, const char *text, size_t n_bytes)
{
    g_string_truncate(n->scratch, 0);
    g_string_append_len(n->scratch, text, (gssize)n_bytes);
    gpointer id = g_hash_table_lookup(n->name_ids, n->scratch->str);
    if (id != NULL)
        return GPOINTER_TO_INT(id) - 1;
    struct rows_str name = {g_string_chunk_insert_len(n->chunk, text, (gssize)n_bytes), (int64_t)n_bytes};
    g_array_append_val(n->names, name);
    g_hash_table_insert(n->name_ids, (gpointer)(uintptr_t)name.data, GINT_TO_POINTER((gint)n->names->len));
    return (int32_t)n->names->len - 1;
}

int32_t names_of_node(struct names *n, int32_t node)
{
    const struct syntax_node *s = &n->syntax->nodes[node];
    const char *text = (const char *)n->syntax->text + s->start;
    size_t n_bytes = s->end - s->start;
    bool is_ascii = true;
    for (size_t i = 0; i < n_bytes; i++)
        is_ascii &= (signed char)text[i] >= 0;
    if (is_ascii)
        return names_of_text(n, text, n_bytes);
    g_autofree char *normal = g_utf8_normalize(text, (gssize)n_bytes, G_NORMALIZE_NFKC);
    if (normal != NULL)
        return names_of_text(n, normal, strlen(normal));
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)n_bytes);
    return names_of_text(n, valid, strlen(valid));
}

struct rows_str names_text(const struct names *n, int32_t name)
{
    return g_array_index(n->names, struct rows_str, name);
}

/* ---- scopes --------------------------------------------------------------------------------------------------- */

struct scope *names_scope(const struct names *n, int32_t scope)
{
    return &g_array_index(n->scopes, struct scope, scope);
}

struct rows_str names_join(struct names *n, int32_t scope, struct rows_str name)
{
    const struct scope *s = names_scope(n, scope);
    if (s->kind == SCOPE_MODULE)
        return name;
    bool is_function = s->kind == SCOPE_FUNCTION || s->kind == SCOPE_LAMBDA;
    static const char locals[] = ".<locals>.";
    size_t n_joint = is_function ? sizeof(locals) - 1 : 1;
    int64_t n_bytes = s->qualname.n_bytes + (int64_t)n_joint + name.n_bytes;
    if (!names_spend_text(n, n_bytes))
        return name;
    g_string_truncate(n->scratch, 0);
    g_string_append_len(n->scratch, s->qualname.data, (gssize)s->qualname.n_bytes);
    g_string_append_len(n->scratch, is_function ? locals : ".", (gssize)n_joint);
    g_string_append_len(n->scratch, name.data, (gssize)name.n_bytes);
    struct rows_str qualname = {g_string_chunk_insert_len(n->chunk, n->scratch->str, (gssize)n_bytes), n_bytes};
    return qualname;
}

struct rows_str names_qualify(struct names *n, int32_t scope, struct rows_str name)
{
    while (names_scope(n, scope)->kind == SCOPE_TYPE_PARAMETERS)
        scope = names_scope(n, scope)->parent;
    return names_join(n, scope, name);
}

int32_t names_add_scope(struct names *n, enum scope_kind kind, int32_t parent, int32_t node, int32_t def,
                        struct rows_str name, int32_t private_class)
{
    struct scope scope = {.kind = kind, .parent = parent, .def = def, .node = node, .privacy = private_class};
    if (kind == SCOPE_MODULE)
        scope.qualname = rows_str_of("");
    else
        scope.qualname = name;
    if (private_class < 0 && parent >= 0)
        scope.privacy = names_scope(n, parent)->privacy;
    g_array_append_val(n->scopes, scope);
    return (int32_t)n->scopes->len - 1;
}

/* ---- symbols -------------------------------------------------------------------------------------------------- */

struct symbol *names_symbol_at(const struct names *n, int32_t symbol)
{
    return &g_array_index(n->symbols, struct symbol, symbol);
}

/* `__x` in class `_C` is `_C__x`; names that end in `__`, and classes named by underscores alone, are left as they are.
 */
static int32_t mangle(struct names *n, int32_t scope, int32_t name)
{
    struct rows_str text = names_text(n, name);
    if (text.n_bytes < 3 || text.data[0] != '_' || text.data[1] != '_' ||
        memcmp(text.data + text.n_bytes - 2, "__", 2) == 0)
        return name;
    int32_t privacy = names_scope(n, scope)->privacy;
    if (privacy < 0)
        return name;
    struct rows_str class_name = names_text(n, privacy);
    size_t n_underscores = strspn(class_name.data, "_");
    if (class_name.data[n_underscores] == '\0')
        return name;
    g_autofree char *mangled = g_strconcat("_", class_name.data + n_underscores, text.data, NULL);
    return names_of_text(n, mangled, strlen(mangled));
}

/* -1: the scope has no such symbol. */
static int32_t find_symbol(const struct names *n, int32_t scope, int32_t key)
{
    gpointer id = g_hash_table_lookup(n->symbol_ids, symbol_key(scope, key));
    return GPOINTER_TO_INT(id) - 1;
}

int32_t names_symbol(struct names *n, int32_t scope, int32_t name)
{
    int32_t key = mangle(n, scope, name);
    int32_t symbol = find_symbol(n, scope, key);
    if (symbol >= 0)
        return symbol;
    symbol = (int32_t)n->symbols->len;
    struct symbol s = {
        .scope = scope,
        .name = name,
        .key = key,
        .owner = symbol,
        .meaning = SYMBOL_UNRESOLVED,
        .first_site = -1,
        .binding = -1,
        .bound_at = SITE_NEVER_BOUND,
    };
    g_array_append_val(n->symbols, s);
    g_hash_table_insert(n->symbol_ids, symbol_key(scope, key), GINT_TO_POINTER(symbol + 1));
    return symbol;
}

void names_declare(struct names *n, int32_t scope, int32_t name, enum symbol_flag flag)
{
    names_symbol_at(n, names_symbol(n, scope, name))->flags |= (uint8_t)flag;
}

void names_bind(struct names *n, int32_t scope, int32_t name, struct site site)
{
    site.symbol = names_symbol(n, scope, name);
    site.is_type_only = site.start < n->type_only_end;
    g_array_append_val(n->sites, site);
}

/* ---- resolution ----------------------------------------------------------------------------------------------- */

static bool spend_lookup(struct names *n)
{
    if (--n->lookups_left < 0)
        n->exhausted = "steps of name resolution";
    return n->lookups_left >= 0;
}

/* The module's symbol of the same name, made where there is none. */
static int32_t global_of(struct names *n, int32_t symbol)
{
    int32_t key = names_symbol_at(n, symbol)->key;
    int32_t global = find_symbol(n, 0, key);
    return global >= 0 ? global : names_symbol(n, 0, key);
}

/* Symbol that the statement of a class binds; -1: it has none, or `scope` is no class. */
static int32_t class_symbol(struct names *n, int32_t scope)
{
    const struct scope *s = names_scope(n, scope);
    if (s->kind != SCOPE_CLASS)
        return -1;
    int32_t outer = s->parent;
    if (names_scope(n, outer)->kind == SCOPE_TYPE_PARAMETERS)
        outer = names_scope(n, outer)->parent;
    int32_t symbol = find_symbol(n, outer, mangle(n, outer, s->privacy));
    return symbol < 0 ? -1 : names_symbol_at(n, symbol)->owner;
}

/* Symbol with sites that the scopes around `scope` offer for `key`; -1: none. What a function declares global or
 * nonlocal is passed on as that. `with_module` false: functions alone, as for `nonlocal`. The compiler gives every
 * class a cell `__class__` that its methods see: it is the class. */
static int32_t find_outside(struct names *n, int32_t scope, int32_t key, bool with_module)
{
    bool is_class_cell = with_module && strcmp(names_text(n, key).data, "__class__") == 0;
    bool sees_class = names_scope(n, scope)->kind == SCOPE_TYPE_PARAMETERS;
    for (scope = names_scope(n, scope)->parent; scope >= 0; scope = names_scope(n, scope)->parent) {
        enum scope_kind kind = names_scope(n, scope)->kind;
        bool is_visible = kind != SCOPE_CLASS || sees_class;
        sees_class = false;
        if (!spend_lookup(n))
            return -1;
        if (is_class_cell && kind == SCOPE_CLASS)
            return class_symbol(n, scope);
        if (!is_visible || (kind == SCOPE_MODULE && !with_module))
            continue;
        int32_t symbol = find_symbol(n, scope, key);
        if (symbol < 0)
            continue;
        const struct symbol *s = names_symbol_at(n, symbol);
        if ((s->flags & SYMBOL_IS_GLOBAL) != 0 && with_module) {
            int32_t global = find_symbol(n, 0, key);
            return global >= 0 && names_symbol_at(n, global)->n_sites > 0 ? global : -1;
        }
        if ((s->flags & SYMBOL_IS_NONLOCAL) != 0 && s->owner != symbol)
            return s->owner;
        if ((s->flags & SYMBOL_IS_GLOBAL) == 0 && s->n_sites > 0)
            return symbol;
    }
    return -1;
}

static int compare_sites(gconstpointer a, gconstpointer b)
{
    const struct site *left = a;
    const struct site *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    return (left->kind > right->kind) - (left->kind < right->kind);
}

static void sort_sites(struct names *n)
{
    for (guint i = 1; i < n->sites->len; i++) {
        if (compare_sites(&g_array_index(n->sites, struct site, i - 1), &g_array_index(n->sites, struct site, i)) > 0) {
            g_array_sort(n->sites, compare_sites);
            return;
        }
    }
}

static void count_site(struct names *n, int32_t ordinal)
{
    const struct site *site = &g_array_index(n->sites, struct site, ordinal);
    struct symbol *owner = names_symbol_at(n, names_symbol_at(n, site->symbol)->owner);
    if (owner->first_site < 0 || ordinal < owner->first_site)
        owner->first_site = ordinal;
    owner->bound_at = MIN(owner->bound_at, site->bound_at);
    owner->n_sites++;
    owner->n_type_only_sites += site->is_type_only;
    owner->n_other_sites += site->kind != SITE_DEFINITION && site->kind != SITE_IMPORT && site->kind != SITE_PARAMETER;
}

/* Bindings are few per file beside the nodes, but a scope's are met in no order of places. */
static int compare_bindings(gconstpointer a, gconstpointer b, gpointer data)
{
    const struct names *n = data;
    const struct symbol *left = names_symbol_at(n, *(const int32_t *)a);
    const struct symbol *right = names_symbol_at(n, *(const int32_t *)b);
    if (left->scope != right->scope)
        return left->scope < right->scope ? -1 : 1;
    return (left->first_site > right->first_site) - (left->first_site < right->first_site);
}

void names_resolve(struct names *n)
{
    sort_sites(n);
    guint n_symbols = n->symbols->len; /* global_of may add to the module's, which are plain */
    for (guint i = 0; i < n_symbols; i++) {
        if ((names_symbol_at(n, (int32_t)i)->flags & SYMBOL_IS_GLOBAL) != 0) {
            int32_t owner = global_of(n, (int32_t)i);
            names_symbol_at(n, (int32_t)i)->owner = owner;
        }
    }
    /* Sites of plain and global symbols first: they are what `nonlocal` finds. */
    for (guint i = 0; i < n->sites->len; i++) {
        const struct site *site = &g_array_index(n->sites, struct site, i);
        if ((names_symbol_at(n, site->symbol)->flags & SYMBOL_IS_NONLOCAL) == 0)
            count_site(n, (int32_t)i);
    }
    /* Scopes come parents first and symbols do not, so a chain of `nonlocal`s is followed by find_outside: the symbol
     * in between has no sites of its own and is passed over, or has an owner already. */
    for (guint i = 0; i < n_symbols && n->exhausted == NULL; i++) {
        struct symbol *s = names_symbol_at(n, (int32_t)i);
        if ((s->flags & (SYMBOL_IS_NONLOCAL | SYMBOL_IS_GLOBAL)) == SYMBOL_IS_NONLOCAL) {
            int32_t owner = find_outside(n, s->scope, s->key, /* with_module= */ false);
            s->owner = owner < 0 ? (int32_t)i : owner;
        }
    }
    for (guint i = 0; i < n->sites->len; i++) {
        const struct site *site = &g_array_index(n->sites, struct site, i);
        if ((names_symbol_at(n, site->symbol)->flags & SYMBOL_IS_NONLOCAL) != 0)
            count_site(n, (int32_t)i);
    }
    for (guint i = 0; i < n->symbols->len; i++) {
        int32_t symbol = (int32_t)i;
        if (names_symbol_at(n, symbol)->n_sites > 0)
            g_array_append_val(n->bindings, symbol);
    }
    g_array_sort_with_data(n->bindings, compare_bindings, n);
    for (guint i = 0; i < n->bindings->len; i++)
        names_symbol_at(n, g_array_index(n->bindings, int32_t, i))->binding = (int32_t)i;
}

int32_t names_meaning(struct names *n, int32_t symbol)
{
    struct symbol *s = names_symbol_at(n, symbol);
    if (s->meaning != SYMBOL_UNRESOLVED)
        return s->meaning;
    if (s->owner != symbol)
        s->meaning = names_symbol_at(n, s->owner)->n_sites > 0 ? s->owner : -1;
    else if (s->n_sites > 0)
        s->meaning = symbol;
    else
        s->meaning = find_outside(n, s->scope, s->key, /* with_module= */ true);
    return s->meaning;
}

int32_t names_read_meaning(struct names *n, int32_t symbol, uint32_t start)
{
    int32_t meaning = names_meaning(n, symbol);
    if (meaning != symbol)
        return meaning;
    const struct symbol *s = names_symbol_at(n, symbol);
    if (start >= s->bound_at || names_scope(n, s->scope)->kind != SCOPE_CLASS)
        return meaning;
    int32_t outside = find_outside(n, s->scope, s->key, /* with_module= */ true);
    return outside >= 0 || s->bound_at == SITE_NEVER_BOUND ? outside : meaning;
}

int32_t names_binding(const struct names *n, int32_t meaning)
{
    return meaning < 0 ? -1 : names_symbol_at(n, meaning)->binding;
}
