/* tests/unit/test_contract_compare.c — two versions of a contract, and the rules of evolution. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>

#include "contract/contract.h"
#include "support/contract_text.h"

/* ---- evolution -------------------------------------------------------------------------------------------------- */

/* B9: one edit of `evolving`, what it is called, and the rule that allows it. */
static const char evolving[] = "dataset: e\nversion: 1\nkind: table\ndoc: d\n"
                               "columns:\n"
                               "  - {name: a, type: int32, nullable: false, doc: a}\n"
                               "  - {name: b, type: utf8, nullable: true, doc: b}\n"
                               "  - name: s\n    type: struct\n    nullable: true\n    doc: s\n    fields:\n"
                               "      - {name: x, type: int8, nullable: false, doc: x}\n"
                               "order: [a]\n"
                               "evolution: {default: refuse}\n";

static void test_compare(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *to;
        const char *path;
        const char *what;
        enum contract_verdict verdict;
        const char *rule; /* NULL: none allows it; "": it is always allowed */
    } cases[] = {
        {"order:", "  - {name: c, type: utf8, nullable: true, doc: c}\norder:", "columns.c", "column_added",
         CONTRACT_ADDITIVE, "add_nullable: allow"},
        {"order:", "  - {name: c, type: int8, nullable: false, default: 0, doc: c}\norder:", "columns.c",
         "column_added", CONTRACT_ADDITIVE, "add_required: allow"},
        {"order:", "  - {name: c, type: int8, nullable: false, doc: c}\norder:", "columns.c", "column_added",
         CONTRACT_BREAKING, NULL},
        {"type: int32", "type: int64", "columns.a", "type_widened", CONTRACT_ADDITIVE, "widen: allow"},
        {"type: int32", "type: float64", "columns.a", "type_widened", CONTRACT_ADDITIVE, "widen: allow"},
        {"type: int32", "type: float32", "columns.a", "type_changed", CONTRACT_BREAKING, NULL},
        {"type: int32", "type: int16", "columns.a", "type_changed", CONTRACT_BREAKING, NULL},
        {"type: int32", "type: uint64", "columns.a", "type_changed", CONTRACT_BREAKING, NULL},
        {"name: b", "name: bb", "columns.b", "column_renamed", CONTRACT_BREAKING, "rename: allow"},
        {"  - {name: b, type: utf8, nullable: true, doc: b}\n", "", "columns.b", "column_dropped", CONTRACT_BREAKING,
         "drop: allow"},
        {"  - {name: a, type: int32, nullable: false, doc: a}\n  - {name: b, type: utf8, nullable: true, doc: b}\n",
         "  - {name: b, type: utf8, nullable: true, doc: b}\n  - {name: a, type: int32, nullable: false, doc: a}\n",
         "columns.b", "column_moved", CONTRACT_ADDITIVE, "reorder: allow"},
        {"type: int32, nullable: false", "type: int32, nullable: true", "columns.a", "null_relaxed", CONTRACT_ADDITIVE,
         "relax_null: allow"},
        {"type: utf8, nullable: true", "type: utf8, nullable: false", "columns.b", "null_tightened", CONTRACT_BREAKING,
         NULL},
        {"type: int8", "type: int16", "columns.s.x", "type_widened", CONTRACT_ADDITIVE, "widen: allow, nested: allow"},
        {"type: int8", "type: float32", "columns.s.x", "type_widened", CONTRACT_ADDITIVE,
         "widen: allow, nested: allow"},
        {"type: utf8", "type: large_utf8", "columns.b", "type_widened", CONTRACT_ADDITIVE, "widen: allow"},
        {"type: utf8", "type: dictionary, index: int8, value: {type: utf8}", "columns.b", "type_changed",
         CONTRACT_BREAKING, NULL},
        {"order: [a]", "order: [a]\nkeys: {unique: [[a], [a, b]]}", "keys.unique", "changed", CONTRACT_BREAKING, NULL},
        {"order: [a]", "order: [a]\nengine: \"55\"", "engine", "changed", CONTRACT_ADDITIVE, ""},
        {"type: int32", "type: int32, lossy_from: [float64]", "columns.a.lossy_from", "changed", CONTRACT_COSMETIC, ""},
        {"type: int32", "type: int32, evolution: {widen: allow}", "columns.a.evolution.widen", "changed",
         CONTRACT_COSMETIC, ""},
        {"doc: b", "doc: other", "columns.b", "doc_changed", CONTRACT_COSMETIC, ""},
        {"version: 1", "version: 2", "version", "changed", CONTRACT_COSMETIC, ""},
        {"order: [a]", "order: [b]", "order", "changed", CONTRACT_ADDITIVE, NULL},
        {"order: [a]", "order: [a]\nkeys: {primary: [a]}", "keys.primary", "changed", CONTRACT_BREAKING, NULL},
        {"order: [a]", "order: [a]\nchecks: {c: \"a > 0\"}", "checks", "changed", CONTRACT_ADDITIVE, ""},
        {"order: [a]", "order: [a]\nstorage: {format: csv}", "storage.format", "changed", CONTRACT_BREAKING, NULL},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        GString *after_text = g_string_new(evolving);
        g_string_replace(after_text, cases[i].from, cases[i].to, 1);
        CA_AUTOPTR(contract) after = contract_text_parse(after_text->str);
        CA_AUTOPTR(contract) strict = contract_text_parse(evolving);
        struct contract_differences d = {0};
        contract_compare(strict, after, &d);
        assert_int_equal(d.n, 1);
        assert_string_equal(d.items[0].path, cases[i].path);
        assert_string_equal(d.items[0].what, cases[i].what);
        assert_int_equal(d.items[0].verdict, cases[i].verdict);
        const bool is_free = cases[i].rule != NULL && cases[i].rule[0] == '\0';
        assert_int_equal(d.items[0].is_allowed, is_free);
        contract_differences_done(&d);
        assert_int_equal(contract_check_evolution(strict, after, &err), is_free ? CA_OK : CA_ERR_DRIFT);
        if (cases[i].rule != NULL && !is_free) {
            GString *text = g_string_new(evolving);
            g_autofree char *rules = g_strdup_printf("default: refuse, %s", cases[i].rule);
            g_string_replace(text, "default: refuse", rules, 1);
            CA_AUTOPTR(contract) loose = contract_text_parse(text->str);
            g_string_replace(after_text, "default: refuse", rules, 1);
            CA_AUTOPTR(contract) loose_after = contract_text_parse(after_text->str);
            assert_int_equal(contract_check_evolution(loose, loose_after, &err), CA_OK);
            g_string_free(text, TRUE);
        }
        g_string_free(after_text, TRUE);
    }
}

