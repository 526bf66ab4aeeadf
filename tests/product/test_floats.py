"""NaN, of which the statistics of Parquet and Delta say nothing: filters, sorts and joins by a float answer as if no
statistics were kept, and these are asked where they can say something (B4, B10).

The oracle is Python: the engine orders a NaN beyond all numbers, on the side of its sign bit, and -0.0 equals 0.0."""

from __future__ import annotations

import itertools
import math
import operator
import random
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored
from conftest import SHOP, Program
from deltalake import write_deltalake
from listed import declare

NAN = float("nan")
MINUS_NAN = math.copysign(NAN, -1.0)
INF = float("inf")
NUMBERS = (-INF, -2.5, -1.0, -0.0, 0.0, 0.5, 1.0, 2.5, INF)
N_GROUPS = 40
N_IN_GROUP = 3
Value = float | None


def rank(value: float) -> tuple[float, float]:
    """Where the engine has it in its order."""
    return (math.copysign(1.0, value), 0.0) if math.isnan(value) else (0.0, value + 0.0)


def of_group(random_: random.Random) -> list[Value]:
    """A few neighbours, so that row groups differ, and something that statistics leave out."""
    at = random_.randrange(len(NUMBERS) - 1)
    near: list[Value] = [*NUMBERS[at : at + 2]]
    return [random_.choice([*near, *near, *near, NAN, MINUS_NAN, None]) for _ in range(N_IN_GROUP)]


def rows_of(seed: int) -> dict[int, Value]:
    random_ = random.Random(seed)
    values = itertools.chain.from_iterable(of_group(random_) for _ in range(N_GROUPS))
    return dict(enumerate(values))


ROWS = rows_of(7)
# Without NaN.
CLEAN = {i: None if value is None or math.isnan(value) else value for i, value in ROWS.items()}


def parquet(path: Path, rows: dict[int, Value], type_: pa.DataType) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"id": pa.array(rows, pa.int64()), "f": pa.array(rows.values(), type_)})
    bloom: Any = {"f": True}
    pq.write_table(
        table, path, row_group_size=N_IN_GROUP, write_page_index=True, use_dictionary=False, bloom_filter_options=bloom
    )
    return path


def opened(folder: Path, kind: str, rows: dict[int, Value]) -> capi.Session:
    """`t`: a file of many row groups that somebody else wrote, or a Delta table of many files."""
    word, format = ("float64", "delta") if kind == "delta" else (kind, "parquet")
    if format == "delta":
        for first in range(0, len(rows), 4 * N_IN_GROUP):
            some = range(first, min(first + 4 * N_IN_GROUP, len(rows)))
            part = {"id": pa.array(some, pa.int64()), "f": pa.array([rows[i] for i in some], pa.float64())}
            write_deltalake(str(folder / "files"), pa.table(part), mode="append")
    else:
        parquet(folder / "files" / "a.parquet", rows, pa.float64() if word == "float64" else pa.float32())
    own = declare(folder / "own", f"id int64, f {word}", folder / "files", format=format)
    return capi.Session(datasets=own, writable=True)


KINDS = ["float64", "float32", "delta"]


@pytest.fixture(scope="module", params=KINDS)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[capi.Session]:
    with opened(tmp_path_factory.mktemp("floats"), request.param, ROWS) as session:
        yield session


# ---- filters -------------------------------------------------------------------------------------------------------

# True, false, or unknown of a NULL.
Test = Callable[[Value], bool | None]
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "<>": operator.ne,
}
CONSTANTS = (*NUMBERS, 0.75, NAN, MINUS_NAN)


def literal(value: float) -> str:
    if math.isnan(value):
        return "'NaN'::double" if math.copysign(1.0, value) > 0 else "(-'NaN'::double)"
    return {-INF: "'-Infinity'::double", INF: "'Infinity'::double"}.get(value, repr(value))


def compares(word: str, constant: float) -> Test:
    return lambda value: None if value is None else OPERATORS[word](rank(value), rank(constant))


