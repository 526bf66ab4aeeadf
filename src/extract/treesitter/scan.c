/* extract/treesitter/scan.c — one loop over the flat tree finds every fact of the libcst layer.
 *
 * When the loop meets a node, the node's scope and use are known; the node's own rule then records facts and gives
 * scope and use to its children. Most kinds follow the default rule: same scope, and children are loaded. A rule that
 * looks deeper than its children (parameters, comprehensions, imports) gives them out itself and marks the nodes in
 * between as settled.
 */
#include "extract/treesitter/facts.h"

#include <string.h>

void facts_init(struct facts *f, struct syntax *syntax)
{
    *f = (struct facts){.syntax = syntax};
    names_init(&f->names);
    f->defs = g_array_new(FALSE, FALSE, sizeof(struct def));
    f->params = g_array_new(FALSE, FALSE, sizeof(struct param));
    f->bases = g_array_new(FALSE, FALSE, sizeof(struct base));
    f->imports = g_array_new(FALSE, FALSE, sizeof(struct import));
    f->callsites = g_array_new(FALSE, FALSE, sizeof(struct callsite));
    f->refs = g_array_new(FALSE, FALSE, sizeof(struct ref));
    f->open_defs = g_array_new(FALSE, FALSE, sizeof(int32_t));
    f->duplicates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    f->scratch = g_string_new(NULL);
}

void facts_done(struct facts *f)
{
    if (f->defs == NULL)
        return;
    names_done(&f->names);
    g_array_unref(f->defs);
    g_array_unref(f->params);
    g_array_unref(f->bases);
    g_array_unref(f->imports);
    g_array_unref(f->callsites);
    g_array_unref(f->refs);
    g_array_unref(f->open_defs);
    g_hash_table_unref(f->duplicates);
    g_string_free(f->scratch, TRUE);
    *f = (struct facts){0};
}

static struct syntax_node *node_at(const struct facts *f, int32_t node)
{
    return &f->syntax->nodes[node];
}

static bool is_extra(const struct facts *f, int32_t node)
{
    return (node_at(f, node)->flags & SYNTAX_IS_EXTRA) != 0;
}

static bool is_named(const struct facts *f, int32_t node)
{
    return (node_at(f, node)->flags & (SYNTAX_IS_NAMED | SYNTAX_IS_EXTRA)) == SYNTAX_IS_NAMED;
}

/* An identifier that is there: error recovery puts in empty ones. */
static bool is_name(const struct facts *f, int32_t node)
{
    return syntax_is(f->syntax, node, SYNTAX_IDENTIFIER) && node_at(f, node)->end > node_at(f, node)->start;
}

static const char *text_at(const struct facts *f, int32_t node)
{
    return (const char *)f->syntax->text + node_at(f, node)->start;
}

static bool text_is(const struct facts *f, int32_t node, const char *text)
{
    size_t n_bytes = node_at(f, node)->end - node_at(f, node)->start;
    return strlen(text) == n_bytes && memcmp(text_at(f, node), text, n_bytes) == 0;
}

static void give(struct facts *f, int32_t node, int32_t scope, enum use use)
{
    if (node < 0)
        return;
    node_at(f, node)->scope = scope;
    node_at(f, node)->use = (uint8_t)use;
}

/* The node's children have got their scope and use already. */
static void settle(struct facts *f, int32_t node)
{
    if (node >= 0)
        node_at(f, node)->flags |= SYNTAX_IS_SETTLED;
}

static void give_children(struct facts *f, int32_t node, int32_t scope, enum use use)
{
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    give(f, c, scope, use);
}

static int32_t innermost_def(const struct facts *f)
{
    return f->open_defs->len == 0 ? -1 : g_array_index(f->open_defs, int32_t, f->open_defs->len - 1);
}

/* ---- names and attributes ------------------------------------------------------------------------------------- */

static enum ref_context context_of(enum use use)
{
    switch (use) {
    case USE_ASSIGN:
    case USE_AUGMENTED:
    case USE_FOR:
    case USE_WITH:
    case USE_WALRUS:
    case USE_TARGET:
    case USE_EXCEPT:
        return REF_STORE;
    case USE_DEL:
        return REF_DEL;
    default:
        return REF_LOAD;
    }
}

/* A walrus in a comprehension binds in the scope around all comprehensions (PEP 572). */
static int32_t walrus_scope(const struct facts *f, int32_t scope)
{
    while (names_scope(&f->names, scope)->kind == SCOPE_COMPREHENSION)
        scope = names_scope(&f->names, scope)->parent;
    return scope;
}

static void add_ref(struct facts *f, int32_t node, int32_t name, int32_t symbol, int32_t object,
                    enum ref_context context)
{
    struct ref ref = {node, name, symbol, object, context};
    g_array_append_val(f->refs, ref);
}

static void add_site(struct facts *f, int32_t scope, int32_t node, enum site_kind kind, int32_t target)
{
    const struct syntax_node *n = node_at(f, node);
    names_bind(&f->names, scope, names_of_node(&f->names, node), kind, target, n->start, n->end);
}

static void add_name(struct facts *f, int32_t node)
{
    struct syntax_node *n = node_at(f, node);
    enum use use = n->use;
    int32_t name = names_of_node(&f->names, node);
    n->head = node;
    if (use != USE_EXCEPT)
        add_ref(f, node, name, names_symbol(&f->names, n->scope, name), -1, context_of(use));

    static const int site_of[] = {
        [USE_LOAD] = -1,
        [USE_ASSIGN] = SITE_ASSIGNMENT,
        [USE_AUGMENTED] = SITE_AUGMENTED,
        [USE_FOR] = SITE_FOR,
        [USE_WITH] = SITE_WITH,
        [USE_WALRUS] = SITE_WALRUS,
        [USE_DEL] = SITE_DEL,
        [USE_TARGET] = -1,
        [USE_EXCEPT] = SITE_EXCEPT,
    };
    if (site_of[use] < 0)
        return;
    int32_t scope = use == USE_WALRUS ? walrus_scope(f, n->scope) : n->scope;
    names_bind(&f->names, scope, name, (enum site_kind)site_of[use], -1, n->start, n->end);
}

