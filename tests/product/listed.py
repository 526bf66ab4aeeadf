"""Contracts over plain files: written where a test wants them, and what the system sees of the files that are read."""

from __future__ import annotations

import ctypes
import json
import os
import select
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import Answer, Program

IN_OPEN = 0x20
IN_ISDIR = 0x40000000


def declare(
    folder: Path,
    columns: str,
    location: Path | str | None,
    *,
    name: str = "t",
    format: str = "parquet",
    scan: str = "",
    storage: str = "",
    evolution: str = "default: refuse",
    more: str = "",
) -> Path:
    """A contract of `columns` ("a int64 not null, b utf8") in `folder`; `columns` that start with "-" are YAML."""
    if columns.lstrip().startswith("-"):
        declared = columns
    else:
        declared = ""
        for column in columns.split(", "):
            words = column.split(" ")
            nullable = "false" if words[2:4] == ["not", "null"] else "true"
            default = f", default: {' '.join(words[words.index('default') + 1 :])}" if "default" in words else ""
            declared += f"  - {{name: {words[0]}, type: {words[1]}, nullable: {nullable}, doc: d{default}}}\n"
    place = "" if location is None else f", location: {json.dumps(str(location))}"
    text = (
        f"dataset: {name}\nversion: 1\nkind: table\ndoc: A table of files.\ncolumns:\n{declared}\n{more}\n"
        f"storage: {{format: {format}{place}{', ' + storage if storage else ''}}}\n"
        f"{'scan: {' + scan + '}' if scan else ''}\nevolution: {{{evolution}}}\n"
    )
    (folder / "normalize").mkdir(parents=True, exist_ok=True)
    (folder / "normalize" / f"{name}.yaml").write_text(text)
    return folder


@dataclass
class Files:
    """A session over a directory of contracts, without a store."""

    program: Program
    datasets: Path
    args: list[str] = field(default_factory=list)

    def run(self, script: str, *args: str) -> Answer:
        return self.program.run(
            "sql", "--datasets", self.datasets, "--quiet", *self.args, *args, stdin=script, cwd=self.datasets
        )

    def ask(self, script: str, *args: str) -> list[dict[str, Any]]:
        """The rows of all statements."""
        answer = self.run(script, "--format", "ndjson", *args)
        assert answer.code == 0, answer.err
        return answer.rows()

    def refused(self, script: str = "SELECT * FROM t") -> str:
        answer = self.run(script)
        assert answer.code == 4 and answer.out == "", (answer.code, answer.out, answer.err)
        return answer.err

    def plan(self, query: str) -> str:
        rows = self.ask(f"EXPLAIN {query}")
        return "\n".join(row["plan"] for row in rows if row["plan_type"] == "physical_plan")


class Watch:
    """What is opened below some directories, by name and in order; directories end in "/"."""

    def __init__(self, *folders: Path) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        assert self.fd >= 0
        for folder in folders:
            assert self.libc.inotify_add_watch(self.fd, os.fsencode(folder), IN_OPEN) >= 0

    def opened(self) -> list[str]:
        names = []
        while select.select([self.fd], [], [], 0)[0]:
            data = os.read(self.fd, 1 << 16)
            while data:
                _, mask, _, n = struct.unpack_from("iIII", data)
                name = data[16 : 16 + n].rstrip(b"\0").decode()
                names.append(name + "/" if mask & IN_ISDIR else name)
                data = data[16 + n :]
        return names

    def close(self) -> None:
        os.close(self.fd)
