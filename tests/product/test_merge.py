"""E1: SQL MERGE: a dataset's rows become what a join with other rows says, within its contract, or nothing changes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import capi
import pyarrow as pa
import pytest
import stored
from conftest import SHOP, Answer, Program
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

STOCK = """\
dataset: stock
version: 1
kind: table
doc: What lies where. One row a thing.
columns:
  - {name: sku,   type: utf8,  nullable: false, doc: "its number"}
  - {name: shelf, type: utf8,  nullable: true,  doc: "where it lies"}
  - {name: n,     type: int32, nullable: false, default: "1", doc: "how many there are"}
  - {name: size,  type: uint8, nullable: true,  doc: "stored as a wider number"}
  - {name: label, type: utf8,  nullable: true,  doc: "what is written on it"}
  - name: parts
    type: list
    nullable: false
    default: "make_array()"
    doc: what it is made of
    item: {type: struct, nullable: false, fields: [{name: of, type: utf8, nullable: false, doc: "material"}]}
keys: {primary: [sku], unique: [[label]]}
checks: {some: "n >= 0"}
views: {stock_parts: {unnest: parts, with: [sku], doc: "parts", checks: {named: "of <> ''"}}}
partition_by: [shelf]
storage: {format: delta}
evolution: {default: refuse}
"""
FOUR = (
    "INSERT INTO stock (sku, shelf, n, size, label, parts) VALUES ('a', 'left', 1, 200, 'A', [{of: 'oak'}]), "
    "('b', 'left', 2, NULL, 'B', []), ('c', NULL, 3, 3, NULL, []), ('d', 'right', 4, 4, NULL, [{of: 'tin'}])"
)
NEWS = "(VALUES ('b', 20, 'bee'), ('c', 0, NULL), ('x', 7, 'ex'), ('y', 8, NULL), (NULL, 9, NULL)) AS s (sku, n, label)"
ALL = "SELECT sku, n FROM stock ORDER BY sku"
BEFORE = {"a": 1, "b": 2, "c": 3, "d": 4}


@pytest.fixture(scope="module")
def built(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("merge")
    (folder / "own" / "relate").mkdir(parents=True)
    (folder / "own" / "relate" / "stock.yaml").write_text(STOCK)
    program.build(SHOP, folder / "store", "--datasets", str(folder / "own"), "--layers", "symtable")
    answer = sql(program, folder / "store", FOUR)
    assert answer.code == 0, answer.err
    return folder / "store"


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "store"))


def sql(program: Program, store: Path, *statements: str, args: tuple[str, ...] = ("--write",)) -> Answer:
    commands = [part for statement in statements for part in ("-c", statement)]
    return program.run("sql", "--store", store, "-q", "--format", "ndjson", *args, *commands)


def stock(store: Path) -> DeltaTable:
    [place] = (store / "tables" / "public" / "stock").iterdir()
    return DeltaTable(str(place))


MERGED = {
    "WHEN MATCHED THEN UPDATE SET n = s.n": (2, BEFORE | {"b": 20, "c": 0}),
    "WHEN MATCHED THEN DELETE": (2, {"a": 1, "d": 4}),
    "WHEN MATCHED AND s.n = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = t.n + s.n": (2, {"a": 1, "b": 22, "d": 4}),
    "WHEN MATCHED AND s.label IS NULL THEN UPDATE SET n = 50": (1, BEFORE | {"c": 50}),
    "WHEN NOT MATCHED AND s.sku = 'x' THEN INSERT (sku, n) VALUES (s.sku, s.n)": (1, BEFORE | {"x": 7}),
    "WHEN NOT MATCHED BY TARGET AND s.sku > 'x' THEN INSERT (sku) VALUES (s.sku)": (1, BEFORE | {"y": 1}),
    "WHEN NOT MATCHED AND s.sku IS NULL THEN INSERT (sku, n) VALUES ('null', s.n)": (1, BEFORE | {"null": 9}),
    "WHEN NOT MATCHED BY SOURCE THEN DELETE": (2, {"b": 2, "c": 3}),
    "WHEN NOT MATCHED BY SOURCE AND t.size = 4 THEN UPDATE SET n = t.n * 10": (1, BEFORE | {"d": 40}),
    "WHEN MATCHED AND false THEN DELETE": (0, BEFORE),
    "WHEN MATCHED AND NULL THEN DELETE": (0, BEFORE),
    "WHEN NOT MATCHED AND s.sku = 'x' THEN INSERT VALUES (s.sku, 'top', s.n, 255, s.label, [{of: 'ivy'}]) "
    "WHEN MATCHED THEN UPDATE SET n = s.n, label = s.label, shelf = 'right', parts = [{of: 'b'}, {of: 'c'}] "
    "WHEN NOT MATCHED BY SOURCE THEN DELETE": (5, {"b": 20, "c": 0, "x": 7}),
}


@pytest.mark.parametrize("clauses", MERGED)
def test_merge(clauses: str, program: Program, store: Path) -> None:
    """Every kind of clause; the first that holds is the row's; a null matches nothing."""
    n_rows, left = MERGED[clauses]
    answer = sql(program, store, f"MERGE INTO stock AS t USING {NEWS} ON t.sku = s.sku {clauses}", ALL)
    assert answer.code == 0, answer.err
    [changed, *found] = answer.rows()
    assert changed == {"count": n_rows}
    assert {row["sku"]: row["n"] for row in found} == left
    assert program.sql(store, ALL) == found
    assert program.run("verify", "--store", store, "-q", "stock").code == 0


