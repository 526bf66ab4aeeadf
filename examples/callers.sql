-- Who calls a function? Any dotted name of it will do, a re-export's too: this one is defined as django.urls.base.reverse.
SELECT path, start_line, caller_qualified_name, status, rule, confidence
FROM callers
WHERE callee_qualified_name = 'django.urls.reverse'
ORDER BY path, start_line
LIMIT 20;
