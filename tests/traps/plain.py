"""The engine as it comes: the `datafusion` and `deltalake` packages, with nothing of ours around them.

Each test beside this file names one fact about the engine that decided our design. It shows the engine's wrong answer
first and ours after it: when an engine of another version answers otherwise, the test fails, and the design can be
looked at again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from datafusion import SessionConfig, SessionContext


def session(**settings: str) -> SessionContext:
    """With information_schema; `a__b` stands for `a.b` in the name of a setting."""
    config = SessionConfig().with_information_schema(True)
    for name, value in settings.items():
        config = config.set(f"datafusion.{name.replace('__', '.')}", value)
    return SessionContext(config)


def rows(context: SessionContext, sql: str) -> list[dict[str, Any]]:
    batches = context.sql(sql).collect()
    return pa.Table.from_batches(batches).to_pylist() if batches else []


def failure(call: Callable[[], object]) -> str:
    """The message with which a call fails; the packages raise Exception itself."""
    with pytest.raises(Exception) as raised:
        call()
    return str(raised.value)


def values(found: list[dict[str, Any]]) -> list[Any]:
    """Of rows with one column."""
    return [value for row in found for value in row.values()]
