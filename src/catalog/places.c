/* catalog/places.c — the locations of datasets: names that lead to the same contract at other places (B7), and
 * registry.locations, which looks whether those can be read. */
#include <string.h>

#include "catalog/tables.h"
#include "contract/location.h"
#include "rows/gen/locations.h"
#include "rows/rows.h"

/* entry   what stands for a location: that of its dataset, but for where and how rows are kept */
struct place {
    struct catalog_name name;
    struct contract_bundle_entry entry;
    char *key;
    char *table;
};

void catalog_place_free(void *name)
{
    struct place *p = name; /* its first member */
    free(p->name.sql);
    g_free(p->key);
    g_free(p->table);
    g_free(p);
}

/* `name` is "DATASET#LOCATION". */
static struct place *add_place(struct catalog_index *x, const char *schema, const char *name, struct catalog_dataset *d)
{
    struct place *p = g_new0(struct place, 1);
    bool is_public = strcmp(schema, "public") == 0;
    p->key = g_strdup_printf("%s.%s", schema, name);
    p->table = g_strdup_printf("dataset://%s", is_public ? name : p->key);
    p->name = (struct catalog_name){
        .key = p->key,
        .schema = schema,
        .name = p->key + strlen(schema) + 1,
        .table = p->table,
        .place = strchr(p->key, CONTRACT_LOCATION_MARK) + 1,
        .dataset = d,
    };
    g_ptr_array_add(x->own_places, p);
    g_ptr_array_add(x->places, p);
    return p;
}

/* The dataset of "DATASET#LOCATION", NULL: there is none, or it is a view. */
static struct catalog_name *base_of(const struct catalog_index *x, const char *schema, const char *name)
{
    g_autofree char *dataset = g_strndup(name, strcspn(name, (const char[]){CONTRACT_LOCATION_MARK, '\0'}));
    struct catalog_name *n = catalog_index_declared(x, schema, dataset);
    return n && !n->is_nested ? n : NULL;
}

static void add_default(struct catalog_index *x, struct catalog_name *base)
{
    g_autofree char *name = g_strdup_printf("%s%c%s", base->name, CONTRACT_LOCATION_MARK, CONTRACT_DEFAULT_LOCATION);
    if (!catalog_index_place(x, base->schema, name))
        add_place(x, base->schema, name, base->dataset);
}

static gint by_key(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const struct catalog_name *const *)a)->key, (*(const struct catalog_name *const *)b)->key);
}

/* A location whose dataset is missing is found by catalog_places_check. */
void catalog_places_add(struct catalog_index *x)
{
    for (guint i = 0; x->before && i < x->before->places->len; i++)
        g_ptr_array_add(x->places, x->before->places->pdata[i]);
    for (size_t i = 0; i < x->n_own_datasets; i++) {
        struct catalog_dataset *d = &x->own_datasets[i];
        const struct contract_bundle_entry *e = d->entry;
        struct catalog_name *base = e->file ? base_of(x, e->schema, e->name) : NULL;
        if (!base)
            continue;
        add_default(x, base);
        struct place *p = add_place(x, e->schema, e->name, d);
        p->entry = *base->dataset->entry;
        p->entry.storage = e->storage;
        p->entry.location = e->location;
        d->entry = &p->entry;
    }
    g_ptr_array_sort(x->places, by_key);
}

int catalog_places_check(const struct catalog_index *x, struct ca_error *err)
{
    for (size_t i = 0; i < x->n_own_datasets; i++) {
        const struct catalog_dataset *d = &x->own_datasets[i];
        const struct contract *contract = NULL;
        if (contract_bundle_entry(d->bundle, d->index)->file)
            CA_TRY(contract_bundle_contract(d->bundle, d->index, &contract, err));
    }
    return CA_OK;
}

bool catalog_is_place_of(const struct catalog_name *place, const struct catalog_name *n)
{
    size_t n_bytes = strlen(n->key);
    return strncmp(place->key, n->key, n_bytes) == 0 && place->key[n_bytes] == CONTRACT_LOCATION_MARK;
}

/* The locations of a dataset, for the message. */
static char *places_text(const struct catalog *c, const struct catalog_name *base)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const GPtrArray *places = catalog_places(c);
    for (guint i = 0; i < places->len; i++) {
        const struct catalog_name *n = places->pdata[i];
        if (catalog_is_place_of(n, base))
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", n->place);
    }
    return text->len > 0 ? g_strdup_printf("it has %s", text->str) : g_strdup("it has none but its own");
}

