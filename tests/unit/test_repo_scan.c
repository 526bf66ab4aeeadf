/* tests/unit/test_repo_scan.c — the room `repo`: requirement C1, which files a scan finds, with and without git. */
#include <fcntl.h>
#include <git2.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "repo/repo.h"
#include "support/tree.h"

#define MAX_BYTES ((size_t)1 << 24)
#define UNPRIVILEGED 65534

/* ---- the scan -------------------------------------------------------------------------------------------------- */

/* C1: which files are in, in byte order of the path, whatever the order of the listing. */
static void test_scan_without_git(void **state)
{
    const struct tree *s = *state;
    tree_write(s, "b.py", "");
    tree_write(s, "B.py", "");
    tree_write(s, "a/z.py", "");
    tree_write(s, "a.pyi", "");
    tree_write(s, "a-b.pyw", "");
    tree_write(s, "notes.txt", "");
    tree_write(s, "a.pyc", "");
    tree_write(s, "x.PY", "");
    tree_write(s, "__pycache__/c.py", "");
    tree_write(s, ".codeanatomy/d.py", "");
    tree_write(s, ".hidden/e.py", "");
    tree_write(s, "dir.py/f.py", "");
    tree_write(s, ".gitignore", "*.py\n"); /* no git, no rules of git */
    tree_assert_listing(s, ".hidden/e.py\nB.py\na-b.pyw\na.pyi\na/z.py\nb.py\ndir.py/f.py\n");

    struct repo_project project = {.root = s->root, .use_git_ignore = true};
    struct repo_scan *scan = NULL;
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    const struct repo_entry *stub = repo_scan_entry(scan, 3);
    assert_true(stub->is_stub);
    assert_false(stub->has_git);
    assert_int_equal(stub->size_bytes, 0);
    assert_int_equal(stub->file_id, position_file_id("repo", 4, "a.pyi", 5));
    assert_false(repo_scan_entry(scan, 0)->is_stub);
    assert_null(repo_scan_git_problem(scan));
    assert_null(repo_scan_git_commit(scan));
    repo_scan_close(scan);
    repo_scan_close(NULL);
}

static void test_scan_patterns(void **state)
{
    const struct tree *s = *state;
    tree_write(s, "src/a.py", "");
    tree_write(s, "src/gen/b.py", "");
    tree_write(s, "src/gen/keep.py", "");
    tree_write(s, "tests/c.py", "");
    tree_write(s, "setup.py", "");
    static const struct {
        const char *include[4];
        const char *exclude[4];
        const char *expected;
    } cases[] = {
        {{NULL}, {"src/gen/", NULL}, "setup.py\nsrc/a.py\ntests/c.py\n"},
        {{NULL}, {"gen/*", "!keep.py", NULL}, "setup.py\nsrc/a.py\nsrc/gen/b.py\nsrc/gen/keep.py\ntests/c.py\n"},
        {{NULL}, {"**/gen/*", "!keep.py", NULL}, "setup.py\nsrc/a.py\nsrc/gen/keep.py\ntests/c.py\n"},
        {{"src", NULL}, {NULL}, "src/a.py\nsrc/gen/b.py\nsrc/gen/keep.py\n"},
        {{"src", "!src/gen", NULL}, {NULL}, "src/a.py\n"},
        {{"src", "!src/gen", "keep.py", NULL}, {NULL}, "src/a.py\nsrc/gen/keep.py\n"},
        {{"/*.py", NULL}, {NULL}, "setup.py\n"},
        {{"src/gen/keep.py", NULL}, {NULL}, "src/gen/keep.py\n"},
        {{"src", NULL}, {"b.py", NULL}, "src/a.py\nsrc/gen/keep.py\n"},
        {{"nothing", NULL}, {NULL}, ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct repo_project project = {
            .root = s->root, .include = (char **)cases[i].include, .exclude = (char **)cases[i].exclude};
        g_autofree char *got = tree_listing(&project);
        assert_string_equal(got, cases[i].expected);
    }

    struct repo_project project = {.root = s->root, .store = (char *)"src/gen"};
    g_autofree char *got = tree_listing(&project);
    assert_string_equal(got, "setup.py\nsrc/a.py\ntests/c.py\n");
}

static void test_scan_root(void **state)
{
    const struct tree *s = *state;
    tree_write(s, "file", "");
    g_autofree char *file = tree_path(s, "file");
    g_autofree char *want = g_strdup_printf("'%s' is not a directory", file);
    struct repo_project project = {.root = file};
    struct ca_error err;
    struct repo_scan *scan = NULL;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, want);
}

