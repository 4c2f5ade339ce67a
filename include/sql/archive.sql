-- Months on their way into the vault, and back.

-- name: is_there
SELECT to_regclass('sluice_archive.month') IS NOT NULL AS there

-- name: list_gone
SELECT lower_bound, upper_bound FROM sluice_archive.month
WHERE (parent_schema, parent_name) = (%(schema)s, %(name)s) AND state = ANY (%(gone)s)

-- name: list_months
SELECT *, partition_oid::bigint AS oid, clock_timestamp() AS now FROM sluice_archive.month
WHERE (parent_schema, parent_name) = (%(parent_schema)s, %(parent_name)s) ORDER BY lower_bound, upper_bound

-- name: list_out_of_database
-- The months of which something is in the vault alone, of whatever table: also of one that has no file any more.
SELECT *, partition_oid::bigint AS oid, clock_timestamp() AS now FROM sluice_archive.month
WHERE state = 'dropped' OR state <> 'restored' AND supplement_of IS NOT NULL ORDER BY parent_schema, parent_name, lower_bound, upper_bound

-- name: add_month
INSERT INTO sluice_archive.month (parent_schema, parent_name, lower_bound, upper_bound, bounds, partition_schema, partition_name, partition_oid, state)
VALUES (%(parent_schema)s, %(parent_name)s, %(lower_bound)s, %(upper_bound)s, %(bounds)s, %(schema)s, %(name)s, %(oid)s::oid, 'eligible')
ON CONFLICT DO NOTHING

-- name: lock_month
-- One of us at a time for each month, while others are at other months of the same table.
SELECT pg_try_advisory_lock(hashtextextended('sluice.archive ' || %(month)s, 0)) AS held

-- name: unlock_month
SELECT pg_advisory_unlock(hashtextextended('sluice.archive ' || %(month)s, 0))

-- name: holds_lock
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted) AS held

-- name: hold_month
UPDATE sluice_archive.month SET held_because = %(because)s
WHERE (parent_schema, parent_name, lower_bound, upper_bound) = (%(parent_schema)s, %(parent_name)s, %(lower_bound)s, %(upper_bound)s)

-- name: move_month
UPDATE sluice_archive.month SET state = %(state)s {noted}
WHERE (parent_schema, parent_name, lower_bound, upper_bound) = (%(parent_schema)s, %(parent_name)s, %(lower_bound)s, %(upper_bound)s)
  AND state = %(was)s
RETURNING *, partition_oid::bigint AS oid, clock_timestamp() AS now

-- name: place_month
-- The same month, by the OID that its table has by now.
UPDATE sluice_archive.month SET partition_oid = %(oid)s::oid
WHERE (parent_schema, parent_name, lower_bound, upper_bound) = (%(parent_schema)s, %(parent_name)s, %(lower_bound)s, %(upper_bound)s)
  AND state = %(was)s
RETURNING *, partition_oid::bigint AS oid, clock_timestamp() AS now

-- name: note_export
, rows = %(rows)s, hash = %(hash)s, manifest = %(manifest)s, manifest_sha256 = %(sha256)s, manifest_version = %(version)s

-- name: note_reading
, rows_read = %(rows)s, hash_read = %(hash)s

-- name: note_cooling
, cooling = %(cooling)s

-- name: note_restoring
, partition_schema = %(schema)s, partition_name = %(name)s, partition_oid = %(oid)s::oid, expires_at = clock_timestamp() + %(lasts)s

-- name: note_gone
, note = %(note)s

-- name: note_late
-- What the month is from now on: the partition that holds its late rows.
, partition_schema = %(schema)s, partition_name = %(name)s, partition_oid = %(oid)s::oid, bounds = %(bounds)s

-- name: has_rows
SELECT EXISTS (SELECT FROM {partition}) AS found

-- name: detach_now
ALTER TABLE {parent} DETACH PARTITION {partition}

-- name: drop_emptied
DROP TABLE {emptied}

-- name: find_bounds_check
SELECT pg_get_partition_constraintdef(%(oid)s::oid) AS "check"

-- name: list_in_the_way
-- Who has used the table for long in one transaction: a detach would wait for it with the month in neither place.
SELECT coalesce(format('session %%s (%%s, since %%s)', l.pid, coalesce(nullif(a.application_name, ''), 'no name'), a.xact_start::timestamp(0)),
                'a prepared transaction') AS holder
FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.relation = %(parent)s::oid AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND coalesce(a.xact_start < clock_timestamp() - %(longest)s, true)
ORDER BY a.xact_start LIMIT 5

-- name: list_referring
SELECT conrelid::regclass::text AS "table", conname AS name FROM pg_constraint
WHERE contype = 'f' AND confrelid = %(parent)s::oid AND conparentid = 0 ORDER BY 1, 2

-- name: detach
ALTER TABLE {parent} DETACH PARTITION {partition} CONCURRENTLY

