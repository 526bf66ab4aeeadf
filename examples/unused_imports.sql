-- Which imported names does their file not use? Packages are left out, since they import to re-export.
SELECT i.path, i.start_line, i.bound_name, t.target_name
FROM imports i
JOIN import_targets t ON t.import_id = i.import_id
JOIN modules m ON m.module_id = i.module_id
JOIN bindings b ON b.file_id = i.file_id AND b.scope = i.scope AND b.name = i.bound_name
LEFT JOIN reference_sites r ON r.file_id = b.file_id AND r.binding = b.ordinal
WHERE r.reference_id IS NULL AND NOT m.is_package
ORDER BY i.path, i.start_line
LIMIT 20;
