/* extract/cpython/cpython.c — the pool: who runs, what is sent, what the end of a worker means. */
#include "extract/cpython/cpython.h"

#include <glib.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

#include "extract/cpython/decode.h"
#include "extract/cpython/interpreter.h"
#include "extract/cpython/process.h"
#include "extract/cpython/protocol.h"
#include "rows/gen/ast_files_v1.h"
#include "rows/gen/symtable_files_v1.h"

#define DEFAULT_MEMORY_LIMIT ((uint64_t)2 * 1024 * 1024 * 1024)

/* A file gets MAX_TRIES workers; MAX_STARTS processes in a row that do not become one end the pool's work. */
enum { DEFAULT_WATCHDOG_MS = 120000, DEFAULT_START_MS = 30000, MAX_TRIES = 2, MAX_STARTS = 3 };

/* sequence  of the last request
 * pid       as process.pid once the worker is ready, for others to look at
 * layers    decoders are not shared between threads
 */
struct pool_worker {
    struct process process;
    uint32_t sequence;
    _Atomic int64_t pid;
    _Atomic uint64_t peak_bytes;
    struct decode_layer layers[CPYTHON_N_LAYERS];
};

/* n_failed_starts  since the last that went well, of all workers; under lock
 * given_up         why no worker is started any more, NULL: they are; set once, under lock
 */
struct cpython_pool {
    struct interpreter interpreter;
    char *worker_module_path;
    uint64_t memory_limit_bytes;
    int64_t watchdog_ms;
    int64_t start_ms;
    unsigned n_workers;
    struct pool_worker *workers;
    GMutex lock;
    unsigned n_failed_starts;
    char *given_up;
};

const char *cpython_layer_name(enum cpython_layer layer)
{
    static const char *const names[CPYTHON_N_LAYERS] = {"ast", "symtable"};
    return names[layer];
}

const char *cpython_status_name(enum cpython_status status)
{
    static const char *const names[] = {"ok", "recovered", "failed", "skipped"};
    return names[status];
}

int cpython_layer_schema(enum cpython_layer layer, struct ArrowSchema *ret, struct ca_error *err)
{
    int rc = layer == CPYTHON_AST ? ast_files_v1_schema(ret) : symtable_files_v1_schema(ret);
    return rc == 0 ? CA_OK
                   : ca_fail_errno(err, CA_ERR_RESOURCES, rc, "cannot make the schema of layer '%s'",
                                   cpython_layer_name(layer));
}

void cpython_result_done(struct cpython_result *r)
{
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        g_free(r->layers[i].reason);
        if (r->layers[i].batch.release != NULL)
            ArrowArrayRelease(&r->layers[i].batch);
    }
    memset(r, 0, sizeof *r);
}

/* ---- starting and stopping ----------------------------------------------------------------------------------------
 */

/* The extension is loaded by its path: sys.path stays as the interpreter made it, and nothing is looked up in it for
 * us. */
static const char bootstrap[] =
    "import sys\n"
    "from importlib.machinery import ExtensionFileLoader, ModuleSpec\n"
    "loader = ExtensionFileLoader('codeanatomy_worker', sys.argv[1])\n"
    "module = loader.create_module(ModuleSpec('codeanatomy_worker', loader, origin=sys.argv[1]))\n"
    "loader.exec_module(module)\n"
    "module.serve(int(sys.argv[2]))\n";

/* Launch only; worker_greet waits for it to be ready. */
static int worker_launch(const struct cpython_pool *pool, struct pool_worker *w, struct ca_error *err)
{
    char limit[32];
    g_snprintf(limit, sizeof limit, "%" G_GUINT64_FORMAT, (guint64)pool->memory_limit_bytes);
    const char *const argv[] = {
        pool->interpreter.executable, "-I",  "-S", "-X", "utf8", "-W", "ignore", "-c", bootstrap,
        pool->worker_module_path,     limit, NULL};
    int rc = process_start(argv, NULL, &w->process, err);
    if (rc != CA_OK)
        return ca_fail_context(err, CA_ERR_WORKER, "start worker");
    w->sequence = 0;
    return CA_OK;
}

static void worker_stop(struct pool_worker *w, int *ret_status, char **ret_stderr)
{
    atomic_store(&w->pid, -1);
    process_stop(&w->process, ret_status, ret_stderr);
}

