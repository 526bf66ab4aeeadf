-- Between which definitions was a call's winner chosen? One row a call and candidate, for every call with more than one, and
-- for the calls that a bare method name alone decided. Computed when asked: by bare name a large repository has millions.
WITH by_name AS (
    SELECT c.call_id, c.file_id, c.path, c.start_line, c.callee_name, c.rule, c.callee_id, f.function_id AS candidate_id
    FROM call_resolution c
    JOIN functions f ON f.name = c.callee_name AND f.class_id IS NOT NULL
    WHERE c.rule IN ('method_name', 'only_method_name')
),
definitions AS (
    SELECT function_id AS definition_id, file_id, qualified_name FROM functions
    UNION ALL
    SELECT class_id AS definition_id, file_id, qualified_name FROM classes
),
own_files AS (
    SELECT definition_id, file_id, qualified_name FROM definitions
),
by_definition AS (
    SELECT c.call_id, c.file_id, c.path, c.start_line, c.callee_name, c.rule, c.callee_id, d.definition_id AS candidate_id
    FROM call_resolution c
    JOIN own_files o ON o.definition_id = c.callee_id
    JOIN definitions d ON d.file_id = o.file_id AND d.qualified_name = o.qualified_name
    WHERE c.status = 'ambiguous' AND c.rule NOT IN ('method_name', 'alternatives')
),
by_site AS (
    SELECT
        c.call_id,
        c.file_id,
        c.path,
        c.start_line,
        c.callee_name,
        c.rule,
        c.callee_id,
        CASE
            WHEN t.kind = 'definition' THEN entity_id(d.file_id, d.qualname, d.kind, d.duplicate)
            ELSE i.target_id
        END AS candidate_id
    FROM call_resolution c
    JOIN call_sites s ON s.call_id = c.call_id
    JOIN cst_binding_sites t ON t.file_id = s.file_id AND t.binding = s.binding AND t.kind IN ('definition', 'import')
    LEFT JOIN cst_defs d ON d.file_id = t.file_id AND d.ordinal = t.target AND t.kind = 'definition'
    LEFT JOIN imports m ON m.file_id = t.file_id AND m.ordinal = t.target AND t.kind = 'import'
    LEFT JOIN import_targets i ON i.import_id = m.import_id
    WHERE c.rule = 'alternatives'
),
candidates AS (
    SELECT call_id, file_id, path, start_line, callee_name, rule, callee_id, candidate_id FROM by_name
    UNION ALL
    SELECT call_id, file_id, path, start_line, callee_name, rule, callee_id, candidate_id FROM by_definition
    UNION ALL
    SELECT call_id, file_id, path, start_line, callee_name, rule, callee_id, candidate_id FROM by_site
),
names AS (
    SELECT definition_id, qualified_name FROM definitions
    UNION ALL
    SELECT variable_id AS definition_id, qualified_name FROM variables
)
SELECT
    c.call_id,
    c.file_id,
    c.path,
    c.start_line,
    c.callee_name,
    c.candidate_id,
    n.qualified_name AS candidate_qualified_name,
    CAST(c.rule AS VARCHAR) AS rule,
    c.candidate_id = c.callee_id AS is_winner
FROM candidates c
LEFT JOIN names n ON n.definition_id = c.candidate_id
