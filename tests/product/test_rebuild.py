"""E1, decision 19: a store that is built again and again is no larger and no slower to read than after two builds, and
the run before the newest stays readable."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import stored
from conftest import SHOP, Program

N_BUILDS = 5
FUNCTIONS = "SELECT qualified_name, path FROM functions ORDER BY 1, 2"
NOTES = """\
dataset: notes
version: 1
kind: table
doc: Notes of people. One row a note.
columns:
  - {name: note_id, type: int64, nullable: false, doc: "number of the note"}
  - {name: text,    type: utf8,  nullable: true,  doc: "what it says"}
keys: {primary: [note_id]}
storage: {format: delta}
evolution: {default: refuse}
"""


@pytest.fixture(scope="module")
def rebuilt(program: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A repository that gains a function from the first build to the second, and the manifests of both runs."""
    folder = tmp_path_factory.mktemp("rebuilt")
    repo = Path(shutil.copytree(SHOP, folder / "shop"))
    program.build(repo, folder / "store")
    runs = [stored.manifest(folder / "store")]
    (repo / "added.py").write_text("def added():\n    return 1\n")
    program.build(repo, folder / "store")
    runs.append(stored.manifest(folder / "store"))
    return folder / "store", runs


def test_store_does_not_grow(program: Program, tmp_path: Path) -> None:
    """Each table has one commit a build, in a folder of its own: the third build and the fifth leave as many files and
    log entries as the second."""
    store = tmp_path / "store"
    found = []
    for _ in range(N_BUILDS):
        program.build(SHOP, store)
        found.append(stored.file_counts(store))
        assert {entry["data_version"] for entry in stored.entries(store).values()} == {0}
    assert found[1:] == [found[1]] * (N_BUILDS - 1)
    logs = {kind: n for kind, n in found[1].items() if kind.endswith(" log")}
    assert logs == {f"{name} log": 2 for name in stored.entries(store)}


def test_run_before(program: Program, rebuilt: tuple[Path, list[dict[str, Any]]]) -> None:
    """E1: the run before the newest is read whole, and one of its datasets by the time at which it was published."""
    store, runs = rebuilt
    now = program.sql(store, FUNCTIONS)
    before = [row for row in now if row["path"] != "added.py"]
    assert len(now) == len(before) + 1
    assert program.sql(store, FUNCTIONS, "--run", runs[0]["run_id"]) == before
    assert program.sql(store, FUNCTIONS, "--pin", f"functions={runs[0]['published_at']}") == before
    both = "SELECT (SELECT count(*) FROM functions) AS n_functions, (SELECT count(*) FROM repo_files_v1) AS n_files"
    [row] = program.sql(store, both, "--pin", f"functions={runs[0]['published_at']}")
    assert row == {"n_functions": len(before), "n_files": runs[1]["n_files"]}
    assert program.sql(store, FUNCTIONS, "--pin", "functions=0") == now


def test_run_before_had_other_columns(program: Program, tmp_path: Path) -> None:
    """E1: what was a table of other columns then is not read as the one of now."""
    own = tmp_path / "own" / "relate"
    own.mkdir(parents=True)
    (own / "notes.yaml").write_text(NOTES)
    (own / "notes.sql").write_text("SELECT 1 AS note_id, 'one' AS text\n")
    program.build(SHOP, tmp_path / "store", "--datasets", str(own.parent))
    first = stored.manifest(tmp_path / "store")
    (own / "notes.yaml").write_text(NOTES.replace("name: text, ", "name: words,"))
    (own / "notes.sql").write_text("SELECT 1 AS note_id, 'one' AS words\n")
    program.build(SHOP, tmp_path / "store", "--datasets", str(own.parent))
    pin = f"notes={first['published_at']}"
    answer = program.run("sql", "--store", tmp_path / "store", "-q", "--pin", pin, "-c", "SELECT * FROM notes")
    assert (answer.code, answer.err) == (
        4,
        f"codeanatomy: pin '{pin}': 'public.notes' had other columns in run '{first['run_id']}', the newest of that "
        "time: read that run instead\n",
    )
    assert program.sql(tmp_path / "store", "SELECT text FROM notes", "--run", first["run_id"]) == [{"text": "one"}]
