/* repl.c — see repl.h. Editing and history are libedit's. */
#include "repl.h"

#include <errno.h>
#include <glib.h>
#include <histedit.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "answer.h"
#include "interrupt.h"
#include "options.h"
#include "output.h"

#define HISTORY_SIZE 2000

/* el      what the prompt callback finds its editor by
 * text    the lines of a statement that is not complete yet */
struct editor {
    EditLine *el;
    History *history;
    char *history_path;
    GString *text;
};

/* ---- answers --------------------------------------------------------------------------------------------------- */

/* Say how a call ended; a cancelled one is what the user wanted. */
static void say_end(struct repl *r, int rc, int64_t n_rows, gint64 start_us, const struct ca_error *err)
{
    struct talk *t = &r->cli->talk;
    if (rc == CA_ERR_CANCELED)
        talk_plain(t, "%scanceled%s", talk_style(t, TALK_DIM), talk_style(t, TALK_PLAIN));
    else if (rc != CA_OK)
        talk_error(t, err->message);
    else if (!r->cli->is_quiet)
        talk_plain(t, "%s%" PRId64 " %s, %.3f s%s", talk_style(t, TALK_DIM), n_rows, n_rows == 1 ? "row" : "rows",
                   (double)(g_get_monotonic_time() - start_us) / 1e6, talk_style(t, TALK_PLAIN));
}

/* Returns whether the statements typed behind this one shall run. */
static bool run_statement(struct repl *r, const char *sql)
{
    struct ca_error err = {0};
    int64_t n_rows = 0;
    gint64 start_us = g_get_monotonic_time();
    ca_cancel *cancel = interrupt_begin();
    int rc = ca_query_write(r->session, sql, r->params, cancel, r->format, STDOUT_FILENO, talk_width(STDOUT_FILENO),
                            &n_rows, &err);
    interrupt_end();
    say_end(r, rc, n_rows, start_us, &err);
    return rc == CA_OK;
}

/* The rows of a catalog helper; `rc` is how making them ended. */
static void show_rows(struct repl *r, int rc, struct ArrowArrayStream *rows, struct ca_error *err)
{
    int64_t n_rows = 0;
    gint64 start_us = g_get_monotonic_time();
    if (rc == CA_OK)
        rc = ca_stream_write(rows, r->format, STDOUT_FILENO, talk_width(STDOUT_FILENO), &n_rows, err);
    say_end(r, rc, n_rows, start_us, err);
}

/* ---- commands of the session ----------------------------------------------------------------------------------- */

static bool do_tables(struct repl *r, const char *argument G_GNUC_UNUSED)
{
    struct ca_error err = {0};
    struct ArrowArrayStream rows = {0};
    show_rows(r, ca_tables(r->session, &rows, &err), &rows, &err);
    return true;
}

static bool do_describe(struct repl *r, const char *argument)
{
    struct ca_error err = {0};
    struct ArrowArrayStream rows = {0};
    if (argument[0] == '\0')
        talk_error(&r->cli->talk, ".describe needs a name or a query");
    else
        show_rows(r, ca_describe(r->session, argument, &rows, &err), &rows, &err);
    return true;
}

static bool do_d(struct repl *r, const char *argument)
{
    return argument[0] == '\0' ? do_tables(r, argument) : do_describe(r, argument);
}

static bool do_ddl(struct repl *r, const char *argument)
{
    struct ca_error err = {0};
    g_autoptr(GString) text = g_string_new(NULL);
    if (ca_ddl(r->session, argument[0] != '\0' ? argument : NULL, answer_take_text, text, &err) != CA_OK)
        talk_error(&r->cli->talk, err.message);
    else
        output_print(r->cli, text->str, text->len);
    return true;
}

/* The name is looked up in the list of formats so that a constant is kept and not the line that is typed. */
static bool do_format(struct repl *r, const char *argument)
{
    static const char *const names[] = {"table", "json", "ndjson", "csv", "tsv"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(argument, names[i]) == 0) {
            r->format = names[i];
            return true;
        }
    talk_error(&r->cli->talk, ".format takes table, json, ndjson, csv or tsv");
    return true;
}

static bool do_refresh(struct repl *r, const char *argument G_GNUC_UNUSED)
{
    struct ca_error err = {0};
    if (ca_session_refresh(r->session, &err) != CA_OK)
        talk_error(&r->cli->talk, err.message);
    return true;
}

static void say_registered(void *data, const char *text, size_t n_bytes)
{
    struct repl *r = data;
    if (!r->cli->is_quiet)
        talk_plain(&r->cli->talk, "registered %.*s", (int)n_bytes, text);
}

