"""Hold rows of ast_files_v1 against CPython's own `ast`, node by node.

Usage: compare_ast.py ROOT FACTS [PATHS]

FACTS holds bundle rows of the version of the interpreter that runs this (see facts.py); ROOT is where their paths are.
Every node's kind, parent, field, index and four native positions, every value in a field, docstrings, imports,
definitions, calls, type ignores and errors must be equal, and byte offsets must be what lines and columns mean in the
source. Prints the differences (the first few a file) and a summary; exits 1 if there is any difference, no row, or no
row of a path that the file PATHS lists.
"""

from __future__ import annotations

import ast
import codecs
import io
import re
import sys
import tokenize
import warnings
from pathlib import Path
from typing import Any

from facts import read_rows

POSITIONS = ("lineno", "col_offset", "end_lineno", "end_col_offset")
OWNERS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
DEFS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
LISTS = ("nodes", "fields", "docstrings", "imports", "defs", "calls", "type_ignores", "errors")


def literal(value: object) -> str:
    """ascii(), whatever the number of digits."""
    if isinstance(value, int) and hasattr(sys, "set_int_max_str_digits"):
        before = sys.get_int_max_str_digits()
        sys.set_int_max_str_digits(0)
        try:
            return ascii(value)
        finally:
            sys.set_int_max_str_digits(before)
    return ascii(value)


class Source:
    """The file's bytes, and where CPython's lines start and end in the UTF-8 that it reads."""

    def __init__(self, raw: bytes) -> None:
        self.bom = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
        self.body = raw[self.bom :]
        self.raw_ends: list[int] | None = None
        try:
            name = tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
            if name not in ("utf-8", "utf-8-sig"):
                self.recode(name)
        except (SyntaxError, UnicodeDecodeError, LookupError):
            pass
        breaks = list(re.finditer(rb"\r\n|\r|\n", self.body))
        self.starts = [0] + [m.end() for m in breaks]
        self.ends = [m.start() for m in breaks] + [len(self.body)]

    def recode(self, encoding: str) -> None:
        """Another encoding: the text as UTF-8, and after which byte of the file the codec has given each character."""
        raw, text = self.body, self.body.decode(encoding)
        decoder = codecs.getincrementaldecoder(encoding)()
        ends: list[int] = []
        for i in range(len(raw)):
            ends += [self.bom + i + 1] * len(decoder.decode(raw[i : i + 1]))
        assert len(ends) == len(text)
        self.body, self.raw_ends = text.encode(), ends

    def raw_of(self, line: int, column: int) -> int | None:
        """Raw offset of a UTF-8 column, None where there is no such place."""
        if not 1 <= line <= len(self.starts) or column < 0:
            return None
        at = self.starts[line - 1] + column
        if at > self.ends[line - 1] or (at < len(self.body) and self.body[at] & 0xC0 == 0x80):
            return None
        if self.raw_ends is None or at == 0:
            return self.bom + at
        return self.raw_ends[len(self.body[:at].decode()) - 1]


def parse(raw: bytes, path: str) -> tuple[Any, Exception | None]:
    """CPython's tree or its refusal; type comments are read unless they are what is refused."""
    flags = ast.PyCF_ONLY_AST
    try:
        return compile(raw, path, "exec", flags | ast.PyCF_TYPE_COMMENTS, True), None
    except SyntaxError:
        pass
    except Exception as error:
        return None, error
    try:
        return compile(raw, path, "exec", flags, True), None
    except Exception as error:
        return None, error


