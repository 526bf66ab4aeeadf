/* repo/scan.h — what loading knows of a scan; private to the room. */
#ifndef CA_REPO_SCAN_H
#define CA_REPO_SCAN_H

#include <glib.h>

#include "repo/repo.h"
#include "repo/tree.h"

struct scan_entry {
    struct repo_entry entry;
    bool is_link;
};

/* entries   of struct scan_entry, sorted by path */
struct repo_scan {
    const struct repo_project *project;
    struct repo_tree tree;
    GArray *entries;
    char *git_problem;
    char *git_commit;
};

#endif
