"""Tables over files of somebody else: every storage kind, every scan option by its effect, and the handshake that
compares what files have with what a contract says before a row is read."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import capi
import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from conftest import Program
from listed import Files, Watch, declare

ROWS = pa.table({"a": pa.array([1, 2, 3], pa.int64()), "b": pa.array(["x", "y", None], pa.string())})
COLUMNS = "a int64, b utf8"
GOT = ROWS.to_pylist()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a test's files are."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


def rows_of(datasets: Path, sql: str = "SELECT a, b FROM t ORDER BY a") -> list[dict[str, Any]]:
    with capi.Session(datasets=datasets) as session:
        return session.rows(sql)


def plan_of(session: capi.Session, query: str) -> str:
    rows = session.rows(f"EXPLAIN {query}")
    return "\n".join(row["plan"] for row in rows if row["plan_type"] == "physical_plan")


def refusal(datasets: Path, sql: str = "SELECT * FROM t", status: str = "CA_ERR_DRIFT") -> str:
    with capi.Session(datasets=datasets) as session:
        session.query("DESCRIBE t")
        with pytest.raises(capi.Refused) as refused:
            session.query(sql)
    assert refused.value.status == status, refused.value
    return refused.value.message


# ---- B1: storage kinds ---------------------------------------------------------------------------------------------


def write_parquet(path: Path, rows: pa.Table) -> None:
    pq.write_table(rows, path / "one.parquet")


def write_csv(path: Path, rows: pa.Table) -> None:
    pyarrow.csv.write_csv(rows, path / "one.csv")


def write_ndjson(path: Path, rows: pa.Table) -> None:
    polars.from_arrow(rows).write_ndjson(path / "one.ndjson")  # pyright: ignore[reportAttributeAccessIssue]


def write_arrow(path: Path, rows: pa.Table) -> None:
    with pa.ipc.new_file(str(path / "one.arrow"), rows.schema) as writer:
        writer.write_table(rows)


def write_avro(path: Path, rows: pa.Table) -> None:
    polars.from_arrow(rows).write_avro(path / "one.avro")  # pyright: ignore[reportAttributeAccessIssue]


WRITERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "ndjson": write_ndjson,
    "arrow": write_arrow,
    "avro": write_avro,
}


@pytest.mark.parametrize("format", WRITERS)
def test_each_file_format_is_read(format: str, place: Path, tmp_path: Path) -> None:
    """B1: a listing of each format answers through its contract, its stray files left alone."""
    WRITERS[format](place, ROWS)
    (place / "README.txt").write_text("no data")
    declare(own(tmp_path), COLUMNS, place, format=format)
    got = rows_of(own(tmp_path))
    want = [{**row, "b": row["b"] or ""} for row in GOT] if format == "csv" else GOT
    assert [{**row, "b": row["b"] or ""} if format == "csv" else row for row in got] == want
    assert rows_of(own(tmp_path), "SELECT count(*) AS n FROM t WHERE a > 1") == [{"n": 2}]


def test_a_memory_table_is_there_and_empty(tmp_path: Path) -> None:
    """B1, B2: a dataset kept in memory is queryable; nobody gave it rows."""
    declare(own(tmp_path), COLUMNS, None, format="memory")
    assert rows_of(own(tmp_path)) == []


@pytest.mark.parametrize("format", ["stream", "csv", "ndjson"])
def test_an_endless_stream_answers_while_it_is_open(format: str, tmp_path: Path) -> None:
    """B1, B4 unbounded: rows of a pipe are there as they come, and a plan that needs its end is refused."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    scan = "" if format == "stream" else "unbounded: true"
    text = b"b,a\nx,1\ny,2\n" if format == "csv" else b'{"b":"x","a":1}\n{"a":2,"b":"y"}\n'
    more = "reorder: allow, default: refuse"
    declare(own(tmp_path), COLUMNS, pipe, format=format, scan=scan, evolution=more)
    writer = os.open(pipe, os.O_RDWR)
    try:
        os.write(writer, text)
        with capi.Session(datasets=own(tmp_path)) as session:
            assert session.rows("SELECT a, b FROM t LIMIT 2") == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
            assert "infinite_source=true" in plan_of(session, "SELECT a FROM t")
            with pytest.raises(capi.Refused, match=r"(?i)unbounded|pipeline|infinite"):
                session.query("SELECT a FROM t ORDER BY a")
            os.write(writer, b"z,3\n" if format == "csv" else b'{"a":3,"b":"z"}\n')
            os.close(writer)
            writer = -1
    finally:
        if writer >= 0:
            os.close(writer)


def test_a_stream_with_other_columns_is_refused(tmp_path: Path) -> None:
    """B10: the header of a stream is compared before its first row; a JSON key that nobody declared ends it."""
    (tmp_path / "s.csv").write_text("a,c\n1,x\n")
    declare(own(tmp_path), COLUMNS, tmp_path / "s.csv", format="csv", scan="unbounded: true")
    with (
        capi.Session(datasets=own(tmp_path)) as session,
        pytest.raises(pa.ArrowInvalid, match=r"'c' .* is not declared"),
    ):
        session.query("SELECT * FROM t")


# ---- B10: the handshake --------------------------------------------------------------------------------------------

I32, I64, TEXT = pa.int32(), pa.int64(), pa.string()


def nested(*fields: tuple[str, pa.DataType]) -> pa.DataType:
    return pa.list_(pa.struct(list(fields)))


