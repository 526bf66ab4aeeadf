/* tests/unit/test_session.c — the public C ABI: sessions over published runs (decision 19), the one resolver (A1),
 * versions (A4), introspection (A5), errors that say what to do (G2), and what careless callers pass.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "codeanatomy/codeanatomy.h"
#include "support/answer.h"
#include "support/contracts.h"
#include "support/scratch.h"

static ca_session *session(const struct ca_session_options *options)
{
    ca_session *s = NULL;
    struct ca_error err = {0};
    if (ca_session_open(options, &s, &err) != CA_OK)
        fail_msg("%s", err.message);
    return s;
}

static char *ask(ca_session *s, const char *sql)
{
    struct ArrowArrayStream rows = {0};
    struct ca_error err = {0};
    int rc = ca_query(s, sql, NULL, NULL, &rows, &err);
    return rc == CA_OK ? answer_stream(&rows) : g_strdup_printf("%s: %s", ca_status_name(rc), err.message);
}

static void assert_ask(ca_session *s, const char *sql, const char *expected)
{
    g_autofree char *found = ask(s, sql);
    assert_string_equal(found, expected);
}

static void write_repository(const char *root)
{
    scratch_write(root, "repo/a.py", "def f():\n    return 1\n");
    scratch_write(root, "repo/b.py", "import a\n\na.f()\n");
}

/* Build ROOT/repo into ROOT/store without an interpreter; returns the run. */
static char *build(const char *root, bool has_datasets)
{
    g_autofree char *repository = scratch_path(root, "repo");
    g_autofree char *store = scratch_path(root, "store");
    g_autofree char *datasets = scratch_path(root, "datasets");
    static const char *const layers[] = {"libcst"};
    const struct ca_build_options options = {.size = sizeof options,
                                             .repository = repository,
                                             .store = store,
                                             .datasets = has_datasets ? datasets : NULL,
                                             .layers = layers,
                                             .n_layers = 1,
                                             .profile = "small"};
    struct ca_build_result result = {.size = sizeof result};
    struct ca_error err = {0};
    if (ca_build(&options, &result, &err) != CA_OK)
        fail_msg("%s", err.message);
    assert_string_equal(result.store, store);
    assert_int_equal(result.size, sizeof result);
    return g_strdup(result.run_id);
}

/* ---- options ------------------------------------------------------------------------------------------------------
 */

