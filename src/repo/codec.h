/* repo/codec.h — the encodings that CPython knows, decoded as CPython decodes them.
 *
 * repo_codec_find() answers as codecs.lookup() of CPython 3.11 does for names in a source file. Decoding is iconv's,
 * one character at a time since offsets are wanted, and `fixes` list where glibc's tables differ from CPython's; the
 * oracle tests/oracle/compare_encoding.py compares every byte and every pair of bytes.
 *
 * Any thread; the tables are constants.
 */
#ifndef CA_REPO_CODEC_H
#define CA_REPO_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "position/position.h"

enum repo_codec_kind {
    REPO_CODEC_UTF8,
    REPO_CODEC_ASCII,
    REPO_CODEC_LATIN1,
    REPO_CODEC_UTF7,
    REPO_CODEC_SINGLE,      /* a byte is a character */
    REPO_CODEC_MULTI,       /* bytes of a character do not depend on what came before */
    REPO_CODEC_STATEFUL,    /* they do, or units are wider than a byte */
    REPO_CODEC_NOT_TEXT,    /* bytes to bytes, such as rot13 and base64: CPython refuses them for source */
    REPO_CODEC_UNAVAILABLE, /* CPython has it, we do not */
};

/* The sequences first..last (big-endian numbers; as many bytes as the number has) decode to code_point, code_point + 1,
 * ...; 0: they do not decode. An array ends with first == 0. */
struct repo_codec_fix {
    uint32_t first;
    uint32_t last;
    uint32_t code_point;
};

/* name     the module of CPython's `encodings`
 * aliases  other names, blank-separated */
struct repo_codec {
    const char *name;
    enum repo_codec_kind kind;
    const char *iconv_name;
    const struct repo_codec_fix *fixes;
    const char *aliases;
};

/* All of them, ending with name == NULL. */
extern const struct repo_codec repo_codecs[];

/* The codec that CPython finds by `name`, in any spelling it allows; NULL: unknown. */
const struct repo_codec *repo_codec_find(const char *name);

/* text        malloc'ed, UTF-8; NULL when the text is what follows the BOM in raw
 * map         NULL when there is an error
 * error       NULL: decoded; free with g_free
 * error_byte  raw offset of the first undecodable byte; -1: the error is not about a byte */
struct repo_decoded {
    uint8_t *text;
    size_t n_text;
    struct position_map *map;
    char *error;
    int64_t error_byte;
};

/* Decode raw[0..n_raw), whose first n_bom bytes are a BOM. `encoding` is the name for messages. Undecodable text is a
 * fact in *ret, an error is only CA_ERR_RESOURCES. */
int repo_codec_decode(const struct repo_codec *codec, const char *encoding, const uint8_t *raw, size_t n_raw,
                      size_t n_bom, struct repo_decoded *ret, struct ca_error *err) CA_MUST_CHECK;

#endif
