-- What else is known of a node? One row a node and property; values are text.
SELECT f.function_id AS node_id, CAST('is_async' AS VARCHAR) AS name, CAST('true' AS VARCHAR) AS value FROM functions f WHERE f.is_async
UNION ALL
SELECT function_id AS node_id, CAST('n_decorators' AS VARCHAR) AS name, CAST(n_decorators AS VARCHAR) AS value
FROM functions
WHERE n_decorators > 0
UNION ALL
SELECT function_id AS node_id, CAST('end_line' AS VARCHAR) AS name, CAST(end_line AS VARCHAR) AS value FROM functions
UNION ALL
SELECT class_id AS node_id, CAST('end_line' AS VARCHAR) AS name, CAST(end_line AS VARCHAR) AS value FROM classes
UNION ALL
SELECT class_id AS node_id, CAST('n_decorators' AS VARCHAR) AS name, CAST(n_decorators AS VARCHAR) AS value
FROM classes
WHERE n_decorators > 0
UNION ALL
SELECT parameter_id AS node_id, CAST('parameter_kind' AS VARCHAR) AS name, kind AS value FROM parameters
UNION ALL
SELECT parameter_id AS node_id, CAST('annotation' AS VARCHAR) AS name, annotation AS value
FROM parameters
WHERE annotation IS NOT NULL
UNION ALL
SELECT parameter_id AS node_id, CAST('default' AS VARCHAR) AS name, default_text AS value
FROM parameters
WHERE default_text IS NOT NULL
UNION ALL
SELECT variable_id AS node_id, CAST('scope_kind' AS VARCHAR) AS name, scope_kind AS value FROM variables
UNION ALL
SELECT module_id AS node_id, CAST('source_root' AS VARCHAR) AS name, source_root AS value FROM modules
UNION ALL
SELECT module_id AS node_id, CAST('is_package' AS VARCHAR) AS name, CAST('true' AS VARCHAR) AS value FROM modules WHERE is_package
UNION ALL
SELECT module_id AS node_id, CAST('is_stub' AS VARCHAR) AS name, CAST('true' AS VARCHAR) AS value FROM modules WHERE is_stub
UNION ALL
SELECT import_id AS node_id, CAST('imported_module' AS VARCHAR) AS name, imported_module AS value
FROM imports
WHERE imported_module IS NOT NULL
UNION ALL
SELECT import_id AS node_id, CAST('imported_name' AS VARCHAR) AS name, imported_name AS value
FROM imports
WHERE imported_name IS NOT NULL
UNION ALL
SELECT call_id AS node_id, CAST('callee_shape' AS VARCHAR) AS name, callee_shape AS value FROM call_sites
UNION ALL
SELECT call_id AS node_id, CAST('n_args' AS VARCHAR) AS name, CAST(n_args AS VARCHAR) AS value FROM call_sites WHERE n_args > 0
UNION ALL
SELECT call_id AS node_id, CAST('n_keywords' AS VARCHAR) AS name, CAST(n_keywords AS VARCHAR) AS value
FROM call_sites
WHERE n_keywords > 0
UNION ALL
SELECT file_id AS node_id, CAST('encoding' AS VARCHAR) AS name, encoding AS value FROM repo_files_v1 WHERE encoding IS NOT NULL
UNION ALL
SELECT file_id AS node_id, CAST('n_lines' AS VARCHAR) AS name, CAST(n_lines AS VARCHAR) AS value FROM repo_files_v1