/* Links are followed within the tree and nowhere else, and each broken one is a row with its reason. */
static void test_scan_links(void **state)
{
    const struct tree *s = *state;
    g_autofree char *outside = g_strdup_printf("%s.outside.py", s->root);
    assert_true(g_file_set_contents(outside, "secret = 1\n", -1, NULL));
    g_autofree char *absolute = tree_path(s, "pkg/a.py");

    tree_write(s, "pkg/a.py", "a = 1\n");
    tree_link(s, "pkg/a.py", "inside.py");
    tree_link(s, absolute, "inside_absolute.py");
    tree_link(s, outside, "outside.py");
    tree_link(s, "../../../../../../../../../etc/passwd", "passwd.py");
    tree_link(s, "nothing.py", "dangling.py");
    tree_link(s, "loop2.py", "loop.py");
    tree_link(s, "loop.py", "loop2.py");
    tree_link(s, "pkg", "pkg_link");
    tree_link(s, "pkg", "pkg_link.py");
    tree_link(s, "..", "up");
    tree_assert_listing(s, "dangling.py: a link to nothing\n"
                           "inside.py\n"
                           "inside_absolute.py\n"
                           "loop.py: a link that leads in a circle\n"
                           "loop2.py: a link that leads in a circle\n"
                           "outside.py: a link out of the tree\n"
                           "passwd.py: a link out of the tree\n"
                           "pkg/a.py\n");

    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    struct ca_error err;
    struct repo_file f = {0};
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_file_load(scan, 1, MAX_BYTES, &f, &err), CA_OK);
    assert_string_equal((const char *)f.raw, "a = 1\n");
    repo_file_done(&f);

    /* After the scan: a directory on the way becomes a link out, a link turns outwards. Neither is read. */
    g_autofree char *pkg = tree_path(s, "pkg");
    g_autofree char *moved = tree_path(s, "moved");
    g_autofree char *inside = tree_path(s, "inside.py");
    assert_int_equal(rename(pkg, moved), 0);
    assert_int_equal(symlink("moved", pkg), 0);
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(symlink(outside, inside), 0);
    assert_int_equal(repo_file_load(scan, 7, MAX_BYTES, &f, &err), CA_OK);
    assert_string_equal(f.failure, "vanished after the scan");
    repo_file_done(&f);
    assert_int_equal(repo_file_load(scan, 1, MAX_BYTES, &f, &err), CA_OK);
    assert_string_equal(f.failure, "a link out of the tree");
    assert_null(f.raw);
    repo_file_done(&f);
    repo_scan_close(scan);
    unlink(outside);
}

static void test_scan_odd_files(void **state)
{
    const struct tree *s = *state;
    g_autofree char *fifo = tree_path(s, "fifo.py");
    assert_int_equal(mkfifo(fifo, 0644), 0);
    tree_link(s, "fifo.py", "to_fifo.py");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket.py", s->root) <
                (int)sizeof(address.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);

    tree_write(s, "caf\xc3\xa9.py", "");
    tree_write(s, "caf\xe9.py", "");
    tree_write(s, "back\\slash.py", "");
    tree_write(s, "\xff\xfe/\xe2\x82.py", "");
    tree_write(s, "line\nbreak.py", "");
    tree_assert_listing(s, "\\xff\\xfe/\\xe2\\x82.py\n"
                           "back\\\\slash.py\n"
                           "caf\\xe9.py\n"
                           "caf\xc3\xa9.py\n"
                           "fifo.py: not a regular file but a FIFO\n"
                           "line\nbreak.py\n"
                           "socket.py: not a regular file but a socket\n"
                           "to_fifo.py: not a regular file but a FIFO\n");
}

/* What cannot be read is a row with a reason; everything else is still there. */
static void test_scan_without_permission(void **state)
{
    const struct tree *s = *state;
    tree_write(s, "a.py", "x = 1\n");
    tree_write(s, "secret.py", "");
    tree_write(s, "locked/b.py", "");
    tree_write(s, "no_search/c.py", "");
    g_autofree char *secret = tree_path(s, "secret.py");
    g_autofree char *locked = tree_path(s, "locked");
    g_autofree char *no_search = tree_path(s, "no_search");
    assert_int_equal(chmod(secret, 0), 0);
    assert_int_equal(chmod(locked, 0), 0);
    assert_int_equal(chmod(no_search, 0444), 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(UNPRIVILEGED), 0);

    tree_assert_listing(s, "a.py\n"
                           "locked/: a directory that cannot be listed: Permission denied\n"
                           "no_search/c.py: cannot be read: Permission denied\n"
                           "secret.py\n");
    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    struct ca_error err;
    struct repo_file f = {0};
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_file_load(scan, 3, MAX_BYTES, &f, &err), CA_OK);
    assert_string_equal(f.failure, "cannot be read: Permission denied");
    repo_file_done(&f);
    assert_int_equal(repo_file_load(scan, 0, MAX_BYTES, &f, &err), CA_OK);
    assert_null(f.failure);
    repo_file_done(&f);
    repo_scan_close(scan);

    struct repo_project hidden = {.root = locked};
    g_autofree char *want = g_strdup_printf("list '%s': Permission denied", locked);
    assert_int_equal(repo_scan_open(&hidden, &scan, &err), CA_ERR_IO);
    assert_string_equal(err.message, want);

    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(locked, 0755), 0);
    assert_int_equal(chmod(no_search, 0755), 0);
}

