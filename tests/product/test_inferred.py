"""B10: a schema once inferred is kept as a contract of the store, and what is inferred later under its name matches it
or is a new version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import capi
import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Program
from listed import declare
from test_autoload import said
from test_listing import ROWS, WRITERS

KEPT = (
    "SELECT dataset_name, version, kind, stage, location, health, failure FROM registry.datasets "
    "WHERE kind = 'inferred' ORDER BY dataset_name"
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """One without a run: what is kept needs none."""
    store = tmp_path / "store"
    for folder in ("tables", "runs", "catalog", "tmp"):
        (store / folder).mkdir(parents=True)
    (store / "FORMAT").write_text("codeanatomy store 5\n")
    return store


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a test's files are."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def create(place: Path, format: str = "parquet", name: str = "t", say: str = "CREATE") -> str:
    return f"{say} EXTERNAL TABLE {name} STORED AS {format} LOCATION '{place}/'"


def refusal(session: capi.Session, sql: str) -> tuple[str, str]:
    with pytest.raises(capi.Refused) as refused:
        session.query(sql)
    return refused.value.status, refused.value.message


def texts(store: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted((store / "inferred").glob("*"))}


def declared(store: Path, place: Path, format: str = "parquet") -> None:
    with capi.Session(store, writable=True) as session:
        session.query(create(place, format))


def with_texts(rows: pa.Table) -> pa.Table:
    return rows.set_column(0, "a", pa.array(["one", "two", "three"]))


CHANGES: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "type": (with_texts, "'a' is utf8, expected int64 [type_differs]"),
    "missing": (lambda rows: rows.select(["a"]), "'b' (utf8) is missing [column_missing]"),
    "extra": (
        lambda rows: rows.append_column("c", pa.array([1.5] * 3)),
        "'c' (float64) is not declared [column_unexpected]",
    ),
    "moved": (lambda rows: rows.select(["b", "a"]), "[column_moved]"),
    "case": (lambda rows: rows.rename_columns(["A", "b"]), "[column_case]"),
}
# JSON leaves nulls out and has no order.
READ_ALL_THE_SAME = {("ndjson", "missing"), ("ndjson", "moved")}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("format", ["parquet", "csv", "ndjson", "arrow", "avro"])
def test_a_later_session_has_to_match(format: str, change: str, store: Path, place: Path) -> None:
    """B10: the same files are the same table in the next session; changed ones are refused with table, place, column
    and both types, what is kept stays, and so does its table, which cannot be read."""
    WRITERS[format](place, ROWS)
    declared(store, place, format)
    kept = texts(store)
    assert list(kept) == ["t.yaml"]
    with capi.Session(store, writable=True) as session:
        session.query(create(place, format))
        assert session.rows("SELECT count(*) AS n, sum(a) AS s FROM t") == [{"n": 3, "s": 6}]
        assert session.resolve("t").names == ["a", "b"]
    assert texts(store) == kept
    make, words = CHANGES[change]
    WRITERS[format](place, make(ROWS))
    with capi.Session(store, writable=True) as session:
        if (format, change) in READ_ALL_THE_SAME:
            session.query(create(place, format))
            assert session.resolve("t").names == ["a", "b"]
            assert session.rows("SELECT sum(a) AS s, count(b) AS b FROM t") == [
                {"s": 6, "b": 0 if change == "missing" else 2}
            ]
        else:
            status, message = refusal(session, create(place, format))
            assert status == "CA_ERR_DRIFT"
            assert f"table 't': '{place}/' has other columns than those that are kept of it, version 1" in message
            assert words in message and "CREATE OR REPLACE EXTERNAL TABLE makes them a new version" in message
            if (format, change) == ("csv", "type"):  # a text file says its types by its values
                with pytest.raises(pa.ArrowInvalid, match="parsing value 'one' as type 'Int64'"):
                    session.query("SELECT * FROM t")
            else:
                status, message = refusal(session, "SELECT * FROM t")
                code = words[words.index("[") :].split("]")[0]
                assert (status, code in message) == ("CA_ERR_DRIFT", True), message
    assert texts(store) == kept


def test_nested_columns(store: Path, place: Path) -> None:
    """B10: below the top level too, with the path of the field."""
    pq.write_table(pa.table({"s": [{"x": 1, "l": [{"y": 1}]}]}), place / "one.parquet")
    declared(store, place)
    pq.write_table(pa.table({"s": [{"x": 1, "l": [{"y": "a"}]}]}), place / "one.parquet")
    with capi.Session(store, writable=True) as session:
        status, message = refusal(session, create(place))
    assert (status, "'s.l[].y' is utf8, expected int64 [type_differs]" in message) == ("CA_ERR_DRIFT", True)


def test_types_and_names_come_back(store: Path, place: Path) -> None:
    """B10: every type that a contract can say, and names that no contract may have, are the same in the next session;
    a type that it cannot say is refused by name, and nothing is kept."""
    day = pa.array([1], pa.int32())
    columns: dict[str, Any] = {
        "Customer Name": ["x"],
        "1": pa.array([1], pa.uint64()),
        "true": [True],
        "ts": pa.array([1], pa.timestamp("us", "Europe/Paris")),
        "ns": pa.array([1], pa.timestamp("ns")),
        "d": day.cast(pa.date32()),
        "dec": pa.array([1], pa.decimal128(10, 2)),
        "bytes": pa.array([b"ab"], pa.binary(2)),
        "dict": pa.array(["a"]).dictionary_encode(),
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
        "sized": pa.array([[1, 2]], pa.list_(pa.int16(), 2)),
        "s": [{"Inner One": [1.5], "t": pa.scalar(1, pa.time64("us")).as_py()}],
    }
    rows = pa.table(columns)
    WRITERS["arrow"](place, rows)
    declared(store, place, "arrow")
    with capi.Session(store, writable=True) as session:
        session.query(create(place, "arrow"))
        assert session.resolve("t").remove_metadata().equals(rows.schema)
        other = place.parent / "other"
        other.mkdir()
        union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
        WRITERS["arrow"](other, pa.table({"u": union}))
        status, message = refusal(session, create(other, "arrow", "u"))
        assert status == "CA_ERR_CONTRACT" or "column 'u' is" in message
        assert "which no contract can say" in message
    assert list(texts(store)) == ["t.yaml"]


def test_a_new_version(store: Path, place: Path) -> None:
    """B10: CREATE OR REPLACE makes what is found the next version, in registry.datasets once, as what it is; the same
    columns are no new version."""
    WRITERS["parquet"](place, ROWS)
    declared(store, place)
    pq.write_table(ROWS.select(["a"]), place / "one.parquet")
    row = {"dataset_name": "t", "kind": "inferred", "stage": "inferred", "location": f"{place}/", "health": "ok"}
    with capi.Session(store, writable=True) as session:
        assert session.rows(KEPT) == [{**row, "version": 1, "failure": None}]
        session.query(create(place, say="CREATE OR REPLACE"))
        assert session.rows(KEPT) == [{**row, "version": 2, "failure": None}]
        session.query(create(place, say="CREATE OR REPLACE"))
    kept = texts(store)
    assert "version: 2" in kept["t.yaml"]
    with capi.Session(store, writable=True) as session:
        session.query(create(place))
        assert session.resolve("t").names == ["a"]
        assert session.rows(KEPT) == [{**row, "version": 2, "failure": None}]
        names = session.rows("SELECT schema_name AS s, dataset_name AS d FROM registry.datasets")
        assert [(n["s"], n["d"]) for n in names] == sorted({(n["s"], n["d"]) for n in names})
    assert texts(store) == kept
    (place / "one.parquet").unlink()
    place.rmdir()
    with capi.Session(store) as session:
        [found] = session.rows(KEPT)
        assert (found["health"], str(place) in found["failure"]) == ("missing", True)


def test_drop_forgets(store: Path, place: Path) -> None:
    """B10: DROP TABLE forgets, in a session that has the table and in one that has not; a table in memory of the same
    name is another."""
    WRITERS["parquet"](place, ROWS)
    other = place.parent / "other"
    other.mkdir()
    pq.write_table(ROWS.select(["b"]), other / "one.parquet")
    declared(store, place)
    with capi.Session(store, writable=True) as session:
        assert "already exists" in refusal(session, "CREATE TABLE t AS SELECT 1 AS one")[1]
        session.query("CREATE OR REPLACE TABLE t AS SELECT 1 AS one")
        assert session.rows("SELECT * FROM t") == [{"one": 1}]
        session.query("DROP TABLE t")
        assert list(texts(store)) == ["t.yaml"]
        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 3}]
        session.query("DROP TABLE t")
        assert texts(store) == {}
        assert "doesn't exist" in refusal(session, "DROP TABLE t")[1]
        session.query("DROP TABLE IF EXISTS t")
        session.query(create(other))
        assert "version: 1" in texts(store)["t.yaml"]
        session.query("DROP TABLE t")
        assert texts(store) == {}
        assert "not found" in refusal(session, "SELECT * FROM t")[1]


def test_what_fails_is_not_kept(store: Path, place: Path) -> None:
    """B10: neither a statement that fails, nor declared columns, nor a table of the session's private schema."""
    WRITERS["parquet"](place, ROWS)
    other = place.parent / "other"
    other.mkdir()
    pq.write_table(ROWS.select(["b"]), other / "one.parquet")
    with capi.Session(store, writable=True) as session:
        session.query(f"CREATE EXTERNAL TABLE own (a BIGINT, b VARCHAR) STORED AS PARQUET LOCATION '{place}/'")
        session.query(create(other, name="session.memory.scratch"))
        assert session.rows("SELECT count(b) AS n FROM scratch") == [{"n": 2}]
        assert texts(store) == {}
        session.query(create(place))
        kept = texts(store)
        assert refusal(session, create(other))[0] != "CA_OK"
        assert refusal(session, create(other, name="classes"))[0] != "CA_OK"
        assert texts(store) == kept


