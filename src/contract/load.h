/* contract/load.h — how the contract language is read: readers of YAML nodes and the tables that name them. Private to
 * the contract room.
 *
 * A reader puts what a node says into `target`, or adds a problem and leaves the target alone: reading goes on, so that
 * one run shows every problem with its line and column. What a reader made belongs to the target.
 */
#ifndef CA_CONTRACT_LOAD_H
#define CA_CONTRACT_LOAD_H

#include <glib.h>

#include "contract/contract.h"
#include "contract/keys.h"
#include "contract/yaml.h"

#define LOAD_MAX_PROBLEMS 20

/* key     whose value is being read, for messages
 * status  of the first problem; a file with any syntax problem is not checked further
 * is_inferred   names are as they were found */
struct loader {
    const char *source;
    const char *key;
    GString *problems;
    size_t n_problems;
    int status;
    bool is_inferred;
};

typedef void (*load_fn)(struct loader *l, const struct yaml_node *node, void *target);

/* One key of a map.
 *   value    what its value is, in the words of contract/keys.h
 *   read     NULL: somebody else reads it
 *   offset   into the target of the map, where the value goes
 */
struct load_key {
    const char *name;
    const char *value;
    load_fn read;
    size_t offset;
    bool is_required;
};

/* The words of contract/keys.h are the readers' names: READS(text) is "text", load_text. */
#define READS(word) #word, load_##word

void load_problem(struct loader *l, int status, int line, int column, const char *format, ...) CA_PRINTF(5, 6);

/* The end of a loader: CA_OK, or what went wrong, a problem a line. */
CA_MUST_CHECK int load_done(struct loader *l, struct ca_error *err);

#define bad(l, node, ...) load_problem((l), CA_ERR_SYNTAX, (node)->line, (node)->column, __VA_ARGS__)
#define contradiction(l, node, ...) load_problem((l), CA_ERR_CONTRACT, (node)->line, (node)->column, __VA_ARGS__)

bool load_is_null(const struct yaml_node *node);
/* Whether YAML reads a plain scalar as something that is not text. */
bool load_is_other_than_text(const struct yaml_node *node);

/* Readers into a char *, ... */
void load_text(struct loader *l, const struct yaml_node *node, void *target);
void load_name(struct loader *l, const struct yaml_node *node, void *target);
void load_setting(struct loader *l, const struct yaml_node *node, void *target);
void load_literal(struct loader *l, const struct yaml_node *node, void *target);
/* ... a bool, an int64_t from 1, an int32_t, ... */
void load_bool(struct loader *l, const struct yaml_node *node, void *target);
void load_positive(struct loader *l, const struct yaml_node *node, void *target);
void load_precision(struct loader *l, const struct yaml_node *node, void *target);
void load_scale(struct loader *l, const struct yaml_node *node, void *target);
void load_size(struct loader *l, const struct yaml_node *node, void *target);
/* ... a struct contract_names, ... */
void load_names(struct loader *l, const struct yaml_node *node, void *target);
void load_texts(struct loader *l, const struct yaml_node *node, void *target);
void load_list_of(struct loader *l, const struct yaml_node *node, struct contract_names *ret, load_fn read);
/* ... and a struct contract_pairs. */
void load_settings(struct loader *l, const struct yaml_node *node, void *target);
void load_metadata(struct loader *l, const struct yaml_node *node, void *target);
void load_checks(struct loader *l, const struct yaml_node *node, void *target);
void load_values(struct loader *l, const struct yaml_node *node, void *target);
void load_pairs_of(struct loader *l, const struct yaml_node *node, struct contract_pairs *ret, load_fn read,
                   bool keys_are_names);

/* A map of the keys in `keys` and no others; `what` it is, for messages. */
void load_map(struct loader *l, const struct yaml_node *node, const char *what, const struct load_key *keys,
              size_t n_keys, void *target);

/* One of several words: its index. False: a problem was added. */
bool load_word(struct loader *l, const struct yaml_node *node, const char *const *words, size_t n_words, size_t *ret);
/* refuse or allow. */
bool load_rule(struct loader *l, const struct yaml_node *node, bool *ret);
/* The enum contract_change that a key of `what` names. False: a problem was added; it lists `others`, which are keys
 * too. */
bool load_change(struct loader *l, const struct yaml_node *key, const char *what, const char *others, int *ret);

/* storage.format into a char *; the scan options into a struct contract_pairs; what `storage` says but for format and
 * location into a struct contract_storage. */
void load_format(struct loader *l, const struct yaml_node *node, void *target);
void load_scan(struct loader *l, const struct yaml_node *node, void *target);
void load_tuning(struct loader *l, const struct yaml_node *node, void *target);

/* contract_visit_keys for a table of keys, and for that of locations (location.c). */
void load_visit_keys(const struct load_key *keys, size_t n_keys, contract_key_fn fn, void *data);
void load_visit_location(contract_key_fn fn, void *data);

/* The columns of a struct contract. */
void load_columns(struct loader *l, const struct yaml_node *node, void *target);
/* contract_visit_keys for the places of fields. */
void load_visit_fields(const char *section, contract_key_fn fn, void *data);

/* What the keys say of each other; `root` is what `c` was read from. */
void load_check(struct loader *l, const struct contract *c, const struct yaml_node *root);
/* What storage and scan say, of the columns; `types` is told of the types that a Delta table cannot hold. */
void load_check_place(struct loader *l, struct loader *types, const struct contract *c);
/* Listed values as checks, so that whatever proves checks proves them. */
void load_value_checks(struct loader *l, struct contract *c, const struct yaml_node *root);

#endif