def test_columns_that_no_clause_sets(program: Program, store: Path) -> None:
    """Nested columns, partitions, nulls and wider storage come through: of rows that change, and of those that stay."""
    merge = (
        f"MERGE INTO stock USING {NEWS} ON stock.sku = s.sku WHEN MATCHED THEN UPDATE SET shelf = s.label "
        "WHEN NOT MATCHED AND s.sku = 'y' THEN INSERT (sku, size, parts) VALUES (s.sku, 255, [{of: 'ivy'}])"
    )
    answer = sql(program, store, merge, "SELECT * FROM stock ORDER BY sku")
    assert answer.rows()[1:] == [
        {"sku": "a", "shelf": "left", "n": 1, "size": 200, "label": "A", "parts": [{"of": "oak"}]},
        {"sku": "b", "shelf": "bee", "n": 2, "size": None, "label": "B", "parts": []},
        {"sku": "c", "shelf": None, "n": 3, "size": 3, "label": None, "parts": []},
        {"sku": "d", "shelf": "right", "n": 4, "size": 4, "label": None, "parts": [{"of": "tin"}]},
        {"sku": "y", "shelf": None, "n": 1, "size": 255, "label": None, "parts": [{"of": "ivy"}]},
    ]
    assert stock(store).metadata().partition_columns == ["shelf"]


