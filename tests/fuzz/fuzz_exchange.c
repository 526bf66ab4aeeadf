/* tests/fuzz/fuzz_exchange.c — any bytes as a document of ODCS or dbt, and any contract there and back (B1).
 *
 * The first byte chooses the language and the way. What is imported must be a contract that loads as it was written; a
 * contract that is exported must come back with nothing lost and nothing changed.
 */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/exchange.h"

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void count(void *data, const struct contract_loss *loss)
{
    expect(loss->line >= 1 && loss->column >= 1 && loss->reason[0] != '\0', "a loss without place or reason");
    (*(size_t *)data)++;
}

static void expect_equal(const struct contract *a, const struct contract *b)
{
    struct contract_differences d = {0};
    contract_compare(a, b, &d);
    expect(d.n == 0, d.n == 0 ? "" : d.items[0].path);
    contract_differences_done(&d);
    char x[FINGERPRINT_HEX_SIZE];
    char y[FINGERPRINT_HEX_SIZE];
    contract_fingerprint(a, x);
    contract_fingerprint(b, y);
    expect(strcmp(x, y) == 0, "another fingerprint");
}

static void try_import(enum contract_language language, const char *text, size_t n_bytes)
{
    struct contract_imports imports = {0};
    struct ca_error err = {0};
    size_t n_losses = 0;
    if (contract_import(language, text, n_bytes, "fuzz.yml", count, &n_losses, &imports, &err) != CA_OK)
        expect(err.message[0] != '\0' && imports.n == 0, "a refusal without words, or with datasets");
    for (size_t i = 0; i < imports.n; i++) {
        const struct contract_import *item = &imports.items[i];
        struct contract *c = NULL;
        expect(contract_parse(item->yaml, strlen(item->yaml), "written", item->contract->stage, &c, &err) == CA_OK,
               err.message);
        expect_equal(item->contract, c);
        contract_free(c);
    }
    contract_imports_done(&imports);
}

static void try_export(enum contract_language language, enum contract_stage stage, const char *text, size_t n_bytes)
{
    const struct contract_export item = {.yaml = text, .n_bytes = n_bytes, .source = "fuzz.yaml", .stage = stage};
    struct contract *before = NULL;
    struct ca_error err = {0};
    char *document = NULL;
    size_t n_losses = 0;
    if (contract_parse(text, n_bytes, "fuzz.yaml", stage, &before, &err) != CA_OK)
        return;
    expect(contract_export(language, &item, 1, count, &n_losses, &document, &err) == CA_OK, err.message);
    struct contract_imports imports = {0};
    if (contract_import(language, document, strlen(document), "exported", count, &n_losses, &imports, &err) != CA_OK) {
        fprintf(stderr, "%s\n", document);
        expect(false, err.message);
    }
    expect(n_losses == 0 && imports.n == 1, "something is lost on the way");
    expect_equal(before, imports.items[0].contract);
    contract_imports_done(&imports);
    contract_free(before);
    free(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return 0;
    g_autofree char *text = g_strndup("", n_bytes);
    memcpy(text, data + 1, n_bytes - 1);
    const enum contract_language language = (data[0] & 0x80) != 0 ? CONTRACT_ODCS : CONTRACT_DBT;
    if ((data[0] & 0x40) != 0)
        try_import(language, text, n_bytes - 1);
    else
        try_export(language, (enum contract_stage)(data[0] % (CONTRACT_STAGE_PARAMS + 1)), text, n_bytes - 1);
    return 0;
}
