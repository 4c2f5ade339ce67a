-- Fill the target's holes.

-- name: limit_chunk
-- Whoever waits as long as deadlock_timeout looks for a deadlock, and is the one that PostgreSQL ends. A user who waits for a
-- chunk must never wait so long: the chunk gives up earlier, and is halved.
SELECT set_config('statement_timeout', (800 * extract(epoch FROM current_setting('deadlock_timeout')::interval))::int::text, true)

-- name: fill_chunk
-- The row lock makes "read, then write" one step against writers; NO KEY UPDATE leaves foreign keys alone. Without it,
-- rows that were deleted meanwhile come back. The live path always wins: DO NOTHING.
INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {expressions} FROM {source} AS s WHERE s.ctid >= %(lo)s::tid AND s.ctid < %(hi)s::tid AND {window}
FOR NO KEY UPDATE
ON CONFLICT ({key}) DO NOTHING

-- name: window
s.{column} >= %(lower)s AND s.{column} < %(upper)s

-- name: everything
true

-- name: count_pages
SELECT pg_relation_size(%(oid)s::oid) / current_setting('block_size')::bigint AS pages
