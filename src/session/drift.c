/* session/drift.c — what two runs of a store showed of their catalog, compared row by row. */
#include <glib.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "codeanatomy/codeanatomy.h"
#include "publish/store.h"
#include "rows/rows.h"
#include "session/options.h"

/* Bytes are the order of the engine's texts and of strcmp alike. The directory of spill files is a new one in every
 * process. */
static const char snapshot_sql[] = "SELECT object_kind, object_name, detail FROM diagnostics.schema_snapshots "
                                   "WHERE object_name <> 'datafusion.runtime.temp_directory' "
                                   "ORDER BY object_kind, object_name, detail";

struct object {
    char *kind;
    char *name;
    char *detail;
};

static void object_free(void *data)
{
    struct object *o = data;
    g_free(o->kind);
    g_free(o->name);
    g_free(o->detail);
    g_free(o);
}

static int add_object(void *data, const char *const *texts, size_t n_texts, struct ca_error *err)
{
    (void)n_texts;
    (void)err;
    struct object *o = g_new0(struct object, 1);
    o->kind = g_strdup(texts[0]);
    o->name = g_strdup(texts[1]);
    o->detail = g_strdup(texts[2]);
    g_ptr_array_add(data, o);
    return CA_OK;
}

static int snapshot_read(const char *store, const char *run, GPtrArray *ret, struct ca_error *err)
{
    ca_session *s = NULL;
    struct ArrowArrayStream rows = {0};
    struct ca_session_options o = {.size = sizeof o, .store = store, .run = run, .read_only = 1};
    CA_TRY(ca_session_open(&o, &s, err));
    int rc = ca_query(s, snapshot_sql, NULL, NULL, &rows, err);
    if (rc == CA_OK)
        rc = rows_each_text(&rows, add_object, ret, err);
    ca_session_close(s);
    return rc == CA_OK ? CA_OK : ca_fail_context(err, rc, "read the schema snapshot of run '%s'", run);
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

struct comparison {
    ca_text_fn sink;
    void *data;
    int64_t n;
};

static int report(struct comparison *c, const char *change, const struct object *before, const struct object *after,
                  struct ca_error *err)
{
    const struct object *o = after ? after : before;
    json_t *line = json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "change", change, "object_kind", o->kind, "object_name",
                             o->name, "before", before ? before->detail : NULL, "after", after ? after->detail : NULL);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text)
        return ca_fail(err, CA_ERR_RESOURCES, "no memory for a difference");
    c->sink(c->data, text, strlen(text));
    c->n++;
    free(text);
    return CA_OK;
}

static int by_name(const struct object *a, const struct object *b)
{
    int by_kind = strcmp(a->kind, b->kind);
    return by_kind ? by_kind : strcmp(a->name, b->name);
}

/* The end of the objects of one kind and name that begin at `from`: a function has one for each of its signatures. */
static guint group_end(const GPtrArray *objects, guint from)
{
    guint end = from + 1;
    while (end < objects->len && by_name(objects->pdata[from], objects->pdata[end]) == 0)
        end++;
    return end;
}

/* Two groups of one name, sorted by detail. */
static int compare_groups(struct comparison *c, const GPtrArray *a, guint i, guint i_end, const GPtrArray *b, guint k,
                          guint k_end, struct ca_error *err)
{
    bool is_single = i_end - i == 1 && k_end - k == 1;
    while (i < i_end || k < k_end) {
        const struct object *before = i < i_end ? a->pdata[i] : NULL;
        const struct object *after = k < k_end ? b->pdata[k] : NULL;
        int order = !before ? 1 : !after ? -1 : strcmp(before->detail, after->detail);
        if (order != 0 && is_single)
            return report(c, "changed", before, after, err);
        if (order < 0)
            CA_TRY(report(c, "removed", before, NULL, err));
        if (order > 0)
            CA_TRY(report(c, "added", NULL, after, err));
        i += order <= 0;
        k += order >= 0;
    }
    return CA_OK;
}

static int compare(struct comparison *c, const GPtrArray *a, const GPtrArray *b, struct ca_error *err)
{
    guint i = 0;
    guint k = 0;
    while (i < a->len || k < b->len) {
        int order = i == a->len ? 1 : k == b->len ? -1 : by_name(a->pdata[i], b->pdata[k]);
        guint i_end = order <= 0 ? group_end(a, i) : i;
        guint k_end = order >= 0 ? group_end(b, k) : k;
        CA_TRY(compare_groups(c, a, i, i_end, b, k, k_end, err));
        i = i_end;
        k = k_end;
    }
    return CA_OK;
}

/* ---- runs ------------------------------------------------------------------------------------------------------- */

/* The newest run that is older than `after`: ids sort by time. */
static int run_before(const struct store *s, const char *after, char **ret, struct ca_error *err)
{
    g_auto(GStrv) runs = store_runs(s);
    const char *found = NULL;
    for (size_t i = 0; runs[i] && strcmp(runs[i], after) < 0; i++)
        found = runs[i];
    if (!found)
        return ca_fail(err, CA_ERR_NOT_FOUND, "store '%s' has no run before '%s': there is nothing to compare it with",
                       store_path(s), after);
    *ret = g_strdup(found);
    return CA_OK;
}

static int runs_named(const char *store, const char *before, const char *after, char *ret[2], struct ca_error *err)
{
    struct store *s = NULL;
    CA_TRY(store_open_read(store, &s, err));
    int rc = CA_OK;
    ret[0] = g_strdup(before);
    ret[1] = g_strdup(after);
    if (!after)
        rc = store_published(s, &ret[1], err);
    if (rc == CA_OK && !ret[1])
        rc = ca_fail(err, CA_ERR_NOT_FOUND, "nothing is published in '%s'", store_path(s));
    if (rc == CA_OK && !before)
        rc = run_before(s, ret[1], &ret[0], err);
    store_close(s);
    return rc;
}

int ca_drift(const char *store, const char *before, const char *after, ca_text_fn sink, void *data, int64_t *ret_n,
             struct ca_error *err)
{
    CA_TRY(session_need(store != NULL, "the store", err));
    CA_TRY(session_need(sink != NULL, "the sink", err));
    struct comparison c = {.sink = sink, .data = data};
    char *runs[2] = {NULL, NULL};
    g_autoptr(GPtrArray) a = g_ptr_array_new_with_free_func(object_free);
    g_autoptr(GPtrArray) b = g_ptr_array_new_with_free_func(object_free);
    int rc = runs_named(store, before, after, runs, err);
    if (rc == CA_OK)
        rc = snapshot_read(store, runs[0], a, err);
    if (rc == CA_OK)
        rc = snapshot_read(store, runs[1], b, err);
    if (rc == CA_OK)
        rc = compare(&c, a, b, err);
    if (rc == CA_OK && ret_n)
        *ret_n = c.n;
    g_free(runs[0]);
    g_free(runs[1]);
    return rc;
}
