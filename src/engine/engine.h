/* engine/engine.h — the one DataFusion session of a run, in the house's words.
 *
 * The only room that includes cadf.h. It turns the shim's statuses into ours, carries the named presets and profiles
 * (A2, A3), registers the kernel's functions, and offers the few ways of asking that the other rooms need.
 *
 * Invariants
 *   1. One engine, one session; everything that has a schema is resolved by it.
 *   2. Statements of ours are ordinary SQL through the same door as the user's.
 * Owner: catalog and session. Threads: any, several at once; a cancel token from any thread.
 */
#ifndef CA_ENGINE_ENGINE_H
#define CA_ENGINE_ENGINE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "codeanatomy/arrow.h"
#include "rows/function.h"

struct engine;
struct engine_cancel;

typedef void (*engine_text_fn)(void *data, const char *text, size_t n_bytes);

/* ---- the catalog's side ---------------------------------------------------------------------------------------- */

enum engine_table_kind {
    ENGINE_TABLE_EMPTY,
    ENGINE_TABLE_DELTA,
    ENGINE_TABLE_VIEW,
    ENGINE_TABLE_STREAM,
    ENGINE_TABLE_LISTING,
    ENGINE_TABLE_MEMORY,
};

/* Rows from C: `open` gives a stream of the columns `projection` (indices, in that order; none: row counts) of one
 * partition; `drop` (may be NULL) is called when the last reader is gone. Called from the engine's threads. */
struct engine_stream {
    void *data;
    size_t n_partitions;
    int (*open)(void *data, size_t partition, const size_t *projection, size_t n_projection,
                struct ArrowArrayStream *ret, struct ca_error *err);
    void (*drop)(void *data);
};

enum engine_write_mode { ENGINE_APPEND, ENGINE_OVERWRITE };

/* A condition on rows, no subquery; `unnest` NULL: on the table's own, else on the items of that list of structs. */
struct engine_check {
    const char *name;
    const char *unnest;
    const char *sql;
};

/* A query that is run one range of a text column after the other (see struct cadf_write): between ascending `bounds`,
 * of `tables` ("schema.name"; none: of all that have the column). */
struct engine_buckets {
    const char *column;
    const char *const *bounds;
    size_t n_bounds;
    const char *const *tables;
    size_t n_tables;
};

/* The columns that rows have, before any is written; what it fails with, ends the write. */
typedef int (*engine_offered_fn)(void *data, const struct ArrowSchema *columns, struct ca_error *err);

/* See struct cadf_write: `buckets` NULL is a query at once; `schema` is what the gate demands of every batch.
 * Everything is borrowed. */
struct engine_write {
    const char *location;
    const struct ArrowSchema *schema;
    enum engine_write_mode mode;
    const char *const *partition_by;
    size_t n_partition_by;
    const char *app_id;
    int64_t app_version;
    const char *const *metadata_keys;
    const char *const *metadata_values;
    size_t n_metadata;
    const char *const *property_keys;
    const char *const *property_values;
    size_t n_properties;
    uint64_t row_group_bytes;
    uint64_t target_file_bytes;
    const char *compression;
    const char *const *statistics_columns;
    size_t n_statistics_columns;
    const struct engine_check *checks;
    size_t n_checks;
    const char *const *key;
    size_t n_key;
    const struct engine_buckets *buckets;
    const char *const *order;
    size_t n_order;
    engine_offered_fn offered;
    void *offered_data;
    engine_text_fn files;
    void *files_data;
};

struct engine_names {
    const char *const *items;
    size_t n;
};

/* What SQL keeps to when it writes a table (struct cadf_rules). `write` says how; its location is where the first
 * INSERT makes the table of ENGINE_TABLE_EMPTY, NULL: nowhere. Of a `unique` key a null is no duplicate. Defaults are
 * of columns, and of what lies inside, by path. */
struct engine_rules {
    const struct engine_write *write;
    const struct engine_names *unique;
    size_t n_unique;
    const char *const *default_columns;
    const char *const *default_sql;
    size_t n_defaults;
};

/* What the catalog says of one table.
 *   schema      moved into the engine
 *   sql, location, format, predicate, failure   borrowed from the catalog until it closes
 *   version     of a Delta table, -1: newest
 *   as_of_us    the newest version that was committed by then, in microseconds since 1970; 0: no time is said
 *   is_fixed    that version or time is all that is ever read: nothing writes it
 *   is_proved   NOT NULL of `schema` was proved for this version; otherwise the engine relaxes it
 *   are_checks_proved   the checks of `rules` were, too
 *   option_*    of a listing: options of struct cadf_table_def; borrowed like the rest
 *   predicate   NULL, or an SQL condition that every scan applies
 *   failure     NULL, or why the table cannot be read
 *   rules       NULL: SQL keeps to the schema alone; borrowed until the catalog closes
 */
