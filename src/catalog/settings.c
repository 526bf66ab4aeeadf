/* catalog/settings.c — the rows of registry.settings: what is in force, and who said it (A4). */
#include "rows/gen/settings.h"
#include "catalog/tables.h"

static int take_setting(void *data, const struct engine_setting_value *s, struct ca_error *err)
{
    struct settings_row row = {
        .key = rows_str_of(s->key),
        .value = rows_str_of(s->value),
        .default_value = rows_str_of(s->default_value),
        .preset_value = rows_str_of(s->preset_value),
        .source = rows_str_of(s->source),
        .is_default = g_strcmp0(s->value, s->default_value) == 0,
    };
    return catalog_rows_failed(settings_finish_row(data, &row), err);
}

static int settings_fill(struct catalog *c, struct settings *rows, struct ca_error *err)
{
    g_rw_lock_reader_lock(&c->engine_use);
    int rc = c->engine ? engine_settings(c->engine, take_setting, rows, err)
                       : ca_fail(err, CA_ERR_CANCELED, "the session is closed");
    g_rw_lock_reader_unlock(&c->engine_use);
    return rc;
}

CATALOG_TABLE(settings, settings_fill)
