/* extract/cpython/interpreter.h — which interpreter a command really is. */
#ifndef CA_EXTRACT_CPYTHON_INTERPRETER_H
#define CA_EXTRACT_CPYTHON_INTERPRETER_H

#include "base/error.h"

/* skip_reason   why it cannot be used; the others are NULL then
 * executable    sys.executable
 * version       major.minor
 * full_version  sys.version
 * builtins      what its module builtins has, and behind `object.` what its class object has; NULL-terminated
 * All are owned.
 */
struct interpreter {
    char *skip_reason;
    char *executable;
    char *version;
    char *full_version;
    char **builtins;
};

/* Ask `command` (searched in PATH, called in start_dir) what it is. Fails only where no process can be started at all.
 */
int interpreter_resolve(const char *command, const char *start_dir, struct interpreter *ret,
                        struct ca_error *err) CA_MUST_CHECK;
void interpreter_done(struct interpreter *i);

#endif
