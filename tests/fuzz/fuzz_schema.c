/* tests/fuzz/fuzz_schema.c — pairs of generated schemas and contracts, compared (B11, A5).
 *
 * The input is a script: each byte decides one thing about the schema that is grown from it. A second schema grows from
 * the same script with one byte changed, so that most pairs differ in little. What two comparisons say has to agree:
 * equal fingerprints if and only if the exact comparison finds nothing, for Arrow schemas as for contracts.
 */
#include <nanoarrow/nanoarrow.h>

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/contract.h"
#include "rows/rows.h"

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* What is left of the script; after its end every byte is 0. `n_fields` bounds what grows from it. */
struct script {
    const uint8_t *at;
    size_t n;
    size_t n_fields;
};

static uint8_t next(struct script *s)
{
    if (s->n == 0)
        return 0;
    s->n--;
    return *s->at++;
}

static const char *const names[] = {"a", "b", "c", "d", "item", "key", "value", ""};

/* ---- Arrow schemas ---------------------------------------------------------------------------------------------- */

static const char *const formats[] = {
    "n",           "b",   "c",   "C",   "s",    "S",   "i",    "I",       "l",       "L",          "e",
    "f",           "g",   "u",   "U",   "z",    "Z",   "vu",   "vz",      "tdD",     "tdm",        "tts",
    "ttu",         "ttn", "tDs", "tiM", "tin",  "w:4", "tsu:", "tsu:UTC", "tsn:",    "tsn:+00:00", "d:10,2",
    "d:38,10,256", "+s",  "+l",  "+L",  "+w:2", "+vl", "+m",   "+r",      "+us:0,1", "+ud:0,1",    "made up",
};

static size_t n_children_of(const char *format, struct script *s)
{
    if (strcmp(format, "+s") == 0)
        return next(s) % 5;
    if (strcmp(format, "+r") == 0 || strncmp(format, "+u", 2) == 0)
        return 2;
    return format[0] == '+' ? 1 : 0;
}

static void grow(struct ArrowSchema *schema, struct script *s, const char *format, const char *name, int depth)
{
    ArrowSchemaInit(schema);
    expect(ArrowSchemaSetFormat(schema, format) == NANOARROW_OK, "format");
    expect(ArrowSchemaSetName(schema, name) == NANOARROW_OK, "name");
    const uint8_t what = next(s);
    schema->flags = (what & 1) != 0 ? ARROW_FLAG_NULLABLE : 0;
    if ((what & 6) == 6) {
        struct ArrowBuffer metadata;
        expect(ArrowMetadataBuilderInit(&metadata, NULL) == NANOARROW_OK, "metadata");
        for (uint8_t i = 0; i < (what >> 6); i++)
            expect(ArrowMetadataBuilderAppend(&metadata, ArrowCharView(names[next(s) % G_N_ELEMENTS(names)]),
                                              ArrowCharView("v")) == NANOARROW_OK,
                   "metadata");
        expect(ArrowSchemaSetMetadata(schema, (const char *)metadata.data) == NANOARROW_OK, "metadata");
        ArrowBufferReset(&metadata);
    }
    if ((what & 0x38) == 0x38 && format[0] != '+' && depth < 8) {
        expect(ArrowSchemaAllocateDictionary(schema) == NANOARROW_OK, "dictionary");
        grow(schema->dictionary, s, formats[next(s) % G_N_ELEMENTS(formats)], "", depth + 1);
    }
    const bool is_map = strcmp(format, "+m") == 0;
    size_t n = n_children_of(format, s);
    expect(ArrowSchemaAllocateChildren(schema, (int64_t)n) == NANOARROW_OK, "children");
    for (size_t i = 0; i < n; i++) {
        /* A script that has run out ends every branch in a leaf, "n". */
        const char *child = formats[s->n == 0 || s->n_fields == 0 ? 0 : next(s) % G_N_ELEMENTS(formats)];
        s->n_fields -= s->n_fields > 0 ? 1 : 0;
        const char *child_name = names[next(s) % G_N_ELEMENTS(names)];
        if (is_map) {
            struct ArrowSchema *entries = schema->children[0];
            ArrowSchemaInit(entries);
            expect(ArrowSchemaSetFormat(entries, "+s") == NANOARROW_OK, "format");
            expect(ArrowSchemaSetName(entries, "entries") == NANOARROW_OK, "name");
            expect(ArrowSchemaAllocateChildren(entries, 2) == NANOARROW_OK, "children");
            grow(entries->children[0], s, "u", "key", depth + 1);
            grow(entries->children[1], s, child, "value", depth + 2);
        } else {
            grow(schema->children[i], s, child, child_name, depth + 1);
        }
    }
}

