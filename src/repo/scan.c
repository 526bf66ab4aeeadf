/* repo/scan.c — the walk that finds a repository's Python files.
 *
 * Directories wait on a stack, each with what is known from above: the git repository it is in, the chain of ignore
 * rules, whether git ignores it, whether `include` took it. Nothing is recursive; a directory is opened from the root
 * when its turn comes, so that no more than one is open at a time.
 *
 * Rules of one repository form a chain from the deepest .gitignore up to info/exclude and core.excludesFile; the first
 * link that has a say decides. A repository within (a submodule, a clone) begins a chain of its own.
 */
#include "repo/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "repo/git.h"
#include "repo/pattern.h"

/* git itself reads no larger one. */
#define IGNORE_FILE_MAX_BYTES ((size_t)100 << 20)

/* base    how many bytes of a path in the work tree lie in front of what the patterns are matched with */
struct rules {
    struct repo_patterns *patterns;
    size_t base;
    const struct rules *outer;
};

/* A git repository that holds a part of the tree. A scan path becomes one in the work tree by dropping n_skipped bytes
 * in front and putting `prefix` there. */
struct unit {
    struct repo_git *git;
    size_t n_skipped;
    char *prefix;
};

/* path         relative to root, "" is root
 * unit         NULL: not in a git repository
 * is_ignored   git ignores the directory: only tracked files below are in
 * is_included  `include` takes what it does not mention otherwise */
struct dir {
    char *path;
    const struct unit *unit;
    const struct rules *rules;
    bool is_ignored;
    bool is_included;
};

struct walk {
    struct repo_scan *scan;
    struct repo_patterns *include; /* NULL: everything */
    struct repo_patterns *exclude; /* NULL: nothing */
    GPtrArray *units;
    GPtrArray *rules;
    GArray *stack; /* of struct dir */
    bool has_store;
    dev_t store_dev;
    ino_t store_ino;
};

static void unit_free(void *data)
{
    struct unit *u = data;
    repo_git_close(u->git);
    g_free(u->prefix);
    g_free(u);
}

static void rules_free(void *data)
{
    struct rules *r = data;
    repo_patterns_free(r->patterns);
    g_free(r);
}

static void dir_done(void *data)
{
    struct dir *d = data;
    g_free(d->path);
}

static void scan_entry_done(void *data)
{
    struct scan_entry *e = data;
    g_free(e->entry.path);
    g_free(e->entry.os_path);
    g_free(e->entry.failure);
}

static void walk_done(struct walk *w)
{
    repo_patterns_free(w->include);
    repo_patterns_free(w->exclude);
    if (w->units != NULL)
        g_ptr_array_unref(w->units);
    if (w->rules != NULL)
        g_ptr_array_unref(w->rules);
    if (w->stack != NULL)
        g_array_unref(w->stack);
}

/* ---- paths ---------------------------------------------------------------------------------------------------- */

/* The path as the contract has it: UTF-8, other bytes as \xNN, a backslash doubled, so that no two names become one. */
static char *escape_path(const char *os_path)
{
    if (strchr(os_path, '\\') == NULL && g_utf8_validate(os_path, -1, NULL))
        return g_strdup(os_path);
    g_autoptr(GString) escaped = g_string_new(NULL);
    const char *at = os_path;
    while (*at != '\0') {
        const char *bad = NULL;
        g_utf8_validate(at, -1, &bad);
        for (; at < bad; at++) {
            if (*at == '\\')
                g_string_append_c(escaped, '\\');
            g_string_append_c(escaped, *at);
        }
        if (*at != '\0')
            g_string_append_printf(escaped, "\\x%02x", (unsigned int)(unsigned char)*at++);
    }
    return g_strdup(escaped->str);
}

static char *path_join(const char *dir, const char *name)
{
    return *dir != '\0' ? g_strconcat(dir, "/", name, NULL) : g_strdup(name);
}

static char *git_path_of(const struct unit *unit, const char *path)
{
    bool is_top = strlen(path) < unit->n_skipped;
    return g_strconcat(unit->prefix, is_top ? "" : path + unit->n_skipped, NULL);
}

