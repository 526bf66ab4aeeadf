"""F3: sessions of the Python package: queries, parameters, rows in and out, the catalog, errors, ends of lives, Ctrl-C.
What it answers is what the program answers, and what others read from the files."""

from __future__ import annotations

import datetime as dt
import gc
import io
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import capi
import codeanatomy
import duckdb
import polars as pl
import pyarrow as pa
import pytest
import stored
from conftest import ROOT, Program

EXAMPLES = ROOT / "examples" / "datasets"
# Hours of work: only a cancel ends it.
ENDLESS = (
    "SELECT count(*) AS n FROM generate_series(1, 3000000) AS a(x), generate_series(1, 3000000) AS b(y) "
    "WHERE (x * y) % 7 = 3"
)
CONTRACT = """dataset: things_v1
version: 1
kind: table
doc: Things.
columns:
  - {name: id, type: int64, nullable: false, doc: d}
  - {name: name, type: utf8, nullable: true, doc: d}
  - {name: n, type: int32, nullable: false, default: "7", doc: d}
  - name: parts
    type: list
    nullable: true
    doc: d
    item: {type: struct, nullable: true, fields: [{name: x, type: int32, nullable: false, doc: d}]}
  - {name: attrs, type: map, nullable: true, doc: d, key: {type: utf8}, value: {type: int64, nullable: true}}
keys: {primary: [id]}
checks: {n: "n >= 0"}
views:
  thing_parts: {unnest: parts, with: [id], doc: Their parts.}
evolution: {default: refuse}
"""
THINGS = [
    {"id": 1, "name": "Ünder", "n": 1, "parts": [{"x": 1}, None], "attrs": [("a", 1), ("b", None)]},
    {"id": 2, "name": None, "n": 0, "parts": None, "attrs": None},
    {"id": 3, "name": "", "n": 3, "parts": [], "attrs": []},
]


