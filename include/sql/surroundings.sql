-- What hangs on a table from outside, and what is done so that it hangs on the other one.

-- name: write_names_in_full
-- Until the transaction ends: a definition read now must mean the same wherever it is run.
SELECT set_config('search_path', '', true)

-- name: look_within
SELECT set_config('search_path', %(schemas)s, true)

-- name: list_things
-- One row each. `text` makes it again for the table that has the name by then, `state` and `timing` are what the text leaves
-- out, `body` is what a rehearsal tries, and `ours` is whether our role may do it at all.
WITH this AS (SELECT c.oid, c.reltype, t.typarray FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = %(oid)s::oid),
held AS (SELECT DISTINCT d.classid, d.objid FROM pg_depend d JOIN this ON d.refobjid = this.oid
         WHERE d.refclassid = 'pg_class'::regclass AND d.deptype = 'n')
SELECT 'view' AS what, c.oid::regclass::text AS name, c.oid::regclass::text AS holder, pg_get_userbyid(c.relowner) AS owner,
       format('CREATE OR REPLACE VIEW %%s%%s AS %%s', c.oid::regclass,
              (SELECT ' WITH (' || string_agg(format('%%s=%%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') || ')'
               FROM unnest(c.reloptions) AS o), pg_get_viewdef(c.oid)) AS text,
       '' AS state, '' AS timing, pg_get_viewdef(c.oid) AS body, pg_has_role(c.relowner, 'USAGE') AS ours
FROM held h JOIN pg_rewrite r ON h.classid = 'pg_rewrite'::regclass AND r.oid = h.objid AND r.rulename = '_RETURN'
JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
UNION ALL
SELECT 'function', p.oid::regprocedure::text, '', pg_get_userbyid(p.proowner), pg_get_functiondef(p.oid), '', '', '',
       pg_has_role(p.proowner, 'USAGE')
FROM held h JOIN pg_proc p ON h.classid = 'pg_proc'::regclass AND p.oid = h.objid AND p.prokind IN ('f', 'p')
UNION ALL
SELECT 'policy', format('%%I on %%s', p.polname, p.polrelid::regclass), p.polrelid::regclass::text, pg_get_userbyid(c.relowner),
       format('ALTER POLICY %%I ON %%s%%s%%s', p.polname, p.polrelid::regclass,
              ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
       '', '', concat_ws(' AND ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)), pg_has_role(c.relowner, 'USAGE')
FROM held h JOIN pg_policy p ON h.classid = 'pg_policy'::regclass AND p.oid = h.objid JOIN pg_class c ON c.oid = p.polrelid, this
WHERE p.polrelid <> this.oid
UNION ALL
SELECT 'trigger', t.tgname, '', '', pg_get_triggerdef(t.oid), t.tgenabled::text, '', pg_get_triggerdef(t.oid, true), true
FROM pg_trigger t JOIN this ON t.tgrelid = this.oid WHERE NOT t.tgisinternal AND t.tgname NOT LIKE '!sluice%%'
UNION ALL
-- Into the table, its own included, and out of it. The tail of the text is told apart: it changes with the table's part.
SELECT CASE WHEN k.confrelid = this.oid THEN 'key_in' ELSE 'key_out' END, k.conname, k.conrelid::regclass::text, pg_get_userbyid(c.relowner),
       regexp_replace(pg_get_constraintdef(k.oid), '( DEFERRABLE)?( INITIALLY DEFERRED)?( NOT VALID)?$', ''),
       CASE WHEN k.convalidated THEN 'valid' ELSE 'not valid' END,
       CASE WHEN k.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN 'DEFERRABLE INITIALLY IMMEDIATE' ELSE 'NOT DEFERRABLE' END,
       CASE WHEN k.conrelid = k.confrelid THEN 'itself' ELSE c.relkind::text END,
       CASE WHEN k.confrelid = this.oid THEN pg_has_role(c.relowner, 'USAGE') ELSE has_table_privilege(k.confrelid, 'REFERENCES') END
FROM this JOIN pg_constraint k ON this.oid IN (k.conrelid, k.confrelid) AND k.contype = 'f' AND k.conparentid = 0
JOIN pg_class c ON c.oid = k.conrelid
UNION ALL
SELECT 'publication', p.pubname, '', pg_get_userbyid(p.pubowner),
       concat((SELECT format(' (%%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)) FROM pg_attribute a
               WHERE a.attrelid = this.oid AND a.attnum = ANY (r.prattrs)),
              ' WHERE ' || pg_get_expr(r.prqual, r.prrelid)),
       CASE WHEN p.pubviaroot THEN 'via root' ELSE '' END, '', '', pg_has_role(p.pubowner, 'USAGE')
FROM this JOIN pg_publication_rel r ON r.prrelid = this.oid JOIN pg_publication p ON p.oid = r.prpubid
UNION ALL
-- What a subscription applies goes to the table by its name, and only where the subscription knows that table: after a swap, nowhere.
SELECT 'subscription', u.subname, '', pg_get_userbyid(u.subowner), '', '', '', '', pg_has_role(u.subowner, 'USAGE')
FROM this JOIN pg_subscription_rel r ON r.srrelid = this.oid JOIN pg_subscription u ON u.oid = r.srsubid
UNION ALL
-- Whatever else holds the table or its row type. Nobody here knows how to move it, so nobody tries.
SELECT 'left', CASE WHEN v.relkind = 'm' THEN 'materialized view ' || v.oid::regclass ELSE pg_describe_object(d.classid, d.objid, 0) END, '', '', '', '', '', '', true
FROM this JOIN pg_depend d ON d.deptype IN ('n', 'a')
          AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = this.oid OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (this.reltype, this.typarray))
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_class v ON v.oid = r.ev_class
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
WHERE CASE d.refclassid WHEN 'pg_type'::regclass THEN d.deptype = 'n'
      ELSE CASE d.classid WHEN 'pg_rewrite'::regclass THEN v.relkind <> 'v' OR r.rulename <> '_RETURN'
                          WHEN 'pg_constraint'::regclass THEN this.oid <> ALL (ARRAY[k.conrelid, k.confrelid])
                          WHEN 'pg_trigger'::regclass THEN t.tgrelid <> this.oid
                          WHEN 'pg_policy'::regclass THEN p.polrelid = this.oid
                               AND concat(p.polqual::text, p.polwithcheck::text) LIKE '%%:relid ' || this.oid || ' %%'
                          WHEN 'pg_proc'::regclass THEN false
                          ELSE d.deptype = 'n' AND NOT (d.classid = 'pg_class'::regclass AND d.objid = this.oid)
                               AND d.classid NOT IN ('pg_attrdef'::regclass, 'pg_publication_rel'::regclass) END END
GROUP BY d.classid, d.objid, v.relkind, v.oid
ORDER BY 1, 2, 3

-- name: list_readers_of_key
-- What groups by the primary key: it holds the key's own constraint.
SELECT DISTINCT coalesce(v.oid::regclass::text, pg_describe_object(d.classid, d.objid, 0)) AS name
FROM pg_constraint k JOIN pg_depend d ON d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid AND d.deptype = 'n'
LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
LEFT JOIN pg_class v ON v.oid = r.ev_class
WHERE k.conrelid = %(oid)s::oid AND k.contype IN ('p', 'u')
ORDER BY 1

-- name: list_keys
-- Every key that tells rows apart by plain columns; a foreign key may point at any of them.
SELECT ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) ORDER BY 1) AS columns, i.indisprimary AS primary
FROM pg_index i WHERE i.indrelid = %(oid)s::oid AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL

-- name: list_pointed_at
-- The columns of the table that foreign keys from other tables, or its own, point at.
SELECT k.conname AS name, k.conrelid::regclass::text AS holder,
       ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey) ORDER BY 1) AS columns
