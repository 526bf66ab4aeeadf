/* rows/rows.h — Arrow rows between the rooms: schemas compared, batches aligned, streams made.
 *
 *   producers ──push──▶ rows_queue ──ArrowArrayStream──▶ engine
 *   foreign batch ──rows_aligner──▶ batch with the declared schema
 *   two schemas ──rows_schema_compare──▶ findings with path, expected, found
 *
 * Invariants
 *   1. Arrow structs are moved: what a function *takes* has release == NULL afterwards, also when it fails.
 *   2. Alignment loses nothing that it was not allowed to by name: a value that does not fit its target is an error
 *      that names column and row (B11).
 *   3. A stream that ended with an error says so on every further call.
 * The room hides nanoarrow: its headers are needed by tests and generated builders alone. Types nest at most
 * ROWS_MAX_DEPTH levels; schemas that go deeper are refused.
 *
 *     struct rows_queue *q = NULL;
 *     CA_TRY(rows_queue_new(&schema, 64 << 20, &q, err));          takes the schema
 *     rows_queue_stream(q, &stream);                               the consumer's end, once
 *     CA_TRY(rows_queue_push(q, &array, err));                     from any thread, blocks while too much is waiting
 *     rows_queue_close(q, NULL);                                   or with the text of an error
 *     rows_queue_unref(q);
 */
#ifndef CA_ROWS_ROWS_H
#define CA_ROWS_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fingerprint.h"

struct ArrowArray;
struct ArrowArrayStream;
struct ArrowSchema;

#define ROWS_MAX_DEPTH 64

/* ---- schemas (schema.c) ----------------------------------------------------------------------------------------- */

/* XXH3-128 of names, order, types and nullability, nested included; metadata, and the names that storage gives to list
 * items and map entries, left out. CA_ERR_RESOURCES when deeper than ROWS_MAX_DEPTH. */
CA_MUST_CHECK int rows_schema_fingerprint(const struct ArrowSchema *schema, char ret[FINGERPRINT_HEX_SIZE],
                                          struct ca_error *err);

/* A type in the words of the contract language, nested in full: "int32", "decimal128(10, 2)", "timestamp_us(UTC)",
 * "dictionary(int32, utf8)", "list<struct<ordinal: int32 not null>>", "map<utf8, int32>". malloc'ed. */
char *rows_type_text(const struct ArrowSchema *schema);

/* One difference.
 *
 * code      stable: column_missing, column_unexpected, column_moved, column_case, type_differs, layout_differs,
 * nullability_differs, metadata_differs, field_missing, field_unexpected, field_moved, field_case   (field_* below the
 * top level) path "nodes[].kind": a struct's field after ".", a list's item "[]", a map's "{key}" and "{value}"
 * expected, found   type or "null"/"not null" or place or name; "" where there is none
 * is_lossless       of type_differs: every value of the found type is one of the expected type
 * is_nullable       of *_missing: the expected field may be null
 */
struct rows_finding {
    const char *code;
    char *path;
    char *expected;
    char *found;
    bool is_lossless;
    bool is_nullable;
};

struct rows_findings {
    struct rows_finding *items;
    size_t n;
};

/* ignore_order    columns and fields are matched by name alone
 * allow_stricter  found NOT NULL where nullable is expected is fine
 * ignore_nullability, with_metadata   as they say
 * declared_metadata   with_metadata, but only keys that the expected side has
 * tell_case           a name that differs in case alone is one finding, *_case, not one missing and one unexpected
 * tell_layout         plain, large, view and dictionary forms of one type are layout_differs, and what is inside is
 * compared from_text           found types were inferred from text (JSON), which is read as what is expected:
 * is_lossless says whether such text can be
 */
struct rows_compare_options {
    bool ignore_order;
    bool allow_stricter;
    bool ignore_nullability;
    bool with_metadata;
    bool declared_metadata;
    bool tell_case;
    bool tell_layout;
    bool from_text;
};

