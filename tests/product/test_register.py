"""B7: contracts that come into a session that runs, through the C API: an apply of the whole, then one epoch."""

from __future__ import annotations

import shutil
from pathlib import Path

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from listed import declare
from test_apply import contract
from test_handles import CONTRACT

ROWS = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
LISTED = (
    "SELECT table_schema || '.' || table_name AS n FROM information_schema.tables "
    "WHERE table_catalog = 'codeintel' AND table_schema <> 'information_schema' ORDER BY n"
)
DECLARED = "SELECT schema_name || '.' || dataset_name AS n FROM registry.datasets ORDER BY n"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def state(session: capi.Session) -> tuple[list[dict[str, str]], str]:
    names = session.rows(DECLARED)
    assert session.rows(LISTED) == names
    return names, session.ddl()


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    return write(tmp_path / "sales", {"normalize/sales_v1.yaml": CONTRACT})


@pytest.mark.parametrize("writable", [False, True])
def test_a_dataset_and_its_views(sales: Path, writable: bool) -> None:
    """B7, B2, A5: it is in every list, with its views, columns, keys, DDL and fingerprints, as if the session had
    opened with it; rows that are being read go on."""
    with capi.Session(datasets=sales) as opened, capi.Session(writable=writable) as session:
        before = {r["n"] for r in session.rows(DECLARED)}
        reading = session.stream("SELECT value FROM generate_series(1, 100000)")
        first = reading.read_next_batch().num_rows
        assert session.register(sales / "normalize" / "sales_v1.yaml") == ["public.sale_parts", "public.sales_v1"]
        assert first + reading.read_all().num_rows == 100000
        assert {r["n"] for r in session.rows(DECLARED)} - before == {"public.sale_parts", "public.sales_v1"}
        assert state(session) == state(opened)
        for sql in (
            "SELECT * FROM registry.columns WHERE dataset_name = 'sales_v1'",
            "SELECT * FROM registry.keys WHERE dataset_name = 'sales_v1'",
            "SELECT * FROM registry.fingerprints WHERE dataset_name LIKE 'sale%'",
            "SELECT * FROM information_schema.columns WHERE table_name = 'sales_v1'",
            "DESCRIBE sale_parts",
            "SELECT * FROM 'dataset://sales_v1@1'",
            "SHOW CREATE TABLE sales_v1",
        ):
            assert session.query(sql) == opened.query(sql), sql
        with session.dataset("sales_v1") as mine, opened.dataset("sales_v1") as theirs:
            assert mine.schema() == theirs.schema() and mine.fingerprints() == theirs.fingerprints()
            assert mine.views() == theirs.views() and mine.scan().num_rows == 0
        assert session.register(sales) == []  # the very same


def test_files_are_read_through_it(tmp_path: Path) -> None:
    """B7, B10: a contract with files of somebody else, a view over it, and one more location, at once: handshakes,
    health, and INSERT hold as for every dataset."""
    place = tmp_path / "files"
    other = tmp_path / "other"
    for folder in (place, other):
        folder.mkdir()
    pq.write_table(ROWS, place / "one.parquet")
    pq.write_table(ROWS.slice(1), other / "one.parquet")
    own = declare(tmp_path / "own", "a int64 not null, b utf8", place, name="things")
    write(own, contract("ids", "SELECT a AS id FROM things"))
    write(
        own,
        {"locations/less.yaml": f"location: less\ndataset: things\ndoc: Fewer.\npath: {other}\nformat: parquet\n"},
    )
    with capi.Session(writable=True) as session:
        session.register(own)
        assert session.rows("SELECT sum(id) AS s FROM ids") == [{"s": 6}]
        assert session.rows("SELECT sum(a) AS s FROM 'dataset://things#less'") == [{"s": 5}]
        places = session.rows("SELECT location_name, health FROM registry.locations WHERE dataset_name = 'things'")
        assert places == [{"location_name": "default", "health": "ok"}, {"location_name": "less", "health": "ok"}]
        with pytest.raises(capi.Refused, match="column 'a' is null"):
            session.query("INSERT INTO things VALUES (NULL, 'n')")
        session.query("INSERT INTO things VALUES (4, 'n')")
        assert session.rows("SELECT count(*) AS n FROM things") == [{"n": 4}]
        pq.write_table(ROWS.select(["b"]), place / "bad.parquet")
        with pytest.raises(capi.Refused, match=r"'a' \(int64\) is missing") as refused:
            session.query("SELECT * FROM ids")
        assert refused.value.status == "CA_ERR_DRIFT" and str(place / "bad.parquet")[1:] in refused.value.message
        [row] = session.rows("SELECT health FROM registry.health WHERE dataset_name = 'things'")
        assert row == {"health": "drift"}


