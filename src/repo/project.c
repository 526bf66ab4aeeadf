/* repo/project.c — .codeanatomy.yaml, or the user's file, becomes a `struct repo_project`.
 *
 * The file is one flat map, so parser events are enough: no tree is built and nothing nests. The table `keys` is the
 * only place where a key is named; unknown and repeated keys are refused, so that a typo is an error with a place and
 * not a setting that silently does nothing.
 */
#include "repo/repo.h"

#include <errno.h>
#include <glib.h>
#include <libfyaml.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"

#define PROJECT_FILE ".codeanatomy.yaml"
#define PROJECT_MAX_BYTES ((size_t)1 << 20)

enum key_kind { KEY_TEXT, KEY_PATH_LIST, KEY_TEXT_LIST, KEY_BOOL };

/* is_users   the user's file may say it too: it is true of more than one repository */
struct key {
    const char *name;
    size_t offset;
    enum key_kind kind;
    bool is_users;
};

/* source_roots are directories below the root; the other lists are taken as they are. */
static const struct key keys[] = {
    {"repository", offsetof(struct repo_project, repository), KEY_TEXT, false},
    {"source_roots", offsetof(struct repo_project, source_roots), KEY_PATH_LIST, false},
    {"include", offsetof(struct repo_project, include), KEY_TEXT_LIST, false},
    {"exclude", offsetof(struct repo_project, exclude), KEY_TEXT_LIST, false},
    {"python", offsetof(struct repo_project, python), KEY_TEXT, true},
    {"layers", offsetof(struct repo_project, layers), KEY_TEXT_LIST, true},
    {"profile", offsetof(struct repo_project, profile), KEY_TEXT, true},
    {"preset", offsetof(struct repo_project, preset), KEY_TEXT, true},
    {"settings", offsetof(struct repo_project, settings), KEY_TEXT_LIST, true},
    {"store", offsetof(struct repo_project, store), KEY_TEXT, false},
    {"use_git_ignore", offsetof(struct repo_project, use_git_ignore), KEY_BOOL, false},
};

/* file      its name in messages
 * is_user   it is the user's, not a project's
 * in        what the next event belongs to
 * key       the key whose value is being read, and where it stands
 * is_seen   by index into keys
 * list      items so far, while in a list */
struct reader {
    const char *file;
    bool is_user;
    enum { IN_NOTHING, IN_MAP, IN_LIST, IN_END } in;
    const struct key *key;
    struct fy_mark key_mark;
    bool is_seen[G_N_ELEMENTS(keys)];
    GPtrArray *list;
    struct repo_project *project;
    struct ca_error *err;
};

static int refuse(const struct reader *r, const struct fy_mark *mark, const char *what)
{
    int line = mark != NULL ? mark->line + 1 : 1;
    int column = mark != NULL ? mark->column + 1 : 1;
    return ca_fail(r->err, CA_ERR_SYNTAX, "%s:%d:%d: %s", r->file, line, column, what);
}

static void *field_of(const struct reader *r)
{
    return (char *)r->project + r->key->offset;
}

static int refuse_key(const struct reader *r, const struct fy_mark *mark, const char *text)
{
    g_autoptr(GString) what = g_string_new(NULL);
    g_string_append_printf(what, "unknown key '%s'; known keys are", text);
    bool is_first = true;
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
        if (r->is_user && !keys[i].is_users)
            continue;
        g_string_append_printf(what, "%s %s", is_first ? "" : ",", keys[i].name);
        is_first = false;
    }
    return refuse(r, mark, what->str);
}

static int read_key(struct reader *r, const struct fy_mark *mark, const char *text)
{
    size_t i = 0;
    while (i < G_N_ELEMENTS(keys) && strcmp(keys[i].name, text) != 0)
        i++;
    if (i == G_N_ELEMENTS(keys))
        return refuse_key(r, mark, text);
    g_autofree char *what = NULL;
    if (r->is_user && !keys[i].is_users)
        what = g_strdup_printf("the key '%s' is a repository's own: it belongs into its " PROJECT_FILE, text);
    else if (r->is_seen[i])
        what = g_strdup_printf("the key '%s' is given twice", text);
    if (what)
        return refuse(r, mark, what);
    r->is_seen[i] = true;
    r->key = &keys[i];
    r->key_mark = *mark;
    return CA_OK;
}

