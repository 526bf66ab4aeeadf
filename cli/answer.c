/* answer.c — see answer.h. */
#include "answer.h"

static int run(struct cli *cli, const struct store_flags *store, const struct output_flags *output,
               const char *repository, bool is_writable, answer_fn fn, void *data)
{
    struct ca_error err = {0};
    struct output out;
    ca_session *s = NULL;
    /* These answers change no rows: a signal ends the program, at once. */
    int rc = output_open(output, &out, &err);
    if (rc != CA_OK)
        return cli_report(cli, &err);
    const struct ca_session_options none = {.size = sizeof none, .read_only = 1};
    rc = store != NULL ? store_open_session(cli, store, repository, is_writable, &s, &err)
                       : ca_session_open(&none, &s, &err);
    if (rc == CA_OK)
        rc = fn(s, &out, data, &err);
    ca_session_close(s);
    int code = rc == CA_OK ? CLI_OK : output_report(cli, &out, &err);
    if (output_close(&out, rc, &err) != CA_OK && rc == CA_OK)
        code = cli_report(cli, &err);
    return code;
}

int answer_run(struct cli *cli, const struct store_flags *store, const struct output_flags *output,
               const char *repository, answer_fn fn, void *data)
{
    return run(cli, store, output, repository, /* is_writable= */ false, fn, data);
}

int answer_run_writing(struct cli *cli, const struct store_flags *store, const struct output_flags *output,
                       const char *repository, answer_fn fn, void *data)
{
    return run(cli, store, output, repository, /* is_writable= */ true, fn, data);
}

int answer_rows(const struct output *out, int rc, struct ArrowArrayStream *rows, struct ca_error *err)
{
    return rc == CA_OK ? ca_stream_write(rows, out->format, out->fd, out->width, NULL, err) : rc;
}

void answer_take_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(data, text, (gssize)n_bytes);
}
