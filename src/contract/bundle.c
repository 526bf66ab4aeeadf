/* contract/bundle.c — the index is read at once, a contract when it is wanted. What the bytes mean is in
 * contract/bundle_layout.h; they come from a file, so nothing in them is believed. */
#include "contract/bundle.h"

#include <glib.h>
#include <string.h>

#include "contract/bundle_layout.h"
#include "contract/location.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a bundle's numbers are read as they stand");

/* bytes      the document, borrowed
 * names_at   where the array of names starts
 * views      the names of all datasets' views, which the entries point into
 * contracts  NULL: not parsed yet; guarded by `lock` */
struct contract_bundle {
    const char *bytes;
    struct bundle_header header;
    size_t names_at;
    char fingerprint[FINGERPRINT_HEX_SIZE];
    struct contract_bundle_entry *entries;
    const char **views;
    struct contract **contracts;
    GMutex lock;
};

static int bad_entry(size_t i, const char *what, struct ca_error *err)
{
    return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: dataset %zu: %s", i, what);
}

/* ---- reading the index ------------------------------------------------------------------------------------------ */

static int read_header(struct contract_bundle *b, size_t n_bytes, struct ca_error *err)
{
    struct bundle_header *h = &b->header;
    if (n_bytes < sizeof *h)
        return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: %zu bytes are none", n_bytes);
    memcpy(h, b->bytes, sizeof *h);
    if (memcmp(h->magic, BUNDLE_MAGIC, sizeof h->magic) != 0)
        return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: it does not start with " BUNDLE_MAGIC);
    if (h->format != CONTRACT_BUNDLE_FORMAT)
        return ca_fail(err, CA_ERR_DRIFT, "contract bundle: format %u, this program reads %d", h->format,
                       CONTRACT_BUNDLE_FORMAT);
    if (h->n_bytes != n_bytes)
        return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: %zu bytes of %" G_GUINT64_FORMAT ": build again", n_bytes,
                       (guint64)h->n_bytes);
    b->names_at = sizeof *h + h->n_datasets * sizeof(struct bundle_record);
    size_t strings_at = b->names_at + h->n_names * sizeof(struct bundle_name) + (size_t)h->n_views * sizeof(uint32_t);
    /* the NUL at the end of the index ends every string in it */
    if (h->n_index_bytes > n_bytes || strings_at >= h->n_index_bytes || b->bytes[h->n_index_bytes - 1] != '\0')
        return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: the index is longer than the document");
    return CA_OK;
}

/* The string at a place of the index, NULL: no such place. */
static const char *string_at(const struct contract_bundle *b, uint32_t place)
{
    return place > 0 && place < b->header.n_index_bytes ? b->bytes + place : NULL;
}

static struct bundle_record record_at(const struct contract_bundle *b, size_t i)
{
    struct bundle_record record;
    memcpy(&record, b->bytes + sizeof b->header + i * sizeof record, sizeof record);
    return record;
}

static struct bundle_name name_at(const struct contract_bundle *b, size_t i)
{
    struct bundle_name name;
    memcpy(&name, b->bytes + b->names_at + i * sizeof name, sizeof name);
    return name;
}

static int read_entry(const struct contract_bundle *b, size_t i, struct contract_bundle_entry *ret,
                      struct ca_error *err)
{
    const struct bundle_record r = record_at(b, i);
    *ret = (struct contract_bundle_entry){
        .name = string_at(b, r.name),
        .version = r.version,
        .stage = (enum contract_stage)r.stage,
        .kind = (enum contract_kind)r.kind,
        .schema = string_at(b, r.schema),
        .fingerprint = string_at(b, r.fingerprint),
        .storage = string_at(b, r.storage),
        .sql = string_at(b, r.sql),
        .location = string_at(b, r.location),
        .file = string_at(b, r.file),
        .n_views = r.n_views,
    };
    if (!ret->name || !ret->schema || !ret->fingerprint || !ret->storage || !string_at(b, r.digest))
        return bad_entry(i, "a string is missing", err);
    if (ret->file && (!ret->location || !strchr(ret->name, CONTRACT_LOCATION_MARK)))
        return bad_entry(i, "a location of no dataset", err);
    if (r.stage > CONTRACT_STAGE_PARAMS)
        return bad_entry(i, "unknown stage", err);
    if (r.kind > CONTRACT_REGISTRY)
        return bad_entry(i, "unknown kind", err);
    if ((size_t)r.first_view + r.n_views > b->header.n_views)
        return bad_entry(i, "its views are missing", err);
    ret->views = b->views + r.first_view;
    uint64_t n_text_bytes = b->header.n_bytes - b->header.n_index_bytes;
    uint64_t start = r.yaml - b->header.n_index_bytes;
    if (r.yaml < b->header.n_index_bytes || start >= n_text_bytes || r.n_yaml_bytes >= n_text_bytes - start)
        return bad_entry(i, "its contract is missing", err);
    return CA_OK;
}

