/* repo/declaration.c — the cookie in one of the first two lines. */
#include "repo/declaration.h"

#include <glib.h>
#include <string.h>

/* Names longer than any codec's are cut in messages. */
#define SHOWN_NAME_BYTES 80

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_name_byte(uint8_t c)
{
    return g_ascii_isalnum((char)c) || c == '-' || c == '_' || c == '.';
}

/* The name in the cookie of a line that is a comment and nothing else, and where it begins; NULL: there is none. */
static char *find_cookie(const uint8_t *line, const uint8_t *end, const uint8_t **ret_at)
{
    while (line < end && is_blank(*line))
        line++;
    if (line == end || *line != '#')
        return NULL;
    for (;;) {
        line = memmem(line, (size_t)(end - line), "coding", 6);
        if (line == NULL)
            return NULL;
        line += 6;
        if (line == end || (*line != ':' && *line != '='))
            continue;
        do
            line++;
        while (line < end && (*line == ' ' || *line == '\t'));
        const uint8_t *name = line;
        while (line < end && is_name_byte(*line))
            line++;
        if (line > name) {
            *ret_at = name;
            return g_strndup((const char *)name, (gsize)(line - name));
        }
    }
}

/* Only a blank line or a comment lets the second line speak. */
static bool says_nothing(const uint8_t *line, const uint8_t *end)
{
    while (line < end && is_blank(*line))
        line++;
    return line == end || *line == '#';
}

static const uint8_t *line_end(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at != '\n' && *at != '\r')
        at++;
    return at;
}

/* utf-8 and latin-1 have one name each in the tokenizer, which looks at 12 characters; other names stay as they are. */
static const char *normal_name(const char *name)
{
    char head[13] = {0};
    for (size_t i = 0; i < 12 && name[i] != '\0'; i++)
        head[i] = name[i] == '_' ? '-' : g_ascii_tolower(name[i]);
    if (strcmp(head, "utf-8") == 0 || g_str_has_prefix(head, "utf-8-"))
        return "utf-8";
    static const char *const latin1[] = {"latin-1", "iso-8859-1", "iso-latin-1"};
    for (size_t i = 0; i < G_N_ELEMENTS(latin1); i++)
        if (g_str_has_prefix(head, latin1[i]) && (head[strlen(latin1[i])] == '\0' || head[strlen(latin1[i])] == '-'))
            return "iso-8859-1";
    return name;
}

void repo_declaration_read(const uint8_t *text, size_t n_bytes, bool has_bom, struct repo_declaration *ret)
{
    const uint8_t *end = text + n_bytes;
    const uint8_t *first_end = text;
    const uint8_t *at = NULL;
    g_autofree char *cookie = NULL;

    /* Nearly every file begins with something else, and its first line need not be looked at. */
    if (n_bytes > 0 && (is_blank(*text) || *text == '#' || *text == '\n' || *text == '\r')) {
        first_end = line_end(text, end);
        cookie = find_cookie(text, first_end, &at);
        if (cookie == NULL && first_end < end && says_nothing(text, first_end)) {
            const uint8_t *second =
                first_end + (*first_end == '\r' && end - first_end > 1 && first_end[1] == '\n' ? 2 : 1);
            cookie = find_cookie(second, line_end(second, end), &at);
        }
    }

    *ret = (struct repo_declaration){.cookie_byte = at != NULL ? at - text : -1};
    const char *name = cookie != NULL ? normal_name(cookie) : "utf-8";
    const char *mark = strlen(name) > SHOWN_NAME_BYTES ? "..." : "";
    ret->codec = repo_codec_find(name);
    if (has_bom && strcmp(name, "utf-8") != 0)
        ret->error = g_strdup_printf("encoding problem: %.*s%s with BOM", SHOWN_NAME_BYTES, name, mark);
    else if (ret->codec == NULL)
        ret->error = g_strdup_printf("unknown encoding: %.*s%s", SHOWN_NAME_BYTES, name, mark);
    else
        ret->encoding = g_strdup(name);
}
