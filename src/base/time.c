/* base/time.c — see the header. */
#include "base/time.h"

#include <glib.h>

int time_parse_us(const char *text, int64_t *ret_us, struct ca_error *err)
{
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, utc);
    if (!time)
        return ca_fail(err, CA_ERR_INVALID, "'%s' is not a time such as 2026-11-21T04:27:49Z", text);
    *ret_us = g_date_time_to_unix(time) * G_USEC_PER_SEC + g_date_time_get_microsecond(time);
    return CA_OK;
}
