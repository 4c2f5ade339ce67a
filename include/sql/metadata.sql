-- Airflow's own database: what is in it, what is old, and what is put aside.

-- name: begin_snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: export_snapshot
-- Counting may take long, and so may pg_dump until it reads by our snapshot: the session may idle meanwhile.
SELECT set_config('idle_in_transaction_session_timeout', '1h', true), pg_export_snapshot() AS snapshot, clock_timestamp() AS now

-- name: lock_alone
SELECT pg_try_advisory_lock(hashtext('sluice.airflow')) AS held

-- name: unlock_alone
SELECT pg_advisory_unlock(hashtext('sluice.airflow'))

-- name: list_tables
-- All that pg_dump takes rows of: also what somebody else keeps beside Airflow's.
SELECT n.nspname AS schema, c.relname AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%%'
ORDER BY 1, 2

-- name: count_rows
SELECT count(*) AS rows FROM {table}

-- name: find_server
SELECT current_database() AS database, current_setting('server_version') AS server

-- name: find_version
-- What `airflow db migrate` has brought it to.
SELECT version_num AS version FROM alembic_version

-- name: create_trial
CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'

-- name: drop_trial
DROP DATABASE IF EXISTS {database} WITH (FORCE)

-- name: list_trials
-- What a trial that was killed has left behind: ours alone.
SELECT datname AS database FROM pg_database
WHERE datname ~ '^sluice_trial_[0-9]{{8}}t[0-9]{{6}}z$' AND pg_has_role(datdba, 'MEMBER')

-- name: may_make_trials
SELECT rolcreatedb OR rolsuper AS may, rolname AS role FROM pg_roles WHERE rolname = current_user

-- name: find_size
SELECT pg_database_size(current_database()) AS bytes

-- name: find_open
-- What has not ended, and since when: by its run and by any task of it. A run that was cleared in part began with its oldest task.
SELECT coalesce(array_agg(r.id ORDER BY r.id), '{{}}') AS runs, min(least(r.start_date, r.queued_at, t.began)) AS since,
       (array_agg(r.dag_id || ' ' || r.run_id ORDER BY least(r.start_date, r.queued_at, t.began)))[1] AS oldest
FROM dag_run r LEFT JOIN LATERAL (
    SELECT min(least(start_date, queued_dttm)) AS began,
           bool_or(state NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')) AS waits
    FROM task_instance t WHERE (t.dag_id, t.run_id) = (r.dag_id, r.run_id)
) t ON true
WHERE r.state NOT IN ('success', 'failed') OR t.waits

-- name: is_there
SELECT to_regclass(%(table)s) IS NOT NULL AS there

-- name: count_old
SELECT count(*) AS rows FROM {table} WHERE {column} < %(cutoff)s

-- name: count_old_runs
-- But for the last one of each DAG that was not started by hand: the next is planned from it.
SELECT count(*) AS rows FROM dag_run r WHERE start_date < %(cutoff)s AND start_date IS DISTINCT FROM (
    SELECT max(l.start_date) FROM dag_run l WHERE l.dag_id = r.dag_id AND l.run_type <> 'manual')

-- name: find_newest
SELECT (SELECT max(id) FROM dag_run) AS run, (SELECT max(id) FROM log) AS log, (SELECT max(id) FROM asset_event) AS event

-- name: count_young
-- What was there before and has to be there after. Tasks may come to a run that goes on; none may go.
SELECT (SELECT count(*) FROM dag_run WHERE id <= %(run)s AND (start_date >= %(cutoff)s OR start_date IS NULL)) AS runs,
       (SELECT count(*) FROM dag_run WHERE id = ANY (%(open)s)) AS open_runs,
       (SELECT count(*) FROM task_instance t JOIN dag_run r USING (dag_id, run_id)
        WHERE r.id <= %(run)s AND (r.start_date >= %(cutoff)s OR r.start_date IS NULL)
          AND (t.start_date >= %(cutoff)s OR t.start_date IS NULL)) AS tasks,
       (SELECT count(*) FROM task_instance t JOIN dag_run r USING (dag_id, run_id) WHERE r.id = ANY (%(open)s)) AS open_tasks,
       (SELECT count(*) FROM log WHERE id <= %(log)s AND dttm >= %(cutoff)s) AS log,
       (SELECT count(*) FROM asset_event WHERE id <= %(event)s AND timestamp >= %(cutoff)s) AS events

-- name: list_put_aside
SELECT relname AS name FROM pg_class
WHERE relkind = 'r' AND relname LIKE '\_airflow\_deleted\_\_%%' AND pg_table_is_visible(oid) ORDER BY 1

-- name: drop_put_aside
DROP TABLE {table}
