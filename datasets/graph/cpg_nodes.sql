-- What is in the graph? One row a node.
SELECT
    node_id,
    kind,
    file_id,
    path,
    name,
    qualified_name,
    start_byte,
    end_byte,
    start_line,
    layers
FROM definition_nodes
UNION ALL
SELECT
    node_id,
    CAST('external' AS VARCHAR) AS kind,
    CAST(NULL AS BIGINT) AS file_id,
    CAST(NULL AS VARCHAR) AS path,
    name,
    qualified_name,
    CAST(NULL AS BIGINT) AS start_byte,
    CAST(NULL AS BIGINT) AS end_byte,
    CAST(NULL AS INT) AS start_line,
    CAST('libcst' AS VARCHAR) AS layers
FROM external_nodes
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
