"""The catalog as the one schema authority: complete, described, reproducible as DDL, and readable by others at a
run's versions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import capi
import duckdb
import jsonschema
import pyarrow as pa
import pytest
import stored
import xxhash
from conftest import ROOT, SHOP, Program
from deltalake import DeltaTable

DATASETS = ROOT / "datasets"
SCHEMA_OF_STAGE = {"registry": "registry", "params": "params", "diagnostics": "diagnostics"}
# No built-in contract declares a default or a partition, without a store nothing has a location, and nothing was done.
SAYS_NOTHING = ("defaults", "partitions", "locations", "events")
STORED = ("bundle", "table", "diagnostics")


# ---- what is declared, read off the contract files -----------------------------------------------------------------


def key_of(text: str, key: str) -> str:
    found = re.search(rf"^{key}: *(\S+)", text, re.MULTILINE)
    assert found, f"no {key}"
    return found[1]


def views_of(text: str) -> dict[str, tuple[str, list[str]]]:
    """Name -> (list column, columns of the row) of the views that a contract generates, in block and in flow style."""
    _, _, section = text.partition("\nviews:\n")
    found = re.findall(r"^  (\w+):(.*(?:\n    .*)*)", section, re.MULTILINE)
    views = {}
    for name, body in found:
        unnest = re.search(r"unnest: *(\w+)", body)
        columns = re.search(r"with: *\[([^]]*)\]", body)
        assert unnest and columns
        views[name] = (unnest[1], [column.strip() for column in columns[1].split(",")])
    return views


class Declared:
    """One contract file."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.name = key_of(text, "dataset")
        self.kind = key_of(text, "kind")
        self.schema = SCHEMA_OF_STAGE.get(path.parent.name, "public")
        self.sql = path.with_suffix(".sql").read_text(encoding="utf-8") if path.with_suffix(".sql").exists() else None
        self.views = views_of(text)


CONTRACTS = [Declared(path) for path in sorted(DATASETS.rglob("*.yaml"))]
NAMES = sorted(
    [f"{c.schema}.{c.name}" for c in CONTRACTS] + [f"{c.schema}.{view}" for c in CONTRACTS for view in c.views]
)
VIEWS = sorted(
    [f"{c.schema}.{c.name}" for c in CONTRACTS if c.kind == "view"]
    + [f"{c.schema}.{view}" for c in CONTRACTS for view in c.views]
)
MODELS = sorted(f"{c.schema}.{c.name}" for c in CONTRACTS if c.sql and c.kind != "view")
NESTED = [(c.name, view, *c.views[view]) for c in CONTRACTS for view in c.views]


def fingerprint(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode())


# ---- asking --------------------------------------------------------------------------------------------------------


class Session:
    """Many statements in one process; one answer a statement."""

    def __init__(self, program: Program, *args: str | Path, cwd: Path | None = None) -> None:
        self.program = program
        self.args = args
        self.cwd = cwd

    def ask(self, statements: list[str]) -> list[list[dict[str, Any]]]:
        script = ";\n".join(s.rstrip().rstrip(";") for s in statements)
        answer = self.program.run("sql", *self.args, "--quiet", "--format", "json", stdin=script, cwd=self.cwd)
        assert answer.code == 0, answer.err
        answers = [json.loads(line) for line in answer.out.splitlines()]
        assert len(answers) == len(statements)
        return answers

    def one(self, statement: str) -> list[dict[str, Any]]:
        return self.ask([statement])[0]

    def arrow(self, statement: str) -> pa.Table:
        command = [str(self.program.path), "sql", *map(str, self.args), "--quiet", "--format", "arrow", "-c", statement]
        done = subprocess.run(command, capture_output=True, check=True)
        return pa.ipc.open_stream(done.stdout).read_all()


@pytest.fixture(scope="module")
def session(program: Program, shop_store: Path) -> Session:
    return Session(program, "--store", shop_store)


