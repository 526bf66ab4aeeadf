"""E1, decisions 19 and 20: what SQL writes is published as a run of its own, one writer at a time; a read names a run,
a time, or the version of one dataset; rows that SQL wrote outlive a build."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
import running
import stored
from conftest import ROOT, SHOP, Answer, Program
from deltalake import DeltaTable, write_deltalake

NOTES = """\
dataset: notes
version: 1
kind: table
doc: Notes of people. One row a note.
columns:
  - {name: note_id, type: int64, nullable: false, doc: "number of the note"}
  - {name: path,    type: utf8,  nullable: false, doc: "file that it is about"}
keys: {primary: [note_id]}
order: [note_id]
storage: {format: delta}
evolution: {default: refuse}
"""
LIMITS = NOTES.replace("dataset: notes", "dataset: limits").replace("kind: table", "kind: params")
NOTED = NOTES.replace("dataset: notes", "dataset: noted").replace("doc: Notes", "doc: Copies of notes")
ONE = "INSERT INTO notes VALUES (1, 'a.py')"
TWO = "INSERT INTO notes VALUES (2, 'b.py')"
IDS = "SELECT note_id FROM notes ORDER BY note_id"


def write_contracts(folder: Path, notes: str = NOTES) -> Path:
    for stage, name, text in (("relate", "notes", notes), ("relate", "noted", NOTED), ("params", "limits", LIMITS)):
        (folder / stage).mkdir(parents=True, exist_ok=True)
        (folder / stage / f"{name}.yaml").write_text(text)
    (folder / "relate" / "noted.sql").write_text("SELECT note_id, path FROM notes ORDER BY note_id\n")
    return folder


@pytest.fixture(scope="module")
def built(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    program.build(SHOP, folder / "store", "--datasets", str(write_contracts(folder / "own")))
    return folder


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built / "store", tmp_path / "store"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_contracts(tmp_path / "own")


def run_id(store: Path) -> str:
    return (store / "published").read_text().strip()


def ask(program: Program, store: Path, statement: str, *args: str | Path) -> Answer:
    return program.run("sql", "--store", store, "-q", "--format", "ndjson", *args, "-c", statement)


def rows(program: Program, store: Path, statement: str, *args: str | Path) -> list[dict[str, Any]]:
    answer = ask(program, store, statement, *args)
    assert answer.code == 0, answer.err
    return answer.rows()


def ids(program: Program, store: Path, *args: str | Path) -> list[int]:
    return [row["note_id"] for row in rows(program, store, IDS, *args)]


def write(program: Program, store: Path, *statements: str) -> dict[str, Any]:
    """The manifest of the run that the last statement made."""
    commands = [part for statement in statements for part in ("-c", statement)]
    answer = program.run("sql", "--store", store, "-q", "--write", *commands)
    assert answer.code == 0, answer.err
    return stored.manifest(store)


def refused(answer: Answer, code: int, words: str) -> None:
    assert (answer.code, answer.err) == (code, f"codeanatomy: {words}\n")


# ---- a statement makes a run ---------------------------------------------------------------------------------------


def test_statement_is_published(program: Program, store: Path) -> None:
    """E1: the next session, the manifest, diagnostics.writes and a reader without our catalog see what was written."""
    before = stored.manifest(store)
    assert before["made_by"] == "build" and "public.notes" not in stored.entries(store)
    run = write(program, store, ONE)
    jsonschema.validate(run, json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8")))
    assert (run["made_by"], run["previous_run"]) == ("sql", before["run_id"])
    assert run["published_at"] > before["published_at"]
    assert ids(program, store) == [1]

    notes = stored.entries(store)["public.notes"]
    assert (notes["made_by"], notes["data_version"], notes["n_rows"], notes["n_files"]) == ("sql", 0, 1, 1)
    table = DeltaTable(str(store / notes["location"]), version=notes["data_version"])
    assert table.to_pyarrow_table().to_pylist() == [{"note_id": 1, "path": "a.py"}]
    said = "SELECT dataset_name, data_version, n_rows, n_files, n_bytes FROM diagnostics.writes WHERE run_id = "
    [row] = rows(program, store, f"{said}'{run['run_id']}'")
    assert row == {
        "dataset_name": "notes", "data_version": 0, "n_rows": 1, "n_files": 1, "n_bytes": notes["n_bytes"],
    }  # fmt: skip
    built = {row["dataset_name"] for row in rows(program, store, f"{said}'{before['run_id']}'")}
    assert built >= {d["name"] for d in before["datasets"] if d["schema"] == "public"} and "notes" not in built
    answer = program.run("status", "--store", store, "--format", "json")
    assert json.loads(answer.out)["run"] == run
    assert "public.notes" in program.run("status", "--store", store).out
    changed = {d["name"] for d in run["datasets"] if d not in before["datasets"]}
    assert changed == {"notes", "writes"}


def test_every_statement_is_a_run(program: Program, store: Path) -> None:
    """E1: UPDATE and DELETE too; rows of a file that stays are not counted as written. What changed nothing makes no
    run."""
    run = write(program, store, ONE, TWO, "UPDATE notes SET path = 'c.py' WHERE note_id = 2")
    assert rows(program, store, "SELECT note_id, path FROM notes ORDER BY note_id") == [
        {"note_id": 1, "path": "a.py"},
        {"note_id": 2, "path": "c.py"},
    ]
    assert stored.entries(store)["public.notes"]["data_version"] == 2
    written = "SELECT data_version, n_rows, n_files FROM diagnostics.writes WHERE dataset_name = 'notes' ORDER BY 1"
    assert rows(program, store, written) == [
        {"data_version": version, "n_rows": 1, "n_files": 1} for version in range(3)
    ]
    for nothing in ("DELETE FROM notes WHERE note_id = 7", "SELECT 1", "CREATE VIEW v AS SELECT 1"):
        assert write(program, store, nothing) == run, nothing
    gone = write(program, store, "DELETE FROM notes WHERE note_id = 1")
    assert gone["previous_run"] == run["run_id"] and ids(program, store) == [2]
    assert rows(program, store, f"{written} DESC LIMIT 1") == [{"data_version": 3, "n_rows": 0, "n_files": 0}]


def test_model_that_is_changed(program: Program, store: Path, own: Path) -> None:
    """A build writes a model anew, whatever SQL did to it."""
    plan = stored.entries(store)["public.classes"]["plan_fingerprint"]
    write(program, store, "DELETE FROM classes")
    entry = stored.entries(store)["public.classes"]
    assert (entry["made_by"], entry["n_rows"], entry["plan_fingerprint"]) == ("build", 0, None) and plan
    program.build(SHOP, store, "--datasets", str(own))
    entry = stored.entries(store)["public.classes"]
    assert (entry["n_rows"], entry["plan_fingerprint"]) == (3, plan)


def test_contracts_of_the_session(program: Program, tmp_path: Path, own: Path) -> None:
    """Rows of a dataset that only the writing session declares: the run knows its contract from then on."""
    store = tmp_path / "plain"
    program.build(SHOP, store)
    answer = ask(program, store, ONE, "--write", "--datasets", own)
    assert answer.code == 0, answer.err
    assert ids(program, store) == [1]
    assert rows(program, store, "SELECT health FROM registry.datasets WHERE dataset_name = 'limits'") == [
        {"health": "empty"}
    ]


def test_nothing_is_published(program: Program, tmp_path: Path, own: Path) -> None:
    """A store without a run takes no rows: there is nothing that they could be added to."""
    store = tmp_path / "empty"
    for folder in ("tables", "runs", "catalog", "tmp"):
        (store / folder).mkdir(parents=True)
    (store / "FORMAT").write_text("codeanatomy store 5\n")
    said = "its rows are given another way, or no run is published that they could follow"
    answer = ask(program, store, ONE, "--write", "--datasets", own)
    refused(answer, 3, f"INSERT is refused on table 'public.notes': {said}")
    assert not (store / "published").exists()
    refused(ask(program, store, IDS, "--as-of", "2026-01-01T00:00:00Z"), 3, f"nothing is published in store '{store}'")


# ---- one writer ----------------------------------------------------------------------------------------------------


def test_two_writers(program: Program, store: Path) -> None:
    """E1: a writer meets another one: exit code 5 at once, whatever the other is; a reader is not disturbed."""
    words = (
        f"open store '{store}' for writing: another process writes to '{store}' (process {os.getpid()}): wait for it, "
        "or use another --store"
    )
    (store / "lock").write_text(f"{os.getpid()}\n")
    holder = subprocess.Popen(["flock", store / "lock", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin and holder.stdout
    holder.stdin.write(b"\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == b"\n"  # the lock is held
    refused(ask(program, store, ONE, "--write"), 5, words)
    refused(program.run("build", SHOP, "--store", store, "-q"), 5, f"build '{SHOP}': {words}")
    assert ids(program, store) == []
    holder.communicate()
    write(program, store, ONE)
    assert ids(program, store) == [1]


def wait_for_runs(store: Path, n: int) -> None:
    running.wait_until(lambda: len(os.listdir(store / "runs")) >= n)


def test_killed_writer(program: Program, store: Path) -> None:
    """E1, decision 19: kill -9 while statements are written: the store is as it was before a statement or after it, and
    the next writer goes on from there."""
    seed = int(os.environ.get("CA_SEED", random.randrange(1 << 32)))
    print(f"CA_SEED={seed}")
    rng = random.Random(seed)
    kept: list[int] = []
    n_midway = 0
    for attempt in range(6):
        wanted = range(100 * attempt, 100 * attempt + 60)
        script = ";\n".join(f"INSERT INTO notes VALUES ({i}, 'x.py')" for i in wanted)
        command = [str(program.path), "sql", "--store", str(store), "-q", "--write"]
        writer = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert writer.stdin
        writer.stdin.write(script)
        writer.stdin.close()
        # A statement is a run: so many of them, and then some part of the next.
        wait_for_runs(store, len(os.listdir(store / "runs")) + rng.randrange(1, 50))
        time.sleep(rng.random() * 0.02)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        found = ids(program, store)
        new = found[len(kept) :]
        assert found[: len(kept)] == kept and new == list(wanted[: len(new)]), f"attempt {attempt}"
        n_midway += 0 < len(new) < len(wanted)
        entry = stored.entries(store)["public.notes"]
        assert entry["n_rows"] == len(found)
        counted = "SELECT count(*) AS n, sum(n_rows) AS n_rows FROM diagnostics.writes WHERE dataset_name = 'notes'"
        assert rows(program, store, counted) == [{"n": len(found), "n_rows": len(found)}]
        kept = found
    assert n_midway >= 2, "no writer was killed in the middle of its work"


def test_full_disk(program: Program, store: Path) -> None:
    """A store that takes the rows and not the manifest (files of a size that it has no room for): the statement fails,
    nothing is published, and the next writer is not held up."""
    before = stored.manifest(store)
    command = [str(program.path), "sql", "--store", str(store), "-q", "--write", "-c", ONE]
    limited = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        restore_signals=False,  # Python ignores SIGXFSZ, and so does the program then
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384)),
    )
    assert limited.returncode == 3
    assert limited.stderr.startswith("codeanatomy: publish what the statement wrote: cannot write '")
    assert limited.stderr.endswith("File too large\n")
    [place] = (store / "tables" / "public" / "notes").iterdir()
    assert DeltaTable(str(place)).version() == 0, "the rows had been committed"
    assert stored.manifest(store) == before and ids(program, store) == []
    write(program, store, TWO)
    assert ids(program, store) == [2]


def test_store_is_not_writable(program: Program, store: Path) -> None:
    """A writer needs the lock; a reader does not."""
    (store / "lock").unlink()
    (store / "lock").mkdir()
    refused(
        ask(program, store, ONE, "--write"),
        3,
        f"open store '{store}' for writing: open '{store}/lock': Is a directory",
    )
    assert ids(program, store) == []


# ---- builds take rows over -----------------------------------------------------------------------------------------


def test_rows_outlive_builds(program: Program, store: Path, own: Path) -> None:
    """E1: rows that no extractor and no model makes stay, whatever was built since, params too; models read them."""
    write(program, store, ONE, TWO, "DELETE FROM notes WHERE note_id = 1", "INSERT INTO params.limits VALUES (9, 'x')")
    entry = stored.entries(store)["public.notes"]
    for _ in range(3):
        program.build(SHOP, store, "--datasets", str(own))
        assert stored.entries(store)["public.notes"] == entry
        assert rows(program, store, "SELECT note_id, path FROM notes") == [{"note_id": 2, "path": "b.py"}]
        assert rows(program, store, "SELECT note_id FROM noted") == [{"note_id": 2}]
        assert rows(program, store, "SELECT note_id FROM params.limits") == [{"note_id": 9}]
    write(program, store, ONE)
    assert ids(program, store) == [1, 2]


CHECKED = NOTES.replace("storage:", 'checks:\n  positive: "note_id > LEAST"\nstorage:')


def test_rows_under_another_contract(program: Program, store: Path, own: Path) -> None:
    """The columns stayed: what the contract says more is proved of the rows, or nothing is published."""
    write(program, store, ONE)
    write_contracts(own, CHECKED.replace("LEAST", "0"))
    program.build(SHOP, store, "--datasets", str(own))
    entry = stored.entries(store)["public.notes"]
    assert (entry["made_by"], entry["n_rows"], entry["data_version"]) == ("sql", 1, 0)
    before = run_id(store)
    write_contracts(own, CHECKED.replace("LEAST", "1"))
    refused(
        program.run("build", SHOP, "--store", store, "-q", "--datasets", own),
        1,
        f"build '{SHOP}': write 'public.notes': check 'positive' fails in row 0: note_id > 1",
    )
    assert run_id(store) == before and ids(program, store) == [1]


def test_rows_that_do_not_fit(program: Program, store: Path, own: Path) -> None:
    """Rows are never lost without a word: a build stops that would drop them. Rows that were deleted hold up nobody."""
    write(program, store, ONE, "INSERT INTO params.limits VALUES (9, 'x')", "DELETE FROM params.limits")
    before = run_id(store)
    refused(
        program.run("build", SHOP, "--store", store, "-q"),
        3,
        f"build '{SHOP}': the store holds rows of 'public.notes' that SQL wrote (1), and no contract of this build "
        "declares it: add its --datasets, or delete the rows first",
    )
    write_contracts(own, NOTES.replace("type: utf8, ", "type: int64,"))
    for name in ("noted.yaml", "noted.sql"):
        (own / "relate" / name).unlink()
    refused(
        program.run("build", SHOP, "--store", store, "-q", "--datasets", own),
        4,
        f"build '{SHOP}': the store holds rows of 'public.notes' (1) that SQL wrote under other columns: "
        "columns.path: type_changed, 'int64' was 'utf8': keep the columns, or delete the rows first",
    )
    write_contracts(own)
    (own / "relate" / "notes.sql").write_text("SELECT CAST(1 AS BIGINT) AS note_id, 'x' AS path\n")
    refused(
        program.run("build", SHOP, "--store", store, "-q", "--datasets", own),
        3,
        f"build '{SHOP}': the store holds rows of 'public.notes' that SQL wrote (1), and this build makes others: give "
        "that dataset another name, or delete the rows first",
    )
    assert run_id(store) == before and ids(program, store) == [1]
    write(program, store, "DELETE FROM notes")
    program.build(SHOP, store)
    assert "public.notes" not in stored.entries(store)


# ---- runs by time, datasets by version -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history(program: Program, built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """A store with three runs: none, one and two rows."""
    store = Path(shutil.copytree(built / "store", tmp_path_factory.mktemp("history") / "store"))
    return store, [stored.manifest(store), write(program, store, ONE), write(program, store, TWO)]


def test_run_by_time(program: Program, history: tuple[Path, list[dict]]) -> None:
    """Decision 20, AS OF TIME: the newest run that was published at or before it."""
    store, runs = history
    for i, run in enumerate(runs):
        assert ids(program, store, "--as-of", run["published_at"]) == list(range(1, i + 1))
        assert ids(program, store, "--run", run["run_id"]) == list(range(1, i + 1))
        status = program.run("status", "--store", store, "--format", "json", "--as-of", run["published_at"])
        assert json.loads(status.out)["run"] == run
    assert ids(program, store, "--as-of", "2999-01-01T00:00:00+02:00") == [1, 2]
    first = runs[0]
    refused(
        ask(program, store, IDS, "--as-of", "2020-02-02T02:02:02Z"),
        3,
        f"store '{store}' has no run of '2020-02-02T02:02:02Z' or before: the oldest is '{first['run_id']}', published "
        f"at {first['published_at']}",
    )


def test_manifest_that_was_never_published(program: Program, built: Path, tmp_path: Path) -> None:
    """What a writer leaves that dies between manifest and pointer was never visible, so no time finds it."""
    store = Path(shutil.copytree(built / "store", tmp_path / "store"))
    first = stored.manifest(store)
    late = write(program, store, ONE)
    (store / "published").write_text(f"{first['run_id']}\n")
    assert late["published_at"] and ids(program, store, "--as-of", late["published_at"]) == []


BAD_TIMES = {
    ("--as-of", "yesterday"): (2, "'yesterday' is not a time such as 2026-11-21T04:27:49Z"),
    ("--as-of", "2026-13-01T00:00:00Z"): (2, "'2026-13-01T00:00:00Z' is not a time such as 2026-11-21T04:27:49Z"),
    ("--as-of", "2026-11-21T04:27:49Z", "--run", "r"): (
        2,
        "run 'r' and the time '2026-11-21T04:27:49Z' are two answers to what is read: leave one out",
    ),
    ("--as-of", "2026-11-21T04:27:49Z", "--write"): (
        3,
        "a session that writes reads the newest run: leave out the time, or open it read-only",
    ),
    ("--run", "r", "--write"): (
        3,
        "a session that writes reads the newest run: leave out the run, or open it read-only",
    ),
    ("--pin", "notes=0", "--write"): (
        3,
        "a session that writes reads the newest run: leave out the pin, or open it read-only",
    ),
    ("--pin", "notes"): (2, "pin 'notes': it is neither NAME=VERSION nor NAME=TIME"),
    ("--pin", "=1"): (2, "pin '=1': it is neither NAME=VERSION nor NAME=TIME"),
    ("--pin", "notes="): (2, "pin 'notes=': it is neither NAME=VERSION nor NAME=TIME"),
    ("--pin", "notes=-1"): (2, "pin 'notes=-1': '-1' is not a time such as 2026-11-21T04:27:49Z"),
    ("--pin", "notes=99999999999999999999"): (
        2,
        "pin 'notes=99999999999999999999': '99999999999999999999' is too large for a version",
    ),
    ("--pin", "nowhere=1"): (
        3,
        "pin 'nowhere=1': no dataset 'nowhere'; 'codeanatomy tables' lists them",
    ),
    ("--pin", "callers=1"): (
        2,
        "pin 'callers=1': 'public.callers' has no versions: its rows are in no Delta table of its own",
    ),
    ("--pin", "registry.datasets=1"): (
        2,
        "pin 'registry.datasets=1': 'registry.datasets' has no versions: its rows are in no Delta table of its own",
    ),
    ("--pin", "params.limits=0"): (3, "pin 'params.limits=0': 'params.limits' has no rows in this run"),
}


@pytest.mark.parametrize("said", BAD_TIMES)
def test_bad_time(said: tuple[str, ...], program: Program, history: tuple[Path, list[dict]]) -> None:
    code, words = BAD_TIMES[said]
    refused(ask(program, history[0], IDS, *said), code, words)


def test_pinned_version(program: Program, history: tuple[Path, list[dict]]) -> None:
    """E1, AS OF VERSION and TIME: one dataset at another version, the rest as the run has it."""
    store, runs = history
    assert ids(program, store, "--pin", "notes=0") == [1]
    assert ids(program, store, "--pin", "codeintel.public.notes=1") == [1, 2]
    assert ids(program, store, "--pin", f"notes={runs[1]['published_at']}") == [1]
    asked = "SELECT data_version, n_rows FROM registry.datasets WHERE dataset_name = 'notes'"
    assert rows(program, store, asked, "--pin", "notes=0") == [{"data_version": 0, "n_rows": 1}]
    both = "SELECT (SELECT count(*) FROM notes) AS notes, (SELECT count(*) FROM diagnostics.writes) AS writes"
    n_writes = len(rows(program, store, "SELECT 1 FROM diagnostics.writes"))
    assert rows(program, store, both, "--pin", "notes=0", "--pin", "diagnostics.writes=0") == [
        {"notes": 1, "writes": n_writes - 2}
    ]
    tables = program.run("describe", "notes", "--store", store, "--pin", "notes=0")
    assert tables.code == 0

    place = store / stored.entries(store)["public.notes"]["location"]
    refused(
        ask(program, store, IDS, "--pin", "notes=7"),
        3,
        f"pin 'notes=7': the Delta table at '{place}' has no version 7: its newest is 1",
    )
    refused(
        ask(program, store, IDS, "--pin", f"notes={runs[0]['published_at']}"),
        3,
        f"pin 'notes={runs[0]['published_at']}': 'public.notes' had no rows in run '{runs[0]['run_id']}', the newest "
        "of that time",
    )
    answer = ask(program, store, IDS, "--pin", "notes=2020-02-02T02:02:02Z")
    assert answer.code == 3 and "has no run of '2020-02-02T02:02:02Z' or before" in answer.err


# ---- a Delta table elsewhere ---------------------------------------------------------------------------------------

PEOPLE = """\
dataset: people
version: 1
kind: table
doc: People, kept by somebody else.
columns:
  - {name: person_id, type: int64, nullable: false, doc: "number"}
  - {name: name,      type: utf8,  nullable: true,  doc: "name"}
