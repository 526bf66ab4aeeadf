"""E1: rows that SQL writes: INSERT, UPDATE and DELETE of a dataset keep its contract, or change nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import stored
from conftest import SHOP, Answer, Program
from deltalake import DeltaTable, write_deltalake

NOTES = """\
dataset: notes
version: 1
kind: table
doc: Notes of people. One row a note.
columns:
  - {name: note_id, type: int64,  nullable: false, doc: "number of the note"}
  - {name: path,    type: utf8,   nullable: false, doc: "file that it is about"}
  - {name: weight,  type: int32,  nullable: false, default: "1", doc: "how much it matters"}
  - {name: stars,   type: uint8,  nullable: true,  doc: "stored as a wider number"}
  - {name: digest,  type: binary, nullable: true,  doc: "bytes, of which there are no statistics"}
  - name: tags
    type: list
    nullable: false
    default: "make_array()"
    doc: words
    item: {type: utf8, nullable: false}
  - name: lines
    type: list
    nullable: false
    default: "make_array()"
    doc: lines
    item: {type: struct, nullable: false, fields: [{name: line, type: int32, nullable: false, doc: "from 1"}]}
keys: {primary: [note_id]}
order: [note_id]
checks:
  heavy: "weight < 100"
views:
  note_lines: {unnest: lines, with: [note_id], doc: "lines of notes", checks: {line: "line >= 1"}}
storage:
  format: delta
  row_group_bytes: 1048576
  compression: snappy
  properties: {delta.logRetentionDuration: "interval 9 days"}
evolution: {default: refuse}
"""
PARTED = """\
dataset: parted
version: 1
kind: table
doc: Rows in parts.
columns:
  - {name: k, type: int64, nullable: false, doc: "number"}
  - {name: p, type: utf8, nullable: false, doc: "part"}
  - {name: n, type: int32, nullable: true, doc: "part in the part"}
  - {name: v, type: float64, nullable: true, doc: "value"}
  - {name: t, type: timestamp_us, zone: UTC, nullable: true, doc: "time"}
  - {name: m, type: decimal128, precision: 10, scale: 2, nullable: true, doc: "money"}
