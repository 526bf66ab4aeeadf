/* session/pins.c — see the header. */
#include "session/pins.h"

#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/time.h"
#include "contract/contract.h"
#include "publish/run.h"

/* Whether the dataset had the columns that it has now. */
static int has_columns_of(struct catalog *c, const struct manifest_dataset *then, bool *ret, struct ca_error *err)
{
    const struct contract *now = NULL;
    char fingerprint[FINGERPRINT_HEX_SIZE];
    CA_TRY(catalog_contract(c, then->schema, then->name, &now, err));
    CA_TRY(contract_schema_fingerprint(now, fingerprint, err));
    *ret = g_strcmp0(then->schema_fingerprint, fingerprint) == 0;
    return CA_OK;
}

/* The table and version that the newest run had which was published by then. *location: g_free'd and given anew. */
static int place_of_run(struct catalog *c, const struct store *store, const struct catalog_entry *e, const char *time,
                        char **location, int64_t *version, struct ca_error *err)
{
    g_autofree char *run = NULL;
    struct manifest m = {0};
    struct manifest_dataset d;
    bool has_columns = false;
    CA_TRY(run_at(store, time, &run, err));
    CA_TRY(run_read(store, run, &m, err));
    int rc = CA_OK;
    if (!manifest_dataset(&m, e->schema, e->name, &d))
        rc = ca_fail(err, CA_ERR_NOT_FOUND, "'%s.%s' had no rows in run '%s', the newest of that time", e->schema,
                     e->name, run);
    else
        rc = has_columns_of(c, &d, &has_columns, err);
    if (rc == CA_OK && !has_columns)
        rc = ca_fail(err, CA_ERR_DRIFT,
                     "'%s.%s' had other columns in run '%s', the newest of that time: read that run instead", e->schema,
                     e->name, run);
    if (rc == CA_OK) {
        g_free(*location);
        *location = g_build_filename(store_path(store), d.location, NULL);
        *version = d.data_version;
    }
    manifest_done(&m);
    return rc;
}

static void append_text(void *data, const char *text, size_t n_bytes)
{
    g_string_append_len(data, text, (gssize)n_bytes);
}

/* The newest version that was committed by then; commits come newest first. */
static int version_of_commit(struct catalog *c, const char *location, const char *time, int64_t *ret,
                             struct ca_error *err)
{
    int64_t wanted_us = 0;
    g_autoptr(GString) text = g_string_new(NULL);
    CA_TRY(time_parse_us(time, &wanted_us, err));
    CA_TRY(engine_delta_history(catalog_engine(c), location, /* limit= */ 0, append_text, text, err));
    json_t *commits = json_loadb(text->str, text->len, 0, NULL);
    size_t i;
    json_t *commit;
    bool is_found = false;
    json_array_foreach(commits, i, commit)
    {
        const json_t *timestamp_ms = json_object_get(commit, "timestamp");
        if (!json_is_integer(timestamp_ms) || json_integer_value(timestamp_ms) * 1000 > wanted_us)
            continue;
        *ret = json_integer_value(json_object_get(commit, "version"));
        is_found = true;
        break;
    }
    json_decref(commits);
    return is_found ? CA_OK
                    : ca_fail(err, CA_ERR_NOT_FOUND, "the Delta table at '%s' has no version of '%s' or before",
                              location, time);
}

/* "NAME=WHAT" in two; CA_ERR_INVALID says how it is written. */
static int halves(const char *text, const char *usage, char ***ret, struct ca_error *err)
{
    g_auto(GStrv) parts = g_strsplit(text, "=", 2);
    if (g_strv_length(parts) != 2 || parts[0][0] == '\0' || parts[1][0] == '\0')
        return ca_fail(err, CA_ERR_INVALID, "it is %s", usage);
    *ret = g_steal_pointer(&parts);
    return CA_OK;
}

int session_use_location(struct catalog *c, const char *text, struct ca_error *err)
{
    g_auto(GStrv) parts = NULL;
    CA_TRY(halves(text, "not NAME=LOCATION", &parts, err));
    return catalog_use_location(c, parts[0], parts[1], err);
}

int session_pin_dataset(struct catalog *c, const struct store *store, const char *text, struct ca_error *err)
{
    g_auto(GStrv) parts = NULL;
    CA_TRY(halves(text, "neither NAME=VERSION nor NAME=TIME", &parts, err));
    struct catalog_entry e;
    g_autofree char *location = NULL;
    bool is_in_store = false;
    CA_TRY(catalog_lookup(c, parts[0], &e, err));
    CA_TRY(catalog_delta_location(c, e.schema, e.name, &location, &is_in_store, err));
    guint64 said = 0;
    int64_t version = 0;
    if (strspn(parts[1], "0123456789") == strlen(parts[1])) {
        if (!g_ascii_string_to_unsigned(parts[1], 10, 0, G_MAXINT64, &said, NULL))
            return ca_fail(err, CA_ERR_INVALID, "'%s' is too large for a version", parts[1]);
        version = (int64_t)said;
    } else if (is_in_store) {
        CA_TRY(place_of_run(c, store, &e, parts[1], &location, &version, err));
    } else {
        CA_TRY(version_of_commit(c, location, parts[1], &version, err));
    }
    int64_t newest = 0;
    struct engine_extent extent;
    CA_TRY(engine_delta_version(catalog_engine(c), location, &newest, err));
    if (version > newest)
        return ca_fail(err, CA_ERR_NOT_FOUND,
                       "the Delta table at '%s' has no version %" G_GINT64_FORMAT ": its newest is %" G_GINT64_FORMAT,
                       location, version, newest);
    CA_TRY(engine_delta_extent(catalog_engine(c), location, version, -1, &extent, NULL, err));
    struct catalog_pin pin = {.location = location, .version = version, .n_rows = extent.n_rows};
    return catalog_pin(c, e.schema, e.name, &pin, err);
}
