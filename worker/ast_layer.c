/* worker/ast_layer.c — compile to a tree, walk it in pre-order, write a row.
 *
 * The walk keeps its own stack, so the depth of the code is no matter. Children are pushed in reverse, so they come off
 * in order, and a node's ordinal is known when it comes off; a first child's ordinal is its parent's plus one, which is
 * how calls, aliases and docstrings know their nodes. Attributes are read from each node's __dict__: one look-up by
 * interned name.
 */
#include <Python.h>

#include "worker/ast_layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/place.h"

enum { KEEP_STACK = 65536 };

/* A node that waits.
 *   node       borrowed from the tree
 *   field      of the parent that holds it; data NULL: the root
 *   index      in that field, -1: the field is no list
 *   container  ordinal of the definition around it, -1: none
 *   doc_owner  the node is the first statement of the body of this ordinal, or the value of that statement; -1: neither
 *   is_doc_value  the latter
 */
struct ast_item {
    PyObject *node;
    struct rows_str field;
    int32_t parent;
    int32_t index;
    int32_t container;
    int32_t doc_owner;
    bool is_doc_value;
};

/* The node at hand: class, dict, place. */
struct ast_here {
    const struct ast_item *item;
    const struct ast_class *class;
    PyObject *dict;
    int32_t ordinal;
    bool has_span;
    int64_t start_byte;
    int64_t end_byte;
};

struct ast_walk {
    struct ast_layer *layer;
    const struct layer_job *job;
    struct ast_files_v1 *rows;
    int32_t n_nodes;
};

bool ast_layer_init(struct ast_layer *ret)
{
    static const char *const positions[4] = {"lineno", "col_offset", "end_lineno", "end_col_offset"};
    memset(ret, 0, sizeof *ret);
    if (!ast_classes_init(&ret->classes))
        return false;
    for (int i = 0; i < 4; i++) {
        ret->name_positions[i] = PyUnicode_InternFromString(positions[i]);
        if (ret->name_positions[i] == NULL)
            return false;
    }
    ret->name_dict = PyUnicode_InternFromString("__dict__");
    PyObject *sys = PyImport_ImportModule("sys");
    if (ret->name_dict == NULL || sys == NULL)
        return false;
    ret->set_max_digits = PyObject_GetAttrString(sys, "set_int_max_str_digits");
    ret->get_max_digits = PyObject_GetAttrString(sys, "get_int_max_str_digits");
    Py_DECREF(sys);
    PyErr_Clear();
    return true;
}

/* ---- values -------------------------------------------------------------------------------------------------------
 */

static int append_field(struct ast_walk *w, const struct ast_here *here, struct rows_str field, int32_t index,
                        struct rows_str type, struct rows_str value)
{
    struct ast_files_v1_fields row = {
        .node = here->ordinal,
        .field = field,
        .has_index = index >= 0,
        .index = index,
        .type = type,
        .value = value,
    };
    return ast_files_v1_fields_append(w->rows, &row);
}

/* ascii() of an int beyond the interpreter's limit of digits: the limit guards int(), not us. New reference or NULL. */
static PyObject *ascii_without_limit(struct ast_layer *layer, PyObject *value)
{
    if (layer->set_max_digits == NULL || layer->get_max_digits == NULL)
        return PyObject_ASCII(value);
    PyObject *before = PyObject_CallObject(layer->get_max_digits, NULL);
    if (before == NULL)
        return NULL;
    PyObject *text = NULL;
    PyObject *none = PyObject_CallFunction(layer->set_max_digits, "i", 0);
    if (none != NULL) {
        Py_DECREF(none);
        text = PyObject_ASCII(value);
        PyObject *type = NULL, *error = NULL, *traceback = NULL;
        PyErr_Fetch(&type, &error, &traceback);
        none = PyObject_CallFunctionObjArgs(layer->set_max_digits, before, NULL);
        Py_XDECREF(none);
        PyErr_Restore(type, error, traceback);
    }
    Py_DECREF(before);
    return text;
}

