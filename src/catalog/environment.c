/* catalog/environment.c — variables of the environment as engine settings.
 *
 * DATAFUSION_EXECUTION_BATCH_SIZE is datafusion.execution.batch_size: dots and underscores are one, so only the
 * engine's own list of settings tells them apart.
 */
#include <string.h>

#include "catalog/state.h"

static const char prefix[] = "DATAFUSION_";

/* "datafusion.execution.batch_size" as it stands in an environment. */
static char *variable_of(const char *key)
{
    return g_strdelimit(g_ascii_strup(key, -1), ".", '_');
}

/* The variables of all settings, to their keys, and "DATAFUSION_SECTION_" of every section. */
struct known {
    GHashTable *keys;
    GHashTable *sections;
};

static void take_setting(struct known *known, const char *name)
{
    g_hash_table_insert(known->keys, variable_of(name), g_strdup(name));
    g_auto(GStrv) parts = g_strsplit(name, ".", 3);
    if (g_strv_length(parts) == 3) {
        g_autofree char *section = g_strdup_printf("%s.%s.", parts[0], parts[1]);
        g_hash_table_add(known->sections, variable_of(section));
    }
}

static int know(struct known *known, struct ca_error *err)
{
    struct engine *e = NULL;
    const struct engine_options options = {.profile = "small"};
    g_autofree char *names = NULL;
    CA_TRY(engine_open(&options, &e, err));
    int rc = catalog_setting_names(e, &names, err);
    engine_close(e);
    CA_TRY(rc);
    g_auto(GStrv) all = g_strsplit(names, " ", 0);
    for (char **name = all; *name; name++)
        take_setting(known, *name);
    return CA_OK;
}

static bool names_section(const struct known *known, const char *variable)
{
    GHashTableIter sections;
    gpointer section = NULL;
    g_hash_table_iter_init(&sections, known->sections);
    while (g_hash_table_iter_next(&sections, &section, NULL))
        if (g_str_has_prefix(variable, section))
            return true;
    return false;
}

static int take_variable(const struct known *known, const char *text, GPtrArray *ret_settings, GPtrArray *ret_sources,
                         struct ca_error *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals[1] == '\0')
        return CA_OK; /* an empty variable says nothing */
    g_autofree char *variable = g_strndup(text, (gsize)(equals - text));
    const char *key = g_hash_table_lookup(known->keys, variable);
    if (key) {
        g_ptr_array_add(ret_settings, g_strdup_printf("%s=%s", key, equals + 1));
        g_ptr_array_add(ret_sources, g_steal_pointer(&variable));
        return CA_OK;
    }
    if (names_section(known, variable))
        return ca_fail(err, CA_ERR_INVALID,
                       "variable '%s' names no setting of the engine: 'codeanatomy sql -c \"SHOW ALL\"' lists them",
                       variable);
    return CA_OK;
}

int catalog_environment(const char *const *environment, size_t n, GPtrArray *ret_settings, GPtrArray *ret_sources,
                        struct ca_error *err)
{
    size_t n_ours = 0;
    for (size_t i = 0; i < n; i++)
        n_ours += g_str_has_prefix(environment[i], prefix);
    if (n_ours == 0)
        return CA_OK;
    struct known known = {
        .keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .sections = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
    int rc = know(&known, err);
    for (size_t i = 0; i < n && rc == CA_OK; i++)
        if (g_str_has_prefix(environment[i], prefix))
            rc = take_variable(&known, environment[i], ret_settings, ret_sources, err);
    g_hash_table_unref(known.keys);
    g_hash_table_unref(known.sections);
    return rc;
}
