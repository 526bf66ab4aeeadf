/* tests/unit/test_repo.c — the room `repo`: requirement C1 (files, ignore rules, encodings, git identity).
 *
 * Expected encodings, texts and offsets are CPython 3.11's; tests/oracle/compare_encoding.py makes the wide comparison
 * with CPython and git, this file keeps one case of each kind and what the two cannot say.
 */
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
#include "repo/codec.h"
#include "repo/pattern.h"
#include "repo/repo.h"

#define MAX_BYTES ((size_t)1 << 24)
#define UNPRIVILEGED 65534

/* ---- a scratch repository ------------------------------------------------------------------------------------- */

struct scratch {
    char *root;
};

static int set_up(void **state)
{
    struct scratch *s = g_new0(struct scratch, 1);
    s->root = g_build_filename(g_get_tmp_dir(), "test_repo.XXXXXX", NULL);
    assert_non_null(g_mkdtemp_full(s->root, 0755));
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scratch *s = *state;
    struct ca_error err;
    int rc = file_remove_tree(s->root, &err);
    g_free(s->root);
    g_free(s);
    return rc;
}

static char *path_in(const struct scratch *s, const char *path)
{
    return g_build_filename(s->root, path, NULL);
}

static void make_dir(const struct scratch *s, const char *path)
{
    g_autofree char *whole = path_in(s, path);
    assert_int_equal(g_mkdir_with_parents(whole, 0755), 0);
}

static void write_bytes(const struct scratch *s, const char *path, const void *bytes, size_t n)
{
    g_autofree char *whole = path_in(s, path);
    g_autofree char *dir = g_path_get_dirname(whole);
    assert_int_equal(g_mkdir_with_parents(dir, 0755), 0);
    assert_true(g_file_set_contents(whole, bytes, (gssize)n, NULL));
}

static void write_text(const struct scratch *s, const char *path, const char *text)
{
    write_bytes(s, path, text, strlen(text));
}

static void make_link(const struct scratch *s, const char *target, const char *path)
{
    g_autofree char *whole = path_in(s, path);
    assert_int_equal(symlink(target, whole), 0);
}

static git_repository *make_git(const struct scratch *s, const char *dir, bool is_bare)
{
    g_autofree char *whole = path_in(s, dir);
    git_repository *repository = NULL;
    assert_int_equal(git_repository_init(&repository, whole, is_bare), 0);
    return repository;
}

static void track(git_repository *repository, const char *path)
{
    git_index *index = NULL;
    assert_int_equal(git_repository_index(&index, repository), 0);
    assert_int_equal(git_index_add_bypath(index, path), 0);
    assert_int_equal(git_index_write(index), 0);
    git_index_free(index);
}

/* One line an entry: "path", then " tracked", then ": failure". */
static char *listing(const struct repo_project *project)
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

static void assert_listing(const struct scratch *s, const char *expected)
{
    struct repo_project project = {.root = s->root, .repository = (char *)"repo", .use_git_ignore = true};
    g_autofree char *got = listing(&project);
    assert_string_equal(got, expected);
}

/* ---- patterns -------------------------------------------------------------------------------------------------- */

/* C1: gitignore(5), case by case; git check-ignore gives the same answers. */
static void test_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        const char *path;
        bool is_dir;
        enum repo_verdict verdict;
    } cases[] = {
        {"*.py", "a.py", false, REPO_MATCHED},
        {"*.py", "d/a.py", false, REPO_MATCHED},
        {"*.py", "a.pyc", false, REPO_NOT_MATCHED},
        {"/a.py", "a.py", false, REPO_MATCHED},
        {"/a.py", "d/a.py", false, REPO_NOT_MATCHED},
        {"d/a.py", "d/a.py", false, REPO_MATCHED},
        {"d/a.py", "e/d/a.py", false, REPO_NOT_MATCHED},
        {"build/", "build", true, REPO_MATCHED},
        {"build/", "build", false, REPO_NOT_MATCHED},
        {"*.py\n!keep.py", "keep.py", false, REPO_NEGATED},
        {"!keep.py\n*.py", "keep.py", false, REPO_MATCHED},
        {"**/x", "x", false, REPO_MATCHED},
        {"**/x", "a/b/x", false, REPO_MATCHED},
        {"a/**", "a", true, REPO_NOT_MATCHED},
        {"a/**", "a/b/c", false, REPO_MATCHED},
        {"a/**/z", "a/z", false, REPO_MATCHED},
        {"a/**/z", "a/b/c/z", false, REPO_MATCHED},
        {"a/**/z", "b/a/z", false, REPO_NOT_MATCHED},
        {"**/a/**/b/*.py", "x/a/y/a/b/c.py", false, REPO_MATCHED},
        {"a/*/z", "a/b/c/z", false, REPO_NOT_MATCHED},
        {"a**b", "axxb", false, REPO_MATCHED},
        {"a**b/c", "ax/b/c", false, REPO_NOT_MATCHED},
        {"?.py", "a.py", false, REPO_MATCHED},
        {"?.py", ".py", false, REPO_NOT_MATCHED},
        {"[a-c].py", "b.py", false, REPO_MATCHED},
        {"[!a-c].py", "b.py", false, REPO_NOT_MATCHED},
        {"[^a-c].py", "d.py", false, REPO_MATCHED},
        {"[]x].py", "].py", false, REPO_MATCHED},
        {"[[:digit:]x]", "7", false, REPO_MATCHED},
        {"[[:nothing:]]", "n", false, REPO_NOT_MATCHED},
        {"[a", "[a", false, REPO_NOT_MATCHED},
        {"\\#a", "#a", false, REPO_MATCHED},
        {"#a", "#a", false, REPO_NOT_MATCHED},
        {"\\!a", "!a", false, REPO_MATCHED},
        {"a \\ ", "a  ", false, REPO_MATCHED},
        {"a  ", "a", false, REPO_MATCHED},
        {"a\r\nb", "a", false, REPO_MATCHED},
        {"\xef\xbb\xbf"
         "a",
         "a", false, REPO_MATCHED},
        {"a\\\\/b", "a\\/b", false, REPO_MATCHED},
        {"a\\/b", "a/b", false, REPO_MATCHED},
        {"a[/]b", "a/b", false, REPO_NOT_MATCHED},
        {"A.py", "a.py", false, REPO_NOT_MATCHED},
        {"/", "a", true, REPO_NOT_MATCHED},
        {"!", "a", true, REPO_NOT_MATCHED},
        {"", "a", true, REPO_NOT_MATCHED},
        {"a//b", "a/b", false, REPO_NOT_MATCHED},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        CA_AUTOPTR(repo_patterns) p = repo_patterns_new(false);
        repo_patterns_add_text(p, cases[i].lines, strlen(cases[i].lines));
        enum repo_verdict got = repo_patterns_match(p, cases[i].path, cases[i].is_dir);
        if (got != cases[i].verdict)
            fail_msg("'%s' on '%s': %d, want %d", cases[i].lines, cases[i].path, got, cases[i].verdict);
    }

    CA_AUTOPTR(repo_patterns) folded = repo_patterns_new(true);
    repo_patterns_add_text(folded, "Ab[C-D]", 7);
    assert_int_equal(repo_patterns_match(folded, "aBc", false), REPO_MATCHED);
}

