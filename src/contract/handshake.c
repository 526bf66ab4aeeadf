/* contract/handshake.c — what a contract says to each difference between its columns and those that were found. */
#include "contract/handshake.h"

#include <glib.h>
#include <string.h>

#include "contract/scan.h"

struct reply {
    enum contract_answer answer;
    const char *advice;
};

static const struct reply accepted = {CONTRACT_READ, ""};

static struct reply refused(const char *advice)
{
    return (struct reply){CONTRACT_NOT_READ, advice};
}

/* Where a path leads in a contract: the field there, NULL when there is none, and the evolution rules that hold. */
struct place {
    const struct contract_field *field;
    bool allows[CONTRACT_N_CHANGES];
};

static void apply_rules(struct place *p, const struct contract_field *field)
{
    for (int i = 0; i < CONTRACT_N_CHANGES; i++) {
        if (field->rules[i] != CONTRACT_INHERIT)
            p->allows[i] = field->rules[i] == CONTRACT_ALLOW;
    }
}

/* Recursion is bounded by CONTRACT_MAX_DEPTH. */
static void descend(struct place *p, const struct contract_field *field, const char *field_path, const char *path)
{
    const size_t n = strlen(field_path);
    if (strncmp(path, field_path, n) != 0 || (path[n] != '\0' && strchr(".[{", path[n]) == NULL))
        return;
    apply_rules(p, field);
    if (path[n] == '\0')
        p->field = field;
    for (size_t i = 0; path[n] != '\0' && i < field->n_children; i++) {
        g_autofree char *child = contract_child_path(field_path, field, i);
        descend(p, &field->children[i], child, path);
    }
}

static struct place place_of(const struct contract *c, const char *path)
{
    struct place p = {0};
    memcpy(p.allows, c->evolution_allows, sizeof p.allows);
    for (size_t i = 0; i < c->n_columns; i++)
        descend(&p, &c->columns[i], c->columns[i].name, path);
    return p;
}

static bool is_nested(const struct rows_finding *f)
{
    return g_str_has_prefix(f->code, "field_");
}

/* Below the top level a change needs `nested` beside its own rule, as it does from version to version. */
static bool allows(const struct contract *c, enum contract_change change, const struct rows_finding *f)
{
    const struct place p = place_of(c, f->path);
    return p.allows[change] && (!is_nested(f) || p.allows[CONTRACT_NESTED]);
}

static struct reply reply_to_missing(const struct contract *c, const struct rows_finding *f, bool is_json)
{
    const struct contract_field *field = c == NULL ? NULL : place_of(c, f->path).field;
    const bool has_default = field != NULL && field->default_sql != NULL;
    if (!f->is_nullable && !has_default)
        return refused("it is NOT NULL and has no default: write it, or declare a default or null");
    if (c == NULL || is_json)
        return accepted;
    if (!allows(c, f->is_nullable ? CONTRACT_ADD_NULLABLE : CONTRACT_ADD_REQUIRED, f))
        return refused(f->is_nullable
                           ? "write it, or let the contract's evolution say add_nullable: allow (and nested: allow "
                             "below the top level)"
                           : "write it, or let the contract's evolution say add_required: allow (and nested: allow "
                             "below the top level)");
    return accepted;
}

/* Whether the contract names the type that was found among those that may lose something on the way. */
static bool may_lose(const struct contract *c, const struct rows_finding *f)
{
    if (c == NULL)
        return false;
    const struct contract_field *field = place_of(c, f->path).field;
    const size_t n = strcspn(f->found, "(<");
    for (size_t i = 0; field != NULL && i < field->lossy_from.n; i++) {
        if (strlen(field->lossy_from.items[i]) == n && strncmp(field->lossy_from.items[i], f->found, n) == 0)
            return true;
    }
    return false;
}

static struct reply reply_to_type(const struct contract *c, const struct rows_finding *f, bool is_json)
{
    if (f->is_lossless && is_json)
        return accepted;
    if (f->is_lossless || may_lose(c, f))
        return (struct reply){CONTRACT_READ_CAST, ""};
    return refused(is_json ? "write values of that type, or declare the type that is there"
                           : "a cast may lose values: write that type, declare the type that is there, or name it in "
                             "the column's lossy_from");
}

