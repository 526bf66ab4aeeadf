/* worker/symtable_layer.c — the compiler's symbol tables, read from _symtable's objects.
 *
 * Lib/symtable.py wraps each table and symbol in an object of its own; its predicates are a few bits of the flags, and
 * they are the same from 3.9 to 3.13 but for the names of new table types. tests/oracle/compare_symtable.py holds them
 * against it.
 */
#include <Python.h>

#include "worker/symtable_layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "worker/place.h"

/* entry      a table, kept alive by its parent
 * parent     ordinal, -1: the module
 * n_path     bytes of the parent's qualified name
 */
struct symtable_item {
    PyObject *entry;
    int32_t parent;
    size_t n_path;
};

static bool read_constant(PyObject *module, const char *name, long *ret)
{
    PyObject *value = PyObject_GetAttrString(module, name);
    if (value == NULL)
        return false;
    *ret = PyLong_AsLong(value);
    Py_DECREF(value);
    return !PyErr_Occurred();
}

/* The words of symtable.py's get_type(); each version has its own set of constants. */
static void read_types(struct symtable_layer *layer, PyObject *module)
{
    static const struct {
        const char *name;
        const char *word;
    } known[] = {
        {"TYPE_MODULE", "module"},
        {"TYPE_FUNCTION", "function"},
        {"TYPE_CLASS", "class"},
        {"TYPE_ANNOTATION", "annotation"},
        {"TYPE_TYPE_VAR_BOUND", "TypeVar bound"},
        {"TYPE_TYPE_ALIAS", "type alias"},
        {"TYPE_TYPE_PARAM", "type parameter"},
        {"TYPE_TYPE_PARAMETERS", "type parameters"},
        {"TYPE_TYPE_VARIABLE", "type variable"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        long number = 0;
        if (!read_constant(module, known[i].name, &number)) {
            PyErr_Clear();
            continue;
        }
        layer->types[layer->n_types].number = number;
        layer->types[layer->n_types].word = known[i].word;
        layer->n_types++;
    }
}

bool symtable_layer_init(struct symtable_layer *ret)
{
    memset(ret, 0, sizeof *ret);
    const struct {
        const char *name;
        long *value;
    } constants[] = {
        {"USE", &ret->use},
        {"DEF_NONLOCAL", &ret->def_nonlocal},
        {"DEF_LOCAL", &ret->def_local},
        {"DEF_PARAM", &ret->def_param},
        {"DEF_IMPORT", &ret->def_import},
        {"DEF_BOUND", &ret->def_bound},
        {"DEF_ANNOT", &ret->def_annot},
        {"SCOPE_OFF", &ret->scope_off},
        {"SCOPE_MASK", &ret->scope_mask},
        {"LOCAL", &ret->local},
        {"GLOBAL_EXPLICIT", &ret->global_explicit},
        {"GLOBAL_IMPLICIT", &ret->global_implicit},
        {"FREE", &ret->free},
        {"CELL", &ret->cell},
        {"TYPE_FUNCTION", &ret->type_function},
    };
    PyObject *module = PyImport_ImportModule("_symtable");
    if (module == NULL)
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof constants / sizeof constants[0]; i++)
        ok = read_constant(module, constants[i].name, constants[i].value);
    if (ok) {
        read_types(ret, module);
        ret->symtable = PyObject_GetAttrString(module, "symtable");
    }
    Py_DECREF(module);
    return ret->symtable != NULL;
}

static struct rows_str scope_word(const struct symtable_layer *layer, long scope)
{
    const char *word = scope == layer->local             ? "local"
                       : scope == layer->global_explicit ? "global_explicit"
                       : scope == layer->global_implicit ? "global_implicit"
                       : scope == layer->free            ? "free"
                       : scope == layer->cell            ? "cell"
                                                         : "unknown";
    return rows_str_of(word);
}

static int read_long(PyObject *entry, const char *name, long *ret)
{
    PyObject *value = PyObject_GetAttrString(entry, name);
    if (value == NULL)
        return -1;
    *ret = PyLong_AsLong(value);
    Py_DECREF(value);
    return *ret == -1 && PyErr_Occurred() ? -1 : 0;
}

/* How many children have each name: what symtable.py finds by going through all children for each symbol. New
 * reference. */
