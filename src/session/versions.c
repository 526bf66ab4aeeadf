/* session/versions.c — versions and the log callback of the public ABI. */
#include <glib.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "codeanatomy/codeanatomy.h"
#include "engine/engine.h"

const char *ca_version(void)
{
    return CA_VERSION;
}

static void append_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(data, text, (gssize)n_bytes);
}

int ca_versions(ca_text_fn sink, void *data)
{
    if (!sink)
        return CA_ERR_INVALID;
    g_autoptr(GString) engine = g_string_new(NULL);
    engine_versions(append_text, engine);
    json_t *versions = json_loadb(engine->str, engine->len, 0, NULL);
    if (!versions)
        versions = json_object();
    json_object_set_new(versions, "codeanatomy", json_string(CA_VERSION));
    json_object_set_new(versions, "grammar", json_string(CA_GRAMMAR_VERSION));
    char *text = json_dumps(versions, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(versions);
    sink(data, text, strlen(text));
    free(text);
    return CA_OK;
}

/* The host's callback; set under log_set's own synchronization, so a plain constant-size struct is enough. */
struct log_door {
    ca_log_fn fn;
    void *data;
};
static struct log_door log_door;

static char *fields_of(const struct log_event *event)
{
    json_t *fields = json_object();
    json_object_set_new(fields, "room", json_string(event->room));
    for (size_t i = 0; i < event->n_pairs; i++)
        json_object_set_new(fields, event->pairs[i].key, json_string(event->pairs[i].value));
    char *text = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    return text;
}

static void on_event(void *data, const struct log_event *event)
{
    const struct log_door *door = data;
    char *fields = fields_of(event);
    door->fn(door->data, (int)event->level, event->what, fields ? fields : "{}");
    free(fields);
}

static void on_engine(void *data, int level, const char *target, const char *text, size_t n_bytes)
{
    (void)data;
    g_autofree char *message = g_strndup(text, n_bytes);
    log_emit((enum log_level)level, target, message, NULL);
}

void ca_log_set(ca_log_fn fn, void *data, int max_level)
{
    log_set(NULL, NULL, LOG_NONE);
    log_door = (struct log_door){fn, data};
    if (fn)
        log_set(on_event, &log_door, (enum log_level)max_level);
    engine_log_set(on_engine, NULL, fn ? max_level : LOG_NONE);
}
