/* rows/literal.c — see literal.h. */
#include "rows/literal.h"

#include <errno.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"

/* 'a''b' → a'b */
static bool parse_text(const char *text, struct rows_literal *ret)
{
    size_t n = strlen(text);
    if (n < 2 || text[0] != '\'' || text[n - 1] != '\'')
        return false;
    GString *out = g_string_new(NULL);
    for (size_t i = 1; i < n - 1; i++) {
        if (text[i] == '\'') {
            if (i + 1 >= n - 1 || text[i + 1] != '\'') {
                g_string_free(out, TRUE);
                return false;
            }
            i++;
        }
        g_string_append_c(out, text[i]);
    }
    ret->n_bytes = out->len;
    ret->bytes = g_string_free(out, FALSE);
    ret->kind = NANOARROW_TYPE_STRING;
    return true;
}

static bool parse_hex(const char *text, struct rows_literal *ret)
{
    size_t n = strlen(text);
    if (n < 3 || (text[0] != 'X' && text[0] != 'x') || text[1] != '\'' || text[n - 1] != '\'' || n % 2 == 0)
        return false;
    size_t n_bytes = (n - 3) / 2;
    g_autofree char *bytes = g_malloc(n_bytes + 1);
    for (size_t i = 0; i < n_bytes; i++) {
        int high = g_ascii_xdigit_value(text[2 + 2 * i]);
        int low = g_ascii_xdigit_value(text[3 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (char)(high * 16 + low);
    }
    ret->bytes = CA_STEAL(bytes);
    ret->n_bytes = n_bytes;
    ret->kind = NANOARROW_TYPE_STRING;
    return true;
}

static bool parse_number(const char *text, struct rows_literal *ret)
{
    char *end = NULL;
    errno = 0;
    ret->i = g_ascii_strtoll(text, &end, 10);
    if (end != text && *end == '\0' && errno == 0) {
        ret->kind = NANOARROW_TYPE_INT64;
        return true;
    }
    ret->d = g_ascii_strtod(text, &end);
    ret->kind = NANOARROW_TYPE_DOUBLE;
    return end != text && *end == '\0' && isfinite(ret->d);
}

bool rows_literal_parse(const char *text, struct rows_literal *ret)
{
    if (g_ascii_strcasecmp(text, "null") == 0) {
        ret->kind = NANOARROW_TYPE_NA;
        return true;
    }
    if (g_ascii_strcasecmp(text, "true") == 0 || g_ascii_strcasecmp(text, "false") == 0) {
        ret->kind = NANOARROW_TYPE_BOOL;
        ret->i = g_ascii_strcasecmp(text, "true") == 0;
        return true;
    }
    if (strcmp(text, "[]") == 0 || g_ascii_strcasecmp(text, "make_array()") == 0) {
        ret->kind = NANOARROW_TYPE_LIST;
        return true;
    }
    return parse_text(text, ret) || parse_hex(text, ret) || parse_number(text, ret);
}
