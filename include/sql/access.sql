-- What an application asks of the servers that it reads from.

-- name: look
SELECT pg_is_in_recovery() AS follows,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text AS position

-- name: begin_reading
SET TRANSACTION READ ONLY

-- name: has_replayed
SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %(after)s::pg_lsn AS has

-- name: find_written
SELECT pg_current_wal_insert_lsn()::text AS position
