/* repo/load.c — one file: read, hashed, decoded.
 *
 * The file is read to its end once, and everything after that looks at these bytes, so a file that shrinks, grows or
 * changes after the scan is what was read, and one that is gone is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/declaration.h"
#include "repo/scan.h"

/* Offsets are 32 bits (position/map.c, tree-sitter, SCIP), and text may be three times as long in UTF-8. */
#define FILE_MAX_BYTES ((size_t)1 << 30)

/* ---- bytes ----------------------------------------------------------------------------------------------------- */

/* A descriptor, or -1 with *ret_failure set, or -1 with the error of a limit of ours in err. */
static int open_entry(const struct repo_scan *s, const struct scan_entry *e, char **ret_failure, struct ca_error *err)
{
    g_autofree char *target = NULL;
    if (e->is_link) {
        target = repo_tree_follow(&s->tree, e->entry.os_path, ret_failure);
        if (target == NULL)
            return -1;
    }
    int fd = repo_tree_open_at(&s->tree, target != NULL ? target : e->entry.os_path, O_RDONLY);
    if (fd >= 0)
        return fd;
    if (repo_errno_is_ours(-fd))
        (void)ca_fail(err, CA_ERR_RESOURCES, "open '%s': %s", e->entry.path, repo_errno_text(-fd));
    else if (fd == -ENOENT || fd == -ENOTDIR)
        *ret_failure = g_strdup("vanished after the scan");
    else if (fd == -ELOOP)
        *ret_failure = g_strdup("became a link after the scan");
    else
        *ret_failure = g_strdup_printf("cannot be read: %s", repo_errno_text(-fd));
    return -1;
}

/* Read to the end; room for one byte more than is wanted tells a file of max_bytes from a larger one. */
static int read_whole(int fd, size_t max_bytes, struct repo_file *f, struct ca_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        f->failure = g_strdup_printf("cannot be read: %s", repo_errno_text(errno));
        return CA_OK;
    }
    if (!S_ISREG(st.st_mode)) {
        f->failure = g_strdup("not a regular file");
        return CA_OK;
    }

    max_bytes = MIN(max_bytes, FILE_MAX_BYTES);
    uint64_t expected = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    bool is_too_large = expected > max_bytes;
    size_t n_allocated = is_too_large ? 0 : (size_t)expected + 2;
    uint8_t *raw = is_too_large ? NULL : malloc(n_allocated);
    size_t n = 0;
    while (!is_too_large && raw != NULL) {
        if (n + 1 == n_allocated) { /* it grew */
            size_t larger = n_allocated + n_allocated / 2 + 4096;
            uint8_t *moved = realloc(raw, larger);
            if (moved == NULL) {
                free(raw);
                raw = NULL;
                break;
            }
            raw = moved;
            n_allocated = larger;
        }
        ssize_t n_read = read(fd, raw + n, n_allocated - 1 - n);
        if (n_read < 0 && errno == EINTR)
            continue;
        if (n_read < 0) {
            f->failure = g_strdup_printf("cannot be read: %s", repo_errno_text(errno));
            free(raw);
            return CA_OK;
        }
        if (n_read == 0)
            break;
        n += (size_t)n_read;
        is_too_large = n > max_bytes;
    }
    if (is_too_large) {
        free(raw);
        f->failure = g_strdup_printf("larger than %zu bytes", max_bytes);
        return CA_OK;
    }
    if (raw == NULL)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory to read '%s'", f->entry->path);
    raw[n] = '\0';
    f->raw = raw;
    f->n_raw = n;
    return CA_OK;
}

/* What `git hash-object` prints for these bytes. */
static void hash_blob(struct repo_file *f)
{
    char header[32];
    int n = snprintf(header, sizeof(header), "blob %zu", f->n_raw);
    g_autoptr(GChecksum) sha1 = g_checksum_new(G_CHECKSUM_SHA1);
    g_checksum_update(sha1, (const guchar *)header, n + 1);
    for (size_t at = 0; at < f->n_raw;) { /* lengths are gssize there */
        size_t part = MIN(f->n_raw - at, (size_t)1 << 30);
        g_checksum_update(sha1, f->raw + at, (gssize)part);
        at += part;
    }
    g_strlcpy(f->git_blob, g_checksum_get_string(sha1), sizeof(f->git_blob));
}

/* ---- lines ----------------------------------------------------------------------------------------------------- */

struct line_facts {
    size_t n_lf;
    size_t n_cr;
    bool is_ascii;
};

/* The high bit of each byte of `word` that equals the byte repeated in `pattern`, exactly. */
static uint64_t bytes_equal(uint64_t word, uint64_t pattern)
{
    const uint64_t low7 = 0x7f7f7f7f7f7f7f7fU;
    uint64_t x = word ^ pattern;
    return ~(((x & low7) + low7) | x | low7);
}

/* Eight bytes at a time: this is the one pass over every byte that is ours. */
static struct line_facts count_breaks(const uint8_t *text, size_t n)
{
    const uint64_t high = 0x8080808080808080U;
    uint64_t any = 0;
    size_t n_lf = 0;
    size_t n_cr = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;
        memcpy(&word, text + i, 8);
        any |= word;
        n_lf += (size_t)__builtin_popcountll(bytes_equal(word, 0x0a0a0a0a0a0a0a0aU));
        n_cr += (size_t)__builtin_popcountll(bytes_equal(word, 0x0d0d0d0d0d0d0d0dU));
    }
    for (; i < n; i++) {
        any |= text[i];
        n_lf += text[i] == '\n';
        n_cr += text[i] == '\r';
    }
    return (struct line_facts){.n_lf = n_lf, .n_cr = n_cr, .is_ascii = (any & high) == 0};
}

