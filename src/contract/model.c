/* contract/model.c — the names of things, look-ups and the end of a contract. */
#include "contract/contract.h"

#include <glib.h>
#include <string.h>

#include "contract/location.h"

static const char *const kind_names[] = {"bundle", "table", "view", "params", "diagnostics", "registry"};
static const char *const stage_names[] = {"extract",  "normalize",   "relate", "graph",
                                          "registry", "diagnostics", "params"};
static const char *const change_names[] = {"add_nullable", "add_required", "widen",      "rename",
                                           "drop",         "reorder",      "relax_null", "nested"};

const char *contract_kind_name(enum contract_kind kind)
{
    return (size_t)kind < G_N_ELEMENTS(kind_names) ? kind_names[kind] : "?";
}

const char *contract_stage_name(enum contract_stage stage)
{
    return (size_t)stage < G_N_ELEMENTS(stage_names) ? stage_names[stage] : "?";
}

const char *contract_change_name(enum contract_change change)
{
    return (size_t)change < G_N_ELEMENTS(change_names) ? change_names[change] : "?";
}

const char *contract_engine_version(void)
{
    return CA_ENGINE_VERSION;
}

bool contract_stage_from_name(const char *name, enum contract_stage *ret)
{
    for (size_t i = 0; i < G_N_ELEMENTS(stage_names); i++) {
        if (strcmp(name, stage_names[i]) == 0) {
            *ret = (enum contract_stage)i;
            return true;
        }
    }
    return false;
}

const char *contract_schema_name(const struct contract *c)
{
    switch (c->stage) {
    case CONTRACT_STAGE_REGISTRY:
    case CONTRACT_STAGE_PARAMS:
    case CONTRACT_STAGE_DIAGNOSTICS:
        return contract_stage_name(c->stage);
    case CONTRACT_EXTRACT:
    case CONTRACT_NORMALIZE:
    case CONTRACT_RELATE:
    case CONTRACT_GRAPH:
        break;
    }
    return "public";
}

const struct contract_field *contract_column(const struct contract *c, const char *name)
{
    for (size_t i = 0; i < c->n_columns; i++) {
        if (strcmp(c->columns[i].name, name) == 0)
            return &c->columns[i];
    }
    return NULL;
}

const struct contract_view *contract_view_named(const struct contract *c, const char *name)
{
    for (size_t i = 0; i < c->n_views; i++) {
        if (strcmp(c->views[i].name, name) == 0)
            return &c->views[i];
    }
    return NULL;
}

bool contract_name_is_valid(const char *name)
{
    if (name[0] < 'a' || name[0] > 'z')
        return false;
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return name[n] == '\0' && n <= 128;
}

bool contract_storage_is_text(const struct contract_storage *s)
{
    return strcmp(s->format, "csv") == 0 || strcmp(s->format, "ndjson") == 0 || strcmp(s->format, "stream") == 0;
}

static void pairs_done(struct contract_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        g_free(pairs->items[i].key);
        g_free(pairs->items[i].value);
    }
    g_free(pairs->items);
}

static void names_done(struct contract_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        g_free(names->items[i]);
    g_free(names->items);
}

/* Recursion is bounded by CONTRACT_MAX_DEPTH. */
static void field_done(struct contract_field *field)
{
    for (size_t i = 0; i < field->n_children; i++)
        field_done(&field->children[i]);
    g_free(field->children);
    g_free(field->name);
    g_free(field->default_sql);
    g_free(field->doc);
    g_free(field->zone);
    names_done(&field->lossy_from);
    pairs_done(&field->values);
    pairs_done(&field->metadata);
}

static void extract_free(struct contract_extract *x)
{
    if (x == NULL)
        return;
    g_free(x->extractor);
    g_free(x->layer);
    g_free(x->template_name);
    names_done(&x->bundles);
    pairs_done(&x->defaults);
    pairs_done(&x->evidence);
    names_done(&x->postprocess);
    for (size_t i = 0; i < x->n_derived_ids; i++) {
        g_free(x->derived_ids[i].column);
        names_done(&x->derived_ids[i].inputs);
    }
    g_free(x->derived_ids);
    names_done(&x->join_keys);
    g_free(x);
}

static void storage_done(struct contract_storage *s)
{
    g_free(s->format);
    g_free(s->location);
    g_free(s->compression);
    names_done(&s->statistics_columns);
    pairs_done(&s->properties);
}

void contract_free(struct contract *c)
{
    if (c == NULL)
        return;
    g_free(c->source);
    g_free(c->dataset);
    g_free(c->doc);
    for (size_t i = 0; i < c->n_columns; i++)
        field_done(&c->columns[i]);
    g_free(c->columns);
    names_done(&c->primary);
    for (size_t i = 0; i < c->n_unique; i++)
        names_done(&c->unique[i]);
    g_free(c->unique);
    names_done(&c->join);
    names_done(&c->order);
    names_done(&c->partition_by);
    names_done(&c->bucket_inputs);
    pairs_done(&c->checks);
    storage_done(&c->storage);
    pairs_done(&c->scan);
    extract_free(c->extract);
    for (size_t i = 0; i < c->n_views; i++) {
        g_free(c->views[i].name);
        g_free(c->views[i].unnest);
        names_done(&c->views[i].with);
        g_free(c->views[i].doc);
        pairs_done(&c->views[i].checks);
    }
    g_free(c->views);
    g_free(c->engine);
    pairs_done(&c->metadata);
    contract_location_free(c->at);
    g_free(c);
}

void contract_location_free(struct contract_location *l)
{
    if (l == NULL)
        return;
    g_free(l->source);
    g_free(l->name);
    g_free(l->schema);
    g_free(l->dataset);
    g_free(l->doc);
    storage_done(&l->storage);
    pairs_done(&l->scan);
    g_free(l);
}
