/* extract/treesitter/rows.c — the facts of a file as one row of libcst_files_v1. */
#include "extract/treesitter/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "rows/gen/libcst_files_v1.h"

static const struct syntax_node *node_at(const struct facts *f, int32_t node)
{
    return &f->syntax->nodes[node];
}

static int64_t raw(const struct facts *f, uint32_t offset)
{
    return syntax_raw(f->syntax, offset);
}

static int32_t line_of(const struct facts *f, int32_t node)
{
    return (int32_t)node_at(f, node)->row + 1;
}

/* ---- text ----------------------------------------------------------------------------------------------------- */

/* Text between two offsets; in a file that does not decode it may need mending, into f->scratch. */
static struct rows_str text_between(struct facts *f, uint32_t start, uint32_t end)
{
    struct rows_str text = {(const char *)f->syntax->text + start, (int64_t)end - start};
    if (!names_spend_text(&f->names, text.n_bytes))
        return rows_str_of("");
    if (f->is_valid_utf8 || g_utf8_validate_len(text.data, (gsize)text.n_bytes, NULL))
        return text;
    g_autofree char *valid = g_utf8_make_valid(text.data, (gssize)text.n_bytes);
    g_string_assign(f->scratch, valid);
    return (struct rows_str){f->scratch->str, (int64_t)f->scratch->len};
}

static struct rows_str text_of_node(struct facts *f, int32_t node)
{
    return node < 0 ? rows_str_of(NULL) : text_between(f, node_at(f, node)->start, node_at(f, node)->end);
}

/* The same with each run of white space as one blank. */
static struct rows_str folded_text(struct facts *f, int32_t node)
{
    struct rows_str text = text_of_node(f, node);
    g_autofree char *copy = g_strndup(text.data, (gsize)text.n_bytes);
    g_string_truncate(f->scratch, 0);
    for (const char *p = copy; *p != '\0'; p++) {
        if (!g_ascii_isspace(*p))
            g_string_append_c(f->scratch, *p);
        else if (f->scratch->len > 0 && f->scratch->str[f->scratch->len - 1] != ' ')
            g_string_append_c(f->scratch, ' ');
    }
    return (struct rows_str){f->scratch->str, (int64_t)f->scratch->len};
}

static struct rows_str name_of_node(struct facts *f, int32_t node)
{
    return names_text(&f->names, names_of_node(&f->names, node));
}

/* Nothing but names and dots, so that the text is the dotted name. */
static bool is_plain_chain(const struct facts *f, uint32_t start, uint32_t end)
{
    for (uint32_t i = start; i < end; i++) {
        unsigned char c = f->syntax->text[i];
        if (!g_ascii_isalnum(c) && c != '_' && c != '.')
            return false;
    }
    return true;
}

/* The children of dotted_name from `first` up to `last`, joined by dots, in f->scratch. */
static struct rows_str join_names(struct facts *f, int32_t first, int32_t last)
{
    g_string_truncate(f->scratch, 0);
    for (int32_t c = first; c >= 0; c = syntax_next_sibling(f->syntax, c)) {
        if (syntax_is(f->syntax, c, SYNTAX_IDENTIFIER)) {
            struct rows_str name = name_of_node(f, c);
            if (f->scratch->len > 0)
                g_string_append_c(f->scratch, '.');
            g_string_append_len(f->scratch, name.data, (gssize)name.n_bytes);
        }
        if (c == last)
            break;
    }
    return (struct rows_str){f->scratch->str, (int64_t)f->scratch->len};
}

