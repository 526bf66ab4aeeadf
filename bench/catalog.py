"""A catalog of ten thousand datasets, and what contracts cost, one JSON object a line on stdout.

    python bench/catalog.py                  all of it (make bench runs it after the repositories)
    python bench/catalog.py --datasets 2000  a smaller catalog
    python bench/catalog.py --only contract  one part

    open      a user's directory of 100 and of N datasets x 20 columns, 1 % of them broken (files that are missing or
              damaged); applied once, then `describe` of one of them as a process of its own
    query     the same store in one session: information_schema and registry, second run; DESCRIBE
    broken    that those are listed with their reason and disturb nobody
    contract  one query over a contract table and over the same Parquet files in the `datafusion` wheel

Times are the smallest of several runs, since other programs may use the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("CODEANATOMY", ROOT / "build" / "bin" / "codeanatomy"))
TYPES = [
    ("int64", pa.int64()),
    ("utf8", pa.string()),
    ("float64", pa.float64()),
    ("bool", pa.bool_()),
    ("int32", pa.int32()),
]
N_COLUMNS = 20
BROKEN_EVERY = 100


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def best_ms(n: int, act: Callable[[], Any]) -> float:
    times = []
    for _ in range(n):
        started = time.monotonic()
        act()
        times.append(time.monotonic() - started)
    return round(1000 * min(times), 2)


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in (PROGRAM, *command)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout


# ---- a large catalog -----------------------------------------------------------------------------------------------


def contract_text(name: str, storage: str = "") -> str:
    columns = "".join(
        f"  - {{name: c{i:02d}, type: {TYPES[i % len(TYPES)][0]}, nullable: true, doc: column {i} of {name}}}\n"
        for i in range(N_COLUMNS)
    )
    return (
        f"dataset: {name}\nversion: 1\nkind: table\ndoc: One of many.\ncolumns:\n{columns}{storage}"
        "evolution: {default: refuse}\n"
    )


def generate(root: Path, n_datasets: int) -> Path:
    """A user's directory; every hundredth dataset lies in files that are missing or damaged, in turn."""
    folder = root / "datasets" / "extract"
    folder.mkdir(parents=True)
    for i in range(n_datasets):
        storage = ""
        if i % BROKEN_EVERY == BROKEN_EVERY - 1:
            files = root / "files" / f"d{i:05d}"
            if i // BROKEN_EVERY % 2:
                files.mkdir(parents=True)
                (files / "part.parquet").write_bytes(b"PAR1 and nothing else")
            storage = f"storage: {{format: parquet, location: '{files}'}}\n"
        (folder / f"d{i:05d}.yaml").write_text(contract_text(f"d{i:05d}", storage))
    repository = root / "repository"
    repository.mkdir()
    (repository / "a.py").write_text("x = 1\n")
    started = time.monotonic()
    run("build", "--quiet", repository, "--store", root / "store", "--datasets", root / "datasets")
    say(what="apply", n_datasets=n_datasets, wall_s=round(time.monotonic() - started, 1))
    return root / "store"


WARM = {
    "information_schema.tables": "SELECT count(*) AS n FROM information_schema.tables",
    "information_schema.columns": "SELECT count(*) AS n FROM information_schema.columns",
    "information_schema.columns of one": "SELECT column_name FROM information_schema.columns "
    "WHERE table_name = 'd00042'",
    "information_schema.views": "SELECT count(*) AS n FROM information_schema.views",
    "registry.datasets": "SELECT health, count(*) AS n FROM registry.datasets GROUP BY health",
    "registry.columns": "SELECT count(*) AS n FROM registry.columns WHERE type = 'utf8'",
    "registry.keys": "SELECT count(*) AS n FROM registry.keys",
    "registry.options": "SELECT count(*) AS n FROM registry.options",
    "registry.evolution": "SELECT count(*) AS n FROM registry.evolution",
    "SHOW TABLES": "SHOW TABLES",
    "DESCRIBE": "DESCRIBE d00042",
}


