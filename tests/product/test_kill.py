"""A build that is killed at any moment: the published run stays, whole, and the next build goes on (decision 19,
docs/store.md)."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import running
import stored
from conftest import Program

KILLS = 8
FILES: dict[str, str | bytes] = {f"m{i}.py": f"def f{i}():\n    return f{i - 1 if i else 0}()\n" for i in range(20)}
QUESTIONS = (
    "SELECT path, content_id FROM repo_files_v1 ORDER BY path",
    "SELECT callee_qualified_name, path, start_line, status FROM callers ORDER BY 1, 2, 3",
    "SELECT kind, count(*) AS n, sum(node_id % 1000003) AS ids FROM cpg_nodes GROUP BY kind ORDER BY kind",
    "SELECT kind, status, count(*) AS n FROM cpg_edges GROUP BY kind, status ORDER BY kind, status",
    "SELECT count(*) AS n FROM diagnostics.writes",
)


def answers(program: Program, store: Path, *args: str) -> list[list[dict[str, Any]]]:
    return [program.sql(store, question, *args) for question in QUESTIONS]


def rng_of_a_printed_seed() -> random.Random:
    seed = int(os.environ.get("CA_SEED", random.randrange(1 << 32)))
    print(f"CA_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def repo(make_repo: Callable[..., Path]) -> Path:
    return make_repo(FILES)


def is_gone(pid: int) -> bool:
    """Also when nobody has collected it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_killed_at_random_points(program: Program, repo: Path, tmp_path: Path) -> None:
    """E1, G1: kill -9 at KILLS moments spread over the build. A run that is visible is whole, and no worker outlives
    its host."""
    rng = rng_of_a_printed_seed()
    store = tmp_path / "store"
    program.build(repo, store)
    used_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    program.build(repo, store)
    used_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used_s
    before = answers(program, store)
    run = (store / "published").read_text()

    (repo / "changed.py").write_text("def changed():\n    return changed()\n")
    workers: set[int] = set()
    n_killed = 0
    for i in range(KILLS):
        build = running.Build(program, repo, store)
        # By the time that it has used, which is the same on a busy machine.
        moment_s = used_s * (i + rng.random()) / KILLS
        while build.is_running() and build.cpu_seconds() < moment_s:
            workers.update(build.workers())
            time.sleep(running.STEP_S)
        if build.is_running():
            n_killed += 1
        build.kill()
        if (store / "published").read_text() != run:
            break  # it was quicker than it was before: what it published is the new run, whole
        assert answers(program, store) == before, f"killed after {i}"
        assert program.run("status", "--store", store).code == 0
    assert n_killed >= KILLS // 2 and workers

    program.build(repo, store)
    after = answers(program, store)
    fresh = tmp_path / "fresh"
    program.build(repo, fresh)
    assert after == answers(program, fresh) and after != before
    # The run before is of the repository before, in the one store and not in the other: one build more in both.
    program.build(repo, store)
    program.build(repo, fresh)
    assert stored.file_counts(store) == stored.file_counts(fresh), "what killed builds left is gone"

    running.wait_until(lambda: all(is_gone(pid) for pid in workers))


def test_killed_while_it_sweeps(program: Program, repo: Path, tmp_path: Path) -> None:
    """Decision 19: kill -9 of a later build between the moment at which its run is visible and its end, while it
    removes what older runs left: its run and the one before it are whole, and the next build removes the rest."""
    rng = rng_of_a_printed_seed()
    store = tmp_path / "store"
    program.build(repo, store)
    program.build(repo, store)
    n_killed = 0
    for i in range(KILLS // 2):
        before, run = answers(program, store), (store / "published").read_text().strip()
        (repo / f"changed{i}.py").write_text(f"def changed{i}():\n    return changed{i}()\n")
        build = running.Build(program, repo, store)
        running.wait_until(lambda run=run: (store / "published").read_text().strip() != run)
        time.sleep(rng.random() * 0.02)
        n_killed += build.is_running()
        build.kill()
        assert answers(program, store) != before
        assert answers(program, store, "--run", run) == before, f"killed after {i}"
    assert n_killed, "no build was killed in its sweep"
    fresh = tmp_path / "fresh"
    for place in (store, store, fresh, fresh):
        program.build(repo, place)
    assert answers(program, store) == answers(program, fresh)
    assert stored.file_counts(store) == stored.file_counts(fresh)


def test_first_build_is_killed(program: Program, repo: Path, tmp_path: Path) -> None:
    """Nothing is published: `status` says so, every dataset is there and empty (B2), and the next build publishes."""
    store = tmp_path / "store"
    build = running.Build(program, repo, store)
    build.wait_for_workers()
    build.kill()
    answer = program.run("status", "--store", store)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err == f"codeanatomy: nothing is published in {store}\n"
    assert program.sql(store, "SELECT count(*) AS n FROM callers") == [{"n": 0}]
    assert program.sql(store, "SELECT DISTINCT health FROM registry.datasets WHERE kind IN ('table', 'bundle')") == [
        {"health": "empty"}
    ]
    program.build(repo, store)
    assert program.sql(store, "SELECT count(*) AS n FROM repo_files_v1") == [{"n": len(FILES)}]


def test_killed_before_the_store_is_one(program: Program, repo: Path, tmp_path: Path) -> None:
    """What a build leaves that dies before it wrote FORMAT is no obstacle to the next one."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "lock").write_text("4711\n")
    (store / "FORMAT.tmp.4711.0").write_text("codeanatomy st")
    program.build(repo, store)
    assert answers(program, store)[0]


def test_interrupted(program: Program, repo: Path, tmp_path: Path) -> None:
    """SIGINT ends the build with 130 and publishes nothing."""
    store = tmp_path / "store"
    program.build(repo, store)
    run = (store / "published").read_text()
    build = running.Build(program, repo, store)
    build.wait_for_workers()
    build.process.send_signal(signal.SIGINT)
    answer = build.finish()
    assert answer.code == 130, answer.err
    assert (store / "published").read_text() == run
    program.build(repo, store)
