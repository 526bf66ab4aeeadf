/* params.c — see params.h. */
#include "params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum value_type { VALUE_INT, VALUE_FLOAT, VALUE_BOOL, VALUE_TEXT };

/* name     as --param says it
 * format   of the Arrow C data interface */
static const struct {
    const char *name;
    const char *format;
} types[] = {
    [VALUE_INT] = {"int", "l"},
    [VALUE_FLOAT] = {"float", "g"},
    [VALUE_BOOL] = {"bool", "b"},
    [VALUE_TEXT] = {"text", "u"},
};

/* One parameter, read. text is borrowed from the command line. */
struct value {
    char *name;
    enum value_type type;
    int64_t whole;
    double real;
    bool truth;
    const char *text;
};

/* ---- reading --------------------------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    bool is_number = text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
    if (is_number)
        return true;
    if (!g_ascii_isalpha(text[0]) && text[0] != '_')
        return false;
    for (const char *p = text; *p != '\0'; p++)
        if (!g_ascii_isalnum(*p) && *p != '_')
            return false;
    return true;
}

/* A whole number as people write one: no sign but '-', no zero in front, so that "007" stays text. */
static bool is_whole(const char *text)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t n = strspn(digits, "0123456789");
    return n > 0 && digits[n] == '\0' && (digits[0] != '0' || n == 1);
}

/* strtod without what else it takes: nan, inf, hexadecimal, spaces. */
static bool parse_float(const char *text, double *ret)
{
    char *end = NULL;
    bool has_digit = strpbrk(text, "0123456789") != NULL;
    if (!has_digit || text[strspn(text, "+-.0123456789eE")] != '\0')
        return false;
    errno = 0;
    *ret = g_ascii_strtod(text, &end);
    return *end == '\0' && errno != ERANGE;
}

static bool parse_int(const char *text, int64_t *ret)
{
    gint64 value = 0;
    if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &value, NULL))
        return false;
    *ret = value;
    return true;
}

static bool parse_bool(const char *text, bool *ret)
{
    *ret = strcmp(text, "true") == 0;
    return *ret || strcmp(text, "false") == 0;
}

static int guess_type(struct value *v, struct ca_error *err)
{
    v->type = VALUE_TEXT;
    if (parse_bool(v->text, &v->truth)) {
        v->type = VALUE_BOOL;
    } else if (is_whole(v->text)) {
        if (!parse_int(v->text, &v->whole))
            return cli_fail(err, CA_ERR_INVALID,
                            "parameter '%s': '%s' does not fit into 64 bits: say '%s:float=' or '%s:text='", v->name,
                            v->text, v->name, v->name);
        v->type = VALUE_INT;
    } else if (g_ascii_isdigit(v->text[v->text[0] == '-' ? 1 : 0]) && strpbrk(v->text, ".eE") != NULL &&
               parse_float(v->text, &v->real)) {
        v->type = VALUE_FLOAT;
    }
    return CA_OK;
}

static int read_typed(struct value *v, const char *type, struct ca_error *err)
{
    size_t i = 0;
    while (i < G_N_ELEMENTS(types) && strcmp(types[i].name, type) != 0)
        i++;
    if (i == G_N_ELEMENTS(types))
        return cli_fail(err, CA_ERR_INVALID, "parameter '%s' has type '%s': there are int, float, bool and text",
                        v->name, type);
    v->type = (enum value_type)i;
    bool is_good = v->type == VALUE_INT     ? parse_int(v->text, &v->whole)
                   : v->type == VALUE_FLOAT ? parse_float(v->text, &v->real)
                   : v->type == VALUE_BOOL  ? parse_bool(v->text, &v->truth)
                                            : true;
    if (!is_good)
        return cli_fail(err, CA_ERR_INVALID, "parameter '%s': '%s' is no %s", v->name, v->text, type);
    return CA_OK;
}

/* v->name is the caller's to free, also on failure. */
static int read_value(const char *text, struct value *v, struct ca_error *err)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL)
        return cli_fail(err, CA_ERR_INVALID, "parameter '%s' is not NAME=VALUE", text);
    g_autofree char *head = g_strndup(text, (size_t)(equals - text));
    char *colon = strchr(head, ':');
    v->text = equals + 1;
    v->name = g_strndup(head, colon != NULL ? (size_t)(colon - head) : strlen(head));
    if (!is_name(v->name))
        return cli_fail(err, CA_ERR_INVALID, "parameter name '%s' is neither a name nor a number", v->name);
    return colon != NULL ? read_typed(v, colon + 1, err) : guess_type(v, err);
}

/* ---- Arrow ----------------------------------------------------------------------------------------------------- */

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL)
            schema->children[i]->release(schema->children[i]);
        g_free(schema->children[i]);
    }
    g_free(schema->children);
    g_free(schema->private_data); /* the name */
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL)
            array->children[i]->release(array->children[i]);
        g_free(array->children[i]);
    }
    g_free(array->children);
    for (int64_t i = 0; i < array->n_buffers; i++)
        g_free((void *)array->buffers[i]);
    g_free(array->buffers);
    array->release = NULL;
}

