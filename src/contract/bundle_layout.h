/* contract/bundle_layout.h — the bytes of a bundle, shared by the file that writes them and the one that reads them.
 *
 * Places are counted from the start of the document. A string is a place where UTF-8 stands with a NUL behind it; all
 * but the contracts' texts stand in the index.
 */
#ifndef CA_CONTRACT_BUNDLE_LAYOUT_H
#define CA_CONTRACT_BUNDLE_LAYOUT_H

#include <stdint.h>

#define BUNDLE_MAGIC "CABUNDLE"

/* n_bytes        of the whole document
 * n_index_bytes  of header, records, names, views and strings
 * The three arrays follow the header in this order: n_datasets records, n_names names, n_views string places. */
struct bundle_header {
    char magic[8];
    uint32_t format;
    uint32_t n_datasets;
    uint32_t n_names;
    uint32_t n_views;
    uint64_t n_bytes;
    uint64_t n_index_bytes;
};

/* yaml, n_yaml_bytes   the contract's text, behind the index; a NUL follows it
 * digest               its fingerprint
 * sql, location        0: none
 * file                 of a location, else 0: where its text was read. Its name is "DATASET#LOCATION" and stands in no
 *                      list of names; stage and kind are 0, version is that of the contract, 0: any
 * views                of the dataset: n_views of the array of views, from first_view on */
struct bundle_record {
    uint64_t yaml;
    uint64_t n_yaml_bytes;
    int64_t version;
    uint32_t name;
    uint32_t schema;
    uint32_t fingerprint;
    uint32_t digest;
    uint32_t storage;
    uint32_t sql;
    uint32_t location;
    uint32_t file;
    uint32_t first_view;
    uint32_t n_views;
    uint32_t stage;
    uint32_t kind;
};

/* key      "schema.name"
 * dataset  index of its record; is_view: the name is a view's of that dataset */
struct bundle_name {
    uint32_t key;
    uint32_t dataset;
    uint32_t is_view;
};

#endif
