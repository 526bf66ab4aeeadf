/* extract/cpython/protocol.h — what host and worker say to each other.
 *
 * One stream socket a worker, both ends on one machine, so integers are native. Everything is a frame: a struct
 * protocol_frame, n_head bytes, n_body bytes. The worker opens with HELLO; after that the host sends REQUEST and the
 * worker answers, for each layer that was asked for in the order of enum protocol_layer, [BATCH] STATUS, and then END.
 * A layer's frames are sent as soon as they exist: a worker that dies in the second layer has delivered the first.
 *
 *   HELLO    head: struct protocol_hello, then its strings; body: the IPC schema messages of all layers, one after the
 * other. The host compares them with its own, so later batches come without a schema. REQUEST  head: struct
 * protocol_request, then the path; body: the file's raw bytes BATCH    head: the encapsulated IPC message of a record
 * batch of one row; body: its buffers STATUS   head: struct protocol_status, then the reason END      head: struct
 * protocol_end
 *
 * The host believes nothing: sizes, order, sequence numbers, batch and identity are checked. No library; used by the
 * worker too.
 */
#ifndef CA_EXTRACT_CPYTHON_PROTOCOL_H
#define CA_EXTRACT_CPYTHON_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_MAGIC 0x31574143u /* "CAW1" */
#define PROTOCOL_VERSION 1u

/* No head is larger, in bytes; a path or a message beyond is cut. */
#define PROTOCOL_MAX_HEAD (1u << 20)

enum protocol_kind {
    PROTOCOL_HELLO = 1,
    PROTOCOL_REQUEST,
    PROTOCOL_BATCH,
    PROTOCOL_STATUS,
    PROTOCOL_END,
};

enum protocol_layer { PROTOCOL_AST, PROTOCOL_SYMTABLE, PROTOCOL_N_LAYERS };

/* kind      enum protocol_kind
 * layer     enum protocol_layer; 0 where none is meant
 * sequence  number of the request that this belongs to; 0 in HELLO
 */
struct protocol_frame {
    uint32_t magic;
    uint16_t kind;
    uint16_t layer;
    uint32_t sequence;
    uint32_t n_head;
    uint64_t n_body;
};

/* n_version  bytes of "major.minor", which follow
 * n_full     bytes of sys.version, which follow
 */
struct protocol_hello {
    uint32_t protocol;
    uint32_t n_version;
    uint32_t n_full;
    uint32_t unused;
};

/* layers  bits 1 << enum protocol_layer */
struct protocol_request {
    int64_t file_id;
    uint8_t content_id[16];
    uint32_t layers;
    uint32_t n_path;
};

enum protocol_outcome { PROTOCOL_OK, PROTOCOL_RECOVERED, PROTOCOL_FAILED };

/* outcome     enum protocol_outcome
 * is_budget   1: a limit of ours, not the file, is the reason
 * start_byte  raw offset of the first error, -1: unknown
 * n_facts     rows of the layer's largest list
 */
struct protocol_status {
    uint32_t outcome;
    uint32_t is_budget;
    int64_t start_byte;
    int64_t n_facts;
};

/* is_last     1: the worker exits now, its memory went over half of its budget
 * peak_bytes  largest resident set of the worker so far
 */
struct protocol_end {
    uint32_t is_last;
    uint32_t unused;
    uint64_t peak_bytes;
};

#endif
