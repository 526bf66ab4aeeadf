/* engine/delta.c — Delta tables through the shim. */
#include <glib.h>
#include <string.h>

#include "engine/door.h"

/* `checks`: room for `n`. */
static void checks_door(const struct engine_check *from, size_t n, struct cadf_check *checks)
{
    for (size_t i = 0; i < n; i++)
        checks[i] = (struct cadf_check){from[i].name, from[i].unnest, from[i].sql};
}

struct cadf_names *engine_names_door(const struct engine_names *keys, size_t n_keys)
{
    struct cadf_names *door = g_new0(struct cadf_names, n_keys);
    for (size_t i = 0; i < n_keys; i++)
        door[i] = (struct cadf_names){keys[i].items, keys[i].n};
    return door;
}

static int32_t offered_door(void *data, const struct ArrowSchema *columns, struct cadf_error *door_error)
{
    const struct engine_write *w = data;
    struct ca_error err = {0};
    int rc = w->offered(w->offered_data, columns, &err);
    return rc == CA_OK ? CADF_OK : engine_door_fail(rc, &err, door_error);
}

/* `checks`: room for as many as there are. */
struct cadf_write engine_write_door(const struct engine_write *w, struct cadf_check *checks)
{
    checks_door(w->checks, w->n_checks, checks);
    static const struct engine_buckets none;
    const struct engine_buckets *buckets = w->buckets ? w->buckets : &none;
    return (struct cadf_write){
        .location = w->location,
        .schema = w->schema,
        .mode = w->mode == ENGINE_OVERWRITE ? CADF_WRITE_OVERWRITE : CADF_WRITE_APPEND,
        .partition_by = w->partition_by,
        .n_partition_by = w->n_partition_by,
        .app_id = w->app_id,
        .app_version = w->app_version,
        .metadata_keys = w->metadata_keys,
        .metadata_values = w->metadata_values,
        .n_metadata = w->n_metadata,
        .row_group_bytes = w->row_group_bytes,
        .target_file_bytes = w->target_file_bytes,
        .compression = w->compression,
        .checks = checks,
        .n_checks = w->n_checks,
        .key = w->key,
        .n_key = w->n_key,
        .bucket_column = buckets->column,
        .bucket_bounds = buckets->bounds,
        .n_bucket_bounds = buckets->n_bounds,
        .bucket_tables = buckets->tables,
        .n_bucket_tables = buckets->n_tables,
        .order = w->order,
        .n_order = w->n_order,
        .offered = w->offered ? offered_door : NULL,
        .offered_data = (void *)w,
        .files = w->files,
        .files_data = w->files_data,
        .property_keys = w->property_keys,
        .property_values = w->property_values,
        .n_properties = w->n_properties,
        .statistics_columns = w->statistics_columns,
        .n_statistics_columns = w->n_statistics_columns,
    };
}

static struct engine_written written_of(const struct cadf_written *w)
{
    return (struct engine_written){
        .version = w->version,
        .n_rows = w->n_rows,
        .n_files = w->n_files,
        .n_bytes = w->n_bytes,
        .is_key_unique = w->is_key_unique != 0,
        .is_ordered = w->is_ordered != 0,
    };
}

int engine_write_query(struct engine *e, const struct engine_write *write, const char *sql,
                       const struct engine_params *params, struct engine_cancel *cancel, struct engine_written *ret,
                       struct ca_error *err)
{
    struct cadf_error door_error = {0};
    g_autofree struct cadf_check *checks = g_new0(struct cadf_check, write->n_checks);
    struct cadf_write door = engine_write_door(write, checks);
    struct cadf_written written = {0};
    struct cadf_params door_params = {0};
    if (params)
        door_params = (struct cadf_params){params->schema, params->array};
    CA_TRY(engine_result(cadf_delta_write_query(engine_door(e), &door, sql, strlen(sql), params ? &door_params : NULL,
                                                (cadf_cancel *)cancel, &written, &door_error),
                         &door_error, err));
    *ret = written_of(&written);
    return CA_OK;
}