STOCK_REFUSED = "MERGE is refused on table 'public.stock':"
ONE = "MERGE INTO stock AS t USING {source} ON t.sku = s.sku "
TWICE = ONE.format(source="(VALUES ('a', 5), ('b', 6), ('a', 7)) AS s (sku, n)")
NEW = ONE.format(source="(VALUES ('x', 5), ('y', 6)) AS s (sku, n)")
REFUSED = {
    f"{TWICE} WHEN MATCHED THEN UPDATE SET n = s.n": (
        1, "MERGE of 'public.stock': two rows of the source match the row with (sku) = (a): leave one of them",
    ),
    f"{TWICE} WHEN MATCHED THEN DELETE": (
        1, "MERGE of 'public.stock': two rows of the source match the row with (sku) = (a): leave one of them",
    ),
    "MERGE INTO stock AS t USING (VALUES (1), (2)) AS s (n) ON true WHEN MATCHED THEN DELETE": (
        1, "MERGE of 'public.stock': two rows of the source match one row of the table: leave one of them",
    ),
    f"{NEW} WHEN NOT MATCHED THEN INSERT (sku) VALUES ('z')": (
        1, "gate 'public.stock': the primary key (sku) = (z) repeats in row 1",
    ),
    f"{NEW} WHEN NOT MATCHED AND s.n = 5 THEN INSERT (sku) VALUES ('a')": (
        1, "gate 'public.stock': the primary key (sku) = (a) is there already",
    ),
    f"{NEW} WHEN NOT MATCHED AND s.n = 5 THEN INSERT (sku, label) VALUES (s.sku, 'B')": (
        1, "gate 'public.stock': the unique key (label) = (B) is there already",
    ),
    f"{NEW} WHEN NOT MATCHED BY SOURCE THEN UPDATE SET label = 'L'": (
        1, "gate 'public.stock': the unique key (label) = (L) repeats in row 1",
    ),
    f"{NEW} WHEN NOT MATCHED THEN INSERT (sku, n) VALUES (s.sku, 0 - s.n)": (
        1, "gate 'public.stock': check 'some' fails in row 0: n >= 0",
    ),
    f"{NEW} WHEN NOT MATCHED AND s.n = 5 THEN INSERT (sku, parts) VALUES (s.sku, [{{of: ''}}])": (
        1, "gate 'public.stock': check 'named' fails in row 0, item 0 of 'parts': of <> ''",
    ),
    f"{NEW} WHEN NOT MATCHED AND s.n = 5 THEN INSERT (shelf) VALUES ('left')": (
        1, "gate 'public.stock': column 'sku' is null in row 0",
    ),
    f"{NEW} WHEN NOT MATCHED THEN INSERT (sku) VALUES (t.shelf)": (
        3, f"{STOCK_REFUSED} WHEN NOT MATCHED has no row of the table, and so no 'stock.shelf'",
    ),
    f"{NEW} WHEN NOT MATCHED BY SOURCE AND s.n = 1 THEN DELETE": (
        3, f"{STOCK_REFUSED} WHEN NOT MATCHED BY SOURCE has no row of the source, and so no 's.n'",
    ),
    f"{NEW} WHEN MATCHED AND s.n IN (SELECT 1) THEN DELETE": (
        3, f"{STOCK_REFUSED} it has a subquery",
    ),
    f"{NEW} WHEN MATCHED AND random() < 2 THEN DELETE": (
        3, f"{STOCK_REFUSED} it has a value that is another each time",
    ),
    f"{NEW} WHEN MATCHED THEN UPDATE SET n = 1, n = 2": (3, "Duplicate column 'n' in MERGE UPDATE"),
    "MERGE INTO stock_parts USING stock AS s ON stock_parts.sku = s.sku WHEN MATCHED THEN DELETE": (
        3, "MERGE is refused on table 'stock_parts': it is neither a dataset nor a Delta table",
    ),
    "MERGE INTO registry.datasets AS t USING stock AS s ON t.dataset_name = s.sku WHEN MATCHED THEN DELETE": (
        3, "MERGE is refused on table 'registry.datasets': its rows are made when they are read",
    ),
    f"{NEW} WHEN MATCHED AND t.colour = 2 THEN DELETE": (3, "No field named t.colour."),
    f"{NEW} WHEN MATCHED THEN UPDATE SET n = s.colour": (3, "No field named s.colour."),
    f"{NEW} WHEN MATCHED THEN UPDATE SET colour = 2": (3, "No field named colour."),
    f"{NEW} WHEN NOT MATCHED THEN INSERT (colour) VALUES (1)": (3, "No field named colour."),
    f"{NEW} WHEN MATCHED THEN INSERT (sku) VALUES ('q')": (3, "INSERT is not allowed in a MATCHED merge clause"),
    "EXPLAIN ANALYZE " + f"{NEW} WHEN MATCHED THEN DELETE": (3, "MERGE is refused on table 'public.stock'"),
}  # fmt: skip


@pytest.mark.parametrize("statement", REFUSED)
def test_merge_is_refused(statement: str, program: Program, built: Path) -> None:
    """E1, B11: what would break the contract, two matches of one row, and what has no meaning: nothing is written."""
    code, text = REFUSED[statement]
    version = stock(built).version()
    answer = sql(program, built, statement)
    assert (answer.code, text in answer.err) == (code, True), answer.err
    assert stock(built).version() == version
    assert {row["sku"]: row["n"] for row in program.sql(built, ALL)} == BEFORE


def test_read_only(program: Program, built: Path) -> None:
    answer = sql(program, built, f"{NEW} WHEN MATCHED THEN DELETE", args=())
    assert (answer.code, answer.err) == (3, "codeanatomy: Merge Into is refused: the session is read-only\n")


