"""A catalog of ten thousand datasets, and what contracts cost, one JSON object a line on stdout.

    python bench/catalog.py                  all of it (make bench runs it after the repositories)
    python bench/catalog.py --datasets 2000  a smaller catalog
    python bench/catalog.py --only contract  one part (catalog, contract, align)

    register  one more dataset, brought into a session over N
    open      a user's directory of 100 and of N datasets x 20 columns, 1 % of them broken (files that are missing or
              damaged); applied once, then `describe` of one of them as a process of its own
    query     the same store in one session: each relation of information_schema and registry, second run; DESCRIBE
    broken    that those are listed with their reason and disturb nobody
    contract  queries over contract tables, and the same over the same files in the engine as it is, with the same
              settings (shim/examples/plain.rs): Parquet files that are listed, and Delta tables of a build of Django.
              Both programs (ours: bench/query.c) write the rows to /dev/null as an Arrow stream
    align     a stream compared and aligned with its contract, against writing it (bench/write.c)

Times are the smallest of several runs, since other programs may use the machine meanwhile; for the same reason
`contract` compares the time on the processors.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("CODEANATOMY", ROOT / "build" / "bin" / "codeanatomy"))
CORPORA = Path(os.environ.get("CA_CORPORA", ROOT / "build" / "corpora"))
QUERY = ROOT / "build" / "release" / "bench" / "query"

TYPES = [
    ("int64", pa.int64()),
    ("utf8", pa.string()),
    ("float64", pa.float64()),
    ("bool", pa.bool_()),
    ("int32", pa.int32()),
]
N_COLUMNS = 20
N_WARM = 5
N_TURNS = 15
TURN_MS = 200
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


def sql_rows(store: Path, sql: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("sql", "--store", store, "--format", "ndjson", "-c", sql).splitlines()]


def on_cpu_ms(pid: int) -> float:
    """Time that a process was on processors, to now: what /proc says of it is a tick behind."""
    return time.clock_gettime(~pid << 3 | 2) * 1000  # CPUCLOCK_SCHED of a process (linux/posix-timers.h)


class Statements:
    """A program that runs each line of its stdin as a statement and answers with the milliseconds that took."""

    def __init__(self, *command: str | Path) -> None:
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def time_ms(self, sql: str) -> float:
        assert self.process.stdin and self.process.stdout
        print(" ".join(sql.split()), file=self.process.stdin)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.process.args} ended at: {sql}")
        return float(answer)

    def cpu_and_wall_ms(self, sql: str, n: int) -> tuple[float, float]:
        """Processor and wall milliseconds of one of `n` in a row."""
        before = on_cpu_ms(self.process.pid)
        wall_ms = min(self.time_ms(sql) for _ in range(n))
        return (on_cpu_ms(self.process.pid) - before) / n, wall_ms

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


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


RELATIONS = """SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
    WHERE table_schema IN ('information_schema', 'registry') ORDER BY name"""
# Besides all rows of each of those relations.
WARM = {
    "count of columns": "SELECT count(*) AS n FROM registry.columns WHERE type = 'utf8'",
    "columns of one": "SELECT column_name FROM information_schema.columns WHERE table_name = 'd00042'",
    "by health": "SELECT health, count(*) AS n FROM registry.datasets GROUP BY health",
    "SHOW TABLES": "SHOW TABLES",
    "DESCRIBE": "DESCRIBE d00042",
}


def bench_open(stores: dict[int, Path]) -> None:
    """Processes and sessions take turns, so that both catalogs see the same machine."""
    process: dict[int, list[float]] = {n: [] for n in stores}
    session: dict[int, list[float]] = {n: [] for n in stores}

    # The Python package of this checkout over the library of this build.
    os.environ.setdefault("CODEANATOMY_LIBRARY", str(ROOT / "build" / "lib" / "libcodeanatomy.so.0"))
    sys.path.insert(0, str(ROOT / "python"))
    from codeanatomy import connect

    large = max(stores)
    more = stores[large].parent / "more" / "extract" / "more.yaml"
    more.parent.mkdir(parents=True)
    more.write_text(contract_text("more"))
    with connect(stores[large]) as opened:
        started = time.monotonic()
        opened.register(more)
        say(what="register", n_datasets=large, wall_ms=round(1000 * (time.monotonic() - started), 1))

    def open_and_describe(store: Path) -> None:
        with connect(store) as opened:
            opened.schema("d00042")

    for _ in range(15):
        for n, store in stores.items():
            process[n].append(best_ms(1, lambda store=store: run("describe", "--store", store, "d00042")))
            session[n].append(best_ms(1, lambda store=store: open_and_describe(store)))
    small = min(stores)
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
    session = Statements(QUERY, store)
    relations = {row["name"]: f"SELECT * FROM {row['name']}" for row in sql_rows(store, RELATIONS)}
    for name, sql in (relations | WARM).items():
        session.time_ms(sql)
        say(
            what="query",
            name=name,
            n_datasets=n_datasets,
            warm_ms=round(min(session.time_ms(sql) for _ in range(N_WARM)), 2),
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
    rows = sql_rows(
        store, "SELECT health, count(*) AS n FROM registry.health WHERE dataset_name LIKE 'd0%' GROUP BY health"
    )
    say(what="health", n_datasets=n_datasets, **{row["health"]: row["n"] for row in rows})


# ---- what a contract costs -----------------------------------------------------------------------------------------


def plain_engine(settings: dict[str, str]) -> Statements:
    """The engine as it is: the same crates, the same settings, no contract."""
    built = subprocess.run([ROOT / "tools" / "engine", "--plain"], stdout=subprocess.PIPE, text=True, check=True)
    plain = Statements(built.stdout.strip())
    for name, value in settings.items():
        plain.time_ms(f"SET {name} = '{value}'")
    return plain


N_FACTS = 5_000_000
N_FILES = 4
# What a plan may differ by; the catalog's names and places are its own.
SETTINGS = """SELECT name, value FROM information_schema.df_settings
    WHERE value <> '' AND name NOT LIKE 'datafusion.catalog.%' AND name NOT LIKE 'datafusion.runtime.%temp%'"""
# Of a listed table: `facts`, and `marked`, every thousandth id.
LISTED = {
    "count": "SELECT count(*) AS n FROM facts",
    "scan": "SELECT max(id) AS i, max(grp) AS g, sum(v) AS s FROM facts",
    "filter": "SELECT count(*) AS n FROM facts WHERE v = 3 AND grp LIKE 'g1%'",
    "group": "SELECT grp, sum(v) AS s FROM facts GROUP BY grp",
    "top": "SELECT id, v FROM facts ORDER BY n DESC, id LIMIT 10",
    # Statistics of floats do not know NaN: somebody has looked, or checked as of `checked` (docs/decisions/0011).
    "top of floats": "SELECT id, v FROM facts ORDER BY v DESC, id LIMIT 10",
    "join": "SELECT sum(v) AS s FROM facts JOIN marked USING (id) WHERE marked.kind = 7",
}
# Of what a build has put into Delta tables.
STORED = {
    "count": "SELECT count(*) AS n FROM cpg_edges",
    "scan": "SELECT max(src) AS s, max(dst) AS d, max(rule) AS r, sum(confidence) AS c FROM cpg_edges",
    "filter": "SELECT count(*) AS n FROM cpg_edges WHERE kind LIKE 'C%' AND n_candidates > 1",
    "group": "SELECT kind, rule, count(*) AS n FROM cpg_edges GROUP BY kind, rule",
    "top": "SELECT src, dst FROM cpg_edges ORDER BY dst DESC, src LIMIT 10",
    "join": "SELECT count(*) AS n FROM cpg_edges JOIN cpg_nodes ON dst = node_id WHERE name = 'reverse'",
    "top of floats": "SELECT id, v FROM checked ORDER BY v DESC, id LIMIT 10",
    "filter of floats": "SELECT count(*) AS n FROM checked WHERE v > 1000",
}
# `facts` again, in Delta, with a check that says of `v` what statistics need.
CHECKED = """dataset: checked
version: 1
kind: table
doc: Facts. One row a fact.
columns:
  - {name: id, type: int64, nullable: false, doc: number}
  - {name: v, type: float64, nullable: false, doc: value}
