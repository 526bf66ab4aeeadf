"""E1, decision 19: a store that is built again and again, or written to again and again, has logs that stay short, and
the run before the newest stays readable."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import stored
from conftest import SHOP, Program

N_BUILDS = 5
N_STATEMENTS = 33
CHECKPOINT_INTERVAL = 10
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


# ---- what SQL writes -----------------------------------------------------------------------------------------------


def log_of(store: Path, name: str) -> tuple[list[int], list[int]]:
    """Versions of a table's commits and of its checkpoints, oldest first."""
    log = store / stored.entries(store)[name]["location"] / "_delta_log"
    names = sorted(file.name for file in log.iterdir())
    assert json.loads((log / "_last_checkpoint").read_text())
    return (
        [int(name[:20]) for name in names if name.endswith(".json")],
        [int(name[:20]) for name in names if name.endswith(".checkpoint.parquet")],
    )


def data_of(store: Path, name: str) -> set[str]:
    folder = store / stored.entries(store)[name]["location"]
    return {file.name for file in folder.glob("*.parquet")}


def test_statements_and_builds(program: Program, tmp_path: Path) -> None:
    """E1, B7: who opens a table that statements wrote reads a checkpoint and at most nine commits behind it, however
    many there were. A build makes no version of such a table; it removes the files that no kept version has, and the
    log before the last checkpoint."""
    store = tmp_path / "store"
    own = tmp_path / "own"
    (own / "relate").mkdir(parents=True)
    (own / "relate" / "notes.yaml").write_text(NOTES)
    program.build(SHOP, store, "--datasets", str(own))
    statements = [f"INSERT INTO notes VALUES ({i}, 'first')" for i in range(N_STATEMENTS - 1)]
    statements.append("UPDATE notes SET text = 'second' WHERE note_id < 20")
    answer = program.run("sql", "--store", store, "-q", "--write", *(x for s in statements for x in ("-c", s)))
    assert answer.code == 0, answer.err
    asked = "SELECT text, count(*) AS n, sum(note_id) AS ids FROM notes GROUP BY text ORDER BY text"
    rows = program.sql(store, asked)
    assert [row["n"] for row in rows] == [12, 20]

    newest = N_STATEMENTS - 1
    commits, checkpoints = log_of(store, "public.notes")
    assert commits == list(range(N_STATEMENTS))
    assert checkpoints == list(range(CHECKPOINT_INTERVAL - 1, N_STATEMENTS, CHECKPOINT_INTERVAL))
    assert log_of(store, "diagnostics.writes")[1][-1] == checkpoints[-1]
    assert program.sql(store, asked, "--pin", "notes=0") == [{"text": "first", "n": 1, "ids": 0}]
    entry = stored.entries(store)["public.notes"]
    place = store / entry["location"]
    n_data = len(data_of(store, "public.notes"))
    for name, days in (("stale.parquet", 8), ("of_a_writer.parquet", 6)):
        (place / name).write_text("rows that no log mentions")
        then = time.time() - days * 86400
        os.utime(place / name, (then, then))

    # The run before is the statement's: what the UPDATE took away goes.
    for _ in range(3):
        program.build(SHOP, store, "--datasets", str(own))
        assert stored.entries(store)["public.notes"] == entry and program.sql(store, asked) == rows
        assert log_of(store, "public.notes") == (list(range(checkpoints[-1], N_STATEMENTS)), [checkpoints[-1]])
        files = {uri.rpartition("/")[2] for uri in stored.files(store, entry)}
        assert data_of(store, "public.notes") == files | {"of_a_writer.parquet"} and len(files) == n_data - 20
    history = program.run("history", "notes", "--store", store, "--format", "ndjson").rows()
    assert [row["version"] for row in history] == list(range(checkpoints[-1], N_STATEMENTS))[::-1]
    gone = program.run("sql", "--store", store, "-q", "--pin", "notes=3", "-c", "SELECT 1")
    assert (gone.code, gone.err) == (
        3,
        f"codeanatomy: pin 'notes=3': the Delta table at '{place}' has no version 3 any more: its log begins later\n",
    )
    answer = program.run("sql", "--store", store, "-q", "--write", "-c", "DELETE FROM notes WHERE note_id >= 20")
    assert answer.code == 0 and program.sql(store, asked) == rows[1:]
    assert stored.entries(store)["public.notes"]["data_version"] == newest + 1
