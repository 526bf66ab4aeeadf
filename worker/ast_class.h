/* worker/ast_class.h — what the walk knows about each class of CPython's ast, read from the class once.
 *
 * The interpreter is asked for _fields and _attributes, so a version's new nodes need no line here. Needs the GIL.
 */
#ifndef CA_WORKER_AST_CLASS_H
#define CA_WORKER_AST_CLASS_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "rows/rows_value.h"

/* Classes that give rows beside their own. */
enum ast_kind {
    AST_OTHER,
    AST_MODULE,
    AST_FUNCTION,
    AST_CLASS_DEF,
    AST_EXPR,
    AST_CONSTANT,
    AST_IMPORT,
    AST_IMPORT_FROM,
    AST_CALL,
    AST_NAME,
    AST_ATTRIBUTE,
    AST_TYPE_IGNORE,
};

/* names, fields  both n_fields long: _fields as text and as interned objects
 * has_position   lineno is among _attributes
 */
struct ast_class {
    PyTypeObject *type;
    struct rows_str name;
    enum ast_kind kind;
    bool has_position;
    int32_t n_fields;
    struct rows_str *names;
    PyObject **fields;
};

enum { AST_CLASSES_CAPACITY = 1024 };

/* base   _ast.AST
 * slots  by address of the type, open addressing; an interpreter has some 130 classes
 */
struct ast_classes {
    PyObject *base;
    int32_t n;
    struct ast_class *slots[AST_CLASSES_CAPACITY];
};

/* false: an exception is raised. The classes live as long as the process. */
bool ast_classes_init(struct ast_classes *ret);

/* The class of nodes of `type`; NULL: no node, or (an exception is raised) memory is short. Borrowed. */
const struct ast_class *ast_classes_find(struct ast_classes *c, PyTypeObject *type);

#endif
