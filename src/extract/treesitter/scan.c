/* extract/treesitter/scan.c — one loop over the flat tree finds every fact of the libcst layer.
 *
 * When the loop meets a node, the node's scope and use are known; the node's own rule then records facts and gives
 * scope and use to its children. Most kinds follow the default rule: same scope, and children are loaded. A rule that
 * looks deeper than its children (parameters, comprehensions, imports) gives them out itself and marks the nodes in
 * between as settled. The rules of definitions are in definitions.c.
 */
#include "extract/treesitter/facts.h"

#include "extract/treesitter/definitions.h"
#include "extract/treesitter/scan.h"

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

static void add_name(struct facts *f, int32_t node)
{
    struct syntax_node *n = scan_node(f, node);
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
    struct site site = {
        .kind = (enum site_kind)site_of[use],
        .target = -1,
        .start = n->start,
        .end = n->end,
        .bound_at = use == USE_ASSIGN ? MAX(n->end, f->assigned_at) : n->end,
    };
    names_bind(&f->names, scope, name, site);
}

/* The name behind the dot. Its object was met before it, so whether that is a chain of names is known by now. */
static void add_attribute(struct facts *f, int32_t node)
{
    int32_t parent = scan_node(f, node)->parent;
    int32_t object = -1;
    enum ref_context context = REF_LOAD;
    if (syntax_is(f->syntax, parent, SYNTAX_DOTTED_NAME)) {
        object = scan_node(f, node)->head; /* the name before it, see visit_dotted_name */
        scan_node(f, node)->head = object < 0 ? -1 : scan_node(f, object)->head;
    } else if (syntax_is(f->syntax, parent, SYNTAX_ATTRIBUTE) || syntax_is(f->syntax, parent, SYNTAX_MEMBER_TYPE)) {
        object = syntax_strip(f->syntax, syntax_named_child(f->syntax, parent));
        scan_node(f, parent)->head = object < 0 || object == node ? -1 : scan_node(f, object)->head;
        context = context_of(scan_node(f, parent)->use);
    }
    bool is_chain = object >= 0 && object != node && scan_node(f, object)->head >= 0;
    add_ref(f, node, names_of_node(&f->names, node), -1, is_chain ? object : -1, context);
}

/* In an error node tokens stand without their statements: what follows `def`, `class`, `import`, `as`, `global` is no
 * use. */
static enum use use_in_error(const struct facts *f, int32_t node, int32_t previous)
{
    if (previous < 0 || !syntax_is(f->syntax, node, SYNTAX_IDENTIFIER))
        return USE_LOAD;
    switch (scan_node(f, previous)->kind) {
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
        scan_give(f, c, scan_node(f, node)->scope, use_in_error(f, c, previous));
        if (!scan_is_extra(f, c))
            previous = c;
    }
}

static void visit_identifier(struct facts *f, int32_t node)
{
    const struct syntax_node *n = scan_node(f, node);
    if (!scan_is_name(f, node) || n->use == USE_NONE)
        return;
    if (n->use == USE_ATTRIBUTE)
        add_attribute(f, node);
    else if (n->use == USE_CAPTURE || n->use == USE_PATTERN)
        scan_add_site(f, n->scope, node, SITE_MATCH, -1);
    else
        add_name(f, node);
}

static void visit_attribute(struct facts *f, int32_t node)
{
    int32_t scope = scan_node(f, node)->scope;
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        bool is_member = !is_first && syntax_is(f->syntax, c, SYNTAX_IDENTIFIER);
        scan_give(f, c, scope, is_member ? USE_ATTRIBUTE : USE_LOAD);
        if (scan_is_named(f, c))
            is_first = false;
    }
}

/* ---- calls ---------------------------------------------------------------------------------------------------- */

/* Where a link of a chain starts: behind the star when the grammar took one in (`*f(x)`). */
static uint32_t chain_start(struct facts *f, int32_t node)
{
    uint32_t start = scan_node(f, node)->start;
    if (f->moved_from == start)
        return f->moved_to;
    if (f->syntax->text[start] != '*')
        return start;
    int32_t n = node;
    while (n >= 0 && !syntax_is(f->syntax, n, SYNTAX_LIST_SPLAT) && !syntax_is(f->syntax, n, SYNTAX_LIST_SPLAT_PATTERN))
        n = syntax_first_child(f->syntax, n);
    int32_t inner = n < 0 ? -1 : syntax_named_child(f->syntax, n);
    f->moved_from = start;
    f->moved_to = inner < 0 ? start : scan_node(f, inner)->start;
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
        else if (scan_is_named(f, c) && !syntax_is(f->syntax, c, SYNTAX_ERROR))
            call->n_args++;
    }
}

