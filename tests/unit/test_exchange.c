/* tests/unit/test_exchange.c — contracts to Open Data Contract Standard and dbt and back, and documents of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "contract/exchange.h"

/* "3:5 path: reason", one line a loss. */
static void note(void *data, const struct contract_loss *loss)
{
    g_string_append_printf(data, "%d:%d %s: %s\n", loss->line, loss->column, loss->path, loss->reason);
}

/* assert_string_equal() that shows long texts whole. */
static void expect_text(const char *found, const char *expected)
{
    if (strcmp(found, expected) == 0)
        return;
    fprintf(stderr, "---- found\n%s\n---- expected\n%s\n", found, expected);
    fail();
}

static char *export_one(enum contract_language language, const char *yaml, const char *source,
                        enum contract_stage stage)
{
    const struct contract_export item = {.yaml = yaml, .n_bytes = strlen(yaml), .source = source, .stage = stage};
    g_autoptr(GString) losses = g_string_new(NULL);
    struct ca_error err = {0};
    char *text = NULL;
    if (contract_export(language, &item, 1, note, losses, &text, &err) != CA_OK)
        fail_msg("%s", err.message);
    expect_text(losses->str, "");
    return text;
}

/* B1: there and back, nothing is lost and nothing is another: schema, keys, docs, storage, all. */
static void check_round_trip(enum contract_language language, const char *yaml, const char *source,
                             enum contract_stage stage)
{
    struct ca_error err = {0};
    CA_AUTOPTR(contract) before = NULL;
    if (contract_parse(yaml, strlen(yaml), source, stage, &before, &err) != CA_OK)
        fail_msg("%s", err.message);
    g_autofree char *text = export_one(language, yaml, source, stage);
    g_autoptr(GString) losses = g_string_new(NULL);
    struct contract_imports imports = {0};
    if (contract_import(language, text, strlen(text), "exported", note, losses, &imports, &err) != CA_OK)
        fail_msg("%s: %s\n%s", source, err.message, text);
    expect_text(losses->str, "");
    assert_int_equal(imports.n, 1);

    CA_AUTOPTR(contract) after = NULL;
    const char *written = imports.items[0].yaml;
    if (contract_parse(written, strlen(written), "written", stage, &after, &err) != CA_OK)
        fail_msg("%s\n%s", err.message, written);
    struct contract_differences d = {0};
    contract_compare(before, after, &d);
    if (d.n > 0)
        fail_msg("%s: %s %s '%s' '%s'\n%s", source, d.items[0].path, d.items[0].what, d.items[0].before,
                 d.items[0].after, text);
    g_autofree char *canonical_before = contract_canonical_json(before);
    g_autofree char *canonical_after = contract_canonical_json(after);
    expect_text(canonical_after, canonical_before);
    assert_int_equal(imports.items[0].contract->stage, stage);
    char schema_before[FINGERPRINT_HEX_SIZE];
    char schema_after[FINGERPRINT_HEX_SIZE];
    assert_int_equal(contract_schema_fingerprint(before, schema_before, &err), CA_OK);
    assert_int_equal(contract_schema_fingerprint(after, schema_after, &err), CA_OK);
    expect_text(schema_after, schema_before);

    g_autofree char *again = export_one(language, written, source, stage);
    expect_text(again, text);
    contract_imports_done(&imports);
}

static void test_builtin_round_trips(void **state)
{
    (void)state;
    static const char *const stages[] = {"extract",  "normalize",   "relate", "graph",
                                         "registry", "diagnostics", "params"};
    size_t n = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(stages); i++) {
        g_autofree char *folder = g_build_filename(g_getenv("CA_SOURCE_DIR"), "datasets", stages[i], NULL);
        g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
        assert_non_null(dir);
        enum contract_stage stage = CONTRACT_EXTRACT;
        assert_true(contract_stage_from_name(stages[i], &stage));
        for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
            if (!g_str_has_suffix(name, ".yaml"))
                continue;
            g_autofree char *path = g_build_filename(folder, name, NULL);
            g_autofree char *yaml = NULL;
            assert_true(g_file_get_contents(path, &yaml, NULL, NULL));
            check_round_trip(CONTRACT_ODCS, yaml, name, stage);
            check_round_trip(CONTRACT_DBT, yaml, name, stage);
            n++;
        }
    }
    assert_true(n > 60);
}

