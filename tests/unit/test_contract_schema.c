/* tests/unit/test_contract_schema.c — contracts as Arrow schemas, DDL, view SQL and fingerprints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "base/file.h"
#include "contract/contract.h"
#include "contract/inferred.h"
#include "rows/rows.h"
#include "support/contract_text.h"

/* ---- schema ----------------------------------------------------------------------------------------------------- */

/* B1, design decision 2: what DDL cannot say is in the Arrow schema: nested NOT NULL, maps, metadata. */
static void test_schema(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) c = contract_text_parse(contract_text_full);
    struct ArrowSchema schema;
    struct ca_error err = {0};
    assert_int_equal(contract_schema(c, &schema, &err), CA_OK);
    g_autofree char *text = contract_text_schema(&schema);
    assert_string_equal(text,
                        "file_id int64 not null\n"
                        "order utf8 not null\n"
                        "price decimal128(10, 2)\n"
                        "seen timestamp_us\n"
                        "seen_utc timestamp_us(UTC)\n"
                        "attrs map<utf8, int32>\n"
                        "nodes list<struct<kind: utf8 not null, parent: int32, from: list<uint8 not null>> not null> "
                        "not null\n");
    assert_string_equal(schema.children[5]->children[0]->name, "entries");
    assert_string_equal(schema.children[5]->children[0]->children[0]->name, "key");
    assert_int_equal(schema.children[5]->children[0]->flags & ARROW_FLAG_NULLABLE, 0);
    assert_string_equal(schema.children[6]->children[0]->name, "item");
    struct ArrowStringView value = {0};
    assert_int_equal(ArrowMetadataGetValue(schema.children[0]->metadata, ArrowCharView("unit"), &value), 0);
    assert_memory_equal(value.data, "none", 4);
    assert_int_equal(ArrowMetadataGetValue(schema.metadata, ArrowCharView("owner"), &value), 0);
    assert_memory_equal(value.data, "us", 2);
    ArrowSchemaRelease(&schema);

    assert_int_equal(contract_view_schema(c, &c->views[0], &schema, &err), CA_OK);
    g_autofree char *view = contract_text_schema(&schema);
    assert_string_equal(view, "file_id int64 not null\norder utf8 not null\nkind utf8 not null\nparent int32\n"
                              "from list<uint8 not null>\n");
    ArrowSchemaRelease(&schema);
}

/* B10: columns that are kept as the text of a contract come back, under any name. */
static void check_kept(struct ArrowSchema *schema)
{
    struct ca_error err = {0};
    CA_AUTOFREE char *text = NULL;
    CA_AUTOPTR(contract) kept = NULL;
    struct ArrowSchema again;
    struct rows_findings findings = {0};
    assert_int_equal(ArrowSchemaSetName(schema->children[0], "Its \"name\": 1_v2"), 0);
    const struct contract_inferred table = {
        .name = "A b_v2", .version = 3, .format = "parquet", .location = "/a: b", .schema = schema};
    assert_int_equal(contract_inferred_render(&table, &text, &err), CA_OK);
    int rc = contract_inferred_parse(text, strlen(text), "kept.yaml", &kept, &err);
    if (rc != CA_OK)
        fail_msg("%s\n%s", err.message, text);
    assert_string_equal(kept->dataset, "A b_v2");
    assert_int_equal(kept->version, 3);
    assert_string_equal(kept->storage.location, "/a: b");
    assert_int_equal(contract_schema(kept, &again, &err), CA_OK);
    assert_int_equal(rows_schema_compare(schema, &again, NULL, &findings, &err), CA_OK);
    assert_int_equal(findings.n, 0);
    rows_findings_done(&findings);
    ArrowSchemaRelease(&again);
}

/* B10: what no contract can say is named, nested too. */
static void test_columns_that_cannot_be_kept(void **state)
{
    (void)state;
    struct ArrowSchema schema;
    struct ca_error err = {0};
    char *text = NULL;
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&schema, 1), 0);
    assert_int_equal(ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_LIST), 0);
    assert_int_equal(ArrowSchemaSetName(schema.children[0], "l"), 0);
    assert_int_equal(ArrowSchemaSetTypeUnion(schema.children[0]->children[0], NANOARROW_TYPE_SPARSE_UNION, 0), 0);
    const struct contract_inferred table = {.name = "t", .version = 1, .format = "arrow", .schema = &schema};
    assert_int_equal(contract_inferred_render(&table, &text, &err), CA_ERR_CONTRACT);
    assert_non_null(strstr(err.message, "column 'l[]' is "));
    assert_non_null(strstr(err.message, "which no contract can say, so it cannot be kept"));
    assert_null(text);
    ArrowSchemaRelease(&schema);
}

