/* contract/sql_type.c — a type as SQL writes it becomes the keys of a contract's type.
 *
 * One table has the names that engines agree on. A name that is 8 bits wide for one engine and 8 bytes for another is
 * refused: to guess would be to lose values.
 */
#include "contract/exchange_room.h"

#include <string.h>

/* How the numbers behind the name are read. */
enum arguments {
    NO_ARGUMENTS,
    LENGTH,    /* characters or bytes: not kept */
    PRECISION, /* of a decimal: precision, scale */
    FRACTION,  /* digits of a second: the unit */
};

static const struct {
    const char *sql;
    const char *type;
    enum arguments arguments;
    const char *zone;
} names[] = {
    {"boolean", "bool", NO_ARGUMENTS, NULL},
    {"bool", "bool", NO_ARGUMENTS, NULL},
    {"tinyint", "int8", NO_ARGUMENTS, NULL},
    {"byte", "int8", NO_ARGUMENTS, NULL},
    {"smallint", "int16", NO_ARGUMENTS, NULL},
    {"short", "int16", NO_ARGUMENTS, NULL},
    {"int2", "int16", NO_ARGUMENTS, NULL},
    {"int", "int32", NO_ARGUMENTS, NULL},
    {"integer", "int32", NO_ARGUMENTS, NULL},
    {"int4", "int32", NO_ARGUMENTS, NULL},
    {"bigint", "int64", NO_ARGUMENTS, NULL},
    {"long", "int64", NO_ARGUMENTS, NULL},
    {"int64", "int64", NO_ARGUMENTS, NULL},
    {"tinyint unsigned", "uint8", NO_ARGUMENTS, NULL},
    {"smallint unsigned", "uint16", NO_ARGUMENTS, NULL},
    {"int unsigned", "uint32", NO_ARGUMENTS, NULL},
    {"integer unsigned", "uint32", NO_ARGUMENTS, NULL},
    {"bigint unsigned", "uint64", NO_ARGUMENTS, NULL},
    {"real", "float32", NO_ARGUMENTS, NULL},
    {"float4", "float32", NO_ARGUMENTS, NULL},
    /* Engines differ in its width; the wider one holds every value. */
    {"float", "float64", NO_ARGUMENTS, NULL},
    {"float8", "float64", NO_ARGUMENTS, NULL},
    {"float64", "float64", NO_ARGUMENTS, NULL},
    {"double", "float64", NO_ARGUMENTS, NULL},
    {"double precision", "float64", NO_ARGUMENTS, NULL},
    {"varchar", "utf8", LENGTH, NULL},
    {"character varying", "utf8", LENGTH, NULL},
    {"char", "utf8", LENGTH, NULL},
    {"character", "utf8", LENGTH, NULL},
    {"nvarchar", "utf8", LENGTH, NULL},
    {"string", "utf8", LENGTH, NULL},
    {"text", "utf8", LENGTH, NULL},
    {"bytea", "binary", LENGTH, NULL},
    {"binary", "binary", LENGTH, NULL},
    {"varbinary", "binary", LENGTH, NULL},
    {"blob", "binary", LENGTH, NULL},
    {"bytes", "binary", LENGTH, NULL},
    {"date", "date32", NO_ARGUMENTS, NULL},
    {"time", "time64", FRACTION, NULL},
    {"time without time zone", "time64", FRACTION, NULL},
    {"timestamp", "timestamp", FRACTION, NULL},
    {"timestamp without time zone", "timestamp", FRACTION, NULL},
    {"timestamp_ntz", "timestamp", FRACTION, NULL},
    {"datetime", "timestamp", FRACTION, NULL},
    {"timestamp with time zone", "timestamp", FRACTION, "UTC"},
    {"timestamptz", "timestamp", FRACTION, "UTC"},
    {"timestamp_tz", "timestamp", FRACTION, "UTC"},
    {"timestamp_ltz", "timestamp", FRACTION, "UTC"},
    {"decimal", "decimal128", PRECISION, NULL},
    {"numeric", "decimal128", PRECISION, NULL},
    {"number", "decimal128", PRECISION, NULL},
};

/* at     of every node that is made
 * p      where reading goes on
 * why    of the first thing that was not understood; owned */
struct sql_reader {
    struct exchange *x;
    const struct yaml_node *at;
    const char *path;
    const char *sql;
    const char *p;
    char *why;
};

static bool fail(struct sql_reader *r, char *why)
{
    if (r->why == NULL)
        r->why = why;
    else
        g_free(why);
    return false;
}

static void skip_blanks(struct sql_reader *r)
{
    while (g_ascii_isspace(*r->p))
        r->p++;
}

static bool accept(struct sql_reader *r, char c)
{
    skip_blanks(r);
    if (*r->p != c)
        return false;
    r->p++;
    return true;
}

static bool demand(struct sql_reader *r, char c)
{
    return accept(r, c) || fail(r, g_strdup_printf("'%c' is missing at '%s'", c, r->p));
}

