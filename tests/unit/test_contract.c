/* tests/unit/test_contract.c — the contract language: loading, schemas, fingerprints, DDL, evolution, bundles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "contract/bundle.h"
#include "contract/contract.h"
#include "rows/rows.h"

static struct contract *parse_in(const char *text, enum contract_stage stage)
{
    struct contract *c = NULL;
    struct ca_error err = {0};
    int rc = contract_parse(text, strlen(text), "t.yaml", stage, &c, &err);
    if (rc != CA_OK)
        fail_msg("%s", err.message);
    return c;
}

static struct contract *parse(const char *text)
{
    return parse_in(text, CONTRACT_EXTRACT);
}

static const char small[] = "dataset: t\n"
                            "version: 1\n"
                            "kind: table\n"
                            "doc: One row a thing.\n"
                            "columns:\n"
                            "  - {name: id, type: int64, nullable: false, doc: \"the id\"}\n"
                            "keys: {primary: [id]}\n"
                            "order: [id]\n"
                            "evolution: {default: refuse}\n";

/* Everything that the language has. */
static const char full[] =
    "dataset: full_v2\n"
    "version: 2\n"
    "kind: bundle\n"
    "doc: One row a file.\n"
    "columns:\n"
    "  - {name: file_id, type: int64, nullable: false, doc: id, metadata: {unit: none}}\n"
    "  - {name: order, type: utf8, nullable: false, default: \"'it''s'\", doc: a reserved word}\n"
    "  - {name: price, type: decimal128, precision: 10, scale: 2, nullable: true, doc: p, evolution: {drop: allow}, "
    "lossy_from: [decimal256]}\n"
    "  - {name: seen, type: timestamp_us, nullable: true, doc: s}\n"
    "  - {name: seen_utc, type: timestamp_us, zone: UTC, nullable: true, doc: s}\n"
    "  - name: attrs\n"
    "    type: map\n"
    "    nullable: true\n"
    "    doc: m\n"
    "    key: {type: utf8}\n"
    "    value: {type: int32, nullable: true}\n"
    "  - name: nodes\n"
    "    type: list\n"
    "    nullable: false\n"
    "    doc: n\n"
    "    item:\n"
    "      type: struct\n"
    "      nullable: false\n"
    "      fields:\n"
    "        - {name: kind, type: utf8, nullable: false, doc: k}\n"
    "        - {name: parent, type: int32, nullable: true, doc: p}\n"
    "        - {name: from, type: list, nullable: true, doc: f, item: {type: uint8, nullable: false}}\n"
    "keys: {primary: [file_id], unique: [[order, seen], [price]], join: [file_id, order]}\n"
    "order: [order, file_id]\n"
    "partition_by: [order]\n"
    "checks: {small: \"file_id < 10\"}\n"
    "storage: {format: parquet, location: \"data/it's\", row_group_bytes: 1024, target_file_bytes: 2048, compression: "
    "zstd, "
    "statistics_columns: [file_id], properties: {format.max_row_group_size: 10}}\n"
    "scan: {collect_statistics: true}\n"
    "extract: {extractor: cpython, layer: ast, template: ast, bundles: [file_identity], defaults: {a: true}, evidence: "
    "{rank: 1}, "
    "postprocess: [\"lower(x)\"], derived_ids: {file_id: [repository, path]}, join_keys: [file_id]}\n"
    "evolution: {default: refuse, add_nullable: allow, widen: allow}\n"
    "views: {full_nodes: {unnest: nodes, with: [file_id, order], doc: v, checks: {k: \"kind <> ''\"}}}\n"
    "file_local: true\n"
    "engine: \"55\"\n"
    "metadata: {owner: us}\n";

/* ---- load ------------------------------------------------------------------------------------------------------- */

/* B1: every key arrives where it belongs. */
static void test_parse_reads_everything(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) c = parse(full);
    assert_string_equal(c->dataset, "full_v2");
    assert_int_equal(c->version, 2);
    assert_int_equal(c->kind, CONTRACT_BUNDLE);
    assert_string_equal(contract_schema_name(c), "public");
    assert_int_equal(c->n_columns, 7);
    assert_string_equal(c->columns[0].metadata.items[0].key, "unit");
    assert_string_equal(c->columns[0].metadata.items[0].value, "none");
    assert_string_equal(c->columns[1].default_sql, "'it''s'");
    assert_int_equal(c->columns[2].precision, 10);
    assert_int_equal(c->columns[2].scale, 2);
    assert_int_equal(c->columns[6].line, 17);
    const struct contract_field *item = &c->columns[6].children[0];
    assert_string_equal(item->name, "item");
    assert_int_equal(item->n_children, 3);
    assert_string_equal(item->children[2].children[0].name, "item");
    assert_string_equal(c->columns[5].children[1].name, "value");
    assert_int_equal(c->primary.n, 1);
    assert_int_equal(c->join.n, 2);
    assert_string_equal(c->order.items[0], "order");
    assert_string_equal(c->partition_by.items[0], "order");
    assert_string_equal(c->checks.items[0].value, "file_id < 10");
    assert_string_equal(c->storage.format, "parquet");
    assert_int_equal(c->storage.row_group_bytes, 1024);
    assert_string_equal(c->storage.properties.items[0].value, "10");
    assert_string_equal(c->scan.items[0].value, "true");
    assert_string_equal(c->extract->postprocess.items[0], "lower(x)");
    assert_string_equal(c->extract->derived_ids[0].column, "file_id");
    assert_string_equal(c->extract->derived_ids[0].inputs.items[1], "path");
    assert_true(c->evolution_allows[CONTRACT_WIDEN]);
    assert_false(c->evolution_allows[CONTRACT_DROP]);
    assert_true(c->is_file_local);
    assert_string_equal(c->engine, "55");
    assert_int_equal(c->n_unique, 2);
    assert_string_equal(c->unique[0].items[1], "seen");
    assert_int_equal(c->columns[2].rules[CONTRACT_DROP], CONTRACT_ALLOW);
    assert_int_equal(c->columns[2].rules[CONTRACT_WIDEN], CONTRACT_INHERIT);
    assert_string_equal(c->columns[2].lossy_from.items[0], "decimal256");
    assert_string_equal(c->columns[4].zone, "UTC");
    assert_null(c->columns[3].zone);
    assert_string_equal(c->metadata.items[0].value, "us");
    assert_string_equal(contract_view_named(c, "full_nodes")->checks.items[0].key, "k");
    assert_null(contract_view_named(c, "x"));
    assert_null(contract_column(c, "x"));
}

/* The defaults of the kinds. */
static void test_default_formats(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        enum contract_stage stage;
        const char *format;
        const char *schema;
    } cases[] = {
        {"bundle", CONTRACT_EXTRACT, "delta", "public"},
        {"table", CONTRACT_GRAPH, "delta", "public"},
        {"view", CONTRACT_GRAPH, NULL, "public"},
        {"params", CONTRACT_STAGE_PARAMS, "memory", "params"},
        {"diagnostics", CONTRACT_STAGE_DIAGNOSTICS, "delta", "diagnostics"},
        {"registry", CONTRACT_STAGE_REGISTRY, "memory", "registry"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *text = g_string_new(small);
        g_autofree char *kind = g_strdup_printf("kind: %s", cases[i].kind);
        g_string_replace(text, "kind: table", kind, 1);
        CA_AUTOPTR(contract) c = parse_in(text->str, cases[i].stage);
        if (cases[i].format == NULL)
            assert_null(c->storage.format);
        else
            assert_string_equal(c->storage.format, cases[i].format);
        assert_string_equal(contract_schema_name(c), cases[i].schema);
        g_string_free(text, TRUE);
    }
}

/* One edit of `small` (or of `full` when from is found only there), and the whole message. */
struct bad_case {
    const char *from;
    const char *to;
    int status;
    const char *message;
};

