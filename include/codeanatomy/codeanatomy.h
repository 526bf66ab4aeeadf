/* codeanatomy/codeanatomy.h — the public C ABI of codeanatomy.
 *
 * Point it at a Python repository, build its tables, ask questions in SQL:
 *
 *     ca_session *s = NULL;
 *     struct ca_error err = {0};
 *     struct ca_session_options o = {.size = sizeof o, .store = "repo/.codeanatomy", .read_only = 1};
 *     if (ca_session_open(&o, &s, &err) != CA_OK)
 *         fprintf(stderr, "%s\n", err.message);
 *     struct ArrowArrayStream rows;
 *     if (ca_query(s, "SELECT path, status FROM file_layers_v1", NULL, NULL, &rows, &err) == CA_OK) { ...;
 * rows.release(&rows); } ca_session_close(s);
 *
 * Results are Arrow C streams (the structs are in codeanatomy/arrow.h) or formatted text written to a file descriptor.
 * Plain C11; no type of another library appears here.
 *
 * Invariants
 *   1. One session has one schema authority: its DataFusion session. Every name resolves through it.
 *   2. A session reads one published run, chosen when it opens (ca_session_refresh moves on; so does a statement that
 *      writes, to the run that it publishes).
 *   3. The library never prints and never exits. Messages come through ca_error and the log callback.
 * Threads: a session may be used from any thread, one call at a time, unless a function says otherwise; ca_cancel_fire
 * from any thread. Two sessions are independent. A pointer that may be NULL says so; NULL for another one is
 * CA_ERR_INVALID, for a session too. Structs with `size` first: set it to sizeof the struct; zero the rest for
 * defaults. New fields are only ever appended.
 */
#ifndef CODEANATOMY_H
#define CODEANATOMY_H

#include <stddef.h>
#include <stdint.h>

#include "codeanatomy/arrow.h"
#include "codeanatomy/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ca_session ca_session;
typedef struct ca_cancel ca_cancel;

/* Text handed out piece by piece; borrowed for the call. */
typedef void (*ca_text_fn)(void *data, const char *text, size_t n_bytes);

/* ---- versions and logging ------------------------------------------------------------------------------------- */

/* Version of this library, "0.1.0". Static. */
const char *ca_version(void);

/* Versions of library, engine, storage, Arrow, grammar as a JSON object. CA_ERR_INVALID when sink is NULL. */
int ca_versions(ca_text_fn sink, void *data);

/* level: 1 error .. 5 trace; fields is a JSON object of the event's keys. Any thread may call it. Process-wide; fn
 * NULL: silence again. */
typedef void (*ca_log_fn)(void *data, int level, const char *message, const char *fields);
void ca_log_set(ca_log_fn fn, void *data, int max_level);

/* ---- sessions ------------------------------------------------------------------------------------------------- */

/* store      the store's directory; NULL: the built-in contracts alone, every dataset empty
 * datasets   a directory with contracts and models of the user's own (datasets/<stage>/NAME.yaml), or NULL
 * run        run id to read; NULL: the newest published one
 * as_of      a time such as "2026-11-21T04:27:49Z": read the newest run that was published at or before it; NULL: now
 * pins       "NAME=VERSION" and "NAME=TIME" texts: read this dataset at that Delta version, or as it was at that time
 * locations  "NAME=LOCATION" texts: read this dataset, and views over it, at that location (docs/contracts.md)
 * profile    small, medium, large, auto (NULL: auto): memory limit, spill, partitions, batch size
 * preset     schema_hardening (NULL) or arrow_performance
 * read_only  refuse every statement that changes anything. 0: the session holds the store's write lock until it is
 *            closed (CA_ERR_CONFLICT: another process writes), and what a statement writes into a stored dataset is
 *            published before ca_query returns; run, as_of and pins are refused
 * settings   extra engine settings, `datafusion.*`, as "key=value" strings
 * repository  its project file says profile, preset and settings that are not said here; NULL: none is looked at
 * user_file   the user's file, which says them where neither does; NULL: none, and one that is not there says nothing
 * environment "NAME=value" texts, of which DATAFUSION_SECTION_KEY are engine settings: below `settings`, above files
 */
