/* tests/unit/test_treesitter.c — both syntax layers of small files (C3, C7, C8).
 *
 * Expected facts come from Python's language reference by hand; that whole libraries agree with CPython's ast, symtable
 * and code objects is shown by tests/oracle/compare_cst.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <glib.h>
#include <nanoarrow/nanoarrow.h>

#include "extract/treesitter/treesitter.h"
#include "rows/gen/libcst_files_v1.h"
#include "rows/gen/tree_sitter_files_v1.h"

/* ---- one file's rows ------------------------------------------------------------------------------------------ */

struct rows {
    struct ArrowSchema schema;
    struct ArrowArray array;
    struct ArrowArrayView view;
};

struct extracted {
    struct treesitter_result result;
    struct rows ts;
    struct rows cst;
};

static struct treesitter *parser;
static struct tree_sitter_files_v1 *ts_builder;
static struct libcst_files_v1 *cst_builder;

static int set_up(void **state)
{
    (void)state;
    struct ca_error err = {0};
    return treesitter_new(&parser, &err) != CA_OK || tree_sitter_files_v1_new(&ts_builder) != 0 ||
           libcst_files_v1_new(&cst_builder) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    treesitter_free(parser);
    tree_sitter_files_v1_free(ts_builder);
    libcst_files_v1_free(cst_builder);
    return 0;
}

static void rows_view(struct rows *r)
{
    struct ArrowError error;
    assert_int_equal(ArrowArrayViewInitFromSchema(&r->view, &r->schema, &error), 0);
    assert_int_equal(ArrowArrayViewSetArray(&r->view, &r->array, &error), 0);
    assert_int_equal(ArrowArrayViewValidate(&r->view, NANOARROW_VALIDATION_LEVEL_FULL, &error), 0);
}

static void rows_done(struct rows *r)
{
    ArrowArrayViewReset(&r->view);
    ArrowArrayRelease(&r->array);
    ArrowSchemaRelease(&r->schema);
}

/* Takes the file's map and text. */
static struct extracted extract_file(struct repo_file *file)
{
    char path[] = "a.py";
    const struct repo_entry entry = {.path = path, .os_path = path, .file_id = 7};
    struct ca_error err = {0};
    struct extracted e = {0};
    file->entry = &entry;
    int rc = treesitter_extract(parser, file, ts_builder, cst_builder, &e.result, &err);
    if (rc != CA_OK)
        print_error("%s\n", err.message);
    assert_int_equal(rc, CA_OK);
    assert_int_equal(tree_sitter_files_v1_schema(&e.ts.schema), 0);
    assert_int_equal(tree_sitter_files_v1_take(ts_builder, &e.ts.array), 0);
    assert_int_equal(libcst_files_v1_schema(&e.cst.schema), 0);
    assert_int_equal(libcst_files_v1_take(cst_builder, &e.cst.array), 0);
    rows_view(&e.ts);
    rows_view(&e.cst);
    position_map_free(file->map);
    g_free(file->owned_text);
    return e;
}

static struct extracted extract_bytes(const char *bytes, size_t n_bytes)
{
    char not_utf8[] = "invalid start byte";
    struct repo_file file = {.raw = (uint8_t *)(uintptr_t)bytes, .n_raw = n_bytes, .error_byte = -1};
    file.content_id = position_content_id(bytes, n_bytes);
    file.has_bom = n_bytes >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0;
    file.text = file.raw + (file.has_bom ? 3 : 0);
    file.n_text = n_bytes - (file.has_bom ? 3 : 0);
    file.map = position_map_new_utf8(file.raw, n_bytes, &file.error_byte);
    if (file.map == NULL)
        file.decode_error = not_utf8;
    return extract_file(&file);
}

static struct extracted extract(const char *source)
{
    return extract_bytes(source, strlen(source));
}

static void extracted_done(struct extracted *e)
{
    rows_done(&e->ts);
    rows_done(&e->cst);
}

/* ---- rows as text --------------------------------------------------------------------------------------------- */

static int64_t field_index(const struct ArrowSchema *schema, const char *name, size_t n_name)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        if (strlen(schema->children[i]->name) == n_name && memcmp(schema->children[i]->name, name, n_name) == 0)
            return i;
    fail_msg("no field '%.*s'", (int)n_name, name);
    return -1;
}

static void append_value(GString *text, const struct ArrowArrayView *v, int64_t i)
{
    if (ArrowArrayViewIsNull(v, i)) {
        g_string_append_c(text, '-');
    } else if (v->storage_type == NANOARROW_TYPE_STRING) {
        struct ArrowStringView s = ArrowArrayViewGetStringUnsafe(v, i);
        g_string_append_len(text, s.data, (gssize)s.size_bytes);
    } else {
        g_string_append_printf(text, "%" G_GINT64_FORMAT, ArrowArrayViewGetIntUnsafe(v, i));
    }
}

