/* progress.h — how far a build is, on stderr.
 *
 * On a terminal one line that is drawn over and over, cut to the terminal's width:
 *
 *     extract     1,204/2,820 files  42 %  3,104,220 rows  412 files/s  0:04 left
 *
 * Elsewhere nothing, or with --verbose one line at the end of each stage.
 * Threads: as ca_progress_fn promises, never two calls at once; progress_done when the build has returned.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "codeanatomy/codeanatomy.h"
#include "talk.h"

/* stage            of the last call, "" before the first
 * stage_start      the first call of that stage: the rate counts from there; its stage pointer is not kept
 * drawn_ns         when the line was last drawn
 * last             the last call; its stage pointer is not kept */
struct progress {
    struct talk *talk;
    bool has_line;
    bool has_stages;
    char stage[32];
    struct ca_progress stage_start;
    int64_t drawn_ns;
    struct ca_progress last;
};

void progress_init(struct progress *p, struct talk *talk, bool is_quiet, bool is_verbose);

/* Take the line off; with --verbose, say the last stage's end. */
void progress_done(struct progress *p);

/* A ca_progress_fn; data is the struct progress. */
void progress_step(void *data, const struct ca_progress *now);

/* The line for `now`, of less than `width` columns (0: any), in a stage that began at `start`. The caller frees. */
char *progress_render(const struct ca_progress *now, const struct ca_progress *start, unsigned width);

/* 1234567 as "1,234,567". The caller frees. */
char *progress_number(int64_t number);

#endif
