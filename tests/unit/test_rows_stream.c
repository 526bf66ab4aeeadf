/* tests/unit/test_rows_stream.c — streams of batches and the bounded queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "rows/rows.h"
#include "support/batch_text.h"

/* ---- streams ---------------------------------------------------------------------------------------------------- */

static void test_streams(void **state)
{
    (void)state;
    struct ca_error err = {0};
    struct ArrowSchema from = batch_text_schema("a:i");
    struct ArrowSchema copy = batch_text_schema("a:i");
    struct ArrowSchema to = batch_text_schema("a:l,b:u!");
    struct ArrowArray arrays[2] = {batch_text_parse(&from, "1;2"), batch_text_parse(&from, "3")};
    struct ArrowArrayStream stream;
    struct ArrowArrayStream aligned;
    static const struct rows_default defaults[] = {{"b", "'x'"}};
    static const struct rows_align_options options = {.defaults = defaults, .n_defaults = 1};
    assert_int_equal(rows_stream_of(&from, arrays, 2, &stream, &err), CA_OK);
    assert_null(from.release);
    assert_int_equal(rows_stream_align(&stream, &to, &options, &aligned, &err), CA_OK);
    assert_null(stream.release);
    struct ArrowSchema schema;
    assert_int_equal(aligned.get_schema(&aligned, &schema), 0);
    static const char *const expected[] = {"1|x;2|x", "3|x"};
    for (int i = 0; i < 2; i++) {
        struct ArrowArray array;
        bool is_end = true;
        assert_int_equal(rows_stream_next(&aligned, &array, &is_end, &err), CA_OK);
        assert_false(is_end);
        g_autofree char *text = batch_text_render(&schema, &array);
        assert_string_equal(text, expected[i]);
        ArrowArrayRelease(&array);
    }
    struct ArrowArray array;
    bool is_end = false;
    assert_int_equal(rows_stream_next(&aligned, &array, &is_end, &err), CA_OK);
    assert_true(is_end);
    ArrowSchemaRelease(&schema);
    ArrowArrayStreamRelease(&aligned);

    assert_int_equal(rows_stream_empty(&copy, &stream, &err), CA_OK);
    assert_int_equal(rows_stream_next(&stream, &array, &is_end, &err), CA_OK);
    assert_true(is_end);
    to = batch_text_schema("z:i!");
    assert_int_equal(rows_stream_align(&stream, &to, NULL, &aligned, &err), CA_ERR_DRIFT);
    assert_string_equal(err.message, "'z' (int32 not null) is missing and has no default");
    assert_null(to.release);
}

/* A value that does not fit ends the stream, and it says so again. */
static void test_aligned_stream_keeps_its_error(void **state)
{
    (void)state;
    struct ca_error err = {0};
    struct ArrowSchema from = batch_text_schema("a:l");
    struct ArrowSchema to = batch_text_schema("a:i");
    struct ArrowArray arrays[1] = {batch_text_parse(&from, "1;99999999999")};
    struct ArrowArrayStream stream;
    struct ArrowArrayStream aligned;
    assert_int_equal(rows_stream_of(&from, arrays, 1, &stream, &err), CA_OK);
    assert_int_equal(rows_stream_align(&stream, &to, NULL, &aligned, &err), CA_OK);
    for (int i = 0; i < 2; i++) {
        struct ArrowArray array;
        bool is_end = false;
        assert_int_equal(rows_stream_next(&aligned, &array, &is_end, &err), CA_ERR_ENGINE);
        assert_string_equal(err.message, "'a' row 1: 99999999999 does not fit type int32");
    }
    ArrowArrayStreamRelease(&aligned);
}

/* ---- queue ------------------------------------------------------------------------------------------------------ */

struct producer {
    struct rows_queue *queue;
    int first;
    int n;
    int status;
};

