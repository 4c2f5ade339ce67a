-- A DynamoDB table's items as rows. Each row has _from (the item's key), _token (epoch#sequence, which sorts) and _deleted.

-- name: create_target
CREATE TABLE {target} ({columns}, _from text, _token text COLLATE "C", _deleted boolean NOT NULL DEFAULT false) {cut}

-- name: column
{name} {type}

-- name: set_tenant
ALTER TABLE {target} ALTER COLUMN {column} SET DEFAULT {value}, ALTER COLUMN {column} SET NOT NULL

-- name: create_marks_index
-- Few rows are in it: tombstones, what applications wrote themselves, and what lapsed.
CREATE INDEX {name} ON {target} (_deleted) WHERE _deleted OR _token IS NULL OR right(_token, 7) = '#lapsed'

-- name: create_tenant_policy
-- An unset tenant sees no row and writes none.
CREATE POLICY tenant_isolation ON {table}
    USING ({column} = NULLIF(current_setting('app.tenant_id', true), '')::{type})
    WITH CHECK ({column} = NULLIF(current_setting('app.tenant_id', true), '')::{type})

-- name: create_tombstone_policy
-- Until the cutover takes tombstones away, nobody is to meet one.
CREATE POLICY sluice_tombstones ON {table} AS RESTRICTIVE FOR SELECT USING (NOT _deleted)

-- name: find_schema_owner
SELECT pg_get_userbyid(nspowner) AS owner, pg_has_role(nspowner, 'MEMBER') AS ours FROM pg_namespace WHERE nspname = %(schema)s

-- name: act_as
-- What is made as the schema's owner is the owner's, with the grants that it gives by default.
SET LOCAL ROLE {owner}

-- name: act_as_ourselves
RESET ROLE

-- name: find_role
SELECT rolsuper OR rolbypassrls AS bypasses, has_database_privilege(current_database(), 'CREATE') AS may_create,
       coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %(schema)s), false) AS may_make
FROM pg_roles WHERE rolname = current_user

-- name: try_type
SELECT NULL::{type}

-- name: record_target
UPDATE sluice.migration SET target_oid = to_regclass(%(target)s)::oid, lower_bound = %(lower)s, upper_bound = %(upper)s,
       rows_estimated = %(rows)s, target_taken = %(taken)s
WHERE name = %(name)s

-- name: record_upper
UPDATE sluice.migration SET upper_bound = %(upper)s WHERE name = %(name)s

-- name: take_fingerprints
-- The source's is of its key and of the mapping: another one would make other rows.
UPDATE sluice.migration SET source_fingerprint = %(source)s, target_fingerprint = sluice.fingerprint(target_oid),
       target_parts = sluice.parts(target_oid)
WHERE name = %(name)s

-- name: stage
-- A page of wishes as rows: one text a column, its place on the page beside it.
unnest({arrays}, %(_from)s::text[], %(_token)s::text[], %(_deleted)s::boolean[]) WITH ORDINALITY AS p ({names}, _from, _token, _deleted, place)

-- name: write_rows
-- One statement for the stream and for the copy, whose tokens are the floor of their epoch: what is newer always wins, and a place
-- whose own item is gone is free for another one. Of any other unique key nothing is said: its conflict is an error.
INSERT INTO {target} AS t ({columns}, _from, _token, _deleted)
SELECT {values}, p._from, p._token, p._deleted FROM {stage}
ON CONFLICT ({key}) DO UPDATE SET {assignments}, _from = excluded._from, _token = excluded._token, _deleted = excluded._deleted
WHERE t._from = excluded._from AND t._token < excluded._token OR t._from IS DISTINCT FROM excluded._from AND t._deleted

-- name: find_tokens
SELECT t._from AS origin, t._token AS token FROM {stage} JOIN {target} AS t ON {same_key}
WHERE t._from = p._from AND t._token IS NOT NULL AND NOT t._deleted

-- name: lapse_rows
-- Their items have expired while the rows led: they stay, and the token says so. What was written again since has a younger one.
UPDATE {target} AS t SET _token = p._token FROM {stage} WHERE {same_key} AND t._from = p._from AND t._token < p._token AND NOT t._deleted

-- name: remove_lapsed
UPDATE {target} SET _deleted = true WHERE right(_token, 7) = '#lapsed' AND NOT _deleted

