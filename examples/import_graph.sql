-- Which modules of the repository does each module import?
SELECT DISTINCT m.module, d.module AS imports
FROM import_targets t
JOIN modules m ON m.module_id = t.module_id
JOIN import_steps s ON s.import_id = t.import_id
JOIN modules d ON d.module_id = coalesce(CASE WHEN t.target_kind = 'module' THEN t.target_id END, s.target_id)
WHERE d.module_id <> m.module_id
ORDER BY m.module, imports
LIMIT 20;
