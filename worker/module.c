/* worker/module.c — the extension `codeanatomy_worker`: one function, serve(memory_limit), that answers requests until
 * the host closes the socket on file descriptor 0.
 *
 * The loop runs in a thread of its own with a large stack, because CPython up to 3.11 builds trees by recursion and a
 * process cannot raise its own stack limit after it was started. User code is compiled, never executed or imported.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extract/cpython/protocol.h"
#include "rows/gen/ast_files_v1.h"
#include "rows/gen/symtable_files_v1.h"
#include "worker/ast_layer.h"
#include "worker/batch.h"
#include "worker/budget.h"
#include "worker/source.h"
#include "worker/symtable_layer.h"
#include "worker/wire.h"

/* 100,000 levels of CPython 3.10's ast2obj_expr take some 40 MB; only what is touched is ever backed by memory. */
#define STACK_BYTES ((size_t)256 * 1024 * 1024)

/* Exceptions are in cycles with their frames; files between two collections. */
enum { COLLECT_EVERY = 500 };

/* Everything that lives as long as the worker.
 *   version  major.minor
 */
struct worker {
    int fd;
    uint64_t memory_limit;
    struct budget budget;
    struct ast_layer ast;
    struct symtable_layer symtable;
    PyObject *compile;
    struct ast_files_v1 *ast_rows;
    struct symtable_files_v1 *symtable_rows;
    struct batch_encoder encoders[PROTOCOL_N_LAYERS];
    char version[16];
    uint32_t n_files;
    bool failed_to_start;
};

/* A request as it came. */
struct request {
    struct protocol_frame frame;
    struct protocol_request head;
    char *path;
    uint8_t *raw;
};

static void request_done(struct request *r)
{
    free(r->path);
    free(r->raw);
    *r = (struct request){.path = NULL};
}

/* 0, EPIPE: no more requests, ENOMEM: too large for us; EPROTO: not our host. */
static int request_read(int fd, struct request *ret)
{
    *ret = (struct request){.path = NULL};
    if (!wire_read(fd, &ret->frame, sizeof ret->frame))
        return EPIPE;
    const struct protocol_frame *frame = &ret->frame;
    if (frame->magic != PROTOCOL_MAGIC || frame->kind != PROTOCOL_REQUEST || frame->n_head > PROTOCOL_MAX_HEAD ||
        frame->n_head < sizeof ret->head || frame->n_body >= SIZE_MAX)
        return EPROTO;
    if (!wire_read(fd, &ret->head, sizeof ret->head))
        return EPIPE;
    const size_t n_path = frame->n_head - sizeof ret->head;
    if (ret->head.n_path != n_path)
        return EPROTO;
    ret->path = malloc(n_path + 1);
    ret->raw = malloc((size_t)frame->n_body + 1);
    if (ret->path == NULL || ret->raw == NULL)
        return ENOMEM;
    if (!wire_read(fd, ret->path, n_path) || !wire_read(fd, ret->raw, (size_t)frame->n_body))
        return EPIPE;
    ret->path[n_path] = '\0';
    ret->raw[frame->n_body] = 0;
    return 0;
}

/* ---- answers ------------------------------------------------------------------------------------------------------
 */

static bool write_status(struct worker *w, const struct request *r, int layer, const struct protocol_status *status,
                         const char *reason, size_t n_reason)
{
    if (n_reason > PROTOCOL_MAX_HEAD / 2)
        n_reason = PROTOCOL_MAX_HEAD / 2;
    struct protocol_frame frame = {.kind = PROTOCOL_STATUS, .layer = (uint16_t)layer, .sequence = r->frame.sequence};
    return wire_write(w->fd, frame, (struct wire_part){status, sizeof *status}, (struct wire_part){reason, n_reason},
                      (struct wire_part){NULL, 0});
}

static bool write_batch(struct worker *w, const struct request *r, int layer)
{
    const struct batch_encoder *b = &w->encoders[layer];
    struct protocol_frame frame = {.kind = PROTOCOL_BATCH, .layer = (uint16_t)layer, .sequence = r->frame.sequence};
    return wire_write(w->fd, frame, (struct wire_part){b->message.data, (size_t)b->message.size_bytes},
                      (struct wire_part){NULL, 0}, (struct wire_part){b->body.data, (size_t)b->body.size_bytes});
}

