/* build/sequencer.h — files are taken in order, finished in any order, and handed on in order.
 *
 * Workers take the next file number, do their work, and deliver a result; results go to `emit` strictly by number, one
 * at a time, whoever delivers the missing one. A worker may run at most `window` files ahead of the oldest unfinished
 * one, so a slow file holds back a bounded number of results. That makes the output independent of the number of
 * workers.
 *
 * Threads: take and deliver from any; emit is called by one of them at a time, without the lock held.
 */
#ifndef CA_BUILD_SEQUENCER_H
#define CA_BUILD_SEQUENCER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct sequencer;

/* emit takes `result`; a status other than CA_OK stops everything and becomes sequencer_finish's error.
 * drop frees a result that is never emitted. */
typedef int (*sequencer_emit_fn)(void *data, size_t number, void *result, struct ca_error *err);
typedef void (*sequencer_drop_fn)(void *result);

struct sequencer *sequencer_new(size_t n_items, size_t window, sequencer_emit_fn emit, sequencer_drop_fn drop,
                                void *data);
void sequencer_free(struct sequencer *s);

/* The next number to work on; blocks while too far ahead. false: no more, or stopped. */
bool sequencer_take(struct sequencer *s, size_t *ret_number);

/* Hand in the result of a taken number; takes it. */
void sequencer_deliver(struct sequencer *s, size_t number, void *result);

/* Stop early with an error; the first one wins. */
void sequencer_stop(struct sequencer *s, const struct ca_error *err);
bool sequencer_is_stopped(struct sequencer *s);

/* After every worker returned: CA_OK when all was emitted, else the first error. */
int sequencer_finish(struct sequencer *s, struct ca_error *err) CA_MUST_CHECK;

#endif