keys: {primary: [person_id]}
order: [person_id]
storage: {format: delta, location: ../../data/people}
evolution: {default: refuse}
"""
NAMES = "SELECT person_id, name FROM people ORDER BY person_id"
PEOPLE_TYPES = pa.schema([pa.field("person_id", pa.int64()), pa.field("name", pa.string())])


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Versions 0 and 1 of a table that another program wrote, and the folder of contracts beside it."""
    place = tmp_path / "data" / "people"
    for i, name in enumerate(("ada", "bob"), 1):
        table = pa.table({"person_id": [i], "name": [name]}, schema=PEOPLE_TYPES)
        write_deltalake(str(place), table, mode="append")
    folder = tmp_path / "elsewhere" / "relate"
    folder.mkdir(parents=True)
    (folder / "people.yaml").write_text(PEOPLE)
    return tmp_path / "elsewhere"


def commit_time(place: Path, version: int) -> str:
    [at] = [c["timestamp"] for c in DeltaTable(str(place)).history() if c["version"] == version]
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)) + f".{at % 1000:03}Z"


def test_table_elsewhere(program: Program, people: Path, tmp_path: Path) -> None:
    """E1: storage.location of a Delta contract, relative to the contract's folder: read at its newest version or at a
    pinned one, by number and by time; nothing is believed of it (decision 4)."""
    place = tmp_path / "data" / "people"
    ada, bob = {"person_id": 1, "name": "ada"}, {"person_id": 2, "name": "bob"}

    def asked(statement: str, *args: str | Path) -> list[dict[str, Any]]:
        answer = program.run(
            "sql", "--datasets", people, "-q", "--format", "ndjson", *args, "-c", statement, cwd=tmp_path
        )
        assert answer.code == 0, answer.err
        return answer.rows()

    assert asked(NAMES) == [ada, bob]
    assert asked(NAMES, "--pin", "people=0") == [ada]
    first, second = commit_time(place, 0), commit_time(place, 1)
    assert first < second
    assert asked(NAMES, "--pin", f"people={first}") == [ada]
    assert asked(NAMES, "--pin", f"people={second}") == [ada, bob]
    facts = "SELECT path, is_nullable, is_proved FROM registry.columns WHERE dataset_name = 'people' ORDER BY position"
    assert asked(facts) == [
        {"path": "person_id", "is_nullable": False, "is_proved": False},
        {"path": "name", "is_nullable": True, "is_proved": False},
    ]
    [entry] = asked("SELECT location, health FROM registry.datasets WHERE dataset_name = 'people'")
    assert entry["health"] == "ok" and Path(entry["location"]).resolve() == place

    bad = [
        ("people=7", 3, "pin 'people=7': the Delta table at '"),
        ("people=2020-02-02T02:02:02Z", 3, "pin 'people=2020-02-02T02:02:02Z': the Delta table at '"),
    ]
    for pin, code, words in bad:
        answer = program.run("sql", "--datasets", people, "-q", "--pin", pin, "-c", NAMES, cwd=tmp_path)
        assert answer.code == code and answer.err.startswith(f"codeanatomy: {words}"), answer.err


