-- What did information_schema show to this run? One row a table, column, view, routine or setting.
WITH objects AS (
    SELECT
        'table' AS object_kind,
        t.table_schema || '.' || t.table_name AS object_name,
        t.table_type AS detail
    FROM information_schema.tables AS t
    WHERE t.table_catalog = 'codeintel'
    UNION ALL
    SELECT
        'column' AS object_kind,
        c.table_schema || '.' || c.table_name || '.' || c.column_name AS object_name,
        c.data_type || CASE c.is_nullable WHEN 'NO' THEN ' not null' ELSE '' END AS detail
    FROM information_schema.columns AS c
    WHERE c.table_catalog = 'codeintel'
    UNION ALL
    SELECT
        'view' AS object_kind,
        v.schema_name || '.' || v.dataset_name AS object_name,
        v.sql AS detail
    FROM registry.views AS v
    UNION ALL
    SELECT DISTINCT
        'routine' AS object_kind,
        f.routine_name || '(' || coalesce(f.syntax_example, '') || ')' AS object_name,
        coalesce(f.function_type, '') || ' ' || coalesce(f.data_type, '') AS detail
    FROM information_schema.routines AS f
    UNION ALL
    SELECT
        'setting' AS object_kind,
        s.name AS object_name,
        coalesce(s.value, '') AS detail
    FROM information_schema.df_settings AS s
)
SELECT
    r.run_id AS run_id,
    CAST(row_number() OVER (ORDER BY o.object_kind, o.object_name, o.detail) - 1 AS INT) AS sequence,
    o.object_kind AS object_kind,
    o.object_name AS object_name,
    o.detail AS detail
-- The one row first: the engine makes a batch of each row that is named first.
FROM params.p_run AS r
CROSS JOIN objects AS o