static int read_index(struct contract_bundle *b, struct ca_error *err)
{
    const struct bundle_header *h = &b->header;
    size_t views_at = b->names_at + h->n_names * sizeof(struct bundle_name);
    b->views = g_new0(const char *, (size_t)h->n_views + 1);
    for (size_t i = 0; i < h->n_views; i++) {
        uint32_t place = 0;
        memcpy(&place, b->bytes + views_at + i * sizeof place, sizeof place);
        b->views[i] = string_at(b, place);
        if (!b->views[i])
            return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: view %zu has no name", i);
    }
    b->entries = g_new0(struct contract_bundle_entry, (size_t)h->n_datasets + 1);
    b->contracts = g_new0(struct contract *, (size_t)h->n_datasets + 1);
    for (size_t i = 0; i < h->n_datasets; i++)
        CA_TRY(read_entry(b, i, &b->entries[i], err));
    for (size_t i = 0; i < h->n_names; i++) {
        const struct bundle_name name = name_at(b, i);
        const char *key = string_at(b, name.key);
        if (!key || !strchr(key, '.') || name.dataset >= h->n_datasets)
            return ca_fail(err, CA_ERR_SYNTAX, "contract bundle: name %zu names nothing", i);
    }
    return CA_OK;
}

int contract_bundle_open(const void *bytes, size_t n_bytes, const char *fingerprint, struct contract_bundle **ret,
                         struct ca_error *err)
{
    if (n_bytes > CONTRACT_BUNDLE_MAX_BYTES)
        return ca_fail(err, CA_ERR_RESOURCES, "contract bundle: %zu bytes, CONTRACT_BUNDLE_MAX_BYTES is %zu", n_bytes,
                       CONTRACT_BUNDLE_MAX_BYTES);
    CA_AUTOPTR(contract_bundle) b = g_new0(struct contract_bundle, 1);
    g_mutex_init(&b->lock);
    b->bytes = bytes;
    int rc = read_header(b, n_bytes, fingerprint ? NULL : err);
    if (rc == CA_OK)
        fingerprint_of(b->bytes, b->header.n_index_bytes, b->fingerprint);
    if (fingerprint && strcmp(fingerprint, b->fingerprint) != 0)
        return ca_fail(err, CA_ERR_DRIFT, "it was changed after it was written: build again");
    if (rc != CA_OK)
        return rc;
    CA_TRY(read_index(b, err));
    *ret = CA_STEAL(b);
    return CA_OK;
}

void contract_bundle_free(struct contract_bundle *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; b->contracts && i < b->header.n_datasets; i++)
        contract_free(b->contracts[i]);
    g_free(b->contracts);
    g_free(b->entries);
    g_free(b->views);
    g_mutex_clear(&b->lock);
    g_free(b);
}

/* ---- asking ----------------------------------------------------------------------------------------------------- */

const char *contract_bundle_fingerprint(const struct contract_bundle *b)
{
    return b->fingerprint;
}

size_t contract_bundle_n(const struct contract_bundle *b)
{
    return b->header.n_datasets;
}

const struct contract_bundle_entry *contract_bundle_entry(const struct contract_bundle *b, size_t i)
{
    return i < b->header.n_datasets ? &b->entries[i] : NULL;
}

size_t contract_bundle_n_names(const struct contract_bundle *b)
{
    return b->header.n_names;
}

struct contract_bundle_name contract_bundle_name(const struct contract_bundle *b, size_t i)
{
    const struct bundle_name name = name_at(b, i);
    const char *key = string_at(b, name.key);
    return (struct contract_bundle_name){
        .key = key, .name = strchr(key, '.') + 1, .dataset = name.dataset, .is_view = name.is_view != 0};
}

