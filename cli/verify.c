/* verify.c — `codeanatomy verify [NAME...]`: stored rows against what their contracts say of them. */
#include "answer.h"
#include "options.h"

struct verify_flags {
    bool read_only;
};

static const struct option_spec specs[] = {
    {"read-only", 0, OPTION_FLAG, NULL, offsetof(struct verify_flags, read_only), NULL,
     "take no lock and keep nothing of what is found, so that any run can be looked at, while others write too"},
};

/* names        NULL: everything that lies in files
 * n_violated   facts that do not hold, and files that cannot be read */
struct verification {
    const char *const *names;
    size_t n_names;
    size_t n_violated;
};

static int verify(ca_session *s, const struct output *out, void *data, struct ca_error *err)
{
    struct verification *v = data;
    struct ArrowArrayStream rows = {0};
    int rc = ca_verify(s, v->names, v->n_names, /* cancel= */ NULL, &rows, &v->n_violated, err);
    return answer_rows(out, rc, &rows, err);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct store_flags store = {0};
    struct output_flags output = {0};
    struct verify_flags flags = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group verifying = {"Verifying", specs, G_N_ELEMENTS(specs), &flags};
    const struct option_group groups[] = {verifying, output_group(&output), store_group(&store), options_common(cli)};
    const struct option_page page = {
        .command = "verify",
        .usage = "[options] [NAME...]",
        .about = "Hold stored rows against their contracts, whatever was proved before: the files are there and can be "
                 "read, NOT NULL at every depth, keys, order, checks. One line a fact, and the first rows that "
                 "break it; exit code 1 when one does not hold. Without NAME every dataset whose rows lie in files. "
                 "What is found is what later sessions on the same run believe, so the store is locked while it is "
                 "kept, and --run, --as-of and --pin, which read what no later session reads by itself, need "
                 "--read-only.",
        .examples = "  codeanatomy verify\n"
                    "  codeanatomy verify cpg_nodes cpg_edges --format ndjson\n"
                    "  codeanatomy verify --read-only --as-of 2026-11-21T04:27:49Z\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = G_MAXINT,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code)) {
        guint n_names = g_strv_length(operands);
        struct verification v = {.names = n_names > 0 ? (const char *const *)operands : NULL, .n_names = n_names};
        code = flags.read_only ? answer_run(cli, &store, &output, /* repository= */ NULL, verify, &v)
                               : answer_run_writing(cli, &store, &output, /* repository= */ NULL, verify, &v);
        if (code == CLI_OK && flags.read_only)
            talk_note(&cli->talk, "nothing of this is kept (--read-only)");
        if (code == CLI_OK && v.n_violated > 0) {
            g_autofree char *text = g_strdup_printf("%zu of them do not hold", v.n_violated);
            talk_error(&cli->talk, text);
            code = CLI_FINDING;
        }
    }
    store_flags_done(&store);
    return code;
}

const struct cli_command verify_command = {"verify", "hold stored rows against their contracts", run};