-- name: find_occupied
-- Wishes whose place another item's row has, or one that an application wrote.
SELECT p.place, CASE WHEN t._token IS NOT NULL THEN t._from END AS owner FROM {stage} JOIN {target} AS t ON {same_key}
WHERE NOT p._deleted AND NOT t._deleted AND (t._from IS DISTINCT FROM p._from OR t._token IS NULL)

-- name: note_quarantine
INSERT INTO sluice.quarantine AS q (migration, key, reason, image, token)
SELECT %(name)s, jsonb_build_array(origin), reason, image, token
FROM unnest(%(origins)s::text[], %(reasons)s::text[], %(images)s::text[], %(tokens)s::text[]) AS n (origin, reason, image, token)
ON CONFLICT (migration, key) DO UPDATE SET reason = excluded.reason, image = excluded.image, token = excluded.token, at = now()
WHERE q.token IS NULL OR q.token < excluded.token

-- name: heal
DELETE FROM sluice.quarantine q USING unnest(%(origins)s::text[], %(tokens)s::text[]) AS h (origin, token)
WHERE q.migration = %(name)s AND q.key = jsonb_build_array(h.origin) AND (q.token IS NULL OR q.token < h.token)

-- name: list_quarantined
SELECT key ->> 0 AS origin, token, reason FROM sluice.quarantine WHERE migration = %(name)s ORDER BY at LIMIT %(most)s

-- name: list_places
-- A stream keeps a day. From a position it says what was trimmed; from its oldest record on it says nothing.
SELECT shard, stream, position, done, position IS NULL AND read_at < now() - interval '23 hours' AS stale FROM sluice.place WHERE migration = %(name)s AND epoch = %(epoch)s

-- name: add_places
INSERT INTO sluice.place (migration, epoch, shard, stream)
SELECT %(name)s, %(epoch)s, shard, %(stream)s FROM unnest(%(shards)s::text[]) AS shard ON CONFLICT DO NOTHING

-- name: hold_place
-- Who else reads this shard waits here, and then finds it moved on.
SELECT position, done FROM sluice.place WHERE migration = %(name)s AND epoch = %(epoch)s AND shard = %(shard)s FOR UPDATE

-- name: move_place
UPDATE sluice.place SET position = %(position)s, done = %(done)s, read_at = now(), seen = seen + %(seen)s, written = written + %(written)s,
       older = older + %(older)s
WHERE migration = %(name)s AND epoch = %(epoch)s AND shard = %(shard)s

-- name: touch_place
-- Read, and nothing was there. Not at each look: a row that is written all the time has to be vacuumed.
UPDATE sluice.place SET read_at = now()
WHERE migration = %(name)s AND epoch = %(epoch)s AND shard = %(shard)s AND read_at < now() - interval '10 minutes'

-- name: carry_places
-- To the next epoch: the stream is read on where it was.
UPDATE sluice.place SET epoch = epoch + 1 WHERE migration = %(name)s AND epoch = %(epoch)s

-- name: begin_again
-- What is gone is done with; what was lost of a shard is passed over, to its oldest record.
UPDATE sluice.place SET stream = %(stream)s, position = CASE WHEN shard <> ALL (%(lost)s::text[]) THEN position END,
       done = done OR shard <> ALL (%(shards)s::text[]), read_at = now()
WHERE migration = %(name)s AND epoch = %(epoch)s

-- name: forget_places
DELETE FROM sluice.place WHERE migration = %(name)s

-- name: add_segments
-- In a shuffled order: neighbours would all be met at the same hot partition.
INSERT INTO sluice.chunk (migration, lo, hi)
SELECT %(name)s, segment::text, '' FROM generate_series(0, %(segments)s - 1) AS segment ORDER BY random()

-- name: claim_segment
-- For one page: the lock is the claim, and goes with a lane that dies. The segment that the lane was at comes first.
SELECT number, lo, hi FROM sluice.chunk WHERE migration = %(name)s AND done_at IS NULL
ORDER BY number <> %(last)s, number LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: move_segment
UPDATE sluice.chunk SET hi = %(position)s, lane = %(lane)s, rows_written = coalesce(rows_written, 0) + %(rows)s,
       rows_skipped = rows_skipped + %(skipped)s, seconds = coalesce(seconds, 0) + %(seconds)s, done_at = CASE WHEN %(done)s THEN clock_timestamp() END,
       copied_by = pg_current_xact_id()
