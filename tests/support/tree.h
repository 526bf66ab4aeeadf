/* tests/support/tree.h — a folder that is scanned: files, links and git repositories in it. Failures end the test. */
#ifndef CA_TESTS_SUPPORT_TREE_H
#define CA_TESTS_SUPPORT_TREE_H

#include <git2.h>
#include <stdbool.h>
#include <stddef.h>

struct repo_project;

/* root   absolute path */
struct tree {
    char *root;
};

/* cmocka group setup and teardown: libgit2, without what the developer has configured for git. */
int tree_group_set_up(void **state);
int tree_group_tear_down(void **state);

/* cmocka setup and teardown: *state is a struct tree. */
int tree_set_up(void **state);
int tree_tear_down(void **state);

/* ROOT/PATH; g_free. */
char *tree_path(const struct tree *s, const char *path);

void tree_make_dir(const struct tree *s, const char *path);

/* Write ROOT/PATH, folders included. */
void tree_write_bytes(const struct tree *s, const char *path, const void *bytes, size_t n);
void tree_write(const struct tree *s, const char *path, const char *text);

/* A symbolic link ROOT/PATH to `target`, which need not be there. */
void tree_link(const struct tree *s, const char *target, const char *path);

/* A new repository in ROOT/DIR; git_repository_free. */
git_repository *tree_make_git(const struct tree *s, const char *dir, bool is_bare);

/* Put a file into the index. */
void tree_track(git_repository *repository, const char *path);

/* What the scan of a project finds, one line an entry: "path", then " tracked", then ": failure"; or the scan's error.
 * g_free. */
char *tree_listing(const struct repo_project *project);
void tree_assert_listing(const struct tree *s, const char *expected);

#endif