/* B1, B3: every type: how Arrow writes it, what people read, how DDL says it (with what it leaves unsaid), and what a
 * Delta table needs in its place. Arrow formats are those of the C data interface; what Delta holds is in
 * docs/contracts.md. */
static void test_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *format;
        const char *text;
        const char *ddl;
        bool is_unsaid;
        const char *not_in_delta;
    } cases[] = {
        {"type: \"null\"", "n", "null", "BOOLEAN", true, "a nullable column of the type that its values will have"},
        {"type: bool", "b", "bool", "BOOLEAN", false, NULL},
        {"type: int8", "c", "int8", "TINYINT", false, NULL},
        {"type: int16", "s", "int16", "SMALLINT", false, NULL},
        {"type: int32", "i", "int32", "INT", false, NULL},
        {"type: int64", "l", "int64", "BIGINT", false, NULL},
        {"type: uint8", "C", "uint8", "TINYINT UNSIGNED", false, NULL},
        {"type: uint16", "S", "uint16", "SMALLINT UNSIGNED", false, NULL},
        {"type: uint32", "I", "uint32", "INT UNSIGNED", false, NULL},
        {"type: uint64", "L", "uint64", "BIGINT UNSIGNED", false, NULL},
        {"type: float16", "e", "float16", "FLOAT", true, "float32"},
        {"type: float32", "f", "float32", "FLOAT", false, NULL},
        {"type: float64", "g", "float64", "DOUBLE", false, NULL},
        {"type: utf8", "u", "utf8", "VARCHAR", false, NULL},
        {"type: large_utf8", "U", "large_utf8", "VARCHAR", true, NULL},
        {"type: utf8_view", "vu", "utf8_view", "VARCHAR", true, NULL},
        {"type: binary", "z", "binary", "BYTEA", false, NULL},
        {"type: large_binary", "Z", "large_binary", "BYTEA", true, NULL},
        {"type: binary_view", "vz", "binary_view", "BYTEA", true, NULL},
        {"type: fixed_size_binary, size: 16", "w:16", "fixed_size_binary(16)", "BYTEA", true, NULL},
        {"type: date32", "tdD", "date32", "DATE", false, NULL},
        {"type: date64", "tdm", "date64", "TIMESTAMP(3)", true, "date32, or timestamp_ms where the time of day counts"},
        {"type: time32_s", "tts", "time32_s", "TIME", true, "int32, in seconds since midnight"},
        {"type: time32_ms", "ttm", "time32_ms", "TIME", true, "int32, in milliseconds since midnight"},
        {"type: time64_us", "ttu", "time64_us", "TIME", true, "int64, in microseconds since midnight"},
        {"type: time64_ns", "ttn", "time64_ns", "TIME", false, "int64, in nanoseconds since midnight"},
        {"type: timestamp_s", "tss:", "timestamp_s", "TIMESTAMP(0)", false, NULL},
        {"type: timestamp_ms, zone: UTC", "tsm:UTC", "timestamp_ms(UTC)", "TIMESTAMP(3) WITH TIME ZONE", false, NULL},
        {"type: timestamp_us, zone: \"+01:00\"", "tsu:+01:00", "timestamp_us(+01:00)", "TIMESTAMP(6) WITH TIME ZONE",
         true, "zone UTC"},
        {"type: timestamp_ns", "tsn:", "timestamp_ns", "TIMESTAMP(9)", false,
         "timestamp_us, or int64 where nanoseconds count"},
        {"type: duration_s", "tDs", "duration_s", "BIGINT", true, "int64, in seconds"},
        {"type: duration_ms", "tDm", "duration_ms", "BIGINT", true, "int64, in milliseconds"},
        {"type: duration_us", "tDu", "duration_us", "BIGINT", true, "int64, in microseconds"},
        {"type: duration_ns", "tDn", "duration_ns", "BIGINT", true, "int64, in nanoseconds"},
        {"type: interval_year_month", "tiM", "interval_year_month", "INTERVAL", true, "int32, in months"},
        {"type: interval_day_time", "tiD", "interval_day_time", "INTERVAL", true,
         "a struct of days (int32) and milliseconds (int32)"},
        {"type: interval_month_day_nano", "tin", "interval_month_day_nano", "INTERVAL", false,
         "a struct of months (int32), days (int32) and nanoseconds (int64)"},
        {"type: decimal32, precision: 9, scale: 2", "d:9,2,32", "decimal32(9, 2)", "DECIMAL(9, 2)", true, "decimal128"},
        {"type: decimal64, precision: 18, scale: 0", "d:18,0,64", "decimal64(18, 0)", "DECIMAL(18, 0)", true,
         "decimal128"},
        {"type: decimal128, precision: 38, scale: 38", "d:38,38", "decimal128(38, 38)", "DECIMAL(38, 38)", false, NULL},
        {"type: decimal128, precision: 5, scale: -2", "d:5,-2", "decimal128(5, -2)", "DECIMAL(5, -2)", false,
         "a scale from 0"},
        {"type: decimal256, precision: 76, scale: 2", "d:76,2,256", "decimal256(76, 2)", "DECIMAL(76, 2)", false,
         "decimal128 of at most 38 digits, or utf8"},
        {"type: decimal256, precision: 38, scale: 2", "d:38,2,256", "decimal256(38, 2)", "DECIMAL(38, 2)", true,
         "decimal128 of at most 38 digits, or utf8"},
        {"type: list, item: {type: int8, nullable: true}", "+l", "list<int8>", "ARRAY<TINYINT>", false, NULL},
        {"type: large_list, item: {type: int8, nullable: false}", "+L", "large_list<int8 not null>", "ARRAY<TINYINT>",
         true, NULL},
        {"type: list_view, item: {type: int8, nullable: true}", "+vl", "list_view<int8>", "ARRAY<TINYINT>", true, NULL},
        {"type: large_list_view, item: {type: int8, nullable: true}", "+vL", "large_list_view<int8>", "ARRAY<TINYINT>",
         true, NULL},
        {"type: fixed_size_list, size: 3, item: {type: int8, nullable: true}", "+w:3", "fixed_size_list(3)<int8>",
         "TINYINT[3]", false, NULL},
        {"type: fixed_size_list, size: 2, item: {type: list, nullable: true, item: {type: list, nullable: true, item: "
         "{type: "
         "int8, nullable: true}}}",
         "+w:2", "fixed_size_list(2)<list<list<int8>>>", "ARRAY<ARRAY<TINYINT> >[2]", false, NULL},
        {"type: struct, fields: [{name: from, type: int8, nullable: true, doc: d}]", "+s", "struct<from: int8>",
         "STRUCT<\"from\" TINYINT>", false, NULL},
        {"type: map, key: {type: int8}, value: {type: bool, nullable: false}", "+m", "map<int8, bool not null>",
         "ARRAY<STRUCT<\"key\" TINYINT, value BOOLEAN>>", true, NULL},
        {"type: dictionary, index: uint8, value: {type: decimal128, precision: 3, scale: 1}", "C",
         "dictionary(uint8, decimal128(3, 1))", "DECIMAL(3, 1)", true, NULL},
        {"type: dictionary, index: int32, value: {type: duration_s}", "i", "dictionary(int32, duration_s)", "BIGINT",
         true, "int64, in seconds"},
    };
    bool is_seen[CONTRACT_N_TYPES] = {false};
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *column = g_strdup_printf("{name: x, %s, nullable: true, doc: d}", cases[i].yaml);
        g_autofree char *text =
            g_strdup_printf("dataset: t\nversion: 1\nkind: table\ndoc: d\nstorage: {format: memory}\n"
                            "evolution: {default: refuse}\ncolumns: [%s]\n",
                            column);
        CA_AUTOPTR(contract) c = contract_text_parse(text);
        is_seen[c->columns[0].type] = true;
        char format[CONTRACT_FORMAT_SIZE];
        contract_arrow_format(&c->columns[0], format);
        assert_string_equal(format, cases[i].format);
        struct ArrowSchema schema;
        assert_int_equal(contract_schema(c, &schema, &err), CA_OK);
        g_autofree char *read = rows_type_text(schema.children[0]);
        assert_string_equal(read, cases[i].text);
        struct ArrowArrayView view;
        struct ArrowError why;
        assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, &why), 0);
        ArrowArrayViewReset(&view);
        check_kept(&schema);
        ArrowSchemaRelease(&schema);
        g_autofree char *own = contract_type_text(&c->columns[0]);
        assert_true(g_str_has_prefix(cases[i].text, own));
        g_autofree char *ddl = NULL;
        assert_int_equal(contract_ddl(c, NULL, NULL, &ddl, &err), CA_OK);
        g_autofree char *unsaid = g_strdup_printf("-- unsaid {\"path\":\"x\",\"type\":\"%s\"}\n", cases[i].text);
        g_autofree char *expected = g_strdup_printf("CREATE TABLE codeintel.public.t (\n    x %s\n);\n%s", cases[i].ddl,
                                                    cases[i].is_unsaid ? unsaid : "");
        assert_string_equal(ddl, expected);

        GString *stored = g_string_new(text);
        g_string_replace(stored, "storage: {format: memory}\n", "", 1);
        struct contract *in_delta = NULL;
        int rc = contract_parse(stored->str, stored->len, "t.yaml", CONTRACT_EXTRACT, &in_delta, &err);
        assert_int_equal(rc, cases[i].not_in_delta == NULL ? CA_OK : CA_ERR_CONTRACT);
        if (rc != CA_OK) {
            g_autofree char *message = g_strdup_printf("t.yaml:6:11: 'x' is %s, which a Delta table cannot hold: use "
                                                       "%s, or storage of format memory, parquet or arrow",
                                                       own, cases[i].not_in_delta);
            assert_string_equal(err.message, message);
        }
        contract_free(in_delta);
        g_string_free(stored, TRUE);
    }
    for (int i = 0; i < CONTRACT_N_TYPES; i++)
        assert_true(is_seen[i]);
}

