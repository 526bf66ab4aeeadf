/* catalog/write.c — rows of a stored dataset: handshake, gate, and what the gate proved (decision 7). */
#include <string.h>

#include "catalog/state.h"
#include "rows/rows.h"

/* Whose rows are offered, and where the outcome goes. */
struct handshake {
    struct catalog *catalog;
    const struct catalog_write *write;
    const struct ArrowSchema *declared;
    struct catalog_written *ret;
};

/* Compare what is offered with the contract before anything is written: names, order and types must be equal. */
static int write_handshake(void *data, const struct ArrowSchema *offered, struct ca_error *err)
{
    const struct handshake *h = data;
    const struct catalog_write *w = h->write;
    struct catalog_written *ret = h->ret;
    ret->source = w->sql ? "sql" : "stream";
    static const struct rows_compare_options options = {.ignore_nullability = true};
    int rc = rows_schema_check(h->declared, offered, &options, err);
    bool is_refused = rc != CA_OK;
    struct ca_error *ignored = is_refused ? NULL : err;
    if (rows_schema_fingerprint(h->declared, ret->expected, ignored) != CA_OK ||
        rows_schema_fingerprint(offered, ret->found, ignored) != CA_OK)
        rc = is_refused ? rc : CA_ERR_RESOURCES;
    else if (is_refused && h->catalog->diag)
        diag_handshake(h->catalog->diag, w->schema, w->name, ret->source, ret->expected, ret->found, "refused",
                       err->message);
    ret->verdict = strcmp(ret->expected, ret->found) == 0 ? "equal" : "compatible";
    return rc;
}

static void take_digest(void *data, const char *files, size_t n_bytes)
{
    fingerprint_of(files, n_bytes, data);
}

/* What the gate saw of every row that is there now. */
static void prove_written(const struct engine_write *e, const struct contract *contract, struct catalog_written *ret)
{
    const char *method = catalog_method(ret->commit.n_rows == 0 ? "empty" : "gate");
    bool is_empty = ret->commit.n_rows == 0;
    ret->proof.methods[CATALOG_CHECK] = method;
    ret->proof.methods[CATALOG_NOT_NULL] = method;
    ret->proof.methods[CATALOG_ORDER] = ret->commit.is_ordered || is_empty || e->n_order == 0 ? method : NULL;
    ret->proof.methods[CATALOG_PRIMARY_KEY] = ret->commit.is_key_unique || is_empty || e->n_key == 0 ? method : NULL;
    ret->proof.methods[CATALOG_UNIQUE] = is_empty || contract->n_unique == 0 ? method : NULL;
}

static int write_checked(struct catalog *c, const struct catalog_write *w, struct catalog_dataset *d,
                         const struct ArrowSchema *declared, struct catalog_written *ret, struct ca_error *err)
{
    struct handshake handshake = {c, w, declared, ret};
    const struct engine_rules *rules = NULL;
    const struct contract *contract = NULL;
    CA_TRY(catalog_rules(c, d, &rules, err));
    CA_TRY(catalog_dataset_contract(c, d, &contract, err));
    struct engine_write e = *rules->write;
    e.location = w->location;
    e.schema = declared;
    e.mode = w->mode;
    e.buckets = w->buckets;
    e.app_id = w->app_id;
    e.app_version = w->app_version;
    e.offered = write_handshake;
    e.offered_data = &handshake;
    e.files = take_digest;
    e.files_data = ret->proof.files_digest;
    CA_TRY(w->sql ? engine_write_query(c->engine, &e, w->sql, NULL, w->cancel, &ret->commit, err)
                  : engine_write_stream(c->engine, &e, w->stream, w->cancel, &ret->commit, err));
    if (w->mode == ENGINE_OVERWRITE)
        prove_written(&e, contract, ret);
    return CA_OK;
}

int catalog_write(struct catalog *c, const struct catalog_write *write, struct catalog_written *ret,
                  struct ca_error *err)
{
    struct catalog_name *n = NULL;
    const struct contract *contract = NULL;
    struct ArrowSchema declared = {0};
    int rc = catalog_name_required(c, write->schema, write->name, &n, err);
    if (rc == CA_OK)
        rc = catalog_dataset_contract(c, n->dataset, &contract, err);
    if (rc == CA_OK)
        rc = contract_schema(contract, &declared, err);
    if (rc == CA_OK) {
        rc = write_checked(c, write, n->dataset, &declared, ret, err);
        declared.release(&declared);
    }
    if (write->stream && write->stream->release)
        write->stream->release(write->stream);
    return rc == CA_OK ? CA_OK : ca_fail_context(err, rc, "write '%s.%s'", write->schema, write->name);
}
