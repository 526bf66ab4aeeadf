"""The tables of a folder: `datafusion.catalog.location` and `datafusion.catalog.format`, said when a session opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import capi
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Program
from test_listing import GOT, ROWS, WRITERS
from test_settings import World

LOCATION = "datafusion.catalog.location"
FORMAT = "datafusion.catalog.format"
HEALTH = "SELECT dataset_name AS name, health, reason, location FROM registry.health WHERE location LIKE '{}/%'"


@pytest.fixture
def world(program: Program, tmp_path: Path) -> World:
    return World(program, tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a test's files are."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def said(place: Path | str, format: str = "parquet") -> tuple[str, str]:
    return f"{LOCATION}={place}", f"{FORMAT}={format}"


def opened(place: Path | str, format: str = "parquet", **options: Any) -> capi.Session:
    return capi.Session(settings=said(place, format), **options)


def refusal(*settings: str) -> tuple[str, str]:
    with pytest.raises(capi.Refused) as refused:
        capi.Session(settings=settings)
    return refused.value.status, refused.value.message


def health(session: capi.Session, place: Path) -> dict[str, dict[str, Any]]:
    return {row.pop("name"): row for row in session.rows(HEALTH.format(place))}


def write(folder: Path, name: str, rows: pa.Table = ROWS, format: str = "parquet") -> Path:
    folder.mkdir(exist_ok=True)
    WRITERS[format](folder, rows)
    return (folder / f"one.{format}").rename(folder / name)


@pytest.mark.parametrize("format", [*WRITERS, "json"])
def test_each_format(format: str, place: Path) -> None:
    """A3: a file and a folder of files are tables of a session that only reads; what is hidden and what is of other
    kinds is none. Columns, DDL and health are there as for CREATE EXTERNAL TABLE."""
    kind = "ndjson" if format == "json" else format
    written = write(place, "first", format=kind)
    (place / "many").mkdir()
    (place / "none").mkdir()
    for copy in (f"one.{format}", f"many/1.{format}", f"many/2.{format}", f".hidden.{format}", "README.txt"):
        (place / copy).write_bytes(written.read_bytes())
    with opened(place, format.upper()) as session:
        want = [{**row, "b": row["b"] or ""} for row in GOT] if format == "csv" else GOT
        got = session.rows("SELECT a, b FROM one ORDER BY a")
        assert [{**row, "b": row["b"] or ""} if format == "csv" else row for row in got] == want
        assert session.rows("SELECT count(*) AS n, sum(a) AS s FROM public.many") == [{"n": 6, "s": 12}]
        assert session.resolve("one").names == ["a", "b"]
        assert health(session, place) == {
            "many": {"health": "ok", "reason": None, "location": f"{place}/many/"},
            "one": {"health": "ok", "reason": None, "location": f"{place}/one.{format}"},
        }
        with pytest.raises(capi.Refused, match="the session is read-only"):
            session.query(f"CREATE EXTERNAL TABLE more STORED AS CSV LOCATION '{place}'")


def test_as_a_user_would_make_it(place: Path) -> None:
    """A3, B10: the table is listed where a user's is, its statement is its definition, and a file that comes later has
    to fit what was inferred."""
    (place / "many").mkdir()
    write(place / "many", "1.parquet")
    with opened(place, writable=True) as session:
        session.query(f"CREATE EXTERNAL TABLE own STORED AS PARQUET LOCATION '{place}/many/'")
        listed = (
            "SELECT table_name AS name, table_type AS type FROM information_schema.tables "
            "WHERE table_catalog = 'session' AND table_schema = 'memory' ORDER BY name"
        )
        assert session.rows(listed) == [{"name": name, "type": "BASE TABLE"} for name in ("many", "own")]
        assert session.resolve("many").equals(session.resolve("own"))
        [made] = session.rows("SHOW CREATE TABLE many")
        assert made["definition"] == (
            f'CREATE EXTERNAL TABLE "codeintel"."public"."many" STORED AS PARQUET LOCATION \'file://{place}/many/\''
        )
        pq.write_table(ROWS.rename_columns(["a", "c"]), place / "many" / "2.parquet")
        for table in ("many", "own"):
            with pytest.raises(capi.Refused, match=r"'c' .* is not declared") as refused:
                session.query(f"SELECT * FROM {table}")
            assert refused.value.status == "CA_ERR_DRIFT"
        assert health(session, place)["many"]["health"] == "drift"
        session.query("DROP TABLE many")
        assert health(session, place) == {}


def test_names_stay_as_they_are(place: Path) -> None:
    """A3: names with capitals, spaces, quotes, dots and the engine's signs for patterns are quoted, not changed."""
    names = ["Sales 2024", "a[1]", "it's", 'say "x"', "v1.2", "100%", "star*", "naïve"]
    for name in names:
        write(place, f"{name}.parquet")
    write(place / "p", "1.parquet")
    (place / "p").rename(place / "old [x]?.v")
    with opened(place) as session:
        names.append("old [x]?.v")
        found = {name: row["health"] for name, row in health(session, place).items()}
        assert found == dict.fromkeys(names, "ok")
        for name in names:
            quoted = name.replace('"', '""')
            assert session.rows(f'SELECT a, b FROM "{quoted}" ORDER BY a') == GOT


