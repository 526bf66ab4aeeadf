/* contract/compare.c — what a new version of a contract changes, and whether the old one's rules let it. */
#include "contract/contract.h"

#include <glib.h>
#include <string.h>

struct comparison {
    const struct contract *before;
    GArray *found; /* struct contract_difference */
};

const char *contract_verdict_name(enum contract_verdict verdict)
{
    static const char *const names[] = {"cosmetic", "additive", "breaking"};
    return (size_t)verdict < G_N_ELEMENTS(names) ? names[verdict] : "?";
}

static void add(struct comparison *k, const char *path, const char *what, const char *before, const char *after,
                enum contract_verdict verdict, bool is_allowed)
{
    struct contract_difference d = {
        .path = g_strdup(path),
        .what = what,
        .before = g_strdup(before == NULL ? "" : before),
        .after = g_strdup(after == NULL ? "" : after),
        .verdict = verdict,
        .is_allowed = verdict == CONTRACT_COSMETIC || is_allowed,
    };
    g_array_append_val(k->found, d);
}

/* What the old contract lets happen at one place: the dataset's rules, with those of the fields on the way over them.
 */
struct rules {
    bool allows[CONTRACT_N_CHANGES];
};

static struct rules rules_at(const struct rules *around, const struct contract_field *field)
{
    struct rules r = *around;
    for (int i = 0; i < CONTRACT_N_CHANGES; i++) {
        if (field->rules[i] != CONTRACT_INHERIT)
            r.allows[i] = field->rules[i] == CONTRACT_ALLOW;
    }
    return r;
}

/* Below the top level a change needs the rule `nested` beside its own. */
static bool allows(const struct rules *r, enum contract_change change, bool is_nested)
{
    return r->allows[change] && (!is_nested || r->allows[CONTRACT_NESTED]);
}

static bool same_text(const char *a, const char *b)
{
    return g_strcmp0(a, b) == 0;
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

/* Whether two fields hold the same, names apart; recursion is bounded by CONTRACT_MAX_DEPTH. */
static bool same_shape(const struct contract_field *a, const struct contract_field *b)
{
    if (!contract_type_equal(a, b) || a->is_nullable != b->is_nullable || a->n_children != b->n_children)
        return false;
    for (size_t i = 0; i < a->n_children; i++) {
        if (!same_text(a->children[i].name, b->children[i].name) || !same_shape(&a->children[i], &b->children[i]))
            return false;
    }
    return true;
}

static void compare_fields(struct comparison *k, const struct contract_field *a, size_t n_a,
                           const struct contract_field *b, size_t n_b, const char *path, bool is_nested,
                           const struct rules *around);

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *pairs_text(const struct contract_pairs *pairs)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < pairs->n; i++)
        g_ptr_array_add(lines, g_strdup_printf("%s: %s", pairs->items[i].key, pairs->items[i].value));
    g_ptr_array_sort(lines, by_text);
    for (guint i = 0; i + 1 < lines->len; i++) {
        char *line = g_strconcat(lines->pdata[i], ", ", NULL);
        g_free(lines->pdata[i]);
        lines->pdata[i] = line;
    }
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("", (char **)lines->pdata);
}

static const char *rule_text(enum contract_rule rule)
{
    return rule == CONTRACT_ALLOW ? "allow" : rule == CONTRACT_REFUSE ? "refuse" : "";
}

static char *names_text(const struct contract_names *names)
{
    g_autofree char **items = g_new0(char *, names->n + 1);
    for (size_t i = 0; i < names->n; i++)
        items[i] = names->items[i];
    return g_strjoinv(", ", items);
}

/* What a field says of its own changes and casts. */
static void compare_field_rules(struct comparison *k, const struct contract_field *a, const struct contract_field *b,
                                const char *path)
{
    for (int i = 0; i < CONTRACT_N_CHANGES; i++) {
        if (a->rules[i] == b->rules[i])
            continue;
        g_autofree char *rule = g_strconcat(path, ".evolution.", contract_change_name((enum contract_change)i), NULL);
        add(k, rule, "changed", rule_text(a->rules[i]), rule_text(b->rules[i]), CONTRACT_COSMETIC, true);
    }
    g_autofree char *lossy = g_strconcat(path, ".lossy_from", NULL);
    g_autofree char *before = names_text(&a->lossy_from);
    g_autofree char *after = names_text(&b->lossy_from);
    if (strcmp(before, after) != 0)
        add(k, lossy, "changed", before, after, CONTRACT_COSMETIC, true);
}

