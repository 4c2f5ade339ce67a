-- What dashboards ask of the ledger's own database. Grafana fills in the time that is shown, and the stores that were chosen.

-- name: list_stores
SELECT DISTINCT store FROM insight.series ORDER BY store

-- name: show_metrics
-- Each sample of up to two days; of a longer time the mean of each hour: samples are kept for some days alone.
SELECT x.at AS time, concat_ws(' ', s.store, nullif(s.subject, ''), {many} || s.metric) AS metric, x.value
FROM insight.series AS s JOIN insight.sample AS x ON x.series = s.id
WHERE s.metric IN ({metrics}) AND s.store IN ({stores})
  AND {end}::timestamptz - {start}::timestamptz <= interval '2 days'
  AND x.at >= {start}::timestamptz AND x.at < {end}::timestamptz
UNION ALL
SELECT x.at, concat_ws(' ', s.store, nullif(s.subject, ''), {many} || s.metric), x.mean
FROM insight.series AS s JOIN insight.hour AS x ON x.series = s.id
WHERE s.metric IN ({metrics}) AND s.store IN ({stores})
  AND {end}::timestamptz - {start}::timestamptz > interval '2 days'
  AND x.at >= {start}::timestamptz AND x.at < {end}::timestamptz
ORDER BY 1

-- name: show_growth
-- By how many rows each table grew, day by day; a day behind one that was not measured has none.
SELECT g.at AS time, concat_ws(' ', g.store, g.subject) AS metric, g.value
FROM (
    SELECT x.at, s.store, s.subject, x.last - lag(x.last) OVER before AS value, x.at - lag(x.at) OVER before AS since
    FROM insight.series AS s JOIN insight.day AS x ON x.series = s.id
    WHERE s.metric IN ('table_rows_count', 'items_count') AND s.store IN ({stores})
      AND x.at >= {start}::timestamptz - interval '1 day' AND x.at < {end}::timestamptz
    WINDOW before AS (PARTITION BY s.id ORDER BY x.at)
) AS g
WHERE g.since = interval '1 day' AND g.at >= {start}::timestamptz
ORDER BY 1

-- name: show_wrong
-- What is wrong now, at the stores that were chosen and in the estate, whatever time is shown.
SELECT severity AS "How urgent", CASE store WHEN '' THEN 'the estate' ELSE store END AS "Store", cause AS "Cause", opened AS "Since",
       members -> 0 ->> 'text' AS "What", members -> 0 ->> 'do' AS "Do first", jsonb_array_length(members) - 1 AS "And more",
       quiet AS "Well since", hushed AS "Nobody is told"
FROM insight.incident WHERE cleared IS NULL AND (store = '' OR store IN ({stores})) ORDER BY severity, opened

-- name: show_migrations
-- Where each migration stands. What is no migration (a store's backups, its replicas) has no transitions.
SELECT DISTINCT ON (migration) migration AS "Migration", to_phase AS "Phase", at AS "Since", step AS "Last step", epoch AS "Epoch"
FROM control.transition ORDER BY migration, id DESC

-- name: show_gates
-- How long ago each gate was green last: a backup's, a drill's, a migration's.
SELECT migration AS "Of", gate AS "Gate", max(at) FILTER (WHERE passed) AS "Last green",
       (extract(epoch FROM now() - max(at) FILTER (WHERE passed)) / 3600)::numeric(12, 1) AS "Hours ago",
       (array_agg(passed ORDER BY id DESC))[1] AS "Green now"
FROM control.evidence GROUP BY migration, gate ORDER BY max(at) DESC LIMIT 200

-- name: show_scalings
SELECT begun_at AS "Begun", store AS "Store", action AS "What", before AS "Before", after AS "After", verified_at AS "Stands since",
       refused_at AS "Refused", why AS "Why"
FROM insight.scaling
WHERE begun_at >= {start}::timestamptz AND begun_at < {end}::timestamptz AND store IN ({stores})
ORDER BY begun_at DESC LIMIT 200

-- name: show_ages
-- For how long there were no numbers of a store, whenever one came, and now; of more than two days the longest of each hour.
WITH looked AS (
    SELECT DISTINCT s.store, x.at FROM insight.series AS s JOIN insight.sample AS x ON x.series = s.id
    WHERE s.metric IN ('up_count', 'table_up_count', 'metadata_up_count', 'collection_seconds') AND s.store IN ({stores})
      AND x.at >= {start}::timestamptz - interval '1 day' AND x.at < {end}::timestamptz
), gap AS (
    SELECT store, at, at - lag(at) OVER (PARTITION BY store ORDER BY at) AS since FROM looked
    UNION ALL
    SELECT store, least(now(), {end}::timestamptz), least(now(), {end}::timestamptz) - max(at) FROM looked GROUP BY store
)
SELECT CASE WHEN {end}::timestamptz - {start}::timestamptz > interval '2 days' THEN date_trunc('hour', at, 'UTC') ELSE at END AS time,
       store AS metric, extract(epoch FROM max(since))::float8 AS value
FROM gap WHERE since IS NOT NULL AND at >= {start}::timestamptz GROUP BY 1, 2 ORDER BY 1
