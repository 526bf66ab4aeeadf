/* cadf.h — the C door to DataFusion and delta-rs.
 *
 * Few, wide doors; no dataset name, no policy. Everything that crosses is plain C, Arrow C Data or Arrow C Stream.
 * Only src/engine includes this header.
 *
 *   session ──query──▶ ArrowArrayStream          catalog callbacks (C) ──table()──▶ providers (Rust)
 *      └─────write──▶ Delta commit                C stream tables, C scalar functions ──▶ plans
 *
 * Invariants
 *   1. Every entry catches panics and turns them into CADF_ERR_PANIC with the panic's text.
 *   2. A failing call changes nothing the caller gave; the first error wins; text is cut visibly at the buffer's end.
 *   3. Arrow structs are moved: after a call that *takes* one, its release is NULL, also on failure.
 *   4. Callbacks may be called from any thread of the session's runtime, several at once; they must not call back into
 *      the same session and must not block on it.
 *   5. No string is returned that the caller must free: text comes through `cadf_text_fn` sinks, borrowed for the call.
 * Threads: a session may be used by any thread, several at once. A cancel token may be fired from any thread.
 */
#ifndef CADF_H
#define CADF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ArrowSchema;
struct ArrowArray;
struct ArrowArrayStream;
struct cadf_write;

enum cadf_status {
    CADF_OK = 0,
    CADF_ERR_INVALID = 1,   /* argument, unknown setting, bad identifier */
    CADF_ERR_SYNTAX = 2,    /* SQL does not parse */
    CADF_ERR_PLAN = 3,      /* SQL does not plan: unknown table or column, type error */
    CADF_ERR_EXECUTION = 4, /* failed while running */
    CADF_ERR_RESOURCES = 5, /* memory pool or spill limit reached */
    CADF_ERR_CANCELED = 6,
    CADF_ERR_REFUSED = 7,   /* read-only session: DDL, DML, COPY, SET; a fixed setting; another catalog */
    CADF_ERR_NOT_FOUND = 8, /* table or version not there */
    CADF_ERR_CONFLICT = 9,  /* another writer committed first, or the application transaction was already committed */
    CADF_ERR_IO = 10,       /* object store: permission, disk full, missing file */
    CADF_ERR_GATE = 11, /* the write gate refused a batch: schema differs, null where NOT NULL; names the field path */
    CADF_ERR_PANIC = 12,
    CADF_ERR_DRIFT = 13, /* a stored table has other columns than its contract: names it, the column and both types */
};

struct cadf_error {
    int32_t code;
    char text[4096];
};

typedef void (*cadf_text_fn)(void *data, const char *text, size_t n_bytes);

/* ---- logging ------------------------------------------------------------------------------------------------- */

/* level: 1 error, 2 warn, 3 info, 4 debug, 5 trace. Process-wide, set once; later calls replace the sink. */
typedef void (*cadf_log_fn)(void *data, int32_t level, const char *target, const char *text, size_t n_bytes);
void cadf_log_set(cadf_log_fn fn, void *data, int32_t max_level);

/* Versions as a JSON object: {"datafusion": "55.2.0", "deltalake": "1.1.3", "arrow": "59.3.2", "cadf": "0.1.0"} */
void cadf_versions(cadf_text_fn sink, void *data);

/* ---- catalog: answers come from C ----------------------------------------------------------------------------- */

enum cadf_table_kind {
    CADF_TABLE_EMPTY = 0, /* zero rows of `schema` */
    CADF_TABLE_DELTA = 1, /* Delta table at `location`, read at `version` (-1: newest), presented as `schema` */
    CADF_TABLE_VIEW =
        2, /* `sql`, planned when first used; its columns must equal `schema` unless schema.release is NULL */
    CADF_TABLE_STREAM = 3,  /* rows from `stream` callbacks */
    CADF_TABLE_LISTING = 4, /* files: `location`, `format` (parquet csv ndjson arrow avro), `options` */
    CADF_TABLE_MEMORY = 5,  /* rows that SQL inserts, in memory for the life of the session */
};