static bool is_word_letter(char c)
{
    return g_ascii_isalnum(c) || c == '_';
}

/* The next word in lower case, "" when there is none; the caller frees. */
static char *word(struct sql_reader *r)
{
    skip_blanks(r);
    const char *start = r->p;
    while (is_word_letter(*r->p))
        r->p++;
    return g_ascii_strdown(start, r->p - start);
}

static bool accept_word(struct sql_reader *r, const char *expected)
{
    const char *before = r->p;
    g_autofree char *found = word(r);
    if (strcmp(found, expected) == 0)
        return true;
    r->p = before;
    return false;
}

/* "(10, 2)": how many numbers there are, at most 2. */
static bool read_arguments(struct sql_reader *r, int64_t ret[2], size_t *ret_n)
{
    *ret_n = 0;
    if (!accept(r, '('))
        return true;
    do {
        g_autofree char *number = word(r);
        if (*ret_n == 2 || number[0] == '\0' || strspn(number, "0123456789") != strlen(number) || strlen(number) > 9)
            return fail(r, g_strdup_printf("'%s' is no number of digits or length", number));
        ret[(*ret_n)++] = g_ascii_strtoll(number, NULL, 10);
    } while (accept(r, ','));
    return demand(r, ')');
}

/* Words that may follow the first and its numbers: UNSIGNED, WITH TIME ZONE, PRECISION, VARYING. */
static char *whole_name(struct sql_reader *r, const char *first)
{
    GString *name = g_string_new(first);
    static const char *const tails[][4] = {
        {"unsigned", NULL},
        {"precision", NULL},
        {"varying", NULL},
        {"with", "time", "zone", NULL},
        {"without", "time", "zone", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(tails); i++) {
        const char *before = r->p;
        bool is_there = true;
        for (size_t j = 0; is_there && tails[i][j] != NULL; j++)
            is_there = accept_word(r, tails[i][j]);
        if (!is_there) {
            r->p = before;
            continue;
        }
        for (size_t j = 0; tails[i][j] != NULL; j++)
            g_string_append_printf(name, " %s", tails[i][j]);
    }
    return g_string_free(name, FALSE);
}

static void put_number(struct sql_reader *r, struct yaml_node *map, const char *key, int64_t value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    yaml_put(map, key, yaml_plain(text, r->at));
}

static bool put_fraction(struct sql_reader *r, struct yaml_node *map, const char *type, const char *zone,
                         const int64_t numbers[2], size_t n_numbers)
{
    const int64_t digits = n_numbers == 0 ? 6 : numbers[0];
    if (n_numbers > 1 || digits > 9)
        return fail(r, g_strdup_printf("a second has at most 9 digits in '%s'", r->sql));
    const bool is_time32 = strcmp(type, "time64") == 0 && digits <= 3;
    g_autofree char *name = g_strconcat(is_time32 ? "time32" : type,
                                        digits == 0   ? "_s"
                                        : digits <= 3 ? "_ms"
                                        : digits <= 6 ? "_us"
                                                      : "_ns",
                                        NULL);
    yaml_put(map, "type", yaml_text(name, r->at));
    if (zone != NULL)
        yaml_put(map, "zone", yaml_text(zone, r->at));
    return true;
}

static bool put_scalar(struct sql_reader *r, struct yaml_node *map, const char *first)
{
    int64_t numbers[2] = {0};
    size_t n_numbers = 0;
    g_autofree char *before_numbers = whole_name(r, first);
    if (!read_arguments(r, numbers, &n_numbers))
        return false;
    g_autofree char *name = whole_name(r, before_numbers);
    if (strcmp(name, "int8") == 0)
        return fail(r, g_strdup("'int8' has 8 bits in one engine and 8 bytes in another: say tinyint or bigint"));
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i].sql, name) != 0)
            continue;
        if (names[i].arguments == FRACTION)
            return put_fraction(r, map, names[i].type, names[i].zone, numbers, n_numbers);
        if (names[i].arguments == PRECISION && n_numbers == 0)
            return fail(r, g_strdup_printf("'%s' has another precision in each engine: say %s(PRECISION, SCALE)",
                                           r->sql, name));
        if (names[i].arguments == NO_ARGUMENTS && n_numbers > 0)
            return fail(r, g_strdup_printf("'%s' takes no length", name));
        yaml_put(map, "type", yaml_text(names[i].type, r->at));
        if (names[i].arguments == PRECISION) {
            put_number(r, map, "precision", numbers[0]);
            put_number(r, map, "scale", numbers[1]);
        } else if (n_numbers > 0) {
            exchange_lost(r->x, r->at, r->path, "the length of '%s' is not kept: write it as a check", r->sql);
        }
        return true;
    }
    return fail(r, g_strdup_printf("there is no type '%s'", name));
}

static bool put_type(struct sql_reader *r, struct yaml_node *map, int depth);

