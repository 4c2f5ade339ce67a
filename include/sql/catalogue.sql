-- What PostgreSQL itself says about a table. Read only.

-- name: find_table
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relfilenode::bigint AS filenode,
       c.relpersistence AS persistence, c.relrowsecurity AS rls, c.relforcerowsecurity AS rls_forced,
       pg_get_userbyid(c.relowner) AS owner, c.relispartition AS is_partition, c.relreplident AS replica_identity,
       c.reloptions AS options, greatest(c.reltuples, 0)::bigint AS rows_estimated, c.reltuples < 0 AS never_counted,
       pg_relation_size(c.oid) AS heap_bytes, pg_total_relation_size(c.oid) AS total_bytes,
       pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
       EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid OR i.inhrelid = c.oid) AS inherits
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname = %(schema)s AND c.relname = %(name)s) OR c.oid = %(oid)s::oid

-- name: list_columns
SELECT a.attname AS name, a.attnum AS number, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS not_null,
       a.attidentity AS identity, a.attgenerated AS generated, pg_get_expr(d.adbin, d.adrelid) AS default,
       a.attcollation::bigint AS collation, coalesce(a.attacl::text, '') AS acl,
       -- Where the type's own `=` lives, unless it is one that every session knows.
       (SELECT n.nspname FROM pg_opclass oc JOIN pg_am am ON am.oid = oc.opcmethod
        JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
             AND ao.amopstrategy = CASE am.amname WHEN 'btree' THEN 3 ELSE 1 END
        JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
        WHERE oc.opcdefault AND am.amname IN ('btree', 'hash') AND n.nspname <> 'pg_catalog'
          AND oc.opcintype = coalesce(nullif(t.typbasetype, 0), t.oid) ORDER BY am.amname LIMIT 1) AS operators
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(oid)s::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: find_key
-- What tells rows apart, its columns in order: the primary key, else the narrowest unique index over columns that are never NULL.
SELECT c.relname AS name, i.indisprimary AS primary, NOT i.indimmediate AS deferrable,
       array_agg(a.attname::text ORDER BY k.place) AS columns
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = %(oid)s::oid AND k.place <= i.indnkeyatts AND i.indisunique AND i.indisvalid
  AND (i.indisprimary OR i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL)
GROUP BY c.relname, i.indexrelid, i.indisprimary, i.indimmediate
HAVING bool_and(a.attnotnull)
ORDER BY i.indisprimary DESC, count(*), c.relname LIMIT 1

-- name: list_indexes
-- `tail` is everything behind ` USING `: the definition without the names of index and table.
SELECT i.indexrelid::regclass::text AS index, c.relname AS name, i.indisunique AS unique, i.indisprimary AS primary,
       i.indisvalid AS valid, i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate AS plain,
       substr(pg_get_indexdef(i.indexrelid), 1 + length(
         'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(c.relname) || ' ON '
         || CASE WHEN t.relkind = 'p' THEN 'ONLY ' ELSE '' END || quote_ident(tn.nspname) || '.' || quote_ident(t.relname)
         || ' ')) AS tail,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)) AS columns,
       i.indisexclusion AS exclusion,
       (SELECT pg_get_constraintdef(x.oid) FROM pg_constraint x
        WHERE x.conindid = i.indexrelid AND x.conrelid = i.indrelid AND x.contype IN ('u', 'x')) AS constraint
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace tn ON tn.oid = t.relnamespace
WHERE i.indrelid = %(oid)s::oid
ORDER BY c.relname

-- name: list_policies
SELECT pol.polname AS name, pol.polpermissive AS permissive, pol.polcmd AS command,
       ARRAY(SELECT CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END FROM unnest(pol.polroles) r ORDER BY 1) AS roles,
       pg_get_expr(pol.polqual, pol.polrelid) AS using, pg_get_expr(pol.polwithcheck, pol.polrelid) AS with_check
FROM pg_policy pol WHERE pol.polrelid = %(oid)s::oid ORDER BY pol.polname

-- name: list_grants
-- Privileges on the table and on its columns (column is null for the table itself), without the owner's own.
SELECT CASE g.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(g.grantee) END AS grantee, g.privilege_type AS privilege,
       g.is_grantable AS grantable, NULL::text AS column
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g WHERE c.oid = %(oid)s::oid AND g.grantee <> c.relowner
UNION ALL
SELECT CASE g.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(g.grantee) END, g.privilege_type, g.is_grantable, a.attname
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN LATERAL aclexplode(a.attacl) g
WHERE c.oid = %(oid)s::oid AND g.grantee <> c.relowner AND NOT a.attisdropped
ORDER BY 1, 2, 4

-- name: list_checks
-- A NOT NULL is among them only where old rows may still break it (PostgreSQL 18 on).
SELECT con.conname AS name, pg_get_constraintdef(con.oid) AS definition
FROM pg_constraint con
WHERE con.conrelid = %(oid)s::oid AND (con.contype = 'c' OR con.contype = 'n' AND NOT con.convalidated) ORDER BY con.conname

-- name: list_publications
SELECT p.pubname AS name, p.puballtables AS all_tables
FROM pg_publication p
WHERE p.puballtables
   OR EXISTS (SELECT FROM pg_publication_rel pr WHERE pr.prpubid = p.oid AND pr.prrelid = %(oid)s::oid)
   OR EXISTS (SELECT FROM pg_publication_namespace pn JOIN pg_class c ON c.relnamespace = pn.pnnspid
              WHERE pn.pnpubid = p.oid AND c.oid = %(oid)s::oid)
ORDER BY 1

-- name: find_role
SELECT rolname AS name, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_sessions, rolsuper OR rolbypassrls AS bypasses_rls, current_setting('row_security') AS row_security,
       pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = %(oid)s::oid), 'MEMBER') AS owns,
       has_database_privilege(current_database(), 'CREATE') AS creates,
       has_schema_privilege((SELECT relnamespace FROM pg_class WHERE oid = %(oid)s::oid), 'CREATE') AS creates_in_schema
FROM pg_roles WHERE rolname = current_user

-- name: list_partitions
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds,
       c.relrowsecurity AS rls, c.relforcerowsecurity AS rls_forced
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = %(oid)s::oid ORDER BY c.relname
