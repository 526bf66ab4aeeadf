/* diag/diag.h — what a run did, as rows: collected here, published as the tables of the schema `diagnostics`.
 *
 *     struct diag *d = diag_new("20261121T042749Z-1a2b3c4d");
 *     diag_registration(d, "public", "ast_files_v1", "bundle", fingerprint);
 *     struct ArrowArray rows;
 *     CA_TRY(diag_take(d, "registrations", &rows, err));
 *
 * Emitting never fails: a row that finds no memory, or that its contract refuses, is counted, and diag_take says so.
 * Rows of a table are numbered in the order of what they say, so that nothing depends on who came first. The contracts
 * are datasets/diagnostics/NAME.yaml; `settings` and `schema_snapshots` have SQL of their own. Threads: any; one lock.
 * Strings are copied.
 */
#ifndef CA_DIAG_DIAG_H
#define CA_DIAG_DIAG_H

#include <stdint.h>

#include "base/error.h"
#include "codeanatomy/arrow.h"

struct diag;

struct diag *diag_new(const char *run_id);
void diag_free(struct diag *d);

void diag_registration(struct diag *d, const char *schema, const char *dataset, const char *kind,
                       const char *fingerprint);
void diag_view_registration(struct diag *d, const char *schema, const char *dataset, const char *sql,
                            const char *fingerprint);
/* verdict: equal, compatible or refused; detail NULL when equal. */
void diag_handshake(struct diag *d, const char *schema, const char *dataset, const char *source, const char *expected,
                    const char *found, const char *verdict, const char *detail);
void diag_cast(struct diag *d, const char *schema, const char *dataset, const char *path, const char *from_type,
               const char *to_type);
void diag_ddl_fingerprint(struct diag *d, const char *schema, const char *dataset, const char *fingerprint);
void diag_plan_artifact(struct diag *d, const char *schema, const char *dataset, const char *plan_fingerprint,
                        const char *sql, const char *reads);
void diag_model_run(struct diag *d, const char *schema, const char *dataset, const char *plan_fingerprint,
                    int64_t n_rows, int64_t elapsed_ns);
void diag_write(struct diag *d, const char *schema, const char *dataset, int64_t data_version, int64_t n_rows,
                int64_t n_files, int64_t n_bytes);
void diag_error(struct diag *d, const char *subject, int code, const char *message);

/* The rows of a table, moved out. CA_ERR_NOT_FOUND: no such table here; CA_ERR_RESOURCES: rows found no
 * memory; CA_ERR_BUG: a row has nothing where its contract wants something. */
int diag_take(struct diag *d, const char *table, struct ArrowArray *ret, struct ca_error *err) CA_MUST_CHECK;

#endif
