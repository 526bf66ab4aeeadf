/* extract/cpython/decode.h — a worker's batch becomes an Arrow array that is safe to hand on. */
#ifndef CA_EXTRACT_CPYTHON_DECODE_H
#define CA_EXTRACT_CPYTHON_DECODE_H

#include <stdint.h>

#include <nanoarrow/nanoarrow.h>
#include <nanoarrow/nanoarrow_ipc.h>

#include "base/error.h"

/* schema   of the layer; message: its IPC encoding, to compare with the worker's
 * decoder  with the schema set
 */
struct decode_layer {
    struct ArrowSchema schema;
    struct ArrowBuffer message;
    struct ArrowIpcDecoder decoder;
};

/* What the row must say about itself: the first four columns of every layer. */
struct decode_identity {
    int64_t file_id;
    const char *path;
    const uint8_t *content_id;
    const char *python_version;
};

/* Takes the schema, also on failure. decode_layer_done is safe on what is half-built and on zeroed memory. */
int decode_layer_init(struct decode_layer *ret, struct ArrowSchema *schema, struct ca_error *err) CA_MUST_CHECK;
void decode_layer_done(struct decode_layer *l);

/* Decode the record batch whose message is head and whose buffers are *body (taken, also on failure; arrays share it).
 * The batch is checked whole: flatbuffer, sizes, offsets, nullability, null counts, UTF-8, one row, identity.
 * CA_ERR_WORKER says what is wrong. */
int decode_batch(struct decode_layer *l, struct ArrowBufferView head, struct ArrowBuffer *body,
                 const struct decode_identity *identity, struct ArrowArray *ret, struct ca_error *err) CA_MUST_CHECK;

#endif
