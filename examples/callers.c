/* callers.c — a host of the library in C: who calls a function?
 *
 *     cc callers.c -o callers $(pkg-config --cflags --libs codeanatomy)
 *     ./callers path/to/repo/.codeanatomy requests.get
 *
 * Shows a session, a typed parameter, rows as an Arrow stream and as text, and errors.
 */
#include <codeanatomy/codeanatomy.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char by_path[] = "SELECT path, start_line, caller_qualified_name FROM callers "
                              "WHERE callee_qualified_name = $name ORDER BY path, start_line";

/* What is borrowed needs no release; the interface asks for the function all the same. */
static void keep_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void keep_array(struct ArrowArray *array)
{
    array->release = NULL;
}

/* Rows of the answer, read batch by batch; nothing is computed before it is asked for. */
static int count_rows(ca_session *s, const struct ca_params *params, long long *ret, struct ca_error *err)
{
    struct ArrowArrayStream rows;
    int rc = ca_query(s, by_path, params, /* cancel= */ NULL, &rows, err);
    if (rc != CA_OK)
        return rc;
    struct ArrowArray batch;
    *ret = 0;
    while ((rc = rows.get_next(&rows, &batch)) == 0 && batch.release != NULL) {
        *ret += batch.length;
        batch.release(&batch);
    }
    if (rc != 0) {
        err->code = CA_ERR_ENGINE;
        snprintf(err->message, sizeof err->message, "%s", rows.get_last_error(&rows));
    }
    rows.release(&rows);
    return rc == 0 ? CA_OK : CA_ERR_ENGINE;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: callers STORE FUNCTION\n");
        return 2;
    }

    /* One row with one text column `name`, which binds $name. */
    int32_t offsets[] = {0, (int32_t)strlen(argv[2])};
    const void *text_buffers[] = {NULL, offsets, argv[2]};
    const void *row_buffers[] = {NULL};
    struct ArrowSchema text = {.format = "u", .name = "name", .release = keep_schema};
    struct ArrowArray value = {.length = 1, .n_buffers = 3, .buffers = text_buffers, .release = keep_array};
    struct ArrowSchema *fields[] = {&text};
    struct ArrowArray *values[] = {&value};
    struct ArrowSchema schema = {
        .format = "+s", .name = "", .n_children = 1, .children = fields, .release = keep_schema};
    struct ArrowArray row = {.length = 1,
                             .n_buffers = 1,
                             .buffers = row_buffers,
                             .n_children = 1,
                             .children = values,
                             .release = keep_array};
    struct ca_params params = {.schema = &schema, .array = &row};

    ca_session *s = NULL;
    struct ca_error err = {0};
    struct ca_session_options options = {.size = sizeof options, .store = argv[1], .read_only = 1};
    long long n_rows = 0;
    int rc = ca_session_open(&options, &s, &err);
    if (rc == CA_OK)
        rc = ca_query_write(s, by_path, &params, /* cancel= */ NULL, "csv", STDOUT_FILENO, /* width= */ 0,
                            /* ret_rows= */ NULL, &err);
    if (rc == CA_OK)
        rc = count_rows(s, &params, &n_rows, &err);
    if (rc == CA_OK)
        printf("%lld calls\n", n_rows);
    else
        fprintf(stderr, "%s: %s\n", ca_status_name(rc), err.message);
    ca_session_close(s);
    return rc;
}