static void init_schema(struct ArrowSchema *schema, const char *format, const char *name, size_t n_children)
{
    char *copy = g_strdup(name);
    *schema = (struct ArrowSchema){
        .format = format,
        .name = copy,
        .n_children = (int64_t)n_children,
        .children = g_new0(struct ArrowSchema *, n_children),
        .release = release_schema,
        .private_data = copy,
    };
}

/* One row, no nulls; buffer 0 is the bitmap of validity, which is left out. */
static void init_array(struct ArrowArray *array, size_t n_buffers, size_t n_children)
{
    *array = (struct ArrowArray){
        .length = 1,
        .n_buffers = (int64_t)n_buffers,
        .buffers = g_new0(const void *, n_buffers),
        .n_children = (int64_t)n_children,
        .children = g_new0(struct ArrowArray *, n_children),
        .release = release_array,
    };
}

/* Eight bytes are the largest alignment that a type here asks for, and what g_malloc gives. */
static void init_value(struct ArrowArray *array, const struct value *v)
{
    init_array(array, v->type == VALUE_TEXT ? 3 : 2, 0);
    int64_t *word = g_new0(int64_t, 1);
    array->buffers[1] = word;
    switch (v->type) {
    case VALUE_INT:
        *word = v->whole;
        break;
    case VALUE_FLOAT:
        memcpy(word, &v->real, sizeof v->real);
        break;
    case VALUE_BOOL:
        *(uint8_t *)word = v->truth ? 1 : 0;
        break;
    case VALUE_TEXT:
        ((int32_t *)word)[1] = (int32_t)strlen(v->text); /* offsets 0 and n; a command line is shorter than 2 GiB */
        array->buffers[2] = g_strdup(v->text);
        break;
    }
}

static void clear_value(void *data)
{
    g_free(((struct value *)data)->name);
}

int params_init(struct params *ret, const GPtrArray *texts, struct ca_error *err)
{
    *ret = (struct params){0};
    if (texts == NULL)
        return CA_OK;
    g_autoptr(GArray) values = g_array_new(FALSE, TRUE, sizeof(struct value));
    g_array_set_clear_func(values, clear_value);
    g_array_set_size(values, texts->len);
    for (guint i = 0; i < texts->len; i++) {
        struct value *v = &g_array_index(values, struct value, i);
        int rc = read_value(texts->pdata[i], v, err);
        if (rc != CA_OK)
            return rc;
        for (guint k = 0; k < i; k++)
            if (strcmp(v->name, g_array_index(values, struct value, k).name) == 0)
                return cli_fail(err, CA_ERR_INVALID, "parameter '%s' is given twice", v->name);
    }

    init_schema(&ret->schema, "+s", "", values->len);
    init_array(&ret->array, 1, values->len);
    for (guint i = 0; i < values->len; i++) {
        const struct value *v = &g_array_index(values, struct value, i);
        ret->schema.children[i] = g_new0(struct ArrowSchema, 1);
        ret->array.children[i] = g_new0(struct ArrowArray, 1);
        init_schema(ret->schema.children[i], types[v->type].format, v->name, 0);
        init_value(ret->array.children[i], v);
    }
    return CA_OK;
}

void params_done(struct params *p)
{
    if (p->schema.release != NULL)
        p->schema.release(&p->schema);
    if (p->array.release != NULL)
        p->array.release(&p->array);
}

const struct ca_params *params_borrow(const struct params *p, struct ca_params *room)
{
    if (p->schema.release == NULL)
        return NULL;
    *room = (struct ca_params){&p->schema, &p->array};
    return room;
}

/* ---- tables ---------------------------------------------------------------------------------------------------- */

int params_table(ca_session *s, const char *text, char **ret_name, struct ArrowArrayStream *ret_rows,
                 struct ca_error *err)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return cli_fail(err, CA_ERR_INVALID, "parameter table '%s' is not NAME=QUERY", text);
    int rc = ca_query(s, equals + 1, NULL, NULL, ret_rows, err);
    if (rc == CA_OK)
        *ret_name = g_strndup(text, (size_t)(equals - text));
    return rc;
}

int params_set_tables(ca_session *s, const GPtrArray *texts, struct ca_error *err)
{
    int rc = CA_OK;
    for (guint i = 0; texts != NULL && i < texts->len && rc == CA_OK; i++) {
        g_autofree char *name = NULL;
        struct ArrowArrayStream rows = {0};
        rc = params_table(s, texts->pdata[i], &name, &rows, err);
        if (rc == CA_OK)
            rc = ca_set_params(s, name, &rows, err);
    }
    return rc;
}