/* A matcher that tries every star again and again needs 2^30 steps here. */
static void test_patterns_in_time(void **state)
{
    (void)state;
    CA_AUTOPTR(repo_patterns) p = repo_patterns_new(false);
    g_autoptr(GString) pattern = g_string_new(NULL);
    g_autoptr(GString) path = g_string_new(NULL);
    for (int i = 0; i < 30; i++) {
        g_string_append(pattern, "**/a*a*a*/");
        g_string_append(path, "aaaaaaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaa/");
    }
    g_string_append(pattern, "z");
    g_string_append(path, "y");
    repo_patterns_add(p, pattern->str, pattern->len);
    assert_int_equal(repo_patterns_match(p, path->str, false), REPO_NOT_MATCHED);
}

static void test_may_match_below(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *dir;
        bool may;
    } cases[] = {
        {"*.py", "any/where", true}, {"src/*.py", "src", true},      {"src/*.py", "docs", false},
        {"src/a/*.py", "src", true}, {"src/a/*.py", "src/b", false}, {"a/**/x.py", "a/b/c", true},
        {"a/**/x.py", "b", false},   {"/top.py", "a", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        CA_AUTOPTR(repo_patterns) p = repo_patterns_new(false);
        repo_patterns_add(p, cases[i].line, strlen(cases[i].line));
        assert_int_equal(repo_patterns_may_match_below(p, cases[i].dir), cases[i].may);
    }
}

/* ---- the project file ------------------------------------------------------------------------------------------ */

static void test_project_defaults(void **state)
{
    const struct scratch *s = *state;
    struct ca_error err;
    struct repo_project p = {0};
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_OK);
    assert_string_equal(p.root, s->root);
    assert_string_equal(p.repository, "repo");
    assert_true(p.use_git_ignore);
    assert_null(p.source_roots);
    assert_null(p.include);
    assert_null(p.store);
    repo_project_done(&p);
    repo_project_done(&p);

    write_text(s, ".codeanatomy.yaml", "");
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_OK);
    repo_project_done(&p);
    write_text(s, ".codeanatomy.yaml", "# nothing yet\n---\n");
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_OK);
    repo_project_done(&p);
}

static void test_project_keys(void **state)
{
    const struct scratch *s = *state;
    write_text(s, ".codeanatomy.yaml",
               "repository: shop\n"
               "source_roots: [./src/, lib//python, .]\n"
               "include:\n  - '*.py'\n  - src/\n"
               "exclude: [tests/data/**]\n"
               "python: python3.12\n"
               "layers: [treesitter, ast]\n"
               "store: out/store\n"
               "use_git_ignore: false\n");
    struct ca_error err;
    struct repo_project p = {0};
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_OK);
    g_autofree char *roots = g_strjoinv(" ", p.source_roots);
    g_autofree char *include = g_strjoinv(" ", p.include);
    g_autofree char *exclude = g_strjoinv(" ", p.exclude);
    g_autofree char *layers = g_strjoinv(" ", p.layers);
    assert_string_equal(p.repository, "shop");
    assert_string_equal(roots, "src lib/python .");
    assert_string_equal(include, "*.py src/");
    assert_string_equal(exclude, "tests/data/**");
    assert_string_equal(p.python, "python3.12");
    assert_string_equal(layers, "treesitter ast");
    assert_string_equal(p.store, "out/store");
    assert_false(p.use_git_ignore);
    repo_project_done(&p);
}

