/* diag/diag.c — one generated builder a table, behind one lock. */
#include "diag/diag.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "rows/gen/casts.h"
#include "rows/gen/ddl_fingerprints.h"
#include "rows/gen/errors.h"
#include "rows/gen/handshakes.h"
#include "rows/gen/model_runs.h"
#include "rows/gen/plan_artifacts.h"
#include "rows/gen/registrations.h"
#include "rows/gen/view_registrations.h"
#include "rows/gen/writes.h"
#include "rows/rows.h"

/* The tables that are filled here, in order of name. */
/* clang-format off */
#define DIAG_TABLES(X) \
    X(casts) X(ddl_fingerprints) X(errors) X(handshakes) X(model_runs) X(plan_artifacts) X(registrations) \
    X(view_registrations) X(writes)
/* clang-format on */

enum { COLUMN_SEQUENCE = 1 };

/* n_lost      rows that are not in their tables, of all
 * lost_table  the first of them, and the errno value that its builder gave
 */
struct diag {
    GMutex lock;
    char *run_id;
    int64_t n_lost;
    const char *lost_table;
    int lost_errno;
#define DIAG_FIELD(table) struct table *table;
    DIAG_TABLES(DIAG_FIELD)
#undef DIAG_FIELD
};

static void count_lost(struct diag *d, const char *table, int errnum)
{
    if (d->n_lost++ > 0)
        return;
    d->lost_table = table;
    d->lost_errno = errnum;
}