class Expected:
    """The lists of one row, made from a tree by plain recursion-free Python."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lists: dict[str, list[Any]] = {name: [] for name in LISTS}

    def span(self, node: Any) -> tuple[int | None, int | None, str]:
        if "lineno" not in node._attributes:
            return None, None, "none"
        start = self.source.raw_of(node.lineno, node.col_offset)
        end = self.source.raw_of(node.end_lineno, node.end_col_offset)
        if start is None or end is None or start > end:
            return None, None, "lossy"
        return start, end, "exact"

    def walk(self, tree: ast.AST) -> None:
        todo: list[tuple[Any, int | None, str | None, int | None, int | None]] = [(tree, None, None, None, None)]
        ordinals: dict[int, int] = {}
        order: list[tuple[Any, int | None]] = []
        while todo:
            node, parent, field, index, container = todo.pop()
            me = len(order)
            order.append((node, container))
            if node._fields or node._attributes:
                ordinals[id(node)] = me
            has_place = "lineno" in node._attributes
            positions = [getattr(node, name) if has_place else None for name in POSITIONS]
            start, end, quality = self.span(node)
            kind = type(node).__name__
            self.lists["nodes"].append((me, parent, kind, field, index, start, end, *positions, quality))
            children = []
            inside = me if isinstance(node, DEFS) else container
            for name in node._fields:
                value = getattr(node, name)
                for i, item in enumerate(value) if isinstance(value, list) else [(None, value)]:
                    if isinstance(item, ast.AST):
                        children.append((item, me, name, i, inside))
                    else:
                        self.lists["fields"].append((me, name, i, type(item).__name__, literal(item)))
            todo.extend(reversed(children))
        for me, (node, container) in enumerate(order):
            self.special(me, node, container, ordinals)
        self.lists["docstrings"].sort(key=lambda row: row[1])

    def special(self, me: int, node: Any, container: int | None, ordinals: dict[int, int]) -> None:
        start, end, _ = self.span(node)
        if isinstance(node, OWNERS) and node.body and isinstance(node.body[0], ast.Expr):
            value = node.body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                assert ast.get_docstring(node, clean=False) == value.value
                where = self.span(value)
                self.lists["docstrings"].append((me, ordinals[id(value)], ascii(value.value), where[0], where[1]))
        if isinstance(node, DEFS):
            kind = type(node).__name__
            self.lists["defs"].append((me, kind, node.name, container, len(node.decorator_list), start, end))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            is_from = isinstance(node, ast.ImportFrom)
            for i, alias in enumerate(node.names):
                self.lists["imports"].append((
                    me, ordinals[id(alias)], "from" if is_from else "import", node.module if is_from else None,
                    alias.name, alias.asname, (node.level or 0) if is_from else 0, i,
                ))  # fmt: skip
        if isinstance(node, ast.Call):
            func = node.func
            name = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else None
            self.lists["calls"].append((
                me, ordinals[id(func)], type(func).__name__, name, len(node.args), len(node.keywords), start, end,
            ))  # fmt: skip
        if isinstance(node, ast.TypeIgnore):
            self.lists["type_ignores"].append((node.lineno, node.tag))

    def error(self, error: Exception) -> None:
        message, place = str(error), (None, None)
        if isinstance(error, SyntaxError):
            message, place = str(error.msg), (error.lineno, error.offset)
        self.lists["errors"].append((type(error).__name__, message, *place))


def compare_row(row: dict[str, Any], root: Path) -> tuple[int, list[str]]:
    """How many items were compared, and what differs."""
    raw = (root / row["path"]).read_bytes()
    expected = Expected(Source(raw))
    tree, error = parse(raw, row["path"])
    if tree is not None:
        expected.walk(tree)
    elif error is not None:
        expected.error(error)
    n = 0
    differences = []
    for name in LISTS:
        found = [tuple(item.values()) for item in row[name]]
        if name == "errors":
            found = [item[:4] for item in found]
        wanted = expected.lists[name]
        n += len(wanted)
        if found == wanted:
            continue
        if len(found) != len(wanted):
            differences.append(f"{name}: {len(found)} items instead of {len(wanted)}")
        places = [i for i in range(min(len(found), len(wanted))) if found[i] != wanted[i]]
        differences += [f"{name}[{i}]: {found[i]} instead of {wanted[i]}" for i in places[:3]]
    return n, differences


def main() -> int:
    root, facts = Path(sys.argv[1]), sys.argv[2]
    missing = set(Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()) if len(sys.argv) > 3 else set()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    warnings.simplefilter("ignore")
    n_files = n_items = n_errors = n_different = n_lossy = n_other = 0
    for row in read_rows(facts):
        if row["python_version"] != version:
            n_other += 1
            continue
        missing.discard(row["path"])
        n, differences = compare_row(row, root)
        n_files += 1
        n_items += n
        n_errors += len(row["errors"])
        n_lossy += sum(item["span_quality"] == "lossy" for item in row["nodes"])
        n_different += bool(differences)
        for line in differences[:6]:
            print(f"{row['path']}: {line}")
    for path in sorted(missing):
        print(f"{path}: no row")
    print(
        f"ast {version}: {n_files} files, {n_items} items compared, {n_errors} files with errors, "
        f"{n_lossy} lossy spans, {n_different} files differ, {n_other} rows of other versions"
    )
    return 1 if n_different or missing or not n_files else 0


if __name__ == "__main__":
    sys.exit(main())