/* Every key and every shape of type. */
static const char full[] =
    "dataset: full_v2\n"
    "version: 2\n"
    "kind: table\n"
    "doc: \"One row: a {{ thing }}.\"\n"
    "columns:\n"
    "  - {name: id, type: int64, nullable: false, doc: id, metadata: {unit: none}}\n"
    "  - {name: order, type: utf8, nullable: false, default: \"'it''s'\", doc: a reserved word}\n"
    "  - {name: price, type: decimal128, precision: 10, scale: 2, nullable: true, doc: p}\n"
    "  - {name: small, type: float32, nullable: true, doc: s, lossy_from: [float64], evolution: {widen: allow}}\n"
    "  - {name: seen, type: timestamp_us, nullable: true, doc: s}\n"
    "  - {name: seen_utc, type: timestamp_ms, zone: UTC, nullable: true, doc: s}\n"
    "  - {name: seen_there, type: timestamp_ns, zone: Europe/Paris, nullable: true, doc: s}\n"
    "  - {name: word, type: dictionary, index: int16, value: {type: large_utf8}, nullable: true, doc: w}\n"
    "  - {name: nothing, type: \"null\", nullable: true, doc: n}\n"
    "  - {name: hash, type: fixed_size_binary, size: 16, nullable: false, doc: h}\n"
    "  - {name: span, type: interval_day_time, nullable: true, doc: \"multi\\nline \\u2028 \\\"quoted\\\"\"}\n"
    "  - {name: pair, type: fixed_size_list, size: 2, nullable: true, doc: p, item: {type: uint8, nullable: false}}\n"
    "  - name: attrs\n"
    "    type: map\n"
    "    nullable: true\n"
    "    doc: m\n"
    "    key: {type: utf8}\n"
    "    value: {type: struct, nullable: true, doc: v, fields: [{name: key, type: date32, nullable: true, doc: k}]}\n"
    "  - name: nodes\n"
    "    type: large_list\n"
    "    nullable: false\n"
    "    doc: n\n"
    "    item:\n"
    "      type: struct\n"
    "      nullable: false\n"
    "      fields:\n"
    "        - {name: kind, type: utf8_view, nullable: false, doc: k, metadata: {a: b}}\n"
    "        - {name: from, type: list, nullable: true, doc: f, item: {type: uint8, nullable: false}}\n"
    "keys: {primary: [order, id], unique: [[hash], [seen, small]], join: [id, order]}\n"
    "order: [order, id]\n"
    "partition_by: [seen, order]\n"
    "checks: {small: \"id < 10\", word: \"word <> '''' AND word <> '{{'\"}\n"
    "storage: {format: parquet, location: \"data/it's\", row_group_bytes: 1024, compression: zstd, properties: "
    "{format.max_row_group_size: 10}}\n"
    "scan: {collect_statistics: true, file_extension: .parquet}\n"
    "evolution: {default: refuse, add_nullable: allow}\n"
    "engine: \"55\"\n"
    "metadata: {owner: us}\n";

static void test_full_round_trip(void **state)
{
    (void)state;
    check_round_trip(CONTRACT_ODCS, full, "full.yaml", CONTRACT_NORMALIZE);
    check_round_trip(CONTRACT_DBT, full, "full.yaml", CONTRACT_NORMALIZE);
}

/* ---- documents of others ---------------------------------------------------------------------------------------- */

struct foreign_case {
    enum contract_language language;
    const char *text;
    const char *yaml;
    const char *losses;
};

