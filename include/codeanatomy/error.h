/* codeanatomy/error.h — status codes and the error a failing call fills in.
 *
 * Every function that can fail returns an `int` status: CA_OK (0) or one of the CA_ERR_ codes, which are frozen.
 * On failure the struct's `message` says what happened, in which dataset and contract, and what to do. Plain C11.
 */
#ifndef CODEANATOMY_ERROR_H
#define CODEANATOMY_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum ca_status {
    CA_OK = 0,
    CA_ERR_INVALID = 1,   /* an argument or option is wrong */
    CA_ERR_IO = 2,        /* reading, writing, permissions, disk full */
    CA_ERR_SYNTAX = 3,    /* text that does not parse: YAML, SQL; the message has line and column */
    CA_ERR_CONTRACT = 4,  /* a contract is violated or inconsistent */
    CA_ERR_DRIFT = 5,     /* a schema differs from the one that was declared or applied */
    CA_ERR_ENGINE = 6,    /* the engine refused or failed; its own words are in the message */
    CA_ERR_NOT_FOUND = 7, /* no such dataset, file, run */
    CA_ERR_CONFLICT = 8,  /* somebody else holds the lock or committed first */
    CA_ERR_RESOURCES = 9, /* a limit was reached; the message names it */
    CA_ERR_CANCELED = 10, /* stopped on request */
    CA_ERR_REFUSED = 11,  /* not allowed here: read-only session, unsupported statement */
    CA_ERR_WORKER = 12,   /* a worker process cannot be started */
    CA_ERR_BUG = 13,      /* a promise of this library to itself is broken: report it */
};

/* code     one of enum ca_status
 * message  NUL-terminated UTF-8, lower case, no full stop; cut visibly ("...") when longer
 */
struct ca_error {
    int code;
    char message[4096];
};

/* The frozen upper-case name of a status, such as "CA_ERR_IO"; "CA_ERR_BUG" for an unknown number. Never NULL. */
const char *ca_status_name(int status);

#ifdef __cplusplus
}
#endif
#endif
