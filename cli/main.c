/* main.c — the program `codeanatomy`: finds the subcommand, maps the library's statuses to exit codes. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "codeanatomy/codeanatomy.h"
#include "interrupt.h"
#include "options.h"
#include "output.h"

static const struct cli_command *const commands[] = {
    &build_command,   &sql_command,      &write_command,    &tables_command, &describe_command,
    &ddl_command,     &contract_command, &profiles_command, &status_command, &drift_command,
    &history_command, &verify_command,   &doctor_command,
};

/* The one place where a status becomes an exit code. */
static const enum cli_exit exits[] = {
    [CA_OK] = CLI_OK,
    [CA_ERR_INVALID] = CLI_USAGE,
    [CA_ERR_IO] = CLI_FAILURE,
    [CA_ERR_SYNTAX] = CLI_FAILURE,
    [CA_ERR_CONTRACT] = CLI_FINDING,
    [CA_ERR_DRIFT] = CLI_DRIFT,
    [CA_ERR_ENGINE] = CLI_FAILURE,
    [CA_ERR_NOT_FOUND] = CLI_FAILURE,
    [CA_ERR_CONFLICT] = CLI_CONFLICT,
    [CA_ERR_RESOURCES] = CLI_FAILURE,
    [CA_ERR_CANCELED] = CLI_INTERRUPTED,
    [CA_ERR_REFUSED] = CLI_FAILURE,
    [CA_ERR_WORKER] = CLI_FAILURE,
    [CA_ERR_BUG] = CLI_FAILURE,
};

enum cli_exit cli_exit_of(int status)
{
    bool is_known = status >= 0 && status < (int)G_N_ELEMENTS(exits);
    return is_known ? exits[status] : CLI_FAILURE;
}

enum cli_exit cli_report(struct cli *cli, const struct ca_error *err)
{
    talk_error(&cli->talk, err->message[0] != '\0' ? err->message : "failed without a message: report it");
    return err->code != CA_OK ? cli_exit_of(err->code) : CLI_FAILURE;
}

static void fill_error(struct ca_error *err, int code, const char *message)
{
    if (err == NULL)
        return;
    err->code = code;
    if (g_strlcpy(err->message, message, sizeof err->message) >= sizeof err->message)
        memcpy(err->message + sizeof err->message - sizeof "...", "...", sizeof "...");
}

int cli_fail(struct ca_error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    fill_error(err, code, message);
    return code;
}

int cli_fail_errno(struct ca_error *err, int code, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *whole = g_strdup_printf("%s: %s", message, g_strerror(errnum));
    fill_error(err, code, whole);
    return code;
}

static int print_help(struct cli *cli)
{
    g_autoptr(GString) out = g_string_new("Usage: codeanatomy COMMAND [options] [arguments]\n"
                                          "\n"
                                          "Turn a Python repository into tables and ask questions in SQL.\n"
                                          "\n"
                                          "Commands:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        g_string_append_printf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    g_string_append(out, "\n"
                         "Options:\n"
                         "  -h, --help     show this and end; 'codeanatomy COMMAND --help' shows a command's options\n"
                         "  -V, --version  show the version and end\n"
                         "\n"
                         "Exit codes:\n"
                         "  0  ok                          4    a schema differs from the declared one: refused\n"
                         "  1  contract finding            5    somebody else writes the store\n"
                         "  2  wrong usage                 130  interrupted\n"
                         "  3  engine or I/O error\n"
                         "\n"
                         "A setting comes from its flag, else its CODEANATOMY_ variable (engine settings: DATAFUSION_\n"
                         "variables), else the project file, else ~/.config/codeanatomy/config.yaml.\n"
                         "\n"
                         "Examples:\n"
                         "  codeanatomy build path/to/repo\n"
                         "  codeanatomy sql -c 'SELECT layer, status, count(*) FROM file_layers_v1 GROUP BY 1, 2'\n");
    return output_print(cli, out->str, out->len);
}

static int print_version(struct cli *cli)
{
    g_autoptr(GString) versions = g_string_new(NULL);
    (void)ca_versions(answer_take_text, versions);
    g_autofree char *text = g_strdup_printf("codeanatomy %s\n%s\n", ca_version(), g_strchomp(versions->str));
    return output_print(cli, text, strlen(text));
}

/* A standard stream that the caller closed would be given to the next file that is opened, and the answer would go
 * there. Each is held by a descriptor that cannot be used the way the stream is. */
static void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
    return NULL;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
    if (argc < 2)
        return options_usage_error(cli, "", "no command is given");
    const char *name = argv[1];
    const bool is_help = strcmp(name, "help") == 0;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (is_help && argc == 2))
        return print_help(cli);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return print_version(cli);
    if (is_help)
        name = argv[2];
    const struct cli_command *command = find_command(name);
    if (command == NULL)
        return options_usage_error(cli, "", name[0] == '-' ? "unknown option '%s'" : "unknown command '%s'", name);
    if (!is_help)
        return command->run(cli, argc - 1, argv + 1);
    char *help[] = {argv[2], (char[]){"--help"}, NULL};
    return command->run(cli, 2, help);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct ca_error err = {0};
    hold_standard_streams();
    setlocale(LC_CTYPE, ""); /* the line editor's; numbers and messages stay as they are */
    talk_init(&cli.talk);
    int code = interrupt_install(&err) == CA_OK ? dispatch(&cli, argc, argv) : (int)cli_report(&cli, &err);
    ca_log_set(NULL, NULL, 0); /* the log goes to `cli`, which ends here */
    talk_done(&cli.talk);
    return code;
}
