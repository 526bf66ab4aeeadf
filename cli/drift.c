/* drift.c — `codeanatomy drift [RUN_A [RUN_B]]`: what changed in the catalog between two runs of a store. */
#include <jansson.h>
#include <string.h>

#include "answer.h"
#include "options.h"

struct drift_flags {
    const char *format;
};

static const struct option_spec specs[] = {
    {"format", 'f', OPTION_CHOICE, "text|ndjson", offsetof(struct drift_flags, format), NULL,
     "a line a difference, or an object with change, object_kind, object_name, before and after (default: text)"},
};

/* Lines of the answer so far. */
struct lines {
    bool is_text;
    GString *out;
};

/* One line of at most 60 bytes, whatever a view's SQL looks like. */
static char *short_text(const char *text)
{
    enum { MAX_BYTES = 60 };
    g_autofree char *line = g_strstrip(g_strdelimit(g_strdup(text), "\r\n\t", ' '));
    g_autofree char *printable = talk_printable(line);
    if (strlen(printable) <= MAX_BYTES)
        return g_steal_pointer(&printable);
    const char *end = g_utf8_find_prev_char(printable, printable + MAX_BYTES);
    g_autofree char *head = g_strndup(printable, end ? (size_t)(end - printable) : 0);
    return g_strconcat(head, "...", NULL);
}

static void append_line(GString *out, const json_t *line)
{
    const char *before = json_string_value(json_object_get(line, "before"));
    const char *after = json_string_value(json_object_get(line, "after"));
    g_autofree char *name = talk_printable(json_string_value(json_object_get(line, "object_name")));
    g_string_append_printf(out, "%-7s  %-7s  %s", json_string_value(json_object_get(line, "change")),
                           json_string_value(json_object_get(line, "object_kind")), name);
    g_autofree char *old = before ? short_text(before) : NULL;
    g_autofree char *new = after ? short_text(after) : NULL;
    if (old && new)
        g_string_append_printf(out, ": %s -> %s\n", old, new);
    else
        g_string_append_printf(out, ": %s\n", old ? old : new);
}

static void take_difference(void *data, const char *text, size_t n_bytes)
{
    struct lines *l = data;
    if (!l->is_text) {
        g_string_append_len(l->out, text, (gssize)n_bytes);
        g_string_append_c(l->out, '\n');
        return;
    }
    json_t *line = json_loadb(text, n_bytes, 0, NULL);
    append_line(l->out, line);
    json_decref(line);
}

static int drift(struct cli *cli, const struct store_flags *store, bool is_text, char **runs)
{
    struct ca_error err = {0};
    g_autofree char *path = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    struct lines lines = {.is_text = is_text, .out = out};
    int64_t n = 0;
    int rc = store_find(store, &path, &err);
    if (rc == CA_OK && path == NULL)
        rc = cli_fail(&err, CA_ERR_NOT_FOUND, "no store here: say which with --store");
    if (rc == CA_OK)
        rc = ca_drift(path, runs[0], runs[0] != NULL ? runs[1] : NULL, take_difference, &lines, &n, &err);
    if (rc != CA_OK)
        return (int)cli_report(cli, &err);
    int code = output_print(cli, out->str, out->len);
    return code == CLI_OK && n > 0 ? CLI_DRIFT : code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct store_flags store = {0};
    struct drift_flags flags = {.format = "text"};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {
        {"Output", specs, G_N_ELEMENTS(specs), &flags},
        store_place_group(&store),
        options_common(cli),
    };
    const struct option_page page = {
        .command = "drift",
        .usage = "[options] [RUN_A [RUN_B]]",
        .about = "List what RUN_B's catalog has added, removed or changed against RUN_A's: tables, columns, views, "
                 "routines and settings. RUN_B is the published run and RUN_A the run before it unless they are said. "
                 "Ends with 4 when there is a difference.",
        .examples = "  codeanatomy drift --store path/to/repo/.codeanatomy\n"
                    "  codeanatomy drift --format ndjson 20261121T042749Z-1a2b3c4d\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = 2,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = drift(cli, &store, strcmp(flags.format, "text") == 0, operands);
    store_flags_done(&store);
    return code;
}

const struct cli_command drift_command = {"drift", "compare the catalogs of two runs", run};