NESTED_COLUMNS = """\
  - {name: a, type: int64, nullable: true, doc: d}
  - name: n
    type: list
    nullable: true
    doc: d
    item: {type: struct, nullable: true, fields: [
      {name: k, type: utf8, nullable: true, doc: d}, {name: v, type: int32, nullable: true, doc: d}]}
"""

REFUSED: list[tuple[str, str, list[tuple[str, pa.DataType]], str]] = [
    ("order", COLUMNS, [("b", TEXT), ("a", I64)], "'b' is at place 1, expected 2 [column_moved: "),
    ("case", COLUMNS, [("A", I64), ("b", TEXT)], "'a' is named 'A' [column_case: "),
    ("missing", COLUMNS, [("a", I64)], "'b' (utf8) is missing [column_missing: "),
    ("extra", COLUMNS, [("a", I64), ("b", TEXT), ("c", pa.float64())], "'c' (float64) is not declared [column_unexpec"),
    ("narrower", "a int32, b utf8", [("a", I64), ("b", TEXT)], "'a' is int64, expected int32 [type_differs: "),
    ("other", "a bool, b utf8", [("a", I64), ("b", TEXT)], "'a' is int64, expected bool [type_differs: "),
    ("required", "a int64, b utf8 not null", [("a", I64)], "'b' (utf8) is missing [column_missing: it is NOT NULL"),
    ("nested order", NESTED_COLUMNS, [("a", I64), ("n", nested(("v", I32), ("k", TEXT)))], "[field_moved: "),
    ("nested case", NESTED_COLUMNS, [("a", I64), ("n", nested(("K", TEXT), ("v", I32)))], "'n[].k' is named 'K' [fie"),
    ("nested missing", NESTED_COLUMNS, [("a", I64), ("n", nested(("k", TEXT)))], "'n[].v' (int32) is missing [field_"),
    (
        "nested extra",
        NESTED_COLUMNS,
        [("a", I64), ("n", nested(("k", TEXT), ("v", I32), ("w", I32)))],
        "'n[].w' (int32) is not declared [field_unexpected: ",
    ),
    (
        "nested type",
        NESTED_COLUMNS,
        [("a", I64), ("n", nested(("k", TEXT), ("v", I64)))],
        "'n[].v' is int64, expected int32 [type_differs: ",
    ),
]


