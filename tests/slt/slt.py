"""The sqllogictest format, as much of it as our files use, run through an engine: the program, or the C API.

    session write                              first in a file: its statements may change something
    statement ok | statement error REGEX       followed by SQL, then an empty line
    query TYPES [rowsort]                      SQL, `----`, one line a row, cells separated by one blank;
                                               NULL is NULL, an empty text (empty), blanks inside a text are _

TYPES is one letter a column, T I R B, checked against the number of columns alone. `$__TEST_DIR__` is a folder of the
file's own. The records of a file are one session.
"""

from __future__ import annotations

import datetime
import decimal
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass
class Answer:
    """What a statement gave: its rows, or the message with which it failed."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    failure: str | None = None


@dataclass
class Record:
    line: int
    kind: str
    sql: str
    expected: list[str] = field(default_factory=list)
    error: str = ""
    n_columns: int = 0
    is_sorted: bool = False


class Engine(Protocol):
    def run(self, records: list[Record]) -> list[Answer]:
        """The records in their order, in one session."""
        ...


@dataclass
class File:
    name: str
    is_writable: bool
    records: list[Record]


def parse(path: Path, folder: Path) -> File:
    """`folder` is what `$__TEST_DIR__` stands for."""
    records: list[Record] = []
    lines = path.read_text(encoding="utf-8").replace("$__TEST_DIR__", str(folder)).splitlines()
    is_writable = False
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip() or line.startswith("#"):
            i += 1
            continue
        if line == "session write" and not records:
            is_writable = True
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
    return File(path.name, is_writable, records)


def json_rows(text: str) -> list[dict[str, Any]]:
    """Numbers keep their digits."""
    return json.loads(text, parse_float=decimal.Decimal)


def plain(value: Any) -> Any:
    """A value of Arrow as JSON has it."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    text = str(value)
    return re.sub(r"\s", "_", text) if text else "(empty)"


def check(file: File, engine: Engine) -> None:
    answers = engine.run(file.records)
    for record, answer in zip(file.records, answers, strict=True):
        check_answer(f"{file.name}:{record.line}", record, answer)


def check_answer(where: str, record: Record, answer: Answer) -> None:
    if record.error:
        assert answer.failure is not None, f"{where}: succeeded, but should fail with {record.error}"
        assert re.search(record.error, answer.failure), f"{where}: {answer.failure}"
        return
    assert answer.failure is None, f"{where}: {answer.failure}"
    if record.kind == "statement":
        return
    for row in answer.rows:
        assert len(row) == record.n_columns, f"{where}: {len(row)} columns {list(row)}"
    actual = [" ".join(cell(plain(value)) for value in row.values()) for row in answer.rows]
    expected = list(record.expected)
    if record.is_sorted:
        actual.sort()
        expected.sort()
    assert actual == expected, f"{where}: {record.sql}"
