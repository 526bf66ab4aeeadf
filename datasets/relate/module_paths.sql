-- What does `module.a.b` mean, as far as modules go? One row a module (or namespace) and attribute path.
-- The path is walked through members and submodules, 16 steps at most; `rest` is what is left behind a class or value.
WITH RECURSIVE
walk AS (
    SELECT
        root_id,
        attribute_path,
        root_kind AS kind,
        root_id AS id,
        CAST('' AS VARCHAR) AS name,
        attribute_path AS rest,
        0 AS n_steps,
        true AS is_certain,
        false AS via_star,
        CAST(1 AS INT) AS n_candidates
    FROM attribute_paths
    WHERE root_kind IN ('module', 'namespace')
    UNION ALL
    SELECT
        w.root_id,
        w.attribute_path,
        coalesce(r.target_kind, 'missing') AS kind,
        r.target_id AS id,
        r.target_name AS name,
        CASE WHEN strpos(w.rest, '.') > 0 THEN substr(w.rest, strpos(w.rest, '.') + 1) ELSE '' END AS rest,
        w.n_steps + 1 AS n_steps,
        w.is_certain AND coalesce(r.is_certain, false) AS is_certain,
        w.via_star OR coalesce(r.via_star, false) AS via_star,
        coalesce(r.n_candidates, 1) AS n_candidates
    FROM walk w
    LEFT JOIN member_resolution r ON r.owner_id = w.id AND r.name = split_part(w.rest, '.', 1)
    WHERE w.kind IN ('module', 'namespace') AND w.rest <> '' AND w.n_steps < 16
),
owners AS (
    SELECT module_id AS owner_id, module AS owner_name FROM modules
    UNION ALL
    SELECT target_id AS owner_id, name AS owner_name FROM importable_names WHERE target_kind = 'namespace'
)
SELECT
    w.root_id,
    w.attribute_path,
    w.kind AS target_kind,
    CASE
        WHEN w.kind = 'missing' AND w.id IS NULL
            THEN entity_id(CAST(0 AS BIGINT), o.owner_name || '.' || w.attribute_path, 'external', CAST(0 AS INT))
        WHEN w.kind IN ('external', 'missing') AND w.rest <> ''
            THEN entity_id(CAST(0 AS BIGINT), w.name || '.' || w.rest, 'external', CAST(0 AS INT))
        ELSE w.id
    END AS target_id,
    CASE
        WHEN w.kind = 'missing' AND w.id IS NULL THEN o.owner_name || '.' || w.attribute_path
        WHEN w.kind IN ('external', 'missing') AND w.rest <> '' THEN w.name || '.' || w.rest
        ELSE w.name
    END AS target_name,
    CASE WHEN w.kind IN ('external', 'missing') THEN '' ELSE w.rest END AS rest,
    CAST(w.n_steps AS INT) AS n_steps,
    w.is_certain,
    w.via_star,
    w.n_candidates
FROM walk w
JOIN owners o ON o.owner_id = w.root_id
WHERE w.n_steps > 0 AND (w.kind NOT IN ('module', 'namespace') OR w.rest = '' OR w.n_steps = 16)