struct ca_session_options {
    size_t size;
    const char *store;
    const char *datasets;
    const char *run;
    const char *profile;
    const char *preset;
    int read_only;
    const char *const *settings;
    size_t n_settings;
    const char *repository;
    const char *user_file;
    const char *const *environment;
    size_t n_environment;
    const char *as_of;
    const char *const *pins;
    size_t n_pins;
    const char *const *locations;
    size_t n_locations;
};

int ca_session_open(const struct ca_session_options *options, ca_session **ret, struct ca_error *err);
void ca_session_close(ca_session *s);

/* Look for a newer published run and read that from now on. */
int ca_session_refresh(ca_session *s, struct ca_error *err);

/* NULL is fine for fire and free. */
ca_cancel *ca_cancel_new(void);
void ca_cancel_fire(ca_cancel *c);
void ca_cancel_free(ca_cancel *c);

/* ---- queries -------------------------------------------------------------------------------------------------- */

/* Typed parameters: a struct array of one row; field "x" binds $x, fields "1", "2" bind $1, $2. Borrowed. */
struct ca_params {
    const struct ArrowSchema *schema;
    const struct ArrowArray *array;
};

/* Run one statement. *ret is the caller's; rows are computed as they are read. params and cancel may be NULL. */
int ca_query(ca_session *s, const char *sql, const struct ca_params *params, ca_cancel *cancel,
             struct ArrowArrayStream *ret, struct ca_error *err);

/* The same, formatted (table, json, ndjson, csv, tsv, arrow, parquet) and written to `fd`. `width` limits a table's
 * columns, 0: unlimited. ret_rows may be NULL. */
int ca_query_write(ca_session *s, const char *sql, const struct ca_params *params, ca_cancel *cancel,
                   const char *format, int fd, unsigned width, int64_t *ret_rows, struct ca_error *err);

/* Rows of a parameter table ("p_file_ids", "params.p_file_ids"), in the place of those before, for the life of the
 * session: columns are matched by name and cast where nothing is lost, its key is proved. Takes the stream. On failure
 * the rows before stay. ca_session_refresh forgets them. */
int ca_set_params(ca_session *s, const char *name, struct ArrowArrayStream *rows, struct ca_error *err);

/* Split text into statements, comments and semicolons taken off: one call of `sink` a statement. */
int ca_sql_split(const char *sql, ca_text_fn sink, void *data, struct ca_error *err);

/* ---- the catalog ---------------------------------------------------------------------------------------------- */

/* The schema of a dataset or view ("ast_nodes", "codeintel.public.ast_nodes"), of a handle ("dataset://ast_files_v1@1",
 * "dataset://sales_v1#archive") or of a query that is not run. One resolver for everything. */
int ca_resolve_schema(ca_session *s, const char *name_or_query, struct ArrowSchema *ret, struct ca_error *err);

/* Helpers over information_schema and registry; each gives rows, so that nobody writes this SQL by hand.
 *   tables     schema, name, kind, version, rows, health, doc
 *   columns    of one dataset or (NULL) all: nested paths and defaults included
 *   views      name, schema, SQL;  routines: name, signature, doc;  settings: name, value, default, source, doc
 *   describe   columns of a name, view or query
 *   profiles   every profile and preset: kind, name, key, value, as it would be on this machine
 */
int ca_tables(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err);
int ca_columns(ca_session *s, const char *dataset, struct ArrowArrayStream *ret, struct ca_error *err);
int ca_views(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err);
int ca_routines(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err);
int ca_settings(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err);
int ca_profiles(ca_session *s, struct ArrowArrayStream *ret, struct ca_error *err);
int ca_describe(ca_session *s, const char *name_or_query, struct ArrowArrayStream *ret, struct ca_error *err);

/* Any of these streams, formatted. Takes the stream. */
int ca_stream_write(struct ArrowArrayStream *rows, const char *format, int fd, unsigned width, int64_t *ret_rows,
                    struct ca_error *err);

/* Deterministic DDL of one dataset or view, or of all (name NULL). */
int ca_ddl(ca_session *s, const char *name, ca_text_fn sink, void *data, struct ca_error *err);

