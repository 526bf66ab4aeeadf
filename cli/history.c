/* history.c — `codeanatomy history NAME [REPO]`: the commits of a dataset's Delta table. */
#include "answer.h"
#include "options.h"

struct history {
    const char *name;
    unsigned limit;
};

static const struct option_spec specs[] = {
    {"limit", 'n', OPTION_COUNT, "N", offsetof(struct history, limit), NULL, "the newest N commits (default: all)"},
};

static int history(ca_session *s, const struct output *out, void *data, struct ca_error *err)
{
    const struct history *h = data;
    struct ArrowArrayStream rows = {0};
    ca_dataset *d = NULL;
    int rc = ca_dataset_open(s, h->name, &d, err);
    if (rc == CA_OK)
        rc = ca_dataset_history(d, h->limit, &rows, err);
    ca_dataset_close(d);
    return rc == CA_OK ? ca_stream_write(&rows, out->format, out->fd, out->width, NULL, err) : rc;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct store_flags store = {0};
    struct output_flags output = {0};
    struct history h = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {
        {"History", specs, G_N_ELEMENTS(specs), &h},
        output_group(&output),
        store_group(&store),
        options_common(cli),
    };
    const struct option_page page = {
        .command = "history",
        .usage = "[options] NAME [REPO]",
        .about = "List the commits of a dataset's Delta table, newest first: version, time, operation with its "
                 "parameters, rows that it added. NAME is a dataset or a handle "
                 "(dataset://NAME@VERSION#LOCATION). A version or time of the list is what --pin takes.",
        .examples = "  codeanatomy history cpg_nodes\n"
                    "  codeanatomy history 'dataset://sales_v1#archive' --datasets own -n 5 --format ndjson\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .operand = "NAME",
        .min_operands = 1,
        .max_operands = 2,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code)) {
        h.name = operands[0];
        code = answer_run(cli, &store, &output, operands[1], history, &h);
    }
    store_flags_done(&store);
    return code;
}

const struct cli_command history_command = {"history", "list the commits of a dataset's table", run};