/* Bytes of ascii(value): a new reference, NULL with an exception. */
static PyObject *ascii_bytes(struct ast_layer *layer, PyObject *value)
{
    PyObject *text = PyObject_ASCII(value);
    if (text == NULL && PyLong_Check(value) && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        text = ascii_without_limit(layer, value);
    }
    PyObject *bytes = text != NULL ? PyUnicode_AsUTF8String(text) : NULL;
    Py_XDECREF(text);
    return bytes;
}

/* A value that is neither a node, nor None, nor a name: literals. */
static int append_literal(struct ast_walk *w, const struct ast_here *here, struct rows_str field, int32_t index,
                          PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    if (type == &PyLong_Type) {
        int overflow = 0;
        long number = PyLong_AsLongAndOverflow(value, &overflow);
        if (overflow == 0) {
            char text[24];
            int n = snprintf(text, sizeof text, "%ld", number);
            return append_field(w, here, field, index, rows_str_of("int"), (struct rows_str){text, n});
        }
    }
    if (value == Py_True || value == Py_False)
        return append_field(w, here, field, index, rows_str_of("bool"),
                            rows_str_of(value == Py_True ? "True" : "False"));

    PyObject *name = PyObject_GetAttrString((PyObject *)type, "__name__");
    PyObject *name_bytes = name != NULL ? PyUnicode_AsUTF8String(name) : NULL;
    PyObject *text = name_bytes != NULL ? ascii_bytes(w->layer, value) : NULL;
    int rc = -1;
    if (text != NULL)
        rc = append_field(w, here, field, index, rows_str_of(PyBytes_AsString(name_bytes)),
                          (struct rows_str){PyBytes_AsString(text), PyBytes_Size(text)});
    Py_XDECREF(text);
    Py_XDECREF(name_bytes);
    Py_XDECREF(name);
    return rc;
}

static int append_value(struct ast_walk *w, const struct ast_here *here, struct rows_str field, int32_t index,
                        PyObject *value)
{
    if (value == Py_None)
        return append_field(w, here, field, index, rows_str_of("NoneType"), rows_str_of("None"));
    /* Text of literals is mostly used once and may be long; everything else that is a str is a name. */
    if (Py_TYPE(value) == &PyUnicode_Type && here->class->kind != AST_CONSTANT) {
        struct rows_str utf8, ascii;
        int rc = text_cache_get(&w->layer->cache, value, &utf8, &ascii);
        return rc != 0 ? rc : append_field(w, here, field, index, rows_str_of("str"), ascii);
    }
    return append_literal(w, here, field, index, value);
}

/* ---- reading nodes ------------------------------------------------------------------------------------------------
 */

/* Attribute `name` of the node whose dict is given, borrowed: what the dict lacks is a default that lives in the class.
 * NULL with an exception. */
static PyObject *get(PyObject *node, PyObject *dict, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(dict, name);
    if (value != NULL || PyErr_Occurred())
        return value;
    value = PyObject_GetAttr(node, name);
    Py_XDECREF(value);
    return value;
}

static PyObject *get_named(PyObject *node, const char *name)
{
    PyObject *value = PyObject_GetAttrString(node, name);
    Py_XDECREF(value); /* the node keeps it */
    return value;
}

/* UTF-8 of attribute `name`, a str or None (data is NULL then), valid until the cache is asked again. */
static int get_text(struct ast_walk *w, PyObject *node, const char *name, struct rows_str *ret)
{
    *ret = (struct rows_str){NULL, 0};
    PyObject *value = get_named(node, name);
    if (value == NULL)
        return -1;
    if (!PyUnicode_Check(value))
        return 0;
    struct rows_str ascii;
    return text_cache_get(&w->layer->cache, value, ret, &ascii);
}

