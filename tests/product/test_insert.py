"""B1, E1: INSERT into every kind of storage that takes rows: the contract holds for them or nothing is written."""

from __future__ import annotations

import datetime
import decimal
import json
import re
import threading
from pathlib import Path
from typing import Any

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SHOP, Program
from deltalake import DeltaTable
from listed import Files, declare

FILES = ["parquet", "arrow", "csv", "ndjson"]
KINDS = [*FILES, "memory"]
COLUMNS = "a int64 not null, b utf8, c int32 default 7"
RULES = "keys: {primary: [a], unique: [[b], [c, b]]}\nchecks: {positive: 'a > 0'}"
ALL = "SELECT a, b, c FROM t ORDER BY a"
ONE = {"a": 1, "b": "x", "c": 7}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of a test are."""
    place = tmp_path / "files"
    place.mkdir()
    return place


def session(tmp_path: Path, kind: str, folder: Path, columns: str = COLUMNS, **more: str) -> capi.Session:
    location = None if kind == "memory" else f"{folder}/"
    own = declare(tmp_path / "own", columns, location, format=kind, **more)
    return capi.Session(datasets=own, writable=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def refusal(s: capi.Session, sql: str) -> tuple[str, str]:
    with pytest.raises(capi.Refused) as refused:
        s.query(sql)
    return refused.value.status, refused.value.message


# ---- what is inserted ----------------------------------------------------------------------------------------------


def test_rows_are_there_with_their_defaults(kind: str, folder: Path, tmp_path: Path) -> None:
    """B1: each INSERT of a listing is one more file of the table; what it reads may be the table itself."""
    with session(tmp_path, kind, folder, more=RULES) as s:
        assert s.rows("INSERT INTO t (a, b) VALUES (1, 'x')") == [{"count": 1}]
        assert s.rows("INSERT INTO t SELECT a + 1, b || 'y', c + 1 FROM t") == [{"count": 1}]
        assert s.rows(ALL) == [ONE, {"a": 2, "b": "xy", "c": 8}]
        assert s.rows("INSERT INTO t SELECT a + 10, 'z', 1 FROM t WHERE a < 0") == [{"count": 0}]
        if kind == "memory":
            assert s.rows("INSERT OVERWRITE t SELECT a + 1, b, c FROM t WHERE a = 1") == [{"count": 1}]
            assert s.rows(ALL) == [ONE | {"a": 2}]
        else:
            assert [Path(name).suffix for name in content(folder)] == [f".{kind}"] * 2
    with session(tmp_path, kind, folder, more=RULES) as s:
        assert s.rows("SELECT count(*) AS n FROM t") == [{"n": 0 if kind == "memory" else 2}]


def test_delta_location_without_a_table(folder: Path, tmp_path: Path) -> None:
    """B1, E1: the first INSERT makes the Delta table of a location, from the contract; before that, whatever reads it
    says dataset, path and what to do."""
    place = folder / "not" / "yet"
    own = declare(tmp_path / "own", COLUMNS, str(place), format="delta", more=RULES)
    said = f"no Delta table at '{place}': make it, or say in the contract where it is"
    with capi.Session(datasets=own, writable=True) as s:
        merge = "MERGE INTO t USING (VALUES (1)) AS s (a) ON t.a = s.a WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)"
        for statement in (
            ALL,
            "UPDATE t SET c = 1",
            "DELETE FROM t WHERE a = 1",
            merge,
            "INSERT INTO t SELECT * FROM t",
        ):
            status, message = refusal(s, statement)
            assert status == "CA_ERR_NOT_FOUND" and message.endswith(f"table 'public.t': {said}"), message
        assert s.rows("SELECT health, reason FROM registry.health WHERE dataset_name = 't'") == [
            {"health": "missing", "reason": said}
        ]
        assert not place.exists()
        assert refusal(s, "INSERT INTO t VALUES (2, 'y', 1), (2, 'z', 1)")[0] == "CA_ERR_CONTRACT"
        assert s.rows("INSERT INTO t (a, b) VALUES (1, 'x')") == [{"count": 1}]
        assert s.rows(merge) == [{"count": 0}]
        assert refusal(s, "INSERT INTO t VALUES (1, 'y', 1)")[1].endswith("the primary key (a) = (1) is there already")
        assert s.rows(ALL) == [ONE]
    schema = DeltaTable(str(place)).schema()
    assert [(f.name, f.nullable) for f in schema.fields] == [("a", False), ("b", True), ("c", True)]


REFUSED = {
    "VALUES (NULL, 'y', 1)": "column 'a' is null in row 0",
    "VALUES (2, 'y', 1), (-3, 'z', 1)": "check 'positive' fails in row 1: a > 0",
    "VALUES (2, 'y', 1), (2, 'z', 1)": "the primary key (a) = (2) repeats in row 1",
    "VALUES (1, 'y', 1)": "the primary key (a) = (1) is there already",
    "VALUES (2, 'y', 1), (3, 'y', 2)": "the unique key (b) = (y) repeats in row 1",
    "VALUES (2, 'x', 1)": "the unique key (b) = (x) is there already",
}


@pytest.mark.parametrize("values", REFUSED)
def test_a_contract_holds_or_nothing_is_written(kind: str, values: str, folder: Path, tmp_path: Path) -> None:
    """B1, E1: NOT NULL, checks and keys of every row, among themselves and with those that are there."""
    with session(tmp_path, kind, folder, more=RULES) as s:
        s.query("INSERT INTO t (a, b) VALUES (1, 'x')")
        before = content(folder)
        assert refusal(s, f"INSERT INTO t {values}") == ("CA_ERR_CONTRACT", f"gate 'public.t': {REFUSED[values]}")
        assert content(folder) == before
        assert s.rows(ALL) == [ONE]


def test_a_value_that_does_not_fit_is_refused(kind: str, folder: Path, tmp_path: Path) -> None:
    with session(tmp_path, kind, folder) as s:
        status, message = refusal(s, "INSERT INTO t SELECT 1, 'x', 3000000000")
        assert status == "CA_ERR_CONTRACT" and "gate 'public.t': column 'c'" in message and "3000000000" in message
        assert (
            content(folder) == {} and s.rows("SELECT count(*) AS n FROM t") == [{"n": 0}] if kind == "memory" else True
        )


def test_other_changes_are_refused(kind: str, folder: Path, tmp_path: Path) -> None:
    with session(tmp_path, kind, folder) as s:
        s.query("INSERT INTO t (a, b) VALUES (1, 'x')")
        where = (
            "in memory, and INSERT is what changes them" if kind == "memory" else "files, and INSERT INTO adds new ones"
        )
        merge = "MERGE INTO t USING (VALUES (1)) AS s (a) ON t.a = s.a WHEN MATCHED THEN DELETE"
        for what, sql in {"UPDATE": "UPDATE t SET a = 2", "DELETE": "DELETE FROM t", "MERGE": merge}.items():
            said = f"{what} is refused on table 'public.t': its rows are {where}"
            assert refusal(s, sql) == ("CA_ERR_REFUSED", said)
        if kind != "memory":
            assert (
                "INSERT OVERWRITE is refused on table 'public.t'"
                in refusal(s, "INSERT OVERWRITE t VALUES (2, 'y', 1)")[1]
            )
        assert s.rows(ALL) == [ONE]


def test_what_memory_holds_is_counted(tmp_path: Path, folder: Path) -> None:
    """Rows in memory are the session's, within its limit."""
    with session(tmp_path, "memory", folder) as s:
        s.query("SET datafusion.runtime.memory_limit = '64M'")
        many = "INSERT INTO t SELECT value, repeat('x', 1000) || value, 1 FROM generate_series(1, 100000)"
        assert refusal(s, many)[0] == "CA_ERR_RESOURCES"
        assert s.rows("SELECT count(*) AS n FROM t") == [{"n": 0}]


