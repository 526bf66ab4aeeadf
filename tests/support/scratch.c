/* tests/support/scratch.c — see the header. */
#include "support/scratch.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"

int scratch_set_up(void **state)
{
    g_autofree char *pattern = g_build_filename(g_get_tmp_dir(), "codeanatomy_test.XXXXXX", NULL);
    if (!g_mkdtemp_full(pattern, 0755))
        return -1;
    *state = g_canonicalize_filename(pattern, NULL);
    return 0;
}

int scratch_tear_down(void **state)
{
    struct ca_error err = {0};
    int rc = file_remove_tree(*state, &err);
    g_free(*state);
    return rc;
}

char *scratch_path(const char *root, const char *path)
{
    return g_build_filename(root, path, NULL);
}

void scratch_write(const char *root, const char *path, const char *text)
{
    g_autofree char *whole = scratch_path(root, path);
    g_autofree char *folder = g_path_get_dirname(whole);
    assert_int_equal(g_mkdir_with_parents(folder, 0755), 0);
    assert_true(g_file_set_contents(whole, text, -1, NULL));
}

char *scratch_read(const char *root, const char *path)
{
    g_autofree char *whole = scratch_path(root, path);
    char *text = NULL;
    assert_true(g_file_get_contents(whole, &text, NULL, NULL));
    return text;
}