static int get_length(PyObject *node, const char *name, int32_t *ret)
{
    PyObject *list = get_named(node, name);
    Py_ssize_t n = list != NULL ? PyList_Size(list) : -1;
    *ret = (int32_t)n;
    return n < 0 ? -1 : 0;
}

static int push(struct ast_layer *layer, const struct ast_item *item)
{
    if (layer->n_stack == layer->stack_capacity) {
        size_t capacity = layer->stack_capacity == 0 ? 256 : layer->stack_capacity * 2;
        struct ast_item *larger = realloc(layer->stack, capacity * sizeof *larger);
        if (larger == NULL)
            return ENOMEM;
        layer->stack = larger;
        layer->stack_capacity = capacity;
    }
    layer->stack[layer->n_stack++] = *item;
    return 0;
}

/* ---- rows of one node ---------------------------------------------------------------------------------------------
 */

/* CPython's four numbers, and the raw span they mean. */
static int append_node(struct ast_walk *w, struct ast_here *here)
{
    const struct ast_item *item = here->item;
    const char *quality = "none";
    long numbers[4] = {0};
    bool has_numbers = here->class->has_position;
    for (int i = 0; has_numbers && i < 4; i++) {
        PyObject *number = get(item->node, here->dict, w->layer->name_positions[i]);
        if (number == NULL)
            return -1;
        if (number == Py_None) {
            has_numbers = false;
            break;
        }
        numbers[i] = PyLong_AsLong(number);
        if (numbers[i] == -1 && PyErr_Occurred())
            return -1;
    }
    here->has_span = false;
    if (has_numbers) {
        here->start_byte = source_raw_of_utf8(w->job->source, numbers[0], numbers[1]);
        here->end_byte = source_raw_of_utf8(w->job->source, numbers[2], numbers[3]);
        here->has_span = here->start_byte >= 0 && here->end_byte >= here->start_byte;
        quality = here->has_span ? "exact" : "lossy";
    }
    struct ast_files_v1_nodes row = {
        .ordinal = here->ordinal,
        .has_parent = item->parent >= 0,
        .parent = item->parent,
        .kind = here->class->name,
        .field = item->field,
        .has_index = item->index >= 0,
        .index = item->index,
        .has_start_byte = here->has_span,
        .start_byte = here->start_byte,
        .has_end_byte = here->has_span,
        .end_byte = here->end_byte,
        .has_start_line = has_numbers,
        .start_line = (int32_t)numbers[0],
        .has_start_column = has_numbers,
        .start_column = (int32_t)numbers[1],
        .has_end_line = has_numbers,
        .end_line = (int32_t)numbers[2],
        .has_end_column = has_numbers,
        .end_column = (int32_t)numbers[3],
        .span_quality = rows_str_of(quality),
    };
    return ast_files_v1_nodes_append(w->rows, &row);
}

