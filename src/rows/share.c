/* rows/share.c — array nodes of our own over somebody's buffers, which a count keeps alive. */
#include "rows/share.h"

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

struct rows_shared {
    gint n_refs;
    struct ArrowArray rows;
};

int rows_shared_new(struct ArrowArray *rows, struct rows_shared **ret, struct ca_error *err)
{
    struct rows_shared *s = g_new0(struct rows_shared, 1);
    s->n_refs = 1;
    ArrowArrayMove(rows, &s->rows);
    if (s->rows.offset != 0) {
        rows_shared_unref(s);
        return ca_bug(err, "a shared batch starts at an offset");
    }
    *ret = s;
    return CA_OK;
}

struct rows_shared *rows_shared_ref(struct rows_shared *s)
{
    g_atomic_int_inc(&s->n_refs);
    return s;
}

void rows_shared_unref(struct rows_shared *s)
{
    if (!s || !g_atomic_int_dec_and_test(&s->n_refs))
        return;
    s->rows.release(&s->rows);
    g_free(s);
}

/* A node owns its `children` and `dictionary` structs; the buffers are the shared batch's. */
static void node_release(struct ArrowArray *node)
{
    for (int64_t i = 0; i < node->n_children; i++) {
        if (node->children[i]->release)
            node->children[i]->release(node->children[i]);
        g_free(node->children[i]);
    }
    g_free(node->children);
    if (node->dictionary) {
        if (node->dictionary->release)
            node->dictionary->release(node->dictionary);
        g_free(node->dictionary);
    }
    rows_shared_unref(node->private_data);
    node->release = NULL;
}

/* Types nest ROWS_MAX_DEPTH levels at most, so the recursion is bounded. */
static void node_init(struct ArrowArray *node, const struct ArrowArray *from, struct rows_shared *s)
{
    *node = *from;
    node->private_data = rows_shared_ref(s);
    node->release = node_release;
    node->children = from->n_children ? g_new0(struct ArrowArray *, (gsize)from->n_children) : NULL;
    for (int64_t i = 0; i < from->n_children; i++) {
        node->children[i] = g_new0(struct ArrowArray, 1);
        node_init(node->children[i], from->children[i], s);
    }
    if (from->dictionary) {
        node->dictionary = g_new0(struct ArrowArray, 1);
        node_init(node->dictionary, from->dictionary, s);
    }
}

int rows_shared_project(struct rows_shared *s, const size_t *projection, size_t n_projection, struct ArrowArray *ret,
                        struct ca_error *err)
{
    for (size_t i = 0; i < n_projection; i++)
        if (projection[i] >= (size_t)s->rows.n_children)
            return ca_bug(err, "a projected column does not exist");
    *ret = s->rows;
    ret->private_data = rows_shared_ref(s);
    ret->release = node_release;
    ret->n_children = (int64_t)n_projection;
    ret->children = n_projection ? g_new0(struct ArrowArray *, n_projection) : NULL;
    ret->dictionary = NULL;
    for (size_t i = 0; i < n_projection; i++) {
        ret->children[i] = g_new0(struct ArrowArray, 1);
        node_init(ret->children[i], s->rows.children[projection[i]], s);
    }
    return CA_OK;
}

int rows_schema_project(const struct ArrowSchema *schema, const size_t *projection, size_t n_projection,
                        struct ArrowSchema *ret, struct ca_error *err)
{
    ArrowSchemaInit(ret);
    int rc = ArrowSchemaSetTypeStruct(ret, (int64_t)n_projection);
    for (size_t i = 0; i < n_projection && rc == NANOARROW_OK; i++) {
        if (projection[i] >= (size_t)schema->n_children) {
            ret->release(ret);
            return ca_bug(err, "a projected column does not exist");
        }
        ret->children[i]->release(ret->children[i]);
        rc = ArrowSchemaDeepCopy(schema->children[projection[i]], ret->children[i]);
    }
    if (rc == NANOARROW_OK)
        return CA_OK;
    ret->release(ret);
    return ca_fail(err, CA_ERR_RESOURCES, "no memory for a schema");
}
