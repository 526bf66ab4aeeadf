/* options.c — see options.h. getopt_long does the parsing; the tables say what its answers mean. */
#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "codeanatomy/codeanatomy.h"
#include "output.h"

/* getopt_long's `val` of option i is OPTION_BASE + i: no letter can collide with it. */
#define OPTION_BASE 256
#define HELP_COLUMN 28
#define HELP_WIDTH 100

/* The largest number an OPTION_COUNT takes: all of them count processes or rows of a screen. */
#define OPTION_COUNT_MAX 4096

/* A page's options in one row, as getopt_long wants them, each with the place of its field. */
struct flat_option {
    const struct option_spec *spec;
    void *field;
    bool is_given;
};

struct common_flags {
    bool help;
};

static const struct option_spec common_specs[] = {
    {"quiet", 'q', OPTION_FLAG, NULL, offsetof(struct cli, is_quiet), NULL, "no progress and no notes; errors only"},
    {"verbose", 'v', OPTION_FLAG, NULL, offsetof(struct cli, is_verbose), NULL,
     "say more: warnings, and a line a stage where there is no terminal"},
    {"log-level", 0, OPTION_CHOICE, "error|warn|info|debug|trace", offsetof(struct cli, log_level),
     "CODEANATOMY_LOG_LEVEL", "what of the library's log goes to stderr (default: error; warn with --verbose)"},
    {"log-format", 0, OPTION_CHOICE, "text|json", offsetof(struct cli, log_format), "CODEANATOMY_LOG_FORMAT",
     "lines to read, or one JSON object a line (default: text)"},
};

static const struct option_spec help_specs[] = {
    {"help", 'h', OPTION_FLAG, NULL, offsetof(struct common_flags, help), NULL, "show this and end"},
};

struct option_group options_common(struct cli *cli)
{
    return (struct option_group){"Common", common_specs, G_N_ELEMENTS(common_specs), cli};
}

int options_usage_error(struct cli *cli, const char *command, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *whole =
        g_strdup_printf("%s: see 'codeanatomy %s%s--help'", message, command, command[0] != '\0' ? " " : "");
    talk_error(&cli->talk, whole);
    return CLI_USAGE;
}

bool options_is_choice(const char *choices, const char *text)
{
    g_auto(GStrv) names = g_strsplit(choices, "|", -1);
    return g_strv_contains((const char *const *)names, text);
}

char *options_choices_text(const char *choices)
{
    g_auto(GStrv) names = g_strsplit(choices, "|", -1);
    guint n = g_strv_length(names);
    GString *out = g_string_new(names[0]);
    for (guint i = 1; i < n; i++)
        g_string_append_printf(out, "%s%s", i + 1 < n ? ", " : " or ", names[i]);
    return g_string_free(out, FALSE);
}

const char *const *options_values(const GPtrArray *list, size_t *ret_n)
{
    *ret_n = list != NULL ? list->len : 0;
    return list != NULL ? (const char *const *)list->pdata : NULL;
}

/* ---- --help ---------------------------------------------------------------------------------------------------- */

/* Append `text` word by word from `column` on, folding at HELP_WIDTH with an indent of `indent`. */
static void append_folded(GString *out, const char *text, size_t column, size_t indent)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    bool is_first = true;
    for (char **w = words; *w != NULL; w++) {
        size_t n = strlen(*w);
        if (!is_first && column + 1 + n > HELP_WIDTH) {
            g_string_append_printf(out, "\n%*s", (int)indent, "");
            column = indent;
            is_first = true;
        }
        g_string_append_printf(out, "%s%s", is_first ? "" : " ", *w);
        column += n + (is_first ? 0 : 1);
        is_first = false;
    }
    g_string_append_c(out, '\n');
}

static void append_spec(GString *out, const struct option_spec *spec)
{
    g_autoptr(GString) head = g_string_new(NULL);
    if (spec->letter != 0)
        g_string_append_printf(head, "  -%c, --%s", spec->letter, spec->name);
    else
        g_string_append_printf(head, "      --%s", spec->name);
    if (spec->value != NULL)
        g_string_append_printf(head, " %s", spec->value);
    g_string_append(out, head->str);
    size_t column = head->len;
    if (column + 2 > HELP_COLUMN) {
        g_string_append_c(out, '\n');
        column = 0;
    }
    g_string_append_printf(out, "%*s", (int)(HELP_COLUMN - column), "");
    g_autofree char *help =
        spec->env != NULL ? g_strdup_printf("%s [$%s]", spec->help, spec->env) : g_strdup(spec->help);
    append_folded(out, help, HELP_COLUMN, HELP_COLUMN);
}

