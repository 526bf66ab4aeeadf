/* tests/unit/test_publish.c — the room `publish`: manifests, the store's directory, its lock, and what a reader sees
 * while somebody publishes (decision 19).
 */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "publish/manifest.h"
#include "publish/store.h"
#include "support/scratch.h"

/* ---- manifests --------------------------------------------------------------------------------------------------- */

static const struct manifest_dataset whole = {
    .schema = "public",
    .name = "t",
    .contract_version = 3,
    .contract_fingerprint = "c",
    .schema_fingerprint = "s",
    .ddl_fingerprint = "d",
    .plan_fingerprint = NULL,
    .reads = "public.a, public.b",
    .location = "tables/public/t/0123",
    .made_by = "sql",
    .data_version = INT64_C(9007199254740993), /* no double holds it */
    .n_rows = 1,
    .n_files = 2,
    .n_bytes = INT64_MAX,
};

static void test_manifest_round_trip(void **state)
{
    (void)state;
    struct manifest m = {0};
    struct manifest back = {0};
    struct ca_error err = {0};
    assert_int_equal(manifest_init(&m, "run-1", "2026-11-21T00:00:00Z", &err), CA_OK);
    assert_int_equal(manifest_put_dataset(&m, &whole, &err), CA_OK);
    assert_int_equal(manifest_set(&m, "n_files", json_integer(7), &err), CA_OK);
    assert_int_equal(manifest_set_text(&m, "engine", "{\"b\": 1, \"a\": [2]}", &err), CA_OK);
    g_autofree char *text = manifest_render(&m);
    manifest_done(&m);
    manifest_done(&m); /* safe twice */
    assert_true(g_str_has_suffix(text, "}\n"));
    assert_true(strstr(text, "\"a\"") < strstr(text, "\"b\"")); /* keys are sorted */

    assert_int_equal(manifest_parse(&back, text, &err), CA_OK);
    assert_string_equal(manifest_run_id(&back), "run-1");
    struct manifest_dataset d;
    assert_true(manifest_dataset(&back, "public", "t", &d));
    assert_string_equal(d.location, whole.location);
    assert_string_equal(d.made_by, "sql");
    assert_int_equal(d.contract_version, 3);
    assert_true(d.data_version == whole.data_version && d.n_bytes == whole.n_bytes && d.n_rows == 1 && d.n_files == 2);
    assert_null(d.plan_fingerprint);
    assert_string_equal(d.reads, whole.reads);
    assert_false(manifest_dataset(&back, "public", "u", &d));
    assert_false(manifest_dataset(&back, "registry", "t", &d));
    g_autofree char *again = manifest_render(&back);
    assert_string_equal(again, text);

    /* One of its name takes its place; another one comes behind. */
    struct manifest_dataset other = whole;
    other.data_version = 1;
    assert_int_equal(manifest_put_dataset(&back, &other, &err), CA_OK);
    other.name = "u";
    assert_int_equal(manifest_put_dataset(&back, &other, &err), CA_OK);
    assert_int_equal(json_array_size(json_object_get(back.root, "datasets")), 2);
    assert_true(manifest_dataset(&back, "public", "t", &d) && d.data_version == 1);
    manifest_done(&back);
}

