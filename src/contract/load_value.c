/* contract/load_value.c — the loader's readers of scalars, lists and maps, and the problems they find. */
#include "contract/load.h"

#include <errno.h>
#include <glib.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void load_problem(struct loader *l, int status, int line, int column, const char *format, ...)
{
    if (l->status == CA_OK)
        l->status = status;
    if (l->n_problems++ >= LOAD_MAX_PROBLEMS)
        return;
    if (l->problems->len > 0)
        g_string_append_c(l->problems, '\n');
    g_string_append_printf(l->problems, "%s:%d:%d: ", l->source, line, column);
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(l->problems, format, args);
    va_end(args);
}

int load_done(struct loader *l, struct ca_error *err)
{
    int status = l->status;
    if (l->n_problems > LOAD_MAX_PROBLEMS)
        g_string_append_printf(l->problems, "\n%s: %zu more", l->source, l->n_problems - LOAD_MAX_PROBLEMS);
    if (status != CA_OK)
        status = ca_fail(err, status, "%s", l->problems->str);
    g_string_free(l->problems, TRUE);
    return status;
}

/* ---- scalars ---------------------------------------------------------------------------------------------------- */

bool load_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != YAML_SCALAR || !node->is_plain)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strcmp(node->text, words[i]) == 0)
            return true;
    }
    return false;
}

/* Whether YAML reads a plain scalar as something that is not text. */
bool load_is_other_than_text(const struct yaml_node *node)
{
    if (!node->is_plain)
        return false;
    if (load_is_null(node) || strcmp(node->text, "true") == 0 || strcmp(node->text, "false") == 0)
        return true;
    char *end = NULL;
    (void)g_ascii_strtod(node->text, &end);
    return end != node->text && *end == '\0' && strchr("+-.0123456789", node->text[0]) != NULL;
}

void load_text(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || load_is_other_than_text(node))
        bad(l, node, "key '%s': expected text", l->key);
    else if (node->text[0] == '\0')
        bad(l, node, "key '%s': the text is empty", l->key);
    else
        *ret = g_strdup(node->text);
}

void load_name(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || load_is_other_than_text(node))
        bad(l, node, "key '%s': expected a name", l->key);
    else if (!l->is_inferred && !contract_name_is_valid(node->text))
        bad(l, node, "'%s' is not a name: lower-case letters, digits and '_', a letter first", node->text);
    else
        *ret = g_strdup(node->text);
}

void load_bool(struct loader *l, const struct yaml_node *node, void *target)
{
    bool *ret = target;
    if (node->kind == YAML_SCALAR && node->is_plain && strcmp(node->text, "true") == 0)
        *ret = true;
    else if (node->kind == YAML_SCALAR && node->is_plain && strcmp(node->text, "false") == 0)
        *ret = false;
    else
        bad(l, node, "key '%s': expected true or false", l->key);
}

static bool parse_int(const struct yaml_node *node, int64_t *ret)
{
    if (node->kind != YAML_SCALAR || !node->is_plain || node->text[0] == '\0')
        return false;
    size_t digits = strspn(node->text + (node->text[0] == '-'), "0123456789");
    if (digits == 0 || node->text[digits + (node->text[0] == '-')] != '\0')
        return false;
    errno = 0;
    *ret = g_ascii_strtoll(node->text, NULL, 10);
    return errno == 0;
}

void load_positive(struct loader *l, const struct yaml_node *node, void *target)
{
    int64_t value = 0;
    if (!parse_int(node, &value) || value < 1)
        bad(l, node, "key '%s': expected an integer from 1", l->key);
    else
        *(int64_t *)target = value;
}

static void load_int32(struct loader *l, const struct yaml_node *node, int32_t from, int32_t to, int32_t *ret)
{
    int64_t value = 0;
    if (!parse_int(node, &value) || value < from || value > to)
        bad(l, node, "key '%s': expected an integer from %d to %d", l->key, from, to);
    else
        *ret = (int32_t)value;
}

void load_precision(struct loader *l, const struct yaml_node *node, void *target)
{
    load_int32(l, node, 1, contract_type_max_precision(CONTRACT_DECIMAL256), target);
}

void load_scale(struct loader *l, const struct yaml_node *node, void *target)
{
    const int32_t most = contract_type_max_precision(CONTRACT_DECIMAL256);
    load_int32(l, node, -most, most, target);
}

void load_size(struct loader *l, const struct yaml_node *node, void *target)
{
    load_int32(l, node, 1, INT32_MAX, target);
}

/* An SQL literal: `0`, `true` and `''` are all fine, so any scalar but null. */
void load_literal(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || node->text[0] == '\0')
        bad(l, node, "key '%s': expected an SQL literal", l->key);
    else
        *ret = g_strdup(node->text);
}

/* ---- lists and maps of scalars ---------------------------------------------------------------------------------- */

void load_list_of(struct loader *l, const struct yaml_node *node, struct contract_names *ret, load_fn read)
{
    if (node->kind != YAML_LIST) {
        bad(l, node, "key '%s': expected a list", l->key);
        return;
    }
    ret->items = g_new0(char *, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        char *text = NULL;
        read(l, node->items[i], &text);
        if (text == NULL)
            continue;
        for (size_t j = 0; j < ret->n; j++) {
            if (strcmp(ret->items[j], text) == 0)
                contradiction(l, node->items[i], "'%s' is in the list twice", text);
        }
        ret->items[ret->n++] = text;
    }
}

