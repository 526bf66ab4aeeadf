-- Which rules decide in which model of stage graph? One row a model and rule.
SELECT
    v.dataset_name AS dataset_name,
    v.value AS rule,
    r.doc AS doc,
    r.confidence_1 AS confidence_1,
    r.confidence_2 AS confidence_2
FROM registry.column_values AS v
JOIN registry.datasets AS d ON d.schema_name = v.schema_name AND d.dataset_name = v.dataset_name
LEFT JOIN registry.rules AS r ON r.rule = v.value
WHERE v.path = 'rule' AND d.stage = 'graph'
