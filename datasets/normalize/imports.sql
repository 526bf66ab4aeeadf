-- What does each import statement ask for, with relative names made absolute? One row an imported name.
WITH asked AS (
    SELECT
        i.file_id,
        i.path,
        i.ordinal,
        i.scope,
        i.kind,
        i.module,
        i.name,
        i.asname,
        i.bound_name,
        i.level,
        i.start_byte,
        i.end_byte,
        i.start_line,
        m.module_id,
        m.source_root,
        string_to_array(m.package, '.') AS package_parts,
        CASE WHEN m.package = '' THEN 0 ELSE CAST(array_length(string_to_array(m.package, '.')) AS BIGINT) END AS n_package_parts
    FROM cst_imports i
    JOIN modules m ON m.file_id = i.file_id
),
based AS (
    SELECT
        file_id,
        ordinal,
        CASE
            WHEN level = 0 THEN ''
            WHEN n_package_parts = 0 AND level = 1 THEN ''
            WHEN level > n_package_parts THEN NULL
            ELSE array_to_string(array_slice(package_parts, 1, n_package_parts - level + 1), '.')
        END AS base
    FROM asked
),
ast_seen AS (
    SELECT DISTINCT file_id, kind, coalesce(module, '') AS module, name, coalesce(asname, '') AS asname, level
    FROM ast_imports
)
SELECT
    occurrence_id(a.file_id, a.start_byte, a.end_byte, 'import', CAST(0 AS INT)) AS import_id,
    a.file_id,
    a.path,
    a.module_id,
    a.source_root,
    a.ordinal,
    a.kind,
    a.level,
    CASE
        WHEN a.kind = 'import' THEN a.name
        WHEN b.base = '' THEN nullif(coalesce(a.module, ''), '')
        WHEN a.module IS NULL THEN b.base
        ELSE b.base || '.' || a.module
    END AS imported_module,
    CASE WHEN a.kind = 'from' THEN a.name END AS imported_name,
    a.asname,
    a.bound_name,
    a.scope,
    s.kind AS scope_kind,
    s.owner_id AS container_id,
    a.start_byte,
    a.end_byte,
    a.start_line,
    concat_ws(',', CASE WHEN e.file_id IS NOT NULL THEN 'ast' END, 'libcst') AS layers,
    CAST(CASE WHEN e.file_id IS NOT NULL THEN 2 ELSE 1 END AS INT) AS n_origins
FROM asked a
JOIN based b ON b.file_id = a.file_id AND b.ordinal = a.ordinal
JOIN scopes s ON s.file_id = a.file_id AND s.ordinal = a.scope
LEFT JOIN ast_seen e
    ON e.file_id = a.file_id AND e.kind = a.kind AND e.module = coalesce(a.module, '') AND e.name = a.name
    AND e.asname = coalesce(a.asname, '') AND e.level = a.level