class Session:
    """One session of the library, for statements one after the other."""

    def __init__(self, store: Path) -> None:
        self.library = Library()
        self.session = self.library.open(store)

    def time_ms(self, sql: str, n: int = 5) -> float:
        self.library.query(self.session, sql)
        return best_ms(n, lambda: self.library.query(self.session, sql))

    def close(self) -> None:
        self.library.close(self.session)


class Library:
    """The C ABI, as far as it is needed here (include/codeanatomy/codeanatomy.h)."""

    def __init__(self) -> None:
        import ctypes

        self.c = ctypes
        self.lib = ctypes.CDLL(str(ROOT / "build" / "lib" / "libcodeanatomy.so"))

        class Options(ctypes.Structure):
            _fields_ = [
                ("size", ctypes.c_size_t),
                ("store", ctypes.c_char_p),
                ("datasets", ctypes.c_char_p),
                ("run", ctypes.c_char_p),
                ("profile", ctypes.c_char_p),
                ("preset", ctypes.c_char_p),
                ("read_only", ctypes.c_int),
            ]

        class Error(ctypes.Structure):
            _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 4096)]

        self.Options, self.Error = Options, Error
        self.null = os.open(os.devnull, os.O_WRONLY)

    def check(self, status: int, err: Any) -> None:
        if status != 0:
            sys.exit(err.message.decode())

    def open(self, store: Path) -> Any:
        options = self.Options(size=self.c.sizeof(self.Options), store=str(store).encode(), read_only=1)
        session, err = self.c.c_void_p(), self.Error()
        self.check(self.lib.ca_session_open(self.c.byref(options), self.c.byref(session), self.c.byref(err)), err)
        return session

    def query(self, session: Any, sql: str) -> None:
        err = self.Error()
        status = self.lib.ca_query_write(
            session, sql.encode(), None, None, b"arrow", self.null, 0, None, self.c.byref(err)
        )
        self.check(status, err)

    def describe(self, session: Any, name: str) -> None:
        import pyarrow.cffi

        schema, err = pyarrow.cffi.ffi.new("struct ArrowSchema*"), self.Error()
        address = int(pyarrow.cffi.ffi.cast("uintptr_t", schema))
        status = self.lib.ca_resolve_schema(session, name.encode(), self.c.c_void_p(address), self.c.byref(err))
        self.check(status, err)
        pa.Schema._import_from_c(address)  # releases it

    def close(self, session: Any) -> None:
        self.lib.ca_session_close(session)


def bench_open(stores: dict[int, Path]) -> None:
    """Processes and sessions take turns, so that both catalogs see the same machine."""
    process: dict[int, list[float]] = {n: [] for n in stores}
    session: dict[int, list[float]] = {n: [] for n in stores}
    library = Library()

    def open_and_describe(store: Path) -> None:
        opened = library.open(store)
        library.describe(opened, "d00042")
        library.close(opened)

    for _ in range(15):
        for n, store in stores.items():
            process[n].append(best_ms(1, lambda store=store: run("describe", "--store", store, "d00042")))
            session[n].append(best_ms(1, lambda store=store: open_and_describe(store)))
    small, large = min(stores), max(stores)
    for how, times in (("process", process), ("session", session)):
        least = {n: min(values) for n, values in times.items()}
        say(
            what="open",
            how=how,
            n_datasets=large,
            small_ms=least[small],
            large_ms=least[large],
            ratio=round(least[large] / least[small], 2),
            target=2,
        )


def bench_queries(store: Path, n_datasets: int) -> None:
    session = Session(store)
    for name, sql in WARM.items():
        say(
            what="query",
            name=name,
            n_datasets=n_datasets,
            warm_ms=session.time_ms(sql),
            target_ms=2 if name == "DESCRIBE" else 300,
        )
    session.close()