/* A null item makes every column of the view nullable. */
static void test_view_schema_of_nullable_items(void **state)
{
    (void)state;
    GString *text = g_string_new(contract_text_full);
    g_string_replace(text, "      type: struct\n      nullable: false", "      type: struct\n      nullable: true", 1);
    CA_AUTOPTR(contract) c = contract_text_parse(text->str);
    struct ArrowSchema schema;
    struct ca_error err = {0};
    assert_int_equal(contract_view_schema(c, &c->views[0], &schema, &err), CA_OK);
    g_autofree char *view = contract_text_schema(&schema);
    assert_string_equal(view, "file_id int64 not null\norder utf8 not null\nkind utf8\nparent int32\n"
                              "from list<uint8 not null>\n");
    ArrowSchemaRelease(&schema);
    g_string_free(text, TRUE);
}

/* ---- SQL -------------------------------------------------------------------------------------------------------- */

/* B3: deterministic; reserved words quoted; what DDL cannot say is in the nearest form that parses, and listed behind.
 */
static void test_ddl(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) c = contract_text_parse(contract_text_full);
    struct ca_error err = {0};
    g_autofree char *ddl = NULL;
    assert_int_equal(contract_ddl(c, NULL, "ignored: the contract has its own", &ddl, &err), CA_OK);
    assert_string_equal(
        ddl, "CREATE EXTERNAL TABLE codeintel.public.full_v2 (\n"
             "    file_id BIGINT NOT NULL,\n"
             "    \"order\" VARCHAR NOT NULL DEFAULT 'it''s',\n"
             "    price DECIMAL(10, 2),\n"
             "    seen TIMESTAMP(6),\n"
             "    seen_utc TIMESTAMP(6) WITH TIME ZONE,\n"
             "    attrs ARRAY<STRUCT<\"key\" VARCHAR, value INT>>,\n"
             "    nodes ARRAY<STRUCT<kind VARCHAR, parent INT, \"from\" ARRAY<TINYINT UNSIGNED>>> NOT NULL,\n"
             "    PRIMARY KEY (file_id),\n"
             "    UNIQUE (\"order\", seen),\n"
             "    UNIQUE (price)\n"
             ")\n"
             "STORED AS PARQUET\n"
             "PARTITIONED BY (\"order\")\n"
             "WITH ORDER (\"order\", file_id)\n"
             "LOCATION 'data/it''s/'\n"
             "OPTIONS ('format.max_row_group_size' '10', 'scan.collect_statistics' 'true');\n"
             "-- unsaid {\"path\":\"file_id\",\"metadata\":{\"unit\":\"none\"}}\n"
             "-- unsaid {\"path\":\"attrs\",\"type\":\"map<utf8, int32>\"}\n"
             "-- unsaid {\"path\":\"nodes[]\",\"not_null\":true}\n"
             "-- unsaid {\"path\":\"nodes[].kind\",\"not_null\":true}\n"
             "-- unsaid {\"path\":\"nodes[].from[]\",\"not_null\":true}\n"
             "-- unsaid {\"path\":\"\",\"metadata\":{\"owner\":\"us\"}}\n"
             "-- unsaid {\"storage\":\"compression\",\"value\":\"zstd\"}\n"
             "-- unsaid {\"storage\":\"row_group_bytes\",\"value\":1024}\n"
             "-- unsaid {\"storage\":\"statistics_columns\",\"value\":[\"file_id\"]}\n"
             "-- unsaid {\"storage\":\"target_file_bytes\",\"value\":2048}\n"
             "-- unsaid {\"check\":\"small\",\"sql\":\"file_id < 10\"}\n");
}

