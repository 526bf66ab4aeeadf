/* contract/contract.h — what a dataset is, declared once, as data.
 *
 *   NAME.yaml ──load──▶ struct contract ──▶ Arrow schema, DDL, view SQL, fingerprints, row builders (tools/rowgen)
 *                            │  ▲
 *                            ▼  │ parsed when asked for
 *                     contract_bundle: one JSON document, the embedded set and the applied snapshot (contract/bundle.h)
 *
 * docs/contracts.md is the language. A contract is loaded, checked against itself, and never changed afterwards.
 *
 * Invariants
 *   1. A contract that was loaded is consistent: every column that a key, an order, a view or a partition names exists.
 *   2. Nothing is said twice: schema, DDL, view SQL and fingerprints are functions of this struct alone.
 *   3. Everything rendered is deterministic: same contract, same bytes, on every machine.
 *   4. Text read from input is bounded: CONTRACT_MAX_BYTES a file, CONTRACT_MAX_DEPTH levels of type.
 * Owner: whoever loaded it. Threads: a contract is immutable, any number of threads may read it.
 *
 *     CA_AUTOPTR(contract) c = NULL;
 *     CA_TRY(contract_load("datasets/extract/repo_files_v1.yaml", &c, err));
 *     struct ArrowSchema schema;
 *     CA_TRY(contract_schema(c, &schema, err));
 */
#ifndef CA_CONTRACT_CONTRACT_H
#define CA_CONTRACT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fingerprint.h"

struct ArrowSchema;
struct contract_location;

#define CONTRACT_MAX_BYTES ((size_t)4 << 20)
#define CONTRACT_MAX_DEPTH 16
#define CONTRACT_CATALOG "codeintel"

enum contract_kind {
    CONTRACT_BUNDLE,      /* one nested row a file */
    CONTRACT_TABLE,       /* stored rows */
    CONTRACT_VIEW,        /* a pure view of its SQL */
    CONTRACT_PARAMS,      /* values given to a session or run */
    CONTRACT_DIAGNOSTICS, /* what happened */
    CONTRACT_REGISTRY,    /* what is declared */
};

/* In order: a model of one stage reads stages up to its own. The last three stand beside the flow. */
enum contract_stage {
    CONTRACT_EXTRACT,
    CONTRACT_NORMALIZE,
    CONTRACT_RELATE,
    CONTRACT_GRAPH,
    CONTRACT_STAGE_REGISTRY,
    CONTRACT_STAGE_DIAGNOSTICS,
    CONTRACT_STAGE_PARAMS,
};

/* Every type that the engine can hold but unions and run-end encoding, which no table of ours may have. What each is
 * called, how Arrow writes it and which keys it takes is one line in type.c. */
enum contract_type {
    CONTRACT_NULL,
    CONTRACT_BOOL,
    CONTRACT_INT8,
    CONTRACT_INT16,
    CONTRACT_INT32,
    CONTRACT_INT64,
    CONTRACT_UINT8,
    CONTRACT_UINT16,
    CONTRACT_UINT32,
    CONTRACT_UINT64,
    CONTRACT_FLOAT16,
    CONTRACT_FLOAT32,
    CONTRACT_FLOAT64,
    CONTRACT_UTF8,
    CONTRACT_LARGE_UTF8,
    CONTRACT_UTF8_VIEW,
    CONTRACT_BINARY,
    CONTRACT_LARGE_BINARY,
    CONTRACT_BINARY_VIEW,
    CONTRACT_FIXED_SIZE_BINARY,
    CONTRACT_DATE32,
    CONTRACT_DATE64,
    CONTRACT_TIME32_S,
    CONTRACT_TIME32_MS,
    CONTRACT_TIME64_US,
    CONTRACT_TIME64_NS,
    CONTRACT_TIMESTAMP_S,
    CONTRACT_TIMESTAMP_MS,
    CONTRACT_TIMESTAMP_US,
    CONTRACT_TIMESTAMP_NS,
    CONTRACT_DURATION_S,
    CONTRACT_DURATION_MS,
    CONTRACT_DURATION_US,
    CONTRACT_DURATION_NS,
    CONTRACT_INTERVAL_YEAR_MONTH,
    CONTRACT_INTERVAL_DAY_TIME,
    CONTRACT_INTERVAL_MONTH_DAY_NANO,
    CONTRACT_DECIMAL32,
    CONTRACT_DECIMAL64,
    CONTRACT_DECIMAL128,
    CONTRACT_DECIMAL256,
    CONTRACT_LIST,
    CONTRACT_LARGE_LIST,
    CONTRACT_LIST_VIEW,
    CONTRACT_LARGE_LIST_VIEW,
    CONTRACT_FIXED_SIZE_LIST,
    CONTRACT_STRUCT,
    CONTRACT_MAP,
    CONTRACT_DICTIONARY,
    CONTRACT_N_TYPES,
};