static int print_help(const struct option_page *page, struct cli *cli)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_string_append_printf(out, "Usage: codeanatomy %s %s\n\n", page->command, page->usage);
    append_folded(out, page->about, 0, 0);
    for (size_t g = 0; g < page->n_groups; g++) {
        g_string_append_printf(out, "\n%s:\n", page->groups[g].title);
        for (size_t i = 0; i < page->groups[g].n_specs; i++)
            append_spec(out, &page->groups[g].specs[i]);
    }
    append_spec(out, &help_specs[0]);
    g_string_append_printf(out, "\nExamples:\n%s", page->examples);
    return output_print(cli, out->str, out->len);
}

/* ---- parsing --------------------------------------------------------------------------------------------------- */

static void append_value(GPtrArray **field, const char *text)
{
    if (*field == NULL)
        *field = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(*field, g_strdup(text));
}

/* Put `text` into the option's field; `who` names its origin in messages. Returns CLI_OK or reports and returns
 * CLI_USAGE. */
static int store_value(const struct option_page *page, struct cli *cli, const struct flat_option *o, const char *text,
                       const char *who)
{
    if (text != NULL && !g_utf8_validate(text, -1, NULL) && o->spec->kind != OPTION_TEXT)
        return options_usage_error(cli, page->command, "%s is not valid UTF-8", who);

    switch (o->spec->kind) {
    case OPTION_FLAG:
        *(bool *)o->field = true;
        return CLI_OK;
    case OPTION_TEXT:
        *(const char **)o->field = text;
        return CLI_OK;
    case OPTION_CHOICE: {
        if (!options_is_choice(o->spec->value, text)) {
            g_autofree char *choices = options_choices_text(o->spec->value);
            return options_usage_error(cli, page->command, "%s takes %s, not '%s'", who, choices, text);
        }
        *(const char **)o->field = text;
        return CLI_OK;
    }
    case OPTION_COUNT: {
        guint64 number = 0;
        if (!g_ascii_string_to_unsigned(text, 10, 0, OPTION_COUNT_MAX, &number, NULL))
            return options_usage_error(cli, page->command, "%s takes a number from 0 to %d, not '%s'", who,
                                       OPTION_COUNT_MAX, text);
        *(unsigned *)o->field = (unsigned)number;
        return CLI_OK;
    }
    case OPTION_LIST:
        append_value(o->field, text);
        return CLI_OK;
    case OPTION_COMMAS: {
        g_auto(GStrv) parts = g_strsplit(text, ",", -1);
        for (char **p = parts; *p != NULL; p++) {
            g_strstrip(*p);
            if (**p != '\0')
                append_value(o->field, *p);
        }
        return CLI_OK;
    }
    case OPTION_PAIRS:
        append_value(o->field, o->spec->name);
        append_value(o->field, text);
        return CLI_OK;
    }
    return CLI_USAGE;
}

static GArray *flatten(const struct option_page *page, struct common_flags *common)
{
    GArray *all = g_array_new(FALSE, TRUE, sizeof(struct flat_option));
    for (size_t g = 0; g < page->n_groups; g++)
        for (size_t i = 0; i < page->groups[g].n_specs; i++) {
            const struct option_spec *spec = &page->groups[g].specs[i];
            struct flat_option o = {spec, (char *)page->groups[g].base + spec->offset, false};
            g_array_append_val(all, o);
        }
    struct flat_option help = {&help_specs[0], &common->help, false};
    g_array_append_val(all, help);
    return all;
}

static struct flat_option *find_option(GArray *all, int value)
{
    if (value >= OPTION_BASE)
        return &g_array_index(all, struct flat_option, (guint)(value - OPTION_BASE));
    for (guint i = 0; i < all->len; i++) {
        struct flat_option *o = &g_array_index(all, struct flat_option, i);
        if (o->spec->letter != 0 && o->spec->letter == value)
            return o;
    }
    return NULL;
}

