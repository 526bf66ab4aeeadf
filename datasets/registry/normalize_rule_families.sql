-- Which rules decide in which model of stage normalize? One row a model and rule.
-- What its models say is read off the text: those that count the origins of a row have it by the rule that cpg_edges looks
-- its confidence up by.
SELECT
    v.dataset_name AS dataset_name,
    v.rule AS rule,
    r.doc AS doc,
    r.confidence_1 AS confidence_1,
    r.confidence_2 AS confidence_2
FROM (
    SELECT c.schema_name, c.dataset_name, 'syntax' AS rule FROM registry.columns AS c WHERE c.path = 'n_origins'
    UNION ALL
    SELECT l.schema_name, l.dataset_name, l.value AS rule FROM registry.column_values AS l WHERE l.path = 'rule'
) AS v
JOIN registry.datasets AS d ON d.schema_name = v.schema_name AND d.dataset_name = v.dataset_name
LEFT JOIN registry.rules AS r ON r.rule = v.rule
WHERE d.stage = 'normalize'
