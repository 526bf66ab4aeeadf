"""G3, A5, F3: every *.slt beside this file, against the store of tests/corpus/shop, through the program, the public C
API and the Python package alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import capi
import codeanatomy
import pyarrow as pa
import pytest
import slt
from conftest import Answer, Program

FOLDER = Path(__file__).resolve().parent
FILES = sorted(FOLDER.glob("*.slt"))


class ThroughProgram:
    """`codeanatomy sql`. A process is a session and ends at its first failure: all that should succeed runs in one;
    what should fail has one of its own, after the statements that come before it in the file."""

    def __init__(self, program: Program, store: Path, is_writable: bool, folder: Path) -> None:
        self.program = program
        self.store = store
        self.is_writable = is_writable
        self.folder = folder

    def process(self, statements: list[str]) -> Answer:
        store = self.store
        if self.is_writable:
            # What another process wrote is not there.
            store = self.folder.parent / "copy"
            shutil.rmtree(store, ignore_errors=True)
            shutil.copytree(self.store, store)
            shutil.rmtree(self.folder)
            self.folder.mkdir()
        commands = [word for statement in statements for word in ("-c", statement)]
        writes = ["--write"] if self.is_writable else []
        return self.program.run("sql", "--store", store, "-q", "--format", "json", *writes, *commands)

    def run(self, records: list[slt.Record]) -> list[slt.Answer]:
        good = [record for record in records if not record.error]
        all_good = self.process([record.sql for record in good])
        assert all_good.code == 0, all_good.err
        answers = dict(zip((r.line for r in good), map(slt.json_rows, all_good.out.splitlines()), strict=True))
        found: list[slt.Answer] = []
        before: list[str] = []
        for record in records:
            if record.error:
                failed = self.process([*before, record.sql])
                found.append(slt.Answer(failure=failed.err if failed.code != 0 else None))
            else:
                found.append(slt.Answer(answers[record.line]))
                before += [record.sql] if record.kind == "statement" else []
        return found


class ThroughSession:
    """One session for all records: what `rows` gives of a statement, and what it raises."""

    def __init__(self, rows: Callable[[str], list[dict[str, Any]]], *failures: type[Exception]) -> None:
        self.rows = rows
        self.failures = failures

    def answer(self, sql: str) -> slt.Answer:
        try:
            return slt.Answer(self.rows(sql))
        except self.failures as failure:
            return slt.Answer(failure=str(failure))

    def run(self, records: list[slt.Record]) -> list[slt.Answer]:
        return [self.answer(record.sql) for record in records]


OpenEngine = Callable[[bool], slt.Engine]


@pytest.fixture(params=["program", "c_api", "package"])
def engine(request: pytest.FixtureRequest, program: Program, shop_store: Path, tmp_path: Path) -> Iterator[OpenEngine]:
    """Opens a session over the store; one that writes has a copy of it. The file's own folder is tmp_path/files."""
    (tmp_path / "files").mkdir()
    with ExitStack() as opened:

        def place(is_writable: bool) -> Path:
            return shutil.copytree(shop_store, tmp_path / "copy") if is_writable else shop_store

        def through_c_api(is_writable: bool) -> slt.Engine:
            session = opened.enter_context(capi.Session(place(is_writable), writable=is_writable))
            return ThroughSession(session.rows, capi.Refused, pa.ArrowException, OSError)

        def through_package(is_writable: bool) -> slt.Engine:
            session = opened.enter_context(codeanatomy.connect(place(is_writable), read_only=not is_writable))
            return ThroughSession(lambda sql: session.sql(sql).to_pylist(), codeanatomy.Error)

        def through_program(is_writable: bool) -> slt.Engine:
            return ThroughProgram(program, shop_store, is_writable, tmp_path / "files")

        ways = {"program": through_program, "c_api": through_c_api, "package": through_package}
        yield ways[request.param]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_slt(path: Path, engine: OpenEngine, tmp_path: Path) -> None:
    file = slt.parse(path, tmp_path / "files")
    assert file.records
    slt.check(file, engine(file.is_writable))
