/* engine/profile.c — the tables behind engine/profile.h. */
#include "engine/profile.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct setting {
    const char *key;
    const char *value;
};

/* In force whatever the preset: what the catalog's promises rest on.
 *   information_schema  is the introspection surface (A5)
 *   list_files_cache_limit 0  the cache lives for ever by default, so new files would stay invisible (engine.md 0.9)
 *   pushdown_filters    a row of a bundle is a whole file; filtering in the reader keeps it out of coalescing (0.15)
 *   collect_spans       positions in plan errors */
static const struct setting always[] = {
    {"datafusion.catalog.information_schema", "true"},        {"datafusion.execution.parquet.pushdown_filters", "true"},
    {"datafusion.execution.parquet.reorder_filters", "true"}, {"datafusion.runtime.list_files_cache_limit", "0"},
    {"datafusion.sql_parser.collect_spans", "true"},
};

static const struct setting schema_hardening[] = {
    {"datafusion.explain.show_schema", "true"},
    {"datafusion.format.types_info", "true"},
    {"datafusion.execution.time_zone", "UTC"},
    {"datafusion.execution.skip_physical_aggregate_schema_check", "false"},
    {"datafusion.sql_parser.map_string_types_to_utf8view", "false"},
    {"datafusion.execution.parquet.schema_force_view_types", "false"},
};

static const struct setting arrow_performance[] = {
    {"datafusion.explain.show_schema", "true"},
    {"datafusion.format.types_info", "true"},
    {"datafusion.execution.time_zone", "UTC"},
    {"datafusion.execution.skip_physical_aggregate_schema_check", "false"},
    {"datafusion.sql_parser.map_string_types_to_utf8view", "true"},
    {"datafusion.execution.parquet.schema_force_view_types", "true"},
};

static const struct {
    const char *name;
    const struct setting *settings;
    size_t n_settings;
} presets[] = {
    {"schema_hardening", schema_hardening, G_N_ELEMENTS(schema_hardening)},
    {"arrow_performance", arrow_performance, G_N_ELEMENTS(arrow_performance)},
};

enum { MIB = 1 << 20 };

/* batch_size counts rows; bundles are cut smaller by their provider. n_threads 0: one a core. */
static const struct {
    const char *name;
    uint64_t memory_mib;
    uint32_t n_threads;
    uint32_t batch_size;
} profiles[] = {
    {"small", 256, 1, 4096},
    {"medium", 1024, 2, 8192},
    {"large", 8192, 0, 8192},
};

static void profile_set(struct engine_profile *p, const char *key, const char *value)
{
    g_ptr_array_add(p->keys, g_strdup(key));
    g_ptr_array_add(p->values, g_strdup(value));
}

static void profile_set_all(struct engine_profile *p, const struct setting *settings, size_t n)
{
    for (size_t i = 0; i < n; i++)
        profile_set(p, settings[i].key, settings[i].value);
}

/* An eighth of the machine's memory, at least 512 MiB, at most 16 GiB: the engine shares it with the parsers
 * and the interpreters of a build. */
static uint64_t auto_memory_bytes(void)
{
    long n_pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t total = n_pages > 0 && page_bytes > 0 ? (uint64_t)n_pages * (uint64_t)page_bytes : 0;
    return CLAMP(total / 8, (uint64_t)512 * MIB, (uint64_t)16384 * MIB);
}

static int profile_resources(struct engine_profile *p, const char *name, struct ca_error *err)
{
    uint32_t n_cores = (uint32_t)g_get_num_processors();
    uint32_t batch_size = 8192;
    p->n_threads = n_cores;
    p->memory_limit_bytes = auto_memory_bytes();
    if (strcmp(name, "auto") != 0) {
        size_t i = 0;
        while (i < G_N_ELEMENTS(profiles) && strcmp(profiles[i].name, name) != 0)
            i++;
        if (i == G_N_ELEMENTS(profiles))
            return ca_fail(err, CA_ERR_INVALID, "unknown profile '%s': one of small, medium, large, auto", name);
        p->memory_limit_bytes = profiles[i].memory_mib * MIB;
        p->n_threads = profiles[i].n_threads ? MIN(profiles[i].n_threads, n_cores) : n_cores;
        batch_size = profiles[i].batch_size;
    }
    p->spill_limit_bytes = p->memory_limit_bytes * 64;
    g_autofree char *partitions = g_strdup_printf("%u", p->n_threads);
    g_autofree char *batch = g_strdup_printf("%u", batch_size);
    profile_set(p, "datafusion.execution.target_partitions", partitions);
    profile_set(p, "datafusion.execution.batch_size", batch);
    return CA_OK;
}

