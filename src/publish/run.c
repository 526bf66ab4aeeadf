/* publish/run.c — see the header. */
#include "publish/run.h"

#include <glib.h>
#include <string.h>

#include "base/file.h"
#include "base/fingerprint.h"
#include "base/time.h"
#include "contract/contract.h"

void run_name(char **ret_id, char **ret_started_at)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *when = g_date_time_format(now, "%Y%m%dT%H%M%SZ");
    *ret_started_at = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    *ret_id = g_strdup_printf("%s-%08x", when, g_random_int());
}

int run_read(const struct store *s, const char *run_id, struct manifest *ret, struct ca_error *err)
{
    g_autofree char *json = NULL;
    struct manifest m = {0};
    CA_TRY(store_manifest_read(s, run_id, &json, err));
    CA_TRY_CTX(manifest_parse(&m, json, err), err, "read the manifest of run '%s'", run_id);
    if (strcmp(manifest_run_id(&m), run_id) != 0) {
        int rc =
            ca_fail(err, CA_ERR_DRIFT, "the manifest of run '%s' is that of run '%s'", run_id, manifest_run_id(&m));
        manifest_done(&m);
        return rc;
    }
    *ret = m;
    return CA_OK;
}

/* ---- which run was visible when ---------------------------------------------------------------------------------- */

static const char *manifest_text(const struct manifest *m, const char *key)
{
    return json_string_value(json_object_get(m->root, key));
}

static int published_us(const struct manifest *m, int64_t *ret, struct ca_error *err)
{
    const char *text = manifest_text(m, "published_at");
    if (!text || time_parse_us(text, ret, NULL) != CA_OK)
        return ca_fail(err, CA_ERR_DRIFT, "the manifest of run '%s' does not say when it was published",
                       manifest_run_id(m));
    return CA_OK;
}

/* Whether a run is still there; builds remove old ones. */
static bool is_kept(const struct store *s, const char *run_id)
{
    g_autofree char *json = NULL;
    return store_manifest_read(s, run_id, &json, NULL) == CA_OK;
}

int run_at(const struct store *s, const char *time, char **ret_run_id, struct ca_error *err)
{
    int64_t wanted_us = 0;
    CA_TRY(time_parse_us(time, &wanted_us, err));
    g_autofree char *run = NULL;
    CA_TRY(store_published(s, &run, err));
    if (!run)
        return ca_fail(err, CA_ERR_NOT_FOUND, "nothing is published in store '%s'", store_path(s));
    for (;;) {
        struct manifest m = {0};
        int64_t us = 0;
        CA_TRY(run_read(s, run, &m, err));
        int rc = published_us(&m, &us, err);
        if (rc != CA_OK || us <= wanted_us) {
            manifest_done(&m);
            if (rc == CA_OK)
                *ret_run_id = g_steal_pointer(&run);
            return rc;
        }
        const char *previous = manifest_text(&m, "previous_run");
        if (!previous || !is_kept(s, previous)) {
            rc = ca_fail(err, CA_ERR_NOT_FOUND,
                         "store '%s' has no run of '%s' or before: the oldest is '%s', published at %s", store_path(s),
                         time, run, manifest_text(&m, "published_at"));
            manifest_done(&m);
            return rc;
        }
        g_free(run);
        run = g_strdup(previous);
        manifest_done(&m);
    }
}

/* ---- publishing -------------------------------------------------------------------------------------------------- */

