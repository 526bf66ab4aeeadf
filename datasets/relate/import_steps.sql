-- Where does each import point, one step far? One row an import.
-- A module of the importer's own source root goes before one of the same name elsewhere.
WITH wanted AS (
    SELECT
        import_id,
        file_id,
        module_id,
        source_root,
        imported_module,
        imported_name,
        CASE
            WHEN kind = 'import' AND asname IS NULL THEN split_part(imported_module, '.', 1)
            ELSE imported_module
        END AS wanted_module,
        level
    FROM imports
),
nearby AS (
    SELECT name, source_root, module_id
    FROM (
        SELECT
            name,
            source_root,
            module_id,
            row_number() OVER (PARTITION BY name, source_root ORDER BY rank, is_stub, path) AS place
        FROM module_names
    ) ranked
    WHERE place = 1
)
SELECT
    w.import_id,
    w.file_id,
    w.module_id,
    w.wanted_module,
    CASE
        WHEN n.module_id IS NULL AND g.target_id IS NULL THEN 'external'
        WHEN w.imported_name IS NOT NULL AND w.imported_name <> '*' THEN 'member'
        WHEN n.module_id IS NOT NULL THEN 'module'
        ELSE g.target_kind
    END AS step_kind,
    coalesce(n.module_id, g.target_id) AS target_id,
    w.imported_name AS member_name,
    CASE
        WHEN w.imported_name = '*' OR w.imported_name IS NULL THEN coalesce(w.wanted_module, '')
        ELSE coalesce(w.wanted_module || '.', repeat('.', CAST(w.level AS BIGINT))) || w.imported_name
    END AS written_name,
    CAST(CASE WHEN n.module_id IS NOT NULL THEN 1 ELSE coalesce(g.n_modules, 0) END AS INT) AS n_modules
FROM wanted w
LEFT JOIN nearby n ON n.name = w.wanted_module AND n.source_root = w.source_root
LEFT JOIN importable_names g ON g.name = w.wanted_module
