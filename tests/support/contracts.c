/* tests/support/contracts.c — see the header. */
#include "support/contracts.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "kernel/kernel.h"
#include "support/scratch.h"

void contracts_write(const char *root, const char *stage, const char *name, const char *kind, const char *columns,
                     const char *rest, const char *sql)
{
    g_autoptr(GString) yaml = g_string_new(NULL);
    g_string_append_printf(yaml, "dataset: %s\nversion: 1\nkind: %s\ndoc: a dataset of a test\ncolumns:\n", name, kind);
    g_auto(GStrv) pairs = g_strsplit(columns, ",", 0);
    g_autofree char *first = NULL;
    for (size_t i = 0; pairs[i]; i++) {
        g_auto(GStrv) words = g_strsplit(g_strstrip(pairs[i]), " ", 2);
        assert_int_equal(g_strv_length(words), 2);
        bool is_nullable = g_str_has_suffix(words[1], "?");
        g_string_append_printf(yaml, "  - {name: %s, type: %.*s, nullable: %s, doc: d}\n", words[0],
                               (int)(strlen(words[1]) - is_nullable), words[1], is_nullable ? "true" : "false");
        if (!first)
            first = g_strdup(words[0]);
    }
    if (rest)
        g_string_append(yaml, rest);
    else
        g_string_append_printf(yaml, "keys: {primary: [%s]}\norder: [%s]\n", first, first);
    g_string_append(yaml, "evolution: {default: refuse}\n");
    g_autofree char *yaml_path = g_strdup_printf("datasets/%s/%s.yaml", stage, name);
    g_autofree char *sql_path = g_strdup_printf("datasets/%s/%s.sql", stage, name);
    scratch_write(root, yaml_path, yaml->str);
    if (sql)
        scratch_write(root, sql_path, sql);
}

int contracts_open(const char *root, struct catalog **ret, struct ca_error *err)
{
    g_autofree char *dir = scratch_path(root, "datasets");
    size_t n = 0;
    struct catalog_options options = {
        .datasets_dir = dir, .engine = {.profile = "small"}, .functions = kernel_functions(&n)};
    options.n_functions = n;
    return catalog_open(&options, ret, err);
}

struct catalog *contracts_catalog(const char *root)
{
    struct catalog *c = NULL;
    struct ca_error err = {0};
    if (contracts_open(root, &c, &err) != CA_OK)
        fail_msg("%s", err.message);
    return c;
}