/* What a type has beside its name; bits, so that a key can say which of them it belongs to. */
enum contract_shape {
    CONTRACT_SHAPE_PLAIN = 1 << 0,
    CONTRACT_SHAPE_BYTES = 1 << 1,      /* size */
    CONTRACT_SHAPE_TIMESTAMP = 1 << 2,  /* zone */
    CONTRACT_SHAPE_DECIMAL = 1 << 3,    /* precision, scale */
    CONTRACT_SHAPE_LIST = 1 << 4,       /* item */
    CONTRACT_SHAPE_SIZED_LIST = 1 << 5, /* item, size */
    CONTRACT_SHAPE_STRUCT = 1 << 6,     /* fields */
    CONTRACT_SHAPE_MAP = 1 << 7,        /* key, value */
    CONTRACT_SHAPE_DICTIONARY = 1 << 8, /* index, value */
};

#define CONTRACT_SHAPES_LIST (CONTRACT_SHAPE_LIST | CONTRACT_SHAPE_SIZED_LIST)

/* Types with columns of their own inside: the child of a dictionary is no such column. */
#define CONTRACT_SHAPES_NESTED (CONTRACT_SHAPES_LIST | CONTRACT_SHAPE_STRUCT | CONTRACT_SHAPE_MAP)

enum contract_change {
    CONTRACT_ADD_NULLABLE, /* a new column that may be null */
    CONTRACT_ADD_REQUIRED, /* a new NOT NULL column; its default completes old rows */
    CONTRACT_WIDEN,        /* a type that holds every value of the old one */
    CONTRACT_RENAME,
    CONTRACT_DROP,
    CONTRACT_REORDER,
    CONTRACT_RELAX_NULL, /* NOT NULL to nullable */
    CONTRACT_NESTED,     /* any of these inside a list, struct or map */
    CONTRACT_N_CHANGES,
};

/* What a rule says of a change; a field that says nothing follows what it stands in, and that the dataset. */
enum contract_rule {
    CONTRACT_INHERIT,
    CONTRACT_ALLOW,
    CONTRACT_REFUSE,
};

/* line, column   where the value was declared, from 1 */
struct contract_pair {
    char *key;
    char *value;
    int line;
    int column;
};

/* The column that says of which file a row is. */
#define CONTRACT_FILE_COLUMN "path"

/* Key order is the file's; renderings sort where order means nothing. */
struct contract_pairs {
    struct contract_pair *items;
    size_t n;
};

struct contract_names {
    char **items;
    size_t n;
};

/* A column, a field of a struct, the item of a list ("item"), the key and value of a map ("key", "value") or what a
 * dictionary's index stands for ("value").
 *
 * default_sql  an SQL literal, NULL when none was declared
 * values       of a column alone: what it may hold, the value as key and what it says (or NULL) as value; then there is
 *              a check of the column's name
 * precision, scale   of decimals; the scale may be negative
 * size         bytes of fixed_size_binary, items of fixed_size_list
 * zone         of timestamps: a name of the IANA time zone database or an offset like +01:00; NULL: none
 * index        of a dictionary, an integer type
 * rules        of evolution, for the field and what is inside
 * lossy_from   types whose values may be cast to this one with some loss of precision, never of range
 * children     list: 1, struct: its fields, map: 2, dictionary: 1; else none
 * line, column where it was declared, from 1
 */
