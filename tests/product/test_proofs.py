"""Issue 4, "Proof-carrying contracts" (design decision 4): what a contract says of rows is believed only where it was
proved of the very files that are read, and `verify` names the rows that break it.

The store holds `things`, which a build proved; then somebody else puts other rows in the place of its table, or into a
listing's folder. Each test shows the answer that a believed contract would have got wrong (engine.md 0.1, 0.14)."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from conftest import SHOP, Answer, Program
from deltalake import DeltaTable, write_deltalake

THINGS = """\
dataset: things
version: 1
kind: table
doc: Things. One row a thing.
columns:
  - {name: a,    type: int64, nullable: false, doc: "number"}
  - {name: name, type: utf8,  nullable: false, doc: "what it is called"}
  - name: tags
    type: list
    nullable: false
    doc: tags
    item: {type: struct, nullable: false, fields: [{name: n, type: int32, nullable: false, doc: "from 1"}]}
keys: {primary: [a]}
order: [a]
checks: {positive: "a > 0"}
views: {thing_tags: {unnest: tags, with: [a], doc: "tags of things", checks: {small: "n < 100"}}}
evolution: {default: refuse}
"""
THINGS_SQL = """\
-- Which things are there? One row a thing.
SELECT
    CAST(column1 AS BIGINT) AS a,
    column2 AS name,
    make_array(named_struct('n', CAST(column1 AS INT))) AS tags
FROM (VALUES (1, 'one'), (2, 'two'), (3, 'three'))
"""
LISTED = """\
dataset: listed
version: 1
kind: table
doc: Rows in files of somebody else.
columns:
  - {name: a, type: int64, nullable: false, doc: "number"}
  - {name: b, type: utf8, nullable: true, doc: "text"}
