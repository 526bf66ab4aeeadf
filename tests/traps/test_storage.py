"""Engine facts 0.6, 0.7, 0.9, 0.11, 0.15 - 0.17: files, Delta tables and memory (B1, B4, B11, E1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import capi
import plain
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext
from deltalake import DeltaTable, QueryBuilder, write_deltalake


@pytest.fixture
def ours() -> Iterator[capi.Session]:
    with capi.Session(writable=True) as session:
        yield session


def query(table: DeltaTable, sql: str) -> list[dict[str, int]]:
    """Through the SQL engine inside of the `deltalake` package."""
    return pa.table(QueryBuilder().register("t", table).execute(sql).read_all()).to_pylist()


def checked_table(place: Path) -> DeltaTable:
    """One column v of (1, 2) with the CHECK v > 0."""
    write_deltalake(place, pa.table({"v": [1, 2]}))
    table = DeltaTable(place)
    table.alter.add_constraint({"positive": "v > 0"})
    return table


def test_0_6_check_constraint_of_a_table(ours: capi.Session, tmp_path: Path) -> None:
    """The storage library's SQL sink commits rows that break a table's CHECK; its writer refuses them, and so does our
    INSERT. The packages give their SQL no handle to write with: the sink itself is shown by
    shim/tests/engine.rs::sql_insert_skips_the_checks_of_a_delta_table."""
    place = tmp_path / "t"
    table = checked_table(place)
    assert "requires a runtime log_store handle" in plain.failure(lambda: query(table, "INSERT INTO t VALUES (-5)"))
    refused = plain.failure(lambda: write_deltalake(place, pa.table({"v": [-5]}), mode="append"))
    assert "failed validation check" in refused

    ours.query(f"CREATE EXTERNAL TABLE t STORED AS DELTATABLE LOCATION '{place}'")
    with pytest.raises(capi.Refused, match="failed validation check"):
        ours.query("INSERT INTO t VALUES (4), (-5)")
    assert DeltaTable(place).version() == table.version()
    ours.query("INSERT INTO t VALUES (4)")
    assert DeltaTable(place).to_pyarrow_table().column("v").to_pylist().count(4) == 1


def test_0_7_delta_provider_cannot_change_rows(ours: capi.Session, tmp_path: Path) -> None:
    """DELETE, UPDATE and MERGE are planned and then not there; ours are."""
    place = tmp_path / "t"
    write_deltalake(place, pa.table({"v": [1, 2, 3]}))
    merge = "MERGE INTO t USING t s ON t.v = s.v AND s.v = 3 WHEN MATCHED THEN DELETE"
    changes = {"DELETE": "DELETE FROM t WHERE v = 1", "UPDATE": "UPDATE t SET v = 9 WHERE v = 2", "MERGE INTO": merge}
    for name, sql in changes.items():
        said = plain.failure(lambda sql=sql: query(DeltaTable(place), sql))
        assert f"{name} not supported for Base table" in said

    ours.query(f"CREATE EXTERNAL TABLE t STORED AS DELTATABLE LOCATION '{place}'")
    for sql in changes.values():
        assert ours.rows(sql) == [{"count": 1}]
    assert DeltaTable(place).to_pyarrow_table().column("v").to_pylist() == [9]


def test_0_9_new_files_are_seen(ours: capi.Session, tmp_path: Path) -> None:
    """The list of a location's files is kept for ever: another program's file stays unseen."""
    pq.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / "1.parquet")
    made = f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{tmp_path}/'"
    engine = plain.session()
    engine.sql(made)
    ours.query(made)
    count = "SELECT count(*) AS n FROM t"
    assert plain.rows(engine, count) == ours.rows(count) == [{"n": 3}]
    pq.write_table(pa.table({"a": [4]}), tmp_path / "2.parquet")
    assert plain.rows(engine, count) == [{"n": 3}]
    assert ours.rows(count) == [{"n": 4}]


def test_0_11_rows_of_the_session_are_seen(ours: capi.Session, tmp_path: Path) -> None:
    """A Delta provider shows its table as it was opened: rows that another commit added are not there. Our session
    reads what it wrote."""
    place = tmp_path / "t"
    write_deltalake(place, pa.table({"v": [1, 2]}))
    engine = plain.session()
    engine.register_table("t", DeltaTable(place))
    count = "SELECT count(*) AS n FROM t"
    ours.query(f"CREATE EXTERNAL TABLE t STORED AS DELTATABLE LOCATION '{place}'")
    for n_rows in (3, 4):
        ours.query("INSERT INTO t VALUES (7)")
        assert plain.rows(engine, count) == [{"n": 2}]
        assert ours.rows(count) == [{"n": n_rows}]


def test_0_15_rows_of_a_file_are_not_gathered(django_store: Path) -> None:
    """One row a file: the engine's filter gathers up to 8,192 of them, whatever they weigh."""
    asked = "SELECT path, nodes FROM {} WHERE path NOT LIKE '%nowhere%'"
    [file] = stored.files(django_store, stored.entries(django_store)["public.ast_files_v1"])
    engine = SessionContext(SessionConfig().with_target_partitions(1))
    engine.register_parquet("files", file)
    [whole] = engine.sql(asked.format("files")).collect()
    assert whole.num_rows == 2823

    with capi.Session(django_store) as session:
        batches = list(session.stream(asked.format("ast_files_v1")))
    assert sum(batch.num_rows for batch in batches) == whole.num_rows
    assert max(batch.nbytes for batch in batches) < whole.nbytes / 5
    assert max(batch.num_rows for batch in batches) < 500