struct contract_field {
    char *name;
    enum contract_type type;
    int32_t precision;
    int32_t scale;
    int32_t size;
    char *zone;
    enum contract_type index;
    bool is_nullable;
    char *default_sql;
    char *doc;
    struct contract_pairs values;
    struct contract_pairs metadata;
    enum contract_rule rules[CONTRACT_N_CHANGES];
    struct contract_names lossy_from;
    struct contract_field *children;
    size_t n_children;
    int line;
    int column;
};

/* A view generated from a list<struct> column: the columns `with`, then the struct's fields. */
struct contract_view {
    char *name;
    char *unnest;
    struct contract_names with;
    char *doc;
    struct contract_pairs checks;
    int line;
    int column;
};

/* format is the default of the kind when the file says nothing; NULL for a view. Sizes are 0 and texts NULL when unset.
 */
struct contract_storage {
    char *format;
    char *location;
    int64_t row_group_bytes;
    int64_t target_file_bytes;
    char *compression;
    struct contract_names statistics_columns;
    struct contract_pairs properties;
    int line;
    int column;
};

struct contract_derived_id {
    char *column;
    struct contract_names inputs;
};

/* How rows come from an extractor (B12). */
struct contract_extract {
    char *extractor;
    char *layer;
    char *template_name;
    struct contract_names bundles;
    struct contract_pairs defaults;
    struct contract_pairs evidence;
    struct contract_names postprocess;
    struct contract_derived_id *derived_ids;
    size_t n_derived_ids;
    struct contract_names join_keys;
};

/* dataset          its name in the catalog; catalog schema: contract_schema_name()
 * primary, unique  the first is the row's identity and NOT NULL; the others may hold nulls, which are no duplicates
 * engine           the oldest DataFusion that can serve it, "55" or "55.2"; NULL: any
 * extract          NULL when rows do not come from an extractor
 * evolution        one answer a change, the file's `default` filled in
 * has_storage...   whether the file says the key at all
 * line, column     of its name in `source`, from 1
 * at               the location that storage and scan are of (contract/location.h), NULL: the contract's own
 */
struct contract {
    char *source;
    int line;
    int column;
    char *dataset;
    int64_t version;
    enum contract_kind kind;
    enum contract_stage stage;
    char *doc;
    struct contract_field *columns;
    size_t n_columns;
    struct contract_names primary;
    struct contract_names *unique;
    size_t n_unique;
    struct contract_names join;
    struct contract_names order;
    struct contract_names partition_by;
    struct contract_pairs checks;
    struct contract_storage storage;
    bool has_storage;
    struct contract_pairs scan;
    struct contract_extract *extract;
    bool evolution_allows[CONTRACT_N_CHANGES];
    bool evolution_default;
    struct contract_view *views;
    size_t n_views;
    bool is_file_local; /* by CONTRACT_FILE_COLUMN */
    struct contract_names bucket_inputs;
    char *engine;
    struct contract_pairs metadata;
    struct contract_location *at;
};

/* ---- load (load.c) ---------------------------------------------------------------------------------------------- */

/* Parse a contract. `source` names the text in messages ("file.yaml:3:9: ..."); every problem found is one line of the
 * message, up to 20. CA_ERR_SYNTAX (not YAML; unknown, missing, duplicate or ill-typed key), CA_ERR_CONTRACT (a
 * consistent file that contradicts itself), CA_ERR_RESOURCES. */
CA_MUST_CHECK int contract_parse(const char *text, size_t n_bytes, const char *source, enum contract_stage stage,
                                 struct contract **ret, struct ca_error *err);

