/* base/error.c — messages of bounded length, cut visibly and never inside a UTF-8 character. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {
    [CA_OK] = "CA_OK",
    [CA_ERR_INVALID] = "CA_ERR_INVALID",
    [CA_ERR_IO] = "CA_ERR_IO",
    [CA_ERR_SYNTAX] = "CA_ERR_SYNTAX",
    [CA_ERR_CONTRACT] = "CA_ERR_CONTRACT",
    [CA_ERR_DRIFT] = "CA_ERR_DRIFT",
    [CA_ERR_ENGINE] = "CA_ERR_ENGINE",
    [CA_ERR_NOT_FOUND] = "CA_ERR_NOT_FOUND",
    [CA_ERR_CONFLICT] = "CA_ERR_CONFLICT",
    [CA_ERR_RESOURCES] = "CA_ERR_RESOURCES",
    [CA_ERR_CANCELED] = "CA_ERR_CANCELED",
    [CA_ERR_REFUSED] = "CA_ERR_REFUSED",
    [CA_ERR_WORKER] = "CA_ERR_WORKER",
    [CA_ERR_BUG] = "CA_ERR_BUG",
};

const char *ca_status_name(int status)
{
    if (status < 0 || (size_t)status >= sizeof status_names / sizeof status_names[0])
        return "CA_ERR_BUG";
    return status_names[status];
}

/* Put "..." at the end of a message that filled its buffer, in place of whole characters. */
static void cut_visibly(struct ca_error *err)
{
    size_t end = sizeof err->message - 1 - 3;
    while (end > 0 && ((unsigned char)err->message[end] & 0xC0) == 0x80)
        end--;
    memcpy(err->message + end, "...", 4);
}

static int fill(struct ca_error *err, int code, const char *format, va_list args)
{
    if (err == NULL)
        return code;
    err->code = code;
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    if (n < 0)
        memcpy(err->message, "?", 2);
    else if ((size_t)n >= sizeof err->message)
        cut_visibly(err);
    return code;
}

int ca_fail(struct ca_error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    return code;
}

static void append(struct ca_error *err, const char *text)
{
    size_t n = strlen(err->message);
    size_t room = sizeof err->message - n;
    int written = snprintf(err->message + n, room, "%s", text);
    if (written >= 0 && (size_t)written >= room)
        cut_visibly(err);
}

int ca_fail_errno(struct ca_error *err, int code, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, format, args);
    va_end(args);
    if (err != NULL) {
        char text[128] = "";
#ifdef __GLIBC__ /* _GNU_SOURCE: strerror_r returns its text */
        const char *words = strerror_r(errnum, text, sizeof text);
#else
        const char *words = strerror_r(errnum, text, sizeof text) == 0 ? text : "unknown error";
#endif
        append(err, ": ");
        append(err, words);
    }
    return code;
}

int ca_fail_context(struct ca_error *err, int code, const char *format, ...)
{
    if (err == NULL)
        return code;
    struct ca_error *inner = malloc(sizeof *inner);
    if (inner == NULL)
        abort();
    *inner = *err;
    va_list args;
    va_start(args, format);
    fill(err, inner->code, format, args);
    va_end(args);
    append(err, ": ");
    append(err, inner->message);
    int ret = inner->code;
    free(inner);
    return ret;
}