WHERE migration = %(name)s AND number = %(number)s

-- name: count_segments
SELECT count(*) AS segments, coalesce(sum(rows_skipped), 0)::bigint AS skipped FROM sluice.chunk WHERE migration = %(name)s

-- name: sweep
-- After the copy of a later epoch: what it did not come by was deleted while nobody looked.
UPDATE {target} SET _deleted = true, _token = %(floor)s WHERE _token < %(floor)s AND NOT _deleted

-- name: count_extras
-- Attributes that no column takes, by name, the most frequent first.
SELECT name, count(*) AS rows FROM {target}, jsonb_object_keys({extra}) AS name WHERE NOT _deleted GROUP BY name ORDER BY 2 DESC, 1

-- name: compare_rows
-- To the bit: 1.0 is not 1.00 and 'a' not 'a '. Every wish has one form, so equal ones are equal here.
SELECT p.place, t._deleted IS NULL OR t._deleted AS missing, t._token IS NULL AND t._deleted IS NOT NULL AS taken,
       array_remove(ARRAY[{differences}], NULL) AS columns
FROM {stage} LEFT JOIN {target} AS t ON {same_key}
WHERE t._deleted IS DISTINCT FROM false OR t._from IS DISTINCT FROM p._from OR {differs}

-- name: difference
CASE WHEN {one} THEN {name} END

-- name: differs
record_send(ROW(t.{column})) IS DISTINCT FROM record_send(ROW(p.{column}::{type}))

-- name: create_seen
CREATE TEMPORARY TABLE sluice_seen AS SELECT {key} FROM {target} AS t LIMIT 0

-- name: add_seen
INSERT INTO pg_temp.sluice_seen SELECT {key_values} FROM {stage}

-- name: drop_seen
DROP TABLE IF EXISTS pg_temp.sluice_seen

-- name: find_orphans
-- Rows that no item of the scan led to.
SELECT t._from AS origin, ARRAY[{key_texts}] AS key FROM {target} AS t
WHERE NOT t._deleted AND {window} AND NOT EXISTS (SELECT FROM pg_temp.sluice_seen AS s WHERE {same_as_seen}) LIMIT %(most)s

-- name: everything
true

-- name: within
{column} >= %(lower)s AND {column} < %(upper)s

-- name: list_taken
SELECT origin FROM sluice.taken WHERE migration = %(name)s AND origin = ANY (%(origins)s::text[])

-- name: remove_tombstones
DELETE FROM {target} WHERE _deleted

-- name: count_written_since
SELECT (SELECT count(*) FROM {target} WHERE _token IS NULL) + (SELECT count(*) FROM sluice.taken WHERE migration = %(name)s) AS rows

-- name: forget_taken
DELETE FROM sluice.taken WHERE migration = %(name)s

-- name: watch_updates
CREATE TRIGGER "!sluice_taken" BEFORE UPDATE ON {target} FOR EACH ROW EXECUTE FUNCTION sluice.take_row({name})

-- name: watch_deletes
CREATE TRIGGER "!sluice_gone" AFTER DELETE ON {target} FOR EACH ROW EXECUTE FUNCTION sluice.take_row({name})

-- name: lock_rows
LOCK TABLE {target} IN ACCESS EXCLUSIVE MODE

-- name: stop_watching
DROP TRIGGER IF EXISTS "!sluice_taken" ON {target};
DROP TRIGGER IF EXISTS "!sluice_gone" ON {target}

-- name: drop_marks
DROP POLICY IF EXISTS sluice_tombstones ON {target};
ALTER TABLE {target} DROP COLUMN _from, DROP COLUMN _token, DROP COLUMN _deleted

-- name: clear_proof
-- At a step back nothing that was proven counts.
UPDATE sluice.migration SET verified_at = NULL, cut_over_at = NULL WHERE name = %(name)s

-- name: record_cut_over
UPDATE sluice.migration SET cut_over_at = clock_timestamp() WHERE name = %(name)s

-- name: find_live
-- Of some places, those where a row stands that is no item's by now.
SELECT p.place FROM {stage} JOIN {target} AS t ON {same_key}
WHERE NOT t._deleted AND NOT EXISTS (SELECT FROM pg_temp.sluice_seen AS s WHERE {same_as_seen})