enum python_kind { NO_PYTHON, PYTHON_SOURCE, PYTHON_STUB };

static enum python_kind python_kind_of(const char *name)
{
    if (g_str_has_suffix(name, ".py") || g_str_has_suffix(name, ".pyw"))
        return PYTHON_SOURCE;
    return g_str_has_suffix(name, ".pyi") ? PYTHON_STUB : NO_PYTHON;
}

/* ---- rules ---------------------------------------------------------------------------------------------------- */

static const struct rules *add_rules(struct walk *w, struct repo_patterns *patterns, size_t base,
                                     const struct rules *outer)
{
    if (repo_patterns_n(patterns) == 0) {
        repo_patterns_free(patterns);
        return outer;
    }
    struct rules *r = g_new0(struct rules, 1);
    r->patterns = patterns;
    r->base = base;
    r->outer = outer;
    g_ptr_array_add(w->rules, r);
    return r;
}

static const struct rules *read_rules(struct walk *w, const struct unit *unit, const char *absolute, size_t base,
                                      const struct rules *outer)
{
    CA_AUTOFREE char *text = NULL;
    size_t n_bytes = 0;
    struct ca_error e;
    struct stat st;
    if (absolute == NULL || stat(absolute, &st) != 0)
        return outer;
    if (file_read_bounded(absolute, IGNORE_FILE_MAX_BYTES, &text, &n_bytes, &e) != CA_OK) {
        log_emit(LOG_DEBUG, "repo", "ignore rules left out", "reason", e.message, NULL);
        return outer;
    }
    struct repo_patterns *patterns = repo_patterns_new(repo_git_ignores_case(unit->git));
    repo_patterns_add_text(patterns, text, n_bytes);
    return add_rules(w, patterns, base, outer);
}

/* The .gitignore of a directory. It must be a regular file, not a link, as in git. */
static const struct rules *read_gitignore(struct walk *w, const struct unit *unit, const char *absolute_dir,
                                          size_t base, const struct rules *outer)
{
    g_autofree char *absolute = g_build_filename(absolute_dir, ".gitignore", NULL);
    struct stat st;
    if (lstat(absolute, &st) != 0 || !S_ISREG(st.st_mode))
        return outer;
    return read_rules(w, unit, absolute, base, outer);
}

static const struct rules *base_rules(struct walk *w, const struct unit *unit)
{
    const struct rules *r = read_rules(w, unit, repo_git_excludes_file(unit->git), 0, NULL);
    return read_rules(w, unit, repo_git_info_exclude(unit->git), 0, r);
}

static bool is_ignored_by(const struct rules *rules, const char *git_path, bool is_dir)
{
    for (; rules != NULL; rules = rules->outer) {
        enum repo_verdict verdict = repo_patterns_match(rules->patterns, git_path + rules->base, is_dir);
        if (verdict != REPO_NOT_MATCHED)
            return verdict == REPO_MATCHED;
    }
    return false;
}

static bool is_included(const struct walk *w, const char *path, bool is_dir, bool is_dir_included)
{
    if (w->include == NULL)
        return true;
    enum repo_verdict verdict = repo_patterns_match(w->include, path, is_dir);
    return verdict == REPO_NOT_MATCHED ? is_dir_included : verdict == REPO_MATCHED;
}

static bool is_excluded(const struct walk *w, const char *path, bool is_dir)
{
    return w->exclude != NULL && repo_patterns_match(w->exclude, path, is_dir) == REPO_MATCHED;
}

/* ---- entries -------------------------------------------------------------------------------------------------- */

/* Takes os_path and failure. */
static struct scan_entry *add_entry(struct walk *w, const struct unit *unit, char *os_path, char *failure)
{
    const char *repository = w->scan->project->repository != NULL ? w->scan->project->repository : "repo";
    struct scan_entry e = {0};
    e.entry.os_path = os_path;
    e.entry.path = escape_path(os_path);
    e.entry.file_id = position_file_id(repository, strlen(repository), e.entry.path, strlen(e.entry.path));
    e.entry.size_bytes = -1;
    e.entry.is_stub = python_kind_of(os_path) == PYTHON_STUB;
    e.entry.has_git = unit != NULL;
    e.entry.failure = failure;
    g_array_append_val(w->scan->entries, e);
    return &g_array_index(w->scan->entries, struct scan_entry, w->scan->entries->len - 1);
}

