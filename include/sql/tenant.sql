-- The rows of one tenant: as they were in a copy, held against what they are now.

-- name: list_tables
-- Tables, and partitioned ones as a whole. `policies`: each column that a policy of the table reads, with the settings of the
-- session that this policy asks for: by both, tenants are told apart.
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped) AS has,
       (SELECT coalesce(json_agg(json_build_object('column', a.attname, 'settings', s.settings)), '[]')
        FROM pg_policy p
        CROSS JOIN LATERAL (SELECT ARRAY(SELECT m[1] FROM regexp_matches(
            concat(pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)), 'current_setting\(''([^'']+)''', 'g') AS m)) AS s(settings)
        JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
        WHERE p.polrelid = c.oid AND d.refobjsubid > 0) AS policies
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^(pg_|sluice_safety$)'
ORDER BY 2, 3

-- name: list_references
SELECT DISTINCT conrelid::bigint AS child, confrelid::bigint AS parent FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND conrelid <> confrelid ORDER BY 1, 2

-- name: hash_rows
-- By their text, which is the same in a copy whose types were made anew.
SELECT {key} AS key, hashtextextended(ROW({columns})::text, 0) AS hash FROM {table} AS t WHERE t.{tenant} = %(value)s

-- name: read_rows
SELECT {key} AS key, {columns} AS values FROM {table} AS t WHERE t.{tenant} = %(value)s

-- name: open_script
-- Whoever runs it reads it first. It must not be filtered (BYPASSRLS), and texts mean what they meant when they were compared.
BEGIN;
SET LOCAL row_security = off;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex';
SET LOCAL standard_conforming_strings = on;

-- name: put_rows
INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE VALUES
  {rows}
ON CONFLICT DO NOTHING;

-- name: put_row
-- Only while it is what it was when it was compared.
UPDATE {table} AS t SET {values} WHERE {key} AND hashtextextended(ROW({columns})::text, 0) = {hash};

-- name: close_script
COMMIT;
