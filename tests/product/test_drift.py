"""`codeanatomy drift`: what the catalog of one run has against that of another, by their schema snapshots (G1)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import stored
from conftest import SHOP, Answer, Program

CONTRACT = """\
dataset: of_user
version: 1
kind: view
doc: One row a module.
columns:
  - {name: id, type: int64, nullable: true, doc: i}
evolution: {default: refuse}
"""
BATCH = "datafusion.execution.batch_size"


@pytest.fixture
def two_runs(program: Program, tmp_path: Path) -> tuple[Path, str, str]:
    """A store whose second run has a view more and another setting."""
    folder = tmp_path / "datasets" / "normalize"
    folder.mkdir(parents=True)
    (folder / "of_user.yaml").write_text(CONTRACT)
    (folder / "of_user.sql").write_text("SELECT file_id AS id\nFROM modules\n")
    store = tmp_path / "store"
    runs = []
    for args in (("--set", f"{BATCH}=3000"), ("--datasets", str(folder.parent), "--set", f"{BATCH}=1000")):
        program.build(SHOP, store, "--python", sys.executable, *args)
        runs.append((store / "published").read_text().strip())
    return store, runs[0], runs[1]


def drift(program: Program, store: Path, *args: str) -> tuple[int, list[dict[str, Any]]]:
    answer = program.run("drift", "--store", store, "--format", "ndjson", *args)
    assert answer.err == ""
    return answer.code, [json.loads(line) for line in answer.out.splitlines()]


ADDED = [
    ("added", "column", "public.of_user.id", None, "Int64 not null"),
    ("changed", "setting", BATCH, "3000", "1000"),
    ("added", "table", "public.of_user", None, "VIEW"),
    ("added", "view", "public.of_user", None, "SELECT file_id AS id\nFROM modules\n"),
]
KEYS = ("change", "object_kind", "object_name", "before", "after")


def test_drift_of_two_runs(program: Program, two_runs: tuple[Path, str, str]) -> None:
    """G1: two snapshots compared list the drift, both ways, and end with 4; the runs that are meant when none is said
    are the published one and the one before."""
    store, first, second = two_runs
    added = [dict(zip(KEYS, row, strict=True)) for row in ADDED]
    for args in ((), (first,), (first, second)):
        assert drift(program, store, *args) == (4, added)
    opposite = {"added": "removed", "changed": "changed"}
    removed = [
        dict(zip(KEYS, (opposite[change], kind, name, after, before), strict=True))
        for change, kind, name, before, after in ADDED
    ]
    assert drift(program, store, second, first) == (4, removed)
    assert drift(program, store, second, second) == (0, [])


def test_drift_is_what_the_snapshots_differ_in(program: Program, two_runs: tuple[Path, str, str]) -> None:
    """The differences are those of the stored rows, which an independent reader finds too."""
    store, first, second = two_runs

    def rows(run: str) -> set[tuple[str, str, str]]:
        (store / "published").write_text(run + "\n")
        table = stored.table(store, "diagnostics.schema_snapshots").to_pylist()
        found = {(row["object_kind"], row["object_name"], row["detail"]) for row in table}
        return {row for row in found if row[1] != "datafusion.runtime.temp_directory"}

    before, after = rows(first), rows(second)
    _, found = drift(program, store, first, second)
    assert {
        (r["object_kind"], r["object_name"], r["before"]) for r in found if r["before"] is not None
    } == before - after
    assert {(r["object_kind"], r["object_name"], r["after"]) for r in found if r["after"] is not None} == after - before


def test_drift_as_text(program: Program, two_runs: tuple[Path, str, str]) -> None:
    store, _, _ = two_runs
    answer = program.run("drift", "--store", store)
    expected = (
        "added    column   public.of_user.id: Int64 not null\n"
        f"changed  setting  {BATCH}: 3000 -> 1000\n"
        "added    table    public.of_user: VIEW\n"
        "added    view     public.of_user: SELECT file_id AS id FROM modules\n"
    )
    assert answer == Answer(4, expected, "")


def test_drift_needs_two_runs(program: Program, tmp_path: Path) -> None:
    store = tmp_path / "store"
    program.build(SHOP, store, "--python", sys.executable)
    run = (store / "published").read_text().strip()
    for args, words in (
        ((), f"store '{store}' has no run before '{run}': there is nothing to compare it with"),
        (("nope",), f"no run 'nope' in store '{store}'; there is: {run}"),
    ):
        answer = program.run("drift", "--store", store, *args)
        assert answer == Answer(3, "", f"codeanatomy: {words}\n")
    answer = program.run("drift", cwd=tmp_path)
    assert answer == Answer(3, "", "codeanatomy: no store here: say which with --store\n")
