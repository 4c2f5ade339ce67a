-- What a look at a store asks. Every minute: one row of state, one of statements. Every hour: sizes, each query for all tables at once.

-- name: find_state
-- All that one minute needs. Times by the clock of now, not of the transaction: they are ages.
-- The lock table is read only where somebody waits.
WITH server AS MATERIALIZED (
    SELECT clock_timestamp() AS now, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
           CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                ELSE pg_current_wal_lsn() END AS position,
           greatest(1, current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                    - coalesce(current_setting('reserved_connections', true)::int, 0)) AS places
), sessions AS MATERIALIZED (
    SELECT count(*) AS clients,
           count(*) FILTER (WHERE a.wait_event_type = 'Lock') AS waiting,
           count(*) FILTER (WHERE a.state = 'active' AND a.query_start < s.now - interval '1 second') AS slow,
           min(a.query_start) FILTER (WHERE a.state = 'active') AS oldest_statement,
           min(a.xact_start) AS oldest_transaction
    FROM pg_stat_activity AS a CROSS JOIN server AS s
    WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
), waits AS MATERIALIZED (
    SELECT waiting, CASE WHEN waiting > 0 THEN ARRAY(
        SELECT extract(epoch FROM (SELECT now FROM server) - l.waitstart)::float8 FROM pg_locks AS l
        WHERE NOT l.granted AND l.waitstart IS NOT NULL) END AS seconds
    FROM sessions
)
SELECT s.sees_all,
       (SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements') AS statements_in,
       c.clients + 1 AS connections, 100.0 * (c.clients + 1) / s.places AS connections_used,
       c.slow, coalesce(extract(epoch FROM s.now - c.oldest_statement), 0)::float8 AS longest_statement,
       coalesce(extract(epoch FROM s.now - least(c.oldest_transaction, (SELECT min(prepared) FROM pg_prepared_xacts))), 0)::float8
           AS longest_transaction,
       (SELECT count(*) FROM unnest(w.seconds) AS t (seconds) WHERE t.seconds > %(lock_wait)s) AS lock_waits,
       coalesce((SELECT max(t.seconds) FROM unnest(w.seconds) AS t (seconds)), 0) AS longest_wait,
       d.xact_commit + d.xact_rollback AS transactions, d.xact_rollback AS rollbacks, d.deadlocks,
       d.sessions_fatal + d.sessions_killed AS fatal, d.temp_bytes, d.blks_hit, d.blks_read,
       pg_wal_lsn_diff(s.position, '0/0')::float8 AS position,
       (SELECT 100 * greatest(max(age(datfrozenxid)), max(mxid_age(datminmxid))) / 2147483648.0 FROM pg_database) AS wraparound,
       (SELECT count(*) FROM pg_inherits WHERE inhdetachpending) AS detach_pending,
       -- Servers alone: a logical subscriber and pg_receivewal apply nothing that a read could want.
       ARRAY(SELECT jsonb_build_object('name', r.application_name,
                 'bytes', greatest(pg_wal_lsn_diff(s.position, r.replay_lsn), 0),
                 'seconds', CASE WHEN r.replay_lsn >= s.position THEN 0 ELSE extract(epoch FROM r.replay_lag) END)
             FROM pg_stat_replication AS r
             WHERE r.replay_lsn IS NOT NULL AND NOT EXISTS (
                 SELECT FROM pg_replication_slots AS l WHERE l.active_pid = r.pid AND l.slot_type = 'logical')) AS replicas,
       -- Not those that end with their session: the next base backup's is called otherwise. GREATEST takes no NULL for a number: of
       -- a slot that was lost, or holds nothing yet, nobody knows a length.
       ARRAY(SELECT jsonb_build_object('name', l.slot_name, 'active', l.active, 'lost', l.wal_status IS NOT DISTINCT FROM 'lost',
                 'bytes', CASE WHEN l.restart_lsn IS NOT NULL THEN greatest(pg_wal_lsn_diff(s.position, l.restart_lsn), 0) END)
             FROM pg_replication_slots AS l WHERE NOT l.temporary) AS slots
FROM server AS s CROSS JOIN sessions AS c CROSS JOIN waits AS w
LEFT JOIN pg_stat_database AS d ON d.datname = current_database()

-- name: find_statements
-- Without their texts, which lie in a file.
SELECT coalesce(sum(calls), 0)::float8 AS calls, coalesce(sum(total_exec_time), 0)::float8 AS milliseconds
FROM {schema}.pg_stat_statements(false) WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: may_see_disk
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
       AND has_function_privilege(current_user, 'pg_ls_waldir()', 'EXECUTE') AS may

-- name: find_disk
SELECT (SELECT coalesce(sum(pg_database_size(oid)), 0) FROM pg_database)::float8 AS databases,
       (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir())::float8 AS log

-- name: find_database_size
SELECT pg_database_size(current_database())::float8 AS bytes

-- name: list_tables
-- Every table with what its partitions hold. Whoever holds or waits for an AccessExclusiveLock on a table, its indexes or its
-- TOAST would be waited for: such a table is left alone, and said to be locked.
-- What its rows would fill: pages of (8192 - 24) * fillfactor bytes; a row takes 4 bytes for its pointer, its header of 23 with
-- the map of its NULLs, and its columns, both up to the next 8. So estimates github.com/ioguix/pgsql-bloat-estimation.
WITH locked AS MATERIALIZED (
    SELECT DISTINCT l.relation FROM pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
), shut AS MATERIALIZED (
    SELECT relation AS oid FROM locked
    UNION SELECT i.indrelid FROM locked AS l JOIN pg_index AS i ON i.indexrelid = l.relation
    UNION SELECT c.oid FROM locked AS l JOIN pg_class AS c ON c.reltoastrelid = l.relation
    UNION SELECT c.oid FROM locked AS l JOIN pg_index AS i ON i.indexrelid = l.relation
          JOIN pg_class AS c ON c.reltoastrelid = i.indrelid
), leaf AS MATERIALIZED (
    SELECT c.oid, coalesce(pg_partition_root(c.oid), c.oid) AS root, n.nspname, c.relname, c.reltuples,
           s.oid IS NOT NULL AS shut,
           CASE WHEN c.reloptions IS NULL THEN 100 ELSE coalesce((SELECT o.option_value::int
               FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'fillfactor'), 100) END AS fillfactor
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN shut AS s ON s.oid = c.oid
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)'
), width AS MATERIALIZED (
    SELECT schemaname, tablename, count(*) AS columns, sum((1 - null_frac) * avg_width) AS bytes, bool_or(null_frac > 0) AS nulls
    FROM pg_stats WHERE NOT inherited GROUP BY 1, 2
), attributes AS MATERIALIZED (
    SELECT attrelid, count(*) AS columns FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped GROUP BY 1
), measured AS MATERIALIZED (
    SELECT l.root, l.shut,
           CASE WHEN NOT l.shut THEN pg_relation_size(l.oid) END AS heap,
           CASE WHEN NOT l.shut THEN pg_table_size(l.oid) END AS own,
           CASE WHEN NOT l.shut THEN pg_indexes_size(l.oid) END AS indexes,
           greatest(l.reltuples, pg_stat_get_live_tuples(l.oid)) AS live, pg_stat_get_dead_tuples(l.oid) AS dead,
           CASE WHEN l.reltuples >= 0 AND w.columns = k.columns THEN
               (4 + ceil((23 + CASE WHEN w.nulls THEN (7 + w.columns) / 8 ELSE 0 END) / 8.0) * 8 + ceil(w.bytes / 8) * 8) END AS row_bytes,
           l.fillfactor
    FROM leaf AS l LEFT JOIN attributes AS k ON k.attrelid = l.oid
    LEFT JOIN width AS w ON w.schemaname = l.nspname AND w.tablename = l.relname
), filled AS MATERIALIZED (
    SELECT *, CASE WHEN row_bytes IS NOT NULL THEN
               current_setting('block_size')::int * ceil(greatest(live, 0) / greatest(1,
                   floor((current_setting('block_size')::int - 24) * fillfactor / 100.0 / row_bytes))) END AS full_size
    FROM measured
)
SELECT n.nspname AS schema, c.relname AS name, bool_or(f.shut) AS locked, count(*) AS parts,
       sum(f.own + f.indexes)::float8 AS bytes, sum(f.indexes)::float8 AS indexes, sum(greatest(f.live, 0))::float8 AS live,
       sum(f.dead)::float8 AS dead, sum(f.heap)::float8 AS heap,
       CASE WHEN bool_and(f.full_size IS NOT NULL OR f.heap = 0) THEN sum(least(f.full_size, f.heap))::float8 END AS filled
