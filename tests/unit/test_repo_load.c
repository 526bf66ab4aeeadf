/* tests/unit/test_repo_load.c — the room `repo`: requirement C1, what loading a file says of its bytes.
 *
 * Expected encodings, texts and offsets are CPython 3.11's; tests/oracle/compare_encoding.py makes the wide comparison
 * with CPython and git, this file keeps one case of each kind and what the two cannot say.
 */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/codec.h"
#include "repo/repo.h"
#include "support/tree.h"

#define MAX_BYTES ((size_t)1 << 24)

/* ---- loading --------------------------------------------------------------------------------------------------- */

static void load_one(const struct tree *s, const void *bytes, size_t n, struct repo_file *ret)
{
    static struct repo_scan *scan = NULL; /* the entry is not looked at after the load */
    tree_write_bytes(s, "one.py", bytes, n);
    struct repo_project project = {.root = s->root};
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_scan_n_entries(scan), 1);
    assert_int_equal(repo_file_load(scan, 0, MAX_BYTES, ret, &err), CA_OK);
    ret->entry = NULL;
    repo_scan_close(scan);
    scan = NULL;
}

#define BOM "\xef\xbb\xbf"
#define BYTES(text) (text), sizeof(text) - 1

/* C1: PEP 263 as the compiler has it. Decision 13: what is wrong with a cookie has the place of the name in it. */
static void test_declarations(void **state)
{
    const struct tree *s = *state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *encoding;
        const char *want_error;
        int64_t error_byte;
    } cases[] = {
        {BYTES(""), "utf-8", NULL, -1},
        {BYTES("x = 1\n"), "utf-8", NULL, -1},
        {BYTES(BOM "x = 1\n"), "utf-8", NULL, -1},
        {BYTES("# coding: latin-1\n"), "iso-8859-1", NULL, -1},
        {BYTES("# -*- coding: Latin_1-dos -*-\n"), "iso-8859-1", NULL, -1},
        {BYTES("# vim: set fileencoding=UTF_8-unix :\n"), "utf-8", NULL, -1},
        {BYTES("#!/usr/bin/python\n# coding=cp1252\n"), "cp1252", NULL, -1},
        {BYTES("\r# coding=cp1252\n"), "cp1252", NULL, -1},
        {BYTES(" \t\f\r\n \f# coding=Shift_JIS"), "Shift_JIS", NULL, -1},
        {BYTES("x = 1\n# coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("\n\n# coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("x = 1 # coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("\v# coding: foo\n"), "utf-8", NULL, -1},
        {BYTES("# coding : foo\n"), "utf-8", NULL, -1},
        {BYTES("# coding coding:\tcp1252 coding: foo\n"), "cp1252", NULL, -1},
        {BYTES("# \xe9 coding: latin-1\n"), "iso-8859-1", NULL, -1}, /* tokenize refuses, the compiler does not */
        {BYTES("# coding: latin\xc3\xa9\n"), "latin", NULL, -1},
        {BYTES("# coding: utf8\n"), "utf8", NULL, -1},
        {BYTES("# coding: rot13\n"), "rot13", NULL, -1},
        {BYTES(BOM "# coding: utf-8\n"), "utf-8", NULL, -1},
        {BYTES(BOM "# coding: utf8\n"), NULL, "encoding problem: utf8 with BOM", 13},
        {BYTES(BOM "# coding: latin-1\n"), NULL, "encoding problem: iso-8859-1 with BOM", 13},
        {BYTES(BOM "# coding: foo\n"), NULL, "encoding problem: foo with BOM", 13},
        {BYTES("# coding: foo\n"), NULL, "unknown encoding: foo", 10},
        {BYTES("# coding: cp.1252\n"), NULL, "unknown encoding: cp.1252", 10},
        {BYTES("# coding: aliases\n"), NULL, "unknown encoding: aliases", 10},
        {BYTES("# coding:-\n"), NULL, "unknown encoding: -", 9},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct repo_file f = {0};
        load_one(s, cases[i].bytes, cases[i].n, &f);
        if (g_strcmp0(f.encoding, cases[i].encoding) != 0 || g_strcmp0(f.encoding_error, cases[i].want_error) != 0)
            fail_msg("case %zu: '%s', '%s'", i, f.encoding, f.encoding_error);
        if (f.encoding_error != NULL)
            assert_int_equal(f.error_byte, cases[i].error_byte);
        assert_int_equal(f.has_bom, g_str_has_prefix(cases[i].bytes, BOM));
        assert_int_equal(f.map != NULL, f.encoding != NULL && f.decode_error == NULL);
        repo_file_done(&f);
        repo_file_done(&f);
    }
}

static void test_unknown_name_is_cut(void **state)
{
    const struct tree *s = *state;
    g_autofree char *name = g_strnfill(1000000, 'x');
    g_autofree char *text = g_strdup_printf("# coding: %s\n", name);
    g_autofree char *want = g_strdup_printf("unknown encoding: %.80s...", name);
    struct repo_file f = {0};
    load_one(s, text, strlen(text), &f);
    assert_string_equal(f.encoding_error, want);
    repo_file_done(&f);
}

/* C1, C8: texts and offsets are those of bytes.decode() in CPython 3.11; `raw_byte` is where `utf8_byte` of the text
 * begins. */
static void test_decoding(void **state)
{
    const struct tree *s = *state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *text; /* NULL: it does not decode */
        int64_t utf8_byte;
        int64_t raw_byte;
        bool is_ascii;
        const char *want_error;
        int64_t error_byte;
    } cases[] = {
        {BYTES("x = 1\n"), "x = 1\n", 4, 4, true, NULL, -1},
        {BYTES(BOM "x = 1\n"), "x = 1\n", 4, 7, false, NULL, -1},
        {BYTES("# coding: ascii\nx"), "# coding: ascii\nx", 16, 16, true, NULL, -1},
        {BYTES("'\xc3\xa9'+1"), "'\xc3\xa9'+1", 3, 3, false, NULL, -1},
        {BYTES("#coding:l1\n\xe9+"), "#coding:l1\n\xc3\xa9+", 13, 12, false, NULL, -1},
        {BYTES("#coding:cp1252\n\x80+"), "#coding:cp1252\n\xe2\x82\xac+", 18, 16, false, NULL, -1},
        {BYTES("#coding:shift_jis\n\x83\x5c\x5c"), "#coding:shift_jis\n\xe3\x82\xbd\\", 21, 20, false, NULL, -1},
        {BYTES("#coding:euc-jp\n\xa4\xa2z"), "#coding:euc-jp\n\xe3\x81\x82z", 18, 17, false, NULL, -1},
        {BYTES("#coding:gb18030\n\x81\x30\x81\x30z"), "#coding:gb18030\n\xc2\x80z", 18, 20, false, NULL, -1},
        {BYTES("#coding:big5\n\xa1\x45z"), "#coding:big5\n\xe2\x80\xa2z", 16, 15, false, NULL, -1},
        {BYTES("#coding:mac-roman\n\xdb"), "#coding:mac-roman\n\xe2\x82\xac", 18, 18, false, NULL, -1},
        {BYTES("#coding:iso2022_jp\n\x1b$B$\"\x1b(Bz"), "#coding:iso2022_jp\n\xe3\x81\x82z", 22, 24, false, NULL, -1},
        {BYTES("#coding:utf-7\n+AOk-z+-"), "#coding:utf-7\n\xc3\xa9z+", 16, 19, false, NULL, -1},
        {BYTES("#coding:utf-7\n+2D3eAA-z"), "#coding:utf-7\n\xf0\x9f\x98\x80z", 18, 22, false, NULL, -1},
        {BYTES("x = '\xff'\n"), NULL, 0, 0, false, "byte 0xff at offset 5 is not valid utf-8", 5},
        {BYTES(BOM "\xe2\x82"), NULL, 0, 0, false, "byte 0xe2 at offset 3 is not valid utf-8", 3},
        {BYTES("\xed\xa0\x80"), NULL, 0, 0, false, "byte 0xed at offset 0 is not valid utf-8", 0},
        {BYTES("#coding:ascii\n\x80"), NULL, 0, 0, false, "byte 0x80 at offset 14 is not valid ascii", 14},
        {BYTES("#coding:cp1252\n\x81"), NULL, 0, 0, false, "byte 0x81 at offset 15 is not valid cp1252", 15},
        {BYTES("#coding:euc_jp\n\x80"), NULL, 0, 0, false, "byte 0x80 at offset 15 is not valid euc_jp", 15},
        {BYTES("#coding:gbk\n\x80\x80"), NULL, 0, 0, false, "byte 0x80 at offset 12 is not valid gbk", 12},
        {BYTES("#coding:sjis\n\x83"), NULL, 0, 0, false, "byte 0x83 at offset 13 is not valid sjis", 13},
        {BYTES("#coding:utf-7\n+AO"), NULL, 0, 0, true, "byte 0x2b at offset 14 is not valid utf-7", 14},
        {BYTES("#coding:utf-16\n"), NULL, 0, 0, true, "byte 0x0a at offset 14 is not valid utf-16", 14},
        {BYTES("#coding:rot13\n"), NULL, 0, 0, true, "'rot13' is not a text encoding", 8},
        {BYTES("#coding:idna\n"), NULL, 0, 0, true, "the encoding 'idna' is not available, though CPython has it", 8},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct repo_file f = {0};
        load_one(s, cases[i].bytes, cases[i].n, &f);
        if (g_strcmp0(f.decode_error, cases[i].want_error) != 0 || f.error_byte != cases[i].error_byte)
            fail_msg("case %zu: '%s' at %lld", i, f.decode_error, (long long)f.error_byte);
        assert_int_equal(f.is_ascii, cases[i].is_ascii);
        assert_int_equal(f.n_raw, cases[i].n);
        assert_int_equal(f.raw[f.n_raw], 0);
        if (cases[i].text != NULL) {
            assert_int_equal(f.n_text, strlen(cases[i].text));
            assert_memory_equal(f.text, cases[i].text, f.n_text);
            assert_int_equal(position_map_n_raw(f.map), f.n_raw);
            assert_int_equal(position_raw_of_utf8(f.map, cases[i].utf8_byte), cases[i].raw_byte);
        } else {
            assert_null(f.map);
            assert_ptr_equal(f.text, f.raw + (f.has_bom ? 3 : 0));
        }
        repo_file_done(&f);
    }
}

