/* catalog/catalog.h — the schema authority: contracts on one side, the engine's names on the other.
 *
 *   contract bundle (built in, a user's, or applied) ──▶ catalog ──callbacks──▶ engine: codeintel.<schema>.<dataset>
 *                                                          ▲ pins: location and version of what is stored
 *
 * A name is answered from its contract without any I/O: a stored dataset as a Delta table at its pinned version, or as
 * an empty table before there is data; one with a location of its own as the table that is there; a view from its SQL;
 * a list column's view from SQL generated here; registry.* from the catalog itself. A dataset that cannot be read stays
 * listed and says why.
 *
 * Invariants
 *   1. Whatever is in the bundle is in the engine's catalog, and nothing else is (catalog_check proves it: B2).
 *   2. NOT NULL reaches the engine only where it is proved of the very files that are read: by our write gate, by
 *      catalog_verify, or because there is no row. Keys and order never do: DataFusion 55 keeps a key through unnest
 *      and drops a DISTINCT above it, and a scan of Delta has no order to declare (docs/decisions/0009).
 *   3. Every change of an answer moves the epoch; the engine keeps no plan of an older one.
 * Owner: session and build. Threads: reading from any; pins and rows are set by one thread at a time (a lock keeps the
 * two apart).
 */
#ifndef CA_CATALOG_CATALOG_H
#define CA_CATALOG_CATALOG_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "contract/contract.h"
#include "diag/diag.h"
#include "engine/engine.h"

#define CATALOG_NAME "codeintel"

struct catalog;

/* Where SQL makes the table of a stored dataset that has none; *ret is g_free'd. Called from any thread, must not call
 * the catalog. */
typedef int (*catalog_place_fn)(void *data, const struct contract *contract, char **ret, struct ca_error *err);

/* A contract that somebody keeps of columns that were inferred; borrowed for the call. text NULL: it cannot be read,
 * and `failure` says why. */
struct catalog_kept {
    const char *name;
    const char *file;
    const char *text;
    const char *failure;
};
typedef int (*catalog_kept_fn)(void *data, const struct catalog_kept *kept, struct ca_error *err);

/* One call of `each` for what is kept under `name`, or (NULL) for all in order of name. Called from any thread, must
 * not call the catalog. */
typedef int (*catalog_keeper_fn)(void *keeper, const char *name, catalog_kept_fn each, void *data,
                                 struct ca_error *err);

/* snapshot        an applied snapshot (contract/bundle.h), taken whole: built-in contracts are not looked at. NULL:
 *                 those built in
 * snapshot_path   where it comes from, for messages
 * snapshot_fingerprint   what it must have, NULL: nobody knows
 * datasets_dir    contracts and models of the user's own, added to the built-in ones; NULL: none
 * engine          profile, preset, settings, spill_dir, is_read_only; its catalog is filled in here
 * loads_folder    the tables of `datafusion.catalog.location` are wanted; else the setting is an error
 * functions       scalar functions to register
 * diag            collects registrations, view registrations, DDL fingerprints; NULL: nobody wants them. Borrowed until
 *                 close
 * place           NULL: nowhere, a dataset without a table takes no rows from SQL
 * keeper          who keeps inferred columns; NULL: nobody
 */
struct catalog_options {
    GBytes *snapshot;
    const char *snapshot_path;
    const char *snapshot_fingerprint;
    const char *datasets_dir;
    struct engine_options engine;
    bool loads_folder;
    const struct rows_function *functions;
    size_t n_functions;
    struct diag *diag;
    catalog_place_fn place;
    void *place_data;
    catalog_keeper_fn keeper;
    void *keeper_data;
};

int catalog_open(const struct catalog_options *options, struct catalog **ret, struct ca_error *err) CA_MUST_CHECK;
void catalog_close(struct catalog *c);
struct engine *catalog_engine(const struct catalog *c);

/* ---- what there is ---------------------------------------------------------------------------------------------- */