@pytest.fixture(scope="module")
def built(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one file and the dataset things_v1, which has no row."""
    root = tmp_path_factory.mktemp("python")
    (root / "repo").mkdir()
    (root / "repo" / "a.py").write_text("def f():\n    return g()\n\n\ndef g():\n    return 1\n")
    (root / "own" / "normalize").mkdir(parents=True)
    (root / "own" / "normalize" / "things_v1.yaml").write_text(CONTRACT)
    program.build(root / "repo", root / "store", "--datasets", str(root / "own"), "--python", sys.executable)
    return root / "store"


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "store"))


@pytest.fixture
def session(built: Path) -> Iterator[codeanatomy.Session]:
    with codeanatomy.connect(built) as opened:
        yield opened


@pytest.fixture
def writer(store: Path) -> Iterator[codeanatomy.Session]:
    with codeanatomy.connect(store, read_only=False) as opened:
        yield opened


# ---- rows out --------------------------------------------------------------------------------------------------------

QUERIES = [
    "SELECT * FROM functions ORDER BY function_id",
    "SELECT path, calls FROM ast_files_v1",
    "SELECT callee_qualified_name, count(*) AS n FROM call_resolution GROUP BY 1 ORDER BY 1",
    "SELECT * FROM things_v1",
    "SELECT CAST(NULL AS INT) AS a, NULL AS b, [1, NULL] AS c, named_struct('x', NULL) AS d",
    "SELECT x'00ff' AS b, DATE '2024-02-29' AS d, TIMESTAMP '2024-02-29T01:02:03.5' AS t, 1.50::decimal(10,2) AS m",
]


@pytest.mark.parametrize("sql", QUERIES)
def test_rows_are_those_of_the_program(
    sql: str, session: codeanatomy.Session, program: Program, built: Path, tmp_path: Path
) -> None:
    """Schema and rows, as the Arrow file that the program writes."""
    written = program.run("sql", "--store", built, "-c", sql, "--format", "arrow", "-o", tmp_path / "rows.arrow")
    assert written.code == 0, written.err
    expected = pa.ipc.open_stream(io.BytesIO((tmp_path / "rows.arrow").read_bytes())).read_all()
    table = session.sql(sql).to_arrow()
    assert table.schema.equals(expected.schema, check_metadata=True)
    assert table.equals(expected)
    assert pa.schema(session.sql(sql)).equals(expected.schema)
    with capi.Session(built) as c:
        assert session.schema(sql).to_arrow().equals(c.resolve(sql), check_metadata=True)


def test_rows_are_those_of_the_files(session: codeanatomy.Session, built: Path) -> None:
    """Against pyarrow's own reading of the published Delta table."""
    expected = stored.table(built, "public.functions")
    found = session.dataset("functions").scan().to_arrow()
    assert found.num_rows == expected.num_rows > 1
    assert found.sort_by("function_id").to_pylist() == expected.sort_by("function_id").to_pylist()


READERS: dict[str, Callable[[Any], list[int]]] = {
    "pyarrow": lambda r: pa.table(r)["value"].to_pylist(),
    "pyarrow reader": lambda r: pa.RecordBatchReader.from_stream(r).read_all()["value"].to_pylist(),
    "polars": lambda r: pl.DataFrame(r)["value"].to_list(),
    "duckdb": lambda r: [row[0] for row in duckdb.execute("SELECT value FROM r").fetchall()],
    "to_pylist": lambda r: [row["value"] for row in r.to_pylist()],
    "iteration": lambda r: [row["value"] for row in r],
    "batches": lambda r: [value for batch in r.batches() for value in batch["value"].to_pylist()],
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_readers(read: Callable[[Any], list[int]], session: codeanatomy.Session) -> None:
    assert read(session.sql("SELECT value FROM generate_series(1, 20000) ORDER BY value")) == list(range(1, 20001))
    assert read(session.sql("SELECT value FROM generate_series(1, 20000) WHERE value > 20000")) == []


def test_rows_are_handed_out_once(session: codeanatomy.Session) -> None:
    result = session.sql("SELECT 1 AS a")
    assert result.schema.to_arrow().names == ["a"]
    assert result.to_pylist() == [{"a": 1}]
    for again in (result.to_arrow, result.__arrow_c_stream__, result.__arrow_c_schema__, lambda: result.schema):
        with pytest.raises(codeanatomy.InvalidError, match="run the query again"):
            again()
    with session.sql("SELECT 1 AS a") as closed:
        pass
    closed.close()
    with pytest.raises(codeanatomy.InvalidError):
        closed.to_arrow()


def test_a_schema_is_read_often(built: Path) -> None:
    """It outlives its session, and each reader gets a copy: NOT NULL at every depth, metadata of fields."""
    with codeanatomy.connect(built) as s:
        schema = s.schema("things_v1")
    with capi.Session(built) as s:
        expected = s.resolve("things_v1")
    assert not expected.field("id").nullable
    for _ in range(2):
        assert schema.to_arrow().equals(expected, check_metadata=True)
        assert pl.Schema(schema).names() == expected.names


# ---- parameters ------------------------------------------------------------------------------------------------------

VALUES = {
    "null": (None, "Null"),
    "int": (5, "Int64"),
    "float": (0.25, "Float64"),
    "bool": (True, "Boolean"),
    "text": ("Ü'\"", "Utf8"),
    "bytes": (b"\x00\xff", "Binary"),
    "date": (dt.date(2024, 2, 29), "Date32"),
    "time": (dt.time(1, 2, 3, 4), "Time64(µs)"),
    "timestamp": (dt.datetime(2024, 2, 29, 1, 2, 3, 4), "Timestamp(µs)"),
    "zoned": (dt.datetime(2024, 2, 29, 1, tzinfo=dt.UTC), 'Timestamp(µs, "UTC")'),
    "interval": (dt.timedelta(seconds=1), "Duration(µs)"),
    "decimal": (Decimal("12.50"), "Decimal128(4, 2)"),
    "list": ([1, None], "List(Int64)"),
    "struct": ({"x": 1, "y": None}, 'Struct("x": Int64, "y": Null)'),
    "empty list": ([], "List(Null)"),
}


@pytest.mark.parametrize(("value", "type"), VALUES.values(), ids=VALUES)
def test_parameters_have_the_types_of_arrow(value: object, type: str, session: codeanatomy.Session) -> None:
    sql = "SELECT $1 AS v, arrow_typeof($1) AS t"
    assert session.sql(sql, [value]).to_pylist() == [{"v": value, "t": type}]
    assert session.sql(sql.replace("$1", "$value"), {"value": value}).to_pylist() == [{"v": value, "t": type}]


def test_parameters_of_arrow(session: codeanatomy.Session) -> None:
    """Typed scalars keep their type; a batch of one row is taken as it is."""
    sql = "SELECT arrow_typeof($a) AS a, $b AS b"
    typed = {"a": pa.scalar(1, pa.int8()), "b": pa.scalar(None, pa.string())}
    batch = pa.RecordBatch.from_pydict({"a": pa.array([1], pa.int8()), "b": pa.array([None], pa.string())})
    for params in (typed, batch, batch.to_struct_array()):
        assert session.sql(sql, params).to_pylist() == [{"a": "Int8", "b": None}]
    assert session.sql("SELECT 1 AS a", {}).to_pylist() == [{"a": 1}]
    assert session.sql("SELECT 1 AS a", []).to_pylist() == [{"a": 1}]
    rows = session.sql("SELECT name FROM functions WHERE name = $name", {"name": "g"})
    assert rows.to_pylist() == [{"name": "g"}]


def test_parameters_that_are_none(session: codeanatomy.Session) -> None:
    with pytest.raises(TypeError, match="parameters are a mapping, a sequence"):
        session.sql("SELECT $1", "text")
    with pytest.raises(pa.ArrowInvalid):
        session.sql("SELECT $1", [object()])
    with pytest.raises(codeanatomy.Error, match=r"\$b"):
        session.sql("SELECT $b", {"a": 1})


def test_parameter_tables(session: codeanatomy.Session) -> None:
    """B15: rows of a parameter table, in the place of those before."""
    sql = "SELECT count(*) AS n FROM params.p_file_ids"
    ids = pa.table(session.sql("SELECT file_id FROM repo_files_v1"))
    session.set_params("p_file_ids", ids)
    assert session.sql(sql).to_pylist() == [{"n": 1}]
    session.set_params("p_file_ids", session.sql("SELECT file_id FROM repo_files_v1 WHERE false"))
    assert session.sql(sql).to_pylist() == [{"n": 0}]


# ---- the catalog -----------------------------------------------------------------------------------------------------


def test_the_catalog(session: codeanatomy.Session, built: Path) -> None:
    """A1: each helper answers what the C API answers."""
    with capi.Session(built) as c:
        for what in ("tables", "views", "routines", "settings", "profiles"):
            assert getattr(session, what)().to_arrow().equals(c.listing(what)), what
        assert session.columns("things_v1").to_arrow().equals(c.columns("things_v1"))
        assert session.columns().to_arrow().equals(c.columns())
        assert session.describe("SELECT 1 AS a").to_arrow().equals(c.describe("SELECT 1 AS a"))
        assert session.ddl("thing_parts") == c.ddl("thing_parts")
        assert session.ddl() == c.ddl()
    assert session.manifest() == stored.manifest(built)


def test_a_dataset(session: codeanatomy.Session, built: Path) -> None:
    with session.dataset("dataset://things_v1@1") as d, capi.Session(built) as c, c.dataset("things_v1") as expected:
        assert d.name == "dataset://things_v1@1"
        assert d.schema.to_arrow().equals(expected.schema(), check_metadata=True)
        assert d.ddl == expected.ddl()
        assert vars(d.fingerprints) == expected.fingerprints()
        assert d.metadata == json.loads(expected.metadata())
        assert [row["table_name"] for row in d.views()] == ["thing_parts"]
    functions = session.dataset("functions")
    rows = functions.scan(["name"], "name > 'f'", limit=5).to_arrow()
    assert rows.to_pydict() == {"name": ["g"]}
    assert functions.scan(limit=1).to_arrow().num_rows == 1
    assert [row["version"] for row in functions.history(1)] == [0]
    with pytest.raises(TypeError, match="a list of texts, not one text"):
        functions.scan("name")


def test_register_and_refresh(session: codeanatomy.Session, tmp_path: Path) -> None:
    (tmp_path / "normalize").mkdir()
    file = tmp_path / "normalize" / "more_v1.yaml"
    file.write_text(CONTRACT.replace("things_v1", "more_v1").replace("thing_parts", "more_parts"))
    assert sorted(session.register(file)) == ["public.more_parts", "public.more_v1"]
    assert session.register(file) == []
    session.refresh()
    assert session.dataset("more_v1").scan().to_pylist() == []


def test_verify(store: Path) -> None:
    """One row a fact; a damaged file is a row and counts."""
    with codeanatomy.connect(store, read_only=False) as s:
        found = s.verify(["functions"])
        facts = found.facts.to_pylist()
        assert facts and {row["table_name"] for row in facts} == {"functions"}
        assert found.n_violated == sum(row["status"] == "violated" for row in facts) == 0
        with pytest.raises(codeanatomy.NotFoundError):
            s.verify(["nothing"])


def test_runs_and_settings(store: Path, tmp_path: Path) -> None:
    """Every option of `connect` gets to the library."""
    with codeanatomy.connect(store, read_only=False) as s:
        first = s.manifest()["run_id"]
        s.dataset("things_v1").write(pa.table({"id": [1]}))
        second = s.manifest()["run_id"]
        s.dataset("things_v1").write(pa.table({"id": [2]}))
        published = dt.datetime.now(dt.UTC)
    count = "SELECT count(*) AS n FROM things_v1"

    def n_rows(**options: Any) -> int:
        with codeanatomy.connect(store, **options) as s:
            return s.sql(count).to_pylist()[0]["n"]

    assert first != second
    assert [n_rows(), n_rows(run=first), n_rows(run=second), n_rows(as_of=published)] == [2, 0, 1, 2]
    assert n_rows(pins={"things_v1": 0}) == n_rows(pins=["things_v1=0"]) == 1
    with pytest.raises(codeanatomy.NotFoundError, match="nowhere"):
        codeanatomy.connect(store, locations={"things_v1": "nowhere"})
    with codeanatomy.connect(datasets=EXAMPLES) as s:
        assert s.sql("SELECT count(*) AS n FROM notes").to_pylist() == [{"n": 0}]
    for settings in ({"datafusion.execution.batch_size": 77}, ["datafusion.execution.batch_size=77"]):
        with codeanatomy.connect(store, settings=settings, profile="small", preset="arrow_performance") as s:
            values = {row["name"]: row["value"] for row in s.settings()}
            assert values["datafusion.execution.batch_size"] == "77"
    (tmp_path / ".codeanatomy.yaml").write_text("settings: [datafusion.execution.batch_size=78]\n")
    with codeanatomy.connect(store, repository=tmp_path) as s:
        values = {row["name"]: row["value"] for row in s.settings()}
        assert values["datafusion.execution.batch_size"] == "78"


# ---- rows in ---------------------------------------------------------------------------------------------------------


def things(session: codeanatomy.Session) -> list[dict[str, Any]]:
    return session.sql("SELECT * FROM things_v1 ORDER BY id").to_pylist()


def test_write_what_streams(writer: codeanatomy.Session, store: Path) -> None:
    """Tables, readers, frames and results; nested values and nulls come back as they were, to others too."""
    d = writer.dataset("things_v1")
    table = pa.Table.from_pylist(THINGS, schema=d.schema.to_arrow())
    assert d.write(table) == 3
    assert things(writer) == THINGS
    assert d.write(table.to_reader(max_chunksize=1), "overwrite") == 3
    assert d.write(pl.DataFrame({"id": [4], "name": ["polars"]})) == 1
    assert d.write(writer.sql("SELECT CAST(5 AS BIGINT) AS id, 'result' AS name")) == 1
    assert d.write(pa.table({"id": pa.array([], pa.int64())})) == 0
    assert [(row["id"], row["name"], row["n"]) for row in things(writer)[3:]] == [(4, "polars", 7), (5, "result", 7)]
    assert len(d.history().to_pylist()) >= 4
    assert stored.table(store, "public.things_v1").num_rows == 5


def test_write_is_all_or_nothing(writer: codeanatomy.Session) -> None:
    d = writer.dataset("things_v1")
    d.write(pa.table({"id": [1]}))
    for rows, kind, words in [
        (pa.table({"id": [1]}), codeanatomy.ContractError, "id"),
        (pa.table({"id": [2], "n": pa.array([-1], pa.int32())}), codeanatomy.ContractError, "n"),
        (pa.table({"id": [2], "other": [1]}), codeanatomy.DriftError, "other"),
    ]:
        with pytest.raises(kind, match=words):
            d.write(rows)
    with pytest.raises(TypeError, match=r"__arrow_c_stream__.*not list"):
        d.write([{"id": 2}])  # type: ignore[arg-type]
    with pytest.raises(codeanatomy.InvalidError, match="'append' or 'overwrite', not 'merge'"):
        d.write(pa.table({"id": [2]}), "merge")  # type: ignore[arg-type]
    assert [row["id"] for row in things(writer)] == [1]


def test_a_reader_that_raises(writer: codeanatomy.Session) -> None:
    """Its words are in the error, and no row is there."""

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"id": [1]})
        raise RuntimeError("lost the way")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("id", pa.int64())]), batches())
    with pytest.raises(codeanatomy.Error, match="lost the way"):
        writer.dataset("things_v1").write(reader)
    assert things(writer) == []


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_errors_have_classes(session: codeanatomy.Session, built: Path, tmp_path: Path, program: Program) -> None:
    """Each kind by its class and code, with the message of the program, whole."""
    for call, kind in [
        (lambda: codeanatomy.connect(tmp_path / "none"), codeanatomy.NotFoundError),
        (lambda: codeanatomy.connect(built, profile="huge"), codeanatomy.InvalidError),
        (lambda: session.dataset("nothing"), codeanatomy.NotFoundError),
        (lambda: session.sql("CREATE TABLE t (a INT)"), codeanatomy.RefusedError),
        (lambda: session.sql("SELECT nothing FROM functions"), codeanatomy.EngineError),
        (lambda: session.sql("SELECT 1\0; DROP"), codeanatomy.InvalidError),
        (lambda: session.dataset("things_v1").write(pa.table({"id": [1]})), codeanatomy.RefusedError),
    ]:
        with pytest.raises(codeanatomy.Error) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.code is kind.code
        assert caught.value.message == str(caught.value) != ""
    with pytest.raises(codeanatomy.Error) as caught:
        session.sql("SELECT nothing FROM functions")
    answer = program.run("sql", "--store", built, "-c", "SELECT nothing FROM functions")
    assert caught.value.message in answer.err