/* Hold the stored rows of datasets (names NULL: of all that lie in files) against their contracts, whatever was proved
 * before: the files are there and can be read, NOT NULL at every depth, keys, order, checks; statistics of the
 * files first, then a scan. *ret has one row a fact and one a file that cannot be read: table_schema, table_name, kind,
 * fact, status (proved, unproved, violated), method, data_version, detail (the first rows that break it).
 * *ret_n_violated (may be NULL): how many do not hold. What is found is believed from now on, in this session and,
 * where the session may write, in later ones on the same run. CA_ERR_NOT_FOUND, CA_ERR_INVALID: a name is no dataset,
 * or has no files of its own. */
int ca_verify(ca_session *s, const char *const *names, size_t n_names, ca_cancel *cancel, struct ArrowArrayStream *ret,
              size_t *ret_n_violated, struct ca_error *err);

/* ---- one dataset ------------------------------------------------------------------------------------------------ */

/* A dataset, view or location of a session, found once and asked many things. It owns nothing of the session, which
 * must outlive it; after ca_session_refresh it means the same name in the new run. Threads: those of its session. */
typedef struct ca_dataset ca_dataset;

/* `name`: "sales_v1", "diagnostics.writes", or a handle "dataset://NAME[@CONTRACT_VERSION][#LOCATION]". Its contract is
 * read, a suffix _vN of the name is held against the contract's version, and the schemas of the dataset and of every
 * view that the contract declares are resolved: a handle that was opened can be asked. No row is read.
 * CA_ERR_NOT_FOUND: no such dataset, version or location; CA_ERR_INVALID: not a handle. *ret is the caller's. */
int ca_dataset_open(ca_session *s, const char *name, ca_dataset **ret, struct ca_error *err);
void ca_dataset_close(ca_dataset *d);

/* Contracts come into a session that runs, as `datasets` brings them into one that opens: contract files
 * STAGE/NAME.yaml with NAME.sql beside them, location files locations/NAME.yaml, or folders of such folders
 * (docs/contracts.md). All of them and the views that they declare are applied as a whole: loaded, checked, planned and
 * compared with what they declare, and then there at once, for every statement and handle that starts from now on; a
 * stream that is read stays as it is. One that the session has already, the very same, is no error. `registered` (may
 * be NULL) gets "schema.name" of each new dataset and view. They belong to the session, also to one that only reads,
 * and ca_session_refresh reads the files again; a run that a statement of this session publishes has them from then on.
 * On failure nothing is changed, and the message has file, line and column, or dataset, path and both types.
 * CA_ERR_NOT_FOUND: no such file; CA_ERR_CONTRACT: a contract that is none, or a name that another has; CA_ERR_ENGINE,
 * CA_ERR_DRIFT: SQL that cannot be planned, or yields something else than its contract declares; CA_ERR_REFUSED: a
 * table that SQL made in this session has the name. */
int ca_dataset_register(ca_session *s, const char *const *paths, size_t n_paths, ca_text_fn registered, void *data,
                        struct ca_error *err);

/* What ca_resolve_schema and ca_ddl say of it. */
int ca_dataset_schema(ca_dataset *d, struct ArrowSchema *ret, struct ca_error *err);
int ca_dataset_ddl(ca_dataset *d, ca_text_fn sink, void *data, struct ca_error *err);

/* In hex, NUL-terminated (docs/fingerprints.md); those of registry.fingerprints. */
struct ca_dataset_fingerprints {
    size_t size;
    char contract[33];
    char schema[33];
    char ddl[33];
};
int ca_dataset_fingerprint(ca_dataset *d, struct ca_dataset_fingerprints *ret, struct ca_error *err);

/* A JSON object: dataset, contract, version, kind, stage, doc, location (null: the one read by the name), format (where
 * its rows are: delta, parquet, .., memory; null: it has none of its own, a view), metadata (the contract's own pairs),
 * and extract, what the contract says of its extractor (null: rows come from none). */
int ca_dataset_metadata(ca_dataset *d, ca_text_fn sink, void *data, struct ca_error *err);

/* The views that its contract declares: table_schema, table_name, doc, sql, fingerprint. */
int ca_dataset_views(ca_dataset *d, struct ArrowArrayStream *ret, struct ca_error *err);

