/* catalog/inferred.c — a schema once inferred is kept as a contract: what is inferred later under its name must match
 * it or be a new version (B10).
 *
 * The keeper has the contracts, one a table. Here they are compared, by the handshake of any contract, and what is to
 * be kept is noted until the statement is over.
 */
#include <string.h>

#include "catalog/state.h"
#include "contract/handshake.h"
#include "contract/inferred.h"
#include "rows/rows.h"

GHashTable *catalog_inferred_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

GHashTable *catalog_take_inferred(struct catalog *c)
{
    GHashTable *fresh = catalog_inferred_new();
    g_mutex_lock(&c->lock);
    GHashTable *noted = c->inferred;
    c->inferred = fresh;
    g_mutex_unlock(&c->lock);
    if (g_hash_table_size(noted) == 0)
        g_clear_pointer(&noted, g_hash_table_unref);
    return noted;
}

static void note(struct catalog *c, const char *table, char *text)
{
    g_mutex_lock(&c->lock);
    g_hash_table_insert(c->inferred, g_strdup(table), text);
    g_mutex_unlock(&c->lock);
}

/* ---- what is kept ----------------------------------------------------------------------------------------------- */

struct kept {
    char *text;
    struct contract *contract;
};

static void kept_done(struct kept *k)
{
    g_free(k->text);
    contract_free(k->contract);
}

int catalog_kept_parse(const struct catalog_kept *found, struct contract **ret, struct ca_error *err)
{
    struct ca_error why = {0};
    int rc =
        found->text ? contract_inferred_parse(found->text, strlen(found->text), found->file, ret, &why) : CA_ERR_IO;
    if (rc == CA_OK)
        return CA_OK;
    return ca_fail(err, CA_ERR_DRIFT,
                   "the columns that are kept of '%s' cannot be read: %s; DROP TABLE forgets them, and the next CREATE "
                   "EXTERNAL TABLE keeps what it finds",
                   found->name, found->text ? why.message : found->failure);
}

