-- How fast a store answers: a few reads of its own, timed by the server itself.

-- name: time_read
-- By the server's clock: what lies between it and us counts for nothing.
EXPLAIN (ANALYZE, TIMING OFF, SUMMARY ON, FORMAT JSON) {read}

-- name: find_machine
SELECT current_setting('server_version_num')::int / 10000 AS version, name, setting FROM pg_settings
WHERE name IN ('shared_buffers', 'work_mem', 'random_page_cost', 'effective_cache_size', 'jit', 'max_parallel_workers_per_gather')
ORDER BY name

-- name: turn_wheel
-- Work for a processor alone: where it takes another time, it is another machine.
SELECT sum(hashint8(g)::bigint) FROM generate_series(1, 300000) AS g

-- name: list_largest
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^(pg_|sluice_safety$)'
ORDER BY (SELECT coalesce(sum(pg_relation_size(t.relid)), 0) FROM pg_partition_tree(c.oid) AS t) + pg_relation_size(c.oid) DESC, 1, 2
LIMIT %(most)s

-- name: list_sampled
-- Some keys from some pages, the same ones each time: not the whole table is read for them.
SELECT {key} AS key FROM {table} AS t TABLESAMPLE SYSTEM ({percent}) REPEATABLE (7) LIMIT %(most)s

-- name: look_keys_up
SELECT count(*) FROM {table} AS t WHERE {keys}

-- name: walk_key
SELECT count(*) FROM (SELECT {key} FROM {table} AS t ORDER BY {key} LIMIT 5000) AS walked

-- name: find_newest
SELECT n.nspname AS schema, c.relname AS name FROM pg_partition_tree(%(oid)s::oid) AS t
JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.isleaf AND pg_relation_size(c.oid) > 0 ORDER BY c.relname DESC LIMIT 1

-- name: count_rows
SELECT count(*) FROM {table}
