/* compile/compile.h — from the models of the catalog to an order in which to run them.
 *
 * A model is a stored dataset with SQL. It is planned against the catalog, which qualifies and validates it; the tables
 * its plan reads (views looked through) are its dependencies: nobody writes them down (D1). The stage law is checked
 * here: a model reads stages up to its own.
 *
 * Invariants
 *   1. The order is a function of the contracts alone: by dependency, then by stage, then by name.
 *   2. A cycle, an unknown table or column, and a breach of the stage law are errors that name the models.
 * Threads: one at a time.
 */
#ifndef CA_COMPILE_COMPILE_H
#define CA_COMPILE_COMPILE_H

#include <glib.h>
#include <jansson.h>

#include "base/error.h"
#include "catalog/catalog.h"

/* schema, name, stage, sql   borrowed from the catalog
 * reads            "schema.name" of every stored dataset that the plan reads, sorted; owned
 * is_bucketed      its rows may be had for some files at a time
 * bucket_inputs    "schema.name" of what is then read so, the rest is read whole; empty: everything with a path; owned
 * run_sql          what is executed: the model's columns in the contract's order, rows in the contract's order; owned
 * plan_fingerprint of the unoptimized plan, salted with the engine's version: XXH3-128, hex; owned */
struct compile_model {
    const char *schema;
    const char *name;
    const char *stage;
    const char *sql;
    GPtrArray *reads;
    bool is_bucketed;
    GPtrArray *bucket_inputs;
    char *run_sql;
    char *plan_fingerprint;
};

/* models   struct compile_model *, in the order in which they run */
struct compile_plan {
    GPtrArray *models;
};

int compile_plan_init(struct compile_plan *p, struct catalog *c, struct ca_error *err) CA_MUST_CHECK;
void compile_plan_done(struct compile_plan *p);

/* How models are compiled, for the manifest: dialect, default names, stages. The caller's reference. */
json_t *compile_policy_json(void);

/* Rank of a stage, from 0; -1 when there is no such stage. */
int compile_stage_rank(const char *stage);

#endif