/* Codecs that combine characters must not: CP1255 of glibc joins a letter and its point, CPython does not. */
static void test_no_combining(void **state)
{
    const struct tree *s = *state;
    struct repo_file f = {0};
    load_one(s, BYTES("#coding:cp1255\n\xe9\xc4"), &f);
    assert_int_equal(f.n_text, 19);
    assert_memory_equal(f.text + 15, "\xd7\x99\xd6\xb4", 4);
    repo_file_done(&f);
}

/* C1: lines and line breaks as CPython counts them; a form feed and U+2028 break nothing. */
static void test_lines(void **state)
{
    const struct tree *s = *state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *newline;
        int32_t n_lines;
    } cases[] = {
        {BYTES(""), "none", 0},
        {BYTES("x"), "none", 1},
        {BYTES(BOM), "none", 0},
        {BYTES("\n"), "lf", 1},
        {BYTES("a\nb"), "lf", 2},
        {BYTES("a\nb\n"), "lf", 2},
        {BYTES("a\r\nb\r\n"), "crlf", 2},
        {BYTES("a\rb"), "cr", 2},
        {BYTES("a\r\r"), "cr", 2},
        {BYTES("a\n\rb"), "mixed", 3},
        {BYTES("a\r\n\r"), "mixed", 2},
        {BYTES("1234567\r\n12345\r\n\n"), "mixed", 3},
        {BYTES("a\fb\vc\x1c\x85\xe2\x80\xa8"), "none", 1},
        {BYTES("#coding:utf-16-le \n\0"), "lf", 1},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct repo_file f = {0};
        load_one(s, cases[i].bytes, cases[i].n, &f);
        if (strcmp(repo_newline_name(f.newline), cases[i].newline) != 0 || f.n_lines != cases[i].n_lines)
            fail_msg("case %zu: %s, %d lines", i, repo_newline_name(f.newline), f.n_lines);
        repo_file_done(&f);
    }
}

