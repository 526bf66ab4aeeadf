/* session/contract.c — contract files of the public ABI: check, import, export. No session is needed. */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "catalog/builtin.h"
#include "codeanatomy/codeanatomy.h"
#include "contract/bundle.h"
#include "contract/contract.h"
#include "contract/exchange.h"
#include "contract/location.h"

/* ---- check ------------------------------------------------------------------------------------------------------ */

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every *.yaml below the directory, deepest folders included, by name. */
static int collect(const char *path, GPtrArray *files, struct ca_error *err)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
    if (dir == NULL)
        return ca_fail(err, CA_ERR_IO, "%s", error->message);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir))
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    g_ptr_array_sort(names, by_text);
    for (guint i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        if (g_file_test(name, G_FILE_TEST_IS_DIR) && !g_file_test(name, G_FILE_TEST_IS_SYMLINK))
            CA_TRY(collect(name, files, err));
        else if (g_str_has_suffix(name, ".yaml"))
            g_ptr_array_add(files, g_strdup(name));
    }
    return CA_OK;
}

static void clear_finding(gpointer finding)
{
    g_free((char *)((struct ca_contract_finding *)finding)->message);
}

/* Lines "FILE:LINE:COLUMN: what"; a line that is none belongs to the one before. */
static void add_findings(GArray *findings, const char *file, const char *lines)
{
    g_auto(GStrv) parts = g_strsplit(lines, "\n", -1);
    for (char **line = parts; *line != NULL && lines[0] != '\0'; line++) {
        struct ca_contract_finding f = {.file = file, .line = 1, .column = 1, .path = ""};
        const char *rest = *line;
        bool has_place = g_str_has_prefix(rest, file) && rest[strlen(file)] == ':';
        if (has_place) {
            char *end = NULL;
            rest += strlen(file) + 1;
            f.line = (int)g_ascii_strtoll(rest, &end, 10);
            has_place = end != rest && *end == ':';
            if (has_place)
                f.column = (int)g_ascii_strtoll(end + 1, &end, 10);
            has_place = has_place && g_str_has_prefix(end, ": ");
            rest = has_place ? end + 2 : *line;
        }
        if (!has_place && findings->len > 0) {
            struct ca_contract_finding *last = &g_array_index(findings, struct ca_contract_finding, findings->len - 1);
            char *whole = g_strconcat(last->message, "\n", rest, NULL);
            g_free((char *)last->message);
            last->message = whole;
            continue;
        }
        if (!has_place) {
            f.line = 1;
            f.column = 1;
            g_autofree char *prefix = g_strconcat(file, ": ", NULL);
            rest += g_str_has_prefix(rest, prefix) ? strlen(prefix) : 0;
        }
        f.message = g_strdup(rest);
        g_array_append_val(findings, f);
    }
}

/* A file of a folder `locations`; the dataset that it is for is found when the directory is applied. */
static bool is_location(const char *path)
{
    g_autofree char *folder_path = g_path_get_dirname(path);
    g_autofree char *folder = g_path_get_basename(folder_path);
    return strcmp(folder, CONTRACT_LOCATIONS_FOLDER) == 0;
}

/* What is said of one file, and what the words in it point into. */
struct checked {
    struct ca_contract_file file;
    GArray *findings;
    char *name;
    char fingerprint[FINGERPRINT_HEX_SIZE];
    char schema_fingerprint[FINGERPRINT_HEX_SIZE];
};

static int check_location(struct checked *f, struct ca_error *err)
{
    CA_AUTOPTR(contract_location) l = NULL;
    CA_AUTOFREE char *text = NULL;
    size_t n_bytes = 0;
    CA_TRY(contract_location_load(f->file.file, &l, err));
    CA_TRY(file_read_bounded(f->file.file, CONTRACT_MAX_BYTES, &text, &n_bytes, err));
    fingerprint_of(text, n_bytes, f->fingerprint);
    f->name = g_strdup_printf("%s%c%s", l->dataset, CONTRACT_LOCATION_MARK, l->name);
    f->file.version = l->contract_version;
    return CA_OK;
}

static int check_contract(struct checked *f, struct ca_error *err)
{
    CA_AUTOPTR(contract) c = NULL;
    CA_TRY(contract_load(f->file.file, &c, err));
    CA_AUTOFREE char *lint = contract_lint(c);
    add_findings(f->findings, f->file.file, lint);
    CA_TRY(contract_schema_fingerprint(c, f->schema_fingerprint, err));
    contract_fingerprint(c, f->fingerprint);
    f->name = g_strdup(c->dataset);
    f->file.version = c->version;
    f->file.schema_fingerprint = f->schema_fingerprint;
    return CA_OK;
}