int catalog_place_required(const struct catalog *c, const struct catalog_entry *dataset, const char *location,
                           struct catalog_name **ret, struct ca_error *err)
{
    struct catalog_name *base = catalog_name_find(c, dataset->schema, dataset->name);
    g_autofree char *name = g_strdup_printf("%s%c%s", dataset->name, CONTRACT_LOCATION_MARK, location);
    *ret = dataset->place ? NULL : catalog_index_place(catalog_index(c), dataset->schema, name);
    if (!*ret && !dataset->place && strcmp(location, CONTRACT_DEFAULT_LOCATION) == 0)
        *ret = base;
    if (*ret)
        return CA_OK;
    g_autofree char *known = places_text(c, base);
    return ca_fail(err, CA_ERR_NOT_FOUND, "'%s' has no location '%s': %s", base->key, location, known);
}

int catalog_use_location(struct catalog *c, const char *dataset, const char *location, struct ca_error *err)
{
    struct catalog_entry entry;
    struct catalog_name *place = NULL;
    CA_TRY(catalog_lookup(c, dataset, &entry, err));
    CA_TRY(catalog_place_required(c, &entry, location, &place, err));
    const struct catalog_dataset *before = catalog_name_find(c, entry.schema, entry.name)->dataset;
    const GPtrArray *names = catalog_names(c);
    g_mutex_lock(&c->lock);
    for (guint i = 0; i < names->len; i++) {
        struct catalog_name *n = names->pdata[i];
        if (n->dataset == before)
            n->dataset = place->dataset;
    }
    g_mutex_unlock(&c->lock);
    catalog_next_epoch(c);
    return CA_OK;
}

/* ---- registry.locations ----------------------------------------------------------------------------------------- */

#define DATASET_OF(n) .schema_name = rows_str_of((n)->schema), .dataset_name = rows_str_of((n)->name)

static char *scan_text(const struct contract *contract)
{
    g_autoptr(GString) options = g_string_new(NULL);
    for (size_t i = 0; i < contract->scan.n; i++)
        g_string_append_printf(options, "%s%s=%s", i ? ", " : "", contract->scan.items[i].key,
                               contract->scan.items[i].value);
    return options->len > 0 ? g_strdup(options->str) : NULL;
}

/* When a location says a time. */
static char *time_text(const struct contract_location *at)
{
    if (!at || at->as_of_us == 0)
        return NULL;
    g_autoptr(GDateTime) seconds = g_date_time_new_from_unix_utc(at->as_of_us / G_USEC_PER_SEC);
    return g_date_time_format(seconds, "%Y-%m-%dT%H:%M:%SZ");
}

/* The row of one place of `n`; a dataset that has no location but its own is the place itself. */
static int add_location(struct catalog *c, const struct catalog_name *n, const struct catalog_name *place, void *rows,
                        struct ca_error *err)
{
    struct catalog_dataset *d = place->dataset;
    const struct contract *contract = NULL;
    CA_TRY(catalog_dataset_contract(c, d, &contract, err));
    const struct contract_location *at = contract->at;
    g_autofree char *options = scan_text(contract);
    g_autofree char *as_of = time_text(at);
    const char *health = NULL;
    g_autofree char *failure = NULL;
    if (at)
        catalog_probe(c, place, contract, &health, &failure);
    int rc = 0;
    g_mutex_lock(&c->lock);
    const char *location = d->location ? d->location : d->entry->location;
    if (!at)
        failure = catalog_dataset_failure(d, &health);
    bool is_pinned = at && at->data_version >= 0;
    if (location) {
        struct locations_row row = {
            DATASET_OF(n),
            .location_name = rows_str_of(place->place ? place->place : CONTRACT_DEFAULT_LOCATION),
            .source = rows_str_of(at                   ? "location"
                                  : d->entry->location ? "contract"
                                                       : "store"),
            .is_read = n->dataset == d,
            .format = rows_str_of(contract->storage.format),
            .location = rows_str_of(location),
            .options = rows_str_of(options),
            .has_data_version = is_pinned || (d->location != NULL && d->version >= 0),
            .data_version = d->location ? d->version
                            : is_pinned ? at->data_version
                                        : 0,
            .as_of = rows_str_of(as_of),
            .health = rows_str_of(failure ? health : "ok"),
            .reason = rows_str_of(failure),
            .doc = rows_str_of(at ? at->doc : NULL),
        };
        rc = locations_finish_row(rows, &row);
    }
    g_mutex_unlock(&c->lock);
    return catalog_rows_failed(rc, err);
}

static int each_location(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                         struct ca_error *err)
{
    bool has_places = false;
    if (!contract || n->is_nested)
        return CA_OK;
    const GPtrArray *places = catalog_places(c);
    for (guint i = 0; i < places->len; i++) {
        const struct catalog_name *place = places->pdata[i];
        if (!catalog_is_place_of(place, n))
            continue;
        has_places = true;
        CA_TRY(add_location(c, n, place, rows, err));
    }
    return has_places ? CA_OK : add_location(c, n, n, rows, err);
}

static int locations_fill(struct catalog *c, struct locations *rows, struct ca_error *err)
{
    return catalog_ask_engine(c, each_location, rows, err);
}

CATALOG_TABLE(locations, locations_fill)
