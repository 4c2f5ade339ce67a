-- The watch over the estate: its notes in the ledger's database, and what it asks a store that is in trouble.

-- name: lock_look
-- One look at a time: two would tell the same twice.
SELECT pg_advisory_xact_lock(hashtextextended('insight.incident', 0))

-- name: list_states
SELECT rule, store, metric, subject, phase, since, seen, streak, value, level FROM insight.rule_state

-- name: keep_states
INSERT INTO insight.rule_state AS s (rule, store, metric, subject, phase, since, seen, streak, value, level)
SELECT * FROM unnest(%(rules)s::text[], %(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[], %(phases)s::text[],
                     %(sinces)s::timestamptz[], %(seens)s::timestamptz[], %(streaks)s::int[], %(values)s::float8[],
                     %(levels)s::float8[])
ON CONFLICT (rule, store, metric, subject) DO UPDATE
SET phase = excluded.phase, since = excluded.since, seen = excluded.seen, streak = excluded.streak, value = excluded.value,
    level = excluded.level
WHERE (s.phase, s.since, s.seen, s.streak, s.value, s.level)
      IS DISTINCT FROM (excluded.phase, excluded.since, excluded.seen, excluded.streak, excluded.value, excluded.level)

-- name: forget_states
-- What is well again has no row.
DELETE FROM insight.rule_state AS s
WHERE NOT EXISTS (
    SELECT FROM unnest(%(rules)s::text[], %(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[])
                AS t (rule, store, metric, subject)
    WHERE (t.rule, t.store, t.metric, t.subject) = (s.rule, s.store, s.metric, s.subject)
)

-- name: list_incidents
SELECT id, store, cause, severity, opened, members, quiet, cleared, times, hushed, told, told_at, told_cleared, evidence,
       named
FROM insight.incident WHERE cleared IS NULL OR cleared > %(since)s ORDER BY id

-- name: find_next_incident
SELECT coalesce(max(id), 0) + 1 AS next FROM insight.incident

-- name: keep_incident
INSERT INTO insight.incident (id, store, cause, severity, opened, members, quiet, cleared, times, hushed, told, told_at,
                              told_cleared, evidence, named)
VALUES (%(id)s, %(store)s, %(cause)s, %(severity)s, %(opened)s, %(members)s, %(quiet)s, %(cleared)s, %(times)s, %(hushed)s,
        %(told)s, %(told_at)s, %(told_cleared)s, %(evidence)s, %(named)s)
ON CONFLICT (id) DO UPDATE
SET store = excluded.store, cause = excluded.cause, severity = excluded.severity, members = excluded.members,
    quiet = excluded.quiet, cleared = excluded.cleared, times = excluded.times, hushed = excluded.hushed, told = excluded.told,
    told_at = excluded.told_at, told_cleared = excluded.told_cleared, evidence = excluded.evidence,
    named = excluded.named

-- name: add_message
INSERT INTO insight.message (incident, kind, at, severity, subject, text, details)
VALUES (%(incident)s, %(kind)s, %(at)s, %(severity)s, %(subject)s, %(text)s, %(details)s)
ON CONFLICT DO NOTHING

-- name: meet_channel
INSERT INTO insight.channel (name) VALUES (%(channel)s) ON CONFLICT DO NOTHING

-- name: list_untold
-- That it is well is for whoever was told that it was not: by then it may be less urgent than what a channel asks for.
-- A channel that is new is told what came since, and of what is open the last that was said of the whole, with what joined then.
SELECT m.id, m.incident, m.kind, m.at, m.severity, m.subject, m.text, m.details
FROM insight.message AS m JOIN insight.channel AS c ON c.name = %(channel)s
WHERE (m.at > greatest(c.since, %(since)s)
       OR (c.since > %(since)s AND m.at <= c.since
           AND EXISTS (SELECT FROM insight.incident AS i WHERE i.id = m.incident AND i.cleared IS NULL)
           AND m.id >= (SELECT max(h.id) FROM insight.message AS h
                        WHERE h.incident = m.incident AND h.kind IN ('opened', 'back', 'worse', 'reminder') AND h.at <= c.since)))
  AND (m.severity = ANY (%(severities)s)
       OR (m.kind = 'cleared' AND EXISTS (SELECT FROM insight.message AS o JOIN insight.telling AS t ON t.message = o.id
                                          WHERE o.incident = m.incident AND t.channel = %(channel)s AND t.told_at IS NOT NULL)))
  AND NOT EXISTS (SELECT FROM insight.telling AS t
                  WHERE t.message = m.id AND t.channel = %(channel)s AND t.told_at IS NOT NULL)
ORDER BY m.id

-- name: note_told
INSERT INTO insight.telling AS t (message, channel, told_at, failure)
VALUES (%(message)s, %(channel)s, CASE WHEN %(failure)s::text IS NULL THEN clock_timestamp() END, %(failure)s)
ON CONFLICT (message, channel) DO UPDATE
SET told_at = coalesce(t.told_at, excluded.told_at), failure = excluded.failure, tries = t.tries + 1

-- name: forget_incidents
DELETE FROM insight.incident WHERE cleared < %(before)s

-- name: list_waits
-- Who waits for a lock, and whom for. pg_blocking_pids stops the lock manager for a moment, so it is asked of those who wait alone.
WITH waiting AS MATERIALIZED (
    SELECT pid, pg_blocking_pids(pid) AS blocked_by FROM pg_stat_activity WHERE wait_event_type = 'Lock'
), blocking AS MATERIALIZED (
    SELECT DISTINCT unnest(blocked_by) AS pid FROM waiting
)
SELECT a.pid, coalesce(a.usename, a.backend_type) AS role, a.application_name AS application, coalesce(a.state, '') AS state,
       coalesce(w.blocked_by, ARRAY[]::int[]) AS blocked_by, left(a.query, 1000) AS query,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_seconds,
       extract(epoch FROM clock_timestamp() - l.waitstart)::float8 AS waited_seconds, l.mode, l.locktype, l.relation
FROM pg_stat_activity AS a
LEFT JOIN waiting AS w USING (pid)
LEFT JOIN LATERAL (
    SELECT mode, locktype, waitstart,
           CASE WHEN database = (SELECT oid FROM pg_database WHERE datname = current_database())
                THEN relation::regclass::text END AS relation
    FROM pg_locks WHERE pid = a.pid AND NOT granted LIMIT 1
) AS l ON true
WHERE w.pid IS NOT NULL OR a.pid IN (SELECT pid FROM blocking)
ORDER BY a.xact_start, a.pid

-- name: list_prepared
-- Prepared transactions hold locks without a session: pg_blocking_pids calls each of them 0.
SELECT gid, owner, extract(epoch FROM clock_timestamp() - prepared)::float8 AS age_seconds
FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared

-- name: list_busy
-- Who is at work, or has been in a transaction for a while: beside this session.
SELECT pid, application_name AS application, state = 'active' AS active,
       coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8 AS statement_seconds,
       coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS transaction_seconds
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()

-- name: limit_question
SELECT set_config('statement_timeout', '5s', true), set_config('transaction_read_only', 'on', true)

-- name: ask_question
-- A person's own, of which a person's file is the author. It may give a row or many: up to 100, and one that says that there are more.
SELECT * FROM ({question}) AS asked LIMIT 101