static int check_file(const char *path, ca_contract_file_fn fn, void *data, struct ca_error *err)
{
    struct checked f = {.file = {.file = path}};
    struct ca_error why = {0};
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return ca_fail(err, CA_ERR_NOT_FOUND, "there is no file '%s'", path);
    f.findings = g_array_new(FALSE, FALSE, sizeof(struct ca_contract_finding));
    g_array_set_clear_func(f.findings, clear_finding);
    int rc = is_location(path) ? check_location(&f, &why) : check_contract(&f, &why);
    bool is_read = rc != CA_ERR_IO && rc != CA_ERR_NOT_FOUND;
    if (rc != CA_OK)
        add_findings(f.findings, path, why.message);
    f.file.dataset = f.name;
    f.file.fingerprint = f.name ? f.fingerprint : NULL;
    f.file.findings = (const struct ca_contract_finding *)(void *)f.findings->data;
    f.file.n_findings = f.findings->len;
    if (is_read)
        fn(data, &f.file);
    g_array_free(f.findings, TRUE);
    g_free(f.name);
    return is_read ? CA_OK : ca_fail(err, rc, "%s", why.message);
}

int ca_contract_check(const char *const *paths, size_t n_paths, ca_contract_file_fn fn, void *data,
                      struct ca_error *err)
{
    if ((paths == NULL && n_paths > 0) || fn == NULL)
        return ca_fail(err, CA_ERR_INVALID, "no paths, or nobody to tell what was found");
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < n_paths; i++) {
        const guint n_before = files->len;
        if (g_file_test(paths[i], G_FILE_TEST_IS_DIR))
            CA_TRY(collect(paths[i], files, err));
        else
            g_ptr_array_add(files, g_strdup(paths[i]));
        if (files->len == n_before)
            return ca_fail(err, CA_ERR_NOT_FOUND, "there is no contract, no *.yaml, below '%s'", paths[i]);
    }
    for (guint i = 0; i < files->len; i++)
        CA_TRY(check_file(files->pdata[i], fn, data, err));
    return CA_OK;
}

/* ---- import and export ------------------------------------------------------------------------------------------ */

struct report {
    ca_contract_finding_fn fn;
    void *data;
};

static void on_loss(void *data, const struct contract_loss *loss)
{
    const struct report *report = data;
    const struct ca_contract_finding f = {loss->source, loss->line, loss->column, loss->path, loss->reason};
    if (report->fn != NULL)
        report->fn(report->data, &f);
}

static int language_of(const char *name, enum contract_language *ret, struct ca_error *err)
{
    if (name != NULL && contract_language_from_name(name, ret))
        return CA_OK;
    return ca_fail(err, CA_ERR_INVALID, "there is no language '%s' of contracts: odcs or dbt",
                   name == NULL ? "" : name);
}

static char *import_path(const char *folder, const struct contract *c)
{
    g_autofree char *file = g_strconcat(c->dataset, ".yaml", NULL);
    return g_build_filename(folder, contract_stage_name(c->stage), file, NULL);
}

/* A file that says the same is fine; another one is somebody's work. */
static int check_place(const char *path, const char *yaml, struct ca_error *err)
{
    CA_AUTOFREE char *text = NULL;
    size_t n_bytes = 0;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return CA_OK;
    CA_TRY(file_read_bounded(path, CONTRACT_MAX_BYTES, &text, &n_bytes, err));
    if (strcmp(text, yaml) == 0)
        return CA_OK;
    return ca_fail(err, CA_ERR_REFUSED, "'%s' is there already and says something else: nothing was written", path);
}

static int write_imports(const struct contract_imports *imports, const char *folder, ca_text_fn written, void *data,
                         struct ca_error *err)
{
    for (size_t i = 0; i < imports->n; i++) {
        g_autofree char *path = import_path(folder, imports->items[i].contract);
        CA_TRY(check_place(path, imports->items[i].yaml, err));
    }
    for (size_t i = 0; i < imports->n; i++) {
        g_autofree char *path = import_path(folder, imports->items[i].contract);
        g_autofree char *stage = g_path_get_dirname(path);
        CA_TRY(file_make_dirs(stage, err));
        CA_TRY(file_write_atomic(path, imports->items[i].yaml, strlen(imports->items[i].yaml), err));
        if (written != NULL)
            written(data, path, strlen(path));
    }
    return CA_OK;
}

int ca_contract_import(const char *language, const char *const *paths, size_t n_paths, const char *folder,
                       ca_text_fn written, ca_contract_finding_fn losses, void *data, struct ca_error *err)
{
    enum contract_language from = CONTRACT_ODCS;
    CA_TRY(language_of(language, &from, err));
    if (paths == NULL || n_paths == 0 || folder == NULL)
        return ca_fail(err, CA_ERR_INVALID, "no documents to import, or no folder for what they become");
    struct report report = {losses, data};
    struct contract_imports imports = {0};
    int rc = CA_OK;
    for (size_t i = 0; rc == CA_OK && i < n_paths; i++) {
        CA_AUTOFREE char *text = NULL;
        size_t n_bytes = 0;
        rc = file_read_bounded(paths[i], CONTRACT_MAX_BYTES, &text, &n_bytes, err);
        if (rc == CA_OK)
            rc = contract_import(from, text, n_bytes, paths[i], on_loss, &report, &imports, err);
    }
    if (rc == CA_OK)
        rc = write_imports(&imports, folder, written, data, err);
    contract_imports_done(&imports);
    return rc;
}

