"""A store as somebody else reads it: the manifest, and the Delta tables at the versions that it names
(docs/store.md)."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable


def manifest(store: Path) -> dict[str, Any]:
    run = (store / "published").read_text().strip()
    return json.loads((store / "runs" / f"{run}.json").read_text())


def entries(store: Path, schema: str | None = None) -> dict[str, dict[str, Any]]:
    """Entries of the manifest by `schema.name`."""
    found = manifest(store)["datasets"]
    return {f"{d['schema']}.{d['name']}": d for d in found if schema in (None, d["schema"])}


def files(store: Path, entry: dict[str, Any]) -> list[str]:
    """Parquet files of the pinned version, in the order in which the writer made them: part-00000, part-00001, ..."""
    delta = DeltaTable(str(store / entry["location"]), version=entry["data_version"])
    return sorted(delta.file_uris(), key=lambda uri: re.sub(r"(part-\d+)-.*", r"\1", uri.rpartition("/")[2]))


def table(store: Path, name: str) -> pa.Table:
    """Rows of `schema.name` in stored order."""
    entry = entries(store)[name]
    parts = [pq.read_table(uri) for uri in files(store, entry)]
    if parts:
        return pa.concat_tables(parts)
    return DeltaTable(str(store / entry["location"]), version=entry["data_version"]).to_pyarrow_table()


def digest(rows: pa.Table) -> str:
    """Hash of all rows in their order, whatever the files, row groups and batches they lie in."""
    whole = rows.combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema.remove_metadata()) as writer:
        for batch in whole.to_batches(max_chunksize=4096):
            # A slice keeps the offsets of its parent; taking its rows makes arrays that depend on values alone.
            writer.write_batch(batch.take(pa.array(range(batch.num_rows), pa.int64())))
    return hashlib.sha256(sink.getvalue().to_pybytes()).hexdigest()


def digests(store: Path) -> dict[str, str]:
    """Of every public table."""
    return {name: digest(table(store, name)) for name in entries(store, "public")}


def file_counts(store: Path) -> Counter[str]:
    """How many files each table has, its data and its log apart, and each folder beside the tables."""
    found: Counter[str] = Counter()
    for file in store.rglob("*"):
        parts = file.relative_to(store).parts
        if file.is_file() and parts[0] == "tables":
            found[f"{parts[1]}.{parts[2]} {'log' if '_delta_log' in parts else 'data'}"] += 1
        elif file.is_file():
            found[parts[0]] += 1
    return found
