/* native/capsule.c — the part of the Python package that Python code cannot be: capsules of Arrow objects.
 *
 * A capsule's destructor runs wherever its last reference goes, also while an exception is on its way, and then no
 * Python function may be called; a stream is read by other libraries, which know no Ctrl-C. Everything else of the
 * package is Python over ctypes. The module is codeanatomy_capsule, found beside the library:
 *
 *     cancel()                  a capsule of a ca_cancel; address(cancel) is what functions of the library take
 *     fire(cancel)              ca_cancel_fire
 *     interruptible(cancel, f)  what f() returns; SIGINT meanwhile fires `cancel`
 *     failure(cancel)           the errno with which a stream of this cancel failed last, 0: none
 *     stream(address, cancel)   the ArrowArrayStream at `address`, moved into a capsule "arrow_array_stream"
 *     stream_schema(stream)     its schema, as a capsule "arrow_schema"
 *     schema(address)           the ArrowSchema at `address`, moved into such a capsule
 *     schema_copy(schema)       another one: who gets a capsule empties it
 *
 * Invariants: whatever is in a capsule is released once, by who took it out or by the capsule; the library is called
 * without the GIL. Threads: any; a stream is read by one at a time, as Arrow says.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <codeanatomy/codeanatomy.h>
#include <errno.h>
#include <nanoarrow/nanoarrow.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STREAM "arrow_array_stream"
#define SCHEMA "arrow_schema"
#define CANCEL "codeanatomy_cancel"

/* ---- cancel ---------------------------------------------------------------------------------------------------- */

/* Shared by its capsule and by the streams that it cancels, which may outlive that.
 * failure   what get_next of one of them said last */
struct cancel {
    atomic_int n_refs;
    atomic_int failure;
    ca_cancel *token;
};

static struct cancel *cancel_ref(struct cancel *c)
{
    atomic_fetch_add(&c->n_refs, 1);
    return c;
}

static void cancel_unref(struct cancel *c)
{
    if (atomic_fetch_sub(&c->n_refs, 1) != 1)
        return;
    ca_cancel_free(c->token);
    free(c);
}

static void cancel_capsule_free(PyObject *capsule)
{
    cancel_unref(PyCapsule_GetPointer(capsule, CANCEL));
}

static PyObject *cancel_new(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    struct cancel *c = calloc(1, sizeof *c);
    if (c == NULL)
        return PyErr_NoMemory();
    c->token = ca_cancel_new();
    atomic_store(&c->n_refs, 1);
    PyObject *capsule = PyCapsule_New(c, CANCEL, cancel_capsule_free);
    if (capsule == NULL)
        cancel_unref(c);
    return capsule;
}

static PyObject *cancel_address(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct cancel *c = PyCapsule_GetPointer(capsule, CANCEL);
    return c == NULL ? NULL : PyLong_FromVoidPtr(c->token);
}

