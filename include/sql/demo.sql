-- The demo: begin afresh, and read what happened out of the ledger.

-- name: list_strangers
-- What stands in the sample's schemas and is none of the sample's: somebody made it, and it would go with them.
SELECT concat_ws('.', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('app', 'app_partitions', 'sluice_attic') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND c.relname !~ '^(user_sessions|audit_log)(_by_month)?(__old)?(_y[0-9]{{4}}m[0-9]{{2}})?$'
ORDER BY 1

-- name: list_other_migrations
SELECT format('migration %%s (%%s)', name, phase) AS name FROM sluice.migration
WHERE name <> ALL (%(ours)s) AND phase <> 'planned' ORDER BY 1

-- name: list_other_archives
SELECT DISTINCT format('the archive of %%s.%%s', parent_schema, parent_name) AS name FROM sluice_archive.month
WHERE (parent_schema, parent_name) <> ('app', 'audit_log') ORDER BY 1

-- name: clear_sample
-- Only the sample's own schemas; the marks of its migrations go with them, and what the archive knows of its months.
DROP SCHEMA IF EXISTS app, app_partitions, sluice_attic, sluice, sluice_archive CASCADE

-- name: find_sample
SELECT coalesce(array_agg(c.oid), '{{}}') AS oids FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('app', 'app_partitions', 'sluice_attic', 'sluice', 'sluice_archive')

-- name: list_facts
SELECT migration, gate, run, facts FROM control.fact WHERE run = ANY (%(runs)s) ORDER BY id

-- name: list_evidence
SELECT migration, gate, run, passed, compared, key FROM control.evidence WHERE run = ANY (%(runs)s) ORDER BY id

-- Upkeep ----------------------------------------------------------------------------------------------------------

-- name: find_size
SELECT pg_database_size(current_database()) AS bytes

-- name: drop_audit_log
DO $$ BEGIN SET LOCAL ROLE certify_owner; DROP TABLE app.audit_log; END $$

-- name: count_partitions
SELECT count(*) AS partitions FROM pg_inherits WHERE inhparent = 'app.audit_log'::regclass AND NOT inhdetachpending

-- name: list_archived
SELECT lower_bound, upper_bound, state, manifest FROM sluice_archive.status WHERE "table" = 'app.audit_log' ORDER BY lower_bound

-- name: weigh_month
-- Its rows and their content, by a hash that the archive knows nothing of and anybody can make of the vault's files.
SELECT count(*) AS rows, coalesce(sum(('x' || left(md5(concat_ws('|', id, tenant_id, entity_id, entity_type, action, coalesce(changes::text, '-'),
           performed_by, (extract(epoch FROM performed_at) * 1000000)::bigint)), 16))::bit(64)::bigint), 0)::text AS content
FROM {partition}

-- name: find_next_month
-- The oldest month that is in the table and does not leave it.
SELECT c.oid::bigint AS oid, c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'app.audit_log'::regclass AND NOT i.inhdetachpending ORDER BY c.relname LIMIT 1

-- name: is_leaving
-- Whether a month leaves its table just now, or has left it.
SELECT NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = %(oid)s AND NOT inhdetachpending) AS leaving

-- name: read_through_table
-- Through the table: what somebody's report of a month reads.
SELECT count(*) AS rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text AS whole
FROM app.audit_log AS t WHERE performed_at >= %(since)s AND performed_at < %(until)s

-- Insight ---------------------------------------------------------------------------------------------------------

-- name: clear_year
-- The stores that the demo made up, with all that was noted of them.
WITH old AS (SELECT id FROM insight.series WHERE store = ANY (%(stores)s)),
     days AS (DELETE FROM insight.day WHERE series IN (SELECT id FROM old)),
     hours AS (DELETE FROM insight.hour WHERE series IN (SELECT id FROM old)),
     samples AS (DELETE FROM insight.sample WHERE series IN (SELECT id FROM old)),
     counters AS (DELETE FROM insight.counter WHERE series IN (SELECT id FROM old)),
     forecasts AS (DELETE FROM insight.forecast WHERE series IN (SELECT id FROM old))
DELETE FROM insight.series WHERE id IN (SELECT id FROM old)
