-- What is `module.name` in the end, through re-exports, star imports and submodules? One row a module (or namespace) and name.
-- Chains are followed 16 steps, so cycles end.
WITH RECURSIVE
chain AS (
    SELECT
        owner_id, name, next_owner_id AS at_owner_id, next_name AS at_name, 1 AS n_steps, is_star AS via_star,
        is_single AS is_certain
    FROM member_steps
    WHERE next_name IS NOT NULL
    UNION ALL
    SELECT
        c.owner_id,
        c.name,
        s.next_owner_id AS at_owner_id,
        s.next_name AS at_name,
        c.n_steps + 1 AS n_steps,
        c.via_star OR s.is_star AS via_star,
        c.is_certain AND s.is_single AS is_certain
    FROM chain c
    JOIN member_steps s ON s.owner_id = c.at_owner_id AND s.name = c.at_name
    WHERE s.next_name IS NOT NULL AND c.n_steps < 16
),
ended AS (
    SELECT
        owner_id, name, end_kind AS target_kind, end_id AS target_id, end_name, 0 AS n_steps, false AS via_star,
        is_single AS is_certain, n_definitions, n_candidates, n_decorators
    FROM member_steps
    WHERE next_name IS NULL
    UNION ALL
    SELECT
        c.owner_id,
        c.name,
        s.end_kind AS target_kind,
        s.end_id AS target_id,
        s.end_name,
        c.n_steps,
        c.via_star,
        c.is_certain AND s.is_single AS is_certain,
        s.n_definitions,
        s.n_candidates,
        s.n_decorators
    FROM chain c
    JOIN member_steps s ON s.owner_id = c.at_owner_id AND s.name = c.at_name
    WHERE s.next_name IS NULL
),
-- Chains that stop at a name nobody binds (set by __getattr__, globals() or compiled code), and cycles: importing a submodule
-- binds it in its package, so a submodule of the name on the way is the answer.
lost AS (
    SELECT
        s.owner_id,
        s.name,
        s.is_star AS via_star,
        coalesce(s.submodule_kind, n.submodule_kind) AS submodule_kind,
        coalesce(s.submodule_id, n.submodule_id) AS submodule_id
    FROM member_steps s
    LEFT JOIN member_steps n ON n.owner_id = s.next_owner_id AND n.name = s.next_name
    LEFT JOIN ended e ON e.owner_id = s.owner_id AND e.name = s.name
    WHERE e.name IS NULL
),
owners AS (
    SELECT module_id AS owner_id, module AS owner_name FROM modules
    UNION ALL
    SELECT target_id AS owner_id, name AS owner_name FROM importable_names WHERE target_kind = 'namespace'
),
named AS (
    SELECT
        e.owner_id,
        e.name,
        e.target_kind,
        e.target_id,
        coalesce(e.end_name, o.owner_name || '.' || e.name) AS target_name,
        e.n_steps,
        e.via_star,
        e.is_certain,
        e.n_definitions,
        e.n_candidates,
        e.n_decorators
    FROM ended e
    JOIN owners o ON o.owner_id = e.owner_id
    UNION ALL
    SELECT
        l.owner_id,
        l.name,
        coalesce(l.submodule_kind, 'missing') AS target_kind,
        l.submodule_id AS target_id,
        o.owner_name || '.' || l.name AS target_name,
        1 AS n_steps,
        l.via_star,
        false AS is_certain,
        0 AS n_definitions,
        0 AS n_candidates,
        0 AS n_decorators
    FROM lost l
    JOIN owners o ON o.owner_id = l.owner_id
)
SELECT
    n.owner_id,
    n.name,
    CAST(n.target_kind AS VARCHAR) AS target_kind,
    CASE
        WHEN n.target_kind IN ('external', 'missing')
            THEN entity_id(CAST(0 AS BIGINT), n.target_name, 'external', CAST(0 AS INT))
        ELSE n.target_id
    END AS target_id,
    CASE WHEN n.target_kind = 'module' THEN t.module ELSE n.target_name END AS target_name,
    CAST(n.n_steps AS INT) AS n_steps,
    n.via_star,
    n.is_certain AND n.n_decorators = 0 AS is_certain,
    CAST(CASE WHEN n.n_definitions > 1 THEN n.n_candidates ELSE 1 END AS INT) AS n_candidates
FROM named n
LEFT JOIN modules t ON t.module_id = n.target_id
