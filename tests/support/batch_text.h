/* tests/support/batch_text.h — schemas and batches written as text, and back. Failures end the test. */
#ifndef CA_TESTS_SUPPORT_BATCH_TEXT_H
#define CA_TESTS_SUPPORT_BATCH_TEXT_H

#include <nanoarrow/nanoarrow.h>

/* Fields as "name:FORMAT" with '!' behind the format for NOT NULL, children in brackets behind that, a comma inside a
 * format written ';': "a:i!,l:+l(item:u),d:d:9;2". ArrowSchemaRelease. */
struct ArrowSchema batch_text_schema(const char *text);

/* Rows as "1|a;2|null", the cells of a list "[1 2]", of a struct "{1 a}", of a map "<k v>". ArrowArrayRelease. */
struct ArrowArray batch_text_parse(const struct ArrowSchema *schema, const char *text);

/* The same text of a batch, which is validated in full before; g_free. */
char *batch_text_render(const struct ArrowSchema *schema, const struct ArrowArray *array);

#endif