/* What getopt_long did not like, in our words. `culprit` is the argument it was at. */
static int report_refused(const struct option_page *page, struct cli *cli, GArray *all, int answer, const char *culprit)
{
    struct flat_option *o = optopt != 0 ? find_option(all, optopt) : NULL;
    if (answer == ':')
        return options_usage_error(cli, page->command, "option '--%s' needs a value", o != NULL ? o->spec->name : "?");
    if (o != NULL)
        return options_usage_error(cli, page->command, "option '--%s' takes no value", o->spec->name);
    if (optopt != 0)
        return options_usage_error(cli, page->command, "unknown option '-%c'", optopt);
    g_autofree char *name = g_strndup(culprit, strcspn(culprit, "="));
    return options_usage_error(cli, page->command, "unknown option '%s'", name);
}

static int parse_flags(const struct option_page *page, struct cli *cli, GArray *all, int argc, char **argv)
{
    g_autoptr(GString) letters = g_string_new(":");
    g_autofree struct option *longs = g_new0(struct option, all->len + 1);
    for (guint i = 0; i < all->len; i++) {
        const struct option_spec *spec = g_array_index(all, struct flat_option, i).spec;
        bool has_value = spec->kind != OPTION_FLAG;
        longs[i] = (struct option){spec->name, has_value ? required_argument : no_argument, NULL, OPTION_BASE + (int)i};
        if (spec->letter != 0)
            g_string_append_printf(letters, "%c%s", spec->letter, has_value ? ":" : "");
    }

    optind = 0; /* glibc: start over, for another argv */
    opterr = 0;
    int answer;
    while ((answer = getopt_long(argc, argv, letters->str, longs, NULL)) != -1) {
        if (answer == '?' || answer == ':')
            return report_refused(page, cli, all, answer, argv[optind - 1]);
        struct flat_option *o = find_option(all, answer);
        o->is_given = true;
        g_autofree char *who = g_strdup_printf("option '--%s'", o->spec->name);
        int code = store_value(page, cli, o, optarg, who);
        if (code != CLI_OK)
            return code;
        if (page->on_source != NULL)
            page->on_source(page->source_data, o->spec, "flag", optarg);
        if (o->spec == &help_specs[0])
            break; /* whatever follows */
    }
    return CLI_OK;
}

/* An empty variable says nothing, as if it were not set. */
static int parse_environment(const struct option_page *page, struct cli *cli, GArray *all)
{
    for (guint i = 0; i < all->len; i++) {
        const struct flat_option *o = &g_array_index(all, struct flat_option, i);
        const char *text = o->spec->env != NULL && !o->is_given ? getenv(o->spec->env) : NULL;
        if (text == NULL || text[0] == '\0')
            continue;
        g_autofree char *who = g_strdup_printf("variable '%s'", o->spec->env);
        int code = store_value(page, cli, o, text, who);
        if (code != CLI_OK)
            return code;
        if (page->on_source != NULL)
            page->on_source(page->source_data, o->spec, o->spec->env, text);
    }
    return CLI_OK;
}

/* Warnings of the engine and the storage library are about their insides and not for everybody: they come with
 * --verbose. */
static void apply_common(struct cli *cli)
{
    cli->talk.is_quiet = cli->is_quiet;
    cli->talk.is_log_json = cli->log_format != NULL && strcmp(cli->log_format, "json") == 0;
    const char *level = cli->log_level;
    if (level == NULL)
        level = cli->is_verbose && !cli->is_quiet ? "warn" : "error";
    ca_log_set(talk_log, &cli->talk, talk_log_level(level));
}

bool options_parse(const struct option_page *page, struct cli *cli, int argc, char **argv, char ***operands,
                   int *ret_exit)
{
    struct common_flags common = {0};
    g_autoptr(GArray) all = flatten(page, &common);
    *ret_exit = parse_flags(page, cli, all, argc, argv);
    if (*ret_exit != CLI_OK)
        return false;
    if (common.help) {
        *ret_exit = print_help(page, cli);
        return false;
    }
    *ret_exit = parse_environment(page, cli, all);
    if (*ret_exit != CLI_OK)
        return false;

    size_t n_operands = (size_t)(argc - optind);
    if (n_operands > page->max_operands)
        *ret_exit = options_usage_error(cli, page->command, "one argument too many: '%s'",
                                        argv[(size_t)optind + page->max_operands]);
    else if (n_operands < page->min_operands)
        *ret_exit = options_usage_error(cli, page->command, "%s is missing", page->operand);
    if (*ret_exit != CLI_OK)
        return false;

    apply_common(cli);
    *operands = &argv[optind];
    return true;
}
