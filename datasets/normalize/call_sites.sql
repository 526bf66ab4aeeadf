-- Which calls are there, in what, and through what name? One row a call.
WITH ast_seen AS (
    SELECT DISTINCT file_id, start_byte, end_byte FROM ast_calls
),
-- `super()` means the class of the method that holds the call, or that holds the function that holds it.
containers AS (
    SELECT
        f.file_id,
        f.ordinal,
        f.function_id,
        f.qualified_name,
        coalesce(f.class_id, g.class_id) AS class_id
    FROM functions f
    LEFT JOIN functions g ON g.function_id = f.container_id
    UNION ALL
    SELECT file_id, ordinal, class_id AS function_id, qualified_name, CAST(NULL AS BIGINT) AS class_id
    FROM classes
)
SELECT
    occurrence_id(c.file_id, c.start_byte, c.end_byte, 'call_site', CAST(0 AS INT)) AS call_id,
    c.file_id,
    c.path,
    m.module_id,
    coalesce(f.function_id, m.module_id) AS caller_id,
    coalesce(f.qualified_name, m.module) AS caller_qualified_name,
    c.callee_shape,
    c.callee_name,
    c.callee_dotted,
    c.receiver,
    CASE
        WHEN c.receiver = 'super' THEN f.class_id
        WHEN c.receiver IS NOT NULL THEN b.receiver_class_id
    END AS receiver_class_id,
    c.binding,
    CASE WHEN c.binding IS NULL THEN split_part(c.callee_dotted, '.', 1) END AS free_name,
    CASE
        WHEN c.receiver = 'super' THEN c.callee_name
        WHEN strpos(c.callee_dotted, '.') > 0 THEN substr(c.callee_dotted, strpos(c.callee_dotted, '.') + 1)
        WHEN c.callee_dotted IS NOT NULL THEN ''
    END AS attribute_path,
    c.n_args,
    c.n_keywords,
    c.start_byte,
    c.end_byte,
    c.callee_start_byte,
    c.callee_end_byte,
    c.start_line,
    concat_ws(',', CASE WHEN a.file_id IS NOT NULL THEN 'ast' END, 'libcst') AS layers,
    CAST(CASE WHEN a.file_id IS NOT NULL THEN 2 ELSE 1 END AS INT) AS n_origins
-- The small sides come first: they are what the joins hold in memory.
FROM ast_seen a
RIGHT JOIN (
    bindings b
    RIGHT JOIN (
        containers f
        RIGHT JOIN (
            modules m
            JOIN cst_callsites c ON c.file_id = m.file_id
        ) ON f.file_id = c.file_id AND f.ordinal = c.container
    ) ON b.file_id = c.file_id AND b.ordinal = c.binding
) ON a.file_id = c.file_id AND a.start_byte = c.start_byte AND a.end_byte = c.end_byte
