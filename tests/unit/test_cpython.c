/* tests/unit/test_cpython.c — the CPython layers: facts of odd, deep and large files.
 *
 * The interpreter is `python3` of PATH, any version from 3.9 on: what differs between versions is not asserted here
 * (the oracles of tests/oracle hold every node and symbol against the interpreter itself).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "extract/cpython/cpython.h"
#include "support/pool.h"

/* ---- facts of odd files -------------------------------------------------------------------------------------------
 */

static bool is_text_at(const struct ArrowArrayView *view, int64_t i, const char *text)
{
    struct ArrowStringView found = ArrowArrayViewGetStringUnsafe(view, i);
    return (size_t)found.size_bytes == strlen(text) && memcmp(found.data, text, (size_t)found.size_bytes) == 0;
}

/* The raw text of the last Name among the nodes, its span_quality in *ret_quality (exact or not); NULL: it has no span.
 */
static char *last_name(const struct pool_file *l, const struct ArrowArray *batch, bool *ret_is_exact)
{
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ca_error err;
    assert_int_equal(cpython_layer_schema(CPYTHON_AST, &schema, &err), CA_OK);
    assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
    assert_int_equal(ArrowArrayViewSetArray(&view, batch, NULL), 0);
    const struct ArrowArrayView *nodes = view.children[4]->children[0];
    char *text = NULL;
    for (int64_t i = 0; i < nodes->length; i++) {
        if (!is_text_at(nodes->children[2], i, "Name"))
            continue;
        g_free(text);
        text = NULL;
        *ret_is_exact = is_text_at(nodes->children[11], i, "exact");
        if (ArrowArrayViewIsNull(nodes->children[5], i))
            continue;
        int64_t start = ArrowArrayViewGetIntUnsafe(nodes->children[5], i);
        int64_t end = ArrowArrayViewGetIntUnsafe(nodes->children[6], i);
        assert_true(start >= 0 && start <= end && end <= (int64_t)l->file.n_raw);
        text = g_strndup((const char *)l->file.raw + start, (gsize)(end - start));
    }
    ArrowArrayViewReset(&view);
    ArrowSchemaRelease(&schema);
    return text;
}

/* reason      the end of it: the class of an error differs between versions; NULL: status is ok
 * start_byte  raw offset of the error
 * name        raw text of the last Name node
 */
struct odd_file {
    const char *title;
    const char *bytes;
    size_t n_bytes;
    enum cpython_status status;
    const char *reason;
    int64_t start_byte;
    const char *name;
};

#define BYTES(text) text, sizeof(text) - 1

