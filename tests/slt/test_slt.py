"""Every *.slt beside this file, against the store of tests/corpus/shop."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
import slt

FOLDER = Path(__file__).resolve().parent
FILES = sorted(FOLDER.glob("*.slt"))


@pytest.fixture(scope="module")
def store(program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slt") / "store"
    program.build(FOLDER.parent / "corpus" / "shop", folder)
    return folder


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_slt(path, program, store):
    def run(sql):
        answer = program.run("sql", "--store", store, "--format", "json", "-c", sql)
        return answer.code, answer.out, answer.err

    records = slt.parse(path)
    assert records
    for record in records:
        slt.check(path, record, run)
