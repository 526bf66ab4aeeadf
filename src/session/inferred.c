/* session/inferred.c — the store keeps the contracts of inferred columns for the catalog. */
#include "session/inferred.h"

#include <glib.h>

#include "publish/store.h"
#include "session/session.h"

int session_keeper(void *keeper, const char *name, catalog_kept_fn each, void *data, struct ca_error *err)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(store_inferred_free);
    CA_TRY(store_inferred_read(keeper, name, all, err));
    for (guint i = 0; i < all->len; i++) {
        const struct store_inferred *k = all->pdata[i];
        const struct catalog_kept kept = {
            .name = k->name, .file = k->file, .text = k->text, .failure = k->failure.message};
        CA_TRY(each(data, &kept, err));
    }
    return CA_OK;
}

int session_keep_inferred(ca_session *s, struct ca_error *err)
{
    g_autoptr(GHashTable) noted = catalog_take_inferred(s->catalog);
    GHashTableIter i;
    gpointer name = NULL;
    gpointer text = NULL;
    if (!noted || !s->store || s->is_read_only)
        return CA_OK;
    g_hash_table_iter_init(&i, noted);
    while (g_hash_table_iter_next(&i, &name, &text))
        CA_TRY_CTX(store_inferred_write(s->store, name, text, err), err, "keep the columns of table '%s'",
                   (const char *)name);
    return catalog_keep(s->catalog, err);
}
