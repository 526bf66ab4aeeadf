/* rows/sort.c — rows in the order of what is in them, so that nothing is left of the order in which they came. */
#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "rows/rows.h"

/* first  column that the order begins with: those before it are the number itself, and what is alike in all rows */
struct sorting {
    const struct ArrowArrayView *view;
    int64_t first;
};

static int compare_cells(const struct ArrowArrayView *column, int64_t a, int64_t b)
{
    const int has_a = !ArrowArrayViewIsNull(column, a);
    const int has_b = !ArrowArrayViewIsNull(column, b);
    if (!has_a || !has_b)
        return has_a - has_b;
    if (column->storage_type == NANOARROW_TYPE_STRING) {
        const struct ArrowStringView x = ArrowArrayViewGetStringUnsafe(column, a);
        const struct ArrowStringView y = ArrowArrayViewGetStringUnsafe(column, b);
        const int64_t n = MIN(x.size_bytes, y.size_bytes);
        const int order = n > 0 ? memcmp(x.data, y.data, (size_t)n) : 0;
        return order != 0 ? order : (x.size_bytes > y.size_bytes) - (x.size_bytes < y.size_bytes);
    }
    const int64_t x = ArrowArrayViewGetIntUnsafe(column, a);
    const int64_t y = ArrowArrayViewGetIntUnsafe(column, b);
    return (x > y) - (x < y);
}

static int compare_rows(const void *a, const void *b, void *data)
{
    const struct sorting *s = data;
    int order = 0;
    for (int64_t i = s->first; order == 0 && i < s->view->n_children; i++)
        order = compare_cells(s->view->children[i], *(const int64_t *)a, *(const int64_t *)b);
    return order;
}

static bool is_sortable(const struct ArrowArrayView *view, int64_t number)
{
    for (int64_t i = 0; i < view->n_children; i++) {
        const enum ArrowType type = view->children[i]->storage_type;
        if (type != NANOARROW_TYPE_STRING && type != NANOARROW_TYPE_INT32 && type != NANOARROW_TYPE_INT64)
            return false;
    }
    return number < view->n_children && view->children[number]->storage_type == NANOARROW_TYPE_INT32 &&
           view->length <= INT32_MAX;
}

static int append_cell(const struct ArrowArrayView *column, int64_t row, struct ArrowArray *to)
{
    if (ArrowArrayViewIsNull(column, row))
        return ArrowArrayAppendNull(to, 1);
    if (column->storage_type == NANOARROW_TYPE_STRING)
        return ArrowArrayAppendString(to, ArrowArrayViewGetStringUnsafe(column, row));
    return ArrowArrayAppendInt(to, ArrowArrayViewGetIntUnsafe(column, row));
}

/* Returns an errno value. */
static int gather(const struct ArrowSchema *schema, const struct ArrowArrayView *view, const int64_t *order,
                  int64_t number, struct ArrowArray *ret)
{
    NANOARROW_RETURN_NOT_OK(ArrowArrayInitFromSchema(ret, schema, NULL));
    NANOARROW_RETURN_NOT_OK(ArrowArrayStartAppending(ret));
    for (int64_t i = 0; i < view->length; i++) {
        for (int64_t k = 0; k < view->n_children; k++)
            NANOARROW_RETURN_NOT_OK(k == number ? ArrowArrayAppendInt(ret->children[k], i)
                                                : append_cell(view->children[k], order[i], ret->children[k]));
        NANOARROW_RETURN_NOT_OK(ArrowArrayFinishElement(ret));
    }
    return ArrowArrayFinishBuildingDefault(ret, NULL);
}

int rows_sort_numbered(const struct ArrowSchema *schema, struct ArrowArray *array, int64_t number, struct ca_error *err)
{
    struct ArrowArrayView view;
    struct ArrowArray sorted = {.release = NULL};
    int rc = ArrowArrayViewInitFromSchema(&view, schema, NULL);
    if (rc == 0)
        rc = ArrowArrayViewSetArray(&view, array, NULL);
    if (rc == 0 && !is_sortable(&view, number)) {
        ArrowArrayViewReset(&view);
        return ca_bug(err, "only flat rows of texts and integers are sorted");
    }
    if (rc == 0) {
        g_autofree int64_t *order = g_new(int64_t, view.length + 1);
        for (int64_t i = 0; i < view.length; i++)
            order[i] = i;
        struct sorting s = {.view = &view, .first = number + 1};
        g_qsort_with_data(order, (gint)view.length, sizeof *order, compare_rows, &s);
        rc = gather(schema, &view, order, number, &sorted);
    }
    ArrowArrayViewReset(&view);
    if (rc != 0) {
        if (sorted.release != NULL)
            ArrowArrayRelease(&sorted);
        return ca_fail_errno(err, CA_ERR_RESOURCES, rc, "sort rows");
    }
    ArrowArrayRelease(array);
    ArrowArrayMove(&sorted, array);
    return CA_OK;
}
