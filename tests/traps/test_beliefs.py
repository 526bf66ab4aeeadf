"""Engine facts 0.1, 0.12, 0.14: DataFusion believes what it is told. A declared NOT NULL, key or order changes answers;
ours are those of the data (A1, B10, B11)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import capi
import plain
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def ours() -> Iterator[capi.Session]:
    with capi.Session(writable=True) as session:
        yield session


def test_0_1_declared_not_null(ours: capi.Session, tmp_path: Path) -> None:
    """A file with a null under a NOT NULL: the engine finds no null, yet counts one row more than there are values."""
    pq.write_table(pa.table({"a": pa.array([1, None, 2], pa.int64())}), tmp_path / "t.parquet")
    made = f"CREATE EXTERNAL TABLE t (a BIGINT NOT NULL) STORED AS PARQUET LOCATION '{tmp_path}/t.parquet'"
    nulls, counts = "SELECT count(*) AS n FROM t WHERE a IS NULL", "SELECT count(a) AS a, count(*) AS n FROM t"

    engine = plain.session()
    engine.sql(made)
    assert plain.values(plain.rows(engine, nulls)) == [0]
    assert plain.rows(engine, counts) == [{"a": 2, "n": 3}]
    assert "non-nullable but contains null" in plain.failure(lambda: plain.rows(engine, "SELECT a FROM t"))

    ours.query(made)
    assert ours.rows(nulls) == [{"n": 1}]
    assert ours.rows(counts) == [{"a": 2, "n": 3}]
    assert plain.values(ours.rows("SELECT a FROM t")) == [1, None, 2]


def test_0_1_declared_primary_key(ours: capi.Session, tmp_path: Path) -> None:
    """Duplicates of a primary key are taken, and a DISTINCT returns them."""
    engine = plain.session()
    engine.sql("CREATE TABLE t (pk INT, v INT, PRIMARY KEY (pk))")
    plain.rows(engine, "INSERT INTO t VALUES (1, 1), (1, 2)")
    assert plain.values(plain.rows(engine, "SELECT DISTINCT pk FROM t")) == [1, 1]

    made = f"CREATE EXTERNAL TABLE t (pk INT, v INT, PRIMARY KEY (pk)) STORED AS DELTATABLE LOCATION '{tmp_path}/t'"
    ours.query(made)
    with pytest.raises(capi.Refused, match=r"gate 't': the primary key \(pk\) = \(1\) repeats in row 1") as refused:
        ours.query("INSERT INTO t VALUES (1, 1), (1, 2)")
    assert refused.value.status == "CA_ERR_CONTRACT"
    assert ours.rows("SELECT count(*) AS n FROM t") == [{"n": 0}]
    # What nobody proves is not believed: a table in memory.
    ours.query("CREATE TABLE m (pk INT, v INT, PRIMARY KEY (pk)) AS VALUES (1, 1), (1, 2)")
    assert plain.values(ours.rows("SELECT DISTINCT pk FROM m")) == [1]


def test_0_1_unique_nullable_column(ours: capi.Session) -> None:
    """UNIQUE lets many rows be NULL; the engine takes the column for a key and sums two groups into one."""
    made = "CREATE TABLE t (k INT, v INT, x INT, UNIQUE (k)) AS VALUES (NULL, 1, 10), (NULL, 2, 20), (3, 4, 30)"
    sums = "SELECT k, sum(x) AS x FROM t GROUP BY k, v ORDER BY k, x"
    engine = plain.session()
    engine.sql(made)
    assert plain.rows(engine, sums) == [{"k": 3, "x": 30}, {"k": None, "x": 30}]

    ours.query(made)
    assert ours.rows(sums) == [{"k": 3, "x": 30}, {"k": None, "x": 10}, {"k": None, "x": 20}]


def test_0_1_declared_order(ours: capi.Session, tmp_path: Path) -> None:
    """WITH ORDER over rows in another order: ORDER BY does not sort."""
    pq.write_table(pa.table({"a": [3, 1, 2]}), tmp_path / "t.parquet")
    made = f"CREATE EXTERNAL TABLE t (a BIGINT) STORED AS PARQUET WITH ORDER (a) LOCATION '{tmp_path}/t.parquet'"
    engine = plain.session()
    engine.sql(made)
    assert plain.values(plain.rows(engine, "SELECT a FROM t ORDER BY a")) == [3, 1, 2]

    ours.query(made)
    assert plain.values(ours.rows("SELECT a FROM t ORDER BY a")) == [1, 2, 3]


def test_0_14_order_claimed_by_a_file(ours: capi.Session, tmp_path: Path) -> None:
    """The same by `sorting_columns` of a Parquet footer, with nothing declared."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [3, 1, 2]}), path, sorting_columns=[pq.SortingColumn(0)])
    engine = plain.session()
    engine.register_parquet("t", path)
    assert plain.values(plain.rows(engine, "SELECT a FROM t ORDER BY a")) == [3, 1, 2]

    ours.query(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{path}'")
    assert plain.values(ours.rows("SELECT a FROM t ORDER BY a")) == [1, 2, 3]


def test_statistics_without_nan(ours: capi.Session, tmp_path: Path) -> None:
    """Statistics of floats leave NaN out, which is larger than any number, or smaller where its sign bit is set: the
    engine never reads its row group. Statistics of other columns count for us too, of floats where no NaN can be."""
    path = tmp_path / "t.parquet"
    values = [1.0, float("nan"), 5.0, 6.0, math.copysign(float("nan"), -1), 2.0]
    pq.write_table(pa.table({"id": range(1, 7), "f": values}), path, row_group_size=2)
    queries = {
        "SELECT id FROM t WHERE f > 3 ORDER BY id": ([3, 4], [2, 3, 4]),
        "SELECT id FROM t WHERE f < 0": ([], [5]),
        "SELECT id FROM t WHERE f = 'NaN'::double": ([], [2]),
        "SELECT id FROM t WHERE f BETWEEN 2 AND 5 ORDER BY id": ([3, 6], [3, 6]),
    }
    engine = plain.session()
    engine.register_parquet("t", path)
    for query, (answer, _) in queries.items():
        assert plain.values(plain.rows(engine, query)) == answer, query

    ours.query(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{path}'")
    for query, (_, answer) in queries.items():
        assert plain.values(ours.rows(query)) == answer, query
    assert plain.values(ours.rows("SELECT id FROM t ORDER BY f DESC LIMIT 1")) == [2]
    assert plain.values(ours.rows("SELECT id FROM t ORDER BY f LIMIT 1")) == [5]
    assert plain.values(ours.rows("SELECT id FROM t WHERE f < 3 AND id < 5 LIMIT 2")) == [1]
    for predicate, n_read in (("f > 3", 3), ("f = 5", 1), ("f BETWEEN 5 AND 9", 1), ("id > 4", 1)):
        [report] = ours.rows(f"EXPLAIN ANALYZE SELECT id FROM t WHERE {predicate}")
        assert f"row_groups_pruned_statistics=3 total → {n_read} matched" in report["plan"]


def test_a_column_of_one_number_and_nan(ours: capi.Session, tmp_path: Path) -> None:
    """Where the smallest value of a file is the largest, the engine fills the column with it and reads none."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": [1, 2], "f": [5.0, float("nan")]}), path)
    query = "SELECT isnan(f) AS nan FROM t ORDER BY id"
    engine = plain.session()
    engine.register_parquet("t", path)
    assert plain.values(plain.rows(engine, query)) == [False, False]

    ours.query(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{path}'")
    assert plain.values(ours.rows(query)) == [False, True]
    ours.query(f"CREATE EXTERNAL TABLE d (id BIGINT, f DOUBLE) STORED AS DELTATABLE LOCATION '{tmp_path}/d'")
    ours.query("INSERT INTO d SELECT id, f FROM t")
    for where in ("", "WHERE id > 0", "WHERE f IS NOT NULL AND id > 0"):
        assert plain.values(ours.rows(query.replace("FROM t", f"FROM d {where}"))) == [False, True]


# Statement, rows that the engine leaves of (1, 1), (2, 2), (3, 3), and ours: rows, or the reason of a refusal.
ROWS = [{"a": 1, "b": 1}, {"a": 2, "b": 2}, {"a": 3, "b": 3}]
NINES = [{"a": 1, "b": 9}, {"a": 2, "b": 9}, {"a": 3, "b": 9}]
CHANGES: dict[str, tuple[list[dict[str, int]], list[dict[str, int]] | str]] = {
    "DELETE FROM t WHERE b IN (SELECT 2)": ([], "it has a subquery"),
    "DELETE FROM t WHERE 1 = 0": ([], ROWS),
    "DELETE FROM t WHERE a IS NULL": ([], ROWS),
    "DELETE FROM t WHERE b > 0 LIMIT 1": ([], "LIMIT does not say which rows"),
    "UPDATE t SET b = 9 WHERE b IN (SELECT 2)": (NINES, "it has a subquery"),
}


@pytest.mark.parametrize("statement", CHANGES)
def test_0_12_hooks_of_update_and_delete(statement: str, ours: capi.Session, tmp_path: Path) -> None:
    """The hooks get the optimized plan's filters: what was folded away or is a subquery is no filter, and every row
    goes."""
    left, wanted = CHANGES[statement]
    engine = plain.session()
    engine.sql("CREATE TABLE t (a INT NOT NULL, b INT) AS VALUES (1, 1), (2, 2), (3, 3)")
    plain.rows(engine, statement)
    assert plain.rows(engine, "SELECT * FROM t") == left

    ours.query(f"CREATE EXTERNAL TABLE t (a INT NOT NULL, b INT) STORED AS DELTATABLE LOCATION '{tmp_path}/t'")
    ours.query("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    found: Any = None
    try:
        ours.query(statement)
    except capi.Refused as refused:
        assert refused.status == "CA_ERR_REFUSED"
        found = refused.message.rpartition(": ")[2]
    everything = ours.rows("SELECT * FROM t ORDER BY a")
    assert (found or everything) == wanted
    assert everything == ROWS