static const char *kind_of_mode(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFIFO:
        return "not a regular file but a FIFO";
    case S_IFSOCK:
        return "not a regular file but a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "not a regular file but a device";
    default:
        return "not a regular file";
    }
}

/* `name` in `dir` has a Python suffix and is no directory. */
static void visit_file(struct walk *w, const struct dir *dir, int dir_fd, const char *name)
{
    struct stat st;
    int errnum = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ? errno : 0;
    if (errnum != 0)
        st = (struct stat){0};
    if (S_ISDIR(st.st_mode)) /* it was none a moment ago */
        return;

    g_autofree char *path = path_join(dir->path, name);
    bool is_tracked = false;
    if (dir->unit != NULL) {
        g_autofree char *git_path = git_path_of(dir->unit, path);
        is_tracked = repo_git_is_tracked(dir->unit->git, git_path);
        if (!is_tracked && w->scan->project->use_git_ignore &&
            (dir->is_ignored || is_ignored_by(dir->rules, git_path, false)))
            return;
    }
    if (is_excluded(w, path, false) || !is_included(w, path, false, dir->is_included))
        return;

    g_autofree char *failure = NULL;
    bool is_link = S_ISLNK(st.st_mode);
    if (is_link) {
        g_autofree char *target = repo_tree_follow(&w->scan->tree, path, &failure);
        if (target != NULL) {
            int fd = repo_tree_open_at(&w->scan->tree, target, O_PATH);
            errnum = fd < 0 ? -fd : fstat(fd, &st) != 0 ? errno : 0;
            if (fd >= 0)
                close(fd);
            if (errnum == 0 && S_ISDIR(st.st_mode)) /* the directory is walked where it is */
                return;
        }
    }
    if (failure == NULL && errnum != 0)
        failure = g_strdup_printf("cannot be read: %s", repo_errno_text(errnum));
    else if (failure == NULL && !S_ISREG(st.st_mode))
        failure = g_strdup(kind_of_mode(st.st_mode));

    bool is_readable = failure == NULL;
    struct scan_entry *e = add_entry(w, dir->unit, g_steal_pointer(&path), g_steal_pointer(&failure));
    e->is_link = is_link;
    e->entry.is_tracked = is_tracked;
    if (is_readable)
        e->entry.size_bytes = st.st_size;
}

static void visit_dir(struct walk *w, const struct dir *dir, const char *name)
{
    static const char *const never[] = {".git", ".codeanatomy", "__pycache__"};
    for (size_t i = 0; i < G_N_ELEMENTS(never); i++)
        if (strcmp(name, never[i]) == 0)
            return;

    g_autofree char *path = path_join(dir->path, name);
    struct dir child = *dir;
    child.path = NULL;
    if (dir->unit != NULL && w->scan->project->use_git_ignore) {
        g_autofree char *git_path = git_path_of(dir->unit, path);
        child.is_ignored = dir->is_ignored || is_ignored_by(dir->rules, git_path, true);
        if (child.is_ignored && repo_git_is_submodule(dir->unit->git, git_path))
            child.is_ignored = false;
        if (child.is_ignored && !repo_git_has_tracked_below(dir->unit->git, git_path))
            return;
    }
    if (is_excluded(w, path, true))
        return;
    child.is_included = is_included(w, path, true, dir->is_included);
    if (!child.is_included && !repo_patterns_may_match_below(w->include, path))
        return;
    if (strlen(path) >= PATH_MAX) {
        add_entry(w, dir->unit, g_strconcat(path, "/", NULL), g_strdup("a directory whose path is too long to open"));
        return;
    }
    child.path = g_steal_pointer(&path);
    g_array_append_val(w->stack, child);
}

