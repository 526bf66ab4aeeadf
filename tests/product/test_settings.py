"""Profiles, presets and settings: what there is, what is in force, and who said so.

A setting comes from its flag, else its variable, else the project file, else the user's file, else it is built in.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import capi
import pytest
import stored
from conftest import SHOP, Program

BATCH = "datafusion.execution.batch_size"
VALUE_OF = "SELECT value FROM information_schema.df_settings WHERE name = '{}'"
SCHEMA_HARDENING = {  # requirements.md, A2
    "datafusion.explain.show_schema": "true",
    "datafusion.format.types_info": "true",
    "datafusion.execution.time_zone": "UTC",
    "datafusion.execution.skip_physical_aggregate_schema_check": "false",
    "datafusion.sql_parser.map_string_types_to_utf8view": "false",
    "datafusion.execution.parquet.schema_force_view_types": "false",
}
IN_BOTH_PRESETS = list(SCHEMA_HARDENING)[:4]
ARROW_PERFORMANCE = {key: value if key in IN_BOTH_PRESETS else "true" for key, value in SCHEMA_HARDENING.items()}
MIB = 1 << 20


class World:
    """A repository, a user's folder, and the program that sees both."""

    def __init__(self, program: Program, root: Path) -> None:
        self.program = program
        self.repo = root / "repo"
        self.store = self.repo / ".codeanatomy"
        self.user_file = root / "config" / "codeanatomy" / "config.yaml"
        self.environment = {"XDG_CONFIG_HOME": str(root / "config")}
        self.repo.mkdir()
        (self.repo / "a.py").write_text("x = 1\n")

    def project(self, text: str) -> None:
        (self.repo / ".codeanatomy.yaml").write_text(text)

    def user(self, text: str) -> None:
        self.user_file.parent.mkdir(parents=True, exist_ok=True)
        self.user_file.write_text(text)

    def run(self, *args: str | os.PathLike[str], **variables: str):
        return self.program.run(*args, env={**self.environment, **variables})

    def build(self, **variables: str) -> None:
        answer = self.run("build", self.repo, **variables)
        assert answer.code == 0, answer.err

    def setting(self, key: str, *flags: str, **variables: str) -> str:
        answer = self.run("sql", *flags, "--format", "ndjson", "-c", VALUE_OF.format(key), self.repo, **variables)
        assert answer.code == 0, answer.err
        [row] = answer.rows()
        return row["value"]

    def findings(self, *flags: str, **variables: str) -> list[tuple[str, str]]:
        """(subject, text) of doctor's report."""
        answer = self.run("doctor", *flags, "--format", "json", self.repo, **variables)
        return [(finding["subject"], finding["text"]) for finding in json.loads(answer.out)]


@pytest.fixture
def world(program: Program, tmp_path: Path) -> World:
    return World(program, tmp_path)


def profiles(program: Program) -> dict[tuple[str, str], dict[str, str]]:
    answer = program.run("profiles", "--format", "ndjson")
    assert answer.code == 0, answer.err
    listed: dict[tuple[str, str], dict[str, str]] = {}
    for row in answer.rows():
        listed.setdefault((row["kind"], row["name"]), {})[row["key"]] = row["value"]
    return listed


# ---- what there is -------------------------------------------------------------------------------------------------