FROM filled AS f JOIN pg_class AS c ON c.oid = f.root JOIN pg_namespace AS n ON n.oid = c.relnamespace
GROUP BY f.root, n.nspname, c.relname ORDER BY 1, 2

-- name: list_spans_ahead
-- Each table, or part of one, that is cut by time: from when to when its partitions are, in seconds from now. Those that are over
-- are left out, and a table that has no others still has its row.
WITH part AS (
    SELECT p.partrelid, pg_get_expr(c.relpartbound, 0) AS bounds  -- named, the table would be locked
    FROM pg_partitioned_table AS p
    JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    JOIN pg_inherits AS i ON i.inhparent = p.partrelid AND NOT i.inhdetachpending
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE p.partstrat = 'r' AND p.partnatts = 1
      AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
), span AS (
    SELECT partrelid,
           extract(epoch FROM coalesce(substring(bounds FROM 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity'))::float8
               - now.seconds AS lower,
           extract(epoch FROM coalesce(substring(bounds FROM 'TO \(''([^'']+)''\)')::timestamptz, 'infinity'))::float8
               - now.seconds AS upper
    FROM part CROSS JOIN (SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds) AS now WHERE bounds <> 'DEFAULT'
)
SELECT n.nspname AS schema, c.relname AS name,
       array_agg(s.lower ORDER BY s.lower) FILTER (WHERE s.upper > 0) AS lowers,
       array_agg(s.upper ORDER BY s.lower) FILTER (WHERE s.upper > 0) AS uppers
FROM span AS s JOIN pg_class AS c ON c.oid = pg_partition_root(s.partrelid) JOIN pg_namespace AS n ON n.oid = c.relnamespace
GROUP BY s.partrelid, n.nspname, c.relname

-- name: has_archive
-- By the catalogue: whoever may not use a schema is refused the question by its name.
SELECT coalesce(bool_or(has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')), false) AS may
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'sluice_archive' AND c.relname = 'month'

-- name: list_archived
-- Months that the archive has taken out of their table: those it has dropped, and those that lie beside it until then.
SELECT parent_schema, parent_name, partition_schema, partition_name, state = 'dropped' AS dropped, coalesce(rows, 0)::float8 AS rows
FROM sluice_archive.month