keys: {primary: [a], unique: [[b]]}
order: [a]
checks: {positive: "a > 0"}
storage: {format: parquet, location: %s}
evolution: {default: refuse}
"""
FACTS = (
    ("check", "positive"),
    ("check", "thing_tags.small"),
    ("not_null", "a"),
    ("not_null", "name"),
    ("not_null", "tags"),
    ("not_null", "tags[]"),
    ("not_null", "tags[].n"),
    ("order", "a"),
    ("primary_key", "a"),
)
ITEM = pa.struct([pa.field("n", pa.int32())])
ROWS = pa.schema([("a", pa.int64()), ("name", pa.string()), ("tags", pa.list_(pa.field("element", ITEM)))])


def thing(a: int | None, name: str | None, *tags: int | None) -> dict[str, Any]:
    return {"a": a, "name": name, "tags": [{"n": n} for n in tags]}


GOOD = [thing(1, "one", 1), thing(2, "two", 2), thing(3, "three", 3)]


@pytest.fixture(scope="module")
def built(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("proofs")
    folder = root / "datasets" / "normalize"
    folder.mkdir(parents=True)
    (folder / "things.yaml").write_text(THINGS)
    (folder / "things.sql").write_text(THINGS_SQL)
    program.build(SHOP, root / "store", "--datasets", str(root / "datasets"))
    return root / "store"


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "store", symlinks=True))


def place(store: Path, name: str = "public.things") -> Path:
    return store / stored.entries(store)[name]["location"]


def replace(store: Path, rows: list[dict[str, Any]]) -> str:
    """Another table in the place of `things`, as another writer would make it; the name of its file."""
    table = place(store)
    shutil.rmtree(table)
    write_deltalake(str(table), pa.Table.from_pylist(rows, schema=ROWS))
    [file] = DeltaTable(str(table)).file_uris()
    return file.rpartition("/")[2]


def proofs(program: Program, store: Path, name: str = "things") -> dict[tuple[str, str], dict[str, Any]]:
    rows = program.sql(
        store,
        "SELECT kind, fact, status, method, data_version, files_digest, detail FROM registry.proofs "
        f"WHERE dataset_name = '{name}'",
    )
    return {(row["kind"], row["fact"]): row for row in rows}


def verify(program: Program, store: Path, *names: str) -> Answer:
    return program.run("verify", "--store", store, "--format", "ndjson", *names)


def violated(answer: Answer) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["fact"], row["detail"]) for row in answer.rows() if row["status"] == "violated"]


def is_nullable(program: Program, store: Path, column: str, table: str = "things") -> list[str]:
    rows = program.sql(
        store,
        f"SELECT is_nullable FROM information_schema.columns WHERE table_name = '{table}' AND column_name = '{column}'",
    )
    return [row["is_nullable"] for row in rows]


# ---- what the gate proved ------------------------------------------------------------------------------------------


def test_gate_proves_what_it_wrote(program: Program, built: Path) -> None:
    """Every fact of every dataset that the build wrote is proved, with the version and the digest of its files, and the
    manifest says the same: opening knows it without looking at data."""
    found = proofs(program, built)
    entry = stored.entries(built)["public.things"]
    assert tuple(found) == FACTS
    assert {row["status"] for row in found.values()} == {"proved"}
    assert {row["method"] for row in found.values()} == {"gate"}
    assert {row["data_version"] for row in found.values()} == {entry["data_version"]}
    assert {row["files_digest"] for row in found.values()} == {entry["files_digest"]}
    assert entry["proofs"] == dict.fromkeys(("check", "not_null", "order", "primary_key", "unique"), "gate")
    rows = program.sql(
        built,
        "SELECT schema_name, dataset_name, p.kind, fact FROM registry.proofs AS p JOIN registry.datasets AS d "
        "USING (schema_name, dataset_name) WHERE status <> 'proved' AND location IS NOT NULL",
    )
    assert rows == []
    # An empty table proves everything; what a view yields is proved of nothing.
    methods = program.sql(
        built,
        "SELECT DISTINCT p.method FROM registry.proofs AS p JOIN registry.datasets AS d "
        "USING (schema_name, dataset_name) WHERE d.n_rows = 0",
    )
    assert methods == [{"method": "empty"}]
    assert {row["status"] for row in proofs(program, built, "thing_tags").values()} == {"unproved"}


def test_no_other_files_no_other_digest(program: Program, store: Path) -> None:
    """The digest is one of the files: the same rows in other files have another."""
    before = stored.entries(store)["public.things"]["files_digest"]
    replace(store, GOOD)
    assert verify(program, store, "things").code == 0
    after = {row["files_digest"] for row in proofs(program, store).values()}
    assert len(after) == 1
    assert before not in after


def test_verify_of_a_good_store(program: Program, built: Path) -> None:
    """verify proves all of it again, by the files' statistics where they suffice, and leaves nothing behind."""
    answer = verify(program, built)
    assert (answer.code, violated(answer)) == (0, [])
    assert {row["status"] for row in answer.rows()} == {"proved"}
    methods = {(row["kind"], row["fact"]): row["method"] for row in answer.rows() if row["table_name"] == "things"}
    assert tuple(methods) == FACTS
    assert {fact: methods["not_null", fact] for fact in ("a", "name", "tags[].n")} == {
        "a": "statistics",
        "name": "statistics",
        "tags[].n": "statistics",
    }
    assert methods["primary_key", "a"] == methods["order", "a"] == methods["check", "positive"] == "scan"
    assert not (built / "proofs").exists()


# ---- rows of somebody else -----------------------------------------------------------------------------------------


def test_null_where_not_null(program: Program, store: Path) -> None:
    """engine.md 0.1: believing NOT NULL, the engine answers 0 without reading."""
    file = replace(store, [thing(1, "one", 1), thing(2, None, 2), thing(3, "three", 3)])
    question = "SELECT count(*) AS n, count(name) AS named FROM things WHERE name IS NULL"
    assert program.sql(store, question) == [{"n": 1, "named": 0}]
    answer = verify(program, store, "things")
    assert (answer.code, violated(answer)) == (1, [("not_null", "name", f"{file}: row 1")])
    assert answer.err == "codeanatomy: 1 of them do not hold\n"
    # A later session knows it before it opens a file.
    assert program.sql(store, question) == [{"n": 1, "named": 0}]
    found = proofs(program, store)
    assert (found["not_null", "name"]["status"], found["not_null", "a"]["status"]) == ("violated", "proved")
    assert is_nullable(program, store, "name") == ["YES"]
    assert program.sql(store, "SELECT is_nullable, is_proved FROM registry.columns WHERE dataset_name = 'things' "
                              "AND path = 'name'") == [{"is_nullable": False, "is_proved": False}]  # fmt: skip


