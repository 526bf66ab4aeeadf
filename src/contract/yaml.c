/* contract/yaml.c — libfyaml's events become a small tree. Nothing else in the room sees libfyaml. */
#include "contract/yaml.h"

#include <glib.h>
#include <libfyaml.h>
#include <string.h>

/* One open list or map; `key` waits for its value. */
struct frame {
    struct yaml_node *node;
    struct yaml_node *key;
    GHashTable *seen;
};

struct reader {
    const char *source;
    const char *text;
    struct frame frames[YAML_MAX_DEPTH];
    size_t depth;
    struct yaml_node *root;
    struct ca_error *err;
};

void yaml_node_free(struct yaml_node *node)
{
    if (node == NULL)
        return;
    for (size_t i = 0; i < node->n_items; i++) {
        if (node->keys != NULL)
            yaml_node_free(node->keys[i]);
        yaml_node_free(node->items[i]);
    }
    g_free(node->keys);
    g_free(node->items);
    g_free(node->text);
    g_free(node);
}

static struct yaml_node *node_new(enum yaml_kind kind, const struct fy_mark *mark)
{
    struct yaml_node *node = g_new0(struct yaml_node, 1);
    node->kind = kind;
    node->line = mark == NULL ? 1 : mark->line + 1;
    node->column = mark == NULL ? 1 : mark->column + 1;
    return node;
}

static int refuse(struct reader *r, const struct yaml_node *at, const char *what)
{
    return ca_fail(r->err, CA_ERR_SYNTAX, "%s:%d:%d: %s", r->source, at->line, at->column, what);
}

/* Tags and anchors are refused where they stand. libfyaml marks an anchor behind its '&' and an alias behind its '*'.
 */
static int refuse_token(struct reader *r, struct fy_token *token, bool is_tag)
{
    const struct fy_mark *mark = fy_token_start_mark(token);
    const int column = mark == NULL ? 1 : mark->column + (is_tag || mark->column == 0 ? 1 : 0);
    return ca_fail(r->err, CA_ERR_SYNTAX, "%s:%d:%d: %s are not allowed in a contract", r->source,
                   mark == NULL ? 1 : mark->line + 1, column, is_tag ? "tags" : "anchors and aliases");
}

/* Put a complete or just opened node where it belongs; takes it, also on failure. */
static int attach(struct reader *r, struct yaml_node *node)
{
    if (r->depth == 0) {
        r->root = node;
        return CA_OK;
    }
    struct frame *top = &r->frames[r->depth - 1];
    if (top->node->kind == YAML_LIST) {
        yaml_append(top->node, NULL, node);
        return CA_OK;
    }
    if (top->key != NULL) {
        yaml_append(top->node, CA_STEAL(top->key), node);
        return CA_OK;
    }
    int rc = CA_OK;
    const struct yaml_node *first = NULL;
    if (node->kind != YAML_SCALAR)
        rc = refuse(r, node, "a key must be a single name");
    else if ((first = g_hash_table_lookup(top->seen, node->text)) != NULL)
        rc = ca_fail(r->err, CA_ERR_SYNTAX, "%s:%d:%d: key '%s' occurs twice, first at line %d", r->source, node->line,
                     node->column, node->text, first->line);
    if (rc != CA_OK) {
        yaml_node_free(node);
        return rc;
    }
    g_hash_table_insert(top->seen, node->text, node);
    top->key = node;
    return CA_OK;
}

static int open_collection(struct reader *r, struct yaml_node *node)
{
    if (r->depth == YAML_MAX_DEPTH) {
        int rc = ca_fail(r->err, CA_ERR_RESOURCES, "%s:%d:%d: nested deeper than %d levels", r->source, node->line,
                         node->column, YAML_MAX_DEPTH);
        yaml_node_free(node);
        return rc;
    }
    CA_TRY(attach(r, node));
    r->frames[r->depth++] = (struct frame){
        .node = node,
        .seen = node->kind == YAML_MAP ? g_hash_table_new(g_str_hash, g_str_equal) : NULL,
    };
    return CA_OK;
}