/* columns   NULL: all, in the contract's order
 * filter    NULL: none; an SQL condition over its columns
 * limit     0: none; rows come in no order */
struct ca_scan_options {
    size_t size;
    const char *const *columns;
    size_t n_columns;
    const char *filter;
    int64_t limit;
};
/* options and cancel may be NULL; *ret as of ca_query. */
int ca_dataset_scan(ca_dataset *d, const struct ca_scan_options *options, ca_cancel *cancel,
                    struct ArrowArrayStream *ret, struct ca_error *err);

enum ca_write_mode {
    CA_WRITE_APPEND = 0,
    CA_WRITE_OVERWRITE = 1, /* in the place of all rows */
};

/* Write rows: each batch is aligned to the contract (columns and fields by name, casts that lose nothing, what is
 * lacking completed by its default or null), then passes the gate of INSERT: keys, NOT NULL, checks. All or nothing,
 * and published before this returns. Takes the stream, also on failure. ret_n_rows and cancel may be NULL.
 * CA_ERR_DRIFT: columns that cannot become the contract's; CA_ERR_REFUSED: a session that only reads, or a dataset that
 * takes no rows; CA_ERR_CONTRACT: a row breaks a fact. */
int ca_dataset_write(ca_dataset *d, struct ArrowArrayStream *rows, enum ca_write_mode mode, ca_cancel *cancel,
                     int64_t *ret_n_rows, struct ca_error *err);

/* The commits of its Delta table, newest first: version, committed_at, operation, parameters (JSON), n_rows. limit 0:
 * all. CA_ERR_INVALID: its rows are in no Delta table; CA_ERR_NOT_FOUND: none were written yet. */
int ca_dataset_history(ca_dataset *d, int64_t limit, struct ArrowArrayStream *ret, struct ca_error *err);

/* ---- building ------------------------------------------------------------------------------------------------- */

/* Progress of a build; called from the building thread or a worker's, never two at once.
 *   stage     "scan", "extract", "normalize", "relate", "graph", "check", "publish"
 *   n_done, n_total   files or models of the stage; n_total 0: not known
 *   n_rows    rows written so far in the whole build
 */
struct ca_progress {
    const char *stage;
    int64_t n_done;
    int64_t n_total;
    int64_t n_rows;
    int64_t elapsed_ns;
};
typedef void (*ca_progress_fn)(void *data, const struct ca_progress *progress);

/* Rows of a parameter table for a run. `rows` is taken by ca_build, also on failure. */
struct ca_param_table {
    const char *name;
    struct ArrowArrayStream *rows;
};

/* repository   directory of the Python repository
 * store        NULL: what the project file says, else REPO/.codeanatomy
 * name         repository name in every id; NULL: project file, else "repo"
 * python       interpreter; NULL: project file, else python3
 * n_workers    interpreter processes and parser threads; 0: one a core
 * source_roots, include, exclude, layers   NULL: project file, else found / everything
 * datasets, profile, preset, settings, user_file, environment  as in ca_session_options
 * param_tables  as by ca_set_params, for this run: its models read them, its manifest has their fingerprints
 */
struct ca_build_options {
    size_t size;
    const char *repository;
    const char *store;
    const char *name;
    const char *python;
    unsigned n_workers;
    const char *const *source_roots;
    size_t n_source_roots;
    const char *const *include;
    size_t n_include;
    const char *const *exclude;
    size_t n_exclude;
    const char *const *layers;
    size_t n_layers;
    const char *datasets;
    const char *profile;
    const char *preset;
    const char *const *settings;
    size_t n_settings;
    ca_progress_fn progress;
    void *progress_data;
    ca_cancel *cancel;
    const char *user_file;
    const char *const *environment;
    size_t n_environment;
    const struct ca_param_table *param_tables;
    size_t n_param_tables;
};

/* What a build did. run_id and store are NUL-terminated, cut never (a longer store path fails the build). */
struct ca_build_result {
    size_t size;
    char run_id[64];
    char store[4096];
    int64_t n_files;
    int64_t n_failed_layers; /* (file, layer) pairs with status failed */
    int64_t n_rows;
    int64_t n_bytes;
    int64_t elapsed_ns;
    int is_reproducible; /* 0 when a watchdog or memory limit decided something */
};

