-- What does each use of a name or attribute mean? Exactly one row a use.
-- Attributes of values that are not followed have no target; nothing is matched by bare name here.
WITH rooted AS (
    SELECT
        s.reference_id,
        s.file_id,
        s.path,
        s.container_id,
        s.kind,
        s.name,
        s.context,
        s.attribute_path,
        s.start_byte,
        s.end_byte,
        s.start_line,
        coalesce(r.rule, f.rule) AS root_rule,
        coalesce(r.status, f.status) AS root_status,
        coalesce(r.n_candidates, f.n_candidates) AS root_n_candidates,
        coalesce(f.layers, 'libcst') AS layers,
        CASE
            WHEN r.receiver_class_id IS NOT NULL AND s.kind = 'attribute' THEN 'instance'
            ELSE coalesce(r.target_kind, f.target_kind)
        END AS root_kind,
        CASE
            WHEN r.receiver_class_id IS NOT NULL AND s.kind = 'attribute' THEN r.receiver_class_id
            ELSE coalesce(r.target_id, f.target_id)
        END AS root_id,
        coalesce(r.target_name, f.target_name) AS root_name
    FROM reference_sites s
    LEFT JOIN binding_resolution r ON r.file_id = s.file_id AND r.binding = s.binding
    LEFT JOIN free_name_resolution f ON f.file_id = s.file_id AND f.free_name = s.free_name
),
resolved AS (
    SELECT
        s.reference_id,
        s.file_id,
        s.path,
        s.container_id,
        s.kind,
        s.name,
        s.context,
        s.start_byte,
        s.end_byte,
        s.start_line,
        s.layers,
        CASE WHEN s.layers = 'libcst' THEN 1 ELSE 2 END AS n_origins,
        CASE
            WHEN s.kind = 'name' THEN s.root_rule
            WHEN a.root_id IS NOT NULL THEN a.rule
            WHEN s.root_kind IN ('external', 'missing') THEN 'external_attribute'
            ELSE 'unresolved_attribute'
        END AS rule,
        CASE
            WHEN s.kind = 'name' THEN s.root_kind
            WHEN a.root_id IS NOT NULL THEN a.target_kind
            WHEN s.root_kind IN ('external', 'missing') THEN 'external'
        END AS target_kind,
        CASE
            WHEN s.kind = 'name' THEN s.root_id
            WHEN a.root_id IS NOT NULL THEN a.target_id
            WHEN s.root_kind IN ('external', 'missing') AND s.root_name IS NOT NULL
                THEN entity_id(CAST(0 AS BIGINT), s.root_name || '.' || s.attribute_path, 'external', CAST(0 AS INT))
        END AS target_id,
        CASE
            WHEN s.kind = 'name' THEN s.root_name
            WHEN a.root_id IS NOT NULL THEN a.target_name
            WHEN s.root_kind IN ('external', 'missing') THEN s.root_name || '.' || s.attribute_path
        END AS target_name,
        CASE
            WHEN s.kind = 'name' THEN s.root_status
            WHEN a.root_id IS NOT NULL AND a.status = 'proved' AND s.root_status = 'ambiguous' THEN 'inferred'
            WHEN a.root_id IS NOT NULL AND a.status = 'proved' THEN s.root_status
            WHEN a.root_id IS NOT NULL THEN a.status
            WHEN s.root_kind IN ('external', 'missing') THEN 'external'
            ELSE 'unknown'
        END AS status,
        CASE
            WHEN s.kind = 'name' THEN s.root_n_candidates
            WHEN a.root_id IS NOT NULL THEN a.n_candidates
            WHEN s.root_kind IN ('external', 'missing') THEN greatest(s.root_n_candidates, 1)
            ELSE 0
        END AS n_candidates
    FROM rooted s
    LEFT JOIN attribute_resolution a
        ON a.root_kind = s.root_kind AND a.root_id = s.root_id AND a.attribute_path = s.attribute_path
)
SELECT
    r.reference_id,
    r.file_id,
    r.path,
    r.container_id,
    r.kind,
    r.name,
    r.context,
    r.start_byte,
    r.end_byte,
    r.start_line,
    r.target_id,
    CASE WHEN r.target_kind = 'missing' THEN 'external' ELSE r.target_kind END AS target_kind,
    r.target_name AS target_qualified_name,
    CAST(r.rule AS VARCHAR) AS rule,
    CASE WHEN r.target_kind = 'missing' THEN 'external' ELSE r.status END AS status,
    CAST(r.n_candidates AS INT) AS n_candidates,
    r.layers,
    CAST(r.n_origins AS INT) AS n_origins,
    CASE WHEN r.status = 'ambiguous' AND r.n_candidates > 1 THEN s.confidence / r.n_candidates ELSE s.confidence END AS confidence
FROM resolved r
JOIN rule_confidence s ON s.rule = r.rule AND s.n_origins = r.n_origins
