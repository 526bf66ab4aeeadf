/* catalog/profiles.c — the rows of registry.profiles: what there is to choose from (A2, A3). */
#include "rows/gen/profiles.h"
#include "catalog/tables.h"

/* rc  the first errno of the builder */
struct filling {
    struct profiles *rows;
    int rc;
};

static void take_value(void *data, const char *kind, const char *name, const char *key, const char *value)
{
    struct filling *f = data;
    struct profiles_row row = {
        .kind = rows_str_of(kind),
        .name = rows_str_of(name),
        .key = rows_str_of(key),
        .value = rows_str_of(value),
    };
    if (f->rc == 0)
        f->rc = profiles_finish_row(f->rows, &row);
}

static int profiles_fill(struct catalog *c, struct profiles *rows, struct ca_error *err)
{
    (void)c;
    struct filling f = {.rows = rows};
    engine_profiles(take_value, &f);
    return catalog_rows_failed(f.rc, err);
}

CATALOG_TABLE(profiles, profiles_fill)
