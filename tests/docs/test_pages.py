"""G3: what README.md, docs/ and examples/ show is what the product does: every block of SQL, shell, C and Python is
run, and every answer that is shown is compared."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pages
import pytest
import stored
import transcript
from conftest import ROOT, SHOP, Answer, Program

BUILD = Path(os.environ.get("CA_BUILD_DIR", ROOT / "build"))
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
# Answers on other pages are those of the shop.
PAGES_ON_DJANGO = ("README.md",)
# Languages of blocks that are text to read; blocks of contracts are loaded by the tests of contracts.
NOT_RUN = ("yaml",)

SQL = [(page, block) for page in PAGES for block in pages.blocks(page) if block.language == "sql"]
CONSOLE = [page for page in PAGES if any(block.language == "console" for block in pages.blocks(page))]
C = [(page, block) for page in PAGES for block in pages.blocks(page) if block.language == "c"]
PYTHON = [(page, block) for page in PAGES for block in pages.blocks(page) if block.language == "python"]
QUERIES = sorted((ROOT / "examples").glob("*.sql"))


def named(case: object) -> str:
    if isinstance(case, Path):
        return case.stem
    return f"line{case.line}" if isinstance(case, pages.Block) else ""


@pytest.fixture(scope="module")
def shop(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the repository `shop`, built, and the datasets of the examples as `own`."""
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(SHOP, folder / "shop")
    shutil.copytree(ROOT / "examples" / "datasets", folder / "own")
    program.build(folder / "shop", folder / "shop" / ".codeanatomy", "--python", sys.executable)
    return folder


def test_every_block_is_run() -> None:
    """A block in another language would be run by no test of this file."""
    languages = {block.language for page in PAGES for block in pages.blocks(page)}
    assert languages - set(NOT_RUN) == {"sql", "console", "c", "python"}
    assert len(SQL) > 10 and len(QUERIES) > 10


def as_shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(as_shown(item) for item in value)}]"
    return "NULL" if value is None else str(value)


@pytest.mark.parametrize(("page", "block"), SQL, ids=named)
def test_sql(page: Path, block: pages.Block, request: pytest.FixtureRequest, program: Program) -> None:
    """The rows that are shown are the answer, in their order."""
    if page.name in PAGES_ON_DJANGO:
        store = request.getfixturevalue("django_store")
        if stored.manifest(store)["interpreter"]["version"] != "3.11":
            pytest.skip("the README's answers are those of CPython 3.11")
    else:
        store = request.getfixturevalue("shop") / "shop" / ".codeanatomy"
    rows = program.sql(store, block.text)
    if block.shown is not None:
        assert [[as_shown(value) for value in row.values()] for row in rows] == pages.cells(block.shown)


@pytest.mark.parametrize("path", QUERIES, ids=named)
def test_example_query(path: Path, program: Program, django_store: Path) -> None:
    """Every query of examples/ has an answer on Django."""
    answer = program.run("sql", "--store", django_store, "--format", "ndjson", "-f", path)
    assert answer.code == 0, answer.err
    assert answer.rows()


@pytest.mark.parametrize("page", CONSOLE, ids=named)
def test_console(page: Path, tmp_path: Path) -> None:
    """The blocks of a page are one session of a shell, in a folder with the repository `shop`."""
    scratch = tmp_path / "scratch"
    shutil.copytree(SHOP, scratch / "shop")
    for block in pages.blocks(page):
        if block.language != "console":
            continue
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            step = transcript.Step(block.line, command, output.splitlines())
            best = transcript.merged(step, transcript.run(step, scratch), scratch)
            assert transcript.render(best) == transcript.render(step), f"{page.name}:{block.line}: {command}"


def compiled(source: str, folder: Path) -> Path:
    """By the checkout's headers and library; every warning is an error."""
    (folder / "host.c").write_text(source)
    strict = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror"]
    where = [f"-I{ROOT / 'include'}", f"-L{BUILD / 'lib'}", "-lcodeanatomy", f"-Wl,-rpath,{BUILD / 'lib'}"]
    command = ["cc", *strict, str(folder / "host.c"), "-o", str(folder / "host"), *where]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "host"


def run(*command: str | Path, cwd: Path) -> Answer:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True)
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(("page", "block"), C, ids=named)
def test_c(page: Path, block: pages.Block, shop: Path, tmp_path: Path) -> None:
    """A block of C is the inside of a main."""
    source = "#include <codeanatomy/codeanatomy.h>\n#include <stdio.h>\nint main(void)\n{\n" + block.text + "}\n"
    answer = run(compiled(source, tmp_path), cwd=shop)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (block.shown or ""), f"{page.name}:{block.line}"


@pytest.mark.parametrize(("page", "block"), PYTHON, ids=named)
def test_python(page: Path, block: pages.Block, shop: Path) -> None:
    """STORE is the store of the shop; the program is on the PATH, and the package can be imported."""
    package = {"PYTHONPATH": str(ROOT / "python"), "CODEANATOMY_LIBRARY": os.environ["CODEANATOMY_LIBRARY"]}
    done = subprocess.run(
        [sys.executable, "-c", block.text.replace("STORE", "shop/.codeanatomy")],
        cwd=shop,
        env=transcript.environment(shop) | package,
        capture_output=True,
        text=True,
    )
    answer = Answer(done.returncode, done.stdout, done.stderr)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (block.shown or ""), f"{page.name}:{block.line}"


def test_example_in_c(program: Program, requests_store: Path, tmp_path: Path) -> None:
    """examples/callers.c says what the same query says by the program, and how many rows that is."""
    host = compiled((ROOT / "examples" / "callers.c").read_text(), tmp_path)
    answer = run(host, requests_store, "requests.get", cwd=tmp_path)
    assert (answer.code, answer.err) == (0, "")
    *lines, count = answer.out.splitlines()
    rows = program.sql(
        requests_store,
        "SELECT path, start_line, caller_qualified_name FROM callers WHERE callee_qualified_name = 'requests.get' "
        "ORDER BY path, start_line",
    )
    assert len(rows) > 50
    assert sorted(lines[1:]) == sorted(",".join(str(value) for value in row.values()) for row in rows)
    assert count == f"{len(rows)} calls"

    answer = run(host, tmp_path / "nowhere", "requests.get", cwd=tmp_path)
    assert answer.code == 7
    assert answer.err == f"CA_ERR_NOT_FOUND: no store at '{tmp_path}/nowhere': run 'codeanatomy build' first\n"
