"""What is the process's: versions, and where the library's messages go."""

from __future__ import annotations

import atexit
import json
import logging
from typing import Any

from ._call import text_sink
from ._library import LogFn, lib

_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: logging.DEBUG - 5}
# What the library calls until another one is set.
_kept: list[Any] = []


def version() -> str:
    """Of the library."""
    return lib.ca_version().decode()


def versions() -> dict[str, Any]:
    """Of library, engine, storage, Arrow, grammar."""
    parts: list[bytes] = []
    lib.ca_versions(text_sink(parts), None)
    return json.loads(b"".join(parts))


def log_to(logger: logging.Logger | None) -> None:
    """Hand the library's messages to a logger, down to the level that it has now; None: silence again. For the process.
    A record's `fields` are the keys of the event. Handlers are called from threads of the library."""
    sink = LogFn() if logger is None else _sink_of(logger)
    wanted = [] if logger is None else [n for n, level in _LEVELS.items() if logger.isEnabledFor(level)]
    lib.ca_log_set(sink, None, max(wanted, default=0))
    _kept[:] = [sink]


def _sink_of(logger: logging.Logger) -> Any:
    def take(_: Any, level: int, message: bytes, fields: bytes) -> None:
        extra = {"fields": json.loads(fields or b"{}")}
        logger.log(_LEVELS.get(level, logging.DEBUG), "%s", message.decode("utf-8", "replace"), extra=extra)

    return LogFn(take)


# Threads of the library must not call Python when it ends.
atexit.register(log_to, None)
