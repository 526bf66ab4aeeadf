"""F3: what the Python package does without a session: builds, stores, contracts as files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import codeanatomy
import pyarrow as pa
import pytest
import stored
from conftest import ROOT, SHOP, Program

EXAMPLES = ROOT / "examples" / "datasets"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHOP, tmp_path / "repo"))


def test_build(repo: Path, program: Program) -> None:
    """What it returns is what the manifest and the program say; progress comes in order and to its end."""
    seen: list[codeanatomy.Progress] = []
    result = codeanatomy.build(repo, python=sys.executable, n_workers=1, progress=seen.append)
    store = codeanatomy.store_path(repo)
    assert result.store == store == repo / ".codeanatomy"
    manifest = stored.manifest(store)
    assert (result.run_id, result.n_files, result.n_failed_layers) == (manifest["run_id"], 6, 2)
    assert result.n_rows > 1000 and result.n_bytes > 1000 and result.elapsed_ns > 0 and result.is_reproducible
    stages = list(dict.fromkeys(p.stage for p in seen))
    assert stages[0] == "scan" and stages[-1] == "publish"
    assert [p.n_rows for p in seen] == sorted(p.n_rows for p in seen)
    status = program.run("status", repo, "--format", "json")
    assert json.loads(status.out)["run"]["run_id"] == result.run_id


def test_build_with_options(repo: Path, tmp_path: Path) -> None:
    """Options get to the build: what is read, contracts of one's own, rows of parameter tables."""
    result = codeanatomy.build(
        repo, tmp_path / "store", name="other", python=sys.executable, exclude=["tests/**"], layers=["repo", "ast"],
        datasets=EXAMPLES, settings={"datafusion.execution.batch_size": 512}, profile="small",
        params={"p_file_ids": pa.table({"file_id": pa.array([7], pa.int64())})},
    )  # fmt: skip
    assert result.store == tmp_path / "store"
    manifest = stored.manifest(result.store)
    assert manifest["repository"] == "other"
    with codeanatomy.connect(result.store) as s:
        assert {row["layer"] for row in s.sql("SELECT layer FROM file_layers_v1")} >= {"repo", "ast"}
        assert s.sql("SELECT count(*) AS n FROM repo_files_v1 WHERE path LIKE 'tests/%'").to_pylist() == [{"n": 0}]
        assert s.dataset("notes").scan().to_pylist() == []


def test_a_build_that_fails(repo: Path, tmp_path: Path) -> None:
    """The run before is untouched."""
    before = codeanatomy.build(repo, python=sys.executable).run_id
    with pytest.raises(codeanatomy.InvalidError):
        codeanatomy.build(repo, profile="huge")
    canceled = codeanatomy.Cancel()
    canceled.fire()
    with pytest.raises(codeanatomy.CanceledError):
        codeanatomy.build(repo, python=sys.executable, cancel=canceled)

    def refuse(progress: codeanatomy.Progress) -> None:
        raise LookupError(progress.stage)

    with pytest.raises(LookupError, match="scan"):
        codeanatomy.build(repo, python=sys.executable, progress=refuse)
    with pytest.raises(codeanatomy.Error, match="nowhere"):
        codeanatomy.build(tmp_path / "nowhere")
    assert stored.manifest(repo / ".codeanatomy")["run_id"] == before


def test_ctrl_c_ends_a_build(repo: Path) -> None:
    """It is not published, and KeyboardInterrupt is what is raised."""
    sent = threading.Event()

    def interrupt(progress: codeanatomy.Progress) -> None:
        if progress.stage == "extract" and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        codeanatomy.build(repo, python=sys.executable, progress=interrupt)
    assert sent.is_set() and not (repo / ".codeanatomy" / "published").exists()


def test_drift(repo: Path, program: Program) -> None:
    """As `codeanatomy drift` lists it."""
    codeanatomy.build(repo, python=sys.executable)
    codeanatomy.build(repo, python=sys.executable, datasets=EXAMPLES)
    store = codeanatomy.store_path(repo)
    found = codeanatomy.drift(store)
    assert ("added", "table") in {(d.change, d.object_kind) for d in found if "notes" in d.object_name}
    lines = program.run("drift", "--store", store, "--format", "ndjson").rows()
    assert [vars(difference) for difference in found] == lines
    with pytest.raises(codeanatomy.NotFoundError, match="none_such"):
        codeanatomy.drift(store, "none_such")


def test_doctor(repo: Path, program: Program) -> None:
    found = codeanatomy.doctor(repo, python=sys.executable)
    assert {finding.level for finding in found} <= {"ok", "warn", "fail"}
    said = json.loads(program.run("doctor", repo, "--python", sys.executable, "--format", "json").out)
    assert [f.subject for f in found] == [f["subject"] for f in said if not f["subject"].startswith("--")]
    broken = codeanatomy.doctor(repo, python=repo / "none")
    assert any(finding.level == "fail" and "none" in finding.text for finding in broken)


def test_contracts(tmp_path: Path, program: Program) -> None:
    """Checked, exported and imported again; what is lost or wrong is said with its place."""
    (tmp_path / "normalize").mkdir()
    (tmp_path / "normalize" / "bad.yaml").write_text("dataset: x\nversion: 1\nkind: nothing\n")
    files = codeanatomy.check_contracts([EXAMPLES, tmp_path / "normalize"])
    good = {f.dataset: f for f in files if f.dataset}
    assert good["notes"].version == 1 and good["notes"].file.endswith("normalize/notes.yaml")
    with codeanatomy.connect() as s:
        s.register(good["notes"].file)
        assert s.dataset("notes").fingerprints.contract == good["notes"].fingerprint
    assert "no primary key" in good["notes"].findings[0].message
    [bad] = [f for f in files if f.file.endswith("bad.yaml")]
    assert bad.dataset is None and bad.findings[0].line == 3 and "nothing" in bad.findings[0].message

    text, losses = codeanatomy.export_contracts("odcs", [good["notes"].file])
    assert text == program.run("contract", "export", "--to", "odcs", good["notes"].file).out
    assert all(isinstance(loss.message, str) and loss.message for loss in losses)
    (tmp_path / "odcs.yaml").write_text(text)
    written, _ = codeanatomy.import_contracts("odcs", [tmp_path / "odcs.yaml"], tmp_path / "out")
    assert [path.name for path in written] == ["notes.yaml"]
    assert {f.dataset for f in codeanatomy.check_contracts(written)} == {"notes"}
    with pytest.raises(codeanatomy.InvalidError):
        codeanatomy.export_contracts("sql", ["notes"])  # type: ignore[arg-type]
