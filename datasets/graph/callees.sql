-- What does f call? One row a call; filter by caller_qualified_name.
SELECT
    caller_qualified_name,
    path,
    start_line,
    callee_name,
    callee_qualified_name,
    callee_kind,
    status,
    rule,
    confidence,
    n_candidates,
    layers,
    call_id,
    caller_id,
    callee_id,
    file_id,
    start_byte,
    end_byte
FROM call_resolution