static int take_kept(void *data, const struct catalog_kept *found, struct ca_error *err)
{
    struct kept *k = data;
    k->text = g_strdup(found->text);
    return catalog_kept_parse(found, &k->contract, err);
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

static const char *format_of(const char *word)
{
    if (strcmp(word, "json") == 0)
        return "ndjson";
    return g_str_has_prefix(word, "delta") ? "delta" : word;
}

int catalog_kept_differ(const struct contract *kept, const struct engine_found *found, struct contract_handshake *h,
                        struct ca_error *err)
{
    /* The evolution rules that it speaks of are nobody's to change. */
    for (size_t i = 0; i < h->findings.n; i++)
        h->advice[i] = "";
    CA_AUTOFREE char *text = contract_handshake_text(h);
    return ca_fail(err, CA_ERR_DRIFT,
                   "'%s' has other columns than those that are kept of it, version %" G_GINT64_FORMAT
                   " as found at '%s': %s; CREATE OR REPLACE EXTERNAL TABLE makes them a new version, DROP TABLE "
                   "forgets those that are kept",
                   found->source, kept->version, kept->storage.location ? kept->storage.location : "several places",
                   text);
}

/* *ret is moved out where what is found is to be read as what is kept. */
static int agree(const struct contract *kept, struct ArrowSchema *declared, const struct engine_found *found,
                 struct ArrowSchema *ret, struct ca_error *err)
{
    struct contract_handshake h;
    CA_TRY(contract_handshake(kept, declared, found->found, format_of(found->format), &h, err));
    int rc = h.is_refused ? catalog_kept_differ(kept, found, &h, err) : CA_OK;
    if (rc == CA_OK && !h.is_equal) {
        *ret = *declared;
        declared->release = NULL;
    }
    contract_handshake_done(&h);
    return rc;
}

static bool is_same(const struct contract *kept, const struct ArrowSchema *found)
{
    char before[FINGERPRINT_HEX_SIZE];
    char now[FINGERPRINT_HEX_SIZE];
    return contract_schema_fingerprint(kept, before, NULL) == CA_OK &&
           rows_schema_fingerprint(found, now, NULL) == CA_OK && strcmp(before, now) == 0;
}

/* As a later session, started elsewhere, finds it; NULL: several. */
static char *location_of(const char *source)
{
    if (strstr(source, ", "))
        return NULL;
    bool is_relative = !strstr(source, "://") && !g_path_is_absolute(source);
    return is_relative ? g_canonicalize_filename(source, NULL) : g_strdup(source);
}

/* The contract of what the table has from now on. */
static int keep(struct catalog *c, const struct kept *k, const struct engine_found *found, bool replaces,
                struct ca_error *err)
{
    struct ArrowSchema declared = {0};
    bool is_new = !k->contract || (replaces && !is_same(k->contract, found->found));
    g_autofree char *location = location_of(found->source);
    char *text = NULL;
    if (!is_new)
        CA_TRY(contract_schema(k->contract, &declared, err));
    const struct contract_inferred table = {
        .name = found->name,
        .version = (k->contract ? k->contract->version : 0) + is_new,
        .format = format_of(found->format),
        .location = location,
        .schema = is_new ? found->found : &declared,
        .option_keys = found->option_keys,
        .option_values = found->option_values,
        .n_options = found->n_options,
    };
    int rc = contract_inferred_render(&table, &text, err);
    if (declared.release)
        declared.release(&declared);
    CA_TRY(rc);
    if (g_strcmp0(text, k->text) != 0)
        note(c, found->name, g_strdup(text));
    free(text);
    return CA_OK;
}

int catalog_inferred(void *data, const struct engine_found *found, bool replaces, struct ArrowSchema *ret,
                     struct ca_error *err)
{
    struct catalog *c = data;
    struct kept k = {0};
    struct ArrowSchema declared = {0};
    if (!c->keeper)
        return CA_OK;
    int rc = c->keeper(c->keeper_data, found->name, take_kept, &k, err);
    if (rc == CA_OK && k.contract && !replaces) {
        rc = contract_schema(k.contract, &declared, err);
        if (rc == CA_OK)
            rc = agree(k.contract, &declared, found, ret, err);
        if (declared.release)
            declared.release(&declared);
    }
    if (rc == CA_OK)
        rc = keep(c, &k, found, replaces, err);
    if (rc != CA_OK && ret->release)
        ret->release(ret);
    kept_done(&k);
    return rc;
}

/* ---- dropping --------------------------------------------------------------------------------------------------- */

static int is_there(void *data, const struct catalog_kept *kept, struct ca_error *err)
{
    (void)kept;
    (void)err;
    *(bool *)data = true;
    return CA_OK;
}

bool catalog_dropped(void *data, const char *table)
{
    struct catalog *c = data;
    bool is_kept = false;
    if (!c->keeper || c->keeper(c->keeper_data, table, is_there, &is_kept, NULL) != CA_OK || !is_kept)
        return false;
    note(c, table, NULL);
    return true;
}

/* ---- tables in memory ------------------------------------------------------------------------------------------- */

/* Their columns are those of a contract that nobody keeps. */
static int made_ddl(const struct engine_found *made, char **ret, struct ca_error *err)
{
    CA_AUTOFREE char *text = NULL;
    CA_AUTOPTR(contract) contract = NULL;
    const struct contract_inferred table = {
        .name = made->name,
        .version = 1,
        .format = made->format,
        .schema = made->found,
        .option_keys = made->option_keys,
        .option_values = made->option_values,
        .n_options = made->n_options,
    };
    CA_TRY(contract_inferred_render(&table, &text, err));
    CA_TRY(contract_inferred_parse(text, strlen(text), made->name, &contract, err));
    return contract_ddl(contract, /* sql= */ NULL, /* location= */ NULL, ret, err);
}

void catalog_made(void *data, const struct engine_found *made, engine_text_fn sink, void *sink_data)
{
    CA_AUTOFREE char *ddl = NULL;
    struct ca_error no_words = {0};
    (void)data;
    if (made_ddl(made, &ddl, &no_words) == CA_OK)
        sink(sink_data, ddl, strlen(ddl));
}
