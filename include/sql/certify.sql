-- The sample estate `certify`: its tables, its rows, what its application says to it, and the oracle's questions.

-- name: estate_of
-- What is already there: the schema's comment once the sample is complete, because one transaction makes all of it.
SELECT to_regclass('app.user_sessions') IS NOT NULL AS seeded,
       obj_description(to_regnamespace('app'), 'pg_namespace') AS described,
       to_regrole('certify_owner') IS NOT NULL AND to_regrole('certify_app') IS NOT NULL AS roles,
       current_date AS today

-- name: act_as_owner
SET LOCAL ROLE certify_owner

-- name: act_as_self
RESET ROLE

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS app AUTHORIZATION certify_owner

-- name: create_tables
-- A table that is cut has the column that it is cut by in its key.
CREATE TABLE app.user_sessions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id   text NOT NULL,
    user_id     uuid NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    device      jsonb,
    ip          inet,
    score       numeric,
    note        text,
    note_length int GENERATED ALWAYS AS (length(note)) STORED
);
CREATE TABLE app.audit_log (
    id           text NOT NULL,
    tenant_id    text NOT NULL,
    entity_id    text NOT NULL,
    entity_type  varchar(50) NOT NULL,
    action       varchar(50) NOT NULL,
    changes      jsonb,
    performed_by text NOT NULL,
    performed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ({key})
) {cut};
COMMENT ON TABLE app.user_sessions IS 'One row for each time that a user signed in.';
COMMENT ON COLUMN app.user_sessions.tenant_id IS 'Whose row it is; row level security compares it with app.tenant_id.';
COMMENT ON COLUMN app.user_sessions.started_at IS 'When the user signed in (UTC). A correction may move it to another month.';
COMMENT ON COLUMN app.user_sessions.ended_at IS 'When the user signed out; NULL while the session is open.';
COMMENT ON COLUMN app.user_sessions.score IS 'Risk score as the vendor gave it, to the last digit: 1.0 is not 1.00.';
COMMENT ON COLUMN app.user_sessions.note_length IS 'Characters in note, kept by the database.';
COMMENT ON TABLE app.audit_log IS 'Who changed what, and when.';
COMMENT ON COLUMN app.audit_log.id IS 'UUIDv7 as text: sorts by time.';
COMMENT ON COLUMN app.audit_log.changes IS 'Field by field: what it was and what it became.'

-- name: by_month
PARTITION BY RANGE (performed_at)

-- name: fill_sessions
-- Rows first..last of `rows`. Everything comes from hashes of (i, seed), so any batch can be made alone and twice alike.
-- The first rows sit on the edges of the months: the first microsecond, the second, and the last.
INSERT INTO app.user_sessions (tenant_id, user_id, started_at, ended_at, device, ip, score, note)
SELECT 'tenant-' || lpad(tenant::text, 3, '0'),
       md5(tenant || ':' || (who >> 32 & 4095))::uuid,
       started_at,
       CASE WHEN ending < 50 THEN NULL
            WHEN ending < 60 THEN started_at
            ELSE started_at + interval '1 second' * (ending * ending / 50) + interval '1 microsecond' * (who & 65535) END,
       CASE WHEN i %% 50000 = 7 THEN jsonb_build_object('os', 'android', 'trace', (
                SELECT string_agg(md5(i || ':' || n), '') FROM generate_series(1, 3200) n))
            WHEN i %% 5000 = 11 THEN (repeat('{{"in": [1, ', 40) || '1.0' || repeat(']}}', 40))::jsonb
            WHEN device < 30 THEN NULL
            WHEN device < 33 THEN 'null'
            WHEN device < 36 THEN '{{}}'
            ELSE jsonb_build_object(
                'os', (ARRAY['android', 'ios', 'linux', 'macos', 'windows'])[1 + device %% 5],
                'app', jsonb_build_object('version', '4.' || device %% 17, 'beta', device %% 40 = 0),
                'scale', (ARRAY['1', '1.0', '1.00', '2.5'])[1 + device %% 4]::numeric) END,
       CASE WHEN place < 20 THEN NULL
            WHEN place < 120 THEN inet '2001:db8::' + (who & 281474976710655)
            WHEN place < 125 THEN inet '192.168.0.0/16' + (who & 65535)
            ELSE inet '10.0.0.0' + (who & 16777215) END,
       CASE WHEN risk < 40 THEN NULL
            WHEN risk < 42 THEN 'NaN'
            WHEN risk < 60 THEN 1.0
            WHEN risk < 80 THEN 1.00
            WHEN risk < 82 THEN 12345678901234567890.123456789
            WHEN risk < 84 THEN -0.000000000000000000001
            ELSE ((who >> 8 & 16383)::numeric / 100)::numeric(8, 2) END,
       CASE WHEN remark < 350 THEN NULL
            WHEN remark < 400 THEN ''
            WHEN remark < 420 THEN 'trailing space '
            WHEN remark < 430 THEN U&'caf\00E9'
            WHEN remark < 440 THEN U&'cafe\0301'
            WHEN remark < 450 THEN '👩‍👩‍👧 signed in 🎉'
            WHEN remark < 460 THEN E'two\nlines, a\ttab, a \\ and "quotes"'
            WHEN remark < 465 THEN 'NULL'
            ELSE 'signed in by ' || (ARRAY['password', 'passkey', 'link', 'sso'])[1 + remark %% 4] END