struct diag *diag_new(const char *run_id)
{
    struct diag *d = g_new0(struct diag, 1);
    g_mutex_init(&d->lock);
    d->run_id = g_strdup(run_id);
#define DIAG_NEW(table)              \
    if (table##_new(&d->table) != 0) \
        count_lost(d, #table, ENOMEM);
    DIAG_TABLES(DIAG_NEW)
#undef DIAG_NEW
    return d;
}

void diag_free(struct diag *d)
{
    if (!d)
        return;
#define DIAG_FREE(table) table##_free(d->table);
    DIAG_TABLES(DIAG_FREE)
#undef DIAG_FREE
    g_free(d->run_id);
    g_mutex_clear(&d->lock);
    g_free(d);
}

/* Add one row to `table`: the fields are those of its contract after run_id and sequence. */
#define DIAG_EMIT(d, table, ...)                                                        \
    do {                                                                                \
        g_mutex_lock(&(d)->lock);                                                       \
        if ((d)->table) {                                                               \
            struct table##_row row = {.run_id = rows_str_of((d)->run_id), __VA_ARGS__}; \
            int errnum = table##_finish_row((d)->table, &row);                          \
            if (errnum != 0)                                                            \
                count_lost(d, #table, errnum);                                          \
        }                                                                               \
        g_mutex_unlock(&(d)->lock);                                                     \
    } while (0)

#define DIAG_NAMES(schema, dataset) .schema_name = rows_str_of(schema), .dataset_name = rows_str_of(dataset)

void diag_registration(struct diag *d, const char *schema, const char *dataset, const char *kind,
                       const char *fingerprint)
{
    DIAG_EMIT(d, registrations, DIAG_NAMES(schema, dataset), .kind = rows_str_of(kind),
              .contract_fingerprint = rows_str_of(fingerprint));
}

void diag_view_registration(struct diag *d, const char *schema, const char *dataset, const char *sql,
                            const char *fingerprint)
{
    DIAG_EMIT(d, view_registrations, DIAG_NAMES(schema, dataset), .sql = rows_str_of(sql),
              .contract_fingerprint = rows_str_of(fingerprint));
}

void diag_handshake(struct diag *d, const char *schema, const char *dataset, const char *source, const char *expected,
                    const char *found, const char *verdict, const char *detail)
{
    DIAG_EMIT(d, handshakes, DIAG_NAMES(schema, dataset), .source = rows_str_of(source),
              .expected_fingerprint = rows_str_of(expected), .found_fingerprint = rows_str_of(found),
              .verdict = rows_str_of(verdict), .detail = rows_str_of(detail));
}

void diag_cast(struct diag *d, const char *schema, const char *dataset, const char *path, const char *from_type,
               const char *to_type)
{
    DIAG_EMIT(d, casts, DIAG_NAMES(schema, dataset), .path = rows_str_of(path), .from_type = rows_str_of(from_type),
              .to_type = rows_str_of(to_type));
}

void diag_ddl_fingerprint(struct diag *d, const char *schema, const char *dataset, const char *fingerprint)
{
    DIAG_EMIT(d, ddl_fingerprints, DIAG_NAMES(schema, dataset), .fingerprint = rows_str_of(fingerprint));
}

void diag_plan_artifact(struct diag *d, const char *schema, const char *dataset, const char *plan_fingerprint,
                        const char *sql, const char *reads)
{
    DIAG_EMIT(d, plan_artifacts, DIAG_NAMES(schema, dataset), .plan_fingerprint = rows_str_of(plan_fingerprint),
              .sql = rows_str_of(sql), .reads = rows_str_of(reads));
}

void diag_model_run(struct diag *d, const char *schema, const char *dataset, const char *plan_fingerprint,
                    int64_t n_rows, int64_t elapsed_ns)
{
    DIAG_EMIT(d, model_runs, DIAG_NAMES(schema, dataset), .plan_fingerprint = rows_str_of(plan_fingerprint),
              .n_rows = n_rows, .elapsed_ns = elapsed_ns);
}

void diag_write(struct diag *d, const char *schema, const char *dataset, int64_t data_version, int64_t n_rows,
                int64_t n_files, int64_t n_bytes)
{
    DIAG_EMIT(d, writes, DIAG_NAMES(schema, dataset), .data_version = data_version, .n_rows = n_rows,
              .n_files = n_files, .n_bytes = n_bytes);
}

void diag_error(struct diag *d, const char *subject, int code, const char *message)
{
    DIAG_EMIT(d, errors, .subject = rows_str_of(subject), .code = rows_str_of(ca_status_name(code)),
              .message = rows_str_of(message));
}

static int lost_failed(int64_t n_lost, const char *table, int errnum, struct ca_error *err)
{
    if (errnum == EINVAL)
        return ca_fail(err, CA_ERR_BUG,
                       "a row of diagnostics table '%s' has nothing in a column that is NOT NULL (%lld rows lost)",
                       table, (long long)n_lost);
    return ca_fail_errno(err, CA_ERR_RESOURCES, errnum, "%lld diagnostics rows found no memory, the first of '%s'",
                         (long long)n_lost, table);
}

int diag_take(struct diag *d, const char *table, struct ArrowArray *ret, struct ca_error *err)
{
    int rc = -1;
    struct ArrowArray rows = {.release = NULL};
    struct ArrowSchema schema = {.release = NULL};
    g_mutex_lock(&d->lock);
#define DIAG_TAKE(name)                                 \
    if (strcmp(table, #name) == 0 && d->name != NULL) { \
        rc = name##_take(d->name, &rows);               \
        if (rc == 0)                                    \
            rc = name##_schema(&schema);                \
    }
    DIAG_TABLES(DIAG_TAKE)
#undef DIAG_TAKE
    const int64_t n_lost = d->n_lost;
    const char *lost_table = d->lost_table;
    const int lost_errno = d->lost_errno;
    g_mutex_unlock(&d->lock);
    int status = CA_OK;
    if (rc == -1)
        status = ca_fail(err, CA_ERR_NOT_FOUND, "no diagnostics table '%s' is collected", table);
    else if (rc != 0)
        status = ca_fail_errno(err, CA_ERR_RESOURCES, rc, "build diagnostics rows");
    else if (n_lost > 0)
        status = lost_failed(n_lost, lost_table, lost_errno, err);
    else
        status = rows_sort_numbered(&schema, &rows, COLUMN_SEQUENCE, err);
    if (schema.release != NULL)
        schema.release(&schema);
    if (status == CA_OK)
        *ret = rows;
    else if (rows.release != NULL)
        rows.release(&rows);
    return status;
}
