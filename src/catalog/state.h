/* catalog/state.h — the catalog's inside, shared by the files of the room and nobody else. */
#ifndef CA_CATALOG_STATE_H
#define CA_CATALOG_STATE_H

#include <glib.h>

#include "catalog/catalog.h"
#include "contract/bundle.h"
#include "contract/contract.h"
#include "contract/handshake.h"
#include "rows/share.h"

/* One declared dataset, or (bundle NULL) one that a store keeps of inferred columns.
 *   bundle, index, entry  where its contract is; borrowed
 *   kept          the contract that is kept, borrowed; NULL: it cannot be read, which is its failure
 *   location, version, n_rows   where the rows are; location NULL: nowhere yet
 *   is_changed    SQL wrote the version that is read; `pinned` was read before
 *   rows          of a params dataset: batches, struct rows_shared *, never changed once they are here; NULL: none
 *   is_in_memory  SQL inserted rows that the engine holds for the life of the session
 *   failure       why it cannot be read, NULL: it can
 *   proof         of that version
 *   findings      struct catalog_finding *, what catalog_verify found, NULL: nobody looked
 *   is_news       a later session needs the findings: they are not what the pin said
 *   unproved      why nothing is proved any more, NULL: nothing to say
 *   rules         what SQL keeps to, NULL: nobody asked yet
 *   plan_fingerprint, reads   of the model that made the rows, NULL: none did */
struct catalog_dataset {
    struct contract_bundle *bundle;
    size_t index;
    const struct contract_bundle_entry *entry;
    const struct contract *kept;
    char *location;
    int64_t version;
    int64_t n_rows;
    bool is_changed;
    struct {
        int64_t version; /* -1: none */
        int64_t n_rows;
        struct catalog_proof proof; /* only while is_changed */
    } pinned;
    GPtrArray *rows;
    bool is_in_memory;
    char *failure;
    struct catalog_proof proof;
    GPtrArray *findings;
    bool is_news;
    char *unproved;
    struct catalog_rules *rules;
    char *plan_fingerprint;
    char *reads;
};

/* One name of the engine's catalog: a dataset (view NULL), the view `name` of its contract (`sql` generated when
 * needed), or a location, which no list of tables has.
 *   key      "schema.name", borrowed from the bundle like the other names
 *   table    what SQL calls it in that schema: `name`, or the handle of a location
 *   place    of a location, its own name; else NULL */
struct catalog_name {
    const char *key;
    const char *schema;
    const char *name;
    const char *table;
    const char *place;
    struct catalog_dataset *dataset;
    bool is_nested;
    char *sql;
};

/* A table that was made when the session opened, of a folder's file (autoload.c): `public`.NAME.
 *   location  its file, or with '/' at the end its folder
 *   status, failure   why it is no table; CA_OK and NULL: it is one */
struct catalog_loaded {
    char *name;
    char *location;
    int status;
    char *failure;
};

/* Where SQL finds the tables that are the session's own. */
#define CATALOG_LOADED_SCHEMA "public"

/* What is declared. It is never changed once it is the catalog's: contracts that come later bring an index that takes
 * its place, and whoever still reads this one goes on.
 *
 *   bundle, snapshot  every contract, and the bytes of that document, owned where owns_bundle
 *   declared struct catalog_name * of the bundle, in order of schema and name
 *   kept     those of inferred columns, likewise
 *   names    of both; what is kept under a name that somebody declares is left out
 *   places   struct catalog_name *: every location that is declared, and of each dataset that has one the place
 *            `default`, in order of schema and name
 *   own_*    those that came with this index, the others are of those before it: in one piece each, places owned
 *   before   the index whose place this one took, which lives as long; NULL: the catalog opened with this one */
struct catalog_index {
    struct contract_bundle *bundle;
    GBytes *snapshot;
    bool owns_bundle;
    GPtrArray *declared;
    GPtrArray *kept;
    GPtrArray *names;
    GPtrArray *places;
    struct catalog_dataset *own_datasets;
    size_t n_own_datasets;
    struct catalog_name *own_names;
    size_t n_own_names;
    GPtrArray *own_places;
    GPtrArray *own_kept;
    struct catalog_index *before;
};

/* n_refs   one is the owner's, one each source of rows that the engine still reads: a stream may outlive catalog_close
 * lock     guards everything that changes after open: parsed contracts, pins, rows, generated SQL
 * index    what is declared now; read through catalog_index, catalog_names, catalog_places
 * loaded   struct catalog_loaded *, in order of name, unchanged since the session opened
 * handshakes   "name fingerprint" of the files' columns that diagnostics have already
 * inferred     what is to be kept: table, and its contract's text or NULL
 * changed  struct catalog_name * of the datasets that SQL wrote to, in the order of the first commit
 * events   what the session did, oldest first; n_events counts those that went, too (events.c)
 * epoch    read without the lock
 * engine_use   held while rows are made that ask the engine; closing waits for it
 * functions    those registered, constants */
