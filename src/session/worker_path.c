/* session/worker_path.c — asks the dynamic linker where this library was loaded from. */
#include "session/worker_path.h"

#include <dlfcn.h>
#include <glib.h>

char *session_worker_path(char **ret_missing)
{
    Dl_info self;
    *ret_missing = NULL;
    if (!dladdr((void *)session_worker_path, &self) || !self.dli_fname) {
        *ret_missing = g_strdup("the library's own path is not known");
        return NULL;
    }
    g_autofree char *library = g_canonicalize_filename(self.dli_fname, NULL);
    g_autofree char *folder = g_path_get_dirname(library);
    g_autofree char *file = g_build_filename(folder, "codeanatomy", "codeanatomy_worker.abi3.so", NULL);
    if (!g_file_test(file, G_FILE_TEST_IS_REGULAR)) {
        *ret_missing = g_strdup_printf("no worker module at '%s'", file);
        return NULL;
    }
    return g_steal_pointer(&file);
}