/* ---- git ------------------------------------------------------------------------------------------------------ */

static void report_git(const char *path, const char *what, const char *reason)
{
    log_emit(LOG_DEBUG, "repo", what, "path", path, "reason", reason, NULL);
}

/* Takes git. */
static const struct unit *add_unit(struct walk *w, struct repo_git *git, size_t n_skipped, const char *prefix)
{
    struct unit *u = g_new0(struct unit, 1);
    u->git = git;
    u->n_skipped = n_skipped;
    u->prefix = g_strdup(prefix);
    g_ptr_array_add(w->units, u);
    return u;
}

/* The rules of the directories from the work tree's top down to root, which may lie deep within it. */
static void enter_root(struct walk *w, struct dir *root, const char *prefix)
{
    const struct unit *unit = root->unit;
    const struct rules *rules = base_rules(w, unit);
    for (const char *at = prefix; *at != '\0';) {
        size_t base = (size_t)(at - prefix);
        g_autofree char *above = g_strndup(prefix, base);
        g_autofree char *absolute = g_build_filename(repo_git_work_tree(unit->git), above, NULL);
        rules = read_gitignore(w, unit, absolute, base, rules);

        const char *slash = strchr(at, '/');
        g_autofree char *git_path = g_strndup(prefix, (size_t)(slash - prefix));
        root->is_ignored = root->is_ignored || is_ignored_by(rules, git_path, true);
        at = slash + 1;
    }
    root->rules = rules;
}

static void find_git(struct walk *w, struct dir *root)
{
    struct repo_scan *s = w->scan;
    g_autofree char *problem = NULL;
    CA_AUTOPTR(repo_git) git = repo_git_open(s->tree.real_path, /* search_up= */ true, &problem);
    if (git == NULL) {
        if (problem != NULL)
            report_git(s->tree.real_path, "git is not used, every file is in", problem);
        s->git_problem = g_steal_pointer(&problem);
        return;
    }

    const char *work_tree = repo_git_work_tree(git);
    size_t n = strcmp(work_tree, "/") == 0 ? 0 : strlen(work_tree);
    const char *below = s->tree.real_path + n;
    if (strncmp(s->tree.real_path, work_tree, n) != 0 || (*below != '/' && *below != '\0')) {
        s->git_problem = g_strdup("the work tree of the git repository is elsewhere");
        report_git(s->tree.real_path, "git is not used, every file is in", s->git_problem);
        return;
    }
    below += *below == '/';
    g_autofree char *prefix = *below != '\0' ? g_strconcat(below, "/", NULL) : g_strdup("");
    g_autofree char *commit = g_strdup(repo_git_commit(git));

    root->unit = add_unit(w, CA_STEAL(git), 0, prefix);
    enter_root(w, root, prefix);
    /* Unpacked in a build directory of some other project, or in a home that is a repository: that git has no say. */
    if (root->is_ignored && !repo_git_has_tracked_below(root->unit->git, below)) {
        report_git(s->tree.real_path, "git is not used, every file is in",
                   "the repository above ignores this directory");
        root->unit = NULL;
        root->rules = NULL;
        root->is_ignored = false;
        return;
    }
    s->git_commit = g_steal_pointer(&commit);
}

/* `dir` has a .git of its own. false: leave the directory out. */
static bool enter_repository(struct walk *w, struct dir *dir)
{
    g_autofree char *absolute = g_build_filename(w->scan->tree.real_path, dir->path, NULL);
    g_autofree char *problem = NULL;
    CA_AUTOPTR(repo_git) git = repo_git_open(absolute, /* search_up= */ false, &problem);
    if (git != NULL && strcmp(repo_git_work_tree(git), absolute) != 0)
        problem = g_strdup("its work tree is elsewhere");
    if (problem != NULL || git == NULL) {
        report_git(absolute, "a repository within is walked as a directory", problem != NULL ? problem : "not found");
        return true;
    }
    for (guint i = 0; i < w->units->len; i++) {
        const struct unit *other = g_ptr_array_index(w->units, i);
        if (repo_git_is_same_repository(other->git, git)) {
            report_git(absolute, "left out", "another work tree of a repository that is scanned already");
            return false;
        }
    }
    dir->unit = add_unit(w, CA_STEAL(git), strlen(dir->path) + 1, "");
    dir->rules = base_rules(w, dir->unit);
    dir->is_ignored = false;
    return true;
}