struct engine_table {
    enum engine_table_kind kind;
    struct ArrowSchema schema;
    const char *sql;
    const char *location;
    const char *format;
    const char *const *option_keys;
    const char *const *option_values;
    size_t n_options;
    const char *predicate;
    const char *failure;
    int64_t version;
    int64_t as_of_us;
    bool is_fixed;
    bool is_proved;
    bool are_checks_proved;
    const struct engine_rules *rules;
    struct engine_stream stream;
};

enum engine_name_kind {
    ENGINE_NAME_TABLE,
    ENGINE_NAME_VIEW,
    ENGINE_NAME_KEPT, /* a table that gives way to one that SQL makes in the session under its name */
};
typedef void (*engine_name_fn)(void *sink, const char *name, enum engine_name_kind kind);

/* The columns that a file or stream has, before its first row is read (struct cadf_found). Borrowed. */
struct engine_found {
    const char *name;
    const char *source;
    const char *format;
    const struct ArrowSchema *expected;
    const struct ArrowSchema *found;
    const char *const *option_keys;
    const char *const *option_values;
    size_t n_options;
};

/* What a statement did to a name of the session's own. */
enum engine_registered { ENGINE_REGISTERED_TABLE, ENGINE_REGISTERED_VIEW, ENGINE_REGISTERED_NO_MORE };

/* Answers without I/O; may be called from any thread of the engine; must not call the engine. */
struct engine_catalog {
    void *data;
    const char *name;
    const char *default_schema;
    uint64_t (*epoch)(void *data);
    void (*schema_names)(void *data, engine_name_fn emit, void *sink);
    void (*table_names)(void *data, const char *schema, engine_name_fn emit, void *sink);
    int (*table)(void *data, const char *schema, const char *table, struct engine_table *ret, struct ca_error *err);
    void (*committed)(void *data, const char *schema, const char *table, int64_t version);
    int (*handshake)(void *data, const struct engine_found *found, struct ca_error *err);
    bool (*are_proved)(void *data, const char *schema, const char *table, int64_t version, const char *files,
                       size_t n_bytes);
    void (*definition)(void *data, const char *schema, const char *table, engine_text_fn sink, void *sink_data);
    int (*inferred)(void *data, const struct engine_found *found, bool replaces, struct ArrowSchema *ret,
                    struct ca_error *err);
    bool (*dropped)(void *data, const char *table);
    void (*made)(void *data, const struct engine_found *made, engine_text_fn sink, void *sink_data);
    void (*registered)(void *data, const char *table, enum engine_registered what);
};

/* ---- opening ---------------------------------------------------------------------------------------------------- */

/* Where a value comes from when no caller says so, and when one says no more. */
#define ENGINE_SOURCE_BUILT_IN "built in"
#define ENGINE_SOURCE_OPTION "option"
/* Of a setting: nobody said it, and a statement did. */
#define ENGINE_SOURCE_DEFAULT "default"
#define ENGINE_SOURCE_SET "SET"

/* profile    small, medium, large, auto; NULL: auto
 * preset     schema_hardening, arrow_performance; NULL: schema_hardening
 * settings   "key=value", applied last, a later one over an earlier one
 * profile_source, preset_source, setting_sources
 *            where each was said ("project file"), for messages and reports; NULL: an option
 * is_frugal  batches are small, sorts spill early and free memory goes back: for long work that is to hold no more as
 *            its input grows
 * spill_dir  NULL: the system's
 * catalog    copied; data must outlive the engine */
struct engine_options {
    const char *profile;
    const char *profile_source;
    const char *preset;
    const char *preset_source;
    const char *const *settings;
    const char *const *setting_sources;
    size_t n_settings;
    const char *spill_dir;
    bool is_frugal;
    bool is_read_only;
    const struct engine_catalog *catalog;
};

int engine_open(const struct engine_options *options, struct engine **ret, struct ca_error *err) CA_MUST_CHECK;
void engine_close(struct engine *e);

/* What the files of a directory end in where a table of `format` says none. compression: NULL is none. *ret is owned by
 * the caller. */
int engine_listing_extension(const char *format, const char *compression, char **ret,
                             struct ca_error *err) CA_MUST_CHECK;

/* Versions of engine, storage, Arrow and shim: a JSON object. */
void engine_versions(engine_text_fn sink, void *data);

/* Bytes of source text that a model reads at a time where it depends on single files. */
uint64_t engine_bucket_bytes(const struct engine *e);

