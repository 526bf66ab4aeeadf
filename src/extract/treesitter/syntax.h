/* extract/treesitter/syntax.h — the parsed file as one flat array of nodes in pre-order. Private to the room.
 *
 * Node i's first child is i + 1 when next[i] > i + 1; its next sibling is next[i] while that is below its parent's
 * next. A loop from 0 to n meets every parent before its children and every token in source order: scan.c hands scope
 * and use down from parent to child that way and needs no stack.
 */
#ifndef CA_EXTRACT_TREESITTER_SYNTAX_H
#define CA_EXTRACT_TREESITTER_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>
#include <tree_sitter/api.h>

#include "base/error.h"
#include "extract/treesitter/treesitter.h"
#include "repo/repo.h"
#include "rows/rows_value.h"

/* Kinds of node that the libcst layer knows: X(NAME, "name in the grammar"). */
#define SYNTAX_NAMED_KINDS(X)                               \
    X(ALIASED_IMPORT, "aliased_import")                     \
    X(ARGUMENT_LIST, "argument_list")                       \
    X(AS_PATTERN, "as_pattern")                             \
    X(AS_PATTERN_TARGET, "as_pattern_target")               \
    X(ASSIGNMENT, "assignment")                             \
    X(ATTRIBUTE, "attribute")                               \
    X(AUGMENTED_ASSIGNMENT, "augmented_assignment")         \
    X(BLOCK, "block")                                       \
    X(CALL, "call")                                         \
    X(CASE_CLAUSE, "case_clause")                           \
    X(CASE_PATTERN, "case_pattern")                         \
    X(CLASS_DEFINITION, "class_definition")                 \
    X(CLASS_PATTERN, "class_pattern")                       \
    X(CONCATENATED_STRING, "concatenated_string")           \
    X(CONSTRAINED_TYPE, "constrained_type")                 \
    X(DECORATED_DEFINITION, "decorated_definition")         \
    X(DECORATOR, "decorator")                               \
    X(DEFAULT_PARAMETER, "default_parameter")               \
    X(DELETE_STATEMENT, "delete_statement")                 \
    X(DICT_PATTERN, "dict_pattern")                         \
    X(DICTIONARY_COMPREHENSION, "dictionary_comprehension") \
    X(DICTIONARY_SPLAT, "dictionary_splat")                 \
    X(DICTIONARY_SPLAT_PATTERN, "dictionary_splat_pattern") \
    X(DOTTED_NAME, "dotted_name")                           \
    X(ELIF_CLAUSE, "elif_clause")                           \
    X(ELSE_CLAUSE, "else_clause")                           \
    X(EXCEPT_CLAUSE, "except_clause")                       \
    X(EXEC_STATEMENT, "exec_statement")                     \
    X(EXPRESSION_LIST, "expression_list")                   \
    X(EXPRESSION_STATEMENT, "expression_statement")         \
    X(FINALLY_CLAUSE, "finally_clause")                     \
    X(FOR_IN_CLAUSE, "for_in_clause")                       \
    X(FOR_STATEMENT, "for_statement")                       \
    X(FUNCTION_DEFINITION, "function_definition")           \
    X(FUTURE_IMPORT_STATEMENT, "future_import_statement")   \
    X(GENERATOR_EXPRESSION, "generator_expression")         \
    X(GENERIC_TYPE, "generic_type")                         \
    X(GLOBAL_STATEMENT, "global_statement")                 \
    X(IDENTIFIER, "identifier")                             \
    X(IF_STATEMENT, "if_statement")                         \
    X(IMPORT_FROM_STATEMENT, "import_from_statement")       \
    X(IMPORT_PREFIX, "import_prefix")                       \
    X(IMPORT_STATEMENT, "import_statement")                 \
    X(INTERPOLATION, "interpolation")                       \
    X(KEYWORD_ARGUMENT, "keyword_argument")                 \
    X(KEYWORD_PATTERN, "keyword_pattern")                   \
    X(KEYWORD_SEPARATOR, "keyword_separator")               \
    X(LAMBDA, "lambda")                                     \
    X(LAMBDA_PARAMETERS, "lambda_parameters")               \
    X(LIST, "list")                                         \
    X(LIST_COMPREHENSION, "list_comprehension")             \
    X(LIST_PATTERN, "list_pattern")                         \
    X(LIST_SPLAT, "list_splat")                             \
    X(LIST_SPLAT_PATTERN, "list_splat_pattern")             \
    X(MATCH_STATEMENT, "match_statement")                   \
    X(MEMBER_TYPE, "member_type")                           \
    X(MODULE, "module")                                     \
    X(NAMED_EXPRESSION, "named_expression")                 \
    X(NONLOCAL_STATEMENT, "nonlocal_statement")             \
    X(PARAMETERS, "parameters")                             \
    X(PARENTHESIZED_EXPRESSION, "parenthesized_expression") \
    X(PATTERN_LIST, "pattern_list")                         \
    X(POSITIONAL_SEPARATOR, "positional_separator")         \
    X(PRINT_STATEMENT, "print_statement")                   \
    X(RELATIVE_IMPORT, "relative_import")                   \
    X(SET_COMPREHENSION, "set_comprehension")               \
    X(SPLAT_PATTERN, "splat_pattern")                       \
    X(SPLAT_TYPE, "splat_type")                             \
    X(STRING, "string")                                     \
    X(STRING_START, "string_start")                         \
    X(SUBSCRIPT, "subscript")                               \
    X(TRY_STATEMENT, "try_statement")                       \
    X(TUPLE, "tuple")                                       \
    X(TUPLE_PATTERN, "tuple_pattern")                       \
    X(TYPE, "type")                                         \
    X(TYPE_ALIAS_STATEMENT, "type_alias_statement")         \
    X(TYPE_PARAMETER, "type_parameter")                     \
    X(TYPED_DEFAULT_PARAMETER, "typed_default_parameter")   \
    X(TYPED_PARAMETER, "typed_parameter")                   \
    X(UNION_PATTERN, "union_pattern")                       \
    X(WHILE_STATEMENT, "while_statement")                   \
    X(WILDCARD_IMPORT, "wildcard_import")                   \
    X(WITH_STATEMENT, "with_statement")

