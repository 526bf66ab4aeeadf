/* build.c — `codeanatomy build [REPO]`. */
#include "build.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "answer.h"
#include "config.h"
#include "interrupt.h"
#include "output.h"
#include "params.h"
#include "progress.h"
#include "store.h"

static const struct option_spec specs[] = {
    {"store", 0, OPTION_TEXT, "DIR", offsetof(struct build_flags, store), "CODEANATOMY_STORE",
     "where the tables go (default: project file, else REPO/.codeanatomy)"},
    {"name", 0, OPTION_TEXT, "NAME", offsetof(struct build_flags, name), "CODEANATOMY_NAME",
     "the repository's name in every id (default: project file, else repo)"},
    {"python", 0, OPTION_TEXT, "PATH", offsetof(struct build_flags, python), "CODEANATOMY_PYTHON",
     "the interpreter that the repository targets (default: project file, else python3)"},
    {"workers", 'j', OPTION_COUNT, "N", offsetof(struct build_flags, n_workers), "CODEANATOMY_WORKERS",
     "interpreter processes and parser threads (default: 0, one a core)"},
    {"source-root", 0, OPTION_LIST, "DIR", offsetof(struct build_flags, source_roots), NULL,
     "where module names start; may be repeated (default: project file, else found)"},
    {"include", 0, OPTION_LIST, "PATTERN", offsetof(struct build_flags, include), NULL,
     "only files like this, as in .gitignore; may be repeated (default: project file, else all)"},
    {"exclude", 0, OPTION_LIST, "PATTERN", offsetof(struct build_flags, exclude), NULL,
     "no files like this; may be repeated (default: project file, else none)"},
    {"layers", 0, OPTION_COMMAS, "LIST", offsetof(struct build_flags, layers), "CODEANATOMY_LAYERS",
     "layers of evidence, with commas between (default: project file, else all)"},
    {"datasets", 0, OPTION_TEXT, "DIR", offsetof(struct build_flags, datasets), "CODEANATOMY_DATASETS",
     "contracts and models of your own"},
    {"profile", 0, OPTION_TEXT, "NAME", offsetof(struct build_flags, profile), "CODEANATOMY_PROFILE",
     "runtime limits: small, medium, large, auto"},
    {"preset", 0, OPTION_TEXT, "NAME", offsetof(struct build_flags, preset), "CODEANATOMY_PRESET",
     "schema settings: schema_hardening, arrow_performance"},
    {"set", 0, OPTION_LIST, "KEY=VALUE", offsetof(struct build_flags, settings), NULL,
     "an engine setting, datafusion.*; may be repeated"},
};

struct build_answer {
    const char *format;
    GPtrArray *param_tables;
};

static const struct option_spec answer_specs[] = {
    {"format", 0, OPTION_CHOICE, "table|json", offsetof(struct build_answer, format), NULL,
     "the result to read, or as one JSON object (default: table)"},
    {"param-table", 0, OPTION_LIST, "NAME=QUERY", offsetof(struct build_answer, param_tables), NULL,
     "the rows of parameter table params.NAME for this run; the query reads the store's last run; may be repeated"},
};

struct option_group build_group(struct build_flags *flags)
{
    return (struct option_group){"Build", specs, G_N_ELEMENTS(specs), flags};
}

void build_flags_done(struct build_flags *flags)
{
    g_clear_pointer(&flags->source_roots, g_ptr_array_unref);
    g_clear_pointer(&flags->include, g_ptr_array_unref);
    g_clear_pointer(&flags->exclude, g_ptr_array_unref);
    g_clear_pointer(&flags->layers, g_ptr_array_unref);
    g_clear_pointer(&flags->settings, g_ptr_array_unref);
    g_clear_pointer(&flags->user_file, g_free);
}

