-- Which classes does a class inherit from, in the order in which attributes are looked up? One row a class and ancestor.
-- The order is depth first and left to right, keeping the last of equal ancestors, which is Python's but for contrived cases.
-- `way` is the positions taken, three digits each; of the ways of one length to an ancestor the last is kept, so the rows
-- stay few however bases are shared. Followed 32 steps, so cycles end.
WITH RECURSIVE
parents AS (
    SELECT class_id, base_id, base_kind, base_qualified_name, lpad(CAST(position AS VARCHAR), 3, '0') AS step
    FROM class_hierarchy
    WHERE base_kind IN ('class', 'external') AND base_id IS NOT NULL AND base_id <> class_id
),
climb AS (
    SELECT class_id, base_id AS ancestor_id, max(step) AS way, 1 AS distance
    FROM parents
    GROUP BY class_id, base_id
    UNION ALL
    SELECT c.class_id, p.base_id AS ancestor_id, max(c.way || p.step) AS way, max(c.distance) + 1 AS distance
    FROM climb c
    JOIN parents p ON p.class_id = c.ancestor_id
    WHERE c.distance < 32
    GROUP BY c.class_id, p.base_id
),
kept AS (
    SELECT class_id, ancestor_id, max(way) AS way, min(distance) AS distance
    FROM climb
    WHERE ancestor_id <> class_id
    GROUP BY class_id, ancestor_id
),
names AS (
    SELECT base_id, min(base_kind) AS base_kind, min(base_qualified_name) AS base_qualified_name
    FROM parents
    GROUP BY base_id
)
SELECT
    class_id,
    class_id AS ancestor_id,
    CAST('class' AS VARCHAR) AS ancestor_kind,
    qualified_name AS ancestor_qualified_name,
    CAST(0 AS INT) AS place,
    CAST(0 AS INT) AS distance
FROM classes
UNION ALL
SELECT
    k.class_id,
    k.ancestor_id,
    n.base_kind AS ancestor_kind,
    n.base_qualified_name AS ancestor_qualified_name,
    CAST(row_number() OVER (PARTITION BY k.class_id ORDER BY k.way, k.ancestor_id) AS INT) AS place,
    CAST(k.distance AS INT) AS distance
FROM kept k
JOIN names n ON n.base_id = k.ancestor_id
