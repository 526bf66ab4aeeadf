-- Which modules do the star imports of a module bring names of, through star imports of theirs too? One row a module and source.
-- Followed 16 deep, so cycles end.
WITH RECURSIVE
stars AS (
    SELECT DISTINCT
        s.module_id,
        s.step_kind = 'module' AS is_module,
        coalesce(s.target_id, entity_id(CAST(0 AS BIGINT), s.written_name, 'external', CAST(0 AS INT))) AS source_id,
        s.written_name
    FROM import_steps s
    JOIN imports i ON i.import_id = s.import_id
    WHERE i.imported_name = '*' AND i.scope_kind = 'module' AND s.step_kind IN ('module', 'external')
),
reach AS (
    SELECT module_id, is_module, source_id, written_name, 1 AS distance FROM stars
    UNION
    SELECT r.module_id, s.is_module, s.source_id, s.written_name, r.distance + 1 AS distance
    FROM reach r
    JOIN stars s ON s.module_id = r.source_id
    WHERE r.distance < 16 AND s.source_id <> r.module_id
)
SELECT
    module_id,
    CAST(CASE WHEN is_module THEN 'module' ELSE 'external' END AS VARCHAR) AS source_kind,
    source_id,
    min(written_name) AS source_name,
    CAST(min(distance) AS INT) AS distance
FROM reach
GROUP BY module_id, is_module, source_id