def test_profiles_are_listed(program: Program) -> None:
    """A2, A3: the presets as the requirement writes them, the profiles with every limit; the SQL surface says the
    same."""
    listed = profiles(program)
    names = ["small", "medium", "large", "auto"]
    assert {name for kind, name in listed if kind == "profile"} == set(names)
    assert listed["preset", "schema_hardening"] == SCHEMA_HARDENING
    assert listed["preset", "arrow_performance"] == ARROW_PERFORMANCE
    assert listed["always", "always"]["datafusion.catalog.information_schema"] == "true"
    limits = {
        "memory_limit_bytes",
        "spill_limit_bytes",
        "n_threads",
        BATCH,
        "datafusion.execution.target_partitions",
        "datafusion.runtime.list_files_cache_limit",
        "datafusion.runtime.metadata_cache_limit",
        "datafusion.runtime.file_statistics_cache_limit",
    }
    for name in names:
        assert set(listed["profile", name]) == limits
    assert [int(listed["profile", name]["memory_limit_bytes"]) // MIB for name in names[:3]] == [256, 1024, 8192]
    n_cores = os.cpu_count() or 1
    threads = [int(listed["profile", name]["n_threads"]) for name in names]
    assert threads == [1, min(2, n_cores), n_cores, n_cores]

    answer = program.run("sql", "--format", "ndjson", "-c", "SELECT kind, name, key, value FROM registry.profiles")
    in_sql = {(row["kind"], row["name"], row["key"]): row["value"] for row in answer.rows()}
    flat = {(kind, name, key): value for (kind, name), values in listed.items() for key, value in values.items()}
    assert in_sql == flat


@pytest.mark.parametrize("preset", ["schema_hardening", "arrow_performance"])
@pytest.mark.parametrize("profile", ["small", "auto"])
def test_settings_in_force(world: World, profile: str, preset: str) -> None:
    """A2, A3: information_schema.df_settings shows what profile and preset list, and DESCRIBE-like text of
    sizes aside nothing else; version() answers (A4)."""
    world.build()
    listed = profiles(world.program)
    expected = {**listed["always", "always"], **listed["preset", preset], **listed["profile", profile]}
    answer = world.run(
        "sql",
        "--profile",
        profile,
        "--preset",
        preset,
        "--format",
        "ndjson",
        "-c",
        "SELECT name, value FROM information_schema.df_settings",
        world.repo,
    )
    in_force = {row["name"]: row["value"] for row in answer.rows()}
    for key, value in expected.items():
        if key.startswith("datafusion."):
            assert re.fullmatch(rf"{re.escape(value)}|{re.escape(value)}B?", in_force[key]), key


def test_version(world: World) -> None:
    """A4: select version() answers, and the manifest has the same engine."""
    world.build()
    answer = world.run("sql", "--format", "ndjson", "-c", "SELECT version() AS v", world.repo)
    [row] = answer.rows()
    engine = stored.manifest(world.store)["engine"]["datafusion"]
    assert row["v"].startswith(f"Apache DataFusion {engine},")


def test_presets_build_the_same(program: Program, tmp_path: Path) -> None:
    """A2: arrow_performance is about how text is held while a query runs: a build with it makes the same schemas and
    rows, and what is in its store reads the same with either."""
    asked = "SELECT path, start_byte, status, callee_qualified_name FROM callers ORDER BY path, start_byte, 4"
    described = "DESCRIBE call_sites"
    answers = set()
    for preset in ("schema_hardening", "arrow_performance"):
        store = tmp_path / preset
        built = program.run("build", SHOP, "--store", store, "--preset", preset)
        assert built.code == 0, built.err
        assert stored.manifest(store)["runtime"]["preset"] == preset
        for reading in ("schema_hardening", "arrow_performance"):
            answer = program.run(
                "sql", "--store", store, "--preset", reading, "--format", "csv", "-c", asked, "-c", described
            )
            assert answer.code == 0, answer.err
            assert "Utf8View" not in answer.out
            answers.add(answer.out)
    assert len(answers) == 1


VIEW = """\
dataset: named
version: 1
kind: view
doc: A view of one's own. One row.
columns:
  - {name: name, type: utf8, nullable: true, doc: "a name"}
  - {name: pair, type: struct, nullable: true, doc: "a name and a number", fields: [
      {name: text, type: utf8, nullable: true, doc: t}, {name: n, type: int64, nullable: true, doc: n}]}
evolution: {default: refuse}
"""
VIEW_SQL = """\
-- One name. One row.
SELECT CAST(1 AS VARCHAR) AS name, named_struct('text', CAST(2 AS VARCHAR), 'n', CAST(3 AS BIGINT)) AS pair
"""


@pytest.mark.parametrize("preset", ["schema_hardening", "arrow_performance"])
def test_words_of_a_view(program: Program, tmp_path: Path, preset: str) -> None:
    """A2, B5: VARCHAR in a contract's view is the contract's utf8 under either preset; in a statement of a user it is
    what the preset makes of it."""
    (tmp_path / "own" / "graph").mkdir(parents=True)
    (tmp_path / "own" / "graph" / "named.yaml").write_text(VIEW)
    (tmp_path / "own" / "graph" / "named.sql").write_text(VIEW_SQL)
    asked = [
        "SELECT arrow_typeof(name) AS type, name, pair FROM named",
        "SELECT is_nullable = 'YES' AS n, data_type FROM information_schema.columns WHERE table_name = 'named' "
        "ORDER BY ordinal_position",
        "SELECT health FROM registry.health WHERE dataset_name = 'named'",
        "SELECT arrow_typeof(CAST(1 AS VARCHAR)) AS type",
    ]
    script = [word for sql in asked for word in ("-c", sql)]
    answer = program.run("sql", "-q", "--preset", preset, "--datasets", tmp_path / "own", "--format", "json", *script)
    assert answer.code == 0, answer.err
    row, columns, health, users = map(json.loads, answer.out.splitlines())
    assert row == [{"type": "Utf8", "name": "1", "pair": {"text": "2", "n": 3}}]
    assert columns[0]["data_type"] == "Utf8" and "Utf8View" not in columns[1]["data_type"]
    assert health == [{"health": "ok"}]
    assert users == [{"type": "Utf8" if preset == "schema_hardening" else "Utf8View"}]
    built = program.run(
        "build", "-q", SHOP, "--store", tmp_path / "store", "--preset", preset, "--datasets", tmp_path / "own"
    )
    assert built.code == 0, built.err


# ---- who says it ---------------------------------------------------------------------------------------------------


def test_precedence_of_a_setting(world: World) -> None:
    """A3: flag > environment > project file > user file > built in, each step alone."""
    world.build()
    assert world.setting(BATCH, "--profile", "small") == "4096"
    world.user(f"settings: [{BATCH}=11]\n")
    assert world.setting(BATCH) == "11"
    world.project(f"settings: ['{BATCH}=12']\n")
    assert world.setting(BATCH) == "12"
    variable = {"DATAFUSION_EXECUTION_BATCH_SIZE": "13"}
    assert world.setting(BATCH, **variable) == "13"
    assert world.setting(BATCH, "--set", f"{BATCH}=14", **variable) == "14"


def test_precedence_of_a_profile(world: World) -> None:
    """A3: the same of a name, whose variable is CODEANATOMY_PROFILE; a build records what was chosen and by whom."""
    target = "datafusion.execution.target_partitions"
    world.user("profile: small\n")
    world.build()
    runtime = stored.manifest(world.store)["runtime"]
    assert (runtime["profile"], runtime["memory_limit_bytes"]) == ("small", 256 * MIB)
    assert world.setting(target) == "1"
    assert ("profile", "small (user file)") in world.findings()
    world.project("profile: medium\n")
    assert ("profile", "medium (project file)") in world.findings()
    assert world.setting("datafusion.runtime.metadata_cache_limit") == "50M"
    assert world.setting("datafusion.runtime.metadata_cache_limit", CODEANATOMY_PROFILE="large") == "256M"
    found = world.findings(CODEANATOMY_PROFILE="large")
    assert ("--profile", "large (CODEANATOMY_PROFILE)") in found and ("profile", "large (option)") in found
    assert world.setting(BATCH, "--profile", "small", CODEANATOMY_PROFILE="large") == "4096"


def test_sources_of_every_value(world: World) -> None:
    """A2, A3: doctor names the source of each setting that a profile, preset or anybody else makes, and of the
    project's values."""
    world.user("python: python3\nsettings: [datafusion.format.null=nothing]\n")
    world.project("preset: schema_hardening\nrepository: shop\n")
    found = world.findings(
        "--set", "datafusion.explain.show_sizes=false", DATAFUSION_EXPLAIN_TREE_MAXIMUM_RENDER_WIDTH="99"
    )
    assert ("name", "shop (project file)") in found
    assert ("python", "python3 (user file)") in found
    assert ("layers", "all (built in)") in found
    assert ("store", f"{world.store} (built in)") in found
    sources = {}
    for subject, text in found:
        if subject == "setting":
            match = re.fullmatch(r"(\S+) = (.*) \((.+)\)", text)
            assert match, text
            sources[match[1]] = (match[2], match[3])
    assert sources["datafusion.format.null"] == ("nothing", "user file")
    assert sources["datafusion.explain.show_sizes"] == ("false", "option")
    assert sources["datafusion.explain.tree_maximum_render_width"] == (
        "99",
        "DATAFUSION_EXPLAIN_TREE_MAXIMUM_RENDER_WIDTH",
    )
    listed = profiles(world.program)
    in_models = "datafusion.sql_parser.map_string_types_to_utf8view"
    assert sources.pop(in_models) == ("false", "models of a build")
    for key, value in listed["preset", "schema_hardening"].items():
        assert key == in_models or sources[key] == (value, "preset schema_hardening")
    for key, value in listed["profile", "auto"].items():
        assert not key.startswith("datafusion.") or sources[key] == (value, "profile auto")
    for key, value in listed["always", "always"].items():
        assert sources[key] == (value, "built in")


def test_registry_of_settings(world: World) -> None:
    """A4, issue 4: registry.settings has the settings of df_settings with the same values, and who said each as doctor
    says it; its defaults are the engine's own, and ca_settings (`settings`) is a selection of it."""
    world.build()
    world.project("settings: [datafusion.format.null=nothing]\n")
    flags = ("--preset", "arrow_performance", "--set", "datafusion.explain.show_sizes=false")
    script = (
        "SELECT key, value, default_value, preset_value, source, is_default FROM registry.settings ORDER BY key;"
        "SELECT name AS key, value FROM information_schema.df_settings ORDER BY name"
    )
    answer = world.run("sql", *flags, "--format", "json", "--quiet", "-c", script, world.repo)
    assert answer.code == 0, answer.err
    rows, in_force = map(json.loads, answer.out.splitlines())
    assert [(row["key"], row["value"]) for row in rows] == [(row["key"], row["value"]) for row in in_force]
    of = {row["key"]: row for row in rows}
    for key, value in ARROW_PERFORMANCE.items():
        assert (of[key]["value"], of[key]["preset_value"]) == (value, value)
        assert of[key]["source"] == "preset arrow_performance"
    for row in rows:
        assert row["is_default"] == (row["value"] == row["default_value"]), row
        assert (row["preset_value"] is None) == (row["key"] not in ARROW_PERFORMANCE)
        assert row["source"] != "SET" and (row["source"] != "default" or row["is_default"]), row
    # DataFusion's book and source name these defaults.
    assert [of[key]["default_value"] for key in SCHEMA_HARDENING] == ["false", "false", None, "false", "true", "true"]
    assert (of[BATCH]["default_value"], of["datafusion.format.null"]["default_value"]) == ("8192", "")
    said = {
        key: (value, source)
        for subject, text in world.findings(*flags)
        if subject == "setting"
        for key, value, source in re.findall(r"(\S+) = (.*) \((.+)\)", text)
    }
    del said["datafusion.sql_parser.map_string_types_to_utf8view"]  # doctor speaks of a build, whose models fix it
    assert said["datafusion.format.null"] == ("nothing", "project file")
    assert said["datafusion.explain.show_sizes"] == ("false", "option")
    assert said["datafusion.runtime.memory_limit"][1] == "profile auto"
    assert said.keys() == {row["key"] for row in rows if row["source"] != "default"} - {
        "datafusion.sql_parser.map_string_types_to_utf8view"
    }
    for key, (value, source) in said.items():
        assert (of[key]["value"] or "", of[key]["source"]) == (value, source)


def other_value(value: str | None) -> str | None:
    """Something else that is good for the same setting; None: hard to say."""
    if value in ("true", "false"):
        return "false" if value == "true" else "true"
    return str(int(value) + 2) if value is not None and value.isdigit() else None


def test_reset_goes_back_to_the_opening() -> None:
    """A2, A3: RESET of every setting gives back what the session opened with, whoever said it; SET is seen in
    registry.settings at once, and what belongs to the catalog is refused by name."""
    limits = {
        "datafusion.runtime.memory_limit": "123M",
        "datafusion.runtime.max_temp_directory_size": "7G",
        "datafusion.runtime.temp_directory": "/tmp",
        "datafusion.runtime.metadata_cache_limit": "3M",
        "datafusion.runtime.file_statistics_cache_limit": "3M",
        "datafusion.runtime.list_files_cache_limit": "3M",
        "datafusion.runtime.list_files_cache_ttl": "5m",
        "datafusion.execution.time_zone": "+05:00",
    }
    chosen = ("datafusion.execution.batch_size=321", "datafusion.optimizer.prefer_hash_join=false")
    asked = "SELECT * FROM registry.settings ORDER BY key"
    with capi.Session(writable=True, profile="small", settings=chosen) as session:
        opening = session.rows(asked)
        of = {row["key"]: row for row in opening}
        assert (of[BATCH]["value"], of["datafusion.optimizer.prefer_hash_join"]["value"]) == ("321", "false")
        changed, refused = [], set()
        for key, row in of.items():
            value = limits.get(key) or other_value(row["value"])
            if value is None:
                continue
            try:
                session.rows(f"SET {key} = '{value}'")
            except capi.Refused as failure:
                assert failure.message == f"setting '{key}' is the catalog's own and stays as it is"
                refused.add(key)
                with pytest.raises(capi.Refused, match="is the catalog's own and stays as it is"):
                    session.rows(f"RESET {key}")
            else:
                changed.append(key)
        now = {row["key"]: row for row in session.rows(asked)}
        assert {key for key, row in now.items() if row["source"] == "SET"} >= {*changed, *limits}
        assert len(changed) > 100 and "datafusion.catalog.information_schema" in refused
        for key in changed:
            session.rows(f"RESET {key}")
        assert session.rows(asked) == opening


def test_manifest_has_what_differs(world: World) -> None:
    """A4, G1: the manifest has every setting of the build that differs from the engine's default, its own fixed ones
    too, and what somebody said besides; the hash is theirs."""
    world.build()
    first = stored.manifest(world.store)
    asked = "SELECT key, value FROM registry.settings WHERE NOT is_default OR source <> 'default' ORDER BY key"
    answer = world.run("sql", "--quiet", "--format", "json", "-c", asked, world.repo)
    # A statement of this session may have spilled; a build's directory for that is another each time.
    differing = {row["key"]: row["value"] for row in json.loads(answer.out)}
    differing.pop("datafusion.runtime.temp_directory", None)
    differing[BATCH] = str(int(differing[BATCH]) // 2)  # a build's batches have half the rows (decision 0010)
    assert first["runtime"]["settings"] == differing
    assert differing["datafusion.catalog.default_catalog"] == "codeintel"
    world.build()
    assert stored.manifest(world.store)["settings_hash"] == first["settings_hash"]
    world.build(DATAFUSION_EXECUTION_PLANNING_CONCURRENCY="9")
    changed = stored.manifest(world.store)
    assert changed["runtime"]["settings"] == {**differing, "datafusion.execution.planning_concurrency": "9"}
    assert changed["settings_hash"] != first["settings_hash"]


def test_manifest_has_the_variables(world: World) -> None:
    """A4: settings that variables say are recorded with the run."""
    world.build(DATAFUSION_EXECUTION_BATCH_SIZE="777")
    assert stored.manifest(world.store)["runtime"]["settings"][BATCH] == "777"


# ---- mistakes ------------------------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[Callable[[World], dict[str, str]], int, str]] = {
    "unknown key in the user's file": (
        lambda w: w.user("profile: small\nprofil: small\n") or {},
        3,
        "{user}:2:1: unknown key 'profil'; known keys are python, layers, profile, preset, settings",
    ),
    "unknown key in the project file": (
        lambda w: w.project("profile: small\n\nprofil: small\n") or {},
        3,
        ".codeanatomy.yaml:3:1: unknown key 'profil'; known keys are repository, source_roots, include, exclude, "
        "python, layers, profile, preset, settings, store, use_git_ignore",
    ),
    "a repository's key in the user's file": (
        lambda w: w.user("store: /tmp/tables\n") or {},
        3,
        "{user}:1:1: the key 'store' is a repository's own: it belongs into its .codeanatomy.yaml",
    ),
    "a key of another type": (
        lambda w: w.user("settings: 3\n") or {},
        3,
        "{user}:1:11: 'settings' must be a list of text, such as [a, b]",
    ),
    "an unknown profile": (
        lambda w: w.user("profile: huge\n") or {},
        2,
        "user file: unknown profile 'huge': one of small, medium, large, auto",
    ),
    "an unknown preset": (
        lambda w: w.project("preset: loose\n") or {},
        2,
        "project file: unknown preset 'loose': one of schema_hardening, arrow_performance",
    ),
    "a variable of no setting": (
        lambda _: {"DATAFUSION_EXECUTION_BATCHES": "3"},
        2,
        "variable 'DATAFUSION_EXECUTION_BATCHES' names no setting of the engine: 'codeanatomy sql -c "
        '"SHOW ALL"\' lists them',
    ),
    "the catalog's own setting": (
        lambda _: {"DATAFUSION_CATALOG_DEFAULT_CATALOG": "mine"},
        2,
        "DATAFUSION_CATALOG_DEFAULT_CATALOG: setting 'datafusion.catalog.default_catalog' is the catalog's own and "
        "stays as it is",
    ),
    "a setting that a view of the catalog needs": (
        lambda _: {"DATAFUSION_EXECUTION_ENABLE_RECURSIVE_CTES": "false"},
        2,
        "DATAFUSION_EXECUTION_ENABLE_RECURSIVE_CTES: setting 'datafusion.execution.enable_recursive_ctes' is the "
        "catalog's own and stays as it is",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes(world: World, what: str) -> None:
    """A3, G2: the place of a mistake is named; nothing is built and nothing is answered."""
    make, code, words = MISTAKES[what]
    world.build()
    published = (world.store / "published").read_text()
    variables = make(world)
    expected = words.format(user=world.user_file)
    asked = world.run("sql", "-c", "SELECT 1", world.repo, **variables)
    assert asked.out == "" and asked.err.endswith(f"{expected}\n"), asked.err
    assert asked.code == code
    built = world.run("build", world.repo, **variables)
    assert built.code == code and built.err.endswith(f"{expected}\n"), built.err
    assert (world.store / "published").read_text() == published


def test_user_file_that_cannot_be_read(world: World) -> None:
    """G2: a folder, or a link to nowhere, in its place is an error; no file at all is none."""
    world.build()
    assert world.setting(BATCH) == "8192"
    world.user_file.mkdir(parents=True)
    answer = world.run("sql", "-c", "SELECT 1", world.repo)
    assert (answer.code, answer.out) == (3, "") and f"'{world.user_file}'" in answer.err
    world.user_file.rmdir()
    world.user_file.symlink_to("nowhere")
    answer = world.run("sql", "-c", "SELECT 1", world.repo)
    assert (answer.code, answer.out) == (3, "")
    assert answer.err == f"codeanatomy: cannot open '{world.user_file}': No such file or directory\n"


def test_foreign_variables_are_left_alone(world: World) -> None:
    """A variable of another program that starts with the engine's name is none of ours."""
    world.build(DATAFUSION_PYTHON_PATH="/x", DATAFUSION_HOME="/y")
    assert world.setting(BATCH, DATAFUSION_HOME="/y") == "8192"
