"""What the catalog says of itself in `registry.*`, held against the contract files, the manifest and the engine."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import stored
import yaml
from conftest import ROOT, SHOP, Program

DATASETS = ROOT / "datasets"

CONTRACTS: dict[str, dict[str, Any]] = {}
STAGES: dict[str, str] = {}
for path in sorted(DATASETS.rglob("*.yaml")):
    stage = path.parent.name
    schema = stage if stage in ("registry", "params", "diagnostics") else "public"
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    CONTRACTS[f"{schema}.{contract['dataset']}"] = contract
    STAGES[f"{schema}.{contract['dataset']}"] = stage

# A user's contract with everything that the built-in ones do not say.
USER = """\
dataset: measured
version: 3
kind: table
doc: One row a measurement.
columns:
  - {name: id, type: int64, nullable: false, doc: id}
  - {name: unit, type: utf8, nullable: false, default: "'s'", doc: unit, values: {s: seconds, "it's": odd}}
  - {name: day, type: utf8, nullable: true, doc: day}
  - name: points
    type: list
    nullable: true
    doc: p
    item:
      type: struct
      nullable: false
      fields:
        - {name: x, type: int64, nullable: false, default: "0", doc: x}
keys: {primary: [id]}
order: [unit, id]
partition_by: [day]
storage: {format: delta}
evolution: {default: refuse}
"""
LISTED = """\
dataset: given
version: 1
kind: table
doc: One row a line of a file that lies there.
columns:
  - {name: a, type: int64, nullable: true, doc: a}
storage: {format: csv, location: "PLACE"}
scan: {file_extension: .csv}
evolution: {default: refuse}
"""


@pytest.fixture(scope="module")
def built(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("registry") / "store"
    program.build(SHOP, folder, "--python", sys.executable)
    return folder


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(built, tmp_path / "store"))


@pytest.fixture
def datasets(tmp_path: Path) -> Path:
    """A directory of the user's own contracts, and a file that one of them lists."""
    folder = tmp_path / "datasets" / "normalize"
    folder.mkdir(parents=True)
    files = tmp_path / "files"
    files.mkdir()
    (files / "one.csv").write_text("a\n1\n2\n")
    (folder / "measured.yaml").write_text(USER)
    (folder / "given.yaml").write_text(LISTED.replace("PLACE", str(files)))
    return folder.parent


def ask(program: Program, sql: str, *args: str | Path, cwd: Path | None = None) -> list[dict[str, Any]]:
    answer = program.run("sql", *args, "--quiet", "--format", "json", "-c", sql, cwd=cwd)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


# ---- what is declared ----------------------------------------------------------------------------------------------


def test_datasets_are_information_schema(program: Program, django_store: Path) -> None:
    """B2, issue 4: over a store built from Django, registry.datasets and information_schema.tables are one list, and
    every dataset of the declared set is in it, as the files of datasets/ have them."""
    registered = program.sql(
        django_store, "SELECT schema_name || '.' || dataset_name AS name FROM registry.datasets ORDER BY name"
    )
    listed = program.sql(
        django_store,
        "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables "
        "WHERE table_catalog = 'codeintel' AND table_schema <> 'information_schema' ORDER BY name",
    )
    assert registered == listed
    names = {row["name"] for row in registered}
    declared = {*CONTRACTS, *(f"public.{view}" for c in CONTRACTS.values() for view in c.get("views", {}))}
    assert names == declared
    [unwell] = program.sql(
        django_store, "SELECT count(*) AS n FROM registry.health WHERE health NOT IN ('ok', 'empty')"
    )
    assert unwell == {"n": 0}


def test_definitions_are_the_ddl(program: Program, built: Path) -> None:
    """B3, A5: information_schema.views, and so SHOW CREATE TABLE, has the text of `codeanatomy ddl` for every table and
    view; the registry's fingerprint is of that text without a location."""
    rows = ask(
        program,
        "SELECT table_schema || '.' || table_name AS name, definition FROM information_schema.views "
        "WHERE table_catalog = 'codeintel' ORDER BY table_schema, table_name",
        "--store",
        built,
    )
    assert [row["name"] for row in rows] == sorted(
        {*CONTRACTS, *(f"public.{view}" for c in CONTRACTS.values() for view in c.get("views", {}))}
    )
    every = program.run("ddl", "--store", built)
    assert every.code == 0, every.err
    assert "".join(row["definition"] for row in rows) == every.out
    shown = ask(program, "SHOW CREATE TABLE ast_files_v1", "--store", built)
    one = program.run("ddl", "--store", built, "ast_files_v1")
    assert [row["definition"] for row in shown] == [one.out]
    assert f"LOCATION '{built}/tables/public/ast_files_v1/" in one.out