/* All differences, depth first in the order of `expected`; options may be NULL. Empty: equal. */
CA_MUST_CHECK int rows_schema_compare(const struct ArrowSchema *expected, const struct ArrowSchema *found,
                                      const struct rows_compare_options *options, struct rows_findings *ret,
                                      struct ca_error *err);
void rows_findings_done(struct rows_findings *f);

/* "column 'a' (int32) is missing; 'nodes[].kind' is int64, expected utf8; ..." malloc'ed; "" when there are none. */
char *rows_findings_text(const struct rows_findings *f);

/* CA_OK when equal, else CA_ERR_DRIFT with rows_findings_text(). */
CA_MUST_CHECK int rows_schema_check(const struct ArrowSchema *expected, const struct ArrowSchema *found,
                                    const struct rows_compare_options *options, struct ca_error *err);

/* Whether the type of `to` holds every value of the type of `from`; of nested types, whether they are of one kind.
 * Layout is no difference. (cast.c) */
bool rows_cast_is_lossless(const struct ArrowSchema *from, const struct ArrowSchema *to);

/* Whether text that looks like `from` (inferred from JSON) can be read as `to`; a value that cannot is an error.
 * (cast.c)
 */
bool rows_text_is_readable(const struct ArrowSchema *from, const struct ArrowSchema *to);

/* ---- texts (text.c) --------------------------------------------------------------------------------------------- */

/* One row of at most 16 texts, NULL for null; borrowed for the call. */
typedef int (*rows_texts_fn)(void *data, const char *const *texts, size_t n_texts, struct ca_error *err);

/* Read a stream whose columns are all text to its end, or until `fn` fails. Takes the stream. */
CA_MUST_CHECK int rows_each_text(struct ArrowArrayStream *stream, rows_texts_fn fn, void *data, struct ca_error *err);

/* ---- alignment (align.c) ---------------------------------------------------------------------------------------- */

/* The value that completes a column or field that a batch lacks: text as SQL writes a literal (42, 'a''b', true, 1.5,
 * X'00ff', NULL). path as in struct rows_finding. */
struct rows_default {
    const char *path;
    const char *literal;
};

/* A type, by its name alone ("float64"), whose values may lose precision, never range, on the way to the one at `path`.
 */
struct rows_lossy {
    const char *path;
    const char *type;
};

/* One column or field that changes its type or layout; texts as of rows_type_text(), borrowed for the call. */
typedef void (*rows_cast_fn)(void *data, const char *path, const char *from, const char *to);

/* cast   NULL, or called for each change, once, when the alignment is made */
struct rows_align_options {
    const struct rows_default *defaults;
    size_t n_defaults;
    const struct rows_lossy *lossy;
    size_t n_lossy;
    rows_cast_fn cast;
    void *cast_data;
};

/* Batches of one schema become batches of another: columns and struct fields matched by name and put in the order of
 * `to`, casts that lose nothing, lacking ones filled with their default or null, dictionaries decoded and encoded.
 * Nested included. What is right already is moved, not copied. */
struct rows_aligner;

/* CA_ERR_DRIFT with path: columns that `to` does not have, lacking ones without default or null, types that could lose
 * something. Takes both schemas; options (NULL: none) are not needed any more when this returns. */
CA_MUST_CHECK int rows_aligner_new(struct ArrowSchema *from, struct ArrowSchema *to,
                                   const struct rows_align_options *options, struct rows_aligner **ret,
                                   struct ca_error *err);
void rows_aligner_free(struct rows_aligner *a);
CA_DEFINE_AUTOPTR(rows_aligner, rows_aligner_free)

/* Of what it makes. Borrowed. */
const struct ArrowSchema *rows_aligner_schema(const struct rows_aligner *a);

/* The next batch; takes `array`. CA_ERR_DRIFT with path and row, counted over all batches: a value that does not fit
 * its type, a null where `to` has none. One thread at a time. */
