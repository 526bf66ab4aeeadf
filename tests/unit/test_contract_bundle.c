/* tests/unit/test_contract_bundle.c — the snapshot of contracts: written, read, damaged; the built-in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "contract/bundle.h"
#include "contract/contract.h"
#include "support/contract_text.h"

/* ---- bundle ----------------------------------------------------------------------------------------------------- */

static void test_bundle_round_trip(void **state)
{
    (void)state;
    CA_AUTOPTR(contract) a = contract_text_parse(contract_text_full);
    CA_AUTOPTR(contract) b = contract_text_parse_in(contract_text_small, CONTRACT_GRAPH);
    const struct contract_bundle_source forward[] = {{a, contract_text_full, NULL},
                                                     {b, contract_text_small, "SELECT 1 AS id -- \xC3\xA4\n"}};
    const struct contract_bundle_source backward[] = {forward[1], forward[0]};
    struct ca_error err = {0};
    g_autofree char *json = NULL;
    g_autofree char *again = NULL;
    size_t n = 0;
    size_t n_again = 0;
    assert_int_equal(contract_bundle_render(forward, 2, &json, &n, &err), CA_OK);
    assert_int_equal(contract_bundle_render(backward, 2, &again, &n_again, &err), CA_OK);
    assert_int_equal(n, n_again);
    assert_memory_equal(json, again, n);

    CA_AUTOPTR(contract_bundle) bundle = NULL;
    assert_int_equal(contract_bundle_open(json, n, NULL, &bundle, &err), CA_OK);
    assert_int_equal(contract_bundle_n(bundle), 2);
    int64_t i = contract_bundle_find(bundle, "public", "full_v2");
    assert_true(i >= 0);
    const struct contract_bundle_entry *entry = contract_bundle_entry(bundle, (size_t)i);
    char fingerprint[FINGERPRINT_HEX_SIZE];
    contract_fingerprint(a, fingerprint);
    assert_string_equal(entry->fingerprint, fingerprint);
    const char *yaml = NULL;
    assert_int_equal(contract_bundle_yaml(bundle, (size_t)i, &yaml, &err), CA_OK);
    assert_string_equal(yaml, contract_text_full);
    assert_string_equal(entry->storage, "parquet");
    assert_null(entry->sql);
    assert_int_equal(entry->version, 2);
    assert_int_equal(entry->n_views, 1);
    assert_string_equal(entry->views[0], "full_nodes");
    assert_int_equal(contract_bundle_find_view(bundle, "public", "full_nodes"), i);
    assert_int_equal(contract_bundle_find(bundle, "public", "full_nodes"), -1);
    assert_int_equal(contract_bundle_find(bundle, "registry", "full_v2"), -1);
    assert_int_equal(contract_bundle_n_names(bundle), 3);
    static const char *const keys[] = {"public.full_nodes", "public.full_v2", "public.t"};
    for (size_t k = 0; k < G_N_ELEMENTS(keys); k++)
        assert_string_equal(contract_bundle_name(bundle, k).key, keys[k]);
    int64_t j = contract_bundle_find(bundle, "public", "t");
    assert_string_equal(contract_bundle_entry(bundle, (size_t)j)->sql, "SELECT 1 AS id -- \xC3\xA4\n");
    assert_int_equal(contract_bundle_entry(bundle, (size_t)j)->stage, CONTRACT_GRAPH);

    const struct contract *first = NULL;
    const struct contract *second = NULL;
    assert_int_equal(contract_bundle_contract(bundle, (size_t)i, &first, &err), CA_OK);
    assert_int_equal(contract_bundle_contract(bundle, (size_t)i, &second, &err), CA_OK);
    assert_ptr_equal(first, second);
    assert_string_equal(first->source, "extract/full_v2.yaml");
    assert_int_equal(contract_bundle_contract(bundle, 2, &first, &err), CA_ERR_INVALID);
}

static void test_bundle_refuses(void **state)
{
    (void)state;
    struct ca_error err = {0};
    CA_AUTOPTR(contract) a = contract_text_parse(contract_text_small);
    CA_AUTOPTR(contract) b = contract_text_parse(contract_text_small);
    const struct contract_bundle_source twice[] = {{a, contract_text_small, NULL}, {b, contract_text_small, NULL}};
    char *json = NULL;
    size_t n = 0;
    assert_int_equal(contract_bundle_render(twice, 2, &json, &n, &err), CA_ERR_CONTRACT);
    assert_string_equal(err.message, "'public.t' is declared by 't.yaml' and by 't.yaml'");
}