keys: {primary: [k, p]}
order: [k]
partition_by: [p, n]
storage: {format: delta, statistics_columns: [k, v], target_file_bytes: 1000000}
evolution: {default: refuse}
"""
# What the tables that we make say of themselves, whatever their contract.
OURS = {"delta.checkpointInterval": "10"}
TWENTY = (
    "INSERT OVERWRITE parted SELECT value, CASE WHEN value % 2 = 0 THEN 'even' ELSE 'odd' END, "
    "CASE WHEN value % 3 = 0 THEN NULL ELSE CAST(value % 3 AS INT) END, "
    "CASE WHEN value % 5 = 0 THEN NULL ELSE value * 1.5 END, "
    "to_timestamp_micros(1704067200000000 + value * 86400000000), CAST(value + 0 AS DECIMAL(10, 2)) "
    "FROM generate_series(1, 20)"
)
THREE = (
    "INSERT INTO notes (note_id, path, weight, stars, tags) VALUES "
    "(1, 'a.py', 1, 5, ['x']), (2, 'b.py', 2, 6, ['y', 'z']), (3, 'c.py', 3, NULL, ['x'])"
)
ALL = "SELECT note_id, path, weight, stars FROM notes ORDER BY note_id"


@pytest.fixture(scope="module")
def built(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("write")
    (folder / "own" / "relate").mkdir(parents=True)
    (folder / "own" / "relate" / "notes.yaml").write_text(NOTES)
    (folder / "own" / "relate" / "parted.yaml").write_text(PARTED)
    program.build(SHOP, folder / "store", "--datasets", str(folder / "own"))
    return folder


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built / "store", tmp_path / "store"))


def sql(program: Program, store: Path, *statements: str, write: bool = True) -> Answer:
    commands = [part for statement in statements for part in ("-c", statement)]
    return program.run("sql", "--store", store, "-q", "--format", "ndjson", *(["--write"] if write else []), *commands)


def rows(program: Program, store: Path, *statements: str) -> list[dict[str, Any]]:
    """The rows of the last statement; the others answer with their count."""
    answer = sql(program, store, *statements)
    assert answer.code == 0, answer.err
    return [row for row in answer.rows() if "count" not in row]


def notes(store: Path) -> DeltaTable:
    [place] = (store / "tables" / "public" / "notes").iterdir()
    return DeltaTable(str(place))


# ---- INSERT --------------------------------------------------------------------------------------------------------


def test_first_row(program: Program, store: Path) -> None:
    """A dataset that was declared and never written takes its first row: the table is made from the contract, with its
    storage options; a column without value takes its default."""
    found = rows(
        program,
        store,
        "INSERT INTO notes (note_id, path) VALUES (1, 'a.py')",
        "INSERT INTO notes (note_id, path, weight, stars) VALUES (2, 'b.py', 7, 255)",
        "SELECT * FROM notes ORDER BY note_id",
    )
    assert found == [
        {"note_id": 1, "path": "a.py", "weight": 1, "stars": None, "digest": None, "tags": [], "lines": []},
        {"note_id": 2, "path": "b.py", "weight": 7, "stars": 255, "digest": None, "tags": [], "lines": []},
    ]
    table = notes(store)
    assert table.version() == 1
    assert table.metadata().configuration["delta.logRetentionDuration"] == "interval 9 days"
    assert [f.name for f in table.schema().fields if not f.nullable] == ["note_id", "path", "weight", "tags", "lines"]


def test_rows_of_nobody(program: Program, store: Path) -> None:
    """Decision 19: a version that no run names, as a writer leaves it that was killed, is not built on."""
    assert rows(program, store, THREE, "SELECT count(*) AS n FROM notes") == [{"n": 3}]
    delta = notes(store)
    foreign = delta.to_pyarrow_table().slice(0, 1).set_column(0, "note_id", [[77]])
    write_deltalake(delta, foreign, mode="append", schema_mode="merge")
    assert program.sql(store, "SELECT count(*) AS n FROM notes") == [{"n": 3}]
    one = "INSERT INTO notes (note_id, path) VALUES (77, 'ours.py')"
    assert rows(program, store, one, "SELECT path FROM notes WHERE note_id > 3") == [{"path": "ours.py"}]


def test_dataset_of_a_model(program: Program, store: Path) -> None:
    one_class = "INSERT INTO classes SELECT * FROM classes LIMIT 0"
    gone = "DELETE FROM classes WHERE name = (SELECT 'x')"
    assert sql(program, store, gone).code == 3
    first, *_ = rows(program, store, "SELECT name FROM classes ORDER BY name")
    left = f"DELETE FROM classes WHERE name = '{first['name']}'"
    assert rows(program, store, left, "SELECT count(*) AS n FROM classes") == [{"n": 2}]
    assert rows(program, store, one_class, "SELECT count(*) AS n FROM classes") == [{"n": 2}]
    assert program.sql(store, "SELECT count(*) AS n FROM classes") == [{"n": 2}]
    program.build(SHOP, store)
    assert program.sql(store, "SELECT count(*) AS n FROM classes") == [{"n": 3}]


def test_writers_at_once(program: Program, store: Path) -> None:
    """E1: of writers that meet, one writes and the others are told so; what is published is what the winners wrote."""
    base = [str(program.path), "sql", "--store", str(store), "-q", "--write", "--format", "ndjson"]
    written: list[int] = []
    for attempt in range(4):
        running = []
        for note in range(4 * attempt, 4 * attempt + 4):
            command = [*base, "-c", f"INSERT INTO notes (note_id, path) VALUES ({note}, 'a.py')"]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        ended = [(process.communicate(), process.returncode) for process in running]
        for note, ((out, err), code) in enumerate(ended, 4 * attempt):
            assert (code, out) == (0, '{"count":1}\n') or (code == 5 and "another process writes" in err), (code, err)
            if code == 0:
                written.append(note)
        assert len(written) > attempt
    assert rows(program, store, "SELECT note_id FROM notes ORDER BY note_id") == [{"note_id": n} for n in written]


REFUSED_ROWS = {
    "(1, 'a.py', 1, NULL, [], []), (2, 'b.py', 1, NULL, [], []), (1, 'c.py', 1, NULL, [], [])": (
        "gate 'public.notes': the primary key (note_id) = (1) repeats in row 2"
    ),
    "(7, 'a.py', 1, NULL, [], []), (3, 'b.py', 1, NULL, [], [])": (
        "gate 'public.notes': the primary key (note_id) = (3) is there already"
    ),
    "(7, 'a.py', 1, NULL, [], []), (8, 'b.py', 100, NULL, [], [])": (
        "gate 'public.notes': check 'heavy' fails in row 1: weight < 100"
    ),
    "(7, NULL, 1, NULL, [], [])": "gate 'public.notes': column 'path' is null in row 0",
    "(NULL, 'a.py', 1, NULL, [], [])": "gate 'public.notes': column 'note_id' is null in row 0",
    "(7, 'a.py', 1, NULL, ['x', NULL], [])": "gate 'public.notes': column 'tags[]' is null in row 0",
    "(7, 'a.py', 1, NULL, [], []), (8, 'a.py', 1, NULL, [], [{line: 1}, {line: 0}])": (
        "gate 'public.notes': check 'line' fails in row 1, item 1 of 'lines': line >= 1"
    ),
    "(7, 'a.py', 1, 256, [], [])": (
        "gate 'public.notes': column 'stars': Cast error: Can't cast value 256 to type UInt8"
    ),
}


@pytest.mark.parametrize("values", REFUSED_ROWS)
def test_insert_is_proved(values: str, program: Program, store: Path) -> None:
    """B11: a key that is there, a check that fails, a null: the statement is refused with its reason, and nothing is
    committed. DataFusion took duplicates of a primary key for unique."""
    insert = f"INSERT INTO notes (note_id, path, weight, stars, tags, lines) VALUES {values}"
    answer = sql(program, store, THREE, insert)
    assert answer.code in (1, 3)
    assert answer.err == f"codeanatomy: {REFUSED_ROWS[values]}\n"
    assert notes(store).version() == 0
    assert notes(store).to_pyarrow_dataset().count_rows() == 3


def test_insert_into_a_written_dataset(program: Program, store: Path) -> None:
    """The key is held against all rows that are there, those of a build too."""
    answer = sql(program, store, "INSERT INTO cpg_nodes SELECT * FROM cpg_nodes")
    assert answer.code == 1
    assert re.fullmatch(
        r"codeanatomy: gate 'public.cpg_nodes': the primary key \(node_id\) = \(-?\d+\) is there already\n", answer.err
    ), answer.err
    entry = stored.entries(store)["public.cpg_nodes"]
    assert DeltaTable(str(store / entry["location"])).version() == entry["data_version"]


def test_insert_overwrite(program: Program, store: Path) -> None:
    """What is replaced does not count against the key."""
    again = "INSERT OVERWRITE notes (note_id, path) VALUES (1, 'a.py')"
    assert rows(program, store, THREE, again, ALL) == [{"note_id": 1, "path": "a.py", "weight": 1, "stars": None}]


ORDERED = {
    "INSERT": "INSERT INTO notes (note_id, path, weight) VALUES (9, 'i.py', 1), (4, 'd.py', 1), (7, 'g.py', 1)",
    "INSERT OVERWRITE": "INSERT OVERWRITE notes SELECT * FROM notes ORDER BY note_id DESC",
    "MERGE": "MERGE INTO notes USING (SELECT 0 AS i UNION ALL SELECT 2) AS n ON notes.note_id = n.i "
    "WHEN MATCHED THEN UPDATE SET weight = 9 "
    "WHEN NOT MATCHED THEN INSERT (note_id, path, weight) VALUES (n.i, 'x.py', 1)",
}


@pytest.mark.parametrize("statement", ORDERED)
def test_rows_are_stored_in_their_order(statement: str, program: Program, store: Path) -> None:
    """Issue 4, "Proof-carrying contracts": rows went into a file as the statement gave them, and `verify` found that
    what the product itself had written breaks the contract's order."""
    rows(program, store, THREE, ORDERED[statement])
    answer = program.run("verify", "notes", "--store", store, "-q", "--format", "ndjson")
    assert answer.code == 0, answer.out
    facts = {fact["kind"]: fact for fact in answer.rows()}
    assert facts["order"]["status"] == "proved"
    for file in notes(store).file_uris():
        ids = pq.read_table(file).column("note_id").to_pylist()
        assert ids == sorted(ids)