struct catalog {
    gatomicrefcount n_refs;
    GMutex lock;
    struct catalog_index *index;
    GPtrArray *loaded;
    GHashTable *handshakes;
    GHashTable *inferred;
    GPtrArray *changed;
    GQueue *events;
    int64_t n_events;
    gint epoch;
    GRWLock engine_use;
    struct engine *engine;
    const struct rows_function *functions;
    size_t n_functions;
    struct diag *diag;
    catalog_place_fn place;
    void *place_data;
    catalog_keeper_fn keeper;
    void *keeper_data;
};

struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c);

/* Contracts and engine, without the tables of a folder; on failure the caller closes what there is (catalog.c). */
int catalog_make(const struct catalog_options *options, struct catalog **ret, struct ca_error *err) CA_MUST_CHECK;

/* Make the first index (load.c, like what follows). */
int catalog_load(struct catalog *c, const struct catalog_options *o, struct ca_error *err) CA_MUST_CHECK;

/* An index of what is in files beside what `before` has, not the catalog's yet. */
int catalog_index_with(struct catalog_index *before, const char *const *paths, size_t n_paths,
                       struct catalog_index **ret, struct ca_error *err) CA_MUST_CHECK;

/* The same contracts as `before` with other inferred columns: struct catalog_name *, in order of name, which are taken
 * with their array. */
struct catalog_index *catalog_index_keeping(struct catalog_index *before, GPtrArray *kept);
void catalog_dataset_done(struct catalog_dataset *d);

/* Free one, and give the one before it; free all of them. */
struct catalog_index *catalog_index_drop(struct catalog_index *x);
void catalog_index_free(struct catalog_index *x);

/* The name "schema.name", or the place "DATASET#LOCATION" of a schema; NULL: there is none. `#default` is there only
 * where the dataset has others. */
struct catalog_name *catalog_index_find(const struct catalog_index *x, const char *schema, const char *name);
/* The same among those that contracts of the bundle declare. */
struct catalog_name *catalog_index_declared(const struct catalog_index *x, const char *schema, const char *name);
struct catalog_name *catalog_index_place(const struct catalog_index *x, const char *schema, const char *name);

/* What is declared at this moment: whoever goes through names asks once. Any thread, without the lock (catalog.c). */
const struct catalog_index *catalog_index(const struct catalog *c);
const GPtrArray *catalog_names(const struct catalog *c);
const GPtrArray *catalog_places(const struct catalog *c);

/* The name, or NULL. */
struct catalog_name *catalog_name_find(const struct catalog *c, const char *schema, const char *name);
int catalog_name_required(const struct catalog *c, const char *schema, const char *name, struct catalog_name **ret,
                          struct ca_error *err) CA_MUST_CHECK;

/* Answers may be others from now on. */
void catalog_next_epoch(struct catalog *c);

/* Make the locations of an index's own datasets; of places.c like what follows. */
void catalog_places_add(struct catalog_index *x);
void catalog_place_free(void *name);

/* The place of a dataset, with words about those that there are; `default` of one that has no other is the dataset. */
int catalog_place_required(const struct catalog *c, const struct catalog_entry *dataset, const char *location,
                           struct catalog_name **ret, struct ca_error *err) CA_MUST_CHECK;
bool catalog_is_place_of(const struct catalog_name *place, const struct catalog_name *n);

/* Every location that came with the index means something: its dataset is there, and it fits. The first that does not
 * is the error. */
int catalog_places_check(const struct catalog_index *x, struct ca_error *err) CA_MUST_CHECK;

/* Make tables of the folder that the settings name; is_wanted false: it is an error that they name one (autoload.c). */
int catalog_autoload(struct catalog *c, bool is_wanted, struct ca_error *err) CA_MUST_CHECK;
void catalog_loaded_free(void *data);
/* What SQL calls it, with each part quoted. g_free. */
char *catalog_loaded_sql_name(const struct catalog_loaded *l);

struct catalog_entry catalog_entry_of(const struct catalog_name *n);

/* The name that SQL means by schema and table: one of ours, or a handle in quotes, "dataset://NAME@VERSION#LOCATION".
 * CA_ERR_NOT_FOUND: neither; CA_ERR_INVALID: a handle that leads nowhere. */
int catalog_name_named(const struct catalog *c, const char *schema, const char *table, struct catalog_name **ret,
                       struct ca_error *err) CA_MUST_CHECK;

/* The parsed contract. */
int catalog_dataset_contract(struct catalog *c, struct catalog_dataset *d, const struct contract **ret,
                             struct ca_error *err) CA_MUST_CHECK;

/* SQL of a view or model, NULL when there is none. Takes the lock itself. Borrowed until close. */
int catalog_name_sql(struct catalog *c, struct catalog_name *n, const char **ret, struct ca_error *err) CA_MUST_CHECK;

/* The DDL of a table or view, as catalog_ddl has it; `sink` is not called when its contract cannot be read. */
void catalog_name_definition(struct catalog *c, struct catalog_name *n, engine_text_fn sink, void *data);

/* `text` as an SQL string, and codeintel.schema.table with each part quoted (handle.c). g_free. */
char *catalog_sql_text(const char *text);
char *catalog_sql_name(const struct catalog_entry *e);

