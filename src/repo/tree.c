/* repo/tree.c — part by part from the root's descriptor; see the header for why. */
#include "repo/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int repo_tree_open(const char *root, struct repo_tree *ret)
{
    *ret = (struct repo_tree){.fd = -1};
    ret->real_path = realpath(root, NULL);
    if (ret->real_path == NULL)
        return errno;
    ret->fd = open(ret->real_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return ret->fd < 0 ? errno : 0;
}

void repo_tree_done(struct repo_tree *t)
{
    if (t->fd >= 0)
        close(t->fd);
    free(t->real_path);
    *t = (struct repo_tree){.fd = -1};
}

int repo_tree_open_at(const struct repo_tree *t, const char *path, int flags)
{
    flags |= O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    g_autofree char *part = g_malloc(strlen(path) + 1);
    int dir = t->fd;
    for (;;) {
        const char *slash = strchr(path, '/');
        if (slash == NULL) {
            int fd = openat(dir, *path != '\0' ? path : ".", flags);
            int result = fd >= 0 ? fd : -errno;
            if (dir != t->fd)
                close(dir);
            return result;
        }
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = '\0';
        int next = openat(dir, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int errnum = errno;
        if (dir != t->fd)
            close(dir);
        if (next < 0)
            return -errnum;
        dir = next;
        path = slash + 1;
    }
}

char *repo_tree_follow(const struct repo_tree *t, const char *path, char **ret_failure)
{
    g_autofree char *whole = g_strconcat(t->real_path, "/", path, NULL);
    char *target = realpath(whole, NULL);
    if (target == NULL) {
        if (errno == ENOENT || errno == ENOTDIR)
            *ret_failure = g_strdup("a link to nothing");
        else if (errno == ELOOP)
            *ret_failure = g_strdup("a link that leads in a circle");
        else
            *ret_failure = g_strdup_printf("a link that cannot be followed: %s", repo_errno_text(errno));
        return NULL;
    }
    size_t n_root = strlen(t->real_path);
    if (n_root == 1) /* "/" */
        n_root = 0;
    char *inside = NULL;
    if (strncmp(target, t->real_path, n_root) == 0 && (target[n_root] == '/' || target[n_root] == '\0'))
        inside = g_strdup(target[n_root] == '/' ? target + n_root + 1 : "");
    else
        *ret_failure = g_strdup("a link out of the tree");
    free(target);
    return inside;
}

const char *repo_errno_text(int errnum)
{
    const char *text = strerrordesc_np(errnum);
    return text != NULL ? text : "unknown error";
}

bool repo_errno_is_ours(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM;
}
