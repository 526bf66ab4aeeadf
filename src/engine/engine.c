/* engine/engine.c — the session itself: opening, the catalog's callbacks, functions. Queries are in
 * engine/query.c, Delta is in engine/delta.c. */
#include "engine/engine.h"

#include <cadf.h>
#include <glib.h>
#include <jansson.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "engine/door.h"
#include "engine/profile.h"

struct engine {
    cadf_session *session;
    struct engine_catalog catalog;
    struct engine_profile profile;
};

cadf_session *engine_door(const struct engine *e)
{
    return e->session;
}

static int status_of(int32_t code)
{
    switch (code) {
    case CADF_OK:
        return CA_OK;
    case CADF_ERR_INVALID:
        return CA_ERR_INVALID;
    case CADF_ERR_SYNTAX:
        return CA_ERR_SYNTAX;
    case CADF_ERR_RESOURCES:
        return CA_ERR_RESOURCES;
    case CADF_ERR_CANCELED:
        return CA_ERR_CANCELED;
    case CADF_ERR_REFUSED:
        return CA_ERR_REFUSED;
    case CADF_ERR_NOT_FOUND:
        return CA_ERR_NOT_FOUND;
    case CADF_ERR_CONFLICT:
        return CA_ERR_CONFLICT;
    case CADF_ERR_IO:
        return CA_ERR_IO;
    case CADF_ERR_GATE:
        return CA_ERR_CONTRACT;
    case CADF_ERR_PANIC:
        return CA_ERR_BUG;
    case CADF_ERR_DRIFT:
        return CA_ERR_DRIFT;
    default:
        return CA_ERR_ENGINE;
    }
}

static int32_t door_status_of(int status)
{
    switch (status) {
    case CA_OK:
        return CADF_OK;
    case CA_ERR_NOT_FOUND:
        return CADF_ERR_NOT_FOUND;
    case CA_ERR_RESOURCES:
        return CADF_ERR_RESOURCES;
    case CA_ERR_CANCELED:
        return CADF_ERR_CANCELED;
    case CA_ERR_IO:
        return CADF_ERR_IO;
    case CA_ERR_INVALID:
        return CADF_ERR_INVALID;
    case CA_ERR_CONTRACT:
        return CADF_ERR_GATE;
    case CA_ERR_DRIFT:
        return CADF_ERR_DRIFT;
    default:
        return CADF_ERR_EXECUTION;
    }
}

int engine_result(int32_t code, const struct cadf_error *door_error, struct ca_error *err)
{
    if (code == CADF_OK)
        return CA_OK;
    return ca_fail(err, status_of(code), "%s", door_error->text);
}

int32_t engine_door_fail(int status, const struct ca_error *err, struct cadf_error *ret)
{
    if (ret) {
        ret->code = door_status_of(status);
        g_strlcpy(ret->text, err->message, sizeof ret->text);
    }
    return door_status_of(status);
}

/* ---- streams from C --------------------------------------------------------------------------------------------- */

struct stream_door {
    struct engine_stream stream;
};

static int32_t stream_door_open(void *data, size_t partition, const size_t *projection, size_t n_projection,
                                struct ArrowArrayStream *ret, struct cadf_error *door_error)
{
    struct stream_door *d = data;
    struct ca_error err = {0};
    int rc = d->stream.open(d->stream.data, partition, projection, n_projection, ret, &err);
    return rc == CA_OK ? CADF_OK : engine_door_fail(rc, &err, door_error);
}

static void stream_door_drop(void *data)
{
    struct stream_door *d = data;
    if (d->stream.drop)
        d->stream.drop(d->stream.data);
    g_free(d);
}

static struct cadf_stream_source stream_door_new(const struct engine_stream *stream)
{
    struct stream_door *d = g_new0(struct stream_door, 1);
    d->stream = *stream;
    return (struct cadf_stream_source){
        .data = d, .n_partitions = stream->n_partitions, .open = stream_door_open, .drop = stream_door_drop};
}

/* ---- catalog callbacks ------------------------------------------------------------------------------------------ */

