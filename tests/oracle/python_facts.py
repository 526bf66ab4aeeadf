"""What CPython itself says about files, one JSON line a file; the oracle of compare_cst.py.

    python_facts.py ROOT < PATHS

Runs in the interpreter whose opinion is asked (3.9 or newer, standard library alone). Offsets are bytes of the raw
file.
"""

# It runs in any CPython from 3.9 on, and its patterns match by construction.
# ruff: noqa: B905, UP036
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false, reportAttributeAccessIssue=false

import ast
import bisect
import io
import json
import re
import symtable
import sys
import tokenize
import warnings

IDENTIFIER = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")
IDENTIFIER_END = re.compile(rb"[A-Za-z0-9_\x80-\xff]+\Z")
# 3.11 and older give the parts of an f-string the place of the whole literal (cpython#104608).
HAS_FSTRING_PLACES = sys.version_info >= (3, 12)


class Source:
    """Raw bytes, and the way from ast's (line, column) to offsets in them."""

    def __init__(self, raw):
        self.raw = raw
        self.encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        self.bom = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
        text = raw[self.bom :].decode("utf-8" if self.encoding == "utf-8-sig" else self.encoding)
        self.utf8 = text.encode("utf-8")
        self.starts = [0] + [m.end() for m in re.finditer(rb"\r\n|\r|\n", self.utf8)]
        self.raw_of = None
        if self.utf8 != raw[self.bom :]:
            self.raw_of = {}
            utf8 = raw_at = 0
            for character in text:
                self.raw_of[utf8] = raw_at
                utf8 += len(character.encode("utf-8"))
                raw_at += len(character.encode(self.encoding))
            self.raw_of[utf8] = raw_at

    def offset(self, line, column):
        return self.starts[line - 1] + column

    def start(self, node):
        return self.offset(node.lineno, node.col_offset)

    def end(self, node):
        return self.offset(node.end_lineno, node.end_col_offset)

    def file(self, utf8):
        return self.bom + (utf8 if self.raw_of is None else self.raw_of[utf8])

    def span(self, node):
        return [self.file(self.start(node)), self.file(self.end(node))]

    def line_of(self, utf8):
        return bisect.bisect_right(self.starts, utf8)

    def identifier_at(self, utf8):
        return [self.file(utf8), self.file(IDENTIFIER.match(self.utf8, utf8).end())]

    def identifier_before(self, utf8):
        start = IDENTIFIER_END.search(self.utf8, max(0, utf8 - 1000), utf8).start()
        return [self.file(start), self.file(utf8)]

    def name_behind(self, utf8, words):
        """Span of the identifier behind keywords, blanks and escaped line breaks."""
        while True:
            utf8 = re.compile(rb"(?:[ \t\f]|\\\r?\n|\\\r)*").match(self.utf8, utf8).end()
            word = IDENTIFIER.match(self.utf8, utf8)
            if word.group().decode() not in words:
                return [self.file(utf8), self.file(word.end())]
            utf8 = word.end()


class Walk:
    def __init__(self, source, tree):
        self.source = source
        self.refs, self.refs_lossy = [], []
        self.calls, self.calls_lossy = [], []
        self.defs, self.imports, self.params, self.bases = [], [], [], []
        stack = [(tree, False)]
        while stack:
            node, is_lossy = stack.pop()
            is_lossy = is_lossy or (isinstance(node, ast.JoinedStr) and not HAS_FSTRING_PLACES)
            rule = getattr(self, type(node).__name__, None)
            if rule is not None:
                rule(node, is_lossy)
            stack.extend((child, is_lossy) for child in ast.iter_child_nodes(node))

    def Name(self, node, is_lossy):
        row = ["name", node.id, type(node.ctx).__name__.lower()]
        if is_lossy:
            self.refs_lossy.append(row)
        else:
            self.refs.append(self.source.span(node) + row)

    def Attribute(self, node, is_lossy):
        row = ["attribute", node.attr, type(node.ctx).__name__.lower()]
        if is_lossy:
            self.refs_lossy.append(row)
        else:
            self.refs.append(self.source.identifier_before(self.source.end(node)) + row)

    def Call(self, node, is_lossy):
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        dotted, part = [], node.func
        while isinstance(part, ast.Attribute):
            dotted.append(part.attr)
            part = part.value
        dotted = ".".join([part.id] + dotted[::-1]) if isinstance(part, ast.Name) else None
        shapes = {
            "Name": "name",
            "Attribute": "attribute",
            "Call": "call",
            "Subscript": "subscript",
            "Lambda": "lambda",
        }
        row = [shapes.get(type(node.func).__name__, "other"), name, dotted, len(node.args), len(node.keywords)]
        if is_lossy:
            self.calls_lossy.append(row)
        else:
            self.calls.append(self.source.span(node) + self.source.span(node.func) + row)

    def definition(self, node, kind):
        start = self.source.start(node)
        full_start = start
        if node.decorator_list:
            first = self.source.start(node.decorator_list[0])
            full_start = self.source.utf8.rindex(b"@", 0, first)
        doc = [None, None]
        if node.body and ast.get_docstring(node, clean=False) is not None:
            doc = self.source.span(node.body[0].value)
        end = self.source.end(node)
        self.defs.append(
            [
                self.source.file(start),
                self.source.file(end),
                self.source.file(full_start),
                kind,
                node.name,
                isinstance(node, ast.AsyncFunctionDef),
                len(node.decorator_list),
                *self.source.name_behind(start, ("async", "def", "class")),
                *doc,
                node.lineno,
                node.end_lineno,
            ]
        )

    def ClassDef(self, node, _):
        self.definition(node, "class")
        for position, base in enumerate(node.bases):
            self.bases.append([*self.source.span(base), position])

    def FunctionDef(self, node, _):
        self.definition(node, "function")

    AsyncFunctionDef = FunctionDef

    def text(self, node):
        return None if node is None else ast.dump(node)

    def arguments(self, node, is_lossy):
        if is_lossy:
            return
        position = 0
        positional = node.posonlyargs + node.args
        defaults = [None] * (len(positional) - len(node.defaults)) + node.defaults
        rows = [
            (arg, "positional_only" if i < len(node.posonlyargs) else "positional_or_keyword", default)
            for i, (arg, default) in enumerate(zip(positional, defaults))
        ]
        if node.vararg:
            rows.append((node.vararg, "var_positional", None))
        rows += [(arg, "keyword_only", default) for arg, default in zip(node.kwonlyargs, node.kw_defaults)]
        if node.kwarg:
            rows.append((node.kwarg, "var_keyword", None))
        for position, (arg, kind, default) in enumerate(rows):
            span = self.source.identifier_at(self.source.start(arg))
            self.params.append([*span, arg.arg, kind, position, self.text(arg.annotation), self.text(default)])

    def imported(self, node, kind, module, level, statement):
        if sys.version_info < (3, 10):
            return
        self.imports.append(
            [*self.source.span(node), kind, module, node.name, node.asname, level, *self.source.span(statement)]
        )

    def Import(self, node, _):
        for alias in node.names:
            self.imported(alias, "import", None, 0, node)

    def ImportFrom(self, node, _):
        for alias in node.names:
            self.imported(alias, "from", node.module, node.level, node)