FROM (
    SELECT i, who,
           -- Zipf: exp of a uniform exponent gives rank k about 1/k of the rows.
           floor(exp((who & 1048575) / 1048576.0 * ln(%(tenants)s + 1)))::int AS tenant,
           CASE WHEN i <= 3 * %(months)s THEN least(
                    %(since)s + interval '1 month' * ((i - 1) / 3 + (i %% 3 = 0)::int)
                        + interval '1 microsecond' * (ARRAY[-1, 0, 1])[1 + i %% 3],
                    %(until)s - interval '1 microsecond')
                WHEN moment & 63 = 0 THEN greatest(date_trunc('week', happened), %(since)s)  -- a weekly import
                ELSE happened END AS started_at,
           dirt & 1023 AS ending, dirt >> 10 & 1023 AS device, dirt >> 20 & 1023 AS place,
           dirt >> 30 & 1023 AS risk, dirt >> 40 & 1023 AS remark
    FROM (
        SELECT i, who, moment, dirt,
               -- In order of time as they came, but for one in sixteen that came late.
               %(since)s + (%(until)s - %(since)s) * CASE WHEN moment & 15 = 1 THEN (moment >> 8 & 16777215) / 16777216.0
                   ELSE (i - 1 + (moment >> 8 & 16777215) / 16777216.0) / %(rows)s END AS happened
        FROM (
            SELECT i, hashint8extended(i, %(seed)s) & 9223372036854775807 AS who,
                   hashint8extended(i, %(seed)s + 1000003) & 9223372036854775807 AS moment,
                   hashint8extended(i, %(seed)s + 2000003) & 9223372036854775807 AS dirt
            FROM generate_series(%(first)s::bigint, %(last)s::bigint) i OFFSET 0
        ) hashes OFFSET 0
    ) moments OFFSET 0
) draws

-- name: fill_audit_log
-- Rows first..last of `rows`; the id is a UUIDv7 built from performed_at and a hash.
INSERT INTO app.audit_log (id, tenant_id, entity_id, entity_type, action, changes, performed_by, performed_at)
SELECT left(stamp, 8) || '-' || right(stamp, 4) || '-7' || left(tail, 3) || '-8' || substr(tail, 4, 3) || '-' || substr(tail, 7, 12),
       'tenant-' || lpad(tenant::text, 3, '0'),
       'entity-' || (who >> 20 & 65535),
       (ARRAY['session', 'user', 'certificate', 'question'])[1 + (who >> 40 & 3)],
       (ARRAY['create', 'update', 'delete', 'view'])[1 + (who >> 44 & 3)],
       CASE WHEN who >> 48 & 15 = 0 THEN NULL
            ELSE jsonb_build_object('status', jsonb_build_object('from', who >> 32 & 7, 'to', NULL, 'weight', 1.00)) END,
       md5(tenant || ':' || (who >> 32 & 4095)),
       performed_at