static void close_collection(struct reader *r)
{
    struct frame *top = &r->frames[--r->depth];
    if (top->seen != NULL)
        g_hash_table_destroy(top->seen);
    yaml_node_free(top->key);
}

/* What stands between single quotes: two quotes are one, a line break is a space, each further empty line a line break,
 * and blanks around breaks do not count. libfyaml 0.7.12 reads four quotes in a row as three, and loses as many bytes
 * at the end of the text. */
static GString *single_quoted_text(const char *raw, size_t n_bytes)
{
    GString *text = g_string_sized_new(n_bytes);
    size_t n_breaks = 0;
    for (const char *p = raw, *end = raw + n_bytes; p <= end; p++) {
        const bool is_end = p == end;
        if (!is_end && (*p == '\n' || *p == '\r')) {
            while (n_breaks == 0 && text->len > 0 && strchr(" \t", text->str[text->len - 1]) != NULL)
                g_string_truncate(text, text->len - 1);
            p += p[0] == '\r' && p + 1 < end && p[1] == '\n' ? 1 : 0;
            n_breaks++;
            continue;
        }
        if (n_breaks > 0 && !is_end && (*p == ' ' || *p == '\t'))
            continue;
        if (n_breaks == 1)
            g_string_append_c(text, ' ');
        for (; n_breaks > 1; n_breaks--)
            g_string_append_c(text, '\n');
        n_breaks = 0;
        if (is_end)
            break;
        g_string_append_c(text, *p);
        p += p[0] == '\'' ? 1 : 0;
    }
    return text;
}

/* The text of a scalar. In chunks, since fy_token_get_text() of libfyaml 0.7.12 loses memory when there are many
 * escapes. */
static GString *scalar_text(const struct reader *r, struct fy_token *token)
{
    if (token == NULL)
        return g_string_new(NULL);
    const struct fy_mark *start = fy_token_start_mark(token);
    const struct fy_mark *end = fy_token_end_mark(token);
    if (fy_token_scalar_style(token) == FYSS_SINGLE_QUOTED && start != NULL && end != NULL)
        return single_quoted_text(r->text + start->input_pos, end->input_pos - start->input_pos);
    GString *text = g_string_new(NULL);
    struct fy_token_iter *iter = fy_token_iter_create(token);
    const struct fy_iter_chunk *chunk = NULL;
    int is_failed = 0;
    while (iter != NULL && (chunk = fy_token_iter_chunk_next(iter, chunk, &is_failed)) != NULL)
        g_string_append_len(text, chunk->str, (gssize)chunk->len);
    fy_token_iter_destroy(iter);
    return text;
}

static int read_scalar(struct reader *r, struct fy_event *event, struct yaml_node **ret)
{
    GString *text = scalar_text(r, event->scalar.value);
    /* "\0" in a double-quoted scalar: texts are C strings from here on. */
    const bool has_nul = strlen(text->str) != text->len;
    struct yaml_node *node = node_new(YAML_SCALAR, fy_event_start_mark(event));
    node->text = g_string_free(text, FALSE);
    const enum fy_scalar_style style =
        event->scalar.value == NULL ? FYSS_PLAIN : fy_token_scalar_style(event->scalar.value);
    node->is_plain = style == FYSS_PLAIN;
    /* libfyaml marks where the text begins, which is behind the quote. */
    if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && node->column > 1)
        node->column--;
    int rc = CA_OK;
    if (has_nul)
        rc = refuse(r, node, "a text may not contain NUL");
    else if (event->scalar.tag != NULL)
        rc = refuse_token(r, event->scalar.tag, true);
    else if (event->scalar.anchor != NULL)
        rc = refuse_token(r, event->scalar.anchor, false);
    if (rc != CA_OK) {
        yaml_node_free(node);
        return rc;
    }
    *ret = node;
    return CA_OK;
}

