#include "support/doors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/scratch.h"

static const char *root;

int doors_set_up(void **state)
{
    const int status = scratch_set_up(state);
    root = *state;
    return status;
}

int doors_tear_down(void **state)
{
    return scratch_tear_down(state);
}

const char *place(const char *name)
{
    static char path[8][512];
    static int next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", root, name);
    return p;
}

/* ---- results as text -------------------------------------------------------------------------------------------- */

void text_add(void *data, const char *text, size_t n_bytes)
{
    struct text *t = data;
    t->data = realloc(t->data, t->n + n_bytes + 2);
    assert_non_null(t->data);
    memcpy(t->data + t->n, text, n_bytes);
    t->n += n_bytes;
    t->data[t->n++] = '\n';
    t->data[t->n] = '\0';
}

/* The contents of a memory file. The caller frees. */
char *slurp(int fd)
{
    off_t n = lseek(fd, 0, SEEK_END);
    char *out = calloc(1, (size_t)n + 1);
    assert_non_null(out);
    assert_int_equal(pread(fd, out, (size_t)n, 0), n);
    close(fd);
    return out;
}

char *stream_text(struct ArrowArrayStream *stream, const char *format, uint32_t width)
{
    struct cadf_error err = {0};
    int fd = memfd_create("out", MFD_CLOEXEC);
    int64_t n_rows = -1;
    int rc = cadf_stream_write(stream, format, fd, width, &n_rows, &err);
    assert_null(stream->release);
    char *out = slurp(fd);
    if (rc != CADF_OK) {
        free(out);
        assert_true(asprintf(&out, "!%d %s", rc, err.text) > 0);
    }
    return out;
}

/* The rows of a statement as CSV, or "!CODE text" when it fails. */
char *query_params(cadf_session *s, const char *sql, const struct cadf_params *params)
{
    struct cadf_error err = {0};
    struct ArrowArrayStream stream = {0};
    int rc = cadf_query(s, sql, strlen(sql), params, NULL, &stream, &err);
    char *out = NULL;
    if (rc != CADF_OK) {
        assert_int_equal(rc, err.code);
        assert_null(stream.release);
        assert_true(asprintf(&out, "!%d %s", rc, err.text) > 0);
        return out;
    }
    return stream_text(&stream, "csv", 0);
}

void expect_(cadf_session *s, const char *sql, const char *want, const char *file, int line)
{
    char *have = query_params(s, sql, NULL);
    if (strcmp(have, want) != 0)
        print_error("%s:%d: %s\n--- have\n%s\n--- want\n%s\n", file, line, sql, have, want);
    assert_string_equal(have, want);
    free(have);
}

void expect_part_(cadf_session *s, const char *sql, const char *part, const char *file, int line)
{
    char *have = query_params(s, sql, NULL);
    if (!strstr(have, part))
        print_error("%s:%d: %s\n--- have\n%s\n--- want part\n%s\n", file, line, sql, have, part);
    assert_non_null(strstr(have, part));
    free(have);
}

/* ---- schemas ------------------------------------------------------------------------------------------------------
 */

void schema_of(struct ArrowSchema *ret, const struct column *columns, int n)
{
    ArrowSchemaInit(ret);
    assert_int_equal(ArrowSchemaSetTypeStruct(ret, n), NANOARROW_OK);
    for (int i = 0; i < n; i++) {
        struct ArrowSchema *child = ret->children[i];
        if (columns[i].type == NANOARROW_TYPE_TIMESTAMP)
            assert_int_equal(ArrowSchemaSetTypeDateTime(child, columns[i].type, NANOARROW_TIME_UNIT_MICRO, "UTC"),
                             NANOARROW_OK);
        else
            assert_int_equal(ArrowSchemaSetType(child, columns[i].type), NANOARROW_OK);
        assert_int_equal(ArrowSchemaSetName(child, columns[i].name), NANOARROW_OK);
        if (columns[i].not_null)
            child->flags &= ~(int64_t)ARROW_FLAG_NULLABLE;
    }
}

/* x int64 NOT NULL, nodes list<struct<kind utf8 NOT NULL, pos int64>> NOT NULL */
void bundle_schema(struct ArrowSchema *ret)
{
    static const struct column top[] = {{"x", NANOARROW_TYPE_INT64, 1}, {"nodes", NANOARROW_TYPE_LIST, 1}};
    static const struct column item[] = {{"kind", NANOARROW_TYPE_STRING, 1}, {"pos", NANOARROW_TYPE_INT64, 0}};
    schema_of(ret, top, 2);
    struct ArrowSchema *items = ret->children[1]->children[0];
    items->release(items);
    schema_of(items, item, 2);
    assert_int_equal(ArrowSchemaSetName(items, "item"), NANOARROW_OK);
    items->flags &= ~(int64_t)ARROW_FLAG_NULLABLE;
}