/* 3,000 directories deep: no recursion, no descriptor a level; beyond what a path can say there is a row. */
static void test_scan_deep(void **state)
{
    const struct tree *s = *state;
    int fd = open(s->root, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    tree_write(s, "a.py", "");
    struct repo_project project = {.root = s->root};
    g_autofree char *got = tree_listing(&project);
    assert_true(g_str_has_prefix(got, "a.py\nd/d/d/"));
    assert_true(g_str_has_suffix(got, "/d/: a directory whose path is too long to open\n"));
}

/* ---- git ------------------------------------------------------------------------------------------------------- */

/* C1: ignore rules nested and negated, tracked files that are ignored stay, untracked ones that are not are in. */
static void test_git_rules(void **state)
{
    const struct tree *s = *state;
    git_repository *repository = tree_make_git(s, "", false);
    tree_write(s, ".gitignore", "*.py\n!/pkg/\nbuild/\n");
    tree_write(s, "pkg/.gitignore", "!keep.py\n"); /* libgit2 1.5 drops this one */
    tree_write(s, ".git/info/exclude", "private.pyi\n");
    tree_write(s, "pkg/keep.py", "");
    tree_write(s, "pkg/other.py", "");
    tree_write(s, "pkg/tracked.py", "");
    tree_write(s, "build/keep.pyi", "");
    tree_write(s, "build/tracked.pyi", "");
    tree_write(s, "private.pyi", "");
    tree_write(s, "public.pyi", "");
    tree_track(repository, "pkg/tracked.py");
    tree_track(repository, "build/tracked.pyi");
    git_repository_free(repository);

    tree_assert_listing(s, "build/tracked.pyi tracked\npkg/keep.py\npkg/tracked.py tracked\npublic.pyi\n");

    struct repo_project project = {.root = s->root, .use_git_ignore = false};
    g_autofree char *all = tree_listing(&project);
    assert_string_equal(all, "build/keep.pyi\nbuild/tracked.pyi tracked\npkg/keep.py\npkg/other.py\n"
                             "pkg/tracked.py tracked\nprivate.pyi\npublic.pyi\n");

    /* exclude and include narrow what git leaves; they bring nothing back. */
    struct repo_project narrow = {.root = s->root,
                                  .use_git_ignore = true,
                                  .include = (char *[]){(char *)"pkg", NULL},
                                  .exclude = (char *[]){(char *)"tracked.py", NULL}};
    g_autofree char *got = tree_listing(&narrow);
    assert_string_equal(got, "pkg/keep.py\n");

    /* A scan of a directory within knows the rules above it, and paths are its own. */
    g_autofree char *pkg = tree_path(s, "pkg");
    struct repo_project within = {.root = pkg, .use_git_ignore = true};
    g_autofree char *below = tree_listing(&within);
    assert_string_equal(below, "keep.py\ntracked.py tracked\n");
}

/* A corpus unpacked in the ignored build directory of another project is not empty. */
static void test_git_that_ignores_root(void **state)
{
    const struct tree *s = *state;
    git_repository *repository = tree_make_git(s, "", false);
    git_repository_free(repository);
    tree_write(s, ".gitignore", "build/\n*.py\n");
    tree_write(s, "build/corpus/a.py", "");
    g_autofree char *corpus = tree_path(s, "build/corpus");
    struct repo_project project = {.root = corpus, .use_git_ignore = true};
    g_autofree char *got = tree_listing(&project);
    assert_string_equal(got, "a.py\n");
}

static void test_git_within_git(void **state)
{
    const struct tree *s = *state;
    git_repository *outer = tree_make_git(s, "", false);
    tree_write(s, ".gitignore", "outer.py\n");
    tree_write(s, "top.py", "");
    tree_write(s, "outer.py", "");
    tree_make_dir(s, "vendor/lib");
    git_repository *inner = tree_make_git(s, "vendor/lib", false);
    tree_write(s, "vendor/lib/.gitignore", "inner.py\n");
    tree_write(s, "vendor/lib/outer.py", "");
    tree_write(s, "vendor/lib/inner.py", "");
    tree_write(s, "vendor/lib/tracked.py", "");
    tree_track(inner, "tracked.py");
    tree_write(s, "vendor/broken/.git", "gitdir: nowhere\n");
    tree_write(s, "vendor/broken/b.py", "");
    tree_write(s, "vendor/broken/outer.py", "");
    git_repository_free(inner);
    git_repository_free(outer);
    tree_assert_listing(s, "top.py\nvendor/broken/b.py\nvendor/lib/outer.py\nvendor/lib/tracked.py tracked\n");
}

/* A git that cannot be used is said, and every file is in. */
static void test_git_unusable(void **state)
{
    const struct tree *s = *state;
    static const struct {
        const char *dir;
        const char *want_problem;
    } cases[] = {
        {"broken", "the git repository cannot be opened: "},
        {"file", "the git repository cannot be opened: "},
        {"index", "the git index cannot be read: "},
        {"bare", "the git repository is bare"},
    };
    tree_write(s, "broken/.git/HEAD", "nonsense\n");
    tree_write(s, "file/.git", "gitdir: /nowhere\n");
    tree_make_dir(s, "index");
    git_repository_free(tree_make_git(s, "index", false));
    tree_write(s, "index/.git/index", "not an index, but long enough to be read as one");
    tree_make_dir(s, "bare");
    git_repository_free(tree_make_git(s, "bare", true));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *ignore = g_build_filename(cases[i].dir, ".gitignore", NULL);
        g_autofree char *file = g_build_filename(cases[i].dir, "a.py", NULL);
        g_autofree char *root = tree_path(s, cases[i].dir);
        tree_write(s, ignore, "*.py\n");
        tree_write(s, file, "");
        struct repo_project project = {.root = root, .use_git_ignore = true};
        struct repo_scan *scan = NULL;
        struct ca_error err;
        assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
        assert_int_equal(repo_scan_n_entries(scan), 1);
        assert_false(repo_scan_entry(scan, 0)->has_git);
        assert_non_null(repo_scan_git_problem(scan));
        if (!g_str_has_prefix(repo_scan_git_problem(scan), cases[i].want_problem))
            fail_msg("%s: %s", cases[i].dir, repo_scan_git_problem(scan));
        repo_scan_close(scan);
    }
}

