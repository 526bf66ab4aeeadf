/* tests/support/scratch.h — a folder of a test's own, and small files in it. Failures end the test. */
#ifndef CA_TESTS_SUPPORT_SCRATCH_H
#define CA_TESTS_SUPPORT_SCRATCH_H

#include <stddef.h>

/* cmocka setup and teardown: *state is the folder's absolute path. */
int scratch_set_up(void **state);
int scratch_tear_down(void **state);

/* ROOT/PATH; g_free. */
char *scratch_path(const char *root, const char *path);

/* Write ROOT/PATH, folders included. */
void scratch_write(const char *root, const char *path, const char *text);

/* The text of ROOT/PATH; g_free. */
char *scratch_read(const char *root, const char *path);

#endif
