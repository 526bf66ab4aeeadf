/* engine/query.c — asking: queries, what they would read, and the one value that many answers are. */
#include <errno.h>
#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "engine/door.h"

struct engine_cancel *engine_cancel_new(void)
{
    return (struct engine_cancel *)cadf_cancel_new();
}

void engine_cancel_fire(struct engine_cancel *c)
{
    cadf_cancel_fire((cadf_cancel *)c);
}

void engine_cancel_free(struct engine_cancel *c)
{
    cadf_cancel_free((cadf_cancel *)c);
}

int engine_query(struct engine *e, const char *sql, const struct engine_params *params, struct engine_cancel *cancel,
                 struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    struct cadf_params door = {0};
    if (params)
        door = (struct cadf_params){params->schema, params->array};
    return engine_result(
        cadf_query(engine_door(e), sql, strlen(sql), params ? &door : NULL, (cadf_cancel *)cancel, ret, &door_error),
        &door_error, err);
}

int engine_probe(struct engine *e, const char *sql, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_probe(engine_door(e), sql, strlen(sql), &door_error), &door_error, err);
}

int engine_declare(struct engine *e, const char *sql, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_declare(engine_door(e), sql, strlen(sql), &door_error), &door_error, err);
}

int engine_split(const char *sql, engine_text_fn sink, void *data, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_split(sql, strlen(sql), sink, data, &door_error), &door_error, err);
}

int engine_query_plan(struct engine *e, const char *sql, const struct engine_plan *ask, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    const struct cadf_plan door = {
        .schema = ask->ret_schema,
        .table = ask->table,
        .table_data = ask->table_data,
        .text = ask->text,
        .text_data = ask->text_data,
        .optimized = ask->is_optimized,
    };
    return engine_result(cadf_query_plan(engine_door(e), sql, strlen(sql), &door, &door_error), &door_error, err);
}

int engine_query_schema(struct engine *e, const char *sql, struct ArrowSchema *ret, struct ca_error *err)
{
    return engine_query_plan(e, sql, &(struct engine_plan){.ret_schema = ret}, err);
}

int engine_table_schema(struct engine *e, const char *schema, const char *table, struct ArrowSchema *ret,
                        struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_table_schema(engine_door(e), schema, table, ret, &door_error), &door_error, err);
}

int engine_stream_write(struct ArrowArrayStream *stream, const char *format, int fd, uint32_t width, int64_t *ret_rows,
                        struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_stream_write(stream, format, fd, width, ret_rows, &door_error), &door_error, err);
}

/* Takes what it wants from the first row of a column. */
typedef int (*first_value_fn)(const struct ArrowArrayView *column, void *ret, struct ca_error *err);

static int first_int(const struct ArrowArrayView *column, void *ret, struct ca_error *err)
{
    if (column->storage_type > NANOARROW_TYPE_INT64)
        return ca_fail(err, CA_ERR_ENGINE, "the query answers %s, not an integer",
                       ArrowTypeString(column->storage_type));
    *(int64_t *)ret = ArrowArrayViewGetIntUnsafe(column, 0);
    return CA_OK;
}

static int first_text(const struct ArrowArrayView *column, void *ret, struct ca_error *err)
{
    if (column->storage_type != NANOARROW_TYPE_STRING && column->storage_type != NANOARROW_TYPE_LARGE_STRING &&
        column->storage_type != NANOARROW_TYPE_STRING_VIEW)
        return ca_fail(err, CA_ERR_ENGINE, "the query answers %s, not a text", ArrowTypeString(column->storage_type));
    struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(column, 0);
    *(char **)ret = g_strndup(text.size_bytes > 0 ? text.data : "", (gsize)text.size_bytes);
    return CA_OK;
}

/* *ret_has: the array has a row, and its first column is not NULL there. */
static int array_first(const struct ArrowSchema *schema, const struct ArrowArray *array, first_value_fn take, void *ret,
                       bool *ret_has, struct ca_error *err)
{
    struct ArrowArrayView view;
    struct ArrowError words = {{0}};
    if (ArrowArrayViewInitFromSchema(&view, schema, &words) != NANOARROW_OK)
        return ca_fail(err, CA_ERR_ENGINE, "cannot read the engine's rows: %s", words.message);
    int rc = CA_OK;
    if (ArrowArrayViewSetArray(&view, array, &words) != NANOARROW_OK)
        rc = ca_fail(err, CA_ERR_ENGINE, "cannot read the engine's rows: %s", words.message);
    *ret_has = rc == CA_OK && view.n_children > 0 && array->length > 0 && !ArrowArrayViewIsNull(view.children[0], 0);
    if (*ret_has)
        rc = take(view.children[0], ret, err);
    ArrowArrayViewReset(&view);
    return rc;
}

/* What a stream's errno was made from (cadf.h, cadf_query). */
static int stream_failed(struct ArrowArrayStream *rows, int errnum, struct ca_error *err)
{
    const char *words = rows->get_last_error(rows);
    int status = errnum == ECANCELED ? CA_ERR_CANCELED
                 : errnum == ENOMEM  ? CA_ERR_RESOURCES
                 : errnum == EIO     ? CA_ERR_IO
                                     : CA_ERR_ENGINE;
    return ca_fail(err, status, "%s", words && words[0] ? words : "the query failed");
}

/* Read until the first row. Takes the stream. */
static int stream_first(struct ArrowArrayStream *rows, first_value_fn take, void *ret, bool *ret_has,
                        struct ca_error *err)
{
    struct ArrowSchema schema = {0};
    *ret_has = false;
    int errnum = rows->get_schema(rows, &schema);
    int rc = errnum == 0 ? CA_OK : stream_failed(rows, errnum, err);
    bool is_end = rc != CA_OK;
    while (!is_end) {
        struct ArrowArray array = {0};
        errnum = rows->get_next(rows, &array);
        if (errnum != 0)
            rc = stream_failed(rows, errnum, err);
        is_end = errnum != 0 || !array.release || array.length > 0;
        if (errnum == 0 && array.release) {
            rc = array_first(&schema, &array, take, ret, ret_has, err);
            array.release(&array);
        }
    }
    if (schema.release)
        schema.release(&schema);
    rows->release(rows);
    return rc;
}

static int query_first(struct engine *e, const char *sql, first_value_fn take, void *ret, bool *ret_has,
                       struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    *ret_has = false;
    CA_TRY(engine_query(e, sql, NULL, NULL, &rows, err));
    return stream_first(&rows, take, ret, ret_has, err);
}

int engine_stream_int(struct ArrowArrayStream *rows, int64_t *ret, struct ca_error *err)
{
    bool has_value = false;
    CA_TRY(stream_first(rows, first_int, ret, &has_value, err));
    return has_value ? CA_OK : ca_fail(err, CA_ERR_NOT_FOUND, "no value from the rows");
}

int engine_query_int(struct engine *e, const char *sql, int64_t *ret, struct ca_error *err)
{
    bool has_value = false;
    CA_TRY(query_first(e, sql, first_int, ret, &has_value, err));
    return has_value ? CA_OK : ca_fail(err, CA_ERR_NOT_FOUND, "no value from: %s", sql);
}

int engine_query_text(struct engine *e, const char *sql, char **ret, struct ca_error *err)
{
    bool has_value = false;
    *ret = NULL;
    return query_first(e, sql, first_text, ret, &has_value, err);
}
