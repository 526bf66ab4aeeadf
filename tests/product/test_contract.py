"""Contract files on their own (B1): the JSON Schema of the language is the loader's, and a contract survives the way
through Open Data Contract Standard and dbt."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import ROOT, Program
from hypothesis import given, settings
from hypothesis import strategies as st

SCHEMA = ROOT / "docs" / "contract.schema.json"
CONTRACTS = sorted((ROOT / "datasets").rglob("*.yaml"))

# The keys of ODCS 3.1.0, by its JSON Schema, that an export of ours may use.
ODCS_ROOT = {"apiVersion", "kind", "id", "name", "version", "status", "schema"}
ODCS_OBJECT = {"name", "logicalType", "physicalType", "description", "properties", "quality", "customProperties"}
ODCS_PROPERTY = {
    *("name", "logicalType", "physicalType", "logicalTypeOptions", "description", "required", "unique", "items"),
    *("primaryKey", "primaryKeyPosition", "partitioned", "partitionKeyPosition", "properties", "customProperties"),
}
ODCS_LOGICAL = {"string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def checked(program: Program, *paths: Path) -> list[dict[str, Any]]:
    answer = program.run("contract", "check", "--format", "json", *paths)
    assert answer.code in (0, 1), answer.err
    return json.loads(answer.out)


# ---- what a check comes to ------------------------------------------------------------------------------------------


def test_a_finding_is_1_whether_it_is_an_error_or_not(program: Program, tmp_path: Path) -> None:
    """B1, lint: a contract without a key or an order is taken, and a finding; what does not load has no dataset."""
    place = tmp_path / "own" / "normalize"
    place.mkdir(parents=True)
    bare = {key: value for key, value in SMALL.items() if key not in ("keys", "order")}
    (place / "t.yaml").write_text(yaml.safe_dump(bare))
    answer = program.run("contract", "check", tmp_path / "own")
    assert (answer.code, answer.err) == (1, "")
    assert [line.partition(": ")[2] for line in answer.out.splitlines()] == [
        "no primary key: nothing says what one row is",
        "no order: equal builds would not store equal rows",
    ]
    [found] = checked(program, tmp_path / "own")
    assert found["dataset"] == "t"
    asked = program.run("sql", "--datasets", tmp_path / "own", "-q", "-c", "SELECT count(*) FROM t")
    assert asked.code == 0, asked.err

    (place / "t.yaml").write_text(yaml.safe_dump({**bare, "ordre": ["n"]}))
    [refused] = checked(program, tmp_path / "own")
    assert refused["dataset"] is None
    assert program.run("contract", "check", tmp_path / "own").code == 1
    assert program.run("sql", "--datasets", tmp_path / "own", "-q", "-c", "SELECT 1").code == 1


# ---- JSON Schema ---------------------------------------------------------------------------------------------------


def test_the_published_schema_is_the_loaders(program: Program) -> None:
    """To write it anew: codeanatomy contract schema -o docs/contract.schema.json"""
    answer = program.run("contract", "schema")
    assert answer.code == 0, answer.err
    assert SCHEMA.read_text(encoding="utf-8") == answer.out


def test_the_published_schema_of_locations(program: Program) -> None:
    """B7. To write it anew: codeanatomy contract schema --of location -o docs/location.schema.json"""
    answer = program.run("contract", "schema", "--of", "location")
    assert answer.code == 0, answer.err
    published = ROOT / "docs" / "location.schema.json"
    assert published.read_text(encoding="utf-8") == answer.out
    schema = json.loads(answer.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    small = {"location": "a", "dataset": "sales_v1@1", "doc": "d", "path": "x", "format": "delta"}
    for more in ({}, {"version": 0}, {"as_of": "2026-11-21T04:27:49Z"}, {"scan": {"cache": True}}):
        jsonschema.validate({**small, **more}, schema)
    wrong = ({"colour": 1}, {"version": -1}, {"dataset": "X"}, {"format": "x"}, {"storage": {"location": "y"}})
    for more in (*wrong, {"scan": {"colour": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**small, **more}, schema)


def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda p: p.stem)
def test_builtin_contracts_fit(schema: dict[str, Any], path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), schema)


SMALL: dict[str, Any] = {
    "dataset": "t",
    "version": 1,
    "kind": "table",
    "doc": "One row.",
    "columns": [{"name": "n", "type": "int64", "nullable": False, "doc": "n"}],
    "keys": {"primary": ["n"]},
    "order": ["n"],
    "evolution": {"default": "refuse"},
}

WRONG = {
    "unknown key": {"ordre": ["n"]},
    "no name": {"dataset": "Not A Name"},
    "version 0": {"version": 0},
    "unknown kind": {"kind": "topic"},
    "no columns": {"columns": []},
    "unknown type": {"columns": [{"name": "n", "type": "int46", "nullable": False, "doc": "n"}]},
    "no doc": {"columns": [{"name": "n", "type": "int64", "nullable": False}]},
    "precision of an integer": {
        "columns": [{"name": "n", "type": "int64", "precision": 3, "nullable": False, "doc": "n"}]
    },
    "decimal without scale": {
        "columns": [{"name": "n", "type": "decimal128", "precision": 3, "nullable": False, "doc": "n"}]
    },
    "list without item": {"columns": [{"name": "n", "type": "list", "nullable": False, "doc": "n"}]},
    "item with a name": {
        "columns": [
            {
                **{"name": "n", "type": "list", "nullable": False, "doc": "n"},
                "item": {"name": "x", "type": "int8", "nullable": True},
            }
        ]
    },
    "unknown rule": {"evolution": {"default": "refuse", "wide": "allow"}},
    "no default rule": {"evolution": {"widen": "allow"}},
    "unknown format": {"storage": {"format": "orc"}},
    "unknown scan option": {"scan": {"prunning": True}},
    "scan option of another type": {
        "storage": {"format": "parquet", "location": "/rows"},
        "scan": {"collect_statistics": 1},
    },
    "scan option that counts": {"storage": {"format": "csv", "location": "/rows"}, "scan": {"list_cache_bytes": True}},
    "value of a map without nullable": {
        "columns": [
            SMALL["columns"][0],
            {
                **{"name": "m", "type": "map", "nullable": True, "doc": "m"},
                **{"key": {"type": "utf8"}, "value": {"type": "int8"}},
            },
        ]
    },
    "value of a dictionary with nullable": {
        "columns": [
            SMALL["columns"][0],
            {
                **{"name": "d", "type": "dictionary", "nullable": True, "doc": "d"},
                **{"index": "int8", "value": {"type": "utf8", "nullable": True}},
            },
        ]
    },
    "empty check": {"checks": {"x": ""}},
    "view without list": {"views": {"v": {"with": ["n"], "doc": "v"}}},
}


@pytest.mark.parametrize("name", WRONG)
def test_schema_and_loader_refuse_alike(program: Program, schema: dict[str, Any], tmp_path: Path, name: str) -> None:
    document = {**SMALL, **WRONG[name]}
    path = tmp_path / "extract" / "t.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps(document), encoding="utf-8")
    assert checked(program, path)[0]["findings"], "the loader takes it"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)
    jsonschema.validate(SMALL, schema)


# ---- there and back ------------------------------------------------------------------------------------------------

PLAIN = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32"),
    *("float64", "utf8", "large_utf8", "utf8_view", "binary", "large_binary", "binary_view", "date32", "date64"),
    *("time32_s", "time32_ms", "time64_us", "time64_ns", "duration_s", "duration_ms", "duration_us", "duration_ns"),
    *("interval_year_month", "interval_day_time", "interval_month_day_nano"),
]
NAMES = ["a", "b", "c", "order", "select", "key", "value", "n1", "on", "y", "null"]
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20) | st.sampled_from(
    ["true", "1.5", "{{ x }}", "a: b", "it's '' \"quoted\"", "two\nlines", " lead", "# no comment", "{% raw %}"]
)


def plain_types() -> st.SearchStrategy[dict[str, Any]]:
    decimals = st.tuples(st.integers(1, 38), st.integers(0, 38)).map(
        lambda t: {"type": "decimal128", "precision": t[0], "scale": min(t)}
    )
    zones = st.tuples(st.sampled_from(["s", "ms", "us", "ns"]), st.sampled_from([None, "UTC", "+01:00"])).map(
        lambda t: {"type": f"timestamp_{t[0]}", **({"zone": t[1]} if t[1] else {})}
    )
    sized = st.integers(1, 99).map(lambda n: {"type": "fixed_size_binary", "size": n})
    dictionaries = st.sampled_from(["int8", "uint32"]).map(
        lambda index: {"type": "dictionary", "index": index, "value": {"type": "utf8"}}
    )
    return st.sampled_from(PLAIN).map(lambda t: {"type": t}) | decimals | zones | sized | dictionaries


def unnamed(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(inner, st.booleans()).map(lambda t: {**t[0], "nullable": t[1]})


def named(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    field = st.tuples(st.sampled_from(NAMES), unnamed(inner), TEXTS).map(lambda t: {"name": t[0], **t[1], "doc": t[2]})
    return st.lists(field, min_size=1, max_size=4, unique_by=lambda f: f["name"])


def nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return (
        unnamed(inner).map(lambda item: {"type": "list", "item": item})
        | unnamed(inner).map(lambda item: {"type": "fixed_size_list", "size": 3, "item": item})
        | named(inner).map(lambda fields: {"type": "struct", "fields": fields})
        | unnamed(inner).map(lambda value: {"type": "map", "key": {"type": "utf8"}, "value": value})
    )


def contracts() -> st.SearchStrategy[dict[str, Any]]:
    columns = named(st.recursive(plain_types(), nested, max_leaves=8))
    return st.tuples(columns, TEXTS, st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=2)).map(
        lambda t: {
            **{"dataset": "t", "version": 3, "kind": "table", "doc": t[1], "checks": t[2]},
            **{
                "columns": [{"name": "id", "type": "int64", "nullable": False, "doc": "id"}, *t[0]],
                "keys": {"primary": ["id"], "join": ["id"]},
                "storage": {"format": "memory"},
                "evolution": {"default": "refuse", "widen": "allow"},
            },
        }
    )


def odcs_keys(properties: list[dict[str, Any]]) -> None:
    for p in properties:
        assert set(p) <= ODCS_PROPERTY
        assert p.get("logicalType", "string") in ODCS_LOGICAL
        odcs_keys(p.get("properties", []))
        odcs_keys([p["items"]] if "items" in p else [])


@settings(max_examples=20, deadline=None, database=None, derandomize=True)
@given(document=contracts())
@pytest.mark.parametrize("language", ["odcs", "dbt"])
def test_round_trip(program: Program, language: str, document: dict[str, Any]) -> None:
    """B1: the same fingerprints, and no loss, for contracts of all types."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    with tempfile.TemporaryDirectory() as parent:
        path = Path(parent) / "normalize" / "t.yaml"
        path.parent.mkdir()
        path.write_text(json.dumps(document), encoding="utf-8")
        before = checked(program, path)[0]
        assert before["fingerprint"], before["findings"]
        exported = Path(parent) / "exported.yml"
        answer = program.run("contract", "export", "--to", language, "-o", exported, path)
        assert (answer.code, answer.err) == (0, "")
        parsed = yaml.safe_load(exported.read_text(encoding="utf-8"))
        if language == "odcs":
            assert set(parsed) == ODCS_ROOT
            assert set(parsed["schema"][0]) <= ODCS_OBJECT
            odcs_keys(parsed["schema"][0]["properties"])
        back = Path(parent) / "back"
        answer = program.run("contract", "import", "--from", language, "-o", back, exported)
        assert (answer.code, answer.err) == (0, "")
        written = back / "normalize" / "t.yaml"
        after = checked(program, written)[0]
        assert after["schema_fingerprint"] == before["schema_fingerprint"]
        assert after["fingerprint"] == before["fingerprint"]
        assert yaml.safe_load(written.read_text(encoding="utf-8")) == {
            key: value for key, value in document.items() if value != {}
        }
