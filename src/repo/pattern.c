/* repo/pattern.c — matching in two levels, neither recursive.
 *
 * A pattern is cut at its slashes into segments. Within a segment `*` is a run of bytes, among segments `**` is a run
 * of segments, and for both the usual argument holds: once a later star is reached, the earliest place of what stood
 * before it leaves the most room, so only the latest star is ever tried again. That makes a match O(pattern x path) at
 * worst.
 */
#include "repo/pattern.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>

struct segment {
    const uint8_t *start;
    const uint8_t *end;
    bool is_any_depth; /* `**` alone between slashes */
};

struct pattern {
    uint8_t *text;
    struct segment *segments;
    size_t n_segments;
    bool is_negated;
    bool is_for_dirs;
    bool is_anchored; /* has a slash: matches from the list's directory; else any name */
};

struct repo_patterns {
    GArray *patterns; /* of struct pattern */
    bool fold_case;
};

static void pattern_done(void *data)
{
    struct pattern *p = data;
    g_free(p->text);
    g_free(p->segments);
}

struct repo_patterns *repo_patterns_new(bool fold_case)
{
    struct repo_patterns *p = g_new0(struct repo_patterns, 1);
    p->patterns = g_array_new(FALSE, FALSE, sizeof(struct pattern));
    g_array_set_clear_func(p->patterns, pattern_done);
    p->fold_case = fold_case;
    return p;
}

void repo_patterns_free(struct repo_patterns *p)
{
    if (p == NULL)
        return;
    g_array_unref(p->patterns);
    g_free(p);
}

size_t repo_patterns_n(const struct repo_patterns *p)
{
    return p->patterns->len;
}

static bool class_has(const uint8_t *name, size_t n_bytes, uint8_t c, bool fold_case, bool *ret_is_known)
{
    static const struct {
        const char *name;
        GAsciiType mask;
    } classes[] = {
        {"alnum", G_ASCII_ALNUM}, {"alpha", G_ASCII_ALPHA}, {"cntrl", G_ASCII_CNTRL},   {"digit", G_ASCII_DIGIT},
        {"graph", G_ASCII_GRAPH}, {"lower", G_ASCII_LOWER}, {"print", G_ASCII_PRINT},   {"punct", G_ASCII_PUNCT},
        {"space", G_ASCII_SPACE}, {"upper", G_ASCII_UPPER}, {"xdigit", G_ASCII_XDIGIT},
    };

    *ret_is_known = true;
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++)
        if (strlen(classes[i].name) == n_bytes && memcmp(classes[i].name, name, n_bytes) == 0)
            return (g_ascii_table[c] & classes[i].mask) != 0 ||
                   (fold_case && classes[i].mask == G_ASCII_UPPER && g_ascii_islower((char)c));
    if (n_bytes == 5 && memcmp(name, "blank", 5) == 0)
        return c == ' ' || c == '\t';
    *ret_is_known = false;
    return false;
}

/* Read the bracket expression that begins after the `[` at *at. Returns 1 when it holds c, 0 when not, -1 when it has
 * no end or names no known class, which makes the whole pattern match nothing, as in git. *at is then after the `]`. */
