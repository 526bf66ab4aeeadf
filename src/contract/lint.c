/* contract/lint.c — a contract that loads may still say too little, or say what has no effect. */
#include "contract/contract.h"

#include <glib.h>
#include <stdarg.h>
#include <string.h>

/* Where a finding stands: line and column of what is there, the dataset's where something is not. */
struct place {
    int line;
    int column;
};

static struct place place_of(const struct contract *c)
{
    return (struct place){c->line, c->column};
}

static void finding(GString *out, const struct contract *c, struct place at, const char *format, ...) CA_PRINTF(4, 5);

static void finding(GString *out, const struct contract *c, struct place at, const char *format, ...)
{
    g_string_append_printf(out, "%s%s:%d:%d: ", out->len > 0 ? "\n" : "", c->source, at.line, at.column);
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(out, format, args);
    va_end(args);
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

/* What has no meaning for where the rows are. */
static void lint_storage(GString *out, const struct contract *c)
{
    static const char *const in_row_groups[] = {"delta", "parquet", NULL};
    static const char *const in_files[] = {"delta", "parquet", "csv", "ndjson", "arrow", "avro", "stream", NULL};
    const struct contract_storage *s = &c->storage;
    const struct place storage = {s->line, s->column};
    if (c->kind == CONTRACT_VIEW) {
        if (c->has_storage || c->partition_by.n > 0)
            finding(out, c, place_of(c), "storage and partition_by mean nothing for a view");
        return;
    }
    if (!is_one_of(s->format, in_row_groups) && (s->row_group_bytes > 0 || s->statistics_columns.n > 0))
        finding(out, c, storage, "row_group_bytes and statistics_columns mean nothing for format %s", s->format);
    if (!is_one_of(s->format, in_files)) {
        if (s->location != NULL || s->target_file_bytes > 0 || s->compression != NULL || s->properties.n > 0)
            finding(out, c, storage,
                    "location, target_file_bytes, compression and properties mean nothing for format %s", s->format);
        if (c->partition_by.n > 0)
            finding(out, c, place_of(c), "partition_by means nothing for format %s", s->format);
    }
}

static bool same_names(const struct contract_names *a, const struct contract_names *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        bool is_there = false;
        for (size_t j = 0; j < b->n && !is_there; j++)
            is_there = strcmp(a->items[i], b->items[j]) == 0;
        if (!is_there)
            return false;
    }
    return true;
}

/* A key that says what another one says already. */
static void lint_keys(GString *out, const struct contract *c)
{
    for (size_t i = 0; i < c->n_unique; i++) {
        g_auto(GStrv) items = g_new0(char *, c->unique[i].n + 1);
        for (size_t j = 0; j < c->unique[i].n; j++)
            items[j] = g_strdup(c->unique[i].items[j]);
        g_autofree char *text = g_strjoinv(", ", items);
        bool is_twice = same_names(&c->unique[i], &c->primary);
        for (size_t j = 0; j < i && !is_twice; j++)
            is_twice = same_names(&c->unique[i], &c->unique[j]);
        if (is_twice)
            finding(out, c, place_of(c), "unique key (%s) is a key already", text);
    }
    if (c->kind == CONTRACT_VIEW && c->n_unique > 0)
        finding(out, c, place_of(c), "keys.unique means nothing for a view: nothing proves it");
}

static void lint_views(GString *out, const struct contract *c)
{
    for (size_t i = 0; i < c->n_views; i++) {
        if (c->views[i].with.n == 0)
            finding(out, c, (struct place){c->views[i].line, c->views[i].column},
                    "view '%s' has no column that says where its rows come from", c->views[i].name);
    }
}

char *contract_lint(const struct contract *c)
{
    GString *out = g_string_new(NULL);
    const bool is_stored = c->kind != CONTRACT_VIEW && c->kind != CONTRACT_PARAMS;
    if (is_stored && c->primary.n == 0)
        finding(out, c, place_of(c), "no primary key: nothing says what one row is");
    if (is_stored && c->order.n == 0)
        finding(out, c, place_of(c), "no order: equal builds would not store equal rows");
    if (c->kind == CONTRACT_BUNDLE && c->extract == NULL)
        finding(out, c, place_of(c), "a bundle says under 'extract' where its rows come from");
    if (c->extract != NULL && c->extract->join_keys.n == 0)
        finding(out, c, place_of(c), "no extract.join_keys: nothing says how its rows meet those of other layers");
    lint_keys(out, c);
    lint_storage(out, c);
    lint_views(out, c);
    return g_string_free(out, FALSE);
}
