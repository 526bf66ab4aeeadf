/* extract/treesitter/definitions.c — functions, classes, lambdas and type aliases: what they define, their parameters,
 * bases and type parameters, and the scope that each part of their head is evaluated in.
 */
#include "extract/treesitter/definitions.h"

#include <string.h>

#include "extract/treesitter/scan.h"

/* Parameters of type_parameters `[T: bound, *Ts, **P]`; their bounds are evaluated in the scope that they open. */
static void add_type_parameters(struct facts *f, int32_t list, int32_t scope)
{
    scan_settle(f, list);
    scan_give_children(f, list, scope, USE_LOAD);
    SYNTAX_FOREACH_CHILD(f->syntax, list, c)
    {
        int32_t parameter = syntax_is(f->syntax, c, SYNTAX_TYPE) ? syntax_named_child(f->syntax, c) : -1;
        int32_t holder = c;
        if (syntax_is(f->syntax, parameter, SYNTAX_CONSTRAINED_TYPE)) {
            scan_settle(f, c);
            scan_give(f, parameter, scope, USE_LOAD);
            scan_settle(f, parameter);
            scan_give_children(f, parameter, scope, USE_LOAD);
            holder = syntax_named_child(f->syntax, parameter);
            parameter = holder < 0 ? -1 : syntax_named_child(f->syntax, holder);
        }
        if (syntax_is(f->syntax, parameter, SYNTAX_SPLAT_TYPE)) {
            scan_settle(f, holder);
            scan_give(f, parameter, scope, USE_LOAD);
            holder = parameter;
            parameter = syntax_named_child(f->syntax, parameter);
        }
        if (!scan_is_name(f, parameter))
            continue;
        scan_settle(f, holder);
        scan_give(f, parameter, scope, USE_NONE);
        scan_add_site(f, scope, parameter, SITE_TYPE_PARAMETER, -1);
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
        scan_settle(f, p);
        scan_give_children(f, p, scopes->body, USE_NONE);
        annotation = syntax_child(f->syntax, p, SYNTAX_FIELD_TYPE);
        value = syntax_child(f->syntax, p, SYNTAX_FIELD_VALUE);
        scan_give(f, annotation, scopes->annotation, USE_LOAD);
        scan_give(f, value, scopes->value, USE_LOAD);
    }
    scan_give(f, name, scopes->body, USE_NONE);
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
    scan_add_site(f, scopes->body, name, SITE_PARAMETER, (int32_t)f->params->len - 1);
}

/* The name's token in a parameter, past stars; -1: there is none (Python 2's tuples, errors). */
static int32_t param_name(struct facts *f, int32_t p, bool *ret_is_star, bool *ret_is_double_star)
{
    enum syntax_kind kind = scan_node(f, p)->kind;
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
        scan_settle(f, inner);
        scan_give_children(f, inner, scan_node(f, p)->scope, USE_NONE);
    }
    return name;
}

static void add_params(struct facts *f, int32_t list, const struct param_scopes *scopes)
{
    scan_settle(f, list);
    int32_t position = 0;
    bool is_keyword_only = false;
    guint first = f->params->len;
    SYNTAX_FOREACH_CHILD(f->syntax, list, c)
    {
        scan_give(f, c, scopes->value, USE_LOAD);
        bool is_star = false;
        bool is_double_star = false;
        int32_t name = scan_is_named(f, c) ? param_name(f, c, &is_star, &is_double_star) : -1;
        if (syntax_is(f->syntax, c, SYNTAX_KEYWORD_SEPARATOR))
            is_keyword_only = true;
        if (syntax_is(f->syntax, c, SYNTAX_POSITIONAL_SEPARATOR))
            for (guint i = first; i < f->params->len; i++)
                g_array_index(f->params, struct param, i).kind = "positional_only";
        if (syntax_is(f->syntax, c, SYNTAX_TUPLE_PATTERN))
            scan_give(f, c, scopes->body, USE_ASSIGN);
        if (!scan_is_name(f, name))
            continue;
        const char *kind = is_star           ? "var_positional"
                           : is_double_star  ? "var_keyword"
                           : is_keyword_only ? "keyword_only"
                                             : "positional_or_keyword";
        add_param(f, c, name, kind, position++, scopes);
        is_keyword_only |= is_star;
    }
}

