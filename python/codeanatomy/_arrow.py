"""Arrow objects in and out: capsules of other libraries, parameters, schemas."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ._call import schema_of
from ._library import ca_params, capsule

_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.restype = ctypes.c_void_p
_pointer_in.argtypes = [ctypes.py_object, ctypes.c_char_p]


@runtime_checkable
class ArrowStream(Protocol):
    """Rows of any library: a table, a reader, a frame."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@runtime_checkable
class ArrowArray(Protocol):
    """An array or a batch of any library."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]: ...


Params: TypeAlias = "Mapping[str, Any] | Sequence[Any] | ArrowArray"


def pyarrow(what: str) -> ModuleType:
    """The package pyarrow, which is needed for Python values alone."""
    try:
        import pyarrow
    except ImportError:
        raise ImportError(f"codeanatomy: {what} needs pyarrow: pip install pyarrow") from None
    return pyarrow


class Schema:
    """An Arrow schema of the catalog, with NOT NULL at every depth and the metadata of its fields.

    It owns itself: the session may be closed. Any library that knows `__arrow_c_schema__` reads it, as often as it
    likes. Threads: any.
    """

    def __init__(self, schema: Any) -> None:
        self._capsule = schema

    @classmethod
    def _of(cls, name: str, *arguments: Any) -> Schema:
        return cls(schema_of(name, *arguments))

    def __arrow_c_schema__(self) -> object:
        """A capsule "arrow_schema" with a copy of it."""
        return capsule.schema_copy(self._capsule)

    def to_arrow(self) -> Any:
        """A pyarrow.Schema."""
        return pyarrow("Schema.to_arrow").schema(self)


def rows_in(data: ArrowStream) -> tuple[int, object]:
    """Where the stream of `data` is, to be taken, and the capsule that owns it until then. TypeError when it has
    none."""
    if not isinstance(data, ArrowStream):
        raise TypeError(
            f"rows are something with __arrow_c_stream__ (a table or reader of pyarrow, a frame of polars, ...), "
            f"not {type(data).__name__}"
        )
    stream = data.__arrow_c_stream__()
    return _pointer_in(stream, b"arrow_array_stream"), stream


def params_in(params: Params | None) -> tuple[ca_params | None, object]:
    """Parameters as the library takes them, and what owns them. A mapping is for $name, a sequence for $1, $2; types
    are those that Arrow gives the values. TypeError, or pyarrow's own error, for a value that has none."""
    if params is not None and not isinstance(params, ArrowArray):
        params = _batch(params)
    if params is None:
        return None, None
    schema, array = params.__arrow_c_array__()
    return ca_params(_pointer_in(schema, b"arrow_schema"), _pointer_in(array, b"arrow_array")), (schema, array)


def _batch(params: Mapping[str, Any] | Sequence[Any]) -> ArrowArray | None:
    if not isinstance(params, Mapping):
        if isinstance(params, (str, bytes)) or not isinstance(params, Sequence):
            raise TypeError(
                f"parameters are a mapping, a sequence or something with __arrow_c_array__, not {type(params).__name__}"
            )
        params = {str(i): value for i, value in enumerate(params, 1)}
    if not params:
        return None
    pa = pyarrow("a parameter of a Python value")
    return pa.StructArray.from_arrays([pa.array([value]) for value in params.values()], list(params))
