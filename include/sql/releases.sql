-- Versioned releases of a schema: include/sql/schema/<set>/V1_0_0__name.sql.

-- name: take_lock
SELECT pg_advisory_xact_lock(hashtextextended('sluice:releases', 0))

-- name: create_schema
-- Our own schema, so that a role needs no right on public.
CREATE SCHEMA IF NOT EXISTS sluice

-- name: create_history
CREATE TABLE IF NOT EXISTS sluice.release (
    release_set text NOT NULL, version text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (release_set, version))

-- name: find_history
SELECT to_regclass('sluice.release') IS NOT NULL AS there

-- name: list_applied
SELECT version, checksum FROM sluice.release WHERE release_set = %(release_set)s

-- name: record_release
INSERT INTO sluice.release (release_set, version, checksum) VALUES (%(release_set)s, %(version)s, %(checksum)s)

-- name: list_described_columns
-- Every table and view of ours, a column a row, with what was said of them, and what a CHECK allows. Partitions are their parent's.
SELECT n.nspname AS schema, c.relname AS relation, c.relkind = 'v' AS is_view, obj_description(c.oid, 'pg_class') AS meaning,
       a.attname AS "column", format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS needed,
       col_description(c.oid, a.attnum) AS said,
       (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum] ORDER BY k.oid DESC LIMIT 1) AS allowed
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND n.nspname = ANY (%(schemas)s)
ORDER BY array_position(%(schemas)s, n.nspname::text), is_view, c.relname, a.attnum

-- name: list_described_functions
SELECT n.nspname AS schema, p.proname AS name, obj_description(p.oid, 'pg_proc') AS said
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY (%(schemas)s) AND obj_description(p.oid, 'pg_proc') IS NOT NULL
ORDER BY array_position(%(schemas)s, n.nspname::text), p.proname
