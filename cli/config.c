/* config.c — see config.h. */
#include "config.h"

#include <glib.h>
#include <unistd.h>

char *config_user_file(void)
{
    return g_build_filename(g_get_user_config_dir(), "codeanatomy", "config.yaml", NULL);
}

const char *const *config_environment(size_t *ret_n)
{
    size_t n = 0;
    while (environ && environ[n])
        n++;
    *ret_n = n;
    return (const char *const *)environ;
}
