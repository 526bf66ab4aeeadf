-- Which files could a layer not read, and why?
SELECT path, layer, status, reason, start_byte
FROM file_layers_v1
WHERE status <> 'ok'
ORDER BY path, layer;
