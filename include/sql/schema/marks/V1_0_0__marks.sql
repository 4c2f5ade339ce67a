-- Marks: what must commit with the data they vouch for. They live in schema `sluice` of the target's own database.

CREATE SCHEMA IF NOT EXISTS sluice;

CREATE TABLE sluice.migration (
    name                text PRIMARY KEY,
    phase               text NOT NULL CHECK (phase IN
                        ('planned', 'expanded', 'capturing', 'backfilled', 'verified', 'shadowing', 'cut_over', 'retired')),
    epoch               integer NOT NULL DEFAULT 1,
    source_oid          oid,
    target_oid          oid,
    source_name         text NOT NULL,
    target_name         text NOT NULL,
    source_filenode     oid,
    source_fingerprint  text,
    target_fingerprint  text,
    lower_bound         text,
    upper_bound         text,
    rows_estimated      bigint,
    verified_at         timestamptz,
    cut_over_at         timestamptz,
    carried             jsonb,
    changed_at          timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sluice.migration IS
    'Where each migration stands. Every change of phase takes the exclusive advisory lock sluice.fence(name) first.';
COMMENT ON COLUMN sluice.migration.carried IS 'What hangs on the live table since the last swap: triggers, foreign keys, views, publications.';
COMMENT ON COLUMN sluice.migration.epoch IS 'Rises with every retreat: a worker of an older epoch is fenced off.';

CREATE TABLE sluice.chunk (
    migration     text NOT NULL REFERENCES sluice.migration ON DELETE CASCADE,
    number        bigint GENERATED ALWAYS AS IDENTITY,
    lo            text NOT NULL,
    hi            text NOT NULL,
    done_at       timestamptz,
    lane          integer,
    rows_written  bigint,
    seconds       double precision,
    copied_by     xid8,
    PRIMARY KEY (migration, number)
);
CREATE INDEX chunk_pending ON sluice.chunk (migration, number) WHERE done_at IS NULL;
COMMENT ON TABLE sluice.chunk IS 'One row a chunk (one hot row would serialise the lanes), checked off in the data''s own transaction.';

CREATE TABLE sluice.quarantine (
    migration  text NOT NULL REFERENCES sluice.migration ON DELETE CASCADE,
    key        jsonb NOT NULL,
    reason     text NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration, key)
);
COMMENT ON TABLE sluice.quarantine IS 'Rows of the source that the target cannot hold yet. A user''s write never fails for us; cutover waits for this to be empty.';

CREATE TABLE sluice.compared (
    migration  text NOT NULL REFERENCES sluice.migration ON DELETE CASCADE,
    epoch      integer NOT NULL,
    place      bigint GENERATED ALWAYS AS IDENTITY,
    after      text[],
    until      text[],
    rows       bigint NOT NULL,
    hash       numeric NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (migration, place)
);
COMMENT ON TABLE sluice.compared IS 'Ranges of keys that a comparison under way has found equal: if it dies, the next one goes on behind them.';

CREATE TABLE sluice.probe (
    migration  text NOT NULL,
    lane       integer NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (migration, lane)
);
COMMENT ON TABLE sluice.probe IS 'A tiny write of each lane: the time of its commit is what the throttle calls commit_latency.';

CREATE FUNCTION sluice.fence(migration text) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$ SELECT hashtextextended('sluice:' || migration, 0) $$;
COMMENT ON FUNCTION sluice.fence IS 'The advisory lock of a migration: chunks share it, every change of phase takes it alone.';

CREATE FUNCTION sluice.fingerprint(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT md5(concat_ws(E'\n',
        (SELECT concat_ws('|', relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner), relacl::text) FROM pg_class WHERE oid = relation),
        (SELECT string_agg(concat_ws('|', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                                     a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attacl::text), E'\n' ORDER BY a.attnum)
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped),
        -- Validating a constraint is no drift.
        (SELECT string_agg(concat_ws('|', contype, conname, regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '')), E'\n' ORDER BY conname)
         FROM pg_constraint WHERE conrelid = relation),
        (SELECT string_agg(concat_ws('|', polname, polcmd, polpermissive, polroles::text, pg_get_expr(polqual, polrelid),
                                     pg_get_expr(polwithcheck, polrelid)), E'\n' ORDER BY polname)
         FROM pg_policy WHERE polrelid = relation),
        -- Our own triggers come and go with the phases.
        (SELECT string_agg(concat_ws('|', tgname, tgenabled, tgfoid), E'\n' ORDER BY tgname)
         FROM pg_trigger WHERE tgrelid = relation AND NOT tgisinternal AND tgname NOT LIKE '!sluice%')))