static uint64_t catalog_door_epoch(void *data)
{
    struct engine *e = data;
    return e->catalog.epoch(e->catalog.data);
}

/* cadf_name_fn takes an int32_t where engine_name_fn takes our enum. */
struct name_door {
    cadf_name_fn emit;
    void *sink;
};

static void name_door_emit(void *sink, const char *name, enum engine_name_kind kind)
{
    static const int32_t kinds[] = {[ENGINE_NAME_TABLE] = CADF_NAME_TABLE,
                                    [ENGINE_NAME_VIEW] = CADF_NAME_VIEW,
                                    [ENGINE_NAME_KEPT] = CADF_NAME_KEPT};
    struct name_door *d = sink;
    d->emit(d->sink, name, kinds[kind]);
}

static void catalog_door_schema_names(void *data, cadf_name_fn emit, void *sink)
{
    struct engine *e = data;
    struct name_door d = {emit, sink};
    e->catalog.schema_names(e->catalog.data, name_door_emit, &d);
}

static void catalog_door_table_names(void *data, const char *schema, cadf_name_fn emit, void *sink)
{
    struct engine *e = data;
    struct name_door d = {emit, sink};
    e->catalog.table_names(e->catalog.data, schema, name_door_emit, &d);
}

/* The shim's form of a table's rules; lives until the definition is released. */
struct rules_door {
    struct cadf_rules rules;
    struct cadf_write write;
    struct cadf_check *checks;
    struct cadf_names *unique;
};

static struct rules_door *rules_door_new(const struct engine_rules *r)
{
    struct rules_door *d = g_new0(struct rules_door, 1);
    d->checks = g_new0(struct cadf_check, r->write->n_checks);
    d->write = engine_write_door(r->write, d->checks);
    d->unique = engine_names_door(r->unique, r->n_unique);
    d->rules = (struct cadf_rules){
        .write = &d->write,
        .unique = d->unique,
        .n_unique = r->n_unique,
        .default_columns = r->default_columns,
        .default_sql = r->default_sql,
        .n_defaults = r->n_defaults,
    };
    return d;
}

static int32_t catalog_door_table(void *data, const char *schema, const char *table, struct cadf_table_def *ret,
                                  struct cadf_error *door_error)
{
    static const int32_t kinds[] = {
        [ENGINE_TABLE_EMPTY] = CADF_TABLE_EMPTY,     [ENGINE_TABLE_DELTA] = CADF_TABLE_DELTA,
        [ENGINE_TABLE_VIEW] = CADF_TABLE_VIEW,       [ENGINE_TABLE_STREAM] = CADF_TABLE_STREAM,
        [ENGINE_TABLE_LISTING] = CADF_TABLE_LISTING, [ENGINE_TABLE_MEMORY] = CADF_TABLE_MEMORY,
    };
    struct engine *e = data;
    struct engine_table t = {0};
    struct ca_error err = {0};
    int rc = e->catalog.table(e->catalog.data, schema, table, &t, &err);
    if (rc != CA_OK)
        return engine_door_fail(rc, &err, door_error);
    ret->kind = kinds[t.kind];
    *ret->schema = t.schema;
    ret->sql = t.sql;
    ret->location = t.location;
    ret->version = t.version;
    ret->as_of_us = t.as_of_us;
    ret->is_fixed = t.is_fixed;
    ret->format = t.format;
    ret->option_keys = t.option_keys;
    ret->option_values = t.option_values;
    ret->n_options = t.n_options;
    ret->predicate = t.predicate;
    ret->proved_not_null = t.is_proved;
    ret->proved_checks = t.are_checks_proved;
    ret->failure = t.failure;
    if (t.rules) {
        struct rules_door *rules = rules_door_new(t.rules);
        ret->rules = &rules->rules;
        ret->private_data = rules;
    }
    if (t.kind == ENGINE_TABLE_STREAM && !t.failure)
        ret->stream = stream_door_new(&t.stream);
    return CADF_OK;
}

static void catalog_door_release(void *data, struct cadf_table_def *def)
{
    struct rules_door *rules = def->private_data;
    (void)data;
    if (rules) {
        g_free(rules->checks);
        g_free(rules->unique);
    }
    g_free(rules);
}