def test_row_of_the_statement_is_named(program: Program, store: Path) -> None:
    """Rows are put in order behind the gate: it says where a row stands in the statement."""
    answer = sql(
        program, store, "INSERT INTO notes (note_id, path, weight) VALUES (9, 'a', 1), (4, 'b', 1), (7, NULL, 1)"
    )
    assert answer.code == 1 and "row 2" in answer.err, answer.err


def test_many_small_files_become_one(program: Program, store: Path) -> None:
    """E1: each INSERT leaves a file; a table overwritten with itself has the same rows, proved, in as few as they need,
    and the run before has those of before."""
    inserts = [f"INSERT INTO notes (note_id, path) VALUES ({i}, 'a.py')" for i in range(1, 6)]
    before = rows(program, store, *inserts, ALL)
    entry, run = stored.entries(store)["public.notes"], stored.manifest(store)["run_id"]
    assert (len(before), entry["n_files"], entry["n_rows"]) == (5, 5, 5)
    assert rows(program, store, "INSERT OVERWRITE notes SELECT * FROM notes ORDER BY note_id", ALL) == before
    entry = stored.entries(store)["public.notes"]
    assert (entry["n_files"], entry["n_rows"], entry["proofs"]["primary_key"]) == (1, 5, "gate")
    assert program.sql(store, ALL, "--run", run) == before


