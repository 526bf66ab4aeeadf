/* repo/tree.h — opening files below the root and nowhere else.
 *
 * Every path is walked part by part with O_NOFOLLOW, so a directory that turns into a link while we work leads nowhere.
 * A link that is to be followed is resolved to its real path first; that path is then opened the same way.
 *
 * Any thread.
 */
#ifndef CA_REPO_TREE_H
#define CA_REPO_TREE_H

#include <stdbool.h>
#include <sys/types.h>

struct repo_tree {
    int fd;          /* the root, O_PATH */
    char *real_path; /* of the root */
};

/* 0, or an errno. repo_tree_done is safe on {-1, NULL} and after a failed open. */
int repo_tree_open(const char *root, struct repo_tree *ret);
void repo_tree_done(struct repo_tree *t);

/* A file descriptor, or -errno. `path` is relative to the root, "" is the root itself; `flags` as of open(2):
 * O_NOFOLLOW, O_CLOEXEC, O_NOCTTY and O_NONBLOCK (a FIFO must not hold us up) are added. */
int repo_tree_open_at(const struct repo_tree *t, const char *path, int flags);

/* Where the link at `path` leads, relative to the root; free with g_free. NULL: nowhere that may be read, and
 * *ret_failure says why (g_free). */
char *repo_tree_follow(const struct repo_tree *t, const char *path, char **ret_failure);

/* An errno in words that do not depend on the locale. Never NULL. */
const char *repo_errno_text(int errnum);

/* Out of descriptors or memory: a limit of this process, not a fact about the file. */
bool repo_errno_is_ours(int errnum);

#endif
