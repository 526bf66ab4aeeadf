-- How much of the call graph is proved, and by which rules is the rest known?
SELECT status, rule, count(*) AS n_calls, round(avg(confidence), 3) AS confidence
FROM call_resolution
GROUP BY status, rule
ORDER BY n_calls DESC;
