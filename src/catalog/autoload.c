/* catalog/autoload.c — the tables of a folder, `datafusion.catalog.location` and `datafusion.catalog.format` (A3).
 *
 * Each entry becomes a table of the session by the statement with which a user would make it, so what holds for CREATE
 * EXTERNAL TABLE holds here: columns are inferred once, files compared with them before a row is read. One that cannot
 * be read is kept with its reason (registry.health) and disturbs no other.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "catalog/state.h"

#define LOCATION_KEY "datafusion.catalog.location"
#define FORMAT_KEY "datafusion.catalog.format"
#define FORMATS "parquet, csv, ndjson, json, arrow, avro"

static const struct format {
    const char *name;
    const char *extension;
} formats[] = {
    {"parquet", ".parquet"}, {"csv", ".csv"},     {"ndjson", ".ndjson"},
    {"json", ".json"},       {"arrow", ".arrow"}, {"avro", ".avro"},
};

/* What the settings say; NULL: nothing. *_source: who said it. */
struct said {
    char *location;
    char *location_source;
    char *format;
    char *format_source;
};

static void said_done(struct said *s)
{
    g_free(s->location);
    g_free(s->location_source);
    g_free(s->format);
    g_free(s->format_source);
}

/* An empty value takes back what a weaker source said. */
static int take_setting(void *data, const struct engine_setting_value *setting, struct ca_error *err)
{
    struct said *s = data;
    (void)err;
    if (!setting->value || !setting->value[0])
        return CA_OK;
    if (strcmp(setting->key, LOCATION_KEY) == 0) {
        s->location = g_strdup(setting->value);
        s->location_source = g_strdup(setting->source);
    } else if (strcmp(setting->key, FORMAT_KEY) == 0) {
        s->format = g_strdup(setting->value);
        s->format_source = g_strdup(setting->source);
    }
    return CA_OK;
}

static int find_format(const struct said *s, const struct format **ret, struct ca_error *err)
{
    if (!s->format || !s->location)
        return ca_fail(err, CA_ERR_INVALID, "setting '%s' (%s) needs '%s' beside it: %s",
                       s->format ? FORMAT_KEY : LOCATION_KEY, s->format ? s->format_source : s->location_source,
                       s->format ? LOCATION_KEY : FORMAT_KEY,
                       s->format ? "the folder whose files are tables" : "one of " FORMATS);
    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (g_ascii_strcasecmp(formats[i].name, s->format) == 0) {
            *ret = &formats[i];
            return CA_OK;
        }
    }
    return ca_fail(err, CA_ERR_INVALID, "setting '" FORMAT_KEY "' (%s) is '%s': one of " FORMATS, s->format_source,
                   s->format);
}

/* What tools leave beside data, as the engine's listing leaves it out; `_k=v` is a partition. */
static bool is_hidden(const char *name)
{
    return name[0] == '.' || (name[0] == '_' && !strchr(name, '='));
}

static bool is_of_format(const char *name, const struct format *format)
{
    return !is_hidden(name) && g_str_has_suffix(name, format->extension) && strcmp(name, format->extension) != 0;
}

/* Whether a table over the folder would find a file: directly in it, or below folders of partitions, `key=value`. What
 * may not be looked at is said to, and its table says why it cannot be read. Links to folders are not followed, so this
 * ends. */
static bool holds_files(const char *path, const struct format *format)
{
    DIR *dir = opendir(path);
    if (!dir)
        return true;
    bool is_found = false;
    const struct dirent *entry;
    while (!is_found && (entry = readdir(dir))) {
        g_autofree char *below = g_build_filename(path, entry->d_name, NULL);
        struct stat st;
        if (is_hidden(entry->d_name) || lstat(below, &st) != 0)
            continue;
        is_found = S_ISDIR(st.st_mode) ? strchr(entry->d_name, '=') && holds_files(below, format)
                                       : is_of_format(entry->d_name, format);
    }
    closedir(dir);
    return is_found;
}

/* A link that leads nowhere is looked at as a file, and its table says so; what is neither file nor folder would be
 * waited for. */
static bool is_table(const char *path, const char *name, const struct format *format, bool *ret_is_dir)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    *ret_is_dir = is_there && S_ISDIR(st.st_mode);
    if (*ret_is_dir)
        return !is_hidden(name) && holds_files(path, format);
    return is_of_format(name, format) && (!is_there || S_ISREG(st.st_mode));
}

void catalog_loaded_free(void *data)
{
    struct catalog_loaded *l = data;
    g_free(l->name);
    g_free(l->location);
    g_free(l->failure);
    g_free(l);
}