int64_t contract_bundle_find_name(const struct contract_bundle *b, const char *schema, const char *name)
{
    g_autofree char *key = g_strconcat(schema, ".", name, NULL);
    size_t low = 0;
    size_t high = b->header.n_names;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, string_at(b, name_at(b, middle).key));
        if (order == 0)
            return (int64_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static int64_t find_dataset(const struct contract_bundle *b, const char *schema, const char *name, bool is_view)
{
    int64_t at = contract_bundle_find_name(b, schema, name);
    if (at < 0)
        return -1;
    const struct contract_bundle_name found = contract_bundle_name(b, (size_t)at);
    return found.is_view == is_view ? (int64_t)found.dataset : -1;
}

int64_t contract_bundle_find(const struct contract_bundle *b, const char *schema, const char *name)
{
    return find_dataset(b, schema, name, /* is_view= */ false);
}

int64_t contract_bundle_find_view(const struct contract_bundle *b, const char *schema, const char *name)
{
    return find_dataset(b, schema, name, /* is_view= */ true);
}

int contract_bundle_yaml(const struct contract_bundle *b, size_t i, const char **ret, struct ca_error *err)
{
    const struct bundle_record r = record_at(b, i);
    const char *yaml = b->bytes + r.yaml;
    char found[FINGERPRINT_HEX_SIZE];
    fingerprint_of(yaml, r.n_yaml_bytes, found);
    if (strcmp(found, string_at(b, r.digest)) != 0 || yaml[r.n_yaml_bytes] != '\0')
        return ca_fail(err, CA_ERR_DRIFT, "the contract of '%s.%s' was changed after it was written: build again",
                       b->entries[i].schema, b->entries[i].name);
    *ret = yaml;
    return CA_OK;
}

int64_t contract_bundle_find_location(const struct contract_bundle *b, const char *schema, const char *name)
{
    for (size_t i = 0; i < b->header.n_datasets; i++) {
        const struct contract_bundle_entry *e = &b->entries[i];
        if (e->file && strcmp(e->schema, schema) == 0 && strcmp(e->name, name) == 0)
            return (int64_t)i;
    }
    return -1;
}

static int parse_contract(const struct contract_bundle *b, size_t i, struct contract **ret, struct ca_error *err)
{
    const struct contract_bundle_entry *entry = &b->entries[i];
    g_autofree char *source = g_strdup_printf("%s/%s.yaml", contract_stage_name(entry->stage), entry->name);
    const char *yaml = NULL;
    CA_TRY(contract_bundle_yaml(b, i, &yaml, err));
    return contract_parse(yaml, strlen(yaml), source, entry->stage, ret, err);
}

/* The contract of its dataset, which is parsed anew, as it is at location i. */
static int parse_located(const struct contract_bundle *b, size_t i, struct contract **ret, struct ca_error *err)
{
    const struct contract_bundle_entry *entry = &b->entries[i];
    g_autofree char *source = g_build_filename(CONTRACT_LOCATIONS_FOLDER, entry->file, NULL);
    const char *yaml = NULL;
    CA_AUTOPTR(contract_location) l = NULL;
    CA_AUTOPTR(contract) c = NULL;
    CA_TRY(contract_bundle_yaml(b, i, &yaml, err));
    CA_TRY(contract_location_parse(yaml, strlen(yaml), source, &l, err));
    int64_t base = contract_bundle_find(b, l->schema, l->dataset);
    if (base < 0)
        return ca_fail(err, CA_ERR_NOT_FOUND, "%s:%d:%d: location '%s' is of dataset '%s.%s', which nobody declares",
                       source, l->line, l->column, l->name, l->schema, l->dataset);
    CA_TRY(parse_contract(b, (size_t)base, &c, err));
    g_free(l->storage.location);
    l->storage.location = g_strdup(entry->location);
    CA_TRY(contract_locate(c, CA_STEAL(l), err));
    *ret = CA_STEAL(c);
    return CA_OK;
}

int contract_bundle_contract(struct contract_bundle *b, size_t i, const struct contract **ret, struct ca_error *err)
{
    if (i >= b->header.n_datasets)
        return ca_fail(err, CA_ERR_INVALID, "contract bundle: dataset %zu of %u", i, b->header.n_datasets);
    g_mutex_lock(&b->lock);
    int rc = CA_OK;
    if (b->contracts[i] == NULL)
        rc = b->entries[i].file ? parse_located(b, i, &b->contracts[i], err)
                                : parse_contract(b, i, &b->contracts[i], err);
    if (rc == CA_OK)
        *ret = b->contracts[i];
    g_mutex_unlock(&b->lock);
    return rc;
}