@pytest.mark.parametrize(("columns", "found", "said"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_difference_is_refused(
    columns: str, found: list[tuple[str, pa.DataType]], said: str, place: Path, tmp_path: Path
) -> None:
    """B10: the file, the path, both types and what to do are named; nothing is read."""
    pq.write_table(pa.schema(found).empty_table(), place / "one.parquet")
    declare(own(tmp_path), columns, place)
    message = refusal(own(tmp_path))
    assert message.startswith("table 'public.t': file '") and "one.parquet' does not fit what is declared: " in message
    assert said in message


def test_refused_is_exit_code_4_and_writes_nothing(program: Program, place: Path, tmp_path: Path) -> None:
    """B10: the program ends with code 4, prints no row and makes no file."""
    pq.write_table(pa.table({"A": [1]}), place / "one.parquet")
    declare(own(tmp_path), "a int64", place)
    files = Files(program, own(tmp_path), ["--write"])
    out = tmp_path / "out.csv"
    for sql in ("SELECT * FROM t", f"COPY (SELECT a FROM t) TO '{out}' STORED AS CSV"):
        assert "'a' is named 'A'" in files.refused(sql)
    assert not out.exists()


@pytest.mark.parametrize("format", ["csv", "ndjson", "arrow", "avro"])
def test_each_format_is_compared(format: str, place: Path, tmp_path: Path) -> None:
    """B10: header, sample, IPC schema and avro schema are compared like a Parquet footer."""
    WRITERS[format](place, ROWS.append_column("c", pa.array([1, 2, 3], pa.int64())))
    declare(own(tmp_path), COLUMNS, place, format=format)
    assert "'c' (" in refusal(own(tmp_path)) and "is not declared" in refusal(own(tmp_path))
    if format != "csv":
        declare(own(tmp_path), "a bool, b utf8, c int64", place, format=format)
        assert "'a' is int64, expected bool" in refusal(own(tmp_path))


def test_allowed_differences_are_aligned(place: Path, tmp_path: Path) -> None:
    """B9, B10, B11: with the rules that allow it, files of other order, of lacking and of more columns are one
    table; what
    a file lacks is its default, a narrower integer is read as the wider one."""
    pq.write_table(pa.table({"b": ["x"], "a": pa.array([1], pa.int32()), "gone": [0]}), place / "1.parquet")
    pq.write_table(pa.table({"a": pa.array([2], pa.int64())}), place / "2.parquet")
    pq.write_table(pa.table({"a": [3], "b": ["z"], "c": [9]}), place / "3.parquet")
    columns = "a int64, b utf8, c int64 not null default 7"
    declare(own(tmp_path), columns, place, evolution="default: allow")
    got = rows_of(own(tmp_path), "SELECT a, b, c FROM t ORDER BY a")
    assert got == [{"a": 1, "b": "x", "c": 7}, {"a": 2, "b": None, "c": 7}, {"a": 3, "b": "z", "c": 9}]
    # engine.md 0.13: with statistics the engine would take a lacking column for NULL before anybody completes it.
    assert rows_of(own(tmp_path), "SELECT count(*) AS n, count(c) AS m FROM t WHERE c = 7") == [{"n": 2, "m": 2}]


def test_nested_fields_are_aligned(place: Path, tmp_path: Path) -> None:
    """B10, B11: inside of lists of structs too."""
    value = pa.array([[{"v": 1, "k": "x"}]], nested(("v", pa.int16()), ("k", TEXT)))
    pq.write_table(pa.table({"a": [1], "n": value}), place / "1.parquet")
    declare(own(tmp_path), NESTED_COLUMNS, place, evolution="default: refuse, reorder: allow, nested: allow")
    assert rows_of(own(tmp_path), "SELECT n FROM t") == [{"n": [{"k": "x", "v": 1}]}]


DEFAULTS_INSIDE = """\
  - {name: a, type: int64, nullable: false, doc: d}
  - name: s
    type: struct
    nullable: true
    doc: d
    fields:
      - {name: x, type: int64, nullable: true, default: "9", doc: d}
      - {name: y, type: utf8, nullable: false, default: "'why'", doc: d}
      - {name: z, type: utf8, nullable: true, doc: d}
  - name: l
    type: list
    nullable: true
    doc: d
    item: {type: struct, nullable: true, fields: [{name: u, type: int32, nullable: true, default: "4", doc: d}, {name: v, type: utf8, nullable: true, doc: d}]}
  - name: m
    type: map
    nullable: true
    doc: d
    key: {type: utf8}
    value: {type: struct, nullable: true, fields: [{name: u, type: int32, nullable: true, doc: d}, {name: w, type: int64, nullable: false, default: "-1", doc: d}]}
"""  # noqa: E501


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_fields_that_files_lack_have_their_defaults(format: str, large: bool, place: Path, tmp_path: Path) -> None:
    """B9, B10, B11: at any depth, and so they are filtered by. A nullable one was null, a NOT NULL one was refused
    as if it had no default."""
    item = pa.struct([("v", TEXT)])
    held = pa.map_(TEXT, pa.struct([("u", pa.int32())]))
    rows = pa.table(
        {
            "a": [1, 2, 3],
            "s": pa.array([{"z": "k"}, None, {"z": None}], pa.struct([("z", TEXT)])),
            "l": pa.array([[{"v": "i"}, None], [], None], pa.large_list(item) if large else pa.list_(item)),
            "m": pa.array([[("k", {"u": 1}), ("n", None)], None, []], held),
        }
    )
    rows = pa.concat_tables([rows.slice(2), rows.slice(0, 2)]).combine_chunks().slice(0)
    if format == "parquet":
        pq.write_table(rows, place / "1.parquet")
    else:
        with pa.ipc.new_file(str(place / "1.arrow"), rows.schema) as file:
            file.write_table(rows, max_chunksize=2)
    declare(own(tmp_path), DEFAULTS_INSIDE, place, format=format, evolution="default: allow")
    with capi.Session(datasets=own(tmp_path)) as session:
        assert session.rows("SELECT * FROM t ORDER BY a") == [
            {
                "a": 1,
                "s": {"x": 9, "y": "why", "z": "k"},
                "l": [{"u": 4, "v": "i"}, None],
                "m": [("k", {"u": 1, "w": -1}), ("n", None)],
            },
            {"a": 2, "s": None, "l": [], "m": None},
            {"a": 3, "s": {"x": 9, "y": "why", "z": None}, "l": None, "m": []},
        ]
        assert session.rows("SELECT a FROM t WHERE s['x'] = 9 AND s['y'] = 'why' ORDER BY a") == [{"a": 1}, {"a": 3}]
        assert session.rows("SELECT count(s['x']) AS n, count(*) AS all FROM t") == [{"n": 2, "all": 3}]
    declare(own(tmp_path), DEFAULTS_INSIDE, place, format=format, evolution="default: allow, add_required: refuse")
    assert "'s.y' (utf8) is missing [field_missing: write it, or let the contract's evolution say" in refusal(
        own(tmp_path)
    )


@pytest.mark.parametrize("format", ["ndjson", "stream"])
def test_what_json_leaves_out(format: str, place: Path, tmp_path: Path) -> None:
    """B10, B11: where null is refused it is the default, row by row; it came as a null in a NOT NULL column. What may
    be null is null."""
    file = place / "1.ndjson"
    file.write_text(
        '{"a": 1, "s": {"z": "k"}, "l": [{"v": "i"}]}\n{"a": 2, "n": null, "s": null, "l": null}\n'
        '{"a": 3, "n": 7, "s": {"x": 1, "y": "n", "z": null}, "l": [{"v": null, "u": 2}]}\n'
    )
    held = DEFAULTS_INSIDE[: DEFAULTS_INSIDE.index("  - name: m")].replace(
        "{name: u, type: int32, nullable: true", "{name: u, type: int32, nullable: false"
    )
    columns = held + '  - {name: n, type: int64, nullable: false, default: "5", doc: d}\n'
    declare(own(tmp_path), columns, file if format == "stream" else place, format=format, evolution="default: allow")
    with capi.Session(datasets=own(tmp_path)) as session:
        assert session.rows("SELECT a, n, s, l FROM t") == [
            {"a": 1, "n": 5, "s": {"x": None, "y": "why", "z": "k"}, "l": [{"u": 4, "v": "i"}]},
            {"a": 2, "n": 5, "s": None, "l": None},
            {"a": 3, "n": 7, "s": {"x": 1, "y": "n", "z": None}, "l": [{"u": 2, "v": None}]},
        ]
        assert session.rows("SELECT a FROM t WHERE n = 5") == [{"a": 1}, {"a": 2}]
        assert session.rows("SELECT a FROM t WHERE n IS NULL OR s['y'] = 'why'") == [{"a": 1}]
        if format == "stream":
            return
        assert session.rows("SELECT count(n) AS n, sum(n) AS total FROM t") == [{"n": 3, "total": 17}]
        assert session.rows("SELECT n FROM t ORDER BY n DESC LIMIT 1") == [{"n": 7}]


def test_a_lossy_cast_is_named_by_the_contract(place: Path, tmp_path: Path) -> None:
    """B10: float64 becomes float32 only where the column names it."""
    pq.write_table(pa.table({"a": [0.1]}), place / "1.parquet")
    column = "  - {{name: a, type: float32, nullable: true, doc: d{}}}\n"
    declare(own(tmp_path), column.format(""), place)
    assert "lossy_from" in refusal(own(tmp_path))
    declare(own(tmp_path), column.format(", lossy_from: [float64]"), place)
    [row] = rows_of(own(tmp_path), "SELECT a FROM t")
    assert row["a"] == pytest.approx(0.1, rel=1e-6) and row["a"] != 0.1


@pytest.mark.parametrize(
    ("type", "values", "want"),
    [
        ("float32", [math.inf, None, -1.25], [math.inf, None, -1.25]),
        ("int64", [2.5, None, -1.9], [2, None, -1]),
    ],
)
def test_a_lossy_cast_keeps_the_range(
    type: str, values: list[float | None], want: list[float | None], place: Path, tmp_path: Path
) -> None:
    """B10: what is named may lose precision; a value out of range is refused, never an infinity."""
    column = f"  - {{name: a, type: {type}, nullable: true, doc: d, lossy_from: [float64]}}\n"
    declare(own(tmp_path), column, place)
    pq.write_table(pa.table({"a": values}), place / "1.parquet")
    assert [row["a"] for row in rows_of(own(tmp_path), "SELECT a FROM t")] == want
    pq.write_table(pa.table({"a": [*values, 1e300]}), place / "1.parquet")
    message = f"column 'a': .*Can't cast value 1e300 to type {type.capitalize()}"
    with pytest.raises(pa.ArrowInvalid, match=message):
        rows_of(own(tmp_path), "SELECT a FROM t")


def test_a_files_not_null_is_not_believed(place: Path, tmp_path: Path) -> None:
    """0.1, B10: a null in a column that the contract declares NOT NULL is found by who looks for it."""
    pq.write_table(pa.table({"a": pa.array([1, None], pa.int64())}), place / "1.parquet")
    declare(own(tmp_path), "a int64 not null", place)
    asked = "SELECT count(*) AS n FROM t WHERE a IS NULL"
    assert rows_of(own(tmp_path), asked) == [{"n": 1}]


def test_a_files_order_is_not_believed(place: Path, tmp_path: Path) -> None:
    """0.14: sorting_columns of a footer over unsorted rows do not take the sort away."""
    rows = pa.table({"a": pa.array([3, 1, 2], pa.int64())})
    pq.write_table(rows, place / "1.parquet", sorting_columns=[pq.SortingColumn(0)])
    declare(own(tmp_path), "a int64", place, more="order: [a]")
    assert [row["a"] for row in rows_of(own(tmp_path), "SELECT a FROM t ORDER BY a")] == [1, 2, 3]
    with capi.Session(datasets=own(tmp_path)) as session:
        assert "SortExec" in plan_of(session, "SELECT a FROM t ORDER BY a")


BAD: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("empty", lambda _: None, "CA_ERR_NOT_FOUND", "no file '*.parquet' in 'file://"),
    ("stray alone", lambda p: (p / "a.json").write_text("{}"), "CA_ERR_NOT_FOUND", "no file '*.parquet' in"),
    (
        "no footer",
        lambda p: (p / "a.parquet").write_bytes(b"PAR1 nothing of it"),
        "CA_ERR_DRIFT",
        "cannot be read as p",
    ),
    ("no bytes", lambda p: (p / "a.parquet").write_bytes(b""), "CA_ERR_DRIFT", "a.parquet' cannot be read as parquet"),
    (
        "cut footer",
        lambda p: (
            pq.write_table(ROWS, p / "a.parquet"),
            (p / "a.parquet").write_bytes((p / "a.parquet").read_bytes()[:-20] + b"\xff" * 12 + b"\x7f\0\0\0PAR1"),
        ),
        "CA_ERR_DRIFT",
        "a.parquet' cannot be read as parquet",
    ),
    ("gone", shutil.rmtree, "CA_ERR_NOT_FOUND", "nothing is at"),
]


@pytest.mark.parametrize(("make", "status", "said"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_bad_location_is_named(
    make: Callable[[Path], object], status: str, said: str, place: Path, tmp_path: Path
) -> None:
    """B10: a location without files, and files that are none, fail with dataset and path; another table of the session
    still answers."""
    declare(own(tmp_path), COLUMNS, place)
    other = tmp_path / "other"
    other.mkdir()
    write_parquet(other, ROWS)
    declare(own(tmp_path), COLUMNS, other, name="u")
    make(place)
    message = refusal(own(tmp_path), status=status)
    assert message.startswith("table 'public.t': ") and said in message
    assert len(rows_of(own(tmp_path), "SELECT * FROM u")) == 3


def test_new_files_are_compared_when_a_plan_meets_them(place: Path, tmp_path: Path) -> None:
    """B10, 0.9: there is no list of files that lives for ever, and a file of other columns does not slip in later."""
    write_parquet(place, ROWS)
    declare(own(tmp_path), COLUMNS, place)
    with capi.Session(datasets=own(tmp_path)) as session:
        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 3}]
        pq.write_table(ROWS, place / "two.parquet")
        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 6}]
        pq.write_table(ROWS.rename_columns(["a", "B"]), place / "three.parquet")
        with pytest.raises(capi.Refused, match=r"three.parquet"):
            session.query("SELECT count(*) AS n FROM t")
        pq.write_table(ROWS.rename_columns(["A", "b"]), place / "two.parquet")
        (place / "three.parquet").unlink()
        with pytest.raises(capi.Refused, match=r"two.parquet"):
            session.query("SELECT a FROM t")


