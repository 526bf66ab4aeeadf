-- Classes and their bases, also those of other modules.
SELECT class_qualified_name, position, base_qualified_name, base_kind, status, rule
FROM class_hierarchy
ORDER BY class_qualified_name, path, position
LIMIT 20;
