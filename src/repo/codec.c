/* repo/codec.c — finding a codec by name, and decoding with an offset for each character.
 *
 * Decoded characters go through a `struct sink`, which writes UTF-8 and the offset map side by side. Bytes that decode
 * to nothing (escape sequences, shifts) belong to the character after them, at the end of the text to the last one.
 */
#include "repo/codec.h"

#include <errno.h>
#include <glib.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#define NOT_A_BYTE_CHARACTER UINT32_MAX

/* ---- names ---------------------------------------------------------------------------------------------------- */

static bool has_alias(const struct repo_codec *codec, const char *name, size_t n_bytes)
{
    for (const char *at = codec->aliases; *at != '\0';) {
        size_t n = strcspn(at, " ");
        if (n == n_bytes && memcmp(at, name, n) == 0)
            return true;
        at += n + strspn(at + n, " ");
    }
    return false;
}

static const struct repo_codec *find_alias(const char *name)
{
    for (const struct repo_codec *c = repo_codecs; c->name != NULL; c++)
        if (has_alias(c, name, strlen(name)))
            return c;
    return NULL;
}

/* encodings.normalize_encoding: lower case, runs of other characters than letters, digits and dots become one `_`. */
static char *normal_name(const char *name)
{
    GString *normal = g_string_new(NULL);
    bool is_after_punctuation = false;
    for (; *name != '\0'; name++) {
        if (!g_ascii_isalnum(*name) && *name != '.') {
            is_after_punctuation = true;
            continue;
        }
        if (is_after_punctuation && normal->len > 0)
            g_string_append_c(normal, '_');
        is_after_punctuation = false;
        g_string_append_c(normal, g_ascii_tolower(*name));
    }
    return g_string_free(normal, FALSE);
}

const struct repo_codec *repo_codec_find(const char *name)
{
    g_autofree char *normal = normal_name(name);
    const struct repo_codec *codec = find_alias(normal);
    if (codec != NULL)
        return codec;
    if (strchr(normal, '.') != NULL)
        return find_alias(g_strdelimit(normal, ".", '_'));
    for (const struct repo_codec *c = repo_codecs; c->name != NULL; c++)
        if (strcmp(c->name, normal) == 0)
            return c;
    return NULL;
}

/* ---- where characters go --------------------------------------------------------------------------------------- */

/* raw        offset up to which bytes are accounted for, the last character included
 * has_last   last and last_width are a character that is not in the map yet: its width may still grow */
struct sink {
    uint8_t *text;
    size_t n_text;
    size_t n_allocated;
    struct position_map *map;
    size_t raw;
    uint32_t last;
    uint32_t last_width;
    bool has_last;
    bool is_short_of_memory;
};

static void sink_flush(struct sink *s)
{
    if (s->has_last && !position_map_append(s->map, s->last, s->last_width))
        s->is_short_of_memory = true;
    s->has_last = false;
}

/* The bytes up to raw_end decode to `code_point`. */
static void sink_put(struct sink *s, uint32_t code_point, size_t raw_end)
{
    sink_flush(s);
    if (s->n_allocated - s->n_text < 4) {
        size_t n = s->n_allocated + s->n_allocated / 2 + 64;
        uint8_t *text = realloc(s->text, n);
        if (text == NULL) {
            s->is_short_of_memory = true;
            return;
        }
        s->text = text;
        s->n_allocated = n;
    }
    s->n_text += (size_t)g_unichar_to_utf8(code_point, (char *)s->text + s->n_text);
    s->last = code_point;
    s->last_width = (uint32_t)(raw_end - s->raw);
    s->has_last = true;
    s->raw = raw_end;
}

/* The bytes up to raw_end belong to the last character as well. */
static void sink_extend(struct sink *s, size_t raw_end)
{
    if (!s->has_last)
        return;
    s->last_width += (uint32_t)(raw_end - s->raw);
    s->raw = raw_end;
}

/* ---- decoders: each returns the offset of the first undecodable byte, or n ------------------------------------- */

