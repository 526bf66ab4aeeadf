"""The rows of a query."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ._arrow import Schema, pyarrow
from ._call import Cancel
from ._errors import CanceledError, EngineError, Error, InvalidError, IoError, ResourcesError
from ._library import capsule

# What a stream has for a status; the engine's words are its text.
_FAILURES: dict[int, type[Error]] = {
    errno.ECANCELED: CanceledError,
    errno.ENOMEM: ResourcesError,
    errno.EIO: IoError,
}


class Result:
    """Rows that are computed as they are read, once: an Arrow stream.

    Whoever knows `__arrow_c_stream__` reads it without a copy: `pyarrow.table(result)`, `polars.from_arrow(result)`,
    duckdb by its name. The first reader owns the rows, a second one is an InvalidError. The session may be closed
    before. Dropping it, read or not, frees what it holds. Ctrl-C while it is read in the main thread stops the query:
    the reader's own error says that it was canceled, and KeyboardInterrupt follows. Threads: one at a time; `cancel`
    from any.
    """

    def __init__(self, stream: Any, cancel: Cancel) -> None:
        self._stream = stream
        self._cancel = cancel

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule "arrow_array_stream" that owns the rows from now on. They have the schema of the query:
        `requested_schema` is a wish that Arrow lets a producer leave to the reader."""
        stream = self._rows()
        self._stream = None
        return stream

    def __arrow_c_schema__(self) -> object:
        """A capsule "arrow_schema"; before the rows are handed out."""
        return capsule.stream_schema(self._rows())

    @property
    def schema(self) -> Schema:
        """The schema of the rows, before they are handed out."""
        return Schema(self.__arrow_c_schema__())

    def to_arrow(self) -> Any:
        """All rows as a pyarrow.Table."""
        reader = pyarrow("Result.to_arrow").RecordBatchReader.from_stream(self)
        return self._read(reader.read_all)

    def batches(self) -> Iterator[Any]:
        """The rows as pyarrow.RecordBatch, one at a time, as the engine makes them."""
        reader = pyarrow("Result.batches").RecordBatchReader.from_stream(self)
        while (batch := self._read(lambda: next(reader, None))) is not None:
            yield batch

    def to_pylist(self) -> list[dict[str, Any]]:
        """All rows as dictionaries."""
        return list(self)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches():
            yield from batch.to_pylist()

    def cancel(self) -> None:
        """Stop the query; who reads it gets an error. Any thread."""
        self._cancel.fire()

    def close(self) -> None:
        """Free the rows that nobody took; again is nothing."""
        self._stream = None

    def __enter__(self) -> Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self) -> Any:
        if self._stream is None:
            raise InvalidError("the rows of this result were handed out or it was closed: run the query again")
        return self._stream

    def _read(self, read: Any) -> Any:
        """pyarrow's error is in its own classes; ours say which kind it is."""
        try:
            return read()
        except Exception as failure:
            number = capsule.failure(self._cancel._capsule)
            if number == 0:
                raise
            raise _FAILURES.get(number, EngineError)(str(failure)) from None