static void catalog_door_committed(void *data, const char *schema, const char *table, int64_t version)
{
    struct engine *e = data;
    if (e->catalog.committed)
        e->catalog.committed(e->catalog.data, schema, table, version);
}

static struct engine_found found_of(const struct cadf_found *found)
{
    return (struct engine_found){.name = found->name,
                                 .source = found->source,
                                 .format = found->format,
                                 .expected = found->expected,
                                 .found = found->found,
                                 .option_keys = found->option_keys,
                                 .option_values = found->option_values,
                                 .n_options = found->n_options};
}

static int32_t catalog_door_inferred(void *data, const struct cadf_found *found, int32_t replaces,
                                     struct ArrowSchema *ret, struct cadf_error *door_error)
{
    struct engine *e = data;
    struct ca_error err = {0};
    const struct engine_found f = found_of(found);
    int rc = e->catalog.inferred ? e->catalog.inferred(e->catalog.data, &f, replaces != 0, ret, &err) : CA_OK;
    return rc == CA_OK ? CADF_OK : engine_door_fail(rc, &err, door_error);
}

static int32_t catalog_door_dropped(void *data, const char *table)
{
    struct engine *e = data;
    return e->catalog.dropped && e->catalog.dropped(e->catalog.data, table);
}

static void catalog_door_made(void *data, const struct cadf_found *made, cadf_text_fn sink, void *sink_data)
{
    struct engine *e = data;
    const struct engine_found m = found_of(made);
    if (e->catalog.made)
        e->catalog.made(e->catalog.data, &m, sink, sink_data);
}

static void catalog_door_registered(void *data, const char *table, int32_t what)
{
    const struct engine *e = data;
    if (e->catalog.registered)
        e->catalog.registered(e->catalog.data, table, (enum engine_registered)what);
}

static int32_t catalog_door_handshake(void *data, const struct cadf_found *found, struct cadf_error *door_error)
{
    struct engine *e = data;
    struct ca_error err = {0};
    const struct engine_found f = found_of(found);
    int rc = e->catalog.handshake ? e->catalog.handshake(e->catalog.data, &f, &err) : CA_OK;
    return rc == CA_OK ? CADF_OK : engine_door_fail(rc, &err, door_error);
}

static int32_t catalog_door_are_proved(void *data, const char *schema, const char *table, int64_t version,
                                       const char *files, size_t n_bytes)
{
    struct engine *e = data;
    return !e->catalog.are_proved || e->catalog.are_proved(e->catalog.data, schema, table, version, files, n_bytes);
}

