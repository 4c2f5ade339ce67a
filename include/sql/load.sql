-- How the store feels now.

-- name: measure
SELECT (SELECT max(extract(epoch FROM replay_lag))::double precision FROM pg_stat_replication) AS replica_lag,
       (SELECT count(*) FROM pg_stat_activity a
        WHERE a.wait_event_type = 'Lock' AND a.datname = current_database()
          AND EXISTS (SELECT FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(a.pid)) AND b.application_name LIKE 'sluice:%%'))
        ::int AS waiting_writers,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes, clock_timestamp() AS at,
       %(name)s::text AS name

-- name: list_older_snapshots
-- Whose snapshot is older than the last copy, or as old: after the swap it would see the new table without the copied rows.
SELECT holder FROM (
    SELECT format('session %%s (%%s, %%s, since %%s)', pid, usename, coalesce(nullif(application_name, ''), 'no name'), xact_start::timestamp(0)) AS holder,
           backend_xmin AS xmin FROM pg_stat_activity
    WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
      AND (datname = current_database() OR datname IS NULL)
      -- Hidden from a role without pg_read_all_stats: then everybody counts, which waits too long but never too short.
      AND coalesce(backend_type, 'hidden') NOT LIKE 'autovacuum%%'
    UNION ALL SELECT format('prepared transaction %%s', gid), transaction FROM pg_prepared_xacts WHERE database = current_database()
    UNION ALL SELECT format('replication slot %%s', slot_name), xmin FROM pg_replication_slots WHERE xmin IS NOT NULL
) held WHERE age(held.xmin) >= age(%(last_copy)s::text::xid8::xid)

-- name: list_blockers
-- Who began first comes first: under load there are many, and the others come and go.
SELECT format('session %%s (%%s, %%s, %%s since %%s)', a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'no name'),
                       a.state, a.xact_start::timestamp(0)) AS blocker
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.relation = ANY (%(oids)s::oid[]) AND l.granted AND l.pid <> pg_backend_pid()
GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start ORDER BY a.xact_start LIMIT 5

-- name: find_data_directory
-- NULL for a role that may not know.
SELECT CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'MEMBER') THEN current_setting('data_directory') END AS directory
