-- The days that growth is read from, the forecasts that were made, and the reports: schema insight of the ledger's database.

-- name: list_lines
-- A row a series, its days as ordinals (1 is the first day of the year 1): thousands of tables are read at once.
SELECT s.store, s.metric, s.subject,
       array_agg((x.at::date - date '0001-01-01') + 1 ORDER BY x.at) AS days, array_agg(x.{value} ORDER BY x.at) AS values
FROM insight.series AS s JOIN insight.day AS x ON x.series = s.id
WHERE s.metric = ANY (%(metrics)s) AND x.at >= %(since)s AND x.at < %(until)s AND (%(store)s::text IS NULL OR s.store = %(store)s)
GROUP BY s.id ORDER BY s.store, s.metric, s.subject

-- name: keep_forecasts
-- The same window gives the same row: it counts as it is worked out now, since days may have come in late.
INSERT INTO insight.forecast (series, until, base, ahead, p10, p50, p90)
SELECT s.id, %(until)s, t.base, t.ahead::smallint[], t.p10::float8[], t.p50::float8[], t.p90::float8[]
FROM unnest(%(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[], %(base)s::float8[], %(ahead)s::text[],
            %(p10)s::text[], %(p50)s::text[], %(p90)s::text[]) AS t (store, metric, subject, base, ahead, p10, p50, p90)
JOIN insight.series AS s USING (store, metric, subject)
ON CONFLICT (series, until) DO UPDATE
SET base = excluded.base, ahead = excluded.ahead, p10 = excluded.p10, p50 = excluded.p50, p90 = excluded.p90

-- name: drop_forecasts
-- Of this window, those of series that have none any more.
DELETE FROM insight.forecast WHERE until = %(until)s AND series IN (SELECT id FROM insight.series WHERE store = %(store)s)

-- name: list_forecasts
SELECT s.store, s.metric, s.subject, f.until, f.base, f.ahead, f.p10, f.p50, f.p90
FROM insight.forecast AS f JOIN insight.series AS s ON s.id = f.series
WHERE s.store = %(store)s AND f.until >= %(since)s AND f.until < %(until)s
ORDER BY s.store, s.metric, s.subject, f.until

-- name: keep_report
INSERT INTO insight.report (until, since, monthly, key) VALUES (%(until)s, %(since)s, %(monthly)s, %(key)s)
ON CONFLICT (until) DO UPDATE
SET since = excluded.since, monthly = excluded.monthly, key = excluded.key, made_at = excluded.made_at

-- name: find_report_before
-- The last that knew nothing of `until`; of the monthly ones where it is asked for.
SELECT until, since, monthly, key FROM insight.report
WHERE until < %(until)s AND (monthly OR NOT %(monthly)s) ORDER BY until DESC LIMIT 1

-- name: find_report_after
SELECT until FROM insight.report WHERE until > %(until)s ORDER BY until DESC LIMIT 1

-- name: forget_forecasts
WITH old AS (DELETE FROM insight.report WHERE until < %(before)s)
DELETE FROM insight.forecast WHERE until < %(before)s
