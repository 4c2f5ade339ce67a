-- Until when a month cools is a moment: a day of its cooling has 24 hours in every time zone, as the guard counts them.
CREATE OR REPLACE VIEW sluice_archive.status AS
SELECT concat_ws('.', parent_schema, parent_name) AS "table", lower_bound, upper_bound,
       CASE WHEN held_because IS NULL THEN state ELSE 'held' END AS state, held_because, rows, verified_at,
       (verified_at AT TIME ZONE 'UTC' + cooling) AT TIME ZONE 'UTC' AS cools_until, expires_at, manifest, since, NULL::text AS copy
FROM sluice_archive.month
UNION ALL
SELECT of_table, lower_bound, upper_bound, 'copy', NULL, rows, made_at, NULL, expires_at, manifest, made_at, concat_ws('.', copy_schema, copy_name)
FROM sluice_archive.copy WHERE dropped_at IS NULL;