/* Options of a listing, each for this table alone; what is not said is as the session has it. Flags are true or false.
 *   file_extension        files that do not end so are none of the table; unsaid: as cadf_listing_extension says
 *   partition_columns     names, comma between, in the order of the directories; their values are never null
 *   infer_partitions      without partition_columns, directories "name=value" give the columns of those names
 *   ignore_subdirectories, collect_statistics, metadata_concurrency (files whose columns are read at once)
 *   list_cache_bytes, list_cache_ttl_seconds   keep the list of files
 *   mutable_listing       true: list at every plan, and no file is fine; false: the first plan's files are all there is
 *   cache                 false: nothing that was read of a file is kept from plan to plan
 *   unbounded             csv and ndjson: one file or pipe, read as rows come
 *   format.KEY            what the format understands; format.skip_arrow_metadata: Parquet's own types count
 */

/* The file_extension of a listing that says none, over a directory. compression: its format.compression, NULL: none. */
int32_t cadf_listing_extension(const char *format, const char *compression, cadf_text_fn sink, void *data,
                               struct cadf_error *err);

/* A source of rows in C. `open` gives one stream for a partition with just the columns `projection` (indices into the
 * schema, in that order; n_projection may be 0: row counts only). `drop` is called once, when the last user is gone. */
struct cadf_stream_source {
    void *data;
    size_t n_partitions;
    int32_t (*open)(void *data, size_t partition, const size_t *projection, size_t n_projection,
                    struct ArrowArrayStream *ret, struct cadf_error *err);
    void (*drop)(void *data);
};

/* A condition on rows, SQL over their columns, no subquery; NULL counts as true.
 *   unnest    NULL: the table's rows; else a list of structs: its items are the rows, their fields the columns, with
 * the table's plain columns beside them */
struct cadf_check {
    const char *name;
    const char *unnest;
    const char *sql;
};

struct cadf_names {
    const char *const *items;
    size_t n;
};

/* What SQL keeps to when it writes a table: before anything is committed it is proved that every row has its NOT NULL
 * values, that the keys are unique in the whole table, and that the checks hold.
 *   write     how rows are written: partition_by, metadata, properties, sizes, compression, statistics, and what they
 *             keep to: checks, key; its location is
 *             where the first INSERT makes the table of CADF_TABLE_EMPTY, NULL: nowhere, INSERT is refused
 *   unique    keys besides the primary one of `write`; a null in one is no duplicate
 *   default_* what INSERT puts where a column gets no value, and what struct fields are that files lack: SQL literals,
 * by the column's name or the field's path (`place.line`, `items[].kind`) */
struct cadf_rules {
    const struct cadf_write *write;
    const struct cadf_names *unique;
    size_t n_unique;
    const char *const *default_columns;
    const char *const *default_sql;
    size_t n_defaults;
};

/* What the catalog callback answers about one table. The shim zeroes it, the callback fills it; pointers are borrowed
 * until `release_def` is called; `schema` and `stream` are moved out.
 *   as_of_us         of a Delta table: read the newest version that was committed by then, in microseconds since 1970,
 *                    and not `version`; 0: no time is said
 *   is_fixed         the version or time is all that is ever read: INSERT, UPDATE, DELETE and MERGE are refused
 *   predicate        NULL, or an SQL boolean expression over the table's columns that every scan applies
 *   proved_not_null  0: the provider relaxes NOT NULL everywhere in `schema`: nothing unproved reaches the optimizer
 *   proved_checks    the checks of `rules` were proved of the same rows as NOT NULL: of a float that they call no NaN,
 *                    or bound from both sides, the files' statistics, which leave NaN out, say everything
 *   failure          NULL, or why this table cannot be read: it stays listed, and a query on it fails with this text
 *   rules            NULL: SQL keeps to the schema alone
 */