def annotation_scopes(tree):
    """(name, line) of what has a code object of its own from 3.12 on without being a scope of ours.

    Values of type aliases, bounds of type parameters.
    """
    kinds = tuple(getattr(ast, name) for name in ("TypeAlias", "TypeVar") if hasattr(ast, name))
    names = [(getattr(n.name, "id", n.name), n.lineno) for n in ast.walk(tree) if isinstance(n, kinds)]
    return set(names)


def code_names(tree):
    """[line, qualified name] of every code object of a definition, lambda or comprehension."""
    if sys.version_info < (3, 11):
        return None
    rows = []
    skipped = annotation_scopes(tree)
    stack = [compile(tree, "<file>", "exec", dont_inherit=True, optimize=0)]
    while stack:
        for constant in stack.pop().co_consts:
            if not hasattr(constant, "co_qualname") or (constant.co_name, constant.co_firstlineno) in skipped:
                continue
            if not constant.co_name.startswith("<generic parameters of"):
                rows.append([constant.co_firstlineno, constant.co_qualname])
            stack.append(constant)
    return rows


def scopes(table, parent_path, rows):
    """[path, bound names, {name: class}] of every block; a path is names and lines from the module down."""
    stack = [(table, parent_path)]
    while stack:
        block, path = stack.pop()
        is_module = block.get_type() == "module"
        kind = str(block.get_type())
        own = path if is_module else path + [f"{kind}:{block.get_name()}:{block.get_lineno()}"]
        bound, classes, global_bound, mentioned = [], {}, [], []
        for symbol in block.get_symbols():
            name = symbol.get_name()
            is_bound = symbol.is_assigned() or symbol.is_imported() or symbol.is_parameter() or symbol.is_namespace()
            if symbol.is_declared_global():
                classes[name] = "global"
                if is_bound:
                    global_bound.append(name)
            elif symbol.is_free():
                classes[name] = "free"
            elif is_bound and (is_module or symbol.is_local()):
                classes[name] = "local"
                bound.append(name)
            else:
                classes[name] = "global"
            if symbol.is_referenced():
                mentioned.append(name)
        rows.append([own, sorted(bound), classes, sorted(global_bound), sorted(mentioned)])
        stack.extend((child, own) for child in block.get_children())


def facts(root, path, out):
    with open(f"{root}/{path}", "rb") as file:
        raw = file.read()
    try:
        source = Source(raw)
        tree = ast.parse(raw)
        walk = Walk(source, tree)
        names = code_names(ast.parse(raw))
        rows = []
        scopes(symtable.symtable(source.utf8.decode(), path, "exec"), [], rows)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        print(json.dumps({"path": path, "error": f"{type(error).__name__}: {error}"}), file=out, flush=True)
        return
    has_future = re.search(rb"from\s+__future__\s+import[^\n]*annotations", raw) is not None
    print(
        json.dumps(
            {
                "path": path,
                "refs": walk.refs,
                "refs_lossy": walk.refs_lossy,
                "calls": walk.calls,
                "calls_lossy": walk.calls_lossy,
                "defs": walk.defs,
                "imports": walk.imports,
                "params": walk.params,
                "bases": walk.bases,
                "code": names,
                "scopes": rows,
                "has_future_annotations": has_future,
            }
        ),
        file=out,
        flush=True,
    )


def main():
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(20000)
    print(json.dumps({"version": list(sys.version_info[:2])}), flush=True)
    for line in sys.stdin:
        facts(sys.argv[1], line.rstrip("\n"), sys.stdout)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