def test_locations_of_what_is_there(sales: Path, tmp_path: Path) -> None:
    """B7: a location may come later than its dataset; the name still reads what it read."""
    rows = tmp_path / "rows"
    rows.mkdir()
    pq.write_table(pa.table({"id": [7], "name": ["n"], "price": [1.0]}), rows / "one.parquet")
    text = f"location: archive\ndataset: sales_v1@1\ndoc: d\npath: {rows}\nformat: parquet\n"
    file = write(tmp_path / "later", {"locations/archive.yaml": text}) / "locations" / "archive.yaml"
    # What lacks a nullable column is completed where the evolution rules say so.
    (sales / "normalize" / "sales_v1.yaml").write_text(
        CONTRACT.replace("{default: refuse}", "{default: refuse, add_nullable: allow}")
    )
    with capi.Session() as session:
        session.register(sales)
        session.register(file)
        assert session.rows("SELECT id, parts FROM 'dataset://sales_v1#archive'") == [{"id": 7, "parts": None}]
        assert session.rows("SELECT id FROM sales_v1") == []


BAD = {
    "type": (
        contract("v_a", "SELECT id FROM sales_v1", kind="utf8"),
        "CA_ERR_DRIFT",
        "'public.v_a' does not yield what its contract declares: 'id' is int64, expected utf8",
    ),
    "missing": (contract("v_a", "SELECT id FROM gone"), "CA_ERR_ENGINE", "table 'codeintel.public.gone' not found"),
    "key": (
        {"normalize/bad.yaml": CONTRACT.replace("sales_v1", "bad").replace("sale_parts", "p").replace("[id]", "[idd]")},
        "CA_ERR_CONTRACT",
        "normalize/bad.yaml:17:29: with names 'idd', which is no column",
    ),
    "no yaml": ({"normalize/bad.yaml": "dataset: ["}, "CA_ERR_CONTRACT", "normalize/bad.yaml:2:1: not YAML"),
    "check": (
        {
            "normalize/bad.yaml": CONTRACT.replace("sales_v1", "bad")
            .replace("sale_parts", "p")
            .replace("price >= 0", "pricey >= 0")
        },
        "CA_ERR_ENGINE",
        "check 'price' of 'public.bad'",
    ),
    "built in": (contract("modules", "SELECT 1 AS id"), "CA_ERR_CONTRACT", "'public.modules' is declared already"),
    "another": (
        {"normalize/sales_v1.yaml": CONTRACT.replace("utf8", "int32")},
        "CA_ERR_CONTRACT",
        "'public.sales_v1' is declared already and by another contract",
    ),
    "view of that name": (
        contract("sale_parts", "SELECT 1 AS id"),
        "CA_ERR_CONTRACT",
        "'public.sale_parts' is declared already",
    ),
    "location of nobody": (
        {"locations/a.yaml": "location: a\ndataset: gone\ndoc: d\npath: /nowhere\nformat: csv\n"},
        "CA_ERR_NOT_FOUND",
        "a.yaml:2:10: location 'a' is of dataset 'public.gone', which nobody declares",
    ),
    "table of the session": (
        contract("mine", "SELECT 1 AS id"),
        "CA_ERR_REFUSED",
        "'public.mine' is a table that was made in this session",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_one_changes_nothing(what: str, sales: Path, tmp_path: Path) -> None:
    """B7, B5, G2: names, file and both types in the message; what was registered with it is not there either."""
    files, status, words = BAD[what]
    bad = write(tmp_path / "bad", {**contract("good", "SELECT id FROM sales_v1"), **files})
    with capi.Session(writable=True) as session:
        session.register(sales)
        session.query("CREATE TABLE mine AS SELECT 1 AS id")
        before = state(session)
        with pytest.raises(capi.Refused) as refused:
            session.register(bad)
        assert words in refused.value.message and refused.value.message.startswith(f"register '{bad}'")
        assert refused.value.status == status
        assert state(session) == before
        with pytest.raises(capi.Refused, match="not found"):
            session.query("SELECT * FROM good")
        assert session.rows("SELECT id FROM mine") == [{"id": 1}]
    with capi.Session() as session, pytest.raises(capi.Refused, match="there is no file or folder '/nowhere'"):
        session.register(Path("/nowhere"))


def test_rows_in_the_store(shop_store: Path, sales: Path, tmp_path: Path) -> None:
    """B7, E1: rows go into the store's table, and the run that is published with them has the contract: the next
    session knows it. A session that reads looks at the new run and keeps what it registered itself."""
    store = tmp_path / "store"
    shutil.copytree(shop_store, store)
    extra = write(tmp_path / "extra", contract("ids", "SELECT id FROM sales_v1"))
    with capi.Session(store) as reader:
        reader.register(sales)
        reader.register(extra, sales / "normalize" / "sales_v1.yaml")
        assert reader.rows("SELECT count(*) AS n FROM ids") == [{"n": 0}]
        with capi.Session(store, writable=True) as session:
            session.register(sales)
            with session.dataset("sales_v1") as d:
                assert d.write(pa.table({"id": [1, 2]})) == 2
                with pytest.raises(capi.Refused, match="primary key"):
                    d.write(pa.table({"id": [1]}))
                assert d.history().num_rows == 1
        assert reader.rows("SELECT count(*) AS n FROM ids") == [{"n": 0}]
        reader.refresh()
        assert reader.rows("SELECT count(*) AS n FROM ids") == [{"n": 2}]
    with capi.Session(store) as session:
        assert session.rows("SELECT id, price FROM sales_v1 ORDER BY id") == [
            {"id": 1, "price": 1.5},
            {"id": 2, "price": 1.5},
        ]
        assert {d["name"] for d in stored.manifest(store)["datasets"]} >= {"sales_v1"}
