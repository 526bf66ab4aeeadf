/* bench/write.c — what comparing and aligning a stream costs beside writing it, for catalog.py.
 *
 *     write FOLDER    a JSON object a line: milliseconds for two million rows of ten columns; a Delta table is left in
 * FOLDER
 *
 * Batches are made before the clock starts. `same` has the declared types, of `cast` every column but the texts is
 * widened.
 */
#include <glib.h>
#include <stdio.h>

#include "engine/engine.h"
#include "rows/rows.h"

enum { N_ROWS = 2000000 };

static const char declared_sql[] =
    "SELECT value AS id, value * 7 AS a, value %% 1000 AS b, CAST(value %% 97 AS INT) AS c, CAST(value %% 5 AS INT) AS "
    "d, "
    "CAST(value AS DOUBLE) / 8 AS e, CAST(value AS DOUBLE) AS f, value %% 3 = 0 AS g, 'name ' || (value %% 5000) AS h, "
    "'kind ' || (value %% 20) AS i FROM generate_series(1, %d)";
static const char narrower_sql[] =
    "SELECT CAST(id AS INT) AS id, CAST(a AS INT) AS a, CAST(b AS SMALLINT) AS b, CAST(c AS TINYINT) AS c, "
    "CAST(d AS TINYINT) AS d, CAST(e AS FLOAT) AS e, CAST(f AS FLOAT) AS f, g, h, i FROM (%s)";

struct rows {
    struct ArrowSchema schema;
    GArray *batches;
};

static int rows_take_query(struct rows *rows, struct engine *e, const char *sql, struct ca_error *err)
{
    struct ArrowArrayStream stream = {0};
    rows->batches = g_array_new(FALSE, TRUE, sizeof(struct ArrowArray));
    CA_TRY(engine_query_schema(e, sql, &rows->schema, err));
    CA_TRY(engine_query(e, sql, NULL, NULL, &stream, err));
    int rc = CA_OK;
    for (bool is_end = false; rc == CA_OK && !is_end;) {
        struct ArrowArray batch = {0};
        rc = rows_stream_next(&stream, &batch, &is_end, err);
        if (rc == CA_OK && !is_end)
            g_array_append_val(rows->batches, batch);
    }
    stream.release(&stream);
    return rc;
}

static int rows_give(struct rows *rows, struct ArrowArrayStream *ret, struct ca_error *err)
{
    int rc =
        rows_stream_of(&rows->schema, (struct ArrowArray *)(void *)rows->batches->data, rows->batches->len, ret, err);
    g_array_unref(rows->batches);
    return rc;
}

static double ms_since(int64_t start_us)
{
    return (double)(g_get_monotonic_time() - start_us) / 1000.0;
}

/* What catalog_write does of schemas before the first row. */
static int time_handshake(const struct ArrowSchema *declared, const struct ArrowSchema *offered, double *ret_ms,
                          struct ca_error *err)
{
    char fingerprints[2][FINGERPRINT_HEX_SIZE];
    struct rows_findings findings = {0};
    int64_t start_us = g_get_monotonic_time();
    CA_TRY(rows_schema_compare(declared, offered, NULL, &findings, err));
    rows_findings_done(&findings);
    CA_TRY(rows_schema_fingerprint(declared, fingerprints[0], err));
    CA_TRY(rows_schema_fingerprint(offered, fingerprints[1], err));
    *ret_ms = ms_since(start_us);
    return CA_OK;
}

static int time_align(struct ArrowArrayStream *stream, struct ArrowSchema *declared, double *ret_ms,
                      struct ca_error *err)
{
    struct ArrowArrayStream aligned = {0};
    int64_t start_us = g_get_monotonic_time();
    CA_TRY(rows_stream_align(stream, declared, /* options= */ NULL, &aligned, err));
    int rc = CA_OK;
    for (bool is_end = false; rc == CA_OK && !is_end;) {
        struct ArrowArray batch = {0};
        rc = rows_stream_next(&aligned, &batch, &is_end, err);
        if (rc == CA_OK && !is_end)
            batch.release(&batch);
    }
    *ret_ms = ms_since(start_us);
    aligned.release(&aligned);
    return rc;
}

static int measure(struct engine *e, const char *name, const char *sql, const char *declared, const char *folder,
                   struct ca_error *err)
{
    struct rows rows = {0};
    struct ArrowSchema wanted = {0};
    struct ArrowArrayStream stream = {0};
    double handshake_ms = 0;
    double align_ms = 0;
    CA_TRY(rows_take_query(&rows, e, sql, err));
    CA_TRY(engine_query_schema(e, declared, &wanted, err));
    CA_TRY(time_handshake(&wanted, &rows.schema, &handshake_ms, err));
    CA_TRY(rows_give(&rows, &stream, err));
    CA_TRY(time_align(&stream, &wanted, &align_ms, err));

    struct rows written_rows = {0};
    CA_TRY(rows_take_query(&written_rows, e, declared, err));
    CA_TRY(engine_query_schema(e, declared, &wanted, err));
    CA_TRY(rows_give(&written_rows, &stream, err));
    g_autofree char *location = g_build_filename(folder, "table", NULL);
    const struct engine_write write = {.location = location, .schema = &wanted, .mode = ENGINE_OVERWRITE};
    struct engine_written written = {0};
    int64_t start_us = g_get_monotonic_time();
    int rc = engine_write_stream(e, &write, &stream, NULL, &written, err);
    double write_ms = ms_since(start_us);
    wanted.release(&wanted);
    if (rc == CA_OK)
        printf("{\"source\": \"%s\", \"n_rows\": %d, \"handshake_ms\": %.3f, \"align_ms\": %.2f, \"write_ms\": %.1f}\n",
               name, N_ROWS, handshake_ms, align_ms, write_ms);
    return rc;
}

static int run(const char *folder, struct ca_error *err)
{
    const struct engine_options options = {0};
    g_autofree char *declared = g_strdup_printf(declared_sql, N_ROWS);
    g_autofree char *narrower = g_strdup_printf(narrower_sql, declared);
    struct engine *e = NULL;
    CA_TRY(engine_open(&options, &e, err));
    int rc = measure(e, "same", declared, declared, folder, err);
    if (rc == CA_OK)
        rc = measure(e, "cast", narrower, declared, folder, err);
    engine_close(e);
    return rc;
}

int main(int argc, char **argv)
{
    struct ca_error err = {0};
    if (argc != 2) {
        fputs("usage: write FOLDER\n", stderr);
        return 2;
    }
    if (run(argv[1], &err) != CA_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
