"""Speed and memory on real repositories, one JSON object a line on stdout.

    make bench                               requests, django, sympy
    python bench/run.py --only django        one of them

For each repository, in one run on one machine:
    build     one line a stage and one for the whole: wall and CPU seconds, peak resident bytes (our process and its
              workers, sampled), rows, bytes
    floor     the same files through CPython's parse, symtable and compile and tree-sitter's parse, nothing else, on as
              many processes
    libcst    every tenth file through LibCST with its byte-span, position, scope and qualified-name providers, one
              process
    twice     of django: two copies of it as one repository, and what they take of that which one takes
    rebuilds  of requests: its store built again and again: the second build and the median of the last three builds,
              wall and CPU seconds, and what the store holds
    answers   `sql -c 'select 1'`, and the callers of one function, best of five
    ratio     what the targets speak of
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("CODEANATOMY", ROOT / "build" / "bin" / "codeanatomy"))
CORPORA = Path(os.environ.get("CA_CORPORA", ROOT / "build" / "corpora"))
REPOSITORIES = {
    "requests": ("requests-2.34.2", "requests.sessions.Session.request"),
    "django": ("django-5.2.19", "django.urls.reverse"),
    "sympy": ("sympy-1.14.0", "sympy.core.sympify.sympify"),
}
TWICE = "django"
REBUILT = "requests"
N_BUILDS = 12
N_PROCESSES = os.cpu_count() or 1
TICK = os.sysconf("SC_CLK_TCK")


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


# ---- the build, watched from outside


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def usage_of(pids: list[int]) -> tuple[float, int]:
    """CPU seconds (reaped children included) and resident bytes of the processes that are still there."""
    cpu, resident = 0.0, 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            statm = Path(f"/proc/{pid}/statm").read_text().split()
        except OSError:
            continue
        cpu += sum(int(stat[i]) for i in (11, 12, 13, 14)) / TICK
        resident += (int(statm[1]) - int(statm[2])) * os.sysconf("SC_PAGESIZE")
    return cpu, resident


class Watch(threading.Thread):
    """Samples a process and its children; `mark` closes a stage."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.is_done = threading.Event()
        self.lock = threading.Lock()
        self.started = self.stage_started = time.monotonic()
        self.cpu = self.stage_cpu = 0.0
        self.peak = self.stage_peak = 0

    def sample(self) -> None:
        try:
            pids = [self.pid, *children_of(self.pid)]
        except OSError:
            return
        cpu, resident = usage_of(pids)
        with self.lock:
            self.cpu = max(self.cpu, cpu)
            self.peak = max(self.peak, resident)
            self.stage_peak = max(self.stage_peak, resident)

    def run(self) -> None:
        while not self.is_done.wait(0.05):
            self.sample()

    def mark(self) -> dict[str, float | int]:
        self.sample()
        now = time.monotonic()
        with self.lock:
            stage: dict[str, float | int] = {
                "wall_s": round(now - self.stage_started, 3),
                "cpu_s": round(self.cpu - self.stage_cpu, 2),
                "peak_bytes": self.stage_peak,
            }
            self.stage_started, self.stage_cpu, self.stage_peak = now, self.cpu, 0
        return stage


STAGE = re.compile(r"codeanatomy: (\w+): ([\d,]+) (?:files|models), ([\d,]+) rows so far")


def bench_build(name: str, repository: Path, store: Path) -> dict[str, Any]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [PROGRAM, "build", repository, "--store", store, "--verbose", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watch = Watch(process.pid)
    watch.start()
    assert process.stderr and process.stdout
    for line in process.stderr:
        match = STAGE.match(line)
        if match:
            say(
                repository=name,
                what="build",
                stage=match[1],
                rows_before=int(match[3].replace(",", "")),
                **watch.mark(),
            )
    answer = process.stdout.read()
    if process.wait() != 0:
        sys.exit(f"build of {name} failed")
    watch.is_done.set()
    wall = time.monotonic() - watch.started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    built = json.loads(answer)
    built = built[0] if isinstance(built, list) else built
    total = {
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 2),
        "peak_bytes": watch.peak,
        "n_files": built["n_files"],
        "n_rows": built["n_rows"],
        "n_bytes": built["n_bytes"],
    }
    say(repository=name, what="build", stage="all", **total)
    return total


def bench_twice(name: str, repository: Path, scratch: Path, once: dict[str, Any]) -> None:
    for copy in ("a", "b"):
        shutil.copytree(repository, scratch / "twice" / copy, symlinks=True)
    twice = bench_build(f"{name} twice", scratch / "twice", scratch / "store-twice")
    to_once = {key: round(twice[key] / once[key], 3) for key in once}
    say(repository=name, what="twice", build="twice to once", **to_once)


# ---- the same store again