FROM pg_constraint k WHERE k.confrelid = %(oid)s::oid AND k.contype = 'f' AND k.conparentid = 0

-- name: list_deferrable
SELECT conname AS name FROM pg_constraint WHERE conrelid = %(oid)s::oid AND contype IN ('u', 'x') AND condeferrable

-- name: list_row_triggers
SELECT t.tgname AS name, p.prosrc AS source, t.tgtype & 2 = 2 AND t.tgtype & 20 > 0 AS before_write
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = %(oid)s::oid AND NOT t.tgisinternal AND t.tgtype & 1 = 1 AND t.tgname NOT LIKE '!sluice%%'
ORDER BY 1

-- name: list_taken
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %(schema)s AND c.relname = ANY (%(names)s)

-- name: list_named
-- What has a name of its own in the table's schema and belongs to the table: indexes, with their constraints, and identity sequences.
SELECT 'index' AS sort, c.relname AS name, i.indisprimary AS primary, '' AS column
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = %(oid)s::oid
UNION ALL
SELECT 'sequence', s.relname, false, a.attname
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s::oid AND d.deptype = 'i'
ORDER BY 1, 2

-- name: list_sequence_grants
-- On the identity sequences of the table, without their owner's own.
SELECT s.relname AS name, g.privilege_type AS privilege, g.is_grantable AS grantable,
       CASE g.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(g.grantee) END AS grantee
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' CROSS JOIN LATERAL aclexplode(s.relacl) g
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s::oid AND d.deptype = 'i'
  AND g.grantee <> s.relowner