struct cadf_table_def {
    int32_t kind;
    struct ArrowSchema *schema; /* points to caller-provided storage; release == NULL when absent */
    const char *sql;
    const char *location;
    int64_t version;
    int64_t as_of_us;
    const char *format;
    const char *const *option_keys;
    const char *const *option_values;
    size_t n_options;
    const char *predicate;
    int32_t proved_not_null;
    int32_t proved_checks;
    int32_t is_fixed;
    const char *failure;
    const struct cadf_rules *rules;
    struct cadf_stream_source stream;
    void *private_data; /* the callback's, for release_def */
};

enum cadf_name_kind {
    CADF_NAME_TABLE = 0,
    CADF_NAME_VIEW = 1,
    CADF_NAME_KEPT = 2, /* a table that gives way to one that SQL makes in the session under its name */
};
typedef void (*cadf_name_fn)(void *sink, const char *name, int32_t kind);

/* The columns that a file or stream has, seen before the first of its rows is read; everything is borrowed.
 *   name      "schema.table", or as SQL named a table that it made
 *   source    path of the file; one for all files of the same columns
 *   format    parquet, csv, ndjson, arrow or avro
 * Where columns are inferred (`inferred` below): the table's name alone, the locations with ", " between, the word
 * behind STORED AS in small letters, no `expected`, and the options by which rows are read, in the words of a listing's
 * or, of a Delta table, of its DDL. Of a table in memory that was made (`made` below) the options are "primary_key" and
 * "unique.NUMBER", once for each column of the key, and "default.COLUMN", an SQL literal. */
struct cadf_found {
    const char *name;
    const char *source;
    const char *format;
    const struct ArrowSchema *expected;
    const struct ArrowSchema *found;
    const char *const *option_keys;
    const char *const *option_values;
    size_t n_options;
};

/* epoch         a number that changes whenever any answer may change; providers are cached per epoch
 * schema_names  calls `emit` once a schema; table_names once a table of the schema; no I/O in either
 * table         CADF_OK with *ret filled, CADF_ERR_NOT_FOUND, or another status with *err
 * committed     SQL wrote rows of a table of this catalog: a Delta table has them at `version`, others (0) have no
 *               versions; the host re-pins and moves its epoch
 * handshake     whether rows of the columns found may be read; CADF_OK, or a status that fails the plan. What is
 *               accepted is matched by name, cast (a value that does not fit is an error) and completed with defaults
 *               and nulls. NULL: everything may
 * are_proved    asked when a Delta table whose definition said proved_not_null is opened: its files as in cadf_write.
 *               0: these are not the files of the proof; the host has moved its epoch and answers without
 *               proved_not_null from now on, and the statement is planned again. NULL: they always are
 * definition    the DDL of a table or view as one text, for SHOW CREATE TABLE and information_schema.views; `sink` is
 *               not called when there is none. Asked once an epoch, when it is wanted. NULL: there is none
 * inferred      CREATE EXTERNAL TABLE without columns is about to make a table of the session's own: CADF_OK and in
 *               *ret (release NULL: as found) the columns that it shall have, or a status that fails the statement.
 *               `replaces`: it said OR REPLACE. What the host notes is undone when the statement fails. NULL: as found
 * dropped       DROP TABLE names a table over files of the session's own, or none that is there: whether the host kept
 *               columns under that name, which it forgets. NULL: it keeps none
 * made          the DDL of a table in memory that SQL made, from its columns; `sink` is not called when there are no
 *               words for one of them. NULL: there is none
 * registered    a statement made a table or view of the session's own, or dropped one. NULL: nobody asks
 *
 * INSERT INTO / INSERT OVERWRITE reach the same write gate as cadf_delta_write_query, wherever the rows are kept: in a
 * Delta table, in memory, or (INSERT INTO alone) in new files of a listing's directory, which get their names when all
 * of them are written and read back as what was given. UPDATE and DELETE of a Delta table reach the storage
 * library's own, with predicate and assignments from the unoptimized plan (the hooks that DataFusion has for them get a
 * filter rebuilt from the optimized one, which may have lost the predicate). The rows that a MERGE makes are written
 * like those of an INSERT, in the place of all rows where it changes one. Each stands on the version that the session
 * reads: what others committed above it, and no run published, is put back first.
 */