/* The schema of a query, whatever the nullability. */
void schema_of_query(cadf_session *s, const char *sql, struct ArrowSchema *ret)
{
    struct cadf_error err = {0};
    int rc = cadf_query_plan(s, sql, strlen(sql), &(struct cadf_plan){.schema = ret}, &err);
    if (rc)
        print_error("%s: %s\n", sql, err.text);
    assert_int_equal(rc, CADF_OK);
}

/* ---- a catalog in C ------------------------------------------------------------------------------------------------
 */

static uint64_t fake_epoch(void *data)
{
    return atomic_load(&((struct fake *)data)->epoch);
}

static void fake_schemas(void *data, cadf_name_fn emit, void *sink)
{
    (void)data;
    emit(sink, "public", 0);
    emit(sink, "other", 0);
}

static void fake_names(void *data, const char *schema, cadf_name_fn emit, void *sink)
{
    struct fake *f = data;
    for (size_t i = 0; i < f->n_tables; i++)
        if (strcmp(f->tables[i].schema, schema) == 0)
            emit(sink, f->tables[i].name, f->tables[i].kind == CADF_TABLE_VIEW);
}

static int32_t fake_table(void *data, const char *schema, const char *table, struct cadf_table_def *ret,
                          struct cadf_error *err)
{
    struct fake *f = data;
    for (size_t i = 0; i < f->n_tables; i++) {
        struct fake_table *t = &f->tables[i];
        if (strcmp(t->schema, schema) != 0 || strcmp(t->name, table) != 0)
            continue;
        atomic_fetch_add(&f->n_asked, 1);
        if (t->status) {
            snprintf(err->text, sizeof err->text, "the callback says no");
            return t->status;
        }
        ret->kind = t->kind;
        ret->sql = t->sql;
        ret->location = t->location;
        ret->version = t->version;
        ret->format = t->format;
        ret->predicate = t->predicate;
        ret->failure = t->failure;
        ret->proved_not_null = t->proved;
        ret->stream = t->stream;
        ret->private_data = t;
        if (t->columns.release)
            assert_int_equal(ArrowSchemaDeepCopy(&t->columns, ret->schema), NANOARROW_OK);
        return CADF_OK;
    }
    return CADF_ERR_NOT_FOUND;
}

static void fake_release(void *data, struct cadf_table_def *def)
{
    assert_non_null(def->private_data);
    atomic_fetch_add(&((struct fake *)data)->n_released, 1);
}

static void fake_committed(void *data, const char *schema, const char *table, int64_t version)
{
    struct fake *f = data;
    assert_string_equal(schema, "public");
    assert_non_null(table);
    atomic_store(&f->committed, version);
}

/* DDL of views alone. */
static void fake_definition(void *data, const char *schema, const char *table, cadf_text_fn sink, void *sink_data)
{
    const struct fake *f = data;
    for (size_t i = 0; i < f->n_tables; i++) {
        const struct fake_table *t = &f->tables[i];
        if (strcmp(t->schema, schema) == 0 && strcmp(t->name, table) == 0 && t->kind == CADF_TABLE_VIEW) {
            char *ddl = NULL;
            assert_true(asprintf(&ddl, "CREATE VIEW %s AS %s", table, t->sql) > 0);
            sink(sink_data, ddl, strlen(ddl));
            free(ddl);
        }
    }
}

struct fake_table *fake_add(struct fake *f, const char *schema, const char *name, int kind)
{
    assert_true(f->n_tables < MAX_TABLES);
    struct fake_table *t = &f->tables[f->n_tables++];
    *t = (struct fake_table){.schema = schema, .name = name, .kind = kind, .version = -1, .proved = 1};
    return t;
}

void fake_done(struct fake *f)
{
    for (size_t i = 0; i < f->n_tables; i++)
        if (f->tables[i].columns.release)
            f->tables[i].columns.release(&f->tables[i].columns);
}

static const char *const plain_keys[] = {
    "datafusion.sql_parser.map_string_types_to_utf8view",
    "datafusion.execution.parquet.schema_force_view_types",
    "datafusion.execution.target_partitions",
};
static const char *const plain_values[] = {"false", "false", "2"};

cadf_session *open_with(struct fake *f, int read_only)
{
    struct cadf_catalog catalog = {.data = f,
                                   .name = "codeintel",
                                   .default_schema = "public",
                                   .epoch = fake_epoch,
                                   .schema_names = fake_schemas,
                                   .table_names = fake_names,
                                   .table = fake_table,
                                   .release_def = fake_release,
                                   .committed = fake_committed,
                                   .definition = fake_definition};
    struct cadf_options options = {.setting_keys = plain_keys,
                                   .setting_values = plain_values,
                                   .n_settings = 3,
                                   .n_threads = 2,
                                   .read_only = read_only,
                                   .catalog = f ? &catalog : NULL};
    struct cadf_error err = {0};
    cadf_session *s = NULL;
    int rc = cadf_session_open(&options, &s, &err);
    if (rc)
        print_error("open: %s\n", err.text);
    assert_int_equal(rc, CADF_OK);
    assert_non_null(s);
    return s;
}