def test_errors_while_rows_are_read(session: codeanatomy.Session) -> None:
    """pyarrow raises them in its classes; what the package reads itself has ours."""
    sql = "SELECT CAST(CAST(value AS VARCHAR) || 'x' AS INT) AS n FROM generate_series(1, 9)"
    for read in (lambda r: r.to_arrow(), lambda r: r.to_pylist(), lambda r: list(r.batches())):
        with pytest.raises(codeanatomy.EngineError, match="1x"):
            read(session.sql(sql))
    with pytest.raises((pa.ArrowException, OSError), match="1x"):
        pa.table(session.sql(sql))


def test_two_writers(writer: codeanatomy.Session, store: Path) -> None:
    """The second is told; a session that is dropped gives the lock back, as one that is closed does."""
    with pytest.raises(codeanatomy.ConflictError):
        codeanatomy.connect(store, read_only=False)
    writer.close()
    dropped = codeanatomy.connect(store, read_only=False)
    del dropped
    gc.collect()
    codeanatomy.connect(store, read_only=False).close()


# ---- ends of lives ---------------------------------------------------------------------------------------------------


def test_after_the_end(built: Path) -> None:
    session = codeanatomy.connect(built)
    result = session.sql("SELECT value FROM generate_series(1, 100000)")
    reading = session.sql("SELECT value FROM generate_series(1, 100000)").batches()
    n_read = next(reading).num_rows
    held = session.dataset("functions")
    session.close()
    session.close()
    for call in (lambda: session.sql("SELECT 1"), session.tables, lambda: held.ddl, session.refresh):
        with pytest.raises(codeanatomy.InvalidError, match="this session is closed"):
            call()
    held.close()
    assert result.to_arrow().num_rows == 100000
    assert n_read + sum(batch.num_rows for batch in reading) == 100000