void definitions_visit_lambda(struct facts *f, int32_t node)
{
    int32_t outer = scan_node(f, node)->scope;
    struct rows_str qualname = names_qualify(&f->names, outer, rows_str_of("<lambda>"));
    int32_t scope = names_add_scope(&f->names, SCOPE_LAMBDA, outer, node, -1, qualname, -1);
    scan_give_children(f, node, outer, USE_LOAD);
    scan_give(f, syntax_child(f->syntax, node, SYNTAX_FIELD_BODY), scope, USE_LOAD);
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
    const char *prefix = scan_text(f, start);
    size_t n_bytes = scan_node(f, start)->end - scan_node(f, start)->start;
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
        n_named += scan_is_named(f, c);
    }
    int32_t expression = n_named == 1 ? syntax_named_child(f->syntax, statement) : -1;
    while (syntax_is(f->syntax, expression, SYNTAX_PARENTHESIZED_EXPRESSION))
        expression = syntax_named_child(f->syntax, expression);
    if (syntax_is(f->syntax, expression, SYNTAX_CONCATENATED_STRING)) {
        SYNTAX_FOREACH_CHILD(f->syntax, expression, c)
        {
            if (scan_is_named(f, c) && !is_plain_string(f, c))
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
    while (has_blocks(scan_node(f, node)->kind)) {
        int32_t last = -1;
        SYNTAX_FOREACH_CHILD(f->syntax, node, c)
        {
            const struct syntax_node *child = scan_node(f, c);
            if (!scan_is_extra(f, c) && child->end > child->start)
                last = c;
        }
        if (last < 0)
            break;
        node = last;
    }
    return scan_node(f, node)->end;
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
            if (scan_text_is(f, expression, "staticmethod"))
                return METHOD_STATIC;
            if (scan_text_is(f, expression, "classmethod"))
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

void definitions_close(struct facts *f, int32_t node)
{
    while (f->open_defs->len > 0) {
        int32_t ordinal = scan_innermost_def(f);
        if (ordinal >= (int32_t)f->defs->len)
            return; /* still at its decorators */
        int32_t open = g_array_index(f->defs, struct def, ordinal).node;
        if (scan_node(f, open)->next > node)
            return;
        g_array_set_size(f->open_defs, f->open_defs->len - 1);
    }
}

void definitions_visit_decorated(struct facts *f, int32_t node)
{
    scan_give_children(f, node, scan_node(f, node)->scope, USE_LOAD);
    int32_t definition = syntax_child(f->syntax, node, SYNTAX_FIELD_DEFINITION);
    bool is_whole = syntax_is(f->syntax, definition, SYNTAX_FUNCTION_DEFINITION) ||
                    syntax_is(f->syntax, definition, SYNTAX_CLASS_DEFINITION);
    if (is_whole && scan_is_name(f, syntax_child(f->syntax, definition, SYNTAX_FIELD_NAME)))
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
        if (!scan_is_named(f, c) || syntax_is(f->syntax, c, SYNTAX_KEYWORD_ARGUMENT) ||
            syntax_is(f->syntax, c, SYNTAX_DICTIONARY_SPLAT) || syntax_is(f->syntax, c, SYNTAX_ERROR))
            continue;
        int32_t node = c;
        while (syntax_is(f->syntax, node, SYNTAX_PARENTHESIZED_EXPRESSION) && syntax_named_child(f->syntax, node) >= 0)
            node = syntax_named_child(f->syntax, node);
        struct base base = {def, position++, node, scope};
        g_array_append_val(f->bases, base);
    }
}

void definitions_visit(struct facts *f, int32_t node)
{
    struct syntax *s = f->syntax;
    int32_t outer = scan_node(f, node)->scope;
    bool is_class = syntax_is(s, node, SYNTAX_CLASS_DEFINITION);
    int32_t name_node = syntax_child(s, node, SYNTAX_FIELD_NAME);
    scan_give_children(f, node, outer, USE_LOAD);
    if (!scan_is_name(f, name_node))
        return;

    int32_t parent = scan_node(f, node)->parent;
    bool is_decorated =
        syntax_is(s, parent, SYNTAX_DECORATED_DEFINITION) && scan_node(f, node)->field == SYNTAX_FIELD_DEFINITION;
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
        .full_start = scan_node(f, is_decorated ? parent : node)->start,
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
    scan_give(f, name_node, outer, USE_NONE);
    struct site site = {
        .kind = SITE_DEFINITION,
        .target = ordinal,
        .start = scan_node(f, name_node)->start,
        .end = scan_node(f, name_node)->end,
        .bound_at = scan_node(f, node)->end,
    };
    names_bind(&f->names, outer, name, site);
    scan_give(f, syntax_child(s, node, SYNTAX_FIELD_BODY), def.body_scope, USE_LOAD);
    scan_give(f, syntax_child(s, node, SYNTAX_FIELD_RETURN_TYPE), header, USE_LOAD);
    int32_t superclasses = syntax_child(s, node, SYNTAX_FIELD_SUPERCLASSES);
    if (superclasses >= 0) {
        scan_give(f, superclasses, header, USE_LOAD);
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
    if (!is_call || keyword < 0 || !scan_text_is(f, keyword, "type"))
        return false;
    scan_node(f, keyword)->kind = SYNTAX_IDENTIFIER;
    scan_node(f, arguments)->flags |= SYNTAX_IS_TYPE_CALL;
    f->moved_from = scan_node(f, arguments)->start;
    f->moved_to = scan_node(f, keyword)->start;
    f->type_keyword = keyword;
    return true;
}

void definitions_visit_type_alias(struct facts *f, int32_t node)
{
    int32_t outer = scan_node(f, node)->scope;
    scan_give_children(f, node, outer, USE_LOAD);
    int32_t left = syntax_child(f->syntax, node, SYNTAX_FIELD_LEFT);
    int32_t target = left < 0 ? -1 : syntax_named_child(f->syntax, left);
    if (syntax_is(f->syntax, target, SYNTAX_CONSTRAINED_TYPE)) { /* `type(x).y: int = 1` */
        int32_t inner = syntax_named_child(f->syntax, target);
        scan_settle(f, left);
        scan_settle(f, target);
        scan_give_children(f, target, outer, USE_LOAD);
        left = inner;
        target = inner < 0 ? -1 : syntax_named_child(f->syntax, inner);
    }
    if (target < 0)
        return;
    f->assigned_at = scan_node(f, node)->end;
    if (is_type_call(f, node, target)) {
        scan_settle(f, left);
        scan_give(f, target, outer, USE_ASSIGN);
        return;
    }
    scan_settle(f, left);
    scan_give(f, target, outer, USE_ASSIGN);
    int32_t list = -1;
    if (syntax_is(f->syntax, target, SYNTAX_GENERIC_TYPE)) {
        scan_settle(f, target);
        scan_give_children(f, target, outer, USE_ASSIGN);
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
    scan_give(f, list, scope, USE_LOAD);
    scan_give(f, syntax_child(f->syntax, node, SYNTAX_FIELD_RIGHT), scope, USE_LOAD);
}