/* The item `i` of a list of the file's only row, and its number of items. */
static const struct ArrowArrayView *list_items(const struct rows *r, const char *list, int64_t *ret_n)
{
    const struct ArrowArrayView *v = r->view.children[field_index(&r->schema, list, strlen(list))];
    *ret_n = r->array.length == 0 ? 0 : ArrowArrayViewListChildOffset(v, 1);
    return v->children[0];
}

static const struct ArrowSchema *item_schema(const struct rows *r, const char *list)
{
    return r->schema.children[field_index(&r->schema, list, strlen(list))]->children[0];
}

/* One line an item, fields by blanks. `@name` is the qualified name of the binding that the field holds: `@binding`. */
static char *render(const struct rows *r, const char *list, const char *fields)
{
    GString *text = g_string_new(NULL);
    int64_t n = 0;
    const struct ArrowArrayView *items = list_items(r, list, &n);
    g_auto(GStrv) names = g_strsplit(fields, " ", -1);
    for (int64_t i = 0; i < n; i++) {
        for (size_t k = 0; names[k] != NULL; k++) {
            bool is_lookup = names[k][0] == '@';
            const char *name = names[k] + is_lookup;
            const struct ArrowArrayView *v = items->children[field_index(item_schema(r, list), name, strlen(name))];
            if (k > 0)
                g_string_append_c(text, ' ');
            if (!is_lookup || ArrowArrayViewIsNull(v, i)) {
                append_value(text, v, i);
                continue;
            }
            int64_t n_bindings = 0;
            const struct ArrowArrayView *bindings = list_items(r, "bindings", &n_bindings);
            int64_t binding = ArrowArrayViewGetIntUnsafe(v, i);
            assert_in_range(binding, 0, n_bindings - 1);
            append_value(text, bindings->children[field_index(item_schema(r, "bindings"), "qualname", 8)], binding);
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static void assert_rows(const struct rows *r, const char *list, const char *fields, const char *expected)
{
    g_autofree char *actual = render(r, list, fields);
    assert_string_equal(actual, expected);
}

struct list_case {
    const char *source;
    const char *list;
    const char *fields;
    const char *expected;
};

static void check_cases(const struct list_case *cases, size_t n_cases)
{
    for (size_t i = 0; i < n_cases; i++) {
        struct extracted e = extract(cases[i].source);
        g_autofree char *actual = render(&e.cst, cases[i].list, cases[i].fields);
        if (strcmp(actual, cases[i].expected) != 0)
            print_error("case %zu, source:\n%s\n", i, cases[i].source);
        assert_string_equal(actual, cases[i].expected);
        extracted_done(&e);
    }
}

/* ---- scopes and names ----------------------------------------------------------------------------------------- */

/* C3: what each name means, by Python's scoping rules. */
static void test_meanings(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        /* nested functions do not see the class */
        {"x = 1\nclass C:\n  x = 2\n  y = x\n  def f(self):\n    return x\n", "refs", "name context @binding",
         "x store x\nx store C.x\ny store C.y\nx load C.x\nx load x\n"},
        {"def f(a):\n  def g():\n    nonlocal a\n    a = 1\n  return a\n", "refs", "name context @binding",
         "a store f.<locals>.a\na load f.<locals>.a\n"},
        {"def f():\n  def g():\n    nonlocal v\n    def h():\n      nonlocal v\n      v += 1\n  v = 0\n", "refs",
         "name context @binding", "v store f.<locals>.v\nv store f.<locals>.v\n"},
        {"def f():\n  global v\n  v = 1\n  def g():\n    return v\nprint(v)\n", "refs", "name context @binding",
         "v store v\nv load v\nprint load -\nv load v\n"},
        /* a class between: `nonlocal` looks through it */
        {"def f():\n  v = 1\n  class C:\n    v = 2\n    def g(self):\n      nonlocal v\n      del v\n", "refs",
         "name context @binding", "v store f.<locals>.v\nv store f.<locals>.C.v\nv del f.<locals>.v\n"},
        /* the first iterable of a comprehension belongs to the scope around it, the rest does not */
        {"class C:\n  a = [1]\n  b = [a for _ in a if a]\n", "refs", "scope name @binding",
         "1 a C.a\n1 b C.b\n2 a -\n2 _ C.<listcomp>._\n1 a C.a\n2 a -\n"},
        {"def f(n):\n  return [(m := k) for k in n], m\n", "refs", "scope name context @binding",
         "2 m store f.<locals>.m\n2 k load f.<locals>.<listcomp>.k\n2 k store f.<locals>.<listcomp>.k\n1 n load "
         "f.<locals>.n\n"
         "1 m load f.<locals>.m\n"},
        {"def f(x, y=lambda x: x + z, *, w=y):\n  z = 1\n", "refs", "scope name @binding",
         "2 x <lambda>.<locals>.x\n2 z -\n0 y -\n1 z f.<locals>.z\n"},
        {"x = 0\n@x\ndef f(a: x = x) -> x:\n  x = 1\nclass C(x, k=x):\n  x = 2\n", "refs", "scope name @binding",
         "0 x x\n0 x x\n0 x x\n0 x x\n0 x x\n1 x f.<locals>.x\n0 x x\n0 x x\n2 x C.x\n"},
        /* the body of a class runs from top to bottom: what it has not bound yet is looked up outside; `int: int` binds
         * nothing; a name that nothing outside binds may be a forward reference */
        {"def b(): pass\nclass C:\n  u = b\n  b = b(b)\n  v = b\n  @v\n  def v(self, p=v): pass\n  int: int\n  w: int\n"
         "  def f(self):\n    return b\n",
         "refs", "scope name context @binding",
         "2 u store C.u\n2 b load b\n2 b store C.b\n2 b load b\n2 b load b\n2 v store C.v\n2 b load C.b\n2 v load C.v\n"
         "2 v load C.v\n2 int store C.int\n2 int load -\n2 w store C.w\n2 int load -\n4 b load b\n"},
        {"class C:\n  a: Later\n  Later = 1\nb: C2\nclass C2: pass\n", "refs", "name context @binding",
         "a store C.a\nLater load C.Later\nLater store C.Later\nb store b\nC2 load C2\n"},
        /* private names of a class are other names than the module's */
        {"__v = 1\nclass _C:\n  __w = __v\n  def f(self, __a):\n    return __w, __a, __z__\n__z__ = 1\n", "refs",
         "name @binding", "__v __v\n__w _C.__w\n__v -\n__w -\n__a _C.f.<locals>.__a\n__z__ __z__\n__z__ __z__\n"},
        {"class __:\n  __w = 1\n  __w\n__u = 1\nclass __:\n  __u\n", "refs", "name @binding",
         "__w __.__w\n__w __.__w\n__u __u\n__u __u\n"},
        {"import a.b, c.d as e\nfrom m import *\na, b, c, d, e, m\n", "refs", "name @binding",
         "a a\nb -\nc -\nd -\ne e\nm -\n"},
        /* identifiers are NFKC-normalized: feminine ordinal a, ligature fi */
        {"\xC2\xAA = 1\na\n\xEF\xAC\x81 = 2\n", "refs", "name context @binding", "a store a\na load a\nfi store fi\n"},
        {"(x): int\ny: int\n(z): int = 1\ndef f():\n  return x, y, z\n", "refs", "name context @binding",
         "x store -\nint load -\ny store y\nint load -\nz store z\nint load -\nx load -\ny load y\nz load z\n"},
        /* soft keywords are names */
        {"match = type\ntype = match\ncase = _ = print\nmatch[type](case)\n", "refs", "name @binding",
         "match match\ntype type\ntype type\nmatch match\ncase case\n_ _\nprint -\nmatch match\ntype type\ncase "
         "case\n"},
        /* PEP 695: bounds, bases and annotations see the parameters; defaults and decorators do not */
        {"T = 1\nclass A[T: int](B[T]):\n  x: T\n  @T\n  def f[U](self, a: U, b=U) -> T: return U\n", "refs",
         "scope name @binding",
         "0 T T\n1 int -\n1 B -\n1 T <generic parameters of A>.T\n2 x A.x\n2 T <generic parameters of A>.T\n"
         "2 T <generic parameters of A>.T\n3 U A.<generic parameters of f>.U\n2 U -\n3 T <generic parameters of A>.T\n"
         "4 U A.<generic parameters of f>.U\n"},
        {"type L[T] = list[T]\ntype N = L\n", "refs", "scope name context @binding",
         "0 L store L\n1 list load -\n1 T load <generic parameters of L>.T\n0 N store N\n0 L load L\n"},
        /* in an f-string `:=` starts a format; names of nested formats count */
        {"f\"{a!r:>{w}} {x:=10} {(y:=1)} {d['k']}\"\n", "refs", "name context",
         "a load\nw load\nx load\ny store\nd load\n"},
        /* Python 2's print and exec are names to Python 3 */
        {"print >>f, x\nprint x\nexec c in d\n", "refs", "name context",
         "print load\nf load\nx load\nprint load\nx load\nexec load\nc load\nd load\n"},
        {"for i, *j in k: pass\nwith a as (b, c.d), e as f[g]: pass\ndel h, (i, j[0])\n", "refs", "kind name context",
         "name i store\nname j store\nname k load\nname a load\nname b store\nname c load\nattribute d store\nname e "
         "load\n"
         "name f load\nname g load\nname h del\nname i del\nname j load\n"},
        {"match s.t:\n  case {'k': v, **r} if v: pass\n  case A.b(x, y=1) | [a, *_]: pass\n  case (1 as q) | None: "
         "pass\n"
         "  case M(): pass\n  case _: pass\n",
         "refs", "kind name context",
         "name s load\nattribute t load\nname v load\nname A load\nattribute b load\nname M load\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

static void test_scopes(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"", "scopes", "ordinal parent kind def qualname start_byte end_byte start_line", "0 - module -  0 0 1\n"},
        {"class C:\n  def f(self):\n    g = lambda: {k: 1 for k in (i for i in s)}\n    class D: pass\n", "scopes",
         "parent kind def qualname start_line",
         "- module -  1\n0 class 0 C 1\n1 function 1 C.f 2\n2 lambda - C.f.<locals>.<lambda> 3\n"
         "3 comprehension - C.f.<locals>.<lambda>.<locals>.<dictcomp> 3\n"
         "3 comprehension - C.f.<locals>.<lambda>.<locals>.<genexpr> 3\n2 class 2 C.f.<locals>.D 4\n"},
        {"def f():\n  global g\n  def g(): pass\n  [{x for x in y} for y in z]\n", "scopes", "parent kind qualname",
         "- module \n0 function f\n1 function g\n1 comprehension f.<locals>.<listcomp>\n"
         "3 comprehension f.<locals>.<listcomp>.<setcomp>\n"},
        {"def f[T](a: T): pass\n", "scopes", "parent kind def qualname start_byte end_byte",
         "- module -  0 21\n0 type_parameters - <generic parameters of f> 0 20\n1 function 0 f 0 20\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

static void test_bindings(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"import a\na = 1\ndef f(p):\n  q = p\n  q += 1\n  global a\n  a = 2\n", "bindings",
         "scope name qualname n_sites n_other_sites start_byte end_byte start_line",
         "0 a a 3 2 7 8 1\n0 f f 1 0 19 20 3\n1 p f.<locals>.p 1 0 21 22 3\n1 q f.<locals>.q 2 2 27 28 4\n"},
        {"try: pass\nexcept E as e: pass\nfor i in x: pass\nwith y as z: (w := 1)\nmatch w:\n  case [u, *v, {**r}]: "
         "del u\n"
         "class C[T]: pass\nk += 1\n",
         "binding_sites", "@binding kind target",
         "e except -\ni for -\nz with -\nw walrus -\nu match -\nv match -\nr match -\nu del -\nC definition 0\n"
         "<generic parameters of C>.T type_parameter -\nk augmented -\n"},
        {"def f(a, *b, c=lambda d: 0, **e): import g\n", "binding_sites", "@binding kind target start_byte end_byte",
         "f definition 0 4 5\nf.<locals>.a parameter 0 6 7\nf.<locals>.b parameter 1 10 11\nf.<locals>.c parameter 2 "
         "13 14\n"
         "<lambda>.<locals>.d parameter 4 22 23\nf.<locals>.e parameter 3 30 31\nf.<locals>.g import 0 41 42\n"},
        {"if TYPE_CHECKING:\n  import a\n  def f(p): pass\nelse: import b\nif t.TYPE_CHECKING: a = 1\nc = 1\n"
         "if not TYPE_CHECKING: d = 1\n",
         "bindings", "name n_sites n_type_only_sites", "a 2 2\nf 1 1\nb 1 0\nc 1 0\nd 1 0\np 1 1\n"},
        /* a `nonlocal` without anything to mean binds where it stands */
        {"def f():\n  nonlocal v\n  v = 1\n", "bindings", "scope qualname", "0 f\n1 f.<locals>.v\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

/* ---- definitions, parameters, bases, imports ------------------------------------------------------------------ */

static void test_defs(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"@a\n@b.c()\nasync def f():\n  'doc'\n  return 1  # end\n", "defs",
         "kind name is_async n_decorators full_start_byte start_byte end_byte name_start_byte name_end_byte start_line "
         "end_line docstring_start_byte docstring_end_byte",
         "function f 1 2 0 10 43 20 21 3 5 27 32\n"},
        {"class C:\n  def f(self): pass\n  if x:\n    def f(self): pass\n  class D:\n    def f(self): pass\ndef f(): "
         "pass\n",
         "defs", "kind qualname duplicate container scope body_scope",
         "class C 0 - 0 1\nfunction C.f 0 0 1 2\nfunction C.f 1 0 1 3\nclass C.D 0 0 1 4\nfunction C.D.f 0 3 4 5\n"
         "function f 0 - 0 6\n"},
        /* docstrings are string literals alone */
        {"def a(): ('x' 'y')\ndef b(): b'x'\ndef c(): f'x'\ndef d(): 'x',\ndef e(): 1; 'x'\ndef f(): # c\n  'x'\n",
         "defs", "name docstring_start_byte docstring_end_byte", "a 10 17\nb - -\nc - -\nd - -\ne - -\nf 92 95\n"},
        /* CPython's end: a `;` belongs to the body, comments do not */
        {"def f(): pass;\ndef g():\n  if x:\n    y\n    # c\n  # d\nz\n", "defs", "start_byte end_byte end_line",
         "0 14 1\n15 37 4\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

static void test_params(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"def f(a, b: int = 1, /, c=(2), *d: 'x', e, f: g[h] = i, **j): pass\n", "params",
         "scope position name kind annotation default_text",
         "1 0 a positional_only - -\n1 1 b positional_only int 1\n1 2 c positional_or_keyword - (2)\n"
         "1 3 d var_positional 'x' -\n1 4 e keyword_only - -\n1 5 f keyword_only g[h] i\n1 6 j var_keyword - -\n"},
        {"def f(a, *, b): lambda x, *y: 0\n", "params", "ordinal scope position name kind start_line name_start_byte",
         "0 1 0 a positional_or_keyword 1 6\n1 1 1 b keyword_only 1 12\n2 2 0 x positional_or_keyword 1 23\n"
         "3 2 1 y var_positional 1 27\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

static void test_bases(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"import m\nclass A: pass\nclass B(A, m . n, Generic[ T,\n  U], (f()), *c, metaclass=M, **k): pass\n", "bases",
         "def position text dotted @binding start_line",
         "1 0 A A A 3\n1 1 m . n m.n m 3\n1 2 Generic[ T, U] Generic - 3\n1 3 f() - - 4\n1 4 *c - - 4\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

static void test_imports(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"import a, b . c as d\nfrom e.f import (g as h, i,)\nfrom . import j\nfrom .. k import *\nfrom __future__ "
         "import l\n",
         "imports", "scope kind module name asname bound_name level start_line",
         "0 import - a - a 0 1\n0 import - b.c d d 0 1\n0 from e.f g h h 0 2\n0 from e.f i - i 0 2\n0 from - j - j 1 "
         "3\n"
         "0 from k * - - 2 4\n0 from __future__ l - l 0 5\n"},
        {"x = 1; from a import (b as c)\n", "imports", "start_byte end_byte statement_start_byte statement_end_byte",
         "22 28 7 29\n"},
        {"def f(): import a.b\n", "imports", "scope bound_name name", "1 a a.b\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

/* ---- calls and attributes ------------------------------------------------------------------------------------- */

static void test_callsites(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"f(a, *b, c=d, **e)(g for g in h)\n(i.j)(1,)\nk[0]()\n(lambda: 0)()\n'%s'.format(x)\n", "callsites",
         "callee_shape callee_name callee_dotted n_args n_keywords start_byte end_byte callee_start_byte "
         "callee_end_byte",
         "call - - 1 0 0 32 0 18\nname f f 2 2 0 18 0 1\nattribute j i.j 1 0 33 42 34 37\nsubscript - - 0 0 43 49 43 "
         "47\n"
         "lambda - - 0 0 50 63 51 60\nattribute format - 1 0 64 78 64 75\n"},
        /* the grammar reads `*f(x)` as `(*f)(x)` */
        {"x = *f(y).g(), *h\nprint(*a.b())\n", "callsites",
         "callee_dotted start_byte end_byte callee_start_byte n_args",
         "- 5 13 5 0\nf 5 9 5 1\nprint 18 31 18 1\na.b 25 30 25 0\n"},
        /* and `type(x).y = 1` as a type alias */
        {"type(x).y = 1\ntype(a, b, c)[0] = 2\ntype(x)(y).z: int = 3\n", "callsites",
         "callee_shape callee_name start_byte end_byte callee_start_byte callee_end_byte n_args",
         "name type 0 7 0 4 1\nname type 14 27 14 18 3\ncall - 35 45 35 42 1\nname type 35 42 35 39 1\n"},
        {"type(x).y = 1\n", "refs", "kind name context dotted",
         "name type load -\nname x load -\nattribute y store -\n"},
        {"import m\n@m.d()\nclass C(m.b()):\n  x = m.c()\n  def f(self, y=m.e()): return m.g()\nm.h()\n", "callsites",
         "callee_name scope container @binding", "d 0 0 m\nb 0 0 m\nc 1 0 m\ne 1 1 m\ng 2 1 m\nh 0 - m\n"},
        {"class C:\n  def f(self, o):\n    self.a(); o.b(); super().c(); super(C, self).d(); self.e.f()\n"
         "    [self.g() for _ in o]; (lambda self: self.h())\n"
         "  @classmethod\n  def k(klass): klass.l()\n  @staticmethod\n  def m(n): n.o()\n  def __new__(c): c.p()\n"
         "def q(self): self.r()\n",
         "callsites", "callee_name receiver",
         "a self\nb -\nc super\nsuper -\nd -\nsuper -\nf -\ng self\nh -\nl cls\no -\np cls\nr -\n"},
        {"def super(): pass\nclass C:\n  def f(self): super().g()\n", "callsites", "callee_name receiver",
         "g -\nsuper -\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

static void test_dotted(void **state)
{
    (void)state;
    static const struct list_case cases[] = {
        {"import a\na.b.c = (a . d).e\nf().g.h\na.\\\ni # x\n[a][0].j\n", "refs",
         "kind name context dotted @base_binding",
         "name a load - -\nattribute b load a a\nattribute c store a.b a\nname a load - -\nattribute d load a a\n"
         "attribute e load a.d a\nname f load - -\nattribute g load - -\nattribute h load - -\nname a load - -\n"
         "attribute i load a a\nname a load - -\nattribute j load - -\n"},
        {"match x:\n  case a.b . c: pass\n", "refs", "name dotted", "x -\na -\nb a\nc a.b\n"},
        {"def f(x: a.b[c.d], y: 'e') -> (g | h.i): pass\n", "refs", "name dotted",
         "a -\nb a\nc -\nd c\ng -\nh -\ni h\n"},
    };
    check_cases(cases, G_N_ELEMENTS(cases));
}

/* ---- the tree_sitter layer ------------------------------------------------------------------------------------ */

/* C7: nodes as the grammar has them; rows and columns are tree-sitter's own. */
static void test_nodes(void **state)
{
    (void)state;
    struct extracted e = extract("x = (\n  1) # c\n");
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_OK);
    assert_int_equal(e.result.tree_sitter.n_facts, 10);
    assert_string_equal(e.result.tree_sitter.reason, "");
    assert_rows(&e.ts, "nodes",
                "ordinal parent kind field start_byte end_byte start_row start_column is_named is_extra",
                "0 - module - 0 15 0 0 1 0\n"
                "1 0 expression_statement - 0 10 0 0 1 0\n"
                "2 1 assignment - 0 10 0 0 1 0\n"
                "3 2 identifier left 0 1 0 0 1 0\n"
                "4 2 = - 2 3 0 2 0 0\n"
                "5 2 parenthesized_expression right 4 10 0 4 1 0\n"
                "6 5 ( - 4 5 0 4 0 0\n"
                "7 5 integer - 8 9 1 2 1 0\n"
                "8 5 ) - 9 10 1 3 0 0\n"
                "9 0 comment - 11 14 1 5 1 1\n");
    assert_rows(&e.ts, "errors", "node kind", "");
    extracted_done(&e);
}

/* C7: error and missing nodes twice, in the tree and by themselves; the libcst layer goes on around them. */
static void test_errors(void **state)
{
    (void)state;
    struct extracted e = extract("def f(:\n  return g(x)\ny = f(\n");
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_RECOVERED);
    assert_int_equal(e.result.libcst.status, TREESITTER_RECOVERED);
    int64_t n = 0;
    (void)list_items(&e.ts, "errors", &n);
    assert_true(n > 0);
    (void)list_items(&e.cst, "errors", &n);
    assert_true(n > 0);
    extracted_done(&e);

    e = extract("x = 1\nclass A:\n  def f(self): return x\n)\n");
    assert_rows(&e.ts, "errors", "is_missing kind start_byte end_byte", "0 ERROR 39 40\n");
    assert_rows(&e.cst, "errors", "reason message start_byte", "syntax_error syntax error at ')' 39\n");
    assert_rows(&e.cst, "defs", "qualname", "A\nA.f\n");
    assert_string_equal(e.result.tree_sitter.reason, "syntax errors: 1 error and 0 missing nodes");
    assert_string_equal(e.result.libcst.reason, "syntax error at ')'");
    assert_int_equal(e.result.libcst.start_byte, 39);
    extracted_done(&e);
}

/* ---- text in other shapes ------------------------------------------------------------------------------------- */

/* C8: offsets count the BOM. */
static void test_bom(void **state)
{
    (void)state;
    struct extracted e = extract("\xEF\xBB\xBFx = \xC3\xA9\n");
    assert_rows(&e.cst, "refs", "name start_byte end_byte start_line", "x 3 4 1\n\xC3\xA9 7 9 1\n");
    assert_rows(&e.cst, "scopes", "start_byte end_byte", "0 10\n");
    extracted_done(&e);
}

/* CPython ends a line at a lone CR, tree-sitter does not: without the copy this file would be one ERROR. */
static void test_lone_cr(void **state)
{
    (void)state;
    struct extracted e = extract("def f():\r  return 1\r\r\nx = f()\ry\n");
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_OK);
    assert_int_equal(e.result.libcst.status, TREESITTER_OK);
    assert_rows(&e.cst, "defs", "start_byte end_byte start_line end_line", "0 19 1 2\n");
    assert_rows(&e.cst, "refs", "name start_byte start_line", "x 22 4\nf 26 4\ny 30 5\n");
    extracted_done(&e);
}

static void test_crlf_and_form_feed(void **state)
{
    (void)state;
    struct extracted e = extract("if x:\r\n\ty = '''a\r\nb'''\r\n\f\r\nz\r\n");
    assert_int_equal(e.result.libcst.status, TREESITTER_OK);
    assert_rows(&e.cst, "refs", "name start_byte start_line", "x 3 1\ny 8 2\nz 27 5\n");
    extracted_done(&e);
}

/* A file that is not UTF-8 is parsed as its decoded text; offsets are still the file's. Latin-1 here, one byte each. */
static void test_decoded_text(void **state)
{
    (void)state;
    static const char raw[] = "# coding: latin-1\n\xE9t\xE9 = '\xE8' + f(a)\n";
    GString *text = g_string_new(NULL);
    struct repo_file file = {.raw = (uint8_t *)(uintptr_t)raw, .n_raw = sizeof(raw) - 1, .error_byte = -1};
    file.map = position_map_new_empty(0);
    for (size_t i = 0; i < file.n_raw; i++) {
        g_string_append_unichar(text, file.raw[i]);
        assert_true(position_map_append(file.map, file.raw[i], 1));
    }
    assert_true(position_map_finish(file.map));
    file.n_text = text->len;
    file.owned_text = (uint8_t *)g_string_free(text, FALSE);
    file.text = file.owned_text;
    struct extracted e = extract_file(&file);
    assert_int_equal(e.result.libcst.status, TREESITTER_OK);
    assert_rows(&e.cst, "refs", "name start_byte end_byte", "\xC3\xA9t\xC3\xA9 18 21\nf 30 31\na 32 33\n");
    assert_rows(&e.cst, "callsites", "start_byte end_byte", "30 34\n");
    extracted_done(&e);
}

/* What does not decode is read as bytes; every text that is published is UTF-8 all the same (rows_view validates). */
static void test_undecodable(void **state)
{
    (void)state;
    struct extracted e = extract("def f(a: '\xFF' = 1): return a\n");
    assert_int_equal(e.result.libcst.status, TREESITTER_RECOVERED);
    assert_string_equal(e.result.libcst.reason, "invalid start byte");
    assert_int_equal(e.result.libcst.start_byte, 10);
    assert_rows(&e.cst, "errors", "reason message start_byte", "encoding invalid start byte 10\n");
    assert_rows(&e.cst, "params", "name annotation default_text", "a '\xEF\xBF\xBD' 1\n");
    assert_rows(&e.cst, "refs", "name @binding", "a f.<locals>.a\n");
    extracted_done(&e);
}

static void test_nul_and_empty(void **state)
{
    (void)state;
    struct extracted e = extract_bytes("x = 1\0\ny = 2\n", 13);
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_RECOVERED);
    assert_rows(&e.cst, "refs", "name", "x\ny\n");
    extracted_done(&e);
    e = extract("");
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_OK);
    assert_int_equal(e.result.libcst.status, TREESITTER_OK);
    assert_rows(&e.ts, "nodes", "kind start_byte end_byte", "module 0 0\n");
    extracted_done(&e);
}

static void test_unreadable(void **state)
{
    (void)state;
    char denied[] = "permission denied";
    struct repo_file file = {.failure = denied, .error_byte = -1};
    struct extracted e = extract_file(&file);
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_FAILED);
    assert_int_equal(e.result.libcst.status, TREESITTER_FAILED);
    assert_string_equal(e.result.tree_sitter.reason, "permission denied");
    assert_int_equal(e.ts.array.length, 0);
    assert_int_equal(e.cst.array.length, 0);
    extracted_done(&e);
}

/* ---- size ----------------------------------------------------------------------------------------------------- */

static char *repeat(const char *before, const char *part, size_t n, const char *after)
{
    GString *text = g_string_new(before);
    for (size_t i = 0; i < n; i++)
        g_string_append(text, part);
    g_string_append(text, after);
    return g_string_free(text, FALSE);
}

/* 100,000 deep: nothing recurses. */
static void test_deep(void **state)
{
    (void)state;
    g_autofree char *closing = g_strnfill(100000, ')');
    g_autofree char *end = g_strconcat("1", closing, "\n", NULL);
    g_autofree char *parentheses = repeat("x = ", "(", 100000, end);
    struct extracted e = extract(parentheses);
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_OK);
    assert_int_equal(e.result.libcst.status, TREESITTER_OK);
    assert_rows(&e.cst, "refs", "name", "x\n");
    extracted_done(&e);

    g_autofree char *calls = repeat("y = *x", "()", 100000, ",\n");
    e = extract(calls);
    assert_int_equal(e.result.libcst.status, TREESITTER_OK);
    assert_int_equal(e.result.libcst.n_facts, 100000);
    extracted_done(&e);

    g_autofree char *open = repeat("", "(", 100000, "");
    e = extract(open);
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_RECOVERED);
    extracted_done(&e);
}

/* Qualified names of nested scopes, or dotted names, can be the square of the file's size: the layer gives up, the
 * other one does not. */
static void test_text_budget(void **state)
{
    (void)state;
    static const char message[] = "budget: derived text (qualified names, dotted names, annotations, defaults) exceed "
                                  "what the file's size allows";
    g_autofree char *lambdas = repeat("x = ", "lambda: ", 20000, "1\n");
    g_autofree char *attributes = repeat("x", ".a", 100000, "\n");
    const char *const sources[] = {lambdas, attributes};
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        struct extracted e = extract(sources[i]);
        assert_int_equal(e.result.tree_sitter.status, TREESITTER_OK);
        assert_int_equal(e.result.libcst.status, TREESITTER_FAILED);
        assert_int_equal(e.result.libcst.n_facts, 0);
        assert_string_equal(e.result.libcst.reason, message);
        assert_rows(&e.cst, "errors", "reason start_byte", "budget -\n");
        assert_rows(&e.cst, "scopes", "ordinal", "");
        assert_rows(&e.cst, "refs", "ordinal", "");
        extracted_done(&e);
    }
}

/* The grammar's scanner writes its stack of indentations into a fixed buffer. */
static void test_indentation_budget(void **state)
{
    (void)state;
    GString *text = g_string_new(NULL);
    for (int i = 0; i < 600; i++)
        g_string_append_printf(text, "%*sif x:\n", i, "");
    g_string_append_printf(text, "%*spass\n", 600, "");
    struct extracted e = extract(text->str);
    assert_int_equal(e.result.tree_sitter.status, TREESITTER_FAILED);
    assert_int_equal(e.result.libcst.status, TREESITTER_FAILED);
    assert_string_equal(e.result.tree_sitter.reason, "budget: more than 380 widths of indentation");
    assert_int_equal(e.ts.array.length, 0);
    assert_rows(&e.cst, "errors", "reason message", "budget budget: more than 380 widths of indentation\n");
    extracted_done(&e);
    g_string_free(text, TRUE);
}

/* The same file twice in one batch, and after a file that failed: nothing is left over. */
static void test_no_leftovers(void **state)
{
    (void)state;
    g_autofree char *lambdas = repeat("x = ", "lambda: ", 20000, "1\n");
    struct extracted first = extract("def f(a): return a.b(c)\n");
    struct extracted failed = extract(lambdas);
    struct extracted second = extract("def f(a): return a.b(c)\n");
    static const char *const lists[][2] = {{"refs", "name context @binding dotted scope"},
                                           {"bindings", "qualname n_sites"},
                                           {"callsites", "callee_dotted container"}};
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *expected = render(&first.cst, lists[i][0], lists[i][1]);
        assert_rows(&second.cst, lists[i][0], lists[i][1], expected);
    }
    extracted_done(&first);
    extracted_done(&failed);
    extracted_done(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meanings),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_defs),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_imports),
        cmocka_unit_test(test_callsites),
        cmocka_unit_test(test_dotted),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_bom),
        cmocka_unit_test(test_lone_cr),
        cmocka_unit_test(test_crlf_and_form_feed),
        cmocka_unit_test(test_decoded_text),
        cmocka_unit_test(test_undecodable),
        cmocka_unit_test(test_nul_and_empty),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_text_budget),
        cmocka_unit_test(test_indentation_budget),
        cmocka_unit_test(test_no_leftovers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
