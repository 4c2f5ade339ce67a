-- What benchmarks ask for: the server's own limits, and writes without an application around them.

-- name: vacuum_source
VACUUM (ANALYZE) app.user_sessions

-- name: vacuum_everything
VACUUM (ANALYZE)

-- name: checkpoint
CHECKPOINT

-- name: list_columns
SELECT attname AS name FROM pg_attribute
WHERE attrelid = %(table)s::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum

-- name: copy_at_once
INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {source}

-- name: switch_capture
ALTER TABLE {table} {turn} TRIGGER "!sluice_capture"

-- name: write_session
-- For pgbench: of ten writes six change a row, one of them its month, three are new and one deletes.
\set id random(1, :rows)
\set kind random(1, 10)
\if :kind <= 5
UPDATE app.user_sessions SET score = score + 1, ended_at = now() WHERE id = :id;
\elif :kind = 6
UPDATE app.user_sessions SET started_at = started_at - interval '31 days' WHERE id = :id AND started_at > now() - interval '300 days';
\elif :kind <= 9
INSERT INTO app.user_sessions (tenant_id, user_id, started_at, note) VALUES ('tenant-001', gen_random_uuid(), now(), 'signed in by link');
\else
DELETE FROM app.user_sessions WHERE id = :id;
\endif

-- name: hash_table
SELECT count(*), sum({hash}) FROM {table} AS t

-- name: spoil_rows
-- So many rows, spread evenly over the keys.
UPDATE {target} SET note = 'spoilt ' || coalesce(note, '')
WHERE id %% greatest((SELECT max(id) FROM {target}) / %(rows)s, 1) = 0 AND id <= %(rows)s * greatest((SELECT max(id) FROM {target}) / %(rows)s, 1)

-- name: mend_rows
UPDATE {target} SET note = nullif(substr(note, 8), '') WHERE note LIKE 'spoilt %%'
