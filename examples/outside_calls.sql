-- Which functions outside the repository are called most?
SELECT callee_qualified_name, rule, count(*) AS n_calls
FROM call_resolution
WHERE status = 'external' AND callee_id IS NOT NULL
GROUP BY callee_qualified_name, rule
ORDER BY n_calls DESC, callee_qualified_name
LIMIT 20;
