/* extract/cpython/process.h — a child process and the socket that is its stdin and stdout.
 *
 * A socket and not two pipes: a write to a dead child is then an error code (MSG_NOSIGNAL) and no SIGPIPE in a process
 * that is not ours to configure. stderr goes to a small sealed memory file, whose beginning explains a child that would
 * not start.
 */
#ifndef CA_EXTRACT_CPYTHON_PROCESS_H
#define CA_EXTRACT_CPYTHON_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* pid  -1: not running
 * fd   our end of the socket, -1: none
 */
struct process {
    pid_t pid;
    int fd;
    int stderr_fd;
};

/* Bytes that wait to be sent: parts that are borrowed, `first` the first with something left. */
struct process_part {
    const void *bytes;
    size_t n_bytes;
};
enum { PROCESS_MAX_PARTS = 4 };
struct process_outbox {
    struct process_part parts[PROCESS_MAX_PARTS];
    int n_parts;
    int first;
};

enum process_io { PROCESS_DONE, PROCESS_ENDED, PROCESS_TIMED_OUT };

/* A struct process that is not running. */
#define PROCESS_NONE ((struct process){.pid = -1, .fd = -1, .stderr_fd = -1})

/* Start argv (NULL-terminated; argv[0] is searched in PATH) in start_dir (NULL: here) in a process group of its own.
 * CA_ERR_NOT_FOUND: no such program; CA_ERR_WORKER: anything else. */
int process_start(const char *const *argv, const char *start_dir, struct process *ret,
                  struct ca_error *err) CA_MUST_CHECK;

/* Kill it if it still runs, reap it, close everything. *ret_status (may be NULL) is its wait status, -1: unknown. What
 * it wrote to stderr, first 4 KiB, is *ret_stderr (may be NULL; the caller frees it). Safe on a process that is not
 * running. */
void process_stop(struct process *p, int *ret_status, char **ret_stderr);

/* Receive exactly n bytes and send what the outbox (may be NULL) holds meanwhile, until deadline (process_now_ms). */
enum process_io process_receive(struct process *p, struct process_outbox *outbox, void *bytes, size_t n_bytes,
                                int64_t deadline_ms);

/* The same, but up to n bytes until the other side ends; *ret_n is what came. PROCESS_DONE: more than n came. */
enum process_io process_receive_all(struct process *p, void *bytes, size_t n_bytes, size_t *ret_n, int64_t deadline_ms);

/* Monotonic clock. */
int64_t process_now_ms(void);

#endif
