/* base/fingerprint.c — a thin cover over XXH3-128. */
#include "base/fingerprint.h"

#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct fingerprint {
    XXH3_state_t *state;
};

static void render_hex(XXH128_hash_t hash, char ret[FINGERPRINT_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    for (size_t i = 0; i < sizeof canonical.digest; i++) {
        ret[2 * i] = digits[canonical.digest[i] >> 4];
        ret[2 * i + 1] = digits[canonical.digest[i] & 15];
    }
    ret[FINGERPRINT_HEX_SIZE - 1] = '\0';
}

void fingerprint_of(const void *bytes, size_t n_bytes, char ret[FINGERPRINT_HEX_SIZE])
{
    render_hex(XXH3_128bits(n_bytes == 0 ? "" : bytes, n_bytes), ret);
}

struct fingerprint *fingerprint_new(void)
{
    struct fingerprint *f = malloc(sizeof *f);
    if (f == NULL || (f->state = XXH3_createState()) == NULL)
        abort();
    XXH3_128bits_reset(f->state);
    return f;
}

void fingerprint_free(struct fingerprint *f)
{
    if (f == NULL)
        return;
    XXH3_freeState(f->state);
    free(f);
}

void fingerprint_add(struct fingerprint *f, const void *bytes, size_t n_bytes)
{
    if (n_bytes > 0)
        XXH3_128bits_update(f->state, bytes, n_bytes);
}

void fingerprint_add_text(struct fingerprint *f, const char *text)
{
    uint64_t n = text == NULL ? UINT64_MAX : (uint64_t)strlen(text);
    uint8_t length[8];
    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (uint8_t)(n >> (8 * i));
    fingerprint_add(f, length, sizeof length);
    if (text != NULL)
        fingerprint_add(f, text, (size_t)n);
}

void fingerprint_hex(const struct fingerprint *f, char ret[FINGERPRINT_HEX_SIZE])
{
    render_hex(XXH3_128bits_digest(f->state), ret);
}