/* One declared dataset, one view generated from a list column (then `nested_in` is its bundle), or one location of a
 * dataset (then `place` is its name, and `name` "DATASET#LOCATION"). Strings live as long as the catalog. `table` is
 * what SQL calls it in its schema, without the quotes. `sql` is NULL where rows come from C or are stored by INSERT. */
struct catalog_entry {
    const char *schema;
    const char *name;
    const char *table;
    const char *place;
    const char *kind;
    const char *stage;
    const char *nested_in;
    const char *sql;
    const char *fingerprint;
    int version;
};
size_t catalog_n_entries(const struct catalog *c);
struct catalog_entry catalog_entry_at(const struct catalog *c, size_t i);
bool catalog_find(const struct catalog *c, const char *schema, const char *name, struct catalog_entry *ret);

/* Split "name", "schema.name" or "codeintel.schema.name", with "#LOCATION" behind it or not, and find it;
 * CA_ERR_NOT_FOUND lists close names. */
int catalog_lookup(const struct catalog *c, const char *qualified, struct catalog_entry *ret,
                   struct ca_error *err) CA_MUST_CHECK;

/* Contracts, models and locations in files (contract_bundle_render_paths) come into the catalog beside those that it
 * has, as an apply: every new view and model is planned and compared with its contract, the whole is checked for
 * completeness and agreement in a session of the engine apart, and then all are there at once, in one epoch; what runs
 * goes on. What the catalog has already, the very same, is no error. `like`: how it was opened. `added` (may be NULL)
 * gets "schema.name" of each new name. On failure nothing is changed. CA_ERR_REFUSED: the session
 * has a table of that name; what else there is, ca_dataset_register says. */
int catalog_register(struct catalog *c, const struct catalog_options *like, const char *const *paths, size_t n_paths,
                     engine_text_fn added, void *data, struct ca_error *err) CA_MUST_CHECK;

/* From now on the name of a dataset reads the rows of one of its locations (`default`: those it read before), and so do
 * views over it. Before the first query. CA_ERR_NOT_FOUND names the locations that there are. */
int catalog_use_location(struct catalog *c, const char *dataset, const char *location,
                         struct ca_error *err) CA_MUST_CHECK;

/* Whether a dataset is stored and takes its rows from SQL statements alone: no model and no extractor makes it. */
bool catalog_is_of_statements(struct catalog *c, const char *schema, const char *name);

/* The parsed contract of a dataset, or of the bundle a nested view belongs to. Borrowed until close. */
int catalog_contract(struct catalog *c, const char *schema, const char *name, const struct contract **ret,
                     struct ca_error *err) CA_MUST_CHECK;

/* The SELECT of a view or model, NULL where rows do not come from SQL. Borrowed until close. */
int catalog_sql(struct catalog *c, const char *schema, const char *name, const char **ret,
                struct ca_error *err) CA_MUST_CHECK;

/* The Arrow schema that the contract declares for a dataset or nested view. The caller releases it. */
int catalog_declared_schema(struct catalog *c, const char *schema, const char *name, struct ArrowSchema *ret,
                            struct ca_error *err) CA_MUST_CHECK;

/* The bundle, what a store keeps as its applied snapshot, and its fingerprint. Borrowed. */
GBytes *catalog_snapshot(const struct catalog *c);
const char *catalog_fingerprint(const struct catalog *c);

/* ---- data ------------------------------------------------------------------------------------------------------- */

/* What a contract says of its rows, by kind, in the order of registry.proofs. */
enum catalog_fact_kind {
    CATALOG_CHECK,
    CATALOG_NOT_NULL,
    CATALOG_ORDER,
    CATALOG_PRIMARY_KEY,
    CATALOG_UNIQUE,
    CATALOG_N_FACT_KINDS,
};
const char *catalog_fact_kind_name(enum catalog_fact_kind kind);

/* What is proved of the rows of one version: nothing in it depends on the clock.
 *   files_digest   XXH3-128, in hex, of the list of the version's files: those of a Delta table by path, size and
 *                  deletion vector, as its log has them, others by path, size and time of change; "": not known
 *   methods        of every fact of the kind, a constant; NULL: not proved
 *       gate        each row on its way into the table
 *       statistics  the files' own counts of nulls
 *       scan        each row that lies there
 *       empty       there is no row */
