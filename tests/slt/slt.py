"""The sqllogictest format, as much of it as our files use, run through the program.

    statement ok | statement error REGEX       followed by SQL, then an empty line
    query TYPES [rowsort]                      SQL, `----`, one line a row, cells separated by one blank;
                                               NULL is NULL, an empty text (empty), blanks inside a text are _

TYPES is one letter a column, T I R B, checked against the number of columns alone. Answers come with --format json, so
that a NULL and an empty text differ.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Runner(Protocol):
    def __call__(self, sql: str) -> tuple[int, str, str]: ...


@dataclass
class Record:
    line: int
    kind: str
    sql: str
    expected: list[str] = field(default_factory=list)
    error: str = ""
    n_columns: int = 0
    is_sorted: bool = False


def parse(path: Path) -> list[Record]:
    records: list[Record] = []
    lines = path.read_text(encoding="utf-8").splitlines()
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip() or line.startswith("#"):
            i += 1
            continue
        words = line.split(maxsplit=2)
        record = Record(i + 1, words[0], "")
        if words[0] == "statement" and words[1] == "error":
            record.error = words[2] if len(words) > 2 else ".*"
        elif words[0] == "query":
            record.n_columns = len(words[1])
            record.is_sorted = len(words) > 2 and words[2] == "rowsort"
        elif line != "statement ok":
            raise ValueError(f"{path.name}:{i + 1}: not a record: {line}")
        i += 1
        sql: list[str] = []
        while i < len(lines) and lines[i].strip() and lines[i] != "----":
            sql.append(lines[i])
            i += 1
        record.sql = "\n".join(sql)
        if i < len(lines) and lines[i] == "----":
            i += 1
            while i < len(lines) and lines[i].strip():
                record.expected.append(lines[i])
                i += 1
        records.append(record)
    return records


def cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    text = str(value)
    return re.sub(r"\s", "_", text) if text else "(empty)"


def check(path: Path, record: Record, run: Runner) -> None:
    where = f"{path.name}:{record.line}"
    code, out, err = run(record.sql)
    if record.kind == "statement":
        if record.error:
            assert code != 0, f"{where}: succeeded, but should fail with {record.error}"
            assert re.search(record.error, err), f"{where}: {err}"
        else:
            assert code == 0, f"{where}: {err}"
        return
    assert code == 0, f"{where}: {err}"
    rows = json.loads(out or "[]")
    names: list[str] = []
    for row in rows:
        names += [name for name in row if name not in names]
    actual = [" ".join(cell(row.get(name)) for name in names) for row in rows]
    if rows:
        assert len(names) == record.n_columns, f"{where}: {len(names)} columns {names}"
    expected = list(record.expected)
    if record.is_sorted:
        actual.sort()
        expected.sort()
    assert actual == expected, f"{where}: {record.sql}"