def test_null_inside_of_a_list(program: Program, store: Path) -> None:
    file = replace(store, [thing(1, "one", 1, None), thing(2, "two"), thing(3, "three", 3)])
    assert program.sql(store, "SELECT a FROM thing_tags WHERE n IS NULL") == [{"a": 1}]
    answer = verify(program, store, "things")
    assert (answer.code, violated(answer)) == (1, [("not_null", "tags[].n", f"{file}: row 0")])


def test_key_that_repeats(program: Program, store: Path) -> None:
    """engine.md 0.1: believing the key, the engine drops the DISTINCT."""
    replace(store, [thing(1, "one", 1), thing(1, "uno", 2), thing(2, "two", 3), thing(2, "due", 4)])
    assert program.sql(store, "SELECT DISTINCT a FROM things ORDER BY a") == [{"a": 1}, {"a": 2}]
    answer = verify(program, store, "things")
    assert (answer.code, violated(answer)) == (1, [("primary_key", "a", "(1) in 2 rows; (2) in 2 rows")])


def test_rows_out_of_order(program: Program, store: Path) -> None:
    """engine.md 0.1: believing the order, the engine drops the sort."""
    file = replace(store, [thing(3, "three", 3), thing(1, "one", 1), thing(2, "two", 2)])
    assert program.sql(store, "SELECT a FROM things ORDER BY a") == [{"a": 1}, {"a": 2}, {"a": 3}]
    answer = verify(program, store, "things")
    assert (answer.code, violated(answer)) == (1, [("order", "a", f"{file}: row 1")])


def test_checks_that_fail(program: Program, store: Path) -> None:
    file = replace(store, [thing(-1, "minus", 1), thing(2, "two", 2, 100), thing(3, "three", 3)])
    answer = verify(program, store, "things")
    assert answer.code == 1
    assert violated(answer) == [
        ("check", "positive", f"{file}: row 0"),
        ("check", "thing_tags.small", f"{file}: row 1 item 1"),
    ]


def test_ten_rows_are_named(program: Program, store: Path) -> None:
    file = replace(store, [thing(a, None, 1) for a in range(1, 31)])
    [(_, _, detail)] = violated(verify(program, store, "things"))
    assert detail == f"{file}: " + ", ".join(f"row {row}" for row in range(10))


