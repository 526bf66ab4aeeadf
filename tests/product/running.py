"""A build that is watched while it runs: its interpreter processes, its death, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from conftest import Answer, Program

LIMIT_S = 60
STEP_S = 0.002
BUSY_S = 0.25


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
    """User time; 0 when the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")


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
        end = time.monotonic() + LIMIT_S
        while cpu_seconds_of(worker) < BUSY_S:
            assert self.is_running() and time.monotonic() < end, "the worker has nothing to do"
            time.sleep(STEP_S)
        return worker

    def wait_for_lock(self) -> None:
        """Until the build holds the store."""
        lock = self.store / "lock"
        end = time.monotonic() + LIMIT_S
        while not (lock.exists() and lock.read_text() == f"{self.process.pid}\n"):
            assert self.is_running() and time.monotonic() < end, "the store was not locked"
            time.sleep(STEP_S)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def finish(self) -> Answer:
        out, err = self.process.communicate()
        return Answer(self.process.returncode, out, err)
