"""A program that is watched while it runs: what it uses; of a build its interpreter processes, its death, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import Answer, Program

# Reached by what hangs, and not by what waits for a busy machine.
LIMIT_S = 120
STEP_S = 0.002
BUSY_S = 0.25


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[Any] | None = None) -> None:
    """AssertionError when it does not come, or the process that it would come of is gone."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end and (process is None or process.poll() is None)
        time.sleep(STEP_S)


def parent_of(pid: int) -> int:
    """0 when the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def arguments_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return []


def cpu_seconds_of(pid: int) -> float:
    """User time, with that of its children that have ended; 0 when the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[13])) / os.sysconf("SC_CLK_TCK")


class Build:
    """`codeanatomy build`, running."""

    def __init__(self, program: Program, repository: Path, store: Path, *args: str) -> None:
        self.store = store
        command = [str(program.path), "build", str(repository), "--store", str(store), "--quiet", *args]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def is_running(self) -> bool:
        return self.process.poll() is None

    def workers(self) -> list[int]:
        """Processes of the interpreter that have our worker loaded, by age."""
        children = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
        mine = [pid for pid in children if parent_of(pid) == self.process.pid]
        return sorted(p for p in mine if any("codeanatomy_worker" in a for a in arguments_of(p)))

    def cpu_seconds(self) -> float:
        """User time, with that of its workers."""
        return sum(map(cpu_seconds_of, [self.process.pid, *self.workers()]))

    def wait_for_workers(self, but: set[int] | None = None) -> list[int]:
        """Workers that are not among `but`; the scan is over then."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            found = [pid for pid in self.workers() if pid not in (but or set())]
            if found:
                return found
            assert self.is_running(), f"the build ended: {self.finish().err}"
            time.sleep(STEP_S)
        raise AssertionError("no worker was started")

    def wait_for_busy_worker(self, but: set[int] | None = None) -> int:
        """A worker that has used more time than starting takes: it has a file in work."""
        [worker] = self.wait_for_workers(but)
        wait_until(lambda: cpu_seconds_of(worker) >= BUSY_S, self.process)
        return worker

    def wait_for_lock(self) -> None:
        """Until the build holds the store."""
        lock = self.store / "lock"
        wait_until(lambda: lock.exists() and lock.read_text() == f"{self.process.pid}\n", self.process)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def finish(self) -> Answer:
        out, err = self.process.communicate()
        return Answer(self.process.returncode, out, err)