def test_registry_says_how_rows_in_memory_are_proved(tmp_path: Path, folder: Path) -> None:
    proofs = "SELECT kind, status, method FROM registry.proofs WHERE dataset_name = 't' ORDER BY kind"
    with session(tmp_path, "memory", folder, more=RULES + "\norder: [a]") as s:
        kinds = ["check", "not_null", "order", "primary_key", "unique", "unique"]
        assert s.rows(proofs) == [{"kind": kind, "status": "proved", "method": "empty"} for kind in kinds]
        s.query("INSERT INTO t (a, b) VALUES (1, 'x')")
        assert s.rows(proofs) == [
            {"kind": kind, "status": "unproved", "method": None}
            if kind == "order"
            else {"kind": kind, "status": "proved", "method": "gate"}
            for kind in kinds
        ]


# ---- types ---------------------------------------------------------------------------------------------------------

# A value of each type at its edge, in SQL, and what it is.
DAY = datetime.date(2024, 2, 29)
TIME = datetime.datetime(2024, 2, 29, 1, 2, 3)
MONEY = decimal.Decimal("12345678.90")
TYPES: dict[str, tuple[str, Any]] = {
    "bool": ("true", True),
    "int8": ("-128", -128),
    "int16": ("-32768", -32768),
    "int32": ("-2147483648", -(1 << 31)),
    "int64": ("-9223372036854775808", -(1 << 63)),
    "uint8": ("255", 255),
    "uint16": ("65535", 65535),
    "uint32": ("4294967295", (1 << 32) - 1),
    "uint64": ("arrow_cast('18446744073709551615', 'UInt64')", (1 << 64) - 1),
    "float16": ("arrow_cast(1.5, 'Float16')", 1.5),
    "float32": ("0.1", 0.10000000149011612),
    "float64": ("0.1", 0.1),
    "utf8": ("'a,\"b\"\\'", 'a,"b"\\'),
    "large_utf8": ("'x'", "x"),
    "utf8_view": ("'x'", "x"),
    "binary": ("X'00ff'", b"\x00\xff"),
    "large_binary": ("X'00ff'", b"\x00\xff"),
    "binary_view": ("X'00ff'", b"\x00\xff"),
    "date32": ("'2024-02-29'", DAY),
    "date64": ("'2024-02-29'", DAY),
    "time32_s": ("CAST('01:02:03' AS TIME)", TIME.time()),
    "time64_us": ("arrow_cast(1000001, 'Time64(Microsecond)')", datetime.time(0, 0, 1, 1)),
    "timestamp_s": ("'2024-02-29T01:02:03'", TIME),
    "timestamp_ms": ("'2024-02-29T01:02:03.004'", TIME.replace(microsecond=4000)),
    "timestamp_us": ("'2024-02-29T01:02:03.000004'", TIME.replace(microsecond=4)),
    "timestamp_ns": ("'2024-02-29T01:02:03.000000004'", 1709168523000000004),
    "timestamp_us, zone: UTC": (
        "'2024-02-29T01:02:03.000004Z'",
        TIME.replace(microsecond=4, tzinfo=datetime.UTC),
    ),
    "duration_ms": ("arrow_cast(1001, 'Duration(Millisecond)')", datetime.timedelta(milliseconds=1001)),
    "interval_month_day_nano": ("INTERVAL '1 month 2 days'", pa.MonthDayNano([1, 2, 0])),
    "decimal128, precision: 10, scale: 2": ("12345678.90", MONEY),
    "decimal256, precision: 40, scale: 2": ("12345678.90", MONEY),
    "fixed_size_binary, size: 2": ("arrow_cast(X'00ff', 'FixedSizeBinary(2)')", b"\x00\xff"),
    "dictionary, index: int8, value: {type: utf8}": ("'x'", "x"),
    "list, item: {type: int32, nullable: true}": ("[1, NULL, 3]", [1, None, 3]),
    "large_list, item: {type: int32, nullable: true}": ("[1, NULL, 3]", [1, None, 3]),
    "struct, fields: [{name: x, type: int32, nullable: true, doc: d}]": ("named_struct('x', 1)", {"x": 1}),
    "map, key: {type: utf8}, value: {type: int32, nullable: true}": ("map(['k'], [1])", [("k", 1)]),
}
# What the engine's reader or writer of a format cannot.
NOT_IN: dict[str, set[str]] = {
    "memory": set(),
    "arrow": set(),
    "parquet": {"interval_month_day_nano"},
    "csv": {
        "binary", "binary_view", "large_binary", "fixed_size_binary", "large_utf8", "duration_ms",
        "interval_month_day_nano", "list", "large_list", "struct", "map",
    },
    "ndjson": {"uint64", "dictionary", "duration_ms", "interval_month_day_nano"},
}  # fmt: skip