keys: {primary: [id]}
checks: {v: "NOT isnan(v)"}
evolution: {default: refuse}
"""
CHECKED_SQL = """-- Which facts are there? One row a fact.
SELECT id, v FROM facts WHERE id IS NOT NULL AND v IS NOT NULL
"""


def write_facts(files: Path) -> None:
    rows = range(N_FACTS // N_FILES)
    for part in range(N_FILES):
        table = {
            "id": pa.array(range(part * len(rows), (part + 1) * len(rows)), pa.int64()),
            "n": pa.array([i * 7919 % 1_000_003 for i in rows], pa.int64()),
            "grp": pa.array([f"g{i % 1000}" for i in rows], pa.string()),
            "v": pa.array([float(i % 97) for i in rows], pa.float64()),
        }
        pq.write_table(pa.table(table), files / "facts" / f"{part}.parquet")
    ids = range(0, N_FACTS, 1000)
    marked = {"id": pa.array(ids, pa.int64()), "kind": pa.array([i * 50 // N_FACTS for i in ids], pa.int64())}
    pq.write_table(pa.table(marked), files / "marked" / "0.parquet")


def declare_facts(datasets: Path, files: Path) -> None:
    columns = {
        "facts": {"id": "int64", "n": "int64", "grp": "utf8", "v": "float64"},
        "marked": {"id": "int64", "kind": "int64"},
    }
    datasets.mkdir(parents=True)
    for name, types in columns.items():
        declared = "".join(f"  - {{name: {c}, type: {t}, nullable: true, doc: {c}}}\n" for c, t in types.items())
        (datasets / f"{name}.yaml").write_text(
            f"dataset: {name}\nversion: 1\nkind: table\ndoc: Files.\ncolumns:\n{declared}"
            f"storage: {{format: parquet, location: '{files / name}'}}\nevolution: {{default: refuse}}\n"
        )


def prepare_contract(root: Path) -> None:
    files = root / "files"
    for name in ("facts", "marked"):
        (files / name).mkdir(parents=True)
    write_facts(files)
    declare_facts(root / "datasets" / "extract", files)
    (root / "datasets" / "normalize").mkdir()
    (root / "datasets" / "normalize" / "checked.yaml").write_text(CHECKED)
    (root / "datasets" / "normalize" / "checked.sql").write_text(CHECKED_SQL)
    run("build", "--quiet", CORPORA / "django-5.2.19", "--store", root / "store", "--datasets", root / "datasets")


def least(turns: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Processor and wall time, each of the turn that has the least of it."""
    cpu, wall = zip(*turns, strict=True)
    return min(cpu), min(wall)