def test_table_elsewhere_in_a_build(program: Program, people: Path, tmp_path: Path) -> None:
    """Models read it; the run does not claim it; a session on the store finds it wherever it stands; SQL writes it
    where it is, through the gate."""
    (people / "relate" / "namesakes.yaml").write_text(
        NOTES.replace("dataset: notes", "dataset: namesakes").replace("doc: Notes", "doc: Names")
    )
    (people / "relate" / "namesakes.sql").write_text(
        "SELECT person_id AS note_id, name AS path FROM people ORDER BY note_id\n"
    )
    store = tmp_path / "store"
    program.build(SHOP, store, "--datasets", str(people))
    assert [row["path"] for row in rows(program, store, "SELECT path FROM namesakes")] == ["ada", "bob"]
    assert "public.people" not in stored.entries(store)
    before = run_id(store)
    answer = ask(program, store, "INSERT INTO people VALUES (3, 'cy')", "--write")
    assert answer.code == 0, answer.err
    assert DeltaTable(str(tmp_path / "data" / "people")).version() == 2
    assert [row["name"] for row in rows(program, store, NAMES)] == ["ada", "bob", "cy"]
    assert run_id(store) == before
    refused(
        ask(program, store, "INSERT INTO people VALUES (3, 'again')", "--write"),
        1,
        "gate 'public.people': the primary key (person_id) = (3) is there already",
    )