FROM (
    SELECT *, lpad(to_hex((extract(epoch FROM performed_at) * 1000)::bigint), 12, '0') AS stamp, md5(i || ':' || who) AS tail
    FROM (
        SELECT i, who, floor(exp((who & 1048575) / 1048576.0 * ln(%(tenants)s + 1)))::int AS tenant,
               CASE WHEN i <= 3 * %(months)s THEN least(
                        %(since)s + interval '1 month' * ((i - 1) / 3 + (i %% 3 = 0)::int)
                            + interval '1 microsecond' * (ARRAY[-1, 0, 1])[1 + i %% 3],
                        %(until)s - interval '1 microsecond')
                    ELSE %(since)s + (%(until)s - %(since)s) * ((i - 1 + (who >> 8 & 16777215) / 16777216.0) / %(rows)s)
               END AS performed_at
        FROM (
            SELECT i, hashint8extended(i, %(seed)s + 3000003) & 9223372036854775807 AS who
            FROM generate_series(%(first)s::bigint, %(last)s::bigint) i OFFSET 0
        ) hashes OFFSET 0
    ) moments OFFSET 0
) draws

-- name: finish_tables
-- After the rows: indexes are built once, and the policies hold from the first statement of the application.
CREATE INDEX user_sessions_tenant_started ON app.user_sessions (tenant_id, started_at);
CREATE INDEX user_sessions_user ON app.user_sessions (user_id);
CREATE INDEX idx_audit_tenant_date ON app.audit_log (tenant_id, performed_at);
CREATE INDEX idx_audit_entity ON app.audit_log (entity_id, entity_type);
ALTER TABLE app.user_sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE app.audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_isolation ON app.user_sessions
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));
CREATE POLICY tenant_isolation ON app.audit_log
    USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''))
    WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), ''));
GRANT USAGE ON SCHEMA app TO certify_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.user_sessions, app.audit_log TO certify_app

-- name: describe_estate
COMMENT ON SCHEMA app IS {description}

-- name: tidy_tables
VACUUM (ANALYZE) app.user_sessions, app.audit_log

-- The application -----------------------------------------------------------------------------------------------

-- name: enter_tenant
SELECT set_config('app.tenant_id', %(tenant)s, true)

-- name: read_sessions
-- Ordered by the table's column, not by the text of that name in the list: else no index serves it.
SELECT id::text, tenant_id, user_id::text, started_at::text, ended_at::text, device::text, ip::text, score::text, note
FROM app.user_sessions s
WHERE tenant_id = %(tenant)s AND started_at >= %(since)s::timestamptz
ORDER BY s.started_at LIMIT %(rows)s

-- name: insert_session
INSERT INTO app.user_sessions (tenant_id, user_id, started_at, ended_at, device, ip, score, note)
VALUES (%(tenant_id)s, %(user_id)s::uuid, %(started_at)s::timestamptz, %(ended_at)s::timestamptz,
        %(device)s::jsonb, %(ip)s::inet, %(score)s::numeric, %(note)s)
RETURNING id::text

-- name: end_session
UPDATE app.user_sessions SET ended_at = %(ended_at)s::timestamptz, score = %(score)s::numeric
WHERE id = %(key)s::bigint

-- name: annotate_session
-- Built on what is there: an update lost before this one shows in the note.
UPDATE app.user_sessions SET note = right(coalesce(note, '') || %(added)s, 60), device = %(device)s::jsonb
WHERE id = %(key)s::bigint

-- name: move_session
UPDATE app.user_sessions SET started_at = %(started_at)s::timestamptz WHERE id = %(key)s::bigint

-- name: delete_session
DELETE FROM app.user_sessions WHERE id = %(key)s::bigint

-- name: read_audit_log
SELECT id, tenant_id, entity_id, entity_type, action, changes::text, performed_by, performed_at::text
FROM app.audit_log l
WHERE tenant_id = %(tenant)s AND performed_at >= %(since)s::timestamptz
ORDER BY l.performed_at LIMIT %(rows)s

-- name: insert_audit
INSERT INTO app.audit_log (id, tenant_id, entity_id, entity_type, action, changes, performed_by, performed_at)
VALUES (%(id)s, %(tenant_id)s, %(entity_id)s, %(entity_type)s, %(action)s, %(changes)s::jsonb, %(performed_by)s,
        %(performed_at)s::timestamptz)

-- name: amend_audit
UPDATE app.audit_log SET changes = %(changes)s::jsonb WHERE id = %(key)s

-- name: rekey_audit
UPDATE app.audit_log SET id = %(id)s WHERE id = %(key)s