# ---- B4: scan options ----------------------------------------------------------------------------------------------


def partitioned(place: Path) -> None:
    for year in (2023, 2024):
        folder = place / f"year={year}"
        folder.mkdir()
        pq.write_table(pa.table({"a": pa.array([year], pa.int64()), "b": ["x"]}), folder / "one.parquet")


def test_partition_columns_keep_place_type_and_nullability(place: Path, tmp_path: Path) -> None:
    """B4: the engine would move the column last and make it a dictionary; here DESCRIBE says what was declared, and
    a filter
    on it opens no other directory."""
    partitioned(place)
    columns = "a int64, year int32 not null, b utf8"
    declare(own(tmp_path), columns, place, more="partition_by: [year]")
    with capi.Session(datasets=own(tmp_path)) as session:
        described = session.rows("DESCRIBE t")
        assert [(r["column_name"], r["data_type"], r["is_nullable"]) for r in described] == [
            ("a", "Int64", "YES"),
            ("year", "Int32", "NO"),
            ("b", "Utf8", "YES"),
        ]
        assert session.query("SELECT * FROM t ORDER BY a").to_pydict() == {
            "a": [2023, 2024],
            "year": [2023, 2024],
            "b": ["x", "x"],
        }
        plan = plan_of(session, "SELECT a FROM t WHERE year = 2024")
        assert "year=2024/one.parquet" in plan and "year=2023" not in plan