def test_table_elsewhere_that_does_not_fit(program: Program, people: Path, tmp_path: Path) -> None:
    """Another table, or none: the error names dataset, path and both types; nobody else is disturbed."""
    place = tmp_path / "data" / "people"
    asked = ("sql", "--datasets", people, "-q", "--format", "ndjson", "-c")
    shutil.rmtree(place)
    write_deltalake(str(place), pa.table({"person_id": ["1"], "name": ["ada"]}))
    answer = program.run(*asked, NAMES, cwd=tmp_path)
    assert answer.code == 4
    assert "table 'public.people': the Delta table at '" in answer.err
    assert "person_id" in answer.err and "Int64" in answer.err and "Utf8" in answer.err
    shutil.rmtree(place)
    answer = program.run(*asked, NAMES, cwd=tmp_path)
    assert answer.code == 3 and answer.err.startswith("codeanatomy: table 'public.people': no Delta table at '")
    health = "SELECT health, failure FROM registry.datasets WHERE dataset_name = 'people'"
    [row] = program.run(*asked, health, cwd=tmp_path).rows()
    assert row["health"] == "missing" and row["failure"].endswith("make it, or say in the contract where it is")
    assert program.run(*asked, "SELECT count(*) AS n FROM modules", cwd=tmp_path).rows() == [{"n": 0}]


def test_model_with_a_location(program: Program, people: Path, tmp_path: Path) -> None:
    (people / "relate" / "people.sql").write_text("SELECT CAST(1 AS BIGINT) AS person_id, 'x' AS name\n")
    path = people / "relate" / "people.yaml"
    refused(
        program.run("sql", "--datasets", people, "-q", "-c", "SELECT 1", cwd=tmp_path),
        1,
        f"load the datasets of '{people}': {path}: 'people' has SQL and storage.location '../../data/people': a build "
        "writes its models into the store, leave the location out",
    )
