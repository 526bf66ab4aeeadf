"""What holds of every graph, asked of a small repository and of Django: nothing invented, nothing dropped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Program

# Each of these counts what must not be.
NEVER = {
    "an edge with an end that is no node": """
        SELECT count(*) AS n
        FROM (SELECT src AS node_id FROM cpg_edges UNION ALL SELECT dst AS node_id FROM cpg_edges) e
        LEFT JOIN cpg_nodes n ON n.node_id = e.node_id
        WHERE n.node_id IS NULL""",
    "a node outside the tree": """
        SELECT count(*) AS n
        FROM cpg_nodes n
        LEFT JOIN (
            SELECT dst, count(*) AS n_parents
            FROM cpg_edges
            WHERE kind IN ('contains', 'defines', 'declares_parameter')
            GROUP BY dst
        ) p ON p.dst = n.node_id
        WHERE coalesce(p.n_parents, 0) <> CASE WHEN n.kind IN ('file', 'namespace', 'external') THEN 0 ELSE 1 END""",
    "a call of the syntax layer without its one resolution": """
        SELECT count(*) AS n
        FROM (SELECT file_id, start_byte, end_byte, count(*) AS n FROM cst_callsites GROUP BY 1, 2, 3) s
        FULL JOIN (SELECT file_id, start_byte, end_byte, count(*) AS n FROM call_resolution GROUP BY 1, 2, 3) r
            ON r.file_id = s.file_id AND r.start_byte = s.start_byte AND r.end_byte = s.end_byte
        WHERE coalesce(s.n, 0) <> 1 OR coalesce(r.n, 0) <> 1""",
    "a use of a name without its one resolution": """
        SELECT abs((SELECT count(*) FROM cst_refs) - (SELECT count(*) FROM reference_resolution)) AS n""",
    "an import without its one target": """
        SELECT abs((SELECT count(*) FROM cst_imports) - (SELECT count(*) FROM import_targets)) AS n""",
    "an ambiguous call whose candidates are not those counted, or have not one winner": """
        SELECT count(*) AS n
        FROM call_resolution r
        LEFT JOIN (
            SELECT call_id, count(*) AS n, count(*) FILTER (WHERE is_winner) AS n_winners
            FROM call_candidates
            GROUP BY call_id
        ) c ON c.call_id = r.call_id
        WHERE r.status = 'ambiguous' AND (coalesce(c.n, 0) <> r.n_candidates OR c.n_winners <> 1)""",
    "a proved edge between several": """
        SELECT count(*) AS n FROM cpg_edges WHERE status = 'proved' AND n_candidates <> 1""",
    "an edge of a call matched by bare name that looks like more": """
        SELECT count(*) AS n FROM cpg_edges
        WHERE rule IN ('method_name', 'only_method_name') AND status NOT IN ('ambiguous', 'heuristic')""",
    "an edge whose confidence no rule gives": """
        SELECT count(*) AS n
        FROM cpg_edges e
        LEFT JOIN (SELECT rule, max(confidence) AS confidence FROM rule_confidence GROUP BY rule) c ON c.rule = e.rule
        WHERE c.rule IS NULL OR e.confidence > c.confidence OR e.confidence <= 0""",
    "a property of no node": """
        SELECT count(*) AS n FROM cpg_props p LEFT JOIN cpg_nodes n ON n.node_id = p.node_id WHERE n.node_id IS NULL""",
    "a parent class in the repository that is no class": """
        SELECT count(*) AS n FROM class_hierarchy h LEFT JOIN classes c ON c.class_id = h.base_id
        WHERE h.base_kind = 'class' AND c.class_id IS NULL""",
}


@pytest.mark.parametrize("what", NEVER)
def test_never_in_shop(what: str, program: Program, shop_store: Path) -> None:
    assert program.sql(shop_store, NEVER[what]) == [{"n": 0}]


@pytest.mark.parametrize("what", NEVER)
def test_never_in_django(what: str, program: Program, django_store: Path) -> None:
    assert program.sql(django_store, NEVER[what]) == [{"n": 0}]


def test_callers_under_any_name(program: Program, django_store: Path) -> None:
    """`django.urls.reverse` is defined in django.urls.base; grep over the sources counts its calls."""
    rows = program.sql(
        django_store,
        "SELECT callee_qualified_name AS name, count(*) AS n, min(status) AS low, max(status) AS high FROM callers "
        "WHERE callee_qualified_name IN ('django.urls.reverse', 'django.urls.base.reverse') GROUP BY 1 ORDER BY 1",
    )
    assert [r["name"] for r in rows] == ["django.urls.base.reverse", "django.urls.reverse"]
    assert rows[0]["n"] == rows[1]["n"] > 1000
    assert {r["low"] for r in rows} | {r["high"] for r in rows} == {"proved"}


def test_filter_sites(program: Program, django_store: Path) -> None:
    """Each `.filter(` on a value that is not followed is ambiguous between the seven methods of that name."""
    methods = program.sql(
        django_store, "SELECT count(*) AS n FROM functions WHERE name = 'filter' AND class_id IS NOT NULL"
    )
    rows = program.sql(
        django_store,
        "SELECT rule, status, n_candidates, count(*) AS n FROM call_resolution "
        "WHERE callee_shape = 'attribute' AND callee_name = 'filter' GROUP BY 1, 2, 3 ORDER BY n DESC",
    )
    assert (rows[0]["rule"], rows[0]["status"], rows[0]["n_candidates"]) == (
        "method_name",
        "ambiguous",
        methods[0]["n"],
    )
    assert rows[0]["n"] > 2800
    assert all(r["status"] == "inferred" and r["rule"] in ("self_attribute", "super_attribute") for r in rows[1:])


def test_bases_across_modules(program: Program, django_store: Path) -> None:
    rows = program.sql(
        django_store,
        "SELECT position, base_qualified_name, status FROM class_hierarchy "
        "WHERE class_qualified_name = 'django.contrib.auth.models.AbstractUser' ORDER BY position",
    )
    assert [(r["position"], r["base_qualified_name"], r["status"]) for r in rows] == [
        (0, "django.contrib.auth.base_user.AbstractBaseUser", "proved"),
        (1, "django.contrib.auth.models.PermissionsMixin", "proved"),
    ]


def test_lookup_order(program: Program, django_store: Path) -> None:
    """The method resolution order of `AsGeoJSON`, worked out by C3 from the class statements of Django 5.2."""
    rows = program.sql(
        django_store,
        "SELECT a.ancestor_qualified_name AS name FROM class_ancestors a JOIN classes c ON c.class_id = a.class_id "
        "WHERE c.qualified_name = 'django.contrib.gis.db.models.functions.AsGeoJSON' ORDER BY a.place",
    )
    assert [r["name"].rpartition(".")[2] for r in rows] == [
        "AsGeoJSON", "GeoFunc", "GeoFuncMixin", "Func", "SQLiteNumericMixin", "Expression", "BaseExpression",
        "Combinable",
    ]  # fmt: skip


def test_constructor_edges(
    program: Program, make_repo: Callable[[dict[str, str | bytes]], Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    program.build(
        make_repo(
            {
                "m.py": "class A:\n    def __init__(self): pass\nclass B(A): pass\nclass C: pass\n"
                "def f():\n    A(); B(); C()\n"
            }
        ),
        store,
    )
    rows = program.sql(
        store,
        "SELECT kind, src_name, dst_name, status FROM edges_by_name WHERE kind IN ('calls', 'instantiates') "
        "ORDER BY src_name, kind",
    )
    assert [(r["kind"], r["src_name"], r["dst_name"], r["status"]) for r in rows] == [
        ("calls", "A", "m.A.__init__", "inferred"),
        ("instantiates", "A", "m.A", "proved"),
        ("calls", "B", "m.A.__init__", "inferred"),
        ("instantiates", "B", "m.B", "proved"),
        ("instantiates", "C", "m.C", "proved"),
    ]