static uint32_t little_endian(const unsigned char bytes[4])
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* One character from at most n bytes; *ret_n_bytes is what it took. false: there is none. */
static bool next_character(iconv_t cd, const uint8_t *at, size_t n, uint32_t *ret, size_t *ret_n_bytes)
{
    unsigned char out[4];
    char *in = (char *)at;
    char *to = (char *)out;
    size_t n_in = n;
    size_t n_out = sizeof(out);
    (void)iconv(cd, &in, &n_in, &to, &n_out); /* E2BIG is the normal case: room for one character only */
    if (n_out != 0)
        return false;
    *ret = little_endian(out);
    *ret_n_bytes = n - n_in;
    return true;
}

static const struct repo_codec_fix *find_fix(const struct repo_codec *codec, const uint8_t *at, size_t n_left,
                                             size_t *ret_n_bytes, uint32_t *ret_offset)
{
    if (codec->fixes == NULL)
        return NULL;
    uint32_t sequence = 0;
    for (size_t n = 1; n <= 4 && n <= n_left; n++) {
        sequence = sequence << 8 | at[n - 1];
        for (const struct repo_codec_fix *f = codec->fixes; f->first != 0; f++) {
            bool is_as_long = f->first >> 8 * (n - 1) != 0 && (n == 4 || f->first >> 8 * n == 0);
            if (is_as_long && f->first <= sequence && sequence <= f->last) {
                *ret_n_bytes = n;
                *ret_offset = sequence - f->first;
                return f;
            }
        }
    }
    return NULL;
}

/* What each byte alone decodes to. */
static void byte_characters(iconv_t cd, const struct repo_codec *codec, uint32_t ret[256])
{
    for (unsigned int i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        size_t n = 0;
        uint32_t offset = 0;
        ret[i] = NOT_A_BYTE_CHARACTER;
        const struct repo_codec_fix *fix = find_fix(codec, &byte, 1, &n, &offset);
        if (fix != NULL) {
            if (fix->code_point != 0)
                ret[i] = fix->code_point + offset;
            continue;
        }
        /* Some codecs hold a character back in case a combining one follows: the second call gets it out. */
        unsigned char out[8];
        char *in = (char *)&byte;
        char *to = (char *)out;
        size_t n_in = 1;
        size_t n_out = sizeof(out);
        (void)iconv(cd, NULL, NULL, NULL, NULL);
        if (iconv(cd, &in, &n_in, &to, &n_out) != (size_t)-1 && iconv(cd, NULL, NULL, &to, &n_out) != (size_t)-1 &&
            n_out == sizeof(out) - 4)
            ret[i] = little_endian(out);
    }
    (void)iconv(cd, NULL, NULL, NULL, NULL);
}

static size_t decode_bytes(struct sink *s, const uint32_t characters[256], const uint8_t *raw, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (characters[raw[i]] == NOT_A_BYTE_CHARACTER)
            return i;
        sink_put(s, characters[raw[i]], i + 1);
    }
    return n;
}

static size_t decode_multi(struct sink *s, iconv_t cd, const struct repo_codec *codec, const uint32_t characters[256],
                           const uint8_t *raw, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (characters[raw[i]] != NOT_A_BYTE_CHARACTER) {
            sink_put(s, characters[raw[i]], i + 1);
            i++;
            continue;
        }
        size_t n_taken = 0;
        uint32_t offset = 0;
        uint32_t character = 0;
        const struct repo_codec_fix *fix = find_fix(codec, raw + i, n - i, &n_taken, &offset);
        if (fix != NULL) {
            if (fix->code_point == 0)
                return i;
            character = fix->code_point + offset;
        } else {
            (void)iconv(cd, NULL, NULL, NULL, NULL);
            if (!next_character(cd, raw + i, MIN(n - i, 4), &character, &n_taken) || n_taken == 0)
                return i;
        }
        i += n_taken;
        sink_put(s, character, i);
    }
    return n;
}

