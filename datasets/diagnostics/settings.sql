-- Which engine settings were in force? One row a setting.
SELECT
    r.run_id AS run_id,
    CAST(row_number() OVER (ORDER BY s.name) - 1 AS INT) AS sequence,
    s.name AS name,
    s.value AS value
FROM params.p_run AS r
CROSS JOIN information_schema.df_settings AS s
