"""B7: handles of datasets in the C API: schema, DDL, fingerprints, metadata, views, scan, write, history."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from conftest import Program

CONTRACT = """dataset: sales_v1
version: 1
kind: table
doc: What was sold.
columns:
  - {name: id, type: int64, nullable: false, doc: d}
  - {name: name, type: utf8, nullable: true, doc: d}
  - {name: price, type: float64, nullable: false, default: "1.5", doc: d}
  - name: parts
    type: list
    nullable: true
    doc: d
    item: {type: struct, nullable: false, fields: [{name: x, type: int32, nullable: false, doc: d}]}
keys: {primary: [id]}
checks: {price: "price >= 0"}
views:
  sale_parts: {unnest: parts, with: [id], doc: Their parts.}
evolution: {default: refuse}
"""


@pytest.fixture(scope="session")
def built_with_sales(program: Program, requests_repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sales")
    (root / "datasets" / "normalize").mkdir(parents=True)
    (root / "datasets" / "normalize" / "sales_v1.yaml").write_text(CONTRACT)
    program.build(requests_repo, root / "store", "--datasets", str(root / "datasets"))
    return root / "store"


@pytest.fixture
def sales_store(built_with_sales: Path, tmp_path: Path) -> Path:
    shutil.copytree(built_with_sales, tmp_path / "store")
    return tmp_path / "store"


def rows(*ids: int, **more: object) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), **{name: [value] * len(ids) for name, value in more.items()}})


def test_what_a_handle_says(built_with_sales: Path) -> None:
    """B7, A1: its schema is the resolver's, its DDL and fingerprints the registry's, its views the contract's."""
    with capi.Session(built_with_sales) as session:
        for name in ("sales_v1", "dataset://sales_v1@1", "public.sales_v1", "dataset://sales_v1#default"):
            with session.dataset(name) as d:
                assert d.schema() == session.resolve("sales_v1")
                assert d.ddl() == session.ddl("sales_v1")
        with session.dataset("sales_v1") as d:
            [known] = session.rows(
                "SELECT contract, schema, ddl FROM registry.fingerprints WHERE dataset_name = 'sales_v1'"
            )
            assert d.fingerprints() == known
            [view] = d.views().to_pylist()
            assert (view["table_name"], view["doc"]) == ("sale_parts", "Their parts.") and "unnest" in view["sql"]
            assert json.loads(d.metadata()) == {
                "dataset": "sales_v1", "contract": "sales_v1", "version": 1, "kind": "table", "stage": "normalize",
                "doc": "What was sold.", "location": None, "format": "delta", "metadata": {}, "extract": None,
            }  # fmt: skip
        with session.dataset("ast_files_v1") as d:
            said = json.loads(d.metadata())["extract"]
            declared = session.rows(
                "SELECT key, name, value FROM registry.extracts WHERE dataset_name = 'ast_files_v1'"
            )
            assert said["extractor"] == next(r["value"] for r in declared if r["key"] == "extractor")
            assert sorted(said["derived_ids"]) == sorted(r["name"] for r in declared if r["key"] == "derived_id")
            assert {v["table_name"] for v in d.views().to_pylist()} == {
                r["dataset_name"]
                for r in session.rows("SELECT dataset_name FROM registry.bundles WHERE bundle = 'ast_files_v1'")
                if r["dataset_name"] != "ast_files_v1"
            }
        with session.dataset("ast_nodes") as d:
            assert d.schema() == session.resolve("ast_nodes") and d.views().num_rows == 0


def test_handles_of_nothing(built_with_sales: Path) -> None:
    """B7: what does not lead to a dataset is refused when the handle is made."""
    with capi.Session(built_with_sales) as session:
        for name, status, words in (
            ("sales_v2", "not found", "no dataset 'sales_v2'"),
            ("dataset://sales_v1@2", "not found", "the catalog has version 1 of 'sales_v1'"),
            ("dataset://sales_v1#attic", "not found", "'public.sales_v1' has no location 'attic'"),
            ("dataset://", "invalid", "names no dataset"),
            ("SELECT 1", "not found", "no dataset 'SELECT 1'"),
        ):
            with pytest.raises(capi.Refused) as refused:
                session.dataset(name)
            assert words in refused.value.message and f"open dataset '{name}'" in refused.value.message
            assert status.replace(" ", "_") in refused.value.status.lower().replace(" ", "_"), refused.value.status


def test_scan(sales_store: Path) -> None:
    """B7: columns, a condition and a limit; a mistake in them is the engine's, and nothing runs."""
    with capi.Session(sales_store, writable=True) as session, session.dataset("sales_v1") as d:
        assert d.scan().num_rows == 0 and d.scan().schema.names == ["id", "name", "price", "parts"]
        assert d.write(rows(3, 1, 2, name="it's")) == 3
        assert sorted(d.scan(["id"]).column("id").to_pylist()) == [1, 2, 3]
        found = d.scan(["price", "id"], "id > 1 -- those\nAND name = 'it''s'").to_pylist()
        assert sorted(r["id"] for r in found) == [2, 3] and list(found[0]) == ["price", "id"]
        assert d.scan(limit=2).num_rows == 2
        for columns, condition in ((["nope"], None), (None, "nope = 1"), (None, "id ="), (["id", 'a"b'], None)):
            with pytest.raises(capi.Refused):
                d.scan(columns, condition)
        with pytest.raises(capi.Refused, match="no column is asked for"):
            d.scan([])