def test_folders_of_partitions(place: Path) -> None:
    """A3: files below `key=value` make a table; a folder with files deeper down or with none of the format makes none,
    nor does a pipe."""
    for year in (2023, 2024):
        (place / "sales" / f"year={year}").mkdir(parents=True)
        write(place / "sales" / f"year={year}", "1.parquet")
    (place / "deep" / "er").mkdir(parents=True)
    write(place / "deep" / "er", "1.parquet")
    os.mkfifo(place / "pipe.parquet")
    with opened(place) as session:
        assert list(health(session, place)) == ["sales"]
        assert session.rows("SELECT count(*) AS n FROM sales WHERE year = '2024'") == [{"n": 3}]


def test_a_broken_file_disturbs_nobody(place: Path) -> None:
    """A3, B2: its reason is in registry.health, which stays in order, and the other tables answer."""
    write(place, "good.parquet")
    write(place, "zz.parquet")
    (place / "bad.parquet").write_bytes(b"no parquet at all")
    (place / "gone.parquet").symlink_to(place / "nowhere")
    with opened(place) as session:
        assert session.rows("SELECT a, b FROM good ORDER BY a") == GOT
        found = health(session, place)
        assert {name: row["health"] for name, row in found.items()} == {
            "bad": "broken",
            "gone": found["gone"]["health"],
            "good": "ok",
            "zz": "ok",
        }
        assert found["gone"]["health"] in ("missing", "broken") and found["gone"]["reason"]
        assert "bad" in found["bad"]["reason"] and "arquet" in found["bad"]["reason"]
        names = session.rows("SELECT schema_name AS s, dataset_name AS d FROM registry.health")
        assert [(row["s"], row["d"]) for row in names] == sorted((row["s"], row["d"]) for row in names)


def test_a_contract_is_not_shadowed(place: Path) -> None:
    """A3, B2: a file with the name of a contract's dataset, and two entries of one name, are refused by name."""
    write(place, "classes.parquet")
    status, message = refusal(*said(place))
    assert status == "CA_ERR_REFUSED"
    assert f"'{place}/classes.parquet' would be 'public.classes', which a contract declares" in message
    (place / "classes.parquet").rename(place / "mine.parquet")
    (place / "mine").mkdir()
    write(place / "mine", "1.parquet")
    status, message = refusal(*said(place))
    assert status == "CA_ERR_REFUSED" and f"'{place}/mine" in message and "would both be 'public.mine'" in message


