/* build/sequencer.c — a ring of results and two conditions. */
#include "build/sequencer.h"

#include <glib.h>

/* next_take     number that sequencer_take gives out next
 * next_emit     number that is emitted next; ring[n % window] holds the result of n, for next_emit <= n < next_emit +
 * window is_emitting   one thread is inside emit; the others leave their results in the ring and go on
 */
struct sequencer {
    GMutex lock;
    GCond may_take;
    size_t n_items;
    size_t window;
    size_t next_take;
    size_t next_emit;
    void **ring;
    bool is_emitting;
    bool is_stopped;
    struct ca_error error;
    sequencer_emit_fn emit;
    sequencer_drop_fn drop;
    void *data;
};

struct sequencer *sequencer_new(size_t n_items, size_t window, sequencer_emit_fn emit, sequencer_drop_fn drop,
                                void *data)
{
    struct sequencer *s = g_new0(struct sequencer, 1);
    g_mutex_init(&s->lock);
    g_cond_init(&s->may_take);
    s->n_items = n_items;
    s->window = window;
    s->ring = g_new0(void *, window);
    s->emit = emit;
    s->drop = drop;
    s->data = data;
    return s;
}

void sequencer_free(struct sequencer *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->window; i++)
        if (s->ring[i])
            s->drop(s->ring[i]);
    g_free(s->ring);
    g_cond_clear(&s->may_take);
    g_mutex_clear(&s->lock);
    g_free(s);
}

bool sequencer_take(struct sequencer *s, size_t *ret_number)
{
    g_mutex_lock(&s->lock);
    while (!s->is_stopped && s->next_take < s->n_items && s->next_take >= s->next_emit + s->window)
        g_cond_wait(&s->may_take, &s->lock);
    bool has_work = !s->is_stopped && s->next_take < s->n_items;
    if (has_work)
        *ret_number = s->next_take++;
    g_mutex_unlock(&s->lock);
    return has_work;
}

static void stop_locked(struct sequencer *s, const struct ca_error *err)
{
    if (!s->is_stopped) {
        s->is_stopped = true;
        s->error = *err;
    }
    g_cond_broadcast(&s->may_take);
}

/* Emit what is ready, in order. Called with the lock held; lets go of it around each emit. */
static void drain_locked(struct sequencer *s)
{
    if (s->is_emitting)
        return;
    s->is_emitting = true;
    while (!s->is_stopped && s->ring[s->next_emit % s->window]) {
        size_t number = s->next_emit;
        void *result = g_steal_pointer(&s->ring[number % s->window]);
        g_mutex_unlock(&s->lock);
        struct ca_error err = {0};
        int rc = s->emit(s->data, number, result, &err);
        g_mutex_lock(&s->lock);
        s->next_emit = number + 1;
        if (rc != CA_OK)
            stop_locked(s, &err);
        g_cond_broadcast(&s->may_take);
    }
    s->is_emitting = false;
}

void sequencer_deliver(struct sequencer *s, size_t number, void *result)
{
    g_mutex_lock(&s->lock);
    if (s->is_stopped)
        s->drop(result);
    else
        s->ring[number % s->window] = result;
    drain_locked(s);
    g_mutex_unlock(&s->lock);
}

void sequencer_stop(struct sequencer *s, const struct ca_error *err)
{
    g_mutex_lock(&s->lock);
    stop_locked(s, err);
    g_mutex_unlock(&s->lock);
}

bool sequencer_is_stopped(struct sequencer *s)
{
    g_mutex_lock(&s->lock);
    bool is_stopped = s->is_stopped;
    g_mutex_unlock(&s->lock);
    return is_stopped;
}

int sequencer_finish(struct sequencer *s, struct ca_error *err)
{
    g_mutex_lock(&s->lock);
    int rc = CA_OK;
    if (s->is_stopped)
        rc = ca_fail(err, s->error.code, "%s", s->error.message);
    else if (s->next_emit != s->n_items)
        rc = ca_bug(err, "a result is missing");
    g_mutex_unlock(&s->lock);
    return rc;
}