/* Build a repository into its store and publish the run. On failure the last published state is untouched and readable.
 */
int ca_build(const struct ca_build_options *options, struct ca_build_result *ret, struct ca_error *err);

/* The store that a build of `repository` would use, and that its queries read: project file, else REPO/.codeanatomy. */
int ca_store_path(const char *repository, ca_text_fn sink, void *data, struct ca_error *err);

/* The manifest of the session's run as JSON (docs/manifest.schema.json). CA_ERR_NOT_FOUND when nothing is published. */
int ca_manifest(ca_session *s, ca_text_fn sink, void *data, struct ca_error *err);

/* What the catalog of run `after` (NULL: the published one) has against that of run `before` (NULL: the one before
 * `after`): one JSON object a difference through `sink`, {"change": "added|removed|changed", "object_kind":
 * "table|column|view|routine|setting", "object_name", "before", "after"}, sorted by kind and name; null where there is
 * none. *ret_n (may be NULL) is their number. CA_ERR_NOT_FOUND names the runs that there are. */
int ca_drift(const char *store, const char *before, const char *after, ca_text_fn sink, void *data, int64_t *ret_n,
             struct ca_error *err);

/* Where every setting comes from and whether each part works (store, interpreter, worker, limits): one line a finding
 * through `sink`, "ok|warn|fail<TAB>subject<TAB>text". Returns CA_OK when it could look, whatever it found. */
int ca_doctor(const char *repository, const struct ca_build_options *options, ca_text_fn sink, void *data,
              struct ca_error *err);

/* ---- contracts as files --------------------------------------------------------------------------------------- */

/* What is wrong with a contract file, or what an import or export could not carry; borrowed for the call.
 *   line, column   from 1
 *   path           of the key in the source, "schema[0].properties[2].unique"; "" where the place says all
 */
struct ca_contract_finding {
    const char *file;
    int line;
    int column;
    const char *path;
    const char *message;
};
typedef void (*ca_contract_finding_fn)(void *data, const struct ca_contract_finding *finding);

/* One contract file that was checked; borrowed for the call. A file that does not load has no dataset (NULL), no
 * fingerprints (NULL) and at least one finding. A location's `dataset` is "DATASET#LOCATION", `version` that which it
 * asks for (0: any), and it has no schema_fingerprint (NULL). */
struct ca_contract_file {
    const char *file;
    const char *dataset;
    int64_t version;
    const char *fingerprint;
    const char *schema_fingerprint;
    const struct ca_contract_finding *findings;
    size_t n_findings;
};
typedef void (*ca_contract_file_fn)(void *data, const struct ca_contract_file *file);

/* Check contract files, and every *.yaml below directories, in the order of their names: load them, and say what they
 * should say and do not. CA_OK when all could be looked at, whatever was found. */
int ca_contract_check(const char *const *paths, size_t n_paths, ca_contract_file_fn fn, void *data,
                      struct ca_error *err);

/* Documents of another language ("odcs": Open Data Contract Standard 3.1, "dbt": its schema YAML) become contract files
 * FOLDER/STAGE/NAME.yaml; `written` (may be NULL) gets each path, `losses` each key that cannot be carried. All or
 * nothing: everything is read before the first file is written, and a file that is there and differs is CA_ERR_REFUSED.
 */
int ca_contract_import(const char *language, const char *const *paths, size_t n_paths, const char *folder,
                       ca_text_fn written, ca_contract_finding_fn losses, void *data, struct ca_error *err);

/* Contracts, named ("ast_files_v1", "registry.columns": built-in ones) or as files, as one document of another language
 * in `text`; `losses` as above. */
int ca_contract_export(const char *language, const char *const *names, size_t n_names, ca_text_fn text,
                       ca_contract_finding_fn losses, void *data, struct ca_error *err);

/* The JSON Schema of contract files, for editors (docs/contract.schema.json). CA_ERR_INVALID when sink is NULL. */
int ca_contract_schema(ca_text_fn sink, void *data);

/* The same of location files (docs/location.schema.json). */
int ca_location_schema(ca_text_fn sink, void *data);

#ifdef __cplusplus
}
#endif
#endif