static gpointer produce(gpointer data)
{
    struct producer *p = data;
    struct ArrowSchema schema = batch_text_schema("a:i");
    for (int i = 0; i < p->n && p->status == CA_OK; i++) {
        g_autofree char *row = g_strdup_printf("%d", p->first + i);
        struct ArrowArray array = batch_text_parse(&schema, row);
        struct ca_error err = {0};
        p->status = rows_queue_push(p->queue, &array, &err);
        g_assert(array.release == NULL);
    }
    ArrowSchemaRelease(&schema);
    return NULL;
}

/* Four producers, little room: every row arrives once, those of one producer in order. */
static void test_queue_carries_everything(void **state)
{
    (void)state;
    enum { N_PRODUCERS = 4, N_EACH = 300 };
    struct ca_error err = {0};
    struct ArrowSchema schema = batch_text_schema("a:i");
    struct rows_queue *q = NULL;
    struct ArrowArrayStream stream;
    assert_int_equal(rows_queue_new(&schema, 40, &q, &err), CA_OK);
    assert_int_equal(rows_queue_stream(q, &stream, &err), CA_OK);
    assert_int_equal(rows_queue_stream(q, &stream, &err), CA_ERR_BUG);
    struct producer producers[N_PRODUCERS];
    GThread *threads[N_PRODUCERS];
    for (int i = 0; i < N_PRODUCERS; i++) {
        producers[i] = (struct producer){.queue = q, .first = i * N_EACH, .n = N_EACH};
        threads[i] = g_thread_new("producer", produce, &producers[i]);
    }
    int next[N_PRODUCERS] = {0};
    for (int i = 0; i < N_PRODUCERS * N_EACH; i++) {
        struct ArrowArray array;
        bool is_end = true;
        assert_int_equal(rows_stream_next(&stream, &array, &is_end, &err), CA_OK);
        assert_false(is_end);
        assert_true(rows_queue_n_bytes(q) <= 40);
        int32_t value = 0;
        memcpy(&value, array.children[0]->buffers[1], sizeof value);
        assert_int_equal(value % N_EACH, next[value / N_EACH]++);
        ArrowArrayRelease(&array);
    }
    for (int i = 0; i < N_PRODUCERS; i++) {
        g_thread_join(threads[i]);
        assert_int_equal(producers[i].status, CA_OK);
    }
    rows_queue_close(q, NULL);
    rows_queue_close(q, "too late");
    struct ArrowArray array;
    bool is_end = false;
    assert_int_equal(rows_stream_next(&stream, &array, &is_end, &err), CA_OK);
    assert_true(is_end);
    struct ArrowSchema one = batch_text_schema("a:i");
    array = batch_text_parse(&one, "1");
    assert_int_equal(rows_queue_push(q, &array, &err), CA_ERR_BUG);
    ArrowSchemaRelease(&one);
    ArrowArrayStreamRelease(&stream);
    rows_queue_unref(q);
}

/* A batch larger than the whole room passes when nothing else waits. */
static void test_queue_takes_one_large_batch(void **state)
{
    (void)state;
    struct ca_error err = {0};
    struct ArrowSchema schema = batch_text_schema("a:i");
    struct ArrowArray array = batch_text_parse(&schema, "1;2;3;4;5;6;7;8");
    struct rows_queue *q = NULL;
    assert_int_equal(rows_queue_new(&schema, 1, &q, &err), CA_OK);
    assert_int_equal(rows_queue_push(q, &array, &err), CA_OK);
    assert_int_equal(rows_queue_n_bytes(q), 32);
    rows_queue_unref(q); /* with a batch inside: nothing leaks */
    schema = batch_text_schema("a:i");
    assert_int_equal(rows_queue_new(&schema, 0, &q, &err), CA_ERR_INVALID);
}

