-- Which module or namespace does a dotted name mean? One row a name.
-- The lowest rank wins, then a source before a stub, then the path. A prefix of a name that is no module is a namespace.
WITH ranked AS (
    SELECT
        name,
        module_id,
        rank,
        row_number() OVER (PARTITION BY name ORDER BY rank, is_stub, path) AS place,
        count(*) OVER (PARTITION BY name, rank, is_stub) AS n_equal
    FROM module_names
),
found AS (
    SELECT name, module_id, n_equal FROM ranked WHERE place = 1
),
prefixes AS (
    SELECT DISTINCT array_to_string(array_slice(parts, 1, n), '.') AS name
    FROM (
        SELECT
            string_to_array(name, '.') AS parts,
            unnest(range(1, CAST(array_length(string_to_array(name, '.')) AS BIGINT))) AS n
        FROM found
    ) cut
)
SELECT
    name,
    CAST('module' AS VARCHAR) AS target_kind,
    module_id AS target_id,
    CAST(n_equal AS INT) AS n_modules
FROM found
UNION ALL
SELECT
    p.name,
    CAST('namespace' AS VARCHAR) AS target_kind,
    entity_id(CAST(0 AS BIGINT), p.name, 'namespace', CAST(0 AS INT)) AS target_id,
    CAST(0 AS INT) AS n_modules
FROM prefixes p
LEFT JOIN found f ON f.name = p.name
WHERE f.name IS NULL