def negated(test: Test) -> Test:
    return lambda value: None if (known := test(value)) is None else not known


def both(a: Test, b: Test) -> Test:
    def test(value: Value) -> bool | None:
        known = {a(value), b(value)}
        return False if False in known else None if None in known else True

    return test


def either(a: Test, b: Test) -> Test:
    return negated(both(negated(a), negated(b)))


def among(constants: list[float]) -> Test:
    return lambda value: None if value is None else rank(value) in [rank(constant) for constant in constants]


def leaf(random_: random.Random) -> tuple[str, Test]:
    kind, word, constant = random_.randrange(6), random_.choice(list(OPERATORS)), random_.choice(CONSTANTS)
    if kind == 0:
        low, high = random_.sample(CONSTANTS, 2)
        return f"f BETWEEN {literal(low)} AND {literal(high)}", both(compares(">=", low), compares("<=", high))
    if kind == 1:
        listed = random_.sample(CONSTANTS, random_.randrange(1, 4))
        words, is_not = ", ".join(map(literal, listed)), random_.random() < 0.3
        return f"f {'NOT ' if is_not else ''}IN ({words})", negated(among(listed)) if is_not else among(listed)
    if kind == 2:
        is_null = random_.random() < 0.5
        return f"f IS {'' if is_null else 'NOT '}NULL", lambda value: (value is None) == is_null
    if kind == 3:
        swapped = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(word, word)
        return f"{literal(constant)} {swapped} f", compares(word, constant)
    return f"f {word} {literal(constant)}", compares(word, constant)


def predicate(random_: random.Random, depth: int = 3) -> tuple[str, Test]:
    kind = random_.choice(["and", "or", "not", "leaf", "leaf"]) if depth else "leaf"
    if kind == "leaf":
        return leaf(random_)
    if kind == "not":
        sql, test = predicate(random_, depth - 1)
        return f"NOT ({sql})", negated(test)
    (a, is_a), (b, is_b) = predicate(random_, depth - 1), predicate(random_, depth - 1)
    return f"({a}) {kind.upper()} ({b})", (both if kind == "and" else either)(is_a, is_b)


def ids(session: capi.Session, condition: str, table: str = "t") -> list[int]:
    return [row["id"] for row in session.rows(f"SELECT id FROM {table} WHERE {condition} ORDER BY id")]


def wanted(test: Test, rows: dict[int, Value]) -> list[int]:
    return [i for i, value in rows.items() if test(value)]


@pytest.mark.parametrize("word", OPERATORS)
def test_every_comparison(word: str, session: capi.Session) -> None:
    """B4, B10: with numbers, both infinities, both zeros and both NaN, and the opposite of each."""
    for constant in CONSTANTS:
        test = compares(word, constant)
        assert ids(session, f"f {word} {literal(constant)}") == wanted(test, ROWS), constant
        assert ids(session, f"NOT (f {word} {literal(constant)})") == wanted(negated(test), ROWS), constant


@pytest.mark.parametrize("seed", range(40))
def test_generated_predicates(seed: int, session: capi.Session) -> None:
    """B4, B10: conditions of conditions, a limit that row groups may fill, and a filter of another column."""
    sql, test = predicate(random.Random(seed))
    found = wanted(test, ROWS)
    assert ids(session, sql) == found, sql
    limited = session.rows(f"SELECT id FROM t WHERE {sql} LIMIT 5")
    assert len(limited) == min(5, len(found)) and {row["id"] for row in limited} <= set(found), sql
    assert ids(session, f"({sql}) AND id >= 60") == [i for i in found if i >= 60], sql


BOUNDS: dict[str, Test] = {
    "true": lambda _: True,
    "f >= -1 AND f <= 1": both(compares(">=", -1.0), compares("<=", 1.0)),
    "f < 2": compares("<", 2.0),
    "f > -2": compares(">", -2.0),
}


def order_of(is_down: bool, nulls_first: bool) -> str:
    return f"f {'DESC' if is_down else 'ASC'} NULLS {'FIRST' if nulls_first else 'LAST'}"