struct catalog_proof {
    char files_digest[FINGERPRINT_HEX_SIZE];
    const char *methods[CATALOG_N_FACT_KINDS];
};

/* The constant of that spelling; NULL for NULL and for what is none. */
const char *catalog_method(const char *name);

/* Where a dataset's rows are in Delta: in the store, or where its contract says. `location` is copied; n_rows -1: not
 * known. What `proof` does not say is not believed. */
struct catalog_pin {
    const char *location;
    int64_t version;
    int64_t n_rows;
    struct catalog_proof proof;
};
int catalog_pin(struct catalog *c, const char *schema, const char *name, const struct catalog_pin *pin,
                struct ca_error *err) CA_MUST_CHECK;

/* Where the Delta table of a dataset is; g_free. CA_ERR_INVALID: it has none of its own; CA_ERR_NOT_FOUND: not yet. */
int catalog_delta_location(struct catalog *c, const char *schema, const char *name, char **ret, bool *ret_is_in_store,
                           struct ca_error *err) CA_MUST_CHECK;

/* A dataset that SQL wrote to since it was pinned. Strings live as long as the catalog, `location` until the next pin.
 *   version         what is read now
 *   before          what was pinned, -1: nothing
 *   digest_before   of the files of that version, as they were when its rows were proved; "": not known
 *   proof           what holds of the rows if the version before had those files; files_digest is not known yet */
struct catalog_change {
    const char *schema;
    const char *name;
    const char *location;
    int64_t version;
    int64_t before;
    char digest_before[FINGERPRINT_HEX_SIZE];
    struct catalog_proof proof;
};

/* The i-th of them, in the order of their first commits; false: there are no more. Pinning a dataset takes it out. */
bool catalog_change_at(struct catalog *c, size_t i, struct catalog_change *ret);

/* Read what was pinned again: nobody will hear of the changes. */
void catalog_forget_changes(struct catalog *c);

/* Note in registry.events that something was refused, and why. err NULL: there is nothing to say. */
void catalog_refused(struct catalog *c, const struct ca_error *err);

/* Keep a dataset listed, but broken for this reason. */
int catalog_mark_broken(struct catalog *c, const char *schema, const char *name, const char *reason,
                        struct ca_error *err) CA_MUST_CHECK;

/* What the run's plan of a model was: its fingerprint, and the stored datasets that it reads, sorted, joined by ", ".
 */
int catalog_set_plan(struct catalog *c, const char *schema, const char *name, const char *fingerprint,
                     const char *reads, struct ca_error *err) CA_MUST_CHECK;

/* Rows in memory for a params or registry dataset, aligned to its contract already. Takes the array. */
int catalog_set_rows(struct catalog *c, const char *schema, const char *name, struct ArrowArray *rows,
                     struct ca_error *err) CA_MUST_CHECK;

/* Rows of a parameter table, "p_x" or "params.p_x", in the place of those before: each batch aligned to the contract,
 * the primary key proved. On failure the rows before stay. Takes the stream. */
int catalog_set_params(struct catalog *c, const char *name, struct ArrowArrayStream *stream,
                       struct ca_error *err) CA_MUST_CHECK;

/* Number and fingerprint of the rows of a parameter table, whatever their order; its name as above. */
int catalog_params_fingerprint(struct catalog *c, const char *name, char ret[FINGERPRINT_HEX_SIZE], int64_t *ret_n_rows,
                               struct ca_error *err) CA_MUST_CHECK;

/* Write through the gate: the contract's schema, order of columns, NOT NULL and checks (those of nested views too) hold
 * for every row, or nothing is committed. Exactly one of sql and stream; a stream is taken. `app_id` with app_version:
 * a repeated run does not double rows. `buckets`: of sql, NULL: at once. The new version is not pinned: the caller does
 * that when the whole write is accepted. */
struct catalog_write {
    const char *schema;
    const char *name;
    const char *location;
    enum engine_write_mode mode;
    const char *sql;
    struct ArrowArrayStream *stream;
    const struct engine_buckets *buckets;
    const char *app_id;
    int64_t app_version;
    struct engine_cancel *cancel;
};

