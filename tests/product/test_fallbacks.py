"""A1: there is one catalog and no second way to anything. Each way around it is tried here, and is an error with its
cause."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stored
from conftest import SHOP, Answer, Program


@pytest.fixture
def store(shop_store: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(shop_store, tmp_path / "store"))


def run_id(store: Path) -> str:
    return (store / "published").read_text().strip()


def sql(program: Program, store: Path, statement: str, *args: str) -> Answer:
    return program.run("sql", "--store", store, "--quiet", "--format", "ndjson", *args, "-c", statement)


def refused(answer: Answer, code: int, pattern: str) -> None:
    """The whole of stderr is the one message."""
    assert answer.code == code, answer.err
    assert re.fullmatch(f"codeanatomy: {pattern}\n", answer.err, re.DOTALL), answer.err


# ---- names ---------------------------------------------------------------------------------------------------------

NOT_FOUND = {
    "nowhere": "codeintel.public.nowhere",
    "public.nowhere": "codeintel.public.nowhere",
    "diagnostics.classes": "codeintel.diagnostics.classes",
    "datafusion.public.classes": "datafusion.public.classes",
    "other.public.classes": "other.public.classes",
    '"Classes"': "codeintel.public.Classes",
}


@pytest.mark.parametrize("name", NOT_FOUND)
def test_unregistered_table(name: str, program: Program, shop_store: Path) -> None:
    """Nothing resolves a name but the catalog: no default catalog of the engine, no other case."""
    refused(
        sql(program, shop_store, f"SELECT * FROM {name}"),
        3,
        rf"Error during planning: table '{re.escape(NOT_FOUND[name])}' not found \(line 1, column 15\)",
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_file_as_table(suffix: str, program: Program, shop_store: Path, tmp_path: Path) -> None:
    """A path is no table, though the file is there."""
    path = tmp_path / f"rows.{suffix}"
    path.write_text("a\n1\n")
    refused(
        sql(program, shop_store, f"SELECT * FROM '{path}'"),
        3,
        rf"Error during planning: table 'codeintel.public.{path}' not found",
    )


@pytest.mark.parametrize(
    "function", ["read_csv('x.csv')", "read_parquet('x.parquet')", "parquet_metadata('x.parquet')"]
)
def test_file_as_table_function(function: str, program: Program, shop_store: Path) -> None:
    name = function.partition("(")[0]
    refused(
        sql(program, shop_store, f"SELECT * FROM {function}"),
        3,
        rf"Error during planning: table function '{name}' not found.*",
    )


def test_describe_of_an_unknown_name(program: Program, shop_store: Path) -> None:
    for name, words in {
        "nowhere": "no dataset 'nowhere'; 'codeanatomy tables' lists them",
        "class": "no dataset 'class'; close to it: public.class_ancestors, public.class_hierarchy, public.classes",
        "dataset://nowhere": "handle 'dataset://nowhere': no dataset 'nowhere'; 'codeanatomy tables' lists them",
        "dataset://classes@2": "handle 'dataset://classes@2': the catalog has version 1 of 'classes'",
        "dataset://classes@x": "handle 'dataset://classes@x': 'x' is not a contract version",
    }.items():
        answer = program.run("describe", name, "--store", shop_store, cwd=shop_store)
        assert answer.code in (2, 3) and answer.err == f"codeanatomy: {words}\n"


# ---- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "pattern"),
    [
        ("datafusion.nowhere=1", r"setting 'datafusion.nowhere': .*Config value \"nowhere\" not found.*"),
        ("nowhere.x=1", r"setting 'nowhere.x': .*[Cc]ould not find config namespace.*"),
        (
            "datafusion.execution.batch_size=many",
            r"setting 'datafusion.execution.batch_size': .*Error parsing 'many' as usize.*",
        ),
        (
            "datafusion.catalog.information_schema=false",
            "setting 'datafusion.catalog.information_schema' is always true: the catalog answers through it",
        ),
        ("datafusion", "setting 'datafusion' is not key=value"),
        ("=1", "setting '=1' is not key=value"),
        *(
            (f"{key}=false", f"setting '{key}' is the catalog's own and stays as it is")
            for key in (
                "datafusion.catalog.default_catalog",
                "datafusion.catalog.default_schema",
                "datafusion.catalog.create_default_catalog_and_schema",
                "datafusion.sql_parser.enable_ident_normalization",
                "datafusion.optimizer.hash_join_inlist_pushdown_max_size",
            )
        ),
    ],
)
def test_unknown_setting(setting: str, pattern: str, program: Program, shop_store: Path, tmp_path: Path) -> None:
    """A setting that does not exist, does not parse or would move the catalog is an error for queries and builds
    alike."""
    refused(sql(program, shop_store, "SELECT 1", "--set", setting), 2, pattern)
    answer = program.run("build", SHOP, "--store", tmp_path / "store", "--set", setting)
    refused(answer, 2, f"build '{SHOP}': {pattern}")
    assert not (tmp_path / "store" / "published").exists()


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--profile", "unknown profile 'nowhere': one of small, medium, large, auto"),
        ("--preset", "unknown preset 'nowhere': one of schema_hardening, arrow_performance"),
    ],
)
def test_unknown_profile(flag: str, words: str, program: Program, shop_store: Path) -> None:
    refused(sql(program, shop_store, "SELECT 1", flag, "nowhere"), 2, words)


def test_unknown_layer(program: Program, tmp_path: Path) -> None:
    answer = program.run("build", SHOP, "--store", tmp_path / "store", "--layers", "ast,nowhere")
    refused(answer, 2, f"build '{SHOP}': unknown layer 'nowhere': one of tree_sitter, libcst, ast, symtable")


# ---- runs ----------------------------------------------------------------------------------------------------------


def test_unknown_run(program: Program, shop_store: Path) -> None:
    """A run that is not there is not replaced by another one."""
    refused(
        sql(program, shop_store, "SELECT 1", "--run", "nowhere"),
        3,
        f"no run 'nowhere' in store '{shop_store}'; there is: {run_id(shop_store)}",
    )
    refused(sql(program, shop_store, "SELECT 1", "--run", "../x"), 2, "'../x' is not a run id")


def test_no_store(program: Program, tmp_path: Path) -> None:
    """A store that was named and is not there is no empty catalog; a run needs a store."""
    place = tmp_path / "nowhere"
    refused(sql(program, place, "SELECT 1"), 3, f"no store at '{place}': run 'codeanatomy build' first")
    answer = program.run("sql", "--run", "x", "-q", "-c", "SELECT 1", cwd=tmp_path)
    refused(answer, 2, "run 'x' needs a store")


def test_no_repository(program: Program, tmp_path: Path) -> None:
    place = tmp_path / "nowhere"
    refused(program.run("build", place), 3, f"'{place}' is not a directory")


# ---- a damaged run -------------------------------------------------------------------------------------------------


def manifest_path(store: Path) -> Path:
    return store / "runs" / f"{run_id(store)}.json"


def change_manifest(store: Path, change: Callable[[dict], None]) -> None:
    path = manifest_path(store)
    run = json.loads(path.read_text())
    change(run)
    path.write_text(json.dumps(run))


def snapshot_path(store: Path) -> Path:
    [path] = (store / "catalog").iterdir()
    return path


def change_snapshot(store: Path, old: bytes, new: bytes) -> None:
    path = snapshot_path(store)
    whole = path.read_bytes()
    assert old in whole
    path.write_bytes(whole.replace(old, new, 1))


def drop_fingerprint(run: dict) -> None:
    del run["catalog_fingerprint"]


def rename_dataset(run: dict) -> None:
    run["datasets"][0]["name"] = "nowhere"


def change_contract(run: dict) -> None:
    run["datasets"][0]["contract_fingerprint"] = "0" * 32


def drop_version(run: dict) -> None:
    del run["datasets"][0]["location"]


DAMAGED: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "manifest is gone": (lambda s: manifest_path(s).unlink(), 3, "no run '{run}' in store '{store}'; there is: none"),
    "manifest is cut": (
        lambda s: manifest_path(s).write_text('{"a"'),
        3,
        "read the manifest of run '{run}': the manifest is not JSON: line 1 column 4: ':' expected near end of file",
    ),
    "manifest is empty": (
        lambda s: manifest_path(s).write_text("{}"),
        4,
        "read the manifest of run '{run}': the manifest has no run_id or no datasets",
    ),
    "manifest of another run": (
        lambda s: change_manifest(s, lambda run: run.update(run_id="other")),
        4,
        "the manifest of run '{run}' is that of run 'other'",
    ),
    "manifest names no contracts": (
        lambda s: change_manifest(s, drop_fingerprint),
        4,
        "the manifest of run '{run}' does not say what contracts it was built from: build again",
    ),
    "manifest names an unknown dataset": (
        lambda s: change_manifest(s, rename_dataset),
        4,
        "run '{run}' holds 'public.nowhere' under another contract than its snapshot: build again",
    ),
    "manifest names another contract": (
        lambda s: change_manifest(s, change_contract),
        4,
        "run '{run}' holds 'public.repo_files_v1' under another contract than its snapshot: build again",
    ),
    "manifest entry without a place": (
        lambda s: change_manifest(s, drop_version),
        4,
        "entry 0 of the manifest of run '{run}' is incomplete",
    ),
    "snapshot is gone": (
        lambda s: snapshot_path(s).unlink(),
        3,
        "read the contracts of run '{run}': cannot open '{snapshot}': No such file or directory",
    ),
    "snapshot was changed": (
        lambda s: change_snapshot(s, b"public.modules", b"public.Modules"),
        4,
        "read '{snapshot}': it was changed after it was written: build again",
    ),
    "snapshot is cut": (
        lambda s: snapshot_path(s).write_bytes(snapshot_path(s).read_bytes()[:5000]),
        4,
        "read '{snapshot}': it was changed after it was written: build again",
    ),
    "snapshot is empty": (
        lambda s: snapshot_path(s).write_bytes(b""),
        4,
        "read '{snapshot}': it was changed after it was written: build again",
    ),
    "pointer to nowhere": (
        lambda s: (s / "published").write_text("nowhere\n"),
        3,
        "no run 'nowhere' in store '{store}'; there is: {run}",
    ),
    "pointer is no run": (
        lambda s: (s / "published").write_text("../../etc\n"),
        3,
        "'{store}/published' holds '../../etc', which is not a run id: write one into it, there is: {run}",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_run(what: str, program: Program, store: Path) -> None:
    """The built-in contracts, an older run or an empty catalog do not stand in for a run that cannot be read; a
    build mends it."""
    damage, code, words = DAMAGED[what]
    named = {"run": run_id(store), "store": store, "snapshot": snapshot_path(store)}
    damage(store)
    refused(sql(program, store, "SELECT 1"), code, re.escape(words.format(**named)))
    if what != "pointer is no run":
        program.build(SHOP, store)
        assert program.sql(store, "SELECT count(*) AS n FROM modules") == [{"n": 6}]


def test_damaged_contract(program: Program, store: Path) -> None:
    """Decision 5: one contract of the snapshot that was changed is that dataset's failure: it is listed with the
    reason, everything else answers, and a build mends it."""
    path = snapshot_path(store)
    whole = path.read_bytes()
    at = whole.index(b"dataset: classes", int.from_bytes(whole[32:40], "little"))
    path.write_bytes(whole[:at] + b"dataset: klasses" + whole[at + 16 :])
    words = "the contract of 'public.classes' was changed after it was written: build again"
    refused(sql(program, store, "SELECT * FROM classes"), 3, re.escape(f"table 'public.classes': {words}"))
    assert program.sql(store, "SELECT count(*) AS n FROM modules") == [{"n": 6}]
    for table, reason in (("datasets", "failure"), ("health", "reason")):
        rows = program.sql(store, f"SELECT dataset_name, {reason} FROM registry.{table} WHERE health = 'broken'")
        assert {"dataset_name": "classes", reason: words} in rows
    [n] = program.sql(store, "SELECT count(*) AS n FROM registry.datasets")
    assert program.sql(
        store,
        "SELECT count(*) AS n FROM information_schema.tables WHERE table_catalog = 'codeintel' "
        "AND table_schema <> 'information_schema'",
    ) == [n]
    assert program.sql(store, "SELECT count(*) AS n FROM registry.columns WHERE dataset_name = 'classes'") == [{"n": 0}]
    program.build(SHOP, store)
    assert program.sql(store, "SELECT count(*) AS n FROM registry.datasets WHERE health = 'broken'") == [{"n": 0}]


# ---- a damaged table -----------------------------------------------------------------------------------------------


def location(store: Path, name: str = "public.classes") -> Path:
    return store / stored.entries(store)[name]["location"]


def test_table_is_gone(program: Program, store: Path) -> None:
    """Decision 3: the dataset is an error, and so is what reads it; it stays listed as missing, and the others
    answer."""
    place = location(store)
    shutil.rmtree(place)
    words = f"table 'public.classes': no Delta table at '{place}'"
    for statement in ("SELECT count(*) AS n FROM classes", "SELECT name FROM classes"):
        refused(sql(program, store, statement), 3, words)
    # Another table's opening is given up halfway here; what the engine's threads say of that is nobody's business.
    for _ in range(5):
        refused(sql(program, store, "SELECT count(*) FROM functions, classes"), 3, words)
    broken = program.sql(store, "SELECT dataset_name, failure FROM registry.datasets WHERE health = 'missing'")
    assert broken == [
        {"dataset_name": "classes", "failure": f"no Delta table at '{place}': run 'codeanatomy build' again"}
    ]
    assert program.sql(store, "SELECT count(*) AS n FROM functions") == [{"n": 13}]
    assert program.sql(store, "SELECT count(*) AS n FROM information_schema.tables WHERE table_name = 'classes'") == [
        {"n": 1}
    ]
    program.build(SHOP, store)
    assert program.sql(store, "SELECT count(*) AS n FROM classes") == [{"n": 3}]


def test_table_version_is_gone(program: Program, store: Path) -> None:
    """The pinned version, or an error: never the newest one instead."""

    def other_version(run: dict) -> None:
        for entry in run["datasets"]:
            if entry["name"] == "classes":
                entry["data_version"] = 7

    change_manifest(store, other_version)
    refused(sql(program, store, "SELECT count(*) FROM classes"), 3, "table 'public.classes': Delta table .*version 7.*")
    assert program.sql(store, "SELECT count(*) AS n FROM functions") == [{"n": 13}]


OTHER_COLUMNS = {
    "functions": "column 1 is 'function_id' Int64, the contract says 'class_id' Int64",
    "ast_files_v1": "column 1 is 'file_id' Int64, the contract says 'class_id' Int64",
    "type": "column 'name' is Int64, the contract says Utf8",
    "null": "column 'name' is Utf8, the contract says Utf8 NOT NULL",
    "fewer": "column 'n_origins' is missing, the contract says Int32",
    "more": "column 'extra' Utf8 is there, the contract has none",
}


def change_schema(table: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Let the log say other columns."""
    log = table / "_delta_log" / "00000000000000000000.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "metaData" in action:
            columns = json.loads(action["metaData"]["schemaString"])
            change(columns["fields"])
            action["metaData"]["schemaString"] = json.dumps(columns)
    log.write_text("".join(json.dumps(action) + "\n" for action in actions))