/* What is exported, and the memory that it borrows. */
struct sources {
    GArray *items;    /* struct contract_export */
    GPtrArray *texts; /* owned */
    struct contract_bundle *builtin;
};

static int add_file(struct sources *s, const char *path, struct ca_error *err)
{
    CA_AUTOPTR(contract) c = NULL;
    CA_TRY(contract_load(path, &c, err));
    struct contract_export item = {.source = path, .stage = c->stage};
    char *yaml = NULL;
    CA_TRY(file_read_bounded(path, CONTRACT_MAX_BYTES, &yaml, &item.n_bytes, err));
    g_ptr_array_add(s->texts, yaml);
    item.yaml = yaml;
    g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".yaml"));
    g_autofree char *sql = g_strconcat(stem, ".sql", NULL);
    item.sql = g_file_test(sql, G_FILE_TEST_EXISTS) ? "" : NULL;
    g_array_append_val(s->items, item);
    return CA_OK;
}

/* "NAME" in any schema of the catalog, or "SCHEMA.NAME". */
static int64_t find_builtin(const struct contract_bundle *b, const char *name)
{
    static const char *const schemas[] = {"public", "registry", "params", "diagnostics"};
    int64_t found = -1;
    for (size_t i = 0; i < G_N_ELEMENTS(schemas) && found < 0; i++) {
        const size_t n = strlen(schemas[i]);
        const bool is_said = strncmp(name, schemas[i], n) == 0 && name[n] == '.';
        if (is_said || strchr(name, '.') == NULL)
            found = contract_bundle_find(b, schemas[i], is_said ? name + n + 1 : name);
    }
    return found;
}

static int add_builtin(struct sources *s, const char *name, struct ca_error *err)
{
    if (s->builtin == NULL)
        CA_TRY(contract_bundle_open(contract_builtin_bundle, contract_builtin_bundle_size, /* fingerprint= */ NULL,
                                    &s->builtin, err));
    const int64_t at = find_builtin(s->builtin, name);
    if (at < 0)
        return ca_fail(err, CA_ERR_NOT_FOUND, "no built-in dataset '%s', and no contract file of that name", name);
    const struct contract_bundle_entry *entry = contract_bundle_entry(s->builtin, (size_t)at);
    const char *yaml = NULL;
    CA_TRY(contract_bundle_yaml(s->builtin, (size_t)at, &yaml, err));
    const struct contract_export item = {yaml, strlen(yaml), name, entry->stage, entry->sql};
    g_array_append_val(s->items, item);
    return CA_OK;
}

int ca_contract_export(const char *language, const char *const *names, size_t n_names, ca_text_fn text,
                       ca_contract_finding_fn losses, void *data, struct ca_error *err)
{
    enum contract_language to = CONTRACT_ODCS;
    CA_TRY(language_of(language, &to, err));
    if (names == NULL || n_names == 0 || text == NULL)
        return ca_fail(err, CA_ERR_INVALID, "no contracts to export, or nobody to take them");
    g_autoptr(GArray) items = g_array_new(FALSE, TRUE, sizeof(struct contract_export));
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(free);
    struct sources s = {items, texts, NULL};
    int rc = CA_OK;
    for (size_t i = 0; rc == CA_OK && i < n_names; i++) {
        const bool is_file = g_str_has_suffix(names[i], ".yaml") || strchr(names[i], '/') != NULL;
        rc = is_file ? add_file(&s, names[i], err) : add_builtin(&s, names[i], err);
    }
    struct report report = {losses, data};
    g_autofree char *document = NULL;
    if (rc == CA_OK)
        rc = contract_export(to, (const struct contract_export *)(void *)items->data, items->len, on_loss, &report,
                             &document, err);
    if (rc == CA_OK)
        text(data, document, strlen(document));
    contract_bundle_free(s.builtin);
    return rc;
}

/* Frees `text`. */
static int give_schema(char *text, ca_text_fn sink, void *data)
{
    if (sink != NULL) {
        sink(data, text, strlen(text));
        sink(data, "\n", 1);
    }
    free(text);
    return sink != NULL ? CA_OK : CA_ERR_INVALID;
}

int ca_contract_schema(ca_text_fn sink, void *data)
{
    return give_schema(contract_json_schema(), sink, data);
}

int ca_location_schema(ca_text_fn sink, void *data)
{
    return give_schema(contract_location_json_schema(), sink, data);
}
