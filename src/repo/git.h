/* repo/git.h — what a scan wants to know of a git repository; hides libgit2.
 *
 * Read-only: no hook, filter or program of the configuration is ever run. Paths are bytes, relative to the work tree.
 * One thread at a time.
 */
#ifndef CA_REPO_GIT_H
#define CA_REPO_GIT_H

#include <stdbool.h>

#include "base/cleanup.h"

struct repo_git;

/* The repository whose work tree holds `dir`: search_up looks in the directories above too. Returns NULL where there is
 * none (*ret_problem stays NULL), and also where there is one that cannot be used (bare, broken, of another owner, an
 * index or a format that libgit2 does not know): *ret_problem then says why, free with g_free. */
struct repo_git *repo_git_open(const char *dir, bool search_up, char **ret_problem);
void repo_git_close(struct repo_git *g);
CA_DEFINE_AUTOPTR(repo_git, repo_git_close)

/* The real path of the work tree, without a slash at the end. */
const char *repo_git_work_tree(const struct repo_git *g);

/* Whether two work trees belong to one repository (git worktree). */
bool repo_git_is_same_repository(const struct repo_git *a, const struct repo_git *b);

/* In the index: as a file (or an unmerged one); with files below; as a submodule. */
bool repo_git_is_tracked(const struct repo_git *g, const char *path);
bool repo_git_has_tracked_below(const struct repo_git *g, const char *dir);
bool repo_git_is_submodule(const struct repo_git *g, const char *dir);

/* Files with ignore rules that are not .gitignore: core.excludesFile (or git's default for it) and info/exclude.
 * Absolute; they need not exist. NULL: none. */
const char *repo_git_excludes_file(const struct repo_git *g);
const char *repo_git_info_exclude(const struct repo_git *g);

bool repo_git_ignores_case(const struct repo_git *g);

/* HEAD's commit, hex; NULL before the first one. */
const char *repo_git_commit(const struct repo_git *g);

#endif
