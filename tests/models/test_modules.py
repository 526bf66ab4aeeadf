"""Module names, from found and from given source roots, and what imports mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Program

MakeRepo = Callable[[dict[str, str | bytes]], Path]

# files, source roots given, {path: (module, package, source_root)}
LAYOUTS: dict[str, tuple[list[str], list[str], dict[str, tuple[str, str, str]]]] = {
    "flat": (
        ["pkg/__init__.py", "pkg/a.py", "setup.py"],
        [],
        {"pkg/__init__.py": ("pkg", "pkg", ""), "pkg/a.py": ("pkg.a", "pkg", ""), "setup.py": ("setup", "", "")},
    ),
    "src layout": (
        ["src/pkg/__init__.py", "src/pkg/sub/__init__.py", "src/pkg/sub/a.py", "tests/test_a.py"],
        [],
        {
            "src/pkg/__init__.py": ("pkg", "pkg", "src"),
            "src/pkg/sub/__init__.py": ("pkg.sub", "pkg.sub", "src"),
            "src/pkg/sub/a.py": ("pkg.sub.a", "pkg.sub", "src"),
            "tests/test_a.py": ("test_a", "", "tests"),
        },
    ),
    "stubs make packages too": (
        ["pkg/__init__.pyi", "pkg/a.pyi", "pkg/a.py", "run.pyw"],
        [],
        {
            "pkg/__init__.pyi": ("pkg", "pkg", ""),
            "pkg/a.pyi": ("pkg.a", "pkg", ""),
            "pkg/a.py": ("pkg.a", "pkg", ""),
            "run.pyw": ("run", "", ""),
        },
    ),
    "a given root wins, the longest first": (
        ["lib/ns/pkg/__init__.py", "lib/ns/pkg/a.py", "lib/x/y.py", "z.py"],
        ["lib", "lib/x"],
        {
            "lib/ns/pkg/__init__.py": ("ns.pkg", "ns.pkg", "lib"),
            "lib/ns/pkg/a.py": ("ns.pkg.a", "ns.pkg", "lib"),
            "lib/x/y.py": ("y", "", "lib/x"),
            "z.py": ("z", "", ""),
        },
    ),
    "a repository that is itself a package": (
        ["__init__.py", "a.py"],
        [],
        {"__init__.py": ("__init__", "__init__", ""), "a.py": ("a", "", "")},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_module_names(name: str, program: Program, make_repo: MakeRepo, tmp_path: Path) -> None:
    paths, roots, want = LAYOUTS[name]
    store = tmp_path / "store"
    program.build(
        make_repo(dict.fromkeys(paths, "")), store, *[word for root in roots for word in ("--source-root", root)]
    )
    rows = program.sql(store, "SELECT path, module, package, source_root FROM modules ORDER BY path")
    assert {r["path"]: (r["module"], r["package"], r["source_root"]) for r in rows} == want


def test_import_targets(program: Program, make_repo: MakeRepo, tmp_path: Path) -> None:
    store = tmp_path / "store"
    program.build(
        make_repo(
            {
                "src/pkg/__init__.py": "from .a import f\n",
                "src/pkg/a.py": "def f(): pass\nclass C: pass\nx = 1\n",
                "src/pkg/sub/__init__.py": "",
                "src/pkg/sub/b.py": "from .. import a\nfrom ..a import C, x\n"
                "from . import missing\nfrom ..... import far\n",
                "ns/m.py": "def g(): pass\n",
                "use.py": "import pkg.sub.b\nimport pkg.a as pa\nfrom pkg import f\n"
                "from ns.m import g\nimport ns\nimport os.path\n",
            }
        ),
        store,
    )
    rows = program.sql(
        store,
        "SELECT i.path, i.start_line, coalesce(i.bound_name, '*') AS bound, t.target_kind, t.target_name, t.status "
        "FROM import_targets t JOIN imports i ON i.import_id = t.import_id ORDER BY i.path, i.start_byte",
    )
    assert [(r["path"], r["bound"], r["target_kind"], r["target_name"], r["status"]) for r in rows] == [
        ("src/pkg/__init__.py", "f", "function", "pkg.a.f", "proved"),
        ("src/pkg/sub/b.py", "a", "module", "pkg.a", "proved"),
        ("src/pkg/sub/b.py", "C", "class", "pkg.a.C", "proved"),
        ("src/pkg/sub/b.py", "x", "variable", "pkg.a.x", "proved"),
        ("src/pkg/sub/b.py", "missing", "missing", "pkg.sub.missing", "external"),
        ("src/pkg/sub/b.py", "far", "external", ".....far", "external"),
        ("use.py", "pkg", "module", "pkg", "proved"),
        ("use.py", "pa", "module", "pkg.a", "proved"),
        ("use.py", "f", "function", "pkg.a.f", "proved"),
        ("use.py", "g", "function", "m.g", "proved"),
        ("use.py", "ns", "namespace", "ns", "proved"),
        ("use.py", "os", "external", "os", "external"),
    ]


def test_modules_of_one_name_prefer_their_own_root(program: Program, make_repo: MakeRepo, tmp_path: Path) -> None:
    """Two folders of scripts with a `helper` each: every script means the helper beside it."""
    store = tmp_path / "store"
    program.build(
        make_repo(
            {
                "one/helper.py": "def f(): pass\n",
                "one/main.py": "from helper import f\nf()\n",
                "two/helper.py": "def f(): pass\n",
                "two/main.py": "from helper import f\nf()\n",
            }
        ),
        store,
    )
    rows = program.sql(
        store,
        "SELECT c.path, n.path AS callee_path, c.status FROM call_resolution c "
        "JOIN cpg_nodes n ON n.node_id = c.callee_id ORDER BY 1",
    )
    assert [(r["path"], r["callee_path"], r["status"]) for r in rows] == [
        ("one/main.py", "one/helper.py", "proved"),
        ("two/main.py", "two/helper.py", "proved"),
    ]
