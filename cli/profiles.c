/* profiles.c — `codeanatomy profiles`: what --profile and --preset can name, and each value that comes with it. */
#include "answer.h"
#include "options.h"

static int profiles(ca_session *s, const struct output *out, void *data G_GNUC_UNUSED, struct ca_error *err)
{
    struct ArrowArrayStream rows = {0};
    int rc = ca_profiles(s, &rows, err);
    return answer_rows(out, rc, &rows, err);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct output_flags output = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {output_group(&output), options_common(cli)};
    const struct option_page page = {
        .command = "profiles",
        .usage = "[options]",
        .about = "List the profiles (limits of memory, spill, partitions, batches and caches) and the presets (schema "
                 "settings) with every value, as they would be on this machine. 'codeanatomy doctor' says which are in "
                 "force and why.",
        .examples = "  codeanatomy profiles\n"
                    "  codeanatomy profiles --format json\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = answer_run(cli, NULL, &output, NULL, profiles, NULL);
    return code;
}

const struct cli_command profiles_command = {"profiles", "list profiles and presets", run};