struct cadf_catalog {
    void *data;
    const char *name;
    const char *default_schema;
    uint64_t (*epoch)(void *data);
    void (*schema_names)(void *data, cadf_name_fn emit, void *sink);
    void (*table_names)(void *data, const char *schema, cadf_name_fn emit, void *sink);
    int32_t (*table)(void *data, const char *schema, const char *table, struct cadf_table_def *ret,
                     struct cadf_error *err);
    void (*release_def)(void *data, struct cadf_table_def *def);
    void (*committed)(void *data, const char *schema, const char *table, int64_t version);
    int32_t (*handshake)(void *data, const struct cadf_found *found, struct cadf_error *err);
    int32_t (*are_proved)(void *data, const char *schema, const char *table, int64_t version, const char *files,
                          size_t n_bytes);
    void (*definition)(void *data, const char *schema, const char *table, cadf_text_fn sink, void *sink_data);
    int32_t (*inferred)(void *data, const struct cadf_found *found, int32_t replaces, struct ArrowSchema *ret,
                        struct cadf_error *err);
    int32_t (*dropped)(void *data, const char *table);
    void (*made)(void *data, const struct cadf_found *made, cadf_text_fn sink, void *sink_data);
    void (*registered)(void *data, const char *table, int32_t what);
};

enum { CADF_REGISTERED_TABLE, CADF_REGISTERED_VIEW, CADF_REGISTERED_NO_MORE };

/* ---- session -------------------------------------------------------------------------------------------------- */

typedef struct cadf_session cadf_session;
typedef struct cadf_cancel cadf_cancel;

/* setting_keys/values   `datafusion.*` configuration and `datafusion.runtime.*`; an unknown key is CADF_ERR_INVALID
 * memory_limit_bytes    0: unbounded. spill_dir NULL: the system's temporary directory
 * n_threads             of the runtime, 0: one a core
 * fixed_settings        keys that SET and RESET refuse; RESET of another goes back to its value at opening
 * catalog               NULL, or the default catalog, answered from C; copied, `data` must outlive the session
 */
struct cadf_options {
    const char *const *setting_keys;
    const char *const *setting_values;
    size_t n_settings;
    uint64_t memory_limit_bytes;
    uint64_t spillable_bytes; /* of these, what sorts and others that can spill hold together; 0: all */
    uint64_t keep_bytes; /* free memory beyond these goes back after each written query; 0: when the allocator likes */
    const char *spill_dir;
    uint64_t spill_limit_bytes;
    uint32_t n_threads;
    int32_t read_only;
    const char *const *fixed_settings;
    size_t n_fixed_settings;
    const struct cadf_catalog *catalog;
};

int32_t cadf_session_open(const struct cadf_options *options, cadf_session **ret, struct cadf_error *err);
void cadf_session_close(cadf_session *s);

cadf_cancel *cadf_cancel_new(void);
void cadf_cancel_fire(cadf_cancel *c); /* any thread, idempotent */
void cadf_cancel_free(cadf_cancel *c);

/* ---- queries -------------------------------------------------------------------------------------------------- */

/* Typed parameters: a struct array of length 1; a field named "x" binds $x, fields named "1", "2" bind $1, $2.
 * Borrowed. NULL: none. */
struct cadf_params {
    const struct ArrowSchema *schema;
    const struct ArrowArray *array;
};

/* Plan and start one statement; rows come from *ret (owned by the caller, works on any one thread at a time, after
 * cadf_session_close too). Statements without rows give an empty stream. `cancel` may be NULL.
 * In a read-only session DDL, DML, COPY and SET are CADF_ERR_REFUSED. What changes something is done before this
 * returns. A failure while rows are read comes from get_next as ECANCELED, ENOMEM (CADF_ERR_RESOURCES), EIO or EINVAL,
 * with the text in get_last_error; cadf_stream_write and cadf_delta_write_stream get the exact status. */
int32_t cadf_query(cadf_session *s, const char *sql, size_t n_sql_bytes, const struct cadf_params *params,
                   cadf_cancel *cancel, struct ArrowArrayStream *ret, struct cadf_error *err);