def bench_broken(store: Path, n_datasets: int) -> None:
    """A broken one is refused by its own name; its neighbour answers."""
    first = BROKEN_EVERY - 1
    for i in (first, first + BROKEN_EVERY):
        answer = subprocess.run(
            [PROGRAM, "sql", "--store", store, "-c", f"SELECT count(c00) FROM d{i:05d}"],
            capture_output=True,
            text=True,
            check=False,
        )
        say(what="broken", dataset=f"d{i:05d}", code=answer.returncode, words=answer.stderr.strip())
    run("sql", "--store", store, "-c", f"SELECT count(*) FROM d{first - 1:05d}")
    rows = run(
        "sql",
        "--store",
        store,
        "--format",
        "ndjson",
        "-c",
        "SELECT health, count(*) AS n FROM registry.health WHERE dataset_name LIKE 'd0%' GROUP BY health",
    )
    say(what="health", n_datasets=n_datasets, **{row["health"]: row["n"] for row in map(json.loads, rows.splitlines())})


# ---- what a contract costs -----------------------------------------------------------------------------------------


def bench_contract(root: Path) -> None:
    """The same files through a contract and through the plain engine."""
    import datafusion

    n_rows = 8_000_000
    files = root / "files"
    files.mkdir()
    for part in range(4):
        numbers = pa.array(range(part * n_rows // 4, (part + 1) * n_rows // 4), pa.int64())
        groups = pa.array([f"g{i % 1000}" for i in range(n_rows // 4)], pa.string())
        values = pa.array([float(i % 97) for i in range(n_rows // 4)], pa.float64())
        pq.write_table(pa.table({"id": numbers, "grp": groups, "v": values}), files / f"{part}.parquet")
    folder = root / "datasets" / "extract"
    folder.mkdir(parents=True)
    (folder / "facts.yaml").write_text(
        "dataset: facts\nversion: 1\nkind: table\ndoc: Facts.\ncolumns:\n"
        "  - {name: id, type: int64, nullable: true, doc: number}\n"
        "  - {name: grp, type: utf8, nullable: true, doc: group}\n"
        "  - {name: v, type: float64, nullable: true, doc: value}\n"
        f"storage: {{format: parquet, location: '{files}'}}\nevolution: {{default: refuse}}\n"
    )
    repository = root / "repository"
    repository.mkdir()
    (repository / "a.py").write_text("x = 1\n")
    run("build", "--quiet", repository, "--store", root / "store", "--datasets", root / "datasets")

    config = datafusion.SessionConfig().with_target_partitions(os.cpu_count() or 1)
    for key, value in (
        ("datafusion.execution.parquet.schema_force_view_types", "false"),
        ("datafusion.execution.parquet.pushdown_filters", "true"),
        ("datafusion.execution.parquet.reorder_filters", "true"),
    ):
        config = config.set(key, value)
    plain = datafusion.SessionContext(config)
    plain.register_parquet("facts", str(files))
    session = Session(root / "store")
    for name, sql in (
        ("group", "SELECT grp, sum(v) AS s FROM facts GROUP BY grp"),
        ("filter", "SELECT count(*) AS n FROM facts WHERE v = 3 AND grp LIKE 'g1%'"),
        ("top", "SELECT id, v FROM facts ORDER BY v DESC, id LIMIT 10"),
    ):
        ours, theirs = [], []
        session.library.query(session.session, sql)
        for _ in range(9):
            theirs.append(best_ms(1, lambda sql=sql: plain.sql(sql).collect()))
            ours.append(best_ms(1, lambda sql=sql: session.library.query(session.session, sql)))
        say(
            what="contract",
            query=name,
            n_rows=n_rows,
            ours_ms=min(ours),
            datafusion_ms=min(theirs),
            datafusion=datafusion.__version__,
            ratio=round(min(ours) / min(theirs), 3),
            target=1.05,
        )
    session.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=10_000, help="how many the large catalog has (default: 10000)")
    parser.add_argument("--only", choices=["catalog", "contract"], help="one part of it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="codeanatomy-bench-") as scratch:
        if arguments.only != "contract":
            stores = {}
            for n in (100, arguments.datasets):
                root = Path(scratch) / str(n)
                root.mkdir()
                stores[n] = generate(root, n)
            bench_open(stores)
            bench_queries(stores[arguments.datasets], arguments.datasets)
            bench_broken(stores[arguments.datasets], arguments.datasets)
        if arguments.only != "catalog":
            root = Path(scratch) / "contract"
            root.mkdir()
            bench_contract(root)


if __name__ == "__main__":
    main()
