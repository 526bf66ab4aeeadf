"""`make install PREFIX=..`, and a host that uses what is there: by pkg-config, by the program, by C++."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import flit_core
import pytest
from conftest import ROOT, Program

HOST = r"""
#include <codeanatomy/codeanatomy.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    ca_session *s = NULL;
    struct ca_error err = {0};
    struct ca_session_options o = {.size = sizeof o, .store = argc > 1 ? argv[1] : NULL, .read_only = 1};
    int rc = ca_session_open(&o, &s, &err);
    if (rc == CA_OK)
        rc = ca_query_write(s, "SELECT path FROM repo_files_v1", NULL, NULL, "csv", 1, 0, NULL, &err);
    if (rc != CA_OK)
        fprintf(stderr, "%s: %s\n", ca_status_name(rc), err.message);
    ca_session_close(s);
    return rc;
}
"""

# Every public header alone, as C++: its declarations are C's.
CXX_HOST = """
#include <codeanatomy/codeanatomy.h>
int main() { return ca_version()[0] == 0; }
"""


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make install` does after the build, into a folder that is then moved: nothing may remember where it was."""
    build = Path(os.environ.get("CA_BUILD_DIR", ROOT / "build")) / "release"
    folder = tmp_path_factory.mktemp("install")
    run("cmake", "--install", build, "--prefix", folder / "first", "--strip")
    shutil.move(folder / "first", folder / "moved here")
    return folder / "moved here"


@pytest.fixture(scope="module")
def flags(prefix: Path) -> list[str]:
    text = run(
        "pkg-config", "--cflags", "--libs", "codeanatomy", env={"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    )
    # A blank in a path is written with a backslash.
    return [word.replace("\0", " ") for word in text.replace("\\ ", "\0").split()]


@pytest.fixture(scope="module")
def store(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the program that was installed, with its own worker."""
    repo = tmp_path_factory.mktemp("repo")
    (repo / "a.py").write_text("def f():\n    return 1\n")
    program = Program(prefix / "bin" / "codeanatomy")
    program.build(repo, repo / "store")
    rows = program.sql(repo / "store", "SELECT DISTINCT status FROM file_layers_v1")
    assert rows == [{"status": "ok"}]
    return repo / "store"


def test_files(prefix: Path) -> None:
    """The program, the library with its links, its two extensions of Python, the headers and the pkg-config file, and
    nothing else."""
    found = sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir())
    assert found == [
        "bin/codeanatomy",
        "include/codeanatomy/arrow.h",
        "include/codeanatomy/codeanatomy.h",
        "include/codeanatomy/error.h",
        "lib/codeanatomy/codeanatomy_capsule.abi3.so",
        "lib/codeanatomy/codeanatomy_worker.abi3.so",
        "lib/libcodeanatomy.so",
        "lib/libcodeanatomy.so.0",
        "lib/libcodeanatomy.so.0.1.0",
        "lib/pkgconfig/codeanatomy.pc",
    ]


def test_a_c_program(prefix: Path, flags: list[str], store: Path, tmp_path: Path) -> None:
    """C11 without extensions, every warning an error; the headers need no other library."""
    source, host = tmp_path / "host.c", tmp_path / "host"
    source.write_text(HOST)
    strict = ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror"]
    run("cc", *strict, source, "-o", host, *flags)
    found = run(host, store, env={"LD_LIBRARY_PATH": str(prefix / "lib")})
    assert found == "path\na.py\n"


def test_a_cxx_program(prefix: Path, flags: list[str], tmp_path: Path) -> None:
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler here")
    source, host = tmp_path / "host.cc", tmp_path / "host"
    source.write_text(CXX_HOST)
    run("c++", "-std=c++11", "-Wall", "-Wextra", "-Werror", source, "-o", host, *flags)
    run(host, env={"LD_LIBRARY_PATH": str(prefix / "lib")})


def test_a_python_program(prefix: Path, store: Path, tmp_path: Path) -> None:
    """F3: `pip install ./python` in an environment, and the library installed under its prefix: nothing is to be set.
    From a copy of the package, since pip may write beside it."""
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    shutil.copytree(ROOT / "python", tmp_path / "python")
    pip = [sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "--disable-pip-version-check"]
    env = {"PYTHONPATH": str(Path(flit_core.__file__).parent.parent)}
    run(*pip, "install", "--no-deps", "--no-index", "--no-build-isolation", tmp_path / "python", env=env)
    shutil.copytree(prefix / "lib", venv / "lib", symlinks=True, dirs_exist_ok=True)
    code = """
import sys, codeanatomy
session = codeanatomy.connect(sys.argv[1])
print(codeanatomy.__file__, repr(session.sql("SELECT path FROM repo_files_v1").__arrow_c_stream__())[:35])
"""
    unset = {name: value for name, value in os.environ.items() if not name.startswith(("CODEANATOMY", "PYTHON"))}
    done = subprocess.run([venv / "bin" / "python", "-c", code, store], env=unset, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    module, _, capsule = done.stdout.partition(" ")
    assert Path(module).is_relative_to(venv) and (Path(module).parent / "py.typed").exists()
    assert capsule == '<capsule object "arrow_array_stream\n'


def test_exported_symbols(prefix: Path) -> None:
    """The functions of the headers and no other: two libraries of different origin can live in one process."""
    listing = run("nm", "-D", "--defined-only", prefix / "lib" / "libcodeanatomy.so")
    names = {line.split()[-1].split("@")[0] for line in listing.splitlines() if line.split()[1] in "TWDBRi"}
    assert names and all(name.startswith("ca_") for name in names), sorted(names)
