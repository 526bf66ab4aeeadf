/* catalog/check.c — the catalog holds what it declares, and data holds what its contract says. */
#include <string.h>

#include "catalog/state.h"
#include "rows/rows.h"

/* ---- every view and model against its declared schema (B5) ------------------------------------------------------- */

/* Names, order and types of what the SQL yields; NOT NULL is the gate's business, so it is not compared here. */
static int check_sql_schema(struct catalog *c, struct catalog_name *n, const char *sql, struct ca_error *err)
{
    struct ArrowSchema declared = {0};
    struct ArrowSchema planned = {0};
    CA_TRY(catalog_declared_schema(c, n->schema, n->name, &declared, err));
    int rc = engine_query_schema(c->engine, sql, &planned, err);
    if (rc == CA_OK) {
        static const struct rows_compare_options options = {.ignore_nullability = true};
        rc = rows_schema_check(&declared, &planned, &options, err);
        if (rc != CA_OK)
            rc = ca_fail_context(err, rc, "'%s' does not yield what its contract declares", n->key);
        planned.release(&planned);
    }
    declared.release(&declared);
    return rc;
}

/* Types meet each other in the optimizer, so it runs too. */
static int plan(struct catalog *c, const char *sql, struct ca_error *err)
{
    return engine_query_plan(c->engine, sql, &(struct engine_plan){.is_optimized = true}, err);
}

/* Checks run when rows are there; that they can run is known before. The engine counts lines and columns of what it is
 * given, so a check stands there where it stands in its file: a quoted one begins behind its quote. */
static int plan_checks(struct catalog *c, const struct catalog_name *n, const struct contract *contract,
                       const struct contract_pairs *checks, struct ca_error *err)
{
    g_autoptr(GString) all = g_string_new("SELECT 1");
    for (size_t i = 0; i < checks->n; i++)
        g_string_append_printf(all, ", (%s) IS FALSE AS \"%s\"", checks->items[i].value, checks->items[i].key);
    g_string_append_printf(all, " FROM \"%s\".\"%s\"", n->schema, n->name);
    if (plan(c, all->str, NULL) == CA_OK)
        return CA_OK;
    for (size_t i = 0; i < checks->n; i++) {
        const struct contract_pair *check = &checks->items[i];
        g_autoptr(GString) sql = g_string_new("SELECT (");
        for (int line = 1; line < check->line; line++)
            g_string_append_c(sql, '\n');
        g_string_append_printf(sql, "%*s%s\n) IS FALSE FROM \"%s\".\"%s\"", check->column, "", check->value, n->schema,
                               n->name);
        CA_TRY_CTX(plan(c, sql->str, err), err, "%s:%d:%d: check '%s' of '%s'", contract->source, check->line,
                   check->column, check->key, n->key);
    }
    return plan(c, all->str, err);
}

/* A check is asked of each row by itself: what looks at others is found by the gate's own planner. */
static int check_checks(struct catalog *c, const struct catalog_name *n, const struct contract *contract,
                        const struct contract_pairs *checks, struct ca_error *err)
{
    struct ArrowSchema declared = {0};
    if (checks->n == 0)
        return CA_OK;
    CA_TRY(plan_checks(c, n, contract, checks, err));
    CA_TRY(catalog_declared_schema(c, n->schema, n->name, &declared, err));
    int rc = CA_OK;
    for (size_t i = 0; i < checks->n && rc == CA_OK; i++) {
        const struct contract_pair *pair = &checks->items[i];
        const struct engine_check check = {.name = pair->key, .sql = pair->value};
        rc = engine_checks_plan(c->engine, &declared, &check, 1, err);
        if (rc != CA_OK)
            rc = ca_fail_context(err, rc, "%s:%d:%d: '%s': a check sees one row at a time, and no table",
                                 contract->source, pair->line, pair->column, n->key);
    }
    declared.release(&declared);
    return rc;
}