/* A limit of ours ended the layer. */
static bool write_budget(struct worker *w, const struct request *r, int layer, int errnum)
{
    char reason[200];
    if (errnum == ENOMEM)
        snprintf(reason, sizeof reason, "budget: more than %llu MiB of memory",
                 (unsigned long long)(w->memory_limit >> 20));
    else
        snprintf(reason, sizeof reason, "budget: the facts do not fit into one record batch (errno %d)", errnum);
    struct protocol_status status = {.outcome = PROTOCOL_FAILED, .is_budget = 1, .start_byte = -1};
    return write_status(w, r, layer, &status, reason, strlen(reason));
}

static bool write_answer(struct worker *w, const struct request *r, int layer, const struct layer_answer *answer)
{
    struct protocol_status status = {
        .outcome = (uint32_t)answer->outcome,
        .start_byte = answer->outcome == PROTOCOL_OK ? -1 : answer->failure.start_byte,
        .n_facts = answer->n_facts,
    };
    if (answer->outcome == PROTOCOL_OK)
        return write_status(w, r, layer, &status, NULL, 0);
    const struct failure *f = &answer->failure;
    const char *prefix = answer->outcome == PROTOCOL_RECOVERED ? "type comments are left out: " : "";
    const char *type = f->type != NULL ? f->type : "";
    size_t n = strlen(prefix) + strlen(type) + 2 + f->n_message + 1;
    char *reason = malloc(n);
    if (reason == NULL)
        return write_budget(w, r, layer, ENOMEM);
    int n_head = snprintf(reason, n, "%s%s%s", prefix, type, f->n_message > 0 ? ": " : "");
    if (f->n_message > 0)
        memcpy(reason + n_head, f->message, f->n_message);
    bool ok = write_status(w, r, layer, &status, reason, (size_t)n_head + f->n_message);
    free(reason);
    return ok;
}

/* ---- layers -------------------------------------------------------------------------------------------------------
 */

static int make_builder(struct worker *w, int layer)
{
    return layer == PROTOCOL_AST ? ast_files_v1_new(&w->ast_rows) : symtable_files_v1_new(&w->symtable_rows);
}

static void free_builder(struct worker *w, int layer)
{
    if (layer == PROTOCOL_AST) {
        ast_files_v1_free(w->ast_rows);
        w->ast_rows = NULL;
    } else {
        symtable_files_v1_free(w->symtable_rows);
        w->symtable_rows = NULL;
    }
}

/* Run and encode; what is left in the builder of a failed run is thrown away with it. 0 or an errno value. */
static int run_layer(struct worker *w, int layer, const struct layer_job *job, struct layer_answer *answer)
{
    int rc = 0;
    if (layer == PROTOCOL_AST ? w->ast_rows == NULL : w->symtable_rows == NULL)
        rc = make_builder(w, layer);
    if (rc == 0)
        rc = layer == PROTOCOL_AST ? ast_layer_run(&w->ast, job, w->ast_rows, answer)
                                   : symtable_layer_run(&w->symtable, job, w->symtable_rows, answer);
    struct ArrowArray array = {.release = NULL};
    if (rc == 0 && answer->has_row) {
        rc = layer == PROTOCOL_AST ? ast_files_v1_take(w->ast_rows, &array)
                                   : symtable_files_v1_take(w->symtable_rows, &array);
        if (rc == 0)
            rc = batch_encode(&w->encoders[layer], &array);
    }
    if (rc != 0) {
        free_builder(w, layer);
        answer->has_row = false;
    }
    return rc;
}

/* One layer of one file, answered. false: the host is gone. */
static bool answer_layer(struct worker *w, const struct request *r, int layer, const struct layer_job *job)
{
    struct layer_answer answer = {.failure = {.start_byte = -1}};
    int rc = run_layer(w, layer, job, &answer);
    PyErr_Clear();
    bool ok;
    if ((rc == ENOMEM || answer.failure.is_memory) && budget_is_half_spent(&w->budget))
        ok = write_budget(w, r, layer, ENOMEM);
    else if (rc != 0 && rc != ECANCELED)
        ok = write_budget(w, r, layer, rc);
    else
        ok = (!answer.has_row || write_batch(w, r, layer)) && write_answer(w, r, layer, &answer);
    failure_done(&answer.failure);
    return ok;
}