static size_t n_findings(const struct ArrowSchema *a, const struct ArrowSchema *b,
                         const struct rows_compare_options *options)
{
    struct rows_findings findings = {0};
    struct ca_error err = {0};
    int rc = rows_schema_compare(a, b, options, &findings, &err);
    if (rc != CA_OK) {
        expect(rc == CA_ERR_RESOURCES, err.message);
        return SIZE_MAX;
    }
    g_autofree char *text = rows_findings_text(&findings);
    expect((findings.n == 0) == (text[0] == '\0'), "findings without words");
    size_t n = findings.n;
    if (a == b && n > 0)
        fprintf(stderr, "%s: %s\n", findings.items[0].code, text);
    rows_findings_done(&findings);
    return n;
}

static void try_arrow(const struct ArrowSchema *a, const struct ArrowSchema *b)
{
    char fingerprint_a[FINGERPRINT_HEX_SIZE];
    char fingerprint_b[FINGERPRINT_HEX_SIZE];
    g_autofree char *text = rows_type_text(a);
    expect(text[0] != '\0', "a type without words");
    const bool is_whole = rows_schema_fingerprint(a, fingerprint_a, NULL) == CA_OK &&
                          rows_schema_fingerprint(b, fingerprint_b, NULL) == CA_OK;
    for (unsigned bits = 0; bits < 16; bits++) {
        const struct rows_compare_options o = {
            .ignore_order = (bits & 1) != 0,
            .allow_stricter = (bits & 2) != 0,
            .ignore_nullability = (bits & 4) != 0,
            .with_metadata = (bits & 8) != 0,
        };
        const size_t with_itself = n_findings(a, a, &o);
        expect(with_itself == 0 || with_itself == SIZE_MAX, "a schema differs from itself");
        (void)n_findings(a, b, &o);
    }
    const size_t n = n_findings(a, b, NULL);
    const size_t n_back = n_findings(b, a, NULL);
    if (!is_whole || n == SIZE_MAX || n_back == SIZE_MAX)
        return;
    expect((n == 0) == (n_back == 0), "one direction finds nothing");
    expect((n == 0) == (strcmp(fingerprint_a, fingerprint_b) == 0), "fingerprints and findings disagree");
}

/* ---- contracts -------------------------------------------------------------------------------------------------- */

static void grow_field(struct contract_field *f, struct script *s, const char *name, int depth);

/* What is inside a type: names of one struct differ, the parts of the others have the names that the loader gives. */
static void grow_children(struct contract_field *f, struct script *s, int depth)
{
    static const char *const parts[] = {"key", "value"};
    const enum contract_shape shape = contract_type_shape(f->type);
    const size_t first = next(s);
    f->n_children = shape == CONTRACT_SHAPE_MAP                                    ? 2
                    : shape == CONTRACT_SHAPE_STRUCT                               ? 1 + next(s) % 4
                    : (shape & (CONTRACT_SHAPES_LIST | CONTRACT_SHAPE_DICTIONARY)) ? 1
                                                                                   : 0;
    f->children = f->n_children == 0 ? NULL : g_new0(struct contract_field, f->n_children);
    for (size_t i = 0; i < f->n_children; i++)
        grow_field(&f->children[i], s,
                   shape == CONTRACT_SHAPE_MAP          ? parts[i]
                   : shape == CONTRACT_SHAPE_STRUCT     ? names[(first + i) % 7]
                   : shape == CONTRACT_SHAPE_DICTIONARY ? "value"
                                                        : "item",
                   shape == CONTRACT_SHAPE_DICTIONARY ? CONTRACT_MAX_DEPTH : depth + 1);
    if (shape == CONTRACT_SHAPE_MAP)
        f->children[0].is_nullable = false;
}