def test_no_store_takes_no_rows(program: Program, built: Path, tmp_path: Path) -> None:
    answer = program.run(
        "sql", "--datasets", built / "own", "--write", "-q", "-c",
        "INSERT INTO notes (note_id, path) VALUES (1, 'a.py')", cwd=tmp_path,
    )  # fmt: skip
    said = "its rows are given another way, or no run is published that they could follow"
    assert (answer.code, answer.err) == (3, f"codeanatomy: INSERT is refused on table 'public.notes': {said}\n")


def test_key_of_an_external_table(program: Program, store: Path, tmp_path: Path) -> None:
    """A key that DDL declares is proved too."""
    made = f"CREATE EXTERNAL TABLE t (a INT, b INT, PRIMARY KEY (a, b)) STORED AS DELTATABLE LOCATION '{tmp_path}/t'"
    answer = sql(program, store, made, "INSERT INTO t VALUES (1, 1), (1, 2)", "INSERT INTO t VALUES (2, 1), (1, 2)")
    assert answer.err == "codeanatomy: gate 't': the primary key (a, b) = (1, 2) is there already\n"
    assert DeltaTable(f"{tmp_path}/t").to_pyarrow_dataset().count_rows() == 2


# ---- DELETE --------------------------------------------------------------------------------------------------------

LEFT = {
    "note_id = 2": [1, 3],
    "note_id IN (1, 3) OR path LIKE 'z%'": [2],
    "stars = 6": [1, 3],
    "stars > 5.5": [1, 3],
    "stars IS NULL AND weight = 3": [1, 2],
    "NOT stars = 6": [2, 3],
    "1 = 0": [1, 2, 3],
    "note_id IS NULL": [1, 2, 3],
    "path IS NULL OR weight > 1000": [1, 2, 3],
    "true": [],
    "stars IS NULL OR stars IS NOT NULL": [],
    "upper(path) = 'B.PY'": [1, 3],
    "path = 'b.py' AND CAST(weight AS VARCHAR) = '2'": [1, 3],
    "weight * 2 BETWEEN 3 AND 5": [1, 3],
    "CASE WHEN stars IS NULL THEN weight = 3 ELSE false END": [1, 2],
}


@pytest.mark.parametrize("condition", LEFT)
def test_delete(condition: str, program: Program, store: Path) -> None:
    """Engine notes 0.12: DataFusion's hook would get the optimized condition, empty where it was folded away, and every
    row would go. Rows for which it is not true stay."""
    found = rows(program, store, THREE, f"DELETE FROM notes WHERE {condition}", ALL)
    assert [row["note_id"] for row in found] == LEFT[condition]


CONDITIONS = [
    "p = 'odd'",
    "p <> 'odd' AND n IS NOT NULL",
    "n IS NULL",
    "n = 1 AND k > 10",
    "p = 'none'",
    "NOT (v > 3)",
    "v IS NULL OR p ~ '^o'",
    "coalesce(n, 0) + k = 5",
    "k::text LIKE '1%' AND p IN ('odd', 'even')",
    "t < TIMESTAMP '2024-01-09' AND m >= 2.5",
    "t > now()",
    "m / 3 > 4 AND n <> 2",
    "CASE WHEN n IS NULL THEN v > 9 ELSE k % 4 = 0 END",
]


