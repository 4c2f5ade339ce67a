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

-- name: list_last_evidence
-- The last record of a gate of each of many things: each is found by its key.
SELECT n.whose, n.gate, e.key, e.sha256, e.passed, e.at
FROM unnest(%(whose)s::text[], %(gates)s::text[]) AS n (whose, gate)
JOIN LATERAL (
    SELECT key, sha256, passed, at FROM control.evidence WHERE migration = n.whose AND gate = n.gate ORDER BY id DESC LIMIT 1
) AS e ON true
