-- Where does each import point, one step far? One row an import.
-- A module of the importer's own source root goes before one of the same name elsewhere. Of the other directories that names may
-- start in, the importer is sure to see the repository's root, those above it, the ones that the project declares, and src and lib.
WITH wanted AS (
    SELECT
        import_id,
        file_id,
        module_id,
        source_root,
        imported_module,
        imported_name,
        path,
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
),
-- The directory that a name starts in.
bases AS (
    SELECT n.name, n.module_id, n.base, max(r.source_root) IS NOT NULL AS is_declared
    FROM (
        SELECT
            name,
            module_id,
            CASE
                WHEN source_root = '' THEN ''
                WHEN rank = 0 THEN source_root
                ELSE rtrim(regexp_replace(source_root, '([^/]+/?){' || CAST(rank AS VARCHAR) || '}$', ''), '/')
            END AS base
        FROM module_names
    ) n
    LEFT JOIN params.p_source_roots r ON rtrim(r.source_root, '/') = n.base
    GROUP BY n.name, n.module_id, n.base
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
    CAST(CASE WHEN n.module_id IS NOT NULL THEN 1 ELSE coalesce(g.n_modules, 0) END AS INT) AS n_modules,
    n.module_id IS NULL
    AND b.base IS NOT NULL
    AND NOT b.is_declared
    AND b.base <> ''
    AND regexp_replace(b.base, '^.*/', '') NOT IN ('src', 'lib')
    AND NOT starts_with(w.path, b.base || '/') AS is_assumed
FROM wanted w
LEFT JOIN nearby n ON n.name = w.wanted_module AND n.source_root = w.source_root
LEFT JOIN importable_names g ON g.name = w.wanted_module
LEFT JOIN bases b ON b.name = g.name AND b.module_id = g.target_id
