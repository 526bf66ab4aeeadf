"""A session: one published run of a store, and the catalog that says what is in it."""

from __future__ import annotations

import ctypes
import json
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

from . import _library as c
from ._arrow import ArrowStream, Params, Schema, params_in, rows_in
from ._call import (
    Cancel,
    PathLike,
    Texts,
    call,
    encoded,
    encoded_list,
    interruptible,
    pairs,
    plain,
    set_list,
    stream_of,
    text_of,
    texts_of,
)
from ._dataset import Dataset
from ._errors import InvalidError
from ._library import lib
from ._result import Result


@dataclass(frozen=True)
class Verification:
    """What `Session.verify` found: one row a fact, and how many do not hold."""

    facts: Result
    n_violated: int


class _Handle:
    """`ca_session` (NULL until it is opened, and after its end) and the `ca_dataset`s over it, with the lock of whoever
    calls. KeyboardInterrupt may come at any place, so each is in here as soon as it is there. A process that was
    forked has none of the library's threads, so what it inherited is nothing that it may call or close."""

    def __init__(self) -> None:
        self.pointer = ctypes.c_void_p()
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.datasets: set[int] = set()
        # Handles of datasets that nobody holds any more. The collector, which may come at any time, only says so.
        self.dropped: list[int] = []

    def use(self) -> int:
        """With the lock held."""
        if self.process != os.getpid():
            raise InvalidError("this session belongs to another process: open one after the fork")
        if self.pointer.value is None:
            raise InvalidError("this session is closed")
        while self.dropped:
            self.drop(self.dropped.pop())
        return self.pointer.value

    def drop(self, dataset: int) -> None:
        """With the lock held; again is nothing."""
        if dataset in self.datasets:
            self.datasets.remove(dataset)
            lib.ca_dataset_close(dataset)

    def close(self) -> None:
        """With the lock held."""
        if self.pointer.value is None or self.process != os.getpid():
            return
        for dataset in list(self.datasets):
            self.drop(dataset)
        closed, self.pointer.value = self.pointer.value, None
        lib.ca_session_close(closed)

    def close_unless_used(self) -> None:
        """At the end of Python, where a thread may still be in a call."""
        if self.lock.acquire(blocking=False):
            try:
                self.close()
            finally:
                self.lock.release()


