-- What does each call call? Exactly one row a call: the winner, the rule that found it, and how many candidates there were.
WITH
by_name AS (
    SELECT name, count(*) AS n, min(place) AS place FROM method_names GROUP BY name
),
by_top AS (
    SELECT name, top_package, min(place) AS place FROM method_names GROUP BY name, top_package
),
by_package AS (
    SELECT name, package, min(place) AS place FROM method_names GROUP BY name, package
),
by_module AS (
    SELECT name, module_id, min(place) AS place FROM method_names GROUP BY name, module_id
),
-- What a called class runs: its own or inherited __init__, but none for type checkers alone.
constructors AS (
    SELECT class_id, function_id
    FROM (
        SELECT
            a.class_id,
            f.function_id,
            row_number() OVER (PARTITION BY a.class_id ORDER BY a.place, f.duplicate DESC) AS place
        FROM class_ancestors a
        JOIN functions f ON f.class_id = a.ancestor_id AND f.name = '__init__'
        JOIN bindings b
            ON b.owner_id = f.class_id AND b.name = '__init__' AND b.scope_kind = 'class'
            AND b.n_type_only_sites < b.n_sites
    ) ranked
    WHERE place = 1
),
-- A call with what its first name means.
rooted AS (
    SELECT
        c.call_id,
        c.file_id,
        c.path,
        c.module_id,
        c.caller_id,
        c.caller_qualified_name,
        c.callee_shape,
        c.callee_name,
        c.receiver,
        c.attribute_path,
        c.start_byte,
        c.end_byte,
        c.start_line,
        c.layers,
        c.n_origins,
        coalesce(r.rule, f.rule) AS root_rule,
        coalesce(r.status, f.status) AS root_status,
        coalesce(r.n_candidates, f.n_candidates) AS root_n_candidates,
        coalesce(f.layers = 'libcst,symtable', false) AS has_symtable,
        CASE
            WHEN c.receiver = 'super' THEN 'super'
            WHEN c.receiver IS NOT NULL AND c.receiver_class_id IS NOT NULL THEN 'instance'
            ELSE coalesce(r.target_kind, f.target_kind)
        END AS root_kind,
        CASE
            WHEN c.receiver = 'super' OR (c.receiver IS NOT NULL AND c.receiver_class_id IS NOT NULL) THEN c.receiver_class_id
            ELSE coalesce(r.target_id, f.target_id)
        END AS root_id,
        coalesce(r.target_name, f.target_name) AS root_name
    FROM call_sites c
    LEFT JOIN binding_resolution r ON r.file_id = c.file_id AND r.binding = c.binding
    LEFT JOIN free_name_resolution f ON f.file_id = c.file_id AND f.free_name = c.free_name
),
resolved AS (
    SELECT
        c.call_id,
        c.file_id,
        c.path,
        c.module_id,
        c.caller_id,
        c.caller_qualified_name,
        c.callee_shape,
        c.callee_name,
        c.start_byte,
        c.end_byte,
        c.start_line,
        CASE
            WHEN NOT c.has_symtable THEN c.layers
            ELSE c.layers || ',symtable'
        END AS layers,
        CAST(CASE WHEN c.has_symtable THEN 2 ELSE c.n_origins END AS INT) AS n_origins,
        CASE
            WHEN c.attribute_path = '' THEN c.root_rule
            WHEN a.root_id IS NOT NULL THEN a.rule
            WHEN c.root_kind IN ('external', 'missing') THEN 'external_attribute'
        END AS rule,
        CASE
            WHEN c.attribute_path = '' THEN c.root_kind
            WHEN a.root_id IS NOT NULL THEN a.target_kind
            WHEN c.root_kind IN ('external', 'missing') THEN 'external'
        END AS kind,
        CASE
            WHEN c.attribute_path = '' THEN c.root_id
            WHEN a.root_id IS NOT NULL THEN a.target_id
            WHEN c.root_kind IN ('external', 'missing') AND c.root_name IS NOT NULL
                THEN entity_id(CAST(0 AS BIGINT), c.root_name || '.' || c.attribute_path, 'external', CAST(0 AS INT))
        END AS id,
        CASE
            WHEN c.attribute_path = '' THEN c.root_name
            WHEN a.root_id IS NOT NULL THEN a.target_name
            WHEN c.root_kind IN ('external', 'missing') THEN c.root_name || '.' || c.attribute_path
        END AS name,
        CASE
            WHEN c.attribute_path = '' AND c.root_kind IN ('variable', 'parameter', 'module', 'namespace')
                AND c.root_status = 'proved' THEN 'inferred'
            WHEN c.attribute_path = '' THEN c.root_status
            WHEN a.root_id IS NOT NULL AND a.status = 'proved' AND c.root_status = 'ambiguous' THEN 'inferred'
            WHEN a.root_id IS NOT NULL AND a.status = 'proved' AND a.target_kind IN ('variable', 'module', 'namespace')
                THEN 'inferred'
            WHEN a.root_id IS NOT NULL AND a.status = 'proved' THEN c.root_status
            WHEN a.root_id IS NOT NULL THEN a.status
            WHEN c.root_kind IN ('external', 'missing') THEN 'external'
        END AS status,
        CASE
            WHEN c.attribute_path = '' THEN c.root_n_candidates
            WHEN a.root_id IS NULL AND c.root_kind IN ('external', 'missing') THEN greatest(c.root_n_candidates, 1)
            ELSE coalesce(a.n_candidates, 1)
        END AS n_candidates
    FROM rooted c
    LEFT JOIN attribute_resolution a
        ON a.root_kind = c.root_kind AND a.root_id = c.root_id AND a.attribute_path = c.attribute_path
),
-- Attribute calls that are still open are matched by bare method name.
guessed AS (
    SELECT
        r.call_id,
        r.file_id,
        r.path,
        r.caller_id,
        r.caller_qualified_name,
        r.callee_shape,
        r.callee_name,
        r.start_byte,
        r.end_byte,
        r.start_line,
        r.layers,
        r.n_origins,
        CASE
            WHEN r.rule IS NOT NULL THEN r.rule
            WHEN r.callee_shape <> 'attribute' OR r.callee_name IS NULL THEN 'computed'
            WHEN n.n > 1 THEN 'method_name'
            WHEN n.n = 1 THEN 'only_method_name'
            ELSE 'no_candidate'
        END AS rule,
        CASE
            WHEN r.rule IS NOT NULL THEN CASE WHEN r.kind = 'missing' THEN 'external' ELSE r.kind END
            WHEN w.function_id IS NOT NULL THEN 'function'
        END AS callee_kind,
        CASE WHEN r.rule IS NOT NULL THEN r.id ELSE w.function_id END AS callee_id,
        CASE WHEN r.rule IS NOT NULL THEN r.name ELSE w.qualified_name END AS callee_qualified_name,
        CASE
            WHEN r.rule IS NOT NULL THEN r.status
            WHEN r.callee_shape <> 'attribute' OR r.callee_name IS NULL THEN 'unknown'
            WHEN n.n > 1 THEN 'ambiguous'
            WHEN n.n = 1 THEN 'heuristic'
            ELSE 'external'
        END AS status,
        CASE
            WHEN r.rule IS NOT NULL THEN r.n_candidates
            WHEN r.callee_shape <> 'attribute' OR r.callee_name IS NULL THEN 0
            ELSE coalesce(n.n, 0)
        END AS n_candidates
    FROM resolved r
    LEFT JOIN modules o ON o.module_id = r.module_id
    LEFT JOIN by_name n ON r.rule IS NULL AND r.callee_shape = 'attribute' AND n.name = r.callee_name
    LEFT JOIN by_top t ON t.name = n.name AND t.top_package = split_part(o.module, '.', 1)
    LEFT JOIN by_package p ON p.name = n.name AND p.package = o.package
    LEFT JOIN by_module m ON m.name = n.name AND m.module_id = r.module_id
    LEFT JOIN method_names w ON w.place = coalesce(m.place, p.place, t.place, n.place)
)
SELECT
    g.call_id,
    g.file_id,
    g.path,
    g.start_line,
    g.start_byte,
    g.end_byte,
    g.caller_id,
    g.caller_qualified_name,
    g.callee_shape,
    g.callee_name,
    g.callee_id,
    CAST(g.callee_kind AS VARCHAR) AS callee_kind,
    g.callee_qualified_name,
    k.function_id AS constructor_id,
    CAST(g.rule AS VARCHAR) AS rule,
    g.status,
    CAST(g.n_candidates AS INT) AS n_candidates,
    g.layers,
    g.n_origins,
    CASE WHEN g.status = 'ambiguous' AND g.n_candidates > 1 THEN s.confidence / g.n_candidates ELSE s.confidence END AS confidence
FROM constructors k
RIGHT JOIN guessed g ON k.class_id = g.callee_id AND g.callee_kind = 'class'
JOIN rule_confidence s ON s.rule = g.rule AND s.n_origins = g.n_origins