@pytest.mark.parametrize("type", TYPES)
def test_each_type_comes_back_as_it_was_given(kind: str, type: str, folder: Path, tmp_path: Path) -> None:
    """B1: in each format a value and a null are what they were, or the statement is refused and no file is left."""
    with session(tmp_path, kind, folder, f"  - {{name: a, nullable: true, doc: d, type: {type}}}") as s:
        sql, value = TYPES[type]
        insert = f"INSERT INTO t VALUES ({sql}), (NULL)"
        if type.partition(",")[0] in NOT_IN[kind]:
            status, message = refusal(s, insert)
            assert status == "CA_ERR_CONTRACT"
            assert message.startswith(f"gate 'public.t': {kind} does not keep these rows: ")
            assert content(folder) == {}
            return
        s.query(insert)
        column = s.query("SELECT a FROM t")["a"]
        # Python's times have no nanoseconds.
        got = (column.cast(pa.int64()) if type == "timestamp_ns" else column).to_pylist()
        assert got == [value, None]


LOSSY = {
    ("csv", "utf8", "''"): "an empty text is a null there",
    ("ndjson", "float64", "CAST('NaN' AS DOUBLE)"): "no such number in JSON",
    ("ndjson", "float64", "CAST('inf' AS DOUBLE)"): "no such number in JSON",
    ("ndjson", "list, item: {type: float64, nullable: true}", "[1.0, CAST('NaN' AS DOUBLE)]"): "nor inside",
}