static void visit_call(struct facts *f, int32_t node)
{
    scan_give_children(f, node, scan_node(f, node)->scope, USE_LOAD);
    int32_t function = syntax_child(f->syntax, node, SYNTAX_FIELD_FUNCTION);
    int32_t arguments = syntax_child(f->syntax, node, SYNTAX_FIELD_ARGUMENTS);
    if (function < 0 || arguments < 0)
        return;
    int32_t callee = syntax_strip(f->syntax, function);
    struct callsite call = {
        .node = node,
        .callee = callee,
        .container = scan_innermost_def(f),
        .start = chain_start(f, node),
        .callee_start = chain_start(f, callee),
    };
    count_arguments(f, arguments, &call);
    g_array_append_val(f->callsites, call);
}

/* The parenthesis of `type(x).y = 1`, see definitions.c. */
static void add_type_call(struct facts *f, int32_t arguments)
{
    struct callsite call = {
        .node = arguments,
        .callee = f->type_keyword,
        .container = scan_innermost_def(f),
        .start = f->moved_to,
        .callee_start = f->moved_to,
    };
    count_arguments(f, arguments, &call);
    g_array_append_val(f->callsites, call);
}

static void visit_keyword_argument(struct facts *f, int32_t node)
{
    scan_give_children(f, node, scan_node(f, node)->scope, USE_LOAD);
    scan_give(f, syntax_child(f->syntax, node, SYNTAX_FIELD_NAME), scan_node(f, node)->scope, USE_NONE);
}

/* `print x` and `exec x` of Python 2: to Python 3 these are names like others. The keyword is the first token. */
static void visit_keyword_statement(struct facts *f, int32_t node, enum syntax_kind token)
{
    int32_t scope = scan_node(f, node)->scope;
    scan_give_children(f, node, scope, USE_LOAD);
    int32_t first = syntax_first_child(f->syntax, node);
    if (syntax_is(f->syntax, first, token) && scan_node(f, first)->end > scan_node(f, first)->start)
        add_name(f, first);
}

/* ---- comprehensions ------------------------------------------------------------------------------------------- */

static void visit_comprehension(struct facts *f, int32_t node, const char *name)
{
    int32_t outer = scan_node(f, node)->scope;
    struct rows_str qualname = names_qualify(&f->names, outer, rows_str_of(name));
    int32_t scope = names_add_scope(&f->names, SCOPE_COMPREHENSION, outer, node, -1, qualname, -1);
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        scan_give(f, c, scope, USE_LOAD);
        if (is_first && syntax_is(f->syntax, c, SYNTAX_FOR_IN_CLAUSE)) {
            scan_node(f, c)->flags |= SYNTAX_IS_FIRST_FOR;
            is_first = false;
        }
    }
}

static void visit_for_in_clause(struct facts *f, int32_t node)
{
    int32_t scope = scan_node(f, node)->scope;
    int32_t outer = names_scope(&f->names, scope)->parent;
    bool is_first = (scan_node(f, node)->flags & SYNTAX_IS_FIRST_FOR) != 0;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum syntax_field field = scan_node(f, c)->field;
        bool is_iterable = is_first && field == SYNTAX_FIELD_RIGHT;
        scan_give(f, c, is_iterable ? outer : scope, field == SYNTAX_FIELD_LEFT ? USE_FOR : USE_LOAD);
    }
}

/* ---- imports, global, nonlocal -------------------------------------------------------------------------------- */

static int32_t count_dots(const struct facts *f, int32_t prefix)
{
    int32_t n = 0;
    for (uint32_t i = scan_node(f, prefix)->start; i < scan_node(f, prefix)->end; i++)
        n += f->syntax->text[i] == '.';
    return n;
}

