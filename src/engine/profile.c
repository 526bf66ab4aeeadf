/* engine/profile.c — the tables behind engine/profile.h. */
#include "engine/profile.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"

struct setting {
    const char *key;
    const char *value;
};

/* In force whatever the preset: what the catalog's promises rest on.
 *   information_schema  is the introspection surface (A5)
 *   pushdown_filters    a row of a bundle is a whole file; filtering in the reader keeps it out of coalescing (0.15)
 *   collect_spans       positions in plan errors */
static const struct setting always[] = {
    {"datafusion.catalog.information_schema", "true"},
    {"datafusion.execution.parquet.pushdown_filters", "true"},
    {"datafusion.execution.parquet.reorder_filters", "true"},
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

static const struct preset {
    const char *name;
    const struct setting *settings;
    size_t n_settings;
} presets[] = {
    {"schema_hardening", schema_hardening, G_N_ELEMENTS(schema_hardening)},
    {"arrow_performance", arrow_performance, G_N_ELEMENTS(arrow_performance)},
};

enum { MIB = 1 << 20 };

/* What a session may take of the machine.
 *   n_threads        0: one a core
 *   batch_size       rows; bundles are cut smaller by their provider
 *   metadata_mib     cache of file footers, which are compared with size and time of the file
 * The list of a directory's files is cached by no profile: it would live for ever, so new files would stay invisible
 * (engine.md 0.9); a table's scan option list_cache_ttl_seconds says otherwise for that table. */
struct resources {
    const char *name;
    uint64_t memory_bytes;
    uint32_t n_threads;
    uint32_t batch_size;
    uint32_t metadata_mib;
    uint32_t statistics_mib;
};

static const struct resources profiles[] = {
    {"small", (uint64_t)256 * MIB, 1, 4096, 8, 4},
    {"medium", (uint64_t)1024 * MIB, 2, 8192, 50, 20},
    {"large", (uint64_t)8192 * MIB, 0, 8192, 256, 64},
};

static void profile_set(struct engine_profile *p, const char *key, const char *value, const char *source)
{
    g_ptr_array_add(p->keys, g_strdup(key));
    g_ptr_array_add(p->values, g_strdup(value));
    g_ptr_array_add(p->sources, g_strdup(source));
}

static void profile_set_all(struct engine_profile *p, const struct setting *settings, size_t n, const char *source)
{
    for (size_t i = 0; i < n; i++)
        profile_set(p, settings[i].key, settings[i].value, source);
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

/* All of the machine but memory, of which it takes a part. */
static struct resources auto_resources(void)
{
    uint64_t memory_bytes = auto_memory_bytes();
    uint32_t metadata_mib = (uint32_t)CLAMP(memory_bytes / MIB / 32, 16, 256);
    return (struct resources){"auto", memory_bytes, 0, 8192, metadata_mib, 20};
}

static int find_resources(const char *name, struct resources *ret, struct ca_error *err)
{
    if (strcmp(name, "auto") == 0) {
        *ret = auto_resources();
        return CA_OK;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            *ret = profiles[i];
            return CA_OK;
        }
    }
    return ca_fail(err, CA_ERR_INVALID, "unknown profile '%s': one of small, medium, large, auto", name);
}

static void set_number(struct engine_profile *p, const char *key, uint32_t value, const char *unit, const char *source)
{
    g_autofree char *text = g_strdup_printf("%u%s", value, unit);
    profile_set(p, key, text, source);
}

/* A build's batches are cut: a sort that spilled holds two or three batches of each of its runs, and the more rows
 * there are, the more runs. */
enum { FRUGAL_CUT = 2 };

static void profile_take(struct engine_profile *p, const struct resources *r, bool is_frugal)
{
    uint32_t n_cores = (uint32_t)g_get_num_processors();
    g_autofree char *source = g_strdup_printf("profile %s", r->name);
    p->n_threads = r->n_threads ? MIN(r->n_threads, n_cores) : n_cores;
    p->memory_limit_bytes = r->memory_bytes;
    p->spill_limit_bytes = r->memory_bytes * 64;
    if (is_frugal) {
        p->spillable_bytes = CLAMP(r->memory_bytes / 48, (uint64_t)64 * MIB, (uint64_t)512 * MIB);
        p->keep_bytes = CLAMP(r->memory_bytes / 8, (uint64_t)256 * MIB, (uint64_t)2048 * MIB);
    }
    p->bucket_bytes = CLAMP(r->memory_bytes / 384, (uint64_t)MIB / 4, (uint64_t)32 * MIB);
    set_number(p, "datafusion.execution.target_partitions", p->n_threads, "", source);
    set_number(p, "datafusion.execution.batch_size", is_frugal ? r->batch_size / FRUGAL_CUT : r->batch_size, "",
               source);
    set_number(p, "datafusion.runtime.list_files_cache_limit", 0, "", source);
    set_number(p, "datafusion.runtime.metadata_cache_limit", r->metadata_mib, "M", source);
    set_number(p, "datafusion.runtime.file_statistics_cache_limit", r->statistics_mib, "M", source);
    p->limits_source = g_steal_pointer(&source);
}

static const struct preset *find_preset(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(presets); i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

static int profile_preset(struct engine_profile *p, const char *name, struct ca_error *err)
{
    const struct preset *preset = find_preset(name);
    if (preset) {
        g_autofree char *source = g_strdup_printf("preset %s", name);
        profile_set_all(p, preset->settings, preset->n_settings, source);
        return CA_OK;
    }
    return ca_fail(err, CA_ERR_INVALID, "unknown preset '%s': one of schema_hardening, arrow_performance", name);
}

/* The catalog asks information_schema about itself, so that one is on (A3). */
static const char introspection[] = "datafusion.catalog.information_schema";

/* What may not change, but for the first two, which are said when a session opens and stay then: its tables are made of
 * them (catalog/autoload.c). The catalog is found under its names; views, checks and our own statements are planned
 * with the words, the quoting, the literals and the order of nulls that they were written for, some are recursive, and
 * without a pass of the optimizer many do not run; and the engine panics (55.2) where an IN list that a join pushes
 * down meets dictionary keys, so those lists stay empty. */
static const char *const fixed_keys[] = {
    "datafusion.catalog.location",
    "datafusion.catalog.format",
    introspection,
    "datafusion.catalog.default_catalog",
    "datafusion.catalog.default_schema",
    "datafusion.catalog.create_default_catalog_and_schema",
    "datafusion.sql_parser.dialect",
    "datafusion.sql_parser.enable_ident_normalization",
    "datafusion.sql_parser.parse_float_as_decimal",
    "datafusion.sql_parser.default_null_ordering",
    "datafusion.execution.enable_recursive_ctes",
    "datafusion.optimizer.max_passes",
    "datafusion.optimizer.hash_join_inlist_pushdown_max_size",
    "datafusion.optimizer.hash_join_inlist_pushdown_max_distinct_values",
};

const char *const *engine_profile_fixed(size_t *ret_n)
{
    *ret_n = G_N_ELEMENTS(fixed_keys);
    return fixed_keys;
}

enum { N_OPENING_KEYS = 2 };

static bool is_fixed(const char *key)
{
    for (size_t i = N_OPENING_KEYS; i < G_N_ELEMENTS(fixed_keys); i++)
        if (g_ascii_strcasecmp(key, fixed_keys[i]) == 0)
            return true;
    return false;
}

static int check_key(const char *key, const char *value, struct ca_error *err)
{
    bool is_introspection = strcmp(key, introspection) == 0;
    if (is_introspection && strcmp(value, "true") != 0)
        return ca_fail(err, CA_ERR_INVALID, "setting '%s' is always true: the catalog answers through it", key);
    if (!is_introspection && is_fixed(key))
        return ca_fail(err, CA_ERR_INVALID, "setting '%s' is the catalog's own and stays as it is", key);
    return CA_OK;
}

static int profile_extra(struct engine_profile *p, const char *setting, size_t number, const char *source,
                         struct ca_error *err)
{
    if (!setting || !g_utf8_validate(setting, -1, NULL))
        return ca_fail(err, CA_ERR_INVALID, "setting %zu is not UTF-8", number);
    const char *equals = strchr(setting, '=');
    if (!equals || equals == setting)
        return ca_fail(err, CA_ERR_INVALID, "setting '%s' is not key=value", setting);
    g_autofree char *key = g_strndup(setting, (gsize)(equals - setting));
    CA_TRY(check_key(key, equals + 1, err));
    profile_set(p, key, equals + 1, source);
    return CA_OK;
}

/* An option's mistake is there to be seen; one in a file or variable is not. */
static int in_source(int rc, const char *source, struct ca_error *err)
{
    return rc == CA_OK || strcmp(source, ENGINE_SOURCE_OPTION) == 0 ? rc : ca_fail_context(err, rc, "%s", source);
}

static char *source_of(const char *value, const char *source)
{
    return g_strdup(!value ? ENGINE_SOURCE_BUILT_IN : source ? source : ENGINE_SOURCE_OPTION);
}

static int profile_choose(struct engine_profile *p, const struct engine_choice *choice, struct ca_error *err)
{
    struct resources resources;
    CA_TRY(in_source(profile_preset(p, p->preset, err), p->preset_source, err));
    CA_TRY(in_source(find_resources(p->profile, &resources, err), p->profile_source, err));
    profile_take(p, &resources, choice->is_frugal);
    for (size_t i = 0; i < choice->n_settings; i++) {
        const char *source = choice->setting_sources ? choice->setting_sources[i] : ENGINE_SOURCE_OPTION;
        CA_TRY(in_source(profile_extra(p, choice->settings[i], i + 1, source, err), source, err));
    }
    return CA_OK;
}

int engine_profile_init(struct engine_profile *p, const struct engine_choice *choice, struct ca_error *err)
{
    *p = (struct engine_profile){
        .keys = g_ptr_array_new_with_free_func(g_free),
        .values = g_ptr_array_new_with_free_func(g_free),
        .sources = g_ptr_array_new_with_free_func(g_free),
        .profile = g_strdup(choice->profile ? choice->profile : "auto"),
        .profile_source = source_of(choice->profile, choice->profile_source),
        .preset = g_strdup(choice->preset ? choice->preset : "schema_hardening"),
        .preset_source = source_of(choice->preset, choice->preset_source),
    };
    profile_set_all(p, always, G_N_ELEMENTS(always), ENGINE_SOURCE_BUILT_IN);
    int rc = profile_choose(p, choice, err);
    if (rc != CA_OK) {
        engine_profile_done(p);
        return rc;
    }
    return CA_OK;
}

void engine_profile_done(struct engine_profile *p)
{
    g_clear_pointer(&p->keys, g_ptr_array_unref);
    g_clear_pointer(&p->values, g_ptr_array_unref);
    g_clear_pointer(&p->sources, g_ptr_array_unref);
    g_clear_pointer(&p->profile, g_free);
    g_clear_pointer(&p->profile_source, g_free);
    g_clear_pointer(&p->preset, g_free);
    g_clear_pointer(&p->preset_source, g_free);
    g_clear_pointer(&p->limits_source, g_free);
}

/* Limits of the session that are settings as well. */
static const char *const limit_keys[] = {"datafusion.runtime.memory_limit",
                                         "datafusion.runtime.max_temp_directory_size"};

const char *engine_profile_source(const struct engine_profile *p, const char *key)
{
    for (guint i = p->keys->len; i > 0; i--)
        if (strcmp(p->keys->pdata[i - 1], key) == 0)
            return p->sources->pdata[i - 1];
    for (size_t i = 0; i < G_N_ELEMENTS(limit_keys); i++)
        if (strcmp(limit_keys[i], key) == 0)
            return p->limits_source;
    return NULL;
}

const char *engine_profile_preset_value(const struct engine_profile *p, const char *key)
{
    const struct preset *preset = find_preset(p->preset);
    for (size_t i = 0; preset && i < preset->n_settings; i++)
        if (strcmp(preset->settings[i].key, key) == 0)
            return preset->settings[i].value;
    return NULL;
}

/* ---- what there is to choose from ------------------------------------------------------------------------------- */

static void emit_settings(const char *kind, const char *name, const struct setting *settings, size_t n,
                          engine_profile_fn emit, void *data)
{
    for (size_t i = 0; i < n; i++)
        emit(data, kind, name, settings[i].key, settings[i].value);
}

static void emit_resources(const struct resources *r, engine_profile_fn emit, void *data)
{
    struct engine_profile p = {
        .keys = g_ptr_array_new_with_free_func(g_free),
        .values = g_ptr_array_new_with_free_func(g_free),
        .sources = g_ptr_array_new_with_free_func(g_free),
    };
    profile_take(&p, r, /* is_frugal= */ false);
    g_autofree char *memory = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)p.memory_limit_bytes);
    g_autofree char *spill = g_strdup_printf("%" G_GUINT64_FORMAT, (guint64)p.spill_limit_bytes);
    g_autofree char *threads = g_strdup_printf("%u", p.n_threads);
    emit(data, "profile", r->name, "memory_limit_bytes", memory);
    emit(data, "profile", r->name, "spill_limit_bytes", spill);
    emit(data, "profile", r->name, "n_threads", threads);
    for (guint i = 0; i < p.keys->len; i++)
        emit(data, "profile", r->name, p.keys->pdata[i], p.values->pdata[i]);
    engine_profile_done(&p);
}

void engine_profiles(engine_profile_fn emit, void *data)
{
    struct resources machine = auto_resources();
    emit_settings("always", "always", always, G_N_ELEMENTS(always), emit, data);
    for (size_t i = 0; i < G_N_ELEMENTS(presets); i++)
        emit_settings("preset", presets[i].name, presets[i].settings, presets[i].n_settings, emit, data);
    emit_resources(&machine, emit, data);
    for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++)
        emit_resources(&profiles[i], emit, data);
}
