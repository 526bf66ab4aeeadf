/* position/id.c — the three ids: XXH3 over an encoding that no two argument lists share.
 *
 * docs/ids.md is the law: a domain byte, then each argument; strings with their length in front, numbers as eight
 * bytes, little-endian. Whoever changes a byte here changes every id in every store.
 */
#include "position/position.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum domain {
    DOMAIN_FILE = 0x01,
    DOMAIN_ENTITY = 0x02,
    DOMAIN_OCCURRENCE = 0x03,
};

/* A short list is hashed in one go, a long one as a stream: XXH3 gives the same value either way. */
#define ENCODING_MAX_BYTES 512

struct encoding {
    uint8_t bytes[ENCODING_MAX_BYTES];
    size_t n_bytes;
    bool is_stream;
    XXH3_state_t stream;
};

static void encoding_init(struct encoding *e, enum domain domain)
{
    e->bytes[0] = (uint8_t)domain;
    e->n_bytes = 1;
    e->is_stream = false;
}

static void encoding_add(struct encoding *e, const void *bytes, size_t n_bytes)
{
    if (n_bytes == 0)
        return;
    if (!e->is_stream && n_bytes > ENCODING_MAX_BYTES - e->n_bytes) {
        (void)XXH3_64bits_reset(&e->stream);
        (void)XXH3_64bits_update(&e->stream, e->bytes, e->n_bytes);
        e->is_stream = true;
    }
    if (e->is_stream) {
        (void)XXH3_64bits_update(&e->stream, bytes, n_bytes);
        return;
    }
    memcpy(e->bytes + e->n_bytes, bytes, n_bytes);
    e->n_bytes += n_bytes;
}

static void encoding_add_u64(struct encoding *e, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    encoding_add(e, bytes, sizeof(bytes));
}

/* NULL has a length of its own, so it is not the empty string. */
static void encoding_add_text(struct encoding *e, const char *text, size_t n_bytes)
{
    encoding_add_u64(e, text == NULL ? UINT64_MAX : (uint64_t)n_bytes);
    if (text != NULL)
        encoding_add(e, text, n_bytes);
}

static int64_t encoding_finish(struct encoding *e)
{
    uint64_t hash = e->is_stream ? XXH3_64bits_digest(&e->stream) : XXH3_64bits(e->bytes, e->n_bytes);
    int64_t id;
    memcpy(&id, &hash, sizeof(id));
    return id;
}

struct position_content_id position_content_id(const void *bytes, size_t n_bytes)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(n_bytes == 0 ? "" : bytes, n_bytes));
    struct position_content_id id;
    memcpy(id.bytes, canonical.digest, sizeof(id.bytes));
    return id;
}

int64_t position_file_id(const char *repository, size_t n_repository, const char *path, size_t n_path)
{
    struct encoding e;
    encoding_init(&e, DOMAIN_FILE);
    encoding_add_text(&e, repository, n_repository);
    encoding_add_text(&e, path, n_path);
    return encoding_finish(&e);
}

int64_t position_entity_id(int64_t file_id, const char *qualified_path, size_t n_qualified_path, const char *kind,
                           size_t n_kind, int64_t ordinal)
{
    struct encoding e;
    encoding_init(&e, DOMAIN_ENTITY);
    encoding_add_u64(&e, (uint64_t)file_id);
    encoding_add_text(&e, qualified_path, n_qualified_path);
    encoding_add_text(&e, kind, n_kind);
    encoding_add_u64(&e, (uint64_t)ordinal);
    return encoding_finish(&e);
}

int64_t position_occurrence_id(int64_t file_id, int64_t start_byte, int64_t end_byte, const char *kind, size_t n_kind,
                               int64_t ordinal)
{
    struct encoding e;
    encoding_init(&e, DOMAIN_OCCURRENCE);
    encoding_add_u64(&e, (uint64_t)file_id);
    encoding_add_u64(&e, (uint64_t)start_byte);
    encoding_add_u64(&e, (uint64_t)end_byte);
    encoding_add_text(&e, kind, n_kind);
    encoding_add_u64(&e, (uint64_t)ordinal);
    return encoding_finish(&e);
}
