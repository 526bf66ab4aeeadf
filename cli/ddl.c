/* ddl.c — `codeanatomy ddl [NAME]`: the DDL of one dataset or view, or of all. */
#include "answer.h"
#include "options.h"

static const struct option_spec specs[] = {
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct output_flags, file), NULL,
     "write to FILE, whole or not at all (default: standard output)"},
};

static int ddl(ca_session *s, const struct output *out, void *data, struct ca_error *err)
{
    const char *name = data;
    g_autoptr(GString) text = g_string_new(NULL);
    int rc = ca_ddl(s, name, answer_take_text, text, err);
    return rc == CA_OK ? output_write(out, text->str, text->len, err) : rc;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct store_flags store = {0};
    struct output_flags output = {.format = "table"}; /* DDL is text, whatever the file is called */
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {
        {"Output", specs, G_N_ELEMENTS(specs), &output},
        store_group(&store),
        options_common(cli),
    };
    const struct option_page page = {
        .command = "ddl",
        .usage = "[options] [NAME]",
        .about = "Print the DDL of one dataset or view, or of all of them; the same contracts give the same text.",
        .examples = "  codeanatomy ddl ast_files_v1\n"
                    "  codeanatomy ddl -o catalog.sql --store path/to/repo/.codeanatomy\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = 1,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = answer_run(cli, &store, &output, /* repository= */ NULL, ddl, operands[0]);
    store_flags_done(&store);
    return code;
}

const struct cli_command ddl_command = {"ddl", "print the DDL of datasets and views", run};
