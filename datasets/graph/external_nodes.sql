-- What does the repository name that it does not define? One row a node.
SELECT
    x.node_id,
    regexp_replace(min(x.qualified_name), '^.*\.', '') AS name,
    min(x.qualified_name) AS qualified_name
FROM (
    SELECT callee_id AS node_id, callee_qualified_name AS qualified_name
    FROM call_resolution
    WHERE callee_kind = 'external' AND callee_id IS NOT NULL
    UNION
    SELECT target_id AS node_id, target_qualified_name AS qualified_name
    FROM reference_resolution
    WHERE target_kind = 'external' AND target_id IS NOT NULL
    UNION
    SELECT target_id AS node_id, target_name AS qualified_name
    FROM import_targets
    WHERE target_kind IN ('external', 'missing')
    UNION
    SELECT base_id AS node_id, base_qualified_name AS qualified_name
    FROM class_hierarchy
    WHERE base_kind = 'external' AND base_id IS NOT NULL
) x
GROUP BY x.node_id
