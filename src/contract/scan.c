/* contract/scan.c — the scan options of a table: what each takes, for which formats it means something, and where the
 * engine keeps it. One table; loading, DDL, the registry and the engine's answers read it. */
#include "contract/scan.h"

#include <string.h>

#define LISTED "parquet csv ndjson arrow avro"

/* In order of name. */
static const struct contract_scan_option options[] = {
    {"binary_as_string", CONTRACT_SCAN_BOOL, "parquet", "format.binary_as_string",
     "datafusion.execution.parquet.binary_as_string"},
    {"cache", CONTRACT_SCAN_BOOL, "parquet", "cache", NULL},
    {"collect_statistics", CONTRACT_SCAN_BOOL, "parquet", "collect_statistics",
     "datafusion.execution.collect_statistics"},
    {"file_extension", CONTRACT_SCAN_TEXT, LISTED, "file_extension", NULL},
    {"ignore_subdirectories", CONTRACT_SCAN_BOOL, LISTED, "ignore_subdirectories",
     "datafusion.execution.listing_table_ignore_subdirectory"},
    {"infer_partitions", CONTRACT_SCAN_BOOL, LISTED, "infer_partitions",
     "datafusion.execution.listing_table_factory_infer_partitions"},
    {"list_cache_bytes", CONTRACT_SCAN_COUNT, LISTED, "list_cache_bytes", "datafusion.runtime.list_files_cache_limit"},
    {"list_cache_ttl_seconds", CONTRACT_SCAN_COUNT, LISTED, "list_cache_ttl_seconds",
     "datafusion.runtime.list_files_cache_ttl"},
    {"metadata_concurrency", CONTRACT_SCAN_COUNT, LISTED, "metadata_concurrency",
     "datafusion.execution.meta_fetch_concurrency"},
    {"mutable_listing", CONTRACT_SCAN_BOOL, LISTED, "mutable_listing", NULL},
    {"parquet_pruning", CONTRACT_SCAN_BOOL, "parquet", "format.pruning", "datafusion.execution.parquet.pruning"},
    {"pushdown_filters", CONTRACT_SCAN_BOOL, "parquet", "format.pushdown_filters",
     "datafusion.execution.parquet.pushdown_filters"},
    {"skip_arrow_metadata", CONTRACT_SCAN_BOOL, "parquet", "format.skip_arrow_metadata",
     "datafusion.execution.parquet.skip_arrow_metadata"},
    {"skip_metadata", CONTRACT_SCAN_BOOL, "parquet", "format.skip_metadata",
     "datafusion.execution.parquet.skip_metadata"},
    {"unbounded", CONTRACT_SCAN_BOOL, "csv ndjson stream", "unbounded", NULL},
    {"view_types", CONTRACT_SCAN_BOOL, "parquet", "format.schema_force_view_types",
     "datafusion.execution.parquet.schema_force_view_types"},
};

size_t contract_scan_n_options(void)
{
    return sizeof options / sizeof options[0];
}

const struct contract_scan_option *contract_scan_option_at(size_t i)
{
    return &options[i];
}

const struct contract_scan_option *contract_scan_option(const char *name)
{
    for (size_t i = 0; i < contract_scan_n_options(); i++) {
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    }
    return NULL;
}

bool contract_scan_applies(const struct contract_scan_option *option, const char *format)
{
    const size_t n = strlen(format);
    for (const char *at = strstr(option->formats, format); at != NULL; at = strstr(at + 1, format)) {
        if ((at == option->formats || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    }
    return false;
}

const char *contract_scan_value(const struct contract *c, const char *name)
{
    for (size_t i = 0; i < c->scan.n; i++) {
        if (strcmp(c->scan.items[i].key, name) == 0)
            return c->scan.items[i].value;
    }
    return NULL;
}

bool contract_scan_is_true(const struct contract *c, const char *name)
{
    const char *value = contract_scan_value(c, name);
    return value != NULL && strcmp(value, "true") == 0;
}
