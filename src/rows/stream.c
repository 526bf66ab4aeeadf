/* rows/stream.c — streams of what is already there, and of another stream made to fit. */
#include <nanoarrow/nanoarrow.h>

#include "rows/rows.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void release_schema(struct ArrowSchema *schema)
{
    if (schema->release != NULL)
        ArrowSchemaRelease(schema);
}

int rows_stream_of(struct ArrowSchema *schema, struct ArrowArray *arrays, size_t n_arrays, struct ArrowArrayStream *ret,
                   struct ca_error *err)
{
    if (ArrowBasicArrayStreamInit(ret, schema, (int64_t)n_arrays) != NANOARROW_OK) {
        release_schema(schema);
        for (size_t i = 0; i < n_arrays; i++)
            ArrowArrayRelease(&arrays[i]);
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for a stream of %zu batches", n_arrays);
    }
    for (size_t i = 0; i < n_arrays; i++)
        ArrowBasicArrayStreamSetArray(ret, (int64_t)i, &arrays[i]);
    return CA_OK;
}

int rows_stream_empty(struct ArrowSchema *schema, struct ArrowArrayStream *ret, struct ca_error *err)
{
    return rows_stream_of(schema, NULL, 0, ret, err);
}

int rows_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *ret, bool *ret_is_end, struct ca_error *err)
{
    struct ArrowArray array = {.release = NULL};
    int rc = stream->get_next(stream, &array);
    if (rc != 0) {
        const char *words = stream->get_last_error(stream);
        int status = rc == ECANCELED ? CA_ERR_CANCELED : CA_ERR_ENGINE;
        if (words == NULL || words[0] == '\0')
            return ca_fail_errno(err, status, rc, "a stream failed");
        return ca_fail(err, status, "%s", words);
    }
    *ret_is_end = array.release == NULL;
    ArrowArrayMove(&array, ret);
    return CA_OK;
}

/* ---- an aligned stream ------------------------------------------------------------------------------------------ */

struct aligned {
    struct ArrowArrayStream inner;
    struct rows_aligner *aligner;
    struct ca_error err;
    int failure;
};

static int aligned_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    const struct aligned *s = stream->private_data;
    return ArrowSchemaDeepCopy(rows_aligner_schema(s->aligner), ret);
}

static int aligned_get_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    struct aligned *s = stream->private_data;
    if (s->failure != 0)
        return s->failure;
    struct ArrowArray array = {.release = NULL};
    bool is_end = false;
    int rc = rows_stream_next(&s->inner, &array, &is_end, &s->err);
    if (rc == CA_OK && is_end) {
        ret->release = NULL;
        return 0;
    }
    if (rc == CA_OK)
        rc = rows_aligner_run(s->aligner, &array, ret, &s->err);
    if (rc != CA_OK)
        s->failure = rc == CA_ERR_CANCELED ? ECANCELED : EINVAL;
    return s->failure;
}

static const char *aligned_get_last_error(struct ArrowArrayStream *stream)
{
    const struct aligned *s = stream->private_data;
    return s->failure == 0 ? NULL : s->err.message;
}

static void aligned_free(struct aligned *s)
{
    if (s->inner.release != NULL)
        ArrowArrayStreamRelease(&s->inner);
    rows_aligner_free(s->aligner);
    g_free(s);
}

static void aligned_release(struct ArrowArrayStream *stream)
{
    aligned_free(stream->private_data);
    stream->release = NULL;
}

int rows_stream_align(struct ArrowArrayStream *stream, struct ArrowSchema *to, const struct rows_align_options *options,
                      struct ArrowArrayStream *ret, struct ca_error *err)
{
    struct aligned *s = g_new0(struct aligned, 1);
    struct ArrowSchema from = {.release = NULL};
    ArrowArrayStreamMove(stream, &s->inner);
    int failure = s->inner.get_schema(&s->inner, &from);
    int rc = CA_OK;
    if (failure != 0) {
        const char *words = s->inner.get_last_error(&s->inner);
        rc = ca_fail(err, CA_ERR_ENGINE, "a stream has no schema: %s", words == NULL ? g_strerror(failure) : words);
        release_schema(to);
    } else {
        rc = rows_aligner_new(&from, to, options, &s->aligner, err);
    }
    if (rc != CA_OK) {
        aligned_free(s);
        return rc;
    }
    *ret = (struct ArrowArrayStream){
        .get_schema = aligned_get_schema,
        .get_next = aligned_get_next,
        .get_last_error = aligned_get_last_error,
        .release = aligned_release,
        .private_data = s,
    };
    return CA_OK;
}