def test_write_aligns(sales_store: Path) -> None:
    """B7, B11: columns in another order, of narrower types, as dictionaries, lacking ones with their default: what is
    stored is the contract's; each write is a run, and the history has it."""
    parts = pa.array([[{"x": 1}], None], pa.list_(pa.struct([("x", pa.int16())])))
    table = pa.table(
        {"parts": parts, "name": pa.array(["a", "b"]).dictionary_encode(), "id": pa.array([1, 2], pa.int8())}
    )
    before = stored.manifest(sales_store)["run_id"]
    with capi.Session(sales_store, writable=True) as session, session.dataset("sales_v1") as d:
        assert d.write(table) == 2
        assert stored.manifest(sales_store)["previous_run"] == before
        assert sorted(d.scan().to_pylist(), key=lambda r: r["id"]) == [
            {"id": 1, "name": "a", "price": 1.5, "parts": [{"x": 1}]},
            {"id": 2, "name": "b", "price": 1.5, "parts": None},
        ]
        assert d.write(rows(7, price=2.0), overwrite=True) == 1
        assert d.scan(["id"]).to_pylist() == [{"id": 7}]
        assert d.write(session.stream("SELECT id + 1 AS id FROM sales_v1")) == 1  # rows of the same session
        history = d.history().to_pylist()
        assert [h["version"] for h in history] == list(range(len(history)))[::-1]
        assert history[0]["operation"] == "WRITE" and history[0]["committed_at"].tzinfo is not None
        assert "Overwrite" in history[1]["parameters"] and d.history(1).num_rows == 1
    with capi.Session(sales_store) as session:
        assert [r["id"] for r in session.rows("SELECT id FROM sales_v1 ORDER BY 1")] == [7, 8]
        writes = session.rows("SELECT dataset_name, n_rows FROM diagnostics.writes WHERE dataset_name = 'sales_v1'")
        assert sorted(w["n_rows"] for w in writes) == [1, 1, 2]


def test_write_is_all_or_nothing(sales_store: Path) -> None:
    """B7, B11: each way in which rows may break the contract; nothing is written or published, and what comes next
    works."""

    def batches(*tables: pa.Table) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(tables[0].schema, (b for t in tables for b in t.to_batches()))

    def broken() -> pa.RecordBatchReader:
        def give():
            yield rows(10).to_batches()[0]
            raise ValueError("the source broke")

        return pa.RecordBatchReader.from_batches(rows(10).schema, give())

    with capi.Session(sales_store, writable=True) as session, session.dataset("sales_v1") as d:
        d.write(rows(1))
        run = stored.manifest(sales_store)["run_id"]
        for given, words in (
            (rows(2, other=1), "'other'"),
            (rows(2).rename_columns(["ID"]), "'id'"),
            (pa.table({"id": ["x"]}), "'id'"),
            (pa.table({"id": pa.array([1.5], pa.float64())}), "'id'"),
            (pa.table({"name": ["no id"]}), "'id'"),
            (batches(rows(5), pa.table({"id": pa.array([None], pa.int64())})), "'id'"),
            (rows(2, price=-1.0), "price"),
            (rows(3, 3), "key"),
            (rows(1), "key"),
            (broken(), "the source broke"),
        ):
            with pytest.raises(capi.Refused) as refused:
                d.write(given)
            assert words in refused.value.message and "write 'public.sales_v1'" in refused.value.message
            assert stored.manifest(sales_store)["run_id"] == run, words
            assert [r["id"] for r in d.scan(["id"]).to_pylist()] == [1], words
        assert d.write(rows(2)) == 1
    with capi.Session(sales_store) as session, session.dataset("sales_v1") as d, pytest.raises(capi.Refused) as refused:
        d.write(rows(9))
    assert "the session only reads" in refused.value.message
    with (
        capi.Session(sales_store, writable=True) as session,
        session.dataset("callers") as d,
        pytest.raises(capi.Refused),
    ):
        d.write(rows(9))


def test_history_of_nothing(built_with_sales: Path) -> None:
    """B7: what has no versions says so."""
    with capi.Session(built_with_sales) as session:
        with session.dataset("ast_nodes") as d, pytest.raises(capi.Refused, match="no Delta table of its own"):
            d.history()
        with session.dataset("sales_v1") as d, pytest.raises(capi.Refused, match="has no rows in this run"):
            d.history()


def test_handles_of_locations(built_with_sales: Path, tmp_path: Path) -> None:
    """B7: a handle with a location reads and writes there."""
    datasets = tmp_path / "datasets"
    (datasets / "locations").mkdir(parents=True)
    (tmp_path / "files").mkdir()
    pq.write_table(
        pa.table(
            {
                "id": pa.array([4], pa.int64()),
                "name": ["n"],
                "price": [2.0],
                "parts": pa.nulls(1, pa.list_(pa.struct([pa.field("x", pa.int32(), nullable=False)]))),
            }
        ),
        tmp_path / "files" / "x.parquet",
    )
    (datasets / "locations" / "files.yaml").write_text(
        f"location: files\ndataset: sales_v1@1\ndoc: d\npath: {tmp_path / 'files'}\nformat: parquet\n"
    )
    with capi.Session(built_with_sales, datasets=datasets) as session, session.dataset("dataset://sales_v1#files") as d:
        assert d.scan(["id", "price"]).to_pylist() == [{"id": 4, "price": 2.0}]
        said = json.loads(d.metadata())
        assert (said["location"], said["format"]) == ("files", "parquet") and "STORED AS PARQUET" in d.ddl()
        assert d.schema().names == session.resolve("sales_v1").names
        with pytest.raises(capi.Refused, match="no Delta table of its own"):
            d.history()