/* G2: what is not a manifest is refused, nothing is leaked, nothing is half-built. */
static void test_manifest_parse(void **state)
{
    static const struct {
        const char *json;
        int status;
        const char *message;
    } cases[] = {
        {"", CA_ERR_SYNTAX, "the manifest is not JSON: line 1 column 0: '[' or '{' expected near end of file"},
        {"{", CA_ERR_SYNTAX, "the manifest is not JSON: line 1 column 1: string or '}' expected near end of file"},
        {"{\"a\": 1, \"a\": 2}", CA_ERR_SYNTAX,
         "the manifest is not JSON: line 1 column 12: duplicate object key near '\"a\"'"},
        {"[]", CA_ERR_DRIFT, "the manifest has no run_id or no datasets"},
        {"{}", CA_ERR_DRIFT, "the manifest has no run_id or no datasets"},
        {"{\"run_id\": 1, \"datasets\": []}", CA_ERR_DRIFT, "the manifest has no run_id or no datasets"},
        {"{\"run_id\": \"r\", \"datasets\": {}}", CA_ERR_DRIFT, "the manifest has no run_id or no datasets"},
        {"{\"run_id\": \"r\", \"datasets\": [1, null, \"x\", {}, []]}", CA_OK, ""},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct manifest m = {0};
        struct ca_error err = {0};
        assert_int_equal(manifest_parse(&m, cases[i].json, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        struct manifest_dataset d;
        assert_false(manifest_dataset(&m, "public", "t", &d));
        manifest_done(&m);
    }
    /* As deep as one likes. */
    g_autofree char *deep = g_strnfill(100000, '[');
    struct manifest m = {0};
    struct ca_error err = {0};
    assert_int_equal(manifest_parse(&m, deep, &err), CA_ERR_SYNTAX);
}

/* Found here: an entry without data_version was read as version 0. */
static void test_manifest_incomplete(void **state)
{
    static const struct {
        const char *entry;
        bool is_whole;
    } cases[] = {
        {"{\"schema\": \"public\", \"name\": \"t\", \"location\": \"x\", \"made_by\": \"sql\", \"data_version\": 0}",
         true},
        {"{\"schema\": \"public\", \"name\": \"t\", \"location\": \"x\", \"made_by\": \"sql\"}", false},
        {"{\"schema\": \"public\", \"name\": \"t\", \"location\": \"x\", \"data_version\": 0}", false},
        {"{\"schema\": \"public\", \"name\": \"t\", \"location\": \"x\", \"made_by\": \"sql\", \"data_version\": "
         "\"0\"}",
         false},
        {"{\"schema\": \"public\", \"name\": \"t\", \"location\": \"x\", \"made_by\": \"sql\", \"data_version\": -1}",
         false},
        {"{\"schema\": \"public\", \"name\": \"t\", \"made_by\": \"sql\", \"data_version\": 0}", false},
        {"{\"schema\": \"public\", \"name\": \"t\", \"location\": 1, \"made_by\": \"sql\", \"data_version\": 0}",
         false},
    };
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json = g_strdup_printf("{\"run_id\": \"r\", \"datasets\": [%s]}", cases[i].entry);
        struct manifest m = {0};
        struct ca_error err = {0};
        struct manifest_dataset d;
        assert_int_equal(manifest_parse(&m, json, &err), CA_OK);
        assert_int_equal(manifest_dataset(&m, "public", "t", &d), cases[i].is_whole);
        manifest_done(&m);
    }
}

static void test_manifest_set(void **state)
{
    (void)state;
    struct manifest m = {0};
    struct ca_error err = {0};
    assert_int_equal(manifest_init(&m, "r", "t", &err), CA_OK);
    assert_int_equal(manifest_set_text(&m, "engine", "{", &err), CA_ERR_BUG);
    assert_true(g_str_has_prefix(err.message, "manifest key 'engine' is not JSON: "));
    assert_int_equal(manifest_set(&m, "x", NULL, &err), CA_ERR_RESOURCES);
    assert_int_equal(manifest_set_text(&m, "number", "7", &err), CA_OK);
    manifest_done(&m);
}

/* ---- the store ----------------------------------------------------------------------------------------------------
 */

static struct store *open_write(const char *path)
{
    struct store *s = NULL;
    struct ca_error err = {0};
    if (store_open_write(path, &s, &err) != CA_OK)
        fail_msg("%s", err.message);
    return s;
}

static char *manifest_of(const char *run_id, const char *location, const char *fingerprint)
{
    struct manifest m = {0};
    struct ca_error err = {0};
    struct manifest_dataset d = whole;
    d.location = location;
    assert_int_equal(manifest_init(&m, run_id, "t", &err), CA_OK);
    assert_int_equal(manifest_put_dataset(&m, &d, &err), CA_OK);
    assert_int_equal(manifest_set(&m, "catalog_fingerprint", json_string(fingerprint), &err), CA_OK);
    char *text = manifest_render(&m);
    manifest_done(&m);
    return text;
}

static bool is_there(const char *root, const char *path)
{
    g_autofree char *whole_path = scratch_path(root, path);
    return g_file_test(whole_path, G_FILE_TEST_EXISTS);
}

static void test_open(void **state)
{
    const char *root = *state;
    g_autofree char *path = scratch_path(root, "a/b/store");
    struct store *s = NULL;
    struct ca_error err = {0};
    assert_int_equal(store_open_read(path, &s, &err), CA_ERR_NOT_FOUND);
    g_autofree char *missing = g_strdup_printf("no store at '%s': run 'codeanatomy build' first", path);
    assert_string_equal(err.message, missing);
    s = open_write(path);
    static const char *const parts[] = {"FORMAT", "lock", "catalog", "tables", "runs", "tmp", ".gitignore"};
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *part = g_build_filename("a/b/store", parts[i], NULL);
        assert_true(is_there(root, part));
    }
    assert_false(is_there(root, "a/b/store/published"));
    g_autofree char *format = scratch_read(root, "a/b/store/FORMAT");
    assert_string_equal(format, "codeanatomy store 5\n");
    assert_string_equal(store_path(s), path);
    g_autofree char *location = store_table_location(s, "public", "t", "run-1");
    g_autofree char *expected = g_build_filename(path, "tables/public/t/run-1", NULL);
    assert_string_equal(location, expected);
    char *run = (char *)"unset";
    assert_int_equal(store_published(s, &run, &err), CA_OK);
    assert_null(run);
    store_close(s);
    store_close(NULL);
    assert_int_equal(store_open_read(path, &s, &err), CA_OK);
    assert_int_equal(store_publish(s, "r", "{}", &err), CA_ERR_BUG);
    static const char *const none[] = {NULL};
    assert_int_equal(store_prune(s, none, &err), CA_ERR_BUG);
    store_close(s);
}