/* Where something stands in a bundle's header, and in the first record behind it (contract/bundle_layout.h). */
enum { AT_FORMAT = 8, AT_N_DATASETS = 12, AT_N_INDEX_BYTES = 32, AT_RECORD = 40, AT_N_YAML_BYTES = 48, AT_STAGE = 104 };

/* Decision 5: whatever stands in a snapshot's index, reading it ends with an error and its reason; what stands in one
 * contract is found when that one is read. */
static void test_bundle_is_not_believed(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        int status;
        const char *message;
    } cases[] = {
        {0, 0, CA_ERR_SYNTAX, "contract bundle: it does not start with CABUNDLE"},
        {AT_FORMAT, 1, CA_ERR_DRIFT, "contract bundle: format 1, this program reads 4"},
        {AT_N_DATASETS, 9999, CA_ERR_SYNTAX, "contract bundle: the index is longer than the document"},
        {AT_N_DATASETS, 0, CA_ERR_SYNTAX, "contract bundle: name 0 names nothing"},
        {AT_N_INDEX_BYTES, 1U << 30, CA_ERR_SYNTAX, "contract bundle: the index is longer than the document"},
        {AT_RECORD, 0, CA_ERR_SYNTAX, "contract bundle: dataset 0: its contract is missing"},
        {AT_N_YAML_BYTES, 1U << 30, CA_ERR_SYNTAX, "contract bundle: dataset 0: its contract is missing"},
        {AT_STAGE, 7, CA_ERR_SYNTAX, "contract bundle: dataset 0: unknown stage"},
    };
    CA_AUTOPTR(contract) a = contract_text_parse(contract_text_small);
    const struct contract_bundle_source source = {a, contract_text_small, NULL};
    struct ca_error err = {0};
    g_autofree char *bytes = NULL;
    size_t n = 0;
    assert_int_equal(contract_bundle_render(&source, 1, &bytes, &n, &err), CA_OK);
    struct contract_bundle *bundle = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *damaged = g_memdup2(bytes, n);
        memcpy(damaged + cases[i].at, &cases[i].value, sizeof cases[i].value);
        assert_int_equal(contract_bundle_open(damaged, n, NULL, &bundle, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_null(bundle);
    }
    assert_int_equal(contract_bundle_open(bytes, 7, NULL, &bundle, &err), CA_ERR_SYNTAX);
    assert_string_equal(err.message, "contract bundle: 7 bytes are none");
    assert_int_equal(contract_bundle_open(bytes, n - 1, NULL, &bundle, &err), CA_ERR_SYNTAX);
    assert_int_equal(contract_bundle_open(bytes, n, "0", &bundle, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "it was changed after it was written: build again");

    bytes[n - 3] ^= 1; /* in the text of the contract */
    assert_int_equal(contract_bundle_open(bytes, n, NULL, &bundle, &err), CA_OK);
    const struct contract *c = NULL;
    assert_int_equal(contract_bundle_contract(bundle, 0, &c, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "the contract of 'public.t' was changed after it was written: build again");
    contract_bundle_free(bundle);
}

static void test_bundle_of_a_folder(void **state)
{
    (void)state;
    g_autofree char *dir = g_dir_make_tmp("ca-test-bundle-XXXXXX", NULL);
    g_autofree char *stage = g_build_filename(dir, "graph", NULL);
    g_autofree char *yaml = g_build_filename(stage, "t.yaml", NULL);
    g_autofree char *sql = g_build_filename(stage, "t.sql", NULL);
    g_autofree char *lonely = g_build_filename(stage, "u.sql", NULL);
    g_autofree char *stray = g_build_filename(stage, "notes.txt", NULL);
    struct ca_error err = {0};
    char *json = NULL;
    size_t n = 0;
    assert_int_equal(file_make_dirs(stage, &err), CA_OK);
    assert_int_equal(file_write_atomic(yaml, contract_text_small, strlen(contract_text_small), &err), CA_OK);
    assert_int_equal(file_write_atomic(sql, "SELECT 1 AS id\n", 15, &err), CA_OK);
    assert_int_equal(contract_bundle_render_paths((const char *const[]){dir}, 1, &json, &n, &err), CA_OK);
    CA_AUTOPTR(contract_bundle) bundle = NULL;
    assert_int_equal(contract_bundle_open(json, n, NULL, &bundle, &err), CA_OK);
    assert_string_equal(contract_bundle_entry(bundle, 0)->sql, "SELECT 1 AS id\n");
    free(json);

    assert_int_equal(file_write_atomic(lonely, "SELECT 1", 8, &err), CA_OK);
    assert_int_equal(contract_bundle_render_paths((const char *const[]){dir}, 1, &json, &n, &err), CA_ERR_CONTRACT);
    assert_non_null(strstr(err.message, "u.sql' has no contract '"));
    assert_int_equal(file_remove_tree(lonely, &err), CA_OK);
    assert_int_equal(file_write_atomic(stray, "x", 1, &err), CA_OK);
    assert_int_equal(contract_bundle_render_paths((const char *const[]){dir}, 1, &json, &n, &err), CA_ERR_CONTRACT);
    assert_non_null(strstr(err.message, "notes.txt' is neither a contract (.yaml) nor a model (.sql)"));
    assert_int_equal(file_remove_tree(stray, &err), CA_OK);
    static const char *const unread[] = {"normalise/t.yaml", "t.yaml", "t.sql"};
    for (size_t i = 0; i < G_N_ELEMENTS(unread); i++) { /* G2: no silent skip */
        g_autofree char *path = g_build_filename(dir, unread[i], NULL);
        g_autofree char *folder = g_path_get_dirname(path);
        assert_int_equal(file_make_dirs(folder, &err), CA_OK);
        assert_int_equal(file_write_atomic(path, "x", 1, &err), CA_OK);
        assert_int_equal(contract_bundle_render_paths((const char *const[]){dir}, 1, &json, &n, &err), CA_ERR_CONTRACT);
        g_autofree char *named = i == 0 ? g_strdup(folder) : g_strdup(path);
        assert_non_null(strstr(err.message, named));
        assert_non_null(strstr(err.message, "' is in no folder of a stage: "));
        assert_int_equal(file_remove_tree(i == 0 ? folder : path, &err), CA_OK);
    }
    assert_int_equal(file_remove_tree(dir, &err), CA_OK);
    assert_int_equal(contract_bundle_render_paths((const char *const[]){dir}, 1, &json, &n, &err), CA_ERR_NOT_FOUND);
}

/* ---- the built-in contracts ------------------------------------------------------------------------------------- */

/* B1, B9: all load, lint finds nothing, each view has a schema and SQL; opening 100 datasets costs what the index
 * costs. */
static void test_builtin_contracts(void **state)
{
    (void)state;
    const char *source = g_getenv("CA_SOURCE_DIR");
    g_autofree char *dir = g_build_filename(source == NULL ? "." : source, "datasets", NULL);
    struct ca_error err = {0};
    g_autofree char *json = NULL;
    size_t n = 0;
    if (contract_bundle_render_paths((const char *const[]){dir}, 1, &json, &n, &err) != CA_OK)
        fail_msg("%s", err.message);
    CA_AUTOPTR(contract_bundle) bundle = NULL;
    int64_t start = g_get_monotonic_time();
    assert_int_equal(contract_bundle_open(json, n, NULL, &bundle, &err), CA_OK);
    print_message("%zu datasets, %zu bytes, read in %" G_GINT64_FORMAT " us\n", contract_bundle_n(bundle), n,
                  g_get_monotonic_time() - start);
    for (size_t i = 0; i < contract_bundle_n(bundle); i++) {
        const struct contract *c = NULL;
        if (contract_bundle_contract(bundle, i, &c, &err) != CA_OK)
            fail_msg("%s", err.message);
        g_autofree char *found = contract_lint(c);
        assert_string_equal(found, "");
        struct ArrowSchema schema;
        assert_int_equal(contract_schema(c, &schema, &err), CA_OK);
        ArrowSchemaRelease(&schema);
        for (size_t j = 0; j < c->n_views; j++) {
            assert_int_equal(contract_view_schema(c, &c->views[j], &schema, &err), CA_OK);
            ArrowSchemaRelease(&schema);
            g_autofree char *sql = contract_view_sql(c, &c->views[j]);
            assert_non_null(strstr(sql, "unnest("));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bundle_round_trip),      cmocka_unit_test(test_bundle_refuses),
        cmocka_unit_test(test_bundle_is_not_believed), cmocka_unit_test(test_bundle_of_a_folder),
        cmocka_unit_test(test_builtin_contracts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