static PyObject *count_names(PyObject *children)
{
    PyObject *counts = PyDict_New();
    Py_ssize_t n = counts != NULL ? PyList_Size(children) : 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *name = PyObject_GetAttrString(PyList_GetItem(children, i), "name");
        PyObject *before = name != NULL ? PyDict_GetItemWithError(counts, name) : NULL;
        PyObject *count = PyErr_Occurred() ? NULL : PyLong_FromLong(before != NULL ? PyLong_AsLong(before) + 1 : 1);
        int rc = count != NULL ? PyDict_SetItem(counts, name, count) : -1;
        Py_XDECREF(count);
        Py_XDECREF(name);
        if (rc != 0) {
            Py_DECREF(counts);
            return NULL;
        }
    }
    return counts;
}

static int append_symbol(const struct symtable_layer *l, struct symtable_files_v1 *rows, int32_t block, bool is_top,
                         PyObject *name, PyObject *flags_object, PyObject *counts)
{
    const long flags = PyLong_AsLong(flags_object);
    PyObject *count = PyDict_GetItemWithError(counts, name);
    PyObject *utf8 = PyErr_Occurred() ? NULL : PyUnicode_AsUTF8String(name);
    if (utf8 == NULL)
        return -1;
    const long scope = (flags >> l->scope_off) & l->scope_mask;
    const bool is_bound_at_top = is_top && (flags & l->def_bound) != 0;
    const int32_t n_namespaces = count != NULL ? (int32_t)PyLong_AsLong(count) : 0;
    struct symtable_files_v1_symbols row = {
        .block = block,
        .name = {PyBytes_AsString(utf8), PyBytes_Size(utf8)},
        .scope = scope_word(l, scope),
        .is_referenced = (flags & l->use) != 0,
        .is_assigned = (flags & l->def_local) != 0,
        .is_parameter = (flags & l->def_param) != 0,
        .is_global = scope == l->global_implicit || scope == l->global_explicit || is_bound_at_top,
        .is_declared_global = scope == l->global_explicit,
        .is_nonlocal = (flags & l->def_nonlocal) != 0,
        .is_local = scope == l->local || scope == l->cell || is_bound_at_top,
        .is_free = scope == l->free,
        .is_imported = (flags & l->def_import) != 0,
        .is_annotated = (flags & l->def_annot) != 0,
        .is_namespace = n_namespaces > 0,
        .n_namespaces = n_namespaces,
    };
    int rc = symtable_files_v1_symbols_append(rows, &row);
    Py_DECREF(utf8);
    return rc;
}

/* All symbols of a table, by name; the order of code points is the order of the UTF-8 bytes. */
static int append_symbols(const struct symtable_layer *layer, struct symtable_files_v1 *rows, int32_t block,
                          bool is_top, PyObject *entry, PyObject *children)
{
    PyObject *symbols = PyObject_GetAttrString(entry, "symbols");
    PyObject *names = symbols != NULL ? PyDict_Keys(symbols) : NULL;
    PyObject *counts = names != NULL ? count_names(children) : NULL;
    int rc = counts != NULL ? PyList_Sort(names) : -1;
    Py_ssize_t n = rc == 0 ? PyList_Size(names) : 0;
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) {
        PyObject *name = PyList_GetItem(names, i);
        PyObject *flags = PyDict_GetItemWithError(symbols, name);
        rc = flags != NULL ? append_symbol(layer, rows, block, is_top, name, flags, counts) : -1;
    }
    Py_XDECREF(counts);
    Py_XDECREF(names);
    Py_XDECREF(symbols);
    return rc;
}

static int push(struct symtable_layer *layer, PyObject *entry, int32_t parent, size_t n_path)
{
    if (layer->n_stack == layer->stack_capacity) {
        size_t capacity = layer->stack_capacity == 0 ? 256 : layer->stack_capacity * 2;
        struct symtable_item *larger = realloc(layer->stack, capacity * sizeof *larger);
        if (larger == NULL)
            return ENOMEM;
        layer->stack = larger;
        layer->stack_capacity = capacity;
    }
    layer->stack[layer->n_stack++] = (struct symtable_item){.entry = entry, .parent = parent, .n_path = n_path};
    return 0;
}

/* Append the block's name to its parent's path, which is still in the buffer: the walk is in pre-order. */
static int set_path(struct symtable_layer *layer, size_t n_parent, const char *name, size_t n_name, size_t *ret_n)
{
    size_t n = n_parent + (n_parent > 0) + n_name;
    if (layer->path_capacity < n + 1) {
        char *larger = realloc(layer->path, (n + 1) * 2);
        if (larger == NULL)
            return ENOMEM;
        layer->path = larger;
        layer->path_capacity = (n + 1) * 2;
    }
    if (n_parent > 0)
        layer->path[n_parent] = '.';
    memcpy(layer->path + n - n_name, name, n_name);
    *ret_n = n;
    return 0;
}