static void check_foreign(const struct foreign_case *k)
{
    g_autoptr(GString) losses = g_string_new(NULL);
    struct contract_imports imports = {0};
    struct ca_error err = {0};
    if (contract_import(k->language, k->text, strlen(k->text), "f.yml", note, losses, &imports, &err) != CA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(imports.n, 1);
    expect_text(imports.items[0].yaml, k->yaml);
    expect_text(losses->str, k->losses);
    contract_imports_done(&imports);
}

/* B1. Field names by the JSON schema of ODCS 3.1.0 and by dbt's documentation of model contracts and constraints. */
static void test_foreign_documents(void **state)
{
    (void)state;
    static const struct foreign_case cases[] = {
        {CONTRACT_ODCS,
         "apiVersion: v3.1.0\n"
         "kind: DataContract\n"
         "id: 53581432-6c55\n"
         "version: 3.1.4\n"
         "status: active\n"
         "domain: seller\n"
         "schema:\n"
         "  - name: Payments\n"
         "    physicalType: topic\n"
         "    description: One row a payment.\n"
         "    properties:\n"
         "      - {name: country, logicalType: string, physicalType: VARCHAR(2), description: c, primaryKey: true,\n"
         "         primaryKeyPosition: 2, partitioned: true, logicalTypeOptions: {maxLength: 2}}\n"
         "      - {name: id, logicalType: integer, logicalTypeOptions: {format: i64}, description: i, required: true,\n"
         "         primaryKey: true, primaryKeyPosition: 1}\n"
         "      - {name: amount, logicalType: number, physicalType: \"NUMERIC(12, 2)\", description: a, unique: true}\n"
         "      - {name: at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, description: t}\n"
         "      - {name: tags, logicalType: array, items: {logicalType: string, required: true}}\n"
         "      - name: address\n"
         "        logicalType: object\n"
         "        description: where\n"
         "        classification: restricted\n"
         "        properties: [{name: street, logicalType: string, description: s}]\n"
         "    quality: [{type: library, metric: rowCount, mustBeGreaterThan: 0}]\n",
         "dataset: payments\n"
         "version: 3\n"
         "kind: table\n"
         "doc: One row a payment.\n"
         "columns:\n"
         "  - {name: country, type: utf8, nullable: false, doc: c}\n"
         "  - {name: id, type: int64, nullable: false, doc: i}\n"
         "  - {name: amount, type: decimal128, precision: 12, scale: 2, nullable: true, doc: a}\n"
         "  - {name: at, type: timestamp_us, zone: UTC, nullable: true, doc: t}\n"
         "  - {name: tags, type: list, nullable: true, doc: not described, item: {type: utf8, nullable: false}}\n"
         "  - name: address\n"
         "    type: struct\n"
         "    nullable: true\n"
         "    doc: where\n"
         "    fields: [{name: street, type: utf8, nullable: true, doc: s}]\n"
         "keys: {primary: [id, country], unique: [[amount]]}\n"
         "partition_by: [country]\n"
         "evolution: {default: refuse}\n",
         "8:11 schema[0].name: 'Payments' is written 'payments': names are in lower case\n"
         "4:10 version: '3.1.4' is read as version 3: versions are integers from 1\n"
         "9:19 schema[0].physicalType: a topic is read as a table\n"
         "12:60 schema[0].properties[0].physicalType: the length of 'VARCHAR(2)' is not kept: write it as a check\n"
         "12:9 schema[0].properties[0].required: a column of the primary key is never null: it is read as required\n"
         "13:73 schema[0].properties[0].logicalTypeOptions.maxLength: a limit on values: write it as a check\n"
         "18:9 schema[0].properties[4].description: there is none: the doc says 'not described'\n"
         "22:9 schema[0].properties[5].classification: a contract has no place for it\n"
         "24:15 schema[0].quality[0]: a check here is an SQL expression over the columns of one row, which holds: "
         "write it as one\n"
         "3:1 id: a contract has no place for it\n"
         "6:1 domain: a contract has no place for it\n"},
        {CONTRACT_DBT,
         "version: 2\n"
         "models:\n"
         "  - name: dim_customers\n"
         "    description: One row a customer.\n"
         "    access: public\n"
         "    config:\n"
         "      materialized: incremental\n"
         "      contract: {enforced: true}\n"
         "      tags: [pii]\n"
         "    constraints:\n"
         "      - {type: primary_key, columns: [id]}\n"
         "      - {type: foreign_key, columns: [id], to: ref('x'), to_columns: [id]}\n"
         "      - {type: check, columns: [id], expression: id > 0, name: positive}\n"
         "    columns:\n"
         "      - {name: id, data_type: int, description: the id, constraints: [{type: not_null}], data_tests: "
         "[unique]}\n"
         "      - {name: customer_name, data_type: varchar(100), description: \"{{ doc('name') }}\"}\n"
         "      - {name: first_seen, data_type: timestamp with time zone, description: f, quote: true}\n"
         "      - {name: orders, data_type: \"array<struct<at: date, total decimal(9,2) not null>>\", description: "
         "o}\n",
         "dataset: dim_customers\n"
         "version: 1\n"
         "kind: table\n"
         "doc: One row a customer.\n"
         "columns:\n"
         "  - {name: id, type: int32, nullable: false, doc: the id}\n"
         "  - {name: customer_name, type: utf8, nullable: true, doc: \"{{ doc('name') }}\"}\n"
         "  - {name: first_seen, type: timestamp_us, zone: UTC, nullable: true, doc: f}\n"
         "  - name: orders\n"
         "    type: list\n"
         "    nullable: true\n"
         "    doc: o\n"
         "    item:\n"
         "      type: struct\n"
         "      nullable: true\n"
         "      fields:\n"
         "        - {name: at, type: date32, nullable: true, doc: not described}\n"
         "        - {name: total, type: decimal128, precision: 9, scale: 2, nullable: false, doc: not described}\n"
         "keys: {primary: [id]}\n"
         "checks: {positive: \"id > 0\"}\n"
         "evolution: {default: refuse}\n",
         "7:21 models[0].config.materialized: 'incremental' is read as a table\n"
         "9:7 models[0].config.tags: a contract has no place for it\n"
         "12:9 models[0].constraints[1]: foreign keys are not declared here\n"
         "13:23 models[0].constraints[2].columns: a contract has no place for it\n"
         "15:90 models[0].columns[0].data_tests: tests are run by dbt: a constraint or check says it for good\n"
         "16:42 models[0].columns[1].data_type: the length of 'varchar(100)' is not kept: write it as a check\n"
         "16:69 models[0].columns[1].description: a template is not run: its text is kept as it stands\n"
         "17:81 models[0].columns[2].quote: names are in lower case and need no quotes\n"
         "18:35 models[0].columns[3].data_type.at.description: there is none: the doc says 'not described'\n"
         "18:35 models[0].columns[3].data_type.total.description: there is none: the doc says 'not described'\n"
         "5:5 models[0].access: access is not declared here\n"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        check_foreign(&cases[i]);
}

/* ---- bad input -------------------------------------------------------------------------------------------------- */

#define ODCS_OF(properties)                                                                   \
    "apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: draft\nschema:\n" \
    "  - name: t\n    description: t\n    properties:\n      - " properties "\n"
#define DBT_OF(columns) "models:\n  - name: t\n    description: t\n    columns:\n      - " columns "\n"

/* Every refusal names file, line and column, and leaves what was imported before as it was. */
static void test_bad_documents(void **state)
{
    (void)state;
    static const struct {
        enum contract_language language;
        const char *text;
        int status;
        const char *message;
    } cases[] = {
        {CONTRACT_ODCS, "a: [1", CA_ERR_SYNTAX, "f.yml:2:1: not YAML: flow sequence without a closing bracket"},
        {CONTRACT_ODCS, "- 1", CA_ERR_CONTRACT, "f.yml:1:1: expected a map"},
        {CONTRACT_ODCS, "kind: Other\n", CA_ERR_CONTRACT,
         "f.yml:1:7: no data contract of ODCS: 'kind' must be DataContract"},
        {CONTRACT_ODCS, "kind: DataContract\napiVersion: v4.0.0\n", CA_ERR_CONTRACT,
         "f.yml:2:13: apiVersion 'v4.0.0' is not known; known are v3.1.0, v3.0.2, v3.0.1, v3.0.0"},
        {CONTRACT_ODCS, "kind: DataContract\napiVersion: v3.1.0\n", CA_ERR_CONTRACT,
         "f.yml:1:1: the document has no schema: there is no dataset in it"},
        {CONTRACT_ODCS, ODCS_OF("{name: a, physicalType: GEOGRAPHY, description: a}"), CA_ERR_CONTRACT,
         "f.yml:10:33: type 'GEOGRAPHY' of 'schema[0].properties[0]' has no mapping, there is no type 'geography': say "
         "a logicalType with its format, items or properties"},
        {CONTRACT_ODCS, ODCS_OF("{name: a, logicalType: integer, logicalTypeOptions: {format: i128}, description: a}"),
         CA_ERR_CONTRACT,
         "f.yml:10:32: type 'integer' of 'schema[0].properties[0]' has no mapping: say a logicalType with its format, "
         "items or properties"},
        {CONTRACT_ODCS, ODCS_OF("{name: Kunden Nr, logicalType: string, description: a}"), CA_ERR_SYNTAX,
         "f.yml:10:16: 'Kunden Nr' is not a name: lower-case letters, digits and '_', a letter first"},
        {CONTRACT_ODCS, ODCS_OF("{name: a, logicalType: string, description: a, required: maybe}"), CA_ERR_CONTRACT,
         "f.yml:10:66: 'schema[0].properties[0].required': expected true or false, not 'maybe'"},
        {CONTRACT_ODCS,
         ODCS_OF("{name: a, logicalType: string, description: a}\n  - name: t\n    properties: [{name: b, logicalType: "
                 "string}]"),
         CA_ERR_CONTRACT, "f.yml:11:11: dataset 't' is declared twice, first at f.yml:7:11"},
        {CONTRACT_DBT, "version: 3\nmodels: []\n", CA_ERR_CONTRACT,
         "f.yml:1:10: version '3' of dbt's schema YAML is not known; known is 2"},
        {CONTRACT_DBT, "version: 2\nsources: []\n", CA_ERR_CONTRACT,
         "f.yml:1:1: the document has no models: there is no dataset in it"},
        {CONTRACT_DBT, DBT_OF("{name: a}"), CA_ERR_CONTRACT, "f.yml:5:9: 'models[0].columns[0]' has no data_type"},
        {CONTRACT_DBT, DBT_OF("{name: a, data_type: int8}"), CA_ERR_CONTRACT,
         "f.yml:5:30: type 'int8' of 'models[0].columns[0]' has no mapping: 'int8' has 8 bits in one engine and 8 "
         "bytes "
         "in another: say tinyint or bigint"},
        {CONTRACT_DBT, DBT_OF("{name: a, data_type: \"array<int\"}"), CA_ERR_CONTRACT,
         "f.yml:5:30: type 'array<int' of 'models[0].columns[0]' has no mapping: '>' is missing at ''"},
        {CONTRACT_DBT, DBT_OF("{name: a, data_type: decimal}"), CA_ERR_CONTRACT,
         "f.yml:5:30: type 'decimal' of 'models[0].columns[0]' has no mapping: 'decimal' has another precision in each "
         "engine: say decimal(PRECISION, SCALE)"},
        {CONTRACT_DBT, DBT_OF("{name: a, data_type: int}\n  - name: T\n    columns: [{name: a, data_type: int}]"),
         CA_ERR_CONTRACT, "f.yml:6:11: dataset 't' is declared twice, first at f.yml:2:11"},
        {CONTRACT_DBT, DBT_OF("{name: a, data_type: bigint, config: {meta: {codeanatomy: {type: float32}}}}"),
         CA_ERR_CONTRACT,
         "f.yml:5:30: data_type 'bigint' of 'a' is not the type in its meta, which is 'FLOAT': change both"},
        {CONTRACT_DBT, DBT_OF("{name: a, data_type: int, config: {meta: {codeanatomy: {shade: 1}}}}"), CA_ERR_SYNTAX,
         "f.yml:5:72: unknown key 'shade' in a column"},
        {CONTRACT_DBT, DBT_OF("{name: a, data_type: int, constraints: [{type: sorted}]}"), CA_ERR_CONTRACT,
         "f.yml:5:49: 'models[0].columns[0].constraints[0]': there is no constraint 'sorted'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct contract_imports imports = {0};
        struct ca_error err = {0};
        const int rc = contract_import(cases[i].language, cases[i].text, strlen(cases[i].text), "f.yml",
                                       /* on_loss= */ NULL, NULL, &imports, &err);
        if (!g_str_has_prefix(err.message, cases[i].message))
            expect_text(err.message, cases[i].message);
        assert_int_equal(rc, cases[i].status);
        assert_int_equal(imports.n, 0);
        contract_imports_done(&imports);
    }
}

/* Two models of one name in two files. */
static void test_one_name_in_two_files(void **state)
{
    (void)state;
    static const char text[] = DBT_OF("{name: a, data_type: int, description: a}");
    struct contract_imports imports = {0};
    struct ca_error err = {0};
    assert_int_equal(contract_import(CONTRACT_DBT, text, strlen(text), "a.yml", NULL, NULL, &imports, &err), CA_OK);
    assert_int_equal(contract_import(CONTRACT_DBT, text, strlen(text), "b.yml", NULL, NULL, &imports, &err),
                     CA_ERR_CONTRACT);
    expect_text(err.message, "b.yml:2:11: dataset 't' is declared twice, first at a.yml:2:11");
    assert_int_equal(imports.n, 1);
    contract_imports_done(&imports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin_round_trips),   cmocka_unit_test(test_full_round_trip),
        cmocka_unit_test(test_foreign_documents),     cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_one_name_in_two_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