static size_t decode_stateful(struct sink *s, iconv_t cd, const uint8_t *raw, size_t n)
{
    size_t i = 0;
    while (i < n) {
        char *in = (char *)raw + i;
        unsigned char out[4];
        char *to = (char *)out;
        size_t n_in = n - i;
        size_t n_out = sizeof(out);
        size_t rc = iconv(cd, &in, &n_in, &to, &n_out);
        i = n - n_in;
        if (n_out == 0)
            sink_put(s, little_endian(out), i);
        else if (rc == (size_t)-1)
            return i;
    }
    return n;
}

static int base64_value(uint8_t c)
{
    if (g_ascii_isupper((char)c))
        return c - 'A';
    if (g_ascii_islower((char)c))
        return c - 'a' + 26;
    if (g_ascii_isdigit((char)c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One shift: base64 of UTF-16 units from raw[i] on. Returns where it ends, or SIZE_MAX when it is ill-formed. */
static size_t decode_utf7_shift(struct sink *s, const uint8_t *raw, size_t i, size_t n)
{
    uint32_t bits = 0;
    unsigned int n_bits = 0;
    uint32_t high = 0;
    for (; i < n && base64_value(raw[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)base64_value(raw[i]);
        n_bits += 6;
        if (n_bits < 16)
            continue;
        n_bits -= 16;
        uint32_t unit = bits >> n_bits;
        bits &= ((uint32_t)1 << n_bits) - 1;
        bool is_low = unit >= 0xdc00 && unit <= 0xdfff;
        if (is_low != (high != 0)) /* half a pair is no character */
            return SIZE_MAX;
        if (unit >= 0xd800 && unit <= 0xdbff) {
            high = unit;
            continue;
        }
        sink_put(s, high != 0 ? 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00) : unit, i + 1);
        high = 0;
    }
    if (high != 0 || n_bits >= 6 || bits != 0)
        return SIZE_MAX;
    if (i < n && raw[i] == '-')
        i++;
    sink_extend(s, i);
    return i;
}

static size_t decode_utf7(struct sink *s, const uint8_t *raw, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (raw[i] >= 0x80)
            return i;
        if (raw[i] != '+') {
            sink_put(s, raw[i], i + 1);
            i++;
        } else if (i + 1 < n && raw[i + 1] == '-') {
            sink_put(s, '+', i + 2);
            i += 2;
        } else {
            size_t end = i + 1 < n && base64_value(raw[i + 1]) < 0 ? SIZE_MAX : decode_utf7_shift(s, raw, i + 1, n);
            if (end == SIZE_MAX)
                return i;
            i = end;
        }
    }
    return n;
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

static void set_byte_error(struct repo_decoded *ret, const char *encoding, const uint8_t *raw, size_t at)
{
    ret->error_byte = (int64_t)at;
    ret->error = g_strdup_printf("byte 0x%02x at offset %zu is not valid %s", raw[at], at, encoding);
}

static int decode_utf8(const char *encoding, const uint8_t *raw, size_t n_raw, size_t n_bom, struct repo_decoded *ret,
                       struct ca_error *err)
{
    int64_t bad = -1;
    ret->n_text = n_raw - n_bom;
    ret->map = position_map_new_utf8(raw, n_raw, &bad);
    if (ret->map != NULL)
        return CA_OK;
    if (bad < 0)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for the offset map of %zu bytes", n_raw);
    set_byte_error(ret, encoding, raw, (size_t)bad);
    return CA_OK;
}

static size_t first_not_ascii(const uint8_t *raw, size_t n)
{
    size_t i = 0;
    while (i < n && raw[i] < 0x80)
        i++;
    return i;
}

static bool is_ascii_superset(const uint32_t characters[256])
{
    for (uint32_t i = 0; i < 0x80; i++)
        if (characters[i] != i)
            return false;
    return true;
}

int repo_codec_decode(const struct repo_codec *codec, const char *encoding, const uint8_t *raw, size_t n_raw,
                      size_t n_bom, struct repo_decoded *ret, struct ca_error *err)
{
    *ret = (struct repo_decoded){.error_byte = -1};
    size_t n_ascii = codec->kind == REPO_CODEC_UTF8 ? 0 : first_not_ascii(raw, n_raw);
    switch (codec->kind) {
    case REPO_CODEC_UTF8:
        return decode_utf8(encoding, raw, n_raw, n_bom, ret, err);
    case REPO_CODEC_ASCII:
        if (n_ascii == n_raw)
            return decode_utf8(encoding, raw, n_raw, n_bom, ret, err);
        set_byte_error(ret, encoding, raw, n_ascii);
        return CA_OK;
    case REPO_CODEC_NOT_TEXT:
        ret->error = g_strdup_printf("'%s' is not a text encoding", encoding);
        return CA_OK;
    case REPO_CODEC_UNAVAILABLE:
        ret->error = g_strdup_printf("the encoding '%s' is not available, though CPython has it", encoding);
        return CA_OK;
    case REPO_CODEC_LATIN1:
    case REPO_CODEC_UTF7:
    case REPO_CODEC_SINGLE:
    case REPO_CODEC_MULTI:
    case REPO_CODEC_STATEFUL:
        break;
    }

    uint32_t characters[256];
    for (uint32_t i = 0; i < 256; i++)
        characters[i] = i;
    iconv_t cd = (iconv_t)-1;
    if (codec->iconv_name != NULL) {
        cd = iconv_open("UTF-32LE", codec->iconv_name);
        if (cd == (iconv_t)-1) {
            ret->error = g_strdup_printf("the encoding '%s' is not available: iconv does not know it", encoding);
            return CA_OK;
        }
    }
    if (codec->kind == REPO_CODEC_SINGLE || codec->kind == REPO_CODEC_MULTI)
        byte_characters(cd, codec, characters);

    int rc = CA_OK;
    bool is_plain = n_ascii == n_raw && codec->kind != REPO_CODEC_UTF7 && codec->kind != REPO_CODEC_STATEFUL &&
                    is_ascii_superset(characters);
    struct sink s = {.raw = n_bom};
    if (is_plain) {
        rc = decode_utf8(encoding, raw, n_raw, n_bom, ret, err);
    } else {
        s.map = position_map_new_empty(n_bom);
        s.is_short_of_memory = s.map == NULL;
        size_t end = n_raw;
        if (s.map == NULL)
            end = n_raw;
        else if (codec->kind == REPO_CODEC_UTF7)
            end = decode_utf7(&s, raw, n_raw);
        else if (codec->kind == REPO_CODEC_STATEFUL)
            end = decode_stateful(&s, cd, raw, n_raw);
        else if (codec->kind == REPO_CODEC_MULTI)
            end = decode_multi(&s, cd, codec, characters, raw, n_raw);
        else
            end = decode_bytes(&s, characters, raw, n_raw);

        if (end < n_raw) {
            set_byte_error(ret, encoding, raw, end);
        } else if (!s.is_short_of_memory) {
            sink_extend(&s, n_raw);
            sink_flush(&s);
            s.is_short_of_memory = s.is_short_of_memory || !position_map_finish(s.map);
        }
        if (s.is_short_of_memory) {
            rc = ca_fail(err, CA_ERR_RESOURCES, "no memory to decode %zu bytes", n_raw);
        } else if (ret->error == NULL) {
            ret->text = s.text != NULL ? g_steal_pointer(&s.text) : g_malloc0(1); /* shifts alone are no characters */
            ret->n_text = s.n_text;
            ret->map = g_steal_pointer(&s.map);
        }
    }
    if (rc != CA_OK) {
        g_free(ret->error);
        *ret = (struct repo_decoded){.error_byte = -1};
    }
    free(s.text);
    position_map_free(s.map);
    if (cd != (iconv_t)-1)
        iconv_close(cd);
    return rc;
}