def test_a_file_outside_its_partition_is_refused(place: Path, tmp_path: Path) -> None:
    """B4, G2: the engine passes over such a file without a word."""
    partitioned(place)
    declare(own(tmp_path), "a int64, year int32 not null, b utf8", place, more="partition_by: [year]")
    (place / "year=never").mkdir()
    shutil.copy(place / "year=2023" / "one.parquet", place / "year=never")
    assert "its directory says year = 'never', which is no Int32" in refusal(own(tmp_path))
    shutil.rmtree(place / "year=never")
    shutil.copy(place / "year=2023" / "one.parquet", place)
    assert "it is not in a directory 'year=..', the table's partitions" in refusal(own(tmp_path))


def test_infer_partitions(place: Path, tmp_path: Path) -> None:
    """B4: the columns of that name come from the directories, or the directories mean nothing."""
    partitioned(place)
    columns = "a int64, year int32, b utf8"
    declare(own(tmp_path), columns, place, scan="infer_partitions: true")
    assert rows_of(own(tmp_path), "SELECT sum(year) AS n FROM t") == [{"n": 4047}]
    declare(own(tmp_path), columns, place, scan="infer_partitions: false")
    assert "'year' (int32) is missing" in refusal(own(tmp_path))
    declare(own(tmp_path), COLUMNS, place, scan="infer_partitions: false")
    assert rows_of(own(tmp_path), "SELECT count(*) AS n FROM t") == [{"n": 2}]
    declare(own(tmp_path), COLUMNS, place, scan="infer_partitions: true")
    assert "'year' (utf8 not null) is not declared" in refusal(own(tmp_path)).replace("(utf8)", "(utf8 not null)")


def test_ignore_subdirectories_and_file_extension(place: Path, tmp_path: Path) -> None:
    """B4: which files are listed."""
    write_parquet(place, ROWS)
    (place / "below").mkdir()
    write_parquet(place / "below", ROWS)
    pq.write_table(ROWS, place / "one.pq")
    for scan, n in (
        ("", 3),
        ("ignore_subdirectories: true", 3),
        ("ignore_subdirectories: false", 6),
        ("file_extension: .pq", 3),
        ("file_extension: one.p, ignore_subdirectories: false", None),
    ):
        declare(own(tmp_path), COLUMNS, place, scan=scan)
        if n is None:
            assert "no file '*one.p'" in refusal(own(tmp_path), status="CA_ERR_NOT_FOUND")
            continue
        with capi.Session(datasets=own(tmp_path)) as session:
            assert session.rows("SELECT count(*) AS n FROM t") == [{"n": n}], scan
            assert ("one.pq" in plan_of(session, "SELECT a FROM t")) == (".pq" in scan)


def test_a_setting_of_the_session_counts_from_the_next_plan_on(place: Path, tmp_path: Path) -> None:
    """B4: where a contract is silent, the session's setting holds, also for a table of which an earlier plan is kept;
    and a file that another takes the place of is read anew."""
    declare(own(tmp_path), COLUMNS, f"{place}/", scan="file_extension: .parquet")
    (place / "below").mkdir()
    write_parquet(place, ROWS)
    pq.write_table(ROWS, place / "below" / "two.parquet")
    count = "SELECT count(*) AS n FROM t"
    with capi.Session(datasets=own(tmp_path), writable=True) as session:
        assert session.rows(count) == session.rows(count) == [{"n": 3}]
        session.query("SET datafusion.execution.listing_table_ignore_subdirectory = false")
        assert session.rows(count) == session.rows(count) == [{"n": 6}]
        session.query("RESET datafusion.execution.listing_table_ignore_subdirectory")
        assert session.rows(count) == [{"n": 3}]
        write_parquet(place, ROWS.slice(1))
        assert session.rows(count) == [{"n": 2}]
        session.query("SET datafusion.runtime.memory_limit = '64M'")
        assert session.rows("SELECT sum(a) AS a FROM t") == [{"a": sum(ROWS["a"].to_pylist()[1:])}]


