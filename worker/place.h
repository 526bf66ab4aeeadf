/* worker/place.h — where in the raw file a SyntaxError really is. */
#ifndef CA_WORKER_PLACE_H
#define CA_WORKER_PLACE_H

#include <Python.h>

#include "worker/layer.h"

/* Include/cpython/compile.h; not among the limited API's names, but frozen: ast documents them as constants. */
enum { PLACE_ONLY_AST = 0x400, PLACE_TYPE_COMMENTS = 0x1000 };

/* Correct f->start_byte of an error that CPython raised about the job's file; `flags` are those under which the parser
 * has to be asked. Line and column stay as CPython gave them. Nothing is raised afterwards. */
void place_error(struct failure *f, const struct layer_job *job, int flags);

#endif
