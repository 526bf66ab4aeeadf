/* publish/manifest.c — jansson behind publish/manifest.h. */
#include "publish/manifest.h"

#include <glib.h>
#include <string.h>

static int no_memory(struct ca_error *err)
{
    return ca_fail(err, CA_ERR_RESOURCES, "no memory for the manifest");
}

int manifest_init(struct manifest *m, const char *run_id, const char *started_at, struct ca_error *err)
{
    m->root = json_pack("{s:i, s:s, s:s, s:[]}", "manifest_version", 1, "run_id", run_id, "started_at", started_at,
                        "datasets");
    return m->root ? CA_OK : no_memory(err);
}

int manifest_parse(struct manifest *m, const char *json, struct ca_error *err)
{
    json_error_t where;
    m->root = json_loads(json, JSON_REJECT_DUPLICATES, &where);
    if (!m->root)
        return ca_fail(err, CA_ERR_SYNTAX, "the manifest is not JSON: line %d column %d: %s", where.line, where.column,
                       where.text);
    if (!json_is_string(json_object_get(m->root, "run_id")) || !json_is_array(json_object_get(m->root, "datasets"))) {
        manifest_done(m);
        return ca_fail(err, CA_ERR_DRIFT, "the manifest has no run_id or no datasets");
    }
    return CA_OK;
}

void manifest_done(struct manifest *m)
{
    json_decref(m->root);
    m->root = NULL;
}

int manifest_set(struct manifest *m, const char *key, json_t *value, struct ca_error *err)
{
    if (!value || json_object_set_new(m->root, key, value) != 0)
        return no_memory(err);
    return CA_OK;
}

int manifest_set_text(struct manifest *m, const char *key, const char *json, struct ca_error *err)
{
    json_error_t where;
    json_t *value = json_loads(json, JSON_DECODE_ANY, &where);
    if (!value)
        return ca_fail(err, CA_ERR_BUG, "manifest key '%s' is not JSON: %s", key, where.text);
    return manifest_set(m, key, value, err);
}

static json_t *string_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static const char *text_of(const json_t *entry, const char *key)
{
    return json_string_value(json_object_get(entry, key));
}

/* The place of a dataset in the list; past its end when it is not there. */
static size_t index_of(const struct manifest *m, const char *schema, const char *name)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(m->root, "datasets"), i, entry)
    {
        if (g_strcmp0(text_of(entry, "schema"), schema) == 0 && g_strcmp0(text_of(entry, "name"), name) == 0)
            break;
    }
    return i;
}

int manifest_put_dataset(struct manifest *m, const struct manifest_dataset *d, struct ca_error *err)
{
    json_t *proofs = json_object();
    for (int k = 0; k < CATALOG_N_FACT_KINDS; k++)
        json_object_set_new(proofs, catalog_fact_kind_name((enum catalog_fact_kind)k), string_or_null(d->proofs[k]));
    json_t *entry =
        json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "schema",
                  d->schema, "name", d->name, "contract_version", d->contract_version, "contract_fingerprint",
                  d->contract_fingerprint, "schema_fingerprint", d->schema_fingerprint, "ddl_fingerprint",
                  d->ddl_fingerprint, "plan_fingerprint", string_or_null(d->plan_fingerprint), "reads",
                  string_or_null(d->reads), "location", d->location, "made_by", d->made_by, "data_version",
                  (json_int_t)d->data_version, "n_rows", (json_int_t)d->n_rows, "n_files", (json_int_t)d->n_files,
                  "n_bytes", (json_int_t)d->n_bytes, "files_digest", string_or_null(d->files_digest), "proofs", proofs);
    json_t *datasets = json_object_get(m->root, "datasets");
    size_t at = index_of(m, d->schema, d->name);
    int failed = !entry                           ? -1
                 : at < json_array_size(datasets) ? json_array_set_new(datasets, at, entry)
                                                  : json_array_append_new(datasets, entry);
    return failed ? no_memory(err) : CA_OK;
}

static int64_t int_of(const json_t *entry, const char *key)
{
    return json_integer_value(json_object_get(entry, key));
}

/* Without a version a reader would take another one than the run's. */
static bool is_version(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

bool manifest_dataset_of(const json_t *entry, struct manifest_dataset *ret)
{
    *ret = (struct manifest_dataset){
        .schema = text_of(entry, "schema"),
        .name = text_of(entry, "name"),
        .contract_version = (int)int_of(entry, "contract_version"),
        .contract_fingerprint = text_of(entry, "contract_fingerprint"),
        .schema_fingerprint = text_of(entry, "schema_fingerprint"),
        .ddl_fingerprint = text_of(entry, "ddl_fingerprint"),
        .plan_fingerprint = text_of(entry, "plan_fingerprint"),
        .reads = text_of(entry, "reads"),
        .location = text_of(entry, "location"),
        .made_by = text_of(entry, "made_by"),
        .data_version = int_of(entry, "data_version"),
        .n_rows = int_of(entry, "n_rows"),
        .n_files = int_of(entry, "n_files"),
        .n_bytes = int_of(entry, "n_bytes"),
        .files_digest = text_of(entry, "files_digest"),
    };
    const json_t *proofs = json_object_get(entry, "proofs");
    for (int k = 0; k < CATALOG_N_FACT_KINDS; k++)
        ret->proofs[k] = text_of(proofs, catalog_fact_kind_name((enum catalog_fact_kind)k));
    return ret->schema && ret->name && ret->location && ret->made_by &&
           is_version(json_object_get(entry, "data_version"));
}

struct catalog_proof manifest_proof(const struct manifest_dataset *d)
{
    struct catalog_proof proof = {0};
    g_strlcpy(proof.files_digest, d->files_digest ? d->files_digest : "", sizeof proof.files_digest);
    for (int k = 0; d->files_digest && k < CATALOG_N_FACT_KINDS; k++)
        proof.methods[k] = catalog_method(d->proofs[k]);
    return proof;
}

bool manifest_dataset(const struct manifest *m, const char *schema, const char *name, struct manifest_dataset *ret)
{
    const json_t *entry = json_array_get(json_object_get(m->root, "datasets"), index_of(m, schema, name));
    return entry && manifest_dataset_of(entry, ret);
}

const char *manifest_run_id(const struct manifest *m)
{
    return text_of(m->root, "run_id");
}

char *manifest_render(const struct manifest *m)
{
    char *text = json_dumps(m->root, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    char *owned = g_strconcat(text ? text : "{}", "\n", NULL);
    free(text);
    return owned;
}