/* A caller may be older (its struct is shorter) or newer (longer); what we cannot know is refused. */
static void test_option_sizes(void **state)
{
    struct newer {
        struct ca_session_options known;
        const char *unknown;
    };
    (void)state;
    ca_session *s = NULL;
    struct ca_error err = {0};
    s = session(NULL);
    ca_session_close(s);
    struct newer newer = {.known = {.size = sizeof newer, .profile = "small"}};
    s = session(&newer.known);
    ca_session_close(s);
    newer.unknown = "x";
    assert_int_equal(ca_session_open(&newer.known, &s, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the options have fields that this library does not know: it is older");
    const struct ca_session_options unset = {.profile = "small"};
    assert_int_equal(ca_session_open(&unset, &s, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the options' size is not set");
    /* The shortest struct: nothing but its size. The rest must not be read. */
    const struct ca_session_options oldest = {.size = sizeof(size_t), .profile = "nonsense"};
    s = session(&oldest);
    ca_session_close(s);
    ca_session_close(NULL);
}

static void test_open_failures(void **state)
{
    const char *root = *state;
    g_autofree char *store = scratch_path(root, "store");
    static const char *const settings[] = {"datafusion.execution.batch_size=8", NULL};
    const struct {
        struct ca_session_options options;
        int status;
        const char *message; /* %s: the store */
    } cases[] = {
        {{.run = "r"}, CA_ERR_INVALID, "run 'r' needs a store"},
        {{.as_of = "t"}, CA_ERR_INVALID, "'t', the time to read, needs a store"},
        {{.store = store, .run = "r", .as_of = "t"},
         CA_ERR_INVALID,
         "run 'r' and the time 't' are two answers to what is read: leave one out"},
        {{.store = store, .run = "r"},
         CA_ERR_REFUSED,
         "a session that writes reads the newest run: leave out the run, or open it read-only"},
        {{.store = store, .as_of = "t"},
         CA_ERR_REFUSED,
         "a session that writes reads the newest run: leave out the time, or open it read-only"},
        {{.pins = settings, .n_pins = 1},
         CA_ERR_REFUSED,
         "a session that writes reads the newest run: leave out the pin, or open it read-only"},
        {{.n_pins = 1}, CA_ERR_INVALID, "the list of pins is NULL"},
        {{.pins = settings, .n_pins = 2}, CA_ERR_INVALID, "a pin is NULL"},
        {{.profile = "tiny"}, CA_ERR_INVALID, "unknown profile 'tiny': one of small, medium, large, auto"},
        {{.preset = "tiny"}, CA_ERR_INVALID, "unknown preset 'tiny': one of schema_hardening, arrow_performance"},
        {{.n_settings = 1}, CA_ERR_INVALID, "the list of settings is NULL"},
        {{.settings = settings, .n_settings = 2}, CA_ERR_INVALID, "a setting is NULL"},
        {{.store = store}, CA_ERR_NOT_FOUND, "no store at '%s': run 'codeanatomy build' first"},
        {{.datasets = "/nowhere"}, CA_ERR_NOT_FOUND, "load the datasets of '/nowhere': there is no folder '/nowhere'"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ca_session_options options = cases[i].options;
        ca_session *s = NULL;
        struct ca_error err = {0};
        options.size = sizeof options;
        assert_int_equal(ca_session_open(&options, &s, &err), cases[i].status);
        assert_null(s);
        g_auto(GStrv) parts = g_strsplit(cases[i].message, "%s", 0);
        g_autofree char *expected = g_strjoinv(store, parts);
        assert_string_equal(err.message, expected);
        assert_int_equal(ca_session_open(&options, &s, /* err= */ NULL), cases[i].status);
    }
}

/* Callers in other languages: every missing argument is an error with its name. */
static void test_null_arguments(void **state)
{
    (void)state;
    ca_session *s = session(NULL);
    struct ArrowArrayStream rows = {0};
    struct ArrowSchema schema = {0};
    struct ca_error err = {0};
    g_autoptr(GString) text = g_string_new(NULL);
    assert_int_equal(ca_session_open(NULL, NULL, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the result is NULL");
    assert_int_equal(ca_query(NULL, "SELECT 1", NULL, NULL, &rows, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the session is NULL");
    assert_int_equal(ca_query(s, NULL, NULL, NULL, &rows, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the sql is NULL");
    assert_int_equal(ca_query(s, "SELECT 1", NULL, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_query_write(s, "SELECT 1", NULL, NULL, NULL, 1, 0, NULL, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the format is NULL");
    assert_int_equal(ca_stream_write(NULL, "csv", 1, 0, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_stream_write(&rows, "csv", 1, 0, NULL, &err), CA_ERR_INVALID); /* released already */
    assert_string_equal(err.message, "the stream is NULL");
    assert_int_equal(ca_sql_split(NULL, answer_add, text, &err), CA_ERR_INVALID);
    assert_int_equal(ca_sql_split("SELECT 1", NULL, text, &err), CA_ERR_INVALID);
    assert_int_equal(ca_resolve_schema(s, NULL, &schema, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the name or query is NULL");
    assert_int_equal(ca_describe(s, NULL, &rows, &err), CA_ERR_INVALID);
    assert_int_equal(ca_describe(NULL, "x", &rows, &err), CA_ERR_INVALID);
    assert_int_equal(ca_tables(NULL, &rows, &err), CA_ERR_INVALID);
    assert_int_equal(ca_columns(NULL, NULL, &rows, &err), CA_ERR_INVALID);
    assert_int_equal(ca_views(s, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_routines(s, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_settings(NULL, &rows, &err), CA_ERR_INVALID);
    assert_int_equal(ca_ddl(s, NULL, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_manifest(NULL, answer_add, text, &err), CA_ERR_INVALID);
    assert_int_equal(ca_session_refresh(NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_build(NULL, NULL, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "no repository is named");
    struct ca_build_result result = {0};
    assert_int_equal(ca_build(NULL, &result, &err), CA_ERR_INVALID);
    assert_string_equal(err.message, "the result's size is not set");
    assert_int_equal(ca_store_path(NULL, answer_add, text, &err), CA_ERR_INVALID);
    assert_int_equal(ca_store_path("/", NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_doctor("/", NULL, NULL, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(text->len, 0);
    assert_int_equal(ca_query(s, NULL, NULL, NULL, &rows, NULL), CA_ERR_INVALID);
    ca_session_close(s);
}

/* Every pointer of every function of codeanatomy.h that may not be NULL, with a place for the error and without one. */
static void test_every_null_is_an_error(void **state)
{
    (void)state;
    ca_session *s = session(NULL);
    static const char *const null_texts[] = {NULL};
    const struct ca_build_options no_setting = {.size = sizeof no_setting, .repository = "/", .n_settings = 1};
    const struct ca_build_options null_setting = {
        .size = sizeof null_setting, .repository = "/", .settings = null_texts, .n_settings = 1};
    const struct ca_session_options null_settings = {
        .size = sizeof null_settings, .settings = null_texts, .n_settings = 1};
    struct ca_error error = {0};
    struct ca_error *const places[] = {&error, NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        struct ca_error *err = places[i];
        struct ArrowArrayStream rows = {0};
        struct ArrowSchema schema = {0};
        struct ArrowArray array = {0};
        const struct ca_params no_schema = {NULL, &array};
        const struct ca_params no_array = {&schema, NULL};
        ca_session *other = NULL;
        g_autoptr(GString) text = g_string_new(NULL);
        const int statuses[] = {
            ca_versions(NULL, NULL),
            ca_session_open(NULL, NULL, err),
            ca_session_open(&null_settings, &other, err),
            ca_session_refresh(NULL, err),
            ca_query(NULL, "SELECT 1", NULL, NULL, &rows, err),
            ca_query(s, NULL, NULL, NULL, &rows, err),
            ca_query(s, "SELECT 1", NULL, NULL, NULL, err),
            ca_query(s, "SELECT $x", &no_schema, NULL, &rows, err),
            ca_query(s, "SELECT $x", &no_array, NULL, &rows, err),
            ca_query_write(NULL, "SELECT 1", NULL, NULL, "csv", 1, 0, NULL, err),
            ca_query_write(s, NULL, NULL, NULL, "csv", 1, 0, NULL, err),
            ca_query_write(s, "SELECT 1", NULL, NULL, NULL, 1, 0, NULL, err),
            ca_query_write(s, "SELECT $x", &no_array, NULL, "csv", 1, 0, NULL, err),
            ca_sql_split(NULL, answer_add, text, err),
            ca_sql_split("SELECT 1", NULL, NULL, err),
            ca_resolve_schema(NULL, "ast_nodes", &schema, err),
            ca_resolve_schema(s, NULL, &schema, err),
            ca_resolve_schema(s, "ast_nodes", NULL, err),
            ca_tables(NULL, &rows, err),
            ca_tables(s, NULL, err),
            ca_columns(NULL, NULL, &rows, err),
            ca_columns(s, NULL, NULL, err),
            ca_views(NULL, &rows, err),
            ca_views(s, NULL, err),
            ca_routines(NULL, &rows, err),
            ca_routines(s, NULL, err),
            ca_settings(NULL, &rows, err),
            ca_settings(s, NULL, err),
            ca_describe(NULL, "ast_nodes", &rows, err),
            ca_describe(s, NULL, &rows, err),
            ca_describe(s, "ast_nodes", NULL, err),
            ca_stream_write(NULL, "csv", 1, 0, NULL, err),
            ca_ddl(NULL, NULL, answer_add, text, err),
            ca_ddl(s, NULL, NULL, NULL, err),
            ca_build(NULL, NULL, err),
            ca_build(&no_setting, NULL, err),
            ca_build(&null_setting, NULL, err),
            ca_store_path(NULL, answer_add, text, err),
            ca_store_path("/", NULL, NULL, err),
            ca_manifest(NULL, answer_add, text, err),
            ca_manifest(s, NULL, NULL, err),
            ca_set_params(NULL, "p_file_ids", &rows, err),
            ca_set_params(s, "p_file_ids", NULL, err),
            ca_drift(NULL, NULL, NULL, answer_add, text, NULL, err),
            ca_drift("/", NULL, NULL, NULL, NULL, NULL, err),
            ca_doctor(NULL, NULL, answer_add, text, err),
            ca_doctor("/", NULL, NULL, NULL, err),
            ca_doctor("/", &null_setting, answer_add, text, err),
        };
        for (size_t k = 0; k < G_N_ELEMENTS(statuses); k++)
            if (statuses[k] != CA_ERR_INVALID)
                fail_msg("call %zu: %s", k, ca_status_name(statuses[k]));
        assert_null(rows.release);
        assert_null(schema.release);
        assert_null(other);
        assert_int_equal(text->len, 0);
        assert_int_equal(ca_tables(s, &rows, err), CA_OK);
        assert_int_equal(ca_stream_write(&rows, NULL, 1, 0, NULL, err), CA_ERR_INVALID); /* takes it all the same */
        assert_null(rows.release);
    }
    ca_cancel_fire(NULL);
    ca_cancel_free(NULL);
    ca_log_set(NULL, NULL, 5);
    ca_session_close(s);
    ca_session_close(NULL);
}

/* ---- sessions without a store -------------------------------------------------------------------------------------
 */

static void test_without_store(void **state)
{
    (void)state;
    const struct ca_session_options options = {.size = sizeof options, .profile = "small", .read_only = 1};
    ca_session *s = session(&options);
    struct ca_error err = {0};
    assert_ask(s, "SELECT count(*) AS n FROM ast_nodes", "n\n0\n");
    assert_ask(s, "SELECT health FROM registry.datasets WHERE dataset_name = 'ast_files_v1'", "health\nempty\n");
    g_autofree char *refused = ask(s, "CREATE TABLE t AS SELECT 1 AS a");
    assert_true(g_str_has_prefix(refused, "CA_ERR_REFUSED: "));
    g_autoptr(GString) text = g_string_new(NULL);
    assert_int_equal(ca_manifest(s, answer_add, text, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, "nothing is published");
    assert_int_equal(ca_session_refresh(s, &err), CA_OK);
    struct ArrowSchema schema = {0};
    assert_int_equal(ca_resolve_schema(s, "dataset://ast_files_v1@1", &schema, &err), CA_OK);
    schema.release(&schema);
    assert_int_equal(ca_resolve_schema(s, "ast_nodez", &schema, &err), CA_ERR_NOT_FOUND);
    assert_string_equal(err.message, "no dataset 'ast_nodez'; 'codeanatomy tables' lists them");
    int (*const helpers[])(ca_session *, struct ArrowArrayStream *, struct ca_error *) = {ca_tables, ca_views,
                                                                                          ca_routines, ca_settings};
    for (size_t i = 0; i < G_N_ELEMENTS(helpers); i++) {
        struct ArrowArrayStream rows = {0};
        assert_int_equal(helpers[i](s, &rows, &err), CA_OK);
        rows.release(&rows);
    }
    assert_int_equal(ca_ddl(s, "callers", answer_add, text, &err), CA_OK);
    assert_true(g_str_has_prefix(text->str, "CREATE VIEW "));
    ca_session_close(s);
}

static void test_query_write(void **state)
{
    (void)state;
    ca_session *s = session(NULL);
    struct ca_error err = {0};
    int fd = memfd_create("out", MFD_CLOEXEC);
    int64_t n_rows = -1;
    assert_int_equal(ca_query_write(s, "SELECT 1 AS a, 'x' AS b", NULL, NULL, "ndjson", fd, 0, &n_rows, &err), CA_OK);
    assert_int_equal(n_rows, 1);
    char text[64] = "";
    assert_int_equal(pread(fd, text, sizeof text - 1, 0), 16);
    assert_string_equal(text, "{\"a\":1,\"b\":\"x\"}\n");
    assert_int_equal(ca_query_write(s, "SELECT 1", NULL, NULL, "xml", fd, 0, NULL, &err), CA_ERR_INVALID);
    assert_int_equal(ca_query_write(s, "SELEC", NULL, NULL, "csv", fd, 0, NULL, &err), CA_ERR_SYNTAX);
    close(fd);
    ca_session_close(s);
}

/* A4 */
static void test_versions(void **state)
{
    static const char *const keys[] = {"codeanatomy", "datafusion", "deltalake", "arrow", "grammar"};
    (void)state;
    g_autoptr(GString) text = g_string_new(NULL);
    assert_int_equal(ca_versions(answer_add, text), CA_OK);
    json_t *versions = json_loads(text->str, 0, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        assert_non_null(json_string_value(json_object_get(versions, keys[i])));
    assert_string_equal(json_string_value(json_object_get(versions, "codeanatomy")), ca_version());
    json_decref(versions);
}

/* ---- runs ----------------------------------------------------------------------------------------------------------
 */

/* Decision 19: a session stays on its run while others publish, and moves when it is told to; streams of before stay
 * readable. */
static void test_refresh(void **state)
{
    const char *root = *state;
    write_repository(root);
    g_autofree char *first = build(root, false);
    g_autofree char *store = scratch_path(root, "store");
    const struct ca_session_options options = {
        .size = sizeof options, .store = store, .profile = "small", .read_only = 1};
    struct ca_session_options pinned_options = options;
    pinned_options.run = first;
    ca_session *s = session(&options);
    ca_session *pinned = session(&pinned_options);
    struct ca_error err = {0};
    assert_ask(s, "SELECT count(*) AS n FROM repo_files_v1", "n\n2\n");

    scratch_write(root, "repo/c.py", "x = 1\n");
    g_autofree char *second = build(root, false);
    assert_string_not_equal(first, second);
    assert_ask(s, "SELECT count(*) AS n FROM repo_files_v1", "n\n2\n");
    struct ArrowArrayStream old_rows = {0};
    struct ArrowArrayStream old_registry = {0};
    assert_int_equal(ca_query(s, "SELECT path FROM repo_files_v1 ORDER BY path", NULL, NULL, &old_rows, &err), CA_OK);
    assert_int_equal(ca_query(s, "SELECT n_rows FROM registry.datasets WHERE dataset_name = 'repo_files_v1'", NULL,
                              NULL, &old_registry, &err),
                     CA_OK);
    assert_int_equal(ca_session_refresh(s, &err), CA_OK);
    assert_ask(s, "SELECT count(*) AS n FROM repo_files_v1", "n\n3\n");
    assert_int_equal(ca_session_refresh(pinned, &err), CA_OK);
    assert_ask(pinned, "SELECT count(*) AS n FROM repo_files_v1", "n\n2\n");
    g_autofree char *old_text = answer_stream(&old_rows);
    assert_string_equal(old_text, "path\na.py\nb.py\n");
    g_autofree char *old_count = answer_stream(&old_registry);
    assert_string_equal(old_count, "n_rows\n2\n");

    g_autoptr(GString) text = g_string_new(NULL);
    assert_int_equal(ca_manifest(s, answer_add, text, &err), CA_OK);
    json_t *manifest = json_loads(text->str, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(manifest, "run_id")), second);
    json_decref(manifest);

    /* A refresh that fails leaves the session as it was. */
    scratch_write(root, "store/published", "nonsense-run\n");
    assert_int_equal(ca_session_refresh(s, &err), CA_ERR_NOT_FOUND);
    assert_ask(s, "SELECT count(*) AS n FROM repo_files_v1", "n\n3\n");
    ca_session_close(s);
    ca_session_close(pinned);
}

/* Decision 5: the snapshot is checked; a manifest that does not fit it is drift, and says what to do. */
static void test_drift(void **state)
{
    const char *root = *state;
    write_repository(root);
    g_autofree char *run = build(root, false);
    g_autofree char *store = scratch_path(root, "store");
    g_autofree char *manifest_path = g_strdup_printf("store/runs/%s.json", run);
    g_autofree char *manifest = scratch_read(root, manifest_path);
    json_t *parsed = json_loads(manifest, 0, NULL);
    g_autofree char *fingerprint = g_strdup(json_string_value(json_object_get(parsed, "catalog_fingerprint")));
    json_decref(parsed);
    g_autofree char *snapshot_path = g_strdup_printf("store/catalog/%s.bundle", fingerprint);
    g_autofree char *snapshot_file = scratch_path(root, snapshot_path);
    g_autofree char *snapshot = NULL;
    gsize n_snapshot_bytes = 0;
    assert_true(g_file_get_contents(snapshot_file, &snapshot, &n_snapshot_bytes, NULL));
    const struct ca_session_options options = {.size = sizeof options, .store = store, .profile = "small"};
    ca_session *s = NULL;
    struct ca_error err = {0};

    char *name = memmem(snapshot, n_snapshot_bytes, "repo_files_v1", strlen("repo_files_v1"));
    assert_non_null(name);
    name[0] = 'R';
    assert_true(g_file_set_contents(snapshot_file, snapshot, (gssize)n_snapshot_bytes, NULL));
    assert_int_equal(ca_session_open(&options, &s, &err), CA_ERR_DRIFT);
    g_autofree char *expected = g_strdup_printf(
        "read '%s/catalog/%s.bundle': it was changed after it was written: build again", store, fingerprint);
    assert_string_equal(err.message, expected);
    name[0] = 'r';
    assert_true(g_file_set_contents(snapshot_file, snapshot, (gssize)n_snapshot_bytes, NULL));

    static const struct {
        const char *from;
        const char *to;
        int status;
        const char *message; /* %s: the run */
    } edits[] = {
        {"\"contract_fingerprint\": \"", "\"contract_fingerprint\": \"0", CA_ERR_DRIFT, NULL},
        {"\"data_version\": ", "\"data_version\": -", CA_OK, NULL}, /* -0 is 0 */
        {"\"data_version\": 0", "\"data_version\": null", CA_ERR_DRIFT,
         "entry 0 of the manifest of run '%s' is incomplete"},
        {"\"location\": \"", "\"place\": \"", CA_ERR_DRIFT, "entry 0 of the manifest of run '%s' is incomplete"},
        {"\"datasets\": [", "\"datasets\": [7, ", CA_ERR_DRIFT, "entry 0 of the manifest of run '%s' is incomplete"},
        {"{", "", CA_ERR_SYNTAX, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_auto(GStrv) parts = g_strsplit(manifest, edits[i].from, 2);
        g_autofree char *edited = g_strjoinv(edits[i].to, parts);
        scratch_write(root, manifest_path, edited);
        int rc = ca_session_open(&options, &s, &err);
        if (rc != edits[i].status)
            fail_msg("edit %zu: %s: %s", i, ca_status_name(rc), err.message);
        if (edits[i].message) {
            g_auto(GStrv) message = g_strsplit(edits[i].message, "%s", 0);
            g_autofree char *joined = g_strjoinv(run, message);
            assert_string_equal(err.message, joined);
        }
        if (rc == CA_OK)
            ca_session_close(s);
    }
    scratch_write(root, manifest_path, manifest);
    s = session(&options);
    ca_session_close(s);
}

/* B1: a user's datasets are in the run; a session reads them without the folder, and with it. */
static void test_user_datasets(void **state)
{
    const char *root = *state;
    write_repository(root);
    contracts_write(root, "graph", "t_mine", "table", "a int64", NULL,
                    "SELECT CAST(count(*) AS BIGINT) AS a FROM repo_files_v1");
    g_autofree char *run = build(root, true);
    g_autofree char *store = scratch_path(root, "store");
    g_autofree char *datasets = scratch_path(root, "datasets");
    struct ca_session_options options = {.size = sizeof options, .store = store, .profile = "small"};
    ca_session *s = session(&options);
    assert_ask(s, "SELECT a FROM t_mine", "a\n2\n");
    ca_session_close(s);
    options.datasets = datasets;
    s = session(&options);
    assert_ask(s, "SELECT a FROM t_mine", "a\n2\n");
    /* E1: SQL INSERT through the gate, published. */
    assert_ask(s, "INSERT INTO t_mine VALUES (3)", "count\n1\n");
    assert_ask(s, "SELECT a FROM t_mine ORDER BY a", "a\n2\n3\n");
    assert_ask(s, "INSERT INTO t_mine VALUES (NULL)",
               "CA_ERR_CONTRACT: gate 'public.t_mine': column 'a' is null in row 0");
    ca_session_close(s);
    options.read_only = 1;
    s = session(&options);
    assert_ask(s, "SELECT a FROM t_mine ORDER BY a", "a\n2\n3\n");
    ca_session_close(s);
}

/* E1, decision 19: one writer, whose statements make runs; a reader stays on its own until it is told to move. */
static void test_writer_and_readers(void **state)
{
    const char *root = *state;
    write_repository(root);
    contracts_write(root, "graph", "t_mine", "table", "a int64", NULL, NULL);
    g_autofree char *run = build(root, true);
    g_autofree char *store = scratch_path(root, "store");
    const struct ca_session_options reading = {
        .size = sizeof reading, .store = store, .profile = "small", .read_only = 1};
    struct ca_session_options writing = reading;
    writing.read_only = 0;
    ca_session *reader = session(&reading);
    ca_session *writer = session(&writing);
    ca_session *second = NULL;
    struct ca_error err = {0};
    assert_int_equal(ca_session_open(&writing, &second, &err), CA_ERR_CONFLICT);
    g_autofree char *taken = g_strdup_printf("open store '%s' for writing: another process writes to '%s' (process "
                                             "%ld): wait for it, or use another --store",
                                             store, store, (long)getpid());
    assert_string_equal(err.message, taken);

    assert_ask(writer, "INSERT INTO t_mine VALUES (1)", "count\n1\n");
    assert_ask(writer, "SELECT n_rows FROM registry.datasets WHERE dataset_name = 't_mine'", "n_rows\n1\n");
    assert_ask(reader, "SELECT a FROM t_mine", "a\n");
    assert_int_equal(ca_session_refresh(writer, &err), CA_OK);
    assert_int_equal(ca_session_refresh(reader, &err), CA_OK);
    assert_ask(reader, "SELECT a FROM t_mine", "a\n1\n");

    /* Runs that are prepared are published as those that are said. */
    assert_ask(writer, "PREPARE p AS INSERT INTO t_mine VALUES (2)", "");
    assert_ask(writer, "EXECUTE p", "count\n1\n");
    assert_ask(writer, "SELECT count(DISTINCT run_id) AS n FROM diagnostics.writes WHERE dataset_name = 't_mine'",
               "n\n2\n");
    g_autoptr(GString) text = g_string_new(NULL);
    assert_int_equal(ca_manifest(writer, answer_add, text, &err), CA_OK);
    json_t *manifest = json_loads(text->str, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(manifest, "made_by")), "sql");
    g_autofree char *last = g_strdup(json_string_value(json_object_get(manifest, "run_id")));
    json_decref(manifest);
    g_autofree char *pointer = scratch_read(root, "store/published");
    assert_string_equal(g_strchomp(pointer), last);

    ca_session_close(writer);
    second = session(&writing); /* the lock is free again */
    ca_session_close(second);
    static const char *const pins[] = {"t_mine=0"};
    struct ca_session_options pinned = reading;
    pinned.pins = pins;
    pinned.n_pins = 1;
    second = session(&pinned);
    assert_ask(second, "SELECT a FROM t_mine", "a\n1\n");
    assert_int_equal(ca_session_refresh(second, &err), CA_OK);
    assert_ask(second, "SELECT a FROM t_mine", "a\n1\n");
    ca_session_close(second);
    ca_session_close(reader);
}

/* ---- building ------------------------------------------------------------------------------------------------------
 */

static void test_build_refused(void **state)
{
    const char *root = *state;
    write_repository(root);
    g_autofree char *repository = scratch_path(root, "repo");
    g_autofree char *nowhere = scratch_path(root, "nowhere");
    static const char *const bad_texts[] = {"ok", "\xFF"};
    static const char *const null_texts[] = {NULL};
    const struct {
        struct ca_build_options options;
        int status;
        const char *message; /* NULL: not ours alone */
    } cases[] = {
        {{.repository = nowhere}, CA_ERR_NOT_FOUND, NULL},
        {{.repository = repository, .name = "\xFF"}, CA_ERR_INVALID, "repository name '\xEF\xBF\xBD' is not UTF-8"},
        {{.repository = repository, .include = bad_texts, .n_include = 2},
         CA_ERR_INVALID,
         "include '\xEF\xBF\xBD' is not UTF-8"},
        {{.repository = repository, .source_roots = bad_texts, .n_source_roots = 2},
         CA_ERR_INVALID,
         "source root '\xEF\xBF\xBD' is not UTF-8"},
        {{.repository = repository, .layers = null_texts, .n_layers = 1}, CA_ERR_INVALID, "layer is NULL"},
        {{.repository = repository, .n_exclude = 1}, CA_ERR_INVALID, "exclude is NULL"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ca_build_options options = cases[i].options;
        struct ca_error err = {0};
        options.size = sizeof options;
        int rc = ca_build(&options, NULL, &err);
        if (rc != cases[i].status)
            fail_msg("case %zu: %s: %s", i, ca_status_name(rc), err.message);
        if (cases[i].message)
            assert_string_equal(err.message, cases[i].message);
    }
    g_autofree char *store = scratch_path(root, "repo/.codeanatomy");
    assert_false(g_file_test(store, G_FILE_TEST_EXISTS));
    g_autoptr(GString) text = g_string_new(NULL);
    struct ca_error err = {0};
    assert_int_equal(ca_store_path(repository, answer_add, text, &err), CA_OK);
    assert_string_equal(text->str, store);
}

/* A result struct of an older caller gets what fits. */
static void test_build_result_size(void **state)
{
    const char *root = *state;
    scratch_write(root, "repo/a.py", "");
    g_autofree char *repository = scratch_path(root, "repo");
    static const char *const layers[] = {"libcst"};
    const struct ca_build_options options = {
        .size = sizeof options, .repository = repository, .layers = layers, .n_layers = 1, .profile = "small"};
    struct ca_build_result result;
    memset(&result, 0x7F, sizeof result);
    result.size = offsetof(struct ca_build_result, n_files);
    struct ca_error err = {0};
    if (ca_build(&options, &result, &err) != CA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(result.size, offsetof(struct ca_build_result, n_files));
    assert_true(g_str_has_suffix(result.store, "/repo/.codeanatomy"));
    assert_int_equal(result.n_files, INT64_C(0x7F7F7F7F7F7F7F7F));
}

static void test_doctor(void **state)
{
    const char *root = *state;
    write_repository(root);
    g_autofree char *repository = scratch_path(root, "repo");
    g_autofree char *store = scratch_path(root, "deep/down/store");
    const struct ca_build_options options = {.size = sizeof options, .store = store, .profile = "small"};
    g_autoptr(GString) text = g_string_new(NULL);
    struct ca_error err = {0};
    assert_int_equal(ca_doctor(repository, &options, answer_add_line, text, &err), CA_OK);
    g_auto(GStrv) lines = g_strsplit(text->str, "\n", 0);
    for (size_t i = 0; lines[i] && lines[i][0]; i++) {
        g_auto(GStrv) fields = g_strsplit(lines[i], "\t", 0);
        assert_int_equal(g_strv_length(fields), 3);
        assert_true(strcmp(fields[0], "ok") == 0 || strcmp(fields[0], "warn") == 0 || strcmp(fields[0], "fail") == 0);
        /* A store in a folder that is not there yet is no failure: a build makes it. */
        assert_false(strcmp(fields[0], "fail") == 0 && strcmp(fields[1], "store") == 0);
        assert_false(strcmp(fields[0], "fail") == 0 && strcmp(fields[1], "catalog") == 0);
    }
    assert_non_null(strstr(text->str, "ok\tcatalog\t"));
    assert_non_null(strstr(text->str, "warn\tstore\tno store at "));
}

/* ---- logging -------------------------------------------------------------------------------------------------------
 */

struct log {
    GMutex lock;
    guint n_events;
    guint n_bad;
};

static void on_log(void *data, int level, const char *message, const char *fields)
{
    struct log *log = data;
    json_t *parsed = json_loads(fields, 0, NULL);
    g_mutex_lock(&log->lock);
    log->n_events++;
    log->n_bad += !message || level < 1 || level > 5 || !json_is_object(parsed);
    g_mutex_unlock(&log->lock);
    json_decref(parsed);
}

static void test_log(void **state)
{
    const char *root = *state;
    write_repository(root);
    struct log log = {0};
    g_mutex_init(&log.lock);
    ca_log_set(on_log, &log, 5);
    g_autofree char *run = build(root, false);
    ca_log_set(NULL, NULL, 0);
    guint n_events = log.n_events;
    ca_session_close(session(NULL));
    assert_true(n_events > 0);
    assert_int_equal(log.n_events, n_events); /* silent again */
    assert_int_equal(log.n_bad, 0);
    g_mutex_clear(&log.lock);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_option_sizes),
        SCRATCH_TEST(test_open_failures),
        cmocka_unit_test(test_null_arguments),
        cmocka_unit_test(test_every_null_is_an_error),
        cmocka_unit_test(test_without_store),
        cmocka_unit_test(test_query_write),
        cmocka_unit_test(test_versions),
        SCRATCH_TEST(test_refresh),
        SCRATCH_TEST(test_drift),
        SCRATCH_TEST(test_user_datasets),
        SCRATCH_TEST(test_writer_and_readers),
        SCRATCH_TEST(test_build_refused),
        SCRATCH_TEST(test_build_result_size),
        SCRATCH_TEST(test_doctor),
        SCRATCH_TEST(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