static int append_block(struct symtable_layer *layer, struct symtable_files_v1 *rows, const struct symtable_item *item,
                        int32_t ordinal, PyObject *name, PyObject *children, bool *ret_is_top, size_t *ret_n_path)
{
    long type = 0, line = 0, nested = 0;
    if (read_long(item->entry, "type", &type) != 0 || read_long(item->entry, "lineno", &line) != 0 ||
        read_long(item->entry, "nested", &nested) != 0)
        return -1;
    const char *text = PyBytes_AsString(name);
    const size_t n_text = (size_t)PyBytes_Size(name);
    int rc = set_path(layer, item->n_path, text, item->parent >= 0 ? n_text : 0, ret_n_path);
    if (rc != 0)
        return rc;
    const char *word = "unknown";
    for (int i = 0; i < layer->n_types; i++) {
        if (layer->types[i].number == type)
            word = layer->types[i].word;
    }
    *ret_is_top = strcmp(text, "top") == 0; /* symtable.py's own test for the module, by name */
    struct symtable_files_v1_blocks row = {
        .ordinal = ordinal,
        .has_parent = item->parent >= 0,
        .parent = item->parent,
        .type = rows_str_of(word),
        .name = {text, (int64_t)n_text},
        .line = (int32_t)line,
        .qualname = {layer->path, (int64_t)*ret_n_path},
        .is_nested = nested != 0,
        .is_optimized = type == layer->type_function,
        .has_children = PyList_Size(children) > 0,
    };
    return symtable_files_v1_blocks_append(rows, &row);
}

static int visit(struct symtable_layer *layer, struct symtable_files_v1 *rows, const struct symtable_item *item,
                 int32_t ordinal)
{
    bool is_top = false;
    size_t n_path = 0;
    PyObject *str = PyObject_GetAttrString(item->entry, "name");
    PyObject *name = str != NULL ? PyUnicode_AsUTF8String(str) : NULL;
    PyObject *children = name != NULL ? PyObject_GetAttrString(item->entry, "children") : NULL;
    int rc = children != NULL ? append_block(layer, rows, item, ordinal, name, children, &is_top, &n_path) : -1;
    if (rc == 0)
        rc = append_symbols(layer, rows, ordinal, is_top, item->entry, children);
    for (Py_ssize_t i = rc == 0 ? PyList_Size(children) : 0; rc == 0 && i > 0; i--)
        rc = push(layer, PyList_GetItem(children, i - 1), ordinal, n_path);
    Py_XDECREF(children);
    Py_XDECREF(name);
    Py_XDECREF(str);
    return rc;
}

int symtable_layer_run(struct symtable_layer *layer, const struct layer_job *job, struct symtable_files_v1 *rows,
                       struct layer_answer *ret)
{
    *ret = (struct layer_answer){.outcome = PROTOCOL_OK, .failure = {.start_byte = -1}};
    PyObject *top = PyObject_CallFunction(layer->symtable, "OOs", job->bytes, job->filename, "exec");
    if (top == NULL) {
        failure_take(&ret->failure, job->source);
        place_error(&ret->failure, job, PLACE_ONLY_AST);
        ret->outcome = PROTOCOL_FAILED;
        return 0;
    }
    layer->n_stack = 0;
    int rc = push(layer, top, -1, 0);
    for (int32_t ordinal = 0; rc == 0 && layer->n_stack > 0; ordinal++) {
        struct symtable_item item = layer->stack[--layer->n_stack];
        rc = visit(layer, rows, &item, ordinal);
    }
    layer->n_stack = 0;
    Py_DECREF(top);
    if (rc == -1) {
        failure_take(&ret->failure, job->source);
        ret->outcome = PROTOCOL_FAILED;
        return ECANCELED;
    }
    if (rc != 0)
        return rc;
    const int64_t n_blocks = symtable_files_v1_blocks_count(rows), n_symbols = symtable_files_v1_symbols_count(rows);
    ret->n_facts = n_symbols > n_blocks ? n_symbols : n_blocks;
    struct symtable_files_v1_row row = {
        .file_id = job->file_id,
        .path = job->path,
        .content_id = job->content_id,
        .python_version = job->python_version,
    };
    ret->has_row = true;
    return symtable_files_v1_finish_row(rows, &row);
}
