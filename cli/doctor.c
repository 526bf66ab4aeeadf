/* doctor.c — `codeanatomy doctor [REPO]`: where each setting comes from and whether each part works. */
#include <glib.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "build.h"
#include "options.h"
#include "output.h"

static const struct option_spec output_specs[] = {
    {"format", 0, OPTION_CHOICE, "table|json", offsetof(struct output_flags, format), NULL,
     "a report to read, or a JSON array (default: table)"},
};

/* One line of the report; level is "ok", "warn" or "fail". All owned. */
struct finding {
    char *level;
    char *subject;
    char *text;
};

static void clear_finding(void *data)
{
    struct finding *f = data;
    g_free(f->level);
    g_free(f->subject);
    g_free(f->text);
}

/* A setting of the build that a flag or a variable says; how the report looks is none. */
static void take_source(void *data, const struct option_spec *spec, const char *source, const char *text)
{
    if (text == NULL || spec == &output_specs[0])
        return;
    struct finding f = {
        g_strdup("ok"),
        g_strconcat("--", spec->name, NULL),
        strcmp(source, "flag") == 0 ? g_strdup_printf("%s (flag)", text) : g_strdup_printf("%s (%s)", text, source),
    };
    g_array_append_val((GArray *)data, f);
}

/* "level<TAB>subject<TAB>text", as ca_doctor gives it. */
static void take_line(void *data, const char *text, size_t n_bytes)
{
    g_autofree char *line = g_strndup(text, n_bytes);
    g_auto(GStrv) parts = g_strsplit(g_strchomp(line), "\t", 3);
    guint n = g_strv_length(parts);
    struct finding f = {
        g_strdup(n > 0 ? parts[0] : ""),
        g_strdup(n > 1 ? parts[1] : ""),
        g_strdup(n > 2 ? parts[2] : ""),
    };
    g_array_append_val((GArray *)data, f);
}

static char *as_text(const GArray *findings)
{
    GString *out = g_string_new(NULL);
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *f = &g_array_index(findings, struct finding, i);
        g_autofree char *text = talk_printable(f->text);
        g_string_append_printf(out, "%-5s %-16s %s\n", f->level, f->subject, text);
    }
    return g_string_free(out, FALSE);
}

static char *as_json(const GArray *findings)
{
    json_t *array = json_array();
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *f = &g_array_index(findings, struct finding, i);
        g_autofree char *text = g_utf8_make_valid(f->text, -1);
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s}", "level", f->level, "subject", f->subject, "text", text));
    }
    char *rendered = json_dumps(array, JSON_INDENT(2));
    char *line = g_strconcat(rendered, "\n", NULL);
    free(rendered);
    json_decref(array);
    return line;
}

static int doctor(struct cli *cli, struct build_flags *flags, const char *operand, const char *format, GArray *findings)
{
    struct ca_error err = {0};
    g_autofree char *repository = build_repository(operand);
    struct ca_build_options o = build_options_of(flags);
    o.repository = repository;
    if (ca_doctor(repository, &o, take_line, findings, &err) != CA_OK)
        return cli_report(cli, &err);
    g_autofree char *text = strcmp(format, "json") == 0 ? as_json(findings) : as_text(findings);
    int code = output_print(cli, text, strlen(text));
    for (guint i = 0; i < findings->len && code == CLI_OK; i++)
        if (strcmp(g_array_index(findings, struct finding, i).level, "fail") == 0)
            code = CLI_FINDING;
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct build_flags flags = {0};
    struct output_flags output = {.format = "table"};
    char **operands = NULL;
    int code = CLI_OK;
    g_autoptr(GArray) findings = g_array_new(FALSE, TRUE, sizeof(struct finding));
    g_array_set_clear_func(findings, clear_finding);
    const struct option_group groups[] = {
        {"Output", output_specs, G_N_ELEMENTS(output_specs), &output},
        build_group(&flags),
        options_common(cli),
    };
    const struct option_page page = {
        .command = "doctor",
        .usage = "[options] [REPO]",
        .about =
            "Say where each setting comes from and whether each part works: store, interpreter, worker, limits. It "
            "takes the flags of build, looks, and changes nothing. Ends with 1 when something is broken.",
        .examples = "  codeanatomy doctor\n"
                    "  codeanatomy doctor --python python3.13 --format json path/to/repo\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = 1,
        .on_source = take_source,
        .source_data = findings,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = doctor(cli, &flags, operands[0], output.format, findings);
    build_flags_done(&flags);
    return code;
}

const struct cli_command doctor_command = {"doctor", "check settings, interpreter and store", run};
