/* contract/fingerprint.c — the canonical JSON of a contract and what is hashed of it. */
#include <nanoarrow/nanoarrow.h>

#include "contract/contract.h"

#include <jansson.h>
#include <string.h>

#include "rows/rows.h"

/* JSON_SORT_KEYS at dump makes the order of insertion irrelevant. */
static json_t *names_json(const struct contract_names *names)
{
    json_t *array = json_array();
    for (size_t i = 0; i < names->n; i++)
        json_array_append_new(array, json_string(names->items[i]));
    return array;
}

static json_t *pairs_json(const struct contract_pairs *pairs)
{
    json_t *object = json_object();
    for (size_t i = 0; i < pairs->n; i++)
        json_object_set_new(object, pairs->items[i].key, json_string(pairs->items[i].value));
    return object;
}

static json_t *text_json(const char *text)
{
    return text == NULL ? json_null() : json_string(text);
}

/* Only what a field says itself. */
static json_t *rules_json(const enum contract_rule rules[CONTRACT_N_CHANGES])
{
    json_t *object = json_object();
    for (int i = 0; i < CONTRACT_N_CHANGES; i++) {
        if (rules[i] != CONTRACT_INHERIT)
            json_object_set_new(object, contract_change_name((enum contract_change)i),
                                json_string(rules[i] == CONTRACT_ALLOW ? "allow" : "refuse"));
    }
    return object;
}

/* What a type takes beside its name, where it takes it. */
static void type_json(json_t *object, const struct contract_field *field)
{
    const enum contract_shape shape = contract_type_shape(field->type);
    if (shape == CONTRACT_SHAPE_DECIMAL) {
        json_object_set_new(object, "precision", json_integer(field->precision));
        json_object_set_new(object, "scale", json_integer(field->scale));
    } else if (shape == CONTRACT_SHAPE_TIMESTAMP) {
        json_object_set_new(object, "zone", text_json(field->zone));
    } else if (shape == CONTRACT_SHAPE_BYTES || shape == CONTRACT_SHAPE_SIZED_LIST) {
        json_object_set_new(object, "size", json_integer(field->size));
    } else if (shape == CONTRACT_SHAPE_DICTIONARY) {
        json_object_set_new(object, "index", json_string(contract_type_name(field->index)));
    }
}

/* Recursion is bounded by CONTRACT_MAX_DEPTH. */
static json_t *field_json(const struct contract_field *field)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", json_string(field->name));
    json_object_set_new(object, "type", json_string(contract_type_name(field->type)));
    json_object_set_new(object, "nullable", json_boolean(field->is_nullable));
    /* A nullable column defaults to NULL without saying so. */
    json_object_set_new(object, "default",
                        field->default_sql == NULL && field->is_nullable ? json_string("NULL")
                                                                         : text_json(field->default_sql));
    json_object_set_new(object, "metadata", pairs_json(&field->metadata));
    type_json(object, field);
    json_object_set_new(object, "evolution", rules_json(field->rules));
    json_object_set_new(object, "lossy_from", names_json(&field->lossy_from));
    if (field->n_children > 0) {
        json_t *children = json_array();
        for (size_t i = 0; i < field->n_children; i++)
            json_array_append_new(children, field_json(&field->children[i]));
        json_object_set_new(object, "children", children);
    }
    return object;
}

static json_t *extract_json(const struct contract_extract *x)
{
    if (x == NULL)
        return json_null();
    json_t *ids = json_object();
    for (size_t i = 0; i < x->n_derived_ids; i++)
        json_object_set_new(ids, x->derived_ids[i].column, names_json(&x->derived_ids[i].inputs));
    json_t *object = json_object();
    json_object_set_new(object, "extractor", json_string(x->extractor));
    json_object_set_new(object, "layer", json_string(x->layer));
    json_object_set_new(object, "template", json_string(x->template_name));
    json_object_set_new(object, "bundles", names_json(&x->bundles));
    json_object_set_new(object, "defaults", pairs_json(&x->defaults));
    json_object_set_new(object, "evidence", pairs_json(&x->evidence));
    json_object_set_new(object, "postprocess", names_json(&x->postprocess));
    json_object_set_new(object, "derived_ids", ids);
    json_object_set_new(object, "join_keys", names_json(&x->join_keys));
    return object;
}

