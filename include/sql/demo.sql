-- The demo: begin afresh, and read what happened out of the ledger.

-- name: clear_sample
-- Only the sample's own schemas; the marks of its migrations go with them.
DROP SCHEMA IF EXISTS app, app_partitions, sluice_attic, sluice CASCADE

-- name: list_facts
SELECT migration, gate, run, facts FROM control.fact WHERE run = ANY (%(runs)s) ORDER BY id

-- name: list_evidence
SELECT migration, gate, run, passed, compared, key FROM control.evidence WHERE run = ANY (%(runs)s) ORDER BY id
