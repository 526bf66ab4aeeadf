/* answer.c — see answer.h. */
#include "answer.h"

#include "interrupt.h"

int answer_run(struct cli *cli, const struct store_flags *store, const struct output_flags *output,
               const char *repository, answer_fn fn, void *data)
{
    struct ca_error err = {0};
    struct output out;
    ca_session *s = NULL;
    ca_cancel *cancel = interrupt_begin(); /* before a file is made that would be left behind */
    int rc = output_open(output, &out, &err);
    if (rc != CA_OK) {
        interrupt_end();
        return cli_report(cli, &err);
    }
    rc = store_open_session(cli, store, repository, /* is_writable= */ false, &s, &err);
    if (rc == CA_OK)
        rc = fn(s, &out, cancel, data, &err);
    ca_session_close(s);
    int code = rc == CA_OK ? CLI_OK : output_report(cli, &out, &err);
    if (output_close(&out, rc, &err) != CA_OK && rc == CA_OK)
        code = cli_report(cli, &err);
    interrupt_end();
    return code;
}

void answer_take_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(data, text, (gssize)n_bytes);
}
