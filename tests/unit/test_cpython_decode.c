/* tests/unit/test_cpython_decode.c — what a worker sends is checked before it is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow_ipc.h>

#include "extract/cpython/cpython.h"
#include "extract/cpython/decode.h"
#include "rows/gen/ast_files_v1.h"

static const struct position_content_id some_content = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

/* One row with one node and one field, as IPC; `path` may be what it should not be. */
static void encode_row(const char *path, const char *name, struct ArrowBuffer *ret_head, struct ArrowBuffer *ret_body)
{
    struct ast_files_v1 *rows = NULL;
    assert_int_equal(ast_files_v1_new(&rows), 0);
    struct ast_files_v1_nodes node = {.kind = rows_str_of("Module"), .span_quality = rows_str_of("none")};
    assert_int_equal(ast_files_v1_nodes_append(rows, &node), 0);
    struct ast_files_v1_fields field = {
        .field = rows_str_of(name), .type = rows_str_of("str"), .value = rows_str_of("''")};
    assert_int_equal(ast_files_v1_fields_append(rows, &field), 0);
    struct ast_files_v1_row row = {
        .file_id = 7,
        .path = rows_str_of(path),
        .content_id = {(const char *)some_content.bytes, sizeof some_content.bytes},
        .python_version = rows_str_of("3.11"),
    };
    assert_int_equal(ast_files_v1_finish_row(rows, &row), 0);
    struct ArrowArray array;
    assert_int_equal(ast_files_v1_take(rows, &array), 0);
    ast_files_v1_free(rows);

    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ArrowIpcEncoder encoder;
    assert_int_equal(ast_files_v1_schema(&schema), 0);
    assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
    assert_int_equal(ArrowArrayViewSetArray(&view, &array, NULL), 0);
    assert_int_equal(ArrowIpcEncoderInit(&encoder), 0);
    ArrowBufferInit(ret_head);
    ArrowBufferInit(ret_body);
    assert_int_equal(ArrowIpcEncoderEncodeSimpleRecordBatch(&encoder, &view, ret_body, NULL), 0);
    assert_int_equal(ArrowIpcEncoderFinalizeBuffer(&encoder, 1, ret_head), 0);
    ArrowIpcEncoderReset(&encoder);
    ArrowArrayViewReset(&view);
    ArrowArrayRelease(&array);
    ArrowSchemaRelease(&schema);
}

static int decode_copy(struct decode_layer *l, const struct ArrowBuffer *head, const struct ArrowBuffer *body,
                       struct ca_error *err)
{
    const struct decode_identity identity = {
        .file_id = 7, .path = "a.py", .content_id = some_content.bytes, .python_version = "3.11"};
    struct ArrowBuffer copy;
    ArrowBufferInit(&copy);
    assert_int_equal(ArrowBufferAppend(&copy, body->data, body->size_bytes), 0);
    struct ArrowArray array = {.release = NULL};
    struct ArrowBufferView view = {.data = {.as_uint8 = head->data}, .size_bytes = head->size_bytes};
    int rc = decode_batch(l, view, &copy, &identity, &array, err);
    assert_int_equal(rc == CA_OK, array.release != NULL);
    if (array.release != NULL)
        ArrowArrayRelease(&array);
    return rc;
}

static void what_a_worker_says_is_checked(void **state)
{
    (void)state;
    struct ca_error err = {.code = CA_OK};
    struct ArrowSchema schema;
    struct decode_layer layer;
    struct ArrowBuffer head, body;
    assert_int_equal(cpython_layer_schema(CPYTHON_AST, &schema, &err), CA_OK);
    assert_int_equal(decode_layer_init(&layer, &schema, &err), CA_OK);

    static const struct {
        const char *path, *name, *message;
    } cases[] = {
        {"a.py", "x", NULL},
        {"b.py", "x", "it is about another file"},
        {"a.py", "\xC3", "column 'field' is not UTF-8"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        err = (struct ca_error){.code = CA_OK};
        encode_row(cases[i].path, cases[i].name, &head, &body);
        assert_int_equal(decode_copy(&layer, &head, &body, &err), cases[i].message != NULL ? CA_ERR_WORKER : CA_OK);
        assert_string_equal(err.message, cases[i].message != NULL ? cases[i].message : "");
        ArrowBufferReset(&head);
        ArrowBufferReset(&body);
    }

    /* Every byte of a good batch, damaged in a few ways: refused or harmless, never a crash. */
    encode_row("a.py", "x", &head, &body);
    static const uint8_t masks[] = {0x01, 0x80, 0xFF};
    int n_refused = 0;
    struct ArrowBuffer *const buffers[] = {&head, &body};
    for (size_t b = 0; b < G_N_ELEMENTS(buffers); b++) {
        for (int64_t i = 0; i < buffers[b]->size_bytes; i++) {
            for (size_t m = 0; m < sizeof masks; m++) {
                buffers[b]->data[i] ^= masks[m];
                err = (struct ca_error){.code = CA_OK};
                n_refused += decode_copy(&layer, &head, &body, &err) != CA_OK;
                buffers[b]->data[i] ^= masks[m];
            }
        }
    }
    assert_true(n_refused > 1000);
    ArrowBufferReset(&head);
    ArrowBufferReset(&body);
    decode_layer_done(&layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_worker_says_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
