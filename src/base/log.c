/* base/log.c — one sink a process, guarded so that it can be replaced while threads emit. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>

/* The level is read without the lock: a disabled event costs one load. */
static pthread_rwlock_t sink_lock = PTHREAD_RWLOCK_INITIALIZER;
static log_sink_fn sink_fn;
static void *sink_data;
static _Atomic int sink_level = LOG_NONE;

void log_set(log_sink_fn sink, void *data, enum log_level max_level)
{
    pthread_rwlock_wrlock(&sink_lock);
    sink_fn = sink;
    sink_data = data;
    atomic_store(&sink_level, sink == NULL ? LOG_NONE : (int)max_level);
    pthread_rwlock_unlock(&sink_lock);
}

bool log_is_on(enum log_level level)
{
    return level != LOG_NONE && (int)level <= atomic_load_explicit(&sink_level, memory_order_relaxed);
}

void log_emit(enum log_level level, const char *room, const char *what, ...)
{
    if (!log_is_on(level))
        return;

    struct log_pair pairs[LOG_MAX_PAIRS];
    size_t n_pairs = 0;
    va_list args;
    va_start(args, what);
    const char *key = NULL;
    while (n_pairs < LOG_MAX_PAIRS && (key = va_arg(args, const char *)) != NULL) {
        const char *value = va_arg(args, const char *);
        pairs[n_pairs++] = (struct log_pair){.key = key, .value = value == NULL ? "" : value};
    }
    va_end(args);

    struct log_event event = {.level = level, .room = room, .what = what, .pairs = pairs, .n_pairs = n_pairs};
    pthread_rwlock_rdlock(&sink_lock);
    if (sink_fn != NULL)
        sink_fn(sink_data, &event);
    pthread_rwlock_unlock(&sink_lock);
}
