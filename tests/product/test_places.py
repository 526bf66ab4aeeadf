"""B7: one contract, many locations: declared apart from it, reached by handle or chosen for a session."""

from __future__ import annotations

import json
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from conftest import Program
from listed import Files, declare

COLUMNS = "id int64 not null, name utf8"


def rows_of(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "name": [f"n{i}" for i in ids]})


def put(folder: Path, *ids: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows_of(*ids), folder / "x.parquet")
    return folder


def locate(
    datasets: Path,
    name: str,
    path: Path | str,
    *,
    dataset: str = "sales_v1",
    format: str = "parquet",
    more: str = "",
    file: str = "",
) -> Path:
    folder = datasets / "locations"
    folder.mkdir(parents=True, exist_ok=True)
    text = (
        f"location: {name}\ndataset: {dataset}\ndoc: Rows at {name}.\npath: {json.dumps(str(path))}\nformat: {format}\n"
    )
    (folder / f"{file or name}.yaml").write_text(text + more)
    return folder / f"{file or name}.yaml"


@pytest.fixture
def sales(program: Program, tmp_path: Path) -> Files:
    """`sales_v1` with files of its own, and the location `archive` in another format."""
    datasets = declare(tmp_path / "datasets", COLUMNS, put(tmp_path / "now", 1, 2), name="sales_v1")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "x.csv").write_text("id,name\n7,n7\n")
    locate(
        datasets, "archive", "../../archive", format="csv", dataset="sales_v1@1", more="scan: {mutable_listing: true}\n"
    )
    return Files(program, datasets)


def ids(files: Files, table: str, *args: str) -> list[int]:
    return [row["id"] for row in files.ask(f"SELECT id FROM {table} ORDER BY id", *args)]


def test_a_handle_leads_to_each(sales: Files) -> None:
    """B7: the name reads the contract's own place, a handle with a location that one; the schema is the contract's."""
    assert ids(sales, "sales_v1") == [1, 2]
    assert ids(sales, "'dataset://sales_v1#archive'") == [7]
    assert ids(sales, "'dataset://sales_v1@1#archive'") == [7]
    assert ids(sales, "'dataset://sales_v1#default'") == [1, 2]
    described = [
        sales.program.run("describe", name, "--datasets", sales.datasets, "--quiet")
        for name in ("sales_v1", "dataset://sales_v1#archive", "dataset://sales_v1@1#default")
    ]
    assert all(d.code == 0 and d.out == described[0].out for d in described) and "id,Int64" in described[0].out
    joined = "SELECT a.id AS a, b.id AS b FROM sales_v1 AS a, 'dataset://sales_v1#archive' AS b ORDER BY 1"
    assert sales.ask(joined) == [{"a": 1, "b": 7}, {"a": 2, "b": 7}]


def test_a_session_chooses(sales: Files) -> None:
    """B7: --location makes the name, and views over it, read that place; the handle of each stays what it was."""
    folder = sales.datasets / "normalize"
    (folder / "names.yaml").write_text(
        "dataset: names\nversion: 1\nkind: view\ndoc: Names.\ncolumns:\n"
        "  - {name: name, type: utf8, nullable: true, doc: d}\nevolution: {default: refuse}\n"
    )
    (folder / "names.sql").write_text("-- Names.\nSELECT name FROM sales_v1\n")
    chosen = ("--location", "sales_v1=archive")
    assert ids(sales, "sales_v1", *chosen) == [7]
    assert sales.ask("SELECT name FROM names", *chosen) == [{"name": "n7"}]
    assert ids(sales, "'dataset://sales_v1#default'", *chosen) == [1, 2]
    assert ids(sales, "'dataset://sales_v1#archive'", *chosen) == [7]
    assert ids(sales, "sales_v1", "--location", "sales_v1=default") == [1, 2]
    for text, words in (
        ("sales_v1", "location 'sales_v1': it is not NAME=LOCATION"),
        ("sales_v1=attic", "'public.sales_v1' has no location 'attic': it has archive, default"),
        ("names=archive", "'public.names' has no location 'archive': it has none but its own"),
        ("sales_v9=archive", "no dataset 'sales_v9'"),
    ):
        answer = sales.run("SELECT 1", "--location", text)
        assert answer.code != 0 and words in answer.err, answer.err