/* The dotted name of a chain that ends with `object`, an identifier or attribute whose `head` is set. */
static struct rows_str chain_text(struct facts *f, int32_t object)
{
    int32_t head = node_at(f, object)->head;
    uint32_t start = node_at(f, head)->start;
    uint32_t end = node_at(f, object)->end;
    if (!names_spend_text(&f->names, (int64_t)end - start)) /* first: looking costs as much as writing */
        return rows_str_of("");
    if (is_plain_chain(f, start, end))
        return (struct rows_str){(const char *)f->syntax->text + start, (int64_t)end - start};
    if (syntax_is(f->syntax, node_at(f, object)->parent, SYNTAX_DOTTED_NAME))
        return join_names(f, head, object);
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(int32_t));
    int32_t node = object;
    while (syntax_is(f->syntax, node, SYNTAX_ATTRIBUTE) || syntax_is(f->syntax, node, SYNTAX_MEMBER_TYPE)) {
        int32_t last = -1;
        SYNTAX_FOREACH_CHILD(f->syntax, node, c)
        {
            if (syntax_is(f->syntax, c, SYNTAX_IDENTIFIER))
                last = c;
        }
        g_array_append_val(parts, last);
        node = syntax_strip(f->syntax, syntax_named_child(f->syntax, node));
    }
    g_string_assign(f->scratch, name_of_node(f, head).data);
    for (guint i = parts->len; i > 0; i--) {
        int32_t part = g_array_index(parts, int32_t, i - 1);
        g_string_append_c(f->scratch, '.');
        if (part >= 0)
            g_string_append(f->scratch, name_of_node(f, part).data);
    }
    return (struct rows_str){f->scratch->str, (int64_t)f->scratch->len};
}

static struct rows_str dotted_name_text(struct facts *f, int32_t node)
{
    if (is_plain_chain(f, node_at(f, node)->start, node_at(f, node)->end))
        return text_of_node(f, node);
    if (!names_spend_text(&f->names, (int64_t)node_at(f, node)->end - node_at(f, node)->start))
        return rows_str_of("");
    return join_names(f, syntax_first_child(f->syntax, node), -1);
}

/* ---- names ---------------------------------------------------------------------------------------------------- */

/* Symbol of an identifier that the scan has met as a name. */
static int32_t symbol_of_node(struct facts *f, int32_t node)
{
    return names_symbol(&f->names, node_at(f, node)->scope, names_of_node(&f->names, node));
}

/* What an identifier means that is read. */
static int32_t meaning_of_node(struct facts *f, int32_t node)
{
    return names_read_meaning(&f->names, symbol_of_node(f, node), node_at(f, node)->start);
}

static int32_t binding_of_node(struct facts *f, int32_t node)
{
    return node < 0 ? -1 : names_binding(&f->names, meaning_of_node(f, node));
}

/* self or cls when the name means the first parameter of a method, else null. */
static struct rows_str receiver_of_name(struct facts *f, int32_t node)
{
    int32_t meaning = meaning_of_node(f, node);
    if (meaning < 0)
        return rows_str_of(NULL);
    const struct symbol *s = names_symbol_at(&f->names, meaning);
    const struct site *site = &g_array_index(f->names.sites, struct site, s->first_site);
    if (site->kind != SITE_PARAMETER)
        return rows_str_of(NULL);
    const struct param *param = &g_array_index(f->params, struct param, site->target);
    const struct scope *body = names_scope(&f->names, param->scope);
    if (param->position != 0 || strncmp(param->kind, "positional", 10) != 0 || body->def < 0)
        return rows_str_of(NULL);
    const struct def *def = &g_array_index(f->defs, struct def, body->def);
    if (names_scope(&f->names, def->scope)->kind != SCOPE_CLASS || def->method == METHOD_STATIC)
        return rows_str_of(NULL);
    return rows_str_of(def->method == METHOD_CLASS ? "cls" : "self");
}

