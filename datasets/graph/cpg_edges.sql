-- How do the nodes hang together, and on what evidence? One row an edge.
-- Every node but files, namespaces and externals has one edge of the tree: contains, defines or declares_parameter.
WITH syntax AS (
    SELECT container_id AS src, node_id AS dst, container_edge AS kind, file_id, layers, n_origins, ordinal
    FROM definition_nodes
    WHERE container_id IS NOT NULL
    UNION ALL
    SELECT container_id, import_id, 'contains', file_id, layers, n_origins, 0 FROM imports
    UNION ALL
    SELECT caller_id, call_id, 'contains', file_id, layers, n_origins, 0 FROM call_resolution
    UNION ALL
    SELECT container_id, reference_id, 'contains', file_id, 'libcst', 1, 0 FROM reference_resolution
)
SELECT
    CAST(e.kind AS VARCHAR) AS kind,
    e.src,
    e.dst,
    CAST(e.ordinal AS INT) AS ordinal,
    e.file_id,
    CAST('syntax' AS VARCHAR) AS rule,
    CAST(e.layers AS VARCHAR) AS layers,
    CAST('proved' AS VARCHAR) AS status,
    CASE WHEN e.n_origins = 2 THEN c2.confidence ELSE c1.confidence END AS confidence,
    CAST(1 AS INT) AS n_candidates
FROM syntax e
CROSS JOIN (SELECT confidence FROM rule_confidence WHERE rule = 'syntax' AND n_origins = 1) c1
CROSS JOIN (SELECT confidence FROM rule_confidence WHERE rule = 'syntax' AND n_origins = 2) c2
UNION ALL
SELECT
    CAST('imports' AS VARCHAR) AS kind,
    t.import_id AS src,
    t.target_id AS dst,
    CAST(0 AS INT) AS ordinal,
    t.file_id,
    CAST(CASE WHEN t.target_kind = 'missing' THEN 'missing_member' WHEN t.via_star THEN 'star_import' ELSE 'import' END AS VARCHAR) AS rule,
    i.layers,
    t.status,
    CASE WHEN t.status = 'ambiguous' THEN c.confidence / t.n_candidates ELSE c.confidence END AS confidence,
    t.n_candidates
FROM import_targets t
JOIN imports i ON i.import_id = t.import_id
JOIN rule_confidence c
    ON c.rule = CASE WHEN t.target_kind = 'missing' THEN 'missing_member' WHEN t.via_star THEN 'star_import' ELSE 'import' END
    AND c.n_origins = i.n_origins
UNION ALL
SELECT
    CAST('inherits' AS VARCHAR) AS kind,
    h.class_id AS src,
    h.base_id AS dst,
    h.position AS ordinal,
    h.file_id,
    h.rule,
    h.layers,
    h.status,
    CASE WHEN h.status = 'ambiguous' THEN c.confidence / h.n_candidates ELSE c.confidence END AS confidence,
    h.n_candidates
FROM class_hierarchy h
JOIN rule_confidence c ON c.rule = h.rule AND c.n_origins = h.n_origins
WHERE h.base_id IS NOT NULL
UNION ALL
SELECT
    CAST(
        CASE
            WHEN c.callee_kind = 'class' THEN 'instantiates'
            WHEN c.callee_kind IN ('function', 'external') THEN 'calls'
            ELSE 'calls_value'
        END AS VARCHAR
    ) AS kind,
    c.call_id AS src,
    c.callee_id AS dst,
    CAST(0 AS INT) AS ordinal,
    c.file_id,
    c.rule,
    c.layers,
    c.status,
    c.confidence,
    c.n_candidates
FROM call_resolution c
WHERE c.callee_id IS NOT NULL
UNION ALL
SELECT
    CAST('calls' AS VARCHAR) AS kind,
    c.call_id AS src,
    c.constructor_id AS dst,
    CAST(0 AS INT) AS ordinal,
    c.file_id,
    CAST('constructor' AS VARCHAR) AS rule,
    c.layers,
    CASE WHEN c.status = 'proved' THEN 'inferred' ELSE c.status END AS status,
    CASE WHEN c.status = 'ambiguous' THEN k.confidence / c.n_candidates ELSE k.confidence END AS confidence,
    c.n_candidates
FROM call_resolution c
JOIN rule_confidence k ON k.rule = 'constructor' AND k.n_origins = c.n_origins
WHERE c.constructor_id IS NOT NULL
UNION ALL
SELECT
    CAST('references' AS VARCHAR) AS kind,
    r.reference_id AS src,
    r.target_id AS dst,
    CAST(0 AS INT) AS ordinal,
    r.file_id,
    r.rule,
    r.layers,
    r.status,
    r.confidence,
    r.n_candidates
FROM reference_resolution r
WHERE r.target_id IS NOT NULL
