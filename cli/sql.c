/* sql.c — `codeanatomy sql`: statements from -c, -f, standard input, or an interactive session. */
#include "codeanatomy/codeanatomy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "options.h"
#include "output.h"
#include "params.h"
#include "repl.h"
#include "store.h"

#define SQL_MAX_BYTES (64 << 20)

/* texts   pairs: "command" and SQL, or "file" and a path, in the order of the command line */
struct sql_flags {
    GPtrArray *texts;
    GPtrArray *params;
    GPtrArray *param_tables;
    bool is_writable;
};

static const struct option_spec specs[] = {
    {"command", 'c', OPTION_PAIRS, "SQL", offsetof(struct sql_flags, texts), NULL,
     "run these statements; may be repeated and mixed with -f, in the order given"},
    {"file", 'f', OPTION_PAIRS, "FILE", offsetof(struct sql_flags, texts), NULL,
     "run the statements of FILE, '-' is standard input; may be repeated"},
    {"param", 'p', OPTION_LIST, "NAME=VALUE", offsetof(struct sql_flags, params), NULL,
     "bind $NAME, in every statement; the type is what VALUE looks like, or said by NAME:TYPE=VALUE with int, float, "
     "bool, "
     "text; may be repeated"},
    {"param-table", 0, OPTION_LIST, "NAME=QUERY", offsetof(struct sql_flags, param_tables), NULL,
     "the rows of parameter table params.NAME, here p_file_ids or one of your own; may be repeated"},
    {"write", 'w', OPTION_FLAG, NULL, offsetof(struct sql_flags, is_writable), NULL,
     "allow statements that change something, and publish what they write; one writer a store (default: the session is "
     "read-only)"},
};

/* Read `fd` to its end. */
static int read_all(int fd, const char *name, GString *out, struct ca_error *err)
{
    char chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cli_fail_errno(err, CA_ERR_IO, errno, "cannot read '%s'", name);
        if (n == 0)
            break;
        g_string_append_len(out, chunk, n);
        if (out->len > SQL_MAX_BYTES)
            return cli_fail(err, CA_ERR_RESOURCES, "'%s' is larger than SQL_MAX_BYTES, %d bytes", name, SQL_MAX_BYTES);
    }
    const char *bad = NULL;
    if (memchr(out->str, '\0', out->len) != NULL)
        return cli_fail(err, CA_ERR_SYNTAX, "'%s' has a NUL byte in it", name);
    if (!g_utf8_validate(out->str, (gssize)out->len, &bad))
        return cli_fail(err, CA_ERR_SYNTAX, "'%s' is not UTF-8 at byte %td", name, bad - out->str);
    return CA_OK;
}

static int read_file(const char *path, GString *out, struct ca_error *err)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_fail_errno(err, CA_ERR_IO, errno, "cannot read '%s'", path);
    int rc = read_all(fd, path, out, err);
    close(fd);
    return rc;
}

static void take_statement(void *data, const char *text, size_t n_bytes)
{
    g_ptr_array_add(data, g_strndup(text, n_bytes));
}

/* All statements of the command line, or of standard input when it has none. */
static int collect(const GPtrArray *texts, GPtrArray *statements, struct ca_error *err)
{
    guint n = texts != NULL ? texts->len : 0;
    int rc = CA_OK;
    for (guint i = 0; i < n && rc == CA_OK; i += 2) {
        g_autoptr(GString) text = g_string_new(NULL);
        if (strcmp(texts->pdata[i], "command") == 0)
            g_string_append(text, texts->pdata[i + 1]);
        else
            rc = read_file(texts->pdata[i + 1], text, err);
        if (rc == CA_OK)
            rc = ca_sql_split(text->str, take_statement, statements, err);
    }
    if (n == 0) {
        g_autoptr(GString) text = g_string_new(NULL);
        rc = read_all(STDIN_FILENO, "standard input", text, err);
        if (rc == CA_OK)
            rc = ca_sql_split(text->str, take_statement, statements, err);
    }
    return rc;
}

/* A file, and a format with a head and a foot, holds one answer. */
static int check_output(const struct output_flags *flags, const struct output *out, guint n_statements,
                        struct ca_error *err)
{
    bool is_single = flags->file != NULL || strcmp(out->format, "arrow") == 0 || strcmp(out->format, "parquet") == 0;
    if (!is_single || n_statements == 1)
        return CA_OK;
    if (flags->file != NULL)
        return cli_fail(err, CA_ERR_INVALID, "-o holds the answer of one statement, not of %u", n_statements);
    return cli_fail(err, CA_ERR_INVALID, "format '%s' holds the answer of one statement, not of %u", out->format,
                    n_statements);
}

