/* repo/git.c — index, configuration and HEAD through libgit2.
 *
 * Ignore rules are matched by repo/pattern.h (its header says why); this file only finds the files that hold them.
 * libgit2 checks who owns a repository, as git does: one of another owner is not read unless safe.directory names it.
 */
#include "repo/git.h"

#include <git2.h>
#include <glib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct repo_git {
    git_repository *repository;
    git_index *index;
    char *work_tree;
    char *common_dir;
    char *excludes_file;
    char *info_exclude;
    char commit[GIT_OID_HEXSZ + 1];
    bool ignores_case;
};

void repo_git_close(struct repo_git *g)
{
    if (g == NULL)
        return;
    git_index_free(g->index);
    git_repository_free(g->repository);
    free(g->work_tree);
    free(g->common_dir);
    g_free(g->excludes_file);
    g_free(g->info_exclude);
    g_free(g);
    git_libgit2_shutdown();
}

static char *last_problem(const char *doing)
{
    const git_error *e = git_error_last();
    const char *text = e != NULL && e->message != NULL ? e->message : "no reason given";
    return g_strdup_printf("%s: %s", doing, text);
}

/* git's own default when core.excludesFile is not set. */
static char *default_excludes_file(void)
{
    const char *config = g_getenv("XDG_CONFIG_HOME");
    if (config != NULL && *config != '\0')
        return g_build_filename(config, "git", "ignore", NULL);
    const char *home = g_getenv("HOME");
    return home != NULL && *home != '\0' ? g_build_filename(home, ".config", "git", "ignore", NULL) : NULL;
}

static void read_config(struct repo_git *g)
{
    git_config *config = NULL;
    if (git_repository_config_snapshot(&config, g->repository) != 0) {
        g->excludes_file = default_excludes_file();
        return;
    }
    int ignores_case = 0;
    if (git_config_get_bool(&ignores_case, config, "core.ignorecase") == 0)
        g->ignores_case = ignores_case != 0;
    git_buf path = GIT_BUF_INIT;
    if (git_config_get_path(&path, config, "core.excludesfile") != 0)
        g->excludes_file = default_excludes_file();
    else if (path.ptr != NULL && g_path_is_absolute(path.ptr))
        g->excludes_file = g_strdup(path.ptr);
    else if (path.ptr != NULL && *path.ptr != '\0')
        g->excludes_file = g_build_filename(g->work_tree, path.ptr, NULL);
    git_buf_dispose(&path);
    git_config_free(config);
}

static char *open_parts(struct repo_git *g, const char *dir, bool search_up, bool *ret_is_found)
{
    unsigned int flags = search_up ? 0 : GIT_REPOSITORY_OPEN_NO_SEARCH;
    int rc = git_repository_open_ext(&g->repository, dir, flags, /* ceiling_dirs= */ NULL);
    *ret_is_found = rc != GIT_ENOTFOUND;
    if (rc != 0)
        return last_problem("the git repository cannot be opened");
    if (git_repository_is_bare(g->repository))
        return g_strdup("the git repository is bare");

    g->work_tree = realpath(git_repository_workdir(g->repository), NULL);
    g->common_dir = realpath(git_repository_commondir(g->repository), NULL);
    if (g->work_tree == NULL || g->common_dir == NULL)
        return g_strdup("the git repository has no work tree");
    if (git_repository_index(&g->index, g->repository) != 0)
        return last_problem("the git index cannot be read");

    g->info_exclude = g_build_filename(g->common_dir, "info", "exclude", NULL);
    read_config(g);
    git_oid head;
    if (git_reference_name_to_id(&head, g->repository, "HEAD") == 0)
        git_oid_tostr(g->commit, sizeof(g->commit), &head);
    return NULL;
}

struct repo_git *repo_git_open(const char *dir, bool search_up, char **ret_problem)
{
    *ret_problem = NULL;
    struct repo_git *g = g_new0(struct repo_git, 1);
    git_libgit2_init();
    bool is_found = false;
    char *problem = open_parts(g, dir, search_up, &is_found);
    if (problem == NULL)
        return g;
    repo_git_close(g);
    g_autofree char *dot_git = g_build_filename(dir, ".git", NULL);
    if (is_found || g_file_test(dot_git, G_FILE_TEST_EXISTS))
        *ret_problem = problem;
    else
        g_free(problem);
    return NULL;
}

const char *repo_git_work_tree(const struct repo_git *g)
{
    return g->work_tree;
}

bool repo_git_is_same_repository(const struct repo_git *a, const struct repo_git *b)
{
    return strcmp(a->common_dir, b->common_dir) == 0;
}

static const git_index_entry *find(const struct repo_git *g, const char *path)
{
    size_t at = 0;
    return git_index_find(&at, g->index, path) == 0 ? git_index_get_byindex(g->index, at) : NULL;
}

bool repo_git_is_tracked(const struct repo_git *g, const char *path)
{
    return find(g, path) != NULL;
}

bool repo_git_has_tracked_below(const struct repo_git *g, const char *dir)
{
    g_autofree char *prefix = g_strconcat(dir, "/", NULL);
    size_t at = 0;
    return git_index_find_prefix(&at, g->index, prefix) == 0;
}

bool repo_git_is_submodule(const struct repo_git *g, const char *dir)
{
    const git_index_entry *entry = find(g, dir);
    return entry != NULL && entry->mode == GIT_FILEMODE_COMMIT;
}

const char *repo_git_excludes_file(const struct repo_git *g)
{
    return g->excludes_file;
}

const char *repo_git_info_exclude(const struct repo_git *g)
{
    return g->info_exclude;
}

bool repo_git_ignores_case(const struct repo_git *g)
{
    return g->ignores_case;
}

const char *repo_git_commit(const struct repo_git *g)
{
    return g->commit[0] != '\0' ? g->commit : NULL;
}
