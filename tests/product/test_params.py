"""B15: parameter tables of a session and of a run, set from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest
import stored
from conftest import ROOT, Program

SHOP = ROOT / "tests" / "corpus" / "shop"
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
