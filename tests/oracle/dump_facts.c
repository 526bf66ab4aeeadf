/* tests/oracle/dump_facts.c — the facts of the CPython layers of some files, as Arrow IPC streams for the oracles
 * beside it.
 *
 *   dump_facts PYTHON WORKER_MODULE N_WORKERS ROOT OUT_DIR < paths
 *
 * Paths are relative to ROOT, one a line. Writes OUT_DIR/ast.arrows, OUT_DIR/symtable.arrows and OUT_DIR/layers.tsv
 * (path, layer, status, start_byte, n_facts, reason). An OUT_DIR of `-` writes nothing, which measures the extraction
 * alone. Totals go to stderr.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <nanoarrow/nanoarrow_ipc.h>

#include "extract/cpython/cpython.h"
#include "position/position.h"

struct output {
    struct ArrowIpcWriter writer;
    struct ArrowArrayView view;
    struct ArrowSchema schema;
};

/* next  index of the first path nobody has taken; guarded, as are the outputs, by lock */
struct dump {
    struct cpython_pool *pool;
    const char *root;
    GPtrArray *paths;
    GMutex lock;
    guint next;
    struct output outputs[CPYTHON_N_LAYERS];
    FILE *layers;
    int64_t n_facts;
    int64_t n_bytes;
};

struct job {
    struct dump *dump;
    unsigned index;
};

static void die(const char *what)
{
    fprintf(stderr, "dump_facts: %s\n", what);
    exit(1);
}

static void output_open(struct output *o, const char *folder, enum cpython_layer layer)
{
    struct ca_error err;
    g_autofree char *path = g_strdup_printf("%s/%s.arrows", folder, cpython_layer_name(layer));
    FILE *file = fopen(path, "wb");
    struct ArrowIpcOutputStream stream;
    if (file == NULL || cpython_layer_schema(layer, &o->schema, &err) != CA_OK ||
        ArrowIpcOutputStreamInitFile(&stream, file, /*close_on_release=*/1) != 0 ||
        ArrowIpcWriterInit(&o->writer, &stream) != 0 || ArrowIpcWriterWriteSchema(&o->writer, &o->schema, NULL) != 0 ||
        ArrowArrayViewInitFromSchema(&o->view, &o->schema, NULL) != 0)
        die(path);
}

static void output_close(struct output *o)
{
    if (ArrowIpcWriterWriteArrayView(&o->writer, NULL, NULL) != 0)
        die("cannot write the end of a stream");
    ArrowIpcWriterReset(&o->writer);
    ArrowArrayViewReset(&o->view);
    ArrowSchemaRelease(&o->schema);
}

static void write_result(struct dump *d, const char *path, struct cpython_result *result)
{
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        struct cpython_layer_result *layer = &result->layers[i];
        struct output *o = &d->outputs[i];
        d->n_facts += layer->n_facts;
        if (d->layers == NULL)
            continue;
        g_autofree char *reason = g_strescape(layer->reason != NULL ? layer->reason : "", NULL);
        fprintf(d->layers, "%s\t%s\t%s\t%" G_GINT64_FORMAT "\t%" G_GINT64_FORMAT "\t%s\n", path,
                cpython_layer_name((enum cpython_layer)i), cpython_status_name(layer->status),
                (gint64)layer->start_byte, (gint64)layer->n_facts, reason);
        if (layer->batch.release != NULL && (ArrowArrayViewSetArray(&o->view, &layer->batch, NULL) != 0 ||
                                             ArrowIpcWriterWriteArrayView(&o->writer, &o->view, NULL) != 0))
            die("cannot write a batch");
    }
}