def test_sessions_that_read(store: Path, place: Path) -> None:
    """B10, A3: tables of a folder are kept by a session that writes and compared by one that reads, which keeps
    nothing."""
    WRITERS["parquet"](place, ROWS)
    settings = said(place)
    with capi.Session(store, settings=settings) as session:
        assert session.rows("SELECT count(*) AS n FROM one") == [{"n": 3}]
    assert not (store / "inferred").exists()
    with capi.Session(store, writable=True, settings=settings):
        pass
    kept = texts(store)
    assert list(kept) == ["one.yaml"]
    pq.write_table(with_texts(ROWS), place / "one.parquet")
    pq.write_table(ROWS, place / "two.parquet")
    for writable in (False, True):
        with capi.Session(store, writable=writable, settings=settings) as session:
            [row] = session.rows("SELECT health, reason FROM registry.health WHERE dataset_name = 'one'")
            assert row["health"] == "drift"
            assert "'a' is utf8, expected int64" in row["reason"]
            assert refusal(session, "SELECT * FROM one")[0] == "CA_ERR_DRIFT"
            assert session.rows("SELECT count(*) AS n FROM two") == [{"n": 3}]
    assert texts(store) == {**kept, "two.yaml": texts(store)["two.yaml"]}
    with capi.Session(store, writable=True, settings=settings) as session:
        session.query("DROP TABLE one")
    with capi.Session(store, writable=True, settings=settings) as session:
        assert session.rows("SELECT a FROM one LIMIT 1") == [{"a": "one"}]


