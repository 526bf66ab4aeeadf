/* worker/wire.h — frames over the worker's socket (extract/cpython/protocol.h). */
#ifndef CA_WORKER_WIRE_H
#define CA_WORKER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "extract/cpython/protocol.h"

/* A part of a frame. */
struct wire_part {
    const void *bytes;
    size_t n_bytes;
};

/* Exactly n bytes. false: the host is gone. */
bool wire_read(int fd, void *bytes, size_t n_bytes);

/* The frame `header` with its head in two parts and its body; fills in magic and sizes. false: the host is gone. */
bool wire_write(int fd, struct protocol_frame header, struct wire_part head, struct wire_part head_rest,
                struct wire_part body);

#endif