int engine_write_stream(struct engine *e, const struct engine_write *write, struct ArrowArrayStream *stream,
                        struct engine_cancel *cancel, struct engine_written *ret, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    g_autofree struct cadf_check *checks = g_new0(struct cadf_check, write->n_checks);
    struct cadf_write door = engine_write_door(write, checks);
    struct cadf_written written = {0};
    CA_TRY(engine_result(
        cadf_delta_write_stream(engine_door(e), &door, stream, (cadf_cancel *)cancel, &written, &door_error),
        &door_error, err));
    *ret = written_of(&written);
    return CA_OK;
}

int engine_verify(struct engine *e, const char *schema, const char *table, const struct engine_facts *facts,
                  struct engine_cancel *cancel, engine_text_fn sink, void *data, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    g_autofree struct cadf_check *checks = g_new0(struct cadf_check, facts->n_checks);
    checks_door(facts->checks, facts->n_checks, checks);
    g_autofree struct cadf_names *unique = engine_names_door(facts->unique, facts->n_unique);
    struct cadf_facts door = {
        .checks = checks,
        .n_checks = facts->n_checks,
        .key = facts->key,
        .n_key = facts->n_key,
        .unique = unique,
        .n_unique = facts->n_unique,
        .order = facts->order,
        .n_order = facts->n_order,
    };
    return engine_result(
        cadf_verify(engine_door(e), schema, table, &door, (cadf_cancel *)cancel, sink, data, &door_error), &door_error,
        err);
}

int engine_table_files(struct engine *e, const char *schema, const char *table, engine_text_fn sink, void *data,
                       struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_table_files(engine_door(e), schema, table, sink, data, &door_error), &door_error, err);
}

int engine_checks_plan(struct engine *e, const struct ArrowSchema *schema, const struct engine_check *checks,
                       size_t n_checks, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    g_autofree struct cadf_check *door = g_new0(struct cadf_check, n_checks);
    checks_door(checks, n_checks, door);
    return engine_result(cadf_checks_plan(engine_door(e), schema, door, n_checks, &door_error), &door_error, err);
}

int engine_delta_version(struct engine *e, const char *location, int64_t *ret, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_delta_version(engine_door(e), location, ret, &door_error), &door_error, err);
}

static void extent_give(const struct cadf_extent *extent, struct engine_extent *ret)
{
    if (ret)
        *ret = (struct engine_extent){extent->n_rows, extent->n_files, extent->n_bytes};
}

int engine_delta_extent(struct engine *e, const char *location, int64_t version, int64_t since,
                        struct engine_extent *ret_whole, struct engine_extent *ret_added, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    struct cadf_extent whole = {0};
    struct cadf_extent added = {0};
    CA_TRY(engine_result(cadf_delta_extent(engine_door(e), location, version, since, &whole, &added, &door_error),
                         &door_error, err));
    extent_give(&whole, ret_whole);
    extent_give(&added, ret_added);
    return CA_OK;
}

int engine_delta_files(struct engine *e, const char *location, int64_t version, engine_text_fn sink, void *data,
                       struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_delta_files(engine_door(e), location, version, sink, data, &door_error), &door_error,
                         err);
}

int engine_delta_schema(struct engine *e, const char *location, int64_t version, struct ArrowSchema *ret,
                        struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_delta_schema(engine_door(e), location, version, ret, &door_error), &door_error, err);
}

int engine_delta_history(struct engine *e, const char *location, int64_t limit, engine_text_fn sink, void *data,
                         struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_delta_history(engine_door(e), location, limit, sink, data, &door_error), &door_error,
                         err);
}

int engine_delta_vacuum(struct engine *e, const char *location, int64_t keep_from_version, int64_t *ret_files,
                        struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_delta_vacuum(engine_door(e), location, keep_from_version, ret_files, &door_error),
                         &door_error, err);
}
