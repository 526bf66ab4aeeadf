"""The ids of docs/ids.md, computed here with the package xxhash and asked from the program (B14)."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import xxhash

if TYPE_CHECKING:
    from conftest import Program

VECTORS = re.findall(
    r"^\| `([a-z_]+\(.*\))` \| `(-?[0-9a-f]+)` \|$",
    (Path(__file__).resolve().parents[2] / "docs" / "ids.md").read_text(encoding="utf-8"),
    flags=re.M,
)


def number(value: int) -> bytes:
    return struct.pack("<Q", value & (2**64 - 1))


def text(value: str) -> bytes:
    raw = value.encode()
    return number(len(raw)) + raw


def hashed(encoded: bytes) -> int:
    return struct.unpack("<q", struct.pack("<Q", xxhash.xxh3_64_intdigest(encoded)))[0]


def file_id(repository: str, path: str) -> int:
    return hashed(b"\x01" + text(repository) + text(path))


def entity_id(file: int, qualified_path: str, kind: str, ordinal: int) -> int:
    return hashed(b"\x02" + number(file) + text(qualified_path) + text(kind) + number(ordinal))


def occurrence_id(file: int, start: int, end: int, kind: str, ordinal: int) -> int:
    return hashed(b"\x03" + number(file) + number(start) + number(end) + text(kind) + number(ordinal))


def content_id(raw: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(raw)


def evaluate(sql: str) -> str:
    """The vector's expression is Python's too, but for byte and repeated texts."""
    expression = re.sub(r"X'([0-9a-f]*)'", r"bytes.fromhex('\1')", sql)
    expression = re.sub(r"repeat\('([^']*)', (\d+)\) \|\| ", r"'\1' * \2 + ", expression)
    functions = {f.__name__: f for f in (file_id, entity_id, occurrence_id, content_id)}
    return str(eval(expression, functions))  # the text is our own page


@pytest.mark.parametrize(("sql", "value"), VECTORS, ids=[sql for sql, _ in VECTORS])
def test_vector(sql: str, value: str, program: Program) -> None:
    assert evaluate(sql) == value
    asked = f"encode({sql}, 'hex')" if sql.startswith("content_id") else f"CAST({sql} AS VARCHAR)"
    answer = program.run("sql", "--format", "ndjson", "-c", f"SELECT {asked} AS id")
    assert answer.code == 0, answer.err
    assert answer.rows() == [{"id": value}]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 12


def test_null_gives_null(program: Program) -> None:
    sql = "SELECT entity_id(NULL, 'f', 'function', 0) IS NULL AS is_null"
    answer = program.run("sql", "--format", "ndjson", "-c", sql)
    assert answer.rows() == [{"is_null": True}], answer.err