/* G2: folders that a build would spoil, formats that it does not know, paths that Delta cannot have. */
static void test_refused(void **state)
{
    static const struct {
        const char *file;
        const char *text;
        int write_status;
        int read_status;
        const char *write_message; /* behind "open store 'PATH' for writing: "; %s: the path */
        const char *read_message;
    } cases[] = {
        {"notes.txt", "mine", CA_ERR_REFUSED, CA_ERR_NOT_FOUND,
         "'%s' is not empty and no codeanatomy store (it holds 'notes.txt'): choose an empty or a new directory",
         "no store at '%s': run 'codeanatomy build' first"},
        {"FORMAT", "something else", CA_ERR_DRIFT, CA_ERR_DRIFT,
         "'%s/FORMAT' is not the format file of a codeanatomy store",
         "'%s/FORMAT' is not the format file of a codeanatomy store"},
        {"FORMAT", "codeanatomy store 0", CA_ERR_DRIFT, CA_ERR_DRIFT,
         "'%s/FORMAT' is not the format file of a codeanatomy store",
         "'%s/FORMAT' is not the format file of a codeanatomy store"},
        {"FORMAT", "codeanatomy store 99999999999999999999", CA_ERR_DRIFT, CA_ERR_DRIFT,
         "'%s/FORMAT' is not the format file of a codeanatomy store",
         "'%s/FORMAT' is not the format file of a codeanatomy store"},
        {"FORMAT", "codeanatomy store 6\n", CA_ERR_DRIFT, CA_ERR_DRIFT,
         "store '%s' has format 6, this program reads 5: use the program that wrote it, or another --store",
         "store '%s' has format 6, this program reads 5: use the program that wrote it, or another --store"},
    };
    const char *root = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf("store%zu", i);
        g_autofree char *file = g_build_filename(name, cases[i].file, NULL);
        g_autofree char *path = scratch_path(root, name);
        scratch_write(root, file, cases[i].text);
        struct store *s = NULL;
        struct ca_error err = {0};
        g_auto(GStrv) write_parts = g_strsplit(cases[i].write_message, "%s", 0);
        g_autofree char *write_text = g_strjoinv(path, write_parts);
        g_autofree char *write_message = g_strdup_printf("open store '%s' for writing: %s", path, write_text);
        g_auto(GStrv) read_parts = g_strsplit(cases[i].read_message, "%s", 0);
        g_autofree char *read_message = g_strjoinv(path, read_parts);
        assert_int_equal(store_open_write(path, &s, &err), cases[i].write_status);
        assert_string_equal(err.message, write_message);
        assert_int_equal(store_open_read(path, &s, &err), cases[i].read_status);
        assert_string_equal(err.message, read_message);
        assert_null(s);
        g_autofree char *text = scratch_read(root, file); /* untouched */
        assert_string_equal(text, cases[i].text);
    }
    struct store *s = NULL;
    struct ca_error err = {0};
    assert_int_equal(store_open_write("/tmp/\xFF\xFE", &s, &err), CA_ERR_INVALID);
    scratch_write(root, "file", "");
    g_autofree char *file = scratch_path(root, "file");
    assert_int_not_equal(store_open_write(file, &s, &err), CA_OK);
    assert_null(s);
}