def test_declared_details_of_a_user(program: Program, datasets: Path, tmp_path: Path) -> None:
    """B1, issue 4: defaults (nested ones too), partitions, order, listed values, handles and locations are what the
    contract says."""

    def of(table: str, columns: str) -> list[list[Any]]:
        where = "dataset_name IN ('measured', 'given')"
        rows = ask(
            program,
            f"SELECT {columns} FROM registry.{table} WHERE {where} ORDER BY {columns}",
            "--datasets",
            datasets,
            cwd=tmp_path,
        )
        return [list(row.values()) for row in rows]

    assert of("defaults", "path, sql") == [["points[].x", "0"], ["unit", "'s'"]]
    assert of("partitions", "position, column_name, type") == [[0, "day", "utf8"]]
    assert of("orderings", "position, column_name") == [[0, "unit"], [1, "id"]]
    assert of("column_values", "position, value, doc") == [[0, "s", "seconds"], [1, "it's", "odd"]]
    assert of("checks", "check_name, sql") == [["unit", "unit IN ('s', 'it''s')"]]
    assert of("handles", "handle, version") == [["dataset://given@1", 1], ["dataset://measured@3", 3]]
    assert of("locations", "dataset_name, source, format, location, options") == [
        ["given", "contract", "csv", str(tmp_path / "files"), "file_extension=.csv"]
    ]
    assert of("health", "dataset_name, health") == [["given", "ok"], ["measured", "empty"]]


def test_listed_values_are_proved(program: Program, datasets: Path, tmp_path: Path) -> None:
    """B1: a value that the contract does not list is refused by INSERT, and one that it lists is taken."""
    program.build(SHOP, tmp_path / "store", "--datasets", str(datasets), "--python", sys.executable)
    insert = "INSERT INTO measured (id, unit, day, points) VALUES (1, '{}', 'd', NULL)"
    where = ("--store", tmp_path / "store", "--datasets", datasets, "--write", "-q", "-c")
    refused = program.run("sql", *where, insert.format("h"))
    assert refused.code == 1, refused.err
    assert "check 'unit'" in refused.err and "public.measured" in refused.err
    assert program.run("sql", *where, insert.format("it''s")).code == 0


def test_extracts(program: Program, tmp_path: Path) -> None:
    """B12: the metadata of extraction is the contract files'."""
    expected = set()
    for name, contract in CONTRACTS.items():
        said = contract.get("extract", {})
        for key, column in (("extractor", "extractor"), ("layer", "layer"), ("template", "template")):
            if key in said:
                expected.add((name, column, 0, None, str(said[key])))
        for key, column in (("bundles", "bundle"), ("postprocess", "postprocess"), ("join_keys", "join_key")):
            expected |= {(name, column, i, None, v) for i, v in enumerate(said.get(key, []))}
        for key, column in (("defaults", "default"), ("evidence", "evidence")):
            for i, (what, value) in enumerate(said.get(key, {}).items()):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                expected.add((name, column, i, what, text))
        for i, (what, inputs) in enumerate(said.get("derived_ids", {}).items()):
            expected.add((name, "derived_id", i, what, ", ".join(inputs)))
    rows = ask(program, "SELECT * FROM registry.extracts", cwd=tmp_path)
    found = {
        (f"{r['schema_name']}.{r['dataset_name']}", r["key"], r["position"], r.get("name"), r["value"]) for r in rows
    }
    assert found == expected and len(rows) == len(found)


def test_bundles(program: Program, tmp_path: Path) -> None:
    """Issue 4: each bundle is mapped to its table and to the view of each of its lists."""
    rows = ask(program, "SELECT * FROM registry.bundles", cwd=tmp_path)
    expected = set()
    for contract in CONTRACTS.values():
        if contract["kind"] == "bundle":
            expected.add((contract["dataset"], contract["dataset"], None))
            views = contract.get("views", {}).items()
            expected |= {(contract["dataset"], view, said["unnest"]) for view, said in views}
    assert {(r["bundle"], r["dataset_name"], r.get("path")) for r in rows} == expected
    assert {r["layer"] for r in rows if r["bundle"] == "ast_files_v1"} == {"ast"}