static void compare_field(struct comparison *k, const struct contract_field *a, const struct contract_field *b,
                          const char *path, bool is_nested, const struct rules *around)
{
    const struct rules r = rules_at(around, a);
    if (!contract_type_equal(a, b)) {
        g_autofree char *before = contract_type_text(a);
        g_autofree char *after = contract_type_text(b);
        if (contract_type_is_wider(a, b))
            add(k, path, "type_widened", before, after, CONTRACT_ADDITIVE, allows(&r, CONTRACT_WIDEN, is_nested));
        else
            add(k, path, "type_changed", before, after, CONTRACT_BREAKING, false);
    }
    if (!a->is_nullable && b->is_nullable)
        add(k, path, "null_relaxed", "not null", "null", CONTRACT_ADDITIVE, allows(&r, CONTRACT_RELAX_NULL, is_nested));
    if (a->is_nullable && !b->is_nullable)
        add(k, path, "null_tightened", "null", "not null", CONTRACT_BREAKING, false);
    if (!same_text(a->default_sql, b->default_sql))
        add(k, path, "default_changed", a->default_sql, b->default_sql, CONTRACT_ADDITIVE,
            k->before->evolution_default);
    if (!same_text(a->doc, b->doc))
        add(k, path, "doc_changed", a->doc, b->doc, CONTRACT_COSMETIC, true);
    g_autofree char *metadata_before = pairs_text(&a->metadata);
    g_autofree char *metadata_after = pairs_text(&b->metadata);
    if (!same_text(metadata_before, metadata_after))
        add(k, path, "metadata_changed", metadata_before, metadata_after, CONTRACT_COSMETIC, true);
    compare_field_rules(k, a, b, path);
    const int both = (int)(contract_type_shape(a->type) | contract_type_shape(b->type));
    if (both == CONTRACT_SHAPE_STRUCT) {
        compare_fields(k, a->children, a->n_children, b->children, b->n_children, path, true, &r);
    } else if ((both & ~CONTRACT_SHAPES_LIST) == 0 || both == CONTRACT_SHAPE_MAP) {
        for (size_t i = 0; i < a->n_children; i++) {
            g_autofree char *part = contract_child_path(path, a, i);
            compare_field(k, &a->children[i], &b->children[i], part, true, &r);
        }
    }
}

static const struct contract_field *field_named(const struct contract_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    }
    return NULL;
}

/* Whether fields[i] stands behind a field that used to stand behind it. Fields that only one side has move nothing. */
static bool is_moved(const struct contract_field *a, const struct contract_field *b, size_t n_b, size_t i)
{
    const struct contract_field *here = field_named(b, n_b, a[i].name);
    for (size_t j = 0; j < i; j++) {
        const struct contract_field *other = field_named(b, n_b, a[j].name);
        if (other != NULL && other > here)
            return true;
    }
    return false;
}

