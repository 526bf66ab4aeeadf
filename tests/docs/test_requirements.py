"""G3: docs/requirements.md names every requirement once, each with a test that exists or the word `open`."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

PAGE = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
NUMBERS = {"A": 5, "B": 16, "C": 8, "D": 5, "E": 4, "F": 3, "G": 3}
IDS = [f"{letter}{n}" for letter, last in NUMBERS.items() for n in range(1, last + 1)]
FACTS = [f"0.{n}" for n in range(1, 18)]

ROW = re.compile(r"^\| ((?:[A-G]|0\.)\d+) ?(.*)\|$", re.MULTILINE)
ROWS = {match[1]: match[2] for match in ROW.finditer(PAGE)}
TESTS = sorted(set(re.findall(r"`([\w/]+\.(?:py|c|rs|slt|transcript)(?:::\w+)?)`", PAGE.partition("\n## ")[2])))


def test_every_requirement_is_there_once() -> None:
    assert [match[1] for match in ROW.finditer(PAGE)] == IDS + FACTS


@pytest.mark.parametrize("number", ROWS)
def test_requirement_is_proved_or_open(number: str) -> None:
    proved, _, is_open = ROWS[number].rpartition("|")
    assert "`" in proved.rpartition("|")[2] or is_open.strip().startswith("open"), number


@pytest.mark.parametrize("name", TESTS)
def test_named_test_exists(name: str) -> None:
    file, _, test = name.partition("::")
    path = ROOT / file if file.startswith("shim/") else ROOT / "tests" / file
    text = path.read_text(encoding="utf-8")
    if test:
        assert re.search(rf"^(?:static void|def|fn) {test}\(", text, re.MULTILINE), name
