/* write.c — `codeanatomy write NAME FILE [REPO]`: rows of a file into a dataset, through its contract. */
#include <errno.h>
#include <glib.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "interrupt.h"
#include "options.h"

/* The engine's names of formats, by the suffix of a file or as --from says. */
static const struct {
    const char *name;
    const char *suffixes;
    const char *stored_as;
} formats[] = {
    {"parquet", ".parquet", "PARQUET"},
    {"arrow", ".arrow .feather .ipc", "ARROW"},
    {"csv", ".csv", "CSV"},
    {"ndjson", ".ndjson .jsonl", "JSON"},
    {"avro", ".avro", "AVRO"},
};
#define FORMATS "parquet|arrow|csv|ndjson|avro"

enum { SPOOL_CHUNK_BYTES = 64 << 10 };

/* spooled   the file that standard input was copied to; NULL: none */
struct writing {
    const char *name;
    const char *file;
    char *spooled;
    const char *from;
    bool is_overwrite;
};

static const struct option_spec specs[] = {
    {"from", 0, OPTION_CHOICE, FORMATS, offsetof(struct writing, from), NULL,
     "the format of FILE (default: by its suffix)"},
    {"overwrite", 0, OPTION_FLAG, NULL, offsetof(struct writing, is_overwrite), NULL,
     "put the rows in the place of all that are there (default: append)"},
};

static bool is_standard_input(const struct writing *w)
{
    return strcmp(w->file, "-") == 0;
}

static int copy_input(int to, struct ca_error *err)
{
    const struct output out = {.fd = to};
    g_autofree char *chunk = g_malloc(SPOOL_CHUNK_BYTES);
    for (;;) {
        ssize_t n = read(STDIN_FILENO, chunk, SPOOL_CHUNK_BYTES);
        if (interrupt_seen())
            return cli_fail(err, CA_ERR_CANCELED, "canceled while standard input was read");
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cli_fail_errno(err, CA_ERR_IO, errno, "cannot read standard input");
        if (n == 0)
            return CA_OK;
        int rc = output_write(&out, chunk, (size_t)n, err);
        if (rc != CA_OK)
            return rc;
    }
}

/* Parquet is read from its end, and columns are inferred before rows are read: every format is read twice. */
static int spool(struct writing *w, struct ca_error *err)
{
    g_autoptr(GError) why = NULL;
    int fd = g_file_open_tmp("codeanatomy-XXXXXX", &w->spooled, &why);
    if (fd < 0)
        return cli_fail(err, CA_ERR_IO, "cannot copy standard input: %s", why->message);
    int rc = copy_input(fd, err);
    close(fd);
    return rc;
}

static int format_of(const struct writing *w, const char **ret, struct ca_error *err)
{
    const char *suffix = strrchr(w->file, '.');
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_auto(GStrv) suffixes = g_strsplit(formats[i].suffixes, " ", -1);
        bool is_said = w->from != NULL && strcmp(w->from, formats[i].name) == 0;
        bool is_shown = w->from == NULL && suffix != NULL && g_strv_contains((const char *const *)suffixes, suffix);
        if (is_said || is_shown) {
            *ret = formats[i].stored_as;
            return CA_OK;
        }
    }
    return cli_fail(err, CA_ERR_INVALID, "the name of '%s' does not say its format: say it with --from",
                    is_standard_input(w) ? "standard input" : w->file);
}

/* In the session's private schema: nothing is kept of its columns. */
#define SCRATCH "\"session\".\"memory\".\"file_to_write\""

