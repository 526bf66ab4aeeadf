/* worker/place.c — three units of one number.
 *
 * `offset` of a SyntaxError counts characters where the tokenizer raised it. Where the parser did, it counts characters
 * too, but bytes up to 3.12 when the source is bytes that declare no encoding (Parser/pegen_errors.c looks at
 * tok->encoding); the same text given as str counts characters in every version. Where the compiler's passes did, it
 * counts UTF-8 bytes. In ASCII all are one.
 */
#include <Python.h>

#include "worker/place.h"

#include <string.h>

static PyObject *parse(const struct layer_job *job, PyObject *source, int flags)
{
    return PyObject_CallFunction(job->compile, "OOsiO", source, job->filename, "exec", flags, Py_True);
}

static bool is_same_error(const struct failure *a, const struct failure *b)
{
    return a->type != NULL && b->type != NULL && strcmp(a->type, b->type) == 0 && a->n_message == b->n_message &&
           a->message != NULL && b->message != NULL && memcmp(a->message, b->message, a->n_message) == 0 &&
           b->has_line && a->line == b->line && b->has_column;
}

/* Ask again with the text as str. */
static void place_in_text(struct failure *f, const struct layer_job *job, int flags)
{
    const struct source *s = job->source;
    PyObject *text = PyUnicode_DecodeUTF8((const char *)s->raw + s->n_bom, (Py_ssize_t)(s->n_raw - s->n_bom), "strict");
    PyObject *tree = text != NULL ? parse(job, text, flags) : NULL;
    if (text != NULL && tree == NULL) {
        struct failure again;
        failure_take(&again, s);
        if (is_same_error(f, &again))
            f->start_byte = again.start_byte;
        failure_done(&again);
    }
    Py_XDECREF(tree);
    Py_XDECREF(text);
}

void place_error(struct failure *f, const struct layer_job *job, int flags)
{
    const struct source *s = job->source;
    if (!f->has_line || !f->has_column || (s->is_ascii && s->is_identity) || s->bad_byte >= 0 ||
        s->bad_cookie_byte >= 0)
        return;
    PyObject *tree = parse(job, job->bytes, flags);
    PyErr_Clear();
    if (tree != NULL)
        f->start_byte = source_raw_of_utf8(s, f->line, (long)f->column - 1);
    else if (s->is_identity)
        place_in_text(f, job, flags);
    Py_XDECREF(tree);
    PyErr_Clear();
}
