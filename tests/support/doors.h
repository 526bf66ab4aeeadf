/* tests/support/doors.h — what the tests of cadf.h share: a catalog in C that answers from an array, results as CSV, so
 * that most expectations are one line of text. Failures end the test. */
#ifndef CA_TESTS_SUPPORT_DOORS_H
#define CA_TESTS_SUPPORT_DOORS_H

#include <nanoarrow/nanoarrow.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../../shim/include/cadf.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_TABLES 32

/* cmocka group set-up and tear-down: a folder of the program's own. */
int doors_set_up(void **state);
int doors_tear_down(void **state);

/* FOLDER/NAME; borrowed until eight more were asked for. */
const char *place(const char *name);

/* ---- results as text -------------------------------------------------------------------------------------------- */

struct text {
    char *data;
    size_t n;
};

/* cadf_text_fn into a struct text: a line a piece. Its data is freed by the caller. */
void text_add(void *data, const char *text, size_t n_bytes);

/* The contents of a memory file, which is closed. The caller frees. */
char *slurp(int fd);

/* A stream, formatted, or "!CODE text". Takes the stream; the caller frees. */
char *stream_text(struct ArrowArrayStream *stream, const char *format, uint32_t width);

/* The rows of a statement as CSV, or "!CODE text" when it fails. The caller frees. */
char *query_params(cadf_session *s, const char *sql, const struct cadf_params *params);

/* What a statement answers, whole or in part. */
void expect_(cadf_session *s, const char *sql, const char *want, const char *file, int line);
void expect_part_(cadf_session *s, const char *sql, const char *part, const char *file, int line);
#define expect(s, sql, want) expect_(s, sql, want, __FILE__, __LINE__)
#define expect_part(s, sql, part) expect_part_(s, sql, part, __FILE__, __LINE__)

/* Write a query's rows: "" or "!CODE text", which the caller frees. ret may be NULL. */
char *write_query(cadf_session *s, struct cadf_write *w, const char *sql, struct cadf_written *ret);
void expect_write_(cadf_session *s, struct cadf_write *w, const char *sql, const char *want, const char *file,
                   int line);
#define expect_write(s, w, sql, want) expect_write_(s, w, sql, want, __FILE__, __LINE__)

/* ---- schemas ---------------------------------------------------------------------------------------------------- */

struct column {
    const char *name;
    enum ArrowType type;
    int not_null;
};

void schema_of(struct ArrowSchema *ret, const struct column *columns, int n);

/* x int64 NOT NULL, nodes list<struct<kind utf8 NOT NULL, pos int64>> NOT NULL */
void bundle_schema(struct ArrowSchema *ret);

/* The schema of a query, whatever the nullability. */
void schema_of_query(cadf_session *s, const char *sql, struct ArrowSchema *ret);

/* ---- a catalog in C --------------------------------------------------------------------------------------------- */

/* status: what the callback returns, 0: fine */
struct fake_table {
    const char *schema;
    const char *name;
    int kind;
    const char *sql;
    const char *location;
    int64_t version;
    const char *format;
    const char *predicate;
    const char *failure;
    int proved;
    int status;
    struct ArrowSchema columns;
    struct cadf_stream_source stream;
};

struct fake {
    struct fake_table tables[MAX_TABLES];
    size_t n_tables;
    _Atomic uint64_t epoch;
    _Atomic int n_asked;
    _Atomic int n_released;
    _Atomic int64_t committed;
};

/* One more table, proved and without a version. */
struct fake_table *fake_add(struct fake *f, const char *schema, const char *name, int kind);
/* Releases the columns. */
void fake_done(struct fake *f);

/* A session over it, or (NULL) without a catalog. */
cadf_session *open_with(struct fake *f, int read_only);

/* ---- streams ---------------------------------------------------------------------------------------------------- */

/* A source of batches of BATCH_ROWS rows. lie: gives text where the schema says int64. */
struct counting {
    _Atomic int n_open;
    _Atomic int n_dropped;
    _Atomic int64_t n_batches;
    int64_t batches_a_partition;
    int fail_open;
    int fail_next;
    int lie;
    size_t last_projection;
};

#define BATCH_ROWS 100
/* id int64, part int64, label utf8 */
extern const struct column counting_columns[3];

/* open and drop of a cadf_stream_source whose data is a struct counting. */
int32_t counting_open(void *data, size_t partition, const size_t *projection, size_t n_projection,
                      struct ArrowArrayStream *ret, struct cadf_error *err);
void counting_drop(void *data);

/* A thread that fires the cadf_cancel that it is given, after 50 ms. */
void *fire_soon(void *cancel);

#endif
