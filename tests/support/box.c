/* tests/support/box.c — see the header. */
#include "support/box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>

#include "support/contracts.h"
#include "support/scratch.h"

#define BUNDLE_COLUMNS "id int64, name utf8?"
#define BUNDLE_REST                                                                                                    \
    "  - {name: items, type: list, nullable: false, doc: d, item: {type: struct, nullable: false, fields: [{name: n, " \
    "type: int32, nullable: false, doc: d}, {name: tag, type: utf8, nullable: true, doc: d}]}}\n"                      \
    "keys: {primary: [id]}\norder: [id]\nchecks: {id_is_positive: \"id > 0\"}\n"                                       \
    "views: {box_items: {unnest: items, with: [id], doc: d, checks: {n_is_small: \"n < 100\"}}}\n"

void box_contracts(const char *root)
{
    contracts_write(root, "extract", "box", "bundle", BUNDLE_COLUMNS, BUNDLE_REST, NULL);
    contracts_write(root, "normalize", "sized_v1", "table", "a int64", NULL, NULL);
    contracts_write(root, "graph", "tags", "view", "id int64?, tag utf8?", "order: [id]\n",
                    "SELECT id, tag FROM box_items WHERE tag IS NOT NULL");
}

struct catalog *box_catalog(const char *root)
{
    box_contracts(root);
    return contracts_catalog(root);
}

int box_write(struct catalog *c, const char *root, const char *sql, const char *app_id, struct catalog_written *written,
              struct ca_error *err)
{
    g_autofree char *location = scratch_path(root, "store/box");
    const struct catalog_write write = {.schema = "public",
                                        .name = "box",
                                        .location = location,
                                        .mode = ENGINE_OVERWRITE,
                                        .sql = sql,
                                        .app_id = app_id,
                                        .app_version = 1};
    CA_TRY(catalog_write(c, &write, written, err));
    const struct catalog_pin pin = {.location = location,
                                    .version = written->commit.version,
                                    .n_rows = written->commit.n_rows,
                                    .proof = written->proof};
    return catalog_pin(c, "public", "box", &pin, err);
}

void box_put(struct catalog *c, const char *root, const char *sql, const char *app_id)
{
    struct catalog_written written = {0};
    struct ca_error err = {0};
    if (box_write(c, root, sql, app_id, &written, &err) != CA_OK)
        fail_msg("%s", err.message);
}
