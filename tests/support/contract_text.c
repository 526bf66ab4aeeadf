/* tests/support/contract_text.c — see the header. */
#include "support/contract_text.h"

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rows/rows.h"

const char contract_text_small[] = "dataset: t\n"
                                   "version: 1\n"
                                   "kind: table\n"
                                   "doc: One row a thing.\n"
                                   "columns:\n"
                                   "  - {name: id, type: int64, nullable: false, doc: \"the id\"}\n"
                                   "keys: {primary: [id]}\n"
                                   "order: [id]\n"
                                   "evolution: {default: refuse}\n";

const char contract_text_full[] =
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
    "postprocess: [\"lower(x)\"], derived_ids: {file_id: [repository, order]}, join_keys: [file_id]}\n"
    "evolution: {default: refuse, add_nullable: allow, widen: allow}\n"
    "views: {full_nodes: {unnest: nodes, with: [file_id, order], doc: v, checks: {k: \"kind <> ''\"}}}\n"
    "file_local: true\n"
    "engine: \"55\"\n"
    "metadata: {owner: us}\n";

struct contract *contract_text_parse_in(const char *text, enum contract_stage stage)
{
    struct contract *c = NULL;
    struct ca_error err = {0};
    int rc = contract_parse(text, strlen(text), "t.yaml", stage, &c, &err);
    if (rc != CA_OK)
        fail_msg("%s", err.message);
    return c;
}

struct contract *contract_text_parse(const char *text)
{
    return contract_text_parse_in(text, CONTRACT_EXTRACT);
}

char *contract_text_schema(const struct ArrowSchema *schema)
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
