/* engine/door.h — what engine.c, query.c and delta.c share about the shim; private to the room. */
#ifndef CA_ENGINE_DOOR_H
#define CA_ENGINE_DOOR_H

#include <cadf.h>

#include "engine/engine.h"

cadf_session *engine_door(const struct engine *e);

/* `checks`: room for w->n_checks of them; borrowed by what is returned, as `w` is. */
struct cadf_write engine_write_door(const struct engine_write *w, struct cadf_check *checks);

/* The keys in the shim's words, NULL when there are none; g_free. */
struct cadf_names *engine_names_door(const struct engine_names *keys, size_t n_keys);

/* The shim's verdict in our words; CA_OK when code is. */
int engine_result(int32_t code, const struct cadf_error *door_error, struct ca_error *err) CA_MUST_CHECK;

/* Our verdict in the shim's words: what a callback answers with. */
int32_t engine_door_fail(int status, const struct ca_error *err, struct cadf_error *ret);

#endif
