/* tests/fuzz/fuzz_treesitter.c — any bytes as a source file for the two syntax layers (C3, C7).
 *
 * The rows must be sound Arrow, and every span must lie in the file.
 */
#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extract/treesitter/treesitter.h"
#include "repo/codec.h"
#include "repo/declaration.h"
#include "rows/gen/libcst_files_v1.h"
#include "rows/gen/tree_sitter_files_v1.h"

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* What repo_file_load makes of these bytes. */
static void file_init(struct repo_file *f, const struct repo_entry *entry, const uint8_t *data, size_t n_bytes)
{
    *f = (struct repo_file){.entry = entry, .n_raw = n_bytes, .error_byte = -1};
    f->raw = g_malloc0(n_bytes + 1);
    memcpy(f->raw, data, n_bytes);
    f->content_id = position_content_id(f->raw, n_bytes);
    f->has_bom = n_bytes >= 3 && memcmp(f->raw, "\xEF\xBB\xBF", 3) == 0;
    size_t n_bom = f->has_bom ? 3 : 0;
    f->text = f->raw + n_bom;
    f->n_text = n_bytes - n_bom;
    struct repo_declaration declared = {0};
    repo_declaration_read(f->text, f->n_text, f->has_bom, &declared);
    f->encoding = declared.encoding;
    f->encoding_error = declared.error;
    if (!f->encoding)
        return;
    struct repo_decoded decoded = {0};
    struct ca_error err = {0};
    expect(repo_codec_decode(declared.codec, f->encoding, f->raw, n_bytes, n_bom, &decoded, &err) == CA_OK,
           err.message);
    f->decode_error = decoded.error;
    f->error_byte = decoded.error ? decoded.error_byte : -1;
    f->map = decoded.map;
    if (decoded.text) {
        f->owned_text = decoded.text;
        f->text = decoded.text;
        f->n_text = decoded.n_text;
    }
    f->is_ascii = !f->has_bom && !f->owned_text;
    for (size_t i = 0; f->is_ascii && i < n_bytes; i++)
        f->is_ascii = f->raw[i] < 0x80;
}

/* Every int64 called start_byte or end_byte, however deep, lies in 0..n_raw. Types nest as deep as the contract says.
 */
static void check_spans(const struct ArrowSchema *schema, const struct ArrowArrayView *view, int64_t n_raw)
{
    bool is_offset = schema->name && (strcmp(schema->name, "start_byte") == 0 || strcmp(schema->name, "end_byte") == 0);
    for (int64_t i = 0; is_offset && i < view->length; i++) {
        if (ArrowArrayViewIsNull(view, i))
            continue;
        int64_t offset = ArrowArrayViewGetIntUnsafe(view, i);
        expect(offset >= 0 && offset <= n_raw, "a span leaves the file");
    }
    for (int64_t i = 0; i < schema->n_children; i++)
        check_spans(schema->children[i], view->children[i], n_raw);
}

/* Takes both. */
static void check_rows(struct ArrowSchema *schema, struct ArrowArray *rows, int64_t n_raw)
{
    struct ArrowArrayView view;
    struct ArrowError error = {{0}};
    expect(ArrowArrayViewInitFromSchema(&view, schema, &error) == NANOARROW_OK, error.message);
    expect(ArrowArrayViewSetArray(&view, rows, &error) == NANOARROW_OK, error.message);
    expect(ArrowArrayViewValidate(&view, NANOARROW_VALIDATION_LEVEL_FULL, &error) == NANOARROW_OK, error.message);
    check_spans(schema, &view, n_raw);
    ArrowArrayViewReset(&view);
    rows->release(rows);
    schema->release(schema);
}

static struct treesitter *parser;
static struct tree_sitter_files_v1 *tree_sitter_rows;
static struct libcst_files_v1 *libcst_rows;

int LLVMFuzzerInitialize(int *n_args, char ***args);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerInitialize(int *n_args, char ***args)
{
    struct ca_error err = {0};
    (void)n_args;
    (void)args;
    expect(treesitter_new(&parser, &err) == CA_OK, err.message);
    expect(tree_sitter_files_v1_new(&tree_sitter_rows) == 0 && libcst_files_v1_new(&libcst_rows) == 0, "no memory");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    const struct repo_entry entry = {
        .path = (char *)"fuzz.py", .os_path = (char *)"fuzz.py", .file_id = 1, .size_bytes = (int64_t)n_bytes};
    struct repo_file file;
    struct treesitter_result result = {0};
    struct ca_error err = {0};
    struct ArrowArray rows = {0};
    struct ArrowSchema schema = {0};
    file_init(&file, &entry, data, n_bytes);
    expect(treesitter_extract(parser, &file, tree_sitter_rows, libcst_rows, &result, &err) == CA_OK, err.message);
    expect(tree_sitter_files_v1_take(tree_sitter_rows, &rows) == 0 && tree_sitter_files_v1_schema(&schema) == 0,
           "no rows");
    check_rows(&schema, &rows, (int64_t)n_bytes);
    expect(libcst_files_v1_take(libcst_rows, &rows) == 0 && libcst_files_v1_schema(&schema) == 0, "no rows");
    check_rows(&schema, &rows, (int64_t)n_bytes);
    repo_file_done(&file);
    return 0;
}
