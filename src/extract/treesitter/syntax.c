/* extract/treesitter/syntax.c — text to flat tree, and the tree_sitter rows on the way. */
#include "extract/treesitter/syntax.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows/gen/tree_sitter_files_v1.h"

/* The grammar's crate has no header. */
const TSLanguage *tree_sitter_python(void);

/* tree-sitter's symbol of an error node; it has no place in the language's tables. */
#define ERROR_SYMBOL ((TSSymbol)-1)

struct kind_name {
    const char *name;
    enum syntax_kind kind;
};

static const struct kind_name named_kinds[] = {
#define X(name, text) {text, SYNTAX_##name},
    SYNTAX_NAMED_KINDS(X)
#undef X
};

static const struct kind_name token_kinds[] = {
#define X(name, text) {text, SYNTAX_TOKEN_##name},
    SYNTAX_TOKENS(X)
#undef X
};

static const struct {
    const char *name;
    enum syntax_field field;
} field_kinds[] = {
#define X(name, text) {text, SYNTAX_FIELD_##name},
    SYNTAX_FIELDS(X)
#undef X
};

static enum syntax_kind kind_of_symbol(const char *name, bool is_named)
{
    const struct kind_name *kinds = is_named ? named_kinds : token_kinds;
    size_t n_kinds = is_named ? G_N_ELEMENTS(named_kinds) : G_N_ELEMENTS(token_kinds);
    for (size_t i = 0; i < n_kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    return SYNTAX_OTHER;
}

static enum syntax_field field_of_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(field_kinds); i++)
        if (strcmp(field_kinds[i].name, name) == 0)
            return field_kinds[i].field;
    return SYNTAX_FIELD_OTHER;
}

int syntax_init(struct syntax *s, struct ca_error *err)
{
    *s = (struct syntax){0};
    const TSLanguage *language = tree_sitter_python();
    s->parser = ts_parser_new();
    if (!ts_parser_set_language(s->parser, language))
        return ca_bug(err, "the grammar's ABI is not one that the tree-sitter runtime reads");

    s->n_symbols = ts_language_symbol_count(language);
    s->symbols = g_new0(struct syntax_symbol, s->n_symbols);
    for (size_t i = 0; i < s->n_symbols; i++) {
        const char *name = ts_language_symbol_name(language, (TSSymbol)i);
        bool is_named = ts_language_symbol_type(language, (TSSymbol)i) == TSSymbolTypeRegular;
        s->symbols[i].name = rows_str_of(name);
        s->symbols[i].kind = (uint8_t)kind_of_symbol(name, is_named);
    }
    s->n_fields = ts_language_field_count(language) + 1;
    s->fields = g_new0(struct syntax_field_name, s->n_fields);
    for (size_t i = 1; i < s->n_fields; i++) {
        const char *name = ts_language_field_name_for_id(language, (TSFieldId)i);
        s->fields[i].name = rows_str_of(name);
        s->fields[i].field = (uint8_t)field_of_name(name);
    }
    s->copy = g_byte_array_new();
    s->line_starts = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    return CA_OK;
}

void syntax_done(struct syntax *s)
{
    if (s->parser != NULL)
        ts_parser_delete(s->parser);
    g_free(s->symbols);
    g_free(s->fields);
    if (s->copy != NULL)
        g_byte_array_unref(s->copy);
    if (s->line_starts != NULL)
        g_array_unref(s->line_starts);
    free(s->nodes);
    *s = (struct syntax){0};
}

int syntax_fail_rows(struct ca_error *err, int errnum, const char *dataset)
{
    if (errnum == EINVAL)
        return ca_fail(err, CA_ERR_BUG, "a row of '%s' lacks a value that its contract requires", dataset);
    return ca_fail_errno(err, CA_ERR_RESOURCES, errnum, "append to '%s'", dataset);
}

/* ---- the text ------------------------------------------------------------------------------------------------- */

static bool has_lone_cr(const uint8_t *text, size_t n_bytes)
{
    const uint8_t *end = text + n_bytes;
    for (const uint8_t *p = text; (p = memchr(p, '\r', (size_t)(end - p))) != NULL; p++)
        if (p + 1 == end || p[1] != '\n')
            return true;
    return false;
}