-- name: find_partition
-- Where a month is: itself by its OID, and what it belongs to.
SELECT n.nspname AS schema, c.relname AS name,
       (SELECT i.inhparent::bigint FROM pg_inherits i WHERE i.inhrelid = c.oid) AS parent
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %(oid)s::oid

-- name: find_by_name
SELECT c.oid::bigint AS oid, (SELECT i.inhparent::bigint FROM pg_inherits i WHERE i.inhrelid = c.oid) AS parent
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) = (%(schema)s, %(name)s) AND c.relkind IN ('r', 'p')

-- name: is_kept_within
-- Whether one check of a table speaks of both its bounds, as a detach leaves it.
SELECT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = %(oid)s::oid AND k.contype = 'c' AND NOT EXISTS
               (SELECT FROM unnest(%(edges)s::text[]) AS edge WHERE position(edge IN pg_get_constraintdef(k.oid)) = 0)) AS kept

-- name: find_session
SELECT current_user::text AS role, r.rolsuper OR r.rolbypassrls AS bypasses, current_setting('row_security') = 'off' AS refuses,
       current_setting('server_encoding') AS encoding
FROM pg_roles r WHERE r.rolname = current_user

-- name: let_use_schema
GRANT USAGE ON SCHEMA {schema} TO {role}

-- name: let_read
GRANT SELECT ON {partition} TO {role}

-- name: take_rights
REVOKE ALL ON {partition} FROM {role}

-- name: let_note
-- Not the holds, not which table it is, and no cooling: without one nothing is dropped.
GRANT SELECT, UPDATE (state, rows, hash, manifest, manifest_sha256, manifest_version, rows_read, hash_read)
ON sluice_archive.month TO {role}

-- name: let_count
GRANT EXECUTE ON FUNCTION sluice_archive.count_and_hash TO {role}

-- name: let_drop
GRANT EXECUTE ON FUNCTION sluice_archive.drop_month, sluice_archive.drop_copy TO {role}

-- name: begin_snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: lend_snapshot
SELECT pg_export_snapshot() AS name

-- name: take_snapshot
SET TRANSACTION SNAPSHOT {name}

-- name: pin_transaction
-- Names of types are written with their schemas, whatever the session's path, and quoted where they must be; NULL in an array is
-- read as it was written; and the vault may take longer than a session may idle.
SELECT set_config('search_path', 'pg_catalog', true), set_config('quote_all_identifiers', 'off', true),
       set_config('array_nulls', 'on', true), set_config('idle_in_transaction_session_timeout', '10min', true)

-- name: count_and_hash
SELECT rows, hash FROM sluice_archive.count_and_hash(%(oid)s::oid)

-- name: take_census
-- The bounds of what is there, and which columns hold nothing that a plain type would lose.
SELECT min({time})::text AS least, max({time})::text AS most, ARRAY[{plain}]::boolean[] AS plain FROM {partition} AS t

-- name: is_calm_time
coalesce(bool_and(isfinite({column}) AND {column} >= '0001-01-01' AND {column} < '10000-01-01'), true)

-- name: is_calm_number
coalesce(bool_and({column} <> 'NaN'), true)

-- name: count_tenants
-- Told apart and sorted by their bytes, as whoever reads the files does it.
SELECT ({tenant})::text COLLATE "C" AS tenant, count(*) AS rows FROM {partition} AS t GROUP BY 1 ORDER BY 1

-- name: list_collations
SELECT a.attname AS name, CASE WHEN a.attcollation <> t.typcollation THEN format('%%I.%%I', n.nspname, l.collname) END AS own
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_collation l ON l.oid = a.attcollation JOIN pg_namespace n ON n.oid = l.collnamespace
WHERE a.attrelid = %(oid)s::oid AND a.attnum > 0 AND NOT a.attisdropped

-- name: copy_out
-- Quoted and separated by what texts seldom hold: in JSON every other character would be doubled.
COPY (SELECT {texts} FROM {partition} AS t ORDER BY {keys})
TO STDOUT (FORMAT csv, DELIMITER {delimiter}, QUOTE {quote}, ENCODING 'UTF8')

-- name: copy_in
COPY {partition} ({columns}) FROM STDIN

-- name: drop_month
SELECT sluice_archive.drop_month(%(parent_schema)s, %(parent_name)s, %(lower_bound)s, %(upper_bound)s) AS told

-- name: act_as_ourselves
SET LOCAL ROLE NONE

-- name: create_month
CREATE TABLE {partition} ({parts})

-- name: list_sizes
-- What is in partitions and all below them, as the planner has it: no rows where one was never analyzed.
SELECT top.oid::bigint AS oid, CASE WHEN bool_and(c.reltuples >= 0) THEN sum(c.reltuples)::bigint END AS rows,
       sum(pg_total_relation_size(c.oid))::bigint AS bytes
FROM unnest(%(oids)s::oid[]) AS top (oid) CROSS JOIN LATERAL pg_partition_tree(top.oid) AS part JOIN pg_class c ON c.oid = part.relid
WHERE part.isleaf GROUP BY top.oid