/* catalog_check of the names that `known` has not; NULL: of all (check.c). */
int catalog_check_names(struct catalog *c, const struct catalog_index *known, struct ca_error *err) CA_MUST_CHECK;

/* B2: what is declared is listed, and nothing else is (introspect.c). */
int catalog_check_complete(struct catalog *c, struct ca_error *err) CA_MUST_CHECK;

/* A5: registry, information_schema, DESCRIBE, SHOW COLUMNS and the planned schema of every object that `known` has not
 * (NULL: of all) say the same of its columns (introspect.c). */
int catalog_check_agreement(struct catalog *c, const struct catalog_index *known, struct ca_error *err) CA_MUST_CHECK;

/* Whether what the contract says of NOT NULL is proved of the rows that a session reads: the registry's word. */
bool catalog_is_proved(struct catalog *c, const struct catalog_name *n, const struct contract *contract);

/* Rows of one registry table (registry.c). */
int catalog_registry_rows(struct catalog *c, const char *name, struct ArrowArray *ret,
                          struct ca_error *err) CA_MUST_CHECK;

/* The names of all settings of an engine, with spaces between (introspect.c). g_free. */
int catalog_setting_names(struct engine *e, char **ret, struct ca_error *err) CA_MUST_CHECK;

/* How the rows of a dataset are written and what must hold of them. Takes the lock itself. Borrowed until close. */
struct catalog_rules;
int catalog_rules(struct catalog *c, struct catalog_dataset *d, const struct engine_rules **ret,
                  struct ca_error *err) CA_MUST_CHECK;
void catalog_rules_free(struct catalog_rules *r);

/* Append the unique keys of a contract, struct engine_names that borrow from it. */
void catalog_unique_keys(const struct contract *contract, GArray *keys);

/* Whether rows of this storage are ours: in a Delta table of the store, in memory or a stream from C; else somebody
 * else keeps them. */
bool catalog_is_own(const struct contract *contract);
/* Whether rows are files that somebody else wrote. */
bool catalog_is_listing(const struct contract *contract);

/* Whether the engine may believe every NOT NULL of the contract. Called with the lock held. */
bool catalog_is_not_null(const struct catalog_dataset *d);

/* Another version is pinned, or nothing is known of this one any more. Called with the lock held. */
void catalog_proof_set(struct catalog_dataset *d, const struct catalog_proof *proof);

/* What is proved after SQL changed rows: the gate saw those it wrote, the others are what they were. Without a table
 * before, all of them are new. */
void catalog_proof_committed(struct catalog_proof *proof, bool was_empty);

/* Whether the proof is of these files (cadf_write); false: it is withdrawn. Takes the lock itself. */
bool catalog_proof_is_of(struct catalog *c, struct catalog_dataset *d, int64_t version, const char *files,
                         size_t n_bytes);

/* Another stream, its batches aligned to the contract of a dataset: in its order, with its casts (recorded where
 * diagnostics are kept), defaults and dictionaries (align.c). Takes the stream. */
int catalog_align(struct catalog *c, const char *schema, const char *name, struct ArrowArrayStream *stream,
                  struct ArrowArrayStream *ret, struct ca_error *err) CA_MUST_CHECK;

/* Fill in the options of a listing. */
void catalog_rules_options(const struct catalog_rules *r, struct engine_table *ret);

/* Whether rows of the columns found may be read as a table, a contract's or one that SQL made (handshake.c). */
int catalog_handshake(void *data, const struct engine_found *found, struct ca_error *err) CA_MUST_CHECK;

/* Columns were inferred for a table that SQL makes: they agree with those that are kept, or the statement fails; a
 * table was dropped, and what is kept of it with it (inferred.c). */
int catalog_inferred(void *data, const struct engine_found *found, bool replaces, struct ArrowSchema *ret,
                     struct ca_error *err) CA_MUST_CHECK;
bool catalog_dropped(void *data, const char *table);
GHashTable *catalog_inferred_new(void);

/* The contract that is kept of a table; CA_ERR_DRIFT: it cannot be read. */
int catalog_kept_parse(const struct catalog_kept *found, struct contract **ret, struct ca_error *err) CA_MUST_CHECK;

/* The refusal of columns that are not those that are kept, with what to do. */
int catalog_kept_differ(const struct contract *kept, const struct engine_found *found, struct contract_handshake *h,
                        struct ca_error *err) CA_MUST_CHECK;

/* Note what the session did: `what` is an event of registry.events and constant, the rest may be NULL. Any thread,
 * without the lock (events.c, like what follows). */
void catalog_event(struct catalog *c, const char *what, const char *schema, const char *name, const char *detail);
void catalog_events_free(struct catalog *c);

/* A statement made a table or view of the session's own, or dropped one. */
void catalog_registered(void *data, const char *table, enum engine_registered what);

/* DDL of a table in memory that SQL made; `sink` is not called when a contract has no word for one of its types. */
void catalog_made(void *data, const struct engine_found *made, engine_text_fn sink, void *sink_data);

/* Whether rows of this kind and storage format are kept in the store. */
bool catalog_is_stored(const struct contract *contract);

#endif
