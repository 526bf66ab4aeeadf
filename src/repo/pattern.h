/* repo/pattern.h — lists of gitignore-style patterns.
 *
 * One matcher for .gitignore files and for `include` and `exclude` of the project file. It works on bytes, so neither
 * the locale nor the encoding of a name plays a part. libgit2 1.5 is not asked: it drops a negation without wildcards
 * whose positive pattern stands in the .gitignore of another directory (`*.py` above, `!keep.py` below: git lists
 * keep.py, git_ignore_path_is_ignored says ignored), and it cannot match without a repository.
 *
 * The syntax is gitignore(5): `#` comments, `!` negates, a slash in front or inside anchors the pattern to the list's
 * directory, a slash at the end asks for a directory, `*` and `?` stop at slashes, `**` between slashes does not,
 * `[a-z]`, `[!a]`, `[[:alpha:]]`, backslash takes a character literally. The last pattern that matches decides.
 *
 * Any thread once the list is complete.
 */
#ifndef CA_REPO_PATTERN_H
#define CA_REPO_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum repo_verdict { REPO_NOT_MATCHED, REPO_MATCHED, REPO_NEGATED };

struct repo_patterns;

/* fold_case: A-Z and a-z are the same (git's core.ignorecase). */
struct repo_patterns *repo_patterns_new(bool fold_case);
void repo_patterns_free(struct repo_patterns *p);
CA_DEFINE_AUTOPTR(repo_patterns, repo_patterns_free)

/* One pattern; an empty line and a comment add nothing. The text is copied. */
void repo_patterns_add(struct repo_patterns *p, const char *line, size_t n_bytes);

/* All lines of a .gitignore file; LF or CRLF, a BOM in front is skipped. */
void repo_patterns_add_text(struct repo_patterns *p, const char *text, size_t n_bytes);

size_t repo_patterns_n(const struct repo_patterns *p);

/* What the list says of `path` (relative to the list's directory, no slash at either end). Directories above it are not
 * looked at: a caller that walks downwards has done so already. */
enum repo_verdict repo_patterns_match(const struct repo_patterns *p, const char *path, bool is_dir);

/* false: no pattern of the list can match anything below `dir`, so that the directory need not be listed. */
bool repo_patterns_may_match_below(const struct repo_patterns *p, const char *dir);

#endif