static void test_project_refused(void **state)
{
    const struct scratch *s = *state;
    static const struct {
        const char *text;
        const char *want_error;
    } cases[] = {
        {"repository: a\n  pyhton: b\n", ".codeanatomy.yaml:1:13: invalid multiline plain key"},
        {"repository: a\npyhton: b\n", ".codeanatomy.yaml:2:1: unknown key 'pyhton'; known keys are repository, "
                                       "source_roots, include, exclude, python, "
                                       "layers, profile, preset, settings, store, use_git_ignore"},
        {"store: a\nstore: b\n", ".codeanatomy.yaml:2:1: the key 'store' is given twice"},
        {"use_git_ignore: yes\n", ".codeanatomy.yaml:1:17: 'use_git_ignore' must be true or false"},
        {"use_git_ignore: 'true'\n", ".codeanatomy.yaml:1:17: 'use_git_ignore' must be true or false"},
        {"include: src\n", ".codeanatomy.yaml:1:10: 'include' must be a list of text, such as [a, b]"},
        {"include: [[a]]\n", ".codeanatomy.yaml:1:11: 'include' must be a list of text, such as [a, b]"},
        {"include: [~]\n", ".codeanatomy.yaml:1:11: 'include' must be a list of text, such as [a, b]"},
        {"source_roots: [../other]\n",
         ".codeanatomy.yaml:1:16: 'source_roots' must be a list of directories below the root, such as [src]"},
        {"source_roots: [/usr]\n",
         ".codeanatomy.yaml:1:16: 'source_roots' must be a list of directories below the root, such as [src]"},
        {"store: a\npython:\n", ".codeanatomy.yaml:2:1: 'python' must be text"},
        {"python: {a: b}\n", ".codeanatomy.yaml:1:9: 'python' must be text"},
        {"[a]\n", ".codeanatomy.yaml:1:1: the file must be a map of keys to values"},
        {"just text\n", ".codeanatomy.yaml:1:1: the file must be a map of keys to values"},
        {"{[a]: b}\n", ".codeanatomy.yaml:1:2: a key must be text"},
        {"python: &a x\nstore: *a\n", ".codeanatomy.yaml:2:9: aliases are not used here; write the value out"},
        {"python: a\n---\npython: b\n", ".codeanatomy.yaml:2:1: only one document is allowed"},
        {"python: \"a\\0b\"\n", ".codeanatomy.yaml:1:9: text must be UTF-8 without NUL"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        write_text(s, ".codeanatomy.yaml", cases[i].text);
        struct ca_error err = {0};
        struct repo_project p = {.python = (char *)"untouched"};
        assert_int_equal(repo_project_load(s->root, &p, &err), CA_ERR_SYNTAX);
        assert_string_equal(err.message, cases[i].want_error);
        assert_string_equal(p.python, "untouched");
    }

    /* 100,000 brackets are refused, not a stack overflow. */
    g_autofree char *deep = g_strnfill(100000, '[');
    write_text(s, ".codeanatomy.yaml", deep);
    struct ca_error err = {0};
    struct repo_project p = {0};
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_ERR_SYNTAX);

    g_autofree char *missing = path_in(s, "missing");
    g_autofree char *want = g_strdup_printf("'%s' is not a directory", missing);
    assert_int_equal(repo_project_load(missing, &p, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, want);
}

/* ---- the scan -------------------------------------------------------------------------------------------------- */

/* C1: which files are in, in byte order of the path, whatever the order of the listing. */
static void test_scan_without_git(void **state)
{
    const struct scratch *s = *state;
    write_text(s, "b.py", "");
    write_text(s, "B.py", "");
    write_text(s, "a/z.py", "");
    write_text(s, "a.pyi", "");
    write_text(s, "a-b.pyw", "");
    write_text(s, "notes.txt", "");
    write_text(s, "a.pyc", "");
    write_text(s, "x.PY", "");
    write_text(s, "__pycache__/c.py", "");
    write_text(s, ".codeanatomy/d.py", "");
    write_text(s, ".hidden/e.py", "");
    write_text(s, "dir.py/f.py", "");
    write_text(s, ".gitignore", "*.py\n"); /* no git, no rules of git */
    assert_listing(s, ".hidden/e.py\nB.py\na-b.pyw\na.pyi\na/z.py\nb.py\ndir.py/f.py\n");

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
    const struct scratch *s = *state;
    write_text(s, "src/a.py", "");
    write_text(s, "src/gen/b.py", "");
    write_text(s, "src/gen/keep.py", "");
    write_text(s, "tests/c.py", "");
    write_text(s, "setup.py", "");
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
        g_autofree char *got = listing(&project);
        assert_string_equal(got, cases[i].expected);
    }

    struct repo_project project = {.root = s->root, .store = (char *)"src/gen"};
    g_autofree char *got = listing(&project);
    assert_string_equal(got, "setup.py\nsrc/a.py\ntests/c.py\n");
}