static void catalog_door_definition(void *data, const char *schema, const char *table, cadf_text_fn sink,
                                    void *sink_data)
{
    struct engine *e = data;
    if (e->catalog.definition)
        e->catalog.definition(e->catalog.data, schema, table, sink, sink_data);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

int engine_open(const struct engine_options *options, struct engine **ret, struct ca_error *err)
{
    g_autofree struct engine *e = g_new0(struct engine, 1);
    const struct engine_choice choice = {
        .profile = options->profile,
        .profile_source = options->profile_source,
        .preset = options->preset,
        .preset_source = options->preset_source,
        .settings = options->settings,
        .setting_sources = options->setting_sources,
        .n_settings = options->n_settings,
        .is_frugal = options->is_frugal,
    };
    CA_TRY(engine_profile_init(&e->profile, &choice, err));
    struct cadf_catalog catalog = {0};
    if (options->catalog) {
        e->catalog = *options->catalog;
        catalog = (struct cadf_catalog){
            .data = e,
            .name = e->catalog.name,
            .default_schema = e->catalog.default_schema,
            .epoch = catalog_door_epoch,
            .schema_names = catalog_door_schema_names,
            .table_names = catalog_door_table_names,
            .table = catalog_door_table,
            .release_def = catalog_door_release,
            .committed = catalog_door_committed,
            .handshake = catalog_door_handshake,
            .are_proved = catalog_door_are_proved,
            .definition = catalog_door_definition,
            .inferred = catalog_door_inferred,
            .dropped = catalog_door_dropped,
            .made = catalog_door_made,
            .registered = catalog_door_registered,
        };
    }
    size_t n_fixed = 0;
    const char *const *fixed = engine_profile_fixed(&n_fixed);
    struct cadf_options door = {
        .setting_keys = (const char *const *)e->profile.keys->pdata,
        .setting_values = (const char *const *)e->profile.values->pdata,
        .n_settings = e->profile.keys->len,
        .memory_limit_bytes = e->profile.memory_limit_bytes,
        .spillable_bytes = e->profile.spillable_bytes,
        .keep_bytes = e->profile.keep_bytes,
        .spill_dir = options->spill_dir,
        .spill_limit_bytes = e->profile.spill_limit_bytes,
        .n_threads = e->profile.n_threads,
        .read_only = options->is_read_only,
        .fixed_settings = fixed,
        .n_fixed_settings = n_fixed,
        .catalog = options->catalog ? &catalog : NULL,
    };
    struct cadf_error door_error = {0};
    int rc = engine_result(cadf_session_open(&door, &e->session, &door_error), &door_error, err);
    if (rc != CA_OK) {
        engine_profile_done(&e->profile);
        return rc;
    }
    *ret = g_steal_pointer(&e);
    return CA_OK;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    cadf_session_close(e->session);
    engine_profile_done(&e->profile);
    g_free(e);
}

void engine_versions(engine_text_fn sink, void *data)
{
    cadf_versions(sink, data);
}

static void setting_take(void *data, const char *text, size_t n_bytes)
{
    char **ret = data;
    g_free(*ret);
    *ret = g_strndup(text, n_bytes);
}

int engine_setting(struct engine *e, const char *key, char **ret, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    *ret = NULL;
    return engine_result(cadf_setting(e->session, key, setting_take, ret, &door_error), &door_error, err);
}

int engine_listing_extension(const char *format, const char *compression, char **ret, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    *ret = NULL;
    return engine_result(cadf_listing_extension(format, compression, setting_take, ret, &door_error), &door_error, err);
}

uint64_t engine_bucket_bytes(const struct engine *e)
{
    return e->profile.bucket_bytes;
}

/* `rc` is the first failure of `emit`. */
struct settings_door {
    const struct engine_profile *profile;
    engine_setting_fn emit;
    void *data;
    struct ca_error *err;
    int rc;
};

static void settings_door_take(void *data, const char *key, const char *value, const char *engine_default,
                               const char *opening)
{
    struct settings_door *d = data;
    const char *said = engine_profile_source(d->profile, key);
    struct engine_setting_value s = {
        .key = key,
        .value = value,
        .default_value = engine_default,
        .preset_value = engine_profile_preset_value(d->profile, key),
        .source = said                                      ? said
                  : g_strcmp0(opening, engine_default) == 0 ? ENGINE_SOURCE_DEFAULT
                                                            : ENGINE_SOURCE_BUILT_IN,
    };
    if (g_strcmp0(value, opening) != 0)
        s.source = ENGINE_SOURCE_SET;
    if (d->rc == CA_OK)
        d->rc = d->emit(d->data, &s, d->err);
}

int engine_settings(struct engine *e, engine_setting_fn emit, void *data, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    struct settings_door d = {.profile = &e->profile, .emit = emit, .data = data, .err = err};
    CA_TRY(engine_result(cadf_settings(e->session, settings_door_take, &d, &door_error), &door_error, err));
    return d.rc;
}

struct choices {
    engine_choice_fn emit;
    void *data;
};

static int choices_take(void *data, const struct engine_setting_value *s, struct ca_error *err)
{
    struct choices *c = data;
    (void)err;
    if (strcmp(s->source, ENGINE_SOURCE_DEFAULT) != 0)
        c->emit(c->data, s->key, s->value ? s->value : "", s->source);
    return CA_OK;
}

int engine_choices(struct engine *e, engine_choice_fn emit, void *data, struct ca_error *err)
{
    struct choices c = {emit, data};
    emit(data, "profile", e->profile.profile, e->profile.profile_source);
    emit(data, "preset", e->profile.preset, e->profile.preset_source);
    return engine_settings(e, choices_take, &c, err);
}

static int add_setting(void *data, const struct engine_setting_value *s, struct ca_error *err)
{
    json_t *settings = data;
    (void)err;
    bool is_own = strcmp(s->source, ENGINE_SOURCE_DEFAULT) == 0 && g_strcmp0(s->value, s->default_value) == 0;
    if (!is_own && s->value && strcmp(s->key, "datafusion.runtime.temp_directory") != 0)
        json_object_set_new(settings, s->key, json_string(s->value));
    return CA_OK;
}

int engine_profile_json(struct engine *e, char **ret, struct ca_error *err)
{
    const struct engine_profile *p = &e->profile;
    json_t *settings = json_object();
    int rc = engine_settings(e, add_setting, settings, err);
    json_t *root = json_pack("{s:s, s:s, s:I, s:I, s:i, s:o}", "profile", p->profile, "preset", p->preset,
                             "memory_limit_bytes", (json_int_t)p->memory_limit_bytes, "spill_limit_bytes",
                             (json_int_t)p->spill_limit_bytes, "n_threads", (int)p->n_threads, "settings", settings);
    char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);
    *ret = rc == CA_OK ? g_strdup(text) : NULL;
    free(text);
    return rc;
}