/* Parse the file STAGE/NAME.yaml: the folder names the stage, the file the dataset. Also CA_ERR_NOT_FOUND, CA_ERR_IO.
 */
CA_MUST_CHECK int contract_load(const char *path, struct contract **ret, struct ca_error *err);

void contract_free(struct contract *c);
CA_DEFINE_AUTOPTR(contract, contract_free)

/* ---- names ------------------------------------------------------------------------------------------------------ */

const char *contract_kind_name(enum contract_kind kind);
const char *contract_stage_name(enum contract_stage stage);
const char *contract_change_name(enum contract_change change);

/* false when there is no stage of that name. */
bool contract_stage_from_name(const char *name, enum contract_stage *ret);

/* The DataFusion that this program has, "55.2.0". */
const char *contract_engine_version(void);

/* The catalog schema: public, registry, params or diagnostics. */
const char *contract_schema_name(const struct contract *c);

/* NULL when there is none. Borrowed from the contract. */
const struct contract_field *contract_column(const struct contract *c, const char *name);
const struct contract_view *contract_view_named(const struct contract *c, const char *name);

/* Whether rows are kept as lines of text: csv, ndjson, stream. */
bool contract_storage_is_text(const struct contract_storage *s);

/* Whether `name` is [a-z][a-z0-9_]*, up to 128 bytes. */
bool contract_name_is_valid(const char *name);

/* ---- types (type.c) --------------------------------------------------------------------------------------------- */

const char *contract_type_name(enum contract_type type);
enum contract_shape contract_type_shape(enum contract_type type);

/* false when there is no type of that name. */
bool contract_type_from_name(const char *name, enum contract_type *ret);

/* A type with what it takes, its columns left out: "decimal128(10, 2)", "timestamp_us(UTC)", "fixed_size_list(3)",
 * "dictionary(int32, utf8)", "struct". malloc'ed. */
char *contract_type_text(const struct contract_field *field);

/* Whether all that a type takes is equal; what is inside lists, structs and maps is not looked at. */
bool contract_type_equal(const struct contract_field *a, const struct contract_field *b);

/* Where the type of column `path`'s child i stands: "nodes[]", "s.x", "attrs{key}". malloc'ed. */
char *contract_child_path(const char *path, const struct contract_field *field, size_t i);

/* Whether values of `from` can become values of `to` with some loss of precision: numbers, decimals, times of one
 * family. */
bool contract_type_can_lose(enum contract_type from, enum contract_type to);

/* Whether `b` holds every value of `a`, the same type and what is inside apart. */
bool contract_type_is_wider(const struct contract_field *a, const struct contract_field *b);

/* The largest precision of a decimal type, 0 for another. */
int32_t contract_type_max_precision(enum contract_type type);

/* NULL when a Delta table can hold the type, what is inside apart; else what to use, as a phrase: "int64, in
 * microseconds since midnight". The mapping is in docs/contracts.md and, for the engine, in the shim's `stored`. */
const char *contract_type_not_in_delta(const struct contract_field *field);

/* ---- Arrow (schema.c) ------------------------------------------------------------------------------------------- */

/* The schema of the dataset: nested nullability, `metadata` as field metadata. On success *ret is the caller's to
 * release. */
CA_MUST_CHECK int contract_schema(const struct contract *c, struct ArrowSchema *ret, struct ca_error *err);

/* The schema of one of its generated views. */
CA_MUST_CHECK int contract_view_schema(const struct contract *c, const struct contract_view *view,
                                       struct ArrowSchema *ret, struct ca_error *err);

/* The Arrow format string of a type: "i", "u", "tsu:UTC", "d:10,2", "+l"; of a dictionary that of its index. Into
 * `ret`, always NUL-terminated. */
#define CONTRACT_MAX_ZONE 64
#define CONTRACT_FORMAT_SIZE (CONTRACT_MAX_ZONE + 8)
void contract_arrow_format(const struct contract_field *field, char ret[CONTRACT_FORMAT_SIZE]);