/* What the session works with, for a manifest: a JSON object of profile, preset, their limits, and all settings that
 * somebody said or that are not DataFusion's own, but for the directory of spill files, which is another one each time.
 * g_free. */
int engine_profile_json(struct engine *e, char **ret, struct ca_error *err) CA_MUST_CHECK;

/* One setting of a session; everything is borrowed for the call.
 *   value          now; NULL: none
 *   default_value  what DataFusion takes by itself on this machine; NULL: none
 *   preset_value   what the session's preset says of it; NULL: nothing
 *   source         who said the value: ENGINE_SOURCE_BUILT_IN, "profile NAME", "preset NAME", what the caller said in
 *                  setting_sources, ENGINE_SOURCE_SET, ENGINE_SOURCE_DEFAULT */
struct engine_setting_value {
    const char *key;
    const char *value;
    const char *default_value;
    const char *preset_value;
    const char *source;
};

/* Every setting in order of key; `emit` fails the call. Answers of a catalog may ask this. */
typedef int (*engine_setting_fn)(void *data, const struct engine_setting_value *setting, struct ca_error *err);
int engine_settings(struct engine *e, engine_setting_fn emit, void *data, struct ca_error *err) CA_MUST_CHECK;

/* What the session was opened with: `profile` and `preset` first, then the settings that somebody said. */
typedef void (*engine_choice_fn)(void *data, const char *key, const char *value, const char *source);
int engine_choices(struct engine *e, engine_choice_fn emit, void *data, struct ca_error *err) CA_MUST_CHECK;

/* Every profile and preset there is, a call a value, as it would be on this machine: `kind` is "profile" (keys
 * memory_limit_bytes, spill_limit_bytes, n_threads, and settings), "preset", or "always" for what holds anyhow. */
typedef void (*engine_profile_fn)(void *data, const char *kind, const char *name, const char *key, const char *value);
void engine_profiles(engine_profile_fn emit, void *data);

void engine_log_set(void (*fn)(void *data, int level, const char *target, const char *text, size_t n_bytes), void *data,
                    int max_level);

/* CREATE EXTERNAL TABLE of the program's own, in a read-only session too; any other statement is CA_ERR_INVALID. */
int engine_declare(struct engine *e, const char *sql, struct ca_error *err) CA_MUST_CHECK;

/* Register a scalar function; the constant is kept. */
int engine_register_function(struct engine *e, const struct rows_function *fn, struct ca_error *err) CA_MUST_CHECK;

/* Rows from C under a name of the session's own: "session"."memory"."NAME". Takes schema and stream, also on failure.
 */
int engine_register_stream(struct engine *e, const char *name, struct ArrowSchema *schema,
                           const struct engine_stream *stream, struct ca_error *err) CA_MUST_CHECK;
int engine_deregister(struct engine *e, const char *name, struct ca_error *err) CA_MUST_CHECK;

struct engine_cancel *engine_cancel_new(void);
void engine_cancel_fire(struct engine_cancel *c);
void engine_cancel_free(struct engine_cancel *c);

/* The session's value of a setting, NULL when it has none; g_free. Answers of a catalog may ask this. */
int engine_setting(struct engine *e, const char *key, char **ret, struct ca_error *err) CA_MUST_CHECK;

/* ---- asking ----------------------------------------------------------------------------------------------------- */

/* A struct array of one row: field "x" binds $x. Borrowed. */
struct engine_params {
    const struct ArrowSchema *schema;
    const struct ArrowArray *array;
};