static char *describe_status(int status)
{
    if (status != -1 && WIFSIGNALED(status))
        return g_strdup_printf("worker killed by signal %d", WTERMSIG(status));
    if (status != -1 && WIFEXITED(status))
        return g_strdup_printf("worker ended with status %d", WEXITSTATUS(status));
    return g_strdup("worker ended");
}

static bool is_hello(const struct cpython_pool *pool, const struct pool_worker *w, const struct protocol_frame *frame,
                     const uint8_t *head, const uint8_t *body)
{
    struct protocol_hello hello;
    memcpy(&hello, head, sizeof hello);
    const char *version = pool->interpreter.version;
    if (hello.protocol != PROTOCOL_VERSION || hello.n_version != strlen(version) ||
        frame->n_head - sizeof hello < hello.n_version || memcmp(head + sizeof hello, version, hello.n_version) != 0)
        return false;
    uint64_t at = 0;
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        const struct ArrowBuffer *schema = &w->layers[i].message;
        if (frame->n_body - at < (uint64_t)schema->size_bytes ||
            memcmp(body + at, schema->data, (size_t)schema->size_bytes) != 0)
            return false;
        at += (uint64_t)schema->size_bytes;
    }
    return at == frame->n_body;
}

static enum process_io receive_hello(const struct cpython_pool *pool, struct pool_worker *w, bool *ret_is_ours)
{
    struct protocol_frame frame;
    const int64_t deadline = process_now_ms() + pool->start_ms;
    *ret_is_ours = false;
    enum process_io io = process_receive(&w->process, NULL, &frame, sizeof frame, deadline);
    if (io != PROCESS_DONE || frame.magic != PROTOCOL_MAGIC || frame.kind != PROTOCOL_HELLO ||
        frame.n_head < sizeof(struct protocol_hello) || frame.n_head > PROTOCOL_MAX_HEAD ||
        frame.n_body > PROTOCOL_MAX_HEAD)
        return io;
    g_autofree uint8_t *head = g_malloc(frame.n_head);
    g_autofree uint8_t *body = g_malloc((gsize)frame.n_body + 1);
    io = process_receive(&w->process, NULL, head, frame.n_head, deadline);
    if (io == PROCESS_DONE)
        io = process_receive(&w->process, NULL, body, (size_t)frame.n_body, deadline);
    *ret_is_ours = io == PROCESS_DONE && is_hello(pool, w, &frame, head, body);
    return io;
}

/* *ret_is_chance: it was killed or hung, which says nothing about the next one; else interpreter and extension do not
 * go together. */
static int worker_greet(const struct cpython_pool *pool, struct pool_worker *w, bool *ret_is_chance,
                        struct ca_error *err)
{
    bool is_ours = false;
    enum process_io io = receive_hello(pool, w, &is_ours);
    if (io == PROCESS_DONE && is_ours) {
        atomic_store(&w->pid, w->process.pid);
        return CA_OK;
    }
    int status = -1;
    g_autofree char *complaint = NULL;
    worker_stop(w, &status, &complaint);
    g_autofree char *words = g_utf8_make_valid(complaint, -1);
    g_strchomp(words);
    const char *separator = *words != '\0' ? ": " : "";
    *ret_is_chance = io == PROCESS_TIMED_OUT || (io == PROCESS_ENDED && (status == -1 || WIFSIGNALED(status)));
    if (io == PROCESS_DONE)
        return ca_fail(err, CA_ERR_WORKER, "start worker: '%s' is the worker of another version",
                       pool->worker_module_path);
    if (io == PROCESS_TIMED_OUT)
        return ca_fail(err, CA_ERR_WORKER, "start worker: '%s' is not ready after %" G_GINT64_FORMAT " ms%s%s",
                       pool->interpreter.executable, (gint64)pool->start_ms, separator, words);
    g_autofree char *end = describe_status(status);
    return ca_fail(err, CA_ERR_WORKER, "start worker: '%s' with '%s': %s%s%s", pool->interpreter.executable,
                   pool->worker_module_path, end, separator, words);
}

const char *cpython_pool_given_up(struct cpython_pool *pool)
{
    g_mutex_lock(&pool->lock);
    const char *reason = pool->given_up;
    g_mutex_unlock(&pool->lock);
    return reason;
}