void load_names(struct loader *l, const struct yaml_node *node, void *target)
{
    load_list_of(l, node, target, load_name);
}

void load_texts(struct loader *l, const struct yaml_node *node, void *target)
{
    load_list_of(l, node, target, load_text);
}

/* A map whose values are scalars, read by `read`. */
void load_pairs_of(struct loader *l, const struct yaml_node *node, struct contract_pairs *ret, load_fn read,
                   bool keys_are_names)
{
    if (node->kind != YAML_MAP) {
        bad(l, node, "key '%s': expected a map", l->key);
        return;
    }
    ret->items = g_new0(struct contract_pair, node->n_items + 1);
    for (size_t i = 0; i < node->n_items; i++) {
        const struct yaml_node *key = node->keys[i];
        if (keys_are_names && !contract_name_is_valid(key->text)) {
            bad(l, key, "'%s' is not a name: lower-case letters, digits and '_', a letter first", key->text);
            continue;
        }
        if (key->text[0] == '\0') {
            bad(l, key, "the key is empty");
            continue;
        }
        char *value = NULL;
        read(l, node->items[i], &value);
        if (value != NULL)
            ret->items[ret->n++] = (struct contract_pair){.key = g_strdup(key->text),
                                                          .value = value,
                                                          .line = node->items[i]->line,
                                                          .column = node->items[i]->column};
    }
}

/* Settings: any scalar but null. */
void load_setting(struct loader *l, const struct yaml_node *node, void *target)
{
    char **ret = target;
    if (node->kind != YAML_SCALAR || load_is_null(node))
        bad(l, node, "key '%s': expected a text, a number, true or false", l->key);
    else
        *ret = g_strdup(node->text);
}

void load_settings(struct loader *l, const struct yaml_node *node, void *target)
{
    load_pairs_of(l, node, target, load_setting, false);
}

void load_metadata(struct loader *l, const struct yaml_node *node, void *target)
{
    load_pairs_of(l, node, target, load_text, false);
}

void load_checks(struct loader *l, const struct yaml_node *node, void *target)
{
    load_pairs_of(l, node, target, load_text, true);
}

/* What a column may hold: texts alone, or each with what it says. */
void load_values(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract_pairs *ret = target;
    if (node->kind == YAML_MAP) {
        load_pairs_of(l, node, ret, load_text, false);
    } else if (node->kind == YAML_LIST) {
        struct contract_names texts = {0};
        load_list_of(l, node, &texts, load_text);
        ret->items = g_new0(struct contract_pair, texts.n + 1);
        for (size_t i = 0; i < texts.n; i++)
            ret->items[ret->n++] =
                (struct contract_pair){.key = texts.items[i], .line = node->line, .column = node->column};
        g_free(texts.items);
    } else {
        bad(l, node, "key '%s': expected a list of texts, or a map of each to what it says", l->key);
        return;
    }
    if (node->n_items == 0)
        bad(l, node, "key '%s': no value is listed", l->key);
}

/* ---- maps with known keys --------------------------------------------------------------------------------------- */

void load_map(struct loader *l, const struct yaml_node *node, const char *what, const struct load_key *keys,
              size_t n_keys, void *target)
{
    if (node->kind != YAML_MAP) {
        bad(l, node, "expected %s, a map", what);
        return;
    }
    for (size_t i = 0; i < node->n_items; i++) {
        const struct load_key *spec = NULL;
        for (size_t j = 0; j < n_keys && spec == NULL; j++) {
            if (strcmp(keys[j].name, node->keys[i]->text) == 0)
                spec = &keys[j];
        }
        if (spec == NULL) {
            GString *known = g_string_new(NULL);
            for (size_t j = 0; j < n_keys; j++)
                g_string_append_printf(known, "%s%s", j == 0 ? "" : ", ", keys[j].name);
            bad(l, node->keys[i], "unknown key '%s' in %s; known are %s", node->keys[i]->text, what, known->str);
            g_string_free(known, TRUE);
        } else if (spec->read != NULL) {
            const char *outer = l->key;
            l->key = spec->name;
            spec->read(l, node->items[i], (char *)target + spec->offset);
            l->key = outer;
        }
    }
    for (size_t j = 0; j < n_keys; j++) {
        if (!keys[j].is_required)
            continue;
        bool is_there = false;
        for (size_t i = 0; i < node->n_items && !is_there; i++)
            is_there = strcmp(keys[j].name, node->keys[i]->text) == 0;
        if (!is_there)
            bad(l, node, "missing key '%s' in %s", keys[j].name, what);
    }
}

/* One of several words. */
bool load_word(struct loader *l, const struct yaml_node *node, const char *const *words, size_t n_words, size_t *ret)
{
    for (size_t i = 0; node->kind == YAML_SCALAR && i < n_words; i++) {
        if (strcmp(node->text, words[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    GString *known = g_string_new(NULL);
    for (size_t i = 0; i < n_words; i++)
        g_string_append_printf(known, "%s%s", i == 0 ? "" : ", ", words[i]);
    if (node->kind == YAML_SCALAR)
        bad(l, node, "key '%s': '%s' is none of %s", l->key, node->text, known->str);
    else
        bad(l, node, "key '%s': expected one of %s", l->key, known->str);
    g_string_free(known, TRUE);
    return false;
}
