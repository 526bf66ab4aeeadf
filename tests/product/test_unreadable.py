"""What goes wrong while rows are read says where: the dataset, the file, and what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from conftest import Answer, Program
from listed import Files, declare

COLUMNS = "a int64, b utf8"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def own(program: Program, tmp_path: Path) -> Files:
    return Files(program, tmp_path / "own")


def failure(files: Files, query: str, code: int, *args: str) -> str:
    """What is said of a query that fails, whatever rows went out before."""
    answer = files.run(query, "-o", str(files.datasets / "never.csv"), *args)
    assert answer.code == code, answer
    assert not (files.datasets / "never.csv").exists()
    return answer.err.removeprefix("codeanatomy: ").removesuffix("\n")


TEXTS: dict[str, tuple[str, str, str, str, str]] = {
    # format, declared, a good file, a bad one, what the reader says
    "csv, a number": (
        "csv",
        COLUMNS,
        "a,b\n1,x\n",
        "a,b\n1,x\n2,y\nthree,z\n",
        "Arrow error: Parser error: Error while parsing value 'three' as type 'Int64' for column 0 at line 3. "
        "Row data: '[three,z]'",
    ),
    "csv, a day": (
        "csv",
        "a date32, b utf8",
        "a,b\n2020-01-31,x\n",
        "a,b\n2020-02-31,x\n",
        "Arrow error: Parser error: Error while parsing value '2020-02-31' as type 'Date32' for column 0 at line 1. "
        "Row data: '[2020-02-31,x]'",
    ),
    "csv, a field too many": (
        "csv",
        COLUMNS,
        "a,b\n1,x\n",
        "a,b\n1,x\n2,y,z\n",
        "Arrow error: Csv error: incorrect number of fields for line 3, expected 2 got 3",
    ),
    "ndjson, a number": (
        "ndjson",
        COLUMNS,
        '{"a":1,"b":"x"}\n',
        '{"a":1,"b":"x"}\n' * 1000 + '{"a":"three","b":"x"}\n',
        "Arrow error: Json error: whilst decoding field 'a': failed to parse \"three\" as Int64",
    ),
    "ndjson, cut": (
        "ndjson",
        COLUMNS,
        '{"a":1,"b":"x"}\n',
        '{"a":1,"b":"x"}\n' * 1000 + '{"a":2,"b":"x',
        "Arrow error: Json error: Truncated record whilst reading string",
    ),
}


@pytest.mark.parametrize(("format", "columns", "good", "bad", "said"), TEXTS.values(), ids=TEXTS)
def test_text_that_is_none_of_its_type(
    format: str, columns: str, good: str, bad: str, said: str, place: Path, own: Files
) -> None:
    """B10, G2, issue 4 "data that contradicts its contract": of several files the one that cannot be read is named,
    with its dataset and what to do; the engine's error alone had neither."""
    for name in ("a", "b", "d"):
        (place / f"{name}.{format}").write_text(good)
    (place / f"c.{format}").write_text(bad)
    declare(own.datasets, columns, place, format=format)
    assert failure(own, "SELECT * FROM t ORDER BY a", 4) == (
        f"table 'public.t': file '{place}/c.{format}' cannot be read as {format}: {said}: "
        "mend it, or declare the type of its text"
    )


def damage(path: Path) -> None:
    """Zeros in the middle: what says how the file is laid out stands at its ends."""
    content = path.read_bytes()
    third = len(content) // 3
    path.write_bytes(content[:third] + bytes(third) + content[2 * third :])


def many_rows(n: int = 20_000) -> pa.Table:
    b = [f"row {i * 31 % n}" for i in range(n)]
    return pa.table({"a": [i * 7919 % n for i in range(n)], "b": b, "f": [i * 104_729 % n / 3 for i in range(n)]})


def write_parquet(path: Path) -> None:
    pq.write_table(many_rows(), path, compression="zstd", row_group_size=5000)


def write_arrow(path: Path) -> None:
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(str(path), many_rows().schema, options=options) as writer:
        writer.write_table(many_rows(), max_chunksize=5000)


def write_avro(path: Path) -> None:
    import polars

    polars.from_arrow(many_rows()).write_avro(path, compression="deflate")  # pyright: ignore[reportAttributeAccessIssue]


BINARY: dict[str, Callable[[Path], None]] = {"parquet": write_parquet, "arrow": write_arrow, "avro": write_avro}


@pytest.mark.parametrize("query", ["SELECT sum(a), max(b) FROM t", "SELECT a FROM t WHERE f > 5"])
@pytest.mark.parametrize("format", BINARY)
def test_a_file_that_is_damaged_inside(format: str, query: str, place: Path, own: Files) -> None:
    """B10, G2: a file whose header and footer are whole and whose rows are not, also where it is first looked through
    for NaN (0011)."""
    for name in "abcd":
        BINARY[format](place / f"{name}.{format}")
    damage(place / f"c.{format}")
    declare(own.datasets, "a int64, b utf8, f float64", place, format=format)
    said = failure(own, query, 3)
    assert said.startswith(f"table 'public.t': file '{place}/c.{format}' cannot be read as {format}: "), said
    assert said.endswith(ANOTHER)


