/* contract/keys.h — the loader's key tables, for who describes the language. Private to the contract room. */
#ifndef CA_CONTRACT_KEYS_H
#define CA_CONTRACT_KEYS_H

#include <stdbool.h>

/* One key of a section, in the order of the loader's table.
 *
 * value        what its value is: one of the words that json_schema.c knows, which names the loader's reader
 * is_required  in every map of the section
 * shapes       types of whose keys it is (bits of enum contract_shape), 0: all
 * is_optional_in_shape   such a type may leave it out
 */
struct contract_key {
    const char *name;
    const char *value;
    bool is_required;
    int shapes;
    bool is_optional_in_shape;
};
typedef void (*contract_key_fn)(void *data, const struct contract_key *key);

/* All keys of a section: contract, location, tuning (storage of a location), keys, storage, scan, extract, view,
 * evolution, rules, format (the words of that key), and of fields by their place: column, field, item, map_key,
 * map_value, dictionary_value. An unknown section has none. */
void contract_visit_keys(const char *section, contract_key_fn fn, void *data);

#endif