/* The name behind the dot. Its object was met before it, so whether that is a chain of names is known by now. */
static void add_attribute(struct facts *f, int32_t node)
{
    int32_t parent = node_at(f, node)->parent;
    int32_t object = -1;
    enum ref_context context = REF_LOAD;
    if (syntax_is(f->syntax, parent, SYNTAX_DOTTED_NAME)) {
        object = node_at(f, node)->head; /* the name before it, see visit_dotted_name */
        node_at(f, node)->head = object < 0 ? -1 : node_at(f, object)->head;
    } else if (syntax_is(f->syntax, parent, SYNTAX_ATTRIBUTE) || syntax_is(f->syntax, parent, SYNTAX_MEMBER_TYPE)) {
        object = syntax_strip(f->syntax, syntax_named_child(f->syntax, parent));
        node_at(f, parent)->head = object < 0 || object == node ? -1 : node_at(f, object)->head;
        context = context_of(node_at(f, parent)->use);
    }
    bool is_chain = object >= 0 && object != node && node_at(f, object)->head >= 0;
    add_ref(f, node, names_of_node(&f->names, node), -1, is_chain ? object : -1, context);
}

/* In an error node tokens stand without their statements: what follows `def`, `class`, `import`, `as`, `global` is no
 * use. */
static enum use use_in_error(const struct facts *f, int32_t node, int32_t previous)
{
    if (previous < 0 || !syntax_is(f->syntax, node, SYNTAX_IDENTIFIER))
        return USE_LOAD;
    switch (node_at(f, previous)->kind) {
    case SYNTAX_TOKEN_DEF:
    case SYNTAX_TOKEN_CLASS:
    case SYNTAX_TOKEN_IMPORT:
    case SYNTAX_TOKEN_AS:
    case SYNTAX_TOKEN_GLOBAL:
    case SYNTAX_TOKEN_NONLOCAL:
        return USE_NONE;
    case SYNTAX_TOKEN_DOT:
        return USE_ATTRIBUTE;
    default:
        return USE_LOAD;
    }
}

static void visit_error(struct facts *f, int32_t node)
{
    int32_t previous = -1;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        give(f, c, node_at(f, node)->scope, use_in_error(f, c, previous));
        if (!is_extra(f, c))
            previous = c;
    }
}

static void visit_identifier(struct facts *f, int32_t node)
{
    const struct syntax_node *n = node_at(f, node);
    if (!is_name(f, node) || n->use == USE_NONE)
        return;
    if (n->use == USE_ATTRIBUTE)
        add_attribute(f, node);
    else if (n->use == USE_CAPTURE || n->use == USE_PATTERN)
        add_site(f, n->scope, node, SITE_MATCH, -1);
    else
        add_name(f, node);
}

static void visit_attribute(struct facts *f, int32_t node)
{
    int32_t scope = node_at(f, node)->scope;
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        bool is_member = !is_first && syntax_is(f->syntax, c, SYNTAX_IDENTIFIER);
        give(f, c, scope, is_member ? USE_ATTRIBUTE : USE_LOAD);
        if (is_named(f, c))
            is_first = false;
    }
}

/* ---- calls ---------------------------------------------------------------------------------------------------- */

/* Where a link of a chain starts: behind the star when the grammar took one in (`*f(x)`). */
static uint32_t chain_start(struct facts *f, int32_t node)
{
    uint32_t start = node_at(f, node)->start;
    if (f->moved_from == start)
        return f->moved_to;
    if (f->syntax->text[start] != '*')
        return start;
    int32_t n = node;
    while (n >= 0 && !syntax_is(f->syntax, n, SYNTAX_LIST_SPLAT) && !syntax_is(f->syntax, n, SYNTAX_LIST_SPLAT_PATTERN))
        n = syntax_first_child(f->syntax, n);
    int32_t inner = n < 0 ? -1 : syntax_named_child(f->syntax, n);
    f->moved_from = start;
    f->moved_to = inner < 0 ? start : node_at(f, inner)->start;
    return f->moved_to;
}

/* What is between the parentheses of a call. */
static void count_arguments(const struct facts *f, int32_t arguments, struct callsite *call)
{
    if (syntax_is(f->syntax, arguments, SYNTAX_GENERATOR_EXPRESSION)) {
        call->n_args = 1;
        return;
    }
    SYNTAX_FOREACH_CHILD(f->syntax, arguments, c)
    {
        bool is_splat = syntax_is(f->syntax, c, SYNTAX_DICTIONARY_SPLAT);
        if (is_splat || syntax_is(f->syntax, c, SYNTAX_KEYWORD_ARGUMENT))
            call->n_keywords++;
        else if (is_named(f, c) && !syntax_is(f->syntax, c, SYNTAX_ERROR))
            call->n_args++;
    }
}

static void visit_call(struct facts *f, int32_t node)
{
    give_children(f, node, node_at(f, node)->scope, USE_LOAD);
    int32_t function = syntax_child(f->syntax, node, SYNTAX_FIELD_FUNCTION);
    int32_t arguments = syntax_child(f->syntax, node, SYNTAX_FIELD_ARGUMENTS);
    if (function < 0 || arguments < 0)
        return;
    int32_t callee = syntax_strip(f->syntax, function);
    struct callsite call = {
        .node = node,
        .callee = callee,
        .container = innermost_def(f),
        .start = chain_start(f, node),
        .callee_start = chain_start(f, callee),
    };
    count_arguments(f, arguments, &call);
    g_array_append_val(f->callsites, call);
}

static void visit_keyword_argument(struct facts *f, int32_t node)
{
    give_children(f, node, node_at(f, node)->scope, USE_LOAD);
    give(f, syntax_child(f->syntax, node, SYNTAX_FIELD_NAME), node_at(f, node)->scope, USE_NONE);
}

/* `print x` and `exec x` of Python 2: to Python 3 these are names like others. The keyword is the first token. */
static void visit_keyword_statement(struct facts *f, int32_t node, enum syntax_kind token)
{
    int32_t scope = node_at(f, node)->scope;
    give_children(f, node, scope, USE_LOAD);
    int32_t first = syntax_first_child(f->syntax, node);
    if (syntax_is(f->syntax, first, token) && node_at(f, first)->end > node_at(f, first)->start)
        add_name(f, first);
}