static bool do_register(struct repl *r, const char *argument)
{
    struct ca_error err = {0};
    if (argument[0] == '\0')
        talk_error(&r->cli->talk, ".register needs a contract file or a folder of datasets");
    else if (ca_dataset_register(r->session, &argument, 1, say_registered, r, &err) != CA_OK)
        talk_error(&r->cli->talk, err.message);
    return true;
}

static bool do_quit(struct repl *r G_GNUC_UNUSED, const char *argument G_GNUC_UNUSED)
{
    return false;
}

static bool do_help(struct repl *r, const char *argument);

/* run returns false to leave */
static const struct {
    const char *name;
    const char *alias;
    const char *argument;
    const char *help;
    bool (*run)(struct repl *r, const char *argument);
} commands[] = {
    {".tables", NULL, "", "list datasets and views", do_tables},
    {".describe", NULL, "NAME|QUERY", "columns of a dataset, a view or a query", do_describe},
    {"\\d", NULL, "[NAME]", "the one or the other", do_d},
    {".ddl", NULL, "[NAME]", "DDL of one or of all", do_ddl},
    {".format", NULL, "NAME", "format of answers: table, json, ndjson, csv, tsv", do_format},
    {".register", NULL, "PATH", "add the contract of a file, or those of a folder of datasets", do_register},
    {".refresh", NULL, "", "read the newest published run from now on", do_refresh},
    {".help", "\\?", "", "show this", do_help},
    {".quit", "\\q", "", "leave, as Ctrl-D", do_quit},
};

static bool do_help(struct repl *r, const char *argument G_GNUC_UNUSED)
{
    g_autoptr(GString) out = g_string_new("A statement ends with ';' and may take several lines. Ctrl-C cancels.\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *head =
            g_strdup_printf("%s%s%s %s", commands[i].name, commands[i].alias != NULL ? ", " : "",
                            commands[i].alias != NULL ? commands[i].alias : "", commands[i].argument);
        g_string_append_printf(out, "  %-22s %s\n", head, commands[i].help);
    }
    output_print(r->cli, out->str, out->len);
    return true;
}

static bool run_command(struct repl *r, const char *line)
{
    size_t n_name = strcspn(line, " \t");
    g_autofree char *name = g_strndup(line, n_name);
    g_autofree char *argument = g_strstrip(g_strdup(line + n_name));
    if (g_str_has_suffix(argument, ";"))
        argument[strlen(argument) - 1] = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(name, commands[i].name) == 0 || g_strcmp0(name, commands[i].alias) == 0)
            return commands[i].run(r, argument);
    g_autofree char *message = g_strdup_printf("unknown command '%s': .help lists them", name);
    talk_error(&r->cli->talk, message);
    return true;
}

/* ---- statements over several lines ----------------------------------------------------------------------------- */

static void take_statement(void *data, const char *text, size_t n_bytes)
{
    g_ptr_array_add(data, g_strndup(text, n_bytes));
}

static GPtrArray *split(const char *text)
{
    struct ca_error err = {0};
    GPtrArray *statements = g_ptr_array_new_with_free_func(g_free);
    if (ca_sql_split(text, take_statement, statements, &err) == CA_OK)
        return statements;
    g_ptr_array_unref(statements);
    return NULL;
}

/* The statements of `text` when it is complete, else NULL. Whether a ';' ends a statement or is part of a string or a
 * comment is the engine's to say: a word behind a complete text is one statement more, behind an open one it is not. */
static GPtrArray *complete_statements(const char *text)
{
    g_autoptr(GPtrArray) statements = split(text);
    g_autofree char *longer = g_strconcat(text, "\nx", NULL);
    g_autoptr(GPtrArray) more = split(longer);
    if (statements == NULL || more == NULL || more->len == statements->len)
        return NULL;
    return g_steal_pointer(&statements);
}

/* ---- editor ---------------------------------------------------------------------------------------------------- */

static char *prompt(EditLine *el)
{
    static char first[] = "sql> ";
    static char next[] = "...> ";
    struct editor *e = NULL;
    el_get(el, EL_CLIENTDATA, &e);
    return e->text->len > 0 ? next : first;
}

/* A character of the terminal for libedit: its own reader tries again after a signal. Returns 1, 0 at the end, -1 to
 * give the line up. */
