/* output.c — see output.h. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "options.h"

/* What a file's name says about its format. */
static const struct {
    const char *suffix;
    const char *format;
} suffixes[] = {
    {".txt", "table"}, {".json", "json"}, {".ndjson", "ndjson"}, {".jsonl", "ndjson"},
    {".csv", "csv"},   {".tsv", "tsv"},   {".arrow", "arrow"},   {".parquet", "parquet"},
};

static const struct option_spec specs[] = {
    {"format", 0, OPTION_CHOICE, OUTPUT_FORMATS, offsetof(struct output_flags, format), NULL,
     "format of the answer (default: by the suffix of -o, else CODEANATOMY_FORMAT, else table on a terminal and csv "
     "elsewhere)"},
    {"output", 'o', OPTION_TEXT, "FILE", offsetof(struct output_flags, file), NULL,
     "write the answer to FILE, whole or not at all (default: standard output)"},
};

struct option_group output_group(struct output_flags *flags)
{
    return (struct option_group){"Output", specs, G_N_ELEMENTS(specs), flags};
}

/* The format by name as a constant of ours, NULL when there is none. */
static const char *format_by_suffix(const char *file)
{
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        size_t n_file = strlen(file);
        size_t n_suffix = strlen(suffixes[i].suffix);
        if (n_file > n_suffix && g_ascii_strcasecmp(file + n_file - n_suffix, suffixes[i].suffix) == 0)
            return suffixes[i].format;
    }
    return NULL;
}

static int choose_format(const struct output_flags *flags, const char **ret, struct ca_error *err)
{
    const char *env = getenv("CODEANATOMY_FORMAT");
    g_autofree char *choices = options_choices_text(OUTPUT_FORMATS);
    if (flags->format != NULL) {
        *ret = flags->format;
    } else if (flags->file != NULL) {
        *ret = format_by_suffix(flags->file);
        if (*ret == NULL)
            return cli_fail(err, CA_ERR_INVALID, "the name '%s' does not say which format: add --format %s",
                            flags->file, OUTPUT_FORMATS);
    } else if (env != NULL && env[0] != '\0') {
        if (!options_is_choice(OUTPUT_FORMATS, env))
            return cli_fail(err, CA_ERR_INVALID, "variable 'CODEANATOMY_FORMAT' takes %s, not '%s'", choices, env);
        *ret = env;
    } else {
        *ret = isatty(STDOUT_FILENO) ? "table" : "csv";
    }
    bool is_binary = strcmp(*ret, "arrow") == 0 || strcmp(*ret, "parquet") == 0;
    if (is_binary && flags->file == NULL && isatty(STDOUT_FILENO))
        return cli_fail(err, CA_ERR_INVALID, "format '%s' is not for a terminal: name a file with -o", *ret);
    return CA_OK;
}

/* mkstemp makes files of mode 0600; a new file gets what open(2) would have given it, an old one keeps its own. */
static mode_t mode_of_result(const struct stat *old)
{
    if (old != NULL)
        return old->st_mode & 07777;
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

/* A file beside `path`, with the mode that `path` has or would get. */
static int make_temp(const char *path, const struct stat *old, struct output *out, struct ca_error *err)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *temp = g_strdup_printf("%s/.%s.XXXXXX", folder, name);
    out->fd = g_mkstemp_full(temp, O_WRONLY | O_CLOEXEC, 0600);
    if (out->fd < 0)
        return cli_fail_errno(err, CA_ERR_IO, errno, "cannot write '%s'", path);
    if (fchmod(out->fd, mode_of_result(old)) != 0) {
        int errnum = errno;
        close(out->fd);
        unlink(temp);
        return cli_fail_errno(err, CA_ERR_IO, errnum, "cannot set the mode of '%s'", path);
    }
    out->temp = g_steal_pointer(&temp);
    interrupt_discard(out->temp);
    return CA_OK;
}

/* Open flags->file. What exists and is no regular file (a device, a pipe) is written in place; a link is followed, so
 * that the rename replaces what it points at. */
static int open_file(const char *file, struct output *out, struct ca_error *err)
{
    struct stat old;
    bool is_old = stat(file, &old) == 0;
    if (is_old && !S_ISREG(old.st_mode)) {
        out->fd = open(file, O_WRONLY | O_CLOEXEC);
        if (out->fd < 0)
            return cli_fail_errno(err, CA_ERR_IO, errno, "cannot write '%s'", file);
        out->path = g_strdup(file);
        return CA_OK;
    }
    char *real = is_old ? realpath(file, NULL) : NULL;
    g_autofree char *path = g_strdup(real != NULL ? real : file);
    free(real);
    (void)interrupt_begin(); /* no signal ends the program between the file and the note to discard it */
    int rc = make_temp(path, is_old ? &old : NULL, out, err);
    bool is_interrupted = interrupt_end();
    if (rc != CA_OK)
        return rc;
    out->path = g_steal_pointer(&path);
    return is_interrupted ? output_close(out, cli_fail(err, CA_ERR_CANCELED, "canceled"), err) : CA_OK;
}

int output_open(const struct output_flags *flags, struct output *ret, struct ca_error *err)
{
    struct output out = {.fd = STDOUT_FILENO};
    int rc = choose_format(flags, &out.format, err);
    if (rc == CA_OK && flags->file != NULL)
        rc = open_file(flags->file, &out, err);
    if (rc != CA_OK)
        return rc;
    out.width = talk_width(out.fd);
    *ret = out;
    return CA_OK;
}

int output_close(struct output *out, int status, struct ca_error *err)
{
    if (out->fd != STDOUT_FILENO) {
        if (status == CA_OK && out->temp != NULL && fsync(out->fd) != 0)
            status = cli_fail_errno(err, CA_ERR_IO, errno, "cannot write '%s'", out->path);
        if (close(out->fd) != 0 && status == CA_OK)
            status = cli_fail_errno(err, CA_ERR_IO, errno, "cannot write '%s'", out->path);
    }
    if (out->temp != NULL) {
        if (status == CA_OK && rename(out->temp, out->path) != 0)
            status = cli_fail_errno(err, CA_ERR_IO, errno, "cannot write '%s'", out->path);
        if (status != CA_OK)
            unlink(out->temp);
        interrupt_discard(NULL);
    }
    g_free(out->path);
    g_free(out->temp);
    *out = (struct output){.fd = STDOUT_FILENO};
    return status;
}

int output_write(const struct output *out, const char *text, size_t n_bytes, struct ca_error *err)
{
    while (n_bytes > 0) {
        ssize_t n = write(out->fd, text, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cli_fail_errno(err, CA_ERR_IO, errno, "cannot write '%s'",
                                  out->path != NULL ? out->path : "standard output");
        text += n;
        n_bytes -= (size_t)n;
    }
    return CA_OK;
}

bool output_is_gone(const struct output *out)
{
    struct pollfd p = {.fd = out->fd, .events = POLLOUT};
    struct stat st;
    if (fstat(out->fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return false;
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

int output_report(struct cli *cli, const struct output *out, const struct ca_error *err)
{
    if (err->code == CA_ERR_IO && output_is_gone(out))
        return CLI_OK;
    return cli_report(cli, err);
}

int output_print(struct cli *cli, const char *text, size_t n_bytes)
{
    const struct output out = {.fd = STDOUT_FILENO};
    struct ca_error err = {0};
    if (output_write(&out, text, n_bytes, &err) != CA_OK)
        return output_report(cli, &out, &err);
    return CLI_OK;
}
