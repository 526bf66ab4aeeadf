-- Which definition does each lexical scope belong to? One row a scope.
-- Lambdas, comprehensions and type parameters belong to the nearest module, class or function around them; the climb is
-- bounded at 64 nested ones, past it the module is named.
WITH RECURSIVE
climb AS (
    SELECT file_id, ordinal, parent AS above, 1 AS depth
    FROM cst_scopes
    WHERE kind NOT IN ('module', 'class', 'function')
    UNION ALL
    SELECT c.file_id, c.ordinal, s.parent AS above, c.depth + 1 AS depth
    FROM climb c
    JOIN cst_scopes s ON s.file_id = c.file_id AND s.ordinal = c.above
    WHERE s.kind NOT IN ('module', 'class', 'function') AND c.depth < 64
),
highest AS (
    SELECT file_id, ordinal, max(depth) AS depth FROM climb GROUP BY file_id, ordinal
),
owned AS (
    SELECT c.file_id, c.ordinal, c.above
    FROM climb c
    JOIN highest h ON h.file_id = c.file_id AND h.ordinal = c.ordinal AND h.depth = c.depth
)
SELECT
    s.file_id,
    s.path,
    s.ordinal,
    s.kind,
    s.qualname,
    s.parent,
    CASE WHEN d.file_id IS NULL THEN 'module' ELSE d.kind END AS owner_kind,
    CASE
        WHEN d.file_id IS NULL THEN entity_id(s.file_id, '', 'module', CAST(0 AS INT))
        ELSE entity_id(d.file_id, d.qualname, d.kind, d.duplicate)
    END AS owner_id,
    CASE WHEN c.kind = 'class' THEN entity_id(c.file_id, c.qualname, c.kind, c.duplicate) END AS class_id,
    m.module || CASE WHEN d.file_id IS NULL THEN '' ELSE '.' || d.qualname END AS owner_qualified_name,
    s.start_byte,
    s.end_byte,
    s.start_line
FROM cst_scopes s
JOIN modules m ON m.file_id = s.file_id
LEFT JOIN owned o ON o.file_id = s.file_id AND o.ordinal = s.ordinal
LEFT JOIN cst_defs d ON d.file_id = s.file_id AND d.body_scope = coalesce(o.above, s.ordinal)
LEFT JOIN cst_defs c ON c.file_id = d.file_id AND c.ordinal = d.container AND d.kind = 'function'
