-- Backups of a whole server, and the log since.

-- name: find_server
SELECT (pg_control_system()).system_identifier::text AS system, current_setting('server_version') AS server,
       -- The control file tells that of the last checkpoint: after a promotion another one is written to already.
       CASE WHEN pg_is_in_recovery() THEN (pg_control_checkpoint()).timeline_id
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS timeline,
       pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes,
       clock_timestamp() AS now, current_setting('summarize_wal', true) = 'on' AS summarizes,
       (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser, current_database() AS database, current_user::text AS role,
       (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user) AS replicates,
       (SELECT count(*) FROM pg_tablespace) - 2 AS tablespaces, pg_is_in_recovery() AS in_recovery

-- name: list_replayed_settings
-- A server that replays the log stops where it has less of these than the one that wrote it.
SELECT name, setting FROM pg_settings
WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction')
ORDER BY name

-- name: list_own_settings
-- What a server was told for itself, of what is good on another machine too: no file, no socket, no locale, nobody that it follows.
SELECT name, setting FROM pg_settings
WHERE source IN ('configuration file', 'command line') AND name <> 'io_method'
  AND (category LIKE 'Resource Usage / %%' OR category LIKE 'Query Tuning / %%' OR category LIKE '%%utovacuum%%' OR category LIKE 'Vacuuming%%'
       OR category IN ('Lock Management', 'Write-Ahead Log / Settings', 'Write-Ahead Log / Checkpoints',
                       'Client Connection Defaults / Statement Behavior')
       OR name IN ('listen_addresses', 'max_connections', 'shared_preload_libraries'))
ORDER BY name

-- name: find_position
SELECT pg_current_wal_flush_lsn()::text AS position, clock_timestamp() AS now

-- name: lock_log
-- Of the whole server, by the slot: two would each take the other's files for its own.
SELECT pg_try_advisory_lock(hashtext('sluice.log'), hashtext(%(slot)s)) AS held

-- name: find_slot
SELECT slot_name AS slot, restart_lsn::text AS keeps, active FROM pg_replication_slots WHERE slot_name = %(slot)s

-- name: list_log_slots
-- A server that follows another has its own place in the log.
SELECT slot_name AS slot, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                                          restart_lsn)::text AS bytes
FROM pg_replication_slots WHERE starts_with(slot_name::text, %(prefix)s) ORDER BY 1

-- name: create_slot
SELECT lsn::text AS keeps FROM pg_create_physical_replication_slot(%(slot)s, true)

-- name: advance_slot
SELECT end_lsn::text AS keeps FROM pg_replication_slot_advance(%(slot)s, %(to)s::pg_lsn)

-- name: drop_slot
SELECT pg_drop_replication_slot(%(slot)s)

-- name: create_point
SELECT pg_create_restore_point(%(name)s)::text AS position, clock_timestamp() AS now

-- name: find_reached
-- What was replayed last is known until the next restart; the timeline is a new one once it is writable.
SELECT pg_is_in_recovery() AS in_recovery, pg_last_wal_replay_lsn()::text AS position, pg_last_xact_replay_timestamp() AS last_commit,
       (pg_control_checkpoint()).timeline_id AS timeline

-- name: pin_mark
-- Hashing a store may take long: this transaction is neither idle nor late meanwhile. A role that a policy would filter must raise. Names
-- are written out whole: what a role's own search_path would leave out, another role's, in the copy, would not.
SELECT set_config('search_path', 'pg_catalog', true), set_config('row_security', 'off', true)
UNION ALL SELECT set_config(name, '0', true), NULL FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'statement_timeout', 'transaction_timeout')  -- the last is known from 17 on

-- name: export_snapshot
-- The snapshot of this very statement, under a name by which other sessions take it while this transaction lasts.
SELECT pg_export_snapshot() AS name, pg_snapshot_xmax(s.now)::text AS next, ARRAY(SELECT x::text FROM pg_snapshot_xip(s.now) AS x) AS running,
       clock_timestamp() AS at
FROM (SELECT pg_current_snapshot() AS now) AS s

-- name: begin_snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: take_snapshot
SET TRANSACTION SNAPSHOT {name}