struct ca_build_options build_options_of(struct build_flags *flags)
{
    g_free(flags->user_file);
    flags->user_file = config_user_file();
    struct ca_build_options o = {
        .size = sizeof o,
        .store = flags->store,
        .name = flags->name,
        .python = flags->python,
        .n_workers = flags->n_workers,
        .datasets = flags->datasets,
        .profile = flags->profile,
        .preset = flags->preset,
        .user_file = flags->user_file,
    };
    o.environment = config_environment(&o.n_environment);
    o.source_roots = options_values(flags->source_roots, &o.n_source_roots);
    o.include = options_values(flags->include, &o.n_include);
    o.exclude = options_values(flags->exclude, &o.n_exclude);
    o.layers = options_values(flags->layers, &o.n_layers);
    o.settings = options_values(flags->settings, &o.n_settings);
    return o;
}

char *build_repository(const char *operand)
{
    char *found = operand != NULL ? g_strdup(operand) : store_find_repository();
    return found != NULL ? found : g_get_current_dir();
}

static char *result_as_text(const struct ca_build_result *r)
{
    g_autofree char *store = talk_printable(r->store);
    g_autofree char *files = progress_number(r->n_files);
    g_autofree char *failed = progress_number(r->n_failed_layers);
    g_autofree char *rows = progress_number(r->n_rows);
    g_autofree char *bytes = progress_number(r->n_bytes);
    return g_strdup_printf("run            %s\n"
                           "store          %s\n"
                           "files          %s\n"
                           "failed layers  %s\n"
                           "rows           %s\n"
                           "bytes          %s\n"
                           "seconds        %.1f\n"
                           "reproducible   %s\n",
                           r->run_id, store, files, failed, rows, bytes, (double)r->elapsed_ns / 1e9,
                           r->is_reproducible ? "yes" : "no");
}

/* A path that is not UTF-8 cannot be said in JSON as it is; it is shown with replacement characters. */
static char *result_as_json(const struct ca_build_result *r)
{
    g_autofree char *store = g_utf8_make_valid(r->store, -1);
    json_t *object = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:b}", "run_id", r->run_id, "store", store,
                               "n_files", (json_int_t)r->n_files, "n_failed_layers", (json_int_t)r->n_failed_layers,
                               "n_rows", (json_int_t)r->n_rows, "n_bytes", (json_int_t)r->n_bytes, "seconds",
                               (double)r->elapsed_ns / 1e9, "is_reproducible", r->is_reproducible);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
    char *line = g_strconcat(text, "\n", NULL);
    free(text);
    json_decref(object);
    return line;
}

/* A build takes and gives back memory by the gigabyte. With transparent huge pages the kernel clears two megabytes
 * where a few pages are touched: on Django that was 2 of 29 CPU seconds and a quarter of the peak. Interpreters inherit
 * it. */
static void use_small_pages(void)
{
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* without it the build is slower, not wrong */
}

/* Parameter tables of the run: their rows come from a session over what is published so far, which lives until they are
 * read. */
struct param_tables {
    ca_session *session;
    GArray *tables;
};

static void param_tables_done(struct param_tables *p)
{
    for (guint i = 0; p->tables != NULL && i < p->tables->len; i++) {
        struct ca_param_table *t = &g_array_index(p->tables, struct ca_param_table, i);
        if (t->rows->release != NULL)
            t->rows->release(t->rows);
        g_free(t->rows);
        g_free((char *)t->name);
    }
    g_clear_pointer(&p->tables, g_array_unref);
    ca_session_close(p->session);
}

static int open_published(const struct build_flags *flags, const char *repository, ca_session **ret,
                          struct ca_error *err)
{
    g_autoptr(GString) store = g_string_new(flags->store);
    int rc = flags->store != NULL ? CA_OK : ca_store_path(repository, answer_take_text, store, err);
    if (rc != CA_OK)
        return rc;
    g_autofree char *published = g_build_filename(store->str, "published", NULL);
    bool is_there = g_file_test(published, G_FILE_TEST_EXISTS);
    struct ca_session_options o = {.size = sizeof o, .store = is_there ? store->str : NULL, .read_only = 1};
    return ca_session_open(&o, ret, err);
}

