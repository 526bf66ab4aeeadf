/* output.h — where an answer goes and in which format.
 *
 * Without a flag: a table on a terminal, csv otherwise. `-o FILE` takes the format from the file's suffix, writes
 * beside the file and renames at the end, so that FILE is the old content or the whole new one, never a part.
 *
 *     struct output out;
 *     rc = output_open(&flags, &out, &err);
 *     rc = ca_query_write(s, sql, NULL, cancel, out.format, out.fd, out.width, NULL, &err);
 *     rc = output_close(&out, rc, &err);
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"

struct option_group;

#define OUTPUT_FORMATS "table|json|ndjson|csv|tsv|arrow|parquet"

/* The flags --format and -o. */
struct output_flags {
    const char *format;
    const char *file;
};

/* format   borrowed name for the library
 * fd       where to write; owned when it is no standard stream
 * width    columns of a table, 0: unlimited
 * path     the file that was asked for, NULL: stdout
 * temp     what is written until it is renamed; NULL: written in place (stdout, a device, a pipe) */
struct output {
    const char *format;
    int fd;
    unsigned width;
    char *path;
    char *temp;
};

struct option_group output_group(struct output_flags *flags);

/* Fails with CA_ERR_INVALID (format unknown, not to be told from the name, binary on a terminal), CA_ERR_IO. On failure
 * *ret needs no closing. */
int output_open(const struct output_flags *flags, struct output *ret, struct ca_error *err);

/* Ends an output that was opened: status CA_OK puts the file in its place, any other takes the part away again. Returns
 * `status`, or what went wrong at the end. */
int output_close(struct output *out, int status, struct ca_error *err);

/* Write text. Fails with CA_ERR_IO. */
int output_write(const struct output *out, const char *text, size_t n_bytes, struct ca_error *err);

/* Nobody reads this output any more (`| head`): what failed because of that is no failure. */
bool output_is_gone(const struct output *out);

/* Report a failed call that wrote to `out`, unless output_is_gone; returns the exit code. */
int output_report(struct cli *cli, const struct output *out, const struct ca_error *err);

/* Plain text to stdout, errors reported: for --help and --version. Returns an exit code. */
int output_print(struct cli *cli, const char *text, size_t n_bytes);

#endif