LISTED = (
    "SELECT table_schema || '.' || table_name AS n FROM information_schema.tables "
    "WHERE table_catalog = 'codeintel' AND table_schema <> 'information_schema' ORDER BY n"
)
DECLARED = "SELECT schema_name || '.' || dataset_name AS n FROM registry.datasets ORDER BY n"


@pytest.mark.parametrize("format", ["parquet", "csv", "ndjson", "arrow", "avro", "delta"])
def test_later_sessions_have_the_table(format: str, store: Path, place: Path) -> None:
    """B10, B2: what is kept is a dataset: later sessions, that read too, list it, describe it and read it without its
    CREATE, until DROP TABLE; a session's own table of the name stands before it."""
    if format == "delta":
        deltalake.write_deltalake(str(place), ROWS)
    else:
        WRITERS[format](place, ROWS)
    declared(store, place, format)
    for writable in (False, True):
        with capi.Session(store, writable=writable) as session:
            assert session.rows("SELECT count(*) AS n, sum(a) AS s FROM t") == [{"n": 3, "s": 6}]
            listed = session.rows(LISTED)
            assert {"n": "public.t"} in listed and listed == session.rows(DECLARED)
            columns = session.rows("SELECT path FROM registry.columns WHERE dataset_name = 't' ORDER BY position")
            shown = session.rows("SELECT column_name AS path FROM information_schema.columns WHERE table_name = 't'")
            assert columns == shown == [{"path": "a"}, {"path": "b"}]
            assert session.resolve("t").names == session.resolve("dataset://t@1").names == ["a", "b"]
            [row] = session.rows("SELECT health, location FROM registry.health WHERE dataset_name = 't'")
            assert row == {"health": "ok", "location": f"{place}/"}
            [ddl] = session.rows("SHOW CREATE TABLE t")
            assert ddl["definition"] == session.ddl("t") and f"'{place}/'" in ddl["definition"]
            with session.dataset("t") as handle:
                assert handle.scan(["a"], "a > 1").num_rows == 2
    with capi.Session(store, writable=True) as session:
        session.query("CREATE OR REPLACE VIEW t AS SELECT 'mine' AS own")
        assert session.rows("SELECT * FROM t") == [{"own": "mine"}]
        session.query("DROP VIEW t")
        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 3}]
        session.query("DROP TABLE t")
        assert session.rows(LISTED) == session.rows(DECLARED) != listed
    with capi.Session(store) as session:
        assert "not found" in refusal(session, "SELECT * FROM t")[1]