def test_the_registry_lists_them(sales: Files, tmp_path: Path) -> None:
    """B7: a row a place with its health, a handle a place; tables are listed once."""
    put(tmp_path / "drifted")
    pq.write_table(pa.table({"id": ["text"], "name": ["a"]}), tmp_path / "drifted" / "x.parquet")
    locate(sales.datasets, "drifted", tmp_path / "drifted")
    locate(sales.datasets, "gone", tmp_path / "gone", format="delta", more="version: 3\n")
    found = sales.ask(
        "SELECT location_name, source, is_read, format, options, data_version, health, reason IS NULL AS fine, doc "
        "FROM registry.locations WHERE dataset_name = 'sales_v1' ORDER BY 1"
    )
    keys = ("location_name", "source", "is_read", "format", "options", "data_version", "health", "fine", "doc")
    assert [tuple(row.get(key) for key in keys) for row in found] == [
        ("archive", "location", False, "csv", "mutable_listing=true", None, "ok", True, "Rows at archive."),
        ("default", "contract", True, "parquet", None, None, "ok", True, None),
        ("drifted", "location", False, "parquet", None, None, "drift", False, "Rows at drifted."),
        ("gone", "location", False, "delta", None, 3, "missing", False, "Rows at gone."),
    ]
    handles = sales.ask(
        "SELECT handle, location_name FROM registry.handles WHERE dataset_name = 'sales_v1' ORDER BY handle"
    )
    assert [(h["handle"], h.get("location_name")) for h in handles] == [
        ("dataset://sales_v1@1", None),
        *((f"dataset://sales_v1@1#{name}", name) for name in ("archive", "default", "drifted", "gone")),
    ]
    listed = sales.ask("SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%sales%'")
    assert listed == [{"table_name": "sales_v1"}]


def test_a_bad_place_disturbs_nobody(sales: Files, tmp_path: Path) -> None:
    """B7, B10: missing, drifted: the query that reads it fails with dataset, path and both types; others answer."""
    put(tmp_path / "drifted")
    pq.write_table(pa.table({"id": ["text"], "name": ["a"]}), tmp_path / "drifted" / "x.parquet")
    locate(sales.datasets, "drifted", tmp_path / "drifted")
    locate(sales.datasets, "gone", tmp_path / "gone")
    err = sales.refused("SELECT * FROM 'dataset://sales_v1#drifted'")
    assert "dataset://sales_v1#drifted" in err and "drifted/x.parquet" in err and "'id' is utf8, expected int64" in err
    gone = sales.run("SELECT * FROM 'dataset://sales_v1#gone'")
    assert gone.code == 3 and "dataset://sales_v1#gone" in gone.err and f"{tmp_path / 'gone'}" in gone.err
    assert ids(sales, "sales_v1") == [1, 2] and ids(sales, "'dataset://sales_v1#archive'") == [7]


def test_scan_options_are_of_the_place(sales: Files) -> None:
    """B4, B7: what a contract says of scans holds at its own place, what a location says at that one."""
    sql = (
        "SELECT name, value FROM registry.options "
        "WHERE dataset_name = 'sales_v1' AND name IN ('format', 'mutable_listing')"
    )
    assert {r["name"]: r["value"] for r in sales.ask(sql)} == {"format": "parquet"}
    chosen = sales.ask(sql, "--location", "sales_v1=archive")
    assert {r["name"]: r["value"] for r in chosen} == {"format": "csv", "mutable_listing": "true"}
    ddl = sales.program.run("ddl", "dataset://sales_v1#archive", "--datasets", sales.datasets, "--quiet")
    assert "STORED AS CSV" in ddl.out and "'scan.mutable_listing' 'true'" in ddl.out, ddl.out + ddl.err