def test_what_a_merge_commits(program: Program, store: Path) -> None:
    """New rows alone are appended; a change writes the table anew, and its run says so; no change is no version."""
    before = stock(store)
    assert before.version() == 0
    add = f"{NEW} WHEN NOT MATCHED THEN INSERT (sku, n, shelf) VALUES (s.sku, s.n, 'left')"
    assert sql(program, store, add).rows() == [{"count": 2}]
    added = stock(store)
    assert added.version() == 1
    assert set(before.file_uris()) < set(added.file_uris())
    assert sql(program, store, add).rows() == [{"count": 0}]
    assert stock(store).version() == 1
    assert sql(program, store, f"{NEW} WHEN MATCHED THEN UPDATE SET n = 9").rows() == [{"count": 2}]
    entry = stored.entries(store)["public.stock"]
    assert (entry["data_version"], entry["n_rows"]) == (2, 6)
    assert not set(added.file_uris()) & set(stock(store).file_uris())
    assert program.sql(
        store, "SELECT data_version, n_rows FROM diagnostics.writes WHERE dataset_name = 'stock' ORDER BY data_version"
    ) == [{"data_version": 0, "n_rows": 4}, {"data_version": 1, "n_rows": 2}, {"data_version": 2, "n_rows": 6}]
    proofs = program.sql(store, "SELECT kind, status FROM registry.proofs WHERE dataset_name = 'stock'")
    assert {p["status"] for p in proofs if p["kind"] != "order"} == {"proved"}


def test_rows_of_nobody(program: Program, store: Path) -> None:
    """Decision 19: a version that no run names, as a killed writer leaves it, is neither read nor built on."""
    foreign = stock(store).to_pyarrow_table().slice(0, 1).set_column(0, "sku", [["foreign"]])
    write_deltalake(stock(store), foreign, mode="append", schema_mode="merge")
    answer = sql(program, store, f"{NEW} WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = 0 - t.n + 4", ALL)
    assert [row["n"] for row in answer.rows()[1:]] == [3, 2, 1, 0]


def test_dataset_without_rows(program: Program, built: Path, tmp_path: Path) -> None:
    """The first rows of a dataset that was never written, and of a table that DDL declares, may come by MERGE."""
    store = Path(shutil.copytree(built, tmp_path / "store"))
    made = f"CREATE EXTERNAL TABLE first (a INT, PRIMARY KEY (a)) STORED AS DELTATABLE LOCATION '{tmp_path}/first'"
    merge = (
        "MERGE INTO first USING (VALUES (1), (2)) AS s (a) ON first.a = s.a WHEN NOT MATCHED THEN INSERT VALUES (s.a)"
    )
    answer = sql(program, store, made, merge, merge, "SELECT count(*) AS n FROM first")
    assert answer.rows() == [{"count": 2}, {"count": 0}, {"n": 2}]


def test_parameters(program: Program, store: Path) -> None:
    """Values are bound in the clauses as in the source, by flags and by EXECUTE, and take the column's type."""
    merge = (
        "MERGE INTO stock AS t USING (SELECT $sku AS sku) AS s ON t.sku = s.sku "
        "WHEN MATCHED THEN UPDATE SET n = $n WHEN NOT MATCHED THEN INSERT (sku, n) VALUES (s.sku, $n)"
    )
    for sku in ("a", "z"):
        answer = sql(program, store, merge, args=("--write", "--param", f"sku={sku}", "--param", "n=70"))
        assert answer.rows() == [{"count": 1}], answer.err
    prepared = f"PREPARE m AS {merge.replace('$sku', '$1').replace('$n', '$2')}"
    answer = sql(program, store, prepared, "EXECUTE m('y', 71)", ALL)
    assert answer.code == 0, answer.err
    assert {row["sku"]: row["n"] for row in answer.rows() if "sku" in row} == BEFORE | {"a": 70, "z": 70, "y": 71}


# ---- against plain SQL ---------------------------------------------------------------------------------------------

