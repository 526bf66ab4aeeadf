/* catalog/agree.c — two answers about the columns of one object, held against each other. */
#include "catalog/agree.h"

#include <string.h>

static void column_clear(void *data)
{
    struct agree_column *column = data;
    g_free(column->name);
    g_free(column->type);
}

GArray *agree_columns_new(void)
{
    GArray *columns = g_array_new(FALSE, TRUE, sizeof(struct agree_column));
    g_array_set_clear_func(columns, column_clear);
    return columns;
}

void agree_add(GArray *columns, const char *name, const char *type, bool is_nullable)
{
    struct agree_column column = {g_strdup(name), g_strdup(type), is_nullable};
    g_array_append_val(columns, column);
}

static const struct agree_column *column_at(const GArray *columns, guint i)
{
    return i < columns->len ? &g_array_index(columns, struct agree_column, i) : NULL;
}

/* "Int64 NOT NULL"; a type only where the other source has one too. */
static char *column_text(const struct agree_column *column, bool has_types)
{
    if (!column)
        return g_strdup("no such column");
    const char *type = has_types ? column->type : "a column";
    return g_strdup_printf("'%s' %s%s", column->name, type, column->is_nullable ? "" : " NOT NULL");
}

int agree_check(const char *object, const char *a_source, const GArray *a, const char *b_source, const GArray *b,
                struct ca_error *err)
{
    for (guint i = 0; i < MAX(a->len, b->len); i++) {
        const struct agree_column *x = column_at(a, i);
        const struct agree_column *y = column_at(b, i);
        bool has_types = x && y && x->type && y->type;
        if (x && y && strcmp(x->name, y->name) == 0 && x->is_nullable == y->is_nullable &&
            (!has_types || strcmp(x->type, y->type) == 0))
            continue;
        g_autofree char *left = column_text(x, has_types);
        g_autofree char *right = column_text(y, has_types);
        return ca_fail(err, CA_ERR_CONTRACT, "'%s': of column %u %s says %s, but %s says %s", object, i + 1, a_source,
                       left, b_source, right);
    }
    return CA_OK;
}