static void test_ddl_of_other_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
        const char *sql;
        const char *location;
        const char *expected;
    } cases[] = {
        {"kind: table", "kind: table", NULL, NULL,
         "CREATE EXTERNAL TABLE codeintel.public.t (\n    id BIGINT NOT NULL,\n    PRIMARY KEY (id)\n)\n"
         "STORED AS DELTATABLE\nWITH ORDER (id)\nLOCATION 'public/t';\n"},
        {"kind: table", "kind: table", NULL, "store/t",
         "CREATE EXTERNAL TABLE codeintel.public.t (\n    id BIGINT NOT NULL,\n    PRIMARY KEY (id)\n)\n"
         "STORED AS DELTATABLE\nWITH ORDER (id)\nLOCATION 'store/t';\n"},
        {"kind: table",
         "kind: table\nstorage: {row_group_bytes: 65536, target_file_bytes: 7, compression: snappy, "
         "statistics_columns: "
         "[id], properties: {delta.b: true, delta.aB: \"it's\"}}",
         NULL, NULL,
         "CREATE EXTERNAL TABLE codeintel.public.t (\n    id BIGINT NOT NULL,\n    PRIMARY KEY (id)\n)\n"
         "STORED AS DELTATABLE\nWITH ORDER (id)\nLOCATION 'public/t'\n"
         "OPTIONS ('storage.compression' 'snappy', 'storage.properties' '{\"delta.aB\": \"it''s\", \"delta.b\": "
         "\"true\"}', 'storage.row_group_bytes' '65536', 'storage.statistics_columns' 'id', "
         "'storage.target_file_bytes' '7');\n"},
        {"kind: table", "kind: table\nstorage: {format: memory}", NULL, NULL,
         "CREATE TABLE codeintel.public.t (\n    id BIGINT NOT NULL,\n    PRIMARY KEY (id)\n);\n"
         "-- unsaid {\"order\":[\"id\"]}\n"},
        {"kind: table", "kind: table\nstorage: {format: stream}", NULL, NULL,
         "CREATE UNBOUNDED EXTERNAL TABLE codeintel.public.t (\n    id BIGINT NOT NULL,\n    PRIMARY KEY (id)\n)\n"
         "STORED AS JSON\nWITH ORDER (id)\nLOCATION 'public/t/';\n"},
        {"kind: table", "kind: table\nstorage: {format: csv}\nscan: {unbounded: true}", NULL, NULL,
         "CREATE UNBOUNDED EXTERNAL TABLE codeintel.public.t (\n    id BIGINT NOT NULL,\n    PRIMARY KEY (id)\n)\n"
         "STORED AS CSV\nWITH ORDER (id)\nLOCATION 'public/t/';\n"},
        {"columns:\n",
         "columns:\n  - {name: s, type: struct, nullable: true, doc: d, fields: [{name: x, type: int32, nullable: "
         "false, "
         "default: \"9\", doc: d}, {name: m, type: map, nullable: true, doc: d, key: {type: utf8}, value: {type: "
         "struct, "
         "nullable: true, fields: [{name: w, type: utf8, nullable: true, default: \"'a'\", doc: d}]}}]}\n",
         NULL, NULL,
         "CREATE EXTERNAL TABLE codeintel.public.t (\n    s STRUCT<x INT, m ARRAY<STRUCT<\"key\" VARCHAR, value "
         "STRUCT<w VARCHAR>>>>,\n    id BIGINT NOT NULL,\n    PRIMARY KEY (id)\n)\n"
         "STORED AS DELTATABLE\nWITH ORDER (id)\nLOCATION 'public/t';\n"
         "-- unsaid {\"path\":\"s.x\",\"not_null\":true}\n"
         "-- unsaid {\"path\":\"s.x\",\"default\":\"9\"}\n"
         "-- unsaid {\"path\":\"s.m\",\"type\":\"map<utf8, struct<w: utf8>>\"}\n"
         "-- unsaid {\"path\":\"s.m{value}.w\",\"default\":\"'a'\"}\n"},
        {"kind: table", "kind: view", "-- which?\nSELECT 1 AS id ;\n\n", NULL,
         "CREATE VIEW codeintel.public.t AS\n-- which?\nSELECT 1 AS id;\n"},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *text = g_string_new(contract_text_small);
        g_string_replace(text, cases[i].from, cases[i].to, 1);
        CA_AUTOPTR(contract) c = contract_text_parse(text->str);
        g_autofree char *ddl = NULL;
        assert_int_equal(contract_ddl(c, cases[i].sql, cases[i].location, &ddl, &err), CA_OK);
        assert_string_equal(ddl, cases[i].expected);
        if (c->kind == CONTRACT_VIEW) {
            assert_int_equal(contract_ddl(c, NULL, NULL, &ddl, &err), CA_ERR_CONTRACT);
            assert_string_equal(err.message, "view 't' has no SQL");
        }
        g_string_free(text, TRUE);
    }
}