-- name: wait_for_own_disk
-- Our commit is on this server's disk when it returns, whatever the role has set; no standby is waited for.
SELECT set_config('synchronous_commit', 'local', true)

-- name: note_in_log
-- A few bytes that mean nothing to anybody, and a commit behind them.
SELECT pg_logical_emit_message(true, 'sluice', 'counted here')::text AS position,
       left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline

-- name: find_written
-- How far the log is written, and how far it is on disk.
SELECT pg_current_wal_insert_lsn()::text AS position, pg_current_wal_flush_lsn()::text AS on_disk

-- name: list_marked
-- All that holds rows, in each schema but PostgreSQL's own. What is unlogged is empty after a crash, and after a restore.
-- Large objects are rows of one of those, for whoever may read it.
SELECT n.nspname AS schema, c.relname AS name, c.oid, c.relfilenode AS file, coalesce(pg_table_size(c.oid), 0) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
       AND (c.relkind <> 'm' OR c.relispopulated))
   OR (c.oid = 'pg_largeobject'::regclass AND has_table_privilege(c.oid, 'SELECT') AND EXISTS (SELECT FROM pg_largeobject_metadata))
ORDER BY 1, 2

-- name: hash_table
-- record_send has a hash for every type; the same within one version of PostgreSQL. It names types by their numbers: those of
-- types that somebody made, and what a regclass holds, are others in a copy that was not made file by file. There, it is text.
SELECT count(*) AS rows, coalesce(sum(CASE WHEN own.types THEN hashtextextended(sluice_row::text, 0)
                                           ELSE hash_record_extended(ROW(record_send(sluice_row)), 0) END), 0)::text AS hash
FROM {table} AS sluice_row CROSS JOIN (
    SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = (SELECT tableoid FROM {table} LIMIT 1) AND NOT a.attisdropped
                   AND (a.atttypid >= 16384 OR a.atttypid::regtype::text LIKE 'reg%%')) AS types
) AS own

-- name: find_file
-- Of the table as it is now, whatever the snapshot sees: a table that was truncated has another.
SELECT pg_relation_filenode(%(oid)s::oid) AS file

-- name: list_committed
-- Of transactions that a snapshot did not see, those that have committed here, `most` at most; one this server has never heard of has not.
SELECT xid::text FROM (
    SELECT x::xid8 AS xid FROM unnest(%(running)s::text[]) AS x
    UNION ALL SELECT x::text::xid8 FROM generate_series(%(next)s::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1) AS x
) AS unseen
-- Not AND: of a transaction that is to come, PostgreSQL answers with an error.
WHERE CASE WHEN xid < pg_snapshot_xmax(pg_current_snapshot()) THEN pg_xact_status(xid) = 'committed' ELSE false END
LIMIT %(most)s

