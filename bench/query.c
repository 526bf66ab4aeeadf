/* bench/query.c — what statements cost a host in C, for catalog.py.
 *
 *     query STORE     each line of stdin is a statement; its rows are written to /dev/null as an Arrow stream, and the
 * answer is a line with the milliseconds that took (as shim/examples/plain.rs does without contracts)
 */
#include <codeanatomy/codeanatomy.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int answer(ca_session *s, int null_fd, struct ca_error *err)
{
    char *line = NULL;
    size_t size = 0;
    int rc = CA_OK;
    while (rc == CA_OK && getline(&line, &size, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        double start = now_ms();
        rc = ca_query_write(s, line, NULL, NULL, "arrow", null_fd, /* width= */ 0, NULL, err);
        if (rc == CA_OK) {
            printf("%.3f\n", now_ms() - start);
            fflush(stdout);
        }
    }
    free(line);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: query STORE\n", stderr);
        return 2;
    }
    const struct ca_session_options options = {.size = sizeof options, .store = argv[1], .read_only = 1};
    struct ca_error err = {0};
    ca_session *s = NULL;
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int rc = ca_session_open(&options, &s, &err);
    if (rc == CA_OK)
        rc = answer(s, null_fd, &err);
    if (rc != CA_OK)
        fprintf(stderr, "%s\n", err.message);
    ca_session_close(s);
    close(null_fd);
    return rc == CA_OK ? 0 : 1;
}