/* Anonymous tokens that it knows. */
#define SYNTAX_TOKENS(X)    \
    X(AS, "as")             \
    X(ASYNC, "async")       \
    X(CLASS, "class")       \
    X(COMMA, ",")           \
    X(DEF, "def")           \
    X(DOT, ".")             \
    X(EXEC, "exec")         \
    X(GLOBAL, "global")     \
    X(IMPORT, "import")     \
    X(NONLOCAL, "nonlocal") \
    X(PRINT, "print")       \
    X(STAR, "*")

enum syntax_kind {
    SYNTAX_OTHER,
    SYNTAX_ERROR,
#define X(name, text) SYNTAX_##name,
    SYNTAX_NAMED_KINDS(X)
#undef X
#define X(name, text) SYNTAX_TOKEN_##name,
        SYNTAX_TOKENS(X)
#undef X
            SYNTAX_N_KINDS
};

/* Fields that it knows. */
#define SYNTAX_FIELDS(X)                  \
    X(ALIAS, "alias")                     \
    X(ARGUMENTS, "arguments")             \
    X(ATTRIBUTE, "attribute")             \
    X(BODY, "body")                       \
    X(DEFINITION, "definition")           \
    X(EXPRESSION, "expression")           \
    X(FUNCTION, "function")               \
    X(LEFT, "left")                       \
    X(MODULE_NAME, "module_name")         \
    X(NAME, "name")                       \
    X(OBJECT, "object")                   \
    X(PARAMETERS, "parameters")           \
    X(RETURN_TYPE, "return_type")         \
    X(RIGHT, "right")                     \
    X(SUPERCLASSES, "superclasses")       \
    X(TYPE, "type")                       \
    X(TYPE_PARAMETERS, "type_parameters") \
    X(VALUE, "value")

enum syntax_field {
    SYNTAX_FIELD_NONE,
#define X(name, text) SYNTAX_FIELD_##name,
    SYNTAX_FIELDS(X)
#undef X
        SYNTAX_FIELD_OTHER
};

