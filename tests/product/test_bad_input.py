"""Issue 3, "Bad input": each sort of it leaves a diagnostic row or an error with its words, and everything else is
built."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import running
import stored
from conftest import Program

LAYERS = ("repo", "tree_sitter", "libcst", "ast", "symtable")
GOOD = "def good():\n    return 1\n\n\ngood()\n"
BIG_BYTES = 6 << 20
SLOW_BYTES = 2 << 20
DEPTH = 100_000


def layers_of(program: Program, store: Path) -> dict[tuple[str, str], dict[str, Any]]:
    rows = program.sql(store, "SELECT path, layer, status, reason, start_byte, n_facts FROM file_layers_v1")
    return {(row["path"], row["layer"]): row for row in rows}


def callers_of(program: Program, store: Path, name: str) -> list[dict[str, Any]]:
    return program.sql(
        store, f"SELECT path, start_line, status FROM callers WHERE callee_qualified_name = '{name}' ORDER BY 1, 2"
    )


# ---- what a file may hold ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A file, and what repo_files_v1 and the layer `repo` say: read off the bytes, with docs/contracts' column docs
    in hand."""

    content: bytes
    encoding: str | None = "utf-8"
    newline: str = "lf"
    n_lines: int = 1
    has_bom: bool = False
    repo: str = "ok"
    reason: str | None = None
    start_byte: int | None = None


CASES = {
    "syntax.py": Case(b"def broken(:\n    pass\n", n_lines=2),
    "indent.py": Case(b"if x:\ny = 1\n", n_lines=2),
    "undecodable.py": Case(
        b"x = '\xff'\n", repo="recovered", reason="byte 0xff at offset 5 is not valid utf-8", start_byte=5
    ),
    "utf16.py": Case(
        b"\xff\xfex\0=\0001\0\n\0",
        repo="recovered",
        reason="byte 0xff at offset 0 is not valid utf-8",
        start_byte=0,
        n_lines=2,
    ),
    "cookie.py": Case(
        b"# coding: nope\nx = 1\n",
        encoding=None,
        n_lines=2,
        repo="recovered",
        reason="unknown encoding: nope",
        start_byte=10,
    ),
    "latin1.py": Case(b"# coding: latin-1\nx = '\xe9'\n", encoding="iso-8859-1", n_lines=2),
    "bom.py": Case(b"\xef\xbb\xbfx = 1\n", has_bom=True),
    "bom_cookie.py": Case(
        b"\xef\xbb\xbf# coding: latin-1\n",
        encoding=None,
        has_bom=True,
        repo="recovered",
        reason="encoding problem: iso-8859-1 with BOM",
        start_byte=13,
    ),
    "nul.py": Case(b"x = 1\n\0y = 2\n", n_lines=2),
    "cr.py": Case(b"x = 1\ry = 2\r", newline="cr", n_lines=2),
    "crlf.py": Case(b"x = 1\r\ny = 2\r\n", newline="crlf", n_lines=2),
    "mixed.py": Case(b"x = 1\r\ny = 2\nz = 3\r", newline="mixed", n_lines=3),
    "form_feed.py": Case(b"x = 1\n\x0cdef f():\n\x0c    return x\n", n_lines=3),
    "empty.py": Case(b"", newline="none", n_lines=0),
    "comment.py": Case(b"# nothing else", newline="none"),
    "lone_surrogate.py": Case(
        b"x = '\xed\xa0\x80'\n", repo="recovered", reason="byte 0xed at offset 5 is not valid utf-8", start_byte=5
    ),
    "null_device.py": Case(b"\x1a", newline="none"),
}

# Deep in every way that a grammar allows; what CPython does with each is asked of CPython.
DEEP = {
    "deep_parentheses.py": b"x = " + b"(" * DEPTH + b")" * DEPTH + b"\n",
    "deep_lists.py": b"x = " + b"[" * DEPTH + b"]" * DEPTH + b"\n",
    "deep_minus.py": b"x = " + b"-" * DEPTH + b"1\n",
    "deep_attributes.py": b"x = y" + b".a" * DEPTH + b"\n",
    "deep_calls.py": b"x = f" + b"()" * DEPTH + b"\n",
    "deep_sum.py": b"x = 1" + b"+1" * DEPTH + b"\n",
    "deep_unclosed.py": b"x = " + b"(" * DEPTH,
    "deep_elif.py": b"if a:\n    pass\n" + b"elif b:\n    pass\n" * DEPTH,
}


