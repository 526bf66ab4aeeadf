/* rows/align.h — the plan of an alignment; private to the room.
 *
 * A plan is a tree over the target's columns, made once of two schemas (align_plan.c) and followed for each batch
 * (align.c). What the types alone forbid is refused when it is made.
 */
#ifndef CA_ROWS_ALIGN_H
#define CA_ROWS_ALIGN_H

#include <glib.h>
#include <nanoarrow/nanoarrow.h>

#include "rows/literal.h"
#include "rows/rows.h"

enum rows_step {
    ROWS_STEP_FILL, /* the batch lacks it: default or null */
    ROWS_STEP_BOOL,
    ROWS_STEP_INT,
    ROWS_STEP_UINT,
    ROWS_STEP_DOUBLE,
    ROWS_STEP_BYTES,
    ROWS_STEP_DECIMAL,
    ROWS_STEP_INTERVAL,
    ROWS_STEP_NULL, /* the batch has the null type */
    ROWS_STEP_STRUCT,
    ROWS_STEP_LIST,
    ROWS_STEP_MAP,
};

/* One column, field, item, key or value of the target.
 *
 * child          which child of its source's parent it is; -1 when lacking
 * from, to       the values' types; of dictionaries those that they stand for
 * index_type     of the target's dictionary; NA: it is none
 * is_nullable    of the target
 * can_lose       precision may be lost, as the caller allows by name
 * same_layout    the buffers are already right, all the way down; NULLs apart
 * multiplier     of times: source units become target units; negative: divided by
 * codes          of a dictionary that is made: GBytes of a value to its index, in this batch
 */
struct rows_plan {
    char *path;
    int64_t child;
    struct ArrowSchemaView from;
    struct ArrowSchemaView to;
    enum ArrowType index_type;
    bool is_nullable;
    bool can_lose;
    bool same_layout;
    enum rows_step step;
    int64_t multiplier;
    struct rows_literal fill;
    GHashTable *codes;
    struct rows_plan *children;
    int64_t n_children;
};

/* The plan that makes batches of `to` out of batches of `from`; its strings of types are borrowed from both. The path
 * of the root is "". CA_ERR_DRIFT, CA_ERR_RESOURCES (depth), CA_ERR_CONTRACT (a default that does not fit); *ret is to
 * be freed with rows_plan_done() in any case. */
int rows_plan_make(struct rows_plan *ret, const struct ArrowSchema *from, const struct ArrowSchema *to,
                   const struct rows_align_options *options, struct ca_error *err) CA_MUST_CHECK;
void rows_plan_done(struct rows_plan *p);

#endif