def test_list_cache_and_mutable_listing(place: Path, tmp_path: Path) -> None:
    """B4: how long a list of files is believed; observed by the files that a later plan reads."""
    for scan, seen in (
        ("", 6),
        ("list_cache_ttl_seconds: 3600", 3),
        ("list_cache_bytes: 1000000", 3),
        ("list_cache_bytes: 1", 6),
        ("mutable_listing: false", 3),
        ("mutable_listing: true", 6),
    ):
        write_parquet(place, ROWS)
        declare(own(tmp_path), COLUMNS, place, scan=scan)
        with capi.Session(datasets=own(tmp_path)) as session:
            assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 3}]
            pq.write_table(ROWS, place / "two.parquet")
            assert session.rows("SELECT count(*) AS n FROM t") == [{"n": seen}], scan
        (place / "two.parquet").unlink()
    (place / "one.parquet").unlink()
    assert rows_of(own(tmp_path)) == [], "mutable_listing: true takes a location without files"


def test_cache(place: Path, tmp_path: Path) -> None:
    """B4: with the cache a footer is read once a session, without it once a plan; observed by the times a file is
    opened."""
    for i in range(4):
        pq.write_table(ROWS, place / f"{i}.parquet")
    opened = {}
    for scan in ("cache: true", "cache: false"):
        declare(own(tmp_path), COLUMNS, place, scan=scan)
        watch = Watch(place)
        with capi.Session(datasets=own(tmp_path)) as session:
            plan_of(session, "SELECT a FROM t")
            first = watch.opened().count("0.parquet")
            plan_of(session, "SELECT a FROM t")
            opened[scan] = (first > 0, watch.opened().count("0.parquet") > 0)
        watch.close()
    assert opened == {"cache: true": (True, False), "cache: false": (True, True)}


def test_metadata_concurrency(place: Path, tmp_path: Path) -> None:
    """B4: how many files are read at once; observed by what was opened when the first turns out to be bad."""
    names = [f"{i:02}.parquet" for i in range(64)]
    for name in names:
        pq.write_table(ROWS, place / name)
    (place / names[0]).write_bytes(b"no footer")

    def opened(n: int) -> set[str]:
        declare(own(tmp_path), COLUMNS, place, scan=f"metadata_concurrency: {n}")
        watch = Watch(place)
        assert names[0] in refusal(own(tmp_path))
        seen = {name for name in watch.opened() if name.endswith(".parquet")}
        watch.close()
        return seen

    # One at a time never opens a second; many at once do, unless the first has failed before another thread is awake.
    assert [opened(1) for _ in range(5)] == [{names[0]}] * 5
    assert any(len(opened(64)) > 1 for _ in range(50))


def test_collect_statistics(place: Path, tmp_path: Path) -> None:
    """B4: what a plan knows of the number of rows."""
    write_parquet(place, ROWS)
    for scan, said in (("collect_statistics: true", "Rows=Exact(3)"), ("collect_statistics: false", "Rows=Absent")):
        declare(own(tmp_path), COLUMNS, place, scan=scan)
        settings = ("datafusion.explain.show_statistics=true",)
        with capi.Session(datasets=own(tmp_path), settings=settings) as session:
            assert said in plan_of(session, "SELECT a FROM t"), scan


def metric(session: capi.Session, query: str, name: str) -> str:
    rows = session.rows(f"EXPLAIN ANALYZE {query}")
    text = "\n".join(str(value) for row in rows for value in row.values())
    assert name in text, text
    return text.split(f"{name}=", 1)[1].split(",", 1)[0].split("]", 1)[0]


def test_parquet_pruning_and_pushdown_filters(place: Path, tmp_path: Path) -> None:
    """B4: row groups are left out by their statistics, rows by the reader; observed by the reader's own counts."""
    rows = pa.table({"a": pa.array(range(10_000), pa.int64()), "b": ["x"] * 10_000})
    pq.write_table(rows, place / "one.parquet", row_group_size=1000)
    query = "SELECT count(b) AS n FROM t WHERE a = 9999"
    groups = {}
    for prune in ("true", "false"):
        scan = f"parquet_pruning: {prune}, pushdown_filters: false"
        declare(own(tmp_path), COLUMNS, place, scan=scan)
        with capi.Session(datasets=own(tmp_path)) as session:
            assert session.rows(query) == [{"n": 1}]
            groups[prune] = metric(session, query, "row_groups_pruned_statistics")
    assert groups["true"] != groups["false"]
    filtered = {}
    for push in ("true", "false"):
        declare(own(tmp_path), COLUMNS, place, scan=f"pushdown_filters: {push}, parquet_pruning: false")
        with capi.Session(datasets=own(tmp_path)) as session:
            assert session.rows(query) == [{"n": 1}]
            filtered[push] = metric(session, query, "pushdown_rows_pruned")
    assert filtered["true"] != "0" and filtered["false"] == "0"


