/* contract.c — `codeanatomy contract check|import|export|schema|schema`: contracts as files, no store needed. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "options.h"
#include "output.h"

#define LANGUAGES "odcs|dbt"

/* ---- what is found ---------------------------------------------------------------------------------------------- */

/* "FILE:LINE:COLUMN: PATH: MESSAGE", as compilers say it, so that editors find the place. */
static void put_finding(GString *out, const struct ca_contract_finding *f)
{
    g_autofree char *file = talk_printable(f->file);
    g_autofree char *path = talk_printable(f->path);
    g_autofree char *message = talk_printable(f->message);
    g_string_append_printf(out, "%s:%d:%d: %s%s%s\n", file, f->line, f->column, path, path[0] == '\0' ? "" : ": ",
                           message);
}

static json_t *text_json(const char *text)
{
    if (text == NULL)
        return json_null();
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    return json_string(valid);
}

static json_t *finding_json(const struct ca_contract_finding *f)
{
    json_t *object = json_object();
    json_object_set_new(object, "file", text_json(f->file));
    json_object_set_new(object, "line", json_integer(f->line));
    json_object_set_new(object, "column", json_integer(f->column));
    if (f->path[0] != '\0')
        json_object_set_new(object, "path", text_json(f->path));
    json_object_set_new(object, "message", text_json(f->message));
    return object;
}

static int write_json(const struct output *out, const json_t *json, struct ca_error *err)
{
    char *text = json_dumps(json, JSON_INDENT(2));
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    free(text);
    return output_write(out, line, strlen(line), err);
}

/* ---- check ------------------------------------------------------------------------------------------------------ */

struct check {
    GString *lines;
    json_t *files;
    size_t n_findings;
};

static void take_file(void *data, const struct ca_contract_file *file)
{
    struct check *check = data;
    json_t *findings = json_array();
    for (size_t i = 0; i < file->n_findings; i++) {
        put_finding(check->lines, &file->findings[i]);
        json_array_append_new(findings, finding_json(&file->findings[i]));
    }
    check->n_findings += file->n_findings;
    json_t *object = json_object();
    json_object_set_new(object, "file", text_json(file->file));
    json_object_set_new(object, "dataset", text_json(file->dataset));
    json_object_set_new(object, "version", file->dataset == NULL ? json_null() : json_integer(file->version));
    json_object_set_new(object, "fingerprint", text_json(file->fingerprint));
    json_object_set_new(object, "schema_fingerprint", text_json(file->schema_fingerprint));
    json_object_set_new(object, "findings", findings);
    json_array_append_new(check->files, object);
}

static const struct option_spec check_specs[] = {
    {"format", 0, OPTION_CHOICE, "table|json", offsetof(struct output_flags, format), NULL,
     "table (default): one line a finding; json: one object a file, with its fingerprints"},
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct output_flags, file), NULL,
     "write to FILE, whole or not at all (default: standard output)"},
};

static int check(struct cli *cli, const struct output_flags *flags, char **paths)
{
    struct ca_error err = {0};
    struct output out;
    if (output_open(flags, &out, &err) != CA_OK)
        return cli_report(cli, &err);
    struct check found = {g_string_new(NULL), json_array(), 0};
    int rc = ca_contract_check((const char *const *)paths, g_strv_length(paths), take_file, &found, &err);
    if (rc == CA_OK && strcmp(flags->format, "json") == 0)
        rc = write_json(&out, found.files, &err);
    else if (rc == CA_OK)
        rc = output_write(&out, found.lines->str, found.lines->len, &err);
    int code = rc == CA_OK ? CLI_OK : output_report(cli, &out, &err);
    if (output_close(&out, rc, &err) != CA_OK && rc == CA_OK)
        code = cli_report(cli, &err);
    if (code == CLI_OK && found.n_findings > 0)
        code = CLI_FINDING;
    g_string_free(found.lines, TRUE);
    json_decref(found.files);
    return code;
}

static int run_check(struct cli *cli, int argc, char **argv)
{
    struct output_flags output = {.format = "table"};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {{"Check", check_specs, G_N_ELEMENTS(check_specs), &output},
                                          options_common(cli)};
    const struct option_page page = {
        .command = "contract check",
        .usage = "[options] FILE|DIR...",
        .about = "Load contract files, every *.yaml below a directory, and say with line and column what is wrong with "
                 "them or missing. Ends with 1 when there is a finding, also of a contract that is taken all the same, "
                 "such as one without a key.",
        .examples = "  codeanatomy contract check datasets\n"
                    "  codeanatomy contract check --format json datasets/extract/repo_files_v1.yaml\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .operand = "FILE|DIR",
        .min_operands = 1,
        .max_operands = SIZE_MAX,
    };
    return options_parse(&page, cli, argc, argv, &operands, &code) ? check(cli, &output, operands) : code;
}

