/* session/dataset.c — handles of single datasets in the public ABI. */
#include "codeanatomy/codeanatomy.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "contract/contract.h"
#include "rows/rows.h"
#include "session/options.h"
#include "session/session.h"

/* name   as the caller said it: it is looked up at each call, so that a refreshed session answers from its new run */
struct ca_dataset {
    ca_session *session;
    char *name;
};

static int find(const ca_dataset *d, struct catalog_entry *ret, struct ca_error *err)
{
    CA_TRY(session_need(d != NULL, "the dataset", err));
    return catalog_resolve(d->session->catalog, d->name, ret, err);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* The loader holds every contract to this; a snapshot is not the loader. */
static int check_name(const struct contract *c, struct ca_error *err)
{
    const char *suffix = strrchr(c->dataset, '_');
    guint64 version = 0;
    if (!suffix || suffix[1] != 'v' || !g_ascii_string_to_unsigned(suffix + 2, 10, 0, G_MAXINT64, &version, NULL))
        return CA_OK;
    if ((int64_t)version != c->version)
        return ca_fail(err, CA_ERR_CONTRACT,
                       "dataset '%s' ends in '_v%" G_GUINT64_FORMAT "', and its contract is "
                       "version %" G_GINT64_FORMAT,
                       c->dataset, version, c->version);
    return CA_OK;
}

static int check_schema(struct catalog *c, const char *name, struct ca_error *err)
{
    struct ArrowSchema schema = {0};
    CA_TRY(catalog_resolve_schema(c, name, &schema, err));
    schema.release(&schema);
    return CA_OK;
}

static int check(const ca_dataset *d, struct ca_error *err)
{
    struct catalog *c = d->session->catalog;
    struct catalog_entry entry;
    const struct contract *contract = NULL;
    CA_TRY(find(d, &entry, err));
    CA_TRY(catalog_contract(c, entry.schema, entry.name, &contract, err));
    if (strcmp(entry.kind, "inferred") != 0) /* of those SQL said the names */
        CA_TRY(check_name(contract, err));
    CA_TRY(check_schema(c, d->name, err));
    for (size_t i = 0; !entry.nested_in && i < contract->n_views; i++) {
        g_autofree char *view = g_strconcat(entry.schema, ".", contract->views[i].name, NULL);
        CA_TRY_CTX(check_schema(c, view, err), err, "view '%s' of '%s'", view, d->name);
    }
    return CA_OK;
}

int ca_dataset_open(ca_session *s, const char *name, ca_dataset **ret, struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(name != NULL, "the name", err));
    CA_TRY(session_need(ret != NULL, "the result", err));
    ca_dataset *d = g_new0(ca_dataset, 1);
    *d = (ca_dataset){.session = s, .name = g_strdup(name)};
    int rc = check(d, err);
    if (rc != CA_OK) {
        ca_dataset_close(d);
        return ca_fail_context(err, rc, "open dataset '%s'", name);
    }
    *ret = d;
    return CA_OK;
}

int ca_dataset_register(ca_session *s, const char *const *paths, size_t n_paths, ca_text_fn registered, void *data,
                        struct ca_error *err)
{
    CA_TRY(session_need(s != NULL, "the session", err));
    CA_TRY(session_need(paths != NULL && n_paths > 0, "the list of paths", err));
    for (size_t i = 0; i < n_paths; i++)
        CA_TRY(session_need(paths[i] != NULL, "a path", err));
    const struct catalog_options like = session_catalog_options(s);
    int rc = catalog_register(s->catalog, &like, paths, n_paths, registered, data, err);
    if (rc != CA_OK) {
        rc = ca_fail_context(err, rc, "register '%s'%s", paths[0], n_paths > 1 ? " and more" : "");
        catalog_refused(s->catalog, err);
        return rc;
    }
    char **kept = g_new0(char *, n_paths + 1);
    for (size_t i = 0; i < n_paths; i++)
        kept[i] = g_canonicalize_filename(paths[i], NULL);
    g_ptr_array_add(s->registered, kept);
    return CA_OK;
}

void ca_dataset_close(ca_dataset *d)
{
    if (!d)
        return;
    g_free(d->name);
    g_free(d);
}

/* ---- what it is ------------------------------------------------------------------------------------------------- */

int ca_dataset_schema(ca_dataset *d, struct ArrowSchema *ret, struct ca_error *err)
{
    CA_TRY(session_need(d != NULL, "the dataset", err));
    return ca_resolve_schema(d->session, d->name, ret, err);
}

int ca_dataset_ddl(ca_dataset *d, ca_text_fn sink, void *data, struct ca_error *err)
{
    CA_TRY(session_need(d != NULL, "the dataset", err));
    return ca_ddl(d->session, d->name, sink, data, err);
}