def test_kinds(program: Program, requests_store: Path) -> None:
    """Issue 4: kinds of nodes and edges are those of the contracts, each with what it says, and the graph has no other
    one (the gate proves it)."""
    for what, table in (("node", "cpg_nodes"), ("edge", "cpg_edges")):
        listed = program.sql(requests_store, f"SELECT kind, doc FROM registry.{what}_kinds")
        [column] = [c for c in CONTRACTS[f"public.{table}"]["columns"] if c["name"] == "kind"]
        assert {row["kind"]: row["doc"] for row in listed} == column["values"]
        there = program.sql(requests_store, f"SELECT DISTINCT kind FROM {table}")
        assert {row["kind"] for row in there} <= {row["kind"] for row in listed}
        page = (ROOT / "docs" / "schema.md").read_text(encoding="utf-8")
        section = page.partition(f"## {what.title()} kinds")[2].partition("\n## ")[0]
        assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\|([^|]*)\|", section, re.MULTILINE)))) == {
            row["kind"] for row in listed
        }


def test_rule_families(program: Program, requests_store: Path) -> None:
    """B15: the families name each rule that has a confidence and no other, each with what it says; what the stored
    rows carry is in the family of their dataset."""
    rules = program.sql(requests_store, "SELECT * FROM registry.rules")
    known = {row["rule"]: row for row in rules}
    figures = program.sql(requests_store, "SELECT * FROM rule_confidence")
    assert {(f["rule"], f["n_origins"], f["confidence"]) for f in figures} == {
        (name, n, row[f"confidence_{n}"]) for name, row in known.items() for n in (1, 2)
    }
    used = set()
    for family in ("normalize", "relate", "graph"):
        rows = program.sql(requests_store, f"SELECT * FROM registry.{family}_rule_families")
        for row in rows:
            assert STAGES[f"public.{row['dataset_name']}"] == family
            assert row["doc"] == known[row["rule"]]["doc"]
        used |= {row["rule"] for row in rows}
        for name in {row["dataset_name"] for row in rows} if family != "normalize" else ():
            there = program.sql(requests_store, f"SELECT DISTINCT rule FROM {name}")
            assert {r["rule"] for r in there} <= {r["rule"] for r in rows if r["dataset_name"] == name}
        if family == "normalize":
            assert {row["dataset_name"] for row in rows} == {"call_sites", "classes", "functions", "imports"}
    assert used == set(known)


# ---- what the run made ---------------------------------------------------------------------------------------------


def test_models_and_fingerprints(program: Program, built: Path) -> None:
    """G1, D4: what a model read and its plan's fingerprint are those that the run recorded; fingerprints are the
    manifest's."""
    planned = {
        f"{row['schema_name']}.{row['dataset_name']}": row
        for row in stored.table(built, "diagnostics.plan_artifacts").to_pylist()
    }
    models = {row["writes"]: row for row in program.sql(built, "SELECT * FROM registry.models")}
    assert set(models) == set(planned)
    entries = stored.entries(built)
    for name, row in models.items():
        assert row["reads"] == planned[name]["reads"] == entries[name]["reads"], name
        assert row["plan_fingerprint"] == planned[name]["plan_fingerprint"], name
        assert row["sql"] == (DATASETS / STAGES[name] / f"{row['dataset_name']}.sql").read_text(encoding="utf-8")
        assert row["is_file_local"] == CONTRACTS[name].get("file_local", False)
    assert entries["public.ast_files_v1"]["reads"] is None
    prints = {
        f"{row['schema_name']}.{row['dataset_name']}": row
        for row in program.sql(built, "SELECT * FROM registry.fingerprints")
    }
    ddl = {
        f"{row['schema_name']}.{row['dataset_name']}": row["fingerprint"]
        for row in stored.table(built, "diagnostics.ddl_fingerprints").to_pylist()
    }
    assert {name: row["ddl"] for name, row in prints.items()} == ddl
    for name, entry in entries.items():
        row = prints[name]
        assert (row["contract"], row["schema"]) == (entry["contract_fingerprint"], entry["schema_fingerprint"])
        assert row.get("plan") == entry["plan_fingerprint"], name