class Session:
    """A session of the library; `codeanatomy.connect` opens one.

    It reads one published run and holds one engine, whose catalog answers every name. Threads: any; calls wait for each
    other, and results are read beside them. Ctrl-C in the main thread stops `sql`, `verify`, `Dataset.scan` and
    `Dataset.write`. It ends with `close` or its `with`, and every call after that is an InvalidError; results outlive
    it. Rows that are written must not come from calls of the same session, which would wait for the write.
    """

    def __init__(self, handle: _Handle) -> None:
        self._handle = handle
        self._finalizer = weakref.finalize(self, handle.close_unless_used)

    # ---- queries

    def sql(self, query: str, params: Params | None = None, *, cancel: Cancel | None = None) -> Result:
        """Run one statement. A mapping binds $name, a sequence $1, $2, ...; Python values get the types that Arrow
        gives them, and anything with `__arrow_c_array__` (a batch of one row) its own. What a statement changes is
        done, and published where it writes into the store, when this returns; rows are computed as they are read."""
        cancel = cancel or Cancel()
        bound, _owner = params_in(params)
        with self._call() as s:
            rows = interruptible(
                cancel, lambda: stream_of("ca_query", s, encoded(query), bound, cancel._address, ..., cancel=cancel)
            )
        return Result(rows, cancel)

    def set_params(self, name: str, rows: ArrowStream) -> None:
        """Rows of a parameter table ("p_file_ids") in the place of those before, for the life of the session."""
        stream, _owner = rows_in(rows)
        with self._call() as s:
            call("ca_set_params", s, encoded(name), stream)

    # ---- the catalog

    def schema(self, name_or_query: str) -> Schema:
        """The schema of a dataset, a view, a handle ("dataset://NAME@1#LOCATION"), or of a query, which is not run."""
        with self._call() as s:
            return Schema._of("ca_resolve_schema", s, encoded(name_or_query))

    def tables(self) -> Result:
        """Every dataset and view: table_schema, table_name, kind, version, n_rows, health, doc."""
        return self._rows("ca_tables")

    def columns(self, name: str | None = None) -> Result:
        """Columns of one dataset or of all, with nested paths and defaults."""
        return self._rows("ca_columns", encoded(name))

    def views(self) -> Result:
        """Every view with its SQL."""
        return self._rows("ca_views")

    def routines(self) -> Result:
        """Every function with its signature."""
        return self._rows("ca_routines")

    def settings(self) -> Result:
        """Every setting of the engine: its value, its default, and who said it."""
        return self._rows("ca_settings")

    def profiles(self) -> Result:
        """Every profile and preset, as it would be on this machine."""
        return self._rows("ca_profiles")

    def describe(self, name_or_query: str) -> Result:
        """Columns of a dataset, a view or a query: column_name, data_type, is_nullable."""
        return self._rows("ca_describe", encoded(name_or_query))

    def ddl(self, name: str | None = None) -> str:
        """The DDL of a dataset or view, or of all."""
        with self._call() as s:
            return text_of("ca_ddl", s, encoded(name), ..., None)

    def manifest(self) -> dict[str, Any]:
        """The manifest of the session's run (docs/manifest.schema.json)."""
        with self._call() as s:
            return json.loads(text_of("ca_manifest", s, ..., None))

    def dataset(self, name: str) -> Dataset:
        """A handle of a dataset or view, by its name or "dataset://NAME[@VERSION][#LOCATION]"."""
        handle = ctypes.c_void_p()
        with self._call() as s:
            try:
                call("ca_dataset_open", s, encoded(name), ctypes.byref(handle))
            finally:  # KeyboardInterrupt may come between the two
                if handle.value is not None:
                    self._handle.datasets.add(handle.value)
        assert handle.value is not None
        return Dataset(self, name, handle.value)

    def register(self, *paths: PathLike) -> list[str]:
        """Bring contract files, or folders of them, into this session; all or nothing. The names that are new."""
        texts = encoded_list(paths)
        with self._call() as s:
            return texts_of("ca_dataset_register", s, texts, len(texts), ..., None)

    def verify(self, names: Iterable[str] | None = None, *, cancel: Cancel | None = None) -> Verification:
        """Hold stored rows against their contracts, of the datasets named or of all: one row a fact."""
        cancel = cancel or Cancel()
        texts = encoded_list(names)
        n_violated = ctypes.c_size_t()
        with self._call() as s:
            rows = interruptible(
                cancel,
                lambda: stream_of(
                    "ca_verify",
                    s,
                    texts,
                    len(texts or ()),
                    cancel._address,
                    ...,
                    ctypes.byref(n_violated),
                    cancel=cancel,
                ),
            )
        return Verification(Result(rows, cancel), n_violated.value)

    def refresh(self) -> None:
        """Read the newest published run from now on."""
        with self._call() as s:
            call("ca_session_refresh", s)

    # ---- its end

    def close(self) -> None:
        """Ends the session and its datasets, and gives back the store's lock; again is nothing."""
        with self._handle.lock:
            self._handle.close()
        self._finalizer.detach()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _call(self) -> Iterator[int]:
        """The session's handle, while no other thread is in a call of it."""
        with self._handle.lock:
            yield self._handle.use()

    def _rows(self, name: str, *arguments: Any) -> Result:
        cancel = Cancel()
        with self._call() as s:
            return Result(stream_of(name, s, *arguments, ..., cancel=cancel), cancel)


def connect(
    store: PathLike | None = None,
    *,
    read_only: bool = True,
    run: str | None = None,
    as_of: str | datetime | None = None,
    pins: Mapping[str, int | str | datetime] | Iterable[str] | None = None,
    locations: Mapping[str, PathLike] | Iterable[str] | None = None,
    datasets: PathLike | None = None,
    profile: str | None = None,
    preset: str | None = None,
    settings: Texts | None = None,
    repository: PathLike | None = None,
) -> Session:
    """Open a session.

    store        its directory (`store_path` says that of a repository); None: built-in contracts, each dataset empty
    read_only    False: holds the store's lock until it is closed, and what a statement writes is published
    run, as_of   a run's id, or a time: the run that was published last at that time; None: the newest
    pins         dataset → Delta version or time
    locations    dataset → location to read it at
    datasets     a directory with contracts and models of your own
    profile, preset, settings
                 limits of the engine, a set of switches, and `datafusion.*` settings by name (docs/project-file.md)
    repository   its project file says them where the arguments do not

    Times are ISO texts, or `datetime`s with a zone. Errors: NotFoundError (no store, run, dataset), ConflictError
    (somebody else writes), DriftError (files that are not what their contract says), InvalidError.
    """
    named = {
        "store": store,
        "run": run,
        "as_of": None if as_of is None else plain(as_of),
        "datasets": datasets,
        "profile": profile,
        "preset": preset,
        "repository": repository,
    }
    options = c.ca_session_options(size=ctypes.sizeof(c.ca_session_options), read_only=int(read_only))
    for name, text in named.items():
        setattr(options, name, encoded(text, name))
    set_list(options, "pins", pairs(pins))
    set_list(options, "locations", pairs(locations))
    set_list(options, "settings", pairs(settings))
    session = Session(_Handle())
    call("ca_session_open", ctypes.byref(options), ctypes.byref(session._handle.pointer))
    return session