def first_ranks(values: list[Value], is_down: bool, nulls_first: bool) -> list[Any]:
    numbers = sorted((rank(value) for value in values if value is not None), reverse=is_down)
    nulls = [None] * (len(values) - len(numbers))
    return [*nulls, *numbers] if nulls_first else [*numbers, *nulls]


@pytest.mark.parametrize("bounds", BOUNDS)
def test_both_ends_of_an_order(bounds: str, session: capi.Session) -> None:
    """B4, B10: the rows in front by a float, in both directions, of all rows and of some."""
    kept = [ROWS[i] for i in wanted(BOUNDS[bounds], ROWS)]
    for is_down, nulls_first, limit in itertools.product((False, True), (False, True), (1, 4, 17)):
        order = order_of(is_down, nulls_first)
        found = session.rows(f"SELECT f FROM t WHERE {bounds} ORDER BY {order} LIMIT {limit}")
        ranks = [None if row["f"] is None else rank(row["f"]) for row in found]
        assert ranks == first_ranks(kept, is_down, nulls_first)[:limit], order


@pytest.mark.parametrize("keys", [[1.0], [-1.0, 1.0], [2.5, NAN], [MINUS_NAN, 0.5], [0.0]], ids=str)
def test_joins(keys: list[float], session: capi.Session) -> None:
    """B4, B10: a join tells the other side its smallest and largest key while it runs."""
    few = ", ".join(f"({literal(key)})" for key in keys)
    joined = session.rows(f"SELECT t.id FROM t JOIN (VALUES {few}) AS few(k) ON t.f = few.k ORDER BY t.id")
    assert [row["id"] for row in joined] == wanted(among(keys), ROWS)


# ---- what is read --------------------------------------------------------------------------------------------------


def read_groups(session: capi.Session, query: str) -> int:
    """Row groups that statistics leave."""
    [report] = session.rows(f"EXPLAIN ANALYZE {query}")
    found = re.search(r"row_groups_pruned_statistics=(\d+) total → (\d+) matched", report["plan"])
    assert found, report["plan"]
    return int(found[2])


@pytest.mark.parametrize("session", ["float64"], indirect=True)
def test_statistics_are_asked_where_no_nan_can_be(session: capi.Session) -> None:
    """B4: of equality, and of ranges with two ends; what has one end may hold of a NaN."""
    for condition in ("f = 1", "1 = f", "f IN (1, 2.5)", "f BETWEEN 0.6 AND 0.7", "f > 0.6 AND f <= 0.7", "f = 0"):
        assert read_groups(session, f"SELECT id FROM t WHERE {condition}") < N_GROUPS, condition
    for condition in ("f > 0.6", "f < 0.6", "f <> 1", "f = 'NaN'::double", "f = 1 OR f > 2", "f BETWEEN 0 AND 'NaN'"):
        assert read_groups(session, f"SELECT id FROM t WHERE {condition}") == N_GROUPS, condition


def test_a_writer_that_took_nan_for_the_smallest_value(tmp_path: Path) -> None:
    """B10: one that begins with the first value, than which, if it is NaN, nothing is smaller or larger."""
    number, nan = struct.pack("<d", 1234.5), struct.pack("<d", NAN)
    path = tmp_path / "files" / "a.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"id": pa.array([0, 1], pa.int64()), "f": pa.array([NAN, 1234.5], pa.float64())}), path)
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert data[footer:].count(number) >= 2
    path.write_bytes(data[:footer] + data[footer:].replace(number, nan))
    own = declare(tmp_path / "own", "id int64, f float64", path.parent)
    with capi.Session(datasets=own) as session:
        for condition in ("f = 1234.5", "f BETWEEN 1000 AND 2000", "f IN (1, 1234.5)"):
            assert ids(session, condition) == [1]


# ---- a look at files -----------------------------------------------------------------------------------------------