enum syntax_flag {
    SYNTAX_IS_NAMED = 1 << 0,
    SYNTAX_IS_EXTRA = 1 << 1,
    SYNTAX_IS_MISSING = 1 << 2,
    SYNTAX_IS_SETTLED = 1 << 3,   /* an ancestor has given scopes and uses below this node already (scan.c) */
    SYNTAX_IS_FIRST_FOR = 1 << 4, /* a for-clause whose iterable belongs outside its comprehension (scan.c) */
    SYNTAX_IS_TYPE_CALL = 1 << 5, /* the arguments of `type(x)` where the grammar read a type alias (definitions.c) */
};

/* start, end   offsets into the text that was parsed
 * row          tree-sitter's row of start, in that text
 * parent, next ordinals; -1: no parent
 * scope, use, head   filled by scan.c: ordinal of the scope; what the name is used for; the identifier that a chain of
 *              attributes starts with (negative: not such a chain; -2 - symbol: a missing node of that symbol)
 */
struct syntax_node {
    uint32_t start;
    uint32_t end;
    uint32_t row;
    int32_t parent;
    int32_t next;
    int32_t scope;
    int32_t head;
    uint8_t kind;
    uint8_t field;
    uint8_t use;
    uint8_t flags;
};

/* How a symbol of the grammar is called and what it is to us. */
struct syntax_symbol {
    struct rows_str name;
    uint8_t kind;
};

struct syntax_field_name {
    struct rows_str name;
    uint8_t field;
};

/* The grammar's tables, made once a parser, and the tree of the file at hand.
 *   text, n_text   what is parsed: borrowed from the file, or `copy`
 *   map            set when offsets of the text are not offsets of the file: text is the decoded text
 *   line_starts    offsets in the text at which lines start, the first line's left out
 */
struct syntax {
    TSParser *parser;
    struct syntax_symbol *symbols;
    size_t n_symbols;
    struct syntax_field_name *fields;
    size_t n_fields;

    const uint8_t *text;
    size_t n_text;
    const struct position_map *map;
    GByteArray *copy;
    struct syntax_node *nodes;
    int32_t n_nodes;
    int32_t n_nodes_allocated;
    GArray *line_starts;
};

int syntax_init(struct syntax *s, struct ca_error *err) CA_MUST_CHECK;
void syntax_done(struct syntax *s);

/* Parse `file` and append its tree_sitter row. layer->status FAILED: there is no tree and no row, the reason says why.
 */
int syntax_parse(struct syntax *s, const struct repo_file *file, struct tree_sitter_files_v1 *ts,
                 struct treesitter_layer *layer, struct ca_error *err) CA_MUST_CHECK;

/* Offset into the raw file of an offset into the text. */
int64_t syntax_raw(const struct syntax *s, uint32_t offset);

/* Line, from 1 and by CPython's rule, of an offset into the text. */
int32_t syntax_line(struct syntax *s, uint32_t offset);

/* A builder's errno as our error. */
int syntax_fail_rows(struct ca_error *err, int errnum, const char *dataset);

static inline bool syntax_is(const struct syntax *s, int32_t node, enum syntax_kind kind)
{
    return node >= 0 && s->nodes[node].kind == kind;
}

/* First child; -1: none. */
static inline int32_t syntax_first_child(const struct syntax *s, int32_t node)
{
    return s->nodes[node].next > node + 1 ? node + 1 : -1;
}

static inline int32_t syntax_next_sibling(const struct syntax *s, int32_t node)
{
    int32_t parent = s->nodes[node].parent;
    int32_t next = s->nodes[node].next;
    return parent >= 0 && next < s->nodes[parent].next ? next : -1;
}

/* for each child c of node n */
#define SYNTAX_FOREACH_CHILD(s, n, c) for (int32_t c = syntax_first_child(s, n); c >= 0; c = syntax_next_sibling(s, c))

/* The first child in `field` that is no extra; -1: none. */
int32_t syntax_child(const struct syntax *s, int32_t node, enum syntax_field field);

/* The first named child that is no extra; -1: none. */
int32_t syntax_named_child(const struct syntax *s, int32_t node);

/* What is inside parentheses: (((x))) → x. Also `*x` → x: the grammar reads `*f(x)` as `(*f)(x)`. */
int32_t syntax_strip(const struct syntax *s, int32_t node);

#endif
