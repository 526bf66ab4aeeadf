/* tests/unit/test_repo.c — the room `repo`: requirement C1, patterns and the project file. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/pattern.h"
#include "repo/repo.h"
#include "support/tree.h"

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
    const struct tree *s = *state;
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

    tree_write(s, ".codeanatomy.yaml", "");
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_OK);
    repo_project_done(&p);
    tree_write(s, ".codeanatomy.yaml", "# nothing yet\n---\n");
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_OK);
    repo_project_done(&p);
}

static void test_project_keys(void **state)
{
    const struct tree *s = *state;
    tree_write(s, ".codeanatomy.yaml",
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
    const struct tree *s = *state;
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
        tree_write(s, ".codeanatomy.yaml", cases[i].text);
        struct ca_error err = {0};
        struct repo_project p = {.python = (char *)"untouched"};
        assert_int_equal(repo_project_load(s->root, &p, &err), CA_ERR_SYNTAX);
        assert_string_equal(err.message, cases[i].want_error);
        assert_string_equal(p.python, "untouched");
    }

    /* 100,000 brackets are refused, not a stack overflow. */
    g_autofree char *deep = g_strnfill(100000, '[');
    tree_write(s, ".codeanatomy.yaml", deep);
    struct ca_error err = {0};
    struct repo_project p = {0};
    assert_int_equal(repo_project_load(s->root, &p, &err), CA_ERR_SYNTAX);

    g_autofree char *missing = tree_path(s, "missing");
    g_autofree char *want = g_strdup_printf("'%s' is not a directory", missing);
    assert_int_equal(repo_project_load(missing, &p, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, want);
}

#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, tree_set_up, tree_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_patterns_in_time),
        cmocka_unit_test(test_may_match_below),
        IN_TREE(test_project_defaults),
        IN_TREE(test_project_keys),
        IN_TREE(test_project_refused),
    };
    return cmocka_run_group_tests(tests, tree_group_set_up, tree_group_tear_down);
}