static void add_import(struct facts *f, struct import import)
{
    if (syntax_is(f->syntax, import.node, SYNTAX_ALIASED_IMPORT)) {
        import.name = syntax_child(f->syntax, import.node, SYNTAX_FIELD_NAME);
        import.alias = syntax_child(f->syntax, import.node, SYNTAX_FIELD_ALIAS);
        scan_settle(f, import.node);
        scan_give_children(f, import.node, import.scope, USE_NONE);
        if (!scan_is_name(f, import.alias))
            return;
    }
    int32_t first = import.name < 0 ? -1 : syntax_named_child(f->syntax, import.name);
    bool is_star = syntax_is(f->syntax, import.node, SYNTAX_WILDCARD_IMPORT);
    if (!is_star && !scan_is_name(f, first))
        return;
    g_array_append_val(f->imports, import);
    int32_t ordinal = (int32_t)f->imports->len - 1;
    if (!is_star)
        scan_add_site(f, import.scope, import.alias >= 0 ? import.alias : first, SITE_IMPORT, ordinal);
}

static void visit_import(struct facts *f, int32_t node)
{
    enum syntax_kind kind = scan_node(f, node)->kind;
    struct import import = {
        .scope = scan_node(f, node)->scope,
        .statement = node,
        .module = -1,
        .is_from = kind != SYNTAX_IMPORT_STATEMENT,
        .is_future = kind == SYNTAX_FUTURE_IMPORT_STATEMENT,
    };
    scan_give_children(f, node, import.scope, USE_NONE);
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        if (scan_node(f, c)->field == SYNTAX_FIELD_MODULE_NAME && scan_is_named(f, c)) {
            import.module = c;
            if (!syntax_is(f->syntax, c, SYNTAX_RELATIVE_IMPORT))
                continue;
            scan_settle(f, c);
            import.module = -1;
            SYNTAX_FOREACH_CHILD(f->syntax, c, part)
            {
                if (syntax_is(f->syntax, part, SYNTAX_IMPORT_PREFIX))
                    import.level = count_dots(f, part);
                else if (syntax_is(f->syntax, part, SYNTAX_DOTTED_NAME))
                    import.module = part;
                scan_give(f, part, import.scope, USE_NONE);
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
    int32_t scope = scan_node(f, node)->scope;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        scan_give(f, c, scope, USE_NONE);
        if (scan_is_name(f, c))
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
    int32_t scope = scan_node(f, node)->scope;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    scan_give(f, c, scope, scan_node(f, c)->field == field ? use : USE_LOAD);
}

static void visit_assignment(struct facts *f, int32_t node)
{
    int32_t left = syntax_child(f->syntax, node, SYNTAX_FIELD_LEFT);
    bool is_bare = left >= 0 && is_bare_annotation(f, node, left);
    bool has_value = syntax_child(f->syntax, node, SYNTAX_FIELD_RIGHT) >= 0;
    f->assigned_at = has_value ? scan_node(f, node)->end : SITE_NEVER_BOUND;
    visit_target(f, node, SYNTAX_FIELD_LEFT, is_bare ? USE_TARGET : USE_ASSIGN);
}

/* A tuple, list or pair of parentheses around targets or expressions. */
static void visit_collection(struct facts *f, int32_t node)
{
    enum use use = scan_node(f, node)->use;
    scan_give_children(f, node, scan_node(f, node)->scope, use <= USE_PATTERN ? use : USE_LOAD);
}

static void visit_as_pattern(struct facts *f, int32_t node)
{
    int32_t scope = scan_node(f, node)->scope;
    bool is_case = scan_node(f, node)->use == USE_PATTERN;
    bool is_except = syntax_is(f->syntax, scan_node(f, node)->parent, SYNTAX_EXCEPT_CLAUSE);
    bool is_behind_as = false;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum use target = is_case ? USE_CAPTURE : is_except ? USE_EXCEPT : USE_WITH;
        scan_give(f, c, scope, is_behind_as ? target : is_case ? USE_PATTERN : USE_LOAD);
        is_behind_as |= syntax_is(f->syntax, c, SYNTAX_TOKEN_AS);
    }
}

/* In a pattern `x` captures and `_` does not; `a.b`, and the class of a class pattern, are expressions. */
static void visit_dotted_name(struct facts *f, int32_t node)
{
    int32_t scope = scan_node(f, node)->scope;
    enum use use = scan_node(f, node)->use;
    int32_t n_names = 0;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    n_names += syntax_is(f->syntax, c, SYNTAX_IDENTIFIER);
    bool is_capture = use == USE_PATTERN && n_names == 1;
    int32_t previous = -1;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum use part = use == USE_NONE ? USE_NONE : is_capture ? USE_CAPTURE : previous < 0 ? USE_LOAD : USE_ATTRIBUTE;
        if (syntax_is(f->syntax, c, SYNTAX_IDENTIFIER)) {
            if ((scan_node(f, c)->flags & SYNTAX_IS_MISSING) == 0) /* whose head says what is missing */
                scan_node(f, c)->head = previous;
            previous = c;
            if (part == USE_CAPTURE && scan_text_is(f, c, "_"))
                part = USE_NONE;
        }
        scan_give(f, c, scope, part);
    }
}

