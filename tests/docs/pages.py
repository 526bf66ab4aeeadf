"""The code blocks of a Markdown page, each with the answer that is shown below it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    text: str
    shown: str | None  # the block without a language that follows at once


def blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    result = []
    for i, match in enumerate(found):
        following = found[i + 1] if i + 1 < len(found) else None
        is_answered = following is not None and following[1] == "" and following.start() == match.end()
        shown = following[2] if following is not None and is_answered else None
        if match[1]:
            result.append(Block(text.count("\n", 0, match.start()) + 1, match[1], match[2], shown))
    return result


def cells(shown: str) -> list[list[str]]:
    """Rows as `| a | b |`."""
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in shown.splitlines()]