static void run_path(struct dump *d, unsigned index, char *path)
{
    g_autofree char *full = g_build_filename(d->root, path, NULL);
    gchar *raw = NULL;
    gsize n_raw = 0;
    if (!g_file_get_contents(full, &raw, &n_raw, NULL))
        die(full);
    struct repo_entry entry = {.path = path, .file_id = position_file_id("repo", 4, path, strlen(path))};
    struct repo_file file = {
        .entry = &entry,
        .raw = (uint8_t *)raw,
        .n_raw = n_raw,
        .content_id = position_content_id(raw, n_raw),
    };
    struct cpython_result result = {0};
    struct ca_error err;
    if (cpython_pool_run_file(d->pool, index, &file, CPYTHON_ALL_LAYERS, &result, &err) != CA_OK)
        die(err.message);
    g_mutex_lock(&d->lock);
    d->n_bytes += (int64_t)n_raw;
    write_result(d, path, &result);
    g_mutex_unlock(&d->lock);
    cpython_result_done(&result);
    g_free(raw);
}

static gpointer run(gpointer data)
{
    struct job *job = data;
    struct dump *d = job->dump;
    for (;;) {
        g_mutex_lock(&d->lock);
        guint i = d->next++;
        g_mutex_unlock(&d->lock);
        if (i >= d->paths->len)
            return NULL;
        run_path(d, job->index, d->paths->pdata[i]);
    }
}

static double cpu_seconds(int who)
{
    struct rusage u;
    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        die("usage: dump_facts PYTHON WORKER_MODULE N_WORKERS ROOT OUT_DIR < paths");
    const gint64 start_us = g_get_monotonic_time();
    struct dump d = {.root = argv[4], .paths = g_ptr_array_new_with_free_func(g_free)};
    const bool is_writing = strcmp(argv[5], "-") != 0;
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t n; (n = getline(&line, &capacity, stdin)) > 0;)
        g_ptr_array_add(d.paths, g_strndup(line, (gsize)(line[n - 1] == '\n' ? n - 1 : n)));
    free(line);

    struct ca_error err;
    struct cpython_options options = {
        .python = argv[1],
        .worker_module_path = argv[2],
        .n_workers = (unsigned)g_ascii_strtoull(argv[3], NULL, 10),
    };
    if (cpython_pool_open(&options, &d.pool, &err) != CA_OK)
        die(err.message);
    if (cpython_pool_skip_reason(d.pool) != NULL)
        die(cpython_pool_skip_reason(d.pool));
    if (is_writing) {
        g_autofree char *path = g_build_filename(argv[5], "layers.tsv", NULL);
        d.layers = fopen(path, "w");
        if (d.layers == NULL)
            die(path);
        for (int i = 0; i < CPYTHON_N_LAYERS; i++)
            output_open(&d.outputs[i], argv[5], (enum cpython_layer)i);
    }

    g_autofree struct job *jobs = g_new0(struct job, options.n_workers);
    g_autofree GThread **threads = g_new0(GThread *, options.n_workers);
    for (unsigned i = 0; i < options.n_workers; i++) {
        jobs[i] = (struct job){.dump = &d, .index = i};
        threads[i] = g_thread_new("dump", run, &jobs[i]);
    }
    for (unsigned i = 0; i < options.n_workers; i++)
        g_thread_join(threads[i]);

    if (is_writing) {
        for (int i = 0; i < CPYTHON_N_LAYERS; i++)
            output_close(&d.outputs[i]);
        fclose(d.layers);
    }
    const uint64_t peak = cpython_pool_peak_bytes(d.pool);
    cpython_pool_close(d.pool);
    fprintf(stderr,
            "files %u, bytes %" G_GINT64_FORMAT ", facts %" G_GINT64_FORMAT ", wall %.2f s, workers' CPU %.2f s, "
            "host's CPU %.2f s, worker's peak %" G_GUINT64_FORMAT " KiB\n",
            d.paths->len, (gint64)d.n_bytes, (gint64)d.n_facts, (double)(g_get_monotonic_time() - start_us) / 1e6,
            cpu_seconds(RUSAGE_CHILDREN), cpu_seconds(RUSAGE_SELF), (guint64)(peak / 1024));
    g_ptr_array_free(d.paths, TRUE);
    return 0;
}
