"""What the product publishes, held against CPython and git: every node, symbol, name, call and encoding of real code.

C1 C2 C3 C4 C8. The facts come from the program's own answers, so the whole way is compared: reading, extraction, the
worker, Arrow, the write gate, Delta, and the reader. The comparisons are the scripts beside this file, which can be
run alone.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
STDLIB = Path(sysconfig.get_path("stdlib"))


def compare(script: str, *arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def interpreter() -> str:
    """The executable behind the virtual environment: its standard library is what is read."""
    return str(getattr(sys, "_base_executable", sys.executable))


@pytest.fixture(scope="module")
def stdlib_store(program, tmp_path_factory):
    store = tmp_path_factory.mktemp("stdlib") / "store"
    program.build(STDLIB, store, "--python", interpreter(), "--exclude", "site-packages")
    return store


@pytest.fixture(scope="module", params=["stdlib", "django"])
def repository(request):
    """(root, store) of a real repository, parsed by the interpreter that runs this test."""
    if request.param == "stdlib":
        return STDLIB, request.getfixturevalue("stdlib_store")
    return request.getfixturevalue("django_repo"), request.getfixturevalue("django_store")


def facts(program, store: Path, dataset: str, folder: Path) -> Path:
    file = folder / f"{dataset}.parquet"
    answer = program.run("sql", "--store", store, "-o", file, "-c", f"SELECT * FROM {dataset}")
    assert answer.code == 0, answer.err
    return file


def paths_read(program, store: Path, folder: Path) -> Path:
    """Every file that was read: none may be missing from a layer."""
    rows = program.sql(
        store, "SELECT path FROM file_layers_v1 WHERE layer = 'repo' AND status <> 'failed' ORDER BY path"
    )
    file = folder / "paths.txt"
    file.write_text("".join(row["path"] + "\n" for row in rows), encoding="utf-8")
    assert rows
    return file


def test_ast_is_equal_node_by_node(repository, program, tmp_path):
    root, store = repository
    compare(
        "compare_ast.py", root, facts(program, store, "ast_files_v1", tmp_path), paths_read(program, store, tmp_path)
    )


def test_symtable_is_equal_symbol_by_symbol(repository, program, tmp_path):
    root, store = repository
    compare(
        "compare_symtable.py",
        root,
        facts(program, store, "symtable_files_v1", tmp_path),
        paths_read(program, store, tmp_path),
    )


def test_syntax_layer_agrees_with_cpython(repository, program, tmp_path):
    """Every name, attribute, call, definition, import, parameter, base, scope; compare_cst.py lists exceptions."""
    root, store = repository
    table = facts(program, store, "libcst_files_v1", tmp_path)
    compare("compare_cst.py", "--root", root, "--facts", table, "--python", interpreter())
