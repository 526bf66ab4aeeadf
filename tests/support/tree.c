/* tests/support/tree.c — see the header. */
#include "support/tree.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "repo/repo.h"

int tree_group_set_up(void **state)
{
    (void)state;
    g_setenv("HOME", "/nonexistent", TRUE);
    g_setenv("XDG_CONFIG_HOME", "/nonexistent", TRUE);
    return git_libgit2_init() > 0 ? 0 : -1;
}

int tree_group_tear_down(void **state)
{
    (void)state;
    return git_libgit2_shutdown() >= 0 ? 0 : -1;
}

int tree_set_up(void **state)
{
    struct tree *s = g_new0(struct tree, 1);
    s->root = g_build_filename(g_get_tmp_dir(), "test_repo.XXXXXX", NULL);
    assert_non_null(g_mkdtemp_full(s->root, 0755));
    *state = s;
    return 0;
}

int tree_tear_down(void **state)
{
    struct tree *s = *state;
    struct ca_error err;
    int rc = file_remove_tree(s->root, &err);
    g_free(s->root);
    g_free(s);
    return rc;
}

char *tree_path(const struct tree *s, const char *path)
{
    return g_build_filename(s->root, path, NULL);
}

void tree_make_dir(const struct tree *s, const char *path)
{
    g_autofree char *whole = tree_path(s, path);
    assert_int_equal(g_mkdir_with_parents(whole, 0755), 0);
}

void tree_write_bytes(const struct tree *s, const char *path, const void *bytes, size_t n)
{
    g_autofree char *whole = tree_path(s, path);
    g_autofree char *dir = g_path_get_dirname(whole);
    assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
    assert_true(g_file_set_contents(whole, bytes, (gssize)n, NULL));
}

void tree_write(const struct tree *s, const char *path, const char *text)
{
    tree_write_bytes(s, path, text, strlen(text));
}

void tree_link(const struct tree *s, const char *target, const char *path)
{
    g_autofree char *whole = tree_path(s, path);
    assert_int_equal(symlink(target, whole), 0);
}

git_repository *tree_make_git(const struct tree *s, const char *dir, bool is_bare)
{
    g_autofree char *whole = tree_path(s, dir);
    git_repository *repository = NULL;
    assert_int_equal(git_repository_init(&repository, whole, is_bare), 0);
    return repository;
}

void tree_track(git_repository *repository, const char *path)
{
    git_index *index = NULL;
    assert_int_equal(git_repository_index(&index, repository), 0);
    assert_int_equal(git_index_add_bypath(index, path), 0);
    assert_int_equal(git_index_write(index), 0);
    git_index_free(index);
}

char *tree_listing(const struct repo_project *project)
{
    struct ca_error err = {0};
    struct repo_scan *scan = NULL;
    if (repo_scan_open(project, &scan, &err) != CA_OK)
        return g_strdup(err.message);
    GString *lines = g_string_new(NULL);
    for (size_t i = 0; i < repo_scan_n_entries(scan); i++) {
        const struct repo_entry *e = repo_scan_entry(scan, i);
        g_string_append_printf(lines, "%s%s%s%s\n", e->path, e->is_tracked ? " tracked" : "", e->failure ? ": " : "",
                               e->failure ? e->failure : "");
    }
    repo_scan_close(scan);
    return g_string_free(lines, FALSE);
}

void tree_assert_listing(const struct tree *s, const char *expected)
{
    struct repo_project project = {.root = s->root, .repository = (char *)"repo", .use_git_ignore = true};
    g_autofree char *got = tree_listing(&project);
    assert_string_equal(got, expected);
}
