-- What the pages show, read from the ledger alone.

-- name: list_verdicts
-- Each gate of each thing by day, UTC: how many were green and red, the record to look at (a red one before a green one), and the last.
SELECT migration AS whose, gate, (at AT TIME ZONE 'UTC')::date AS day,
       count(*) FILTER (WHERE passed) AS green, count(*) FILTER (WHERE NOT passed) AS red,
       (array_agg(key ORDER BY passed, id DESC))[1] AS key, (array_agg(sha256 ORDER BY passed, id DESC))[1] AS sha256,
       (array_agg(passed ORDER BY id DESC))[1] AS last_passed, max(at) AS last_at,
       (array_agg(compared ORDER BY id DESC))[1] AS last_compared,
       (array_agg(key ORDER BY id DESC))[1] AS last_key, (array_agg(sha256 ORDER BY id DESC))[1] AS last_sha256
FROM control.evidence WHERE at >= %(since)s::date AT TIME ZONE 'UTC'
GROUP BY migration, gate, (at AT TIME ZONE 'UTC')::date
ORDER BY migration, gate, day

-- name: list_told
-- Of each incident the channels that took a message of it, and those that did not take the last one, each with why.
SELECT m.incident, coalesce(array_agg(DISTINCT t.channel) FILTER (WHERE t.told_at IS NOT NULL), '{{}}') AS taken,
       coalesce(array_agg(DISTINCT t.channel || ' (' || t.failure || ')') FILTER (WHERE t.told_at IS NULL AND t.failure IS NOT NULL),
                '{{}}') AS refused
FROM insight.message AS m JOIN insight.telling AS t ON t.message = m.id
WHERE m.incident = ANY (%(incidents)s) GROUP BY m.incident

-- name: list_backup_runs
-- The runs that took each store's last backups. By the name of a store's backups, and what the step has measured.
SELECT w.whose, f.backup, f.run
FROM unnest(%(whose)s::text[]) AS w (whose) CROSS JOIN unnest(%(gates)s::text[]) AS g (gate)
CROSS JOIN LATERAL (
    SELECT facts ->> 'backup' AS backup, run FROM control.fact
    WHERE migration = w.whose AND gate = g.gate AND facts ? 'backup' ORDER BY id DESC LIMIT 40
) AS f

-- name: list_drill_runs
-- Of each certificate of the last weeks: the run that made it, and the gate's record of it.
SELECT f.facts ->> 'certificate' AS certificate, e.run, e.passed, e.key, e.sha256, e.at
FROM control.evidence AS e
CROSS JOIN LATERAL (
    SELECT facts FROM control.fact
    WHERE migration = e.migration AND gate = e.gate AND run = e.run ORDER BY id DESC LIMIT 1
) AS f
WHERE e.at >= %(since)s AND e.gate = ANY (%(gates)s) AND f.facts ? 'certificate'

-- name: find_last_evidence
SELECT passed, key, sha256, at FROM control.evidence WHERE migration = %(whose)s AND gate = %(gate)s ORDER BY id DESC LIMIT 1

-- name: list_last_evidence
-- The last record of a gate of each of many things: each is found by its key.
SELECT n.whose, n.gate, e.key, e.sha256, e.passed, e.at
FROM unnest(%(whose)s::text[], %(gates)s::text[]) AS n (whose, gate)
JOIN LATERAL (
    SELECT key, sha256, passed, at FROM control.evidence WHERE migration = n.whose AND gate = n.gate ORDER BY id DESC LIMIT 1
) AS e ON true
