/* extract/cpython/process.c — posix_spawn, a stream socket, poll. */
#include "extract/cpython/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STDERR_BYTES = 4096, SOCKET_BYTES = 1 << 20 };

int64_t process_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Move an fd out of 0..2, which the child's own take. */
static int raise_fd(int *fd)
{
    if (*fd >= 3)
        return 0;
    int raised = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (raised < 0)
        return -1;
    close(*fd);
    *fd = raised;
    return 0;
}

/* A file that takes STDERR_BYTES and not one more, whatever the child writes. */
static int open_stderr(void)
{
    int fd = memfd_create("codeanatomy-worker-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && (ftruncate(fd, STDERR_BYTES) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0))
        close_fd(&fd);
    return fd;
}

static int open_channels(int ret_sockets[2], int *ret_stderr)
{
    ret_sockets[0] = ret_sockets[1] = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_sockets) != 0)
        return -1;
    *ret_stderr = open_stderr();
    if (*ret_stderr < 0)
        return -1;
    const int size = SOCKET_BYTES;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(ret_sockets[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* fewer turns; any size works */
    return raise_fd(&ret_sockets[0]) != 0 || raise_fd(&ret_sockets[1]) != 0 || raise_fd(ret_stderr) != 0 ? -1 : 0;
}

/* Returns an errno value. */
static int spawn(const char *const *argv, const char *start_dir, int socket_fd, int stderr_fd, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);
    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return rc;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    /* Whatever the host blocks or ignores is not the child's; a group of its own keeps Ctrl-C with the host. */
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    rc = posix_spawn_file_actions_adddup2(&actions, socket_fd, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, socket_fd, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, stderr_fd, 2);
    if (rc == 0 && start_dir != NULL)
        rc = posix_spawn_file_actions_addchdir_np(&actions, start_dir);
    if (rc == 0)
        rc = posix_spawnp(ret, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int process_start(const char *const *argv, const char *start_dir, struct process *ret, struct ca_error *err)
{
    int sockets[2];
    int stderr_fd = -1;
    int errnum = open_channels(sockets, &stderr_fd) == 0 ? 0 : errno;
    pid_t pid = -1;
    const char *step = "open a channel to";
    if (errnum == 0) {
        step = "start";
        errnum = spawn(argv, start_dir, sockets[1], stderr_fd, &pid);
    }
    close_fd(&sockets[1]);
    if (errnum != 0) {
        close_fd(&sockets[0]);
        close_fd(&stderr_fd);
        const bool is_missing = errnum == ENOENT || errnum == EACCES || errnum == ENOTDIR || errnum == ENOEXEC;
        return ca_fail_errno(err, is_missing ? CA_ERR_NOT_FOUND : CA_ERR_WORKER, errnum, "cannot %s '%s'", step,
                             argv[0]);
    }
    *ret = (struct process){.pid = pid, .fd = sockets[0], .stderr_fd = stderr_fd};
    return CA_OK;
}

static char *read_stderr(int fd)
{
    char *text = g_malloc0(STDERR_BYTES + 1);
    ssize_t n = fd >= 0 ? pread(fd, text, STDERR_BYTES, 0) : -1;
    if (n < 0)
        text[0] = '\0';
    return text;
}

void process_stop(struct process *p, int *ret_status, char **ret_stderr)
{
    int status = -1;
    if (p->pid > 0) {
        /* One that has ended by itself is a zombie, on which this has no effect: its status stays its own. */
        kill(p->pid, SIGKILL);
        pid_t reaped;
        do {
            reaped = waitpid(p->pid, &status, 0);
        } while (reaped < 0 && errno == EINTR);
        if (reaped != p->pid)
            status = -1; /* a host that ignores SIGCHLD */
    }
    if (ret_status != NULL)
        *ret_status = status;
    if (ret_stderr != NULL)
        *ret_stderr = read_stderr(p->stderr_fd);
    close_fd(&p->fd);
    close_fd(&p->stderr_fd);
    p->pid = -1;
}

/* Send what can be sent at once. */
static bool pump(struct process *p, struct process_outbox *outbox)
{
    while (outbox->first < outbox->n_parts) {
        struct process_part *part = &outbox->parts[outbox->first];
        ssize_t n = part->n_bytes > 0 ? send(p->fd, part->bytes, part->n_bytes, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        part->bytes = (const uint8_t *)part->bytes + n;
        part->n_bytes -= (size_t)n;
        if (part->n_bytes == 0)
            outbox->first++;
    }
    return true;
}

/* Wait for something to do. false: time is up. */
static bool wait_for(struct process *p, const struct process_outbox *outbox, int64_t deadline_ms)
{
    const bool is_sending = outbox != NULL && outbox->first < outbox->n_parts;
    struct pollfd waiting = {.fd = p->fd, .events = (short)(POLLIN | (is_sending ? POLLOUT : 0))};
    for (;;) {
        int64_t left = deadline_ms - process_now_ms();
        if (left <= 0)
            return false;
        int n = poll(&waiting, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return true; /* the next call on the socket says what is wrong */
    }
}

/* At least one byte, at most n. */
static enum process_io receive_some(struct process *p, struct process_outbox *outbox, void *bytes, size_t n_bytes,
                                    size_t *ret_n, int64_t deadline_ms)
{
    for (;;) {
        /* A child that is dead may have answered before: read on, its end is seen there. */
        if (outbox != NULL && !pump(p, outbox))
            outbox->first = outbox->n_parts;
        ssize_t n = recv(p->fd, bytes, n_bytes, MSG_DONTWAIT);
        if (n > 0) {
            *ret_n = (size_t)n;
            return PROCESS_DONE;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
            return PROCESS_ENDED;
        if (!wait_for(p, outbox, deadline_ms))
            return PROCESS_TIMED_OUT;
    }
}

enum process_io process_receive(struct process *p, struct process_outbox *outbox, void *bytes, size_t n_bytes,
                                int64_t deadline_ms)
{
    size_t n_done = 0;
    while (n_done < n_bytes) {
        size_t n = 0;
        enum process_io io = receive_some(p, outbox, (uint8_t *)bytes + n_done, n_bytes - n_done, &n, deadline_ms);
        if (io != PROCESS_DONE)
            return io;
        n_done += n;
    }
    return PROCESS_DONE;
}

enum process_io process_receive_all(struct process *p, void *bytes, size_t n_bytes, size_t *ret_n, int64_t deadline_ms)
{
    *ret_n = 0;
    while (*ret_n < n_bytes) {
        size_t n = 0;
        enum process_io io = receive_some(p, NULL, (uint8_t *)bytes + *ret_n, n_bytes - *ret_n, &n, deadline_ms);
        if (io != PROCESS_DONE)
            return io;
        *ret_n += n;
    }
    return PROCESS_DONE;
}
