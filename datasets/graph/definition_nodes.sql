-- What does the repository define: files, modules, namespaces, definitions? One row a node, with what holds it.
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
    CAST('repo' AS VARCHAR) AS layers,
    CAST(1 AS INT) AS n_origins,
    CAST(NULL AS BIGINT) AS container_id,
    CAST(NULL AS VARCHAR) AS container_edge,
    CAST(0 AS INT) AS ordinal
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
    CAST('repo' AS VARCHAR) AS layers,
    CAST(1 AS INT) AS n_origins,
    m.file_id AS container_id,
    CAST('contains' AS VARCHAR) AS container_edge,
    CAST(0 AS INT) AS ordinal
FROM modules m
JOIN repo_files_v1 r ON r.file_id = m.file_id
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
    layers,
    n_origins,
    container_id,
    CAST('defines' AS VARCHAR) AS container_edge,
    CAST(0 AS INT) AS ordinal
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
    layers,
    n_origins,
    container_id,
    CAST('defines' AS VARCHAR) AS container_edge,
    CAST(0 AS INT) AS ordinal
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
    CAST('libcst' AS VARCHAR) AS layers,
    CAST(1 AS INT) AS n_origins,
    container_id,
    CAST('declares_parameter' AS VARCHAR) AS container_edge,
    position AS ordinal
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
    CAST('libcst' AS VARCHAR) AS layers,
    CAST(1 AS INT) AS n_origins,
    container_id,
    CAST('defines' AS VARCHAR) AS container_edge,
    CAST(0 AS INT) AS ordinal
FROM variables
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
    CAST('repo' AS VARCHAR) AS layers,
    CAST(1 AS INT) AS n_origins,
    CAST(NULL AS BIGINT) AS container_id,
    CAST(NULL AS VARCHAR) AS container_edge,
    CAST(0 AS INT) AS ordinal
FROM importable_names
WHERE target_kind = 'namespace'