def rebuild(repository: Path, store: Path) -> dict[str, float | int]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run([PROGRAM, "build", repository, "--store", store], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    sizes = [path.stat().st_size for path in store.rglob("*") if path.is_file()]
    return {
        "wall_s": round(time.monotonic() - started, 3),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "store_bytes": sum(sizes),
        "store_files": len(sizes),
    }


def bench_rebuilds(name: str, repository: Path, store: Path) -> None:
    """`store` holds a first build."""
    builds = [rebuild(repository, store) for _ in range(N_BUILDS - 1)]
    second = builds[0]
    last = {key: median(build[key] for build in builds[-3:]) for key in second}
    say(repository=name, what="rebuilds", build="second", **second)
    say(repository=name, what="rebuilds", build=f"last of {N_BUILDS}", **last)
    say(
        repository=name,
        what="rebuilds",
        build="last to second",
        **{key: round(last[key] / second[key], 3) for key in second},
    )


# ---- the floor


def python_files(repository: Path) -> list[Path]:
    return sorted(p for p in repository.rglob("*") if p.suffix in (".py", ".pyi", ".pyw") and p.is_file())


def floor_part(paths: list[str]) -> float:
    """Parse, symtable, compile, tree-sitter; CPU seconds of this process for it."""
    import ast
    import gc
    import symtable
    import warnings

    import tree_sitter
    import tree_sitter_python

    symtable_of: Any = symtable.symtable  # takes bytes too, which its stub does not know
    warnings.simplefilter("ignore")
    gc.disable()
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_python.language()))
    started = time.process_time()
    for path in paths:
        raw = Path(path).read_bytes()
        parser.parse(raw)
        try:
            tree = ast.parse(raw, path, type_comments=True)
            symtable_of(raw, path, "exec")
            compile(tree, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, UnicodeDecodeError):
            continue
    return time.process_time() - started


def bench_floor(name: str, repository: Path) -> float:
    paths = [str(p) for p in python_files(repository)]
    paths.sort(key=os.path.getsize, reverse=True)
    parts = [paths[i::N_PROCESSES] for i in range(N_PROCESSES)]
    with ProcessPoolExecutor(N_PROCESSES) as pool:
        list(pool.map(floor_part, [[] for _ in parts]))  # interpreters and imports are not what is measured
        started = time.monotonic()
        cpu = sum(pool.map(floor_part, parts))
        wall = time.monotonic() - started
    say(
        repository=name,
        what="floor",
        wall_s=round(wall, 3),
        cpu_s=round(cpu, 2),
        n_processes=N_PROCESSES,
        n_files=len(paths),
    )
    return wall


def libcst_part(paths: list[str]) -> float:
    import libcst
    from libcst import metadata

    started = time.monotonic()
    for path in paths:
        try:
            wrapper = metadata.MetadataWrapper(libcst.parse_module(Path(path).read_bytes()), unsafe_skip_copy=True)
            wrapper.resolve_many(
                [
                    metadata.ByteSpanPositionProvider,
                    metadata.PositionProvider,
                    metadata.ScopeProvider,
                    metadata.QualifiedNameProvider,
                ]
            )
        except (libcst.ParserSyntaxError, RecursionError, UnicodeDecodeError):
            continue
    return time.monotonic() - started


def bench_libcst(name: str, repository: Path) -> float:
    """Seconds of one process for the whole repository, from every tenth file."""
    paths = python_files(repository)
    sample = paths[::10]
    share = sum(p.stat().st_size for p in sample) / max(1, sum(p.stat().st_size for p in paths))
    with ProcessPoolExecutor(1) as pool:
        wall = pool.submit(libcst_part, [str(p) for p in sample]).result()
    say(
        repository=name,
        what="libcst",
        wall_s=round(wall, 2),
        n_files=len(sample),
        share_of_bytes=round(share, 4),
        whole_s=round(wall / share, 1),
    )
    return wall / share


# ---- answers


def best_of(n: int, *command: str | Path) -> float:
    times = []
    for _ in range(n):
        started = time.monotonic()
        subprocess.run(list(command), check=True, capture_output=True)
        times.append(time.monotonic() - started)
    return min(times)


def bench_answers(name: str, store: Path, function: str) -> dict[str, float]:
    callers = f"SELECT path, start_line, status FROM callers WHERE callee_qualified_name = '{function}'"
    answers = {
        "select_1_ms": round(1000 * best_of(5, PROGRAM, "sql", "--store", store, "-c", "select 1"), 1),
        "callers_ms": round(1000 * best_of(5, PROGRAM, "sql", "--store", store, "-c", callers), 1),
    }
    say(repository=name, what="answers", function=function, **answers)
    return answers


def bench(name: str) -> None:
    folder, function = REPOSITORIES[name]
    repository = CORPORA / folder
    with tempfile.TemporaryDirectory(prefix="codeanatomy-bench-") as scratch:
        store = Path(scratch) / "store"
        python_files(repository)  # the directory is read once, so that all sides find it cached
        built = bench_build(name, repository, store)
        if name == TWICE:
            bench_twice(name, repository, Path(scratch), built)
        floor_wall = bench_floor(name, repository)
        libcst_wall = bench_libcst(name, repository)
        if name == REBUILT:
            bench_rebuilds(name, repository, store)
        answers = bench_answers(name, store, function)
    say(
        repository=name,
        what="ratio",
        build_to_floor=round(built["wall_s"] / floor_wall, 2),
        libcst_to_build=round(libcst_wall / built["wall_s"], 1),
        libcst_to_build_on_as_many_processes=round(libcst_wall / N_PROCESSES / built["wall_s"], 1),
        peak_gib=round(built["peak_bytes"] / 2**30, 3),
        **answers,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument(
        "--only", choices=sorted(REPOSITORIES), action="append", help="measure just this repository; may be repeated"
    )
    for name in arguments.parse_args().only or list(REPOSITORIES):
        bench(name)


if __name__ == "__main__":
    main()
