-- What does each name of a scope mean in the end, imports followed? One row a scope and name.
WITH bound AS (
    SELECT
        b.file_id,
        b.path,
        b.ordinal AS binding,
        b.name,
        CASE
            WHEN b.n_definitions > 1 AND b.n_imports = 0 THEN 'redefinition'
            WHEN b.n_definitions + b.n_imports > 1 THEN 'alternatives'
            WHEN b.n_definitions + b.n_imports = 1 AND b.n_sites > 1 THEN 'rebound'
            WHEN b.n_definitions = 1 THEN 'definition'
            WHEN b.n_imports = 1 THEN 'import'
            WHEN b.n_parameters > 0 THEN 'parameter'
            ELSE 'variable'
        END AS rule,
        CASE WHEN b.target_kind = 'import' THEN t.target_kind ELSE b.target_kind END AS target_kind,
        CASE WHEN b.target_kind = 'import' THEN t.target_id ELSE b.target_id END AS target_id,
        CASE WHEN b.target_kind = 'import' THEN t.target_name ELSE b.qualified_name END AS target_name,
        CASE WHEN b.n_decorators > 0 THEN 'inferred' ELSE coalesce(t.status, 'proved') END AS target_status,
        coalesce(t.n_candidates, 1) AS target_n_candidates,
        coalesce(t.n_steps, 0) AS n_steps,
        coalesce(t.via_star, false) AS via_star,
        b.n_definitions + b.n_imports AS n_sites,
        coalesce(s.is_single, true) AS is_single,
        b.receiver_class_id
    FROM bindings b
    LEFT JOIN import_targets t ON t.import_id = b.target_id AND b.target_kind = 'import'
    LEFT JOIN member_steps s ON s.owner_id = b.owner_id AND s.name = b.name -- names of modules alone
)
SELECT
    b.file_id,
    b.path,
    b.binding,
    CAST(b.rule AS VARCHAR) AS rule,
    b.target_kind,
    b.target_id,
    b.target_name,
    CASE
        WHEN b.rule IN ('redefinition', 'alternatives') THEN 'ambiguous'
        WHEN b.rule = 'rebound' AND b.target_status = 'proved' THEN 'inferred'
        WHEN b.rule IN ('definition', 'import') AND NOT b.is_single AND b.target_status = 'proved' THEN 'inferred'
        ELSE b.target_status
    END AS status,
    CAST(CASE WHEN b.rule IN ('redefinition', 'alternatives') THEN b.n_sites ELSE b.target_n_candidates END AS INT) AS n_candidates,
    CAST(b.n_steps AS INT) AS n_steps,
    b.via_star,
    b.receiver_class_id
FROM bound b