@pytest.mark.parametrize(
    "text, words",
    [
        ("location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: csv\ncolour: red\n", "6:1: unknown key 'colour'"),
        ("location: a\ndataset: sales_v1\ndoc: d\nformat: csv\n", "1:1: missing key 'path' in a location"),
        ("location: A\ndataset: sales_v1\ndoc: d\npath: x\nformat: csv\n", "1:11: 'A' is not a name"),
        ("location: a\ndataset: sales_v1@x\ndoc: d\npath: x\nformat: csv\n", "2:10: key 'dataset': expected a dataset"),
        ("location: a\ndataset: sales_v2\ndoc: d\npath: x\nformat: csv\n", "2:10: location 'a' is of dataset"),
        ("location: a\ndataset: sales_v1@2\ndoc: d\npath: x\nformat: csv\n", "2:10: the location is for version 2"),
        ("location: a\ndataset: cpg_callers\ndoc: d\npath: x\nformat: csv\n", "nobody declares"),
        ("location: a\ndataset: callers\ndoc: d\npath: x\nformat: csv\n", "'callers' is of kind view"),
        ("location: default\ndataset: sales_v1\ndoc: d\npath: x\nformat: csv\n", "1:11: 'default' is the place"),
        ("location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: memory\n", "5:9: memory is no place"),
        (
            "location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: csv\nversion: 1\n",
            "6:10: format csv has no versions",
        ),
        (
            "location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: delta\nversion: 1\nas_of: 2026-11-21T04:27:49Z\n",
            "7:8: version and as_of",
        ),
        ("location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: delta\nas_of: noon\n", "6:8: key 'as_of': 'noon'"),
        ("location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: delta\nversion: -1\n", "6:10: key 'version'"),
        (
            "location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: csv\nscan: {cache: true}\n",
            "6:15: scan option cache means nothing for format csv",
        ),
        ("location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: csv\nscan: {colour: 1}\n", "unknown scan option"),
        (
            "location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: delta\nstorage: {location: y}\n",
            "6:11: unknown key 'location' in storage",
        ),
        (
            "location: a\ndataset: sales_v1\ndoc: d\npath: x\nformat: delta\nstorage: {statistics_columns: [age]}\n",
            "statistics_columns names 'age', which is no column",
        ),
    ],
)
def test_mistakes_have_a_place(sales: Files, text: str, words: str) -> None:
    """B7: what is wrong with a location file is said with file, line and column, and the directory is not loaded."""
    (sales.datasets / "locations" / "a.yaml").write_text(text)
    answer = sales.run("SELECT 1")
    assert answer.code != 0 and answer.out == "", answer.out
    assert "a.yaml:" in answer.err and words in answer.err, answer.err


def test_two_of_one_name(sales: Files, tmp_path: Path) -> None:
    """B7: two locations of one name are refused by both files; of two datasets they may be equal."""
    locate(sales.datasets, "archive", tmp_path, file="again")
    answer = sales.run("SELECT 1")
    assert answer.code != 0
    assert "'public.sales_v1#archive' is declared by 'again.yaml' and by 'archive.yaml'" in answer.err, answer.err
    (sales.datasets / "locations" / "again.yaml").unlink()
    declare(sales.datasets, COLUMNS, put(tmp_path / "orders", 5), name="orders_v1")
    locate(sales.datasets, "archive", put(tmp_path / "orders_then", 6), dataset="orders_v1", file="orders")
    assert ids(sales, "'dataset://orders_v1#archive'") == [6] and ids(sales, "'dataset://sales_v1#archive'") == [7]


def test_types_that_the_place_cannot_hold(sales: Files, tmp_path: Path) -> None:
    """B7: the contract's types are held against the location's format, with the contract's line."""
    declare(sales.datasets, "at time32_s", put(tmp_path / "t"), name="clock")
    locate(sales.datasets, "lake", tmp_path / "lake", dataset="clock", format="delta")
    answer = sales.run("SELECT 1")
    assert answer.code != 0 and "location 'lake' of 'clock': normalize/clock.yaml:6:5: 'at' is time32_s" in answer.err


def test_contract_check(sales: Files) -> None:
    """B7: `contract check` knows location files, without their datasets."""
    folder = sales.datasets / "locations"
    answer = sales.program.run("contract", "check", folder, "--format", "json")
    assert answer.code == 0, answer.err
    [found] = json.loads(answer.out)
    assert (found["dataset"], found["version"], found["schema_fingerprint"]) == ("sales_v1#archive", 1, None)
    (folder / "archive.yaml").write_text("location: a\n")
    broken = sales.program.run("contract", "check", folder)
    assert broken.code == 1 and "archive.yaml:1:1: missing key 'dataset' in a location" in broken.out


# ---- Delta ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def lake(program: Program, tmp_path: Path) -> Files:
    """A Delta table of three versions, as the locations `live`, `first` (version 0), `then` (a time)."""
    table = tmp_path / "lake"
    for i in (1, 2, 3):
        deltalake.write_deltalake(str(table), rows_of(i), mode="append")
    for i in range(3):  # commits an hour apart
        log = table / "_delta_log" / f"{i:020}.json"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for line in lines:
            if "commitInfo" in line:
                line["commitInfo"]["timestamp"] = (1_700_000_000 + 3600 * i) * 1000
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    datasets = declare(tmp_path / "datasets", COLUMNS, put(tmp_path / "now", 9), name="sales_v1")
    locate(datasets, "live", table, format="delta", more="storage: {compression: snappy}\n")
    locate(datasets, "first", table, format="delta", more="version: 0\n")
    locate(datasets, "then", table, format="delta", more="as_of: 2023-11-14T23:30:00Z\n")  # between 1 and 2
    locate(datasets, "before", table, format="delta", more="as_of: 2020-01-01T00:00:00Z\n")
    return Files(program, datasets)