/* ---- definitions ---------------------------------------------------------------------------------------------- */

/* Parameters of type_parameters `[T: bound, *Ts, **P]`; their bounds are evaluated in the scope that they open. */
static void add_type_parameters(struct facts *f, int32_t list, int32_t scope)
{
    settle(f, list);
    give_children(f, list, scope, USE_LOAD);
    SYNTAX_FOREACH_CHILD(f->syntax, list, c)
    {
        int32_t parameter = syntax_is(f->syntax, c, SYNTAX_TYPE) ? syntax_named_child(f->syntax, c) : -1;
        int32_t holder = c;
        if (syntax_is(f->syntax, parameter, SYNTAX_CONSTRAINED_TYPE)) {
            settle(f, c);
            give(f, parameter, scope, USE_LOAD);
            settle(f, parameter);
            give_children(f, parameter, scope, USE_LOAD);
            holder = syntax_named_child(f->syntax, parameter);
            parameter = holder < 0 ? -1 : syntax_named_child(f->syntax, holder);
        }
        if (syntax_is(f->syntax, parameter, SYNTAX_SPLAT_TYPE)) {
            settle(f, holder);
            give(f, parameter, scope, USE_LOAD);
            holder = parameter;
            parameter = syntax_named_child(f->syntax, parameter);
        }
        if (!is_name(f, parameter))
            continue;
        settle(f, holder);
        give(f, parameter, scope, USE_NONE);
        add_site(f, scope, parameter, SITE_TYPE_PARAMETER, -1);
    }
}

/* Scopes of what a parameter list mentions. */
struct param_scopes {
    int32_t body;
    int32_t annotation;
    int32_t value;
};

/* Record the parameter in node `p` (identifier, default, typed, starred); its name is bound in the body. */
static void add_param(struct facts *f, int32_t p, int32_t name, const char *kind, int32_t position,
                      const struct param_scopes *scopes)
{
    int32_t annotation = -1;
    int32_t value = -1;
    if (p != name) {
        settle(f, p);
        give_children(f, p, scopes->body, USE_NONE);
        annotation = syntax_child(f->syntax, p, SYNTAX_FIELD_TYPE);
        value = syntax_child(f->syntax, p, SYNTAX_FIELD_VALUE);
        give(f, annotation, scopes->annotation, USE_LOAD);
        give(f, value, scopes->value, USE_LOAD);
    }
    give(f, name, scopes->body, USE_NONE);
    struct param param = {
        .scope = scopes->body,
        .position = position,
        .name_node = name,
        .name = names_of_node(&f->names, name),
        .annotation = annotation,
        .value = value,
        .kind = kind,
    };
    g_array_append_val(f->params, param);
    add_site(f, scopes->body, name, SITE_PARAMETER, (int32_t)f->params->len - 1);
}

/* The name's token in a parameter, past stars; -1: there is none (Python 2's tuples, errors). */
static int32_t param_name(struct facts *f, int32_t p, bool *ret_is_star, bool *ret_is_double_star)
{
    enum syntax_kind kind = node_at(f, p)->kind;
    if (kind == SYNTAX_IDENTIFIER)
        return p;
    if (kind == SYNTAX_LIST_SPLAT_PATTERN || kind == SYNTAX_DICTIONARY_SPLAT_PATTERN) {
        *ret_is_star = kind == SYNTAX_LIST_SPLAT_PATTERN;
        *ret_is_double_star = kind == SYNTAX_DICTIONARY_SPLAT_PATTERN;
        int32_t name = syntax_named_child(f->syntax, p);
        return syntax_is(f->syntax, name, SYNTAX_IDENTIFIER) ? name : -1;
    }
    if (kind == SYNTAX_DEFAULT_PARAMETER || kind == SYNTAX_TYPED_DEFAULT_PARAMETER) {
        int32_t name = syntax_child(f->syntax, p, SYNTAX_FIELD_NAME);
        return syntax_is(f->syntax, name, SYNTAX_IDENTIFIER) ? name : -1;
    }
    if (kind != SYNTAX_TYPED_PARAMETER)
        return -1;
    int32_t inner = syntax_named_child(f->syntax, p);
    if (inner < 0 || syntax_is(f->syntax, inner, SYNTAX_TYPED_PARAMETER))
        return -1;
    int32_t name = param_name(f, inner, ret_is_star, ret_is_double_star);
    if (name >= 0 && name != inner) {
        settle(f, inner);
        give_children(f, inner, node_at(f, p)->scope, USE_NONE);
    }
    return name;
}

static void add_params(struct facts *f, int32_t list, const struct param_scopes *scopes)
{
    settle(f, list);
    int32_t position = 0;
    bool is_keyword_only = false;
    guint first = f->params->len;
    SYNTAX_FOREACH_CHILD(f->syntax, list, c)
    {
        give(f, c, scopes->value, USE_LOAD);
        bool is_star = false;
        bool is_double_star = false;
        int32_t name = is_named(f, c) ? param_name(f, c, &is_star, &is_double_star) : -1;
        if (syntax_is(f->syntax, c, SYNTAX_KEYWORD_SEPARATOR))
            is_keyword_only = true;
        if (syntax_is(f->syntax, c, SYNTAX_POSITIONAL_SEPARATOR))
            for (guint i = first; i < f->params->len; i++)
                g_array_index(f->params, struct param, i).kind = "positional_only";
        if (syntax_is(f->syntax, c, SYNTAX_TUPLE_PATTERN))
            give(f, c, scopes->body, USE_ASSIGN);
        if (!is_name(f, name))
            continue;
        const char *kind = is_star           ? "var_positional"
                           : is_double_star  ? "var_keyword"
                           : is_keyword_only ? "keyword_only"
                                             : "positional_or_keyword";
        add_param(f, c, name, kind, position++, scopes);
        is_keyword_only |= is_star;
    }
}

static void visit_lambda(struct facts *f, int32_t node)
{
    int32_t outer = node_at(f, node)->scope;
    struct rows_str qualname = names_qualify(&f->names, outer, rows_str_of("<lambda>"));
    int32_t scope = names_add_scope(&f->names, SCOPE_LAMBDA, outer, node, -1, qualname, -1);
    give_children(f, node, outer, USE_LOAD);
    give(f, syntax_child(f->syntax, node, SYNTAX_FIELD_BODY), scope, USE_LOAD);
    int32_t params = syntax_child(f->syntax, node, SYNTAX_FIELD_PARAMETERS);
    if (params >= 0)
        add_params(f, params, &(struct param_scopes){.body = scope, .annotation = outer, .value = outer});
}