static struct rows_str receiver_of(struct facts *f, int32_t callee)
{
    struct syntax *s = f->syntax;
    int32_t object = syntax_is(s, callee, SYNTAX_ATTRIBUTE) ? syntax_strip(s, syntax_named_child(s, callee)) : -1;
    if (syntax_is(s, object, SYNTAX_IDENTIFIER) && node_at(f, object)->head == object)
        return receiver_of_name(f, object);
    if (!syntax_is(s, object, SYNTAX_CALL))
        return rows_str_of(NULL);
    int32_t function = syntax_strip(s, syntax_child(s, object, SYNTAX_FIELD_FUNCTION));
    int32_t arguments = syntax_child(s, object, SYNTAX_FIELD_ARGUMENTS);
    bool is_super = syntax_is(s, function, SYNTAX_IDENTIFIER) && strcmp(name_of_node(f, function).data, "super") == 0;
    if (!is_super || !syntax_is(s, arguments, SYNTAX_ARGUMENT_LIST) || syntax_named_child(s, arguments) >= 0 ||
        meaning_of_node(f, function) >= 0)
        return rows_str_of(NULL);
    return rows_str_of("super");
}

/* ---- lists ---------------------------------------------------------------------------------------------------- */

static int write_scopes(struct facts *f, const struct repo_file *file, struct libcst_files_v1 *cst)
{
    static const char *const kinds[] = {
        [SCOPE_MODULE] = "module",
        [SCOPE_CLASS] = "class",
        [SCOPE_FUNCTION] = "function",
        [SCOPE_LAMBDA] = "lambda",
        [SCOPE_COMPREHENSION] = "comprehension",
        [SCOPE_TYPE_PARAMETERS] = "type_parameters",
    };
    for (guint i = 0; i < f->names.scopes->len; i++) {
        const struct scope *s = names_scope(&f->names, (int32_t)i);
        const struct syntax_node *n = node_at(f, s->node);
        bool is_module = s->kind == SCOPE_MODULE;
        uint32_t end = s->def >= 0 ? g_array_index(f->defs, struct def, s->def).end : n->end;
        struct libcst_files_v1_scopes item = {
            .ordinal = (int32_t)i,
            .has_parent = s->parent >= 0,
            .parent = s->parent,
            .kind = rows_str_of(kinds[s->kind]),
            .has_def = s->def >= 0,
            .def = s->def,
            .qualname = s->qualname,
            .start_byte = is_module ? 0 : raw(f, n->start),
            .end_byte = is_module ? (int64_t)file->n_raw : raw(f, end),
            .start_line = is_module ? 1 : line_of(f, s->node),
        };
        int rc = libcst_files_v1_scopes_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_defs(struct facts *f, struct libcst_files_v1 *cst)
{
    g_hash_table_remove_all(f->duplicates);
    for (guint i = 0; i < f->defs->len; i++) {
        const struct def *d = &g_array_index(f->defs, struct def, i);
        const struct syntax_node *n = node_at(f, d->node);
        const struct syntax_node *name = node_at(f, d->name_node);
        g_string_printf(f->scratch, "%c%s", d->is_class ? 'c' : 'f', d->qualname.data);
        int duplicate = GPOINTER_TO_INT(g_hash_table_lookup(f->duplicates, f->scratch->str));
        g_hash_table_insert(f->duplicates, g_strdup(f->scratch->str), GINT_TO_POINTER(duplicate + 1));
        struct libcst_files_v1_defs item = {
            .ordinal = (int32_t)i,
            .kind = rows_str_of(d->is_class ? "class" : "function"),
            .name = names_text(&f->names, d->name),
            .qualname = d->qualname,
            .duplicate = duplicate,
            .has_container = d->container >= 0,
            .container = d->container,
            .scope = d->scope,
            .body_scope = d->body_scope,
            .is_async = d->is_async,
            .n_decorators = d->n_decorators,
            .name_start_byte = raw(f, name->start),
            .name_end_byte = raw(f, name->end),
            .start_byte = raw(f, n->start),
            .end_byte = raw(f, d->end),
            .full_start_byte = raw(f, d->full_start),
            .start_line = line_of(f, d->node),
            .end_line = syntax_line(f->syntax, d->end > n->start ? d->end - 1 : d->end),
            .has_docstring_start_byte = d->docstring >= 0,
            .docstring_start_byte = d->docstring < 0 ? 0 : raw(f, node_at(f, d->docstring)->start),
            .has_docstring_end_byte = d->docstring >= 0,
            .docstring_end_byte = d->docstring < 0 ? 0 : raw(f, node_at(f, d->docstring)->end),
        };
        int rc = libcst_files_v1_defs_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_params(struct facts *f, struct libcst_files_v1 *cst)
{
    for (guint i = 0; i < f->params->len; i++) {
        const struct param *p = &g_array_index(f->params, struct param, i);
        const struct syntax_node *name = node_at(f, p->name_node);
        g_autofree char *annotation = NULL; /* both texts may need f->scratch */
        struct libcst_files_v1_params item = {
            .ordinal = (int32_t)i,
            .scope = p->scope,
            .position = p->position,
            .name = names_text(&f->names, p->name),
            .kind = rows_str_of(p->kind),
            .name_start_byte = raw(f, name->start),
            .name_end_byte = raw(f, name->end),
            .start_line = line_of(f, p->name_node),
            .annotation = text_of_node(f, p->annotation),
        };
        if (item.annotation.data == f->scratch->str) {
            annotation = g_strndup(item.annotation.data, (gsize)item.annotation.n_bytes);
            item.annotation.data = annotation;
        }
        item.default_text = text_of_node(f, p->value);
        int rc = libcst_files_v1_params_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_bases(struct facts *f, struct libcst_files_v1 *cst)
{
    for (guint i = 0; i < f->bases->len; i++) {
        const struct base *b = &g_array_index(f->bases, struct base, i);
        const struct syntax_node *n = node_at(f, b->node);
        int32_t chain = b->node;
        while (syntax_is(f->syntax, chain, SYNTAX_SUBSCRIPT) ||
               syntax_is(f->syntax, chain, SYNTAX_PARENTHESIZED_EXPRESSION)) {
            int32_t inner = syntax_named_child(f->syntax, chain);
            if (inner < 0)
                break;
            chain = inner;
        }
        int32_t head = node_at(f, chain)->head;
        g_autofree char *text = g_strdup(folded_text(f, b->node).data);
        struct libcst_files_v1_bases item = {
            .def = b->def,
            .position = b->position,
            .text = rows_str_of(text),
            .dotted = head < 0 ? rows_str_of(NULL) : chain_text(f, chain),
            .start_byte = raw(f, n->start),
            .end_byte = raw(f, n->end),
            .start_line = line_of(f, b->node),
        };
        item.binding = binding_of_node(f, head < 0 ? -1 : head);
        item.has_binding = item.binding >= 0;
        int rc = libcst_files_v1_bases_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_imports(struct facts *f, struct libcst_files_v1 *cst)
{
    for (guint i = 0; i < f->imports->len; i++) {
        const struct import *m = &g_array_index(f->imports, struct import, i);
        const struct syntax_node *n = node_at(f, m->node);
        const struct syntax_node *statement = node_at(f, m->statement);
        int32_t bound = m->alias >= 0 ? m->alias : m->name >= 0 ? syntax_named_child(f->syntax, m->name) : -1;
        g_autofree char *module = m->module < 0 ? NULL
                                                : g_strndup(dotted_name_text(f, m->module).data,
                                                            (gsize)dotted_name_text(f, m->module).n_bytes);
        struct libcst_files_v1_imports item = {
            .ordinal = (int32_t)i,
            .scope = m->scope,
            .kind = rows_str_of(m->is_from ? "from" : "import"),
            .module = rows_str_of(m->is_future ? "__future__" : module),
            .name = m->name < 0 ? rows_str_of("*") : dotted_name_text(f, m->name),
            .asname = m->alias < 0 ? rows_str_of(NULL) : name_of_node(f, m->alias),
            .bound_name = bound < 0 ? rows_str_of(NULL) : name_of_node(f, bound),
            .level = m->level,
            .start_byte = raw(f, n->start),
            .end_byte = raw(f, n->end),
            .statement_start_byte = raw(f, statement->start),
            .statement_end_byte = raw(f, statement->end),
            .start_line = line_of(f, m->node),
        };
        int rc = libcst_files_v1_imports_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_bindings(struct facts *f, struct libcst_files_v1 *cst)
{
    for (guint i = 0; i < f->names.bindings->len; i++) {
        const struct symbol *s = names_symbol_at(&f->names, g_array_index(f->names.bindings, int32_t, i));
        const struct site *first = &g_array_index(f->names.sites, struct site, s->first_site);
        struct rows_str name = names_text(&f->names, s->name);
        struct libcst_files_v1_bindings item = {
            .ordinal = (int32_t)i,
            .scope = s->scope,
            .name = name,
            .qualname = names_join(&f->names, s->scope, name),
            .n_sites = s->n_sites,
            .n_other_sites = s->n_other_sites,
            .n_type_only_sites = s->n_type_only_sites,
            .start_byte = raw(f, first->start),
            .end_byte = raw(f, first->end),
            .start_line = syntax_line(f->syntax, first->start),
        };
        int rc = libcst_files_v1_bindings_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_sites(struct facts *f, struct libcst_files_v1 *cst)
{
    for (guint i = 0; i < f->names.sites->len; i++) {
        const struct site *site = &g_array_index(f->names.sites, struct site, i);
        const struct symbol *owner = names_symbol_at(&f->names, names_symbol_at(&f->names, site->symbol)->owner);
        struct libcst_files_v1_binding_sites item = {
            .binding = owner->binding,
            .kind = rows_str_of(site_kind_name(site->kind)),
            .has_target = site->target >= 0,
            .target = site->target,
            .start_byte = raw(f, site->start),
            .end_byte = raw(f, site->end),
        };
        int rc = libcst_files_v1_binding_sites_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static const char *shape_of(const struct syntax_node *callee)
{
    if ((callee->flags & SYNTAX_IS_TYPE_CALL) != 0)
        return "call";
    switch ((enum syntax_kind)callee->kind) {
    case SYNTAX_IDENTIFIER:
        return "name";
    case SYNTAX_ATTRIBUTE:
        return "attribute";
    case SYNTAX_CALL:
        return "call";
    case SYNTAX_SUBSCRIPT:
        return "subscript";
    case SYNTAX_LAMBDA:
        return "lambda";
    default:
        return "other";
    }
}

static int write_callsites(struct facts *f, struct libcst_files_v1 *cst)
{
    for (guint i = 0; i < f->callsites->len; i++) {
        const struct callsite *c = &g_array_index(f->callsites, struct callsite, i);
        const struct syntax_node *n = node_at(f, c->node);
        const struct syntax_node *callee = node_at(f, c->callee);
        int32_t last = callee->kind == SYNTAX_IDENTIFIER  ? c->callee
                       : callee->kind == SYNTAX_ATTRIBUTE ? syntax_child(f->syntax, c->callee, SYNTAX_FIELD_ATTRIBUTE)
                                                          : -1;
        struct libcst_files_v1_callsites item = {
            .ordinal = (int32_t)i,
            .scope = n->scope,
            .has_container = c->container >= 0,
            .container = c->container,
            .callee_shape = rows_str_of(shape_of(callee)),
            .callee_name = last < 0 ? rows_str_of(NULL) : name_of_node(f, last),
            .callee_dotted = callee->head < 0 ? rows_str_of(NULL) : chain_text(f, c->callee),
            .receiver = receiver_of(f, c->callee),
            .start_byte = raw(f, c->start),
            .end_byte = raw(f, n->end),
            .callee_start_byte = raw(f, c->callee_start),
            .callee_end_byte = raw(f, callee->end),
            .start_line = c->start == n->start ? line_of(f, c->node) : syntax_line(f->syntax, c->start),
            .n_args = c->n_args,
            .n_keywords = c->n_keywords,
        };
        item.binding = binding_of_node(f, callee->head < 0 ? -1 : callee->head);
        item.has_binding = item.binding >= 0;
        int rc = libcst_files_v1_callsites_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int write_refs(struct facts *f, struct libcst_files_v1 *cst)
{
    static const struct rows_str contexts[] = {
        [REF_LOAD] = {"load", 4},
        [REF_STORE] = {"store", 5},
        [REF_DEL] = {"del", 3},
    };
    static const struct rows_str kinds[] = {{"attribute", 9}, {"name", 4}};
    for (guint i = 0; i < f->refs->len; i++) {
        const struct ref *r = &g_array_index(f->refs, struct ref, i);
        const struct syntax_node *n = node_at(f, r->node);
        bool is_name = r->symbol >= 0;
        int32_t meaning = !is_name                 ? -1
                          : r->context == REF_LOAD ? names_read_meaning(&f->names, r->symbol, n->start)
                                                   : names_meaning(&f->names, r->symbol);
        int32_t binding = names_binding(&f->names, meaning);
        int32_t base = r->object < 0 ? -1 : binding_of_node(f, node_at(f, r->object)->head);
        struct libcst_files_v1_refs item = {
            .ordinal = (int32_t)i,
            .scope = n->scope,
            .kind = kinds[is_name],
            .name = names_text(&f->names, r->name),
            .context = contexts[r->context],
            .has_binding = binding >= 0,
            .binding = binding,
            .dotted = r->object < 0 ? rows_str_of(NULL) : chain_text(f, r->object),
            .has_base_binding = base >= 0,
            .base_binding = base,
            .start_byte = raw(f, n->start),
            .end_byte = raw(f, n->end),
            .start_line = (int32_t)n->row + 1,
        };
        int rc = libcst_files_v1_refs_append(cst, &item);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- errors --------------------------------------------------------------------------------------------------- */

/* Append an error; the first one is the layer's reason. start_byte -1: not known. */
static int write_error(struct libcst_files_v1 *cst, struct treesitter_layer *layer, const char *reason,
                       const char *message, int64_t start_byte)
{
    if (layer->status == TREESITTER_OK) {
        layer->status = TREESITTER_RECOVERED;
        layer->start_byte = start_byte;
        g_utf8_strncpy(layer->reason, message, sizeof(layer->reason) / 4);
    }
    struct libcst_files_v1_errors item = {
        .reason = rows_str_of(reason),
        .message = rows_str_of(message),
        .has_start_byte = start_byte >= 0,
        .start_byte = start_byte,
    };
    return libcst_files_v1_errors_append(cst, &item);
}

/* An error node's text, one line of at most 30 characters. */
static char *quote_node(struct facts *f, int32_t node)
{
    enum { MAX_CHARACTERS = 30 };
    const struct syntax_node *n = node_at(f, node);
    gsize n_bytes = MIN((gsize)(n->end - n->start), MAX_CHARACTERS * 4);
    g_autofree char *valid = g_utf8_make_valid((const char *)f->syntax->text + n->start, (gssize)n_bytes);
    for (char *p = valid; *p != '\0'; p++)
        if (g_ascii_iscntrl(*p))
            *p = ' ';
    glong n_characters = g_utf8_strlen(valid, -1);
    bool is_cut = n_characters > MAX_CHARACTERS || n_bytes < n->end - n->start;
    g_autofree char *start = g_utf8_substring(valid, 0, MIN(n_characters, MAX_CHARACTERS));
    return g_strdup_printf("syntax error at '%s%s'", start, is_cut ? "..." : "");
}

static int write_syntax_errors(struct facts *f, struct libcst_files_v1 *cst, struct treesitter_layer *layer, int64_t *n)
{
    struct syntax *s = f->syntax;
    for (int32_t i = 0; i < s->n_nodes; i++) {
        const struct syntax_node *node = &s->nodes[i];
        bool is_missing = (node->flags & SYNTAX_IS_MISSING) != 0;
        if (node->kind != SYNTAX_ERROR && !is_missing)
            continue;
        g_autofree char *message =
            is_missing ? g_strdup_printf("missing %s", s->symbols[-2 - node->head].name.data) : quote_node(f, i);
        int rc = write_error(cst, layer, is_missing ? "missing" : "syntax_error", message, raw(f, node->start));
        if (rc != 0)
            return rc;
        (*n)++;
        if (!is_missing)
            i = node->next - 1; /* what is wrong inside is wrong because of it */
    }
    return 0;
}

static int write_encoding_error(const struct repo_file *file, struct libcst_files_v1 *cst,
                                struct treesitter_layer *layer, int64_t *n)
{
    const char *message = file->encoding_error != NULL ? file->encoding_error : file->decode_error;
    if (message == NULL)
        return 0;
    (*n)++;
    return write_error(cst, layer, "encoding", message, file->error_byte);
}

/* ---- the row -------------------------------------------------------------------------------------------------- */

static int write_facts(struct facts *f, const struct repo_file *file, struct libcst_files_v1 *cst)
{
    int rc = write_scopes(f, file, cst);
    if (rc == 0)
        rc = write_defs(f, cst);
    if (rc == 0)
        rc = write_params(f, cst);
    if (rc == 0)
        rc = write_bases(f, cst);
    if (rc == 0)
        rc = write_imports(f, cst);
    if (rc == 0)
        rc = write_bindings(f, cst);
    if (rc == 0)
        rc = write_sites(f, cst);
    if (rc == 0)
        rc = write_callsites(f, cst);
    if (rc == 0)
        rc = write_refs(f, cst);
    return rc;
}

/* Items of the longest list. */
static int64_t count_facts(const struct facts *f, int64_t n_errors)
{
    const guint lengths[] = {f->names.scopes->len, f->defs->len,      f->params->len,
                             f->bases->len,        f->imports->len,   f->names.bindings->len,
                             f->names.sites->len,  f->callsites->len, f->refs->len};
    int64_t n = n_errors;
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++)
        n = MAX(n, (int64_t)lengths[i]);
    return n;
}

/* A row without facts: why there are none. */
static int write_failure(const struct repo_file *file, struct libcst_files_v1 *cst, struct treesitter_layer *layer)
{
    int64_t n_errors = 0;
    struct treesitter_layer unused = {.status = TREESITTER_FAILED};
    int rc = write_error(cst, &unused, "budget", layer->reason, layer->start_byte);
    return rc == 0 ? write_encoding_error(file, cst, &unused, &n_errors) : rc;
}

int facts_write(struct facts *f, const struct repo_file *file, bool has_tree, struct libcst_files_v1 *cst,
                struct treesitter_layer *layer, struct ca_error *err)
{
    int rc = 0;
    int64_t n_errors = 0;
    f->is_valid_utf8 = file->map != NULL;
    bool has_facts = has_tree && f->names.exhausted == NULL;
    if (has_facts) {
        *layer = (struct treesitter_layer){.status = TREESITTER_OK, .start_byte = -1};
        rc = write_facts(f, file, cst);
        if (rc == 0)
            rc = write_encoding_error(file, cst, layer, &n_errors);
        if (rc == 0)
            rc = write_syntax_errors(f, cst, layer, &n_errors);
        layer->n_facts = count_facts(f, n_errors);
    }
    if (rc == 0 && has_tree && f->names.exhausted != NULL) {
        /* Found before the first row or while they were written: either way the row starts over. */
        rc = libcst_files_v1_abandon_row(cst);
        *layer = (struct treesitter_layer){.status = TREESITTER_FAILED, .start_byte = -1};
        (void)snprintf(layer->reason, sizeof(layer->reason), "budget: %s exceed what the file's size allows",
                       f->names.exhausted);
        has_facts = false;
    }
    if (rc == 0 && !has_facts)
        rc = write_failure(file, cst, layer);
    struct libcst_files_v1_row row = {
        .file_id = file->entry->file_id,
        .path = rows_str_of(file->entry->path),
        .content_id = {(const char *)file->content_id.bytes, sizeof(file->content_id.bytes)},
    };
    if (rc == 0)
        rc = libcst_files_v1_finish_row(cst, &row);
    if (rc == 0)
        return CA_OK;
    (void)libcst_files_v1_abandon_row(cst);
    return syntax_fail_rows(err, rc, "libcst_files_v1");
}
