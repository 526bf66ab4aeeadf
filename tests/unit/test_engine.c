/* tests/unit/test_engine.c — the room `engine`: presets and profiles (A2, A3), statuses in the house's words (G2),
 * single values, the write gate's door (E1). What the shim does behind cadf.h is test_cadf.c's.
 */
#include <fcntl.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <nanoarrow/nanoarrow.h>

#include "engine/engine.h"
#include "engine/profile.h"
#include "support/answer.h"
#include "support/scratch.h"

static struct engine *engine_with(const struct engine_options *options)
{
    struct engine *e = NULL;
    struct ca_error err = {0};
    if (engine_open(options, &e, &err) != CA_OK)
        fail_msg("%s", err.message);
    return e;
}

static struct engine *small_engine(void)
{
    const struct engine_options options = {.profile = "small"};
    return engine_with(&options);
}

/* ---- presets and profiles --------------------------------------------------------------------------------------- */

/* A2: the value of a setting, as information_schema.df_settings shows it. */
static void assert_setting(struct engine *e, const char *name, const char *expected)
{
    g_autofree char *sql = g_strdup_printf("SELECT value FROM information_schema.df_settings WHERE name = '%s'", name);
    char *value = NULL;
    struct ca_error err = {0};
    assert_int_equal(engine_query_text(e, sql, &value, &err), CA_OK);
    assert_non_null(value);
    assert_string_equal(value, expected);
    g_free(value);
}

static void test_presets(void **state)
{
    static const struct {
        const char *name;
        const char *hardened; /* schema_hardening, and the default */
        const char *fast;     /* arrow_performance */
    } settings[] = {
        {"datafusion.explain.show_schema", "true", "true"},
        {"datafusion.format.types_info", "true", "true"},
        {"datafusion.execution.time_zone", "UTC", "UTC"},
        {"datafusion.execution.skip_physical_aggregate_schema_check", "false", "false"},
        {"datafusion.sql_parser.map_string_types_to_utf8view", "false", "true"},
        {"datafusion.execution.parquet.schema_force_view_types", "false", "true"},
        {"datafusion.catalog.information_schema", "true", "true"},
    };
    static const char *const presets[] = {NULL, "schema_hardening", "arrow_performance"};
    (void)state;
    for (size_t p = 0; p < G_N_ELEMENTS(presets); p++) {
        const struct engine_options options = {.profile = "small", .preset = presets[p]};
        struct engine *e = engine_with(&options);
        for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
            assert_setting(e, settings[i].name, p == 2 ? settings[i].fast : settings[i].hardened);
        engine_close(e);
    }
}

/* A3: what a profile comes to, and that a caller's setting is applied last. */
static void test_profiles(void **state)
{
    static const struct {
        const char *name;
        int64_t memory_limit_bytes; /* 0: of the machine */
        int64_t n_threads;          /* 0: of the machine */
        const char *batch_size;
    } profiles[] = {
        {"small", (int64_t)256 << 20, 1, "4096"},
        {"medium", (int64_t)1 << 30, 2, "8192"},
        {"large", (int64_t)8 << 30, 0, "8192"},
        {"auto", 0, 0, "8192"},
        {NULL, 0, 0, "8192"},
    };
    (void)state;
    int64_t n_cores = (int64_t)g_get_num_processors();
    for (size_t i = 0; i < G_N_ELEMENTS(profiles); i++) {
        static const char *const settings[] = {"datafusion.execution.coalesce_batches=false"};
        const struct engine_options options = {.profile = profiles[i].name, .settings = settings, .n_settings = 1};
        struct engine *e = engine_with(&options);
        int64_t n_threads = profiles[i].n_threads ? MIN(profiles[i].n_threads, n_cores) : n_cores;
        g_autofree char *partitions = g_strdup_printf("%" G_GINT64_FORMAT, n_threads);
        assert_setting(e, "datafusion.execution.batch_size", profiles[i].batch_size);
        assert_setting(e, "datafusion.execution.target_partitions", partitions);
        assert_setting(e, "datafusion.execution.coalesce_batches", "false");
        g_autofree char *text = NULL;
        assert_int_equal(engine_profile_json(e, &text, NULL), CA_OK);
        json_t *said = json_loads(text, 0, NULL);
        assert_non_null(said);
        assert_string_equal(json_string_value(json_object_get(said, "profile")),
                            profiles[i].name ? profiles[i].name : "auto");
        assert_string_equal(json_string_value(json_object_get(said, "preset")), "schema_hardening");
        assert_int_equal(json_integer_value(json_object_get(said, "n_threads")), n_threads);
        int64_t limit = json_integer_value(json_object_get(said, "memory_limit_bytes"));
        if (profiles[i].memory_limit_bytes)
            assert_int_equal(limit, profiles[i].memory_limit_bytes);
        else
            assert_in_range(limit, (int64_t)512 << 20, (int64_t)16 << 30);
        assert_int_equal(json_integer_value(json_object_get(said, "spill_limit_bytes")), 64 * limit);
        const json_t *all = json_object_get(said, "settings");
        assert_string_equal(json_string_value(json_object_get(all, "datafusion.execution.coalesce_batches")), "false");
        json_decref(said);
        engine_close(e);
    }
}

