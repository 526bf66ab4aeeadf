/* catalog/inventory.c — the tables of registry.* that say what the catalog holds: names, where their rows are, what
 * made them. Locations are in places.c. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "catalog/tables.h"
#include "contract/scan.h"
#include "rows/gen/bundles.h"
#include "rows/gen/datasets.h"
#include "rows/gen/fingerprints.h"
#include "rows/gen/functions.h"
#include "rows/gen/handles.h"
#include "rows/gen/models.h"
#include "rows/gen/views.h"
#include "rows/rows.h"

#define DATASET_OF(n) .schema_name = rows_str_of((n)->schema), .dataset_name = rows_str_of((n)->name)

/* ---- datasets --------------------------------------------------------------------------------------------------- */

/* Why what should be at `path` cannot be read, "NOTHING at ...: ADVICE" where it is not there; NULL: it can. g_free. */
static char *path_failure(const char *path, const char *location, const char *nothing, const char *advice,
                          const char **ret_health)
{
    if (access(path, R_OK) == 0)
        return NULL;
    bool is_missing = errno == ENOENT || errno == ENOTDIR;
    *ret_health = is_missing ? "missing" : "broken";
    return is_missing ? g_strdup_printf("%s at '%s': %s", nothing, location, advice)
                      : g_strdup_printf("'%s' cannot be read: %s", location, g_strerror(errno));
}

char *catalog_dataset_failure(const struct catalog_dataset *d, const char **ret_health)
{
    *ret_health = "broken";
    if (d->failure)
        return g_strdup(d->failure);
    const char *location = d->location ? d->location : d->entry->location;
    if (!location || strcmp(d->entry->storage, "delta") != 0 || strstr(location, "://"))
        return NULL;
    g_autofree char *log = g_build_filename(location, "_delta_log", NULL);
    const char *advice =
        d->entry->location ? "make it, or say in the contract where it is" : "run 'codeanatomy build' again";
    return path_failure(log, location, "no Delta table", advice, ret_health);
}

/* The same of a listing that says one place where there is always something. */
static char *listing_failure(const struct contract *contract, const char *location, const char **ret_health)
{
    static const char advice[] = "put a file or a directory of files there, or correct the location";
    const char *format = contract->storage.format;
    if (!location || !format || strcmp(format, "delta") == 0 || strstr(location, "://") || strpbrk(location, "*?[") ||
        contract_scan_is_true(contract, "mutable_listing"))
        return NULL;
    return path_failure(location, location, "nothing", advice, ret_health);
}

static const char *name_doc(const struct catalog_name *n, const struct contract *contract)
{
    if (!contract)
        return "";
    const char *doc = n->is_nested ? contract_view_named(contract, n->name)->doc : contract->doc;
    return doc ? doc : "";
}

static int each_dataset(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                        struct ca_error *err)
{
    const struct catalog_dataset *d = n->dataset;
    const struct catalog_entry entry = catalog_entry_of(n);
    g_mutex_lock(&c->lock);
    bool is_written = !n->is_nested && (d->location != NULL || d->rows != NULL);
    bool can_be_empty = contract && !n->is_nested && catalog_is_stored(contract);
    const char *health = NULL;
    g_autofree char *failure = catalog_dataset_failure(d, &health);
    if (!failure && contract && !n->is_nested)
        failure = listing_failure(contract, d->entry->location, &health);
    struct datasets_row row = {
        DATASET_OF(n),
        .version = (int32_t)d->entry->version,
        .kind = rows_str_of(entry.kind),
        .stage = rows_str_of(entry.stage),
        .contract = rows_str_of(d->entry->name),
        .doc = rows_str_of(name_doc(n, contract)),
        .contract_fingerprint = rows_str_of(d->entry->fingerprint),
        .location = rows_str_of(n->is_nested  ? NULL
                                : d->location ? d->location
                                              : d->entry->location),
        .has_data_version = is_written && d->location,
        .data_version = d->version,
        .has_n_rows = is_written && d->n_rows >= 0,
        .n_rows = d->n_rows,
        .health = rows_str_of(failure                       ? health
                              : can_be_empty && !is_written ? "empty"
                                                            : "ok"),
        .failure = rows_str_of(failure),
    };
    int rc = datasets_finish_row(rows, &row);
    g_mutex_unlock(&c->lock);
    return catalog_rows_failed(rc, err);
}

