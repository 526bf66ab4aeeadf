"""Filters go by name through plans whose columns share a name: joins of tables with an `id` each lose rows (A1)."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import capi
import duckdb
import plain
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def ours() -> Iterator[capi.Session]:
    with capi.Session(writable=True) as session:
        yield session


# The filter that the outer join makes of f.id while it runs is applied to a.id; the WHERE of f.id too.
LOST = {
    "SELECT a.id AS a, f.id AS f FROM a JOIN f ON f.id = a.up JOIN b ON b.owner = f.id ORDER BY a.id": (
        [{"a": 1, "f": 1}],
        [{"a": 1, "f": 1}, {"a": 3, "f": 1}],
    ),
    "SELECT a.k AS k, a.id AS a FROM f RIGHT JOIN a ON f.id = a.up WHERE f.id IS NULL ORDER BY k": (
        [{"k": 4, "a": None}],
        [{"k": 2, "a": 2}, {"k": 4, "a": None}],
    ),
}


@pytest.mark.parametrize("query", LOST)
def test_columns_of_one_name(query: str, ours: capi.Session, tmp_path: Path) -> None:
    engine = plain.session()
    a = {"id": [1, 2, 3, None], "up": [1, 2, 1, 9], "k": [1, 2, 3, 4]}
    for name, columns in {"a": a, "f": {"id": [1]}, "b": {"owner": [1]}}.items():
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet", row_group_size=1)
        engine.register_parquet(name, tmp_path / f"{name}.parquet")
        ours.query(f"CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{tmp_path}/{name}.parquet'")
    wrong, right = LOST[query]
    assert plain.rows(engine, query) == wrong
    assert ours.rows(query) == right


def make_query(of: random.Random) -> str:
    """A join of two to four tables that all have the columns id, k and v."""
    tables = of.sample("abcd", of.choice([2, 3, 4]))
    used = tables[:1]
    text = tables[0]

    def column() -> str:
        return f"{of.choice(used)}.{of.choice('ikv')}"

    for table in tables[1:]:
        kind = of.choice(["JOIN", "JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        text += f" {kind} {table} ON {column()} = {table}.{of.choice('ikv')}"
        used.append(table)
        if of.random() < 0.3:
            text += f" AND {table}.v {of.choice('<>=')} {of.randrange(8)}"
    if of.random() < 0.5:
        conditions = [
            f"{column()} = {of.randrange(8)}",
            f"{column()} < {column()}",
            f"{column()} IS NULL",
            f"{column()} IN (SELECT i FROM a WHERE v > {of.randrange(5)})",
            f"coalesce({column()}, 0) + 1 = {column()}",
        ]
        text += f" WHERE {of.choice(conditions)}"
    shape = of.random()
    if shape < 0.5:
        return f"SELECT {column()} AS c0, {column()} AS c1, {column()} AS c2 FROM {text}"
    if shape < 0.75:
        direction, limit = of.choice(["ASC", "DESC"]), of.randrange(1, 6)
        return f"SELECT {column()} AS c0 FROM {text} ORDER BY c0 {direction} NULLS LAST LIMIT {limit}"
    return f"SELECT min({column()}) AS least, max({column()}) AS most, count(*) AS n FROM {text}"


@pytest.mark.parametrize("seed", range(1, 9))
def test_joins_of_like_tables(seed: int, ours: capi.Session, tmp_path: Path) -> None:
    """Random joins of tables with the same columns answer as DuckDB does."""
    of = random.Random(seed)
    duck = duckdb.connect()
    for name in "abcd":
        n = of.choice([1, 4, 12, 60])
        columns = {c: pa.array([of.choice([None, *range(8)]) for _ in range(n)], pa.int64()) for c in "ikv"}
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=of.choice([1, 3, 50]))
        ours.query(f"CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{path}'")
        duck.execute(f"CREATE VIEW {name} AS SELECT * FROM '{path}'")
    for _ in range(60):
        query = make_query(of)
        got = Counter(tuple(row.values()) for row in ours.rows(query))
        assert got == Counter(duck.execute(query).fetchall()), f"seed {seed}: {query}"
