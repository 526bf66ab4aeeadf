-- What does a file define, and which layers say so?
SELECT kind, qualified_name, start_line, layers
FROM cpg_nodes
WHERE path = 'django/urls/base.py' AND kind IN ('class', 'function')
ORDER BY start_byte;
