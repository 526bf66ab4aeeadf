/* contract/yaml_write.c — YAML trees are made, copied and rendered. */
#include "contract/yaml.h"

#include <glib.h>
#include <string.h>

#define LINE_LENGTH 118

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map != NULL && map->kind == YAML_MAP && i < map->n_items; i++) {
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    }
    return NULL;
}

/* ---- making ----------------------------------------------------------------------------------------------------- */

static struct yaml_node *made(enum yaml_kind kind, const char *text, bool is_plain, const struct yaml_node *at)
{
    struct yaml_node *node = g_new0(struct yaml_node, 1);
    node->kind = kind;
    node->text = g_strdup(text);
    node->is_plain = is_plain;
    node->line = at == NULL ? 1 : at->line;
    node->column = at == NULL ? 1 : at->column;
    return node;
}

struct yaml_node *yaml_map(const struct yaml_node *at)
{
    return made(YAML_MAP, NULL, false, at);
}

struct yaml_node *yaml_list(const struct yaml_node *at)
{
    return made(YAML_LIST, NULL, false, at);
}

struct yaml_node *yaml_text(const char *text, const struct yaml_node *at)
{
    return made(YAML_SCALAR, text, false, at);
}

struct yaml_node *yaml_plain(const char *text, const struct yaml_node *at)
{
    return made(YAML_SCALAR, text, true, at);
}

void yaml_append(struct yaml_node *node, struct yaml_node *key, struct yaml_node *item)
{
    if (node->n_items == node->n_reserved) {
        node->n_reserved = node->n_reserved == 0 ? 8 : 2 * node->n_reserved;
        node->items = g_renew(struct yaml_node *, node->items, node->n_reserved);
        if (node->kind == YAML_MAP)
            node->keys = g_renew(struct yaml_node *, node->keys, node->n_reserved);
    }
    if (node->kind == YAML_MAP)
        node->keys[node->n_items] = key;
    node->items[node->n_items++] = item;
}

/* Recursion is bounded by YAML_MAX_DEPTH. */
struct yaml_node *yaml_copy(const struct yaml_node *node)
{
    struct yaml_node *copy = made(node->kind, node->text, node->is_plain, node);
    for (size_t i = 0; i < node->n_items; i++)
        yaml_append(copy, node->kind == YAML_MAP ? yaml_copy(node->keys[i]) : NULL, yaml_copy(node->items[i]));
    return copy;
}

void yaml_put(struct yaml_node *map, const char *key, struct yaml_node *value)
{
    yaml_append(map, made(YAML_SCALAR, key, false, value), value);
}

void yaml_add(struct yaml_node *list, struct yaml_node *value)
{
    yaml_append(list, NULL, value);
}

/* ---- rendering -------------------------------------------------------------------------------------------------- */

static bool is_constant(const char *text)
{
    return g_ascii_strcasecmp(text, "true") == 0 || g_ascii_strcasecmp(text, "false") == 0 ||
           g_ascii_strcasecmp(text, "null") == 0;
}

/* What some reader of YAML, 1.1 or 1.2, takes for no text. */
static bool is_word_of_yaml(const char *text)
{
    static const char *const words[] = {"yes", "no", "on", "off", "y", "n"};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(text, words[i]) == 0)
            return true;
    }
    return is_constant(text);
}

/* Letters that mean nothing to YAML anywhere, so that the text may stand without quotes in flow style too. */
static bool is_simple(const char *text)
{
    static const char inside[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ./()-";
    const size_t n = strlen(text);
    return (g_ascii_isalpha(text[0]) || text[0] == '_') && strspn(text, inside) == n && text[n - 1] != ' ' &&
           !is_word_of_yaml(text);
}

static bool is_number(const char *text)
{
    const char *digits = text + strspn(text, "+-.");
    return g_ascii_isdigit(digits[0]) && digits - text <= 2 &&
           strspn(digits, "0123456789abcdefABCDEFxX_.+-") == strlen(digits);
}

static void put_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
        const gunichar c = g_utf8_get_char(p);
        if (c == '"' || c == '\\')
            g_string_append_printf(out, "\\%c", (char)c);
        else if (c == '\n')
            g_string_append(out, "\\n");
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            g_string_append_printf(out, "\\x%02x", c);
        else if (c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff)
            g_string_append_printf(out, "\\u%04x", c);
        else
            g_string_append_unichar(out, c);
    }
    g_string_append_c(out, '"');
}

static void put_scalar(GString *out, const struct yaml_node *node)
{
    const bool is_null = node->is_plain && (node->text[0] == '\0' || strcmp(node->text, "~") == 0);
    if (is_null)
        g_string_append(out, "null");
    else if (is_simple(node->text) || (node->is_plain && (is_constant(node->text) || is_number(node->text))))
        g_string_append(out, node->text);
    else
        put_quoted(out, node->text);
}

static void put_flow(GString *out, const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        put_scalar(out, node);
        return;
    }
    g_string_append_c(out, node->kind == YAML_MAP ? '{' : '[');
    for (size_t i = 0; i < node->n_items; i++) {
        g_string_append(out, i == 0 ? "" : ", ");
        if (node->kind == YAML_MAP) {
            put_scalar(out, node->keys[i]);
            g_string_append(out, ": ");
        }
        put_flow(out, node->items[i]);
    }
    g_string_append_c(out, node->kind == YAML_MAP ? '}' : ']');
}

/* Maps in a list are read line by line: only a single one stays in its line. */
static bool may_flow(const struct yaml_node *node)
{
    for (size_t i = 0; i < node->n_items; i++) {
        const bool is_row = node->kind == YAML_LIST && node->items[i]->kind != YAML_SCALAR;
        if ((is_row && node->n_items > 1) || !may_flow(node->items[i]))
            return false;
    }
    return true;
}

static void put_block(GString *out, const struct yaml_node *node, int indent, bool is_begun);

/* What stands behind "key:" or "-". */
static void put_value(GString *out, const struct yaml_node *node, int indent, bool is_item)
{
    const char *line = strrchr(out->str, '\n');
    const size_t n_before = strlen(line == NULL ? out->str : line + 1);
    if (node->kind == YAML_SCALAR || node->n_items == 0 || may_flow(node)) {
        GString *flow = g_string_new(NULL);
        put_flow(flow, node);
        const bool fits = node->kind == YAML_SCALAR || node->n_items == 0 || n_before + flow->len < LINE_LENGTH;
        if (fits)
            g_string_append_printf(out, " %s\n", flow->str);
        g_string_free(flow, TRUE);
        if (fits)
            return;
    }
    const bool is_begun = is_item && node->kind == YAML_MAP;
    g_string_append_c(out, is_begun ? ' ' : '\n');
    put_block(out, node, indent + 2, is_begun);
}

/* is_begun: the first line has its indentation already. */
static void put_block(GString *out, const struct yaml_node *node, int indent, bool is_begun)
{
    for (size_t i = 0; i < node->n_items; i++) {
        g_string_append_printf(out, "%*s", i == 0 && is_begun ? 0 : indent, "");
        if (node->kind == YAML_MAP) {
            put_scalar(out, node->keys[i]);
            g_string_append_c(out, ':');
        } else {
            g_string_append_c(out, '-');
        }
        put_value(out, node->items[i], indent, node->kind == YAML_LIST);
    }
}

char *yaml_render(const struct yaml_node *root)
{
    GString *out = g_string_new(NULL);
    if (root->kind == YAML_SCALAR || root->n_items == 0) {
        put_flow(out, root);
        g_string_append_c(out, '\n');
    } else {
        put_block(out, root, 0, false);
    }
    return g_string_free(out, FALSE);
}