static int profile_preset(struct engine_profile *p, const char *name, struct ca_error *err)
{
    for (size_t i = 0; i < G_N_ELEMENTS(presets); i++) {
        if (strcmp(presets[i].name, name) == 0) {
            profile_set_all(p, presets[i].settings, presets[i].n_settings);
            return CA_OK;
        }
    }
    return ca_fail(err, CA_ERR_INVALID, "unknown preset '%s': one of schema_hardening, arrow_performance", name);
}

/* The catalog asks information_schema about itself, so that one is on (A3). */
static const char introspection[] = "datafusion.catalog.information_schema";

/* What may not change. The catalog is found under its names; views, checks and our own statements are planned with the
 * words, the quoting, the literals and the order of nulls that they were written for; and the engine panics (55.2)
 * where an IN list that a join pushes down meets dictionary keys, so those lists stay empty. */
static const char *const fixed_keys[] = {
    introspection,
    "datafusion.catalog.default_catalog",
    "datafusion.catalog.default_schema",
    "datafusion.catalog.create_default_catalog_and_schema",
    "datafusion.sql_parser.dialect",
    "datafusion.sql_parser.enable_ident_normalization",
    "datafusion.sql_parser.parse_float_as_decimal",
    "datafusion.sql_parser.default_null_ordering",
    "datafusion.optimizer.hash_join_inlist_pushdown_max_size",
    "datafusion.optimizer.hash_join_inlist_pushdown_max_distinct_values",
};

const char *const *engine_profile_fixed(size_t *ret_n)
{
    *ret_n = G_N_ELEMENTS(fixed_keys);
    return fixed_keys;
}

static bool is_fixed(const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fixed_keys); i++)
        if (g_ascii_strcasecmp(key, fixed_keys[i]) == 0)
            return true;
    return false;
}

static int profile_extra(struct engine_profile *p, const char *const *settings, size_t n, struct ca_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!settings[i] || !g_utf8_validate(settings[i], -1, NULL))
            return ca_fail(err, CA_ERR_INVALID, "setting %zu is not UTF-8", i + 1);
        const char *equals = strchr(settings[i], '=');
        if (!equals || equals == settings[i])
            return ca_fail(err, CA_ERR_INVALID, "setting '%s' is not key=value", settings[i]);
        g_autofree char *key = g_strndup(settings[i], (gsize)(equals - settings[i]));
        bool is_introspection = strcmp(key, introspection) == 0;
        if (is_introspection && strcmp(equals + 1, "true") != 0)
            return ca_fail(err, CA_ERR_INVALID, "setting '%s' is always true: the catalog answers through it", key);
        if (!is_introspection && is_fixed(key))
            return ca_fail(err, CA_ERR_INVALID, "setting '%s' is the catalog's own and stays as it is", key);
        profile_set(p, key, equals + 1);
    }
    return CA_OK;
}

static char *profile_render(const struct engine_profile *p, const char *profile, const char *preset)
{
    json_t *settings = json_object();
    for (guint i = 0; i < p->keys->len; i++)
        json_object_set_new(settings, p->keys->pdata[i], json_string(p->values->pdata[i]));
    json_t *root = json_pack("{s:s, s:s, s:I, s:I, s:i, s:o}", "profile", profile, "preset", preset,
                             "memory_limit_bytes", (json_int_t)p->memory_limit_bytes, "spill_limit_bytes",
                             (json_int_t)p->spill_limit_bytes, "n_threads", (int)p->n_threads, "settings", settings);
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    char *owned = g_strdup(text);
    free(text);
    return owned;
}

int engine_profile_init(struct engine_profile *p, const char *profile, const char *preset, const char *const *settings,
                        size_t n_settings, struct ca_error *err)
{
    profile = profile ? profile : "auto";
    preset = preset ? preset : "schema_hardening";
    memset(p, 0, sizeof *p);
    p->keys = g_ptr_array_new_with_free_func(g_free);
    p->values = g_ptr_array_new_with_free_func(g_free);
    profile_set_all(p, always, G_N_ELEMENTS(always));
    int rc = profile_preset(p, preset, err);
    if (rc == CA_OK)
        rc = profile_resources(p, profile, err);
    if (rc == CA_OK)
        rc = profile_extra(p, settings, n_settings, err);
    if (rc != CA_OK) {
        engine_profile_done(p);
        return rc;
    }
    p->json = profile_render(p, profile, preset);
    return CA_OK;
}

void engine_profile_done(struct engine_profile *p)
{
    g_clear_pointer(&p->keys, g_ptr_array_unref);
    g_clear_pointer(&p->values, g_ptr_array_unref);
    g_clear_pointer(&p->json, g_free);
}