/* One writer at a time, within a process and between processes; readers do not mind. */
static void test_lock(void **state)
{
    const char *root = *state;
    g_autofree char *path = scratch_path(root, "store");
    struct store *writer = open_write(path);
    struct store *s = NULL;
    struct ca_error err = {0};
    assert_int_equal(store_open_write(path, &s, &err), CA_ERR_CONFLICT);
    g_autofree char *expected =
        g_strdup_printf("open store '%s' for writing: another process writes to '%s' (process %ld): wait "
                        "for it, or use another --store",
                        path, path, (long)getpid());
    assert_string_equal(err.message, expected);
    assert_int_equal(store_open_read(path, &s, &err), CA_OK);
    store_close(s);
    store_close(writer);
    store_close(open_write(path)); /* free again */
}

/* Decision 19: the pointer moves last; what was published stays until the new one is whole. */
static void test_publish(void **state)
{
    const char *root = *state;
    g_autofree char *path = scratch_path(root, "store");
    struct store *w = open_write(path);
    struct store *r = NULL;
    struct ca_error err = {0};
    assert_int_equal(store_open_read(path, &r, &err), CA_OK);
    g_autofree char *first = manifest_of("run-1", "tables/public/t/a", "f1");
    g_autofree char *second = manifest_of("run-2", "tables/public/t/b", "f2");
    assert_int_equal(store_publish(w, "run-1", first, &err), CA_OK);
    g_autofree char *seen = NULL;
    assert_int_equal(store_published(r, &seen, &err), CA_OK);
    assert_string_equal(seen, "run-1");
    g_autofree char *json = NULL;
    assert_int_equal(store_manifest_read(r, "run-1", &json, &err), CA_OK);
    assert_string_equal(json, first);

    /* A publisher that cannot write its manifest changes nothing. */
    g_autofree char *runs = scratch_path(root, "store/runs");
    g_autofree char *moved = scratch_path(root, "store/moved");
    assert_int_equal(rename(runs, moved), 0);
    assert_int_equal(store_publish(w, "run-2", second, &err), CA_ERR_IO);
    assert_true(g_str_has_prefix(err.message, "write the manifest of run 'run-2': "));
    assert_int_equal(rename(moved, runs), 0);
    g_autofree char *still = NULL;
    assert_int_equal(store_published(r, &still, &err), CA_OK);
    assert_string_equal(still, "run-1");

    assert_int_equal(store_publish(w, "run-2", second, &err), CA_OK);
    g_autofree char *now = NULL;
    assert_int_equal(store_published(r, &now, &err), CA_OK);
    assert_string_equal(now, "run-2");
    char *none = NULL;
    assert_int_equal(store_manifest_read(r, "run-3", &none, &err), CA_ERR_NOT_FOUND);
    g_autofree char *expected = g_strdup_printf("no run 'run-3' in store '%s'; there is: run-1, run-2", path);
    assert_string_equal(err.message, expected);
    store_close(r);
    store_close(w);
}

static void test_run_ids(void **state)
{
    const char *root = *state;
    g_autofree char *path = scratch_path(root, "store");
    struct store *s = open_write(path);
    g_autofree char *long_id = g_strnfill(64, 'a');
    const char *const bad[] = {"", ".", "..", "a/b", "../x", "a b", "a.json", long_id};
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *expected = g_strdup_printf("'%s' is not a run id", bad[i]);
        char *json = NULL;
        assert_int_equal(store_manifest_read(s, bad[i], &json, &err), CA_ERR_INVALID);
        assert_string_equal(err.message, expected);
        assert_int_equal(store_publish(s, bad[i], "{}", &err), CA_ERR_INVALID);
    }
    assert_int_equal(store_manifest_read(s, "a", &long_id, &err), CA_ERR_NOT_FOUND);
    g_autofree char *expected = g_strdup_printf("no run 'a' in store '%s'; there is: none", path);
    assert_string_equal(err.message, expected);
    scratch_write(root, "store/published", "../../etc/passwd\n");
    char *run = NULL;
    assert_int_equal(store_published(s, &run, &err), CA_ERR_IO);
    g_autofree char *pointer = g_strdup_printf(
        "'%s/published' holds '../../etc/passwd', which is not a run id: write one into it, there is: none", path);
    assert_string_equal(err.message, pointer);
    assert_null(run);
    store_close(s);
}