/* `src/`, `./src` and `src` are one directory: give it one spelling. NULL: not below the root. */
static char *normal_dir(const char *path)
{
    if (*path == '\0' || *path == '/')
        return NULL;
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    g_autoptr(GString) normal = g_string_new(NULL);
    for (char **part = parts; *part != NULL; part++) {
        if (**part == '\0' || strcmp(*part, ".") == 0)
            continue;
        if (strcmp(*part, "..") == 0)
            return NULL;
        g_string_append_printf(normal, "%s%s", normal->len > 0 ? "/" : "", *part);
    }
    return normal->len > 0 ? g_strdup(normal->str) : g_strdup(".");
}

static int refuse_value(const struct reader *r, const struct fy_mark *mark)
{
    static const char *const wanted[] = {
        [KEY_TEXT] = "must be text",
        [KEY_PATH_LIST] = "must be a list of directories below the root, such as [src]",
        [KEY_TEXT_LIST] = "must be a list of text, such as [a, b]",
        [KEY_BOOL] = "must be true or false",
    };
    g_autofree char *what = g_strdup_printf("'%s' %s", r->key->name, wanted[r->key->kind]);
    return refuse(r, mark, what);
}

static int read_value(struct reader *r, const struct fy_mark *mark, const char *text, bool is_plain)
{
    bool is_null = is_plain && (*text == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0);
    if (r->key->kind == KEY_BOOL && is_plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        *(bool *)field_of(r) = *text == 't';
    } else if (r->key->kind == KEY_TEXT && !is_null && *text != '\0') {
        char **field = (char **)field_of(r);
        g_free(*field);
        *field = g_strdup(text);
    } else {
        return refuse_value(r, mark);
    }
    r->key = NULL;
    return CA_OK;
}

static int read_item(struct reader *r, const struct fy_mark *mark, const char *text, bool is_plain)
{
    bool is_null = is_plain && (strcmp(text, "null") == 0 || strcmp(text, "~") == 0);
    char *item = r->key->kind == KEY_PATH_LIST ? normal_dir(text) : g_strdup(text);
    if (item == NULL || *item == '\0' || is_null) {
        g_free(item);
        return refuse_value(r, mark);
    }
    g_ptr_array_add(r->list, item);
    return CA_OK;
}

static int read_scalar(struct reader *r, struct fy_event *event, const struct fy_mark *start)
{
    struct fy_token *token = event->scalar.value;
    enum fy_scalar_style style = token != NULL ? fy_token_scalar_style(token) : FYSS_PLAIN;
    struct fy_mark at = start != NULL ? *start : r->key_mark; /* a value that is not there has no place */
    if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && at.column > 0)
        at.column--; /* libfyaml 0.7 points behind the quote */
    const struct fy_mark *mark = &at;
    size_t n = 0;
    const char *bytes = token != NULL ? fy_token_get_text(token, &n) : "";
    g_autofree char *text = g_strndup(bytes != NULL ? bytes : "", n);
    bool is_plain = style == FYSS_PLAIN;
    if (memchr(bytes != NULL ? bytes : "", '\0', n) != NULL || !g_utf8_validate(text, -1, NULL))
        return refuse(r, mark, "text must be UTF-8 without NUL");

    switch (r->in) {
    case IN_NOTHING:
        if (n > 0)
            return refuse(r, mark, "the file must be a map of keys to values");
        r->in = IN_END; /* an empty document says nothing */
        return CA_OK;
    case IN_MAP:
        return r->key == NULL ? read_key(r, mark, text) : read_value(r, mark, text, is_plain);
    case IN_LIST:
        return read_item(r, mark, text, is_plain);
    case IN_END:
        break;
    }
    return ca_bug(r->err, "a scalar after the end of the document");
}