@pytest.fixture(scope="module")
def no_store(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The built-in contracts alone."""
    return Session(program, cwd=tmp_path_factory.mktemp("nothing"))


# ---- B2 ------------------------------------------------------------------------------------------------------------


def test_complete_both_ways(session: Session, no_store: Session) -> None:
    """B2: what the contract files declare, what information_schema shows and what the registry lists are the same
    names."""
    for asked in (session, no_store):
        shown, registered = asked.ask(
            [
                "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables "
                "WHERE table_catalog = 'codeintel' AND table_schema <> 'information_schema' ORDER BY name",
                "SELECT schema_name || '.' || dataset_name AS name, kind FROM registry.datasets ORDER BY name",
            ]
        )
        assert [row["name"] for row in shown] == NAMES
        assert [row["name"] for row in registered] == NAMES
    kinds = {f"{c.schema}.{c.name}": c.kind for c in CONTRACTS}
    assert {row["name"]: row["kind"] for row in registered} == {n: kinds.get(n, "nested") for n in NAMES}


def test_queryable_without_a_store(no_store: Session) -> None:
    """B2: every dataset answers before there is data, the stored ones with no row."""
    counts = no_store.ask([f"SELECT count(*) AS n FROM {name}" for name in NAMES])
    empty = {name for name, [row] in zip(NAMES, counts, strict=True) if row["n"] == 0}
    # rule_confidence is a list of constants; the registry describes the contracts themselves.
    assert set(NAMES) - empty == {
        "public.rule_confidence",
        *(f"registry.{c.name}" for c in CONTRACTS if c.schema == "registry" and c.name not in SAYS_NOTHING),
    }


def test_types_of_tables(session: Session) -> None:
    rows = session.one(
        "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables "
        "WHERE table_catalog = 'codeintel' AND table_type = 'VIEW' "
        "AND table_schema <> 'information_schema' ORDER BY name"
    )
    assert [row["name"] for row in rows] == VIEWS


# ---- A1, A4, A5 ----------------------------------------------------------------------------------------------------


def test_one_answer_per_object(session: Session) -> None:
    """A5: DESCRIBE of the name, DESCRIBE of an unexecuted query, SHOW COLUMNS and information_schema say the same of
    each table and view; NOT NULL of a view is what its plan proves."""
    described = session.ask([f"DESCRIBE {name}" for name in NAMES])
    planned = session.ask([f"DESCRIBE SELECT * FROM {name}" for name in NAMES])
    shown = session.ask([f"SHOW COLUMNS FROM {name}" for name in NAMES])
    listed = session.one(
        "SELECT table_schema || '.' || table_name AS name, column_name, data_type, is_nullable "
        "FROM information_schema.columns WHERE table_catalog = 'codeintel' ORDER BY name, ordinal_position"
    )
    columns: dict[str, list[dict[str, Any]]] = {}
    for row in listed:
        columns.setdefault(row.pop("name"), []).append(row)
    assert set(NAMES) <= set(columns)
    for name, by_name, by_query, by_show in zip(NAMES, described, planned, shown, strict=True):
        assert by_name == columns[name], name
        assert by_query == by_name, name
        assert [{key: row[key] for key in by_name[0]} for row in by_show] == by_name, name
    callers = {row["column_name"]: row["is_nullable"] for row in described[NAMES.index("public.callers")]}
    assert callers["path"] == "NO" and callers["callee_qualified_name"] == "YES"


def test_a_view_is_the_same_after_an_insert(program: Program, shop_store: Path, tmp_path: Path) -> None:
    """A5: a statement that plans a view first, here an INSERT, does not decide what the view says of itself."""
    place = f"CREATE EXTERNAL TABLE copy (path VARCHAR) STORED AS DELTATABLE LOCATION '{tmp_path}/copy'"
    asked = [place, "INSERT INTO copy SELECT path FROM callers", "DESCRIBE callers", "DESCRIBE SELECT * FROM callers"]
    [*_, by_name, by_query] = Session(program, "--write", "--store", shop_store).ask(asked)
    assert by_name == by_query == Session(program, "--store", shop_store).one("DESCRIBE callers")


ARROW_TYPES = {
    "bool": "Boolean",
    "binary": "Binary",
    "utf8": "Utf8",
    "float64": "Float64",
    "int32": "Int32",
    "int64": "Int64",
}


def test_registry_agrees_with_information_schema(session: Session) -> None:
    """Decision 5: registry.columns and information_schema.columns agree on every column that both have, proved
    nullability of what is stored included."""
    declared, shown = session.ask(
        [
            "SELECT schema_name || '.' || dataset_name || '.' || path AS path, type, is_nullable, is_proved "
            "FROM registry.columns WHERE depth = 0 ORDER BY path",
            "SELECT table_schema || '.' || table_name || '.' || column_name AS path, data_type, is_nullable "
            "FROM information_schema.columns WHERE table_catalog = 'codeintel' AND table_schema <> "
            "'information_schema' "
            "ORDER BY path",
        ]
    )
    assert [row["path"] for row in declared] == [row["path"] for row in shown]
    for ours, theirs in zip(declared, shown, strict=True):
        if ours["type"] == "list":
            assert theirs["data_type"].startswith("List("), theirs
        else:
            assert theirs["data_type"] == ARROW_TYPES[ours["type"]], theirs
        assert not (ours["is_nullable"] and ours["is_proved"])
        if ours["path"].rpartition(".")[0] in VIEWS:
            assert not ours["is_proved"]
        else:
            assert theirs["is_nullable"] == ("NO" if ours["is_proved"] else "YES"), theirs


def test_command_line_resolves_as_sql(program: Program, session: Session, shop_store: Path) -> None:
    """A1: `describe` of a name, a qualified name, a handle and a query are one resolver's answers."""
    expected = session.one("DESCRIBE ast_nodes")
    for name in ("ast_nodes", "codeintel.public.ast_nodes", "dataset://ast_nodes", "dataset://public.ast_nodes@1"):
        answer = program.run("describe", name, "--store", shop_store, "--format", "json", cwd=shop_store)
        assert json.loads(answer.out) == expected, name
    query = "SELECT kind, count(*) AS n FROM ast_nodes GROUP BY kind"
    answer = program.run("describe", query, "--store", shop_store, "--format", "json", cwd=shop_store)
    assert json.loads(answer.out) == session.one(f"DESCRIBE {query}")
    assert [row["column_name"] for row in json.loads(answer.out)] == ["kind", "n"]


def test_show(session: Session) -> None:
    """A5: SHOW TABLES, ALL, FUNCTIONS and CREATE TABLE answer from information_schema."""
    tables, settings, df_settings, functions, create = session.ask(
        [
            "SHOW TABLES",
            "SHOW ALL",
            "SELECT name, value FROM information_schema.df_settings ORDER BY name",
            "SHOW FUNCTIONS",
            "SHOW CREATE TABLE callers",
        ]
    )
    ours = [r for r in tables if r["table_catalog"] == "codeintel" and r["table_schema"] != "information_schema"]
    assert sorted(f"{r['table_schema']}.{r['table_name']}" for r in ours) == NAMES
    assert sorted(settings, key=lambda r: r["name"]) == df_settings
    in_force = {row["name"]: row["value"] for row in settings}
    assert in_force["datafusion.catalog.information_schema"] == "true"
    assert in_force["datafusion.execution.time_zone"] == "UTC"
    documented = {
        r["function_name"]: r for r in functions if r["function_name"] in ("file_id", "entity_id", "content_id")
    }
    assert set(documented) == {"file_id", "entity_id", "content_id"}
    assert all(row["description"] and row["syntax_example"] for row in documented.values())
    callers = next(c for c in CONTRACTS if c.name == "callers")
    assert callers.sql and callers.sql.strip().rstrip(";") in create[0]["definition"]


MADE = {
    "CREATE TABLE m AS SELECT 1 AS a, 'x' AS b, CAST(NULL AS DOUBLE) AS c": "",
    "CREATE TABLE m (a BIGINT NOT NULL, b VARCHAR DEFAULT 'it''s', c INT DEFAULT -3)": "b VARCHAR DEFAULT 'it''s'",
    "CREATE TABLE m (a BIGINT NOT NULL, b VARCHAR, d INT, UNIQUE (b, d), PRIMARY KEY (a))": "UNIQUE (b, d)",
    "CREATE TABLE m AS SELECT path, layer FROM file_layers_v1": "path VARCHAR NOT NULL",
    "CREATE TABLE m AS SELECT TIMESTAMP '2024-01-01T00:00:00Z' AS \"When it was\", CAST(1 AS DECIMAL(9, 2)) AS d":
    '"When it was"',
}  # fmt: skip


@pytest.mark.parametrize("statement", MADE)
def test_ddl_of_a_table_in_memory(statement: str) -> None:
    """A5, B3: SHOW CREATE TABLE of a table that SQL made in memory is its DDL, which makes the same table again."""
    show = "SHOW CREATE TABLE m"
    defaults = "SELECT column_name, column_default FROM information_schema.columns WHERE table_name = 'm'"
    with capi.Session(writable=True) as session:
        session.query(statement)
        [shown] = session.rows(show)
        assert shown["definition"].startswith("CREATE TABLE codeintel.public.m (")
        assert MADE[statement] in shown["definition"]
        made, described = session.resolve("m"), session.rows("DESCRIBE m")
        columns = session.rows(defaults)
        session.query("DROP TABLE m")
        session.query(shown["definition"])
        assert session.resolve("m") == made and session.rows("DESCRIBE m") == described
        assert session.rows(defaults) == columns
        assert session.rows(show) == [shown]


def test_ddl_of_a_nested_table_in_memory() -> None:
    """A5, B3: what DDL has no words for is said behind it, as of every other object."""
    with capi.Session(writable=True) as session:
        session.query("CREATE TABLE m AS SELECT map(['a'], [1]) AS m")
        [shown] = session.rows("SHOW CREATE TABLE m")
        assert '-- unsaid {"path":"m","type":"map<utf8, int64>"}' in shown["definition"]


def test_versions_and_settings_of_a_run(program: Program, session: Session, shop_store: Path, tmp_path: Path) -> None:
    """A4: versions of engine, storage, interpreter and grammar, and every setting that differs, are recorded with
    the run."""
    run = stored.manifest(shop_store)
    [version] = session.one("SELECT version() AS v")
    assert run["engine"]["datafusion"] in version["v"]
    for part in ("datafusion", "deltalake", "arrow", "cadf"):
        assert re.fullmatch(r"\d+\.\d+\.\d+", run["engine"][part]), part
    assert run["interpreter"] == {"version": "{}.{}".format(*sys.version_info), "full_version": sys.version}
    assert re.fullmatch(r"tree-sitter-python \d+\.\d+\.\d+", run["grammar"])

    other = tmp_path / "store"
    program.build(SHOP, other, "--set", "datafusion.execution.batch_size=1234", "--python", sys.executable)
    changed = stored.manifest(other)
    assert run["runtime"]["settings"]["datafusion.execution.time_zone"] == "UTC"
    differs = {
        name
        for name in {*run["runtime"]["settings"], *changed["runtime"]["settings"]}
        if run["runtime"]["settings"].get(name) != changed["runtime"]["settings"].get(name)
    }
    assert differs == {"datafusion.execution.batch_size"}
    assert changed["settings_hash"] != run["settings_hash"]
    settings = {row["name"]: row["value"] for row in stored.table(other, "diagnostics.settings").to_pylist()}
    assert settings["datafusion.execution.batch_size"] == "1234"


# ---- B3 ------------------------------------------------------------------------------------------------------------


def ddl_statements(program: Program, *args: str | Path) -> dict[str, str]:
    """DDL by name, in the order in which it is printed."""
    answer = program.run("ddl", *args, "--quiet")
    assert answer.code == 0, answer.err
    parts = re.split(r"^(?=CREATE )", answer.out, flags=re.MULTILINE)
    found = {}
    for part in parts[1:]:
        name = re.match(r"CREATE (?:EXTERNAL )?(?:TABLE|VIEW) codeintel\.([\w.\"]+)", part)
        assert name, part
        found[name[1].replace('"', "")] = part
    return found


def test_ddl_round_trip(program: Program, shop_store: Path, tmp_path: Path) -> None:
    """B3: the DDL of every object parses in a fresh session and comes back as the same columns, types and defaults,
    and a stored
    table takes the rows, after which its Delta schema has the same columns, nullability included."""
    statements = ddl_statements(program, "--store", shop_store)
    assert sorted(statements) == NAMES
    copies = {name: "rt_" + name.replace(".", "_") for name in NAMES}
    script: list[str] = []
    for name, text in statements.items():
        copy = re.sub(r'codeintel\.[\w."]+', f"codeintel.public.{copies[name]}", text, count=1)
        script.append(re.sub(r"LOCATION '[^']*'", f"LOCATION '{tmp_path}/{copies[name]}'", copy))
    n_ddl = len(script)
    script += [f"DESCRIBE {name}" for name in NAMES] + [f"DESCRIBE {copies[name]}" for name in NAMES]
    script += [f"INSERT INTO {copies[name]} SELECT * FROM {name}" for name in stored.entries(shop_store)]
    answers = Session(program, "--write", "--store", shop_store).ask(script)[n_ddl:]
    originals, copied = answers[: len(NAMES)], answers[len(NAMES) : 2 * len(NAMES)]
    for name, original, again in zip(NAMES, originals, copied, strict=True):
        assert [(r["column_name"], without_nested_nulls(r["data_type"])) for r in original] == [
            (r["column_name"], without_nested_nulls(r["data_type"])) for r in again
        ], name
    for name, entry in stored.entries(shop_store).items():
        if entry["n_rows"] == 0:
            continue
        ours = DeltaTable(str(shop_store / entry["location"]), version=entry["data_version"])
        theirs = DeltaTable(str(tmp_path / copies[name]))
        assert [(f.name, f.nullable) for f in ours.schema().fields] == [
            (f.name, f.nullable) for f in theirs.schema().fields
        ], name
        assert theirs.to_pyarrow_dataset().count_rows() == entry["n_rows"], name


def without_nested_nulls(data_type: str) -> str:
    """DataFusion's DDL cannot say NOT NULL inside a type."""
    return data_type.replace("non-null ", "")


def test_ddl_is_deterministic(
    program: Program, no_store: Session, session: Session, shop_store: Path, tmp_path: Path
) -> None:
    """B3: the same text each time; its fingerprint, without a location, is in the manifest and in diagnostics."""
    elsewhere = ddl_statements(program)
    assert elsewhere == ddl_statements(program)
    fingerprints = {name: fingerprint(text) for name, text in elsewhere.items()}
    assert list(fingerprints) == NAMES
    rows = session.one(
        "SELECT schema_name || '.' || dataset_name AS name, fingerprint FROM diagnostics.ddl_fingerprints"
    )
    assert {row["name"]: row["fingerprint"] for row in rows} == fingerprints
    for name, entry in stored.entries(shop_store).items():
        assert entry["ddl_fingerprint"] == fingerprints[name], name


def test_ddl_says_what_the_contract_does(program: Program) -> None:
    """B3, read off datasets/extract/file_layers_v1.yaml."""
    [text] = ddl_statements(program, "file_layers_v1").values()
    assert text == (
        "CREATE EXTERNAL TABLE codeintel.public.file_layers_v1 (\n"
        "    file_id BIGINT NOT NULL,\n"
        "    path VARCHAR NOT NULL,\n"
        "    layer VARCHAR NOT NULL,\n"
        "    python_version VARCHAR,\n"
        "    status VARCHAR NOT NULL,\n"
        "    reason VARCHAR,\n"
        "    start_byte BIGINT,\n"
        "    n_facts BIGINT NOT NULL,\n"
        "    PRIMARY KEY (file_id, layer)\n"
        ")\n"
        "STORED AS DELTATABLE\n"
        "WITH ORDER (path, layer)\n"
        "LOCATION 'public/file_layers_v1';\n"
        """-- unsaid {"check":"layer","sql":"layer IN ('repo', 'tree_sitter', 'libcst', 'ast', 'symtable')"}\n"""
        """-- unsaid {"check":"status","sql":"status IN ('ok', 'recovered', 'failed', 'skipped')"}\n"""
        """-- unsaid {"check":"reason","sql":"status = 'ok' OR reason IS NOT NULL"}\n"""
    )


# ---- B5, B6 --------------------------------------------------------------------------------------------------------


def test_view_registry(session: Session) -> None:
    """B5: every view and model with the SQL that makes it, as the file beside its contract has it."""
    rows = session.one("SELECT schema_name || '.' || dataset_name AS name, kind, sql, fingerprint FROM registry.views")
    by_name = {row["name"]: row for row in rows}
    assert sorted(by_name) == sorted({*VIEWS, *MODELS})
    for contract in CONTRACTS:
        if contract.sql:
            row = by_name[f"{contract.schema}.{contract.name}"]
            assert row["sql"].strip() == contract.sql.strip()
            assert row["kind"] == ("view" if contract.kind == "view" else "model")
    for row in rows:
        assert row["fingerprint"] == fingerprint(row["sql"]), row["name"]
    for _, view, _, _ in NESTED:
        assert by_name[f"public.{view}"]["kind"] == "nested"


def unnested(bundle: pa.Table, column: str, kept: list[str]) -> pa.Table:
    """One row an item of a list column, by hand."""
    lists = bundle.column(column).combine_chunks()
    parents = pa.array([row for row, n in enumerate(lists.value_lengths().to_pylist()) for _ in range(n)], pa.int64())
    items = lists.flatten()
    columns = {name: bundle.column(name).combine_chunks().take(parents) for name in kept}
    columns |= {items.type.field(i).name: items.field(i) for i in range(items.type.num_fields)}
    return pa.table(columns)


@pytest.mark.parametrize(("bundle", "view", "column", "kept"), NESTED, ids=lambda v: v if isinstance(v, str) else "")
def test_nested_view(bundle: str, view: str, column: str, kept: list[str], session: Session, shop_store: Path) -> None:
    """B6: a generated view is its bundle's list unnested, with the identity columns, names, order and types of the
    contract."""
    by_hand = unnested(stored.table(shop_store, f"public.{bundle}"), column, kept)
    answer = session.arrow(f"SELECT * FROM {view}")
    assert answer.column_names == by_hand.column_names
    assert [f.type for f in answer.schema] == [f.type for f in by_hand.schema]
    assert sorted(map(repr, answer.to_pylist())) == sorted(map(repr, by_hand.to_pylist()))


def test_nested_types(session: Session) -> None:
    """B6: the types of a view's columns, by arrow_typeof."""
    [row] = session.one(
        "SELECT arrow_typeof(kind) AS kind, arrow_typeof(start_byte) AS start_byte, "
        "arrow_typeof(ordinal) AS ordinal FROM ast_nodes LIMIT 1"
    )
    assert row == {"kind": "Utf8", "start_byte": "Int64", "ordinal": "Int32"}


# ---- G1 ------------------------------------------------------------------------------------------------------------


def test_manifest_keeps_its_schema(shop_store: Path) -> None:
    """G1: the manifest validates; its fingerprints are those of the texts."""
    run = stored.manifest(shop_store)
    jsonschema.validate(run, json.loads((ROOT / "docs" / "manifest.schema.json").read_text(encoding="utf-8")))
    snapshot = (shop_store / "catalog" / f"{run['catalog_fingerprint']}.bundle").read_bytes()
    n_index_bytes = int.from_bytes(snapshot[32:40], "little")
    assert xxhash.xxh3_128_hexdigest(snapshot[:n_index_bytes]) == run["catalog_fingerprint"]
    assert sorted(f"{view['schema']}.{view['name']}" for view in run["views"]) == VIEWS
    kinds = {f"{c.schema}.{c.name}": c.kind for c in CONTRACTS}
    assert sorted(stored.entries(shop_store)) == sorted(name for name, kind in kinds.items() if kind in STORED)
    assert [(h["schema"], h["name"]) for h in run["handshakes"]] == [(d["schema"], d["name"]) for d in run["datasets"]]
    with_plan = sorted(name for name, entry in stored.entries(shop_store).items() if entry["plan_fingerprint"])
    assert with_plan == MODELS


def test_diagnostics(session: Session, shop_store: Path) -> None:
    """G1: every registration, view, DDL, plan, model run and write has its row; only casts and errors may have none."""
    names = {}
    for table in (
        "registrations",
        "view_registrations",
        "ddl_fingerprints",
        "plan_artifacts",
        "model_runs",
        "writes",
        "handshakes",
    ):
        rows = session.one(f"SELECT schema_name || '.' || dataset_name AS name FROM diagnostics.{table} ORDER BY name")
        names[table] = [row["name"] for row in rows]
    assert names["registrations"] == [n for n in NAMES if n not in VIEWS]
    assert names["view_registrations"] == VIEWS
    assert names["ddl_fingerprints"] == NAMES
    assert names["plan_artifacts"] == names["model_runs"] == MODELS
    # What the diagnostics say of themselves is in the manifest: they are written last.
    recorded = {n for n in stored.entries(shop_store) if not n.startswith("diagnostics.")} | {
        "diagnostics.settings",
        "diagnostics.schema_snapshots",
    }
    assert set(names["writes"]) == set(names["handshakes"]) == recorded
    run = stored.manifest(shop_store)["run_id"]
    for name in stored.entries(shop_store, "diagnostics"):
        rows = session.one(f"SELECT DISTINCT run_id FROM {name}")
        assert rows == [{"run_id": run}] or (rows == [] and name in ("diagnostics.casts", "diagnostics.errors")), name
    kinds = session.one("SELECT DISTINCT object_kind AS kind FROM diagnostics.schema_snapshots ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["column", "routine", "setting", "table", "view"]
    writes = session.one(
        "SELECT schema_name || '.' || dataset_name AS name, data_version, n_rows, n_files, n_bytes "
        "FROM diagnostics.writes"
    )
    for row in writes:
        entry = stored.entries(shop_store)[row.pop("name")]
        assert row == {key: entry[key] for key in row}


# ---- others read it ------------------------------------------------------------------------------------------------


def test_others_read_a_run(program: Program, session: Session, shop_store: Path) -> None:
    """E1, decision 19: delta-rs, DuckDB and our own session count the same rows at the versions of the manifest."""
    entries = stored.entries(shop_store)
    ours = session.ask([f"SELECT count(*) AS n FROM {name}" for name in entries])
    with duckdb.connect() as connection:
        for (name, entry), [row] in zip(entries.items(), ours, strict=True):
            assert stored.table(shop_store, name).num_rows == row["n"] == entry["n_rows"], name
            files = stored.files(shop_store, entry)
            assert len(files) == entry["n_files"] and sum(Path(f).stat().st_size for f in files) == entry["n_bytes"]
            if files:
                found = connection.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchone()
                assert found == (row["n"],), name


def walk(field: pa.Field, path: str) -> list[tuple[str, str, bool]]:
    """Path, type in the contract language and nullability of a column and of everything in it."""
    kind = field.type
    if pa.types.is_list(kind):
        return [(path, "list", field.nullable), *walk(kind.value_field, f"{path}[]")]
    if pa.types.is_struct(kind):
        inner = [walk(kind.field(i), f"{path}.{kind.field(i).name}") for i in range(kind.num_fields)]
        return [(path, "struct", field.nullable), *(row for rows in inner for row in rows)]
    names = {"string": "utf8", "double": "float64"}
    return [(path, names.get(str(kind), str(kind)), field.nullable)]


def test_schema_is_the_contract(session: Session, shop_store: Path) -> None:
    """B1, B11: an answer has the contract's columns in its order, NOT NULL where it says so, nested included; so has
    the Delta table,
    but for what lies in lists, which Delta readers are told may be null."""
    declared = session.one(
        "SELECT schema_name || '.' || dataset_name AS name, path, type, is_nullable FROM registry.columns ORDER "
        "BY name, position"
    )
    by_name: dict[str, list[tuple[str, str, bool]]] = {}
    for row in declared:
        by_name.setdefault(row["name"], []).append((row["path"], row["type"], row["is_nullable"]))
    for name, entry in stored.entries(shop_store).items():
        answer = session.arrow(f"SELECT * FROM {name}").schema
        assert [row for field in answer for row in walk(field, field.name)] == by_name[name], name
        delta = DeltaTable(str(shop_store / entry["location"]), version=entry["data_version"])
        schema = pa.schema(delta.schema().to_arrow())
        assert [
            row if "[]" not in row[0] else (*row[:2], None) for field in schema for row in walk(field, field.name)
        ] == [row if "[]" not in row[0] else (*row[:2], None) for row in by_name[name]], name