static void visit_class_pattern(struct facts *f, int32_t node)
{
    int32_t scope = scan_node(f, node)->scope;
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        scan_give(f, c, scope, is_first && syntax_is(f->syntax, c, SYNTAX_DOTTED_NAME) ? USE_LOAD : USE_PATTERN);
        if (scan_is_named(f, c))
            is_first = false;
    }
}

/* `key=pattern`, `*rest`, `**rest` */
static void visit_pattern_with_name(struct facts *f, int32_t node, enum use use_of_name)
{
    int32_t scope = scan_node(f, node)->scope;
    bool is_first = true;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        enum use use = is_first && scan_is_name(f, c) ? use_of_name : USE_PATTERN;
        scan_give(f, c, scope, use == USE_CAPTURE && scan_text_is(f, c, "_") ? USE_NONE : use);
        if (scan_is_named(f, c))
            is_first = false;
    }
}

static void visit_case_clause(struct facts *f, int32_t node)
{
    int32_t scope = scan_node(f, node)->scope;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    scan_give(f, c, scope, syntax_is(f->syntax, c, SYNTAX_CASE_PATTERN) ? USE_PATTERN : USE_LOAD);
}

/* `{x:=5}` in an f-string is x with the format `=5`, not a walrus. */
static void visit_interpolation(struct facts *f, int32_t node)
{
    int32_t scope = scan_node(f, node)->scope;
    scan_give_children(f, node, scope, USE_LOAD);
    int32_t expression = syntax_child(f->syntax, node, SYNTAX_FIELD_EXPRESSION);
    if (!syntax_is(f->syntax, expression, SYNTAX_NAMED_EXPRESSION))
        return;
    scan_settle(f, expression);
    int32_t name = syntax_child(f->syntax, expression, SYNTAX_FIELD_NAME);
    for (int32_t i = expression + 1; i < scan_node(f, expression)->next; i++) {
        scan_give(f, i, scope, i == name ? USE_LOAD : USE_NONE);
        if (i != name)
            scan_settle(f, i);
    }
}

/* `if TYPE_CHECKING:` and `if typing.TYPE_CHECKING:`. */
static void visit_if(struct facts *f, int32_t node)
{
    scan_give_children(f, node, scan_node(f, node)->scope, USE_LOAD);
    int32_t name = syntax_named_child(f->syntax, node);
    if (syntax_is(f->syntax, name, SYNTAX_ATTRIBUTE)) {
        int32_t last = -1;
        SYNTAX_FOREACH_CHILD(f->syntax, name, c)
        last = c;
        name = last;
    }
    if (!syntax_is(f->syntax, name, SYNTAX_IDENTIFIER) || !scan_text_is(f, name, "TYPE_CHECKING"))
        return;
    SYNTAX_FOREACH_CHILD(f->syntax, node, c)
    {
        if (syntax_is(f->syntax, c, SYNTAX_BLOCK))
            f->names.type_only_end = MAX(f->names.type_only_end, scan_node(f, c)->end);
    }
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

static void visit(struct facts *f, int32_t node)
{
    struct syntax_node *n = scan_node(f, node);
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
        definitions_visit_decorated(f, node);
        break;
    case SYNTAX_FUNCTION_DEFINITION:
    case SYNTAX_CLASS_DEFINITION:
        definitions_visit(f, node);
        break;
    case SYNTAX_LAMBDA:
        definitions_visit_lambda(f, node);
        break;
    case SYNTAX_TYPE_ALIAS_STATEMENT:
        definitions_visit_type_alias(f, node);
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
    case SYNTAX_IF_STATEMENT:
        visit_if(f, node);
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
        scan_give_children(f, node, n->scope, USE_DEL);
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
        scan_give_children(f, node, n->scope, USE_LOAD);
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
    scan_give(f, 0, module, USE_LOAD);
    for (int32_t i = 0; i < f->syntax->n_nodes && f->names.exhausted == NULL; i++) {
        if (f->open_defs->len > 0)
            definitions_close(f, i);
        visit(f, i);
    }
    if (f->names.exhausted == NULL)
        names_resolve(&f->names);
}