/* A string literal without interpolations that is no bytes literal. */
static bool is_plain_string(const struct facts *f, int32_t node)
{
    if (!syntax_is(f->syntax, node, SYNTAX_STRING))
        return false;
    int32_t start = syntax_first_child(f->syntax, node);
    if (!syntax_is(f->syntax, start, SYNTAX_STRING_START))
        return false;
    const char *prefix = text_at(f, start);
    size_t n_bytes = node_at(f, start)->end - node_at(f, start)->start;
    for (size_t i = 0; i < n_bytes; i++)
        if (memchr("bBfFtT`", prefix[i], 7) != NULL)
            return false;
    return true;
}

static int32_t find_docstring(const struct facts *f, int32_t body)
{
    int32_t statement = body < 0 ? -1 : syntax_named_child(f->syntax, body);
    if (!syntax_is(f->syntax, statement, SYNTAX_EXPRESSION_STATEMENT))
        return -1;
    int32_t n_named = 0;
    SYNTAX_FOREACH_CHILD(f->syntax, statement, c)
    {
        if (syntax_is(f->syntax, c, SYNTAX_TOKEN_COMMA))
            return -1;
        n_named += is_named(f, c);
    }
    int32_t expression = n_named == 1 ? syntax_named_child(f->syntax, statement) : -1;
    while (syntax_is(f->syntax, expression, SYNTAX_PARENTHESIZED_EXPRESSION))
        expression = syntax_named_child(f->syntax, expression);
    if (syntax_is(f->syntax, expression, SYNTAX_CONCATENATED_STRING)) {
        SYNTAX_FOREACH_CHILD(f->syntax, expression, c)
        {
            if (is_named(f, c) && !is_plain_string(f, c))
                return -1;
        }
        return expression;
    }
    return is_plain_string(f, expression) ? expression : -1;
}

static bool has_blocks(enum syntax_kind kind)
{
    switch (kind) {
    case SYNTAX_BLOCK:
    case SYNTAX_CASE_CLAUSE:
    case SYNTAX_CLASS_DEFINITION:
    case SYNTAX_DECORATED_DEFINITION:
    case SYNTAX_ELIF_CLAUSE:
    case SYNTAX_ELSE_CLAUSE:
    case SYNTAX_EXCEPT_CLAUSE:
    case SYNTAX_FINALLY_CLAUSE:
    case SYNTAX_FOR_STATEMENT:
    case SYNTAX_FUNCTION_DEFINITION:
    case SYNTAX_IF_STATEMENT:
    case SYNTAX_MATCH_STATEMENT:
    case SYNTAX_TRY_STATEMENT:
    case SYNTAX_WHILE_STATEMENT:
    case SYNTAX_WITH_STATEMENT:
        return true;
    default:
        return false;
    }
}

/* The end of the last statement, with its `;` but without the comments that the grammar's blocks take in. */
static uint32_t end_of_statement(const struct facts *f, int32_t node)
{
    while (has_blocks(node_at(f, node)->kind)) {
        int32_t last = -1;
        SYNTAX_FOREACH_CHILD(f->syntax, node, c)
        {
            const struct syntax_node *child = node_at(f, c);
            if (!is_extra(f, c) && child->end > child->start)
                last = c;
        }
        if (last < 0)
            break;
        node = last;
    }
    return node_at(f, node)->end;
}