@pytest.mark.parametrize(("kind", "type", "value"), LOSSY)
def test_a_value_that_a_format_has_no_word_for(kind: str, type: str, value: str, folder: Path, tmp_path: Path) -> None:
    """The engine's own sinks write these without a word, and other values come back."""
    with session(tmp_path, kind, folder, f"  - {{name: a, nullable: true, doc: d, type: {type}}}") as s:
        said = f"gate 'public.t': {kind} does not keep these rows: column 'a' comes back with other values"
        assert refusal(s, f"INSERT INTO t VALUES ({value})") == ("CA_ERR_CONTRACT", said)
        assert content(folder) == {}


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FILES)
def test_partitions(format: str, folder: Path, tmp_path: Path) -> None:
    """B1, B4: a file a partition, in directories of the contract's order; the values come back whatever is in them."""
    columns = "a int64 not null, p utf8 not null, b utf8, n int32 not null"
    with session(tmp_path, format, folder, columns, more="partition_by: [n, p]\nkeys: {primary: [a, p]}") as s:
        s.query("INSERT INTO t VALUES (1, 'x', 'b', 1), (2, 'a/b c=%', NULL, 1), (3, 'x', 'c', 1)")
        s.query("INSERT INTO t VALUES (4, 'x', 'd', -2)")
        assert sorted({name.rpartition("/")[0] for name in content(folder)}) == [
            "n=-2/p=x", "n=1/p=a%2Fb c=%25", "n=1/p=x",
        ]  # fmt: skip
        assert s.rows("SELECT * FROM t ORDER BY a") == [
            {"a": 1, "p": "x", "b": "b", "n": 1},
            {"a": 2, "p": "a/b c=%", "b": None, "n": 1},
            {"a": 3, "p": "x", "b": "c", "n": 1},
            {"a": 4, "p": "x", "b": "d", "n": -2},
        ]
        assert "primary key (a, p) = (3, x) is there already" in refusal(s, "INSERT INTO t VALUES (3, 'x', '', 9)")[1]