/* B6: the view of a list, explicit columns. */
static void test_view_sql(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) c = contract_text_parse(contract_text_full);
    g_autofree char *sql = contract_view_sql(c, &c->views[0]);
    assert_string_equal(sql, "SELECT\n"
                             "    file_id,\n"
                             "    \"order\",\n"
                             "    item['kind'] AS kind,\n"
                             "    item['parent'] AS parent,\n"
                             "    item['from'] AS \"from\"\n"
                             "FROM (\n"
                             "    SELECT file_id, \"order\", unnest(nodes) AS item\n"
                             "    FROM codeintel.public.full_v2\n"
                             ")");
    g_autofree char *ddl = contract_view_ddl(c, &c->views[0]);
    g_autofree char *expected = g_strconcat("CREATE VIEW codeintel.public.full_nodes AS\n", sql, ";\n", NULL);
    assert_string_equal(ddl, expected);
}

static void test_quote(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"file_id", "file_id"},         {"all", "\"all\""},       {"xmltable", "\"xmltable\""},
        {"order", "\"order\""},         {"select", "\"select\""}, {"kind", "kind"},
        {"File", "\"File\""},           {"a b", "\"a b\""},       {"a\"b", "\"a\"\"b\""},
        {"timestamp", "\"timestamp\""}, {"type", "type"},         {"index", "index"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *quoted = contract_quote(cases[i][0]);
        assert_string_equal(quoted, cases[i][1]);
    }
}