static void take_entry(struct catalog *c, const char *folder, const char *name, const struct format *format)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    bool is_dir = false;
    if (!is_table(path, name, format, &is_dir))
        return;
    if (!g_utf8_validate(name, -1, NULL)) {
        g_autofree char *shown = g_filename_display_name(path);
        log_emit(LOG_WARN, "catalog", "a name that is not UTF-8 is no table", "path", shown, NULL);
        return;
    }
    struct catalog_loaded *l = g_new0(struct catalog_loaded, 1);
    size_t n_bytes = strlen(name) - (is_of_format(name, format) ? strlen(format->extension) : 0);
    l->name = g_strndup(name, n_bytes);
    l->location = g_strconcat(path, is_dir ? G_DIR_SEPARATOR_S : NULL, NULL);
    g_ptr_array_add(c->loaded, l);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    const struct catalog_loaded *const *left = a;
    const struct catalog_loaded *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static int list_folder(struct catalog *c, const char *folder, const struct format *format, struct ca_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return ca_fail_errno(err, errno == ENOENT ? CA_ERR_NOT_FOUND : CA_ERR_IO, errno,
                             "setting '" LOCATION_KEY "': cannot open folder '%s'", folder);
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(dir)))
        take_entry(c, folder, entry->d_name, format);
    int errnum = errno;
    closedir(dir);
    if (errnum != 0)
        return ca_fail_errno(err, CA_ERR_IO, errnum, "setting '" LOCATION_KEY "': cannot read folder '%s'", folder);
    g_ptr_array_sort(c->loaded, by_name);
    return CA_OK;
}

/* A name is one table's; nobody stands before a contract. */
static int check_names(const struct catalog *c, struct ca_error *err)
{
    for (guint i = 0; i < c->loaded->len; i++) {
        const struct catalog_loaded *l = c->loaded->pdata[i];
        const struct catalog_loaded *next = i + 1 < c->loaded->len ? c->loaded->pdata[i + 1] : NULL;
        if (catalog_name_find(c, CATALOG_LOADED_SCHEMA, l->name))
            return ca_fail(err, CA_ERR_REFUSED,
                           "setting '" LOCATION_KEY "': '%s' would be 'public.%s', which a contract declares: give it "
                           "another name",
                           l->location, l->name);
        if (next && strcmp(l->name, next->name) == 0)
            return ca_fail(err, CA_ERR_REFUSED,
                           "setting '" LOCATION_KEY "': '%s' and '%s' would both be 'public.%s': give one of them "
                           "another name",
                           l->location, next->location, l->name);
    }
    return CA_OK;
}

char *catalog_loaded_sql_name(const struct catalog_loaded *l)
{
    g_auto(GStrv) parts = g_strsplit(l->name, "\"", 0);
    g_autofree char *inner = g_strjoinv("\"\"", parts);
    return g_strdup_printf("\"" CATALOG_NAME "\".\"" CATALOG_LOADED_SCHEMA "\".\"%s\"", inner);
}

/* A URL: in a path the engine would take brackets and stars for patterns. */
static int declare(struct catalog *c, const struct catalog_loaded *l, const struct format *format, struct ca_error *err)
{
    g_autofree char *url = g_filename_to_uri(l->location, /* hostname= */ NULL, NULL);
    if (!url)
        return ca_fail(err, CA_ERR_INVALID, "'%s' is no path", l->location);
    g_autofree char *name = catalog_loaded_sql_name(l);
    g_autofree char *quoted = catalog_sql_text(url);
    g_autofree char *file_type = g_ascii_strup(format->name, -1);
    g_autofree char *sql =
        g_strdup_printf("CREATE EXTERNAL TABLE %s STORED AS %s LOCATION %s", name, file_type, quoted);
    return engine_declare(c->engine, sql, err);
}

static int load(struct catalog *c, const struct said *s, struct ca_error *err)
{
    const struct format *format = NULL;
    CA_TRY(find_format(s, &format, err));
    g_autofree char *path =
        g_str_has_prefix(s->location, "file://") ? g_filename_from_uri(s->location, NULL, NULL) : g_strdup(s->location);
    g_autofree char *folder = g_canonicalize_filename(path ? path : s->location, NULL);
    CA_TRY(list_folder(c, folder, format, err));
    CA_TRY(check_names(c, err));
    for (guint i = 0; i < c->loaded->len; i++) {
        struct catalog_loaded *l = c->loaded->pdata[i];
        struct ca_error found = {0};
        l->status = declare(c, l, format, &found);
        if (l->status == CA_OK)
            continue;
        l->failure = g_strdup(found.message);
        catalog_event(c, "error", CATALOG_LOADED_SCHEMA, l->name, l->failure);
        log_emit(LOG_WARN, "catalog", "a file is no table", "name", l->name, "location", l->location, "reason",
                 l->failure, NULL);
    }
    return CA_OK;
}

static int refuse(const struct said *s, struct ca_error *err)
{
    return ca_fail(err, CA_ERR_INVALID,
                   "setting '%s' (%s) makes tables of a session, which no contract describes, and a build reads "
                   "nothing else: write a contract with 'storage: {format: .., location: ..}', or build with '%s='",
                   s->location ? LOCATION_KEY : FORMAT_KEY, s->location ? s->location_source : s->format_source,
                   s->location ? LOCATION_KEY : FORMAT_KEY);
}

int catalog_autoload(struct catalog *c, bool is_wanted, struct ca_error *err)
{
    struct said s = {0};
    int rc = engine_settings(c->engine, take_setting, &s, err);
    if (rc == CA_OK && (s.location || s.format))
        rc = is_wanted ? load(c, &s, err) : refuse(&s, err);
    said_done(&s);
    return rc;
}
