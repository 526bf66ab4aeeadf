/* catalog/register.c — contracts come into a catalog that runs (B2, B7): an apply beside it, then one epoch. */
#include <string.h>

#include "catalog/state.h"

/* A table that SQL made in the session would be there no more. */
static int check_free(struct catalog *c, const struct catalog_name *n, struct ca_error *err)
{
    struct ArrowSchema columns = {0};
    if (strcmp(n->schema, CATALOG_LOADED_SCHEMA) != 0 ||
        engine_table_schema(c->engine, n->schema, n->name, &columns, NULL) != CA_OK)
        return CA_OK;
    columns.release(&columns);
    return ca_fail(err, CA_ERR_REFUSED,
                   "'%s' is a table that was made in this session: drop it, or give yours another name", n->key);
}

/* The whole as a later session would find it, in an engine of its own. */
static int apply(const struct catalog_index *x, const struct catalog_options *like, struct ca_error *err)
{
    struct catalog_options o = *like;
    struct catalog *whole = NULL;
    o.snapshot = x->snapshot;
    o.snapshot_path = "what is registered";
    o.snapshot_fingerprint = NULL;
    o.datasets_dir = NULL;
    o.keeper = NULL;
    int rc = catalog_make(&o, &whole, err);
    if (rc == CA_OK)
        rc = catalog_check_names(whole, x->before, err);
    catalog_close(whole);
    return rc;
}

static int check(struct catalog *c, const struct catalog_index *x, const struct catalog_options *like,
                 struct ca_error *err)
{
    for (size_t i = 0; i < x->n_own_names; i++)
        CA_TRY(check_free(c, &x->own_names[i], err));
    return apply(x, like, err);
}

int catalog_register(struct catalog *c, const struct catalog_options *like, const char *const *paths, size_t n_paths,
                     engine_text_fn added, void *data, struct ca_error *err)
{
    struct catalog_index *x = NULL;
    CA_TRY(catalog_index_with(c->index, paths, n_paths, &x, err));
    int rc = check(c, x, like, err);
    if (rc != CA_OK) {
        catalog_index_drop(x);
        return rc;
    }
    g_atomic_pointer_set(&c->index, x);
    catalog_next_epoch(c);
    for (size_t i = 0; i < x->n_own_names; i++)
        catalog_event(c, "registration", x->own_names[i].schema, x->own_names[i].name, NULL);
    for (size_t i = 0; added && i < x->n_own_names; i++)
        added(data, x->own_names[i].key, strlen(x->own_names[i].key));
    return CA_OK;
}