ORDER BY 1, 2, 4

-- name: list_truncators
SELECT DISTINCT CASE g.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(g.grantee) END AS grantee
FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) g
WHERE c.oid = %(oid)s::oid AND g.privilege_type = 'TRUNCATE' AND g.grantee <> c.relowner

-- name: grant_truncate
GRANT TRUNCATE ON {table} TO {grantee}

-- name: list_parts
-- Partitions at every level.
SELECT n.nspname AS schema, c.relname AS name, c.oid::bigint AS oid, t.isleaf AS leaf
FROM pg_partition_tree(%(oid)s::oid::regclass) t JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.level > 0 ORDER BY 1, 2

-- name: find_foreign_key
SELECT convalidated AS valid FROM pg_constraint WHERE conrelid = %(oid)s::oid AND conname = %(name)s AND contype = 'f'

-- name: lock_view
-- It changes nothing and locks the view alone: LOCK TABLE would lock whatever the view reads as well.
ALTER VIEW {view} OWNER TO {owner}

-- name: add_foreign_key
ALTER TABLE {table} ADD CONSTRAINT {name} {text}

-- name: drop_foreign_key
ALTER TABLE {table} DROP CONSTRAINT {name}

-- name: validate_foreign_key
ALTER TABLE {table} VALIDATE CONSTRAINT {name}

-- name: time_foreign_key
ALTER TABLE {table} ALTER CONSTRAINT {name} {timing}

-- name: switch_trigger
ALTER TABLE {table} {switch} TRIGGER {name}

-- name: drop_trigger
DROP TRIGGER {name} ON {table}

-- name: publish
ALTER PUBLICATION {publication} ADD TABLE {table}{tail}

-- name: unpublish
ALTER PUBLICATION {publication} DROP TABLE {table}

-- name: rename_index
ALTER INDEX {thing} RENAME TO {name}

-- name: rename_sequence
ALTER SEQUENCE {thing} RENAME TO {name}

-- name: grant_sequence
GRANT {privilege} ON SEQUENCE {sequence} TO {grantee}

-- name: remember_carried
UPDATE sluice.migration SET carried = %(carried)s WHERE name = %(name)s

-- name: rehearse_view
CREATE VIEW {view} AS {body}

-- name: compare_columns
-- Columns of a view that would not be what they are: CREATE OR REPLACE must leave them alone.
SELECT a.attname AS column FROM pg_attribute a
LEFT JOIN pg_attribute b ON b.attrelid = %(rehearsed)s::text::regclass AND b.attnum = a.attnum AND b.attname = a.attname
     AND b.atttypid = a.atttypid AND b.atttypmod = a.atttypmod AND b.attcollation = a.attcollation
WHERE a.attrelid = %(view)s::text::regclass AND a.attnum > 0 AND b.attnum IS NULL
ORDER BY a.attnum

-- name: find_relation
SELECT to_regclass(%(name)s) IS NOT NULL AS found

-- name: rehearse_policy
SELECT FROM {table} WHERE {body} LIMIT 0

-- name: rehearse_referrer
CREATE TABLE {table} (LIKE {holder})

-- name: list_changed_key_columns
-- Columns of foreign keys out of the table that the target has not, or has of another type.
SELECT k.conname AS name, a.attname AS column
FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
WHERE k.conrelid = %(source)s::oid AND k.contype = 'f' AND k.conparentid = 0
  AND NOT EXISTS (SELECT FROM pg_attribute b WHERE b.attrelid = %(target)s::text::regclass AND b.attname = a.attname AND NOT b.attisdropped
                  AND b.atttypid = a.atttypid AND b.atttypmod = a.atttypmod)
ORDER BY 1, 2

-- name: hash_sample
-- Types without a form to send have no hash: seen here, not hours later.
SELECT count({hash}) AS rows FROM (SELECT * FROM {source} LIMIT 1000) AS t
