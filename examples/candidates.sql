-- Which definitions could those calls mean?
SELECT candidate_qualified_name, count(*) AS n_calls, count(*) FILTER (WHERE is_winner) AS n_won
FROM call_candidates
WHERE callee_name = 'filter'
GROUP BY candidate_qualified_name
ORDER BY n_won DESC, candidate_qualified_name;