/* What was committed, and the handshake before it: schema fingerprints of the contract and of what was offered; they
 * differ where the offer was compatible only (the engine does not know that a column of a query is never null; the gate
 * checks the rows). The caller records it; a refused one is recorded here.
 *   source    "sql" or "stream"
 *   verdict   "equal" or "compatible"
 *   proof     what the gate proved of the table's rows; of an append nothing but the list of files */
struct catalog_written {
    struct engine_written commit;
    struct catalog_proof proof;
    char expected[FINGERPRINT_HEX_SIZE];
    char found[FINGERPRINT_HEX_SIZE];
    const char *source;
    const char *verdict;
};
int catalog_write(struct catalog *c, const struct catalog_write *write, struct catalog_written *ret,
                  struct ca_error *err) CA_MUST_CHECK;

/* Rows of a stream into a dataset or location by an INSERT of the session (OVERWRITE: in the place of all rows):
 * aligned to the contract first, then through the gate that SQL goes through. What it wrote is a change
 * (catalog_change_at). Takes the stream. *ret_n_rows: how many were written. CA_ERR_DRIFT: columns that no alignment
 * makes the contract's. */
int catalog_insert(struct catalog *c, const struct catalog_entry *entry, enum engine_write_mode mode,
                   struct ArrowArrayStream *stream, struct engine_cancel *cancel, int64_t *ret_n_rows,
                   struct ca_error *err) CA_MUST_CHECK;

/* Prove the keys of the contract over what is pinned, by a query, where the write could not tell; what is pinned is
 * then proved so. */
int catalog_prove_keys(struct catalog *c, const char *schema, const char *name, struct ca_error *err) CA_MUST_CHECK;

/* ---- proofs ----------------------------------------------------------------------------------------------------- */

/* Hold the stored rows of a dataset against its contract, whatever was proved before: statistics of the files first,
 * then a scan. What is found replaces what was believed. *ret_n_violated: facts that do not hold, and files that cannot
 * be read. A table that cannot be opened is such a finding, not an error. The findings are rows of registry.proofs.
 * CA_ERR_INVALID: rows of this dataset lie in no files. */
int catalog_verify(struct catalog *c, const char *schema, const char *name, struct engine_cancel *cancel,
                   size_t *ret_n_violated, struct ca_error *err) CA_MUST_CHECK;

/* Whether rows of this dataset lie in files that catalog_verify can look at. */
bool catalog_can_verify(struct catalog *c, const char *schema, const char *name);

/* What catalog_verify found, for a store to keep: a JSON object, or NULL where it is what the pin said already.
 * catalog_findings_put puts it back into a later session, where the same version is pinned; else it changes nothing. */
int catalog_findings(struct catalog *c, const char *schema, const char *name, json_t **ret,
                     struct ca_error *err) CA_MUST_CHECK;
int catalog_findings_put(struct catalog *c, const json_t *findings, struct ca_error *err) CA_MUST_CHECK;

/* ---- introspection (A5): the one place with SQL over information_schema ------------------------------------------ */

/* The one resolver of schemas (A1): a table or view name, a handle dataset://NAME[@VERSION], or a query that is not
 * run. */
int catalog_resolve_schema(struct catalog *c, const char *name_or_query, struct ArrowSchema *ret,
                           struct ca_error *err) CA_MUST_CHECK;
