/* extract/treesitter/treesitter.c — both layers of one file. */
#include "extract/treesitter/treesitter.h"

#include <stdio.h>
#include <stdlib.h>

#include "extract/treesitter/facts.h"
#include "extract/treesitter/syntax.h"

struct treesitter {
    struct syntax syntax;
    struct facts facts;
};

int treesitter_new(struct treesitter **ret, struct ca_error *err)
{
    struct treesitter *t = g_new0(struct treesitter, 1);
    int rc = syntax_init(&t->syntax, err);
    if (rc != CA_OK) {
        treesitter_free(t);
        return rc;
    }
    facts_init(&t->facts, &t->syntax);
    *ret = t;
    return CA_OK;
}

void treesitter_free(struct treesitter *t)
{
    if (t == NULL)
        return;
    facts_done(&t->facts);
    syntax_done(&t->syntax);
    g_free(t);
}

int treesitter_extract(struct treesitter *t, const struct repo_file *file, struct tree_sitter_files_v1 *ts,
                       struct libcst_files_v1 *cst, struct treesitter_result *ret, struct ca_error *err)
{
    struct treesitter_result result = {0};
    if (file->raw == NULL) {
        struct treesitter_layer failed = {.status = TREESITTER_FAILED, .start_byte = -1};
        (void)snprintf(failed.reason, sizeof(failed.reason), "%s", file->failure == NULL ? "not read" : file->failure);
        ret->tree_sitter = ret->libcst = failed;
        return CA_OK;
    }
    CA_TRY_CTX(syntax_parse(&t->syntax, file, ts, &result.tree_sitter, err), err, "syntax of '%s'", file->entry->path);
    bool has_tree = result.tree_sitter.status != TREESITTER_FAILED;
    if (has_tree)
        facts_scan(&t->facts);
    result.libcst = result.tree_sitter;
    CA_TRY_CTX(facts_write(&t->facts, file, has_tree, cst, &result.libcst, err), err, "syntax facts of '%s'",
               file->entry->path);
    *ret = result;
    return CA_OK;
}