static enum method_kind method_of(const struct facts *f, int32_t decorated, struct rows_str name)
{
    static const char *const class_methods[] = {"__new__", "__init_subclass__", "__class_getitem__"};
    if (decorated >= 0) {
        SYNTAX_FOREACH_CHILD(f->syntax, decorated, c)
        {
            int32_t expression = syntax_is(f->syntax, c, SYNTAX_DECORATOR) ? syntax_named_child(f->syntax, c) : -1;
            if (!syntax_is(f->syntax, expression, SYNTAX_IDENTIFIER))
                continue;
            if (text_is(f, expression, "staticmethod"))
                return METHOD_STATIC;
            if (text_is(f, expression, "classmethod"))
                return METHOD_CLASS;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(class_methods); i++)
        if (strcmp(name.data, class_methods[i]) == 0)
            return METHOD_CLASS;
    return METHOD_INSTANCE;
}

/* The definition's place in `open_defs` is taken at its decorators, which come before it. */
static void open_def(struct facts *f)
{
    int32_t ordinal = (int32_t)f->defs->len;
    g_array_append_val(f->open_defs, ordinal);
}

static void close_defs(struct facts *f, int32_t node)
{
    while (f->open_defs->len > 0) {
        int32_t ordinal = innermost_def(f);
        if (ordinal >= (int32_t)f->defs->len)
            return; /* still at its decorators */
        int32_t open = g_array_index(f->defs, struct def, ordinal).node;
        if (node_at(f, open)->next > node)
            return;
        g_array_set_size(f->open_defs, f->open_defs->len - 1);
    }
}

static void visit_decorated(struct facts *f, int32_t node)
{
    give_children(f, node, node_at(f, node)->scope, USE_LOAD);
    int32_t definition = syntax_child(f->syntax, node, SYNTAX_FIELD_DEFINITION);
    bool is_whole = syntax_is(f->syntax, definition, SYNTAX_FUNCTION_DEFINITION) ||
                    syntax_is(f->syntax, definition, SYNTAX_CLASS_DEFINITION);
    if (is_whole && is_name(f, syntax_child(f->syntax, definition, SYNTAX_FIELD_NAME)))
        open_def(f);
}

/* CPython's compiler_set_qualname: a name that its scope declares global has no prefix. */
static struct rows_str def_qualname(struct facts *f, int32_t scope, int32_t name)
{
    int32_t symbol = names_symbol(&f->names, scope, name);
    if ((names_symbol_at(&f->names, symbol)->flags & SYMBOL_IS_GLOBAL) != 0)
        return names_text(&f->names, name);
    return names_qualify(&f->names, scope, names_text(&f->names, name));
}

static void add_bases(struct facts *f, int32_t def, int32_t list, int32_t scope)
{
    int32_t position = 0;
    SYNTAX_FOREACH_CHILD(f->syntax, list, c)
    {
        if (!is_named(f, c) || syntax_is(f->syntax, c, SYNTAX_KEYWORD_ARGUMENT) ||
            syntax_is(f->syntax, c, SYNTAX_DICTIONARY_SPLAT) || syntax_is(f->syntax, c, SYNTAX_ERROR))
            continue;
        int32_t node = c;
        while (syntax_is(f->syntax, node, SYNTAX_PARENTHESIZED_EXPRESSION) && syntax_named_child(f->syntax, node) >= 0)
            node = syntax_named_child(f->syntax, node);
        struct base base = {def, position++, node, scope};
        g_array_append_val(f->bases, base);
    }
}

static void visit_definition(struct facts *f, int32_t node)
{
    struct syntax *s = f->syntax;
    int32_t outer = node_at(f, node)->scope;
    bool is_class = syntax_is(s, node, SYNTAX_CLASS_DEFINITION);
    int32_t name_node = syntax_child(s, node, SYNTAX_FIELD_NAME);
    give_children(f, node, outer, USE_LOAD);
    if (!is_name(f, name_node))
        return;

    int32_t parent = node_at(f, node)->parent;
    bool is_decorated =
        syntax_is(s, parent, SYNTAX_DECORATED_DEFINITION) && node_at(f, node)->field == SYNTAX_FIELD_DEFINITION;
    if (!is_decorated)
        open_def(f);
    int32_t ordinal = (int32_t)f->defs->len;
    int32_t name = names_of_node(&f->names, name_node);
    struct def def = {
        .node = node,
        .name_node = name_node,
        .name = name,
        .container = f->open_defs->len < 2 ? -1 : g_array_index(f->open_defs, int32_t, f->open_defs->len - 2),
        .scope = outer,
        .docstring = find_docstring(f, syntax_child(s, node, SYNTAX_FIELD_BODY)),
        .full_start = node_at(f, is_decorated ? parent : node)->start,
        .end = end_of_statement(f, node),
        .qualname = def_qualname(f, outer, name),
        .method = method_of(f, is_decorated ? parent : -1, names_text(&f->names, name)),
        .is_class = is_class,
        .is_async = !is_class && syntax_is(s, syntax_first_child(s, node), SYNTAX_TOKEN_ASYNC),
    };
    if (is_decorated) {
        SYNTAX_FOREACH_CHILD(s, parent, c)
        def.n_decorators += syntax_is(s, c, SYNTAX_DECORATOR);
    }

    int32_t header = outer; /* where annotations and bases are evaluated */
    int32_t type_parameters = syntax_child(s, node, SYNTAX_FIELD_TYPE_PARAMETERS);
    if (type_parameters >= 0) {
        struct rows_str text = names_text(&f->names, name);
        g_string_printf(f->scratch, "<generic parameters of %s>", text.data);
        struct rows_str generic = {f->scratch->str, (int64_t)f->scratch->len};
        int32_t id = names_of_text(&f->names, generic.data, (size_t)generic.n_bytes);
        struct rows_str qualname = names_qualify(&f->names, outer, names_text(&f->names, id));
        header = names_add_scope(&f->names, SCOPE_TYPE_PARAMETERS, outer, node, -1, qualname, is_class ? name : -1);
        add_type_parameters(f, type_parameters, header);
    }
    def.body_scope = names_add_scope(&f->names, is_class ? SCOPE_CLASS : SCOPE_FUNCTION, header, node, ordinal,
                                     def.qualname, is_class ? name : -1);
    g_array_append_val(f->defs, def);
    give(f, name_node, outer, USE_NONE);
    add_site(f, outer, name_node, SITE_DEFINITION, ordinal);
    give(f, syntax_child(s, node, SYNTAX_FIELD_BODY), def.body_scope, USE_LOAD);
    give(f, syntax_child(s, node, SYNTAX_FIELD_RETURN_TYPE), header, USE_LOAD);
    int32_t superclasses = syntax_child(s, node, SYNTAX_FIELD_SUPERCLASSES);
    if (superclasses >= 0) {
        give(f, superclasses, header, USE_LOAD);
        add_bases(f, ordinal, superclasses, header);
    }
    int32_t params = syntax_child(s, node, SYNTAX_FIELD_PARAMETERS);
    if (params >= 0)
        add_params(f, params, &(struct param_scopes){.body = def.body_scope, .annotation = header, .value = outer});
}

/* `type(x).y = 1`, which the grammar reads as an alias of `(x).y`: `target` starts with the arguments of a call of
 * `type`, whose name is the statement's first token. */
static bool is_type_call(struct facts *f, int32_t statement, int32_t target)
{
    int32_t keyword = syntax_first_child(f->syntax, statement);
    int32_t arguments = target;
    while (syntax_is(f->syntax, arguments, SYNTAX_ATTRIBUTE) || syntax_is(f->syntax, arguments, SYNTAX_SUBSCRIPT) ||
           syntax_is(f->syntax, arguments, SYNTAX_CALL))
        arguments = syntax_first_child(f->syntax, arguments);
    bool is_call = syntax_is(f->syntax, arguments, SYNTAX_PARENTHESIZED_EXPRESSION) ||
                   syntax_is(f->syntax, arguments, SYNTAX_TUPLE) ||
                   syntax_is(f->syntax, arguments, SYNTAX_GENERATOR_EXPRESSION);
    if (!is_call || keyword < 0 || !text_is(f, keyword, "type"))
        return false;
    node_at(f, keyword)->kind = SYNTAX_IDENTIFIER;
    node_at(f, arguments)->flags |= SYNTAX_IS_TYPE_CALL;
    f->moved_from = node_at(f, arguments)->start;
    f->moved_to = node_at(f, keyword)->start;
    f->type_keyword = keyword;
    return true;
}

static void add_type_call(struct facts *f, int32_t arguments)
{
    struct callsite call = {
        .node = arguments,
        .callee = f->type_keyword,
        .container = innermost_def(f),
        .start = f->moved_to,
        .callee_start = f->moved_to,
    };
    count_arguments(f, arguments, &call);
    g_array_append_val(f->callsites, call);
}

static void visit_type_alias(struct facts *f, int32_t node)
{
    int32_t outer = node_at(f, node)->scope;
    give_children(f, node, outer, USE_LOAD);
    int32_t left = syntax_child(f->syntax, node, SYNTAX_FIELD_LEFT);
    int32_t target = left < 0 ? -1 : syntax_named_child(f->syntax, left);
    if (syntax_is(f->syntax, target, SYNTAX_CONSTRAINED_TYPE)) { /* `type(x).y: int = 1` */
        int32_t inner = syntax_named_child(f->syntax, target);
        settle(f, left);
        settle(f, target);
        give_children(f, target, outer, USE_LOAD);
        left = inner;
        target = inner < 0 ? -1 : syntax_named_child(f->syntax, inner);
    }
    if (target < 0)
        return;
    if (is_type_call(f, node, target)) {
        settle(f, left);
        give(f, target, outer, USE_ASSIGN);
        return;
    }
    settle(f, left);
    give(f, target, outer, USE_ASSIGN);
    int32_t list = -1;
    if (syntax_is(f->syntax, target, SYNTAX_GENERIC_TYPE)) {
        settle(f, target);
        give_children(f, target, outer, USE_ASSIGN);
        SYNTAX_FOREACH_CHILD(f->syntax, target, c)
        {
            if (syntax_is(f->syntax, c, SYNTAX_TYPE_PARAMETER))
                list = c;
        }
    }
    if (list < 0)
        return;
    int32_t name_node = syntax_named_child(f->syntax, target);
    struct rows_str text = names_text(&f->names, names_of_node(&f->names, name_node));
    g_string_printf(f->scratch, "<generic parameters of %s>", text.data);
    int32_t id = names_of_text(&f->names, f->scratch->str, f->scratch->len);
    struct rows_str qualname = names_qualify(&f->names, outer, names_text(&f->names, id));
    int32_t scope = names_add_scope(&f->names, SCOPE_TYPE_PARAMETERS, outer, node, -1, qualname, -1);
    add_type_parameters(f, list, scope);
    give(f, list, scope, USE_LOAD);
    give(f, syntax_child(f->syntax, node, SYNTAX_FIELD_RIGHT), scope, USE_LOAD);
}

/* ---- comprehensions ------------------------------------------------------------------------------------------- */

static void visit_comprehension(struct facts *f, int32_t node, const char *name)
{
    int32_t outer = node_at(f, node)->scope;
    struct rows_str qualname = names_qualify(&f->names, outer, rows_str_of(name));
    int32_t scope = names_add_scope(&f->names, SCOPE_COMPREHENSION, outer, node, -1, qualname, -1);
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        give(f, c, scope, USE_LOAD);
        if (is_first && syntax_is(f->syntax, c, SYNTAX_FOR_IN_CLAUSE)) {
            node_at(f, c)->flags |= SYNTAX_IS_FIRST_FOR;
            is_first = false;
        }
    }
}

