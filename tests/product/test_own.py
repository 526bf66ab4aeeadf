"""A directory of the user's own contracts and models: built, checked and registered like built-in ones, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import stored
from conftest import SHOP, Program
from test_catalog import Session, key_of

OWN_CONTRACT = """\
dataset: calls_by_file
version: 1
kind: table
doc: Calls by file. One row a file with calls.
columns:
  - {name: path, type: utf8, nullable: false, doc: "path of the file"}
  - {name: n_calls, type: int64, nullable: false, doc: "calls in it"}
keys: {primary: [path]}
order: [path]
checks:
  few: "n_calls < 1000"
evolution: {default: refuse}
"""
OWN_SQL = """\
-- How many calls has a file?
SELECT path, count(*) AS n_calls FROM call_sites GROUP BY path
"""
BUILD = f"codeanatomy: build '{SHOP}': "


def own_datasets(folder: Path, contract: str = OWN_CONTRACT, sql: str = OWN_SQL) -> Path:
    (folder / "relate").mkdir(parents=True, exist_ok=True)
    name = key_of(contract, "dataset")
    (folder / "relate" / f"{name}.yaml").write_text(contract)
    (folder / "relate" / f"{name}.sql").write_text(sql)
    return folder


NAMED = """\
dataset: facts
version: 1
kind: bundle
doc: What an extractor of one's own would say. One row a file.
extract:
  extractor: own
  layer: own
  template: own
  derived_ids: {file_id: [repository, path]}
  join_keys: [file_id]
columns:
  - {name: file_id, type: int64, nullable: false, doc: "file"}
  - {name: path, type: utf8, nullable: false, doc: "path of the file"}
