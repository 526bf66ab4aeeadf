/* talk.h — everything that goes to stderr: errors, notes, log lines, the progress line.
 *
 * One lock keeps them apart: a line of text first takes the progress line off the screen, and progress draws itself
 * again at its next step. Colour and progress depend on the terminal: NO_COLOR and TERM=dumb switch off, CLICOLOR_FORCE
 * switches colour on where there is no terminal. Threads: any thread, once talk_init has returned.
 */
#ifndef CLI_TALK_H
#define CLI_TALK_H

#include <glib.h>
#include <stdbool.h>

/* is_terminal   stderr is one and can move its cursor
 * has_line      a progress line is on the screen */
struct talk {
    GMutex lock;
    bool is_terminal;
    bool has_color;
    bool has_line;
    bool is_quiet;
    bool is_log_json;
};

enum talk_style { TALK_PLAIN, TALK_BOLD, TALK_RED, TALK_DIM };

void talk_init(struct talk *t);
void talk_done(struct talk *t);

/* "codeanatomy: MESSAGE", always. */
void talk_error(struct talk *t, const char *message);

/* The same for what is not an error; says nothing under --quiet. */
void talk_note(struct talk *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line without the program's name in front, for the interactive session. */
void talk_plain(struct talk *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Draw `text` as the progress line in place of the one before; text NULL: take it off. */
void talk_progress(struct talk *t, const char *text);

/* A ca_log_fn; data is the struct talk. */
void talk_log(void *data, int level, const char *message, const char *fields);

/* The number of a level's name (1 error .. 5 trace), 0 when there is no such level. */
int talk_log_level(const char *name);

/* The escape sequence that starts a style, "" without colour. TALK_PLAIN ends any style. */
const char *talk_style(const struct talk *t, enum talk_style style);

/* Columns of the terminal behind `fd`, 0 when it is none. */
unsigned talk_width(int fd);

/* `text` with control characters other than newline and tab written as \xNN, so that a file's name cannot steer the
 * terminal. The caller frees. */
char *talk_printable(const char *text);

#endif