/* Invariant 3: what a kept run names is never removed, and nothing outside the store's own folders is. */
static void test_prune(void **state)
{
    static const char *const files[] = {
        "store/tables/public/t/old/part", "store/tables/public/t/kept/part", "store/tables/public/u/old/part",
        "store/catalog/f1.bundle",        "store/catalog/f2.bundle",         "outside/part",
    };
    const char *root = *state;
    g_autofree char *path = scratch_path(root, "store");
    struct store *s = open_write(path);
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        scratch_write(root, files[i], "");
    g_autofree char *first = manifest_of("run-1", "tables/public/t/old", "f1");
    g_autofree char *second = manifest_of("run-2", "tables/public/t/kept", "f2");
    g_autofree char *hostile = manifest_of("run-3", "../outside", "../../x");
    assert_int_equal(store_publish(s, "run-1", first, &err), CA_OK);
    assert_int_equal(store_publish(s, "run-2", second, &err), CA_OK);
    assert_int_equal(store_publish(s, "run-3", hostile, &err), CA_OK);
    g_autofree char *link = scratch_path(root, "store/tables/public/t/link");
    g_autofree char *outside = scratch_path(root, "outside");
    assert_int_equal(symlink(outside, link), 0);

    static const char *const both[] = {"run-2", "run-1", "run-3", NULL};
    assert_int_equal(store_prune(s, both, &err), CA_OK);
    assert_true(is_there(root, "store/tables/public/t/old/part"));
    assert_true(is_there(root, "store/tables/public/t/kept/part"));
    assert_false(is_there(root, "store/tables/public/u"));
    assert_false(is_there(root, "store/tables/public/t/link"));
    assert_true(is_there(root, "outside/part"));

    static const char *const one[] = {"run-2", NULL};
    assert_int_equal(store_prune(s, one, &err), CA_OK);
    assert_false(is_there(root, "store/tables/public/t/old"));
    assert_true(is_there(root, "store/tables/public/t/kept/part"));
    assert_false(is_there(root, "store/catalog/f1.bundle"));
    assert_true(is_there(root, "store/catalog/f2.bundle"));
    assert_false(is_there(root, "store/runs/run-1.json"));
    assert_true(is_there(root, "store/runs/run-2.json"));

    /* A manifest that cannot be read keeps everything. */
    scratch_write(root, "store/runs/run-2.json", "{");
    assert_int_equal(store_prune(s, one, &err), CA_ERR_SYNTAX);
    assert_true(is_there(root, "store/tables/public/t/kept/part"));
    store_close(s);
}

/* A build that died left its temporary files; the next one has none of them, and what was published is still there. */
static void test_reopen(void **state)
{
    const char *root = *state;
    g_autofree char *path = scratch_path(root, "store");
    struct store *s = open_write(path);
    struct ca_error err = {0};
    g_autofree char *text = manifest_of("run-1", "tables/public/t/a", "f1");
    assert_int_equal(store_publish(s, "run-1", text, &err), CA_OK);
    scratch_write(root, "store/tmp/spill/1", "x");
    scratch_write(root, "store/published.tmp.4711.2", "run-2\n");
    scratch_write(root, "store/inferred/t.yaml.tmp.4711.0", "dat");
    scratch_write(root, "store/inferred/t.tmp.1.2.yaml", "");
    store_close(s);
    s = open_write(path);
    assert_false(is_there(root, "store/tmp/spill"));
    assert_true(is_there(root, "store/tmp"));
    g_autofree char *run = NULL;
    assert_int_equal(store_published(s, &run, &err), CA_OK);
    assert_string_equal(run, "run-1");
    static const char *const keep[] = {"run-1", NULL};
    assert_int_equal(store_prune(s, keep, &err), CA_OK);
    assert_false(is_there(root, "store/published.tmp.4711.2"));
    assert_false(is_there(root, "store/inferred/t.yaml.tmp.4711.0"));
    assert_true(is_there(root, "store/inferred/t.tmp.1.2.yaml"));
    assert_true(is_there(root, "store/published"));
    store_close(s);
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_set_up, scratch_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest_round_trip),
        cmocka_unit_test(test_manifest_parse),
        cmocka_unit_test(test_manifest_incomplete),
        cmocka_unit_test(test_manifest_set),
        SCRATCH_TEST(test_open),
        SCRATCH_TEST(test_refused),
        SCRATCH_TEST(test_lock),
        SCRATCH_TEST(test_publish),
        SCRATCH_TEST(test_run_ids),
        SCRATCH_TEST(test_prune),
        SCRATCH_TEST(test_reopen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