def assert_answers(session: capi.Session, rows: dict[int, Value], table: str) -> None:
    """Each comparison, and the first rows of each order."""
    for word, constant in itertools.product(OPERATORS, CONSTANTS):
        condition = f"f {word} {literal(constant)}"
        assert ids(session, condition, table) == wanted(compares(word, constant), rows), condition
    for is_down, nulls_first in itertools.product((False, True), (False, True)):
        order = order_of(is_down, nulls_first)
        found = session.rows(f"SELECT f FROM {table} ORDER BY {order} LIMIT 40")
        ranks = [None if row["f"] is None else rank(row["f"]) for row in found]
        assert ranks == first_ranks(list(rows.values()), is_down, nulls_first)[:40], order


@pytest.mark.parametrize("kind", KINDS)
def test_a_look_lets_statistics_say_all(kind: str, tmp_path: Path) -> None:
    """B4, B10: of files in which no NaN was found statistics answer ranges with one end, in the first query too."""
    with opened(tmp_path, kind, CLEAN) as session:
        for condition in ("f > 'Infinity'::double", "f < '-Infinity'::double"):
            assert read_groups(session, f"SELECT id FROM t WHERE {condition}") == 0, condition
        assert_answers(session, CLEAN, "t")


def declared_files(folder: Path, scan: str = "") -> Path:
    return declare(folder / "own", "id int64, f float64", folder / "files", scan=scan)


@pytest.mark.parametrize("name", ["a.parquet", "b.parquet"])
def test_another_file_is_looked_at_again(name: str, tmp_path: Path) -> None:
    """B10: what was found is of a file by its size and time: one in its place, or beside it, is another."""
    parquet(tmp_path / "files" / "a.parquet", CLEAN, pa.float64())
    with capi.Session(datasets=declared_files(tmp_path)) as session:
        assert ids(session, "f > 2.5") == wanted(compares(">", 2.5), CLEAN)
        parquet(tmp_path / "files" / name, {1000: 1.0, 1001: NAN, 1002: MINUS_NAN}, pa.float64())
        more = wanted(compares(">", 2.5), CLEAN) if name != "a.parquet" else []
        assert ids(session, "f > 2.5") == [*more, 1001]
        assert ids(session, "f < -1e308 AND f > -'Infinity'::double OR f < -'Infinity'::double") == [1002]
        assert session.rows("SELECT id FROM t ORDER BY f DESC NULLS LAST LIMIT 1") == [{"id": 1001}]


def bytes_read(session: capi.Session, query: str) -> int:
    """By this process, which runs the query."""

    def so_far() -> int:
        [line] = [line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("rchar")]
        return int(line.split()[1])

    before = so_far()
    session.rows(query)
    return so_far() - before


@pytest.mark.parametrize(
    ("query", "is_looked_at"),
    [
        ("SELECT id FROM t WHERE f > 1e9", True),
        ("SELECT id FROM t ORDER BY f DESC LIMIT 1", True),
        ("SELECT id FROM t WHERE f > 0 AND id = 7", False),
        ("SELECT id FROM t WHERE f > 0 LIMIT 7", False),
        ("SELECT id FROM t WHERE id = 7 ORDER BY f LIMIT 1", False),
        ("SELECT id, f FROM t ORDER BY id, f LIMIT 1", False),
        ("SELECT id FROM t WHERE f BETWEEN 1e9 AND 2e9", False),
    ],
)
def test_where_a_look_pays(query: str, is_looked_at: bool, tmp_path: Path) -> None:
    """B4: where every row would be held against the filter anyway; once a session, unless nothing is cached."""
    n = 200_000
    path = tmp_path / "files" / "a.parquet"
    path.parent.mkdir()
    random_ = random.Random(1)
    table = pa.table({"id": pa.array(range(n), pa.int64()), "f": pa.array([random_.random() for _ in range(n)])})
    pq.write_table(table, path, row_group_size=1000, compression="none", use_dictionary=False)
    column = 8 * n
    for is_kept, scan in ((True, ""), (False, "cache: false")):
        with capi.Session(datasets=declared_files(tmp_path, scan), writable=True) as session:
            # So that the second part of the file is not begun before the first has anything to say of it.
            session.rows("SET datafusion.execution.target_partitions = 1")
            is_read = [bytes_read(session, query) > column for _ in range(2)]
        assert is_read == [is_looked_at, is_looked_at and not is_kept], scan


