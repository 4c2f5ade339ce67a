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
