-- Servers that follow another: what they say of themselves, and what makes one of them the one that leads.

-- name: find_role
-- Two addresses may lead to one server: when it was started tells them apart from two.
SELECT pg_is_in_recovery() AS follows, (pg_control_system()).system_identifier::text AS system, clock_timestamp() AS now,
       pg_postmaster_start_time() AS started

-- name: find_leading
-- The timeline by the file that is written: the control file tells it only after the next checkpoint.
SELECT pg_current_wal_flush_lsn()::text AS position, pg_walfile_name(pg_current_wal_insert_lsn()) AS file,
       current_setting('synchronous_standby_names') AS standby_names, current_setting('synchronous_commit') AS waits_for,
       current_setting('transaction_read_only') = 'on' AS read_only,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next

-- name: list_links
SELECT application_name AS name, state, sync_state AS sync,
       pg_wal_lsn_diff(pg_current_wal_flush_lsn(), coalesce(replay_lsn, sent_lsn, '0/0'))::bigint AS behind
FROM pg_stat_replication

-- name: list_slots
SELECT slot_name AS name, active, wal_status AS keeps FROM pg_replication_slots WHERE slot_type = 'physical'

-- name: find_following
-- What was received and what was replayed: right after a restart only the second is known.
SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text AS received, pg_last_wal_replay_lsn()::text AS replayed,
       -- Who receives nothing tells no timeline, and the control file an old one: the names of its log's files tell it.
       greatest((SELECT received_tli FROM pg_stat_wal_receiver), (pg_control_checkpoint()).timeline_id,
                (SELECT max(('x' || left(name, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]+$')) AS timeline,
       coalesce((SELECT status FROM pg_stat_wal_receiver), '') AS receiver,
       coalesce((SELECT slot_name FROM pg_stat_wal_receiver), '') AS slot,
       pg_get_wal_replay_pause_state() <> 'not paused' AS paused,
       (SELECT sum(confl_tablespace + confl_lock + confl_snapshot + confl_bufferpin + confl_deadlock)
        FROM pg_stat_database_conflicts)::bigint AS conflicts

-- name: find_newest_beat
SELECT max(at) AS at FROM sluice_safety.heartbeat

-- name: list_signs
-- What tells of an agent that promotes by itself, or of a platform that does.
SELECT DISTINCT 'session' AS kind, application_name AS name FROM pg_stat_activity
UNION SELECT 'slot', slot_name FROM pg_replication_slots
UNION SELECT 'extension', extname FROM pg_extension
UNION SELECT 'role', rolname FROM pg_roles
UNION SELECT 'library', trim(library) FROM unnest(string_to_array(current_setting('shared_preload_libraries'), ',')) AS library

-- name: find_conninfo
SELECT current_setting('primary_conninfo') AS conninfo

-- name: set_conninfo
ALTER SYSTEM SET primary_conninfo = {conninfo}

-- name: set_read_only
ALTER SYSTEM SET default_transaction_read_only = on

-- name: reset_read_only
ALTER SYSTEM RESET default_transaction_read_only

-- name: stop_autovacuum
ALTER SYSTEM SET autovacuum = off

-- name: reset_autovacuum
ALTER SYSTEM RESET autovacuum

-- name: find_default
SELECT current_setting('default_transaction_read_only') = 'on' AS read_only

-- name: set_standby_names
ALTER SYSTEM SET synchronous_standby_names = {names}

-- name: reload
SELECT pg_reload_conf()

-- name: list_writers
-- Sessions of people, and autovacuum. Those that replicate go on: the last writes are still to be sent.
SELECT pid FROM pg_stat_activity
WHERE backend_type IN ('client backend', 'autovacuum worker') AND pid <> pg_backend_pid()

-- name: end_session
SELECT pg_terminate_backend(%(pid)s, 5000) AS ended

-- name: find_next_write
-- One more than the last transaction that wrote and ended, and how many have a number and go on.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()) AS writing

-- name: flush_all
-- What nobody waits for may stay unflushed, and is not sent then; this flushes all of it.
SELECT pg_switch_wal()::text AS position

-- name: resume_replay
SELECT pg_wal_replay_resume()

-- name: promote
SELECT pg_promote(true, %(seconds)s) AS done

-- name: find_promoted
-- What was replayed last stays known until the next restart: what came after it was never there.
SELECT pg_is_in_recovery() AS follows, pg_last_wal_replay_lsn()::text AS replayed, clock_timestamp() AS now

-- name: write_locally
-- A commit that waits for nobody else: the standbys may not have found their way here yet.
SET LOCAL synchronous_commit = local

-- name: write_word
SELECT pg_logical_emit_message(true, 'sluice', 'promoted')::text AS position

-- name: can_rewind
SELECT current_setting('data_checksums') = 'on' OR current_setting('wal_log_hints') = 'on' AS can

-- name: create_trial
CREATE SCHEMA IF NOT EXISTS sluice_trial

-- name: create_trial_table
CREATE TABLE IF NOT EXISTS sluice_trial.written (
    key bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp()
)

-- name: write_trial
INSERT INTO sluice_trial.written (key) VALUES (%(key)s)

-- name: list_trial
SELECT key FROM sluice_trial.written ORDER BY key

-- name: checkpoint
CHECKPOINT