/* A3, G2: what is refused, and that the later of two settings wins. */
static void test_options(void **state)
{
    static const struct {
        const char *profile;
        const char *preset;
        const char *settings[2];
        int status;
        const char *message;
    } cases[] = {
        {"tiny", NULL, {NULL}, CA_ERR_INVALID, "unknown profile 'tiny': one of small, medium, large, auto"},
        {"small", "fast", {NULL}, CA_ERR_INVALID, "unknown preset 'fast': one of schema_hardening, arrow_performance"},
        {"small", NULL, {"batch_size"}, CA_ERR_INVALID, "setting 'batch_size' is not key=value"},
        {"small", NULL, {"=1"}, CA_ERR_INVALID, "setting '=1' is not key=value"},
        {"small", NULL, {"", NULL}, CA_ERR_INVALID, "setting '' is not key=value"},
        {"small", NULL, {"datafusion.execution.batch_size=8", "a=\xFF"}, CA_ERR_INVALID, "setting 2 is not UTF-8"},
        {"small",
         NULL,
         {"datafusion.catalog.information_schema=false"},
         CA_ERR_INVALID,
         "setting 'datafusion.catalog.information_schema' is always true: the catalog answers through it"},
        {"small", NULL, {"datafusion.catalog.information_schema=true"}, CA_OK, ""},
        {"small", NULL, {"datafusion.execution.batch_size=8", "datafusion.execution.batch_size=16"}, CA_OK, ""},
        {"", NULL, {NULL}, CA_ERR_INVALID, "unknown profile '': one of small, medium, large, auto"},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct engine_options options = {
            .profile = cases[i].profile,
            .preset = cases[i].preset,
            .settings = cases[i].settings,
            .n_settings = (cases[i].settings[0] != NULL) + (size_t)(cases[i].settings[0] && cases[i].settings[1]),
        };
        struct engine *e = NULL;
        struct ca_error err = {0};
        assert_int_equal(engine_open(&options, &e, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        if (e && cases[i].settings[1])
            assert_setting(e, "datafusion.execution.batch_size", "16");
        engine_close(e);
        assert_int_equal(engine_open(&options, &e, /* err= */ NULL), cases[i].status);
        if (cases[i].status == CA_OK)
            engine_close(e);
    }
}

/* G2: a setting that the engine does not know is refused with the engine's words. */
static void test_unknown_setting(void **state)
{
    static const char *const settings[] = {"datafusion.no.such=1"};
    (void)state;
    const struct engine_options options = {.settings = settings, .n_settings = 1};
    struct engine *e = NULL;
    struct ca_error err = {0};
    assert_int_equal(engine_open(&options, &e, &err), CA_ERR_INVALID);
    assert_non_null(strstr(err.message, "datafusion.no.such"));
    assert_null(e);
}

/* A4 */
static void test_versions(void **state)
{
    (void)state;
    g_autoptr(GString) text = g_string_new(NULL);
    engine_versions(answer_add, text);
    json_t *versions = json_loads(text->str, 0, NULL);
    static const char *const keys[] = {"datafusion", "deltalake", "arrow", "cadf"};
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        assert_non_null(json_string_value(json_object_get(versions, keys[i])));
    assert_true(g_str_has_prefix(json_string_value(json_object_get(versions, "datafusion")), "55."));
    json_decref(versions);
    struct engine *e = small_engine();
    char *said = NULL;
    struct ca_error err = {0};
    assert_int_equal(engine_query_text(e, "SELECT version()", &said, &err), CA_OK);
    assert_true(g_str_has_prefix(said, "Apache DataFusion 55."));
    g_free(said);
    engine_close(e);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

/* G2: which status each kind of failure has. Texts are the engine's, so only ours are compared. */
static void test_statuses(void **state)
{
    static const struct {
        const char *sql;
        int status;
    } cases[] = {
        {"SELEC 1", CA_ERR_SYNTAX},
        {"", CA_ERR_SYNTAX},
        {"SELECT a", CA_ERR_ENGINE},
        {"SELECT * FROM nowhere", CA_ERR_ENGINE},
        {"SELECT 1; SELECT 2", CA_ERR_SYNTAX},
        {"CREATE TABLE t AS SELECT 1 AS a", CA_ERR_REFUSED},
        {"SET datafusion.execution.batch_size = 1", CA_ERR_REFUSED},
        {"COPY (SELECT 1) TO '/nowhere/x.csv'", CA_ERR_REFUSED},
        {"SELECT $x", CA_ERR_ENGINE},
        {"SELECT 1", CA_OK},
    };
    (void)state;
    const struct engine_options options = {.profile = "small", .is_read_only = true};
    struct engine *e = engine_with(&options);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ArrowArrayStream rows = {0};
        struct ca_error err = {0};
        int rc = engine_query(e, cases[i].sql, NULL, NULL, &rows, &err);
        if (rc != cases[i].status)
            fail_msg("'%s': %s: %s", cases[i].sql, ca_status_name(rc), err.message);
        assert_int_equal(err.message[0] == '\0', rc == CA_OK);
        if (rc == CA_OK)
            rows.release(&rows);
        else
            assert_null(rows.release);
        /* NULL for the error is allowed. */
        struct ArrowArrayStream again = {0};
        assert_int_equal(engine_query(e, cases[i].sql, NULL, NULL, &again, NULL), cases[i].status);
        if (again.release)
            again.release(&again);
    }
    engine_close(e);
}

static void test_single_values(void **state)
{
    static const struct {
        const char *sql;
        int status;
        int64_t number;
        const char *text;
        const char *message;
    } cases[] = {
        {"SELECT 7", CA_OK, 7, NULL, ""},
        {"SELECT CAST(-3 AS SMALLINT), 'x'", CA_OK, -3, NULL, ""},
        {"SELECT 1 WHERE false", CA_ERR_NOT_FOUND, 0, NULL, "no value from: SELECT 1 WHERE false"},
        {"SELECT CAST(NULL AS INT)", CA_ERR_NOT_FOUND, 0, NULL, "no value from: SELECT CAST(NULL AS INT)"},
        {"SELECT NULL", CA_ERR_NOT_FOUND, 0, NULL, "no value from: SELECT NULL"},
        {"SELECT 'x'", CA_ERR_ENGINE, 0, NULL, "the query answers string, not an integer"},
        {"SELECT 1.5", CA_ERR_ENGINE, 0, NULL, "the query answers double, not an integer"},
        {"SELECT 'it''s'", CA_OK, 0, "it's", ""},
        {"SELECT ''", CA_OK, 0, "", ""},
        {"SELECT arrow_cast('a view, longer than twelve bytes', 'Utf8View')", CA_OK, 0,
         "a view, longer than twelve bytes", ""},
        {"SELECT arrow_cast('large', 'LargeUtf8')", CA_OK, 0, "large", ""},
    };
    (void)state;
    struct engine *e = small_engine();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ca_error err = {0};
        int64_t number = 0;
        char *text = NULL;
        if (cases[i].text)
            assert_int_equal(engine_query_text(e, cases[i].sql, &text, &err), cases[i].status);
        else
            assert_int_equal(engine_query_int(e, cases[i].sql, &number, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(number, cases[i].number);
        if (cases[i].text)
            assert_string_equal(text, cases[i].text);
        g_free(text);
    }
    /* No row and NULL are no text; a number is none. */
    struct ca_error err = {0};
    char *text = (char *)"unset";
    assert_int_equal(engine_query_text(e, "SELECT 'x' WHERE false", &text, &err), CA_OK);
    assert_null(text);
    assert_int_equal(engine_query_text(e, "SELECT CAST(NULL AS VARCHAR)", &text, &err), CA_OK);
    assert_null(text);
    assert_int_equal(engine_query_text(e, "SELECT 7", &text, &err), CA_ERR_ENGINE);
    assert_string_equal(err.message, "the query answers int64, not a text");
    /* A failure while rows are read is a failure, not the end of the rows. */
    assert_int_equal(engine_query_text(e, "SELECT CAST('x' AS INT)", &text, &err), CA_ERR_ENGINE);
    engine_close(e);
}

static void test_split(void **state)
{
    static const struct {
        const char *sql;
        const char *statements; /* one a line */
    } cases[] = {
        {"", ""},
        {" ; ;", ""},
        {"-- nothing\n", ""},
        {"SELECT 1", "SELECT 1\n"},
        {"SELECT 1;", "SELECT 1\n"},
        {"-- one\nSELECT ';' AS a; /* two */ SELECT 2 -- end\n", "SELECT ';' AS a\nSELECT 2\n"},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) found = g_string_new(NULL);
        struct ca_error err = {0};
        assert_int_equal(engine_split(cases[i].sql, answer_add_line, found, &err), CA_OK);
        assert_string_equal(found->str, cases[i].statements);
    }
    g_autoptr(GString) unused = g_string_new(NULL);
    struct ca_error err = {0};
    assert_int_equal(engine_split("SELECT 'open", answer_add, unused, &err), CA_ERR_SYNTAX);
}

/* A3: what the program declares, it declares in a session that only reads too, and nothing else passes there. */
static void test_declare(void **state)
{
    (void)state;
    const struct engine_options options = {.profile = "small", .is_read_only = true};
    struct engine *e = NULL;
    struct ca_error err = {0};
    assert_int_equal(engine_open(&options, &e, &err), CA_OK);
    static const char *const others[] = {"SELECT 1", "CREATE VIEW v AS SELECT 1 AS a", "SET datafusion.x.y = 1"};
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        assert_int_equal(engine_declare(e, others[i], &err), CA_ERR_INVALID);
        g_autofree char *expected = g_strdup_printf("not CREATE EXTERNAL TABLE: %s", others[i]);
        assert_string_equal(err.message, expected);
    }
    assert_int_equal(engine_declare(e, "CREATE EXTERNAL", &err), CA_ERR_SYNTAX);
    assert_int_equal(engine_declare(e, "CREATE EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '/none/'", &err), CA_OK);
    struct ArrowSchema columns = {0};
    assert_int_equal(engine_query_schema(e, "SELECT a FROM t", &columns, &err), CA_OK);
    columns.release(&columns);
    engine_close(e);
}

static void test_write_formats(void **state)
{
    (void)state;
    struct engine *e = small_engine();
    struct ca_error err = {0};
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    static const char *const formats[] = {"table", "json", "ndjson", "csv", "tsv", "arrow", "parquet"};
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        struct ArrowArrayStream rows = {0};
        int64_t n_rows = -1;
        assert_int_equal(engine_query(e, "SELECT 1 AS a UNION ALL SELECT 2", NULL, NULL, &rows, &err), CA_OK);
        assert_int_equal(engine_stream_write(&rows, formats[i], null_fd, 80, &n_rows, &err), CA_OK);
        assert_int_equal(n_rows, 2);
        assert_null(rows.release);
    }
    struct ArrowArrayStream rows = {0};
    assert_int_equal(engine_query(e, "SELECT 1 AS a", NULL, NULL, &rows, &err), CA_OK);
    assert_int_equal(engine_stream_write(&rows, "xml", null_fd, 80, NULL, &err), CA_ERR_INVALID);
    assert_null(rows.release); /* taken, also on failure */
    int closed_fd = dup(null_fd);
    close(closed_fd);
    assert_int_equal(engine_query(e, "SELECT 1 AS a", NULL, NULL, &rows, &err), CA_OK);
    assert_int_equal(engine_stream_write(&rows, "csv", closed_fd, 80, NULL, &err), CA_ERR_IO);
    assert_null(rows.release);
    close(null_fd);
    engine_close(e);
}