/* Plan a query as cadf_query would, down to the files that it would read, and run none of it: it fails as the query
 * would before its first row. */
int32_t cadf_probe(cadf_session *s, const char *sql, size_t n_sql_bytes, struct cadf_error *err);

/* CREATE EXTERNAL TABLE of the caller's own, in a read-only session too: it makes a name of the session's and writes
 * nothing. Any other statement is CADF_ERR_INVALID. */
int32_t cadf_declare(cadf_session *s, const char *sql, size_t n_sql_bytes, struct cadf_error *err);

/* The session's value of a setting, `datafusion.*` or `datafusion.runtime.*`; `sink` is not called when it has none or
 * there is no such key. Callbacks may use this door and the next, and no other. */
int32_t cadf_setting(cadf_session *s, const char *key, cadf_text_fn sink, void *data, struct cadf_error *err);

/* Every setting in order of key: `value` now, `engine_default` as DataFusion has it by itself on this machine,
 * `opening` as the session had it when it opened. NULL: none. Borrowed for the call. */
typedef void (*cadf_setting_fn)(void *data, const char *key, const char *value, const char *engine_default,
                                const char *opening);
int32_t cadf_settings(cadf_session *s, cadf_setting_fn fn, void *data, struct cadf_error *err);

/* Split text into its statements: `sink` is called with each one's text, comments and `;` stripped at the ends. */
int32_t cadf_split(const char *sql, size_t n_sql_bytes, cadf_text_fn sink, void *data, struct cadf_error *err);

/* The schema of a registered table as its provider states it. */
int32_t cadf_table_schema(cadf_session *s, const char *schema, const char *table, struct ArrowSchema *ret,
                          struct cadf_error *err);

/* What is asked of a query's plan; nothing of it runs. NULL: not asked for.
 *   schema      its columns: the caller's empty struct
 *   table       called once for each table that the plan scans, views looked through: "catalog.schema.table", sorted
 *   text        called once with the logical plan as indented text, as the optimizer leaves it where `optimized`
 *   optimized   the optimizer runs, also where nobody asks for the text */
struct cadf_plan {
    struct ArrowSchema *schema;
    cadf_text_fn table;
    void *table_data;
    cadf_text_fn text;
    void *text_data;
    int32_t optimized;
};
int32_t cadf_query_plan(cadf_session *s, const char *sql, size_t n_sql_bytes, const struct cadf_plan *ask,
                        struct cadf_error *err);

/* Write the rows of a stream to `fd` as table, json, ndjson, csv, tsv, arrow or parquet. Takes the stream.
 * `width` limits a table's columns (0: unlimited). ret_rows may be NULL. */
int32_t cadf_stream_write(struct ArrowArrayStream *stream, const char *format, int fd, uint32_t width,
                          int64_t *ret_rows, struct cadf_error *err);

/* ---- registration --------------------------------------------------------------------------------------------- */

/* Register rows from C under a bare name in the session's private schema "memory" of catalog "session". Takes both. */
int32_t cadf_register_stream(cadf_session *s, const char *table, struct ArrowSchema *schema,
                             const struct cadf_stream_source *source, struct cadf_error *err);
int32_t cadf_deregister(cadf_session *s, const char *table, struct cadf_error *err);

/* A scalar function in C over Arrow arrays: n_args arrays of n_rows each (scalars are expanded), one array back.
 * return_type depends on nothing but the declared types. volatility: 0 immutable, 1 stable, 2 volatile.
 * doc, syntax, and the argument names are shown by information_schema.routines / parameters and SHOW FUNCTIONS. */
struct cadf_scalar_function {
    const char *name;
    const struct ArrowSchema *const *arg_types; /* borrowed for the call */
    const char *const *arg_names;
    size_t n_args;
    const struct ArrowSchema *return_type; /* borrowed for the call */
    int32_t volatility;
    const char *doc;
    const char *syntax;
    void *data;
    int32_t (*call)(void *data, const struct ArrowArray *const *args, size_t n_args, int64_t n_rows,
                    struct ArrowArray *ret, struct cadf_error *err);
};
int32_t cadf_register_function(cadf_session *s, const struct cadf_scalar_function *fn, struct cadf_error *err);