-- name: move_audit
UPDATE app.audit_log SET performed_at = %(performed_at)s::timestamptz WHERE id = %(key)s

-- name: delete_audit
DELETE FROM app.audit_log WHERE id = %(key)s

-- The oracle ----------------------------------------------------------------------------------------------------

-- name: pin_oracle
-- Text forms must not depend on the session, and a role that a policy filters must raise, never see fewer rows.
SET LOCAL row_security = off;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD'

-- name: expect_user_sessions
-- Typed by hand, not LIKE the table: a column that changed its type must show.
CREATE TEMP TABLE expected_user_sessions (
    key bigint NOT NULL, present boolean NOT NULL,
    tenant_id text, user_id uuid, started_at timestamptz, ended_at timestamptz,
    device jsonb, ip inet, score numeric, note text
) ON COMMIT DROP

-- name: expect_audit_log
CREATE TEMP TABLE expected_audit_log (
    key text NOT NULL, present boolean NOT NULL,
    tenant_id text, entity_id text, entity_type varchar(50), action varchar(50),
    changes jsonb, performed_by text, performed_at timestamptz
) ON COMMIT DROP

-- name: copy_user_sessions
COPY expected_user_sessions FROM STDIN

-- name: copy_audit_log
COPY expected_audit_log FROM STDIN

-- name: analyze_user_sessions
ANALYZE expected_user_sessions

-- name: analyze_audit_log
ANALYZE expected_audit_log

-- name: judge_user_sessions
-- Every key with the states it may be in (two when the answer to a COMMIT was lost) against every row that has that key.
SELECT key::text, verdict, expected, found FROM (
    SELECT key, string_agg(expected, ' or ') AS expected, string_agg(found, ' and ') AS found,
           CASE WHEN count(row_at) = 0 THEN CASE WHEN bool_and(present) THEN 'lost' END
                WHEN bool_and(NOT present) THEN 'resurrected'
                WHEN count(*) FILTER (WHERE found = expected) = 0 THEN 'wrong'
                WHEN min(row_at) <> max(row_at) THEN 'resurrected' END AS verdict
    FROM (
        SELECT e.key, e.present, CASE WHEN a.id IS NOT NULL THEN (a.tableoid, a.ctid)::text END AS row_at,
               CASE WHEN e.present THEN ROW(e.tenant_id, e.user_id, e.started_at, e.ended_at, e.device, e.ip, e.score,
                                            e.note, length(e.note))::text ELSE 'absent' END AS expected,
               CASE WHEN a.id IS NOT NULL THEN ROW(a.tenant_id, a.user_id, a.started_at, a.ended_at, a.device, a.ip, a.score,
                                                   a.note, a.note_length)::text ELSE 'absent' END AS found
        FROM expected_user_sessions e LEFT JOIN app.user_sessions a ON a.id = e.key
    ) pairs GROUP BY key
) judged WHERE verdict IS NOT NULL ORDER BY key

-- name: judge_audit_log
SELECT key, verdict, expected, found FROM (
    SELECT key, string_agg(expected, ' or ') AS expected, string_agg(found, ' and ') AS found,
           CASE WHEN count(row_at) = 0 THEN CASE WHEN bool_and(present) THEN 'lost' END
                WHEN bool_and(NOT present) THEN 'resurrected'
                WHEN count(*) FILTER (WHERE found = expected) = 0 THEN 'wrong'
                WHEN min(row_at) <> max(row_at) THEN 'resurrected' END AS verdict
    FROM (
        SELECT e.key, e.present, CASE WHEN a.id IS NOT NULL THEN (a.tableoid, a.ctid)::text END AS row_at,
               CASE WHEN e.present THEN ROW(e.tenant_id, e.entity_id, e.entity_type, e.action, e.changes,
                                            e.performed_by, e.performed_at)::text ELSE 'absent' END AS expected,
               CASE WHEN a.id IS NOT NULL THEN ROW(a.tenant_id, a.entity_id, a.entity_type, a.action, a.changes,
                                                   a.performed_by, a.performed_at)::text ELSE 'absent' END AS found
        FROM expected_audit_log e LEFT JOIN app.audit_log a ON a.id = e.key
    ) pairs GROUP BY key
) judged WHERE verdict IS NOT NULL ORDER BY key
