/* worker/batch.c — the IPC writer's encoder without its stream: a frame has its own framing. */
#include "worker/batch.h"

#include <errno.h>
#include <string.h>

/* A buffer that one large file blew up is not kept for the small ones. */
enum { KEEP_BYTES = 16 * 1024 * 1024 };

int batch_encoder_init(struct batch_encoder *ret, struct ArrowSchema *schema)
{
    memset(ret, 0, sizeof *ret);
    ArrowSchemaMove(schema, &ret->schema);
    ArrowBufferInit(&ret->message);
    ArrowBufferInit(&ret->body);
    int rc = ArrowArrayViewInitFromSchema(&ret->view, &ret->schema, NULL);
    return rc != 0 ? rc : ArrowIpcEncoderInit(&ret->encoder);
}

static int clear(struct ArrowBuffer *buffer)
{
    if (buffer->capacity_bytes > KEEP_BYTES)
        ArrowBufferReset(buffer);
    return ArrowBufferResize(buffer, 0, /*shrink_to_fit=*/0);
}

int batch_encode_schema(struct batch_encoder *b)
{
    NANOARROW_RETURN_NOT_OK(clear(&b->message));
    NANOARROW_RETURN_NOT_OK(clear(&b->body));
    NANOARROW_RETURN_NOT_OK(ArrowIpcEncoderEncodeSchema(&b->encoder, &b->schema, NULL));
    return ArrowIpcEncoderFinalizeBuffer(&b->encoder, /*encapsulate=*/1, &b->message);
}

static int encode_view(struct batch_encoder *b, struct ArrowArray *array)
{
    NANOARROW_RETURN_NOT_OK(clear(&b->message));
    NANOARROW_RETURN_NOT_OK(clear(&b->body));
    NANOARROW_RETURN_NOT_OK(ArrowArrayViewSetArray(&b->view, array, NULL));
    NANOARROW_RETURN_NOT_OK(ArrowIpcEncoderEncodeSimpleRecordBatch(&b->encoder, &b->view, &b->body, NULL));
    return ArrowIpcEncoderFinalizeBuffer(&b->encoder, /*encapsulate=*/1, &b->message);
}

int batch_encode(struct batch_encoder *b, struct ArrowArray *array)
{
    int rc = encode_view(b, array);
    ArrowArrayRelease(array);
    return rc;
}
