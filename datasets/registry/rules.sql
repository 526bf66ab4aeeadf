-- What rules of evidence are there, and how far is each trusted? One row a rule.
SELECT
    c.rule AS rule,
    min(c.meaning) AS doc,
    max(c.confidence) FILTER (WHERE c.n_origins = 1) AS confidence_1,
    max(c.confidence) FILTER (WHERE c.n_origins = 2) AS confidence_2
FROM public.rule_confidence AS c
GROUP BY c.rule
