-- Bring into a server's memory what its users read, before they come.

-- name: list_hot
-- Tables, partitions and indexes by how many blocks were asked for since the counters began.
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT pg_stat_get_blocks_fetched(c.oid) AS asked) AS s
WHERE c.relkind IN ('r', 'm', 'i') AND c.relpersistence = 'p' AND s.asked > 0
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^(pg_|sluice_safety$)'
ORDER BY s.asked DESC, 1, 2 LIMIT %(most)s

-- name: list_likely
-- Where nobody has counted: indexes before what they lead to, what was made last before what is old.
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'i') AND c.relpersistence = 'p'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^(pg_|sluice_safety$)'
ORDER BY c.relkind = 'i' DESC, c.oid DESC LIMIT %(most)s

-- name: find_memory
SELECT setting::bigint AS blocks FROM pg_settings WHERE name = 'shared_buffers'

-- name: make_extension
CREATE EXTENSION IF NOT EXISTS pg_prewarm

-- name: find_blocks
SELECT c.oid::bigint AS oid, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %(schema)s AND c.relname = %(name)s

-- name: warm_relation
-- The end of it where not all has room: there the newest rows are.
SELECT {prewarm}(%(oid)s::oid::regclass, 'buffer', 'main', %(first)s, %(last)s) AS blocks

-- name: find_prewarm
SELECT n.nspname AS schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_prewarm'