keys: {primary: [file_id], unique: [[path]], join: [file_id, path]}
order: [path, file_id]
partition_by: [path]
checks: {path: "path <> ''"}
evolution: {default: refuse}
"""
# What is named wrongly, where, and what is said of it.
WRONG_NAMES = {
    "derived id": ("{file_id: [rep", "{fileid: [rep", "9:17: extract.derived_ids names 'fileid', which is no column"),
    "input of a derived id": (
        "repository, path]}",
        "repository, pfad]}",
        "9:39: extract.derived_ids: 'file_id' is made of 'pfad', which is no column and not 'repository', the name of "
        "the run's repository: declare the column, or name another",
    ),
    "join key of the extract": (
        "join_keys: [file_id]",
        "join_keys: [file]",
        "10:15: extract.join_keys names 'file', which is no column",
    ),
    "join key": ("join: [file_id, path]", "join: [file_id, pfad]", "14:62: keys.join names 'pfad', which is no column"),
    "primary key": ("primary: [file_id]", "primary: [id]", "14:18: keys.primary names 'id', which is no column"),
    "unique key": ("unique: [[path]]", "unique: [[pfad]]", "14:38: keys.unique names 'pfad', which is no column"),
    "order": ("order: [path, file_id]", "order: [path, id]", "15:15: order names 'id', which is no column"),
    "partition": (
        "partition_by: [path]",
        "partition_by: [pfad]",
        "16:16: partition_by names 'pfad', which is no column",
    ),
    "check": ("path <> ''", "pfad <> ''", "17:16: check 'path' of 'public.facts': "),
}


@pytest.mark.parametrize("what", WRONG_NAMES)
def test_names_of_columns(what: str, program: Program, tmp_path: Path) -> None:
    """B13, G2: a key, derived id, input or check that names no column is refused with path, place and names before
    anything runs: no run is published and no table is there."""
    before, after, words = WRONG_NAMES[what]
    folder = tmp_path / "own" / "extract"
    folder.mkdir(parents=True)
    (folder / "facts.yaml").write_text(NAMED)
    good = program.run("contract", "check", tmp_path / "own")
    assert good.code == 0, good.out + good.err
    assert NAMED.count(before) == 1
    (folder / "facts.yaml").write_text(NAMED.replace(before, after))
    answer = program.run("build", SHOP, "--store", tmp_path / "store", "--datasets", tmp_path / "own", "--quiet")
    assert f"extract/facts.yaml:{words}" in answer.err, answer.err
    assert answer.code == (3 if what == "check" else 1)
    assert not (tmp_path / "store" / "published").exists()
    assert list((tmp_path / "store" / "tables").iterdir()) == []


def test_named_columns_are_listed(program: Program, shop_store: Path) -> None:
    """B13: every column that a key, a derived id or one of its inputs names is in information_schema.columns."""
    missing = program.sql(
        shop_store,
        "WITH named AS ("
        "SELECT schema_name AS s, dataset_name AS d, column_name AS c FROM registry.keys "
        "UNION ALL SELECT schema_name, dataset_name, name FROM registry.extracts WHERE key = 'derived_id' "
        "UNION ALL SELECT schema_name, dataset_name, value FROM registry.extracts WHERE key = 'join_key' "
        "UNION ALL SELECT schema_name, dataset_name, unnest(string_to_array(value, ', ')) FROM registry.extracts "
        "WHERE key = 'derived_id') "
        "SELECT (SELECT count(*) FROM named) AS n, n.s, n.d, n.c FROM named AS n "
        "LEFT JOIN information_schema.columns AS i ON i.table_schema = n.s AND i.table_name = n.d "
        "AND i.column_name = n.c WHERE i.column_name IS NULL ORDER BY n.d, n.c",
    )
    assert {row["c"] for row in missing} == {"repository"} and missing[0]["n"] > 300


def test_own_dataset(program: Program, tmp_path: Path) -> None:
    """B1: a directory of the user's own contracts and models is built, checked, registered and queried like a
    built-in one."""
    own = own_datasets(tmp_path / "own")
    store = tmp_path / "store"
    program.build(SHOP, store, "--datasets", str(own))
    counted = {"src/shop/catalog.py": 9, "src/shop/orders/flow.py": 9, "tests/broken.py": 1, "tests/test_shop.py": 6}
    # With and without the flag: the run knows what it was built with.
    for args in ((), ("--datasets", own)):
        rows = Session(program, "--store", store, *args).one("SELECT path, n_calls FROM calls_by_file ORDER BY path")
        assert {row["path"]: row["n_calls"] for row in rows} == counted
    registered = program.sql(
        store, "SELECT stage, kind, health FROM registry.datasets WHERE dataset_name = 'calls_by_file'"
    )
    assert registered == [{"stage": "relate", "kind": "table", "health": "ok"}]
    assert "public.calls_by_file" in stored.entries(store)
    reads = program.sql(store, "SELECT reads FROM diagnostics.plan_artifacts WHERE dataset_name = 'calls_by_file'")
    assert reads == [{"reads": "public.call_sites"}]
    # Declared, and not in the run: empty.
    plain = tmp_path / "plain"
    program.build(SHOP, plain)
    assert Session(program, "--store", plain, "--datasets", own).one("SELECT count(*) AS n FROM calls_by_file") == [
        {"n": 0}
    ]

    own_datasets(own, OWN_CONTRACT.replace("1000", "999"))
    answer = program.run("sql", "--store", store, "--datasets", own, "-c", "SELECT 1")
    assert (answer.code, answer.err) == (
        4,
        f"codeanatomy: load the datasets of '{own}': 'public.calls_by_file' is not what the run was built with: "
        "build again, or read without --datasets\n",
    )


SORTED_KEY = """\
dataset: numbers
version: 1
kind: table
doc: Pairs in the order of their key. One row a pair.
columns:
  - {name: a, type: int64, nullable: false, doc: "first part"}
  - {name: b, type: utf8, nullable: false, doc: "second part"}
