/* worker/ast_class.c — a pointer-keyed table over the interpreter's node classes. */
#include <Python.h>

#include "worker/ast_class.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum ast_kind kind;
} kinds[] = {
    {"Module", AST_MODULE},
    {"FunctionDef", AST_FUNCTION},
    {"AsyncFunctionDef", AST_FUNCTION},
    {"ClassDef", AST_CLASS_DEF},
    {"Expr", AST_EXPR},
    {"Constant", AST_CONSTANT},
    {"Import", AST_IMPORT},
    {"ImportFrom", AST_IMPORT_FROM},
    {"Call", AST_CALL},
    {"Name", AST_NAME},
    {"Attribute", AST_ATTRIBUTE},
    {"TypeIgnore", AST_TYPE_IGNORE},
};

bool ast_classes_init(struct ast_classes *ret)
{
    memset(ret, 0, sizeof *ret);
    PyObject *module = PyImport_ImportModule("_ast");
    if (module == NULL)
        return false;
    ret->base = PyObject_GetAttrString(module, "AST");
    Py_DECREF(module);
    return ret->base != NULL;
}

/* A copy of a str that lives as long as the process; data is NULL (an exception is raised) when it cannot be had. */
static struct rows_str copy_text(PyObject *text)
{
    struct rows_str none = {NULL, 0};
    PyObject *utf8 = PyUnicode_AsUTF8String(text);
    if (utf8 == NULL)
        return none;
    Py_ssize_t n = PyBytes_Size(utf8);
    char *copy = malloc((size_t)n + 1);
    if (copy != NULL)
        memcpy(copy, PyBytes_AsString(utf8), (size_t)n + 1);
    else
        PyErr_NoMemory();
    Py_DECREF(utf8);
    return copy != NULL ? (struct rows_str){copy, n} : none;
}

static bool read_fields(struct ast_class *c, PyObject *names)
{
    Py_ssize_t n = PyTuple_Size(names);
    if (n < 0)
        return false;
    c->names = calloc((size_t)n + 1, sizeof *c->names);
    c->fields = calloc((size_t)n + 1, sizeof *c->fields);
    if (c->names == NULL || c->fields == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        if (name == NULL || (c->names[i] = copy_text(name)).data == NULL)
            return false;
        c->fields[i] = PyUnicode_InternFromString(c->names[i].data);
        if (c->fields[i] == NULL)
            return false;
    }
    c->n_fields = (int32_t)n;
    return true;
}

static bool read_class(struct ast_class *c, PyTypeObject *type)
{
    PyObject *object = (PyObject *)type;
    PyObject *name = PyObject_GetAttrString(object, "__name__");
    PyObject *fields = PyObject_GetAttrString(object, "_fields");
    PyObject *attributes = PyObject_GetAttrString(object, "_attributes");
    PyObject *lineno = PyUnicode_FromString("lineno");
    bool ok = name != NULL && fields != NULL && attributes != NULL && lineno != NULL;
    ok = ok && (c->name = copy_text(name)).data != NULL && read_fields(c, fields);
    int has_position = ok ? PySequence_Contains(attributes, lineno) : -1;
    Py_XDECREF(lineno);
    Py_XDECREF(attributes);
    Py_XDECREF(fields);
    Py_XDECREF(name);
    if (has_position < 0)
        return false;
    c->has_position = has_position == 1;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, c->name.data) == 0)
            c->kind = kinds[i].kind;
    }
    Py_INCREF(object);
    c->type = type;
    return true;
}

static struct ast_class *add_class(struct ast_classes *c, PyTypeObject *type, size_t slot)
{
    struct ast_class *made = c->n < AST_CLASSES_CAPACITY / 2 ? calloc(1, sizeof *made) : NULL;
    if (made == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (!read_class(made, type)) {
        for (int32_t i = 0; made->names != NULL && made->names[i].data != NULL; i++)
            free((char *)made->names[i].data);
        free(made->names);
        free(made->fields);
        free((char *)made->name.data);
        free(made);
        return NULL;
    }
    c->slots[slot] = made;
    c->n++;
    return made;
}

const struct ast_class *ast_classes_find(struct ast_classes *c, PyTypeObject *type)
{
    size_t slot = ((uintptr_t)type >> 4) * 0x9E3779B97F4A7C15u >> 54;
    while (c->slots[slot] != NULL) {
        if (c->slots[slot]->type == type)
            return c->slots[slot];
        slot = (slot + 1) % AST_CLASSES_CAPACITY;
    }
    int is_node = PyObject_IsSubclass((PyObject *)type, c->base);
    return is_node == 1 ? add_class(c, type, slot) : NULL;
}