static int datasets_fill(struct catalog *c, struct datasets *rows, struct ca_error *err)
{
    return catalog_for_each_name(c, each_dataset, rows, err);
}

CATALOG_TABLE(datasets, datasets_fill)

/* ---- bundles ---------------------------------------------------------------------------------------------------- */

static int each_bundle(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                       struct ca_error *err)
{
    (void)c;
    if (contract->kind != CONTRACT_BUNDLE)
        return CA_OK;
    const struct contract_extract *e = contract->extract;
    struct bundles_row row = {
        .bundle = rows_str_of(contract->dataset),
        .extractor = rows_str_of(e ? e->extractor : NULL),
        .layer = rows_str_of(e ? e->layer : NULL),
        DATASET_OF(n),
        .path = rows_str_of(n->is_nested ? contract_view_named(contract, n->name)->unnest : NULL),
        .doc = rows_str_of(name_doc(n, contract)),
    };
    return catalog_rows_failed(bundles_finish_row(rows, &row), err);
}

CATALOG_TABLE_OF_NAMES(bundles, each_bundle)

/* ---- views and models ------------------------------------------------------------------------------------------- */

static bool is_model(const struct catalog_name *n, const struct contract *contract)
{
    return !n->is_nested && n->dataset->entry->sql && contract->kind != CONTRACT_VIEW;
}

static int each_view(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                     struct ca_error *err)
{
    const char *sql = NULL;
    CA_TRY(catalog_name_sql(c, n, &sql, err));
    if (!sql)
        return CA_OK;
    char fingerprint[FINGERPRINT_HEX_SIZE];
    fingerprint_of(sql, strlen(sql), fingerprint);
    struct views_row row = {
        DATASET_OF(n),
        .kind = rows_str_of(n->is_nested            ? "nested"
                            : is_model(n, contract) ? "model"
                                                    : "view"),
        .sql = rows_str_of(sql),
        .fingerprint = rows_str_of(fingerprint),
    };
    return catalog_rows_failed(views_finish_row(rows, &row), err);
}

CATALOG_TABLE_OF_NAMES(views, each_view)