static size_t count_crlf(const uint8_t *text, size_t n)
{
    size_t n_crlf = 0;
    const uint8_t *end = text + n;
    for (const uint8_t *at = text; (at = memchr(at, '\r', (size_t)(end - at))) != NULL;) {
        at++;
        if (at == end)
            break;
        n_crlf += *at == '\n';
    }
    return n_crlf;
}

static void set_lines(struct repo_file *f, struct line_facts facts)
{
    size_t n_crlf = facts.n_cr > 0 ? count_crlf(f->text, f->n_text) : 0;
    size_t n_lf = facts.n_lf - n_crlf;
    size_t n_cr = facts.n_cr - n_crlf;
    int n_styles = (n_lf > 0) + (n_crlf > 0) + (n_cr > 0);
    f->newline = n_styles == 0  ? REPO_NEWLINE_NONE
                 : n_styles > 1 ? REPO_NEWLINE_MIXED
                 : n_lf > 0     ? REPO_NEWLINE_LF
                 : n_crlf > 0   ? REPO_NEWLINE_CRLF
                                : REPO_NEWLINE_CR;
    uint8_t last = f->n_text > 0 ? f->text[f->n_text - 1] : '\n';
    size_t n_lines = n_lf + n_crlf + n_cr + (last != '\n' && last != '\r');
    f->n_lines = n_lines > INT32_MAX ? INT32_MAX : (int32_t)n_lines;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static int decode(struct repo_file *f, struct ca_error *err)
{
    static const uint8_t bom[] = {0xef, 0xbb, 0xbf};
    f->has_bom = f->n_raw >= sizeof(bom) && memcmp(f->raw, bom, sizeof(bom)) == 0;
    size_t n_bom = f->has_bom ? sizeof(bom) : 0;
    f->text = f->raw + n_bom;
    f->n_text = f->n_raw - n_bom;

    struct repo_declaration declaration;
    repo_declaration_read(f->text, f->n_text, f->has_bom, &declaration);
    f->encoding = declaration.encoding;
    f->encoding_error = declaration.error;
    if (f->encoding_error != NULL)
        f->error_byte = (int64_t)n_bom + declaration.cookie_byte; /* only a cookie can be wrong */
    if (f->encoding != NULL) {
        struct repo_decoded decoded;
        CA_TRY(repo_codec_decode(declaration.codec, f->encoding, f->raw, f->n_raw, n_bom, &decoded, err));
        f->decode_error = decoded.error;
        if (f->decode_error != NULL)
            f->error_byte = decoded.error_byte >= 0 ? decoded.error_byte : (int64_t)n_bom + declaration.cookie_byte;
        f->map = decoded.map;
        f->owned_text = decoded.text;
        if (decoded.text != NULL) {
            f->text = decoded.text;
            f->n_text = decoded.n_text;
        }
    }

    struct line_facts facts = count_breaks(f->text, f->n_text);
    set_lines(f, facts);
    /* ASCII bytes of UTF-7 or ISO-2022-JP are other characters: their maps are not the identity. */
    f->is_ascii = facts.is_ascii && !f->has_bom && f->owned_text == NULL;
    return CA_OK;
}

static int load(const struct repo_scan *s, const struct scan_entry *e, size_t max_bytes, struct repo_file *f,
                struct ca_error *err)
{
    f->entry = &e->entry;
    f->error_byte = -1;
    if (e->entry.failure != NULL) {
        f->failure = g_strdup(e->entry.failure);
        return CA_OK;
    }
    int fd = open_entry(s, e, &f->failure, err);
    if (fd < 0)
        return f->failure != NULL ? CA_OK : CA_ERR_RESOURCES;
    int rc = read_whole(fd, max_bytes, f, err);
    close(fd);
    CA_TRY(rc);
    if (f->failure != NULL)
        return CA_OK;
    f->content_id = position_content_id(f->raw, f->n_raw);
    if (e->entry.has_git)
        hash_blob(f);
    return decode(f, err);
}

int repo_file_load(const struct repo_scan *s, size_t i, size_t max_bytes, struct repo_file *ret, struct ca_error *err)
{
    struct repo_file f = {0};
    int rc = load(s, &g_array_index(s->entries, struct scan_entry, i), max_bytes, &f, err);
    if (rc != CA_OK) {
        repo_file_done(&f);
        return rc;
    }
    *ret = f;
    return CA_OK;
}

void repo_file_drop_content(struct repo_file *f)
{
    free(f->raw);
    free(f->owned_text);
    position_map_free(f->map);
    f->raw = NULL;
    f->owned_text = NULL;
    f->map = NULL;
    f->text = NULL;
    f->n_text = 0;
}

void repo_file_done(struct repo_file *f)
{
    repo_file_drop_content(f);
    g_free(f->encoding);
    g_free(f->encoding_error);
    g_free(f->decode_error);
    g_free(f->failure);
    *f = (struct repo_file){0};
}

const char *repo_newline_name(enum repo_newline n)
{
    static const char *const names[] = {[REPO_NEWLINE_NONE] = "none",
                                        [REPO_NEWLINE_LF] = "lf",
                                        [REPO_NEWLINE_CRLF] = "crlf",
                                        [REPO_NEWLINE_CR] = "cr",
                                        [REPO_NEWLINE_MIXED] = "mixed"};
    return (size_t)n < G_N_ELEMENTS(names) ? names[n] : "none";
}
