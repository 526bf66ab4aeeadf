/* repl.h — the interactive session of `codeanatomy sql`.
 *
 * A statement may take several lines and ends with ';'. Ctrl-C drops what is typed or cancels the query that runs, and
 * stays; Ctrl-D leaves. Lines are kept in $XDG_STATE_HOME/codeanatomy/history. A line that begins with '.' or '\' is a
 * command of the session: .help lists them.
 */
#ifndef CLI_REPL_H
#define CLI_REPL_H

#include "cli.h"
#include "codeanatomy/codeanatomy.h"

/* All borrowed. format: of answers, `.format` changes it. */
struct repl {
    struct cli *cli;
    ca_session *session;
    const struct ca_params *params;
    const char *format;
};

/* Read and answer until the end; returns an exit code. A statement that fails is reported and does not end the session.
 */
int repl_run(struct repl *r);

#endif
