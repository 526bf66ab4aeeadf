-- Which methods share a bare name, and in what order is a tie among them decided? One row a method.
SELECT
    CAST(row_number() OVER (ORDER BY f.qualified_name, f.path, f.start_byte) AS INT) AS place,
    f.name,
    f.function_id,
    f.qualified_name,
    f.module_id,
    m.package,
    split_part(m.module, '.', 1) AS top_package
FROM functions f
JOIN modules m ON m.module_id = f.module_id
WHERE f.class_id IS NOT NULL
