/* catalog/profiles.c — the rows of registry.profiles: what there is to choose from (A2, A3). */
#include <string.h>

#include "catalog/tables.h"
#include "rows/gen/profiles.h"

/* One value, copied: rows come in order of the first three. */
struct value {
    char *texts[4];
};

static void value_clear(void *data)
{
    struct value *v = data;
    for (size_t i = 0; i < G_N_ELEMENTS(v->texts); i++)
        g_free(v->texts[i]);
}

static gint by_texts(gconstpointer a, gconstpointer b)
{
    const struct value *x = a;
    const struct value *y = b;
    int order = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(x->texts) && order == 0; i++)
        order = strcmp(x->texts[i], y->texts[i]);
    return order;
}

static void take_value(void *data, const char *kind, const char *name, const char *key, const char *text)
{
    struct value v = {{g_strdup(kind), g_strdup(name), g_strdup(key), g_strdup(text)}};
    g_array_append_val((GArray *)data, v);
}

static int profiles_fill(struct catalog *c, struct profiles *rows, struct ca_error *err)
{
    (void)c;
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(struct value));
    g_array_set_clear_func(values, value_clear);
    engine_profiles(take_value, values);
    g_array_sort(values, by_texts);
    int rc = 0;
    for (guint i = 0; i < values->len && rc == 0; i++) {
        const struct value *v = &g_array_index(values, struct value, i);
        struct profiles_row row = {
            .kind = rows_str_of(v->texts[0]),
            .name = rows_str_of(v->texts[1]),
            .key = rows_str_of(v->texts[2]),
            .value = rows_str_of(v->texts[3]),
        };
        rc = profiles_finish_row(rows, &row);
    }
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE(profiles, profiles_fill)
