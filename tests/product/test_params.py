"""B15: parameter tables of a session and of a run, set from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import stored
from conftest import ROOT, SHOP, Program

MODEL = """\
dataset: asked_modules
version: 1
kind: table
doc: One row a module of a file that the run is about.
columns:
  - {name: module, type: utf8, nullable: false, doc: m}
keys: {primary: [module]}
order: [module]
evolution: {default: refuse}
"""
SQL = "SELECT m.module AS module FROM modules m JOIN params.p_file_ids p ON p.file_id = m.file_id"


@pytest.fixture(scope="module")
def store(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("params") / "store"
    program.build(SHOP, folder, "--python", sys.executable)
    return folder


def test_session_table(program: Program, store: Path) -> None:
    """The rows are the session's: joined there, gone in the next one; the registry counts them."""
    query = "p_file_ids=SELECT file_id FROM modules WHERE module LIKE 'shop.o%'"
    statements = (
        "SELECT m.module FROM modules m JOIN params.p_file_ids p ON p.file_id = m.file_id ORDER BY m.module;"
        "SELECT n_rows FROM registry.datasets WHERE dataset_name = 'p_file_ids'"
    )
    answer = program.run("sql", "--store", store, "-q", "--format", "json", "--param-table", query, "-c", statements)
    assert answer.code == 0, answer.err
    asked, counted = [json.loads(line) for line in answer.out.splitlines()]
    expected = program.sql(store, "SELECT module FROM modules WHERE module LIKE 'shop.o%' ORDER BY module")
    assert asked == expected and len(asked) > 1
    assert counted == [{"n_rows": len(asked)}]
    assert program.sql(store, "SELECT count(*) AS n FROM params.p_file_ids") == [{"n": 0}]


REFUSED = {
    "p_file_ids": (2, "parameter table 'p_file_ids' is not NAME=QUERY"),
    "p_file_ids=SELECT 1 AS file_id UNION ALL SELECT 1": (
        1,
        "parameter table 'params.p_file_ids': 'params.p_file_ids': the primary key (\"file_id\") is not unique: "
        "1 values repeat",
    ),
    "p_file_ids=SELECT 'a' AS file_id": (
        4,
        "parameter table 'params.p_file_ids': 'file_id' is utf8, which cannot become int64 without loss",
    ),
    "p_file_ids=SELECT 1 AS id": (4, "parameter table 'params.p_file_ids': "),
    "p_nope=SELECT 1 AS file_id": (3, "parameter table 'p_nope': no dataset 'params.p_nope'"),
    "modules=SELECT 1 AS file_id": (3, "parameter table 'modules': no dataset 'params.modules'"),
    "p_file_ids=SELECT": (3, ""),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str, program: Program, store: Path) -> None:
    """B11: rows that are not the contract's are refused with table, column and both types, before any statement."""
    code, words = REFUSED[text]
    answer = program.run("sql", "--store", store, "-q", "--param-table", text, "-c", "SELECT 1 AS one")
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(f"codeanatomy: {words}"), answer.err


def test_run_table(program: Program, store: Path, tmp_path: Path) -> None:
    """The rows are the run's: a model joins them, and the manifest has their number and a fingerprint that depends on
    the rows and not on their order."""
    folder = tmp_path / "datasets" / "normalize"
    folder.mkdir(parents=True)
    (folder / "asked_modules.yaml").write_text(MODEL)
    (folder / "asked_modules.sql").write_text(SQL)
    schema = json.loads((ROOT / "docs" / "manifest.schema.json").read_text())
    signed = []
    for order in ("ASC", "DESC"):
        query = f"params.p_file_ids=SELECT file_id FROM modules WHERE module LIKE 'shop.o%' ORDER BY file_id {order}"
        args = ("--datasets", str(folder.parent), "--param-table", query, "--python", sys.executable)
        program.build(SHOP, store, *args)
        manifest = stored.manifest(store)
        jsonschema.validate(manifest, schema)
        signed.append(manifest["param_tables"])
    [[first], [second]] = signed
    assert first == second
    assert first["name"] == "params.p_file_ids"
    made = [row["module"] for row in program.sql(store, "SELECT module FROM asked_modules ORDER BY module")]
    wanted = program.sql(store, "SELECT module FROM modules WHERE module LIKE 'shop.o%' ORDER BY module")
    assert made == [row["module"] for row in wanted] and first["n_rows"] == len(made)
    one = "p_file_ids=SELECT file_id FROM modules WHERE module = 'shop.orders'"
    program.build(SHOP, store, "--param-table", one, "--python", sys.executable)
    [other] = stored.manifest(store)["param_tables"]
    assert other["n_rows"] == 1 and other["fingerprint"] != first["fingerprint"]
    twice = program.run("build", SHOP, "--store", store, "-q", "--param-table", one, "--param-table", one)
    assert (twice.code, twice.err) == (2, "codeanatomy: parameter table 'p_file_ids' is given twice\n")


def test_run_without_a_store(program: Program, tmp_path: Path) -> None:
    """The first build of a store takes rows too: constants, since nothing is published yet."""
    query = "p_file_ids=SELECT * FROM (VALUES (3), (1), (2)) AS t (file_id)"
    program.build(SHOP, tmp_path / "store", "--param-table", query, "--python", sys.executable)
    assert stored.manifest(tmp_path / "store")["param_tables"][0]["n_rows"] == 3


