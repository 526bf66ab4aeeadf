/* tests/unit/test_base.c — errors, files, fingerprints, the log hook. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/fingerprint.h"
#include "base/log.h"

static char scratch[64];

static int make_scratch(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/ca-test-base-XXXXXX");
    return mkdtemp(scratch) == NULL;
}

static int remove_scratch(void **state)
{
    (void)state;
    return file_remove_tree(scratch, NULL);
}

/* A path inside the scratch folder; the caller frees it. */
static char *in_scratch(const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", scratch, name) < 0)
        abort();
    return path;
}

/* ---- error ------------------------------------------------------------------------------------------------------ */

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(ca_status_name(CA_OK), "CA_OK");
    assert_string_equal(ca_status_name(CA_ERR_DRIFT), "CA_ERR_DRIFT");
    assert_string_equal(ca_status_name(CA_ERR_BUG), "CA_ERR_BUG");
    assert_string_equal(ca_status_name(99), "CA_ERR_BUG");
    assert_string_equal(ca_status_name(-1), "CA_ERR_BUG");
}

static void test_fail_fills_code_and_message(void **state)
{
    (void)state;
    struct ca_error err = {0};
    assert_int_equal(ca_fail(&err, CA_ERR_IO, "cannot read '%s'", "x.yaml"), CA_ERR_IO);
    assert_int_equal(err.code, CA_ERR_IO);
    assert_string_equal(err.message, "cannot read 'x.yaml'");
    assert_int_equal(ca_fail(NULL, CA_ERR_IO, "nobody listens"), CA_ERR_IO);
    assert_int_equal(ca_fail_errno(&err, CA_ERR_IO, ENOENT, "cannot open 'y'"), CA_ERR_IO);
    assert_string_equal(err.message, "cannot open 'y': No such file or directory");
}

static void test_context_goes_in_front_and_keeps_the_code(void **state)
{
    (void)state;
    struct ca_error err = {0};
    int rc = ca_fail(&err, CA_ERR_SYNTAX, "line 3");
    rc = ca_fail_context(&err, rc, "load contract '%s'", "x.yaml");
    rc = ca_fail_context(&err, rc, "build 'repo'");
    assert_int_equal(rc, CA_ERR_SYNTAX);
    assert_string_equal(err.message, "build 'repo': load contract 'x.yaml': line 3");
    assert_int_equal(ca_fail_context(NULL, CA_ERR_IO, "x"), CA_ERR_IO);
}

/* Cut visibly, and never inside a character: "ä" is two bytes, one of which would be left over. */
static void test_long_messages_are_cut_visibly(void **state)
{
    (void)state;
    static char text[6001];
    for (size_t i = 0; i < 3000; i++)
        memcpy(text + 2 * i, "\xC3\xA4", 2);
    for (int shift = 0; shift < 4; shift++) {
        struct ca_error err = {0};
        ca_fail(&err, CA_ERR_IO, "%.*s%s", shift, "abc", text);
        size_t n = strlen(err.message);
        assert_true(n < sizeof err.message && n > sizeof err.message - 6);
        assert_string_equal(err.message + n - 3, "...");
        assert_int_equal((unsigned char)err.message[n - 4], 0xA4);
        ca_fail_context(&err, CA_ERR_IO, "once more");
        n = strlen(err.message);
        assert_string_equal(err.message + n - 3, "...");
        assert_int_equal((unsigned char)err.message[n - 4], 0xA4);
        assert_memory_equal(err.message, "once more: ", 11);
    }
}

/* ---- file ------------------------------------------------------------------------------------------------------- */