static void pool_count_start(struct cpython_pool *pool, const struct ca_error *failure)
{
    g_mutex_lock(&pool->lock);
    pool->n_failed_starts = failure == NULL ? 0 : pool->n_failed_starts + 1;
    if (pool->n_failed_starts >= MAX_STARTS && pool->given_up == NULL)
        pool->given_up = g_strdup_printf("no worker: %d in a row did not start: %s", MAX_STARTS, failure->message);
    g_mutex_unlock(&pool->lock);
}

/* Greet, launch anew and so on until it is ready or the pool gives up, which is no error: nothing runs then. While the
 * pool opens, a worker that ends by itself is one: the installation is broken. */
static int worker_start(struct cpython_pool *pool, struct pool_worker *w, bool is_opening, struct ca_error *err)
{
    while (cpython_pool_given_up(pool) == NULL) {
        struct ca_error why = {.code = CA_OK};
        bool is_chance = false;
        int rc = w->process.pid < 0 ? worker_launch(pool, w, &why) : CA_OK;
        if (rc == CA_OK)
            rc = worker_greet(pool, w, &is_chance, &why);
        pool_count_start(pool, rc == CA_OK ? NULL : &why);
        if (rc == CA_OK)
            return CA_OK;
        if (is_opening && !is_chance)
            return ca_fail(err, why.code, "%s", why.message);
    }
    worker_stop(w, NULL, NULL);
    return CA_OK;
}

static int pool_start(struct cpython_pool *pool, struct ca_error *err)
{
    for (unsigned i = 0; i < pool->n_workers; i++) {
        for (int layer = 0; layer < CPYTHON_N_LAYERS; layer++) {
            struct ArrowSchema schema = {.release = NULL};
            CA_TRY(cpython_layer_schema((enum cpython_layer)layer, &schema, err));
            CA_TRY(decode_layer_init(&pool->workers[i].layers[layer], &schema, err));
        }
    }
    for (unsigned i = 0; i < pool->n_workers; i++)
        CA_TRY(worker_launch(pool, &pool->workers[i], err));
    for (unsigned i = 0; i < pool->n_workers; i++)
        CA_TRY(worker_start(pool, &pool->workers[i], /* is_opening= */ true, err));
    return CA_OK;
}

int cpython_pool_open(const struct cpython_options *options, struct cpython_pool **ret, struct ca_error *err)
{
    if (options->n_workers == 0)
        return ca_fail(err, CA_ERR_INVALID, "a pool needs at least one worker");
    struct cpython_pool *pool = g_new0(struct cpython_pool, 1);
    pool->memory_limit_bytes = options->memory_limit_bytes != 0 ? options->memory_limit_bytes : DEFAULT_MEMORY_LIMIT;
    pool->watchdog_ms = options->watchdog_ms != 0 ? options->watchdog_ms : DEFAULT_WATCHDOG_MS;
    pool->start_ms = options->start_ms != 0 ? options->start_ms : DEFAULT_START_MS;
    g_mutex_init(&pool->lock);
    pool->worker_module_path = g_canonicalize_filename(options->worker_module_path, NULL);
    pool->n_workers = options->n_workers;
    pool->workers = g_new0(struct pool_worker, options->n_workers);
    for (unsigned i = 0; i < pool->n_workers; i++) {
        pool->workers[i].process = PROCESS_NONE;
        atomic_store(&pool->workers[i].pid, -1);
    }
    const char *command = options->python != NULL ? options->python : "python3";
    int rc = interpreter_resolve(command, options->start_dir, &pool->interpreter, err);
    if (rc == CA_OK && pool->interpreter.skip_reason == NULL)
        rc = pool_start(pool, err);
    if (rc != CA_OK) {
        cpython_pool_close(pool);
        return rc;
    }
    *ret = pool;
    return CA_OK;
}

void cpython_pool_close(struct cpython_pool *pool)
{
    if (pool == NULL)
        return;
    for (unsigned i = 0; i < pool->n_workers; i++) {
        worker_stop(&pool->workers[i], NULL, NULL);
        for (int layer = 0; layer < CPYTHON_N_LAYERS; layer++)
            decode_layer_done(&pool->workers[i].layers[layer]);
    }
    g_free(pool->workers);
    g_mutex_clear(&pool->lock);
    g_free(pool->given_up);
    g_free(pool->worker_module_path);
    interpreter_done(&pool->interpreter);
    g_free(pool);
}

