/* engine/profile.h — the named presets and profiles of a session (A2, A3), as engine settings.
 *
 * A preset says how strict schemas are; a profile says how much of the machine a session may take. Both end as ordinary
 * `datafusion.*` settings, so information_schema.df_settings shows what is in force.
 */
#ifndef CA_ENGINE_PROFILE_H
#define CA_ENGINE_PROFILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* keys, values, sources   settings in order of application, owned; the last of a key holds
 * memory_limit_bytes of the engine's pool
 * spillable_bytes    of these, what sorts and others that can spill hold together; 0 but in a frugal session: all
 * keep_bytes         of memory that a frugal session may hold without need; 0 in others: as the allocator likes
 * bucket_bytes       of source text that a model reads at a time where it depends on single files
 * spill_limit_bytes  of its temporary files
 * n_threads          of its runtime
 * profile, preset    their names, and where each was said
 * limits_source      of memory and spill files, which are settings too and open with the profile's */
struct engine_profile {
    GPtrArray *keys;
    GPtrArray *values;
    GPtrArray *sources;
    uint64_t memory_limit_bytes;
    uint64_t spillable_bytes;
    uint64_t keep_bytes;
    uint64_t bucket_bytes;
    uint64_t spill_limit_bytes;
    uint32_t n_threads;
    char *profile;
    char *profile_source;
    char *preset;
    char *preset_source;
    char *limits_source;
};

/* What a caller chose. profile, preset NULL: the defaults; settings are "key=value", later ones win.
 * *_source  where it was said, for messages and reports; NULL: ENGINE_SOURCE_OPTION, one for each setting in
 *           setting_sources
 * is_frugal as in engine_options */
struct engine_choice {
    const char *profile;
    const char *profile_source;
    const char *preset;
    const char *preset_source;
    const char *const *settings;
    const char *const *setting_sources;
    size_t n_settings;
    bool is_frugal;
};

/* CA_ERR_INVALID names what is unknown or malformed, and where it was said when that is no option. */
int engine_profile_init(struct engine_profile *p, const struct engine_choice *choice,
                        struct ca_error *err) CA_MUST_CHECK;
void engine_profile_done(struct engine_profile *p);

/* Who said the value that a session opens with; NULL: neither the profile nor the preset, nor anybody else. Borrowed.
 */
const char *engine_profile_source(const struct engine_profile *p, const char *key);

/* What the preset alone says of a setting; NULL: nothing. */
const char *engine_profile_preset_value(const struct engine_profile *p, const char *key);

/* The settings that no statement changes. */
const char *const *engine_profile_fixed(size_t *ret_n);

#endif