static const struct odd_file odd_files[] = {
    {"empty", BYTES(""), CPYTHON_OK, NULL, -1, NULL},
    {"plain", BYTES("x = 1\ny\n"), CPYTHON_OK, NULL, -1, "y"},
    {"no newline at the end", BYTES("y"), CPYTHON_OK, NULL, -1, "y"},
    {"lone CR", BYTES("x = 1\rlast\r"), CPYTHON_OK, NULL, -1, "last"},
    {"CRLF in a string", BYTES("x = '''a\r\nb'''; last\r\n"), CPYTHON_OK, NULL, -1, "last"},
    {"form feed", BYTES("\fx = 1\n  \flast\n"), CPYTHON_OK, NULL, -1, "last"},
    {"byte order mark", BYTES("\xEF\xBB\xBF\xC3\xA9 = 1; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"latin-1", BYTES("# coding: latin-1\nx = '\xE9\xE9'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"latin-1, second line", BYTES("#!x\n# coding: latin-1\nx = '\xE9'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"shift_jis, backslash as second byte", BYTES("# coding: shift_jis\nx = '\x95\x5C\x8E\xA6'; last\n"), CPYTHON_OK,
     NULL, -1, "last"},
    {"iso-2022-jp, shift states", BYTES("# coding: iso-2022-jp\nx = '\x1B$BF|K\\\x1B(B'; last\n"), CPYTHON_OK, NULL, -1,
     "last"},
    {"utf-7", BYTES("# coding: utf-7\nx = '+AOk-'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"undecodable in a comment", BYTES("# \xFF\nlast\n"), CPYTHON_OK, NULL, -1, "last"},
    {"lone surrogate", BYTES("x = '\\ud800'; last\n"), CPYTHON_OK, NULL, -1, "last"},
    {"integer of 12,042 digits", NULL, 0, CPYTHON_OK, NULL, -1, "last"}, /* made below */
    {"type comment in an odd place", BYTES("x = [ # type: int\n1]; last\n"), CPYTHON_RECOVERED,
     "type comments are left out: SyntaxError: invalid syntax", 14, "last"},
    {"broken syntax", BYTES("x = 1\ny = = 2\n"), CPYTHON_FAILED, "SyntaxError: invalid syntax", 10, NULL},
    {"broken behind two-byte characters", BYTES("\xC3\xA9\xC3\xA9 = = 2\n"), CPYTHON_FAILED,
     "SyntaxError: invalid syntax", 7, NULL},
    {"undecodable", BYTES("x = 1\ny = '\xFF'\n"), CPYTHON_FAILED,
     "SyntaxError: (unicode error) 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte", 11, NULL},
    {"unknown cookie", BYTES("# coding: nosuchcodec\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: unknown encoding: nosuchcodec", 10, NULL},
    {"unknown cookie on the second line", BYTES("\n#coding:nosuchcodec\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: unknown encoding: nosuchcodec", 9, NULL},
    {"mark and another cookie", BYTES("\xEF\xBB\xBF# coding: latin-1\n"), CPYTHON_FAILED,
     "SyntaxError: encoding problem: iso-8859-1 with BOM", 13, NULL},
    {"mark, another cookie and bytes that are neither", BYTES("\xEF\xBB\xBF# coding: ascii\nx = '\xFF'\n"),
     CPYTHON_FAILED, "SyntaxError: encoding problem: ascii with BOM", 13, NULL},
    {"cookie of a codec that is not for text", BYTES("# coding: rot13\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: 'rot13' is not a text encoding; use codecs.decode() to handle arbitrary codecs", 10, NULL},
    {"NUL before an unknown cookie", BYTES("#\0\n# coding: nosuchcodec\n"), CPYTHON_FAILED,
     "source code string cannot contain null bytes", 1, NULL},
    {"mark, NUL and a cookie that is right", BYTES("\xEF\xBB\xBF# coding: utf-8\n\0\n"), CPYTHON_FAILED,
     "source code string cannot contain null bytes", 19, NULL},
    {"utf-16 cookie", BYTES("# coding: utf-16\nx = 1\n"), CPYTHON_FAILED,
     "SyntaxError: 'utf-16-le' codec can't decode byte 0x0a in position 22: truncated data", 22, NULL},
    {"NUL", BYTES("x = 1\n\0y\n"), CPYTHON_FAILED, "source code string cannot contain null bytes", 6, NULL},
};

/* C2 C4 C8: bad input of every kind is a row and a status; places are raw bytes whatever the encoding. */
static void odd_files_are_facts(void **state)
{
    struct cpython_pool *pool = *state;
    for (size_t i = 0; i < G_N_ELEMENTS(odd_files); i++) {
        const struct odd_file *o = &odd_files[i];
        struct pool_file *l = o->bytes != NULL
                                  ? pool_file_new(o->title, o->bytes, o->n_bytes)
                                  : pool_file_of(o->title, pool_text_repeat("x = 0x", "f", 10000, "\nlast\n"));
        struct cpython_result result = pool_run(pool, l);
        const struct cpython_layer_result *ast = &result.layers[CPYTHON_AST];
        const struct cpython_layer_result *symtable = &result.layers[CPYTHON_SYMTABLE];
        print_message("%s: %s %s\n", o->title, cpython_status_name(ast->status),
                      ast->reason != NULL ? ast->reason : "");
        assert_int_equal(ast->status, o->status);
        assert_int_equal(symtable->status, o->status == CPYTHON_FAILED ? CPYTHON_FAILED : CPYTHON_OK);
        assert_int_equal(ast->start_byte, o->start_byte);
        assert_false(ast->is_budget);
        if (o->reason == NULL)
            assert_null(ast->reason);
        else
            assert_true(ast->reason != NULL && g_str_has_suffix(ast->reason, o->reason));
        assert_non_null(ast->batch.release); /* a file that does not parse has its error in a row */
        assert_int_equal(symtable->batch.release != NULL, o->status != CPYTHON_FAILED);
        assert_int_equal(ast->n_facts > 0, o->status != CPYTHON_FAILED);
        bool is_exact = false;
        g_autofree char *name = last_name(l, &ast->batch, &is_exact);
        if (o->name != NULL) {
            assert_string_equal(name, o->name);
            assert_true(is_exact);
        } else {
            assert_null(name);
        }
        cpython_result_done(&result);
        pool_file_free(l);
    }
    pool_assert_works(pool);
}

/* n_errors  of the `errors` list and its only item's text */
static void assert_error_row(const struct ArrowArray *batch, const char *type, const char *message, int line,
                             int column, int64_t start_byte)
{
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ca_error err;
    assert_int_equal(cpython_layer_schema(CPYTHON_AST, &schema, &err), CA_OK);
    assert_int_equal(ArrowArrayViewInitFromSchema(&view, &schema, NULL), 0);
    assert_int_equal(ArrowArrayViewSetArray(&view, batch, NULL), 0);
    for (int list = 4; list < 11; list++)
        assert_int_equal(view.children[list]->children[0]->length, 0);
    const struct ArrowArrayView *errors = view.children[11]->children[0];
    assert_int_equal(errors->length, 1);
    assert_true(is_text_at(errors->children[0], 0, type));
    assert_true(is_text_at(errors->children[1], 0, message));
    assert_int_equal(ArrowArrayViewGetIntUnsafe(errors->children[2], 0), line);
    assert_int_equal(ArrowArrayViewGetIntUnsafe(errors->children[3], 0), column);
    assert_int_equal(ArrowArrayViewGetIntUnsafe(errors->children[4], 0), start_byte);
    ArrowArrayViewReset(&view);
    ArrowSchemaRelease(&schema);
}

/* C2: a SyntaxError keeps CPython's own numbers, beside the raw byte. */
static void an_error_is_a_row(void **state)
{
    static const char bytes[] = "# coding: latin-1\n\xE9\xE9 = = 2\n";
    struct pool_file *l = pool_file_new("broken.py", bytes, sizeof bytes - 1);
    struct cpython_result result = pool_run(*state, l);
    assert_error_row(&result.layers[CPYTHON_AST].batch, "SyntaxError", "invalid syntax", 2, 6, 23);
    cpython_result_done(&result);
    pool_file_free(l);
}

/* C8: CPython counts characters or UTF-8 bytes, as the error and the version would have it; the raw byte is the same
 * one. */
static void errors_have_raw_places(void **state)
{
    static const struct {
        const char *bytes;
        int64_t ast, symtable;
    } cases[] = {
        {"\xC3\xA9\xC3\xA9 = = 2\n", 7, 7},
        {"\xEF\xBB\xBF\xC3\xA9\xC3\xA9 = = 2\n", 10, 10},
        {"'\xC3\xA9\xC3\xA9' x\n", 7, 7},
        {"# coding: latin-1\n'\xE9\xE9' x\n", 23, 23},
        {"def f(x):\n  '\xC3\xA9\xC3\xA9'; global x\n", -1, 20},
        {"# coding: latin-1\ndef f(x):\n  '\xE9\xE9'; global x\n", -1, 36},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct pool_file *l = pool_file_new("broken.py", cases[i].bytes, strlen(cases[i].bytes));
        struct cpython_result result = pool_run(*state, l);
        assert_int_equal(result.layers[CPYTHON_AST].start_byte, cases[i].ast);
        assert_int_equal(result.layers[CPYTHON_SYMTABLE].start_byte, cases[i].symtable);
        cpython_result_done(&result);
        pool_file_free(l);
    }
}

/* Only what is asked for is answered. */
static void layers_are_chosen(void **state)
{
    struct pool_file *l = pool_file_new("one.py", "y = 1\n", 6);
    struct cpython_result result = {0};
    struct ca_error err;
    assert_int_equal(cpython_pool_run_file(*state, 0, &l->file, 1u << CPYTHON_SYMTABLE, &result, &err), CA_OK);
    assert_null(result.layers[CPYTHON_AST].batch.release);
    assert_non_null(result.layers[CPYTHON_SYMTABLE].batch.release);
    cpython_result_done(&result);
    assert_int_equal(cpython_pool_run_file(*state, 1, &l->file, CPYTHON_ALL_LAYERS, &result, &err), CA_ERR_BUG);
    l->file.failure = g_strdup("permission denied");
    g_free(l->file.raw);
    l->file.raw = NULL;
    assert_int_equal(cpython_pool_run_file(*state, 0, &l->file, CPYTHON_ALL_LAYERS, &result, &err), CA_OK);
    assert_int_equal(result.layers[CPYTHON_AST].status, CPYTHON_FAILED);
    assert_string_equal(result.layers[CPYTHON_AST].reason, "permission denied");
    cpython_result_done(&result);
    g_free(l->file.failure);
    pool_file_free(l);
}

/* ---- depth and size -----------------------------------------------------------------------------------------------
 */

/* CPython 3.9 and 3.10 build trees of any depth, later ones refuse; both is an answer, a dead worker is not. */
static void deep_code_does_not_kill(void **state)
{
    enum { DEPTH = 100000 };
    static const struct {
        const char *before, *part, *after;
        const char *reason;    /* NULL: the depth may be fine */
        const char *or_reason; /* where it is not */
    } cases[] = {
        {"x = ", "(", "1", "SyntaxError: too many nested parentheses", NULL},
        {"x = ", "[", "]", "SyntaxError: too many nested parentheses", NULL},
        {"x", ".a", "\n", NULL, "RecursionError: maximum recursion depth exceeded during ast construction"},
        {"x", "()", "\n", NULL, "RecursionError: maximum recursion depth exceeded during ast construction"},
        {"x = 1", " + 1", "\n", NULL, "RecursionError: maximum recursion depth exceeded during ast construction"},
        {"x = ", "not ", "1\n", "MemoryError", NULL},
        {"if 1: pass\n", "elif 1: pass\n", "", "MemoryError", NULL},
    };
    struct cpython_pool *pool = *state;
    const int64_t pid = cpython_pool_worker_pid(pool, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct pool_file *l =
            pool_file_of("deep.py", pool_text_repeat(cases[i].before, cases[i].part, DEPTH, cases[i].after));
        struct cpython_result result = pool_run(pool, l);
        const struct cpython_layer_result *ast = &result.layers[CPYTHON_AST];
        print_message("%s: %s %s\n", cases[i].part, cpython_status_name(ast->status),
                      ast->reason != NULL ? ast->reason : "");
        assert_false(ast->is_budget);
        if (cases[i].reason != NULL)
            assert_true(ast->reason != NULL && g_str_has_prefix(ast->reason, cases[i].reason));
        else if (ast->status != CPYTHON_OK)
            assert_string_equal(ast->reason, cases[i].or_reason);
        else
            assert_true(ast->n_facts > DEPTH);
        cpython_result_done(&result);
        pool_file_free(l);
    }
    assert_int_equal(cpython_pool_worker_pid(pool, 0), pid);
    pool_assert_works(pool);
}

/* A module of 6 MB is read like any other. */
static void a_large_module_is_read(void **state)
{
    (void)state;
    struct cpython_pool *pool = pool_new((struct cpython_options){.n_workers = 1});
    struct pool_file *l = pool_file_of("large.py", pool_text_module(6 * MIB));
    struct cpython_result result = pool_run(pool, l);
    assert_int_equal(result.layers[CPYTHON_AST].status, CPYTHON_OK);
    assert_true(result.layers[CPYTHON_AST].n_facts > 500000);
    assert_int_equal(result.layers[CPYTHON_SYMTABLE].status, CPYTHON_OK);
    assert_true(cpython_pool_peak_bytes(pool) > 6 * MIB);
    cpython_result_done(&result);
    pool_file_free(l);
    pool_assert_works(pool);
    cpython_pool_close(pool);
}

/* Decision 14: a file that wants more memory than a worker may have costs that file, and the run is marked. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct cpython_pool *pool = pool_new((struct cpython_options){.n_workers = 1, .memory_limit_bytes = 48 * MIB});
    struct pool_file *l = pool_file_of("large.py", pool_text_module(2 * MIB));
    struct cpython_result result = pool_run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_FAILED);
        assert_true(result.layers[i].is_budget);
        assert_string_equal(result.layers[i].reason, "budget: more than 48 MiB of memory");
        assert_null(result.layers[i].batch.release);
    }
    cpython_result_done(&result);
    pool_file_free(l);
    pool_assert_works(pool);
    /* One allocation that does not fit leaves the peak low: four bytes a character, of a file of a seventh of the
     * limit. */
    GString *wide = g_string_new("x = '\xF0\x9F\x98\x80");
    g_string_set_size(wide, 7 * MIB);
    memset(wide->str + 9, 'a', wide->len - 9);
    g_string_append(wide, "'\n");
    l = pool_file_of("wide.py", wide);
    result = pool_run(pool, l);
    for (int i = 0; i < CPYTHON_N_LAYERS; i++) {
        assert_int_equal(result.layers[i].status, CPYTHON_FAILED);
        assert_true(result.layers[i].is_budget);
        assert_string_equal(result.layers[i].reason, "budget: more than 48 MiB of memory");
    }
    cpython_result_done(&result);
    pool_file_free(l);
    pool_assert_works(pool);
    /* The parser's own MemoryError is no budget, also when memory is short. */
    l = pool_file_of("deep.py", pool_text_repeat("x = ", "not ", 100000, "1\n"));
    result = pool_run(pool, l);
    assert_false(result.layers[CPYTHON_AST].is_budget);
    cpython_result_done(&result);
    pool_file_free(l);
    cpython_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_files_are_facts),     cmocka_unit_test(an_error_is_a_row),
        cmocka_unit_test(errors_have_raw_places),  cmocka_unit_test(layers_are_chosen),
        cmocka_unit_test(deep_code_does_not_kill), cmocka_unit_test(a_large_module_is_read),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, pool_set_up, pool_tear_down);
}