static PyObject *cancel_fire(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct cancel *c = PyCapsule_GetPointer(capsule, CANCEL);
    if (c == NULL)
        return NULL;
    Py_BEGIN_ALLOW_THREADS ca_cancel_fire(c->token);
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

static PyObject *cancel_failure(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct cancel *c = PyCapsule_GetPointer(capsule, CANCEL);
    return c == NULL ? NULL : PyLong_FromLong(atomic_load(&c->failure));
}

/* ---- Ctrl-C ---------------------------------------------------------------------------------------------------- */

/* While the main thread, which alone runs handlers of Python's, is in the library, SIGINT fires the innermost cancel
 * that is watched. The handler that was there (Python's in C, or another library's around it) still comes first, so
 * that the one in Python, which raises KeyboardInterrupt, runs when the call has ended. Firing is nothing for a signal
 * handler: a thread waits for its word.
 *
 * is_interrupted   in this call: a thread that wakes late must not fire the next one's cancel
 * process          whose thread that is; a process that was forked needs one of its own */
static struct {
    pthread_mutex_t lock;
    struct cancel *watched;
    atomic_bool is_interrupted;
    struct sigaction before;
    sem_t interrupted;
    pid_t process;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    int kept = errno;
    if ((watch.before.sa_flags & SA_SIGINFO) != 0)
        watch.before.sa_sigaction(number, info, context);
    else
        watch.before.sa_handler(number);
    atomic_store(&watch.is_interrupted, true);
    sem_post(&watch.interrupted);
    errno = kept;
}

static void *watch_run(void *unused)
{
    for (;;) {
        while (sem_wait(&watch.interrupted) != 0)
            ;
        pthread_mutex_lock(&watch.lock);
        if (watch.watched != NULL && atomic_exchange(&watch.is_interrupted, false))
            ca_cancel_fire(watch.watched->token);
        pthread_mutex_unlock(&watch.lock);
    }
    return unused;
}

/* The thread takes no signals: they are the main thread's. */
static bool watch_start(void)
{
    if (watch.process == getpid())
        return true;
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    pthread_mutex_init(&watch.lock, NULL);
    watch.watched = NULL;
    sem_init(&watch.interrupted, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool is_running = pthread_create(&thread, NULL, watch_run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!is_running)
        return false;
    pthread_detach(thread);
    watch.process = getpid();
    return true;
}

static struct cancel *watch_swap(struct cancel *c)
{
    pthread_mutex_lock(&watch.lock);
    struct cancel *outer = watch.watched;
    watch.watched = c;
    pthread_mutex_unlock(&watch.lock);
    return outer;
}

static bool is_main_thread(void)
{
    return getpid() == (pid_t)syscall(SYS_gettid);
}

/* Whether c is watched from now on; then *ret_outer is for watch_end. Not in another thread, nor where nothing handles
 * SIGINT: it is ignored, or ends the process. */
static bool watch_begin(struct cancel *c, struct cancel **ret_outer)
{
    if (!is_main_thread() || !watch_start())
        return false;
    if (watch.watched == NULL) {
        struct sigaction ours;
        sigaction(SIGINT, NULL, &watch.before);
        if (watch.before.sa_handler == SIG_DFL || watch.before.sa_handler == SIG_IGN)
            return false;
        ours = watch.before;
        ours.sa_flags |= SA_SIGINFO;
        ours.sa_sigaction = on_interrupt;
        atomic_store(&watch.is_interrupted, false);
        *ret_outer = watch_swap(c);
        sigaction(SIGINT, &ours, NULL);
        return true;
    }
    *ret_outer = watch_swap(c);
    return true;
}

static void watch_end(struct cancel *outer)
{
    if (outer == NULL)
        sigaction(SIGINT, &watch.before, NULL);
    watch_swap(outer);
}

static PyObject *interruptible(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *cancel_capsule = NULL;
    PyObject *work = NULL;
    if (!PyArg_ParseTuple(arguments, "OO:interruptible", &cancel_capsule, &work))
        return NULL;
    struct cancel *c = PyCapsule_GetPointer(cancel_capsule, CANCEL);
    if (c == NULL)
        return NULL;
    struct cancel *outer = NULL;
    bool is_watched = watch_begin(c, &outer);
    PyObject *found = PyObject_CallObject(work, NULL);
    if (is_watched)
        watch_end(outer);
    return found;
}

/* ---- a stream that Ctrl-C stops -------------------------------------------------------------------------------- */

struct guarded {
    struct ArrowArrayStream rows;
    struct cancel *cancel;
};

static int guarded_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    struct guarded *g = stream->private_data;
    return g->rows.get_schema(&g->rows, ret);
}

static int guarded_get_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    struct guarded *g = stream->private_data;
    struct cancel *outer = NULL;
    bool is_watched = watch_begin(g->cancel, &outer);
    int rc = g->rows.get_next(&g->rows, ret);
    if (is_watched)
        watch_end(outer);
    if (rc != 0)
        atomic_store(&g->cancel->failure, rc);
    return rc;
}

static const char *guarded_get_last_error(struct ArrowArrayStream *stream)
{
    struct guarded *g = stream->private_data;
    return g->rows.get_last_error(&g->rows);
}

static void guarded_release(struct ArrowArrayStream *stream)
{
    struct guarded *g = stream->private_data;
    g->rows.release(&g->rows);
    cancel_unref(g->cancel);
    free(g);
    stream->release = NULL;
}

/* ---- capsules -------------------------------------------------------------------------------------------------- */

static void stream_capsule_free(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, STREAM);
    if (stream->release != NULL) {
        /* It may wait for threads that log, and a log handler in Python needs the GIL. */
        Py_BEGIN_ALLOW_THREADS stream->release(stream);
        Py_END_ALLOW_THREADS
    }
    free(stream);
}

static void schema_capsule_free(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, SCHEMA);
    if (schema->release != NULL)
        schema->release(schema);
    free(schema);
}

/* An empty schema in a capsule; *ret borrows it. */
static PyObject *schema_capsule(struct ArrowSchema **ret)
{
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    if (schema == NULL)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(schema, SCHEMA, schema_capsule_free);
    if (capsule == NULL)
        free(schema);
    *ret = schema;
    return capsule;
}