static void test_scan_root(void **state)
{
    const struct scratch *s = *state;
    write_text(s, "file", "");
    g_autofree char *file = path_in(s, "file");
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
    const struct scratch *s = *state;
    g_autofree char *outside = g_strdup_printf("%s.outside.py", s->root);
    assert_true(g_file_set_contents(outside, "secret = 1\n", -1, NULL));
    g_autofree char *absolute = path_in(s, "pkg/a.py");

    write_text(s, "pkg/a.py", "a = 1\n");
    make_link(s, "pkg/a.py", "inside.py");
    make_link(s, absolute, "inside_absolute.py");
    make_link(s, outside, "outside.py");
    make_link(s, "../../../../../../../../../etc/passwd", "passwd.py");
    make_link(s, "nothing.py", "dangling.py");
    make_link(s, "loop2.py", "loop.py");
    make_link(s, "loop.py", "loop2.py");
    make_link(s, "pkg", "pkg_link");
    make_link(s, "pkg", "pkg_link.py");
    make_link(s, "..", "up");
    assert_listing(s, "dangling.py: a link to nothing\n"
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
    g_autofree char *pkg = path_in(s, "pkg");
    g_autofree char *moved = path_in(s, "moved");
    g_autofree char *inside = path_in(s, "inside.py");
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
    const struct scratch *s = *state;
    g_autofree char *fifo = path_in(s, "fifo.py");
    assert_int_equal(mkfifo(fifo, 0644), 0);
    make_link(s, "fifo.py", "to_fifo.py");
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket.py", s->root) <
                (int)sizeof(address.sun_path));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);

    write_text(s, "caf\xc3\xa9.py", "");
    write_text(s, "caf\xe9.py", "");
    write_text(s, "back\\slash.py", "");
    write_text(s, "\xff\xfe/\xe2\x82.py", "");
    write_text(s, "line\nbreak.py", "");
    assert_listing(s, "\\xff\\xfe/\\xe2\\x82.py\n"
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
    const struct scratch *s = *state;
    write_text(s, "a.py", "x = 1\n");
    write_text(s, "secret.py", "");
    write_text(s, "locked/b.py", "");
    write_text(s, "no_search/c.py", "");
    g_autofree char *secret = path_in(s, "secret.py");
    g_autofree char *locked = path_in(s, "locked");
    g_autofree char *no_search = path_in(s, "no_search");
    assert_int_equal(chmod(secret, 0), 0);
    assert_int_equal(chmod(locked, 0), 0);
    assert_int_equal(chmod(no_search, 0444), 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(UNPRIVILEGED), 0);

    assert_listing(s, "a.py\n"
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
    const struct scratch *s = *state;
    int fd = open(s->root, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    write_text(s, "a.py", "");
    struct repo_project project = {.root = s->root};
    g_autofree char *got = listing(&project);
    assert_true(g_str_has_prefix(got, "a.py\nd/d/d/"));
    assert_true(g_str_has_suffix(got, "/d/: a directory whose path is too long to open\n"));
}

/* ---- git ------------------------------------------------------------------------------------------------------- */

/* C1: ignore rules nested and negated, tracked files that are ignored stay, untracked ones that are not are in. */
static void test_git_rules(void **state)
{
    const struct scratch *s = *state;
    git_repository *repository = make_git(s, "", false);
    write_text(s, ".gitignore", "*.py\n!/pkg/\nbuild/\n");
    write_text(s, "pkg/.gitignore", "!keep.py\n"); /* libgit2 1.5 drops this one */
    write_text(s, ".git/info/exclude", "private.pyi\n");
    write_text(s, "pkg/keep.py", "");
    write_text(s, "pkg/other.py", "");
    write_text(s, "pkg/tracked.py", "");
    write_text(s, "build/keep.pyi", "");
    write_text(s, "build/tracked.pyi", "");
    write_text(s, "private.pyi", "");
    write_text(s, "public.pyi", "");
    track(repository, "pkg/tracked.py");
    track(repository, "build/tracked.pyi");
    git_repository_free(repository);

    assert_listing(s, "build/tracked.pyi tracked\npkg/keep.py\npkg/tracked.py tracked\npublic.pyi\n");

    struct repo_project project = {.root = s->root, .use_git_ignore = false};
    g_autofree char *all = listing(&project);
    assert_string_equal(all, "build/keep.pyi\nbuild/tracked.pyi tracked\npkg/keep.py\npkg/other.py\n"
                             "pkg/tracked.py tracked\nprivate.pyi\npublic.pyi\n");

    /* exclude and include narrow what git leaves; they bring nothing back. */
    struct repo_project narrow = {.root = s->root,
                                  .use_git_ignore = true,
                                  .include = (char *[]){(char *)"pkg", NULL},
                                  .exclude = (char *[]){(char *)"tracked.py", NULL}};
    g_autofree char *got = listing(&narrow);
    assert_string_equal(got, "pkg/keep.py\n");

    /* A scan of a directory within knows the rules above it, and paths are its own. */
    g_autofree char *pkg = path_in(s, "pkg");
    struct repo_project within = {.root = pkg, .use_git_ignore = true};
    g_autofree char *below = listing(&within);
    assert_string_equal(below, "keep.py\ntracked.py tracked\n");
}

/* A corpus unpacked in the ignored build directory of another project is not empty. */
static void test_git_that_ignores_root(void **state)
{
    const struct scratch *s = *state;
    git_repository *repository = make_git(s, "", false);
    git_repository_free(repository);
    write_text(s, ".gitignore", "build/\n*.py\n");
    write_text(s, "build/corpus/a.py", "");
    g_autofree char *corpus = path_in(s, "build/corpus");
    struct repo_project project = {.root = corpus, .use_git_ignore = true};
    g_autofree char *got = listing(&project);
    assert_string_equal(got, "a.py\n");
}

static void test_git_within_git(void **state)
{
    const struct scratch *s = *state;
    git_repository *outer = make_git(s, "", false);
    write_text(s, ".gitignore", "outer.py\n");
    write_text(s, "top.py", "");
    write_text(s, "outer.py", "");
    make_dir(s, "vendor/lib");
    git_repository *inner = make_git(s, "vendor/lib", false);
    write_text(s, "vendor/lib/.gitignore", "inner.py\n");
    write_text(s, "vendor/lib/outer.py", "");
    write_text(s, "vendor/lib/inner.py", "");
    write_text(s, "vendor/lib/tracked.py", "");
    track(inner, "tracked.py");
    write_text(s, "vendor/broken/.git", "gitdir: nowhere\n");
    write_text(s, "vendor/broken/b.py", "");
    write_text(s, "vendor/broken/outer.py", "");
    git_repository_free(inner);
    git_repository_free(outer);
    assert_listing(s, "top.py\nvendor/broken/b.py\nvendor/lib/outer.py\nvendor/lib/tracked.py tracked\n");
}

/* A git that cannot be used is said, and every file is in. */
static void test_git_unusable(void **state)
{
    const struct scratch *s = *state;
    static const struct {
        const char *dir;
        const char *want_problem;
    } cases[] = {
        {"broken", "the git repository cannot be opened: "},
        {"file", "the git repository cannot be opened: "},
        {"index", "the git index cannot be read: "},
        {"bare", "the git repository is bare"},
    };
    write_text(s, "broken/.git/HEAD", "nonsense\n");
    write_text(s, "file/.git", "gitdir: /nowhere\n");
    make_dir(s, "index");
    git_repository_free(make_git(s, "index", false));
    write_text(s, "index/.git/index", "not an index, but long enough to be read as one");
    make_dir(s, "bare");
    git_repository_free(make_git(s, "bare", true));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *ignore = g_build_filename(cases[i].dir, ".gitignore", NULL);
        g_autofree char *file = g_build_filename(cases[i].dir, "a.py", NULL);
        g_autofree char *root = path_in(s, cases[i].dir);
        write_text(s, ignore, "*.py\n");
        write_text(s, file, "");
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
    const struct scratch *s = *state;
    write_text(s, "a.py", "x = 1\n");
    struct repo_project project = {.root = s->root, .use_git_ignore = true};
    struct repo_scan *scan = NULL;
    struct repo_file f = {0};
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_file_load(scan, 0, MAX_BYTES, &f, &err), CA_OK);
    assert_string_equal(f.git_blob, "");
    repo_file_done(&f);
    repo_scan_close(scan);

    git_repository *repository = make_git(s, "", false);
    track(repository, "a.py");
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

/* ---- loading --------------------------------------------------------------------------------------------------- */

static void load_one(const struct scratch *s, const void *bytes, size_t n, struct repo_file *ret)
{
    static struct repo_scan *scan = NULL; /* the entry is not looked at after the load */
    write_bytes(s, "one.py", bytes, n);
    struct repo_project project = {.root = s->root};
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_scan_n_entries(scan), 1);
    assert_int_equal(repo_file_load(scan, 0, MAX_BYTES, ret, &err), CA_OK);
    ret->entry = NULL;
    repo_scan_close(scan);
    scan = NULL;
}

#define BOM "\xef\xbb\xbf"
#define BYTES(text) (text), sizeof(text) - 1

/* C1: PEP 263 as the compiler has it. Decision 13: what is wrong with a cookie has the place of the name in it. */
static void test_declarations(void **state)
{
    const struct scratch *s = *state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *encoding;
        const char *want_error;
        int64_t error_byte;
    } cases[] = {
        {BYTES(""), "utf-8", NULL, -1},
        {BYTES("x = 1\n"), "utf-8", NULL, -1},
        {BYTES(BOM "x = 1\n"), "utf-8", NULL, -1},
        {BYTES("# coding: latin-1\n"), "iso-8859-1", NULL, -1},
        {BYTES("# -*- coding: Latin_1-dos -*-\n"), "iso-8859-1", NULL, -1},
        {BYTES("# vim: set fileencoding=UTF_8-unix :\n"), "utf-8", NULL, -1},
        {BYTES("#!/usr/bin/python\n# coding=cp1252\n"), "cp1252", NULL, -1},
        {BYTES("\r# coding=cp1252\n"), "cp1252", NULL, -1},
        {BYTES(" \t\f\r\n \f# coding=Shift_JIS"), "Shift_JIS", NULL, -1},
        {BYTES("x = 1\n# coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("\n\n# coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("x = 1 # coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("\v# coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("# coding : foo\n"), "utf-8", NULL, -1},
        {BYTES("# coding coding:\tcp1252 coding: foo\n"), "cp1252", NULL, -1},
        {BYTES("# \xe9 coding: latin-1\n"), "iso-8859-1", NULL, -1}, /* tokenize refuses, the compiler does not */
        {BYTES("# coding: latin\xc3\xa9\n"), "latin", NULL, -1},
        {BYTES("# coding: utf8\n"), "utf8", NULL, -1},
        {BYTES("# coding: rot13\n"), "rot13", NULL, -1},
        {BYTES(BOM "# coding: utf-8\n"), "utf-8", NULL, -1},
        {BYTES(BOM "# coding: utf8\n"), NULL, "encoding problem: utf8 with BOM", 13},
        {BYTES(BOM "# coding: latin-1\n"), NULL, "encoding problem: iso-8859-1 with BOM", 13},
        {BYTES(BOM "# coding: foo\n"), NULL, "encoding problem: foo with BOM", 13},
        {BYTES("# coding: foo\n"), NULL, "unknown encoding: foo", 10},
        {BYTES("# coding: cp.1252\n"), NULL, "unknown encoding: cp.1252", 10},
        {BYTES("# coding: aliases\n"), NULL, "unknown encoding: aliases", 10},
        {BYTES("# coding:-\n"), NULL, "unknown encoding: -", 9},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct repo_file f = {0};
        load_one(s, cases[i].bytes, cases[i].n, &f);
        if (g_strcmp0(f.encoding, cases[i].encoding) != 0 || g_strcmp0(f.encoding_error, cases[i].want_error) != 0)
            fail_msg("case %zu: '%s', '%s'", i, f.encoding, f.encoding_error);
        if (f.encoding_error != NULL)
            assert_int_equal(f.error_byte, cases[i].error_byte);
        assert_int_equal(f.has_bom, g_str_has_prefix(cases[i].bytes, BOM));
        assert_int_equal(f.map != NULL, f.encoding != NULL && f.decode_error == NULL);
        repo_file_done(&f);
        repo_file_done(&f);
    }
}

static void test_unknown_name_is_cut(void **state)
{
    const struct scratch *s = *state;
    g_autofree char *name = g_strnfill(1000000, 'x');
    g_autofree char *text = g_strdup_printf("# coding: %s\n", name);
    g_autofree char *want = g_strdup_printf("unknown encoding: %.80s...", name);
    struct repo_file f = {0};
    load_one(s, text, strlen(text), &f);
    assert_string_equal(f.encoding_error, want);
    repo_file_done(&f);
}

/* C1, C8: texts and offsets are those of bytes.decode() in CPython 3.11; `raw_byte` is where `utf8_byte` of the text
 * begins. */
static void test_decoding(void **state)
{
    const struct scratch *s = *state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text; /* NULL: it does not decode */
        int64_t utf8_byte;
        int64_t raw_byte;
        bool is_ascii;
        const char *want_error;
        int64_t error_byte;
    } cases[] = {
        {BYTES("x = 1\n"), "x = 1\n", 4, 4, true, NULL, -1},
        {BYTES(BOM "x = 1\n"), "x = 1\n", 4, 7, false, NULL, -1},
        {BYTES("# coding: ascii\nx"), "# coding: ascii\nx", 16, 16, true, NULL, -1},
        {BYTES("'\xc3\xa9'+1"), "'\xc3\xa9'+1", 3, 3, false, NULL, -1},
        {BYTES("#coding:l1\n\xe9+"), "#coding:l1\n\xc3\xa9+", 13, 12, false, NULL, -1},
        {BYTES("#coding:cp1252\n\x80+"), "#coding:cp1252\n\xe2\x82\xac+", 18, 16, false, NULL, -1},
        {BYTES("#coding:shift_jis\n\x83\x5c\x5c"), "#coding:shift_jis\n\xe3\x82\xbd\\", 21, 20, false, NULL, -1},
        {BYTES("#coding:euc-jp\n\xa4\xa2z"), "#coding:euc-jp\n\xe3\x81\x82z", 18, 17, false, NULL, -1},
        {BYTES("#coding:gb18030\n\x81\x30\x81\x30z"), "#coding:gb18030\n\xc2\x80z", 18, 20, false, NULL, -1},
        {BYTES("#coding:big5\n\xa1\x45z"), "#coding:big5\n\xe2\x80\xa2z", 16, 15, false, NULL, -1},
        {BYTES("#coding:mac-roman\n\xdb"), "#coding:mac-roman\n\xe2\x82\xac", 18, 18, false, NULL, -1},
        {BYTES("#coding:iso2022_jp\n\x1b$B$\"\x1b(Bz"), "#coding:iso2022_jp\n\xe3\x81\x82z", 22, 24, false, NULL, -1},
        {BYTES("#coding:utf-7\n+AOk-z+-"), "#coding:utf-7\n\xc3\xa9z+", 16, 19, false, NULL, -1},
        {BYTES("#coding:utf-7\n+2D3eAA-z"), "#coding:utf-7\n\xf0\x9f\x98\x80z", 18, 22, false, NULL, -1},
        {BYTES("x = '\xff'\n"), NULL, 0, 0, false, "byte 0xff at offset 5 is not valid utf-8", 5},
        {BYTES(BOM "\xe2\x82"), NULL, 0, 0, false, "byte 0xe2 at offset 3 is not valid utf-8", 3},
        {BYTES("\xed\xa0\x80"), NULL, 0, 0, false, "byte 0xed at offset 0 is not valid utf-8", 0},
        {BYTES("#coding:ascii\n\x80"), NULL, 0, 0, false, "byte 0x80 at offset 14 is not valid ascii", 14},
        {BYTES("#coding:cp1252\n\x81"), NULL, 0, 0, false, "byte 0x81 at offset 15 is not valid cp1252", 15},
        {BYTES("#coding:euc_jp\n\x80"), NULL, 0, 0, false, "byte 0x80 at offset 15 is not valid euc_jp", 15},
        {BYTES("#coding:gbk\n\x80\x80"), NULL, 0, 0, false, "byte 0x80 at offset 12 is not valid gbk", 12},
        {BYTES("#coding:sjis\n\x83"), NULL, 0, 0, false, "byte 0x83 at offset 13 is not valid sjis", 13},
        {BYTES("#coding:utf-7\n+AO"), NULL, 0, 0, true, "byte 0x2b at offset 14 is not valid utf-7", 14},
        {BYTES("#coding:utf-16\n"), NULL, 0, 0, true, "byte 0x0a at offset 14 is not valid utf-16", 14},
        {BYTES("#coding:rot13\n"), NULL, 0, 0, true, "'rot13' is not a text encoding", 8},
        {BYTES("#coding:idna\n"), NULL, 0, 0, true, "the encoding 'idna' is not available, though CPython has it", 8},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct repo_file f = {0};
        load_one(s, cases[i].bytes, cases[i].n, &f);
        if (g_strcmp0(f.decode_error, cases[i].want_error) != 0 || f.error_byte != cases[i].error_byte)
            fail_msg("case %zu: '%s' at %lld", i, f.decode_error, (long long)f.error_byte);
        assert_int_equal(f.is_ascii, cases[i].is_ascii);
        assert_int_equal(f.n_raw, cases[i].n);
        assert_int_equal(f.raw[f.n_raw], 0);
        if (cases[i].text != NULL) {
            assert_int_equal(f.n_text, strlen(cases[i].text));
            assert_memory_equal(f.text, cases[i].text, f.n_text);
            assert_int_equal(position_map_n_raw(f.map), f.n_raw);
            assert_int_equal(position_raw_of_utf8(f.map, cases[i].utf8_byte), cases[i].raw_byte);
        } else {
            assert_null(f.map);
            assert_ptr_equal(f.text, f.raw + (f.has_bom ? 3 : 0));
        }
        repo_file_done(&f);
    }
}

/* Codecs that combine characters must not: CP1255 of glibc joins a letter and its point, CPython does not. */
static void test_no_combining(void **state)
{
    const struct scratch *s = *state;
    struct repo_file f = {0};
    load_one(s, BYTES("#coding:cp1255\n\xe9\xc4"), &f);
    assert_int_equal(f.n_text, 19);
    assert_memory_equal(f.text + 15, "\xd7\x99\xd6\xb4", 4);
    repo_file_done(&f);
}

/* C1: lines and line breaks as CPython counts them; a form feed and U+2028 break nothing. */
static void test_lines(void **state)
{
    const struct scratch *s = *state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *newline;
        int32_t n_lines;
    } cases[] = {
        {BYTES(""), "none", 0},
        {BYTES("x"), "none", 1},
        {BYTES(BOM), "none", 0},
        {BYTES("\n"), "lf", 1},
        {BYTES("a\nb"), "lf", 2},
        {BYTES("a\nb\n"), "lf", 2},
        {BYTES("a\r\nb\r\n"), "crlf", 2},
        {BYTES("a\rb"), "cr", 2},
        {BYTES("a\r\r"), "cr", 2},
        {BYTES("a\n\rb"), "mixed", 3},
        {BYTES("a\r\n\r"), "mixed", 2},
        {BYTES("1234567\r\n12345\r\n\n"), "mixed", 3},
        {BYTES("a\fb\vc\x1c\x85\xe2\x80\xa8"), "none", 1},
        {BYTES("#coding:utf-16-le \n\0"), "lf", 1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct repo_file f = {0};
        load_one(s, cases[i].bytes, cases[i].n, &f);
        if (strcmp(repo_newline_name(f.newline), cases[i].newline) != 0 || f.n_lines != cases[i].n_lines)
            fail_msg("case %zu: %s, %d lines", i, repo_newline_name(f.newline), f.n_lines);
        repo_file_done(&f);
    }
}

/* A file that grows, shrinks, is replaced or vanishes between scan and load is what was read, or a reason. */
static void test_changes_after_scan(void **state)
{
    const struct scratch *s = *state;
    static const char *const names[] = {"fifo.py", "gone.py", "grown.py", "large.py", "shrunk.py"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        write_text(s, names[i], "x = 1\n");
    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);

    g_autofree char *fifo = path_in(s, "fifo.py");
    g_autofree char *gone = path_in(s, "gone.py");
    g_autofree char *grown = g_strnfill(50000, 'y');
    g_autofree char *large = g_strnfill(100001, 'z');
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    assert_int_equal(unlink(gone), 0);
    write_text(s, "grown.py", grown);
    write_text(s, "large.py", large);
    write_text(s, "shrunk.py", "");

    struct repo_file files[G_N_ELEMENTS(names)] = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        assert_int_equal(repo_file_load(scan, i, 100000, &files[i], &err), CA_OK);
    assert_string_equal(files[0].failure, "not a regular file");
    assert_string_equal(files[1].failure, "vanished after the scan");
    assert_int_equal(files[2].n_raw, 50000);
    struct position_content_id id = position_content_id(grown, 50000);
    assert_memory_equal(&files[2].content_id, &id, sizeof(id));
    assert_string_equal(files[3].failure, "larger than 100000 bytes");
    assert_null(files[3].raw);
    assert_null(files[4].failure);
    assert_int_equal(files[4].n_raw, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        repo_file_done(&files[i]);
    repo_scan_close(scan);
}

static void test_max_bytes_is_allowed(void **state)
{
    const struct scratch *s = *state;
    write_text(s, "a.py", "x = 1\n");
    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    struct repo_file f = {0};
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_file_load(scan, 0, 6, &f, &err), CA_OK);
    assert_null(f.failure);
    repo_file_done(&f);
    assert_int_equal(repo_file_load(scan, 0, 5, &f, &err), CA_OK);
    assert_string_equal(f.failure, "larger than 5 bytes");
    repo_file_done(&f);
    repo_scan_close(scan);
}

static gpointer load_all(gpointer data)
{
    const struct repo_scan *scan = data;
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    for (size_t i = 0; i < repo_scan_n_entries(scan); i++) {
        struct repo_file f = {0};
        if (repo_file_load(scan, i, MAX_BYTES, &f, NULL) == CA_OK)
            g_checksum_update(sum, f.text, (gssize)f.n_text);
        repo_file_done(&f);
    }
    gpointer result = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return result;
}

/* Several threads may load from one scan. */
static void test_threads(void **state)
{
    const struct scratch *s = *state;
    for (int i = 0; i < 50; i++) {
        g_autofree char *name = g_strdup_printf("d%d/f%d.py", i % 7, i);
        g_autofree char *text = g_strdup_printf("#coding:%s\n\xb1\xe9%d", i % 2 ? "latin-1" : "euc-kr", i);
        write_text(s, name, text);
    }
    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    assert_int_equal(repo_scan_open(&project, &scan, NULL), CA_OK);
    GThread *threads[4];
    g_autofree char *want = load_all(scan);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("load", load_all, scan);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_autofree char *got = g_thread_join(threads[i]);
        assert_string_equal(got, want);
    }
    repo_scan_close(scan);
}

