-- All columns of every dataset.
SELECT table_schema, table_name, column_name, data_type, is_nullable
FROM information_schema.columns
WHERE table_catalog = 'codeintel' AND table_schema <> 'information_schema'
ORDER BY table_schema, table_name, ordinal_position;
