/* describe.c — `codeanatomy describe NAME|QUERY [REPO]`: the columns of anything that can stand in FROM. */
#include "answer.h"
#include "options.h"

static int describe(ca_session *s, const struct output *out, void *data, struct ca_error *err)
{
    const char *name_or_query = data;
    struct ArrowArrayStream rows = {0};
    int rc = ca_describe(s, name_or_query, &rows, err);
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
        .command = "describe",
        .usage = "[options] NAME|QUERY [REPO]",
        .about = "Show the columns of a dataset, a view, a handle (dataset://NAME@VERSION) or a query; a query is "
                 "planned and "
                 "not run.",
        .examples = "  codeanatomy describe codeintel.public.ast_nodes\n"
                    "  codeanatomy describe 'SELECT path, count(*) AS n FROM ast_nodes GROUP BY path' --format csv\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .operand = "NAME or QUERY",
        .min_operands = 1,
        .max_operands = 2,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = answer_run(cli, &store, &output, operands[1], describe, operands[0]);
    store_flags_done(&store);
    return code;
}

const struct cli_command describe_command = {"describe", "show the columns of a dataset, view or query", run};