/* ---- the walk ------------------------------------------------------------------------------------------------- */

struct name {
    char *text;
    unsigned char type;
};

static void name_done(void *data)
{
    struct name *n = data;
    g_free(n->text);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* Names in the directory in byte order. 0, or an errno; names read before an error are kept. Takes fd, but *ret_fd
 * stays usable until *ret_stream is closed. */
static int list_dir(int fd, GArray **ret_names, DIR **ret_stream)
{
    *ret_names = g_array_new(FALSE, FALSE, sizeof(struct name));
    g_array_set_clear_func(*ret_names, name_done);
    *ret_stream = fdopendir(fd);
    if (*ret_stream == NULL) {
        int errnum = errno;
        close(fd);
        return errnum;
    }
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(*ret_stream);
        if (e == NULL)
            break;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        struct name n = {.text = g_strdup(e->d_name), .type = e->d_type};
        g_array_append_val(*ret_names, n);
    }
    int errnum = errno;
    g_array_sort(*ret_names, compare_names);
    return errnum;
}

static unsigned char type_at(int dir_fd, const struct name *name)
{
    struct stat st;
    if (name->type != DT_UNKNOWN)
        return name->type;
    if (fstatat(dir_fd, name->text, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_REG; /* visit_file says that it vanished */
    return S_ISDIR(st.st_mode) ? DT_DIR : DT_REG;
}

static bool has_name(const GArray *names, const char *text)
{
    struct name key = {.text = (char *)text};
    return names->len > 0 && bsearch(&key, names->data, names->len, sizeof(key), compare_names) != NULL;
}

static void visit_names(struct walk *w, struct dir *dir, int fd, const GArray *names)
{
    if (*dir->path != '\0' && has_name(names, ".git") && !enter_repository(w, dir))
        return;
    if (dir->unit != NULL && has_name(names, ".gitignore")) {
        g_autofree char *git_path = git_path_of(dir->unit, *dir->path != '\0' ? dir->path : "");
        g_autofree char *absolute = g_build_filename(w->scan->tree.real_path, dir->path, NULL);
        size_t n = strlen(git_path);
        size_t base = n == 0 || git_path[n - 1] == '/' ? n : n + 1;
        dir->rules = read_gitignore(w, dir->unit, absolute, base, dir->rules);
    }
    for (guint i = 0; i < names->len; i++) {
        const struct name *name = &g_array_index(names, struct name, i);
        if (type_at(fd, name) == DT_DIR)
            visit_dir(w, dir, name->text);
        else if (python_kind_of(name->text) != NO_PYTHON)
            visit_file(w, dir, fd, name->text);
    }
}

static int walk_dir(struct walk *w, struct dir *dir, struct ca_error *err)
{
    int fd = repo_tree_open_at(&w->scan->tree, dir->path, O_RDONLY | O_DIRECTORY);
    struct stat st;
    if (fd >= 0 && w->has_store && fstat(fd, &st) == 0 && st.st_dev == w->store_dev && st.st_ino == w->store_ino) {
        close(fd);
        return CA_OK;
    }

    int errnum = fd < 0 ? -fd : 0;
    if (fd >= 0) {
        GArray *names = NULL;
        DIR *stream = NULL;
        errnum = list_dir(fd, &names, &stream);
        if (stream != NULL)
            visit_names(w, dir, fd, names);
        g_array_unref(names);
        if (stream != NULL)
            closedir(stream);
    }
    if (errnum == 0)
        return CA_OK;
    if (repo_errno_is_ours(errnum))
        return ca_fail(err, CA_ERR_RESOURCES, "list '%s': %s", dir->path, repo_errno_text(errnum));
    if (*dir->path == '\0')
        return ca_fail(err, CA_ERR_IO, "list '%s': %s", w->scan->tree.real_path, repo_errno_text(errnum));
    add_entry(w, dir->unit, g_strconcat(dir->path, "/", NULL),
              g_strdup_printf("a directory that cannot be listed: %s", repo_errno_text(errnum)));
    return CA_OK;
}

static struct repo_patterns *patterns_of(char *const *lines)
{
    if (lines == NULL || *lines == NULL)
        return NULL;
    struct repo_patterns *p = repo_patterns_new(/* fold_case= */ false);
    for (; *lines != NULL; lines++)
        repo_patterns_add(p, *lines, strlen(*lines));
    return p;
}

static void find_store(struct walk *w)
{
    const char *store = w->scan->project->store;
    if (store == NULL)
        return;
    g_autofree char *path =
        g_path_is_absolute(store) ? g_strdup(store) : g_build_filename(w->scan->tree.real_path, store, NULL);
    struct stat st;
    if (stat(path, &st) != 0)
        return;
    w->has_store = true;
    w->store_dev = st.st_dev;
    w->store_ino = st.st_ino;
}

static int run(struct walk *w, struct ca_error *err)
{
    struct dir root = {.path = g_strdup(""), .is_included = w->include == NULL};
    find_git(w, &root);
    g_array_append_val(w->stack, root);
    while (w->stack->len > 0) {
        struct dir dir = g_array_index(w->stack, struct dir, w->stack->len - 1);
        g_array_index(w->stack, struct dir, w->stack->len - 1).path = NULL;
        g_array_set_size(w->stack, w->stack->len - 1);
        int rc = walk_dir(w, &dir, err);
        g_free(dir.path);
        CA_TRY(rc);
    }
    return CA_OK;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct scan_entry *)a)->entry.path, ((const struct scan_entry *)b)->entry.path);
}

