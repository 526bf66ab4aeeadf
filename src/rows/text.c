/* rows/text.c — rows of texts, one call a row: for the few places where C reads what it asked for in SQL. */
#include <nanoarrow/nanoarrow.h>

#include "rows/rows.h"

#include <glib.h>
#include <stdlib.h>

enum { MAX_TEXTS = 16 };

static int array_each_text(const struct ArrowSchema *schema, const struct ArrowArray *array, rows_texts_fn fn,
                           void *data, struct ca_error *err)
{
    struct ArrowArrayView view;
    struct ArrowError words = {{0}};
    if (ArrowArrayViewInitFromSchema(&view, schema, &words) != NANOARROW_OK)
        return ca_fail(err, CA_ERR_ENGINE, "cannot read rows: %s", words.message);
    int rc = CA_OK;
    if (ArrowArrayViewSetArray(&view, array, &words) != NANOARROW_OK)
        rc = ca_fail(err, CA_ERR_ENGINE, "cannot read rows: %s", words.message);
    if (rc == CA_OK && view.n_children > MAX_TEXTS)
        rc = ca_fail(err, CA_ERR_BUG, "rows of more than %d texts", MAX_TEXTS);
    for (int64_t k = 0; k < view.n_children && rc == CA_OK; k++) {
        enum ArrowType type = view.children[k]->storage_type;
        if (type != NANOARROW_TYPE_STRING && type != NANOARROW_TYPE_LARGE_STRING && type != NANOARROW_TYPE_STRING_VIEW)
            rc = ca_fail(err, CA_ERR_BUG, "column %lld is %s, not a text", (long long)k, ArrowTypeString(type));
    }
    for (int64_t i = 0; i < array->length && rc == CA_OK; i++) {
        char *texts[MAX_TEXTS] = {0};
        for (int64_t k = 0; k < view.n_children; k++) {
            if (ArrowArrayViewIsNull(view.children[k], i))
                continue;
            struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(view.children[k], i);
            texts[k] = g_strndup(text.size_bytes > 0 ? text.data : "", (gsize)text.size_bytes);
        }
        rc = fn(data, (const char *const *)texts, (size_t)view.n_children, err);
        for (int64_t k = 0; k < view.n_children; k++)
            g_free(texts[k]);
    }
    ArrowArrayViewReset(&view);
    return rc;
}

static int stream_failed(struct ArrowArrayStream *stream, struct ca_error *err)
{
    const char *words = stream->get_last_error(stream);
    return ca_fail(err, CA_ERR_ENGINE, "%s", words && words[0] ? words : "the query failed");
}

int rows_each_text(struct ArrowArrayStream *stream, rows_texts_fn fn, void *data, struct ca_error *err)
{
    struct ArrowSchema schema = {0};
    int rc = stream->get_schema(stream, &schema) == 0 ? CA_OK : stream_failed(stream, err);
    bool is_end = rc != CA_OK;
    while (!is_end) {
        struct ArrowArray array = {0};
        if (stream->get_next(stream, &array) != 0)
            rc = stream_failed(stream, err);
        else if (array.release)
            rc = array_each_text(&schema, &array, fn, data, err);
        is_end = rc != CA_OK || !array.release;
        if (array.release)
            array.release(&array);
    }
    if (schema.release)
        schema.release(&schema);
    stream->release(stream);
    return rc;
}