def test_a_directory_has_no_name_for_null(folder: Path, tmp_path: Path) -> None:
    """The engine's own sink writes whatever lies under the null."""
    with session(tmp_path, "parquet", folder, "a int64, p utf8", more="partition_by: [p]") as s:
        said = "gate 'public.t': column 'p' is null in row 1"
        assert refusal(s, "INSERT INTO t VALUES (1, 'x'), (2, NULL)") == ("CA_ERR_CONTRACT", said)
        assert content(folder) == {}


@pytest.mark.parametrize("how", ["contract", "ddl"])
def test_texts_that_a_delta_partition_does_not_keep(how: str, folder: Path, tmp_path: Path) -> None:
    """B1, E1: the log of a Delta table reads two texts of a partition column as null. A row with one, once committed,
    made a table that could neither be read nor written any more."""
    with session(tmp_path, "delta", folder, "a int64 not null, p utf8 not null", more="partition_by: [p]") as s:
        table = "t"
        if how == "ddl":
            s.query(
                "CREATE EXTERNAL TABLE e (a BIGINT NOT NULL, p VARCHAR NOT NULL) STORED AS DELTATABLE "
                f"PARTITIONED BY (p) LOCATION '{folder}/e'"
            )
            table = "e"
        s.query(f"INSERT INTO {table} VALUES (1, 'x'), (2, ' '), (3, 'NULL'), (4, 'a/b=c%25')")
        said = "check 'partition p' fails in row {}: \"p\" NOT IN ('', '__HIVE_DEFAULT_PARTITION__')"
        merge = f"MERGE INTO {table} USING (VALUES (9)) AS v (a) ON {table}.a = v.a WHEN NOT MATCHED THEN INSERT "
        for statement, row in {
            f"INSERT INTO {table} VALUES (5, 'y'), (6, '')": 1,
            f"INSERT INTO {table} VALUES (5, '__HIVE_DEFAULT_PARTITION__')": 0,
            f"UPDATE {table} SET p = '' WHERE a = 1": 0,
            merge + "(a, p) VALUES (v.a, '')": 0,
        }.items():
            status, message = refusal(s, statement)
            assert status == "CA_ERR_CONTRACT" and message.endswith(said.format(row)), message
        s.query(f"INSERT INTO {table} VALUES (5, 'y')")
        assert [r["p"] for r in s.rows(f"SELECT p FROM {table} ORDER BY a")] == ["x", " ", "NULL", "a/b=c%25", "y"]


def test_storage_and_scan_options_are_the_new_files_too(folder: Path, tmp_path: Path) -> None:
    """B4: what a contract says of its files holds for those that INSERT makes."""
    more = {"storage": "compression: zstd(3), row_group_bytes: 65536", "scan": "file_extension: .data.parquet"}
    with session(tmp_path, "parquet", folder, **more) as s:
        s.query("INSERT INTO t SELECT value, md5(CAST(value AS VARCHAR)), 1 FROM generate_series(1, 100000)")
        [file] = folder.iterdir()
        assert file.name.endswith(".data.parquet")
        metadata = pq.ParquetFile(file).metadata
        assert metadata.row_group(0).column(0).compression == "ZSTD"
        assert metadata.num_row_groups > 10 and metadata.num_rows == 100000
        assert s.rows("SELECT count(DISTINCT b) AS n FROM t") == [{"n": 100000}]


