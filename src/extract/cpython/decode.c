/* extract/cpython/decode.c — Arrow IPC from a process that may be broken.
 *
 * nanoarrow checks the structure; what Rust's arrow believes without looking, namely UTF-8, null counts and NOT NULL,
 * is checked here.
 */
#include "extract/cpython/decode.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>

int decode_layer_init(struct decode_layer *ret, struct ArrowSchema *schema, struct ca_error *err)
{
    memset(ret, 0, sizeof *ret);
    ArrowSchemaMove(schema, &ret->schema);
    ArrowBufferInit(&ret->message);
    struct ArrowIpcEncoder encoder;
    struct ArrowError why = {.message = ""};
    int rc = ArrowIpcEncoderInit(&encoder);
    if (rc == 0) {
        rc = ArrowIpcEncoderEncodeSchema(&encoder, &ret->schema, &why);
        if (rc == 0)
            rc = ArrowIpcEncoderFinalizeBuffer(&encoder, /*encapsulate=*/1, &ret->message);
        ArrowIpcEncoderReset(&encoder);
    }
    if (rc == 0)
        rc = ArrowIpcDecoderInit(&ret->decoder);
    if (rc == 0)
        rc = ArrowIpcDecoderSetSchema(&ret->decoder, &ret->schema, &why);
    if (rc == 0)
        rc = ArrowIpcDecoderSetEndianness(&ret->decoder, ArrowIpcSystemEndianness());
    return rc == 0
               ? CA_OK
               : ca_fail_errno(err, CA_ERR_RESOURCES, rc, "cannot prepare for the worker's batches (%s)", why.message);
}

void decode_layer_done(struct decode_layer *l)
{
    if (l->decoder.private_data != NULL)
        ArrowIpcDecoderReset(&l->decoder);
    if (l->message.data != NULL)
        ArrowBufferReset(&l->message);
    if (l->schema.release != NULL)
        ArrowSchemaRelease(&l->schema);
    memset(l, 0, sizeof *l);
}

/* ---- what a batch must be -----------------------------------------------------------------------------------------
 */

static bool is_ascii(const uint8_t *bytes, int64_t n)
{
    uint8_t seen = 0;
    for (int64_t i = 0; i < n; i++)
        seen |= bytes[i];
    return seen < 0x80;
}

/* GLib's validator ends at a NUL, which UTF-8 allows. */
static bool is_utf8(const char *text, size_t n)
{
    while (n > 0) {
        size_t piece = strnlen(text, n);
        if (!g_utf8_validate_len(text, piece, NULL))
            return false;
        piece += piece < n;
        text += piece;
        n -= piece;
    }
    return true;
}

static int check_strings(const struct ArrowArrayView *view, const char *name, struct ca_error *err)
{
    const struct ArrowBufferView *data = &view->buffer_views[2];
    if (data->size_bytes == 0 || is_ascii(data->data.as_uint8, data->size_bytes))
        return CA_OK;
    for (int64_t i = 0; i < view->length; i++) {
        if (ArrowArrayViewIsNull(view, i))
            continue;
        struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(view, i);
        if (!is_utf8(text.data, (size_t)text.size_bytes))
            return ca_fail(err, CA_ERR_WORKER, "column '%s' is not UTF-8", name);
    }
    return CA_OK;
}

/* Recursion over the schema, which is ours and four levels deep. */
static int check_column(const struct ArrowSchema *schema, const struct ArrowArrayView *view, struct ca_error *err)
{
    const char *name = schema->name != NULL ? schema->name : "";
    const int64_t n_null = ArrowArrayViewComputeNullCount(view);
    if (n_null != view->null_count && view->null_count != -1)
        return ca_fail(err, CA_ERR_WORKER, "column '%s' has another number of nulls than it says", name);
    if (n_null != 0 && (schema->flags & ARROW_FLAG_NULLABLE) == 0)
        return ca_fail(err, CA_ERR_WORKER, "column '%s' has nulls", name);
    if (view->storage_type == NANOARROW_TYPE_STRING)
        CA_TRY(check_strings(view, name, err));
    for (int64_t i = 0; i < view->n_children; i++)
        CA_TRY(check_column(schema->children[i], view->children[i], err));
    return CA_OK;
}

static bool is_text(const struct ArrowArrayView *view, const char *text)
{
    struct ArrowStringView found = ArrowArrayViewGetStringUnsafe(view, 0);
    return (size_t)found.size_bytes == strlen(text) && memcmp(found.data, text, (size_t)found.size_bytes) == 0;
}

static int check_identity(const struct ArrowArrayView *view, const struct decode_identity *identity,
                          struct ca_error *err)
{
    if (view->length != 1)
        return ca_fail(err, CA_ERR_WORKER, "%" G_GINT64_FORMAT " rows instead of one", (gint64)view->length);
    struct ArrowBufferView content = ArrowArrayViewGetBytesUnsafe(view->children[2], 0);
    if (ArrowArrayViewGetIntUnsafe(view->children[0], 0) != identity->file_id ||
        !is_text(view->children[1], identity->path) || content.size_bytes != 16 ||
        memcmp(content.data.as_uint8, identity->content_id, 16) != 0 ||
        !is_text(view->children[3], identity->python_version))
        return ca_fail(err, CA_ERR_WORKER, "it is about another file");
    return CA_OK;
}

