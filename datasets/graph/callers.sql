-- Who calls f? One row a call and dotted name under which its callee is known; filter by callee_qualified_name.
WITH called AS (
    SELECT
        c.callee_id, c.callee_kind, c.call_id, c.file_id, c.path, c.start_line, c.start_byte, c.end_byte, c.caller_id,
        c.caller_qualified_name, c.rule, c.status, c.n_candidates, c.layers, c.confidence
    FROM call_resolution c
    WHERE c.callee_id IS NOT NULL
),
names AS (
    SELECT qualified_name, definition_id, defined_as FROM qualified_names
    UNION
    SELECT callee_qualified_name AS qualified_name, callee_id AS definition_id, callee_qualified_name AS defined_as
    FROM call_resolution
    WHERE callee_kind IN ('external', 'variable', 'parameter', 'module', 'namespace') AND callee_id IS NOT NULL
)
SELECT
    n.qualified_name AS callee_qualified_name,
    n.defined_as,
    CAST(c.callee_kind AS VARCHAR) AS callee_kind,
    c.path,
    c.start_line,
    c.caller_qualified_name,
    c.status,
    c.rule,
    c.confidence,
    c.n_candidates,
    c.layers,
    c.call_id,
    c.callee_id,
    c.caller_id,
    c.file_id,
    c.start_byte,
    c.end_byte
FROM names n
JOIN called c ON c.callee_id = n.definition_id
