-- Which attribute paths does the code ask for, from which starting point? One row a starting point and path.
-- Starting points are modules, namespaces and classes that a first name means, `self` and `cls` (instance) and `super()`.
WITH asked AS (
    SELECT file_id, binding, free_name, attribute_path FROM call_sites WHERE attribute_path <> '' AND receiver IS NULL
    UNION
    SELECT file_id, binding, free_name, attribute_path FROM reference_sites WHERE attribute_path <> ''
    UNION
    SELECT
        file_id,
        binding,
        CASE WHEN binding IS NULL THEN split_part(dotted, '.', 1) END AS free_name,
        substr(dotted, strpos(dotted, '.') + 1) AS attribute_path
    FROM cst_bases
    WHERE strpos(dotted, '.') > 0
),
rooted AS (
    SELECT r.target_kind AS root_kind, r.target_id AS root_id, a.attribute_path
    FROM asked a
    JOIN binding_resolution r ON r.file_id = a.file_id AND r.binding = a.binding
    WHERE r.target_kind IN ('module', 'namespace', 'class')
    UNION
    SELECT 'instance' AS root_kind, r.receiver_class_id AS root_id, a.attribute_path
    FROM asked a
    JOIN binding_resolution r ON r.file_id = a.file_id AND r.binding = a.binding
    WHERE r.receiver_class_id IS NOT NULL AND strpos(a.attribute_path, '.') = 0
    UNION
    SELECT r.target_kind AS root_kind, r.target_id AS root_id, a.attribute_path
    FROM asked a
    JOIN free_name_resolution r ON r.file_id = a.file_id AND r.free_name = a.free_name
    WHERE r.target_kind IN ('module', 'namespace', 'class')
    UNION
    SELECT
        CASE WHEN receiver = 'super' THEN 'super' ELSE 'instance' END AS root_kind,
        receiver_class_id AS root_id,
        attribute_path
    FROM call_sites
    WHERE receiver_class_id IS NOT NULL AND attribute_path IS NOT NULL
)
SELECT
    CAST(root_kind AS VARCHAR) AS root_kind,
    root_id,
    attribute_path
FROM rooted
