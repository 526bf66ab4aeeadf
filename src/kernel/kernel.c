/* kernel/kernel.c — position's ids over Arrow arrays. */
#include "kernel/kernel.h"

#include <nanoarrow/nanoarrow.h>

#include "position/position.h"

/* The arguments as nanoarrow views; `types` are those the function declared, so no other can arrive. */
struct kernel_args {
    struct ArrowArrayView views[ROWS_FUNCTION_MAX_ARGS];
    size_t n;
};

static void kernel_args_done(struct kernel_args *a)
{
    for (size_t i = 0; i < a->n; i++)
        ArrowArrayViewReset(&a->views[i]);
}

static int kernel_args_init(struct kernel_args *a, const enum ArrowType *types, size_t n_types,
                            const struct ArrowArray *const *arrays, size_t n_args, int64_t n_rows, struct ca_error *err)
{
    *a = (struct kernel_args){.n = 0};
    if (n_args != n_types || n_args > ROWS_FUNCTION_MAX_ARGS)
        return ca_bug(err, "a function is called with another number of arguments than it declares");
    for (size_t i = 0; i < n_args; i++) {
        struct ArrowError arrow_error = {{0}};
        ArrowArrayViewInitFromType(&a->views[i], types[i]);
        a->n = i + 1;
        if (arrays[i]->length != n_rows) {
            kernel_args_done(a);
            return ca_fail(err, CA_ERR_INVALID, "argument %zu of a function has %lld rows, expected %lld", i + 1,
                           (long long)arrays[i]->length, (long long)n_rows);
        }
        if (ArrowArrayViewSetArray(&a->views[i], arrays[i], &arrow_error) != NANOARROW_OK) {
            kernel_args_done(a);
            return ca_fail(err, CA_ERR_INVALID, "argument %zu of a function is not of its declared type: %s", i + 1,
                           arrow_error.message);
        }
    }
    return CA_OK;
}

static bool kernel_args_has_null(const struct kernel_args *a, int64_t row)
{
    for (size_t i = 0; i < a->n; i++)
        if (ArrowArrayViewIsNull(&a->views[i], row))
            return true;
    return false;
}

/* Start a result array of `type` with room for n_rows. */
static int kernel_result_init(struct ArrowArray *ret, enum ArrowType type, int64_t n_rows, struct ca_error *err)
{
    if (ArrowArrayInitFromType(ret, type) != NANOARROW_OK)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for a result of %lld rows", (long long)n_rows);
    if (ArrowArrayStartAppending(ret) != NANOARROW_OK || ArrowArrayReserve(ret, n_rows) != NANOARROW_OK) {
        ArrowArrayRelease(ret);
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for a result of %lld rows", (long long)n_rows);
    }
    return CA_OK;
}

static int kernel_result_finish(struct ArrowArray *ret, int rc, struct ca_error *err)
{
    if (rc == NANOARROW_OK)
        rc = ArrowArrayFinishBuildingDefault(ret, NULL);
    if (rc == NANOARROW_OK)
        return CA_OK;
    ArrowArrayRelease(ret);
    return ca_fail(err, CA_ERR_RESOURCES, "no memory for a result");
}

/* One int64 for each row that has no null argument. */
typedef int64_t (*kernel_row_id_fn)(const struct ArrowArrayView *views, int64_t row);

static int kernel_ids(const enum ArrowType *types, size_t n_types, kernel_row_id_fn row_id,
                      const struct ArrowArray *const *arrays, size_t n_args, int64_t n_rows, struct ArrowArray *ret,
                      struct ca_error *err)
{
    struct kernel_args args;
    CA_TRY(kernel_args_init(&args, types, n_types, arrays, n_args, n_rows, err));
    int status = kernel_result_init(ret, NANOARROW_TYPE_INT64, n_rows, err);
    if (status == CA_OK) {
        int rc = NANOARROW_OK;
        for (int64_t row = 0; row < n_rows && rc == NANOARROW_OK; row++)
            rc = kernel_args_has_null(&args, row) ? ArrowArrayAppendNull(ret, 1)
                                                  : ArrowArrayAppendInt(ret, row_id(args.views, row));
        status = kernel_result_finish(ret, rc, err);
    }
    kernel_args_done(&args);
    return status;
}

/* An array of nothing but empty texts may have no buffer of characters; to position NULL would be another text. */
static struct ArrowStringView text_at(const struct ArrowArrayView *view, int64_t row)
{
    struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(view, row);
    if (text.size_bytes == 0)
        text.data = "";
    return text;
}

static int64_t row_file_id(const struct ArrowArrayView *v, int64_t row)
{
    struct ArrowStringView repository = text_at(&v[0], row);
    struct ArrowStringView path = text_at(&v[1], row);
    return position_file_id(repository.data, (size_t)repository.size_bytes, path.data, (size_t)path.size_bytes);
}

static int64_t row_entity_id(const struct ArrowArrayView *v, int64_t row)
{
    struct ArrowStringView path = text_at(&v[1], row);
    struct ArrowStringView kind = text_at(&v[2], row);
    return position_entity_id(ArrowArrayViewGetIntUnsafe(&v[0], row), path.data, (size_t)path.size_bytes, kind.data,
                              (size_t)kind.size_bytes, ArrowArrayViewGetIntUnsafe(&v[3], row));
}

