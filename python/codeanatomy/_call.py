"""How the library is called: texts in, errors out, and a call that Ctrl-C stops."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from ._errors import InvalidError, error_of
from ._library import FALLIBLE, ArrowArrayStream, ArrowSchema, TextFn, ca_error, capsule, lib

T = TypeVar("T")
PathLike: TypeAlias = "str | os.PathLike[str]"
Texts: TypeAlias = "Mapping[str, object] | Iterable[str]"


class Cancel:
    """Stops what was started with it: a query, the reading of its rows, a scan, a write, a build. Threads: any."""

    def __init__(self) -> None:
        self._capsule = capsule.cancel()

    def fire(self) -> None:
        """Once is for ever; what is started with it later is stopped at once."""
        capsule.fire(self._capsule)

    @property
    def _address(self) -> int:
        return capsule.address(self._capsule)


def encoded(text: PathLike | None, what: str = "a text") -> bytes | None:
    """NUL ends a text in C, so that one inside would cut it."""
    if text is None:
        return None
    data = os.fspath(text).encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise InvalidError(f"{what} has a NUL character: {text!r}")
    return data


def encoded_list(texts: Iterable[PathLike] | None) -> Any:
    """A `const char *const *`, or None; it owns the texts."""
    if texts is None:
        return None
    if isinstance(texts, (str, bytes, os.PathLike)):
        raise TypeError(f"a list of texts, not one text: {texts!r}")
    found = [encoded(text) for text in texts]
    return (ctypes.c_char_p * len(found))(*found)


def pairs(texts: Texts | None) -> Any:
    """{"a": 1} and ["a=1"] are the same."""
    if isinstance(texts, Mapping):
        texts = [f"{name}={plain(value)}" for name, value in texts.items()]
    return encoded_list(texts)


def plain(value: object) -> str:
    """A value of a setting or a pin, as its text: times and truths in the words of the library."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)  # type: ignore[attr-defined]


def set_list(options: ctypes.Structure, name: str, texts: Any) -> None:
    """Field `name` and its count."""
    if texts is not None:
        setattr(options, name, texts)
        setattr(options, f"n_{name}", len(texts))


def call(name: str, *arguments: Any) -> None:
    """A function of the library that takes `struct ca_error *` last; raises what it says."""
    assert name in FALLIBLE
    error = ca_error()
    rc = getattr(lib, name)(*arguments, ctypes.byref(error))
    if rc != 0:
        raise error_of(rc, error.message.decode("utf-8", "replace"))


def text_of(name: str, *arguments: Any) -> str:
    """What the function gives its sink, whose place in the arguments is the Ellipsis."""
    return "".join(texts_of(name, *arguments))


def texts_of(name: str, *arguments: Any) -> list[str]:
    """The same, a text a call of the sink."""
    parts: list[bytes] = []
    sink = text_sink(parts)
    call(name, *(sink if argument is ... else argument for argument in arguments))
    return [part.decode() for part in parts]


def text_sink(parts: list[bytes]) -> Any:
    return TextFn(lambda _, text, n_bytes: parts.append(ctypes.string_at(text, n_bytes)))


def stream_of(name: str, *arguments: Any, cancel: Cancel) -> Any:
    """A capsule of the stream that the function fills in; the stream's place is the Ellipsis."""
    stream = ArrowArrayStream()
    call(name, *(ctypes.byref(stream) if argument is ... else argument for argument in arguments))
    return capsule.stream(ctypes.addressof(stream), cancel._capsule)


def schema_of(name: str, *arguments: Any) -> Any:
    """A capsule of the schema that the function fills in; it comes after `arguments`."""
    schema = ArrowSchema()
    call(name, *arguments, ctypes.byref(schema))
    return capsule.schema(ctypes.addressof(schema))


def interruptible(cancel: Cancel, work: Callable[[], T]) -> T:
    """What `work` returns. In the main thread, which alone is told of signals, Ctrl-C fires `cancel` meanwhile; what
    the signal's handler raises (KeyboardInterrupt) comes when the library has returned."""
    return capsule.interruptible(cancel._capsule, work)