def test_a_text_file_is_written_as_it_is_read(folder: Path, tmp_path: Path) -> None:
    options = "compression: gzip, properties: {format.delimiter: ';', format.has_header: 'false'}"
    with session(tmp_path, "csv", folder, storage=options) as s:
        s.query("INSERT INTO t VALUES (1, 'x;y', 2)")
        [file] = folder.iterdir()
        assert file.name.endswith(".csv.gz") and file.read_bytes()[:2] == b"\x1f\x8b"
        assert s.rows(ALL) == [{"a": 1, "b": "x;y", "c": 2}]


@pytest.mark.parametrize("format", FILES)
def test_files_are_written_in_the_order_of_the_table(format: str, folder: Path, tmp_path: Path) -> None:
    with session(tmp_path, format, folder, more="order: [c, a]") as s:
        s.query("INSERT INTO t (a, b, c) VALUES (3, 'x', 2), (2, 'y', NULL), (1, 'z', 2), (9, 'w', 1)")
        assert s.rows("SELECT a FROM t") == [{"a": 9}, {"a": 1}, {"a": 3}, {"a": 2}]


def test_files_of_others_are_compared_first(folder: Path, tmp_path: Path) -> None:
    """B10: a location that holds another table's files takes no rows."""
    (folder / "other.csv").write_text("a,b,c,d\n1,x,1,1\n")
    with session(tmp_path, "csv", folder) as s:
        status, message = refusal(s, "INSERT INTO t VALUES (2, 'y', 1)")
        assert status == "CA_ERR_DRIFT" and "'d' (utf8) is not declared" in message
        assert list(content(folder)) == ["other.csv"]


def test_a_fixed_listing_has_its_own_new_files(folder: Path, tmp_path: Path) -> None:
    """B4 mutable_listing: false fixes what others wrote; the statement's own rows are there after it."""
    with session(tmp_path, "ndjson", folder, scan="mutable_listing: false") as s:
        s.query("INSERT INTO t VALUES (1, 'x', 7)")
        assert s.rows(ALL) == [ONE]
        s.query("INSERT INTO t VALUES (2, 'y', 7)")
        assert len(s.rows(ALL)) == 2


WHY_NOT = {
    ("avro", "files/", ""): "nothing here writes avro: parquet, arrow, csv and ndjson take rows",
    ("csv", "files/one.csv", ""): "is one file or a pattern: a directory, with '/' at its end, takes rows",
    ("csv", "files/*.csv", ""): "is one file or a pattern: a directory, with '/' at its end, takes rows",
    ("csv", "files/", "file_extension: ''"): "every file of its location is its own: say a file_extension",
    ("csv", "files/one.csv", "unbounded: true"): "a stream is read, and not written",
    ("stream", "files/one.csv", ""): "a stream is read, and not written",
}


@pytest.mark.parametrize(("format", "where", "scan"), WHY_NOT)
def test_where_no_rows_go(format: str, where: str, scan: str, folder: Path, tmp_path: Path) -> None:
    (folder / "one.csv").write_text("a,b,c\n1,x,7\n")
    own = declare(tmp_path / "own", COLUMNS, tmp_path / where if "*" in where or "." in where else f"{folder}/",
                  format=format, scan=scan)  # fmt: skip
    with capi.Session(datasets=own, writable=True) as s:
        status, message = refusal(s, "INSERT INTO t VALUES (2, 'y', 1)")
        assert status == "CA_ERR_REFUSED" and message.startswith("INSERT is refused on table 'public.t': ")
        assert message.endswith(WHY_NOT[format, where, scan]), message
    assert list(content(folder)) == ["one.csv"]


def test_a_failure_on_the_way_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    """The last of many rows is bad, when files of other partitions are long begun."""
    columns = "a int64 not null, p int32 not null"
    with session(tmp_path, "parquet", folder, columns, more="partition_by: [p]\nchecks: {small: 'a < 300000'}") as s:
        rows = "SELECT value, CAST(value % 7 AS INT) FROM generate_series(1, 300000)"
        # Rows are counted as they come, from several threads.
        assert re.search(r"check 'small' fails in row \d+: a < 300000", refusal(s, f"INSERT INTO t {rows}")[1])
        assert content(folder) == {}


