/* catalog/kept.c — what somebody keeps of inferred columns as datasets of the catalog (B10): each has the name of its
 * table in the schema `public`, answers from its contract like any other, and gives way to a table that SQL makes in
 * the session. */
#include <string.h>

#include "catalog/state.h"

struct kept {
    struct catalog_name name;
    struct catalog_dataset dataset;
    struct contract_bundle_entry entry;
    struct contract *contract;
    char *key;
    char fingerprint[FINGERPRINT_HEX_SIZE];
};

static void kept_free(void *name)
{
    struct kept *k = name; /* its first member */
    catalog_dataset_done(&k->dataset);
    contract_free(k->contract);
    free(k->name.sql);
    g_free(k->key);
    g_free(k);
}

static void take_contract(struct kept *k)
{
    const struct contract *contract = k->contract;
    contract_fingerprint(contract, k->fingerprint);
    k->dataset.kept = contract;
    k->entry.version = contract->version;
    k->entry.storage = contract->storage.format;
    k->entry.location = contract->storage.location;
    if (!contract->storage.location)
        k->dataset.failure = g_strdup("its files are at several places, which no contract says: name them again, by "
                                      "CREATE EXTERNAL TABLE");
}

static int add(void *data, const struct catalog_kept *found, struct ca_error *err)
{
    struct ca_error why = {0};
    struct kept *k = g_new0(struct kept, 1);
    (void)err;
    k->key = g_strconcat(CATALOG_LOADED_SCHEMA, ".", found->name, NULL);
    k->entry = (struct contract_bundle_entry){
        .name = k->key + strlen(CATALOG_LOADED_SCHEMA) + 1,
        .stage = CONTRACT_NORMALIZE,
        .kind = CONTRACT_TABLE,
        .schema = CATALOG_LOADED_SCHEMA,
        .fingerprint = k->fingerprint,
        .storage = "",
    };
    k->dataset.entry = &k->entry;
    k->dataset.n_rows = -1;
    k->dataset.pinned.version = k->dataset.pinned.n_rows = -1;
    k->name = (struct catalog_name){
        .key = k->key,
        .schema = CATALOG_LOADED_SCHEMA,
        .name = k->entry.name,
        .table = k->entry.name,
        .dataset = &k->dataset,
    };
    if (catalog_kept_parse(found, &k->contract, &why) == CA_OK)
        take_contract(k);
    else
        k->dataset.failure = g_strdup(why.message);
    g_ptr_array_add(data, k);
    return CA_OK;
}

int catalog_keep(struct catalog *c, struct ca_error *err)
{
    if (!c->keeper)
        return CA_OK;
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(kept_free);
    CA_TRY(c->keeper(c->keeper_data, /* name= */ NULL, add, all, err));
    if (all->len == 0 && c->index->kept->len == 0)
        return CA_OK;
    g_atomic_pointer_set(&c->index, catalog_index_keeping(c->index, g_steal_pointer(&all)));
    catalog_next_epoch(c);
    return CA_OK;
}