static int64_t row_occurrence_id(const struct ArrowArrayView *v, int64_t row)
{
    struct ArrowStringView kind = text_at(&v[3], row);
    return position_occurrence_id(ArrowArrayViewGetIntUnsafe(&v[0], row), ArrowArrayViewGetIntUnsafe(&v[1], row),
                                  ArrowArrayViewGetIntUnsafe(&v[2], row), kind.data, (size_t)kind.size_bytes,
                                  ArrowArrayViewGetIntUnsafe(&v[4], row));
}

static int call_file_id(const struct ArrowArray *const *args, size_t n_args, int64_t n_rows, struct ArrowArray *ret,
                        struct ca_error *err)
{
    static const enum ArrowType types[] = {NANOARROW_TYPE_STRING, NANOARROW_TYPE_STRING};
    return kernel_ids(types, sizeof types / sizeof types[0], row_file_id, args, n_args, n_rows, ret, err);
}

static int call_entity_id(const struct ArrowArray *const *args, size_t n_args, int64_t n_rows, struct ArrowArray *ret,
                          struct ca_error *err)
{
    static const enum ArrowType types[] = {NANOARROW_TYPE_INT64, NANOARROW_TYPE_STRING, NANOARROW_TYPE_STRING,
                                           NANOARROW_TYPE_INT64};
    return kernel_ids(types, sizeof types / sizeof types[0], row_entity_id, args, n_args, n_rows, ret, err);
}

static int call_occurrence_id(const struct ArrowArray *const *args, size_t n_args, int64_t n_rows,
                              struct ArrowArray *ret, struct ca_error *err)
{
    static const enum ArrowType types[] = {NANOARROW_TYPE_INT64, NANOARROW_TYPE_INT64, NANOARROW_TYPE_INT64,
                                           NANOARROW_TYPE_STRING, NANOARROW_TYPE_INT64};
    return kernel_ids(types, sizeof types / sizeof types[0], row_occurrence_id, args, n_args, n_rows, ret, err);
}

static int call_content_id(const struct ArrowArray *const *arrays, size_t n_args, int64_t n_rows,
                           struct ArrowArray *ret, struct ca_error *err)
{
    static const enum ArrowType types[] = {NANOARROW_TYPE_BINARY};
    struct kernel_args args;
    CA_TRY(kernel_args_init(&args, types, sizeof types / sizeof types[0], arrays, n_args, n_rows, err));
    int status = kernel_result_init(ret, NANOARROW_TYPE_BINARY, n_rows, err);
    if (status == CA_OK) {
        int rc = NANOARROW_OK;
        for (int64_t row = 0; row < n_rows && rc == NANOARROW_OK; row++) {
            if (kernel_args_has_null(&args, row)) {
                rc = ArrowArrayAppendNull(ret, 1);
                continue;
            }
            struct ArrowBufferView bytes = ArrowArrayViewGetBytesUnsafe(&args.views[0], row);
            struct position_content_id id = position_content_id(bytes.data.data, (size_t)bytes.size_bytes);
            struct ArrowBufferView out = {.data.as_uint8 = id.bytes, .size_bytes = sizeof id.bytes};
            rc = ArrowArrayAppendBytes(ret, out);
        }
        status = kernel_result_finish(ret, rc, err);
    }
    kernel_args_done(&args);
    return status;
}

static const struct rows_function functions[] = {
    {
        .name = "content_id",
        .arg_names = {"bytes"},
        .arg_formats = {"z"},
        .n_args = 1,
        .return_format = "z",
        .syntax = "content_id(bytes)",
        .doc = "XXH3-128 of the bytes, 16 bytes, big-endian: the identity of a file's content.",
        .call = call_content_id,
    },
    {
        .name = "file_id",
        .arg_names = {"repository", "path"},
        .arg_formats = {"u", "u"},
        .n_args = 2,
        .return_format = "l",
        .syntax = "file_id(repository, path)",
        .doc = "Identity of a file: repository name and path.",
        .call = call_file_id,
    },
    {
        .name = "entity_id",
        .arg_names = {"file_id", "qualified_path", "kind", "ordinal"},
        .arg_formats = {"l", "u", "u", "l"},
        .n_args = 4,
        .return_format = "l",
        .syntax = "entity_id(file_id, qualified_path, kind, ordinal)",
        .doc = "Identity of a module or definition: moving it within its file does not change it.",
        .call = call_entity_id,
    },
    {
        .name = "occurrence_id",
        .arg_names = {"file_id", "start_byte", "end_byte", "kind", "ordinal"},
        .arg_formats = {"l", "l", "l", "u", "l"},
        .n_args = 5,
        .return_format = "l",
        .syntax = "occurrence_id(file_id, start_byte, end_byte, kind, ordinal)",
        .doc = "Identity of a place in a file: an import, a call site, a reference.",
        .call = call_occurrence_id,
    },
};

const struct rows_function *kernel_functions(size_t *ret_n)
{
    *ret_n = sizeof functions / sizeof functions[0];
    return functions;
}