const char *cpython_pool_skip_reason(const struct cpython_pool *pool)
{
    return pool->interpreter.skip_reason;
}

const char *cpython_pool_python_version(const struct cpython_pool *pool)
{
    return pool->interpreter.version;
}

const char *cpython_pool_executable(const struct cpython_pool *pool)
{
    return pool->interpreter.executable;
}

const char *cpython_pool_full_version(const struct cpython_pool *pool)
{
    return pool->interpreter.full_version;
}

const char *const *cpython_pool_builtins(const struct cpython_pool *pool)
{
    return (const char *const *)pool->interpreter.builtins;
}

int64_t cpython_pool_worker_pid(const struct cpython_pool *pool, unsigned i)
{
    return i < pool->n_workers ? atomic_load(&pool->workers[i].pid) : -1;
}

uint64_t cpython_pool_peak_bytes(const struct cpython_pool *pool)
{
    uint64_t peak = 0;
    for (unsigned i = 0; i < pool->n_workers; i++)
        peak = MAX(peak, atomic_load(&pool->workers[i].peak_bytes));
    return peak;
}

/* ---- one file -----------------------------------------------------------------------------------------------------
 */

/* How a conversation about a file went. */
enum exchange {
    EXCHANGE_DONE,
    EXCHANGE_ENDED,     /* the worker died */
    EXCHANGE_TIMED_OUT, /* the watchdog bit */
    EXCHANGE_BROKEN,    /* the worker does not keep to the protocol; the error says how */
    EXCHANGE_FAILED,    /* we cannot go on; the error says why */
};

/* answered  layers whose STATUS came
 * why       filled for EXCHANGE_BROKEN and EXCHANGE_FAILED
 */
struct conversation {
    struct cpython_pool *pool;
    struct pool_worker *worker;
    const struct repo_file *file;
    unsigned wanted;
    unsigned answered;
    int64_t deadline_ms;
    struct process_outbox outbox;
    struct protocol_frame frame;
    struct cpython_result *result;
    struct ca_error *why;
};

static enum exchange exchange_of(enum process_io io)
{
    return io == PROCESS_DONE ? EXCHANGE_DONE : io == PROCESS_ENDED ? EXCHANGE_ENDED : EXCHANGE_TIMED_OUT;
}

static enum exchange broken(struct conversation *c, const char *how)
{
    ca_fail(c->why, CA_ERR_WORKER, "worker broke the protocol: %s", how);
    return EXCHANGE_BROKEN;
}

static enum exchange receive(struct conversation *c, void *bytes, size_t n_bytes)
{
    return exchange_of(process_receive(&c->worker->process, &c->outbox, bytes, n_bytes, c->deadline_ms));
}

/* The frame's body into a buffer of its own, which the arrays will share. */
static enum exchange receive_body(struct conversation *c, struct ArrowBuffer *ret)
{
    ArrowBufferInit(ret);
    if (c->frame.n_body > c->pool->memory_limit_bytes) /* more than the worker could hold */
        return broken(c, "a batch of impossible size");
    if (ArrowBufferResize(ret, (int64_t)c->frame.n_body, /*shrink_to_fit=*/0) != 0) {
        ca_fail(c->why, CA_ERR_RESOURCES, "no memory for a batch of %" G_GUINT64_FORMAT " bytes about '%s'",
                (guint64)c->frame.n_body, c->file->entry->path);
        return EXCHANGE_FAILED;
    }
    enum exchange x = receive(c, ret->data, (size_t)c->frame.n_body);
    if (x != EXCHANGE_DONE)
        ArrowBufferReset(ret);
    return x;
}

static enum exchange take_batch(struct conversation *c, const uint8_t *head)
{
    struct cpython_layer_result *layer = &c->result->layers[c->frame.layer];
    if (layer->batch.release != NULL)
        return broken(c, "two batches of one layer");
    struct ArrowBuffer body;
    enum exchange x = receive_body(c, &body);
    if (x != EXCHANGE_DONE)
        return x;
    const struct decode_identity identity = {
        .file_id = c->file->entry->file_id,
        .path = c->file->entry->path,
        .content_id = c->file->content_id.bytes,
        .python_version = c->pool->interpreter.version,
    };
    const struct ArrowBufferView message = {.data = {.as_uint8 = head}, .size_bytes = c->frame.n_head};
    struct ca_error wrong = {.code = CA_OK};
    int rc = decode_batch(&c->worker->layers[c->frame.layer], message, &body, &identity, &layer->batch, &wrong);
    if (rc == CA_OK)
        return EXCHANGE_DONE;
    if (rc == CA_ERR_WORKER)
        return broken(c, wrong.message);
    ca_fail(c->why, rc, "%s", wrong.message);
    return EXCHANGE_FAILED;
}

