"""What tests of the whole product share: the program, real repositories, and built stores.

`make check` sets CODEANATOMY (the program), CA_BUILD_DIR and CA_CORPORA (folder with the pinned sdists); without them
the release build of this checkout is used, and tests that need a corpus say that they are skipped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "tests" / "corpus" / "shop"

BUILD = Path(os.environ.get("CA_BUILD_DIR", ROOT / "build"))

# The Python package of this checkout over the library of this build, here and in processes that tests start.
sys.path.insert(0, str(ROOT / "python"))
os.environ.setdefault("CODEANATOMY_LIBRARY", str(BUILD / "lib" / "libcodeanatomy.so.0"))

# A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Repositories that tests read, with tests of their own inside.
collect_ignore = ["corpus"]


def program_path() -> Path:
    return Path(os.environ.get("CODEANATOMY", ROOT / "build" / "bin" / "codeanatomy"))


@dataclass(frozen=True)
class Answer:
    """One finished call of the program."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `--format ndjson`."""
        return [json.loads(line) for line in self.out.splitlines()]


class Program:
    """The command-line program, called as a user calls it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(
        self, *args: str | os.PathLike[str], env: dict[str, str] | None = None, cwd: Path | None = None, stdin: str = ""
    ) -> Answer:
        done = subprocess.run(
            [str(self.path), *map(str, args)],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def run_unprivileged(self, *args: str | os.PathLike[str]) -> Answer:
        """As a user whom file modes bind: root may read everything, unless the capabilities for that are taken away."""
        command = [str(self.path), *map(str, args)]
        if os.geteuid() == 0:
            command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    def build(self, repository: Path, store: Path, *args: str) -> Answer:
        answer = self.run("build", repository, "--store", store, "--quiet", *args)
        assert answer.code == 0, answer.err
        return answer

    def sql(self, store: Path, sql: str, *args: str) -> list[dict[str, Any]]:
        answer = self.run("sql", "--store", store, "--format", "ndjson", *args, "-c", sql)
        assert answer.code == 0, f"{sql}\n{answer.err}"
        return answer.rows()


@pytest.fixture(scope="session")
def program() -> Program:
    path = program_path()
    if not path.exists():
        pytest.fail(f"no program at {path}: run make first")
    return Program(path)


@pytest.fixture(scope="session")
def corpora() -> Path:
    folder = os.environ.get("CA_CORPORA")
    if not folder:
        pytest.skip("CA_CORPORA is not set: make check fetches the pinned sdists and sets it")
    return Path(folder)


@pytest.fixture(scope="session")
def requests_repo(corpora: Path) -> Path:
    return corpora / "requests-2.34.2"


@pytest.fixture(scope="session")
def django_repo(corpora: Path) -> Path:
    return corpora / "django-5.2.19"


@pytest.fixture(scope="session")
def shop_store(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For tests that read: what changes a store makes a copy or a store of its own."""
    store = tmp_path_factory.mktemp("shop") / "store"
    program.build(SHOP, store, "--python", sys.executable)
    return store


@pytest.fixture(scope="session")
def requests_store(program: Program, requests_repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("requests") / "store"
    program.build(requests_repo, store)
    return store


@pytest.fixture(scope="session")
def django_store(program: Program, django_repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("django") / "store"
    program.build(django_repo, store)
    return store


@pytest.fixture
def make_repo(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Write files {path: content} into a fresh repository."""

    def make(files: dict[str, str | bytes], name: str = "repo") -> Path:
        root = tmp_path / name
        root.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return make
