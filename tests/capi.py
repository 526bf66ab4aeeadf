"""The public C API, called from Python: cffi reads the declarations of include/, pyarrow imports the streams.

Nothing but the headers and the shared library is used, as by any other host of the library.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import cffi
import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
HEADERS = ("arrow.h", "error.h", "codeanatomy.h")


def declarations(header: str) -> str:
    """A public header without what the preprocessor is for: guards, includes, and the C++ linkage."""
    text = (ROOT / "include" / "codeanatomy" / header).read_text(encoding="utf-8")
    text = re.sub(r"^#ifdef __cplusplus\n.*?^#endif\n", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)


ffi: Any = cffi.FFI()
for each in HEADERS:
    ffi.cdef(declarations(each))


def load() -> Any:
    build = Path(os.environ.get("CA_BUILD_DIR", ROOT / "build"))
    return ffi.dlopen(str(build / "lib" / "libcodeanatomy.so"))


lib = load()


class Refused(Exception):
    """A call that failed: the name of its status, and the message."""

    def __init__(self, error: Any) -> None:
        self.status: str = ffi.string(lib.ca_status_name(error.code)).decode()
        self.message: str = ffi.string(error.message).decode()
        super().__init__(f"{self.status}: {self.message}")


def address(pointer: Any) -> int:
    return int(ffi.cast("uintptr_t", pointer))


class Session:
    """`ca_session`, one thread at a time; ends with the `with` that holds it."""

    def __init__(
        self,
        store: Path | None = None,
        *,
        datasets: Path | None = None,
        writable: bool = False,
        profile: str | None = None,
        settings: tuple[str, ...] = (),
    ) -> None:
        options = ffi.new("struct ca_session_options *")
        options.size = ffi.sizeof("struct ca_session_options")
        # What the options point to has to live as long as the call.
        texts = [ffi.new("char[]", text.encode()) for text in settings]
        named = {"store": store, "datasets": datasets, "profile": profile}
        kept = {name: ffi.new("char[]", str(value).encode()) for name, value in named.items() if value is not None}
        for name, text in kept.items():
            setattr(options, name, text)
        array = ffi.new("char *[]", texts)
        options.settings = ffi.cast("const char *const *", array)
        options.n_settings = len(texts)
        options.read_only = not writable
        handle = ffi.new("ca_session **")
        self._check(lambda error: lib.ca_session_open(options, handle, error))
        self._session = handle[0]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        lib.ca_session_close(self._session)
        self._session = ffi.NULL

    @staticmethod
    def _check(call: Any) -> None:
        error = ffi.new("struct ca_error *")
        if call(error) != lib.CA_OK:
            raise Refused(error)

    def _stream(self, call: Any) -> pa.RecordBatchReader:
        stream = ffi.new("struct ArrowArrayStream *")
        self._check(lambda error: call(stream, error))
        return pa.RecordBatchReader._import_from_c(address(stream))

    def _text(self, call: Any) -> str:
        parts: list[bytes] = []

        @ffi.callback("void(void *, const char *, size_t)")
        def take(_: Any, text: Any, n_bytes: int) -> None:
            parts.append(ffi.buffer(text, n_bytes)[:])

        self._check(lambda error: call(take, error))
        return b"".join(parts).decode()

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Batches as the engine makes them; the import owns the stream."""
        return self._stream(
            lambda stream, error: lib.ca_query(self._session, sql.encode(), ffi.NULL, ffi.NULL, stream, error)
        )

    def query(self, sql: str) -> pa.Table:
        return self.stream(sql).read_all()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.query(sql).to_pylist()

    def resolve(self, name_or_query: str) -> pa.Schema:
        schema = ffi.new("struct ArrowSchema *")
        self._check(lambda error: lib.ca_resolve_schema(self._session, name_or_query.encode(), schema, error))
        return pa.Schema._import_from_c(address(schema))

    def describe(self, name_or_query: str) -> pa.Table:
        return self._stream(
            lambda stream, error: lib.ca_describe(self._session, name_or_query.encode(), stream, error)
        ).read_all()

    def columns(self, dataset: str | None = None) -> pa.Table:
        name = ffi.NULL if dataset is None else ffi.new("char[]", dataset.encode())
        return self._stream(lambda stream, error: lib.ca_columns(self._session, name, stream, error)).read_all()

    def listing(self, what: str) -> pa.Table:
        """`tables`, `views`, `routines` or `settings`."""
        call = getattr(lib, f"ca_{what}")
        return self._stream(lambda stream, error: call(self._session, stream, error)).read_all()

    def ddl(self, name: str | None = None) -> str:
        of = ffi.NULL if name is None else ffi.new("char[]", name.encode())
        return self._text(lambda sink, error: lib.ca_ddl(self._session, of, sink, ffi.NULL, error))

    def register(self, *paths: Path) -> list[str]:
        """Contracts of files and folders; the names that are new."""
        names: list[str] = []

        @ffi.callback("void(void *, const char *, size_t)")
        def take(_: Any, text: Any, n_bytes: int) -> None:
            names.append(ffi.buffer(text, n_bytes)[:].decode())

        texts = [ffi.new("char[]", str(path).encode()) for path in paths]
        array = ffi.new("char *[]", texts)
        listed = ffi.cast("const char *const *", array)
        self._check(lambda error: lib.ca_dataset_register(self._session, listed, len(texts), take, ffi.NULL, error))
        return names

    def refresh(self) -> None:
        self._check(lambda error: lib.ca_session_refresh(self._session, error))

    def dataset(self, name: str) -> Dataset:
        handle = ffi.new("ca_dataset **")
        self._check(lambda error: lib.ca_dataset_open(self._session, name.encode(), handle, error))
        return Dataset(self, handle[0])


