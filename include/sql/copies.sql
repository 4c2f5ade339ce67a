-- Copies of archived months: made out of the vault, dropped when their time is over.

-- name: are_there
SELECT to_regclass('sluice_archive.copy') IS NOT NULL AS there

-- name: list_copies
-- Those whose table stands, or was not looked for since it went.
SELECT *, expires_at <= clock_timestamp() AS over, EXISTS (SELECT FROM pg_class WHERE oid = copy_oid) AS stands
FROM sluice_archive.copy WHERE dropped_at IS NULL ORDER BY id

-- name: list_missing_types
SELECT type FROM unnest(%(types)s::text[]) AS type WHERE to_regtype(type) IS NULL ORDER BY 1

-- name: name_copy
SELECT sluice_archive.name_copy(%(manifest)s) AS comment

-- name: add_copy
INSERT INTO sluice_archive.copy (copy_schema, copy_name, copy_oid, of_store, of_table, lower_bound, upper_bound, rows, hash, manifest,
                                 manifest_sha256, manifest_version, expires_at)
VALUES (%(schema)s, %(name)s, %(oid)s::oid, %(store)s, %(table)s, %(lower)s, %(upper)s, %(rows)s, %(hash)s, %(manifest)s,
        %(sha256)s, %(version)s, clock_timestamp() + %(lasts)s)

-- name: prolong_copy
UPDATE sluice_archive.copy SET expires_at = clock_timestamp() + %(lasts)s WHERE id = %(id)s

-- name: drop_copy
SELECT sluice_archive.drop_copy(%(id)s) AS told
