/* cli.h — what the subcommands of `codeanatomy` share.
 *
 * The program is a thin host of the library: a subcommand turns flags into one of the library's structs, calls it, and
 * shows what comes back. It includes include/ and nothing of src/, so whatever it can do, any other host can.
 *
 *     main.c ──▶ <subcommand>.c ──▶ options.c    flags, environment, --help          (getopt_long)
 *                     │        ├──▶ store.c      which store, open session
 *                     │        ├──▶ config.c     the user's file, the environment
 *                     │        ├──▶ output.c     format, stdout or an atomically written file
 *                     │        ├──▶ interrupt.c  Ctrl-C fires the library's cancel token
 *                     ▼        └──▶ talk.c       everything that goes to stderr
 *                 libcodeanatomy
 *
 * Invariants
 *   1. stdout is the answer and nothing else; errors, notes, logs and progress go to stderr, through talk.c alone.
 *   2. A setting is taken from its flag, else its CODEANATOMY_ variable, else left unset: the library then asks
 * DATAFUSION_ variables (for engine settings), the project file and the user's file, whose place it is told, and no
 * default of the library is repeated here.
 *   3. Exit codes are those of enum cli_exit and nothing else; they are an interface.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include "codeanatomy/error.h"
#include "talk.h"

/* CLI_FINDING   a contract is violated, or `doctor` found something broken
 * CLI_FAILURE   the engine refused or failed, or files could not be read or written */
enum cli_exit {
    CLI_OK = 0,
    CLI_FINDING = 1,
    CLI_USAGE = 2,
    CLI_FAILURE = 3,
    CLI_DRIFT = 4,
    CLI_CONFLICT = 5,
    CLI_INTERRUPTED = 130,
};

/* What every subcommand takes: the group "Common" of its --help. Owned by main. */
struct cli {
    struct talk talk;
    bool is_quiet;
    bool is_verbose;
    const char *log_level;
    const char *log_format;
};

/* run   argv[0] is the subcommand's own name; returns an enum cli_exit */
struct cli_command {
    const char *name;
    const char *summary;
    int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct cli_command build_command;
extern const struct cli_command sql_command;
extern const struct cli_command tables_command;
extern const struct cli_command describe_command;
extern const struct cli_command ddl_command;
extern const struct cli_command profiles_command;
extern const struct cli_command status_command;
extern const struct cli_command drift_command;
extern const struct cli_command contract_command;
extern const struct cli_command history_command;
extern const struct cli_command write_command;
extern const struct cli_command verify_command;
extern const struct cli_command doctor_command;

/* The exit code of a library status. */
enum cli_exit cli_exit_of(int status);

/* Report `err` on stderr, once, and return the exit code that goes with it. */
enum cli_exit cli_report(struct cli *cli, const struct ca_error *err);

/* Fill `err` and return `code`, so that `return cli_fail(...)` is one line. */
int cli_fail(struct ca_error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the words for `errnum` appended. */
int cli_fail_errno(struct ca_error *err, int code, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