def test_functions(program: Program, tmp_path: Path) -> None:
    """A5, B14: our functions, with signature and doc as information_schema.routines and parameters have them."""
    rows = ask(program, "SELECT * FROM registry.functions ORDER BY name", cwd=tmp_path)
    assert [row["name"] for row in rows] == ["content_id", "entity_id", "file_id", "occurrence_id"]
    assert rows[2]["signature"] == "file_id(repository utf8, path utf8) -> int64"
    routines = ask(program, "SELECT * FROM information_schema.routines", cwd=tmp_path)
    for row in rows:
        shown = [r for r in routines if r["routine_name"] == row["name"]]
        assert {(r["description"], r["syntax_example"]) for r in shown} == {(row["doc"], row["syntax"])}
        parameters = ask(
            program,
            f"SELECT parameter_name FROM information_schema.parameters WHERE specific_name = '{row['name']}' "
            "AND parameter_mode = 'IN' ORDER BY ordinal_position",
            cwd=tmp_path,
        )
        arguments = re.findall(r"(\w+) \w+", row["signature"].partition("(")[2].partition(")")[0])
        assert [p["parameter_name"] for p in parameters] == arguments and len(arguments) == row["n_args"]


def test_handles_resolve(program: Program, built: Path) -> None:
    """A1, B7: a handle of the registry and the name that it stands for resolve to one schema."""
    rows = program.sql(built, "SELECT * FROM registry.handles WHERE dataset_name IN ('ast_nodes', 'writes', 'keys')")
    assert len(rows) == 3
    for row in rows:
        by_handle = program.run("describe", row["handle"], "--store", built, "--format", "json")
        by_name = program.run("describe", row["qualified_name"], "--store", built, "--format", "json")
        assert by_handle.code == 0 and by_handle.out == by_name.out


def test_locations(program: Program, built: Path) -> None:
    """B7: what is stored has the place and version that the manifest names."""
    rows = program.sql(built, "SELECT * FROM registry.locations")
    assert {f"{r['schema_name']}.{r['dataset_name']}": (r["location"], r["data_version"]) for r in rows} == {
        name: (str(built / entry["location"]), entry["data_version"]) for name, entry in stored.entries(built).items()
    }
    assert {row["source"] for row in rows} == {"store"}


# ---- health --------------------------------------------------------------------------------------------------------


def place(store: Path, name: str) -> Path:
    return store / stored.entries(store)[name]["location"]


def test_health(program: Program, store: Path) -> None:
    """Issue 4: a table whose files are gone, one with other columns and one that cannot be opened are each told apart
    with the reason; what reads them says so too, and nothing else is concerned."""
    shutil.rmtree(place(store, "public.imports"))
    log = place(store, "public.scopes") / "_delta_log" / "00000000000000000000.json"
    log.write_text(log.read_text().replace('\\"name\\":\\"kind\\"', '\\"name\\":\\"sort\\"'))
    (place(store, "public.call_sites") / "_delta_log" / "00000000000000000000.json").write_text("{")
    rows = program.sql(store, "SELECT * FROM registry.health")
    health = {row["dataset_name"]: row for row in rows if row["schema_name"] == "public"}
    unwell = {name: row["health"] for name, row in health.items() if row["health"] != "ok"}
    # call_candidates is a view that reads imports
    assert unwell == {"imports": "missing", "scopes": "drift", "call_sites": "broken", "call_candidates": "broken"}
    assert health["imports"]["reason"] == (
        f"no Delta table at '{place(store, 'public.imports')}': run 'codeanatomy build' again"
    )
    assert "column 4 is 'sort' Utf8, the contract says 'kind' Utf8" in health["scopes"]["reason"]
    assert "Json error" in health["call_sites"]["reason"]
    for name in unwell:
        answer = program.run("sql", "--store", store, "-q", "-c", f"SELECT * FROM {name}")
        assert answer.code != 0
    assert all(row.get("reason") is None for row in rows if row["health"] == "ok")
    assert program.sql(store, "SELECT count(*) AS n FROM functions") == [{"n": 13}]


def test_health_of_what_reads_it(program: Program, store: Path) -> None:
    """A view over a table that cannot be had is not well either."""
    shutil.rmtree(place(store, "public.cpg_edges"))
    rows = program.sql(store, "SELECT dataset_name, health, reason FROM registry.health WHERE reason IS NOT NULL")
    found = {row["dataset_name"]: row for row in rows}
    assert {name: row["health"] for name, row in found.items()} == {"cpg_edges": "missing", "edges_by_name": "broken"}
    assert "cpg_edges" in found["edges_by_name"]["reason"]


def test_health_without_a_store(program: Program, tmp_path: Path) -> None:
    rows = ask(program, "SELECT * FROM registry.health", cwd=tmp_path)
    stored_kinds = ("bundle", "table", "diagnostics")
    expected = {name: "empty" if c["kind"] in stored_kinds else "ok" for name, c in CONTRACTS.items()}
    found = {f"{row['schema_name']}.{row['dataset_name']}": row["health"] for row in rows}
    assert {name: found[name] for name in CONTRACTS} == expected