COLUMNS = "id INT, p VARCHAR, v INT, tags INT[]"
ON = ("t.id = s.id", "t.id = s.id AND t.p = s.p", "t.id = s.id AND t.v > s.v", "t.id + 1 > s.id AND t.v = s.v")
OF_BOTH = (None, "s.v > 2", "t.v IS NULL", "t.p = s.p OR s.p IS NULL", "NULL")
OF_TABLE = (None, "t.v > 1", "t.p IS NULL", "t.id = 1 AND t.v = 0")
OF_SOURCE = (None, "s.v IS NOT NULL", "s.p = 'x'", "s.id > 1")
SETS: tuple[dict[str, str] | None, ...] = (
    None,
    {"v": "s.v"},
    {"v": "t.v + s.v", "tags": "s.tags"},
    {"id": "t.id + 10", "p": "s.p"},
)
SETS_OF_TABLE: tuple[dict[str, str] | None, ...] = (None, {"v": "t.v + 100"}, {"p": "'gone'", "tags": "[7, NULL]"})
NEW_ROWS: tuple[dict[str, str], ...] = (
    {"id": "s.id", "p": "s.p", "v": "s.v", "tags": "s.tags"},
    {"id": "s.id + 50", "v": "0"},
)
NAMES = ("id", "p", "v", "tags")
Clause = tuple[str, str | None, dict[str, str] | None]

small = st.sampled_from([None, 0, 1, 2, 3])
rows_of = st.lists(
    st.tuples(small, st.sampled_from([None, "x", "y"]), small, st.sampled_from([None, [], [1], [None, 2]])),
    min_size=2,
    max_size=5,
)
clauses_of = st.lists(
    st.one_of(
        st.tuples(st.just("MATCHED"), st.sampled_from(OF_BOTH), st.sampled_from(SETS)),
        st.tuples(st.just("NOT MATCHED"), st.sampled_from(OF_SOURCE), st.sampled_from(NEW_ROWS)),
        st.tuples(st.just("NOT MATCHED BY SOURCE"), st.sampled_from(OF_TABLE), st.sampled_from(SETS_OF_TABLE)),
    ),
    min_size=1,
    max_size=5,
)


def literal(row: tuple[Any, ...]) -> str:
    def value(v: Any) -> str:
        if isinstance(v, list):
            return f"make_array({', '.join(map(value, v))})" if v else "make_array()"
        return "NULL" if v is None else f"'{v}'" if isinstance(v, str) else str(v)

    types = ("INT", "VARCHAR", "INT", "INT[]")
    return f"({', '.join(f'CAST({value(v)} AS {t})' for v, t in zip(row, types, strict=True))})"


def action(clause: Clause) -> str:
    kind, predicate, columns = clause
    when = f"WHEN {kind}" + (f" AND {predicate}" if predicate else "")
    if columns is None:
        return f"{when} THEN DELETE"
    if kind == "NOT MATCHED":
        return f"{when} THEN INSERT ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"
    return f"{when} THEN UPDATE SET {', '.join(f'{name} = {value}' for name, value in columns.items())}"


def rewritten(table: str, source: str, on: str, clauses: list[Clause]) -> tuple[str, str]:
    """The rows after the statement and the number of changes, said without it: joins, anti-joins and a union."""
    origins = {
        "MATCHED": f"{table} AS t JOIN {source} AS s ON {on} WHERE true",
        "NOT MATCHED": f"{source} AS s WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {on})",
        "NOT MATCHED BY SOURCE": f"{table} AS t WHERE NOT EXISTS (SELECT 1 FROM {source} AS s WHERE {on})",
    }
    parts, changes = [], ["SELECT 0 AS n"]
    for kind, origin in origins.items():
        earlier = ""
        for _, predicate, columns in (clause for clause in clauses if clause[0] == kind):
            holds = f"{earlier} AND ({predicate or 'true'}) IS TRUE"
            stays = {name: "NULL" if kind == "NOT MATCHED" else f"t.{name}" for name in NAMES}
            changes.append(f"SELECT count(*) AS n FROM {origin}{holds}")
            if columns is not None:
                values = (f"{value} AS {name}" for name, value in (stays | columns).items())
                parts.append(f"SELECT {', '.join(values)} FROM {origin}{holds}")
            earlier += f" AND ({predicate or 'true'}) IS NOT TRUE"
        once = f"{table} AS t WHERE EXISTS (SELECT 1 FROM {source} AS s WHERE {on})"
        if kind != "NOT MATCHED":
            left = once if kind == "MATCHED" and not earlier else origin
            parts.append(f"SELECT {', '.join(f't.{name}' for name in NAMES)} FROM {left}{earlier}")
    return " UNION ALL ".join(parts), f"SELECT sum(n) AS n FROM ({' UNION ALL '.join(changes)})"


