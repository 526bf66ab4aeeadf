/* engine/profile.h — the named presets and profiles of a session (A2, A3), as engine settings.
 *
 * A preset says how strict schemas are; a profile says how much of the machine a session may take. Both end as ordinary
 * `datafusion.*` settings, so information_schema.df_settings shows what is in force.
 */
#ifndef CA_ENGINE_PROFILE_H
#define CA_ENGINE_PROFILE_H

#include <glib.h>
#include <stdint.h>

#include "base/error.h"

/* keys, values       settings in order of application, owned
 * memory_limit_bytes of the engine's pool
 * spill_limit_bytes  of its temporary files
 * n_threads          of its runtime
 * json               what was chosen, for the manifest */
struct engine_profile {
    GPtrArray *keys;
    GPtrArray *values;
    uint64_t memory_limit_bytes;
    uint64_t spill_limit_bytes;
    uint32_t n_threads;
    char *json;
};

/* Resolve names (NULL: the defaults) and "key=value" settings. CA_ERR_INVALID names what is unknown or malformed. */
int engine_profile_init(struct engine_profile *p, const char *profile, const char *preset, const char *const *settings,
                        size_t n_settings, struct ca_error *err) CA_MUST_CHECK;
void engine_profile_done(struct engine_profile *p);

/* The settings that neither an option nor a statement changes. */
const char *const *engine_profile_fixed(size_t *ret_n);

#endif
