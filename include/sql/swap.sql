-- Cut over and cut back: one short transaction.

-- name: set_lock_timeout
SELECT set_config('lock_timeout', %(milliseconds)s::text, true)

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
