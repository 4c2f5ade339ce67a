-- Partitions that are made ahead: what is there, and what makes one more.

-- name: list_branches
-- A partitioned table and every partitioned one below it, from above. What leaves and was not let go counts: it is in the way.
WITH RECURSIVE branch AS (
    SELECT c.oid, 0 AS depth FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND c.relkind = 'p'
    UNION ALL
    SELECT c.oid, depth + 1 FROM branch JOIN pg_inherits i ON i.inhparent = branch.oid
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind = 'p')
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, p.partstrat::text AS how,
       ARRAY(SELECT coalesce(a.attname::text, '') FROM unnest(p.partattrs) WITH ORDINALITY AS k(number, place)
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number AND k.number > 0 ORDER BY place) AS columns,
       coalesce((SELECT format_type(a.atttypid, NULL) FROM pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0), '') AS type
FROM branch JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_partitioned_table p ON p.partrelid = c.oid
ORDER BY depth, n.nspname, c.relname

-- name: list_partitions
SELECT i.inhparent::bigint AS parent, c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name,
       pg_get_expr(c.relpartbound, c.oid) AS bounds, i.inhdetachpending AS leaving, c.reloptions AS options
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = ANY (%(oids)s::oid[]) ORDER BY n.nspname, c.relname

-- name: find_others_policy
-- The table of pg_partman that lists the tables it keeps, wherever it was installed.
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'part_config' AND c.relkind = 'r'
  AND 2 = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('parent_table', 'partition_interval'))

-- name: is_kept_by_another
SELECT EXISTS (SELECT FROM {config} WHERE parent_table = %(table)s) AS kept

-- name: lock_parent
-- One of us at a time for each table, whichever run or machine.
SELECT pg_try_advisory_lock(hashtext('sluice.partitions'), %(oid)s::bigint::oid::int) AS held

-- name: unlock_parent
SELECT pg_advisory_unlock(hashtext('sluice.partitions'), %(oid)s::bigint::oid::int)

-- name: find_stray_spans
-- Where a default partition holds rows.
SELECT DISTINCT date_trunc(%(every)s, {column} {zone}) AT TIME ZONE 'UTC' AS lower
FROM ONLY {partition} WHERE {column} IS NOT NULL AND isfinite({column}) ORDER BY 1 LIMIT %(most)s

-- name: find_stray_values
SELECT DISTINCT {column}::text AS value FROM ONLY {partition} WHERE {column} IS NOT NULL ORDER BY 1 LIMIT %(most)s

-- name: count_rows
SELECT count(*) AS rows FROM ONLY {partition}

-- name: finish_detach
ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE

-- name: act_as_owner
SET LOCAL ROLE {owner}

-- name: has_schema
SELECT to_regnamespace(quote_ident(%(schema)s)) IS NOT NULL AS there

-- name: create_partition
-- Made beside, attached then: PARTITION OF would lock out everybody who reads or writes the parent.
CREATE TABLE {partition} (LIKE {parent} INCLUDING ALL EXCLUDING IDENTITY) {cut}

-- name: cut_again
PARTITION BY {how} ({column})

-- name: attach
ALTER TABLE {parent} ATTACH PARTITION {partition} {bounds}

-- name: range_bounds
FOR VALUES FROM ({lower}) TO ({upper})

-- name: hash_bounds
FOR VALUES WITH (MODULUS {modulus}, REMAINDER {remainder})

-- name: list_bounds
FOR VALUES IN ({value})

-- name: hold_default
-- Who would write to the default partition waits; who writes elsewhere does not.
LOCK TABLE {partition} IN SHARE ROW EXCLUSIVE MODE

-- name: move_rows
WITH moved AS (DELETE FROM ONLY {source} WHERE {condition} RETURNING {columns})
INSERT INTO {partition} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM moved

-- name: within_range
{column} >= {lower} AND {column} < {upper}

-- name: within_list
{column} = {value}

-- name: set_options
ALTER TABLE {partition} SET ({options})

-- name: analyze
ANALYZE {table}

-- name: find_unlike
-- Where a partition is less closed than the table that it belongs to, or another's. Who may ask it directly is not its parent's rows'
-- only reader then. `cure` is the SQL that closes it: for a person to run, since who reads a partition directly sees less from then on.
WITH RECURSIVE tree AS (
    SELECT c.oid FROM pg_class c WHERE c.oid = %(oid)s::oid
    UNION ALL SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid),
part AS (SELECT c.* FROM tree JOIN pg_class c USING (oid) WHERE c.oid <> %(oid)s::oid),
whole AS (SELECT * FROM pg_class WHERE oid = %(oid)s::oid)
SELECT part.oid::regclass::text AS partition, what, cure FROM part, whole, LATERAL (
    SELECT 'row security is off' AS what, format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', part.oid::regclass) AS cure
        WHERE whole.relrowsecurity AND NOT part.relrowsecurity
    UNION ALL SELECT 'row security is not forced', format('ALTER TABLE %%s FORCE ROW LEVEL SECURITY', part.oid::regclass)
        WHERE whole.relforcerowsecurity AND NOT part.relforcerowsecurity
    UNION ALL SELECT 'it belongs to ' || pg_get_userbyid(part.relowner),
        format('ALTER TABLE %%s OWNER TO %%I', part.oid::regclass, pg_get_userbyid(whole.relowner)) WHERE part.relowner <> whole.relowner
    UNION ALL SELECT 'the policy ' || p.polname || ' is none of the table', format('DROP POLICY %%I ON %%s', p.polname, part.oid::regclass)
        FROM pg_policy p
        WHERE p.polrelid = part.oid AND p.polpermissive AND whole.relrowsecurity AND NOT EXISTS (
            SELECT FROM pg_policy w WHERE w.polrelid = whole.oid AND w.polcmd = p.polcmd AND w.polroles = p.polroles
              AND pg_get_expr(w.polqual, w.polrelid) IS NOT DISTINCT FROM pg_get_expr(p.polqual, p.polrelid)
              AND pg_get_expr(w.polwithcheck, w.polrelid) IS NOT DISTINCT FROM pg_get_expr(p.polwithcheck, p.polrelid))
    UNION ALL SELECT g.privilege_type || ' is granted to ' || coalesce(r.rolname, 'public'),
        format('REVOKE %%s ON %%s FROM %%s', g.privilege_type, part.oid::regclass, coalesce(quote_ident(r.rolname), 'PUBLIC'))
        FROM aclexplode(part.relacl) g LEFT JOIN pg_roles r ON r.oid = g.grantee
        WHERE g.grantee <> part.relowner AND NOT EXISTS (
            SELECT FROM aclexplode(whole.relacl) w WHERE w.grantee = g.grantee AND w.privilege_type = g.privilege_type)) AS seen
ORDER BY 1, 2

-- name: list_invalid_indexes
-- Of the table and of all below it. One of the table itself is invalid while a partition lacks its part of it.
WITH RECURSIVE tree AS (
    SELECT c.oid FROM pg_class c WHERE c.oid = %(oid)s::oid
    UNION ALL SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid)
SELECT x.indexrelid::regclass::text AS index FROM tree JOIN pg_index x ON x.indrelid = tree.oid
WHERE NOT x.indisvalid ORDER BY 1
