-- What does an edge say, in names? One row an edge with both its ends.
SELECT
    e.kind,
    s.kind AS src_kind,
    coalesce(s.qualified_name, s.name) AS src_name,
    d.kind AS dst_kind,
    coalesce(d.qualified_name, d.name) AS dst_name,
    e.rule,
    e.layers,
    e.status,
    e.confidence,
    e.n_candidates,
    coalesce(s.path, d.path) AS path,
    s.start_line,
    e.src,
    e.dst
FROM cpg_edges e
JOIN cpg_nodes s ON s.node_id = e.src
JOIN cpg_nodes d ON d.node_id = e.dst
