-- Under which dotted names is a definition known, its own and those of re-exports? One row a name and definition.
WITH owners AS (
    SELECT module_id, module FROM modules
),
names AS (
    SELECT qualified_name, function_id AS definition_id, 'function' AS kind, qualified_name AS defined_as FROM functions
    UNION
    SELECT qualified_name, class_id AS definition_id, 'class' AS kind, qualified_name AS defined_as FROM classes
    UNION
    SELECT qualified_name, variable_id AS definition_id, 'variable' AS kind, qualified_name AS defined_as
    FROM variables
    WHERE scope_kind IN ('module', 'class')
    UNION
    SELECT o.module || '.' || r.name AS qualified_name, r.target_id AS definition_id, r.target_kind AS kind, r.target_name AS defined_as
    FROM member_resolution r
    JOIN owners o ON o.module_id = r.owner_id
    WHERE r.target_kind IN ('function', 'class', 'variable', 'external')
)
SELECT
    qualified_name,
    definition_id,
    CAST(kind AS VARCHAR) AS kind,
    defined_as,
    qualified_name <> defined_as AS is_reexport
FROM names
