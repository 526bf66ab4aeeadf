/* answer.h — what `tables`, `describe`, `ddl`, `profiles` and `status` have in common: output and session are opened,
 * one function answers, everything is closed and the first error reported.
 */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include "cli.h"
#include "codeanatomy/codeanatomy.h"
#include "output.h"
#include "store.h"

/* Write the answer to `out`. Returns a ca_status. */
typedef int (*answer_fn)(ca_session *s, const struct output *out, void *data, struct ca_error *err);

/* Returns an exit code. `store` NULL: the built-in contracts alone; `repository` may be NULL. The session is read-only.
 */
int answer_run(struct cli *cli, const struct store_flags *store, const struct output_flags *output,
               const char *repository, answer_fn fn, void *data);

/* The same in a session that may write. */
int answer_run_writing(struct cli *cli, const struct store_flags *store, const struct output_flags *output,
                       const char *repository, answer_fn fn, void *data);

/* The rows that a call answered with status `rc`, written as the user wants them. Takes them. */
int answer_rows(const struct output *out, int rc, struct ArrowArrayStream *rows, struct ca_error *err);

/* A ca_text_fn that appends to a GString. */
void answer_take_text(void *data, const char *text, size_t n_bytes);

#endif