class Dataset:
    """`ca_dataset`; ends with the `with` that holds it, before its session does."""

    def __init__(self, session: Session, handle: Any) -> None:
        self.session = session
        self._dataset = handle

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        lib.ca_dataset_close(self._dataset)
        self._dataset = ffi.NULL

    def schema(self) -> pa.Schema:
        schema = ffi.new("struct ArrowSchema *")
        self.session._check(lambda error: lib.ca_dataset_schema(self._dataset, schema, error))
        return pa.Schema._import_from_c(address(schema))

    def ddl(self) -> str:
        return self.session._text(lambda sink, error: lib.ca_dataset_ddl(self._dataset, sink, ffi.NULL, error))

    def metadata(self) -> str:
        return self.session._text(lambda sink, error: lib.ca_dataset_metadata(self._dataset, sink, ffi.NULL, error))

    def fingerprints(self) -> dict[str, str]:
        found = ffi.new("struct ca_dataset_fingerprints *")
        found.size = ffi.sizeof("struct ca_dataset_fingerprints")
        self.session._check(lambda error: lib.ca_dataset_fingerprint(self._dataset, found, error))
        return {name: ffi.string(getattr(found, name)).decode() for name in ("contract", "schema", "ddl")}

    def views(self) -> pa.Table:
        return self.session._stream(lambda stream, error: lib.ca_dataset_views(self._dataset, stream, error)).read_all()

    def history(self, limit: int = 0) -> pa.Table:
        return self.session._stream(
            lambda stream, error: lib.ca_dataset_history(self._dataset, limit, stream, error)
        ).read_all()

    def scan(self, columns: list[str] | None = None, filter: str | None = None, limit: int = 0) -> pa.Table:
        options = ffi.new("struct ca_scan_options *")
        options.size = ffi.sizeof("struct ca_scan_options")
        names = [ffi.new("char[]", name.encode()) for name in columns or []]
        array = ffi.new("char *[]", names)
        condition = ffi.NULL if filter is None else ffi.new("char[]", filter.encode())
        options.columns = ffi.NULL if columns is None else ffi.cast("const char *const *", array)
        options.n_columns = len(names)
        options.filter = condition
        options.limit = limit
        return self.session._stream(
            lambda stream, error: lib.ca_dataset_scan(self._dataset, options, ffi.NULL, stream, error)
        ).read_all()

    def write(self, rows: pa.Table | pa.RecordBatchReader, *, overwrite: bool = False) -> int:
        reader = rows.to_reader() if isinstance(rows, pa.Table) else rows
        stream = ffi.new("struct ArrowArrayStream *")
        reader._export_to_c(address(stream))
        n_rows = ffi.new("int64_t *")
        mode = lib.CA_WRITE_OVERWRITE if overwrite else lib.CA_WRITE_APPEND
        call = lib.ca_dataset_write
        self.session._check(lambda error: call(self._dataset, stream, mode, ffi.NULL, n_rows, error))
        assert stream.release == ffi.NULL
        return n_rows[0]