static void check_bad(const char *base, const struct bad_case *x)
{
    assert_non_null(strstr(base, x->from));
    GString *text = g_string_new(base);
    g_string_replace(text, x->from, x->to, 1);
    struct contract *c = NULL;
    struct ca_error err = {0};
    int rc = contract_parse(text->str, text->len, "t.yaml", CONTRACT_EXTRACT, &c, &err);
    assert_null(c);
    assert_string_equal(err.message, x->message);
    assert_int_equal(rc, x->status);
    g_string_free(text, TRUE);
}

/* B1: unknown, missing, duplicate and ill-typed keys, with line and column. */
static void test_bad_keys_are_refused_with_line_and_column(void **state)
{
    (void)state;
    static const struct bad_case cases[] = {
        {"version: 1", "version: 1\nvesion: 2", CA_ERR_SYNTAX,
         "t.yaml:3:1: unknown key 'vesion' in a contract; known are dataset, version, kind, doc, columns, keys, order, "
         "partition_by, checks, storage, scan, extract, evolution, views, file_local, bucket_inputs, engine, metadata"},
        {"version: 1", "version: 1\nversion: 2", CA_ERR_SYNTAX,
         "t.yaml:3:1: key 'version' occurs twice, first at line 2"},
        {"version: 1", "version: one", CA_ERR_SYNTAX, "t.yaml:2:10: key 'version': expected an integer from 1"},
        {"version: 1", "version: 0", CA_ERR_SYNTAX, "t.yaml:2:10: key 'version': expected an integer from 1"},
        {"version: 1", "version: 9223372036854775808", CA_ERR_SYNTAX,
         "t.yaml:2:10: key 'version': expected an integer from 1"},
        {"version: 1", "version: \"1\"", CA_ERR_SYNTAX, "t.yaml:2:10: key 'version': expected an integer from 1"},
        {"version: 1\n", "", CA_ERR_SYNTAX, "t.yaml:1:1: missing key 'version' in a contract"},
        {"dataset: t", "dataset: T", CA_ERR_SYNTAX,
         "t.yaml:1:10: 'T' is not a name: lower-case letters, digits and '_', a letter first"},
        {"dataset: t", "dataset: [t]", CA_ERR_SYNTAX, "t.yaml:1:10: key 'dataset': expected a name"},
        {"dataset: t", "dataset: null", CA_ERR_SYNTAX, "t.yaml:1:10: key 'dataset': expected a name"},
        {"kind: table", "kind: tabel", CA_ERR_SYNTAX,
         "t.yaml:3:7: key 'kind': 'tabel' is none of bundle, table, view, params, diagnostics, registry"},
        {"kind: table", "kind: [table]", CA_ERR_SYNTAX,
         "t.yaml:3:7: key 'kind': expected one of bundle, table, view, params, diagnostics, registry"},
        {"doc: One row a thing.", "doc: 5", CA_ERR_SYNTAX, "t.yaml:4:6: key 'doc': expected text"},
        {"doc: One row a thing.", "doc: ''", CA_ERR_SYNTAX, "t.yaml:4:6: key 'doc': the text is empty"},
        {"type: int64", "type: int63", CA_ERR_SYNTAX,
         "t.yaml:6:22: key 'type': 'int63' is none of null, bool, int8, int16, int32, int64, uint8, uint16, uint32, "
         "uint64, float16, float32, float64, utf8, large_utf8, utf8_view, binary, large_binary, binary_view, "
         "fixed_size_binary, date32, date64, time32_s, time32_ms, time64_us, time64_ns, timestamp_s, timestamp_ms, "
         "timestamp_us, timestamp_ns, duration_s, duration_ms, duration_us, duration_ns, interval_year_month, "
         "interval_day_time, interval_month_day_nano, decimal32, decimal64, decimal128, decimal256, list, large_list, "
         "list_view, large_list_view, fixed_size_list, struct, map, dictionary"},
        {"nullable: false", "nullable: no", CA_ERR_SYNTAX, "t.yaml:6:39: key 'nullable': expected true or false"},
        {"nullable: false, ", "", CA_ERR_SYNTAX, "t.yaml:6:5: missing key 'nullable' in a column"},
        {", doc: \"the id\"", "", CA_ERR_SYNTAX, "t.yaml:6:5: missing key 'doc' in a column"},
        {"type: int64", "type: int64, fields: []", CA_ERR_SYNTAX,
         "t.yaml:6:37: key 'fields' belongs to type struct, this is int64"},
        {"type: int64", "type: list", CA_ERR_SYNTAX, "t.yaml:6:5: missing key 'item' of a list"},
        {"type: int64", "type: struct", CA_ERR_SYNTAX, "t.yaml:6:5: missing key 'fields' of a struct"},
        {"type: int64", "type: struct, fields: []", CA_ERR_SYNTAX, "t.yaml:6:38: expected a list of fields"},
        {"type: int64", "type: map, key: {type: utf8}", CA_ERR_SYNTAX, "t.yaml:6:5: missing key 'value' of a map"},
        {"type: int64", "type: decimal128, precision: 9", CA_ERR_SYNTAX,
         "t.yaml:6:5: missing key 'scale' of a decimal128"},
        {"type: int64", "type: fixed_size_binary", CA_ERR_SYNTAX,
         "t.yaml:6:5: missing key 'size' of a fixed_size_binary"},
        {"type: int64", "type: fixed_size_binary, size: 0", CA_ERR_SYNTAX,
         "t.yaml:6:47: key 'size': expected an integer from 1 to 2147483647"},
        {"type: int64", "type: dictionary, value: {type: utf8}", CA_ERR_SYNTAX,
         "t.yaml:6:5: missing key 'index' of a dictionary"},
        {"type: int64", "type: dictionary, index: utf8, value: {type: utf8}", CA_ERR_SYNTAX,
         "t.yaml:6:41: key 'index': 'utf8' is none of int8, int16, int32, int64, uint8, uint16, uint32, uint64"},
        {"type: int64", "type: dictionary, index: int8, value: {type: utf8, nullable: true}", CA_ERR_SYNTAX,
         "t.yaml:6:67: unknown key 'nullable' in a dictionary's value; known are type, doc, precision, scale, size, "
         "zone, "
         "item, fields, key, value, index"},
        {"type: int64", "type: date32, zone: UTC", CA_ERR_SYNTAX,
         "t.yaml:6:36: key 'zone' belongs to timestamps, this is date32"},
        {"type: int64", "type: timestamp_us, zone: \"a b\"", CA_ERR_SYNTAX,
         "t.yaml:6:42: key 'zone': 'a b' is no time zone; write UTC, Europe/Paris or +01:00"},
        {"type: int64", "type: null", CA_ERR_SYNTAX,
         "t.yaml:6:22: key 'type': expected a type; the one without values is written \"null\", in quotes"},
        {"type: int64", "type: int64, evolution: {default: allow}", CA_ERR_SYNTAX,
         "t.yaml:6:41: unknown key 'default' in the evolution of a field; known are add_nullable, add_required, widen, "
         "rename, drop, reorder, relax_null, nested"},
        {"primary: [id]", "primary: [id], unique: [id]", CA_ERR_SYNTAX, "t.yaml:7:32: key 'unique': expected a list"},
        {"primary: [id]", "primary: [id], unique: [[]]", CA_ERR_SYNTAX, "t.yaml:7:32: a unique key has a column"},
        {"order: [id]", "engine: 55", CA_ERR_SYNTAX,
         "t.yaml:8:9: key 'engine': expected a version of DataFusion as text, like \"55\" or \"55.2\""},
        {"type: int64", "type: decimal128, precision: 77, scale: 1", CA_ERR_SYNTAX,
         "t.yaml:6:45: key 'precision': expected an integer from 1 to 76"},
        {"evolution: {default: refuse}", "evolution: {widen: allow}", CA_ERR_SYNTAX,
         "t.yaml:9:12: missing key 'default' in evolution"},
        {"evolution: {default: refuse}", "evolution: {default: refuse, widen: maybe}", CA_ERR_SYNTAX,
         "t.yaml:9:37: key 'evolution': 'maybe' is none of refuse, allow"},
        {"evolution: {default: refuse}", "evolution: {default: refuse, wide: allow}", CA_ERR_SYNTAX,
         "t.yaml:9:30: unknown key 'wide' in evolution; known are default, add_nullable, add_required, widen, rename, "
         "drop, reorder, relax_null, nested"},
        {"order: [id]", "order: id", CA_ERR_SYNTAX, "t.yaml:8:8: key 'order': expected a list"},
        {"type: int64", "type: utf8, values: a", CA_ERR_SYNTAX,
         "t.yaml:6:36: key 'values': expected a list of texts, or a map of each to what it says"},
        {"type: int64", "type: utf8, values: []", CA_ERR_SYNTAX, "t.yaml:6:36: key 'values': no value is listed"},
        {"order: [id]", "storage: {format: orc}", CA_ERR_SYNTAX,
         "t.yaml:8:19: key 'format': 'orc' is none of delta, parquet, csv, ndjson, arrow, avro, memory, stream"},
        {"order: [id]", "scan: {prunning: true}", CA_ERR_SYNTAX, "t.yaml:8:8: unknown scan option 'prunning'"},
        {"order: [id]", "checks: {x: null}", CA_ERR_SYNTAX, "t.yaml:8:13: key 'checks': expected text"},
        {"order: [id]", "order: &a [id]", CA_ERR_SYNTAX,
         "t.yaml:8:8: anchors and aliases are not allowed in a contract"},
        {"order: [id]", "order: !!seq [id]", CA_ERR_SYNTAX, "t.yaml:8:8: tags are not allowed in a contract"},
        {"order: [id]", "order: *a", CA_ERR_SYNTAX, "t.yaml:8:8: anchors and aliases are not allowed in a contract"},
        {"order: [id]", "? [a]\n: b", CA_ERR_SYNTAX, "t.yaml:8:3: a key must be a single name"},
        {"order: [id]", "---\na: b", CA_ERR_SYNTAX, "t.yaml:8:1: a second document; one file holds one contract"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        check_bad(small, &cases[i]);
}

/* A file that says something, but contradicts itself. */
static void test_contradictions_are_refused(void **state)
{
    (void)state;
    static const struct bad_case in_small[] = {
        {"primary: [id]", "primary: [ix]", CA_ERR_CONTRACT, "t.yaml:7:18: keys.primary names 'ix', which is no column"},
        {"primary: [id]", "primary: [id, id]", CA_ERR_CONTRACT, "t.yaml:7:22: 'id' is in the list twice"},
        {"nullable: false", "nullable: true", CA_ERR_CONTRACT,
         "t.yaml:7:18: keys.primary names 'id', which may be null"},
        {"order: [id]", "order: [ix]", CA_ERR_CONTRACT, "t.yaml:8:9: order names 'ix', which is no column"},
        {"dataset: t", "dataset: t_v2", CA_ERR_CONTRACT,
         "t.yaml:1:10: dataset 't_v2' does not end in '_v1', its version"},
        {"kind: table", "kind: registry", CA_ERR_CONTRACT,
         "t.yaml:3:7: kind registry does not belong into stage extract"},
        {"kind: table", "kind: view\nstorage: {format: csv}", CA_ERR_CONTRACT,
         "t.yaml:4:10: a view has no storage format"},
        {"  - {name: id", "  - {name: id, type: utf8, nullable: true, doc: d}\n  - {name: id", CA_ERR_CONTRACT,
         "t.yaml:7:12: column 'id' is declared twice"},
        {"type: int64", "type: decimal128, precision: 3, scale: 4", CA_ERR_CONTRACT,
         "t.yaml:6:45: decimal128(3, 4): precision is 1 to 38, scale at most the precision, below zero too"},
        {"type: int64", "type: decimal32, precision: 10, scale: 4", CA_ERR_CONTRACT,
         "t.yaml:6:44: decimal32(10, 4): precision is 1 to 9, scale at most the precision, below zero too"},
        {"type: int64", "type: dictionary, index: int8, value: {type: list, item: {type: int8, nullable: true}}",
         CA_ERR_CONTRACT, "t.yaml:6:61: a dictionary holds scalars, not list"},
        {"type: int64", "type: \"null\"", CA_ERR_CONTRACT,
         "t.yaml:6:22: all values of type null are null: it must be nullable"},
        {"type: int64", "type: int64, lossy_from: [int32]", CA_ERR_CONTRACT,
         "t.yaml:6:5: lossy_from names int32: nothing is lost on the way to int64, or nothing is left"},
        {"primary: [id]", "primary: [id], unique: [[id, ix]]", CA_ERR_CONTRACT,
         "t.yaml:7:37: keys.unique names 'ix', which is no column"},
        {"order: [id]", "engine: \"56\"", CA_ERR_CONTRACT,
         "t.yaml:8:9: the contract needs DataFusion 56, this program has 55.2.0: use a newer codeanatomy"},
        {"order: [id]", "engine: \"55.3\"", CA_ERR_CONTRACT,
         "t.yaml:8:9: the contract needs DataFusion 55.3, this program has 55.2.0: use a newer codeanatomy"},
        {"order: [id]", "scan: {unbounded: true}", CA_ERR_CONTRACT,
         "t.yaml:8:19: scan option unbounded means nothing for format delta, only for csv ndjson stream"},
        {"order: [id]", "storage: {format: csv}\nscan: {parquet_pruning: true}", CA_ERR_CONTRACT,
         "t.yaml:9:25: scan option parquet_pruning means nothing for format csv, only for parquet"},
        {"order: [id]", "storage: {format: parquet}\nscan: {cache: perhaps}", CA_ERR_SYNTAX,
         "t.yaml:9:15: key 'cache': expected true or false"},
        {"order: [id]", "storage: {format: csv}\nscan: {mutable_listing: true, list_cache_bytes: 5}", CA_ERR_CONTRACT,
         "t.yaml:9:49: scan option list_cache_bytes means nothing beside mutable_listing"},
        {"type: int64", "type: map, key: {type: utf8, nullable: true}, value: {type: utf8, nullable: true}",
         CA_ERR_CONTRACT, "t.yaml:6:55: a map's key cannot be null"},
        {"type: int64", "type: int64, values: [a]", CA_ERR_CONTRACT,
         "t.yaml:6:37: column 'id' is of type int64: values are listed for utf8"},
        {"type: int64", "type: utf8, values: [a, b, a]", CA_ERR_CONTRACT, "t.yaml:6:43: 'a' is in the list twice"},
    };
    static const struct bad_case in_full[] = {
        {"unnest: nodes", "unnest: attrs", CA_ERR_CONTRACT,
         "t.yaml:36:30: unnest names 'attrs', which is no list of structs"},
        {"unnest: nodes", "unnest: nods", CA_ERR_CONTRACT, "t.yaml:36:30: unnest names 'nods', which is no column"},
        {"name: kind", "name: order", CA_ERR_CONTRACT, "t.yaml:36:9: view 'full_nodes' would have two columns 'order'"},
        {"full_nodes:", "full_v2:", CA_ERR_CONTRACT, "t.yaml:36:9: view 'full_v2' has the name of the dataset"},
        {"order: [order, file_id]", "order: [nodes]", CA_ERR_CONTRACT,
         "t.yaml:29:9: order names 'nodes', a list; it must be a scalar"},
        {"derived_ids: {file_id", "derived_ids: {file_ix", CA_ERR_CONTRACT,
         "t.yaml:34:167: extract.derived_ids names 'file_ix', which is no column"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(in_small); i++)
        check_bad(small, &in_small[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(in_full); i++)
        check_bad(full, &in_full[i]);
}

/* Values that a column lists are a check of its name, quoted where SQL asks for it. */
static void test_listed_values(void **state)
{
    (void)state;
    static const char text[] =
        "dataset: t\n"
        "version: 1\n"
        "kind: table\n"
        "doc: One row a thing.\n"
        "columns:\n"
        "  - {name: kind, type: utf8, nullable: false, doc: k, values: {file: a file, it's: odd}}\n"
        "  - {name: order, type: utf8, nullable: true, doc: o, values: [up, down]}\n"
        "checks: {other: \"kind <> ''\"}\n"
        "evolution: {default: refuse}\n";
    CA_AUTOPTR(contract) c = parse(text);
    assert_int_equal(c->checks.n, 3);
    assert_string_equal(c->checks.items[0].key, "other");
    assert_string_equal(c->checks.items[1].key, "kind");
    assert_string_equal(c->checks.items[1].value, "kind IN ('file', 'it''s')");
    assert_int_equal(c->checks.items[1].line, 6);
    assert_string_equal(c->checks.items[2].key, "order");
    assert_string_equal(c->checks.items[2].value, "\"order\" IN ('up', 'down')");
    assert_string_equal(c->columns[0].values.items[1].key, "it's");
    assert_string_equal(c->columns[0].values.items[1].value, "odd");
    assert_null(c->columns[1].values.items[0].value);
    /* The same check written out is the same contract. */
    static const char spelled[] = "dataset: t\n"
                                  "version: 1\n"
                                  "kind: table\n"
                                  "doc: One row a thing.\n"
                                  "columns:\n"
                                  "  - {name: kind, type: utf8, nullable: false, doc: k}\n"
                                  "  - {name: order, type: utf8, nullable: true, doc: o}\n"
                                  "checks: {other: \"kind <> ''\", kind: \"kind IN ('file', 'it''s')\","
                                  " order: '\"order\" IN (''up'', ''down'')'}\n"
                                  "evolution: {default: refuse}\n";
    CA_AUTOPTR(contract) s = parse(spelled);
    char with_values[FINGERPRINT_HEX_SIZE];
    char with_checks[FINGERPRINT_HEX_SIZE];
    contract_fingerprint(c, with_values);
    contract_fingerprint(s, with_checks);
    assert_string_equal(with_values, with_checks);
    /* Said twice it is a contradiction. */
    g_auto(GStrv) parts = g_strsplit(text, "checks: {other", 2);
    g_autofree char *twice = g_strjoinv("checks: {kind", parts);
    struct contract *none = NULL;
    struct ca_error err = {0};
    assert_int_equal(contract_parse(twice, strlen(twice), "t.yaml", CONTRACT_EXTRACT, &none, &err), CA_ERR_CONTRACT);
    assert_string_equal(err.message,
                        "t.yaml:6:63: column 'kind' lists its values, and check 'kind' has its name: one of the two");
}

/* A view of stage registry belongs to its schema. */
static void test_registry_view(void **state)
{
    (void)state;
    static const char text[] = "dataset: v\n"
                               "version: 1\n"
                               "kind: view\n"
                               "doc: One row a thing.\n"
                               "columns:\n"
                               "  - {name: id, type: int64, nullable: false, doc: i}\n"
                               "evolution: {default: refuse}\n";
    CA_AUTOPTR(contract) c = parse_in(text, CONTRACT_STAGE_REGISTRY);
    assert_string_equal(contract_schema_name(c), "registry");
    CA_AUTOPTR(contract) other = parse(text);
    assert_string_equal(contract_schema_name(other), "public");
}

/* One run shows all problems, in the order of the file. */
static void test_problems_are_collected(void **state)
{
    (void)state;
    static const char text[] = "dataset: T\nversion: 0\nkind: table\ndoc: d\n"
                               "columns: [{name: a, type: int64, nullable: false, doc: d, dok: e}]\n"
                               "evolution: {default: refuse}\n";
    struct contract *c = NULL;
    struct ca_error err = {0};
    assert_int_equal(contract_parse(text, strlen(text), "t.yaml", CONTRACT_EXTRACT, &c, &err), CA_ERR_SYNTAX);
    assert_string_equal(err.message,
                        "t.yaml:1:10: 'T' is not a name: lower-case letters, digits and '_', a letter first\n"
                        "t.yaml:2:10: key 'version': expected an integer from 1\n"
                        "t.yaml:5:59: unknown key 'dok' in a column; known are name, type, nullable, default, doc, "
                        "metadata, values, evolution, "
                        "lossy_from, precision, scale, size, zone, item, fields, key, value, index");
}

/* Bytes that are no text, nothing at all, depth without end: an error each, never a crash. */
static void test_hostile_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n_bytes;
        int status;
        const char *message;
    } cases[] = {
        {"", 0, CA_ERR_SYNTAX, "t.yaml:1:1: the file is empty"},
        {"# nothing\n", 10, CA_ERR_SYNTAX, "t.yaml:1:1: the file is empty"},
        {"a: \xFF", 4, CA_ERR_SYNTAX, "t.yaml:1:4: not UTF-8"},
        {"a: b\n\xC3\xA4: \0", 10, CA_ERR_SYNTAX, "t.yaml:2:4: NUL byte in the text"},
        {"a: \"x\\0y\"", 9, CA_ERR_SYNTAX, "t.yaml:1:4: a text may not contain NUL"},
        {"- a\n", 4, CA_ERR_SYNTAX, "t.yaml:1:1: expected a contract, a map"},
    };
    struct ca_error err = {0};
    struct contract *c = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_int_equal(contract_parse(cases[i].text, cases[i].n_bytes, "t.yaml", CONTRACT_EXTRACT, &c, &err),
                         cases[i].status);
        assert_string_equal(err.message, cases[i].message);
    }
    static const char *const openings[] = {"[", "{a: ", "- ", "? "};
    for (size_t i = 0; i < G_N_ELEMENTS(openings); i++) {
        GString *deep = g_string_new(NULL);
        for (int j = 0; j < 100000; j++)
            g_string_append(deep, openings[i]);
        assert_int_not_equal(contract_parse(deep->str, deep->len, "t.yaml", CONTRACT_EXTRACT, &c, &err), CA_OK);
        assert_null(c);
        g_string_free(deep, TRUE);
    }
    g_autofree char *large = g_strnfill(CONTRACT_MAX_BYTES + 1, '#');
    assert_int_equal(contract_parse(large, CONTRACT_MAX_BYTES + 1, "t.yaml", CONTRACT_EXTRACT, &c, &err),
                     CA_ERR_RESOURCES);
    assert_string_equal(err.message, "t.yaml has 4194305 bytes, CONTRACT_MAX_BYTES is 4194304");

    GString *nested = g_string_new("item: {type: int8, nullable: false}");
    for (int i = 0; i < 20; i++) {
        g_string_prepend(nested, "item: {type: list, nullable: false, ");
        g_string_append_c(nested, '}');
    }
    GString *text = g_string_new(small);
    g_string_prepend(nested, "type: list, ");
    g_string_replace(text, "type: int64", nested->str, 1);
    assert_int_equal(contract_parse(text->str, text->len, "t.yaml", CONTRACT_EXTRACT, &c, &err), CA_ERR_RESOURCES);
    assert_non_null(strstr(err.message, "types nest deeper than 16 levels"));
    g_string_free(nested, TRUE);
    g_string_free(text, TRUE);
}

/* Damaged files: one byte changed, cut, doubled. Whatever comes, it is a verdict. */
static void test_damaged_text_never_crashes(void **state)
{
    (void)state;
    const guint32 seed = 20261121;
    print_message("seed %u\n", seed);
    GRand *rand = g_rand_new_with_seed(seed);
    int n_ok = 0;
    for (int i = 0; i < 3000; i++) {
        GString *text = g_string_new(full);
        for (int edits = g_rand_int_range(rand, 1, 4); edits > 0; edits--) {
            gssize at = g_rand_int_range(rand, 0, (gint32)text->len);
            gssize n_erased = 0;
            switch (g_rand_int_range(rand, 0, 4)) {
            case 0:
                text->str[at] = (char)g_rand_int_range(rand, 0, 256);
                break;
            case 1:
                g_string_truncate(text, (gsize)at + 1);
                break;
            case 2:
                n_erased = g_rand_int_range(rand, 1, 20);
                g_string_erase(text, at, MIN((gssize)text->len - at, n_erased));
                g_string_append_c(text, '\n');
                break;
            default:
                g_string_insert_c(text, at, "{}[]:,-#&*!|>'\"%@`\n \t"[g_rand_int_range(rand, 0, 22)]);
                break;
            }
        }
        struct contract *c = NULL;
        struct ca_error err = {0};
        int rc = contract_parse(text->str, text->len, "t.yaml", CONTRACT_EXTRACT, &c, &err);
        if (rc == CA_OK)
            n_ok++;
        else
            assert_true(strlen(err.message) > 0);
        contract_free(c);
        g_string_free(text, TRUE);
    }
    print_message("%d of 3000 still load\n", n_ok);
    assert_true(n_ok > 0 && n_ok < 3000);
    g_rand_free(rand);
}

/* The folder is the stage and the file the dataset. */
static void test_load_checks_names(void **state)
{
    (void)state;
    g_autofree char *dir = g_dir_make_tmp("ca-test-contract-XXXXXX", NULL);
    g_autofree char *stage = g_build_filename(dir, "graph", NULL);
    g_autofree char *good = g_build_filename(stage, "t.yaml", NULL);
    g_autofree char *other = g_build_filename(stage, "u.yaml", NULL);
    g_autofree char *outside = g_build_filename(dir, "t.yaml", NULL);
    struct ca_error err = {0};
    assert_int_equal(file_make_dirs(stage, &err), CA_OK);
    assert_int_equal(file_write_atomic(good, small, strlen(small), &err), CA_OK);
    assert_int_equal(file_write_atomic(other, small, strlen(small), &err), CA_OK);
    assert_int_equal(file_write_atomic(outside, small, strlen(small), &err), CA_OK);

    struct contract *c = NULL;
    assert_int_equal(contract_load(other, &c, &err), CA_ERR_CONTRACT);
    g_autofree char *expected = g_strdup_printf("%s:1:1: dataset 't' must be in a file named 't.yaml'", other);
    assert_string_equal(err.message, expected);
    assert_int_equal(contract_load(outside, &c, &err), CA_ERR_CONTRACT);
    assert_non_null(strstr(err.message, "is no stage; one of extract, normalize, relate, graph, registry"));
    assert_null(c);
    assert_int_equal(contract_load(good, &c, &err), CA_OK);
    assert_int_equal(c->stage, CONTRACT_GRAPH);
    contract_free(c);
    assert_int_equal(file_remove_tree(dir, &err), CA_OK);
}

/* ---- schema ----------------------------------------------------------------------------------------------------- */

static char *schema_text(const struct ArrowSchema *schema)
{
    GString *out = g_string_new(NULL);
    for (int64_t i = 0; i < schema->n_children; i++) {
        char *type = rows_type_text(schema->children[i]);
        g_string_append_printf(out, "%s %s%s\n", schema->children[i]->name, type,
                               schema->children[i]->flags & ARROW_FLAG_NULLABLE ? "" : " not null");
        free(type);
    }
    return g_string_free(out, FALSE);
}

/* B1, design decision 2: what DDL cannot say is in the Arrow schema: nested NOT NULL, maps, metadata. */
static void test_schema(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) c = parse(full);
    struct ArrowSchema schema;
    struct ca_error err = {0};
    assert_int_equal(contract_schema(c, &schema, &err), CA_OK);
    g_autofree char *text = schema_text(&schema);
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
    g_autofree char *view = schema_text(&schema);
    assert_string_equal(view, "file_id int64 not null\norder utf8 not null\nkind utf8 not null\nparent int32\n"
                              "from list<uint8 not null>\n");
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
        CA_AUTOPTR(contract) c = parse(text);
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

/* B1: what Delta cannot hold is found at any depth, with its path and place. */
static void test_delta_cannot_hold(void **state)
{
    (void)state;
    static const struct bad_case cases[] = {
        {"type: int64",
         "type: map, key: {type: utf8}, value: {type: list, nullable: true, item: {type: struct, "
         "nullable: true, fields: [{name: f, type: float16, nullable: true, doc: d}]}}",
         CA_ERR_CONTRACT,
         "t.yaml:6:128: 'id{value}[].f' is float16, which a Delta table cannot hold: use float32, or storage of format "
         "memory, parquet or arrow\n"
         "t.yaml:7:18: keys.primary names 'id', a map; it must be a scalar\n"
         "t.yaml:8:9: order names 'id', a map; it must be a scalar"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        check_bad(small, &cases[i]);
}

/* A null item makes every column of the view nullable. */
static void test_view_schema_of_nullable_items(void **state)
{
    (void)state;
    GString *text = g_string_new(full);
    g_string_replace(text, "      type: struct\n      nullable: false", "      type: struct\n      nullable: true", 1);
    CA_AUTOPTR(contract) c = parse(text->str);
    struct ArrowSchema schema;
    struct ca_error err = {0};
    assert_int_equal(contract_view_schema(c, &c->views[0], &schema, &err), CA_OK);
    g_autofree char *view = schema_text(&schema);
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
    CA_AUTOPTR(contract) c = parse(full);
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
        {"kind: table", "kind: view", "-- which?\nSELECT 1 AS id ;\n\n", NULL,
         "CREATE VIEW codeintel.public.t AS\n-- which?\nSELECT 1 AS id;\n"},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *text = g_string_new(small);
        g_string_replace(text, cases[i].from, cases[i].to, 1);
        CA_AUTOPTR(contract) c = parse(text->str);
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
    CA_AUTOPTR(contract) c = parse(full);
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
    CA_AUTOPTR(contract) x = parse(small);
    CA_AUTOPTR(contract) y = parse(same);
    contract_fingerprint(x, a);
    contract_fingerprint(y, b);
    assert_string_equal(a, b);
    assert_int_equal(contract_schema_fingerprint(x, schema_a, &err), CA_OK);
    for (size_t i = 0; i < G_N_ELEMENTS(different); i++) {
        GString *text = g_string_new(small);
        g_string_replace(text, different[i].from, different[i].to, 1);
        if (strstr(different[i].to, "ix") != NULL)
            g_string_replace(text, "[id]", "[ix]", 0);
        CA_AUTOPTR(contract) z = parse(text->str);
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
    CA_AUTOPTR(contract) c = parse(small);
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
        CA_AUTOPTR(contract) x = parse(text->str);
        CA_AUTOPTR(contract) y = parse(text->str);
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

/* ---- evolution -------------------------------------------------------------------------------------------------- */

/* B9: one edit of `evolving`, what it is called, and the rule that allows it. */
static const char evolving[] = "dataset: e\nversion: 1\nkind: table\ndoc: d\n"
                               "columns:\n"
                               "  - {name: a, type: int32, nullable: false, doc: a}\n"
                               "  - {name: b, type: utf8, nullable: true, doc: b}\n"
                               "  - name: s\n    type: struct\n    nullable: true\n    doc: s\n    fields:\n"
                               "      - {name: x, type: int8, nullable: false, doc: x}\n"
                               "order: [a]\n"
                               "evolution: {default: refuse}\n";

static void test_compare(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
        const char *path;
        const char *what;
        enum contract_verdict verdict;
        const char *rule; /* NULL: none allows it; "": it is always allowed */
    } cases[] = {
        {"order:", "  - {name: c, type: utf8, nullable: true, doc: c}\norder:", "columns.c", "column_added",
         CONTRACT_ADDITIVE, "add_nullable: allow"},
        {"order:", "  - {name: c, type: int8, nullable: false, default: 0, doc: c}\norder:", "columns.c",
         "column_added", CONTRACT_ADDITIVE, "add_required: allow"},
        {"order:", "  - {name: c, type: int8, nullable: false, doc: c}\norder:", "columns.c", "column_added",
         CONTRACT_BREAKING, NULL},
        {"type: int32", "type: int64", "columns.a", "type_widened", CONTRACT_ADDITIVE, "widen: allow"},
        {"type: int32", "type: float64", "columns.a", "type_widened", CONTRACT_ADDITIVE, "widen: allow"},
        {"type: int32", "type: float32", "columns.a", "type_changed", CONTRACT_BREAKING, NULL},
        {"type: int32", "type: int16", "columns.a", "type_changed", CONTRACT_BREAKING, NULL},
        {"type: int32", "type: uint64", "columns.a", "type_changed", CONTRACT_BREAKING, NULL},
        {"name: b", "name: bb", "columns.b", "column_renamed", CONTRACT_BREAKING, "rename: allow"},
        {"  - {name: b, type: utf8, nullable: true, doc: b}\n", "", "columns.b", "column_dropped", CONTRACT_BREAKING,
         "drop: allow"},
        {"  - {name: a, type: int32, nullable: false, doc: a}\n  - {name: b, type: utf8, nullable: true, doc: b}\n",
         "  - {name: b, type: utf8, nullable: true, doc: b}\n  - {name: a, type: int32, nullable: false, doc: a}\n",
         "columns.b", "column_moved", CONTRACT_ADDITIVE, "reorder: allow"},
        {"type: int32, nullable: false", "type: int32, nullable: true", "columns.a", "null_relaxed", CONTRACT_ADDITIVE,
         "relax_null: allow"},
        {"type: utf8, nullable: true", "type: utf8, nullable: false", "columns.b", "null_tightened", CONTRACT_BREAKING,
         NULL},
        {"type: int8", "type: int16", "columns.s.x", "type_widened", CONTRACT_ADDITIVE, "widen: allow, nested: allow"},
        {"type: int8", "type: float32", "columns.s.x", "type_widened", CONTRACT_ADDITIVE,
         "widen: allow, nested: allow"},
        {"type: utf8", "type: large_utf8", "columns.b", "type_widened", CONTRACT_ADDITIVE, "widen: allow"},
        {"type: utf8", "type: dictionary, index: int8, value: {type: utf8}", "columns.b", "type_changed",
         CONTRACT_BREAKING, NULL},
        {"order: [a]", "order: [a]\nkeys: {unique: [[a], [a, b]]}", "keys.unique", "changed", CONTRACT_BREAKING, NULL},
        {"order: [a]", "order: [a]\nengine: \"55\"", "engine", "changed", CONTRACT_ADDITIVE, ""},
        {"type: int32", "type: int32, lossy_from: [float64]", "columns.a.lossy_from", "changed", CONTRACT_COSMETIC, ""},
        {"type: int32", "type: int32, evolution: {widen: allow}", "columns.a.evolution.widen", "changed",
         CONTRACT_COSMETIC, ""},
        {"doc: b", "doc: other", "columns.b", "doc_changed", CONTRACT_COSMETIC, ""},
        {"version: 1", "version: 2", "version", "changed", CONTRACT_COSMETIC, ""},
        {"order: [a]", "order: [b]", "order", "changed", CONTRACT_ADDITIVE, NULL},
        {"order: [a]", "order: [a]\nkeys: {primary: [a]}", "keys.primary", "changed", CONTRACT_BREAKING, NULL},
        {"order: [a]", "order: [a]\nchecks: {c: \"a > 0\"}", "checks", "changed", CONTRACT_ADDITIVE, ""},
        {"order: [a]", "order: [a]\nstorage: {format: csv}", "storage.format", "changed", CONTRACT_BREAKING, NULL},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *after_text = g_string_new(evolving);
        g_string_replace(after_text, cases[i].from, cases[i].to, 1);
        CA_AUTOPTR(contract) after = parse(after_text->str);
        CA_AUTOPTR(contract) strict = parse(evolving);
        struct contract_differences d = {0};
        contract_compare(strict, after, &d);
        assert_int_equal(d.n, 1);
        assert_string_equal(d.items[0].path, cases[i].path);
        assert_string_equal(d.items[0].what, cases[i].what);
        assert_int_equal(d.items[0].verdict, cases[i].verdict);
        const bool is_free = cases[i].rule != NULL && cases[i].rule[0] == '\0';
        assert_int_equal(d.items[0].is_allowed, is_free);
        contract_differences_done(&d);
        assert_int_equal(contract_check_evolution(strict, after, &err), is_free ? CA_OK : CA_ERR_DRIFT);
        if (cases[i].rule != NULL && !is_free) {
            GString *text = g_string_new(evolving);
            g_autofree char *rules = g_strdup_printf("default: refuse, %s", cases[i].rule);
            g_string_replace(text, "default: refuse", rules, 1);
            CA_AUTOPTR(contract) loose = parse(text->str);
            g_string_replace(after_text, "default: refuse", rules, 1);
            CA_AUTOPTR(contract) loose_after = parse(after_text->str);
            assert_int_equal(contract_check_evolution(loose, loose_after, &err), CA_OK);
            g_string_free(text, TRUE);
        }
        g_string_free(after_text, TRUE);
    }
}

/* B9: the rules of a field hold for it and what is inside, before those of what it stands in. */
static void test_rules_of_fields(void **state)
{
    (void)state;
    static const struct {
        const char *rules;  /* of struct s */
        const char *inside; /* of its field x */
        bool is_allowed;
    } cases[] = {
        {"{}", "{}", false},
        {"{widen: allow, nested: allow}", "{}", true},
        {"{widen: allow}", "{}", false},
        {"{widen: allow, nested: allow}", "{widen: refuse}", false},
        {"{nested: allow}", "{widen: allow}", true},
        {"{}", "{widen: allow, nested: allow}", true},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *of_struct = g_strdup_printf("type: struct\n    evolution: %s", cases[i].rules);
        g_autofree char *of_field = g_strdup_printf("type: int8, evolution: %s", cases[i].inside);
        GString *text = g_string_new(evolving);
        g_string_replace(text, "type: struct", of_struct, 1);
        g_string_replace(text, "type: int8", of_field, 1);
        CA_AUTOPTR(contract) before = parse(text->str);
        g_string_replace(text, "type: int8", "type: int16", 1);
        CA_AUTOPTR(contract) after = parse(text->str);
        assert_int_equal(contract_check_evolution(before, after, &err), cases[i].is_allowed ? CA_OK : CA_ERR_DRIFT);
        g_string_free(text, TRUE);
    }
    GString *text = g_string_new(evolving);
    g_string_replace(text, "type: utf8, nullable: true", "type: utf8, nullable: true, evolution: {drop: allow}", 1);
    CA_AUTOPTR(contract) before = parse(text->str);
    g_string_replace(text, "  - {name: b, type: utf8, nullable: true, evolution: {drop: allow}, doc: b}\n", "", 1);
    CA_AUTOPTR(contract) after = parse(text->str);
    assert_int_equal(contract_check_evolution(before, after, &err), CA_OK);
    g_string_free(text, TRUE);
}

/* B9: the diff names each change. */
/* Found by fuzz_contract: checks and metadata were compared in an order of addresses, so that every third contract with
 * two of them differed from itself. The order of a map's keys is no difference. */
static void test_compare_maps(void **state)
{
    static const char *const checks[] = {
        "checks: {a: \"id > 0\", b: \"id > 1\", c: \"id > 2\", d: \"id > 3\"}\n",
        "checks: {d: \"id > 3\", c: \"id > 2\", b: \"id > 1\", a: \"id > 0\"}\n",
    };
    (void)state;
    g_autofree char *one = g_strconcat(small, checks[0], NULL);
    g_autofree char *two = g_strconcat(small, checks[1], NULL);
    CA_AUTOPTR(contract) a = parse(one);
    CA_AUTOPTR(contract) b = parse(two);
    const struct contract *const pairs[][2] = {{a, a}, {a, b}, {b, a}};
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        struct contract_differences d;
        contract_compare(pairs[i][0], pairs[i][1], &d);
        assert_int_equal(d.n, 0);
        contract_differences_done(&d);
    }
}

static void test_evolution_message(void **state)
{
    (void)state;
    GString *text = g_string_new(evolving);
    g_string_replace(text, "type: int32", "type: utf8", 1);
    g_string_replace(text, "{name: x, type: int8", "{name: y, type: int16", 1);
    CA_AUTOPTR(contract) before = parse(evolving);
    CA_AUTOPTR(contract) after = parse(text->str);
    struct ca_error err = {0};
    assert_int_equal(contract_check_evolution(before, after, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "the evolution rules of 'e' version 1 do not allow:\n"
                                     "columns.a: type_changed (breaking), 'int32' to 'utf8'\n"
                                     "columns.s.x: column_dropped (breaking), 'int8' to ''\n"
                                     "columns.s.y: column_added (breaking), '' to 'int16'");
    g_string_free(text, TRUE);
}

/* ---- lint ------------------------------------------------------------------------------------------------------- */

static void test_lint(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
        const char *expected;
    } cases[] = {
        {"kind: table", "kind: table", ""},
        {"keys: {primary: [id]}\n", "", "t.yaml:1:10: no primary key: nothing says what one row is"},
        {"order: [id]\n", "", "t.yaml:1:10: no order: equal builds would not store equal rows"},
        {"kind: table", "kind: bundle", "t.yaml:1:10: a bundle says under 'extract' where its rows come from"},
        {"order: [id]", "order: [id]\nstorage: {format: csv, row_group_bytes: 5}",
         "t.yaml:9:10: row_group_bytes and statistics_columns mean nothing for format csv"},
        {"order: [id]", "order: [id]\nstorage: {format: memory, location: x}",
         "t.yaml:9:10: location, target_file_bytes, compression and properties mean nothing for format memory"},
        {"kind: table", "kind: view\npartition_by: [id]",
         "t.yaml:1:10: storage and partition_by mean nothing for a view"},
        {"type: int64, nullable: false, doc: \"the id\"}",
         "type: int64, nullable: false, doc: i}\n  - {name: l, type: list, nullable: false, doc: l, item: {type: "
         "struct, "
         "nullable: false, fields: [{name: x, type: int8, nullable: false, doc: x}]}}",
         "t.yaml:7:5: list 'l' has no view"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *text = g_string_new(small);
        g_string_replace(text, cases[i].from, cases[i].to, 1);
        CA_AUTOPTR(contract) c = parse(text->str);
        g_autofree char *found = contract_lint(c);
        assert_string_equal(found, cases[i].expected);
        g_string_free(text, TRUE);
    }
}

/* ---- bundle ----------------------------------------------------------------------------------------------------- */

static void test_bundle_round_trip(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) a = parse(full);
    CA_AUTOPTR(contract) b = parse_in(small, CONTRACT_GRAPH);
    const struct contract_bundle_source forward[] = {{a, full, NULL}, {b, small, "SELECT 1 AS id -- \xC3\xA4\n"}};
    const struct contract_bundle_source backward[] = {forward[1], forward[0]};
    struct ca_error err = {0};
    g_autofree char *json = NULL;
    g_autofree char *again = NULL;
    size_t n = 0;
    size_t n_again = 0;
    assert_int_equal(contract_bundle_render(forward, 2, &json, &n, &err), CA_OK);
    assert_int_equal(contract_bundle_render(backward, 2, &again, &n_again, &err), CA_OK);
    assert_int_equal(n, n_again);
    assert_memory_equal(json, again, n);

    CA_AUTOPTR(contract_bundle) bundle = NULL;
    assert_int_equal(contract_bundle_open(json, n, NULL, &bundle, &err), CA_OK);
    assert_int_equal(contract_bundle_n(bundle), 2);
    int64_t i = contract_bundle_find(bundle, "public", "full_v2");
    assert_true(i >= 0);
    const struct contract_bundle_entry *entry = contract_bundle_entry(bundle, (size_t)i);
    char fingerprint[FINGERPRINT_HEX_SIZE];
    contract_fingerprint(a, fingerprint);
    assert_string_equal(entry->fingerprint, fingerprint);
    const char *yaml = NULL;
    assert_int_equal(contract_bundle_yaml(bundle, (size_t)i, &yaml, &err), CA_OK);
    assert_string_equal(yaml, full);
    assert_string_equal(entry->storage, "parquet");
    assert_null(entry->sql);
    assert_int_equal(entry->version, 2);
    assert_int_equal(entry->n_views, 1);
    assert_string_equal(entry->views[0], "full_nodes");
    assert_int_equal(contract_bundle_find_view(bundle, "public", "full_nodes"), i);
    assert_int_equal(contract_bundle_find(bundle, "public", "full_nodes"), -1);
    assert_int_equal(contract_bundle_find(bundle, "registry", "full_v2"), -1);
    assert_int_equal(contract_bundle_n_names(bundle), 3);
    static const char *const keys[] = {"public.full_nodes", "public.full_v2", "public.t"};
    for (size_t k = 0; k < G_N_ELEMENTS(keys); k++)
        assert_string_equal(contract_bundle_name(bundle, k).key, keys[k]);
    int64_t j = contract_bundle_find(bundle, "public", "t");
    assert_string_equal(contract_bundle_entry(bundle, (size_t)j)->sql, "SELECT 1 AS id -- \xC3\xA4\n");
    assert_int_equal(contract_bundle_entry(bundle, (size_t)j)->stage, CONTRACT_GRAPH);

    const struct contract *first = NULL;
    const struct contract *second = NULL;
    assert_int_equal(contract_bundle_contract(bundle, (size_t)i, &first, &err), CA_OK);
    assert_int_equal(contract_bundle_contract(bundle, (size_t)i, &second, &err), CA_OK);
    assert_ptr_equal(first, second);
    assert_string_equal(first->source, "extract/full_v2.yaml");
    assert_int_equal(contract_bundle_contract(bundle, 2, &first, &err), CA_ERR_INVALID);
}

static void test_bundle_refuses(void **state)
{
    (void)state;
    struct ca_error err = {0};
    CA_AUTOPTR(contract) a = parse(small);
    CA_AUTOPTR(contract) b = parse(small);
    const struct contract_bundle_source twice[] = {{a, small, NULL}, {b, small, NULL}};
    char *json = NULL;
    size_t n = 0;
    assert_int_equal(contract_bundle_render(twice, 2, &json, &n, &err), CA_ERR_CONTRACT);
    assert_string_equal(err.message, "'public.t' is declared by 't.yaml' and by 't.yaml'");
}

/* Where something stands in a bundle's header, and in the first record behind it (contract/bundle_layout.h). */
enum { AT_FORMAT = 8, AT_N_DATASETS = 12, AT_N_INDEX_BYTES = 32, AT_RECORD = 40, AT_N_YAML_BYTES = 48, AT_STAGE = 104 };

/* Decision 5: whatever stands in a snapshot's index, reading it ends with an error and its reason; what stands in one
 * contract is found when that one is read. */
static void test_bundle_is_not_believed(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        int status;
        const char *message;
    } cases[] = {
        {0, 0, CA_ERR_SYNTAX, "contract bundle: it does not start with CABUNDLE"},
        {AT_FORMAT, 1, CA_ERR_DRIFT, "contract bundle: format 1, this program reads 3"},
        {AT_N_DATASETS, 9999, CA_ERR_SYNTAX, "contract bundle: the index is longer than the document"},
        {AT_N_DATASETS, 0, CA_ERR_SYNTAX, "contract bundle: name 0 names nothing"},
        {AT_N_INDEX_BYTES, 1U << 30, CA_ERR_SYNTAX, "contract bundle: the index is longer than the document"},
        {AT_RECORD, 0, CA_ERR_SYNTAX, "contract bundle: dataset 0: its contract is missing"},
        {AT_N_YAML_BYTES, 1U << 30, CA_ERR_SYNTAX, "contract bundle: dataset 0: its contract is missing"},
        {AT_STAGE, 7, CA_ERR_SYNTAX, "contract bundle: dataset 0: unknown stage"},
    };
    CA_AUTOPTR(contract) a = parse(small);
    const struct contract_bundle_source source = {a, small, NULL};
    struct ca_error err = {0};
    g_autofree char *bytes = NULL;
    size_t n = 0;
    assert_int_equal(contract_bundle_render(&source, 1, &bytes, &n, &err), CA_OK);
    struct contract_bundle *bundle = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *damaged = g_memdup2(bytes, n);
        memcpy(damaged + cases[i].at, &cases[i].value, sizeof cases[i].value);
        assert_int_equal(contract_bundle_open(damaged, n, NULL, &bundle, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_null(bundle);
    }
    assert_int_equal(contract_bundle_open(bytes, 7, NULL, &bundle, &err), CA_ERR_SYNTAX);
    assert_string_equal(err.message, "contract bundle: 7 bytes are none");
    assert_int_equal(contract_bundle_open(bytes, n - 1, NULL, &bundle, &err), CA_ERR_SYNTAX);
    assert_int_equal(contract_bundle_open(bytes, n, "0", &bundle, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "it was changed after it was written: build again");

    bytes[n - 3] ^= 1; /* in the text of the contract */
    assert_int_equal(contract_bundle_open(bytes, n, NULL, &bundle, &err), CA_OK);
    const struct contract *c = NULL;
    assert_int_equal(contract_bundle_contract(bundle, 0, &c, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "the contract of 'public.t' was changed after it was written: build again");
    contract_bundle_free(bundle);
}

static void test_bundle_of_a_folder(void **state)
{
    (void)state;
    g_autofree char *dir = g_dir_make_tmp("ca-test-bundle-XXXXXX", NULL);
    g_autofree char *stage = g_build_filename(dir, "graph", NULL);
    g_autofree char *yaml = g_build_filename(stage, "t.yaml", NULL);
    g_autofree char *sql = g_build_filename(stage, "t.sql", NULL);
    g_autofree char *lonely = g_build_filename(stage, "u.sql", NULL);
    g_autofree char *stray = g_build_filename(stage, "notes.txt", NULL);
    struct ca_error err = {0};
    char *json = NULL;
    size_t n = 0;
    assert_int_equal(file_make_dirs(stage, &err), CA_OK);
    assert_int_equal(file_write_atomic(yaml, small, strlen(small), &err), CA_OK);
    assert_int_equal(file_write_atomic(sql, "SELECT 1 AS id\n", 15, &err), CA_OK);
    assert_int_equal(contract_bundle_render_dir(dir, &json, &n, &err), CA_OK);
    CA_AUTOPTR(contract_bundle) bundle = NULL;
    assert_int_equal(contract_bundle_open(json, n, NULL, &bundle, &err), CA_OK);
    assert_string_equal(contract_bundle_entry(bundle, 0)->sql, "SELECT 1 AS id\n");
    free(json);

    assert_int_equal(file_write_atomic(lonely, "SELECT 1", 8, &err), CA_OK);
    assert_int_equal(contract_bundle_render_dir(dir, &json, &n, &err), CA_ERR_CONTRACT);
    assert_non_null(strstr(err.message, "u.sql' has no contract '"));
    assert_int_equal(file_remove_tree(lonely, &err), CA_OK);
    assert_int_equal(file_write_atomic(stray, "x", 1, &err), CA_OK);
    assert_int_equal(contract_bundle_render_dir(dir, &json, &n, &err), CA_ERR_CONTRACT);
    assert_non_null(strstr(err.message, "notes.txt' is neither a contract (.yaml) nor a model (.sql)"));
    assert_int_equal(file_remove_tree(dir, &err), CA_OK);
    assert_int_equal(contract_bundle_render_dir(dir, &json, &n, &err), CA_ERR_NOT_FOUND);
}

/* ---- the built-in contracts ------------------------------------------------------------------------------------- */

/* B1, B9: all load, lint finds nothing, each view has a schema and SQL; opening 100 datasets costs what the index
 * costs. */
static void test_builtin_contracts(void **state)
{
    (void)state;
    const char *source = g_getenv("CA_SOURCE_DIR");
    g_autofree char *dir = g_build_filename(source == NULL ? "." : source, "datasets", NULL);
    struct ca_error err = {0};
    g_autofree char *json = NULL;
    size_t n = 0;
    if (contract_bundle_render_dir(dir, &json, &n, &err) != CA_OK)
        fail_msg("%s", err.message);
    CA_AUTOPTR(contract_bundle) bundle = NULL;
    int64_t start = g_get_monotonic_time();
    assert_int_equal(contract_bundle_open(json, n, NULL, &bundle, &err), CA_OK);
    print_message("%zu datasets, %zu bytes, read in %" G_GINT64_FORMAT " us\n", contract_bundle_n(bundle), n,
                  g_get_monotonic_time() - start);
    for (size_t i = 0; i < contract_bundle_n(bundle); i++) {
        const struct contract *c = NULL;
        if (contract_bundle_contract(bundle, i, &c, &err) != CA_OK)
            fail_msg("%s", err.message);
        g_autofree char *found = contract_lint(c);
        assert_string_equal(found, "");
        struct ArrowSchema schema;
        assert_int_equal(contract_schema(c, &schema, &err), CA_OK);
        ArrowSchemaRelease(&schema);
        for (size_t j = 0; j < c->n_views; j++) {
            assert_int_equal(contract_view_schema(c, &c->views[j], &schema, &err), CA_OK);
            ArrowSchemaRelease(&schema);
            g_autofree char *sql = contract_view_sql(c, &c->views[j]);
            assert_non_null(strstr(sql, "unnest("));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_reads_everything),
        cmocka_unit_test(test_default_formats),
        cmocka_unit_test(test_bad_keys_are_refused_with_line_and_column),
        cmocka_unit_test(test_contradictions_are_refused),
        cmocka_unit_test(test_listed_values),
        cmocka_unit_test(test_registry_view),
        cmocka_unit_test(test_problems_are_collected),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_damaged_text_never_crashes),
        cmocka_unit_test(test_load_checks_names),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_view_schema_of_nullable_items),
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_delta_cannot_hold),
        cmocka_unit_test(test_rules_of_fields),
        cmocka_unit_test(test_ddl),
        cmocka_unit_test(test_ddl_of_other_kinds),
        cmocka_unit_test(test_view_sql),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_fingerprint_sees_meaning_alone),
        cmocka_unit_test(test_canonical_json),
        cmocka_unit_test(test_generated_contracts),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_compare_maps),
        cmocka_unit_test(test_evolution_message),
        cmocka_unit_test(test_lint),
        cmocka_unit_test(test_bundle_round_trip),
        cmocka_unit_test(test_bundle_refuses),
        cmocka_unit_test(test_bundle_is_not_believed),
        cmocka_unit_test(test_bundle_of_a_folder),
        cmocka_unit_test(test_builtin_contracts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
