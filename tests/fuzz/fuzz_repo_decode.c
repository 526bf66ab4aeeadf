/* tests/fuzz/fuzz_repo_decode.c — declaration and decoding of any bytes, in any codec (C1, C8).
 *
 * The first two bytes choose a codec, or (0xFFFF) what the file itself declares. What decodes must be UTF-8 whose map
 * ends where file and text end; what does not must say why and where.
 */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/codec.h"
#include "repo/declaration.h"

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static size_t n_codecs(void)
{
    size_t n = 0;
    while (repo_codecs[n].name)
        n++;
    return n;
}

/* NUL is a character of source text, which g_utf8_validate_len does not know. */
static bool is_utf8(const uint8_t *text, size_t n_bytes)
{
    const char *at = (const char *)text;
    const char *end = at + n_bytes;
    while (at < end && !g_utf8_validate_len(at, (gsize)(end - at), &at)) {
        if (at < end && *at != '\0')
            return false;
        at++;
    }
    return true;
}

static void try_codec(const struct repo_codec *codec, const uint8_t *raw, size_t n_raw, size_t n_bom)
{
    struct repo_decoded d = {0};
    struct ca_error err = {0};
    expect(repo_codec_decode(codec, codec->name, raw, n_raw, n_bom, &d, &err) == CA_OK, err.message);
    if (d.error) {
        expect(d.map == NULL && d.text == NULL, "text with an error");
        expect(g_utf8_validate(d.error, -1, NULL) && d.error[0], "an error without words");
        expect(d.error_byte >= -1 && d.error_byte <= (int64_t)n_raw, "an error outside the file");
    } else {
        size_t n_text = d.text ? d.n_text : n_raw - n_bom;
        expect(d.map != NULL, "text without a map");
        expect(is_utf8(d.text ? d.text : raw + n_bom, n_text), "the text is not UTF-8");
        expect(position_map_n_utf8(d.map) == (int64_t)n_text, "the map ends before or after the text");
        /* Shifts of UTF-7 and the like belong to a character beside them, if there is one. */
        expect(n_text == 0 || position_map_n_raw(d.map) == (int64_t)n_raw, "the map ends before or after the file");
        expect(n_text == 0 || position_raw_of_utf8(d.map, (int64_t)n_text) == (int64_t)n_raw, "the ends do not meet");
    }
    g_free(d.text);
    g_free(d.error);
    position_map_free(d.map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes < 2)
        return 0;
    size_t choice = data[0] | (size_t)data[1] << 8;
    size_t n_raw = n_bytes - 2;
    g_autofree uint8_t *raw = g_malloc0(n_raw + 1);
    memcpy(raw, data + 2, n_raw);
    bool has_bom = n_raw >= 3 && memcmp(raw, "\xEF\xBB\xBF", 3) == 0;
    size_t n_bom = has_bom ? 3 : 0;
    if (choice != 0xFFFF) {
        try_codec(&repo_codecs[choice % n_codecs()], raw, n_raw, n_bom);
        return 0;
    }
    struct repo_declaration declared = {0};
    repo_declaration_read(raw + n_bom, n_raw - n_bom, has_bom, &declared);
    expect((declared.error != NULL) == (declared.encoding == NULL), "neither an encoding nor a reason, or both");
    if (declared.error)
        expect(g_utf8_validate(declared.error, -1, NULL), "the reason is not UTF-8");
    else if (declared.codec)
        try_codec(declared.codec, raw, n_raw, n_bom);
    g_free(declared.encoding);
    g_free(declared.error);
    return 0;
}