/* ---- fingerprints ----------------------------------------------------------------------------------------------- */

/* Docs, style, order of keys and spelled-out defaults change no fingerprint; a change of meaning does. */
static void test_fingerprint_sees_meaning_alone(void **state)
{
    (void)state;
    static const char same[] = "# another spelling of the same\n"
                               "evolution:\n  widen: refuse\n  default: refuse\n"
                               "order:\n  - id\n"
                               "keys:\n  primary:\n    - id\n"
                               "storage: {format: delta}\n"
                               "doc: >\n  Something else.\n"
                               "columns:\n  - doc: another\n    nullable: false\n    type: 'int64'\n    name: \"id\"\n"
                               "kind: table\nversion: 1\ndataset: t\nfile_local: false\n";
    static const struct {
        const char *from;
        const char *to;
        bool same_schema;
    } different[] = {
        {"name: id", "name: ix", false},
        {"type: int64", "type: int32", false},
        {"type: int64", "type: int64, default: 7", true},
        {"type: int64", "type: int64, metadata: {a: b}", true},
        {"version: 1", "version: 2", true},
        {"keys: {primary: [id]}", "checks: {a: \"id > 0\"}", true},
        {"default: refuse", "default: refuse, widen: allow", true},
        {"type: int64", "type: int64, evolution: {widen: allow}", true},
        {"type: int64", "type: int64, lossy_from: [float64]", true},
        {"primary: [id]", "primary: [id], unique: [[id]]", true},
        {"version: 1", "version: 1\nengine: \"55\"", true},
        {"type: int64", "type: timestamp_us, zone: UTC", false},
        {"type: int64", "type: dictionary, index: int8, value: {type: int64}", false},
        {"order: [id]", "storage: {format: csv}", true},
    };
    char a[FINGERPRINT_HEX_SIZE];
    char b[FINGERPRINT_HEX_SIZE];
    char schema_a[FINGERPRINT_HEX_SIZE];
    char schema_b[FINGERPRINT_HEX_SIZE];
    struct ca_error err = {0};
    CA_AUTOPTR(contract) x = contract_text_parse(contract_text_small);
    CA_AUTOPTR(contract) y = contract_text_parse(same);
    contract_fingerprint(x, a);
    contract_fingerprint(y, b);
    assert_string_equal(a, b);
    assert_int_equal(contract_schema_fingerprint(x, schema_a, &err), CA_OK);
    for (size_t i = 0; i < G_N_ELEMENTS(different); i++) {
        GString *text = g_string_new(contract_text_small);
        g_string_replace(text, different[i].from, different[i].to, 1);
        if (strstr(different[i].to, "ix") != NULL)
            g_string_replace(text, "[id]", "[ix]", 0);
        CA_AUTOPTR(contract) z = contract_text_parse(text->str);
        contract_fingerprint(z, b);
        assert_string_not_equal(a, b);
        assert_int_equal(contract_schema_fingerprint(z, schema_b, &err), CA_OK);
        assert_int_equal(strcmp(schema_a, schema_b) == 0, different[i].same_schema);
        g_string_free(text, TRUE);
    }
}

