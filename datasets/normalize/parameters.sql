-- Which parameters do functions and lambdas take? One row a parameter.
-- Lambdas of one function share a qualified path, so the id counts equal names in source order.
WITH numbered AS (
    SELECT
        p.file_id,
        p.path,
        p.ordinal,
        p.scope,
        p.position,
        p.name,
        p.kind,
        p.name_start_byte,
        p.name_end_byte,
        p.start_line,
        p.annotation,
        p.default_text,
        s.kind AS scope_kind,
        s.owner_kind,
        s.owner_id,
        s.owner_qualified_name,
        s.qualname || '.<locals>.' || p.name AS qualname,
        -- By file, as in variables.
        row_number() OVER (PARTITION BY p.file_id ORDER BY s.qualname, p.name, p.ordinal)
        - rank() OVER (PARTITION BY p.file_id ORDER BY s.qualname, p.name) AS duplicate
    FROM cst_params p
    JOIN scopes s ON s.file_id = p.file_id AND s.ordinal = p.scope
)
SELECT
    entity_id(n.file_id, n.qualname, 'parameter', CAST(n.duplicate AS INT)) AS parameter_id,
    n.file_id,
    n.path,
    n.ordinal,
    n.name,
    m.module || '.' || n.qualname AS qualified_name,
    n.kind,
    n.position,
    CASE WHEN n.scope_kind = 'function' THEN n.owner_id END AS function_id,
    n.owner_id AS container_id,
    n.annotation,
    n.default_text,
    n.name_start_byte AS start_byte,
    n.name_end_byte AS end_byte,
    n.start_line
FROM numbered n
JOIN modules m ON m.file_id = n.file_id
