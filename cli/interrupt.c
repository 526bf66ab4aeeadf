/* interrupt.c — see interrupt.h. Signals are a property of the process, so this is the one file with state of its own.
 */
#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "cli.h"

enum mode { MODE_OUTSIDE, MODE_CALL, MODE_PROMPT };

/* wake_fd   the end that the handler writes to during a call; the thread has the other one
 * prompt_fds   the same at a prompt: the signal may reach any thread, so a read that waits would not notice
 * mode      what a signal means now
 * mode_before  what it was when a call began
 * n_seen    signals since the last prompt or call
 * doomed    a file that goes when a signal ends the program, NULL: none
 * token     what to fire, NULL outside begin .. end; guarded by the lock */
static int wake_fd = -1;
static int prompt_fds[2] = {-1, -1};
static int mode_before = MODE_OUTSIDE;
static volatile sig_atomic_t n_seen;
static volatile sig_atomic_t mode = MODE_OUTSIDE;
static const char *volatile doomed;
static GMutex lock;
static ca_cancel *token;

static void on_signal(int number G_GNUC_UNUSED)
{
    int saved = errno;
    n_seen = n_seen + 1;
    if (mode == MODE_OUTSIDE || (mode == MODE_CALL && n_seen > 1)) {
        if (doomed != NULL)
            unlink(doomed);
        _exit(CLI_INTERRUPTED);
    }
    /* A full pipe holds a wake-up already, so a write that fails loses nothing. */
    ssize_t ignored = write(mode == MODE_PROMPT ? prompt_fds[1] : wake_fd, "", 1);
    (void)ignored;
    errno = saved;
}

static void *watch(void *data)
{
    int fd = GPOINTER_TO_INT(data);
    char byte;
    for (;;) {
        ssize_t n = read(fd, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return NULL;
        g_mutex_lock(&lock);
        if (token != NULL)
            ca_cancel_fire(token);
        g_mutex_unlock(&lock);
    }
}

int interrupt_install(struct ca_error *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0 || pipe2(prompt_fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail_errno(err, CA_ERR_IO, errno, "cannot watch for signals");
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    wake_fd = fds[1];

    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* Last: who sees the thread knows that a signal is heard. */
    g_thread_unref(g_thread_new("signals", watch, GINT_TO_POINTER(fds[0])));
    return CA_OK;
}

ca_cancel *interrupt_begin(void)
{
    ca_cancel *fresh = ca_cancel_new();
    g_mutex_lock(&lock);
    token = fresh;
    g_mutex_unlock(&lock);
    mode_before = mode;
    mode = MODE_CALL;
    if (n_seen > 0) /* between the prompt and here */
        ca_cancel_fire(fresh);
    return fresh;
}

bool interrupt_end(void)
{
    mode = mode_before; /* first: whatever comes from here on is for that mode */
    const bool was_seen = n_seen > 0;
    n_seen = 0;
    g_mutex_lock(&lock);
    ca_cancel *old = token;
    token = NULL;
    g_mutex_unlock(&lock);
    ca_cancel_free(old);
    return was_seen;
}

void interrupt_discard(const char *path)
{
    doomed = path;
}

bool interrupt_seen(void)
{
    return n_seen > 0;
}

void interrupt_at_prompt(void)
{
    char byte;
    mode = MODE_PROMPT;
    n_seen = 0;
    while (read(prompt_fds[0], &byte, 1) > 0) {
        /* what is left of an earlier prompt */
    }
}

bool interrupt_wait_input(int fd)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = prompt_fds[0], .events = POLLIN}};
    while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
        if (errno != EINTR)
            return false;
    return fds[1].revents == 0 && (fds[0].revents & (POLLIN | POLLHUP)) != 0;
}