int engine_query(struct engine *e, const char *sql, const struct engine_params *params, struct engine_cancel *cancel,
                 struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;
/* Whether a query would start: it is planned down to the files that it would read, and none of it runs. */
int engine_probe(struct engine *e, const char *sql, struct ca_error *err) CA_MUST_CHECK;
int engine_split(const char *sql, engine_text_fn sink, void *data, struct ca_error *err) CA_MUST_CHECK;
int engine_query_schema(struct engine *e, const char *sql, struct ArrowSchema *ret, struct ca_error *err) CA_MUST_CHECK;
int engine_table_schema(struct engine *e, const char *schema, const char *table, struct ArrowSchema *ret,
                        struct ca_error *err) CA_MUST_CHECK;

/* What is asked of a query's plan; nothing of it runs. NULL: not asked for.
 * ret_schema     its columns
 * table          called for each table that the plan scans, views looked through: "catalog.schema.table", sorted, each
 *                once
 * text           called once with the logical plan as indented text, as the optimizer leaves it where is_optimized
 * is_optimized   the optimizer runs, also where nobody asks for the text: types meet each other there */
struct engine_plan {
    struct ArrowSchema *ret_schema;
    engine_text_fn table;
    void *table_data;
    engine_text_fn text;
    void *text_data;
    bool is_optimized;
};

int engine_query_plan(struct engine *e, const char *sql, const struct engine_plan *ask,
                      struct ca_error *err) CA_MUST_CHECK;
int engine_stream_write(struct ArrowArrayStream *stream, const char *format, int fd, uint32_t width, int64_t *ret_rows,
                        struct ca_error *err) CA_MUST_CHECK;

/* The one integer a query answers; no row or NULL is CA_ERR_NOT_FOUND. */
int engine_query_int(struct engine *e, const char *sql, int64_t *ret, struct ca_error *err) CA_MUST_CHECK;

/* The same of a stream, which it takes. */
int engine_stream_int(struct ArrowArrayStream *rows, int64_t *ret, struct ca_error *err) CA_MUST_CHECK;

/* The one text a query answers, g_free; NULL when there is no row or it is NULL. */
int engine_query_text(struct engine *e, const char *sql, char **ret, struct ca_error *err) CA_MUST_CHECK;

/* ---- Delta ------------------------------------------------------------------------------------------------------ */

/* is_key_unique   it is proved that no two rows of the table have one key; false: not known
 * is_ordered      it is proved that the rows of each file are in the write's order; false: not known */
struct engine_written {
    int64_t version;
    int64_t n_rows;
    int64_t n_files;
    int64_t n_bytes;
    bool is_key_unique;
    bool is_ordered;
};

int engine_write_query(struct engine *e, const struct engine_write *write, const char *sql,
                       const struct engine_params *params, struct engine_cancel *cancel, struct engine_written *ret,
                       struct ca_error *err) CA_MUST_CHECK;

/* Takes the stream, also on failure. */
int engine_write_stream(struct engine *e, const struct engine_write *write, struct ArrowArrayStream *stream,
                        struct engine_cancel *cancel, struct engine_written *ret, struct ca_error *err) CA_MUST_CHECK;

/* What a contract says of rows besides its columns (struct cadf_facts). */
struct engine_facts {
    const struct engine_check *checks;
    size_t n_checks;
    const char *const *key;
    size_t n_key;
    const struct engine_names *unique;
    size_t n_unique;
    const char *const *order;
    size_t n_order;
};

/* Hold the data of a table of the catalog against its definition and `facts`; findings come as JSON (cadf_verify). */
int engine_verify(struct engine *e, const char *schema, const char *table, const struct engine_facts *facts,
                  struct engine_cancel *cancel, engine_text_fn sink, void *data, struct ca_error *err) CA_MUST_CHECK;

/* The list of a table's files as engine_verify would find it now. */
int engine_table_files(struct engine *e, const char *schema, const char *table, engine_text_fn sink, void *data,
                       struct ca_error *err) CA_MUST_CHECK;

/* Plan checks as the gate of rows of `schema` (borrowed) would (cadf_checks_plan). */
int engine_checks_plan(struct engine *e, const struct ArrowSchema *schema, const struct engine_check *checks,
                       size_t n_checks, struct ca_error *err) CA_MUST_CHECK;

int engine_delta_version(struct engine *e, const char *location, int64_t *ret, struct ca_error *err) CA_MUST_CHECK;

/* What files hold, by the log of their table. */
struct engine_extent {
    int64_t n_rows;
    int64_t n_files;
    int64_t n_bytes;
};

/* What a version holds, and what of it lies in files that the version `since` (-1: none) does not have. Either may be
 * NULL. CA_ERR_NOT_FOUND: no such version. */
int engine_delta_extent(struct engine *e, const char *location, int64_t version, int64_t since,
                        struct engine_extent *ret_whole, struct engine_extent *ret_added,
                        struct ca_error *err) CA_MUST_CHECK;
/* The list of a version's files, as in engine_write. */
int engine_delta_files(struct engine *e, const char *location, int64_t version, engine_text_fn sink, void *data,
                       struct ca_error *err) CA_MUST_CHECK;
int engine_delta_schema(struct engine *e, const char *location, int64_t version, struct ArrowSchema *ret,
                        struct ca_error *err) CA_MUST_CHECK;
int engine_delta_history(struct engine *e, const char *location, int64_t limit, engine_text_fn sink, void *data,
                         struct ca_error *err) CA_MUST_CHECK;
int engine_delta_vacuum(struct engine *e, const char *location, int64_t keep_from_version, int64_t *ret_files,
                        struct ca_error *err) CA_MUST_CHECK;

#endif