@pytest.fixture(scope="module")
def session() -> Iterator[capi.Session]:
    with capi.Session(writable=True) as opened:
        yield opened


def bag(rows: pa.Table) -> list[str]:
    return sorted(str([row[name] for name in NAMES]) for row in rows.to_pylist())


def test_merge_is_what_plain_sql_says(session: capi.Session, tmp_path: Path) -> None:
    """E1: over generated rows and clauses, nulls, duplicates, partitions and lists among them. Where a row of the table
    matches twice and a clause is for matches, the statement is refused and the table stays."""
    numbers = count()
    outcomes = {"changed": 0, "same": 0, "refused": 0}

    @settings(max_examples=120, deadline=None, database=None, derandomize=True)
    @given(st.just([]) | rows_of, st.just([]) | rows_of, st.sampled_from(ON), clauses_of)
    def check(table: list[Any], source: list[Any], on: str, clauses: list[Clause]) -> None:
        number = next(numbers)
        t, s = f"t{number}", f"s{number}"
        session.query(
            f"CREATE EXTERNAL TABLE {t} ({COLUMNS}) STORED AS DELTATABLE PARTITIONED BY (p) LOCATION '{tmp_path / t}'"
        )
        empty = literal((None, None, None, None))
        for name, given_rows in ((t, table), (s, source)):
            values = f"SELECT * FROM (VALUES {', '.join(map(literal, given_rows)) or empty}) AS v (id, p, v, tags)"
            values += "" if given_rows else " WHERE false"
            session.query(f"INSERT INTO {name} {values}" if name == t else f"CREATE TABLE {name} AS {values}")
        before = bag(session.query(f"SELECT * FROM {t}"))
        after, changes = rewritten(t, s, on, clauses)
        twice = session.rows(
            f"SELECT 1 FROM (SELECT *, row_number() OVER () AS r FROM {t}) AS t JOIN {s} AS s ON {on} "
            "GROUP BY r HAVING count(*) > 1"
        )
        merge = f"MERGE INTO {t} AS t USING {s} AS s ON {on} {' '.join(map(action, clauses))}"
        if twice and any(kind == "MATCHED" for kind, _, _ in clauses):
            outcomes["refused"] += 1
            with pytest.raises(capi.Refused, match="two rows of the source match the row with"):
                session.query(merge)
            assert bag(session.query(f"SELECT * FROM {t}")) == before, merge
        else:
            wanted, n_changes = bag(session.query(after)), session.rows(changes)[0]["n"]
            outcomes["changed" if n_changes else "same"] += 1
            assert session.rows(merge) == [{"count": n_changes}], merge
            assert bag(session.query(f"SELECT * FROM {t}")) == wanted, merge

    check()
    assert min(outcomes.values()) > 5, outcomes


def test_insert_if_absent_takes_a_source_with_duplicates(session: capi.Session, tmp_path: Path) -> None:
    """Rows that match stay as they are, once each, however many rows of the source match them."""
    session.query(f"CREATE EXTERNAL TABLE once (a INT, b INT) STORED AS DELTATABLE LOCATION '{tmp_path}/once'")
    session.query("INSERT INTO once VALUES (1, 10), (2, 20)")
    merge = (
        "MERGE INTO once USING (VALUES (1), (1), (3)) AS s (a) ON once.a = s.a "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.a, 0) WHEN NOT MATCHED BY SOURCE THEN UPDATE SET b = 21"
    )
    assert session.rows(merge) == [{"count": 2}]
    assert session.rows("SELECT a, b FROM once ORDER BY a") == [{"a": 1, "b": 10}, {"a": 2, "b": 21}, {"a": 3, "b": 0}]
