"""B1, B3: every type of the contract language, to any depth, is one thing everywhere: in the contract, as Arrow, in the
registry, in DESCRIBE, and in the DDL that another engine reads."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import capi
import datafusion
import declared
import yaml
from conftest import ROOT
from declared import Node, Shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

N_DATASETS = 8
N_EXAMPLES = 70
# A catalog is large, and so is what it is drawn from.
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
CATALOGS = st.tuples(*(declared.contracts(f"t{i}") for i in range(N_DATASETS)))


def write(folder: Path, contracts: tuple[Node, ...]) -> None:
    """JSON is YAML in flow style."""
    (folder / "relate").mkdir()
    for contract in contracts:
        text = json.dumps(contract, ensure_ascii=False)
        (folder / "relate" / f"{contract['dataset']}.yaml").write_text(text, encoding="utf-8")


def expected_shapes(contract: Node) -> list[Shape]:
    return [declared.shape_of(column, column["name"]) for column in contract["columns"]]


def unsaid_lines(ddl: str) -> list[Node]:
    return [json.loads(line.removeprefix("-- unsaid ")) for line in ddl.splitlines() if line.startswith("-- unsaid ")]


def statement_of(ddl: str) -> str:
    return ddl.partition(";\n-- unsaid ")[0].removesuffix(";\n")


# ---- in the catalog -------------------------------------------------------------------------------------------------


def check_catalog(session: capi.Session, contract: Node) -> None:
    name = contract["dataset"]
    expected = expected_shapes(contract)
    assert declared.shapes_of(session.resolve(name)) == expected
    # A query of no rows, run to its end.
    with session.stream(f"SELECT * FROM {name}") as rows:
        assert declared.shapes_of(rows.schema) == expected
        assert sum(batch.num_rows for batch in rows) == 0
    described = session.describe(name).to_pylist()
    assert [(row["column_name"], row["is_nullable"]) for row in described] == [
        (column["name"], "YES" if column["nullable"] else "NO") for column in contract["columns"]
    ]
    assert session.describe(f"SELECT * FROM {name}").to_pylist() == described
    in_schema = session.rows(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        f"WHERE table_schema = 'public' AND table_name = '{name}' ORDER BY ordinal_position"
    )
    assert in_schema == described
    columns = session.rows(
        f"SELECT path, depth, type, is_nullable, default_value FROM registry.columns WHERE dataset_name = '{name}' "
        "ORDER BY position"
    )
    assert [tuple(row.values()) for row in columns] == [
        (path, depth, declared.word_of(node), node.get("nullable", False), node.get("default"))
        for column in contract["columns"]
        for path, depth, node in declared.walk(column, column["name"])
    ]


# ---- as DDL ---------------------------------------------------------------------------------------------------------


def differences(node: Node, path: str, found: Shape, *, is_top: bool, is_inside: bool) -> list[Node]:
    """What the engine read of the DDL, held against the contract."""
    lines: list[Node] = []
    expected = declared.shape_of(node, found.name)
    is_other = (expected.format, expected.dictionary) != (found.format, found.dictionary)
    if is_other and not is_inside:
        lines.append({"path": path, "type": declared.text_of(node)})
    if not is_top and not is_inside and found.nullable != expected.nullable:
        lines.append({"path": path, "not_null": True})
    if expected.metadata:
        lines.append({"path": path, "metadata": expected.metadata})
    is_inside = is_inside or is_other
    for i, (suffix, part) in enumerate(declared.parts_of(node)):
        child = declared.shape_of(part, "") if is_inside else found.children[i]
        lines += differences(part, path + suffix, child, is_top=False, is_inside=is_inside)
    return lines


def check_foreign_ddl(ddl: str, contract: Node) -> None:
    """DataFusion alone, in a session of its own, reads the DDL; what it made of it differs from the contract in what
    the export lists, and in nothing else."""
    config = datafusion.SessionConfig().set("datafusion.execution.time_zone", "UTC")
    config = config.set("datafusion.sql_parser.map_string_types_to_utf8view", "false")
    session = datafusion.SessionContext(config)
    text = statement_of(ddl).replace("codeintel.public.", "")
    # It has no Delta, and takes what does not end in a slash for one file.
    text = text.replace("STORED AS DELTATABLE", "STORED AS PARQUET")
    text = re.sub(r"LOCATION '(.*[^/])'", r"LOCATION '\1/'", text)
    session.sql(text)
    found = {shape.name: shape for shape in declared.shapes_of(session.table(contract["dataset"]).schema())}
    assert sorted(found) == sorted(column["name"] for column in contract["columns"])
    lines: list[Node] = []
    for column in contract["columns"]:
        shape = found[column["name"]]
        # A listing table says of its partition columns that they are never null.
        if column["name"] not in contract.get("partition_by", []):
            assert shape.nullable == column["nullable"], column["name"]
        lines += differences(column, column["name"], shape, is_top=True, is_inside=False)
    metadata = contract["metadata"]
    lines += [{"path": "", "metadata": metadata}] if metadata else []
    unsaid = unsaid_lines(ddl)
    assert [line for line in unsaid if "path" in line] == lines
    storage = contract["storage"]
    in_memory = [{"order": contract["order"]}] if storage["format"] == "memory" and "order" in contract else []
    files = ["compression", "target_file_bytes"] if storage["format"] == "parquet" else []
    assert [line for line in unsaid if "path" not in line] == in_memory + [
        {"storage": name, "value": storage[name]} for name in files if name in storage
    ]


def check_own_ddl(session: capi.Session, ddl: str, contract: Node) -> None:
    """The same statement in our own session, under another name: columns in their declared places, as the foreign
    engine has them; unproved NOT NULL is not shown."""
    copy = "copy_of_" + contract["dataset"]
    name = f"codeintel.public.{contract['dataset']}"
    assert name in ddl
    session.rows(statement_of(ddl).replace(name, copy, 1))
    found = declared.shapes_of(session.resolve(f"SELECT * FROM {copy}"))
    assert [shape.name for shape in found] == [column["name"] for column in contract["columns"]]
    lines = [
        line
        for column, shape in zip(contract["columns"], found, strict=True)
        for line in differences(column, column["name"], shape, is_top=True, is_inside=False)
    ]
    assert [line for line in unsaid_lines(ddl) if line.get("path")] == lines


def check_clauses(ddl: str, contract: Node) -> None:
    """What is no type: keys, order, partitions, defaults, options, read off the text."""
    text = statement_of(ddl).replace('"', "")
    storage = contract["storage"]

    def names(key: list[str]) -> str:
        return "(" + ", ".join(key) + ")"

    clauses = {
        "PRIMARY KEY": contract["keys"].get("primary"),
        "UNIQUE": contract["keys"].get("unique", [None])[0],
        "PARTITIONED BY": contract.get("partition_by"),
        "WITH ORDER": contract.get("order") if storage["format"] != "memory" else None,
    }
    for clause, key in clauses.items():
        assert re.findall(rf"{clause} (\(.*?\))", text) == ([names(key)] if key else []), clause
    is_unbounded = storage["format"] == "stream" or contract.get("scan", {}).get("unbounded") is True
    assert ("CREATE UNBOUNDED EXTERNAL TABLE" in text) == is_unbounded
    assert ("CREATE TABLE" in text) == (storage["format"] == "memory")
    is_compressed = "compression" in storage and storage["format"] == "csv"
    assert ("'format.compression' 'gzip'" in text) == is_compressed
    defaults = [column["default"] for column in contract["columns"] if "default" in column]
    assert re.findall(r" DEFAULT (.*?),?\n", text) == defaults


def check_fingerprints(session: capi.Session, contract: Node, ddl: str) -> None:
    [row] = session.rows(
        f"SELECT contract, schema, ddl FROM registry.fingerprints WHERE dataset_name = '{contract['dataset']}'"
    )
    assert row["contract"] == declared.contract_fingerprint(contract, "relate"), declared.canonical_json(
        contract, "relate"
    )
    assert row["schema"] == declared.schema_fingerprint(contract)
    assert row["ddl"] == declared.fingerprint(ddl.encode())


def kinds_in(contracts: tuple[Node, ...]) -> set[Any]:
    """Types, depths and storage formats."""
    found: set[Any] = {contract["storage"]["format"] for contract in contracts}
    for contract in contracts:
        for column in contract["columns"]:
            for _, depth, node in declared.walk(column, column["name"]):
                found.update([node["type"], depth])
    return found


def test_round_trip() -> None:
    """560 generated contracts of every type, to depth 5: contract, Arrow schema, registered, described, fingerprinted,
    written as DDL and read again."""
    seen: set[Any] = set()

    @settings(max_examples=N_EXAMPLES, database=None, deadline=None, derandomize=True, suppress_health_check=SLOW)
    @given(CATALOGS)
    def check(contracts: tuple[Node, ...]) -> None:
        seen.update(kinds_in(contracts))
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), contracts)
            with capi.Session(datasets=Path(folder), writable=True) as session:
                for contract in contracts:
                    check_catalog(session, contract)
                    ddl = session.ddl(contract["dataset"])
                    check_fingerprints(session, contract, ddl)
                    check_clauses(ddl, contract)
                    check_foreign_ddl(ddl, contract)
                    check_own_ddl(session, ddl, contract)

    check()
    words = {*declared.FORMATS, *declared.TIMESTAMPS, *declared.DECIMALS, "fixed_size_binary", "fixed_size_list"}
    assert seen >= words | {"dictionary", 5, "delta", "memory", "parquet", "csv", "ndjson", "arrow", "avro", "stream"}


# ---- published ------------------------------------------------------------------------------------------------------


def published_vectors() -> list[tuple[str, dict[str, str]]]:
    """The contracts of docs/fingerprints.md, each with the fingerprints that stand behind it."""
    text = (ROOT / "docs" / "fingerprints.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```\n(.*?)(?=^```|\Z)", text, re.MULTILINE | re.DOTALL)
    return [(yaml, dict(re.findall(r"^\| (\w+) \| `(\w+)` \|$", table, re.MULTILINE))) for yaml, table in blocks]


def test_fingerprint_vectors(tmp_path: Path) -> None:
    """B3: what is published is what the product computes, and what follows from the page alone."""
    vectors = published_vectors()
    assert len(vectors) == 3
    (tmp_path / "relate").mkdir()
    names = []
    for text, _ in vectors:
        names.append(text.split()[1])
        (tmp_path / "relate" / f"{names[-1]}.yaml").write_text(text, encoding="utf-8")
    with capi.Session(datasets=tmp_path) as session:
        for name, (text, published) in zip(names, vectors, strict=True):
            ddl = session.ddl(name)
            [row] = session.rows(
                f"SELECT contract, schema, ddl FROM registry.fingerprints WHERE dataset_name = '{name}'"
            )
            found = {"contract": row["contract"], "schema": row["schema"], "DDL": row["ddl"]}
            contract = yaml.safe_load(text)
            assert found == published, name
            assert found == {
                "contract": declared.contract_fingerprint(contract, "relate"),
                "schema": declared.schema_fingerprint(contract),
                "DDL": declared.fingerprint(ddl.encode()),
            }, name