/* Each alias leads to its codec, in the spellings CPython allows. */
static void test_codec_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *codec;
    } cases[] = {
        {"utf-8", "utf_8"},
        {"U8", "utf_8"},
        {"cp65001", "utf_8"},
        {"Windows-1252", "cp1252"},
        {"--latin 1", "latin_1"},
        {"iso8859.1", "latin_1"},
        {"ISO_8859-15", "iso8859_15"},
        {"ansi_x3.4-1968", "ascii"},
        {"646", "ascii"},
        {"ms-kanji", "cp932"},
        {"UHC", "cp949"},
        {"hex", "hex_codec"},
        {"", NULL},
        {"utf_8.1", NULL},
        {"mbcs", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct repo_codec *codec = repo_codec_find(cases[i].name);
        if (g_strcmp0(codec != NULL ? codec->name : NULL, cases[i].codec) != 0)
            fail_msg("'%s' is '%s'", cases[i].name, codec != NULL ? codec->name : "unknown");
    }
}

#define IN_SCRATCH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    /* What the developer has configured for git is no part of the test. */
    g_setenv("HOME", "/nonexistent", TRUE);
    g_setenv("XDG_CONFIG_HOME", "/nonexistent", TRUE);
    git_libgit2_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_patterns_in_time),
        cmocka_unit_test(test_may_match_below),
        IN_SCRATCH(test_project_defaults),
        IN_SCRATCH(test_project_keys),
        IN_SCRATCH(test_project_refused),
        IN_SCRATCH(test_scan_without_git),
        IN_SCRATCH(test_scan_patterns),
        IN_SCRATCH(test_scan_root),
        IN_SCRATCH(test_scan_links),
        IN_SCRATCH(test_scan_odd_files),
        IN_SCRATCH(test_scan_without_permission),
        IN_SCRATCH(test_scan_deep),
        IN_SCRATCH(test_git_rules),
        IN_SCRATCH(test_git_that_ignores_root),
        IN_SCRATCH(test_git_within_git),
        IN_SCRATCH(test_git_unusable),
        IN_SCRATCH(test_git_identity),
        IN_SCRATCH(test_declarations),
        IN_SCRATCH(test_unknown_name_is_cut),
        IN_SCRATCH(test_decoding),
        IN_SCRATCH(test_no_combining),
        IN_SCRATCH(test_lines),
        IN_SCRATCH(test_changes_after_scan),
        IN_SCRATCH(test_max_bytes_is_allowed),
        IN_SCRATCH(test_threads),
        cmocka_unit_test(test_codec_names),
    };
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    git_libgit2_shutdown();
    return n_failed;
}
