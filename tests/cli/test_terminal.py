"""What needs a terminal or a signal: progress, colour, the interactive session, Ctrl-C, a reader that leaves.

The program runs behind a pseudo-terminal; a test waits for what it expects to see and never for a time.
"""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import running
import transcript
from running import LIMIT_S, wait_until

WIDTH = 72

# Long enough to be caught running on any machine, and ended by nothing but a cancel.
LONG_QUERY = (
    "SELECT count(*) FROM generate_series(1, 3000000) AS a(x), generate_series(1, 3000000) AS b(y) WHERE x * y % 7 = 3"
)


class Terminal:
    """A program on a pseudo-terminal of WIDTH columns."""

    def __init__(self, arguments: list[str], scratch: Path, variables: dict[str, str] | None = None) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        self.seen = ""
        # A session leader's first terminal becomes its own, so that Ctrl-C reaches it as SIGINT.
        adopt = 'tty=$1; shift; exec "$@" <"$tty" >"$tty" 2>"$tty"'
        self.process = subprocess.Popen(
            ["sh", "-c", adopt, "sh", os.ttyname(slave), transcript.program(), *arguments],
            cwd=scratch,
            env=transcript.environment(scratch) | (variables or {}),
            stdin=slave,
            start_new_session=True,
        )
        os.close(slave)

    def wait_for(self, pattern: str) -> str:
        """Everything up to and with the first match of `pattern`, which is then used up."""
        end = time.monotonic() + LIMIT_S
        while True:
            found = re.search(pattern, self.seen)
            if found:
                head, self.seen = self.seen[: found.end()], self.seen[found.end() :]
                return head
            assert time.monotonic() < end, f"no {pattern!r} in {self.seen!r}"
            if not self._read():
                raise AssertionError(f"ended without {pattern!r}: {self.seen!r}")

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], LIMIT_S)
        try:
            chunk = os.read(self.master, 65536) if ready else b""
        except OSError:  # Linux says EIO when the other side is closed
            chunk = b""
        self.seen += chunk.decode("utf-8", "replace")
        return bool(chunk)

    def send(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait_for_editor(self) -> None:
        """Until the line editor has the terminal. It draws its prompt a moment before."""
        wait_until(lambda: not termios.tcgetattr(self.master)[3] & termios.ICANON)

    def press(self, key: str) -> None:
        """A control character, to the line editor."""
        self.wait_for_editor()
        self.send(key)

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(LIMIT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def session(scratch: Path) -> Iterator[Terminal]:
    terminal = Terminal(["sql"], scratch)
    terminal.wait_for("sql> ")
    yield terminal
    terminal.close()


def test_statement_over_lines(session: Terminal) -> None:
    session.send("SELECT 'a;b'\n")
    session.wait_for(r"\.\.\.> ")
    session.send("AS text;\n")
    answer = session.wait_for(r"1 row, ")
    assert "| a;b  |" in answer
    session.wait_for("sql> ")
    session.press("\x04")
    assert session.end() == 0


def test_two_statements_on_a_line(session: Terminal) -> None:
    session.send("SELECT 11 AS first; SELECT 22 AS second;\n")
    session.wait_for(r"\| +11 \|")
    session.wait_for(r"\| +22 \|")


def test_error_keeps_the_session(session: Terminal) -> None:
    session.send("SELECT nothing_like_this;\n")
    session.wait_for("codeanatomy:.*nothing_like_this")
    session.wait_for("sql> ")
    session.send("SELECT 5 AS five;\n")
    session.wait_for(r"\| +5 \|")


def test_commands(session: Terminal) -> None:
    session.send(".help\n")
    session.wait_for(r"\.describe")
    session.wait_for("sql> ")
    session.send(".format csv\n")
    session.wait_for("sql> ")
    session.send("SELECT 1 AS one;\n")
    session.wait_for("one\r\n1\r\n")
    session.wait_for("sql> ")
    session.send("\\d file_layers_v1\n")
    session.wait_for("python_version")
    session.wait_for("sql> ")
    session.send(".register\n")
    session.wait_for(r"\.register needs a contract file or a folder of datasets")
    session.wait_for("sql> ")
    session.send(".register /nowhere\n")
    session.wait_for(r"register '/nowhere': there is no file or folder '/nowhere'")
    session.wait_for("sql> ")
    session.send(".nonsense\n")
    session.wait_for(r"unknown command '\.nonsense': \.help lists them")
    session.wait_for("sql> ")
    session.send("\\q\n")
    assert session.end() == 0


def test_register(session: Terminal, tmp_path: Path) -> None:
    """B7: a contract comes into the session that runs, and its names are said."""
    file = tmp_path / "normalize" / "notes.yaml"
    file.parent.mkdir()
    columns = "[{name: note, type: utf8, nullable: true, doc: d}]"
    file.write_text(
        f"dataset: notes\nversion: 1\nkind: table\ndoc: d\ncolumns: {columns}\nevolution: {{default: refuse}}\n"
    )
    session.send(f".register {file}\n")
    session.wait_for(r"registered public\.notes")
    session.wait_for("sql> ")
    session.send("DESCRIBE notes;\n")
    session.wait_for(r"\| note +\| Utf8 +\| YES")


def test_ctrl_c_drops_the_line(session: Terminal) -> None:
    session.send("SELECT 'open\n")
    session.wait_for(r"\.\.\.> ")
    session.press("\x03")
    session.wait_for("sql> ")
    session.send("SELECT 7 AS seven;\n")
    session.wait_for(r"\| +7 \|")


def test_ctrl_c_cancels_the_query_and_stays(session: Terminal) -> None:
    session.wait_for_editor()
    before_s = running.cpu_seconds_of(session.process.pid)
    session.send(LONG_QUERY + ";\n")
    # Until the query is at work Ctrl-C would drop the line: what uses time beyond editing and planning is the query.
    wait_until(lambda: running.cpu_seconds_of(session.process.pid) > before_s + running.BUSY_S)
    session.send("\x03")
    session.wait_for("canceled")
    session.wait_for("sql> ")
    session.send("SELECT 8 AS eight;\n")
    session.wait_for(r"\| +8 \|")


def test_history_is_kept(scratch: Path) -> None:
    first = Terminal(["sql"], scratch)
    first.wait_for("sql> ")
    first.send("SELECT 41 AS kept;\n")
    first.wait_for(r"\| +41 \|")
    first.wait_for("sql> ")
    first.press("\x04")
    assert first.end() == 0
    first.close()
    history = scratch.parent / "state" / "codeanatomy" / "history"
    assert "kept" in history.read_text(encoding="utf-8")
    second = Terminal(["sql"], scratch)
    second.wait_for("sql> ")
    second.press("\x10\n")  # Ctrl-P, the line before
    second.wait_for(r"\| +41 \|")
    second.close()


@pytest.mark.parametrize(
    ("variables", "has_color"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_color_of_errors(scratch: Path, variables: dict[str, str], has_color: bool) -> None:
    terminal = Terminal(["sql", "--nonsense"], scratch, variables)
    line = terminal.wait_for("unknown option '--nonsense'")
    assert ("\x1b[1;31m" in line) == has_color
    assert terminal.end() == 2
    terminal.close()


def test_color_forced_without_a_terminal(scratch: Path) -> None:
    done = subprocess.run(
        [transcript.program(), "nonsense"],
        env=transcript.environment(scratch) | {"CLICOLOR_FORCE": "1"},
        capture_output=True,
    )
    assert done.stderr.startswith(b"\x1b[1;31mcodeanatomy:\x1b[0m ")


def repository(scratch: Path, n_files: int) -> Path:
    folder = scratch / "repo"
    folder.mkdir()
    for i in range(n_files):
        (folder / f"m{i}.py").write_text(f"def f{i}():\n    return {i}\n", encoding="utf-8")
    return folder


def test_progress_on_a_terminal(scratch: Path) -> None:
    """The line is drawn in place, is never wider than the terminal, and is gone at the end."""
    repository(scratch, 30)
    terminal = Terminal(["build", "repo"], scratch)
    text = terminal.wait_for(r"(?s)run  .*reproducible +\w+")
    assert terminal.end() == 0
    drawn = re.findall(r"\r\x1b\[K((?:(?!\r).)+)", text.split("run  ")[0])
    assert any("files" in line for line in drawn)
    for line in drawn:
        assert len(re.sub(r"\x1b\[[0-9;]*m", "", line)) < WIDTH
    assert "\r\x1b[Krun  " in text or text.startswith("run  ")
    terminal.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_with_130(scratch: Path, number: signal.Signals) -> None:
    """The file that -o names is not touched, and nothing is left beside it."""
    (scratch / "out.csv").write_text("before\n", encoding="utf-8")
    process = subprocess.Popen(
        [transcript.program(), "sql", "-q", "-o", "out.csv", "-c", LONG_QUERY],
        cwd=scratch,
        env=transcript.environment(scratch),
        stderr=subprocess.PIPE,
    )
    # The temporary file beside out.csv: the query is on its way.
    wait_until(lambda: len(os.listdir(scratch)) == 2, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, errors
    assert os.listdir(scratch) == ["out.csv"]
    assert (scratch / "out.csv").read_text(encoding="utf-8") == "before\n"


def full_pipe() -> tuple[int, int]:
    """A pipe that takes no more: a write to it waits."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    return reader, writer


def wait_for_thread(process: subprocess.Popen[bytes], name: str) -> None:
    """Until one of its threads is called so: `signals` watches for Ctrl-C, `cadf` belongs to an open session."""
    tasks = Path(f"/proc/{process.pid}/task")

    def has_thread() -> bool:
        try:
            return any((task / "comm").read_text(encoding="utf-8").strip() == name for task in tasks.iterdir())
        except (FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            return False

    wait_until(has_thread, process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [["tables"], ["describe", "ast_nodes"], ["ddl"], ["status", "repo"]], ids=" ".join)
def test_signal_ends_a_listing(scratch: Path, command: list[str], number: signal.Signals) -> None:
    """Ctrl-C ends a listing as it ends a query, also where nobody reads what it writes."""
    environment = transcript.environment(scratch)
    if command[0] == "status":
        (scratch / "repo").mkdir()
        (scratch / "repo" / "a.py").write_text("x = 1\n", encoding="utf-8")
        subprocess.run([transcript.program(), "build", "-q", "repo"], cwd=scratch, env=environment, check=True)
    reader, writer = full_pipe()
    process = subprocess.Popen([transcript.program(), *command], cwd=scratch, env=environment, stdout=writer)
    os.close(writer)
    wait_for_thread(process, "cadf")
    process.send_signal(number)
    assert process.wait(LIMIT_S) == 130
    os.close(reader)


def test_signal_ends_a_wait_for_a_reader(scratch: Path) -> None:
    """-o names a pipe that nobody reads."""
    os.mkfifo(scratch / "pipe")
    process = subprocess.Popen(
        [transcript.program(), "tables", "--format", "csv", "-o", "pipe"],
        cwd=scratch,
        env=transcript.environment(scratch),
    )
    wait_for_thread(process, "signals")
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT_S) == 130


def test_signal_takes_the_unfinished_file_away(scratch: Path) -> None:
    """A listing that is ended leaves nothing beside the file that -o names."""
    slow = "SELECT 1 AS one FROM ast_nodes" + "".join(f" CROSS JOIN ast_nodes AS a{i}" for i in range(1500))
    process = subprocess.Popen(
        [transcript.program(), "describe", "-q", "-o", "out.csv", slow],
        cwd=scratch,
        env=transcript.environment(scratch),
    )
    wait_for_thread(process, "cadf")
    assert len(os.listdir(scratch)) == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT_S) == 130
    assert os.listdir(scratch) == []


def test_reader_that_leaves(scratch: Path) -> None:
    """`| head -1`: no message, no failure."""
    process = subprocess.Popen(
        [transcript.program(), "sql", "-q", "-c", "SELECT * FROM generate_series(1, 2000000) AS t(x)"],
        cwd=scratch,
        env=transcript.environment(scratch),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"x\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(LIMIT_S) == 0
    process.stderr.close()


def test_closed_standard_output(scratch: Path) -> None:
    """A closed stdout must not be handed to the next file that is opened."""
    done = subprocess.run(
        ["sh", "-c", "codeanatomy sql -q -c 'SELECT 1 AS one' >&-"],
        cwd=scratch,
        env=transcript.environment(scratch),
        capture_output=True,
    )
    assert done.returncode == 3
    assert done.stderr.startswith(b"codeanatomy: ")