static struct reply reply_to(const struct contract *c, const struct rows_finding *f, bool is_json)
{
    if (g_str_has_suffix(f->code, "_missing"))
        return reply_to_missing(c, f, is_json);
    if (g_str_has_suffix(f->code, "_case"))
        return refused("names are compared as they are: rename one of the two");
    if (g_str_has_suffix(f->code, "_unexpected"))
        return c != NULL && allows(c, CONTRACT_DROP, f)
                   ? accepted
                   : refused("declare it, leave it out, or let the contract's evolution say drop: allow (and nested: "
                             "allow below the top level)");
    if (g_str_has_suffix(f->code, "_moved"))
        return c == NULL || allows(c, CONTRACT_REORDER, f)
                   ? accepted
                   : refused("write the declared order, or let the contract's evolution say reorder: allow (and "
                             "nested: allow below the top level)");
    if (strcmp(f->code, "type_differs") == 0)
        return reply_to_type(c, f, is_json);
    if (strcmp(f->code, "layout_differs") == 0)
        return (struct reply){g_str_has_prefix(f->found, "dictionary<") ? CONTRACT_READ_CAST : CONTRACT_READ, ""};
    if (strcmp(f->code, "metadata_differs") == 0)
        return refused("write that metadata, or leave skip_metadata as it is");
    /* What a file claims of nulls is not believed either way. */
    return accepted;
}

int contract_handshake(const struct contract *c, const struct ArrowSchema *expected, const struct ArrowSchema *found,
                       const char *format, struct contract_handshake *ret, struct ca_error *err)
{
    const bool is_json = strcmp(format, "ndjson") == 0;
    const char *skip_metadata = c == NULL ? NULL : contract_scan_value(c, "skip_metadata");
    const struct rows_compare_options options = {
        .ignore_order = is_json,
        .allow_stricter = true,
        .with_metadata = skip_metadata != NULL && strcmp(skip_metadata, "false") == 0,
        .declared_metadata = true,
        .tell_case = true,
        .tell_layout = true,
        .from_text = is_json,
    };
    struct contract_handshake h = {0};
    CA_TRY(rows_schema_fingerprint(expected, h.expected, err));
    CA_TRY(rows_schema_fingerprint(found, h.found, err));
    CA_TRY(rows_schema_compare(expected, found, &options, &h.findings, err));
    h.is_equal = h.findings.n == 0;
    h.answers = g_new0(enum contract_answer, h.findings.n + 1);
    h.advice = g_new0(const char *, h.findings.n + 1);
    for (size_t i = 0; i < h.findings.n; i++) {
        const struct reply reply = reply_to(c, &h.findings.items[i], is_json);
        h.answers[i] = reply.answer;
        h.advice[i] = reply.advice;
        h.is_refused = h.is_refused || reply.answer == CONTRACT_NOT_READ;
    }
    *ret = h;
    return CA_OK;
}

void contract_handshake_done(struct contract_handshake *h)
{
    rows_findings_done(&h->findings);
    g_free(h->answers);
    g_free(h->advice);
    *h = (struct contract_handshake){0};
}

char *contract_handshake_text(const struct contract_handshake *h)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < h->findings.n; i++) {
        if (h->is_refused && h->answers[i] != CONTRACT_NOT_READ)
            continue;
        const struct rows_findings one = {.items = &h->findings.items[i], .n = 1};
        g_autofree char *text = rows_findings_text(&one);
        g_string_append_printf(out, "%s%s", out->len > 0 ? "; " : "", text);
        if (h->advice[i][0] != '\0')
            g_string_append_printf(out, " [%s: %s]", h->findings.items[i].code, h->advice[i]);
        else
            g_string_append_printf(out, " [%s]", h->findings.items[i].code);
    }
    return g_string_free(out, FALSE);
}