/* Write a query's rows; "" or "!CODE text". */
char *write_query(cadf_session *s, struct cadf_write *w, const char *sql, struct cadf_written *ret)
{
    struct cadf_error err = {0};
    struct cadf_written written = {0};
    int rc = cadf_delta_write_query(s, w, sql, strlen(sql), NULL, NULL, &written, &err);
    if (ret)
        *ret = written;
    char *out = NULL;
    if (rc)
        assert_true(asprintf(&out, "!%d %s", rc, err.text) > 0);
    else
        out = strdup("");
    return out;
}

void expect_write_(cadf_session *s, struct cadf_write *w, const char *sql, const char *want, const char *file, int line)
{
    char *have = write_query(s, w, sql, NULL);
    if (strcmp(have, want) != 0)
        print_error("%s:%d: %s\n--- have\n%s\n--- want\n%s\n", file, line, sql, have, want);
    assert_string_equal(have, want);
    free(have);
}

/* ---- streams ------------------------------------------------------------------------------------------------------
 */

struct counting_stream {
    struct counting *owner;
    size_t partition;
    int64_t at;
    size_t projection[4];
    size_t n_projection;
};

const struct column counting_columns[3] = {
    {"id", NANOARROW_TYPE_INT64, 1}, {"part", NANOARROW_TYPE_INT64, 1}, {"label", NANOARROW_TYPE_STRING, 0}};

static int counting_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    struct counting_stream *c = stream->private_data;
    struct column columns[4];
    for (size_t i = 0; i < c->n_projection; i++)
        columns[i] = counting_columns[c->projection[i]];
    if (c->owner->lie && c->n_projection)
        columns[0].type = NANOARROW_TYPE_STRING;
    schema_of(ret, columns, (int)c->n_projection);
    return 0;
}

static int counting_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    struct counting_stream *c = stream->private_data;
    ret->release = NULL;
    if (c->at >= c->owner->batches_a_partition)
        return 0;
    if (c->owner->fail_next && c->at == 1)
        return 5 /* EIO */;
    struct ArrowSchema schema;
    counting_schema(stream, &schema);
    assert_int_equal(ArrowArrayInitFromSchema(ret, &schema, NULL), NANOARROW_OK);
    schema.release(&schema);
    assert_int_equal(ArrowArrayStartAppending(ret), NANOARROW_OK);
    for (int64_t i = 0; i < BATCH_ROWS; i++) {
        for (size_t k = 0; k < c->n_projection; k++) {
            int rc = 0;
            if (c->projection[k] == 0)
                rc = ArrowArrayAppendInt(ret->children[k], c->at * BATCH_ROWS + i);
            else if (c->projection[k] == 1)
                rc = ArrowArrayAppendInt(ret->children[k], (int64_t)c->partition);
            else
                rc = ArrowArrayAppendString(ret->children[k], ArrowCharView(i % 2 ? "odd" : "even"));
            assert_int_equal(rc, NANOARROW_OK);
        }
        assert_int_equal(ArrowArrayFinishElement(ret), NANOARROW_OK);
    }
    assert_int_equal(ArrowArrayFinishBuildingDefault(ret, NULL), NANOARROW_OK);
    c->at++;
    atomic_fetch_add(&c->owner->n_batches, 1);
    return 0;
}

static const char *counting_error(struct ArrowArrayStream *stream)
{
    struct counting_stream *c = stream->private_data;
    return c->owner->fail_next ? "the disk is on fire" : NULL;
}

static void counting_release(struct ArrowArrayStream *stream)
{
    free(stream->private_data);
    stream->release = NULL;
}

int32_t counting_open(void *data, size_t partition, const size_t *projection, size_t n_projection,
                      struct ArrowArrayStream *ret, struct cadf_error *err)
{
    struct counting *owner = data;
    if (owner->fail_open) {
        snprintf(err->text, sizeof err->text, "cannot open partition %zu", partition);
        return CADF_ERR_IO;
    }
    atomic_fetch_add(&owner->n_open, 1);
    struct counting_stream *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->owner = owner;
    c->partition = partition;
    c->n_projection = n_projection;
    assert_true(n_projection <= 4);
    for (size_t i = 0; i < n_projection; i++)
        c->projection[i] = projection[i];
    owner->last_projection = n_projection;
    *ret = (struct ArrowArrayStream){.get_schema = counting_schema,
                                     .get_next = counting_next,
                                     .get_last_error = counting_error,
                                     .release = counting_release,
                                     .private_data = c};
    return CADF_OK;
}

void counting_drop(void *data)
{
    atomic_fetch_add(&((struct counting *)data)->n_dropped, 1);
}

/* ---- cancel -------------------------------------------------------------------------------------------------------
 */

void *fire_soon(void *cancel)
{
    struct timespec t = {.tv_nsec = 50 * 1000 * 1000};
    nanosleep(&t, NULL);
    cadf_cancel_fire(cancel);
    return NULL;
}