static void visit_for_in_clause(struct facts *f, int32_t node)
{
    int32_t scope = node_at(f, node)->scope;
    int32_t outer = names_scope(&f->names, scope)->parent;
    bool is_first = (node_at(f, node)->flags & SYNTAX_IS_FIRST_FOR) != 0;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum syntax_field field = node_at(f, c)->field;
        bool is_iterable = is_first && field == SYNTAX_FIELD_RIGHT;
        give(f, c, is_iterable ? outer : scope, field == SYNTAX_FIELD_LEFT ? USE_FOR : USE_LOAD);
    }
}

/* ---- imports, global, nonlocal -------------------------------------------------------------------------------- */

static int32_t count_dots(const struct facts *f, int32_t prefix)
{
    int32_t n = 0;
    for (uint32_t i = node_at(f, prefix)->start; i < node_at(f, prefix)->end; i++)
        n += f->syntax->text[i] == '.';
    return n;
}

static void add_import(struct facts *f, struct import import)
{
    if (syntax_is(f->syntax, import.node, SYNTAX_ALIASED_IMPORT)) {
        import.name = syntax_child(f->syntax, import.node, SYNTAX_FIELD_NAME);
        import.alias = syntax_child(f->syntax, import.node, SYNTAX_FIELD_ALIAS);
        settle(f, import.node);
        give_children(f, import.node, import.scope, USE_NONE);
        if (!is_name(f, import.alias))
            return;
    }
    int32_t first = import.name < 0 ? -1 : syntax_named_child(f->syntax, import.name);
    bool is_star = syntax_is(f->syntax, import.node, SYNTAX_WILDCARD_IMPORT);
    if (!is_star && !is_name(f, first))
        return;
    g_array_append_val(f->imports, import);
    int32_t ordinal = (int32_t)f->imports->len - 1;
    if (!is_star)
        add_site(f, import.scope, import.alias >= 0 ? import.alias : first, SITE_IMPORT, ordinal);
}

static void visit_import(struct facts *f, int32_t node)
{
    enum syntax_kind kind = node_at(f, node)->kind;
    struct import import = {
        .scope = node_at(f, node)->scope,
        .statement = node,
        .module = -1,
        .is_from = kind != SYNTAX_IMPORT_STATEMENT,
        .is_future = kind == SYNTAX_FUTURE_IMPORT_STATEMENT,
    };
    give_children(f, node, import.scope, USE_NONE);
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        if (node_at(f, c)->field == SYNTAX_FIELD_MODULE_NAME && is_named(f, c)) {
            import.module = c;
            if (!syntax_is(f->syntax, c, SYNTAX_RELATIVE_IMPORT))
                continue;
            settle(f, c);
            import.module = -1;
            SYNTAX_FOREACH_CHILD(f->syntax, c, part)
            {
                if (syntax_is(f->syntax, part, SYNTAX_IMPORT_PREFIX))
                    import.level = count_dots(f, part);
                else if (syntax_is(f->syntax, part, SYNTAX_DOTTED_NAME))
                    import.module = part;
                give(f, part, import.scope, USE_NONE);
            }
        } else if (syntax_is(f->syntax, c, SYNTAX_DOTTED_NAME) || syntax_is(f->syntax, c, SYNTAX_ALIASED_IMPORT) ||
                   syntax_is(f->syntax, c, SYNTAX_WILDCARD_IMPORT)) {
            import.node = c;
            import.name = syntax_is(f->syntax, c, SYNTAX_DOTTED_NAME) ? c : -1;
            import.alias = -1;
            add_import(f, import);
        }
    }
}