static enum exchange take_status(struct conversation *c, const uint8_t *head)
{
    struct protocol_status status;
    if (c->frame.n_head < sizeof status || c->frame.n_body != 0)
        return broken(c, "a status of impossible size");
    memcpy(&status, head, sizeof status);
    struct cpython_layer_result *layer = &c->result->layers[c->frame.layer];
    const bool has_batch = layer->batch.release != NULL;
    if (status.outcome > PROTOCOL_FAILED || status.n_facts < 0 || status.start_byte < -1 ||
        status.start_byte > (int64_t)c->file->n_raw || (status.outcome != PROTOCOL_FAILED && !has_batch))
        return broken(c, "a status that makes no sense");
    static const enum cpython_status statuses[] = {CPYTHON_OK, CPYTHON_RECOVERED, CPYTHON_FAILED};
    layer->status = statuses[status.outcome];
    layer->is_budget = status.is_budget != 0;
    layer->start_byte = status.start_byte;
    layer->n_facts = status.n_facts;
    if (status.outcome != PROTOCOL_OK)
        layer->reason =
            g_utf8_make_valid((const char *)head + sizeof status, (gssize)(c->frame.n_head - sizeof status));
    c->answered |= 1u << c->frame.layer;
    return EXCHANGE_DONE;
}

static enum exchange take_end(struct conversation *c, const uint8_t *head)
{
    struct protocol_end end;
    if (c->frame.n_head != sizeof end || c->frame.n_body != 0 || c->answered != c->wanted ||
        c->outbox.first != c->outbox.n_parts)
        return broken(c, "an end before its time");
    memcpy(&end, head, sizeof end);
    if (end.peak_bytes > atomic_load(&c->worker->peak_bytes))
        atomic_store(&c->worker->peak_bytes, end.peak_bytes);
    if (end.is_last != 0)
        worker_stop(c->worker, NULL, NULL);
    return EXCHANGE_DONE;
}

/* One frame; *ret_is_end: it was the last. */
static enum exchange take_frame(struct conversation *c, bool *ret_is_end)
{
    struct protocol_frame *frame = &c->frame;
    enum exchange x = receive(c, frame, sizeof *frame);
    if (x != EXCHANGE_DONE)
        return x;
    if (frame->magic != PROTOCOL_MAGIC || frame->sequence != c->worker->sequence || frame->n_head > PROTOCOL_MAX_HEAD)
        return broken(c, "no frame of ours");
    g_autofree uint8_t *head = g_malloc((gsize)frame->n_head + 1);
    x = receive(c, head, frame->n_head);
    if (x != EXCHANGE_DONE)
        return x;
    *ret_is_end = frame->kind == PROTOCOL_END;
    if (*ret_is_end)
        return take_end(c, head);
    if (frame->layer >= CPYTHON_N_LAYERS || (c->wanted & ~c->answered & (1u << frame->layer)) == 0)
        return broken(c, "a layer that was not asked for");
    if (frame->kind == PROTOCOL_BATCH)
        return take_batch(c, head);
    return frame->kind == PROTOCOL_STATUS ? take_status(c, head) : broken(c, "a frame of unknown kind");
}

/* Ask the worker for the layers in `wanted`. */
static enum exchange converse(struct conversation *c)
{
    const struct repo_file *file = c->file;
    struct protocol_request request = {
        .file_id = file->entry->file_id,
        .layers = c->wanted,
        .n_path = (uint32_t)strlen(file->entry->path),
    };
    memcpy(request.content_id, file->content_id.bytes, sizeof request.content_id);
    struct protocol_frame frame = {
        .magic = PROTOCOL_MAGIC,
        .kind = PROTOCOL_REQUEST,
        .sequence = ++c->worker->sequence,
        .n_head = (uint32_t)(sizeof request + request.n_path),
        .n_body = file->n_raw,
    };
    c->outbox = (struct process_outbox){
        .parts = {{&frame, sizeof frame},
                  {&request, sizeof request},
                  {file->entry->path, request.n_path},
                  {file->raw, file->n_raw}},
        .n_parts = 4,
    };
    c->deadline_ms = process_now_ms() + c->pool->watchdog_ms;
    bool is_end = false;
    enum exchange x = EXCHANGE_DONE;
    while (x == EXCHANGE_DONE && !is_end)
        x = take_frame(c, &is_end);
    /* What a batch without its status says is not to be used. */
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        struct ArrowArray *batch = &c->result->layers[i].batch;
        if ((c->wanted & ~c->answered & (1u << i)) != 0 && batch->release != NULL)
            ArrowArrayRelease(batch);
    }
    return x;
}

