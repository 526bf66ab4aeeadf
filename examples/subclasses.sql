-- All classes below one class, near ones first.
SELECT c.qualified_name, a.distance, c.path, c.start_line
FROM class_ancestors a
JOIN classes c ON c.class_id = a.class_id
WHERE a.ancestor_qualified_name = 'django.db.models.fields.Field' AND a.distance > 0
ORDER BY a.distance, c.qualified_name
LIMIT 20;