int run_add_dataset(struct manifest *m, const struct store *s, struct catalog *c, const struct run_dataset *d,
                    struct ca_error *err)
{
    const struct contract *contract = NULL;
    CA_TRY(catalog_contract(c, d->schema, d->name, &contract, err));
    g_autofree char *ddl_fingerprint = NULL;
    CA_TRY(catalog_ddl_fingerprint(c, d->schema, d->name, &ddl_fingerprint, err));
    char schema_fingerprint[FINGERPRINT_HEX_SIZE];
    char contract_hex[FINGERPRINT_HEX_SIZE];
    CA_TRY(contract_schema_fingerprint(contract, schema_fingerprint, err));
    contract_fingerprint(contract, contract_hex);
    struct manifest_dataset entry = {
        .schema = d->schema,
        .name = d->name,
        .contract_version = (int)contract->version,
        .contract_fingerprint = contract_hex,
        .schema_fingerprint = schema_fingerprint,
        .ddl_fingerprint = ddl_fingerprint,
        .plan_fingerprint = d->plan_fingerprint,
        .reads = d->reads,
        .location = d->location + strlen(store_path(s)) + 1,
        .made_by = d->made_by,
        .data_version = d->data_version,
        .n_rows = d->extent.n_rows,
        .n_files = d->extent.n_files,
        .n_bytes = d->extent.n_bytes,
        .files_digest = d->proof.files_digest[0] ? d->proof.files_digest : NULL,
    };
    memcpy(entry.proofs, d->proof.methods, sizeof entry.proofs);
    return manifest_put_dataset(m, &entry, err);
}

/* Every view with the fingerprint of its SQL. */
static int set_views(struct manifest *m, struct catalog *c, struct ca_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < catalog_n_entries(c); i++) {
        struct catalog_entry entry = catalog_entry_at(c, i);
        if (!entry.nested_in && strcmp(entry.kind, "view") != 0)
            continue;
        const char *sql = NULL;
        int rc = catalog_sql(c, entry.schema, entry.name, &sql, err);
        if (rc != CA_OK) {
            json_decref(list);
            return rc;
        }
        char hex[FINGERPRINT_HEX_SIZE];
        fingerprint_of(sql, strlen(sql), hex);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s}", "schema", entry.schema, "name", entry.name, "sql_fingerprint", hex));
    }
    return manifest_set(m, "views", list, err);
}

static int write_snapshot(const struct store *s, struct catalog *c, struct ca_error *err)
{
    size_t n_bytes = 0;
    const void *snapshot = g_bytes_get_data(catalog_snapshot(c), &n_bytes);
    g_autofree char *path = store_snapshot_path(s, catalog_fingerprint(c));
    return file_write_atomic(path, snapshot, n_bytes, err);
}

int run_publish(struct store *s, struct catalog *c, struct manifest *m, char **ret_previous, struct ca_error *err)
{
    g_autofree char *previous = NULL;
    CA_TRY(store_published(s, &previous, err));
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *published_at = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");
    CA_TRY(set_views(m, c, err));
    CA_TRY(manifest_set(m, "catalog_fingerprint", json_string(catalog_fingerprint(c)), err));
    CA_TRY(manifest_set(m, "previous_run", previous ? json_string(previous) : json_null(), err));
    CA_TRY(manifest_set(m, "published_at", json_string(published_at), err));
    CA_TRY(write_snapshot(s, c, err));
    g_autofree char *json = manifest_render(m);
    CA_TRY(store_publish(s, manifest_run_id(m), json, err));
    *ret_previous = g_steal_pointer(&previous);
    return CA_OK;
}

/* ---- what SQL wrote ---------------------------------------------------------------------------------------------- */

static void append_text(GString *sql, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "'", -1);
    g_autofree char *quoted = g_strjoinv("''", parts);
    g_string_append_printf(sql, "'%s'", quoted);
}

/* A row of diagnostics.writes for each change. They are written as every other row is: the statement stands on the
 * version that the session reads, and the table is one more change. */
static int record_writes(struct catalog *c, const char *run_id, struct ca_error *err)
{
    g_autoptr(GString) sql =
        g_string_new("INSERT INTO " CATALOG_NAME ".diagnostics.writes (run_id, sequence, schema_name, dataset_name, "
                     "data_version, n_rows, n_files, n_bytes) VALUES ");
    struct catalog_change change;
    for (size_t i = 0; catalog_change_at(c, i, &change); i++) {
        struct engine_extent added;
        CA_TRY(
            engine_delta_extent(catalog_engine(c), change.location, change.version, change.before, NULL, &added, err));
        g_string_append(sql, i ? ", (" : "(");
        append_text(sql, run_id);
        g_string_append_printf(sql, ", %zu, ", i);
        append_text(sql, change.schema);
        g_string_append(sql, ", ");
        append_text(sql, change.name);
        g_string_append_printf(
            sql, ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ")",
            change.version, added.n_rows, added.n_files, added.n_bytes);
    }
    int64_t n_rows = 0;
    return engine_query_int(catalog_engine(c), sql->str, &n_rows, err);
}