def test_a_dataset_after_its_end(session: codeanatomy.Session) -> None:
    held = session.dataset("functions")
    held.close()
    held.close()
    with pytest.raises(codeanatomy.InvalidError, match="the dataset 'functions' is closed"):
        held.scan()


def test_dropped_while_a_reader_raises(session: codeanatomy.Session) -> None:
    """The reader's error is what is raised: a capsule that goes then runs no Python code."""

    class Wrong:
        def __arrow_c_schema__(self) -> object:
            return session.sql("SELECT 1").__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            return session.schema("functions").__arrow_c_schema__()

    with pytest.raises(ValueError, match="Not an ArrowSchema object"):
        pa.schema(Wrong())
    with pytest.raises(ValueError, match="PyCapsule_GetPointer called with incorrect name"):
        pa.RecordBatchReader.from_stream(Wrong())


def test_threads(session: codeanatomy.Session) -> None:
    """One session, many threads: calls wait for each other, results are read where one likes."""
    found: list[int] = []

    def work(start: int) -> None:
        for i in range(start, start + 40):
            result = session.sql("SELECT $1 AS a FROM generate_series(1, 3)", [i])
            found.extend(row["a"] for row in result)

    threads = [threading.Thread(target=work, args=(i * 40,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(list(range(160)) * 3)


def test_after_a_fork(session: codeanatomy.Session) -> None:
    """The library's threads are not in the child: the session says so, and its parent's is not closed by it."""
    pid = os.fork()
    if pid == 0:
        try:
            session.sql("SELECT 1")
        except codeanatomy.InvalidError as failure:
            os._exit(0 if "belongs to another process" in str(failure) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert session.sql("SELECT 1 AS a").to_pylist() == [{"a": 1}]


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


def interrupted(work: Callable[[], object]) -> BaseException:
    """What `work` ends with when SIGINT comes while it runs."""
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        try:
            work()
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError, duckdb.Error):
            # The reader's own error comes first where the reader is not ours.
            timer.join()
        for _ in range(1000):
            timer.join()
    except BaseException as failure:
        return failure
    raise AssertionError("nothing was raised")


BEFORE_HANDLER = signal.getsignal(signal.SIGINT)
INTERRUPTED: dict[str, Callable[[codeanatomy.Session], object]] = {
    "to_arrow": lambda s: s.sql(ENDLESS).to_arrow(),
    "to_pylist": lambda s: s.sql(ENDLESS).to_pylist(),
    "pyarrow": lambda s: pa.table(s.sql(ENDLESS)),
    "polars": lambda s: pl.DataFrame(s.sql(ENDLESS)),
    "statement": lambda s: s.sql(f"CREATE TABLE endless AS {ENDLESS}"),
    "write": lambda s: s.dataset("things_v1").write(s.sql(ENDLESS.replace("AS n ", "AS id "))),
}


@pytest.mark.parametrize("work", INTERRUPTED.values(), ids=INTERRUPTED)
def test_ctrl_c(work: Callable[[codeanatomy.Session], object], writer: codeanatomy.Session) -> None:
    """KeyboardInterrupt stops the query, whoever reads it; the session goes on, and Python's handler is as before."""
    assert isinstance(interrupted(lambda: work(writer)), KeyboardInterrupt)
    assert writer.sql("SELECT 1 AS a").to_pylist() == [{"a": 1}]
    assert signal.getsignal(signal.SIGINT) is BEFORE_HANDLER
    assert isinstance(interrupted(lambda: threading.Event().wait(60)), KeyboardInterrupt)


def test_cancel_from_another_thread(session: codeanatomy.Session) -> None:
    result = session.sql(ENDLESS)
    threading.Timer(0.1, result.cancel).start()
    with pytest.raises(codeanatomy.CanceledError):
        result.to_arrow()
    cancel = codeanatomy.Cancel()
    cancel.fire()
    with pytest.raises(codeanatomy.CanceledError):
        session.sql(ENDLESS, cancel=cancel).to_arrow()
