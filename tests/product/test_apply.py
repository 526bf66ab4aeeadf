"""Applying contracts: what contradicts itself or the catalog is refused with names and nothing is published; there is
one resolver of schemas and one place with SQL over information_schema."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from conftest import ROOT, SHOP, Program

VIEW = """\
dataset: {name}
version: 1
kind: view
doc: One row a thing.
columns:
  - {{name: id, type: {type}, nullable: true, doc: i}}
evolution: {{default: refuse}}
"""
STORED = "SELECT file_id AS id FROM modules"


def contract(name: str, sql: str, *, stage: str = "normalize", kind: str = "int64", more: str = "") -> dict[str, str]:
    return {f"{stage}/{name}.yaml": VIEW.format(name=name, type=kind) + more, f"{stage}/{name}.sql": sql}


CASES = {
    "cycle": (
        {**contract("v_a", "SELECT id FROM v_b"), **contract("v_b", "SELECT id FROM v_a")},
        "apply the contracts: check the SQL of 'public.v_a': view 'public.v_b': view 'public.v_a': view 'public.v_b': "
        "the view reads itself",
    ),
    "itself": (
        contract("v_a", "SELECT id FROM v_a"),
        "apply the contracts: check the SQL of 'public.v_a': (view 'public.v_a': )+the view reads itself",
    ),
    "missing dataset": (
        contract("v_a", "SELECT id FROM v_gone"),
        "apply the contracts: check the SQL of 'public.v_a': Error during planning: table "
        r"'codeintel.public.v_gone' not found \(line 1, column 16\)",
    ),
    "missing column": (
        contract("v_a", "SELECT idd FROM modules"),
        "apply the contracts: check the SQL of 'public.v_a': .*No field named idd.*",
    ),
    "two of a name": (
        {**contract("v_a", STORED), **contract("v_a", STORED, stage="relate")},
        "load the datasets of 'DIR': 'public.v_a' is declared by 'DIR/normalize/v_a.yaml' and by 'DIR/relate/v_a.yaml'",
    ),
    "built in": (
        contract("modules", STORED),
        "load the datasets of 'DIR': 'public.modules' is built in: give yours another name",
    ),
    "newer than the program": (
        contract("v_a", STORED, more='engine: "99"\n'),
        "load the datasets of 'DIR': DIR/normalize/v_a.yaml:8:9: .*99.*55.*",
    ),
    "other type": (
        contract("v_a", STORED, kind="utf8"),
        "apply the contracts: check the SQL of 'public.v_a': 'public.v_a' does not yield what its contract declares: "
        "'id' is int64, expected utf8",
    ),
    "no SELECT": (
        {"normalize/v_a.yaml": VIEW.format(name="v_a", type="int64")},
        "load the datasets of 'DIR': view 'v_a' has no 'DIR/normalize/v_a.sql'",
    ),
}


@pytest.fixture(scope="module")
def store(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apply") / "store"
    program.build(SHOP, folder, "--python", sys.executable)
    return folder


@pytest.mark.parametrize("what", CASES)
def test_apply_refuses(what: str, program: Program, store: Path, tmp_path: Path) -> None:
    """Issue 4, B2, B5: the apply fails with the names of what is wrong; what was published before is there still, and a
    session over it is not concerned."""
    files, words = CASES[what]
    published = (store / "published").read_text()
    folder = tmp_path / "datasets"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    answer = program.run("build", SHOP, "--store", store, "--datasets", folder, "--quiet", "--python", sys.executable)
    assert answer.code in (1, 3, 4) and answer.out == ""
    expected = f"codeanatomy: build '{re.escape(str(SHOP))}': " + words.replace("DIR", re.escape(str(folder))) + "\n"
    assert re.fullmatch(expected, answer.err, re.DOTALL), answer.err
    assert (store / "published").read_text() == published
    assert program.sql(store, "SELECT count(*) AS n FROM modules") == [{"n": 6}]


def test_missing_dataset_is_named(program: Program, store: Path, tmp_path: Path) -> None:
    """B2: a store's snapshot that lacks a dataset of its manifest, or that was changed, does not open; the message
    names run and dataset."""
    store = Path(shutil.copytree(store, tmp_path / "store"))
    run = (store / "published").read_text().strip()
    manifest = store / "runs" / f"{run}.json"
    content = json.loads(manifest.read_text())
    extra = dict(content["datasets"][0], name="not_declared")
    manifest.write_text(json.dumps({**content, "datasets": [*content["datasets"], extra]}))
    answer = program.run("sql", "--store", store, "-q", "-c", "SELECT 1")
    assert answer.code == 4
    assert "not_declared" in answer.err and run in answer.err


# ---- one place -----------------------------------------------------------------------------------------------------


def code_of(path: Path) -> str:
    """The text without comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_one_module_of_introspection() -> None:
    """A5: SQL over information_schema is in src/catalog/introspect.c and nowhere else; the engine's setting of that
    name is no SQL."""
    places = set()
    for folder in ("src", "cli", "include"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            text = code_of(path).replace("datafusion.catalog.information_schema", "")
            if "information_schema" in text:
                places.add(str(path.relative_to(ROOT)))
    assert places == {"src/catalog/introspect.c"}


def test_one_resolver() -> None:
    """A1: outside the engine's room a schema is asked for by the catalog alone, and the public header has one function
    that gives one, and a handle's, which calls it; what the program shows goes through it."""
    askers: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src").rglob("*.c")):
        room = path.relative_to(ROOT / "src").parts[0]
        for name in re.findall(r"\b(engine_query_schema|engine_table_schema|engine_delta_schema)\(", code_of(path)):
            askers.setdefault(name, set()).add(room)
    assert askers["engine_query_schema"] == askers["engine_table_schema"] == {"engine", "catalog"}
    assert askers["engine_delta_schema"] <= {"engine", "catalog"}
    header = code_of(ROOT / "include" / "codeanatomy" / "codeanatomy.h")
    giving = re.findall(r"\bint (ca_\w+)\([^)]*struct ArrowSchema \*ret\b", header)
    assert giving == ["ca_resolve_schema", "ca_dataset_schema"]
    [body] = re.findall(r"^int ca_dataset_schema\(.*?^}", code_of(ROOT / "src/session/dataset.c"), re.M | re.S)
    assert "return ca_resolve_schema(d->session, d->name, ret, err);" in body
    outside = [p for p in (ROOT / "src").rglob("*.c") if "cadf_" in code_of(p) and p.parent.name != "engine"]
    assert outside == []


def test_no_schema_without_the_session(program: Program, store: Path) -> None:
    """A1: every way of asking for columns gives the resolver's answer, and a name that it does not know has none:
    neither a file that lies about nor a table of the store's directory."""
    known = {"describe", "sql"}
    location = program.sql(store, "SELECT location FROM registry.datasets WHERE dataset_name = 'classes'")[0][
        "location"
    ]
    for unknown in (
        "not_there",
        f"'{location}'",
        f"'{location}/_delta_log/00000000000000000000.json'",
        "delta.classes",
    ):
        for command in known:
            statement = ["-c", f"DESCRIBE {unknown}"] if command == "sql" else [unknown]
            answer = program.run(command, *statement, "--store", store, "-q", cwd=store)
            assert answer.code != 0 and answer.out == "", (command, unknown)
    command = [program.path, "sql", "--store", store, "-q", "--format", "arrow", "-c", "SELECT * FROM classes"]
    table = pa.ipc.open_stream(subprocess.run(command, capture_output=True, check=True).stdout).schema
    described = program.sql(store, "DESCRIBE classes")
    assert table.names == [row["column_name"] for row in described]