static json_t *storage_json(const struct contract_storage *s)
{
    json_t *object = json_object();
    json_object_set_new(object, "format", text_json(s->format));
    json_object_set_new(object, "location", text_json(s->location));
    json_object_set_new(object, "row_group_bytes", json_integer(s->row_group_bytes));
    json_object_set_new(object, "target_file_bytes", json_integer(s->target_file_bytes));
    json_object_set_new(object, "compression", text_json(s->compression));
    json_object_set_new(object, "statistics_columns", names_json(&s->statistics_columns));
    json_object_set_new(object, "properties", pairs_json(&s->properties));
    return object;
}

static json_t *views_json(const struct contract *c)
{
    json_t *object = json_object();
    for (size_t i = 0; i < c->n_views; i++) {
        json_t *view = json_object();
        json_object_set_new(view, "unnest", json_string(c->views[i].unnest));
        json_object_set_new(view, "with", names_json(&c->views[i].with));
        json_object_set_new(view, "checks", pairs_json(&c->views[i].checks));
        json_object_set_new(object, c->views[i].name, view);
    }
    return object;
}

char *contract_canonical_json(const struct contract *c)
{
    json_t *root = json_object();
    json_t *columns = json_array();
    for (size_t i = 0; i < c->n_columns; i++)
        json_array_append_new(columns, field_json(&c->columns[i]));
    json_t *evolution = json_object();
    for (int i = 0; i < CONTRACT_N_CHANGES; i++)
        json_object_set_new(evolution, contract_change_name((enum contract_change)i),
                            json_string(c->evolution_allows[i] ? "allow" : "refuse"));
    json_object_set_new(root, "dataset", json_string(c->dataset));
    json_object_set_new(root, "version", json_integer(c->version));
    json_object_set_new(root, "kind", json_string(contract_kind_name(c->kind)));
    json_object_set_new(root, "stage", json_string(contract_stage_name(c->stage)));
    json_object_set_new(root, "columns", columns);
    json_object_set_new(root, "primary", names_json(&c->primary));
    json_t *unique = json_array();
    for (size_t i = 0; i < c->n_unique; i++)
        json_array_append_new(unique, names_json(&c->unique[i]));
    json_object_set_new(root, "unique", unique);
    json_object_set_new(root, "join", names_json(&c->join));
    json_object_set_new(root, "order", names_json(&c->order));
    json_object_set_new(root, "partition_by", names_json(&c->partition_by));
    json_object_set_new(root, "checks", pairs_json(&c->checks));
    json_object_set_new(root, "storage", storage_json(&c->storage));
    json_object_set_new(root, "scan", pairs_json(&c->scan));
    json_object_set_new(root, "extract", extract_json(c->extract));
    json_object_set_new(root, "evolution", evolution);
    json_object_set_new(root, "views", views_json(c));
    json_object_set_new(root, "engine", text_json(c->engine));
    json_object_set_new(root, "file_local", json_boolean(c->is_file_local));
    json_object_set_new(root, "bucket_inputs", names_json(&c->bucket_inputs));
    json_object_set_new(root, "metadata", pairs_json(&c->metadata));
    char *text = json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(root);
    if (text == NULL)
        abort();
    return text;
}

void contract_fingerprint(const struct contract *c, char ret[FINGERPRINT_HEX_SIZE])
{
    CA_AUTOFREE char *text = contract_canonical_json(c);
    fingerprint_of(text, strlen(text), ret);
}

int contract_schema_fingerprint(const struct contract *c, char ret[FINGERPRINT_HEX_SIZE], struct ca_error *err)
{
    struct ArrowSchema schema;
    CA_TRY(contract_schema(c, &schema, err));
    int rc = rows_schema_fingerprint(&schema, ret, err);
    ArrowSchemaRelease(&schema);
    return rc;
}
