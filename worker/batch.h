/* worker/batch.h — rows become Arrow IPC messages. */
#ifndef CA_WORKER_BATCH_H
#define CA_WORKER_BATCH_H

#include <nanoarrow/nanoarrow.h>
#include <nanoarrow/nanoarrow_ipc.h>

/* One a layer.
 *   message  encapsulated IPC message, body: its buffers; both overwritten by the next batch
 */
struct batch_encoder {
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ArrowIpcEncoder encoder;
    struct ArrowBuffer message;
    struct ArrowBuffer body;
};

/* Takes the schema, also on failure. 0 or an errno value. */
int batch_encoder_init(struct batch_encoder *ret, struct ArrowSchema *schema);

/* The schema message is in `message`, the body empty. */
int batch_encode_schema(struct batch_encoder *b);

/* Takes the array, also on failure. */
int batch_encode(struct batch_encoder *b, struct ArrowArray *array);

#endif
