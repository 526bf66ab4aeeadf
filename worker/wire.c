/* worker/wire.c — reads and writes that end only when all is through or nobody is there. */
#include "worker/wire.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

bool wire_read(int fd, void *bytes, size_t n_bytes)
{
    uint8_t *at = bytes;
    while (n_bytes > 0) {
        ssize_t n = read(fd, at, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

bool wire_write(int fd, struct protocol_frame header, struct wire_part head, struct wire_part head_rest,
                struct wire_part body)
{
    header.magic = PROTOCOL_MAGIC;
    header.n_head = (uint32_t)(head.n_bytes + head_rest.n_bytes);
    header.n_body = body.n_bytes;
    struct wire_part parts[] = {{&header, sizeof header}, head, head_rest, body};
    const size_t n_parts = sizeof parts / sizeof parts[0];
    for (size_t first = 0; first < n_parts;) {
        struct iovec vectors[4];
        int n_vectors = 0;
        for (size_t i = first; i < n_parts; i++)
            vectors[n_vectors++] = (struct iovec){(void *)parts[i].bytes, parts[i].n_bytes};
        /* The interpreter ignores SIGPIPE: a host that is gone is EPIPE. */
        ssize_t n = writev(fd, vectors, n_vectors);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        while (first < n_parts && (size_t)n >= parts[first].n_bytes)
            n -= (ssize_t)parts[first++].n_bytes;
        if (first < n_parts) {
            parts[first].bytes = (const uint8_t *)parts[first].bytes + n;
            parts[first].n_bytes -= (size_t)n;
        }
    }
    return true;
}
