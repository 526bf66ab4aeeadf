/* contract/location.c — a location file becomes a `struct contract_location`, and a contract the contract as it is
 * there. */
#include "contract/location.h"

#include <glib.h>
#include <string.h>

#include "base/file.h"
#include "base/time.h"
#include "contract/load.h"

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static const char default_schema[] = "public";

/* "NAME" or "SCHEMA.NAME", "@VERSION" behind it or not. */
static void load_dataset(struct loader *l, const struct yaml_node *node, void *target)
{
    struct contract_location *ret = target;
    g_auto(GStrv) parts = g_strsplit(node->kind == YAML_SCALAR ? node->text : "", "@", 2);
    guint64 version = 0;
    bool is_name = parts[0] != NULL;
    if (is_name && parts[1] != NULL)
        is_name = g_ascii_string_to_unsigned(parts[1], 10, 1, G_MAXINT, &version, NULL);
    g_auto(GStrv) names = g_strsplit(is_name ? parts[0] : "", ".", 2);
    guint n_names = g_strv_length(names);
    for (guint i = 0; i < n_names; i++)
        is_name = is_name && contract_name_is_valid(names[i]);
    if (!is_name || n_names == 0) {
        bad(l, node, "key '%s': expected a dataset, NAME or NAME@VERSION", l->key);
        return;
    }
    ret->line = node->line;
    ret->column = node->column;
    ret->contract_version = (int64_t)version;
    ret->schema = g_strdup(n_names == 2 ? names[0] : default_schema);
    ret->dataset = g_strdup(names[n_names - 1]);
}

/* Versions of a Delta table count from 0. */
static void load_data_version(struct loader *l, const struct yaml_node *node, void *target)
{
    guint64 version = 0;
    if (node->kind != YAML_SCALAR || !node->is_plain ||
        !g_ascii_string_to_unsigned(node->text, 10, 0, G_MAXINT64, &version, NULL))
        bad(l, node, "key '%s': expected an integer from 0", l->key);
    else
        *(int64_t *)target = (int64_t)version;
}

static void load_time(struct loader *l, const struct yaml_node *node, void *target)
{
    struct ca_error why = {0};
    if (node->kind != YAML_SCALAR || time_parse_us(node->text, target, &why) != CA_OK)
        bad(l, node, "key '%s': %s", l->key, node->kind == YAML_SCALAR ? why.message : "expected a time");
}

static const struct load_key location_specs[] = {
    {"location", READS(name), offsetof(struct contract_location, name), true},
    {"dataset", READS(dataset), 0, true},
    {"doc", READS(text), offsetof(struct contract_location, doc), true},
    {"path", READS(text), offsetof(struct contract_location, storage.location), true},
    {"format", READS(format), offsetof(struct contract_location, storage.format), true},
    {"storage", READS(tuning), offsetof(struct contract_location, storage), false},
    {"scan", READS(scan), offsetof(struct contract_location, scan), false},
    {"version", READS(data_version), offsetof(struct contract_location, data_version), false},
    {"as_of", READS(time), offsetof(struct contract_location, as_of_us), false},
};

void load_visit_location(contract_key_fn fn, void *data)
{
    load_visit_keys(location_specs, G_N_ELEMENTS(location_specs), fn, data);
}

/* ---- loading ---------------------------------------------------------------------------------------------------- */

static void check(struct loader *l, const struct contract_location *location, const struct yaml_node *root)
{
    const struct yaml_node *version = yaml_get(root, "version");
    const struct yaml_node *as_of = yaml_get(root, "as_of");
    const struct yaml_node *when = as_of != NULL ? as_of : version;
    if (strcmp(location->name, CONTRACT_DEFAULT_LOCATION) == 0)
        contradiction(l, yaml_get(root, "location"),
                      "'" CONTRACT_DEFAULT_LOCATION "' is the place that the contract or the store says: give this one "
                      "another name");
    if (strcmp(location->storage.format, "memory") == 0)
        contradiction(l, yaml_get(root, "format"), "memory is no place: leave the location out");
    if (version != NULL && as_of != NULL)
        contradiction(l, as_of, "version and as_of are two answers to what is read: leave one out");
    if (when != NULL && strcmp(location->storage.format, "delta") != 0)
        contradiction(l, when, "format %s has no versions: only delta has", location->storage.format);
}

int contract_location_parse(const char *text, size_t n_bytes, const char *source, struct contract_location **ret,
                            struct ca_error *err)
{
    if (n_bytes > CONTRACT_MAX_BYTES)
        return ca_fail(err, CA_ERR_RESOURCES, "%s has %zu bytes, CONTRACT_MAX_BYTES is %zu", source, n_bytes,
                       CONTRACT_MAX_BYTES);
    CA_AUTOPTR(yaml_node) root = NULL;
    CA_TRY(yaml_parse(text, n_bytes, source, &root, err));
    CA_AUTOPTR(contract_location) location = g_new0(struct contract_location, 1);
    location->source = g_strdup(source);
    location->data_version = -1;
    struct loader l = {.source = source, .problems = g_string_new(NULL)};
    load_map(&l, root, "a location", location_specs, G_N_ELEMENTS(location_specs), location);
    if (l.status == CA_OK)
        check(&l, location, root);
    CA_TRY(load_done(&l, err));
    *ret = CA_STEAL(location);
    return CA_OK;
}

int contract_location_load(const char *path, struct contract_location **ret, struct ca_error *err)
{
    CA_AUTOFREE char *text = NULL;
    size_t n_bytes = 0;
    CA_TRY(file_read_bounded(path, CONTRACT_MAX_BYTES, &text, &n_bytes, err));
    return contract_location_parse(text, n_bytes, path, ret, err);
}

/* ---- a contract at a location ----------------------------------------------------------------------------------- */

static int check_dataset(const struct contract *c, const struct contract_location *l, struct ca_error *err)
{
    if (c->kind != CONTRACT_TABLE && c->kind != CONTRACT_BUNDLE)
        return ca_fail(err, CA_ERR_CONTRACT, "%s:%d:%d: '%s' is of kind %s: a bundle or a table has locations",
                       l->source, l->line, l->column, c->dataset, contract_kind_name(c->kind));
    if (l->contract_version != 0 && l->contract_version != c->version)
        return ca_fail(err, CA_ERR_CONTRACT,
                       "%s:%d:%d: the location is for version %" G_GINT64_FORMAT " of '%s', its contract is version "
                       "%" G_GINT64_FORMAT,
                       l->source, l->line, l->column, l->contract_version, c->dataset, c->version);
    return CA_OK;
}

int contract_locate(struct contract *c, struct contract_location *l, struct ca_error *err)
{
    struct contract_storage storage = c->storage;
    struct contract_pairs scan = c->scan;
    c->storage = l->storage;
    c->scan = l->scan;
    l->storage = storage; /* freed with `l`, which is c's */
    l->scan = scan;
    contract_location_free(c->at);
    c->at = l;
    CA_TRY(check_dataset(c, l, err));
    struct loader place = {.source = l->source, .problems = g_string_new(NULL)};
    struct loader types = {.source = c->source, .problems = place.problems};
    load_check_place(&place, &types, c);
    place.n_problems += types.n_problems;
    if (place.status == CA_OK)
        place.status = types.status;
    CA_TRY_CTX(load_done(&place, err), err, "location '%s' of '%s'", l->name, c->dataset);
    return CA_OK;
}
