-- Which module is each file, and from which source root is it imported? One row a file.
-- A root given in params.p_source_roots wins, the longest first; else the root is the nearest directory above the file
-- that is no package (has no __init__.py or __init__.pyi), so `src` layouts need no word.
WITH RECURSIVE
files AS (
    SELECT
        file_id,
        path,
        kind = 'stub' AS is_stub,
        CASE WHEN strpos(path, '/') > 0 THEN regexp_replace(path, '/[^/]*$', '') ELSE '' END AS dir,
        regexp_replace(path, '^.*/', '') IN ('__init__.py', '__init__.pyi') AS is_package
    FROM repo_files_v1
    WHERE NOT ends_with(path, '/') -- a directory that could not be listed
),
inits AS (
    SELECT dir, file_id
    FROM (
        SELECT dir, file_id, row_number() OVER (PARTITION BY dir ORDER BY is_stub, path) AS rank
        FROM files
        WHERE is_package
    ) ranked
    WHERE rank = 1
),
climb AS (
    SELECT dir, dir AS above FROM (SELECT DISTINCT dir FROM files) dirs
    UNION
    SELECT
        c.dir,
        CASE WHEN strpos(c.above, '/') > 0 THEN regexp_replace(c.above, '/[^/]*$', '') ELSE '' END AS above
    FROM climb c
    JOIN inits i ON i.dir = c.above
    WHERE c.above <> ''
),
-- The directories climbed are prefixes of one another, so the smallest is the highest.
found_roots AS (
    SELECT dir, min(above) AS source_root FROM climb GROUP BY dir
),
given_roots AS (
    SELECT f.file_id, max(rtrim(r.source_root, '/')) AS source_root
    FROM files f
    JOIN params.p_source_roots r
        ON rtrim(r.source_root, '/') IN ('', '.') OR starts_with(f.path, rtrim(r.source_root, '/') || '/')
    GROUP BY f.file_id
),
rooted AS (
    SELECT
        f.file_id,
        f.path,
        f.is_stub,
        f.is_package,
        f.dir,
        CASE WHEN g.source_root = '.' THEN '' ELSE coalesce(g.source_root, r.source_root) END AS source_root,
        g.source_root IS NOT NULL AS is_given_root
    FROM files f
    JOIN found_roots r ON r.dir = f.dir
    LEFT JOIN given_roots g ON g.file_id = f.file_id
),
named AS (
    SELECT
        file_id,
        path,
        is_stub,
        is_package,
        dir,
        source_root,
        is_given_root,
        regexp_replace(
            replace(
                regexp_replace(
                    substr(path, CASE WHEN source_root = '' THEN 1 ELSE length(source_root) + 2 END),
                    '([^/])\.pyw?i?$', -- `.py` alone is a file that has no other name
                    '\1'
                ),
                '/', '.'
            ),
            '\.__init__$', ''
        ) AS module
    FROM rooted
)
SELECT
    entity_id(n.file_id, '', 'module', CAST(0 AS INT)) AS module_id,
    n.file_id,
    n.path,
    n.module,
    CASE
        WHEN n.is_package THEN n.module
        WHEN strpos(n.module, '.') > 0 THEN regexp_replace(n.module, '\.[^.]*$', '')
        ELSE ''
    END AS package,
    CASE WHEN p.file_id = n.file_id THEN NULL ELSE entity_id(p.file_id, '', 'module', CAST(0 AS INT)) END AS parent_module_id,
    n.is_package,
    n.is_stub,
    n.source_root,
    n.is_given_root
FROM named n
LEFT JOIN inits p
    ON p.dir = CASE
        WHEN NOT n.is_package THEN n.dir
        WHEN strpos(n.dir, '/') > 0 THEN regexp_replace(n.dir, '/[^/]*$', '')
        ELSE ''
    END
    AND n.module <> '__init__' AND strpos(n.module, '.') > 0