static bool answer_layers(struct worker *w, const struct request *r, bool has_memory, const struct layer_job *job)
{
    for (int layer = 0; layer < PROTOCOL_N_LAYERS; layer++) {
        if ((r->head.layers & (1u << layer)) == 0)
            continue;
        if (!(has_memory ? answer_layer(w, r, layer, job) : write_budget(w, r, layer, ENOMEM)))
            return false;
    }
    return true;
}

/* All layers of one file. false: the host is gone. */
static bool answer_request(struct worker *w, const struct request *r)
{
    struct source source;
    struct layer_job job = {
        .file_id = r->head.file_id,
        .path = {r->path, r->head.n_path},
        .content_id = {(const char *)r->head.content_id, sizeof r->head.content_id},
        .python_version = rows_str_of(w->version),
        .filename = PyUnicode_DecodeUTF8(r->path, (Py_ssize_t)r->head.n_path, "replace"),
        .bytes = PyBytes_FromStringAndSize((const char *)r->raw, (Py_ssize_t)r->frame.n_body),
        .compile = w->compile,
        .source = &source,
    };
    bool has_memory =
        source_init(&source, r->raw, (size_t)r->frame.n_body) && job.filename != NULL && job.bytes != NULL;
    PyErr_Clear();
    bool ok = answer_layers(w, r, has_memory, &job);
    Py_XDECREF(job.bytes);
    Py_XDECREF(job.filename);
    source_done(&source);
    return ok;
}

/* ---- the loop -----------------------------------------------------------------------------------------------------
 */

static bool write_end(struct worker *w, const struct request *r, bool is_last)
{
    struct protocol_end end = {.is_last = is_last, .peak_bytes = budget_peak_bytes()};
    struct protocol_frame frame = {.kind = PROTOCOL_END, .sequence = r->frame.sequence};
    return wire_write(w->fd, frame, (struct wire_part){&end, sizeof end}, (struct wire_part){NULL, 0},
                      (struct wire_part){NULL, 0});
}

static bool write_hello(struct worker *w)
{
    struct ArrowBuffer schemas;
    ArrowBufferInit(&schemas);
    int rc = 0;
    for (int layer = 0; rc == 0 && layer < PROTOCOL_N_LAYERS; layer++) {
        struct batch_encoder *b = &w->encoders[layer];
        rc = batch_encode_schema(b);
        if (rc == 0)
            rc = ArrowBufferAppend(&schemas, b->message.data, b->message.size_bytes);
    }
    const char *full = Py_GetVersion();
    char strings[512];
    int n = snprintf(strings, sizeof strings, "%s%s", w->version, full);
    bool ok = rc == 0 && n > 0 && (size_t)n < sizeof strings;
    struct protocol_hello hello = {
        .protocol = PROTOCOL_VERSION,
        .n_version = (uint32_t)strlen(w->version),
        .n_full = (uint32_t)strlen(full),
    };
    ok = ok && wire_write(w->fd, (struct protocol_frame){.kind = PROTOCOL_HELLO},
                          (struct wire_part){&hello, sizeof hello}, (struct wire_part){strings, (size_t)n},
                          (struct wire_part){schemas.data, (size_t)schemas.size_bytes});
    ArrowBufferReset(&schemas);
    return ok;
}