/* Sets text, n_text and map; the header says which text that is and why. */
static void choose_text(struct syntax *s, const struct repo_file *file)
{
    bool is_decoded = file->owned_text != NULL && file->map != NULL;
    s->text = is_decoded ? file->text : file->raw;
    s->n_text = is_decoded ? file->n_text : file->n_raw;
    s->map = is_decoded ? file->map : NULL;

    if (has_lone_cr(s->text, s->n_text)) {
        g_byte_array_set_size(s->copy, 0);
        g_byte_array_append(s->copy, s->text, (guint)s->n_text);
        uint8_t *bytes = s->copy->data;
        for (size_t i = 0; i < s->n_text; i++)
            if (bytes[i] == '\r' && (i + 1 == s->n_text || bytes[i + 1] != '\n'))
                bytes[i] = '\n';
        s->text = bytes;
    }

    g_array_set_size(s->line_starts, 0);
    const uint8_t *end = s->text + s->n_text;
    for (const uint8_t *p = s->text; p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++) {
        uint32_t start = (uint32_t)(p + 1 - s->text);
        g_array_append_val(s->line_starts, start);
    }
}

int64_t syntax_raw(const struct syntax *s, uint32_t offset)
{
    return s->map == NULL ? (int64_t)offset : position_raw_of_utf8(s->map, offset);
}

