/* worker/ast_layer.h — the row of ast_files_v1 of one file. */
#ifndef CA_WORKER_AST_LAYER_H
#define CA_WORKER_AST_LAYER_H

#include <Python.h>

#include "rows/gen/ast_files_v1.h"
#include "worker/ast_class.h"
#include "worker/layer.h"
#include "worker/text_cache.h"

/* One an interpreter.
 *   name_*     interned attribute names; positions in the order lineno, col_offset, end_lineno, end_col_offset
 *   max_digits sys.set_int_max_str_digits, NULL where the interpreter has none
 *   cache      of the file at hand
 *   stack      of the walk; kept from file to file
 */
struct ast_layer {
    struct ast_classes classes;
    PyObject *name_dict;
    PyObject *name_positions[4];
    PyObject *set_max_digits;
    PyObject *get_max_digits;
    struct text_cache cache;
    struct ast_item *stack;
    size_t n_stack;
    size_t stack_capacity;
};

/* false: an exception is raised. */
bool ast_layer_init(struct ast_layer *ret);

/* Parse the file and append its row to `rows`. Returns 0, or an errno value: nothing is raised, the open row is the
 * caller's to abandon. A MemoryError of the parser is in the answer. */
int ast_layer_run(struct ast_layer *layer, const struct layer_job *job, struct ast_files_v1 *rows,
                  struct layer_answer *ret);

#endif