def bench_contract(root: Path) -> None:
    """The same rows through contracts and through the plain engine: files that are listed, and Delta tables."""
    store = root / "store"
    ours = Statements(QUERY, store)
    plain = plain_engine({row["name"]: row["value"] for row in sql_rows(store, SETTINGS)})
    for name in ("facts", "marked"):
        plain.time_ms(f"CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{root}/files/{name}/'")
    for name in ("cpg_edges", "cpg_nodes", "checked"):
        (location,) = (root / "store" / "tables" / "public" / name).iterdir()
        plain.time_ms(f"CREATE EXTERNAL TABLE {name} STORED AS DELTATABLE LOCATION '{location}'")
    for storage, queries in (("parquet", LISTED), ("delta", STORED)):
        for query, sql in queries.items():
            for engine in (plain, ours):
                engine.time_ms(sql)
            n = 1 + int(TURN_MS / plain.time_ms(sql))
            turns = [(ours.cpu_and_wall_ms(sql, n), plain.cpu_and_wall_ms(sql, n)) for _ in range(N_TURNS)]
            (ours_cpu, ours_wall), (plain_cpu, plain_wall) = (
                map(min, zip(*t, strict=True)) for t in zip(*turns, strict=True)
            )
            say(
                what="contract",
                storage=storage,
                query=query,
                ours_ms=round(ours_wall, 2),
                datafusion_ms=round(plain_wall, 2),
                ours_cpu_ms=round(ours_cpu, 3),
                datafusion_cpu_ms=round(plain_cpu, 3),
                ratio=round(ours_cpu / plain_cpu, 3),
                target=1.05,
            )
    plain.close()
    ours.close()


def bench_align(root: Path) -> None:
    """Of batches from C: what the handshake and the alignment take, by the time in which they are written."""
    root.mkdir()
    done = subprocess.run(
        [ROOT / "build" / "release" / "bench" / "write", root], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"bench/write: {done.stderr}")
    for line in done.stdout.splitlines():
        times = json.loads(line)
        share = (times["handshake_ms"] + times["align_ms"]) / times["write_ms"]
        say(what="align", **times, ratio=round(share, 4), target=0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=10_000, help="how many the large catalog has (default: 10000)")
    parser.add_argument("--only", choices=["catalog", "contract", "align"], help="one part of it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="codeanatomy-bench-") as scratch:
        if arguments.only in (None, "catalog"):
            stores = {}
            for n in (100, arguments.datasets):
                root = Path(scratch) / str(n)
                root.mkdir()
                stores[n] = generate(root, n)
            bench_open(stores)
            bench_queries(stores[arguments.datasets], arguments.datasets)
            bench_broken(stores[arguments.datasets], arguments.datasets)
        if arguments.only in (None, "contract"):
            root = Path(scratch) / "contract"
            prepare_contract(root)
            bench_contract(root)
        if arguments.only in (None, "align"):
            bench_align(Path(scratch) / "align")


if __name__ == "__main__":
    main()
