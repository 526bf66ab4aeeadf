/* base/log.h — key/value events for the host's callback. The library itself never prints.
 *
 *     log_emit(LOG_DEBUG, "repo", "scan finished", "n_files", "12", NULL);
 *
 * Process-wide: one sink. Any thread may emit; the sink may be called by several threads at once and must not set the
 * sink.
 */
#ifndef CA_BASE_LOG_H
#define CA_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level {
    LOG_NONE = 0,
    LOG_ERROR = 1,
    LOG_WARN = 2,
    LOG_INFO = 3,
    LOG_DEBUG = 4,
    LOG_TRACE = 5,
};

struct log_pair {
    const char *key;
    const char *value;
};

/* Everything is borrowed for the call. `room` is the source folder, or the engine's target. */
struct log_event {
    enum log_level level;
    const char *room;
    const char *what;
    const struct log_pair *pairs;
    size_t n_pairs;
};

typedef void (*log_sink_fn)(void *data, const struct log_event *event);

/* Hand events up to max_level to `sink`; NULL turns logging off. Returns when no thread is inside the old sink. */
void log_set(log_sink_fn sink, void *data, enum log_level max_level);

/* Whether an event of this level would be handed on: ask before making expensive values. */
bool log_is_on(enum log_level level);

/* Emit `what` with pairs `key, value, ..., NULL`; a NULL value is handed on as "". At most LOG_MAX_PAIRS are taken. */
#define LOG_MAX_PAIRS 16
void log_emit(enum log_level level, const char *room, const char *what, ...) __attribute__((sentinel));

#endif