/* ---- Delta ---------------------------------------------------------------------------------------------------- */

enum cadf_write_mode { CADF_WRITE_APPEND = 0, CADF_WRITE_OVERWRITE = 1 };

/* location           directory or URL of the table
 * schema             what the gate demands of every batch: names, order, types and nullability, nested included;
 *                    list items named "element" in storage compare equal to "item". Borrowed
 *                    Layout of text and bytes (plain, large, view, dictionary) is no difference. Stored are:
 * uint8/16/32/64 as int16/32/64/64, items as "element" and nullable; what Delta cannot hold is CADF_ERR_GATE
 * partition_by       column names
 * app_id, app_version  application transaction: an app_version that is not newer than the app_id's last is
 *                    CADF_ERR_CONFLICT, nothing written; so is meeting any other commit (look again). app_id NULL: none
 * metadata_*         commit metadata
 * row_group_bytes    0: the library's default; target_file_bytes likewise
 * compression        "zstd(3)", "snappy", ...; NULL: zstd(1)
 * checks             each row must not make one false (null is not false), or CADF_ERR_GATE, nothing written
 * key                columns that should tell rows apart; see is_key_unique
 * bucket_*           of a query: run it one range of the text column bucket_column after the other, so that joins hold
 *                    one range at a time. Ranges lie between bucket_bounds (ascending byte by byte); bucket_tables
 *                    ("schema.table", none: all that have the column) are read by range, the others whole. The host
 *                    answers for the pieces being the whole. NULL: at once
 * order              columns by which rows should be sorted; see is_ordered
 * offered            NULL, or called once with the columns that the rows have (borrowed) before anything is written, on
 *                    the caller's thread: what it fails with, ends the write
 * files              NULL, or gets the table's files after the commit, before *ret is filled: one a line, sorted: path,
 *                    size, and the deletion vector where there is one, a tab between
 */
typedef int32_t (*cadf_offered_fn)(void *data, const struct ArrowSchema *columns, struct cadf_error *err);

struct cadf_write {
    const char *location;
    const struct ArrowSchema *schema;
    int32_t mode;
    const char *const *partition_by;
    size_t n_partition_by;
    const char *app_id;
    int64_t app_version;
    const char *const *metadata_keys;
    const char *const *metadata_values;
    size_t n_metadata;
    const char *const *property_keys; /* table properties, used at creation */
    const char *const *property_values;
    size_t n_properties;
    uint64_t row_group_bytes;
    uint64_t target_file_bytes;
    const char *compression;
    const char *const *statistics_columns;
    size_t n_statistics_columns;
    const struct cadf_check *checks;
    size_t n_checks;
    const char *const *key;
    size_t n_key;
    const char *bucket_column;
    const char *const *bucket_bounds;
    size_t n_bucket_bounds;
    const char *const *bucket_tables;
    size_t n_bucket_tables;
    const char *const *order;
    size_t n_order;
    cadf_offered_fn offered;
    void *offered_data;
    cadf_text_fn files;
    void *files_data;
};

/* version        the table's version after the commit; n_rows, n_files, n_bytes: what this commit added
 * is_key_unique  it is proved that no two rows of the table have one key; 0: not known, look at the rows
 * is_ordered     it is proved that the rows of each file are sorted by `order`, nulls last; 0: not known */
struct cadf_written {
    int64_t version;
    int64_t n_rows;
    int64_t n_files;
    int64_t n_bytes;
    int32_t is_key_unique;
    int32_t is_ordered;
};

/* What a contract says of rows besides its columns. Of a `unique` key a null is no duplicate. */
struct cadf_facts {
    const struct cadf_check *checks;
    size_t n_checks;
    const char *const *key;
    size_t n_key;
    const struct cadf_names *unique;
    size_t n_unique;
    const char *const *order;
    size_t n_order;
};