static void test_read_bounded(void **state)
{
    (void)state;
    struct ca_error err = {0};
    CA_AUTOFREE char *path = in_scratch("read");
    CA_AUTOFREE char *text = NULL;
    CA_AUTOFREE char *expected = NULL;
    size_t n = 77;

    assert_int_equal(file_read_bounded(path, 10, &text, &n, &err), CA_ERR_NOT_FOUND);
    assert_true(asprintf(&expected, "cannot open '%s': No such file or directory", path) > 0);
    assert_string_equal(err.message, expected);
    assert_null(text);
    assert_int_equal(n, 77);

    assert_int_equal(file_write_atomic(path, "a\0b", 3, &err), CA_OK);
    assert_int_equal(file_read_bounded(path, 3, &text, &n, &err), CA_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(text, "a\0b\0", 4);

    CA_AUTOFREE char *none = NULL;
    assert_int_equal(file_read_bounded(path, 2, &none, &n, &err), CA_ERR_RESOURCES);
    assert_non_null(strstr(err.message, "has 3 bytes, the limit is 2"));
    assert_int_equal(file_read_bounded(scratch, 100, &none, &n, &err), CA_ERR_IO);
    assert_non_null(strstr(err.message, "not a regular file"));

    CA_AUTOFREE char *fifo = in_scratch("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(file_read_bounded(fifo, 100, &none, &n, &err), CA_ERR_IO); /* and does not hang */

    /* /proc says that its files are empty. */
    CA_AUTOFREE char *proc = NULL;
    assert_int_equal(file_read_bounded("/proc/self/status", 1 << 20, &proc, &n, &err), CA_OK);
    assert_true(n > 100);
}

static void test_write_atomic_replaces_or_leaves(void **state)
{
    (void)state;
    struct ca_error err = {0};
    CA_AUTOFREE char *path = in_scratch("atomic");
    CA_AUTOFREE char *text = NULL;
    size_t n = 0;
    assert_int_equal(file_write_atomic(path, "old", 3, &err), CA_OK);
    assert_int_equal(file_write_atomic(path, "newer", 5, &err), CA_OK);
    assert_int_equal(file_read_bounded(path, 100, &text, &n, &err), CA_OK);
    assert_string_equal(text, "newer");

    CA_AUTOFREE char *nowhere = in_scratch("no/such/folder");
    assert_int_equal(file_write_atomic(nowhere, "x", 1, &err), CA_ERR_IO);

    /* The name is taken by a folder that is not empty: rename fails, and no temporary file is left. */
    CA_AUTOFREE char *folder = in_scratch("taken");
    CA_AUTOFREE char *inside = in_scratch("taken/x");
    assert_int_equal(file_make_dirs(inside, &err), CA_OK);
    assert_int_equal(file_write_atomic(folder, "x", 1, &err), CA_ERR_IO);
    CA_AUTOFREE char *command = NULL;
    assert_true(asprintf(&command, "test -z \"$(ls -A %s | grep tmp)\"", scratch) > 0);
    assert_int_equal(system(command), 0);
}

static void test_make_dirs(void **state)
{
    (void)state;
    struct ca_error err = {0};
    CA_AUTOFREE char *path = in_scratch("a/b//c/");
    assert_int_equal(file_make_dirs(path, &err), CA_OK);
    assert_int_equal(file_make_dirs(path, &err), CA_OK);
    CA_AUTOFREE char *file = in_scratch("a/file");
    CA_AUTOFREE char *below = in_scratch("a/file/x");
    assert_int_equal(file_write_atomic(file, "", 0, &err), CA_OK);
    assert_int_equal(file_make_dirs(below, &err), CA_ERR_IO);
    assert_non_null(strstr(err.message, "there is a file of that name"));
    assert_int_equal(file_make_dirs("", &err), CA_ERR_INVALID);
}

/* Deeper than PATH_MAX and than any stack of descriptors. */
static void test_remove_tree_of_any_depth(void **state)
{
    (void)state;
    struct ca_error err = {0};
    CA_AUTOFREE char *path = in_scratch("deep");
    assert_int_equal(mkdir(path, 0777), 0);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(mkdirat(fd, i % 2 == 0 ? "even" : "odd", 0777), 0);
        int file = openat(fd, "file", O_WRONLY | O_CREAT, 0666);
        assert_true(file >= 0);
        close(file);
        int next = openat(fd, i % 2 == 0 ? "even" : "odd", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_int_equal(file_remove_tree(path, &err), CA_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(file_remove_tree(path, &err), CA_OK); /* nothing there is fine */
}

static void test_remove_tree_follows_no_symlink(void **state)
{
    (void)state;
    struct ca_error err = {0};
    CA_AUTOFREE char *kept = in_scratch("kept/file");
    CA_AUTOFREE char *kept_dir = in_scratch("kept");
    CA_AUTOFREE char *tree = in_scratch("tree/sub");
    CA_AUTOFREE char *link = in_scratch("tree/sub/link");
    CA_AUTOFREE char *top = in_scratch("tree");
    CA_AUTOFREE char *outer = in_scratch("outer");
    assert_int_equal(file_make_dirs(kept_dir, &err), CA_OK);
    assert_int_equal(file_write_atomic(kept, "x", 1, &err), CA_OK);
    assert_int_equal(file_make_dirs(tree, &err), CA_OK);
    assert_int_equal(symlink(kept_dir, link), 0);
    assert_int_equal(symlink(kept_dir, outer), 0);
    assert_int_equal(file_remove_tree(top, &err), CA_OK);
    assert_int_equal(file_remove_tree(outer, &err), CA_OK);
    assert_int_equal(access(kept, F_OK), 0);
}

/* ---- fingerprint ------------------------------------------------------------------------------------------------ */

/* Expected values: python-xxhash 3, xxh3_128_hexdigest. */
static void test_fingerprint_vectors(void **state)
{
    (void)state;
    char hex[FINGERPRINT_HEX_SIZE];
    fingerprint_of(NULL, 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    fingerprint_of("a", 1, hex);
    assert_string_equal(hex, "a96faf705af16834e6c632b61e964e1f");
    CA_AUTOPTR(fingerprint) f = fingerprint_new();
    for (int i = 0; i < 1000; i++)
        fingerprint_add(f, "codeanatomy", 11);
    fingerprint_hex(f, hex);
    assert_string_equal(hex, "943a82b99785e0bb439a6cbf3a436b98");
    fingerprint_hex(f, hex);
    assert_string_equal(hex, "943a82b99785e0bb439a6cbf3a436b98");
}

static void test_fingerprint_of_texts_keeps_them_apart(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"abc", NULL}, {"", "abc"}};
    char hex[5][FINGERPRINT_HEX_SIZE];
    for (size_t i = 0; i < 5; i++) {
        CA_AUTOPTR(fingerprint) f = fingerprint_new();
        fingerprint_add_text(f, pairs[i][0]);
        fingerprint_add_text(f, pairs[i][1]);
        fingerprint_hex(f, hex[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(hex[i], hex[j]);
    }
}

/* ---- log -------------------------------------------------------------------------------------------------------- */

struct seen {
    _Atomic int n_events;
    char last[200];
};

static void sink(void *data, const struct log_event *event)
{
    struct seen *seen = data;
    if (seen->n_events++ > 0)
        return;
    int n = snprintf(seen->last, sizeof seen->last, "%d %s %s", (int)event->level, event->room, event->what);
    for (size_t i = 0; i < event->n_pairs; i++)
        n += snprintf(seen->last + n, sizeof seen->last - (size_t)n, " %s=%s", event->pairs[i].key,
                      event->pairs[i].value);
}

static void *emit_many(void *data)
{
    (void)data;
    for (int i = 0; i < 1000; i++)
        log_emit(LOG_INFO, "test", "x", NULL);
    return NULL;
}

static void test_log_hands_events_to_the_sink(void **state)
{
    (void)state;
    struct seen seen = {0};
    log_emit(LOG_ERROR, "repo", "nobody listens", NULL);
    log_set(sink, &seen, LOG_INFO);
    assert_true(log_is_on(LOG_INFO));
    assert_false(log_is_on(LOG_DEBUG));
    log_emit(LOG_DEBUG, "repo", "not for you", NULL);
    log_emit(LOG_INFO, "repo", "scan finished", "n_files", "12", "root", (const char *)NULL, NULL);
    assert_int_equal(seen.n_events, 1);
    assert_string_equal(seen.last, "3 repo scan finished n_files=12 root=");

    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, emit_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_set(NULL, NULL, LOG_TRACE);
    log_emit(LOG_ERROR, "repo", "nobody listens", NULL);
    assert_int_equal(seen.n_events, 4001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_names),
        cmocka_unit_test(test_fail_fills_code_and_message),
        cmocka_unit_test(test_context_goes_in_front_and_keeps_the_code),
        cmocka_unit_test(test_long_messages_are_cut_visibly),
        cmocka_unit_test(test_read_bounded),
        cmocka_unit_test(test_write_atomic_replaces_or_leaves),
        cmocka_unit_test(test_make_dirs),
        cmocka_unit_test(test_remove_tree_of_any_depth),
        cmocka_unit_test(test_remove_tree_follows_no_symlink),
        cmocka_unit_test(test_fingerprint_vectors),
        cmocka_unit_test(test_fingerprint_of_texts_keeps_them_apart),
        cmocka_unit_test(test_log_hands_events_to_the_sink),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
