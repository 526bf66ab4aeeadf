/* contract/exchange_room.h — what odcs.c and dbt.c share. Private to the contract room. */
#ifndef CA_CONTRACT_EXCHANGE_ROOM_H
#define CA_CONTRACT_EXCHANGE_ROOM_H

#include <glib.h>

#include "contract/exchange.h"
#include "contract/yaml.h"

/* The name under which both languages carry what they have no word for. */
#define EXCHANGE_OWN "codeanatomy"

/* One document on its way. problems: one line each; status: of the first. */
struct exchange {
    const char *source;
    contract_loss_fn on_loss;
    void *data;
    GString *problems;
    int status;
    struct contract_imports *imports;
};

void exchange_lost(struct exchange *x, const struct yaml_node *at, const char *path, const char *format, ...)
    CA_PRINTF(4, 5);
void exchange_bad(struct exchange *x, const struct yaml_node *at, const char *format, ...) CA_PRINTF(3, 4);

/* A map of the source that is being read: every key that nobody took is a loss. */
struct taking {
    struct exchange *x;
    const struct yaml_node *map;
    const char *path;
    bool *is_taken;
};

struct exchange_reason {
    const char *key;
    const char *reason;
};

/* A node that is no map has no keys and is refused. */
void taking_init(struct taking *t, struct exchange *x, const struct yaml_node *map, const char *path);

/* The value of a key, which is carried from now on; NULL: it is not there, or is null. */
const struct yaml_node *take(struct taking *t, const char *key);

/* As take(), of the kind that is expected; another is refused. take_flag(): false when there is none. */
const struct yaml_node *take_kind(struct taking *t, const char *key, enum yaml_kind kind);
const char *take_text(struct taking *t, const char *key);
bool take_flag(struct taking *t, const char *key);
bool take_integer(struct taking *t, const char *key, int64_t *ret);

/* Report the rest, with the reason for its key or `otherwise`. */
void taking_done(struct taking *t, const struct exchange_reason *reasons, size_t n_reasons, const char *otherwise);

/* The path of a key or of an item; the caller frees. */
char *path_key(const char *path, const char *key);
char *path_item(const char *path, const char *key, size_t i);

/* Put a name: one that differs from ours in its case alone is written in lower case and that is reported. */
void exchange_put_name(struct exchange *x, struct yaml_node *map, const char *key, const struct yaml_node *name,
                       const char *path);

/* Put the doc; where the source has none, `map` gets words that say so, and that is reported. */
void exchange_put_doc(struct exchange *x, struct yaml_node *map, const char *doc, const struct yaml_node *at,
                      const char *path);

/* Put every key of `own`, the map under EXCHANGE_OWN (NULL: none), but those of `except`. A key that is there already
 * is refused: the source contradicts itself. */
void exchange_put_own(struct exchange *x, struct yaml_node *map, const struct yaml_node *own,
                      const char *const *except);

/* What a dataset says: `map` is complete but for what the language required, such as evolution. Takes `map`. */
void exchange_finish(struct exchange *x, struct yaml_node *map, const struct yaml_node *own);

/* The keys of `map` that are in none of `words` (ended by NULL), copied into a new map in the order of their
 * names; NULL when none is left. */
struct yaml_node *exchange_rest(const struct yaml_node *map, const char *const *words);

/* Text that dbt's templates would read as theirs. */
bool exchange_is_template(const char *text);

/* ---- types as SQL writes them (sql_type.c) ---------------------------------------------------------------------- */

/* Put the type `sql` ("VARCHAR(10)", "struct<a int, b: array<double>>") into `map`: type and what it takes, places
 * those of `at`. False: no type of that name, *ret_why says it. What is not kept, such as a length, is a loss at
 * `path`. */
bool sql_type_put(struct exchange *x, struct yaml_node *map, const char *sql, const struct yaml_node *at,
                  const char *path, char **ret_why);

/* ---- the languages ---------------------------------------------------------------------------------------------- */

void odcs_import(struct exchange *x, const struct yaml_node *root);
void dbt_import(struct exchange *x, const struct yaml_node *root);

/* The document of these contracts, each as the tree that was read and as what the loader made of it. */
struct yaml_node *odcs_document(const struct yaml_node *const *trees, struct contract *const *contracts, size_t n);
struct yaml_node *dbt_document(const struct yaml_node *const *trees, struct contract *const *contracts, size_t n);

/* ---- the loader (load.c) ---------------------------------------------------------------------------------------- */

/* contract_parse() of a tree; `source` names it in messages. */
CA_MUST_CHECK int contract_read(const struct yaml_node *root, const char *source, enum contract_stage stage,
                                struct contract **ret, struct ca_error *err);

#endif