static int each_model(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                      struct ca_error *err)
{
    if (!is_model(n, contract))
        return CA_OK;
    g_mutex_lock(&c->lock);
    struct models_row row = {
        DATASET_OF(n),
        .stage = rows_str_of(contract_stage_name(contract->stage)),
        .sql = rows_str_of(n->dataset->entry->sql),
        .reads = rows_str_of(n->dataset->reads),
        .writes = rows_str_of(n->key),
        .plan_fingerprint = rows_str_of(n->dataset->plan_fingerprint),
        .is_file_local = contract->is_file_local,
    };
    int rc = models_finish_row(rows, &row);
    g_mutex_unlock(&c->lock);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE_OF_NAMES(models, each_model)

/* ---- fingerprints and handles ----------------------------------------------------------------------------------- */

static int schema_fingerprint(struct catalog *c, const struct catalog_name *n, char ret[FINGERPRINT_HEX_SIZE],
                              struct ca_error *err)
{
    struct ArrowSchema schema = {0};
    CA_TRY(catalog_declared_schema(c, n->schema, n->name, &schema, err));
    int rc = rows_schema_fingerprint(&schema, ret, err);
    schema.release(&schema);
    return rc;
}

static int each_fingerprint(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                            struct ca_error *err)
{
    char schema[FINGERPRINT_HEX_SIZE];
    char sql_hex[FINGERPRINT_HEX_SIZE];
    const char *sql = NULL;
    g_autofree char *ddl = NULL;
    CA_TRY(schema_fingerprint(c, n, schema, err));
    CA_TRY(catalog_ddl_fingerprint(c, n->schema, n->name, &ddl, err));
    CA_TRY(catalog_name_sql(c, n, &sql, err));
    if (sql)
        fingerprint_of(sql, strlen(sql), sql_hex);
    g_mutex_lock(&c->lock);
    struct fingerprints_row row = {
        DATASET_OF(n),
        .contract = rows_str_of(n->dataset->entry->fingerprint),
        .schema = rows_str_of(schema),
        .ddl = rows_str_of(ddl),
        .sql = rows_str_of(sql ? sql_hex : NULL),
        .plan = rows_str_of(is_model(n, contract) ? n->dataset->plan_fingerprint : NULL),
    };
    int rc = fingerprints_finish_row(rows, &row);
    g_mutex_unlock(&c->lock);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE_OF_NAMES(fingerprints, each_fingerprint)

/* place NULL: the name itself. */
static int add_handle(struct handles *rows, const struct catalog_name *n, const struct catalog_name *place,
                      int64_t version, const char *schema_fingerprint)
{
    bool is_public = strcmp(n->schema, "public") == 0;
    g_autofree char *handle = g_strdup_printf("dataset://%s@%" G_GINT64_FORMAT "%s%s", is_public ? n->name : n->key,
                                              version, place ? "#" : "", place ? place->place : "");
    g_autofree char *qualified = g_strconcat(CATALOG_NAME ".", n->key, NULL);
    struct handles_row row = {
        .handle = rows_str_of(handle),
        .qualified_name = rows_str_of(qualified),
        DATASET_OF(n),
        .version = (int32_t)version,
        .schema_fingerprint = rows_str_of(schema_fingerprint),
        .location_name = rows_str_of(place ? place->place : NULL),
    };
    return handles_finish_row(rows, &row);
}

static int each_handle(struct catalog *c, struct catalog_name *n, const struct contract *contract, void *rows,
                       struct ca_error *err)
{
    char schema[FINGERPRINT_HEX_SIZE];
    CA_TRY(schema_fingerprint(c, n, schema, err));
    int rc = add_handle(rows, n, NULL, contract->version, schema);
    const GPtrArray *places = catalog_places(c);
    for (guint i = 0; i < places->len && rc == 0; i++)
        if (catalog_is_place_of(places->pdata[i], n))
            rc = add_handle(rows, n, places->pdata[i], contract->version, schema);
    return catalog_rows_failed(rc, err);
}

CATALOG_TABLE_OF_NAMES(handles, each_handle)

/* ---- functions ------------------------------------------------------------------------------------------------- */

/* The contract language's name of an Arrow format that a function declares: a type without further keys. */
static const char *format_type(const char *format)
{
    static const enum contract_type types[] = {CONTRACT_BOOL,    CONTRACT_INT32, CONTRACT_INT64,
                                               CONTRACT_FLOAT64, CONTRACT_UTF8,  CONTRACT_BINARY};
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        struct contract_field field = {.type = types[i]};
        char known[CONTRACT_FORMAT_SIZE];
        contract_arrow_format(&field, known);
        if (strcmp(known, format) == 0)
            return contract_type_name(types[i]);
    }
    return format;
}

static gint function_by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const struct rows_function *const *)a)->name, (*(const struct rows_function *const *)b)->name);
}

static int add_function(struct functions *rows, const struct rows_function *f)
{
    g_autoptr(GString) signature = g_string_new(f->name);
    for (size_t i = 0; i < f->n_args; i++)
        g_string_append_printf(signature, "%s%s %s", i ? ", " : "(", f->arg_names[i], format_type(f->arg_formats[i]));
    g_string_append_printf(signature, "%s -> %s", f->n_args ? ")" : "()", format_type(f->return_format));
    struct functions_row row = {
        .name = rows_str_of(f->name),
        .signature = rows_str_of(signature->str),
        .syntax = rows_str_of(f->syntax),
        .n_args = (int32_t)f->n_args,
        .return_type = rows_str_of(format_type(f->return_format)),
        .doc = rows_str_of(f->doc),
    };
    return functions_finish_row(rows, &row);
}

static int functions_fill(struct catalog *c, struct functions *rows, struct ca_error *err)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (size_t i = 0; i < c->n_functions; i++)
        g_ptr_array_add(sorted, (gpointer)&c->functions[i]);
    g_ptr_array_sort(sorted, function_by_name);
    for (guint i = 0; i < sorted->len; i++)
        CA_TRY(catalog_rows_failed(add_function(rows, sorted->pdata[i]), err));
    return CA_OK;
}

CATALOG_TABLE(functions, functions_fill)
