/* contract/schema.c — the Arrow schema of a dataset and of its generated views. */
#include <nanoarrow/nanoarrow.h>

#include "contract/contract.h"

#include <errno.h>
#include <string.h>

static int set_metadata(const struct contract_pairs *pairs, struct ArrowSchema *schema)
{
    if (pairs->n == 0)
        return NANOARROW_OK;
    struct ArrowBuffer buffer;
    int rc = ArrowMetadataBuilderInit(&buffer, NULL);
    for (size_t i = 0; rc == NANOARROW_OK && i < pairs->n; i++)
        rc = ArrowMetadataBuilderAppend(&buffer, ArrowCharView(pairs->items[i].key),
                                        ArrowCharView(pairs->items[i].value));
    if (rc == NANOARROW_OK)
        rc = ArrowSchemaSetMetadata(schema, (const char *)buffer.data);
    ArrowBufferReset(&buffer);
    return rc;
}

/* Recursion is bounded by CONTRACT_MAX_DEPTH. `force_nullable`: the field is reached through something that may be
 * null. */
static int fill(struct ArrowSchema *schema, const struct contract_field *field, bool force_nullable)
{
    char format[CONTRACT_FORMAT_SIZE];
    contract_arrow_format(field, format);
    ArrowSchemaInit(schema);
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetFormat(schema, format));
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(schema, field->name));
    NANOARROW_RETURN_NOT_OK(set_metadata(&field->metadata, schema));
    schema->flags = field->is_nullable || force_nullable ? ARROW_FLAG_NULLABLE : 0;
    if (field->type == CONTRACT_DICTIONARY) {
        NANOARROW_RETURN_NOT_OK(ArrowSchemaAllocateDictionary(schema));
        return fill(schema->dictionary, &field->children[0], true);
    }
    if (field->type == CONTRACT_MAP) {
        NANOARROW_RETURN_NOT_OK(ArrowSchemaAllocateChildren(schema, 1));
        struct ArrowSchema *entries = schema->children[0];
        ArrowSchemaInit(entries);
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetFormat(entries, "+s"));
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(entries, "entries"));
        entries->flags = 0;
        schema = entries;
    }
    if (field->n_children == 0)
        return NANOARROW_OK;
    NANOARROW_RETURN_NOT_OK(ArrowSchemaAllocateChildren(schema, (int64_t)field->n_children));
    for (size_t i = 0; i < field->n_children; i++)
        NANOARROW_RETURN_NOT_OK(fill(schema->children[i], &field->children[i], false));
    return NANOARROW_OK;
}

/* A struct schema without a name, with room for n children. */
static int start(struct ArrowSchema *schema, size_t n)
{
    ArrowSchemaInit(schema);
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetFormat(schema, "+s"));
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(schema, ""));
    schema->flags = 0;
    return ArrowSchemaAllocateChildren(schema, (int64_t)n);
}

static int fail_memory(struct ArrowSchema *schema, const char *name, struct ca_error *err)
{
    if (schema->release != NULL)
        ArrowSchemaRelease(schema);
    return ca_fail(err, CA_ERR_RESOURCES, "no memory for the schema of '%s'", name);
}

int contract_schema(const struct contract *c, struct ArrowSchema *ret, struct ca_error *err)
{
    struct ArrowSchema schema;
    int rc = start(&schema, c->n_columns);
    for (size_t i = 0; rc == NANOARROW_OK && i < c->n_columns; i++)
        rc = fill(schema.children[i], &c->columns[i], false);
    if (rc == NANOARROW_OK)
        rc = set_metadata(&c->metadata, &schema);
    if (rc != NANOARROW_OK)
        return fail_memory(&schema, c->dataset, err);
    ArrowSchemaMove(&schema, ret);
    return CA_OK;
}

int contract_view_schema(const struct contract *c, const struct contract_view *view, struct ArrowSchema *ret,
                         struct ca_error *err)
{
    const struct contract_field *list = contract_column(c, view->unnest);
    if (list == NULL || list->type != CONTRACT_LIST || list->children[0].type != CONTRACT_STRUCT)
        return ca_bug(err, "a view over no list of structs was loaded");
    const struct contract_field *item = &list->children[0];
    struct ArrowSchema schema;
    int rc = start(&schema, view->with.n + item->n_children);
    for (size_t i = 0; rc == NANOARROW_OK && i < view->with.n; i++) {
        const struct contract_field *column = contract_column(c, view->with.items[i]);
        rc = column == NULL ? EINVAL : fill(schema.children[i], column, false);
    }
    /* A null list has no rows after unnest; a null item is a row of nulls. */
    for (size_t i = 0; rc == NANOARROW_OK && i < item->n_children; i++)
        rc = fill(schema.children[view->with.n + i], &item->children[i], item->is_nullable);
    if (rc != NANOARROW_OK)
        return fail_memory(&schema, view->name, err);
    ArrowSchemaMove(&schema, ret);
    return CA_OK;
}