/* Whether a name below the catalog is the engine's own introspection and no dataset. */
bool catalog_is_introspection(const char *relative_name);
int catalog_tables(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;
/* dataset NULL: of all. */
int catalog_columns(struct catalog *c, const char *dataset, struct ArrowArrayStream *ret,
                    struct ca_error *err) CA_MUST_CHECK;
int catalog_views(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;
int catalog_routines(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;
int catalog_settings(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;
int catalog_profiles(struct catalog *c, struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;
/* The views that a dataset's contract declares: table_schema, table_name, doc, sql, fingerprint. */
int catalog_views_of(struct catalog *c, const struct catalog_entry *entry, struct ArrowArrayStream *ret,
                     struct ca_error *err) CA_MUST_CHECK;
/* The entry of a name, "NAME", "SCHEMA.NAME" or a handle. CA_ERR_NOT_FOUND, CA_ERR_INVALID. */
int catalog_resolve(struct catalog *c, const char *name_or_handle, struct catalog_entry *ret,
                    struct ca_error *err) CA_MUST_CHECK;
/* registry.proofs of these names, "schema.name" each. */
int catalog_proofs(struct catalog *c, const char *const *names, size_t n_names, struct ArrowArrayStream *ret,
                   struct ca_error *err) CA_MUST_CHECK;
int catalog_describe(struct catalog *c, const char *name_or_query, struct ArrowArrayStream *ret,
                     struct ca_error *err) CA_MUST_CHECK;
/* DDL of one dataset or view, or (NULL) of all in order of name; `sink` gets one statement a call. */
int catalog_ddl(struct catalog *c, const char *name, engine_text_fn sink, void *data,
                struct ca_error *err) CA_MUST_CHECK;

/* Fingerprint of that DDL text. The caller frees with g_free. */
int catalog_ddl_fingerprint(struct catalog *c, const char *schema, const char *name, char **ret,
                            struct ca_error *err) CA_MUST_CHECK;

/* ---- one dataset (handle.c) ------------------------------------------------------------------------------------- */

/* columns   NULL: all, in the contract's order
 * filter    NULL: none; an SQL condition on a row
 * limit     -1: none */
struct catalog_scan {
    const char *const *columns;
    size_t n_columns;
    const char *filter;
    int64_t limit;
};
int catalog_scan(struct catalog *c, const struct catalog_entry *entry, const struct catalog_scan *scan,
                 struct engine_cancel *cancel, struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;

/* Its name, kind, docs, where it is read, and what its contract says of the extractor: a JSON object; free(). */
int catalog_metadata(struct catalog *c, const struct catalog_entry *entry, char **ret,
                     struct ca_error *err) CA_MUST_CHECK;

/* The commits of its Delta table, newest first: version, committed_at, operation, parameters (JSON), n_rows. limit 0:
 * all. CA_ERR_INVALID: it has none of its own; CA_ERR_NOT_FOUND: not yet. */
int catalog_history(struct catalog *c, const struct catalog_entry *entry, int64_t limit, struct ArrowArrayStream *ret,
                    struct ca_error *err) CA_MUST_CHECK;

/* ---- inferred columns (inferred.c, B10) ------------------------------------------------------------------------- */

/* What is to be kept since the last call: by table the text of its contract, NULL where it is forgotten. Statements
 * that fail are to be followed by a call too, whose answer nobody wants. The caller unrefs; NULL: nothing. */
GHashTable *catalog_take_inferred(struct catalog *c);

/* Everything that is kept is a dataset of the catalog from now on, kind `inferred`, and nothing else of that kind; a
 * contract of its name stands before it. A catalog opens with it. */
int catalog_keep(struct catalog *c, struct ca_error *err) CA_MUST_CHECK;

/* ---- settings --------------------------------------------------------------------------------------------------- */

/* The settings that variables DATAFUSION_SECTION_KEY=VALUE of an environment say, as "key=value" texts with the names
 * of the variables beside them (both of g_free'd strings, appended). CA_ERR_INVALID: a section's key that the engine
 * does not know; what names no section is somebody else's and left alone. */
int catalog_environment(const char *const *environment, size_t n, GPtrArray *ret_settings, GPtrArray *ret_sources,
                        struct ca_error *err) CA_MUST_CHECK;

/* ---- checking --------------------------------------------------------------------------------------------------- */

/* Plan every view and model, compare each with its declared schema (names, types, nested types, order), compare
 * the engine's list of tables with the bundle both ways, and what registry, information_schema, DESCRIBE, SHOW COLUMNS
 * and plans say of the columns of each. The first difference is the error and names the dataset. */
int catalog_check(struct catalog *c, struct ca_error *err) CA_MUST_CHECK;

#endif