/* ---- fingerprints (fingerprint.c) ------------------------------------------------------------------------------- */

/* The canonical JSON: keys sorted, defaults written out, docs and source left out. malloc'ed. */
char *contract_canonical_json(const struct contract *c);

/* XXH3-128 of the canonical JSON, and of names, order, types and nullability alone (equal to
 * rows_schema_fingerprint() of contract_schema()). */
void contract_fingerprint(const struct contract *c, char ret[FINGERPRINT_HEX_SIZE]);
CA_MUST_CHECK int contract_schema_fingerprint(const struct contract *c, char ret[FINGERPRINT_HEX_SIZE],
                                              struct ca_error *err);

/* ---- SQL (ddl.c, view_sql.c) ------------------------------------------------------------------------------------ */

/* CREATE EXTERNAL TABLE, or for a view CREATE VIEW ... AS `sql`. `sql` is the text of NAME.sql, NULL when there is
 * none. `location` is written where the contract has none of its own; NULL: SCHEMA/NAME. What the engine's DDL has no
 * words for stands behind the statement, a comment a thing (contract/ddl_type.h). malloc'ed, ends in "\n". */
CA_MUST_CHECK int contract_ddl(const struct contract *c, const char *sql, const char *location, char **ret,
                               struct ca_error *err);

/* CREATE VIEW of a generated view; malloc'ed. */
char *contract_view_ddl(const struct contract *c, const struct contract_view *view);

/* The SELECT of a generated view; malloc'ed, no semicolon. */
char *contract_view_sql(const struct contract *c, const struct contract_view *view);

/* The type of a column in DDL, or the nearest one that holds its values; malloc'ed. */
char *contract_sql_type(const struct contract_field *field);

/* `name` as an identifier, quoted when SQL would read it as something else; malloc'ed. */
char *contract_quote(const char *name);

/* ---- evolution (compare.c) -------------------------------------------------------------------------------------- */

enum contract_verdict {
    CONTRACT_COSMETIC, /* no row and no reader is concerned: docs, metadata, tuning */
    CONTRACT_ADDITIVE, /* old data can be read as the new contract says */
    CONTRACT_BREAKING, /* old data or old readers do not fit */
};

/* One difference between two contracts.
 *
 * path        "columns.nodes[].kind", "order", "storage.format", ...
 * what        stable code: column_added, column_dropped, column_renamed, column_moved, type_widened, type_changed,
 *             null_relaxed, null_tightened, default_changed, doc_changed, metadata_changed, view_added, view_dropped,
 * changed before, after   text of each side, "" where there is none is_allowed  by the evolution rules of the *old*
 * contract; cosmetic differences always are
 */
struct contract_difference {
    char *path;
    const char *what;
    char *before;
    char *after;
    enum contract_verdict verdict;
    bool is_allowed;
};

struct contract_differences {
    struct contract_difference *items;
    size_t n;
};

const char *contract_verdict_name(enum contract_verdict verdict);

/* What changed from `before` to `after`, in the order of the file. Never fails. Release with
 * contract_differences_done(). */
void contract_compare(const struct contract *before, const struct contract *after, struct contract_differences *ret);
void contract_differences_done(struct contract_differences *d);

/* CA_OK, or CA_ERR_DRIFT with one line a difference that no rule allows. */
CA_MUST_CHECK int contract_check_evolution(const struct contract *before, const struct contract *after,
                                           struct ca_error *err);

/* ---- JSON Schema (json_schema.c) --------------------------------------------------------------------------------- */

/* The contract language for editors, made of the loader's key tables; malloc'ed, no newline at its end. */
char *contract_json_schema(void);

/* ---- lint (lint.c) ---------------------------------------------------------------------------------------------- */

/* What a contract should say and does not, or says without effect: one line a finding, as those of
 * contract_parse(), "" when none; malloc'ed. The built-in contracts have none. */
char *contract_lint(const struct contract *c);

#endif