/* A token that was fired cancels what starts with it; one that is freed early does no harm. */
static void test_cancel(void **state)
{
    (void)state;
    struct engine *e = small_engine();
    struct engine_cancel *cancel = engine_cancel_new();
    struct ca_error err = {0};
    struct ArrowArrayStream rows = {0};
    engine_cancel_fire(cancel);
    engine_cancel_fire(cancel);
    int rc = engine_query(e, "SELECT count(*) FROM generate_series(1, 100000000) AS a", NULL, cancel, &rows, &err);
    if (rc == CA_OK) {
        g_autofree char *said = answer_stream(&rows);
        assert_true(g_str_has_prefix(said, "CA_ERR_CANCELED: "));
    } else {
        assert_int_equal(rc, CA_ERR_CANCELED);
    }
    engine_cancel_free(cancel);
    engine_cancel_free(NULL);
    engine_close(e);
    engine_close(NULL);
}

/* A stream may be read after its session is closed. */
static void test_stream_outlives_engine(void **state)
{
    (void)state;
    struct engine *e = small_engine();
    struct ca_error err = {0};
    struct ArrowArrayStream rows = {0};
    assert_int_equal(
        engine_query(e, "SELECT count(*) AS n FROM generate_series(1, 1000) AS a", NULL, NULL, &rows, &err), CA_OK);
    engine_close(e);
    g_autofree char *said = answer_stream(&rows);
    assert_string_equal(said, "n\n1000\n");
}

