"""B11: what SQL gives to a column of another type becomes that column's value unchanged, or the statement is refused
and writes nothing. DataFusion casts without a word: 2.9 became the integer 2, a field no struct has was gone."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import codeanatomy
import pytest
from conftest import SHOP, Program
from listed import declare

COLUMNS = """\
  - {name: k, type: int64, nullable: false, doc: d}
  - {name: i, type: int32, nullable: true, doc: d}
  - {name: f, type: float32, nullable: true, doc: d}
  - {name: m, type: decimal128, precision: 8, scale: 2, nullable: true, doc: d}
  - {name: d, type: date32, nullable: true, doc: d}
  - {name: t, type: timestamp_us, nullable: true, doc: d}
  - {name: b, type: bool, nullable: true, doc: d}
  - {name: w, type: utf8, nullable: true, doc: d}
  - name: s
    type: struct
    nullable: true
    doc: d
    fields: [{name: x, type: int64, nullable: true, doc: d}, {name: y, type: utf8, nullable: true, doc: d}]
  - {name: l, type: list, nullable: true, doc: d, item: {type: int32, nullable: true}}
"""
# A value, the column that it is for, and what the refusal says of it.
CHANGED = [
    ("i", "2.9", "2.9 (Float64) would be another value as Int32"),
    ("i", "CAST(2.5 AS DECIMAL(3, 1))", "2.5 (Decimal128(3, 1)) would be another value as Int32"),
    ("i", "3000000000", "Can't cast value 3000000000 to type Int32"),
    ("i", "'x'", "Cannot cast string 'x' to value of Int32 type"),
    ("f", "16777217", "16777217 (Int64) would be another value as Float32"),
    ("f", "1e300", "Can't cast value 1e300 to type Float32"),
    ("m", "1.005", "1.005 (Float64) would be another value as Decimal128(8, 2)"),
    ("m", "CAST(1.005 AS DECIMAL(8, 3))", "1.005 (Decimal128(8, 3)) would be another value as Decimal128(8, 2)"),
    ("d", "TIMESTAMP '2024-02-29 10:00:00'", "2024-02-29T10:00:00 (Timestamp(ns)) would be another value as Date32"),
    ("m", "'1.239'", "1.239 (Utf8) would be another value as Decimal128(8, 2)"),
    ("d", "'2024-02-29 10:00:00'", "2024-02-29 10:00:00 (Utf8) would be another value as Date32"),
    ("b", "5", "5 (Int64) would be another value as Boolean"),
    ("s", "named_struct('x', 1.5, 'y', 'a')", "{x: 1.5, y: a} (Struct("),
    ("l", "[1.0, 2.5]", "[1.0, 2.5] (List("),
]
# A value, the column, and what is there then.
KEPT = [
    ("i", "2.0", 2),
    ("i", "-0.0", 0),
    ("i", "'17'", 17),
    ("i", "CAST(2.9 AS INT)", 2),
    ("i", "(2.9::int)", 2),
    ("i", "round(2.9)", 3),
    ("i", "NULL", None),
    ("f", "0.5", 0.5),
    ("f", "CAST(0.1 AS DOUBLE)", 0.10000000149011612),
    ("m", "19.99", decimal.Decimal("19.99")),
    ("m", "7", decimal.Decimal("7.00")),
    ("m", "round(1.005, 1)", decimal.Decimal("1.00")),
    ("d", "'2024-02-29'", dt.date(2024, 2, 29)),
    ("d", "TIMESTAMP '2024-02-29 00:00:00'", dt.date(2024, 2, 29)),
    ("m", "'19.90'", decimal.Decimal("19.90")),
    ("m", "'-7.1000'", decimal.Decimal("-7.10")),
    ("d", "'2024-02-29T00:00:00'", dt.date(2024, 2, 29)),
    ("d", "'0001-01-01'", dt.date(1, 1, 1)),
    ("t", "TIMESTAMP '2024-02-29 10:00:00.123456'", dt.datetime(2024, 2, 29, 10, 0, 0, 123456)),
    ("t", "TIMESTAMP '2024-02-29 10:00:00.123456789'", dt.datetime(2024, 2, 29, 10, 0, 0, 123456)),
    ("b", "1", True),
    ("w", "5", "5"),
    ("s", "named_struct('y', 'a', 'x', 2.0)", {"x": 2, "y": "a"}),
    ("l", "[1.0, 2.0]", [1, 2]),
]
HOW = ["values", "select", "update", "merge"]


def each_way(cases: list[Any]) -> list[Any]:
    """INSERT of each; one cast is as good as another to UPDATE and MERGE, which commit more."""
    return [(how, *case) for case in cases for how in HOW if how in ("values", "select") or case[0] in ("i", "d")]


@pytest.fixture(scope="module")
def store(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exact")
    declare(folder / "own", COLUMNS, None, format="delta", more="keys: {primary: [k]}")
    program.build(SHOP, folder / "store", "--datasets", str(folder / "own"), "--layers", "symtable")
    return folder / "store"


@pytest.fixture
def session(store: Path) -> Any:
    with codeanatomy.connect(store, read_only=False) as s:
        s.sql("INSERT OVERWRITE t (k) VALUES (1)")
        yield s


def statement(how: str, column: str, value: str) -> str:
    return {
        "values": f"INSERT INTO t (k, {column}) VALUES (2, {value})",
        "select": f"INSERT INTO t (k, {column}) SELECT 2 AS a, {value} AS b",
        "update": f"UPDATE t SET k = 2, {column} = {value} WHERE k = 1",
        "merge": f"MERGE INTO t USING (SELECT 2 AS a) AS n ON t.k = n.a "
        f"WHEN NOT MATCHED THEN INSERT (k, {column}) VALUES (n.a, {value})",
    }[how]


@pytest.mark.parametrize(("how", "column", "value", "words"), each_way(CHANGED))
def test_a_value_that_would_change_is_refused(
    how: str, column: str, value: str, words: str, session: codeanatomy.Session
) -> None:
    with pytest.raises(codeanatomy.Error) as refused:
        session.sql(statement(how, column, value))
    assert refused.value.code.name == "CONTRACT", refused.value
    assert str(refused.value).startswith(f"gate 'public.t': column '{column}': ") and words in str(refused.value)
    assert session.sql("SELECT * FROM t").to_pylist() == [{name: 1 if name == "k" else None for name in "kifmdtbwsl"}]


@pytest.mark.parametrize(("how", "column", "value", "there"), each_way(KEPT))
def test_a_value_that_stays_what_it_is(
    how: str, column: str, value: str, there: Any, session: codeanatomy.Session
) -> None:
    session.sql(statement(how, column, value))
    [row] = session.sql(f"SELECT {column} FROM t WHERE k = 2").to_pylist()
    assert row == {column: there}


@pytest.mark.parametrize("how", ["values", "select", "merge"])
def test_a_field_that_the_column_has_not(how: str, session: codeanatomy.Session) -> None:
    """It was dropped, but where VALUES says it: there the planner itself refuses."""
    with pytest.raises(codeanatomy.Error, match=r"\{x: 1, y: a, z: 3\} \(Struct\(|no valid cast exists"):
        session.sql(statement(how, "s", "named_struct('x', 1, 'y', 'a', 'z', 3)"))
    assert session.sql("SELECT count(*) AS n FROM t").to_pylist() == [{"n": 1}]


def test_a_parameter_is_a_value(session: codeanatomy.Session) -> None:
    for sql in ("INSERT INTO t (k, i) VALUES (3, $1)", "INSERT INTO t (k, i) SELECT 3, $1", "UPDATE t SET i = $1"):
        with pytest.raises(codeanatomy.Error, match=r"2.5 \(Float64\) would be another value as Int32"):
            session.sql(sql, [2.5])
    session.sql("INSERT INTO t (k, i) VALUES (3, $1)", [2.0])
    assert session.sql("SELECT i FROM t WHERE k = 3").to_pylist() == [{"i": 2}]


def test_values_within_a_query_have_their_own_types(session: codeanatomy.Session) -> None:
    """DataFusion 55 gives VALUES anywhere below an INSERT the table's types: 12.5 was 10, and two columns an error."""
    session.sql(
        "INSERT INTO t (k, f) SELECT 4 AS a, x * 10 AS b FROM (VALUES (1.25, 'a'), (7.5, 'b')) AS v(x, y) WHERE y = 'a'"
    )
    session.sql("INSERT INTO t (k, f) WITH v(x) AS (VALUES (1.25)) SELECT 5 AS a, x AS b FROM v")
    assert session.sql("SELECT f FROM t WHERE k > 3 ORDER BY k").to_pylist() == [{"f": 12.5}, {"f": 1.25}]


