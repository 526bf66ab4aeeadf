"""Contracts as files: checked, and exchanged with other languages (docs/exchange.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import _library as c
from ._call import PathLike, call, encoded, encoded_list, text_sink

Language = Literal["odcs", "dbt"]


@dataclass(frozen=True)
class ContractFinding:
    """What is wrong with a file, or cannot be carried; line and column from 1, `path` of the key in it."""

    file: str
    line: int
    column: int
    path: str
    message: str


@dataclass(frozen=True)
class ContractFile:
    """A file that was checked; None where it does not load, and then it has a finding."""

    file: str
    dataset: str | None
    version: int
    fingerprint: str | None
    schema_fingerprint: str | None
    findings: tuple[ContractFinding, ...]


def _text(data: bytes | None) -> str:
    return "" if data is None else data.decode("utf-8", "surrogateescape")


def _finding(f: Any) -> ContractFinding:
    return ContractFinding(_text(f.file), f.line, f.column, _text(f.path), _text(f.message))


def _finding_fn(found: list[ContractFinding]) -> Any:
    return c.FindingFn(lambda _, f: found.append(_finding(f.contents)))


def check_contracts(paths: Iterable[PathLike]) -> list[ContractFile]:
    """Load contract files, and every *.yaml below directories, and say what is wrong with each."""
    found: list[ContractFile] = []

    def take(_: Any, checked: Any) -> None:
        f = checked.contents
        optional = [
            None if text is None else text.decode() for text in (f.dataset, f.fingerprint, f.schema_fingerprint)
        ]
        findings = tuple(_finding(f.findings[i]) for i in range(f.n_findings))
        found.append(ContractFile(_text(f.file), optional[0], f.version, optional[1], optional[2], findings))

    texts = encoded_list(paths)
    call("ca_contract_check", texts, len(texts), c.FileFn(take), None)
    return found


def import_contracts(
    language: Language, paths: Iterable[PathLike], folder: PathLike
) -> tuple[list[Path], list[ContractFinding]]:
    """Documents of another language become contract files below `folder`, all or nothing: the files written, and what
    could not be carried."""
    written: list[bytes] = []
    losses: list[ContractFinding] = []
    texts = encoded_list(paths)
    call(
        "ca_contract_import", encoded(language), texts, len(texts), encoded(folder), text_sink(written),
        _finding_fn(losses), None,
    )  # fmt: skip
    return [Path(_text(path)) for path in written], losses


def export_contracts(language: Language, names: Iterable[PathLike]) -> tuple[str, list[ContractFinding]]:
    """Contracts, named or as files, as one document of another language, and what could not be carried."""
    parts: list[bytes] = []
    losses: list[ContractFinding] = []
    texts = encoded_list(names)
    call("ca_contract_export", encoded(language), texts, len(texts), text_sink(parts), _finding_fn(losses), None)
    return b"".join(parts).decode(), losses
