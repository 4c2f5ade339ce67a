-- What benchmarks ask for: the server's own limits, and writes without an application around them.

-- name: vacuum_source
VACUUM (ANALYZE) app.user_sessions

-- name: vacuum_everything
VACUUM (ANALYZE)

-- name: checkpoint
CHECKPOINT

-- name: list_columns
SELECT attname AS name FROM pg_attribute
WHERE attrelid = %(table)s::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum

-- name: copy_at_once
INSERT INTO {target} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {source}

-- name: switch_capture
ALTER TABLE {table} {turn} TRIGGER "!sluice_capture", {turn} TRIGGER "!sluice_capture_insert"

-- name: write_session
-- For pgbench: of ten writes six change a row, one of them its month, three are new and one deletes.
\set id random(1, :rows)
\set kind random(1, 10)
\if :kind <= 5
UPDATE app.user_sessions SET score = score + 1, ended_at = now() WHERE id = :id;
\elif :kind = 6
UPDATE app.user_sessions SET started_at = started_at - interval '31 days' WHERE id = :id AND started_at > now() - interval '300 days';
\elif :kind <= 9
INSERT INTO app.user_sessions (tenant_id, user_id, started_at, note) VALUES ('tenant-001', gen_random_uuid(), now(), 'signed in by link');
\else
DELETE FROM app.user_sessions WHERE id = :id;
\endif

-- name: insert_sessions
-- A load: so many rows in one statement.
INSERT INTO app.user_sessions (tenant_id, user_id, started_at, note)
SELECT 'tenant-001', gen_random_uuid(), now() - interval '1 day' * (n %% 300), 'signed in by link' FROM generate_series(1, %(rows)s) n

-- name: hash_table
SELECT count(*), sum({hash}) FROM {table} AS t

-- name: spoil_rows
-- So many rows, spread evenly over the keys.
UPDATE {target} SET note = 'spoilt ' || coalesce(note, '')
WHERE id %% greatest((SELECT max(id) FROM {target}) / %(rows)s, 1) = 0 AND id <= %(rows)s * greatest((SELECT max(id) FROM {target}) / %(rows)s, 1)

-- name: mend_rows
UPDATE {target} SET note = nullif(substr(note, 8), '') WHERE note LIKE 'spoilt %%'

-- name: read_meter
-- What has been written to the log, how many whole pages of it, and how many transactions there were.
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal, (SELECT wal_fpi FROM pg_stat_wal) AS images,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transactions

-- name: fill_log
-- A server that has lived writes its log into segments that are there; a new one makes each of them first.
SELECT count(pg_logical_emit_message(false, 'sluice', repeat('.', 1000000))) AS rows FROM generate_series(1, %(megabytes)s)

-- name: measure_size
-- A plain table is no tree.
SELECT coalesce(sum(pg_total_relation_size(t.relid)), pg_total_relation_size(%(oid)s::oid))::bigint AS bytes,
       coalesce(sum(pg_table_size(t.relid)), pg_table_size(%(oid)s::oid))::bigint AS heap
FROM pg_partition_tree(%(oid)s::oid::regclass) AS t

-- name: count_marks
SELECT (SELECT count(*) FROM sluice.chunk) + (SELECT count(*) FROM sluice.compared) + (SELECT count(*) FROM sluice.migration)
     + (SELECT count(*) FROM sluice.probe) + (SELECT count(*) FROM sluice.quarantine) AS rows,
       (SELECT count(*) FROM sluice.chunk) AS chunks, pg_total_relation_size('sluice.chunk') AS bytes

-- name: make_copied
-- Where a lane of pgbench notes its chunk in place of a copy, in the transaction of its check mark.
CREATE TABLE IF NOT EXISTS sluice_bench.copied (number bigint NOT NULL, lane integer NOT NULL)

-- name: note_copied
INSERT INTO sluice_bench.copied VALUES (%(number)s, %(lane)s)

-- name: forget_chunks
TRUNCATE sluice.chunk, sluice_bench.copied

