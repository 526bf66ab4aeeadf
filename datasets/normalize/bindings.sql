-- What does a name of a scope mean, as far as its own file can say? One row a scope and name.
-- Among several sites the last definition or import wins, then the parameter, then the assignments; the counts keep the rest.
WITH
-- A module that imports its own name from itself binds nothing new.
own_imports AS (
    SELECT i.file_id, i.ordinal
    FROM imports i
    JOIN modules m ON m.module_id = i.module_id
    WHERE i.imported_module = m.module AND i.imported_name = i.bound_name
),
marked AS (
    SELECT t.file_id, t.binding, t.kind, t.target, t.start_byte, o.file_id IS NOT NULL AS is_own
    FROM own_imports o
    RIGHT JOIN cst_binding_sites t ON o.file_id = t.file_id AND o.ordinal = t.target AND t.kind = 'import'
),
sites AS (
    SELECT
        file_id,
        binding,
        count(*) FILTER (WHERE kind = 'definition') AS n_definitions,
        count(*) FILTER (WHERE kind = 'import') AS n_imports,
        count(*) FILTER (WHERE is_own) AS n_own_imports,
        count(*) FILTER (WHERE kind = 'parameter') AS n_parameters,
        max(target) FILTER (WHERE kind = 'parameter') AS parameter
    FROM marked
    GROUP BY file_id, binding
),
last_sites AS (
    SELECT file_id, binding, kind, target
    FROM (
        SELECT
            file_id,
            binding,
            kind,
            target,
            -- By file, as in variables.
            row_number() OVER (PARTITION BY file_id ORDER BY binding, is_own, start_byte DESC, kind, target) AS place,
            rank() OVER (PARTITION BY file_id ORDER BY binding) AS first_place
        FROM marked
        WHERE kind IN ('definition', 'import')
    ) ranked
    WHERE place = first_place
)
SELECT
    b.file_id,
    b.path,
    b.ordinal,
    b.scope,
    s.kind AS scope_kind,
    CASE WHEN s.kind IN ('module', 'class', 'function') THEN s.owner_id END AS owner_id,
    b.name,
    m.module || '.' || b.qualname AS qualified_name,
    b.n_sites,
    CAST(coalesce(t.n_definitions, 0) AS INT) AS n_definitions,
    CAST(CASE WHEN t.n_definitions > 0 THEN t.n_imports - t.n_own_imports ELSE coalesce(t.n_imports, 0) END AS INT) AS n_imports,
    CAST(coalesce(t.n_parameters, 0) AS INT) AS n_parameters,
    b.n_other_sites,
    b.n_type_only_sites,
    CASE
        WHEN d.file_id IS NOT NULL THEN d.kind
        WHEN i.file_id IS NOT NULL THEN 'import'
        WHEN p.file_id IS NOT NULL THEN 'parameter'
        ELSE 'variable'
    END AS target_kind,
    CASE
        WHEN d.file_id IS NOT NULL THEN entity_id(d.file_id, d.qualname, d.kind, d.duplicate)
        WHEN i.file_id IS NOT NULL THEN occurrence_id(i.file_id, i.start_byte, i.end_byte, 'import', CAST(0 AS INT))
        WHEN p.file_id IS NOT NULL THEN p.parameter_id
        ELSE v.variable_id
    END AS target_id,
    CAST(coalesce(d.n_decorators, 0) AS INT) AS n_decorators,
    CASE WHEN p.position = 0 AND p.kind IN ('positional_only', 'positional_or_keyword') THEN s.class_id END AS receiver_class_id,
    b.start_byte,
    b.end_byte,
    b.start_line
FROM cst_bindings b
JOIN modules m ON m.file_id = b.file_id
JOIN scopes s ON s.file_id = b.file_id AND s.ordinal = b.scope
LEFT JOIN sites t ON t.file_id = b.file_id AND t.binding = b.ordinal
LEFT JOIN last_sites l ON l.file_id = b.file_id AND l.binding = b.ordinal
LEFT JOIN cst_defs d ON d.file_id = l.file_id AND d.ordinal = l.target AND l.kind = 'definition'
LEFT JOIN cst_imports i ON i.file_id = l.file_id AND i.ordinal = l.target AND l.kind = 'import'
LEFT JOIN parameters p ON p.file_id = t.file_id AND p.ordinal = t.parameter
LEFT JOIN variables v ON v.file_id = b.file_id AND v.ordinal = b.ordinal
