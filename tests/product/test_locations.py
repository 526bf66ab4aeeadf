"""What is at a location may be missing, empty, unreadable, another's or stray files beside those that count: issue 4,
"Bad input". Each table answers for its own, in `registry.health` and to whoever reads it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SHOP, Program
from listed import declare


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Path]:
    """A folder of locations; `closed` may be read again when the test is over, or nobody could remove it."""
    files = tmp_path / "files"
    for name in ("stray", "empty", "closed", "other"):
        (files / name).mkdir(parents=True)
    (files / "stray" / "one.csv").write_text("a\n1\n")
    (files / "stray" / "zero.csv").write_text("")
    (files / "stray" / "manifest.json").write_text("{}")
    (files / "stray" / "README").write_text("not a row\n")
    (files / "stray" / "_tmp").mkdir()
    (files / "stray" / "_tmp" / "part.csv").write_text("b\nx\n")
    (files / "closed" / "one.csv").write_text("a\n1\n")
    (files / "other" / "one.csv").write_text("b\nx\n")
    (files / "closed").chmod(0)
    yield files
    (files / "closed").chmod(0o755)


NOTHING = "put a file or a directory of files there, correct the location"
NO_FILE = "put one there, correct the location or the file_extension"
MUTABLE = "or say mutable_listing: true where files come and go"

# dataset: (location, format, scan options), health in registry.health, its reason, exit code of a query, health at a
# look in registry.datasets. {at} is the folder.
PLACES: dict[str, tuple[tuple[str, str, str], str, str | None, int, str]] = {
    "stray": (("stray", "csv", ""), "ok", None, 0, "ok"),
    "comes_and_goes": (("none", "csv", "mutable_listing: true"), "ok", None, 0, "ok"),
    "gone": (("none", "csv", ""), "missing", f"nothing is at 'file://{{at}}/none': {NOTHING}, {MUTABLE}", 3, "missing"),
    "vacant": (
        ("empty", "csv", ""),
        "missing",
        f"no file '*.csv' in 'file://{{at}}/empty/': {NO_FILE}, {MUTABLE}",
        3,
        "ok",
    ),
    "only_stray": (
        ("stray", "parquet", ""),
        "missing",
        f"no file '*.parquet' in 'file://{{at}}/stray/': {NO_FILE}, {MUTABLE}",
        3,
        "ok",
    ),
    "closed": (("closed", "csv", ""), "broken", "list 'file://{at}/closed/': ", 3, "broken"),
    "another": (("other", "csv", ""), "drift", "'b' (utf8) is not declared", 4, "ok"),
    "no_log": (("empty", "delta", ""), "missing", "no Delta table at '{at}/empty': make it, or say", 3, "missing"),
}


def contracts(root: Path, files: Path) -> Path:
    folder = root / "datasets"
    for name, ((location, form, scan), *_) in PLACES.items():
        declare(folder, "a int64", files / location, name=name, format=form, scan=scan)
    declare(folder, "a int64", "s3://bucket/folder/", name="remote")
    return folder


def test_each_location_answers_for_itself(program: Program, places: Path, tmp_path: Path) -> None:
    """B2, G2, issue 4: a location's trouble is in registry.health with the words that a query over it ends with, other
    tables answer as before, and stray files of a location are none of its rows."""
    folder = contracts(tmp_path, places)
    asked = (
        "SELECT dataset_name AS name, health, reason FROM registry.health;"
        "SELECT dataset_name AS name, health, failure FROM registry.datasets;"
        "SELECT count(*) AS n FROM information_schema.tables WHERE table_catalog = 'codeintel'"
    )
    answer = program.run_unprivileged("sql", "-q", "--datasets", folder, "--format", "json", "-c", asked)
    assert answer.code == 0, answer.err
    health, looks, _ = map(json.loads, answer.out.splitlines())
    by_name = {row["name"]: row for row in health}
    at_a_look = {row["name"]: row for row in looks}
    for name, (_, state, reason, code, look) in PLACES.items():
        assert by_name[name]["health"] == state, by_name[name]
        assert at_a_look[name]["health"] == look, at_a_look[name]
        assert (at_a_look[name]["failure"] is None) == (look == "ok")
        query = program.run_unprivileged("sql", "-q", "--datasets", folder, "-c", f"SELECT * FROM {name}")
        assert query.code == code, query.err
        if reason is None:
            assert by_name[name]["reason"] is None
            assert query.out.split() == (["a", "1"] if name == "stray" else ["a"])
        else:
            assert reason.format(at=places) in by_name[name]["reason"]
            assert query.out == "" and f"table 'public.{name}'" in query.err
            assert query.err.endswith(f"{by_name[name]['reason']}\n")
    remote = "no way to 's3://bucket/folder/': a location is a path of this machine or begins with file://"
    assert by_name["remote"] == {"name": "remote", "health": "broken", "reason": f"table 'public.remote': {remote}"}
    assert at_a_look["gone"]["failure"] == (
        f"nothing at '{places}/none': put a file or a directory of files there, or correct the location"
    )
    assert at_a_look["closed"]["failure"] == f"'{places}/closed' cannot be read: Permission denied"
    assert {row["health"] for row in health if row["name"] not in {*PLACES, "remote"}} == {"ok", "empty"}


@pytest.mark.parametrize("columns", ["(a BIGINT)", ""], ids=["declared", "inferred"])
def test_stray_files_of_a_table_made_by_sql(program: Program, places: Path, columns: str) -> None:
    """B1, engine.md 5.1: the engine reads every file of a folder whose columns are declared; here the format's
    extension says which count, declared or inferred."""
    made = f"CREATE EXTERNAL TABLE t {columns} STORED AS CSV LOCATION '{places}/stray/'"
    answer = program.run("sql", "-q", "--write", "--format", "ndjson", "-c", made, "-c", "SELECT * FROM t")
    assert (answer.code, answer.rows()) == (0, [{"a": 1}]), answer.err
    other = made.replace("AS CSV", "AS PARQUET")
    answer = program.run("sql", "-q", "--write", "-c", other, "-c", "SELECT * FROM t")
    assert answer.code == 3 and answer.out == ""
    assert "no file '*.parquet' in" in answer.err or "No files found at" in answer.err


# ---- a store that may not be read ----------------------------------------------------------------------------------


UNREADABLE = {
    ".": "cannot look at '{store}/FORMAT': Permission denied",
    "FORMAT": "cannot open '{store}/FORMAT': Permission denied",
    "published": "cannot open '{store}/published': Permission denied",
    "runs": "cannot look at '{store}/runs/{run}.json': Permission denied",
    "catalog": "read the contracts of run '{run}': cannot open '{store}/catalog/{snapshot}': Permission denied",
}


@pytest.mark.parametrize("part", UNREADABLE)
def test_store_that_may_not_be_read(program: Program, shop_store: Path, tmp_path: Path, part: str) -> None:
    """G2, issue 4: what may not be read is named with the reason, and not taken for missing; nothing is written."""
    store = Path(shutil.copytree(shop_store, tmp_path / "store"))
    run = (store / "published").read_text().strip()
    [snapshot] = os.listdir(store / "catalog")
    words = UNREADABLE[part].format(store=store, run=run, snapshot=snapshot)
    mode = (store / part).stat().st_mode
    (store / part).chmod(0)
    try:
        asked = program.run_unprivileged("sql", "-q", "--store", store, "-c", "SELECT 1 AS one")
        rebuilt = program.run_unprivileged("build", "-q", SHOP, "--store", store)
    finally:
        (store / part).chmod(mode)
    assert (asked.code, asked.out, asked.err) == (3, "", f"codeanatomy: {words}\n")
    if part in (".", "FORMAT"):
        assert rebuilt.code == 3 and "Permission denied" in rebuilt.err
        assert (store / "published").read_text().strip() == run


def test_tables_that_may_not_be_read(program: Program, shop_store: Path, tmp_path: Path) -> None:
    """G2: a folder of tables that may not be read is broken, not missing; everything else answers."""
    store = Path(shutil.copytree(shop_store, tmp_path / "store"))
    tables = store / "tables" / "public"
    mode = tables.stat().st_mode
    tables.chmod(0)
    try:
        asked = "SELECT DISTINCT health, reason FROM registry.health WHERE dataset_name = 'classes'"
        answer = program.run_unprivileged("sql", "-q", "--store", store, "--format", "ndjson", "-c", asked)
        other = program.run_unprivileged(
            "sql", "-q", "--store", store, "-c", "SELECT count(*) FROM diagnostics.model_runs"
        )
    finally:
        tables.chmod(mode)
    [row] = answer.rows()
    assert row["health"] == "broken"
    assert row["reason"].startswith(f"'{tables}/classes/")
    assert row["reason"].endswith("cannot be read: Permission denied")
    assert other.code == 0, other.err
