-- Reading and writing the marks (schema sluice of the target's own database).

-- name: find_migration
SELECT *, clock_timestamp() AS now FROM sluice.migration WHERE name = %(name)s

-- name: create_migration
INSERT INTO sluice.migration (name, phase, source_name, target_name) VALUES (%(name)s, 'planned', %(source)s, %(target)s)
ON CONFLICT (name) DO NOTHING

-- name: take_fence
SELECT pg_advisory_xact_lock(sluice.fence(%(name)s))

-- name: share_fence
-- One round trip for a worker: the lock first, then (a later statement) the state under it.
SELECT pg_advisory_xact_lock_shared(sluice.fence(%(name)s))

-- name: take_every_fence
-- In one order, so that two of us do not wait for each other.
SELECT pg_advisory_xact_lock(sluice.fence(name)) FROM (SELECT name FROM sluice.migration ORDER BY name OFFSET 0) AS m

-- name: hold_fence
-- Shared, by the session: for work that cannot be done in one transaction.
SELECT pg_advisory_lock_shared(sluice.fence(%(name)s))

-- name: let_go_of_fence
SELECT pg_advisory_unlock_shared(sluice.fence(%(name)s))

-- name: are_there
SELECT to_regclass('sluice.migration') IS NOT NULL AS there

-- name: list_migrations_of
-- Those of a table, and of whatever stands above and below it. A planned one is known by its name: it may begin any moment.
WITH tree AS (
    SELECT unnest(sluice.parts(coalesce(pg_partition_root(c.oid), c.oid))) AS oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relname = %(table)s)
SELECT m.name, m.phase, m.source_name FROM sluice.migration m
WHERE m.source_oid IN (SELECT oid FROM tree) OR m.target_oid IN (SELECT oid FROM tree)
   OR m.phase = 'planned' AND m.source_name IN (
      SELECT concat_ws('.', n.nspname, c.relname) FROM tree JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace)
ORDER BY m.name

-- name: list_unknown
-- Releases that a newer version has brought meanwhile: whoever does not know them must not write.
SELECT version FROM sluice.release WHERE release_set = 'marks' AND version <> ALL (%(known)s)

-- name: read_under_fence
-- What a chunk must find unchanged: the rules, epoch, phase, both tables' identity and make, and until the cutover every
-- partition (afterwards they come and go with the months; the swap moves the phase first, so it is the moment that tells).
SELECT phase, epoch, source_oid::bigint AS source_oid, target_oid::bigint AS target_oid,
       source_filenode = pg_relation_filenode(source_oid) AS same_file,
       source_fingerprint = sluice.fingerprint(source_oid) AS same_source,
       target_fingerprint = sluice.fingerprint(target_oid)
           AND (cut_over_at IS NOT NULL OR target_parts <@ sluice.parts(target_oid)) AS same_target,
       ARRAY(SELECT version FROM sluice.release WHERE release_set = 'marks' AND version <> ALL (%(known)s)) AS unknown
FROM sluice.migration WHERE name = %(name)s

-- name: move_phase
UPDATE sluice.migration SET phase = %(to_phase)s, epoch = epoch + %(epochs)s, changed_at = clock_timestamp()
WHERE name = %(name)s AND phase = ANY (%(from_phases)s) RETURNING phase, epoch

-- name: set_tables
UPDATE sluice.migration SET source_oid = %(source_oid)s, target_oid = %(target_oid)s,
       source_filenode = pg_relation_filenode(%(source_oid)s::oid),
       lower_bound = %(lower)s, upper_bound = %(upper)s, rows_estimated = %(rows)s
WHERE name = %(name)s

-- name: turn_back
-- After cutting back: the months that there are partitions for by now, and columns that are made anew from the old ones. Nothing is
-- copied by pages any more: a file that was rewritten meanwhile will do.
UPDATE sluice.migration SET lower_bound = %(lower)s, upper_bound = %(upper)s, renewal_due = %(renewal_due)s,
       source_filenode = pg_relation_filenode(source_oid)
WHERE name = %(name)s

-- name: record_renewed
UPDATE sluice.migration SET renewal_due = false WHERE name = %(name)s AND epoch = %(epoch)s

-- name: take_fingerprints
UPDATE sluice.migration SET source_fingerprint = sluice.fingerprint(source_oid), target_fingerprint = sluice.fingerprint(target_oid),
       target_parts = sluice.parts(target_oid)
WHERE name = %(name)s

-- name: record_verified
-- As old as the oldest look that it trusts, and worth nothing once capture is another than it was then.
UPDATE sluice.migration SET verified_at = %(since)s, verified_under = %(under)s
WHERE name = %(name)s AND phase IN ('verified', 'shadowing') AND epoch = %(epoch)s

-- name: record_cut_over
-- Both tables are equal now, and follow each other under this capture.
UPDATE sluice.migration SET cut_over_at = clock_timestamp(), verified_under = sluice.capture_state(name) WHERE name = %(name)s

-- name: record_followed
-- The old table equals the new one again, under the capture that the comparison began with.
UPDATE sluice.migration SET verified_under = %(under)s WHERE name = %(name)s AND phase = 'cut_over' AND epoch = %(epoch)s

-- name: forget_proof
-- At a red diff, and when it was cut back. A cutover meanwhile is no proof, and is remembered.
UPDATE sluice.migration SET verified_at = NULL, cut_over_at = NULL WHERE name = %(name)s AND phase <> 'cut_over'

-- name: read_proof_age
SELECT untouched, untouched AND verified_at IS NOT NULL AND clock_timestamp() - verified_at <= %(freshness)s AS fresh,
       extract(epoch FROM clock_timestamp() - verified_at)::double precision AS seconds,
       upper_bound IS NULL OR upper_bound::timestamptz > clock_timestamp() + interval '1 month' AS covers
FROM sluice.migration, LATERAL (SELECT verified_under IS NOT DISTINCT FROM sluice.capture_state(name) AS untouched) AS capture
WHERE name = %(name)s

-- name: count_quarantined
-- How many rows the other table cannot hold, and the first few of them, with why.
SELECT count(*) AS rows,
       coalesce((SELECT string_agg(key::text || ': ' || reason, '; ' ORDER BY at)
                 FROM (SELECT key, reason, at FROM sluice.quarantine WHERE migration = %(name)s ORDER BY at LIMIT 5) AS first), '') AS samples
FROM sluice.quarantine WHERE migration = %(name)s

-- name: list_quarantined
SELECT key::text AS key, reason FROM sluice.quarantine WHERE migration = %(name)s ORDER BY at, key LIMIT %(most)s

-- name: count_chunks
SELECT count(*) AS chunks, count(done_at) AS done, coalesce(sum(rows_written), 0)::bigint AS rows,
       coalesce(extract(epoch FROM max(done_at) - min(done_at - seconds * interval '1 second')), 0)::double precision AS seconds
FROM sluice.chunk WHERE migration = %(name)s

-- name: read_last_copy
-- The last transaction that brought rows to the other table outside of their own writes. Once it is cut over, the copy is long done.
SELECT greatest((SELECT max(copied_by::text::bigint) FROM sluice.chunk WHERE migration = m.name AND m.cut_over_at IS NULL),
                (SELECT max(by::text::bigint) FROM sluice.released WHERE migration = m.name), 0) AS last_copy
FROM sluice.migration m WHERE name = %(name)s

-- name: forget_released
DELETE FROM sluice.released WHERE migration = %(name)s

-- name: count_pending
-- Everybody waits for this one, however many chunks there are: the pending ones are few, and have an index.
SELECT (SELECT count(*) FROM sluice.chunk WHERE migration = %(name)s AND done_at IS NULL) AS pending,
       EXISTS (SELECT FROM sluice.chunk WHERE migration = %(name)s) AS laid

-- name: plan_page_chunks
-- Half-open ranges of pages up to where the table ended when capture was on; what came later was captured.
INSERT INTO sluice.chunk (migration, lo, hi)
SELECT %(name)s, format('(%%s,0)', page), format('(%%s,0)', least(page + %(pages)s, greatest(%(last)s, 1)))
FROM generate_series(0, greatest(%(last)s, 1) - 1, %(pages)s) AS page

-- name: delete_chunks
DELETE FROM sluice.chunk WHERE migration = %(name)s

-- name: remember_filenode
UPDATE sluice.migration SET source_filenode = pg_relation_filenode(source_oid) WHERE name = %(name)s

-- name: claim_chunk
-- Skipping locked *chunks* leaves them to the lane that holds them; rows of the data are never skipped.
-- Behind the lane's last one: while anybody's snapshot is old, what is done stays in the index, and each claim would read all of it.
SELECT number, lo, hi FROM sluice.chunk
WHERE migration = %(name)s AND done_at IS NULL AND number > %(after)s
ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: check_off_chunk
UPDATE sluice.chunk SET done_at = clock_timestamp(), lane = %(lane)s, rows_written = %(rows)s, seconds = %(seconds)s,
       copied_by = pg_current_xact_id()
WHERE migration = %(name)s AND number = %(number)s

-- name: remember_repair
-- A filled hole is a copy too: the cutover waits for snapshots that are older than it.
UPDATE sluice.chunk SET copied_by = pg_current_xact_id()
WHERE migration = %(name)s AND number = (SELECT min(number) FROM sluice.chunk WHERE migration = %(name)s AND done_at IS NOT NULL)

-- name: read_chunk
SELECT lo, hi FROM sluice.chunk WHERE migration = %(name)s AND number = %(number)s AND done_at IS NULL FOR UPDATE

-- name: shorten_chunk
UPDATE sluice.chunk SET hi = %(middle)s WHERE migration = %(name)s AND number = %(number)s

-- name: postpone_chunk
-- A range of one page that somebody holds: to the end of the queue, so that the lanes get on with the others.
UPDATE sluice.chunk SET number = DEFAULT WHERE migration = %(name)s AND number = %(number)s

-- name: add_chunk
INSERT INTO sluice.chunk (migration, lo, hi) VALUES (%(name)s, %(lo)s, %(hi)s)

-- name: abort
SELECT sluice.abort(%(name)s) AS said

-- name: write_probe
INSERT INTO sluice.probe (migration, lane, at) VALUES (%(name)s, %(lane)s, clock_timestamp())
ON CONFLICT (migration, lane) DO UPDATE SET at = excluded.at

-- name: show_status
SELECT * FROM sluice.status ORDER BY migration

-- name: begin_comparison
SELECT phase, epoch, clock_timestamp() AS since, sluice.capture_state(name) AS under FROM sluice.migration WHERE name = %(name)s

-- name: remember_compared
-- `since` is a moment before the range was read, and what comes back is one before the next.
INSERT INTO sluice.compared (migration, epoch, after, until, rows, hash, at, under)
SELECT %(name)s, epoch, %(after)s, %(until)s, %(rows)s, %(hash)s, %(since)s, %(under)s FROM sluice.migration WHERE name = %(name)s
RETURNING clock_timestamp() AS now

-- name: list_compared
-- Of this epoch and phase, and fresh: a range that was equal is equal still while capture has been on without a break, which
-- is what `under` tells.
SELECT c.after, c.until, c.rows, c.hash, c.at FROM sluice.compared c JOIN sluice.migration m ON m.name = c.migration
WHERE c.migration = %(name)s AND c.epoch = m.epoch AND c.under = %(under)s AND c.at > greatest(m.changed_at, clock_timestamp() - %(freshness)s) ORDER BY c.place

-- name: forget_compared
DELETE FROM sluice.compared WHERE migration = %(name)s

-- name: vacuum_chunks
-- Each was checked off by an update: what is left of those would be walked through under the swap's locks.
VACUUM (ANALYZE) sluice.chunk

-- name: look_at
-- Where a migration stands, for who only looks: no fence is asked for, so what is read may be past in a moment.
SELECT m.phase, m.epoch, m.verified_at, m.cut_over_at, m.changed_at, coalesce(m.rows_estimated, 0) AS rows_estimated,
       c.chunks, c.done, c.rows, c.last_done, q.quarantined, q.quarantined_told,
       m.phase NOT IN ('planned', 'retired') AND (m.source_fingerprint <> sluice.fingerprint(m.source_oid)
           OR m.target_fingerprint <> sluice.fingerprint(m.target_oid)
           OR m.cut_over_at IS NULL AND NOT m.target_parts <@ sluice.parts(m.target_oid)) IS TRUE AS drifted,
       m.verified_under IS NOT DISTINCT FROM sluice.capture_state(m.name) AS untouched,
       CASE m.phase WHEN 'cut_over' THEN m.target_oid::bigint ELSE m.source_oid::bigint END AS live_oid
FROM sluice.migration m
LEFT JOIN LATERAL (
    SELECT count(*) AS chunks, count(done_at) AS done, coalesce(sum(rows_written), 0)::bigint AS rows, max(done_at) AS last_done
    FROM sluice.chunk WHERE migration = m.name) c ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS quarantined, coalesce((SELECT string_agg(key::text || ': ' || reason, '; ' ORDER BY at)
           FROM (SELECT key, reason, at FROM sluice.quarantine WHERE migration = m.name ORDER BY at LIMIT 5) AS first), '') AS quarantined_told
    FROM sluice.quarantine WHERE migration = m.name) q ON true
WHERE m.name = %(name)s
