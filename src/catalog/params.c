/* catalog/params.c — rows in memory of parameter tables, which the caller sets (B15). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "catalog/state.h"
#include "rows/rows.h"

/* Put `rows` in the place of the ones before, which are the caller's then. */
static GPtrArray *swap_rows(struct catalog *c, struct catalog_dataset *d, GPtrArray *rows, int64_t n_rows)
{
    g_mutex_lock(&c->lock);
    GPtrArray *before = d->rows;
    d->rows = rows;
    d->n_rows = n_rows;
    g_mutex_unlock(&c->lock);
    catalog_next_epoch(c);
    return before;
}

static int params_required(const struct catalog *c, const char *schema, const char *name, struct catalog_name **ret,
                           struct ca_error *err)
{
    CA_TRY(catalog_name_required(c, schema, name, ret, err));
    if ((*ret)->dataset->entry->kind != CONTRACT_PARAMS)
        return ca_fail(err, CA_ERR_CONTRACT, "'%s' is not a parameter table", (*ret)->key);
    return CA_OK;
}

static int add_batch(GPtrArray *batches, struct ArrowArray *rows, struct ca_error *err)
{
    struct rows_shared *shared = NULL;
    CA_TRY(rows_shared_new(rows, &shared, err));
    g_ptr_array_add(batches, shared);
    return CA_OK;
}

int catalog_set_rows(struct catalog *c, const char *schema, const char *name, struct ArrowArray *rows,
                     struct ca_error *err)
{
    struct catalog_name *n = NULL;
    int64_t n_rows = rows->length;
    int rc = params_required(c, schema, name, &n, err);
    if (rc != CA_OK) {
        rows->release(rows);
        return rc;
    }
    g_autoptr(GPtrArray) batches = g_ptr_array_new_with_free_func((GDestroyNotify)rows_shared_unref);
    CA_TRY(add_batch(batches, rows, err));
    GPtrArray *before = swap_rows(c, n->dataset, g_steal_pointer(&batches), n_rows);
    g_clear_pointer(&before, g_ptr_array_unref);
    return CA_OK;
}

/* All batches of a stream, aligned to the contract. */
static int read_params(struct catalog *c, const struct catalog_name *n, struct ArrowArrayStream *stream,
                       GPtrArray *batches, int64_t *ret_n_rows, struct ca_error *err)
{
    struct ArrowArrayStream aligned = {0};
    int rc = CA_OK;
    CA_TRY(catalog_align(c, n->schema, n->name, stream, &aligned, err));
    for (bool is_end = false; rc == CA_OK && !is_end;) {
        struct ArrowArray rows = {0};
        rc = rows_stream_next(&aligned, &rows, &is_end, err);
        if (rc != CA_OK || is_end)
            break;
        *ret_n_rows += rows.length;
        rc = add_batch(batches, &rows, err);
    }
    aligned.release(&aligned);
    return rc;
}

int catalog_set_params(struct catalog *c, const char *name, struct ArrowArrayStream *stream, struct ca_error *err)
{
    struct catalog_name *n = NULL;
    const char *bare = g_str_has_prefix(name, "params.") ? name + strlen("params.") : name;
    int64_t n_rows = 0;
    g_autoptr(GPtrArray) batches = g_ptr_array_new_with_free_func((GDestroyNotify)rows_shared_unref);
    int rc = params_required(c, "params", bare, &n, err);
    if (rc != CA_OK) {
        stream->release(stream);
        return ca_fail_context(err, rc, "parameter table '%s'", name);
    }
    rc = read_params(c, n, stream, batches, &n_rows, err);
    if (rc == CA_OK) {
        int64_t n_before = n->dataset->n_rows;
        GPtrArray *before = swap_rows(c, n->dataset, g_steal_pointer(&batches), n_rows);
        rc = catalog_prove_keys(c, n->schema, n->name, err);
        GPtrArray *unused = rc == CA_OK ? before : swap_rows(c, n->dataset, before, n_before);
        g_clear_pointer(&unused, g_ptr_array_unref);
    }
    return rc == CA_OK ? CA_OK : ca_fail_context(err, rc, "parameter table '%s'", n->key);
}

/* Rows as lines of JSON, values as texts but for what is nested, which SQL has no text for. */
static char *lines_sql(const struct contract *contract)
{
    GString *sql = g_string_new("SELECT ");
    for (size_t i = 0; i < contract->n_columns; i++) {
        const struct contract_field *f = &contract->columns[i];
        bool is_nested = (contract_type_shape(f->type) & CONTRACT_SHAPES_NESTED) != 0;
        g_autofree char *value = g_strdup_printf(is_nested ? "\"%s\"" : "CAST(\"%s\" AS VARCHAR)", f->name);
        g_string_append_printf(sql, "%s%s AS \"%s\"", i ? ", " : "", value, f->name);
    }
    g_string_append_printf(sql, " FROM params.\"%s\"", contract->dataset);
    return g_string_free(sql, FALSE);
}

/* Takes the stream. The text is g_free'd. */
static int read_lines(struct ArrowArrayStream *rows, char **ret, struct ca_error *err)
{
    int fd = memfd_create("parameter table", MFD_CLOEXEC);
    if (fd < 0) {
        rows->release(rows);
        return ca_fail_errno(err, CA_ERR_RESOURCES, errno, "no memory for the rows");
    }
    int rc = engine_stream_write(rows, "ndjson", fd, /* width= */ 0, NULL, err);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autoptr(GError) why = NULL;
    if (rc == CA_OK && !g_file_get_contents(path, ret, NULL, &why))
        rc = ca_fail(err, CA_ERR_RESOURCES, "%s", why->message);
    close(fd);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines sorted: the same rows in any order and number of batches have one fingerprint. */
int catalog_params_fingerprint(struct catalog *c, const char *name, char ret[FINGERPRINT_HEX_SIZE], int64_t *ret_n_rows,
                               struct ca_error *err)
{
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    struct ArrowArrayStream rows = {0};
    g_autofree char *text = NULL;
    const char *bare = g_str_has_prefix(name, "params.") ? name + strlen("params.") : name;
    CA_TRY(params_required(c, "params", bare, &n, err));
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    g_autofree char *sql = lines_sql(contract);
    CA_TRY(engine_query(c->engine, sql, NULL, NULL, &rows, err));
    CA_TRY(read_lines(&rows, &text, err));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    qsort(lines, g_strv_length(lines), sizeof lines[0], by_text);
    g_autofree char *all = g_strjoinv("\n", lines);
    fingerprint_of(all, strlen(all), ret);
    g_mutex_lock(&c->lock);
    *ret_n_rows = MAX(n->dataset->n_rows, 0);
    g_mutex_unlock(&c->lock);
    return CA_OK;
}
