-- What the ledger has of migrations, of DAGs, of runs and of tasks: for whoever looks back.

-- name: list_stood
-- Where each migration stood when a run last looked, since when, and by which step and run.
SELECT DISTINCT ON (migration) migration AS name, to_phase AS phase, epoch, step, run, at FROM control.transition
WHERE (%(names)s::text[] IS NULL OR migration = ANY (%(names)s)) ORDER BY migration, id DESC

-- name: list_last_verdicts
-- The last verdict of each gate of each name: one step into the index each, however long it has been judged.
SELECT n.name, e.gate, e.passed, e.compared, e.epoch, e.run, e.key, e.sha256, e.at
FROM unnest(%(names)s::text[]) AS n (name) CROSS JOIN unnest(%(gates)s::text[]) AS g (gate)
JOIN LATERAL (SELECT * FROM control.evidence WHERE migration = n.name AND gate = g.gate ORDER BY id DESC LIMIT 1) AS e ON true
ORDER BY n.name, e.at DESC

-- name: list_last_compared
-- The last that each gate's step compared, row by row.
SELECT n.name, f.gate, f.epoch, f.run, f.at, (f.facts ->> 'rows_compared')::bigint AS compared, (f.facts ->> 'rows_missing')::bigint AS missing,
       (f.facts ->> 'rows_extra')::bigint AS extra, (f.facts ->> 'rows_different')::bigint AS different,
       coalesce((f.facts ->> 'rows_not_copied_yet')::bigint, 0) AS not_copied
FROM unnest(%(names)s::text[]) AS n (name) CROSS JOIN unnest(%(gates)s::text[]) AS g (gate)
JOIN LATERAL (SELECT * FROM control.fact WHERE migration = n.name AND gate = g.gate ORDER BY id DESC LIMIT 1) AS f ON f.facts ? 'rows_compared'
ORDER BY n.name, f.at DESC

-- name: list_transitions
-- Of a migration, of a run, or of both; the youngest first.
SELECT migration AS whose, step, from_phase, to_phase, epoch, run, at FROM control.transition
WHERE (%(whose)s::text IS NULL OR migration = %(whose)s) AND (%(run)s::text IS NULL OR run = %(run)s)
ORDER BY id DESC LIMIT %(most)s

-- name: list_verdicts
-- As the steps; of a run those alone whose evidence begins so, as the id of a run is not its DAG's alone.
SELECT migration AS whose, gate, passed, compared, epoch, run, key, sha256, at FROM control.evidence
WHERE (%(whose)s::text IS NULL OR migration = %(whose)s) AND (%(run)s::text IS NULL OR run = %(run)s) AND starts_with(key, %(prefix)s)
ORDER BY id DESC LIMIT %(most)s

-- name: list_facts
SELECT migration AS whose, gate, epoch, run, facts, at FROM control.fact
WHERE run = %(run)s AND (%(whose)s::text IS NULL OR migration = %(whose)s) ORDER BY id DESC LIMIT %(most)s

-- name: list_answers
-- What people were asked, and what they said: a question without an answer, and an answer to a question that was not noted, too.
SELECT coalesce(q.migration, a.migration) AS whose, coalesce(q.action, a.action) AS action, coalesce(q.run, a.run) AS run,
       q.at AS asked_at, a.answer, a.by_whom, a.at AS answered_at
FROM control.question AS q FULL JOIN control.approval AS a ON a.question = q.id
WHERE (%(whose)s::text IS NULL OR coalesce(q.migration, a.migration) = %(whose)s)
  AND (%(run)s::text IS NULL OR coalesce(q.run, a.run) = %(run)s)
ORDER BY coalesce(a.at, q.at) DESC LIMIT %(most)s

-- name: list_judged
-- The last verdict of each gate whose evidence a DAG has kept, not older than that.
SELECT DISTINCT ON (migration, gate) migration AS whose, gate, passed, compared, epoch, run, key, sha256, at FROM control.evidence
WHERE at >= %(since)s AND starts_with(key, %(prefix)s) ORDER BY migration, gate, id DESC
