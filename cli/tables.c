/* tables.c — `codeanatomy tables [REPO]`: every dataset and view with its rows and health. */
#include "answer.h"
#include "options.h"

static int tables(ca_session *s, const struct output *out, void *data G_GNUC_UNUSED, struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    int rc = ca_tables(s, &rows, err);
    return answer_rows(out, rc, &rows, err);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct store_flags store = {0};
    struct output_flags output = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {output_group(&output), store_group(&store), options_common(cli)};
    const struct option_page page = {
        .command = "tables",
        .usage = "[options] [REPO]",
        .about = "List every dataset and view of the catalog: schema, name, kind, version, rows, health, doc.",
        .examples = "  codeanatomy tables\n"
                    "  codeanatomy tables --format json path/to/repo\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = 1,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = answer_run(cli, &store, &output, operands[0], tables, NULL);
    store_flags_done(&store);
    return code;
}

const struct cli_command tables_command = {"tables", "list datasets and views", run};
