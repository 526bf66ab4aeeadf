/* base/file.c — reading with a bound, writing all or nothing, trees. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static void autofd_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define AUTOFD CA_CLEANUP(autofd_cleanup) int

static void autodir_cleanup(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}
#define AUTODIR CA_CLEANUP(autodir_cleanup) DIR *

static char *xstrndup(const char *text, size_t n)
{
    char *copy = strndup(text, n);
    if (copy == NULL)
        abort();
    return copy;
}

int file_exists(const char *path, bool *ret, struct ca_error *err)
{
    struct stat st;
    *ret = stat(path, &st) == 0;
    if (!*ret && errno != ENOENT && errno != ENOTDIR)
        return ca_fail_errno(err, CA_ERR_IO, errno, "cannot look at '%s'", path);
    return CA_OK;
}

int file_read_bounded(const char *path, size_t max_bytes, char **ret, size_t *ret_n_bytes, struct ca_error *err)
{
    /* O_NONBLOCK: opening a FIFO must not hang; it means nothing for regular files. */
    AUTOFD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return ca_fail_errno(err, errno == ENOENT || errno == ENOTDIR ? CA_ERR_NOT_FOUND : CA_ERR_IO, errno,
                             "cannot open '%s'", path);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ca_fail_errno(err, CA_ERR_IO, errno, "cannot read '%s'", path);
    if (!S_ISREG(st.st_mode))
        return ca_fail(err, CA_ERR_IO, "cannot read '%s': not a regular file", path);
    if ((uint64_t)st.st_size > max_bytes)
        return ca_fail(err, CA_ERR_RESOURCES, "'%s' has %" PRId64 " bytes, the limit is %zu", path, (int64_t)st.st_size,
                       max_bytes);

    /* The size is a guess: /proc says 0, and a file may grow while it is read. */
    size_t capacity = (size_t)st.st_size + 2;
    CA_AUTOFREE char *text = malloc(capacity);
    if (text == NULL)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for the %zu bytes of '%s'", capacity, path);
    size_t n = 0;
    for (;;) {
        if (n + 1 >= capacity) {
            capacity *= 2;
            char *larger = realloc(text, capacity);
            if (larger == NULL)
                return ca_fail(err, CA_ERR_RESOURCES, "no memory for the %zu bytes of '%s'", capacity, path);
            text = larger;
        }
        ssize_t got = read(fd, text + n, capacity - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ca_fail_errno(err, CA_ERR_IO, errno, "cannot read '%s'", path);
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max_bytes)
            return ca_fail(err, CA_ERR_RESOURCES, "'%s' grew past the limit of %zu bytes", path, max_bytes);
    }
    text[n] = '\0';
    *ret = CA_STEAL(text);
    *ret_n_bytes = n;
    return CA_OK;
}

/* The folder that holds `path`, malloc'ed. */
static char *parent_of(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n == 0)
        return xstrndup(".", 1);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return xstrndup(path, n);
}

int file_sync_dir(const char *path, struct ca_error *err)
{
    AUTOFD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* EINVAL: a file system that cannot sync folders, for which there is nothing to do. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        return ca_fail_errno(err, CA_ERR_IO, errno, "cannot sync folder '%s'", path);
    return CA_OK;
}