static int read_event(struct reader *r, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return r->in == IN_END ? refuse(r, mark, "only one document is allowed") : CA_OK;
    case FYET_MAPPING_START:
        if (r->in == IN_MAP && r->key == NULL)
            return refuse(r, mark, "a key must be text");
        if (r->in != IN_NOTHING)
            return refuse_value(r, mark);
        r->in = IN_MAP;
        return CA_OK;
    case FYET_MAPPING_END:
        r->in = IN_END;
        return CA_OK;
    case FYET_SEQUENCE_START:
        if (r->in == IN_NOTHING)
            return refuse(r, mark, "the file must be a map of keys to values");
        if (r->key == NULL)
            return refuse(r, mark, "a key must be text");
        if (r->in == IN_LIST || (r->key->kind != KEY_TEXT_LIST && r->key->kind != KEY_PATH_LIST))
            return refuse_value(r, mark);
        r->in = IN_LIST;
        r->list = g_ptr_array_new_with_free_func(g_free);
        return CA_OK;
    case FYET_SEQUENCE_END: {
        g_ptr_array_add(r->list, NULL);
        char ***field = (char ***)field_of(r);
        *field = (char **)g_ptr_array_free(g_steal_pointer(&r->list), FALSE);
        r->in = IN_MAP;
        r->key = NULL;
        return CA_OK;
    }
    case FYET_SCALAR:
        return read_scalar(r, event, mark);
    case FYET_ALIAS:
        return refuse(r, mark, "aliases are not used here; write the value out");
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
    return CA_OK;
}

static int refuse_unparsable(const struct reader *r, struct fy_diag *diag)
{
    void *iterator = NULL;
    const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iterator); /* counts from 1, marks from 0 */
    if (e == NULL)
        return refuse(r, NULL, "not YAML");
    return ca_fail(r->err, CA_ERR_SYNTAX, "%s:%d:%d: %s", r->file, e->line, e->column, e->msg);
}

static int parse(const char *file, bool is_user, const char *text, size_t n_bytes, struct repo_project *project,
                 struct ca_error *err)
{
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (diag == NULL)
        return ca_fail(err, CA_ERR_RESOURCES, "%s: no memory to parse", file);
    fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
                               .diag = diag};
    struct fy_parser *parser = fy_parser_create(&cfg);
    struct reader r = {.file = file, .is_user = is_user, .project = project, .err = err};
    int rc = CA_OK;
    if (parser == NULL || fy_parser_set_string(parser, text, n_bytes) != 0)
        rc = ca_fail(err, CA_ERR_RESOURCES, "%s: no memory to parse", file);
    for (bool is_done = false; rc == CA_OK && !is_done;) {
        struct fy_event *event = fy_parser_parse(parser);
        if (event == NULL) {
            is_done = true;
            if (fy_parser_get_stream_error(parser))
                rc = refuse_unparsable(&r, diag);
            continue;
        }
        is_done = event->type == FYET_STREAM_END;
        rc = read_event(&r, event);
        fy_parser_event_free(parser, event);
    }
    if (r.list != NULL)
        g_ptr_array_unref(r.list);
    if (parser != NULL)
        fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return rc;
}

void repo_project_done(struct repo_project *p)
{
    g_free(p->root);
    g_free(p->repository);
    g_strfreev(p->source_roots);
    g_strfreev(p->include);
    g_strfreev(p->exclude);
    g_free(p->python);
    g_strfreev(p->layers);
    g_free(p->store);
    g_free(p->profile);
    g_free(p->preset);
    g_strfreev(p->settings);
    *p = (struct repo_project){0};
}

/* Read the file at `path` over what *project says; nothing there is fine. A link that leads nowhere is a mistake, which
 * reading reports. */
static int load(const char *path, const char *shown, bool is_user, struct repo_project *project, struct ca_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return CA_OK;
    CA_AUTOFREE char *text = NULL;
    size_t n_bytes = 0;
    CA_TRY(file_read_bounded(path, PROJECT_MAX_BYTES, &text, &n_bytes, err));
    return parse(shown, is_user, text, n_bytes, project, err);
}

int repo_project_load(const char *root, struct repo_project *ret, struct ca_error *err)
{
    struct stat st;
    if (stat(root, &st) != 0 || !S_ISDIR(st.st_mode))
        return ca_fail(err, CA_ERR_NOT_FOUND, "'%s' is not a directory", root);

    g_autofree char *path = g_build_filename(root, PROJECT_FILE, NULL);
    struct repo_project project = {.root = g_strdup(root), .repository = g_strdup("repo"), .use_git_ignore = true};
    int rc = load(path, PROJECT_FILE, /* is_user= */ false, &project, err);
    if (rc != CA_OK) {
        repo_project_done(&project);
        return rc;
    }
    *ret = project;
    return CA_OK;
}

int repo_user_file_load(const char *path, struct repo_project *ret, struct ca_error *err)
{
    struct repo_project user = {0};
    int rc = load(path, path, /* is_user= */ true, &user, err);
    if (rc != CA_OK) {
        repo_project_done(&user);
        return rc;
    }
    *ret = user;
    return CA_OK;
}