keys: {primary: [b, a]}
order: [a, b]
evolution: {default: refuse}
"""


# 8,192 rows are a batch of the engine: two of the pairs lie across a border.
@pytest.mark.parametrize("repeated", [None, 1, 8192, 16384, 19999])
def test_key_in_order(repeated: int | None, program: Program, tmp_path: Path) -> None:
    """B5: a key that the order puts side by side is proved row by row, across batches too; one row that repeats is
    found, and the build refused."""
    folder = tmp_path / "own" / "relate"
    folder.mkdir(parents=True)
    (folder / "numbers.yaml").write_text(SORTED_KEY)
    a = "value" if repeated is None else f"CASE WHEN value = {repeated} THEN {repeated - 1} ELSE value END"
    (folder / "numbers.sql").write_text(
        f"-- Which pairs are there?\nSELECT CAST({a} AS BIGINT) AS a, CAST('x' AS VARCHAR) AS b\n"
        "FROM generate_series(0, 19999)\n"
    )
    answer = program.run("build", SHOP, "--store", tmp_path / "store", "--datasets", tmp_path / "own", "--quiet")
    if repeated is None:
        assert (answer.code, answer.err) == (0, "")
        proved = "SELECT method FROM registry.proofs WHERE dataset_name = 'numbers' AND kind = 'primary_key'"
        assert Session(program, "--store", tmp_path / "store").one(proved) == [{"method": "gate"}]
    else:
        assert answer.code == 1
        assert answer.err.startswith(
            f"{BUILD}model 'public.numbers': 'public.numbers': the primary key (\"b\", \"a\") is not unique: 1 "
        ), answer.err


OWN_FAILURES = {
    "check": (
        OWN_CONTRACT.replace("1000", "5"),
        OWN_SQL,
        1,
        "model 'public.calls_by_file': write 'public.calls_by_file': check 'few' fails in row ",
    ),
    "key": (
        OWN_CONTRACT,
        "SELECT path, CAST(1 AS BIGINT) AS n_calls FROM call_sites",
        1,
        "model 'public.calls_by_file': 'public.calls_by_file': the primary key (\"path\") is not unique: 3 "
        "values repeat",
    ),
    "type": (
        OWN_CONTRACT.replace("int64", "int32"),
        OWN_SQL,
        4,
        "apply the contracts: check the SQL of 'public.calls_by_file': 'public.calls_by_file' does not yield "
        "what its contract "
        "declares: 'n_calls' is int64, expected int32",
    ),
    "missing_table": (
        OWN_CONTRACT,
        "SELECT path, n_calls FROM nowhere",
        3,
        "apply the contracts: check the SQL of 'public.calls_by_file': Error during planning: "
        "table 'codeintel.public.nowhere' not found",
    ),
    "statement": (
        OWN_CONTRACT,
        "DELETE FROM modules",
        3,
        "apply the contracts: check the SQL of 'public.calls_by_file': a statement that changes something is no query",
    ),
    "view_of_a_statement": (
        OWN_CONTRACT.replace("kind: table", "kind: view").replace("keys: {primary: [path]}\norder: [path]\n", ""),
        "INSERT INTO modules SELECT * FROM modules",
        3,
        "apply the contracts: check the SQL of 'public.calls_by_file': a statement that changes something is no query",
    ),
    "circle": (
        OWN_CONTRACT,
        "SELECT path, count(*) AS n_calls FROM calls_by_file GROUP BY path",
        1,
        "models read each other in a circle: calls_by_file",
    ),
    "stage": (
        OWN_CONTRACT,
        "SELECT path, count(*) AS n_calls FROM cpg_nodes WHERE path IS NOT NULL GROUP BY path",
        1,
        "model 'public.calls_by_file': model 'calls_by_file' of stage 'relate' reads 'cpg_nodes' of the later "
        "stage 'graph'",
    ),
    "check_without_column": (
        OWN_CONTRACT.replace('few: "n_calls', 'few: "n_cals'),
        OWN_SQL,
        3,
        "apply the contracts: relate/calls_by_file.yaml:11:8: check 'few' of 'public.calls_by_file': "
        "Schema error: No field named n_cals.",
    ),
    "check_without_end": (
        OWN_CONTRACT.replace("< 1000", "<< )"),
        OWN_SQL,
        3,
        "apply the contracts: relate/calls_by_file.yaml:11:8: check 'few' of 'public.calls_by_file': SQL error: "
        'ParserError("Expected: an expression, found: ) at Line: 11, Column: 20")',
    ),
    "check_of_no_truth": (
        OWN_CONTRACT.replace("n_calls < 1000", "n_calls + 1"),
        OWN_SQL,
        3,
        "apply the contracts: relate/calls_by_file.yaml:11:8: check 'few' of 'public.calls_by_file': "
        "type_coercion\ncaused by\nError during planning: Cannot infer common argument type",
    ),
    "check_with_subquery": (
        OWN_CONTRACT.replace("n_calls < 1000", "n_calls < (SELECT 1000)"),
        OWN_SQL,
        3,
        "apply the contracts: relate/calls_by_file.yaml:11:8: 'public.calls_by_file': "
        "a check sees one row at a time, and no table: check 'few': "
        "it has a subquery, and a check is asked of each row by itself\n",
    ),
    "check_with_a_table": (
        OWN_CONTRACT.replace("n_calls < 1000", "n_calls < (SELECT count(*) FROM modules)"),
        OWN_SQL,
        3,
        "apply the contracts: relate/calls_by_file.yaml:11:8: 'public.calls_by_file': "
        "a check sees one row at a time, and no table: check 'few': Error during planning: "
        "table 'codeintel.public.modules' not found (line 1, column 33)\n",
    ),
    "check_with_aggregate": (
        OWN_CONTRACT.replace("n_calls < 1000", "count(*) < 1000"),
        OWN_SQL,
        3,
        "apply the contracts: relate/calls_by_file.yaml:11:8: 'public.calls_by_file': "
        "a check sees one row at a time, and no table: check 'few': "
        "it looks at several rows at once, and a check is asked of each row by itself\n",
    ),
    "check_with_random": (
        OWN_CONTRACT.replace("n_calls < 1000", "n_calls < random()"),
        OWN_SQL,
        3,
        "apply the contracts: relate/calls_by_file.yaml:11:8: 'public.calls_by_file': "
        "a check sees one row at a time, and no table: check 'few': "
        "it has a value that is another each time, and a check is asked of each row by itself\n",
    ),
    "unknown_key": (
        OWN_CONTRACT.replace("order:", "ordre:"),
        OWN_SQL,
        1,
        "load the datasets of '{own}': {own}/relate/calls_by_file.yaml:9:1: unknown key 'ordre' in a contract; "
        "known are ",
    ),
    "taken_name": (
        OWN_CONTRACT.replace("calls_by_file", "classes"),
        OWN_SQL,
        1,
        "load the datasets of '{own}': 'public.classes' is built in: give yours another name\n",
    ),
}


def test_sort_of_wide_rows(program: Program, tmp_path: Path) -> None:
    """D1: a sort whose first batch is larger than its part of the memory for sorts has nothing to spill yet, and goes
    on all the same. 4,096 rows of 12 kB a batch, 64 MiB for all sorts of profile small."""
    contract = OWN_CONTRACT.replace("n_calls < 1000", "n_calls < 12000").replace("[path]", "[n_calls]")
    sql = "SELECT repeat('x', 12000) AS path, i AS n_calls FROM unnest(range(11999, -1, -1)) AS t(i)\n"
    own = own_datasets(tmp_path / "own", contract, sql)
    store = tmp_path / "store"
    program.build(SHOP, store, "--datasets", str(own), "--profile", "small")
    assert program.sql(store, "SELECT count(*) AS n, min(length(path)) AS least FROM calls_by_file") == [
        {"n": 12000, "least": 12000}
    ]
    order = "SELECT status, method FROM registry.proofs WHERE dataset_name = 'calls_by_file' AND kind = 'order'"
    assert program.sql(store, order) == [{"status": "proved", "method": "gate"}]


@pytest.mark.parametrize("what", OWN_FAILURES)
def test_own_dataset_fails(what: str, program: Program, tmp_path: Path) -> None:
    """B1, B5, D1, G2: a contract, a model or its rows that are not right end the build; the message names dataset,
    place and cause."""
    contract, sql, code, words = OWN_FAILURES[what]
    own = own_datasets(tmp_path / "own", contract, sql)
    store = tmp_path / "store"
    answer = program.run("build", SHOP, "--store", store, "--datasets", own, "--quiet")
    assert answer.code == code, answer.err
    assert answer.err.startswith(BUILD + words.format(own=own)), answer.err
    assert not (store / "published").exists()
