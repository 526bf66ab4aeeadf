/* worker/symtable_layer.h — the row of symtable_files_v1 of one file. */
#ifndef CA_WORKER_SYMTABLE_LAYER_H
#define CA_WORKER_SYMTABLE_LAYER_H

#include <Python.h>

#include "rows/gen/symtable_files_v1.h"
#include "worker/layer.h"

enum { SYMTABLE_MAX_TYPES = 16 };

/* One an interpreter: _symtable's function and constants, and the words that symtable.py has for a table's type.
 *   types   type number and word, n_types of them
 *   path    names from below the module to the block at hand
 *   stack   of the walk
 */
struct symtable_layer {
    PyObject *symtable;
    long use, def_nonlocal, def_local, def_param, def_import, def_bound, def_annot;
    long scope_off, scope_mask, local, global_explicit, global_implicit, free, cell;
    long type_function;
    struct {
        long number;
        const char *word;
    } types[SYMTABLE_MAX_TYPES];
    int n_types;
    char *path;
    size_t path_capacity;
    struct symtable_item *stack;
    size_t n_stack;
    size_t stack_capacity;
};

/* false: an exception is raised. */
bool symtable_layer_init(struct symtable_layer *ret);

/* As ast_layer_run. A file that fails gives no row. */
int symtable_layer_run(struct symtable_layer *layer, const struct layer_job *job, struct symtable_files_v1 *rows,
                       struct layer_answer *ret);

#endif