/* The canonical JSON is an interface: the fingerprint of stored manifests hangs on it. Expected text written by hand.
 */
static void test_canonical_json(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) c = contract_text_parse(contract_text_small);
    g_autofree char *json = contract_canonical_json(c);
    assert_string_equal(
        json,
        "{\"bucket_inputs\":[],\"checks\":{},"
        "\"columns\":[{\"default\":null,\"evolution\":{},\"lossy_from\":[],\"metadata\":{},\"name\":"
        "\"id\","
        "\"nullable\":false,\"type\":\"int64\"}],\"dataset\":\"t\",\"engine\":null,\"evolution\":{\"add_nullable\":"
        "\"refuse\",\"add_required\":\"refuse\",\"drop\":"
        "\"refuse\",\"nested\":\"refuse\",\"relax_null\":\"refuse\",\"rename\":\"refuse\",\"reorder\":\"refuse\","
        "\"widen\":\"refuse\"},\"extract\":null,\"file_local\":false,\"join\":[],\"kind\":\"table\",\"metadata\":{},"
        "\"order\":[\"id\"],\"partition_by\":[],\"primary\":[\"id\"],\"scan\":{},\"stage\":\"extract\",\"storage\":{"
        "\"compression\":null,\"format\":\"delta\",\"location\":null,\"properties\":{},\"row_group_bytes\":0,"
        "\"statistics_columns\":[],\"target_file_bytes\":0},\"unique\":[],\"version\":1,\"views\":{}}");
}

/* ---- generated contracts ---------------------------------------------------------------------------------------- */

static void put_random_type(GRand *rand, GString *out, int depth);

static void put_random_fields(GRand *rand, GString *out, const char *prefix, int depth)
{
    for (int i = 0, n = g_rand_int_range(rand, 1, 5); i < n; i++) {
        g_string_append_printf(out, "%s{name: %s%d, nullable: %s, doc: \"d: %d\", ", i > 0 ? ", " : "", prefix, i,
                               g_rand_boolean(rand) ? "true" : "false", g_rand_int_range(rand, 0, 100));
        put_random_type(rand, out, depth);
        g_string_append_c(out, '}');
    }
}