static void test_queue_error_reaches_the_consumer(void **state)
{
    (void)state;
    struct ca_error err = {0};
    struct ArrowSchema schema = batch_text_schema("a:i");
    struct ArrowArray array = batch_text_parse(&schema, "1");
    struct rows_queue *q = NULL;
    struct ArrowArrayStream stream;
    assert_int_equal(rows_queue_new(&schema, 1000, &q, &err), CA_OK);
    assert_int_equal(rows_queue_stream(q, &stream, &err), CA_OK);
    assert_int_equal(rows_queue_push(q, &array, &err), CA_OK);
    rows_queue_close(q, "worker 3 died");
    for (int i = 0; i < 2; i++) {
        struct ArrowArray out;
        bool is_end = false;
        assert_int_equal(rows_stream_next(&stream, &out, &is_end, &err), CA_ERR_ENGINE);
        assert_string_equal(err.message, "worker 3 died");
    }
    ArrowArrayStreamRelease(&stream);
    rows_queue_unref(q);
}

/* Producers that wait for room, and a consumer that waits for rows, are woken by a cancel or by the consumer's leaving.
 */
static void test_queue_wakes_those_who_wait(void **state)
{
    (void)state;
    for (int by_release = 0; by_release < 2; by_release++) {
        struct ca_error err = {0};
        struct ArrowSchema schema = batch_text_schema("a:i");
        struct rows_queue *q = NULL;
        struct ArrowArrayStream stream;
        assert_int_equal(rows_queue_new(&schema, 8, &q, &err), CA_OK);
        assert_int_equal(rows_queue_stream(q, &stream, &err), CA_OK);
        struct producer producers[3];
        GThread *threads[3];
        for (int i = 0; i < 3; i++) {
            producers[i] = (struct producer){.queue = q, .n = 100};
            threads[i] = g_thread_new("producer", produce, &producers[i]);
        }
        struct ArrowArray array;
        bool is_end = false;
        assert_int_equal(rows_stream_next(&stream, &array, &is_end, &err), CA_OK);
        ArrowArrayRelease(&array);
        if (by_release) {
            ArrowArrayStreamRelease(&stream);
        } else {
            rows_queue_cancel(q);
            rows_queue_cancel(q);
            assert_int_equal(rows_stream_next(&stream, &array, &is_end, &err), CA_ERR_CANCELED);
            assert_string_equal(err.message, "canceled");
            ArrowArrayStreamRelease(&stream);
        }
        for (int i = 0; i < 3; i++) {
            g_thread_join(threads[i]);
            assert_int_equal(producers[i].status, CA_ERR_CANCELED);
        }
        rows_queue_unref(q);
    }
}

/* Pushes each text as a batch, its first row cut off where `is_cut`, and gives what comes out: batches parted by '/'.
 */
static char *gathered(const char *schema_text, const char *const *batches, bool is_cut, int64_t n_bytes)
{
    struct ca_error err = {0};
    struct ArrowSchema schema = batch_text_schema(schema_text);
    struct ArrowSchema own = batch_text_schema(schema_text);
    struct rows_queue *q = NULL;
    struct ArrowArrayStream stream;
    assert_int_equal(rows_queue_new(&own, 1 << 20, &q, &err), CA_OK);
    rows_queue_gather(q, n_bytes);
    for (; *batches; batches++) {
        struct ArrowArray array = batch_text_parse(&schema, *batches);
        array.offset += is_cut;
        array.length -= is_cut;
        assert_int_equal(rows_queue_push(q, &array, &err), CA_OK);
        assert_null(array.release);
    }
    rows_queue_close(q, NULL);
    assert_int_equal(rows_queue_stream(q, &stream, &err), CA_OK);
    GString *out = g_string_new(NULL);
    for (bool is_end = false;;) {
        struct ArrowArray array;
        assert_int_equal(rows_stream_next(&stream, &array, &is_end, &err), CA_OK);
        if (is_end)
            break;
        g_autofree char *text = batch_text_render(&schema, &array);
        g_string_append_printf(out, "%s%s", out->len ? "/" : "", text);
        ArrowArrayRelease(&array);
    }
    ArrowArrayStreamRelease(&stream);
    rows_queue_unref(q);
    ArrowSchemaRelease(&schema);
    return g_string_free(out, FALSE);
}

