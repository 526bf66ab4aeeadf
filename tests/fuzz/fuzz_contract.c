/* tests/fuzz/fuzz_contract.c — any bytes as a contract file, or as a bundle of contracts (B1).
 *
 * The first byte chooses: 0xFF a bundle, anything else the stage folder of a contract. A contract that is accepted must
 * give everything that a contract promises: a schema with the fingerprint that was promised, DDL, SQL of its views, and
 * no difference from itself.
 */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codeanatomy/arrow.h"
#include "contract/bundle.h"
#include "contract/contract.h"
#include "rows/rows.h"

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void try_schema(const struct contract *c)
{
    struct ArrowSchema schema = {0};
    struct ca_error err = {0};
    char promised[FINGERPRINT_HEX_SIZE];
    char found[FINGERPRINT_HEX_SIZE];
    expect(contract_schema(c, &schema, &err) == CA_OK, err.message);
    expect(contract_schema_fingerprint(c, promised, &err) == CA_OK, err.message);
    expect(rows_schema_fingerprint(&schema, found, &err) == CA_OK, err.message);
    expect(strcmp(promised, found) == 0, "the schema has another fingerprint than the contract");
    schema.release(&schema);
}

static void try_sql(const struct contract *c)
{
    struct ca_error err = {0};
    char *ddl = NULL;
    if (contract_ddl(c, "SELECT 1", NULL, &ddl, &err) == CA_OK)
        free(ddl);
    for (size_t i = 0; i < c->n_views; i++) {
        struct ArrowSchema schema = {0};
        expect(contract_view_schema(c, &c->views[i], &schema, &err) == CA_OK, err.message);
        schema.release(&schema);
        free(contract_view_sql(c, &c->views[i]));
        free(contract_view_ddl(c, &c->views[i]));
    }
}

static void try_contract(const char *text, size_t n_bytes, enum contract_stage stage)
{
    struct contract *c = NULL;
    struct ca_error err = {0};
    if (contract_parse(text, n_bytes, "fuzz.yaml", stage, &c, &err) != CA_OK) {
        expect(err.message[0] != '\0', "a refusal without words");
        return;
    }
    try_schema(c);
    try_sql(c);
    struct contract_differences none;
    contract_compare(c, c, &none);
    expect(none.n == 0, "a contract differs from itself");
    contract_differences_done(&none);
    char fingerprint[FINGERPRINT_HEX_SIZE];
    contract_fingerprint(c, fingerprint);
    free(contract_lint(c));
    contract_free(c);
}

static void try_bundle(const char *bytes, size_t n_bytes)
{
    struct contract_bundle *b = NULL;
    struct ca_error err = {0};
    if (contract_bundle_open(bytes, n_bytes, NULL, &b, &err) != CA_OK)
        return;
    for (size_t i = 0; i < contract_bundle_n(b); i++) {
        const struct contract *c = NULL;
        if (contract_bundle_contract(b, i, &c, &err) == CA_OK)
            try_schema(c);
    }
    contract_bundle_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return 0;
    g_autofree char *text = g_strndup("", n_bytes);
    memcpy(text, data + 1, n_bytes - 1);
    if (data[0] == 0xFF)
        try_bundle(text, n_bytes - 1);
    else
        try_contract(text, n_bytes - 1, (enum contract_stage)(data[0] % (CONTRACT_STAGE_PARAMS + 1)));
    return 0;
}