/* C1: git blob and commit where there is one. `git hash-object` prints this for "x = 1\n". */
static void test_git_identity(void **state)
{
    const struct tree *s = *state;
    tree_write(s, "a.py", "x = 1\n");
    struct repo_project project = {.root = s->root, .use_git_ignore = true};
    struct repo_scan *scan = NULL;
    struct repo_file f = {0};
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_file_load(scan, 0, MAX_BYTES, &f, &err), CA_OK);
    assert_string_equal(f.git_blob, "");
    repo_file_done(&f);
    repo_scan_close(scan);

    git_repository *repository = tree_make_git(s, "", false);
    tree_track(repository, "a.py");
    git_index *index = NULL;
    git_oid tree_id;
    git_oid commit_id;
    git_tree *tree = NULL;
    git_signature *who = NULL;
    char hex[GIT_OID_HEXSZ + 1];
    assert_int_equal(git_repository_index(&index, repository), 0);
    assert_int_equal(git_index_write_tree(&tree_id, index), 0);
    assert_int_equal(git_tree_lookup(&tree, repository, &tree_id), 0);
    assert_int_equal(git_signature_new(&who, "a", "a@example.org", 0, 0), 0);
    assert_int_equal(git_commit_create_v(&commit_id, repository, "HEAD", who, who, NULL, "first", tree, 0), 0);
    git_oid_tostr(hex, sizeof(hex), &commit_id);
    git_signature_free(who);
    git_tree_free(tree);
    git_index_free(index);
    git_repository_free(repository);

    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_string_equal(repo_scan_git_commit(scan), hex);
    assert_int_equal(repo_file_load(scan, 0, MAX_BYTES, &f, &err), CA_OK);
    assert_string_equal(f.git_blob, "7d4290a117a4ddcc11daae7ea675841033830c8f");
    repo_file_done(&f);
    repo_scan_close(scan);
}

#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, tree_set_up, tree_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(test_scan_without_git), IN_TREE(test_scan_patterns),  IN_TREE(test_scan_root),
        IN_TREE(test_scan_links),       IN_TREE(test_scan_odd_files), IN_TREE(test_scan_without_permission),
        IN_TREE(test_scan_deep),        IN_TREE(test_git_rules),      IN_TREE(test_git_that_ignores_root),
        IN_TREE(test_git_within_git),   IN_TREE(test_git_unusable),   IN_TREE(test_git_identity),
    };
    return cmocka_run_group_tests(tests, tree_group_set_up, tree_group_tear_down);
}
