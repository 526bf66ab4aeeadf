/* catalog/align.c — rows that a caller gives, made to fit the contract of a dataset (B11). */
#include <string.h>

#include "catalog/state.h"
#include "rows/rows.h"

/* What a contract says of single fields, nested included; `texts` owns the paths. */
struct field_rules {
    GPtrArray *texts;
    GArray *defaults; /* struct rows_default */
    GArray *lossy;    /* struct rows_lossy */
};

/* What is told of a cast. */
struct cast_door {
    struct catalog *catalog;
    const char *schema;
    const char *name;
};

/* Types are at most CONTRACT_MAX_DEPTH deep, so this recursion is bounded. */
static void add_field(struct field_rules *r, const struct contract_field *f, const char *path)
{
    for (size_t i = 0; i < f->lossy_from.n; i++) {
        const struct rows_lossy lossy = {path, f->lossy_from.items[i]};
        g_array_append_val(r->lossy, lossy);
    }
    if (f->default_sql) {
        const struct rows_default value = {path, f->default_sql};
        g_array_append_val(r->defaults, value);
    }
    if ((contract_type_shape(f->type) & CONTRACT_SHAPES_NESTED) == 0)
        return;
    for (size_t i = 0; i < f->n_children; i++) {
        char *child = contract_child_path(path, f, i);
        g_ptr_array_add(r->texts, child);
        add_field(r, &f->children[i], child);
    }
}

static void record_cast(void *data, const char *path, const char *from, const char *to)
{
    const struct cast_door *d = data;
    if (d->catalog->diag)
        diag_cast(d->catalog->diag, d->schema, d->name, path, from, to);
}

static int align(struct catalog *c, const char *schema, const char *name, struct ArrowArrayStream *stream,
                 struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct ArrowSchema declared = {0};
    const struct contract *contract = NULL;
    struct cast_door door = {c, schema, name};
    CA_TRY(catalog_contract(c, schema, name, &contract, err));
    CA_TRY(catalog_declared_schema(c, schema, name, &declared, err));
    struct field_rules r = {
        .texts = g_ptr_array_new_with_free_func(g_free),
        .defaults = g_array_new(FALSE, FALSE, sizeof(struct rows_default)),
        .lossy = g_array_new(FALSE, FALSE, sizeof(struct rows_lossy)),
    };
    for (size_t i = 0; i < contract->n_columns; i++)
        add_field(&r, &contract->columns[i], contract->columns[i].name);
    const struct rows_align_options options = {
        .defaults = (const struct rows_default *)r.defaults->data,
        .n_defaults = r.defaults->len,
        .lossy = (const struct rows_lossy *)r.lossy->data,
        .n_lossy = r.lossy->len,
        .cast = record_cast,
        .cast_data = &door,
    };
    int rc = rows_stream_align(stream, &declared, &options, ret, err);
    g_ptr_array_unref(r.texts);
    g_array_unref(r.defaults);
    g_array_unref(r.lossy);
    return rc;
}

int catalog_align(struct catalog *c, const char *schema, const char *name, struct ArrowArrayStream *stream,
                  struct ArrowArrayStream *ret, struct ca_error *err)
{
    int rc = align(c, schema, name, stream, ret, err);
    if (stream->release)
        stream->release(stream);
    return rc;
}
