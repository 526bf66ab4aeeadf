"""Every *.transcript beside this file, step by step.

To write down what the program says now, for reading and not for trusting:
    PYTHONPATH=tests python tests/cli/test_cli.py --complete NAME.transcript ...
"""

import sys
import tempfile
from pathlib import Path

import pytest
import transcript

FOLDER = Path(__file__).resolve().parent
FILES = sorted(FOLDER.glob("*.transcript"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_transcript(path: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for step in transcript.parse(path.read_text(encoding="utf-8")):
        actual = transcript.run(step, scratch)
        best = transcript.merged(step, actual, scratch)
        assert transcript.render(best) == transcript.render(step), f"{path.name}:{step.line}: {step.command}"


def complete(path: Path, scratch: Path) -> None:
    """Rewrite the answers in `path`; prose and commands stay."""
    text = path.read_text(encoding="utf-8")
    answers = {step.line: step for step in transcript.parse(text)}
    out: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if number in answers:
            step = answers[number]
            out += transcript.render(transcript.merged(step, transcript.run(step, scratch), scratch))
        elif line[:1] not in ("|", "!", "?"):
            out.append(line)
    path.write_text("\n".join(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] != "--complete":
        sys.exit(__doc__)
    for name in sys.argv[2:]:
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "scratch"
            folder.mkdir()
            complete(Path(name), folder)