$$;
COMMENT ON FUNCTION sluice.fingerprint IS 'What must not drift unseen: columns, constraints, policies, grants, owner and other people''s triggers.';

CREATE VIEW sluice.status AS
SELECT m.name AS migration, m.phase, m.epoch, m.source_name AS source, m.target_name AS target,
       c.chunks, c.done AS chunks_done, c.rows_written, m.rows_estimated,
       round(c.rows_written / nullif(extract(epoch FROM c.last_done - c.first_done), 0)) AS rows_per_second,
       CASE WHEN c.done = c.chunks THEN interval '0'
            ELSE (c.last_done - c.first_done) * ((c.chunks - c.done)::double precision / nullif(c.done, 0)) END AS eta,
       (SELECT count(*) FROM sluice.quarantine q WHERE q.migration = m.name) AS quarantined,
       m.verified_at, m.cut_over_at, m.changed_at
FROM sluice.migration m
LEFT JOIN LATERAL (
    SELECT count(*) AS chunks, count(done_at) AS done, coalesce(sum(rows_written), 0) AS rows_written,
           min(done_at - seconds * interval '1 second') AS first_done, max(done_at) AS last_done
    FROM sluice.chunk c WHERE c.migration = m.name) c ON true;
COMMENT ON VIEW sluice.status IS 'Where each migration stands, for psql: SELECT * FROM sluice.status;';

CREATE FUNCTION sluice.abort(migration text, lock_wait interval DEFAULT '2 seconds') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    m sluice.migration;
    own oid;
    emptied oid;
BEGIN
    PERFORM set_config('lock_timeout', (extract(epoch FROM lock_wait) * 1000)::int::text, true);
    PERFORM pg_advisory_xact_lock(sluice.fence(migration));
    SELECT * INTO m FROM sluice.migration x WHERE x.name = migration;
    IF NOT FOUND OR m.phase = 'planned' THEN
        RETURN format('%s is planned: there is nothing to take back', migration);
    ELSIF m.phase IN ('cut_over', 'retired') THEN
        RAISE EXCEPTION '% is %: abort is for before the cutover. Cut back first: ./sluice run migrate__% --conf ''{"to_phase": "verified"}''',
            migration, m.phase, migration;
    END IF;
    IF EXISTS (SELECT FROM pg_class WHERE oid = m.source_oid) THEN
        EXECUTE format('DROP TRIGGER IF EXISTS "!sluice_capture" ON %s', m.source_oid::regclass);
        EXECUTE format('DROP TRIGGER IF EXISTS "!sluice_capture_truncate" ON %s', m.source_oid::regclass);
    END IF;
    EXECUTE format('DROP FUNCTION IF EXISTS sluice.%I()', 'capture__' || migration);
    EXECUTE format('DROP FUNCTION IF EXISTS sluice.%I()', 'reverse__' || migration);
    -- The target is a copy that nobody reads before the cutover: dropping it loses nothing.
    SELECT relnamespace INTO own FROM pg_class WHERE oid = m.target_oid;
    IF FOUND THEN
        SELECT c.relnamespace INTO emptied FROM pg_partition_tree(m.target_oid) t JOIN pg_class c ON c.oid = t.relid
        WHERE c.relnamespace <> own LIMIT 1;
        EXECUTE format('DROP TABLE %s', m.target_oid::regclass);
        -- The schema of the partitions, unless somebody keeps anything in it, or it is not ours.
        IF EXISTS (SELECT FROM pg_namespace n WHERE n.oid = emptied AND pg_has_role(n.nspowner, 'USAGE')
                   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)) THEN
            EXECUTE format('DROP SCHEMA %s', emptied::regnamespace);
        END IF;
    END IF;
    DELETE FROM sluice.chunk c WHERE c.migration = m.name;
    DELETE FROM sluice.quarantine q WHERE q.migration = m.name;
    DELETE FROM sluice.compared r WHERE r.migration = m.name;
    UPDATE sluice.migration x SET phase = 'planned', epoch = x.epoch + 1, source_oid = NULL, target_oid = NULL,
        verified_at = NULL, cut_over_at = NULL, carried = NULL, changed_at = clock_timestamp() WHERE x.name = m.name;
    RETURN format('%s is planned again: capture is off and its copy is gone; %s was not touched', migration, m.source_name);
END $$;
COMMENT ON FUNCTION sluice.abort IS 'Take a migration back from anywhere before its cutover: SELECT sluice.abort(''name''); needs no Airflow.';
