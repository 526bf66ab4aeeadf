-- Where is a name or an attribute used, and what is its first name bound to? One row a use.
SELECT
    occurrence_id(r.file_id, r.start_byte, r.end_byte, 'reference', CAST(0 AS INT)) AS reference_id,
    r.file_id,
    r.path,
    s.owner_id AS container_id,
    r.kind,
    r.name,
    r.context,
    CASE WHEN r.kind = 'name' THEN r.binding ELSE r.base_binding END AS binding,
    CASE
        WHEN r.kind = 'name' AND r.binding IS NULL THEN r.name
        WHEN r.kind = 'attribute' AND r.base_binding IS NULL THEN split_part(r.dotted, '.', 1)
    END AS free_name,
    CASE
        WHEN r.kind = 'name' THEN ''
        WHEN strpos(r.dotted, '.') > 0 THEN substr(r.dotted, strpos(r.dotted, '.') + 1) || '.' || r.name
        WHEN r.dotted IS NOT NULL THEN r.name
    END AS attribute_path,
    r.start_byte,
    r.end_byte,
    r.start_line
FROM scopes s
JOIN cst_refs r ON r.file_id = s.file_id AND r.scope = s.ordinal