/* ---- Delta ------------------------------------------------------------------------------------------------------ */

/* a: int64 not null, b: utf8 */
static void two_columns(struct ArrowSchema *s)
{
    ArrowSchemaInit(s);
    assert_int_equal(ArrowSchemaSetTypeStruct(s, 2), NANOARROW_OK);
    assert_int_equal(ArrowSchemaSetType(s->children[0], NANOARROW_TYPE_INT64), NANOARROW_OK);
    assert_int_equal(ArrowSchemaSetType(s->children[1], NANOARROW_TYPE_STRING), NANOARROW_OK);
    assert_int_equal(ArrowSchemaSetName(s->children[0], "a"), NANOARROW_OK);
    assert_int_equal(ArrowSchemaSetName(s->children[1], "b"), NANOARROW_OK);
    s->children[0]->flags = 0;
}

/* E1: version 0, 1, 2; a transaction that was committed, a null where there is none, and a column of another type write
 * nothing. */
static void test_delta(void **state)
{
    struct ArrowSchema declared = {0};
    two_columns(&declared);
    g_autofree char *location = scratch_path(*state, "delta");
    const struct {
        enum engine_write_mode mode;
        int status;
        int64_t app_version;
        const char *sql;
        int64_t version;
        int64_t n_rows;
    } cases[] = {
        {ENGINE_OVERWRITE, CA_OK, 1, "SELECT CAST(1 AS BIGINT) AS a, 'x' AS b", 0, 1},
        {ENGINE_OVERWRITE, CA_ERR_CONFLICT, 1, "SELECT CAST(9 AS BIGINT) AS a, 'x' AS b", 0, 0},
        {ENGINE_APPEND, CA_OK, 2, "SELECT CAST(2 AS BIGINT) AS a, CAST(NULL AS VARCHAR) AS b", 1, 1},
        {ENGINE_APPEND, CA_ERR_CONTRACT, 3, "SELECT CAST(NULL AS BIGINT) AS a, 'x' AS b", 0, 0},
        {ENGINE_APPEND, CA_ERR_CONTRACT, 3, "SELECT 'x' AS a, 'x' AS b", 0, 0},
        {ENGINE_APPEND, CA_ERR_SYNTAX, 3, "SELECT", 0, 0},
        {ENGINE_OVERWRITE, CA_OK, 3, "SELECT CAST(3 AS BIGINT) AS a, 'y' AS b WHERE false", 2, 0},
    };
    struct engine *e = small_engine();
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct engine_write write = {.location = location,
                                           .schema = &declared,
                                           .mode = cases[i].mode,
                                           .app_id = "test",
                                           .app_version = cases[i].app_version};
        struct engine_written written = {.version = -7};
        int rc = engine_write_query(e, &write, cases[i].sql, NULL, NULL, &written, &err);
        if (rc != cases[i].status)
            fail_msg("case %zu: %s: %s", i, ca_status_name(rc), err.message);
        assert_int_equal(written.version, rc == CA_OK ? cases[i].version : -7);
        if (rc == CA_OK)
            assert_int_equal(written.n_rows, cases[i].n_rows);
    }
    int64_t newest = -1;
    assert_int_equal(engine_delta_version(e, location, &newest, &err), CA_OK);
    assert_int_equal(newest, 2);
    g_autofree char *nowhere = scratch_path(*state, "nowhere");
    assert_int_equal(engine_delta_version(e, nowhere, &newest, &err), CA_ERR_NOT_FOUND);
    struct ArrowSchema stored = {0};
    assert_int_equal(engine_delta_schema(e, location, 1, &stored, &err), CA_OK);
    g_autofree char *text = answer_schema(&stored);
    assert_string_equal(text, "a: int64 not null, b: utf8");
    assert_int_equal(engine_delta_schema(e, location, 99, &stored, &err), CA_ERR_NOT_FOUND);
    g_autoptr(GString) history = g_string_new(NULL);
    assert_int_equal(engine_delta_history(e, location, 2, answer_add, history, &err), CA_OK);
    json_t *commits = json_loads(history->str, 0, NULL);
    assert_int_equal(json_array_size(commits), 2);
    json_decref(commits);
    declared.release(&declared);
    engine_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_unknown_setting),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_single_values),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_declare),
        cmocka_unit_test(test_write_formats),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_stream_outlives_engine),
        cmocka_unit_test_setup_teardown(test_delta, scratch_set_up, scratch_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