FORMATS = "parquet, csv, ndjson, json, arrow, avro"
MISTAKES = {
    "location alone": (
        [f"{LOCATION}={{}}"],
        "CA_ERR_INVALID",
        f"setting '{LOCATION}' (option) needs '{FORMAT}' beside it: one of {FORMATS}",
    ),
    "format alone": (
        [f"{FORMAT}=csv"],
        "CA_ERR_INVALID",
        f"setting '{FORMAT}' (option) needs '{LOCATION}' beside it: the folder whose files are tables",
    ),
    "unknown format": (
        [f"{LOCATION}={{}}", f"{FORMAT}=excel"],
        "CA_ERR_INVALID",
        f"setting '{FORMAT}' (option) is 'excel': one of {FORMATS}",
    ),
    "missing": (
        [f"{LOCATION}={{}}/none", f"{FORMAT}=csv"],
        "CA_ERR_NOT_FOUND",
        f"setting '{LOCATION}': cannot open folder '{{}}/none': No such file or directory",
    ),
    "a file": (
        [f"{LOCATION}={{}}/file", f"{FORMAT}=csv"],
        "CA_ERR_IO",
        f"setting '{LOCATION}': cannot open folder '{{}}/file': Not a directory",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes(what: str, place: Path) -> None:
    """A3, G2: one setting alone, another format, no folder: setting and path are named."""
    (place / "file").write_text("a\n1\n")
    settings, status, message = MISTAKES[what]
    assert refusal(*(text.format(place) for text in settings)) == (status, message.format(place))


def test_who_says_it(world: World, place: Path) -> None:
    """A3, A4: flag > environment > project file > user file, each setting by itself; registry.settings has the
    source; an empty value takes both back. A new session has a new file, and a path may be a URL."""
    world.build()
    write(place, "t.csv", format="csv")
    other = place.parent / "other"
    write(other, "u.parquet")
    sources = f"SELECT value, source FROM registry.settings WHERE key IN ('{LOCATION}', '{FORMAT}') ORDER BY key DESC"

    def ask(sql: str, *flags: str, **variables: str) -> list[list[Any]]:
        answer = world.run("sql", *flags, "--format", "ndjson", "-c", sql, world.repo, **variables)
        assert answer.code == 0, answer.err
        return [list(row.values()) for row in answer.rows()]

    world.user(f"settings: ['{LOCATION}={place}', {FORMAT}=csv]\n")
    assert ask("SELECT a FROM t ORDER BY a") == [[1], [2], [3]]
    assert ask(sources) == [[str(place), "user file"], ["csv", "user file"]]
    world.project(f"settings: ['{LOCATION}=file://{other}']\n")
    variable = {"DATAFUSION_CATALOG_FORMAT": "parquet"}
    assert ask("SELECT count(*) FROM u", **variable) == [[3]]
    assert ask(sources, **variable) == [
        [f"file://{other}", "project file"],
        ["parquet", "DATAFUSION_CATALOG_FORMAT"],
    ]
    write(other, "new.parquet")
    assert ask("SELECT count(*) FROM new", **variable) == [[3]]
    flags = ("--set", f"{LOCATION}={place}", "--set", f"{FORMAT}=csv")
    assert ask("SELECT count(*) FROM t", *flags, **variable) == [[3]]
    assert ask(sources, *flags, **variable) == [[str(place), "option"], ["csv", "option"]]
    flags = ("--set", f"{LOCATION}=", "--set", f"{FORMAT}=")
    assert ask("SELECT count(*) FROM registry.health WHERE dataset_name IN ('t', 'u')", *flags, **variable) == [[0]]


def test_statements_do_not_move_it(place: Path) -> None:
    """A3: the tables are made when the session opens, so SET and RESET of the two are refused."""
    write(place, "t.parquet")
    with opened(place, writable=True) as session:
        for statement in (f"SET {LOCATION} = '/tmp'", f"SET {FORMAT} = 'csv'", f"RESET {LOCATION}"):
            with pytest.raises(capi.Refused, match="is the catalog's own and stays as it is"):
                session.query(statement)
        assert session.rows("SELECT a, b FROM t ORDER BY a") == GOT


@pytest.mark.parametrize("key", ["LOCATION", "FORMAT"])
def test_a_build_reads_contracts_alone(world: World, place: Path, key: str) -> None:
    """A3: a build refuses the settings, names who said them, and what was published stays; an empty value builds."""
    world.build()
    published = (world.store / "published").read_text()
    variable = {f"DATAFUSION_CATALOG_{key}": str(place) if key == "LOCATION" else "csv"}
    built = world.run("build", world.repo, **variable)
    assert built.code == 2 and built.err.endswith(
        f"setting 'datafusion.catalog.{key.lower()}' (DATAFUSION_CATALOG_{key}) makes tables of a session, which no "
        "contract describes, and a build reads nothing else: write a contract with 'storage: {format: .., location: "
        f"..}}', or build with 'datafusion.catalog.{key.lower()}='\n"
    )
    assert (world.store / "published").read_text() == published
    emptied = world.run("build", "--set", f"datafusion.catalog.{key.lower()}=", world.repo, **variable)
    assert emptied.code == 0, emptied.err