def test_how_files_are_read_is_kept(store: Path, place: Path) -> None:
    """B10, B4: what the statement said of the files, and what it found of their partitions, holds in later sessions."""
    (place / "k=1").mkdir()
    (place / "k=1" / "one.txt").write_text("1;x\n2;y\n")
    (place / "k=1" / "other.csv").write_text("nothing\n")
    json = place.parent / "json"
    json.mkdir()
    (json / "one.json").write_text('{"a": 7}\n')
    statement = (
        f"CREATE EXTERNAL TABLE t STORED AS CSV PARTITIONED BY (k) LOCATION '{place}/' OPTIONS "
        "('format.delimiter' ';', 'format.has_header' 'false', 'scan.file_extension' '.txt')"
    )
    wanted = [{"column_1": 1, "column_2": "x", "k": "1"}, {"column_1": 2, "column_2": "y", "k": "1"}]
    with capi.Session(store, writable=True) as session:
        session.query(statement)
        session.query(create(json, "json", "j"))
        assert session.rows("SELECT * FROM t ORDER BY 1") == wanted
    kept = texts(store)
    with capi.Session(store, writable=True) as session:
        assert session.rows("SELECT * FROM t ORDER BY 1") == wanted
        assert session.rows("SELECT a FROM j") == [{"a": 7}]
        ddl = session.ddl("t")
        session.query(statement)
    assert texts(store) == kept
    delta = place.parent / "delta"
    deltalake.write_deltalake(str(delta), ROWS)
    with capi.Session(store, writable=True) as session:
        said = "OPTIONS ('storage.compression' 'snappy', 'storage.target_file_bytes' '9000')"
        session.query(f"{create(delta, 'delta', 'd')} {said}")
    with capi.Session(store) as session:
        options = session.rows("SELECT name, value FROM registry.options WHERE dataset_name = 'd' ORDER BY name")
        assert [o for o in options if o["name"] in ("compression", "target_file_bytes")] == [
            {"name": "compression", "value": "snappy"},
            {"name": "target_file_bytes", "value": "9000"},
        ]
    with capi.Session(writable=True) as session:
        session.query(ddl.split(";\n")[0])
        assert session.rows("SELECT * FROM t ORDER BY 1") == wanted