static void take_digest(void *data, const char *files, size_t n_bytes)
{
    fingerprint_of(files, n_bytes, data);
}

/* The gate saw what came in: nothing is known of the rows that somebody else put under it. */
static int change_proof(struct catalog *c, const struct catalog_change *change, struct catalog_proof *ret,
                        struct ca_error *err)
{
    char found[FINGERPRINT_HEX_SIZE] = "";
    struct engine *e = catalog_engine(c);
    *ret = change->proof;
    CA_TRY(engine_delta_files(e, change->location, change->version, take_digest, ret->files_digest, err));
    if (change->before >= 0)
        CA_TRY(engine_delta_files(e, change->location, change->before, take_digest, found, err));
    if (change->before >= 0 && strcmp(found, change->digest_before) != 0)
        memset(ret->methods, 0, sizeof ret->methods);
    return CA_OK;
}

/* The entry of a changed dataset. Its rows are no longer those of a plan. */
static int add_change(const struct store *s, struct catalog *c, const struct catalog_change *change, struct manifest *m,
                      struct ca_error *err)
{
    struct manifest_dataset known;
    struct run_dataset d = {
        .schema = change->schema,
        .name = change->name,
        .location = change->location,
        .made_by = manifest_dataset(m, change->schema, change->name, &known) ? known.made_by : "sql",
        .data_version = change->version,
    };
    CA_TRY(engine_delta_extent(catalog_engine(c), d.location, d.data_version, -1, &d.extent, NULL, err));
    CA_TRY(change_proof(c, change, &d.proof, err));
    return run_add_dataset(m, s, c, &d, err);
}

static int changes_manifest(const struct store *s, struct catalog *c, const struct manifest *before, int64_t started_us,
                            struct manifest *m, struct ca_error *err)
{
    g_autofree char *run_id = NULL;
    g_autofree char *started_at = NULL;
    run_name(&run_id, &started_at);
    m->root = json_deep_copy(before->root);
    CA_TRY(manifest_set(m, "run_id", json_string(run_id), err));
    CA_TRY(manifest_set(m, "started_at", json_string(started_at), err));
    CA_TRY(manifest_set(m, "made_by", json_string("sql"), err));
    CA_TRY_CTX(record_writes(c, run_id, err), err, "record what was written");
    struct catalog_change change;
    for (size_t i = 0; catalog_change_at(c, i, &change); i++)
        CA_TRY(add_change(s, c, &change, m, err));
    return manifest_set(m, "elapsed_ns", json_integer((g_get_monotonic_time() - started_us) * 1000), err);
}

/* Pinning takes a change out of the list. */
static int pin_changes(struct catalog *c, const struct manifest *m, struct ca_error *err)
{
    struct catalog_change change;
    while (catalog_change_at(c, 0, &change)) {
        struct manifest_dataset d = {0};
        manifest_dataset(m, change.schema, change.name, &d);
        struct catalog_pin pin = {.location = change.location, .version = change.version, .n_rows = d.n_rows};
        pin.proof = manifest_proof(&d);
        CA_TRY(catalog_pin(c, change.schema, change.name, &pin, err));
        CA_TRY(catalog_set_plan(c, change.schema, change.name, d.plan_fingerprint, d.reads, err));
    }
    return CA_OK;
}

int run_publish_changes(struct store *s, struct catalog *c, struct manifest *m, int64_t started_us,
                        struct ca_error *err)
{
    struct catalog_change first;
    if (!catalog_change_at(c, 0, &first))
        return CA_OK;
    struct manifest next = {0};
    g_autofree char *previous = NULL;
    int rc = changes_manifest(s, c, m, started_us, &next, err);
    if (rc == CA_OK)
        rc = run_publish(s, c, &next, &previous, err);
    if (rc != CA_OK) {
        manifest_done(&next);
        catalog_forget_changes(c);
        return ca_fail_context(err, rc, "publish what the statement wrote");
    }
    manifest_done(m);
    *m = next;
    return pin_changes(c, m, err);
}