/* Hold the data of a table of the catalog against its definition and `facts`: Parquet statistics first, then one pass
 * over the columns that they leave open. One call of `sink` a finding, a JSON object:
 *   {"kind": "files", "version": int or null, "list": text}   first; the list as in cadf_write, or of files without a
 *                                                             log: path, size, time of change
 *   {"kind": "file", "path": text, "failure": text}           a file that is missing, cut or cannot be read
 *   {"kind": "not_null|primary_key|unique|order|check", "fact": text, "status": "proved|unproved|violated",
 *    "method": "statistics|scan|empty", "rows": [..]}         at most 10 rows: {"file", "row", "item"} counted from 0
 *                                                             within a file, or {"key": [..], "n_rows"}
 * unproved: a file cannot be read. A table that cannot be opened at all is the error. */
int32_t cadf_verify(cadf_session *s, const char *schema, const char *table, const struct cadf_facts *facts,
                    cadf_cancel *cancel, cadf_text_fn sink, void *data, struct cadf_error *err);

/* The list of files that cadf_verify would say first, as they are now. */
int32_t cadf_table_files(cadf_session *s, const char *schema, const char *table, cadf_text_fn files, void *data,
                         struct cadf_error *err);

/* Plan checks as the gate of rows of `schema` (borrowed) would: CADF_ERR_PLAN for one that is no condition on one row
 * by itself, CADF_ERR_SYNTAX for no SQL. */
int32_t cadf_checks_plan(cadf_session *s, const struct ArrowSchema *schema, const struct cadf_check *checks,
                         size_t n_checks, struct cadf_error *err);

/* Make an empty table; CADF_ERR_CONFLICT when there is one. */
int32_t cadf_delta_create(cadf_session *s, const struct cadf_write *write, struct cadf_written *ret,
                          struct cadf_error *err);

/* Run `sql` (params may be NULL) through the gate into the table, which is created when absent. One commit, streaming.
 */
int32_t cadf_delta_write_query(cadf_session *s, const struct cadf_write *write, const char *sql, size_t n_sql_bytes,
                               const struct cadf_params *params, cadf_cancel *cancel, struct cadf_written *ret,
                               struct cadf_error *err);

/* The same for rows that come from C. Takes the stream. */
int32_t cadf_delta_write_stream(cadf_session *s, const struct cadf_write *write, struct ArrowArrayStream *stream,
                                cadf_cancel *cancel, struct cadf_written *ret, struct cadf_error *err);

/* Newest version, or CADF_ERR_NOT_FOUND. */
int32_t cadf_delta_version(cadf_session *s, const char *location, int64_t *ret_version, struct cadf_error *err);

/* What files hold, by the log of their table. */
struct cadf_extent {
    int64_t n_rows;
    int64_t n_files;
    int64_t n_bytes;
};

/* What a version holds, and what of it lies in files that the version `since` (-1: none) does not have. Either may be
 * NULL. CADF_ERR_NOT_FOUND: no such version. */
int32_t cadf_delta_extent(cadf_session *s, const char *location, int64_t version, int64_t since,
                          struct cadf_extent *ret_whole, struct cadf_extent *ret_added, struct cadf_error *err);

/* The list of a version's files, as in cadf_write. */
int32_t cadf_delta_files(cadf_session *s, const char *location, int64_t version, cadf_text_fn files, void *data,
                         struct cadf_error *err);

/* The Arrow schema that is stored at a version (-1: newest). */
int32_t cadf_delta_schema(cadf_session *s, const char *location, int64_t version, struct ArrowSchema *ret,
                          struct cadf_error *err);

/* The commits, newest first, as a JSON array of objects through `sink`. limit 0: all. */
int32_t cadf_delta_history(cadf_session *s, const char *location, int64_t limit, cadf_text_fn sink, void *data,
                           struct cadf_error *err);

/* Remove files, and entries of the log, that no version >= keep_from_version needs; no version is made. What is older
 * cannot be read then. ret_files: how many data files went. */
int32_t cadf_delta_vacuum(cadf_session *s, const char *location, int64_t keep_from_version, int64_t *ret_files,
                          struct cadf_error *err);

#ifdef __cplusplus
}
#endif
#endif