def test_files_of_later_sessions(store: Path, place: Path) -> None:
    """B10, G2: files that are gone, changed, or that no contract can name are the table's health, and nobody else's."""
    WRITERS["parquet"](place, ROWS)
    declared(store, place)
    other = place.parent / "other"
    other.mkdir()
    pq.write_table(ROWS, other / "one.parquet")
    with capi.Session(store, writable=True) as session:
        session.query(f"CREATE EXTERNAL TABLE both STORED AS PARQUET LOCATION ('{place}/', '{other}/')")
        session.query("INSERT INTO t VALUES (4, 'four')")
    with capi.Session(store, writable=True) as session:
        session.query(f"CREATE EXTERNAL TABLE both STORED AS PARQUET LOCATION ('{place}/', '{other}/')")
        assert session.rows("SELECT count(*) AS n FROM both") == [{"n": 7}]
    health = "SELECT health, reason FROM registry.health WHERE dataset_name IN ('both', 't') ORDER BY dataset_name"
    with capi.Session(store) as session:
        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 4}]
        both, t = session.rows(health)
        assert (both["health"], "its files are at several places" in both["reason"]) == ("broken", True)
        assert "its files are at several places" in refusal(session, "SELECT * FROM both")[1]
        assert t == {"health": "ok", "reason": None}
        pq.write_table(with_texts(ROWS), place / "one.parquet")
        _, t = session.rows(health)
        assert (t["health"], "'a' is utf8, expected int64 [type_differs]" in t["reason"]) == ("drift", True)
        assert "CREATE OR REPLACE EXTERNAL TABLE makes them a new version" in t["reason"]
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
        _, t = session.rows(health)
        assert (t["health"], str(place) in t["reason"]) == ("missing", True)
        assert refusal(session, "SELECT * FROM t")[0] != "CA_OK"
        assert session.rows("SELECT count(*) AS n FROM registry.keys") != []


def test_two_writers(store: Path, place: Path) -> None:
    """B10, E1: one session keeps at a time; a reader meanwhile sees what is kept."""
    WRITERS["parquet"](place, ROWS)
    with capi.Session(store, writable=True) as session:
        with pytest.raises(capi.Refused) as second:
            capi.Session(store, writable=True)
        assert second.value.status == "CA_ERR_CONFLICT"
        session.query(create(place))
        with capi.Session(store) as reader:
            assert [row["dataset_name"] for row in reader.rows(KEPT)] == ["t"]


SPOILED = {"no YAML": b"{", "another contract": b"dataset: t\n", "no text": b"\xff\xfe", "empty": b""}


@pytest.mark.parametrize("what", SPOILED)
def test_a_spoiled_file(what: str, store: Path, place: Path) -> None:
    """B10, G2: it is an error of its table with the file's name, everything else answers, and DROP TABLE forgets it."""
    WRITERS["parquet"](place, ROWS)
    declared(store, place)
    file = store / "inferred" / "t.yaml"
    file.write_bytes(SPOILED[what])
    with capi.Session(store, writable=True) as session:
        for say in ("CREATE", "CREATE OR REPLACE"):
            status, message = refusal(session, create(place, say=say))
            assert status == "CA_ERR_DRIFT"
            assert "the columns that are kept of 't' cannot be read" in message and str(file) in message
        [row] = session.rows(KEPT)
        assert (row["health"], str(file) in row["failure"]) == ("broken", True)
        session.query(create(place, name="u"))
        session.query("DROP TABLE t")
        session.query(create(place))
        assert [row["health"] for row in session.rows(KEPT)] == ["ok", "ok"]


def test_names_are_escaped(store: Path, place: Path) -> None:
    """B10: any name of a table is a file of its own in the store; one that is too long is refused."""
    WRITERS["parquet"](place, ROWS)
    with capi.Session(store, writable=True) as session:
        for name in ("../t", "A", "a", "ä b", "."):
            session.query(create(place, name=f'"{name}"'))
        status, message = refusal(session, create(place, name="n" * 300))
        assert (status, "the name is too long" in message) == ("CA_ERR_INVALID", True)
        assert [row["dataset_name"] for row in session.rows(KEPT)] == [".", "../t", "A", "a", "ä b"]
    assert list(texts(store)) == ["%C3%A4%20b.yaml", "..%2Ft.yaml", "..yaml", "A.yaml", "a.yaml"]