/* `key: {type: .., nullable: true}` */
static bool put_inner(struct sql_reader *r, struct yaml_node *map, const char *key, int depth)
{
    struct yaml_node *inner = yaml_map(r->at);
    yaml_put(map, key, inner);
    const bool is_ok = put_type(r, inner, depth + 1);
    const bool is_required = is_ok && accept_word(r, "not") && accept_word(r, "null");
    if (strcmp(key, "key") != 0)
        yaml_put(inner, "nullable", yaml_plain(is_required ? "false" : "true", r->at));
    return is_ok;
}

/* A field's name, in quotes or not, and the colon that some engines want behind it. */
static char *field_name(struct sql_reader *r)
{
    skip_blanks(r);
    const char quote = *r->p;
    if (quote != '"' && quote != '`')
        return word(r);
    const char *end = strchr(r->p + 1, quote);
    if (end == NULL)
        return g_strdup("");
    char *name = g_strndup(r->p + 1, (gsize)(end - r->p - 1));
    r->p = end + 1;
    return name;
}

static bool put_fields(struct sql_reader *r, struct yaml_node *map, char close, int depth)
{
    struct yaml_node *fields = yaml_list(r->at);
    yaml_put(map, "type", yaml_text("struct", r->at));
    yaml_put(map, "fields", fields);
    do {
        g_autofree char *name = field_name(r);
        if (name[0] == '\0')
            return fail(r, g_strdup_printf("a field without name at '%s'", r->p));
        struct yaml_node *field = yaml_map(r->at);
        yaml_add(fields, field);
        CA_AUTOPTR(yaml_node) text = yaml_text(name, r->at);
        exchange_put_name(r->x, field, "name", text, r->path);
        (void)accept(r, ':');
        if (!put_type(r, field, depth + 1))
            return false;
        const bool is_required = accept_word(r, "not") && accept_word(r, "null");
        yaml_put(field, "nullable", yaml_plain(is_required ? "false" : "true", r->at));
        g_autofree char *path = path_key(r->path, name);
        exchange_put_doc(r->x, field, NULL, r->at, path);
    } while (accept(r, ','));
    return demand(r, close);
}

/* Recursion is bounded: the loader refuses what is deeper than CONTRACT_MAX_DEPTH, so this stops a level behind. */
static bool put_type(struct sql_reader *r, struct yaml_node *map, int depth)
{
    if (depth > CONTRACT_MAX_DEPTH)
        return fail(r, g_strdup_printf("types nest deeper than %d levels", CONTRACT_MAX_DEPTH));
    g_autofree char *first = word(r);
    if (first[0] == '\0')
        return fail(r, g_strdup_printf("a type is missing at '%s'", r->p));
    CA_AUTOPTR(yaml_node) type = yaml_map(r->at);
    bool is_ok = false;
    if ((strcmp(first, "array") == 0 || strcmp(first, "list") == 0) && accept(r, '<')) {
        yaml_put(type, "type", yaml_text("list", r->at));
        is_ok = put_inner(r, type, "item", depth) && demand(r, '>');
    } else if (strcmp(first, "struct") == 0 && accept(r, '<')) {
        is_ok = put_fields(r, type, '>', depth);
    } else if (strcmp(first, "map") == 0 && accept(r, '<')) {
        yaml_put(type, "type", yaml_text("map", r->at));
        is_ok =
            put_inner(r, type, "key", depth) && demand(r, ',') && put_inner(r, type, "value", depth) && demand(r, '>');
    } else {
        is_ok = put_scalar(r, type, first);
    }
    /* INT[] */
    for (int n = depth; is_ok && accept(r, '['); n++) {
        is_ok = demand(r, ']') && (n < CONTRACT_MAX_DEPTH ||
                                   fail(r, g_strdup_printf("types nest deeper than %d levels", CONTRACT_MAX_DEPTH)));
        struct yaml_node *list = yaml_map(r->at);
        yaml_put(list, "type", yaml_text("list", r->at));
        yaml_put(type, "nullable", yaml_plain("true", r->at));
        yaml_put(list, "item", CA_STEAL(type));
        type = list;
    }
    for (size_t i = 0; is_ok && i < type->n_items; i++)
        yaml_put(map, type->keys[i]->text, yaml_copy(type->items[i]));
    return is_ok;
}

bool sql_type_put(struct exchange *x, struct yaml_node *map, const char *sql, const struct yaml_node *at,
                  const char *path, char **ret_why)
{
    struct sql_reader r = {.x = x, .at = at, .path = path, .sql = sql, .p = sql};
    CA_AUTOPTR(yaml_node) type = yaml_map(at);
    bool is_ok = put_type(&r, type, 0);
    skip_blanks(&r);
    if (is_ok && *r.p != '\0')
        is_ok = fail(&r, g_strdup_printf("'%s' is not understood", r.p));
    for (size_t i = 0; is_ok && i < type->n_items; i++)
        yaml_put(map, type->keys[i]->text, yaml_copy(type->items[i]));
    *ret_why = r.why;
    return is_ok;
}
