/* rows/queue.c — batches from many threads become one stream, with a bound on what waits. */
#include <nanoarrow/nanoarrow.h>

#include "rows/gather.h"
#include "rows/rows.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct waiting {
    struct ArrowArray array;
    int64_t n_bytes;
};

/* view         of the schema: set to one batch after another, under the lock
 * gathered     small batches that wait for more of them, released: none; with gather_bytes of them they go into the
 * queue, 0: each batch goes at once changed      signalled whenever a batch comes, goes, or the queue ends error_text
 * of the end, when it was not a good one last_error   what get_last_error() returns: only the consumer's thread touches
 * it
 */
struct rows_queue {
    gatomicrefcount n_refs;
    GMutex lock;
    GCond changed;
    GQueue batches; /* struct waiting */
    int64_t n_bytes;
    int64_t max_bytes;
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ArrowArray gathered;
    int64_t n_gathered_bytes;
    int64_t gather_bytes;
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
    struct ArrowArrayView view;
    if (ArrowArrayViewInitFromSchema(&view, schema, NULL) != NANOARROW_OK) {
        ArrowSchemaRelease(schema);
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for a queue's schema");
    }
    struct rows_queue *q = g_new0(struct rows_queue, 1);
    ArrowArrayViewMove(&view, &q->view);
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
    if (q->gathered.release != NULL)
        ArrowArrayRelease(&q->gathered);
    ArrowArrayViewReset(&q->view);
    ArrowSchemaRelease(&q->schema);
    g_mutex_clear(&q->lock);
    g_cond_clear(&q->changed);
    g_free(q->error_text);
    g_free(q);
}

void rows_queue_gather(struct rows_queue *q, int64_t n_bytes)
{
    q->gather_bytes = rows_can_gather(&q->view) ? n_bytes : 0;
}

static int check_open(const struct rows_queue *q, struct ca_error *err)
{
    if (q->is_canceled)
        return ca_fail(err, CA_ERR_CANCELED, "the rows are not wanted any more");
    if (q->is_closed && q->error_text != NULL)
        return ca_fail(err, CA_ERR_CANCELED, "%s", q->error_text);
    return q->is_closed ? ca_bug(err, "a batch was pushed after the queue was closed") : CA_OK;
}

static void enqueue(struct rows_queue *q, struct ArrowArray *array, int64_t n_bytes)
{
    struct waiting *w = g_new0(struct waiting, 1);
    w->n_bytes = n_bytes;
    ArrowArrayMove(array, &w->array);
    q->n_bytes += n_bytes;
    g_queue_push_tail(&q->batches, w);
    g_cond_broadcast(&q->changed);
}

/* Takes the batch when it succeeds. */
static int wait_and_enqueue(struct rows_queue *q, struct ArrowArray *array, int64_t n_bytes, struct ca_error *err)
{
    while (!q->is_canceled && !q->is_closed && q->n_bytes > 0 && q->n_bytes + n_bytes > q->max_bytes)
        g_cond_wait(&q->changed, &q->lock);
    CA_TRY(check_open(q, err));
    enqueue(q, array, n_bytes);
    return CA_OK;
}

/* The small batches that waited for more, out of the queue; released: there are none. */
static int take_gathered(struct rows_queue *q, struct ArrowArray *ret, int64_t *ret_n_bytes)
{
    *ret = q->gathered;
    *ret_n_bytes = q->n_gathered_bytes;
    q->gathered.release = NULL;
    q->n_gathered_bytes = 0;
    return ret->release != NULL ? rows_gather_end(ret) : 0;
}

static int flush(struct rows_queue *q, struct ca_error *err)
{
    struct ArrowArray rows = {0};
    int64_t n_bytes = 0;
    int rc = take_gathered(q, &rows, &n_bytes);
    if (rc != 0)
        rc = ca_fail_errno(err, CA_ERR_RESOURCES, rc, "gather rows");
    else if (rows.release != NULL)
        rc = wait_and_enqueue(q, &rows, n_bytes, err);
    if (rows.release != NULL)
        ArrowArrayRelease(&rows);
    return rc;
}

/* The queue's view is set to the batch. */
static int gather(struct rows_queue *q, int64_t n_bytes, struct ca_error *err)
{
    CA_TRY(check_open(q, err));
    int rc = q->gathered.release != NULL ? 0 : rows_gather_start(&q->schema, &q->gathered);
    if (rc == 0)
        rc = rows_gather_add(&q->view, &q->gathered);
    if (rc != 0)
        return ca_fail_errno(err, CA_ERR_RESOURCES, rc, "gather rows");
    q->n_gathered_bytes += n_bytes;
    return q->n_gathered_bytes >= q->gather_bytes ? flush(q, err) : CA_OK;
}

/* Bytes of a view's own buffers; recursion follows the schema, which ROWS_MAX_DEPTH bounds. */
static int64_t view_n_bytes(const struct ArrowArrayView *view, int depth)
{
    int64_t n_bytes = 0;
    for (int i = 0; i < NANOARROW_MAX_FIXED_BUFFERS; i++) {
        if (view->buffer_views[i].size_bytes > 0 && view->buffer_views[i].data.data != NULL)
            n_bytes += view->buffer_views[i].size_bytes;
    }
    for (int32_t i = 0; i < view->n_variadic_buffers; i++)
        n_bytes += view->variadic_buffer_sizes[i];
    for (int64_t i = 0; depth < ROWS_MAX_DEPTH && i < view->n_children; i++)
        n_bytes += view_n_bytes(view->children[i], depth + 1);
    if (view->dictionary != NULL && depth < ROWS_MAX_DEPTH)
        n_bytes += view_n_bytes(view->dictionary, depth + 1);
    return n_bytes;
}

int rows_queue_push(struct rows_queue *q, struct ArrowArray *array, struct ca_error *err)
{
    g_mutex_lock(&q->lock);
    struct ArrowError said;
    int rc = CA_OK;
    if (ArrowArrayViewSetArray(&q->view, array, &said) != NANOARROW_OK)
        rc = ca_fail(err, CA_ERR_INVALID, "a batch is not of its stream's schema: %s", said.message);
    const int64_t n_bytes = rc == CA_OK ? view_n_bytes(&q->view, 0) : 0;
    if (rc == CA_OK && n_bytes < q->gather_bytes) {
        rc = gather(q, n_bytes, err);
    } else if (rc == CA_OK) {
        rc = flush(q, err);
        if (rc == CA_OK)
            rc = wait_and_enqueue(q, array, n_bytes, err);
    }
    g_mutex_unlock(&q->lock);
    if (array->release != NULL)
        ArrowArrayRelease(array);
    return rc;
}

void rows_queue_close(struct rows_queue *q, const char *error_text)
{
    GQueue dropped = G_QUEUE_INIT;
    struct ArrowArray rows = {0};
    int64_t n_bytes = 0;
    g_mutex_lock(&q->lock);
    if (!q->is_closed) {
        if (take_gathered(q, &rows, &n_bytes) != 0 && error_text == NULL)
            error_text = "no memory for the last rows";
        q->is_closed = true;
        q->error_text = g_strdup(error_text);
        if (error_text != NULL)
            dropped = take_all(q);
        else if (rows.release != NULL)
            enqueue(q, &rows, n_bytes);
        g_cond_broadcast(&q->changed);
    }
    g_mutex_unlock(&q->lock);
    free_all(&dropped);
    if (rows.release != NULL)
        ArrowArrayRelease(&rows);
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