def test_other_files_are_unproved_until_verified(program: Program, store: Path) -> None:
    """Good rows of another writer: nothing of them is believed, then verify proves them, and later sessions believe it
    until the files change again. A statement that planned with the old proof is planned again within itself."""
    replace(store, GOOD)
    statements = "SELECT is_nullable FROM information_schema.columns WHERE table_name = 'things' AND column_name = 'a'"
    answer = program.run(
        "sql", "--store", store, "--format", "ndjson", "-c", "SELECT a FROM things", "-c", statements, "-c",
        "SELECT DISTINCT status, method, detail FROM registry.proofs WHERE dataset_name = 'things'",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.rows()[3:] == [
        {"is_nullable": "YES"},
        {
            "status": "unproved",
            "method": None,
            "detail": "the files of version 0 are not those that were proved: 'codeanatomy verify' looks at them",
        },
    ]
    assert verify(program, store, "things").code == 0
    assert is_nullable(program, store, "a") == ["NO"]
    assert {row["status"] for row in proofs(program, store).values()} == {"proved"}
    replace(store, [thing(None, "none", 1)])
    assert program.sql(store, "SELECT count(*) AS n FROM things WHERE a IS NULL") == [{"n": 1}]


def test_a_later_version_is_not_read(program: Program, store: Path) -> None:
    """What another writer appends is a version that no run names."""
    write_deltalake(str(place(store)), pa.Table.from_pylist([thing(1, "uno", 1)], schema=ROWS), mode="append")
    assert program.sql(store, "SELECT count(*) AS n FROM things") == [{"n": 3}]
    assert verify(program, store, "things").code == 0
    assert is_nullable(program, store, "a") == ["NO"]


def test_what_sql_writes_on_unproved_rows(program: Program, store: Path) -> None:
    """The gate sees the rows of the statement alone: those that were there stay unproved."""
    replace(store, [thing(1, None, 1)])
    answer = program.run(
        "sql", "--store", store, "--write", "--format", "ndjson", "-c", "SELECT a FROM things", "-c",
        "INSERT INTO things VALUES (2, 'two', make_array(named_struct('n', 1)))", "-c",
        "SELECT count(*) AS n FROM things WHERE name IS NULL",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert answer.rows()[-1] == {"n": 1}


def test_what_sql_writes_is_published_with_its_proof(program: Program, store: Path) -> None:
    """The run of a statement says what the gate proved of the rows that are there now; order is not known any more."""
    before = stored.entries(store)["public.things"]
    insert = "INSERT INTO things VALUES (4, 'four', make_array(named_struct('n', 4)))"
    answer = program.run("sql", "--store", store, "--write", "-q", "-c", insert)
    assert answer.code == 0, answer.err
    after = stored.entries(store)["public.things"]
    assert after["files_digest"] not in (None, before["files_digest"])
    assert after["proofs"] == {
        "check": "gate",
        "not_null": "gate",
        "order": None,
        "primary_key": "gate",
        "unique": "gate",
    }
    assert is_nullable(program, store, "name") == ["NO"]
    assert program.sql(store, "SELECT count(*) AS n FROM things WHERE name IS NULL") == [{"n": 0}]
    answer = verify(program, store, "things")
    assert (answer.code, {row["status"] for row in answer.rows()}) == (0, {"proved"})


def test_what_sql_writes_under_other_rows_is_published_unproved(program: Program, store: Path) -> None:
    """The statement never read the rows that somebody put under it: nothing is proved of them, in no later session."""
    replace(store, [thing(1, None, 1)])
    insert = "INSERT INTO things VALUES (2, 'two', make_array(named_struct('n', 1)))"
    count = "SELECT count(*) AS n FROM things WHERE name IS NULL"
    answer = program.run("sql", "--store", store, "--write", "--format", "ndjson", "-q", "-c", insert, "-c", count)
    assert answer.code == 0, answer.err
    assert answer.rows()[-1] == {"n": 1}
    assert set(stored.entries(store)["public.things"]["proofs"].values()) == {None}
    assert program.sql(store, count) == [{"n": 1}]


# ---- keys stay out of the engine -----------------------------------------------------------------------------------


def test_proved_key_above_unnest(program: Program, built: Path) -> None:
    """DataFusion 55 keeps a key through unnest: with even a true one it drops the DISTINCT here and answers a row an
    item. So no key reaches it."""
    whole = program.sql(built, "SELECT count(*) AS n FROM ast_files_v1 WHERE cardinality(nodes) > 1")
    found = program.sql(
        built, "SELECT count(*) AS n FROM (SELECT DISTINCT path FROM (SELECT path, unnest(nodes) FROM ast_files_v1))"
    )
    assert whole == found
    assert whole != [{"n": 0}]


# ---- files that cannot be read -------------------------------------------------------------------------------------


def remove(file: Path) -> tuple[str, str]:
    file.unlink()
    return "it is not there, and the table names it", "missing"


def cut(file: Path) -> tuple[str, str]:
    n_bytes = file.stat().st_size
    file.write_bytes(file.read_bytes()[: n_bytes // 2])
    return f"it has {n_bytes // 2} bytes, the table says {n_bytes}", "broken"


def garble(file: Path) -> tuple[str, str]:
    n_bytes = file.stat().st_size
    file.write_bytes(b"PAR1" + b"\xff" * (n_bytes - 8) + b"PAR1")
    return "", "ok"  # what is in a file shows when it is read


@pytest.mark.parametrize("damage", [remove, cut, garble])
def test_damaged_file(damage: Callable[[Path], tuple[str, str]], program: Program, store: Path) -> None:
    """A file that is gone, cut or overwritten is reported with dataset and path; the other datasets are verified. One
    that is gone or cut is the health of the table too and of the views over it (B2), and of nothing else."""
    [uri] = stored.files(store, stored.entries(store)["public.things"])
    words, health = damage(Path(uri))
    asked = "SELECT health, reason FROM registry.health WHERE dataset_name = 'things'"
    reason = None if health == "ok" else f"file '{uri}': {words}"
    assert program.sql(store, asked) == [{"health": health, "reason": reason}]
    rest = "SELECT count(*) AS n FROM registry.health WHERE health NOT IN ('ok', 'empty') AND reason NOT LIKE '%{}%'"
    assert program.sql(store, rest.format(Path(uri).name)) == [{"n": 0}]
    answer = verify(program, store)
    assert answer.code == 1
    [(kind, file, detail)] = violated(answer)
    assert (kind, Path(file).name) == ("file", Path(uri).name)
    assert words in detail.lower()
    statuses = {name: set[str]() for name in ("things", "classes", "functions")}
    for row in answer.rows():
        if row["kind"] != "file" and row["table_name"] in statuses:
            statuses[row["table_name"]].add(row["status"])
    assert statuses == {"things": {"unproved"}, "classes": {"proved"}, "functions": {"proved"}}


def test_table_that_is_gone(program: Program, store: Path) -> None:
    shutil.rmtree(place(store))
    answer = verify(program, store, "things", "classes")
    assert answer.code == 1
    [(kind, file, _)] = violated(answer)
    assert (kind, file) == ("file", str(place(store)))
    assert {row["status"] for row in answer.rows() if row["table_name"] == "classes"} == {"proved"}


# ---- a listing -----------------------------------------------------------------------------------------------------


@pytest.fixture
def listing(tmp_path: Path) -> tuple[Path, Path]:
    """Folder of contracts, folder of files."""
    contracts, files = tmp_path / "datasets" / "normalize", tmp_path / "files"
    contracts.mkdir(parents=True)
    files.mkdir()
    (contracts / "listed.yaml").write_text(LISTED % f"{files}/")
    return contracts.parent, files


def write_listed(files: Path, name: str, *rows: tuple[int | None, str | None]) -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    table = pa.Table.from_pylist([{"a": a, "b": b} for a, b in rows], schema=schema)
    # The footer claims what a writer likes.
    pq.write_table(table, files / name, sorting_columns=[pq.SortingColumn(0)])


def test_listing(program: Program, listing: tuple[Path, Path]) -> None:
    """engine.md 0.1 and 0.14 over files that nobody proved: neither NOT NULL, nor the key, nor an order that a footer
    claims is believed; verify names the rows."""
    datasets, files = listing
    write_listed(files, "one.parquet", (3, "c"), (1, "a"), (2, "b"))
    write_listed(files, "two.parquet", (None, "d"), (3, "c"), (-4, None))

    def ask(sql: str) -> list[dict[str, Any]]:
        answer = program.run("sql", "--datasets", datasets, "--format", "ndjson", "-q", "-c", sql, cwd=files)
        assert answer.code == 0, answer.err
        return answer.rows()

    assert ask("SELECT count(*) AS n FROM listed WHERE a IS NULL") == [{"n": 1}]
    assert ask("SELECT a FROM listed ORDER BY a") == [{"a": a} for a in (-4, 1, 2, 3, 3, None)]
    assert ask("SELECT count(*) AS n FROM (SELECT DISTINCT a FROM listed)") == [{"n": 5}]
    answer = program.run("verify", "--datasets", datasets, "--format", "ndjson", "-q", "listed", cwd=files)
    assert answer.code == 1
    found = {(kind, fact): detail for kind, fact, detail in violated(answer)}
    assert found == {
        ("check", "positive"): "two.parquet: row 2",
        ("not_null", "a"): "two.parquet: row 0",
        ("order", "a"): "one.parquet: row 1; two.parquet: row 1, row 2",
        ("primary_key", "a"): "(3) in 2 rows",
        ("unique", "b"): "(c) in 2 rows",
    }


def test_order_of_listed_files(program: Program, listing: tuple[Path, Path], tmp_path: Path) -> None:
    """B4: the declared order of listed files is proved by reading them, file by file, and shown; the engine sorts all
    the same, since others may change the files."""
    datasets, files = listing
    write_listed(files, "one.parquet", (1, "a"), (4, "b"))
    write_listed(files, "two.parquet", (2, "c"), (3, "d"))
    store = ("--store", tmp_path / "store")
    built = program.run("build", "-q", SHOP, *store, "--datasets", datasets)
    assert built.code == 0, built.err

    def ask(sql: str) -> list[dict[str, Any]]:
        answer = program.run("sql", *store, "--format", "ndjson", "-q", "-c", sql)
        assert answer.code == 0, answer.err
        return answer.rows()

    proofs = "SELECT status, method, detail FROM registry.proofs WHERE dataset_name = 'listed' AND kind = 'order'"
    assert program.run("verify", *store, "-q", "listed").code == 0
    assert ask(proofs) == [{"status": "proved", "method": "scan", "detail": None}]
    assert ask("SELECT a FROM listed ORDER BY a") == [{"a": a} for a in (1, 2, 3, 4)]
    write_listed(files, "two.parquet", (3, "d"), (2, "c"))
    assert ask("SELECT a FROM listed ORDER BY a") == [{"a": a} for a in (1, 2, 3, 4)]
    assert program.run("verify", *store, "-q", "listed").code == 1
    assert ask(proofs) == [{"status": "violated", "method": "scan", "detail": "two.parquet: row 1"}]


def test_listing_of_files_with_other_columns(program: Program, listing: tuple[Path, Path]) -> None:
    """Files of other columns are scanned by nodes of their own: each row is looked at once, as its file's."""
    datasets, files = listing
    contract = datasets / "normalize" / "listed.yaml"
    contract.write_text(contract.read_text().replace("default: refuse", "default: refuse, reorder: allow"))
    write_listed(files, "one.parquet", (1, "a"), (-2, "b"))
    turned = pa.schema([("b", pa.string()), ("a", pa.int64())])
    pq.write_table(
        pa.Table.from_pylist([{"a": None, "b": "c"}, {"a": 4, "b": "d"}], schema=turned), files / "two.parquet"
    )
    answer = program.run("verify", "--datasets", datasets, "--format", "ndjson", "-q", "listed", cwd=files)
    assert (answer.code, violated(answer)) == (
        1,
        [
            ("check", "positive", "one.parquet: row 1"),
            ("not_null", "a", "two.parquet: row 0"),
            ("order", "a", "one.parquet: row 1; two.parquet: row 1"),
        ],
    )


def test_listing_that_does_not_fit(program: Program, listing: tuple[Path, Path]) -> None:
    """G2: a file that cannot be had as the contract says, or no file at all: verify says why, and proves nothing."""
    datasets, files = listing
    for text, reason in (("x\n", "'a' (int64) is missing [column_missing:"), (None, "no file '*.csv' in")):
        contract = datasets / "normalize" / "listed.yaml"
        contract.write_text(contract.read_text().replace("format: parquet", "format: csv"))
        (files / "one.csv").unlink(missing_ok=True)
        if text:
            (files / "one.csv").write_text(text)
        answer = program.run("verify", "--datasets", datasets, "--format", "ndjson", "-q", "listed", cwd=files)
        [(kind, _, detail)] = violated(answer)
        assert (answer.code, kind, reason in detail) == (1, "file", True), detail
        assert {row["status"] for row in answer.rows() if row["kind"] != "file"} == {"unproved"}


@pytest.mark.parametrize(
    ("format", "text"),
    [("csv", "a,b,c\n1,x,2026-02-28\n2,y,2026-02-30\n"), ("ndjson", '{"a": 1, "c": null}\n{"a": 2, "c": "z"}\n')],
)
def test_values_that_have_no_type(format: str, text: str, program: Program, listing: tuple[Path, Path]) -> None:
    """Texts show when they are read whether their values have the declared types: verify reads those of every column,
    of those too that no fact is about."""
    datasets, files = listing
    contract = datasets / "normalize" / "listed.yaml"
    column = "  - {name: c, type: date32, nullable: true, doc: c}\n"
    contract.write_text(LISTED.replace("keys:", f"{column}keys:").replace("parquet", format) % f"{files}/")
    (files / f"one.{format}").write_text(text)
    answer = program.run("verify", "--datasets", datasets, "--format", "ndjson", "-q", "listed", cwd=files)
    [(kind, file, _)] = violated(answer)
    assert (answer.code, kind, file) == (1, "file", f"one.{format}")


def test_stream_is_not_verified(program: Program, listing: tuple[Path, Path]) -> None:
    """A stream is read once, and may never end: verify leaves it alone, and says so when it is named."""
    datasets, files = listing
    contract = datasets / "normalize" / "listed.yaml"
    contract.write_text(contract.read_text().replace("format: parquet", "format: stream"))
    answer = program.run("verify", "--datasets", datasets, "-q", "listed", cwd=files)
    assert answer.code == 2
    assert "has no files of its own to verify" in answer.err
    answer = program.run("verify", "--datasets", datasets, "--format", "ndjson", "-q", cwd=files)
    assert (answer.code, [row for row in answer.rows() if row["table_name"] == "listed"]) == (0, [])


def test_verified_listing_is_shown_and_not_believed(program: Program, listing: tuple[Path, Path]) -> None:
    """Others may change the files between two looks: what verify finds is shown, the engine is not told."""
    datasets, files = listing
    write_listed(files, "one.parquet", (1, "a"), (2, None), (3, None))
    answer = program.run("verify", "--datasets", datasets, "--format", "ndjson", "-q", "listed", cwd=files)
    assert answer.code == 0, answer.err
    assert [(row["kind"], row["status"], row["method"]) for row in answer.rows()] == [
        ("check", "proved", "scan"),
        ("not_null", "proved", "statistics"),
        ("order", "proved", "scan"),
        ("primary_key", "proved", "scan"),
        ("unique", "proved", "scan"),
    ]
    answer = program.run(
        "sql", "--datasets", datasets, "--format", "ndjson", "-q", "-c",
        "SELECT is_proved FROM registry.columns WHERE dataset_name = 'listed' AND path = 'a'", cwd=files,
    )  # fmt: skip
    assert answer.rows() == [{"is_proved": False}]


def test_proofs_of_files_that_changed_are_stale(program: Program, tmp_path: Path) -> None:
    """What verify found of files is said of those files: another file, another time, and nothing is proved of it."""
    files, own, store = tmp_path / "files", tmp_path / "own" / "normalize", tmp_path / "store"
    files.mkdir()
    own.mkdir(parents=True)
    (own / "listed.yaml").write_text(LISTED % f"{files}/")
    write_listed(files, "one.parquet", (1, "a"), (2, None))
    program.build(SHOP, store, "--datasets", str(own.parent), "--layers", "symtable")

    def found() -> list[tuple[str, str | None]]:
        asked = "SELECT status, detail FROM registry.proofs WHERE dataset_name = 'listed'"
        return [(row["status"], row["detail"]) for row in program.sql(store, asked)]

    others = ("unproved", "the files are not those that were looked at: 'codeanatomy verify' looks at them")
    verify = ("verify", "--store", store, "-q", "listed")
    assert found() == [("unproved", None)] * 5
    assert program.run(*verify).code == 0
    assert found() == [("proved", None)] * 5
    write_listed(files, "two.parquet", (None, "c"))
    assert found() == [others] * 5
    (files / "two.parquet").unlink()
    assert found() == [("proved", None)] * 5
    write_listed(files, "one.parquet", (1, "a"), (1, "b"))
    assert found() == [others] * 5
    assert program.run(*verify).code == 1
    assert [status for status, _ in found()].count("violated") == 1
    (files / "one.parquet").unlink()
    assert found() == [others] * 5


# ---- wrong questions -----------------------------------------------------------------------------------------------


def test_names_that_cannot_be_verified(program: Program, built: Path) -> None:
    answer = verify(program, built, "nothing_such")
    assert (answer.code, answer.err) == (
        3,
        "codeanatomy: no dataset 'nothing_such'; 'codeanatomy tables' lists them\n",
    )
    answer = verify(program, built, "thing_tags")
    assert answer.code == 2
    assert answer.err.startswith("codeanatomy: 'public.thing_tags' has no files of its own to verify")


# ---- without the lock ----------------------------------------------------------------------------------------------


def test_verify_looks_while_another_writes(program: Program, store: Path) -> None:
    """A session that writes holds the lock: verify says who, and --read-only looks all the same and keeps nothing."""
    file = replace(store, [thing(1, None, 1)])
    with (store / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        locked = verify(program, store, "things")
        assert locked.code == 5 and "another process writes" in locked.err and "(process 4711)" in locked.err
        before = {p: p.stat().st_mtime_ns for p in store.rglob("*")}
        looked = verify(program, store, "things", "--read-only")
        assert {p: p.stat().st_mtime_ns for p in store.rglob("*")} == before
    assert looked.code == 1
    assert violated(looked) == [("not_null", "name", f"{file}: row 0")]
    assert "nothing of this is kept (--read-only)" in looked.err
    assert not (store / "proofs").exists()


def test_verify_of_another_run(program: Program, built: Path) -> None:
    """--run, --as-of and --pin read what no later session reads by itself: with --read-only they are looked at."""
    run = (built / "published").read_text().strip()
    for flags in (["--run", run], ["--pin", "things=0"], ["--as-of", "2100-01-01T00:00:00Z"]):
        refused = verify(program, built, "things", *flags)
        assert refused.code == 3 and "a session that writes reads the newest run" in refused.err, refused.err
        looked = verify(program, built, "things", "--read-only", *flags)
        assert looked.code == 0, looked.err
        assert {row["status"] for row in looked.rows()} == {"proved"}
