/* interrupt.h — Ctrl-C fires the library's cancel token.
 *
 * The handler only writes a byte to a pipe; a thread reads it and fires the token, since firing is no business of a
 * signal handler. Handlers, unlike a blocked mask, are not inherited by the interpreters that a build starts.
 *
 *     outside calls              a signal ends the program with CLI_INTERRUPTED
 *     begin .. end               the first one fires the token, a second one ends the program at once
 *                                (and unlinks the file of interrupt_discard, as it does outside)
 *     after interrupt_at_prompt  it is only noted: the editor drops its line, or the call
 *                              that comes next is cancelled as it begins
 *
 * Threads: begin and end from one thread; the rest from any.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

#include "codeanatomy/codeanatomy.h"

/* Install the handlers, once in the life of the process; SIGPIPE is ignored from here on. Fails with CA_ERR_IO. */
int interrupt_install(struct ca_error *err);

/* From here until interrupt_end a signal fires the token that this returns; borrowed. The end says whether one came. */
ca_cancel *interrupt_begin(void);
bool interrupt_end(void);

/* The file that is unlinked when a signal ends the program, NULL: none. Borrowed until the next call; made between
 * begin and end, so that no signal falls between the file and this. */
void interrupt_discard(const char *path);

/* A line is about to be read from the user. */
void interrupt_at_prompt(void);

/* Wait for input on `fd`. Returns false when a signal came first, or when there is nothing to wait for any more. */
bool interrupt_wait_input(int fd);

/* Whether a signal came since the last interrupt_at_prompt or interrupt_end. */
bool interrupt_seen(void);

#endif