-- name: finish_chunks
-- As if lanes had done so many: the first ones, which are claimed first.
UPDATE sluice.chunk SET done_at = clock_timestamp(), lane = 0, rows_written = 1, seconds = 0.1, copied_by = pg_current_xact_id()
WHERE number IN (SELECT number FROM sluice.chunk WHERE migration = %(name)s AND done_at IS NULL ORDER BY number LIMIT %(chunks)s)

-- name: judge_queue
-- Of each chunk that was checked off, one note; nothing else.
SELECT (SELECT count(*) FROM sluice.chunk WHERE done_at IS NOT NULL AND lane IS DISTINCT FROM 0) AS done,
       (SELECT count(*) FROM sluice_bench.copied) AS copied,
       (SELECT count(DISTINCT number) FROM sluice_bench.copied) AS chunks

-- name: judge_lanes
-- A chunk that was copied twice would have written nothing the second time, and its mark says what was written last.
SELECT count(*) AS chunks, count(done_at) AS done, sum(rows_written)::bigint AS rows, count(DISTINCT lane) AS lanes FROM sluice.chunk

-- name: list_chunk_seconds
SELECT seconds FROM sluice.chunk ORDER BY number

-- name: end_lanes
-- Some of those in the middle of a chunk.
SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
WHERE application_name LIKE 'sluice:migrate%%' AND xact_start IS NOT NULL AND usename = %(role)s ORDER BY random() LIMIT %(most)s

-- name: begin_snapshot
SELECT count(*) AS rows FROM sluice.migration

-- name: read_at_one_instant
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: read_log_end
SELECT pg_current_wal_flush_lsn()::text AS place

-- name: has_replayed
SELECT pg_last_wal_replay_lsn() >= %(place)s::pg_lsn AS there

-- name: read_session
SELECT id, note FROM app.user_sessions WHERE id = %(id)s

-- name: read_long
SELECT id, pg_sleep(3600) FROM app.user_sessions LIMIT 1

-- name: touch_session
UPDATE app.user_sessions SET note = note WHERE id = (SELECT min(id) FROM app.user_sessions)

-- name: make_audit_log
-- What the archive is for: who did what when, the row before and after as JSON.
CREATE TABLE app.audit_log (id bigint, at timestamptz NOT NULL, tenant text, actor uuid, action text, subject text, detail jsonb,
    amount numeric(12,2), PRIMARY KEY (id, at)) PARTITION BY RANGE (at)

-- name: make_audit_month
CREATE TABLE app.audit_log_y2024m01 PARTITION OF app.audit_log FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')

-- name: fill_audit_month
INSERT INTO app.audit_log
SELECT n, '2024-01-01 00:00:00+00'::timestamptz + n * ('30 days'::interval / %(rows)s), 'tenant-' || lpad((n %% 50)::text, 3, '0'),
       gen_random_uuid(), (ARRAY['login', 'logout', 'update', 'delete', 'read'])[1 + n %% 5], 'orders/' || n,
       jsonb_build_object('ip', '10.0.' || n %% 256 || '.' || n %% 251, 'agent', 'Mozilla/5.0 (X11; Linux x86_64)', 'path', '/orders/' || n,
           'before', jsonb_build_object('status', 'open', 'total', n %% 100000 / 100.0, 'lines', jsonb_build_array(n %% 7, n %% 11), 'note', md5(n::text)),
           'after', jsonb_build_object('status', 'paid', 'total', n %% 100000 / 100.0, 'lines', jsonb_build_array(n %% 7, n %% 13), 'note', md5((-n)::text))),
       n %% 100000 / 100.0
FROM generate_series(1, %(rows)s) n

-- name: make_empty_month
CREATE TABLE app.audit_log_plain (LIKE app.audit_log INCLUDING ALL)

-- name: copy_month_out
COPY app.audit_log_y2024m01 TO STDOUT

-- name: copy_month_out_as_csv
COPY app.audit_log_y2024m01 TO STDOUT (FORMAT csv, HEADER)

-- name: copy_month_in
COPY app.audit_log_plain FROM STDIN

-- name: read_month
-- JSON as text: pandas would take each into objects first.
SELECT id, at, tenant, actor, action, subject, detail::text AS detail, amount FROM app.audit_log_y2024m01