static void put_random_type(GRand *rand, GString *out, int depth)
{
    enum contract_type type = (enum contract_type)g_rand_int_range(
        rand, CONTRACT_BOOL, depth == 0 ? (int)CONTRACT_LIST : (int)CONTRACT_N_TYPES);
    const int32_t most = contract_type_max_precision(type);
    const char *nullable = g_rand_boolean(rand) ? "true" : "false";
    g_string_append_printf(out, "type: %s", contract_type_name(type));
    switch (contract_type_shape(type)) {
    case CONTRACT_SHAPE_DECIMAL:
        g_string_append_printf(out, ", precision: %d, scale: %d", most, g_rand_int_range(rand, -most, most + 1));
        break;
    case CONTRACT_SHAPE_TIMESTAMP:
        g_string_append(out, g_rand_boolean(rand) ? ", zone: +02:00" : "");
        break;
    case CONTRACT_SHAPE_SIZED_LIST:
    case CONTRACT_SHAPE_BYTES:
        g_string_append_printf(out, ", size: %d", g_rand_int_range(rand, 1, 20));
        if (type == CONTRACT_FIXED_SIZE_BINARY)
            break;
        G_GNUC_FALLTHROUGH;
    case CONTRACT_SHAPE_LIST:
        g_string_append_printf(out, ", item: {nullable: %s, ", nullable);
        put_random_type(rand, out, depth - 1);
        g_string_append_c(out, '}');
        break;
    case CONTRACT_SHAPE_MAP:
        g_string_append_printf(out, ", key: {type: utf8}, value: {nullable: %s, ", nullable);
        put_random_type(rand, out, depth - 1);
        g_string_append_c(out, '}');
        break;
    case CONTRACT_SHAPE_DICTIONARY:
        g_string_append(out, ", index: uint16, value: {type: utf8_view}");
        break;
    case CONTRACT_SHAPE_STRUCT:
        g_string_append(out, ", fields: [");
        put_random_fields(rand, out, "f", depth - 1);
        g_string_append_c(out, ']');
        break;
    case CONTRACT_SHAPE_PLAIN:
        break;
    }
}

/* 300 contracts with types up to depth 5: equal to themselves in every respect, rendered twice the same. */
static void test_generated_contracts(void **state)
{
    (void)state;
    const guint32 seed = 7;
    print_message("seed %u\n", seed);
    GRand *rand = g_rand_new_with_seed(seed);
    for (int i = 0; i < 300; i++) {
        GString *text = g_string_new("dataset: g\nversion: 1\nkind: table\ndoc: d\nstorage: {format: memory}\n"
                                     "evolution: {default: refuse}\ncolumns: [");
        put_random_fields(rand, text, "c", 5);
        g_string_append(text, "]\n");
        CA_AUTOPTR(contract) x = contract_text_parse(text->str);
        CA_AUTOPTR(contract) y = contract_text_parse(text->str);
        struct ca_error err = {0};
        struct ArrowSchema schema;
        assert_int_equal(contract_schema(x, &schema, &err), CA_OK);
        char a[FINGERPRINT_HEX_SIZE];
        char b[FINGERPRINT_HEX_SIZE];
        assert_int_equal(rows_schema_fingerprint(&schema, a, &err), CA_OK);
        assert_int_equal(contract_schema_fingerprint(y, b, &err), CA_OK);
        assert_string_equal(a, b);
        assert_int_equal(rows_schema_check(&schema, &schema, NULL, &err), CA_OK);
        struct ArrowArrayView view;
        struct ArrowError why;
        assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, &why), 0); /* a schema that Arrow accepts */
        ArrowArrayViewReset(&view);
        ArrowSchemaRelease(&schema);

        struct contract_differences d = {0};
        contract_compare(x, y, &d);
        assert_int_equal(d.n, 0);
        contract_differences_done(&d);
        g_autofree char *ddl_x = NULL;
        g_autofree char *ddl_y = NULL;
        assert_int_equal(contract_ddl(x, NULL, NULL, &ddl_x, &err), CA_OK);
        assert_int_equal(contract_ddl(y, NULL, NULL, &ddl_y, &err), CA_OK);
        assert_string_equal(ddl_x, ddl_y);
        g_string_free(text, TRUE);
    }
    g_rand_free(rand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_columns_that_cannot_be_kept),
        cmocka_unit_test(test_view_schema_of_nullable_items),
        cmocka_unit_test(test_ddl),
        cmocka_unit_test(test_ddl_of_other_kinds),
        cmocka_unit_test(test_view_sql),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_fingerprint_sees_meaning_alone),
        cmocka_unit_test(test_canonical_json),
        cmocka_unit_test(test_generated_contracts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
