/* options.h — flags, environment and --help from one table.
 *
 * A subcommand describes its options in constant tables; this file hands them to getopt_long, fills the fields they
 * point at, looks into the environment for what no flag gave, and renders --help from the same text.
 *
 *     static const struct option_spec specs[] = {
 *         {"python", 0, OPTION_TEXT, "PATH", offsetof(struct build_flags, python), "CODEANATOMY_PYTHON", "interpreter
 * ..."},
 *     };
 *     struct option_group groups[] = {{"Build", specs, G_N_ELEMENTS(specs), &flags}, options_common(cli)};
 *
 * Text is borrowed from argv and environ. Fields of OPTION_LIST, _COMMAS and _PAIRS are GPtrArray pointers, made when
 * the first value comes; the struct's owner unrefs them.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

/* The field that each kind fills:
 *   FLAG     bool
 *   TEXT     const char *
 *   CHOICE   const char *, one of `value`, which lists the choices: "text|json"
 *   COUNT    unsigned
 *   LIST     GPtrArray * of strings, one a flag
 *   COMMAS   GPtrArray * of strings, several a flag
 *   PAIRS    GPtrArray * of strings, the option's name and then its value: several options that share the field keep
 * the order in which they were given
 */
enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_CHOICE,
    OPTION_COUNT,
    OPTION_LIST,
    OPTION_COMMAS,
    OPTION_PAIRS,
};

/* letter   the short option, 0: none
 * value    name of the value in --help
 * offset   of the field in the group's `base`
 * env      variable that says the same, or NULL */
struct option_spec {
    const char *name;
    char letter;
    enum option_kind kind;
    const char *value;
    size_t offset;
    const char *env;
    const char *help;
};

struct option_group {
    const char *title;
    const struct option_spec *specs;
    size_t n_specs;
    void *base;
};

/* Called for each value that was found: source is "flag" or the name of the variable. */
typedef void (*option_source_fn)(void *data, const struct option_spec *spec, const char *source, const char *text);

/* usage         what follows "codeanatomy COMMAND "
 * min_operands, max_operands   how many arguments besides options there may be; the first missing one is `operand`
 * on_source     may be NULL */
struct option_page {
    const char *command;
    const char *usage;
    const char *about;
    const char *examples;
    const struct option_group *groups;
    size_t n_groups;
    const char *operand;
    size_t min_operands;
    size_t max_operands;
    option_source_fn on_source;
    void *source_data;
};

/* Parse argv[1..]. Returns true when the command shall go on; *operands are then the arguments that are no options, in
 * argv's own memory, ended by NULL. Returns false when everything is said already (--help, a wrong option): end with
 * *ret_exit. */
bool options_parse(const struct option_page *page, struct cli *cli, int argc, char **argv, char ***operands,
                   int *ret_exit);

/* The options that every subcommand has: --quiet, --verbose, logging, --help. Parsing puts them into force. */
struct option_group options_common(struct cli *cli);

/* "codeanatomy: MESSAGE: see 'codeanatomy COMMAND --help'" on stderr; returns CLI_USAGE. command "" is the program
 * itself. */
int options_usage_error(struct cli *cli, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether `text` is one of "a|b|c". */
bool options_is_choice(const char *choices, const char *text);

/* "a|b|c" as "a, b or c". The caller frees. */
char *options_choices_text(const char *choices);

/* The values of a list field as the library takes them; NULL and 0 for a list that was never given. */
const char *const *options_values(const GPtrArray *list, size_t *ret_n);

#endif
