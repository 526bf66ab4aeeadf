"""Building a repository into its store, and what can be asked of a store without a session."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import _library as c
from ._arrow import ArrowStream, rows_in
from ._call import (
    Cancel,
    PathLike,
    Texts,
    call,
    encoded,
    encoded_list,
    interruptible,
    pairs,
    set_list,
    text_of,
    texts_of,
)


@dataclass(frozen=True)
class Progress:
    """Where a build is. stage: scan, extract, normalize, relate, graph, check, publish; n_done of n_total (0: not
    known) are files or models of the stage; n_rows were written so far in the whole build."""

    stage: str
    n_done: int
    n_total: int
    n_rows: int
    elapsed_ns: int


@dataclass(frozen=True)
class BuildResult:
    """What a build did. n_failed_layers: (file, layer) pairs that failed; is_reproducible is False when a watchdog or a
    limit of memory decided something."""

    run_id: str
    store: Path
    n_files: int
    n_failed_layers: int
    n_rows: int
    n_bytes: int
    elapsed_ns: int
    is_reproducible: bool


@dataclass(frozen=True)
class Difference:
    """One of the catalogs of two runs; `before` and `after` are None where there is none."""

    change: Literal["added", "removed", "changed"]
    object_kind: str
    object_name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Finding:
    """A line of `doctor`."""

    level: Literal["ok", "warn", "fail"]
    subject: str
    text: str


def _options(texts: Mapping[str, PathLike | None], lists: Mapping[str, Any]) -> c.ca_build_options:
    options = c.ca_build_options(size=ctypes.sizeof(c.ca_build_options))
    for name, text in texts.items():
        setattr(options, name, encoded(text, name))
    for name, items in lists.items():
        set_list(options, name, items)
    return options


def build(
    repository: PathLike,
    store: PathLike | None = None,
    *,
    name: str | None = None,
    python: PathLike | None = None,
    n_workers: int = 0,
    source_roots: Iterable[PathLike] | None = None,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
    layers: Iterable[str] | None = None,
    datasets: PathLike | None = None,
    profile: str | None = None,
    preset: str | None = None,
    settings: Texts | None = None,
    params: Mapping[str, ArrowStream] | None = None,
    progress: Callable[[Progress], None] | None = None,
    cancel: Cancel | None = None,
) -> BuildResult:
    """Build a repository into its store and publish the run; what an argument does not say the project file does
    (docs/project-file.md).

    `params` has the rows of parameter tables, by name. `progress` is called from a thread of the build, never twice at
    once; when it raises, the build stops and this raises the same. Ctrl-C in the main thread stops the build. On
    failure the run that was published before is untouched. Errors: ConflictError (somebody else writes), ContractError,
    CanceledError, ResourcesError, and others of `codeanatomy.Error`.
    """
    cancel = cancel or Cancel()
    options = _options(
        {
            "repository": repository,
            "store": store,
            "name": name,
            "python": python,
            "datasets": datasets,
            "profile": profile,
            "preset": preset,
        },
        {
            "source_roots": encoded_list(source_roots),
            "include": encoded_list(include),
            "exclude": encoded_list(exclude),
            "layers": encoded_list(layers),
            "settings": pairs(settings),
        },
    )
    options.n_workers = n_workers
    options.cancel = cancel._address
    raised: list[BaseException] = []
    said = _progress_fn(progress, cancel, raised) if progress else c.ProgressFn()
    options.progress = said
    taken = {table: rows_in(rows) for table, rows in (params or {}).items()}
    if taken:
        tables = [c.ca_param_table(encoded(table), stream) for table, (stream, _) in taken.items()]
        set_list(options, "param_tables", (c.ca_param_table * len(tables))(*tables))
    result = c.ca_build_result(size=ctypes.sizeof(c.ca_build_result))
    try:
        interruptible(cancel, lambda: call("ca_build", ctypes.byref(options), ctypes.byref(result)))
    finally:
        if raised:
            raise raised.pop()
    return BuildResult(
        run_id=result.run_id.decode(),
        store=Path(result.store.decode("utf-8", "surrogateescape")),
        n_files=result.n_files,
        n_failed_layers=result.n_failed_layers,
        n_rows=result.n_rows,
        n_bytes=result.n_bytes,
        elapsed_ns=result.elapsed_ns,
        is_reproducible=bool(result.is_reproducible),
    )


def _progress_fn(progress: Callable[[Progress], None], cancel: Cancel, raised: list[BaseException]) -> Any:
    """Nothing may be raised into C: what `progress` raises first is kept, and ends the build."""

    def said(_: Any, at: Any) -> None:
        p = at.contents
        try:
            if not raised:
                progress(Progress(p.stage.decode(), p.n_done, p.n_total, p.n_rows, p.elapsed_ns))
        except BaseException as failure:
            raised.append(failure)
            cancel.fire()

    return c.ProgressFn(said)


def store_path(repository: PathLike) -> Path:
    """The store that a build of this repository would use: its project file says, else REPO/.codeanatomy."""
    return Path(text_of("ca_store_path", encoded(repository), ..., None))


def drift(store: PathLike, before: str | None = None, after: str | None = None) -> list[Difference]:
    """What the catalog of run `after` (None: the published one) has against that of `before` (None: the one before it),
    by kind and name. NotFoundError names the runs that there are."""
    lines = texts_of("ca_drift", encoded(store), encoded(before), encoded(after), ..., None, None)
    return [Difference(**json.loads(line)) for line in lines]


def doctor(
    repository: PathLike,
    *,
    store: PathLike | None = None,
    python: PathLike | None = None,
    datasets: PathLike | None = None,
    profile: str | None = None,
    preset: str | None = None,
    settings: Texts | None = None,
) -> list[Finding]:
    """Where every setting of a build comes from, and whether each part works here."""
    options = _options(
        {"store": store, "python": python, "datasets": datasets, "profile": profile, "preset": preset},
        {"settings": pairs(settings)},
    )
    lines = texts_of("ca_doctor", encoded(repository), ctypes.byref(options), ..., None)
    return [Finding(*line.rstrip("\n").split("\t", 2)) for line in lines]  # type: ignore[arg-type]
