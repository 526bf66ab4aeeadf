/* talk.c — see talk.h. */
#include "talk.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TALK_NAME "codeanatomy"
#define TALK_ERASE "\r\033[K"

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

/* stderr that is gone or full must not end the program, nor can anybody be told. */
static void write_all(const char *text, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t n = write(STDERR_FILENO, text, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        n_bytes -= (size_t)n;
    }
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0';
}

void talk_init(struct talk *t)
{
    const char *term = getenv("TERM");
    const char *force = getenv("CLICOLOR_FORCE");
    *t = (struct talk){0};
    g_mutex_init(&t->lock);
    t->is_terminal = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
    t->has_color = t->is_terminal || (force != NULL && force[0] != '\0' && strcmp(force, "0") != 0);
    if (is_set("NO_COLOR"))
        t->has_color = false;
}

void talk_done(struct talk *t)
{
    talk_progress(t, NULL);
    g_mutex_clear(&t->lock);
}

const char *talk_style(const struct talk *t, enum talk_style style)
{
    static const char *const sequences[] = {
        [TALK_PLAIN] = "\033[0m",
        [TALK_BOLD] = "\033[1m",
        [TALK_RED] = "\033[1;31m",
        [TALK_DIM] = "\033[2m",
    };
    return t->has_color ? sequences[style] : "";
}

/* One write for the erased progress line and the text, so that no other process's output comes between. */
static void say(struct talk *t, const char *text)
{
    g_mutex_lock(&t->lock);
    g_autofree char *whole = g_strconcat(t->has_line ? TALK_ERASE : "", text, "\n", NULL);
    t->has_line = false;
    write_all(whole, strlen(whole));
    g_mutex_unlock(&t->lock);
}

void talk_error(struct talk *t, const char *message)
{
    g_autofree char *printable = talk_printable(message);
    g_autofree char *text =
        g_strdup_printf("%s" TALK_NAME ":%s %s", talk_style(t, TALK_RED), talk_style(t, TALK_PLAIN), printable);
    say(t, text);
}

void talk_note(struct talk *t, const char *format, ...)
{
    if (t->is_quiet)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *printable = talk_printable(message);
    g_autofree char *text = g_strconcat(TALK_NAME ": ", printable, NULL);
    say(t, text);
}

void talk_plain(struct talk *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    say(t, message);
}

void talk_progress(struct talk *t, const char *text)
{
    g_mutex_lock(&t->lock);
    if (text != NULL || t->has_line) {
        g_autofree char *whole = g_strconcat(TALK_ERASE, text, NULL);
        write_all(whole, strlen(whole));
        t->has_line = text != NULL;
    }
    g_mutex_unlock(&t->lock);
}

int talk_log_level(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(level_names); i++)
        if (strcmp(name, level_names[i]) == 0)
            return (int)i + 1;
    return 0;
}

/* {"time", "level", "message", "fields"}: one line, one object. */
static char *log_as_json(const char *level, const char *message, const char *fields)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");
    g_autofree char *utf8 = g_utf8_make_valid(message, -1);
    json_t *values = fields != NULL ? json_loads(fields, 0, NULL) : NULL;
    json_t *event = json_pack("{s:s, s:s, s:s, s:o}", "time", time, "level", level, "message", utf8, "fields",
                              values != NULL ? values : json_object());
    char *text = json_dumps(event, JSON_COMPACT);
    json_decref(event);
    char *copy = g_strdup(text);
    free(text);
    return copy;
}

void talk_log(void *data, int level, const char *message, const char *fields)
{
    struct talk *t = data;
    const char *name = level_names[CLAMP(level, 1, (int)G_N_ELEMENTS(level_names)) - 1];
    if (t->is_log_json) {
        g_autofree char *line = log_as_json(name, message, fields);
        say(t, line);
        return;
    }
    bool has_fields = fields != NULL && fields[0] != '\0' && strcmp(fields, "{}") != 0;
    g_autofree char *raw = g_strconcat(message, has_fields ? " " : NULL, fields, NULL);
    g_autofree char *printable = talk_printable(raw);
    g_autofree char *line = g_strdup_printf("%s%s:%s %s", talk_style(t, level == 1 ? TALK_RED : TALK_DIM), name,
                                            talk_style(t, TALK_PLAIN), printable);
    say(t, line);
}

unsigned talk_width(int fd)
{
    struct winsize size = {0};
    if (!isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80; /* a terminal that does not know its width, such as a serial line */
    return size.ws_col;
}

char *talk_printable(const char *text)
{
    GString *out = g_string_new(NULL);
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            g_string_append_printf(out, "\\x%02x", c);
        else
            g_string_append_c(out, *p);
    }
    return g_string_free(out, FALSE);
}
