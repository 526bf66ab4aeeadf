/* build/carry.c — see the header. */
#include "build/carry.h"

#include <glib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "contract/bundle.h"
#include "publish/run.h"

/* previous   manifest of the run before; root NULL: there is none
 * names      "schema.name" of the datasets whose rows are taken over
 * kept       those of them whose version stays: struct manifest_dataset, borrowed from `previous` */
struct carry {
    struct manifest previous;
    GHashTable *names;
    GArray *kept;
};

void carry_free(struct carry *c)
{
    if (!c)
        return;
    manifest_done(&c->previous);
    g_hash_table_unref(c->names);
    g_array_unref(c->kept);
    g_free(c);
}

bool carry_has(const struct carry *c, const char *schema, const char *name)
{
    g_autofree char *key = g_strconcat(schema, ".", name, NULL);
    return c && g_hash_table_contains(c->names, key);
}

int carry_add(const struct carry *c, struct manifest *m, struct ca_error *err)
{
    for (guint i = 0; i < c->kept->len; i++)
        CA_TRY(manifest_put_dataset(m, &g_array_index(c->kept, struct manifest_dataset, i), err));
    return CA_OK;
}

/* ---- other columns ----------------------------------------------------------------------------------------------- */

enum { SNAPSHOT_MAX_BYTES = 64 << 20 };

/* The first difference between the columns that the rows were written under and those declared now, NULL: not known. */
static char *column_difference(const struct store *s, const struct carry *c, const struct manifest_dataset *d,
                               const struct contract *now)
{
    CA_AUTOFREE char *json = NULL;
    size_t n_bytes = 0;
    CA_AUTOPTR(contract_bundle) applied = NULL;
    const struct contract *then = NULL;
    const char *fingerprint = json_string_value(json_object_get(c->previous.root, "catalog_fingerprint"));
    g_autofree char *path = store_snapshot_path(s, fingerprint ? fingerprint : "");
    if (file_read_bounded(path, SNAPSHOT_MAX_BYTES, &json, &n_bytes, NULL) != CA_OK ||
        contract_bundle_open(json, n_bytes, fingerprint, &applied, NULL) != CA_OK)
        return NULL;
    int64_t at = contract_bundle_find(applied, d->schema, d->name);
    if (at < 0 || contract_bundle_contract(applied, (size_t)at, &then, NULL) != CA_OK)
        return NULL;
    struct contract_differences differences = {0};
    char *text = NULL;
    contract_compare(then, now, &differences);
    for (size_t i = 0; i < differences.n && !text; i++) {
        const struct contract_difference *x = &differences.items[i];
        if (x->verdict != CONTRACT_COSMETIC && g_str_has_prefix(x->path, "columns"))
            text = g_strdup_printf("%s: %s, '%s' was '%s'", x->path, x->what, x->after, x->before);
    }
    contract_differences_done(&differences);
    return text;
}

static int refuse_columns(const struct store *s, const struct carry *c, const struct manifest_dataset *d,
                          const struct contract *now, struct ca_error *err)
{
    g_autofree char *difference = column_difference(s, c, d, now);
    return ca_fail(err, CA_ERR_DRIFT,
                   "the store holds rows of '%s.%s' (%" G_GINT64_FORMAT
                   ") that SQL wrote under other columns: %s: keep "
                   "the columns, or delete the rows first",
                   d->schema, d->name, d->n_rows, difference ? difference : "which, is not known");
}

static int refuse_dataset(const struct catalog *c, const struct manifest_dataset *d, struct ca_error *err)
{
    struct catalog_entry entry;
    return ca_fail(err, CA_ERR_REFUSED, "the store holds rows of '%s.%s' that SQL wrote (%" G_GINT64_FORMAT "), and %s",
                   d->schema, d->name, d->n_rows,
                   catalog_find(c, d->schema, d->name, &entry)
                       ? "this build makes others: give that dataset another name, or delete the rows first"
                       : "no contract of this build declares it: add its --datasets, or delete the rows first");
}

/* ---- taking over ------------------------------------------------------------------------------------------------- */

/* Under another contract with these columns: what it says more of its rows is proved by writing them again. */
static int write_again(const struct stage_options *stage, const struct manifest_dataset *d, struct ca_error *err)
{
    g_autofree char *sql = g_strdup_printf("SELECT * FROM \"%s\".\"%s\"", d->schema, d->name);
    return stage_write(stage, d->schema, d->name, sql, NULL, /* plan_fingerprint= */ NULL, err);
}

static int take(struct carry *c, const struct store *s, const struct stage_options *stage,
                const struct manifest_dataset *d, struct ca_error *err)
{
    const struct contract *contract = NULL;
    if (!catalog_is_of_statements(stage->catalog, d->schema, d->name))
        return d->n_rows == 0 ? CA_OK : refuse_dataset(stage->catalog, d, err);
    CA_TRY(catalog_contract(stage->catalog, d->schema, d->name, &contract, err));
    char fingerprint[FINGERPRINT_HEX_SIZE];
    CA_TRY(contract_schema_fingerprint(contract, fingerprint, err));
    if (g_strcmp0(fingerprint, d->schema_fingerprint) != 0)
        return d->n_rows == 0 ? CA_OK : refuse_columns(s, c, d, contract, err);
    g_autofree char *location = g_build_filename(store_path(s), d->location, NULL);
    contract_fingerprint(contract, fingerprint);
    bool is_same_contract = g_strcmp0(fingerprint, d->contract_fingerprint) == 0;
    struct catalog_pin pin = {.location = location, .version = d->data_version, .n_rows = d->n_rows};
    if (is_same_contract)
        pin.proof = manifest_proof(d);
    CA_TRY(catalog_pin(stage->catalog, d->schema, d->name, &pin, err));
    g_hash_table_add(c->names, g_strconcat(d->schema, ".", d->name, NULL));
    if (!is_same_contract)
        return write_again(stage, d, err);
    g_array_append_vals(c->kept, d, 1);
    return CA_OK;
}

static int take_all(struct carry *c, const struct store *s, const struct stage_options *stage, struct ca_error *err)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(c->previous.root, "datasets"), i, entry)
    {
        struct manifest_dataset d;
        if (manifest_dataset_of(entry, &d) && strcmp(d.made_by, "sql") == 0)
            CA_TRY(take(c, s, stage, &d, err));
    }
    return CA_OK;
}

int carry_new(const struct store *s, const struct stage_options *stage, struct carry **ret, struct ca_error *err)
{
    struct carry *c = g_new0(struct carry, 1);
    c->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    c->kept = g_array_new(FALSE, FALSE, sizeof(struct manifest_dataset));
    g_autofree char *run = NULL;
    struct ca_error unreadable = {0};
    int rc = store_published(s, &run, err);
    /* A build mends a store whose manifest is spoilt; what that said of rows is not known any more. */
    if (rc == CA_OK && run && run_read(s, run, &c->previous, &unreadable) != CA_OK)
        log_emit(LOG_WARN, "build", "rows that SQL wrote are not taken over", "reason", unreadable.message, NULL);
    if (rc == CA_OK)
        rc = take_all(c, s, stage, err);
    if (rc != CA_OK) {
        carry_free(c);
        return rc;
    }
    *ret = c;
    return CA_OK;
}
