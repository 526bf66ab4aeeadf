-- What kinds of edges does the property graph have? One row a kind.
SELECT
    v.value AS kind,
    v.doc AS doc
FROM registry.column_values AS v
WHERE v.schema_name = 'public' AND v.dataset_name = 'cpg_edges' AND v.path = 'kind'
