"""One dataset of a session, found once and asked many things."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import _library as c
from ._arrow import ArrowStream, Schema, rows_in
from ._call import Cancel, call, encoded, encoded_list, interruptible, set_list, stream_of, text_of
from ._errors import InvalidError
from ._result import Result

if TYPE_CHECKING:
    from ._session import Session

_MODES = {"append": 0, "overwrite": 1}


@dataclass(frozen=True)
class Fingerprints:
    """In hex (docs/fingerprints.md)."""

    contract: str
    schema: str
    ddl: str


class Dataset:
    """A dataset, view or location; `Session.dataset` gives it. It keeps its session, ends with that or with `close`,
    and is an InvalidError after. After `Session.refresh` it means the same name in the new run. Threads: as its
    session."""

    def __init__(self, session: Session, name: str, address: int) -> None:
        self._session = session
        self._address: int | None = address
        self.name = name

    @property
    def schema(self) -> Schema:
        """As the contract says it, with NOT NULL at every depth."""
        with self._call() as d:
            return Schema._of("ca_dataset_schema", d)

    @property
    def ddl(self) -> str:
        with self._call() as d:
            return text_of("ca_dataset_ddl", d, ..., None)

    @property
    def fingerprints(self) -> Fingerprints:
        found = c.ca_dataset_fingerprints(size=ctypes.sizeof(c.ca_dataset_fingerprints))
        with self._call() as d:
            call("ca_dataset_fingerprint", d, ctypes.byref(found))
        return Fingerprints(found.contract.decode(), found.schema.decode(), found.ddl.decode())

    @property
    def metadata(self) -> dict[str, Any]:
        """dataset, contract, version, kind, stage, doc, location, format, metadata, extract."""
        with self._call() as d:
            return json.loads(text_of("ca_dataset_metadata", d, ..., None))

    def views(self) -> Result:
        """The views that its contract declares: table_schema, table_name, doc, sql, fingerprint."""
        return self._rows("ca_dataset_views")

    def history(self, limit: int = 0) -> Result:
        """The commits of its Delta table, newest first; 0: all."""
        return self._rows("ca_dataset_history", limit)

    def scan(
        self,
        columns: Iterable[str] | None = None,
        filter: str | None = None,
        limit: int = 0,
        *,
        cancel: Cancel | None = None,
    ) -> Result:
        """Its rows, in no order: these columns (None: all), where an SQL condition holds, so many at most (0: all)."""
        cancel = cancel or Cancel()
        options = c.ca_scan_options(size=ctypes.sizeof(c.ca_scan_options), filter=encoded(filter), limit=limit)
        set_list(options, "columns", encoded_list(columns))
        with self._call() as d:
            rows = interruptible(
                cancel,
                lambda: stream_of("ca_dataset_scan", d, ctypes.byref(options), cancel._address, ..., cancel=cancel),
            )
        return Result(rows, cancel)

    def write(
        self, rows: ArrowStream, mode: Literal["append", "overwrite"] = "append", *, cancel: Cancel | None = None
    ) -> int:
        """Write the rows of anything with `__arrow_c_stream__`, and publish them; how many there were. They are
        aligned to the contract (columns by name, casts that lose nothing, defaults) and pass its keys and checks: all
        or nothing. The stream is used up, also on failure. RefusedError: the session only reads; DriftError: columns
        that cannot become the contract's; ContractError: a row breaks a fact."""
        if mode not in _MODES:
            raise InvalidError(f"mode is 'append' or 'overwrite', not {mode!r}")
        # A write that is stopped waits for the batch that it reads: of a query that may be long.
        cancel = cancel or (rows._cancel if isinstance(rows, Result) else Cancel())
        stream, _owner = rows_in(rows)
        n_rows = ctypes.c_int64()
        with self._call() as d:
            interruptible(
                cancel,
                lambda: call("ca_dataset_write", d, stream, _MODES[mode], cancel._address, ctypes.byref(n_rows)),
            )
        return n_rows.value

    def close(self) -> None:
        """Again is nothing."""
        address, self._address = self._address, None
        if address is not None:
            with self._session._handle.lock:
                self._session._handle.drop(address)

    def __enter__(self) -> Dataset:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._address is not None:
            self._session._handle.dropped.append(self._address)

    @contextmanager
    def _call(self) -> Iterator[int]:
        with self._session._call():
            if self._address is None:
                raise InvalidError(f"the dataset '{self.name}' is closed")
            yield self._address

    def _rows(self, name: str, *arguments: Any) -> Result:
        cancel = Cancel()
        with self._call() as d:
            return Result(stream_of(name, d, *arguments, ..., cancel=cancel), cancel)
