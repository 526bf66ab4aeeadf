/* tests/unit/test_yaml.c — YAML text as a tree: texts in every style of quotes, places, and the way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <string.h>

#include "contract/yaml.h"

/* B1. Expected by YAML 1.2 §7.3: quotes in a row were miscounted, and the end of the text was lost with them. */
static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *text;
    } cases[] = {
        {"a: plain text\n  goes on", "plain text goes on"},
        {"a: 'one''s'", "one's"},
        {"a: 'x = '''' OR y'", "x = '' OR y"},
        {"a: ''''''", "''"},
        {"a: 'x''''y''''''z'", "x''y'''z"},
        {"a: ''", ""},
        {"a: 'one  \n   two\n\n\n  three'", "one two\n\nthree"},
        {"a: ' one\r\n  two '", " one two "},
        {"a: 'one\n  '", "one "},
        {"\xEF\xBB\xBF"
         "a: 'x''''y'",
         "x''y"},
        {"{\"\xC3\xA9\": 'x''''\xC3\xBC'}", "x''\xC3\xBC"},
        {"a: \"q\\n\\n\\x41 \\\"b\\\"\"", "q\n\nA \"b\""},
        {"a: |\n  one\n  two\n", "one\ntwo\n"},
        {"a: >-\n  one\n  two\n\n  three\n", "one two\nthree"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        CA_AUTOPTR(yaml_node) root = NULL;
        struct ca_error err = {0};
        assert_int_equal(yaml_parse(cases[i].yaml, strlen(cases[i].yaml), "t.yaml", &root, &err), CA_OK);
        assert_string_equal(root->items[0]->text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
