/* repo/repo.h — the files of a repository, read once.
 *
 * repo_scan finds the Python files under a root (git-aware ignore rules, submodules, no git at all; links are not
 * followed out of the tree; the store is skipped); repo_file_load reads one, hashes it, finds its encoding and decodes
 * it. What cannot be read or decoded is a fact, not an error: the entry stays, with a reason.
 *
 * Invariants
 *   1. Entries are sorted by path (bytes); the order of the directory's listing is never visible.
 *   2. A file is read once; every layer sees these bytes, whatever happens to the file later.
 *   3. Nothing outside root is read, except what git itself needs (.git of a worktree, submodule git dirs, excludes
 *      file, .gitignore of the directories above root in the same work tree).
 *
 * Threads: a scan is immutable after repo_scan_open; files may be loaded from several threads.
 */
#ifndef CA_REPO_REPO_H
#define CA_REPO_REPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "position/position.h"

/* The project file .codeanatomy.yaml, the user's file and flags say the same things; see docs/project-file.md.
 *
 *   repository        name in every id; default "repo", so that ids do not depend on the directory
 *   source_roots      directories that module names start from; empty: found (src layouts, directories without
 *                     __init__.py)
 *   include, exclude  gitignore-style patterns relative to root; include empty: everything
 *   python, layers, store
 *                     interpreter and the like: carried here for build; NULL / empty: default
 *   profile, preset, settings
 *                     runtime limits, schema settings, and engine settings as "key=value"; NULL / empty: default
 *   use_git_ignore    default true
 *
 * All strings are owned by the struct and come from GLib (g_strdup, g_strfreev); repo_project_done frees them and is
 * safe on zeroed memory. */
struct repo_project {
    char *root;
    char *repository;
    char **source_roots;
    char **include;
    char **exclude;
    char *python;
    char **layers;
    char *store;
    char *profile;
    char *preset;
    char **settings;
    bool use_git_ignore;
};

/* Read `.codeanatomy.yaml` under root where there is one; unknown keys are refused with line and column. */
int repo_project_load(const char *root, struct repo_project *ret, struct ca_error *err) CA_MUST_CHECK;

/* Read the user's file at `path`, which says a project's keys that are no repository's own: python, layers, profile,
 * preset, settings. Nothing there: nothing is said. Unknown keys are refused with line and column; root stays NULL. */
int repo_user_file_load(const char *path, struct repo_project *ret, struct ca_error *err) CA_MUST_CHECK;
void repo_project_done(struct repo_project *p);

/* path        as in repo_files_v1.path (escaped UTF-8); os_path: the bytes to open, relative to root. A directory that
 *             cannot be listed is an entry too, with a slash at the end and a failure: what is in it is unknown, not
 *             absent
 * size_bytes  at the time of the scan, -1 when failure is set
 * failure     NULL, or why the entry cannot be read (a link to nothing or out of the tree, a FIFO, permission) */
struct repo_entry {
    char *path;
    char *os_path;
    int64_t file_id;
    int64_t size_bytes;
    bool is_stub;
    bool has_git;
    bool is_tracked;
    char *failure;
};

struct repo_scan;

/* Borrows `project` until close. Fails with CA_ERR_IO when root cannot be listed, CA_ERR_NOT_FOUND when it is no
 * directory. */
int repo_scan_open(const struct repo_project *project, struct repo_scan **ret, struct ca_error *err) CA_MUST_CHECK;
void repo_scan_close(struct repo_scan *s);
size_t repo_scan_n_entries(const struct repo_scan *s);
const struct repo_entry *repo_scan_entry(const struct repo_scan *s, size_t i);

/* Why a git repository that is there was not used (bare, broken, of another owner), so that every file is in; NULL: no
 * such thing happened. The commit that HEAD names, hex; NULL outside git and before the first commit. Both live as long
 * as s. */
const char *repo_scan_git_problem(const struct repo_scan *s);
const char *repo_scan_git_commit(const struct repo_scan *s);

enum repo_newline { REPO_NEWLINE_NONE, REPO_NEWLINE_LF, REPO_NEWLINE_CRLF, REPO_NEWLINE_CR, REPO_NEWLINE_MIXED };

/* A loaded file; owns everything it points to. file_done is safe on zeroed memory.
 *
 *   raw, n_raw         the bytes of the file, followed by one NUL that is not counted; NULL when `failure` is set
 *   content_id         of raw
 *   encoding           normalized name, NULL when the declaration itself is in error (encoding_error says why)
 *   is_ascii           every byte is below 0x80 and text is raw, so that the map is the identity (ASCII bytes of UTF-7
 *                      are not ASCII text)
 *   text, n_text       decoded text in UTF-8 without BOM; points into raw when that is the text, else owned. When the
 *                      file does not decode, text is raw after the BOM (layers that read broken files go on) and
 *                      decode_error says why
 *   error_byte         raw offset of what encoding_error or decode_error is about, the name in the cookie or the
 *                      first undecodable byte; -1: there is no error
 *   map                raw <-> text and line starts, so ASCII files have one too; NULL when the text does not decode or
 *                      the declaration is in error
 *   git_blob           hex SHA-1 of the blob, "" outside git
 *   n_lines            CPython's rule
 *   failure            why the file could not be read at all, NULL: it was
 */
struct repo_file {
    const struct repo_entry *entry;
    uint8_t *raw;
    size_t n_raw;
    struct position_content_id content_id;
    char *encoding;
    char *encoding_error;
    bool has_bom;
    bool is_ascii;
    const uint8_t *text;
    size_t n_text;
    uint8_t *owned_text;
    char *decode_error;
    int64_t error_byte;
    struct position_map *map;
    enum repo_newline newline;
    int32_t n_lines;
    char git_blob[41];
    char *failure;
};

/* Read entry i whole. Only memory, descriptors and our own bugs are errors; larger than max_bytes or 1 GiB (offsets are
 * 32 bits) is the fact "larger than ...". */
int repo_file_load(const struct repo_scan *s, size_t i, size_t max_bytes, struct repo_file *ret,
                   struct ca_error *err) CA_MUST_CHECK;
void repo_file_done(struct repo_file *f);

/* Free what only layers need (raw, text, map) and keep what describes the file. */
void repo_file_drop_content(struct repo_file *f);

const char *repo_newline_name(enum repo_newline n);

#endif
