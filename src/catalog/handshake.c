/* catalog/handshake.c — the columns of files and streams, before their first row is read (B10). */
#include "contract/handshake.h"

#include <string.h>

#include "catalog/state.h"

/* A run says once what it met, however many plans met it again. */
static bool is_news(struct catalog *c, const struct engine_found *f, const struct contract_handshake *h)
{
    g_mutex_lock(&c->lock);
    bool is_new = g_hash_table_add(c->handshakes, g_strdup_printf("%s %s", f->name, h->found));
    g_mutex_unlock(&c->lock);
    return is_new;
}

/* A table of the session's own, which a statement may have named in full. */
static const char *own_name(const char *name)
{
    static const char *const prefixes[] = {CATALOG_NAME ".", CATALOG_LOADED_SCHEMA "."};
    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(name, prefixes[i]))
            name += strlen(prefixes[i]);
    return name;
}

static void record(struct catalog *c, const struct catalog_name *n, const struct engine_found *f,
                   const struct contract_handshake *h)
{
    if (!is_news(c, f, h))
        return;
    g_autofree char *text = contract_handshake_text(h);
    const char *verdict = h->is_refused ? "refused" : h->is_equal ? "equal" : "compatible";
    g_autofree char *detail = h->is_equal ? g_strdup(verdict) : g_strconcat(verdict, ": ", text, NULL);
    catalog_event(c, "handshake", n ? n->schema : CATALOG_LOADED_SCHEMA, n ? n->name : own_name(f->name), detail);
    if (!c->diag || !n)
        return;
    diag_handshake(c->diag, n->schema, n->name, "file", h->expected, h->found, verdict, h->is_equal ? NULL : text);
    for (size_t i = 0; i < h->findings.n && !h->is_refused; i++) {
        const struct rows_finding *x = &h->findings.items[i];
        if (h->answers[i] == CONTRACT_READ_CAST)
            diag_cast(c->diag, n->schema, n->name, x->path, x->found, x->expected);
    }
}

int catalog_handshake(void *data, const struct engine_found *found, struct ca_error *err)
{
    struct catalog *c = data;
    /* SQL names its own tables as it likes; a table of ours is "schema.table". */
    const char *dot = strchr(found->name, '.');
    g_autofree char *schema = g_strndup(found->name, dot ? (gsize)(dot - found->name) : 0);
    struct catalog_name *n = NULL;
    if (dot && catalog_name_named(c, schema, dot + 1, &n, NULL) != CA_OK)
        n = NULL;
    const struct contract *contract = NULL;
    if (n)
        CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    struct contract_handshake h;
    CA_TRY(contract_handshake(contract, found->expected, found->found, found->format, &h, err));
    record(c, n, found, &h);
    int rc = CA_OK;
    if (h.is_refused && n && !n->dataset->bundle) {
        rc = catalog_kept_differ(contract, found, &h, err);
    } else if (h.is_refused) {
        g_autofree char *text = contract_handshake_text(&h);
        rc = ca_fail(err, CA_ERR_DRIFT, "file '%s' does not fit what is declared: %s", found->source, text);
    }
    contract_handshake_done(&h);
    return rc;
}
