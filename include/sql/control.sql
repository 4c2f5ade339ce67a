-- Reading and writing control (the ledger's own database).

-- name: record_transition
INSERT INTO control.transition (migration, step, from_phase, to_phase, epoch, run)
VALUES (%(migration)s, %(step)s, %(from_phase)s, %(to_phase)s, %(epoch)s, %(run)s)

-- name: find_phase
SELECT to_phase, epoch FROM control.transition WHERE migration = %(migration)s ORDER BY id DESC LIMIT 1

-- name: is_there
SELECT to_regclass('sluice.status') IS NOT NULL AS there

-- name: list_standing
-- Where each migration stands, and how many rows or items its last facts have in quarantine.
SELECT s.migration, s.phase, s.epoch, s.since, coalesce(f.quarantined, 0) AS quarantined, coalesce(s.last_gate, '') AS last_gate
FROM sluice.status AS s LEFT JOIN LATERAL (
    SELECT (facts ->> 'quarantined')::bigint AS quarantined FROM control.fact
    WHERE migration = s.migration AND facts ? 'quarantined' ORDER BY id DESC LIMIT 1
) AS f ON true
ORDER BY s.migration

-- name: list_standing_since
-- Migrations in one of some phases, with the moment at which they came into them from any other.
SELECT s.migration, min(t.at) AS since
FROM sluice.status AS s JOIN control.transition AS t USING (migration)
WHERE s.phase = ANY (%(phases)s) AND t.id > coalesce((
    SELECT max(o.id) FROM control.transition AS o WHERE o.migration = s.migration AND o.to_phase <> ALL (%(phases)s)), 0)
GROUP BY s.migration

-- name: record_facts
INSERT INTO control.fact (migration, gate, epoch, run, facts) VALUES (%(migration)s, %(gate)s, %(epoch)s, %(run)s, %(facts)s)

-- name: find_facts
SELECT facts, at, epoch, now() AS now FROM control.fact
WHERE migration = %(migration)s AND gate = %(gate)s AND (%(run)s::text IS NULL OR run = %(run)s) ORDER BY id DESC LIMIT 1

-- name: find_compared
-- The last that a run compared.
SELECT facts FROM control.fact
WHERE migration = %(migration)s AND run = %(run)s AND facts ? 'rows_compared' ORDER BY id DESC LIMIT 1

-- name: record_evidence
INSERT INTO control.evidence (migration, gate, epoch, run, passed, compared, key, sha256)
VALUES (%(migration)s, %(gate)s, %(epoch)s, %(run)s, %(passed)s, %(compared)s, %(key)s, %(sha256)s)

-- name: find_evidence
SELECT key, sha256, passed, compared, at, epoch FROM control.evidence
WHERE migration = %(migration)s AND gate = %(gate)s AND (%(run)s::text IS NULL OR run = %(run)s) ORDER BY id DESC LIMIT 1

-- name: record_question
INSERT INTO control.question (migration, action, run, about) VALUES (%(migration)s, %(action)s, %(run)s, %(about)s)

-- name: find_question
-- What was asked last in this run, and the last answer to that.
SELECT q.about, a.answer FROM control.question q LEFT JOIN control.approval a ON a.question = q.id
WHERE q.migration = %(migration)s AND q.action = %(action)s AND q.run = %(run)s ORDER BY q.id DESC, a.id DESC LIMIT 1

-- name: find_same_question
SELECT q.run, q.at, now() AS now, a.answer, a.by_whom, a.at AS answered_at
FROM control.question q LEFT JOIN control.approval a ON a.question = q.id
WHERE q.migration = %(migration)s AND q.action = %(action)s AND q.about = %(about)s AND q.run <> %(run)s
ORDER BY q.id DESC, a.id DESC LIMIT 1

-- name: record_approval
INSERT INTO control.approval (migration, action, epoch, run, answer, by_whom, question)
SELECT %(migration)s, %(action)s, %(epoch)s, %(run)s, %(answer)s, %(by_whom)s, max(id) FROM control.question
WHERE migration = %(migration)s AND action = %(action)s AND run = %(run)s

-- name: find_approval
SELECT answer, by_whom FROM control.approval
WHERE migration = %(migration)s AND action = %(action)s AND epoch = %(epoch)s AND run = %(run)s ORDER BY id DESC LIMIT 1

-- name: record_window
INSERT INTO control.backfill_window (migration, lower, upper, rows, hash, filled, run)
VALUES (%(migration)s, %(lower)s, %(upper)s, %(rows)s, %(hash)s, %(filled)s, %(run)s)

-- name: list_windows
-- The last time each window was filled, and what the time before gave.
SELECT DISTINCT ON (lower, upper) lower, upper, rows, hash, filled, run, at,
       lead(hash) OVER (PARTITION BY lower, upper ORDER BY id DESC) AS hash_before
FROM control.backfill_window WHERE migration = %(migration)s ORDER BY lower, upper, id DESC