static int check_name(struct catalog *c, struct catalog_name *n, struct ca_error *err)
{
    const char *sql = NULL;
    CA_TRY(catalog_name_sql(c, n, &sql, err));
    const struct contract *contract = NULL;
    CA_TRY(catalog_dataset_contract(c, n->dataset, &contract, err));
    if (sql)
        CA_TRY_CTX(check_sql_schema(c, n, sql, err), err, "check the SQL of '%s'", n->key);
    CA_TRY(check_checks(c, n, contract,
                        n->is_nested ? &contract_view_named(contract, n->name)->checks : &contract->checks, err));
    if (c->diag) {
        g_autofree char *ddl_fingerprint = NULL;
        char hex[FINGERPRINT_HEX_SIZE];
        CA_TRY(catalog_ddl_fingerprint(c, n->schema, n->name, &ddl_fingerprint, err));
        contract_fingerprint(contract, hex);
        if (sql && (n->is_nested || n->dataset->entry->kind == CONTRACT_VIEW))
            diag_view_registration(c->diag, n->schema, n->name, sql, hex);
        else
            diag_registration(c->diag, n->schema, n->name, contract_kind_name(n->dataset->entry->kind), hex);
        diag_ddl_fingerprint(c->diag, n->schema, n->name, ddl_fingerprint);
    }
    return CA_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

int catalog_check_names(struct catalog *c, const struct catalog_index *known, struct ca_error *err)
{
    CA_TRY(catalog_check_complete(c, err));
    const GPtrArray *names = catalog_names(c);
    for (guint i = 0; i < names->len; i++) {
        struct catalog_name *n = names->pdata[i];
        if (!known || !catalog_index_declared(known, n->schema, n->name))
            CA_TRY(check_name(c, n, err));
    }
    return catalog_check_agreement(c, known, err);
}

int catalog_check(struct catalog *c, struct ca_error *err)
{
    return catalog_check_names(c, /* known= */ NULL, err);
}

/* ---- proofs ------------------------------------------------------------------------------------------------------ */

static void append_names(GString *sql, const struct contract_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        g_string_append_printf(sql, "%s\"%s\"", i ? ", " : "", names->items[i]);
}

/* Of a unique key a null is no duplicate; those of the primary key are NOT NULL. */
static int prove_key(struct catalog *c, const struct catalog_name *n, const char *what,
                     const struct contract_names *key, struct ca_error *err)
{
    g_autoptr(GString) columns = g_string_new(NULL);
    g_autoptr(GString) is_there = g_string_new("true");
    append_names(columns, key);
    for (size_t i = 0; i < key->n; i++)
        g_string_append_printf(is_there, " AND \"%s\" IS NOT NULL", key->items[i]);
    g_autofree char *sql =
        g_strdup_printf("SELECT count(*) FROM (SELECT 1 FROM \"%s\".\"%s\" WHERE %s GROUP BY %s HAVING count(*) > 1)",
                        n->schema, n->name, is_there->str, columns->str);
    int64_t n_duplicates = 0;
    CA_TRY(engine_query_int(c->engine, sql, &n_duplicates, err));
    if (n_duplicates > 0)
        return ca_fail(err, CA_ERR_CONTRACT, "'%s': the %s key (%s) is not unique: %" G_GINT64_FORMAT " values repeat",
                       n->key, what, columns->str, n_duplicates);
    return CA_OK;
}

int catalog_prove_keys(struct catalog *c, const char *schema, const char *name, struct ca_error *err)
{
    const struct contract *contract = NULL;
    CA_TRY(catalog_contract(c, schema, name, &contract, err));
    struct catalog_name *n = catalog_name_find(c, schema, name);
    g_mutex_lock(&c->lock);
    if (!n->dataset->location) /* rows that were just set, in the place of others */
        n->dataset->proof = (struct catalog_proof){0};
    const struct catalog_proof proof = n->dataset->proof;
    g_mutex_unlock(&c->lock);
    if (!proof.methods[CATALOG_PRIMARY_KEY] && contract->primary.n > 0)
        CA_TRY(prove_key(c, n, "primary", &contract->primary, err));
    for (size_t i = 0; !proof.methods[CATALOG_UNIQUE] && i < contract->n_unique; i++)
        CA_TRY(prove_key(c, n, "unique", &contract->unique[i], err));
    g_mutex_lock(&c->lock);
    for (int kind = CATALOG_PRIMARY_KEY; kind <= CATALOG_UNIQUE; kind++)
        if (!n->dataset->proof.methods[kind])
            n->dataset->proof.methods[kind] = catalog_method("scan");
    g_mutex_unlock(&c->lock);
    return CA_OK;
}
