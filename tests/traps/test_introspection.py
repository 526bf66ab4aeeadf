"""Engine facts 0.2 - 0.5, 0.10, 0.11, 0.17: what the engine says of its own catalog, and what our catalog says (A5, B2,
B3, B5)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import capi
import plain
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from conftest import SHOP, Program
from datafusion import SessionContext, Table
from datafusion.catalog import SchemaProvider
from datafusion.substrait import Serde
from datafusion.unparser import Dialect, Unparser

MARKS = """\
dataset: marks
version: 1
kind: table
doc: Marks of people. One row a mark.
columns:
  - {name: mark_id, type: int64, nullable: false, metadata: {unit: mark}, doc: "number of the mark"}
  - {name: weight, type: int32, nullable: false, default: "7", doc: "how much it matters"}
  - name: lines
    type: list
    nullable: false
    default: "make_array()"
    doc: lines
    item: {type: struct, nullable: false, fields: [{name: line, type: int32, nullable: false, doc: "from 1"}]}
keys: {primary: [mark_id], join: [weight]}
partition_by: [weight]
order: [mark_id]
checks: {light: "weight < 100"}
evolution: {default: refuse}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "normalize").mkdir()
    (folder / "normalize" / "marks.yaml").write_text(MARKS)
    return folder


@pytest.fixture(scope="module")
def built(program: Program, own: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("traps") / "store"
    program.build(SHOP, store, "--datasets", str(own), "--python", sys.executable)
    return store


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(built, tmp_path / "store"))


@pytest.fixture
def ours() -> Iterator[capi.Session]:
    with capi.Session(writable=True) as session:
        yield session


def test_0_2_information_schema_is_no_contract(built: Path) -> None:
    """Defaults are NULL though they are applied, ordinals start at 0, and no table tells of keys: registry.* does."""
    engine = plain.session()
    engine.sql("CREATE TABLE t (a INT NOT NULL DEFAULT 7, b INT, PRIMARY KEY (a))")
    plain.rows(engine, "INSERT INTO t (b) VALUES (1)")
    assert plain.values(plain.rows(engine, "SELECT a FROM t")) == [7]
    columns = plain.rows(engine, "SELECT ordinal_position AS n, column_default AS d FROM information_schema.columns")
    assert columns == [{"n": 0, "d": None}, {"n": 1, "d": None}]
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'information_schema'"
    listed = ["tables", "views", "columns", "df_settings", "schemata", "routines", "parameters"]
    assert plain.values(plain.rows(engine, names)) == listed

    with capi.Session(built) as session:
        theirs = "SELECT DISTINCT column_default FROM information_schema.columns WHERE table_name = 'marks'"
        assert session.rows(theirs) == [{"column_default": None}]
        columns = session.rows(
            "SELECT path, default_value AS d FROM registry.columns WHERE dataset_name = 'marks' ORDER BY position"
        )
        assert [(row["path"], row["d"]) for row in columns] == [
            ("mark_id", None), ("weight", "7"), ("lines", "make_array()"), ("lines[]", None), ("lines[].line", None),
        ]  # fmt: skip
        keys = session.rows(
            "SELECT kind, column_name AS c FROM registry.keys WHERE dataset_name = 'marks' ORDER BY kind"
        )
        assert [(row["kind"], row["c"]) for row in keys] == [
            ("join", "weight"), ("order", "mark_id"), ("partition", "weight"), ("primary", "mark_id"),
        ]  # fmt: skip


class BrokenSchema(SchemaProvider):
    """Two tables, of which one cannot be opened."""

    # The package asks for a sequence, whatever its annotations say.
    table_names = ["good", "bad"]  # type: ignore[assignment]  # noqa: RUF012

    def __init__(self) -> None:
        made = SessionContext()
        made.sql("CREATE TABLE good AS SELECT 1 AS a")
        self.good = made.catalog().schema().table("good")

    def table_exist(self, name: str) -> bool:
        return name in ("good", "bad")

    def table(self, name: str) -> Table | None:
        if name == "bad":
            raise OSError("the disk is gone")
        return self.good


ASKED = {
    "SHOW TABLES": "classes",
    "SELECT * FROM information_schema.columns WHERE table_name = '{}'": "classes",
    "SELECT * FROM information_schema.views WHERE table_name = '{}'": "callers",
    "SHOW COLUMNS FROM {}": "classes",
    "SHOW CREATE TABLE {}": "callers",
}


@pytest.mark.parametrize("statement", ASKED)
def test_0_3_one_broken_table(statement: str, store: Path) -> None:
    """One table that cannot be opened, and the engine says nothing of any other; ours stays listed, as missing."""
    engine = plain.session()
    engine.catalog().register_schema("mine", BrokenSchema())
    assert plain.rows(engine, "SELECT * FROM mine.good") == [{"a": 1}]
    assert "the disk is gone" in plain.failure(lambda: plain.rows(engine, statement.format("mine.good")))

    with capi.Session(store) as session:
        before = sorted(session.rows(statement.format(ASKED[statement])), key=repr)
    shutil.rmtree(store / stored.entries(store)["public.classes"]["location"])
    with capi.Session(store) as session:
        assert sorted(session.rows(statement.format(ASKED[statement])), key=repr) == before != []
        health = "SELECT health, failure FROM registry.datasets WHERE dataset_name = 'classes'"
        [found] = session.rows(health)
        assert found["health"] == "missing" and "no Delta table at" in found["failure"]
        with pytest.raises(capi.Refused, match=r"table 'public\.classes': no Delta table at"):
            session.query("SELECT * FROM classes")


