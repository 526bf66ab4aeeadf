/* session/options.c — see the header. */
#include "session/options.h"

#include <string.h>

int session_options_take(void *to, size_t own, const void *from, size_t given, struct ca_error *err)
{
    memset(to, 0, own);
    if (!from)
        return CA_OK;
    if (given < sizeof(size_t))
        return ca_fail(err, CA_ERR_INVALID, "the options' size is not set");
    for (size_t i = own; i < given; i++)
        if (((const unsigned char *)from)[i] != 0)
            return ca_fail(err, CA_ERR_INVALID, "the options have fields that this library does not know: it is older");
    memcpy(to, from, given < own ? given : own);
    return CA_OK;
}

int session_need(bool is_given, const char *what, struct ca_error *err)
{
    return is_given ? CA_OK : ca_fail(err, CA_ERR_INVALID, "%s is NULL", what);
}