def test_a_part_of_a_large_file(place: Path, own: Files) -> None:
    """G2: a large file is read in parts, each of which counts its lines for itself."""
    lines = [f"{i},{'x' * 100}\n" for i in range(150_000)]
    lines[-1] = "last,x\n"
    (place / "a.csv").write_text("a,b\n" + "".join(lines))
    declare(own.datasets, COLUMNS, place, format="csv")
    said = failure(own, "SELECT count(a) FROM t WHERE a >= 0", 4)
    found = re.fullmatch(
        rf"table 'public.t': file '{place}/a.csv', from byte (\d+) on, cannot be read as csv: .*value 'last' as type "
        r"'Int64' for column 0 at line (\d+)\..*",
        said,
    )
    assert found, said
    start, line = int(found[1]), int(found[2])
    content = (place / "a.csv").read_bytes()
    first = content.index(b"\n", start) + 1 if content[start - 1 : start] != b"\n" else start
    # A value's line is counted from 0.
    assert content[first:].splitlines()[line] == b"last,x"


def test_a_filter_that_fails_is_no_damage(place: Path, own: Files) -> None:
    """G2: a filter that the reader runs and cannot evaluate has its own words; the file is whole."""
    write_parquet(place / "a.parquet")
    declare(own.datasets, "a int64, b utf8, f float64", place, scan="pushdown_filters: true")
    said = failure(own, "SELECT a FROM t WHERE 10 / (a - 7919) > 1", 3)
    assert said.startswith(f"table 'public.t': file '{place}/a.parquet': ") and "DivideByZero" in said, said
    assert "cannot be read" not in said and "whole" not in said


def overwrite(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


ANOTHER = ": put a whole one in its place"
FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (Path.unlink, ": it is not there, and the table names it"),
    "cut": (lambda p: p.write_bytes(p.read_bytes()[:-100]), r": it has \d+ bytes, the table says \d+"),
    "overwritten": (overwrite, " cannot be read as parquet: .*"),
    "damaged inside": (damage, " cannot be read as parquet: .*"),
}


@pytest.mark.parametrize(("change", "said"), FILES.values(), ids=FILES)
def test_a_file_of_a_delta_table(
    change: Callable[[Path], object], said: str, tmp_path: Path, program: Program, shop_store: Path
) -> None:
    """G2, issue 4 "data that contradicts its contract": a Delta table plans by its log alone, so that what became of a
    file shows when it is read. A count of rows, which the log answers, is none of it."""
    store = tmp_path / "store"
    shutil.copytree(shop_store, store)
    [part] = (store / stored.entries(store)["public.classes"]["location"]).glob("*.parquet")
    change(part)
    answer = program.run("sql", "--store", store, "-q", "-c", "SELECT name FROM classes")
    assert answer.code == 3
    place = re.escape(f"codeanatomy: table 'public.classes': file '{part}'")
    assert re.fullmatch(f"{place}{said}{ANOTHER}\n", answer.err), answer.err
    assert program.sql(store, "SELECT count(*) AS n FROM classes") == [{"n": 3}]
    assert len(program.sql(store, "SELECT name FROM functions")) == 13


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_listed_file_that_went(format: str, place: Path, own: Files) -> None:
    """B4 mutable_listing, G2: where the files of the first plan are all there is, one may go before it is read."""
    for name in "ab":
        if format == "csv":
            (place / f"{name}.csv").write_text("a,b\n1,x\n")
        else:
            pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), place / f"{name}.parquet")
    declare(own.datasets, COLUMNS, place, format=format, scan="mutable_listing: false")
    with capi.Session(datasets=own.datasets) as session:
        session.query("SELECT * FROM t")
        (place / f"b.{format}").unlink()
        with pytest.raises((OSError, pa.ArrowInvalid)) as failed:
            session.query("SELECT * FROM t")
    words = f"table 'public.t': file '{place}/b.{format}': it is not there, and the table names it{ANOTHER}"
    assert words in str(failed.value)


@pytest.mark.parametrize("format", ["csv", "ndjson"])
def test_an_endless_stream(format: str, own: Files, tmp_path: Path) -> None:
    """B4 unbounded, G2: a file that is read as it grows is named too."""
    path = tmp_path / f"rows.{format}"
    path.write_text("a,b\n1,x\nthree,y\n" if format == "csv" else '{"a":1,"b":"x"}\n{"a":"three","b":"y"}\n')
    declare(own.datasets, COLUMNS, path, format=format, scan="unbounded: true")
    said = failure(own, "SELECT * FROM t", 4)
    assert said.startswith(f"table 'public.t': file '{path}' cannot be read as {format}: Arrow error: "), said
    assert "three" in said and said.endswith(": mend it, or declare the type of its text")