/* A file that grows, shrinks, is replaced or vanishes between scan and load is what was read, or a reason. */
static void test_changes_after_scan(void **state)
{
    const struct tree *s = *state;
    static const char *const names[] = {"fifo.py", "gone.py", "grown.py", "large.py", "shrunk.py"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        tree_write(s, names[i], "x = 1\n");
    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);

    g_autofree char *fifo = tree_path(s, "fifo.py");
    g_autofree char *gone = tree_path(s, "gone.py");
    g_autofree char *grown = g_strnfill(50000, 'y');
    g_autofree char *large = g_strnfill(100001, 'z');
    assert_int_equal(unlink(fifo), 0);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    assert_int_equal(unlink(gone), 0);
    tree_write(s, "grown.py", grown);
    tree_write(s, "large.py", large);
    tree_write(s, "shrunk.py", "");

    struct repo_file files[G_N_ELEMENTS(names)] = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        assert_int_equal(repo_file_load(scan, i, 100000, &files[i], &err), CA_OK);
    assert_string_equal(files[0].failure, "not a regular file");
    assert_string_equal(files[1].failure, "vanished after the scan");
    assert_int_equal(files[2].n_raw, 50000);
    struct position_content_id id = position_content_id(grown, 50000);
    assert_memory_equal(&files[2].content_id, &id, sizeof(id));
    assert_string_equal(files[3].failure, "larger than 100000 bytes");
    assert_null(files[3].raw);
    assert_null(files[4].failure);
    assert_int_equal(files[4].n_raw, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        repo_file_done(&files[i]);
    repo_scan_close(scan);
}

static void test_max_bytes_is_allowed(void **state)
{
    const struct tree *s = *state;
    tree_write(s, "a.py", "x = 1\n");
    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    struct repo_file f = {0};
    struct ca_error err;
    assert_int_equal(repo_scan_open(&project, &scan, &err), CA_OK);
    assert_int_equal(repo_file_load(scan, 0, 6, &f, &err), CA_OK);
    assert_null(f.failure);
    repo_file_done(&f);
    assert_int_equal(repo_file_load(scan, 0, 5, &f, &err), CA_OK);
    assert_string_equal(f.failure, "larger than 5 bytes");
    repo_file_done(&f);
    repo_scan_close(scan);
}

static gpointer load_all(gpointer data)
{
    const struct repo_scan *scan = data;
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    for (size_t i = 0; i < repo_scan_n_entries(scan); i++) {
        struct repo_file f = {0};
        if (repo_file_load(scan, i, MAX_BYTES, &f, NULL) == CA_OK)
            g_checksum_update(sum, f.text, (gssize)f.n_text);
        repo_file_done(&f);
    }
    gpointer result = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return result;
}

/* Several threads may load from one scan. */
static void test_threads(void **state)
{
    const struct tree *s = *state;
    for (int i = 0; i < 50; i++) {
        g_autofree char *name = g_strdup_printf("d%d/f%d.py", i % 7, i);
        g_autofree char *text = g_strdup_printf("#coding:%s\n\xb1\xe9%d", i % 2 ? "latin-1" : "euc-kr", i);
        tree_write(s, name, text);
    }
    struct repo_project project = {.root = s->root};
    struct repo_scan *scan = NULL;
    assert_int_equal(repo_scan_open(&project, &scan, NULL), CA_OK);
    GThread *threads[4];
    g_autofree char *want = load_all(scan);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("load", load_all, scan);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_autofree char *got = g_thread_join(threads[i]);
        assert_string_equal(got, want);
    }
    repo_scan_close(scan);
}

