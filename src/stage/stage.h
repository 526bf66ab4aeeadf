/* stage/stage.h — plan, run, check, write: the same for normalize, relate and graph.
 *
 * stage_run executes the models of a plan, two at a time, each after those it reads. Each is written through the
 * catalog's gate to its place in the store, where its checks are proved, pinned, so that other models read it, and its
 * primary key is proved; or the run fails and nothing is published. Outputs and diagnostics come in the plan's order.
 */
#ifndef CA_STAGE_STAGE_H
#define CA_STAGE_STAGE_H

#include <glib.h>

#include "base/error.h"
#include "catalog/catalog.h"
#include "compile/compile.h"
#include "diag/diag.h"

/* A stored dataset of this run. Strings are borrowed from catalog and plan, but for location, which is owned. */
struct stage_output {
    const char *schema;
    const char *name;
    const char *plan_fingerprint; /* NULL: rows came from C */
    char *location;
    struct catalog_written written;
};
void stage_output_done(struct stage_output *o);

/* Add the handshake and the commit of an output to the diagnostics. */
void stage_record(struct diag *diag, const struct stage_output *o);

/* location    gives a dataset's place; the caller of it frees with g_free
 * advance     called when a model starts and at the end, one call at a time, from any thread: how many models of the
 *             stage that is worked on are done; may be NULL
 * outputs     GArray of struct stage_output that results are appended to
 * bounds      paths that cut the files, in order, into pieces of like size: models that depend on single files run for
 *             one piece after the other
 * app_id      application transaction of the run
 * diag        model_runs, handshakes and writes go here; NULL: the caller records each output, in an order of its own
 */
struct stage_options {
    struct catalog *catalog;
    char *(*location)(void *data, const char *schema, const char *name);
    void *location_data;
    void (*advance)(void *data, const char *stage, guint n_done, guint n_total);
    void *advance_data;
    const char *const *bounds;
    size_t n_bounds;
    GArray *outputs;
    const char *app_id;
    struct diag *diag;
    struct engine_cancel *cancel;
};

int stage_run(const struct stage_options *options, const struct compile_plan *plan, struct ca_error *err) CA_MUST_CHECK;

/* Write one dataset from C or SQL, pin it and prove its key: what stage_run does for each model, and what the build
 * does for the streams of extraction. Takes the stream. */
int stage_write(const struct stage_options *options, const char *schema, const char *name, const char *sql,
                struct ArrowArrayStream *stream, const char *plan_fingerprint, struct ca_error *err) CA_MUST_CHECK;

#endif
