/* contract/view_sql.c — identifiers, and the SELECT of a generated view. */
#include "contract/contract.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* Words that the engine's parser may read as something else than a name, in order. More than it needs: quoting is
 * harmless. */
static const char *const reserved[] = {
    "all",
    "analyze",
    "and",
    "anti",
    "any",
    "array",
    "as",
    "asc",
    "asof",
    "at",
    "between",
    "bigint",
    "binary",
    "boolean",
    "both",
    "by",
    "case",
    "cast",
    "ceil",
    "char",
    "check",
    "cluster",
    "collate",
    "column",
    "connect",
    "constraint",
    "convert",
    "copy",
    "create",
    "cross",
    "cube",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "date",
    "datetime",
    "decimal",
    "default",
    "delete",
    "desc",
    "describe",
    "distinct",
    "distribute",
    "drop",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "extract",
    "false",
    "fetch",
    "filter",
    "final",
    "first",
    "floor",
    "for",
    "foreign",
    "from",
    "full",
    "global",
    "group",
    "grouping",
    "having",
    "if",
    "ilike",
    "in",
    "inner",
    "insert",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "key",
    "lambda",
    "last",
    "lateral",
    "left",
    "like",
    "limit",
    "listagg",
    "localtime",
    "localtimestamp",
    "map",
    "match_recognize",
    "minus",
    "natural",
    "not",
    "null",
    "of",
    "offset",
    "on",
    "open",
    "or",
    "order",
    "outer",
    "over",
    "overlay",
    "partition",
    "pivot",
    "position",
    "prewhere",
    "primary",
    "prior",
    "qualify",
    "range",
    "references",
    "replace",
    "return",
    "returning",
    "right",
    "rlike",
    "rollup",
    "row",
    "rows",
    "sample",
    "select",
    "semi",
    "session_user",
    "set",
    "settings",
    "similar",
    "some",
    "sort",
    "start",
    "struct",
    "substring",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "top",
    "trailing",
    "trim",
    "true",
    "truncate",
    "try_cast",
    "union",
    "unique",
    "unnest",
    "unpivot",
    "update",
    "user",
    "using",
    "values",
    "view",
    "when",
    "where",
    "window",
    "with",
    "within",
    "xmltable",
};

static int compare_words(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

char *contract_quote(const char *name)
{
    if (contract_name_is_valid(name) &&
        bsearch(name, reserved, G_N_ELEMENTS(reserved), sizeof reserved[0], compare_words) == NULL)
        return g_strdup(name);
    GString *out = g_string_new("\"");
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '"')
            g_string_append_c(out, '"');
        g_string_append_c(out, *p);
    }
    g_string_append_c(out, '"');
    return g_string_free(out, FALSE);
}

/* The name of the unnested struct inside the view: none of the columns that come with it. */
static const char *item_name(const struct contract_view *view)
{
    static const char *const candidates[] = {"item", "list_item", "unnested_list_item"};
    for (size_t i = 0; i < G_N_ELEMENTS(candidates) - 1; i++) {
        bool is_free = true;
        for (size_t j = 0; j < view->with.n && is_free; j++)
            is_free = strcmp(view->with.items[j], candidates[i]) != 0;
        if (is_free)
            return candidates[i];
    }
    return candidates[G_N_ELEMENTS(candidates) - 1];
}

char *contract_view_sql(const struct contract *c, const struct contract_view *view)
{
    const struct contract_field *list = contract_column(c, view->unnest);
    const struct contract_field *item = &list->children[0];
    const char *alias = item_name(view);
    g_autofree char *dataset = contract_quote(c->dataset);
    g_autofree char *column = contract_quote(view->unnest);
    GString *out = g_string_new("SELECT\n");
    for (size_t i = 0; i < view->with.n; i++) {
        g_autofree char *name = contract_quote(view->with.items[i]);
        g_string_append_printf(out, "    %s,\n", name);
    }
    for (size_t i = 0; i < item->n_children; i++) {
        g_autofree char *name = contract_quote(item->children[i].name);
        g_string_append_printf(out, "    %s['%s'] AS %s%s\n", alias, item->children[i].name, name,
                               i + 1 < item->n_children ? "," : "");
    }
    g_string_append(out, "FROM (\n    SELECT ");
    for (size_t i = 0; i < view->with.n; i++) {
        g_autofree char *name = contract_quote(view->with.items[i]);
        g_string_append_printf(out, "%s, ", name);
    }
    g_string_append_printf(out, "unnest(%s) AS %s\n    FROM %s.%s.%s\n)", column, alias, CONTRACT_CATALOG,
                           contract_schema_name(c), dataset);
    return g_string_free(out, FALSE);
}
