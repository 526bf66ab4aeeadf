-- What are the bases of each class? One row a class and base.
WITH asked AS (
    SELECT
        c.class_id,
        c.file_id,
        c.path,
        c.qualified_name,
        c.layers,
        c.n_origins,
        b.position,
        b.text,
        b.dotted,
        b.binding,
        CASE WHEN b.binding IS NULL THEN split_part(b.dotted, '.', 1) END AS free_name,
        CASE WHEN strpos(b.dotted, '.') > 0 THEN substr(b.dotted, strpos(b.dotted, '.') + 1) ELSE '' END AS attribute_path,
        b.start_byte,
        b.end_byte,
        b.start_line
    FROM cst_bases b
    JOIN classes c ON c.file_id = b.file_id AND c.ordinal = b.def
),
rooted AS (
    SELECT
        a.class_id,
        a.file_id,
        a.path,
        a.qualified_name,
        a.layers,
        a.n_origins,
        a.position,
        a.text,
        a.attribute_path,
        a.start_byte,
        a.end_byte,
        a.start_line,
        coalesce(r.rule, f.rule) AS rule,
        coalesce(r.target_kind, f.target_kind) AS kind,
        coalesce(r.target_id, f.target_id) AS id,
        coalesce(r.target_name, f.target_name) AS name,
        coalesce(r.status, f.status) AS status,
        coalesce(r.n_candidates, f.n_candidates) AS n_candidates
    FROM asked a
    LEFT JOIN binding_resolution r ON r.file_id = a.file_id AND r.binding = a.binding
    LEFT JOIN free_name_resolution f ON f.file_id = a.file_id AND f.free_name = a.free_name
),
-- `Outer.Inner`: a class bound in the body of a class, own members only.
inner_classes AS (
    SELECT b.owner_id, b.name, r.target_id, r.target_name, r.status, r.n_candidates
    FROM bindings b
    JOIN binding_resolution r ON r.file_id = b.file_id AND r.binding = b.ordinal
    WHERE b.scope_kind = 'class' AND r.target_kind = 'class'
),
walked AS (
    SELECT
        a.class_id,
        a.file_id,
        a.path,
        a.qualified_name,
        a.layers,
        a.n_origins,
        a.position,
        a.text,
        a.start_byte,
        a.end_byte,
        a.start_line,
        CASE
            WHEN a.kind IS NULL THEN 'computed'
            WHEN a.attribute_path = '' THEN a.rule
            WHEN a.kind = 'external' OR a.kind = 'missing' THEN 'external_attribute'
            WHEN m.target_kind = 'missing' THEN 'missing_member'
            WHEN m.target_kind = 'external' THEN 'external_attribute'
            WHEN m.root_id IS NOT NULL AND m.rest = '' THEN 'module_attribute'
            WHEN i.target_id IS NOT NULL THEN 'class_attribute'
            ELSE 'computed'
        END AS rule,
        CASE
            WHEN a.attribute_path = '' THEN a.kind
            WHEN a.kind IN ('external', 'missing') THEN 'external'
            WHEN m.root_id IS NOT NULL AND m.rest = '' THEN m.target_kind
            WHEN i.target_id IS NOT NULL THEN 'class'
        END AS kind,
        CASE
            WHEN a.attribute_path = '' THEN a.id
            WHEN a.kind IN ('external', 'missing')
                THEN entity_id(CAST(0 AS BIGINT), a.name || '.' || a.attribute_path, 'external', CAST(0 AS INT))
            WHEN m.root_id IS NOT NULL AND m.rest = '' THEN m.target_id
            ELSE i.target_id
        END AS id,
        CASE
            WHEN a.attribute_path = '' THEN a.name
            WHEN a.kind IN ('external', 'missing') THEN a.name || '.' || a.attribute_path
            WHEN m.root_id IS NOT NULL AND m.rest = '' THEN m.target_name
            ELSE i.target_name
        END AS name,
        CASE
            WHEN a.attribute_path = '' THEN a.status
            WHEN a.kind IN ('external', 'missing') OR m.target_kind IN ('external', 'missing') THEN 'external'
            WHEN m.root_id IS NOT NULL AND m.rest = '' AND m.n_candidates > 1 THEN 'ambiguous'
            WHEN m.root_id IS NOT NULL AND m.rest = '' AND m.is_certain AND NOT m.via_star THEN a.status
            ELSE 'inferred'
        END AS status,
        CASE WHEN m.root_id IS NOT NULL AND m.rest = '' THEN m.n_candidates ELSE a.n_candidates END AS n_candidates
    FROM rooted a
    LEFT JOIN module_paths m ON m.root_id = a.id AND m.attribute_path = a.attribute_path AND a.kind IN ('module', 'namespace')
    -- The root is the class, or the path through modules leads to it.
    LEFT JOIN inner_classes i
        ON i.owner_id = CASE WHEN a.kind = 'class' THEN a.id WHEN m.target_kind = 'class' THEN m.target_id END
        AND i.name = CASE WHEN a.kind = 'class' THEN a.attribute_path ELSE m.rest END
)
SELECT
    class_id,
    position,
    file_id,
    path,
    qualified_name AS class_qualified_name,
    text AS base_text,
    CASE WHEN kind IN ('class', 'external', 'missing', 'variable', 'parameter', 'function') THEN id END AS base_id,
    CASE
        WHEN kind = 'missing' THEN 'external'
        WHEN kind IN ('class', 'external', 'variable', 'parameter', 'function') THEN kind
        ELSE 'unknown'
    END AS base_kind,
    CASE WHEN kind IN ('class', 'external', 'missing', 'variable', 'parameter', 'function') THEN name END AS base_qualified_name,
    CAST(rule AS VARCHAR) AS rule,
    CASE
        WHEN kind IS NULL OR kind IN ('module', 'namespace', 'unknown') OR (kind = 'external' AND id IS NULL) THEN 'unknown'
        WHEN kind IN ('variable', 'parameter', 'function') AND status = 'proved' THEN 'inferred'
        ELSE status
    END AS status,
    CAST(CASE WHEN kind IS NULL THEN 0 ELSE coalesce(n_candidates, 1) END AS INT) AS n_candidates,
    layers,
    n_origins,
    start_byte,
    end_byte,
    start_line
FROM walked
