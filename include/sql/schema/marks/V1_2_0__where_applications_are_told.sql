-- Where applications read and write, for those that look in PostgreSQL; canaries that another reader has seen; targets that were
-- there before.

CREATE TABLE sluice.route (
    migration      text PRIMARY KEY REFERENCES sluice.migration ON DELETE CASCADE,
    read_from      text NOT NULL CHECK (read_from IN ('old', 'shadow', 'new')),
    write_to       text NOT NULL CHECK (write_to IN ('old', 'new', 'none')),
    epoch          integer NOT NULL,
    lease_seconds  double precision NOT NULL,
    frozen_by      text,
    frozen_until   timestamptz,
    told_at        timestamptz NOT NULL DEFAULT clock_timestamp());
COMMENT ON TABLE sluice.route IS 'What applications are told. While nobody may write: who holds that, and from when on anybody may end it.';

-- A schema of its own: USAGE on `sluice` would let a role attach our functions, which run as their owner, to tables of its own.
CREATE SCHEMA IF NOT EXISTS sluice_routing;
CREATE VIEW sluice_routing.route AS
SELECT migration, read_from, write_to, epoch, lease_seconds, frozen_until FROM sluice.route;
COMMENT ON VIEW sluice_routing.route IS
    'For applications, read only: where to read and write while their data moves. A write counts only within lease_seconds of the look.';

CREATE TABLE sluice.canary (
    migration  text NOT NULL REFERENCES sluice.migration ON DELETE CASCADE,
    name       text NOT NULL,
    PRIMARY KEY (migration, name));
COMMENT ON TABLE sluice.canary IS 'Canaries that have come out of the stream, whoever read it: noted with the rows of their page.';

ALTER TABLE sluice.migration ADD COLUMN target_taken boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN sluice.migration.target_taken IS 'The target was there before: an abort takes our rows and columns away, and leaves the table.';

CREATE FUNCTION sluice.empty_taken(target regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$ BEGIN
    -- Under a policy some rows would stay, and nobody be told.
    PERFORM set_config('row_security', 'off', true);
    EXECUTE format('DELETE FROM %s WHERE _token IS NOT NULL', target);
    IF EXISTS (SELECT FROM pg_policy WHERE polrelid = target AND polname = 'sluice_tombstones') THEN
        EXECUTE format('DROP POLICY sluice_tombstones ON %s', target);
    END IF;
    EXECUTE format('ALTER TABLE %s DROP COLUMN _from, DROP COLUMN _token, DROP COLUMN _deleted', target);
END $$;
COMMENT ON FUNCTION sluice.empty_taken IS 'Take copies and our columns out of a table that was there before; what applications wrote stays.';

-- A target that was there before stays.
CREATE OR REPLACE FUNCTION sluice.abort(migration text, lock_wait interval DEFAULT '2 seconds') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    m sluice.migration;
    own oid;
    emptied oid;
    ours name;
BEGIN
    PERFORM set_config('lock_timeout', (extract(epoch FROM lock_wait) * 1000)::int::text, true);
    PERFORM pg_advisory_xact_lock(sluice.fence(migration));
    SELECT * INTO m FROM sluice.migration x WHERE x.name = migration;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no migration % in this database; there are: %', migration,
            coalesce((SELECT string_agg(x.name, ', ' ORDER BY x.name) FROM sluice.migration x), 'none');
    ELSIF m.phase = 'planned' THEN
        RETURN format('%s is planned: there is nothing to take back', migration);
    ELSIF m.phase = 'retired' THEN
        RAISE EXCEPTION '% is retired: the old table no longer follows, so there is no way back', migration;
    ELSIF m.phase = 'cut_over' THEN
        RAISE EXCEPTION '% is cut_over: abort is for before the cutover. Cut back first: ./sluice run migrate__% --conf ''{"to_phase": "verified"}''',
            migration, migration;
    END IF;
    FOR ours IN SELECT tgname FROM pg_trigger WHERE tgrelid = m.source_oid AND NOT tgisinternal AND tgname LIKE '!sluice%' LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', ours, m.source_oid::regclass);
    END LOOP;
    -- Looked for first: IF EXISTS would tell who aborts of each that is not there.
    FOR ours IN SELECT proname FROM pg_proc WHERE pronamespace = 'sluice'::regnamespace
                AND proname IN ('capture__' || migration, 'reverse__' || migration) LOOP
        EXECUTE format('DROP FUNCTION sluice.%I()', ours);
    END LOOP;
    SELECT relnamespace INTO own FROM pg_class WHERE oid = m.target_oid;
    IF FOUND AND m.target_taken THEN
        PERFORM sluice.empty_taken(m.target_oid::regclass);
    ELSIF FOUND THEN
        -- A copy that nobody reads before the cutover: dropping it loses nothing.
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
    DELETE FROM sluice.released r WHERE r.migration = m.name;
    DELETE FROM sluice.compared r WHERE r.migration = m.name;
    DELETE FROM sluice.canary k WHERE k.migration = m.name;
    UPDATE sluice.route r SET read_from = 'old', write_to = 'old', epoch = m.epoch + 1, frozen_by = NULL, frozen_until = NULL,
        told_at = clock_timestamp() WHERE r.migration = m.name;
    UPDATE sluice.migration x SET phase = 'planned', epoch = x.epoch + 1, source_oid = NULL, target_oid = NULL,
        verified_at = NULL, cut_over_at = NULL, carried = NULL, target_taken = false, changed_at = clock_timestamp()
    WHERE x.name = m.name;
    RETURN format('%s is planned again: capture is off and its copy is gone; %s was not touched', migration, m.source_name);
END $$;