int repo_scan_open(const struct repo_project *project, struct repo_scan **ret, struct ca_error *err)
{
    struct repo_scan *s = g_new0(struct repo_scan, 1);
    s->project = project;
    s->entries = g_array_new(FALSE, FALSE, sizeof(struct scan_entry));
    g_array_set_clear_func(s->entries, scan_entry_done);
    int errnum = repo_tree_open(project->root, &s->tree);
    if (errnum != 0) {
        repo_scan_close(s);
        if (errnum == ENOENT || errnum == ENOTDIR)
            return ca_fail(err, CA_ERR_NOT_FOUND, "'%s' is not a directory", project->root);
        return ca_fail(err, CA_ERR_IO, "open '%s': %s", project->root, repo_errno_text(errnum));
    }

    struct walk w = {.scan = s,
                     .include = patterns_of(project->include),
                     .exclude = patterns_of(project->exclude),
                     .units = g_ptr_array_new_with_free_func(unit_free),
                     .rules = g_ptr_array_new_with_free_func(rules_free),
                     .stack = g_array_new(FALSE, FALSE, sizeof(struct dir))};
    g_array_set_clear_func(w.stack, dir_done);
    find_store(&w);
    int rc = run(&w, err);
    walk_done(&w);
    if (rc != CA_OK) {
        repo_scan_close(s);
        return rc;
    }
    g_array_sort(s->entries, compare_entries);
    *ret = s;
    return CA_OK;
}

void repo_scan_close(struct repo_scan *s)
{
    if (s == NULL)
        return;
    repo_tree_done(&s->tree);
    g_array_unref(s->entries);
    g_free(s->git_problem);
    g_free(s->git_commit);
    g_free(s);
}

size_t repo_scan_n_entries(const struct repo_scan *s)
{
    return s->entries->len;
}

const struct repo_entry *repo_scan_entry(const struct repo_scan *s, size_t i)
{
    return &g_array_index(s->entries, struct scan_entry, i).entry;
}

const char *repo_scan_git_problem(const struct repo_scan *s)
{
    return s->git_problem;
}

const char *repo_scan_git_commit(const struct repo_scan *s)
{
    return s->git_commit;
}