def test_a_reader_sees_all_of_a_statement_or_nothing(folder: Path, tmp_path: Path) -> None:
    """What is being written has a name that no table takes."""
    rows = "SELECT value, NULL, 1 FROM generate_series(1, 200000)"
    seen: set[int] = set()
    with (
        session(tmp_path, "ndjson", folder, scan="mutable_listing: true") as s,
        capi.Session(datasets=tmp_path / "own") as reader,
    ):
        writing = threading.Thread(target=lambda: s.query(f"INSERT INTO t {rows}"))
        writing.start()
        while writing.is_alive():
            seen.add(reader.rows("SELECT count(*) AS n FROM t")[0]["n"])
        writing.join()
        assert reader.rows("SELECT count(*) AS n FROM t") == [{"n": 200000}]
    assert seen <= {0, 200000}


def test_a_session_that_reads_only_writes_nothing(kind: str, folder: Path, tmp_path: Path) -> None:
    session(tmp_path, kind, folder).__exit__()
    with capi.Session(datasets=tmp_path / "own") as s:
        assert refusal(s, "INSERT INTO t VALUES (1, 'x', 1)")[0] == "CA_ERR_REFUSED"
    assert content(folder) == {}


# ---- tables that SQL made ------------------------------------------------------------------------------------------


def external(s: capi.Session, folder: Path, format: str, keys: str = "") -> None:
    columns = f"a BIGINT NOT NULL, b VARCHAR{keys}"
    header = " OPTIONS ('format.has_header' 'true')" if format == "CSV" else ""
    s.query(f"CREATE EXTERNAL TABLE e ({columns}) STORED AS {format} LOCATION '{folder}/'{header}")


@pytest.mark.parametrize("format", ["PARQUET", "CSV", "JSON", "ARROW", "DELTATABLE"])
def test_keys_of_an_external_table_hold(format: str, folder: Path) -> None:
    """B3, E1: PRIMARY KEY and UNIQUE of the DDL are proved of what is inserted, in files as in Delta."""
    with capi.Session(writable=True) as s:
        external(s, folder, format, ", PRIMARY KEY (a), UNIQUE (b)")
        s.query("INSERT INTO e VALUES (1, 'x'), (2, NULL), (3, NULL)")
        assert refusal(s, "INSERT INTO e VALUES (1, 'y')")[1] == "gate 'e': the primary key (a) = (1) is there already"
        assert refusal(s, "INSERT INTO e VALUES (4, 'x')")[1] == "gate 'e': the unique key (b) = (x) is there already"
        assert refusal(s, "INSERT INTO e VALUES (NULL, 'z')")[1] == "gate 'e': column 'a' is null in row 0"
        assert s.rows("SELECT a, b FROM e ORDER BY a") == [
            {"a": 1, "b": "x"}, {"a": 2, "b": None}, {"a": 3, "b": None},
        ]  # fmt: skip


def test_bytes_are_no_partition_of_a_delta_table(folder: Path) -> None:
    """B1: delta-rs writes bytes into the log as it reads no text."""
    with capi.Session(writable=True) as s:
        status, message = refusal(
            s,
            f"CREATE EXTERNAL TABLE e (a BIGINT, b BYTEA) STORED AS DELTATABLE PARTITIONED BY (b) LOCATION '{folder}/'",
        )
        assert message.endswith("partition column 'b' is bytes, which do not come back from a Delta table's log")
        assert (status, content(folder)) == ("CA_ERR_ENGINE", {})


def test_the_program_inserts_into_files(program: Program, folder: Path, tmp_path: Path) -> None:
    own = declare(tmp_path / "own", COLUMNS, f"{folder}/", format="csv")
    files = Files(program, own, ["--write"])
    rows: list[dict[str, Any]] = files.ask("INSERT INTO t (a, b) VALUES (1, 'x'); SELECT * FROM t;")
    assert rows == [{"count": 1}, ONE]