/* On failure too the struct needs param_tables_done. */
static int param_tables_init(struct param_tables *p, const struct build_flags *flags, const char *repository,
                             const GPtrArray *texts, struct ca_error *err)
{
    *p = (struct param_tables){.tables = g_array_new(FALSE, TRUE, sizeof(struct ca_param_table))};
    int rc = texts != NULL ? open_published(flags, repository, &p->session, err) : CA_OK;
    for (guint i = 0; texts != NULL && i < texts->len && rc == CA_OK; i++) {
        struct ca_param_table t = {.rows = g_new0(struct ArrowArrayStream, 1)};
        char *name = NULL;
        rc = params_table(p->session, texts->pdata[i], &name, t.rows, err);
        t.name = name;
        g_array_append_val(p->tables, t);
    }
    return rc;
}

static int build(struct cli *cli, struct build_flags *flags, const char *operand, const struct build_answer *answer)
{
    struct ca_error err = {0};
    const char *format = answer->format;
    struct param_tables params;
    g_autofree char *repository = build_repository(operand);
    if (param_tables_init(&params, flags, repository, answer->param_tables, &err) != CA_OK) {
        param_tables_done(&params);
        return cli_report(cli, &err);
    }
    struct progress progress;
    progress_init(&progress, &cli->talk, cli->is_quiet, cli->is_verbose);
    struct ca_build_options o = build_options_of(flags);
    struct ca_build_result result = {.size = sizeof result};
    o.repository = repository;
    o.param_tables = (const struct ca_param_table *)params.tables->data;
    o.n_param_tables = params.tables->len;
    o.progress = progress_step;
    o.progress_data = &progress;
    o.cancel = interrupt_begin();
    use_small_pages();
    int rc = ca_build(&o, &result, &err);
    interrupt_end();
    progress_done(&progress);
    param_tables_done(&params);
    if (rc != CA_OK)
        return cli_report(cli, &err);

    bool is_json = format != NULL && strcmp(format, "json") == 0;
    g_autofree char *text = is_json ? result_as_json(&result) : result_as_text(&result);
    int code = output_print(cli, text, strlen(text));
    if (code == CLI_OK && result.n_failed_layers > 0)
        talk_note(&cli->talk, "%" PRId64 " (file, layer) pairs failed: 'codeanatomy status' says why",
                  result.n_failed_layers);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct build_flags flags = {0};
    struct build_answer answer = {0};
    char **operands = NULL;
    int code = CLI_OK;
    const struct option_group groups[] = {
        build_group(&flags),
        {"Output", answer_specs, G_N_ELEMENTS(answer_specs), &answer},
        options_common(cli),
    };
    const struct option_page page = {
        .command = "build",
        .usage = "[options] [REPO]",
        .about =
            "Build the tables of a Python repository and publish them as a new run. REPO is a directory (default: the "
            "nearest one upwards with a store or a project file, else the current one). A file that cannot be parsed "
            "is "
            "a row with a reason and no failure of the build; a build that fails leaves the last run as it was.",
        .examples = "  codeanatomy build\n"
                    "  codeanatomy build --python /usr/bin/python3.12 -j 4 src/project\n"
                    "  codeanatomy build --store /tmp/tables --exclude 'tests/' --format json .\n",
        .groups = groups,
        .n_groups = G_N_ELEMENTS(groups),
        .max_operands = 1,
    };
    if (options_parse(&page, cli, argc, argv, &operands, &code))
        code = build(cli, &flags, operands[0], &answer);
    g_clear_pointer(&answer.param_tables, g_ptr_array_unref);
    build_flags_done(&flags);
    return code;
}

const struct cli_command build_command = {"build", "build the tables of a repository", run};
