-- How many files does each layer of evidence have facts of?
SELECT layer, status, count(*) AS n_files, sum(n_facts) AS n_facts
FROM file_layers_v1
GROUP BY layer, status
ORDER BY layer, status;