/* *ret is the stream that Ctrl-C stops; it owns *rows from then on. false: no memory, and *rows is as it was. */
static bool guard(struct ArrowArrayStream *rows, struct cancel *c, struct ArrowArrayStream **ret)
{
    struct guarded *g = calloc(1, sizeof *g);
    struct ArrowArrayStream *stream = calloc(1, sizeof *stream);
    if (g == NULL || stream == NULL) {
        free(g);
        free(stream);
        return false;
    }
    g->rows = *rows;
    g->cancel = cancel_ref(c);
    atomic_store(&c->failure, 0);
    rows->release = NULL;
    *stream = (struct ArrowArrayStream){
        .get_schema = guarded_get_schema,
        .get_next = guarded_get_next,
        .get_last_error = guarded_get_last_error,
        .release = guarded_release,
        .private_data = g,
    };
    *ret = stream;
    return true;
}

static PyObject *stream_new(PyObject *self, PyObject *arguments)
{
    (void)self;
    unsigned long long address = 0;
    PyObject *cancel_capsule = NULL;
    if (!PyArg_ParseTuple(arguments, "KO:stream", &address, &cancel_capsule))
        return NULL;
    struct cancel *c = PyCapsule_GetPointer(cancel_capsule, CANCEL);
    if (c == NULL)
        return NULL;
    struct ArrowArrayStream *stream = NULL;
    if (!guard((void *)(uintptr_t)address, c, &stream))
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(stream, STREAM, stream_capsule_free);
    if (capsule == NULL) {
        stream->release(stream);
        free(stream);
    }
    return capsule;
}

static PyObject *stream_schema(PyObject *self, PyObject *stream_capsule)
{
    (void)self;
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(stream_capsule, STREAM);
    if (stream == NULL)
        return NULL;
    struct ArrowSchema *schema = NULL;
    PyObject *capsule = schema_capsule(&schema);
    if (capsule == NULL)
        return NULL;
    int rc;
    Py_BEGIN_ALLOW_THREADS rc = stream->get_schema(stream, schema);
    Py_END_ALLOW_THREADS if (rc == 0) return capsule;
    Py_DECREF(capsule);
    const char *message = stream->get_last_error(stream);
    errno = rc;
    return message ? PyErr_Format(PyExc_OSError, "%s", message) : PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *schema_new(PyObject *self, PyObject *arguments)
{
    (void)self;
    unsigned long long address = 0;
    if (!PyArg_ParseTuple(arguments, "K:schema", &address))
        return NULL;
    struct ArrowSchema *schema = NULL;
    PyObject *capsule = schema_capsule(&schema);
    if (capsule != NULL)
        ArrowSchemaMove((struct ArrowSchema *)(uintptr_t)address, schema);
    return capsule;
}

static PyObject *schema_copy(PyObject *self, PyObject *capsule)
{
    (void)self;
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, SCHEMA);
    if (schema == NULL)
        return NULL;
    struct ArrowSchema *copy = NULL;
    PyObject *copy_capsule = schema_capsule(&copy);
    if (copy_capsule == NULL || ArrowSchemaDeepCopy(schema, copy) == NANOARROW_OK)
        return copy_capsule;
    Py_DECREF(copy_capsule);
    return PyErr_NoMemory();
}

PyMODINIT_FUNC PyInit_codeanatomy_capsule(void);

PyMODINIT_FUNC PyInit_codeanatomy_capsule(void)
{
    static PyMethodDef methods[] = {
        {"cancel", cancel_new, METH_NOARGS, "cancel() -> a capsule of a new ca_cancel"},
        {"address", cancel_address, METH_O, "address(cancel) -> where its ca_cancel is"},
        {"fire", cancel_fire, METH_O, "fire(cancel): stop what was started with it"},
        {"interruptible", interruptible, METH_VARARGS,
         "interruptible(cancel, f) -> f(); SIGINT meanwhile fires cancel"},
        {"failure", cancel_failure, METH_O, "failure(cancel) -> errno of its last stream that failed, 0: none"},
        {"stream", stream_new, METH_VARARGS, "stream(address, cancel) -> capsule; takes the stream"},
        {"stream_schema", stream_schema, METH_O, "stream_schema(stream) -> capsule"},
        {"schema", schema_new, METH_VARARGS, "schema(address) -> capsule; takes the schema"},
        {"schema_copy", schema_copy, METH_O, "schema_copy(schema) -> capsule"},
        {NULL, NULL, 0, NULL},
    };
    static PyModuleDef definition = {
        PyModuleDef_HEAD_INIT,
        .m_name = "codeanatomy_capsule",
        .m_doc = "Capsules of Arrow objects for the package codeanatomy.",
        .m_size = -1,
        .m_methods = methods,
    };
    return PyModule_Create(&definition);
}
