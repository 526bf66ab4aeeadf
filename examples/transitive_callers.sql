-- Who calls a function, directly or through others, by calls that are proved or inferred?
WITH RECURSIVE reached AS (
    SELECT c.caller_id, c.caller_qualified_name, 1 AS n_calls
    FROM call_resolution c
    WHERE c.callee_qualified_name = 'django.urls.resolvers.get_resolver' AND c.status IN ('proved', 'inferred')
    UNION
    SELECT c.caller_id, c.caller_qualified_name, r.n_calls + 1 AS n_calls
    FROM reached r
    JOIN call_resolution c ON c.callee_id = r.caller_id
    WHERE c.status IN ('proved', 'inferred') AND r.n_calls < 3
)
SELECT caller_qualified_name, min(n_calls) AS n_calls
FROM reached
GROUP BY caller_qualified_name
ORDER BY n_calls, caller_qualified_name
LIMIT 20;
