/* build.h — the flags of a build, which `doctor` takes too: it looks at what a build with these flags would do. */
#ifndef CLI_BUILD_H
#define CLI_BUILD_H

#include <glib.h>

#include "codeanatomy/codeanatomy.h"
#include "options.h"

struct build_flags {
    const char *store;
    const char *name;
    const char *python;
    unsigned n_workers;
    GPtrArray *source_roots;
    GPtrArray *include;
    GPtrArray *exclude;
    GPtrArray *layers;
    const char *datasets;
    const char *profile;
    const char *preset;
    GPtrArray *settings;
    char *user_file;
};

struct option_group build_group(struct build_flags *flags);
void build_flags_done(struct build_flags *flags);

/* The library's options; everything is borrowed from `flags`. */
struct ca_build_options build_options_of(struct build_flags *flags);

/* The repository that is meant: the argument, else the one around the current directory, else that directory itself.
 * The caller frees. */
char *build_repository(const char *operand);

#endif
