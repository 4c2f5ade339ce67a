-- The demo: begin afresh, and read what happened out of the ledger.

-- name: list_strangers
-- What stands in the sample's schemas and is none of the sample's: somebody made it, and it would go with them.
SELECT concat_ws('.', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('app', 'app_partitions', 'sluice_attic') AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND c.relname !~ '^(user_sessions|audit_log)(_by_month)?(__old)?$'
ORDER BY 1

-- name: list_other_migrations
SELECT format('migration %%s (%%s)', name, phase) AS name FROM sluice.migration
WHERE name <> ALL (%(ours)s) AND phase <> 'planned' ORDER BY 1

-- name: clear_sample
-- Only the sample's own schemas; the marks of its migrations go with them.
DROP SCHEMA IF EXISTS app, app_partitions, sluice_attic, sluice CASCADE

-- name: find_sample
SELECT coalesce(array_agg(c.oid), '{{}}') AS oids FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('app', 'app_partitions', 'sluice_attic', 'sluice')

-- name: list_facts
SELECT migration, gate, run, facts FROM control.fact WHERE run = ANY (%(runs)s) ORDER BY id

-- name: list_evidence
SELECT migration, gate, run, passed, compared, key FROM control.evidence WHERE run = ANY (%(runs)s) ORDER BY id
