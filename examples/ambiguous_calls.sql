-- Every call of a method named `filter`, with the number of methods that it could mean.
SELECT path, start_line, status, n_candidates, round(confidence, 2) AS confidence, callee_qualified_name AS winner
FROM call_resolution
WHERE callee_shape = 'attribute' AND callee_name = 'filter'
ORDER BY path, start_line
LIMIT 20;