static void visit_declaration(struct facts *f, int32_t node, enum symbol_flag flag)
{
    int32_t scope = node_at(f, node)->scope;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        give(f, c, scope, USE_NONE);
        if (is_name(f, c))
            names_declare(&f->names, scope, names_of_node(&f->names, c), flag);
    }
}

/* ---- targets and patterns ------------------------------------------------------------------------------------- */

/* `(x): int` binds nothing when it has no value; `x: int` does. */
static bool is_bare_annotation(const struct facts *f, int32_t node, int32_t left)
{
    bool is_parenthesized = false;
    if (syntax_is(f->syntax, left, SYNTAX_PARENTHESIZED_EXPRESSION))
        is_parenthesized = true;
    if (syntax_is(f->syntax, left, SYNTAX_TUPLE_PATTERN)) {
        is_parenthesized = true;
        SYNTAX_FOREACH_CHILD(f->syntax, left, c)
        {
            if (syntax_is(f->syntax, c, SYNTAX_TOKEN_COMMA))
                is_parenthesized = false;
        }
    }
    return is_parenthesized && syntax_child(f->syntax, node, SYNTAX_FIELD_TYPE) >= 0 &&
           syntax_child(f->syntax, node, SYNTAX_FIELD_RIGHT) < 0;
}

/* The children in `field` are targets, the others are loaded. */
static void visit_target(struct facts *f, int32_t node, enum syntax_field field, enum use use)
{
    int32_t scope = node_at(f, node)->scope;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    give(f, c, scope, node_at(f, c)->field == field ? use : USE_LOAD);
}

static void visit_assignment(struct facts *f, int32_t node)
{
    int32_t left = syntax_child(f->syntax, node, SYNTAX_FIELD_LEFT);
    bool is_bare = left >= 0 && is_bare_annotation(f, node, left);
    visit_target(f, node, SYNTAX_FIELD_LEFT, is_bare ? USE_TARGET : USE_ASSIGN);
}

/* A tuple, list or pair of parentheses around targets or expressions. */
static void visit_collection(struct facts *f, int32_t node)
{
    enum use use = node_at(f, node)->use;
    give_children(f, node, node_at(f, node)->scope, use <= USE_PATTERN ? use : USE_LOAD);
}

static void visit_as_pattern(struct facts *f, int32_t node)
{
    int32_t scope = node_at(f, node)->scope;
    bool is_case = node_at(f, node)->use == USE_PATTERN;
    bool is_except = syntax_is(f->syntax, node_at(f, node)->parent, SYNTAX_EXCEPT_CLAUSE);
    bool is_behind_as = false;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum use target = is_case ? USE_CAPTURE : is_except ? USE_EXCEPT : USE_WITH;
        give(f, c, scope, is_behind_as ? target : is_case ? USE_PATTERN : USE_LOAD);
        is_behind_as |= syntax_is(f->syntax, c, SYNTAX_TOKEN_AS);
    }
}

/* In a pattern `x` captures and `_` does not; `a.b`, and the class of a class pattern, are expressions. */
static void visit_dotted_name(struct facts *f, int32_t node)
{
    int32_t scope = node_at(f, node)->scope;
    enum use use = node_at(f, node)->use;
    int32_t n_names = 0;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    n_names += syntax_is(f->syntax, c, SYNTAX_IDENTIFIER);
    bool is_capture = use == USE_PATTERN && n_names == 1;
    int32_t previous = -1;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum use part = use == USE_NONE ? USE_NONE : is_capture ? USE_CAPTURE : previous < 0 ? USE_LOAD : USE_ATTRIBUTE;
        if (syntax_is(f->syntax, c, SYNTAX_IDENTIFIER)) {
            if ((node_at(f, c)->flags & SYNTAX_IS_MISSING) == 0) /* whose head says what is missing */
                node_at(f, c)->head = previous;
            previous = c;
            if (part == USE_CAPTURE && text_is(f, c, "_"))
                part = USE_NONE;
        }
        give(f, c, scope, part);
    }
}

static void visit_class_pattern(struct facts *f, int32_t node)
{
    int32_t scope = node_at(f, node)->scope;
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        give(f, c, scope, is_first && syntax_is(f->syntax, c, SYNTAX_DOTTED_NAME) ? USE_LOAD : USE_PATTERN);
        if (is_named(f, c))
            is_first = false;
    }
}

/* `key=pattern`, `*rest`, `**rest` */
static void visit_pattern_with_name(struct facts *f, int32_t node, enum use use_of_name)
{
    int32_t scope = node_at(f, node)->scope;
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum use use = is_first && is_name(f, c) ? use_of_name : USE_PATTERN;
        give(f, c, scope, use == USE_CAPTURE && text_is(f, c, "_") ? USE_NONE : use);
        if (is_named(f, c))
            is_first = false;
    }
}

static void visit_case_clause(struct facts *f, int32_t node)
{
    int32_t scope = node_at(f, node)->scope;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    give(f, c, scope, syntax_is(f->syntax, c, SYNTAX_CASE_PATTERN) ? USE_PATTERN : USE_LOAD);
}