def test_changes_are_what_a_query_says(program: Program, store: Path) -> None:
    """E1: with partitions too, a DELETE leaves what SELECT finds for its condition not being true, and an UPDATE
    changes what SELECT finds for it."""
    everything = "SELECT k, p, n, v, t, m FROM parted ORDER BY k"
    for condition in CONDITIONS:
        before = rows(
            program, store, TWENTY, f"SELECT * FROM ({everything}) WHERE ({condition}) IS NOT TRUE ORDER BY k"
        )
        assert rows(program, store, TWENTY, f"DELETE FROM parted WHERE {condition}", everything) == before, condition
        changed = f"CASE WHEN {condition}"
        wanted = rows(
            program,
            store,
            TWENTY,
            f"SELECT k, {changed} THEN upper(p) ELSE p END AS p, {changed} THEN n + 7 ELSE n END AS n, "
            f"{changed} THEN NULL ELSE v END AS v FROM parted ORDER BY k",
        )
        update = f"UPDATE parted SET p = upper(p), n = n + 7, v = NULL WHERE {condition}"
        assert rows(program, store, TWENTY, update, "SELECT k, p, n, v FROM parted ORDER BY k") == wanted, condition


def test_storage_options(program: Program, store: Path, built: Path) -> None:
    """E1, B3: how a table is stored is in the registry, in the DDL and in the table that is made from either."""
    assert sql(program, store, TWENTY).code == 0
    [place] = (store / "tables" / "public" / "parted").iterdir()
    made = DeltaTable(str(place)).metadata()
    assert made.configuration == {**OURS, "delta.dataSkippingStatsColumns": "k,v"}
    assert made.partition_columns == ["p", "n"]
    assert program.sql(
        store, "SELECT name, value FROM registry.options WHERE dataset_name = 'parted' AND section = 'storage'"
    ) == [
        {"name": "format", "value": "delta"},
        {"name": "statistics_columns", "value": "k, v"},
        {"name": "target_file_bytes", "value": "1000000"},
    ]
    answer = program.run("ddl", "notes", "--datasets", built / "own", "-q", cwd=built)
    statement, _, unsaid = answer.out.partition("-- unsaid")
    assert "heavy" in unsaid
    assert statement.endswith(
        "OPTIONS ('storage.compression' 'snappy', 'storage.properties' "
        "'{\"delta.logRetentionDuration\": \"interval 9 days\"}', 'storage.row_group_bytes' '1048576');\n"
    ), answer.out
    copy = answer.out.replace("codeintel.public.notes", "copy").replace("public/notes", str(store / "copy"))
    assert sql(program, store, copy, "INSERT INTO copy SELECT * FROM notes").code == 0
    configuration = DeltaTable(str(store / "copy")).metadata().configuration
    assert configuration == {**OURS, "delta.logRetentionDuration": "interval 9 days"}


def test_build_is_not_warned_of(program: Program, tmp_path: Path) -> None:
    """E1: columns of bytes have no statistics, and the storage library complained of each."""
    answer = program.run("build", SHOP, "--store", tmp_path / "store", "--log-level", "warn")
    assert answer.code == 0 and "warn:" not in answer.err, answer.err


def test_count_of_changed_rows(program: Program, store: Path) -> None:
    answer = sql(
        program, store, THREE, "DELETE FROM notes WHERE note_id < 3", "UPDATE notes SET weight = 5", "DELETE FROM notes"
    )
    assert [row["count"] for row in answer.rows()] == [3, 2, 1, 1]
    answer = sql(program, store, "DELETE FROM notes", "UPDATE notes SET weight = 5")
    assert [row["count"] for row in answer.rows()] == [0, 0]


# ---- UPDATE --------------------------------------------------------------------------------------------------------

