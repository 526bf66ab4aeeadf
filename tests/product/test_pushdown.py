"""Filters, sorts and limits go down to the reader of a table's files: whatever shape the files have, an answer is that
of the same query over a copy of all rows (B4, B10)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from listed import declare

COLUMNS = """
  - {name: id, type: int64, nullable: true, doc: d}
  - {name: n, type: int64, nullable: true, doc: d}
  - {name: u, type: uint32, nullable: true, doc: d}
  - {name: f, type: float64, nullable: true, doc: d}
  - {name: d, type: decimal128, precision: 12, scale: 4, nullable: true, doc: d}
  - {name: t, type: timestamp_us, nullable: true, doc: d}
  - {name: z, type: timestamp_us, zone: UTC, nullable: true, doc: d}
  - {name: s, type: utf8, nullable: true, doc: d}
  - {name: k, type: dictionary, index: int32, value: {type: utf8}, nullable: true, doc: d}
  - {name: b, type: bool, nullable: true, doc: d}
  - {name: late, type: int64, nullable: true, default: 7, doc: d}
  - {name: p, type: int32, nullable: false, doc: d}
"""
TYPES = {
    "id": pa.int64(),
    "n": pa.int64(),
    "u": pa.uint32(),
    "f": pa.float64(),
    "d": pa.decimal128(12, 4),
    "t": pa.timestamp("us"),
    "z": pa.timestamp("us", "UTC"),
    "s": pa.string(),
    "k": pa.dictionary(pa.int32(), pa.string()),
    "b": pa.bool_(),
    "late": pa.int64(),
}
N_ROWS = 60


def values(first: int) -> dict[str, list[Any]]:
    """Small ranges, so that files and row groups overlap, with nulls, NaN, and the edge of a narrower type."""

    def of(i: int) -> dict[str, Any]:
        moment = datetime(2024, 1, 1 + i % 20, 12, 30, i % 60, 1000 * (i % 3))
        return {
            "id": i,
            "n": None if i % 7 == 0 else i % 10 - 5,
            "u": None if i % 11 == 0 else 2**31 + i % 5 if i % 4 == 0 else i % 5,
            "f": None if i % 13 == 0 else float("nan") if i % 17 == 0 else (i % 9) / 2,
            "d": None if i % 5 == 0 else Decimal(i % 8 * 25) / 100,
            "t": None if i % 6 == 0 else moment,
            "z": None if i % 6 == 1 else moment.replace(tzinfo=UTC),
            "s": None if i % 8 == 0 else f"x{i % 6}" if i % 2 else "",
            "k": None if i % 9 == 0 else "abc"[i % 3],
            "b": None if i % 4 == 0 else i % 3 == 0,
            "late": None if i % 3 == 0 else i % 10,
        }

    rows = [of(i) for i in range(first, first + N_ROWS)]
    return {name: [row[name] for row in rows] for name in TYPES}


# Files of one table: as declared; of narrower and other types that are cast; in another order, without `late`.
CAST = {
    "n": pa.int32(),
    "u": pa.uint16(),
    "f": pa.float32(),
    "d": pa.decimal128(8, 2),
    "t": pa.timestamp("ms"),
    "z": pa.timestamp("ms", "UTC"),
    "s": pa.dictionary(pa.int32(), pa.string()),
    "k": pa.string(),
}
SHAPES: dict[str, dict[str, pa.DataType]] = {
    "same": TYPES,
    "cast": {**TYPES, **CAST},
    "view": {**TYPES, "s": pa.string_view(), "k": pa.large_string()},
    "moved": {name: TYPES[name] for name in reversed(TYPES) if name != "late"},
}
PREDICATES = [
    "n = 3",
    "n <> 3",
    "n < 0",
    "n IS NULL",
    "n IS NOT NULL AND n >= 2",
    "n IN (1, 2, NULL)",
    "n NOT IN (1, 2)",
    "n BETWEEN -2 AND 2",
    "n + id > 40",
    "n > 2.5",
    "n IS DISTINCT FROM 3",
    "u > 100",
    "u = 2147483648",
    "f = 0",
    "f > 3",
    "f < 3",
    "f <> 2.5",
    "f IN (0.5, 1.5) OR f IS NULL",
    "f = 'NaN'::double",
    "d = 0.25",
    "d > 1.2",
    "d IN (0.5, 1.75)",
    "t >= TIMESTAMP '2024-01-05T12:30:04.001'",
    "t = TIMESTAMP '2024-01-02T12:30:01.001'",
    "z < TIMESTAMP '2024-01-05T12:30:04Z'",
    "date_trunc('day', t) = TIMESTAMP '2024-01-03'",
    "s = 'x1'",
    "s = ''",
    "s <> 'x1'",
    "s LIKE 'x%'",
    "s NOT LIKE '%3'",
    "length(s) = 0",
    "k = 'a'",
    "k IN ('a', 'b')",
    "k IS NULL",
    "b",
    "NOT b",
    "b IS NOT TRUE",
    "late = 7",
    "late <> 7",
    "late IS NULL",
    "late IS NOT NULL AND s = 'x1'",
    "coalesce(late, 0) < 5",
    "p = 1",
    "p = 1 AND n > 0",
    "p <> 1 OR n IS NULL",
    "CASE WHEN n > 0 THEN n = 3 ELSE s = 'x1' END",
    "n = 3 OR s = 'x5' OR late = 7",
    "(n = 3) IS NOT FALSE",
    "CAST(n AS VARCHAR) = '3'",
]


@pytest.fixture(scope="module", params=[*SHAPES, "all"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[capi.Session]:
    """`t` over files of one shape, or of all of them, and `copy`, its rows."""
    folder = tmp_path_factory.mktemp(request.param)
    shapes = list(SHAPES) if request.param == "all" else [request.param]
    for i, shape in enumerate(shapes):
        place = folder / "files" / f"p={i % 2 + 1}"
        place.mkdir(parents=True, exist_ok=True)
        rows = values(i * N_ROWS // 2)
        if shape == "cast":
            rows["u"] = [None if v is None else v % 2**16 for v in rows["u"]]
        columns = {name: pa.array(rows[name], type) for name, type in SHAPES[shape].items()}
        pq.write_table(pa.table(columns), place / f"{shape}.parquet", row_group_size=10)
    evolution = "default: refuse, add_nullable: allow, widen: allow, reorder: allow"
    own = declare(folder / "own", COLUMNS, folder / "files", more="partition_by: [p]", evolution=evolution)
    with capi.Session(datasets=own, writable=True) as session:
        session.query("CREATE TABLE copy AS SELECT * FROM t")
        assert session.rows("SELECT count(*) AS n FROM copy") == [{"n": N_ROWS * len(shapes)}]
        yield session


def same(session: capi.Session, query: str) -> list[str]:
    """The answer of `query` over t, which is that over its copy; as text, since NaN is not equal to itself."""
    found, wanted = ([json.dumps(row, default=str) for row in session.rows(query.format(t=t))] for t in ("t", "copy"))
    assert found == wanted
    return found


@pytest.mark.parametrize("predicate", PREDICATES)
def test_a_filter_keeps_the_rows_of_its_predicate(predicate: str, session: capi.Session) -> None:
    """B4, B10: rows, number of rows and one column that the predicate is not about."""
    rows = same(session, f"SELECT * FROM {{t}} WHERE {predicate} ORDER BY id, p")
    counted = same(session, f"SELECT count(*) AS n, max(b) AS b FROM {{t}} WHERE {predicate}")
    assert json.loads(counted[0])["n"] == len(rows)
    kept = same(session, f"SELECT count(*) AS n FROM {{t}} WHERE ({predicate}) IS NOT TRUE")
    total = same(session, "SELECT count(*) AS n FROM {t}")
    assert json.loads(kept[0])["n"] + len(rows) == json.loads(total[0])["n"]


@pytest.mark.parametrize("column", [*TYPES, "p"])
def test_the_first_rows_of_an_order(column: str, session: capi.Session) -> None:
    """B4, B10: a top-k narrows what is read while it runs; `id` and `p` make the order total."""
    for direction, nulls in itertools.product(("ASC", "DESC"), ("FIRST", "LAST")):
        order = f"{column} {direction} NULLS {nulls}, id, p"
        assert len(same(session, f"SELECT id, p, {column} AS c FROM {{t}} ORDER BY {order} LIMIT 7")) == 7
        same(session, f"SELECT id, {column} AS c FROM {{t}} WHERE n > 0 ORDER BY {order} LIMIT 5 OFFSET 3")


@pytest.mark.parametrize("column", [name for name in [*TYPES, "p"] if name != "id"])
def test_a_join_reads_what_it_needs(column: str, session: capi.Session) -> None:
    """B4, B10: what a join knows of one side is a filter of the other while it runs."""
    few = f"(SELECT DISTINCT {column} AS c FROM copy WHERE id < 12 AND {column} IS NOT NULL)"
    joined = f"FROM {{t}} JOIN {few} AS few ON {column} = few.c"
    assert same(session, f"SELECT id, p {joined} ORDER BY id, p")
    same(session, f"SELECT count(*) AS n, min(id) AS i FROM {{t}} WHERE {column} IN (SELECT c FROM {few} AS few)")
    same(
        session, f"SELECT count(*) AS n FROM {{t}} WHERE NOT EXISTS (SELECT 1 FROM {few} AS few WHERE few.c = {column})"
    )


def test_limits(session: capi.Session) -> None:
    """B4: as many rows as there are, or as are wanted, behind a filter too."""
    [total] = session.rows("SELECT count(*) AS n FROM copy WHERE n > 0")
    for limit in (0, 1, total["n"] - 1, total["n"], total["n"] + 10):
        rows = session.rows(f"SELECT id FROM t WHERE n > 0 LIMIT {limit}")
        assert len(rows) == min(limit, total["n"])
    assert session.rows("SELECT count(*) AS n FROM (SELECT id FROM t LIMIT 9)") == [{"n": 9}]
    assert len(session.rows("SELECT id FROM (SELECT * FROM t LIMIT 9) ORDER BY id DESC LIMIT 20")) == 9


def plan_of(session: capi.Session, query: str) -> str:
    rows = session.rows(f"EXPLAIN {query}")
    return "\n".join(row["plan"] for row in rows if row["plan_type"] == "physical_plan")


@pytest.mark.parametrize("session", ["same", "cast"], indirect=True)
def test_what_reaches_the_reader(session: capi.Session, request: pytest.FixtureRequest) -> None:
    """B4: the reader filters by columns that files have in the contract's type, and nobody filters again; by a column
    that is cast, the rows are filtered above, and never by a predicate on what is stored."""
    is_cast = "cast" in request.node.name
    for predicate in ("n = 3", "s LIKE 'x%'", "t = TIMESTAMP '2024-01-02T12:30:01.001'"):
        plan = plan_of(session, f"SELECT id FROM t WHERE {predicate}")
        assert ("FilterExec" in plan) == is_cast and ("predicate=" in plan) != is_cast, plan
    plan = plan_of(session, "SELECT id FROM t WHERE b")
    assert "FilterExec" not in plan and "predicate=" in plan, plan
    plan = plan_of(session, "SELECT id, n FROM t ORDER BY n LIMIT 3")
    assert ("DynamicFilter" in plan.rpartition("DataSourceExec")[2]) != is_cast, plan


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Iterator[capi.Session]:
    """The same rows in a Delta table, where uint32 is int64 and a dictionary text."""
    folder = tmp_path_factory.mktemp("delta")
    with capi.Session(writable=True) as session:
        pq.write_table(pa.table({n: pa.array(v, TYPES[n]) for n, v in values(0).items()}), folder / "rows.parquet")
        session.query(f"CREATE EXTERNAL TABLE rows STORED AS PARQUET LOCATION '{folder}/rows.parquet'")
        session.query(
            "CREATE EXTERNAL TABLE t (id BIGINT NOT NULL, n BIGINT, u INT UNSIGNED, f DOUBLE, d DECIMAL(12, 4), "
            "t TIMESTAMP(6), s VARCHAR, k VARCHAR, b BOOLEAN, late BIGINT, p INT NOT NULL) "
            f"STORED AS DELTATABLE PARTITIONED BY (p) LOCATION '{folder}/t'"
        )
        for p, where in ((1, "id % 2 = 0"), (2, "id % 2 = 1")):
            columns = "id, n, u, f, d, t, s, k, b, late"
            session.query(f"INSERT INTO t SELECT {columns}, {p} FROM rows WHERE {where}")
        session.query("CREATE TABLE copy AS SELECT * FROM t")
        yield session


@pytest.mark.parametrize("predicate", [p for p in PREDICATES if not p.startswith("z ")])
def test_a_filter_of_a_delta_table(predicate: str, delta: capi.Session) -> None:
    """B10: the same of Delta tables, partition columns included."""
    rows = same(delta, f"SELECT * FROM {{t}} WHERE {predicate} ORDER BY id")
    counted = same(delta, f"SELECT count(*) AS n FROM {{t}} WHERE {predicate}")
    assert json.loads(counted[0])["n"] == len(rows)


@pytest.mark.parametrize("column", ["n", "u", "f", "d", "t", "s", "k", "b", "late", "p"])
def test_first_rows_and_joins_of_a_delta_table(column: str, delta: capi.Session) -> None:
    """B10: filters that are made while the query runs."""
    for direction, nulls in itertools.product(("ASC", "DESC"), ("FIRST", "LAST")):
        same(delta, f"SELECT id, {column} AS c FROM {{t}} ORDER BY {column} {direction} NULLS {nulls}, id LIMIT 7")
    few = f"(SELECT DISTINCT {column} AS c FROM copy WHERE id < 12 AND {column} IS NOT NULL) AS few"
    assert same(delta, f"SELECT id FROM {{t}} JOIN {few} ON {column} = few.c ORDER BY id")


def test_a_logs_not_null_is_not_believed(tmp_path: Path) -> None:
    """B11: a Delta log says NOT NULL over a file with a null: whoever reads the null hears of it, none answers as if it
    were not there."""
    table = tmp_path / "t"
    (table / "_delta_log").mkdir(parents=True)
    pq.write_table(pa.table({"a": pa.array([1, None, 2], pa.int64())}), table / "one.parquet")
    field = {"name": "a", "type": "long", "nullable": False, "metadata": {}}
    metadata = {
        "id": "5e6c7f4e-0000-4000-8000-000000000000",
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": [field]}),
        "partitionColumns": [],
        "configuration": {},
        "createdTime": 1700000000000,
    }
    size = (table / "one.parquet").stat().st_size
    stats = json.dumps({"numRecords": 3, "minValues": {"a": 1}, "maxValues": {"a": 2}})
    add = {"path": "one.parquet", "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": True}
    actions = [
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": metadata},
        {"add": {**add, "stats": stats}},
    ]
    log = table / "_delta_log" / "00000000000000000000.json"
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))
    with capi.Session(writable=True) as session:
        session.query(f"CREATE EXTERNAL TABLE t STORED AS DELTATABLE LOCATION '{table}'")
        assert session.rows("SELECT count(*) AS n FROM t") == [{"n": 3}]
        assert session.rows("SELECT a FROM t WHERE a IS NOT NULL ORDER BY a") == [{"a": 1}, {"a": 2}]
        for query in ("SELECT count(*) AS n FROM t WHERE a IS NULL", "SELECT a FROM t ORDER BY a NULLS FIRST LIMIT 1"):
            with pytest.raises(pa.ArrowInvalid, match="'a' is declared as non-nullable but contains null"):
                session.rows(query)