LIMITS = """\
dataset: limits
version: 1
kind: params
doc: What a run is asked about.
columns:
  - {name: name, type: dictionary, index: int8, value: {type: utf8}, nullable: false, doc: n}
  - {name: most, type: float32, nullable: true, lossy_from: [float64], doc: m}
  - {name: share, type: decimal128, precision: 6, scale: 2, nullable: true, doc: s}
  - {name: kind, type: utf8, nullable: false, default: "'soft'", doc: k}
keys: {primary: [kind]}
evolution: {default: refuse}
"""
PLACES = """\
dataset: places
version: 1
kind: params
doc: Where a run looks.
columns:
  - name: places
    type: list
    nullable: false
    doc: p
    item:
      type: struct
      nullable: false
      fields: [{name: path, type: utf8, nullable: false, doc: p}, {name: line, type: int32, nullable: true, doc: l}]
evolution: {default: refuse}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "params"
    folder.mkdir()
    (folder / "limits.yaml").write_text(LIMITS)
    return folder.parent


def test_rows_are_aligned_to_the_contract(program: Program, own: Path, tmp_path: Path) -> None:
    """B11: order, defaults, casts (a lossy one by name), encoding and nested fields; casts are recorded."""
    query = "limits=SELECT CAST(0.1 AS DOUBLE) AS most, 'x' AS name, CAST(7 AS INT) AS share"
    program.build(SHOP, tmp_path / "store", "--datasets", str(own), "--layers", "symtable", "--param-table", query)
    # Rows of a run's parameters are the run's alone: what is left of them is how they were made to fit.
    casts = program.sql(
        tmp_path / "store",
        "SELECT path, from_type, to_type FROM diagnostics.casts WHERE dataset_name = 'limits' ORDER BY path",
    )
    assert casts == [
        {"path": "most", "from_type": "float64", "to_type": "float32"},
        {"path": "name", "from_type": "utf8", "to_type": "dictionary(int8, utf8)"},
        {"path": "share", "from_type": "int32", "to_type": "decimal128(6, 2)"},
    ]
    shown = program.run("sql", "--datasets", own, "-q", "--format", "ndjson", "--param-table", query,
                        "-c", "SELECT * FROM params.limits", cwd=tmp_path)  # fmt: skip
    assert shown.code == 0, shown.err
    [row] = shown.rows()
    assert (row["name"], row["kind"]) == ("x", "soft")
    assert float(row["most"]) == pytest.approx(0.1, rel=1e-6) and float(row["share"]) == 7


NOT_ALIGNED = {
    "SELECT 'x' AS name, CAST('1e300' AS DOUBLE) AS most": "'most' row 0: 1.0000000000000001e+300 does not fit",
    "SELECT 'x' AS name, CAST(0.125 AS DECIMAL(6, 3)) AS share": "'share' row 0: 125e-3 does not fit type decimal128",
    "SELECT 'x' AS name, CAST(0.5 AS DOUBLE) AS share": "'share' is float64, which cannot become decimal128(6, 2)",
    "SELECT CAST(NULL AS VARCHAR) AS name": "'name' row 0: null where the contract says not null",
    "SELECT 1 AS most": "'name' (dictionary(int8, utf8) not null) is missing and has no default",
}


@pytest.mark.parametrize("query", NOT_ALIGNED)
def test_what_cannot_be_aligned(query: str, program: Program, own: Path, tmp_path: Path) -> None:
    """B11: named by path, row and both types."""
    answer = program.run(
        "sql", "--datasets", own, "-q", "--param-table", f"limits={query}", "-c", "SELECT 1", cwd=tmp_path
    )
    assert answer.out == "" and answer.code != 0
    assert f"parameter table 'params.limits': {NOT_ALIGNED[query]}" in answer.err, answer.err


def test_what_is_inside_is_aligned_too(program: Program, tmp_path: Path) -> None:
    """B11: a field that a list's items lack is null, or it is what the error names."""
    (tmp_path / "own" / "params").mkdir(parents=True)
    (tmp_path / "own" / "params" / "places.yaml").write_text(PLACES)
    run = ["sql", "--datasets", tmp_path / "own", "-q", "--format", "ndjson", "-c", "SELECT * FROM params.places"]
    good = program.run(*run, "--param-table", "places=SELECT [named_struct('path', 'a.py')] AS places", cwd=tmp_path)
    assert good.code == 0 and good.rows() == [{"places": [{"path": "a.py", "line": None}]}], good.err
    bad = program.run(*run, "--param-table", "places=SELECT [named_struct('line', 1)] AS places", cwd=tmp_path)
    assert bad.code == 4 and "'places[].path' (utf8 not null) is missing and has no default" in bad.err


def test_nested_rows_are_signed(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    """B15: a table with a list of structs is a run's too; its fingerprint depends on what is inside and on no order."""
    repo = make_repo({"a.py": "x = 1\n"})
    (tmp_path / "own" / "params").mkdir(parents=True)
    (tmp_path / "own" / "params" / "places.yaml").write_text(PLACES)

    def signed(*paths: str) -> dict[str, Any]:
        rows = " UNION ALL ".join(f"SELECT [named_struct('path', '{path}', 'line', 1)] AS places" for path in paths)
        store = tmp_path / "store"
        args = ("--datasets", str(tmp_path / "own"), "--param-table", f"places={rows}", "--layers", "libcst")
        program.build(repo, store, *args)
        [entry] = stored.manifest(store)["param_tables"]
        return entry

    first = signed("a", "b")
    assert first["n_rows"] == 2
    assert signed("b", "a") == first
    assert signed("b", "c")["fingerprint"] != first["fingerprint"]
