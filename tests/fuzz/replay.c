/* tests/fuzz/replay.c — a fuzz target without a fuzzer: every file of the folders that are named, once.
 *
 * `make check` runs the targets that have a folder in tests/fuzz/corpus, with the sanitizers of the dev build, so that
 * what a fuzzer found stays found.
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int main(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        g_autoptr(GDir) dir = g_dir_open(argv[i], 0, NULL);
        for (const char *name = dir == NULL ? NULL : g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
            g_autofree char *path = g_build_filename(argv[i], name, NULL);
            g_autofree char *bytes = NULL;
            gsize n_bytes = 0;
            if (!g_file_get_contents(path, &bytes, &n_bytes, NULL)) {
                fprintf(stderr, "cannot read '%s'\n", path);
                return 1;
            }
            fprintf(stderr, "%s\n", path);
            (void)LLVMFuzzerTestOneInput((const uint8_t *)bytes, n_bytes);
            n++;
        }
    }
    printf("%zu inputs\n", n);
    return n == 0;
}
