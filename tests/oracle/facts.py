"""Rows of a bundle dataset from a file, one dict a row: what the oracles of this folder compare with.

Arrow IPC (stream or file) and Parquet need pyarrow; NDJSON (`codeanatomy sql --format ndjson`) needs nothing, so that
an oracle can run inside any interpreter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def read_rows(path: str) -> Iterator[dict[str, Any]]:
    """The rows in `path`, in order; its first bytes say which format it is."""
    with open(path, "rb") as file:
        head = file.read(6)
    if head.startswith(b"{"):
        return _read_ndjson(path)
    if head.startswith(b"PAR1"):
        return _read_parquet(path)
    return _read_arrow(path, is_file=head == b"ARROW1")


def _read_ndjson(path: str) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _read_parquet(path: str) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    for batch in parquet.ParquetFile(path).iter_batches(batch_size=16):
        yield from batch.to_pylist()


def _read_arrow(path: str, is_file: bool) -> Iterator[dict[str, Any]]:
    from pyarrow import ipc

    with open(path, "rb") as file:
        if is_file:
            reader = ipc.open_file(file)
            for i in range(reader.num_record_batches):
                yield from reader.get_batch(i).to_pylist()
        else:
            for batch in ipc.open_stream(file):
                yield from batch.to_pylist()