def test_binary_as_string(place: Path, tmp_path: Path) -> None:
    """B4: bytes that a writer did not mark as text; observed by the type that the handshake meets."""
    pq.write_table(pa.table({"a": [1], "b": pa.array([b"x"])}), place / "one.parquet")
    declare(own(tmp_path), COLUMNS, place, scan="binary_as_string: false")
    assert "'b' is binary, expected utf8" in refusal(own(tmp_path))
    declare(own(tmp_path), COLUMNS, place, scan="binary_as_string: true")
    assert rows_of(own(tmp_path)) == [{"a": 1, "b": "x"}]


def test_view_types(place: Path, tmp_path: Path) -> None:
    """B4: the layout in which text is read; observed in the plan. What is declared is shown all the same, and what
    is not
    said is the profile's."""
    write_parquet(place, ROWS)
    for scan, preset, is_view in (
        ("view_types: true", False, True),
        ("view_types: false", True, False),
        ("", False, False),
        ("", True, True),
    ):
        declare(own(tmp_path), COLUMNS, place, scan=scan)
        settings = (f"datafusion.execution.parquet.schema_force_view_types={str(preset).lower()}",)
        with capi.Session(datasets=own(tmp_path), settings=settings) as session:
            [read] = [line for line in plan_of(session, "SELECT b FROM t").splitlines() if "DataSourceExec" in line]
            assert ("b:Utf8View" in read) == is_view, (scan, preset)
            assert session.query("SELECT b FROM t").schema.field("b").type == pa.string()


def test_skip_arrow_metadata(place: Path, tmp_path: Path) -> None:
    """B4: Parquet's own types, whatever Arrow schema the writer put beside them; observed by the type that the
    handshake
    meets."""
    pq.write_table(pa.table({"a": pa.array([5], pa.duration("us"))}), place / "one.parquet")
    declare(own(tmp_path), "a int64", place)
    assert "'a' is " in refusal(own(tmp_path))
    declare(own(tmp_path), "a int64", place, scan="skip_arrow_metadata: true")
    assert rows_of(own(tmp_path), "SELECT a FROM t") == [{"a": 5}]


def test_skip_metadata(place: Path, tmp_path: Path) -> None:
    """B4: the metadata of columns is compared when it is not skipped."""
    column = "  - {name: a, type: int64, nullable: true, doc: d, metadata: {unit: metre}}\n"
    for unit, is_taken in (("metre", True), ("foot", False)):
        field = pa.field("a", pa.int64(), metadata={"unit": unit})
        pq.write_table(pa.table({"a": [1]}, schema=pa.schema([field])), place / "one.parquet")
        declare(own(tmp_path), column, place, scan="skip_metadata: true")
        assert rows_of(own(tmp_path), "SELECT a FROM t") == [{"a": 1}]
        declare(own(tmp_path), column, place, scan="skip_metadata: false")
        if is_taken:
            assert rows_of(own(tmp_path), "SELECT a FROM t") == [{"a": 1}]
        else:
            assert "'a' has metadata {unit=foot}, expected {unit=metre} [metadata_differs: " in refusal(own(tmp_path))


def test_options_in_effect_are_in_the_registry(place: Path, tmp_path: Path) -> None:
    """B4: what the contract says, and where it is silent, what the session says."""
    write_parquet(place, ROWS)
    declare(own(tmp_path), COLUMNS, place, scan="collect_statistics: false, file_extension: .parquet")
    asked = "SELECT name, value FROM registry.options WHERE dataset_name = 't' AND section = 'scan'"
    settings = ("datafusion.execution.meta_fetch_concurrency=5",)
    with capi.Session(datasets=own(tmp_path), settings=settings) as session:
        options = {row["name"]: row["value"] for row in session.rows(asked)}
    assert options["collect_statistics"] == "false"
    assert options["file_extension"] == ".parquet"
    assert options["metadata_concurrency"] == "5"
    assert options["view_types"] == "false"
    assert options["parquet_pruning"] == "true"
    assert options["ignore_subdirectories"] == "true"


EXTENSIONS: dict[str, tuple[str, dict[str, str], str | None]] = {
    # format, what is declared besides, the extension
    "parquet": ("parquet", {}, ".parquet"),
    "ndjson": ("ndjson", {}, ".ndjson"),
    "arrow": ("arrow", {}, ".arrow"),
    "avro": ("avro", {}, ".avro"),
    "packed csv": ("csv", {"storage": "compression: gzip"}, ".csv.gz"),
    "packed ndjson": ("ndjson", {"storage": "compression: ZSTD"}, ".ndjson.zst"),
    "packed parquet": ("parquet", {"storage": "compression: zstd(3)"}, ".parquet"),
    "unbounded": ("csv", {"scan": "unbounded: true"}, None),
    "unknown compression": ("csv", {"storage": "compression: rot13"}, None),
}


@pytest.mark.parametrize(("format", "said", "extension"), EXTENSIONS.values(), ids=EXTENSIONS)
def test_the_extension_in_effect(
    format: str, said: dict[str, str], extension: str | None, place: Path, tmp_path: Path
) -> None:
    """B4: where a contract says no file_extension, registry.options has the one that files are chosen by."""
    declare(own(tmp_path), COLUMNS, f"{place}/", format=format, **said)
    asked = "SELECT value FROM registry.options WHERE dataset_name = 't' AND name = 'file_extension'"
    assert [row["value"] for row in rows_of(own(tmp_path), asked)] == ([] if extension is None else [extension])
    if extension is not None:
        with capi.Session(datasets=own(tmp_path)) as session, pytest.raises(capi.Refused) as refused:
            session.query("SELECT * FROM t")
        assert f"no file '*{extension}' in" in refused.value.message