/* B9: the rules of a field hold for it and what is inside, before those of what it stands in. */
static void test_rules_of_fields(void **state)
{
    (void)state;
    static const struct {
        const char *rules;  /* of struct s */
        const char *inside; /* of its field x */
        bool is_allowed;
    } cases[] = {
        {"{}", "{}", false},
        {"{widen: allow, nested: allow}", "{}", true},
        {"{widen: allow}", "{}", false},
        {"{widen: allow, nested: allow}", "{widen: refuse}", false},
        {"{nested: allow}", "{widen: allow}", true},
        {"{}", "{widen: allow, nested: allow}", true},
    };
    struct ca_error err = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *of_struct = g_strdup_printf("type: struct\n    evolution: %s", cases[i].rules);
        g_autofree char *of_field = g_strdup_printf("type: int8, evolution: %s", cases[i].inside);
        GString *text = g_string_new(evolving);
        g_string_replace(text, "type: struct", of_struct, 1);
        g_string_replace(text, "type: int8", of_field, 1);
        CA_AUTOPTR(contract) before = contract_text_parse(text->str);
        g_string_replace(text, "type: int8", "type: int16", 1);
        CA_AUTOPTR(contract) after = contract_text_parse(text->str);
        assert_int_equal(contract_check_evolution(before, after, &err), cases[i].is_allowed ? CA_OK : CA_ERR_DRIFT);
        g_string_free(text, TRUE);
    }
    GString *text = g_string_new(evolving);
    g_string_replace(text, "type: utf8, nullable: true", "type: utf8, nullable: true, evolution: {drop: allow}", 1);
    CA_AUTOPTR(contract) before = contract_text_parse(text->str);
    g_string_replace(text, "  - {name: b, type: utf8, nullable: true, evolution: {drop: allow}, doc: b}\n", "", 1);
    CA_AUTOPTR(contract) after = contract_text_parse(text->str);
    assert_int_equal(contract_check_evolution(before, after, &err), CA_OK);
    g_string_free(text, TRUE);
}

/* B9: the diff names each change. */
/* Found by fuzz_contract: checks and metadata were compared in an order of addresses, so that every third contract with
 * two of them differed from itself. The order of a map's keys is no difference. */
static void test_compare_maps(void **state)
{
    static const char *const checks[] = {
        "checks: {a: \"id > 0\", b: \"id > 1\", c: \"id > 2\", d: \"id > 3\"}\n",
        "checks: {d: \"id > 3\", c: \"id > 2\", b: \"id > 1\", a: \"id > 0\"}\n",
    };
    (void)state;
    g_autofree char *one = g_strconcat(contract_text_small, checks[0], NULL);
    g_autofree char *two = g_strconcat(contract_text_small, checks[1], NULL);
    CA_AUTOPTR(contract) a = contract_text_parse(one);
    CA_AUTOPTR(contract) b = contract_text_parse(two);
    const struct contract *const pairs[][2] = {{a, a}, {a, b}, {b, a}};
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        struct contract_differences d;
        contract_compare(pairs[i][0], pairs[i][1], &d);
        assert_int_equal(d.n, 0);
        contract_differences_done(&d);
    }
}

static void test_evolution_message(void **state)
{
    (void)state;
    GString *text = g_string_new(evolving);
    g_string_replace(text, "type: int32", "type: utf8", 1);
    g_string_replace(text, "{name: x, type: int8", "{name: y, type: int16", 1);
    CA_AUTOPTR(contract) before = contract_text_parse(evolving);
    CA_AUTOPTR(contract) after = contract_text_parse(text->str);
    struct ca_error err = {0};
    assert_int_equal(contract_check_evolution(before, after, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "the evolution rules of 'e' version 1 do not allow:\n"
                                     "columns.a: type_changed (breaking), 'int32' to 'utf8'\n"
                                     "columns.s.x: column_dropped (breaking), 'int8' to ''\n"
                                     "columns.s.y: column_added (breaking), '' to 'int16'");
    g_string_free(text, TRUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_rules_of_fields),
        cmocka_unit_test(test_compare_maps),
        cmocka_unit_test(test_evolution_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