-- name: list_surroundings
-- All that a table is without its rows, one line each: what a restore may lack though every row is there.
SELECT kind, line FROM (
    SELECT 'role' AS kind, concat_ws(' ', rolname, CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolbypassrls THEN 'bypassrls' END,
               CASE WHEN rolcanlogin THEN 'login' END, CASE WHEN rolreplication THEN 'replication' END) AS line
    FROM pg_roles WHERE rolname !~ '^pg_'
    UNION ALL SELECT 'member', format('%%s in %%s', m.member::regrole, m.roleid::regrole) FROM pg_auth_members m
    UNION ALL SELECT 'setting', concat_ws(' ', CASE WHEN x.setdatabase <> 0 THEN 'this database' END, 'role ' || r.rolname, s.setting)
    FROM pg_db_role_setting x CROSS JOIN unnest(x.setconfig) AS s(setting) LEFT JOIN pg_roles r ON r.oid = x.setrole
    WHERE x.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    UNION ALL SELECT 'extension', format('%%s %%s', extname, extversion) FROM pg_extension
    UNION ALL SELECT 'owner', format('%%s %%s of %%s', c.relkind, c.oid::regclass, c.relowner::regrole) FROM {ours}
    -- Rights that nobody has changed are unwritten in one place and written down in another: what differs from these is told.
    UNION ALL SELECT x.kind, format('%%s on %%s', x.item, c.oid::regclass) FROM {ours}
    CROSS JOIN LATERAL (SELECT c.relacl AS acl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS plain) AS a
    CROSS JOIN LATERAL ({changed}) AS x
    UNION ALL SELECT x.kind, format('%%s on schema %%s', x.item, n.nspname) FROM pg_namespace n
    CROSS JOIN LATERAL (SELECT n.nspacl AS acl, acldefault('n', n.nspowner) AS plain) AS a
    CROSS JOIN LATERAL ({changed}) AS x WHERE n.nspname !~ '^pg_'
    UNION ALL SELECT 'row security', format('%%s %%s', c.oid::regclass, CASE WHEN c.relforcerowsecurity THEN 'forced' ELSE 'on' END)
    FROM {ours} WHERE c.relrowsecurity
    UNION ALL SELECT 'policy', concat_ws(' ', p.polname, 'on', p.polrelid::regclass, p.polcmd, p.polpermissive, p.polroles::regrole[],
               pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p
    UNION ALL SELECT 'constraint', format('%%s on %%s %%s %%s', k.conname, k.conrelid::regclass, pg_get_constraintdef(k.oid),
               CASE WHEN k.convalidated THEN '' ELSE 'not validated' END)
    FROM pg_constraint k JOIN {ours} ON c.oid = k.conrelid
    UNION ALL SELECT 'index', format('%%s %%s', pg_get_indexdef(i.indexrelid), CASE WHEN i.indisvalid THEN '' ELSE 'invalid' END)
    FROM pg_index i JOIN {ours} ON c.oid = i.indrelid
    UNION ALL SELECT 'trigger', format('%%s %%s', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger t JOIN {ours} ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal
    UNION ALL SELECT 'column', format('%%s.%%I %%s %%s %%s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute a JOIN {ours} ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm')
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT 'view', format('%%s %%s', c.oid::regclass, md5(pg_get_viewdef(c.oid))) FROM {ours} WHERE c.relkind IN ('v', 'm')
    UNION ALL SELECT 'function', format('%%s %%s', p.oid::regprocedure, md5(pg_get_functiondef(p.oid)))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
) AS found ORDER BY 1, 2

-- name: changed_rights
SELECT 'grant' AS kind, g AS item FROM (SELECT unnest(a.acl) EXCEPT SELECT unnest(a.plain)) AS more(g)
UNION ALL SELECT 'revoked', g FROM (SELECT unnest(a.plain) EXCEPT SELECT unnest(a.acl)) AS less(g) WHERE a.acl IS NOT NULL

-- name: ours
-- Relations of people, not PostgreSQL's own.
(SELECT r.* FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND r.relpersistence = 'p') AS c

-- name: list_databases
-- What others the server has. Templates are PostgreSQL's own; one that is half dropped takes no sessions either.
SELECT datname AS name, datallowconn AND datconnlimit <> -2 AS open FROM pg_database
WHERE datname <> current_database() AND NOT datistemplate ORDER BY 1

-- name: is_empty
-- Whether nobody has made anything that holds rows.
SELECT NOT EXISTS (SELECT FROM {ours}) AND NOT EXISTS (SELECT FROM pg_largeobject_metadata) AS empty

-- name: list_sequences
SELECT schemaname AS schema, sequencename AS name, coalesce(last_value, start_value - increment_by)::text AS at
FROM pg_sequences WHERE schemaname !~ '^pg_' ORDER BY 1, 2

-- name: beat
-- A beat waits for no standby: whoever beats would hang when there is none, and the most is to be told then.
WITH old AS (DELETE FROM sluice_safety.heartbeat WHERE at < clock_timestamp() - %(kept)s),
     alone AS (SELECT set_config('synchronous_commit', 'local', true))
INSERT INTO sluice_safety.heartbeat (at) SELECT clock_timestamp() FROM alone RETURNING at

-- name: list_beats
SELECT at FROM sluice_safety.heartbeat ORDER BY beat

-- name: has_heart
SELECT to_regclass('sluice_safety.heartbeat') IS NOT NULL AS there