void engine_log_set(void (*fn)(void *data, int level, const char *target, const char *text, size_t n_bytes), void *data,
                    int max_level)
{
    cadf_log_set((cadf_log_fn)fn, data, max_level);
}

/* ---- functions -------------------------------------------------------------------------------------------------- */

static int32_t function_door_call(void *data, const struct ArrowArray *const *args, size_t n_args, int64_t n_rows,
                                  struct ArrowArray *ret, struct cadf_error *door_error)
{
    const struct rows_function *fn = data;
    struct ca_error err = {0};
    int rc = fn->call(args, n_args, n_rows, ret, &err);
    return rc == CA_OK ? CADF_OK : engine_door_fail(rc, &err, door_error);
}

static int schema_of_format(struct ArrowSchema *s, const char *format, struct ca_error *err)
{
    ArrowSchemaInit(s);
    if (ArrowSchemaSetFormat(s, format) != NANOARROW_OK)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for a type");
    return CA_OK;
}

int engine_register_function(struct engine *e, const struct rows_function *fn, struct ca_error *err)
{
    struct ArrowSchema types[ROWS_FUNCTION_MAX_ARGS] = {{0}};
    const struct ArrowSchema *pointers[ROWS_FUNCTION_MAX_ARGS] = {0};
    struct ArrowSchema return_type = {0};
    int rc = schema_of_format(&return_type, fn->return_format, err);
    for (size_t i = 0; i < fn->n_args && rc == CA_OK; i++) {
        rc = schema_of_format(&types[i], fn->arg_formats[i], err);
        pointers[i] = &types[i];
    }
    if (rc == CA_OK) {
        struct cadf_scalar_function door = {
            .name = fn->name,
            .arg_types = pointers,
            .arg_names = fn->arg_names,
            .n_args = fn->n_args,
            .return_type = &return_type,
            .doc = fn->doc,
            .syntax = fn->syntax,
            .data = (void *)fn,
            .call = function_door_call,
        };
        struct cadf_error door_error = {0};
        rc = engine_result(cadf_register_function(e->session, &door, &door_error), &door_error, err);
    }
    for (size_t i = 0; i < fn->n_args; i++)
        if (types[i].release)
            types[i].release(&types[i]);
    if (return_type.release)
        return_type.release(&return_type);
    return rc;
}

int engine_register_stream(struct engine *e, const char *name, struct ArrowSchema *schema,
                           const struct engine_stream *stream, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    const struct cadf_stream_source source = stream_door_new(stream);
    return engine_result(cadf_register_stream(e->session, name, schema, &source, &door_error), &door_error, err);
}

int engine_deregister(struct engine *e, const char *name, struct ca_error *err)
{
    struct cadf_error door_error = {0};
    return engine_result(cadf_deregister(e->session, name, &door_error), &door_error, err);
}
