/* worker/failure.c — reads an exception's class, words and place. */
#include <Python.h>

#include "worker/failure.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of str(object), or of an empty text where even that cannot be had. */
static char *text_of(PyObject *object, size_t *ret_n)
{
    PyObject *str = object != NULL ? PyObject_Str(object) : NULL;
    PyObject *utf8 = str != NULL ? PyUnicode_AsEncodedString(str, "utf-8", "backslashreplace") : NULL;
    size_t n = utf8 != NULL ? (size_t)PyBytes_Size(utf8) : 0;
    char *copy = malloc(n + 1);
    if (copy != NULL) {
        if (n > 0)
            memcpy(copy, PyBytes_AsString(utf8), n);
        copy[n] = '\0';
        *ret_n = n;
    }
    Py_XDECREF(utf8);
    Py_XDECREF(str);
    PyErr_Clear();
    return copy;
}

/* An attribute that is an int of 32 bits; CPython gives None where it knows nothing. */
static bool read_int(PyObject *object, const char *name, int32_t *ret)
{
    PyObject *value = PyObject_GetAttrString(object, name);
    bool ok = false;
    if (value != NULL && PyLong_Check(value)) {
        long number = PyLong_AsLong(value);
        ok = !(number == -1 && PyErr_Occurred()) && number >= INT32_MIN && number <= INT32_MAX;
        if (ok)
            *ret = (int32_t)number;
    }
    Py_XDECREF(value);
    PyErr_Clear();
    return ok;
}

/* Where nothing is said about the place, the reason may still have one: bytes that do not decode, a NUL. */
static int64_t guess_place(const struct source *s)
{
    if (s->bad_byte >= 0)
        return s->bad_byte;
    const uint8_t *nul = s->n_raw > 0 ? memchr(s->raw, 0, s->n_raw) : NULL;
    return nul != NULL ? (int64_t)(nul - s->raw) : -1;
}

void failure_take(struct failure *ret, const struct source *source)
{
    *ret = (struct failure){.start_byte = -1};
    PyObject *type = NULL, *value = NULL, *traceback = NULL;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return;
    ret->is_memory = PyErr_GivenExceptionMatches(type, PyExc_MemoryError);
    PyErr_NormalizeException(&type, &value, &traceback);

    size_t n_type = 0;
    PyObject *name = PyObject_GetAttrString(type, "__name__");
    ret->type = text_of(name, &n_type);
    Py_XDECREF(name);

    PyObject *message = NULL;
    if (value != NULL && PyErr_GivenExceptionMatches(value, PyExc_SyntaxError)) {
        ret->has_line = read_int(value, "lineno", &ret->line);
        ret->has_column = read_int(value, "offset", &ret->column);
        message = PyObject_GetAttrString(value, "msg");
        PyErr_Clear();
    }
    ret->message = text_of(message != NULL ? message : value, &ret->n_message);
    Py_XDECREF(message);

    /* For a byte that does not decode the place differs from version to version, and none of them is that byte's. */
    const bool is_decoding =
        source->bad_byte >= 0 && ret->message != NULL && strstr(ret->message, "codec can't decode");
    /* bytes with a NUL are refused before a cookie is looked at */
    const bool is_nul = ret->message != NULL && strstr(ret->message, "null byte") != NULL;
    if (source->bad_cookie_byte >= 0 && !is_nul)
        ret->start_byte = source->bad_cookie_byte;
    else if (ret->has_line && ret->has_column && !is_decoding)
        ret->start_byte = source_raw_of_character(source, ret->line, ret->column);
    if (ret->start_byte < 0)
        ret->start_byte = guess_place(source);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

void failure_done(struct failure *f)
{
    free(f->type);
    free(f->message);
    *f = (struct failure){.start_byte = -1};
}