static int read_event(struct reader *r, struct fy_event *event)
{
    struct yaml_node *node = NULL;
    switch (event->type) {
    case FYET_SCALAR:
        CA_TRY(read_scalar(r, event, &node));
        return attach(r, node);
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
        if (event->mapping_start.tag != NULL)
            return refuse_token(r, event->mapping_start.tag, true);
        if (event->mapping_start.anchor != NULL)
            return refuse_token(r, event->mapping_start.anchor, false);
        node = node_new(event->type == FYET_MAPPING_START ? YAML_MAP : YAML_LIST, fy_event_start_mark(event));
        return open_collection(r, node);
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        close_collection(r);
        return CA_OK;
    case FYET_ALIAS:
        return refuse_token(r, event->alias.anchor, false);
    case FYET_DOCUMENT_START:
        if (r->root != NULL) {
            const struct fy_mark *mark = fy_event_start_mark(event);
            return ca_fail(r->err, CA_ERR_SYNTAX, "%s:%d:1: a second document; one file holds one contract", r->source,
                           mark == NULL ? 1 : mark->line + 1);
        }
        return CA_OK;
    default:
        return CA_OK;
    }
}

/* libfyaml's own words about the first thing that it could not read. */
static int refuse_unparsable(struct reader *r, struct fy_diag *diag)
{
    void *iterator = NULL;
    const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iterator);
    if (e == NULL)
        return ca_fail(r->err, CA_ERR_SYNTAX, "%s:1:1: not YAML", r->source);
    return ca_fail(r->err, CA_ERR_SYNTAX, "%s:%d:%d: not YAML: %s", r->source, e->line, e->column, e->msg);
}

static int check_bytes(const char *text, size_t n_bytes, const char *source, struct ca_error *err)
{
    const char *end = NULL;
    if (g_utf8_validate(text, (gssize)n_bytes, &end))
        return CA_OK;
    int line = 1;
    int column = 1;
    for (const char *p = text; p < end; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) {
            column++;
        }
    }
    return ca_fail(err, CA_ERR_SYNTAX, "%s:%d:%d: %s", source, line, column,
                   *end == '\0' ? "NUL byte in the text" : "not UTF-8");
}

int yaml_parse(const char *text, size_t n_bytes, const char *source, struct yaml_node **ret, struct ca_error *err)
{
    CA_TRY(check_bytes(text, n_bytes, source, err));
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.level = FYET_ERROR;
    diag_cfg.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (diag == NULL)
        return ca_fail(err, CA_ERR_RESOURCES, "%s: no memory to parse", source);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
                               .diag = diag};
    struct fy_parser *parser = fy_parser_create(&cfg);
    struct reader r = {.source = source, .text = text, .err = err};
    int rc = CA_OK;
    if (parser == NULL || fy_parser_set_string(parser, text, n_bytes) != 0)
        rc = ca_fail(err, CA_ERR_RESOURCES, "%s: no memory to parse", source);
    bool is_done = false;
    while (rc == CA_OK && !is_done) {
        struct fy_event *event = fy_parser_parse(parser);
        if (event == NULL) {
            is_done = true;
            if (fy_parser_get_stream_error(parser))
                rc = refuse_unparsable(&r, diag);
        } else {
            is_done = event->type == FYET_STREAM_END;
            rc = read_event(&r, event);
            fy_parser_event_free(parser, event);
        }
    }
    while (r.depth > 0)
        close_collection(&r);
    if (parser != NULL)
        fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    if (rc == CA_OK && r.root == NULL)
        rc = ca_fail(err, CA_ERR_SYNTAX, "%s:1:1: the file is empty", source);
    if (rc != CA_OK) {
        yaml_node_free(r.root);
        return rc;
    }
    *ret = r.root;
    return CA_OK;
}
