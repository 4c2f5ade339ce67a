-- Fill the target's holes.

-- name: limit_chunk
-- Whoever waits as long as deadlock_timeout looks for a deadlock, and is the one that PostgreSQL ends. A user who waits for a
-- chunk must never wait so long: the chunk gives up earlier, and is halved.
SELECT set_config('statement_timeout', (800 * extract(epoch FROM current_setting('deadlock_timeout')::interval))::int::text, true)

-- name: fill_chunk
-- The row lock makes "read, then write" one step against writers; NO KEY UPDATE leaves foreign keys alone. Without it,
-- rows that were deleted meanwhile come back. The live path always wins: DO NOTHING.
INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE
SELECT {expressions} FROM {source} AS s WHERE s.ctid >= %(lo)s::tid AND s.ctid < %(hi)s::tid AND {condition}
FOR NO KEY UPDATE
ON CONFLICT ({key}) DO NOTHING

-- name: renew_chunk
-- After cutting back: what the source's rows make, in place of what the application made meanwhile of the changed columns.
-- Under its lock a row of the source is the truth, and the trigger writes the same.
INSERT INTO {target} AS t ({columns}) OVERRIDING SYSTEM VALUE
SELECT {expressions} FROM {source} AS s WHERE s.ctid >= %(lo)s::tid AND s.ctid < %(hi)s::tid AND {fits}
FOR NO KEY UPDATE
ON CONFLICT ({key}) DO UPDATE SET {assignments} WHERE record_send(ROW({changed})) IS DISTINCT FROM record_send(ROW({renewed}))

-- name: window
{time} >= %(lower)s AND {time} < %(upper)s

-- name: everything
true

-- name: misfits
{condition} AND ({fits}) IS NOT TRUE

-- name: fitting
{condition} AND {fits}

-- name: quarantine_rows
-- Rows that came to lie outside the partitions after these were made. The cutover waits until somebody mends them.
INSERT INTO sluice.quarantine (migration, key, reason)
SELECT %(name)s, jsonb_build_array({key}), 'outside the partitions: ' || jsonb_build_array({reason})::text
FROM {source} AS s WHERE s.ctid >= %(lo)s::tid AND s.ctid < %(hi)s::tid AND {condition}
FOR NO KEY UPDATE
ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason

-- name: count_pages
SELECT pg_relation_size(%(oid)s::oid) / current_setting('block_size')::bigint AS pages, pg_table_size(%(oid)s::oid) AS bytes