int ca_dataset_fingerprint(ca_dataset *d, struct ca_dataset_fingerprints *ret, struct ca_error *err)
{
    struct catalog_entry entry;
    struct ArrowSchema schema = {0};
    CA_TRY(session_need(ret != NULL, "the result", err));
    if (ret->size < sizeof *ret)
        return ca_fail(err, CA_ERR_INVALID, "the size of the fingerprints is not set");
    CA_TRY(find(d, &entry, err));
    g_autofree char *ddl = NULL;
    CA_TRY(catalog_ddl_fingerprint(d->session->catalog, entry.schema, entry.name, &ddl, err));
    CA_TRY(catalog_declared_schema(d->session->catalog, entry.schema, entry.name, &schema, err));
    int rc = rows_schema_fingerprint(&schema, ret->schema, err);
    schema.release(&schema);
    g_strlcpy(ret->contract, entry.fingerprint, sizeof ret->contract);
    g_strlcpy(ret->ddl, ddl, sizeof ret->ddl);
    return rc;
}

int ca_dataset_metadata(ca_dataset *d, ca_text_fn sink, void *data, struct ca_error *err)
{
    struct catalog_entry entry;
    CA_AUTOFREE char *text = NULL;
    CA_TRY(session_need(sink != NULL, "the sink", err));
    CA_TRY(find(d, &entry, err));
    CA_TRY(catalog_metadata(d->session->catalog, &entry, &text, err));
    sink(data, text, strlen(text));
    return CA_OK;
}

int ca_dataset_views(ca_dataset *d, struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct catalog_entry entry;
    CA_TRY(session_need(ret != NULL, "the result", err));
    CA_TRY(find(d, &entry, err));
    return catalog_views_of(d->session->catalog, &entry, ret, err);
}

int ca_dataset_history(ca_dataset *d, int64_t limit, struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct catalog_entry entry;
    CA_TRY(session_need(ret != NULL, "the result", err));
    if (limit < 0)
        return ca_fail(err, CA_ERR_INVALID, "the limit is below zero");
    CA_TRY(find(d, &entry, err));
    return catalog_history(d->session->catalog, &entry, limit, ret, err);
}

/* ---- its rows --------------------------------------------------------------------------------------------------- */

int ca_dataset_scan(ca_dataset *d, const struct ca_scan_options *options, ca_cancel *cancel,
                    struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct catalog_entry entry;
    struct ca_scan_options o;
    CA_TRY(session_need(ret != NULL, "the result", err));
    CA_TRY(session_options_take(&o, sizeof o, options, options ? options->size : 0, err));
    CA_TRY(find(d, &entry, err));
    for (size_t i = 0; o.columns && i < o.n_columns; i++)
        CA_TRY(session_need(o.columns[i] != NULL, "a column", err));
    if (o.limit < 0 || (o.columns && o.n_columns == 0))
        return ca_fail(err, CA_ERR_INVALID, "scan of '%s': %s", d->name,
                       o.limit < 0 ? "the limit is below zero" : "no column is asked for");
    const struct catalog_scan scan = {
        .columns = o.columns,
        .n_columns = o.columns ? o.n_columns : 0,
        .filter = o.filter,
        .limit = o.limit > 0 ? o.limit : -1,
    };
    return catalog_scan(d->session->catalog, &entry, &scan, (struct engine_cancel *)cancel, ret, err);
}

static int write_rows(ca_session *s, const struct catalog_entry *entry, struct ArrowArrayStream *rows,
                      enum ca_write_mode mode, ca_cancel *cancel, int64_t *ret_n_rows, struct ca_error *err)
{
    gint64 started_us = g_get_monotonic_time();
    /* What a canceled statement committed all the same is nobody's. */
    catalog_forget_changes(s->catalog);
    int rc = catalog_insert(s->catalog, entry, mode == CA_WRITE_OVERWRITE ? ENGINE_OVERWRITE : ENGINE_APPEND, rows,
                            (struct engine_cancel *)cancel, ret_n_rows, err);
    return session_publish(s, started_us, rc, err);
}

int ca_dataset_write(ca_dataset *d, struct ArrowArrayStream *rows, enum ca_write_mode mode, ca_cancel *cancel,
                     int64_t *ret_n_rows, struct ca_error *err)
{
    struct catalog_entry entry;
    int64_t n_rows = 0;
    if (!rows || !rows->release)
        return session_need(false, "the stream", err);
    int rc = find(d, &entry, err);
    if (rc == CA_OK && mode != CA_WRITE_APPEND && mode != CA_WRITE_OVERWRITE)
        rc = ca_fail(err, CA_ERR_INVALID, "%d is no way of writing", (int)mode);
    if (rc == CA_OK && d->session->is_read_only)
        rc = ca_fail(err, CA_ERR_REFUSED, "write '%s': the session only reads, open it with read_only 0", d->name);
    if (rc != CA_OK) {
        rows->release(rows);
        return rc;
    }
    CA_TRY(write_rows(d->session, &entry, rows, mode, cancel, &n_rows, err));
    if (ret_n_rows)
        *ret_n_rows = n_rows;
    return CA_OK;
}