JOIN = """\
SELECT count(*) AS n FROM (SELECT value AS a, value * 2 AS b FROM generate_series(1, {n})) x
JOIN (SELECT value AS a, repeat('x', 20) AS c FROM generate_series(1, {n})) y ON x.a = y.a WHERE length(c) > b - 2 * {n}
"""
# With one partition the engine plans a hash join all the same.
SORT_MERGE = ("datafusion.optimizer.prefer_hash_join=false", "datafusion.execution.target_partitions=2")


def test_0_16_hash_joins_do_not_spill() -> None:
    """A hash join that does not fit ends the query, in ours with a message that names the limit; a sort-merge join
    spills and answers, in ours by one setting."""
    answers = []
    for prefer_hash_join in ("true", "false"):
        config = SessionConfig().set("datafusion.optimizer.prefer_hash_join", prefer_hash_join)
        config = config.set("datafusion.execution.sort_spill_reservation_bytes", "1000000").with_target_partitions(2)
        pool = RuntimeEnvBuilder().with_disk_manager_os().with_fair_spill_pool(20_000_000)
        engine = SessionContext(config, pool)
        sql = JOIN.format(n=1_000_000)
        if prefer_hash_join == "true":
            assert "Resources exhausted" in plain.failure(lambda engine=engine, sql=sql: plain.rows(engine, sql))
        else:
            answers = plain.rows(engine, sql)
    assert answers == [{"n": 1_000_000}]

    sql = JOIN.format(n=12_000_000)
    limit = r"can spill: false.*fair\(pool_size: 256\.0 MB\)"
    with capi.Session(profile="small") as session, pytest.raises(pa.ArrowMemoryError, match=f"(?s){limit}"):
        session.query(sql)
    with capi.Session(profile="small", settings=SORT_MERGE) as session:
        assert session.rows(sql) == [{"n": 12_000_000}]


def test_0_17_types_that_delta_has_not(ours: capi.Session, tmp_path: Path) -> None:
    """Delta renames list items and narrows unsigned numbers; a column of ours comes back as it was declared, and what
    cannot be stored is refused by name."""
    place = tmp_path / "theirs"
    write_deltalake(place, pa.table({"l": pa.array([[1]], pa.list_(pa.field("item", pa.int32(), nullable=False)))}))
    item = pa.schema(DeltaTable(place).schema().to_arrow()).field("l").type.value_field
    assert (item.name, item.nullable) == ("element", False)
    for narrowed in (pa.array([2**32 - 1], pa.uint32()), pa.array([255], pa.uint8()), pa.array([2**63], pa.uint64())):
        said = plain.failure(lambda a=narrowed: write_deltalake(tmp_path / str(a.type), pa.table({"c": a})))
        assert "Can't cast value" in said
    nanoseconds = pa.table({"c": pa.array([1_001], pa.timestamp("ns"))})
    write_deltalake(tmp_path / "ns", nanoseconds)
    assert DeltaTable(tmp_path / "ns").to_pyarrow_table().schema.field("c").type == pa.timestamp("us")

    ours.query(
        f"CREATE EXTERNAL TABLE t (l INT[], small TINYINT UNSIGNED, big INT UNSIGNED) STORED AS DELTATABLE LOCATION "
        f"'{tmp_path}/ours'"
    )
    ours.query("INSERT INTO t VALUES ([1], 255, 4294967295)")
    found = ours.query("SELECT * FROM t")
    assert found.to_pylist() == [{"l": [1], "small": 255, "big": 2**32 - 1}]
    assert found.schema.field("small").type == pa.uint8() and found.schema.field("big").type == pa.uint32()
    assert found.schema.field("l").type.field(0).name == "item"