CA_MUST_CHECK int rows_aligner_run(struct rows_aligner *a, struct ArrowArray *array, struct ArrowArray *ret,
                                   struct ca_error *err);

/* ---- order (sort.c) --------------------------------------------------------------------------------------------- */

/* Put flat rows of texts and integers into the order of the columns behind column `number` (nulls first, texts by their
 * bytes) and number them from 0 in that column, an int32. On failure `array` is as it was. */
CA_MUST_CHECK int rows_sort_numbered(const struct ArrowSchema *schema, struct ArrowArray *array, int64_t number,
                                     struct ca_error *err);

/* ---- streams (stream.c) ----------------------------------------------------------------------------------------- */

/* No rows. Takes the schema. */
CA_MUST_CHECK int rows_stream_empty(struct ArrowSchema *schema, struct ArrowArrayStream *ret, struct ca_error *err);

/* The batches in order. Takes the schema and the arrays, not the memory that `arrays` is. */
CA_MUST_CHECK int rows_stream_of(struct ArrowSchema *schema, struct ArrowArray *arrays, size_t n_arrays,
                                 struct ArrowArrayStream *ret, struct ca_error *err);

/* Another stream, each batch aligned to `to`. Takes `stream` and `to`; options as of rows_aligner_new. */
CA_MUST_CHECK int rows_stream_align(struct ArrowArrayStream *stream, struct ArrowSchema *to,
                                    const struct rows_align_options *options, struct ArrowArrayStream *ret,
                                    struct ca_error *err);

/* The next batch of any stream: *ret_is_end true after the last. CA_ERR_ENGINE with the stream's words. */
CA_MUST_CHECK int rows_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *ret, bool *ret_is_end,
                                   struct ca_error *err);

/* ---- a bounded queue (queue.c) ---------------------------------------------------------------------------------- */

/* Many producers, one consumer that is an ArrowArrayStream. Shared and counted: the stream holds a reference of its
 * own. */
struct rows_queue;

/* Batches of `schema`, at most max_bytes waiting (one batch may always wait, however large): the bytes that their
 * buffers hold by their lengths, nested included. Takes the schema. */
CA_MUST_CHECK int rows_queue_new(struct ArrowSchema *schema, int64_t max_bytes, struct rows_queue **ret,
                                 struct ca_error *err);
struct rows_queue *rows_queue_ref(struct rows_queue *q);
void rows_queue_unref(struct rows_queue *q);
CA_DEFINE_AUTOPTR(rows_queue, rows_queue_unref)

/* The consumer's end; once a queue. A stream that is released early cancels the queue. */
CA_MUST_CHECK int rows_queue_stream(struct rows_queue *q, struct ArrowArrayStream *ret, struct ca_error *err);

/* From now on batches of fewer bytes are copied together until they have so many, and go on as one: what a batch costs
 * the consumer for each column, however few rows it has, is paid once. Where they are cut depends on the batches alone,
 * not on time. Batches of a schema with types that cannot be appended to each other (dictionaries, views) go on as they
 * come. Before the first push. */
void rows_queue_gather(struct rows_queue *q, int64_t n_bytes);

/* Add a batch; takes it. Blocks while max_bytes are waiting. CA_ERR_CANCELED when the queue was canceled or its
 * consumer is gone, CA_ERR_INVALID for another schema's batch, CA_ERR_BUG after close. Any thread. */
CA_MUST_CHECK int rows_queue_push(struct rows_queue *q, struct ArrowArray *array, struct ca_error *err);

/* No more batches. error_text NULL: a good end; else the consumer gets EIO with this text, at once, waiting batches
 * being dropped. Only the first close counts. Any thread. */
void rows_queue_close(struct rows_queue *q, const char *error_text);

/* Wake everybody: producers get CA_ERR_CANCELED, the consumer ECANCELED. Any thread, idempotent. */
void rows_queue_cancel(struct rows_queue *q);

/* Bytes that wait now. */
int64_t rows_queue_n_bytes(struct rows_queue *q);

#endif