MEANINGLESS = [
    (
        "csv",
        "parquet_pruning: true",
        ":11:25: scan option parquet_pruning means nothing for format csv, only for parquet",
    ),
    ("ndjson", "view_types: true", "means nothing for format ndjson, only for parquet"),
    ("arrow", "unbounded: true", "means nothing for format arrow, only for csv ndjson stream"),
    ("parquet", "unbounded: true", "means nothing for format parquet, only for csv ndjson stream"),
    ("delta", "file_extension: .x", "means nothing for format delta, only for parquet csv ndjson arrow avro"),
    ("memory", "cache: true", "means nothing for format memory"),
    ("parquet", "cache: perhaps", "key 'cache': expected true or false"),
    ("parquet", "metadata_concurrency: 0", "key 'metadata_concurrency': expected an integer from 1"),
    ("csv", "list_cache_bytes: many", "key 'list_cache_bytes': expected an integer from 1"),
    ("csv", "mutable_listing: true, list_cache_bytes: 5", "list_cache_bytes means nothing beside mutable_listing"),
]


@pytest.mark.parametrize(("format", "scan", "said"), MEANINGLESS)
def test_an_option_without_meaning_is_refused(
    format: str, scan: str, said: str, program: Program, place: Path, tmp_path: Path
) -> None:
    """B4: with line and column, when the contract is loaded."""
    location = None if format == "memory" else place
    declare(own(tmp_path), COLUMNS, location, format=format, scan=scan)
    answer = Files(program, own(tmp_path)).run("SELECT 1")
    assert answer.code != 0 and said in answer.err
    assert "normalize/t.yaml:11:" in answer.err


# ---- B7, B8: handles -----------------------------------------------------------------------------------------------


def test_a_handle_is_a_table_of_from(place: Path, tmp_path: Path) -> None:
    """B7, B8: "dataset://NAME[@VERSION]" in FROM is the dataset, its contract and its handshake; another version is not
    there."""
    write_parquet(place, ROWS)
    declare(own(tmp_path), COLUMNS, place)
    with capi.Session(datasets=own(tmp_path)) as session:
        for handle in ("dataset://t", "dataset://t@1", "dataset://public.t@1"):
            assert session.rows(f'SELECT a, b FROM "{handle}" ORDER BY a') == GOT
            assert session.resolve(handle).equals(session.resolve("t"))
        with pytest.raises(capi.Refused, match="the catalog has version 1 of 't'"):
            session.query('SELECT a FROM "dataset://t@2"')
        pq.write_table(ROWS.rename_columns(["A", "b"]), place / "two.parquet")
        with pytest.raises(capi.Refused, match=r"two.parquet' does not fit") as refused:
            session.query('SELECT a FROM "dataset://t@1"')
        assert refused.value.status == "CA_ERR_DRIFT"


# ---- tables that SQL makes -----------------------------------------------------------------------------------------


def test_tables_of_sql_are_compared_too(place: Path, tmp_path: Path) -> None:
    """B10, design decision 17: CREATE EXTERNAL TABLE with declared columns, and a table whose columns were inferred,
    meet the
    same gate."""
    write_parquet(place, ROWS)
    with capi.Session(writable=True) as session:
        session.query(f"CREATE EXTERNAL TABLE d (a BIGINT, b VARCHAR) STORED AS PARQUET LOCATION '{place}/'")
        session.query(f"CREATE EXTERNAL TABLE i STORED AS PARQUET LOCATION '{place}/'")
        session.query(f"CREATE EXTERNAL TABLE w (a SMALLINT, b VARCHAR) STORED AS PARQUET LOCATION '{place}/'")
        session.query("CREATE VIEW v AS SELECT a FROM i")
        for table in ("d", "i"):
            assert session.rows(f"SELECT a, b FROM {table} ORDER BY a") == GOT
        with pytest.raises(capi.Refused, match=r"'a' is int64, expected int16") as refused:
            session.query("SELECT * FROM w")
        assert refused.value.status == "CA_ERR_DRIFT"
        # A schema once inferred is kept: what comes later must fit it.
        pq.write_table(ROWS.rename_columns(["a", "c"]), place / "two.parquet")
        for table in ("d", "i", "v"):
            with pytest.raises(capi.Refused, match=r"'c' .* is not declared"):
                session.query(f"SELECT * FROM {table}")
        session.query("DROP VIEW v")
        session.query("DROP TABLE i")
        with pytest.raises(capi.Refused, match=r"(?i)not found"):
            session.query("SELECT * FROM i")


def test_the_ddl_of_a_listing_scans_alike(place: Path, tmp_path: Path) -> None:
    """B3, B4: scan options are in the DDL, and a table made by it reads the same files."""
    pq.write_table(ROWS, place / "one.pq")
    (place / "below").mkdir()
    pq.write_table(ROWS, place / "below" / "two.pq")
    declare(own(tmp_path), COLUMNS, f"{place}/", scan="file_extension: .pq, ignore_subdirectories: false")
    with capi.Session(datasets=own(tmp_path), writable=True) as session:
        ddl = session.ddl("t")
        assert "'scan.file_extension' '.pq'" in ddl and "'scan.ignore_subdirectories' 'false'" in ddl
        session.query(ddl.replace("codeintel.public.t", "made", 1).rstrip().rstrip(";"))
        assert (
            session.rows("SELECT count(*) AS n FROM made") == session.rows("SELECT count(*) AS n FROM t") == [{"n": 6}]
        )