static int write_all(int fd, const char *bytes, size_t n_bytes)
{
    size_t done = 0;
    while (done < n_bytes) {
        ssize_t n = write(fd, bytes + done, n_bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        done += (size_t)n;
    }
    return 0;
}

int file_write_atomic(const char *path, const void *bytes, size_t n_bytes, struct ca_error *err)
{
    static _Atomic unsigned counter;
    CA_AUTOFREE char *dir = parent_of(path);
    CA_AUTOFREE char *temp = NULL;
    int fd = -1;
    for (int attempt = 0; attempt < 100 && fd < 0; attempt++) {
        free(temp);
        if (asprintf(&temp, "%s.tmp.%ld.%u", path, (long)getpid(), atomic_fetch_add(&counter, 1)) < 0)
            abort();
        fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        return ca_fail_errno(err, CA_ERR_IO, errno, "cannot write '%s'", path);

    int failure = write_all(fd, bytes, n_bytes);
    if (failure == 0 && fsync(fd) != 0)
        failure = errno;
    if (close(fd) != 0 && failure == 0)
        failure = errno;
    if (failure == 0 && rename(temp, path) != 0)
        failure = errno;
    if (failure != 0) {
        unlink(temp);
        return ca_fail_errno(err, CA_ERR_IO, failure, "cannot write '%s'", path);
    }
    return file_sync_dir(dir, err);
}

/* `text` without the number at its end, as a length; 0: there is none behind `mark`. */
static size_t without_number(const char *text, size_t n, char mark)
{
    size_t start = n;
    while (start > 0 && text[start - 1] >= '0' && text[start - 1] <= '9')
        start--;
    return start < n && start > 0 && text[start - 1] == mark ? start - 1 : 0;
}

bool file_is_unfinished(const char *path)
{
    static const char mark[] = ".tmp";
    size_t n = without_number(path, strlen(path), '.');
    n = without_number(path, n, '.');
    return n > strlen(mark) && strncmp(path + n - strlen(mark), mark, strlen(mark)) == 0;
}

int file_make_dirs(const char *path, struct ca_error *err)
{
    if (path[0] == '\0')
        return ca_fail(err, CA_ERR_INVALID, "cannot make folder '': the name is empty");
    size_t n = strlen(path);
    CA_AUTOFREE char *part = xstrndup(path, n);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char end = part[i];
        part[i] = '\0';
        if (mkdir(part, 0777) != 0) {
            int why = errno;
            struct stat st;
            /* EROFS and EACCES come before EEXIST on some systems: what counts is that a folder is there. */
            if (stat(part, &st) != 0)
                return ca_fail_errno(err, CA_ERR_IO, why, "cannot make folder '%s'", part);
            if (!S_ISDIR(st.st_mode))
                return ca_fail(err, CA_ERR_IO, "cannot make folder '%s': there is a file of that name", part);
        }
        part[i] = end;
    }
    return CA_OK;
}

/* Empty the folder `dir`: a folder that is not empty is moved up to `dir` under a fresh name and met again later,
 * so that depth costs neither stack nor descriptors. Returns 0 or an errno value; *ret_left: met something to do. */
static int remove_one_pass(int top, const char *sub, uint64_t *fresh, bool *ret_left)
{
    int fd = openat(top, sub, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno;
    AUTODIR dir = fdopendir(fd);
    if (dir == NULL) {
        int why = errno;
        close(fd);
        return why;
    }
    bool is_top = strcmp(sub, ".") == 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL)
            return errno;
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), name, 0) == 0 || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM)
            return errno;
        if (unlinkat(dirfd(dir), name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            continue;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return errno;
        *ret_left = true;
        if (is_top) {
            int failure = remove_one_pass(top, name, fresh, ret_left);
            if (failure != 0)
                return failure;
            if (unlinkat(top, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
                return errno;
            continue;
        }
        char moved[40];
        do {
            snprintf(moved, sizeof moved, ".removed.%" PRIu64, (*fresh)++);
        } while (faccessat(top, moved, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
        if (renameat(dirfd(dir), name, top, moved) != 0)
            return errno;
    }
}

int file_remove_tree(const char *path, struct ca_error *err)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return CA_OK;
    if (errno != EISDIR && errno != EPERM)
        return ca_fail_errno(err, CA_ERR_IO, errno, "cannot remove '%s'", path);
    AUTOFD top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top < 0)
        return ca_fail_errno(err, CA_ERR_IO, errno, "cannot remove '%s'", path);
    uint64_t fresh = 0;
    bool left = true;
    while (left) {
        left = false;
        int failure = remove_one_pass(top, ".", &fresh, &left);
        if (failure != 0)
            return ca_fail_errno(err, CA_ERR_IO, failure, "cannot remove '%s'", path);
    }
    if (rmdir(path) != 0 && errno != ENOENT)
        return ca_fail_errno(err, CA_ERR_IO, errno, "cannot remove '%s'", path);
    return CA_OK;
}
