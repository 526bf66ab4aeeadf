/* rows/queue.c — batches from many threads become one stream, with a bound on what waits. */
#include <nanoarrow/nanoarrow.h>

#include "rows/rows.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct waiting {
    struct ArrowArray array;
    int64_t n_bytes;
};

/* changed      signalled whenever a batch comes, goes, or the queue ends
 * error_text   of the end, when it was not a good one
 * last_error   what get_last_error() returns: only the consumer's thread touches it
 */
struct rows_queue {
    gatomicrefcount n_refs;
    GMutex lock;
    GCond changed;
    GQueue batches; /* struct waiting */
    int64_t n_bytes;
    int64_t max_bytes;
    struct ArrowSchema schema;
    bool has_stream;
    bool is_closed;
    bool is_canceled;
    char *error_text;
    const char *last_error;
};

int rows_queue_new(struct ArrowSchema *schema, int64_t max_bytes, struct rows_queue **ret, struct ca_error *err)
{
    if (max_bytes < 1) {
        ArrowSchemaRelease(schema);
        return ca_fail(err, CA_ERR_INVALID, "a queue needs room for 1 byte at least, max_bytes is %" G_GINT64_FORMAT,
                       max_bytes);
    }
    struct rows_queue *q = g_new0(struct rows_queue, 1);
    g_atomic_ref_count_init(&q->n_refs);
    g_mutex_init(&q->lock);
    g_cond_init(&q->changed);
    g_queue_init(&q->batches);
    q->max_bytes = max_bytes;
    ArrowSchemaMove(schema, &q->schema);
    *ret = q;
    return CA_OK;
}

struct rows_queue *rows_queue_ref(struct rows_queue *q)
{
    g_atomic_ref_count_inc(&q->n_refs);
    return q;
}

static void waiting_free(struct waiting *w)
{
    if (w->array.release != NULL)
        ArrowArrayRelease(&w->array);
    g_free(w);
}

/* The batches, out of the queue: they are released without its lock, since that may take a while. */
static GQueue take_all(struct rows_queue *q)
{
    GQueue taken = q->batches;
    g_queue_init(&q->batches);
    q->n_bytes = 0;
    return taken;
}

static void free_all(GQueue *batches)
{
    struct waiting *w = NULL;
    while ((w = g_queue_pop_head(batches)) != NULL)
        waiting_free(w);
}

void rows_queue_unref(struct rows_queue *q)
{
    if (q == NULL || !g_atomic_ref_count_dec(&q->n_refs))
        return;
    free_all(&q->batches);
    ArrowSchemaRelease(&q->schema);
    g_mutex_clear(&q->lock);
    g_cond_clear(&q->changed);
    g_free(q->error_text);
    g_free(q);
}

int rows_queue_push(struct rows_queue *q, struct ArrowArray *array, struct ca_error *err)
{
    struct waiting *w = g_new0(struct waiting, 1);
    w->n_bytes = rows_array_n_bytes(&q->schema, array);
    ArrowArrayMove(array, &w->array);
    int rc = CA_OK;
    g_mutex_lock(&q->lock);
    while (!q->is_canceled && !q->is_closed && q->n_bytes > 0 && q->n_bytes + w->n_bytes > q->max_bytes)
        g_cond_wait(&q->changed, &q->lock);
    if (q->is_canceled) {
        rc = ca_fail(err, CA_ERR_CANCELED, "the rows are not wanted any more");
    } else if (q->is_closed && q->error_text != NULL) {
        rc = ca_fail(err, CA_ERR_CANCELED, "%s", q->error_text);
    } else if (q->is_closed) {
        rc = ca_bug(err, "a batch was pushed after the queue was closed");
    } else {
        q->n_bytes += w->n_bytes;
        g_queue_push_tail(&q->batches, CA_STEAL(w));
        g_cond_broadcast(&q->changed);
    }
    g_mutex_unlock(&q->lock);
    if (w != NULL)
        waiting_free(w);
    return rc;
}

void rows_queue_close(struct rows_queue *q, const char *error_text)
{
    GQueue dropped = G_QUEUE_INIT;
    g_mutex_lock(&q->lock);
    if (!q->is_closed) {
        q->is_closed = true;
        q->error_text = g_strdup(error_text);
        if (error_text != NULL)
            dropped = take_all(q);
        g_cond_broadcast(&q->changed);
    }
    g_mutex_unlock(&q->lock);
    free_all(&dropped);
}

void rows_queue_cancel(struct rows_queue *q)
{
    g_mutex_lock(&q->lock);
    q->is_canceled = true;
    GQueue dropped = take_all(q);
    g_cond_broadcast(&q->changed);
    g_mutex_unlock(&q->lock);
    free_all(&dropped);
}

int64_t rows_queue_n_bytes(struct rows_queue *q)
{
    g_mutex_lock(&q->lock);
    int64_t n_bytes = q->n_bytes;
    g_mutex_unlock(&q->lock);
    return n_bytes;
}

/* ---- the consumer's end ----------------------------------------------------------------------------------------- */

static int stream_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    const struct rows_queue *q = stream->private_data;
    return ArrowSchemaDeepCopy(&q->schema, ret);
}

static int stream_get_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    struct rows_queue *q = stream->private_data;
    int rc = 0;
    ret->release = NULL;
    g_mutex_lock(&q->lock);
    while (!q->is_canceled && !q->is_closed && g_queue_is_empty(&q->batches))
        g_cond_wait(&q->changed, &q->lock);
    struct waiting *w = NULL;
    if (q->is_canceled) {
        q->last_error = "canceled";
        rc = ECANCELED;
    } else if (q->error_text != NULL) {
        q->last_error = q->error_text;
        rc = EIO;
    } else if ((w = g_queue_pop_head(&q->batches)) != NULL) {
        q->n_bytes -= w->n_bytes;
        g_cond_broadcast(&q->changed);
    }
    g_mutex_unlock(&q->lock);
    if (w != NULL) {
        ArrowArrayMove(&w->array, ret);
        waiting_free(w);
    }
    return rc;
}

static const char *stream_get_last_error(struct ArrowArrayStream *stream)
{
    const struct rows_queue *q = stream->private_data;
    return q->last_error;
}

/* Nobody reads on: producers must not wait for it. After a good end this changes nothing. */
static void stream_release(struct ArrowArrayStream *stream)
{
    struct rows_queue *q = stream->private_data;
    rows_queue_cancel(q);
    rows_queue_unref(q);
    stream->release = NULL;
}

int rows_queue_stream(struct rows_queue *q, struct ArrowArrayStream *ret, struct ca_error *err)
{
    g_mutex_lock(&q->lock);
    const bool is_first = !q->has_stream;
    q->has_stream = true;
    g_mutex_unlock(&q->lock);
    if (!is_first)
        return ca_bug(err, "a queue has one consumer");
    *ret = (struct ArrowArrayStream){
        .get_schema = stream_get_schema,
        .get_next = stream_get_next,
        .get_last_error = stream_get_last_error,
        .release = stream_release,
        .private_data = rows_queue_ref(q),
    };
    return CA_OK;
}
