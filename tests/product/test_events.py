"""G1: what a session registers, makes, drops, writes, meets in files and refuses is a row of registry.events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SHOP, Program
from test_handles import CONTRACT

EVENTS = "SELECT event, schema_name AS s, dataset_name AS n, detail FROM registry.events"
TABLE = pa.table({"a": [1, 2, 3]})


def events(session: capi.Session, *kinds: str) -> list[tuple[Any, ...]]:
    wanted = ", ".join(f"'{kind}'" for kind in kinds)
    return [tuple(row.values()) for row in session.rows(f"{EVENTS} WHERE event IN ({wanted}) ORDER BY sequence")]


def test_events_of_statements(tmp_path: Path) -> None:
    """G1: each statement that makes, replaces or drops a table or view is a row, in their order; one that leaves things
    as they are is none, and one that is refused is its message."""
    kinds = ("registration", "view_registration", "drop", "error")
    pq.write_table(TABLE, tmp_path / "t.parquet")
    with capi.Session(writable=True) as session:
        assert session.rows(EVENTS) == []
        for sql in (
            "CREATE TABLE t AS SELECT 1 AS a",
            "CREATE TABLE IF NOT EXISTS t AS SELECT 2 AS a",
            "CREATE VIEW v AS SELECT a FROM t",
            "CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM t",
            f"CREATE EXTERNAL TABLE files STORED AS PARQUET LOCATION '{tmp_path}/t.parquet'",
            "SELECT * FROM v",
            "DROP TABLE IF EXISTS nothing",
            "DROP VIEW v",
            "DROP TABLE files",
        ):
            session.query(sql)
        with pytest.raises(capi.Refused) as refused:
            session.query("SELECT b FROM t")
        with pytest.raises(capi.Refused):
            session.query("CREATE VIEW w AS SELECT b FROM t")
        got = events(session, *kinds)
        assert got[:7] == [
            ("registration", "public", "t", None),
            ("view_registration", "public", "v", None),
            ("view_registration", "public", "v", None),
            ("registration", "public", "files", None),
            ("drop", "public", "v", None),
            ("drop", "public", "files", None),
            ("error", None, None, refused.value.message),
        ]
        assert [event[0] for event in got[7:]] == ["error"]
        assert session.rows("SELECT min(sequence) = 1 AND max(sequence) = count(*) AS ok FROM registry.events") == [
            {"ok": True}
        ]


def test_event_of_a_failed_publish(program: Program, tmp_path: Path) -> None:
    """G1: rows that were written and could not be published are nobody's, and the reason is a row."""
    program.build(SHOP, tmp_path / "store")
    pointer = tmp_path / "store" / "published"
    count = "SELECT count(*) AS n FROM cpg_props"
    with capi.Session(tmp_path / "store", writable=True) as session:
        before = session.rows(count)
        run = pointer.read_text()
        pointer.unlink()
        (pointer / "in_the_way").mkdir(parents=True)
        with pytest.raises(capi.Refused, match="publish what the statement wrote") as failed:
            session.query("INSERT INTO cpg_props VALUES (1, 'a', 'b')")
        assert events(session, "error") == [("error", None, None, failed.value.message)]
        (pointer / "in_the_way").rmdir()
        pointer.rmdir()
        pointer.write_text(run)
        assert session.rows(count) == before
        session.query("INSERT INTO cpg_props VALUES (1, 'a', 'b')")
    assert program.sql(tmp_path / "store", count) == [{"n": before[0]["n"] + 1}]


def test_events_of_contracts(program: Program, tmp_path: Path) -> None:
    """G1, B7: contracts that come into a session that runs, what it writes, and what either is refused for."""
    (tmp_path / "own" / "normalize").mkdir(parents=True)
    contract = tmp_path / "own" / "normalize" / "sales_v1.yaml"
    contract.write_text(CONTRACT)
    program.build(SHOP, tmp_path / "store")
    with capi.Session(tmp_path / "store", writable=True) as session:
        contract.write_text(CONTRACT.replace("version: 1", "version: one"))
        with pytest.raises(capi.Refused) as refused:
            session.register(contract)
        contract.write_text(CONTRACT)
        session.register(contract)
        first = session.rows("SELECT node_id, name FROM cpg_props ORDER BY name, node_id LIMIT 1")[0]
        again = f"INSERT INTO cpg_props VALUES ({first['node_id']}, '{first['name']}', 'x')"
        session.query("INSERT INTO cpg_props VALUES (1, 'a', 'b')")
        with pytest.raises(capi.Refused) as repeated:
            session.query(again)
        assert events(session, "registration", "write", "error") == [
            ("error", None, None, refused.value.message),
            ("registration", "public", "sale_parts", None),
            ("registration", "public", "sales_v1", None),
            ("write", "public", "cpg_props", "version 1"),
            ("write", "diagnostics", "writes", "version 1"),  # the run with these rows says so, too
            ("error", None, None, repeated.value.message),
        ]


def test_events_of_files(tmp_path: Path) -> None:
    """G1, B10, A3: a file that is read leaves what the comparison of its columns came to, also in a session that only
    reads; a file of a loaded folder that is no table leaves its reason."""
    folder = tmp_path / "files"
    folder.mkdir()
    pq.write_table(TABLE, folder / "good.parquet")
    (folder / "bad.parquet").write_bytes(b"no parquet")
    settings = (f"datafusion.catalog.location={folder}", "datafusion.catalog.format=parquet")
    with capi.Session(settings=settings) as session:
        [reason] = session.rows("SELECT reason FROM registry.health WHERE dataset_name = 'bad'")
        assert events(session, "error") == [("error", "public", "bad", reason["reason"])]
        assert session.rows("SELECT sum(a) AS n FROM good") == [{"n": 6}]
        assert events(session, "handshake") == [("handshake", "public", "good", "equal")]
        session.rows("SELECT sum(a) AS n FROM good")
        assert len(events(session, "handshake")) == 1
