/* tests/support/answer.h — what the engine answers, as text: an expectation is one string. */
#ifndef CA_TESTS_SUPPORT_ANSWER_H
#define CA_TESTS_SUPPORT_ANSWER_H

#include <stddef.h>

#include "codeanatomy/arrow.h"
#include "engine/engine.h"

/* The rows of a stream as CSV, header included; an error as "STATUS: message". Takes the stream. g_free. */
char *answer_stream(struct ArrowArrayStream *rows);

/* The same for a query. */
char *answer(struct engine *e, const char *sql);
void assert_answer(struct engine *e, const char *sql, const char *expected);

/* "name: type, name: type not null" of a schema, which is released; g_free. */
char *answer_schema(struct ArrowSchema *schema);

/* engine_text_fn into a GString, and the same with a newline after each piece. */
void answer_add(void *gstring, const char *text, size_t n_bytes);
void answer_add_line(void *gstring, const char *text, size_t n_bytes);

#endif