def test_a_build_leaves_them(program: Program, make_repo: Callable[..., Path], place: Path) -> None:
    """B10: what is kept outlives runs."""
    repo = make_repo({"a.py": "x = 1\n"})
    store = repo / ".codeanatomy"
    WRITERS["parquet"](place, ROWS)
    program.build(repo, store, "--layers", "libcst")
    declared(store, place)
    kept = texts(store)
    program.build(repo, store, "--layers", "libcst")
    assert texts(store) == kept != {}


# ---- which files are a table's -------------------------------------------------------------------------------------

HIDDEN = (".hidden.csv", "_part.csv", ".dir/x.csv", "_temporary/x.csv")


def test_hidden_files_are_none(store: Path, place: Path, tmp_path: Path) -> None:
    """B1, B10: names that begin with '.' or '_' are no files of a table, for the columns that are inferred and for its
    rows, of SQL, of a contract, and of a folder alike; `_k=v` is a partition, and a file that is named counts."""
    (place / "one.csv").write_text("a,b\n1,x\n")
    for name in HIDDEN:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("c\nnothing\n")
    parts = tmp_path / "parts" / "_k=1"
    parts.mkdir(parents=True)
    (parts / "one.csv").write_text("a\n1\n")
    datasets = declare(tmp_path / "own", "a int64, b utf8", place, format="csv", name="said")
    with capi.Session(store, writable=True, datasets=datasets, settings=said(place.parent, "csv")) as session:
        session.query(create(place, "csv"))
        session.query(f"CREATE EXTERNAL TABLE g STORED AS CSV LOCATION '{place}/*.csv'")
        for table in ("t", "g", "said", "files"):
            assert session.rows(f"SELECT a, b FROM {table}") == [{"a": 1, "b": "x"}], table
        assert session.rows("SELECT a, _k FROM parts") == [{"a": 1, "_k": "1"}]
        session.query(f"CREATE EXTERNAL TABLE h STORED AS CSV LOCATION '{place}/_part.csv'")
        assert session.rows("SELECT c FROM h") == [{"c": "nothing"}]


def test_a_delta_table_is_no_parquet(store: Path, tmp_path: Path) -> None:
    """B10, E1: the files of a Delta table are not its rows, so they are not read as Parquet: by SQL, of a folder, of a
    contract; as Delta its columns are kept."""
    folder = tmp_path / "files" / "d"
    deltalake.write_deltalake(str(folder), ROWS)
    deltalake.DeltaTable(str(folder)).delete("a = 1")
    datasets = declare(tmp_path / "own", "a int64, b utf8", folder, name="said")
    words = "is a Delta table: read as plain Parquet it would have rows again that were deleted"
    with capi.Session(store, writable=True, datasets=datasets, settings=said(tmp_path / "files")) as session:
        for sql in (create(folder), "SELECT * FROM said"):
            status, message = refusal(session, sql)
            assert (status, words in message) == ("CA_ERR_DRIFT", True)
        [row] = session.rows("SELECT health, reason FROM registry.health WHERE dataset_name = 'd'")
        assert (row["health"], words in row["reason"]) == ("drift", True)
        session.query(create(folder, "delta"))
        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 2}]
        assert "format: delta" in texts(store)["t.yaml"]


def test_several_folders(store: Path, place: Path) -> None:
    """B10: columns of several folders are those of all their files, in NDJSON as in every format."""
    for format in ("ndjson", "csv", "parquet"):
        for number in (1, 2):
            folder = place / f"{format}{number}"
            folder.mkdir()
            WRITERS[format](folder, ROWS)
        locations = f"LOCATION ('{place}/{format}1/', '{place}/{format}2/')"
        with capi.Session(store, writable=True) as session:
            session.query(f"CREATE EXTERNAL TABLE {format} STORED AS {format} {locations}")
            assert session.rows(f"SELECT count(*) AS n, sum(a) AS s FROM {format}") == [{"n": 6, "s": 12}]
    assert "location:" not in texts(store)["csv.yaml"]
