/* worker/layer.h — what every layer of the worker is given and what it answers.
 *
 * A layer runs CPython on one file and appends one row to its builder. What CPython refuses is the answer, not an
 * error; only the builder's errno values (ENOMEM, EOVERFLOW) and our own bugs stop a layer, and then the row is
 * abandoned by the caller.
 */
#ifndef CA_WORKER_LAYER_H
#define CA_WORKER_LAYER_H

#include <Python.h>

#include "extract/cpython/protocol.h"
#include "rows/rows_value.h"
#include "worker/failure.h"
#include "worker/source.h"

/* path            as in repo_files_v1, also the file name that CPython is told
 * python_version  major.minor
 * filename, bytes path and raw as Python objects; compile: the built-in function
 */
struct layer_job {
    int64_t file_id;
    struct rows_str path;
    struct rows_str content_id;
    struct rows_str python_version;
    PyObject *filename;
    PyObject *bytes;
    PyObject *compile;
    const struct source *source;
};

/* failure  set unless outcome is PROTOCOL_OK
 * has_row  the builder got a row
 */
struct layer_answer {
    enum protocol_outcome outcome;
    struct failure failure;
    int64_t n_facts;
    bool has_row;
};

#endif
