/* status.c — `codeanatomy status [REPO]`: what is built, how much of it each layer covers, and what failed why.
 *
 * The run comes from the manifest, coverage and reasons from file_layers_v1. As JSON it is one object:
 * {"run": the manifest, "layers": rows, "reasons": rows}.
 */
#include "answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "progress.h"

#define REASONS_DEFAULT 20

/* Coverage: a row a layer, interpreter version and status. */
static const char layers_sql[] = "SELECT layer, python_version, status, count(*) AS files, sum(n_facts) AS facts "
                                 "FROM file_layers_v1 GROUP BY layer, python_version, status "
                                 "ORDER BY layer, python_version, status";

/* A row a layer, status and reason, failures first; one file as an example of each. */
static const char reasons_sql[] =
    "SELECT layer, status, reason, count(*) AS files, min(path) AS first_path FROM file_layers_v1 "
    "WHERE status <> 'ok' GROUP BY layer, status, reason "
    "ORDER BY CASE status WHEN 'failed' THEN 0 WHEN 'recovered' THEN 1 ELSE 2 END, files DESC, layer, reason LIMIT %u";

struct status_flags {
    unsigned limit;
};

static const struct option_spec specs[] = {
    {"limit", 'n', OPTION_COUNT, "N", offsetof(struct status_flags, limit), NULL,
     "how many reasons to list (default: 20)"},
};

/* ---- the manifest as lines ------------------------------------------------------------------------------------- */

static void append_scalar(GString *out, const json_t *value)
{
    if (json_is_string(value)) {
        g_autofree char *text = talk_printable(json_string_value(value));
        g_string_append(out, text);
    } else if (json_is_boolean(value)) {
        g_string_append(out, json_is_true(value) ? "yes" : "no");
    } else if (json_is_null(value)) {
        g_string_append(out, "-");
    } else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        g_string_append(out, text != NULL ? text : "?");
        free(text);
    }
}

/* "key  value", an object of one level as "key  a 1, b 2". What lies deeper is for --format json. */
static void append_entry(GString *out, const char *key, json_t *value)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *inner;
    json_t *item;
    if (!json_is_object(value) && !json_is_array(value)) {
        append_scalar(text, value);
    } else if (json_is_object(value)) {
        json_object_foreach(value, inner, item)
        {
            if (json_is_object(item) || json_is_array(item))
                continue;
            g_string_append_printf(text, "%s%s ", text->len > 0 ? ", " : "", inner);
            append_scalar(text, item);
        }
    }
    if (text->len > 0)
        g_string_append_printf(out, "  %-22s %s\n", key, text->str);
}

static void append_datasets(GString *out, json_t *datasets)
{
    size_t i;
    json_t *entry;
    json_array_foreach(datasets, i, entry)
    {
        const char *schema = json_string_value(json_object_get(entry, "schema"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (schema == NULL || name == NULL)
            continue;
        g_autofree char *whole = g_strconcat(schema, ".", name, NULL);
        g_autofree char *rows = progress_number(json_integer_value(json_object_get(entry, "n_rows")));
        g_autofree char *bytes = progress_number(json_integer_value(json_object_get(entry, "n_bytes")));
        g_string_append_printf(out, "  %-36s %15s rows %15s bytes\n", whole, rows, bytes);
    }
}

static int append_manifest(GString *out, const char *manifest, struct ca_error *err)
{
    json_error_t where;
    json_t *root = json_loads(manifest, 0, &where);
    const char *key;
    json_t *value;
    if (root == NULL)
        return cli_fail(err, CA_ERR_SYNTAX, "the manifest is not JSON: line %d column %d: %s", where.line, where.column,
                        where.text);
    g_string_append(out, "Run\n");
    json_object_foreach(root, key, value) append_entry(out, key, value);
    g_string_append(out, "\nDatasets\n");
    append_datasets(out, json_object_get(root, "datasets"));
    json_decref(root);
    return CA_OK;
}

/* ---- the answer ------------------------------------------------------------------------------------------------ */

static int write_text(const struct output *out, const char *text, struct ca_error *err)
{
    return output_write(out, text, strlen(text), err);
}

/* `head`, then the rows of `sql` in the output's format. */
static int write_rows(ca_session *s, const struct output *out, const char *head, const char *sql, struct ca_error *err)
{
    int rc = write_text(out, head, err);
    if (rc != CA_OK)
        return rc;
    return ca_query_write(s, sql, NULL, NULL, out->format, out->fd, out->width, NULL, err);
}

static int status(ca_session *s, const struct output *out, void *data, struct ca_error *err)
{
    const struct status_flags *flags = data;
    bool is_json = strcmp(out->format, "json") == 0;
    g_autoptr(GString) manifest = g_string_new(NULL);
    g_autoptr(GString) head = g_string_new(is_json ? "{\"run\": " : NULL);
    g_autofree char *reasons = g_strdup_printf(reasons_sql, flags->limit);

    int rc = ca_manifest(s, answer_take_text, manifest, err);
    if (rc == CA_OK && is_json)
        g_string_append_printf(head, "%s, \"layers\": ", g_strchomp(manifest->str));
    else if (rc == CA_OK)
        rc = append_manifest(head, manifest->str, err);
    if (rc == CA_OK && !is_json)
        g_string_append(head, "\nCoverage\n");
    if (rc == CA_OK)
        rc = write_rows(s, out, head->str, layers_sql, err);
    if (rc == CA_OK)
        rc = write_rows(s, out, is_json ? ", \"reasons\": " : "\nNot ok, by reason\n", reasons, err);
    if (rc == CA_OK && is_json)
        rc = write_text(out, "}\n", err);
    return rc;
}

static const struct option_spec output_specs[] = {
    {"format", 0, OPTION_CHOICE, "table|json", offsetof(struct output_flags, format), NULL,
     "a report to read, or one JSON object (default: table)"},
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct output_flags, file), NULL,
     "write to FILE, whole or not at all (default: standard output)"},
};

static int run(struct cli *cli, int argc, char **argv)
{
    struct store_flags store = {0};
    struct output_flags output = {.format = "table"};
    struct status_flags flags = {.limit = REASONS_DEFAULT};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {
        {"Status", specs, G_N_ELEMENTS(specs), &flags},
        {"Output", output_specs, G_N_ELEMENTS(output_specs), &output},
        store_group(&store),
        options_common(cli),
    };
    const struct option_page page = {
        .command = "status",
        .usage = "[options] [REPO]",
        .about = "Show what is built: the run and its versions, rows by dataset, coverage by layer and status, and why "
                 "files "
                 "are not covered. Ends with 3 when nothing is published.",
        .examples = "  codeanatomy status\n"
                    "  codeanatomy status --format json path/to/repo | jq .layers\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = 1,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = answer_run(cli, &store, &output, operands[0], status, &flags);
    store_flags_done(&store);
    return code;
}

const struct cli_command status_command = {"status", "show what is built and what failed", run};