/* Open the session and run the statements one after the other; the first that fails ends it. Returns a ca_status. */
static int run_statements(struct cli *cli, const struct sql_flags *flags, const struct store_flags *store,
                          const struct params *params, const char *repository, const GPtrArray *statements,
                          const struct output *out, ca_cancel *cancel, struct ca_error *err)
{
    struct ca_params room;
    ca_session *s = NULL;
    int rc = store_open_session(cli, store, repository, flags->is_writable, &s, err);
    if (rc == CA_OK)
        rc = params_set_tables(s, flags->param_tables, err);
    for (guint i = 0; i < statements->len && rc == CA_OK; i++)
        rc = ca_query_write(s, statements->pdata[i], params_borrow(params, &room), cancel, out->format, out->fd,
                            out->width, NULL, err);
    ca_session_close(s);
    return rc;
}

static int run_batch(struct cli *cli, const struct sql_flags *flags, const struct store_flags *store,
                     const struct output_flags *output, const struct params *params, const char *repository)
{
    struct ca_error err = {0};
    struct output out;
    g_autoptr(GPtrArray) statements = g_ptr_array_new_with_free_func(g_free);
    if (collect(flags->texts, statements, &err) != CA_OK)
        return cli_report(cli, &err);
    if (output_open(output, &out, &err) != CA_OK)
        return cli_report(cli, &err);
    ca_cancel *cancel = interrupt_begin();
    int rc = check_output(output, &out, statements->len, &err);
    if (rc == CA_OK)
        rc = run_statements(cli, flags, store, params, repository, statements, &out, cancel, &err);
    int code = rc == CA_OK ? CLI_OK : output_report(cli, &out, &err);
    if (output_close(&out, rc, &err) != CA_OK && rc == CA_OK)
        code = cli_report(cli, &err);
    interrupt_end();
    return code;
}

static int run_interactive(struct cli *cli, const struct sql_flags *flags, const struct store_flags *store,
                           const struct output_flags *output, const struct params *params, const char *repository)
{
    struct ca_error err = {0};
    struct output out;
    ca_session *s = NULL;
    int rc = CA_OK;
    if (output->file != NULL)
        rc = cli_fail(&err, CA_ERR_INVALID, "-o needs a statement: add -c or -f");
    if (rc == CA_OK)
        rc = output_open(output, &out, &err);
    if (rc == CA_OK)
        rc = store_open_session(cli, store, repository, flags->is_writable, &s, &err);
    if (rc == CA_OK)
        rc = params_set_tables(s, flags->param_tables, &err);
    if (rc != CA_OK) {
        ca_session_close(s);
        return cli_report(cli, &err);
    }
    struct ca_params room;
    struct repl repl = {
        .cli = cli,
        .session = s,
        .params = params_borrow(params, &room),
        .format = out.format,
    };
    int code = repl_run(&repl);
    output_close(&out, CA_OK, NULL);
    ca_session_close(s);
    return code;
}

static int sql(struct cli *cli, const struct sql_flags *flags, const struct store_flags *store,
               const struct output_flags *output, const char *repository)
{
    struct ca_error err = {0};
    struct params params;
    if (params_init(&params, flags->params, &err) != CA_OK)
        return cli_report(cli, &err);
    bool is_interactive = flags->texts == NULL && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int code = is_interactive ? run_interactive(cli, flags, store, output, &params, repository)
                              : run_batch(cli, flags, store, output, &params, repository);
    params_done(&params);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct sql_flags flags = {0};
    struct store_flags store = {0};
    struct output_flags output = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {
        {"Query", specs, G_N_ELEMENTS(specs), &flags},
        output_group(&output),
        store_group(&store),
        options_common(cli),
    };
    const struct option_page page = {
        .command = "sql",
        .usage = "[options] [REPO]",
        .about =
            "Ask questions in SQL. Statements come from -c and -f, else from standard input; on a terminal a session "
            "with history starts (.help lists its commands). The first statement that fails ends the rest.",
        .examples =
            "  codeanatomy sql -c 'SELECT path, layer, reason FROM file_layers_v1 WHERE status = '\\''failed'\\'''\n"
            "  codeanatomy sql -p layer=ast -c 'SELECT * FROM file_layers_v1 WHERE layer = $layer' -o ast.parquet\n"
            "  codeanatomy sql --format ndjson -f report.sql path/to/repo | jq .\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = 1,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = sql(cli, &flags, &store, &output, operands[0]);
    g_clear_pointer(&flags.texts, g_ptr_array_unref);
    g_clear_pointer(&flags.params, g_ptr_array_unref);
    g_clear_pointer(&flags.param_tables, g_ptr_array_unref);
    store_flags_done(&store);
    return code;
}

const struct cli_command sql_command = {"sql", "ask questions in SQL, or start a session", run};