/* Values are written, nodes are pushed, in the order of _fields. */
static int append_fields(struct ast_walk *w, const struct ast_here *here)
{
    const struct ast_class *class = here->class;
    struct ast_item child = {
        .parent = here->ordinal,
        .container =
            class->kind == AST_FUNCTION || class->kind == AST_CLASS_DEF ? here->ordinal : here->item->container,
    };
    const bool owns_doc = class->kind == AST_MODULE || class->kind == AST_FUNCTION || class->kind == AST_CLASS_DEF;
    const bool is_doc = class->kind == AST_EXPR && here->item->doc_owner >= 0 && !here->item->is_doc_value;
    const int32_t doc_owner = here->item->doc_owner;
    PyObject *node = here->item->node;

    for (int32_t i = 0; i < class->n_fields; i++) {
        struct rows_str field = class->names[i];
        PyObject *value = get(node, here->dict, class->fields[i]);
        if (value == NULL)
            return -1;
        const bool is_list = Py_TYPE(value) == &PyList_Type;
        const Py_ssize_t n = is_list ? PyList_Size(value) : 1;
        for (Py_ssize_t k = 0; k < n; k++) {
            PyObject *item = is_list ? PyList_GetItem(value, k) : value;
            PyTypeObject *type = Py_TYPE(item);
            const bool is_plain =
                type == &PyUnicode_Type || item == Py_None || type == &PyLong_Type || type == &PyBool_Type;
            const int32_t index = is_list ? (int32_t)k : -1;
            int rc;
            if (is_plain || ast_classes_find(&w->layer->classes, type) == NULL) {
                rc = PyErr_Occurred() ? -1 : append_value(w, here, field, index, item);
            } else {
                child.node = item;
                child.field = field;
                child.index = index;
                child.doc_owner = -1;
                if (is_doc)
                    child.doc_owner = doc_owner;
                else if (owns_doc && index == 0 && strcmp(field.data, "body") == 0)
                    child.doc_owner = here->ordinal;
                child.is_doc_value = is_doc;
                rc = push(w->layer, &child);
            }
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

static int append_docstring(struct ast_walk *w, const struct ast_here *here, int32_t owner)
{
    PyObject *value = get_named(here->item->node, "value");
    if (value == NULL)
        return -1;
    if (!PyUnicode_Check(value))
        return 0;
    PyObject *bytes = ascii_bytes(w->layer, value);
    if (bytes == NULL)
        return -1;
    struct ast_files_v1_docstrings row = {
        .owner = owner,
        .node = here->ordinal,
        .value = {PyBytes_AsString(bytes), PyBytes_Size(bytes)},
        .has_start_byte = here->has_span,
        .start_byte = here->start_byte,
        .has_end_byte = here->has_span,
        .end_byte = here->end_byte,
    };
    int rc = ast_files_v1_docstrings_append(w->rows, &row);
    Py_DECREF(bytes);
    return rc;
}

static int append_def(struct ast_walk *w, const struct ast_here *here)
{
    struct ast_files_v1_defs row = {
        .node = here->ordinal,
        .kind = here->class->name,
        .has_container = here->item->container >= 0,
        .container = here->item->container,
        .has_start_byte = here->has_span,
        .start_byte = here->start_byte,
        .has_end_byte = here->has_span,
        .end_byte = here->end_byte,
    };
    int rc = get_length(here->item->node, "decorator_list", &row.n_decorators);
    if (rc == 0)
        rc = get_text(w, here->item->node, "name", &row.name);
    return rc != 0 ? rc : ast_files_v1_defs_append(w->rows, &row);
}

/* An alias holds no node, so the aliases are the ordinals after the statement's. */
static int append_imports(struct ast_walk *w, const struct ast_here *here)
{
    PyObject *node = here->item->node;
    const bool is_from = here->class->kind == AST_IMPORT_FROM;
    int32_t n = 0;
    int rc = get_length(node, "names", &n);
    struct ast_files_v1_imports row = {.node = here->ordinal, .kind = rows_str_of(is_from ? "from" : "import")};
    if (rc == 0 && is_from) {
        PyObject *level = get_named(node, "level");
        if (level == NULL)
            return -1;
        row.level = PyLong_Check(level) ? (int32_t)PyLong_AsLong(level) : 0;
    }
    for (int32_t i = 0; rc == 0 && i < n; i++) {
        PyObject *alias = PyList_GetItem(get_named(node, "names"), i);
        row.alias = here->ordinal + 1 + i;
        row.index = i;
        /* The first round fills the cache, which may move its texts; the second finds them where they stay. */
        for (int round = 0; rc == 0 && round < 2; round++) {
            if (is_from)
                rc = get_text(w, node, "module", &row.module);
            if (rc == 0)
                rc = get_text(w, alias, "name", &row.name);
            if (rc == 0)
                rc = get_text(w, alias, "asname", &row.asname);
        }
        if (rc == 0)
            rc = ast_files_v1_imports_append(w->rows, &row);
    }
    return rc;
}

static int append_call(struct ast_walk *w, const struct ast_here *here)
{
    PyObject *node = here->item->node;
    PyObject *func = get_named(node, "func");
    const struct ast_class *class = func != NULL ? ast_classes_find(&w->layer->classes, Py_TYPE(func)) : NULL;
    if (class == NULL)
        return -1;
    struct ast_files_v1_calls row = {
        .node = here->ordinal,
        .func = here->ordinal + 1,
        .func_kind = class->name,
        .has_start_byte = here->has_span,
        .start_byte = here->start_byte,
        .has_end_byte = here->has_span,
        .end_byte = here->end_byte,
    };
    int rc = get_length(node, "args", &row.n_args);
    if (rc == 0)
        rc = get_length(node, "keywords", &row.n_keywords);
    if (rc == 0 && class->kind == AST_NAME)
        rc = get_text(w, func, "id", &row.func_name);
    if (rc == 0 && class->kind == AST_ATTRIBUTE)
        rc = get_text(w, func, "attr", &row.func_name);
    return rc != 0 ? rc : ast_files_v1_calls_append(w->rows, &row);
}

static int append_type_ignore(struct ast_walk *w, const struct ast_here *here)
{
    PyObject *line = get_named(here->item->node, "lineno");
    struct ast_files_v1_type_ignores row = {.line = 0};
    int rc = line != NULL ? get_text(w, here->item->node, "tag", &row.tag) : -1;
    if (rc != 0)
        return rc;
    row.line = (int32_t)PyLong_AsLong(line);
    return ast_files_v1_type_ignores_append(w->rows, &row);
}

static int append_special(struct ast_walk *w, const struct ast_here *here)
{
    switch (here->class->kind) {
    case AST_FUNCTION:
    case AST_CLASS_DEF:
        return append_def(w, here);
    case AST_CONSTANT:
        return here->item->is_doc_value ? append_docstring(w, here, here->item->doc_owner) : 0;
    case AST_IMPORT:
    case AST_IMPORT_FROM:
        return append_imports(w, here);
    case AST_CALL:
        return append_call(w, here);
    case AST_TYPE_IGNORE:
        return append_type_ignore(w, here);
    case AST_OTHER:
    case AST_MODULE:
    case AST_EXPR:
    case AST_NAME:
    case AST_ATTRIBUTE:
        return 0;
    }
    return 0;
}

static int visit(struct ast_walk *w, const struct ast_item *item)
{
    struct ast_here here = {
        .item = item,
        .class = ast_classes_find(&w->layer->classes, Py_TYPE(item->node)),
        .ordinal = w->n_nodes++,
    };
    if (here.class == NULL)
        return -1;
    /* Contexts and operators: shared objects with nothing in them. */
    if (here.class->n_fields == 0 && !here.class->has_position)
        return append_node(w, &here);

    here.dict = PyObject_GetAttr(item->node, w->layer->name_dict);
    if (here.dict == NULL)
        return -1;
    int rc = append_node(w, &here);
    size_t first_child = w->layer->n_stack;
    if (rc == 0)
        rc = append_special(w, &here);
    if (rc == 0)
        rc = append_fields(w, &here);
    Py_DECREF(here.dict);

    struct ast_item *stack = w->layer->stack;
    for (size_t low = first_child, high = w->layer->n_stack; rc == 0 && low + 1 < high; low++) {
        high--;
        struct ast_item swapped = stack[low];
        stack[low] = stack[high];
        stack[high] = swapped;
    }
    return rc;
}

/* Returns 0, an errno value, or -1 with an exception raised. */
static int walk(struct ast_walk *w, PyObject *tree)
{
    struct ast_layer *layer = w->layer;
    layer->n_stack = 0;
    struct ast_item root = {.node = tree, .parent = -1, .index = -1, .container = -1, .doc_owner = -1};
    int rc = push(layer, &root);
    while (rc == 0 && layer->n_stack > 0) {
        struct ast_item item = layer->stack[--layer->n_stack];
        if (w->n_nodes == INT32_MAX)
            rc = EOVERFLOW;
        else
            rc = visit(w, &item);
    }
    layer->n_stack = 0;
    text_cache_clear(&layer->cache);
    if (layer->stack_capacity > KEEP_STACK) {
        free(layer->stack);
        layer->stack = NULL;
        layer->stack_capacity = 0;
    }
    return rc;
}

/* ---- the layer ----------------------------------------------------------------------------------------------------
 */

static PyObject *parse(const struct layer_job *job, int flags)
{
    return PyObject_CallFunction(job->compile, "OOsiO", job->bytes, job->filename, "exec", flags, Py_True);
}

static int append_error(struct ast_files_v1 *rows, const struct failure *f)
{
    struct ast_files_v1_errors row = {
        .type = rows_str_of(f->type != NULL ? f->type : ""),
        .message = failure_message(f),
        .has_line = f->has_line,
        .line = f->line,
        .has_column = f->has_column,
        .column = f->column,
        .has_start_byte = f->start_byte >= 0,
        .start_byte = f->start_byte,
    };
    return ast_files_v1_errors_append(rows, &row);
}

static int64_t largest_list(const struct ast_files_v1 *rows)
{
    const int64_t counts[] = {ast_files_v1_nodes_count(rows),       ast_files_v1_fields_count(rows),
                              ast_files_v1_docstrings_count(rows),  ast_files_v1_imports_count(rows),
                              ast_files_v1_defs_count(rows),        ast_files_v1_calls_count(rows),
                              ast_files_v1_type_ignores_count(rows)};
    int64_t largest = 0;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        largest = counts[i] > largest ? counts[i] : largest;
    return largest;
}

int ast_layer_run(struct ast_layer *layer, const struct layer_job *job, struct ast_files_v1 *rows,
                  struct layer_answer *ret)
{
    *ret = (struct layer_answer){.outcome = PROTOCOL_OK, .failure = {.start_byte = -1}};
    PyObject *tree = parse(job, PLACE_ONLY_AST | PLACE_TYPE_COMMENTS);
    if (tree == NULL && PyErr_ExceptionMatches(PyExc_SyntaxError)) {
        /* A `# type:` comment in an odd place is an error only to a parser that looks at them. */
        failure_take(&ret->failure, job->source);
        tree = parse(job, PLACE_ONLY_AST);
        ret->outcome = PROTOCOL_RECOVERED;
        if (tree != NULL)
            place_error(&ret->failure, job, PLACE_ONLY_AST | PLACE_TYPE_COMMENTS);
    }
    int rc = 0;
    if (tree == NULL) {
        failure_done(&ret->failure);
        failure_take(&ret->failure, job->source);
        place_error(&ret->failure, job, PLACE_ONLY_AST);
        ret->outcome = PROTOCOL_FAILED;
        rc = append_error(rows, &ret->failure);
    } else {
        struct ast_walk w = {.layer = layer, .job = job, .rows = rows};
        rc = walk(&w, tree);
        Py_DECREF(tree);
        ret->n_facts = largest_list(rows);
    }
    if (rc == -1) {
        /* The tree could not be read to its end: CPython's memory, or our mistake. The words say which. */
        failure_done(&ret->failure);
        failure_take(&ret->failure, job->source);
        ret->outcome = PROTOCOL_FAILED;
        ret->n_facts = 0;
        return ECANCELED;
    }
    if (rc != 0)
        return rc;
    struct ast_files_v1_row row = {
        .file_id = job->file_id,
        .path = job->path,
        .content_id = job->content_id,
        .python_version = job->python_version,
    };
    ret->has_row = true;
    return ast_files_v1_finish_row(rows, &row);
}