# ---- pipes -----------------------------------------------------------------------------------------------------------


def at_once(program: Program, *args: str | Path) -> Answer:
    """A call that would wait for a writer of the pipe, who never comes."""
    command = [str(program.path), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def test_a_pipe_in_place_of_a_file_of_a_delta_table(tmp_path: Path, program: Program, shop_store: Path) -> None:
    """Issue 4, "Bad input", B13, G1: to open a pipe waits for its other end. A query, `verify` and `registry.health`
    say at once that there is no file."""
    store = tmp_path / "store"
    shutil.copytree(shop_store, store)
    [part] = (store / stored.entries(store)["public.classes"]["location"]).glob("*.parquet")
    part.unlink()
    os.mkfifo(part)
    asked = at_once(program, "sql", "--store", store, "-q", "-c", "SELECT name FROM classes")
    words = f"file '{part}': it is no regular file"
    assert asked.code == 3 and asked.err == f"codeanatomy: table 'public.classes': {words}{ANOTHER}\n"

    verified = at_once(program, "verify", "--read-only", "--store", store, "--format", "ndjson", "classes")
    [file] = [row for row in verified.rows() if row["kind"] == "file"]
    assert verified.code == 1 and (file["fact"], file["status"]) == (part.name, "violated")
    assert file["detail"] == "it is no regular file"

    query = (
        "SELECT health, reason FROM registry.health WHERE schema_name = 'public' "
        "AND dataset_name IN ('classes', 'functions') ORDER BY 1"
    )
    health = at_once(program, "sql", "--store", store, "-q", "--format", "ndjson", "-c", query).rows()
    assert health == [{"health": "broken", "reason": words}, {"health": "ok", "reason": None}]


@pytest.mark.parametrize("format", ["parquet", "csv", "ndjson", "arrow", "avro"])
def test_a_pipe_in_place_of_a_listed_file(format: str, own: Files, program: Program, tmp_path: Path) -> None:
    """B4 unbounded, issue 4, "Bad input": a location that is a pipe is refused, unless rows are read as they come."""
    pipe = tmp_path / f"a.{format}"
    os.mkfifo(pipe)
    declare(own.datasets, COLUMNS, pipe, format=format)
    asked = at_once(program, "sql", "--datasets", own.datasets, "-q", "-c", "SELECT a FROM t")
    assert (asked.code, asked.err) == (
        3,
        f"codeanatomy: table 'public.t': location 'file://{pipe}': it is no regular file: put one there, or say "
        "unbounded: true of a pipe of CSV or JSON lines\n",
    )
    made = f"CREATE EXTERNAL TABLE u STORED AS {format} LOCATION '{pipe}'"
    asked = at_once(program, "sql", "--datasets", own.datasets, "-q", "--write", "-c", made)
    assert asked.code != 0 and "it is no regular file" in asked.err


# ---- deletion vectors ------------------------------------------------------------------------------------------------

Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def deletion_vector(row: int) -> dict[str, Any]:
    """That of one row, as the Delta protocol writes it into the log: a Roaring bitmap, base 85."""
    bitmap = struct.pack("<IIHHIH", 12346, 1, 0, 0, 16, row)
    content = struct.pack("<IQI", 1681511377, 1, 0) + bitmap
    padded = content + bytes(-len(content) % 4)
    words = struct.unpack(f">{len(padded) // 4}I", padded)
    text = "".join(Z85[word // 85**power % 85] for word in words for power in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(content), "cardinality": 1}


def test_a_table_with_deletion_vectors(place: Path, own: Files) -> None:
    """B1: delta-rs takes no other readers for a table with deletion vectors, whose rows are those that were not
    deleted; errors of its files have no place."""
    table = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    pq.write_table(table, place / "part.parquet")
    fields = [{"name": n, "type": t, "nullable": True, "metadata": {}} for n, t in (("a", "long"), ("b", "string"))]
    schema = json.dumps({"type": "struct", "fields": fields})
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    add = {
        **{"path": "part.parquet", "partitionValues": {}, "size": (place / "part.parquet").stat().st_size},
        **{"modificationTime": 0, "dataChange": True, "stats": json.dumps({"numRecords": 3})},
        "deletionVector": deletion_vector(1),
    }
    log = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {
            "metaData": {
                **{"id": "00000000-0000-4000-8000-000000000000", "format": {"provider": "parquet", "options": {}}},
                **{"schemaString": schema, "partitionColumns": [], "configuration": {}},
            }
        },
        {"add": add},
    ]
    (place / "_delta_log").mkdir()
    (place / "_delta_log" / f"{0:020}.json").write_text("".join(json.dumps(line) + "\n" for line in log))
    declare(own.datasets, COLUMNS, place, format="delta")
    assert own.ask("SELECT a, b FROM t ORDER BY a") == [{"a": 1, "b": "x"}, {"a": 3, "b": "z"}]
