-- Which names does a module bind itself, and to what? One row a module and name.
SELECT
    b.owner_id AS module_id,
    b.name,
    b.file_id,
    b.ordinal AS binding,
    b.qualified_name,
    b.target_kind,
    b.target_id,
    b.n_sites,
    b.n_definitions,
    b.n_imports,
    b.n_decorators,
    b.start_byte
FROM bindings b
WHERE b.scope_kind = 'module'