/* The rows of the file, whatever its suffix, as a table of the session's own shows them. */
static int open_file(ca_session *s, struct writing *w, struct ArrowArrayStream *ret, struct ca_error *err)
{
    const char *stored_as = NULL;
    struct ArrowArrayStream none = {0};
    int rc = format_of(w, &stored_as, err);
    if (rc != CA_OK)
        return rc;
    if (is_standard_input(w))
        rc = spool(w, err);
    else if (!g_file_test(w->file, G_FILE_TEST_EXISTS))
        rc = cli_fail(err, CA_ERR_IO, "there is no file '%s'", w->file);
    if (rc != CA_OK)
        return rc;
    g_autofree char *path = g_canonicalize_filename(w->spooled != NULL ? w->spooled : w->file, NULL);
    g_auto(GStrv) parts = g_strsplit(path, "'", -1);
    g_autofree char *quoted = g_strjoinv("''", parts);
    g_autofree char *sql = g_strdup_printf("CREATE EXTERNAL TABLE " SCRATCH " STORED AS %s LOCATION '%s' "
                                           "OPTIONS ('scan.file_extension' '')",
                                           stored_as, quoted);
    rc = ca_query(s, sql, NULL, NULL, &none, err);
    if (rc != CA_OK)
        return rc;
    none.release(&none);
    return ca_query(s, "SELECT * FROM " SCRATCH, NULL, NULL, ret, err);
}

/* Rows in memory end with their session, which is this command. */
static int refuse_memory(ca_dataset *d, const struct writing *w, struct ca_error *err)
{
    g_autoptr(GString) text = g_string_new(NULL);
    int rc = ca_dataset_metadata(d, answer_take_text, text, err);
    if (rc != CA_OK)
        return rc;
    json_t *metadata = json_loads(text->str, 0, NULL);
    const char *format = json_string_value(json_object_get(metadata, "format"));
    bool is_memory = g_strcmp0(format, "memory") == 0;
    json_decref(metadata);
    if (!is_memory)
        return CA_OK;
    return cli_fail(err, CA_ERR_INVALID,
                    "rows of '%s' are in memory and would be gone when this command ends: INSERT them in the session "
                    "that reads them (codeanatomy sql --write)",
                    w->name);
}

static int write_rows(ca_session *s, const struct output *out, void *data, struct ca_error *err)
{
    struct writing *w = data;
    struct ArrowArrayStream rows = {0};
    ca_dataset *d = NULL;
    int64_t n_rows = 0;
    ca_cancel *cancel = interrupt_begin();
    int rc = ca_dataset_open(s, w->name, &d, err);
    if (rc == CA_OK)
        rc = refuse_memory(d, w, err);
    if (rc == CA_OK)
        rc = open_file(s, w, &rows, err);
    if (rc == CA_OK)
        rc = ca_dataset_write(d, &rows, w->is_overwrite ? CA_WRITE_OVERWRITE : CA_WRITE_APPEND, cancel, &n_rows, err);
    ca_dataset_close(d);
    interrupt_end();
    if (w->spooled != NULL)
        unlink(w->spooled);
    if (rc != CA_OK)
        return rc;
    g_autofree char *sql = g_strdup_printf("SELECT CAST(%" G_GINT64_FORMAT " AS BIGINT) AS n_rows", n_rows);
    return ca_query_write(s, sql, NULL, NULL, out->format, out->fd, out->width, NULL, err);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct store_flags store = {0};
    struct output_flags output = {0};
    struct writing w = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {
        {"Write", specs, G_N_ELEMENTS(specs), &w},
        output_group(&output),
        store_group(&store),
        options_common(cli),
    };
    const struct option_page page = {
        .command = "write",
        .usage = "[options] NAME FILE [REPO]",
        .about = "Write the rows of a file ('-': standard input, with --from) into a dataset: columns are matched by "
                 "name and aligned to the contract, "
                 "what is lacking is completed by its default, and every row passes the gate that INSERT passes. All "
                 "or nothing; published as a run. NAME is a dataset or a handle, also of a location "
                 "(dataset://NAME#LOCATION). Answers how many rows were written.",
        .examples = "  codeanatomy write sales_v1 sales.parquet --datasets own\n"
                    "  produce | codeanatomy write --from ndjson sales_v1 -\n"
                    "  codeanatomy write --overwrite 'dataset://sales_v1#archive' 2025.csv --datasets own\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .operand = "NAME or FILE",
        .min_operands = 2,
        .max_operands = 3,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code)) {
        w.name = operands[0];
        w.file = operands[1];
        code = answer_run_writing(cli, &store, &output, operands[2], write_rows, &w);
    }
    store_flags_done(&store);
    g_free(w.spooled);
    return code;
}

const struct cli_command write_command = {"write", "write the rows of a file into a dataset", run};