/* Each alias leads to its codec, in the spellings CPython allows. */
static void test_codec_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *codec;
    } cases[] = {
        {"utf-8", "utf_8"},
        {"U8", "utf_8"},
        {"cp65001", "utf_8"},
        {"Windows-1252", "cp1252"},
        {"--latin 1", "latin_1"},
        {"iso8859.1", "latin_1"},
        {"ISO_8859-15", "iso8859_15"},
        {"ansi_x3.4-1968", "ascii"},
        {"646", "ascii"},
        {"ms-kanji", "cp932"},
        {"UHC", "cp949"},
        {"hex", "hex_codec"},
        {"", NULL},
        {"utf_8.1", NULL},
        {"mbcs", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const struct repo_codec *codec = repo_codec_find(cases[i].name);
        if (g_strcmp0(codec != NULL ? codec->name : NULL, cases[i].codec) != 0)
            fail_msg("'%s' is '%s'", cases[i].name, codec != NULL ? codec->name : "unknown");
    }
}

#define IN_TREE(f) cmocka_unit_test_setup_teardown(f, tree_set_up, tree_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(test_declarations),
        IN_TREE(test_unknown_name_is_cut),
        IN_TREE(test_decoding),
        IN_TREE(test_no_combining),
        IN_TREE(test_lines),
        IN_TREE(test_changes_after_scan),
        IN_TREE(test_max_bytes_is_allowed),
        IN_TREE(test_threads),
        cmocka_unit_test(test_codec_names),
    };
    return cmocka_run_group_tests(tests, tree_group_set_up, tree_group_tear_down);
}