/* A field as the loader makes it. */
static void grow_field(struct contract_field *f, struct script *s, const char *name, int depth)
{
    static const char *const zones[] = {NULL, "UTC", "+01:00", "Europe/Paris"};
    f->name = g_strdup(name);
    f->type = (enum contract_type)(next(s) % CONTRACT_N_TYPES);
    const bool has_inside = (contract_type_shape(f->type) & (CONTRACT_SHAPES_NESTED | CONTRACT_SHAPE_DICTIONARY)) != 0;
    if (has_inside && (depth >= CONTRACT_MAX_DEPTH || s->n == 0))
        f->type = CONTRACT_UTF8;
    const enum contract_shape shape = contract_type_shape(f->type);
    const uint8_t what = next(s);
    f->is_nullable = (what & 1) != 0;
    f->doc = g_strdup((what & 2) != 0 ? "one" : "two");
    if ((what & 12) == 12)
        f->default_sql = g_strdup("0");
    if (shape == CONTRACT_SHAPE_DECIMAL) {
        f->precision = 1 + next(s) % contract_type_max_precision(f->type);
        f->scale = next(s) % (f->precision + 1);
    }
    if ((shape & (CONTRACT_SHAPE_BYTES | CONTRACT_SHAPE_SIZED_LIST)) != 0)
        f->size = 1 + next(s);
    if (shape == CONTRACT_SHAPE_TIMESTAMP)
        f->zone = g_strdup(zones[next(s) % G_N_ELEMENTS(zones)]);
    if (shape == CONTRACT_SHAPE_DICTIONARY)
        f->index = (enum contract_type)(CONTRACT_INT8 + next(s) % (CONTRACT_UINT64 - CONTRACT_INT8 + 1));
    grow_children(f, s, depth);
    if (shape == CONTRACT_SHAPE_DICTIONARY)
        f->children[0].is_nullable = false;
}

static struct contract *grow_contract(struct script *s)
{
    struct contract *c = g_new0(struct contract, 1);
    c->source = g_strdup("fuzz");
    c->dataset = g_strdup("t");
    c->doc = g_strdup("t");
    c->version = 1;
    c->kind = CONTRACT_TABLE;
    const uint8_t rules = next(s);
    for (int i = 0; i < CONTRACT_N_CHANGES; i++)
        c->evolution_allows[i] = (rules >> i & 1) != 0;
    c->evolution_default = c->evolution_allows[0];
    c->n_columns = 1 + next(s) % 5;
    c->columns = g_new0(struct contract_field, c->n_columns);
    const size_t first = next(s);
    for (size_t i = 0; i < c->n_columns; i++)
        grow_field(&c->columns[i], s, names[(first + i) % 7], 0);
    return c;
}

static void try_contracts(const struct contract *a, const struct contract *b)
{
    static const char *const not_schema[] = {"default_changed", "doc_changed", "metadata_changed", "changed"};
    struct contract_differences d = {0};
    contract_compare(a, a, &d);
    expect(d.n == 0, "a contract differs from itself");
    contract_differences_done(&d);
    contract_compare(a, b, &d);
    bool is_other_schema = false;
    bool is_refused = false;
    for (size_t i = 0; i < d.n; i++) {
        bool is_schema = true;
        for (size_t j = 0; j < G_N_ELEMENTS(not_schema); j++)
            is_schema = is_schema && strcmp(d.items[i].what, not_schema[j]) != 0;
        is_other_schema = is_other_schema || is_schema;
        is_refused = is_refused || !d.items[i].is_allowed;
        expect(d.items[i].verdict != CONTRACT_COSMETIC || d.items[i].is_allowed, "a cosmetic change is refused");
    }
    contract_differences_done(&d);
    struct ca_error err = {0};
    int rc = contract_check_evolution(a, b, &err);
    expect(rc == (is_refused ? CA_ERR_DRIFT : CA_OK), "the check and the differences disagree");
    char fingerprint_a[FINGERPRINT_HEX_SIZE];
    char fingerprint_b[FINGERPRINT_HEX_SIZE];
    expect(contract_schema_fingerprint(a, fingerprint_a, &err) == CA_OK, err.message);
    expect(contract_schema_fingerprint(b, fingerprint_b, &err) == CA_OK, err.message);
    expect(is_other_schema == (strcmp(fingerprint_a, fingerprint_b) != 0), "fingerprints and differences disagree");
}

/* ---- the script ------------------------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes < 4)
        return 0;
    const size_t n = n_bytes - 3;
    g_autofree uint8_t *changed = g_memdup2(data + 3, n);
    changed[(data[1] | (size_t)data[2] << 8) % n] ^= (uint8_t)(data[0] | 1);
    struct script first = {data + 3, n, 256};
    struct script second = {changed, n, 256};
    if ((data[0] & 2) != 0) {
        struct contract *a = grow_contract(&first);
        struct contract *b = grow_contract(&second);
        try_contracts(a, b);
        contract_free(a);
        contract_free(b);
        return 0;
    }
    struct ArrowSchema a;
    struct ArrowSchema b;
    grow(&a, &first, "+s", "", 0);
    grow(&b, &second, "+s", "", 0);
    try_arrow(&a, &b);
    ArrowSchemaRelease(&a);
    ArrowSchemaRelease(&b);
    return 0;
}
