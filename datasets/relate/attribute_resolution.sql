-- What is the attribute at the end of a path? One row a starting point and path of attribute_paths that leads somewhere.
-- An attribute of a class is looked up in the class and then its ancestors, nearest first; `super()` starts behind the class.
-- What is bound for type checkers alone is the answer only where nothing else is.
WITH class_members AS (
    SELECT
        b.owner_id AS class_id,
        b.name,
        r.target_kind,
        r.target_id,
        r.target_name,
        r.status,
        r.n_candidates,
        b.n_type_only_sites = b.n_sites AS is_type_only
    FROM bindings b
    JOIN binding_resolution r ON r.file_id = b.file_id AND r.binding = b.ordinal
    WHERE b.scope_kind = 'class'
),
through_modules AS (
    SELECT
        p.root_kind,
        p.root_id,
        p.attribute_path,
        m.target_kind,
        m.target_id,
        m.target_name,
        m.rest,
        m.n_steps,
        m.is_certain AND NOT m.via_star AS is_certain,
        m.n_candidates
    FROM attribute_paths p
    JOIN module_paths m ON m.root_id = p.root_id AND m.attribute_path = p.attribute_path
    WHERE p.root_kind IN ('module', 'namespace')
),
wanted AS (
    SELECT root_kind, root_id, attribute_path, root_id AS class_id, attribute_path AS name, 0 AS n_steps
    FROM attribute_paths
    WHERE root_kind IN ('class', 'instance', 'super') AND strpos(attribute_path, '.') = 0
    UNION ALL
    SELECT root_kind, root_id, attribute_path, target_id AS class_id, rest AS name, n_steps
    FROM through_modules
    WHERE target_kind = 'class' AND rest <> '' AND strpos(rest, '.') = 0
),
found AS (
    SELECT
        w.root_kind,
        w.root_id,
        w.attribute_path,
        w.n_steps,
        a.distance,
        m.target_kind,
        m.target_id,
        m.target_name,
        m.status,
        m.n_candidates,
        m.is_type_only,
        row_number() OVER (
            PARTITION BY w.root_kind, w.root_id, w.attribute_path
            ORDER BY m.is_type_only, a.place
        ) AS place
    FROM wanted w
    JOIN class_ancestors a ON a.class_id = w.class_id
    JOIN class_members m ON m.class_id = a.ancestor_id AND m.name = w.name
    WHERE w.root_kind <> 'super' OR a.distance > 0
),
-- No class of the repository on the way has it.
lost AS (
    SELECT w.root_kind, w.root_id, w.attribute_path, w.n_steps, w.name, w.class_id
    FROM wanted w
    LEFT JOIN found f
        ON f.root_kind = w.root_kind AND f.root_id = w.root_id AND f.attribute_path = w.attribute_path AND f.place = 1
    WHERE f.root_id IS NULL
),
-- An ancestor lives outside: the attribute is taken to be the nearest such ancestor's.
outside AS (
    SELECT
        l.root_kind,
        l.root_id,
        l.attribute_path,
        l.n_steps,
        l.name,
        a.ancestor_qualified_name,
        row_number() OVER (
            PARTITION BY l.root_kind, l.root_id, l.attribute_path
            ORDER BY a.place
        ) AS place,
        count(*) OVER (PARTITION BY l.root_kind, l.root_id, l.attribute_path) AS n_outside
    FROM lost l
    JOIN class_ancestors a ON a.class_id = l.class_id AND a.ancestor_kind = 'external'
    WHERE a.ancestor_qualified_name <> 'builtins.object'
),
-- A base on the way is unknown or from outside; of the others `object` is what is left.
open_classes AS (
    SELECT DISTINCT a.class_id
    FROM class_ancestors a
    LEFT JOIN class_hierarchy h ON h.class_id = a.ancestor_id AND h.base_kind NOT IN ('class', 'external')
    WHERE h.class_id IS NOT NULL OR (a.ancestor_kind = 'external' AND a.ancestor_qualified_name <> 'builtins.object')
),
beyond AS (
    SELECT root_kind, root_id, attribute_path, n_steps, name, ancestor_qualified_name, n_outside AS n_candidates
    FROM outside
    WHERE place = 1
    UNION ALL
    SELECT l.root_kind, l.root_id, l.attribute_path, l.n_steps, l.name, 'builtins.object' AS ancestor_qualified_name, 1 AS n_candidates
    FROM lost l
    JOIN params.p_builtins b ON b.name = 'object.' || l.name
    LEFT JOIN open_classes o ON o.class_id = l.class_id
    WHERE o.class_id IS NULL AND l.name <> '__doc__' -- every class has one of its own
)
SELECT
    root_kind,
    root_id,
    attribute_path,
    CASE WHEN target_kind = 'missing' THEN 'external' ELSE target_kind END AS target_kind,
    target_id,
    target_name,
    CASE
        WHEN target_kind = 'missing' THEN 'missing_member'
        WHEN target_kind = 'external' THEN 'external_attribute'
        ELSE 'module_attribute'
    END AS rule,
    CASE
        WHEN target_kind IN ('external', 'missing') THEN 'external'
        WHEN n_candidates > 1 THEN 'ambiguous'
        WHEN is_certain THEN 'proved'
        ELSE 'inferred'
    END AS status,
    n_candidates,
    n_steps
FROM through_modules
WHERE rest = ''
UNION ALL
SELECT
    root_kind,
    root_id,
    attribute_path,
    CASE WHEN target_kind = 'missing' THEN 'external' ELSE target_kind END AS target_kind,
    target_id,
    target_name,
    CASE root_kind WHEN 'instance' THEN 'self_attribute' WHEN 'super' THEN 'super_attribute' ELSE 'class_attribute' END AS rule,
    CASE
        WHEN target_kind IN ('external', 'missing') THEN 'external'
        WHEN n_candidates > 1 THEN 'ambiguous'
        WHEN root_kind = 'class' AND distance = 0 AND NOT is_type_only THEN status
        ELSE 'inferred'
    END AS status,
    n_candidates,
    CAST(n_steps + distance AS INT) AS n_steps
FROM found
WHERE place = 1
UNION ALL
SELECT
    root_kind,
    root_id,
    attribute_path,
    CAST('external' AS VARCHAR) AS target_kind,
    entity_id(CAST(0 AS BIGINT), ancestor_qualified_name || '.' || name, 'external', CAST(0 AS INT)) AS target_id,
    ancestor_qualified_name || '.' || name AS target_name,
    CAST('outside_ancestor' AS VARCHAR) AS rule,
    CAST('external' AS VARCHAR) AS status,
    CAST(n_candidates AS INT) AS n_candidates,
    CAST(n_steps AS INT) AS n_steps
FROM beyond