-- name: drop_audit_log
DROP TABLE IF EXISTS app.audit_log, app.audit_log_y2024m01

-- name: drop_ahead
DROP TABLE IF EXISTS app.ahead CASCADE

-- name: make_ahead
-- A table to make partitions of: two indexes beside its key, and walls.
CREATE TABLE app.ahead (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, tenant text NOT NULL, status text, amount numeric(12,2),
    detail jsonb, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE INDEX ON app.ahead (tenant, at);
CREATE INDEX ON app.ahead (status) WHERE status <> 'done';
ALTER TABLE app.ahead ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY reads ON app.ahead FOR SELECT USING (tenant = current_setting('app.tenant', true));
CREATE POLICY writes ON app.ahead FOR INSERT WITH CHECK (tenant = current_setting('app.tenant', true))

-- name: make_partition_of
CREATE TABLE {partition} PARTITION OF app.ahead FOR VALUES FROM ({lower}) TO ({upper});
ALTER TABLE {partition} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY

-- name: make_beside_and_attach
CREATE TABLE {partition} (LIKE app.ahead INCLUDING ALL EXCLUDING IDENTITY);
ALTER TABLE {partition} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.ahead ATTACH PARTITION {partition} FOR VALUES FROM ({lower}) TO ({upper})

-- name: count_ahead
SELECT count(*) AS partitions FROM pg_inherits WHERE inhparent = 'app.ahead'::regclass

-- name: make_partman_schema
CREATE SCHEMA IF NOT EXISTS partman

-- name: begin_partman
SELECT partman.create_parent('app.ahead', 'at', '1 month', p_premake := 3, p_default_table := false)

-- name: let_partman_make
UPDATE partman.part_config SET premake = %(premake)s, infinite_time_partitions = true WHERE parent_table = 'app.ahead'

-- name: maintain_by_partman
SELECT partman.run_maintenance('app.ahead', p_analyze := true)

-- name: end_partman
DELETE FROM partman.part_config

-- name: touch_sessions
UPDATE app.user_sessions SET note = note WHERE id %% {every} = 0

-- name: switch_log
SELECT pg_switch_wal()::text AS until

-- name: create_copy
CREATE DATABASE bench_copy TEMPLATE template0

-- name: drop_copy
DROP DATABASE bench_copy

-- name: make_many
-- Tables as a large application has them: a key, an index beside it, texts that may be long, a few rows.
DO $$
BEGIN
    FOR number IN {lower}..{upper} LOOP
        EXECUTE format('CREATE TABLE app.many_%%s (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), tenant int, kind text,
                        state text, note text, data jsonb, done boolean, total numeric, changed timestamptz)', number);
        EXECUTE format('CREATE INDEX ON app.many_%%s (at)', number);
        EXECUTE format('INSERT INTO app.many_%%s SELECT n, now(), n, ''a kind'', ''new'', NULL, ''{{}}'', true, n FROM generate_series(1, 50) AS n',
                       number);
    END LOOP;
END $$

-- name: analyze_all
ANALYZE

-- name: list_many
SELECT c.oid::bigint AS oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'app' AND c.relkind = 'r' AND c.relname LIKE 'many%%'

-- name: measure_one
SELECT pg_total_relation_size(relid) AS bytes, pg_indexes_size(relid) AS indexes, n_live_tup AS rows, n_dead_tup AS dead
FROM pg_stat_user_tables WHERE relid = %(table)s::bigint::oid

-- name: judge_each_night
-- Two gates of each table a night, one in a hundred red.
INSERT INTO control.evidence (migration, gate, epoch, run, passed, compared, key, sha256, at)
SELECT format('table_%%s', n), gate, 1, format('night %%s', day), (n + day) %% 100 > 0, 1000,
       format('evidence/%%s/night %%s/gate_%%s.json', dag, day, gate), 'ab', %(now)s - day * interval '1 day'
FROM generate_series(1, %(tables)s) AS n, generate_series(0, %(days)s - 1) AS day,
     (VALUES ('partitions_ahead', 'create_partitions'), ('archive_readback', 'archive_retention')) AS g (gate, dag)