def test_prepared(session: codeanatomy.Session) -> None:
    session.sql("PREPARE add(DOUBLE, DOUBLE) AS INSERT INTO t (k, f) SELECT $1, x * $2 FROM (VALUES (1.25)) AS v(x)")
    session.sql("EXECUTE add(6, 2)")
    assert session.sql("SELECT f FROM t WHERE k = 6").to_pylist() == [{"f": 2.5}]
    with pytest.raises(codeanatomy.Error, match=r"column 'k': 6.5 \(Float64\) would be another value"):
        session.sql("EXECUTE add(6.5, 2)")


@pytest.mark.parametrize(
    "sql", ["INSERT INTO t (k, i) VALUES (3, $1)", "INSERT INTO t (k, i) SELECT 3, $1", "UPDATE t SET i = $1"]
)
def test_prepared_without_types(sql: str, session: codeanatomy.Session) -> None:
    """DataFusion 55 finds types by itself, and EXECUTE cuts what it is given to them."""
    session.sql(f"PREPARE give AS {sql}")
    with pytest.raises(codeanatomy.Error, match=r"2.5 \(Float64\) would be another value as Int32"):
        session.sql("EXECUTE give(2.5)")
    session.sql("EXECUTE give(2.0)")
    assert session.sql("SELECT max(i) AS i FROM t").to_pylist() == [{"i": 2}]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("INSERT INTO t SELECT 1", "Column count doesn't match"),
        ("INSERT INTO t (k, k) SELECT 1, 2", "duplicate"),
        ("INSERT INTO t (nope) SELECT 1", "No field named nope"),
        ("INSERT INTO t (k) SELECT nope FROM t", "No field named nope. (line 1, column 26)"),
        ("INSERT INTO nope SELECT 1", "nope"),
        ("INSERT INTO t (k, i) VALUES (1)", "Inconsistent data length"),
    ],
)
def test_mistakes_are_named_as_before(sql: str, words: str, session: codeanatomy.Session) -> None:
    with pytest.raises(codeanatomy.Error) as refused:
        session.sql(sql)
    assert refused.value.code.name == "ENGINE" and words in str(refused.value)
