-- What was measured, in the ledger's own database: schema insight.

-- name: add_series
-- Only what is missing: whatever would meet a conflict takes a number first, and numbers are an integer's.
INSERT INTO insight.series (store, metric, subject)
SELECT DISTINCT store, metric, subject
FROM unnest(%(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[]) AS t (store, metric, subject)
WHERE NOT EXISTS (SELECT FROM insight.series AS s WHERE (s.store, s.metric, s.subject) = (t.store, t.metric, t.subject))
ON CONFLICT DO NOTHING

-- name: record_samples
-- A number that is read again for the same moment counts as it is read now: a service completes its own for a while.
INSERT INTO insight.sample (series, at, value)
SELECT s.id, t.at, t.value
FROM unnest(%(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[], %(ats)s::timestamptz[], %(values)s::float8[])
     AS t (store, metric, subject, at, value)
JOIN insight.series AS s USING (store, metric, subject)
ON CONFLICT (series, at) DO UPDATE SET value = excluded.value WHERE insight.sample.value IS DISTINCT FROM excluded.value

-- name: note_seen
-- Once a day for each series: the rest finds that it is noted.
UPDATE insight.series AS s SET seen = t.day
FROM (SELECT store, metric, subject, max((at AT TIME ZONE 'UTC')::date) AS day
      FROM unnest(%(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[], %(ats)s::timestamptz[]) AS n (store, metric, subject, at)
      GROUP BY 1, 2, 3) AS t
WHERE (s.store, s.metric, s.subject) = (t.store, t.metric, t.subject) AND s.seen < t.day

-- name: note_late
-- Hours before the last one may be rolled up already. Whoever rolls them up waits until this is committed.
INSERT INTO insight.late_hour (hour)
SELECT DISTINCT date_trunc('hour', at, 'UTC') AS hour FROM unnest(%(ats)s::timestamptz[]) AS t (at)
WHERE at < date_trunc('hour', clock_timestamp(), 'UTC') - interval '1 hour' ORDER BY hour
ON CONFLICT (hour) DO UPDATE SET hour = excluded.hour

-- name: list_late
SELECT hour FROM insight.late_hour ORDER BY hour

-- name: take_late
DELETE FROM insight.late_hour WHERE hour >= %(start)s AND hour < %(end)s

-- name: read_counters
-- What each counter was when it was last read; whoever reads it next waits until this one is done.
SELECT s.store, s.metric, s.subject, c.at, c.value
FROM unnest(%(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[]) AS t (store, metric, subject)
JOIN insight.series AS s USING (store, metric, subject)
JOIN insight.counter AS c ON c.series = s.id
ORDER BY c.series FOR UPDATE OF c

-- name: keep_counters
INSERT INTO insight.counter (series, at, value)
SELECT s.id, %(at)s, t.value
FROM unnest(%(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[], %(values)s::float8[])
     AS t (store, metric, subject, value)
JOIN insight.series AS s USING (store, metric, subject)
ORDER BY s.id
ON CONFLICT (series) DO UPDATE SET at = excluded.at, value = excluded.value WHERE insight.counter.at < excluded.at

-- name: lock_days
-- Two who make the same day at once: the second waits, and finds it.
SELECT pg_advisory_xact_lock(hashtextextended('insight.sample', 0))

-- name: make_day
CREATE TABLE IF NOT EXISTS {day} PARTITION OF insight.sample FOR VALUES FROM ({lower}) TO ({upper})

-- name: list_days
-- The partitions of samples, by name: sample_y2024m04d05.
SELECT c.relname AS name FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'insight.sample'::regclass ORDER BY c.relname

-- name: drop_day
DROP TABLE {day}

-- name: find_latest
SELECT s.store, s.metric, s.subject, l.at, l.value
FROM insight.series AS s
JOIN LATERAL (
    SELECT at, value FROM insight.sample WHERE series = s.id AND at > %(since)s AND at <= %(until)s ORDER BY at DESC LIMIT 1
) AS l ON true
WHERE s.seen >= (%(since)s AT TIME ZONE 'UTC')::date
      AND (%(store)s::text IS NULL OR s.store = %(store)s) AND (%(metrics)s::text[] IS NULL OR s.metric = ANY (%(metrics)s))
      AND (s.metric <> ALL (%(many)s::text[]) OR s.subject = ANY (%(subjects)s::text[]))
ORDER BY s.store, s.metric, s.subject

-- name: list_samples
SELECT s.store, s.metric, s.subject, x.at, x.value
FROM insight.series AS s JOIN insight.sample AS x ON x.series = s.id
WHERE s.metric = ANY (%(metrics)s) AND x.at >= %(start)s AND x.at < %(end)s AND (%(store)s::text IS NULL OR s.store = %(store)s)
ORDER BY s.store, s.metric, s.subject, x.at

-- name: list_beyond
-- Of those series alone that have a number beyond their metric's level in the window, or of which a rule has a state.
WITH level AS (
    SELECT * FROM unnest(%(metrics)s::text[], %(levels)s::float8[], %(over)s::bool[]) AS t (metric, level, is_over)
), told AS (
    SELECT s.id FROM level AS l JOIN insight.series AS s USING (metric) JOIN insight.sample AS x ON x.series = s.id
    WHERE x.at >= %(start)s AND x.at < %(end)s AND CASE WHEN l.is_over THEN x.value > l.level ELSE x.value < l.level END
    UNION
    SELECT s.id FROM insight.rule_state AS r JOIN insight.series AS s USING (store, metric, subject)
    WHERE s.metric IN (SELECT metric FROM level)
)
SELECT s.store, s.metric, s.subject, x.at, x.value
FROM told AS t JOIN insight.series AS s USING (id) JOIN insight.sample AS x ON x.series = s.id
WHERE x.at >= %(start)s AND x.at < %(end)s
ORDER BY s.store, s.metric, s.subject, x.at

-- name: list_spans
SELECT s.store, s.metric, s.subject, x.at, x.lowest, x.highest, x.mean, x.last, x.points
FROM insight.series AS s JOIN {spans} AS x ON x.series = s.id
WHERE s.metric = ANY (%(metrics)s) AND x.at >= %(start)s AND x.at < %(end)s AND (%(store)s::text IS NULL OR s.store = %(store)s)
ORDER BY s.store, s.metric, s.subject, x.at

-- name: record_spans
INSERT INTO {spans} AS x (series, at, lowest, highest, mean, last, points)
SELECT s.id, t.at, t.lowest, t.highest, t.mean, t.last, t.points
FROM unnest(%(stores)s::text[], %(metrics)s::text[], %(subjects)s::text[], %(ats)s::timestamptz[], %(lowest)s::float8[],
            %(highest)s::float8[], %(mean)s::float8[], %(last)s::float8[], %(points)s::int[])
     AS t (store, metric, subject, at, lowest, highest, mean, last, points)
JOIN insight.series AS s USING (store, metric, subject)
ON CONFLICT (series, at) DO UPDATE
SET lowest = excluded.lowest, highest = excluded.highest, mean = excluded.mean, last = excluded.last, points = excluded.points
WHERE x.points <= excluded.points

-- name: roll_up_hours
-- What is there of each hour. A span that was rolled up with more points stays: its own are gone by now. One that is as it was is
-- not written again.
INSERT INTO insight.hour AS x (series, at, lowest, highest, mean, last, points)
SELECT series, date_trunc('hour', at, 'UTC'), min(value), max(value), avg(value), (array_agg(value ORDER BY at DESC))[1], count(*)
FROM insight.sample WHERE at >= %(start)s AND at < %(end)s
GROUP BY 1, 2
ON CONFLICT (series, at) DO UPDATE
SET lowest = excluded.lowest, highest = excluded.highest, mean = excluded.mean, last = excluded.last, points = excluded.points
WHERE x.points <= excluded.points AND (x.lowest, x.highest, x.mean, x.last, x.points)
      IS DISTINCT FROM (excluded.lowest, excluded.highest, excluded.mean, excluded.last, excluded.points)

-- name: roll_up_days
-- By the hours of each day: they are few.
INSERT INTO insight.day AS x (series, at, lowest, highest, mean, last, points)
SELECT series, date_trunc('day', at, 'UTC'), min(lowest), max(highest), sum(mean * points) / sum(points),
       (array_agg(last ORDER BY at DESC))[1], sum(points)
FROM insight.hour WHERE at >= %(start)s AND at < %(end)s
GROUP BY 1, 2
ON CONFLICT (series, at) DO UPDATE
SET lowest = excluded.lowest, highest = excluded.highest, mean = excluded.mean, last = excluded.last, points = excluded.points
WHERE x.points <= excluded.points AND (x.lowest, x.highest, x.mean, x.last, x.points)
      IS DISTINCT FROM (excluded.lowest, excluded.highest, excluded.mean, excluded.last, excluded.points)

-- name: find_last_hour
-- By the numbers that every look keeps: there are few of them, and each is found by its key.
SELECT max(l.at) AS at FROM insight.series AS s
JOIN LATERAL (SELECT at FROM insight.hour WHERE series = s.id ORDER BY at DESC LIMIT 1) AS l ON true
WHERE s.metric = 'collection_seconds'

-- name: forget_spans
DELETE FROM {spans} WHERE at < %(before)s

-- name: forget_counters
DELETE FROM insight.counter WHERE at < %(before)s

-- name: forget_late
DELETE FROM insight.late_hour WHERE hour < %(before)s

-- name: forget_series
-- Of which nothing is kept any more. OFFSET: each that ended is looked up by its key, and no table of numbers is read whole.
DELETE FROM insight.series AS s
WHERE s.seen < (%(before)s AT TIME ZONE 'UTC')::date
      AND NOT EXISTS (SELECT FROM insight.day WHERE series = s.id OFFSET 0)
      AND NOT EXISTS (SELECT FROM insight.hour WHERE series = s.id OFFSET 0)
      AND NOT EXISTS (SELECT FROM insight.sample WHERE series = s.id OFFSET 0)
      AND NOT EXISTS (SELECT FROM insight.counter WHERE series = s.id OFFSET 0)
      AND NOT EXISTS (SELECT FROM insight.forecast WHERE series = s.id OFFSET 0)