def field(fields: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(f for f in fields if f["name"] == name)


ADVICE = "declare what is there; what 'codeanatomy build' makes, it makes anew"


@pytest.mark.parametrize("what", OTHER_COLUMNS)
def test_table_of_other_columns(what: str, program: Program, store: Path) -> None:
    """B1, D1: files that are another table's are not read as this one's (counts were silently those of the other
    table); the message names dataset, place, column and both types. The catalog stays whole, and the advice helps."""
    place = location(store)
    if what in ("functions", "ast_files_v1"):
        shutil.rmtree(place)
        shutil.copytree(location(store, f"public.{what}"), place)
    elif what == "type":
        change_schema(place, lambda fields: field(fields, "name").update(type="long"))
    elif what == "null":
        change_schema(place, lambda fields: field(fields, "name").update(nullable=True))
    elif what == "fewer":
        change_schema(place, lambda fields: fields.remove(field(fields, "n_origins")))
    else:
        extra = {"name": "extra", "type": "string", "nullable": True, "metadata": {}}
        change_schema(place, lambda fields: fields.append(extra))
    words = f"the Delta table at '{place}' is another: {OTHER_COLUMNS[what]}: {ADVICE}"
    for statement in (
        "SELECT count(*) FROM classes",
        "SELECT name FROM classes",
        "SELECT * FROM class_ancestors, classes",
    ):
        refused(sql(program, store, statement), 4, re.escape(f"table 'public.classes': {words}"))
    assert program.sql(store, "SELECT count(*) AS n FROM functions") == [{"n": 13}]
    [listed] = program.sql(store, "SELECT count(*) AS n FROM information_schema.columns WHERE table_name = 'classes'")
    assert listed["n"] > 20
    if what == "functions":
        program.build(SHOP, store)
        assert program.sql(store, "SELECT count(*) AS n FROM classes") == [{"n": 3}]


def test_table_of_other_nested_columns(program: Program, store: Path) -> None:
    """B1: inside of lists and structs too."""
    place = location(store, "public.ast_files_v1")

    def change(fields: list[dict[str, Any]]) -> None:
        item = field(fields, "nodes")["type"]["elementType"]
        field(item["fields"], "kind").update(type="long")

    change_schema(place, change)
    words = f"the Delta table at '{place}' is another: column 'nodes[].kind' is Int64, the contract says Utf8"
    refused(
        sql(program, store, "SELECT path FROM ast_files_v1"), 4, f"table 'public.ast_files_v1': {re.escape(words)}.*"
    )


@pytest.mark.parametrize("level", ["1", "full"])
def test_no_backtrace_in_messages(level: str, program: Program, store: Path) -> None:
    """Issue 3: what helps who debugs the engine does not reach a user of it. The Delta kernel wrote its stack into the
    message."""
    (location(store) / "_delta_log" / "00000000000000000000.json").write_text("{")
    statement = ("sql", "--store", store, "-q", "-c", "SELECT count(*) FROM classes")
    answer = program.run(*statement, env={"RUST_BACKTRACE": level})
    assert answer == program.run(*statement)
    assert len(answer.err.splitlines()) == 1


def test_table_log_is_cut(program: Program, store: Path) -> None:
    (location(store) / "_delta_log" / "00000000000000000000.json").write_text("{")
    refused(
        sql(program, store, "SELECT count(*) FROM classes"), 3, "table 'public.classes': Delta table .*Json error.*"
    )
    assert program.sql(store, "SELECT count(*) AS n FROM functions") == [{"n": 13}]


# ---- sessions that only read ---------------------------------------------------------------------------------------

READ_ONLY = {
    "CREATE TABLE t AS SELECT 1": "CreateMemoryTable",
    "CREATE VIEW v AS SELECT 1": "CreateView",
    "CREATE OR REPLACE VIEW callers AS SELECT 1": "CreateView",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/tmp/t.csv'": "CreateExternalTable",
    "CREATE SCHEMA s": "CreateCatalogSchema",
    "CREATE DATABASE d": "CreateCatalog",
    "CREATE FUNCTION f() RETURN 1": "CreateFunction",
    "DROP TABLE classes": "DropTable",
    "DROP TABLE IF EXISTS nowhere": "DropTable",
    "DROP VIEW callers": "DropView",
    "DROP SCHEMA public CASCADE": "DropCatalogSchema",
    "INSERT INTO classes SELECT * FROM classes": "Insert Into",
    "DELETE FROM classes": "Delete",
    "UPDATE classes SET name = 'x'": "Update",
    "TRUNCATE TABLE classes": "Truncate",
    "MERGE INTO classes t USING classes s ON t.class_id = s.class_id WHEN MATCHED THEN DELETE": "Merge Into",
    "COPY (SELECT 1) TO '/tmp/codeanatomy-never.csv'": "COPY",
    "SET datafusion.execution.batch_size = 1": "SetVariable",
    "RESET datafusion.execution.batch_size": "ResetVariable",
    "EXPLAIN ANALYZE INSERT INTO classes SELECT * FROM classes": "Insert Into",
    "PREPARE p AS INSERT INTO classes SELECT * FROM classes": "Insert Into",
}


@pytest.mark.parametrize("statement", READ_ONLY)
def test_read_only_session(statement: str, program: Program, shop_store: Path) -> None:
    """Decision 17: a session reads only, unless --write is said; nothing changes and nothing is left behind."""
    refused(sql(program, shop_store, statement), 3, f"{READ_ONLY[statement]} is refused: the session is read-only")


@pytest.mark.parametrize("statement", ["ALTER TABLE classes ADD x INT", "BEGIN", "GRANT SELECT ON classes TO x"])
def test_statement_without_support(statement: str, program: Program, shop_store: Path) -> None:
    refused(
        sql(program, shop_store, statement),
        3,
        f"This feature is not implement(?:ed): Unsupported SQL statement: {statement}.*",
    )


MADE = "its rows are made when they are read"
WRITABLE = {
    "DROP TABLE classes": "table 'public.classes' belongs to the catalog",
    "DROP TABLE IF EXISTS classes": "table 'public.classes' belongs to the catalog",
    "DROP VIEW callers": "table 'public.callers' belongs to the catalog",
    "CREATE OR REPLACE VIEW callers AS SELECT 1": "table 'public.callers' belongs to the catalog",
    "CREATE VIEW callers AS SELECT 1": ".*Table 'callers' already exists",
    "CREATE TABLE classes AS SELECT 1": ".*Table 'classes' already exists",
    "DELETE FROM registry.datasets": "DELETE is refused on table 'registry.datasets': " + MADE,
    "UPDATE callers SET path = 'x'": "UPDATE is refused on table 'callers': it is neither a dataset nor a Delta table",
    "TRUNCATE TABLE classes": "TRUNCATE is refused on table 'public.classes': DELETE without a condition removes all "
    "rows",
    "TRUNCATE TABLE registry.datasets": "TRUNCATE is refused on table 'registry.datasets': " + MADE,
    "INSERT INTO registry.datasets SELECT * FROM registry.datasets": "INSERT is refused on table 'registry.datasets': "
    + MADE,
    "INSERT INTO params.p_run VALUES ('x')": "INSERT is refused on table 'params.p_run': its rows are given .*",
    **{
        f"SET {key} = {value}": f"setting '{key}' is the catalog's own and stays as it is"
        for key, value in {
            "datafusion.catalog.information_schema": "false",
            "datafusion.catalog.default_catalog": "session",
            "datafusion.catalog.default_schema": "registry",
            "datafusion.catalog.create_default_catalog_and_schema": "true",
            "datafusion.sql_parser.dialect": "mysql",
            "datafusion.sql_parser.default_null_ordering": "nulls_min",
        }.items()
    },
    "RESET datafusion.catalog.default_catalog": "setting 'datafusion.catalog.default_catalog' is the catalog's own .*",
    "CREATE DATABASE d": "CREATE DATABASE is refused: the session's catalog and its schemas are fixed",
    "CREATE SCHEMA s": "CREATE SCHEMA is refused: the session's catalog and its schemas are fixed",
    "CREATE SCHEMA IF NOT EXISTS d.s": "CREATE SCHEMA is refused: the session's catalog and its schemas are fixed",
    "DROP SCHEMA public CASCADE": "DROP SCHEMA is refused: the session's catalog and its schemas are fixed",
    "CREATE TABLE registry.t (a INT)": "schema 'registry' belongs to the catalog: nothing can be registered in it",
    "CREATE TABLE other.s.t (a INT)": ".*failed to resolve catalog: other",
}


@pytest.mark.parametrize("statement", WRITABLE)
def test_writable_session(statement: str, program: Program, store: Path) -> None:
    """Decision 7, 17: what belongs to the catalog is neither dropped, replaced, emptied nor written past the gate."""
    refused(sql(program, store, statement, "--write"), 3, WRITABLE[statement])
    assert program.sql(store, "SELECT count(*) AS n FROM classes") == [{"n": 3}]


def test_insert_meets_the_gate(program: Program, store: Path) -> None:
    """B11: a null where the contract has none is refused with the column, and nothing is published; a good row is."""
    refused(
        sql(program, store, "INSERT INTO cpg_props VALUES (1, 'a', NULL)", "--write"),
        1,
        "gate 'public.cpg_props': column 'value' is null in row 0",
    )
    [before] = program.sql(store, "SELECT count(*) AS n FROM cpg_props")
    assert sql(program, store, "INSERT INTO cpg_props VALUES (1, 'a', 'b')", "--write").code == 0
    assert program.sql(store, "SELECT count(*) AS n FROM cpg_props") == [{"n": before["n"] + 1}]