-- name: which_quarantined
SELECT key ->> 0 AS origin FROM sluice.quarantine
WHERE migration = %(name)s AND key = ANY (SELECT jsonb_build_array(origin) FROM unnest(%(origins)s::text[]) AS origin)

-- name: read_route
SELECT read_from, write_to, epoch, lease_seconds, frozen_by, frozen_until, frozen_by IS NOT NULL AND frozen_until > clock_timestamp() AS held
FROM sluice.route WHERE migration = %(name)s

-- name: tell_route
INSERT INTO sluice.route AS r (migration, read_from, write_to, epoch, lease_seconds, frozen_by, frozen_until)
VALUES (%(name)s, %(read_from)s, %(write_to)s, %(epoch)s, %(lease)s, %(by)s, clock_timestamp() + make_interval(secs => %(seconds)s::float8))
ON CONFLICT (migration) DO UPDATE SET read_from = excluded.read_from, write_to = excluded.write_to, epoch = excluded.epoch,
    lease_seconds = excluded.lease_seconds, frozen_by = excluded.frozen_by, frozen_until = excluded.frozen_until, told_at = clock_timestamp()
RETURNING frozen_until

-- name: look_at_switch
SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid = m.target_oid AND tgname IN ('!sluice_taken', '!sluice_gone')) AS triggers,
       (SELECT count(*) FROM {target} WHERE _deleted) AS tombstones,
       (SELECT write_to FROM sluice.route r WHERE r.migration = m.name) AS write_to
FROM sluice.migration m WHERE m.name = %(name)s

-- name: count_seen
SELECT coalesce(sum(seen), 0)::bigint AS seen FROM sluice.place WHERE migration = %(name)s

-- name: forget_counts
-- From the cutover on what the old table's stream tells came past the route.
UPDATE sluice.place SET seen = 0, written = 0, older = 0 WHERE migration = %(name)s

-- name: count_places
SELECT count(*) AS places FROM sluice.place WHERE migration = %(name)s AND epoch = %(epoch)s

-- name: note_canaries
INSERT INTO sluice.canary (migration, name) SELECT %(name)s, unnest(%(names)s::text[]) ON CONFLICT DO NOTHING

-- name: list_canaries
SELECT name FROM sluice.canary WHERE migration = %(name)s AND starts_with(name, %(flight)s)

-- name: forget_canaries
DELETE FROM sluice.canary WHERE migration = %(name)s AND starts_with(name, %(flight)s)

-- name: look_at_end
-- What is left of us on the target, and where applications are told to write.
SELECT (SELECT count(*) FROM pg_attribute WHERE attrelid = m.target_oid AND attname IN ('_from', '_token', '_deleted')) AS columns,
       (SELECT count(*) FROM pg_trigger WHERE tgrelid = m.target_oid AND tgname LIKE '!sluice%%') AS triggers,
       (SELECT count(*) FROM pg_policy WHERE polrelid = m.target_oid AND polname = 'sluice_tombstones') AS policies,
       (SELECT write_to FROM sluice.route r WHERE r.migration = m.name) AS write_to
FROM sluice.migration m WHERE m.name = %(name)s

-- name: align_window
-- From where the first piece begins until the window's end.
SELECT lower::text, upper::text,
       ((extract(epoch FROM upper) - extract(epoch FROM lower)) / extract(epoch FROM ('1 ' || %(every)s)::interval))::float8 AS steps
FROM (SELECT date_trunc(%(every)s, %(lower)s::timestamptz AT TIME ZONE 'UTC') AS lower, %(upper)s::timestamptz AT TIME ZONE 'UTC' AS upper) AS window_

-- name: look_at_taken
SELECT pg_has_role(relowner, 'MEMBER') AS ours, pg_get_partkeydef(oid) AS cut, format('%%s (%%I)', %(how)s::text, %(column)s::text) AS wanted
FROM pg_class WHERE oid = %(oid)s::oid

-- name: has_rows
SELECT EXISTS (SELECT FROM {target}) AS filled

-- name: create_draft
CREATE TEMPORARY TABLE sluice_draft ({columns})

-- name: list_draft
SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
WHERE attrelid = 'pg_temp.sluice_draft'::regclass AND attnum > 0 ORDER BY attnum

-- name: add_marks
ALTER TABLE {target} ADD COLUMN _from text, ADD COLUMN _token text COLLATE "C", ADD COLUMN _deleted boolean NOT NULL DEFAULT false