def test_0_4_views_are_frozen_plans(ours: capi.Session) -> None:
    """A view goes on answering from a table that was replaced or dropped; ours are planned when they are used."""
    engine = plain.session()
    for made in ("CREATE TABLE b AS SELECT 1 AS x", "CREATE VIEW v AS SELECT * FROM b"):
        engine.sql(made)
    engine.sql("CREATE OR REPLACE TABLE b AS SELECT 2 AS x, 3 AS y")
    assert plain.rows(engine, "SELECT * FROM v") == [{"x": 1}]
    engine.sql("DROP TABLE b")
    assert plain.rows(engine, "SELECT * FROM v") == [{"x": 1}]

    ours.query("CREATE TABLE b AS SELECT 1 AS x")
    ours.query("CREATE VIEW v AS SELECT * FROM b")
    ours.query("CREATE OR REPLACE TABLE b AS SELECT 2 AS x, 3 AS y")
    assert ours.rows("SELECT * FROM v") == [{"x": 2, "y": 3}]
    ours.query("DROP TABLE b")
    with pytest.raises(capi.Refused, match=r"view 'memory\.v': .*table 'codeintel\.public\.b' not found"):
        ours.query("SELECT * FROM v")


def test_0_5_serialized_plans_are_no_fingerprint(program: Program, own: Path, built: Path, tmp_path: Path) -> None:
    """The same query gives other Substrait bytes each time, and a table in memory has no protobuf at all; our plan
    fingerprints are equal in another process with another number of partitions."""
    engine = plain.session()
    engine.sql("CREATE TABLE t AS SELECT 1 AS a, 2 AS b, 'x' AS c")
    query = "SELECT c, count(*), sum(a), avg(b), min(a) FROM t WHERE a > 0 AND abs(b) < 7 GROUP BY c"
    assert len({Serde.serialize_bytes(query, engine) for _ in range(12)}) > 1
    assert "LogicalExtensionCodec is not provided" in plain.failure(engine.sql(query).logical_plan().to_bytes)

    other = tmp_path / "other"
    settings = ("--set", "datafusion.execution.target_partitions=5", "--datasets", str(own))
    program.build(SHOP, other, "--python", sys.executable, *settings)
    first, second = (
        {name: entry["plan_fingerprint"] for name, entry in stored.entries(place, "public").items()}
        for place in (built, other)
    )
    assert first == second
    assert len({fingerprint for fingerprint in first.values() if fingerprint}) > 20


def test_0_10_replacing_an_external_table(ours: capi.Session, tmp_path: Path) -> None:
    """A replacement that fails leaves no table; ours leaves the old one."""
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    made = f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{tmp_path}/t.parquet'"
    replaced = f"CREATE OR REPLACE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{tmp_path}/nowhere.parquet'"
    engine = plain.session()
    engine.sql(made)
    assert "nowhere.parquet" in plain.failure(lambda: engine.sql(replaced))
    assert "'datafusion.public.t' not found" in plain.failure(lambda: engine.sql("SELECT * FROM t"))

    ours.query(made)
    with pytest.raises(capi.Refused, match=r"nowhere\.parquet"):
        ours.query(replaced)
    assert ours.rows("SELECT * FROM t") == [{"a": 1}]


def test_0_11_sql_of_a_plan(built: Path) -> None:
    """The engine writes SQL for the plan of an unnested list that it cannot plan again; the SQL in our registry is the
    text that is planned."""
    engine = plain.session()
    engine.sql("CREATE TABLE t AS SELECT 1 AS id, [named_struct('x', 2)] AS l")
    query = "SELECT id, item['x'] AS x FROM (SELECT id, unnest(l) AS item FROM t)"
    assert plain.rows(engine, query) == [{"id": 1, "x": 2}]
    written = Unparser(Dialect.default()).plan_to_sql(engine.sql(query).logical_plan())
    assert "derived_projection" in plain.failure(lambda: engine.sql(str(written)))

    with capi.Session(built) as session:
        views = session.rows("SELECT dataset_name AS name, sql FROM registry.views WHERE kind = 'nested'")
        assert len(views) > 20
        for view in views:
            assert session.resolve(view["sql"]).equals(session.resolve(view["name"]), check_metadata=True), view["name"]


def test_0_17_field_metadata_at_aggregates(store: Path, own: Path) -> None:
    """A plan node of ours stands between scan and aggregate: field metadata is the same above and below, or the
    aggregate would fail."""
    with capi.Session(store, datasets=own, writable=True) as session:
        session.query("INSERT INTO marks (mark_id) VALUES (1), (2)")
        found = session.rows(
            "SELECT arrow_metadata(mark_id) AS m, count(*) AS n, max(mark_id) AS top FROM marks GROUP BY 1"
        )
        assert found == [{"m": [("unit", "mark")], "n": 2, "top": 2}]
        assert session.resolve("SELECT mark_id FROM marks GROUP BY mark_id").field(0).metadata == {b"unit": b"mark"}


def test_0_17_lone_surrogates(program: Program, tmp_path: Path) -> None:
    """A constant of CPython may be no text that Arrow holds; we store its ascii()."""
    value = "\ud800"
    with pytest.raises(UnicodeEncodeError):
        pa.array([value])
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "a.py").write_text('x = "\\ud800"\n')
    store = tmp_path / "store"
    program.build(tmp_path / "repo", store)
    with capi.Session(store) as session:
        assert plain.values(session.rows("SELECT value FROM ast_fields WHERE type = 'str' AND field = 'value'")) == [
            ascii(value)
        ]