/* ---- import and export ------------------------------------------------------------------------------------------ */

/* language  odcs or dbt
 * place     -o: a folder or a file
 * report    where the losses go; NULL: stderr */
struct exchange_flags {
    const char *language;
    const char *place;
    const char *report;
};

/* text: what is written; losses: a line each */
struct exchange {
    GString *text;
    GString *losses;
};

static void take_loss(void *data, const struct ca_contract_finding *finding)
{
    put_finding(((struct exchange *)data)->losses, finding);
}

static void take_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(((struct exchange *)data)->text, text, (gssize)n_bytes);
}

static void take_path(void *data, const char *path, size_t n_bytes)
{
    GString *text = ((struct exchange *)data)->text;
    g_string_append_len(text, path, (gssize)n_bytes);
    g_string_append_c(text, '\n');
}

static int write_file(const char *file, const GString *text, struct ca_error *err)
{
    const struct output_flags flags = {.format = "table", .file = file};
    struct output out;
    int rc = output_open(&flags, &out, err);
    if (rc != CA_OK)
        return rc;
    rc = output_write(&out, text->str, text->len, err);
    return output_close(&out, rc, err);
}

/* Losses to their file, else to stderr, where they are talk; what is written to `file`, NULL: stdout. Of what failed
 * there are no losses to tell. */
static int finish(struct cli *cli, const struct exchange_flags *flags, int rc, struct exchange *x, const char *file,
                  struct ca_error *err)
{
    if (rc == CA_OK && flags->report != NULL)
        rc = write_file(flags->report, x->losses, err);
    g_auto(GStrv) lines = g_strsplit(x->losses->str, "\n", -1);
    for (char **line = lines; rc == CA_OK && flags->report == NULL && *line != NULL && **line != '\0'; line++)
        talk_note(&cli->talk, "%s", *line);
    if (rc == CA_OK)
        rc = write_file(file, x->text, err);
    g_string_free(x->text, TRUE);
    g_string_free(x->losses, TRUE);
    return rc == CA_OK ? CLI_OK : (int)cli_report(cli, err);
}

static const struct option_spec import_specs[] = {
    {"from", 0, OPTION_CHOICE, LANGUAGES, offsetof(struct exchange_flags, language), NULL,
     "odcs: Open Data Contract Standard 3.1; dbt: its schema YAML"},
    {"output", 'o', OPTION_TEXT, "DIR", offsetof(struct exchange_flags, place), NULL,
     "the folder for the contracts: DIR/STAGE/NAME.yaml"},
    {"report", 0, OPTION_TEXT, "FILE", offsetof(struct exchange_flags, report), NULL,
     "write what cannot be carried to FILE (default: standard error)"},
};

static const struct option_spec export_specs[] = {
    {"to", 0, OPTION_CHOICE, LANGUAGES, offsetof(struct exchange_flags, language), NULL,
     "odcs: Open Data Contract Standard 3.1; dbt: its schema YAML"},
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct exchange_flags, place), NULL,
     "write to FILE, whole or not at all (default: standard output)"},
    {"report", 0, OPTION_TEXT, "FILE", offsetof(struct exchange_flags, report), NULL,
     "write what cannot be carried to FILE (default: standard error)"},
};

static int run_import(struct cli *cli, int argc, char **argv)
{
    struct exchange_flags flags = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {{"Import", import_specs, G_N_ELEMENTS(import_specs), &flags},
                                          options_common(cli)};
    const struct option_page page = {
        .command = "contract import",
        .usage = "[options] --from odcs|dbt -o DIR FILE...",
        .about =
            "Make contract files of documents of another language, and print their paths. Every key that cannot be "
            "carried is named with its place and a reason. All or nothing is written, and over no other file.",
        .examples = "  codeanatomy contract import --from odcs -o datasets orders.odcs.yaml\n"
                    "  codeanatomy contract import --from dbt -o datasets --report losses.txt models/schema.yml\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .operand = "FILE",
        .min_operands = 1,
        .max_operands = SIZE_MAX,
    };
    if (!options_parse(&page, cli, argc, argv, &operands, &code))
        return code;
    if (flags.language == NULL || flags.place == NULL)
        return options_usage_error(cli, page.command, "'%s' is missing", flags.language == NULL ? "--from" : "-o");
    struct ca_error err = {0};
    struct exchange x = {g_string_new(NULL), g_string_new(NULL)};
    int rc = ca_contract_import(flags.language, (const char *const *)operands, g_strv_length(operands), flags.place,
                                take_path, take_loss, &x, &err);
    return finish(cli, &flags, rc, &x, /* file= */ NULL, &err);
}