def test_0_17_copy_writes_no_delta_table(ours: capi.Session, tmp_path: Path) -> None:
    """COPY has no format for Delta: nothing is written, by ours neither; INSERT is the way."""
    copy = "COPY (SELECT 1 AS a) TO '{}' STORED AS DELTA"
    assert "Unsupported" in plain.failure(lambda: plain.rows(plain.session(), copy.format(tmp_path / "a")))
    with pytest.raises(capi.Refused, match="Unsupported"):
        ours.query(copy.format(tmp_path / "b"))
    assert list(tmp_path.iterdir()) == []
    ours.query(f"CREATE EXTERNAL TABLE t (a BIGINT) STORED AS DELTATABLE LOCATION '{tmp_path}/c'")
    ours.query("INSERT INTO t SELECT 1 AS a")
    assert DeltaTable(tmp_path / "c").to_pyarrow_table().to_pylist() == [{"a": 1}]


def test_0_17_columns_declared_of_a_delta_table(ours: capi.Session, tmp_path: Path) -> None:
    """The engine has no DDL for Delta, and the storage library's ignores the columns: ours compares them."""
    place = tmp_path / "t"
    write_deltalake(place, pa.table({"v": [1]}))
    made = f"CREATE EXTERNAL TABLE t (other VARCHAR) STORED AS DELTATABLE LOCATION '{place}'"
    assert "Unable to find factory for DELTATABLE" in plain.failure(lambda: plain.session().sql(made))
    with pytest.raises(
        capi.Refused, match=r"the Delta table at '.*' is another: column 1 is named 'v', declared 'other'"
    ):
        ours.query(made)
    with pytest.raises(capi.Refused, match=r"'codeintel\.public\.t' not found"):
        ours.query("SELECT * FROM t")


def test_field_of_a_null_struct(ours: capi.Session, tmp_path: Path) -> None:
    """Found by tests/product/test_ibis.py: of a null struct the engine reads the field that lies under the null."""
    place = pa.struct([pa.field("path", pa.string(), nullable=False)])
    inside = pa.struct([pa.field("place", place, nullable=False)])
    rows = [{"id": 1, "at": {"place": {"path": "a.py"}}}, {"id": 2, "at": None}]
    schema = pa.schema([("id", pa.int64()), pa.field("at", inside)])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "t.parquet")
    paths = "SELECT at['place']['path'] AS path FROM t ORDER BY id"
    flat = "SELECT get_field(at, 'place', 'path') AS path FROM t ORDER BY id"
    nulls = "SELECT id FROM t WHERE at['place']['path'] IS NULL"

    engine = plain.session()
    engine.register_parquet("t", tmp_path / "t.parquet")
    assert plain.values(plain.rows(engine, paths)) == ["a.py", ""]
    assert plain.values(plain.rows(engine, nulls)) == []

    ours.query(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{tmp_path}/t.parquet'")
    assert plain.values(ours.rows(paths)) == plain.values(ours.rows(flat)) == ["a.py", None]
    assert plain.values(ours.rows(nulls)) == [2]
    # What the planner makes of the engine's own function it makes of ours.
    [_, physical] = ours.rows("EXPLAIN SELECT id FROM t WHERE named_struct('x', id)['x'] = 1")
    assert "get_field" not in physical["plan"]