# ---- Delta ---------------------------------------------------------------------------------------------------------

# What docs/contracts.md says that a Delta table makes of each type; None: it cannot hold it.
IN_DELTA: dict[str, str | None] = {
    "bool": "boolean", "int8": "byte", "int16": "short", "int32": "integer", "int64": "long",
    "uint8": "short", "uint16": "integer", "uint32": "long", "uint64": "long",
    "float16": None, "float32": "float", "float64": "double",
    "utf8": "string", "large_utf8": "string", "utf8_view": "string",
    "binary": "binary", "large_binary": "binary", "binary_view": "binary", "fixed_size_binary, size: 2": "binary",
    "date32": "date", "date64": None,
    "time32_s": None, "time32_ms": None, "time64_us": None, "time64_ns": None,
    "timestamp_s": "timestamp_ntz", "timestamp_ms": "timestamp_ntz", "timestamp_us": "timestamp_ntz",
    "timestamp_s, zone: UTC": "timestamp", "timestamp_ms, zone: UTC": "timestamp",
    "timestamp_us, zone: UTC": "timestamp", "timestamp_us, zone: Europe/Paris": None, "timestamp_ns": None,
    "duration_s": None, "duration_ms": None, "duration_us": None, "duration_ns": None,
    "interval_year_month": None, "interval_day_time": None, "interval_month_day_nano": None,
    "decimal32, precision: 5, scale: 1": None, "decimal64, precision: 15, scale: 1": None,
    "decimal128, precision: 10, scale: 2": "decimal(10,2)", "decimal128, precision: 10, scale: -2": None,
    "decimal256, precision: 40, scale: 2": None,
    "list, item: {type: uint8, nullable: true}": "array", "large_list, item: {type: int8, nullable: true}": "array",
    "list_view, item: {type: int8, nullable: true}": "array",
    "large_list_view, item: {type: int8, nullable: true}": "array",
    "fixed_size_list, size: 2, item: {type: int8, nullable: true}": "array",
    "struct, fields: [{name: x, type: uint32, nullable: true, doc: d}]": "struct",
    "map, key: {type: utf8}, value: {type: large_utf8, nullable: true}": "map",
    "dictionary, index: int8, value: {type: large_utf8}": "string",
    '"null"': None,
}  # fmt: skip


def test_what_contracts_allow_is_what_delta_holds(program: Program, tmp_path: Path) -> None:
    """B1, E1: of every type, what lint lets into a Delta table is what the storage makes a column of, in the form that
    the documentation says; a row of it comes back in the declared type, and the table is none of other columns then."""
    held = {}
    for i, (type, form) in enumerate(IN_DELTA.items()):
        column = f"  - {{name: a, nullable: true, doc: d, type: {type}}}"
        one = declare(tmp_path / f"own{i}", column, None, name=f"t{i}", format="delta")
        checked = program.run("contract", "check", one)
        is_refused = "which a Delta table cannot hold" in checked.out + checked.err
        assert is_refused == (form is None), (type, checked.out, checked.err)
        if form:
            held[f"t{i}"] = (type, form)
            declare(tmp_path / "own", column, None, name=f"t{i}", format="delta")
    program.build(SHOP, tmp_path / "store", "--datasets", str(tmp_path / "own"), "--layers", "symtable")
    with capi.Session(tmp_path / "store", writable=True) as s:
        for name, (type, form) in held.items():
            declared = s.resolve(name)
            s.query(f"INSERT INTO {name} VALUES (NULL)")
            got = s.query(f"SELECT * FROM {name}")
            assert got.schema == declared and got.to_pylist() == [{"a": None}], type
            [folder] = (tmp_path / "store" / "tables" / "public" / name).iterdir()
            stored = json.loads(DeltaTable(str(folder)).schema().to_json())["fields"][0]["type"]
            assert (stored if isinstance(stored, str) else stored["type"]) == form, type
