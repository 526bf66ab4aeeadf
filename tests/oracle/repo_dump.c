/* tests/oracle/repo_dump.c — what the room `repo` finds under a directory, one JSON object a line, for
 * compare_encoding.py.
 *
 *     repo_dump ROOT            every entry, loaded
 *     repo_dump --quiet ROOT    the same work, one line of figures
 */
#include <glib.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/repo.h"

#define MAX_BYTES ((size_t)1 << 30)

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

/* Offsets of the map that are checked one by one: of each character, in the file, in UTF-8 and as line and column. */
static char *map_digest(const struct repo_file *f)
{
    if (f->map == NULL)
        return NULL;
    g_autoptr(GChecksum) digest = g_checksum_new(G_CHECKSUM_SHA256);
    for (size_t i = 0; i < f->n_text; i++) {
        if ((f->text[i] & 0xc0) == 0x80)
            continue;
        int64_t line = -1;
        int64_t column = -1;
        int64_t raw = position_raw_of_utf8(f->map, (int64_t)i);
        (void)position_line_column_of_raw(f->map, POSITION_LINES_CPYTHON, raw, POSITION_CODE_POINT, &line, &column);
        char row[96];
        int n = snprintf(row, sizeof(row), "%zu %lld %lld\n", i, (long long)line, (long long)column);
        g_checksum_update(digest, (const guchar *)row, n);
    }
    return g_strdup(g_checksum_get_string(digest));
}

static void print_file(const struct repo_file *f)
{
    g_autofree char *sha256 =
        f->map != NULL ? g_compute_checksum_for_data(G_CHECKSUM_SHA256, f->text, f->n_text) : NULL;
    g_autofree char *map = map_digest(f);
    json_t *row = json_pack(
        "{s:s, s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:I, s:o, s:o, s:s, s:i, s:s, s:b, s:I}", "path", f->entry->path,
        "failure", text_or_null(f->failure), "is_stub", f->entry->is_stub, "has_git", f->entry->has_git, "is_tracked",
        f->entry->is_tracked, "is_ascii", f->is_ascii, "encoding", text_or_null(f->encoding), "encoding_error",
        text_or_null(f->encoding_error), "decode_error", text_or_null(f->decode_error), "error_byte",
        (json_int_t)f->error_byte, "text_sha256", text_or_null(sha256), "map_sha256", text_or_null(map), "newline",
        repo_newline_name(f->newline), "n_lines", (int)f->n_lines, "git_blob", f->git_blob, "has_bom", f->has_bom,
        "map_n_lines", (json_int_t)(f->map != NULL ? position_map_n_lines(f->map, POSITION_LINES_CPYTHON) : -1));
    json_dumpf(row, stdout, JSON_COMPACT);
    json_decref(row);
    putchar('\n');
}

int main(int argc, char **argv)
{
    bool is_quiet = argc == 3 && strcmp(argv[1], "--quiet") == 0;
    if (argc != 2 + is_quiet) {
        fputs("usage: repo_dump [--quiet] ROOT\n", stderr);
        return 2;
    }
    struct ca_error err;
    struct repo_project project = {0};
    struct repo_scan *scan = NULL;
    if (repo_project_load(argv[argc - 1], &project, &err) != CA_OK || repo_scan_open(&project, &scan, &err) != CA_OK) {
        fprintf(stderr, "%s\n", err.message);
        repo_project_done(&project);
        return 1;
    }
    int status = 0;
    size_t n_bytes = 0;
    gint64 start = g_get_monotonic_time();
    for (size_t i = 0; status == 0 && i < repo_scan_n_entries(scan); i++) {
        struct repo_file f = {0};
        if (repo_file_load(scan, i, MAX_BYTES, &f, &err) != CA_OK) {
            fprintf(stderr, "%s\n", err.message);
            status = 1;
            continue;
        }
        n_bytes += f.n_raw;
        if (!is_quiet)
            print_file(&f);
        repo_file_done(&f);
    }
    if (is_quiet)
        printf("%zu files, %zu bytes, loaded in %.3f s\n", repo_scan_n_entries(scan), n_bytes,
               (double)(g_get_monotonic_time() - start) / 1e6);
    repo_scan_close(scan);
    repo_project_done(&project);
    return status;
}