# ---- checks that prove a column has no NaN -------------------------------------------------------------------------

READINGS = """\
dataset: readings
version: 1
kind: table
doc: Readings. One row a reading.
columns:
  - {{name: id, type: int64, nullable: false, doc: "number"}}
  - {{name: f, type: float64, nullable: true, doc: "what was read"}}
keys: {{primary: [id]}}
checks: {{{checks}}}
evolution: {{default: refuse}}
"""


def build(program: Program, root: Path, checks: str) -> Path:
    folder = root / "datasets" / "normalize"
    folder.mkdir(parents=True)
    (folder / "readings.yaml").write_text(READINGS.format(checks=checks))
    rows = ", ".join(f"({i}, {'NULL' if value is None else literal(value)})" for i, value in CLEAN.items())
    select = f"SELECT CAST(column1 AS BIGINT) AS id, CAST(column2 AS DOUBLE) AS f\nFROM (VALUES {rows})\n"
    (folder / "readings.sql").write_text(f"-- Which readings are there? One row a reading.\n{select}")
    program.build(SHOP, root / "store", "--datasets", str(root / "datasets"))
    return root / "store"


@pytest.fixture(scope="module")
def proved(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(program, tmp_path_factory.mktemp("proved"), 'f: "NOT isnan(f)"')


def test_a_proved_check_lets_statistics_say_all(proved: Path) -> None:
    """B10: the gate proved that there is no NaN, so a range with one end is answered from statistics."""
    with capi.Session(proved) as session:
        for condition in ("f > 'Infinity'::double", "f < '-Infinity'::double"):
            assert read_groups(session, f"SELECT id FROM readings WHERE {condition}") == 0
        assert_answers(session, CLEAN, "readings")


def test_a_nan_in_other_files_is_found(program: Program, proved: Path, tmp_path: Path) -> None:
    """B10: the proof is one of the files that were written; of others, put in their place, nothing is believed."""
    store = Path(shutil.copytree(proved, tmp_path / "store", symlinks=True))
    table = store / stored.entries(store)["public.readings"]["location"]
    shutil.rmtree(table)
    columns = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("f", pa.float64())])
    rows = [{"id": 1, "f": 1.0}, {"id": 2, "f": NAN}, {"id": 3, "f": MINUS_NAN}]
    write_deltalake(str(table), pa.Table.from_pylist(rows, schema=columns))
    assert program.sql(store, "SELECT id FROM readings WHERE f > 1e308") == [{"id": 2}]
    assert program.sql(store, "SELECT id FROM readings WHERE f < -1e308") == [{"id": 3}]
    assert program.run("verify", "--store", store, "readings").code == 1
    assert program.sql(store, "SELECT id FROM readings WHERE f > 1e308") == [{"id": 2}]


@pytest.mark.parametrize(
    ("checks", "is_known"),
    [
        ("low: \"f >= '-Infinity'::double\", high: \"'Infinity'::double >= f\"", True),
        ("f: \"id >= 0 AND f BETWEEN '-Infinity'::double AND 1.0::double / 0\"", True),
        ("high: \"f <= 'Infinity'::double\"", False),
        ('f: "NOT isnan(f) OR id < 1000"', False),
        ('f: "f = f"', False),
    ],
)
def test_which_checks_say_so(checks: str, is_known: bool, program: Program, tmp_path: Path) -> None:
    """B10: those that are false of every NaN, by what they mean; all of them together."""
    with capi.Session(build(program, tmp_path, checks)) as session:
        # Beside another filter nobody looks for NaN.
        n_read = read_groups(session, "SELECT id FROM readings WHERE f > 'Infinity'::double AND id >= 0")
        assert n_read == (0 if is_known else 1)
