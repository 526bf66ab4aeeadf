"""A transcript: what is typed, and exactly what the program answers.

    # prose, up to the first command of a step
    $ codeanatomy sql -c 'SELECT 1 AS one'      run by sh in the step's scratch folder
    | one                                       a line of stdout
    | 1
    ! codeanatomy: ...                          a line of stderr
    ? 3                                         the exit code; left out when 0

All steps of a file share one scratch folder. Blank lines count for nothing. A stream whose last line has no newline
ends with the marker NO_NEWLINE. What differs from run to run is written as a placeholder; see PLACEHOLDERS.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NO_NEWLINE = "<no newline>"
TIMEOUT_S = 120

# Name in a transcript -> the texts it stands for.
PLACEHOLDERS = {
    "<RUN>": r"[0-9A-Za-z._:+-]+",  # id of a run
    "<VERSION>": r"\d+\.\d+\.\d+",  # of any part
    "<SECONDS>": r"\d+\.\d+",
    "<N>": r"-?\d[\d,]*",  # a count
    "<HASH>": r"[0-9a-f]{16,64}",
    "<DIR>": None,  # the scratch folder; filled in by matches()
    "<...>": r".*",  # any rest of a line
}


def program() -> Path:
    return Path(os.environ.get("CODEANATOMY_BIN", REPOSITORY / "build" / "bin" / "codeanatomy")).resolve()


def environment(scratch: Path) -> dict[str, str]:
    """Nothing of the caller's settings gets in: no CODEANATOMY_ variables, no home, no colour, one language."""
    binaries = scratch.parent / "bin"
    binaries.mkdir(exist_ok=True)
    link = binaries / "codeanatomy"
    if not link.is_symlink():
        link.symlink_to(program())
    kept = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
    return kept | {
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "HOME": str(scratch.parent),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "XDG_STATE_HOME": str(scratch.parent / "state"),
    }


@dataclass
class Step:
    line: int
    command: str
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    code: int = 0


def parse(text: str) -> list[Step]:
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        mark, body = line[:1], line[2:]
        if mark == "$":
            steps.append(Step(number, body))
        elif mark == "|":
            steps[-1].stdout.append(body)
        elif mark == "!":
            steps[-1].stderr.append(body)
        elif mark == "?":
            steps[-1].code = int(body)
        elif line.strip() and mark != "#":
            raise ValueError(f"line {number}: no mark: {line}")
    return steps


def lines_of(data: bytes) -> list[str]:
    text = data.decode("utf-8", "backslashreplace")
    lines = text.split("\n")
    last = lines.pop()
    return lines if not last else lines + [last + NO_NEWLINE]


def run(step: Step, scratch: Path) -> Step:
    done = subprocess.run(
        ["sh", "-c", step.command],
        cwd=scratch,
        env=environment(scratch),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    return Step(step.line, step.command, lines_of(done.stdout), lines_of(done.stderr), done.returncode)


def matches(expected: str, actual: str, scratch: Path) -> bool:
    pattern = re.escape(expected)
    for name, regex in PLACEHOLDERS.items():
        pattern = pattern.replace(re.escape(name), re.escape(str(scratch)) if regex is None else regex)
    return re.fullmatch(pattern, actual) is not None


def render(step: Step) -> list[str]:
    lines = [f"$ {step.command}"]
    lines += [f"| {line}".rstrip() for line in step.stdout]
    lines += [f"! {line}".rstrip() for line in step.stderr]
    if step.code != 0:
        lines.append(f"? {step.code}")
    return lines


def merged(expected: Step, actual: Step, scratch: Path) -> Step:
    """`actual`, with each line that a line of `expected` stands for written as that one: the placeholders stay."""

    def keep(old: list[str], new: list[str]) -> list[str]:
        kept = []
        for i, line in enumerate(new):
            fits = i < len(old) and matches(old[i], line, scratch)
            kept.append(old[i] if fits else line.replace(str(scratch), "<DIR>"))
        return kept

    return Step(
        actual.line,
        actual.command,
        keep(expected.stdout, actual.stdout),
        keep(expected.stderr, actual.stderr),
        actual.code,
    )
