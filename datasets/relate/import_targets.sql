-- What does each import mean in the end? One row an import.
SELECT
    s.import_id,
    s.file_id,
    s.module_id,
    CASE
        WHEN s.step_kind <> 'member' THEN s.step_kind
        ELSE coalesce(r.target_kind, 'missing')
    END AS target_kind,
    CASE
        WHEN s.step_kind = 'external' OR (s.step_kind = 'member' AND r.target_id IS NULL)
            THEN entity_id(CAST(0 AS BIGINT), s.written_name, 'external', CAST(0 AS INT))
        WHEN s.step_kind <> 'member' THEN s.target_id
        ELSE r.target_id
    END AS target_id,
    CASE
        WHEN s.step_kind = 'module' THEN m.module
        WHEN s.step_kind = 'member' THEN coalesce(r.target_name, s.written_name)
        ELSE s.written_name
    END AS target_name,
    CASE
        WHEN s.step_kind = 'external' OR r.target_kind = 'external' THEN 'external'
        WHEN s.step_kind = 'member' AND (r.target_kind IS NULL OR r.target_kind = 'missing') THEN 'external'
        WHEN s.step_kind = 'member' AND r.n_candidates > 1 THEN 'ambiguous'
        WHEN s.n_modules > 1 OR s.is_assumed OR (s.step_kind = 'member' AND (r.via_star OR NOT r.is_certain)) THEN 'inferred'
        ELSE 'proved'
    END AS status,
    CAST(coalesce(r.n_steps, 0) + 1 AS INT) AS n_steps,
    coalesce(r.via_star, false) AS via_star,
    CAST(CASE WHEN s.step_kind = 'member' THEN coalesce(r.n_candidates, 1) ELSE 1 END AS INT) AS n_candidates
FROM import_steps s
LEFT JOIN member_resolution r ON r.owner_id = s.target_id AND r.name = s.member_name AND s.step_kind = 'member'
LEFT JOIN modules m ON m.module_id = s.target_id AND s.step_kind = 'module'