def big_module(n_bytes: int) -> bytes:
    """Assignments and calls."""
    line = b"name_%06d = call(name_0, 'some text that a module of tables is full of, %06d', key=[1, 2, 3])\n"
    n = n_bytes // len(line % (0, 0)) + 1
    return b"name_0 = 0\n" + b"".join(line % (i, i) for i in range(1, n + 1))


def verdict_of_cpython(path: Path) -> str:
    """'ok', the exception, or the signal that ended CPython when it parsed the file."""
    code = "import ast, sys; ast.parse(open(sys.argv[1], 'rb').read(), type_comments=True)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return "ok"
    if done.returncode < 0:
        return f"worker killed by signal {-done.returncode}"
    return done.stderr.strip().splitlines()[-1].partition(":")[0]


@pytest.fixture(scope="module")
def bad_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bad") / "repo"
    root.mkdir()
    for name, case in CASES.items():
        (root / name).write_bytes(case.content)
    for name, content in DEEP.items():
        (root / name).write_bytes(content)
    (root / "big.py").write_bytes(big_module(BIG_BYTES))
    (root / "good.py").write_text(GOOD)
    return root


@pytest.fixture(scope="module")
def bad_store(program: Program, bad_repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("bad") / "store"
    program.build(bad_repo, store, "--python", sys.executable)
    return store


@pytest.fixture(scope="module")
def bad_layers(program: Program, bad_store: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return layers_of(program, bad_store)


def test_every_file_has_every_layer(bad_repo: Path, bad_layers: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Design decision 13: one status row a (file, layer), whatever the file."""
    files = sorted(p.name for p in bad_repo.iterdir())
    assert sorted(bad_layers) == sorted((name, layer) for name in files for layer in LAYERS)


@pytest.mark.parametrize("name", CASES)
def test_repo_facts(
    name: str, program: Program, bad_store: Path, bad_layers: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """C1: what the scan says of the bytes; G2: the reason says what and where."""
    case = CASES[name]
    row = program.sql(
        bad_store,
        f"SELECT encoding, newline, n_lines, has_bom, size_bytes, content_id FROM repo_files_v1 WHERE path = '{name}'",
    )[0]
    assert row.get("encoding") == case.encoding
    assert (row["newline"], row["n_lines"], row["has_bom"]) == (case.newline, case.n_lines, case.has_bom)
    assert row["size_bytes"] == len(case.content)
    layer = bad_layers[name, "repo"]
    assert (layer["status"], layer.get("reason"), layer.get("start_byte")) == (case.repo, case.reason, case.start_byte)


def start_of(error: SyntaxError, content: bytes) -> int | None:
    """Raw byte of CPython's lineno and offset where the file decodes as UTF-8 and every line ends in LF."""
    if error.lineno is None or error.offset is None or error.offset < 1:
        return None
    lines = content.decode().split("\n")
    head = "\n".join(lines[: error.lineno - 1] + [lines[error.lineno - 1][: error.offset - 1]])
    return len(head.encode())


@pytest.mark.parametrize("name", CASES)
def test_ast_agrees_with_cpython(name: str, bad_layers: dict[tuple[str, str], dict[str, Any]]) -> None:
    """C2: the layer `ast` fails where CPython's parser does, and in its words."""
    content = CASES[name].content
    layer = bad_layers[name, "ast"]
    try:
        tree = ast.parse(content, type_comments=True)
    except (SyntaxError, ValueError) as error:
        words = error.msg if isinstance(error, SyntaxError) else str(error)
        assert layer["status"] == "failed"
        assert layer["reason"] == f"{type(error).__name__}: {words}"
        if isinstance(error, SyntaxError) and CASES[name].repo == "ok" and b"\0" not in content:
            assert layer.get("start_byte") == start_of(error, content)
    else:
        assert (layer["status"], layer.get("reason")) == ("ok", None)
        assert layer["n_facts"] == sum(1 for _ in ast.walk(tree)) or layer["n_facts"] > 0


@pytest.mark.parametrize("name", DEEP)
def test_deep_nesting(name: str, bad_repo: Path, bad_layers: dict[tuple[str, str], dict[str, Any]]) -> None:
    """100,000 deep: the syntax layer has its facts, CPython's layers say what CPython says."""
    for layer in ("repo", "tree_sitter", "libcst"):
        row = bad_layers[name, layer]
        if layer == "libcst" and name == "deep_attributes.py":
            # The dotted names of a chain are as long as it is, so all of them together grow with its square: a
            # budget ends that.
            assert row["status"] == "failed" and row["reason"].startswith("budget: derived text"), row
        else:
            assert row["status"] in ("ok", "recovered") and row["n_facts"] > 0, row
    verdict = verdict_of_cpython(bad_repo / name)
    row = bad_layers[name, "ast"]
    if verdict == "ok":
        assert row["status"] == "ok"
    else:
        assert row["status"] == "failed" and row["reason"].startswith(verdict), (verdict, row)


def test_big_module(
    program: Program, bad_repo: Path, bad_store: Path, bad_layers: dict[tuple[str, str], dict[str, Any]]
) -> None:
    """6 MB: every layer is ok, and no call is missing."""
    assert [bad_layers["big.py", layer]["status"] for layer in LAYERS] == ["ok"] * len(LAYERS)
    tree = ast.parse((bad_repo / "big.py").read_bytes())
    calls = sum(isinstance(node, ast.Call) for node in ast.walk(tree))
    for view in ("ast_calls", "cst_callsites", "call_resolution"):
        assert program.sql(bad_store, f"SELECT count(*) AS n FROM {view} WHERE path = 'big.py'") == [{"n": calls}]


def test_the_rest_is_built(program: Program, bad_store: Path) -> None:
    """Decision 13: one file's failure removes nothing of another."""
    assert callers_of(program, bad_store, "good.good") == [{"path": "good.py", "start_line": 5, "status": "proved"}]
    run = stored.manifest(bad_store)
    failed = program.sql(bad_store, "SELECT count(*) AS n FROM file_layers_v1 WHERE status = 'failed'")
    assert failed == [{"n": run["n_failed_layers"]}] and run["is_reproducible"] is True


# ---- what a directory may hold -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Names and entries that are no plain file."""
    root = tmp_path_factory.mktemp("odd") / "repo"
    (root / "package.py").mkdir(parents=True)
    (root / "package.py" / "inner.py").write_text("inside = 1\n")
    (root / "good.py").write_text(GOOD)
    (root / "dangling.py").symlink_to("nowhere.py")
    (root / "circle.py").symlink_to("circle.py")
    (root / "outside.py").symlink_to(sys.executable)
    (root / "inside.py").symlink_to("good.py")
    os.mkfifo(root / "fifo.py")
    Path(os.fsdecode(bytes(root) + b"/na\xefve.py")).write_text("x = 1\n")
    folder = Path(os.fsdecode(bytes(root) + b"/\xff"))
    folder.mkdir()
    (folder / "m.py").write_text("x = 1\n")
    (root / "back\\slash.py").write_text("x = 1\n")
    (root / "new\nline.py").write_text("x = 1\n")
    (root / unicodedata.normalize("NFD", "é.py")).write_text("x = 1\n")
    (root / unicodedata.normalize("NFC", "é.py")).write_text("x = 2\n")
    (root / "unreadable.py").write_text("x = 1\n")
    (root / "unreadable.py").chmod(0)
    (root / "closed").mkdir()
    (root / "closed" / "m.py").write_text("x = 1\n")
    (root / "closed").chmod(0)
    return root


@pytest.fixture(scope="module")
def odd_store(program: Program, odd_repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("odd") / "store"
    answer = program.run_unprivileged("build", odd_repo, "--store", store, "--quiet")
    assert answer.code == 0, answer.err
    return store


ENTRIES = {
    "dangling.py": "a link to nothing",
    "circle.py": "a link that leads in a circle",
    "outside.py": "a link out of the tree",
    "fifo.py": "not a regular file but a FIFO",
    "unreadable.py": "cannot be read: Permission denied",
    "closed/": "a directory that cannot be listed: Permission denied",
    "na\\xefve.py": None,
    "\\xff/m.py": None,
    "back\\\\slash.py": None,
    "new\nline.py": None,
    "e\u0301.py": None,
    "\u00e9.py": None,
    "inside.py": None,
    "package.py/inner.py": None,
    "good.py": None,
}


def test_entries(program: Program, odd_store: Path) -> None:
    """C1: links, devices, permissions and names that are not UTF-8 are entries with a reason, each under a path of
    its own."""
    layers = layers_of(program, odd_store)
    repo = {path: row.get("reason") for (path, layer), row in layers.items() if layer == "repo"}
    assert repo == ENTRIES


@pytest.mark.parametrize("path", [path for path, reason in ENTRIES.items() if reason])
def test_unreadable_entries_are_skipped(path: str, program: Program, odd_store: Path) -> None:
    layers = layers_of(program, odd_store)
    assert layers[path, "repo"]["status"] == "failed"
    for layer in LAYERS[1:]:
        row = layers[path, layer]
        assert (row["status"], row["reason"]) == ("skipped", "the file could not be read")


def test_names_become_modules(program: Program, odd_store: Path) -> None:
    """Every file can be imported, so it is a module, whether it could be read or not; a directory is none. Names do
    not collide."""
    rows = program.sql(odd_store, "SELECT path FROM modules")
    assert sorted(row["path"] for row in rows) == sorted(set(ENTRIES) - {"closed/"})
    assert [row["path"] for row in callers_of(program, odd_store, "good.good")] == ["good.py"]


def test_repository_name_is_not_utf8(program: Program, tmp_path: Path) -> None:
    root = Path(os.fsdecode(bytes(tmp_path) + b"/\xff"))
    root.mkdir()
    (root / "good.py").write_text(GOOD)
    program.build(root, tmp_path / "store")
    assert callers_of(program, tmp_path / "store", "good.good")
    done = subprocess.run([program.path, "build", root], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(
        b"/.codeanatomy': the path is not UTF-8, which Delta needs: choose another with --store\n"
    )


# ---- what may happen during a build --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slow_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first file takes seconds, and nobody runs further ahead than 64 files: what is last is read late."""
    root = tmp_path_factory.mktemp("slow") / "repo"
    root.mkdir()
    (root / "a_big.py").write_bytes(big_module(SLOW_BYTES))
    for i in range(100):
        (root / f"m{i:03}.py").write_text(f"def f{i}():\n    return {i}\n")
    (root / "good.py").write_text(GOOD)
    for name in ("changed", "linked", "replaced", "vanished"):
        (root / f"zz_{name}.py").write_text("before = 1\n")
    return root


@pytest.fixture(scope="module", autouse=True)
def hung_build(program: Program, slow_repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Build]:
    """A worker is stopped at the start of this module; the watchdog needs two minutes of waiting, so its test comes
    last."""
    build = running.Build(program, slow_repo, tmp_path_factory.mktemp("hung") / "store", "-j", "1")
    os.kill(build.wait_for_busy_worker(), signal.SIGSTOP)
    yield build
    if build.is_running():
        build.kill()


def test_files_change_during_the_scan(program: Program, slow_repo: Path, tmp_path: Path) -> None:
    """What was listed and then changed is what was read; what vanished, became a link or a directory is a failure."""
    repo = tmp_path / "repo"
    subprocess.run(["cp", "-r", slow_repo, repo], check=True)
    build = running.Build(program, repo, tmp_path / "store")
    build.wait_for_workers()
    (repo / "zz_changed.py").write_text("def after():\n    pass\n\n\nafter()\n")
    (repo / "zz_vanished.py").unlink()
    (repo / "zz_linked.py").unlink()
    (repo / "zz_linked.py").symlink_to("good.py")
    (repo / "zz_replaced.py").unlink()
    (repo / "zz_replaced.py").mkdir()
    answer = build.finish()
    assert answer.code == 0, answer.err
    layers = layers_of(program, build.store)
    reasons = {path: layers[path, "repo"].get("reason") for path, _ in layers if path.startswith("zz_")}
    assert reasons == {
        "zz_changed.py": None,
        "zz_vanished.py": "vanished after the scan",
        "zz_linked.py": "became a link after the scan",
        "zz_replaced.py": "not a regular file",
    }
    assert [row["path"] for row in callers_of(program, build.store, "zz_changed.after")] == ["zz_changed.py"]
    assert [row["path"] for row in callers_of(program, build.store, "good.good")] == ["good.py"]


def test_worker_killed_once(program: Program, slow_repo: Path, tmp_path: Path) -> None:
    """A worker that dies is started anew and its file is tried again."""
    build = running.Build(program, slow_repo, tmp_path / "store", "-j", "1")
    os.kill(build.wait_for_busy_worker(), signal.SIGKILL)
    answer = build.finish()
    assert answer.code == 0, answer.err
    not_ok = program.sql(build.store, "SELECT path, layer, reason FROM file_layers_v1 WHERE status <> 'ok'")
    assert not_ok == []
    assert stored.manifest(build.store)["is_reproducible"] is True


def test_worker_killed_twice(program: Program, slow_repo: Path, tmp_path: Path) -> None:
    """A file that is in work when two workers are killed, as the system does when memory is short, loses its CPython
    layers and nothing else; the next ones do not notice. The run is not reproducible."""
    build = running.Build(program, slow_repo, tmp_path / "store", "-j", "1")
    first = build.wait_for_busy_worker()
    os.kill(first, signal.SIGKILL)
    os.kill(build.wait_for_busy_worker(but={first}), signal.SIGKILL)
    answer = build.finish()
    assert answer.code == 0, answer.err
    not_ok = program.sql(
        build.store, "SELECT path, layer, status, reason FROM file_layers_v1 WHERE status <> 'ok' ORDER BY layer"
    )
    killed = {"path": "a_big.py", "status": "failed", "reason": "budget: worker killed by signal 9"}
    assert not_ok == [{"layer": "ast", **killed}, {"layer": "symtable", **killed}]
    assert stored.manifest(build.store)["is_reproducible"] is False  # decision 14
    assert callers_of(program, build.store, "good.good")


# ---- the interpreter -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("/nonexistent/python3", "no interpreter: cannot start '/nonexistent/python3': No such file or directory"),
        ("/bin/true", "no interpreter: '/bin/true' does not answer like Python: its answer is not understood"),
        ("/bin/false", "no interpreter: '/bin/false' does not answer like Python: exit status 1"),
    ],
)
def test_no_interpreter(
    python: str, reason: str, program: Program, make_repo: Callable[..., Path], tmp_path: Path
) -> None:
    """Decision 8: without an interpreter CPython's layers are skipped with the reason, the others go on."""
    store = tmp_path / "store"
    program.build(make_repo({"good.py": GOOD}), store, "--python", python)
    layers = layers_of(program, store)
    for layer in ("ast", "symtable"):
        row = layers["good.py", layer]
        assert (row["status"], row["reason"], row["n_facts"]) == ("skipped", reason, 0)
    for layer in ("repo", "tree_sitter", "libcst"):
        assert layers["good.py", layer]["status"] == "ok"
    assert callers_of(program, store, "good.good") == [{"path": "good.py", "start_line": 5, "status": "proved"}]
    assert stored.manifest(store)["interpreter"] == {"version": None, "full_version": None}


@pytest.fixture
def starter(tmp_path: Path) -> Callable[[str], Path]:
    """An interpreter that answers for this one and, as a worker, first runs shell text in which $n counts from 1."""

    def make(start: str) -> Path:
        path = tmp_path / "python"
        name, full = sys.implementation.name, sys.version.replace("\n", " ")
        fields = [b"codeanatomy-interpreter", bytes(path), b"%d" % sys.version_info[0], b"%d" % sys.version_info[1]]
        fields += [name.encode(), b"gil", full.encode(), b"print", b"end", b""]
        (tmp_path / "answer").write_bytes(b"\0".join(fields))
        path.write_text(
            f"#!/bin/sh\nif [ $# -gt 5 ]; then\n  echo >>{tmp_path}/n\n  n=$(wc -l <{tmp_path}/n)\n  {start}\n"
            f'  exec {sys.executable} "$@"\nfi\ncat {tmp_path}/answer\n'
        )
        path.chmod(0o755)
        return path

    return make


def test_workers_are_killed_before_they_start(
    program: Program, starter: Callable[[str], Path], make_repo: Callable[..., Path], tmp_path: Path
) -> None:
    """Decisions 8, 13 and 14: a worker that dies before its first word is started again, a bounded number of times;
    then CPython's layers are skipped with the reason, and the rest of the build goes on."""
    python = starter("kill -9 $$")
    store = tmp_path / "store"
    program.build(make_repo({"good.py": GOOD, "other.py": "x = 1\n"}), store, "--python", str(python))
    layers = layers_of(program, store)
    for path in ("good.py", "other.py"):
        for layer in ("ast", "symtable"):
            row = layers[path, layer]
            assert row["status"] == "skipped"
            assert row["reason"].startswith(f"no worker: 3 in a row did not start: start worker: '{python}' with ")
            assert row["reason"].endswith(": worker killed by signal 9")
        for layer in ("repo", "tree_sitter", "libcst"):
            assert layers[path, layer]["status"] == "ok"
    assert callers_of(program, store, "good.good") == [{"path": "good.py", "start_line": 5, "status": "proved"}]
    assert stored.manifest(store)["is_reproducible"] is False
    doctor = program.run("doctor", tmp_path / "repo", "--store", store, "--python", python)
    assert doctor.code == 1 and re.search(r"fail +interpreter +no worker: 3 in a row did not start: ", doctor.out)


def test_worker_is_killed_once_before_it_starts(
    program: Program, starter: Callable[[str], Path], make_repo: Callable[..., Path], tmp_path: Path
) -> None:
    """A start that fails once leaves no trace."""
    python = starter("[ $n -gt 1 ] || kill -9 $$")
    store = tmp_path / "store"
    program.build(make_repo({"good.py": GOOD}), store, "--python", str(python))
    assert {row["status"] for row in layers_of(program, store).values()} == {"ok"}
    assert stored.manifest(store)["is_reproducible"] is True


def test_no_worker_comes_back(
    program: Program, starter: Callable[[str], Path], slow_repo: Path, tmp_path: Path
) -> None:
    """The only worker dies in the middle of a build and no other one starts: what is left of its layers is skipped,
    and the rest of the build goes on."""
    python = starter("[ $n -eq 1 ] || exit 7")
    build = running.Build(program, slow_repo, tmp_path / "store", "-j", "1", "--python", str(python))
    os.kill(build.wait_for_busy_worker(), signal.SIGKILL)
    answer = build.finish()
    assert answer.code == 0, answer.err
    layers = layers_of(program, build.store)
    for (_, layer), row in layers.items():
        if layer in ("ast", "symtable"):
            assert row["status"] == "skipped" and row["reason"].endswith(": worker ended with status 7")
        else:
            assert row["status"] == "ok"
    assert callers_of(program, build.store, "good.good")
    assert stored.manifest(build.store)["is_reproducible"] is False


# ---- the store -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_disk_full(program: Program, make_repo: Callable[..., Path], small_disk: Path) -> None:
    """No room: the system's own words, nothing published; a run that was published before stays as it was (E1)."""
    repo = make_repo({"good.py": GOOD})
    store = small_disk / "store"
    program.build(repo, store)
    before = (store / "published").read_text()
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC
    answer = program.run("build", repo, "--store", store, "--quiet")
    assert answer.code == 3 and "No space left on device" in answer.err, answer.err
    assert (store / "published").read_text() == before
    assert callers_of(program, store, "good.good")
    filler.unlink()
    program.build(repo, store)
    assert (store / "published").read_text() != before


def test_disk_too_small(program: Program, slow_repo: Path, small_disk: Path) -> None:
    """The disk fills up in the middle of a first build: the error names the dataset, and the store says that nothing
    is published."""
    store = small_disk / "store"
    answer = program.run("build", slow_repo, "--store", store, "--quiet")
    assert answer.code == 3
    assert "No space left on device" in answer.err and "write 'public." in answer.err, answer.err
    answer = program.run("status", "--store", store)
    assert (answer.code, answer.err) == (3, f"codeanatomy: nothing is published in {store}\n")


def test_store_is_a_file(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    repo = make_repo({"good.py": GOOD})
    file = tmp_path / "file"
    file.write_text("mine")
    for store in (file, file / "below"):
        answer = program.run("build", repo, "--store", store)
        assert answer.code == 3
        assert answer.err == (
            f"codeanatomy: build '{repo}': open store '{store}' for writing: "
            f"cannot make folder '{file}': there is a file of that name\n"
        )
    assert file.read_text() == "mine"


def test_store_is_not_writable(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    repo = make_repo({"good.py": GOOD})
    parent = tmp_path / "closed"
    parent.mkdir(mode=0o555)
    store = parent / "store"
    answer = program.run_unprivileged("build", repo, "--store", store)
    assert answer.code == 3
    assert answer.err == (
        f"codeanatomy: build '{repo}': open store '{store}' for writing: cannot make folder '{store}': "
        f"Permission denied\n"
    )


def test_store_holds_something_else(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    """A build empties STORE/tmp and prunes what no manifest names, so it must not take a directory of somebody else
    for a store."""
    repo = make_repo({"good.py": GOOD})
    other = tmp_path / "other"
    (other / "tmp").mkdir(parents=True)
    (other / "tmp" / "precious").write_text("mine")
    answer = program.run("build", repo, "--store", other)
    assert answer.code == 3
    assert "is not empty and no codeanatomy store (it holds 'tmp'): choose an empty or a new directory" in answer.err
    assert sorted(p.name for p in other.rglob("*")) == ["precious", "tmp"]


def test_store_of_a_newer_format(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    """Decision 19, docs/store.md: refused by every command, and untouched."""
    repo = make_repo({"good.py": GOOD})
    store = tmp_path / "store"
    program.build(repo, store)
    (store / "FORMAT").write_text("codeanatomy store 6\n")
    before = sorted((p.name, p.stat().st_mtime_ns) for p in store.rglob("*") if p.name not in ("lock", "store"))
    words = f"store '{store}' has format 6, this program reads 5: use the program that wrote it, or another --store\n"
    assert program.run("sql", "--store", store, "-c", "SELECT 1").err == f"codeanatomy: {words}"
    answer = program.run("build", repo, "--store", store)
    assert (answer.code, answer.err) == (4, f"codeanatomy: build '{repo}': open store '{store}' for writing: {words}")
    assert sorted((p.name, p.stat().st_mtime_ns) for p in store.rglob("*") if p.name not in ("lock", "store")) == before


def test_store_of_an_older_format(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    """Decision 20: a query says that it is older; a build empties it and makes it anew."""
    repo = make_repo({"good.py": GOOD})
    store = tmp_path / "store"
    program.build(repo, store)
    (store / "FORMAT").write_text("codeanatomy store 1\n")
    (store / "runs" / "old.json").write_text("{}")
    answer = program.run("sql", "--store", store, "-c", "SELECT 1")
    words = f"store '{store}' has the older format 1: run 'codeanatomy build' to rebuild it\n"
    assert (answer.code, answer.err) == (4, f"codeanatomy: {words}")
    program.build(repo, store)
    assert (store / "FORMAT").read_text() == "codeanatomy store 5\n"
    assert not (store / "runs" / "old.json").exists()
    assert program.sql(store, "SELECT count(*) AS n FROM repo_files_v1") == [{"n": 1}]


def test_store_of_no_format(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    """FORMAT that is not ours: nothing of it is emptied."""
    repo = make_repo({"good.py": GOOD})
    store = tmp_path / "store"
    program.build(repo, store)
    for text in ("codeanatomy store 0\n", "something else\n", ""):
        (store / "FORMAT").write_text(text)
        answer = program.run("build", repo, "--store", store)
        assert answer.code == 4
        assert answer.err.endswith(f"'{store}/FORMAT' is not the format file of a codeanatomy store\n")
    assert (store / "published").exists()


def test_pointer_to_no_run(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    """A spoilt `published`: readers and builds say what to write into it: a build alone would lose rows of SQL."""
    repo = make_repo({"good.py": GOOD})
    store = tmp_path / "store"
    program.build(repo, store)
    run = (store / "published").read_text()
    for spoilt, shown in ((b"", ""), (b"a\xffb", "a\ufffdb"), (b"../x", "../x")):
        (store / "published").write_bytes(spoilt)
        words = f"'{store}/published' holds '{shown}', which is not a run id: write one into it, there is: "
        for command in (["sql", "--store", store, "-c", "SELECT 1"], ["build", repo, "--store", store]):
            answer = program.run(*command)
            assert (answer.code, answer.err.partition(words)[2]) == (3, run)
    (store / "published").write_text(run)
    assert program.sql(store, "SELECT count(*) AS n FROM repo_files_v1") == [{"n": 1}]


def test_contracts_of_the_run_are_no_file(program: Program, make_repo: Callable[..., Path], tmp_path: Path) -> None:
    """A directory or a pipe in the place of the contracts' file: an error with its path, and nobody waits."""
    repo = make_repo({"good.py": GOOD})
    store = tmp_path / "store"
    program.build(repo, store)
    (snapshot,) = (store / "catalog").iterdir()
    snapshot.unlink()
    for make, remove in ((os.mkdir, os.rmdir), (os.mkfifo, os.unlink)):
        make(snapshot)
        answer = program.run("sql", "--store", store, "-c", "SELECT 1")
        assert answer.code == 3 and f"cannot map '{snapshot}': not a regular file" in answer.err, answer.err
        remove(snapshot)


def test_two_builds_at_once(program: Program, slow_repo: Path, tmp_path: Path) -> None:
    """One writer: the second build ends at once with exit code 5 and names the first, which is not disturbed;
    readers go on."""
    build = running.Build(program, slow_repo, tmp_path / "store")
    build.wait_for_lock()
    answer = program.run("build", slow_repo, "--store", build.store)
    assert answer.code == 5
    assert answer.err == (
        f"codeanatomy: build '{slow_repo}': open store '{build.store}' for writing: another process writes to "
        f"'{build.store}' (process {build.process.pid}): wait for it, or use another --store\n"
    )
    assert build.is_running()
    assert program.sql(build.store, "SELECT count(*) AS n FROM cpg_nodes") == [{"n": 0}]
    first = build.finish()
    assert first.code == 0, first.err
    assert callers_of(program, build.store, "good.good")


# ---- last: the watchdog --------------------------------------------------------------------------------------------


def test_worker_hangs(program: Program, hung_build: running.Build) -> None:
    """Decision 14: the watchdog marks the one file `failed: budget`, the run is marked not reproducible, the rest is
    built."""
    answer = hung_build.finish()
    assert answer.code == 0, answer.err
    not_ok = program.sql(
        hung_build.store, "SELECT path, layer, status, reason FROM file_layers_v1 WHERE status <> 'ok' ORDER BY layer"
    )
    hung = {"path": "a_big.py", "status": "failed", "reason": "budget: no answer within 120000 ms"}
    assert not_ok == [{"layer": "ast", **hung}, {"layer": "symtable", **hung}]
    assert stored.manifest(hung_build.store)["is_reproducible"] is False
    status = json.loads(program.run("status", "--store", hung_build.store, "--format", "json").out)
    assert status["run"]["is_reproducible"] is False
    assert callers_of(program, hung_build.store, "good.good")