/* `{x:=5}` in an f-string is x with the format `=5`, not a walrus. */
static void visit_interpolation(struct facts *f, int32_t node)
{
    int32_t scope = node_at(f, node)->scope;
    give_children(f, node, scope, USE_LOAD);
    int32_t expression = syntax_child(f->syntax, node, SYNTAX_FIELD_EXPRESSION);
    if (!syntax_is(f->syntax, expression, SYNTAX_NAMED_EXPRESSION))
        return;
    settle(f, expression);
    int32_t name = syntax_child(f->syntax, expression, SYNTAX_FIELD_NAME);
    for (int32_t i = expression + 1; i < node_at(f, expression)->next; i++) {
        give(f, i, scope, i == name ? USE_LOAD : USE_NONE);
        if (i != name)
            settle(f, i);
    }
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

static void visit(struct facts *f, int32_t node)
{
    struct syntax_node *n = node_at(f, node);
    if ((n->flags & SYNTAX_IS_SETTLED) != 0)
        return;
    if ((n->flags & SYNTAX_IS_TYPE_CALL) != 0)
        add_type_call(f, node);
    switch ((enum syntax_kind)n->kind) {
    case SYNTAX_IDENTIFIER:
        visit_identifier(f, node);
        break;
    case SYNTAX_ATTRIBUTE:
    case SYNTAX_MEMBER_TYPE:
        visit_attribute(f, node);
        break;
    case SYNTAX_CALL:
        visit_call(f, node);
        break;
    case SYNTAX_KEYWORD_ARGUMENT:
        visit_keyword_argument(f, node);
        break;
    case SYNTAX_PRINT_STATEMENT:
        visit_keyword_statement(f, node, SYNTAX_TOKEN_PRINT);
        break;
    case SYNTAX_EXEC_STATEMENT:
        visit_keyword_statement(f, node, SYNTAX_TOKEN_EXEC);
        break;
    case SYNTAX_DECORATED_DEFINITION:
        visit_decorated(f, node);
        break;
    case SYNTAX_FUNCTION_DEFINITION:
    case SYNTAX_CLASS_DEFINITION:
        visit_definition(f, node);
        break;
    case SYNTAX_LAMBDA:
        visit_lambda(f, node);
        break;
    case SYNTAX_TYPE_ALIAS_STATEMENT:
        visit_type_alias(f, node);
        break;
    case SYNTAX_LIST_COMPREHENSION:
        visit_comprehension(f, node, "<listcomp>");
        break;
    case SYNTAX_SET_COMPREHENSION:
        visit_comprehension(f, node, "<setcomp>");
        break;
    case SYNTAX_DICTIONARY_COMPREHENSION:
        visit_comprehension(f, node, "<dictcomp>");
        break;
    case SYNTAX_GENERATOR_EXPRESSION:
        visit_comprehension(f, node, "<genexpr>");
        break;
    case SYNTAX_FOR_IN_CLAUSE:
        visit_for_in_clause(f, node);
        break;
    case SYNTAX_FOR_STATEMENT:
        visit_target(f, node, SYNTAX_FIELD_LEFT, USE_FOR);
        break;
    case SYNTAX_IMPORT_STATEMENT:
    case SYNTAX_IMPORT_FROM_STATEMENT:
    case SYNTAX_FUTURE_IMPORT_STATEMENT:
        visit_import(f, node);
        break;
    case SYNTAX_GLOBAL_STATEMENT:
        visit_declaration(f, node, SYMBOL_IS_GLOBAL);
        break;
    case SYNTAX_NONLOCAL_STATEMENT:
        visit_declaration(f, node, SYMBOL_IS_NONLOCAL);
        break;
    case SYNTAX_ASSIGNMENT:
        visit_assignment(f, node);
        break;
    case SYNTAX_AUGMENTED_ASSIGNMENT:
        visit_target(f, node, SYNTAX_FIELD_LEFT, USE_AUGMENTED);
        break;
    case SYNTAX_NAMED_EXPRESSION:
        visit_target(f, node, SYNTAX_FIELD_NAME, USE_WALRUS);
        break;
    case SYNTAX_EXCEPT_CLAUSE:
        visit_target(f, node, SYNTAX_FIELD_ALIAS, USE_EXCEPT);
        break;
    case SYNTAX_DELETE_STATEMENT:
        give_children(f, node, n->scope, USE_DEL);
        break;
    case SYNTAX_AS_PATTERN:
        visit_as_pattern(f, node);
        break;
    case SYNTAX_CASE_CLAUSE:
        visit_case_clause(f, node);
        break;
    case SYNTAX_CLASS_PATTERN:
        visit_class_pattern(f, node);
        break;
    case SYNTAX_KEYWORD_PATTERN:
        visit_pattern_with_name(f, node, USE_NONE);
        break;
    case SYNTAX_SPLAT_PATTERN:
        visit_pattern_with_name(f, node, USE_CAPTURE);
        break;
    case SYNTAX_DOTTED_NAME:
        visit_dotted_name(f, node);
        break;
    case SYNTAX_INTERPOLATION:
        visit_interpolation(f, node);
        break;
    case SYNTAX_ERROR:
        visit_error(f, node);
        break;
    case SYNTAX_AS_PATTERN_TARGET:
    case SYNTAX_CASE_PATTERN:
    case SYNTAX_DICT_PATTERN:
    case SYNTAX_EXPRESSION_LIST:
    case SYNTAX_LIST:
    case SYNTAX_LIST_PATTERN:
    case SYNTAX_LIST_SPLAT:
    case SYNTAX_LIST_SPLAT_PATTERN:
    case SYNTAX_PARENTHESIZED_EXPRESSION:
    case SYNTAX_PATTERN_LIST:
    case SYNTAX_TUPLE:
    case SYNTAX_TUPLE_PATTERN:
    case SYNTAX_UNION_PATTERN:
        visit_collection(f, node);
        break;
    default:
        give_children(f, node, n->scope, USE_LOAD);
        break;
    }
}

/* That a name is global decides the qualified name of a definition; Python wants `global` above it, so one loop is
 * enough. */
void facts_scan(struct facts *f)
{
    names_clear(&f->names, f->syntax);
    g_array_set_size(f->defs, 0);
    g_array_set_size(f->params, 0);
    g_array_set_size(f->bases, 0);
    g_array_set_size(f->imports, 0);
    g_array_set_size(f->callsites, 0);
    g_array_set_size(f->refs, 0);
    g_array_set_size(f->open_defs, 0);
    f->moved_from = UINT32_MAX;

    int32_t module = names_add_scope(&f->names, SCOPE_MODULE, -1, 0, -1, rows_str_of(""), -1);
    give(f, 0, module, USE_LOAD);
    for (int32_t i = 0; i < f->syntax->n_nodes && f->names.exhausted == NULL; i++) {
        if (f->open_defs->len > 0)
            close_defs(f, i);
        visit(f, i);
    }
    if (f->names.exhausted == NULL)
        names_resolve(&f->names);
}
