/* tests/oracle/dump_cst.c — what the treesitter extractor says about files, as Arrow IPC streams for compare_cst.py.
 *
 *     dump_cst ROOT CST.arrow [TREE_SITTER.arrow] < PATHS
 *
 * PATHS: one path a line, relative to ROOT. Status lines (path, layer, status, reason) of the files that are not ok go
 * to stdout; a summary with times goes to stderr. Files are read here, without the repo room: UTF-8 with or without
 * BOM, or latin-1 where a cookie in the first two lines says so; whatever else does not decode is given to the
 * extractor as that.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <nanoarrow/nanoarrow_ipc.h>

#include "extract/treesitter/treesitter.h"
#include "rows/gen/libcst_files_v1.h"
#include "rows/gen/tree_sitter_files_v1.h"

#define BATCH_BYTES (64 << 20)

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "dump_cst: %s: %s\n", what, why);
    exit(1);
}

struct output {
    FILE *file;
    struct ArrowIpcWriter writer;
    struct ArrowSchema schema;
};

static void output_open(struct output *o, const char *path, int (*schema)(struct ArrowSchema *))
{
    struct ArrowIpcOutputStream stream;
    struct ArrowError error;
    *o = (struct output){.file = fopen(path, "wb")};
    if (o->file == NULL)
        die(path, strerror(errno));
    if (schema(&o->schema) != 0 || ArrowIpcOutputStreamInitFile(&stream, o->file, 0) != 0 ||
        ArrowIpcWriterInit(&o->writer, &stream) != 0 || ArrowIpcWriterWriteSchema(&o->writer, &o->schema, &error) != 0)
        die(path, "cannot start the stream");
}

static void output_write(struct output *o, struct ArrowArray *array)
{
    struct ArrowArrayView view;
    struct ArrowError error;
    if (ArrowArrayViewInitFromSchema(&view, &o->schema, &error) != 0 ||
        ArrowArrayViewSetArray(&view, array, &error) != 0 ||
        ArrowIpcWriterWriteArrayView(&o->writer, &view, &error) != 0)
        die("write", error.message);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(array);
}

static void output_close(struct output *o)
{
    struct ArrowError error;
    if (ArrowIpcWriterWriteArrayView(&o->writer, NULL, &error) != 0)
        die("close", error.message);
    ArrowIpcWriterReset(&o->writer);
    ArrowSchemaRelease(&o->schema);
    (void)fclose(o->file);
}

static bool has_latin1_cookie(const uint8_t *raw, size_t n_bytes)
{
    size_t n_lines = 0;
    size_t end = 0;
    while (end < n_bytes && n_lines < 2)
        n_lines += raw[end++] == '\n';
    g_autofree char *head = g_strndup((const char *)raw, end);
    return g_regex_match_simple("^[ \t\f]*#.*?coding[:=][ \t]*(latin-?1|iso-?8859-1)\\b", head,
                                G_REGEX_MULTILINE | G_REGEX_CASELESS, 0);
}

static void load(struct repo_file *file, const char *full_path)
{
    char *contents = NULL;
    gsize n_bytes = 0;
    if (!g_file_get_contents(full_path, &contents, &n_bytes, NULL)) {
        file->failure = g_strdup("cannot be read");
        return;
    }
    file->raw = (uint8_t *)contents;
    file->n_raw = n_bytes;
    file->content_id = position_content_id(contents, n_bytes);
    file->has_bom = n_bytes >= 3 && memcmp(contents, "\xEF\xBB\xBF", 3) == 0;
    file->error_byte = -1;
    if (has_latin1_cookie(file->raw, n_bytes)) {
        file->map = position_map_new_empty(0);
        GString *text = g_string_new(NULL);
        for (size_t i = 0; i < n_bytes; i++) {
            g_string_append_unichar(text, file->raw[i]);
            if (!position_map_append(file->map, file->raw[i], 1))
                die(full_path, "out of memory");
        }
        if (!position_map_finish(file->map))
            die(full_path, "out of memory");
        file->n_text = text->len;
        file->owned_text = (uint8_t *)g_string_free(text, FALSE);
        file->text = file->owned_text;
        return;
    }
    file->map = position_map_new_utf8(file->raw, n_bytes, &file->error_byte);
    if (file->map == NULL)
        file->decode_error = g_strdup("not UTF-8");
    file->text = file->raw + (file->has_bom ? 3 : 0);
    file->n_text = n_bytes - (file->has_bom ? 3 : 0);
}

static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void print_layer(const char *path, const char *name, const struct treesitter_layer *layer)
{
    static const char *const words[] = {"ok", "recovered", "failed"};
    if (layer->status != TREESITTER_OK)
        (void)printf("%s\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\n", path, name, words[layer->status], layer->reason,
                     layer->start_byte, layer->n_facts);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        die("usage", "dump_cst ROOT CST.arrow [TREE_SITTER.arrow] < PATHS");
    struct ca_error err = {0};
    struct treesitter *t = NULL;
    struct tree_sitter_files_v1 *ts = NULL;
    struct libcst_files_v1 *cst = NULL;
    if (treesitter_new(&t, &err) != CA_OK)
        die("treesitter_new", err.message);
    if (tree_sitter_files_v1_new(&ts) != 0 || libcst_files_v1_new(&cst) != 0)
        die("builders", "out of memory");
    struct output cst_output;
    struct output ts_output;
    output_open(&cst_output, argv[2], libcst_files_v1_schema);
    if (argc > 3)
        output_open(&ts_output, argv[3], tree_sitter_files_v1_schema);

    int64_t n_files = 0;
    int64_t n_bytes = 0;
    int64_t n_nodes = 0;
    int64_t n_facts = 0;
    double seconds = 0;
    char *line = NULL;
    size_t n_allocated = 0;
    for (ssize_t n; (n = getline(&line, &n_allocated, stdin)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = '\0';
        g_autofree char *full_path = g_build_filename(argv[1], line, NULL);
        struct repo_entry entry = {
            .path = line, .os_path = line, .file_id = position_file_id("repo", 4, line, strlen(line))};
        struct repo_file file = {.entry = &entry};
        load(&file, full_path);
        struct treesitter_result result;
        double start = cpu_seconds();
        if (treesitter_extract(t, &file, ts, cst, &result, &err) != CA_OK)
            die(line, err.message);
        seconds += cpu_seconds() - start;
        print_layer(line, "tree_sitter", &result.tree_sitter);
        print_layer(line, "libcst", &result.libcst);
        n_files++;
        n_bytes += (int64_t)file.n_raw;
        n_nodes += result.tree_sitter.n_facts;
        n_facts += result.libcst.n_facts;
        if (libcst_files_v1_n_bytes(cst) > BATCH_BYTES || tree_sitter_files_v1_n_bytes(ts) > BATCH_BYTES) {
            struct ArrowArray array;
            if (libcst_files_v1_take(cst, &array) != 0)
                die("take", "libcst");
            output_write(&cst_output, &array);
            if (tree_sitter_files_v1_take(ts, &array) != 0)
                die("take", "tree_sitter");
            if (argc > 3)
                output_write(&ts_output, &array);
            else
                ArrowArrayRelease(&array);
        }
        free(file.raw);
        g_free(file.owned_text);
        g_free(file.decode_error);
        g_free(file.failure);
        position_map_free(file.map);
    }
    struct ArrowArray array;
    if (libcst_files_v1_take(cst, &array) != 0)
        die("take", "libcst");
    output_write(&cst_output, &array);
    if (tree_sitter_files_v1_take(ts, &array) != 0)
        die("take", "tree_sitter");
    if (argc > 3) {
        output_write(&ts_output, &array);
        output_close(&ts_output);
    } else {
        ArrowArrayRelease(&array);
    }
    output_close(&cst_output);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)fprintf(stderr,
                  "%" PRId64 " files, %" PRId64 " bytes, %" PRId64 " nodes, %" PRId64
                  " facts (longest lists), %.2f s CPU in the extractor, peak %ld MiB\n",
                  n_files, n_bytes, n_nodes, n_facts, seconds, usage.ru_maxrss / 1024);
    free(line);
    libcst_files_v1_free(cst);
    tree_sitter_files_v1_free(ts);
    treesitter_free(t);
    return 0;
}
