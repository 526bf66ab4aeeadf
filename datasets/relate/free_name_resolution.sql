-- What does a name mean that no scope of its file binds? One row a file and name.
-- It comes from a star import, or it is a builtin; after a star import of a module outside, it may be either.
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
outside_stars AS (
    SELECT DISTINCT i.file_id
    FROM imports i
    JOIN import_steps s ON s.import_id = i.import_id
    WHERE i.imported_name = '*' AND s.step_kind = 'external'
),
global_names AS (
    SELECT DISTINCT file_id, name FROM symtable_symbols WHERE scope = 'global_implicit'
)
SELECT
    f.file_id,
    m.path,
    f.free_name,
    CASE
        WHEN r.owner_id IS NOT NULL THEN 'star_import'
        WHEN f.is_module_own THEN 'missing_member'
        WHEN o.file_id IS NOT NULL THEN 'star_or_builtin'
        ELSE 'builtin'
    END AS rule,
    CASE WHEN r.owner_id IS NOT NULL THEN r.target_kind ELSE 'external' END AS target_kind,
    CASE
        WHEN r.owner_id IS NOT NULL THEN r.target_id
        WHEN f.is_module_own THEN entity_id(CAST(0 AS BIGINT), m.module || '.' || f.free_name, 'external', CAST(0 AS INT))
        WHEN o.file_id IS NULL
            THEN entity_id(CAST(0 AS BIGINT), 'builtins.' || f.free_name, 'external', CAST(0 AS INT))
    END AS target_id,
    CASE
        WHEN r.owner_id IS NOT NULL THEN r.target_name
        WHEN f.is_module_own THEN m.module || '.' || f.free_name
        WHEN o.file_id IS NULL THEN 'builtins.' || f.free_name
    END AS target_name,
    CASE
        WHEN r.target_kind IN ('external', 'missing') THEN 'external'
        WHEN r.n_candidates > 1 THEN 'ambiguous'
        WHEN r.owner_id IS NOT NULL THEN 'inferred'
        ELSE 'external'
    END AS status,
    CAST(CASE WHEN r.owner_id IS NOT NULL THEN r.n_candidates WHEN f.is_module_own OR o.file_id IS NULL THEN 1 ELSE 0 END AS INT) AS n_candidates,
    CAST(coalesce(r.n_steps, 0) AS INT) AS n_steps,
    r.owner_id IS NOT NULL AS via_star,
    CASE WHEN g.file_id IS NOT NULL THEN 'libcst,symtable' ELSE 'libcst' END AS layers
FROM free_names f
JOIN modules m ON m.file_id = f.file_id
LEFT JOIN member_resolution r ON r.owner_id = m.module_id AND r.name = f.free_name AND r.via_star
LEFT JOIN outside_stars o ON o.file_id = f.file_id
LEFT JOIN global_names g ON g.file_id = f.file_id AND g.name = f.free_name
