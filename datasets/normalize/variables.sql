-- Which names are bound by assignment and the like? One row a scope and name.
-- Lambdas and comprehensions of one function share a qualified path, so the id counts equal names in source order.
WITH numbered AS (
    SELECT
        b.file_id,
        b.path,
        b.ordinal,
        b.scope,
        b.name,
        b.qualname,
        b.n_sites,
        b.n_other_sites,
        b.start_byte,
        b.end_byte,
        b.start_line,
        -- By file, not by name: the engine keeps a state for each partition, and most names are there once.
        row_number() OVER (PARTITION BY b.file_id ORDER BY b.qualname, b.ordinal)
        - rank() OVER (PARTITION BY b.file_id ORDER BY b.qualname) AS duplicate
    FROM cst_bindings b
    WHERE b.n_other_sites > 0
)
SELECT
    entity_id(n.file_id, n.qualname, 'variable', CAST(n.duplicate AS INT)) AS variable_id,
    n.file_id,
    n.path,
    n.ordinal,
    n.name,
    m.module || '.' || n.qualname AS qualified_name,
    s.kind AS scope_kind,
    s.owner_id AS container_id,
    n.n_sites,
    n.n_other_sites,
    n.start_byte,
    n.end_byte,
    n.start_line
FROM numbered n
JOIN modules m ON m.file_id = n.file_id
JOIN scopes s ON s.file_id = n.file_id AND s.ordinal = n.scope
