-- What does `module.name` say, one step far: an end, or the next module and name? One row a module (or namespace) and name.
-- Own bindings go before star imports, star imports before submodules.
-- A star import takes the names that do not start with an underscore; __all__ is not read.
-- A star import behind a name's only site may bind it again: when it is of a module outside, or brings the name from elsewhere.
WITH last_stars AS (
    SELECT
        i.module_id,
        max(i.start_byte) AS start_byte,
        max(CASE WHEN s.step_kind = 'external' THEN i.start_byte END) AS outside_start_byte
    FROM import_steps s
    JOIN imports i ON i.import_id = s.import_id
    WHERE i.imported_name = '*' AND i.scope_kind = 'module'
    GROUP BY i.module_id
),
star_names AS (
    SELECT module_id, name, source_id, import_id
    FROM (
        SELECT
            r.module_id,
            m.name,
            r.source_id,
            CASE WHEN m.target_kind = 'import' THEN m.target_id END AS import_id,
            row_number() OVER (PARTITION BY r.module_id, m.name ORDER BY r.distance, m.qualified_name, r.source_id) AS place
        FROM star_reach r
        JOIN module_members m ON m.module_id = r.source_id AND r.source_kind = 'module'
        WHERE NOT starts_with(m.name, '_')
    ) ranked
    WHERE place = 1
),
children AS (
    SELECT owner_id, name, target_kind, target_id
    FROM (
        SELECT
            owner_id,
            name,
            target_kind,
            target_id,
            row_number() OVER (PARTITION BY owner_id, name ORDER BY rank, is_stub, path) AS place
        FROM (
            SELECT
                parent_module_id AS owner_id,
                regexp_replace(module, '^.*\.', '') AS name,
                'module' AS target_kind,
                module_id AS target_id,
                0 AS rank,
                is_stub,
                path
            FROM modules
            WHERE parent_module_id IS NOT NULL
            UNION ALL
            SELECT
                p.target_id AS owner_id,
                regexp_replace(c.name, '^.*\.', '') AS name,
                c.target_kind,
                c.target_id,
                1 AS rank,
                false AS is_stub,
                c.name AS path
            FROM importable_names c
            JOIN importable_names p ON p.name = regexp_replace(c.name, '\.[^.]*$', '')
            WHERE strpos(c.name, '.') > 0
        ) both_kinds
    ) ranked
    WHERE place = 1
),
-- `from . import views` in a package's own __init__ binds the submodule, not itself.
own AS (
    SELECT
        m.module_id,
        m.name,
        m.qualified_name,
        m.n_sites,
        m.n_definitions,
        m.n_imports,
        m.n_decorators,
        NOT starts_with(m.name, '_') AND (
            coalesce(m.start_byte < l.outside_start_byte, false)
            OR (
                t.name IS NOT NULL
                AND coalesce(m.start_byte < l.start_byte, false)
                AND NOT coalesce(s.target_id = t.source_id AND s.member_name = t.name, false)
                AND NOT coalesce(i.target_id = m.module_id AND i.member_name = t.name, false)
                AND NOT coalesce(i.target_id = s.target_id AND i.member_name IS NOT DISTINCT FROM s.member_name, false)
            )
        ) AS is_shadowed,
        s.n_modules,
        s.is_assumed,
        s.written_name,
        CASE
            WHEN m.target_kind <> 'import' THEN m.target_kind
            WHEN s.step_kind <> 'member' THEN s.step_kind
            WHEN s.target_id = m.module_id AND s.member_name = m.name THEN c.target_kind
        END AS end_kind,
        CASE
            WHEN m.target_kind <> 'import' THEN m.target_id
            WHEN s.step_kind <> 'member' THEN s.target_id
            WHEN s.target_id = m.module_id AND s.member_name = m.name THEN c.target_id
        END AS end_id,
        m.target_kind <> 'import' AS is_definition,
        s.target_id AS next_owner_id,
        s.member_name AS next_name,
        c.target_kind AS submodule_kind,
        c.target_id AS submodule_id
    FROM module_members m
    LEFT JOIN import_steps s ON s.import_id = m.target_id AND m.target_kind = 'import'
    LEFT JOIN children c ON c.owner_id = m.module_id AND c.name = m.name
    LEFT JOIN last_stars l ON l.module_id = m.module_id
    LEFT JOIN star_names t ON t.module_id = m.module_id AND t.name = m.name
    LEFT JOIN import_steps i ON i.import_id = t.import_id
)
SELECT
    o.module_id AS owner_id,
    o.name,
    CASE WHEN o.end_kind IS NULL THEN o.next_owner_id END AS next_owner_id,
    CASE WHEN o.end_kind IS NULL THEN o.next_name END AS next_name,
    CAST(o.end_kind AS VARCHAR) AS end_kind,
    o.end_id,
    CASE WHEN o.is_definition THEN o.qualified_name ELSE o.written_name END AS end_name,
    false AS is_star,
    o.n_sites = 1 AND NOT o.is_shadowed AND coalesce(o.n_modules, 1) <= 1 AND NOT coalesce(o.is_assumed, false) AS is_single,
    o.n_definitions,
    CAST(o.n_definitions + o.n_imports AS INT) AS n_candidates,
    o.n_decorators,
    CAST(o.submodule_kind AS VARCHAR) AS submodule_kind,
    o.submodule_id
FROM own o
UNION ALL
SELECT
    t.module_id AS owner_id,
    t.name,
    t.source_id AS next_owner_id,
    t.name AS next_name,
    CAST(NULL AS VARCHAR) AS end_kind,
    CAST(NULL AS BIGINT) AS end_id,
    CAST(NULL AS VARCHAR) AS end_name,
    true AS is_star,
    true AS is_single,
    CAST(0 AS INT) AS n_definitions,
    CAST(0 AS INT) AS n_candidates,
    CAST(0 AS INT) AS n_decorators,
    CAST(c.target_kind AS VARCHAR) AS submodule_kind,
    c.target_id AS submodule_id
FROM star_names t
LEFT JOIN module_members o ON o.module_id = t.module_id AND o.name = t.name
LEFT JOIN children c ON c.owner_id = t.module_id AND c.name = t.name
WHERE o.name IS NULL
UNION ALL
SELECT
    c.owner_id,
    c.name,
    CAST(NULL AS BIGINT) AS next_owner_id,
    CAST(NULL AS VARCHAR) AS next_name,
    CAST(c.target_kind AS VARCHAR) AS end_kind,
    c.target_id AS end_id,
    CAST(NULL AS VARCHAR) AS end_name,
    false AS is_star,
    true AS is_single,
    CAST(0 AS INT) AS n_definitions,
    CAST(1 AS INT) AS n_candidates,
    CAST(0 AS INT) AS n_decorators,
    CAST(c.target_kind AS VARCHAR) AS submodule_kind,
    c.target_id AS submodule_id
FROM children c
LEFT JOIN module_members o ON o.module_id = c.owner_id AND o.name = c.name
LEFT JOIN star_names t ON t.module_id = c.owner_id AND t.name = c.name
WHERE o.name IS NULL AND t.name IS NULL
