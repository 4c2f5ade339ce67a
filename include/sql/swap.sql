-- Cut over and cut back: one short transaction.

-- name: begin
BEGIN

-- name: set_lock_timeout
SELECT set_config('lock_timeout', %(milliseconds)s::text, true)

-- name: hurry
-- Until the transaction ends: the disk is waited for when the locks are free (wait_for_disk), and what is asked twice is planned
-- once.
SELECT set_config('synchronous_commit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)

-- name: limit_statement
-- A lock timeout counts for each lock anew: the tables and all their partitions together must not take longer than one.
SELECT set_config('statement_timeout', %(milliseconds)s::text, true)

-- name: lift_limit
SET LOCAL statement_timeout TO DEFAULT

-- name: commit
COMMIT

-- name: wait_for_disk
-- A commit of its own, behind the swap's in the log: when this one is on disk, and where standbys vouch for it on theirs, so is
-- the swap. Whoever commits meanwhile vouches for it in the same way.
SELECT pg_logical_emit_message(true, 'sluice', 'swapped')

-- name: read_clock
SELECT clock_timestamp() AS at

-- name: lock_tables
LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE

-- name: rename_table
ALTER TABLE {table} RENAME TO {name}

-- name: list_sequences
-- Sequences behind the table's columns. `internal` ones belong to an identity column and cannot be moved.
SELECT a.attname AS column, s.oid::bigint AS oid, s.oid::regclass::text AS sequence, d.deptype = 'i' AS internal
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s::oid AND d.deptype IN ('a', 'i')

-- name: list_narrow_sequences
-- Sequences of the live table that end where the old table's column did, though the column is wider now. A limit of a person's own stays.
SELECT s.oid::regclass::text AS sequence, format_type(a.atttypid, NULL) AS type,
       CASE WHEN q.seqincrement > 0 THEN 'NO MAXVALUE' ELSE 'NO MINVALUE' END AS limit
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_sequence q ON q.seqrelid = s.oid
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
JOIN pg_attribute o ON o.attrelid = %(source_oid)s::oid AND o.attname = a.attname AND NOT o.attisdropped
JOIN (VALUES ('smallint'::regtype, 32767), ('integer', 2147483647)) AS old (type, most) ON old.type = o.atttypid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(target_oid)s::oid
  AND d.deptype IN ('a', 'i') AND a.atttypid IN ('integer'::regtype, 'bigint'::regtype) AND a.atttypid <> o.atttypid
  AND CASE WHEN q.seqincrement > 0 THEN q.seqmax = old.most ELSE q.seqmin = -old.most - 1 END

-- name: widen_sequence
ALTER SEQUENCE {sequence} AS {type} {limit}

-- name: list_types
SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
WHERE attrelid = %(oid)s::oid AND attnum > 0 AND NOT attisdropped

-- name: push_sequence
-- Past everything that the other sequence may have handed out: its last value plus what sessions may hold in cache.
SELECT setval(%(to)s::regclass, last_value + CASE WHEN is_called THEN s.seqincrement * s.seqcache ELSE 0 END, {sequence}.is_called) AS value
FROM {sequence}, pg_sequence s WHERE s.seqrelid = %(from)s::regclass

-- name: own_sequence
ALTER SEQUENCE {sequence} OWNED BY {column}

-- name: is_behind
SELECT (o.last_value - s.last_value) * sign(i.seqincrement) > 0 AS behind
FROM {sequence} AS s, {other} AS o, pg_sequence AS i WHERE i.seqrelid = %(name)s::regclass

-- name: put_away
ALTER TABLE {table} SET SCHEMA {schema}

-- name: vacuum_table
VACUUM (ANALYZE) {table}

-- name: analyze_table
ANALYZE {table}

-- name: find_oid
SELECT %(name)s::text::regclass::oid::bigint AS oid
