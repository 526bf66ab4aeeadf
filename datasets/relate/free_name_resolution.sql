-- What does a name mean that no scope of its file binds? One row a file and name.
-- It comes from a star import, or it is a builtin; after a star import of a module outside, it may be either. A name that the
-- target interpreter's builtins do not have is the module's own, bound at run time: by such a star import, as a submodule that
-- was imported, or in ways that no statement shows. Where no interpreter says what builtins has, it has every name.
-- Some names the interpreter binds in every module, and nothing else can mean them.
WITH free_names AS (
    SELECT DISTINCT
        s.file_id,
        s.free_name,
        s.free_name IN (
            '__name__', '__file__', '__doc__', '__package__', '__path__', '__spec__', '__loader__', '__cached__', '__builtins__'
        ) AS is_module_own
    FROM reference_sites s
    WHERE s.kind = 'name' AND s.free_name IS NOT NULL
),
interpreter AS (
    SELECT count(*) = 0 AS is_unknown FROM params.p_builtins
),
outside_stars AS (
    SELECT module_id, count(*) AS n, min(source_name) AS source_name
    FROM star_reach
    WHERE source_kind = 'external'
    GROUP BY module_id
),
global_names AS (
    SELECT DISTINCT file_id, name FROM symtable_symbols WHERE scope = 'global_implicit'
),
judged AS (
    SELECT
        f.file_id,
        m.path,
        m.module,
        f.free_name,
        CASE
            WHEN r.via_star THEN 'star_import'
            WHEN f.is_module_own THEN 'missing_member'
            WHEN (p.name IS NOT NULL OR i.is_unknown) AND o.module_id IS NOT NULL THEN 'star_or_builtin'
            WHEN p.name IS NOT NULL OR i.is_unknown THEN 'builtin'
            WHEN r.target_kind IN ('module', 'namespace') THEN 'submodule'
            WHEN o.module_id IS NOT NULL THEN 'outside_star'
            ELSE 'missing_member'
        END AS rule,
        r.target_kind,
        r.target_id,
        r.target_name,
        r.n_candidates,
        r.n_steps,
        o.n AS n_outside_stars,
        o.source_name,
        g.file_id IS NOT NULL AS is_global
    FROM interpreter i
    CROSS JOIN free_names f
    JOIN modules m ON m.file_id = f.file_id
    LEFT JOIN params.p_builtins p ON p.name = f.free_name
    LEFT JOIN member_resolution r ON r.owner_id = m.module_id AND r.name = f.free_name
    LEFT JOIN outside_stars o ON o.module_id = m.module_id
    LEFT JOIN global_names g ON g.file_id = f.file_id AND g.name = f.free_name
),
named AS (
    SELECT
        file_id,
        path,
        free_name,
        rule,
        CASE WHEN rule IN ('star_import', 'submodule') THEN target_kind ELSE 'external' END AS target_kind,
        CASE WHEN rule IN ('star_import', 'submodule') THEN target_id END AS target_id,
        CASE
            WHEN rule IN ('star_import', 'submodule') THEN target_name
            WHEN rule = 'builtin' THEN 'builtins.' || free_name
            WHEN rule = 'outside_star' AND n_outside_stars = 1 AND source_name <> '' THEN source_name || '.' || free_name
            WHEN rule <> 'star_or_builtin' THEN module || '.' || free_name
        END AS target_name,
        CASE rule
            WHEN 'star_import' THEN n_candidates
            WHEN 'star_or_builtin' THEN 0
            WHEN 'outside_star' THEN n_outside_stars
            ELSE 1
        END AS n_candidates,
        n_steps,
        is_global
    FROM judged
)
SELECT
    file_id,
    path,
    free_name,
    CAST(rule AS VARCHAR) AS rule,
    CAST(target_kind AS VARCHAR) AS target_kind,
    CASE
        WHEN rule IN ('star_import', 'submodule') THEN target_id
        ELSE entity_id(CAST(0 AS BIGINT), target_name, 'external', CAST(0 AS INT))
    END AS target_id,
    target_name,
    CASE
        WHEN target_kind IN ('external', 'missing') THEN 'external'
        WHEN n_candidates > 1 THEN 'ambiguous'
        ELSE 'inferred'
    END AS status,
    CAST(n_candidates AS INT) AS n_candidates,
    CAST(CASE WHEN rule IN ('star_import', 'submodule') THEN n_steps ELSE 0 END AS INT) AS n_steps,
    rule = 'star_import' AS via_star,
    CASE WHEN is_global THEN 'libcst,symtable' ELSE 'libcst' END AS layers
FROM named