/* Small batches come out as one with the same rows; the text of a batch is the text of its rows. */
static void test_queue_gathers(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        const char *batches[5];
    } cases[] = {
        {"a:i,b:l!", {"1|2;3|4", "null|6", "7|8;9|10;null|11"}},
        {"a:u,b:z", {"one|x;null|yy", "''|zzz", "three|null;four|x"}},
        {"a:b", {"t;f;null;t;t;f;t;f;t;t", "t;t;f", "null;t;t;t;f;t;f;t;null;f"}},
        {"l:+l(item:u)", {"[a b];null;[]", "[c null]", "[];[d];null"}},
        {"l:+l(item:+s!(x:i,y:u,z:b))", {"[{1 a t} {2 null f}];[]", "[{3 c null}];[{4 d t}]", "null;[{null e t}]"}},
        {"s:+s(x:i,l:+l(item:g))", {"{1 [1.5 2.5]}", "null;{null null}", "{2 []};{3 [null]}"}},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        for (int is_cut = 0; is_cut < 2; is_cut++) {
            g_autofree char *apart = gathered(cases[i].schema, cases[i].batches, is_cut, 0);
            g_autofree char *together = gathered(cases[i].schema, cases[i].batches, is_cut, 1 << 16);
            assert_null(strchr(together, '/'));
            /* A batch that lost its only row is none. */
            g_auto(GStrv) parts = g_strsplit(apart, "/", -1);
            g_autoptr(GString) want = g_string_new(NULL);
            for (char **part = parts; *part; part++)
                if (**part)
                    g_string_append_printf(want, "%s%s", want->len ? ";" : "", *part);
            assert_string_equal(together, want->str);
        }
}

/* Where batches are cut depends on their bytes: 8 a row here. Types that cannot be appended go as they come. */
static void test_queue_gathers_up_to(void **state)
{
    (void)state;
    const char *const batches[] = {"1", "2;3", "4", "5;6;7;8", "9", NULL};
    g_autofree char *all = gathered("a:l", batches, false, 1);
    assert_string_equal(all, "1/2;3/4/5;6;7;8/9");
    g_autofree char *some = gathered("a:l", batches, false, 24);
    assert_string_equal(some, "1;2;3/4/5;6;7;8/9");
    const char *const texts[] = {"a", "b", NULL};
    g_autofree char *views = gathered("a:vu", texts, false, 1 << 16);
    assert_string_equal(views, "a/b");
}

static void test_queue_refuses_other_batches(void **state)
{
    (void)state;
    struct ca_error err = {0};
    struct ArrowSchema schema = batch_text_schema("a:i,b:u");
    struct ArrowSchema other = batch_text_schema("a:i");
    struct ArrowArray array = batch_text_parse(&other, "1");
    struct rows_queue *q = NULL;
    assert_int_equal(rows_queue_new(&schema, 1000, &q, &err), CA_OK);
    assert_int_equal(rows_queue_push(q, &array, &err), CA_ERR_INVALID);
    assert_null(array.release);
    assert_int_equal(rows_queue_n_bytes(q), 0);
    rows_queue_unref(q);
    ArrowSchemaRelease(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_aligned_stream_keeps_its_error),
        cmocka_unit_test(test_queue_carries_everything),
        cmocka_unit_test(test_queue_takes_one_large_batch),
        cmocka_unit_test(test_queue_error_reaches_the_consumer),
        cmocka_unit_test(test_queue_wakes_those_who_wait),
        cmocka_unit_test(test_queue_gathers),
        cmocka_unit_test(test_queue_gathers_up_to),
        cmocka_unit_test(test_queue_refuses_other_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
