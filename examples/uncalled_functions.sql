-- Which functions does nothing call or mention, by any rule? Names are compared, so that of several definitions of one name none
-- is listed when any may be meant. Methods are left out: callers may know them by their name alone.
SELECT f.path, f.start_line, f.qualified_name
FROM functions f
LEFT JOIN call_resolution c ON c.callee_qualified_name = f.qualified_name
LEFT JOIN reference_resolution r ON r.target_qualified_name = f.qualified_name
WHERE c.call_id IS NULL AND r.reference_id IS NULL AND f.class_id IS NULL AND f.n_decorators = 0
ORDER BY f.path, f.start_line
LIMIT 20;
