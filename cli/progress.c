/* progress.c — see progress.h. */
#include "progress.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define PROGRESS_INTERVAL_NS (NS_PER_S / 10)

/* A rate, and so the time left, is not worth reading before this much of a stage has passed. */
#define PROGRESS_SETTLED_NS (NS_PER_S / 2)

void progress_init(struct progress *p, struct talk *talk, bool is_quiet, bool is_verbose)
{
    *p = (struct progress){
        .talk = talk,
        .has_line = talk->is_terminal && !is_quiet,
        .has_stages = is_verbose && !is_quiet && !talk->is_terminal,
    };
}

char *progress_number(int64_t number)
{
    g_autofree char *digits = g_strdup_printf("%" PRId64, number);
    GString *out = g_string_new(NULL);
    size_t n = strlen(digits);
    for (size_t i = 0; i < n; i++) {
        g_string_append_c(out, digits[i]);
        size_t n_left = n - 1 - i;
        if (n_left > 0 && n_left % 3 == 0 && digits[i] != '-')
            g_string_append_c(out, ',');
    }
    return g_string_free(out, FALSE);
}

/* What the steps of a stage are. */
static const char *unit_of(const char *stage)
{
    return strcmp(stage, "scan") == 0 || strcmp(stage, "extract") == 0 ? "files" : "models";
}

static char *clock_text(int64_t seconds)
{
    if (seconds >= 3600)
        return g_strdup_printf("%d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60), (int)(seconds % 60));
    return g_strdup_printf("%d:%02d", (int)(seconds / 60), (int)(seconds % 60));
}

/* The fields of the line, most wanted first: what does not fit goes from the end. */
static GPtrArray *fields_of(const struct ca_progress *now, const struct ca_progress *start)
{
    GPtrArray *fields = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *done = progress_number(now->n_done);
    g_autofree char *rows = progress_number(now->n_rows);
    const char *unit = unit_of(now->stage);
    int64_t elapsed_ns = now->elapsed_ns - start->elapsed_ns;
    double rate = elapsed_ns > 0 ? (double)(now->n_done - start->n_done) * (double)NS_PER_S / (double)elapsed_ns : 0;

    g_ptr_array_add(fields, g_strdup_printf("%-9s", now->stage));
    if (now->n_total > 0) {
        g_autofree char *total = progress_number(now->n_total);
        g_ptr_array_add(fields, g_strdup_printf("%s/%s %s", done, total, unit));
        g_ptr_array_add(fields, g_strdup_printf("%d %%", (int)(100.0 * (double)now->n_done / (double)now->n_total)));
    } else if (now->n_done > 0) {
        g_ptr_array_add(fields, g_strdup_printf("%s %s", done, unit));
    }
    g_ptr_array_add(fields, g_strdup_printf("%s rows", rows));
    if (elapsed_ns < PROGRESS_SETTLED_NS || rate <= 0)
        return fields;
    g_ptr_array_add(fields, g_strdup_printf(rate < 10 ? "%.1f %s/s" : "%.0f %s/s", rate, unit));
    if (now->n_total > now->n_done) {
        g_autofree char *left = clock_text((int64_t)((double)(now->n_total - now->n_done) / rate + 0.5));
        g_ptr_array_add(fields, g_strdup_printf("%s left", left));
    }
    return fields;
}

char *progress_render(const struct ca_progress *now, const struct ca_progress *start, unsigned width)
{
    g_autoptr(GPtrArray) fields = fields_of(now, start);
    GString *line = g_string_new(NULL);
    for (guint i = 0; i < fields->len; i++) {
        const char *field = fields->pdata[i];
        const char *gap = i > 0 ? "  " : "";
        if (width > 0 && line->len + strlen(gap) + strlen(field) >= width)
            break;
        g_string_append_printf(line, "%s%s", gap, field);
    }
    return g_string_free(line, FALSE);
}

static void draw(struct progress *p, const struct ca_progress *now)
{
    g_autofree char *line = progress_render(now, &p->stage_start, talk_width(STDERR_FILENO));
    size_t n_stage = MIN(strlen(now->stage), strlen(line));
    g_autofree char *text = g_strdup_printf("%s%.*s%s%s", talk_style(p->talk, TALK_BOLD), (int)n_stage, line,
                                            talk_style(p->talk, TALK_PLAIN), line + n_stage);
    talk_progress(p->talk, text);
    p->drawn_ns = now->elapsed_ns;
}

static void say_stage_end(struct progress *p)
{
    if (!p->has_stages || p->stage[0] == '\0')
        return;
    g_autofree char *done = progress_number(p->last.n_done);
    g_autofree char *rows = progress_number(p->last.n_rows);
    double seconds = (double)(p->last.elapsed_ns - p->stage_start.elapsed_ns) / (double)NS_PER_S;
    if (p->last.n_done > 0)
        talk_note(p->talk, "%s: %s %s, %s rows so far, %.1f s", p->stage, done, unit_of(p->stage), rows, seconds);
    else
        talk_note(p->talk, "%s: %s rows so far, %.1f s", p->stage, rows, seconds);
}

void progress_step(void *data, const struct ca_progress *now)
{
    struct progress *p = data;
    bool is_new_stage = strcmp(p->stage, now->stage) != 0;
    if (is_new_stage) {
        say_stage_end(p);
        g_strlcpy(p->stage, now->stage, sizeof p->stage);
        p->stage_start = *now;
        p->stage_start.stage = NULL;
    }
    if (p->has_line && (is_new_stage || now->elapsed_ns - p->drawn_ns >= PROGRESS_INTERVAL_NS))
        draw(p, now);
    p->last = *now;
    p->last.stage = NULL;
}

void progress_done(struct progress *p)
{
    talk_progress(p->talk, NULL);
    say_stage_end(p);
}