static int match_bracket(const uint8_t **at, const uint8_t *end, uint8_t c, bool fold_case)
{
    const uint8_t *p = *at;
    bool is_negated = false;
    if (p < end && (*p == '!' || *p == '^')) {
        is_negated = true;
        p++;
    }

    bool is_matched = false;
    uint8_t previous = 0;
    for (bool is_first = true;; is_first = false, p++) {
        if (p >= end)
            return -1;
        uint8_t m = *p;
        if (m == ']' && !is_first)
            break;
        if (m == '\\') {
            if (++p >= end)
                return -1;
            m = *p;
            is_matched = is_matched || m == c;
        } else if (m == '-' && previous != 0 && p + 1 < end && p[1] != ']') {
            m = *++p;
            if (m == '\\') {
                if (++p >= end)
                    return -1;
                m = *p;
            }
            uint8_t upper = fold_case ? (uint8_t)g_ascii_toupper((char)c) : c;
            if ((previous <= c && c <= m) || (previous <= upper && upper <= m))
                is_matched = true;
            m = 0; /* a range is not the start of another */
        } else if (m == '[' && p + 1 < end && p[1] == ':') {
            const uint8_t *name = p + 2;
            const uint8_t *close = memchr(name, ']', (size_t)(end - name));
            if (close == NULL)
                return -1;
            if (close == name || close[-1] != ':') { /* no ":]": the bracket is a member like any other */
                is_matched = is_matched || c == '[';
            } else {
                bool is_known = false;
                if (class_has(name, (size_t)(close - 1 - name), c, fold_case, &is_known))
                    is_matched = true;
                if (!is_known)
                    return -1;
                p = close;
                m = 0;
            }
        } else if (m == c) {
            is_matched = true;
        }
        previous = m;
    }
    *at = p + 1;
    return is_matched != is_negated;
}

static uint8_t folded(uint8_t c, bool fold_case)
{
    return fold_case ? (uint8_t)g_ascii_tolower((char)c) : c;
}

static bool match_segment(const struct segment *segment, const char *text, const char *text_end, bool fold_case)
{
    const uint8_t *p = segment->start;
    const uint8_t *end = segment->end;
    const uint8_t *t = (const uint8_t *)text;
    const uint8_t *t_end = (const uint8_t *)text_end;
    const uint8_t *star = NULL; /* what follows the latest star, and where its run of bytes ends for now */
    const uint8_t *star_t = NULL;

    for (;;) {
        bool is_matched = false;
        if (p < end && *p == '*') {
            star = ++p;
            star_t = t;
            continue;
        }
        if (t == t_end && p == end)
            return true;
        if (t < t_end && p < end) {
            uint8_t c = folded(*t, fold_case);
            const uint8_t *next = p + 1;
            if (*p == '?') {
                is_matched = true;
            } else if (*p == '[') {
                int verdict = match_bracket(&next, end, c, fold_case);
                if (verdict < 0)
                    return false;
                is_matched = verdict == 1;
            } else if (*p == '\\') {
                if (next == end)
                    return false;
                is_matched = folded(*next, fold_case) == c;
                next++;
            } else {
                is_matched = folded(*p, fold_case) == c;
            }
            if (is_matched) {
                p = next;
                t++;
                continue;
            }
        }
        if (star == NULL || star_t == t_end)
            return false;
        p = star;
        t = ++star_t;
    }
}

/* Cut at slashes; one within brackets does not count. false: an open bracket, so that nothing can match. */
static bool cut_segments(struct pattern *pattern, const uint8_t *p, const uint8_t *end)
{
    GArray *segments = g_array_new(FALSE, FALSE, sizeof(struct segment));
    bool is_valid = true;
    for (const uint8_t *start = p;; p++) {
        const uint8_t *segment_end = p;
        if (p + 1 < end && *p == '\\') {
            p++; /* the escaped byte is literal, but a slash still ends the segment */
            if (*p != '/')
                continue;
        } else if (p < end && *p == '[') {
            const uint8_t *next = p + 1;
            if (match_bracket(&next, end, 0, false) < 0) {
                is_valid = false;
                break;
            }
            p = next - 1;
            continue;
        } else if (p < end && *p != '/') {
            continue;
        }
        struct segment s = {.start = start, .end = segment_end, .is_any_depth = segment_end - start >= 2};
        for (const uint8_t *q = s.start; q < s.end; q++)
            s.is_any_depth = s.is_any_depth && *q == '*';
        g_array_append_val(segments, s);
        if (p >= end)
            break;
        start = p + 1;
    }
    pattern->n_segments = segments->len;
    pattern->segments = (struct segment *)(void *)g_array_free(segments, FALSE);
    return is_valid;
}