static int read_character(EditLine *el G_GNUC_UNUSED, wchar_t *ret)
{
    mbstate_t state = {0};
    for (;;) {
        char byte;
        if (!interrupt_wait_input(STDIN_FILENO))
            return -1;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n <= 0)
            return (int)n;
        size_t used = mbrtowc(ret, &byte, 1, &state);
        if (used == (size_t)-1)
            state = (mbstate_t){0}; /* not in the locale's encoding: dropped */
        else if (used != (size_t)-2)
            return 1;
    }
}

/* History is a comfort: a directory that cannot be made or a file that cannot be read leaves the session without it. */
static char *history_path(void)
{
    g_autofree char *folder = g_build_filename(g_get_user_state_dir(), "codeanatomy", NULL);
    if (g_mkdir_with_parents(folder, 0700) != 0)
        return NULL;
    return g_build_filename(folder, "history", NULL);
}

static int editor_init(struct editor *e, struct ca_error *err)
{
    HistEvent event;
    *e = (struct editor){.text = g_string_new(NULL)};
    e->el = el_init("codeanatomy", stdin, stdout, stderr);
    e->history = history_init();
    if (e->el == NULL || e->history == NULL)
        return cli_fail(err, CA_ERR_IO, "cannot set up the terminal");
    history(e->history, &event, H_SETSIZE, HISTORY_SIZE);
    history(e->history, &event, H_SETUNIQUE, 1);
    e->history_path = history_path();
    if (e->history_path != NULL)
        history(e->history, &event, H_LOAD, e->history_path);
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, prompt);
    el_set(e->el, EL_HIST, history, e->history);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_SIGNAL, 1);
    el_set(e->el, EL_GETCFN, read_character);
    el_source(e->el, NULL); /* ~/.editrc */
    return CA_OK;
}

static void editor_done(struct editor *e)
{
    HistEvent event;
    if (e->history_path != NULL && e->history != NULL)
        history(e->history, &event, H_SAVE, e->history_path);
    if (e->el != NULL)
        el_end(e->el);
    if (e->history != NULL)
        history_end(e->history);
    g_free(e->history_path);
    g_string_free(e->text, TRUE);
}

enum line_kind { LINE_TEXT, LINE_INTERRUPTED, LINE_END };

/* One line without its newline; *ret is the caller's, and set for LINE_TEXT alone. */
static enum line_kind read_line(struct editor *e, char **ret)
{
    HistEvent event;
    int n = 0;
    interrupt_at_prompt();
    const char *line = el_gets(e->el, &n);
    if (interrupt_seen())
        return LINE_INTERRUPTED;
    if (line == NULL || n <= 0)
        return LINE_END;
    *ret = g_strchomp(g_strndup(line, (size_t)n));
    if ((*ret)[0] != '\0')
        history(e->history, &event, H_ENTER, *ret);
    return LINE_TEXT;
}

/* Take one line into account; false: leave. */
static bool handle_line(struct repl *r, struct editor *e, const char *line)
{
    if (e->text->len == 0 && (line[0] == '.' || line[0] == '\\'))
        return run_command(r, line);
    if (!g_utf8_validate(line, -1, NULL)) {
        talk_error(&r->cli->talk, "the line is not valid UTF-8");
        return true;
    }
    if (e->text->len == 0 && line[0] == '\0')
        return true;
    g_string_append_printf(e->text, "%s\n", line);
    g_autoptr(GPtrArray) statements = complete_statements(e->text->str);
    if (statements == NULL)
        return true;
    g_string_truncate(e->text, 0);
    bool goes_on = true;
    for (guint i = 0; i < statements->len && goes_on; i++)
        goes_on = run_statement(r, statements->pdata[i]);
    return true;
}

int repl_run(struct repl *r)
{
    struct ca_error err = {0};
    struct editor e;
    if (editor_init(&e, &err) != CA_OK) {
        editor_done(&e);
        return cli_report(r->cli, &err);
    }
    if (!r->cli->is_quiet)
        talk_plain(&r->cli->talk, "codeanatomy %s: statements end with ';', .help lists commands", ca_version());
    for (bool goes_on = true; goes_on;) {
        g_autofree char *line = NULL;
        switch (read_line(&e, &line)) {
        case LINE_TEXT:
            goes_on = handle_line(r, &e, line);
            break;
        case LINE_INTERRUPTED:
            g_string_truncate(e.text, 0);
            output_print(r->cli, "\n", 1);
            break;
        case LINE_END:
            output_print(r->cli, "\n", 1);
            goes_on = false;
            break;
        }
    }
    editor_done(&e);
    return CLI_OK;
}
