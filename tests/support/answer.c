/* tests/support/answer.c — see the header. */
#define _GNU_SOURCE
#include "support/answer.h"

#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "rows/rows.h"

static char *error_text(int rc, const struct ca_error *err)
{
    assert_int_equal(rc, err->code);
    return g_strdup_printf("%s: %s", ca_status_name(rc), err->message);
}

char *answer_stream(struct ArrowArrayStream *rows)
{
    struct ca_error err = {0};
    int fd = memfd_create("answer", MFD_CLOEXEC);
    assert_true(fd >= 0);
    int rc = engine_stream_write(rows, "csv", fd, 0, NULL, &err);
    if (rc != CA_OK) {
        close(fd);
        return error_text(rc, &err);
    }
    off_t n_bytes = lseek(fd, 0, SEEK_END);
    char *text = g_malloc0((gsize)n_bytes + 1);
    assert_int_equal(pread(fd, text, (size_t)n_bytes, 0), n_bytes);
    close(fd);
    return text;
}

char *answer(struct engine *e, const char *sql)
{
    struct ArrowArrayStream rows = {0};
    struct ca_error err = {0};
    int rc = engine_query(e, sql, NULL, NULL, &rows, &err);
    return rc == CA_OK ? answer_stream(&rows) : error_text(rc, &err);
}

void assert_answer(struct engine *e, const char *sql, const char *expected)
{
    g_autofree char *found = answer(e, sql);
    assert_string_equal(found, expected);
}

char *answer_schema(struct ArrowSchema *schema)
{
    GString *text = g_string_new(NULL);
    for (int64_t i = 0; i < schema->n_children; i++) {
        const struct ArrowSchema *column = schema->children[i];
        char *type = rows_type_text(column);
        g_string_append_printf(text, "%s%s: %s%s", i ? ", " : "", column->name, type,
                               column->flags & ARROW_FLAG_NULLABLE ? "" : " not null");
        free(type);
    }
    schema->release(schema);
    return g_string_free(text, FALSE);
}

void answer_add(void *gstring, const char *text, size_t n_bytes)
{
    g_string_append_len(gstring, text, (gssize)n_bytes);
}

void answer_add_line(void *gstring, const char *text, size_t n_bytes)
{
    answer_add(gstring, text, n_bytes);
    g_string_append_c(gstring, '\n');
}