def test_pinned_places(lake: Files) -> None:
    """B7, E1: a location reads the newest version, a version, or what was newest at a time."""
    assert ids(lake, "'dataset://sales_v1#live'") == [1, 2, 3]
    assert ids(lake, "'dataset://sales_v1#first'") == [1]
    assert ids(lake, "'dataset://sales_v1#then'") == [1, 2]
    assert ids(lake, "sales_v1", "--location", "sales_v1=then") == [1, 2]
    assert ids(lake, "sales_v1", "--location", "sales_v1=live", "--pin", "sales_v1=1") == [1, 2]
    before = lake.run("SELECT * FROM 'dataset://sales_v1#before'")
    assert before.code == 3 and "has no version of 2020-01-01T00:00:00+00:00 or before" in before.err, before.err
    found = lake.ask(
        "SELECT location_name, data_version, as_of, health FROM registry.locations WHERE source = 'location'"
    )
    assert [(r["location_name"], r.get("data_version"), r.get("as_of"), r["health"]) for r in found] == [
        ("before", None, "2020-01-01T00:00:00Z", "missing"),
        ("first", 0, None, "ok"),
        ("live", None, None, "ok"),
        ("then", None, "2023-11-14T23:30:00Z", "ok"),
    ]


def test_writes_reach_the_gate(lake: Files, tmp_path: Path) -> None:
    """B7: INSERT into a location passes the contract's gate and lies there; nothing is written where a version or time
    is said, which would put later rows aside."""
    table = tmp_path / "lake"
    lake.args = ["--write"]
    lake.ask("INSERT INTO 'dataset://sales_v1#live' VALUES (4, 'n4')")
    assert deltalake.DeltaTable(str(table)).version() == 3 and ids(lake, "'dataset://sales_v1#live'") == [1, 2, 3, 4]
    lake.ask("INSERT INTO sales_v1 VALUES (5, 'n5')", "--location", "sales_v1=live")
    assert ids(lake, "'dataset://sales_v1#live'") == [1, 2, 3, 4, 5]
    null = lake.run("INSERT INTO 'dataset://sales_v1#live' VALUES (NULL, 'x')")
    assert null.code == 1 and "'id'" in null.err, (null.code, null.err)
    for place in ("first", "then"):
        for statement in (f"INSERT INTO 'dataset://sales_v1#{place}' VALUES (6, 'n6')",):
            refused = lake.run(statement)
            assert (
                refused.code == 3 and f"INSERT is refused on table 'public.dataset://sales_v1#{place}'" in refused.err
            )
        for statement in (
            f"DELETE FROM 'dataset://sales_v1#{place}'",
            f"UPDATE 'dataset://sales_v1#{place}' SET id = 1",
        ):
            refused = lake.run(statement)
            assert refused.code == 3 and "is refused on table" in refused.err, refused.err
    assert deltalake.DeltaTable(str(table)).version() == 4


# ---- runs ----------------------------------------------------------------------------------------------------------


def test_a_store_keeps_them(program: Program, requests_repo: Path, tmp_path: Path) -> None:
    """B7: a built-in dataset has locations like another; a run's snapshot has them, its fingerprint covers them, and a
    directory that says another place now is believed."""
    plain, store, datasets = tmp_path / "plain", tmp_path / "store", tmp_path / "datasets"
    program.build(requests_repo, plain)
    here = [row["path"] for row in program.sql(plain, "SELECT path FROM repo_files_v1 ORDER BY path LIMIT 1")]
    old = program.sql(plain, "SELECT location FROM registry.locations WHERE dataset_name = 'repo_files_v1'")[0][
        "location"
    ]
    locate(datasets, "before", old, dataset="repo_files_v1@1", format="delta")
    program.build(requests_repo, store, "--datasets", str(datasets))
    assert (
        program.sql(store, "SELECT path FROM 'dataset://repo_files_v1#before' ORDER BY path LIMIT 1")[0]["path"]
        == here[0]
    )
    assert stored.manifest(plain)["catalog_fingerprint"] != stored.manifest(store)["catalog_fingerprint"]
    locate(datasets, "before", tmp_path / "elsewhere", dataset="repo_files_v1@1", format="delta")
    sql = "SELECT location, health FROM registry.locations WHERE dataset_name = 'repo_files_v1' AND source = 'location'"
    moved = program.run("sql", "--store", store, "--datasets", datasets, "--format", "ndjson", "-c", sql)
    assert moved.rows() == [{"location": str(tmp_path / "elsewhere"), "health": "missing"}]