static void compare_fields(struct comparison *k, const struct contract_field *a, size_t n_a,
                           const struct contract_field *b, size_t n_b, const char *path, bool is_nested,
                           const struct rules *around)
{
    for (size_t i = 0; i < n_a; i++) {
        const struct rules r = rules_at(around, &a[i]);
        g_autofree char *child = g_strconcat(path, ".", a[i].name, NULL);
        const struct contract_field *other = field_named(b, n_b, a[i].name);
        if (other != NULL) {
            if (is_moved(a, b, n_b, i)) {
                g_autofree char *from = g_strdup_printf("%zu", i + 1);
                g_autofree char *to = g_strdup_printf("%zu", (size_t)(other - b) + 1);
                add(k, child, "column_moved", from, to, CONTRACT_ADDITIVE, allows(&r, CONTRACT_REORDER, is_nested));
            }
            compare_field(k, &a[i], other, child, is_nested, around);
            continue;
        }
        /* A field of another name in the same place that holds the same: renamed, as far as two files can tell. */
        const bool is_renamed = i < n_b && field_named(a, n_a, b[i].name) == NULL && same_shape(&a[i], &b[i]);
        if (is_renamed) {
            add(k, child, "column_renamed", a[i].name, b[i].name, CONTRACT_BREAKING,
                allows(&r, CONTRACT_RENAME, is_nested));
        } else {
            g_autofree char *type = contract_type_text(&a[i]);
            add(k, child, "column_dropped", type, "", CONTRACT_BREAKING, allows(&r, CONTRACT_DROP, is_nested));
        }
    }
    for (size_t i = 0; i < n_b; i++) {
        if (field_named(a, n_a, b[i].name) != NULL)
            continue;
        if (i < n_a && field_named(b, n_b, a[i].name) == NULL && same_shape(&a[i], &b[i]))
            continue;
        g_autofree char *child = g_strconcat(path, ".", b[i].name, NULL);
        g_autofree char *type = contract_type_text(&b[i]);
        if (b[i].is_nullable)
            add(k, child, "column_added", "", type, CONTRACT_ADDITIVE,
                allows(around, CONTRACT_ADD_NULLABLE, is_nested));
        else if (b[i].default_sql != NULL)
            add(k, child, "column_added", "", type, CONTRACT_ADDITIVE,
                allows(around, CONTRACT_ADD_REQUIRED, is_nested));
        else
            /* Nothing completes the old rows. */
            add(k, child, "column_added", "", type, CONTRACT_BREAKING, false);
    }
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

static void compare_names(struct comparison *k, const char *path, const struct contract_names *a,
                          const struct contract_names *b, enum contract_verdict verdict)
{
    g_autofree char *before = names_text(a);
    g_autofree char *after = names_text(b);
    if (strcmp(before, after) != 0)
        add(k, path, "changed", before, after, verdict, k->before->evolution_default);
}

static void compare_pairs(struct comparison *k, const char *path, const struct contract_pairs *a,
                          const struct contract_pairs *b, enum contract_verdict verdict, bool is_allowed)
{
    g_autofree char *before = pairs_text(a);
    g_autofree char *after = pairs_text(b);
    if (strcmp(before, after) != 0)
        add(k, path, "changed", before, after, verdict, is_allowed);
}

static void compare_texts(struct comparison *k, const char *path, const char *a, const char *b,
                          enum contract_verdict verdict)
{
    if (!same_text(a, b))
        add(k, path, "changed", a, b, verdict, k->before->evolution_default);
}

static void compare_numbers(struct comparison *k, const char *path, int64_t a, int64_t b)
{
    if (a == b)
        return;
    g_autofree char *before = g_strdup_printf("%" G_GINT64_FORMAT, a);
    g_autofree char *after = g_strdup_printf("%" G_GINT64_FORMAT, b);
    add(k, path, "changed", before, after, CONTRACT_COSMETIC, true);
}

static void compare_views(struct comparison *k, const struct contract *a, const struct contract *b)
{
    for (size_t i = 0; i < a->n_views; i++) {
        const struct contract_view *x = &a->views[i];
        const struct contract_view *y = contract_view_named(b, x->name);
        g_autofree char *path = g_strconcat("views.", x->name, NULL);
        if (y == NULL) {
            add(k, path, "view_dropped", x->unnest, "", CONTRACT_BREAKING, a->evolution_allows[CONTRACT_DROP]);
            continue;
        }
        g_autofree char *unnest = g_strconcat(path, ".unnest", NULL);
        g_autofree char *with = g_strconcat(path, ".with", NULL);
        g_autofree char *checks = g_strconcat(path, ".checks", NULL);
        compare_texts(k, unnest, x->unnest, y->unnest, CONTRACT_BREAKING);
        compare_names(k, with, &x->with, &y->with, CONTRACT_BREAKING);
        compare_pairs(k, checks, &x->checks, &y->checks, CONTRACT_ADDITIVE, true);
        if (!same_text(x->doc, y->doc))
            add(k, path, "doc_changed", x->doc, y->doc, CONTRACT_COSMETIC, true);
    }
    for (size_t i = 0; i < b->n_views; i++) {
        g_autofree char *path = g_strconcat("views.", b->views[i].name, NULL);
        if (contract_view_named(a, b->views[i].name) == NULL)
            add(k, path, "view_added", "", b->views[i].unnest, CONTRACT_ADDITIVE, true);
    }
}

static char *unique_text(const struct contract *c)
{
    GString *out = g_string_new(NULL);
    for (size_t i = 0; i < c->n_unique; i++) {
        g_autofree char *key = names_text(&c->unique[i]);
        g_string_append_printf(out, "%s(%s)", i == 0 ? "" : ", ", key);
    }
    return g_string_free(out, FALSE);
}

static void compare_storage(struct comparison *k, const struct contract_storage *a, const struct contract_storage *b)
{
    compare_texts(k, "storage.format", a->format, b->format, CONTRACT_BREAKING);
    compare_texts(k, "storage.location", a->location, b->location, CONTRACT_BREAKING);
    compare_numbers(k, "storage.row_group_bytes", a->row_group_bytes, b->row_group_bytes);
    compare_numbers(k, "storage.target_file_bytes", a->target_file_bytes, b->target_file_bytes);
    compare_texts(k, "storage.compression", a->compression, b->compression, CONTRACT_COSMETIC);
    compare_names(k, "storage.statistics_columns", &a->statistics_columns, &b->statistics_columns, CONTRACT_COSMETIC);
    compare_pairs(k, "storage.properties", &a->properties, &b->properties, CONTRACT_COSMETIC, true);
}

static void compare_rules(struct comparison *k, const struct contract *a, const struct contract *b)
{
    for (int i = 0; i < CONTRACT_N_CHANGES; i++) {
        if (a->evolution_allows[i] == b->evolution_allows[i])
            continue;
        g_autofree char *path = g_strconcat("evolution.", contract_change_name((enum contract_change)i), NULL);
        add(k, path, "changed", a->evolution_allows[i] ? "allow" : "refuse",
            b->evolution_allows[i] ? "allow" : "refuse", CONTRACT_COSMETIC, true);
    }
}

void contract_compare(const struct contract *before, const struct contract *after, struct contract_differences *ret)
{
    struct comparison k = {
        .before = before,
        .found = g_array_new(FALSE, FALSE, sizeof(struct contract_difference)),
    };
    compare_numbers(&k, "version", before->version, after->version);
    compare_texts(&k, "kind", contract_kind_name(before->kind), contract_kind_name(after->kind), CONTRACT_BREAKING);
    if (!same_text(before->doc, after->doc))
        add(&k, "doc", "doc_changed", before->doc, after->doc, CONTRACT_COSMETIC, true);
    struct rules rules;
    memcpy(rules.allows, before->evolution_allows, sizeof rules.allows);
    compare_fields(&k, before->columns, before->n_columns, after->columns, after->n_columns, "columns", false, &rules);
    compare_names(&k, "keys.primary", &before->primary, &after->primary, CONTRACT_BREAKING);
    g_autofree char *unique_before = unique_text(before);
    g_autofree char *unique_after = unique_text(after);
    compare_texts(&k, "keys.unique", unique_before, unique_after, CONTRACT_BREAKING);
    compare_names(&k, "keys.join", &before->join, &after->join, CONTRACT_COSMETIC);
    compare_names(&k, "order", &before->order, &after->order, CONTRACT_ADDITIVE);
    compare_names(&k, "partition_by", &before->partition_by, &after->partition_by, CONTRACT_BREAKING);
    compare_pairs(&k, "checks", &before->checks, &after->checks, CONTRACT_ADDITIVE, true);
    compare_storage(&k, &before->storage, &after->storage);
    compare_pairs(&k, "scan", &before->scan, &after->scan, CONTRACT_COSMETIC, true);
    compare_rules(&k, before, after);
    compare_views(&k, before, after);
    if (!same_text(before->engine, after->engine))
        add(&k, "engine", "changed", before->engine, after->engine, CONTRACT_ADDITIVE, true);
    compare_pairs(&k, "metadata", &before->metadata, &after->metadata, CONTRACT_COSMETIC, true);
    ret->n = k.found->len;
    ret->items = (struct contract_difference *)(void *)g_array_free(k.found, FALSE);
}

void contract_differences_done(struct contract_differences *d)
{
    for (size_t i = 0; i < d->n; i++) {
        g_free(d->items[i].path);
        g_free(d->items[i].before);
        g_free(d->items[i].after);
    }
    g_free(d->items);
    *d = (struct contract_differences){0};
}

int contract_check_evolution(const struct contract *before, const struct contract *after, struct ca_error *err)
{
    struct contract_differences d = {0};
    contract_compare(before, after, &d);
    GString *refused = g_string_new(NULL);
    for (size_t i = 0; i < d.n; i++) {
        const struct contract_difference *x = &d.items[i];
        if (!x->is_allowed)
            g_string_append_printf(refused, "\n%s: %s (%s), '%s' to '%s'", x->path, x->what,
                                   contract_verdict_name(x->verdict), x->before, x->after);
    }
    int rc = CA_OK;
    if (refused->len > 0)
        rc = ca_fail(err, CA_ERR_DRIFT, "the evolution rules of '%s' version %" G_GINT64_FORMAT " do not allow:%s",
                     before->dataset, before->version, refused->str);
    g_string_free(refused, TRUE);
    contract_differences_done(&d);
    return rc;
}
