/* tests/unit/test_contract.c — the contract language: what loads, what is refused and where, what lint finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>

#include "base/file.h"
#include "contract/contract.h"
#include "support/contract_text.h"

/* ---- load ------------------------------------------------------------------------------------------------------- */

/* B1: every key arrives where it belongs. */
static void test_parse_reads_everything(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) c = contract_text_parse(contract_text_full);
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
    assert_string_equal(c->extract->derived_ids[0].inputs.items[1], "order");
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
        GString *text = g_string_new(contract_text_small);
        g_autofree char *kind = g_strdup_printf("kind: %s", cases[i].kind);
        g_string_replace(text, "kind: table", kind, 1);
        CA_AUTOPTR(contract) c = contract_text_parse_in(text->str, cases[i].stage);
        if (cases[i].format == NULL)
            assert_null(c->storage.format);
        else
            assert_string_equal(c->storage.format, cases[i].format);
        assert_string_equal(contract_schema_name(c), cases[i].schema);
        g_string_free(text, TRUE);
    }
}

/* One edit of `contract_text_small` (or of `contract_text_full` when from is found only there), and the whole message.
 */
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
        {"type: int64", "type: list, item: {type: int8, nullable: true, default: \"1\"}", CA_ERR_SYNTAX,
         "t.yaml:6:63: unknown key 'default' in an item; known are type, nullable, doc, metadata, evolution, "
         "lossy_from, "
         "precision, scale, size, zone, item, fields, key, value, index"},
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
        check_bad(contract_text_small, &cases[i]);
}

/* A file that says something, but contradicts itself. */
/* B6: of a bundle, which the full contract is. */
#define LIST_WITHOUT_VIEW "t.yaml:17:5: list 'nodes' of a bundle has no view: declare one under 'views'"

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
         "t.yaml:36:30: unnest names 'attrs', which is no list of structs\n" LIST_WITHOUT_VIEW},
        {"unnest: nodes", "unnest: nods", CA_ERR_CONTRACT,
         "t.yaml:36:30: unnest names 'nods', which is no column\n" LIST_WITHOUT_VIEW},
        {"name: kind", "name: order", CA_ERR_CONTRACT, "t.yaml:36:9: view 'full_nodes' would have two columns 'order'"},
        {"full_nodes:", "full_v2:", CA_ERR_CONTRACT, "t.yaml:36:9: view 'full_v2' has the name of the dataset"},
        {"order: [order, file_id]", "order: [nodes]", CA_ERR_CONTRACT,
         "t.yaml:29:9: order names 'nodes', a list; it must be a scalar"},
        {"derived_ids: {file_id", "derived_ids: {file_ix", CA_ERR_CONTRACT,
         "t.yaml:34:167: extract.derived_ids names 'file_ix', which is no column"},
        {"[repository, order]", "[repository, pfad]", CA_ERR_CONTRACT,
         "t.yaml:34:189: extract.derived_ids: 'file_id' is made of 'pfad', which is no column and not 'repository', "
         "the name of the run's repository: declare the column, or name another"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(in_small); i++)
        check_bad(contract_text_small, &in_small[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(in_full); i++)
        check_bad(contract_text_full, &in_full[i]);
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
    CA_AUTOPTR(contract) c = contract_text_parse(text);
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
    CA_AUTOPTR(contract) s = contract_text_parse(spelled);
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
    CA_AUTOPTR(contract) c = contract_text_parse_in(text, CONTRACT_STAGE_REGISTRY);
    assert_string_equal(contract_schema_name(c), "registry");
    CA_AUTOPTR(contract) other = contract_text_parse(text);
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
    GString *text = g_string_new(contract_text_small);
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
        GString *text = g_string_new(contract_text_full);
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
    assert_int_equal(file_write_atomic(good, contract_text_small, strlen(contract_text_small), &err), CA_OK);
    assert_int_equal(file_write_atomic(other, contract_text_small, strlen(contract_text_small), &err), CA_OK);
    assert_int_equal(file_write_atomic(outside, contract_text_small, strlen(contract_text_small), &err), CA_OK);

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
        {"type: int64, nullable: false, doc: \"the id\"}",
         "type: int64, nullable: false, doc: i}\n"
         "  - {name: b, type: dictionary, index: int8, value: {type: binary}, nullable: true, doc: b}\n"
         "partition_by: [b]",
         CA_ERR_CONTRACT,
         "t.yaml:7:5: partition_by names 'b', whose bytes do not come back from a Delta table's log: use utf8"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        check_bad(contract_text_small, &cases[i]);
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
         ""},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *text = g_string_new(contract_text_small);
        g_string_replace(text, cases[i].from, cases[i].to, 1);
        CA_AUTOPTR(contract) c = contract_text_parse(text->str);
        g_autofree char *found = contract_lint(c);
        assert_string_equal(found, cases[i].expected);
        g_string_free(text, TRUE);
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
        cmocka_unit_test(test_delta_cannot_hold),
        cmocka_unit_test(test_lint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