/* Everything but the limit. false: an exception is raised. */
static bool start(struct worker *w)
{
    PyObject *info = PySys_GetObject("version_info");
    PyObject *major = info != NULL ? PySequence_GetItem(info, 0) : NULL;
    PyObject *minor = major != NULL ? PySequence_GetItem(info, 1) : NULL;
    if (minor == NULL)
        return false;
    snprintf(w->version, sizeof w->version, "%ld.%ld", PyLong_AsLong(major), PyLong_AsLong(minor));
    Py_DECREF(major);
    Py_DECREF(minor);

    /* Trees have no cycles; the collector would only walk them again and again. */
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *none = gc != NULL ? PyObject_CallMethod(gc, "disable", NULL) : NULL;
    Py_XDECREF(gc);
    if (none == NULL)
        return false;
    Py_DECREF(none);

    PyObject *builtins = PyImport_ImportModule("builtins");
    w->compile = builtins != NULL ? PyObject_GetAttrString(builtins, "compile") : NULL;
    Py_XDECREF(builtins);
    if (w->compile == NULL || !ast_layer_init(&w->ast) || !symtable_layer_init(&w->symtable))
        return false;
    struct ArrowSchema ast_schema = {.release = NULL}, symtable_schema = {.release = NULL};
    if (ast_files_v1_schema(&ast_schema) != 0 || symtable_files_v1_schema(&symtable_schema) != 0 ||
        batch_encoder_init(&w->encoders[PROTOCOL_AST], &ast_schema) != 0 ||
        batch_encoder_init(&w->encoders[PROTOCOL_SYMTABLE], &symtable_schema) != 0) {
        PyErr_NoMemory();
        return false;
    }
    return true;
}

static void loop(struct worker *w)
{
    for (bool is_last = false; !is_last;) {
        struct request request;
        int rc = request_read(w->fd, &request);
        bool ok = rc == 0 && answer_request(w, &request);
        if (rc == ENOMEM)
            ok = answer_layers(w, &request, /* has_memory= */ false, NULL);
        /* Of a request that did not fit, the rest is still in the socket: only a new worker has a clean one. */
        is_last = rc == ENOMEM || budget_is_half_spent(&w->budget);
        if (!ok || !write_end(w, &request, is_last))
            is_last = true;
        request_done(&request);
        if (++w->n_files % COLLECT_EVERY == 0)
            PyGC_Collect();
    }
}

static void *thread_main(void *argument)
{
    struct worker *w = argument;
    PyGILState_STATE state = PyGILState_Ensure();
    if (start(w)) {
        budget_init(&w->budget, w->memory_limit);
        if (write_hello(w))
            loop(w);
    } else {
        PyErr_Print();
        w->failed_to_start = true;
    }
    PyGILState_Release(state);
    return NULL;
}

/* The socket moves out of the way of whatever prints; 0 and 1 lead nowhere from here on. -1: errno says why. */
static int take_socket(void)
{
    int fd = fcntl(0, F_DUPFD_CLOEXEC, 10);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
        return -1;
    close(null);
    return fd;
}

static PyObject *serve(PyObject *self, PyObject *arguments)
{
    (void)self;
    unsigned long long memory_limit = 0;
    if (!PyArg_ParseTuple(arguments, "K:serve", &memory_limit))
        return NULL;
    /* Arenas of threads reserve address space in large steps, which the limit would count. */
    (void)mallopt(M_ARENA_MAX, 1);
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return PyErr_NoMemory();
    w->memory_limit = memory_limit;
    w->fd = take_socket();
    if (w->fd < 0)
        return PyErr_SetFromErrno(PyExc_OSError);

    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = pthread_create(&thread, &attributes, thread_main, w);
    if (rc == 0)
        pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS pthread_attr_destroy(&attributes);
    if (rc != 0) {
        errno = rc;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    /* Nothing of ours outlives the process, and the interpreter's own end would take longer than a small repository. */
    _exit(w->failed_to_start ? 1 : 0);
}

PyMODINIT_FUNC PyInit_codeanatomy_worker(void);

PyMODINIT_FUNC PyInit_codeanatomy_worker(void)
{
    static PyMethodDef methods[] = {
        {"serve", serve, METH_VARARGS, "serve(memory_limit): answer requests on file descriptor 0 until it is closed"},
        {NULL, NULL, 0, NULL},
    };
    static PyModuleDef definition = {
        PyModuleDef_HEAD_INIT,
        .m_name = "codeanatomy_worker",
        .m_doc = "The part of codeanatomy that runs inside the target interpreter.",
        .m_size = -1,
        .m_methods = methods,
    };
    return PyModule_Create(&definition);
}