void repo_patterns_add(struct repo_patterns *p, const char *line, size_t n_bytes)
{
    if (n_bytes > 0 && line[0] == '#')
        return;

    /* Spaces at the end go, but for one that a backslash protects. */
    size_t n_kept = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        if (line[i] == '\\' && i + 1 < n_bytes)
            i++;
        else if (line[i] == ' ')
            continue;
        n_kept = i + 1;
    }

    struct pattern pattern = {0};
    if (n_kept > 0 && line[0] == '!') {
        pattern.is_negated = true;
        line++;
        n_kept--;
    }
    if (n_kept > 0 && line[n_kept - 1] == '/') {
        pattern.is_for_dirs = true;
        n_kept--;
    }
    if (n_kept == 0)
        return;

    pattern.text = g_memdup2(line, n_kept);
    const uint8_t *start = pattern.text;
    const uint8_t *end = start + n_kept;
    pattern.is_anchored = memchr(start, '/', n_kept) != NULL;
    if (*start == '/')
        start++;
    if (cut_segments(&pattern, start, end))
        g_array_append_val(p->patterns, pattern);
    else
        pattern_done(&pattern);
}

void repo_patterns_add_text(struct repo_patterns *p, const char *text, size_t n_bytes)
{
    const char *end = text + n_bytes;
    if (n_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline != NULL ? newline : end;
        size_t n_line = (size_t)(stop - text);
        if (newline != NULL && n_line > 0 && text[n_line - 1] == '\r')
            n_line--;
        repo_patterns_add(p, text, n_line);
        text = stop + 1;
    }
}

static const char *path_segment_end(const char *text)
{
    const char *slash = strchr(text, '/');
    return slash != NULL ? slash : text + strlen(text);
}

static const char *next_segment(const char *end)
{
    return *end == '/' ? end + 1 : end;
}

static bool match_anchored(const struct pattern *pattern, const char *path, bool fold_case)
{
    const struct segment *segments = pattern->segments;
    size_t n = pattern->n_segments;
    size_t i = 0;
    size_t any_depth = n; /* the latest `**`; n: none */
    const char *any_depth_end = NULL;
    const char *at = path;

    while (*at != '\0') {
        const char *end = path_segment_end(at);
        if (i < n && segments[i].is_any_depth) {
            if (i == n - 1)
                return true;
            any_depth = i++;
            any_depth_end = at;
        } else if (i < n && match_segment(&segments[i], at, end, fold_case)) {
            i++;
            at = next_segment(end);
        } else if (any_depth < n) {
            any_depth_end = next_segment(path_segment_end(any_depth_end));
            at = any_depth_end;
            i = any_depth + 1;
        } else {
            return false;
        }
    }
    return i == n;
}

enum repo_verdict repo_patterns_match(const struct repo_patterns *p, const char *path, bool is_dir)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *name_end = name + strlen(name);

    for (guint i = p->patterns->len; i-- > 0;) {
        const struct pattern *pattern = &g_array_index(p->patterns, struct pattern, i);
        if (pattern->is_for_dirs && !is_dir)
            continue;
        bool is_matched = pattern->is_anchored ? match_anchored(pattern, path, p->fold_case)
                                               : match_segment(&pattern->segments[0], name, name_end, p->fold_case);
        if (is_matched)
            return pattern->is_negated ? REPO_NEGATED : REPO_MATCHED;
    }
    return REPO_NOT_MATCHED;
}

bool repo_patterns_may_match_below(const struct repo_patterns *p, const char *dir)
{
    for (guint i = 0; i < p->patterns->len; i++) {
        const struct pattern *pattern = &g_array_index(p->patterns, struct pattern, i);
        if (pattern->is_negated)
            continue;
        if (!pattern->is_anchored)
            return true;
        const char *at = dir;
        size_t k = 0;
        while (*at != '\0' && k < pattern->n_segments && !pattern->segments[k].is_any_depth) {
            const char *end = path_segment_end(at);
            if (!match_segment(&pattern->segments[k], at, end, p->fold_case))
                break;
            at = next_segment(end);
            k++;
        }
        if (k < pattern->n_segments && (*at == '\0' || pattern->segments[k].is_any_depth))
            return true;
    }
    return false;
}