int32_t syntax_line(struct syntax *s, uint32_t offset)
{
    const uint32_t *starts = (const uint32_t *)(const void *)s->line_starts->data;
    guint low = 0;
    guint high = s->line_starts->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (starts[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return (int32_t)low + 1;
}

/* How many different widths of indentation there are: never less than the depth of the grammar's stack of indentations,
 * which its scanner saves into 1,024 bytes at every token without looking whether the last two fit. Width as the
 * scanner counts it: 16 bits, a tab is 8, a form feed starts over, an escaped line break does not. */
static unsigned count_indentations(const uint8_t *text, size_t n_bytes)
{
    uint8_t seen[65536 / 8] = {0};
    unsigned n = 0;
    const uint8_t *end = text + n_bytes;
    const uint8_t *p = text;
    while (p < end) {
        uint16_t width = 0;
        for (; p < end; p++) {
            bool is_escaped_break = *p == '\\' && p + 1 < end && (p[1] == '\n' || p[1] == '\r');
            if (*p == ' ')
                width++;
            else if (*p == '\t')
                width = (uint16_t)(width + 8);
            else if (*p == '\f')
                width = 0;
            else if (is_escaped_break)
                p += p[1] == '\r' && p + 2 < end && p[2] == '\n' ? 2 : 1;
            else
                break;
        }
        if ((seen[width / 8] & 1u << width % 8) == 0) {
            seen[width / 8] |= (uint8_t)(1u << width % 8);
            n++;
        }
        const uint8_t *lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        p = lf == NULL ? end : lf + 1;
    }
    return n;
}

/* ---- parsing -------------------------------------------------------------------------------------------------- */

struct parse_budget {
    int64_t n_left;
};

/* tree-sitter asks every hundred operations. */
static bool is_over_budget(TSParseState *state)
{
    struct parse_budget *budget = state->payload;
    budget->n_left -= 100;
    return budget->n_left < 0;
}

static const char *read_text(void *payload, uint32_t byte_index, TSPoint position, uint32_t *ret_n_bytes)
{
    (void)position;
    const struct syntax *s = payload;
    bool is_inside = byte_index < s->n_text;
    *ret_n_bytes = is_inside ? (uint32_t)s->n_text - byte_index : 0;
    return is_inside ? (const char *)s->text + byte_index : "";
}

static TSTree *parse(struct syntax *s)
{
    struct parse_budget budget = {TREESITTER_OPERATIONS_BASE + TREESITTER_OPERATIONS_PER_BYTE * (int64_t)s->n_text};
    TSInput input = {.payload = s, .read = read_text, .encoding = TSInputEncodingUTF8};
    TSParseOptions options = {.payload = &budget, .progress_callback = is_over_budget};
    TSTree *tree = ts_parser_parse_with_options(s->parser, /* old_tree= */ NULL, input, options);
    ts_parser_reset(s->parser); /* else the next file would resume a parse that was given up */
    return tree;
}

/* ---- the walk ------------------------------------------------------------------------------------------------- */

static int grow_nodes(struct syntax *s, struct ca_error *err)
{
    if (s->n_nodes == INT32_MAX)
        return ca_fail(err, CA_ERR_RESOURCES, "a syntax tree of more than %d nodes", INT32_MAX);
    int64_t n = s->n_nodes_allocated == 0 ? 4096 : MIN((int64_t)s->n_nodes_allocated * 2, INT32_MAX);
    struct syntax_node *nodes = realloc(s->nodes, (size_t)n * sizeof(*nodes));
    if (nodes == NULL)
        return ca_fail(err, CA_ERR_RESOURCES, "out of memory for a syntax tree of %" PRId64 " nodes", n);
    s->nodes = nodes;
    s->n_nodes_allocated = (int32_t)n;
    return CA_OK;
}

/* Counts for the layer's reason. */
struct walk {
    int64_t n_errors;
    int64_t n_missing;
    int64_t first_error_byte;
};

static int append_node(struct syntax *s, const TSTreeCursor *cursor, int32_t parent, struct tree_sitter_files_v1 *ts,
                       struct walk *walk, struct ca_error *err)
{
    if (s->n_nodes == s->n_nodes_allocated)
        CA_TRY(grow_nodes(s, err));

    TSNode n = ts_tree_cursor_current_node(cursor);
    TSPoint point = ts_node_start_point(n);
    TSSymbol symbol = ts_node_symbol(n);
    TSFieldId field = ts_tree_cursor_current_field_id(cursor);
    bool is_error = symbol == ERROR_SYMBOL;
    bool is_missing = ts_node_is_missing(n);
    bool is_named = ts_node_is_named(n);
    bool is_extra = ts_node_is_extra(n);
    if (!is_error && symbol >= s->n_symbols)
        return ca_bug(err, "a symbol outside the grammar");

    int32_t ordinal = s->n_nodes++;
    struct syntax_node *node = &s->nodes[ordinal];
    *node = (struct syntax_node){
        .start = ts_node_start_byte(n),
        .end = ts_node_end_byte(n),
        .row = point.row,
        .parent = parent,
        .next = -1,
        .head = is_missing ? -2 - (int32_t)symbol : -1,
        .kind = is_error ? SYNTAX_ERROR : s->symbols[symbol].kind,
        .field = field == 0 ? SYNTAX_FIELD_NONE : s->fields[field].field,
        .flags = (uint8_t)((is_named ? SYNTAX_IS_NAMED : 0) | (is_extra ? SYNTAX_IS_EXTRA : 0) |
                           (is_missing ? SYNTAX_IS_MISSING : 0)),
    };
    struct tree_sitter_files_v1_nodes row = {
        .ordinal = ordinal,
        .has_parent = parent >= 0,
        .parent = parent,
        .kind = is_error ? rows_str_of("ERROR") : s->symbols[symbol].name,
        .field = field == 0 ? rows_str_of(NULL) : s->fields[field].name,
        .start_byte = syntax_raw(s, node->start),
        .end_byte = syntax_raw(s, node->end),
        .start_row = (int32_t)point.row,
        .start_column = (int32_t)point.column,
        .is_named = is_named,
        .is_extra = is_extra,
        .is_error = is_error,
        .is_missing = is_missing,
        .has_error = ts_node_has_error(n),
    };
    int rc = tree_sitter_files_v1_nodes_append(ts, &row);
    if (rc == 0 && (is_error || is_missing)) {
        struct tree_sitter_files_v1_errors error = {
            .node = ordinal,
            .is_missing = is_missing,
            .kind = row.kind,
            .start_byte = row.start_byte,
            .end_byte = row.end_byte,
        };
        rc = tree_sitter_files_v1_errors_append(ts, &error);
        walk->n_errors += is_error;
        walk->n_missing += is_missing;
        if (walk->first_error_byte < 0)
            walk->first_error_byte = row.start_byte;
    }
    return rc == 0 ? CA_OK : syntax_fail_rows(err, rc, "tree_sitter_files_v1");
}

static int walk_tree(struct syntax *s, TSTreeCursor *cursor, struct tree_sitter_files_v1 *ts, struct walk *walk,
                     struct ca_error *err)
{
    int32_t parent = -1;
    for (;;) {
        int32_t ordinal = s->n_nodes;
        CA_TRY(append_node(s, cursor, parent, ts, walk, err));
        if (ts_tree_cursor_goto_first_child(cursor)) {
            parent = ordinal;
            continue;
        }
        s->nodes[ordinal].next = s->n_nodes;
        if (parent < 0)
            return CA_OK;
        while (!ts_tree_cursor_goto_next_sibling(cursor)) {
            (void)ts_tree_cursor_goto_parent(cursor);
            s->nodes[parent].next = s->n_nodes;
            parent = s->nodes[parent].parent;
            if (parent < 0)
                return CA_OK;
        }
    }
}

static void layer_fail(struct treesitter_layer *layer, int64_t start_byte, const char *reason)
{
    layer->status = TREESITTER_FAILED;
    layer->start_byte = start_byte;
    layer->n_facts = 0;
    (void)snprintf(layer->reason, sizeof(layer->reason), "%s", reason);
}

int syntax_parse(struct syntax *s, const struct repo_file *file, struct tree_sitter_files_v1 *ts,
                 struct treesitter_layer *layer, struct ca_error *err)
{
    *layer = (struct treesitter_layer){.status = TREESITTER_OK, .start_byte = -1};
    s->n_nodes = 0;
    if (file->n_raw >= INT32_MAX) {
        layer_fail(layer, -1, "budget: the file has 2 GiB or more");
        return CA_OK;
    }
    choose_text(s, file);
    if (s->n_text >= INT32_MAX) {
        layer_fail(layer, -1, "budget: the decoded text has 2 GiB or more");
        return CA_OK;
    }
    if (count_indentations(s->text, s->n_text) > TREESITTER_MAX_INDENTATION) {
        layer_fail(layer, -1, "budget: more than " G_STRINGIFY(TREESITTER_MAX_INDENTATION) " widths of indentation");
        return CA_OK;
    }
    TSTree *tree = parse(s);
    if (tree == NULL) {
        layer_fail(layer, -1, "budget: the parser took more operations than the file's size allows");
        return CA_OK;
    }

    struct walk walk = {.first_error_byte = -1};
    TSTreeCursor cursor = ts_tree_cursor_new(ts_tree_root_node(tree));
    int rc = walk_tree(s, &cursor, ts, &walk, err);
    ts_tree_cursor_delete(&cursor);
    ts_tree_delete(tree);
    if (rc == CA_OK) {
        struct tree_sitter_files_v1_row row = {
            .file_id = file->entry->file_id,
            .path = rows_str_of(file->entry->path),
            .content_id = {(const char *)file->content_id.bytes, sizeof(file->content_id.bytes)},
        };
        int errnum = tree_sitter_files_v1_finish_row(ts, &row);
        if (errnum != 0)
            rc = syntax_fail_rows(err, errnum, "tree_sitter_files_v1");
    }
    if (rc != CA_OK) {
        (void)tree_sitter_files_v1_abandon_row(ts);
        return rc;
    }
    layer->n_facts = s->n_nodes;
    if (walk.n_errors + walk.n_missing > 0) {
        layer->status = TREESITTER_RECOVERED;
        layer->start_byte = walk.first_error_byte;
        (void)snprintf(layer->reason, sizeof(layer->reason),
                       "syntax errors: %" PRId64 " error and %" PRId64 " missing nodes", walk.n_errors, walk.n_missing);
    }
    return CA_OK;
}

/* ---- looking around ------------------------------------------------------------------------------------------- */

int32_t syntax_child(const struct syntax *s, int32_t node, enum syntax_field field)
{
    SYNTAX_FOREACH_CHILD(s, node, c)
    {
        if (s->nodes[c].field == field && (s->nodes[c].flags & SYNTAX_IS_EXTRA) == 0)
            return c;
    }
    return -1;
}

int32_t syntax_named_child(const struct syntax *s, int32_t node)
{
    SYNTAX_FOREACH_CHILD(s, node, c)
    {
        if ((s->nodes[c].flags & (SYNTAX_IS_NAMED | SYNTAX_IS_EXTRA)) == SYNTAX_IS_NAMED)
            return c;
    }
    return -1;
}

int32_t syntax_strip(const struct syntax *s, int32_t node)
{
    while (syntax_is(s, node, SYNTAX_PARENTHESIZED_EXPRESSION) || syntax_is(s, node, SYNTAX_LIST_SPLAT) ||
           syntax_is(s, node, SYNTAX_LIST_SPLAT_PATTERN) || syntax_is(s, node, SYNTAX_TYPE)) {
        int32_t inner = syntax_named_child(s, node);
        if (inner < 0 || (s->nodes[node].flags & SYNTAX_IS_TYPE_CALL) != 0)
            break;
        node = inner;
    }
    return node;
}