UPDATED = {
    "weight = 7, path = upper(path) WHERE note_id > 1": [(1, "a.py", 1, 5), (2, "B.PY", 7, 6), (3, "C.PY", 7, None)],
    "weight = 9": [(1, "a.py", 9, 5), (2, "b.py", 9, 6), (3, "c.py", 9, None)],
    "stars = stars + 249 WHERE stars = 6": [(1, "a.py", 1, 5), (2, "b.py", 2, 255), (3, "c.py", 3, None)],
    "stars = NULL, path = 'it''s'  WHERE note_id = 1": [(1, "it's", 1, None), (2, "b.py", 2, 6), (3, "c.py", 3, None)],
    "note_id = note_id + 1": [(2, "a.py", 1, 5), (3, "b.py", 2, 6), (4, "c.py", 3, None)],
    "note_id = note_id": [(1, "a.py", 1, 5), (2, "b.py", 2, 6), (3, "c.py", 3, None)],
    "weight = note_id, note_id = weight + 3 WHERE 1 = 1": [(4, "a.py", 1, 5), (5, "b.py", 2, 6), (6, "c.py", 3, None)],
    "weight = 50 WHERE note_id IS NULL": [(1, "a.py", 1, 5), (2, "b.py", 2, 6), (3, "c.py", 3, None)],
    "tags = ['n'], weight = '8' WHERE path = 'a.py'": [(1, "a.py", 8, 5), (2, "b.py", 2, 6), (3, "c.py", 3, None)],
}  # fmt: skip


@pytest.mark.parametrize("change", UPDATED)
def test_update(change: str, program: Program, store: Path) -> None:
    found = rows(program, store, THREE, f"UPDATE notes SET {change}", ALL)
    assert [(r["note_id"], r["path"], r["weight"], r.get("stars")) for r in found] == UPDATED[change]


def test_update_under_another_name(program: Program, store: Path) -> None:
    change = "UPDATE notes AS n SET weight = n.weight * 3 WHERE n.note_id = 3"
    found = rows(program, store, THREE, change, "SELECT weight FROM notes ORDER BY note_id")
    assert [row["weight"] for row in found] == [1, 2, 9]


