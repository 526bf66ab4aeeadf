"""Hold rows of symtable_files_v1 against CPython's own `symtable`, block by block and symbol by symbol.

Usage: compare_symtable.py ROOT FACTS [PATHS]

FACTS holds bundle rows of the version of the interpreter that runs this (see facts.py); ROOT is where their paths are.
The module is asked through its public methods. Prints the differences (the first few a file) and a summary; exits 1 if
there is any, no row, or no row of a path that the file PATHS lists and that the module accepts.
"""

from __future__ import annotations

import symtable
import sys
import warnings
from pathlib import Path
from typing import Any

from facts import read_rows

# Type stubs know neither its constants nor that it takes bytes.
MODULE: Any = symtable

METHODS = (
    "is_referenced", "is_assigned", "is_parameter", "is_global", "is_declared_global", "is_nonlocal", "is_local",
    "is_free", "is_imported", "is_annotated", "is_namespace",
)  # fmt: skip


def scope_of(symbol: Any) -> str:
    """The scope's word, from what the module knows but does not say."""
    names = {
        MODULE.LOCAL: "local",
        MODULE.GLOBAL_EXPLICIT: "global_explicit",
        MODULE.GLOBAL_IMPLICIT: "global_implicit",
        MODULE.FREE: "free",
        MODULE.CELL: "cell",
    }
    return names.get(symbol._Symbol__scope, "unknown")


def expect(raw: bytes, path: str) -> tuple[list[Any], list[Any]]:
    """Blocks in pre-order and symbols in the order of block and name, as tuples in the order of the contract."""
    blocks: list[Any] = []
    symbols: list[Any] = []
    todo: list[tuple[Any, int | None, str | None]] = [(MODULE.symtable(raw, path, "exec"), None, None)]
    while todo:
        table, parent, path_above = todo.pop()
        me = len(blocks)
        names = [path_above, table.get_name()] if path_above else [table.get_name()]
        qualname = "" if parent is None else ".".join(names)
        blocks.append((
            me, parent, str(table.get_type()), table.get_name(), table.get_lineno(), qualname, table.is_nested(),
            table.is_optimized(), table.has_children(),
        ))  # fmt: skip
        for symbol in sorted(table.get_symbols(), key=lambda s: s.get_name()):
            answers = tuple(getattr(symbol, method)() for method in METHODS)
            symbols.append((me, symbol.get_name(), scope_of(symbol), *answers, len(symbol.get_namespaces())))
        todo.extend((child, me, qualname) for child in reversed(table.get_children()))
    return blocks, symbols


def is_refused(raw: bytes, path: str) -> bool:
    """Whether the module has no table for this file."""
    try:
        MODULE.symtable(raw, path, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return False


def compare_row(row: dict[str, Any], root: Path) -> tuple[int, list[str]]:
    """How many items were compared, and what differs."""
    blocks, symbols = expect((root / row["path"]).read_bytes(), row["path"])
    differences = []
    for name, wanted in (("blocks", blocks), ("symbols", symbols)):
        found = [tuple(item.values()) for item in row[name]]
        if found == wanted:
            continue
        if len(found) != len(wanted):
            differences.append(f"{name}: {len(found)} items instead of {len(wanted)}")
        places = [i for i in range(min(len(found), len(wanted))) if found[i] != wanted[i]]
        differences += [f"{name}[{i}]: {found[i]} instead of {wanted[i]}" for i in places[:3]]
    return len(blocks) + len(symbols), differences


def main() -> int:
    root, facts = Path(sys.argv[1]), sys.argv[2]
    missing = set(Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()) if len(sys.argv) > 3 else set()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    warnings.simplefilter("ignore")
    n_files = n_items = n_different = n_other = 0
    for row in read_rows(facts):
        if row["python_version"] != version:
            n_other += 1
            continue
        missing.discard(row["path"])
        n, differences = compare_row(row, root)
        n_files += 1
        n_items += n
        n_different += bool(differences)
        for line in differences[:6]:
            print(f"{row['path']}: {line}")
    refused = {path for path in missing if is_refused((root / path).read_bytes(), path)}
    for path in sorted(missing - refused):
        print(f"{path}: no row")
    print(
        f"symtable {version}: {n_files} files, {n_items} items compared, {len(refused)} files are refused by both, "
        f"{n_different} files differ, {n_other} rows of other versions"
    )
    return 1 if n_different or missing - refused or not n_files else 0


if __name__ == "__main__":
    sys.exit(main())