static void set_layers(struct cpython_result *result, unsigned layers, enum cpython_status status, bool is_budget,
                       const char *reason)
{
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        if ((layers & (1u << i)) == 0)
            continue;
        struct cpython_layer_result *layer = &result->layers[i];
        layer->status = status;
        layer->is_budget = is_budget;
        layer->start_byte = -1;
        g_free(layer->reason);
        layer->reason = g_strdup(reason);
    }
}

/* A crash on the same bytes comes again; whatever else ends a worker (the system short of memory, above all) came from
 * outside. */
static bool is_crash(int status)
{
    return status != -1 && WIFSIGNALED(status) &&
           (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGFPE);
}

/* How the last exchange ended for the layers that have no status: the words, and whether another run may see it end
 * otherwise. */
static char *describe_exchange(const struct cpython_pool *pool, enum exchange x, int status, const struct ca_error *why,
                               bool *ret_is_budget)
{
    g_autofree char *end = describe_status(status);
    *ret_is_budget = x != EXCHANGE_ENDED || !is_crash(status);
    if (x == EXCHANGE_TIMED_OUT)
        return g_strdup_printf("budget: no answer within %" G_GINT64_FORMAT " ms", (gint64)pool->watchdog_ms);
    if (x == EXCHANGE_BROKEN)
        return g_strdup(why->message);
    return g_strconcat(*ret_is_budget ? "budget: " : "", end, NULL);
}

/* Ask until every layer has a status. */
static int run_file(struct cpython_pool *pool, struct pool_worker *w, const struct repo_file *file, unsigned layers,
                    struct cpython_result *ret, struct ca_error *err)
{
    for (int try = 1; layers != 0; try++) {
        if (w->process.pid < 0)
            CA_TRY(worker_start(pool, w, /* is_opening= */ false, err));
        if (w->process.pid < 0) {
            set_layers(ret, layers, CPYTHON_SKIPPED, /* is_budget= */ true, cpython_pool_given_up(pool));
            return CA_OK;
        }
        struct ca_error why = {.code = CA_OK};
        struct conversation c = {.pool = pool, .worker = w, .file = file, .wanted = layers, .result = ret, .why = &why};
        enum exchange x = converse(&c);
        layers &= ~c.answered;
        if (x == EXCHANGE_DONE)
            return CA_OK;
        int status = -1;
        worker_stop(w, &status, NULL);
        if (x == EXCHANGE_FAILED)
            return ca_fail(err, why.code, "%s", why.message);
        if (x == EXCHANGE_ENDED && try < MAX_TRIES)
            continue;
        bool is_budget = false;
        g_autofree char *reason = describe_exchange(pool, x, status, &why, &is_budget);
        set_layers(ret, layers, CPYTHON_FAILED, is_budget, reason);
        return CA_OK;
    }
    return CA_OK;
}

int cpython_pool_run_file(struct cpython_pool *pool, unsigned worker_index, const struct repo_file *file,
                          unsigned layers, struct cpython_result *ret, struct ca_error *err)
{
    if (worker_index >= pool->n_workers || (layers & ~CPYTHON_ALL_LAYERS) != 0)
        return ca_bug(err, "no such worker or layer");
    if (pool->interpreter.skip_reason != NULL) {
        set_layers(ret, layers, CPYTHON_SKIPPED, false, pool->interpreter.skip_reason);
        return CA_OK;
    }
    if (file->raw == NULL) {
        set_layers(ret, layers, CPYTHON_FAILED, false, file->failure != NULL ? file->failure : "the file was not read");
        return CA_OK;
    }
    return run_file(pool, &pool->workers[worker_index], file, layers, ret, err);
}