def test_parameters(program: Program, store: Path) -> None:
    """E1: values that come by flags and by EXECUTE, in conditions and as what is set; they take the type of the column,
    and what has no value, or one that does not fit, changes nothing."""

    def bound(statement: str, *params: str) -> Answer:
        flags = [part for param in params for part in ("--param", param)]
        return program.run("sql", "--store", store, "-q", "--format", "ndjson", "--write", *flags, "-c", statement)

    assert sql(program, store, THREE).code == 0
    update = "UPDATE notes SET weight = $w, path = $p, stars = $w WHERE note_id = $id OR path = $p"
    assert bound(update, "w=9", "p=c.py", "id=1").rows() == [{"count": 2}]
    answer = sql(
        program, store,
        "PREPARE u AS UPDATE notes SET weight = $1, tags = $2 WHERE note_id = $3", "EXECUTE u(8, make_array('t'), 2)",
        "PREPARE d(BIGINT) AS DELETE FROM notes WHERE note_id = $1", "EXECUTE d(3)", f"{ALL}",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert [row["count"] for row in answer.rows() if "count" in row] == [1, 1]
    assert [(r["note_id"], r["path"], r["weight"], r["stars"]) for r in answer.rows() if "stars" in r] == [
        (1, "c.py", 9, 9), (2, "b.py", 8, 6),
    ]  # fmt: skip
    assert rows(program, store, "SELECT tags FROM notes ORDER BY note_id") == [{"tags": ["x"]}, {"tags": ["t"]}]
    version = notes(store).version()
    for params, said in ((("w=9", "p=x"), "id"), (("w=999", "p=x", "id=1"), "999"), (("w=x", "p=x", "id=1"), "'x'")):
        answer = bound(update, *params)
        assert answer.code in (1, 3) and said in answer.err, answer
    assert notes(store).version() == version


REFUSED_CHANGES = {
    "UPDATE notes SET weight = 100 WHERE stars = 6": "gate 'public.notes': check 'heavy' fails in row 0: weight < 100",
    "UPDATE notes SET path = NULL": "gate 'public.notes': column 'path' is null in row 0",
    "UPDATE notes SET note_id = 1 WHERE note_id = 2": (
        "gate 'public.notes': the primary key (note_id) = (1) is there already"
    ),
    "UPDATE notes SET note_id = 7": "gate 'public.notes': the primary key (note_id) = (7) repeats in row 1",
    "UPDATE notes SET lines = [{line: 0}]": (
        "gate 'public.notes': check 'line' fails in row 0, item 0 of 'lines': line >= 1"
    ),
    "UPDATE notes SET weight = 1, weight = 2": "UPDATE sets column 'weight' twice",
    "UPDATE notes SET notes.weight = 1": "UPDATE sets whole columns of its table, named alone: not 'notes.weight'",
    "UPDATE notes SET weight = (SELECT max(weight) FROM notes)": (
        "UPDATE is refused on table 'public.notes': it has a subquery"
    ),
    "UPDATE notes SET weight = CAST(random() * 10 AS INT)": (
        "UPDATE is refused on table 'public.notes': it has a value that is another each time"
    ),
    "UPDATE notes SET weight = 2 FROM classes WHERE notes.path = classes.path": (
        "This feature is not implemented: UPDATE ... FROM is not supported"
    ),
    "UPDATE notes SET weight = 2 WHERE tags = ['x']": (
        "UPDATE is refused on table 'public.notes': column 'tags' is nested, and the storage library reads it otherwise"
    ),
    "DELETE FROM notes WHERE note_id IN (SELECT note_id FROM notes)": (
        "DELETE is refused on table 'public.notes': it has a subquery"
    ),
    "DELETE FROM notes WHERE EXISTS (SELECT 1)": ("DELETE is refused on table 'public.notes': it has a subquery"),
    "DELETE FROM notes WHERE note_id > 0 LIMIT 1": (
        "DELETE is refused on table 'public.notes': LIMIT does not say which rows"
    ),
    "DELETE FROM notes WHERE random() < 2": (
        "DELETE is refused on table 'public.notes': it has a value that is another each time"
    ),
    "DELETE FROM notes WHERE array_length(tags) = 1": (
        "DELETE is refused on table 'public.notes': column 'tags' is nested, and the storage library reads it otherwise"
    ),
    "DELETE FROM note_lines": "DELETE is refused on table 'note_lines': it is neither a dataset nor a Delta table",
}


@pytest.mark.parametrize("statement", REFUSED_CHANGES)
def test_change_is_refused(statement: str, program: Program, store: Path) -> None:
    """E1: what would break the contract, and what the storage library cannot be told exactly, changes nothing."""
    answer = sql(program, store, THREE, statement)
    assert answer.code in (1, 3)
    assert answer.err == f"codeanatomy: {REFUSED_CHANGES[statement]}\n"
    assert notes(store).version() == 0
    assert notes(store).to_pyarrow_dataset().count_rows() == 3


def test_tables_in_memory_are_not_changed(program: Program, store: Path) -> None:
    """Engine notes 0.12: a table in memory has DataFusion's hooks, and every row went."""
    made = "CREATE TABLE m AS SELECT * FROM (VALUES (1), (2)) v (a)"
    answer = sql(program, store, made, "DELETE FROM m WHERE a IN (SELECT 2)")
    assert answer.err == "codeanatomy: DELETE is refused on table 'm': it is neither a dataset nor a Delta table\n"


# ---- unique keys ---------------------------------------------------------------------------------------------------

UNIQUE = """\
dataset: uniques
version: 1
kind: table
doc: Rows with keys of several kinds.
columns:
  - {name: a, type: int64,   nullable: false, doc: "number"}
  - {name: b, type: utf8,    nullable: true,  doc: "text"}
  - {name: c, type: binary,  nullable: true,  doc: "bytes"}
  - {name: d, type: int32,   nullable: true,  doc: "a part of a key"}
  - {name: e, type: date32,  nullable: true,  doc: "the other part"}
  - {name: v, type: int32,   nullable: true,  doc: "of no key"}
keys: {primary: [a], unique: [[b], [c], [d, e]]}
evolution: {default: refuse}
"""
FIRST = (
    "INSERT INTO uniques VALUES (1, 'x', X'01', 1, '2024-01-01', 0), (2, 'y', X'02', 1, '2024-01-02', 0), "
    "(3, NULL, NULL, 1, NULL, 0), (4, NULL, NULL, 1, NULL, 0), (5, NULL, NULL, NULL, NULL, 0)"
)
# Every kind of key: a value that repeats, how UPDATE would set it, and what is said.
KEYS = {
    "primary": ("7, 'p', NULL, NULL, NULL, 0", "7, 'q', NULL, NULL, NULL, 0", "a = 1", "the primary key (a) = ({0})"),
    "text": ("7, 'p', NULL, NULL, NULL, 0", "8, 'p', NULL, NULL, NULL, 0", "b = 'x'", "the unique key (b) = ({0})"),
    "bytes": ("7, NULL, X'07', NULL, NULL, 0", "8, NULL, X'07', NULL, NULL, 0", "c = X'01'", "the unique key (c) = ({0})"),  # noqa: E501
    "two columns": (
        "7, NULL, NULL, 7, '2024-01-07', 0", "8, NULL, NULL, 7, '2024-01-07', 0", "d = 1, e = '2024-01-01'",
        "the unique key (d, e) = ({0})",
    ),
}  # fmt: skip
STORED = {
    "primary": "1, 'p', NULL, NULL, NULL, 0",
    "text": "7, 'x', NULL, NULL, NULL, 0",
    "bytes": "7, NULL, X'01', NULL, NULL, 0",
    "two columns": "7, NULL, NULL, 1, '2024-01-01', 0",
}
VALUES = {
    "primary": ("7", "1"),
    "text": ("p", "x"),
    "bytes": ("07", "01"),
    "two columns": ("7, 2024-01-07", "1, 2024-01-01"),
}


@pytest.fixture(scope="module")
def uniques(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uniques")
    (folder / "own" / "relate").mkdir(parents=True)
    (folder / "own" / "relate" / "uniques.yaml").write_text(UNIQUE)
    program.build(SHOP, folder / "store", "--datasets", str(folder / "own"), "--layers", "symtable")
    answer = sql(program, folder / "store", FIRST)
    assert answer.code == 0, answer.err
    return folder / "store"


@pytest.mark.parametrize("key", KEYS)
def test_every_key_holds_of_every_statement(key: str, program: Program, uniques: Path) -> None:
    """B1, E1: a key that repeats within the rows, among the stored ones or by an UPDATE is refused with its values, and
    nothing is written; nulls repeat as they like."""
    one, two, assigned, said = KEYS[key]
    new, stored_value = VALUES[key]
    refused = {
        f"INSERT INTO uniques VALUES ({one}), ({two})": said.format(new) + " repeats in row 1",
        f"INSERT INTO uniques VALUES ({STORED[key]})": said.format(stored_value) + " is there already",
        f"UPDATE uniques SET {assigned} WHERE a = 2": said.format(stored_value) + " is there already",
        f"UPDATE uniques SET {assigned} WHERE a > 2": said.format(stored_value) + " repeats in row 1",
    }
    for statement, text in refused.items():
        answer = sql(program, uniques, statement)
        assert (answer.code, answer.err) == (1, f"codeanatomy: gate 'public.uniques': {text}\n"), statement
    assert rows(program, uniques, "SELECT count(*) AS n FROM uniques WHERE v = 0") == [{"n": 5}]


def test_what_keys_allow(program: Program, uniques: Path, tmp_path: Path) -> None:
    """E1: a key may move to a row that gives it up in one statement; an UPDATE of other columns looks at none."""
    store = Path(shutil.copytree(uniques, tmp_path / "store"))
    assert rows(
        program, store,
        "UPDATE uniques SET b = CASE a WHEN 1 THEN 'y' ELSE 'x' END WHERE a < 3",
        "UPDATE uniques SET v = 9",
        "INSERT INTO uniques VALUES (6, NULL, NULL, 1, NULL, 9)",
        "SELECT a, b, v FROM uniques WHERE b IS NOT NULL ORDER BY a",
    ) == [{"a": 1, "b": "y", "v": 9}, {"a": 2, "b": "x", "v": 9}]  # fmt: skip
    proofs = program.sql(
        store, "SELECT fact, status, method FROM registry.proofs WHERE dataset_name = 'uniques' AND kind = 'unique'"
    )
    assert sorted(p["fact"] for p in proofs) == ["b", "c", "d, e"]
    assert {(p["status"], p["method"]) for p in proofs} == {("proved", "gate")}
    assert program.run("verify", "--store", store, "-q", "uniques").code == 0
