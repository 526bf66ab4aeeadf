-- Which functions and methods are defined, where, and which layers say so? One row a `def`.
WITH ast_seen AS (
    SELECT DISTINCT file_id, start_byte, end_byte
    FROM ast_defs
    WHERE kind IN ('FunctionDef', 'AsyncFunctionDef')
),
symtable_seen AS (
    SELECT DISTINCT file_id, name, line FROM symtable_blocks WHERE type = 'function'
)
SELECT
    entity_id(d.file_id, d.qualname, 'function', d.duplicate) AS function_id,
    d.file_id,
    d.path,
    m.module_id,
    m.module || '.' || d.qualname AS qualified_name,
    d.name,
    d.qualname,
    d.duplicate,
    d.ordinal,
    coalesce(c.kind, 'module') AS container_kind,
    CASE WHEN c.kind IS NULL THEN m.module_id ELSE entity_id(c.file_id, c.qualname, c.kind, c.duplicate) END AS container_id,
    CASE WHEN c.kind = 'class' THEN entity_id(c.file_id, c.qualname, c.kind, c.duplicate) END AS class_id,
    d.is_async,
    d.n_decorators,
    d.start_byte,
    d.end_byte,
    d.full_start_byte,
    d.name_start_byte,
    d.name_end_byte,
    d.start_line,
    d.end_line,
    d.docstring_start_byte,
    d.docstring_end_byte,
    concat_ws(
        ',',
        CASE WHEN a.file_id IS NOT NULL THEN 'ast' END,
        'libcst',
        CASE WHEN s.file_id IS NOT NULL THEN 'symtable' END
    ) AS layers,
    CAST(CASE WHEN a.file_id IS NOT NULL OR s.file_id IS NOT NULL THEN 2 ELSE 1 END AS INT) AS n_origins
FROM cst_defs d
JOIN modules m ON m.file_id = d.file_id
LEFT JOIN cst_defs c ON c.file_id = d.file_id AND c.ordinal = d.container
LEFT JOIN ast_seen a ON a.file_id = d.file_id AND a.start_byte = d.start_byte AND a.end_byte = d.end_byte
LEFT JOIN symtable_seen s ON s.file_id = d.file_id AND s.name = d.name AND s.line = d.start_line
WHERE d.kind = 'function'