/* The format lets an array without items have an offsets buffer without bytes; Rust's arrow reads its first offset all
 * the same. Recursion over the schema, as above. */
static void give_offsets(const struct ArrowArrayView *view, struct ArrowArray *array)
{
    static const int32_t zero = 0;
    if (view->length == 0 && view->layout.buffer_type[1] == NANOARROW_BUFFER_TYPE_DATA_OFFSET)
        array->buffers[1] = &zero;
    for (int64_t i = 0; i < view->n_children; i++)
        give_offsets(view->children[i], array->children[i]);
}

static int check_array(const struct decode_layer *l, struct ArrowArray *array, const struct decode_identity *identity,
                       struct ca_error *err)
{
    struct ArrowArrayView view;
    struct ArrowError why = {.message = ""};
    int errnum = ArrowArrayViewInitFromSchema(&view, &l->schema, &why);
    if (errnum != 0)
        return ca_fail_errno(err, CA_ERR_RESOURCES, errnum, "cannot look at a batch");
    int rc = CA_OK;
    errnum = ArrowArrayViewSetArray(&view, array, &why);
    if (errnum != 0)
        rc = ca_fail(err, CA_ERR_WORKER, "%s", why.message);
    for (int64_t i = 0; rc == CA_OK && i < view.n_children; i++)
        rc = check_column(l->schema.children[i], view.children[i], err);
    if (rc == CA_OK)
        rc = check_identity(&view, identity, err);
    if (rc == CA_OK)
        give_offsets(&view, array);
    ArrowArrayViewReset(&view);
    return rc;
}

/* Arrow's readers load integers where the message says they are; ours are all at multiples of eight. */
static bool is_aligned(const struct ArrowArrayView *view)
{
    for (int i = 0; i < NANOARROW_MAX_FIXED_BUFFERS; i++) {
        if ((uintptr_t)view->buffer_views[i].data.data % 8 != 0)
            return false;
    }
    for (int64_t i = 0; i < view->n_children; i++) {
        if (!is_aligned(view->children[i]))
            return false;
    }
    return true;
}

static int decode(struct decode_layer *l, struct ArrowBufferView head, struct ArrowBuffer *shared, int64_t n_body,
                  const struct decode_identity *identity, struct ArrowArray *ret, struct ca_error *err)
{
    struct ArrowError why = {.message = ""};
    int rc = ArrowIpcDecoderVerifyHeader(&l->decoder, head, &why);
    if (rc == 0)
        rc = ArrowIpcDecoderDecodeHeader(&l->decoder, head, &why);
    if (rc != 0)
        return ca_fail(err, CA_ERR_WORKER, "%s", why.message);
    if (l->decoder.message_type != NANOARROW_IPC_MESSAGE_TYPE_RECORD_BATCH ||
        l->decoder.header_size_bytes != head.size_bytes || l->decoder.body_size_bytes != n_body)
        return ca_fail(err, CA_ERR_WORKER, "the message is no record batch of this size");
    struct ArrowArrayView *view = NULL;
    const struct ArrowBufferView bytes = {.data = {.data = shared->data}, .size_bytes = n_body};
    rc = ArrowIpcDecoderDecodeArrayView(&l->decoder, bytes, -1, &view, &why);
    if (rc != 0)
        return ca_fail_errno(err, CA_ERR_WORKER, rc, "%s", why.message);
    if (!is_aligned(view))
        return ca_fail(err, CA_ERR_WORKER, "a buffer is not aligned");
    struct ArrowArray array = {.release = NULL};
    rc = ArrowIpcDecoderDecodeArrayFromShared(&l->decoder, shared, -1, &array, NANOARROW_VALIDATION_LEVEL_FULL, &why);
    if (rc != 0)
        return ca_fail_errno(err, rc == ENOMEM ? CA_ERR_RESOURCES : CA_ERR_WORKER, rc, "%s", why.message);
    if (array.release == NULL) /* nanoarrow 0.9.0 returns OK where it gave up after the array was begun */
        return ca_fail(err, CA_ERR_WORKER, "%s", why.message);
    rc = check_array(l, &array, identity, err);
    if (rc != CA_OK) {
        ArrowArrayRelease(&array);
        return rc;
    }
    ArrowArrayMove(&array, ret);
    return CA_OK;
}

int decode_batch(struct decode_layer *l, struct ArrowBufferView head, struct ArrowBuffer *body,
                 const struct decode_identity *identity, struct ArrowArray *ret, struct ca_error *err)
{
    const int64_t n_body = body->size_bytes;
    struct ArrowBuffer shared;
    int errnum = ArrowSharedBufferInit(&shared, body);
    if (errnum != 0) {
        ArrowBufferReset(body);
        return ca_fail_errno(err, CA_ERR_RESOURCES, errnum, "cannot share a batch of %" G_GINT64_FORMAT " bytes",
                             (gint64)n_body);
    }
    int rc = decode(l, head, &shared, n_body, identity, ret, err);
    ArrowBufferReset(&shared);
    return rc;
}
