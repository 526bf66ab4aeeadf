-- What is in the graph? One row a node.
SELECT
    r.file_id AS node_id,
    CAST('file' AS VARCHAR) AS kind,
    r.file_id,
    r.path,
    regexp_replace(r.path, '^.*/', '') AS name,
    r.path AS qualified_name,
    CAST(0 AS BIGINT) AS start_byte,
    r.size_bytes AS end_byte,
    CAST(1 AS INT) AS start_line,
    CAST('repo' AS VARCHAR) AS layers
FROM repo_files_v1 r
UNION ALL
SELECT
    m.module_id AS node_id,
    CAST('module' AS VARCHAR) AS kind,
    m.file_id,
    m.path,
    regexp_replace(m.module, '^.*\.', '') AS name,
    m.module AS qualified_name,
    CAST(0 AS BIGINT) AS start_byte,
    r.size_bytes AS end_byte,
    CAST(1 AS INT) AS start_line,
    CAST('repo' AS VARCHAR) AS layers
FROM modules m
JOIN repo_files_v1 r ON r.file_id = m.file_id
UNION ALL
SELECT
    target_id AS node_id,
    CAST('namespace' AS VARCHAR) AS kind,
    CAST(NULL AS BIGINT) AS file_id,
    CAST(NULL AS VARCHAR) AS path,
    regexp_replace(name, '^.*\.', '') AS name,
    name AS qualified_name,
    CAST(NULL AS BIGINT) AS start_byte,
    CAST(NULL AS BIGINT) AS end_byte,
    CAST(NULL AS INT) AS start_line,
    CAST('repo' AS VARCHAR) AS layers
FROM importable_names
WHERE target_kind = 'namespace'
UNION ALL
SELECT
    class_id AS node_id,
    CAST('class' AS VARCHAR) AS kind,
    file_id,
    path,
    name,
    qualified_name,
    start_byte,
    end_byte,
    start_line,
    layers
FROM classes
UNION ALL
SELECT
    function_id AS node_id,
    CAST('function' AS VARCHAR) AS kind,
    file_id,
    path,
    name,
    qualified_name,
    start_byte,
    end_byte,
    start_line,
    layers
FROM functions
UNION ALL
SELECT
    parameter_id AS node_id,
    CAST('parameter' AS VARCHAR) AS kind,
    file_id,
    path,
    name,
    qualified_name,
    start_byte,
    end_byte,
    start_line,
    CAST('libcst' AS VARCHAR) AS layers
FROM parameters
UNION ALL
SELECT
    variable_id AS node_id,
    CAST('variable' AS VARCHAR) AS kind,
    file_id,
    path,
    name,
    qualified_name,
    start_byte,
    end_byte,
    start_line,
    CAST('libcst' AS VARCHAR) AS layers
FROM variables
UNION ALL
SELECT
    import_id AS node_id,
    CAST('import' AS VARCHAR) AS kind,
    file_id,
    path,
    coalesce(bound_name, '*') AS name,
    CAST(NULL AS VARCHAR) AS qualified_name,
    start_byte,
    end_byte,
    start_line,
    layers
FROM imports
UNION ALL
SELECT
    call_id AS node_id,
    CAST('call_site' AS VARCHAR) AS kind,
    file_id,
    path,
    callee_name AS name,
    CAST(NULL AS VARCHAR) AS qualified_name,
    start_byte,
    end_byte,
    start_line,
    layers
FROM call_resolution
UNION ALL
SELECT
    reference_id AS node_id,
    CAST('reference' AS VARCHAR) AS kind,
    file_id,
    path,
    name,
    CAST(NULL AS VARCHAR) AS qualified_name,
    start_byte,
    end_byte,
    start_line,
    layers
FROM reference_resolution
UNION ALL
SELECT
    x.node_id,
    CAST('external' AS VARCHAR) AS kind,
    CAST(NULL AS BIGINT) AS file_id,
    CAST(NULL AS VARCHAR) AS path,
    regexp_replace(min(x.qualified_name), '^.*\.', '') AS name,
    min(x.qualified_name) AS qualified_name,
    CAST(NULL AS BIGINT) AS start_byte,
    CAST(NULL AS BIGINT) AS end_byte,
    CAST(NULL AS INT) AS start_line,
    CAST('libcst' AS VARCHAR) AS layers
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
