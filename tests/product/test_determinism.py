"""Design decision 14: same input, same content, whatever the workers, the directory, its listing, the locale or the
hash seed."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import stored
from conftest import SHOP, Program

MEMORY = Path("/dev/shm")


def copy(source: Path, target: Path, *, is_reversed: bool = False) -> Path:
    """Files one by one, in the order of their names or the other way round."""
    files = sorted(p for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    for file in reversed(files) if is_reversed else files:
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return target


def listing(root: Path) -> list[str]:
    """Paths in the order in which the system lists them."""
    return [f"{Path(folder).relative_to(root)}/{name}" for folder, _, names in os.walk(root) for name in names]


@dataclass(frozen=True)
class Variant:
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    is_shuffled: bool = False


VARIANTS = {
    "one_worker": Variant(("-j", "1")),
    "two_workers": Variant(("-j", "2")),
    "four_workers": Variant(("-j", "4")),
    "small_profile": Variant(("--profile", "small")),
    "shuffled": Variant(is_shuffled=True),
    "environment": Variant(
        env={"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "4711", "PYTHONUTF8": "0", "LANGUAGE": "tr"}
    ),
}
REQUESTS_VARIANTS = {
    "one_worker": VARIANTS["one_worker"],
    "everything": Variant(("-j", "4"), VARIANTS["environment"].env, is_shuffled=True),
}


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A folder on a file system that lists in the order of creation, the newest first; elsewhere names may be
    hashed."""
    if not os.access(MEMORY, os.W_OK):
        pytest.skip(f"{MEMORY} is not there: no file system whose order of listing can be chosen")
    folder = MEMORY / f"codeanatomy-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def build_variant(program: Program, source: Path, variant: Variant, tmp_path: Path, memory_path: Path) -> Path:
    repo = copy(source, tmp_path / "elsewhere" / "repo")
    if variant.is_shuffled:
        plain = copy(source, memory_path / "plain")
        repo = copy(source, memory_path / "shuffled", is_reversed=True)
        assert sorted(listing(plain)) == sorted(listing(repo)) and listing(plain) != listing(repo)
    store = tmp_path / "store"
    answer = program.run("build", repo, "--store", store, "--quiet", *variant.args, env=variant.env)
    assert answer.code == 0, answer.err
    return store


def content(store: Path) -> dict[str, Any]:
    """Every public table by its hash, and what the manifest says apart from clock, place, the names that the writer
    gave its files and the diagnostics of the run."""
    run = stored.manifest(store)
    run_id = run["run_id"]
    for key in ("run_id", "started_at", "published_at", "previous_run", "elapsed_ns", "runtime", "settings_hash"):
        del run[key]
    run["datasets"] = [d for d in run["datasets"] if d["schema"] == "public"]
    for d in run["datasets"]:
        del d["files_digest"]
        d["location"] = d["location"].replace(run_id, "RUN")
    return {"manifest": run, **stored.digests(store)}


@pytest.fixture(scope="module")
def shop_content(program: Program, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("shop")
    program.build(copy(SHOP, folder / "repo"), folder / "store")
    return content(folder / "store")


@pytest.fixture(scope="module")
def requests_content(requests_store: Path) -> dict[str, Any]:
    return content(requests_store)


@pytest.mark.parametrize("name", VARIANTS)
def test_shop(name: str, program: Program, shop_content: dict[str, Any], tmp_path: Path, memory_path: Path) -> None:
    store = build_variant(program, SHOP, VARIANTS[name], tmp_path, memory_path)
    assert content(store) == shop_content


@pytest.mark.parametrize("name", REQUESTS_VARIANTS)
def test_requests(
    name: str,
    program: Program,
    requests_repo: Path,
    requests_content: dict[str, Any],
    tmp_path: Path,
    memory_path: Path,
) -> None:
    store = build_variant(program, requests_repo, REQUESTS_VARIANTS[name], tmp_path, memory_path)
    assert content(store) == requests_content


def test_files_at_a_time(program: Program, django_repo: Path, django_store: Path, tmp_path: Path) -> None:
    """Decision 18: what contracts say of models that depend on single files is so. Pieces have two thirds of a MiB,
    no more than one in thirty of Django. Bytes and files of the manifest are another profile's."""
    store = tmp_path / "store"
    program.build(django_repo, store, "--profile", "small")
    small, whole = content(store), content(django_store)
    del small["manifest"], whole["manifest"]
    assert small == whole and "call_resolution" in str(whole.keys())


def test_second_build_of_a_store(program: Program, shop_content: dict[str, Any], tmp_path: Path) -> None:
    """A rebuild over other content leaves what a first build would have made, versions of tables and all."""
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "other.py").write_text("def other():\n    return other()\n")
    program.build(repo, tmp_path / "store")
    shutil.rmtree(repo)
    program.build(copy(SHOP, repo), tmp_path / "store")
    assert content(tmp_path / "store") == shop_content


def test_diagnostics(program: Program, tmp_path: Path) -> None:
    """What a run says about itself comes in one order too; only clock, place and sizes of these tables differ."""
    clock = {"run_id", "elapsed_ns"}
    stores = [tmp_path / "a", tmp_path / "b"]
    for store in stores:
        program.build(SHOP, store, "-j", "4")

    def rows(store: Path, name: str) -> list[dict[str, Any]]:
        table = stored.table(store, name)
        kept = table.drop_columns([c for c in table.column_names if c in clock]).to_pylist()
        kept = [row for row in kept if row.get("schema_name") != "diagnostics"]
        place = "datafusion.runtime.temp_directory"
        return [row for row in kept if place not in (row.get("name"), row.get("object_name"))]

    for name in stored.entries(stores[0], "diagnostics"):
        assert rows(stores[0], name) == rows(stores[1], name), name


def is_sorted(rows: list[tuple[Any, ...]]) -> bool:
    """Nulls come last, texts by their UTF-8 bytes."""
    keys = [tuple((v is None, v.encode() if isinstance(v, str) else v) for v in row) for row in rows]
    return all(a <= b for a, b in itertools.pairwise(keys))


def check_order(program: Program, store: Path) -> None:
    keys = program.sql(
        store,
        "SELECT schema_name || '.' || dataset_name AS name, column_name FROM registry.keys WHERE kind = 'order' "
        "ORDER BY name, position",
    )
    order: dict[str, list[str]] = {}
    for row in keys:
        order.setdefault(row["name"], []).append(row["column_name"])
    names = stored.entries(store)
    assert set(names) <= set(order), "a stored dataset without an order"
    for name in names:
        columns = stored.table(store, name).select(order[name]).to_pydict()
        assert is_sorted(list(zip(*columns.values(), strict=True))), f"{name} is not stored by {order[name]}"


@pytest.fixture
def check(program: Program) -> Callable[[Path], None]:
    return lambda store: check_order(program, store)


def test_stored_order(check: Callable[[Path], None], requests_store: Path) -> None:
    """B1: rows lie in the order that the contract declares, in every table."""
    check(requests_store)
