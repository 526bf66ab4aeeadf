/* base/file.h — the few things that are done to whole files.
 *
 * Any thread. Paths are bytes, NUL-terminated, relative ones to the working directory.
 */
#ifndef CA_BASE_FILE_H
#define CA_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Whether anything is at `path`, symlinks followed. CA_ERR_IO: it may not be looked at, which is no absence. */
CA_MUST_CHECK int file_exists(const char *path, bool *ret, struct ca_error *err);

/* The bytes of the regular file at `path`, symlinks followed; *ret is malloc'ed and has a NUL after its n_bytes.
 * CA_ERR_NOT_FOUND, CA_ERR_RESOURCES (more than max_bytes, also when it grows meanwhile), CA_ERR_IO. */
CA_MUST_CHECK int file_read_bounded(const char *path, size_t max_bytes, char **ret, size_t *ret_n_bytes,
                                    struct ca_error *err);

/* Make `path` hold exactly these bytes: a reader, and a machine after a crash, sees the old content or the new, never a
 * part. Writes a temporary file beside it, syncs, renames, syncs the folder. On failure the old content is still there.
 */
CA_MUST_CHECK int file_write_atomic(const char *path, const void *bytes, size_t n_bytes, struct ca_error *err);

/* Whether the name is that of such a temporary file: what a process that was killed leaves. */
bool file_is_unfinished(const char *path);

/* Make the folder and those above it; one that exists is fine. */
CA_MUST_CHECK int file_make_dirs(const char *path, struct ca_error *err);

/* Remove a file, or a folder with all in it, of any depth; symlinks are removed, not followed. Nothing there is fine.
 */
CA_MUST_CHECK int file_remove_tree(const char *path, struct ca_error *err);

/* Make renames and new names in the folder survive a crash. */
CA_MUST_CHECK int file_sync_dir(const char *path, struct ca_error *err);

#endif
