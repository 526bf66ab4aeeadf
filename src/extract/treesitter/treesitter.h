/* extract/treesitter/treesitter.h — syntax of a file from one tree-sitter parse, for two layers.
 *
 *   tree_sitter_files_v1   every node as the grammar has it, errors and missing tokens included
 *   libcst_files_v1        our own syntax layer: scopes, definitions, bindings, imports, call sites, references
 *
 * Flow: choose the text, parse it, walk the tree once, which appends tree_sitter rows and fills a flat tree (syntax.c)
 * → one loop over the flat tree finds the facts (scan.c) → names by Python's scoping rules (names.c) → libcst rows
 * (rows.c).
 *
 * Invariants
 *   1. Nothing recurses over input; a file nested 100,000 deep takes memory, not stack.
 *   2. Every span is a half-open range of the raw file, BOM included, whatever text was parsed.
 *   3. Broken files give facts too; what could not be read is listed in `errors`.
 *   4. Budgets count work, never time: the same file has the same facts on any machine.
 *
 * The text that is parsed: the file itself when it is UTF-8 (or does not decode), the decoded text otherwise.
 * tree-sitter ends a line at LF alone, CPython at a lone CR too: in a file with lone CRs each of these is an LF in the
 * text that is parsed, of the same length, for both layers. So tree-sitter's row + 1 is CPython's line in every file.
 *
 * One `struct treesitter` a thread; different ones may run at once.
 */
#ifndef CA_EXTRACT_TREESITTER_TREESITTER_H
#define CA_EXTRACT_TREESITTER_TREESITTER_H

#include <stdint.h>

#include "base/error.h"
#include "repo/repo.h"

struct tree_sitter_files_v1;
struct libcst_files_v1;

/* Budgets of a file; beyond, a layer is `failed` with the reason "budget: ...".
 *   operations   steps of tree-sitter's parser, error recovery included: BASE + PER_BYTE a byte of text
 *   indentation  different widths of indentation (CPython allows 100 nested ones; the grammar's scanner saves 383)
 *   text         bytes of derived text in the libcst layer (qualified names, annotations): BASE + PER_BYTE a byte of
 * text lookups      steps of name resolution: BASE + PER_NODE a node
 */
#define TREESITTER_OPERATIONS_BASE 1000000
#define TREESITTER_OPERATIONS_PER_BYTE 16
#define TREESITTER_MAX_INDENTATION 380
#define TREESITTER_TEXT_BASE 1000000
#define TREESITTER_TEXT_PER_BYTE 32
#define TREESITTER_LOOKUPS_BASE 1000000
#define TREESITTER_LOOKUPS_PER_NODE 64

enum treesitter_status {
    TREESITTER_OK,
    TREESITTER_RECOVERED, /* facts, with errors inside */
    TREESITTER_FAILED,    /* no facts */
};

/* reason      "" when ok; otherwise why, in words for file_layers_v1.reason
 * start_byte  raw offset of the first error, -1: none or not known
 * n_facts     items in the layer's largest list (nodes; refs or whatever is more), 0 when failed */
struct treesitter_layer {
    enum treesitter_status status;
    char reason[160];
    int64_t start_byte;
    int64_t n_facts;
};

struct treesitter_result {
    struct treesitter_layer tree_sitter;
    struct treesitter_layer libcst;
};

/* Parser and scratch memory of one thread. */
struct treesitter;
int treesitter_new(struct treesitter **ret, struct ca_error *err) CA_MUST_CHECK;
void treesitter_free(struct treesitter *t);

/* Append one row for `file` to each builder. A file that could not be read has failed in both layers and gives no row;
 * a file that is too large or too much work for the parser gives no tree_sitter row and a libcst row with its errors
 * alone. Fails with CA_ERR_RESOURCES when a builder is full or memory is short (its open row is abandoned), CA_ERR_BUG.
 */
int treesitter_extract(struct treesitter *t, const struct repo_file *file, struct tree_sitter_files_v1 *ts,
                       struct libcst_files_v1 *cst, struct treesitter_result *ret, struct ca_error *err) CA_MUST_CHECK;

#endif
