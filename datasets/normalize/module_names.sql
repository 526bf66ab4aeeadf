-- Under which dotted names can a module be imported? One row a module and name.
-- Rank 0 is the name from its source root; rank k puts k directories above that root in front, as namespace packages do.
WITH roots AS (
    SELECT
        module_id,
        module,
        path,
        is_stub,
        source_root,
        CASE WHEN source_root = '' THEN 0 ELSE CAST(array_length(string_to_array(source_root, '/')) AS BIGINT) END AS n_parts
    FROM modules
),
ranked AS (
    SELECT module_id, module, path, is_stub, source_root, n_parts, unnest(range(0, n_parts + 1)) AS rank
    FROM roots
)
SELECT
    CASE
        WHEN rank = 0 THEN module
        ELSE array_to_string(array_slice(string_to_array(source_root, '/'), n_parts - rank + 1, n_parts), '.')
            || '.' || module
    END AS name,
    module_id,
    CAST(rank AS INT) AS rank,
    source_root,
    is_stub,
    path
FROM ranked