static int run_export(struct cli *cli, int argc, char **argv)
{
    struct exchange_flags flags = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {{"Export", export_specs, G_N_ELEMENTS(export_specs), &flags},
                                          options_common(cli)};
    const struct option_page page = {
        .command = "contract export",
        .usage = "[options] --to odcs|dbt NAME|FILE...",
        .about = "Write built-in contracts, by name, or contract files as one document of another language. What that "
                 "has no word for stands under 'codeanatomy' in its custom properties or meta, so that an import gives "
                 "the same contracts again; what cannot be carried is named with a reason.",
        .examples = "  codeanatomy contract export --to odcs ast_files_v1\n"
                    "  codeanatomy contract export --to dbt -o schema.yml datasets/graph/*.yaml\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .operand = "NAME|FILE",
        .min_operands = 1,
        .max_operands = SIZE_MAX,
    };
    if (!options_parse(&page, cli, argc, argv, &operands, &code))
        return code;
    if (flags.language == NULL)
        return options_usage_error(cli, page.command, "'--to' is missing");
    struct ca_error err = {0};
    struct exchange x = {g_string_new(NULL), g_string_new(NULL)};
    int rc = ca_contract_export(flags.language, (const char *const *)operands, g_strv_length(operands), take_text,
                                take_loss, &x, &err);
    return finish(cli, &flags, rc, &x, flags.place, &err);
}

/* ---- schema ----------------------------------------------------------------------------------------------------- */

struct schema_flags {
    const char *of;
    const char *file;
};

static const struct option_spec schema_specs[] = {
    {"of", 0, OPTION_CHOICE, "contract|location", offsetof(struct schema_flags, of), NULL,
     "the files that it is for (default: contract)"},
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct schema_flags, file), NULL,
     "write to FILE, whole or not at all (default: standard output)"},
};

static int run_schema(struct cli *cli, int argc, char **argv)
{
    struct schema_flags flags = {.of = "contract"};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {{"Schema", schema_specs, G_N_ELEMENTS(schema_specs), &flags},
                                          options_common(cli)};
    const struct option_page page = {
        .command = "contract schema",
        .usage = "[options]",
        .about = "Print the JSON Schema of contract files or of location files, with which editors complete and check "
                 "them.",
        .examples = "  codeanatomy contract schema -o contract.schema.json\n"
                    "  codeanatomy contract schema --of location -o location.schema.json\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
    };
    if (!options_parse(&page, cli, argc, argv, &operands, &code))
        return code;
    struct ca_error err = {0};
    g_autoptr(GString) text = g_string_new(NULL);
    (void)(strcmp(flags.of, "location") == 0 ? ca_location_schema : ca_contract_schema)(answer_take_text, text);
    return write_file(flags.file, text, &err) == CA_OK ? CLI_OK : (int)cli_report(cli, &err);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static const struct cli_command verbs[] = {
    {"check", "check contract files", run_check},
    {"import", "make contract files of other documents", run_import},
    {"export", "write contracts in another language", run_export},
    {"schema", "print the JSON Schema of contract files", run_schema},
};

static int run(struct cli *cli, int argc, char **argv)
{
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {options_common(cli)};
    const struct option_page page = {
        .command = "contract",
        .usage = "check|import|export|schema [options] ...",
        .about =
            "Work on contracts as files: check them, exchange them with the Open Data Contract Standard and dbt, or "
            "print their JSON Schema. "
            "'codeanatomy contract check --help' and so on show the options of each.",
        .examples = "  codeanatomy contract check datasets\n"
                    "  codeanatomy contract export --to odcs ast_files_v1\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .operand = "check|import|export|schema",
        .min_operands = 1,
        .max_operands = SIZE_MAX,
    };
    for (size_t i = 0; argc > 1 && i < G_N_ELEMENTS(verbs); i++) {
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(cli, argc - 1, argv + 1);
    }
    if (!options_parse(&page, cli, argc, argv, &operands, &code))
        return code;
    return options_usage_error(cli, page.command, "unknown command '%s'", operands[0]);
}

const struct cli_command contract_command = {"contract", "check contracts, exchange them with ODCS and dbt", run};
